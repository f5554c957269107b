//! Planning a write: options, columns, partitions. No effects.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};

use super::encoder::FileFormatter;
use super::options::{Mode, WriterOptions};
use super::shape::Shape;
use super::sink::FileSink;
use super::target::{FileFormat, FileTarget, Layout, TargetKind};
use super::text::{TextFormatter, TextWriterOptions};
use super::upload::Uploads;
use super::write::FileWrite;
use super::{local, places};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::FileLocation;
use crate::options::Options;
use crate::sink::{PartitionItem, PlannedWrite, TargetColumn, TargetType, WriteRequest, WriteSettings, map_columns};
use crate::text::{Compression, RowSyntax, TextTableOptions, partition_value};
use crate::throttle::Throttles;

/// Resolves columns and options of a write into files; no effect on the target.
///
/// Of a partitioned target, the partition columns that the statement gives no value for are the last ones of the SELECT, in the table's
/// order. Without PARTITION (…) that is all of them.
///
/// # Errors
/// Code Option or Name for what does not fit, Unsupported for a location that cannot be written to.
pub async fn plan_write(target: FileTarget, request: WriteRequest) -> Result<PlannedWrite> {
    check_place(&target).await?;
    let (options, rest, session) = WriterOptions::read(&request.properties, &request.settings, target.kind)?;
    let (settings, rest) = WriteSettings::parse(&rest, &session, &Options::new())?;
    if options.suffix.is_some() && target.layout == Layout::SingleFile {
        return Err(ConnectorError::option(
            "\"suffix\" is of several files, and a single file has the name that is given",
        ));
    }
    if target.layout == Layout::Prefix && options.suffix.as_ref().is_some_and(|suffix| suffix.ends_with(".tmp")) {
        let (folder, prefix) = places::split(&target.location)?;
        if matches!(folder, FileLocation::Local(_)) && local::is_temp(&format!("{prefix}.tmp")) {
            return Err(ConnectorError::option(
                "names that begin with . and end with .tmp are those of files that are being written; choose another \"suffix\"",
            ));
        }
    }
    let mode = options.mode(request.overwrite, target.kind, target.layout)?;
    let mut warnings = Vec::new();
    let formatter = formatter(&target, &options, &rest, &request.timezone, &mut warnings)?;

    let static_values = static_values(&target, &request.partition)?;
    let dynamic = target.partition_columns.iter().zip(&static_values).filter(|(_, value)| value.is_none());
    let dynamic: Vec<(String, DataType)> = dynamic.map(|(column, _)| column.clone()).collect();
    let all = target.columns.iter().chain(&dynamic).map(target_column).collect::<Result<Vec<_>>>()?;
    let columns = map_columns(&request.mapping, &request.source, &all)?;
    let selected: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();

    let write = FileWrite {
        shape: Shape::new(&target.columns, &dynamic, &selected)?,
        database: request.database,
        table: request.table,
        kind: target.kind,
        layout: target.layout,
        mode,
        formatter,
        partition_columns: target.partition_columns.iter().map(|(name, _)| name.clone()).collect(),
        static_values,
        suffix: options.suffix,
        max_file_bytes: options.max_file_bytes,
        max_dynamic_partitions: options.max_dynamic_partitions,
        empty_file: options.empty_file,
        uploads: Uploads::new(Arc::clone(&request.journal), request.id.clone()),
        id: request.id,
        journal: request.journal,
        rejects: request.rejects,
        touched: parking_lot::Mutex::default(),
        warnings,
        known: target.partitions,
        location: target.location,
        name: target.name,
    };
    if let Some(partition) = write.static_partition() {
        write.check_nested(&partition)?;
        write.check_folder(&partition).await?;
        if mode == Mode::Overwrite {
            write.check_shared(&partition)?;
        }
    }
    let description = describe(&write, &target.format);
    let (throttles, limit) = match &write.location {
        FileLocation::Object { bucket, .. } => (bucket.throttles().clone(), bucket.max_connections()),
        FileLocation::Local(_) | FileLocation::Http { .. } => (Throttles::none(), None),
    };
    let max_writers = options.max_writers.min(limit.unwrap_or(usize::MAX));
    Ok(PlannedWrite {
        columns,
        sink: Arc::new(FileSink::new(Arc::new(write))),
        error_limit: settings.error_limit,
        max_writers: if target.layout == Layout::SingleFile { 1 } else { max_writers },
        throttles,
        description,
    })
}

