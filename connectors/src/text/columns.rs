//! Fields into Arrow arrays.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, LargeStringBuilder, StringBuilder,
    StringViewBuilder, TimestampMicrosecondBuilder, TimestampMillisecondBuilder, TimestampNanosecondBuilder,
    TimestampSecondBuilder,
};
use arrow::datatypes::{DataType, TimeUnit};

use super::nested_columns::{ListColumn, MapColumn, StructColumn};
use super::values;
use crate::error::{ConnectorError, ErrorCode, Result};

/// One column that is being filled.
pub(super) enum Column {
    Utf8(StringBuilder),
    LargeUtf8(LargeStringBuilder),
    Utf8View(StringViewBuilder),
    Binary(BinaryBuilder),
    Boolean(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal128 { builder: Decimal128Builder, precision: u8, scale: i8 },
    Date32(Date32Builder),
    Second(TimestampSecondBuilder),
    Millisecond(TimestampMillisecondBuilder),
    Microsecond(TimestampMicrosecondBuilder),
    Nanosecond(TimestampNanosecondBuilder),
    List(ListColumn),
    Map(MapColumn),
    Struct(StructColumn),
}

impl Column {
    /// An empty column.
    ///
    /// # Errors
    /// Code Unsupported for a type that text is not read into.
    pub(super) fn new(name: &str, data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Utf8 => Self::Utf8(StringBuilder::new()),
            DataType::LargeUtf8 => Self::LargeUtf8(LargeStringBuilder::new()),
            DataType::Utf8View => Self::Utf8View(StringViewBuilder::new()),
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int8 => Self::Int8(Int8Builder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => Self::Decimal128 {
                builder: Decimal128Builder::new().with_data_type(data_type.clone()),
                precision: *precision,
                scale: *scale,
            },
            DataType::Date32 => Self::Date32(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Second, None) => Self::Second(TimestampSecondBuilder::new()),
            DataType::Timestamp(TimeUnit::Millisecond, None) => Self::Millisecond(TimestampMillisecondBuilder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Microsecond(TimestampMicrosecondBuilder::new()),
            DataType::Timestamp(TimeUnit::Nanosecond, None) => Self::Nanosecond(TimestampNanosecondBuilder::new()),
            DataType::List(field) => Self::List(ListColumn::new(name, field)?),
            DataType::Map(field, _) => Self::Map(MapColumn::new(name, field)?),
            DataType::Struct(fields) => Self::Struct(StructColumn::new(name, fields)?),
            other => {
                let message = format!("column \"{name}\": text tables with columns of type {other} are not built yet");
                return Err(ConnectorError::new(ErrorCode::Unsupported, message));
            }
        })
    }

    /// Appends a field; what is no value of the type is NULL.
    pub(super) fn append(&mut self, field: &[u8]) {
        match self {
            Self::Utf8(builder) => builder.append_option(std::str::from_utf8(field).ok()),
            Self::LargeUtf8(builder) => builder.append_option(std::str::from_utf8(field).ok()),
            Self::Utf8View(builder) => builder.append_option(std::str::from_utf8(field).ok()),
            Self::Binary(builder) => builder.append_value(values::binary(field)),
            Self::Boolean(builder) => builder.append_option(values::boolean(field)),
            Self::Int8(builder) => builder.append_option(narrow(field)),
            Self::Int16(builder) => builder.append_option(narrow(field)),
            Self::Int32(builder) => builder.append_option(narrow(field)),
            Self::Int64(builder) => builder.append_option(narrow(field)),
            Self::Float32(builder) => builder.append_option(values::float32(field)),
            Self::Float64(builder) => builder.append_option(values::float64(field)),
            Self::Decimal128 { builder, precision, scale } => {
                builder.append_option(values::decimal(field, *precision, *scale).map(|read| read.value));
            }
            Self::Date32(builder) => builder.append_option(values::date(field).map(|read| read.value)),
            Self::Second(builder) => builder.append_option(timestamp(field, TimeUnit::Second)),
            Self::Millisecond(builder) => builder.append_option(timestamp(field, TimeUnit::Millisecond)),
            Self::Microsecond(builder) => builder.append_option(timestamp(field, TimeUnit::Microsecond)),
            Self::Nanosecond(builder) => builder.append_option(timestamp(field, TimeUnit::Nanosecond)),
            // `nested` cuts these before they get here
            Self::List(_) | Self::Map(_) | Self::Struct(_) => self.append_null(),
        }
    }

