//! Writing Parquet, Avro and ORC files: what each can hold, and one encoder a file.
//!
//! A TIMESTAMP is written so that Spark in the same zone reads the wall clock that was written: as a moment in UTC in Parquet and Avro
//! (what Spark's TIMESTAMP is there), as a wall clock in ORC.

mod avro;
mod moments;
mod orc;
mod parquet;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Field, Fields, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use parking_lot::Mutex;

use super::ColumnarFormat;
use crate::csv::Uncarried;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::file_sink::{FileEncoder, FileFormatter};
use moments::Moments;

/// 1582-10-15 in days since 1970: ORC's dates before are of another calendar to Hive and Spark.
const GREGORIAN_DAYS: i32 = -141_427;

/// How files of a format are written. `compression` is the statement's, else the format's own: snappy, as in Spark. `zone` is the
/// run's: an IANA name or an offset.
///
/// # Errors
/// Code Option for a compression or zone that is not known, Unsupported for a column that the format cannot hold, naming both.
pub fn formatter(
    format: ColumnarFormat,
    columns: &[(String, DataType)],
    compression: Option<&str>,
    zone: &str,
) -> Result<Arc<dyn FileFormatter>> {
    let codec = Codec::parse(format, compression.unwrap_or("snappy"))?;
    let mut fields = Vec::with_capacity(columns.len());
    for (index, (name, data_type)) in columns.iter().enumerate() {
        if columns[..index].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            let message =
                format!("two columns are named \"{}\", and readers find one by its name", name.escape_debug());
            return Err(ConnectorError::option(message));
        }
        check(format, name, data_type)?;
        fields.push(Field::new(name, written_type(format, data_type), true));
    }
    let schema = Arc::new(Schema::new(fields));
    Ok(Arc::new(ColumnarFormatter { format, codec, schema, moments: Moments::of(zone)? }))
}

/// A compression inside of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    None,
    Snappy,
    Gzip,
    Zstd,
    Lz4,
    Brotli,
    Bzip2,
    Xz,
}

impl Codec {
    fn parse(format: ColumnarFormat, name: &str) -> Result<Self> {
        let codec = match name.trim().to_ascii_lowercase().as_str() {
            "none" | "uncompressed" | "null" => Self::None,
            "snappy" => Self::Snappy,
            "gzip" | "gz" | "zlib" | "deflate" => Self::Gzip,
            "zstd" | "zstandard" => Self::Zstd,
            "lz4" | "lz4_raw" => Self::Lz4,
            "brotli" => Self::Brotli,
            "bzip2" => Self::Bzip2,
            "xz" => Self::Xz,
            _ => return Err(Self::unknown(format, name)),
        };
        let is_there = match format {
            ColumnarFormat::Parquet => !matches!(codec, Self::Bzip2 | Self::Xz),
            ColumnarFormat::Avro => !matches!(codec, Self::Lz4 | Self::Brotli),
            ColumnarFormat::Orc => !matches!(codec, Self::Brotli | Self::Bzip2 | Self::Xz),
        };
        if is_there { Ok(codec) } else { Err(Self::unknown(format, name)) }
    }

    fn unknown(format: ColumnarFormat, name: &str) -> ConnectorError {
        let known = match format {
            ColumnarFormat::Parquet => "snappy, zstd, gzip, lz4, brotli, none",
            ColumnarFormat::Avro => "snappy, zstd, deflate, bzip2, xz, none",
            ColumnarFormat::Orc => "snappy, zstd, zlib, lz4, none",
        };
        let name = name.escape_debug();
        ConnectorError::option(format!("compression is \"{name}\"; of {} files it is one of {known}", format.name()))
    }

    /// What Spark puts into names of files.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Snappy => Some("snappy"),
            Self::Gzip => Some("gz"),
            Self::Zstd => Some("zstd"),
            Self::Lz4 => Some("lz4"),
            Self::Brotli => Some("br"),
            Self::Bzip2 => Some("bzip2"),
            Self::Xz => Some("xz"),
        }
    }
}

