//! CSV: fields in quotes where readers need them.

use std::borrow::Cow;

use arrow::record_batch::RecordBatch;
use memchr::memmem;

use super::cells::{self, DateText};
use super::delimited::LOSES_TIME;
use super::{LineSyntax, unsupported};
use crate::csv::Uncarried;
use crate::csv::column::{Column, Values};
use crate::csv::temporal::MICROS_PER_DAY;
use crate::error::{ConnectorError, Result};
use crate::text::{CsvDialect, CsvSyntax, TextTableOptions};

/// Lines of CSV.
#[derive(Debug)]
pub(super) struct CsvLines {
    names: Vec<String>,
    delimiter: Vec<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
    dialect: CsvDialect,
    comment: Option<u8>,
    /// Whether readers take a line's end within quotes for data.
    multi_line: bool,
    /// What readers take `""` for.
    empty_value: Vec<u8>,
    line_delimiter: Option<Vec<u8>>,
    null_marker: Vec<u8>,
    raw: bool,
    dates: DateText,
}

const NO_QUOTE: &str = "needs quotes, which the files do not have; set \"quote\", or write \"raw_text\" = 'true'";
const LINE_END: &str = "holds a line's end (LF or CR), which readers of these files take for one even in quotes; set \"multiLine\" = 'true' on the table, or write \"raw_text\" = 'true'";
const EMPTY_VALUE: &str = "is empty, which readers of these files take for something else; set \"emptyValue\" = ''";
const BLANK_LINE: &str = "makes a blank line, which readers leave out; choose another text for NULL";
const NULL_MARK: &str = "is NULL, whose text readers of these files would take for something else; choose another";
const LINE_DELIMITER: &str = "holds the lines' delimiter";
const ESCAPE: &str = "holds the escape where readers of these files would drop it; set \"escape\" to another character";

impl CsvLines {
    pub(super) fn new(options: &TextTableOptions, csv: &CsvSyntax, raw: bool) -> Result<Self> {
        for (name, data_type) in &options.columns {
            if data_type.is_nested() {
                return Err(unsupported(name, data_type, "a file of CSV"));
            }
        }
        let delimiter = options.fields_delimiter.clone().unwrap_or_default();
        if delimiter.is_empty() && options.columns.len() > 1 {
            return Err(ConnectorError::option("CSV of several columns needs a delimiter"));
        }
        Ok(Self {
            names: options.columns.iter().map(|(name, _)| name.clone()).collect(),
            delimiter,
            quote: csv.quote,
            escape: csv.escape.filter(|escape| Some(*escape) != csv.quote),
            dialect: csv.dialect,
            comment: csv.comment,
            multi_line: csv.multi_line,
            empty_value: csv.empty_value.clone(),
            line_delimiter: options.line_delimiter.clone(),
            null_marker: options.null_marker.clone(),
            raw,
            dates: DateText { date: csv.date_format.clone(), timestamp: csv.timestamp_format.clone() },
        })
    }

    fn line_end(&self) -> &[u8] {
        self.line_delimiter.as_deref().unwrap_or(b"\n")
    }

