//! Loads that writers send side by side, each a load of its own. Whether readers see one before the others is up to where they go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::stream_load::label::Label;
use super::super::stream_load::response::LabelState;
use super::held::{HeldRows, Weight};
use super::target::{Committed, VISIBLE_PAUSE, WriteTarget};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{CommitToken, WriteSummary, Writer};

/// The loads of one write.
#[derive(Debug)]
pub(super) struct ParallelLoads {
    target: Arc<WriteTarget>,
    loads: Mutex<Loads>,
    cancelled: CancellationToken,
}

#[derive(Debug, Default)]
struct Loads {
    committed: Vec<Committed>,
    /// Sent, and not known to have ended.
    open: Vec<Label>,
    /// Taken from `open` by a roll-back that could not learn that they are gone.
    doubtful: Vec<Label>,
}

/// What rolling back has found.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The labels of loads that are committed.
    pub(super) committed: BTreeSet<String>,
    /// Rows known to be in them.
    pub(super) rows: u64,
    /// Why others could not be rolled back.
    pub(super) errors: Vec<ConnectorError>,
}

impl ParallelLoads {
    pub(super) fn new(target: Arc<WriteTarget>) -> Arc<Self> {
        Arc::new(Self { target, loads: Mutex::default(), cancelled: CancellationToken::new() })
    }

    /// A writer of this write. All writers together keep `load_bytes`, so that memory does not grow with their number.
    pub(super) fn writer(self: &Arc<Self>, writer: usize, writers: usize) -> Box<dyn Writer> {
        Box::new(LoadsWriter {
            shared: self.clone(),
            writer,
            writers,
            sequence: 0,
            load_bytes: (self.target.options().settings.load_bytes / writers.max(1) as u64).max(1),
            held: HeldRows::default(),
            rows: 0,
            bytes: 0,
            labels: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// What the committed loads did, with the labels of those that are named. They are taken: the write is theirs no longer.
    pub(super) fn take_summary(&self, write_mode: &str, is_named: impl Fn(&Committed) -> bool) -> WriteSummary {
        let mut summary = WriteSummary {
            write_mode: write_mode.to_owned(),
            load_parallelism: self.target.load_parallelism(),
            ..WriteSummary::default()
        };
        for load in std::mem::take(&mut self.loads.lock().committed) {
            summary.rows_written += load.rows;
            summary.rows_rejected_by_server += load.rows_rejected;
            summary.bytes_written += load.bytes;
            if is_named(&load) {
                summary.labels.push(load.label.to_string());
            }
            summary.warnings.extend(load.warnings);
        }
        summary
    }

    /// Waits until readers of the loaded table see all loads, so that a statement on the server misses none.
    pub(super) async fn wait_until_visible(&self) -> Result<()> {
        let waiting: Vec<Label> =
            self.loads.lock().committed.iter().filter(|load| !load.visible).map(|load| load.label.clone()).collect();
        let limit = self.target.load_timeout();
        let started = Instant::now();
        for label in waiting {
            loop {
                match self.target.client().label_state(self.target.database(), &label).await {
                    Ok(LabelState::Visible) => break,
                    Ok(LabelState::Committed) | Err(_) if started.elapsed() < limit => {
                        tokio::time::sleep(VISIBLE_PAUSE).await;
                    }
                    state => {
                        let said = match state {
                            Ok(state) => format!("{state:?}"),
                            Err(error) => error.message().to_owned(),
                        };
                        return Err(ConnectorError::new(
                            ErrorCode::Remote,
                            format!(
                                "{}: load {label} is committed but not visible, so that the write cannot be ended ({said})",
                                self.target.shown()
                            ),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Stops the writers and rolls back what is open.
    pub(super) async fn roll_back(&self) -> Left {
        self.cancelled.cancel();
        // From here on no writer opens a load: they look at `cancelled` under this lock.
        let open = std::mem::take(&mut self.loads.lock().open);
        // Side by side, and each to its end: one that cannot be rolled back must not keep the others open.
        let rolled_back = join_all(open.iter().map(|label| self.target.roll_back(label))).await;
        let mut left = Left::default();
        {
            let loads = self.loads.lock();
            left.committed = loads.committed.iter().map(|load| load.label.to_string()).collect();
            left.rows = loads.committed.iter().map(|load| load.rows).sum();
        }
        for (label, outcome) in open.iter().zip(rolled_back) {
            match outcome {
                Ok(true) => {
                    self.loads.lock().doubtful.push(label.clone());
                    // Its own writer may have learnt it at the same time.
                    left.committed.insert(label.to_string());
                }
                Ok(false) => {}
                Err(error) => {
                    self.loads.lock().doubtful.push(label.clone());
                    left.errors.push(error);
                }
            }
        }
        left
    }

    /// What is committed or in doubt.
    pub(super) fn remains(&self, write_mode: &str) -> WriteSummary {
        let loads = self.loads.lock();
        let mut summary = WriteSummary { write_mode: write_mode.to_owned(), ..WriteSummary::default() };
        for load in &loads.committed {
            summary.rows_written += load.rows;
            summary.bytes_written += load.bytes;
        }
        let committed = loads.committed.iter().map(|load| &load.label);
        let labels = committed.chain(&loads.open).chain(&loads.doubtful).map(ToString::to_string);
        summary.labels = labels.collect::<BTreeSet<_>>().into_iter().collect();
        summary
    }
}

struct LoadsWriter {
    shared: Arc<ParallelLoads>,
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

impl LoadsWriter {
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
            self.held.push(batch, weight)?;
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
impl Writer for LoadsWriter {
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
        Ok(CommitToken::last(self.writer, self.writers, self.rows, self.bytes, self.labels.join("\n")))
    }
}
