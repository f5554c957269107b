//! The answers that are not rows: OK, error, end of rows, column definitions.

use super::handshake::CHARSET_UTF8;
use super::packet::{put_bytes, put_length};
use crate::sql::{OkInfo, SqlError};

/// MySQL: `SERVER_STATUS_AUTOCOMMIT`.
pub(crate) const STATUS_AUTOCOMMIT: u16 = 2;
/// MySQL: `SERVER_MORE_RESULTS_EXISTS`.
pub(crate) const STATUS_MORE_RESULTS: u16 = 8;

/// Column type codes (MySQL: `MYSQL_TYPE_…`).
pub(crate) mod type_code {
    pub(crate) const TINY: u8 = 1;
    pub(crate) const SHORT: u8 = 2;
    pub(crate) const LONG: u8 = 3;
    pub(crate) const FLOAT: u8 = 4;
    pub(crate) const DOUBLE: u8 = 5;
    pub(crate) const NULL: u8 = 6;
    pub(crate) const TIMESTAMP: u8 = 7;
    pub(crate) const LONGLONG: u8 = 8;
    pub(crate) const INT24: u8 = 9;
    pub(crate) const DATE: u8 = 10;
    pub(crate) const TIME: u8 = 11;
    pub(crate) const DATETIME: u8 = 12;
    pub(crate) const YEAR: u8 = 13;
    pub(crate) const NEWDECIMAL: u8 = 246;
    pub(crate) const BLOB: u8 = 252;
    pub(crate) const VAR_STRING: u8 = 253;
    pub(crate) const STRING: u8 = 254;
}

/// `binary`, the character set of everything that is not text.
const CHARSET_BINARY: u8 = 63;

/// A column as clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnHead {
    pub(crate) name: String,
    /// MySQL type code.
    pub(crate) code: u8,
    pub(crate) unsigned: bool,
    /// Digits after the point; 31 for floating point (MySQL: `decimals`).
    pub(crate) decimals: u8,
    /// Longest value in characters or digits, as far as known.
    pub(crate) length: u32,
}

pub(crate) fn write_ok(payload: &mut Vec<u8>, info: &OkInfo, more_results: bool) {
    payload.push(0);
    put_length(payload, info.affected_rows);
    put_length(payload, 0);
    payload.extend_from_slice(&status(more_results).to_le_bytes());
    payload.extend_from_slice(&[0, 0]);
    if !info.text.is_empty() {
        put_bytes(payload, info.text.as_bytes());
    }
}

pub(crate) fn write_error(payload: &mut Vec<u8>, error: &SqlError) {
    payload.push(0xff);
    payload.extend_from_slice(&error.code.to_le_bytes());
    payload.push(b'#');
    payload.extend_from_slice(error.sql_state());
    payload.extend_from_slice(error.message.as_bytes());
}

pub(crate) fn write_eof(payload: &mut Vec<u8>, more_results: bool) {
    payload.extend_from_slice(&[0xfe, 0, 0]);
    payload.extend_from_slice(&status(more_results).to_le_bytes());
}

/// A column definition (MySQL: `ColumnDefinition41`).
pub(crate) fn write_column(payload: &mut Vec<u8>, column: &ColumnHead) {
    let text = matches!(column.code, type_code::VAR_STRING | type_code::STRING);
    put_bytes(payload, b"def");
    put_bytes(payload, b"");
    put_bytes(payload, b"");
    put_bytes(payload, b"");
    put_bytes(payload, column.name.as_bytes());
    put_bytes(payload, column.name.as_bytes());
    payload.push(12);
    payload.extend_from_slice(&[if text { CHARSET_UTF8 } else { CHARSET_BINARY }, 0]);
    payload.extend_from_slice(&column.length.to_le_bytes());
    payload.push(column.code);
    let unsigned_flag = if column.unsigned { 32_u16 } else { 0 };
    let binary_flag = if text { 0_u16 } else { 128 };
    payload.extend_from_slice(&(unsigned_flag | binary_flag).to_le_bytes());
    payload.extend_from_slice(&[column.decimals, 0, 0]);
}

fn status(more_results: bool) -> u16 {
    if more_results { STATUS_AUTOCOMMIT | STATUS_MORE_RESULTS } else { STATUS_AUTOCOMMIT }
}
