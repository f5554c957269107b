//! The rows of a result, batch by batch, so that a large one is never held as a whole.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::{FutureExt, StreamExt};

use super::error::SqlError;

/// Rows on their way to a client.
pub(crate) struct RowStream {
    schema: SchemaRef,
    source: Source,
}

enum Source {
    Batch(Option<RecordBatch>),
    Query {
        stream: SendableRecordBatchStream,
        /// How long one batch may take (StarRocks: `query_timeout`).
        timeout: Duration,
    },
}

impl RowStream {
    pub(crate) fn from_batch(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), source: Source::Batch(Some(batch)) }
    }

    pub(crate) fn from_query(stream: SendableRecordBatchStream, timeout: Duration) -> Self {
        Self { schema: stream.schema(), source: Source::Query { stream, timeout } }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next batch; `None` after the last one.
    pub(crate) async fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        match &mut self.source {
            Source::Batch(batch) => batch.take().map(Ok),
            Source::Query { stream, timeout } => {
                // a defect in an operator must end the statement, not the connection
                let next = AssertUnwindSafe(stream.next()).catch_unwind();
                match tokio::time::timeout(*timeout, next).await {
                    Ok(Ok(batch)) => batch.map(|batch| batch.map_err(SqlError::from)),
                    Ok(Err(_)) => Some(Err(SqlError::internal("a query operator failed"))),
                    Err(_) => Some(Err(SqlError::query_timeout(*timeout))),
                }
            }
        }
    }
}