/// Refuses locations whose readers would not see what is written.
async fn check_place(target: &FileTarget) -> Result<()> {
    let unsupported = |message: String| Err(ConnectorError::new(ErrorCode::Unsupported, message));
    let name = &target.name;
    places::check_writable(&target.location, name)?;
    for partition in &target.partitions {
        places::check_writable(&partition.location, name)?;
    }
    match (&target.location, target.layout) {
        (location, Layout::SingleFile | Layout::Prefix) => {
            let (_, file) = places::split(location)?;
            if file.contains(['*', '?', '[']) {
                return unsupported(format!("{location} is a pattern to whoever reads it; give the file another name"));
            }
            match location {
                FileLocation::Local(path) if target.layout == Layout::SingleFile && path.is_dir() => {
                    unsupported(format!("{} is a folder; write a name below it, or end it in /", path.display()))
                }
                _ => Ok(()),
            }
        }
        (location, Layout::Folder) if target.kind == TargetKind::Table && is_pattern(location) => {
            unsupported(format!("the location of {name} is a pattern, {location}, which names no folder to write to"))
        }
        (FileLocation::Object { key, .. }, Layout::Folder) if key.is_empty() || key.ends_with('/') => Ok(()),
        (location, Layout::Folder) if places::exists(location).await? => unsupported(format!(
            "{location} is a file, and {name} is written to as a folder of files; give it a folder of its own"
        )),
        (_, Layout::Folder) => Ok(()),
    }
}

pub(super) fn is_pattern(location: &FileLocation) -> bool {
    let has_mark = |text: &str| text.contains(['*', '?', '[']);
    match location {
        FileLocation::Local(path) => !Path::exists(path) && has_mark(&path.to_string_lossy()),
        FileLocation::Object { key, .. } => has_mark(key),
        FileLocation::Http { .. } => false,
    }
}

/// How the files are written down, by the target's format and the options.
fn formatter(
    target: &FileTarget,
    options: &WriterOptions,
    rest: &Options,
    zone: &str,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn FileFormatter>> {
    match &target.format {
        FileFormat::Text(text) => {
            WriterOptions::refuse_unknown(rest)?;
            let mut text = TextTableOptions { columns: target.columns.clone(), ..text.as_ref().clone() };
            set_compression(&mut text, options, target)?;
            if let Some(encoding) = &options.encoding {
                text.set_encoding(encoding)?;
            }
            let writer = TextWriterOptions {
                header: options.header,
                raw: options.raw,
                date_format: options.date_format.clone(),
            };
            let is_read_as_row = options.header == Some(true)
                && text.skip_lines == 0
                && !matches!(&text.syntax, RowSyntax::Csv(csv) if csv.header);
            if target.kind == TargetKind::Table && is_read_as_row {
                warnings.push(format!(
                    "files begin with the columns' names, which {} reads as a row; set TBLPROPERTIES ('skip.header.line.count'='1')",
                    target.name
                ));
            }
            Ok(Arc::new(TextFormatter::new(&text, writer)?))
        }
        FileFormat::Columnar(format) => {
            WriterOptions::refuse_unknown(rest)?;
            crate::columnar::formatter(*format, &target.columns, options.compression.as_deref(), zone)
        }
    }
}

/// The option, unless the table's own definition says another compression than readers would then expect.
fn set_compression(text: &mut TextTableOptions, options: &WriterOptions, target: &FileTarget) -> Result<()> {
    let Some(wanted) = options.compression.as_deref() else { return Ok(()) };
    let wanted = match wanted {
        "" | "none" | "uncompressed" => Compression::None,
        "gzip" | "gz" => Compression::Gzip,
        "zstd" | "zst" | "zstandard" => Compression::Zstd,
        "bzip2" | "bz2" => Compression::Bzip2,
        other => {
            let message =
                format!("compression is \"{}\"; of text it is one of gzip, zstd, bzip2, none", other.escape_debug());
            return Err(ConnectorError::option(message));
        }
    };
    if target.kind == TargetKind::Table && text.compression != Compression::Auto && text.compression != wanted {
        let message = format!(
            "{} is read with another compression, as its definition says; leave \"compression\" out",
            target.name
        );
        return Err(ConnectorError::option(message));
    }
    text.compression = wanted;
    Ok(())
}

/// The value of each partition column that PARTITION (…) gives; None: the rows say.
fn static_values(target: &FileTarget, items: &[PartitionItem]) -> Result<Vec<Option<String>>> {
    let name_error = |message: String| ConnectorError::new(ErrorCode::Name, message);
    let names = || target.partition_columns.iter().map(|(name, _)| name.as_str());
    let mut given: Vec<Option<Option<String>>> = vec![None; target.partition_columns.len()];
    let mut rows_say = Vec::new();
    for item in items {
        let (PartitionItem::Value { column, .. } | PartitionItem::Name(column)) = item;
        let exact = names().position(|name| name == column);
        let Some(index) = exact.or_else(|| names().position(|name| name.eq_ignore_ascii_case(column))) else {
            let columns = names().collect::<Vec<_>>().join(", ");
            return Err(name_error(match columns.is_empty() {
                true => format!("{} has no partitions; leave PARTITION (…) out", target.name),
                false => {
                    format!("{} has no partition column \"{column}\"; it is partitioned by {columns}", target.name)
                }
            }));
        };
        if given[index].is_some() {
            return Err(name_error(format!("PARTITION names \"{column}\" twice")));
        }
        let (name, data_type) = &target.partition_columns[index];
        given[index] = Some(match item {
            PartitionItem::Value { value, .. } => Some(partition_value(name, data_type, value.as_deref())?),
            PartitionItem::Name(_) => {
                rows_say.push(index);
                None
            }
        });
    }
    if !rows_say.is_sorted() {
        let order =
            rows_say.iter().map(|index| target.partition_columns[*index].0.as_str()).collect::<Vec<_>>().join(", ");
        return Err(name_error(format!(
            "PARTITION names {order} in another order than {} has them; the last columns of the SELECT are in the table's order",
            target.name
        )));
    }
    if items.is_empty() {
        return Ok(vec![None; target.partition_columns.len()]);
    }
    let missing = names().zip(&given).find(|(_, given)| given.is_none());
    if let Some((missing, _)) = missing {
        return Err(name_error(format!(
            "PARTITION leaves out {missing}; write PARTITION (…, {missing} = '…'), or {missing} alone if the SELECT ends with it"
        )));
    }
    Ok(given.into_iter().flatten().collect())
}

/// What the conversion makes of a column's values before they are written.
pub(super) fn target_column((name, data_type): &(String, DataType)) -> Result<TargetColumn> {
    let integer = |bits, signed| TargetType::Integer { bits, signed };
    let kind = match data_type {
        DataType::Boolean => TargetType::Boolean,
        DataType::Int8 => integer(8, true),
        DataType::Int16 => integer(16, true),
        DataType::Int32 => integer(32, true),
        DataType::Int64 => integer(64, true),
        DataType::UInt8 => integer(8, false),
        DataType::UInt16 => integer(16, false),
        DataType::UInt32 => integer(32, false),
        DataType::UInt64 => integer(64, false),
        DataType::Float32 => TargetType::Float32,
        DataType::Float64 => TargetType::Float64,
        DataType::Decimal128(precision, scale @ 0..) | DataType::Decimal256(precision, scale @ 0..) => {
            TargetType::Decimal { precision: *precision, scale: scale.unsigned_abs() }
        }
        DataType::Date32 => TargetType::Date,
        DataType::Timestamp(unit, None) => TargetType::DateTime {
            fraction_digits: match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond | TimeUnit::Nanosecond => 6,
            },
        },
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            TargetType::Text { max_bytes: None, max_chars: None }
        }
        DataType::Binary => TargetType::Binary { max_bytes: None },
        nested if nested.is_nested() => TargetType::Nested(nested.clone()),
        other => {
            let message = format!("column `{name}` is of type {other}, which is not written into files");
            return Err(ConnectorError::new(ErrorCode::Unsupported, message));
        }
    };
    Ok(TargetColumn { name: name.clone(), kind, nullable: true, has_default: false, type_name: type_name(data_type) })
}

