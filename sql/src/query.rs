//! Queries that DataFusion plans: our tokens, read by sqlparser's grammar.
//!
//! sqlparser never reads the text itself. It gets the tokens of our tokenizer with their places, so a string's content, what is a name
//! and where a comment ends are the same for it as for splitting, parameters and routing.

use std::ops::Range;

use datafusion_sql::sqlparser::ast::DataType;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::Token as ParserToken;

use crate::error::{ErrorCode, SqlError};
use crate::nearest::nearest;
use crate::parser_tokens::parser_tokens;
use crate::query_dialect::QueryDialect;
use crate::route::Route;
use crate::statement::Query;
use crate::statement_text::StatementText;
use crate::token::TokenKind;

/// Parses a query that stands in these tokens.
pub(crate) fn parse_query(
    statement: &StatementText<'_>,
    tokens: Range<usize>,
    route: &Route,
) -> Result<Query, SqlError> {
    statement.refuse_references(tokens.clone())?;
    route.check_remote_queries(statement)?;
    refuse_ignored(statement, tokens.clone())?;
    let dialect = QueryDialect;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(parser_tokens(statement, tokens.clone()));
    let ast = parser
        .parse_query()
        .and_then(|ast| match parser.peek_token_ref() {
            end if end.token == ParserToken::EOF => Ok(ast),
            other => parser.expected_ref("the end of the statement", other),
        })
        .map_err(|error| syntax_error(statement, tokens.clone(), error))?;
    Ok(Query {
        ast,
        tables: route.tables(statement),
        text: statement.slice(tokens.clone()).to_owned(),
        position: statement.position(tokens.start),
        prepared: statement.prepared.clone(),
    })
}

/// Clauses that sqlparser reads and DataFusion's planner then leaves out without a word.
fn refuse_ignored(statement: &StatementText<'_>, tokens: Range<usize>) -> Result<(), SqlError> {
    let text = statement.text();
    let is = |at: usize, word: &str| {
        tokens.contains(&at) && statement.tokens.get(at).is_some_and(|token| token.is_word(text, word))
    };
    for at in tokens.clone() {
        let not_yet = |what: &str, hint: &str| {
            Err(statement.error(ErrorCode::NotYet, format!("{what} is not built yet"), at).hint(hint))
        };
        // not a common table expression of that name
        let is_modifier = |word: &str| is(at, "with") && is(at + 1, word) && !is(at + 2, "as");
        if is_modifier("rollup") || is_modifier("cube") || is_modifier("totals") {
            return not_yet("GROUP BY … WITH ROLLUP | CUBE", "write GROUP BY ROLLUP (a, b) or GROUP BY CUBE (a, b)");
        }
        let is_behind_by =
            at.checked_sub(1).is_some_and(|before| is(before, "by") || statement.tokens[before].is_symbol(","));
        if is(at, "grouping") && is(at + 1, "sets") && !is_behind_by {
            return not_yet("GROUP BY a GROUPING SETS (…)", "write GROUP BY GROUPING SETS (…)");
        }
        let is_sized = statement.tokens.get(at + 1).is_some_and(|token| token.is_symbol("("));
        if is(at, "tablesample") && (is_sized || is(at + 1, "bernoulli") || is(at + 1, "system")) {
            return not_yet("TABLESAMPLE", "write WHERE random() < 0.1, or LIMIT");
        }
    }
    Ok(())
}

/// Parses a data type that begins at a token; also returns the index of the token behind it.
pub(crate) fn parse_data_type(statement: &StatementText<'_>, start: usize) -> Result<(DataType, usize), SqlError> {
    let all = start..data_type_end(statement, start);
    let kept = without_notes(statement, all.clone());
    let tokens = kept.iter().flat_map(|at| parser_tokens(statement, *at..*at + 1)).collect();
    let dialect = QueryDialect;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let data_type = parser.parse_data_type().map_err(|error| syntax_error(statement, all.clone(), error))?;
    Ok((data_type, kept.get(parser.index()).copied().unwrap_or(all.end)))
}

