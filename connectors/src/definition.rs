//! Definitions of tables as one system tells them to another: what `CREATE TABLE … LIKE` and `… AS` are written from.

use arrow::datatypes::{DataType, Field};

use crate::catalog::CatalogKind;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::TargetType;

/// A table that a new one is made after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDefinition {
    /// The kind of system that the texts of types are of; None if there are none.
    pub system: Option<CatalogKind>,
    /// The table's comment, empty for none.
    pub comment: String,
    /// The columns in order.
    pub columns: Vec<DefinedColumn>,
}

/// A column of a table that a new one is made after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedColumn {
    /// The name as the server spells it.
    pub name: String,
    /// What it holds.
    pub kind: TargetType,
    /// The system's own text for the type; it is for that system only.
    pub native_type: String,
    /// Whether NULL is a value.
    pub nullable: bool,
    /// The comment, empty for none.
    pub comment: String,
    /// The place in the primary key, from 1.
    pub key_position: Option<u32>,
}

impl TableDefinition {
    /// A table of these columns of a query or a file.
    ///
    /// # Errors
    /// Unsupported for a type that no table has, naming the column.
    pub fn of_fields<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Result<Self> {
        let columns = fields.into_iter().map(DefinedColumn::of_field).collect::<Result<_>>()?;
        Ok(Self { system: None, comment: String::new(), columns })
    }
}

impl DefinedColumn {
    /// A column of a query or a file. A comment is taken from the metadata.
    ///
    /// # Errors
    /// Unsupported for a type that no table has.
    pub fn of_field(field: &Field) -> Result<Self> {
        let kind = kind_of(field.data_type()).ok_or_else(|| {
            ConnectorError::new(
                ErrorCode::Unsupported,
                format!(
                    "column {} is of type {}, which no table has; CAST it in the query",
                    field.name(),
                    field.data_type()
                ),
            )
        })?;
        Ok(Self {
            name: field.name().clone(),
            kind,
            native_type: String::new(),
            nullable: field.is_nullable(),
            comment: field.metadata().get("comment").cloned().unwrap_or_default(),
            key_position: None,
        })
    }
}

/// What a table's column must hold to hold the values of an Arrow type.
fn kind_of(data_type: &DataType) -> Option<TargetType> {
    use TargetType as T;
    let integer = |bits, signed| T::Integer { bits, signed };
    Some(match data_type {
        DataType::Boolean => T::Boolean,
        DataType::Int8 => integer(8, true),
        DataType::Int16 => integer(16, true),
        DataType::Int32 => integer(32, true),
        DataType::Int64 => integer(64, true),
        DataType::UInt8 => integer(8, false),
        DataType::UInt16 => integer(16, false),
        DataType::UInt32 => integer(32, false),
        DataType::UInt64 => integer(64, false),
        DataType::Float16 | DataType::Float32 => T::Float32,
        DataType::Float64 => T::Float64,
        // What LARGEINT is read as.
        DataType::Decimal256(39, 0) => integer(128, true),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            T::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        DataType::Date32 | DataType::Date64 => T::Date,
        DataType::Timestamp(..) => T::DateTime { fraction_digits: 6 },
        DataType::Time32(_) | DataType::Time64(_) => T::Text { max_bytes: Some(20), max_chars: None },
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => T::Text { max_bytes: None, max_chars: None },
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            T::Binary { max_bytes: None }
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => T::Json,
        DataType::Struct(_) | DataType::Map(..) => T::Json,
        DataType::Dictionary(_, value) => return kind_of(value),
        _ => return None,
    })
}

/// The table models of a warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyModel {
    /// One row for each key; a later one replaces an earlier.
    Primary,
    /// All rows, sorted by the key.
    Duplicate,
    /// One row for each key, merged when read.
    Unique,
    /// One row for each key, other columns aggregated.
    Aggregate,
}

/// A key clause of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyClause {
    /// The model.
    pub model: KeyModel,
    /// The columns.
    pub columns: Vec<String>,
    /// The clause as typed.
    pub text: String,
}

/// What the user wrote of the new table, each clause as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableClauses {
    /// `ENGINE = …`.
    pub engine: Option<String>,
    /// `PRIMARY KEY (…)` and the like.
    pub key: Option<KeyClause>,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// `PARTITION BY …`.
    pub partition: Option<String>,
    /// `DISTRIBUTED BY …`.
    pub distribution: Option<String>,
    /// `ORDER BY (…)`.
    pub order: Option<String>,
    /// `ROLLUP (…)`.
    pub rollup: Option<String>,
    /// `PROPERTIES (…)`.
    pub properties: Option<String>,
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn a_query_s_columns_become_columns_of_a_table() {
        let kind = |data_type: DataType| DefinedColumn::of_field(&Field::new("c", data_type, true)).unwrap().kind;
        assert_eq!(kind(DataType::UInt64), TargetType::Integer { bits: 64, signed: false });
        assert_eq!(kind(DataType::Decimal256(39, 0)), TargetType::Integer { bits: 128, signed: true });
        assert_eq!(kind(DataType::Decimal256(65, 30)), TargetType::Decimal { precision: 65, scale: 30 });
        assert_eq!(
            kind(DataType::Timestamp(TimeUnit::Second, Some("UTC".into()))),
            TargetType::DateTime { fraction_digits: 6 }
        );
        assert_eq!(
            kind(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
            TargetType::Text { max_bytes: None, max_chars: None }
        );
        for odd in [DataType::Null, DataType::Duration(TimeUnit::Second), DataType::Decimal128(5, -2)] {
            let error = DefinedColumn::of_field(&Field::new("odd", odd, true)).unwrap_err();
            assert!(error.message().contains("column odd is of type") && error.message().contains("CAST"), "{error}");
        }
    }
}
