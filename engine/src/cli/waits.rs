//! Which side of a sync was slow: the wait times of reader and writer in words, under the names that DataX gives them.

use std::time::Duration;

use crate::report::StatementReport;

/// Less than this is no wait worth a line, in seconds.
const SHORTEST: f64 = 0.5;
/// The part of a statement's time that a wait must take.
const PART: f64 = 0.2;
/// How many times as long one side must have waited as the other.
const TIMES: f64 = 3.0;

/// `WaitWriterTime 1.2 s, WaitReaderTime 0.3 s`, of what is measured.
pub(super) fn so_far(wait_writer: Option<Duration>, wait_reader: Option<Duration>) -> Option<String> {
    let shown = |name: &str, time: Option<Duration>| time.map(|time| format!("{name} {:.1} s", time.as_secs_f64()));
    let both = [shown("WaitWriterTime", wait_writer), shown("WaitReaderTime", wait_reader)];
    let shown: Vec<String> = both.into_iter().flatten().collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// A line that says which side of a write was slow, if one clearly was.
pub(super) fn slow_side(statement: &StatementReport) -> Option<String> {
    let seconds = statement.seconds?;
    let for_writer = statement.wait_writer_seconds.unwrap_or(0.0);
    let for_reader = statement.wait_reader_seconds.unwrap_or(0.0);
    let is_clear = |longer: f64, other: f64| longer >= SHORTEST && longer >= seconds * PART && longer >= other * TIMES;
    let times = format!("WaitWriterTime {for_writer:.1} s, WaitReaderTime {for_reader:.1} s");
    if is_clear(for_writer, for_reader) {
        Some(format!("the writer was the slow side: what was read waited for it ({times})"))
    } else if is_clear(for_reader, for_writer) {
        Some(format!("the reader was the slow side: writers waited for rows ({times})"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{StatementKind, StatementStatus};

    fn statement(seconds: f64, for_writer: Option<f64>, for_reader: Option<f64>) -> StatementReport {
        StatementReport {
            index: 1,
            file: "a.sql".to_owned(),
            line: 1,
            kind: StatementKind::Sync,
            target: None,
            status: StatementStatus::Succeeded,
            write_mode: None,
            load_parallelism: None,
            rows_read: None,
            rows_written: None,
            rows_rejected: None,
            bytes_read: None,
            snapshot: Vec::new(),
            bytes_written: None,
            seconds: Some(seconds),
            wait_reader_seconds: for_reader,
            wait_writer_seconds: for_writer,
            labels: Vec::new(),
            resume_until: None,
            rejects_file: None,
            error: None,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn the_slow_side_is_named_only_if_it_is_clear() {
        let side = |seconds, for_writer, for_reader| slow_side(&statement(seconds, for_writer, for_reader));
        let writer = side(10.0, Some(8.0), Some(0.5)).unwrap();
        assert_eq!(
            writer,
            "the writer was the slow side: what was read waited for it (WaitWriterTime 8.0 s, WaitReaderTime 0.5 s)"
        );
        assert!(side(10.0, Some(0.1), Some(8.0)).unwrap().starts_with("the reader was the slow side"));
        assert!(side(10.0, None, Some(8.0)).is_some());
        assert_eq!(side(10.0, Some(4.0), Some(3.0)), None, "both");
        assert_eq!(side(0.2, Some(0.15), Some(0.0)), None, "nothing worth a line");
        assert_eq!(side(100.0, Some(2.0), Some(0.0)), None, "a small part of the time");
    }

    #[test]
    fn waits_bear_the_names_of_datax() {
        let second = Some(Duration::from_millis(1200));
        assert_eq!(so_far(second, Some(Duration::ZERO)).unwrap(), "WaitWriterTime 1.2 s, WaitReaderTime 0.0 s");
        assert_eq!(so_far(None, second).unwrap(), "WaitReaderTime 1.2 s");
        assert_eq!(so_far(None, None), None);
    }
}
