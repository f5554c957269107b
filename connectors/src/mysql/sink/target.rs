//! What a write goes to, and how far it is: shared by the sink, its writer and its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use parking_lot::Mutex;

use super::columns::{MySqlColumn, UniqueKey};
use super::fence::Fence;
use super::load::TableLoad;
use super::options::{Mode, WriteOptions};
use super::refusal::{is_before_rows, is_duplicate};
use super::statement::FrameOptions;
use crate::error::{ConnectorError, ErrorCode};
use crate::mysql_protocol::connect::ConnectionPool;
use crate::sink::journal::AttemptRecord;
use crate::sink::{CommitJournal, RejectLog, WriteId};

/// The write mode of a write that is committed as a whole.
pub(super) const TRANSACTION: &str = "transaction";
/// That of one whose parts are committed one by one.
pub(super) const BATCHES: &str = "batches";

/// The line of the journal that says that no row waits for a commit.
pub(super) const ROW_BY_ROW: &str = "row by row";

/// A write that is planned.
pub(super) struct WriteTarget {
    pub(super) catalog: String,
    pub(super) pool: ConnectionPool,
    pub(super) database: String,
    pub(super) table: String,
    /// Those that are written, in the order of the rows.
    pub(super) columns: Vec<MySqlColumn>,
    pub(super) keys: Vec<UniqueKey>,
    pub(super) options: WriteOptions,
    pub(super) frame: FrameOptions,
    /// Whether the rows that are there are deleted first.
    pub(super) overwrite: bool,
    /// None if it has transactions, else the name of the table's engine.
    pub(super) engine_without_transactions: Option<String>,
    /// Whether, without transactions, a statement that fails may have stored its row: triggers run behind that.
    pub(super) may_fail_behind_the_row: bool,
    pub(super) id: WriteId,
    pub(super) journal: Arc<dyn CommitJournal>,
    pub(super) rejects: Arc<dyn RejectLog>,
}

impl WriteTarget {
    /// `catalog.database.table`, for messages.
    pub(super) fn shown(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.database, self.table)
    }

    pub(super) fn error(&self, code: ErrorCode, what: &str) -> ConnectorError {
        ConnectorError::new(code, format!("{}: {what}", self.shown()))
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.engine_without_transactions.is_none()
    }

    /// Whether a statement of one row that failed with this error has certainly left the table as it was.
    pub(super) fn is_untouched_by(&self, code: u16) -> bool {
        // REPLACE finds a duplicate behind the row that it has deleted
        let may_have_deleted = self.options.mode == Mode::Replace && is_duplicate(code);
        self.is_transactional() || !self.may_fail_behind_the_row && !may_have_deleted && is_before_rows(code)
    }

    /// The attempt as the journal keeps it.
    pub(super) fn record(&self, fence: &Fence, write_mode: &str) -> AttemptRecord {
        AttemptRecord {
            id: self.id.clone(),
            catalog: self.catalog.clone(),
            database: self.database.clone(),
            table: self.table.clone(),
            label_prefix: format!("{}-{}-{}", self.id.run, self.id.statement, self.id.attempt),
            writers: 1,
            write_mode: write_mode.to_owned(),
            details: match &self.engine_without_transactions {
                Some(_) => format!("{}{ROW_BY_ROW}\n", fence.details()),
                None => fence.details(),
            },
        }
    }
}

/// How far a write is. It outlives the connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// Whether parts of the write are committed before its end.
    pub(super) in_batches: bool,
    /// Rows that are committed.
    pub(super) committed: u64,
    /// Rows of a commit whose answer is not known.
    pub(super) in_doubt: u64,
}

impl Progress {
    pub(super) fn write_mode(&self) -> &'static str {
        if self.in_batches { BATCHES } else { TRANSACTION }
    }

    /// What a write that failed has left; None if it left nothing.
    pub(super) fn left(&self) -> Option<(ErrorCode, String)> {
        match (self.committed, self.in_doubt) {
            (0, 0) => None,
            (0, rows) => Some((
                ErrorCode::Unknown,
                format!(
                    "whether the {rows} rows of the last commit are in the table is not known: look before it is run again"
                ),
            )),
            (committed, 0) => {
                Some((ErrorCode::PartlyCommitted, format!("{committed} rows are committed and stay in the table")))
            }
            (committed, rows) => Some((
                ErrorCode::PartlyCommitted,
                format!(
                    "{committed} rows are committed and stay in the table; whether the {rows} rows of the last commit are there too is not known"
                ),
            )),
        }
    }
}

/// A write that may be going on.
pub(super) struct Shared {
    pub(super) target: WriteTarget,
    /// The connection, from `begin` to the commit or the roll-back.
    pub(super) load: tokio::sync::Mutex<Option<TableLoad>>,
    pub(super) fence: Mutex<Option<Fence>>,
    pub(super) progress: Mutex<Progress>,
    /// Bytes of a statement at most, as the server says.
    pub(super) packet_bytes: AtomicU64,
    /// Whether the write is being rolled back, so that nothing more may be sent.
    pub(super) is_stopped: AtomicBool,
}
