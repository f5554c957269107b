//! Values into columns: each is converted to its column's type, or the row is refused in StarRocks's words.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, i256};

use super::error::SqlError;
use super::statement::Literal;
use super::temporal;
use super::value_text::{push_text, writable};
use crate::storage::ColumnDefinition;
use crate::types::{ColumnType, LARGEINT_DIGITS};

/// Why a value does not fit; the text goes to the client.
type Refusal = String;

/// Whether a text is a value of the type.
pub(super) fn check_text(text: &str, column_type: &ColumnType) -> Result<(), Refusal> {
    let column = ColumnDefinition::new("value", column_type.clone());
    ColumnBuilder::new(&column)?.append(&Literal::Text(text.to_owned()))
}

/// Gathers the values of one column.
pub(super) struct ColumnBuilder<'a> {
    column: &'a ColumnDefinition,
    values: Values,
}

enum Values {
    Boolean(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    LargeInt(Decimal256Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder, u8, u8),
    Date(Date32Builder),
    DateTime(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Json(StringBuilder),
    Binary(BinaryBuilder),
}

impl<'a> ColumnBuilder<'a> {
    /// ARRAY, MAP and STRUCT have no literals here; they come from queries.
    pub(super) fn new(column: &'a ColumnDefinition) -> Result<Self, Refusal> {
        let values = match &column.column_type {
            ColumnType::Boolean => Values::Boolean(BooleanBuilder::new()),
            ColumnType::TinyInt => Values::Int8(Int8Builder::new()),
            ColumnType::SmallInt => Values::Int16(Int16Builder::new()),
            ColumnType::Int => Values::Int32(Int32Builder::new()),
            ColumnType::BigInt => Values::Int64(Int64Builder::new()),
            ColumnType::LargeInt => {
                Values::LargeInt(Decimal256Builder::new().with_data_type(DataType::Decimal256(LARGEINT_DIGITS, 0)))
            }
            ColumnType::Float => Values::Float(Float32Builder::new()),
            ColumnType::Double => Values::Double(Float64Builder::new()),
            ColumnType::Decimal { precision, scale } => {
                let builder = Decimal128Builder::new().with_data_type(column.column_type.arrow_type());
                Values::Decimal(builder, *precision, *scale)
            }
            ColumnType::Date => Values::Date(Date32Builder::new()),
            ColumnType::DateTime => Values::DateTime(TimestampMicrosecondBuilder::new()),
            ColumnType::Char(_) | ColumnType::Varchar(_) => Values::Text(StringBuilder::new()),
            ColumnType::Json => Values::Json(StringBuilder::new()),
            ColumnType::VarBinary => Values::Binary(BinaryBuilder::new()),
            other => return Err(format!("MiniRocks does not support {other} in VALUES; use INSERT … SELECT")),
        };
        Ok(Self { column, values })
    }

    /// Adds a value, or says why it does not fit.
    pub(super) fn append(&mut self, literal: &Literal) -> Result<(), Refusal> {
        let number;
        let text = match literal {
            Literal::Null => {
                self.append_null();
                return Ok(());
            }
            Literal::Binary(bytes) => return self.append_bytes(bytes),
            Literal::Boolean(value) => {
                if let Values::Boolean(builder) = &mut self.values {
                    builder.append_value(*value);
                    return Ok(());
                }
                if *value { "1" } else { "0" }
            }
            Literal::Double(value) => {
                number = value.to_string();
                &number
            }
            Literal::Number(text) | Literal::Text(text) | Literal::Date(text) | Literal::DateTime(text) => text,
        };
        let is_number = matches!(literal, Literal::Number(_) | Literal::Double(_));
        self.append_text(text, is_number)
    }

    fn append_null(&mut self) {
        match &mut self.values {
            Values::Boolean(builder) => builder.append_null(),
            Values::Int8(builder) => builder.append_null(),
            Values::Int16(builder) => builder.append_null(),
            Values::Int32(builder) => builder.append_null(),
            Values::Int64(builder) => builder.append_null(),
            Values::LargeInt(builder) => builder.append_null(),
            Values::Float(builder) => builder.append_null(),
            Values::Double(builder) => builder.append_null(),
            Values::Decimal(builder, ..) => builder.append_null(),
            Values::Date(builder) => builder.append_null(),
            Values::DateTime(builder) => builder.append_null(),
            Values::Text(builder) | Values::Json(builder) => builder.append_null(),
            Values::Binary(builder) => builder.append_null(),
        }
    }

    fn append_bytes(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match &mut self.values {
            Values::Binary(builder) => {
                builder.append_value(bytes);
                Ok(())
            }
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => self.append_text(text, false),
                Err(_) => Err(self.out_of_range(&String::from_utf8_lossy(bytes))),
            },
        }
    }

    /// `is_number`: the value is a number rather than a text, so a fraction may be cut off for a whole-number column, as
    /// StarRocks's CAST does; a text with a fraction is no whole number.
    fn append_text(&mut self, text: &str, is_number: bool) -> Result<(), Refusal> {
        let fits = match &mut self.values {
            Values::Boolean(builder) => boolean(text).map(|value| builder.append_value(value)),
            Values::Int8(builder) => whole(text, is_number).and_then(|v| i8::try_from(v).ok()).map(|v| builder.append_value(v)),
            Values::Int16(builder) => {
                whole(text, is_number).and_then(|v| i16::try_from(v).ok()).map(|v| builder.append_value(v))
            }
            Values::Int32(builder) => {
                whole(text, is_number).and_then(|v| i32::try_from(v).ok()).map(|v| builder.append_value(v))
            }
            Values::Int64(builder) => {
                whole(text, is_number).and_then(|v| i64::try_from(v).ok()).map(|v| builder.append_value(v))
            }
            Values::LargeInt(builder) => whole(text, is_number).map(|v| builder.append_value(i256::from_i128(v))),
            Values::Float(builder) => text.trim().parse().ok().filter(|v: &f32| v.is_finite()).map(|v| builder.append_value(v)),
            Values::Double(builder) => text.trim().parse().ok().filter(|v: &f64| v.is_finite()).map(|v| builder.append_value(v)),
            Values::Decimal(builder, precision, scale) => {
                decimal(text, *precision, *scale).map(|value| builder.append_value(value))
            }
            Values::Date(builder) => temporal::parse_date(text).map(|value| builder.append_value(value)),
            Values::DateTime(builder) => temporal::parse_datetime(text).map(|value| builder.append_value(value)),
            Values::Json(builder) => {
                serde_json::from_str::<serde::de::IgnoredAny>(text).ok().map(|_| builder.append_value(text))
            }
            Values::Binary(builder) => {
                builder.append_value(text.as_bytes());
                Some(())
            }
            Values::Text(builder) => {
                check_length(text, self.column)?;
                builder.append_value(text);
                Some(())
            }
        };
        fits.ok_or_else(|| self.out_of_range(text))
    }

    fn out_of_range(&self, text: &str) -> Refusal {
        out_of_range(text, self.column)
    }

    pub(super) fn finish(self) -> ArrayRef {
        match self.values {
            Values::Boolean(mut builder) => Arc::new(builder.finish()),
            Values::Int8(mut builder) => Arc::new(builder.finish()),
            Values::Int16(mut builder) => Arc::new(builder.finish()),
            Values::Int32(mut builder) => Arc::new(builder.finish()),
            Values::Int64(mut builder) => Arc::new(builder.finish()),
            Values::LargeInt(mut builder) => Arc::new(builder.finish()),
            Values::Float(mut builder) => Arc::new(builder.finish()),
            Values::Double(mut builder) => Arc::new(builder.finish()),
            Values::Decimal(mut builder, ..) => Arc::new(builder.finish()),
            Values::Date(mut builder) => Arc::new(builder.finish()),
            Values::DateTime(mut builder) => Arc::new(builder.finish()),
            Values::Text(mut builder) | Values::Json(mut builder) => Arc::new(builder.finish()),
            Values::Binary(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// A query's column as a column of the table.
pub(super) fn assign_array(source: &ArrayRef, column: &ColumnDefinition) -> Result<ArrayRef, SqlError> {
    let refused = |text: Refusal| SqlError::from(crate::error::Error::Row(text));
    let source = writable(source).map_err(|error| SqlError::internal(error.to_string()))?;
    let target = column.column_type.arrow_type();
    if source.null_count() == source.len() {
        return Ok(arrow::array::new_null_array(&target, source.len()));
    }
    let from_text = matches!(source.data_type(), DataType::Utf8 | DataType::Binary);
    let to_text = matches!(target, DataType::Utf8);
    let temporal_number = matches!(target, DataType::Date32 | DataType::Timestamp(..)) && source.data_type().is_numeric();
    if (*source.data_type() == target && !to_text) || (source.data_type().is_nested() && target.is_nested()) {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        return cast_with_options(&source, &target, &options).map_err(|error| refused(error.to_string()));
    }
    if from_text || to_text || temporal_number || column.column_type == ColumnType::Boolean {
        let mut builder = ColumnBuilder::new(column).map_err(SqlError::analysis)?;
        let number = !from_text && !matches!(source.data_type(), DataType::Date32 | DataType::Timestamp(..));
        let mut text = String::new();
        for row in 0..source.len() {
            if source.is_null(row) {
                builder.append(&Literal::Null).map_err(refused)?;
                continue;
            }
            if let Some(bytes) = binary_value(&source, row) {
                builder.append(&Literal::Binary(bytes.to_vec())).map_err(refused)?;
                continue;
            }
            text.clear();
            push_text(&source, row, &mut text);
            builder.append_text(&text, number).map_err(refused)?;
        }
        return Ok(builder.finish());
    }
    let cast = cast_with_options(&source, &target, &CastOptions::default()).map_err(|_| {
        SqlError::analysis(format!(
            "Unable to cast a value of type {} to the type {} of column '{}'",
            source.data_type(),
            column.column_type,
            column.name
        ))
    })?;
    match (0..cast.len()).find(|&row| cast.is_null(row) && !source.is_null(row)) {
        None => Ok(cast),
        Some(row) => {
            let mut text = String::new();
            push_text(&source, row, &mut text);
            Err(refused(out_of_range(&text, column)))
        }
    }
}

/// The column type that CREATE TABLE … AS SELECT takes for a computed column.
pub(super) fn column_type_for(data_type: &DataType) -> Option<ColumnType> {
    Some(match data_type {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 => ColumnType::TinyInt,
        DataType::Int16 | DataType::UInt8 => ColumnType::SmallInt,
        DataType::Int32 | DataType::UInt16 => ColumnType::Int,
        DataType::Int64 | DataType::UInt32 => ColumnType::BigInt,
        DataType::UInt64 | DataType::Decimal256(_, 0) => ColumnType::LargeInt,
        DataType::Float16 | DataType::Float32 => ColumnType::Float,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(..) => ColumnType::DateTime,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => ColumnType::STRING,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ColumnType::VarBinary,
        DataType::List(item) => ColumnType::Array(Box::new(column_type_for(item.data_type())?)),
        _ => return None,
    })
}

fn binary_value(array: &ArrayRef, row: usize) -> Option<&[u8]> {
    use arrow::array::AsArray;
    array.as_binary_opt::<i32>().map(|array| array.value(row))
}

fn out_of_range(text: &str, column: &ColumnDefinition) -> Refusal {
    // the words of StarRocks's error log
    format!("Value '{}' is out of range. The type of '{}' is {}", shortened(text), column.name, column.column_type.backend_text())
}

fn check_length(text: &str, column: &ColumnDefinition) -> Result<(), Refusal> {
    match column.column_type.max_bytes() {
        Some(most) if text.len() > most => Err(format!(
            "String '{}'(length={}) is too long. The max length of '{}' is {most}",
            shortened(text),
            text.len(),
            column.name
        )),
        _ => Ok(()),
    }
}

/// At most a hundred characters of a value in a message.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(end, _)| &text[..end])
}

fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Some(false);
    }
    text.parse::<f64>().ok().filter(|value| !value.is_nan()).map(|value| value != 0.0)
}

/// A whole number; of a number its fraction is cut off.
fn whole(text: &str, is_number: bool) -> Option<i128> {
    let text = text.trim();
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    if !is_number {
        return None;
    }
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b.is_ascii_digit()) => match whole {
            "" | "-" | "+" => Some(0),
            whole => whole.parse().ok(),
        },
        _ => {
            let value: f64 = text.parse().ok()?;
            (value.abs() < 1e38).then(|| value.trunc() as i128)
        }
    }
}

