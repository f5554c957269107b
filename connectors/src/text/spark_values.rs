//! Texts as values, the way Spark's CSV and JSON readers have them with `spark.sql.legacy.timeParserPolicy = CORRECTED`.
//!
//! They differ from Hive's: `1.9` is no INT, a date may be followed by a time, a timestamp may have a `T`, a zone, or no time at all.

use std::borrow::Cow;

use arrow::datatypes::{DataType, TimeUnit};
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

use super::datetime_pattern::{DateTimePattern, Parts};
use super::scalar::{Scalar, in_range, units};
use super::values;
use crate::wall_clock;

/// How dates and times are written, and whose time they are.
#[derive(Debug, Clone)]
pub(super) struct SparkTexts {
    pub(super) date: Option<DateTimePattern>,
    pub(super) timestamp: Option<DateTimePattern>,
    /// The zone in whose time a timestamp that names another is told.
    pub(super) zone: TimeZone,
}

impl SparkTexts {
    /// A value of a simple type; None if the text is none.
    pub(super) fn value<'a>(&self, data_type: &DataType, text: &'a str) -> Option<Scalar<'a>> {
        Some(match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Scalar::Text(Cow::Borrowed(text)),
            DataType::Binary => Scalar::Bytes(values::binary(text.as_bytes())),
            DataType::Boolean => Scalar::Boolean(values::boolean(text.as_bytes())?),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                Scalar::Integer(in_range(data_type, whole_number(text)?)?)
            }
            DataType::Float32 => Scalar::Float32(match infinity(text) {
                Some(value) => value as f32,
                None => values::float32(text.as_bytes())?,
            }),
            DataType::Float64 => Scalar::Float64(match infinity(text) {
                Some(value) => value,
                None => values::float64(text.as_bytes())?,
            }),
            DataType::Decimal128(precision, scale) => Scalar::Decimal(decimal(text, *precision, *scale)?),
            DataType::Date32 => Scalar::Date(self.date(text)?),
            DataType::Timestamp(unit, None) => Scalar::Timestamp(self.timestamp(text, *unit)?),
            _ => return None,
        })
    }

    fn date(&self, text: &str) -> Option<i32> {
        match &self.date {
            Some(pattern) => days(civil(&pattern.read(text.as_bytes())?)?.date()),
            None => lenient_date(text),
        }
    }

    fn timestamp(&self, text: &str, unit: TimeUnit) -> Option<i64> {
        match &self.timestamp {
            Some(pattern) => read_by(pattern, text, unit),
            None => self.lenient_timestamp(text, unit),
        }
    }

    /// Seconds since 1970, as the time in our zone.
    pub(super) fn seconds_since_epoch(&self, seconds: i64, unit: TimeUnit) -> Option<i64> {
        self.shown(seconds.checked_mul(1_000_000)?, 0, unit)
    }

    /// `yyyy[-M[-d[(T| )H[:m[:s[.fraction]]][zone]]]]`, spaces around it left out.
    pub(super) fn lenient_timestamp(&self, text: &str, unit: TimeUnit) -> Option<i64> {
        let text = text.trim_matches(|c: char| c <= ' ');
        let (date, rest) = date_part(text)?;
        let Some(time) = rest.strip_prefix(['T', ' ']) else {
            return rest.is_empty().then(|| since_epoch(date.to_datetime(jiff::civil::Time::midnight()), unit))?;
        };
        let mut rest = time;
        let hour = take_number(&mut rest, 2)?;
        let mut minute = 0;
        let mut second = 0;
        let mut nanosecond = 0;
        if let Some(behind) = rest.strip_prefix(':') {
            rest = behind;
            minute = take_number(&mut rest, 2)?;
            if let Some(behind) = rest.strip_prefix(':') {
                rest = behind;
                second = take_number(&mut rest, 2)?;
                if let Some(behind) = rest.strip_prefix('.') {
                    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
                    let kept: i32 = match digits {
                        0 => 0,
                        _ => behind[..digits.min(9)].parse().ok()?,
                    };
                    nanosecond = kept * 10i32.pow(9 - digits.min(9) as u32);
                    rest = &behind[digits..];
                }
            }
        }
        let time = jiff::civil::Time::new(hour, minute, second, nanosecond).ok()?;
        let local = date.to_datetime(time);
        match rest.trim() {
            "" => since_epoch(local, unit),
            name => {
                let below_micros = local.subsec_nanosecond() % 1000;
                self.shown(wall_clock::moment_of(&zone(name)?, local)?, i64::from(below_micros), unit)
            }
        }
    }

    /// What our clock shows at a moment, given in microseconds and nanoseconds more.
    fn shown(&self, moment: i64, nanoseconds: i64, unit: TimeUnit) -> Option<i64> {
        let clock = wall_clock::clock_at(&self.zone, moment)?;
        in_units(i128::from(clock) * 1000 + i128::from(nanoseconds), unit)
    }
}

