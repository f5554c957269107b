//! Dates and times by a pattern such as `dd/MM/yyyy HH:mm`, as Java's DateTimeFormatter has them.

use std::fmt;

use crate::csv::temporal::civil;
use crate::error::{ConnectorError, Result};

/// A pattern of letters that stand for parts of a date and time. Numbers only: names of months, zones and eras are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateTimePattern {
    text: String,
    items: Vec<Item>,
}

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// A number of a field, of at least and at most so many digits.
    Number(Field, usize, usize),
    /// The digits of a second, exactly so many.
    Fraction(usize),
    /// These bytes.
    Literal(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// A date and time, as its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) year: u32,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) nanosecond: u32,
}

impl DateTimePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Code Option for a letter that is not read, naming it.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |what: String| {
            let message =
                format!("the pattern '{}': {what}; y M d H m s S and text in '…' are read", text.escape_debug());
            ConnectorError::option(message)
        };
        let mut items = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            if letter == '\'' {
                let mut quoted = String::new();
                loop {
                    match rest.next() {
                        Some('\'') if rest.peek() == Some(&'\'') => {
                            rest.next();
                            quoted.push('\'');
                        }
                        Some('\'') => break,
                        Some(other) => quoted.push(other),
                        None => return Err(refuse("a ' is not closed".to_owned())),
                    }
                }
                literal.extend(if quoted.is_empty() { b"'".to_vec() } else { quoted.into_bytes() });
                continue;
            }
            if !letter.is_ascii_alphabetic() {
                if matches!(letter, '[' | ']' | '{' | '}' | '#') {
                    return Err(refuse(format!("{letter} is not read")));
                }
                literal.extend(letter.to_string().into_bytes());
                continue;
            }
            let mut count = 1;
            while rest.next_if_eq(&letter).is_some() {
                count += 1;
            }
            let item = match (letter, count) {
                ('y' | 'u', 4) => Item::Number(Field::Year, 4, 4),
                ('y' | 'u', 1) => Item::Number(Field::Year, 1, 9),
                ('M' | 'L', 1 | 2) => Item::Number(Field::Month, count, 2),
                ('d', 1 | 2) => Item::Number(Field::Day, count, 2),
                ('H', 1 | 2) => Item::Number(Field::Hour, count, 2),
                ('m', 1 | 2) => Item::Number(Field::Minute, count, 2),
                ('s', 1 | 2) => Item::Number(Field::Second, count, 2),
                ('S', 1..=9) => Item::Fraction(count),
                _ => return Err(refuse(format!("{} is not read", letter.to_string().repeat(count)))),
            };
            if !literal.is_empty() {
                items.push(Item::Literal(std::mem::take(&mut literal)));
            }
            items.push(item);
        }
        if !literal.is_empty() {
            items.push(Item::Literal(literal));
        }
        let has = |wanted| items.iter().any(|item| matches!(item, Item::Number(field, ..) if *field == wanted));
        if !(has(Field::Year) && has(Field::Month) && has(Field::Day)) {
            return Err(refuse("it needs year, month and day".to_owned()));
        }
        Ok(Self { text: text.to_owned(), items })
    }

    /// The parts that a text names, all of it; whether there is such a day is for the caller to say.
    pub(super) fn read(&self, text: &[u8]) -> Option<Parts> {
        let mut parts = Parts { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, nanosecond: 0 };
        let mut rest = text;
        for (index, item) in self.items.iter().enumerate() {
            match item {
                Item::Literal(bytes) => rest = rest.strip_prefix(bytes.as_slice())?,
                Item::Fraction(digits) => {
                    let value = number(&mut rest, *digits, *digits)?;
                    parts.nanosecond = value * 10u32.pow(9 - *digits as u32);
                }
                Item::Number(field, least, most) => {
                    // numbers that touch each other are of exactly the letters' count, as in yyyyMMdd
                    let touches = matches!(self.items.get(index + 1), Some(Item::Number(..) | Item::Fraction(_)));
                    let value = number(&mut rest, *least, if touches { *least } else { *most })?;
                    match field {
                        Field::Year => parts.year = value,
                        Field::Month => parts.month = value,
                        Field::Day => parts.day = value,
                        Field::Hour => parts.hour = value,
                        Field::Minute => parts.minute = value,
                        Field::Second => parts.second = value,
                    }
                }
            }
        }
        rest.is_empty().then_some(parts)
    }
}