#[derive(Debug)]
struct ColumnarFormatter {
    format: ColumnarFormat,
    codec: Codec,
    /// As it is written.
    schema: SchemaRef,
    moments: Moments,
}

impl FileFormatter for ColumnarFormatter {
    fn extension(&self) -> String {
        let name = self.format.name().to_ascii_lowercase();
        match (self.format, self.codec.word()) {
            // Avro names its compression nowhere but in the file
            (ColumnarFormat::Avro, _) | (_, None) => name,
            (_, Some(codec)) => format!("{codec}.{name}"),
        }
    }

    fn uncarried(&self, batch: &RecordBatch) -> Result<Vec<Uncarried>> {
        let mut found: Vec<Uncarried> = Vec::new();
        for (column, array) in batch.columns().iter().enumerate().filter(|(_, array)| has_time(array.data_type())) {
            for row in 0..array.len() {
                if let Some(reason) = self.refused(array, row) {
                    found.push(Uncarried { row, column, reason });
                }
            }
        }
        found.sort_by_key(|uncarried| uncarried.row);
        found.dedup_by_key(|uncarried| uncarried.row);
        Ok(found)
    }

    fn encoder(&self) -> Result<Box<dyn FileEncoder>> {
        let schema = Arc::clone(&self.schema);
        let inner: Box<dyn FileEncoder> = match self.format {
            ColumnarFormat::Parquet => Box::new(parquet::ParquetEncoder::new(schema, self.codec)?),
            ColumnarFormat::Avro => Box::new(avro::AvroEncoder::new(schema, self.codec)?),
            ColumnarFormat::Orc => Box::new(orc::OrcEncoder::new(schema, self.codec)?),
        };
        Ok(Box::new(Converting { schema: Arc::clone(&self.schema), moments: self.moments.clone(), inner }))
    }
}

impl ColumnarFormatter {
    /// Why the format cannot hold a value.
    fn refused(&self, array: &ArrayRef, row: usize) -> Option<&'static str> {
        if array.is_null(row) {
            return None;
        }
        match array.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                let clock = array.as_primitive::<TimestampMicrosecondType>().value(row);
                match self.format {
                    // the format's way to write seconds and their fraction does not know it (ORC-763)
                    ColumnarFormat::Orc if (-999_000..0).contains(&clock) => {
                        Some("ORC cannot hold a time in the last second before 1970")
                    }
                    ColumnarFormat::Orc if clock.div_euclid(86_400_000_000) < i64::from(GREGORIAN_DAYS) => {
                        Some("ORC's times before 1582-10-15 are of another calendar")
                    }
                    ColumnarFormat::Orc => None,
                    _ => self
                        .moments
                        .of_clock(clock)
                        .is_none()
                        .then_some("the zone skips this time, as its clocks are put forward"),
                }
            }
            DataType::Date32 if self.format == ColumnarFormat::Orc => {
                let day = array.as_primitive::<Date32Type>().value(row);
                (day < GREGORIAN_DAYS).then_some("ORC's dates before 1582-10-15 are of another calendar")
            }
            DataType::Struct(_) => array.as_struct().columns().iter().find_map(|field| self.refused(field, row)),
            DataType::List(_) => self.refused_within(&array.as_list::<i32>().value(row)),
            DataType::Map(..) => {
                let entries = array.as_map().value(row);
                entries.columns().iter().find_map(|field| self.refused_within(field))
            }
            _ => None,
        }
    }

    fn refused_within(&self, values: &ArrayRef) -> Option<&'static str> {
        (0..values.len()).find_map(|row| self.refused(values, row))
    }
}

/// Gives batches the types that are written.
struct Converting {
    schema: SchemaRef,
    moments: Moments,
    inner: Box<dyn FileEncoder>,
}

