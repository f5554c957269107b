//! One file's bytes into record batches. Knows nothing of where bytes come from: they are fed in pieces.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::{Buf, Bytes};

use super::columns::Column;
use super::decode::Decode;
use super::decompress::{Decompress, MAGIC_BYTES};
use super::fields::FieldSplitter;
use super::lines::{Line, Lines, Next, TooLong};
use super::options::{BadValue, TextTableOptions};
use super::places::place_columns;
use super::values;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::convert::shown_value;
use crate::sink::{Reject, RejectLog, RowValues};

/// A batch is given out when it holds about so much text, however few its rows are.
const BATCH_BYTES: usize = 8 << 20;

/// Compressed or encoded bytes taken at a time: gzip makes at most a thousandfold of them, which is held in memory.
const PIECE_BYTES: usize = 16 << 10;

/// What to read: the same for all files of a scan.
#[derive(Debug)]
pub(super) struct ReadPlan {
    pub(super) options: TextTableOptions,
    /// Which of the columns to give out, in order.
    pub(super) projection: Vec<usize>,
    /// The schema of those, and of the places.
    pub(super) schema: SchemaRef,
    /// Whether file and line follow the columns.
    pub(super) has_places: bool,
    /// Rows in a batch.
    pub(super) batch_rows: usize,
}

/// What came of the next step of a [`TextReader`].
pub(super) enum Progress {
    /// Rows.
    Batch(RecordBatch),
    /// Feed more bytes, or say that there are no more.
    NeedInput,
    /// The file is read.
    Done,
}

/// Reads one file.
pub(super) struct TextReader {
    plan: Arc<ReadPlan>,
    rejects: Option<Arc<dyn RejectLog>>,
    /// The file, for messages; no secrets.
    file: String,
    /// The file's path, whose end says how it is compressed.
    path: String,
    content_encoding: Option<String>,
    input: Bytes,
    input_ended: bool,
    /// None until the first bytes are seen.
    decompress: Option<Decompress>,
    scratch: Vec<u8>,
    decode: Decode,
    lines: Lines,
    splitter: FieldSplitter,
    fields: Vec<Range<usize>>,
    check: Check,
    columns: Vec<Column>,
    /// The line of each row of the batch, where places are wanted.
    line_numbers: Vec<u64>,
    rows: usize,
    row_bytes: usize,
    extra_fields: ExtraFields,
}

/// What is checked of a line before its fields are taken. It does not depend on the projection, so neither does the number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Nothing: the text was decoded, and a field that is no value is NULL.
    Nothing,
    /// That the whole line is UTF-8.
    Line,
    /// Each field: that text is UTF-8, and with `bad_value = error` that others are values.
    Fields,
}

/// Lines with more fields than there are columns.
#[derive(Debug, Default)]
struct ExtraFields {
    lines: u64,
    first: u64,
}

impl TextReader {
    /// A reader for the file of this name; `content_encoding` is what an HTTP server says of its bytes.
    pub(super) fn new(
        plan: Arc<ReadPlan>,
        rejects: Option<Arc<dyn RejectLog>>,
        file: String,
        path: String,
        content_encoding: Option<String>,
    ) -> Result<Self> {
        let options = &plan.options;
        let decode = Decode::new(options.encoding, options.byte_order_mark_decides);
        let columns = plan
            .projection
            .iter()
            .map(|index| {
                let (name, data_type) = &options.columns[*index];
                Column::new(name, data_type)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            lines: Lines::new(options.line_delimiter.as_deref(), options.max_line_bytes),
            splitter: FieldSplitter::new(options.fields_delimiter.as_deref(), options.escape),
            check: Check::of(options, &decode),
            rejects,
            file,
            path,
            content_encoding,
            input: Bytes::new(),
            input_ended: false,
            decompress: None,
            scratch: Vec::new(),
            decode,
            fields: Vec::new(),
            columns,
            line_numbers: Vec::new(),
            rows: 0,
            row_bytes: 0,
            extra_fields: ExtraFields::default(),
            plan,
        })
    }

    /// More bytes of the file; asked for by [`Progress::NeedInput`].
    pub(super) fn feed(&mut self, bytes: Bytes) {
        self.input = match self.input.is_empty() {
            true => bytes,
            // Only while the first few bytes are collected.
            false => [&self.input[..], &bytes[..]].concat().into(),
        };
    }

    /// Says that the file has no more bytes.
    pub(super) fn end(&mut self) {
        self.input_ended = true;
    }

