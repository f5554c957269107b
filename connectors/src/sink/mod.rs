//! Writing: what a target must offer, and the two plan nodes that drive it.
//!
//! `WriteExec` runs one [`Writer`] per input partition; each yields a [`CommitToken`]. `CommitExec` above it calls
//! [`Sink::begin`] before its input starts, checks that every writer's token is there exactly once, and calls [`Sink::commit`].
//! Planning has no effects.
//!
//! The engine calls [`plan_insert`] with the plan of a SELECT and what a catalog made of the [`WriteRequest`]; it executes the plan up to its
//! one row, and watches the [`WriteHandle`]. A catalog maps columns with [`map_columns`] and reads [`WriteSettings`]; what the target cannot
//! hold is sorted out by [`convert`] before a [`Writer`] sees it.

pub mod commit_exec;
pub mod convert;
pub mod handle;
pub mod journal;
pub mod mapping;
pub mod provider;
pub mod reject;
pub mod reject_log;
pub mod settings;
pub mod target;
pub mod token;
pub mod write_exec;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

use crate::error::Result;
use crate::options::Options;
use crate::spill::SpillSpace;
use crate::throttle::Throttles;
pub use commit_exec::CommitExec;
pub use handle::{CleanUp, WriteHandle, WriteProgress, WriteState};
pub use journal::{CommitJournal, OpenAttempt, Recovered, WriteId};
pub use mapping::map_columns;
pub use provider::{PlannedInsert, check_types, plan_insert};
pub use reject::{FoundBy, Reject, RejectLog, RowValues};
pub use reject_log::{RejectCollector, RejectWriter, Warning};
pub use settings::{WriteMode, WriteSettings};
pub use target::{TargetColumn, TargetType};
pub use token::CommitToken;
pub use write_exec::WriteExec;

/// How the columns of the SELECT meet those of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnMapping {
    /// No list: the n-th column goes to the target's n-th column; the counts must be equal.
    Position,
    /// `(a, b, c)`: the n-th column goes to the n-th name.
    List(Vec<String>),
    /// `BY NAME`: each column goes to the target's column of its name.
    ByName,
}

/// One item of `PARTITION (…)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionItem {
    /// `dt = '20240807'`: a partition value.
    Value {
        /// The column, as written.
        column: String,
        /// The value without quotes; None is NULL.
        value: Option<String>,
    },
    /// `p20240807`, or a column whose value comes from the rows: which one is known when the target is.
    Name(String),
}

/// A write as the statement asks for it.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The database, as the server spells it.
    pub database: String,
    /// The table, as the server spells it.
    pub table: String,
    /// Whether this is INSERT OVERWRITE.
    pub overwrite: bool,
    /// What `PARTITION (…)` holds.
    pub partition: Vec<PartitionItem>,
    /// How columns are mapped.
    pub mapping: ColumnMapping,
    /// The output schema of the SELECT.
    pub source: arrow::datatypes::SchemaRef,
    /// The statement's `PROPERTIES (…)`, as written.
    pub properties: Options,
    /// `SET syncline.*` of the session, by short name (`write_mode`, `load_bytes`); `properties` win over these, these over the catalog.
    pub settings: Options,
    /// Who writes: goes into labels and journal.
    pub id: WriteId,
    /// Where labels and decisions are recorded.
    pub journal: Arc<dyn CommitJournal>,
    /// Where rejects go.
    pub rejects: Arc<dyn RejectLog>,
    /// The zone of the run, an IANA name or an offset.
    pub timezone: String,
    /// Where rows wait that are too much for memory.
    pub spill: Arc<SpillSpace>,
}

/// A write that can start: the target is resolved, columns are mapped, options are checked. Making it had no effects.
#[derive(Debug)]
pub struct PlannedWrite {
    /// For every column of the SELECT, in order, the target column that it goes to.
    pub columns: Vec<TargetColumn>,
    /// What to write with.
    pub sink: Arc<dyn Sink>,
    /// How many rejects the statement allows.
    pub error_limit: ErrorLimit,
    /// How many writers to run at most; 1 makes the plan have one writer.
    pub max_writers: usize,
    /// Limits of speed of the target's catalog.
    pub throttles: Throttles,
    /// One line for EXPLAIN: target, mode, format.
    pub description: String,
}

/// How many rejects a statement may have (`error_limit`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ErrorLimit {
    /// At most this many rows.
    Rows(u64),
    /// At most this part of all rows, 0 to 1.
    Ratio(f64),
}

impl Default for ErrorLimit {
    fn default() -> Self {
        Self::Rows(0)
    }
}

/// A target of one write. `begin`, then writers in parallel, then `commit` once with all tokens, or `abort`.
///
/// Batches that reach a writer are mapped and checked: column n of a batch has a value of `PlannedWrite::columns[n]`'s
/// [`TargetType::arrow_type`], or text that the target accepts for it (see [`target`]).
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync {
    /// Called once, before any writer is opened, with the number of writers of the plan.
    async fn begin(&self, writers: usize) -> Result<()>;
    /// A writer for one plan partition. Cheap: a writer without rows opens no load.
    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>>;
    /// Makes everything visible. `tokens` has every writer exactly once, in writer order. Runs detached: it is not cancelled.
    /// After an error `abort` is called, unless the error's code says that the outcome is Unknown or that the write is PartlyCommitted.
    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary>;
    /// Removes everything this attempt may have left, whether or not its tokens were seen, and whether or not `begin` succeeded.
    /// Tolerates writers that still run. What cannot be removed is an error of code [`PartlyCommitted`](crate::error::ErrorCode::PartlyCommitted).
    async fn abort(&self) -> Result<()>;
    /// What a write that ended PartlyCommitted or Unknown has left: the labels of loads that are committed or in doubt, the rows that are
    /// known to be visible, the mode. None where nothing is known.
    fn remains(&self) -> Option<WriteSummary> {
        None
    }
}

/// One writer of a write. Dropping it without `finish` leaves nothing visible.
#[async_trait]
pub trait Writer: Send {
    /// Takes a checked batch. Returns when there is room for the next one: this is the backpressure.
    async fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    /// Bytes sent so far, as encoded: live progress, never a decision.
    fn bytes_written(&self) -> u64 {
        0
    }
    /// Ends the writer's loads and says what must be committed.
    async fn finish(self: Box<Self>) -> Result<CommitToken>;
}

/// What a committed write did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// Rows now visible.
    pub rows_written: u64,
    /// Rows that the server refused (those refused here are counted by the [`RejectLog`]).
    pub rows_rejected_by_server: u64,
    /// Bytes sent, as encoded.
    pub bytes_written: u64,
    /// The labels of the loads that were committed.
    pub labels: Vec<String>,
    /// The mode that was used, such as `single`.
    pub write_mode: String,
    /// The most loads that were under way at a time; 0 for a target that has no loads.
    pub load_parallelism: usize,
    /// What the user should know, though the write is committed.
    pub warnings: Vec<String>,
    /// Of a write into a partitioned table over files: the partitions that it wrote and that the table does not know yet, a text for each
    /// partition column. They lie below the table's folder.
    pub new_partitions: Vec<Vec<String>>,
    /// For what a write has left ([`Sink::remains`]): until when `--resume` can finish it. None where that has no end, or is not known.
    pub resume_until: Option<jiff::Timestamp>,
}
