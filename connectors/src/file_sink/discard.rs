//! A target that reads rows and drops them: `COPY … TO 'discard:'` shows how fast a source is.

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

use super::plan::target_column;
use crate::error::{ConnectorError, Result};
use crate::options::Options;
use crate::sink::{CommitToken, PlannedWrite, Sink, WriteRequest, WriteSettings, WriteSummary, Writer, map_columns};
use crate::throttle::Throttles;

/// The location that means it.
pub const DISCARD: &str = "discard:";

/// Plans a write of these columns to nowhere.
///
/// # Errors
/// Code Option for a property that no write has, Unsupported for a type that none takes.
pub fn plan_discard(columns: &[(String, DataType)], request: WriteRequest) -> Result<PlannedWrite> {
    let (settings, rest) = WriteSettings::parse(&request.properties, &request.settings, &Options::new())?;
    if let Some((name, _)) = rest.iter().next() {
        return Err(ConnectorError::option(format!("property \"{name}\" is not one of rows that are dropped")));
    }
    let all = columns.iter().map(target_column).collect::<Result<Vec<_>>>()?;
    Ok(PlannedWrite {
        columns: map_columns(&request.mapping, &request.source, &all)?,
        sink: Arc::new(DiscardSink),
        error_limit: settings.error_limit,
        max_writers: usize::MAX,
        throttles: Throttles::none(),
        description: "rows are read, counted and dropped".to_owned(),
    })
}

#[derive(Debug)]
struct DiscardSink;

#[async_trait]
impl Sink for DiscardSink {
    async fn begin(&self, _writers: usize) -> Result<()> {
        Ok(())
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        Ok(Box::new(DiscardWriter { writer, writers, rows: 0 }))
    }

    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary> {
        Ok(WriteSummary {
            rows_written: tokens.iter().map(|token| token.rows).sum(),
            write_mode: "discard".to_owned(),
            ..WriteSummary::default()
        })
    }

    async fn abort(&self) -> Result<()> {
        Ok(())
    }
}

struct DiscardWriter {
    writer: usize,
    writers: usize,
    rows: u64,
}

#[async_trait]
impl Writer for DiscardWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<CommitToken> {
        Ok(CommitToken::last(self.writer, self.writers, self.rows, 0, String::new()))
    }
}