/// Hive's name of a type, for messages.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "int".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("decimal({precision},{scale})")
        }
        DataType::Date32 => "date".into(),
        DataType::Timestamp(..) => "timestamp".into(),
        other => other.to_string().to_lowercase(),
    }
}

/// One line for EXPLAIN: target, format, mode, guarantee, and when readers see both old and new.
fn describe(write: &FileWrite, format: &FileFormat) -> String {
    let format = match format {
        FileFormat::Columnar(format) => format.name(),
        FileFormat::Text(text) => match &text.syntax {
            RowSyntax::Delimited => "text",
            RowSyntax::Csv(_) => "csv",
            RowSyntax::Json(_) => "json",
        },
    };
    let extent = match (write.static_partition(), write.is_partitioned()) {
        (Some(partition), _) => format!("partition {}", write.partition_text(&partition)),
        (None, true) => "the partitions that rows are of".to_owned(),
        (None, false) if write.layout == Layout::SingleFile => "the file".to_owned(),
        (None, false) if write.layout == Layout::Prefix => "the files of this prefix".to_owned(),
        (None, false) => "all files".to_owned(),
    };
    let place = write.location.to_string();
    let place = if place == write.name { place } else { format!("{} ({place})", write.name) };
    let how = match (write.mode, write.layout) {
        (Mode::Overwrite, Layout::SingleFile) => "replaces the file in one step of the commit".to_owned(),
        (Mode::Overwrite, _) => format!(
            "overwrites {extent}: nothing is visible before the commit, which first makes the new files visible, one after another, and then removes the old ones; in between readers see both"
        ),
        (Mode::Append, _) => {
            "appends: nothing is visible before the commit, which makes the files visible one after another".to_owned()
        }
        (Mode::NonConflict, _) => {
            "writes if nothing is there: nothing is visible before the commit, which makes the files visible one after another".to_owned()
        }
    };
    format!("{format} files in {place}, {how}")
}
