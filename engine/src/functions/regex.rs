//! Java's regular expressions, as `split`, `regexp_extract` and `regexp_replace` of Spark and Hive take them.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use regex::Regex;

use super::by_row::{ByRow, Parameter, Row, RowResult, Value, texts_type};

/// How many bytes a compiled expression may take.
const SIZE_LIMIT: usize = 4 << 20;

/// Regular expressions that were compiled, by their text.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<String, Regex>);

impl Patterns {
    fn get(&mut self, function: &str, pattern: &str) -> Result<&Regex> {
        if !self.0.contains_key(pattern) {
            // patterns that come from a column must not pile up
            if self.0.len() >= 64 {
                self.0.clear();
            }
            let mistake = |why: String| {
                DataFusionError::Execution(format!(
                    "{function}: the regular expression {pattern:?} cannot be used: {why}; look-around, back references and possessive \
                     quantifiers of Java are not supported"
                ))
            };
            let regex = regex::RegexBuilder::new(&translate(pattern).map_err(mistake)?)
                .size_limit(SIZE_LIMIT)
                .build()
                .map_err(|error| mistake(error.to_string()))?;
            self.0.insert(pattern.to_owned(), regex);
        }
        self.0.get(pattern).ok_or_else(|| DataFusionError::Internal("a regular expression is gone".to_owned()))
    }
}

