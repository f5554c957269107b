//! Partitions of external tables: their names and values, and the folders that are partitions.

use std::path::PathBuf;

use arrow::datatypes::DataType;
use futures::stream::{self, StreamExt, TryStreamExt};
use syncline_connectors::ConnectorError;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::object_store::FileLocation;
use syncline_connectors::options::nearest;
use syncline_connectors::text::{parse_partition_name, partition_name, partition_value};
use syncline_sql::statement::PartitionValue;

use crate::catalogs::is_storable;
use crate::error::{Result, SynclineError};
use crate::external_table::ExternalTableEntry;
use crate::state::StoredPartition;

/// A partition of an external table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    /// A text for each partition column, in order.
    pub(crate) values: Vec<String>,
    /// As written.
    pub(crate) location: String,
    /// Where a relative location starts.
    pub(crate) folder: Option<PathBuf>,
    /// Whether it outlives the session.
    pub(crate) is_stored: bool,
}

impl Partition {
    /// A partition of a table. One whose location holds a signature or password lasts for the session only.
    pub(crate) fn new(
        table: &ExternalTableEntry,
        values: Vec<String>,
        location: String,
        folder: Option<PathBuf>,
    ) -> Self {
        let is_stored = table.is_stored && is_storable(&location);
        Self { values, location, folder, is_stored }
    }

    /// Reads a stored partition; None if it is none of the table's.
    pub(crate) fn from_stored(stored: &StoredPartition, table: &ExternalTableEntry) -> Option<Self> {
        let values: Vec<String> = parse_partition_name(&stored.name)?.into_iter().map(|(_, value)| value).collect();
        let has_all = values.len() == table.definition.partition_columns.len();
        has_all.then(|| Self {
            values,
            location: stored.location.clone(),
            folder: stored.folder.clone(),
            is_stored: true,
        })
    }

    pub(crate) fn to_stored(&self, table: &str, name: &str) -> StoredPartition {
        StoredPartition {
            table: table.to_owned(),
            name: name.to_owned(),
            location: self.location.clone(),
            folder: self.folder.clone(),
        }
    }
}

/// Part of a partition's values: a text for each column that was given.
pub(crate) type PartialValues = Vec<Option<String>>;

impl ExternalTableEntry {
    /// The values of `PARTITION (…)` in the table's order and spelling; None for columns that are not given.
    pub(crate) fn partial_values(&self, given: &[PartitionValue]) -> Result<PartialValues> {
        let columns = self.partition_columns()?;
        if columns.is_empty() {
            return Err(SynclineError::from(ConnectorError::new(
                ErrorCode::Unsupported,
                format!("table {} has no partitions", self.definition.name),
            ))
            .hint("CREATE EXTERNAL TABLE … PARTITIONED BY (…) makes one that has"));
        }
        let mut values = vec![None; columns.len()];
        for value in given {
            let name = value.column.parts.concat();
            let at = |error: SynclineError| error.at(value.column.position.clone());
            let found = columns.iter().position(|(column, _)| column.to_lowercase() == name.to_lowercase());
            let Some(found) = found else {
                let known = columns.iter().map(|(column, _)| column.as_str());
                let message = format!("table {} has no partition column \"{name}\"", self.definition.name);
                let error = SynclineError::from(ConnectorError::new(ErrorCode::Name, message));
                return Err(at(match nearest(&name, known.clone()) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint(format!("its partition columns are {}", known.collect::<Vec<_>>().join(", "))),
                }));
            };
            let (column, data_type) = &columns[found];
            let text = partition_value(column, data_type, value.value.as_deref());
            values[found] = Some(text.map_err(|error| at(error.into()))?);
        }
        Ok(values)
    }

    /// The values of `PARTITION (…)` that names one partition.
    pub(crate) fn values(&self, given: &[PartitionValue]) -> Result<Vec<String>> {
        let values = self.partial_values(given)?;
        let columns = &self.definition.partition_columns;
        let missing = columns.iter().zip(&values).find(|(_, value)| value.is_none());
        if let Some((column, _)) = missing {
            let message = format!("PARTITION (…) lacks the partition column {}", column.name);
            let error = SynclineError::from(ConnectorError::option(message));
            return Err(match given.first() {
                Some(first) => error.at(first.column.position.clone()),
                None => error,
            });
        }
        Ok(values.into_iter().flatten().collect())
    }

    /// The names of the partitions that have these values.
    pub(crate) fn partitions_with(&self, values: &PartialValues) -> Vec<String> {
        let matches = |partition: &Partition| {
            values.iter().zip(&partition.values).all(|(wanted, value)| wanted.as_ref().is_none_or(|w| w == value))
        };
        self.partitions.iter().filter(|(_, partition)| matches(partition)).map(|(name, _)| name.clone()).collect()
    }

    /// A partition's name, such as `dt=20240807`.
    pub(crate) fn partition_name(&self, values: &[String]) -> String {
        let names = self.definition.partition_columns.iter().map(|column| column.name.parts[0].as_str());
        partition_name(names.zip(values.iter().map(String::as_str)))
    }

    /// The location of a folder below the table's. None if the table's is one file behind a URL, which has no folders.
    pub(crate) fn location_below(&self, name: &str, is_http: bool) -> Option<String> {
        if is_http {
            return None;
        }
        let location = &self.definition.location;
        // % escapes in a URL of a file, and the folder's name holds one as it is; a bucket's keys are not decoded
        let is_decoded = location.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("file"));
        let name = if is_decoded { name.replace('%', "%25") } else { name.to_owned() };
        Some(format!("{}/{name}", location.strip_suffix('/').unwrap_or(location)))
    }
}

