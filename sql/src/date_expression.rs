//! DataWorks's date expressions: `${yyyymmdd-1}` on the business date, `$[yyyymmddhh24miss-1/24]` on the planned time ("Supported formats of
//! scheduling parameters").
//!
//! ```text
//! on the business date  format [±N]               N counts the smallest unit in the format: days, months or years
//! on the planned time   format [±N…]              N counts days and may be a fraction: 7*2, 1/24/60
//!                       add_months(format, ±N) [±N…]
//! ```
//!
//! A format is text with `yyyy yy mm dd` in it, and with `hh24 hh12 hh mi ss` on the planned time. What looks like an offset behind the last of
//! them is one; every other sign is a separator. Whole days are days of the calendar, at the same time of the clock; fractions are time that
//! passes, so that an hour before 3:00 is 1:00 where the clock was put forward at 2:00.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};

use crate::clocks::Clocks;
use crate::error::{ErrorCode, SqlError};
use crate::render::escape_control;

/// The value of what stands in `${…}`; None if it is no date expression at all, but a name.
///
/// # Errors
/// [`ErrorCode::ParameterValue`], pointing into the expression, for one that cannot be read or whose date is outside the calendar.
pub(crate) fn on_business_date(body: &str, clocks: &Clocks) -> Result<Option<String>, SqlError> {
    if body.starts_with("add_months(") {
        return Err(
            Mistake::at(0, "add_months is for the planned time", Some("write $[add_months(…)]")).shown("${", body, "}")
        );
    }
    if !begins_as_format(body) {
        return Ok(None);
    }
    let shown = |mistake: Mistake| mistake.shown("${", body, "}");
    let (format, terms) = parts(body).map_err(shown)?;
    if let Some((at, token)) = format.tokens().find(|(_, token)| !token.is_of_date()) {
        let way_out = Some("the business date has no time of day: write $[…] for the planned time");
        return Err(shown(Mistake::at(at, format!("{} is no part of a date", token.text()), way_out)));
    }
    let count = match terms.as_slice() {
        [] => 0,
        [term] => term.whole().map_err(shown)?,
        [_, second, ..] => return Err(shown(Mistake::at(second.at, "only one offset is allowed here", None))),
    };
    let unit = format.smallest_unit();
    let span = match unit {
        Token::Day => Span::new().try_days(count),
        Token::Month => Span::new().try_months(count),
        _ => Span::new().try_years(count),
    };
    let at = terms.first().map_or(0, |term| term.at);
    let outside = || shown(Mistake::at(at, "the date is outside the years 1 to 9999", None));
    let date = span.and_then(|span| clocks.bizdate.checked_add(span)).map_err(|_| outside())?;
    in_calendar(date).then(|| Some(format.print(date.to_datetime(jiff::civil::Time::midnight())))).ok_or_else(outside)
}

/// The value of what stands in `$[…]`.
///
/// # Errors
/// As [`on_business_date`].
pub(crate) fn on_planned_time(body: &str, clocks: &Clocks) -> Result<String, SqlError> {
    planned(body, clocks).map_err(|mistake| mistake.shown("$[", body, "]"))
}

fn planned(body: &str, clocks: &Clocks) -> Result<String, Mistake> {
    let (months, months_at, format, terms) = match body.strip_prefix("add_months(") {
        None => {
            let (format, terms) = parts(body)?;
            (0, 0, format, terms)
        }
        Some(inside) => {
            let start = body.len() - inside.len();
            let end = inside.find(')').ok_or_else(|| Mistake::at(body.len(), "a ) is missing", None))?;
            let way_out = Some("write add_months(yyyymmdd,-1)");
            let comma =
                inside[..end].rfind(',').ok_or_else(|| Mistake::at(start + end, "a comma is missing", way_out))?;
            let format = Format::read(inside[..comma].trim_end(), start)?;
            let at = start + comma + 1;
            let count = Term::read(&inside[comma + 1..end], at, Sign::Optional)?;
            let terms = terms(&body[start + end + 1..], start + end + 1)?;
            (count.whole()?, at, format, terms)
        }
    };
    let outside = |at: usize| Mistake::at(at, "the time is outside the years 1 to 9999", None);
    let months = Span::new().try_months(months).map_err(|_| outside(months_at))?;
    let mut time = clocks.cyctime.checked_add(months).map_err(|_| outside(months_at))?;
    for term in &terms {
        let (days, seconds) = term.days_and_seconds()?;
        let days = Span::new().try_days(days).map_err(|_| outside(term.at))?;
        time = time.checked_add(days).map_err(|_| outside(term.at))?;
        time = after(time, seconds, &clocks.timezone).ok_or_else(|| outside(term.at))?;
    }
    match in_calendar(time.date()) {
        true => Ok(format.print(time)),
        false => Err(outside(terms.first().map_or(months_at, |term| term.at))),
    }
}

/// What the clock of a zone shows so many seconds later.
fn after(time: DateTime, seconds: i64, zone: &TimeZone) -> Option<DateTime> {
    if seconds == 0 {
        return Some(time);
    }
    let zoned = zone.to_ambiguous_zoned(time).compatible().ok()?;
    Some(zoned.checked_add(SignedDuration::from_secs(seconds)).ok()?.datetime())
}

