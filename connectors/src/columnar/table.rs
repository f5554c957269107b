//! A table over files that hold columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use jiff::tz::TimeZone;

use super::decoded::DecodedSource;
use super::parquet::ColumnFinder;
use super::ranged_file::ScannedFile;
use super::source::{ColumnarSource, Scanned};
use super::{ColumnarFormat, parquet};
use crate::error::{ConnectorError, Result};
use crate::object_store::FileLocation;
use crate::text::{FoundFiles, PartitionFile, Partitions, TableFiles, hive_field};

/// A table over Parquet, Avro or ORC files. Each scan lists the files anew; a file of no bytes has no rows.
///
/// Moments are shown in the zone of the session's `datafusion.execution.time_zone`, UTC if it has none.
#[derive(Debug)]
pub struct ColumnarTable {
    files: TableFiles,
    format: ColumnarFormat,
    /// The columns of files, then those of partitions.
    schema: SchemaRef,
    columns_in_files: usize,
}

impl ColumnarTable {
    /// A table over the files of one location; does no I/O, so that files may come later.
    ///
    /// # Errors
    /// Code Option for no columns, or two of one name.
    pub fn try_new(
        location: FileLocation,
        format: ColumnarFormat,
        columns: Vec<(String, DataType)>,
    ) -> Result<Arc<dyn TableProvider>> {
        Self::over(location, format, columns, None)
    }

    /// A table over the files of its partitions, whose columns stand behind those of the files. `location` is shown by EXPLAIN; its
    /// own files are not read, as in Hive and Spark. A filter on partition columns leaves out partitions before they are listed.
    /// The value `__HIVE_DEFAULT_PARTITION__` is NULL, for text columns too.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub fn partitioned(
        location: FileLocation,
        format: ColumnarFormat,
        columns: Vec<(String, DataType)>,
        partitions: Partitions,
    ) -> Result<Arc<dyn TableProvider>> {
        Self::over(location, format, columns, Some(partitions.with_nulls()))
    }

    fn over(
        location: FileLocation,
        format: ColumnarFormat,
        columns: Vec<(String, DataType)>,
        partitions: Option<Partitions>,
    ) -> Result<Arc<dyn TableProvider>> {
        if columns.is_empty() {
            return Err(ConnectorError::option("a table needs a column that is not of its partitions"));
        }
        let columns_in_files = columns.len();
        let fields = columns.into_iter().map(|(name, data_type)| hive_field(&name, &data_type));
        let files = TableFiles::new(location, partitions);
        let constant = files.partition_fields().iter().cloned();
        let fields: Vec<Field> = fields.chain(constant).collect();
        for (at, field) in fields.iter().enumerate() {
            if fields[..at].iter().any(|other| other.name().eq_ignore_ascii_case(field.name())) {
                let message = format!("column \"{}\" is there twice", field.name().escape_debug());
                return Err(ConnectorError::option(message));
            }
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Arc::new(Self { files, format, schema, columns_in_files }))
    }

    fn table_schema(&self) -> TableSchema {
        let fields = self.schema.fields();
        let (in_files, constant) = fields.split_at(self.columns_in_files);
        let in_files = Arc::new(Schema::new(in_files.to_vec()));
        TableSchema::builder(in_files).with_table_partition_cols(constant.to_vec()).build()
    }
}

#[async_trait]
impl TableProvider for ColumnarTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        // The others reach the scan as physical expressions, for its statistics, and are applied above it all the same.
        Ok(self.files.pushdown(filters))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let FoundFiles { files, partitions, max_connections } = self.files.find(state, filters).await?;
        let files: Vec<_> = files.into_iter().filter(|found| found.file.size() != Some(0)).collect();
        let zone = session_zone(state)?;
        let schema = self.table_schema();
        let format: Arc<dyn FileSource> = match self.format {
            ColumnarFormat::Parquet => Arc::new(parquet::source(schema, &state.default_table_options().parquet)),
            format => Arc::new(DecodedSource::new(format, schema, zone.clone())),
        };
        let scanned = Scanned { location: self.files.to_string(), partitions };
        let source = Arc::new(ColumnarSource::new(format, scanned));
        let mut statistics = Statistics::new_unknown(&self.schema);
        if let Some(sizes) = files.iter().map(|found| found.file.size()).collect::<Option<Vec<_>>>() {
            let bytes = usize::try_from(sizes.into_iter().sum::<u64>()).unwrap_or(usize::MAX);
            statistics.total_byte_size = Precision::Inexact(bytes);
        }
        // The URL is that of a store which every session has and these sources do not use.
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(groups(files, state.config().target_partitions(), max_connections))
            .with_expr_adapter(Some(Arc::new(ColumnFinder { zone })))
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn session_zone(state: &dyn Session) -> Result<TimeZone> {
    let Some(name) = &state.config_options().execution.time_zone else { return Ok(TimeZone::UTC) };
    super::time_zone(name)
}

/// Deals files out to groups, the largest first to whoever has least. DataFusion cuts large files into ranges for more of them.
/// Two files are two groups at least, so that a write never takes a scan of one partition for all there is.
fn groups(files: Vec<PartitionFile>, target: usize, max_connections: Option<usize>) -> Vec<FileGroup> {
    let count = match max_connections {
        Some(1) => 1,
        limit => target.min(limit.unwrap_or(target)).max(2).min(files.len()).max(1),
    };
    let mut by_size: Vec<_> = files.into_iter().enumerate().collect();
    by_size.sort_by_key(|(_, found)| std::cmp::Reverse(found.file.size().unwrap_or(0)));
    let mut groups: Vec<(u64, Vec<_>)> = (0..count).map(|_| (0, Vec::new())).collect();
    for (at, found) in by_size {
        if let Some(group) = groups.iter_mut().min_by_key(|(bytes, members)| (*bytes, members.len())) {
            group.0 += found.file.size().unwrap_or(0);
            group.1.push((at, found));
        }
    }
    let group = |(_, mut members): (u64, Vec<(usize, PartitionFile)>)| {
        members.sort_unstable_by_key(|(at, _)| *at);
        members.into_iter().map(|(_, found)| partitioned_file(found)).collect::<Vec<_>>()
    };
    groups.into_iter().map(group).map(FileGroup::new).collect()
}

fn partitioned_file(found: PartitionFile) -> PartitionedFile {
    let PartitionFile { file, values } = found;
    // the name is for EXPLAIN; the extension is what opens the file
    PartitionedFile::new(file.to_string(), file.size().unwrap_or(0))
        .with_partition_values(values.as_ref().clone())
        .with_extension(ScannedFile::new(file))
}
