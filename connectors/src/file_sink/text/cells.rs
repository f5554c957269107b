//! Values as the text that stands for them in a file: what our reader, Hive and Spark read as that value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::csv::column::{Column, Values};
use crate::csv::decimal::{append_decimal128, append_decimal256};
use crate::csv::temporal::{append_date, append_timestamp};
use crate::text::DateTimePattern;

/// How days and times are written; None: `2024-08-07` and `2024-08-07 12:34:56[.ffffff]`.
#[derive(Debug, Clone, Default)]
pub(super) struct DateText {
    pub(super) date: Option<DateTimePattern>,
    pub(super) timestamp: Option<DateTimePattern>,
}

impl DateText {
    pub(super) fn append_date(&self, days: i32, out: &mut Vec<u8>) {
        match &self.date {
            None => append_date(out, days),
            Some(pattern) => pattern.append(out, i64::from(days), 0),
        }
    }

    pub(super) fn append_timestamp(&self, micros: i64, out: &mut Vec<u8>) {
        use crate::csv::temporal::MICROS_PER_DAY;
        match &self.timestamp {
            None => append_timestamp(out, micros),
            Some(pattern) => {
                pattern.append(out, micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
            }
        }
    }
}

/// Appends a value that is not NULL.
#[inline]
pub(super) fn append(column: &Column, row: usize, dates: &DateText, out: &mut Vec<u8>) {
    match &column.values {
        Values::Text(values) => out.extend_from_slice(values.value(row).as_bytes()),
        Values::Int64(values) => append_integer(out, values[row]),
        Values::Decimal128(values, _, scale) => append_decimal128(out, values[row], *scale),
        Values::Timestamp(values) => dates.append_timestamp(values[row], out),
        Values::Date(values) => dates.append_date(values[row], out),
        Values::Int32(values) => append_integer(out, values[row]),
        Values::Int16(values) => append_integer(out, values[row]),
        Values::Int8(values) => append_integer(out, values[row]),
        Values::UInt64(values) => append_integer(out, values[row]),
        Values::UInt32(values) => append_integer(out, values[row]),
        Values::UInt16(values) => append_integer(out, values[row]),
        Values::UInt8(values) => append_integer(out, values[row]),
        Values::Float64(values) => {
            append_float(out, zmij::Buffer::new().format(values[row]), FloatKind::of(values[row]));
        }
        Values::Float32(values) => {
            append_float(out, zmij::Buffer::new().format(values[row]), FloatKind::of(values[row].into()));
        }
        Values::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
        Values::Decimal256(values, scale) => append_decimal256(out, values[row], *scale),
        Values::Binary(values) => append_base64(out, values.value(row)),
        Values::Null => {}
    }
}

pub(super) fn append_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Whether a float is a number, and what it is else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FloatKind {
    Finite,
    NaN,
    Infinity,
    NegativeInfinity,
}

impl FloatKind {
    pub(super) fn of(value: f64) -> Self {
        match value {
            _ if value.is_finite() => Self::Finite,
            _ if value.is_nan() => Self::NaN,
            _ if value > 0.0 => Self::Infinity,
            _ => Self::NegativeInfinity,
        }
    }
}

/// A float's shortest text that reads back equal, and Java's words for what is no number.
pub(super) fn append_float(out: &mut Vec<u8>, printed: &str, kind: FloatKind) {
    out.extend_from_slice(match kind {
        FloatKind::Finite => printed.as_bytes(),
        FloatKind::NaN => b"NaN",
        FloatKind::Infinity => b"Infinity",
        FloatKind::NegativeInfinity => b"-Infinity",
    });
}

pub(super) fn append_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // the slice has exactly the length that padded base64 has
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}
