//! Script text and places in it.

use std::ops::Range;
use std::sync::Arc;

use crate::render::{escape_control, source_line};

/// A script's name and text.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The name for messages: a path as given, `stdin`, or `query`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Where each line starts, so that a place in a long script is found without reading it from the start.
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// Names a text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let text = text.into();
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Arc::new(Self { name: name.into(), text, line_starts })
    }

    /// The place of a byte offset.
    pub fn position(self: &Arc<Self>, offset: usize) -> Position {
        let offset = floor_char_boundary(&self.text, offset);
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let column = self.text[self.line_starts[line - 1]..offset].chars().count() + 1;
        Position { file: Arc::clone(self), offset, line, column }
    }

    /// The text of a line, counted from 1, without its end.
    pub(crate) fn line(&self, line: usize) -> &str {
        let Some(start) = self.line_starts.get(line.saturating_sub(1)) else { return "" };
        self.text[*start..].lines().next().unwrap_or("")
    }
}

/// A place in a script.
#[derive(Clone, PartialEq, Eq)]
pub struct Position {
    /// The script.
    pub file: Arc<SourceFile>,
    /// Bytes from its start.
    pub offset: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// `file:line:column`, the line's text and a caret below the place, in three lines, safe to print.
    pub fn render(&self) -> String {
        let (text, caret) = source_line(self);
        format!("{}:{}:{}\n  {text}\n  {caret}^", escape_control(&self.file.name), self.line, self.column)
    }
}

impl std::fmt::Debug for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file.name, self.line, self.column)
    }
}

/// One statement's text, cut out of a script, without the `;` and without blanks and comments around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The script.
    pub file: Arc<SourceFile>,
    /// The bytes of the statement.
    pub range: Range<usize>,
}

impl Piece {
    /// The statement's text as typed.
    pub fn text(&self) -> &str {
        &self.file.text[self.range.clone()]
    }

    /// Where it begins.
    pub fn position(&self) -> Position {
        self.file.position(self.range.start)
    }
}

/// A statement whose parameters are put in. Offsets into `text` lead back to the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Where it came from.
    pub piece: Piece,
    /// The text that is parsed or sent.
    pub text: String,
    /// The replaced places, in order.
    pub replacements: Vec<Replacement>,
}

/// One parameter that was put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Where the value stands in [`Prepared::text`].
    pub range: Range<usize>,
    /// Where the placeholder stands in the script's file.
    pub original: Range<usize>,
    /// The parameter's name.
    pub name: String,
    /// Whether the value may be any SQL.
    pub raw: bool,
}

impl Prepared {
    /// The place in the script of an offset into `text`; inside a value, the place of its placeholder.
    pub fn position(&self, offset: usize) -> Position {
        let mut shift = self.piece.range.start as isize;
        for replacement in &self.replacements {
            if offset < replacement.range.start {
                break;
            }
            if offset < replacement.range.end {
                return self.piece.file.position(replacement.original.start);
            }
            shift = replacement.original.end as isize - replacement.range.end as isize;
        }
        self.piece.file.position((offset as isize + shift).max(0) as usize)
    }

    /// The offset into `text` of a line and a column in characters, both from 1: the places in sqlparser's spans and in what DataFusion
    /// reports of them.
    pub fn offset_of(&self, line: u64, column: u64) -> usize {
        let mut start = 0;
        for _ in 1..line {
            match self.text[start..].find('\n') {
                Some(at) => start += at + 1,
                None => return self.text.len(),
            }
        }
        let columns = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
        let rest = &self.text[start..];
        start + rest.char_indices().nth(columns).map_or(rest.len(), |(at, _)| at)
    }
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_lines() {
        let file = SourceFile::new("a.sql", "select 1;\nsélect é x");
        let at = file.position(file.text.find('x').unwrap());
        assert_eq!((at.line, at.column), (2, 10));
        assert_eq!(at.render(), "a.sql:2:10\n  sélect é x\n           ^");
    }
}
