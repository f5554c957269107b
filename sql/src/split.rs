//! Step 1: a script is cut at `;`.

use std::ops::Range;
use std::sync::Arc;

use crate::dialect::SqlDialect;
use crate::error::SqlError;
use crate::source::{Piece, SourceFile};
use crate::token::{Token, TokenKind, tokenize_statement};

/// Cuts a script at every `;` outside strings, quoted names, comments and placeholders, in MySQL's dialect until the script sets another.
///
/// Pieces have no blanks and comments around them, and empty ones are left out; what MySQL runs of comments (`/*! … */`, `--` without a blank
/// behind it at the end) stays, as MySQL would read on there. What a statement means is not looked at, so a broken one
/// does not hide those behind it; only a string, quoted name or comment without an end is an error, at its start.
pub fn split(file: &Arc<SourceFile>) -> Result<Vec<Piece>, SqlError> {
    split_in(file, SqlDialect::Mysql)
}

/// [`split`], beginning in the dialect that the session has. `SET syncline.sql_dialect = '…'` in the script holds for what follows it.
pub fn split_in(file: &Arc<SourceFile>, dialect: SqlDialect) -> Result<Vec<Piece>, SqlError> {
    let text = file.text.as_str();
    let mut pieces = Vec::new();
    let mut dialect = dialect;
    let mut start = 0;
    loop {
        let read = tokenize_statement(text, start, dialect);
        if let Some(unterminated) = read.unterminated {
            return Err(unterminated.error().at(file.position(unterminated.offset)));
        }
        let (tokens, next) = match read.tokens.split_last() {
            Some((last, before)) if last.is_symbol(";") => (before, last.range.end),
            _ => (read.tokens.as_slice(), text.len()),
        };
        if let Some(range) = range_of(text, tokens, &read.executed) {
            pieces.push(Piece { file: Arc::clone(file), range });
        }
        if next == text.len() {
            return Ok(pieces);
        }
        dialect = dialect_set_by(text, tokens, dialect).unwrap_or(dialect);
        start = next;
    }
}

/// From the first to the last token, with the comments around them that MySQL runs. A line `--so` before a statement is none of them: it would
/// be a mistake there, and is a comment to everyone who writes one.
fn range_of(text: &str, tokens: &[Token], executed: &[Range<usize>]) -> Option<Range<usize>> {
    let block = executed.iter().find(|comment| text[comment.start..].starts_with("/*"));
    let first = tokens.first().map(|token| &token.range).into_iter().chain(block).min_by_key(|range| range.start)?;
    let last = tokens.last().map(|token| &token.range).into_iter().chain(executed).max_by_key(|range| range.end)?;
    Some(first.start..last.end)
}

/// Whether text typed at a prompt can be run: it ends with a `;` that is not inside a string, a name, a comment or a placeholder.
pub fn is_complete(text: &str, dialect: SqlDialect) -> bool {
    let mut start = 0;
    loop {
        let read = tokenize_statement(text, start, dialect);
        match read.tokens.last() {
            _ if read.unterminated.is_some() => return false,
            // nothing but blanks and comments behind the last `;`, if there was one
            None => return start > 0,
            Some(last) if last.is_symbol(";") => start = last.range.end,
            Some(_) => return false,
        }
    }
}

/// The dialect that `SET syncline.sql_dialect = value` sets.
fn dialect_set_by(text: &str, tokens: &[Token], dialect: SqlDialect) -> Option<SqlDialect> {
    let [set, name @ .., equals, value] = tokens else { return None };
    let name: String = name.iter().map(|token| token.value(text, dialect)).collect();
    let is_assignment = set.is_word(text, "set")
        && name.eq_ignore_ascii_case(SqlDialect::SETTING)
        && (equals.is_symbol("=") || equals.is_word(text, "to"))
        && matches!(value.kind, TokenKind::String | TokenKind::Word | TokenKind::QuotedName);
    is_assignment.then(|| SqlDialect::from_setting(&value.value(text, dialect))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    fn pieces(sql: &str) -> Vec<String> {
        let file = SourceFile::new("a.sql", sql);
        split(&file).unwrap().iter().map(|piece| piece.text().to_owned()).collect()
    }

    #[test]
    fn a_semicolon_cuts_only_outside_strings_names_comments_and_placeholders() {
        assert_eq!(pieces("a ';' b; \"x;\" `;` /* ; */ c -- ;\n;# ;\n;;  d"), ["a ';' b", "\"x;\" `;` /* ; */ c", "d"]);
        assert_eq!(pieces(r"select 'it\'s;'; select 'C:\\'; x"), [r"select 'it\'s;'", r"select 'C:\\'", "x"]);
        assert_eq!(pieces("select '${a;b}', $<x>; y"), ["select '${a;b}', $<x>", "y"]);
    }

    #[test]
    fn hints_stay_in_their_statement() {
        assert_eq!(pieces("select /*+ SET_VAR(a=1) */ 1; "), ["select /*+ SET_VAR(a=1) */ 1"]);
    }

    #[test]
    fn what_mysql_runs_of_comments_stays_in_its_statement() {
        for (script, expected) in [
            ("delete from t where a > 5--1 and b = 2;x", vec!["delete from t where a > 5--1 and b = 2;x"]),
            ("delete from t -- a;\n;--b\nx --\n", vec!["delete from t", "x"]),
            ("a /*!40000 b */ -- c\n; d /*M! e */", vec!["a /*!40000 b */", "d /*M! e */"]),
            ("/*! a */ b; /*! c */; --d\n", vec!["/*! a */ b", "/*! c */"]),
            ("--a\nb /* c */", vec!["b"]),
        ] {
            assert_eq!(pieces(script), expected, "{script}");
        }
    }

    #[test]
    fn empty_scripts_have_no_statements() {
        assert!(pieces("").is_empty());
        assert!(pieces(" ;; -- x").is_empty());
    }

    #[test]
    fn a_broken_statement_does_not_hide_the_others() {
        let file = SourceFile::new("a.sql", "select 1;\n  selec ( from ;\nselect é, 2;");
        let places: Vec<_> = split(&file).unwrap().iter().map(|p| (p.position().line, p.position().column)).collect();
        assert_eq!(places, [(1, 1), (2, 3), (3, 1)]);
    }

    #[test]
    fn what_has_no_end_is_an_error_at_its_start() {
        let file = SourceFile::new("a.sql", "select 1;\nselect 'abc;\nselect 2;");
        let error = split(&file).unwrap_err();
        let at = error.position.unwrap();
        assert_eq!((error.code, at.line, at.column), (ErrorCode::Syntax, 2, 8));
    }

    #[test]
    fn a_text_is_complete_when_it_ends_with_a_semicolon() {
        for (text, expected) in [
            ("select 1;", true),
            ("select 1; -- done", true),
            ("select 1;\nselect 2;\n", true),
            ("select 1", false),
            ("select ';", false),
            ("select 1; /* ;", false),
            ("", false),
            ("-- ;", false),
        ] {
            assert_eq!(is_complete(text, SqlDialect::Mysql), expected, "{text}");
        }
    }

    #[test]
    fn the_dialect_changes_with_the_statement_that_sets_it() {
        let script = r#"select 'a\'; b'; SET syncline.sql_dialect = 'ansi'; select 'C:\'; set syncline.sql_dialect to mysql; select '\';'"#;
        assert_eq!(pieces(script)[2..], [r"select 'C:\'", "set syncline.sql_dialect to mysql", r"select '\';'"]);
    }
}
