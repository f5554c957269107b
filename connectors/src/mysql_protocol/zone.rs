//! The session's time zone: sent by name, or as an offset where the server knows no names.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::{ConnectorError, Result};

/// A zone's name, or an offset such as `+08:00` in the form that servers read.
///
/// # Errors
/// [`ErrorCode::Option`](crate::error::ErrorCode::Option) for text that can be neither.
pub fn normalize(zone: &str) -> Result<String> {
    let zone = zone.trim();
    if zone.eq_ignore_ascii_case("z") || zone.eq_ignore_ascii_case("utc") || zone.eq_ignore_ascii_case("gmt") {
        return Ok("+00:00".to_owned());
    }
    if zone.starts_with(['+', '-']) {
        return parse_offset(zone).map(format_offset).ok_or_else(|| unknown(zone));
    }
    let named = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    if zone.is_empty() || zone.len() > 64 || !zone.chars().all(named) {
        return Err(unknown(zone));
    }
    Ok(zone.to_owned())
}

/// The one offset that a zone has had at all times since 1 January 2000 and will have until the end of TIMESTAMP's range in 2038.
/// None for a zone with daylight saving or another change in that time, and for one that this machine does not know.
///
/// Earlier times can differ: Asia/Shanghai had daylight saving from 1986 to 1991. A server that knows zone names is not asked
/// to read an offset, so this concerns only servers that do not.
pub fn fixed_offset(zone: &str) -> Option<String> {
    if zone.starts_with(['+', '-']) {
        return parse_offset(zone).map(format_offset);
    }
    // 2000-01-01T00:00:00Z
    let since = Timestamp::from_second(946_684_800).ok()?;
    // 2038-01-19T03:14:07Z
    let until = Timestamp::from_second(i64::from(i32::MAX)).ok()?;
    let zone = TimeZone::get(zone).ok()?;
    let offset = zone.to_offset(since);
    let same =
        zone.following(since).take_while(|change| change.timestamp() <= until).all(|change| change.offset() == offset);
    same.then(|| format_offset(offset.seconds() / 60))
}

/// Whether every wall-clock time in the zone names one moment only, for all times that a TIMESTAMP can hold.
pub fn has_one_offset(zone: &str) -> bool {
    if zone.starts_with(['+', '-']) {
        return true;
    }
    let Ok(zone) = TimeZone::get(zone) else { return false };
    let Ok(since) = Timestamp::from_second(0) else { return false };
    let offset = zone.to_offset(since);
    zone.following(since).take(200).all(|change| change.offset() == offset)
}

/// Minutes east of UTC of `+08:00`, `+8`, `-0330`.
fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i32>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn format_offset(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

fn unknown(zone: &str) -> ConnectorError {
    let shown: String = zone.chars().filter(|c| !c.is_control()).take(64).collect();
    ConnectorError::option(format!(
        "\"{shown}\" is no time zone; write a name such as Asia/Shanghai or an offset such as +08:00"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_name_or_an_offset() {
        assert_eq!(normalize(" Asia/Shanghai ").unwrap(), "Asia/Shanghai");
        assert_eq!(normalize("Etc/GMT+5").unwrap(), "Etc/GMT+5");
        assert_eq!(normalize("+8").unwrap(), "+08:00");
        assert_eq!(normalize("-0330").unwrap(), "-03:30");
        assert_eq!(normalize("utc").unwrap(), "+00:00");
        for bad in ["", "+99:00", "+08:61", "+-8", "a'b", "Asia/Shanghai; DROP TABLE t", "+８:00"] {
            assert!(normalize(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_zone_without_changes_is_an_offset() {
        assert_eq!(fixed_offset("Asia/Shanghai").as_deref(), Some("+08:00"));
        assert_eq!(fixed_offset("Asia/Kolkata").as_deref(), Some("+05:30"));
        assert_eq!(fixed_offset("America/New_York"), None);
        assert_eq!(fixed_offset("Europe/Moscow"), None);
        assert_eq!(fixed_offset("No/Such"), None);
        assert_eq!(fixed_offset("-03:30").as_deref(), Some("-03:30"));
    }

    #[test]
    fn a_zone_that_ever_had_daylight_saving_has_more_than_one_offset() {
        assert!(has_one_offset("+08:00"));
        assert!(has_one_offset("Etc/UTC"));
        assert!(!has_one_offset("Asia/Shanghai"));
        assert!(!has_one_offset("America/New_York"));
    }
}
