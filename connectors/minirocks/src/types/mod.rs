//! StarRocks's column types: how they are written, stored as Arrow, and described to clients.

mod builder;
mod nested;
mod parse;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod value;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use serde::{Deserialize, Serialize};

pub(crate) use builder::{ColumnBuilder, single};
pub(crate) use value::Value;

/// Length of STRING, which is VARCHAR of this many bytes (StarRocks: STRING).
pub const STRING_LENGTH: u32 = 65533;
/// Longest VARCHAR in bytes (StarRocks: VARCHAR).
pub const MAX_VARCHAR_LENGTH: u32 = 1_048_576;
/// Longest CHAR in bytes (StarRocks: CHAR).
pub const MAX_CHAR_LENGTH: u32 = 255;
/// Digits of the longest LARGEINT, -2^127 to 2^127-1.
pub const LARGEINT_DIGITS: u8 = 39;
/// Most digits of a DECIMAL (StarRocks: DECIMAL up to 128 bits).
pub const MAX_DECIMAL_PRECISION: u8 = 38;

/// The type of a column. Lengths are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum ColumnType {
    /// TRUE or FALSE; clients see TINYINT(1).
    Boolean,
    /// 8 bits, signed.
    TinyInt,
    /// 16 bits, signed.
    SmallInt,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    BigInt,
    /// 128 bits, signed.
    LargeInt,
    /// 32-bit floating point.
    Float,
    /// 64-bit floating point.
    Double,
    /// Exact decimal.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: u8,
    },
    /// Calendar date.
    Date,
    /// Date and time of day with microseconds, without a zone.
    DateTime,
    /// Text of at most this many bytes; not padded.
    Char(u32),
    /// Text of at most this many bytes. STRING is `Varchar(65533)`.
    Varchar(u32),
    /// Bytes.
    VarBinary,
    /// A JSON value, stored as its text.
    Json,
    /// List of values of one type.
    Array(Box<ColumnType>),
    /// Keys and values.
    Map(Box<ColumnType>, Box<ColumnType>),
    /// Named fields.
    Struct(Vec<StructField>),
}

/// One field of a STRUCT.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StructField {
    /// The field's name as it was declared.
    pub name: String,
    /// The field's type.
    pub column_type: ColumnType,
}

impl ColumnType {
    /// STRING.
    pub const STRING: Self = Self::Varchar(STRING_LENGTH);

