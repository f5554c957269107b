//! What writes into files go to: external tables, and the locations of COPY and INSERT OVERWRITE DIRECTORY.

use std::path::Path;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use syncline_connectors::error::ErrorCode;
use syncline_connectors::file_sink::{FileFormat, FileTarget, KnownPartition, Layout, TargetKind};
use syncline_connectors::object_store::FileLocation;
use syncline_connectors::{ConnectorError, Options};
use syncline_sql::statement::{FilesStatement, FilesTarget, Property};

use crate::catalogs::without_password;
use crate::error::{Result, SynclineError};
use crate::external_table::{ExternalTableEntry, location_of};
use crate::file_options::FileOptions;
use crate::scope::{DEFAULT_DATABASE, SYNCLINE, Scope};

/// An external table as a target: its folder, its format, and the partitions that it knows.
pub(crate) fn of_table(name: &str, entry: &ExternalTableEntry, scope: &Scope) -> Result<FileTarget> {
    let partitions = entry.partitions.values().map(|partition| {
        let location = location_of(&partition.location, partition.folder.as_deref(), scope)?;
        Ok(KnownPartition { values: partition.values.clone(), location })
    });
    let format = entry.file_format(scope)?;
    let columns = match &format {
        // a SerDe may have other types than the table: OpenCSVSerde reads text alone
        FileFormat::Text(options) => options.columns.clone(),
        FileFormat::Columnar(_) => entry.columns()?,
    };
    Ok(FileTarget {
        name: format!("{SYNCLINE}.{DEFAULT_DATABASE}.{name}"),
        kind: TargetKind::Table,
        location: entry.table_location(scope)?,
        layout: Layout::Folder,
        format,
        columns,
        partition_columns: entry.partition_columns()?,
        partitions: partitions.collect::<Result<_>>()?,
    })
}

/// The files of COPY or INSERT OVERWRITE DIRECTORY.
#[derive(Debug)]
pub(crate) struct FilesPlan {
    /// What the rows go to; its columns are those of the query, less the partition columns.
    pub(crate) target: FileTarget,
    /// The options that are the writer's to read.
    pub(crate) options: Options,
}

/// Plans where the rows of a query with this schema go. Relative paths start in `folder`.
pub(crate) fn of_location(
    files: &FilesTarget,
    properties: &[Property],
    source: &Schema,
    folder: Option<&Path>,
    scope: &Scope,
) -> Result<FilesPlan> {
    let location = location_of(&files.location, folder, scope)?;
    refuse_folder_of_others(files, &location, folder)?;
    let mut options = FileOptions::read(files, properties, folder, scope)?;
    let layout = match files.statement {
        FilesStatement::Directory => Layout::Folder,
        FilesStatement::Copy => layout(files, &options)?,
    };
    // neither doubled nor deleted unless the statement says so
    if files.statement == FilesStatement::Copy && layout != Layout::SingleFile {
        options.set_write_mode_if_none("nonConflict");
    }
    let (mut columns, partition_columns) = columns(files, source)?;
    if let Some(schema) = options.schema.take() {
        check_schema(files, &schema, &columns, &partition_columns)?;
        columns = schema;
    }
    // the text of the one column is the line: nothing has to be told apart from it
    if let [_] = columns.as_slice() {
        options.drop_delimiter();
    }
    let name = without_password(&files.location);
    let format = options.format(&name, columns.clone(), folder, scope)?;
    let kind = match files.statement {
        FilesStatement::Directory => TargetKind::Directory,
        FilesStatement::Copy => TargetKind::Copy,
    };
    let target =
        FileTarget { name, kind, location, layout, format, columns, partition_columns, partitions: Vec::new() };
    Ok(FilesPlan { target, options: options.writer })
}

/// A folder is overwritten with all that is in it, so one that surely holds other things is refused: the root of a file system or bucket, the
/// script's own, and one with the config or the state.
fn refuse_folder_of_others(files: &FilesTarget, location: &FileLocation, folder: Option<&Path>) -> Result<()> {
    let what = match location {
        FileLocation::Object { key, .. } if key.trim_matches('/').is_empty() => "the root of a bucket",
        FileLocation::Local(path) => {
            // links and .. lead to the same folder
            let Ok(path) = path.canonicalize() else { return Ok(()) };
            let is_script_s = folder.and_then(|folder| folder.canonicalize().ok()).is_some_and(|folder| folder == path);
            match path {
                path if path.parent().is_none() => "the root of the file system",
                _ if is_script_s => "the script's own folder",
                path if path.join("syncline.toml").exists() || path.join(".syncline").exists() => {
                    "a folder that holds a config or a state folder"
                }
                path if path.file_name().is_some_and(|name| name == ".syncline") => "a state folder",
                _ => return Ok(()),
            }
        }
        _ => return Ok(()),
    };
    let message = format!("{} is {what}, which is not written to as a folder", without_password(&files.location));
    Err(SynclineError::from(ConnectorError::option(message))
        .hint("give the files a folder of their own")
        .at(files.position.clone()))
}

