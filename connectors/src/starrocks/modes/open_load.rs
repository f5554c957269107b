//! One load on its way: its rows are encoded and sent as they come, and kept so that it can be sent again from its first one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use datafusion::common::runtime::SpawnedTask;

use super::super::kept::Keeper;
use super::super::stream_load::body::{BodyGrowth, GrowingBody};
use super::super::stream_load::label::Label;
use super::super::stream_load::load::Outcome;
use super::encode::{LoadEncoder, PIECE_BYTES};
use super::loads::{ParallelLoads, ended};
use super::target::{Committed, Encoding, WriteTarget};
use crate::error::{ConnectorError, ErrorCode, Result};

/// A small load begins to be sent when one of so many parts is there.
const LEAST_PIECES: usize = 4;
/// Less is not worth a piece.
const LEAST_PIECE_BYTES: usize = 1 << 10;

/// A load that takes rows. Dropping it breaks its connection, so that the server rolls back.
pub(super) struct OpenLoad {
    encoder: LoadEncoder,
    /// It is kept and sent in pieces of so many bytes at least.
    piece_bytes: usize,
    growth: BodyGrowth,
    is_whole: bool,
    state: State,
}

enum State {
    /// Nothing of it is sent.
    Waiting(GrowingBody),
    Sending(Sending),
}

struct Sending {
    label: Label,
    since: Instant,
    task: SpawnedTask<Result<Outcome>>,
}

impl OpenLoad {
    pub(super) fn new(target: &WriteTarget, encoding: Encoding) -> Result<Self> {
        let encoder = LoadEncoder::new(target, encoding)?;
        let (growth, body) = BodyGrowth::new();
        let load_bytes = usize::try_from(target.options().settings.load_bytes).unwrap_or(usize::MAX);
        let piece_bytes = (load_bytes / LEAST_PIECES).clamp(LEAST_PIECE_BYTES, PIECE_BYTES);
        Ok(Self { encoder, piece_bytes, growth, is_whole: false, state: State::Waiting(body) })
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoder.encoding()
    }

    /// Rows that it has taken.
    pub(super) fn rows(&self) -> u64 {
        self.encoder.rows()
    }

    /// Their bytes, before they are compressed.
    pub(super) fn plain_bytes(&self) -> u64 {
        self.encoder.plain_bytes()
    }

    pub(super) fn is_sent(&self) -> bool {
        matches!(self.state, State::Sending(_))
    }

    /// Whether it is sent for so long.
    pub(super) fn is_sent_for(&self, time: Duration) -> bool {
        matches!(&self.state, State::Sending(sending) if sending.since.elapsed() >= time)
    }

    /// Whether the server, or what stands in its way, has ended it already.
    pub(super) fn has_ended(&self) -> bool {
        self.growth.is_closed()
    }

    /// Encodes a batch, and says how many bytes it would have with it.
    pub(super) fn encode(&mut self, target: &WriteTarget, batch: &RecordBatch) -> Result<u64> {
        self.encoder.encode(target, batch)
    }

    /// Takes what was encoded last. Returns whether there is something to send.
    pub(super) async fn take(&mut self, keeper: &mut Keeper) -> Result<bool> {
        self.encoder.take()?;
        let Some(piece) = self.encoder.full_piece(self.piece_bytes) else { return Ok(false) };
        self.growth.push(keeper.keep(piece).await?);
        Ok(true)
    }

    /// Ends the body, which commits the load.
    pub(super) async fn end(&mut self, target: &WriteTarget, keeper: &mut Keeper) -> Result<()> {
        let rest = self.encoder.finish(target)?;
        if !rest.is_empty() {
            self.growth.push(keeper.keep(rest).await?);
        }
        self.growth.end();
        self.is_whole = true;
        Ok(())
    }

    /// Begins to send it. Its rows are counted if it is whole.
    pub(super) fn send(self, shared: &Arc<ParallelLoads>, label: Label) -> Result<Self> {
        let State::Waiting(body) = self.state else { return Err(ConnectorError::internal("a load is sent twice")) };
        shared.open(&label)?;
        let (encoding, rows) = (self.encoder.encoding(), self.is_whole.then(|| self.encoder.rows()));
        let (shared, sent) = (shared.clone(), label.clone());
        let task = SpawnedTask::spawn(async move {
            tokio::select! {
                () = shared.cancelled.cancelled() => Err(ended()),
                outcome = shared.target.send_growing(sent, encoding, rows, body) => outcome,
            }
        });
        Ok(Self { state: State::Sending(Sending { label, since: Instant::now(), task }), ..self })
    }

    /// Waits for the outcome and enters it. Returns the label and the rows of a load that is committed.
    pub(super) async fn outcome(self, shared: &ParallelLoads) -> Result<(Label, u64)> {
        let State::Sending(Sending { label, task, .. }) = self.state else {
            return Err(ConnectorError::internal("a load that was not sent is awaited"));
        };
        let joined = tokio::select! {
            () = shared.cancelled.cancelled() => return Err(ended()),
            joined = task.join() => joined,
        };
        let unknown = |what: &str| {
            let shown = shared.target.shown();
            ConnectorError::new(ErrorCode::Unknown, format!("{shown}: {what}: load {label}"))
        };
        let settled = match joined {
            Ok(Ok(outcome)) => {
                let (rows, bytes) = (self.encoder.rows(), self.encoder.sent_bytes());
                shared.target.settle(label.clone(), outcome, rows, bytes).await
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(unknown("the task of a load stopped before the server answered")),
        };
        let settled = match settled {
            Ok(_) if !self.is_whole => Err(unknown("the server ended a load with success before its end")),
            settled => settled,
        };
        let rows = settled.as_ref().map_or(0, |committed: &Committed| committed.rows);
        shared.closed(&label, settled)?;
        Ok((label, rows))
    }
}