    /// Whether a field is something else to readers unless it is quoted.
    fn needs_quotes(&self, text: &[u8], is_first: bool) -> bool {
        if text.is_empty() || text == self.null_marker {
            return true;
        }
        let marks = [self.quote, self.escape, Some(b'\n'), Some(b'\r')];
        let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| *byte <= b' ');
        text.iter().any(|byte| marks.contains(&Some(*byte)) || Some(byte) == self.delimiter.first())
            || self.line_delimiter.as_ref().is_some_and(|line| text.contains(&line[0]))
            || (is_first && self.comment.is_some_and(|comment| text[0] == comment))
            || is_space(text.first())
            || is_space(text.last())
    }

    /// Why a reader would not give a text back as it is.
    fn problem(&self, text: &[u8], is_first: bool) -> Option<&'static str> {
        if self.raw || !self.needs_quotes(text, is_first) {
            return None;
        }
        let Some(quote) = self.quote else { return Some(NO_QUOTE) };
        if text.is_empty() && !self.empty_value.is_empty() {
            return Some(EMPTY_VALUE);
        }
        if !self.multi_line && self.line_delimiter.is_none() && memchr::memchr2(b'\n', b'\r', text).is_some() {
            return Some(LINE_END);
        }
        if let Some(line) = &self.line_delimiter
            && !self.multi_line
            && memmem::find(text, line).is_some()
        {
            return Some(LINE_DELIMITER);
        }
        // an escape that is a letter or the delimiter itself reads in more than one way
        let is_odd = |byte: u8| byte.is_ascii_alphanumeric() || self.delimiter.contains(&byte);
        self.escape
            .is_some_and(|escape| is_odd(escape) && text.contains(&escape))
            .then_some(ESCAPE)
            .filter(|_| quote != 0)
    }

    fn append_text(&self, text: &[u8], is_first: bool, out: &mut Vec<u8>) {
        let Some(quote) = self.quote.filter(|_| !self.raw && self.needs_quotes(text, is_first)) else {
            out.extend_from_slice(text);
            return;
        };
        out.push(quote);
        for byte in text {
            if *byte == quote {
                out.push(self.escape.unwrap_or(quote));
            } else if Some(*byte) == self.escape {
                out.push(*byte);
            }
            out.push(*byte);
        }
        out.push(quote);
    }

    fn append_field(&self, column: &Column, row: usize, is_first: bool, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        if column.is_null(row) || matches!(column.values, Values::Null) {
            out.extend_from_slice(&self.null_marker);
            return;
        }
        if let Values::Text(texts) = &column.values {
            return self.append_text(texts.value(row).as_bytes(), is_first, out);
        }
        scratch.clear();
        cells::append(column, row, &self.dates, scratch);
        self.append_text(scratch, is_first, out);
    }

    /// Whether an unquoted NULL marker is read as NULL where it stands.
    fn null_problem(&self, is_first: bool, is_alone: bool) -> Option<&'static str> {
        let marker = &self.null_marker;
        if is_alone && marker.is_empty() {
            return Some(BLANK_LINE);
        }
        let marks = [self.quote, Some(b'\n'), Some(b'\r'), self.delimiter.first().copied()];
        let is_read = !marker.iter().any(|byte| marks.contains(&Some(*byte)))
            && !(is_first && self.comment.is_some_and(|comment| marker.first() == Some(&comment)))
            && (self.dialect != CsvDialect::OpenCsv || !marker.contains(&self.escape.unwrap_or(b'\n')));
        (!is_read).then_some(NULL_MARK)
    }
}

impl LineSyntax for CsvLines {
    fn header(&self, out: &mut Vec<u8>) {
        for (index, name) in self.names.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(&self.delimiter);
            }
            let name: Cow<'_, str> = if self.multi_line { name.into() } else { name.replace(['\n', '\r'], " ").into() };
            self.append_text(name.as_bytes(), index == 0, out);
        }
        out.extend_from_slice(self.line_end());
    }

    fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Column::new).collect::<Result<Vec<_>>>()?;
        let line_end = self.line_end();
        let row_bytes = columns.iter().map(|column| column.fixed_bytes + self.delimiter.len()).sum::<usize>();
        let text_bytes = columns.iter().map(|column| column.text_bytes).sum::<usize>();
        out.reserve((row_bytes + line_end.len()) * batch.num_rows() + text_bytes);
        let mut scratch = Vec::new();
        for row in 0..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(&self.delimiter);
                }
                self.append_field(column, row, index == 0, &mut scratch, out);
            }
            out.extend_from_slice(line_end);
        }
        Ok(())
    }

    fn uncarried(&self, batch: &RecordBatch, found: &mut Vec<Uncarried>) -> Result<()> {
        let is_alone = batch.num_columns() == 1;
        for (column, array) in batch.columns().iter().enumerate() {
            let is_first = column == 0;
            let values = Column::new(array)?;
            let null_problem = self.null_problem(is_first, is_alone);
            let mut scratch = Vec::new();
            for row in 0..array.len() {
                let problem = match &values.values {
                    _ if values.is_null(row) => null_problem,
                    Values::Null => null_problem,
                    Values::Text(texts) => self.problem(texts.value(row).as_bytes(), is_first),
                    Values::Timestamp(micros)
                        if self
                            .dates
                            .timestamp
                            .as_ref()
                            .is_some_and(|it| !it.keeps(micros[row].rem_euclid(MICROS_PER_DAY))) =>
                    {
                        Some(LOSES_TIME)
                    }
                    // quotes and escapes may be digits only if somebody wants to see what comes of it
                    _ if self.quote.is_some() && self.dates.date.is_none() && self.dates.timestamp.is_none() => None,
                    _ => {
                        scratch.clear();
                        cells::append(&values, row, &self.dates, &mut scratch);
                        self.problem(&scratch, is_first)
                    }
                };
                found.extend(problem.map(|reason| Uncarried { row, column, reason }));
            }
        }
        Ok(())
    }
}
