//! Loads into a staging table, then one statement on the server that moves the rows: all or nothing, for any number of rows, and for what
//! INSERT OVERWRITE replaces.
//!
//! The statement has a label, by which its end is known when its answer is lost. Of an INSERT OVERWRITE the label tells only that the new
//! rows are written, not that they took the place of the old ones, so that the ids of the partitions are looked at as well: what
//! replaces a partition has another id. The ids alone tell nothing either, as somebody else may overwrite the same partitions: both must
//! agree. Dropping the staging table is a fence: behind it, a statement that never began cannot begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::super::catalog::StarrocksCatalog;
use super::super::partition_clause::Replaced;
use super::super::partitions::{self, Partition, PartitionColumn, PartitionTuple, PartitionValues, Which};
use super::super::stream_load::client::StreamLoadClient;
use super::super::stream_load::label::{Label, LabelPrefix};
use super::super::stream_load::response::LabelState;
use super::super::table::text;
use super::loads::ParallelLoads;
use super::partition_places::{self, cancel_loads};
use super::statement::{Ended, Variable, let_it_arrive, name_of, pause, repeat, run};
use super::target::{VISIBLE_PAUSE, WriteTarget};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::ConnectionPool;
use crate::mysql_protocol::quote::{identifier, table_name};
use crate::sink::journal::AttemptRecord;
use crate::sink::{CommitToken, OpenAttempt, Recovered, Sink, WriteSummary, Writer};

/// The mode's name.
const MODE: &str = "staging_table";
/// How long the statement may take unless the write's `timeout` says otherwise (StarRocks: `insert_timeout`, four hours).
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4 * 3600);
/// How long recovery waits for a statement that runs; calling it again goes on.
const RECOVERY_TIME: Duration = Duration::from_secs(300);
/// The most partitions that a statement names on a server that cannot find them itself (StarRocks: partitions of one load).
const MAX_TOUCHED: usize = 4096;

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

/// What the statement at the end does with the staged rows.
#[derive(Debug, Clone)]
pub(in super::super) enum Move {
    /// INSERT INTO, into these partitions only unless there are none.
    Add { partitions: Vec<String> },
    /// INSERT OVERWRITE.
    Replace { what: Replaced, by: Vec<PartitionColumn> },
}

