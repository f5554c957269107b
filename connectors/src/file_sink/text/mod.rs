//! Text into files: lines of a syntax, in an encoding, compressed.

mod cells;
mod charset;
mod compress;
mod csv;
mod delimited;
mod json;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;

use self::cells::DateText;
use self::charset::{Charset, CharsetEncoder};
use self::compress::Compressor;
use self::csv::CsvLines;
use self::delimited::DelimitedLines;
use self::json::JsonLines;
use super::encoder::{FileEncoder, FileFormatter};
use crate::csv::Uncarried;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::text::{Compression, DateTimePattern, RowSyntax, TextTableOptions};

/// UTF-8's byte order mark: a reader drops one at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How rows become lines of UTF-8.
trait LineSyntax: fmt::Debug + Send + Sync {
    /// The columns' names as a line.
    fn header(&self, out: &mut Vec<u8>);
    /// The rows of a batch as lines.
    fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;
    /// The rows that lines would not give back.
    fn uncarried(&self, batch: &RecordBatch, found: &mut Vec<Uncarried>) -> Result<()>;
}

/// Writes files of lines.
#[derive(Debug)]
pub(super) struct TextFormatter {
    syntax: Arc<dyn LineSyntax>,
    charset: Charset,
    compression: Compression,
    /// Lines in front of the rows: the names, then empty ones.
    header_lines: u64,
    line_end: Vec<u8>,
    max_line_bytes: usize,
    extension: &'static str,
}

/// What a statement says beside what the text is.
#[derive(Debug, Clone, Default)]
pub(super) struct TextWriterOptions {
    /// Whether the columns' names are the first line; None: as readers of the text expect it.
    pub(super) header: Option<bool>,
    /// Whether text goes as it is, whatever readers make of it.
    pub(super) raw: bool,
    /// How days and times are written; None: as readers of the text expect it.
    pub(super) date_format: Option<DateTimePattern>,
}

impl TextFormatter {
    /// A formatter for files that these options read.
    ///
    /// # Errors
    /// Code Option for options that do not fit together, Unsupported for types that the syntax does not hold.
    pub(super) fn new(options: &TextTableOptions, writer: TextWriterOptions) -> Result<Self> {
        options.check()?;
        let (syntax, extension): (Arc<dyn LineSyntax>, _) = match &options.syntax {
            RowSyntax::Delimited => {
                let dates = DateText { date: writer.date_format.clone(), timestamp: writer.date_format.clone() };
                (Arc::new(DelimitedLines::new(options, writer.raw)?.with_dates(dates)), "txt")
            }
            RowSyntax::Csv(csv) => {
                let mut csv = csv.clone();
                if writer.date_format.is_some() {
                    csv.date_format.clone_from(&writer.date_format);
                    csv.timestamp_format.clone_from(&writer.date_format);
                }
                (Arc::new(CsvLines::new(options, &csv, writer.raw)?), "csv")
            }
            RowSyntax::Json(json) => {
                let mut json = json.clone();
                if writer.date_format.is_some() {
                    json.date_format.clone_from(&writer.date_format);
                    json.timestamp_format.clone_from(&writer.date_format);
                }
                (Arc::new(JsonLines::new(options, &json)?), "json")
            }
        };
        let read_as_header = match &options.syntax {
            RowSyntax::Csv(csv) if csv.header => options.skip_lines.max(1),
            _ => options.skip_lines,
        };
        let header_lines = match writer.header {
            Some(false) if read_as_header > 0 => {
                return Err(ConnectorError::option(
                    "\"header\" = 'false' would lose rows: the table's readers leave out the first line of each file",
                ));
            }
            Some(true) if matches!(options.syntax, RowSyntax::Json(_)) => {
                return Err(ConnectorError::option("files of JSON have no header; leave \"header\" out"));
            }
            Some(true) => read_as_header.max(1),
            _ => read_as_header,
        };
        let compression = match options.compression {
            Compression::Auto => Compression::None,
            Compression::Deflate | Compression::Zip => {
                let message = "files are written with neither deflate nor zip; use gzip, zstd, bzip2 or none";
                return Err(ConnectorError::new(ErrorCode::Unsupported, message));
            }
            other => other,
        };
        let charset = Charset::new(options.encoding, options.byte_order_mark_decides);
        let mut marks = options.columns.iter().map(|(name, _)| name.as_bytes()).collect::<Vec<_>>().concat();
        for mark in
            [options.fields_delimiter.as_deref(), options.line_delimiter.as_deref(), Some(&*options.null_marker)]
        {
            marks.extend_from_slice(mark.unwrap_or_default());
        }
        charset.encoder().encode(&marks, true, &mut Vec::new())?;
        Ok(Self {
            syntax,
            charset,
            compression,
            header_lines,
            line_end: options.line_delimiter.clone().unwrap_or_else(|| b"\n".to_vec()),
            max_line_bytes: if writer.raw { usize::MAX } else { options.max_line_bytes },
            extension,
        })
    }

