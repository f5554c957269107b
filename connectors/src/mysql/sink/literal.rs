//! Values as SQL, a row at a time: the one place that writes data into a statement.
//!
//! Texts are escaped for a session that reads backslashes, which [`load`](super::load) sees to; bytes are hexadecimal. Neither can end its
//! literal: in UTF-8 no byte of a longer character is a quote or a backslash.

use std::io::Write;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, PrimitiveArray, StringArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use crate::csv::decimal::{append_decimal128, append_decimal256};
use crate::csv::temporal::{append_date, append_timestamp};
use crate::error::{ConnectorError, Result};
use crate::sink::TargetType;
use crate::sink::convert::parse::typed;

/// The values of a column, as what they are written by.
pub(super) enum Literals {
    Boolean(BooleanArray),
    Int8(PrimitiveArray<Int8Type>),
    Int16(PrimitiveArray<Int16Type>),
    Int32(PrimitiveArray<Int32Type>),
    Int64(PrimitiveArray<Int64Type>),
    UInt8(PrimitiveArray<UInt8Type>),
    UInt16(PrimitiveArray<UInt16Type>),
    UInt32(PrimitiveArray<UInt32Type>),
    UInt64(PrimitiveArray<UInt64Type>),
    Float32(PrimitiveArray<Float32Type>),
    Float64(PrimitiveArray<Float64Type>),
    Decimal128(Decimal128Array, usize),
    Decimal256(Decimal256Array, usize),
    Date(PrimitiveArray<Date32Type>),
    DateTime(PrimitiveArray<TimestampMicrosecondType>),
    Text(StringArray),
    Bytes(BinaryArray),
}

/// A converted column with text for typed columns turned into what it stands for, so that the server has nothing to read in its own way.
pub(super) fn plain(array: &ArrayRef, kind: &TargetType) -> Result<ArrayRef> {
    typed(array, &kind.arrow_type())
}

impl Literals {
    /// The values of a column that [`plain`] has made.
    pub(super) fn of(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int8 => Self::Int8(array.as_primitive().clone()),
            DataType::Int16 => Self::Int16(array.as_primitive().clone()),
            DataType::Int32 => Self::Int32(array.as_primitive().clone()),
            DataType::Int64 => Self::Int64(array.as_primitive().clone()),
            DataType::UInt8 => Self::UInt8(array.as_primitive().clone()),
            DataType::UInt16 => Self::UInt16(array.as_primitive().clone()),
            DataType::UInt32 => Self::UInt32(array.as_primitive().clone()),
            DataType::UInt64 => Self::UInt64(array.as_primitive().clone()),
            DataType::Float32 => Self::Float32(array.as_primitive().clone()),
            DataType::Float64 => Self::Float64(array.as_primitive().clone()),
            DataType::Decimal128(_, scale @ 0..) => {
                Self::Decimal128(array.as_primitive().clone(), scale.unsigned_abs().into())
            }
            DataType::Decimal256(_, scale @ 0..) => {
                Self::Decimal256(array.as_primitive().clone(), scale.unsigned_abs().into())
            }
            DataType::Date32 => Self::Date(array.as_primitive().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::DateTime(array.as_primitive().clone()),
            DataType::Utf8 => Self::Text(array.as_string().clone()),
            DataType::Binary => Self::Bytes(array.as_binary().clone()),
            other => return Err(ConnectorError::internal(format!("values of type {other} have no form in SQL"))),
        })
    }

    /// Whether the row has no value.
    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Boolean(values) => values.is_null(row),
            Self::Int8(values) => values.is_null(row),
            Self::Int16(values) => values.is_null(row),
            Self::Int32(values) => values.is_null(row),
            Self::Int64(values) => values.is_null(row),
            Self::UInt8(values) => values.is_null(row),
            Self::UInt16(values) => values.is_null(row),
            Self::UInt32(values) => values.is_null(row),
            Self::UInt64(values) => values.is_null(row),
            Self::Float32(values) => values.is_null(row),
            Self::Float64(values) => values.is_null(row),
            Self::Decimal128(values, _) => values.is_null(row),
            Self::Decimal256(values, _) => values.is_null(row),
            Self::Date(values) => values.is_null(row),
            Self::DateTime(values) => values.is_null(row),
            Self::Text(values) => values.is_null(row),
            Self::Bytes(values) => values.is_null(row),
        }
    }

    /// Appends the value of a row that has one.
    pub(super) fn append(&self, out: &mut Vec<u8>, row: usize) {
        match self {
            Self::Boolean(values) => out.push(b'0' + u8::from(values.value(row))),
            Self::Int8(values) => append_whole(out, values.value(row)),
            Self::Int16(values) => append_whole(out, values.value(row)),
            Self::Int32(values) => append_whole(out, values.value(row)),
            Self::Int64(values) => append_whole(out, values.value(row)),
            Self::UInt8(values) => append_whole(out, values.value(row)),
            Self::UInt16(values) => append_whole(out, values.value(row)),
            Self::UInt32(values) => append_whole(out, values.value(row)),
            Self::UInt64(values) => append_whole(out, values.value(row)),
            // its digits as a double: those of the shortest text would be rounded twice, once to a double and once to a float
            Self::Float32(values) => append_float(out, f64::from(values.value(row))),
            Self::Float64(values) => append_float(out, values.value(row)),
            Self::Decimal128(values, scale) => append_decimal128(out, values.value(row), *scale),
            Self::Decimal256(values, scale) => append_decimal256(out, values.value(row), *scale),
            Self::Date(values) => {
                out.push(b'\'');
                append_date(out, values.value(row));
                out.push(b'\'');
            }
            Self::DateTime(values) => {
                out.push(b'\'');
                append_timestamp(out, values.value(row));
                out.push(b'\'');
            }
            Self::Text(values) => append_text(out, values.value(row).as_bytes()),
            Self::Bytes(values) => append_bytes(out, values.value(row)),
        }
    }
}

