//! `CREATE EXTERNAL TABLE` in the form of Hive and Spark: clauses in any order.

use std::collections::HashSet;

use datafusion_sql::sqlparser::ast::DataType;

use super::Cursor;
use super::file_format::FormatReader;
use crate::SqlDialect;
use crate::error::{ErrorCode, SqlError};
use crate::query::parse_data_type;
use crate::source::Position;
use crate::statement::{ColumnDefinition, ExternalTable, Name};
use crate::token::{Token, TokenKind};

/// Behind `CREATE [EXTERNAL] TABLE`; `start` is the statement's first token.
pub(crate) fn external_table(cursor: &mut Cursor<'_>, start: usize) -> Result<ExternalTable, SqlError> {
    let if_not_exists = cursor.if_not_exists()?;
    let name = cursor.name("the table's name", 3)?;
    let mut clauses = Clauses::default();
    if cursor.is_at_symbol("(") {
        columns(cursor, &mut clauses.columns)?;
    }
    while cursor.peek().is_some() {
        clause(cursor, &mut clauses)?;
    }
    refuse_twice(&clauses)?;
    let Some((location, location_position)) = clauses.location.or(clauses.format.path.take()) else {
        return Err(cursor
            .statement
            .error(ErrorCode::Syntax, format!("the external table {name} has no LOCATION"), start)
            .hint("write LOCATION 'catalog:/path', a URL, or a path relative to the script"));
    };
    Ok(ExternalTable {
        name,
        if_not_exists,
        or_replace: false,
        is_temporary: false,
        columns: clauses.columns,
        partition_columns: clauses.partition_columns,
        comment: clauses.comment,
        format: clauses.format.finish()?,
        location,
        location_position,
        text: definition_text(cursor, start),
    })
}

/// The definition as it is stored: in the mysql dialect, in which it is read again whatever the session's dialect is then.
fn definition_text(cursor: &Cursor<'_>, start: usize) -> String {
    let statement = cursor.statement;
    let typed = statement.slice(start..statement.tokens.len());
    if statement.dialect == SqlDialect::Mysql {
        return typed.to_owned();
    }
    let first = statement.offset(start);
    let mut text = String::with_capacity(typed.len());
    let mut copied = first;
    for token in &statement.tokens[start..] {
        let quote = match token.kind {
            TokenKind::String => '\'',
            TokenKind::QuotedName => '`',
            _ => continue,
        };
        text.push_str(&statement.text()[copied..token.range.start]);
        text.push(quote);
        for c in token.value(statement.text(), statement.dialect).chars() {
            if c == quote || (c == '\\' && quote == '\'') {
                text.push(c);
            }
            text.push(c);
        }
        text.push(quote);
        copied = token.range.end;
    }
    text.push_str(&statement.text()[copied..first + typed.len()]);
    text
}

#[derive(Default)]
struct Clauses {
    columns: Vec<ColumnDefinition>,
    partition_columns: Vec<ColumnDefinition>,
    comment: Option<String>,
    format: FormatReader,
    location: Option<(String, Position)>,
    seen: Vec<&'static str>,
}

impl Clauses {
    fn once(&mut self, clause: &'static str, cursor: &Cursor<'_>) -> Result<(), SqlError> {
        if self.seen.contains(&clause) {
            return Err(cursor.error(ErrorCode::Syntax, format!("{clause} is given twice")));
        }
        self.seen.push(clause);
        Ok(())
    }
}

fn clause(cursor: &mut Cursor<'_>, clauses: &mut Clauses) -> Result<(), SqlError> {
    if cursor.is_at(&["comment"]) {
        clauses.once("COMMENT", cursor)?;
        clauses.comment = cursor.comment()?;
    } else if cursor.is_at(&["partitioned", "by"]) {
        clauses.once("PARTITIONED BY", cursor)?;
        cursor.at += 2;
        partition_columns(cursor, clauses)?;
    } else if cursor.take(&["location"]) {
        clauses.once("LOCATION", cursor)?;
        let position = cursor.statement.position(cursor.at);
        clauses.location = Some((cursor.string("the location in quotes")?, position));
    } else if !clauses.format.take(cursor)? {
        return Err(other_clause(cursor));
    }
    Ok(())
}

