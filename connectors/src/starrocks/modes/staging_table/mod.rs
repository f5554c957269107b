//! Loads into a staging table, then one statement on the server that moves the rows: all or nothing, for any number of rows, and for what
//! INSERT OVERWRITE replaces.
//!
//! The statement has a label, by which its end is known when its answer is lost. Of an INSERT OVERWRITE the label tells only that the new
//! rows are written, not that they took the place of the old ones, so that the ids of the partitions are looked at as well: what
//! replaces a partition has another id. The ids alone tell nothing either, as somebody else may overwrite the same partitions: both must
//! agree. Dropping the staging table is a fence: behind it, a statement that never began cannot begin.

mod fate;
mod move_rows;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::super::partition_clause::Replaced;
use super::super::partitions::Which;
use super::loads::ParallelLoads;
use super::partition_places;
use super::statement::{DEFINITION_TIMEOUT, Ended, let_it_arrive, name_of, pause, run};
use super::target::WriteTarget;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::ConnectionPool;
use crate::sink::{CommitToken, Sink, WriteSummary, Writer};
pub(in super::super) use fate::recover;
pub(in super::super) use move_rows::Move;

use fate::{Details, Replaces, not_visible_yet};
use server::Server;

/// The mode's name.
const MODE: &str = "staging_table";

/// A write through a staging table.
#[derive(Debug)]
pub(in super::super) struct StagingTableSink {
    /// The write; its loads go to the staging table.
    target: Arc<WriteTarget>,
    server: Server,
    loads: Arc<ParallelLoads>,
    move_of: Move,
    staging: String,
    writers: AtomicUsize,
    /// Whether `begin` was started and is not known to have ended: a statement of it may still be on its way.
    is_beginning: AtomicBool,
    /// Whether the server may have the statement.
    sent: AtomicBool,
}

impl StagingTableSink {
    pub(in super::super) fn new(target: &WriteTarget, pool: ConnectionPool, move_of: Move) -> Self {
        let staging = name_of("syncline_staging", target.id());
        let names = move_of.names();
        let header = (!names.is_empty()).then(|| ("partitions".to_owned(), names.join(",")));
        let server = Server {
            client: target.shared_client(),
            pool,
            catalog: target.catalog().to_owned(),
            database: target.database().to_owned(),
            table: target.table().to_owned(),
        };
        let target = Arc::new(target.tentative(Some(staging.clone()), header));
        Self {
            loads: ParallelLoads::new(target.clone()),
            target,
            server,
            move_of,
            staging,
            writers: AtomicUsize::new(0),
            is_beginning: AtomicBool::new(false),
            sent: AtomicBool::new(false),
        }
    }

    async fn record(&self, details: &Details) -> Result<()> {
        let details = serde_json::to_string(details)
            .map_err(|error| ConnectorError::internal("the journal's entry cannot be written").with_source(error))?;
        self.target.record_attempt_with(self.writers.load(Ordering::Relaxed), MODE, details).await
    }

    fn details(&self) -> Details {
        let replaces = match &self.move_of {
            Move::Add { .. } => Replaces::Nothing,
            Move::Replace { what: Replaced::TouchedPartitions, .. } => Replaces::Touched,
            Move::Replace { .. } => Replaces::All,
        };
        Details { staging: self.staging.clone(), replaces, before: Vec::new(), touched: None, rows: 0, bytes: 0 }
    }

