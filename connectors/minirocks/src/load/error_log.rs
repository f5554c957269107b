//! The first filtered rows of a load, and where a client reads them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

/// Rows that one load reports (StarRocks: at most 50 for each fragment).
const MAX_ROWS: usize = 50;
/// Logs that are kept; the oldest goes first. StarRocks keeps them 48 hours.
const MAX_LOGS: usize = 200;

/// The first filtered rows of one load.
#[derive(Debug, Default)]
pub(crate) struct ErrorRows {
    lines: Vec<String>,
}

impl ErrorRows {
    /// Adds a row, if there is room. `line` gives the reason and the row.
    pub(super) fn add(&mut self, line: impl FnOnce() -> (String, String)) {
        if self.lines.len() < MAX_ROWS {
            let (reason, row) = line();
            // One line for each row: a line break inside would look like another row.
            let line = format!("Error: {reason}. Row: {row}").replace(['\n', '\r'], " ");
            self.lines.push(line);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// The logs of the last loads. Names are looked up, never used as paths.
#[derive(Debug, Default)]
pub(crate) struct ErrorLogs {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_name: HashMap<String, Arc<str>>,
    order: VecDeque<String>,
}

impl ErrorLogs {
    /// Keeps a log and returns the name that a client asks for.
    pub(super) fn store(&self, errors: ErrorRows) -> String {
        let name = format!("error_log_{:016x}_{:016x}", rand::random::<u64>(), rand::random::<u64>());
        let mut text = errors.lines.join("\n");
        text.push('\n');
        let mut kept = self.kept.lock();
        kept.by_name.insert(name.clone(), text.into());
        kept.order.push_back(name.clone());
        if kept.order.len() > MAX_LOGS
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.by_name.remove(&oldest);
        }
        name
    }

    /// The text of a log.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<str>> {
        self.kept.lock().by_name.get(name).cloned()
    }
}
