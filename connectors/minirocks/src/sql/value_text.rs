//! The text of a value as StarRocks prints it: in results, in CAST to a string, in partition values of messages.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type,
};
use arrow::error::ArrowError;

/// The column itself, or cast to a type that has the same text.
pub(crate) fn writable(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let wanted = match column.data_type() {
        DataType::Null => return cast(column, &DataType::Utf8),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None) => return Ok(Arc::clone(column)),
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, value) => return writable(&cast(column, value)?),
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Date32
        | DataType::Utf8
        | DataType::Binary
        | DataType::List(_)
        | DataType::Map(..)
        | DataType::Struct(_) => return Ok(Arc::clone(column)),
        _ => DataType::Utf8,
    };
    cast(column, &wanted)
}

/// Appends a value's text as StarRocks prints it.
pub(crate) fn push_text(column: &ArrayRef, row: usize, text: &mut String) {
    // writing to a String cannot fail
    let _ = match column.data_type() {
        DataType::Utf8 => {
            text.push_str(column.as_string::<i32>().value(row));
            Ok(())
        }
        DataType::Binary => {
            text.push_str(&String::from_utf8_lossy(column.as_binary::<i32>().value(row)));
            Ok(())
        }
        DataType::Boolean => write!(text, "{}", u8::from(column.as_boolean().value(row))),
        DataType::Int8 => write!(text, "{}", column.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => write!(text, "{}", column.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => write!(text, "{}", column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => write!(text, "{}", column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => write!(text, "{}", column.as_primitive::<UInt64Type>().value(row)),
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(row);
            push_float(text, f64::from(value), &format!("{value:e}"));
            Ok(())
        }
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            push_float(text, value, &format!("{value:e}"));
            Ok(())
        }
        DataType::Decimal128(..) => write!(text, "{}", column.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(..) => write!(text, "{}", column.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Date32 => match column.as_primitive::<Date32Type>().value_as_date(row) {
            Some(date) => write!(text, "{date}"),
            None => Ok(()),
        },
        DataType::Timestamp(..) => {
            match column.as_primitive::<TimestampMicrosecondType>().value_as_datetime(row) {
                // six digits, and only when there is a fraction
                Some(value) if value.and_utc().timestamp_subsec_micros() == 0 => {
                    write!(text, "{}", value.format("%Y-%m-%d %H:%M:%S"))
                }
                Some(value) => write!(text, "{}", value.format("%Y-%m-%d %H:%M:%S%.6f")),
                None => Ok(()),
            }
        }
        DataType::List(_) => {
            push_list(&column.as_list::<i32>().value(row), text);
            Ok(())
        }
        DataType::Map(..) => {
            push_map(column, row, text);
            Ok(())
        }
        DataType::Struct(_) => {
            push_struct(column, row, text);
            Ok(())
        }
        _ => Ok(()),
    };
}

/// Shortest digits that read back as the same number, with an exponent outside of 1e-4 to 1e16, as StarRocks's BE prints
/// (`{}` of the fmt library); whole numbers without a point.
fn push_float(text: &mut String, value: f64, scientific: &str) {
    if value.is_nan() {
        text.push_str("nan");
        return;
    }
    if value.is_infinite() {
        text.push_str(if value > 0.0 { "inf" } else { "-inf" });
        return;
    }
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        push_plain(text, digits, exponent);
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(text, "{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
}

/// `digits` is `d` or `d.ddd`, with a sign; writes it times ten to the `exponent` without one.
fn push_plain(text: &mut String, digits: &str, exponent: i32) {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let all: String = digits.chars().filter(|c| *c != '.').collect();
    text.push_str(sign);
    let point = exponent + 1;
    match usize::try_from(point) {
        Ok(point) if point > 0 => {
            if all.len() <= point {
                text.push_str(&all);
                text.extend(std::iter::repeat_n('0', point - all.len()));
            } else {
                text.push_str(&all[..point]);
                text.push('.');
                text.push_str(&all[point..]);
            }
        }
        _ => {
            text.push_str("0.");
            text.extend(std::iter::repeat_n('0', usize::try_from(-point).unwrap_or_default()));
            text.push_str(&all);
        }
    }
}

/// A value inside ARRAY, MAP or STRUCT: strings and dates in double quotes, NULL as `null`.
fn push_nested(column: &ArrayRef, row: usize, text: &mut String) {
    if column.is_null(row) {
        text.push_str("null");
        return;
    }
    match column.data_type() {
        DataType::Utf8 => {
            let _ = write!(text, "\"{}\"", column.as_string::<i32>().value(row));
        }
        DataType::Date32 | DataType::Timestamp(..) => {
            text.push('"');
            push_text(column, row, text);
            text.push('"');
        }
        _ => push_text(column, row, text),
    }
}

fn push_list(items: &ArrayRef, text: &mut String) {
    let Ok(items) = writable(items) else { return };
    text.push('[');
    for index in 0..items.len() {
        if index > 0 {
            text.push(',');
        }
        push_nested(&items, index, text);
    }
    text.push(']');
}

fn push_map(column: &ArrayRef, row: usize, text: &mut String) {
    let entries = column.as_map().value(row);
    let (Ok(keys), Ok(values)) = (writable(entries.column(0)), writable(entries.column(1))) else { return };
    text.push('{');
    for index in 0..entries.len() {
        if index > 0 {
            text.push(',');
        }
        push_nested(&keys, index, text);
        text.push(':');
        push_nested(&values, index, text);
    }
    text.push('}');
}

fn push_struct(column: &ArrayRef, row: usize, text: &mut String) {
    let value = column.as_struct();
    text.push('{');
    for (index, (field, child)) in value.fields().iter().zip(value.columns()).enumerate() {
        let Ok(child) = writable(child) else { return };
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(text, "{comma}\"{}\":", field.name());
        push_nested(&child, row, text);
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> String {
        let mut text = String::new();
        push_float(&mut text, value, &format!("{value:e}"));
        text
    }

    #[test]
    fn floating_point_numbers_print_as_the_backend_prints_them() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1234.5678, "1234.5678"),
            (1e15, "1000000000000000"),
            (1e16, "1e+16"),
            (1.5e20, "1.5e+20"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-300, "-2.5e-300"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(value), expected);
        }
    }
}
