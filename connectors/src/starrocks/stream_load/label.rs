//! Labels: the server's name for a load, and what makes it recognisable after a lost answer.

use std::fmt;

use crate::sink::WriteId;

/// The longest label (StarRocks: STREAM_LOAD docs, `^[-\w]{1,128}$`).
const MAX_BYTES: usize = 128;
/// Room kept behind the prefix for `-{writer}-{sequence}`: 5 and 10 digits.
const TAIL_BYTES: usize = 1 + 5 + 1 + 10;
/// The longest run id that a label repeats in full.
const MAX_RUN_BYTES: usize = 48;

/// The label of one load: at most 128 bytes of `[-\w]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Label(String);

impl Label {
    /// A label for a load that is meant to be refused: no two are the same, and none is recorded.
    pub(crate) fn throw_away() -> Self {
        Self(format!("syncline-probe-{:016x}", rand::random::<u64>()))
    }

    /// A label as the journal has it; None if it is none.
    pub(crate) fn recorded(label: &str) -> Option<Self> {
        (label.len() <= MAX_BYTES && is_legal(label)).then(|| Self(label.to_owned()))
    }

    /// What the labels of one writer have in common.
    pub(crate) fn writer(&self) -> &str {
        self.0.rsplit_once('-').map_or(&self.0, |(writer, _)| writer)
    }

    /// The text, safe in a header and in a query string as it is.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the labels of one attempt of a write have in common: `{job}-{run}-{statement}-{attempt}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelPrefix(String);

impl LabelPrefix {
    /// The prefix of a write. The same write has the same prefix in every process. A job's name that is not `[-\w]` or too long is
    /// changed and cut, with a hash of the whole name so that two jobs stay apart.
    pub(crate) fn new(id: &WriteId) -> Self {
        let run = fit(&id.run, MAX_RUN_BYTES);
        let rest = format!("-{run}-{}-{}", id.statement, id.attempt);
        let job = fit(&id.job, MAX_BYTES - TAIL_BYTES - rest.len());
        Self(format!("{job}{rest}"))
    }

    /// The prefix of an attempt as the journal has it; None if labels cannot begin like that.
    pub(crate) fn recorded(prefix: &str) -> Option<Self> {
        (prefix.len() + TAIL_BYTES <= MAX_BYTES && is_legal(prefix)).then(|| Self(prefix.to_owned()))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The label of the server-side statement that ends an attempt.
    pub(crate) fn statement_label(&self) -> Label {
        Label(format!("{}-insert", self.0))
    }

    /// The label of a writer's load; `sequence` counts from 0 and grows by one when the load before was begun.
    pub(crate) fn label(&self, writer: usize, sequence: u64) -> Label {
        Label(format!("{}-{writer}-{sequence}", self.0))
    }
}

/// Whether the text is `[-\w]+`, and so safe in headers and query strings.
fn is_legal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The text if it is `[-\w]` and short enough, else what is left of it with a hash.
fn fit(text: &str, max_bytes: usize) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.len() <= max_bytes && text.chars().all(allowed) {
        return text.to_owned();
    }
    let hash = format!("{:08x}", fnv1a(text.as_bytes()));
    let kept: String =
        text.chars().map(|c| if allowed(c) { c } else { '_' }).take(max_bytes.saturating_sub(hash.len() + 1)).collect();
    if kept.is_empty() { hash } else { format!("{kept}_{hash}") }
}

/// FNV-1a of 32 bits: small, and the same in every version of the program.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(job: &str, run: &str) -> WriteId {
        WriteId { job: job.into(), run: run.into(), statement: 7, attempt: 2 }
    }

    #[test]
    fn a_label_names_job_run_statement_attempt_writer_and_sequence() {
        let label = LabelPrefix::new(&id("user_profile", "r20240807-1")).label(3, 12);
        assert_eq!(label.as_str(), "user_profile-r20240807-1-7-2-3-12");
    }

    #[test]
    fn any_job_name_makes_a_legal_label() {
        for job in ["", "用户画像", "a b/c\r\nX: y", &"x".repeat(500), "ok"] {
            for run in ["r1", &"r".repeat(300), "läuft"] {
                let label = LabelPrefix::new(&WriteId { statement: u32::MAX, attempt: u32::MAX, ..id(job, run) })
                    .label(99_999, 9_999_999_999);
                let text = label.as_str();
                assert!(!text.is_empty() && text.len() <= 128, "{} bytes: {text}", text.len());
                assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{text}");
            }
        }
    }

    #[test]
    fn what_a_journal_has_is_checked_before_it_is_sent() {
        let label = Label::recorded("user_profile-r1-7-2-3-12").unwrap();
        assert_eq!((label.as_str(), label.writer()), ("user_profile-r1-7-2-3-12", "user_profile-r1-7-2-3"));
        for bad in ["", "a b", "a\r\nX: y", "a&label=b", "läuft", &"x".repeat(129)] {
            assert!(Label::recorded(bad).is_none() && LabelPrefix::recorded(bad).is_none(), "{bad}");
        }
        let prefix = LabelPrefix::new(&id("用户画像", &"r".repeat(300)));
        assert_eq!(LabelPrefix::recorded(prefix.as_str()), Some(prefix));
    }

    #[test]
    fn jobs_that_look_alike_once_cleaned_keep_labels_apart() {
        assert_ne!(LabelPrefix::new(&id("a b", "r")), LabelPrefix::new(&id("a/b", "r")));
        let long = "x".repeat(200);
        assert_ne!(LabelPrefix::new(&id(&format!("{long}1"), "r")), LabelPrefix::new(&id(&format!("{long}2"), "r")));
        assert_eq!(LabelPrefix::new(&id("a b", "r")), LabelPrefix::new(&id("a b", "r")));
    }
}