/// Java's text in the terms of the regex crate, where the two differ: `\d \w \s` are ASCII, `.` ends at all line ends, `\Q…\E` quotes.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut letters = pattern.chars().peekable();
    let mut depth = 0_usize;
    let mut after_quantifier = false;
    while let Some(letter) = letters.next() {
        let was_quantifier = std::mem::take(&mut after_quantifier);
        match letter {
            '\\' => match letters.next() {
                None => return Err("it ends with a backslash".to_owned()),
                Some('Q') => {
                    let mut quoted = String::new();
                    for letter in letters.by_ref() {
                        quoted.push(letter);
                        if quoted.ends_with("\\E") {
                            quoted.truncate(quoted.len() - 2);
                            break;
                        }
                    }
                    out.push_str(&regex::escape(&quoted));
                }
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[a-zA-Z0-9_]"),
                Some('W') => out.push_str("[^a-zA-Z0-9_]"),
                Some('s') => out.push_str("[ \\t\\n\\x0B\\x0C\\r]"),
                Some('S') => out.push_str("[^ \\t\\n\\x0B\\x0C\\r]"),
                Some('h') => out.push_str("[ \\t\\u{a0}]"),
                Some('Z') => out.push_str("\\n?\\z"),
                Some('R') => out.push_str("(?:\\r\\n|[\\n\\x0B\\x0C\\r])"),
                Some('e') => out.push_str("\\x1B"),
                // a boundary of words in the crate, the letter itself in Java
                Some(other @ ('<' | '>')) => out.push(other),
                Some(other) if other.is_ascii_digit() => return Err(format!("\\{other} refers back")),
                Some(other) if !other.is_ascii_alphanumeric() => out.push_str(&regex::escape(&other.to_string())),
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
            },
            '[' => {
                depth += 1;
                out.push('[');
            }
            ']' if depth > 0 => {
                depth -= 1;
                out.push(']');
            }
            '.' if depth == 0 => out.push_str("[^\\n\\r\\u{85}\\u{2028}\\u{2029}]"),
            '+' if was_quantifier => return Err("it has a possessive quantifier".to_owned()),
            '*' | '+' | '?' | '}' if depth == 0 => {
                // the ? of a lazy quantifier ends it
                after_quantifier = !was_quantifier;
                out.push(letter);
            }
            // difference and symmetric difference in the crate, plain letters in Java
            '-' | '~' if depth > 0 && letters.peek() == Some(&letter) => {
                out.push('\\');
                out.push(letter);
            }
            '(' if depth == 0 => {
                out.push('(');
                // the ? that follows is no quantifier
                if letters.peek() == Some(&'?') {
                    out.extend(letters.next());
                }
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

/// `split(text, pattern[, limit])`: the parts, with the empty ones at the end.
pub(super) fn split() -> ByRow {
    ByRow {
        name: "split",
        parameters: &[Parameter::Text, Parameter::Text, Parameter::Whole],
        required: 2,
        repeats: false,
        returns: texts_type(),
        body: |row: &mut Row<'_>| -> RowResult {
            let (Some(text), Some(pattern)) = (row.text(0), row.text(1)) else { return Ok(None) };
            let limit = if row.count() > 2 {
                let Some(limit) = row.whole(2) else { return Ok(None) };
                usize::try_from(limit).unwrap_or(0)
            } else {
                0
            };
            let regex = row.patterns.get("split", pattern)?;
            Ok(Some(Value::Texts(parts(regex, text, limit))))
        },
    }
}

/// As `java.lang.String.split`: a match of no width at the start gives no part. An empty pattern gives the letters (Spark 3.4 and later).
fn parts(regex: &Regex, text: &str, limit: usize) -> Vec<String> {
    if text.is_empty() {
        return vec![String::new()];
    }
    if regex.as_str().is_empty() {
        return text.chars().take(if limit > 0 { limit } else { usize::MAX }).map(String::from).collect();
    }
    let mut parts = Vec::new();
    let mut from = 0;
    for found in regex.find_iter(text) {
        if limit > 0 && parts.len() + 1 == limit {
            break;
        }
        let is_empty = found.start() == found.end();
        if is_empty && found.end() == 0 {
            continue;
        }
        parts.push(text[from..found.start()].to_owned());
        from = found.end();
    }
    parts.push(text[from..].to_owned());
    parts
}

/// `regexp_extract(text, pattern[, group])`: the first match, `''` if there is none.
pub(super) fn extract() -> ByRow {
    ByRow {
        name: "regexp_extract",
        parameters: &[Parameter::Text, Parameter::Text, Parameter::Whole],
        required: 2,
        repeats: false,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let (Some(text), Some(pattern)) = (row.text(0), row.text(1)) else { return Ok(None) };
            let group = if row.count() > 2 { row.whole(2) } else { Some(1) };
            let Some(group) = group else { return Ok(None) };
            let regex = row.patterns.get("regexp_extract", pattern)?;
            let groups = regex.captures_len() - 1;
            let number = usize::try_from(group).ok().filter(|number| *number <= groups).ok_or_else(|| {
                DataFusionError::Execution(format!(
                    "regexp_extract: there is no group {group} in {pattern:?}, which has {groups}"
                ))
            })?;
            let found = regex.captures(text).and_then(|found| found.get(number));
            Ok(Some(Value::Text(found.map_or_else(String::new, |found| found.as_str().to_owned()))))
        },
    }
}

/// `regexp_replace(text, pattern, replacement[, start])`: all matches; `$1` is a group, `\$` a dollar.
pub(super) fn replace() -> ByRow {
    ByRow {
        name: "regexp_replace",
        parameters: &[Parameter::Text, Parameter::Text, Parameter::Text, Parameter::Whole],
        required: 3,
        repeats: false,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let (Some(text), Some(pattern), Some(replacement)) = (row.text(0), row.text(1), row.text(2)) else {
                return Ok(None);
            };
            let start = if row.count() > 3 {
                let Some(start) = row.whole(3) else { return Ok(None) };
                usize::try_from(start - 1).map_err(|_| {
                    DataFusionError::Execution(format!("regexp_replace: the start is {start}, and the first is 1"))
                })?
            } else {
                0
            };
            let regex = row.patterns.get("regexp_replace", pattern)?;
            let from = text.char_indices().nth(start).map_or(text.len(), |(at, _)| at);
            if start > 0 && from == text.len() {
                return Ok(Some(Value::Text(text.to_owned())));
            }
            let mut out = text[..from].to_owned();
            let mut last = from;
            let rest = &text[from..];
            for found in regex.captures_iter(rest) {
                let Some(whole) = found.get(0) else { continue };
                out.push_str(&text[last..from + whole.start()]);
                expand(&found, replacement, &mut out)?;
                last = from + whole.end();
            }
            out.push_str(&text[last..]);
            Ok(Some(Value::Text(out)))
        },
    }
}

/// As `java.util.regex.Matcher.appendReplacement`: further digits belong to a group's number as long as there is such a group.
fn expand(found: &regex::Captures<'_>, replacement: &str, out: &mut String) -> Result<()> {
    let mistake = |why: String| DataFusionError::Execution(format!("regexp_replace: {why} in {replacement:?}"));
    let mut letters = replacement.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.push(letters.next().ok_or_else(|| mistake("nothing follows the backslash".to_owned()))?),
            '$' if letters.peek() == Some(&'{') => {
                letters.next();
                let name: String = letters.by_ref().take_while(|letter| *letter != '}').collect();
                out.push_str(found.name(&name).map_or("", |group| group.as_str()));
            }
            '$' => {
                let digit = letters.next().and_then(|letter| letter.to_digit(10));
                let mut group = digit.ok_or_else(|| mistake("no group follows the $".to_owned()))? as usize;
                if group >= found.len() {
                    return Err(mistake(format!("there is no group {group}")));
                }
                while let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(10)) {
                    let longer = group * 10 + digit as usize;
                    if longer >= found.len() {
                        break;
                    }
                    group = longer;
                    letters.next();
                }
                out.push_str(found.get(group).map_or("", |group| group.as_str()));
            }
            other => out.push(other),
        }
    }
    Ok(())
}
