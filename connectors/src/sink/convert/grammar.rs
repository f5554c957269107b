//! Which texts are values of a typed column: those that StarRocks's loader reads (STREAM_LOAD, strict mode) and that lose nothing on the way.
//!
//! It is narrower than the server where the server guesses: no spaces around, no six-digit dates, no `Z`.

/// A number as text: `digits` without leading or trailing zeros, times ten to the power of `exponent`. Zero has no digits.
pub(super) struct NumberText<'a> {
    pub(super) negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
    has_exponent: bool,
}

impl<'a> NumberText<'a> {
    /// Reads `[+-]digits[.digits][e[+-]digits]`, with a digit before or behind the point.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (whole, rest) = split_digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest),
            rest => (&rest[..0], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => parse_exponent(rest)?,
            _ => return None,
        };
        let whole = trim_start_zeros(whole);
        let fraction = trim_end_zeros(fraction);
        Some(Self { negative, whole, fraction, exponent, has_exponent: !rest.is_empty() })
    }

    pub(super) fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    /// Whether it is written with an exponent, which the server reads for decimals and floats only.
    pub(super) fn has_exponent(&self) -> bool {
        self.has_exponent
    }

    /// The significant digits, without zeros at either end, and the power of ten of the last one.
    fn significant(&self) -> (Vec<u8>, i64) {
        let mut digits = self.whole.to_vec();
        digits.extend_from_slice(self.fraction);
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        digits.truncate(digits.len() - trailing);
        (digits, self.exponent - self.fraction.len() as i64 + trailing as i64)
    }

    /// The number times ten to the power of `scale` as digits, if it is whole and has at most `max_digits` digits.
    pub(super) fn scaled_digits(&self, scale: u8, max_digits: usize) -> Result<String, Misfit> {
        if self.is_zero() {
            return Ok("0".into());
        }
        let (digits, exponent) = self.significant();
        let zeros = exponent + i64::from(scale);
        if zeros < 0 {
            return Err(Misfit::Fraction);
        }
        if digits.len() as i64 + zeros > max_digits as i64 {
            return Err(Misfit::Range);
        }
        let mut text: String = digits.iter().map(|digit| char::from(*digit)).collect();
        text.extend(std::iter::repeat_n('0', usize::try_from(zeros).unwrap_or(0)));
        Ok(text)
    }

    /// Whether the number is whole and has fewer than `digits` digits: the common case, told without building anything.
    pub(super) fn is_short_whole(&self, digits: usize) -> bool {
        self.fraction.is_empty() && self.exponent == 0 && self.whole.len() < digits
    }

    /// Whether the number fits DECIMAL(precision, scale), told without building anything; false may still fit.
    pub(super) fn fits_plainly(&self, precision: u8, scale: u8) -> bool {
        self.exponent == 0
            && self.fraction.len() <= usize::from(scale)
            && self.whole.len() <= usize::from(precision.saturating_sub(scale))
    }
}

/// Why a number does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// More digits behind the point than the column keeps.
    Fraction,
    /// Too large or too small.
    Range,
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn trim_start_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().take_while(|digit| **digit == b'0').count()..]
}

fn trim_end_zeros(digits: &[u8]) -> &[u8] {
    &digits[..digits.len() - digits.iter().rev().take_while(|digit| **digit == b'0').count()]
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    // five digits are more than any type can hold
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

/// A day, a time of day in seconds, and the digits of a second behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DateTimeText {
    /// Whether a time of day other than midnight is given.
    pub(super) has_time: bool,
    /// Digits of a second that are needed, without trailing zeros.
    pub(super) fraction_digits: usize,
    /// Year, month and day.
    pub(super) date: (u32, u32, u32),
    /// Microseconds since midnight.
    pub(super) micros: i64,
}

