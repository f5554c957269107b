//! What Stream Load answers, read by a closed list of successes: whatever is not on it is a failure.

use serde_json::Value;

/// The answer to a load (StarRocks: STREAM_LOAD docs, "Return value").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadResponse {
    pub(crate) status: LoadStatus,
    /// The status as the server spells it.
    pub(crate) status_text: String,
    pub(crate) message: String,
    pub(crate) total: Option<u64>,
    pub(crate) loaded: Option<u64>,
    pub(crate) filtered: Option<u64>,
    pub(crate) unselected: Option<u64>,
    /// Where the server's list of refused rows is.
    pub(crate) error_url: Option<String>,
    /// Whether the answer has the keys that only a BE writes.
    pub(crate) from_backend: bool,
}

/// How a load ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoadStatus {
    /// `Success` or `OK`: committed and visible.
    Success,
    /// `Publish Timeout`: committed, visible later.
    PublishTimeout,
    /// `Label Already Exists`, with the state of the load that has the label.
    LabelExists(ExistingJob),
    /// Anything else, in the server's spelling: `Fail` from a BE, `FAILED` from an FE.
    Failed(String),
}

/// `ExistingJobStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExistingJob {
    /// `RUNNING`: not committed yet.
    Running,
    /// `FINISHED`: committed or visible.
    Finished,
    /// Absent or unknown.
    Unknown,
}

impl LoadResponse {
    /// Reads an answer; None if it is no JSON object with a status.
    pub(crate) fn parse(body: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(body).ok()?;
        let object = value.as_object()?;
        // FE's general REST answers write their keys in lower case.
        let text = |names: &[&str]| names.iter().find_map(|name| object.get(*name)?.as_str()).map(str::to_owned);
        let number = |name: &str| object.get(name).and_then(Value::as_u64);
        let status = text(&["Status", "status"])?;
        let status = match status.as_str() {
            "Success" | "OK" => LoadStatus::Success,
            "Publish Timeout" => LoadStatus::PublishTimeout,
            "Label Already Exists" => LoadStatus::LabelExists(match text(&["ExistingJobStatus"]).as_deref() {
                Some("FINISHED") => ExistingJob::Finished,
                Some("RUNNING") => ExistingJob::Running,
                _ => ExistingJob::Unknown,
            }),
            _ => LoadStatus::Failed(status),
        };
        Some(Self {
            status,
            status_text: text(&["Status", "status"])?,
            message: text(&["Message", "message", "msg"]).unwrap_or_default(),
            total: number("NumberTotalRows"),
            loaded: number("NumberLoadedRows"),
            filtered: number("NumberFilteredRows"),
            unselected: number("NumberUnselectedRows"),
            error_url: text(&["ErrorURL"]).filter(|url| !url.is_empty()),
            from_backend: object.contains_key("TxnId") || object.contains_key("NumberTotalRows"),
        })
    }

    /// Whether the load is committed.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self.status, LoadStatus::Success | LoadStatus::PublishTimeout)
    }

    /// The rows that the server accounts for, if it says so.
    pub(crate) fn rows_accounted(&self) -> Option<u64> {
        Some(self.loaded? + self.filtered.unwrap_or(0) + self.unselected.unwrap_or(0))
    }

    /// Whether the server refused the load because of its rows, which it decides before it commits.
    pub(crate) fn is_refused_for_its_rows(&self) -> bool {
        self.message.starts_with("too many filtered rows")
    }

    /// Whether the same load may succeed a little later. Everything else the server refuses for good.
    pub(crate) fn is_retryable(&self) -> bool {
        const PASSING: &[&str] = &[
            "no backend alive",
            "no backend or compute node alive",
            "please retry later",
            "try again later",
            "current running txns",
            "eagain",
            "too many tablet versions",
            "too many versions",
            "commit rate",
            "not leader",
            "not master",
            "is not ready",
            "rpc failed",
            "rpc timeout",
            "too many tasks",
            "memory of process exceed limit",
            "mem usage has exceed the limit",
        ];
        let message = self.message.to_lowercase();
        matches!(self.status, LoadStatus::Failed(_)) && PASSING.iter().any(|text| message.contains(text))
    }

    /// Whether the server has failed for want of memory, threads, or time to publish and compact: it would rather have fewer loads at a time.
    pub(crate) fn is_too_busy(&self) -> bool {
        const BUSY: &[&str] = &[
            "eagain",
            "too many tablet versions",
            "too many versions",
            "commit rate",
            "rpc timeout",
            "too many tasks",
            "memory of process exceed limit",
            "mem usage has exceed the limit",
        ];
        let message = self.message.to_lowercase();
        matches!(self.status, LoadStatus::Failed(_)) && BUSY.iter().any(|text| message.contains(text))
    }
}

