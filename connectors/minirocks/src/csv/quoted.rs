//! The parser with `enclose` and `escape` (StarRocks: the state machine of `CSVReader::more_rows`).
//!
//! It keeps the server's habits, odd as some are: a byte is cut from the end of an enclosed field, whatever it is; an enclose
//! character inside of a field that is not enclosed is dropped and protects the next byte; an escape before an ordinary byte
//! leaves the enclosed state; the option that is not set is the NUL byte.

use super::{CsvOptions, Found};

/// Finds the end of a record and copies its fields without their quoting.
#[derive(Debug)]
pub(super) struct Splitter {
    column_separator: Vec<u8>,
    row_delimiter: Vec<u8>,
    trim_space: bool,
    enclose: u8,
    escape: u8,
    text: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Ordinary,
    Enclosed,
    /// Behind an escape character; the state to go back to.
    Escaped(Back),
    /// Behind an enclose character that protects the next byte.
    Protected(Back),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    Ordinary,
    Enclosed,
}

impl From<Back> for State {
    fn from(back: Back) -> Self {
        match back {
            Back::Ordinary => Self::Ordinary,
            Back::Enclosed => Self::Enclosed,
        }
    }
}

/// The field being read.
#[derive(Debug, Default)]
struct Field {
    start: usize,
    is_enclosed: bool,
    /// Its enclosing has just ended.
    just_closed: bool,
    /// Where its text ended, if a space follows the enclosing and `trim_space` is on.
    text_end: Option<usize>,
}

impl Splitter {
    pub(super) fn new(options: &CsvOptions) -> Self {
        Self {
            column_separator: options.column_separator.clone(),
            row_delimiter: options.row_delimiter.clone(),
            trim_space: options.trim_space,
            enclose: options.enclose,
            escape: options.escape,
            text: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// The text of the fields of the last record.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The fields of the last record, as positions in [`text`](Self::text).
    pub(super) fn spans(&self) -> &[(usize, usize)] {
        &self.spans
    }

    pub(super) fn split(&mut self, rest: &[u8], is_finished: bool) -> Found {
        self.text.clear();
        self.spans.clear();
        let mut at = 0;
        let mut state = State::Start;
        let mut field = Field::default();
        while at < rest.len() {
            let here = &rest[at..];
            // A delimiter of several bytes, or the byte behind a closing quote, may be in the next piece.
            let lookahead = self.row_delimiter.len().max(self.column_separator.len()).max(2);
            if here.len() < lookahead && !is_finished && !here.starts_with(&self.row_delimiter) {
                return Found::Incomplete;
            }
            match state {
                State::Start => {
                    field = Field { start: self.text.len(), ..Field::default() };
                    if self.trim_space && here[0] == b' ' {
                        at += 1;
                        continue;
                    }
                    if here.starts_with(&self.row_delimiter) {
                        if self.spans.is_empty() {
                            return Found::Empty { consumed: at + self.row_delimiter.len() };
                        }
                        return self.end(at, &field);
                    }
                    if here.starts_with(&self.column_separator) {
                        self.push(&field);
                        at += self.column_separator.len();
                    } else if here[0] == self.escape {
                        state = State::Escaped(Back::Ordinary);
                        at += 1;
                    } else if here[0] == self.enclose {
                        field.is_enclosed = true;
                        state = State::Enclosed;
                        at += 1;
                    } else {
                        self.text.push(here[0]);
                        state = State::Ordinary;
                        at += 1;
                    }
                }
                State::Enclosed => {
                    if here[0] == self.enclose {
                        if here.get(1) == Some(&self.enclose) {
                            state = State::Protected(Back::Enclosed);
                        } else {
                            // The closing character stays in the text; the end of the field cuts one byte.
                            self.text.push(here[0]);
                            field.just_closed = true;
                            state = State::Ordinary;
                        }
                    } else if here[0] == self.escape {
                        state = State::Escaped(Back::Enclosed);
                    } else {
                        self.text.push(here[0]);
                    }
                    at += 1;
                }
                State::Protected(back) => {
                    self.text.push(here[0]);
                    state = back.into();
                    at += 1;
                }
                State::Escaped(back) => {
                    let protected = if here[0] == self.enclose || here[0] == self.escape {
                        1
                    } else if here.starts_with(&self.row_delimiter) {
                        self.row_delimiter.len()
                    } else if here.starts_with(&self.column_separator) {
                        self.column_separator.len()
                    } else {
                        0
                    };
                    self.text.extend_from_slice(&here[..protected]);
                    at += protected;
                    // Before any other byte an escape leaves the enclosed state.
                    state = if protected == 0 { State::Ordinary } else { back.into() };
                }
                State::Ordinary => {
                    if std::mem::take(&mut field.just_closed) && self.trim_space && here[0] == b' ' {
                        field.text_end = Some(self.text.len());
                    }
                    if here.starts_with(&self.row_delimiter) {
                        return self.end(at, &field);
                    }
                    if here.starts_with(&self.column_separator) {
                        self.push(&field);
                        at += self.column_separator.len();
                        state = State::Start;
                    } else if here[0] == self.escape {
                        state = State::Escaped(Back::Ordinary);
                        at += 1;
                    } else if here[0] == self.enclose {
                        state = State::Protected(Back::Ordinary);
                        at += 1;
                    } else {
                        self.text.push(here[0]);
                        at += 1;
                    }
                }
            }
        }
        if !is_finished {
            return Found::Incomplete;
        }
        // The input ends inside of a field: what there is counts as the last field.
        self.push(&field);
        Found::Record { raw: rest.len(), consumed: rest.len() }
    }

    fn end(&mut self, at: usize, field: &Field) -> Found {
        self.push(field);
        Found::Record { raw: at, consumed: at + self.row_delimiter.len() }
    }

    fn push(&mut self, field: &Field) {
        let mut end = field.text_end.unwrap_or(self.text.len());
        if field.is_enclosed {
            end = end.saturating_sub(1).max(field.start);
        }
        self.spans.push((field.start, end));
    }
}
