//! The JSON encoder: rows as objects of one array, for loads that plain CSV cannot carry.

use arrow::array::AsArray;
use arrow::record_batch::RecordBatch;
use serde::de::IgnoredAny;

use super::carry::Uncarried;
use super::cells::{Cells, WrittenCells};
use super::column::{Column, Values};
use super::decimal::{DECIMAL_BYTES, put_decimal128, put_decimal256};
use super::region::Region;
use super::rows::{Literals, join_by_literals};
use super::temporal::{put_date, put_timestamp};
use super::texts::{Block, Texts, encode_blocks, write_values};
use crate::error::{ConnectorError, Result};
use crate::sink::{TargetColumn, TargetType};

/// Decimals of more digits are sent as strings: a reader that takes JSON numbers for 64-bit floats keeps 15 digits.
const MAX_NUMBER_DIGITS: u8 = 15;

/// Encodes batches as objects of one JSON array (Stream Load: `format: json`, `strip_outer_array: true`).
///
/// Whole numbers up to 64 bits are JSON numbers, decimals too up to 15 digits and strings above; NaN and infinities are strings. Bytes are sent
/// as text, since StarRocks takes a JSON string for VARBINARY as it is (no base64). In a JSON or nested column, text that is an object
/// or a list is sent as such, other text as a string: as StarRocks does with CSV.
#[derive(Debug, Clone)]
pub struct JsonEncoder {
    /// Whether each column holds documents.
    is_document: Vec<bool>,
    /// What stands before each value and behind the last.
    literals: Literals,
}

impl JsonEncoder {
    /// An encoder for batches with these columns, in order.
    pub fn new(columns: &[TargetColumn]) -> Self {
        let mut literals = Vec::with_capacity(columns.len() + 1);
        for column in columns {
            let mut literal = vec![if literals.is_empty() { b'{' } else { b',' }];
            append_string(&mut literal, &column.name);
            literal.push(b':');
            literals.push(literal);
        }
        literals.push(b"},".to_vec());
        let is_document = |column: &TargetColumn| matches!(column.kind, TargetType::Json | TargetType::Other);
        Self {
            is_document: columns.iter().map(is_document).collect(),
            literals: Literals::new(literals.iter().map(Vec::as_slice)),
        }
    }

    /// The rows of a batch that JSON cannot carry: bytes that are not UTF-8.
    pub fn uncarried(&self, batch: &RecordBatch) -> Vec<Uncarried> {
        let mut found = Vec::new();
        for (column, array) in batch.columns().iter().enumerate() {
            let Some(values) = array.as_binary_opt::<i32>() else { continue };
            for (row, bytes) in values.iter().enumerate() {
                if bytes.is_some_and(|bytes| std::str::from_utf8(bytes).is_err()) {
                    found.push(Uncarried {
                        row,
                        column,
                        reason: "holds bytes that are not UTF-8, which JSON cannot carry",
                    });
                }
            }
        }
        found.sort_by_key(|found| (found.row, found.column));
        found.dedup_by_key(|found| found.row);
        found
    }

    /// Begins the array.
    pub fn open(&self, out: &mut Vec<u8>) {
        out.push(b'[');
    }

    /// Ends the array.
    pub fn close(&self, out: &mut Vec<u8>) {
        out.push(b']');
    }

    /// Appends all rows of a batch as objects with commas between them; `is_first` says that no row stands in front of them in the array.
    pub fn encode(&self, batch: &RecordBatch, is_first: bool, out: &mut Vec<u8>) -> Result<()> {
        if batch.num_columns() != self.is_document.len() || self.is_document.is_empty() {
            return Err(ConnectorError::internal("a batch has other columns than the JSON encoder"));
        }
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        let mut bytes = self.literals.len() * rows;
        for array in batch.columns() {
            let column = Column::new(array)?;
            if let Values::Binary(values) = &column.values
                && values.iter().flatten().any(|bytes| std::str::from_utf8(bytes).is_err())
            {
                return Err(ConnectorError::internal("bytes that are not UTF-8 reached the JSON encoder"));
            }
            bytes += column.text_bytes;
            columns.push(Texts::written(column));
        }
        out.reserve(bytes);
        if !is_first {
            out.push(b',');
        }
        encode_blocks(
            &mut columns,
            rows,
            |index, column, block, written| write_json(column, self.is_document[index], block, written),
            |cells, rows| join_by_literals(cells, rows, &self.literals, NULL, out),
        )?;
        // the comma behind the last row
        out.pop();
        Ok(())
    }
}

