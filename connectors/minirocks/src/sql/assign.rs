//! Values into columns: each is converted to its column's type, or the row is refused in StarRocks's words.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;

use super::error::SqlError;
use super::statement::Literal;
use super::temporal;
use super::value_text::{push_text, writable};
use crate::storage::ColumnDefinition;
use crate::types::text::json_text;
use crate::types::{ColumnBuilder, ColumnType, Value};

/// Why a value does not fit; the text goes to the client.
type Refusal = String;

/// Whether a text is a value of the type.
pub(super) fn check_text(text: &str, column_type: &ColumnType) -> Result<(), Refusal> {
    let column = ColumnDefinition::new("value", column_type.clone());
    Values::new(&column).append(&Literal::Text(text.to_owned()))
}

/// Gathers the values of one column.
pub(super) struct Values<'a> {
    column: &'a ColumnDefinition,
    builder: ColumnBuilder,
}

impl<'a> Values<'a> {
    pub(super) fn new(column: &'a ColumnDefinition) -> Self {
        Self { column, builder: ColumnBuilder::new(&column.column_type) }
    }

    /// Adds a value, or says why it does not fit.
    pub(super) fn append(&mut self, literal: &Literal) -> Result<(), Refusal> {
        let number;
        let text = match literal {
            Literal::Null => {
                self.builder.append_null();
                return Ok(());
            }
            Literal::Binary(bytes) => return self.append_bytes(bytes),
            Literal::Boolean(value) => {
                if *value {
                    "1"
                } else {
                    "0"
                }
            }
            Literal::Double(value) => {
                number = value.to_string();
                &number
            }
            Literal::Number(text) | Literal::Text(text) | Literal::Date(text) | Literal::DateTime(text) => text,
        };
        self.append_text(text, matches!(literal, Literal::Number(_) | Literal::Double(_)))
    }

    fn append_bytes(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.column.column_type == ColumnType::VarBinary {
            return self.append_value(&Value::Binary(bytes.to_vec()), "");
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.append_text(text, false),
            Err(_) => Err(out_of_range(&String::from_utf8_lossy(bytes), self.column)),
        }
    }

    /// `is_number`: the value is a number rather than a text, so a fraction may be cut off for a whole-number column, as
    /// StarRocks's CAST does; a text with a fraction is no whole number.
    fn append_text(&mut self, text: &str, is_number: bool) -> Result<(), Refusal> {
        check_length(text, self.column)?;
        let column_type = &self.column.column_type;
        match column_type {
            // in SQL a text is its own bytes; only CSV has base64
            ColumnType::VarBinary => self.append_value(&Value::Binary(text.as_bytes().to_vec()), text),
            ColumnType::Json => {
                let json = serde_json::from_str(text).ok().and_then(|value| json_text(&value));
                let json = json.ok_or_else(|| out_of_range(text, self.column))?;
                self.append_value(&Value::Text(json), text)
            }
            ColumnType::Date | ColumnType::DateTime if is_number => {
                let micros = temporal::datetime_of_number_text(text).ok_or_else(|| out_of_range(text, self.column))?;
                let value = match column_type {
                    ColumnType::Date => Value::Date(temporal::day_of(micros)),
                    _ => Value::DateTime(micros),
                };
                self.append_value(&value, text)
            }
            ColumnType::TinyInt
            | ColumnType::SmallInt
            | ColumnType::Int
            | ColumnType::BigInt
            | ColumnType::LargeInt => {
                let whole = match is_number {
                    true => plain_number(text),
                    false if text.contains('.') => None,
                    false => Some(text.to_owned()),
                };
                let whole = whole.ok_or_else(|| out_of_range(text, self.column))?;
                self.builder.append_text(whole.as_bytes(), true).map_err(|_| out_of_range(text, self.column))
            }
            _ => self.builder.append_text(text.as_bytes(), true).map_err(|_| out_of_range(text, self.column)),
        }
    }

    fn append_value(&mut self, value: &Value, text: &str) -> Result<(), Refusal> {
        self.builder.append(value).map_err(|_| out_of_range(text, self.column))
    }

    pub(super) fn finish(mut self) -> Result<ArrayRef, SqlError> {
        Ok(self.builder.finish()?)
    }
}

/// A number without an exponent; what has one goes through DOUBLE.
fn plain_number(text: &str) -> Option<String> {
    if !text.contains(['e', 'E']) {
        return Some(text.to_owned());
    }
    let value: f64 = text.parse().ok()?;
    (value.abs() < 1e38).then(|| format!("{:.0}", value.trunc()))
}

