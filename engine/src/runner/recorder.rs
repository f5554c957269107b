//! What the state store knows of a run: that it began, which statements are done, how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::engine::Engine;
use crate::error::Result;
use crate::report::{RunStatus, StatementStatus};
use crate::state::{RunRecord, StateStore};

/// Records the run in the state store, at its start or when it first writes. Before that nothing is recorded of it.
#[derive(Clone)]
pub(super) struct Recorder {
    engine: Engine,
    record: RunRecord,
    is_recorded: Arc<AtomicBool>,
}

impl Recorder {
    pub(super) fn new(engine: Engine, record: RunRecord) -> Self {
        Self { engine, record, is_recorded: Arc::default() }
    }

    /// Records the run, if it is not yet.
    pub(super) fn record(&self) -> Result<()> {
        if !self.is_recorded.load(Ordering::Acquire) {
            self.state().begin_run(&self.record)?;
            self.is_recorded.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Records that a statement begins of which nothing else would tell that it did.
    pub(super) fn begin_statement(&self, statement: u32) -> Result<()> {
        match self.is_recorded.load(Ordering::Acquire) {
            true => self.state().begin_statement(&self.record.run_id, statement),
            false => Ok(()),
        }
    }

    /// Records that what a statement had made is gone again, or was never made.
    pub(super) fn undo_statement(&self, statement: u32) {
        if !self.is_recorded.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.state().undo_statement(&self.record.run_id, statement) {
            tracing::warn!(%error, statement, "that what a statement has made is gone is not recorded");
        }
    }

    /// Records how a statement ended, and in the same step that its attempt has.
    pub(super) fn end_statement(
        &self,
        statement: u32,
        status: StatementStatus,
        ended_attempt: Option<u32>,
    ) -> Result<()> {
        match self.is_recorded.load(Ordering::Acquire) {
            true => self.state().end_statement(&self.record.run_id, statement, &name_of(status), ended_attempt),
            false => Ok(()),
        }
    }

    /// What the run did stands, whether or not its end can be recorded.
    pub(super) fn end(&self, status: RunStatus) {
        if !self.is_recorded.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.state().end_run(&self.record.run_id, &name_of(status)) {
            tracing::warn!(%error, run_id = %self.record.run_id, "the end of the run is not recorded");
        }
    }

    fn state(&self) -> &StateStore {
        &self.engine.shared.state
    }
}

/// A status as the report prints it.
fn name_of(status: impl Serialize) -> String {
    let name = serde_json::to_value(status).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or("failed").to_owned()
}