const NULL: &[u8] = b"null";

/// Writes values as JSON has them.
fn write_json(column: &Column, is_document: bool, block: Block, written: &mut WrittenCells) -> Result<()> {
    let (range, nulls, max) = (block.range(), column.nulls_of(block), column.fixed_bytes + 2);
    let is_some = |row: &usize| !column.is_null(*row);
    match &column.values {
        Values::Float32(values) => written.write(values[range].iter(), nulls, NULL, max, |region, value| {
            put_float(region, zmij::Buffer::new().format(*value), value.is_finite());
        }),
        Values::Float64(values) => written.write(values[range].iter(), nulls, NULL, max, |region, value| {
            put_float(region, zmij::Buffer::new().format(*value), value.is_finite());
        }),
        Values::Decimal128(values, precision, scale) if *precision > MAX_NUMBER_DIGITS => {
            written.write(values[range].iter(), nulls, NULL, DECIMAL_BYTES + 2, |region, value| {
                put_quoted(region, |region| put_decimal128(region, *value, *scale));
            });
        }
        Values::Decimal256(values, scale) => {
            written.write(values[range].iter(), nulls, NULL, DECIMAL_BYTES + 2, |region, value| {
                put_quoted(region, |region| put_decimal256(region, *value, *scale));
            })
        }
        Values::Date(values) => written.write(values[range].iter(), nulls, NULL, max, |region, days| {
            put_quoted(region, |region| put_date(region, *days));
        }),
        Values::Timestamp(values) => written.write(values[range].iter(), nulls, NULL, max, |region, micros| {
            put_quoted(region, |region| put_timestamp(region, *micros));
        }),
        Values::Text(texts) => {
            let cells = Cells::of(texts, nulls, block);
            if !is_document && !needs_escape(cells.all()) {
                written.quote(&cells, NULL);
                return Ok(());
            }
            let values = range.map(|row| Some(row).filter(is_some).map(|row| texts.value(row)));
            return written.append(values, NULL, |out, text| match is_document && is_object_or_list(text) {
                true => out.extend_from_slice(text.as_bytes()),
                false => append_string(out, text),
            });
        }
        Values::Binary(values) => {
            let values = range.map(|row| Some(row).filter(is_some).map(|row| values.value(row)));
            // that they are UTF-8 was looked at before
            return written
                .append(values, NULL, |out, bytes| append_string(out, std::str::from_utf8(bytes).unwrap_or_default()));
        }
        _ => return write_values(column, block, NULL, written),
    }
    Ok(())
}

fn put_float(region: &mut Region, printed: &str, is_finite: bool) {
    if is_finite {
        region.put_slice(printed.as_bytes());
    } else {
        put_quoted(region, |region| region.put_slice(printed.as_bytes()));
    }
}

#[inline(always)]
fn put_quoted(region: &mut Region, put: impl FnOnce(&mut Region)) {
    region.put_byte(b'"');
    put(region);
    region.put_byte(b'"');
}

/// Looks at all bytes, without a branch for each, so that many are looked at at once.
fn needs_escape(bytes: &[u8]) -> bool {
    bytes.chunks(256).any(|chunk| chunk.iter().fold(false, |found, byte| found | is_escaped(*byte)))
}

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn is_object_or_list(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Appends a JSON string: quotes, backslashes and control characters are escaped, everything else is as it is.
pub(crate) fn append_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if !is_escaped(*byte) {
            continue;
        }
        out.extend_from_slice(&bytes[copied..index]);
        copied = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let [high, low] = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}
