//! The plan node that reads a table: `SELECT`s over the MySQL text protocol, streamed, one for each piece of the table.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use super::query::{self, ScanOutput};
use super::top_k::OrderTerm;
use crate::batch_queue::{scan_memory, wait_metric};
use crate::catalog::NativeResult;
use crate::error::ConnectorError;
use crate::mysql_protocol::connect::ConnectionPool;
use crate::mysql_protocol::quote::{identifier, table_name};
use crate::mysql_protocol::split::Split;
use crate::split_queue::SplitQueue;
use crate::throttle::Throttles;

/// Pieces that EXPLAIN shows at most.
const SHOWN_SPLITS: usize = 4;

/// What a scan reads.
#[derive(Debug, Clone)]
pub(super) struct ScanDescriptor {
    pub(super) database: String,
    pub(super) table: String,
    /// The columns to read, with their types.
    pub(super) schema: SchemaRef,
    /// For each of these columns, whether the server sorts it as DataFusion does.
    pub(super) sortable: Vec<bool>,
    /// Filters as SQL, all of which must hold.
    pub(super) filters: Vec<String>,
    /// How many rows are enough, from each piece.
    pub(super) limit: Option<usize>,
    /// The order in which the first `limit` rows are meant, as SQL; empty for any rows.
    pub(super) order: Vec<String>,
}

impl ScanDescriptor {
    /// The statement that reads these expressions of the rows that the filters keep.
    pub(super) fn select(&self, expressions: &str) -> crate::error::Result<String> {
        self.select_where(expressions, None)
    }

    fn select_where(&self, expressions: &str, more: Option<String>) -> crate::error::Result<String> {
        let mut sql = format!("SELECT {expressions} FROM {}", table_name(&self.database, &self.table)?);
        let filters: Vec<&str> = self.filters.iter().chain(&more).map(String::as_str).collect();
        match filters.as_slice() {
            [] => {}
            [one] => sql.push_str(&format!(" WHERE {one}")),
            several => sql.push_str(&format!(" WHERE ({})", several.join(") AND ("))),
        }
        Ok(sql)
    }

    /// The statement for one piece. A scan of no column counts.
    fn sql(&self, split: &Split) -> crate::error::Result<String> {
        let piece = split.predicate()?.map(|predicate| predicate.literal());
        let limit = self.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        if self.counts() {
            return match self.limit {
                None => self.select_where("COUNT(*)", piece),
                Some(_) => {
                    Ok(format!("SELECT COUNT(*) FROM ({}{limit}) AS counted", self.select_where("1 AS one", piece)?))
                }
            };
        }
        let columns =
            self.schema.fields().iter().map(|field| identifier(field.name())).collect::<Result<Vec<_>, _>>()?;
        let order = if self.order.is_empty() { String::new() } else { format!(" ORDER BY {}", self.order.join(", ")) };
        Ok(format!("{}{order}{limit}", self.select_where(&columns.join(", "), piece)?))
    }

    fn counts(&self) -> bool {
        self.schema.fields().is_empty()
    }
}

/// Reads one table of a StarRocks catalog. A leaf with one partition per group of splits.
pub struct StarrocksExec {
    pool: ConnectionPool,
    scan: Arc<ScanDescriptor>,
    queue: Arc<SplitQueue<Split>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl StarrocksExec {
    pub(super) fn new(pool: ConnectionPool, scan: ScanDescriptor, groups: Vec<Vec<Split>>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(scan.schema.clone()),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            pool,
            scan: Arc::new(scan),
            queue: Arc::new(SplitQueue::new(groups)),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The splits, one group per partition.
    pub fn groups(&self) -> &[Vec<Split>] {
        self.queue.groups()
    }

    /// The same scan of which only the first rows in an order are wanted; None if the server's order may be another than DataFusion's, or
    /// if the scan may already leave rows out.
    pub(super) fn with_top_k(&self, order: &[OrderTerm], rows: usize) -> Option<Self> {
        if self.scan.limit.is_some() || order.is_empty() || rows == 0 {
            return None;
        }
        let term = |term: &OrderTerm| {
            let field = self.scan.schema.fields().get(term.column)?;
            let direction = if term.descending { "DESC" } else { "ASC" };
            let nulls = if term.nulls_first { "FIRST" } else { "LAST" };
            let is_sortable = self.scan.sortable.get(term.column).copied().unwrap_or(false);
            let name = is_sortable.then(|| identifier(field.name()).ok()).flatten()?;
            Some(format!("{name} {direction} NULLS {nulls}"))
        };
        let order: Vec<String> = order.iter().map(term).collect::<Option<_>>()?;
        let scan = ScanDescriptor { limit: Some(rows), order, ..self.scan.as_ref().clone() };
        Some(Self::new(self.pool.clone(), scan, self.groups().to_vec()))
    }
}

impl fmt::Debug for StarrocksExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StarrocksExec").field("scan", &self.scan).finish_non_exhaustive()
    }
}

