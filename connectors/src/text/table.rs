//! A table over text files.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::columns::Column;
use super::options::TextTableOptions;
use super::partitions::{PartitionFile, Partitions};
use super::reader::ReadPlan;
use super::scan::{OutputColumn, Source, TextExec};
use crate::error::Result;
use crate::object_store::FileLocation;

/// A table over text files. Each scan lists the files anew.
#[derive(Debug)]
pub struct TextTable {
    location: FileLocation,
    options: TextTableOptions,
    /// Of a partitioned table: its files are those of its partitions, and none of its location's own.
    partitions: Option<Partitions>,
    schema: SchemaRef,
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
        options.check()?;
        for (name, data_type) in &options.columns {
            Column::new(name, data_type)?;
        }
        let fields = options.columns.iter().map(|(name, data_type)| Field::new(name, data_type.clone(), true));
        let constant = partitions.iter().flat_map(Partitions::fields).cloned();
        let schema = Arc::new(Schema::new(fields.chain(constant).collect::<Vec<_>>()));
        Ok(Arc::new(Self { location, options, partitions, schema }))
    }

    /// The files to read, and for EXPLAIN how many partitions of how many they are of.
    async fn files(&self, state: &dyn Session, filters: &[Expr]) -> DataFusionResult<Found> {
        let Some(partitions) = &self.partitions else {
            let files = self.location.list().await?;
            let files = files.into_iter().map(|file| PartitionFile { file, values: Arc::default() }).collect();
            return Ok((files, None));
        };
        let matching = partitions.matching(state, filters)?;
        Ok((partitions.files(&matching).await?, Some((matching.len(), partitions.len()))))
    }
}

/// Files, and how many partitions of how many they are of.
type Found = (Vec<PartitionFile>, Option<(usize, usize)>);

#[async_trait]
impl TableProvider for TextTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let kind = |filter: &&Expr| match &self.partitions {
            Some(partitions) if partitions.decides(filter) => TableProviderFilterPushDown::Exact,
            _ => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(kind).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let (files, partitions) = self.files(state, filters).await?;
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
        let groups = groups(files, state.config().target_partitions());
        let source = Source { location: self.location.to_string(), partitions };
        Ok(Arc::new(TextExec::new(source, Arc::new(plan), output, columns, groups, limit)))
    }
}

/// Deals files out to partitions, the largest first to whoever has least; within a group they keep their order.
/// Two files are two groups at least, so that a write never takes a scan of one partition for all there is.
fn groups(files: Vec<PartitionFile>, target: usize) -> Vec<Vec<PartitionFile>> {
    let count = target.max(2).min(files.len()).max(1);
    let mut by_size: Vec<usize> = (0..files.len()).collect();
    by_size.sort_by_key(|index| std::cmp::Reverse(files[*index].file.size().unwrap_or(0)));
    let mut groups: Vec<(u64, Vec<usize>)> = vec![(0, Vec::new()); count];
    for index in by_size {
        if let Some(group) = groups.iter_mut().min_by_key(|(bytes, members)| (*bytes, members.len())) {
            group.0 += files[index].file.size().unwrap_or(0);
            group.1.push(index);
        }
    }
    let in_order = groups.into_iter().map(|(_, mut members)| {
        members.sort_unstable();
        members.into_iter().map(|index| files[index].clone()).collect()
    });
    in_order.collect()
}
