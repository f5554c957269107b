//! Reading a type as a user declares it, such as `ARRAY<DECIMAL(10,2)>`.

use std::str::FromStr;

use super::{ColumnType, MAX_CHAR_LENGTH, MAX_DECIMAL_PRECISION, MAX_VARCHAR_LENGTH, STRING_LENGTH, StructField};
use crate::error::{Error, Result};

/// Deepest nesting of ARRAY, MAP and STRUCT that is read; StarRocks allows 14.
const MAX_DEPTH: usize = 14;

impl FromStr for ColumnType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parser = Parser { text, rest: text, depth: 0 };
        let column_type = parser.column_type()?;
        if parser.token().is_some() {
            return Err(parser.unreadable());
        }
        Ok(column_type)
    }
}

impl TryFrom<String> for ColumnType {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn unreadable(&self) -> Error {
        Error::invalid(format!("Unknown data type: {}", self.text))
    }

    /// The next token: a word, a name in backticks (with them), or one punctuation character.
    fn token(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let first = text.chars().next()?;
        let length = if first == '`' {
            quoted_length(text)?
        } else if is_word(first) {
            text.find(|c| !is_word(c)).unwrap_or(text.len())
        } else {
            first.len_utf8()
        };
        let (token, rest) = text.split_at(length);
        self.rest = rest;
        Some(token)
    }

