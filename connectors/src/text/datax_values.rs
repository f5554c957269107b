//! Texts as values, the way DataX converts the fields of a text file: what is no value of its column's type makes the row dirty.
//!
//! Stricter than DataX where it changes a value in silence: a whole number with a fraction is none (`12.9` becomes 12 there).

use std::borrow::Cow;

use arrow::datatypes::{DataType, TimeUnit};

use super::scalar::{Scalar, in_range, units};
use super::values;

/// A value of a simple type; None if the text is none. The empty text is a value of STRING alone.
pub(super) fn scalar<'a>(data_type: &DataType, text: &'a str) -> Option<Scalar<'a>> {
    match data_type {
        // the text's own bytes, never decoded
        DataType::Binary => Some(Scalar::Bytes(Cow::Borrowed(text.as_bytes()))),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let read = values::integer(text.as_bytes()).filter(|read| read.exact)?;
            Some(Scalar::Integer(in_range(data_type, read.value)?))
        }
        DataType::Decimal128(precision, scale) => {
            let read = values::decimal(text.as_bytes(), *precision, *scale).filter(|read| read.exact)?;
            Some(Scalar::Decimal(read.value))
        }
        DataType::Date32 => {
            let midnight = timestamp(text, TimeUnit::Second).filter(|seconds| seconds.rem_euclid(DAY) == 0)?;
            Some(Scalar::Date(i32::try_from(midnight.div_euclid(DAY)).ok()?))
        }
        DataType::Timestamp(unit, None) => timestamp(text, *unit).map(Scalar::Timestamp),
        _ => Scalar::from_hive(data_type, text.as_bytes()),
    }
}

/// Seconds.
const DAY: i64 = 86_400;

/// `yyyy-MM-dd HH:mm:ss[.fraction]`, `yyyy-MM-dd` or `yyyyMMdd`: DataX's `common.column` formats. (`HH:mm:ss`, a time of 1970-01-01 there, is none.)
fn timestamp(text: &str, unit: TimeUnit) -> Option<i64> {
    if let Some(read) = values::timestamp(text.as_bytes(), unit) {
        return read.exact.then_some(read.value);
    }
    let is_compact = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let day = match is_compact {
        true => Cow::Owned(format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..])),
        false => Cow::Borrowed(text),
    };
    let day = values::date(day.as_bytes()).filter(|day| day.exact)?;
    i64::from(day.value).checked_mul(DAY)?.checked_mul(units(unit))
}
