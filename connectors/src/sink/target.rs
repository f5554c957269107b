//! Columns of a target, as the checks before the wire need them.

use arrow::datatypes::{DataType, TimeUnit};

/// A column that a write sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetColumn {
    /// The name as the server spells it.
    pub name: String,
    /// The type, as far as it limits values.
    pub kind: TargetType,
    /// Whether NULL is a value.
    pub nullable: bool,
    /// Whether the server fills the column when a write leaves it out: by a default, a generated value, or an expression.
    pub has_default: bool,
    /// The server's own text for the type, for messages (`decimal(10,2)`).
    pub type_name: String,
}

/// What a target column can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetType {
    /// true and false.
    Boolean,
    /// A whole number of so many bits (8 to 128; StarRocks LARGEINT is 128).
    Integer {
        /// Bits of the type.
        bits: u16,
        /// Whether negative numbers are values.
        signed: bool,
    },
    /// A 32-bit float.
    Float32,
    /// A 64-bit float.
    Float64,
    /// A decimal with so many digits in all and behind the point.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// A day.
    Date,
    /// A day and a time of day with so many digits of a second (0 to 6).
    DateTime {
        /// Digits of a second that are kept.
        fraction_digits: u8,
    },
    /// Text of at most so many bytes.
    Text {
        /// The longest text in bytes, if there is a limit.
        max_bytes: Option<u64>,
        /// The longest text in characters, if there is a limit.
        max_chars: Option<u64>,
    },
    /// Bytes, at most so many.
    Binary {
        /// The longest value in bytes, if there is a limit.
        max_bytes: Option<u64>,
    },
    /// What is done with the row, of a target that takes it along: 0 or `upsert`, 1 or `delete`.
    Operation,
    /// A JSON document, sent as text.
    Json,
    /// A nested or special type, sent as text (lists, maps and structs as JSON); only the server checks it.
    Other,
    /// A list, map or struct that the target takes as it is, of exactly this type.
    Nested(DataType),
}

impl TargetType {
    /// The Arrow type that values of this column have behind the conversion. Text that is a value of a typed column stays Utf8:
    /// a writer takes a column as this type or as Utf8.
    pub fn arrow_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Operation => DataType::Int8,
            Self::Integer { bits: ..=8, signed: true } => DataType::Int8,
            Self::Integer { bits: ..=16, signed: true } => DataType::Int16,
            Self::Integer { bits: ..=32, signed: true } => DataType::Int32,
            Self::Integer { bits: ..=64, signed: true } => DataType::Int64,
            Self::Integer { bits: ..=8, signed: false } => DataType::UInt8,
            Self::Integer { bits: ..=16, signed: false } => DataType::UInt16,
            Self::Integer { bits: ..=32, signed: false } => DataType::UInt32,
            Self::Integer { bits: ..=64, signed: false } => DataType::UInt64,
            Self::Integer { .. } => DataType::Decimal256(39, 0),
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } if *precision <= 38 => DataType::Decimal128(*precision, *scale as i8),
            Self::Decimal { precision, scale } => DataType::Decimal256(*precision, *scale as i8),
            Self::Date => DataType::Date32,
            Self::DateTime { .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Text { .. } | Self::Json | Self::Other => DataType::Utf8,
            Self::Binary { .. } => DataType::Binary,
            Self::Nested(data_type) => data_type.clone(),
        }
    }
}
