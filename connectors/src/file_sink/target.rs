//! What a write into files goes to.

use arrow::datatypes::DataType;

use crate::columnar::ColumnarFormat;
use crate::object_store::FileLocation;
use crate::text::TextTableOptions;

/// Where rows go, and how they are written down.
#[derive(Debug, Clone)]
pub struct FileTarget {
    /// The table, or the location of a directory or file, for messages and the journal.
    pub name: String,
    /// What the statement calls it.
    pub kind: TargetKind,
    /// The table's folder, the directory, the one file, or the names' common beginning.
    pub location: FileLocation,
    /// What the location stands for.
    pub layout: Layout,
    /// How files are written down.
    pub format: FileFormat,
    /// The columns that files hold, in order.
    pub columns: Vec<(String, DataType)>,
    /// The columns whose values are those of partitions; empty if there are none.
    pub partition_columns: Vec<(String, DataType)>,
    /// The partitions that the table knows. Others are written to a folder of their name below the table's.
    pub partitions: Vec<KnownPartition>,
}

/// What a location stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A folder: each writer makes files in it.
    Folder,
    /// One file of exactly this name: there is one writer, and the file is replaced.
    SingleFile,
    /// The beginning of names of files, to which `__` and a suffix are added (DataWorks's `object` without `writeSingleObject`).
    Prefix,
}

/// What a statement writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// An external table: what is written must be what the table reads.
    Table,
    /// `INSERT OVERWRITE DIRECTORY`.
    Directory,
    /// `COPY … TO`: the option `writeMode` says whether what is there is replaced; without it, the request's `overwrite` does.
    Copy,
}

/// How files are written down.
#[derive(Debug, Clone, PartialEq)]
pub enum FileFormat {
    /// Lines: delimited fields, CSV or JSON.
    Text(Box<TextTableOptions>),
    /// Columns.
    Columnar(ColumnarFormat),
}

/// A partition that a table knows.
#[derive(Debug, Clone)]
pub struct KnownPartition {
    /// A text for each partition column, in order.
    pub values: Vec<String>,
    /// Where its files are.
    pub location: FileLocation,
}
