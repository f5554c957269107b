//! CSV: fields in quotes where readers need them.

use std::borrow::Cow;

use arrow::record_batch::RecordBatch;
use memchr::{memchr2, memmem};

use super::cells::{self, DateText};
use super::delimited::{LOSES_TIME, values_may_clash};
use super::{LineSyntax, unsupported};
use crate::csv::Uncarried;
use crate::csv::column::{Column, Values};
use crate::csv::temporal::MICROS_PER_DAY;
use crate::error::{ConnectorError, Result};
use crate::text::csv_records::CsvReadBack;
use crate::text::{CsvDialect, CsvSyntax, TextTableOptions};

/// Lines of CSV. A row with a field that is not plain is read back before it is written: dialects differ in too many odd places.
#[derive(Debug)]
pub(super) struct CsvLines {
    /// How readers read.
    options: Box<TextTableOptions>,
    csv: CsvSyntax,
    delimiter: Vec<u8>,
    /// None: a doubled quote is one.
    escape: Option<u8>,
    raw: bool,
    /// Whether numbers, days and the like may hold a mark or be the text for NULL.
    values_may_clash: bool,
    dates: DateText,
}

const NO_QUOTE: &str = "needs quotes, which the files do not have; set \"quote\", or write \"raw_text\" = 'true'";
const LINE_END: &str = "holds a line's end (LF or CR), which readers of these files take for one even in quotes; set \"multiLine\" = 'true' on the table, or write \"raw_text\" = 'true'";
const LINE_DELIMITER: &str = "holds the lines' delimiter";
const EMPTY: &str =
    "is empty, which readers of these files take for NULL or another text; set \"nullValue\" or \"emptyValue\"";
const NULL: &str =
    "is NULL, which readers of these files would take for something else, or leave out; choose another text for NULL";
const NULL_TEXT: &str = "is the text that stands for NULL; choose another";
const CHANGED: &str =
    "would be read as another text; set \"quote\" or \"escape\" to other characters, or use STORED AS JSON";

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
        let escape = csv.escape.filter(|escape| Some(*escape) != csv.quote);
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric();
        Ok(Self {
            values_may_clash: values_may_clash(options, &delimiter)
                || csv.comment.is_some_and(|comment| is_letter(comment) || comment == b'-')
                || [csv.quote, escape].into_iter().flatten().any(is_letter),
            delimiter,
            escape,
            raw,
            dates: DateText { date: csv.date_format.clone(), timestamp: csv.timestamp_format.clone() },
            options: Box::new(options.clone()),
            csv: csv.clone(),
        })
    }

    fn line_end(&self) -> &[u8] {
        self.options.line_delimiter.as_deref().unwrap_or(b"\n")
    }

    /// Whether a field may be something else to readers unless it is quoted.
    fn needs_quotes(&self, text: &[u8], is_first: bool) -> bool {
        if text.is_empty() || text == self.options.null_marker {
            return true;
        }
        let marks = [self.csv.quote, self.escape, Some(b'\n'), Some(b'\r')];
        let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| *byte <= b' ');
        text.iter().any(|byte| marks.contains(&Some(*byte)) || Some(byte) == self.delimiter.first())
            || self.options.line_delimiter.as_ref().is_some_and(|line| text.contains(&line[0]))
            || (is_first && self.csv.comment.is_some_and(|comment| text[0] == comment))
            || is_space(text.first())
            || is_space(text.last())
    }

    fn append_text(&self, text: &[u8], is_first: bool, out: &mut Vec<u8>) {
        let Some(quote) = self.csv.quote.filter(|_| !self.raw && self.needs_quotes(text, is_first)) else {
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

    /// A row without its line's end.
    fn append_row(&self, columns: &[Column], row: usize, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(&self.delimiter);
            }
            match &column.values {
                _ if column.is_null(row) => out.extend_from_slice(&self.options.null_marker),
                Values::Null => out.extend_from_slice(&self.options.null_marker),
                Values::Text(texts) => self.append_text(texts.value(row).as_bytes(), index == 0, out),
                _ => {
                    scratch.clear();
                    cells::append(column, row, &self.dates, scratch);
                    self.append_text(scratch, index == 0, out);
                }
            }
        }
    }

    /// Whether a value is one that readers may take for another.
    fn is_odd(&self, column: &Column, row: usize, is_first: bool, is_alone: bool) -> bool {
        match &column.values {
            _ if column.is_null(row) => is_alone || !self.options.null_marker.is_empty(),
            Values::Null => is_alone || !self.options.null_marker.is_empty(),
            Values::Text(texts) => self.needs_quotes(texts.value(row).as_bytes(), is_first),
            _ => false,
        }
    }

    /// The first field of a record that readers would not give back, and why.
    fn problem(
        &self,
        reader: &mut CsvReadBack,
        columns: &[Column],
        row: usize,
        record: &mut Vec<u8>,
    ) -> Option<(usize, &'static str)> {
        let mut text = Vec::new();
        let fields = reader.cut(record);
        for (index, column) in columns.iter().enumerate() {
            let is_null = column.is_null(row) || matches!(column.values, Values::Null);
            text.clear();
            if !is_null {
                cells::append(column, row, &self.dates, &mut text);
            }
            let read = if index < fields { reader.text(index) } else { None };
            let is_equal = match read {
                None => is_null && index < fields,
                Some(read) => !is_null && read.as_bytes() == text,
            };
            if !is_equal {
                let reason = match () {
                    () if is_null => NULL,
                    () if text == self.options.null_marker && !text.is_empty() => NULL_TEXT,
                    () if text.is_empty() => EMPTY,
                    () if self.csv.quote.is_none() => NO_QUOTE,
                    () => CHANGED,
                };
                return Some((index, reason));
            }
            if is_null
                && self.options.line_delimiter.is_none()
                && memchr2(b'\n', b'\r', &self.options.null_marker).is_some()
            {
                // which is how a format says that nothing is NULL
                return Some((index, NULL));
            }
            let has_line_end = self.options.line_delimiter.is_none() && memchr2(b'\n', b'\r', &text).is_some();
            if has_line_end && (!self.csv.multi_line || self.csv.quote.is_none()) {
                return Some((index, LINE_END));
            }
        }
        if fields != columns.len() {
            return Some((0, CHANGED));
        }
        if let Some(line) = &self.options.line_delimiter {
            let end = record.len();
            record.extend_from_slice(line);
            if memmem::find(record, line) != Some(end) {
                return Some((0, LINE_DELIMITER));
            }
        }
        let is_blank = record.iter().all(|byte| *byte <= b' ');
        let is_comment = self.csv.comment.is_some_and(|comment| record.first() == Some(&comment));
        // of one column RFC 4180 has a row here, and the fields above say so
        let is_row = !is_comment && (!is_blank || (record.is_empty() && self.csv.dialect != CsvDialect::Spark));
        (!is_row).then_some((0, NULL))
    }
}

