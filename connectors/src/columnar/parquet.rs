//! What DataFusion's Parquet reader is told: how to get at a file's bytes, and which of its columns are the table's.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result as DataFusionResult, ScalarValue, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileReaderFactory, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::columns;
use super::conversion::{Conversion, Reading};
use super::ranged_file::{RangedFile, ScannedFile};
use crate::error::{ConnectorError, Result};

/// Bytes of a file's end that are asked for first: most footers fit.
const FOOTER_BYTES: usize = 64 << 10;

/// The key under which a file's metadata tells the columns' adapter of the calendar.
const JULIAN_KEY: &str = "syncline.julian";

/// DataFusion's reader over files of ours.
pub(super) fn source(schema: TableSchema, session: &TableParquetOptions) -> ParquetSource {
    let mut options = session.clone();
    // Spark writes moments as INT96, whose nanoseconds would not hold far years
    options.global.coerce_int96 = Some("us".to_owned());
    options.global.coerce_int96_tz = Some("UTC".to_owned());
    ParquetSource::new(schema).with_table_parquet_options(options).with_parquet_file_reader_factory(Arc::new(Readers))
}

#[derive(Debug)]
struct Readers;

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> DataFusionResult<Box<dyn AsyncFileReader + Send>> {
        let Some(scanned) = file.extension::<ScannedFile>() else {
            return internal_err!("a Parquet scan does not know how to open {}", file.path());
        };
        let bytes_read = MetricBuilder::new(metrics).counter("bytes_read", partition);
        Ok(Box::new(Reader { file: scanned.clone(), bytes_read, open: None }))
    }
}

/// Reads one file.
struct Reader {
    file: ScannedFile,
    bytes_read: Count,
    open: Option<RangedFile>,
}

impl Reader {
    async fn opened(&mut self) -> Result<RangedFile, ParquetError> {
        if let Some(open) = &self.open {
            return Ok(open.clone());
        }
        let opened = self.file.open(self.bytes_read.clone()).await.map_err(external)?;
        Ok(self.open.insert(opened).clone())
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { self.opened().await?.range(range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.opened().await?.ranges(&ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let file = self.opened().await?;
            let page_index = options.map_or(PageIndexPolicy::Skip, ArrowReaderOptions::column_index_policy);
            let size = file.size();
            let metadata = ParquetMetaDataReader::new()
                .with_page_index_policy(page_index)
                .with_prefetch_hint(Some(FOOTER_BYTES))
                .load_and_finish(Footer(file), size)
                .await?;
            Ok(Arc::new(with_calendar(metadata)))
        }
        .boxed()
    }
}

struct Footer(RangedFile);

impl MetadataFetch for Footer {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { self.0.range(range).await.map_err(external) }.boxed()
    }
}

fn external(error: ConnectorError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// Puts a key into the metadata of a file whose old dates may be Julian.
fn with_calendar(metadata: ParquetMetaData) -> ParquetMetaData {
    let file = metadata.file_metadata();
    if !is_julian(file) {
        return metadata;
    }
    let mut keys = file.key_value_metadata().cloned().unwrap_or_default();
    keys.push(KeyValue::new(JULIAN_KEY.to_owned(), "true".to_owned()));
    let marked = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        Some(keys),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    let mut builder = ParquetMetaData::new(marked, Vec::new()).into_builder();
    let mut parts = metadata.into_builder();
    builder = builder.set_row_groups(parts.take_row_groups());
    builder = builder.set_column_index(parts.take_column_index());
    builder = builder.set_offset_index(parts.take_offset_index());
    builder.build()
}

/// Whether who wrote a file may have used the hybrid calendar: Spark up to 2, later ones when told to, and Hive unless it says not.
/// The keys are those that Spark and Hive write and read.
fn is_julian(file: &FileMetaData) -> bool {
    let key = |name: &str| {
        let keys = file.key_value_metadata()?;
        Some(keys.iter().find(|known| known.key == name)?.value.clone().unwrap_or_default())
    };
    if let Some(version) = key("org.apache.spark.version") {
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let is_legacy =
            ["org.apache.spark.legacyDateTime", "org.apache.spark.legacyINT96"].iter().any(|name| key(name).is_some());
        return is_legacy || major.is_none_or(|major| major < 3);
    }
    let is_java = file.created_by().is_some_and(|by| by.starts_with("parquet-mr"));
    is_java && key("writer.date.proleptic").is_none_or(|value| !value.eq_ignore_ascii_case("true"))
}

/// Finds the table's columns in each file.
#[derive(Debug)]
pub(super) struct ColumnFinder {
    pub(super) zone: TimeZone,
}

impl PhysicalExprAdapterFactory for ColumnFinder {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> DataFusionResult<Arc<dyn PhysicalExprAdapter>> {
        let is_julian = file.metadata().contains_key(JULIAN_KEY);
        let reading = Reading { zone: self.zone.clone(), is_julian };
        Ok(Arc::new(FileColumns { table, file, reading }))
    }
}

#[derive(Debug)]
struct FileColumns {
    table: SchemaRef,
    file: SchemaRef,
    reading: Reading,
}

impl PhysicalExprAdapter for FileColumns {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        expr.transform(|expr| match expr.downcast_ref::<Column>() {
            Some(column) => self
                .column(column)
                .map(|found| Transformed::new(found, true, datafusion::common::tree_node::TreeNodeRecursion::Jump)),
            None => Ok(Transformed::no(expr)),
        })
        .data()
    }
}

impl FileColumns {
    /// An expression over the file for a column of the table.
    fn column(&self, column: &Column) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        let wanted = self.table.field_with_name(column.name())?;
        let Some(at) = columns::find(wanted.name(), self.file.fields().iter().map(|field| field.name().as_str()))?
        else {
            return Ok(Arc::new(Literal::new(ScalarValue::try_from(wanted.data_type())?)));
        };
        let field = self.file.field(at);
        let conversion = Conversion::plan(wanted.name(), field.data_type(), wanted.data_type(), &self.reading)?;
        let found: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
        if conversion.is_same() {
            return Ok(found);
        }
        // DataFusion compares these with the file's statistics
        if conversion.is_widening(field.data_type()) {
            return Ok(Arc::new(CastExpr::new(found, wanted.data_type().clone(), None)));
        }
        let field = Arc::new(wanted.clone().with_nullable(true));
        Ok(Arc::new(Converted { column: found, field, conversion: Arc::new(conversion) }))
    }
}

/// A column of a file as values of the table's type.
#[derive(Debug, Clone)]
struct Converted {
    column: Arc<dyn PhysicalExpr>,
    /// The table's.
    field: FieldRef,
    conversion: Arc<Conversion>,
}

impl PartialEq for Converted {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.field == other.field
    }
}

impl Eq for Converted {}

impl Hash for Converted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.field.hash(state);
    }
}

impl fmt::Display for Converted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.column)
    }
}

impl PhysicalExpr for Converted {
    fn data_type(&self, _: &Schema) -> DataFusionResult<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn nullable(&self, _: &Schema) -> DataFusionResult<bool> {
        Ok(true)
    }

    fn return_field(&self, _: &Schema) -> DataFusionResult<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> DataFusionResult<ColumnarValue> {
        let array = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(self.conversion.apply(self.field.name(), &array)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        match (children.pop(), children.is_empty()) {
            (Some(column), true) => Ok(Arc::new(Self { column, ..self.as_ref().clone() })),
            _ => internal_err!("a column of a file is one column"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.column.fmt_sql(f)
    }
}