impl DateTimePattern {
    /// Appends a day since 1970 and a time of day in microseconds.
    pub(crate) fn append(&self, out: &mut Vec<u8>, days: i64, micros: i64) {
        let (year, month, day) = civil(i32::try_from(days).unwrap_or(i32::MAX));
        let seconds = u32::try_from(micros / 1_000_000).unwrap_or(0);
        for item in &self.items {
            match item {
                Item::Literal(bytes) => out.extend_from_slice(bytes),
                Item::Fraction(digits) => {
                    let nanos = format!("{:09}", micros % 1_000_000 * 1000);
                    out.extend_from_slice(&nanos.as_bytes()[..(*digits).min(9)]);
                }
                Item::Number(field, least, _) => {
                    let value = match field {
                        Field::Year => u32::try_from(year).unwrap_or(0),
                        Field::Month => month,
                        Field::Day => day,
                        Field::Hour => seconds / 3600,
                        Field::Minute => seconds / 60 % 60,
                        Field::Second => seconds % 60,
                    };
                    out.extend_from_slice(format!("{value:0least$}").as_bytes());
                }
            }
        }
    }

    /// Whether the pattern has all parts of a time of day in microseconds that are not zero.
    pub(crate) fn keeps(&self, micros: i64) -> bool {
        let has = |wanted| self.items.iter().any(|item| matches!(item, Item::Number(field, ..) if *field == wanted));
        let digits = self.items.iter().map(|item| if let Item::Fraction(digits) = item { *digits } else { 0 }).max();
        let seconds = micros / 1_000_000;
        let unit = 10i64.pow(6 - u32::try_from(digits.unwrap_or(0).min(6)).unwrap_or(0));
        (seconds / 3600 == 0 || has(Field::Hour))
            && (seconds / 60 % 60 == 0 || has(Field::Minute))
            && (seconds % 60 == 0 || has(Field::Second))
            && micros % 1_000_000 % unit == 0
    }
}

impl fmt::Display for DateTimePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Digits at the front, as many as there are up to `most`.
fn number(rest: &mut &[u8], least: usize, most: usize) -> Option<u32> {
    let digits = rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if digits < least {
        return None;
    }
    let (front, back) = rest.split_at(digits);
    *rest = back;
    std::str::from_utf8(front).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, text: &str) -> Option<(u32, u32, u32, u32, u32, u32, u32)> {
        let parts = DateTimePattern::parse(pattern).unwrap().read(text.as_bytes())?;
        Some((parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second, parts.nanosecond))
    }

    #[test]
    fn a_text_is_read_by_its_pattern() {
        assert_eq!(read("dd/MM/yyyy", "07/08/2024"), Some((2024, 8, 7, 0, 0, 0, 0)));
        assert_eq!(read("d/M/yyyy", "7/8/2024"), Some((2024, 8, 7, 0, 0, 0, 0)));
        assert_eq!(read("d/M/yyyy", "17/12/2024"), Some((2024, 12, 17, 0, 0, 0, 0)));
        assert_eq!(read("yyyyMMdd", "20240807"), Some((2024, 8, 7, 0, 0, 0, 0)));
        assert_eq!(read("yyyyMMddHHmmss", "20240807123456"), Some((2024, 8, 7, 12, 34, 56, 0)));
        assert_eq!(
            read("yyyy-MM-dd'T'HH:mm:ss.SSS", "2024-08-07T12:34:56.789"),
            Some((2024, 8, 7, 12, 34, 56, 789_000_000))
        );
        assert_eq!(read("yyyy''MM dd", "2024'08 07"), Some((2024, 8, 7, 0, 0, 0, 0)));
        assert_eq!(read("yyyy年MM月dd日", "2024年08月07日"), Some((2024, 8, 7, 0, 0, 0, 0)));
        for text in ["7/08/2024", "07/08/24", "07-08-2024", "07/08/2024 ", "", "07/08/20245"] {
            assert_eq!(read("dd/MM/yyyy", text), None, "{text}");
        }
    }

    #[test]
    fn patterns_that_are_not_read_are_refused_by_name() {
        for (pattern, named) in [
            ("yyyy-MMM-dd", "MMM"),
            ("yyyy-MM-dd hh:mm a", "hh"),
            ("yyyy-MM-dd HH:mm:ssXXX", "XXX"),
            ("yyyy-MM-dd['T'HH]", "["),
            ("yy-MM-dd", "yy"),
            ("HH:mm", "year"),
            ("yyyy-MM-dd'", "not closed"),
        ] {
            let error = DateTimePattern::parse(pattern).unwrap_err();
            assert!(error.message().contains(named), "{error}");
        }
    }
}
