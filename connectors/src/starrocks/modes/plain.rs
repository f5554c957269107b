//! Many loads, each visible by itself: fast and of any size, but a failure leaves a part, which is said.

use std::sync::Arc;

use async_trait::async_trait;

use super::loads::ParallelLoads;
use super::target::WriteTarget;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{CommitToken, ErrorLimit, Sink, WriteSummary, Writer};

/// A write as many loads.
#[derive(Debug)]
pub(in super::super) struct PlainSink {
    target: Arc<WriteTarget>,
    loads: Arc<ParallelLoads>,
}

impl PlainSink {
    pub(in super::super) fn new(target: Arc<WriteTarget>) -> Self {
        Self { loads: ParallelLoads::new(target.clone()), target }
    }
}

#[async_trait]
impl Sink for PlainSink {
    async fn begin(&self, writers: usize) -> Result<()> {
        self.target.record_attempt(writers, "plain").await
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        Ok(self.loads.writer(writer, writers))
    }

    async fn commit(&self, _: Vec<CommitToken>) -> Result<WriteSummary> {
        let mut summary = self.loads.take_summary("plain", |_| true);
        if summary.labels.len() > 1 && self.target.options().settings.error_limit != ErrorLimit::Rows(0) {
            summary.warnings.push(
                "write_mode plain: \"error_limit\" holds for each load, and loads side by side may together have passed it"
                    .to_owned(),
            );
        }
        if summary.labels.len() > 1 {
            summary.warnings.push(format!(
                "write_mode plain: {} loads became visible one by one; a failure in between would have left a part",
                summary.labels.len()
            ));
        }
        // Everything is visible already: what cannot be recorded changes nothing.
        if let Err(error) = self.target.record_decision(&summary.labels).await {
            summary.warnings.push(format!("the commit could not be recorded: {}", error.message()));
        }
        self.target.forget().await;
        Ok(summary)
    }

    async fn abort(&self) -> Result<()> {
        let left = self.loads.roll_back().await;
        if left.committed.is_empty() && left.errors.is_empty() {
            self.target.forget().await;
            return Ok(());
        }
        let mut parts = Vec::new();
        if !left.committed.is_empty() {
            parts.push(format!(
                "write_mode 'plain' is not atomic, and {} loads with {} rows or more are visible and stay: {}; remove them by hand before running again",
                left.committed.len(),
                left.rows,
                left.committed.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            ));
        }
        parts.extend(left.errors.iter().map(|error| error.message().to_owned()));
        let code = if left.committed.is_empty() { ErrorCode::Unknown } else { ErrorCode::PartlyCommitted };
        Err(ConnectorError::new(code, format!("{}: {}", self.target.shown(), parts.join("; "))))
    }

    fn remains(&self) -> Option<WriteSummary> {
        Some(self.loads.remains("plain"))
    }
}
