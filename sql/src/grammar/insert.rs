//! `INSERT INTO | OVERWRITE` of a sync.

use std::ops::Range;

use super::file_clauses::FileClauses;
use super::{Cursor, query_of};
use crate::error::{ErrorCode, SqlError};
use crate::statement::{FilesStatement, Insert, InsertColumns, InsertTarget, PartitionItem, Property, Query};
use crate::statement_text::StatementText;
use crate::token::{Token, TokenKind};

/// From the word INSERT on; `with` holds the common table expressions that Hive and Spark let stand before it.
pub(crate) fn insert(cursor: &mut Cursor<'_>, with: Range<usize>) -> Result<Insert, SqlError> {
    if cursor.is_at(&["replace"]) || cursor.is_at(&["insert", "ignore"]) {
        return Err(cursor
            .error(ErrorCode::NotYet, "REPLACE and INSERT IGNORE run inside one remote system only")
            .hint("a sync is INSERT INTO or INSERT OVERWRITE"));
    }
    cursor.expect(&["insert"])?;
    let overwrite = if cursor.take(&["overwrite"]) {
        cursor.take(&["into"]);
        true
    } else if cursor.take(&["into"]) {
        false
    } else {
        return Err(cursor.expected("INTO or OVERWRITE"));
    };
    // TABLE is a word before the name, unless it is the name
    if cursor.is_at(&["table"]) && cursor.peek_nth(1).is_some_and(Token::is_name) {
        cursor.at += 1;
    }
    if is_directory(cursor) {
        return directory(cursor, overwrite, with);
    }
    let target = cursor.name("the target table", 3)?;
    let mut clauses = Clauses::default();
    while clause(cursor, &mut clauses)? {}
    Ok(Insert {
        target: InsertTarget::Table(target),
        overwrite,
        partition: clauses.partition.unwrap_or_default(),
        columns: clauses.columns.unwrap_or(InsertColumns::All),
        properties: clauses.properties.unwrap_or_default(),
        query: query(cursor, with)?,
    })
}

/// Whether the statement at INSERT writes a directory rather than a table, which no remote system does for us.
pub(crate) fn inserts_into_a_directory(cursor: &Cursor<'_>) -> bool {
    let behind = |words: &[&str]| {
        let cursor = Cursor::new(cursor.statement, cursor.at + words.len());
        is_directory(&cursor)
    };
    [&["insert", "overwrite"][..], &["insert", "into"]].iter().any(|words| cursor.is_at(words) && behind(words))
}

/// `[LOCAL] DIRECTORY`, and not a table of that name.
fn is_directory(cursor: &Cursor<'_>) -> bool {
    let text = cursor.statement.text();
    let is_clause = |token: &Token| {
        token.kind == TokenKind::String
            || ["using", "options", "row", "stored"].iter().any(|word| token.is_word(text, word))
    };
    cursor.is_at(&["local", "directory"]) || (cursor.is_at(&["directory"]) && cursor.peek_nth(1).is_none_or(is_clause))
}

/// `[LOCAL] DIRECTORY ['location'] [ROW FORMAT …] [STORED AS format | USING format] [OPTIONS (…)] query`.
fn directory(cursor: &mut Cursor<'_>, overwrite: bool, with: Range<usize>) -> Result<Insert, SqlError> {
    if !overwrite {
        return Err(cursor
            .error(ErrorCode::Syntax, "INSERT INTO does not write a directory")
            .hint("INSERT OVERWRITE DIRECTORY replaces what is in it; COPY (SELECT …) TO '…/' adds files"));
    }
    let is_local = cursor.take(&["local"]);
    cursor.expect(&["directory"])?;
    let mut clauses = FileClauses::new(FilesStatement::Directory);
    let at = cursor.at;
    if cursor.peek().is_some_and(|token| token.kind == TokenKind::String) {
        clauses.location(cursor)?;
    }
    clauses.read(cursor)?;
    let (target, properties) = clauses.finish(cursor)?;
    let is_elsewhere = target.location.split_once(":/").is_some_and(|(scheme, _)| !scheme.eq_ignore_ascii_case("file"));
    if is_local && is_elsewhere {
        return Err(cursor
            .statement
            .error(ErrorCode::Syntax, "a LOCAL DIRECTORY is one on this machine", at)
            .hint("leave LOCAL out, or give a path"));
    }
    Ok(Insert {
        target: InsertTarget::Files(Box::new(target)),
        overwrite,
        partition: Vec::new(),
        columns: InsertColumns::All,
        properties,
        query: query(cursor, with)?,
    })
}