/// Folders that are listed at a time.
const LISTINGS_AT_A_TIME: usize = 8;

/// Folders below a table's location that are partitions.
#[derive(Debug, Default)]
pub(crate) struct FoundPartitions {
    /// The values in the table's order, and the path below the location.
    pub(crate) partitions: Vec<(Vec<String>, String)>,
    /// What looked like one and is none.
    pub(crate) warnings: Vec<String>,
}

/// Looks for `dt=…` folders below a table's, one level for each partition column. Letter case of columns does not matter; names that start
/// with `_` or `.` are left out, as files of such names are.
pub(crate) async fn find_partitions(
    location: &FileLocation,
    columns: &[(String, DataType)],
) -> Result<FoundPartitions> {
    let mut found = FoundPartitions::default();
    // folders of the level at hand: their values, and their paths below the location
    let mut level = vec![(Vec::new(), String::new())];
    for (column, data_type) in columns {
        let mut listings = stream::iter(level)
            .map(|(values, below)| async move {
                let folder = if below.is_empty() { location.clone() } else { location.below(&below)? };
                let names = folder.folders().await?;
                Ok::<_, ConnectorError>((values, below, folder, names))
            })
            .buffered(LISTINGS_AT_A_TIME);
        let mut next = Vec::new();
        while let Some((values, below, folder, names)) = listings.try_next().await? {
            for name in names {
                let value = match name.to_str() {
                    Some(name) => value_in(name, column, data_type),
                    None => Err(ConnectorError::option("its name is not UTF-8")),
                };
                let name = name.to_string_lossy();
                match value {
                    Ok(value) => {
                        let below = if below.is_empty() { name.into_owned() } else { format!("{below}/{name}") };
                        next.push(([values.as_slice(), &[value]].concat(), below));
                    }
                    Err(error) => {
                        let folder = folder.to_string();
                        let folder = folder.trim_end_matches('/');
                        found.warnings.push(format!("{folder}/{name} is no partition: {}", error.message()));
                    }
                }
            }
        }
        level = next;
    }
    found.partitions = level;
    Ok(found)
}

/// The value that a folder's name gives a partition column.
fn value_in(name: &str, column: &str, data_type: &DataType) -> Result<String, ConnectorError> {
    match parse_partition_name(name).as_deref() {
        Some([(known, value)]) if known.to_lowercase() == column.to_lowercase() => {
            partition_value(column, data_type, Some(value))
        }
        _ => Err(ConnectorError::option(format!("its name is not {column}=…"))),
    }
}
