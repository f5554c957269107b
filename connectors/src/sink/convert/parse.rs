//! Checked text as the values that it stands for, for targets that hold values and no text.
//!
//! The conversion keeps text for a typed column as text, which a server reads itself; a file holds what is written into it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};

use super::exact_cast;
use super::grammar::{DateTimeText, NumberText};
use crate::csv::temporal::MICROS_PER_DAY;
use crate::error::{ConnectorError, Result};

/// A converted column in exactly this type: text is read by the grammar that it was checked with.
///
/// # Errors
/// Code Internal for text that was not checked for the type.
pub(crate) fn typed(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let Some(texts) = array.as_string_opt::<i32>() else { return exact_cast(array, to) };
    match to {
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary => exact_cast(array, to),
        DataType::Boolean => {
            let values = texts.iter().map(|text| text.map(|text| text == "1" || text.eq_ignore_ascii_case("true")));
            Ok(Arc::new(values.collect::<BooleanArray>()))
        }
        DataType::Int8 => each::<Int8Type>(texts, whole),
        DataType::Int16 => each::<Int16Type>(texts, whole),
        DataType::Int32 => each::<Int32Type>(texts, whole),
        DataType::Int64 => each::<Int64Type>(texts, whole),
        DataType::UInt8 => each::<UInt8Type>(texts, whole),
        DataType::UInt16 => each::<UInt16Type>(texts, whole),
        DataType::UInt32 => each::<UInt32Type>(texts, whole),
        DataType::UInt64 => each::<UInt64Type>(texts, whole),
        DataType::Float32 => each::<Float32Type>(texts, |text| text.parse().ok()),
        DataType::Float64 => each::<Float64Type>(texts, |text| text.parse().ok()),
        DataType::Decimal128(_, scale @ 0..) => {
            each_of::<Decimal128Type>(texts, to, |text| units(text, scale.unsigned_abs())?.to_i128())
        }
        DataType::Decimal256(_, scale @ 0..) => {
            each_of::<Decimal256Type>(texts, to, |text| units(text, scale.unsigned_abs()))
        }
        DataType::Date32 => each::<Date32Type>(texts, |text| days(&DateTimeText::parse(text.as_bytes())?)),
        DataType::Timestamp(unit, None) => {
            let micros = each::<TimestampMicrosecondType>(texts, |text| {
                let read = DateTimeText::parse(text.as_bytes())?;
                Some(i64::from(days(&read)?) * MICROS_PER_DAY + read.micros)
            })?;
            if *unit == TimeUnit::Microsecond { Ok(micros) } else { exact_cast(&micros, to) }
        }
        other => Err(ConnectorError::internal(format!("text was converted for a column of type {other}"))),
    }
}

fn each<T: ArrowPrimitiveType>(texts: &StringArray, read: impl Fn(&str) -> Option<T::Native>) -> Result<ArrayRef> {
    each_of::<T>(texts, &T::DATA_TYPE, read)
}

fn each_of<T: ArrowPrimitiveType>(
    texts: &StringArray,
    to: &DataType,
    read: impl Fn(&str) -> Option<T::Native>,
) -> Result<ArrayRef> {
    let value = |text: Option<&str>| match text {
        None => Ok(None),
        Some(text) => read(text)
            .map(Some)
            .ok_or_else(|| ConnectorError::internal(format!("text that is no {to} passed the conversion"))),
    };
    let values = texts.iter().map(value).collect::<Result<PrimitiveArray<T>>>()?;
    Ok(Arc::new(values.with_data_type(to.clone())))
}

fn whole<N: TryFrom<i128>>(text: &str) -> Option<N> {
    N::try_from(units(text, 0)?.to_i128()?).ok()
}

/// A number in units of its last digit.
fn units(text: &str, scale: u8) -> Option<i256> {
    let number = NumberText::parse(text.as_bytes())?;
    let value = i256::from_string(&number.scaled_digits(scale, 76).ok()?)?;
    Some(if number.negative { -value } else { value })
}

/// Days since 1970: whole eras of 400 years (146097 days), years counted from March.
fn days(read: &DateTimeText) -> Option<i32> {
    let (year, month, day) = read.date;
    let year = i64::from(year) - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    i32::try_from(days).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str], to: &DataType) -> Vec<String> {
        let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let array = typed(&array, to).unwrap();
        assert_eq!(array.data_type(), to);
        (0..array.len()).map(|row| arrow::util::display::array_value_to_string(&array, row).unwrap()).collect()
    }

    #[test]
    fn every_spelling_of_a_value_is_that_value() {
        assert_eq!(read(&["1", "+007", "-1", "3.00"], &DataType::Int32), ["1", "7", "-1", "3"]);
        assert_eq!(read(&["1.5", "1e2", ".5"], &DataType::Decimal128(10, 2)), ["1.50", "100.00", "0.50"]);
        assert_eq!(read(&["true", "0", "FALSE", "1"], &DataType::Boolean), ["true", "false", "false", "true"]);
        assert_eq!(
            read(&["20240807", "2024-8-7", "2024/08/07 00:00:00", "0000-01-01"], &DataType::Date32),
            ["2024-08-07", "2024-08-07", "2024-08-07", "0000-01-01"]
        );
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(
            read(&["20240807123456", "2024-08-07T12:34:56.5", "1969-12-31 23:59:59.999999"], &timestamp),
            ["2024-08-07T12:34:56", "2024-08-07T12:34:56.500", "1969-12-31T23:59:59.999999"]
        );
        assert_eq!(read(&["1.5", "1e3"], &DataType::Float64), ["1.5", "1000.0"]);
        let bad: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        assert!(typed(&bad, &DataType::Int32).is_err());
    }
}
