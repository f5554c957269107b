//! Step 2: parameters are put into a statement.
//!
//! The text is rebuilt token by token, then read again: every token that a value went into must have become exactly what it has to be,
//! at exactly the place where it stands. So a value can be as odd as it likes; whether it broke out is seen, not guessed.

use std::ops::Range;

use crate::dialect::SqlDialect;
use crate::error::{ErrorCode, SqlError};
use crate::parameters::{ParameterValue, Parameters};
use crate::reference::{property_values, reference};
use crate::source::{Piece, Prepared, Replacement};
use crate::token::{TextKind, Token, TokenKind, placeholder, tokenize};

/// The name that a [`Replacement`] bears when it is a literal `${` or `$<`, typed as `$${` or `$$<`.
pub const LITERAL: &str = "$";

/// Puts the parameters into a statement.
///
/// `${name}`, `$<name>` and `${expression}` are replaced, outside comments; `$${` and `$$<` become `${` and `$<`; `$1`, `$[0]` and `$$` stay.
/// A placeholder and the word characters that touch it are one token, which must become one word, one number (a sign may precede it) or one
/// quoted string, unless the parameter is RAW. Inside quotes the string must end where it ended. `${env:NAME}` and `${file:PATH}` stay where
/// they are the whole quoted value of a property, for [`parse`](crate::parse).
///
/// # Errors
/// [`ErrorCode::UndefinedParameter`], [`ErrorCode::UnsafeParameter`], [`ErrorCode::ParameterValue`], [`ErrorCode::NotYet`] and
/// [`ErrorCode::Reference`], at the placeholder.
pub fn substitute(piece: &Piece, parameters: &Parameters, dialect: SqlDialect) -> Result<Prepared, SqlError> {
    let text = piece.text();
    let read = tokenize(text, dialect, TextKind::Script);
    if let Some(unterminated) = read.unterminated {
        return Err(unterminated.error().at(piece.file.position(piece.range.start + unterminated.offset)));
    }
    let mut builder = Builder {
        piece,
        parameters,
        text,
        prepared: String::with_capacity(text.len()),
        replacements: Vec::new(),
        checks: Vec::new(),
    };
    builder.build(&read.tokens)?;
    builder.finish(dialect)
}

/// What a token that holds values must be when the text is read again.
struct Check {
    range: Range<usize>,
    shape: Shape,
    /// The placeholder that is blamed.
    replacement: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One word, one number or one quoted string.
    Token,
    /// A quoted token that ends where it ended.
    Quoted,
}

struct Builder<'a> {
    piece: &'a Piece,
    parameters: &'a Parameters,
    /// The statement as typed.
    text: &'a str,
    prepared: String,
    replacements: Vec<Replacement>,
    checks: Vec<Check>,
}

