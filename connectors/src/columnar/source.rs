//! What all formats share under DataFusion's scan node: errors name their file, a panic is an error, EXPLAIN shows location and partitions.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};
use object_store::ObjectStore;

use super::ranged_file::ScannedFile;
use crate::error::{ConnectorError, ErrorCode};
use crate::throttle::Throttles;

/// What is read, for EXPLAIN; no secrets.
#[derive(Debug, Clone)]
pub(super) struct Scanned {
    /// The table's location.
    pub(super) location: String,
    /// Of a partitioned table: how many partitions of how many are read.
    pub(super) partitions: Option<(usize, usize)>,
}

/// A format's source, over files of ours.
#[derive(Clone)]
pub(super) struct ColumnarSource {
    format: Arc<dyn FileSource>,
    scanned: Scanned,
}

impl ColumnarSource {
    pub(super) fn new(format: Arc<dyn FileSource>, scanned: Scanned) -> Self {
        Self { format, scanned }
    }

    fn with(&self, format: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self { format, scanned: self.scanned.clone() })
    }
}

impl FileSource for ColumnarSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> DataFusionResult<Arc<dyn FileOpener>> {
        self.format.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> DataFusionResult<Box<dyn Morselizer>> {
        Ok(Box::new(Files(self.format.create_morselizer(store, config, partition)?)))
    }

    fn table_schema(&self) -> &TableSchema {
        self.format.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        self.with(self.format.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.format.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.format.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.format.metrics()
    }

    fn file_type(&self) -> &str {
        self.format.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scanned { location, partitions } = &self.scanned;
        if kind == DisplayFormatType::TreeRender {
            writeln!(f, "location={location}")?;
            if let Some((read, all)) = partitions {
                writeln!(f, "partitions={read}/{all}")?;
            }
        } else {
            write!(f, ", location={location}")?;
            if let Some((read, all)) = partitions {
                write!(f, ", partitions={read}/{all}")?;
            }
        }
        self.format.fmt_extra(kind, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.format.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        target: usize,
        min_size: usize,
        order: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> DataFusionResult<Option<FileScanConfig>> {
        // what its server gives only as a whole is not cut into ranges
        let mut files = config.file_groups.iter().flat_map(|group| group.iter());
        if files.any(|file| file.extension::<ScannedFile>().is_none_or(|scanned| !scanned.file.has_ranges())) {
            return Ok(None);
        }
        self.format.repartitioned(target, min_size, order, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        options: &ConfigOptions,
    ) -> DataFusionResult<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let pushed = self.format.try_pushdown_filters(filters, options)?;
        let updated_node = pushed.updated_node.map(|format| self.with(format));
        Ok(FilterPushdownPropagation { filters: pushed.filters, updated_node })
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> DataFusionResult<Option<Arc<dyn FileSource>>> {
        let format = self.format.try_pushdown_projection(projection)?;
        Ok(format.map(|format| self.with(format)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        self.format.apply_expressions(f)
    }
}

/// Puts a file's name in front of an error that does not have it.
fn in_file(file: &str, error: DataFusionError) -> DataFusionError {
    let error = ConnectorError::from_datafusion(error);
    let message = error.message();
    if message.contains(file) {
        return error.into();
    }
    let code = match error.code() {
        ErrorCode::Internal => ErrorCode::Value,
        code => code,
    };
    let message = format!("{file}: {message}");
    match error.is_retryable() {
        true => ConnectorError::retryable(code, message).into(),
        false => ConnectorError::new(code, message).into(),
    }
}

/// The crates that decode panic where a file is damaged in ways that they do not look for.
fn panicked() -> DataFusionError {
    ConnectorError::new(ErrorCode::Value, "the file is damaged, or holds what cannot be read here").into()
}

#[derive(Debug)]
struct Files(Box<dyn Morselizer>);

impl Morselizer for Files {
    fn plan_file(&self, file: PartitionedFile) -> DataFusionResult<Box<dyn MorselPlanner>> {
        let name = match file.extension::<ScannedFile>() {
            Some(scanned) => scanned.file.to_string(),
            None => file.path().to_string(),
        };
        let throttles = file.extension::<ScannedFile>().map(|scanned| scanned.file.throttles().clone());
        let origin = Origin { name: name.into(), throttles: throttles.unwrap_or_default() };
        let planner = self.0.plan_file(file).map_err(|error| in_file(&origin.name, error))?;
        Ok(Box::new(NamedPlanner { origin, planner }))
    }
}

/// The file that rows come from.
#[derive(Debug, Clone)]
struct Origin {
    name: Arc<str>,
    throttles: Throttles,
}

#[derive(Debug)]
struct NamedPlanner {
    origin: Origin,
    planner: Box<dyn MorselPlanner>,
}

impl MorselPlanner for NamedPlanner {
    fn plan(self: Box<Self>) -> DataFusionResult<Option<MorselPlan>> {
        let Self { origin, planner } = *self;
        let planned = catch_unwind(AssertUnwindSafe(|| planner.plan())).unwrap_or_else(|_| Err(panicked()));
        let Some(mut plan) = planned.map_err(|error| in_file(&origin.name, error))? else { return Ok(None) };
        let named = |planner| Box::new(NamedPlanner { origin: origin.clone(), planner }) as Box<dyn MorselPlanner>;
        let morsels = plan
            .take_morsels()
            .into_iter()
            .map(|morsel| Box::new(NamedMorsel { origin: origin.clone(), morsel }) as Box<dyn Morsel>);
        let mut result = MorselPlan::new()
            .with_morsels(morsels.collect())
            .with_planners(plan.take_ready_planners().into_iter().map(named).collect());
        if let Some(pending) = plan.take_pending_planner() {
            let origin = origin.clone();
            result.set_pending_planner(async move {
                let planner = AssertUnwindSafe(pending).catch_unwind().await.unwrap_or_else(|_| Err(panicked()));
                let planner = planner.map_err(|error| in_file(&origin.name, error))?;
                Ok(Box::new(NamedPlanner { origin, planner }) as Box<dyn MorselPlanner>)
            });
        }
        Ok(Some(result))
    }
}

#[derive(Debug)]
struct NamedMorsel {
    origin: Origin,
    morsel: Box<dyn Morsel>,
}

impl Morsel for NamedMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, DataFusionResult<RecordBatch>> {
        let Self { origin: Origin { name, throttles }, morsel } = *self;
        let batches = AssertUnwindSafe(morsel.into_stream()).catch_unwind();
        let batches =
            batches.map(move |batch| batch.unwrap_or_else(|_| Err(panicked())).map_err(|error| in_file(&name, error)));
        if throttles.is_none() {
            return batches.boxed();
        }
        // their bytes are counted as they come from the file
        let pieces = batches.flat_map({
            let throttles = throttles.clone();
            move |batch| {
                let pieces: Vec<_> = match batch {
                    Ok(batch) => throttles.pieces(batch, 0).map(|(piece, _)| Ok(piece)).collect(),
                    Err(error) => vec![Err(error)],
                };
                stream::iter(pieces)
            }
        });
        pieces
            .then(move |piece| {
                let throttles = throttles.clone();
                async move {
                    if let Ok(piece) = &piece {
                        throttles.take(piece.num_rows(), 0).await;
                    }
                    piece
                }
            })
            .boxed()
    }
}