impl LineSyntax for CsvLines {
    fn header(&self, out: &mut Vec<u8>) {
        for (index, (name, _)) in self.options.columns.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(&self.delimiter);
            }
            let name: Cow<'_, str> =
                if self.csv.multi_line { name.into() } else { name.replace(['\n', '\r'], " ").into() };
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
            self.append_row(&columns, row, &mut scratch, out);
            out.extend_from_slice(line_end);
        }
        Ok(())
    }

    fn uncarried(&self, batch: &RecordBatch, found: &mut Vec<Uncarried>) -> Result<()> {
        let columns = batch.columns().iter().map(Column::new).collect::<Result<Vec<_>>>()?;
        for (column, values) in columns.iter().enumerate() {
            let (Values::Timestamp(micros), Some(pattern)) = (&values.values, &self.dates.timestamp) else { continue };
            for (row, micros) in micros.iter().enumerate().filter(|(row, _)| !values.is_null(*row)) {
                if !pattern.keeps(micros.rem_euclid(MICROS_PER_DAY)) {
                    found.push(Uncarried { row, column, reason: LOSES_TIME });
                }
            }
        }
        if self.raw {
            return Ok(());
        }
        let is_alone = columns.len() == 1;
        let mut reader = CsvReadBack::new(&self.options, &self.csv);
        let (mut record, mut scratch) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            let mut indexed = columns.iter().enumerate();
            let is_odd = self.values_may_clash
                || self.dates.date.is_some()
                || self.dates.timestamp.is_some()
                || indexed.any(|(index, column)| self.is_odd(column, row, index == 0, is_alone));
            if !is_odd {
                continue;
            }
            record.clear();
            self.append_row(&columns, row, &mut scratch, &mut record);
            if let Some((column, reason)) = self.problem(&mut reader, &columns, row, &mut record) {
                found.push(Uncarried { row, column, reason });
            }
        }
        Ok(())
    }
}
