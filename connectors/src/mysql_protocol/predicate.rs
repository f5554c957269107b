//! Predicates in the SQL of a server, with constants that are bound or written as literals.

use mysql_common::Value;
use serde::{Deserialize, Serialize};

use super::quote::{bytes_literal, identifier, text_literal};

/// A constant of a predicate. It can be stored and sent to another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Constant {
    /// A signed whole number.
    Int(i64),
    /// An unsigned whole number beyond the signed ones.
    UInt(u64),
    /// A decimal in digits, with the type that it is cast to.
    Decimal {
        /// Sign, digits and point.
        text: String,
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// A finite 64-bit float.
    Double(f64),
    /// Text.
    Text(String),
    /// Text of a character set, compared by a collation whatever else stands beside it.
    Collated {
        /// The text.
        text: String,
        /// The character set: letters and digits only.
        charset: String,
        /// A collation of that character set: letters, digits and `_` only.
        collation: String,
    },
    /// Bytes.
    Bytes(Vec<u8>),
    /// A day, as `YYYY-MM-DD`.
    Date(String),
    /// A day and a time of day, as `YYYY-MM-DD HH:MM:SS[.ffffff]`.
    DateTime(String),
}

impl Constant {
    /// The value to bind.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Int(number) => Value::Int(*number),
            Self::UInt(number) => Value::UInt(*number),
            Self::Double(number) => Value::Double(*number),
            Self::Decimal { text, .. }
            | Self::Text(text)
            | Self::Collated { text, .. }
            | Self::Date(text)
            | Self::DateTime(text) => Value::Bytes(text.clone().into_bytes()),
            Self::Bytes(bytes) => Value::Bytes(bytes.clone()),
        }
    }

    /// The placeholder to bind it to. Text that stands for a typed value is cast, lest the server compare as text or as floats.
    fn placeholder(&self) -> String {
        match self {
            Self::Decimal { precision, scale, .. } => format!("CAST(? AS DECIMAL({precision},{scale}))"),
            Self::Date(_) => "CAST(? AS DATE)".to_owned(),
            Self::DateTime(_) => "CAST(? AS DATETIME(6))".to_owned(),
            Self::Collated { charset, collation, .. } => collated("?", charset, collation),
            _ => "?".to_owned(),
        }
    }

    /// The constant as a literal.
    pub fn literal(&self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::UInt(number) => number.to_string(),
            // Always with an exponent, so that the server does not read a decimal.
            Self::Double(number) => format!("{number:e}"),
            Self::Decimal { text, .. } => text.clone(),
            Self::Text(text) | Self::Date(text) | Self::DateTime(text) => text_literal(text),
            Self::Collated { text, charset, collation } => collated(&text_literal(text), charset, collation),
            Self::Bytes(bytes) => bytes_literal(bytes),
        }
    }
}

/// In the column's own character set and collation, so that its index serves the comparison.
fn collated(text: &str, charset: &str, collation: &str) -> String {
    format!("CONVERT({text} USING {charset}) COLLATE {collation}")
}

/// A predicate in the server's SQL: pieces of text with constants between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicate {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Piece {
    Sql(String),
    Constant(Constant),
}

impl Predicate {
    /// `column operator constant`.
    ///
    /// # Errors
    /// Name for a column that no server can hold.
    pub fn compare(column: &str, operator: &str, constant: Constant) -> crate::error::Result<Self> {
        Ok(Self { pieces: vec![Piece::Sql(format!("{} {operator} ", identifier(column)?)), Piece::Constant(constant)] })
    }

    /// `column IS NULL`.
    ///
    /// # Errors
    /// Name for a column that no server can hold.
    pub fn is_null(column: &str) -> crate::error::Result<Self> {
        Ok(Self { pieces: vec![Piece::Sql(format!("{} IS NULL", identifier(column)?))] })
    }

    /// `column IS NOT NULL`.
    ///
    /// # Errors
    /// Name for a column that no server can hold.
    pub fn is_not_null(column: &str) -> crate::error::Result<Self> {
        Ok(Self { pieces: vec![Piece::Sql(format!("{} IS NOT NULL", identifier(column)?))] })
    }

    /// These predicates, joined by `AND` or `OR`.
    pub fn join(predicates: Vec<Self>, operator: &str) -> Option<Self> {
        let mut predicates = predicates.into_iter();
        let first = predicates.next()?;
        Some(predicates.fold(first, |left, right| left.and_or(operator, right)))
    }

    /// `(self) operator (right)`.
    pub(super) fn and_or(self, operator: &str, right: Self) -> Self {
        let mut pieces = vec![Piece::Sql("(".to_owned())];
        pieces.extend(self.pieces);
        pieces.push(Piece::Sql(format!(") {operator} (")));
        pieces.extend(right.pieces);
        pieces.push(Piece::Sql(")".to_owned()));
        Self { pieces }
    }

    /// `NOT (self)`.
    pub(super) fn negated(self) -> Self {
        let mut pieces = vec![Piece::Sql("NOT (".to_owned())];
        pieces.extend(self.pieces);
        pieces.push(Piece::Sql(")".to_owned()));
        Self { pieces }
    }

    /// `column BETWEEN low AND high`, or NOT BETWEEN. None for a column that no server can hold.
    pub(super) fn between(column: &str, negated: bool, low: Constant, high: Constant) -> Option<Self> {
        let not = if negated { "NOT " } else { "" };
        Some(Self {
            pieces: vec![
                Piece::Sql(format!("{} {not}BETWEEN ", identifier(column).ok()?)),
                Piece::Constant(low),
                Piece::Sql(" AND ".to_owned()),
                Piece::Constant(high),
            ],
        })
    }

    /// `column IN (constants)`, or NOT IN. None for a column that no server can hold.
    pub(super) fn is_in(column: &str, negated: bool, constants: Vec<Constant>) -> Option<Self> {
        let not = if negated { "NOT " } else { "" };
        let mut pieces = vec![Piece::Sql(format!("{} {not}IN (", identifier(column).ok()?))];
        for (index, constant) in constants.into_iter().enumerate() {
            if index > 0 {
                pieces.push(Piece::Sql(", ".to_owned()));
            }
            pieces.push(Piece::Constant(constant));
        }
        pieces.push(Piece::Sql(")".to_owned()));
        Some(Self { pieces })
    }

    /// The predicate with placeholders, and the values to bind to them in order.
    pub fn bound(&self) -> (String, Vec<Value>) {
        let mut sql = String::new();
        let mut values = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Sql(text) => sql.push_str(text),
                Piece::Constant(constant) => {
                    sql.push_str(&constant.placeholder());
                    values.push(constant.to_value());
                }
            }
        }
        (sql, values)
    }

    /// The predicate with literals, for servers that bind nothing and for EXPLAIN.
    pub fn literal(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Sql(text) => text.clone(),
                Piece::Constant(constant) => constant.literal(),
            })
            .collect()
    }
}
