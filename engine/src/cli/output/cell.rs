//! Texts and JSON values of single cells: the rules of "Results" in one place.

use std::io;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Number, Value};

use super::invalid;

/// The column names of a result; a name that came before gets `_2`, `_3`, ….
pub(super) fn column_names(schema: &SchemaRef) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{}_{number}", field.name());
            number += 1;
        }
        names.push(name);
    }
    names
}

/// The text of a cell, or None for NULL.
pub(super) fn text(array: &ArrayRef, row: usize) -> io::Result<Option<String>> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return Ok(None);
    }
    Ok(Some(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => hex(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => hex(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row)),
        DataType::Float16 => float(array.as_primitive::<Float16Type>().value(row).to_f64(), None),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            float(f64::from(value), Some(value))
        }
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row), None),
        DataType::Date32 => date(i64::from(array.as_primitive::<Date32Type>().value(row))),
        DataType::Date64 => date(array.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000)),
        DataType::Time32(_) | DataType::Time64(_) => {
            let (units, per_second) = time_value(array, row)?;
            clock(units.div_euclid(per_second), units.rem_euclid(per_second), per_second)
        }
        DataType::Timestamp(unit, zone) => timestamp(array, row, *unit, zone.as_deref())?,
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let key = dictionary.normalized_keys()[row];
            return text(dictionary.values(), key);
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(_, _)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Struct(_)
        | DataType::Map(_, _) => json(array, row)?.to_string(),
        // integers, decimals, durations, intervals
        _ => ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default())
            .map_err(invalid)?
            .value(row)
            .try_to_string()
            .map_err(invalid)?,
    }))
}

/// The JSON value of a cell.
pub(super) fn json(array: &ArrayRef, row: usize) -> io::Result<Value> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    macro_rules! number {
        ($type:ty) => {
            Value::Number(Number::from(array.as_primitive::<$type>().value(row)))
        };
    }
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => {
            // through its shortest text, so that 0.1 does not become 0.10000000149011612
            let value = array.as_primitive::<Float32Type>().value(row);
            format!("{value:?}")
                .parse::<f64>()
                .ok()
                .and_then(Number::from_f64)
                .map_or_else(|| Value::String(float(f64::from(value), Some(value))), Value::Number)
        }
        DataType::Float16 | DataType::Float64 => {
            let value = match array.data_type() {
                DataType::Float16 => array.as_primitive::<Float16Type>().value(row).to_f64(),
                _ => array.as_primitive::<Float64Type>().value(row),
            };
            Number::from_f64(value).map_or_else(|| Value::String(float(value, None)), Value::Number)
        }
        DataType::Decimal32(_, _) => Value::String(array.as_primitive::<Decimal32Type>().value_as_string(row)),
        DataType::Decimal64(_, _) => Value::String(array.as_primitive::<Decimal64Type>().value_as_string(row)),
        DataType::Decimal128(_, _) => Value::String(array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(_, _) => Value::String(array.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::List(_) => elements(&array.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => elements(&array.as_list::<i64>().value(row))?,
        DataType::FixedSizeList(_, _) => elements(&array.as_fixed_size_list().value(row))?,
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let mut object = Map::new();
            for (field, column) in fields.iter().zip(columns) {
                object.insert(field.name().clone(), json(column, row)?);
            }
            Value::Object(object)
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let mut object = Map::new();
            for entry in 0..entries.len() {
                object.insert(text(keys, entry)?.unwrap_or_else(|| "null".to_owned()), json(values, entry)?);
            }
            Value::Object(object)
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            return json(dictionary.values(), dictionary.normalized_keys()[row]);
        }
        _ => text(array, row)?.map_or(Value::Null, Value::String),
    })
}

fn elements(values: &ArrayRef) -> io::Result<Value> {
    (0..values.len()).map(|index| json(values, index)).collect::<io::Result<Vec<_>>>().map(Value::Array)
}

/// Whether a column's texts stand at the right of their cell.
pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// A text for a terminal or a table cell: control characters are spelled out, so that data cannot steer the terminal.
pub(in crate::cli) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // C0, DEL and C1 controls, and the marks that reorder text
            c if c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.push_str(&c.escape_unicode().to_string());
            }
            c => out.push(c),
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

