//! The reject log that the engine uses: counts, keeps the first few, hands each to a file.

use std::fmt;

use parking_lot::Mutex;

use super::{ErrorLimit, Reject, RejectLog};
use crate::error::{ConnectorError, ErrorCode, Result};

/// How many rejects are kept for the message and the report; the file has all of them.
pub const REJECTS_KEPT: usize = 10;

/// Takes each reject as it is found, to write it somewhere; an error stops the write.
pub type RejectWriter = Box<dyn FnMut(&Reject) -> Result<()> + Send>;

/// Something worth saying that is no reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is about; the same key is said once.
    pub key: String,
    /// How often it happened.
    pub count: u64,
    /// The first case.
    pub first: String,
}

/// Collects the rejects of one statement. Its size is bounded: it keeps the first [`REJECTS_KEPT`] and the count of the rest.
#[derive(Default)]
pub struct RejectCollector {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    limit: ErrorLimit,
    count: u64,
    first: Vec<Reject>,
    warnings: Vec<Warning>,
    writer: Option<RejectWriter>,
}

impl RejectCollector {
    /// A collector that also hands every reject to `writer`.
    pub fn with_writer(writer: RejectWriter) -> Self {
        Self { state: Mutex::new(State { writer: Some(writer), ..State::default() }) }
    }

    /// The first rejects, in the order found.
    pub fn first(&self) -> Vec<Reject> {
        self.state.lock().first.clone()
    }

    /// The warnings, in the order of their first cases.
    pub fn warnings(&self) -> Vec<Warning> {
        self.state.lock().warnings.clone()
    }
}

impl State {
    fn check_count(&self) -> Result<()> {
        match self.limit {
            ErrorLimit::Rows(allowed) if self.count > allowed => {
                Err(self.too_many(&format!("error_limit is {allowed}")))
            }
            _ => Ok(()),
        }
    }

    fn too_many(&self, limit: &str) -> ConnectorError {
        let rows =
            if self.count == 1 { "1 row was rejected".into() } else { format!("{} rows were rejected", self.count) };
        let first = self.first.first().map(|reject| format!("; the first: {}", describe(reject))).unwrap_or_default();
        ConnectorError::new(ErrorCode::Rejects, format!("{rows}, {limit}{first}"))
    }
}

/// One line: column, value, reason, place.
fn describe(reject: &Reject) -> String {
    let mut line = String::new();
    if let Some(column) = &reject.column {
        line += &format!("column `{column}`: ");
    }
    if let Some(value) = &reject.value {
        line += &format!("\"{value}\" ");
    }
    line += &reject.reason;
    match (&reject.file, reject.line, reject.row) {
        (Some(file), Some(number), _) => line += &format!(" ({file}, line {number})"),
        (Some(file), None, _) => line += &format!(" ({file})"),
        (None, _, Some(row)) => line += &format!(" (row {row} of its writer)"),
        _ => {}
    }
    line
}

impl RejectLog for RejectCollector {
    fn reject(&self, reject: Reject) -> Result<()> {
        let mut state = self.state.lock();
        state.count += 1;
        if let Some(writer) = &mut state.writer {
            writer(&reject)?;
        }
        if state.first.len() < REJECTS_KEPT {
            state.first.push(reject);
        }
        state.check_count()
    }

    fn reject_unnamed(&self, rows: u64) -> Result<()> {
        let mut state = self.state.lock();
        state.count += rows;
        state.check_count()
    }

    fn set_limit(&self, limit: ErrorLimit) {
        self.state.lock().limit = limit;
    }

    fn count(&self) -> u64 {
        self.state.lock().count
    }

    fn check(&self, rows_total: u64) -> Result<()> {
        let state = self.state.lock();
        match state.limit {
            // a count of rows is far below 2^53, so that the product is as exact as the ratio is
            ErrorLimit::Ratio(allowed) if state.count as f64 > allowed * rows_total as f64 => {
                Err(state.too_many(&format!("error_limit is {}% of {rows_total}", allowed * 100.0)))
            }
            _ => state.check_count(),
        }
    }

    fn warn(&self, key: &str, count: u64, first: &str) {
        let mut state = self.state.lock();
        match state.warnings.iter_mut().find(|warning| warning.key == key) {
            Some(warning) => warning.count += count,
            None => state.warnings.push(Warning { key: key.into(), count, first: first.into() }),
        }
    }
}

impl fmt::Debug for RejectCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("RejectCollector")
            .field("limit", &state.limit)
            .field("count", &state.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn reject(value: &str) -> Reject {
        Reject {
            column: Some("score".into()),
            value: Some(value.into()),
            reason: "has a fraction, int would lose it".into(),
            row: Some(3),
            ..Reject::default()
        }
    }

    #[test]
    fn the_error_names_the_first_reject() {
        let log = RejectCollector::default();
        assert_eq!(
            log.reject(reject("3.7")).unwrap_err().message(),
            "1 row was rejected, error_limit is 0; the first: column `score`: \"3.7\" has a fraction, int would lose it (row 3 of its writer)"
        );
    }

    #[test]
    fn a_count_is_checked_at_once_and_a_ratio_at_the_end() {
        let log = RejectCollector::default();
        log.set_limit(ErrorLimit::Rows(2));
        log.reject(reject("1.5")).unwrap();
        log.reject_unnamed(1).unwrap();
        assert!(log.reject(reject("2.5")).is_err());

        let log = RejectCollector::default();
        log.set_limit(ErrorLimit::Ratio(0.1));
        (0..100).for_each(|_| log.reject(reject("1.5")).unwrap());
        log.check(1000).unwrap();
        assert!(log.check(999).unwrap_err().message().starts_with("100 rows were rejected, error_limit is 10% of 999"));
        assert_eq!(log.first().len(), REJECTS_KEPT);
    }

    #[test]
    fn every_reject_reaches_the_file_and_warnings_add_up() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let log = RejectCollector::with_writer(Box::new(move |reject| {
            sink.lock().push(reject.value.clone());
            Ok(())
        }));
        log.set_limit(ErrorLimit::Rows(u64::MAX));
        (0..20).for_each(|number| log.reject(reject(&number.to_string())).unwrap());
        assert_eq!(seen.lock().len(), 20);
        log.warn("extra fields", 2, "line 7");
        log.warn("extra fields", 3, "line 9");
        assert_eq!(log.warnings(), [Warning { key: "extra fields".into(), count: 5, first: "line 7".into() }]);
    }
}
