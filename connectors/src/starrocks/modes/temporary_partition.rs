//! Loads into temporary partitions, which then take the places of the partitions that INSERT OVERWRITE names, in one step.
//!
//! A temporary partition keeps its id when it takes a place. So a lost answer is resolved by looking: it has happened when a partition that
//! readers see has the id. That it has not is certain only when the temporary partition is dropped and the old one is in its place: dropping
//! is the fence behind which a statement that was given up, and is still on its way, cannot replace anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::super::catalog::StarrocksCatalog;
use super::super::partition_clause::Replaced;
use super::super::partitions::{self, Partition, PartitionColumn, Which};
use super::super::stream_load::client::StreamLoadClient;
use super::super::stream_load::patience::Patience;
use super::loads::ParallelLoads;
use super::partition_places::{add, cancel_loads, clause_of, numbered};
use super::statement::{DEFINITION_TIMEOUT, Ended, let_it_arrive, name_of, pause, repeat, run};
use super::target::WriteTarget;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::ConnectionPool;
use crate::mysql_protocol::quote::{identifier, table_name};
use crate::sink::{CommitToken, OpenAttempt, Recovered, Sink, WriteSummary, Writer};

/// The mode's name.
const MODE: &str = "temporary_partition";

/// The partitions that are replaced.
#[derive(Debug, Clone)]
pub(in super::super) enum Places {
    /// Partitions that exist, by name.
    Names(Vec<String>),
    /// The partition of this value.
    Value(Vec<(PartitionColumn, String)>),
}

impl Places {
    /// None for what is not known before the rows are.
    pub(in super::super) fn of(replaced: &Replaced) -> Option<Self> {
        match replaced {
            Replaced::Names(names) => Some(Self::Names(names.clone())),
            Replaced::Value(value) => Some(Self::Value(value.clone())),
            Replaced::WholeTable | Replaced::TouchedPartitions => None,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Names(names) => names.len(),
            Self::Value(_) => 1,
        }
    }
}

/// A write through temporary partitions.
#[derive(Debug)]
pub(in super::super) struct TemporaryPartitionSink {
    target: Arc<WriteTarget>,
    server: Server,
    loads: Arc<ParallelLoads>,
    places: Places,
    writers: AtomicUsize,
    details: Mutex<Details>,
    /// Whether `begin` was started and is not known to have ended: a statement of it may still be on its way.
    is_beginning: AtomicBool,
    /// Whether the server may have been told to replace.
    sent: AtomicBool,
}

/// What recovery needs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Details {
    partitions: Vec<Replacement>,
    rows: u64,
    bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Replacement {
    /// The temporary partition.
    temporary: String,
    /// Its id, once it is there.
    id: Option<u64>,
    /// The partition whose place it takes; None for that of the same values, which is added if there is none.
    name: Option<String>,
    /// The values clause of both.
    clause: String,
    /// What a partition that is added is called, unless there is one of this name.
    new_name: String,
    /// The id of the partition that is replaced, from the decision on.
    #[serde(default)]
    before: Option<u64>,
}

/// The server as this mode sees it, with the place of the write.
#[derive(Debug, Clone)]
struct Server {
    client: Arc<StreamLoadClient>,
    pool: ConnectionPool,
    catalog: String,
    database: String,
    table: String,
}

impl TemporaryPartitionSink {
    pub(in super::super) fn new(target: &WriteTarget, pool: ConnectionPool, places: Places) -> Self {
        let names: Vec<String> = (0..places.count()).map(|n| temporary_name(target, n)).collect();
        let header = ("temporary_partitions".to_owned(), names.join(","));
        let server = Server {
            client: target.shared_client(),
            pool,
            catalog: target.catalog().to_owned(),
            database: target.database().to_owned(),
            table: target.table().to_owned(),
        };
        let target = Arc::new(target.tentative(None, Some(header)));
        Self {
            loads: ParallelLoads::new(target.clone()),
            target,
            server,
            places,
            writers: AtomicUsize::new(0),
            details: Mutex::default(),
            is_beginning: AtomicBool::new(false),
            sent: AtomicBool::new(false),
        }
    }

