//! JSON lines: an object per row, by the columns' names.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;

use super::cells::{self, DateText, FloatKind};
use super::delimited::LOSES_TIME;
use super::{LineSyntax, unsupported};
use crate::csv::Uncarried;
use crate::csv::column::{Column, Values};
use crate::csv::json::append_string;
use crate::csv::temporal::MICROS_PER_DAY;
use crate::error::Result;
use crate::text::{JsonSyntax, TextTableOptions};

/// Lines of JSON. NULLs are written as `null`; numbers of any size are numbers; bytes are base64.
#[derive(Debug)]
pub(super) struct JsonLines {
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
    dates: DateText,
}

impl JsonLines {
    pub(super) fn new(options: &TextTableOptions, json: &JsonSyntax) -> Result<Self> {
        for (name, data_type) in &options.columns {
            check(name, data_type)?;
        }
        if options.line_delimiter.is_some() {
            return Err(crate::error::ConnectorError::option("lines of JSON end in LF; leave the lines' delimiter out"));
        }
        Ok(Self {
            keys: options.columns.iter().map(|(name, _)| key(name)).collect(),
            dates: DateText { date: json.date_format.clone(), timestamp: json.timestamp_format.clone() },
        })
    }
}

fn check(name: &str, data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::List(item) => check(name, item.data_type()),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check(name, field.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 && *fields[0].data_type() == DataType::Utf8 => {
                check(name, fields[1].data_type())
            }
            _ => Err(unsupported(name, data_type, "a file of JSON (keys of maps are text)")),
        },
        nested if nested.is_nested() => Err(unsupported(name, data_type, "a file of JSON")),
        _ => Ok(()),
    }
}

fn key(name: &str) -> Vec<u8> {
    let mut key = Vec::new();
    append_string(&mut key, name);
    key.push(b':');
    key
}

/// A column, or what is in one, of one batch.
enum Json<'a> {
    Flat(Column<'a>),
    List { array: &'a arrow::array::ListArray, items: Box<Json<'a>> },
    Map { array: &'a arrow::array::MapArray, keys: &'a arrow::array::StringArray, values: Box<Json<'a>> },
    Struct { array: &'a arrow::array::StructArray, fields: Vec<(Vec<u8>, Json<'a>)> },
}

impl<'a> Json<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::List(_) => {
                let array = array.as_list::<i32>();
                Self::List { array, items: Box::new(Self::new(array.values())?) }
            }
            DataType::Map(..) => {
                let array = array.as_map();
                Self::Map { array, keys: array.keys().as_string(), values: Box::new(Self::new(array.values())?) }
            }
            DataType::Struct(types) => {
                let array = array.as_struct();
                let field = |(field, values): (&arrow::datatypes::FieldRef, &'a ArrayRef)| Ok((key(field.name()), Self::new(values)?));
                Self::Struct { array, fields: types.iter().zip(array.columns()).map(field).collect::<Result<_>>()? }
            }
            _ => Self::Flat(Column::new(array)?),
        })
    }

    fn append(&self, row: usize, dates: &DateText, out: &mut Vec<u8>) {
        match self {
            Self::Flat(column) => append_flat(column, row, dates, out),
            Self::List { array, .. } if array.is_null(row) => out.extend_from_slice(b"null"),
            Self::Map { array, .. } if array.is_null(row) => out.extend_from_slice(b"null"),
            Self::Struct { array, .. } if array.is_null(row) => out.extend_from_slice(b"null"),
            Self::List { array, items } => {
                let offsets = array.value_offsets();
                out.push(b'[');
                separated(out, offsets[row] as usize..offsets[row + 1] as usize, |item, out| items.append(item, dates, out));
                out.push(b']');
            }
            Self::Map { array, keys, values } => {
                let offsets = array.value_offsets();
                out.push(b'{');
                separated(out, offsets[row] as usize..offsets[row + 1] as usize, |entry, out| {
                    append_string(out, keys.value(entry));
                    out.push(b':');
                    values.append(entry, dates, out);
                });
                out.push(b'}');
            }
            Self::Struct { fields, .. } => {
                out.push(b'{');
                separated(out, 0..fields.len(), |field, out| {
                    out.extend_from_slice(&fields[field].0);
                    fields[field].1.append(row, dates, out);
                });
                out.push(b'}');
            }
        }
    }
}

fn separated(out: &mut Vec<u8>, range: std::ops::Range<usize>, mut append: impl FnMut(usize, &mut Vec<u8>)) {
    for (count, index) in range.enumerate() {
        if count > 0 {
            out.push(b',');
        }
        append(index, out);
    }
}

fn append_flat(column: &Column, row: usize, dates: &DateText, out: &mut Vec<u8>) {
    let is_quoted = match &column.values {
        _ if column.is_null(row) => return out.extend_from_slice(b"null"),
        Values::Null => return out.extend_from_slice(b"null"),
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

impl LineSyntax for JsonLines {
    fn header(&self, _: &mut Vec<u8>) {}

    fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Json::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            out.push(b'{');
            separated(out, 0..columns.len(), |column, out| {
                out.extend_from_slice(&self.keys[column]);
                columns[column].append(row, &self.dates, out);
            });
            out.extend_from_slice(b"}\n");
        }
        Ok(())
    }

    fn uncarried(&self, batch: &RecordBatch, found: &mut Vec<Uncarried>) -> Result<()> {
        let Some(pattern) = &self.dates.timestamp else { return Ok(()) };
        for (column, array) in batch.columns().iter().enumerate() {
            let Some(times) = array.as_primitive_opt::<arrow::datatypes::TimestampMicrosecondType>() else { continue };
            for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
                if !pattern.keeps(times.value(row).rem_euclid(MICROS_PER_DAY)) {
                    found.push(Uncarried { row, column, reason: LOSES_TIME });
                }
            }
        }
        Ok(())
    }
}
