//! The files of a table, whatever its format: those of its location, or of its partitions.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::catalog::Session;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};

use super::partitions::{PartitionFile, Partitions};
use crate::object_store::FileLocation;

/// Where a table's files are.
#[derive(Debug)]
pub(crate) struct TableFiles {
    location: FileLocation,
    /// Of a partitioned table: its files are those of its partitions, and none of its location's own.
    partitions: Option<Partitions>,
}

/// What a scan reads.
pub(crate) struct FoundFiles {
    pub(crate) files: Vec<PartitionFile>,
    /// Of a partitioned table: how many partitions of how many these are of, for EXPLAIN.
    pub(crate) partitions: Option<(usize, usize)>,
}

impl TableFiles {
    pub(crate) fn new(location: FileLocation, partitions: Option<Partitions>) -> Self {
        Self { location, partitions }
    }

    /// The columns that no file holds.
    pub(crate) fn partition_fields(&self) -> &[Field] {
        self.partitions.as_ref().map_or(&[], Partitions::fields)
    }

    /// A filter that partitions decide leaves out whole partitions; the others are applied above the scan.
    pub(crate) fn pushdown(&self, filters: &[&Expr]) -> Vec<TableProviderFilterPushDown> {
        let kind = |filter: &&Expr| match &self.partitions {
            Some(partitions) if partitions.decides(filter) => TableProviderFilterPushDown::Exact,
            _ => TableProviderFilterPushDown::Unsupported,
        };
        filters.iter().map(kind).collect()
    }

    /// Lists the files, of partitions for which all filters are true only.
    pub(crate) async fn find(&self, state: &dyn Session, filters: &[Expr]) -> DataFusionResult<FoundFiles> {
        let Some(partitions) = &self.partitions else {
            let files = self.location.list().await?;
            let files = files.into_iter().map(|file| PartitionFile { file, values: Arc::default() }).collect();
            return Ok(FoundFiles { files, partitions: None });
        };
        let matching = partitions.matching(state, filters)?;
        let files = partitions.files(&matching).await?;
        Ok(FoundFiles { files, partitions: Some((matching.len(), partitions.len())) })
    }
}

impl fmt::Display for TableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(f)
    }
}
