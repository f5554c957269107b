//! One value of a row, as either protocol carries it.

use mysql_common::Value;
use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::packets::Column;

use super::fields::Fields;
use crate::mysql_protocol::value::DateTimeParts;

/// A value that is not NULL; text and bytes are lent from the packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Text, bytes, or any value of the text protocol.
    Bytes(&'a [u8]),
    /// A whole number.
    Int(i64),
    /// A whole number that may be beyond `i64`.
    UInt(u64),
    /// A 32-bit float.
    Float(f32),
    /// A 64-bit float.
    Double(f64),
    /// A day, with or without a time of day.
    Date(DateTimeParts),
    /// A time.
    Time(TimeParts),
}

/// A time as the binary protocol carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeParts {
    /// Whether it is negative.
    pub negative: bool,
    /// Whole days.
    pub days: u32,
    /// 0 to 23.
    pub hours: u8,
    /// 0 to 59.
    pub minutes: u8,
    /// 0 to 59.
    pub seconds: u8,
    /// 0 to 999 999.
    pub microseconds: u32,
}

/// How a column's values lie in a row of the binary protocol (MySQL: "Binary Protocol Value").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A whole number of so many bytes.
    Integer {
        /// 1, 2, 4 or 8.
        bytes: u8,
        /// Whether negative numbers are values.
        signed: bool,
    },
    /// Four bytes.
    Float,
    /// Eight bytes.
    Double,
    /// A length and its bytes: text, bytes, decimals, bits, JSON.
    String,
    /// A length and the parts of a date.
    Date,
    /// A length and the parts of a time.
    Time,
    /// No value but NULL.
    Null,
    /// Of a type that no server sends.
    Unknown,
}

impl Form {
    /// The form of a described column.
    pub fn of(column: &Column) -> Self {
        let signed = !column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
        match column.column_type() {
            ColumnType::MYSQL_TYPE_TINY => Self::Integer { bytes: 1, signed },
            ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR => Self::Integer { bytes: 2, signed },
            ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24 => Self::Integer { bytes: 4, signed },
            ColumnType::MYSQL_TYPE_LONGLONG => Self::Integer { bytes: 8, signed },
            ColumnType::MYSQL_TYPE_FLOAT => Self::Float,
            ColumnType::MYSQL_TYPE_DOUBLE => Self::Double,
            ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_VAR_STRING
            | ColumnType::MYSQL_TYPE_VARCHAR
            | ColumnType::MYSQL_TYPE_BLOB
            | ColumnType::MYSQL_TYPE_TINY_BLOB
            | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
            | ColumnType::MYSQL_TYPE_LONG_BLOB
            | ColumnType::MYSQL_TYPE_SET
            | ColumnType::MYSQL_TYPE_ENUM
            | ColumnType::MYSQL_TYPE_DECIMAL
            | ColumnType::MYSQL_TYPE_NEWDECIMAL
            | ColumnType::MYSQL_TYPE_BIT
            | ColumnType::MYSQL_TYPE_GEOMETRY
            | ColumnType::MYSQL_TYPE_VECTOR
            | ColumnType::MYSQL_TYPE_JSON => Self::String,
            ColumnType::MYSQL_TYPE_TIMESTAMP
            | ColumnType::MYSQL_TYPE_DATE
            | ColumnType::MYSQL_TYPE_NEWDATE
            | ColumnType::MYSQL_TYPE_DATETIME => Self::Date,
            ColumnType::MYSQL_TYPE_TIME => Self::Time,
            ColumnType::MYSQL_TYPE_NULL => Self::Null,
            _ => Self::Unknown,
        }
    }

