//! A column of a batch with what is in its lists, maps and structs, looked at once.

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray};
use arrow::datatypes::DataType;

use super::cells::{self, DateText, FloatKind};
use crate::csv::column::{Column, Values};
use crate::csv::json::append_string;
use crate::error::Result;

/// A column, or what is in one.
pub(super) enum Tree<'a> {
    /// Values without parts.
    Flat(Column<'a>),
    List {
        array: &'a ListArray,
        items: Box<Tree<'a>>,
    },
    Map {
        array: &'a MapArray,
        keys: Box<Tree<'a>>,
        values: Box<Tree<'a>>,
    },
    Struct {
        array: &'a StructArray,
        fields: Vec<(&'a str, Tree<'a>)>,
    },
}

impl<'a> Tree<'a> {
    pub(super) fn new(array: &'a ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::List(_) => {
                let array = array.as_list::<i32>();
                Self::List { array, items: Box::new(Self::new(array.values())?) }
            }
            DataType::Map(..) => {
                let array = array.as_map();
                let (keys, values) = (Self::new(array.keys())?, Self::new(array.values())?);
                Self::Map { array, keys: Box::new(keys), values: Box::new(values) }
            }
            DataType::Struct(types) => {
                let array = array.as_struct();
                let mut fields = Vec::with_capacity(types.len());
                for (field, values) in types.iter().zip(array.columns()) {
                    fields.push((field.name().as_str(), Self::new(values)?));
                }
                Self::Struct { array, fields }
            }
            _ => Self::Flat(Column::new(array)?),
        })
    }

    /// Whether the row's value is NULL.
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Flat(column) => column.is_null(row) || matches!(column.values, Values::Null),
            Self::List { array, .. } => array.is_null(row),
            Self::Map { array, .. } => array.is_null(row),
            Self::Struct { array, .. } => array.is_null(row),
        }
    }

    /// The most bytes that a value takes beside those of texts, and the bytes of all texts; 0 of what has parts.
    pub(super) fn bytes(&self) -> (usize, usize) {
        match self {
            Self::Flat(column) => (column.fixed_bytes, column.text_bytes),
            _ => (0, 0),
        }
    }

    /// Appends a value as JSON; NULL is `null`, keys of maps are text.
    pub(super) fn append_json(&self, row: usize, dates: &DateText, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match self {
            Self::Flat(column) => append_flat_json(column, row, dates, out),
            Self::List { array, items } => {
                out.push(b'[');
                separated(out, b",", range(array.value_offsets(), row), |item, out| {
                    items.append_json(item, dates, out)
                });
                out.push(b']');
            }
            Self::Map { array, keys, values } => {
                out.push(b'{');
                separated(out, b",", range(array.value_offsets(), row), |entry, out| {
                    keys.append_json(entry, dates, out);
                    out.push(b':');
                    values.append_json(entry, dates, out);
                });
                out.push(b'}');
            }
            Self::Struct { fields, .. } => {
                out.push(b'{');
                separated(out, b",", 0..fields.len(), |field, out| {
                    append_string(out, fields[field].0);
                    out.push(b':');
                    fields[field].1.append_json(row, dates, out);
                });
                out.push(b'}');
            }
        }
    }
}

/// Where a row's items are.
pub(super) fn range(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    let at = |index: usize| usize::try_from(offsets[index]).unwrap_or(0);
    at(row)..at(row + 1)
}

/// Appends some things with a delimiter between each two.
pub(super) fn separated(
    out: &mut Vec<u8>,
    delimiter: &[u8],
    indices: std::ops::Range<usize>,
    mut append: impl FnMut(usize, &mut Vec<u8>),
) {
    for (count, index) in indices.enumerate() {
        if count > 0 {
            out.extend_from_slice(delimiter);
        }
        append(index, out);
    }
}

fn append_flat_json(column: &Column, row: usize, dates: &DateText, out: &mut Vec<u8>) {
    let is_quoted = match &column.values {
        Values::Text(texts) => return append_string(out, texts.value(row)),
        Values::Float64(values) => FloatKind::of(values[row]) != FloatKind::Finite,
        Values::Float32(values) => FloatKind::of(values[row].into()) != FloatKind::Finite,
        Values::Date(_) | Values::Timestamp(_) if dates.date.is_some() || dates.timestamp.is_some() => {
            let mut text = Vec::new();
            cells::append(column, row, dates, &mut text);
            return append_string(out, &String::from_utf8_lossy(&text));
        }
        Values::Date(_) | Values::Timestamp(_) | Values::Binary(_) => true,
        _ => false,
    };
    if is_quoted {
        out.push(b'"');
    }
    cells::append(column, row, dates, out);
    if is_quoted {
        out.push(b'"');
    }
}
