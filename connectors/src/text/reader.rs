//! One file's bytes into record batches. Knows nothing of where bytes come from: they are fed in pieces.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::{Buf, Bytes};
use simdutf8::compat::from_utf8;

use super::decode::Decode;
use super::decompress::{Decompress, MAGIC_BYTES};
use super::lines::{Cut, Line, Lines, Next, TooLong};
use super::options::{BadValue, TextTableOptions};
use super::records::{BadRecord, Outcome, RecordLine, Records};
use super::rows::{Rows, shown};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{Reject, RejectLog};

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
    /// Rejects wait for [`TextReader::set_lines_before`].
    NeedLinesBefore,
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
    /// Offset in the file of the first byte.
    start: u64,
    /// Lines to leave out at the start.
    skip_lines: u64,
    /// Lines of the file in front of these, where they are known.
    lines_before: Option<u64>,
    /// Rejects whose lines are counted from the start of the range, because it is not known where that is in the file.
    waiting: Vec<Reject>,
    check: Check,
    cuts: Vec<Cut>,
    /// Up to this offset of the text lines are read one by one, because one of them is no text.
    one_by_one_to: u64,
    rows: Rows,
    /// Of CSV and JSON: what makes rows of lines.
    records: Option<Records>,
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
        let check = Check::of(options, &decode);
        Ok(Self {
            lines: Lines::new(options.cut_at(), options.max_line_bytes),
            start: 0,
            skip_lines: options.skip_lines,
            lines_before: Some(0),
            waiting: Vec::new(),
            check,
            cuts: Vec::new(),
            one_by_one_to: 0,
            rejects,
            file,
            path,
            content_encoding,
            input: Bytes::new(),
            input_ended: false,
            decompress: None,
            scratch: Vec::new(),
            decode,
            rows: Rows::new(Arc::clone(&plan), check == Check::Fields)?,
            records: Records::of(&plan),
            plan,
        })
    }

    /// What is read is a range of the file, not the first, whose first line starts at this offset. Called before the first bytes are fed.
    pub(super) fn start_at(&mut self, range: usize, offset: u64) {
        self.lines.start_at(offset);
        self.decode.start_at(offset);
        self.rows.set_range(range);
        self.start = offset;
        self.skip_lines = 0;
        self.lines_before = None;
    }

    /// The lines of the file in front of the range; asked for by [`Progress::NeedLinesBefore`].
    ///
    /// # Errors
    /// As [`next`](Self::next), for the rejects that waited.
    pub(super) fn set_lines_before(&mut self, lines: u64) -> Result<()> {
        self.lines_before = Some(lines);
        std::mem::take(&mut self.waiting).into_iter().try_for_each(|reject| self.reject(reject))
    }

    /// The lines that were read.
    pub(super) fn lines(&self) -> u64 {
        self.lines.number()
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
            if !self.waiting.is_empty() {
                return Ok(Progress::NeedLinesBefore);
            }
            if self.rows.is_full() {
                return self.take_batch();
            }
            if self.read_run() {
                continue;
            }
            match self.lines.next() {
                Next::Line(line) => self.read_line(&line)?,
                Next::TooLong(line) => self.refuse_long_line(&line)?,
                Next::NeedMore if self.input.is_empty() && !self.input_ended => return Ok(Progress::NeedInput),
                Next::NeedMore => {
                    if !self.advance().map_err(|error| self.in_file(error))? {
                        return Ok(Progress::NeedInput);
                    }
                }
                Next::End if self.end_records()? => {}
                Next::End if self.rows.is_empty() => return Ok(Progress::Done),
                Next::End => return self.take_batch(),
            }
        }
    }

    /// Says what was dropped; called when no more rows are wanted.
    pub(super) fn finish(&mut self) {
        if let Some(dropped) = self.records.as_mut().map(Records::take_dropped).filter(|dropped| dropped.records > 0) {
            let text =
                format!("{}, line {}: malformed rows are left out (mode DROPMALFORMED)", self.file, dropped.first);
            match &self.rejects {
                Some(log) => log.warn("text: malformed rows", dropped.records, &text),
                None => tracing::warn!(rows = dropped.records, "{text}"),
            }
        }
        let extra = self.rows.take_extra_fields();
        if extra.lines == 0 {
            return;
        }
        let columns = self.plan.options.columns.len();
        let (lines, first) = (extra.lines, extra.first);
        let first = match self.lines_before {
            Some(before) => format!("line {}", before + first),
            // it is not worth reading the file to count
            None => format!("line {first} behind byte {}", self.start),
        };
        let text = format!("{}, {first}: fields beyond the {columns} columns of the table are dropped", self.file);
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
        let bytes_last = self.input.is_empty();
        if decompress.is_plain() && self.decode.passes_unchanged() {
            self.lines.push(std::mem::take(&mut self.input));
            if bytes_last {
                self.lines.end();
            }
            return Ok(true);
        }
        let line_end = self.lines.last_delimiter_bytes();
        let end_offset = self.lines.end_offset();
        let mut text = Vec::new();
        if bytes_last {
            let has_more = decompress.finish(&mut self.scratch)?;
            self.decode.push(&self.scratch, !has_more, &mut text, end_offset, line_end);
            if !has_more {
                self.lines.end();
            }
        } else {
            let piece = self.input.len().min(PIECE_BYTES);
            let taken = decompress.push(&self.input[..piece], &mut self.scratch)?;
            self.decode.push(&self.scratch, false, &mut text, end_offset, line_end);
            self.input.advance(taken);
        }
        self.lines.push(text.into());
        Ok(true)
    }

    /// Reads the lines that are at hand and with which nothing is wrong, all at once. False if there are none.
    fn read_run(&mut self) -> bool {
        let is_header = self.lines.number() < self.skip_lines;
        let one_by_one = self.records.is_some() || self.check == Check::Fields;
        if one_by_one || is_header || self.lines.offset() < self.one_by_one_to {
            return false;
        }
        let (rows, bytes) = self.rows.room();
        let run = self.lines.run(rows, bytes, &mut self.cuts);
        let len = run.len();
        if len == 0 {
            return false;
        }
        let end = self.lines.offset() + len as u64;
        // Once for all of them. Each is text as well, since what ends a line does not cut a character.
        let text = from_utf8(run).ok().filter(|_| !self.decode.has_bad_before(end));
        let Some(text) = text else {
            self.one_by_one_to = end;
            return false;
        };
        let first = self.lines.number() + 1;
        if self.rows.are_whole(run) {
            // a cut that was inside of a character would be a line that is left out
            self.rows.append_whole(self.cuts.iter().filter_map(|cut| text.get(cut.range())));
            self.rows.add(self.cuts.len(), first);
        } else {
            for (number, cut) in (first..).zip(&self.cuts) {
                let line = &run[cut.range()];
                let more = self.rows.split(line);
                self.rows.append(line, text.get(cut.range()), number, more);
            }
        }
        self.lines.take_run(self.cuts.len(), len);
        true
    }

    fn read_line(&mut self, line: &Line) -> Result<()> {
        let text = self.lines.text(line);
        let line_end = line.offset + text.len() as u64;
        // A replacement character at the very end starts in front of it.
        let bad = self.decode.take_bad_before(line_end);
        if line.number <= self.skip_lines {
            return Ok(());
        }
        if let Some(bad) = bad {
            let reason = self.undecodable(bad.source_offset);
            return self.reject(Reject { value: shown_line(text), reason, ..self.at(line.number) });
        }
        if self.records.is_some() {
            return match from_utf8(text) {
                Ok(_) => self.read_record(line),
                Err(error) => {
                    let reason = self.undecodable(line.offset + error.valid_up_to() as u64);
                    self.reject(Reject { value: shown_line(text), reason, ..self.at(line.number) })
                }
            };
        }
        let more = self.rows.split(text);
        let mut checked = None;
        match self.check {
            Check::Nothing => {}
            Check::Line => match from_utf8(text) {
                Ok(text) => checked = Some(text),
                Err(error) => {
                    let reason = self.undecodable(line.offset + error.valid_up_to() as u64);
                    return self.reject(Reject { value: shown_line(text), reason, ..self.at(line.number) });
                }
            },
            Check::Fields => {
                if let Some(bad) = self.rows.find_bad_field(text) {
                    let reason = match bad.not_text_at {
                        Some(at) => self.undecodable(line.offset + at as u64),
                        None => format!("is not exactly a value of type {}", bad.data_type),
                    };
                    let values = self.rows.row_values(text);
                    let (column, value) = (Some(bad.column), Some(bad.value));
                    return self.reject(Reject { column, value, reason, values, ..self.at(line.number) });
                }
            }
        }
        self.rows.append(text, checked, line.number, more);
        Ok(())
    }

    /// Reads a line of CSV or JSON.
    fn read_record(&mut self, line: &Line) -> Result<()> {
        let text = self.lines.text(line);
        let (Some(records), Ok(text)) = (self.records.as_mut(), std::str::from_utf8(text)) else { return Ok(()) };
        let bytes = text.len();
        let record = RecordLine { text, number: line.number };
        let outcome = records.read(record, self.rows.columns_mut());
        self.take_record(outcome, bytes).map(|_| ())
    }

    /// What is left of CSV at the file's end. Whether there was a row.
    fn end_records(&mut self) -> Result<bool> {
        match self.records.as_mut().map(|records| records.end(self.rows.columns_mut())) {
            Some(outcome) => self.take_record(outcome, 0),
            None => Ok(false),
        }
    }

    fn take_record(&mut self, outcome: Outcome, bytes: usize) -> Result<bool> {
        match outcome {
            Outcome::Nothing => Ok(false),
            Outcome::Rows { count, line, more } => {
                self.rows.add_record(count, line, bytes, more);
                Ok(true)
            }
            Outcome::Bad(BadRecord { line, column, value, reason, values }) => {
                self.reject(Reject { column, value, reason, values, ..self.at(line) }).map(|()| true)
            }
        }
    }

    fn refuse_long_line(&mut self, line: &TooLong) -> Result<()> {
        let _in_a_dropped_line = self.decode.take_bad_before(line.end);
        if line.number <= self.skip_lines {
            return Ok(());
        }
        // of a text that was decoded in ranges nobody knows the whole length
        let place = match self.decode.passes_unchanged() {
            true => format!("the line at byte {} of the text", line.offset),
            false => "the line".to_owned(),
        };
        let reason = format!(
            "{place} has {} bytes, more than \"max_line_bytes\" = {}; check the line delimiter, or raise it",
            line.end - line.offset,
            self.plan.options.max_line_bytes
        );
        self.reject(Reject { reason, ..self.at(line.number) })
    }

    fn undecodable(&self, offset: u64) -> String {
        let encoding = self.plan.options.encoding.name();
        let of_file = match &self.decompress {
            Some(found) if !found.is_plain() => "decompressed file",
            _ => "file",
        };
        format!("bytes that are not {encoding} at byte {offset} of the {of_file}; check \"encoding\"")
    }

    /// A reject of a line of this file.
    fn at(&self, line: u64) -> Reject {
        Reject { file: Some(self.file.clone()), line: Some(line), ..Reject::default() }
    }

    /// Leaves a row out, or fails where there is nothing to record it in.
    fn reject(&mut self, mut reject: Reject) -> Result<()> {
        let Some(before) = self.lines_before else {
            self.waiting.push(reject);
            return Ok(());
        };
        reject.line = reject.line.map(|line| before + line);
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

    fn take_batch(&mut self) -> Result<Progress> {
        self.rows.take_batch(&self.file).map(Progress::Batch)
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

/// The start of a line, for messages; None for an empty one.
fn shown_line(text: &[u8]) -> Option<String> {
    (!text.is_empty()).then(|| shown(text))
}
