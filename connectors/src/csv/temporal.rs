//! Days and times as text, by hand: `2024-08-07`, `12:34:56`, `2024-08-07 12:34:56[.ffffff]`.

use std::ops::RangeInclusive;

use super::digits::put_padded;
use super::region::{Region, WORD, append_text};

/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;
/// Days of 400 years.
const DAYS_PER_ERA: i64 = 146_097;

/// Year, month and day of a day since 1970, by counting years from March (Howard Hinnant's `civil_from_days`).
pub(crate) fn civil(days: i32) -> (i64, u32, u32) {
    let shifted = i64::from(days) + DAYS_TO_EPOCH;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA) as u32;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = i64::from(year_of_era) + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The longest text of a time: `2024-08-07 12:34:56.000120`.
const TIMESTAMP_BYTES: usize = 26;
/// The days of the years 0 to 9999.
const DAYS: RangeInclusive<i32> = -719_528..=2_932_896;
/// The times of those days, in microseconds.
const TIMES: RangeInclusive<i64> = -719_528 * MICROS_PER_DAY..=2_932_897 * MICROS_PER_DAY - 1;
/// What stands between year, month and day, in the word of the first eight bytes.
const DASHES: u64 = (b'-' as u64) << 32 | (b'-' as u64) << 56;

/// `00` to `99` as words, the first digit lowest; 128 of them, so that seven bits are an index that needs no check.
const PAIRS: [u16; 128] = {
    let mut pairs = [0; 128];
    let mut number = 0;
    while number < 100 {
        pairs[number] = u16::from_le_bytes([b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
        number += 1;
    }
    pairs
};

/// The two digits of a number below 100.
#[inline(always)]
fn pair(number: u32) -> u64 {
    u64::from(PAIRS[(number & 127) as usize])
}

/// Century, year of the century, month and day of a day in [`DAYS`], by multiplications alone (Neri and Schneider, "Euclidean affine functions
/// and their application to calendar algorithms", 2022).
#[inline(always)]
fn calendar(days: i32) -> [u32; 4] {
    // one period of 400 years more, so that January and February of the year 0 are not negative
    let shifted = (i64::from(days) + DAYS_TO_EPOCH + DAYS_PER_ERA) as u32;
    let quarters = 4 * shifted + 3;
    let century = quarters / DAYS_PER_ERA as u32;
    let day_of_century = quarters % DAYS_PER_ERA as u32 / 4;
    let product = 2_939_745 * u64::from(4 * day_of_century + 3);
    let year_of_century = (product >> 32) as u32;
    let day_of_year = product as u32 / 2_939_745 / 4;
    let month_and_day = 2141 * day_of_year + 197_913;
    let is_next_year = u32::from(day_of_year >= 306);
    let month = (month_and_day >> 16) - 12 * is_next_year;
    let day = (month_and_day & 0xffff) / 2141 + 1;
    // years are counted from March until here
    let year = 100 * century + year_of_century + is_next_year - 400;
    [year / 100, year % 100, month, day]
}

/// Writes a day since 1970 as ten bytes; days outside of the years 0 to 9999, which the conversion keeps out, as the nearest year has them.
#[inline(always)]
pub(crate) fn put_date(region: &mut Region, days: i32) {
    let [century, year, month, day] = if DAYS.contains(&days) { calendar(days) } else { nearest(days) };
    region.put_word(pair(century) | pair(year) << 16 | pair(month) << 40 | DASHES, 8);
    region.put_word(pair(day), 2);
}

#[cold]
fn nearest(days: i32) -> [u32; 4] {
    let (year, month, day) = civil(days);
    let year = year.clamp(0, 9999) as u32;
    [year / 100, year % 100, month, day]
}

#[inline(always)]
fn put_time(region: &mut Region, seconds: u32) {
    let (hours, minutes) = (seconds / 3600, seconds / 60);
    let colons = u64::from(b':') << 16 | u64::from(b':') << 40;
    region.put_word(pair(hours) | pair(minutes - hours * 60) << 24 | pair(seconds - minutes * 60) << 48 | colons, 8);
}

#[inline(always)]
fn put_micros(region: &mut Region, micros: u32) {
    if micros != 0 {
        region.put_byte(b'.');
        put_padded(region, micros, 6);
    }
}

/// Writes a wall-clock time in microseconds since 1970, as [`append_timestamp`] does: nineteen bytes by one store, since a column of times costs more
/// than any other.
#[inline(always)]
pub(crate) fn put_timestamp(region: &mut Region, micros: i64) {
    if !TIMES.contains(&micros) {
        return put_far_timestamp(region, micros);
    }
    // counted from the first of them, so that no division has to look at a sign
    let micros = (micros - TIMES.start()) as u64;
    let seconds = micros / 1_000_000;
    let days = (seconds / 86_400) as u32;
    let of_day = (seconds - u64::from(days) * 86_400) as u32;
    let (hours, minutes) = (of_day / 3600, of_day / 60);
    let [century, year, month, day] = calendar(DAYS.start() + days as i32);
    let date = pair(century) | pair(year) << 16 | pair(month) << 40 | DASHES;
    let blank_and_colon = u64::from(b' ') << 16 | u64::from(b':') << 40;
    let time = pair(day) | pair(hours) << 24 | pair(minutes - hours * 60) << 48 | blank_and_colon;
    region.put_words([date, time, u64::from(b':') | pair(of_day - minutes * 60) << 8], 19);
    put_micros(region, (micros - seconds * 1_000_000) as u32);
}

#[cold]
fn put_far_timestamp(region: &mut Region, micros: i64) {
    put_date(region, i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX));
    region.put_byte(b' ');
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    put_time(region, (of_day / 1_000_000) as u32);
    put_micros(region, (of_day % 1_000_000) as u32);
}

/// Appends a day since 1970; years are those from 0 to 9999.
pub fn append_date(out: &mut Vec<u8>, days: i32) {
    append_text::<{ TIMESTAMP_BYTES + WORD }>(out, |region| put_date(region, days));
}

/// Appends a wall-clock time in microseconds since 1970; six digits of a second unless they are all zero.
pub fn append_timestamp(out: &mut Vec<u8>, micros: i64) {
    append_text::<{ TIMESTAMP_BYTES + WORD }>(out, |region| put_timestamp(region, micros));
}

/// Appends a time of day in nanoseconds; digits below a microsecond are not kept.
pub fn append_time(out: &mut Vec<u8>, nanos: i64) {
    let micros = (nanos / 1000).rem_euclid(MICROS_PER_DAY);
    append_text::<{ TIMESTAMP_BYTES + WORD }>(out, |region| {
        put_time(region, (micros / 1_000_000) as u32);
        put_micros(region, (micros % 1_000_000) as u32);
    });
}

/// The seconds of an offset such as `+08:00`, `-0330`, `+8`, or of `UTC` and `Z`; None for anything else.
pub fn offset_seconds(text: &str) -> Option<i32> {
    if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match text.as_bytes() {
        [b'+', ..] => (1, &text[1..]),
        [b'-', ..] => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None if rest.len() == 4 && rest.is_ascii() => rest.split_at(2),
        None => (rest, "0"),
    };
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i32>().ok());
    let (hours, minutes) = (number(hours)??, number(minutes)??);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;

    #[test]
    fn every_day_of_the_calendar_prints_as_another_library_prints_it() {
        let epoch = jiff::civil::date(1970, 1, 1);
        for day in (-719_528..=2_932_896).step_by(13).chain([-719_528, -1, 0, 59, 60, 2_932_896]) {
            let expected: Date = epoch.checked_add(jiff::Span::new().days(day)).unwrap();
            let mut printed = Vec::new();
            append_date(&mut printed, day);
            assert_eq!(String::from_utf8(printed).unwrap(), expected.to_string());
        }
    }

    #[test]
    fn a_fraction_is_printed_only_if_there_is_one() {
        let print = |micros| {
            let mut printed = Vec::new();
            append_timestamp(&mut printed, micros);
            String::from_utf8(printed).unwrap()
        };
        assert_eq!(print(0), "1970-01-01 00:00:00");
        assert_eq!(print(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(print(1_723_034_096_000_000), "2024-08-07 12:34:56");
        assert_eq!(print(1_723_034_096_000_120), "2024-08-07 12:34:56.000120");
    }

    #[test]
    fn every_time_of_the_calendar_prints_as_another_library_prints_it() {
        let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
        // a step that comes to every hour, minute and second, and to fractions
        let times = TIMES.step_by(40_486_913_777_777).chain([
            -1,
            0,
            1,
            *TIMES.start(),
            *TIMES.end(),
            86_399_999_999,
            86_400_000_000,
        ]);
        for micros in times {
            let expected = epoch.checked_add(jiff::Span::new().microseconds(micros)).unwrap();
            let fraction = if micros % 1_000_000 == 0 { "" } else { ".%6f" };
            let mut printed = Vec::new();
            append_timestamp(&mut printed, micros);
            assert_eq!(
                String::from_utf8(printed).unwrap(),
                expected.strftime(&format!("%Y-%m-%d %H:%M:%S{fraction}")).to_string()
            );
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_of_the_nearest_year() {
        for (micros, year) in
            [(*TIMES.start() - 1, "0000-"), (*TIMES.end() + 1, "9999-"), (i64::MIN, "0000-"), (i64::MAX, "9999-")]
        {
            let mut printed = Vec::new();
            append_timestamp(&mut printed, micros);
            assert!(printed.starts_with(year.as_bytes()), "{}", String::from_utf8_lossy(&printed));
        }
    }

    #[test]
    fn offsets_are_read_and_names_are_not() {
        assert_eq!(offset_seconds("+08:00"), Some(28_800));
        assert_eq!(offset_seconds("-0330"), Some(-12_600));
        assert_eq!(offset_seconds("+8"), Some(28_800));
        assert_eq!(offset_seconds("utc"), Some(0));
        for name in ["Asia/Shanghai", "+", "+25:00", "+08:61", "08:00", "+a8", "+0 :00"] {
            assert_eq!(offset_seconds(name), None, "{name}");
        }
    }
}
