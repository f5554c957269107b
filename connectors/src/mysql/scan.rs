//! The plan node that reads a table: splits in groups, rows over the binary protocol straight into Arrow.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};
use mysql_common::Value;
use serde::{Deserialize, Serialize};

use super::snapshot::{Snapshot, SnapshotPlan, Snapshots};
use crate::batch_queue::{BatchSender, batch_queue, scan_memory, stream_of, wait_metric};
use crate::error::{ConnectorError, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool};
use crate::mysql_protocol::decode::{BatchBuilder, ReadColumn, schema_of};
use crate::mysql_protocol::predicate::Predicate;
use crate::mysql_protocol::quote::{identifier, in_parentheses, table_name};
use crate::mysql_protocol::read::{Ended, step};
use crate::mysql_protocol::split::{SizedSplit, Split};
use crate::scan_settings::SnapshotMode;
use crate::sink::RejectLog;
use crate::sink::reject::RejectLogExtension;
use crate::split_queue::{Claim, SplitQueue};
use crate::throttle::Throttles;

/// What is read, without how to reach it: it can be stored and sent to another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanDescription {
    /// The catalog's name.
    pub catalog: String,
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// The columns in the order of the output; none for a read that only counts.
    pub columns: Vec<ReadColumn>,
    /// What the server filters.
    pub predicate: Option<Predicate>,
    /// A condition of the server's own SQL that the user wrote, which holds beside the predicate.
    #[serde(default)]
    pub condition: Option<String>,
    /// How many rows are enough, from each split.
    pub limit: Option<usize>,
}

impl ScanDescription {
    /// The statement for a split: with placeholders and their values, or with literals for EXPLAIN.
    pub(super) fn select(&self, split: &Split, literal: bool) -> Result<(String, Vec<Value>)> {
        let counts = self.columns.is_empty();
        let columns = match (counts, self.limit) {
            (true, None) => "COUNT(*)".to_owned(),
            (true, Some(_)) => "1".to_owned(),
            (false, _) => {
                self.columns.iter().map(|column| identifier(&column.name)).collect::<Result<Vec<_>>>()?.join(", ")
            }
        };
        let mut sql = format!("SELECT {columns} FROM {}", table_name(&self.database, &self.table)?);
        let mut values = Vec::new();
        let predicates = [self.predicate.clone(), split.predicate()?].into_iter().flatten().collect();
        let mut conditions: Vec<String> = self.condition.iter().map(|condition| in_parentheses(condition)).collect();
        if let Some(predicate) = Predicate::join(predicates, "AND") {
            let (text, bound) = if literal { (predicate.literal(), Vec::new()) } else { predicate.bound() };
            conditions.push(if conditions.is_empty() { text } else { format!("({text})") });
            values = bound;
        }
        if !conditions.is_empty() {
            sql.push_str(" WHERE ");
            sql.push_str(&conditions.join(" AND "));
        }
        if let Some(limit) = self.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
            if counts {
                sql = format!("SELECT COUNT(*) FROM ({sql}) AS counted");
            }
        }
        Ok((sql, values))
    }

    fn origin(&self) -> String {
        format!("catalog {}, table {}.{}", self.catalog, self.database, self.table)
    }
}

/// Reads a table of a mysql catalog. A leaf with one partition per group of splits.
#[derive(Debug)]
pub struct MySqlExec {
    description: Arc<ScanDescription>,
    queue: Arc<SplitQueue<SizedSplit>>,
    snapshots: Arc<Snapshots>,
    pool: ConnectionPool,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// About how many rows the table has.
    row_estimate: Option<u64>,
    /// How the splits were found, or why there is one.
    splitting: String,
}

impl MySqlExec {
    /// A read of these groups of splits.
    pub fn new(description: ScanDescription, groups: Vec<Vec<SizedSplit>>, pool: ConnectionPool) -> Self {
        let schema = schema_of(&description.columns);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let tables = vec![(description.database.clone(), description.table.clone())];
        let plan = SnapshotPlan { tables, ..SnapshotPlan::default() };
        Self {
            description: Arc::new(description),
            snapshots: Arc::new(Snapshots::new(plan, pool.clone(), groups.len())),
            queue: Arc::new(SplitQueue::new(groups)),
            pool,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            row_estimate: None,
            splitting: String::new(),
        }
    }

