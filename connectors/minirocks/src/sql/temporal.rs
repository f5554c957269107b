//! Texts and numbers as dates and times, by the rules of StarRocks's CAST, which are those of its loads.

use crate::types::text::{MICROS_PER_DAY, datetime};

/// Microseconds since 1970-01-01 of a text such as `2024-08-07 12:34:56.789`, `2024-8-7` or `20240807`; `None` if it is no
/// date.
pub(super) fn datetime_of_text(text: &str) -> Option<i64> {
    datetime(text.as_bytes())
}

/// Microseconds since 1970-01-01 of a whole number such as 20240807 or 20240807123456, as it is printed.
pub(super) fn datetime_of_number_text(number: &str) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.bytes().any(|byte| byte != b'0') || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // MySQL: a number has lost the zeros before it
    let digits = whole.trim_start_matches('0');
    let padded = match digits.len() {
        5..=6 => format!("{digits:0>6}"),
        7..=8 => format!("{digits:0>8}"),
        11..=12 => format!("{digits:0>12}"),
        13..=14 => format!("{digits:0>14}"),
        _ => return None,
    };
    datetime_of_text(&padded)
}

/// The day of a moment, in days since 1970-01-01.
pub(super) fn day_of(micros: i64) -> i32 {
    // years 0 to 9999 are far inside of 32 bits
    i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_day_that_its_digits_say() {
        let day = 19_942 * MICROS_PER_DAY; // 2024-08-07
        for number in ["20240807", "240807", "20240807.0", "20240807000000"] {
            assert_eq!(datetime_of_number_text(number), Some(day), "{number}");
        }
        assert_eq!(datetime_of_number_text("20240807123456"), Some(day + 45_296_000_000));
        for number in ["0", "", "1", "-20240807", "99999999", "20240832", "20240807.5", "2024-08-07", "2e7"] {
            assert_eq!(datetime_of_number_text(number), None, "{number}");
        }
    }
}
