//! Fields as values, the way Hive's LazySimpleSerDe reads them.
//!
//! Where Hive would turn a field into another value than it says (30 February into 1 March, 24:00:00 into the next day), it is no value here.

use std::borrow::Cow;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, TimeUnit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// How texts become values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRules {
    /// Hive's: those of text tables and SerDes.
    Hive,
    /// Spark's: those of `USING csv` and `USING json`.
    Spark,
}

/// A value, and whether it is all that the field says: a fraction or digits may have been cut or rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<T> {
    pub(super) value: T,
    pub(super) exact: bool,
}

/// Whether a field is exactly a value of a type. An empty field of a type other than text is NULL and so is one.
pub(super) fn is_exact(data_type: &DataType, field: &[u8]) -> bool {
    let integer =
        |min: i64, max: i64| integer(field).is_some_and(|read| read.exact && (min..=max).contains(&read.value));
    if field.is_empty() {
        return true;
    }
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => std::str::from_utf8(field).is_ok(),
        DataType::Boolean => boolean(field).is_some(),
        DataType::Int8 => integer(i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => integer(i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => integer(i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 => integer(i64::MIN, i64::MAX),
        DataType::Float32 => float32(field).is_some(),
        DataType::Float64 => float64(field).is_some(),
        DataType::Decimal128(precision, scale) => decimal(field, *precision, *scale).is_some_and(|read| read.exact),
        DataType::Date32 => date(field).is_some(),
        DataType::Timestamp(unit, _) => timestamp(field, *unit).is_some_and(|read| read.exact),
        _ => true,
    }
}

/// A whole number: digits with a sign in front; behind a point only digits, which are cut. No spaces, no exponent.
pub(super) fn integer(field: &[u8]) -> Option<Value<i64>> {
    let (negative, digits) = sign(field);
    let (whole, fraction) = match memchr::memchr(b'.', digits) {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[][..]),
    };
    if (whole.is_empty() && fraction.is_empty()) || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Counted below zero, where there is room for one more.
    let value = whole.iter().try_fold(0i64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_sub(digit)
    })?;
    let value = if negative { value } else { value.checked_neg()? };
    Some(Value { value, exact: fraction.iter().all(|digit| *digit == b'0') })
}

/// As Java's Double.parseDouble reads it.
pub(super) fn float64(field: &[u8]) -> Option<f64> {
    match java_float(field)? {
        JavaFloat::Text(text) => text.parse().ok(),
        JavaFloat::Value(value) => Some(value),
    }
}

/// As Java's Float.parseFloat reads it.
pub(super) fn float32(field: &[u8]) -> Option<f32> {
    match java_float(field)? {
        JavaFloat::Text(text) => text.parse().ok(),
        JavaFloat::Value(value) => Some(value as f32),
    }
}

enum JavaFloat<'a> {
    /// Decimal digits, for Rust to round once to the type asked for.
    Text(&'a str),
    Value(f64),
}

/// Java's grammar: spaces around, a sign, `NaN`, `Infinity`, hexadecimal with `p`, a suffix `d` or `f`.
fn java_float(field: &[u8]) -> Option<JavaFloat<'_>> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(|c| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    let signed = |value: f64| if negative { -value } else { value };
    match unsigned {
        "NaN" => return Some(JavaFloat::Value(f64::NAN)),
        "Infinity" => return Some(JavaFloat::Value(signed(f64::INFINITY))),
        _ => {}
    }
    if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        return hexadecimal(digits).map(|value| JavaFloat::Value(signed(value)));
    }
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    // Rust reads words such as inf, which Java does not.
    let last = text.as_bytes().last()?;
    let is_number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    (is_number && (last.is_ascii_digit() || *last == b'.')).then_some(JavaFloat::Text(text))
}

