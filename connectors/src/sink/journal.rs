//! What a write records outside the process, so that a crash can be cleaned up or finished.

use std::fmt;

use async_trait::async_trait;

use super::WriteSummary;
use crate::error::{ConnectorError, Result};

/// Who writes: the parts of a label in front of attempt, writer and sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteId {
    /// The job's name, any text.
    pub job: String,
    /// The run's id, `[-\w]`.
    pub run: String,
    /// The statement's index, from 1.
    pub statement: u32,
    /// The attempt, from 1.
    pub attempt: u32,
}

/// One attempt of a write, recorded before its `begin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The write.
    pub id: WriteId,
    /// The catalog it writes to.
    pub catalog: String,
    /// The database it writes to.
    pub database: String,
    /// The table it writes to.
    pub table: String,
    /// The labels' common prefix: labels are `{prefix}-{writer}-{sequence}`.
    pub label_prefix: String,
    /// The number of writers of the plan.
    pub writers: usize,
    /// The write mode.
    pub write_mode: String,
    /// What recovery must know beside the labels, in the sink's own words (a staging table's name), and the lines that were added since
    /// ([`CommitJournal::add_detail`]); empty if nothing. Never a secret.
    pub details: String,
}

/// An attempt that a run left without an end, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAttempt {
    /// The attempt.
    pub attempt: AttemptRecord,
    /// The labels of the decision to commit; None if it was not recorded.
    pub decision: Option<Vec<String>>,
}

/// How recovery ended an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// Its rows are committed: the statement is done. Counts that are not known are 0.
    Committed(WriteSummary),
    /// Nothing of it is or will be visible: the statement runs again.
    RolledBack,
}

/// Records labels and decisions. The engine implements it over its state store; every call is durable when it returns.
#[async_trait]
pub trait CommitJournal: fmt::Debug + Send + Sync {
    /// Before `begin`: from now on labels of this attempt may exist on the server. Recorded again under the same id it replaces what was
    /// there (a write that goes on in another mode), except the lines that [`add_detail`](Self::add_detail) added, which stay behind the new
    /// details. Of an attempt that is decided or has ended it is an error, and changes nothing.
    async fn record_attempt(&self, attempt: AttemptRecord) -> Result<()>;
    /// Adds a line to the attempt's details: something that must be ended whatever comes of the write, such as an upload's id. The line
    /// holds no line feed, and no secret.
    async fn add_detail(&self, id: &WriteId, _line: &str) -> Result<()> {
        Err(ConnectorError::internal(format!("the journal of {}-{} keeps no details", id.job, id.run)))
    }
    /// The decision to commit: from now on recovery goes forward with these labels.
    async fn record_decision(&self, id: &WriteId, labels: &[String]) -> Result<()>;
    /// The attempt is finished (committed and visible, or rolled back): recovery need not look at it.
    async fn forget(&self, id: &WriteId) -> Result<()>;
}

/// A journal that remembers nothing, for tests and writes that cannot be resumed.
#[derive(Debug, Default)]
pub struct NoJournal;

#[async_trait]
impl CommitJournal for NoJournal {
    async fn record_attempt(&self, _: AttemptRecord) -> Result<()> {
        Ok(())
    }
    async fn add_detail(&self, _: &WriteId, _: &str) -> Result<()> {
        Ok(())
    }
    async fn record_decision(&self, _: &WriteId, _: &[String]) -> Result<()> {
        Ok(())
    }
    async fn forget(&self, _: &WriteId) -> Result<()> {
        Ok(())
    }
}
