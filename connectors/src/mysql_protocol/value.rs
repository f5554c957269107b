//! Dates, times of day and what becomes of dates that do not exist.

use std::fmt;

use crate::error::{ConnectorError, Result};

/// What becomes of a date that no calendar has, such as `0000-00-00` or `2024-00-10` (Connector/J's `zeroDateTimeBehavior`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZeroDates {
    /// An error in a query, a reject in a write.
    #[default]
    Reject,
    /// NULL.
    Null,
    /// The nearest date there is: a zero year is 1, a zero month or day is 1.
    Round,
}

impl ZeroDates {
    /// Reads the option's value, in the spellings of Connector/J 5 and 8.
    ///
    /// # Errors
    /// [`ErrorCode::Option`](crate::error::ErrorCode::Option) for any other text.
    pub fn parse(option: &str, value: &str) -> Result<Self> {
        match value.to_ascii_lowercase().replace('_', "").as_str() {
            "exception" => Ok(Self::Reject),
            "converttonull" => Ok(Self::Null),
            "round" => Ok(Self::Round),
            _ => Err(ConnectorError::option(format!("option \"{option}\" must be exception, convertToNull or round"))),
        }
    }
}

/// A day and a time of day as a server sends them; any field may be out of the calendar's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DateTimeParts {
    /// 0 to 9999.
    pub year: u16,
    /// 0 to 12; 0 is MySQL's "unknown".
    pub month: u8,
    /// 0 to 31; 0 is MySQL's "unknown".
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999 999.
    pub microsecond: u32,
}

impl DateTimeParts {
    /// Reads `YYYY-MM-DD[ HH:MM:SS[.ffffff]]`, the form of the text protocol.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (date, time) = match text.split_once([' ', 'T']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let [year, month, day] = three(date, '-')?;
        let (hour, minute, second, microsecond) = match time {
            None => (0, 0, 0, 0),
            Some(time) => {
                let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
                let [hour, minute, second] = three(time, ':')?;
                (hour, minute, second, microseconds(fraction)?)
            }
        };
        Some(Self {
            year: u16::try_from(year).ok()?,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
            hour: u8::try_from(hour).ok()?,
            minute: u8::try_from(minute).ok()?,
            second: u8::try_from(second).ok()?,
            microsecond,
        })
    }

    /// Days since 1970-01-01, or None for a day that no calendar has.
    #[inline]
    pub fn days(&self) -> Option<i32> {
        let known = self.month >= 1 && self.month <= 12 && self.day >= 1 && self.day <= days_of(self.year, self.month);
        known.then(|| days_from_civil(self.year, self.month, self.day))
    }

    /// Microseconds since 1970-01-01 00:00:00 on the same clock, or None for what no calendar or clock has.
    #[inline]
    pub fn microseconds(&self) -> Option<i64> {
        if self.hour > 23 || self.minute > 59 || self.second > 59 || self.microsecond > 999_999 {
            return None;
        }
        let seconds = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        Some((i64::from(self.days()?) * 86_400 + seconds) * 1_000_000 + i64::from(self.microsecond))
    }

    /// The nearest day there is, as [`ZeroDates::Round`] says.
    #[must_use]
    pub fn rounded(mut self) -> Self {
        self.year = self.year.clamp(1, 9999);
        self.month = self.month.clamp(1, 12);
        self.day = self.day.clamp(1, days_of(self.year, self.month));
        self
    }

    /// The text that the server's own client prints.
    pub fn text(&self, with_time: bool) -> String {
        let date = format!("{:04}-{:02}-{:02}", self.year, self.month, self.day);
        if !with_time {
            return date;
        }
        let time = format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second);
        match self.microsecond {
            0 => format!("{date} {time}"),
            fraction => format!("{date} {time}.{fraction:06}"),
        }
    }
}

/// Writes a TIME as the server's client prints it: hours may pass 24 and be negative, `-838:59:59.000000`.
///
/// # Errors
/// As `out` does.
pub fn write_time(
    out: &mut impl fmt::Write,
    negative: bool,
    hours: u32,
    (minutes, seconds): (u8, u8),
    microseconds: u32,
    fraction_digits: u8,
) -> fmt::Result {
    let sign = if negative { "-" } else { "" };
    write!(out, "{sign}{hours:02}:{minutes:02}:{seconds:02}")?;
    match usize::from(fraction_digits.min(6)) {
        0 => Ok(()),
        digits => write!(out, ".{:0digits$}", microseconds / 10_u32.pow(6 - digits as u32)),
    }
}

