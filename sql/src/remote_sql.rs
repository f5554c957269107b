//! What is sent to a remote system must mean there what it means here.
//!
//! Remote systems read MySQL's dialect. So a native statement that was typed in the standard's dialect is refused where the two differ, and
//! parameters inside the text of `remote_execute` and `remote_query` are checked as the remote system will read them.

use std::ops::Range;

use crate::dialect::SqlDialect;
use crate::error::{ErrorCode, SqlError};
use crate::source::Replacement;
use crate::statement_text::StatementText;
use crate::substitute::LITERAL;
use crate::token::{TextKind, Token, TokenKind, tokenize, unescape};

/// Refuses what a remote system would read differently, in the standard's dialect.
pub(crate) fn refuse_other_readings(
    statement: &StatementText<'_>,
    tokens: Range<usize>,
    catalog: &str,
) -> Result<(), SqlError> {
    if statement.dialect != SqlDialect::Ansi {
        return Ok(());
    }
    for at in tokens {
        let Some(token) = statement.tokens.get(at) else { break };
        let typed = token.text(statement.text());
        let (meaning, hint) = match token.kind {
            TokenKind::QuotedName if typed.starts_with('"') => ("is a string", "quote names with backticks"),
            TokenKind::String if typed.contains('\\') => ("has an escape in it", "use the mysql dialect for it"),
            _ => continue,
        };
        let message = format!("this runs in catalog {catalog}, for which the text in these quotes {meaning}");
        return Err(statement.error(ErrorCode::Syntax, message, at).hint(hint));
    }
    Ok(())
}

/// Checks the parameters in a string that is SQL itself: each must be inside one token of that SQL.
pub(crate) fn check_sql_argument(statement: &StatementText<'_>, at: usize) -> Result<(), SqlError> {
    let Some(token) = statement.tokens.get(at).filter(|token| token.kind == TokenKind::String) else { return Ok(()) };
    let sql = token.value(statement.text(), statement.dialect);
    let inner = tokenize(&sql, SqlDialect::Mysql, TextKind::Prepared).tokens;
    let is_inside = |r: &&Replacement| token.range.start < r.range.start && r.range.end < token.range.end;
    for replacement in statement.prepared.replacements.iter().filter(is_inside) {
        if replacement.raw || replacement.name == LITERAL {
            continue;
        }
        let place = value_place(statement, token, replacement, &sql);
        if !place.is_some_and(|place| is_in_one_token(&inner, &place)) {
            let message = format!("the value of {} would change the SQL that is sent", replacement.name);
            return Err(SqlError::new(ErrorCode::UnsafeParameter, message)
                .at(statement.prepared.position(replacement.range.start))
                .hint("put it in quotes there, without quotes and backslashes in it, or declare it RAW"));
        }
    }
    Ok(())
}

/// Where a value stands in the SQL that the string holds, if it stands there letter by letter.
fn value_place(
    statement: &StatementText<'_>,
    token: &Token,
    replacement: &Replacement,
    sql: &str,
) -> Option<Range<usize>> {
    let text = statement.text();
    let value = &text[replacement.range.clone()];
    if value.contains(['\'', '"', '`', '\\']) {
        return None;
    }
    let quote = char::from(text.as_bytes()[token.range.start]);
    let before = &text[token.range.start + 1..replacement.range.start];
    let before = unescape(before, quote, statement.dialect.has_backslash_escapes());
    // a backslash before the value would have taken its first letter
    let is_there = sql.strip_prefix(before.as_str())?.starts_with(value);
    is_there.then(|| before.len()..before.len() + value.len())
}

fn is_in_one_token(tokens: &[Token], place: &Range<usize>) -> bool {
    let holds = |token: &Token| match token.kind {
        TokenKind::String | TokenKind::QuotedName | TokenKind::PrefixedString => {
            token.range.start < place.start && place.end < token.range.end
        }
        TokenKind::Word | TokenKind::Number => {
            !place.is_empty() && token.range.start <= place.start && place.end <= token.range.end
        }
        _ => false,
    };
    let is_signed_number = |pair: &[Token]| {
        let [sign, number] = pair else { return false };
        (sign.is_symbol("-") || sign.is_symbol("+"))
            && number.kind == TokenKind::Number
            && sign.range.start == place.start
            && sign.range.end == number.range.start
            && place.end <= number.range.end
    };
    tokens.iter().any(holds) || tokens.windows(2).any(is_signed_number)
}