    /// Takes a value off a row of the binary protocol; None if it is not all there.
    #[inline]
    pub fn read<'a>(self, fields: &mut Fields<'a>) -> Option<Cell<'a>> {
        Some(match self {
            Self::Integer { bytes: 1, signed: true } => Cell::Int(i64::from(fields.byte()? as i8)),
            Self::Integer { bytes: 1, .. } => Cell::Int(i64::from(fields.byte()?)),
            Self::Integer { bytes: 2, signed: true } => Cell::Int(i64::from(fields.array().map(i16::from_le_bytes)?)),
            Self::Integer { bytes: 2, .. } => Cell::Int(i64::from(fields.u16()?)),
            Self::Integer { bytes: 4, signed: true } => Cell::Int(i64::from(fields.array().map(i32::from_le_bytes)?)),
            Self::Integer { bytes: 4, .. } => Cell::Int(i64::from(fields.u32()?)),
            Self::Integer { signed: true, .. } => Cell::Int(fields.array().map(i64::from_le_bytes)?),
            Self::Integer { .. } => Cell::UInt(fields.array().map(u64::from_le_bytes)?),
            Self::Float => Cell::Float(fields.array().map(f32::from_le_bytes)?),
            Self::Double => Cell::Double(fields.array().map(f64::from_le_bytes)?),
            Self::String => Cell::Bytes(fields.string()?),
            Self::Date => Cell::Date(date(fields)?),
            Self::Time => Cell::Time(time(fields)?),
            Self::Null | Self::Unknown => return None,
        })
    }
}

/// Takes a date off a row of the binary protocol. Parts that are zero at its end may be left out.
#[inline]
pub fn date(fields: &mut Fields<'_>) -> Option<DateTimeParts> {
    let length = fields.byte()?;
    let mut parts = DateTimeParts::default();
    if !matches!(length, 0 | 4 | 7 | 11) {
        return None;
    }
    if length >= 4 {
        parts.year = fields.u16()?;
        [parts.month, parts.day] = fields.array()?;
    }
    if length >= 7 {
        [parts.hour, parts.minute, parts.second] = fields.array()?;
    }
    if length == 11 {
        parts.microsecond = fields.u32()?;
    }
    Some(parts)
}

fn time(fields: &mut Fields<'_>) -> Option<TimeParts> {
    let length = fields.byte()?;
    let mut parts = TimeParts::default();
    if !matches!(length, 0 | 8 | 12) {
        return None;
    }
    if length >= 8 {
        parts.negative = fields.byte()? == 1;
        parts.days = fields.u32()?;
        [parts.hours, parts.minutes, parts.seconds] = fields.array()?;
    }
    if length == 12 {
        parts.microseconds = fields.u32()?;
    }
    Some(parts)
}

/// Takes a value off a row of the text protocol: None if it is not all there, Some(None) for NULL.
#[inline]
pub fn text<'a>(fields: &mut Fields<'a>) -> Option<Option<Cell<'a>>> {
    match fields.0.split_first()? {
        (0xfb, rest) => {
            fields.0 = rest;
            Some(None)
        }
        _ => Some(Some(Cell::Bytes(fields.string()?))),
    }
}

impl From<Cell<'_>> for Value {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            Cell::Int(number) => Self::Int(number),
            Cell::UInt(number) => i64::try_from(number).map_or(Self::UInt(number), Self::Int),
            Cell::Float(number) => Self::Float(number),
            Cell::Double(number) => Self::Double(number),
            Cell::Date(parts) => Self::Date(
                parts.year,
                parts.month,
                parts.day,
                parts.hour,
                parts.minute,
                parts.second,
                parts.microsecond,
            ),
            Cell::Time(parts) => {
                Self::Time(parts.negative, parts.days, parts.hours, parts.minutes, parts.seconds, parts.microseconds)
            }
        }
    }
}

/// Whether a column of a row of the binary protocol is NULL, by the bits in front of its values; the first two are not used.
#[inline]
pub fn is_null(bits: &[u8], column: usize) -> bool {
    let bit = column + 2;
    bits.get(bit / 8).is_none_or(|byte| byte & (1 << (bit % 8)) != 0)
}

/// The bits and the values of a row of the binary protocol; None if it is too short or none.
#[inline]
pub fn split_row(row: &[u8], columns: usize) -> Option<(&[u8], Fields<'_>)> {
    let (0, row) = row.split_first().map(|(first, row)| (*first, row))? else { return None };
    let (bits, values) = row.split_at_checked((columns + 9) / 8)?;
    Some((bits, Fields(values)))
}
