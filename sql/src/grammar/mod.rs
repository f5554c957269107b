//! Syncline's own statements, read by hand over tokens.

mod catalog;
mod copy;
mod create_table;
mod external_table;
mod file_clauses;
mod file_format;
mod insert;
mod partition;
mod session;

pub(crate) use catalog::{alter_catalog, create_catalog, drop_catalog};
pub(crate) use copy::copy;
pub(crate) use create_table::create_table;
pub(crate) use external_table::external_table;
pub(crate) use file_format::is_file_format;
pub(crate) use insert::{insert, inserts_into_a_directory};
pub(crate) use partition::{alter_table, repair_table, show_partitions};
pub(crate) use session::{set, show, source, use_place};

use std::ops::Range;

use crate::error::{ErrorCode, SqlError};
use crate::query::parse_query;
use crate::reference::{Reference, reference};
use crate::route::route;
use crate::statement::{Name, Property, PropertyValue, Query};
use crate::statement_text::StatementText;
use crate::token::{Token, TokenKind};

/// The query in these tokens, and the tables that it names.
fn query_of(statement: &StatementText<'_>, tokens: Range<usize>) -> Result<Query, SqlError> {
    let query_route = route(statement, tokens.clone());
    query_route.refuse_unknown(statement)?;
    parse_query(statement, tokens, &query_route)
}

