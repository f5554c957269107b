//! The CSV encoder: one look at each column per batch, then row by row into one buffer.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};
use arrow::record_batch::RecordBatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::carry::{Carry, NULL};
use super::decimal::{append_decimal128, append_decimal256};
use super::options::CsvFormat;
use super::temporal::{append_date, append_timestamp};
use crate::error::{ConnectorError, Result};

/// Encodes batches as plain CSV: `\N` for NULL, no quotes, no escapes, a delimiter behind every row.
///
/// Numbers are printed exactly, floats in their shortest form, timestamps as `2024-08-07 12:34:56[.ffffff]`, booleans as `true` and `false`,
/// bytes in base64. Ask [`CsvEncoder::carries`] first: a row that it names would be read as something else.
#[derive(Debug, Clone, Default)]
pub struct CsvEncoder {
    format: CsvFormat,
}

impl CsvEncoder {
    /// An encoder with these delimiters.
    pub fn new(format: CsvFormat) -> Self {
        Self { format }
    }

    /// The delimiters.
    pub fn format(&self) -> &CsvFormat {
        &self.format
    }

    /// Which rows of a batch plain CSV can carry.
    pub fn carries(&self, batch: &RecordBatch) -> Carry {
        Carry::of(batch, &self.format)
    }

    /// Appends all rows of a batch to `out`, which grows once, by what the batch can need at most.
    pub fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Column::new).collect::<Result<Vec<_>>>()?;
        let Some((last, first)) = columns.split_last() else { return Ok(()) };
        let separator = self.format.column_separator();
        let delimiter = self.format.row_delimiter();
        let row_bytes = columns.iter().map(|column| column.fixed_bytes).sum::<usize>()
            + separator.len() * first.len()
            + delimiter.len();
        let text_bytes = columns.iter().map(|column| column.text_bytes).sum::<usize>();
        out.reserve(row_bytes * batch.num_rows() + text_bytes);
        match (separator, delimiter) {
            ([separator], [delimiter]) => {
                for row in 0..batch.num_rows() {
                    for column in first {
                        column.append(row, out);
                        out.push(*separator);
                    }
                    last.append(row, out);
                    out.push(*delimiter);
                }
            }
            _ => {
                for row in 0..batch.num_rows() {
                    for column in first {
                        column.append(row, out);
                        out.extend_from_slice(separator);
                    }
                    last.append(row, out);
                    out.extend_from_slice(delimiter);
                }
            }
        }
        Ok(())
    }
}

/// A column of one batch, seen once.
struct Column<'a> {
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
    /// The most bytes a value takes, text and bytes aside.
    fixed_bytes: usize,
    /// The bytes of all text.
    text_bytes: usize,
}

enum Values<'a> {
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
    Decimal128(&'a [i128], usize),
    Decimal256(&'a [i256], usize),
    Date(&'a [i32]),
    Timestamp(&'a [i64]),
    Text(&'a [i32], &'a [u8]),
    Binary(&'a BinaryArray),
}

impl<'a> Column<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self> {
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
                Values::Decimal128(array.as_primitive::<Decimal128Type>().values(), scale_of(*scale)),
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
                (Values::Text(texts.value_offsets(), texts.value_data()), NULL.len())
            }
            DataType::Binary => {
                let bytes = array.as_binary::<i32>();
                text_bytes = bytes_of(bytes.value_offsets()) * 4 / 3;
                (Values::Binary(bytes), 4)
            }
            other => return Err(ConnectorError::internal(format!("a column of type {other} reached the CSV encoder"))),
        };
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self { values, nulls, fixed_bytes: fixed_bytes.max(NULL.len()), text_bytes })
    }

    #[inline]
    fn append(&self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(NULL);
            return;
        }
        match &self.values {
            Values::Text(offsets, bytes) => {
                out.extend_from_slice(&bytes[offsets[row] as usize..offsets[row + 1] as usize]);
            }
            Values::Int64(values) => append_integer(out, values[row]),
            Values::Decimal128(values, scale) => append_decimal128(out, values[row], *scale),
            Values::Timestamp(values) => append_timestamp(out, values[row]),
            Values::Date(values) => append_date(out, values[row]),
            Values::Int32(values) => append_integer(out, values[row]),
            Values::Int16(values) => append_integer(out, values[row]),
            Values::Int8(values) => append_integer(out, values[row]),
            Values::UInt64(values) => append_integer(out, values[row]),
            Values::UInt32(values) => append_integer(out, values[row]),
            Values::UInt16(values) => append_integer(out, values[row]),
            Values::UInt8(values) => append_integer(out, values[row]),
            Values::Float64(values) => out.extend_from_slice(zmij::Buffer::new().format(values[row]).as_bytes()),
            Values::Float32(values) => out.extend_from_slice(zmij::Buffer::new().format(values[row]).as_bytes()),
            Values::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Values::Decimal256(values, scale) => append_decimal256(out, values[row], *scale),
            Values::Binary(values) => append_base64(out, values.value(row)),
            Values::Null => out.extend_from_slice(NULL),
        }
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

fn append_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn append_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // the slice has exactly the length that padded base64 has
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}
