//! Days and times as text, by hand: `2024-08-07`, `12:34:56`, `2024-08-07 12:34:56[.ffffff]`.

/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;
/// Days of 400 years.
const DAYS_PER_ERA: i64 = 146_097;
/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// The two digits of a number below 100.
pub(crate) fn pair(number: u32) -> [u8; 2] {
    PAIRS[(number % 100) as usize]
}

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

fn date_text(days: i32) -> [u8; 10] {
    let (year, month, day) = civil(days);
    // the conversion keeps years within four digits
    let year = year.clamp(0, 9999) as u32;
    let [a, b] = pair(year / 100);
    let [c, d] = pair(year);
    let [e, f] = pair(month);
    let [g, h] = pair(day);
    [a, b, c, d, b'-', e, f, b'-', g, h]
}

fn time_text(seconds: u32) -> [u8; 8] {
    let [a, b] = pair(seconds / 3600);
    let [c, d] = pair(seconds / 60 % 60);
    let [e, f] = pair(seconds % 60);
    [a, b, b':', c, d, b':', e, f]
}

fn append_micros(out: &mut Vec<u8>, micros: u32) {
    if micros != 0 {
        let [a, b] = pair(micros / 10_000);
        let [c, d] = pair(micros / 100);
        let [e, f] = pair(micros);
        out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
    }
}

/// Appends a day since 1970; years are those from 0 to 9999.
pub fn append_date(out: &mut Vec<u8>, days: i32) {
    out.extend_from_slice(&date_text(days));
}

/// Appends a wall-clock time in microseconds since 1970; six digits of a second unless they are all zero.
pub fn append_timestamp(out: &mut Vec<u8>, micros: i64) {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let mut text = [b' '; 19];
    text[..10].copy_from_slice(&date_text(i32::try_from(days).unwrap_or(i32::MAX)));
    text[11..].copy_from_slice(&time_text((of_day / 1_000_000) as u32));
    out.extend_from_slice(&text);
    append_micros(out, (of_day % 1_000_000) as u32);
}

/// Appends a time of day in nanoseconds; digits below a microsecond are not kept.
pub fn append_time(out: &mut Vec<u8>, nanos: i64) {
    let micros = (nanos / 1000).rem_euclid(MICROS_PER_DAY);
    out.extend_from_slice(&time_text((micros / 1_000_000) as u32));
    append_micros(out, (micros % 1_000_000) as u32);
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
