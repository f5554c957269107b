//! Hive's column types as Arrow types.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, Fields, TimeUnit};

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::nearest;

/// The names that stand alone, with what MySQL, StarRocks and Spark call the same type.
const SIMPLE: &[(&str, DataType)] = &[
    ("STRING", DataType::Utf8),
    ("TEXT", DataType::Utf8),
    ("VARCHAR", DataType::Utf8),
    ("CHAR", DataType::Utf8),
    ("BOOLEAN", DataType::Boolean),
    ("TINYINT", DataType::Int8),
    ("BYTE", DataType::Int8),
    ("SMALLINT", DataType::Int16),
    ("SHORT", DataType::Int16),
    ("INT", DataType::Int32),
    ("INTEGER", DataType::Int32),
    ("BIGINT", DataType::Int64),
    ("LONG", DataType::Int64),
    ("FLOAT", DataType::Float32),
    ("REAL", DataType::Float32),
    ("DOUBLE", DataType::Float64),
    ("DOUBLE PRECISION", DataType::Float64),
    ("DECIMAL", DataType::Decimal128(10, 0)),
    ("NUMERIC", DataType::Decimal128(10, 0)),
    ("DEC", DataType::Decimal128(10, 0)),
    ("DATE", DataType::Date32),
    ("TIMESTAMP", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ("TIMESTAMP_NTZ", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ("DATETIME", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ("BINARY", DataType::Binary),
];

/// More levels of ARRAY, MAP and STRUCT than any file has.
const MAX_DEPTH: usize = 32;

/// Key and value in the metadata of a field whose arrays are counted from 0, as those of Hive and Spark are.
pub const ELEMENTS_FROM_0: (&str, &str) = ("syncline.elements", "from 0");

/// A column of an external table: its arrays are counted from 0.
pub(crate) fn hive_field(name: &str, data_type: &DataType) -> Field {
    let field = Field::new(name, data_type.clone(), true);
    if !data_type.is_nested() {
        return field;
    }
    let (key, value) = ELEMENTS_FROM_0;
    field.with_metadata([(key.to_owned(), value.to_owned())].into())
}

/// The Arrow type of a Hive type as typed, such as `STRING`, `DECIMAL(10,2)` or `map<string,struct<a:int,b:array<string>>>`, in any case.
///
/// Lengths of CHAR and VARCHAR are not enforced: a longer text is kept whole, since cutting it would lose data.
///
/// # Errors
/// Code Unsupported for UNIONTYPE and the like, Option for a name that is not known (with a suggestion) or a bad argument.
pub fn hive_type(text: &str) -> Result<DataType> {
    let mut reader = TypeReader { text, rest: text, depth: 0 };
    let data_type = reader.data_type()?;
    match reader.rest.trim().is_empty() {
        true => Ok(data_type),
        false => Err(reader.broken()),
    }
}

/// Reads a type from its front.
struct TypeReader<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> TypeReader<'a> {
    fn data_type(&mut self) -> Result<DataType> {
        self.rest = self.rest.trim_start();
        let len = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, behind) = self.rest.split_at(len);
        if self.depth > MAX_DEPTH {
            return Err(ConnectorError::option(format!("a column type has more than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let word = word.to_ascii_uppercase();
        let data_type = match word.as_str() {
            "ARRAY" | "MAP" | "STRUCT" => {
                self.rest = behind.trim_start();
                // sqlparser prints MAP with parentheses
                let close = match self.rest.chars().next() {
                    Some('<') => '>',
                    Some('(') => ')',
                    _ => return Err(self.broken()),
                };
                self.rest = &self.rest[1..];
                let data_type = match word.as_str() {
                    "ARRAY" => DataType::List(Arc::new(Field::new_list_field(self.data_type()?, true))),
                    "MAP" => self.map()?,
                    _ => self.structure(close)?,
                };
                self.take(close)?;
                data_type
            }
            "UNIONTYPE" | "VARIANT" | "INTERVAL" => {
                let message = format!("columns of type {word} are not built yet for text tables; use STRING");
                return Err(ConnectorError::new(ErrorCode::Unsupported, message));
            }
            _ => simple_type(self.simple())?,
        };
        self.depth -= 1;
        Ok(data_type)
    }

    fn map(&mut self) -> Result<DataType> {
        let key = Field::new("key", self.data_type()?, false);
        if key.data_type().is_nested() {
            return Err(ConnectorError::option(format!(
                "the keys of a MAP are of a simple type, not {}",
                key.data_type()
            )));
        }
        self.take(',')?;
        let value = Field::new("value", self.data_type()?, true);
        let entries = Field::new("entries", DataType::Struct(Fields::from(vec![key, value])), false);
        Ok(DataType::Map(Arc::new(entries), false))
    }

    /// `a:int, b string`, in front of what closes it.
    fn structure(&mut self, close: char) -> Result<DataType> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let name = self.field_name()?;
            if fields.iter().any(|field| field.name().eq_ignore_ascii_case(&name)) {
                return Err(ConnectorError::option(format!("a STRUCT has two fields \"{}\"", name.escape_debug())));
            }
            self.rest = self.rest.trim_start();
            self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
            fields.push(Field::new(name, self.data_type()?, true));
            self.rest = self.rest.trim_start();
            if self.rest.starts_with(close) {
                return Ok(DataType::Struct(Fields::from(fields)));
            }
            self.take(',')?;
        }
    }

    fn field_name(&mut self) -> Result<String> {
        self.rest = self.rest.trim_start();
        for quote in ['`', '"'] {
            if let Some(quoted) = self.rest.strip_prefix(quote) {
                let (name, behind) = quoted.split_once(quote).ok_or_else(|| self.broken())?;
                self.rest = behind;
                return Ok(name.to_owned());
            }
        }
        let len = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, behind) = self.rest.split_at(len);
        self.rest = behind;
        if name.is_empty() { Err(self.broken()) } else { Ok(name.to_owned()) }
    }

    /// The text of a simple type, its arguments included.
    fn simple(&mut self) -> &'a str {
        let mut depth = 0_usize;
        let end = self.rest.find(|c: char| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' if depth > 0 => {
                depth -= 1;
                false
            }
            ')' | '>' => true,
            ',' => depth == 0,
            _ => false,
        });
        let (simple, behind) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = behind;
        simple
    }

    fn take(&mut self, symbol: char) -> Result<()> {
        self.rest = self.rest.trim_start().strip_prefix(symbol).ok_or_else(|| self.broken())?;
        Ok(())
    }

    fn broken(&self) -> ConnectorError {
        let message = format!(
            "the column type {} cannot be read; write ARRAY<type>, MAP<type, type>, STRUCT<name: type, …>",
            self.text.escape_debug()
        );
        ConnectorError::option(message)
    }
}