impl DateTimeText {
    /// Reads `YYYY-M-D` or `YYYYMMDD`, and behind a space or `T` `HH:MM:SS[.f]` with up to six digits of a second; also `YYYYMMDDHHMMSS[.f]` and `YYYYMMDDTHHMMSS[.f]`.
    /// Dates are separated by `-`, `/` or `.`, twice the same.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (year, rest) = take_number(text, 4, 4)?;
        let (separator, rest) = match rest {
            [separator @ (b'-' | b'/' | b'.'), rest @ ..] => (Some(*separator), rest),
            rest => (None, rest),
        };
        let (month, day, rest) = match separator {
            Some(separator) => {
                let (month, rest) = take_number(rest, 1, 2)?;
                let rest = rest.strip_prefix(&[separator])?;
                let (day, rest) = take_number(rest, 1, 2)?;
                (month, day, rest)
            }
            None => {
                let (month, rest) = take_number(rest, 2, 2)?;
                let (day, rest) = take_number(rest, 2, 2)?;
                (month, day, rest)
            }
        };
        if !(1..=12).contains(&month) || day == 0 || day > days_of_month(year, month) {
            return None;
        }
        let rest = match rest {
            [] => return Some(Self { has_time: false, fraction_digits: 0, date: (year, month, day), micros: 0 }),
            [b' ' | b'T', rest @ ..] => rest,
            rest if separator.is_none() => rest,
            _ => return None,
        };
        let (hour, rest) = take_number(rest, 2, 2)?;
        let (minute, rest) = take_time_part(rest, separator.is_some())?;
        let (second, rest) = take_time_part(rest, separator.is_some())?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let fraction = match rest {
            [] => &rest[..0],
            [b'.', digits @ ..] if (1..=6).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => digits,
            _ => return None,
        };
        let fraction_digits = trim_end_zeros(fraction).len();
        let seconds = i64::from(hour * 3600 + minute * 60 + second);
        let fraction_micros =
            fraction.iter().chain(b"000000").take(6).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        Some(Self {
            has_time: seconds > 0 || fraction_digits > 0,
            fraction_digits,
            date: (year, month, day),
            micros: seconds * 1_000_000 + fraction_micros,
        })
    }
}

/// Two digits; a time behind a date with separators has colons, one behind a date without has none.
fn take_time_part(text: &[u8], colon: bool) -> Option<(u32, &[u8])> {
    take_number(if colon { text.strip_prefix(b":")? } else { text }, 2, 2)
}

/// At least `min` and at most `max` digits.
fn take_number(text: &[u8], min: usize, max: usize) -> Option<(u32, &[u8])> {
    let count = text.iter().take(max).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(count);
    let value = digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    (count >= min).then_some((value, rest))
}

fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `true`, `false` in any case, `0`, `1`.
pub(super) fn is_boolean(text: &[u8]) -> bool {
    text == b"0" || text == b"1" || text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_server_reads_them() {
        for text in
            ["2024-08-07", "2024-8-7", "20240807", "2024/08/07", "2024-08-07 00:00:00", "2024-02-29", "0000-01-01"]
        {
            let date = DateTimeText::parse(text.as_bytes()).unwrap();
            assert!(!date.has_time, "{text}");
        }
        for text in ["2024-08-07 12:34:56", "20240807123456", "20240807T123456", "2024-08-07T00:00:00.000001"] {
            assert!(DateTimeText::parse(text.as_bytes()).unwrap().has_time, "{text}");
        }
    }

    #[test]
    fn what_the_server_would_guess_is_no_date() {
        for text in [
            "",
            "1",
            "201210",
            "240807",
            "2024-13-01",
            "2023-02-29",
            "2024-00-10",
            "0000-00-00",
            "2024-08-07Z",
            " 2024-08-07",
            "2024-08-07 ",
            "2024-08/07",
            "2024-08-07 24:00:00",
            "2024-08-07 12:34",
            "2024-08-07 12:34:60",
            "2024-08-07 12:34:56.",
            "2024-08-07 12:34:56.0000000",
            "2024-08-07 12:34:56+08:00",
            "\"2024-08-07\"",
            "2024-08-071",
            "abc",
            "２０２４-08-07",
        ] {
            assert_eq!(DateTimeText::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_scaled_exactly() {
        let scaled = |text: &str, scale| {
            NumberText::parse(text.as_bytes()).map(|number| number.scaled_digits(scale, 10)).unwrap()
        };
        assert_eq!(scaled("1.2300", 2).unwrap(), "123");
        assert_eq!(scaled("+007", 0).unwrap(), "7");
        assert_eq!(scaled("12e3", 0).unwrap(), "12000");
        assert_eq!(scaled("1.2e-1", 2).unwrap(), "12");
        assert_eq!(scaled("0e99999", 2).unwrap(), "0");
        assert_eq!(scaled(".5", 1).unwrap(), "5");
        assert_eq!(scaled("1.239", 2).unwrap_err(), Misfit::Fraction);
        assert_eq!(scaled("12345678901", 0).unwrap_err(), Misfit::Range);
        for text in ["", "+", ".", "e1", "1e", "1a", " 1", "1 ", "0x1", "1.2.3", "--1", "nan", "1e999999"] {
            assert!(NumberText::parse(text.as_bytes()).is_none(), "{text}");
        }
    }
}