    fn peek(&self) -> Option<&'a str> {
        Parser { text: self.text, rest: self.rest, depth: 0 }.token()
    }

    fn expect(&mut self, wanted: &str) -> Result<()> {
        match self.token() {
            Some(token) if token == wanted => Ok(()),
            _ => Err(self.unreadable()),
        }
    }

    fn column_type(&mut self) -> Result<ColumnType> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::invalid(format!("data type is nested deeper than {MAX_DEPTH} levels")));
        }
        let name = self.token().ok_or_else(|| self.unreadable())?.to_ascii_uppercase();
        let column_type = match name.as_str() {
            "BOOLEAN" | "BOOL" => ColumnType::Boolean,
            "TINYINT" => match self.arguments()?[..] {
                [] | [4] => ColumnType::TinyInt,
                [1] => ColumnType::Boolean,
                _ => ColumnType::TinyInt,
            },
            "SMALLINT" => self.with_display_width(ColumnType::SmallInt)?,
            "INT" | "INTEGER" => self.with_display_width(ColumnType::Int)?,
            "BIGINT" => {
                let width = self.with_display_width(ColumnType::BigInt)?;
                // `bigint(20) unsigned` is how information_schema spells LARGEINT.
                if self.peek().is_some_and(|t| t.eq_ignore_ascii_case("unsigned")) {
                    self.token();
                    ColumnType::LargeInt
                } else {
                    width
                }
            }
            "LARGEINT" => self.with_display_width(ColumnType::LargeInt)?,
            "FLOAT" => ColumnType::Float,
            "DOUBLE" => ColumnType::Double,
            "DECIMAL" | "DECIMALV3" | "DECIMAL32" | "DECIMAL64" | "DECIMAL128" | "NUMERIC" | "NUMBER" => {
                self.decimal(&name)?
            }
            "DATE" => ColumnType::Date,
            "DATETIME" | "TIMESTAMP" => self.with_display_width(ColumnType::DateTime)?,
            "CHAR" => ColumnType::Char(self.length(1, MAX_CHAR_LENGTH, "Char")?),
            "VARCHAR" => ColumnType::Varchar(self.length(1, MAX_VARCHAR_LENGTH, "Varchar")?),
            "STRING" | "TEXT" => ColumnType::Varchar(self.length(STRING_LENGTH, MAX_VARCHAR_LENGTH, "Varchar")?),
            "VARBINARY" | "BINARY" => self.with_display_width(ColumnType::VarBinary)?,
            "JSON" => ColumnType::Json,
            "ARRAY" => {
                self.expect("<")?;
                let item = self.column_type()?;
                self.expect(">")?;
                ColumnType::Array(Box::new(item))
            }
            "MAP" => {
                self.expect("<")?;
                let key = self.column_type()?;
                self.expect(",")?;
                let value = self.column_type()?;
                self.expect(">")?;
                ColumnType::Map(Box::new(key), Box::new(value))
            }
            "STRUCT" => self.structure()?,
            "HLL" | "BITMAP" | "PERCENTILE" => return Err(Error::unsupported(format!("type {name}"))),
            _ => return Err(self.unreadable()),
        };
        self.depth -= 1;
        Ok(column_type)
    }

    fn structure(&mut self) -> Result<ColumnType> {
        self.expect("<")?;
        let mut fields = Vec::new();
        loop {
            let name = self.token().ok_or_else(|| self.unreadable())?;
            let name = match name.strip_prefix('`') {
                Some(quoted) => quoted[..quoted.len() - 1].replace("``", "`"),
                None if name.starts_with(is_word) => name.to_owned(),
                None => return Err(self.unreadable()),
            };
            if self.peek() == Some(":") {
                self.token();
            }
            fields.push(StructField { name, column_type: self.column_type()? });
            match self.token() {
                Some(",") => {}
                Some(">") => return Ok(ColumnType::Struct(fields)),
                _ => return Err(self.unreadable()),
            }
        }
    }

    /// `(1, 2)` after a type's name; nothing is an empty list.
    fn arguments(&mut self) -> Result<Vec<u32>> {
        let mut numbers = Vec::new();
        if self.peek() != Some("(") {
            return Ok(numbers);
        }
        self.token();
        loop {
            let number = self.token().and_then(|t| t.parse().ok()).ok_or_else(|| self.unreadable())?;
            numbers.push(number);
            match self.token() {
                Some(",") => {}
                Some(")") => return Ok(numbers),
                _ => return Err(self.unreadable()),
            }
        }
    }

    /// A display width, such as the 11 of `int(11)`, means nothing.
    fn with_display_width(&mut self, column_type: ColumnType) -> Result<ColumnType> {
        match self.arguments()?.len() {
            0 | 1 => Ok(column_type),
            _ => Err(self.unreadable()),
        }
    }

    fn length(&mut self, default: u32, most: u32, name: &str) -> Result<u32> {
        match self.arguments()?[..] {
            [] => Ok(default),
            [0] => Err(Error::invalid(format!("{name} size must be > 0: 0"))),
            [length] if length <= most => Ok(length),
            [length] => Err(Error::invalid(format!("{name} size must be <= {most}: {length}"))),
            _ => Err(self.unreadable()),
        }
    }

    fn decimal(&mut self, name: &str) -> Result<ColumnType> {
        // StarRocks: DECIMAL without arguments is DECIMAL(10,0).
        let (precision, scale) = match self.arguments()?[..] {
            [] => (10, 0),
            [precision] => (precision, 0),
            [precision, scale] => (precision, scale),
            _ => return Err(self.unreadable()),
        };
        let most = match name {
            "DECIMAL32" => 9,
            "DECIMAL64" => 18,
            _ => u32::from(MAX_DECIMAL_PRECISION),
        };
        if precision == 0 || precision > most {
            return Err(Error::invalid(format!("{name} precision must be between 1 and {most}: {precision}")));
        }
        if scale > precision {
            return Err(Error::invalid(format!("{name} scale must be between 0 and {precision}: {scale}")));
        }
        match (u8::try_from(precision), u8::try_from(scale)) {
            (Ok(precision), Ok(scale)) => Ok(ColumnType::Decimal { precision, scale }),
            _ => Err(self.unreadable()),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of the name in backticks that `text` starts with; a doubled backtick is part of it.
fn quoted_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        if bytes[at] == b'`' {
            if bytes.get(at + 1) != Some(&b'`') {
                return Some(at + 1);
            }
            at += 1;
        }
        at += 1;
    }
    None
}
