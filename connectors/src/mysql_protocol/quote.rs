//! Names and values inside SQL text, for servers that read MySQL's quotes and backslashes.
//!
//! These are the only functions that put a name or a value into SQL that we send. They assume a session without
//! `ANSI_QUOTES` and `NO_BACKSLASH_ESCAPES`, which [`connect`](super::connect) sees to.

use std::fmt::Write;

use crate::error::{ConnectorError, ErrorCode, Result};

/// A name between backticks, with backticks in it doubled.
///
/// # Errors
/// [`ErrorCode::Name`] for an empty name or one with a NUL, which no server can hold.
pub fn identifier(name: &str) -> Result<String> {
    if name.is_empty() || name.contains('\0') {
        return Err(ConnectorError::new(ErrorCode::Name, "a name is empty or holds a NUL character"));
    }
    Ok(format!("`{}`", name.replace('`', "``")))
}

/// `database`.`table`, both quoted.
///
/// # Errors
/// As [`identifier`].
pub fn table_name(database: &str, table: &str) -> Result<String> {
    Ok(format!("{}.{}", identifier(database)?, identifier(table)?))
}

/// A text between single quotes.
pub fn text_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\'' => literal.push_str("''"),
            '\\' => literal.push_str("\\\\"),
            '\0' => literal.push_str("\\0"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\u{1a}' => literal.push_str("\\Z"),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}

/// Bytes as `X'…'`.
pub fn bytes_literal(bytes: &[u8]) -> String {
    let mut literal = String::with_capacity(2 * bytes.len() + 3);
    literal.push_str("X'");
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(literal, "{byte:02x}");
    }
    literal.push('\'');
    literal
}

/// A condition that the user wrote, in parentheses. A comment at its end ends with its line.
pub(crate) fn in_parentheses(condition: &str) -> String {
    let end = if condition.contains("--") || condition.contains('#') { "\n" } else { "" };
    format!("({condition}{end})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtick_cannot_leave_a_name() {
        assert_eq!(identifier("a`; DROP TABLE t; --").unwrap(), "`a``; DROP TABLE t; --`");
        assert_eq!(table_name("d", "表").unwrap(), "`d`.`表`");
        assert!(identifier("").is_err());
        assert!(identifier("a\0b").is_err());
    }

    #[test]
    fn a_quote_or_backslash_cannot_leave_a_text() {
        assert_eq!(text_literal("it's"), "'it''s'");
        assert_eq!(text_literal("\\' OR 1=1 -- "), "'\\\\'' OR 1=1 -- '");
        assert_eq!(text_literal("a\0\n\r\u{1a}é😀%_\""), "'a\\0\\n\\r\\Zé😀%_\"'");
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(bytes_literal(&[0, 39, 92, 255]), "X'00275cff'");
        assert_eq!(bytes_literal(&[]), "X''");
    }
}
