//! Many loads, each visible by itself: fast and of any size, but a failure leaves a part, which is said.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::stream_load::label::Label;
use super::held::{HeldRows, Weight};
use super::target::{Committed, WriteTarget};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{CommitToken, Sink, WriteSummary, Writer};

/// A write as many loads.
#[derive(Debug)]
pub(in super::super) struct PlainSink {
    shared: Arc<Plain>,
}

#[derive(Debug)]
struct Plain {
    target: Arc<WriteTarget>,
    loads: Mutex<Loads>,
    cancelled: CancellationToken,
}

#[derive(Debug, Default)]
struct Loads {
    committed: Vec<Committed>,
    /// Sent, and not known to have ended.
    open: Vec<Label>,
    /// Taken from `open` by an abort that could not learn that they are gone.
    doubtful: Vec<Label>,
}

impl PlainSink {
    pub(in super::super) fn new(target: Arc<WriteTarget>) -> Self {
        Self { shared: Arc::new(Plain { target, loads: Mutex::default(), cancelled: CancellationToken::new() }) }
    }
}

#[async_trait]
impl Sink for PlainSink {
    async fn begin(&self, writers: usize) -> Result<()> {
        self.shared.target.check_format().await?;
        self.shared.target.record_attempt(writers, "plain").await
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        Ok(Box::new(PlainWriter {
            shared: self.shared.clone(),
            writer,
            writers,
            sequence: 0,
            // All writers together keep `load_bytes`, so that memory does not grow with their number.
            load_bytes: (self.shared.target.options().settings.load_bytes / writers.max(1) as u64).max(1),
            held: HeldRows::default(),
            rows: 0,
            bytes: 0,
            labels: Vec::new(),
            scratch: Vec::new(),
        }))
    }

    async fn commit(&self, _: Vec<CommitToken>) -> Result<WriteSummary> {
        let mut summary = WriteSummary { write_mode: "plain".into(), ..WriteSummary::default() };
        for load in std::mem::take(&mut self.shared.loads.lock().committed) {
            summary.rows_written += load.rows;
            summary.rows_rejected_by_server += load.rows_rejected;
            summary.bytes_written += load.bytes;
            summary.labels.push(load.label.to_string());
            summary.warnings.extend(load.warnings);
        }
        if summary.labels.len() > 1 {
            summary.warnings.push(format!(
                "write_mode plain: {} loads became visible one by one; a failure in between would have left a part",
                summary.labels.len()
            ));
        }
        // Everything is visible already: what cannot be recorded changes nothing.
        if let Err(error) = self.shared.target.record_decision(&summary.labels).await {
            summary.warnings.push(format!("the commit could not be recorded: {}", error.message()));
        }
        self.shared.target.forget().await;
        Ok(summary)
    }

    async fn abort(&self) -> Result<()> {
        let shared = &self.shared;
        shared.cancelled.cancel();
        // From here on no writer opens a load: they look at `cancelled` under this lock.
        let open = std::mem::take(&mut shared.loads.lock().open);
        // Side by side, and each to its end: one that cannot be rolled back must not keep the others open.
        let rolled_back = join_all(open.iter().map(|label| shared.target.roll_back(label))).await;
        let (mut visible, rows) = {
            let loads = shared.loads.lock();
            let visible: BTreeSet<String> = loads.committed.iter().map(|load| load.label.to_string()).collect();
            (visible, loads.committed.iter().map(|load| load.rows).sum::<u64>())
        };
        let mut not_rolled_back = Vec::new();
        for (label, outcome) in open.iter().zip(rolled_back) {
            match outcome {
                Ok(true) => {
                    shared.loads.lock().doubtful.push(label.clone());
                    // Its own writer may have learnt it at the same time.
                    visible.insert(label.to_string());
                }
                Ok(false) => {}
                Err(error) => {
                    shared.loads.lock().doubtful.push(label.clone());
                    not_rolled_back.push(error);
                }
            }
        }
        if visible.is_empty() && not_rolled_back.is_empty() {
            shared.target.forget().await;
            return Ok(());
        }
        let mut parts = Vec::new();
        if !visible.is_empty() {
            parts.push(format!(
                "write_mode 'plain' is not atomic, and {} loads with {rows} rows or more are visible and stay: {}; remove them by hand before running again",
                visible.len(),
                visible.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            ));
        }
        parts.extend(not_rolled_back.iter().map(|error| error.message().to_owned()));
        let code = if visible.is_empty() { ErrorCode::Unknown } else { ErrorCode::PartlyCommitted };
        Err(ConnectorError::new(code, format!("{}: {}", shared.target.shown(), parts.join("; "))))
    }

