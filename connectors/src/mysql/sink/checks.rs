//! What the shared conversion does not know of MySQL's types, and the server would refuse, guess or change: the number 1 for the first label of
//! an ENUM, `1234` for `00:12:34`, the year 70 for 1970.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use serde::de::IgnoredAny;

/// Hours of a TIME at most (MySQL: "The TIME Type").
const MOST_HOURS: u32 = 838;

/// A look at the values of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    /// None is needed.
    None,
    /// Whole numbers from `low` to `high`.
    Range { low: i128, high: i128 },
    /// 0 and 1901 to 2155; 1 to 99 would become other years.
    Year,
    /// Numbers other than NaN and infinity; negative ones if `signed`.
    Number { signed: bool },
    /// `[-]HH:MM:SS[.ffffff]` with so many digits of a second, which the server would round to.
    Time { fraction_digits: u8 },
    /// One of these labels as it is written; a number that is none would become the label of that index.
    Label(Arc<[String]>),
    /// Labels with commas between them, or nothing.
    Labels(Arc<[String]>),
    /// A JSON document.
    Json,
    /// Text of these characters.
    Characters(Characters),
}

/// Which characters a character set has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Characters {
    /// Those of ASCII.
    Ascii,
    /// Those of Unicode's first 65,536, which have three bytes of UTF-8 at most.
    BasicPlane,
}

/// What a type of fixed length does to shorter values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    /// CHAR: spaces at the end are not kept.
    Spaces,
    /// BINARY: NUL bytes fill it up to this length.
    Nulls(usize),
}

impl Padding {
    /// How many values the server changes so.
    pub(super) fn changed(self, array: &ArrayRef) -> u64 {
        let count = match (self, array.data_type()) {
            (Self::Spaces, DataType::Utf8) => {
                array.as_string::<i32>().iter().flatten().filter(|text| text.ends_with(' ')).count()
            }
            (Self::Nulls(bytes), DataType::Binary) => {
                array.as_binary::<i32>().iter().flatten().filter(|value| value.len() < bytes).count()
            }
            _ => 0,
        };
        count as u64
    }
}

impl Check {
    /// The rows whose values do not pass, each with the reason.
    pub(super) fn failures(&self, array: &ArrayRef, type_name: &str) -> Vec<(usize, String)> {
        match self {
            Self::None => Vec::new(),
            Self::Range { low, high } => whole_numbers(
                array,
                |value| value < *low || value > *high,
                || format!("is out of range for {type_name}"),
            ),
            Self::Year => whole_numbers(
                array,
                |value| value != 0 && !(1901..=2155).contains(&value),
                || "is no year from 1901 to 2155, nor 0".to_owned(),
            ),
            Self::Number { signed } => numbers(array, *signed, type_name),
            Self::Time { fraction_digits } => texts(array, |text| time(text, *fraction_digits, type_name)),
            Self::Label(labels) => texts(array, |text| match labels.iter().any(|label| label == text) {
                true => None,
                false => Some(format!("is none of the labels of {type_name}, as they are written there")),
            }),
            Self::Labels(labels) => texts(array, |text| {
                let is_known = |member: &str| labels.iter().any(|label| label == member);
                match text.is_empty() || text.split(',').all(is_known) {
                    true => None,
                    false => Some(format!("has a label that is none of {type_name}, as they are written there")),
                }
            }),
            Self::Json => texts(array, |text| {
                let parsed = serde_json::from_str::<IgnoredAny>(text);
                parsed.err().map(|error| format!("is no JSON document: {error}"))
            }),
            Self::Characters(Characters::Ascii) => texts(array, |text| match text.is_ascii() {
                true => None,
                false => Some("has a character that the column's character set ascii does not hold".to_owned()),
            }),
            // four bytes of UTF-8 begin with f0 or more
            Self::Characters(Characters::BasicPlane) => {
                texts(array, |text| match text.bytes().any(|byte| byte >= 0xf0) {
                    true => Some("has a character that the column's character set utf8mb3 does not hold".to_owned()),
                    false => None,
                })
            }
        }
    }
}

