//! A session: its own USE, SET, parameters, catalogs and views, over an engine that others share.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;

use crate::engine::Engine;
use crate::error::{Result, SynclineError, codes};
use crate::report::StatementReport;
use crate::run::{Run, RunOptions, Script, WriteOptions};

/// A session over an [`Engine`]. Send and Sync, cheap to clone; clones share USE, SET, parameters, catalogs and views.
#[derive(Debug, Clone)]
pub struct Session {
    #[expect(dead_code, reason = "the runner reads it")]
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    #[expect(dead_code, reason = "the runner reads it")]
    engine: Engine,
}

impl Session {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { inner: Arc::new(Inner { engine }) }
    }

    /// Plans one query (over one system, several, or files). Reading starts when the frame is executed.
    ///
    /// # Errors
    /// The text is not one query, or a name in it is not known.
    pub async fn sql(&self, _text: &str) -> Result<DataFrame> {
        Err(SynclineError::new(codes::PLAN, "not built yet"))
    }

    /// Starts a script. What it changes in the session (USE, SET, catalogs, views) stays.
    ///
    /// Must be called within a tokio runtime. Everything that goes wrong later is in the run's report.
    ///
    /// # Errors
    /// There is no runtime, or the engine was shut down.
    pub fn start(&self, script: impl Into<Script>, options: RunOptions) -> Result<Run> {
        let _ = (script.into(), options);
        Err(SynclineError::new(codes::PLAN, "not built yet"))
    }

    /// Starts several scripts as one run; each begins with this session's state and leaves it as it was.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_jobs(&self, scripts: Vec<Script>, options: RunOptions) -> Result<Run> {
        let _ = (scripts, options);
        Err(SynclineError::new(codes::PLAN, "not built yet"))
    }

    /// Writes a stream of batches to `catalog.database.table`, all or nothing.
    ///
    /// # Errors
    /// The write failed; [`SynclineError::is_unknown_outcome`] tells whether it may have been committed nevertheless.
    pub async fn write(
        &self,
        _target: &str,
        _batches: SendableRecordBatchStream,
        _options: WriteOptions,
    ) -> Result<StatementReport> {
        Err(SynclineError::new(codes::PLAN, "not built yet"))
    }

    /// What `USE` chose: catalog and database, for a prompt.
    pub fn place(&self) -> (Option<String>, Option<String>) {
        (None, None)
    }

    /// Evaluates a parameter's value as `syncline param` prints it: `bizdate` is itself, `$bizdate` and `${bizdate}` are the date.
    ///
    /// # Errors
    /// The value cannot be evaluated.
    pub fn evaluate_parameter(&self, _value: &str, _options: &RunOptions) -> Result<String> {
        Err(SynclineError::new(codes::PLAN, "not built yet"))
    }
}
