//! Patterns of dates as Java writes them (`java.time.format.DateTimeFormatter`, as Spark 3 restricts it): `yyyy-MM-dd HH:mm:ss`.

use std::fmt::Write as _;

use datafusion::common::{DataFusionError, Result};
use jiff::civil::{Date, DateTime, Time};

/// A piece of a pattern.
enum Piece {
    Literal(char),
    /// A letter and how often it stands there.
    Field(char, usize),
}

fn pieces(pattern: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' if letters.peek() == Some(&'\'') => {
                letters.next();
                pieces.push(Piece::Literal('\''));
            }
            '\'' => loop {
                match letters.next() {
                    Some('\'') if letters.peek() == Some(&'\'') => {
                        letters.next();
                        pieces.push(Piece::Literal('\''));
                    }
                    Some('\'') => break,
                    Some(other) => pieces.push(Piece::Literal(other)),
                    None => return Err(mistake(pattern, "a quote is not closed")),
                }
            },
            letter if letter.is_ascii_alphabetic() => {
                let mut count = 1;
                while letters.peek() == Some(&letter) {
                    letters.next();
                    count += 1;
                }
                pieces.push(Piece::Field(letter, count));
            }
            '[' | ']' | '{' | '}' | '#' => return Err(mistake(pattern, &format!("{letter} is not supported"))),
            other => pieces.push(Piece::Literal(other)),
        }
    }
    Ok(pieces)
}

fn mistake(pattern: &str, why: &str) -> DataFusionError {
    DataFusionError::Execution(format!(
        "the pattern {pattern:?} cannot be used: {why}; the letters are those of Java, such as 'yyyy-MM-dd HH:mm:ss'"
    ))
}

fn unknown(pattern: &str, letter: char, count: usize) -> DataFusionError {
    let field: String = std::iter::repeat_n(letter, count).collect();
    mistake(pattern, &format!("{field} is not supported"))
}

/// A moment as text.
pub(super) fn format(moment: DateTime, pattern: &str) -> Result<String> {
    let mut text = String::with_capacity(pattern.len() + 16);
    for piece in pieces(pattern)? {
        let (letter, count) = match piece {
            Piece::Literal(letter) => {
                text.push(letter);
                continue;
            }
            Piece::Field(letter, count) => (letter, count),
        };
        let number = |text: &mut String, value: i32| write!(text, "{value:0count$}");
        let quarter = (i32::from(moment.month()) - 1) / 3 + 1;
        let hour = i32::from(moment.hour());
        let written = match (letter, count) {
            ('y' | 'u', 2) => write!(text, "{:02}", moment.year().rem_euclid(100)),
            ('y' | 'u', 1..=6) => number(&mut text, i32::from(moment.year())),
            ('M' | 'L', 1..=2) => number(&mut text, i32::from(moment.month())),
            ('M' | 'L', 3) => write!(text, "{}", moment.strftime("%b")),
            ('M' | 'L', 4) => write!(text, "{}", moment.strftime("%B")),
            ('d', 1..=2) => number(&mut text, i32::from(moment.day())),
            ('D', 1..=3) => number(&mut text, i32::from(moment.date().day_of_year())),
            ('Q' | 'q', 1..=2) => number(&mut text, quarter),
            ('Q' | 'q', 3) => write!(text, "Q{quarter}"),
            ('E', 1..=3) => write!(text, "{}", moment.strftime("%a")),
            ('E', 4) => write!(text, "{}", moment.strftime("%A")),
            ('F', 1) => number(&mut text, (i32::from(moment.day()) - 1) % 7 + 1),
            ('H', 1..=2) => number(&mut text, hour),
            ('k', 1..=2) => number(&mut text, if hour == 0 { 24 } else { hour }),
            ('K', 1..=2) => number(&mut text, hour % 12),
            ('h', 1..=2) => number(&mut text, (hour + 11) % 12 + 1),
            ('m', 1..=2) => number(&mut text, i32::from(moment.minute())),
            ('s', 1..=2) => number(&mut text, i32::from(moment.second())),
            ('S', 1..=9) => {
                text.push_str(&format!("{:09}", moment.subsec_nanosecond())[..count]);
                Ok(())
            }
            ('a', 1) => write!(text, "{}", if hour < 12 { "AM" } else { "PM" }),
            ('G', 1..=3) => write!(text, "AD"),
            ('w' | 'W' | 'Y' | 'e' | 'c', _) => {
                return Err(mistake(pattern, &format!("{letter} counts weeks, which Spark 3 does not support either")));
            }
            _ => return Err(unknown(pattern, letter, count)),
        };
        written.map_err(|error| DataFusionError::Execution(error.to_string()))?;
    }
    Ok(text)
}

