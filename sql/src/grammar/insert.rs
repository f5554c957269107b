//! `INSERT INTO | OVERWRITE` of a sync.

use super::Cursor;
use crate::error::{ErrorCode, SqlError};
use crate::query::parse_query;
use crate::route::route;
use crate::statement::{Insert, InsertColumns, PartitionItem, Property};
use crate::token::{Token, TokenKind};

/// From the word INSERT on.
pub(crate) fn insert(cursor: &mut Cursor<'_>) -> Result<Insert, SqlError> {
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
    if cursor.is_at_one_of(&["directory", "local"]) {
        return Err(cursor.error(ErrorCode::NotYet, "INSERT OVERWRITE DIRECTORY is not built yet"));
    }
    let target = cursor.name("the target table", 3)?;
    let mut clauses = Clauses::default();
    while clause(cursor, &mut clauses)? {}
    let start = cursor.at;
    if !cursor.is_at_symbol("(") && !cursor.is_at_one_of(&["select", "with", "values", "from", "table"]) {
        return Err(cursor.expected("SELECT"));
    }
    let tokens = start..cursor.statement.tokens.len();
    let query_route = route(cursor.statement, tokens.clone());
    query_route.refuse_unknown(cursor.statement)?;
    let query = parse_query(cursor.statement, tokens, &query_route)?;
    Ok(Insert {
        target,
        overwrite,
        partition: clauses.partition.unwrap_or_default(),
        columns: clauses.columns.unwrap_or(InsertColumns::All),
        properties: clauses.properties.unwrap_or_default(),
        query,
    })
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
    } else if cursor.is_at(&["properties"]) && cursor.peek_nth(1).is_some_and(|token| token.is_symbol("(")) {
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
