//! The run report: what `--report json` prints, field by field. Names and values are a contract.

use serde::Serialize;
use syncline_connectors::scan_notes::SnapshotNote;

use crate::error::SynclineError;

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// The run's id, `[-\w]`.
    pub run_id: String,
    /// The first job's name: the script's file name without its suffix; `stdin` for `run -`.
    pub job: String,
    /// How it ended.
    pub status: RunStatus,
    /// The business date, `yyyymmdd`.
    pub bizdate: String,
    /// The planned time, `yyyy-mm-dd hh:mm:ss` in `timezone`.
    pub cyctime: String,
    /// The run's zone.
    pub timezone: String,
    /// Seconds from start to end.
    pub seconds: f64,
    /// The error that ended the run; also errors before the first statement.
    pub error: Option<ErrorReport>,
    /// Every statement of the script, in order.
    pub statements: Vec<StatementReport>,
    /// Things worth knowing about the run as a whole that are no error.
    pub warnings: Vec<String>,
    /// Whether `--resume` can go on where the run stopped: it is recorded in a state folder and did not succeed.
    pub can_resume: bool,
    /// Whether the run ended before its first statement: usage and name errors then have an exit code of their own.
    #[serde(skip)]
    pub nothing_ran: bool,
    /// The error with its place, for rendering; `error` is what the report prints of it.
    #[serde(skip)]
    pub failure: Option<SynclineError>,
}

impl RunReport {
    /// The process's exit code: 0; 1 failed; 2 for usage, syntax, parameters and names that were found before anything ran;
    /// 3 partly committed or outcome unknown; 130 cancelled (143 is the command line's to choose, when SIGTERM cancelled it).
    pub fn exit_code(&self) -> u8 {
        let is_usage =
            || self.error.as_ref().is_some_and(|error| error.code.starts_with("E1") || error.code.starts_with("E2"));
        match self.status {
            RunStatus::Succeeded => 0,
            RunStatus::PartlyCommitted | RunStatus::Unknown => 3,
            RunStatus::Cancelled => 130,
            RunStatus::Failed | RunStatus::RolledBack if self.nothing_ran && is_usage() => 2,
            RunStatus::Failed | RunStatus::RolledBack => 1,
        }
    }
}

/// One statement.
#[derive(Debug, Clone, Serialize)]
pub struct StatementReport {
    /// From 1, over all files.
    pub index: u32,
    /// The script.
    pub file: String,
    /// The line where it starts, from 1.
    pub line: usize,
    /// What kind of statement.
    pub kind: StatementKind,
    /// `catalog.database.table` of a write, or the catalog of a native statement.
    pub target: Option<String>,
    /// How it ended.
    pub status: StatementStatus,
    /// The write mode that was used.
    pub write_mode: Option<String>,
    /// The most loads of a write that were under way at a time.
    pub load_parallelism: Option<usize>,
    /// Rows that the scans read, with those that they rejected.
    pub rows_read: Option<u64>,
    /// Rows that are visible in the target; where the outcome is not known, those that are known to be.
    pub rows_written: Option<u64>,
    /// Rows left out.
    pub rows_rejected: Option<u64>,
    /// Bytes that the scans received.
    pub bytes_read: Option<u64>,
    /// As of when tables were read by several connections, one entry for each table.
    pub snapshot: Vec<SnapshotNote>,
    /// Bytes sent to the target, as encoded.
    pub bytes_written: Option<u64>,
    /// Seconds from start to end.
    pub seconds: Option<f64>,
    /// Of a write: the seconds that its writers waited for rows, over all of them (DataX: `WaitReaderTime`). Large if the source, or the query
    /// between, is slow.
    pub wait_reader_seconds: Option<f64>,
    /// Of a write: the seconds that the tasks which read waited until somebody took their rows, over all of them (DataX: `WaitWriterTime`).
    /// Large if the target is slow. Null where the scans do not measure it.
    pub wait_writer_seconds: Option<f64>,
    /// Labels of committed loads; of a write that is partly committed or unknown, also of those in doubt.
    pub labels: Vec<String>,
    /// Of a write that was left in doubt: until when `--resume` can finish it (RFC 3339); null where that has no end or is not known.
    pub resume_until: Option<String>,
    /// The file of rejects, if there are any.
    pub rejects_file: Option<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
    /// Things worth knowing that are no error.
    pub warnings: Vec<String>,
}

/// An error with its place.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ErrorReport {
    /// The stable code, such as `E1001`.
    pub code: String,
    /// The message with its hint.
    pub message: String,
    /// The script.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Everything was done.
    Succeeded,
    /// A statement failed, and left nothing of a write.
    Failed,
    /// The failing write had begun and left nothing.
    RolledBack,
    /// A write is visible in part.
    PartlyCommitted,
    /// The outcome of a write is not known.
    Unknown,
    /// Ctrl-C, SIGTERM or `cancel()`.
    Cancelled,
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementStatus {
    /// Done.
    Succeeded,
    /// Failed, and had not begun to write.
    Failed,
    /// The write had begun and left nothing.
    RolledBack,
    /// The write is visible in part.
    PartlyCommitted,
    /// The outcome is not known.
    Unknown,
    /// Stopped by the user.
    Cancelled,
    /// Done in the run that is resumed.
    Skipped,
    /// Not reached.
    NotRun,
    /// Dry run: names and plan are in order.
    Checked,
    /// Dry run: depends on an earlier statement.
    NotChecked,
}

/// What kind of statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// A write from elsewhere.
    Sync,
    /// One system's own text.
    Native,
    /// Planned by DataFusion.
    Query,
    /// About the session.
    Session,
    /// ASSERT.
    Assert,
}