fn simple_type(text: &str) -> Result<DataType> {
    let text = text.trim().to_ascii_uppercase();
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => {
            let arguments = rest.strip_suffix(')').ok_or_else(|| bad_arguments(&text))?;
            (name.trim(), Some(arguments))
        }
        None => (text.as_str(), None),
    };
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((_, data_type)) = SIMPLE.iter().find(|(known, _)| *known == name) else {
        let hint = nearest(&name, SIMPLE.iter().map(|(known, _)| *known));
        let hint = hint.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
        return Err(ConnectorError::option(format!("unknown column type {}{hint}", text.escape_debug())));
    };
    let Some(arguments) = arguments else { return Ok(data_type.clone()) };
    let numbers: Option<Vec<u32>> = arguments.split(',').map(|number| number.trim().parse().ok()).collect();
    let numbers = numbers.ok_or_else(|| bad_arguments(&text))?;
    match (data_type, numbers.as_slice()) {
        (DataType::Decimal128(..), [precision]) => decimal(*precision, 0).ok_or_else(|| bad_arguments(&text)),
        (DataType::Decimal128(..), [precision, scale]) => {
            decimal(*precision, *scale).ok_or_else(|| bad_arguments(&text))
        }
        // A length, a display width (MySQL's INT(11)) or the digits of a second: none limits what a text file holds.
        (DataType::Decimal128(..), _) => Err(bad_arguments(&text)),
        (_, [_]) => Ok(data_type.clone()),
        _ => Err(bad_arguments(&text)),
    }
}

fn decimal(precision: u32, scale: u32) -> Option<DataType> {
    let precision =
        u8::try_from(precision).ok().filter(|precision| (1..=DECIMAL128_MAX_PRECISION).contains(precision))?;
    let scale = u8::try_from(scale).ok().filter(|scale| *scale <= precision)?;
    Some(DataType::Decimal128(precision, i8::try_from(scale).ok()?))
}

fn bad_arguments(text: &str) -> ConnectorError {
    ConnectorError::option(format!("bad arguments of column type {}", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_in_any_case() {
        for (text, data_type) in [
            ("string", DataType::Utf8),
            (" VarChar ( 20 ) ", DataType::Utf8),
            ("INT(11)", DataType::Int32),
            ("double  precision", DataType::Float64),
            ("decimal", DataType::Decimal128(10, 0)),
            ("decimal(5)", DataType::Decimal128(5, 0)),
            ("DECIMAL( 38 , 10 )", DataType::Decimal128(38, 10)),
            ("timestamp", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ] {
            assert_eq!(hive_type(text).unwrap(), data_type, "{text}");
        }
    }

    #[test]
    fn complex_types_are_read_in_both_spellings() {
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let array = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        let map = |key, value| {
            let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
        };
        for text in ["array<string>", " ARRAY < VarChar ( 20 ) > "] {
            assert_eq!(hive_type(text).unwrap(), array(DataType::Utf8), "{text}");
        }
        for text in ["map<string,array<decimal(10,2)>>", "Map(STRING, ARRAY<DECIMAL(10,2)>)"] {
            let expected = map(DataType::Utf8, array(DataType::Decimal128(10, 2)));
            assert_eq!(hive_type(text).unwrap(), expected, "{text}");
        }
        let inner = DataType::Struct(Fields::from(vec![field("x y", map(DataType::Int32, DataType::Date32))]));
        let expected = DataType::Struct(Fields::from(vec![field("a", DataType::Int32), field("B", array(inner))]));
        for text in [
            "struct<a:int,B:array<struct<`x y`:map<int,date>>>>",
            "STRUCT<a INT, B ARRAY<STRUCT<`x y` Map(INT, DATE)>>>",
        ] {
            assert_eq!(hive_type(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn other_types_are_refused() {
        let error = hive_type("uniontype<int,string>").unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
        assert!(hive_type("strng").unwrap_err().message().contains("did you mean STRING?"));
        for text in ["decimal(0)", "decimal(39)", "decimal(5,6)", "decimal(a)", "decimal(1", "string(1,2)", ""] {
            assert_eq!(hive_type(text).unwrap_err().code(), ErrorCode::Option, "{text}");
        }
        for text in [
            "array",
            "array<int",
            "array<int>>",
            "array<>",
            "map<int>",
            "map<array<int>,int>",
            "struct<>",
            "struct<a>",
            "struct<a:int,A:int>",
            "array<int> x",
        ] {
            assert_eq!(hive_type(text).unwrap_err().code(), ErrorCode::Option, "{text}");
        }
        let deep = format!("{}int{}", "array<".repeat(40), ">".repeat(40));
        assert!(hive_type(&deep).unwrap_err().message().contains("levels"));
    }
}
