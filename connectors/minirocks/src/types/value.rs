//! A value on its way into a column: read from CSV text or JSON, checked against the column's type.

use serde_json::Value as Json;

use super::nested;
use super::{ColumnType, text};

/// Doubles from here on do not name one integer: 2^53.
const EXACT_DOUBLE_LIMIT: f64 = 9_007_199_254_740_992.0;

/// A value of some column type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// NULL.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// TINYINT to LARGEINT, and DECIMAL in units of 10^-scale.
    Integer(i128),
    /// FLOAT and DOUBLE.
    Float(f64),
    /// DATE, in days since 1970-01-01.
    Date(i32),
    /// DATETIME, in microseconds since 1970-01-01.
    DateTime(i64),
    /// CHAR, VARCHAR and JSON.
    Text(String),
    /// VARBINARY.
    Binary(Vec<u8>),
    /// ARRAY.
    List(Vec<Value>),
    /// MAP.
    Map(Vec<(Value, Value)>),
    /// STRUCT, one value per field.
    Struct(Vec<Value>),
}

/// What an integer type can hold.
pub(crate) fn integer_range(column_type: &ColumnType) -> Option<(i128, i128)> {
    Some(match column_type {
        ColumnType::TinyInt => (i8::MIN.into(), i8::MAX.into()),
        ColumnType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        ColumnType::Int => (i32::MIN.into(), i32::MAX.into()),
        ColumnType::BigInt => (i64::MIN.into(), i64::MAX.into()),
        ColumnType::LargeInt => (i128::MIN, i128::MAX),
        _ => return None,
    })
}

/// FLOAT keeps what a 32-bit float can name.
pub(crate) fn fits_float(value: f64) -> bool {
    !value.is_finite() || value.abs() <= f64::from(f32::MAX)
}

impl Value {
    /// The value that CSV text stands for; `None` if it is no value of the type. The NULL marker is the caller's business.
    /// `strict` matters inside of a MAP, where a bad key or value is NULL without it.
    pub(crate) fn from_text(column_type: &ColumnType, bytes: &[u8], strict: bool) -> Option<Self> {
        if let Some((least, most)) = integer_range(column_type) {
            return text::integer(bytes).filter(|v| (least..=most).contains(v)).map(Self::Integer);
        }
        match column_type {
            ColumnType::Boolean => text::boolean(bytes).map(Self::Boolean),
            ColumnType::Float => text::float(bytes).filter(|v| fits_float(*v)).map(Self::Float),
            ColumnType::Double => text::float(bytes).map(Self::Float),
            ColumnType::Decimal { precision, scale } => text::decimal(bytes, *precision, *scale).map(Self::Integer),
            ColumnType::Date => text::date(bytes).map(Self::Date),
            ColumnType::DateTime => text::datetime(bytes).map(Self::DateTime),
            ColumnType::Char(length) | ColumnType::Varchar(length) => {
                let text = std::str::from_utf8(bytes).ok()?;
                (text.len() <= *length as usize).then(|| Self::Text(text.to_owned()))
            }
            ColumnType::VarBinary => Some(Self::Binary(text::binary(bytes))),
            ColumnType::Json => text::json(bytes).map(Self::Text),
            ColumnType::Array(item) => nested::array(item, bytes, strict),
            ColumnType::Map(key, value) => nested::map(key, value, bytes, strict),
            // StarRocks has no CSV converter for STRUCT; its JSON text is read here.
            ColumnType::Struct(_) => {
                let json: Json = serde_json::from_slice(bytes).ok()?;
                Self::from_json(column_type, &json, strict)
            }
            _ => None,
        }
    }

    /// The value that a JSON value stands for; `None` if it is no value of the type.
    pub(crate) fn from_json(column_type: &ColumnType, json: &Json, strict: bool) -> Option<Self> {
        match (column_type, json) {
            (_, Json::Null) => Some(Self::Null),
            (ColumnType::Json, json) => text::json_text(json).map(Self::Text),
            (ColumnType::Char(length) | ColumnType::Varchar(length), json) => {
                let text = match json {
                    Json::String(text) => text.clone(),
                    Json::Array(_) | Json::Object(_) => text::json_text(json)?,
                    other => other.to_string(),
                };
                (text.len() <= *length as usize).then_some(Self::Text(text))
            }
            (ColumnType::VarBinary, Json::String(text)) => Some(Self::Binary(text.clone().into_bytes())),
            (ColumnType::Array(item), Json::Array(values)) => {
                let items = values.iter().map(|v| Self::from_json_in(item, v, strict)).collect::<Option<_>>()?;
                Some(Self::List(items))
            }
            (ColumnType::Map(key, value), Json::Object(members)) => members
                .iter()
                .map(|(name, member)| {
                    let key = Self::from_text(key, name.as_bytes(), strict)?;
                    Some((key, Self::from_json_in(value, member, strict)?))
                })
                .collect::<Option<_>>()
                .map(Self::Map),
            (ColumnType::Struct(fields), Json::Object(members)) => fields
                .iter()
                .map(|field| match members.get(&field.name) {
                    Some(member) => Self::from_json_in(&field.column_type, member, strict),
                    None => Some(Self::Null),
                })
                .collect::<Option<_>>()
                .map(Self::Struct),
            (_, Json::String(text)) => Self::from_text(column_type, text.as_bytes(), strict),
            (_, Json::Bool(value)) => match column_type {
                ColumnType::Boolean => Some(Self::Boolean(*value)),
                _ => integer_range(column_type).map(|_| Self::Integer(i128::from(*value))),
            },
            (_, Json::Number(number)) => Self::from_number(column_type, number),
            _ => None,
        }
    }

    /// A member of an array, map or struct: without `strict` one that does not convert is NULL.
    fn from_json_in(column_type: &ColumnType, json: &Json, strict: bool) -> Option<Self> {
        match Self::from_json(column_type, json, strict) {
            None if !strict => Some(Self::Null),
            value => value,
        }
    }

    fn from_number(column_type: &ColumnType, number: &serde_json::Number) -> Option<Self> {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        let double = number.as_f64()?;
        if let Some((least, most)) = integer_range(column_type) {
            let value = match whole {
                Some(value) => value,
                // The parser has rounded it already: only its double is known, which a LARGEINT must not take for its own.
                None if *column_type == ColumnType::LargeInt && double.abs() >= EXACT_DOUBLE_LIMIT => return None,
                None => double_to_integer(double)?,
            };
            return (least..=most).contains(&value).then_some(Self::Integer(value));
        }
        match column_type {
            ColumnType::Boolean => Some(Self::Boolean(double != 0.0)),
            ColumnType::Float => fits_float(double).then_some(Self::Float(double)),
            ColumnType::Double => Some(Self::Float(double)),
            ColumnType::Decimal { .. } if whole.is_none() && double.abs() >= EXACT_DOUBLE_LIMIT => None,
            ColumnType::Decimal { .. } | ColumnType::Date | ColumnType::DateTime => {
                Self::from_text(column_type, number.to_string().as_bytes(), true)
            }
            _ => None,
        }
    }
}

/// The integer part of a double, if it has one that 128 bits hold.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn double_to_integer(double: f64) -> Option<i128> {
    (double.is_finite() && double.abs() < 1e38).then_some(double.trunc() as i128)
}
