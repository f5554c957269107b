//! Where a script's text holds secrets, so that what is shown of it can leave them out.
//!
//! It is better to hide too much: a string is judged by the name before it, by the statement it stands in, and by what it holds.

use std::ops::Range;

use crate::dialect::SqlDialect;
use crate::token::{TextKind, Token, TokenKind, tokenize};

/// Parts of the names of properties and URL options whose values are secret.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "access_key",
    "accesskey",
    "access.key",
    "credential",
    "authorization",
    "cookie",
    "signature",
];

/// Words of SQL behind which strings are passwords.
const SECRET_WORDS: &[[&str; 2]] =
    &[["identified", "by"], ["identified", "with"], ["set", "password"], ["password", "("]];

/// The byte ranges of a text that hold secrets, in order and apart from each other: values of secret properties, what follows
/// IDENTIFIED BY, SET PASSWORD and PASSWORD(, passwords and query values in URLs, also inside strings and comments. References (`${…}`) are none.
pub fn secret_ranges(text: &str, dialect: SqlDialect) -> Vec<Range<usize>> {
    let read = tokenize(text, dialect, TextKind::Prepared);
    let mut found = Vec::new();
    // whether a string here is a password whatever its name
    let mut is_about_passwords = false;
    let mut shown = 0;
    for (at, token) in read.tokens.iter().enumerate() {
        // comments lie between tokens
        in_text(text, shown..token.range.start, &mut found);
        shown = token.range.end;
        let before = &read.tokens[..at];
        if token.is_symbol(";") {
            is_about_passwords = false;
        } else if let Some(inner) = quoted(text, token) {
            in_string(text, inner, is_about_passwords || is_secret_behind(text, before), &mut found);
        } else if let Some(last) = before.last() {
            is_about_passwords |= SECRET_WORDS.iter().any(|[first, second]| {
                last.is_word(text, first) && (token.is_word(text, second) || token.is_symbol(second))
            });
        }
    }
    let is_secret = read.unterminated.is_some() && (is_about_passwords || is_secret_behind(text, &read.tokens));
    let rest = read.unterminated.map_or(shown, |open| (open.offset + 1).min(text.len()));
    in_string(text, rest..text.len(), is_secret, &mut found);
    merged(found)
}

/// What is between the quotes of a token that may be a string in some dialect.
fn quoted(text: &str, token: &Token) -> Option<Range<usize>> {
    let is_string = match token.kind {
        TokenKind::String => true,
        TokenKind::QuotedName => text[token.range.clone()].starts_with('"'),
        TokenKind::PrefixedString => return Some(token.range.clone()),
        _ => false,
    };
    is_string.then(|| token.range.start + 1..token.range.end - 1)
}

fn in_string(text: &str, inner: Range<usize>, is_secret: bool, found: &mut Vec<Range<usize>>) {
    let value = &text[inner.clone()];
    let is_reference = value.starts_with("${") && value.ends_with('}');
    if is_secret && !is_reference {
        found.push(inner);
    } else {
        in_text(text, inner, found);
    }
}

/// Whether the name before a quoted text is that of a secret.
fn is_secret_behind(text: &str, before: &[Token]) -> bool {
    let name = match before {
        [.., name, equals] if equals.is_symbol("=") => name,
        [.., name] => name,
        [] => return false,
    };
    (name.is_name() || name.kind == TokenKind::String) && is_secret_name(name.inner(text))
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret)) || name.starts_with("header.") || name == "sig"
}

/// Secrets in text that is not SQL of its own: a string's inside or a comment.
fn in_text(text: &str, place: Range<usize>, found: &mut Vec<Range<usize>>) {
    let part = &text[place.clone()];
    // passwords in SQL that is sent elsewhere: how its quotes were escaped is not worth knowing
    let lower = part.to_ascii_lowercase();
    for words in SECRET_WORDS {
        if let Some(behind) = behind_words(&lower, words) {
            found.push(place.start + behind..place.end);
        }
    }
    for (at, _) in part.match_indices("://") {
        in_url(part, at + 3, |range| found.push(place.start + range.start..place.start + range.end));
    }
    for (equals, _) in part.match_indices('=') {
        let name = part[..equals].trim_end().trim_end_matches(['"', '\'', '`', '\\']);
        let start = name
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
        if is_secret_name(&name[start..]) {
            let value = &part[equals + 1..];
            let skipped = value.len() - value.trim_start_matches([' ', '\t', '"', '\'', '`', '\\']).len();
            let end = value[skipped..].find(is_value_end).map_or(value.len(), |end| skipped + end);
            push_value(text, place.start + equals + 1 + skipped..place.start + equals + 1 + end, found);
        }
    }
}

