//! Which rows plain and enclosed CSV cannot carry.

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use memchr::{memchr, memchr2};

use super::options::CsvFormat;

/// How plain CSV writes NULL.
pub(super) const NULL: &[u8] = b"\\N";

/// Why CSV cannot carry a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncarried {
    /// The row within the batch, from 0.
    pub row: usize,
    /// The column within the batch, from 0.
    pub column: usize,
    /// Why, lowercase, without a full stop.
    pub reason: &'static str,
}

/// What CSV can carry of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carry {
    uncarried: Vec<Uncarried>,
}

impl Carry {
    /// Whether every row can be carried.
    pub fn is_complete(&self) -> bool {
        self.uncarried.is_empty()
    }

    /// The rows that cannot, in order, each once.
    pub fn uncarried(&self) -> &[Uncarried] {
        &self.uncarried
    }

    /// Looks at a batch: at the bytes of each text column once, and at single values only where that found something.
    pub(super) fn of(batch: &RecordBatch, format: &CsvFormat, nested: &[usize], is_enclosed: bool) -> Self {
        let mut uncarried = Vec::new();
        for (column, array) in batch.columns().iter().enumerate() {
            let is_alone = batch.num_columns() == 1;
            match array.data_type() {
                DataType::Utf8 if is_enclosed => look_at_enclosed(array.as_string(), column, &mut uncarried),
                DataType::Utf8 => look_at_text(array.as_string(), column, is_alone, format, &mut uncarried),
                DataType::Binary if !is_enclosed => look_at_bytes(array, column, is_alone, format, &mut uncarried),
                _ => {}
            }
        }
        for column in nested {
            if let Some(texts) = batch.columns().get(*column).and_then(|array| array.as_string_opt::<i32>()) {
                look_at_nested(texts, *column, &mut uncarried);
            }
        }
        uncarried.sort_by_key(|found| (found.row, found.column));
        uncarried.dedup_by_key(|found| found.row);
        Self { uncarried }
    }
}

const DELIMITER: &str = "holds a byte that begins a CSV delimiter";
const NULL_TEXT: &str = "is the text that stands for NULL in CSV";
const NESTED: &str = "is a nested value that CSV has no exact form for";
const EMPTY_ROW: &str = "is an empty row, which the server skips in CSV";
const NUL_BYTE: &str = "holds a NUL byte, which the server takes for an escape in enclosed CSV";

fn look_at_text(texts: &StringArray, column: usize, is_alone: bool, format: &CsvFormat, found: &mut Vec<Uncarried>) {
    let (separator, delimiter) = (format.column_separator()[0], format.row_delimiter()[0]);
    let offsets = texts.value_offsets();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return };
    let bytes = &texts.value_data()[*first as usize..*last as usize];
    let has_delimiter = memchr2(separator, delimiter, bytes).is_some();
    // the lengths are looked at instead of the bytes: there are far fewer of them
    let has_null_text = has_length(offsets, NULL.len());
    let has_empty = is_alone && has_length(offsets, 0);
    if !has_delimiter && !has_null_text && !has_empty {
        return;
    }
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text.map(str::as_bytes) else { continue };
        let reason = if has_delimiter && memchr2(separator, delimiter, text).is_some() {
            DELIMITER
        } else if text == NULL {
            NULL_TEXT
        } else if is_alone && text.is_empty() {
            EMPTY_ROW
        } else {
            continue;
        };
        found.push(Uncarried { row, column, reason });
    }
}

/// Enclosed, text may hold everything but the NUL byte (the server's sign for an option that is not set) and be everything but `\N`,
/// which is NULL enclosed or not.
fn look_at_enclosed(texts: &StringArray, column: usize, found: &mut Vec<Uncarried>) {
    let offsets = texts.value_offsets();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return };
    let bytes = &texts.value_data()[*first as usize..*last as usize];
    if memchr(0, bytes).is_none() && !has_length(offsets, NULL.len()) {
        return;
    }
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text.map(str::as_bytes) else { continue };
        if text == NULL {
            found.push(Uncarried { row, column, reason: NULL_TEXT });
        } else if memchr(0, text).is_some() {
            found.push(Uncarried { row, column, reason: NUL_BYTE });
        }
    }
}

/// Whether a text has this length, without a branch for each, so that many are looked at at once.
fn has_length(offsets: &[i32], length: usize) -> bool {
    let ends = offsets.iter().skip(1);
    offsets.iter().zip(ends).fold(false, |found, (start, end)| found | ((end - start) as usize == length))
}

fn look_at_nested(texts: &StringArray, column: usize, found: &mut Vec<Uncarried>) {
    for (row, text) in texts.iter().enumerate() {
        if text.is_some_and(|text| text.starts_with('{') || text.contains('\\')) {
            found.push(Uncarried { row, column, reason: NESTED });
        }
    }
}

/// Bytes are written in base64, which has a few signs that may be delimiters.
fn look_at_bytes(array: &dyn Array, column: usize, is_alone: bool, format: &CsvFormat, found: &mut Vec<Uncarried>) {
    let is_in_alphabet = b"+/=".contains(&format.column_separator()[0]) || b"+/=".contains(&format.row_delimiter()[0]);
    if !is_in_alphabet && !is_alone {
        return;
    }
    for (row, bytes) in array.as_binary::<i32>().iter().enumerate() {
        match bytes {
            Some([]) if is_alone => found.push(Uncarried { row, column, reason: EMPTY_ROW }),
            Some([_, ..]) if is_in_alphabet => found.push(Uncarried { row, column, reason: DELIMITER }),
            _ => {}
        }
    }
}