/// Digits with a sign, nothing else.
fn whole_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// `Inf` and `-Inf`; `Infinity` and `NaN` are Java's own.
fn infinity(text: &str) -> Option<f64> {
    match text {
        "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Commas between thousands are left out.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let plain = if text.contains(',') { Cow::Owned(text.replace(',', "")) } else { Cow::Borrowed(text) };
    values::decimal(plain.as_bytes(), precision, scale).map(|read| read.value)
}

/// `yyyy[-M[-d]]`, with anything behind a `T` or space.
fn lenient_date(text: &str) -> Option<i32> {
    let (date, rest) = date_part(text.trim_matches(|c: char| c <= ' '))?;
    (rest.is_empty() || rest.starts_with(['T', ' '])).then(|| days(date))?
}

/// The date at the front of a text, and what is behind it. Only a whole date may have something behind it.
fn date_part(text: &str) -> Option<(Date, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits != 4 {
        return None;
    }
    let mut rest = text;
    let year = take_number::<i16>(&mut rest, 4)?;
    let Some(behind) = rest.strip_prefix('-') else {
        return rest.is_empty().then(|| Date::new(year, 1, 1).ok().map(|date| (date, rest)))?;
    };
    rest = behind;
    let month = take_number(&mut rest, 2)?;
    let Some(behind) = rest.strip_prefix('-') else {
        return rest.is_empty().then(|| Date::new(year, month, 1).ok().map(|date| (date, rest)))?;
    };
    rest = behind;
    let day = take_number(&mut rest, 2)?;
    Some((Date::new(year, month, day).ok()?, rest))
}

/// One to `most` digits.
fn take_number<T: std::str::FromStr>(rest: &mut &str, most: usize) -> Option<T> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > most {
        return None;
    }
    let (number, behind) = rest.split_at(digits);
    *rest = behind;
    number.parse().ok()
}

/// `Z`, `UTC`, `+08:00`, `+0800`, `+8`, `UTC+8`, `Asia/Shanghai`.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    if matches!(name, "Z" | "UTC" | "GMT" | "UT") {
        return Some(TimeZone::UTC);
    }
    let offset = ["UTC", "GMT", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let Some(digits) = offset.strip_prefix(['+', '-']) else {
        return TimeZone::get(name).ok();
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes.split_once(':').map_or(minutes, |(minutes, _)| minutes)),
        None if digits.len() == 4 => digits.split_at(2),
        None => (digits, "0"),
    };
    let seconds = hours.parse::<u8>().ok().filter(|hours| *hours <= 18)? as i32 * 3600
        + minutes.parse::<u8>().ok().filter(|minutes| *minutes <= 59)? as i32 * 60;
    let seconds = if offset.starts_with('-') { -seconds } else { seconds };
    Some(Offset::from_seconds(seconds).ok()?.to_time_zone())
}

/// Units since 1970 of a time that is written by a pattern.
pub(super) fn read_by(pattern: &DateTimePattern, text: &str, unit: TimeUnit) -> Option<i64> {
    since_epoch(civil(&pattern.read(text.as_bytes())?)?, unit)
}

fn civil(parts: &Parts) -> Option<DateTime> {
    let small = |part: u32| i8::try_from(part).ok();
    DateTime::new(
        i16::try_from(parts.year).ok()?,
        small(parts.month)?,
        small(parts.day)?,
        small(parts.hour)?,
        small(parts.minute)?,
        small(parts.second)?,
        i32::try_from(parts.nanosecond).ok()?,
    )
    .ok()
}

fn days(date: Date) -> Option<i32> {
    let days = wall_clock::nanos_since_epoch(date.at(0, 0, 0, 0)) / 86_400_000_000_000;
    i32::try_from(days).ok()
}

fn since_epoch(time: DateTime, unit: TimeUnit) -> Option<i64> {
    in_units(wall_clock::nanos_since_epoch(time), unit)
}

