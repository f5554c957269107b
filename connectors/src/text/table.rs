//! A table over text files.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::columns::Column;
use super::options::TextTableOptions;
use super::reader::ReadPlan;
use super::scan::TextExec;
use crate::error::Result;
use crate::object_store::{FileLocation, FoundFile};

/// A table over text files. Each scan lists the files anew.
#[derive(Debug)]
pub struct TextTable {
    location: FileLocation,
    options: TextTableOptions,
    schema: SchemaRef,
}

impl TextTable {
    /// A table; does no I/O, so that files may come later.
    ///
    /// # Errors
    /// Code Option when the options do not fit together, Unsupported for a column's type that is not built yet.
    pub fn try_new(location: FileLocation, options: TextTableOptions) -> Result<Arc<dyn TableProvider>> {
        options.check()?;
        for (name, data_type) in &options.columns {
            Column::new(name, data_type)?;
        }
        let fields = options.columns.iter().map(|(name, data_type)| Field::new(name, data_type.clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Arc::new(Self { location, options, schema }))
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

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let files = self.location.list().await?;
        let projection = match projection {
            Some(projection) => projection.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&projection)?);
        let batch_rows = state.config().batch_size();
        let plan = ReadPlan { options: self.options.clone(), projection, schema, has_places: false, batch_rows };
        let groups = groups(files, state.config().target_partitions());
        Ok(Arc::new(TextExec::new(self.location.to_string(), Arc::new(plan), groups, limit)))
    }
}

/// Deals files out to partitions, the largest first to whoever has least; within a group they keep their order.
/// Two files are two groups at least, so that a write never takes a scan of one partition for all there is.
fn groups(files: Vec<FoundFile>, target: usize) -> Vec<Vec<FoundFile>> {
    let count = target.max(2).min(files.len()).max(1);
    let mut by_size: Vec<usize> = (0..files.len()).collect();
    by_size.sort_by_key(|index| std::cmp::Reverse(files[*index].size().unwrap_or(0)));
    let mut groups: Vec<(u64, Vec<usize>)> = vec![(0, Vec::new()); count];
    for index in by_size {
        if let Some(group) = groups.iter_mut().min_by_key(|(bytes, members)| (*bytes, members.len())) {
            group.0 += files[index].size().unwrap_or(0);
            group.1.push(index);
        }
    }
    let in_order = groups.into_iter().map(|(_, mut members)| {
        members.sort_unstable();
        members.into_iter().map(|index| files[index].clone()).collect()
    });
    in_order.collect()
}
