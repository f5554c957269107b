//! The plan node that reads several tables: a few at a time, whichever is next.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::statistics::StatisticsContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PlanProperties, StatisticsArgs,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::TABLE_COLUMN;
use crate::split_queue::{SplitQueue, pack};

/// The read of one table.
#[derive(Debug, Clone)]
pub(super) struct TableScan {
    /// `catalog.database.table`.
    pub(super) name: String,
    pub(super) plan: Arc<dyn ExecutionPlan>,
}

/// Reads tables, one after the other in each partition. The tables are its splits: a partition that is done takes another's.
#[derive(Debug)]
pub(super) struct TablesExec {
    scans: Vec<TableScan>,
    queue: SplitQueue<usize>,
    /// Where the table's name stands among the columns, if it is wanted.
    name_at: Option<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    at_a_time: usize,
}

impl TablesExec {
    /// Reads so many tables at a time. The columns of each are those of the schema, in order, without the table's name.
    pub(super) fn new(schema: SchemaRef, scans: Vec<TableScan>, at_a_time: usize) -> Self {
        let single = |scan: TableScan| match scan.plan.output_partitioning().partition_count() {
            1 => scan,
            _ => TableScan { plan: Arc::new(CoalescePartitionsExec::new(scan.plan)), ..scan },
        };
        let scans: Vec<TableScan> = scans.into_iter().map(single).collect();
        // The largest first, so that none of them is begun last.
        let rows = |scan: &TableScan| {
            let statistics = StatisticsContext::new().compute(scan.plan.as_ref(), &StatisticsArgs::new()).ok()?;
            match statistics.num_rows {
                Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows),
                Precision::Absent => None,
            }
        };
        let mut order: Vec<usize> = (0..scans.len()).collect();
        order.sort_by_cached_key(|place| std::cmp::Reverse(rows(&scans[*place])));
        let groups = pack(order, at_a_time);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let name_at = schema.index_of(TABLE_COLUMN).ok();
        Self { scans, queue: SplitQueue::new(groups), name_at, schema, properties: Arc::new(properties), at_a_time }
    }
}

impl DisplayAs for TablesExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TablesExec: tables={}, at_a_time={}", self.scans.len(), self.queue.groups().len())
    }
}

impl ExecutionPlan for TablesExec {
    fn name(&self) -> &'static str {
        "TablesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    /// A table is read as a whole by whoever takes it.
    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition; self.scans.len()])
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.scans.len()]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.scans.iter().map(|scan| &scan.plan).collect()
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
        if children.len() != self.scans.len() {
            return Err(DataFusionError::Internal("TablesExec has one child for each table".to_owned()));
        }
        let scan = |(scan, plan): (&TableScan, _)| TableScan { name: scan.name.clone(), plan };
        let scans = self.scans.iter().zip(children).map(scan).collect();
        Ok(Arc::new(Self::new(Arc::clone(&self.schema), scans, self.at_a_time)))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition >= self.queue.groups().len() {
            return Err(DataFusionError::Internal(format!("TablesExec has no partition {partition}")));
        }
        let claim = self.queue.claim(partition, &context);
        let (scans, schema, name_at) = (self.scans.clone(), Arc::clone(&self.schema), self.name_at);
        // The next table is opened when the one before is read.
        let batches = stream::iter(std::iter::from_fn(move || claim.next()))
            .map(move |place| {
                let scan = scans.get(place).ok_or_else(|| DataFusionError::Internal("no such table".to_owned()))?;
                let (name, schema) = (scan.name.clone(), Arc::clone(&schema));
                let rows = scan.plan.execute(0, Arc::clone(&context))?;
                Ok::<_, DataFusionError>(rows.map(move |batch| named(batch?, &name, name_at, &schema)))
            })
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

/// The rows of a table, with its name where it is wanted.
fn named(batch: RecordBatch, name: &str, name_at: Option<usize>, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let mut columns = batch.columns().to_vec();
    if let Some(place) = name_at {
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(name, rows)));
        columns.insert(place.min(columns.len()), names);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