/// The tokens of a type less `COMMENT 'text'` and `NOT NULL` of a STRUCT's fields, which sqlparser does not know and which do not change
/// what is read.
fn without_notes(statement: &StatementText<'_>, tokens: Range<usize>) -> Vec<usize> {
    let text = statement.text();
    let is = |at: usize, word: &str| {
        at < tokens.end && statement.tokens.get(at).is_some_and(|token| token.is_word(text, word))
    };
    let mut kept = Vec::with_capacity(tokens.len());
    let mut depth = 0_usize;
    let mut at = tokens.start;
    while at < tokens.end {
        match statement.tokens[at].kind {
            TokenKind::Symbol("<") => depth += 1,
            TokenKind::Symbol(">") => depth = depth.saturating_sub(1),
            TokenKind::Symbol(">>") => depth = depth.saturating_sub(2),
            _ => {}
        }
        let is_comment = is(at, "comment") && statement.tokens.get(at + 1).is_some_and(|t| t.kind == TokenKind::String);
        if depth > 0 && (is_comment || (is(at, "not") && is(at + 1, "null"))) {
            at += 2;
            continue;
        }
        kept.push(at);
        at += 1;
    }
    kept
}

/// The comma or parenthesis that ends a column of a list.
fn data_type_end(statement: &StatementText<'_>, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in statement.tokens.iter().enumerate().skip(start) {
        match token.kind {
            TokenKind::Symbol("," | ")") if depth == 0 => return at,
            TokenKind::Symbol("(" | "<") => depth += 1,
            TokenKind::Symbol(")" | ">") => depth = depth.saturating_sub(1),
            TokenKind::Symbol(">>") => depth = depth.saturating_sub(2),
            _ => {}
        }
    }
    statement.tokens.len()
}

/// sqlparser's error with its place in the script.
fn syntax_error(statement: &StatementText<'_>, tokens: Range<usize>, error: ParserError) -> SqlError {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return statement.error(ErrorCode::Syntax, "this is nested too deeply", tokens.start);
        }
    };
    let (message, place) = split_place(&message);
    let at = match place {
        Some((line, column)) => {
            let offset = statement.prepared.offset_of(line, column);
            statement.tokens.partition_point(|token| token.range.start < offset)
        }
        None => tokens.end,
    };
    let error = match message.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found: ")) {
        Some((expected, _)) => statement.expected(expected, at, tokens.end),
        // sqlparser's other messages do not repeat what was typed
        None => SqlError::new(ErrorCode::Syntax, message).at(end_position(statement, tokens.clone(), at)),
    };
    if error.hint.is_some() {
        return error;
    }
    match misspelt(statement, tokens, at) {
        Some((typed, keyword)) => error.hint(format!("did you mean {keyword} instead of {typed}?")),
        None => error,
    }
}

/// The place of a token; for the end of a part, the place just behind its last token.
fn end_position(statement: &StatementText<'_>, tokens: Range<usize>, at: usize) -> crate::Position {
    if at < tokens.end {
        return statement.position(at);
    }
    match tokens.end.checked_sub(1).and_then(|last| statement.tokens.get(last)) {
        Some(last) => statement.prepared.position(last.range.end),
        None => statement.position(at),
    }
}

/// Takes ` at Line: 1, Column: 5` off the end of a message.
fn split_place(message: &str) -> (&str, Option<(u64, u64)>) {
    let Some((before, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let place =
        place.split_once(", Column: ").and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    match place {
        Some(place) => (before, Some(place)),
        None => (message, None),
    }
}

/// Words that are often mistyped where sqlparser then stumbles.
const KEYWORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "CROSS",
    "UNION",
    "DISTINCT",
    "BETWEEN",
    "EXISTS",
    "VALUES",
    "INTERVAL",
    "OFFSET",
    "BY",
    "ON",
    "AND",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "WITH",
    "USING",
    "OVER",
    "PARTITION",
];

/// The word at or just before the place of an error that is nearly a keyword.
fn misspelt(statement: &StatementText<'_>, tokens: Range<usize>, at: usize) -> Option<(String, &'static str)> {
    let first = at.saturating_sub(2).max(tokens.start);
    (first..=at).rev().filter(|at| *at < tokens.end).find_map(|at| {
        let token = &statement.tokens[at];
        let typed = token.text(statement.text());
        let is_candidate = token.kind == TokenKind::Word && typed.chars().count() >= 3;
        let is_keyword = KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(typed));
        if !is_candidate || is_keyword {
            return None;
        }
        Some((typed.to_owned(), nearest(typed, KEYWORDS.iter().copied())?))
    })
}

#[cfg(test)]
mod tests;
