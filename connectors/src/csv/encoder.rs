//! The CSV encoder: each column's texts, block by block, then row by row into one buffer.

use arrow::array::StringArray;
use arrow::record_batch::RecordBatch;
use memchr::{memchr_iter, memchr3};

use super::carry::{Carry, NULL};
use super::cells::WrittenCells;
use super::column::{Column, Values};
use super::options::CsvFormat;
use super::rows::{Literals, join_by_bytes, join_by_literals};
use super::texts::{Block, Texts, append_base64, encode_blocks, write_values};
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

    /// Appends all rows of a batch to `out`, which grows at once by what the batch needs for sure, and then where it has to.
    pub fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let rows = batch.num_rows();
        let (separator, delimiter) = (self.format.column_separator(), self.format.row_delimiter());
        let mut columns = Vec::with_capacity(batch.num_columns());
        let mut bytes = (separator.len() * batch.num_columns() + delimiter.len()) * rows;
        for array in batch.columns() {
            let column = Column::new(array)?;
            bytes += column.text_bytes;
            columns.push(match &column.values {
                Values::Text(texts) if self.is_enclosed && self.may_quote(texts) => Texts::written(column),
                _ => Texts::direct(column),
            });
        }
        out.reserve(bytes);
        let write = |_, column: &Column, block, written: &mut WrittenCells| match self.is_enclosed {
            true => self.write_enclosed(column, block, written),
            false => write_values(column, block, NULL, written),
        };
        if let [texts] = columns.as_slice()
            && let Some(lines) = texts.long_texts(rows)
        {
            append_lines(lines, delimiter, out);
            Ok(())
        } else if let ([separator], [delimiter]) = (separator, delimiter) {
            encode_blocks(&mut columns, rows, write, |cells, rows| {
                join_by_bytes(cells, rows, [*separator, *delimiter], NULL, out);
            })
        } else {
            let between = std::iter::repeat_n(separator, batch.num_columns().saturating_sub(1));
            let literals = Literals::new(std::iter::once(&b""[..]).chain(between).chain([delimiter]));
            encode_blocks(&mut columns, rows, write, |cells, rows| join_by_literals(cells, rows, &literals, NULL, out))
        }
    }

    /// Whether one of these texts needs quotes.
    fn may_quote(&self, texts: &StringArray) -> bool {
        let offsets = texts.value_offsets();
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return false };
        let [quote, separator, delimiter] = self.marks();
        memchr3(quote, separator, delimiter, &texts.value_data()[*first as usize..*last as usize]).is_some()
            || texts.iter().flatten().any(|text| matches!(text.as_bytes(), [] | [b' ', ..]))
    }

    /// What texts are quoted for.
    fn marks(&self) -> [u8; 3] {
        [b'"', self.format.column_separator()[0], self.format.row_delimiter()[0]]
    }

    /// Writes values, in quotes if the server would read them as something else without.
    fn write_enclosed(&self, column: &Column, block: Block, written: &mut WrittenCells) -> Result<()> {
        match &column.values {
            Values::Text(texts) => {
                let values = block.range().map(|row| (!column.is_null(row)).then(|| texts.value(row).as_bytes()));
                written.append(values, NULL, |out, text| append_enclosed(out, text, self.marks()))
            }
            // An empty row of one column would be skipped; base64 itself needs no quotes.
            Values::Binary(values) => {
                let values = block.range().map(|row| (!column.is_null(row)).then(|| values.value(row)));
                written.append(values, NULL, |out, bytes| match bytes {
                    [] => out.extend_from_slice(b"\"\""),
                    _ => append_base64(out, bytes),
                })
            }
            _ => write_values(column, block, NULL, written),
        }
    }
}

/// Appends each text and a delimiter: one copy, straight from the batch.
fn append_lines(texts: &StringArray, delimiter: &[u8], out: &mut Vec<u8>) {
    for text in texts {
        out.extend_from_slice(text.map_or(NULL, str::as_bytes));
        out.extend_from_slice(delimiter);
    }
}

/// Quotes are doubled inside of quotes. A text without quotes, delimiters and a space in front is as it is.
fn append_enclosed(out: &mut Vec<u8>, text: &[u8], [quote, separator, delimiter]: [u8; 3]) {
    let is_plain = !matches!(text, [] | [b' ', ..]) && memchr3(quote, separator, delimiter, text).is_none();
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
