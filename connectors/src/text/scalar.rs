//! One value between a text and its column.

use std::borrow::Cow;

use arrow::datatypes::{DataType, TimeUnit};

use super::columns::Column;
use super::values;

/// A value of a simple type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Boolean(bool),
    Integer(i64),
    Float32(f32),
    Float64(f64),
    /// Digits without the point.
    Decimal(i128),
    /// Days since 1970-01-01.
    Date(i32),
    /// Units of the column since 1970-01-01 00:00:00.
    Timestamp(i64),
}

impl<'a> Scalar<'a> {
    /// As Hive reads a field; None if it is no value of the type.
    pub(super) fn from_hive(data_type: &DataType, field: &'a [u8]) -> Option<Self> {
        Some(match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::Text(Cow::Borrowed(std::str::from_utf8(field).ok()?))
            }
            DataType::Binary => Self::Bytes(values::binary(field)),
            DataType::Boolean => Self::Boolean(values::boolean(field)?),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                Self::Integer(in_range(data_type, values::integer(field)?.value)?)
            }
            DataType::Float32 => Self::Float32(values::float32(field)?),
            DataType::Float64 => Self::Float64(values::float64(field)?),
            DataType::Decimal128(precision, scale) => Self::Decimal(values::decimal(field, *precision, *scale)?.value),
            DataType::Date32 => Self::Date(values::date(field)?.value),
            DataType::Timestamp(unit, None) => Self::Timestamp(values::timestamp(field, *unit)?.value),
            _ => return None,
        })
    }

    /// The same, of its own.
    pub(super) fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Scalar::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Boolean(value) => Scalar::Boolean(value),
            Self::Integer(value) => Scalar::Integer(value),
            Self::Float32(value) => Scalar::Float32(value),
            Self::Float64(value) => Scalar::Float64(value),
            Self::Decimal(value) => Scalar::Decimal(value),
            Self::Date(value) => Scalar::Date(value),
            Self::Timestamp(value) => Scalar::Timestamp(value),
        }
    }

    /// What tells the keys of a map apart.
    pub(super) fn identity(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Boolean(value) => vec![u8::from(*value)],
            Self::Integer(value) | Self::Timestamp(value) => value.to_le_bytes().to_vec(),
            Self::Float32(value) => value.to_bits().to_le_bytes().to_vec(),
            Self::Float64(value) => value.to_bits().to_le_bytes().to_vec(),
            Self::Decimal(value) => value.to_le_bytes().to_vec(),
            Self::Date(value) => value.to_le_bytes().to_vec(),
        }
    }
}

/// A whole number, if the type holds it.
pub(super) fn in_range(data_type: &DataType, value: i64) -> Option<i64> {
    let holds = match data_type {
        DataType::Int8 => i8::try_from(value).is_ok(),
        DataType::Int16 => i16::try_from(value).is_ok(),
        DataType::Int32 => i32::try_from(value).is_ok(),
        _ => true,
    };
    holds.then_some(value)
}

/// Units in a second.
pub(super) fn units(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

impl Column {
    /// Appends a value of the column's type, or NULL.
    pub(super) fn append_scalar(&mut self, scalar: Option<Scalar<'_>>) {
        match (self, scalar) {
            (Self::Utf8(builder), Some(Scalar::Text(text))) => builder.append_value(text),
            (Self::LargeUtf8(builder), Some(Scalar::Text(text))) => builder.append_value(text),
            (Self::Utf8View(builder), Some(Scalar::Text(text))) => builder.append_value(text),
            (Self::Binary(builder), Some(Scalar::Bytes(bytes))) => builder.append_value(bytes),
            (Self::Boolean(builder), Some(Scalar::Boolean(value))) => builder.append_value(value),
            (Self::Int8(builder), Some(Scalar::Integer(value))) => builder.append_option(i8::try_from(value).ok()),
            (Self::Int16(builder), Some(Scalar::Integer(value))) => builder.append_option(i16::try_from(value).ok()),
            (Self::Int32(builder), Some(Scalar::Integer(value))) => builder.append_option(i32::try_from(value).ok()),
            (Self::Int64(builder), Some(Scalar::Integer(value))) => builder.append_value(value),
            (Self::Float32(builder), Some(Scalar::Float32(value))) => builder.append_value(value),
            (Self::Float64(builder), Some(Scalar::Float64(value))) => builder.append_value(value),
            (Self::Decimal128 { builder, .. }, Some(Scalar::Decimal(value))) => builder.append_value(value),
            (Self::Date32(builder), Some(Scalar::Date(days))) => builder.append_value(days),
            (Self::Second(builder), Some(Scalar::Timestamp(value))) => builder.append_value(value),
            (Self::Millisecond(builder), Some(Scalar::Timestamp(value))) => builder.append_value(value),
            (Self::Microsecond(builder), Some(Scalar::Timestamp(value))) => builder.append_value(value),
            (Self::Nanosecond(builder), Some(Scalar::Timestamp(value))) => builder.append_value(value),
            (column, _) => column.append_null(),
        }
    }
}
