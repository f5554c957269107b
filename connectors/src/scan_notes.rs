//! What scans tell of themselves for the statement's report.

use parking_lot::Mutex;
use serde::Serialize;

/// Collects what the scans of one statement tell: an extension of the session's config.
#[derive(Debug, Default)]
pub struct ScanNotes(Mutex<Vec<SnapshotNote>>);

/// As of when a table was read by several connections, or in several pieces. A read by one query is of one moment and has no note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotNote {
    /// The catalog.
    pub catalog: String,
    /// `database.table`.
    pub table: String,
    /// How many connections read.
    pub connections: usize,
    /// Whether all of them saw the same state of the table: true if the server showed it, false if not, null where nothing tells. Changes of
    /// sessions with `sql_log_bin = 0`, and those of databases that a filter of the binary log leaves out which the user may not see, show
    /// nowhere: of them true tells nothing.
    pub one_snapshot: Option<bool>,
    /// The server's position at that state: a place in its binary log (`mysql-bin.000007:1234`) or a set of GTIDs. The first connection's
    /// where they differ. A read of changes can go on from it if `one_snapshot` is true, of MySQL without GTIDs
    /// only if there was a lock.
    pub position: Option<String>,
    /// How often transactions were begun until they saw one state; 0 where none were.
    pub attempts: u32,
    /// Why there is no one snapshot, or no proof of it, and the way out.
    pub note: Option<String>,
    /// Whether the user should see it: a state was wanted that could not be had.
    #[serde(skip)]
    pub is_warning: bool,
}

impl ScanNotes {
    /// Keeps what a scan tells.
    pub fn add(&self, note: SnapshotNote) {
        self.0.lock().push(note);
    }

    /// What was told so far, by catalog and table.
    pub fn snapshots(&self) -> Vec<SnapshotNote> {
        let mut notes = self.0.lock().clone();
        notes.sort_by(|a, b| (&a.catalog, &a.table).cmp(&(&b.catalog, &b.table)));
        notes
    }
}