    /// Goes on until there is a batch, or bytes are needed, or the file is read.
    ///
    /// # Errors
    /// Code Value for a row that cannot be read, where there is no log of rejects; that log's error when the limit is passed;
    /// Value or Unsupported for a compression that fails.
    pub(super) fn next(&mut self) -> Result<Progress> {
        loop {
            match self.lines.next() {
                Next::Line(line) => {
                    self.read_line(&line)?;
                    if self.rows >= self.plan.batch_rows || self.row_bytes >= BATCH_BYTES {
                        return Ok(Progress::Batch(self.take_batch()?));
                    }
                }
                Next::TooLong(line) => self.refuse_long_line(&line)?,
                Next::NeedMore if self.input.is_empty() && !self.input_ended => return Ok(Progress::NeedInput),
                Next::NeedMore => {
                    if !self.advance().map_err(|error| self.in_file(error))? {
                        return Ok(Progress::NeedInput);
                    }
                }
                Next::End if self.rows > 0 => return Ok(Progress::Batch(self.take_batch()?)),
                Next::End => return Ok(Progress::Done),
            }
        }
    }

    /// Says what was dropped; called when no more rows are wanted.
    pub(super) fn finish(&mut self) {
        let ExtraFields { lines, first } = std::mem::take(&mut self.extra_fields);
        if lines == 0 {
            return;
        }
        let columns = self.plan.options.columns.len();
        let text = format!("{}, line {first}: fields beyond the {columns} columns of the table are dropped", self.file);
        match &self.rejects {
            Some(log) => log.warn("text: fields beyond the columns", lines, &text),
            None => tracing::warn!(lines, "{text}"),
        }
    }

    /// Moves some input on to the lines. False when the first bytes are too few to know the compression.
    fn advance(&mut self) -> Result<bool> {
        if self.decompress.is_none() {
            if self.input.len() < MAGIC_BYTES && !self.input_ended {
                return Ok(false);
            }
            let encoding = self.content_encoding.as_deref();
            self.decompress =
                Some(Decompress::detect(self.plan.options.compression, encoding, &self.path, &self.input)?);
        }
        let Some(decompress) = self.decompress.as_mut() else { return Ok(false) };
        let line_end = self.lines.last_delimiter_bytes();
        let bytes_last = self.input.is_empty();
        let take = match decompress.is_plain() && self.decode.passes_unchanged() {
            true => self.input.len(),
            false => self.input.len().min(PIECE_BYTES),
        };
        let end_offset = self.lines.end_offset();
        if bytes_last {
            let rest = decompress.finish()?;
            self.decode.push(&rest, true, self.lines.push(), end_offset, line_end);
            self.lines.end();
        } else {
            let bytes = decompress.push(&self.input[..take], &mut self.scratch)?;
            self.decode.push(bytes, false, self.lines.push(), end_offset, line_end);
            self.input.advance(take);
        }
        Ok(true)
    }

    fn read_line(&mut self, line: &Line) -> Result<()> {
        let line_end = line.offset + line.range.len() as u64;
        // A replacement character at the very end starts in front of it.
        let bad = self.decode.take_bad_before(line_end);
        if line.number <= self.plan.options.skip_lines {
            return Ok(());
        }
        let text = self.lines.text(line);
        if let Some(bad) = bad {
            let reason = self.undecodable(bad.source_offset);
            return self.reject(Reject { value: shown_line(text), reason, ..self.at(line.number) });
        }
        let plan = Arc::clone(&self.plan);
        let options = &plan.options;
        let more = self.splitter.split(text, options.columns.len(), &mut self.fields);
        let mut checked = None;
        match self.check {
            Check::Nothing => {}
            Check::Line => match std::str::from_utf8(text) {
                Ok(text) => checked = Some(text),
                Err(error) => {
                    let reason = self.undecodable(line.offset + error.valid_up_to() as u64);
                    return self.reject(Reject { value: shown_line(text), reason, ..self.at(line.number) });
                }
            },
            Check::Fields => {
                if let Some((column, value, reason)) = self.find_bad_field(line, text) {
                    let values = self.row_values(text);
                    let column = Some(column);
                    return self.reject(Reject { column, value: Some(value), reason, values, ..self.at(line.number) });
                }
            }
        }
        for (column, index) in self.columns.iter_mut().zip(&plan.projection) {
            let Some(range) = self.fields.get(*index) else {
                column.append_null();
                continue;
            };
            let field = &text[range.clone()];
            let is_text = is_text(&options.columns[*index].1);
            if field == options.null_marker || (field.is_empty() && !is_text) {
                column.append_null();
            } else if let Some(whole) = checked
                && options.escape.is_none()
                && let Some(field) = whole.get(range.clone())
            {
                column.append_text(field);
            } else {
                column.append(&unescaped(&self.splitter, field, &options.columns[*index].1));
            }
        }
        if more {
            self.extra_fields.lines += 1;
            if self.extra_fields.lines == 1 {
                self.extra_fields.first = line.number;
            }
        }
        if plan.has_places {
            self.line_numbers.push(line.number);
        }
        self.rows += 1;
        self.row_bytes += if self.columns.is_empty() { 0 } else { text.len() };
        Ok(())
    }

