//! Values of a split column: which types have an order that can be cut, and how a value is written in SQL.

use std::cmp::Ordering;

use mysql_common::Value;

use super::super::types::ColumnDescription;
use crate::csv::temporal::{append_date, append_timestamp};
use crate::error::{ConnectorError, Result};
use crate::mysql_protocol::predicate::Constant;
use crate::mysql_protocol::value::DateTimeParts;
use crate::mysql_protocol::zone::has_one_offset;

/// A value of a split column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// A whole number, or units of the last digit, days or parts of a second since 1970: in the order of numbers.
    Number(i128),
    /// Text, in an order that only the server knows.
    Text(String),
    /// Bytes, in the order of bytes.
    Bytes(Vec<u8>),
}

impl Key {
    /// Which of two keys comes first; None for text, whose order only the server knows.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => Some(one.cmp(other)),
            (Self::Bytes(one), Self::Bytes(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

/// What the values of a split column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// Whole numbers.
    Integer,
    /// Decimals of up to 38 digits.
    Decimal { precision: u8, scale: u8 },
    /// Days.
    Date,
    /// Days with a time of day; a second has `10^fraction_digits` parts.
    DateTime { fraction_digits: u32 },
    /// Text of a character set in the order of a collation.
    Text { charset: String, collation: String },
    /// Bytes.
    Bytes,
}

/// The first day that the server and a calendar have, in days since 1970.
const FIRST_DAY: i128 = -719_162;
const MICROSECONDS_OF_DAY: i128 = 86_400_000_000;

impl KeyKind {
    /// The kind of a column, in sessions of that zone; why not for a type that cannot be cut.
    pub(super) fn of(column: &ColumnDescription, zone: &str) -> std::result::Result<Self, String> {
        let digits = || column.fraction_digits.and_then(|digits| u32::try_from(digits).ok()).unwrap_or(0).min(6);
        match column.data_type.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" => Ok(Self::Integer),
            "decimal" | "numeric" => {
                let small = |number: Option<u64>| number.and_then(|number| u8::try_from(number).ok());
                match (small(column.precision), small(column.scale)) {
                    (Some(precision @ 1..=38), Some(scale)) if scale <= precision => {
                        Ok(Self::Decimal { precision, scale })
                    }
                    _ => Err("a decimal of more than 38 digits".to_owned()),
                }
            }
            "date" => Ok(Self::Date),
            "datetime" => Ok(Self::DateTime { fraction_digits: digits() }),
            "timestamp" if has_one_offset(zone) => Ok(Self::DateTime { fraction_digits: digits() }),
            // A clock that was set back names two moments with one time.
            "timestamp" => Err(format!("a TIMESTAMP, and the clock of {zone} was changed at times")),
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => match column.collation.as_deref() {
                Some(collation) if is_plain(collation) => {
                    let charset = collation.split('_').next().unwrap_or_default().to_owned();
                    Ok(Self::Text { charset, collation: collation.to_owned() })
                }
                _ => Err("text of an unknown collation".to_owned()),
            },
            "binary" | "varbinary" => Ok(Self::Bytes),
            // It is indexed by the number of a value, and compared by its text.
            "enum" | "set" => Err(format!("{}, whose index has another order than its text", column.data_type)),
            other => Err(other.to_owned()),
        }
    }

    /// What the server sent as text. A day that no calendar has counts as the first day.
    pub(super) fn parse(&self, value: &Value) -> Option<Key> {
        let Value::Bytes(bytes) = value else { return None };
        let text = || std::str::from_utf8(bytes).ok();
        Some(match self {
            Self::Bytes => Key::Bytes(bytes.clone()),
            Self::Text { .. } => Key::Text(text()?.to_owned()),
            Self::Integer => Key::Number(text()?.parse().ok()?),
            Self::Decimal { scale, .. } => Key::Number(parse_decimal(text()?, *scale)?),
            Self::Date => Key::Number(DateTimeParts::parse(bytes)?.days().map_or(FIRST_DAY, i128::from)),
            Self::DateTime { fraction_digits } => {
                let microseconds = DateTimeParts::parse(bytes)?.microseconds();
                let microseconds = microseconds.map_or(FIRST_DAY * MICROSECONDS_OF_DAY, i128::from);
                Key::Number(microseconds.div_euclid(microseconds_of_part(*fraction_digits)))
            }
        })
    }

    /// A value as it stands in SQL.
    ///
    /// # Errors
    /// Internal for a value of another kind.
    pub(super) fn constant(&self, key: &Key) -> Result<Constant> {
        let outside = || ConnectorError::internal("the bound of a range is not of its column's type");
        Ok(match (self, key) {
            (Self::Integer, Key::Number(number)) => match i64::try_from(*number) {
                Ok(number) => Constant::Int(number),
                Err(_) => Constant::UInt(u64::try_from(*number).map_err(|_| outside())?),
            },
            (Self::Decimal { precision, scale }, Key::Number(number)) => {
                Constant::Decimal { text: decimal_text(*number, *scale), precision: *precision, scale: *scale }
            }
            (Self::Date, Key::Number(days)) => {
                let mut text = Vec::new();
                append_date(&mut text, i32::try_from(*days).map_err(|_| outside())?);
                Constant::Date(String::from_utf8(text).map_err(|_| outside())?)
            }
            (Self::DateTime { fraction_digits }, Key::Number(parts)) => {
                let microseconds = parts.checked_mul(microseconds_of_part(*fraction_digits)).ok_or_else(outside)?;
                let mut text = Vec::new();
                append_timestamp(&mut text, i64::try_from(microseconds).map_err(|_| outside())?);
                Constant::DateTime(String::from_utf8(text).map_err(|_| outside())?)
            }
            (Self::Text { charset, collation }, Key::Text(text)) => {
                Constant::Collated { text: text.clone(), charset: charset.clone(), collation: collation.clone() }
            }
            (Self::Bytes, Key::Bytes(bytes)) => Constant::Bytes(bytes.clone()),
            _ => return Err(outside()),
        })
    }
}

/// Letters, digits and `_`: a name that stands in SQL without quotes.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn microseconds_of_part(fraction_digits: u32) -> i128 {
    10_i128.pow(6 - fraction_digits.min(6))
}

