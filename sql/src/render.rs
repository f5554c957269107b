//! Errors as a terminal shows them.

use std::fmt::Write as _;

use crate::dialect::SqlDialect;
use crate::error::SqlError;
use crate::source::Position;
use crate::token::{TextKind, Token, TokenKind, tokenize};

/// Columns of a source line that are shown; longer lines are cut around the place.
const SHOWN_COLUMNS: usize = 160;

/// Makes text from outside safe to print: control characters, and those that reorder text or take no room, become `\u{…}`.
///
/// Line breaks are escaped too: a caller that prints several lines escapes each.
pub fn escape_control(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            // escape_default gives \n, \r, \t and \u{…}
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

impl SqlError {
    /// The error as a terminal shows it, without colours and without a final newline:
    ///
    /// ```text
    /// error[E1002]: the parameter bizdat is not defined
    ///  --> user_profile.sql:3:12
    ///   |
    /// 3 | SELECT '${bizdat}'
    ///   |         ^
    /// hint: did you mean bizdate?
    /// ```
    pub fn render(&self) -> String {
        let mut text = format!("error[{}]: {}", self.code.code(), escape_lines(&self.message));
        if let Some(position) = &self.position {
            render_place(position, &mut text);
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\nhint: {}", escape_lines(hint));
        }
        text
    }
}

/// The arrow, the source line and the caret.
fn render_place(position: &Position, text: &mut String) {
    let (shown, caret) = source_line(position);
    let number = position.line.to_string();
    let margin = " ".repeat(number.len());
    let name = escape_control(&position.file.name);
    let _ = write!(text, "\n{margin}--> {name}:{}:{}", position.line, position.column);
    let _ = write!(text, "\n{margin} |\n{number} | {shown}\n{margin} | {caret}^");
}

/// The line of a place, and the blanks that put a caret below the place.
pub(crate) fn source_line(position: &Position) -> (String, String) {
    window(&mask_secrets(position.file.line(position.line)), position.column.saturating_sub(1))
}

/// Parts of the names of properties whose values are secret.
const SECRET_NAMES: &[&str] =
    &["password", "passwd", "pwd", "secret", "token", "access_key", "accesskey", "credential", "authorization"];

/// Writes `*` over the quoted values of secret properties, over what follows IDENTIFIED BY, and over the password in a URL, so that a line
/// can be shown; every character keeps its column. The statement around the line is not known, so the line is read by itself.
fn mask_secrets(line: &str) -> String {
    let read = tokenize(line, SqlDialect::Mysql, TextKind::Script);
    let mut masked = Vec::new();
    for (at, token) in read.tokens.iter().enumerate().filter(|(_, token)| token.kind == TokenKind::String) {
        let inner = token.range.start + 1..token.range.end - 1;
        if is_secret_behind(line, &read.tokens[..at]) && !line[inner.clone()].starts_with("${") {
            masked.push(inner);
        } else if let Some(password) = url_password(&line[inner.clone()]) {
            masked.push(inner.start + password.start..inner.start + password.end);
        }
    }
    if let Some(open) = read.unterminated.filter(|_| is_secret_behind(line, &read.tokens)) {
        masked.push(open.offset + 1..line.len());
    }
    let is_masked = |at: usize| masked.iter().any(|range| range.contains(&at));
    line.char_indices().map(|(at, c)| if is_masked(at) { '*' } else { c }).collect()
}

/// Whether a quoted text behind these tokens is a secret.
fn is_secret_behind(line: &str, before: &[Token]) -> bool {
    if let [.., identified, by] = before
        && identified.is_word(line, "identified")
        && by.is_word(line, "by")
    {
        return true;
    }
    let name = match before {
        [.., name, equals] if equals.is_symbol("=") => name,
        [.., name] => name,
        [] => return false,
    };
    let name = name.inner(line).to_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// The place of the password in `scheme://user:password@host`.
fn url_password(text: &str) -> Option<std::ops::Range<usize>> {
    let authority = text.find("://")? + 3;
    let end = text[authority..].find(['/', '?']).map_or(text.len(), |end| authority + end);
    let at = authority + text[authority..end].rfind('@')?;
    let colon = authority + text[authority..at].find(':')?;
    Some(colon + 1..at)
}

/// The part of a line around a column, and the blanks that put a caret below that column.
fn window(line: &str, column: usize) -> (String, String) {
    let from = if column >= SHOWN_COLUMNS { column - SHOWN_COLUMNS / 2 } else { 0 };
    let mut shown = String::new();
    let mut caret = String::new();
    for (at, c) in line.chars().enumerate().skip(from).take(SHOWN_COLUMNS) {
        // a TAB stays, above and below, so that the caret stands under its character however wide the terminal shows it
        let safe = if c == '\t' { "\t".to_owned() } else { escape_control(&c.to_string()) };
        if at < column {
            let blank = if c == '\t' { "\t".to_owned() } else { " ".repeat(width(&safe)) };
            caret.push_str(&blank);
        }
        shown.push_str(&safe);
    }
    (shown, caret)
}

/// Columns of a terminal: East Asian wide characters and emoji take two.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '\u{0300}'..='\u{036f}' => 0,
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe4f}'
            | '\u{ff00}'..='\u{ff60}'
            | '\u{ffe0}'..='\u{ffe6}'
            | '\u{1f300}'..='\u{1faff}'
            | '\u{20000}'..='\u{3fffd}' => 2,
            _ => 1,
        })
        .sum()
}

fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape_control).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorCode, SourceFile};

    #[test]
    fn an_error_shows_code_place_line_caret_and_hint() {
        let file = SourceFile::new("user_profile.sql", "SELECT 1;\n\nSELECT '${bizdat}'");
        let at = file.text.find("${").unwrap();
        let error = SqlError::new(ErrorCode::UndefinedParameter, "the parameter bizdat is not defined")
            .at(file.position(at))
            .hint("did you mean bizdate?");
        assert_eq!(
            error.render(),
            "error[E1002]: the parameter bizdat is not defined\n --> user_profile.sql:3:9\n  |\n3 | SELECT '${bizdat}'\n  |         ^\nhint: did you mean bizdate?"
        );
    }

    #[test]
    fn the_caret_stands_below_its_character_behind_wide_ones_and_tabs() {
        let file = SourceFile::new("a.sql", "\t日志 x");
        let error = SqlError::new(ErrorCode::Syntax, "m").at(file.position(file.text.find('x').unwrap()));
        assert!(error.render().ends_with("1 | \t日志 x\n  | \t     ^"), "{}", error.render());
    }

    #[test]
    fn control_characters_from_a_script_never_reach_the_terminal() {
        let file = SourceFile::new("a\u{1b}[2J.sql", "x \u{1b}]0;owned\u{7} \u{202e}y");
        let error = SqlError::new(ErrorCode::Syntax, "bad \u{1b}[31mthing\r").at(file.position(0)).hint("\u{8}h");
        let shown = error.render();
        assert!(shown.chars().all(|c| c == '\n' || !is_unsafe(c)), "{shown:?}");
        assert!(shown.contains(r"\u{1b}]0;owned\u{7}"), "{shown}");
    }

    #[test]
    fn a_shown_line_hides_its_secrets() {
        for (line, shown) in [
            (r#"("user" = "root", "password" = "hunter2", x y"#, r#"("user" = "root", "password" = "*******", x y"#),
            ("(access_key_secret 'é\\'x')", "(access_key_secret '****')"),
            (r#""password" = "hunter2"#, r#""password" = "*******"#),
            ("IDENTIFIED BY 'hunter2'", "IDENTIFIED BY '*******'"),
            ("\"url\" = \"jdbc:mysql://root:hunter2@h:1/d\"", "\"url\" = \"jdbc:mysql://root:*******@h:1/d\""),
            ("'password' = '${env:PW}', 'a' = 'b'", "'password' = '${env:PW}', 'a' = 'b'"),
        ] {
            assert_eq!(mask_secrets(line), shown);
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let file = SourceFile::new("a.sql", format!("{}X{}", "a".repeat(5000), "b".repeat(5000)));
        let shown = SqlError::new(ErrorCode::Syntax, "m").at(file.position(5000)).render();
        assert!(shown.len() < 600 && shown.contains("aXb"), "{shown}");
    }
}