    /// With how the splits were found, for EXPLAIN.
    #[must_use]
    pub fn with_splitting(mut self, how: impl Into<String>) -> Self {
        self.splitting = how.into();
        self
    }

    /// With the server's guess of the table's rows, for joins and progress. It is never taken for the truth: rows are read and counted.
    #[must_use]
    pub fn with_row_estimate(mut self, rows: Option<u64>) -> Self {
        self.row_estimate = rows;
        self
    }

    /// How the connections see one state of the table, and its storage engine, where the server tells it. Holds if there are several splits.
    #[must_use]
    pub fn with_snapshot(mut self, mode: SnapshotMode, engine: Option<String>) -> Self {
        let plan = SnapshotPlan { mode, engine, tables: self.snapshots.plan().tables.clone() };
        self.snapshots = Arc::new(Snapshots::new(plan, self.pool.clone(), self.groups().len()));
        self
    }

    fn has_splits(&self) -> bool {
        self.groups().iter().map(Vec::len).sum::<usize>() > 1
    }

    /// What is read.
    pub fn description(&self) -> &ScanDescription {
        &self.description
    }

    /// The splits, one group per partition.
    pub fn groups(&self) -> &[Vec<SizedSplit>] {
        self.queue.groups()
    }
}

impl DisplayAs for MySqlExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let splits: usize = self.groups().iter().map(Vec::len).sum();
        let sql = self.description.select(&Split::Whole, true).map(|(sql, _)| sql).unwrap_or_default();
        let short: String = sql.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
        let more = if short.len() < sql.len() { "…" } else { "" };
        let how = match self.splitting.as_str() {
            "" => String::new(),
            why if splits == 1 => format!(" ({why})"),
            how => format!(" {how}"),
        };
        write!(
            f,
            "MySqlExec: catalog={}, groups={}, splits={splits}{how}, ",
            self.description.catalog,
            self.groups().len()
        )?;
        if self.has_splits() {
            let plan = self.snapshots.plan();
            match plan.engine_without_versions() {
                Some(engine) => write!(f, "snapshot=none (engine {engine} keeps no versions of rows), ")?,
                None => write!(f, "snapshot={}, ", plan.mode.name())?,
            }
        }
        write!(f, "sql={short}{more}")
    }
}

impl ExecutionPlan for MySqlExec {
    fn name(&self) -> &'static str {
        "MySqlExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            Err(DataFusionError::Internal("MySqlExec has no children".to_owned()))
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            Err(DataFusionError::Internal("MySqlExec has no children".to_owned()))
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        if partition >= self.groups().len() {
            return Err(DataFusionError::Internal(format!("MySqlExec has no partition {partition}")));
        }
        let session = context.session_config();
        let throttles = Throttles::of_statement(session)?.and(&self.pool.throttles());
        let source = match self.has_splits() {
            true => Source::Snapshot(self.snapshots.join(partition, &context)),
            false => Source::Single(self.pool.clone()),
        };
        let reader = SplitReader {
            description: Arc::clone(&self.description),
            claim: self.queue.claim(partition, &context),
            pool: self.pool.clone(),
            source,
            rejects: session.get_extension::<RejectLogExtension>().map(|extension| Arc::clone(&extension.0)),
            batch_rows: session.batch_size(),
            output_rows: MetricBuilder::new(&self.metrics).output_rows(partition),
            bytes_read: MetricBuilder::new(&self.metrics).counter("bytes_read", partition),
        };
        // Dropping the stream aborts the task, which drops the connection, which is then cut.
        let (sender, receiver) = batch_queue(throttles, Some(scan_memory(&context, "MySqlExec", partition)));
        let queue = (sender.counting_waits(wait_metric(&self.metrics, partition)), receiver);
        let read = |sender: BatchSender| async move { reader.read(&sender).await.map_err(DataFusionError::from) };
        Ok(stream_of(Arc::clone(&self.schema), queue, read))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> DataFusionResult<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let description = &self.description;
        let is_whole =
            description.predicate.is_none() && description.condition.is_none() && description.limit.is_none();
        // What one group of several has is not known.
        if is_whole && (args.partition().is_none() || self.groups().len() == 1) {
            let rows = self.row_estimate.and_then(|rows| usize::try_from(rows).ok());
            statistics.num_rows = rows.map_or(Precision::Absent, Precision::Inexact);
        }
        Ok(Arc::new(statistics))
    }
}

