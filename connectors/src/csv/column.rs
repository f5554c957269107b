//! A column of a batch as encoders see it: one downcast per column and batch.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};

use super::carry::NULL;
use super::texts::Block;
use crate::error::{ConnectorError, Result};

/// A column of one batch, seen once.
pub(crate) struct Column<'a> {
    pub(crate) values: Values<'a>,
    /// Which values are NULL, if any is.
    nulls: Option<&'a NullBuffer>,
    /// The most bytes a value of its type takes, text and bytes aside.
    pub(crate) fixed_bytes: usize,
    /// The bytes of all text.
    pub(crate) text_bytes: usize,
}

/// The values of a column, by type.
pub(crate) enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    /// Values, precision, scale.
    Decimal128(&'a [i128], u8, usize),
    /// Values, scale.
    Decimal256(&'a [i256], usize),
    Date(&'a [i32]),
    Timestamp(&'a [i64]),
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
}

impl<'a> Column<'a> {
    /// An error for a type that no target has behind the conversion.
    pub(crate) fn new(array: &'a ArrayRef) -> Result<Self> {
        let mut text_bytes = 0;
        // the longest text of each type: -9223372036854775808, a float's 24 signs, a decimal's digits, sign, point and zero
        let (values, fixed_bytes) = match array.data_type() {
            DataType::Null => (Values::Null, NULL.len()),
            DataType::Boolean => (Values::Boolean(array.as_boolean()), 5),
            DataType::Int8 => (Values::Int8(array.as_primitive::<Int8Type>().values()), 4),
            DataType::Int16 => (Values::Int16(array.as_primitive::<Int16Type>().values()), 6),
            DataType::Int32 => (Values::Int32(array.as_primitive::<Int32Type>().values()), 11),
            DataType::Int64 => (Values::Int64(array.as_primitive::<Int64Type>().values()), 20),
            DataType::UInt8 => (Values::UInt8(array.as_primitive::<UInt8Type>().values()), 3),
            DataType::UInt16 => (Values::UInt16(array.as_primitive::<UInt16Type>().values()), 5),
            DataType::UInt32 => (Values::UInt32(array.as_primitive::<UInt32Type>().values()), 10),
            DataType::UInt64 => (Values::UInt64(array.as_primitive::<UInt64Type>().values()), 20),
            DataType::Float32 => (Values::Float32(array.as_primitive::<Float32Type>().values()), 16),
            DataType::Float64 => (Values::Float64(array.as_primitive::<Float64Type>().values()), 24),
            DataType::Decimal128(precision, scale @ 0..) => (
                Values::Decimal128(array.as_primitive::<Decimal128Type>().values(), *precision, scale_of(*scale)),
                usize::from(*precision) + 3,
            ),
            DataType::Decimal256(precision, scale @ 0..) => (
                Values::Decimal256(array.as_primitive::<Decimal256Type>().values(), scale_of(*scale)),
                usize::from(*precision) + 3,
            ),
            DataType::Date32 => (Values::Date(array.as_primitive::<Date32Type>().values()), 10),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                (Values::Timestamp(array.as_primitive::<TimestampMicrosecondType>().values()), 26)
            }
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                text_bytes = bytes_of(texts.value_offsets());
                (Values::Text(texts), NULL.len())
            }
            DataType::Binary => {
                let bytes = array.as_binary::<i32>();
                text_bytes = bytes_of(bytes.value_offsets()) * 4 / 3;
                (Values::Binary(bytes), 4)
            }
            other => return Err(ConnectorError::internal(format!("a column of type {other} reached an encoder"))),
        };
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self { values, nulls, fixed_bytes: fixed_bytes.max(NULL.len()), text_bytes })
    }

    /// Whether the row's value is NULL.
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// Which values of a block are NULL, if any of the column is, and the place of the block's first row in the bitmap.
    pub(crate) fn nulls_of(&self, block: Block) -> Option<(&'a NullBuffer, usize)> {
        self.nulls.map(|nulls| (nulls, block.first))
    }
}

fn scale_of(scale: i8) -> usize {
    usize::from(scale.unsigned_abs())
}

fn bytes_of(offsets: &[i32]) -> usize {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => usize::try_from(last - first).unwrap_or(0),
        _ => 0,
    }
}
