//! Errors as a terminal shows them.

use std::fmt::Write as _;

use crate::dialect::SqlDialect;
use crate::error::SqlError;
use crate::secrets::secret_ranges;
use crate::source::Position;

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

/// The line of a place, and the blanks that put a caret below the place. Secrets in the line are stars; every character keeps its column.
pub(crate) fn source_line(position: &Position) -> (String, String) {
    window(&masked_line(position), position.column.saturating_sub(1))
}

/// The line with `*` over its secrets. The whole text is read, because a string may have begun on an earlier line, and in both dialects,
/// because which of them held here is not known.
fn masked_line(position: &Position) -> String {
    let text = position.file.text.as_str();
    let line = position.file.line(position.line);
    let start = text.split_inclusive('\n').take(position.line.saturating_sub(1)).map(str::len).sum::<usize>();
    let mut secrets = secret_ranges(text, SqlDialect::Mysql);
    secrets.extend(secret_ranges(text, SqlDialect::Ansi));
    secrets.retain(|range| range.end > start && range.start < start + line.len());
    let is_secret = |at: usize| secrets.iter().any(|range| range.contains(&(start + at)));
    line.char_indices().map(|(at, c)| if is_secret(at) { '*' } else { c }).collect()
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
    fn a_shown_line_hides_its_secrets_and_keeps_its_columns() {
        let text = "CREATE CATALOG c PROPERTIES (\n 'password' = 'one\ntwo é', 'url' = 'http://h/f?Signature=SEC', x)";
        let file = SourceFile::new("a.sql", text);
        let shown = SqlError::new(ErrorCode::Syntax, "m").at(file.position(text.find('x').unwrap())).render();
        assert!(shown.contains("3 | *****', 'url' = 'http://h/f?Signature=***', x)\n"), "{shown}");
        assert!(shown.ends_with("\n  |                                             ^"), "{shown}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let file = SourceFile::new("a.sql", format!("{}X{}", "a".repeat(5000), "b".repeat(5000)));
        let shown = SqlError::new(ErrorCode::Syntax, "m").at(file.position(5000)).render();
        assert!(shown.len() < 600 && shown.contains("aXb"), "{shown}");
    }
}
