//! A table's definition for other systems: what its columns hold, its primary key and its comments.

use mysql_common::Row;

use super::types::ColumnDescription;
use crate::catalog::CatalogKind;
use crate::definition::{DefinedColumn, TableDefinition};
use crate::mysql_protocol::decode::Reading;
use crate::mysql_protocol::options::ConnectionConfig;
use crate::mysql_protocol::value::ZeroDates;
use crate::sink::TargetType;

/// Lengths, comments and places in the primary key; one row for each column, in order.
pub(super) const DETAILS: &str = "SELECT c.table_schema, c.table_name, c.column_name, c.character_maximum_length, \
    c.character_octet_length, c.character_set_name, c.column_comment, s.seq_in_index \
    FROM information_schema.columns c LEFT JOIN information_schema.statistics s ON s.table_schema = c.table_schema \
    AND s.table_name = c.table_name AND s.column_name = c.column_name AND s.index_name = 'PRIMARY' \
    WHERE c.table_schema = ? AND c.table_name = ? ORDER BY c.ordinal_position";

/// The table's own comment.
pub(super) const COMMENT: &str = "SELECT table_schema, table_name, table_comment, table_type FROM information_schema.tables \
    WHERE table_schema = ? AND table_name = ?";

/// A row of [`DETAILS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ColumnDetails {
    pub(super) name: String,
    max_chars: Option<u64>,
    max_bytes: Option<u64>,
    character_set: Option<String>,
    comment: String,
    key_position: Option<u32>,
}

impl ColumnDetails {
    /// None for a row of a table that only a comparison without case takes for this one.
    pub(super) fn of(mut row: Row, database: &str, table: &str) -> Option<Self> {
        let text = |row: &mut Row, index| row.take_opt::<Option<String>, _>(index).and_then(Result::ok).flatten();
        let number = |row: &mut Row, index| row.take_opt::<Option<u64>, _>(index).and_then(Result::ok).flatten();
        if text(&mut row, 0)? != database || text(&mut row, 1)? != table {
            return None;
        }
        Some(Self {
            name: text(&mut row, 2)?,
            max_chars: number(&mut row, 3),
            max_bytes: number(&mut row, 4),
            character_set: text(&mut row, 5),
            comment: text(&mut row, 6).unwrap_or_default(),
            key_position: number(&mut row, 7).and_then(|place| u32::try_from(place).ok()),
        })
    }
}

/// The definition of a table of these columns.
///
/// # Errors
/// Unsupported for a column of a type that cannot be read.
pub(super) fn definition(
    config: &ConnectionConfig,
    described: &[ColumnDescription],
    details: &[ColumnDetails],
    comment: String,
) -> crate::error::Result<TableDefinition> {
    let column = |column: &ColumnDescription| {
        let details = details.iter().find(|details| details.name == column.name).cloned().unwrap_or_default();
        let reading = column.reading(config.tinyint1_is_bit)?;
        let becomes_null = config.zero_dates == ZeroDates::Null && matches!(reading, Reading::Date | Reading::DateTime);
        Ok(DefinedColumn {
            name: column.name.clone(),
            kind: kind(column, reading, &details),
            native_type: column.column_type.clone(),
            nullable: column.nullable || becomes_null,
            comment: details.comment,
            key_position: details.key_position,
        })
    };
    let columns = described.iter().map(column).collect::<crate::error::Result<_>>()?;
    Ok(TableDefinition { system: Some(CatalogKind::Mysql), comment, columns })
}

/// What a column must hold to hold the values that are read.
fn kind(column: &ColumnDescription, reading: Reading, details: &ColumnDetails) -> TargetType {
    match reading {
        Reading::Boolean => TargetType::Boolean,
        Reading::Integer { bits, signed } => TargetType::Integer { bits: bits.into(), signed },
        // BIT(1) is how MySQL spells a truth value; only BIT(64) needs a sign bit more than 64 bits have.
        Reading::Bits if column.precision == Some(1) => TargetType::Boolean,
        Reading::Bits => TargetType::Integer { bits: 64, signed: column.precision.is_some_and(|bits| bits < 64) },
        Reading::Float32 => TargetType::Float32,
        Reading::Float64 => TargetType::Float64,
        Reading::Decimal { precision, scale } => TargetType::Decimal { precision, scale },
        Reading::Date => TargetType::Date,
        Reading::DateTime => {
            let digits = column.fraction_digits.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(6);
            TargetType::DateTime { fraction_digits: digits }
        }
        // `-838:59:59.000000`.
        Reading::Time { .. } => TargetType::Text { max_bytes: Some(17), max_chars: None },
        Reading::Text if column.data_type == "json" => TargetType::Json,
        Reading::Text => text(column, details),
        Reading::Bytes => TargetType::Binary { max_bytes: details.max_bytes.filter(|_| !is_spatial(column)) },
    }
}

/// TEXT types are as long as their bytes, and others as their characters; only Unicode text has the same bytes here.
fn text(column: &ColumnDescription, details: &ColumnDetails) -> TargetType {
    let is_unicode = details.character_set.as_deref().is_some_and(|name| name.starts_with("utf8"));
    let by_bytes = column.data_type.ends_with("text") && is_unicode;
    match (details.max_bytes, details.max_chars) {
        (Some(bytes), _) if by_bytes => TargetType::Text { max_bytes: Some(bytes), max_chars: None },
        (_, Some(chars)) => TargetType::Text { max_bytes: None, max_chars: Some(chars) },
        // UUID, INET4 and INET6 have no length in the schema; 45 characters are the longest address.
        _ => TargetType::Text { max_bytes: Some(45), max_chars: None },
    }
}

/// A point has no fixed length in the schema.
fn is_spatial(column: &ColumnDescription) -> bool {
    !(column.data_type.ends_with("binary") || column.data_type.ends_with("blob"))
}