fn in_calendar(date: Date) -> bool {
    date.year() >= 1
}

fn begins_as_format(body: &str) -> bool {
    // a name such as `ddl` or `mm_id` begins so too
    Token::at_start(body).is_some() && !Format::cut(body).1.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// A format and the offsets behind it.
fn parts(body: &str) -> Result<(Format, Vec<Term>), Mistake> {
    let (format, rest) = Format::cut(body);
    let format = Format::read(format, 0)?;
    // separators at the end belong to the format, an offset does not
    let offset =
        rest.find(['+', '-']).filter(|at| rest[at + 1..].trim_start().starts_with(|c: char| c.is_ascii_digit()));
    let (separators, offset) = rest.split_at(offset.unwrap_or(rest.len()));
    let at = body.len() - rest.len();
    if let Some((odd, c)) = separators.char_indices().find(|(_, c)| !is_separator(*c)) {
        let way_out = Some("text that is no part of the date goes outside: ${yyyymm}01");
        return Err(Mistake::at(
            at + odd,
            format!("{} cannot stand in a format", escape_control(&c.to_string())),
            way_out,
        ));
    }
    let separators = if offset.is_empty() { separators } else { separators.trim_end() };
    Ok((format.followed_by(separators), terms(offset, body.len() - offset.len())?))
}

/// `-1`, `+7*2`, `-1/24/60`, one behind the other.
fn terms(text: &str, at: usize) -> Result<Vec<Term>, Mistake> {
    let mut terms = Vec::new();
    let mut start = 0;
    while !text[start..].trim().is_empty() {
        let own = text[start..].trim_start();
        let from = text.len() - own.len();
        let next = own.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-'));
        let end = next.map_or(text.len(), |(next, _)| from + next);
        terms.push(Term::read(&text[from..end], at + from, Sign::Needed)?);
        start = end;
    }
    Ok(terms)
}

/// A part of a format that a clock fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Year,
    ShortYear,
    Month,
    Day,
    Hour24,
    Hour12,
    Minute,
    Second,
}

/// Longest first.
const TOKENS: &[(&str, Token)] = &[
    ("yyyy", Token::Year),
    ("hh24", Token::Hour24),
    ("hh12", Token::Hour12),
    ("yy", Token::ShortYear),
    ("mm", Token::Month),
    ("dd", Token::Day),
    ("hh", Token::Hour12),
    ("mi", Token::Minute),
    ("ss", Token::Second),
];

impl Token {
    fn at_start(text: &str) -> Option<(&'static str, Self)> {
        TOKENS.iter().find(|(name, _)| text.starts_with(name)).copied()
    }

    fn is_of_date(self) -> bool {
        matches!(self, Self::Year | Self::ShortYear | Self::Month | Self::Day)
    }

    fn text(self) -> &'static str {
        TOKENS.iter().find(|(_, token)| *token == self).map_or("", |(text, _)| text)
    }

    fn print(self, time: DateTime) -> String {
        match self {
            Self::Year => format!("{:04}", time.year()),
            Self::ShortYear => format!("{:02}", time.year() % 100),
            Self::Month => format!("{:02}", time.month()),
            Self::Day => format!("{:02}", time.day()),
            Self::Hour24 => format!("{:02}", time.hour()),
            Self::Hour12 => format!("{:02}", (time.hour() + 11) % 12 + 1),
            Self::Minute => format!("{:02}", time.minute()),
            Self::Second => format!("{:02}", time.second()),
        }
    }
}

/// `-`, `/`, `:`, a blank, a Chinese sign: what is no letter, digit or bracket of ASCII.
fn is_separator(c: char) -> bool {
    c == '_' || !(c.is_ascii_alphanumeric() || c.is_control() || "$[]{}()<>,*'\"`\\;=".contains(c))
}

/// Tokens and the text between them.
#[derive(Debug, Clone)]
struct Format(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    /// With its place in the expression.
    Token(usize, Token),
    Text(String),
}

impl Format {
    /// A text up to the end of its last token, and the rest.
    fn cut(text: &str) -> (&str, &str) {
        let (mut end, mut at) = (0, 0);
        while let Some(c) = text[at..].chars().next() {
            if let Some((name, _)) = Token::at_start(&text[at..]) {
                at += name.len();
                end = at;
            } else if is_separator(c) {
                at += c.len_utf8();
            } else {
                break;
            }
        }
        text.split_at(end)
    }