/// What text that follows a pattern says; None if it does not follow it.
///
/// # Errors
/// The pattern is wrong.
pub(super) fn parse(text: &str, pattern: &str) -> Result<Option<DateTime>> {
    if pattern.contains('%') {
        return Ok(DateTime::strptime(pattern, text)
            .or_else(|_| Date::strptime(pattern, text).map(|date| date.to_datetime(Time::midnight())))
            .ok());
    }
    let pieces = pieces(pattern)?;
    let mut fields = Fields::default();
    let mut rest = text;
    for (place, piece) in pieces.iter().enumerate() {
        let (letter, count) = match piece {
            Piece::Literal(letter) => match rest.strip_prefix(*letter) {
                Some(after) => {
                    rest = after;
                    continue;
                }
                None => return Ok(None),
            },
            Piece::Field(letter, count) => (*letter, *count),
        };
        let is_digits_next = matches!(pieces.get(place + 1), Some(Piece::Field(letter, _)) if letter.is_ascii_lowercase() || "MLHDS".contains(*letter));
        let taken = match (letter, count) {
            ('a', 1) => fields.half_of_day(rest),
            ('E', 1..=3) => name_of(rest, "%a").map(|(_, after)| after),
            ('E', 4) => name_of(rest, "%A").map(|(_, after)| after),
            ('M' | 'L', 3 | 4) => {
                let names = if count == 3 { "%b" } else { "%B" };
                name_of(rest, names).map(|(month, after)| {
                    fields.month = month;
                    after
                })
            }
            ('S', 1..=9) => digits(rest, count, count).map(|(number, after)| {
                fields.nanos = number * 10_i32.pow(u32::try_from(9 - count).unwrap_or(0));
                after
            }),
            ('y' | 'u', 1 | 3..=6)
            | ('M' | 'L' | 'd' | 'H' | 'h' | 'k' | 'K' | 'm' | 's', 1..=2)
            | ('y' | 'u', 2)
            | ('D', 1..=3) => {
                let most = if count > 1 || is_digits_next { count } else { 9 };
                digits(rest, count, most).map(|(number, after)| {
                    fields.put(letter, count, number);
                    after
                })
            }
            _ => return Err(unknown(pattern, letter, count)),
        };
        match taken {
            Some(after) => rest = after,
            None => return Ok(None),
        }
    }
    Ok(if rest.is_empty() { fields.moment() } else { None })
}

/// A number of `least` to `most` digits.
fn digits(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if length < least {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// The number of a month's or a day's English name at the start of a text.
fn name_of<'a>(text: &'a str, strftime: &str) -> Option<(i32, &'a str)> {
    let is_month = matches!(strftime, "%b" | "%B");
    (1..=if is_month { 12 } else { 7 }).find_map(|number: i8| {
        // in January 2024 the weekdays begin with day 1
        let (month, day) = if is_month { (number, 1) } else { (1, number) };
        let name = Date::new(2024, month, day).ok()?.strftime(strftime).to_string();
        text.strip_prefix(name.as_str()).map(|after| (i32::from(number), after))
    })
}

/// What was read so far.
struct Fields {
    year: i32,
    month: i32,
    day: i32,
    day_of_year: Option<i32>,
    hour: i32,
    is_afternoon: Option<bool>,
    hour_of_half: Option<i32>,
    minute: i32,
    second: i32,
    nanos: i32,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            year: 1970,
            month: 1,
            day: 1,
            day_of_year: None,
            hour: 0,
            is_afternoon: None,
            hour_of_half: None,
            minute: 0,
            second: 0,
            nanos: 0,
        }
    }
}

impl Fields {
    fn put(&mut self, letter: char, count: usize, number: i32) {
        match letter {
            'y' | 'u' if count == 2 => self.year = 2000 + number,
            'y' | 'u' => self.year = number,
            'M' | 'L' => self.month = number,
            'd' => self.day = number,
            'D' => self.day_of_year = Some(number),
            'H' => self.hour = number,
            'k' => self.hour = if number == 24 { 0 } else { number },
            // 13 is out of range, as in Java
            'h' => {
                self.hour_of_half = Some(if number == 12 {
                    0
                } else if number == 0 {
                    99
                } else {
                    number
                })
            }
            'K' => self.hour_of_half = Some(number),
            'm' => self.minute = number,
            _ => self.second = number,
        }
    }

    fn half_of_day<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let (half, after) = text.split_at_checked(2)?;
        self.is_afternoon = Some(match half {
            "AM" => false,
            "PM" => true,
            _ => return None,
        });
        Some(after)
    }

    fn moment(&self) -> Option<DateTime> {
        let hour = match (self.hour_of_half, self.is_afternoon) {
            (Some(hour), _) if hour > 11 => return None,
            (Some(hour), Some(true)) => hour + 12,
            (Some(hour), _) => hour,
            (None, _) => self.hour,
        };
        let part = |value: i32| i8::try_from(value).ok();
        let year = i16::try_from(self.year).ok()?;
        let date = match self.day_of_year {
            Some(day) => jiff::civil::date(year, 1, 1).with().day_of_year(i16::try_from(day).ok()?).build().ok()?,
            None => Date::new(year, part(self.month)?, part(self.day)?).ok()?,
        };
        let time = Time::new(part(hour)?, part(self.minute)?, part(self.second)?, self.nanos).ok()?;
        Some(date.to_datetime(time))
    }
}
