//! JSON lines: an object per row, by the columns' names.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;

use super::cells::DateText;
use super::delimited::LOSES_TIME;
use super::tree::{Tree, separated};
use super::{LineSyntax, unsupported};
use crate::csv::Uncarried;
use crate::csv::json::append_string;
use crate::csv::temporal::MICROS_PER_DAY;
use crate::error::{ConnectorError, Result};
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
            if json.timestamp_format.is_some() && data_type.is_nested() && holds_time(data_type) {
                let message = format!(
                    "column \"{name}\" holds timestamps within {data_type}, which a format of dates could cut; leave the format out"
                );
                return Err(ConnectorError::option(message));
            }
        }
        if options.line_delimiter.is_some() {
            return Err(ConnectorError::option("lines of JSON end in LF; leave the lines' delimiter out"));
        }
        Ok(Self {
            keys: options.columns.iter().map(|(name, _)| key(name)).collect(),
            dates: DateText { date: json.date_format.clone(), timestamp: json.timestamp_format.clone() },
        })
    }
}

fn holds_time(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(..) => true,
        DataType::List(item) => holds_time(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_time(field.data_type())),
        DataType::Map(entries, _) => holds_time(entries.data_type()),
        _ => false,
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

impl LineSyntax for JsonLines {
    fn header(&self, _: &mut Vec<u8>) {}

    fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Tree::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            out.push(b'{');
            separated(out, b",", 0..columns.len(), |column, out| {
                out.extend_from_slice(&self.keys[column]);
                columns[column].append_json(row, &self.dates, out);
            });
            out.extend_from_slice(b"}\n");
        }
        Ok(())
    }

    fn uncarried(&self, batch: &RecordBatch, found: &mut Vec<Uncarried>) -> Result<()> {
        let Some(pattern) = &self.dates.timestamp else { return Ok(()) };
        for (column, array) in batch.columns().iter().enumerate() {
            let Some(times) = array.as_primitive_opt::<TimestampMicrosecondType>() else { continue };
            for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
                if !pattern.keeps(times.value(row).rem_euclid(MICROS_PER_DAY)) {
                    found.push(Uncarried { row, column, reason: LOSES_TIME });
                }
            }
        }
        Ok(())
    }
}
