//! What `INSERT OVERWRITE DIRECTORY` and `COPY … TO` say of the files that they write.

use super::Cursor;
use super::file_format::FormatReader;
use crate::error::{ErrorCode, SqlError};
use crate::source::Position;
use crate::statement::{FilesStatement, FilesTarget, Name, Property, PropertyValue};
use crate::token::TokenKind;

/// The clauses read so far, in any order.
pub(super) struct FileClauses {
    statement: FilesStatement,
    location: Option<(String, Position)>,
    format: FormatReader,
    partition_columns: Vec<Name>,
    properties: Vec<Property>,
}

impl FileClauses {
    pub(super) fn new(statement: FilesStatement) -> Self {
        Self {
            statement,
            location: None,
            format: FormatReader::default(),
            partition_columns: Vec::new(),
            properties: Vec::new(),
        }
    }

    /// The location, in quotes.
    pub(super) fn location(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
        let at = cursor.at;
        let location = cursor.string("the location in quotes")?;
        cursor.statement.refuse_references(at..cursor.at)?;
        self.location = Some((location, cursor.statement.position(at)));
        Ok(())
    }

    /// The clauses that come next.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
        while self.clause(cursor)? {}
        Ok(())
    }

    fn clause(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, SqlError> {
        let at = cursor.at;
        let is_copy = self.statement == FilesStatement::Copy;
        let is_new = if is_copy && cursor.take(&["partitioned", "by"]) {
            let columns = columns(cursor)?;
            std::mem::replace(&mut self.partition_columns, columns).is_empty()
        } else if self.takes_options(cursor) {
            self.options(cursor)?
        } else {
            return self.format.take(cursor);
        };
        if is_new { Ok(true) } else { Err(cursor.statement.error(ErrorCode::Syntax, "this clause is given twice", at)) }
    }

    /// Takes the words before the options that come next: `[WITH] OPTIONS`, and in COPY none or PostgreSQL's `WITH`.
    fn takes_options(&self, cursor: &mut Cursor<'_>) -> bool {
        if cursor.take(&["with", "options"]) || cursor.take(&["options"]) || cursor.take(&["properties"]) {
            return true;
        }
        let is_open = |n: usize| cursor.peek_nth(n).is_some_and(|token| token.is_symbol("("));
        self.statement == FilesStatement::Copy && (is_open(0) || is_open(1) && cursor.take(&["with"]))
    }

    /// `(name [=] value, flag, …)`: a name alone means true, as in PostgreSQL and DuckDB. Returns whether these are the first.
    fn options(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, SqlError> {
        let is_first = self.properties.is_empty();
        cursor.expect_symbol("(")?;
        let mut has_any = false;
        while !cursor.take_symbol(")") {
            if has_any {
                cursor.expect_symbol(",")?;
                // a comma behind the last option is a common slip
                if cursor.take_symbol(")") {
                    break;
                }
            }
            has_any = true;
            self.option(cursor)?;
        }
        Ok(is_first)
    }

    fn option(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
        let at = cursor.at;
        let is_copy = self.statement == FilesStatement::Copy;
        if is_copy && cursor.is_at_one_of(&["partition_by", "partitioned_by"]) {
            cursor.at += 1;
            cursor.take_symbol("=");
            let columns = match cursor.is_at_symbol("(") {
                true => columns(cursor)?,
                false => vec![cursor.name("a column's name", 1)?],
            };
            return match std::mem::replace(&mut self.partition_columns, columns).is_empty() {
                true => Ok(()),
                false => Err(cursor.statement.error(ErrorCode::Syntax, "this clause is given twice", at)),
            };
        }
        let name = match cursor.peek() {
            Some(token) if token.kind == TokenKind::String => cursor.next_value(),
            Some(token) if token.is_name() => cursor.property_name(),
            _ => return Err(cursor.expected("an option's name")),
        };
        cursor.take_symbol("=");
        let position = cursor.statement.position(cursor.at);
        let value = match cursor.is_at_symbol(",") || cursor.is_at_symbol(")") {
            true => PropertyValue::Text { value: "true".to_owned(), raw: "true".to_owned() },
            false => cursor.property_value()?,
        };
        if self.properties.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
            let message = format!("the option {name} is given twice");
            return Err(cursor.statement.error(ErrorCode::Option, message, at));
        }
        // Spark's spelling of the location
        match (&value, name.eq_ignore_ascii_case("path") && self.location.is_none()) {
            (PropertyValue::Text { value, .. }, true) => self.location = Some((value.clone(), position)),
            _ => self.properties.push(Property { name, value, position }),
        }
        Ok(())
    }

    /// The target and its options.
    pub(super) fn finish(self, cursor: &Cursor<'_>) -> Result<(FilesTarget, Vec<Property>), SqlError> {
        let Some((location, position)) = self.location else {
            return Err(cursor.expected("the location in quotes, or OPTIONS (path = '…')"));
        };
        let target = FilesTarget {
            location,
            position,
            statement: self.statement,
            has_format: self.format.has_format(),
            format: self.format.finish()?,
            partition_columns: self.partition_columns,
        };
        Ok((target, self.properties))
    }
}

/// `(a, b)`.
fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<Name>, SqlError> {
    cursor.expect_symbol("(")?;
    let mut columns = Vec::new();
    loop {
        columns.push(cursor.name("a column's name", 1)?);
        if cursor.take_symbol(")") {
            return Ok(columns);
        }
        if !cursor.take_symbol(",") {
            return Err(cursor.expected(", or )"));
        }
    }
}