/// A query's column as a column of the table.
pub(super) fn assign_array(source: &ArrayRef, column: &ColumnDefinition) -> Result<ArrayRef, SqlError> {
    let refused = |text: Refusal| SqlError::from(crate::error::Error::Row(text));
    let source = writable(source).map_err(|error| SqlError::internal(error.to_string()))?;
    let target = column.column_type.arrow_type();
    if source.null_count() == source.len() {
        return Ok(arrow::array::new_null_array(&target, source.len()));
    }
    let from_text = matches!(source.data_type(), DataType::Utf8 | DataType::Binary);
    let to_text = matches!(target, DataType::Utf8);
    let temporal_number =
        matches!(target, DataType::Date32 | DataType::Timestamp(..)) && source.data_type().is_numeric();
    if (*source.data_type() == target && !to_text) || (source.data_type().is_nested() && target.is_nested()) {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        return cast_with_options(&source, &target, &options).map_err(|error| refused(error.to_string()));
    }
    if from_text || to_text || temporal_number || column.column_type == ColumnType::Boolean {
        let mut builder = Values::new(column);
        let number = !from_text && !matches!(source.data_type(), DataType::Date32 | DataType::Timestamp(..));
        let mut text = String::new();
        for row in 0..source.len() {
            if source.is_null(row) {
                builder.append(&Literal::Null).map_err(refused)?;
                continue;
            }
            if let Some(bytes) = binary_value(&source, row) {
                builder.append(&Literal::Binary(bytes.to_vec())).map_err(refused)?;
                continue;
            }
            text.clear();
            push_text(&source, row, &mut text);
            builder.append_text(&text, number).map_err(refused)?;
        }
        return builder.finish();
    }
    let cast = cast_with_options(&source, &target, &CastOptions::default()).map_err(|_| {
        SqlError::analysis(format!(
            "Unable to cast a value of type {} to the type {} of column '{}'",
            source.data_type(),
            column.column_type,
            column.name
        ))
    })?;
    match (0..cast.len()).find(|&row| cast.is_null(row) && !source.is_null(row)) {
        None => Ok(cast),
        Some(row) => {
            let mut text = String::new();
            push_text(&source, row, &mut text);
            Err(refused(out_of_range(&text, column)))
        }
    }
}

/// The column type that CREATE TABLE … AS SELECT takes for a computed column.
pub(super) fn column_type_for(data_type: &DataType) -> Option<ColumnType> {
    Some(match data_type {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 => ColumnType::TinyInt,
        DataType::Int16 | DataType::UInt8 => ColumnType::SmallInt,
        DataType::Int32 | DataType::UInt16 => ColumnType::Int,
        DataType::Int64 | DataType::UInt32 => ColumnType::BigInt,
        DataType::UInt64 | DataType::Decimal256(_, 0) => ColumnType::LargeInt,
        DataType::Float16 | DataType::Float32 => ColumnType::Float,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(..) => ColumnType::DateTime,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => ColumnType::STRING,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ColumnType::VarBinary,
        DataType::List(item) => ColumnType::Array(Box::new(column_type_for(item.data_type())?)),
        _ => return None,
    })
}

fn binary_value(array: &ArrayRef, row: usize) -> Option<&[u8]> {
    array.as_binary_opt::<i32>().map(|array| array.value(row))
}

fn out_of_range(text: &str, column: &ColumnDefinition) -> Refusal {
    // the words of StarRocks's error log
    format!(
        "Value '{}' is out of range. The type of '{}' is {}",
        shortened(text),
        column.name,
        column.column_type.backend_text()
    )
}

fn check_length(text: &str, column: &ColumnDefinition) -> Result<(), Refusal> {
    match column.column_type.max_bytes() {
        Some(most) if text.len() > most => Err(format!(
            "String '{}'(length={}) is too long. The max length of '{}' is {most}",
            shortened(text),
            text.len(),
            column.name
        )),
        _ => Ok(()),
    }
}

/// At most a hundred characters of a value in a message.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_loses_its_fraction_in_a_whole_column_and_a_text_with_one_is_refused() {
        let append = |literal: Literal| {
            let column = ColumnDefinition::new("value", ColumnType::Int);
            let mut values = Values::new(&column);
            values.append(&literal).map(|()| values.finish().unwrap())
        };
        for (number, expected) in [("3.7", 3), ("-3.7", -3), ("1e3", 1000), ("1.5e0", 1)] {
            let array = append(Literal::Number(number.to_owned())).unwrap();
            assert_eq!(array.as_ref(), &arrow::array::Int32Array::from(vec![expected]) as &dyn Array, "{number}");
        }
        assert!(append(Literal::Text("3.7".to_owned())).is_err());
        assert!(append(Literal::Number("1e30".to_owned())).is_err());
        assert!(append(Literal::Number("abc".to_owned())).is_err());
    }

    #[test]
    fn each_type_refuses_what_is_none_of_its_values() {
        for (column_type, good, bad) in [
            ("TINYINT", "127", "128"),
            ("LARGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105728"),
            ("INT", "-7", "3.7"),
            ("DATE", "20240807", "2024-02-30"),
            ("DATETIME", "2024-08-07 12:34:56.5", "noon"),
            ("BOOLEAN", "TRUE", "yes"),
            ("DOUBLE", "1e300", "1e400"),
            ("VARCHAR(3)", "abc", "日本"),
            ("JSON", "{\"a\":1}", "{a}"),
            ("DECIMAL(5,2)", "1.25", "12345"),
        ] {
            let column_type: ColumnType = column_type.parse().unwrap();
            assert_eq!(check_text(good, &column_type), Ok(()), "{column_type} {good}");
            assert!(check_text(bad, &column_type).is_err(), "{column_type} {bad}");
        }
    }
}