/// What of it recovery needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Details {
    staging: String,
    replaces: Replaces,
    /// The ids of the partitions that the statement replaces, before it; for the touched ones all ids.
    before: Vec<u64>,
    /// Values of a partition that the statement touches, where the partitions are lists.
    touched: Option<PartitionTuple>,
    rows: u64,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Replaces {
    Nothing,
    /// All of the partitions in `before`.
    All,
    /// Some of them.
    Touched,
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

/// What became of the statement.
enum Fate {
    Committed {
        visible: bool,
    },
    /// For this reason; nothing of it can follow once the staging table is gone.
    NotCommitted(String),
    /// The label says no, and the partitions are others all the same: by somebody else, or by this statement if it had no rows, whose label
    /// ends without a commit. Nothing of it can follow once the staging table is gone.
    Contradicted,
    NotKnown(String),
}

/// What the journal notes of a statement that the server refused though its label is written and the partitions are others.
const REFUSED: &str = "refused";
/// What is said of it.
const WRITTEN_AND_REFUSED: &str = "the server refused it when its rows were written, and the partitions were replaced: by somebody else, as it seems; \
     compare them with the source";

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
            match run(&server.pool, &[], &make, super::statement::DEFINITION_TIMEOUT).await {
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

    /// What the statement names in PARTITION (…), and what it needs to be told. Looks up what it replaces.
    async fn plan_move(&self, details: &mut Details) -> Result<(Vec<String>, Vec<Variable>)> {
        let server = &self.server;
        let Move::Replace { what, by } = &self.move_of else { return Ok((self.move_of.names(), Vec::new())) };
        let all = server.partitions(&server.table, Which::Formal).await?;
        let ids = |partitions: &[Partition]| partitions.iter().map(|partition| partition.id).collect();
        let dynamic = |on: bool| Variable {
            name: "dynamic_overwrite",
            value: on.to_string(),
            // Where it is not known, it is off.
            is_required: on,
        };
        match what {
            Replaced::WholeTable => {
                details.before = ids(&all);
                Ok((Vec::new(), vec![dynamic(false)]))
            }
            Replaced::Names(names) => {
                let found = server.named(names).await?;
                details.before = ids(&found);
                Ok((found.into_iter().map(|partition| partition.name).collect(), vec![dynamic(false)]))
            }
            Replaced::Value(value) => {
                let partition = server.ensure_value(value).await?;
                details.before = vec![partition.id];
                Ok((vec![partition.name], vec![dynamic(false)]))
            }
            Replaced::TouchedPartitions if server.has_dynamic_overwrite().await? => {
                details.before = ids(&all);
                details.touched = self.touched(by, 1).await?.pop();
                Ok((Vec::new(), vec![dynamic(true)]))
            }
            Replaced::TouchedPartitions => {
                let mut names = Vec::new();
                let mut before = Vec::new();
                let touched = self.touched(by, MAX_TOUCHED + 1).await?;
                if touched.len() > MAX_TOUCHED || by.iter().any(|by| by.is_in_expression) {
                    return Err(ConnectorError::new(
                        ErrorCode::Unsupported,
                        format!(
                            "{}: this version of StarRocks does not find the partitions that the rows touch (it has no dynamic_overwrite), and \
                             syncline does so for at most {MAX_TOUCHED} list partitions; name the partitions, PARTITION (p1, p2)",
                            self.target.shown()
                        ),
                    ));
                }
                for tuple in touched {
                    let Some(values) = tuple.into_iter().collect::<Option<Vec<String>>>() else {
                        return Err(ConnectorError::new(
                            ErrorCode::Unsupported,
                            format!(
                                "{}: a row has NULL in a partition column, and this version of StarRocks does not find its partition",
                                self.target.shown()
                            ),
                        ));
                    };
                    let value: Vec<_> = by.iter().cloned().zip(values).collect();
                    let partition = server.ensure_value(&value).await?;
                    before.push(partition.id);
                    names.push(partition.name);
                }
                // They are known now, so that all of them have to go.
                details.replaces = Replaces::All;
                details.before = before;
                Ok((names, vec![dynamic(false)]))
            }
        }
    }

    /// Values of the partition columns in the staged rows; none where partitions are no lists.
    async fn touched(&self, by: &[PartitionColumn], limit: usize) -> Result<Vec<PartitionTuple>> {
        if by.iter().any(|by| by.is_in_expression) {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = by.iter().map(|by| by.column.name.as_str()).collect();
        let columns = names.iter().map(|name| identifier(name)).collect::<Result<Vec<_>>>()?.join(", ");
        let staging = self.server.qualified(&self.staging)?;
        let mut connection = self.server.pool.get().await?;
        let rows = connection.query(&format!("SELECT DISTINCT {columns} FROM {staging} LIMIT {limit}")).await?;
        connection.release();
        Ok(rows.iter().map(|row| names.iter().map(|name| text(row, name)).collect()).collect())
    }

    fn statement(&self, label: &Label, partitions: &[String]) -> Result<String> {
        let verb = if matches!(self.move_of, Move::Add { .. }) { "INTO" } else { "OVERWRITE" };
        let names = |names: &mut dyn Iterator<Item = &str>| -> Result<String> {
            Ok(names.map(identifier).collect::<Result<Vec<_>>>()?.join(", "))
        };
        let columns = names(&mut self.target.columns().iter().map(|column| column.name.as_str()))?;
        let clause = match partitions {
            [] => String::new(),
            partitions => format!(" PARTITION ({})", names(&mut partitions.iter().map(String::as_str))?),
        };
        Ok(format!(
            "INSERT {verb} {}{clause} WITH LABEL {} ({columns}) SELECT {columns} FROM {}",
            self.server.qualified(&self.server.table)?,
            identifier(label.as_str())?,
            self.server.qualified(&self.staging)?
        ))
    }

    fn statement_timeout(&self) -> Duration {
        self.target.options().timeout.unwrap_or(STATEMENT_TIMEOUT)
    }

    /// Runs the statement and finds out what became of it.
    async fn move_rows(&self, details: &Details, sql: &str, mut variables: Vec<Variable>) -> Result<bool> {
        let server = &self.server;
        let timeout = self.statement_timeout();
        let set = |name| server.pool.config().session.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        for name in ["insert_timeout", "query_timeout"] {
            if !set(name) {
                variables.push(Variable { name, value: timeout.as_secs().to_string(), is_required: false });
            }
        }
        // A row that the table refuses fails the statement: its rejects were counted when it was loaded.
        variables.push(Variable { name: "enable_insert_strict", value: "true".to_owned(), is_required: false });
        variables.push(Variable { name: "insert_max_filter_ratio", value: "0".to_owned(), is_required: false });
        let margin = server.client.patience().answer_margin;
        let label = self.target.statement_label();
        self.sent.store(true, Ordering::Relaxed);
        let (error, may_run) = match run(&server.pool, &variables, sql, timeout + margin).await {
            Ended::Done { info } => {
                if info.contains("VISIBLE") {
                    return Ok(true);
                }
                return Ok(server.wait_until_visible(&label, self.target.options().settings.visible_timeout).await);
            }
            Ended::NotSent(error) => return Err(server.failed("the staged rows cannot be moved", &error)),
            // A frontend that had handed the statement on to the leader says so when it does not hear of its end.
            Ended::Refused(error) if may_be_under_way(&error) => (error, true),
            Ended::Refused(error) => (error, false),
            Ended::Lost(error) => (error, true),
        };
        tracing::warn!(%label, %error, "the statement that moves the staged rows has no success; asking for its label");
        let mut fate = server.fate(details, &label, timeout + margin).await;
        if may_run && matches!(fate, Fate::NotCommitted(_) | Fate::Contradicted) {
            // It may still be on its way: behind the fence it cannot begin any more.
            if let Err(error) = server.drop_table(&self.staging).await {
                return Err(server.unknown(&label, error.message()));
            }
            fate = server.fate(details, &label, timeout + margin).await;
        }
        match fate {
            Fate::Committed { .. } if !may_run && details.replaces != Replaces::Nothing => {
                self.target.add_detail(REFUSED).await;
                Err(server.unknown(&label, &format!("{}; {WRITTEN_AND_REFUSED}", error.message())))
            }
            Fate::Committed { visible } => Ok(visible),
            Fate::Contradicted => Err(server.contradicted(&label, &format!("; {}", error.message()))),
            Fate::NotCommitted(reason) => {
                let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                let message =
                    format!("{}: the staged rows were not moved{reason}: {}", self.target.shown(), error.message());
                Err(ConnectorError::new(error.code(), message))
            }
            Fate::NotKnown(reason) => Err(server.unknown(&label, &format!("{}; {reason}", error.message()))),
        }
    }
}

impl Move {
    /// The partitions that the statement names and that are there already.
    fn names(&self) -> Vec<String> {
        match self {
            Self::Add { partitions } | Self::Replace { what: Replaced::Names(partitions), .. } => partitions.clone(),
            Self::Replace { .. } => Vec::new(),
        }
    }

    /// Whether the statement does something even if no row was selected.
    fn is_of_use_without_rows(&self) -> bool {
        match self {
            Self::Add { .. } | Self::Replace { what: Replaced::TouchedPartitions, .. } => false,
            Self::Replace { .. } => true,
        }
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

/// Whether a server's error says that it does not know of the statement's end, rather than that there is one.
fn may_be_under_way(error: &ConnectorError) -> bool {
    const WORDS: [&str; 5] = ["timeout", "timed out", "leader", "forward", "rpc"];
    let message = error.message().to_lowercase();
    WORDS.iter().any(|word| message.contains(word))
}

fn not_visible_yet(label: &Label, timeout: Duration) -> String {
    format!("{label} is committed but was not visible within {} s; it will be", timeout.as_secs())
}

impl Server {
    fn qualified(&self, table: &str) -> Result<String> {
        table_name(&self.database, table)
    }

    fn shown(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.database, self.table)
    }

    fn failed(&self, what: &str, error: &ConnectorError) -> ConnectorError {
        ConnectorError::new(error.code(), format!("{}: {what}: {}", self.shown(), error.message()))
    }

    fn stays(&self, staging: &str, error: &ConnectorError) -> String {
        format!(
            "its staging table stays: {}; drop it with DROP TABLE {}.{staging} FORCE",
            error.message(),
            self.database
        )
    }

    fn unknown(&self, label: &Label, reason: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Unknown,
            format!(
                "{}: it is not known whether the statement with label {label} took effect ({reason}); --resume asks again",
                self.shown()
            ),
        )
    }

    fn contradicted(&self, label: &Label, more: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Unknown,
            format!(
                "{}: the statement with label {label} is not committed, and yet partitions that it names were replaced: by somebody else, or by \
                 it if it had no rows{more}; compare them with the source, and start a new run if the rows are missing",
                self.shown()
            ),
        )
    }

    async fn drop_table(&self, table: &str) -> Result<()> {
        let sql = format!("DROP TABLE IF EXISTS {} FORCE", self.qualified(table)?);
        repeat(&self.pool, self.client.patience(), &sql).await
    }

    async fn partitions(&self, table: &str, which: Which) -> Result<Vec<Partition>> {
        let mut connection = self.pool.get().await?;
        let found = partitions::list(&mut connection, &self.database, table, which).await?;
        connection.release();
        Ok(found)
    }

    /// The partitions of these names.
    async fn named(&self, names: &[String]) -> Result<Vec<Partition>> {
        let all = self.partitions(&self.table, Which::Formal).await?;
        let found = names.iter().map(|name| partitions::named(&all, name).cloned()).collect::<Result<Vec<_>>>();
        found.map_err(|error| ConnectorError::new(error.code(), format!("{}: {}", self.shown(), error.message())))
    }

    /// The partition of a value, added if there is none.
    async fn ensure_value(&self, value: &[(PartitionColumn, String)]) -> Result<Partition> {
        let place = (self.database.as_str(), self.table.as_str());
        let found = partition_places::ensure(&self.pool, self.client.patience(), place, value).await;
        found.map_err(|error| ConnectorError::new(error.code(), format!("{}: {}", self.shown(), error.message())))
    }

    /// Whether an INSERT OVERWRITE can find the partitions itself (StarRocks 3.4).
    async fn has_dynamic_overwrite(&self) -> Result<bool> {
        let mut connection = self.pool.get().await?;
        let is_on = match connection.query("SET SESSION dynamic_overwrite = true").await {
            Ok(_) => match connection.query("SELECT @@dynamic_overwrite AS on_now").await {
                Ok(rows) => rows
                    .first()
                    .and_then(|row| text(row, "on_now"))
                    .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true")),
                Err(error) if error.is_retryable() => return Err(error),
                Err(_) => false,
            },
            Err(error) if error.is_retryable() => return Err(error),
            Err(_) => false,
        };
        connection.close().await;
        Ok(is_on)
    }

    async fn wait_until_visible(&self, label: &Label, limit: Duration) -> bool {
        let started = Instant::now();
        loop {
            match self.client.label_state(&self.database, label).await {
                Ok(LabelState::Visible) => return true,
                // An INSERT OVERWRITE of no rows ends its label without a commit.
                Ok(LabelState::Aborted(_) | LabelState::Unknown) => return true,
                _ if started.elapsed() >= limit => return false,
                _ => tokio::time::sleep(VISIBLE_PAUSE.min(limit)).await,
            }
        }
    }

    /// Whether the new partitions are in their places.
    async fn has_replaced(&self, details: &Details) -> Result<bool> {
        let now = self.partitions(&self.table, Which::Formal).await?;
        let stays = |partition: &Partition| details.before.contains(&partition.id);
        Ok(match (details.replaces, &details.touched) {
            (Replaces::Nothing, _) => false,
            (Replaces::All, _) => !now.is_empty() && !now.iter().any(stays),
            (Replaces::Touched, Some(touched)) => now.iter().any(|partition| {
                let holds = matches!(&partition.values, PartitionValues::List(tuples) if tuples.contains(touched));
                holds && !stays(partition)
            }),
            (Replaces::Touched, None) => {
                let gone = details.before.iter().any(|id| now.iter().all(|partition| partition.id != *id));
                gone || now.iter().any(|partition| !stays(partition))
            }
        })
    }

    /// What became of the statement, asked for until it is at rest, or for as long as a commit may take if nobody answers.
    async fn fate(&self, details: &Details, label: &Label, limit: Duration) -> Fate {
        let patience = self.client.patience();
        let started = Instant::now();
        let replaces = details.replaces != Replaces::Nothing;
        // Since when nothing moves any more.
        let mut rest: Option<Instant> = None;
        // Since when no question is answered.
        let mut silent_since: Option<Instant> = None;
        let mut questions = 0;
        loop {
            questions += 1;
            let asked = Instant::now();
            // First the label: what is in place after it was asked for is in place.
            let state = self.client.label_state(&self.database, label).await;
            let replaced = if replaces { self.has_replaced(details).await } else { Ok(false) };
            // Of the touched partitions none is known for sure, and others add partitions too: there the label must agree.
            let is_written = matches!(state, Ok(LabelState::Visible | LabelState::Committed));
            let replaced = replaced.map(|replaced| replaced && (is_written || details.replaces != Replaces::Touched));
            let is_silent = state.is_err() || replaced.is_err();
            silent_since = is_silent.then(|| silent_since.unwrap_or(asked));
            let trouble = match (state, replaced) {
                (Ok(LabelState::Visible | LabelState::Committed), Ok(true)) => {
                    return Fate::Committed { visible: true };
                }
                (Ok(LabelState::Visible), Ok(false)) if !replaces => return Fate::Committed { visible: true },
                (Ok(LabelState::Committed), Ok(false)) if !replaces => {
                    return Fate::Committed { visible: self.wait_until_visible(label, patience.answer_margin).await };
                }
                (Ok(LabelState::Running | LabelState::Prepared | LabelState::Committed), Ok(_)) => {
                    rest = None;
                    "it still runs".to_owned()
                }
                // The new rows are written; that they take the place of the old ones may follow.
                (Ok(LabelState::Visible), Ok(false)) => {
                    if rest.get_or_insert_with(Instant::now).elapsed() >= patience.answer_margin {
                        return Fate::NotKnown(
                            "its rows are written, but the old ones are still in their place".to_owned(),
                        );
                    }
                    "its rows are written".to_owned()
                }
                (Ok(state), Ok(replaced)) => {
                    if rest.get_or_insert_with(Instant::now).elapsed() >= patience.unknown_for {
                        return match state {
                            LabelState::Aborted(reason) if !replaced || details.rows > 0 => Fate::NotCommitted(reason),
                            _ if replaced => Fate::Contradicted,
                            _ => Fate::NotCommitted(String::new()),
                        };
                    }
                    "the server does not know it".to_owned()
                }
                (Err(error), _) | (_, Err(error)) => error.message().to_owned(),
            };
            if started.elapsed() >= limit || silent_since.is_some_and(|since| since.elapsed() >= patience.commit_for) {
                return Fate::NotKnown(trouble);
            }
            pause(patience, questions).await;
        }
    }
}

/// Ends an attempt that a run left. A decided one is asked for: if the statement took effect, the attempt is committed. If it did not, it is
/// rolled back and not run again, since what it would move is a state of the source that is gone by now; the statement as a whole runs again.
pub(in super::super) async fn recover(catalog: &StarrocksCatalog, open: &OpenAttempt) -> Result<Recovered> {
    let AttemptRecord { database, table, label_prefix, details, .. } = &open.attempt;
    let server = Server {
        client: catalog.stream_load()?,
        pool: catalog.pool().clone(),
        catalog: open.attempt.catalog.clone(),
        database: database.clone(),
        table: table.clone(),
    };
    let unreadable = || ConnectorError::internal(format!("the journal's entry of {label_prefix} cannot be read"));
    // Behind it is what was added since.
    let mut read = serde_json::Deserializer::from_str(details).into_iter::<Details>();
    let first = read.next().ok_or_else(unreadable)?.map_err(|error| unreadable().with_source(error))?;
    let was_refused = details.get(read.byte_offset()..).is_some_and(|added| added.lines().any(|line| line == REFUSED));
    let details = first;
    let label = LabelPrefix::recorded(label_prefix).ok_or_else(unreadable)?.statement_label();
    if open.decision.is_none() {
        cancel_loads(&server.client, &open.attempt, &details.staging).await;
        server.drop_table(&details.staging).await?;
        // The process may have died behind the statement that makes it.
        let_it_arrive(server.client.patience()).await;
        server.drop_table(&details.staging).await?;
        return Ok(Recovered::RolledBack);
    }
    let mut fate = server.fate(&details, &label, RECOVERY_TIME).await;
    if matches!(fate, Fate::NotCommitted(_) | Fate::Contradicted) {
        server.drop_table(&details.staging).await?;
        fate = server.fate(&details, &label, RECOVERY_TIME).await;
    }
    match fate {
        Fate::Committed { .. } if was_refused => Err(server.unknown(&label, WRITTEN_AND_REFUSED)),
        Fate::Committed { visible } => {
            let mut summary = WriteSummary {
                rows_written: details.rows,
                bytes_written: details.bytes,
                labels: vec![label.to_string()],
                write_mode: MODE.into(),
                ..WriteSummary::default()
            };
            if !visible {
                summary.warnings.push(not_visible_yet(&label, server.client.patience().answer_margin));
            }
            server.drop_table(&details.staging).await?;
            Ok(Recovered::Committed(summary))
        }
        Fate::NotCommitted(_) => Ok(Recovered::RolledBack),
        Fate::Contradicted => Err(server.contradicted(&label, "")),
        Fate::NotKnown(reason) => Err(server.unknown(&label, &reason)),
    }
}
