//! Text and numbers as dates and times, by the rules of StarRocks's CAST.

/// Microseconds of a day.
pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Microseconds since 1970-01-01 of a text such as `2024-08-07 12:34:56.789`, `2024-8-7`, `20240807`, `20240807123456` or
/// `2024-08-07T12:34:56Z`; spaces around it are passed over. `None` if it is no date or time.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (date, time) = if digits == text.len() || (digits == 8 && text[digits..].starts_with(['T', ' '])) || digits == 14 {
        let (year, rest) = match digits {
            // two digits of a year: below 70 is this century (MySQL: 2-Digit Years)
            6 => {
                let year: i64 = text[..2].parse().ok()?;
                (if year < 70 { 2000 + year } else { 1900 + year }, &text[2..])
            }
            8 | 14 => (text[..4].parse().ok()?, &text[4..]),
            _ => return None,
        };
        let date = (year, rest[..2].parse().ok()?, rest[2..4].parse().ok()?);
        let time = &rest[4..];
        if digits == 14 {
            let clock = format!("{}:{}:{}{}", &time[..2], &time[2..4], &time[4..6], &time[6..]);
            return combine(date, &clock);
        }
        (date, time)
    } else {
        split_date(text)?
    };
    let clock = time.strip_prefix(['T', 't', ' ']).unwrap_or(time);
    if clock.len() == time.len() && !time.is_empty() {
        return None;
    }
    combine(date, clock.trim_start())
}

/// Days since 1970-01-01 of a text; a time of day behind the date must be valid and is dropped.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let days = parse_datetime(text)?.div_euclid(MICROS_PER_DAY);
    i32::try_from(days).ok()
}

/// Microseconds since 1970-01-01 of a whole number such as 20240807 or 20240807123456.
pub(crate) fn datetime_of_number(number: i128) -> Option<i64> {
    if number <= 0 {
        return None;
    }
    let digits = number.to_string();
    // MySQL: numbers as dates; shorter ones have lost their leading zeros
    let padded = match digits.len() {
        5..=6 => format!("{digits:0>6}"),
        7..=8 => format!("{digits:0>8}"),
        13..=14 => format!("{digits:0>14}"),
        _ => return None,
    };
    parse_datetime(&padded)
}

/// `YYYY-MM-DD` with any single separators and one or two digits for month and day; and what follows.
fn split_date(text: &str) -> Option<((i64, u32, u32), &str)> {
    let (year, rest) = number(text, 4)?;
    let digits_of_year = text.len() - rest.len();
    let year = match digits_of_year {
        4 => i64::from(year),
        2 if year < 70 => 2000 + i64::from(year),
        2 => 1900 + i64::from(year),
        _ => return None,
    };
    let rest = separator(rest)?;
    let (month, rest) = number(rest, 2)?;
    let rest = separator(rest)?;
    let (day, rest) = number(rest, 2)?;
    Some(((year, month, day), rest))
}

fn number(text: &str, longest: usize) -> Option<(u32, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 || length > longest {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

fn separator(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    let first = characters.next()?;
    (first.is_ascii_punctuation()).then(|| characters.as_str())
}

/// A date and a clock `HH:MM[:SS[.ffffff]][Z]`; no clock is midnight.
fn combine((year, month, day): (i64, u32, u32), clock: &str) -> Option<i64> {
    let days = days_from_civil(year, month, day)?;
    let clock = clock.trim_end();
    let clock = clock.strip_suffix('Z').unwrap_or(clock);
    if clock.is_empty() {
        return days.checked_mul(MICROS_PER_DAY);
    }
    let (hour, rest) = number(clock, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => number(rest, 2)?,
        None => (0, rest),
    };
    let micros = match rest.strip_prefix('.') {
        Some(fraction) if (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit()) => {
            let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
            six.parse::<i64>().ok()?
        }
        Some(_) => return None,
        None if rest.is_empty() => 0,
        None => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    days.checked_mul(MICROS_PER_DAY)?.checked_add(seconds * 1_000_000 + micros)
}

/// Days since 1970-01-01 of a day of the Gregorian calendar from year 0 to 9999; `None` if there is no such day.
fn days_from_civil(year: i64, month: u32, day: u32) -> Option<i64> {
    let date = jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = date.duration_since(epoch).as_hours() / 24;
    (0..=9999).contains(&year).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 19_942; // 2024-08-07

    #[test]
    fn every_written_form_of_a_day_is_that_day() {
        for text in ["2024-08-07", "2024-8-7", "20240807", "240807", "24-08-07", "2024/08/07", " 2024-08-07 ", "2024-08-07 12:34:56"] {
            assert_eq!(parse_date(text), Some(DAY as i32), "{text}");
        }
        assert_eq!(datetime_of_number(20_240_807), Some(DAY * MICROS_PER_DAY));
        assert_eq!(datetime_of_number(240_807), Some(DAY * MICROS_PER_DAY));
    }

    #[test]
    fn times_of_day() {
        let at = |seconds: i64, micros: i64| Some(DAY * MICROS_PER_DAY + seconds * 1_000_000 + micros);
        assert_eq!(parse_datetime("2024-08-07 12:34:56"), at(45_296, 0));
        assert_eq!(parse_datetime("2024-08-07T12:34:56Z"), at(45_296, 0));
        assert_eq!(parse_datetime("2024-08-07 12:34:56.7"), at(45_296, 700_000));
        assert_eq!(parse_datetime("20240807123456"), at(45_296, 0));
        assert_eq!(parse_datetime("20240807T12:34"), at(45_240, 0));
        assert_eq!(datetime_of_number(20_240_807_123_456), at(45_296, 0));
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in [
            "", "1", "abc", "2024", "2024-13-01", "2024-02-30", "0000-00-00", "2024-08-07x", "2024-08-07 25:00:00", "2024-08-07 1",
            "2024-08-07 12:34:56+08:00", "\"2024-08-07\"", "99999999", "2024-08-071", "日2024-08-07", "2024日08-07",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for number in [0, -20_240_807, 1, 99_999_999, 20_240_832] {
            assert_eq!(datetime_of_number(number), None, "{number}");
        }
    }
}