/// The unscaled value of a decimal text, what is beyond the scale rounded half away from zero; `None` if it is no number or
/// has more than `precision` digits.
fn decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    // the value is `all` times ten to the power of `exponent - fraction`; wanted is it times ten to the scale
    let all = format!("{whole}{fraction}");
    let shift = i64::from(exponent) - i64::try_from(fraction.len()).ok()? + i64::from(scale);
    let all = all.trim_start_matches('0');
    let mut unscaled: i128 = if all.is_empty() {
        0
    } else if shift >= 0 {
        if shift > 76 || all.len() > 38 {
            return None;
        }
        all.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(u32::try_from(shift).ok()?)?)?
    } else {
        let cut = usize::try_from(-shift).ok()?;
        match all.len().checked_sub(cut) {
            None => 0,
            Some(kept) => {
                let value: i128 = if kept == 0 { 0 } else { all[..kept].parse().ok()? };
                value + i128::from(all.as_bytes()[kept] >= b'5')
            }
        }
    };
    if unscaled >= 10_i128.checked_pow(u32::from(precision))? {
        return None;
    }
    if negative {
        unscaled = -unscaled;
    }
    Some(unscaled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_half_away_from_zero_and_keep_their_precision() {
        for (text, expected) in [
            ("1.239", Some(124)),
            ("-1.235", Some(-124)),
            ("1.234", Some(123)),
            ("999.99", Some(99_999)),
            ("999.995", None),
            ("1000", None),
            ("5.", Some(500)),
            (".5", Some(50)),
            ("1e2", Some(10_000)),
            ("1.5e-1", Some(15)),
            ("0.001", Some(0)),
            ("000123", Some(12_300)),
            ("0", Some(0)),
            ("-0.004", Some(0)),
            ("abc", None),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("1e999999999", None),
        ] {
            assert_eq!(decimal(text, 5, 2), expected, "{text}");
        }
        assert_eq!(decimal(&"9".repeat(38), 38, 0), "9".repeat(38).parse().ok());
    }

    #[test]
    fn a_number_loses_its_fraction_in_a_whole_column_and_a_text_with_one_is_refused() {
        assert_eq!(whole("3.7", true), Some(3));
        assert_eq!(whole("-3.7", true), Some(-3));
        assert_eq!(whole("3.7", false), None);
        assert_eq!(whole("1e3", true), Some(1000));
        assert_eq!(whole("abc", true), None);
    }

    #[test]
    fn each_type_refuses_what_is_none_of_its_values() {
        for (column_type, good, bad) in [
            ("TINYINT", "127", "128"),
            ("LARGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105728"),
            ("DATE", "20240807", "2024-02-30"),
            ("DATETIME", "2024-08-07 12:34:56.5", "noon"),
            ("BOOLEAN", "TRUE", "yes"),
            ("DOUBLE", "1e300", "1e400"),
            ("VARCHAR(3)", "abc", "日本"),
            ("JSON", "{\"a\":1}", "{a}"),
            ("DECIMAL(5,2)", "1.25", "12345"),
        ] {
            let column_type: ColumnType = column_type.parse().unwrap();
            assert_eq!(check_text(good, &column_type), Ok(()), "{column_type} {good}");
            assert!(check_text(bad, &column_type).is_err(), "{column_type} {bad}");
        }
    }
}
