//! The JSON encoder: rows as objects of one array, for loads that plain CSV cannot carry.

use arrow::array::AsArray;
use arrow::record_batch::RecordBatch;
use serde::de::IgnoredAny;

use super::carry::Uncarried;
use super::column::{Column, Values};
use super::decimal::{append_decimal128, append_decimal256};
use super::temporal::{append_date, append_timestamp};
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
    columns: Vec<JsonColumn>,
}

#[derive(Debug, Clone)]
struct JsonColumn {
    /// `"name":`
    key: Vec<u8>,
    is_document: bool,
}

impl JsonEncoder {
    /// An encoder for batches with these columns, in order.
    pub fn new(columns: &[TargetColumn]) -> Self {
        let columns = columns
            .iter()
            .map(|column| {
                let mut key = Vec::new();
                append_string(&mut key, &column.name);
                key.push(b':');
                JsonColumn { key, is_document: matches!(column.kind, TargetType::Json | TargetType::Other) }
            })
            .collect();
        Self { columns }
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
        if batch.num_columns() != self.columns.len() {
            return Err(ConnectorError::internal("a batch has other columns than the JSON encoder"));
        }
        let columns = batch.columns().iter().map(Column::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            if row > 0 || !is_first {
                out.push(b',');
            }
            out.push(b'{');
            for (index, (target, column)) in self.columns.iter().zip(&columns).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(&target.key);
                append_value(out, column, row, target.is_document)?;
            }
            out.push(b'}');
        }
        Ok(())
    }
}

fn append_value(out: &mut Vec<u8>, column: &Column, row: usize, is_document: bool) -> Result<()> {
    if column.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match &column.values {
        Values::Null => out.extend_from_slice(b"null"),
        Values::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
        Values::Int8(values) => append_integer(out, values[row]),
        Values::Int16(values) => append_integer(out, values[row]),
        Values::Int32(values) => append_integer(out, values[row]),
        Values::Int64(values) => append_integer(out, values[row]),
        Values::UInt8(values) => append_integer(out, values[row]),
        Values::UInt16(values) => append_integer(out, values[row]),
        Values::UInt32(values) => append_integer(out, values[row]),
        Values::UInt64(values) => append_integer(out, values[row]),
        Values::Float32(values) => append_float(out, zmij::Buffer::new().format(values[row]), values[row].is_finite()),
        Values::Float64(values) => append_float(out, zmij::Buffer::new().format(values[row]), values[row].is_finite()),
        Values::Decimal128(values, precision, scale) if *precision <= MAX_NUMBER_DIGITS => {
            append_decimal128(out, values[row], *scale);
        }
        Values::Decimal128(values, _, scale) => quoted(out, |out| append_decimal128(out, values[row], *scale)),
        Values::Decimal256(values, scale) => quoted(out, |out| append_decimal256(out, values[row], *scale)),
        Values::Date(values) => quoted(out, |out| append_date(out, values[row])),
        Values::Timestamp(values) => quoted(out, |out| append_timestamp(out, values[row])),
        Values::Text(values) => {
            let text = values.value(row);
            if is_document && is_object_or_list(text) {
                out.extend_from_slice(text.as_bytes());
            } else {
                append_string(out, text);
            }
        }
        Values::Binary(values) => match std::str::from_utf8(values.value(row)) {
            Ok(text) => append_string(out, text),
            Err(_) => return Err(ConnectorError::internal("bytes that are not UTF-8 reached the JSON encoder")),
        },
    }
    Ok(())
}

fn append_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn append_float(out: &mut Vec<u8>, printed: &str, is_finite: bool) {
    if is_finite {
        out.extend_from_slice(printed.as_bytes());
    } else {
        quoted(out, |out| out.extend_from_slice(printed.as_bytes()));
    }
}

fn quoted(out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    append(out);
    out.push(b'"');
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
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
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