    fn remains(&self) -> Option<WriteSummary> {
        let loads = self.shared.loads.lock();
        let mut summary = WriteSummary { write_mode: "plain".into(), ..WriteSummary::default() };
        for load in &loads.committed {
            summary.rows_written += load.rows;
            summary.bytes_written += load.bytes;
        }
        let committed = loads.committed.iter().map(|load| &load.label);
        let labels = committed.chain(&loads.open).chain(&loads.doubtful).map(ToString::to_string);
        summary.labels = labels.collect::<BTreeSet<_>>().into_iter().collect();
        Some(summary)
    }
}

struct PlainWriter {
    shared: Arc<Plain>,
    writer: usize,
    writers: usize,
    sequence: u64,
    /// The size of this writer's loads.
    load_bytes: u64,
    held: HeldRows,
    rows: u64,
    bytes: u64,
    labels: Vec<String>,
    scratch: Vec<u8>,
}

impl PlainWriter {
    /// Holds rows, and sends a load whenever one is full. A batch that is larger than a load is cut in two, and those again.
    async fn hold(&mut self, batch: RecordBatch) -> Result<()> {
        let shared = self.shared.clone();
        let options = shared.target.options();
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let room = options.settings.load_rows.map_or(u64::MAX, |rows| rows - self.held.rows().min(rows));
            if room == 0 {
                self.flush().await?;
                waiting.push(batch);
                continue;
            }
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            if batch.num_rows() > room {
                waiting.push(batch.slice(room, batch.num_rows() - room));
                waiting.push(batch.slice(0, room));
                continue;
            }
            let weight = Weight::of(&shared.target, &batch, &mut self.scratch)?;
            if weight.exceeds(self.load_bytes) && batch.num_rows() > 1 {
                let half = batch.num_rows() / 2;
                waiting.push(batch.slice(half, batch.num_rows() - half));
                waiting.push(batch.slice(0, half));
                continue;
            }
            if !self.held.is_empty() && !self.held.has_room_for(weight, self.load_bytes) {
                self.flush().await?;
            }
            self.bytes += weight.bytes;
            self.held.push(batch, weight);
        }
        Ok(())
    }

    /// Sends what is held as one load and waits for its outcome.
    async fn flush(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        held.prepare(&self.shared.target).await;
        let encoded = held.encode(&self.shared.target)?;
        if encoded.rows == 0 {
            return Ok(());
        }
        let label = self.shared.target.label(self.writer, self.sequence);
        self.sequence += 1;
        let ended = || ConnectorError::new(ErrorCode::Cancelled, "the write has ended");
        {
            let mut loads = self.shared.loads.lock();
            if self.shared.cancelled.is_cancelled() {
                return Err(ended());
            }
            loads.open.push(label.clone());
        }
        let sent = tokio::select! {
            () = self.shared.cancelled.cancelled() => return Err(ended()),
            sent = self.shared.target.send(label.clone(), encoded) => sent,
        };
        let mut loads = self.shared.loads.lock();
        match sent {
            Ok(committed) => {
                loads.open.retain(|open| *open != label);
                self.rows += committed.rows;
                self.labels.push(label.to_string());
                loads.committed.push(committed);
                Ok(())
            }
            Err(error) => {
                // A load of unknown outcome stays open, for abort to ask again.
                if error.code() != ErrorCode::Unknown {
                    loads.open.retain(|open| *open != label);
                }
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Writer for PlainWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.hold(batch.clone()).await
    }

    fn bytes_written(&self) -> u64 {
        self.bytes
    }

    async fn finish(mut self: Box<Self>) -> Result<CommitToken> {
        if !self.held.is_empty() {
            self.flush().await?;
        }
        Ok(CommitToken {
            writer: self.writer,
            writers: self.writers,
            epoch: 0,
            rows: self.rows,
            bytes: self.bytes,
            label: self.labels.join("\n"),
            last: true,
        })
    }
}