/// A location that ends in `/` is a folder, and so is one that is cut into partitions; `single = false` makes it the beginning of names.
fn layout(files: &FilesTarget, options: &FileOptions) -> Result<Layout> {
    let is_folder = files.location.ends_with('/') || !files.partition_columns.is_empty();
    match (is_folder, options.single) {
        (true, Some(true)) => {
            let why = if files.partition_columns.is_empty() { "it ends in /" } else { "each partition is a folder" };
            let message = format!("{} cannot be a single file: {why}", without_password(&files.location));
            Err(SynclineError::from(ConnectorError::option(message)).at(files.position.clone()))
        }
        (true, _) => Ok(Layout::Folder),
        (false, Some(false)) => Ok(Layout::Prefix),
        (false, _) => Ok(Layout::SingleFile),
    }
}

/// Names and types.
type Columns = Vec<(String, DataType)>;

/// The columns that the files hold, and those that become folders.
fn columns(files: &FilesTarget, source: &Schema) -> Result<(Columns, Columns)> {
    let mut columns = columns_of(source);
    let mut partition_columns = Columns::new();
    for wanted in &files.partition_columns {
        let name = wanted.parts.concat();
        let exact = columns.iter().position(|(known, _)| *known == name);
        let found = exact.or_else(|| columns.iter().position(|(known, _)| known.eq_ignore_ascii_case(&name)));
        let Some(found) = found else {
            let known: Vec<&str> = columns.iter().map(|(known, _)| known.as_str()).collect();
            let message = format!("the query has no column \"{name}\" to partition by");
            return Err(SynclineError::from(ConnectorError::new(ErrorCode::Name, message))
                .hint(format!("its columns are {}", known.join(", ")))
                .at(wanted.position.clone()));
        };
        partition_columns.push(columns.remove(found));
    }
    if columns.is_empty() {
        let message = "every column of the query becomes a folder, and the files would hold none";
        return Err(SynclineError::from(ConnectorError::option(message)).at(files.position.clone()));
    }
    Ok((columns, partition_columns))
}

/// Columns are matched by position, so there must be as many; those that become folders have no place in a list of all.
fn check_schema(files: &FilesTarget, schema: &Columns, columns: &Columns, partition_columns: &Columns) -> Result<()> {
    let message = match (schema.len(), columns.len()) {
        _ if !partition_columns.is_empty() => "option \"schema\" is of files without PARTITIONED BY".to_owned(),
        (named, selected) if named != selected => {
            format!("option \"schema\" has {named} columns, and the query {selected}")
        }
        _ => return Ok(()),
    };
    Err(SynclineError::from(ConnectorError::option(message)).at(files.position.clone()))
}

/// A query's columns with the types that files have for them.
pub(crate) fn columns_of(source: &Schema) -> Vec<(String, DataType)> {
    source.fields().iter().map(|field| (field.name().clone(), file_type(field.data_type()))).collect()
}

/// The type of a query's column as files have it: those of Hive, which has no unsigned numbers, and no type for a time of day.
fn file_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Null
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_) => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, values) => file_type(values),
        DataType::RunEndEncoded(_, values) => file_type(values.data_type()),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Microsecond, None),
        other => other.clone(),
    }
}

/// Whether what a write goes to can hold only what its readers are told: a view is no target.
pub(crate) fn refuse_view(name: &str, scope: &Scope) -> Result<()> {
    if !scope.views.contains_key(name) {
        return Ok(());
    }
    let message = format!("{name} is a view, and a view is not written to");
    Err(ConnectorError::new(ErrorCode::Unsupported, message).into())
}

/// A table of the session by its exact name.
pub(crate) fn entry<'a>(name: &str, scope: &'a Scope) -> Result<&'a ExternalTableEntry> {
    let message = || format!("there is no external table \"{name}\"");
    let entry = scope.tables.get(name).ok_or_else(|| ConnectorError::new(ErrorCode::Name, message()))?;
    Ok(entry)
}