    /// The first field that is no value of its column, with what to say of it.
    fn find_bad_field(&self, line: &Line, text: &[u8]) -> Option<(String, String, String)> {
        let options = &self.plan.options;
        for ((name, data_type), range) in options.columns.iter().zip(&self.fields) {
            let field = &text[range.clone()];
            if field == options.null_marker {
                continue;
            }
            if is_text(data_type) && *data_type != DataType::Binary {
                if let Err(error) = std::str::from_utf8(field) {
                    let reason = self.undecodable(line.offset + (range.start + error.valid_up_to()) as u64);
                    return Some((name.clone(), shown(field), reason));
                }
            } else if options.bad_value == BadValue::Error {
                let field = unescaped(&self.splitter, field, data_type);
                if !values::is_exact(data_type, &field) {
                    return Some((name.clone(), shown(&field), format!("is not exactly a value of type {data_type}")));
                }
            }
        }
        None
    }

    fn refuse_long_line(&mut self, line: &TooLong) -> Result<()> {
        let _in_a_dropped_line = self.decode.take_bad_before(line.end);
        if line.number <= self.plan.options.skip_lines {
            return Ok(());
        }
        let reason = format!(
            "the line at byte {} of the text has {} bytes, more than \"max_line_bytes\" = {}; check the line delimiter, or raise it",
            line.offset,
            line.end - line.offset,
            self.plan.options.max_line_bytes
        );
        self.reject(Reject { reason, ..self.at(line.number) })
    }

    fn undecodable(&self, offset: u64) -> String {
        let encoding = self.plan.options.encoding.name();
        let of_file = match self.decompress {
            Some(Decompress::Gzip(_)) => "decompressed file",
            _ => "file",
        };
        format!("bytes that are not {encoding} at byte {offset} of the {of_file}; check \"encoding\"")
    }

    /// A reject of a line of this file.
    fn at(&self, line: u64) -> Reject {
        Reject { file: Some(self.file.clone()), line: Some(line), ..Reject::default() }
    }

    /// The fields of the line that was split last, by the names of the table's columns.
    fn row_values(&self, text: &[u8]) -> RowValues {
        let options = &self.plan.options;
        let values = options.columns.iter().zip(&self.fields).map(|((name, _), range)| {
            let field = &text[range.clone()];
            (name.clone(), (field != options.null_marker).then(|| shown(&self.splitter.unescape(field))))
        });
        RowValues(values.collect())
    }

    /// Leaves a row out, or fails where there is nothing to record it in.
    fn reject(&self, reject: Reject) -> Result<()> {
        let Some(log) = &self.rejects else {
            let column = reject.column.map(|column| format!(", column \"{column}\"")).unwrap_or_default();
            let value = reject.value.map(|value| format!(" \"{value}\"")).unwrap_or_default();
            let line = reject.line.unwrap_or_default();
            let message = format!("{}, line {line}{column}:{value} {}", self.file, reject.reason);
            return Err(ConnectorError::new(ErrorCode::Value, message));
        };
        log.reject(reject)
    }

    fn in_file(&self, error: ConnectorError) -> ConnectorError {
        ConnectorError::new(error.code(), format!("{}: {}", self.file, error.message()))
    }

    fn take_batch(&mut self) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = self.columns.iter_mut().map(Column::finish).collect();
        if self.plan.has_places {
            arrays.extend(place_columns(&self.file, std::mem::take(&mut self.line_numbers)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        self.row_bytes = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.plan.schema), arrays, &options)
            .map_err(|error| ConnectorError::internal("text columns do not make a batch").with_source(error))
    }
}

impl Check {
    fn of(options: &TextTableOptions, decode: &Decode) -> Self {
        let has_binary = options.columns.iter().any(|(_, data_type)| *data_type == DataType::Binary);
        let cuts_between_characters = options
            .fields_delimiter
            .iter()
            .chain(&options.line_delimiter)
            .all(|bytes| std::str::from_utf8(bytes).is_ok());
        match options.bad_value {
            BadValue::Error => Self::Fields,
            BadValue::Null if !decode.passes_unchanged() => Self::Nothing,
            BadValue::Null if has_binary || !cuts_between_characters => Self::Fields,
            BadValue::Null => Self::Line,
        }
    }
}

/// A field without its escapes, which only texts have: Hive takes those of other types for bytes of the value.
fn unescaped<'a>(splitter: &FieldSplitter, field: &'a [u8], data_type: &DataType) -> Cow<'a, [u8]> {
    match is_text(data_type) && *data_type != DataType::Binary {
        true => splitter.unescape(field),
        false => Cow::Borrowed(field),
    }
}

/// Whether an empty field is a value: the empty text.
fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary)
}

/// The start of a line, for messages; None for an empty one.
fn shown_line(text: &[u8]) -> Option<String> {
    (!text.is_empty()).then(|| shown(text))
}

/// The start of a text, for messages.
fn shown(text: &[u8]) -> String {
    // A little more than is shown, so that it is seen to be cut.
    let cut = &text[..text.len().min(1024)];
    shown_value(&String::from_utf8_lossy(cut))
}
