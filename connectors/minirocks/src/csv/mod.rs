//! StarRocks's two CSV parsers, over bytes that arrive in pieces.
//!
//! Without `enclose` and `escape` a record ends at the row delimiter and is cut at the column separator, nothing else
//! ([`plain`]). With either of them a state machine reads it ([`quoted`]), with all the server's habits.

mod delimiter;
mod plain;
mod quoted;
#[cfg(test)]
mod tests;

pub(crate) use delimiter::delimiter;

use crate::error::{Error, Result};

/// Longest record in bytes. StarRocks allows 512 MB; a quarter is enough for anything that is not a mistake.
const MAX_RECORD: usize = 128 << 20;

/// How CSV is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CsvOptions {
    /// Between columns; one byte or more.
    pub(crate) column_separator: Vec<u8>,
    /// Behind each row; one byte or more.
    pub(crate) row_delimiter: Vec<u8>,
    /// Rows to pass over, counted by the row delimiter alone.
    pub(crate) skip_header: u64,
    /// Whether spaces around a field are dropped.
    pub(crate) trim_space: bool,
    /// The quote character; 0 for none.
    pub(crate) enclose: u8,
    /// The escape character; 0 for none.
    pub(crate) escape: u8,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            column_separator: b"\t".to_vec(),
            row_delimiter: b"\n".to_vec(),
            skip_header: 0,
            trim_space: false,
            enclose: 0,
            escape: 0,
        }
    }
}

/// One record. Fields are bytes; a NULL is still its text `\N`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// The record as it was sent, without its row delimiter.
    pub(crate) raw: &'a [u8],
    text: &'a [u8],
    spans: &'a [(usize, usize)],
}

impl<'a> Record<'a> {
    /// The number of fields.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The fields in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a [u8]> {
        let text = self.text;
        self.spans.iter().map(move |&(start, end)| &text[start..end])
    }

    /// A field by its position.
    pub(crate) fn field(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|&(start, end)| &self.text[start..end])
    }
}

/// Reads records from bytes that arrive in pieces: [`feed`](Self::feed), take records until there is none, feed again; in the
/// end [`finish`](Self::finish) and take the rest. Memory is that of one piece and one record.
#[derive(Debug)]
pub(crate) struct CsvReader {
    options: CsvOptions,
    buffer: Vec<u8>,
    /// Where the next record begins in `buffer`.
    start: usize,
    is_finished: bool,
    skipped: u64,
    splitter: Splitter,
    /// A record was not complete with this many bytes; it is not tried again before there are clearly more, so that a long
    /// record that arrives in small pieces is not read over and over.
    retry_at: usize,
}

#[derive(Debug)]
enum Splitter {
    Plain(plain::Splitter),
    Quoted(quoted::Splitter),
}

/// What a splitter finds at the start of the bytes it gets.
enum Found {
    /// A record: `raw` bytes long, and `consumed` with its delimiter.
    Record { raw: usize, consumed: usize },
    /// An empty record, which does not count.
    Empty { consumed: usize },
    /// The record does not end within the bytes.
    Incomplete,
}

impl CsvReader {
    /// A reader that has no bytes yet.
    pub(crate) fn new(options: CsvOptions) -> Self {
        let splitter = if options.enclose == 0 && options.escape == 0 {
            Splitter::Plain(plain::Splitter::new(&options))
        } else {
            Splitter::Quoted(quoted::Splitter::new(&options))
        };
        Self { options, buffer: Vec::new(), start: 0, is_finished: false, skipped: 0, splitter, retry_at: 0 }
    }

    /// Takes more bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Says that there are no more bytes. A last record without a row delimiter is given one.
    pub(crate) fn finish(&mut self) {
        self.is_finished = true;
        self.retry_at = 0;
        let rest = &self.buffer[self.start..];
        if !rest.is_empty() && !rest.ends_with(&self.options.row_delimiter) {
            self.buffer.extend_from_slice(&self.options.row_delimiter);
        }
    }

    /// The next record, or `None` if more bytes are needed or, after `finish`, if there is no more.
    pub(crate) fn next_record(&mut self) -> Result<Option<Record<'_>>> {
        if self.skipped < self.options.skip_header && !self.skip_header()? {
            return Ok(None);
        }
        loop {
            let rest = &self.buffer[self.start..];
            if rest.is_empty() || rest.len() < self.retry_at {
                return Ok(None);
            }
            let found = match &mut self.splitter {
                Splitter::Plain(splitter) => splitter.split(rest),
                Splitter::Quoted(splitter) => splitter.split(rest, self.is_finished),
            };
            match found {
                Found::Empty { consumed } => self.start += consumed,
                Found::Incomplete if rest.len() > MAX_RECORD => {
                    return Err(Error::invalid(format!("CSV line length exceed limit {MAX_RECORD}")));
                }
                Found::Incomplete => {
                    self.retry_at = rest.len() + rest.len() / 2;
                    return Ok(None);
                }
                Found::Record { raw, consumed } => {
                    self.retry_at = 0;
                    let begin = self.start;
                    self.start += consumed;
                    let raw = &self.buffer[begin..begin + raw];
                    let (text, spans) = match &self.splitter {
                        Splitter::Plain(splitter) => (raw, splitter.spans()),
                        Splitter::Quoted(splitter) => (splitter.text(), splitter.spans()),
                    };
                    return Ok(Some(Record { raw, text, spans }));
                }
            }
        }
    }

    /// Passes over the header; false if it needs more bytes.
    fn skip_header(&mut self) -> Result<bool> {
        while self.skipped < self.options.skip_header {
            let rest = &self.buffer[self.start..];
            match memchr::memmem::find(rest, &self.options.row_delimiter) {
                Some(at) => {
                    self.start += at + self.options.row_delimiter.len();
                    self.skipped += 1;
                }
                None if self.is_finished => {
                    return Err(Error::invalid(format!(
                        "The parameter 'skip_header' is set to {}, but there are only {} rows in the csv file",
                        self.options.skip_header, self.skipped
                    )));
                }
                None if rest.len() > MAX_RECORD => {
                    return Err(Error::invalid(format!("CSV line length exceed limit {MAX_RECORD}")));
                }
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}
