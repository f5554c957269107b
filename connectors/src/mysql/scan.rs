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
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};
use mysql_common::Value;
use serde::{Deserialize, Serialize};

use crate::error::{ConnectorError, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool};
use crate::mysql_protocol::decode::{BatchBuilder, ReadColumn, schema_of};
use crate::mysql_protocol::predicate::Predicate;
use crate::mysql_protocol::quote::{identifier, table_name};
use crate::mysql_protocol::read::{BatchSender, Ended, WAITING_BATCHES, step};
use crate::mysql_protocol::split::Split;
use crate::sink::RejectLog;
use crate::sink::reject::RejectLogExtension;
use crate::split_queue::{Claim, SplitQueue};

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
    /// How many rows are enough, from each split.
    pub limit: Option<usize>,
}

impl ScanDescription {
    /// The statement for a split: with placeholders and their values, or with literals for EXPLAIN.
    fn select(&self, split: &Split, literal: bool) -> Result<(String, Vec<Value>)> {
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
        if let Some(predicate) = Predicate::join(predicates, "AND") {
            let (text, bound) = if literal { (predicate.literal(), Vec::new()) } else { predicate.bound() };
            sql.push_str(" WHERE ");
            sql.push_str(&text);
            values = bound;
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
    queue: Arc<SplitQueue<Split>>,
    pool: ConnectionPool,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// About how many rows the table has.
    row_estimate: Option<u64>,
}

impl MySqlExec {
    /// A read of these groups of splits.
    pub fn new(description: ScanDescription, groups: Vec<Vec<Split>>, pool: ConnectionPool) -> Self {
        let schema = schema_of(&description.columns);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            description: Arc::new(description),
            queue: Arc::new(SplitQueue::new(groups)),
            pool,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            row_estimate: None,
        }
    }

    /// With the server's guess of the table's rows, for joins and progress. It is never taken for the truth: rows are read and counted.
    #[must_use]
    pub fn with_row_estimate(mut self, rows: Option<u64>) -> Self {
        self.row_estimate = rows;
        self
    }

    /// What is read.
    pub fn description(&self) -> &ScanDescription {
        &self.description
    }

    /// The splits, one group per partition.
    pub fn groups(&self) -> &[Vec<Split>] {
        self.queue.groups()
    }
}

impl DisplayAs for MySqlExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let splits: usize = self.groups().iter().map(Vec::len).sum();
        let sql = self.description.select(&Split::Whole, true).map(|(sql, _)| sql).unwrap_or_default();
        let short: String = sql.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
        let more = if short.len() < sql.len() { "…" } else { "" };
        write!(
            f,
            "MySqlExec: catalog={}, groups={}, splits={splits}, sql={short}{more}",
            self.description.catalog,
            self.groups().len()
        )
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
        let reader = SplitReader {
            description: Arc::clone(&self.description),
            claim: self.queue.claim(partition, &context),
            pool: self.pool.clone(),
            rejects: session.get_extension::<RejectLogExtension>().map(|extension| Arc::clone(&extension.0)),
            batch_rows: session.batch_size(),
            output_rows: MetricBuilder::new(&self.metrics).output_rows(partition),
            bytes_read: MetricBuilder::new(&self.metrics).counter("bytes_read", partition),
        };
        // Dropping the stream aborts the task, which drops the connection, which is then cut.
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), WAITING_BATCHES);
        let sender = stream.tx();
        stream.spawn(async move { reader.read(&sender).await.map_err(DataFusionError::from) });
        Ok(stream.build())
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
        let is_whole = self.description.predicate.is_none() && self.description.limit.is_none();
        // What one group of several has is not known.
        if is_whole && (args.partition().is_none() || self.groups().len() == 1) {
            let rows = self.row_estimate.and_then(|rows| usize::try_from(rows).ok());
            statistics.num_rows = rows.map_or(Precision::Absent, Precision::Inexact);
        }
        Ok(Arc::new(statistics))
    }
}

/// Reads splits for one partition, one after the other.
struct SplitReader {
    description: Arc<ScanDescription>,
    claim: Claim<Split>,
    pool: ConnectionPool,
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
        while let Some(split) = self.claim.next() {
            let connection = match &mut connection {
                Some(connection) => connection,
                none => none.insert(self.pool.get().await?),
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
        if let Some(connection) = connection {
            connection.release();
        }
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
            if sender.send(Ok(batch)).await.is_err() {
                return Ok(Ended::Unread);
            }
        }
        Ok(Ended::Complete)
    }
}