fn float(value: f64, single: Option<f32>) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        // Debug prints the shortest text that reads back as the same value
        single.map_or_else(|| format!("{value:?}"), |single| format!("{single:?}"))
    }
}

fn time_value(array: &ArrayRef, row: usize) -> io::Result<(i64, i64)> {
    Ok(match array.data_type() {
        DataType::Time32(TimeUnit::Second) => (i64::from(array.as_primitive::<Time32SecondType>().value(row)), 1),
        DataType::Time32(_) => (i64::from(array.as_primitive::<Time32MillisecondType>().value(row)), 1_000),
        DataType::Time64(TimeUnit::Microsecond) => {
            (array.as_primitive::<Time64MicrosecondType>().value(row), 1_000_000)
        }
        DataType::Time64(_) => (array.as_primitive::<Time64NanosecondType>().value(row), 1_000_000_000),
        other => return Err(invalid(format!("{other} is no time"))),
    })
}

fn timestamp(array: &ArrayRef, row: usize, unit: TimeUnit, zone: Option<&str>) -> io::Result<String> {
    let (units, per_second) = match unit {
        TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1),
        TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000),
        TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000),
        TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000_000),
    };
    let (seconds, fraction) = (units.div_euclid(per_second), units.rem_euclid(per_second));
    let offset = zone.map(|zone| offset_at(zone, seconds)).transpose()?;
    let local = seconds + offset.map_or(0, |offset| i64::from(offset.seconds()));
    let mut out = date(local.div_euclid(86_400));
    out.push(' ');
    out.push_str(&clock(local.rem_euclid(86_400), fraction, per_second));
    if let Some(offset) = offset {
        let minutes = offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        out.push_str(&format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60));
    }
    Ok(out)
}

fn offset_at(zone: &str, seconds: i64) -> io::Result<Offset> {
    let instant = jiff::Timestamp::from_second(seconds).map_err(invalid)?;
    let zone = match zone {
        "Z" | "z" => TimeZone::UTC,
        zone if zone.starts_with(['+', '-']) => TimeZone::fixed(fixed_offset(zone)?),
        zone => TimeZone::get(zone).map_err(invalid)?,
    };
    Ok(zone.to_offset(instant))
}

/// `+08:00`, `+0800` and `+08`, the forms that Arrow allows.
fn fixed_offset(zone: &str) -> io::Result<Offset> {
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let part = |range| digits.get(range).unwrap_or("0").parse::<i32>().map_err(invalid);
    let seconds = part(0..2)? * 3600 + if digits.len() >= 4 { part(2..4)? * 60 } else { 0 };
    Offset::from_seconds(if zone.starts_with('-') { -seconds } else { seconds }).map_err(invalid)
}

/// `HH:MM:SS`, and the fraction in six digits (nine where six do not hold it) unless it is zero.
fn clock(seconds: i64, fraction: i64, per_second: i64) -> String {
    let mut out = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let nanoseconds = fraction * (1_000_000_000 / per_second);
        if nanoseconds % 1_000 == 0 {
            out.push_str(&format!(".{:06}", nanoseconds / 1_000));
        } else {
            out.push_str(&format!(".{nanoseconds:09}"));
        }
    }
    out
}

/// `YYYY-MM-DD` of days since 1970-01-01 in the proleptic Gregorian calendar, for any year.
fn date(days: i64) -> String {
    // Howard Hinnant's civil_from_days: years begin in March, so that the leap day is the last one
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if year < 0 { format!("-{:04}-{month:02}-{day:02}", -year) } else { format!("{year:04}-{month:02}-{day:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (19_942, "2024-08-07"),
            (-1, "1969-12-31"),
            (-719_528, "0000-01-01"),
            (11_016, "2000-02-29"),
        ] {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn offsets_are_read_in_every_form() {
        for (zone, seconds) in [("+08:00", 28_800), ("-0330", -12_600), ("+05", 18_000)] {
            assert_eq!(fixed_offset(zone).unwrap().seconds(), seconds);
        }
    }
}