    /// Looks up what is replaced, and how its replacement is made.
    async fn replacements(&self) -> Result<Vec<Replacement>> {
        let all = self.server.list(Which::Formal).await?;
        let replacements = match &self.places {
            Places::Names(names) => names
                .iter()
                .enumerate()
                .map(|(n, name)| {
                    let partition = partitions::named(&all, name)?;
                    Ok(Replacement {
                        temporary: temporary_name(&self.target, n),
                        id: None,
                        name: Some(partition.name.clone()),
                        clause: partition.values.clause()?,
                        new_name: partition.name.clone(),
                        before: None,
                    })
                })
                .collect::<Result<Vec<_>>>(),
            Places::Value(value) => clause_of(&all, value).map(|(clause, new_name)| {
                let temporary = temporary_name(&self.target, 0);
                vec![Replacement { temporary, id: None, name: None, clause, new_name, before: None }]
            }),
        };
        replacements.map_err(|error| self.server.named(&error))
    }

    async fn record(&self, details: &Details) -> Result<()> {
        let text = serde_json::to_string(details)
            .map_err(|error| ConnectorError::internal("the journal's entry cannot be written").with_source(error))?;
        self.target.record_attempt_with(self.writers.load(Ordering::Relaxed), MODE, text).await?;
        *self.details.lock() = details.clone();
        Ok(())
    }
}

fn temporary_name(target: &WriteTarget, n: usize) -> String {
    name_of(&format!("syncline_p{n}"), target.id())
}

#[async_trait]
impl Sink for TemporaryPartitionSink {
    async fn begin(&self, writers: usize) -> Result<()> {
        self.writers.store(writers, Ordering::Relaxed);
        let details = Details { partitions: self.replacements().await?, ..Details::default() };
        self.record(&details).await?;
        self.is_beginning.store(true, Ordering::Relaxed);
        let added = self.server.add_temporary(&details).await;
        self.is_beginning.store(false, Ordering::Relaxed);
        added
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        Ok(self.loads.writer(writer, writers))
    }

    async fn commit(&self, _: Vec<CommitToken>) -> Result<WriteSummary> {
        self.loads.wait_until_visible().await?;
        let summary = self.loads.take_summary(MODE, |load| load.rows > 0);
        let mut details = self.details.lock().clone();
        (details.rows, details.bytes) = (summary.rows_written, summary.bytes_written);
        self.server.read_ids(&mut details).await?;
        self.record(&details).await?;
        self.target.record_decision(&summary.labels).await?;
        self.sent.store(true, Ordering::Relaxed);
        self.server.replace(&details).await?;
        self.target.forget().await;
        Ok(summary)
    }

    async fn abort(&self) -> Result<()> {
        let left = self.loads.roll_back().await;
        for error in &left.errors {
            // Without its partition it cannot become visible.
            tracing::debug!(%error, "a load into a temporary partition could not be rolled back");
        }
        let details = self.details.lock().clone();
        let mut dropped = self.server.drop_temporary(&details).await;
        if dropped.is_ok() && self.is_beginning.load(Ordering::Relaxed) {
            let_it_arrive(self.server.patience()).await;
            dropped = self.server.drop_temporary(&details).await;
        }
        match dropped {
            Ok(()) => {
                self.target.forget().await;
                Ok(())
            }
            Err(error) => {
                let names: Vec<&str> = details.partitions.iter().map(|each| each.temporary.as_str()).collect();
                Err(ConnectorError::new(
                    ErrorCode::Unknown,
                    format!(
                        "{}: nothing of it is visible, but its temporary partition {} stays: {}; ALTER TABLE … DROP TEMPORARY PARTITION, or run with --resume",
                        self.target.shown(),
                        names.join(", "),
                        error.message()
                    ),
                ))
            }
        }
    }

    fn remains(&self) -> Option<WriteSummary> {
        let sent = self.sent.load(Ordering::Relaxed);
        let mut summary = self.loads.remains(MODE);
        if !sent {
            // What is in a temporary partition is not visible.
            (summary.rows_written, summary.labels) = (0, Vec::new());
        }
        Some(summary)
    }
}

impl Server {
    fn qualified(&self) -> Result<String> {
        table_name(&self.database, &self.table)
    }

    fn named(&self, error: &ConnectorError) -> ConnectorError {
        let shown = format!("{}.{}.{}", self.catalog, self.database, self.table);
        ConnectorError::new(error.code(), format!("{shown}: {}", error.message()))
    }

    fn patience(&self) -> &Patience {
        self.client.patience()
    }

    async fn list(&self, which: Which) -> Result<Vec<Partition>> {
        let mut connection = self.pool.get().await?;
        let found = partitions::list(&mut connection, &self.database, &self.table, which).await?;
        connection.release();
        Ok(found)
    }

