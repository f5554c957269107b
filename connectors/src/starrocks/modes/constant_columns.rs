//! Columns that have one value in all rows: `INSERT … PARTITION (dt = '20240807')`. They are put behind the columns of each batch, for any mode.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

use crate::error::{ConnectorError, Result};
use crate::sink::{CommitToken, Sink, WriteSummary, Writer};

/// A sink whose inner sink also gets these columns.
#[derive(Debug)]
pub(in super::super) struct ConstantColumns {
    inner: Arc<dyn Sink>,
    /// Name and value, as an array of one row.
    columns: Arc<[(String, ArrayRef)]>,
}

impl ConstantColumns {
    pub(in super::super) fn new(inner: Arc<dyn Sink>, columns: Vec<(String, ArrayRef)>) -> Self {
        Self { inner, columns: columns.into() }
    }
}

#[async_trait]
impl Sink for ConstantColumns {
    async fn begin(&self, writers: usize) -> Result<()> {
        self.inner.begin(writers).await
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        let inner = self.inner.open(writer, writers).await?;
        Ok(Box::new(ConstantColumnsWriter { inner, columns: self.columns.clone() }))
    }

    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary> {
        self.inner.commit(tokens).await
    }

    async fn abort(&self) -> Result<()> {
        self.inner.abort().await
    }

    fn remains(&self) -> Option<WriteSummary> {
        self.inner.remains()
    }
}

struct ConstantColumnsWriter {
    inner: Box<dyn Writer>,
    columns: Arc<[(String, ArrayRef)]>,
}

#[async_trait]
impl Writer for ConstantColumnsWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.inner.write(&with_columns(batch, &self.columns)?).await
    }

    fn bytes_written(&self) -> u64 {
        self.inner.bytes_written()
    }

    async fn finish(self: Box<Self>) -> Result<CommitToken> {
        self.inner.finish().await
    }
}

fn with_columns(batch: &RecordBatch, columns: &[(String, ArrayRef)]) -> Result<RecordBatch> {
    let failed = |error| ConnectorError::internal("a column cannot be put behind a batch").with_source(error);
    let first = UInt32Array::from(vec![0; batch.num_rows()]);
    let mut fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().collect();
    let mut arrays = batch.columns().to_vec();
    for (name, value) in columns {
        fields.push(Arc::new(Field::new(name, value.data_type().clone(), true)));
        arrays.push(take(value, &first, None).map_err(failed)?);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(failed)
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array, StringArray};

    use super::*;

    #[test]
    fn each_row_gets_the_value() {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("id", id)]).unwrap();
        let dt: ArrayRef = Arc::new(StringArray::from(vec!["20240807"]));
        let nothing: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
        let wide = with_columns(&batch, &[("dt".into(), dt), ("n".into(), nothing)]).unwrap();
        assert_eq!((wide.num_rows(), wide.num_columns()), (2, 3));
        assert_eq!(wide.column(1).as_string::<i32>().value(1), "20240807");
        assert_eq!(wide.column(2).null_count(), 2);
    }
}