/// A place among the tokens of a statement.
pub(crate) struct Cursor<'a> {
    pub(crate) statement: &'a StatementText<'a>,
    /// The next token.
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(statement: &'a StatementText<'a>, at: usize) -> Self {
        Self { statement, at }
    }

    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.peek_nth(0)
    }

    pub(crate) fn peek_nth(&self, n: usize) -> Option<&'a Token> {
        self.statement.tokens.get(self.at + n)
    }

    /// Whether these words come next.
    pub(crate) fn is_at(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(n, word)| self.peek_nth(n).is_some_and(|token| token.is_word(self.statement.text(), word)))
    }

    /// Whether one of these words comes next.
    pub(crate) fn is_at_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_at(&[word]))
    }

    pub(crate) fn is_at_symbol(&self, symbol: &str) -> bool {
        self.peek().is_some_and(|token| token.is_symbol(symbol))
    }

    /// Takes these words if they come next.
    pub(crate) fn take(&mut self, words: &[&str]) -> bool {
        let found = self.is_at(words);
        if found {
            self.at += words.len();
        }
        found
    }

    pub(crate) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_at_symbol(symbol);
        if found {
            self.at += 1;
        }
        found
    }

    pub(crate) fn expect(&mut self, words: &[&str]) -> Result<(), SqlError> {
        if self.take(words) { Ok(()) } else { Err(self.expected(&words.join(" ").to_uppercase())) }
    }

    pub(crate) fn expect_symbol(&mut self, symbol: &str) -> Result<(), SqlError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    pub(crate) fn expect_end(&self) -> Result<(), SqlError> {
        if self.at >= self.statement.tokens.len() { Ok(()) } else { Err(self.expected("the end of the statement")) }
    }

    /// `expected …, found …` at the next token.
    pub(crate) fn expected(&self, what: &str) -> SqlError {
        self.statement.expected(what, self.at, self.statement.tokens.len())
    }

    pub(crate) fn error(&self, code: ErrorCode, message: impl Into<String>) -> SqlError {
        self.statement.error(code, message, self.at)
    }

    /// The text of the next token, and past it.
    pub(crate) fn next_value(&mut self) -> String {
        let value = self.statement.value(self.at);
        self.at += 1;
        value
    }

    /// A string.
    pub(crate) fn string(&mut self, what: &str) -> Result<String, SqlError> {
        if self.peek().is_some_and(|token| token.kind == TokenKind::String) {
            return Ok(self.next_value());
        }
        Err(self.expected(what))
    }

    /// A string's text between the quotes, as typed.
    pub(crate) fn raw_string(&mut self, what: &str) -> Result<&'a str, SqlError> {
        let token = self.peek().filter(|token| token.kind == TokenKind::String).ok_or_else(|| self.expected(what))?;
        self.at += 1;
        Ok(token.inner(self.statement.text()))
    }

    /// One to `max` parts with dots between.
    pub(crate) fn name(&mut self, what: &str, max: usize) -> Result<Name, SqlError> {
        let first = self.at;
        let mut parts = Vec::new();
        loop {
            if !self.peek().is_some_and(Token::is_name) {
                return Err(self.expected(what));
            }
            parts.push(self.next_value());
            if !self.is_at_symbol(".") {
                break;
            }
            if parts.len() == max {
                return Err(
                    self.error(ErrorCode::Syntax, format!("this name has too many parts: {what} has at most {max}"))
                );
            }
            self.at += 1;
        }
        Ok(self.statement.name(parts, first))
    }

    /// A catalog's name: letters of any script, digits, `_`, `-`; it needs no quotes where only a catalog can stand.
    pub(crate) fn catalog_name(&mut self) -> Result<Name, SqlError> {
        let first = self.at;
        let mut name = String::new();
        let mut end = None;
        while let Some(token) = self.peek() {
            let touches = end.is_none_or(|end| end == token.range.start);
            let belongs = matches!(token.kind, TokenKind::Word | TokenKind::Number) || token.is_symbol("-");
            let is_quoted = token.kind == TokenKind::QuotedName && name.is_empty();
            if !touches || !(belongs || is_quoted) {
                break;
            }
            name.push_str(&self.next_value());
            end = Some(token.range.end);
            if is_quoted {
                break;
            }
        }
        if name.is_empty() {
            return Err(self.expected("a catalog's name"));
        }
        if self.is_at_symbol(".") {
            return Err(self.error(ErrorCode::Syntax, "a catalog's name has one part"));
        }
        if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
            let error = self.statement.error(ErrorCode::Syntax, format!("'{name}' cannot name a catalog"), first);
            return Err(error.hint("use letters, digits, _ and -"));
        }
        Ok(self.statement.name(vec![name], first))
    }

    /// `IF NOT EXISTS`.
    pub(crate) fn if_not_exists(&mut self) -> Result<bool, SqlError> {
        if !self.is_at(&["if"]) {
            return Ok(false);
        }
        self.expect(&["if", "not", "exists"]).map(|()| true)
    }

    /// `IF EXISTS`.
    pub(crate) fn if_exists(&mut self) -> Result<bool, SqlError> {
        if !self.is_at(&["if"]) {
            return Ok(false);
        }
        self.expect(&["if", "exists"]).map(|()| true)
    }

    /// `COMMENT ['='] 'text'` if it comes next.
    pub(crate) fn comment(&mut self) -> Result<Option<String>, SqlError> {
        if !self.take(&["comment"]) {
            return Ok(None);
        }
        self.take_symbol("=");
        self.string("the comment in quotes").map(Some)
    }

    /// `('name' = 'value', …)`; a name may be unquoted and dotted, a value a number or a word, and the `=` may be missing.
    pub(crate) fn properties(&mut self) -> Result<Vec<Property>, SqlError> {
        self.expect_symbol("(")?;
        let mut properties: Vec<Property> = Vec::new();
        while !self.take_symbol(")") {
            if !properties.is_empty() {
                self.expect_symbol(",")?;
                // a comma behind the last property is a common slip
                if self.take_symbol(")") {
                    break;
                }
            }
            let at = self.at;
            let property = self.property()?;
            if properties.iter().any(|other| other.name.eq_ignore_ascii_case(&property.name)) {
                let message = format!("the property {} is given twice", property.name);
                return Err(self.statement.error(ErrorCode::Option, message, at));
            }
            properties.push(property);
        }
        Ok(properties)
    }

    fn property(&mut self) -> Result<Property, SqlError> {
        let name = match self.peek() {
            Some(token) if token.kind == TokenKind::String => self.next_value(),
            Some(token) if token.is_name() => self.property_name(),
            _ => return Err(self.expected("a property's name")),
        };
        self.take_symbol("=");
        let position = self.statement.position(self.at);
        let value = self.property_value()?;
        Ok(Property { name, value, position })
    }

    fn property_name(&mut self) -> String {
        let mut name = self.next_value();
        while self.is_at_symbol(".") && self.peek_nth(1).is_some_and(Token::is_name) {
            self.at += 1;
            name.push('.');
            name.push_str(&self.next_value());
        }
        name
    }

    fn property_value(&mut self) -> Result<PropertyValue, SqlError> {
        let text = self.statement.text();
        let Some(token) = self.peek() else { return Err(self.expected("the property's value")) };
        // in the standard's dialect "…" is a name, but between these parentheses nothing but text can be meant
        let is_text = matches!(token.kind, TokenKind::String | TokenKind::QuotedName);
        if is_text {
            let inner = token.inner(text);
            let value = self.next_value();
            if !self.statement.is_replaced(token) {
                match reference(inner) {
                    Some(Reference::Env(name)) => return Ok(PropertyValue::Env(name.to_owned())),
                    Some(Reference::File(path)) => return Ok(PropertyValue::File(path.to_owned())),
                    None => {}
                }
            }
            return Ok(PropertyValue::Text { value, raw: inner.to_owned() });
        }
        let first = token.range.start;
        let is_signed = token.is_symbol("-") || token.is_symbol("+");
        self.at += usize::from(is_signed);
        let value = self.peek().filter(|token| matches!(token.kind, TokenKind::Number | TokenKind::Word));
        let Some(value) = value else { return Err(self.expected("the property's value in quotes")) };
        self.at += 1;
        let typed = &text[first..value.range.end];
        Ok(PropertyValue::Text { value: typed.to_owned(), raw: typed.to_owned() })
    }
}
