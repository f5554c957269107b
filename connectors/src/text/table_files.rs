//! The files of a table, whatever its format: those of its location, or of its partitions.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::catalog::Session;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};

use super::partitions::{PartitionFile, Partitions};
use crate::error::Result;
use crate::object_store::FileLocation;
use crate::options::Options;
use crate::scan_settings::{ScanSettings, SessionScanSettings};
use crate::throttle::Throttles;

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
    /// How many files or ranges to read at the same time at most, where that is limited.
    pub(crate) max_connections: Option<usize>,
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
        let (files, partitions): (Vec<_>, _) = match &self.partitions {
            None => {
                let files = self.location.list().await?;
                (files.into_iter().map(|file| PartitionFile { file, values: Arc::default() }).collect(), None)
            }
            Some(partitions) => {
                let matching = partitions.matching(state, filters)?;
                (partitions.files(&matching).await?, Some((matching.len(), partitions.len())))
            }
        };
        let throttles = Throttles::of_statement(state.config())?;
        let of_statement =
            |found: PartitionFile| PartitionFile { file: found.file.with_throttles(&throttles), ..found };
        let max_connections = max_connections(state, &files)?;
        Ok(FoundFiles { files: files.into_iter().map(of_statement).collect(), partitions, max_connections })
    }
}

/// The smallest limit of the statement and of the catalogs.
fn max_connections(state: &dyn Session, files: &[PartitionFile]) -> Result<Option<usize>> {
    let session = state.config().get_extension::<SessionScanSettings>();
    let of_statement = match session {
        Some(settings) => ScanSettings::parse(&settings.0, &Options::new())?.max_connections,
        None => None,
    };
    let of_catalogs = files.iter().filter_map(|found| found.file.max_connections()).min();
    Ok([of_statement, of_catalogs].into_iter().flatten().min())
}

impl fmt::Display for TableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.location.fmt(f)
    }
}