impl DisplayAs for StarrocksExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scan = &self.scan;
        write!(f, "StarrocksExec: table={}.{}.{}", self.pool.config().catalog, scan.database, scan.table)?;
        let columns: Vec<&str> = scan.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, ", columns=[{}]", columns.join(", "))?;
        if !scan.filters.is_empty() {
            write!(f, ", filters=[{}]", scan.filters.join(" AND "))?;
        }
        if !scan.order.is_empty() {
            write!(f, ", order=[{}]", scan.order.join(", "))?;
        }
        if let Some(limit) = scan.limit {
            write!(f, ", limit={limit}")?;
        }
        let splits: Vec<&Split> = self.groups().iter().flatten().collect();
        if splits.len() > 1 {
            let text =
                |split: &&Split| split.predicate().ok().flatten().map(|found| found.literal()).unwrap_or_default();
            let shown: Vec<String> = splits.iter().take(SHOWN_SPLITS).map(text).collect();
            let more = if splits.len() > SHOWN_SPLITS { "; …" } else { "" };
            write!(f, ", groups={}, splits={} [{}{more}]", self.groups().len(), splits.len(), shown.join("; "))?;
        }
        Ok(())
    }
}

impl ExecutionPlan for StarrocksExec {
    fn name(&self) -> &'static str {
        "StarrocksExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            Err(DataFusionError::Internal("StarrocksExec has no children".into()))
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition >= self.groups().len() {
            return Err(DataFusionError::Internal(format!("StarrocksExec has no partition {partition}")));
        }
        let claim = self.queue.claim(partition, &context);
        let reader = Arc::new(SplitReader {
            pool: self.pool.clone(),
            scan: Arc::clone(&self.scan),
            batch_rows: context.session_config().batch_size(),
            bytes: MetricBuilder::new(&self.metrics).counter("bytes_read", partition),
            throttles: Throttles::of_statement(context.session_config())?,
            memory: scan_memory(&context, "StarrocksExec", partition),
            waited: wait_metric(&self.metrics, partition),
        });
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        // The next split is taken when the rows of the one before are read.
        let splits = stream::iter(std::iter::from_fn(move || claim.next()));
        let rows = splits.then(move |split| Arc::clone(&reader).read(split)).try_flatten().map(move |batch| {
            if let Ok(batch) = &batch {
                baseline.record_output(batch.num_rows());
            }
            batch
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.scan.schema.clone(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Reads splits for one partition.
struct SplitReader {
    pool: ConnectionPool,
    scan: Arc<ScanDescriptor>,
    batch_rows: usize,
    bytes: Count,
    throttles: Throttles,
    memory: MemoryReservation,
    waited: Time,
}

impl SplitReader {
    async fn read(self: Arc<Self>, split: Split) -> Result<SendableRecordBatchStream> {
        let sql = self.scan.sql(&split)?;
        tracing::debug!(catalog = self.pool.config().catalog, sql, "read");
        let counted = || Arc::new(Schema::new(vec![Field::new("rows", DataType::Int64, false)]));
        let schema = if self.scan.counts() { counted() } else { self.scan.schema.clone() };
        let output = ScanOutput {
            schema,
            batch_rows: self.batch_rows,
            bytes: self.bytes.clone(),
            throttles: self.throttles.clone(),
            memory: Some(self.memory.new_empty()),
            waited: self.waited.clone(),
        };
        let NativeResult::Rows(rows) = query::run(&self.pool, None, sql, Some(output)).await? else {
            return Err(ConnectorError::internal("a SELECT was answered without rows").into());
        };
        if self.scan.counts() { self.counted(rows).await } else { Ok(rows) }
    }

    /// The server's count as batches that carry nothing but a number of rows.
    async fn counted(&self, rows: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
        let rows: Vec<RecordBatch> = rows.try_collect().await?;
        let count = match rows.as_slice() {
            [row] if row.num_rows() == 1 && row.column(0).is_valid(0) => {
                usize::try_from(row.column(0).as_primitive::<Int64Type>().value(0)).ok()
            }
            _ => None,
        };
        let mut left = count.ok_or_else(|| ConnectorError::internal("a count was not answered with one number"))?;
        let (schema, most) = (self.scan.schema.clone(), self.batch_rows.max(1));
        let of_batches = schema.clone();
        let batches = std::iter::from_fn(move || {
            let rows = left.min(most);
            left -= rows;
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = || RecordBatch::try_new_with_options(of_batches.clone(), Vec::new(), &options);
            (rows > 0).then(|| batch().map_err(DataFusionError::from))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches))))
    }
}
