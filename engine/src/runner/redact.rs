//! Statement texts that may be shown: literal secrets become `***`.

use crate::catalogs::{is_secret, without_password};

/// A statement's text without the secrets that it holds literally: values of secret properties, passwords behind `IDENTIFIED BY`,
/// passwords and signatures in URLs. What is no secret stays as typed.
pub(crate) fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['\'', '"', '`', '-', '#', '/']) {
        let (before, from) = rest.split_at(start);
        shown.push_str(before);
        if let Some(length) = comment_length(from) {
            shown.push_str(&from[..length]);
            rest = &from[length..];
            continue;
        }
        let quote = from.as_bytes()[0];
        if !matches!(quote, b'\'' | b'"' | b'`') {
            shown.push_str(&from[..1]);
            rest = &from[1..];
            continue;
        }
        let length = quoted_length(from, quote);
        let literal = &from[..length];
        let inner = literal.get(1..length.saturating_sub(1)).unwrap_or("");
        let is_reference = inner.starts_with("${") && inner.ends_with('}');
        if quote != b'`' && !is_reference && is_secret_place(&shown) {
            shown.push(char::from(quote));
            shown.push_str("***");
            shown.push(char::from(quote));
        } else if quote != b'`' && inner.contains("://") {
            shown.push(char::from(quote));
            shown.push_str(&without_password(inner));
            shown.push(char::from(quote));
        } else {
            shown.push_str(literal);
        }
        rest = &from[length..];
    }
    shown.push_str(rest);
    shown
}

/// The length of a comment that starts here.
fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("-- ") || text.starts_with("--\t") || text.starts_with("--\n") || text.starts_with('#') {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let inner = text.strip_prefix("/*")?;
    Some(inner.find("*/").map_or(text.len(), |end| end + 4))
}

/// The length of a quoted text with its quotes: a doubled quote and, but for backticks, a backslash protect.
fn quoted_length(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote != b'`' => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Whether what stands before a quoted text makes it a secret.
fn is_secret_place(before: &str) -> bool {
    let before = before.trim_end();
    let upper = before.to_ascii_uppercase();
    if upper.ends_with("IDENTIFIED BY") || upper.ends_with("IDENTIFIED BY PASSWORD") || upper.ends_with("PASSWORD(") {
        return true;
    }
    let ends_in_by_or_as = upper.ends_with(" BY") || upper.ends_with(" AS");
    if ends_in_by_or_as && upper.contains("IDENTIFIED WITH") {
        return true;
    }
    let Some(name) = before.strip_suffix('=') else { return false };
    let name = name.trim_end().trim_end_matches(['"', '\'', '`']);
    let start = name
        .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-')))
        .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
    is_secret(&name[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_secrets_are_not_shown() {
        for (text, shown) in [
            (
                r#"PROPERTIES ("user" = "root", "password" = "pw\"x")"#,
                r#"PROPERTIES ("user" = "root", "password" = "***")"#,
            ),
            ("x (password='a''b', c='d')", "x (password='***', c='d')"),
            (r#""password" = "${env:PW}""#, r#""password" = "${env:PW}""#),
            ("CREATE USER 'a'@'%' IDENTIFIED BY 'secret'", "CREATE USER 'a'@'%' IDENTIFIED BY '***'"),
            ("SET PASSWORD = PASSWORD('x')", "SET PASSWORD = PASSWORD('***')"),
            ("LOCATION 'https://h/x?Expires=1&Signature=abc'", "LOCATION 'https://h/x?Expires=1&Signature=***'"),
            ("\"url\" = \"jdbc:mysql://u:p@h:3306/d\"", "\"url\" = \"jdbc:mysql://u:***@h:3306/d\""),
            ("SELECT 'it''s' -- don't\n, \"a\"", "SELECT 'it''s' -- don't\n, \"a\""),
            ("SELECT 1 / 2 - 3 /* ' */ # '\n", "SELECT 1 / 2 - 3 /* ' */ # '\n"),
            ("SELECT 'open", "SELECT 'open"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}
