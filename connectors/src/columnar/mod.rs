//! Files that hold columns: Parquet, Avro and ORC.
//!
//! [`ColumnarTable`] reads them. Its columns are those of the definition; a file's are found by name without case, as Spark does, and
//! what a file lacks is NULL (`columns`). A type that holds all values of the file's is filled from it, any other is an error that
//! names file, column and both types (`conversion`): nothing is cast with a loss.
//!
//! DataFusion's own node and Parquet reader do the work (row groups and pages left out by their statistics, files cut into ranges
//! for all cores); `parquet` tells them how to get at bytes and columns, `orc` and `avro` are decoded under the same node by
//! `decoded`. Bytes come from [`FoundFile`](crate::object_store::FoundFile) (`ranged_file`), whatever holds the file: DataFusion's
//! registry of object stores is not used, so that nothing leaks from one session into another. `source` puts the file's name into
//! errors and the table's partitions into EXPLAIN.
//!
//! A TIMESTAMP is a wall-clock time. Where a format stores a moment (INT96 and UTC-adjusted timestamps of Parquet, `timestamp-…` of
//! Avro), it is the wall clock of the session's zone at that moment, as Spark shows it. ORC stores wall clocks. Writing (`write`) is the
//! same the other way round.

mod avro;
mod avro_blocks;
mod avro_rows;
mod columns;
mod conversion;
mod decoded;
mod orc;
mod parquet;
mod ranged_file;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod write;

pub use table::ColumnarTable;
pub use write::formatter;

use jiff::tz::TimeZone;

use crate::error::{ConnectorError, Result};

/// A format of files that hold columns and their types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnarFormat {
    /// Apache Parquet.
    Parquet,
    /// Apache Avro object container files.
    Avro,
    /// Apache ORC.
    Orc,
}

impl ColumnarFormat {
    /// The name in `STORED AS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "PARQUET",
            Self::Avro => "AVRO",
            Self::Orc => "ORC",
        }
    }
}

/// The zone of an IANA name or an offset such as `+08:00`.
fn time_zone(name: &str) -> Result<TimeZone> {
    jiff::fmt::temporal::DateTimeParser::new().parse_time_zone(name).map_err(|error| {
        let message = format!("the time zone \"{}\" is not known", name.escape_debug());
        ConnectorError::option(message).with_source(error)
    })
}
