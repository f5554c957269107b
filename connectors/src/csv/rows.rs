//! Texts of columns, side by side, into rows.

use super::cells::Cells;
use super::region::{Region, SLACK};

/// What stands before each column and behind the last.
#[derive(Debug, Clone)]
pub(crate) struct Literals {
    /// All of them, and [`SLACK`].
    bytes: Vec<u8>,
    offsets: Vec<u32>,
}

impl Literals {
    pub(crate) fn new<'a>(literals: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut bytes, mut offsets) = (Vec::new(), vec![0]);
        for literal in literals {
            bytes.extend_from_slice(literal);
            offsets.push(bytes.len() as u32);
        }
        bytes.resize(bytes.len() + SLACK, 0);
        Self { bytes, offsets }
    }

    fn put(&self, region: &mut Region, index: usize) {
        let (start, end) = (self.offsets[index], self.offsets[index + 1]);
        region.put_part(&self.bytes, start, end);
    }

    /// The bytes of all of them.
    pub(crate) fn len(&self) -> usize {
        self.offsets.last().map_or(0, |end| *end as usize)
    }
}

/// Appends rows of columns with one byte between columns and one behind each row. `null` stands for the texts that are NULL.
pub(crate) fn join_by_bytes(
    cells: &[Cells],
    rows: usize,
    [separator, delimiter]: [u8; 2],
    null: &[u8],
    out: &mut Vec<u8>,
) {
    let bytes = rows * cells.len();
    append(cells, rows, bytes, null, out, |region| {
        let Some((last, first)) = cells.split_last() else { return };
        for row in 0..rows {
            for cell in first {
                put_with(region, cell, row, null, separator);
            }
            put_with(region, last, row, null, delimiter);
        }
    });
}

/// Appends rows of columns with literals before, between and behind them.
pub(crate) fn join_by_literals(cells: &[Cells], rows: usize, literals: &Literals, null: &[u8], out: &mut Vec<u8>) {
    append(cells, rows, rows * literals.len(), null, out, |region| {
        for row in 0..rows {
            for (index, cell) in cells.iter().enumerate() {
                literals.put(region, index);
                put(region, cell, row, null);
            }
            literals.put(region, cells.len());
        }
    });
}

/// Makes room for rows, has them written, and gives back what was too much. Rows come in blocks, so that the zeros stay in a core's cache.
#[inline(always)]
fn append(
    cells: &[Cells],
    rows: usize,
    literal_bytes: usize,
    null: &[u8],
    out: &mut Vec<u8>,
    put: impl FnOnce(&mut Region),
) {
    let start = out.len();
    let texts = cells.iter().map(|cell| cell.all().len() + cell.nulls.map_or(0, |_| rows * null.len())).sum::<usize>();
    out.resize(start + literal_bytes + texts + SLACK, 0);
    let mut region = Region::new(&mut out[start..]);
    put(&mut region);
    let left = region.left();
    out.truncate(out.len() - left);
}

#[inline(always)]
fn put(region: &mut Region, cell: &Cells, row: usize, null: &[u8]) {
    if cell.is_null(row) {
        region.put_slice(null);
    } else {
        let [start, end] = cell.ends(row);
        region.put_part(cell.bytes, start, end);
    }
}

#[inline(always)]
fn put_with(region: &mut Region, cell: &Cells, row: usize, null: &[u8], byte: u8) {
    if cell.is_null(row) {
        region.put_slice(null);
        region.put_byte(byte);
    } else {
        let [start, end] = cell.ends(row);
        region.put_part_and_byte(cell.bytes, start, end, byte);
    }
}
