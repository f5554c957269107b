//! Rows: Arrow batches as text rows (COM_QUERY) or binary rows (COM_STMT_EXECUTE).

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, UInt64Type,
};
use arrow::error::ArrowError;

use super::packet::put_bytes;
use super::response::{ColumnHead, type_code};
use crate::sql::{column_type_of, display_name, push_text, writable};
use crate::types::ColumnType;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFormat {
    Text,
    Binary,
}

/// NULL in a text row.
const NULL: u8 = 0xfb;

/// The head of a result column, with the type code that StarRocks would send.
pub(crate) fn column_head(field: &Field) -> ColumnHead {
    let (code, decimals, length) = match (column_type_of(field), field.data_type()) {
        (Some(column_type @ (ColumnType::Char(_) | ColumnType::Json)), _) => (column_type.mysql_type_code(), 0, 65533),
        (_, DataType::Boolean) => (type_code::TINY, 0, 1),
        (_, DataType::Int8) => (type_code::TINY, 0, 4),
        (_, DataType::Int16 | DataType::UInt8) => (type_code::SHORT, 0, 6),
        (_, DataType::Int32 | DataType::UInt16) => (type_code::LONG, 0, 11),
        (_, DataType::Int64 | DataType::UInt32 | DataType::UInt64) => (type_code::LONGLONG, 0, 20),
        (_, DataType::Float16 | DataType::Float32) => (type_code::FLOAT, 31, 12),
        (_, DataType::Float64) => (type_code::DOUBLE, 31, 22),
        (_, DataType::Date32 | DataType::Date64) => (type_code::DATE, 0, 10),
        (_, DataType::Timestamp(..)) => (type_code::DATETIME, 6, 26),
        // LARGEINT, which StarRocks sends as a string
        (_, DataType::Decimal256(_, 0)) => (type_code::STRING, 0, 40),
        (_, DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale)) => {
            (type_code::NEWDECIMAL, u8::try_from(*scale).unwrap_or_default(), u32::from(*precision) + 2)
        }
        (_, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)) => {
            (type_code::BLOB, 0, 65533)
        }
        (_, DataType::List(_) | DataType::LargeList(_) | DataType::Map(..) | DataType::Struct(_)) => {
            (type_code::STRING, 0, 65533)
        }
        _ => (type_code::VAR_STRING, 0, 65533),
    };
    let unsigned = matches!(field.data_type(), DataType::UInt64);
    ColumnHead { name: display_name(field.name()).to_owned(), code, unsigned, decimals, length }
}

/// A batch whose columns have one of the few types that [`RowEncoder`] writes.
pub(crate) struct RowEncoder {
    columns: Vec<ArrayRef>,
    rows: usize,
    format: RowFormat,
    /// Room for the text of one value.
    scratch: String,
}

impl RowEncoder {
    pub(crate) fn new(batch: &RecordBatch, format: RowFormat) -> Result<Self, ArrowError> {
        let columns = batch.columns().iter().map(writable).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { columns, rows: batch.num_rows(), format, scratch: String::new() })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends the payload of one row.
    pub(crate) fn write(&mut self, row: usize, payload: &mut Vec<u8>) {
        match self.format {
            RowFormat::Text => {
                for column in &self.columns {
                    if column.is_null(row) {
                        payload.push(NULL);
                    } else {
                        write_text(column, row, &mut self.scratch, payload);
                    }
                }
            }
            RowFormat::Binary => self.write_binary(row, payload),
        }
    }

    /// MySQL: binary protocol result set row. The NULL bitmap begins at bit 2.
    fn write_binary(&mut self, row: usize, payload: &mut Vec<u8>) {
        payload.push(0);
        let bitmap = payload.len();
        payload.resize(bitmap + (self.columns.len() + 9) / 8, 0);
        for (index, column) in self.columns.iter().enumerate() {
            if column.is_null(row) {
                payload[bitmap + (index + 2) / 8] |= 1 << ((index + 2) % 8);
            } else {
                write_binary_value(column, row, &mut self.scratch, payload);
            }
        }
    }
}

fn write_text(column: &ArrayRef, row: usize, scratch: &mut String, payload: &mut Vec<u8>) {
    match column.data_type() {
        DataType::Utf8 => put_bytes(payload, column.as_string::<i32>().value(row).as_bytes()),
        DataType::Binary => put_bytes(payload, column.as_binary::<i32>().value(row)),
        _ => {
            scratch.clear();
            push_text(column, row, scratch);
            put_bytes(payload, scratch.as_bytes());
        }
    }
}

fn write_binary_value(column: &ArrayRef, row: usize, scratch: &mut String, payload: &mut Vec<u8>) {
    match column.data_type() {
        DataType::Boolean => payload.push(u8::from(column.as_boolean().value(row))),
        DataType::Int8 => payload.extend_from_slice(&column.as_primitive::<Int8Type>().value(row).to_le_bytes()),
        DataType::Int16 => payload.extend_from_slice(&column.as_primitive::<Int16Type>().value(row).to_le_bytes()),
        DataType::Int32 => payload.extend_from_slice(&column.as_primitive::<Int32Type>().value(row).to_le_bytes()),
        DataType::Int64 => payload.extend_from_slice(&column.as_primitive::<Int64Type>().value(row).to_le_bytes()),
        DataType::UInt64 => payload.extend_from_slice(&column.as_primitive::<UInt64Type>().value(row).to_le_bytes()),
        DataType::Float32 => payload.extend_from_slice(&column.as_primitive::<Float32Type>().value(row).to_le_bytes()),
        DataType::Float64 => payload.extend_from_slice(&column.as_primitive::<Float64Type>().value(row).to_le_bytes()),
        DataType::Date32 | DataType::Timestamp(..) => write_binary_date_time(column, row, payload),
        _ => write_text(column, row, scratch, payload),
    }
}

/// MySQL: binary protocol value of DATE and DATETIME; trailing parts that are zero are left out.
fn write_binary_date_time(column: &ArrayRef, row: usize, payload: &mut Vec<u8>) {
    use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};

    let value = if let DataType::Date32 = column.data_type() {
        date32_to_datetime(column.as_primitive::<Date32Type>().value(row))
    } else {
        timestamp_us_to_datetime(column.as_primitive::<TimestampMicrosecondType>().value(row))
    };
    let text = value.map(|value| value.format("%Y %m %d %H %M %S %6f").to_string()).unwrap_or_default();
    let mut parts = text.split(' ').map(|part| part.parse::<u32>().unwrap_or_default());
    let mut next = || parts.next().unwrap_or_default();
    let (year, month, day) = (next(), next(), next());
    let (hour, minute, second, micros) = (next(), next(), next(), next());
    let length = match (hour | minute | second, micros) {
        (0, 0) => 4,
        (_, 0) => 7,
        _ => 11,
    };
    payload.push(length);
    payload.extend_from_slice(&(year as u16).to_le_bytes());
    payload.extend_from_slice(&[month as u8, day as u8]);
    if length >= 7 {
        payload.extend_from_slice(&[hour as u8, minute as u8, second as u8]);
    }
    if length == 11 {
        payload.extend_from_slice(&micros.to_le_bytes());
    }
}