fn whole_numbers(array: &ArrayRef, fails: impl Fn(i128) -> bool, reason: impl Fn() -> String) -> Vec<(usize, String)> {
    fn each<T: ArrowPrimitiveType>(array: &ArrayRef, fails: &dyn Fn(i128) -> bool) -> Vec<usize>
    where
        T::Native: Into<i128>,
    {
        let values: &PrimitiveArray<T> = array.as_primitive();
        let fails = |row: &usize| values.is_valid(*row) && fails(values.value(*row).into());
        (0..values.len()).filter(fails).collect()
    }
    let fails: &dyn Fn(i128) -> bool = &fails;
    let rows = match array.data_type() {
        DataType::Int8 => each::<Int8Type>(array, fails),
        DataType::Int16 => each::<Int16Type>(array, fails),
        DataType::Int32 => each::<Int32Type>(array, fails),
        DataType::Int64 => each::<Int64Type>(array, fails),
        DataType::UInt8 => each::<UInt8Type>(array, fails),
        DataType::UInt16 => each::<UInt16Type>(array, fails),
        DataType::UInt32 => each::<UInt32Type>(array, fails),
        DataType::UInt64 => each::<UInt64Type>(array, fails),
        _ => Vec::new(),
    };
    rows.into_iter().map(|row| (row, reason())).collect()
}

fn numbers(array: &ArrayRef, signed: bool, type_name: &str) -> Vec<(usize, String)> {
    let sign = |is_negative: bool| {
        (!signed && is_negative).then(|| format!("is negative, and {type_name} holds no negative numbers"))
    };
    let float = |value: f64| match value.is_finite() {
        // -0 is no less than 0
        true => sign(value < 0.0),
        false => Some(format!("is no number that {type_name} holds")),
    };
    let pick = |row: usize, why: Option<String>| why.map(|why| (row, why));
    match array.data_type() {
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().iter().enumerate();
            values.filter_map(|(row, value)| pick(row, float(f64::from(value?)))).collect()
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().iter().enumerate();
            values.filter_map(|(row, value)| pick(row, float(value?))).collect()
        }
        DataType::Decimal128(..) if !signed => {
            let values = array.as_primitive::<Decimal128Type>().iter().enumerate();
            values.filter_map(|(row, value)| pick(row, sign(value? < 0))).collect()
        }
        DataType::Decimal256(..) if !signed => {
            let values = array.as_primitive::<Decimal256Type>().iter().enumerate();
            values.filter_map(|(row, value)| pick(row, sign(value?.is_negative()))).collect()
        }
        _ => Vec::new(),
    }
}

fn texts(array: &ArrayRef, why: impl Fn(&str) -> Option<String>) -> Vec<(usize, String)> {
    let Some(texts): Option<&StringArray> = array.as_string_opt::<i32>() else { return Vec::new() };
    texts.iter().enumerate().filter_map(|(row, text)| Some((row, why(text?)?))).collect()
}

