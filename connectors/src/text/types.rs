//! Hive's column types as Arrow types.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, TimeUnit};

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

/// The Arrow type of a Hive type as typed, such as `STRING` or `DECIMAL(10,2)`, in any case.
///
/// Lengths of CHAR and VARCHAR are not enforced: a longer text is kept whole, since cutting it would lose data.
///
/// # Errors
/// Code Unsupported for ARRAY, MAP, STRUCT and the like, Option for a name that is not known (with a suggestion) or a bad argument.
pub fn hive_type(text: &str) -> Result<DataType> {
    let text = text.trim().to_ascii_uppercase();
    let word = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    if matches!(word, "ARRAY" | "MAP" | "STRUCT" | "UNIONTYPE" | "VARIANT" | "INTERVAL") {
        let message = format!("columns of type {word} are not built yet for text tables; use STRING");
        return Err(ConnectorError::new(ErrorCode::Unsupported, message));
    }
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
    fn other_types_are_refused() {
        for text in ["array<string>", "MAP<STRING, DECIMAL(10,2)>", "struct<a: int>"] {
            let error = hive_type(text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
            assert!(error.message().contains("not built yet"), "{error}");
        }
        assert!(hive_type("strng").unwrap_err().message().contains("did you mean STRING?"));
        for text in ["decimal(0)", "decimal(39)", "decimal(5,6)", "decimal(a)", "decimal(1", "string(1,2)", ""] {
            assert_eq!(hive_type(text).unwrap_err().code(), ErrorCode::Option, "{text}");
        }
    }
}
