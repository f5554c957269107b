//! Pieces of SQL that stand in other files, such as jobs as JSON: an item of a list of columns, a condition, a statement about one table.
//!
//! They are in MySQL's dialect, as those files are for MySQL and StarRocks, and are read by the tokenizer that reads scripts.

use std::ops::Range;

use crate::dialect::SqlDialect;
use crate::error::{ErrorCode, SqlError};
use crate::names::find_names;
use crate::token::{TextKind, Token, TokenKind, tokenize};

/// What an item of a list of columns is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnItem {
    /// `*`.
    All,
    /// A column's name, without quotes.
    Name(String),
    /// A text or a number, as typed; a Boolean as MySQL's number, NULL.
    Constant(String),
    /// Anything else: only the server can evaluate it.
    Expression,
}

/// Words that MySQL evaluates without parentheses behind them.
const VALUES_WITHOUT_PARENTHESES: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "utc_date",
    "utc_time",
    "utc_timestamp",
];

/// Reads an item of a list of columns; placeholders (`${name}`) may stand in it.
///
/// # Errors
/// [`ErrorCode::Syntax`] for a text that is cut off, has a `;`, parentheses that do not match, or comments that MySQL executes.
pub fn column_item(text: &str) -> Result<ColumnItem, SqlError> {
    let tokens = whole_tokens(text, TextKind::Script)?;
    let starts_with_hint = text.trim_start().starts_with("/*");
    Ok(match tokens.as_slice() {
        _ if starts_with_hint => ColumnItem::Expression,
        [] => return Err(SqlError::new(ErrorCode::Syntax, "a column's name is expected, and there is nothing")),
        [star] if star.is_symbol("*") => ColumnItem::All,
        [only] => match only.kind {
            TokenKind::String | TokenKind::Number => ColumnItem::Constant(only.text(text).to_owned()),
            TokenKind::QuotedName => ColumnItem::Name(only.value(text, SqlDialect::Mysql)),
            TokenKind::Word => word_item(only.text(text)),
            _ => ColumnItem::Expression,
        },
        [sign, number] if number.kind == TokenKind::Number && (sign.is_symbol("-") || sign.is_symbol("+")) => {
            ColumnItem::Constant(format!("{}{}", sign.text(text), number.text(text)))
        }
        // log_${day}: one name
        several if is_one_name(text, several) => ColumnItem::Name(text.trim().to_owned()),
        _ => ColumnItem::Expression,
    })
}

fn word_item(word: &str) -> ColumnItem {
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "null" => ColumnItem::Constant("NULL".to_owned()),
        "true" => ColumnItem::Constant("1".to_owned()),
        "false" => ColumnItem::Constant("0".to_owned()),
        value if VALUES_WITHOUT_PARENTHESES.contains(&value) || word.starts_with('@') => ColumnItem::Expression,
        _ => ColumnItem::Name(word.to_owned()),
    }
}

/// Words and placeholders that touch each other and begin with a word.
fn is_one_name(text: &str, tokens: &[Token]) -> bool {
    let is_part = |token: &Token| matches!(token.kind, TokenKind::Word | TokenKind::Placeholder);
    let touches = tokens.windows(2).all(|pair| pair[0].range.end == pair[1].range.start);
    let starts_as_name = |token: &Token| token.kind == TokenKind::Word && !token.text(text).starts_with('@');
    touches && tokens.iter().all(is_part) && tokens.first().is_some_and(starts_as_name)
}

/// Checks that a text can stand as one condition in parentheses: `(text)`. Placeholders are put in already.
///
/// # Errors
/// [`ErrorCode::Syntax`] for an empty text, a `;`, parentheses that close or stay open, quotes or comments without an end, a `?` (which the
/// protocol would take for a value to come), and comments that MySQL executes.
pub fn check_condition(text: &str) -> Result<(), SqlError> {
    let tokens = whole_tokens(text, TextKind::Prepared)?;
    let bad = |what: &str| Err(SqlError::new(ErrorCode::Syntax, format!("the condition {what}")));
    if tokens.is_empty() {
        return bad("is empty");
    }
    if tokens.iter().any(|token| token.is_symbol("?")) {
        return bad("has a ? outside of quotes");
    }
    Ok(())
}

/// The tokens of a text without a `;` and with parentheses that match, less a `;` at its very end.
fn whole_tokens(text: &str, kind: TextKind) -> Result<Vec<Token>, SqlError> {
    let read = tokenize(text, SqlDialect::Mysql, kind);
    if let Some(unterminated) = read.unterminated {
        return Err(unterminated.error());
    }
    let bad = |what: &str| Err(SqlError::new(ErrorCode::Syntax, what));
    match read.executed.first().map(|comment| &text[comment.clone()]) {
        Some(line) if line.starts_with("--") => {
            return bad(
                "there is a -- without a blank behind it, which is a comment to StarRocks and two minus signs to MySQL",
            );
        }
        Some(_) => return bad("there is a comment in it that MySQL executes (/*! … */)"),
        None => {}
    }
    let mut depth = 0_usize;
    for token in &read.tokens {
        match token.kind {
            TokenKind::Symbol(";") => return bad("there is a ; in it"),
            TokenKind::Symbol("(") => depth += 1,
            TokenKind::Symbol(")") if depth == 0 => return bad("there is a ) too many"),
            TokenKind::Symbol(")") => depth -= 1,
            _ => {}
        }
    }
    if depth > 0 { bad("a ) is missing") } else { Ok(read.tokens) }
}