/// What ends a value within a text: the next option, blanks and quotes.
fn is_value_end(c: char) -> bool {
    matches!(c, '&' | ';' | ',' | '"' | '\'' | '`' | ')') || c.is_whitespace()
}

fn push_value(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    if !text[range.clone()].starts_with("${") {
        found.push(range);
    }
}

/// The end of two words, one after the other with blanks between them, in a text in lower case.
fn behind_words(text: &str, [first, second]: &[&str; 2]) -> Option<usize> {
    text.match_indices(first).find_map(|(at, _)| {
        let rest = text[at + first.len()..].trim_start().strip_prefix(second)?;
        Some(text.len() - rest.len())
    })
}

/// The login and the query values of a URL whose host or login begins at `start`.
fn in_url(text: &str, start: usize, mut found: impl FnMut(Range<usize>)) {
    let is_end = |c: char| matches!(c, '"' | '\'' | '`') || c.is_whitespace();
    let end = text[start..].find(is_end).map_or(text.len(), |at| start + at);
    let url = &text[start..end];
    let query = url.find('?');
    let path = &url[..query.unwrap_or(url.len())];
    let authority = path.find('/').unwrap_or(path.len());
    let host = match path[..authority].rfind('@') {
        Some(at) => Some(at),
        // a password may hold a slash: a port is all digits
        None => path.rfind('@').filter(|_| {
            path[..authority].rsplit_once(':').is_some_and(|(_, port)| !port.bytes().all(|byte| byte.is_ascii_digit()))
        }),
    };
    if let Some(at) = host {
        let from = path[..at].find(':').map_or(0, |colon| colon + 1);
        found(start + from..start + at);
    }
    let Some(query) = query else { return };
    let mut from = query + 1;
    for pair in url[query + 1..].split('&') {
        if let Some(equals) = pair.find('=') {
            let is_reference = pair[equals + 1..].starts_with("${");
            if !is_reference {
                found(start + from + equals + 1..start + from + pair.len());
            }
        }
        from += pair.len() + 1;
    }
}

/// In order, with those that overlap made one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> String {
        let ranges = secret_ranges(text, SqlDialect::Mysql);
        let is_secret = |at: usize| ranges.iter().any(|range| range.contains(&at));
        text.char_indices().map(|(at, c)| if is_secret(at) { '*' } else { c }).collect()
    }

    #[test]
    fn secrets_are_found_wherever_they_stand() {
        for (text, shown) in [
            (r#"("user" = "root", "password" = "hunter2", x y"#, r#"("user" = "root", "password" = "*******", x y"#),
            ("(access_key_secret 'é\\'x')", "(access_key_secret '****')"),
            (r#""password" = "hunter2"#, r#""password" = "*******"#),
            ("IDENTIFIED BY 'hunter2'", "IDENTIFIED BY '*******'"),
            ("\"url\" = \"jdbc:mysql://root:hunter2@h:1/d\"", "\"url\" = \"jdbc:mysql://root:*******@h:1/d\""),
            ("'password' = '${env:PW}', 'a' = 'b'", "'password' = '${env:PW}', 'a' = 'b'"),
            ("'jdbc:mysql://h/db?user=u&password=PP9'", "'jdbc:mysql://h/db?user=*&password=***'"),
            ("'http://h/f?Signature=SEC&Expires=1&d=${d}'", "'http://h/f?Signature=***&Expires=*&d=${d}'"),
            ("'https://tok@h/x@y' 'http://h:80/x@y'", "'https://***@h/x@y' 'http://h:80/x@y'"),
            ("'mysql://u:p/w@h/d'", "'mysql://u:***@h/d'"),
            ("'host=h;password=abc;port=1'", "'host=h;password=***;port=1'"),
            ("SET PASSWORD FOR 'u' = 'x'; SELECT 'y'", "SET PASSWORD FOR '*' = '*'; SELECT 'y'"),
            ("SELECT PASSWORD('x')", "SELECT PASSWORD('*')"),
            ("ALTER USER 'a' IDENTIFIED WITH p AS 'x'", "ALTER USER 'a' IDENTIFIED WITH p AS '*'"),
            ("CALL remote_execute(c, 'SET PASSWORD = ''x''')", "CALL remote_execute(c, 'SET PASSWORD********')"),
            ("remote_query(c, 'x identified by \"p\"')", "remote_query(c, 'x identified by****')"),
            ("-- \"password\" = \"abc\"\nx", "-- \"password\" = \"***\"\nx"),
            ("SELECT 'a=b', token, x FROM t WHERE y = '1'", "SELECT 'a=b', token, x FROM t WHERE y = '1'"),
        ] {
            assert_eq!(hidden(text), shown);
        }
    }
}