fn in_units(nanoseconds: i128, unit: TimeUnit) -> Option<i64> {
    let per_unit = i128::from(1_000_000_000 / units(unit));
    i64::try_from(nanoseconds.div_euclid(per_unit)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> SparkTexts {
        SparkTexts { date: None, timestamp: None, zone: TimeZone::UTC }
    }

    fn read(data_type: DataType, text: &str) -> Option<Scalar<'_>> {
        texts().value(&data_type, text)
    }

    #[test]
    fn whole_numbers_have_a_sign_and_digits() {
        for (text, value) in [("1", 1), ("+1", 1), ("007", 7), ("-0", 0), ("2147483647", 2147483647)] {
            assert_eq!(read(DataType::Int32, text), Some(Scalar::Integer(value)), "{text}");
        }
        for text in ["1.0", " 1", "1 ", "1e3", "2147483648", "", "-", "+-1", "x"] {
            assert_eq!(read(DataType::Int32, text), None, "{text}");
        }
    }

    #[test]
    fn doubles_are_javas_and_inf() {
        for (text, value) in [(" 2 ", 2.0), ("1e3", 1000.0), ("1.5d", 1.5), ("0x1p3", 8.0), ("-Inf", f64::NEG_INFINITY)]
        {
            assert_eq!(read(DataType::Float64, text), Some(Scalar::Float64(value)), "{text}");
        }
        for text in ["nan", "inf", "x", ""] {
            assert_eq!(read(DataType::Float64, text), None, "{text}");
        }
    }

    #[test]
    fn decimals_may_have_commas_and_are_rounded() {
        let read = |text| read(DataType::Decimal128(5, 2), text);
        for (text, value) in [("1.255", 126), ("1e2", 10000), ("1.", 100), (".5", 50), ("+1", 100), ("1,00", 10000)] {
            assert_eq!(read(text), Some(Scalar::Decimal(value)), "{text}");
        }
        for text in ["1000", " 1 ", "(1)", "1,000.5"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn dates_may_lack_a_day_and_have_a_time() {
        let day = |text| match read(DataType::Date32, text) {
            Some(Scalar::Date(days)) => Some(days),
            _ => None,
        };
        for text in ["2024-08-07", "2024-8-7", "2024-08-07T00:00:00", "2024-08-07 x", " 2024-08-07 ", "2024-08-07Tx"] {
            assert_eq!(day(text), Some(19942), "{text}");
        }
        assert_eq!(day("9999-12-31"), Some(2_932_896));
        assert_eq!(day("0001-01-01"), Some(-719_162));
        assert_eq!(day("2024-08"), Some(19936));
        assert_eq!(day("2024"), Some(19723));
        for text in ["20240807", "2024-02-30", "epoch", "2024-08-07x", "", "24-08-07"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_are_told_in_the_zone_of_the_run() {
        let at = |zone: &str, text: &str| {
            let texts = SparkTexts { zone: TimeZone::get(zone).unwrap(), ..texts() };
            match texts.value(&DataType::Timestamp(TimeUnit::Microsecond, None), text) {
                Some(Scalar::Timestamp(micros)) => Some(micros),
                _ => None,
            }
        };
        let noon = 1_723_033_996_000_000;
        let expected = noon + 100_000_000;
        for text in [
            "2024-08-07 12:34:56",
            "2024-08-07T12:34:56",
            " 2024-08-07 12:34:56 ",
            "2024-08-07T12:34:56Z",
            "2024-08-07 12:34:56 UTC",
            "2024-08-07 20:34:56+08:00",
            "2024-08-07T20:34:56+0800",
            "2024-08-07 20:34:56 Asia/Shanghai",
            "2024-8-7 12:34:56",
        ] {
            assert_eq!(at("UTC", text), Some(expected), "{text}");
        }
        assert_eq!(at("Asia/Shanghai", "2024-08-07T04:34:56Z"), Some(expected));
        assert_eq!(at("Asia/Shanghai", "2024-08-07 12:34:56"), Some(expected));
        assert_eq!(at("UTC", "2024-08-07 12:34:56.1"), Some(expected + 100_000));
        assert_eq!(at("UTC", "2024-08-07T12:34:56.123456789Z"), Some(expected + 123_456));
        assert_eq!(at("UTC", "9999-12-31 23:59:59"), Some(253_402_300_799_000_000));
        assert_eq!(at("Asia/Shanghai", "9999-12-31T15:59:59Z"), Some(253_402_300_799_000_000));
        assert_eq!(at("Asia/Shanghai", "9999-12-31T16:00:00Z"), None);
        assert_eq!(at("UTC", "2024-08-07"), Some(1_722_988_800_000_000));
        assert_eq!(at("UTC", "2024-08-07T12"), Some(1_723_032_000_000_000));
        for text in
            ["2024-08-07 24:00:00", "2024-02-30 12:00:00", "now", "12:34:56", "2024-08-07 12:34:56 Nowhere/X", ""]
        {
            assert_eq!(at("UTC", text), None, "{text}");
        }
    }
}
