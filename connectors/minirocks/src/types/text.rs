//! Reading values from text as StarRocks's CSV converters do. Each function returns `None` for text that is no value of its
//! type; what becomes of that (NULL or a filtered row) is the caller's decision.

/// Nanoseconds are not kept; a fraction of a second has at most this many digits.
const FRACTION_DIGITS: usize = 6;
/// Microseconds of a day.
pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// An integer of up to 128 bits. Decimal text is cut at the point: `1.999` is 1.
pub(crate) fn integer(text: &[u8]) -> Option<i128> {
    let text = trim(text);
    let (negative, digits) = sign(text);
    let (whole, fraction) = match digits.iter().position(|&b| b == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut value: i128 = 0;
    for &byte in whole {
        if !byte.is_ascii_digit() {
            return None;
        }
        let digit = i128::from(byte - b'0');
        // Counting down for negatives reaches the smallest value, which has no positive twin.
        value = value.checked_mul(10)?;
        value = if negative { value.checked_sub(digit)? } else { value.checked_add(digit)? };
    }
    Some(value)
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// A floating-point number; `inf` and `nan` in any case are values, a finite text that overflows is none.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(trim(text)).ok()?;
    let value: f64 = text.parse().ok()?;
    let names_infinity = text.bytes().any(|b| b.eq_ignore_ascii_case(&b'n'));
    (!value.is_infinite() || names_infinity).then_some(value)
}

/// TRUE or FALSE: the words in any case, or any number (0 is FALSE).
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    let text = trim(text);
    match text {
        b"1" => Some(true),
        b"0" => Some(false),
        _ if text.eq_ignore_ascii_case(b"true") => Some(true),
        _ if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => float(text).map(|number| number != 0.0),
    }
}

/// A decimal, as an integer of units of 10^-scale. Digits beyond `precision` are cut, then digits beyond `scale` are rounded
/// half away from zero (StarRocks: `string_to_decimal`).
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits) = sign(trim(text));
    let precision = u32::from(precision);
    let mut value: i128 = 0;
    let mut significant = 0;
    // Digits of `value` behind the point.
    let mut behind: i64 = 0;
    let mut seen_point = false;
    let mut seen_digit = false;
    let mut at = 0;
    while let Some(&byte) = digits.get(at) {
        match byte {
            b'0'..=b'9' => {
                seen_digit = true;
                if significant == precision {
                    // The value is full: a digit of the fraction is cut, one before the point is too many.
                    if !seen_point {
                        behind -= 1;
                    }
                } else {
                    value = value * 10 + i128::from(byte - b'0');
                    significant += u32::from(value != 0);
                    behind += i64::from(seen_point);
                }
            }
            b'.' if !seen_point => seen_point = true,
            b'e' | b'E' if seen_digit => break,
            _ => return None,
        }
        at += 1;
    }
    if !seen_digit {
        return None;
    }
    if at < digits.len() {
        let exponent: i64 = std::str::from_utf8(&digits[at + 1..]).ok()?.parse().ok()?;
        behind = behind.checked_sub(exponent)?;
    }
    let shift = i64::from(scale) - behind;
    let unscaled = if value == 0 {
        0
    } else if shift >= 0 {
        value.checked_mul(10_i128.checked_pow(u32::try_from(shift).ok()?)?)?
    } else {
        match u32::try_from(-shift).ok().and_then(|power| 10_i128.checked_pow(power)) {
            Some(divisor) => value / divisor + i128::from(value % divisor >= divisor - value % divisor),
            None => 0,
        }
    };
    let limit = 10_i128.checked_pow(precision)?;
    (unscaled < limit).then_some(if negative { -unscaled } else { unscaled })
}

/// A date, in days since 1970-01-01. A time of day behind it is dropped.
pub(crate) fn date(text: &[u8]) -> Option<i32> {
    let micros = datetime(text)?;
    i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()
}

