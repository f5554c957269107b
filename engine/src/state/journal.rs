//! The labels and decisions of writes, on disk before they matter.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::params;
use syncline_connectors::ConnectorError;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::sink::journal::AttemptRecord;
use syncline_connectors::sink::{CommitJournal, WriteId};

use super::StateStore;
use crate::error::Result as EngineResult;

/// Records over a state store. Calls wait for the disk on a thread of their own.
#[derive(Debug)]
pub(crate) struct StateJournal(pub(crate) Arc<StateStore>);

impl StateJournal {
    async fn blocking(
        &self,
        change: impl FnOnce(&StateStore) -> EngineResult<()> + Send + 'static,
    ) -> Result<(), ConnectorError> {
        let store = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || change(&store))
            .await
            .map_err(|_| ConnectorError::internal("the journal stopped before it answered"))?
            .map_err(|error| ConnectorError::new(ErrorCode::Io, error.to_string()))
    }
}

#[async_trait]
impl CommitJournal for StateJournal {
    async fn record_attempt(&self, attempt: AttemptRecord) -> Result<(), ConnectorError> {
        self.blocking(move |store| {
            let id = &attempt.id;
            let writers = i64::try_from(attempt.writers).unwrap_or(i64::MAX);
            store.write(|database| {
                database.execute(
                    "INSERT OR REPLACE INTO attempt (run_id, statement, attempt, job, catalog, database, table_name,
                       label_prefix, writers, write_mode, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            Ok(())
        })
        .await
    }

    async fn record_decision(&self, id: &WriteId, labels: &[String]) -> Result<(), ConnectorError> {
        let (id, labels) = (id.clone(), labels.join("\n"));
        self.blocking(move |store| {
            store.write(|database| {
                database.execute(
                    "UPDATE attempt SET decision = ? WHERE run_id = ? AND statement = ? AND attempt = ?",
                    params![labels, id.run, id.statement, id.attempt],
                )
            })?;
            Ok(())
        })
        .await
    }

    async fn forget(&self, id: &WriteId) -> Result<(), ConnectorError> {
        let id = id.clone();
        self.blocking(move |store| {
            store.write(|database| {
                database.execute(
                    "UPDATE attempt SET finished = 1 WHERE run_id = ? AND statement = ? AND attempt = ?",
                    params![id.run, id.statement, id.attempt],
                )
            })?;
            Ok(())
        })
        .await
    }
}
