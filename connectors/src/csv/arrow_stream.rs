//! Batches as an Arrow IPC stream, for loads with `format: arrow` (StarRocks 4.2 and later).

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;

use super::temporal::append_timestamp;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{TargetColumn, TargetType};

/// Encodes batches as the body of one Arrow load: a schema with the target's names, then the batches, then the end of the stream.
///
/// The server finds columns by name. What it reads as it is goes as it is; a DATETIME and a LARGEINT go as text, which the server casts: a
/// timestamp without a zone would be moved by the load's `timezone`, and LARGEINT has no Arrow type. Nothing that text can hold needs a form of
/// its own here: delimiters, the text `\N` and NUL bytes are carried as they are.
#[derive(Debug, Clone)]
pub struct ArrowEncoder {
    names: Vec<String>,
}

impl ArrowEncoder {
    /// An encoder for batches with these columns, in order.
    pub fn new(columns: &[TargetColumn]) -> Self {
        Self { names: columns.iter().map(|column| column.name.clone()).collect() }
    }

    /// Why a target with these columns cannot be sent as Arrow: the server reads text for a nested or special column as no value of it.
    ///
    /// # Errors
    /// Unsupported, naming the first such column.
    pub fn check(columns: &[TargetColumn]) -> Result<()> {
        match columns.iter().find(|column| column.kind == TargetType::Other) {
            None => Ok(()),
            Some(column) => Err(ConnectorError::new(
                ErrorCode::Unsupported,
                format!(
                    "column `{}` of type {} cannot be sent with \"format\" = 'arrow'; leave the format to syncline, or write 'json'",
                    column.name, column.type_name
                ),
            )),
        }
    }

    /// The beginning of a stream.
    pub fn stream(&self) -> ArrowStream {
        ArrowStream { names: self.names.clone(), writer: None }
    }
}

/// One stream that is being written.
pub struct ArrowStream {
    names: Vec<String>,
    /// Made with the first batch, whose types are those of the stream.
    writer: Option<StreamWriter<Vec<u8>>>,
}

impl fmt::Debug for ArrowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrowStream").field("columns", &self.names).finish_non_exhaustive()
    }
}

impl ArrowStream {
    /// Appends a batch; its bytes are appended to `out`.
    pub fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        if batch.num_columns() != self.names.len() {
            return Err(ConnectorError::internal("a batch has other columns than the Arrow encoder"));
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let arrays = batch.columns().iter().map(sent_array).collect::<Result<Vec<_>>>()?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(
                StreamWriter::try_new(Vec::new(), &schema_of(&self.names, &arrays))
                    .map_err(|error| cannot_encode(&error))?,
            ),
        };
        let schema = schema_of(&self.names, &arrays);
        let batch = RecordBatch::try_new(schema, arrays).map_err(|error| cannot_encode(&error))?;
        writer.write(&batch).map_err(|error| cannot_encode(&error))?;
        out.append(writer.get_mut());
        Ok(())
    }

    /// Ends the stream; its last bytes are appended to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.finish().map_err(|error| cannot_encode(&error))?;
        out.append(writer.get_mut());
        Ok(())
    }
}

fn schema_of(names: &[String], arrays: &[ArrayRef]) -> SchemaRef {
    let fields = names.iter().zip(arrays).map(|(name, array)| Field::new(name, array.data_type().clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A column in the type that it is sent as.
fn sent_array(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Timestamp(..) => {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            let mut texts = StringBuilder::with_capacity(times.len(), times.len() * 19);
            let mut text = Vec::new();
            for time in times {
                text.clear();
                time.into_iter().for_each(|micros| append_timestamp(&mut text, micros));
                texts.append_option(time.map(|_| std::str::from_utf8(&text).unwrap_or_default()));
            }
            Ok(Arc::new(texts.finish()))
        }
        // 39 digits: LARGEINT, one more than Decimal128 has.
        DataType::Decimal256(39, 0) => {
            cast_with_options(array, &DataType::Utf8, &CastOptions::default()).map_err(|error| cannot_encode(&error))
        }
        DataType::Null => Ok(arrow::array::new_null_array(&DataType::Utf8, array.len())),
        _ => Ok(Arc::clone(array)),
    }
}

fn cannot_encode(error: &arrow::error::ArrowError) -> ConnectorError {
    ConnectorError::internal(format!("rows cannot be written as Arrow: {error}"))
}
