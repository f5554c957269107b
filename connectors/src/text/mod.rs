//! A file format of our own for text: lines, or fields between delimiters of any length, without quoting.
//!
//! It reads what Hive's `ROW FORMAT DELIMITED` names. A line is a row; the delimiter cuts it into fields; a field that is the NULL
//! marker is NULL, and so are fields that a line lacks; fields beyond the columns are dropped, counted and warned of. A byte is data
//! unless it is a delimiter, the escape, or part of a line's end: there are no quotes.
//!
//! Bytes flow through these, each bounded in memory: [`FileRead`](crate::object_store::FileRead) (a file or a download),
//! `decompress` (gzip), `decode` (any encoding to UTF-8), `lines`, `fields`, `columns` (values to Arrow). `reader` joins them into
//! batches; [`TextTable`] and its plan node run one reader per file, or per range of a large file (`ranges`).
//!
//! ```
//! use std::path::Path;
//! use syncline_connectors::object_store::FileLocation;
//! use syncline_connectors::text::{TextTable, TextTableOptions, hive_type};
//!
//! # fn main() -> syncline_connectors::Result<()> {
//! let mut options = TextTableOptions::new(vec![("col".to_owned(), hive_type("STRING")?)]);
//! options.fields_delimiter = Some(b"|".to_vec());
//! let table = TextTable::try_new(FileLocation::parse("user_log.txt", Path::new("/data"))?, options)?;
//! # let _ = table;
//! # Ok(())
//! # }
//! ```

mod columns;
mod csv_fields;
pub(crate) mod csv_records;
mod datax_values;
mod datetime_pattern;
mod decode;
mod decompress;
mod delimiter;
mod fields;
mod json;
mod json_records;
mod lines;
pub(crate) mod nested;
mod nested_columns;
mod options;
mod partitions;
pub(crate) mod places;
mod properties;
mod ranges;
mod reader;
mod records;
mod rows;
mod scalar;
mod scan;
mod spark_values;
mod syntax;
mod table;
mod table_files;
#[cfg(test)]
mod tests;
mod types;
mod values;
mod zip_file;

pub use datetime_pattern::DateTimePattern;
pub use delimiter::delimiter;
pub(crate) use fields::unescaped;
pub use options::{BadValue, Compression, TextTableOptions};
pub(crate) use partitions::PartitionFile;
pub use partitions::{NULL_PARTITION, Partitions, parse_partition_name, partition_name, partition_value};
pub use scan::TextExec;
pub use syntax::{CsvDialect, CsvSyntax, JsonSyntax, RowMode, RowSyntax, TextPreset};
pub use table::TextTable;
pub(crate) use table_files::{FoundFiles, TableFiles};
pub(crate) use types::hive_field;
pub use types::{ELEMENTS_FROM_0, hive_type};
pub use values::ValueRules;