    /// How values are held in memory and in Parquet.
    pub fn arrow_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::LargeInt => DataType::Decimal256(LARGEINT_DIGITS, 0),
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, scale.cast_signed()),
            Self::Date => DataType::Date32,
            Self::DateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Char(_) | Self::Varchar(_) | Self::Json => DataType::Utf8,
            Self::VarBinary => DataType::Binary,
            Self::Array(item) => DataType::List(Arc::new(Field::new("item", item.arrow_type(), true))),
            Self::Map(key, value) => {
                let entries = Fields::from(vec![
                    Field::new("key", key.arrow_type(), false),
                    Field::new("value", value.arrow_type(), true),
                ]);
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
            }
            Self::Struct(fields) => {
                DataType::Struct(fields.iter().map(|f| Field::new(&f.name, f.column_type.arrow_type(), true)).collect())
            }
        }
    }

    /// `information_schema.columns.DATA_TYPE` (StarRocks: `toMysqlDataTypeString`).
    pub fn data_type_text(&self) -> &'static str {
        match self {
            Self::Boolean | Self::TinyInt => "tinyint",
            Self::SmallInt => "smallint",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::LargeInt => "bigint unsigned",
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal { .. } => "decimal",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Char(_) => "char",
            Self::Varchar(_) => "varchar",
            Self::VarBinary => "varbinary",
            Self::Json => "json",
            Self::Array(_) => "array",
            Self::Map(..) => "map",
            Self::Struct(_) => "struct",
        }
    }

    /// `information_schema.columns.COLUMN_TYPE` (StarRocks: `toMysqlColumnTypeString`).
    pub fn column_type_text(&self) -> String {
        match self {
            Self::Boolean => "tinyint(1)".to_owned(),
            Self::LargeInt => "bigint(20) unsigned".to_owned(),
            other => other.sql(),
        }
    }

    /// The type as DESC and SHOW CREATE TABLE print it (StarRocks: `toSql`).
    pub fn sql(&self) -> String {
        match self {
            Self::Boolean => "boolean".to_owned(),
            Self::TinyInt => "tinyint(4)".to_owned(),
            Self::SmallInt => "smallint(6)".to_owned(),
            Self::Int => "int(11)".to_owned(),
            Self::BigInt => "bigint(20)".to_owned(),
            Self::LargeInt => "largeint(40)".to_owned(),
            Self::Decimal { precision, scale } => format!("decimal({precision}, {scale})"),
            Self::Char(length) => format!("char({length})"),
            Self::Varchar(length) => format!("varchar({length})"),
            Self::Array(item) => format!("array<{}>", item.sql()),
            Self::Map(key, value) => format!("map<{},{}>", key.sql(), value.sql()),
            Self::Struct(fields) => {
                let fields: Vec<_> = fields.iter().map(|f| format!("{} {}", f.name, f.column_type.sql())).collect();
                format!("struct<{}>", fields.join(", "))
            }
            Self::Float | Self::Double | Self::Date | Self::DateTime | Self::VarBinary | Self::Json => {
                self.data_type_text().to_owned()
            }
        }
    }

    /// The type as the BE's error texts print it, such as `VARCHAR(6)` or `DECIMAL64(10,2)`.
    pub fn backend_text(&self) -> String {
        match self {
            Self::Boolean => "BOOLEAN".to_owned(),
            Self::TinyInt => "TINYINT".to_owned(),
            Self::SmallInt => "SMALLINT".to_owned(),
            Self::Int => "INT".to_owned(),
            Self::BigInt => "BIGINT".to_owned(),
            Self::LargeInt => "LARGEINT".to_owned(),
            Self::Decimal { precision, scale } => {
                let width = match precision {
                    ..=9 => 32,
                    10..=18 => 64,
                    _ => 128,
                };
                format!("DECIMAL{width}({precision},{scale})")
            }
            Self::Array(item) => format!("ARRAY<{}>", item.backend_text()),
            Self::Map(key, value) => format!("MAP<{}, {}>", key.backend_text(), value.backend_text()),
            other => other.sql().to_uppercase(),
        }
    }

    /// The type code in a MySQL column definition, as StarRocks chooses it: `MYSQL_TYPE_…` of the client/server protocol.
    pub fn mysql_type_code(&self) -> u8 {
        match self {
            Self::Boolean | Self::TinyInt => 1,
            Self::SmallInt => 2,
            Self::Int => 3,
            Self::Float => 4,
            Self::Double => 5,
            Self::BigInt => 8,
            Self::Date => 10,
            Self::DateTime => 12,
            Self::Decimal { .. } => 246,
            Self::VarBinary => 252,
            Self::Varchar(_) => 253,
            Self::LargeInt | Self::Char(_) | Self::Json | Self::Array(_) | Self::Map(..) | Self::Struct(_) => 254,
        }
    }

    /// Longest text in bytes for CHAR and VARCHAR.
    pub fn max_bytes(&self) -> Option<usize> {
        match self {
            Self::Char(length) | Self::Varchar(length) => Some(*length as usize),
            _ => None,
        }
    }

    /// Whether a key column (and so a partition column) may have this type (StarRocks: key columns).
    pub fn can_be_key(&self) -> bool {
        !matches!(
            self,
            Self::Float
                | Self::Double
                | Self::Json
                | Self::VarBinary
                | Self::Array(_)
                | Self::Map(..)
                | Self::Struct(_)
        )
    }
}

impl std::fmt::Display for ColumnType {
    /// The type as a user declares it; [`str::parse`] reads it back.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::Varchar(length) => write!(f, "VARCHAR({length})"),
            Self::LargeInt => f.write_str("LARGEINT"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Array(item) => write!(f, "ARRAY<{item}>"),
            Self::Map(key, value) => write!(f, "MAP<{key},{value}>"),
            Self::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}`{}` {}", field.name.replace('`', "``"), field.column_type)?;
                }
                f.write_str(">")
            }
            other => f.write_str(&other.data_type_text().to_uppercase()),
        }
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}