    /// Appends a field of text that is known to be UTF-8.
    pub(super) fn append_text(&mut self, text: &str) {
        match self {
            Self::Utf8(builder) => builder.append_value(text),
            Self::LargeUtf8(builder) => builder.append_value(text),
            Self::Utf8View(builder) => builder.append_value(text),
            other => other.append(text.as_bytes()),
        }
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Utf8(builder) => builder.append_null(),
            Self::LargeUtf8(builder) => builder.append_null(),
            Self::Utf8View(builder) => builder.append_null(),
            Self::Binary(builder) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
            Self::Int8(builder) => builder.append_null(),
            Self::Int16(builder) => builder.append_null(),
            Self::Int32(builder) => builder.append_null(),
            Self::Int64(builder) => builder.append_null(),
            Self::Float32(builder) => builder.append_null(),
            Self::Float64(builder) => builder.append_null(),
            Self::Decimal128 { builder, .. } => builder.append_null(),
            Self::Date32(builder) => builder.append_null(),
            Self::Second(builder) => builder.append_null(),
            Self::Millisecond(builder) => builder.append_null(),
            Self::Microsecond(builder) => builder.append_null(),
            Self::Nanosecond(builder) => builder.append_null(),
            Self::List(column) => column.end_row(false),
            Self::Map(column) => column.end_row(false),
            Self::Struct(column) => column.append_null(),
        }
    }

    /// The array so far; the column is empty again.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Utf8(builder) => {
                let (rows, bytes) = (builder.len(), builder.values_slice().len());
                let array = builder.finish();
                *builder = StringBuilder::with_capacity(rows, room_for(bytes));
                Arc::new(array)
            }
            Self::LargeUtf8(builder) => Arc::new(builder.finish()),
            Self::Utf8View(builder) => Arc::new(builder.finish()),
            Self::Binary(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int8(builder) => Arc::new(builder.finish()),
            Self::Int16(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float32(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Decimal128 { builder, .. } => Arc::new(builder.finish()),
            Self::Date32(builder) => Arc::new(builder.finish()),
            Self::Second(builder) => Arc::new(builder.finish()),
            Self::Millisecond(builder) => Arc::new(builder.finish()),
            Self::Microsecond(builder) => Arc::new(builder.finish()),
            Self::Nanosecond(builder) => Arc::new(builder.finish()),
            Self::List(column) => column.finish(),
            Self::Map(column) => column.finish(),
            Self::Struct(column) => column.finish(),
        }
    }

    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Utf8(builder) => builder.len(),
            Self::LargeUtf8(builder) => builder.len(),
            Self::Utf8View(builder) => builder.len(),
            Self::Binary(builder) => builder.len(),
            Self::Boolean(builder) => builder.len(),
            Self::Int8(builder) => builder.len(),
            Self::Int16(builder) => builder.len(),
            Self::Int32(builder) => builder.len(),
            Self::Int64(builder) => builder.len(),
            Self::Float32(builder) => builder.len(),
            Self::Float64(builder) => builder.len(),
            Self::Decimal128 { builder, .. } => builder.len(),
            Self::Date32(builder) => builder.len(),
            Self::Second(builder) => builder.len(),
            Self::Millisecond(builder) => builder.len(),
            Self::Microsecond(builder) => builder.len(),
            Self::Nanosecond(builder) => builder.len(),
            Self::List(column) => column.len(),
            Self::Map(column) => column.len(),
            Self::Struct(column) => column.len(),
        }
    }
}

/// Bytes to make room for where the batch before had so many: growing would copy them over and over. The size is one of few, so that
/// the allocator gives out the same memory again and again, which is then already there (fresh pages cost as much as reading a file).
fn room_for(bytes: usize) -> usize {
    let room = bytes + bytes / 16;
    room.next_multiple_of((room.next_power_of_two() / 8).max(1))
}

fn narrow<T: TryFrom<i64>>(field: &[u8]) -> Option<T> {
    T::try_from(values::integer(field)?.value).ok()
}

fn timestamp(field: &[u8], unit: TimeUnit) -> Option<i64> {
    values::timestamp(field, unit).map(|read| read.value)
}