fn three(text: &str, separator: char) -> Option<[u32; 3]> {
    let mut parts = text.split(separator).map(number);
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn microseconds(fraction: &str) -> Option<u32> {
    match fraction.len() {
        0 => Some(0),
        digits @ 1..=6 => Some(number(fraction)? * 10_u32.pow(6 - digits as u32)),
        _ => None,
    }
}

#[inline]
fn days_of(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's `days_from_civil` (<https://howardhinnant.github.io/date_algorithms.html>), for years from 0: counted from 1 March 400
/// years earlier, so that nothing is negative and nothing is divided with a sign.
#[inline]
fn days_from_civil(year: u16, month: u8, day: u8) -> i32 {
    let year = u32::from(year) + 400 - u32::from(month <= 2);
    let month_from_march = (u32::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + u32::from(day) - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    days as i32 - 719_468 - 146_097
}

/// The day that is so many days after 1970-01-01, for years 0 to 9999.
pub fn date_of_days(days: i32) -> Option<(u16, u8, u8)> {
    let days = i64::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let year = u16::try_from(year).ok().filter(|year| *year <= 9999)?;
    Some((year, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> DateTimeParts {
        DateTimeParts::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn days_agree_with_a_calendar_library() {
        let epoch = jiff::civil::date(1970, 1, 1);
        for (year, month, day) in
            [(0, 1, 1), (0, 3, 1), (1, 1, 1), (1582, 10, 15), (1900, 3, 1), (1970, 1, 1), (2000, 2, 29), (9999, 12, 31)]
        {
            let expected = jiff::civil::date(year, month, day).duration_since(epoch).as_hours() / 24;
            let text = format!("{year:04}-{month:02}-{day:02}");
            assert_eq!(parts(&text).days().map(i64::from), Some(expected), "{text}");
            assert_eq!(date_of_days(expected as i32), Some((year as u16, month as u8, day as u8)));
        }
        assert_eq!(date_of_days(2_932_897), None, "10000-01-01 is no date of MySQL");
        assert_eq!(date_of_days(-719_529), None, "-0001-12-31 is no date of MySQL");
    }

    #[test]
    fn a_day_that_no_calendar_has_is_found() {
        for text in ["0000-00-00", "2024-00-10", "2024-05-00", "2023-02-29", "2024-04-31", "1900-02-29"] {
            assert_eq!(parts(text).days(), None, "{text}");
        }
        assert_eq!(parts("2024-01-01 24:00:00").microseconds(), None);
    }

    #[test]
    fn rounding_takes_the_nearest_day() {
        assert_eq!(parts("0000-00-00").rounded().text(false), "0001-01-01");
        assert_eq!(parts("2024-00-10").rounded().text(false), "2024-01-10");
        assert_eq!(parts("2024-02-30 01:02:03").rounded().text(true), "2024-02-29 01:02:03");
    }

    #[test]
    fn fractions_have_up_to_six_digits() {
        assert_eq!(parts("1970-01-01 00:00:01.5").microseconds(), Some(1_500_000));
        assert_eq!(parts("1970-01-01 00:00:00.000001").microseconds(), Some(1));
        for text in [
            "",
            "2024",
            "2024-01",
            "2024-01-01-01",
            "2024-01-01 1",
            "2024-01-01 01:02:03.1234567",
            "x",
            "2024-01-01 +1:02:03",
        ] {
            assert_eq!(DateTimeParts::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_time_passes_24_hours_and_may_be_negative() {
        let text = |negative, hours, rest, microseconds, digits| {
            let mut text = String::new();
            write_time(&mut text, negative, hours, rest, microseconds, digits).unwrap();
            text
        };
        assert_eq!(text(true, 838, (59, 59), 0, 6), "-838:59:59.000000");
        assert_eq!(text(false, 0, (0, 0), 0, 0), "00:00:00");
        assert_eq!(text(false, 25, (1, 2), 123_456, 3), "25:01:02.123");
        assert_eq!(text(false, 0, (0, 0), 7, 6), "00:00:00.000007");
    }
}
