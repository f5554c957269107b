//! `${env:NAME}` and `${file:PATH}`: values that are read when a catalog is opened, and where they may stand.

use crate::token::{Token, TokenKind};

/// A reference as the whole text between the quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference<'a> {
    Env(&'a str),
    File(&'a str),
}

/// Reads the text between the quotes.
pub(crate) fn reference(inner: &str) -> Option<Reference<'_>> {
    let body = inner.strip_prefix("${")?.strip_suffix('}')?;
    if let Some(name) = body.strip_prefix("env:") {
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        return is_name.then_some(Reference::Env(name));
    }
    let path = body.strip_prefix("file:")?;
    let is_path = !path.is_empty() && !path.contains(['}', '{', '\n', '\r', '\'', '"', '`']);
    is_path.then_some(Reference::File(path))
}

/// The words before the `(` of a property list.
const LIST_WORDS: &[&str] = &["properties", "options", "tblproperties", "serdeproperties"];

/// The tokens that are values in property lists: strings behind `name =`, or behind a name alone, in a list's own parentheses.
pub(crate) fn property_values(text: &str, tokens: &[Token]) -> Vec<usize> {
    let mut values = Vec::new();
    let mut at = 0;
    while at + 1 < tokens.len() {
        let is_list = LIST_WORDS.iter().any(|word| tokens[at].is_word(text, word)) && tokens[at + 1].is_symbol("(");
        at += 1;
        if is_list {
            at = list_values(tokens, at + 1, &mut values);
        }
    }
    values
}

/// Collects the values of one list and returns the index behind it.
fn list_values(tokens: &[Token], start: usize, values: &mut Vec<usize>) -> usize {
    let mut depth = 1;
    let mut entry = start;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.kind {
            TokenKind::Symbol("(") => depth += 1,
            TokenKind::Symbol(")") => depth -= 1,
            TokenKind::Symbol(",") if depth == 1 => entry = at + 1,
            TokenKind::String | TokenKind::QuotedName if depth == 1 && at > entry => {
                let before = &tokens[at - 1];
                let has_name =
                    before.is_symbol("=") || (at == entry + 1 && !matches!(before.kind, TokenKind::Symbol(_)));
                if has_name {
                    values.push(at);
                }
            }
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}
