//! A sink that keeps rows in memory, for the tests of the nodes, and to prove the conformance suite.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{CommitToken, ErrorLimit, PlannedWrite, Sink, TargetColumn, WriteSummary, Writer};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::throttle::Throttles;

/// What a test makes the sink do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// `begin` fails.
    Begin,
    /// A writer fails after so many rows.
    WriterAfter(usize),
    /// Writers wait for ever after so many rows.
    HangAfter(usize),
    /// So, and what was written cannot be removed.
    StuckAfter(usize),
    /// The commit fails and leaves nothing.
    Commit,
    /// The commit's outcome is not known.
    CommitUnknown,
    /// The commit takes a while.
    SlowCommit,
    /// Every batch takes a while.
    SlowWriters,
    /// The last writer's token says that it is writer 0.
    DoubledToken,
}

#[derive(Debug, Default)]
pub(crate) struct MemorySink {
    pub(crate) fault: Fault,
    pub(crate) staged: Mutex<BTreeMap<usize, Vec<RecordBatch>>>,
    pub(crate) visible: Mutex<Vec<RecordBatch>>,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) writers_open: AtomicUsize,
    pub(crate) reached: Notify,
}

impl MemorySink {
    pub(crate) fn new(fault: Fault) -> Arc<Self> {
        Arc::new(Self { fault, ..Self::default() })
    }

    pub(crate) fn rows(&self) -> usize {
        self.visible.lock().iter().map(RecordBatch::num_rows).sum()
    }

    fn call(&self, call: impl Into<String>) {
        self.calls.lock().push(call.into());
    }

    pub(crate) fn plan(self: &Arc<Self>, columns: Vec<TargetColumn>, max_writers: usize) -> PlannedWrite {
        let sink = MemorySinkRef(Arc::clone(self));
        PlannedWrite {
            columns,
            sink: Arc::new(sink),
            error_limit: ErrorLimit::default(),
            max_writers,
            throttles: Throttles::none(),
            description: "memory".into(),
        }
    }
}

#[derive(Debug)]
struct MemorySinkRef(Arc<MemorySink>);

#[async_trait]
impl Sink for MemorySinkRef {
    async fn begin(&self, writers: usize) -> Result<()> {
        let sink = &self.0;
        assert_eq!(sink.writers_open.load(Ordering::SeqCst), 0, "a writer was opened before begin ended");
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(sink.writers_open.load(Ordering::SeqCst), 0, "a writer was opened before begin ended");
        sink.call(format!("begin {writers}"));
        if sink.fault == Fault::Begin {
            return Err(ConnectorError::new(ErrorCode::Remote, "begin was refused"));
        }
        Ok(())
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        self.0.writers_open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(MemoryWriter { sink: Arc::clone(&self.0), writer, writers, rows: 0, bytes: 0, batches: vec![] }))
    }

    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary> {
        let sink = &self.0;
        sink.call("commit");
        sink.reached.notify_waiters();
        match sink.fault {
            Fault::Commit => return Err(ConnectorError::new(ErrorCode::Remote, "commit was refused")),
            Fault::CommitUnknown => return Err(ConnectorError::new(ErrorCode::Unknown, "no answer to the commit")),
            Fault::SlowCommit => tokio::time::sleep(Duration::from_millis(100)).await,
            _ => {}
        }
        let staged = std::mem::take(&mut *sink.staged.lock());
        sink.visible.lock().extend(staged.into_values().flatten());
        sink.call("committed");
        Ok(WriteSummary {
            rows_written: tokens.iter().map(|token| token.rows).sum(),
            bytes_written: tokens.iter().map(|token| token.bytes).sum(),
            write_mode: "memory".into(),
            ..WriteSummary::default()
        })
    }

    async fn abort(&self) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.0.staged.lock().clear();
        self.0.call("abort");
        match self.0.fault {
            Fault::StuckAfter(_) => {
                Err(ConnectorError::new(ErrorCode::PartlyCommitted, "load memory-0 is visible and stays"))
            }
            _ => Ok(()),
        }
    }
}

struct MemoryWriter {
    sink: Arc<MemorySink>,
    writer: usize,
    writers: usize,
    rows: usize,
    bytes: u64,
    batches: Vec<RecordBatch>,
}

#[async_trait]
impl Writer for MemoryWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        self.bytes += bytes_of(batch);
        self.batches.push(batch.clone());
        match self.sink.fault {
            Fault::WriterAfter(rows) if self.rows > rows => {
                Err(ConnectorError::retryable(ErrorCode::Connection, "the connection was lost"))
            }
            Fault::HangAfter(rows) | Fault::StuckAfter(rows) if self.rows > rows => {
                self.sink.reached.notify_one();
                std::future::pending().await
            }
            Fault::SlowWriters => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(())
            }
            _ => {
                tokio::task::yield_now().await;
                Ok(())
            }
        }
    }

    fn bytes_written(&self) -> u64 {
        self.bytes
    }

    async fn finish(mut self: Box<Self>) -> Result<CommitToken> {
        self.sink.staged.lock().insert(self.writer, std::mem::take(&mut self.batches));
        let is_doubled = self.sink.fault == Fault::DoubledToken && self.writer + 1 == self.writers;
        let writer = if is_doubled { 0 } else { self.writer };
        let label = format!("memory-{}", self.writer);
        Ok(CommitToken::last(writer, self.writers, self.rows as u64, self.bytes, label))
    }
}

/// What a batch is in bytes here.
pub(crate) fn bytes_of(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap() as u64).sum()
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        self.sink.writers_open.fetch_sub(1, Ordering::SeqCst);
    }
}