/// `-12.50` as units of the last of `scale` digits.
fn parse_decimal(text: &str, scale: u8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let missing = usize::from(scale).checked_sub(fraction.len())?;
    format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok()
}

fn decimal_text(units: i128, scale: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data_type: &str) -> ColumnDescription {
        ColumnDescription {
            name: "k".into(),
            data_type: data_type.into(),
            column_type: data_type.into(),
            nullable: false,
            precision: Some(10),
            scale: Some(2),
            fraction_digits: Some(3),
            collation: Some("latin1_swedish_ci".into()),
        }
    }

    #[test]
    fn a_value_survives_the_way_to_a_number_and_back() {
        let round_trip = |data_type: &str, text: &str| {
            let kind = KeyKind::of(&column(data_type), "+08:00").unwrap();
            let key = kind.parse(&Value::Bytes(text.as_bytes().to_vec())).unwrap();
            kind.constant(&key).unwrap().literal()
        };
        for (data_type, text) in [
            ("bigint", "-9223372036854775808"),
            ("bigint", "18446744073709551615"),
            ("decimal", "-0.05"),
            ("decimal", "12345678.90"),
        ] {
            assert_eq!(round_trip(data_type, text), text);
        }
        assert_eq!(round_trip("date", "2024-02-29"), "'2024-02-29'");
        assert_eq!(round_trip("date", "0000-00-00"), "'0001-01-01'", "the first day that a calendar has");
        assert_eq!(round_trip("datetime", "1969-12-31 23:59:59.999"), "'1969-12-31 23:59:59.999000'");
        assert_eq!(round_trip("varbinary", "a'"), "X'6127'");
        assert_eq!(round_trip("varchar", "a'"), "CONVERT('a''' USING latin1) COLLATE latin1_swedish_ci");
    }

    #[test]
    fn types_without_an_order_of_their_own_are_refused() {
        for data_type in ["enum", "set", "float", "double", "bit", "json", "uuid", "year", "time", "geometry"] {
            assert!(KeyKind::of(&column(data_type), "+08:00").is_err(), "{data_type}");
        }
        assert!(KeyKind::of(&column("timestamp"), "Europe/Berlin").is_err(), "an hour comes twice");
        assert!(KeyKind::of(&column("timestamp"), "+08:00").is_ok());
        let wide = ColumnDescription { precision: Some(65), ..column("decimal") };
        assert!(KeyKind::of(&wide, "+08:00").is_err());
    }
}