/// The query that ends the statement, behind its common table expressions.
fn query(cursor: &Cursor<'_>, with: Range<usize>) -> Result<Query, SqlError> {
    if !cursor.is_at_symbol("(") && !cursor.is_at_one_of(&["select", "with", "values", "from", "table"]) {
        return Err(cursor.expected("SELECT"));
    }
    let statement = cursor.statement;
    if with.is_empty() {
        return query_of(statement, cursor.at..statement.tokens.len());
    }
    if cursor.is_at(&["with"]) {
        return Err(cursor.error(ErrorCode::Syntax, "WITH stands before this INSERT already"));
    }
    // the query as if the INSERT did not stand in its midst; places in the script stay what they are
    let without_insert = StatementText {
        prepared: statement.prepared,
        tokens: [&statement.tokens[with], &statement.tokens[cursor.at..]].concat(),
        executed: Vec::new(),
        dialect: statement.dialect,
        scope: statement.scope,
    };
    query_of(&without_insert, 0..without_insert.tokens.len())
}

#[derive(Default)]
struct Clauses {
    partition: Option<Vec<PartitionItem>>,
    columns: Option<InsertColumns>,
    properties: Option<Vec<Property>>,
}

/// Reads one clause between the target and the query; false if the query comes next.
fn clause(cursor: &mut Cursor<'_>, clauses: &mut Clauses) -> Result<bool, SqlError> {
    let at = cursor.at;
    let is_new = if cursor.take(&["partition"]) || cursor.take(&["partitions"]) {
        clauses.partition.replace(partition(cursor)?).is_none()
    } else if cursor.take(&["by", "name"]) {
        clauses.columns.replace(InsertColumns::ByName).is_none()
    } else if cursor.is_at(&["if", "not", "exists"]) {
        return Err(cursor
            .error(ErrorCode::NotYet, "IF NOT EXISTS of an INSERT is not built yet")
            .hint("INSERT OVERWRITE … PARTITION leaves the same rows however often it runs"));
    } else if cursor.is_at_one_of(&["properties", "options"])
        && cursor.peek_nth(1).is_some_and(|token| token.is_symbol("("))
    {
        cursor.at += 1;
        clauses.properties.replace(cursor.properties()?).is_none()
    } else if cursor.is_at(&["with", "label"]) {
        return Err(cursor
            .error(ErrorCode::Option, "a sync makes its labels itself")
            .hint("leave WITH LABEL out; the report names the labels"));
    } else if cursor.is_at_symbol("(") && !is_query_in_parentheses(cursor) {
        clauses.columns.replace(InsertColumns::List(columns(cursor)?)).is_none()
    } else {
        return Ok(false);
    };
    if is_new { Ok(true) } else { Err(cursor.statement.error(ErrorCode::Syntax, "this clause is given twice", at)) }
}

fn is_query_in_parentheses(cursor: &Cursor<'_>) -> bool {
    let mut n = 1;
    while cursor.peek_nth(n).is_some_and(|token| token.is_symbol("(")) {
        n += 1;
    }
    let text = cursor.statement.text();
    cursor
        .peek_nth(n)
        .is_some_and(|token| ["select", "with", "values", "from"].iter().any(|word| token.is_word(text, word)))
}

/// `(a, b)`.
fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<crate::statement::Name>, SqlError> {
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

/// `(dt = '20240807', region)`.
fn partition(cursor: &mut Cursor<'_>) -> Result<Vec<PartitionItem>, SqlError> {
    cursor.expect_symbol("(")?;
    let mut items = Vec::new();
    loop {
        let name = cursor.name("a partition column or a partition", 1)?;
        if cursor.take_symbol("=") || cursor.take_symbol("==") {
            let value = partition_value(cursor)?;
            items.push(PartitionItem::Value { column: name, value });
        } else {
            items.push(PartitionItem::Name(name));
        }
        if cursor.take_symbol(")") {
            return Ok(items);
        }
        if !cursor.take_symbol(",") {
            return Err(cursor.expected(", or )"));
        }
    }
}

/// A string, a number with its sign, a word such as TRUE, or NULL; DATE and TIMESTAMP may stand before a string.
fn partition_value(cursor: &mut Cursor<'_>) -> Result<Option<String>, SqlError> {
    if cursor.take(&["null"]) {
        return Ok(None);
    }
    let is_typed = cursor.is_at_one_of(&["date", "timestamp", "datetime"])
        && cursor.peek_nth(1).is_some_and(|token| token.kind == TokenKind::String);
    cursor.at += usize::from(is_typed);
    let sign = if cursor.take_symbol("-") {
        "-"
    } else {
        cursor.take_symbol("+");
        ""
    };
    let is_value = cursor
        .peek()
        .is_some_and(|token| matches!(token.kind, TokenKind::String | TokenKind::Number | TokenKind::Word));
    if !is_value {
        return Err(cursor.expected("the partition's value"));
    }
    Ok(Some(format!("{sign}{}", cursor.next_value())))
}
