//! Wall clocks and moments to the ends of the calendar.
//!
//! jiff's moments end at 9999-12-30T22:00Z, so that every zone has a date for them. But 9999-12-31 stands in many tables for "without an
//! end"; behind jiff's last moment a zone keeps the offset that it has there.

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

const NANOS_PER_DAY: i128 = 86_400_000_000_000;
/// How far from jiff's first and last moment the calendar of a zone can reach: they are 26 hours from the ends of the calendar in UTC, and a
/// zone is less than 26 hours from UTC.
const BEYOND_MICROS: u64 = 52 * 3_600 * 1_000_000;

/// Nanoseconds from 1970-01-01 00:00:00 to a time of the same clock.
pub fn nanos_since_epoch(clock: DateTime) -> i128 {
    let days = date(1970, 1, 1).until(clock.date()).map_or(0, |span| span.get_days());
    let time = clock.time();
    let seconds = i128::from(time.hour()) * 3600 + i128::from(time.minute()) * 60 + i128::from(time.second());
    i128::from(days) * NANOS_PER_DAY + seconds * 1_000_000_000 + i128::from(time.subsec_nanosecond())
}

/// The time so many microseconds after 1970-01-01 00:00:00 of the same clock; None beyond the years -9999 to 9999.
pub fn time_of(micros: i64) -> Option<DateTime> {
    date(1970, 1, 1).at(0, 0, 0, 0).checked_add(jiff::SignedDuration::from_micros(micros)).ok()
}

/// What a zone's clock shows at a moment, both in microseconds since 1970; None beyond the calendar.
pub fn clock_at(zone: &TimeZone, moment: i64) -> Option<i64> {
    let clock = moment.checked_add(micros(zone.to_offset(nearest(moment)?)))?;
    time_of(clock).map(|_| clock)
}

/// The moment at which a zone's clock shows a time, in microseconds since 1970: the first of two; where the clock is put forward over the
/// time, as much later as it is put forward.
pub fn moment_of(zone: &TimeZone, clock: DateTime) -> Option<i64> {
    let offset = match zone.to_ambiguous_timestamp(clock).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Fold { before, .. } | AmbiguousOffset::Gap { before, .. } => before,
    };
    i64::try_from(nanos_since_epoch(clock).div_euclid(1000)).ok()?.checked_sub(micros(offset))
}

/// jiff's moment for one that may lie a little beyond its last.
pub(crate) fn nearest(moment: i64) -> Option<Timestamp> {
    if let Ok(moment) = Timestamp::from_microsecond(moment) {
        return Some(moment);
    }
    [Timestamp::MIN, Timestamp::MAX].into_iter().find(|end| end.as_microsecond().abs_diff(moment) <= BEYOND_MICROS)
}

fn micros(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * 1_000_000
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    #[test]
    fn the_last_day_of_the_calendar_has_moments_in_every_zone() {
        let last = datetime(9999, 12, 31, 23, 59, 59, 999_999_000);
        for zone in ["UTC", "Asia/Shanghai", "America/New_York", "Pacific/Kiritimati"] {
            let zone = TimeZone::get(zone).unwrap();
            let moment = moment_of(&zone, last).unwrap();
            let clock = clock_at(&zone, moment).unwrap();
            assert_eq!(time_of(clock), Some(last));
            assert_eq!(clock_at(&zone, moment + 1), None);
        }
        assert_eq!(nanos_since_epoch(last), 253_402_300_799_999_999_000);
        assert_eq!(time_of(253_402_300_800_000_000), None);
    }

    #[test]
    fn other_times_are_those_of_jiff() {
        let zone = TimeZone::get("America/New_York").unwrap();
        for text in [
            "2024-03-10T02:30:00",
            "2024-11-03T01:30:00",
            "1969-12-31T23:59:59.999999",
            "0001-01-01T00:00:00",
            "2024-08-07T12:34:56",
            "1883-11-18T12:00:00",
        ] {
            let clock: DateTime = text.parse().unwrap();
            let expected = zone.to_ambiguous_zoned(clock).compatible().unwrap().timestamp();
            assert_eq!(moment_of(&zone, clock), Some(expected.as_microsecond()), "{text}");
            let utc = TimeZone::UTC.to_timestamp(clock).unwrap();
            assert_eq!(nanos_since_epoch(clock), utc.as_nanosecond(), "{text}");
            assert_eq!(time_of(utc.as_microsecond()), Some(clock), "{text}");
            let shown = nanos_since_epoch(zone.to_datetime(expected)).div_euclid(1000);
            assert_eq!(clock_at(&zone, expected.as_microsecond()).map(i128::from), Some(shown), "{text}");
        }
    }
}
