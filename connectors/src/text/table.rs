//! A table over text files.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::columns::Column;
use super::options::TextTableOptions;
use super::partitions::{PartitionFile, Partitions};
use super::ranges::{Part, RANGE_BYTES};
use super::reader::ReadPlan;
use super::scan::{OutputColumn, Source, TextExec, TextSplit};
use super::table_files::{FoundFiles, TableFiles};
use super::types::hive_field;
use crate::error::Result;
use crate::object_store::FileLocation;
use crate::split_queue::pack_within;

/// A table over text files. Each scan lists the files anew.
#[derive(Debug)]
pub struct TextTable {
    files: TableFiles,
    options: TextTableOptions,
    schema: SchemaRef,
    /// Bytes of the ranges in which large files are read.
    range_bytes: u64,
}

impl TextTable {
    /// A table over the files of one location; does no I/O, so that files may come later.
    ///
    /// # Errors
    /// Code Option when the options do not fit together, Unsupported for a column's type that is not built yet.
    pub fn try_new(location: FileLocation, options: TextTableOptions) -> Result<Arc<dyn TableProvider>> {
        Self::over(location, options, None)
    }

    /// A table over the files of its partitions, whose columns stand behind those of the files. `location` is shown by EXPLAIN; its
    /// own files are not read, as in Hive and Spark. A filter on partition columns leaves out partitions before they are listed.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub fn partitioned(
        location: FileLocation,
        options: TextTableOptions,
        partitions: Partitions,
    ) -> Result<Arc<dyn TableProvider>> {
        Self::over(location, options, Some(partitions))
    }

    fn over(
        location: FileLocation,
        options: TextTableOptions,
        partitions: Option<Partitions>,
    ) -> Result<Arc<dyn TableProvider>> {
        Self::with_range_bytes(location, options, partitions, RANGE_BYTES)
    }

    /// A table that reads files of more than so many bytes in ranges.
    pub(super) fn with_range_bytes(
        location: FileLocation,
        options: TextTableOptions,
        partitions: Option<Partitions>,
        range_bytes: u64,
    ) -> Result<Arc<dyn TableProvider>> {
        options.check()?;
        for (name, data_type) in &options.columns {
            Column::new(name, data_type)?;
        }
        let fields = options.columns.iter().map(|(name, data_type)| hive_field(name, data_type));
        let files = TableFiles::new(location, partitions);
        let constant = files.partition_fields().iter().cloned();
        let schema = Arc::new(Schema::new(fields.chain(constant).collect::<Vec<_>>()));
        Ok(Arc::new(Self { files, options, schema, range_bytes }))
    }
}

#[async_trait]
impl TableProvider for TextTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
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
        let projection = match projection {
            Some(projection) => projection.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let output = Arc::new(self.schema.project(&projection)?);
        let in_files = self.options.columns.len();
        let read: Vec<usize> = projection.iter().copied().filter(|column| *column < in_files).collect();
        let mut next = 0..;
        let columns = projection.iter().map(|column| match column.checked_sub(in_files) {
            Some(value) => OutputColumn::Constant(value),
            None => OutputColumn::Read(next.next().unwrap_or_default()),
        });
        let columns = partitions.is_some().then(|| columns.collect());
        let plan = ReadPlan {
            options: self.options.clone(),
            schema: Arc::new(self.schema.project(&read)?),
            projection: read,
            has_places: false,
            batch_rows: state.config().batch_size(),
        };
        let splits = files.into_iter().flat_map(|PartitionFile { file, values }| {
            let parts = Part::of(file, &self.options, self.range_bytes).into_iter();
            parts.map(move |part| TextSplit { part, values: Arc::clone(&values) })
        });
        let groups = pack_within(splits.collect(), state.config().target_partitions(), max_connections);
        let source = Source { location: self.files.to_string(), partitions };
        Ok(Arc::new(TextExec::new(source, Arc::new(plan), output, columns, groups, limit)))
    }
}
