//! Small tables that the server makes of what it knows: SHOW and information_schema.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::error::SqlError;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellType {
    Text,
    Int,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Int(i64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Names and types of columns, in order.
pub(crate) type Columns = &'static [(&'static str, CellType)];

/// Rows under fixed columns.
#[derive(Debug)]
pub(crate) struct SystemTable {
    columns: Vec<(String, CellType)>,
    rows: Vec<Vec<Cell>>,
}

impl SystemTable {
    pub(crate) fn new(columns: Columns) -> Self {
        Self { columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(), rows: Vec::new() }
    }

    /// A table whose columns are all text.
    pub(crate) fn of_text(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|name| ((*name).to_owned(), CellType::Text)).collect(), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Keeps the rows whose first column matches a LIKE pattern.
    pub(crate) fn retain_like(&mut self, pattern: &str) {
        self.rows.retain(|row| matches!(row.first(), Some(Cell::Text(text)) if like(pattern, text)));
    }

    pub(crate) fn schema(columns: &[(String, CellType)]) -> SchemaRef {
        let fields: Vec<_> = columns
            .iter()
            .map(|(name, kind)| {
                let data_type = if *kind == CellType::Int { DataType::Int64 } else { DataType::Utf8 };
                Field::new(name, data_type, true)
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    pub(crate) fn into_batch(self) -> Result<RecordBatch, SqlError> {
        let schema = Self::schema(&self.columns);
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for (index, (_, kind)) in self.columns.iter().enumerate() {
            let cells = self.rows.iter().map(|row| row.get(index).unwrap_or(&Cell::Null));
            arrays.push(match kind {
                CellType::Int => Arc::new(
                    cells
                        .map(|cell| if let Cell::Int(value) = cell { Some(*value) } else { None })
                        .collect::<Int64Array>(),
                ),
                CellType::Text => Arc::new(
                    cells
                        .map(|cell| match cell {
                            Cell::Null => None,
                            Cell::Text(text) => Some(text.clone()),
                            Cell::Int(value) => Some(value.to_string()),
                        })
                        .collect::<StringArray>(),
                ),
            });
        }
        RecordBatch::try_new(schema, arrays).map_err(|error| SqlError::internal(error.to_string()))
    }
}

/// SQL's LIKE without regard to case, as SHOW … LIKE compares. Takes time in proportion to both lengths multiplied.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let pattern = pattern_units(&pattern.to_lowercase());
    let text: Vec<char> = text.to_lowercase().chars().collect();
    // matched[i]: whether the pattern so far matches the first i characters
    let mut matched = vec![false; text.len() + 1];
    matched[0] = true;
    for unit in pattern {
        let mut next = vec![false; text.len() + 1];
        for end in 0..=text.len() {
            next[end] = match unit {
                Unit::Any => matched[end] || (end > 0 && next[end - 1]),
                Unit::One => end > 0 && matched[end - 1],
                Unit::Literal(character) => end > 0 && matched[end - 1] && text[end - 1] == character,
            };
        }
        matched = next;
    }
    matched[text.len()]
}

enum Unit {
    Any,
    One,
    Literal(char),
}

fn pattern_units(pattern: &str) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        units.push(match character {
            '%' => Unit::Any,
            '_' => Unit::One,
            '\\' => Unit::Literal(characters.next().unwrap_or('\\')),
            other => Unit::Literal(other),
        });
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_wildcards_and_escapes() {
        for (pattern, text, expected) in [
            ("ods%", "ods_raw_log_d", true),
            ("%log%", "ods_raw_LOG_d", true),
            ("ods_raw", "ods_raw", true),
            ("ods\\_raw", "odsxraw", false),
            ("ods\\_raw", "ods_raw", true),
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("a_", "a", false),
            ("%%a%%", "bab", true),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