/// Clauses that Hive, Spark or MaxCompute know and this version does not.
fn other_clause(cursor: &Cursor<'_>) -> SqlError {
    for (words, shown) in [
        (&["stored", "by"][..], "STORED BY"),
        (&["clustered", "by"], "CLUSTERED BY"),
        (&["skewed", "by"], "SKEWED BY"),
        (&["as"], "CREATE EXTERNAL TABLE … AS SELECT"),
        (&["like"], "CREATE EXTERNAL TABLE … LIKE"),
    ] {
        if cursor.is_at(words) {
            return cursor.error(ErrorCode::NotYet, format!("{shown} is not built yet"));
        }
    }
    if cursor.is_at(&["lifecycle"]) {
        return cursor
            .error(
                ErrorCode::Syntax,
                "LIFECYCLE is a clause of MaxCompute, and the files of an external table are never deleted",
            )
            .hint("leave it out, or name a catalog to make the table there");
    }
    cursor.expected("COMMENT, PARTITIONED BY, ROW FORMAT, STORED AS, USING, LOCATION, TBLPROPERTIES or OPTIONS")
}

/// `(name type [COMMENT 'text'], …)`.
fn columns(cursor: &mut Cursor<'_>, columns: &mut Vec<ColumnDefinition>) -> Result<(), SqlError> {
    cursor.expect_symbol("(")?;
    loop {
        let name = cursor.name("a column's name", 1)?;
        let column = typed_column(cursor, name)?;
        columns.push(column);
        if cursor.take_symbol(")") {
            return Ok(());
        }
        if !cursor.take_symbol(",") {
            return Err(cursor.expected(", or )"));
        }
    }
}

fn typed_column(cursor: &mut Cursor<'_>, name: Name) -> Result<ColumnDefinition, SqlError> {
    if !cursor.peek().is_some_and(Token::is_name) {
        return Err(cursor.expected(&format!("the type of column {name}")));
    }
    let (data_type, next) = parse_data_type(cursor.statement, cursor.at)?;
    cursor.at = next;
    let comment = cursor.comment()?;
    Ok(ColumnDefinition { name, data_type, comment })
}

/// Columns and partition columns are one row type, so no name may be there twice, whatever its letter case.
fn refuse_twice(clauses: &Clauses) -> Result<(), SqlError> {
    let mut seen = HashSet::new();
    for column in clauses.columns.iter().chain(&clauses.partition_columns) {
        if !seen.insert(column.name.to_string().to_lowercase()) {
            let error = SqlError::new(ErrorCode::Syntax, format!("the column {} is defined twice", column.name));
            return Err(error.at(column.name.position.clone()));
        }
    }
    Ok(())
}

/// `(name type, …)` as in Hive, or `(name, …)` of columns above as in Spark.
fn partition_columns(cursor: &mut Cursor<'_>, clauses: &mut Clauses) -> Result<(), SqlError> {
    cursor.expect_symbol("(")?;
    loop {
        let name = cursor.name("a partition column's name", 1)?;
        let is_bare = cursor.is_at_symbol(",") || cursor.is_at_symbol(")");
        let column = if is_bare {
            let known = clauses.columns.iter().position(|column| column.name.parts == name.parts);
            match known {
                Some(at) => clauses.columns.remove(at),
                None => ColumnDefinition { name, data_type: DataType::String(None), comment: None },
            }
        } else {
            typed_column(cursor, name)?
        };
        clauses.partition_columns.push(column);
        if cursor.take_symbol(")") {
            return Ok(());
        }
        if !cursor.take_symbol(",") {
            return Err(cursor.expected(", or )"));
        }
    }
}