/// `1.8p3`: hexadecimal digits times a power of two. More digits than a double holds are refused rather than rounded twice.
fn hexadecimal(text: &str) -> Option<f64> {
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).filter(|rest| rest.contains(['p', 'P'])).unwrap_or(text);
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mantissa = u64::from_str_radix(&all, 16).ok().filter(|mantissa| *mantissa < 1 << 53)?;
    let exponent: i32 = exponent.parse().ok()?;
    let exponent = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    let value = mantissa as f64 * 2f64.powi(exponent);
    (value.is_finite() && (value != 0.0 || mantissa == 0)).then_some(value)
}

/// A decimal with a sign and an exponent, rounded half away from zero to `scale` digits. No spaces.
pub(super) fn decimal(field: &[u8], precision: u8, scale: i8) -> Option<Value<i128>> {
    let (negative, unsigned) = sign(field);
    let (digits, exponent) = match memchr::memchr2(b'e', b'E', unsigned) {
        Some(at) => {
            let exponent = std::str::from_utf8(&unsigned[at + 1..]).ok()?;
            (&unsigned[..at], exponent.parse::<i32>().ok()?)
        }
        None => (unsigned, 0),
    };
    let (whole, fraction) = match memchr::memchr(b'.', digits) {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut all = whole.iter().chain(fraction).map(|byte| byte.is_ascii_digit().then(|| byte - b'0'));
    // Digits in front of the place where the value is cut.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let mut value: i128 = 0;
    let mut taken = 0;
    while taken < kept {
        match all.next() {
            Some(digit) => value = value.checked_mul(10)?.checked_add(i128::from(digit?))?,
            None if value == 0 => break,
            None => value = value.checked_mul(10)?,
        }
        taken += 1;
    }
    let mut exact = true;
    // A digit further right than the first one cut does not change the rounding.
    for (index, digit) in all.enumerate() {
        let digit = digit?;
        exact &= digit == 0;
        if index == 0 && kept >= 0 && digit >= 5 {
            value = value.checked_add(1)?;
        }
    }
    if value >= 10i128.checked_pow(u32::from(precision.min(DECIMAL128_MAX_PRECISION)))? {
        return None;
    }
    Some(Value { value: if negative { -value } else { value }, exact })
}

/// true or false in any case.
pub(super) fn boolean(field: &[u8]) -> Option<bool> {
    match field {
        _ if field.eq_ignore_ascii_case(b"true") => Some(true),
        _ if field.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// `2024-08-07` or `2024-8-7`, as days since 1970-01-01.
pub(super) fn date(field: &[u8]) -> Option<i32> {
    let mut parts = field.split(|byte| *byte == b'-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let date = civil_date(year, month, day)?;
    i32::try_from(days_since_epoch(date)).ok()
}

/// `2024-08-07 12:34:56` with up to nine digits of a second, as units since 1970-01-01 00:00:00, without a zone.
pub(super) fn timestamp(field: &[u8], unit: TimeUnit) -> Option<Value<i64>> {
    let space = memchr::memchr(b' ', field)?;
    let days = i64::from(date(&field[..space])?);
    let (clock, fraction) = match memchr::memchr(b'.', &field[space + 1..]) {
        Some(point) => (&field[space + 1..][..point], &field[space + 1..][point + 1..]),
        None => (&field[space + 1..], &[][..]),
    };
    let mut parts = clock.split(|byte| *byte == b':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let seconds = i64::from(number(hour, 2, 23)?) * 3600
        + i64::from(number(minute, 2, 59)?) * 60
        + i64::from(number(second, 2, 59)?);
    let has_point = clock.len() < field.len() - space - 1;
    if has_point && (fraction.is_empty() || fraction.len() > 9) {
        return None;
    }
    let nanoseconds = match fraction {
        [] => 0,
        _ => i64::from(number(fraction, 9, 999_999_999)?) * 10i64.pow(9 - fraction.len() as u32),
    };
    let per_second: i64 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let nanoseconds_per_unit = 1_000_000_000 / per_second;
    let value = (days * 86_400 + seconds).checked_mul(per_second)?.checked_add(nanoseconds / nanoseconds_per_unit)?;
    Some(Value { value, exact: nanoseconds % nanoseconds_per_unit == 0 })
}

/// base64, or else the bytes themselves.
pub(super) fn binary(field: &[u8]) -> Cow<'_, [u8]> {
    // Hive's decoder (commons-codec) takes base64 without padding too.
    match BASE64_STANDARD.decode(field).or_else(|_| base64::prelude::BASE64_STANDARD_NO_PAD.decode(field)) {
        Ok(bytes) => Cow::Owned(bytes),
        Err(_) => Cow::Borrowed(field),
    }
}

fn sign(field: &[u8]) -> (bool, &[u8]) {
    match field {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, field),
    }
}

/// One to `max_digits` digits, at most `max`.
fn number(digits: &[u8], max_digits: usize, max: u32) -> Option<u32> {
    if digits.is_empty() || digits.len() > max_digits || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    (value <= max).then_some(value)
}

fn civil_date(year: &[u8], month: &[u8], day: &[u8]) -> Option<jiff::civil::Date> {
    if year.len() != 4 {
        return None;
    }
    let year = i16::try_from(number(year, 4, 9999)?).ok()?;
    let month = i8::try_from(number(month, 2, 12)?).ok()?;
    let day = i8::try_from(number(day, 2, 31)?).ok()?;
    jiff::civil::Date::new(year, month, day).ok()
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar: whole eras of 400 years (146097 days), years counted from March.
fn days_since_epoch(date: jiff::civil::Date) -> i64 {
    let month = i64::from(date.month());
    let year = i64::from(date.year()) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(date.day()) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact<T>(value: T) -> Option<Value<T>> {
        Some(Value { value, exact: true })
    }

    fn cut<T>(value: T) -> Option<Value<T>> {
        Some(Value { value, exact: false })
    }

    #[test]
    fn integers_are_read_as_in_hive() {
        for (text, value) in [
            ("1", exact(1)),
            ("-1", exact(-1)),
            ("+1", exact(1)),
            ("007", exact(7)),
            ("1.9", cut(1)),
            ("-1.9", cut(-1)),
            ("1.", exact(1)),
            ("1.00", exact(1)),
            (".5", cut(0)),
            ("9223372036854775807", exact(i64::MAX)),
            ("-9223372036854775808", exact(i64::MIN)),
        ] {
            assert_eq!(integer(text.as_bytes()), value, "{text}");
        }
        for text in ["", " 1", "1 ", "1e3", "9223372036854775808", "abc", "-", ".", "1.x", "1_000", "0x1"] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn doubles_are_read_as_in_java() {
        for (text, value) in [
            ("1.5", 1.5),
            (" 1.5 ", 1.5),
            ("1.5d", 1.5),
            ("1.5F", 1.5),
            ("1e3", 1000.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("-0x1p3", -8.0),
            ("0x1.8p1", 3.0),
            ("Infinity", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(float64(text.as_bytes()), Some(value), "{text}");
        }
        assert!(float64(b"NaN").unwrap().is_nan());
        for text in ["", " ", "nan", "inf", "infinity", "1,5", "1 5", "e", "1e", "0x1", "d", "-", "+-1", "."] {
            assert_eq!(float64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(float32(b"0.1"), Some(0.1f32));
    }

    #[test]
    fn decimals_are_rounded_half_up() {
        for (text, value) in [
            ("1.23", exact(123)),
            ("1", exact(100)),
            ("-1.2", exact(-120)),
            ("1.235", cut(124)),
            ("-1.235", cut(-124)),
            ("1.2349", cut(123)),
            ("0.005", cut(1)),
            ("0.0049", cut(0)),
            ("0.0005", cut(0)),
            ("1e1", exact(1000)),
            ("1.5E+1", exact(1500)),
            ("123e-4", cut(1)),
            ("999e-6", cut(0)),
            ("999.99", exact(99999)),
            ("000000001.00000", exact(100)),
            ("0e999999", exact(0)),
            ("0.00", exact(0)),
        ] {
            assert_eq!(decimal(text.as_bytes(), 5, 2), value, "{text}");
        }
        for text in
            ["", " 1", "1 ", "999.995", "1000", "1e9", "1e999999999", "abc", ".", "-", "1e", "1.2.3", "1e99999999999"]
        {
            assert_eq!(decimal(text.as_bytes(), 5, 2), None, "{text}");
        }
        let nines = "9".repeat(38);
        assert_eq!(decimal(nines.as_bytes(), 38, 0), exact(10i128.pow(38) - 1));
        assert_eq!(decimal(format!("{nines}.5").as_bytes(), 38, 0), None);
        assert_eq!(decimal("9".repeat(60).as_bytes(), 38, 0), None);
        assert_eq!(decimal(format!("0.{nines}").as_bytes(), 38, 38), exact(10i128.pow(38) - 1));
    }

    #[test]
    fn dates_are_days_that_exist() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("2024-08-07", 19942),
            ("2024-8-7", 19942),
            ("1969-12-31", -1),
            ("2000-02-29", 11016),
            ("0001-01-01", -719162),
            ("9999-12-31", 2932896),
        ] {
            assert_eq!(date(text.as_bytes()), Some(days), "{text}");
        }
        for text in [
            "",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "24-08-07",
            "2024-08-07 ",
            "20240807",
            "2024-08-07T00:00:00",
            "2024-08-007",
            "-2024-08-07",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn timestamps_have_a_time_of_day_and_no_zone() {
        let micro = |text: &str| timestamp(text.as_bytes(), TimeUnit::Microsecond);
        assert_eq!(micro("1970-01-02 00:00:00"), exact(86_400_000_000));
        assert_eq!(micro("1970-1-1 1:2:3"), exact(3_723_000_000));
        assert_eq!(micro("1970-01-01 00:00:00.5"), exact(500_000));
        assert_eq!(micro("1970-01-01 00:00:00.123456"), exact(123_456));
        assert_eq!(micro("1970-01-01 00:00:00.123456789"), cut(123_456));
        assert_eq!(micro("1970-01-01 00:00:00.123456000"), exact(123_456));
        assert_eq!(micro("1969-12-31 23:59:59.999999"), exact(-1));
        assert_eq!(timestamp(b"1970-01-01 00:00:01.5", TimeUnit::Second), cut(1));
        assert_eq!(timestamp(b"1970-01-01 00:00:01.5", TimeUnit::Nanosecond), exact(1_500_000_000));
        assert_eq!(timestamp(b"9999-01-01 00:00:00", TimeUnit::Nanosecond), None);
        for text in [
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 24:00:00",
            "1970-01-01 00:60:00",
            "1970-01-01 00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01 00:00:00.",
            "1970-01-01 00:00:00.1234567890",
            "1970-01-01  00:00:00",
            "1970-01-01 00:00:00 ",
        ] {
            assert_eq!(micro(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_and_binaries() {
        assert_eq!(
            (boolean(b"TRUE"), boolean(b"False"), boolean(b"1"), boolean(b"t")),
            (Some(true), Some(false), None, None)
        );
        assert_eq!(&*binary(b"abc"), b"\x69\xB7");
        assert_eq!(&*binary(b"aGVsbG8="), b"hello");
        assert_eq!(&*binary(b"not base64!\xFF"), b"not base64!\xFF");
    }

    #[test]
    fn what_would_lose_something_is_not_exact() {
        for (data_type, text, expected) in [
            (DataType::Int8, "127", true),
            (DataType::Int8, "128", false),
            (DataType::Int32, "1.5", false),
            (DataType::Int32, "", true),
            (DataType::Decimal128(5, 2), "1.234", false),
            (DataType::Decimal128(5, 2), "1.230", true),
            (DataType::Timestamp(TimeUnit::Microsecond, None), "1970-01-01 00:00:00.1234567", false),
            (DataType::Boolean, "yes", false),
            (DataType::Utf8, "anything", true),
        ] {
            assert_eq!(is_exact(&data_type, text.as_bytes()), expected, "{data_type} {text}");
        }
    }
}