    async fn add_temporary(&self, details: &Details) -> Result<()> {
        for replacement in &details.partitions {
            let sql = format!(
                "ALTER TABLE {} ADD TEMPORARY PARTITION IF NOT EXISTS {} {}",
                self.qualified()?,
                identifier(&replacement.temporary)?,
                replacement.clause
            );
            repeat(&self.pool, self.patience(), &sql).await.map_err(|error| {
                let error = self.named(&error);
                ConnectorError::new(
                    error.code(),
                    format!(
                        "{}; the temporary partition cannot be made (SHOW TEMPORARY PARTITIONS lists one that another write may have left); \
                         SET syncline.write_mode = 'staging_table' does without",
                        error.message()
                    ),
                )
            })?;
        }
        Ok(())
    }

    async fn drop_temporary(&self, details: &Details) -> Result<()> {
        for replacement in &details.partitions {
            let sql = format!(
                "ALTER TABLE {} DROP TEMPORARY PARTITION IF EXISTS {} FORCE",
                self.qualified()?,
                identifier(&replacement.temporary)?
            );
            repeat(&self.pool, self.patience(), &sql).await?;
        }
        Ok(())
    }

    /// Notes what is replaced by what. A partition that is not there yet is added.
    async fn read_ids(&self, details: &mut Details) -> Result<()> {
        let temporary = self.list(Which::Temporary).await?;
        let formal = self.list(Which::Formal).await?;
        for replacement in &mut details.partitions {
            let found = temporary.iter().find(|partition| partition.name == replacement.temporary);
            let found = found.ok_or_else(|| {
                let gone = format!("the temporary partition {} is gone before its end", replacement.temporary);
                self.named(&ConnectorError::new(ErrorCode::Remote, gone))
            })?;
            replacement.id = Some(found.id);
            let place = self.place_of(replacement, &temporary, formal.clone()).await;
            let place = place.map_err(|error| self.named(&error))?;
            replacement.before = Some(place.id);
            replacement.new_name = place.name;
        }
        Ok(())
    }

    /// Puts the temporary partitions in their places, or finds that they are there. An error of code Unknown means that it is not known; after
    /// any other the old partitions are in their places, and stay there.
    async fn replace(&self, details: &Details) -> Result<()> {
        let patience = self.patience();
        let mut tries = 0;
        let mut refusal: Option<ConnectorError> = None;
        loop {
            tries += 1;
            let trouble = match self.replace_once(details, refusal.take()).await {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::NotDone(error)) => return Err(self.named(&error)),
                Ok(Step::NotKnown(why)) => return Err(self.named(&ConnectorError::new(ErrorCode::Unknown, why))),
                Ok(Step::Asked(ended)) => match ended {
                    Ended::Done { .. } => return Ok(()),
                    Ended::Refused(error) => {
                        let text = error.message().to_owned();
                        refusal = Some(error);
                        text
                    }
                    Ended::NotSent(error) | Ended::Lost(error) => error.message().to_owned(),
                },
                Err(error) => error.message().to_owned(),
            };
            if tries >= patience.attempts.max(2) {
                let unknown =
                    format!("it is not known whether the partitions were replaced ({trouble}); --resume asks again");
                return Err(self.named(&ConnectorError::new(ErrorCode::Unknown, unknown)));
            }
            tracing::info!(tries, trouble, "replacing partitions again");
            pause(patience, tries).await;
        }
    }

    /// One look, and one try unless it is done. `refused`: what the server said to the try before.
    async fn replace_once(&self, details: &Details, refused: Option<ConnectorError>) -> Result<Step> {
        let temporary = self.list(Which::Temporary).await?;
        let formal = self.list(Which::Formal).await?;
        let is_there = |each: &Replacement| temporary.iter().any(|partition| partition.name == each.temporary);
        if details.partitions.iter().all(|each| !is_there(each)) {
            let gone = "the temporary partitions are gone, and have replaced nothing";
            return Ok(what_is_there(details, &formal, ConnectorError::new(ErrorCode::Remote, gone)));
        }
        if let Some(error) = refused {
            // A try before that one may have been on its way, and may have been done by now.
            self.drop_temporary(details).await?;
            return Ok(what_is_there(details, &self.list(Which::Formal).await?, error));
        }
        let mut places = Vec::new();
        for replacement in &details.partitions {
            places.push(match &replacement.name {
                Some(name) => name.clone(),
                None => self.place_of(replacement, &temporary, formal.clone()).await?.name,
            });
        }
        let names = |names: &mut dyn Iterator<Item = &str>| -> Result<String> {
            Ok(names.map(identifier).collect::<Result<Vec<_>>>()?.join(", "))
        };
        let sql = format!(
            "ALTER TABLE {} REPLACE PARTITION ({}) WITH TEMPORARY PARTITION ({}) PROPERTIES (\"strict_range\" = \"true\", \"use_temp_partition_name\" = \"false\")",
            self.qualified()?,
            names(&mut places.iter().map(String::as_str))?,
            names(&mut details.partitions.iter().map(|each| each.temporary.as_str()))?
        );
        Ok(Step::Asked(run(&self.pool, &[], &sql, DEFINITION_TIMEOUT).await))
    }

    /// The partition whose place a temporary one takes: that of the name, or that of the same values, added if there is none. The server wrote
    /// both lists, so that values are compared as they are.
    async fn place_of(
        &self,
        replacement: &Replacement,
        temporary: &[Partition],
        mut formal: Vec<Partition>,
    ) -> Result<Partition> {
        if let Some(name) = &replacement.name {
            return partitions::named(&formal, name).cloned();
        }
        let values =
            temporary.iter().find(|partition| partition.name == replacement.temporary).map(|found| &found.values);
        for n in 0..self.patience().attempts {
            if let Some(found) = formal.iter().find(|partition| Some(&partition.values) == values) {
                return Ok(found.clone());
            }
            let name = numbered(&replacement.new_name, n);
            add(&self.pool, self.patience(), &self.qualified()?, &name, &replacement.clause).await?;
            formal = self.list(Which::Formal).await?;
        }
        Err(ConnectorError::new(ErrorCode::Remote, "no partition of the same values can be added"))
    }
}

