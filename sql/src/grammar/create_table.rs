//! `CREATE TABLE … LIKE` and `… AS` of a table in another system. The clauses between are the target's: they are told apart by their first
//! words and kept as typed.

use super::Cursor;
use crate::error::{ErrorCode, SqlError};
use crate::query::parse_query;
use crate::route::route;
use crate::statement::{CreateTable, Name, TableClause, TableClauseKind, TableSource};
use crate::token::TokenKind;

/// The words that begin a clause.
const HEADS: &[(&[&str], TableClauseKind)] = &[
    (&["engine"], TableClauseKind::Engine),
    (&["primary", "key"], TableClauseKind::PrimaryKey),
    (&["duplicate", "key"], TableClauseKind::DuplicateKey),
    (&["unique", "key"], TableClauseKind::UniqueKey),
    (&["aggregate", "key"], TableClauseKind::AggregateKey),
    (&["comment"], TableClauseKind::Comment),
    (&["partition", "by"], TableClauseKind::Partition),
    (&["distributed", "by"], TableClauseKind::Distribution),
    (&["order", "by"], TableClauseKind::Order),
    (&["rollup"], TableClauseKind::Rollup),
    (&["properties"], TableClauseKind::Properties),
];

/// Behind the word TABLE.
pub(crate) fn create_table(cursor: &mut Cursor<'_>) -> Result<CreateTable, SqlError> {
    let if_not_exists = cursor.if_not_exists()?;
    let target = cursor.name("the table's name", 3)?;
    let columns = if cursor.is_at_symbol("(") { columns(cursor)? } else { Vec::new() };
    let mut clauses: Vec<TableClause> = Vec::new();
    while let Some((head, kind)) = head(cursor) {
        let at = cursor.at;
        let clause = clause(cursor, head, kind)?;
        let is_key = |kind| (TableClauseKind::PrimaryKey..=TableClauseKind::AggregateKey).contains(&kind);
        if clauses.iter().any(|known| known.kind == kind || is_key(known.kind) && is_key(kind)) {
            return Err(cursor.statement.error(ErrorCode::Syntax, "this clause is given twice", at));
        }
        clauses.push(clause);
    }
    let source = if cursor.take(&["like"]) {
        if let Some(first) = columns.first() {
            return Err(SqlError::new(ErrorCode::Syntax, "LIKE takes the columns of the other table")
                .at(first.position.clone())
                .hint("leave the list of columns out, or write AS SELECT"));
        }
        let like = cursor.name("a table's name", 3)?;
        if head_here(cursor).is_some() {
            return Err(cursor
                .error(ErrorCode::Syntax, "clauses of the new table stand before LIKE")
                .hint(format!("write CREATE TABLE {target} … LIKE {like}")));
        }
        cursor.expect_end()?;
        TableSource::Like(like)
    } else {
        let has_as = cursor.take(&["as"]);
        if !cursor.is_at_symbol("(") && !cursor.is_at_one_of(&["select", "with", "values", "from"]) {
            return Err(cursor.expected(if has_as { "SELECT" } else { "AS SELECT, LIKE or a clause of the table" }));
        }
        let tokens = cursor.at..cursor.statement.tokens.len();
        let query_route = route(cursor.statement, tokens.clone());
        query_route.refuse_unknown(cursor.statement)?;
        TableSource::Query(parse_query(cursor.statement, tokens, &query_route)?)
    };
    Ok(CreateTable { target, if_not_exists, columns, clauses, source })
}

fn head(cursor: &Cursor<'_>) -> Option<(&'static [&'static str], TableClauseKind)> {
    HEADS.iter().find(|(words, _)| cursor.is_at(words)).copied()
}

fn head_here(cursor: &Cursor<'_>) -> Option<TableClauseKind> {
    head(cursor).map(|(_, kind)| kind)
}

/// `(a, b)`: names alone. A column with a type is a definition of its own.
fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<Name>, SqlError> {
    cursor.expect_symbol("(")?;
    let mut columns = Vec::new();
    loop {
        columns.push(cursor.name("a column's name", 1)?);
        if cursor.take_symbol(")") {
            return Ok(columns);
        }
        if !cursor.take_symbol(",") {
            return Err(cursor
                .expected(", or )")
                .hint("types come from the query: CAST there, or create the table first and INSERT INTO it"));
        }
    }
}

/// From its first word up to the next clause, LIKE, AS or the query.
fn clause(
    cursor: &mut Cursor<'_>,
    head: &'static [&'static str],
    kind: TableClauseKind,
) -> Result<TableClause, SqlError> {
    let start = cursor.at;
    cursor.at += head.len();
    let columns = match kind {
        TableClauseKind::PrimaryKey
        | TableClauseKind::DuplicateKey
        | TableClauseKind::UniqueKey
        | TableClauseKind::AggregateKey => key_columns(cursor)?,
        _ => Vec::new(),
    };
    let mut depth = 0_usize;
    while let Some(token) = cursor.peek() {
        let ends =
            cursor.is_at_one_of(&["as", "like", "select", "with", "values", "from"]) || head_here(cursor).is_some();
        if depth == 0 && ends {
            break;
        }
        match token.kind {
            TokenKind::Symbol("(") => depth += 1,
            TokenKind::Symbol(")") if depth == 0 => return Err(cursor.expected("AS SELECT or LIKE")),
            TokenKind::Symbol(")") => depth -= 1,
            _ => {}
        }
        cursor.at += 1;
    }
    let tokens = start..cursor.at;
    cursor.statement.refuse_references(tokens.clone())?;
    Ok(TableClause {
        kind,
        text: cursor.statement.slice(tokens).to_owned(),
        columns,
        position: cursor.statement.position(start),
    })
}

fn key_columns(cursor: &mut Cursor<'_>) -> Result<Vec<Name>, SqlError> {
    if !cursor.is_at_symbol("(") {
        return Err(cursor.expected("( and the key's columns"));
    }
    columns(cursor)
}