/// The state of a label (`get_load_state`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LabelState {
    /// `PREPARE`, `COMMITTING`: runs.
    Running,
    /// `PREPARED`: a transaction that has all its rows and waits for the decision. It is committed or rolled back by its label.
    Prepared,
    /// `COMMITTED`: will be visible.
    Committed,
    /// `VISIBLE`.
    Visible,
    /// `ABORTED`, with the reason: nothing of it is or will be visible; the label is free.
    Aborted(String),
    /// `UNKNOWN`: the server has no such label.
    Unknown,
}

impl LabelState {
    /// Reads an answer of `get_load_state`; None if it says something else.
    pub(crate) fn parse(body: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(body).ok()?;
        let state = value.get("state")?.as_str()?;
        let reason = value.get("reason").and_then(Value::as_str).unwrap_or_default();
        Some(match state {
            "PREPARE" | "COMMITTING" => Self::Running,
            "PREPARED" => Self::Prepared,
            "COMMITTED" => Self::Committed,
            "VISIBLE" => Self::Visible,
            "ABORTED" => Self::Aborted(reason.to_owned()),
            "UNKNOWN" => Self::Unknown,
            _ => return None,
        })
    }
}

/// One line of the server's error log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedRow {
    pub(crate) reason: String,
    /// The row as the server prints it, if it does.
    pub(crate) row: Option<String>,
    /// The column that the reason names, if it does.
    pub(crate) column: Option<String>,
}

/// Reads an error log: lines `Error: <reason>. Row: <row>`. A row may hold line breaks, so a line that does not begin with
/// `Error:` belongs to the one before. At most `max_rows` are returned.
pub(crate) fn parse_error_log(text: &str, max_rows: usize) -> Vec<RefusedRow> {
    let mut entries: Vec<String> = Vec::new();
    for line in text.split('\n') {
        match line.strip_prefix("Error: ") {
            Some(entry) if entries.len() == max_rows => {
                let _ = entry;
                break;
            }
            Some(entry) => entries.push(entry.to_owned()),
            None => match entries.last_mut() {
                Some(entry) => {
                    entry.push('\n');
                    entry.push_str(line);
                }
                None if line.trim().is_empty() => {}
                // Another version's form: the line as it is.
                None => entries.push(line.to_owned()),
            },
        }
    }
    entries
        .into_iter()
        .map(|entry| {
            let entry = entry.trim_end_matches('\n');
            let (reason, row) = match entry.split_once(". Row: ") {
                Some((reason, row)) => (reason, Some(row.to_owned())),
                None => (entry, None),
            };
            let reason = reason.trim_end_matches('.').to_owned();
            RefusedRow { column: column_in(&reason), reason, row }
        })
        .collect()
}

