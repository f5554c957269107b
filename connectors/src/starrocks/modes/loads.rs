//! Loads that writers send side by side, each a load of its own. Whether readers see one before the others is up to where they go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use futures::future::join_all;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::kept::{KeptMemory, MAX_KEPT_BYTES};
use super::super::stream_load::label::Label;
use super::super::stream_load::response::LabelState;
use super::loads_writer::LoadsWriter;
use super::target::{Committed, VISIBLE_PAUSE, WriteTarget};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{WriteSummary, Writer};

/// The loads of one write.
#[derive(Debug)]
pub(super) struct ParallelLoads {
    pub(super) target: Arc<WriteTarget>,
    loads: Mutex<Loads>,
    /// What all writers keep of the loads that are under way.
    pub(super) memory: Arc<KeptMemory>,
    pub(super) cancelled: CancellationToken,
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
        let memory = KeptMemory::new(MAX_KEPT_BYTES);
        Arc::new(Self { target, loads: Mutex::default(), memory, cancelled: CancellationToken::new() })
    }

    /// A writer of this write.
    pub(super) fn writer(self: &Arc<Self>, writer: usize, writers: usize) -> Box<dyn Writer> {
        Box::new(LoadsWriter::new(self.clone(), writer, writers))
    }

    /// Enters a load that is about to be sent. From here on the server may have it, and an abort asks for it.
    pub(super) fn open(&self, label: &Label) -> Result<()> {
        let mut loads = self.loads.lock();
        // Under the lock that an abort takes for its list, so that no label is missing there.
        if self.cancelled.is_cancelled() {
            return Err(ended());
        }
        loads.open.push(label.clone());
        Ok(())
    }

    /// Enters what became of a load.
    pub(super) fn closed(&self, label: &Label, outcome: Result<Committed>) -> Result<()> {
        let mut loads = self.loads.lock();
        // A load of unknown outcome stays open, for abort to ask again.
        if !matches!(&outcome, Err(error) if error.code() == ErrorCode::Unknown) {
            loads.open.retain(|open| open != label);
        }
        loads.committed.push(outcome?);
        Ok(())
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

/// The error of a writer whose write has ended without it.
pub(super) fn ended() -> ConnectorError {
    ConnectorError::new(ErrorCode::Cancelled, "the write has ended")
}
