//! The CSV encoder: one look at each column per batch, then row by row into one buffer.

use arrow::record_batch::RecordBatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::{memchr_iter, memchr3};

use super::carry::{Carry, NULL};
use super::column::{Column, Values};
use super::decimal::{append_decimal128, append_decimal256};
use super::options::CsvFormat;
use super::temporal::{append_date, append_timestamp};
use crate::error::Result;
use crate::sink::{TargetColumn, TargetType};

/// Encodes batches as plain CSV: `\N` for NULL, no quotes, no escapes, a delimiter behind every row.
///
/// Numbers are printed exactly, floats in their shortest form, timestamps as `2024-08-07 12:34:56[.ffffff]`, booleans as `true` and `false`,
/// bytes in base64. Ask [`CsvEncoder::carries`] first: a row that it names would be read as something else.
#[derive(Debug, Clone, Default)]
pub struct CsvEncoder {
    format: CsvFormat,
    /// Columns of nested types, by index.
    nested: Vec<usize>,
    /// Whether texts are quoted where they need it.
    is_enclosed: bool,
}

impl CsvEncoder {
    /// An encoder with these delimiters.
    pub fn new(format: CsvFormat) -> Self {
        Self { format, nested: Vec::new(), is_enclosed: false }
    }

    /// Tells the columns' types, so that [`CsvEncoder::carries`] can name nested values that CSV would change: inside a list, the server's
    /// CSV reader doubles quotes where JSON has backslashes, and it has no form for structs.
    #[must_use]
    pub fn with_columns(mut self, columns: &[TargetColumn]) -> Self {
        self.nested = (0..columns.len()).filter(|index| columns[*index].kind == TargetType::Other).collect();
        self
    }

    /// An encoder that quotes what holds a delimiter, for a server that is told `enclose: "` (StarRocks 3.0 and later) and no `escape`.
    /// The row delimiter must be one byte.
    #[must_use]
    pub fn enclosed(mut self) -> Self {
        self.is_enclosed = true;
        self
    }

    /// The delimiters.
    pub fn format(&self) -> &CsvFormat {
        &self.format
    }

    /// Which rows of a batch this CSV can carry.
    pub fn carries(&self, batch: &RecordBatch) -> Carry {
        Carry::of(batch, &self.format, &self.nested, self.is_enclosed)
    }

    /// Appends all rows of a batch to `out`, which grows once, by what the batch can need at most.
    pub fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Column::new).collect::<Result<Vec<_>>>()?;
        let Some((last, first)) = columns.split_last() else { return Ok(()) };
        let separator = self.format.column_separator();
        let delimiter = self.format.row_delimiter();
        let row_bytes = columns.iter().map(|column| column.fixed_bytes).sum::<usize>()
            + separator.len() * first.len()
            + delimiter.len();
        let text_bytes = columns.iter().map(|column| column.text_bytes).sum::<usize>();
        out.reserve(row_bytes * batch.num_rows() + text_bytes);
        if self.is_enclosed {
            for row in 0..batch.num_rows() {
                for column in first {
                    column.append_enclosed(row, &self.format, out);
                    out.extend_from_slice(separator);
                }
                last.append_enclosed(row, &self.format, out);
                out.extend_from_slice(delimiter);
            }
            return Ok(());
        }
        match (separator, delimiter) {
            ([separator], [delimiter]) => {
                for row in 0..batch.num_rows() {
                    for column in first {
                        column.append(row, out);
                        out.push(*separator);
                    }
                    last.append(row, out);
                    out.push(*delimiter);
                }
            }
            _ => {
                for row in 0..batch.num_rows() {
                    for column in first {
                        column.append(row, out);
                        out.extend_from_slice(separator);
                    }
                    last.append(row, out);
                    out.extend_from_slice(delimiter);
                }
            }
        }
        Ok(())
    }
}

impl Column<'_> {
    /// Appends a value, in quotes if the server would read it as something else without.
    fn append_enclosed(&self, row: usize, format: &CsvFormat, out: &mut Vec<u8>) {
        match &self.values {
            _ if self.is_null(row) => out.extend_from_slice(NULL),
            Values::Text(values) => append_enclosed_text(out, values.value(row).as_bytes(), format),
            // An empty row of one column would be skipped; base64 itself needs no quotes.
            Values::Binary(values) if values.value(row).is_empty() => out.extend_from_slice(b"\"\""),
            _ => self.append(row, out),
        }
    }

    #[inline]
    fn append(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(NULL);
            return;
        }
        match &self.values {
            Values::Text(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Values::Int64(values) => append_integer(out, values[row]),
            Values::Decimal128(values, _, scale) => append_decimal128(out, values[row], *scale),
            Values::Timestamp(values) => append_timestamp(out, values[row]),
            Values::Date(values) => append_date(out, values[row]),
            Values::Int32(values) => append_integer(out, values[row]),
            Values::Int16(values) => append_integer(out, values[row]),
            Values::Int8(values) => append_integer(out, values[row]),
            Values::UInt64(values) => append_integer(out, values[row]),
            Values::UInt32(values) => append_integer(out, values[row]),
            Values::UInt16(values) => append_integer(out, values[row]),
            Values::UInt8(values) => append_integer(out, values[row]),
            Values::Float64(values) => out.extend_from_slice(zmij::Buffer::new().format(values[row]).as_bytes()),
            Values::Float32(values) => out.extend_from_slice(zmij::Buffer::new().format(values[row]).as_bytes()),
            Values::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Values::Decimal256(values, scale) => append_decimal256(out, values[row], *scale),
            Values::Binary(values) => append_base64(out, values.value(row)),
            Values::Null => out.extend_from_slice(NULL),
        }
    }
}

fn append_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Quotes are doubled inside of quotes. A text without quotes, delimiters and a space in front is as it is.
fn append_enclosed_text(out: &mut Vec<u8>, text: &[u8], format: &CsvFormat) {
    let marks = (b'"', format.column_separator()[0], format.row_delimiter()[0]);
    let is_plain = !matches!(text.first(), None | Some(b' ')) && memchr3(marks.0, marks.1, marks.2, text).is_none();
    if is_plain {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    let mut copied = 0;
    for quote in memchr_iter(b'"', text) {
        out.extend_from_slice(&text[copied..=quote]);
        out.push(b'"');
        copied = quote + 1;
    }
    out.extend_from_slice(&text[copied..]);
    out.push(b'"');
}

fn append_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // the slice has exactly the length that padded base64 has
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}
