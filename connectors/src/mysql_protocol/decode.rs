//! Rows of a server into batches, from the binary and the text protocol alike; `values` appends one value to its column.

mod decimal;
mod values;

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use mysql_common::packets::Column as Described;
use serde::{Deserialize, Serialize};

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{Reject, RejectLog};

use super::column_builder::ColumnBuilder;
use super::described::{is_read_as, read_column};
use super::value::ZeroDates;
use super::wire::Protocol;
use super::wire::cell::{self, Cell, Form};
use super::wire::fields::Fields;
use values::{Column, Refused, Trouble, append, append_binary, is_plain, shown};

/// How the values of a column are read; decides the Arrow type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// A whole number of so many bits (8, 16, 32, 64).
    Integer {
        /// Bits of the Arrow type.
        bits: u8,
        /// Whether negative numbers are values.
        signed: bool,
    },
    /// A whole number, 0 for false.
    Boolean,
    /// A 32-bit float.
    Float32,
    /// A 64-bit float.
    Float64,
    /// A decimal.
    Decimal {
        /// Digits in all, 1 to 76.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// Bits as a number, most significant byte first.
    Bits,
    /// A day.
    Date,
    /// A day and a time of day on the session's clock.
    DateTime,
    /// A time, as the text that the server's client prints.
    Time {
        /// Digits of a second, 0 to 6.
        fraction_digits: u8,
    },
    /// Text in UTF-8.
    Text,
    /// Bytes.
    Bytes,
}

impl Reading {
    /// The Arrow type of the column.
    pub fn arrow_type(self) -> DataType {
        match self {
            Self::Integer { bits: 8, signed: true } => DataType::Int8,
            Self::Integer { bits: 16, signed: true } => DataType::Int16,
            Self::Integer { bits: 32, signed: true } => DataType::Int32,
            Self::Integer { signed: true, .. } => DataType::Int64,
            Self::Integer { bits: 8, signed: false } => DataType::UInt8,
            Self::Integer { bits: 16, signed: false } => DataType::UInt16,
            Self::Integer { bits: 32, signed: false } => DataType::UInt32,
            Self::Integer { signed: false, .. } | Self::Bits => DataType::UInt64,
            Self::Boolean => DataType::Boolean,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } if precision <= 38 => DataType::Decimal128(precision, scale as i8),
            Self::Decimal { precision, scale } => DataType::Decimal256(precision, scale as i8),
            Self::Date => DataType::Date32,
            Self::DateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Time { .. } | Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
        }
    }
}

/// A column that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadColumn {
    /// The name as the server spells it.
    pub name: String,
    /// How its values are read.
    pub reading: Reading,
    /// Whether NULL may come.
    pub nullable: bool,
}

impl ReadColumn {
    /// The column as a field of a schema.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.reading.arrow_type(), self.nullable)
    }
}

/// The schema of some columns. Names may repeat.
pub fn schema_of(columns: &[ReadColumn]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(ReadColumn::field).collect::<Vec<_>>()))
}

/// A batch is given on when it holds so many bytes of values, 8 MiB: a few of them per partition fit any memory limit.
const BATCH_BYTES: usize = 8 << 20;

/// Gathers rows into batches, bounded by rows and bytes.
pub struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// What is read, for messages: `catalog shop: table d.t`.
    origin: String,
    zero_dates: ZeroDates,
    rejects: Option<Arc<dyn RejectLog>>,
    batch_rows: usize,
    rows: usize,
    bytes: usize,
    /// Values of this batch that cannot be read; at most one of each row but for text, which is looked at in the end.
    refusals: Vec<Refusal>,
    /// Rows read before this batch.
    rows_before: u64,
    protocol: Protocol,
}

/// A value of a batch that has no place in its column.
struct Refusal {
    row: usize,
    column: usize,
    refused: Refused,
}

