//! Partitions of external tables, in the form of Hive and Spark: `ALTER TABLE … ADD | DROP PARTITION`, `MSCK REPAIR TABLE`,
//! `SHOW PARTITIONS`.

use super::Cursor;
use crate::error::{ErrorCode, SqlError};
use crate::statement::{PartitionDefinition, PartitionValue, SessionStatement};
use crate::token::TokenKind;

/// Behind `ALTER [EXTERNAL] TABLE`, of an external table.
pub(crate) fn alter_table(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let table = cursor.name("the table's name", 3)?;
    if cursor.is_at(&["add", "if"]) || cursor.is_at(&["add", "partition"]) {
        cursor.at += 1;
        let if_not_exists = cursor.if_not_exists()?;
        let mut partitions = Vec::new();
        while partitions.is_empty() || cursor.peek().is_some() {
            partitions.push(added(cursor)?);
        }
        return Ok(SessionStatement::AddPartitions { table, if_not_exists, partitions });
    }
    if cursor.is_at(&["drop", "if"]) || cursor.is_at(&["drop", "partition"]) {
        cursor.at += 1;
        let if_exists = cursor.if_exists()?;
        let mut partitions = Vec::new();
        loop {
            cursor.expect(&["partition"])?;
            partitions.push(values(cursor)?);
            if !cursor.take_symbol(",") {
                break;
            }
        }
        // without a trash there is nothing to purge: the files stay in any case
        let _ = cursor.take(&["purge"]);
        cursor.expect_end()?;
        return Ok(SessionStatement::DropPartitions { table, if_exists, partitions });
    }
    Err(cursor
        .error(ErrorCode::NotYet, "this ALTER TABLE of an external table is not built yet")
        .hint("ADD PARTITION and DROP PARTITION are; DROP TABLE and define it anew, the files stay"))
}

/// `PARTITION (…) [LOCATION '…']`.
fn added(cursor: &mut Cursor<'_>) -> Result<PartitionDefinition, SqlError> {
    let position = cursor.statement.position(cursor.at);
    cursor.expect(&["partition"])?;
    let values = values(cursor)?;
    let location = match cursor.take(&["location"]) {
        true => Some(cursor.string("the location in quotes")?),
        false => None,
    };
    Ok(PartitionDefinition { values, location, position })
}

/// `(dt = '20240807', hour = 3)`.
fn values(cursor: &mut Cursor<'_>) -> Result<Vec<PartitionValue>, SqlError> {
    cursor.expect_symbol("(")?;
    let mut values: Vec<PartitionValue> = Vec::new();
    loop {
        let at = cursor.at;
        let column = cursor.name("a partition column", 1)?;
        if values.iter().any(|other| other.column.parts[0].eq_ignore_ascii_case(&column.parts[0])) {
            let message = format!("the partition column {column} is given twice");
            return Err(cursor.statement.error(ErrorCode::Syntax, message, at));
        }
        if [">", "<", ">=", "<=", "<>", "!="].iter().any(|symbol| cursor.is_at_symbol(symbol)) {
            return Err(
                cursor.error(ErrorCode::NotYet, "partitions are named by = only; a comparison is not built yet")
            );
        }
        cursor.expect_symbol("=")?;
        let value = value(cursor)?;
        values.push(PartitionValue { column, value });
        if cursor.take_symbol(")") {
            return Ok(values);
        }
        if !cursor.take_symbol(",") {
            return Err(cursor.expected(", or )"));
        }
    }
}

/// A quoted text, a number as typed, `DATE '…'`, a bare word as Spark takes it, or NULL.
fn value(cursor: &mut Cursor<'_>) -> Result<Option<String>, SqlError> {
    if cursor.take(&["null"]) {
        return Ok(None);
    }
    let is_string = |n: usize| cursor.peek_nth(n).is_some_and(|token| token.kind == TokenKind::String);
    if cursor.is_at_one_of(&["date", "timestamp"]) && is_string(1) {
        cursor.at += 1;
    }
    let text = cursor.statement.text();
    let Some(token) = cursor.peek() else { return Err(cursor.expected("the partition's value in quotes")) };
    if token.kind == TokenKind::String {
        return Ok(Some(cursor.next_value()));
    }
    let first = token.range.start;
    let is_signed = token.is_symbol("-") || token.is_symbol("+");
    let n = usize::from(is_signed);
    let number = cursor
        .peek_nth(n)
        .filter(|token| token.kind == TokenKind::Number || (token.kind == TokenKind::Word && !is_signed));
    let Some(number) = number else { return Err(cursor.expected("the partition's value in quotes")) };
    cursor.at += n + 1;
    Ok(Some(text[first..number.range.end].to_owned()))
}

/// Behind `MSCK`.
pub(crate) fn repair_table(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let _ = cursor.take(&["repair"]);
    cursor.expect(&["table"])?;
    let table = cursor.name("the table's name", 3)?;
    if cursor.is_at(&["drop", "partitions"]) || cursor.is_at(&["sync", "partitions"]) {
        return Err(cursor
            .error(ErrorCode::NotYet, "MSCK REPAIR TABLE adds partitions and drops none; this is not built yet")
            .hint("name what is to go: ALTER TABLE … DROP PARTITION (…)"));
    }
    let _ = cursor.take(&["add", "partitions"]);
    cursor.expect_end()?;
    Ok(SessionStatement::RepairTable(table))
}

/// Behind `SHOW PARTITIONS`.
pub(crate) fn show_partitions(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let table = cursor.name("the table's name", 3)?;
    let partition = match cursor.take(&["partition"]) {
        true => values(cursor)?,
        false => Vec::new(),
    };
    cursor.expect_end()?;
    Ok(SessionStatement::ShowPartitions { table, partition })
}