impl FileEncoder for Converting {
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let convert = |(array, field): (&ArrayRef, &Arc<Field>)| self.moments.convert(array, field.data_type());
        let columns = batch.columns().iter().zip(self.schema.fields()).map(convert).collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| {
            ConnectorError::internal("a batch does not have the columns of its file").with_source(error)
        })?;
        self.inner.write(&batch, out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.inner.finish(out)
    }

    fn buffered_bytes(&self) -> usize {
        self.inner.buffered_bytes()
    }
}

/// Whether a format holds a column.
fn check(format: ColumnarFormat, name: &str, data_type: &DataType) -> Result<()> {
    let refuse = |what: &str| {
        let message = format!("column \"{}\" {what}", name.escape_debug());
        Err(ConnectorError::new(ErrorCode::Unsupported, message))
    };
    match (format, data_type) {
        (ColumnarFormat::Avro, _) if !is_avro_name(name) => refuse(
            "has no name for Avro, whose names are letters of English, digits and _; write it AS another name, or use PARQUET",
        ),
        (
            _,
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Utf8
            | DataType::Binary
            | DataType::Date32
            | DataType::Timestamp(TimeUnit::Microsecond, None),
        ) => Ok(()),
        (ColumnarFormat::Orc, _) => refuse(&format!(
            "is {data_type}, which is not built yet for ORC files; use PARQUET or AVRO, or CAST it to DOUBLE or STRING"
        )),
        (_, DataType::Decimal128(..)) => Ok(()),
        (_, DataType::List(element)) => check(format, element.name(), element.data_type()),
        (_, DataType::Struct(fields)) => {
            fields.iter().try_for_each(|field| check(format, field.name(), field.data_type()))
        }
        (_, DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(pair) if format == ColumnarFormat::Avro && pair[0].data_type() != &DataType::Utf8 => {
                refuse("is a MAP whose keys are no STRING, which Avro does not have; use PARQUET")
            }
            DataType::Struct(pair) => pair.iter().try_for_each(|field| check(format, field.name(), field.data_type())),
            _ => refuse("is a map without entries"),
        },
        _ => refuse(&format!("is {data_type}, which {} files do not hold", format.name())),
    }
}

/// Whether a type holds dates or times, of which formats cannot hold all.
fn has_time(data_type: &DataType) -> bool {
    match data_type {
        DataType::Date32 | DataType::Timestamp(..) => true,
        DataType::List(field) | DataType::Map(field, _) => has_time(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_time(field.data_type())),
        _ => false,
    }
}

/// Avro specification, "Names".
fn is_avro_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The Arrow type by which a format's library writes a table's type as Spark reads it.
fn written_type(format: ColumnarFormat, data_type: &DataType) -> DataType {
    let field =
        |field: &Field, name: &str, nullable: bool| Field::new(name, written_type(format, field.data_type()), nullable);
    match data_type {
        DataType::Timestamp(unit, None) if format != ColumnarFormat::Orc => {
            DataType::Timestamp(*unit, Some("UTC".into()))
        }
        DataType::Int8 | DataType::Int16 if format == ColumnarFormat::Avro => DataType::Int32,
        DataType::List(element) => DataType::List(Arc::new(field(element, "element", true))),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|inner| field(inner, inner.name(), true)).collect())
        }
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let pair: Fields = vec![field(&pair[0], "key", false), field(&pair[1], "value", true)].into();
                DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(pair), false)), *sorted)
            }
            _ => data_type.clone(),
        },
        _ => data_type.clone(),
    }
}

/// Bytes that a library has written and that are not taken yet.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self, out: &mut Vec<u8>) {
        out.append(&mut self.0.lock());
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error of a library that encodes: the rows were looked at before, so that it is about us.
fn failed(format: ColumnarFormat, error: impl fmt::Display) -> ConnectorError {
    ConnectorError::internal(format!("a {} file cannot be written: {error}", format.name()))
}
