//! A block of a column as texts: where the batch has them, or written out.

use arrow::array::StringArray;
use arrow::buffer::NullBuffer;

use super::region::{Region, SLACK};
use super::texts::Block;
use crate::error::{ConnectorError, ErrorCode, Result};

/// The texts of some rows of a column, side by side in one buffer.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where each text begins, and where the last one ends: one more than there are rows.
    pub(crate) offsets: &'a [i32],
    /// Which rows are NULL, and the first row's place in that bitmap.
    pub(crate) nulls: Option<(&'a NullBuffer, usize)>,
}

impl<'a> Cells<'a> {
    /// No texts.
    pub(crate) const EMPTY: Self = Self { bytes: &[], offsets: &[], nulls: None };

    /// The texts of an array where they are.
    pub(crate) fn of(texts: &'a StringArray, nulls: Option<(&'a NullBuffer, usize)>, block: Block) -> Self {
        let offsets = &texts.value_offsets()[block.first..=block.first + block.rows];
        Self { bytes: texts.value_data(), offsets, nulls }
    }

    /// Where the row's text begins and ends. Offsets are never negative: above 2 GB, which quotes may bring, they are read as unsigned.
    #[inline(always)]
    pub(crate) fn ends(&self, row: usize) -> [u32; 2] {
        let pair = &self.offsets[row..row + 2];
        [pair[0] as u32, pair[1] as u32]
    }

    #[inline(always)]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|(nulls, first)| nulls.is_null(first + row))
    }

    /// The bytes of all texts.
    pub(crate) fn all(&self) -> &'a [u8] {
        match (self.offsets.first(), self.offsets.last()) {
            (Some(first), Some(last)) => &self.bytes[*first as u32 as usize..*last as u32 as usize],
            _ => &[],
        }
    }
}

/// Texts that are written out, block after block in one buffer.
#[derive(Default)]
pub(crate) struct WrittenCells {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
}

impl WrittenCells {
    pub(crate) fn cells(&self) -> Cells<'_> {
        Cells { bytes: &self.bytes, offsets: &self.offsets, nulls: None }
    }

    /// Writes each value with `put`, which writes at most `max_bytes`, and `null` for NULL.
    #[inline(always)]
    pub(crate) fn write<T>(
        &mut self,
        values: impl ExactSizeIterator<Item = T>,
        nulls: Option<(&NullBuffer, usize)>,
        null: &[u8],
        max_bytes: usize,
        put: impl Fn(&mut Region, T),
    ) {
        // one loop for columns with and without NULLs, so that `put` is called at one place, where the compiler puts it in
        let max_bytes = values.len() * max_bytes.max(null.len());
        self.write_within(values.enumerate(), max_bytes, |region, (row, value)| {
            if nulls.is_some_and(|(nulls, first)| nulls.is_null(first + row)) {
                region.put_slice(null);
            } else {
                put(region, value);
            }
        });
    }

    #[inline(always)]
    fn write_within<T>(
        &mut self,
        values: impl ExactSizeIterator<Item = T>,
        max_bytes: usize,
        put: impl Fn(&mut Region, T),
    ) {
        self.bytes.resize(max_bytes + SLACK, 0);
        self.offsets.resize(values.len() + 1, 0);
        let len = self.bytes.len();
        let mut region = Region::new(&mut self.bytes);
        for (value, end) in values.zip(&mut self.offsets[1..]) {
            put(&mut region, value);
            *end = (len - region.left()) as i32;
        }
    }

    /// Writes each text in quotes, and `null` for NULL.
    pub(crate) fn quote(&mut self, cells: &Cells, null: &[u8]) {
        let rows = cells.offsets.len() - 1;
        let max_bytes = cells.all().len() + rows * null.len().max(2);
        self.write_within(0..rows, max_bytes, |region, row| {
            if cells.is_null(row) {
                region.put_slice(null);
            } else {
                let [start, end] = cells.ends(row);
                region.put_byte(b'"');
                region.put_part_and_byte(cells.bytes, start, end, b'"');
            }
        });
    }

    /// Appends each value with `append`, whatever its length, and `null` for NULL.
    ///
    /// # Errors
    /// Where a block's texts are larger than offsets can say.
    pub(crate) fn append<T>(
        &mut self,
        values: impl Iterator<Item = Option<T>>,
        null: &[u8],
        mut append: impl FnMut(&mut Vec<u8>, T),
    ) -> Result<()> {
        self.bytes.clear();
        self.offsets.clear();
        self.offsets.push(0);
        for value in values {
            match value {
                Some(value) => append(&mut self.bytes, value),
                None => self.bytes.extend_from_slice(null),
            }
            let end = i32::try_from(self.bytes.len()).map_err(|_| {
                ConnectorError::new(
                    ErrorCode::Value,
                    "a few rows of a text column are more than 2 GB when they are encoded",
                )
            })?;
            self.offsets.push(end);
        }
        self.bytes.resize(self.bytes.len() + SLACK, 0);
        Ok(())
    }
}