/// The column that a reason names, in any of the forms that versions use.
fn column_in(reason: &str) -> Option<String> {
    let between = |start: &str, end: &str| {
        let from = reason.find(start)? + start.len();
        let length = reason[from..].find(end)?;
        Some(reason[from..from + length].to_owned())
    };
    // "Column separator: ','" of a row with too many fields names no column.
    between("(name = ", ",")
        .or_else(|| between("non-nullable column '", "'"))
        .or_else(|| between("The type of '", "'"))
        .or_else(|| between("The max length of '", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(body: &str) -> LoadStatus {
        LoadResponse::parse(body).unwrap().status
    }

    #[test]
    fn only_listed_states_are_success() {
        assert_eq!(status(r#"{"Status":"Success"}"#), LoadStatus::Success);
        assert_eq!(status(r#"{"Status":"OK"}"#), LoadStatus::Success);
        assert_eq!(status(r#"{"Status":"Publish Timeout"}"#), LoadStatus::PublishTimeout);
        for failure in ["Fail", "FAILED", "success", "SUCCESS", "Succes", "", "Done", "ok"] {
            let body = format!(r#"{{"Status":"{failure}"}}"#);
            assert_eq!(status(&body), LoadStatus::Failed(failure.to_owned()), "{failure}");
        }
    }

    #[test]
    fn the_frontend_writes_keys_in_lower_case() {
        let body = r#"{"status":"FAILED","code":"1","msg":"Access denied","message":"Access denied for root"}"#;
        let response = LoadResponse::parse(body).unwrap();
        assert_eq!(response.status, LoadStatus::Failed("FAILED".into()));
        assert_eq!(response.message, "Access denied for root");
        assert!(!response.from_backend);
    }

    #[test]
    fn an_answer_without_a_status_is_none() {
        for body in ["", "<html>", "[]", "{}", "null", r#"{"Status":3}"#] {
            assert_eq!(LoadResponse::parse(body), None, "{body}");
        }
    }

    #[test]
    fn an_existing_label_says_how_its_load_stands() {
        let body = |job: &str| format!(r#"{{"TxnId":-1,"Status":"Label Already Exists","ExistingJobStatus":"{job}"}}"#);
        assert_eq!(status(&body("FINISHED")), LoadStatus::LabelExists(ExistingJob::Finished));
        assert_eq!(status(&body("RUNNING")), LoadStatus::LabelExists(ExistingJob::Running));
        assert_eq!(status(&body("PREPARED")), LoadStatus::LabelExists(ExistingJob::Unknown));
        assert_eq!(status(r#"{"Status":"Label Already Exists"}"#), LoadStatus::LabelExists(ExistingJob::Unknown));
    }

    #[test]
    fn only_passing_troubles_are_tried_again() {
        let retryable = |status: &str, message: &str| {
            let body = format!(r#"{{"Status":"{status}","Message":"{message}"}}"#);
            LoadResponse::parse(&body).unwrap().is_retryable()
        };
        assert!(retryable("FAILED", "class com.starrocks.common.DdlException: No backend alive."));
        assert!(retryable("Fail", "current running txns on db 1 is 1000, larger than limit 1000"));
        assert!(!retryable("Fail", "too many filtered rows"));
        assert!(!retryable("Success", "try again later"));
        let busy = |message: &str| {
            let body = format!(r#"{{"Status":"Fail","Message":"{message}"}}"#);
            LoadResponse::parse(&body).unwrap().is_too_busy()
        };
        assert!(busy("Memory of process exceed limit. try consume:1048576 Used: 90 Limit: 90"));
        assert!(busy("Too many versions. tablet_id: 10005, version_count: 1001, limit: 1000"));
        assert!(!busy("No backend alive."));
    }

    #[test]
    fn states_of_a_label_are_a_closed_list() {
        let state = |state: &str| LabelState::parse(&format!(r#"{{"state":"{state}","reason":"r","status":"OK"}}"#));
        assert_eq!(state("PREPARE"), Some(LabelState::Running));
        assert_eq!(state("PREPARED"), Some(LabelState::Prepared));
        assert_eq!(state("COMMITTED"), Some(LabelState::Committed));
        assert_eq!(state("VISIBLE"), Some(LabelState::Visible));
        assert_eq!(state("ABORTED"), Some(LabelState::Aborted("r".into())));
        assert_eq!(state("UNKNOWN"), Some(LabelState::Unknown));
        assert_eq!(state("SOMETHING"), None);
        assert_eq!(LabelState::parse(r#"{"status":"FAILED"}"#), None);
    }

    #[test]
    fn refused_rows_are_read_with_reason_row_and_column() {
        let log = "Error: NULL value in non-nullable column 'c'. Row: [NULL, 2]\n\
                   Error: Target column count: 3 doesn't match source value column count: 2. Column separator: ',', Row delimiter: '\\n'. Row: a\nb,2\n\
                   Error: The field (name = qty, pos = 1) is out of range. Type: INT, Value length: 3, Value: abc\n";
        let rows = parse_error_log(log, 50);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].column.as_deref(), Some("c"));
        assert_eq!(rows[0].row.as_deref(), Some("[NULL, 2]"));
        assert_eq!((rows[1].column.as_deref(), rows[1].row.as_deref()), (None, Some("a\nb,2")));
        assert_eq!((rows[2].column.as_deref(), rows[2].row.as_deref()), (Some("qty"), None));
        assert_eq!(parse_error_log(log, 1).len(), 1);
        assert!(parse_error_log("", 50).is_empty());
    }
}