/// Why a text is no TIME.
fn time(text: &str, fraction_digits: u8, type_name: &str) -> Option<String> {
    let digits = |text: &str, least: usize, most: usize| {
        let is_number = (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u32>().ok()).flatten()
    };
    let read = || {
        let (clock, fraction) = text.strip_prefix('-').unwrap_or(text).split_once('.').map_or_else(
            || Some((text.strip_prefix('-').unwrap_or(text), "")),
            |(clock, fraction)| digits(fraction, 1, 6).map(|_| (clock, fraction)),
        )?;
        let mut parts = clock.split(':');
        let (hours, minutes, seconds) =
            (digits(parts.next()?, 1, 3)?, digits(parts.next()?, 2, 2)?, digits(parts.next()?, 2, 2)?);
        if parts.next().is_some() || minutes > 59 || seconds > 59 {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let is_beyond = hours > MOST_HOURS || (hours, minutes, seconds) == (MOST_HOURS, 59, 59) && !fraction.is_empty();
        Some((is_beyond, fraction.len()))
    };
    match read() {
        None => Some(format!("is no value of {type_name}, such as 12:34:56")),
        Some((true, _)) => Some(format!("is out of range for {type_name}")),
        Some((false, digits)) if digits > usize::from(fraction_digits) => {
            Some(format!("has more than {fraction_digits} digits of a second, {type_name} would lose them"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{BinaryArray, Float64Array, Int32Array, UInt16Array};

    use super::*;

    fn failed(check: &Check, values: &[&str]) -> Vec<usize> {
        let array: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        check.failures(&array, "t").into_iter().map(|(row, _)| row).collect()
    }

    #[test]
    fn a_number_is_no_label() {
        let labels: Arc<[String]> = ["a", "b", "2"].map(str::to_owned).into();
        assert_eq!(failed(&Check::Label(labels.clone()), &["a", "1", "2", "A", "a ", "", "b"]), [1, 3, 4, 5]);
        assert_eq!(failed(&Check::Labels(labels), &["", "a,b", "b,a", "a,", "3", "2"]), [3, 4]);
    }

    #[test]
    fn a_time_is_written_in_full() {
        let check = Check::Time { fraction_digits: 3 };
        let good = ["00:00:00", "-838:59:59", "12:34:56.5", "1:02:03.123000", "838:59:59.000"];
        assert_eq!(failed(&check, &good), [0_usize; 0]);
        let bad = [
            "1234",
            "12:34",
            "1",
            "",
            "-",
            "839:00:00",
            "838:59:59.5",
            "12:60:00",
            "12:00:60",
            "12:34:56.1234",
            "12:34:56.",
            "+12:34:56",
            "1 12:34:56",
            "12:34:56 ",
            "2024-08-07",
            "12:34:56:01",
            "--12:34:56",
        ];
        assert_eq!(failed(&check, &bad), (0..bad.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_document_is_parsed_as_a_whole() {
        assert_eq!(failed(&Check::Json, &["1", "\"a\"", "abc", "", "{\"a\":1}", "{a:1}", "[1] x"]), [2, 3, 5, 6]);
    }

    #[test]
    fn characters_are_those_of_the_character_set() {
        assert_eq!(failed(&Check::Characters(Characters::Ascii), &["a~", "é"]), [1]);
        assert_eq!(failed(&Check::Characters(Characters::BasicPlane), &["é表\u{ffff}", "😀"]), [1]);
    }

    #[test]
    fn numbers_have_the_range_of_the_type() {
        let array: ArrayRef =
            Arc::new(Int32Array::from(vec![Some(-8_388_609), Some(8_388_607), None, Some(8_388_608)]));
        let rows = |check: &Check, array: &ArrayRef| {
            check.failures(array, "t").into_iter().map(|(row, _)| row).collect::<Vec<_>>()
        };
        assert_eq!(rows(&Check::Range { low: -8_388_608, high: 8_388_607 }, &array), [0, 3]);
        let array: ArrayRef = Arc::new(UInt16Array::from(vec![0, 70, 1900, 1901, 2155, 2156]));
        assert_eq!(rows(&Check::Year, &array), [1, 2, 5]);
        let array: ArrayRef = Arc::new(Float64Array::from(vec![1.0, -1.0, f64::NAN, f64::INFINITY, -0.0]));
        assert_eq!(rows(&Check::Number { signed: true }, &array), [2, 3]);
        assert_eq!(rows(&Check::Number { signed: false }, &array), [1, 2, 3]);
    }

    #[test]
    fn what_a_type_of_fixed_length_changes_is_counted() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a ", "a", " a", ""]));
        assert_eq!(Padding::Spaces.changed(&texts), 1);
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"ab"[..], b"abc", b""]));
        assert_eq!(Padding::Nulls(3).changed(&bytes), 2);
    }
}
