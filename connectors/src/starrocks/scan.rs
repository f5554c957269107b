//! Reading a table: one `SELECT` over the MySQL text protocol, streamed.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt};

use super::query::{self, ScanOutput};
use crate::catalog::NativeResult;
use crate::error::ConnectorError;
use crate::mysql_protocol::connect::ConnectionPool;
use crate::mysql_protocol::quote::{identifier, table_name};

/// What a scan reads.
#[derive(Debug, Clone)]
pub(super) struct ScanDescriptor {
    pub(super) database: String,
    pub(super) table: String,
    /// The columns to read, with their types.
    pub(super) schema: SchemaRef,
    /// Filters as SQL, all of which must hold.
    pub(super) filters: Vec<String>,
    pub(super) limit: Option<usize>,
}

impl ScanDescriptor {
    fn sql(&self) -> crate::error::Result<String> {
        let columns =
            self.schema.fields().iter().map(|field| identifier(field.name())).collect::<Result<Vec<_>, _>>()?;
        let columns = if columns.is_empty() { "1".to_owned() } else { columns.join(", ") };
        let mut sql = format!("SELECT {columns} FROM {}", table_name(&self.database, &self.table)?);
        if !self.filters.is_empty() {
            sql.push_str(" WHERE ");
            sql.push_str(&self.filters.join(" AND "));
        }
        if let Some(limit) = self.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        Ok(sql)
    }
}

/// Reads one table of a StarRocks catalog.
pub struct StarrocksExec {
    pool: ConnectionPool,
    scan: ScanDescriptor,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl StarrocksExec {
    pub(super) fn new(pool: ConnectionPool, scan: ScanDescriptor) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(scan.schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { pool, scan, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
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
        match scan.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
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

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (pool, scan) = (self.pool.clone(), self.scan.clone());
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let bytes = MetricBuilder::new(&self.metrics).counter("bytes_read", partition);
        let rows = async move {
            let output = ScanOutput { schema: scan.schema.clone(), bytes };
            match query::run(&pool, None, scan.sql()?, Some(output)).await? {
                NativeResult::Rows(rows) => Ok(rows),
                NativeResult::Done { .. } => {
                    Err(DataFusionError::from(ConnectorError::internal("a SELECT was answered without rows")))
                }
            }
        };
        let rows = futures::stream::once(rows).try_flatten().map(move |batch| {
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
