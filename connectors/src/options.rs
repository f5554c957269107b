//! Options of catalogs, tables and writes: names and values as the user wrote them, parsed once by whoever owns them.

use std::fmt;
use std::time::Duration;

use crate::error::{ConnectorError, Result};

/// A text that is never printed: Debug shows `***`, there is no Display.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Named values in the order written; names compare without case. Every value may hold a secret, so Debug prints names only.
///
/// References such as `${env:NAME}` are resolved before a value gets here.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options {
    entries: Vec<(String, Secret)>,
}

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value; a later one of the same name replaces the earlier.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        self.entries.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        self.entries.push((name, Secret::new(value)));
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.expose())
    }

    /// The value of a name, or an error that names it.
    pub fn require(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| ConnectorError::option(format!("option \"{name}\" is missing")))
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|(name, value)| (name, value))).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        let mut options = Self::new();
        for (name, value) in iter {
            options.set(name, value);
        }
        options
    }
}

/// The known name nearest to a misspelt one, if one is near enough to suggest.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    known
        .into_iter()
        .map(|name| (edit_distance(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[right.len()]
}

/// `30`, `30s`, `500ms`, `2m`: a bare number is seconds.
pub(crate) fn duration(name: &str, text: &str) -> Result<Duration> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit.trim() {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let duration = milliseconds.and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit));
    match duration {
        Some(milliseconds @ 1..) => Ok(Duration::from_millis(milliseconds)),
        _ => Err(ConnectorError::option(format!("option \"{name}\" is a time above zero, such as 30s or 500ms"))),
    }
}

/// How often a request is tried again.
pub(crate) fn retries(text: &str) -> Result<u32> {
    match text.trim().parse() {
        Ok(retries @ 0..=20) => Ok(retries),
        _ => Err(ConnectorError::option("option \"retries\" is a whole number from 0 to 20")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let options: Options = [("password", "hunter2")].into_iter().collect();
        assert_eq!(format!("{options:?}"), "{\"password\": ***}");
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        assert_eq!(nearest("pasword", ["user", "password", "url"]), Some("password"));
        assert_eq!(nearest("zzz", ["user", "password", "url"]), None);
    }
}
