//! Commit tokens: what a writer tells the commit node, one row each.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{ConnectorError, Result};

/// What one writer did. Rows with `last` unset are live progress and commit nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitToken {
    /// The writer, from 0.
    pub writer: usize,
    /// The number of writers of the plan.
    pub writers: usize,
    /// The epoch; 0 for a bounded write.
    pub epoch: u64,
    /// Rows accepted by the target so far.
    pub rows: u64,
    /// Bytes sent so far, as encoded.
    pub bytes: u64,
    /// What must be committed, in the sink's own words (for StarRocks a label per line); empty when there is nothing.
    pub label: String,
    /// Whether the writer has ended.
    pub last: bool,
}

impl CommitToken {
    /// What a writer says when it has ended, in a bounded write.
    pub fn last(writer: usize, writers: usize, rows: u64, bytes: u64, label: String) -> Self {
        Self { writer, writers, epoch: 0, rows, bytes, label, last: true }
    }

    /// The schema of token batches.
    pub fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("writer", DataType::UInt64, false),
            Field::new("writers", DataType::UInt64, false),
            Field::new("epoch", DataType::UInt64, false),
            Field::new("rows", DataType::UInt64, false),
            Field::new("bytes", DataType::UInt64, false),
            Field::new("label", DataType::Utf8, false),
            Field::new("last", DataType::Boolean, false),
        ]))
    }

    /// One token as a batch of one row.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let number = |value: u64| Arc::new(UInt64Array::from(vec![value]));
        RecordBatch::try_new(
            Self::schema(),
            vec![
                number(self.writer as u64),
                number(self.writers as u64),
                number(self.epoch),
                number(self.rows),
                number(self.bytes),
                Arc::new(StringArray::from(vec![self.label.as_str()])),
                Arc::new(BooleanArray::from(vec![self.last])),
            ],
        )
        .map_err(|error| ConnectorError::internal("cannot build a commit token").with_source(error))
    }

    /// The tokens of a batch.
    pub fn from_batch(batch: &RecordBatch) -> Result<Vec<Self>> {
        fn column<T: Array + 'static>(batch: &RecordBatch, index: usize) -> Result<&T> {
            batch
                .columns()
                .get(index)
                .and_then(|column| column.as_any().downcast_ref::<T>())
                .ok_or_else(|| ConnectorError::internal("a commit token has a column of another type"))
        }
        let numbers = (0..5).map(|index| column::<UInt64Array>(batch, index)).collect::<Result<Vec<_>>>()?;
        let labels = column::<StringArray>(batch, 5)?;
        let last = column::<BooleanArray>(batch, 6)?;
        Ok((0..batch.num_rows())
            .map(|row| Self {
                writer: numbers[0].value(row) as usize,
                writers: numbers[1].value(row) as usize,
                epoch: numbers[2].value(row),
                rows: numbers[3].value(row),
                bytes: numbers[4].value(row),
                label: labels.value(row).to_owned(),
                last: last.value(row),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_batch() {
        let token =
            CommitToken { writer: 3, writers: 4, epoch: 0, rows: 7, bytes: 99, label: "a\nb".into(), last: true };
        assert_eq!(CommitToken::from_batch(&token.to_batch().unwrap()).unwrap(), vec![token]);
    }
}