/// Whether a statement, as [`split`](crate::split) gives it, ends with a `--` that MySQL reads on behind, so that a `;` must stand on a line of
/// its own.
pub fn ends_with_its_line(statement: &str) -> bool {
    let executed = tokenize(statement, SqlDialect::Mysql, TextKind::Script).executed;
    executed.last().is_some_and(|last| last.end == statement.len() && statement[last.start..].starts_with("--"))
}

/// The first words of statements that name one table in a place that we know.
const STATEMENTS: &[&[&str]] = &[
    &["alter", "table"],
    &["truncate"],
    &["delete"],
    &["drop", "table"],
    &["insert"],
    &["update"],
    &["create", "table"],
    &["analyze", "table"],
];

/// Where the table's name stands in a statement of a well-known shape (`ALTER TABLE t …`, `TRUNCATE [TABLE] t`, `DELETE FROM t …`, `DROP TABLE
/// [IF EXISTS] t`, `INSERT INTO t …`, `UPDATE t …`, `CREATE TABLE [IF NOT EXISTS] t …`) that names this one table and no other; None for any
/// other statement. Placeholders may stand in it.
pub fn table_place(statement: &str) -> Option<Range<usize>> {
    let read = tokenize(statement, SqlDialect::Mysql, TextKind::Script);
    let tokens = joined_words(read.tokens);
    let is_several = tokens.iter().any(|token| token.is_symbol(";"));
    let is_shape = |words: &&&[&str]| {
        words.iter().enumerate().all(|(at, word)| tokens.get(at).is_some_and(|token| token.is_word(statement, word)))
    };
    if read.unterminated.is_some() || is_several || !STATEMENTS.iter().any(|words| is_shape(&words)) {
        return None;
    }
    let names = find_names(statement, &tokens, SqlDialect::Mysql);
    if names.has_cte || !names.table_functions.is_empty() {
        return None;
    }
    let [only] = names.refs.as_slice() else { return None };
    let (first, last) = (tokens.get(*only.tokens.first()?)?, tokens.get(*only.tokens.last()?)?);
    only.is_table.then_some(first.range.start..last.range.end)
}

/// Makes one word of words and placeholders that touch each other: `log_${day}` is a name.
fn joined_words(tokens: Vec<Token>) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let is_part = |token: &Token| matches!(token.kind, TokenKind::Word | TokenKind::Placeholder);
        match joined.last_mut() {
            Some(last) if is_part(&token) && last.kind == TokenKind::Word && last.range.end == token.range.start => {
                last.range.end = token.range.end;
            }
            _ if token.kind == TokenKind::Placeholder => joined.push(Token { kind: TokenKind::Word, ..token }),
            _ => joined.push(token),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_of_a_list_is_a_name_a_constant_or_for_the_server() {
        let name = |text: &str| ColumnItem::Name(text.to_owned());
        let constant = |text: &str| ColumnItem::Constant(text.to_owned());
        for (text, item) in [
            ("id", name("id")),
            (" `a b` ", name("a b")),
            ("表", name("表")),
            ("order", name("order")),
            ("log_${day}", name("log_${day}")),
            ("*", ColumnItem::All),
            ("'${var}'", constant("'${var}'")),
            ("'it''s'", constant("'it''s'")),
            ("123", constant("123")),
            ("-1.5", constant("-1.5")),
            ("null", constant("NULL")),
            ("true", constant("1")),
            ("now()", ColumnItem::Expression),
            ("CURRENT_DATE", ColumnItem::Expression),
            ("a + 1", ColumnItem::Expression),
            ("a as b", ColumnItem::Expression),
            ("t.a", ColumnItem::Expression),
            ("${expr}", ColumnItem::Expression),
            ("/*+ SET_VAR(a=1) */ id", ColumnItem::Expression),
            ("@x", ColumnItem::Expression),
        ] {
            assert_eq!(column_item(text).unwrap(), item, "{text}");
        }
        for bad in ["", "a; b", "concat(a", "a)", "'open", "a /*!+ 1 */", "a --1"] {
            assert!(column_item(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_condition_cannot_leave_its_parentheses() {
        for good in ["a = 1", "a = ';' and (b or c)", "a = 1 -- x", "a = '/*! )'", "a = '?'", "a /* ) */ = 1"] {
            check_condition(good).unwrap();
        }
        for bad in [
            "",
            "  -- x",
            "a = 1) or (b = 2",
            "(a = 1",
            "a = 1; drop table t",
            "a = 'x",
            "a /* b",
            "a /*! ) or ( */ = 1",
            "a = 1 /*M! or b */",
            "a = 1 --1) OR (b = 2",
            "a = ?",
        ] {
            assert!(check_condition(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_one_table_of_a_statement_is_found() {
        for (statement, table) in [
            ("ALTER TABLE t DROP PARTITION IF EXISTS p${var} FORCE", "t"),
            ("truncate table d.t", "d.t"),
            ("TRUNCATE t", "t"),
            ("delete from `a b` where dt = '${var}' and x > 1", "`a b`"),
            ("DROP TABLE IF EXISTS t_${var}", "t_${var}"),
            ("insert into t (a) values (1)", "t"),
            ("INSERT INTO t SELECT 1", "t"),
            ("update t set a = 1", "t"),
            ("create table if not exists t (a int)", "t"),
        ] {
            assert_eq!(table_place(statement).map(|place| &statement[place]), Some(table), "{statement}");
        }
        for other in [
            "insert into t select * from u",
            "alter table t swap with u; x",
            "create table t like u",
            "set @x = 1",
            "optimize table t",
            "delete t from t join u on t.a = u.a",
            "with x as (select 1) delete from t",
        ] {
            assert_eq!(table_place(other), None, "{other}");
        }
    }
}
