//! The server's descriptions of a result's columns: how values are to be read by them, and whether they are those that were expected.

use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::packets::Column;

use super::decode::{ReadColumn, Reading};

/// The charset number of bytes that are no text.
const BINARY_CHARSET: u16 = 63;

/// How the values of a described column are read (MySQL: "Column Definition" of the client/server protocol).
pub fn read_column(column: &Column, tinyint1_is_bit: bool) -> ReadColumn {
    let flags = column.flags();
    let signed = !flags.contains(ColumnFlags::UNSIGNED_FLAG);
    let integer = |bits| Reading::Integer { bits, signed };
    let is_text =
        column.character_set() != BINARY_CHARSET || flags.intersects(ColumnFlags::ENUM_FLAG | ColumnFlags::SET_FLAG);
    let reading = match column.column_type() {
        ColumnType::MYSQL_TYPE_TINY if tinyint1_is_bit && signed && column.column_length() == 1 => Reading::Boolean,
        ColumnType::MYSQL_TYPE_TINY => integer(8),
        ColumnType::MYSQL_TYPE_SHORT => integer(16),
        ColumnType::MYSQL_TYPE_YEAR => Reading::Integer { bits: 16, signed: true },
        ColumnType::MYSQL_TYPE_INT24 | ColumnType::MYSQL_TYPE_LONG => integer(32),
        ColumnType::MYSQL_TYPE_LONGLONG => integer(64),
        ColumnType::MYSQL_TYPE_FLOAT => Reading::Float32,
        ColumnType::MYSQL_TYPE_DOUBLE => Reading::Float64,
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => decimal(column, signed),
        ColumnType::MYSQL_TYPE_BIT => Reading::Bits,
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => Reading::Date,
        ColumnType::MYSQL_TYPE_DATETIME
        | ColumnType::MYSQL_TYPE_DATETIME2
        | ColumnType::MYSQL_TYPE_TIMESTAMP
        | ColumnType::MYSQL_TYPE_TIMESTAMP2 => Reading::DateTime,
        ColumnType::MYSQL_TYPE_TIME | ColumnType::MYSQL_TYPE_TIME2 => {
            Reading::Time { fraction_digits: column.decimals().min(6) }
        }
        ColumnType::MYSQL_TYPE_JSON
        | ColumnType::MYSQL_TYPE_ENUM
        | ColumnType::MYSQL_TYPE_SET
        | ColumnType::MYSQL_TYPE_NULL => Reading::Text,
        ColumnType::MYSQL_TYPE_GEOMETRY | ColumnType::MYSQL_TYPE_VECTOR => Reading::Bytes,
        _ if is_text => Reading::Text,
        _ => Reading::Bytes,
    };
    // The text protocol marks NOT NULL columns; what an outer join or a view makes of them is not told, so NULL is let through.
    ReadColumn { name: column.name_str().into_owned(), reading, nullable: true }
}

/// The length counts sign and point: `decimal(10,2)` has 12.
fn decimal(column: &Column, signed: bool) -> Reading {
    let scale = column.decimals().min(38);
    let marks = u32::from(signed) + u32::from(scale > 0);
    let digits = column.column_length().saturating_sub(marks);
    let precision = u8::try_from(digits).unwrap_or(65).clamp(1, 65).max(scale);
    Reading::Decimal { precision, scale }
}

/// Whether the values of a described column can be read in a way that was planned before, with nothing lost. What is looked at value by
/// value while reading need not be equal: the range of numbers, digits of decimals, whether bytes are text.
pub(super) fn is_read_as(column: &Column, planned: Reading) -> bool {
    let sent = read_column(column, false).reading;
    match (planned, sent) {
        _ if column.column_type() == ColumnType::MYSQL_TYPE_NULL => true,
        (Reading::Integer { .. }, Reading::Integer { .. })
        | (Reading::Boolean, Reading::Integer { bits: 8, .. })
        | (Reading::Float64, Reading::Float32)
        | (Reading::Decimal { .. }, Reading::Decimal { .. } | Reading::Integer { .. })
        | (Reading::Text | Reading::Bytes, Reading::Text | Reading::Bytes) => true,
        (Reading::Time { fraction_digits: planned }, Reading::Time { fraction_digits: sent }) => sent <= planned,
        (planned, sent) => planned == sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_whose_values_would_lose_something_is_not_read() {
        let column = Column::new;
        let time = |digits| Column::new(ColumnType::MYSQL_TYPE_TIME).with_decimals(digits);
        let decimal = Reading::Decimal { precision: 10, scale: 2 };
        let int = Reading::Integer { bits: 32, signed: true };
        for (planned, sent) in [
            (Reading::Date, column(ColumnType::MYSQL_TYPE_DATETIME)),
            (Reading::Date, column(ColumnType::MYSQL_TYPE_TIMESTAMP)),
            (Reading::Date, column(ColumnType::MYSQL_TYPE_VAR_STRING)),
            (Reading::DateTime, column(ColumnType::MYSQL_TYPE_VAR_STRING)),
            (Reading::Time { fraction_digits: 0 }, time(6)),
            (Reading::Time { fraction_digits: 3 }, time(4)),
            (Reading::Float32, column(ColumnType::MYSQL_TYPE_DOUBLE)),
            (Reading::Float64, column(ColumnType::MYSQL_TYPE_NEWDECIMAL)),
            (Reading::Boolean, column(ColumnType::MYSQL_TYPE_LONG)),
            (Reading::Bits, column(ColumnType::MYSQL_TYPE_VAR_STRING)),
            (decimal, column(ColumnType::MYSQL_TYPE_DOUBLE)),
            (int, column(ColumnType::MYSQL_TYPE_VAR_STRING)),
            (int, column(ColumnType::MYSQL_TYPE_NEWDECIMAL)),
            (Reading::Text, column(ColumnType::MYSQL_TYPE_BIT)),
        ] {
            assert!(!is_read_as(&sent, planned), "{planned:?} of {sent:?}");
        }
        for (planned, sent) in [
            (Reading::Date, column(ColumnType::MYSQL_TYPE_DATE)),
            (Reading::Date, column(ColumnType::MYSQL_TYPE_NULL)),
            (Reading::DateTime, column(ColumnType::MYSQL_TYPE_TIMESTAMP)),
            (Reading::Time { fraction_digits: 6 }, time(3)),
            (Reading::Boolean, column(ColumnType::MYSQL_TYPE_TINY)),
            (int, column(ColumnType::MYSQL_TYPE_LONGLONG)),
            (decimal, column(ColumnType::MYSQL_TYPE_LONG)),
            (Reading::Float64, column(ColumnType::MYSQL_TYPE_FLOAT)),
            (Reading::Text, column(ColumnType::MYSQL_TYPE_BLOB).with_character_set(BINARY_CHARSET)),
            (Reading::Text, column(ColumnType::MYSQL_TYPE_JSON)),
        ] {
            assert!(is_read_as(&sent, planned), "{planned:?} of {sent:?}");
        }
    }
}