/// Where a partition's connection comes from.
enum Source {
    /// One query reads all: it sees one state by itself.
    Single(ConnectionPool),
    /// The connections of all partitions see one state.
    Snapshot(Arc<Snapshot>),
}

impl Source {
    async fn take(&self) -> Result<Connection> {
        match self {
            Self::Single(pool) => pool.get().await,
            Self::Snapshot(snapshot) => snapshot.take().await,
        }
    }

    /// At the end of a partition: its connection was read to the end, if it has taken one.
    async fn leave(&self, connection: Option<Connection>) {
        match (self, connection) {
            (Self::Single(_), Some(connection)) => connection.release(),
            (Self::Single(_), None) => {}
            (Self::Snapshot(snapshot), connection) => snapshot.leave(connection).await,
        }
    }
}

/// Reads splits for one partition, one after the other.
struct SplitReader {
    description: Arc<ScanDescription>,
    claim: Claim<SizedSplit>,
    pool: ConnectionPool,
    source: Source,
    rejects: Option<Arc<dyn RejectLog>>,
    batch_rows: usize,
    output_rows: Count,
    bytes_read: Count,
}

impl SplitReader {
    async fn read(self, sender: &BatchSender) -> Result<()> {
        let mut connection = None;
        let mut batches = BatchBuilder::new(
            &self.description.columns,
            self.description.origin(),
            self.pool.config().zero_dates,
            self.rejects.clone(),
            self.batch_rows,
        );
        while let Some(SizedSplit { split, .. }) = self.claim.next() {
            let connection = match &mut connection {
                Some(connection) => connection,
                none => none.insert(self.source.take().await?),
            };
            let ended = if self.description.columns.is_empty() {
                self.count(connection, &split, sender).await?
            } else {
                self.rows(connection, &split, &mut batches, sender).await?
            };
            if ended == Ended::Unread {
                // Dropping the connection cuts it in mid-read.
                return Ok(());
            }
        }
        self.source.leave(connection).await;
        Ok(())
    }

    async fn rows(
        &self,
        connection: &mut Connection,
        split: &Split,
        batches: &mut BatchBuilder,
        sender: &BatchSender,
    ) -> Result<Ended> {
        let config = self.pool.config();
        let (sql, values) = self.description.select(split, false)?;
        tracing::debug!(catalog = config.catalog, sql, "read");
        connection
            .read(&sql, &values, batches, sender, |rows, bytes| {
                self.output_rows.add(rows);
                self.bytes_read.add(bytes);
            })
            .await
    }

    /// A read of no column: the server counts, and batches without columns carry the number.
    async fn count(&self, connection: &mut Connection, split: &Split, sender: &BatchSender) -> Result<Ended> {
        let config = self.pool.config();
        let (sql, values) = self.description.select(split, false)?;
        let conn = connection.conn()?;
        let counted = step(config, async {
            let answer = conn.query_bound(&sql, &values).await?;
            conn.rows_of(answer).await
        });
        let counted =
            counted.await?.into_iter().next().and_then(|mut row| row.take_opt::<u64, _>(0)).and_then(Result::ok);
        let mut left = counted.ok_or_else(|| ConnectorError::internal("a count has no row"))? as usize;
        while left > 0 {
            let rows = left.min(self.batch_rows.max(1));
            left -= rows;
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(schema_of(&[]), Vec::new(), &options)
                .map_err(|error| ConnectorError::internal("cannot build a batch").with_source(error))?;
            self.output_rows.add(rows);
            if sender.send_counted(batch).await.is_err() {
                return Ok(Ended::Unread);
            }
        }
        Ok(Ended::Complete)
    }
}