    /// Reads a text that holds tokens and separators only; it begins at `start` of the expression.
    fn read(text: &str, start: usize) -> Result<Self, Mistake> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if let Some((name, token)) = Token::at_start(&text[at..]) {
                parts.push(Part::Token(start + at, token));
                at += name.len();
            } else if is_separator(c) {
                parts.push(Part::Text(c.to_string()));
                at += c.len_utf8();
            } else {
                let way_out = Some("formats are made of yyyy yy mm dd hh24 hh12 hh mi ss, in lower case");
                let sign = escape_control(&c.to_string());
                return Err(Mistake::at(start + at, format!("{sign} begins no part of a date"), way_out));
            }
        }
        let format = Self(parts);
        if format.tokens().next().is_none() {
            return Err(Mistake::at(start, "a format is missing", Some("write one such as yyyymmdd, in lower case")));
        }
        Ok(format)
    }

    fn followed_by(mut self, separators: &str) -> Self {
        if !separators.is_empty() {
            self.0.push(Part::Text(separators.to_owned()));
        }
        self
    }

    fn tokens(&self) -> impl Iterator<Item = (usize, Token)> {
        self.0.iter().filter_map(|part| match part {
            Part::Token(at, token) => Some((*at, *token)),
            Part::Text(_) => None,
        })
    }

    fn smallest_unit(&self) -> Token {
        let has = |wanted: Token| self.tokens().any(|(_, token)| token == wanted);
        [Token::Day, Token::Month].into_iter().find(|unit| has(*unit)).unwrap_or(Token::Year)
    }

    fn print(&self, time: DateTime) -> String {
        let print = |part: &Part| match part {
            Part::Token(_, token) => token.print(time),
            Part::Text(text) => text.clone(),
        };
        self.0.iter().map(print).collect()
    }
}

/// An offset: a fraction, as `±7*2/24`, in lowest terms as they come.
#[derive(Debug, Clone, Copy)]
struct Term {
    at: usize,
    over: i64,
    under: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Needed,
    Optional,
}

impl Term {
    fn read(text: &str, at: usize, sign: Sign) -> Result<Self, Mistake> {
        let wrong = |offset: usize, what: &str| {
            Mistake::at(at + offset, what.to_owned(), Some("write an offset such as -1, +7*2 or -1/24"))
        };
        let trimmed = text.trim_start();
        let mut place = text.len() - trimmed.len();
        let negative = trimmed.starts_with('-');
        match trimmed.starts_with(['+', '-']) {
            true => place += 1,
            false if sign == Sign::Needed => return Err(wrong(place, "a + or - is missing")),
            false => {}
        }
        let mut term = Self { at, over: if negative { -1 } else { 1 }, under: 1 };
        let mut operator = '*';
        loop {
            place += text[place..].len() - text[place..].trim_start().len();
            let digits = text[place..].bytes().take_while(u8::is_ascii_digit).count();
            let sign_again = sign == Sign::Optional && operator == '*' && text[place..].starts_with('-');
            if sign_again {
                // 12*-1, as people write for twelve months back
                term.over = -term.over;
                place += 1;
                continue;
            }
            if digits == 0 {
                return Err(wrong(place, "a number is missing"));
            }
            let number: i64 =
                text[place..place + digits].parse().map_err(|_| wrong(place, "the number is too large"))?;
            let product = match operator {
                '*' => term.over.checked_mul(number).map(|over| term.over = over),
                _ if number == 0 => return Err(wrong(place, "nothing can be divided by 0")),
                _ => term.under.checked_mul(number).map(|under| term.under = under),
            };
            product.ok_or_else(|| wrong(place, "the number is too large"))?;
            place += digits;
            place += text[place..].len() - text[place..].trim_start().len();
            match text[place..].chars().next() {
                None => return Ok(term),
                Some(next @ ('*' | '/')) => {
                    operator = next;
                    place += 1;
                }
                Some(_) => return Err(wrong(place, "this is no part of an offset")),
            }
        }
    }

    /// The offset as a whole number.
    fn whole(self) -> Result<i64, Mistake> {
        match self.over % self.under {
            0 if self.under == 1 => Ok(self.over),
            _ => Err(Mistake::at(
                self.at,
                "a fraction is not allowed here",
                Some("fractions of days are for the planned time: $[yyyymmddhh24-1/24]"),
            )),
        }
    }

    /// An offset of days as whole days and seconds, rounded to the nearest second.
    fn days_and_seconds(self) -> Result<(i64, i64), Mistake> {
        let (over, under) = (i128::from(self.over), i128::from(self.under));
        let (days, part) = (over / under, over % under);
        let twice = part * 86_400 * 2;
        let seconds = (twice + under * twice.signum()) / (under * 2);
        let fits =
            |number: i128| i64::try_from(number).map_err(|_| Mistake::at(self.at, "the number is too large", None));
        Ok((fits(days)?, fits(seconds)?))
    }
}

/// What is wrong, and at which byte of the expression.
struct Mistake {
    at: usize,
    what: String,
    way_out: Option<&'static str>,
}

impl Mistake {
    fn at(at: usize, what: impl Into<String>, way_out: Option<&'static str>) -> Self {
        Self { at, what: what.into(), way_out }
    }

    fn shown(self, open: &str, body: &str, close: &str) -> SqlError {
        let whole = escape_control(&format!("{open}{body}{close}"));
        let place = match body.get(self.at..) {
            None | Some("") => "its end".to_owned(),
            Some(rest) => format!("\"{}\"", escape_control(rest)),
        };
        let text = format!("{whole}, at {place}: {}", self.what);
        let error = SqlError::new(ErrorCode::ParameterValue, text);
        match self.way_out {
            Some(way_out) => error.hint(way_out),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests;
