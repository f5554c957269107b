//! The sink: begin, one writer, one commit or one roll-back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::fence::End;
use super::load::{CommitFailure, TableLoad};
use super::target::Shared;
use super::writer::TableWriter;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{CommitToken, Sink, WriteSummary, Writer};

/// How long a roll-back waits for a statement under way; behind that its connection is ended.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3);

/// A write into a table.
pub(super) struct TableSink(Arc<Shared>);

impl TableSink {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    fn summary(&self, tokens: &[CommitToken]) -> WriteSummary {
        let progress = self.0.progress.lock().clone();
        WriteSummary {
            rows_written: progress.committed,
            bytes_written: tokens.iter().map(|token| token.bytes).sum(),
            write_mode: progress.write_mode().to_owned(),
            warnings: self.warning_of_batches().into_iter().collect(),
            ..WriteSummary::default()
        }
    }

    /// What a user should know who takes a write for one transaction.
    fn warning_of_batches(&self) -> Option<String> {
        let target = &self.0.target;
        if let Some(engine) = &target.engine_without_transactions {
            return Some(format!(
                "the engine of {} is {engine}, which has no transactions: the rows were there one by one",
                target.shown()
            ));
        }
        self.0.progress.lock().in_batches.then(|| {
            format!(
                "{} was written in batches of up to {} rows or {} bytes, each visible when it was committed; \"transaction_rows\" and \
                 \"transaction_bytes\" set the limits",
                target.shown(),
                target.options.transaction_rows,
                target.options.transaction_bytes
            )
        })
    }

    /// Ends the write's connection where it may still be there. What it has not committed is rolled back with it.
    async fn end_connection(&self) -> Result<End> {
        let fence = self.0.fence.lock().clone();
        match fence {
            Some(fence) => fence.end(&self.0.target.pool).await,
            None => Ok(End::Ended),
        }
    }

    /// The error of a commit whose answer is lost.
    async fn in_doubt(&self, error: &ConnectorError) -> ConnectorError {
        let target = &self.0.target;
        // so that whoever looks finds what stays
        let ended = match self.end_connection().await {
            Ok(End::Ended) => "its connection has ended, so that what is in the table now is what stays",
            Ok(End::NotKnown) | Err(_) => "its connection may still be there",
        };
        let (code, left) = self.0.progress.lock().left().unwrap_or((ErrorCode::Unknown, String::new()));
        target.error(code, &format!("the answer to the commit was lost: {}; {left}; {ended}", error.message()))
    }
}

impl fmt::Debug for TableSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableSink({})", self.0.target.shown())
    }
}

#[async_trait]
impl Sink for TableSink {
    async fn begin(&self, _: usize) -> Result<()> {
        let mut load = self.0.load.lock().await;
        *load = Some(TableLoad::begin(&self.0).await?);
        Ok(())
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        if writers != 1 {
            return Err(ConnectorError::internal(format!("a write into MySQL has {writers} writers")));
        }
        Ok(Box::new(TableWriter::new(Arc::clone(&self.0), writer, writers)))
    }

    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary> {
        let target = &self.0.target;
        let mut open = self.0.load.lock().await;
        let load = open.as_mut().ok_or_else(|| ConnectorError::internal("a write is committed that is not open"))?;
        let rows = if target.is_transactional() { load.open_rows() } else { self.0.progress.lock().committed };
        target.journal.record_decision(&target.id, &[format!("{rows} rows")]).await?;
        match load.commit(&self.0).await {
            Ok(()) => {}
            // what is left of the connection is for the roll-back
            Err(CommitFailure::Refused(error)) => return Err(error),
            Err(CommitFailure::InDoubt(error)) => {
                open.take();
                drop(open);
                return Err(self.in_doubt(&error).await);
            }
        }
        if let Some(load) = open.take() {
            load.close().await;
        }
        let mut summary = self.summary(&tokens);
        if let Err(error) = target.journal.forget(&target.id).await {
            summary
                .warnings
                .push(format!("the journal could not be told that the write has ended: {}", error.message()));
        }
        Ok(summary)
    }

    async fn abort(&self) -> Result<()> {
        self.0.is_stopped.store(true, Ordering::Release);
        let load = match timeout(STATEMENT_TIMEOUT, self.0.load.lock()).await {
            Ok(mut open) => open.take(),
            Err(_) => None,
        };
        let is_rolled_back = match load {
            Some(load) if load.is_ready() => load.roll_back().await,
            // dropping it closes its socket
            _ => false,
        };
        if !is_rolled_back && let Err(error) = self.end_connection().await {
            // without a commit the server rolls back, sooner or later
            tracing::debug!(%error, "the connection of a write could not be ended");
        }
        let target = &self.0.target;
        let left = self.0.progress.lock().left();
        match left {
            Some((code, left)) => Err(target.error(code, &left)),
            None => target.journal.forget(&target.id).await,
        }
    }

    fn remains(&self) -> Option<WriteSummary> {
        Some(self.summary(&[]))
    }
}