/// A date and time, in microseconds since 1970-01-01 00:00:00 without a zone. A date alone is its midnight; a final `Z` is
/// passed over.
pub(crate) fn datetime(text: &[u8]) -> Option<i64> {
    let text = trim(text);
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut reader = Reader { text, at: 0 };
    let (date, has_separators) = match digits {
        14 | 8 => ([reader.number(4)?, reader.number(2)?, reader.number(2)?], false),
        12 | 6 => ([short_year(reader.number(2)?), reader.number(2)?, reader.number(2)?], false),
        1..=4 => {
            let year = reader.number(digits)?;
            let year = if digits <= 2 { short_year(year) } else { year };
            reader.separator()?;
            let month = reader.number_up_to(2)?;
            reader.separator()?;
            ([year, month, reader.number_up_to(2)?], true)
        }
        _ => return None,
    };
    let days = days_from_civil(date[0], date[1], date[2])?;
    let packed = matches!(digits, 12 | 14);
    if !packed && reader.is_at_end() {
        return Some(i64::from(days) * MICROS_PER_DAY);
    }
    if !packed && !reader.skip(b'T') {
        if !reader.skip(b' ') {
            return None;
        }
        while reader.skip(b' ') {}
    }
    let [hour, minute, second] = if has_separators || reader.text.get(reader.at + 2) == Some(&b':') {
        let hour = reader.number_up_to(2)?;
        reader.colon()?;
        let minute = reader.number_up_to(2)?;
        let second = if reader.is_at_end() {
            0
        } else {
            reader.colon()?;
            reader.number_up_to(2)?
        };
        [hour, minute, second]
    } else {
        [reader.number(2)?, reader.number(2)?, reader.number(2)?]
    };
    let mut micros = 0;
    if reader.skip(b'.') {
        let mut count = 0;
        while let Some(digit) = reader.digit() {
            if count < FRACTION_DIGITS {
                micros = micros * 10 + i64::from(digit);
                count += 1;
            }
        }
        while count < FRACTION_DIGITS {
            micros *= 10;
            count += 1;
        }
    }
    reader.skip(b'Z');
    if !reader.is_at_end() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some(i64::from(days) * MICROS_PER_DAY + seconds * 1_000_000 + micros)
}

/// Years of two digits below 70 are 20xx, others 19xx.
fn short_year(year: u32) -> u32 {
    if year < 70 { 2000 + year } else { 1900 + year }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn digit(&mut self) -> Option<u32> {
        let byte = *self.text.get(self.at)?;
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        self.at += 1;
        Some(digit)
    }

    /// A number of exactly this many digits.
    fn number(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |number, _| Some(number * 10 + self.digit()?))
    }

    /// A number of at least one digit.
    fn number_up_to(&mut self, count: usize) -> Option<u32> {
        let mut number = self.digit()?;
        for _ in 1..count {
            let Some(digit) = self.digit() else { break };
            number = number * 10 + digit;
        }
        Some(number)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn colon(&mut self) -> Option<()> {
        self.skip(b':').then_some(())
    }

    /// Any one byte that is no digit.
    fn separator(&mut self) -> Option<()> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        (byte.is_ascii_punctuation() || byte == b' ').then_some(())
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, years 0 to 9999; `None` if there is no such day.
pub(crate) fn days_from_civil(year: u32, month: u32, day: u32) -> Option<i32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if day == 0 || day > longest || year > 9999 {
        return None;
    }
    // Counting years from March puts the leap day at the end of the year.
    let shifted_year = i32::try_from(year).ok()? - i32::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = i32::try_from((153 * month_from_march + 2) / 5 + day - 1).ok()?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Bytes of a VARBINARY: base64, or the text itself if it is none.
pub(crate) fn binary(text: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let trimmed = trim(text);
    base64::engine::general_purpose::STANDARD.decode(trimmed).unwrap_or_else(|_| text.to_vec())
}

/// A JSON value in the server's spelling. Text that begins like an object or array is parsed; any other is a JSON string.
pub(crate) fn json(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    if text.trim_start().starts_with(['{', '[']) {
        serde_json::from_str::<serde_json::Value>(text).ok().and_then(|value| json_text(&value))
    } else {
        json_text(&serde_json::Value::from(text))
    }
}

/// A JSON value as StarRocks prints it: `{"a": 1, "b": [1, 2]}`.
pub(crate) fn json_text(value: &serde_json::Value) -> Option<String> {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, SpacedFormatter);
    serde::Serialize::serialize(value, &mut serializer).ok()?;
    String::from_utf8(text).ok()
}

struct SpacedFormatter;

impl serde_json::ser::Formatter for SpacedFormatter {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}