fn append_whole(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// With an exponent, so that it is a double for the server and not a decimal.
fn append_float(out: &mut Vec<u8>, number: f64) {
    // writing to a vector does not fail
    let _ = write!(out, "{number:e}");
}

fn append_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'\'');
    let mut rest = text;
    while let Some(at) = memchr::memchr3(b'\'', b'\\', 0, rest) {
        let (before, behind) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(match behind.first() {
            Some(b'\'') => b"''",
            Some(b'\\') => b"\\\\",
            _ => b"\\0",
        });
        rest = &behind[1..];
    }
    out.extend_from_slice(rest);
    out.push(b'\'');
}

fn append_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 * bytes.len() + 3);
    out.extend_from_slice(b"X'");
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn written(array: ArrayRef) -> Vec<String> {
        let literals = Literals::of(&array).unwrap();
        let text = |row| {
            let mut out = Vec::new();
            literals.append(&mut out, row);
            String::from_utf8(out).unwrap()
        };
        (0..array.len()).map(text).collect()
    }

    #[test]
    fn a_quote_or_backslash_cannot_leave_a_text() {
        let texts = ["it's", "\\' OR 1=1 -- ", "a\0b", "\\", "", "é😀\n\u{1a}\"`%_"];
        let written = written(Arc::new(StringArray::from(texts.to_vec())));
        assert_eq!(written, ["'it''s'", "'\\\\'' OR 1=1 -- '", "'a\\0b'", "'\\\\'", "''", "'é😀\n\u{1a}\"`%_'"]);
    }

    #[test]
    fn the_long_and_the_short_writer_of_texts_mean_the_same() {
        // what a server that reads backslashes makes of the inside of a literal
        let read = |literal: &str| {
            let inside = &literal[1..literal.len() - 1];
            let mut text = String::new();
            let mut chars = inside.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\'' => assert_eq!(chars.next(), Some('\''), "the literal ends early"),
                    '\\' => match chars.next() {
                        Some('0') => text.push('\0'),
                        Some('n') => text.push('\n'),
                        Some('r') => text.push('\r'),
                        Some('Z') => text.push('\u{1a}'),
                        Some(other) => text.push(other),
                        None => panic!("the literal ends in an escape"),
                    },
                    c => text.push(c),
                }
                if c == '\'' {
                    text.push('\'');
                }
            }
            text
        };
        for text in ["", "'", "\\", "\\'", "'\\", "\0\0", "''\\\\", "a\n\r\u{1a}b", "é'表\\😀\0"] {
            let mut out = Vec::new();
            append_text(&mut out, text.as_bytes());
            assert_eq!(read(std::str::from_utf8(&out).unwrap()), text);
            assert_eq!(read(&crate::mysql_protocol::quote::text_literal(text)), text);
        }
    }

    #[test]
    fn numbers_bytes_and_times_are_written_in_full() {
        assert_eq!(written(Arc::new(PrimitiveArray::<UInt64Type>::from(vec![u64::MAX]))), ["18446744073709551615"]);
        let floats = vec![0.1, -1e300, 5e-324, 0.0, 123_456_789.0];
        assert_eq!(
            written(Arc::new(PrimitiveArray::<Float64Type>::from(floats))),
            ["1e-1", "-1e300", "5e-324", "0e0", "1.23456789e8"]
        );
        assert_eq!(written(Arc::new(PrimitiveArray::<Float32Type>::from(vec![0.1_f32]))), ["1.0000000149011612e-1"]);
        assert_eq!(written(Arc::new(BinaryArray::from(vec![&b"\x00'\\\xff"[..], b""]))), ["X'00275cff'", "X''"]);
        assert_eq!(written(Arc::new(PrimitiveArray::<Date32Type>::from(vec![19_942]))), ["'2024-08-07'"]);
        assert_eq!(
            written(Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from(vec![1_723_034_096_000_120]))),
            ["'2024-08-07 12:34:56.000120'"]
        );
        let decimals = Decimal128Array::from(vec![-5, 12_345]).with_precision_and_scale(10, 2).unwrap();
        assert_eq!(written(Arc::new(decimals)), ["-0.05", "123.45"]);
    }
}
