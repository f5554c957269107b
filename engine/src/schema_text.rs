//! `id BIGINT, name STRING`: names and types of columns in one text, as the option `schema` has them.

use arrow::datatypes::DataType;
use syncline_connectors::ConnectorError;
use syncline_connectors::text::hive_type;

use crate::error::Result;

/// Names and types, in order. A name may stand in backticks.
///
/// # Errors
/// Code Option for a text that is none.
pub(crate) fn columns(text: &str) -> Result<Vec<(String, DataType)>> {
    let wrong = |item: &str| {
        let message = format!("option \"schema\": \"{}\" is no name and type, such as id BIGINT", item.escape_debug());
        ConnectorError::option(message)
    };
    let mut columns = Vec::new();
    for item in items(text) {
        let item = item.trim();
        let (name, data_type) = match item.strip_prefix('`') {
            Some(rest) => {
                let end = closing_backtick(rest).ok_or_else(|| wrong(item))?;
                (rest[..end].replace("``", "`"), &rest[end + 1..])
            }
            None => {
                let (name, data_type) = item.split_once(char::is_whitespace).ok_or_else(|| wrong(item))?;
                (name.to_owned(), data_type)
            }
        };
        if name.is_empty() || data_type.trim().is_empty() {
            return Err(wrong(item).into());
        }
        columns.push((name, hive_type(data_type.trim())?));
    }
    Ok(columns)
}

/// The text between commas that are in no parentheses, angle brackets and backticks.
fn items(text: &str) -> Vec<&str> {
    let (mut depth, mut in_name, mut start, mut items) = (0, false, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'`' => in_name = !in_name,
            _ if in_name => {}
            b'(' | b'<' => depth += 1,
            b')' | b'>' => depth -= 1,
            b',' if depth == 0 => {
                items.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&text[start..]);
    items
}

/// Where a name ends whose backticks are doubled.
fn closing_backtick(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text[at..].find('`')?;
        if !text[at + 1..].starts_with('`') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_names_and_types() {
        let text = "id BIGINT, `a``b, c` STRING,price DECIMAL(18,2), tags ARRAY<STRING>";
        let read = columns(text).unwrap();
        let names: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "a`b, c", "price", "tags"]);
        assert_eq!(read[2].1, DataType::Decimal128(18, 2));
        for text in ["", "id", "`id BIGINT", "id BIGINT,", "id NOTYPE"] {
            assert!(columns(text).is_err(), "{text}");
        }
    }
}
