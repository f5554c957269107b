//! DATE and DATETIME from text as Spark casts it: `2024`, `2024-8`, `2024-8-7`, then `T` or a space and a time; all else is NULL.

use jiff::civil::{Date, DateTime};

/// The day; what follows a `T` or a space is not looked at (Spark: `DateTimeUtils.stringToDate`).
pub(super) fn date(text: &str) -> Option<Date> {
    let text = text.trim();
    let (day, _) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    day_of(day)
}

/// The wall-clock moment (Spark: `DateTimeUtils.stringToTimestamp`); text with a zone is None.
pub(super) fn moment(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, "0"));
    let day = day_of(day)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = time.split(':');
    let hour = number(parts.next()?, 1..=2)?;
    let minute = parts.next().map_or(Some(0), |part| number(part, 1..=2))?;
    let second = parts.next().map_or(Some(0), |part| number(part, 1..=2))?;
    if parts.next().is_some() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: i32 = format!("{:0<6}", fraction.get(..6).unwrap_or(fraction)).parse().ok()?;
    let part = |value: i32| i8::try_from(value).ok();
    let time = jiff::civil::Time::new(part(hour)?, part(minute)?, part(second)?, micros * 1000).ok()?;
    Some(day.to_datetime(time))
}

fn day_of(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4..=4)?;
    let month = parts.next().map_or(Some(1), |part| number(part, 1..=2))?;
    let day = parts.next().map_or(Some(1), |part| number(part, 1..=2))?;
    if parts.next().is_some() {
        return None;
    }
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Digits only, of so many places.
pub(super) fn number(text: &str, places: std::ops::RangeInclusive<usize>) -> Option<i32> {
    let is_number = places.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}