impl Builder<'_> {
    fn build(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        let references = property_values(self.text, tokens);
        let mut copied = 0;
        let mut at = 0;
        while at < tokens.len() {
            let token = &tokens[at];
            self.prepared.push_str(&self.text[copied..token.range.start]);
            let run = run_length(&tokens[at..]);
            match token.kind {
                TokenKind::String | TokenKind::QuotedName | TokenKind::PrefixedString => {
                    let may_refer = references.contains(&at) && token.kind != TokenKind::PrefixedString;
                    self.quoted(token, may_refer)?;
                }
                TokenKind::Escape => self.literal(token.range.clone()),
                _ if run > 0 => self.run(&tokens[at..at + run])?,
                TokenKind::Other if token.text(self.text) == "$" && self.text[token.range.end..].starts_with('{') => {
                    return Err(self.error_at(
                        SqlError::new(ErrorCode::Syntax, "${ without }")
                            .hint("to write the characters ${ themselves, type $${"),
                        token.range.start,
                    ));
                }
                _ => self.prepared.push_str(token.text(self.text)),
            }
            at += run.max(1);
            copied = tokens[at - 1].range.end;
        }
        self.prepared.push_str(&self.text[copied..]);
        Ok(())
    }

    /// Touching words, numbers and placeholders, of which one at least is a placeholder.
    fn run(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        let start = self.prepared.len();
        let first_replacement = self.replacements.len();
        let mut raw = false;
        for token in tokens {
            if token.kind == TokenKind::Placeholder {
                raw |= self.value(token.range.clone())?;
            } else {
                self.prepared.push_str(token.text(self.text));
            }
        }
        if !raw {
            let range = start..self.prepared.len();
            self.checks.push(Check { range, shape: Shape::Token, replacement: first_replacement });
        }
        Ok(())
    }

    /// A string or a quoted name.
    fn quoted(&mut self, token: &Token, may_refer: bool) -> Result<(), SqlError> {
        let typed = token.text(self.text);
        if may_refer && reference(token.inner(self.text)).is_some() {
            self.prepared.push_str(typed);
            return Ok(());
        }
        let start = self.prepared.len();
        let first_replacement = self.replacements.len();
        let mut copied = token.range.start;
        while let Some(dollar) = self.text[copied..token.range.end].find('$') {
            let at = copied + dollar;
            self.prepared.push_str(&self.text[copied..at]);
            let rest = &self.text[at..token.range.end];
            copied = if rest.starts_with("$${") || rest.starts_with("$$<") {
                self.literal(at..at + 3);
                at + 3
            } else if let Some((length, _)) = quoted_placeholder(rest) {
                self.value(at..at + length)?;
                at + length
            } else {
                self.prepared.push('$');
                at + 1
            };
        }
        self.prepared.push_str(&self.text[copied..token.range.end]);
        if self.replacements.len() > first_replacement {
            let range = start..self.prepared.len();
            self.checks.push(Check { range, shape: Shape::Quoted, replacement: first_replacement });
        }
        Ok(())
    }

    /// `$${` becomes `${`.
    fn literal(&mut self, typed: Range<usize>) {
        let text = self.text[typed.start + 1..typed.end].to_owned();
        self.put(&text, typed, LITERAL, false);
    }

    /// Puts a parameter's value in; whether it is RAW.
    fn value(&mut self, typed: Range<usize>) -> Result<bool, SqlError> {
        let body = &self.text[typed.start + 2..typed.end - 1];
        let ParameterValue { text, raw } =
            self.parameters.value(body).map_err(|error| self.error_at(error, typed.start))?;
        self.put(&text, typed, body, raw);
        Ok(raw)
    }

    fn put(&mut self, value: &str, typed: Range<usize>, name: &str, raw: bool) {
        let start = self.prepared.len();
        self.prepared.push_str(value);
        let origin = self.piece.range.start;
        self.replacements.push(Replacement {
            range: start..self.prepared.len(),
            original: origin + typed.start..origin + typed.end,
            name: name.to_owned(),
            raw,
        });
    }

    fn error_at(&self, error: SqlError, offset: usize) -> SqlError {
        error.at(self.piece.file.position(self.piece.range.start + offset))
    }

    /// Reads the result again and checks every token that a value went into.
    fn finish(self, dialect: SqlDialect) -> Result<Prepared, SqlError> {
        let read = tokenize(&self.prepared, dialect, TextKind::Prepared);
        let prepared = Prepared { piece: self.piece.clone(), text: self.prepared, replacements: self.replacements };
        for check in &self.checks {
            if !holds(check, &read.tokens, &prepared.text) {
                return Err(unsafe_value(check, &prepared));
            }
        }
        match read.unterminated {
            None => Ok(prepared),
            Some(unterminated) => Err(unterminated.error().at(prepared.position(unterminated.offset))),
        }
    }
}

/// The number of tokens from the first that touch each other and are words, numbers or placeholders; 0 if none is a placeholder.
fn run_length(tokens: &[Token]) -> usize {
    let belongs = |token: &Token| matches!(token.kind, TokenKind::Word | TokenKind::Number | TokenKind::Placeholder);
    let mut length = 0;
    let mut has_placeholder = false;
    for (at, token) in tokens.iter().enumerate() {
        let touches = at == 0 || tokens[at - 1].range.end == token.range.start;
        if !belongs(token) || !touches {
            break;
        }
        has_placeholder |= token.kind == TokenKind::Placeholder;
        length += 1;
    }
    if has_placeholder { length } else { 0 }
}

/// A placeholder inside quotes, whose body may hold what would end one outside.
fn quoted_placeholder(rest: &str) -> Option<(usize, &str)> {
    if let Some(body) = rest.strip_prefix("${") {
        let end = body.find('}')?;
        return Some((end + 3, &body[..end]));
    }
    placeholder(rest)
}

fn holds(check: &Check, tokens: &[Token], text: &str) -> bool {
    let at = tokens.partition_point(|token| token.range.start < check.range.start);
    let Some(token) = tokens.get(at).filter(|token| token.range.start == check.range.start) else { return false };
    if check.shape == Shape::Quoted {
        return token.range == check.range;
    }
    match token.kind {
        TokenKind::Word => token.range == check.range && !token.text(text).starts_with('@'),
        TokenKind::Number | TokenKind::String => token.range == check.range,
        TokenKind::Symbol("-" | "+") => tokens.get(at + 1).is_some_and(|number| {
            number.kind == TokenKind::Number && number.range == (token.range.end..check.range.end)
        }),
        _ => false,
    }
}

fn unsafe_value(check: &Check, prepared: &Prepared) -> SqlError {
    let replacement = &prepared.replacements[check.replacement];
    let position = prepared.piece.file.position(replacement.original.start);
    let name = &replacement.name;
    let error = match check.shape {
        Shape::Quoted => {
            SqlError::new(ErrorCode::UnsafeParameter, format!("the value of {name} would end the quotes it stands in"))
                .hint("double the quote or escape the backslash in the value")
        }
        Shape::Token => SqlError::new(
            ErrorCode::UnsafeParameter,
            format!("with the value of {name} this is not one word, one number or one quoted string"),
        )
        .hint("put it in quotes, or declare it with SET PARAMETER RAW or --raw if it is to be any SQL"),
    };
    error.at(position)
}

#[cfg(test)]
mod tests;