    /// Makes the staging table, with the partitions that the statement names: a copy of a table that makes its partitions itself has none.
    async fn make_staging_table(&self) -> Result<()> {
        let server = &self.server;
        let names = self.move_of.names();
        let wanted = if names.is_empty() { Vec::new() } else { server.named(&names).await? };
        let staging = server.qualified(&self.staging)?;
        let make = format!("CREATE TABLE {staging} LIKE {}", server.qualified(&server.table)?);
        let patience = server.client.patience();
        let mut tries = 0;
        loop {
            tries += 1;
            match run(&server.pool, &[], &make, DEFINITION_TIMEOUT).await {
                Ended::Done { .. } => break,
                Ended::Refused(error) => return Err(server.failed("the staging table cannot be made", &error)),
                Ended::NotSent(error) | Ended::Lost(error) if tries >= patience.attempts => {
                    return Err(server.failed("the staging table cannot be made", &error));
                }
                Ended::NotSent(_) => pause(patience, tries).await,
                // It may be there by now; nobody else makes a table of this name.
                Ended::Lost(_) => {
                    pause(patience, tries).await;
                    server.drop_table(&self.staging).await?;
                }
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let there = server.partitions(&self.staging, Which::Formal).await?;
        for partition in wanted.iter().filter(|partition| there.iter().all(|there| there.name != partition.name)) {
            let clause = partition.values.clause()?;
            partition_places::add(&server.pool, patience, &staging, &partition.name, &clause)
                .await
                .map_err(|error| server.failed("the staging table cannot be given the partition", &error))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for StagingTableSink {
    async fn begin(&self, writers: usize) -> Result<()> {
        self.writers.store(writers, Ordering::Relaxed);
        self.record(&self.details()).await?;
        self.is_beginning.store(true, Ordering::Relaxed);
        let made = self.make_staging_table().await;
        self.is_beginning.store(false, Ordering::Relaxed);
        made
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        Ok(self.loads.writer(writer, writers))
    }

    async fn commit(&self, _: Vec<CommitToken>) -> Result<WriteSummary> {
        self.loads.wait_until_visible().await?;
        // The label that counts is that of the statement at the end.
        let mut summary = self.loads.take_summary(MODE, |_| false);
        if summary.rows_written > 0 || self.move_of.is_of_use_without_rows() {
            let mut details = self.details();
            (details.rows, details.bytes) = (summary.rows_written, summary.bytes_written);
            let (partitions, variables) = self.plan_move(&mut details).await?;
            let label = self.target.statement_label();
            let sql = self.statement(&label, &partitions)?;
            self.record(&details).await?;
            self.target.record_decision(&[label.to_string()]).await?;
            let visible = self.move_rows(&details, &sql, variables).await?;
            if !visible {
                summary.warnings.push(not_visible_yet(&label, self.target.options().settings.visible_timeout));
            }
            summary.labels.push(label.to_string());
        }
        match self.server.drop_table(&self.staging).await {
            Ok(()) => self.target.forget().await,
            // The statement is done, so that a run that is resumed does not come back to it.
            Err(error) => summary.warnings.push(self.server.stays(&self.staging, &error)),
        }
        Ok(summary)
    }

    async fn abort(&self) -> Result<()> {
        let left = self.loads.roll_back().await;
        for error in &left.errors {
            // Without its table it cannot become visible.
            tracing::debug!(%error, "a load into a staging table could not be rolled back");
        }
        let mut dropped = self.server.drop_table(&self.staging).await;
        if dropped.is_ok() && self.is_beginning.load(Ordering::Relaxed) {
            let_it_arrive(self.server.client.patience()).await;
            dropped = self.server.drop_table(&self.staging).await;
        }
        match dropped {
            Ok(()) => {
                self.target.forget().await;
                Ok(())
            }
            Err(error) => Err(ConnectorError::new(
                ErrorCode::Unknown,
                format!(
                    "{}: nothing of it is visible, but {}, or run with --resume",
                    self.target.shown(),
                    self.server.stays(&self.staging, &error)
                ),
            )),
        }
    }

    fn remains(&self) -> Option<WriteSummary> {
        let sent = self.sent.load(Ordering::Relaxed);
        let labels = if sent { vec![self.target.statement_label().to_string()] } else { Vec::new() };
        Some(WriteSummary { write_mode: MODE.into(), labels, ..WriteSummary::default() })
    }
}
