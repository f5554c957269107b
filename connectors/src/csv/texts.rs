//! Columns of a batch as texts, block by block: how each column is written is chosen once per batch.

use arrow::array::StringArray;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cells::{Cells, WrittenCells};
use super::column::{Column, Values};
use super::decimal::{DECIMAL_BYTES, put_decimal128, put_decimal256};
use super::digits::{put_i64, put_u64};
use super::temporal::{put_date, put_timestamp};
use crate::error::Result;

/// About how many bytes of rows are made at once: with what they are made of, they stay in a core's caches. 8 to 64 KB take the same time.
const BLOCK_BYTES: usize = 16 << 10;

/// Texts that are longer are copied by a call for each, which then costs less than the copy.
const LONG_TEXT_BYTES: usize = 64;

/// A column that becomes texts.
pub(crate) struct Texts<'a> {
    pub(crate) column: Column<'a>,
    /// Whether the batch's own texts are what is sent.
    is_direct: bool,
    written: WrittenCells,
}

impl<'a> Texts<'a> {
    /// A column whose texts are sent as they are, if it has any.
    pub(crate) fn direct(column: Column<'a>) -> Self {
        let is_direct = matches!(column.values, Values::Text(_));
        Self { column, is_direct, written: WrittenCells::default() }
    }

    /// A column whose texts are written, each in a form of its own.
    pub(crate) fn written(column: Column<'a>) -> Self {
        Self { column, is_direct: false, written: WrittenCells::default() }
    }

    /// The texts that are sent as they are, if they are so long that copying them one by one is fastest.
    pub(crate) fn long_texts(&self, rows: usize) -> Option<&'a StringArray> {
        match self.column.values {
            Values::Text(texts) if self.is_direct && self.column.text_bytes / rows.max(1) > LONG_TEXT_BYTES => {
                Some(texts)
            }
            _ => None,
        }
    }

    /// The texts of a block whose values are written by now.
    fn cells(&self, block: Block) -> Cells<'_> {
        match &self.column.values {
            Values::Text(texts) if self.is_direct => Cells::of(texts, self.column.nulls_of(block), block),
            _ => self.written.cells(),
        }
    }
}

/// Makes rows of columns, block by block: `write` writes a column's values where they are not sent as they are, `join` makes rows of texts.
pub(crate) fn encode_blocks(
    columns: &mut [Texts],
    rows: usize,
    mut write: impl FnMut(usize, &Column, Block, &mut WrittenCells) -> Result<()>,
    mut join: impl FnMut(&[Cells], usize),
) -> Result<()> {
    let row_bytes =
        columns.iter().map(|texts| texts.column.fixed_bytes + texts.column.text_bytes / rows.max(1)).sum::<usize>();
    let block_rows = (BLOCK_BYTES / row_bytes.max(1)).clamp(1, 1024);
    let mut spare = Vec::with_capacity(columns.len());
    let mut first = 0;
    while first < rows {
        let block = Block { first, rows: block_rows.min(rows - first) };
        for (index, texts) in columns.iter_mut().enumerate() {
            if !texts.is_direct {
                write(index, &texts.column, block, &mut texts.written)?;
            }
        }
        let mut cells = emptied(spare);
        cells.extend(columns.iter().map(|texts| texts.cells(block)));
        join(&cells, block.rows);
        spare = emptied(cells);
        first += block.rows;
    }
    Ok(())
}

/// The vector without its cells, for cells of another lifetime; its memory stays, since collecting does not allocate where types are of one size.
fn emptied<'a>(mut cells: Vec<Cells<'_>>) -> Vec<Cells<'a>> {
    cells.clear();
    cells.into_iter().map(|_| Cells::EMPTY).collect()
}

/// Some rows of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) first: usize,
    pub(crate) rows: usize,
}

impl Block {
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.first..self.first + self.rows
    }
}

/// Writes the values of a column as CSV has them.
///
/// # Errors
/// Where texts or bytes are larger than a block can be.
pub(crate) fn write_values(column: &Column, block: Block, null: &[u8], written: &mut WrittenCells) -> Result<()> {
    let nulls = column.nulls_of(block);
    let (range, max) = (block.range(), column.fixed_bytes);
    macro_rules! signed {
        ($values:expr) => {
            written.write($values[range].iter(), nulls, null, max, |region, value| put_i64(region, i64::from(*value)))
        };
    }
    macro_rules! unsigned {
        ($values:expr) => {
            written.write($values[range].iter(), nulls, null, max, |region, value| put_u64(region, u64::from(*value)))
        };
    }
    macro_rules! float {
        ($values:expr) => {
            written.write($values[range].iter(), nulls, null, max, |region, value| {
                region.put_slice(zmij::Buffer::new().format(*value).as_bytes());
            })
        };
    }
    match &column.values {
        Values::Int8(values) => signed!(values),
        Values::Int16(values) => signed!(values),
        Values::Int32(values) => signed!(values),
        Values::Int64(values) => signed!(values),
        Values::UInt8(values) => unsigned!(values),
        Values::UInt16(values) => unsigned!(values),
        Values::UInt32(values) => unsigned!(values),
        Values::UInt64(values) => unsigned!(values),
        Values::Float32(values) => float!(values),
        Values::Float64(values) => float!(values),
        Values::Decimal128(values, _, scale) => {
            written.write(values[range].iter(), nulls, null, DECIMAL_BYTES, |region, value| {
                put_decimal128(region, *value, *scale)
            });
        }
        Values::Decimal256(values, scale) => {
            written.write(values[range].iter(), nulls, null, DECIMAL_BYTES, |region, value| {
                put_decimal256(region, *value, *scale)
            });
        }
        Values::Date(values) => {
            written.write(values[range].iter(), nulls, null, max, |region, days| put_date(region, *days));
        }
        Values::Timestamp(values) => {
            written.write(values[range].iter(), nulls, null, max, |region, micros| put_timestamp(region, *micros));
        }
        Values::Boolean(values) => written.write(range, nulls, null, max, |region, row| {
            let (word, len) = if values.value(row) { (*b"true\0\0\0\0", 4) } else { (*b"false\0\0\0", 5) };
            region.put_word(u64::from_le_bytes(word), len);
        }),
        Values::Text(values) => {
            let values = range.map(|row| (!column.is_null(row)).then(|| values.value(row).as_bytes()));
            return written.append(values, null, |out, text| out.extend_from_slice(text));
        }
        Values::Binary(values) => {
            let values = range.map(|row| (!column.is_null(row)).then(|| values.value(row)));
            return written.append(values, null, append_base64);
        }
        Values::Null => written.write(range, None, null, max, |region, _| region.put_slice(null)),
    }
    Ok(())
}

/// Appends bytes in base64.
pub(crate) fn append_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // the slice has exactly the length that padded base64 has
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}