    /// Rows whose line would be longer than readers take.
    fn find_long(&self, batch: &RecordBatch, found: &mut Vec<Uncarried>) -> Result<()> {
        // twice for escapes, and for numbers
        if batch.get_array_memory_size().saturating_mul(2) <= self.max_line_bytes {
            return Ok(());
        }
        let mut line = Vec::new();
        for row in 0..batch.num_rows() {
            line.clear();
            self.syntax.rows(&batch.slice(row, 1), &mut line)?;
            if line.len().saturating_sub(self.line_end.len()) > self.max_line_bytes {
                found.push(Uncarried { row, column: 0, reason: "is in a row that is longer than \"max_line_bytes\"" });
            }
        }
        Ok(())
    }
}

impl FileFormatter for TextFormatter {
    fn extension(&self) -> String {
        match compress::suffix(self.compression) {
            Some(suffix) => format!("{}.{suffix}", self.extension),
            None => self.extension.to_owned(),
        }
    }

    fn uncarried(&self, batch: &RecordBatch) -> Result<Vec<Uncarried>> {
        let mut found = Vec::new();
        self.syntax.uncarried(batch, &mut found)?;
        self.charset.uncarried(batch, &mut found);
        self.find_long(batch, &mut found)?;
        found.sort_by_key(|found| (found.row, found.column));
        found.dedup_by_key(|found| found.row);
        Ok(found)
    }

    fn encoder(&self) -> Result<Box<dyn FileEncoder>> {
        Ok(Box::new(TextEncoder {
            syntax: Arc::clone(&self.syntax),
            header_lines: self.header_lines,
            line_end: self.line_end.clone(),
            charset: self.charset.encoder(),
            compressor: Compressor::new(self.compression)?,
            has_begun: false,
            lines: Vec::new(),
            encoded: Vec::new(),
        }))
    }
}

/// One file of lines.
struct TextEncoder {
    syntax: Arc<dyn LineSyntax>,
    header_lines: u64,
    line_end: Vec<u8>,
    charset: CharsetEncoder,
    compressor: Compressor,
    has_begun: bool,
    lines: Vec<u8>,
    encoded: Vec<u8>,
}

impl TextEncoder {
    fn begin(&mut self, lines: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) || self.header_lines == 0 {
            return;
        }
        self.syntax.header(lines);
        for _ in 1..self.header_lines {
            lines.extend_from_slice(&self.line_end);
        }
    }

    fn pass_on(&mut self, lines: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        self.encoded.clear();
        let bytes = self.charset.encode(lines, last, &mut self.encoded)?;
        self.compressor.write(bytes, out)
    }
}

impl FileEncoder for TextEncoder {
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let is_first = !self.has_begun;
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        self.begin(&mut lines);
        self.syntax.rows(batch, &mut lines)?;
        if is_first && lines.starts_with(BYTE_ORDER_MARK) {
            // a text that begins so: the reader drops the mark in front of it
            lines.splice(0..0, BYTE_ORDER_MARK.iter().copied());
        }
        self.pass_on(&lines, false, out)?;
        self.lines = lines;
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        self.begin(&mut lines);
        self.pass_on(&lines, true, out)?;
        self.compressor.finish(out)
    }

    fn buffered_bytes(&self) -> usize {
        self.lines.capacity() + self.encoded.capacity()
    }
}

fn unsupported(column: &str, data_type: &DataType, what: &str) -> ConnectorError {
    let message = format!("column \"{column}\": {what} holds no values of type {data_type}");
    ConnectorError::new(ErrorCode::Unsupported, message)
}
