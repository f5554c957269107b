//! Fields as values, the way Hive's LazySimpleSerDe reads them, in Hive and in Spark.
//!
//! Where Hive turns a field into another value than it says (30 February into 1 March, 24:00:00 into the next day), so does this, and says
//! that the value is not exact.

use std::borrow::Cow;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, TimeUnit};

/// How texts become values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRules {
    /// Hive's: those of text tables and SerDes.
    Hive,
    /// Spark's: those of `USING csv` and `USING json`.
    Spark,
}

/// A value, and whether it is just what the field says: a fraction may have been cut, a day that does not exist moved.
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
        DataType::Date32 => date(field).is_some_and(|read| read.exact),
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

/// `2024-08-07` or `2024-8-7`, as days since 1970-01-01. A day that its month lacks, up to 31, is one of the next month, as
/// `java.sql.Date.valueOf` has it.
pub(super) fn date(field: &[u8]) -> Option<Value<i32>> {
    let mut parts = field.split(|byte| *byte == b'-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let year = number(year, 4, 0, 9999)?;
    let month = number(month, 2, 1, 12)?;
    let day = number(day, 2, 1, 31)?;
    let value = i32::try_from(days_since_epoch(year.into(), month.into(), day.into())).ok()?;
    Some(Value { value, exact: day <= days_in_month(year, month) })
}

/// `2024-08-07 12:34:56` with up to nine digits of a second, as units since 1970-01-01 00:00:00, without a zone. Spaces may be around it.
/// Hours, minutes and seconds may be any numbers and are added up, as `java.sql.Timestamp.valueOf` has it.
pub(super) fn timestamp(field: &[u8], unit: TimeUnit) -> Option<Value<i64>> {
    let field = trimmed(field);
    let space = memchr::memchr(b' ', field)?;
    let day = date(&field[..space])?;
    let clock = &field[space + 1..];
    let mut parts = clock.splitn(3, |byte| *byte == b':');
    let (hour, minute, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (second, nanoseconds) = match memchr::memchr(b'.', seconds) {
        Some(point) => (&seconds[..point], fraction_of_a_second(&seconds[point + 1..])?),
        None => (seconds, 0),
    };
    let (hour, minute, second) = (java_int(hour)?, java_int(minute)?, java_int(second)?);
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    let per_second: i64 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let nanoseconds_per_unit = 1_000_000_000 / per_second;
    let seconds = i64::from(day.value) * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    let value = seconds.checked_mul(per_second)?.checked_add(nanoseconds / nanoseconds_per_unit)?;
    Some(Value { value, exact: day.exact && is_time && nanoseconds % nanoseconds_per_unit == 0 })
}

/// One to nine digits, as nanoseconds.
fn fraction_of_a_second(digits: &[u8]) -> Option<i64> {
    let value = number(digits, 9, 0, 999_999_999)?;
    Some(i64::from(value) * 10i64.pow(9 - digits.len() as u32))
}

/// base64 (either alphabet, spaces within, with or without padding), or else the bytes themselves: as commons-codec decodes for Hive, which
/// leaves out bits that make no whole byte.
pub(super) fn binary(field: &[u8]) -> Cow<'_, [u8]> {
    let is_base64 = |byte: &u8| base64_value(*byte).is_some() || matches!(byte, b'=' | b' ' | b'\t' | b'\r' | b'\n');
    if !field.iter().all(is_base64) {
        return Cow::Borrowed(field);
    }
    let mut bytes = Vec::with_capacity(field.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0u32, 0);
    for value in field.iter().take_while(|byte| **byte != b'=').filter_map(|byte| base64_value(*byte)) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    if bytes.is_empty() { Cow::Borrowed(field) } else { Cow::Owned(bytes) }
}

fn base64_value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

/// Without what Java's `trim` takes off both ends: spaces and control characters.
fn trimmed(field: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| *byte <= b' ';
    let start = field.iter().take_while(|byte| is_blank(byte)).count();
    let end = field.iter().rev().take_while(|byte| is_blank(byte)).count();
    field.get(start..field.len() - end).unwrap_or_default()
}

/// As Java's `Integer.parseInt` reads it: digits, with a sign in front.
fn java_int(field: &[u8]) -> Option<i32> {
    let (_, digits) = sign(field);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(field).ok()?.parse().ok())?
}

fn sign(field: &[u8]) -> (bool, &[u8]) {
    match field {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, field),
    }
}

/// One to `max_digits` digits, from `min` to `max`.
fn number(digits: &[u8], max_digits: usize, min: u32, max: u32) -> Option<u32> {
    if digits.is_empty() || digits.len() > max_digits || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    (min..=max).contains(&value).then_some(value)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar: whole eras of 400 years (146097 days), years counted from March.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
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
    fn dates_are_read_as_in_java() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("2024-08-07", 19942),
            ("2024-8-7", 19942),
            ("1969-12-31", -1),
            ("2000-02-29", 11016),
            ("0001-01-01", -719162),
            ("9999-12-31", 2932896),
        ] {
            assert_eq!(date(text.as_bytes()), exact(days), "{text}");
        }
        for (text, days) in [("1970-02-29", 59), ("2024-02-30", 19783), ("1900-02-29", -25508), ("1970-04-31", 120)] {
            assert_eq!(date(text.as_bytes()), cut(days), "{text}");
        }
        for text in [
            "",
            "2024-02-32",
            "2024-01-00",
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
        assert_eq!(micro("\t1970-01-01 00:00:01 "), exact(1_000_000));
        assert_eq!(micro("1970-01-01 000:00:+1"), exact(1_000_000));
        for text in ["1970-01-01 24:00:00", "1970-01-01 23:60:00", "1970-01-01 23:59:60", "1970-01-02 00:01:-60"] {
            assert_eq!(micro(text), cut(86_400_000_000), "{text}");
        }
        assert_eq!(micro("1970-02-29 00:00:00"), cut(59 * 86_400_000_000));
        assert_eq!(timestamp(b"1970-01-01 00:00:01.5", TimeUnit::Second), cut(1));
        assert_eq!(timestamp(b"1970-01-01 00:00:01.5", TimeUnit::Nanosecond), exact(1_500_000_000));
        assert_eq!(timestamp(b"9999-01-01 00:00:00", TimeUnit::Nanosecond), None);
        for text in [
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01 00:00:00.",
            "1970-01-01 00:00:00.1234567890",
            "1970-01-01  00:00:00",
            "1970-01-01 00:00:00:00",
            "1970-01-01 00:00:",
            "1970-01-01 00:00:99999999999",
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
        for text in ["aGVsbG8=", "aGVsbG8", "aGVs bG8=", "aGVsbG8=aaaa", "aGVsbG9"] {
            assert_eq!(&*binary(text.as_bytes()), b"hello", "{text}");
        }
        assert_eq!(&*binary(b"-_-_"), &*binary(b"+/+/"));
        assert_eq!(&*binary(b"ab"), b"\x69");
        assert_eq!((&*binary(b""), &*binary(b"a"), &*binary(b"==")), (&b""[..], &b"a"[..], &b"=="[..]));
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
