//! Telling the caller what happens, with backpressure: the run waits while nobody reads.

use arrow::array::StringArray;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;

use crate::error::{Result, SynclineError};
use crate::run::RunEvent;

/// How many events may wait: few, because a batch of a result may be large.
pub(super) const QUEUE: usize = 8;

/// How long servers may be silent before that is said, and between two times.
const WAITING_AFTER: Duration = Duration::from_secs(3);
const WAITING_AGAIN: Duration = Duration::from_secs(10);

/// Where events go. A caller that has gone away stops the run.
#[derive(Debug, Clone)]
pub(super) struct Events {
    sender: mpsc::Sender<RunEvent>,
    stop: CancellationToken,
}

impl Events {
    pub(super) fn new(sender: mpsc::Sender<RunEvent>, stop: CancellationToken) -> Self {
        Self { sender, stop }
    }

    pub(super) async fn send(&self, event: RunEvent) {
        if self.sender.send(event).await.is_err() {
            self.stop.cancel();
        }
    }

    /// Progress is worth nothing late: it is left out while the caller is behind.
    pub(super) fn send_if_room(&self, event: RunEvent) {
        if let Err(mpsc::error::TrySendError::Closed(_)) = self.sender.try_send(event) {
            self.stop.cancel();
        }
    }

    /// Does some work; while it takes long, says what is waited for.
    pub(super) async fn while_waiting<T>(&self, index: u32, on: &str, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut ticks = interval_at(Instant::now() + WAITING_AFTER, WAITING_AGAIN);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => if !on.is_empty() {
                    self.send_if_room(RunEvent::Waiting { index, on: on.to_owned() });
                },
            }
        }
    }

    pub(super) async fn warn(&self, index: u32, message: impl Into<String>) {
        self.send(RunEvent::Warning { index, message: message.into() }).await;
    }

    /// A small result made here: columns of text.
    pub(super) async fn table(&self, index: u32, columns: &[&str], rows: Vec<Vec<Option<String>>>) -> Result<()> {
        let schema: SchemaRef = Arc::new(Schema::new(
            columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>(),
        ));
        let arrays = (0..columns.len())
            .map(|column| {
                let values = rows.iter().map(|row| row.get(column).and_then(Option::as_deref));
                Arc::new(values.collect::<StringArray>()) as _
            })
            .collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)
            .map_err(|error| SynclineError::new("E5999", format!("cannot build a result: {error}")))?;
        self.send(RunEvent::ResultSchema { index, schema }).await;
        self.send(RunEvent::ResultBatch { index, batch }).await;
        self.send(RunEvent::ResultEnd { index }).await;
        Ok(())
    }
}
