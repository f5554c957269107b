//! The formats whose files we decode ourselves, ORC and Avro, as a source of DataFusion's scan node.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::FutureExt;
use jiff::tz::TimeZone;
use object_store::ObjectStore;

use super::conversion::{Conversion, Reading};
use super::ranged_file::ScannedFile;
use super::{ColumnarFormat, avro, columns, orc};
use crate::error::{ConnectorError, Result};

/// Reads ORC and Avro files: a batch holds the columns that are asked for, as the table has them.
#[derive(Clone)]
pub(super) struct DecodedSource {
    format: ColumnarFormat,
    schema: TableSchema,
    zone: TimeZone,
    projection: SplitProjection,
    batch_rows: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl DecodedSource {
    pub(super) fn new(format: ColumnarFormat, schema: TableSchema, zone: TimeZone) -> Self {
        let projection = SplitProjection::unprojected(&schema);
        Self { format, schema, zone, projection, batch_rows: 8192, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl FileSource for DecodedSource {
    fn create_file_opener(
        &self,
        _: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        partition: usize,
    ) -> DataFusionResult<Arc<dyn FileOpener>> {
        let wanted = Arc::new(self.schema.file_schema().project(&self.projection.file_indices)?);
        let opener = Opener {
            format: self.format,
            request: Request {
                indices: self.projection.file_indices.clone(),
                wanted,
                zone: self.zone.clone(),
                batch_rows: self.batch_rows,
            },
            bytes_read: MetricBuilder::new(&self.metrics).counter("bytes_read", partition),
        };
        ProjectionOpener::try_new(self.projection.clone(), Arc::new(opener), self.schema.file_schema())
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, batch_rows: usize) -> Arc<dyn FileSource> {
        Arc::new(Self { batch_rows, ..self.clone() })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        match self.format {
            ColumnarFormat::Parquet => "parquet",
            ColumnarFormat::Avro => "avro",
            ColumnarFormat::Orc => "orc",
        }
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> DataFusionResult<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.schema.file_schema(), &merged);
        Ok(Some(Arc::new(Self { projection, ..self.clone() })))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        for projected in self.projection.source.iter() {
            if f(&projected.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

/// What is wanted of each file.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Which of the columns that the table has in its files are wanted.
    indices: Vec<usize>,
    /// The columns that are wanted, as the table has them.
    pub(super) wanted: SchemaRef,
    zone: TimeZone,
    pub(super) batch_rows: usize,
}

impl Request {
    /// Finds the wanted columns in a file of these columns. By position if its names are Hive's `_col0`, else by name.
    ///
    /// # Errors
    /// Code Value for a column of a type that cannot be converted, Name for an ambiguous one.
    pub(super) fn find(&self, file: &[(String, DataType)], by_position: bool, is_julian: bool) -> Result<FoundColumns> {
        let reading = Reading { zone: self.zone.clone(), is_julian };
        let find = |(at, field): (usize, &Arc<Field>)| {
            let in_file = match by_position {
                true => self.indices.get(at).copied().filter(|position| *position < file.len()),
                false => columns::find(field.name(), file.iter().map(|(name, _)| name.as_str()))?,
            };
            match in_file {
                Some(in_file) => {
                    let conversion = Conversion::plan(field.name(), &file[in_file].1, field.data_type(), &reading)?;
                    Ok((Some(in_file), conversion))
                }
                None => Ok((None, Conversion::missing(field.data_type(), &reading))),
            }
        };
        let columns = self.wanted.fields().iter().enumerate().map(find).collect::<Result<Vec<_>>>()?;
        let mut read: Vec<usize> = columns.iter().filter_map(|(in_file, _)| *in_file).collect();
        read.sort_unstable();
        read.dedup();
        Ok(FoundColumns { wanted: Arc::clone(&self.wanted), columns, read })
    }
}

/// Where a file has the columns that are wanted.
#[derive(Debug)]
pub(super) struct FoundColumns {
    wanted: SchemaRef,
    columns: Vec<(Option<usize>, Conversion)>,
    /// The file's columns that are to be read, ascending.
    pub(super) read: Vec<usize>,
}

impl FoundColumns {
    /// Whether nothing of the file is wanted but the number of its rows.
    pub(super) fn is_empty(&self) -> bool {
        self.read.is_empty()
    }

    /// The wanted columns of rows of a file, of which `batch` has those that are [read](Self::read), in that order.
    ///
    /// # Errors
    /// Code Value for a value that the table's type does not hold.
    pub(super) fn convert(&self, batch: &RecordBatch) -> DataFusionResult<RecordBatch> {
        let column = |((in_file, conversion), field): (&(Option<usize>, Conversion), &Arc<Field>)| match in_file {
            None => Ok(arrow::array::new_null_array(field.data_type(), batch.num_rows())),
            Some(in_file) => {
                let at = self.read.binary_search(in_file).ok().filter(|at| *at < batch.num_columns());
                let at =
                    at.ok_or_else(|| ConnectorError::internal("a file's batch lacks a column that was asked for"))?;
                conversion.apply(field.name(), batch.column(at))
            }
        };
        let columns = self.columns.iter().zip(self.wanted.fields()).map(column).collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.wanted), columns, &options)?)
    }

    /// So many rows of which nothing is wanted that the file has.
    pub(super) fn rows_alone(&self, rows: usize) -> DataFusionResult<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        self.convert(&RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?)
    }
}

struct Opener {
    format: ColumnarFormat,
    request: Request,
    bytes_read: Count,
}

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> DataFusionResult<FileOpenFuture> {
        let Some(scanned) = file.extension::<ScannedFile>().cloned() else {
            return internal_err!("a scan does not know how to open {}", file.path());
        };
        let (request, bytes_read) = (self.request.clone(), self.bytes_read.clone());
        match self.format {
            ColumnarFormat::Orc => Ok(orc::open(scanned, file.range, request, bytes_read).boxed()),
            ColumnarFormat::Avro => Ok(avro::open(scanned, file.range, request, bytes_read).boxed()),
            ColumnarFormat::Parquet => internal_err!("Parquet is not decoded here"),
        }
    }
}
