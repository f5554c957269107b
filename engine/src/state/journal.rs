//! The labels and decisions of writes, on disk before they matter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use rusqlite::params;
use syncline_connectors::ConnectorError;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::sink::journal::AttemptRecord;
use syncline_connectors::sink::{CommitJournal, WriteId};

use super::StateStore;
use crate::error::{Result as EngineResult, SynclineError, codes};

/// Records one statement's attempt over a state store. Calls wait for the disk on a thread of their own.
///
/// That the attempt has ended is recorded by the statement, together with its outcome
/// ([`end_statement`](StateStore::end_statement)): were the attempt forgotten first, a process that is killed in between would leave a
/// committed write that nobody knows of, and `--resume` would write it twice.
#[derive(Debug)]
pub(crate) struct StateJournal {
    store: Arc<StateStore>,
    has_ended: AtomicBool,
}

impl StateJournal {
    pub(crate) fn new(store: Arc<StateStore>) -> Self {
        Self { store, has_ended: AtomicBool::new(false) }
    }

    /// Whether the write says that nothing of its attempt is open any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    async fn blocking(
        &self,
        change: impl FnOnce(&StateStore) -> EngineResult<()> + Send + 'static,
    ) -> Result<(), ConnectorError> {
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || change(&store))
            .await
            .map_err(|_| ConnectorError::internal("the journal stopped before it answered"))?
            .map_err(|error| ConnectorError::new(ErrorCode::Io, error.to_string()))
    }
}

#[async_trait]
impl CommitJournal for StateJournal {
    async fn record_attempt(&self, attempt: AttemptRecord) -> Result<(), ConnectorError> {
        self.has_ended.store(false, Ordering::Release);
        self.blocking(move |store| {
            let id = &attempt.id;
            let writers = i64::try_from(attempt.writers).unwrap_or(i64::MAX);
            // what was added to the details must be ended whatever comes of the write, so that it outlives a change of the mode
            let recorded = store.write(|database| {
                database.execute(
                    "INSERT INTO attempt (run_id, statement, attempt, job, catalog, database, table_name,
                       label_prefix, writers, write_mode, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                     ON CONFLICT (run_id, statement, attempt) DO UPDATE SET job = excluded.job,
                       catalog = excluded.catalog, database = excluded.database, table_name = excluded.table_name,
                       label_prefix = excluded.label_prefix, writers = excluded.writers,
                       write_mode = excluded.write_mode, details = excluded.details
                     WHERE decision IS NULL AND finished = 0",
                    params![
                        id.run,
                        id.statement,
                        id.attempt,
                        id.job,
                        attempt.catalog,
                        attempt.database,
                        attempt.table,
                        attempt.label_prefix,
                        writers,
                        attempt.write_mode,
                        attempt.details
                    ],
                )
            })?;
            one(recorded, id, "is decided or has ended, and is not begun again")
        })
        .await
    }

    async fn add_detail(&self, id: &WriteId, line: &str) -> Result<(), ConnectorError> {
        let (id, line) = (id.clone(), format!("{line}\n"));
        self.blocking(move |store| {
            let changed = store.write(|database| {
                database.execute(
                    "UPDATE attempt SET added_details = added_details || ? WHERE run_id = ? AND statement = ? AND attempt = ?",
                    params![line, id.run, id.statement, id.attempt],
                )
            })?;
            one(changed, &id, NOT_BEGUN)
        })
        .await
    }

    async fn record_decision(&self, id: &WriteId, labels: &[String]) -> Result<(), ConnectorError> {
        let (id, labels) = (id.clone(), labels.join("\n"));
        self.blocking(move |store| {
            let changed = store.write(|database| {
                database.execute(
                    "UPDATE attempt SET decision = ? WHERE run_id = ? AND statement = ? AND attempt = ?",
                    params![labels, id.run, id.statement, id.attempt],
                )
            })?;
            one(changed, &id, NOT_BEGUN)
        })
        .await
    }

    async fn forget(&self, _: &WriteId) -> Result<(), ConnectorError> {
        self.has_ended.store(true, Ordering::Release);
        Ok(())
    }
}

/// Why a change of an attempt that is not there fails.
const NOT_BEGUN: &str = "is not recorded";

/// A change that reached no attempt is none, and must not pass for one that is on disk.
fn one(changed: usize, id: &WriteId, otherwise: &str) -> EngineResult<()> {
    match changed {
        1.. => Ok(()),
        0 => Err(SynclineError::new(
            codes::STATE,
            format!("attempt {} of statement {} in run {} {otherwise}", id.attempt, id.statement, id.run),
        )),
    }
}