impl BatchBuilder {
    /// A builder without rows. Without `rejects` a value that cannot be read is an error; with them its row is left out and told.
    pub fn new(
        columns: &[ReadColumn],
        origin: impl Into<String>,
        zero_dates: ZeroDates,
        rejects: Option<Arc<dyn RejectLog>>,
        batch_rows: usize,
    ) -> Self {
        let schema = schema_of(columns);
        let columns = columns
            .iter()
            .map(|column| Column {
                name: column.name.clone(),
                reading: column.reading,
                builder: ColumnBuilder::new(&column.reading.arrow_type()),
                form: Form::Unknown,
                is_plain: false,
            })
            .collect();
        Self {
            schema,
            columns,
            origin: origin.into(),
            zero_dates,
            rejects,
            batch_rows: batch_rows.max(1),
            rows: 0,
            bytes: 0,
            refusals: Vec::new(),
            rows_before: 0,
            protocol: Protocol::Text,
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Bytes of rows gathered since the last batch.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the batch must be taken.
    #[inline]
    pub fn is_full(&self) -> bool {
        let has_error = self.rejects.is_none() && !self.refusals.is_empty();
        self.rows >= self.batch_rows || self.bytes >= BATCH_BYTES || has_error
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Says what the next rows are like: the server's description of their columns, once per answer.
    ///
    /// # Errors
    /// Internal if there is another number of columns; Remote, retryable, if one is of another type than it was when the table was looked
    /// up, so that its values would lose something.
    pub fn expect(&mut self, described: &[Described], protocol: Protocol) -> Result<()> {
        if described.len() != self.columns.len() {
            return Err(ConnectorError::internal(format!(
                "{}: a row has {} values for {} columns",
                self.origin,
                described.len(),
                self.columns.len()
            )));
        }
        if let Some((column, described)) =
            self.columns.iter().zip(described).find(|(column, described)| !is_read_as(described, column.reading))
        {
            return Err(ConnectorError::retryable(
                ErrorCode::Remote,
                format!(
                    "{}, column {}: the table was changed meanwhile: the column was looked up as {:?}, and the server now sends {:?}; run the statement again",
                    self.origin,
                    column.name,
                    column.reading,
                    read_column(described, false).reading
                ),
            ));
        }
        self.protocol = protocol;
        for (column, described) in self.columns.iter_mut().zip(described) {
            column.form = Form::of(described);
            column.is_plain = protocol == Protocol::Binary && is_plain(&column.builder, column.reading, column.form);
        }
        Ok(())
    }

    /// Takes a row, as the bytes of its packet. A value that cannot be read makes the batch full where nobody takes rejects.
    ///
    /// # Errors
    /// Connection for a row that does not follow the protocol.
    #[inline]
    pub fn push(&mut self, row: &[u8]) -> Result<()> {
        let read = match self.protocol {
            Protocol::Binary => self.push_binary(row),
            Protocol::Text => self.push_text(row),
        };
        self.rows += 1;
        self.bytes += row.len();
        read.ok_or_else(|| self.malformed())
    }

    #[inline]
    fn push_binary(&mut self, row: &[u8]) -> Option<()> {
        let (nulls, mut fields) = cell::split_row(row, self.columns.len())?;
        for (index, column) in self.columns.iter_mut().enumerate() {
            if cell::is_null(nulls, index) {
                column.builder.append_null();
            } else if let Err(trouble) = append_binary(column, &mut fields, self.zero_dates) {
                let Trouble::Refused(refused) = trouble else { return None };
                column.builder.append_null();
                self.refusals.push(Refusal { row: self.rows, column: index, refused: *refused });
            }
        }
        fields.is_empty().then_some(())
    }

    fn push_text(&mut self, row: &[u8]) -> Option<()> {
        let mut fields = Fields(row);
        for (index, column) in self.columns.iter_mut().enumerate() {
            let appended = match cell::text(&mut fields)? {
                None => {
                    column.builder.append_null();
                    Ok(())
                }
                Some(cell) => append(&mut column.builder, column.reading, cell, self.zero_dates),
            };
            if let Err(refused) = appended {
                column.builder.append_null();
                self.refusals.push(Refusal { row: self.rows, column: index, refused });
            }
        }
        fields.is_empty().then_some(())
    }

    #[cold]
    fn malformed(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Connection,
            format!(
                "{}, row {}: the row does not follow MySQL's protocol",
                self.origin,
                self.rows_before + self.rows as u64
            ),
        )
    }

    /// The rows gathered so far as a batch, without those that were refused.
    ///
    /// # Errors
    /// [`ErrorCode::Value`] naming column, value and row of the first value that cannot be read when nobody takes rejects;
    /// [`ErrorCode::Rejects`] when they are too many; Internal when Arrow refuses the columns.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter_mut().enumerate() {
            let (array, not_text) = column.builder.finish();
            arrays.push(array);
            for (row, value) in not_text {
                let refused = Refused { value: shown(Cell::Bytes(&value)), reason: "the text is not UTF-8".into() };
                self.refusals.push(Refusal { row, column: index, refused });
            }
        }
        let mut rows = self.rows;
        let refused = self.report_refusals()?;
        if !refused.is_empty() {
            let mut keep = vec![true; rows];
            for row in &refused {
                keep[*row] = false;
            }
            rows -= refused.len();
            let keep = BooleanArray::from(keep);
            for array in &mut arrays {
                *array = filter(array, &keep)
                    .map_err(|error| ConnectorError::internal("cannot build a batch").with_source(error))?;
            }
        }
        self.rows_before += self.rows as u64;
        self.rows = 0;
        self.bytes = 0;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(|error| {
            let text = format!("{}: {error}", self.origin);
            ConnectorError::internal(text).with_source(error)
        })
    }

    /// Tells what could not be read, one value of each row; the rows that it was in.
    fn report_refusals(&mut self) -> Result<Vec<usize>> {
        let mut refusals = std::mem::take(&mut self.refusals);
        refusals.sort_by_key(|refusal| (refusal.row, refusal.column));
        refusals.dedup_by_key(|refusal| refusal.row);
        let mut rows = Vec::with_capacity(refusals.len());
        for Refusal { row, column, refused: Refused { value, reason } } in refusals {
            let number = self.rows_before + row as u64 + 1;
            let column = self.columns[column].name.clone();
            let Some(rejects) = &self.rejects else {
                return Err(ConnectorError::new(
                    ErrorCode::Value,
                    format!("{}, column {column}, row {number}: {reason}: {value}", self.origin),
                ));
            };
            rejects.reject(Reject {
                column: Some(column),
                value: Some(value),
                reason,
                row: Some(number),
                ..Reject::default()
            })?;
            rows.push(row);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