/// What became of a replacement whose temporary partitions are gone, by the partitions that readers see. `error`: why it is not done, if it
/// is not.
fn what_is_there(details: &Details, formal: &[Partition], error: ConnectorError) -> Step {
    let is_there = |id: Option<u64>| formal.iter().any(|partition| Some(partition.id) == id);
    if details.partitions.iter().all(|each| is_there(each.id)) {
        return Step::Done;
    }
    match details.partitions.iter().find(|each| each.before.is_some() && !is_there(each.before)) {
        None => Step::NotDone(error),
        Some(changed) => Step::NotKnown(format!(
            "partition {} was replaced or dropped by somebody else since, so that whether these rows had been in its place is not known              ({}); compare it with its source, and start a new run if the rows are missing",
            changed.new_name,
            error.message()
        )),
    }
}

enum Step {
    Done,
    NotDone(ConnectorError),
    /// Looking again does not help.
    NotKnown(String),
    Asked(Ended),
}

/// Ends an attempt that a run left: a decided one is put in its place, any other goes.
pub(in super::super) async fn recover(catalog: &StarrocksCatalog, open: &OpenAttempt) -> Result<Recovered> {
    let attempt = &open.attempt;
    let server = Server {
        client: catalog.stream_load()?,
        pool: catalog.pool().clone(),
        catalog: attempt.catalog.clone(),
        database: attempt.database.clone(),
        table: attempt.table.clone(),
    };
    let details: Details = serde_json::from_str(&attempt.details).map_err(|error| {
        ConnectorError::internal(format!("the journal's entry of {} cannot be read", attempt.label_prefix))
            .with_source(error)
    })?;
    if let Some(labels) = &open.decision {
        match server.replace(&details).await {
            Ok(()) => {
                return Ok(Recovered::Committed(WriteSummary {
                    rows_written: details.rows,
                    bytes_written: details.bytes,
                    labels: labels.clone(),
                    write_mode: MODE.into(),
                    ..WriteSummary::default()
                }));
            }
            Err(error) if error.code() == ErrorCode::Unknown => return Err(error),
            // The old partitions are in their places.
            Err(error) => tracing::warn!(%error, "a decided write cannot be ended and is rolled back"),
        }
    } else {
        cancel_loads(&server.client, attempt, &attempt.table).await;
        server.drop_temporary(&details).await?;
        // The process may have died behind the statement that adds them.
        let_it_arrive(server.patience()).await;
    }
    server.drop_temporary(&details).await?;
    Ok(Recovered::RolledBack)
}
