//! `COPY query | table TO 'location'`, as DataFusion, DuckDB and PostgreSQL write it.

use super::file_clauses::FileClauses;
use super::{Cursor, query_of};
use crate::error::{ErrorCode, SqlError};
use crate::statement::{FilesStatement, Insert, InsertColumns, InsertTarget, Query};
use crate::statement_text::StatementText;

/// From the word COPY on: `COPY (query) | table TO 'location' [STORED AS format] [PARTITIONED BY (a, b)] [[WITH] OPTIONS (…) | (…)]`.
pub(crate) fn copy(cursor: &mut Cursor<'_>) -> Result<Insert, SqlError> {
    cursor.expect(&["copy"])?;
    let query = source(cursor)?;
    if cursor.is_at(&["from"]) {
        return Err(cursor
            .error(ErrorCode::NotYet, "COPY … FROM is not built yet")
            .hint("define the files with CREATE EXTERNAL TABLE, and INSERT INTO … SELECT from it"));
    }
    cursor.expect(&["to"])?;
    let mut clauses = FileClauses::new(FilesStatement::Copy);
    clauses.location(cursor)?;
    clauses.read(cursor)?;
    cursor.expect_end()?;
    let (target, properties) = clauses.finish(cursor)?;
    Ok(Insert {
        target: InsertTarget::Files(Box::new(target)),
        overwrite: false,
        partition: Vec::new(),
        columns: InsertColumns::All,
        properties,
        query,
    })
}

/// `(query)`, or a table, which stands for all of its rows.
fn source(cursor: &mut Cursor<'_>) -> Result<Query, SqlError> {
    let statement = cursor.statement;
    if cursor.take_symbol("(") {
        let start = cursor.at;
        if !cursor.is_at_symbol("(") && !cursor.is_at_one_of(&["select", "with", "values", "from", "table"]) {
            return Err(cursor.expected("SELECT"));
        }
        let end = closing(statement, start).unwrap_or(statement.tokens.len());
        let query = query_of(statement, start..end)?;
        cursor.at = end;
        cursor.expect_symbol(")")?;
        return Ok(query);
    }
    let start = cursor.at;
    cursor.name("a table's name, or a query in parentheses", 3)?;
    if cursor.is_at_symbol("(") {
        return Err(cursor
            .error(ErrorCode::NotYet, "a list of columns in COPY is not built yet")
            .hint("write COPY (SELECT a, b FROM t) TO '…'"));
    }
    let excerpt = statement.excerpt(start..cursor.at, "SELECT * FROM ", "");
    let inner = StatementText::new(&excerpt, statement.scope, statement.dialect)?;
    query_of(&inner, 0..inner.tokens.len())
}

/// The parenthesis that closes the one before these tokens.
fn closing(statement: &StatementText<'_>, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    (start..statement.tokens.len()).find(|at| {
        let token = &statement.tokens[*at];
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            if depth == 0 {
                return true;
            }
            depth -= 1;
        }
        false
    })
}
