//! The gate of `auto`: rows of all writers are held back until it is known whether one load is enough. If the input ends before, they are
//! that load; otherwise the gate opens, and another mode takes what was held and all that comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::held::{HeldRows, Weight};
use super::held_batch::HeldBatch;
use super::single::send_held;
use super::target::WriteTarget;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{CommitToken, Sink, WriteSummary, Writer};

/// One load if the rows fit into it, else what the next mode makes of them.
#[derive(Debug)]
pub(in super::super) struct GateSink {
    shared: Arc<Gate>,
}

#[derive(Debug)]
struct Gate {
    target: Arc<WriteTarget>,
    next: Arc<dyn Sink>,
    state: Mutex<State>,
    cancelled: CancellationToken,
    /// Whether the next mode was told to begin.
    opened: AtomicBool,
    /// Whether the server may have the label of the one load.
    sent: AtomicBool,
    /// The tokens of the next mode's writers.
    tokens: parking_lot::Mutex<BTreeMap<usize, CommitToken>>,
}

#[derive(Debug)]
enum State {
    Holding(Holding),
    /// What was held of writers that have not come back since. Each sends its own rows on, before those that follow: of two rows with one key
    /// the later one must stay the later one.
    Open(BTreeMap<usize, Vec<HeldBatch>>),
    /// Also while the next mode begins, which is why it could not if it could not.
    Ended(Option<(ErrorCode, String)>),
}

#[derive(Debug)]
struct Holding {
    rows: HeldRows,
    /// Whose each of the held batches is.
    owners: Vec<usize>,
    /// The writers that have ended, whose rows another one must send on.
    ended: BTreeSet<usize>,
}

impl Holding {
    fn new(target: &WriteTarget) -> Self {
        Self { rows: HeldRows::new(target), owners: Vec::new(), ended: BTreeSet::new() }
    }

    /// What a writer that opens the gate sends on, and what is left to the others.
    fn divide(self, opener: usize) -> (Vec<HeldBatch>, BTreeMap<usize, Vec<HeldBatch>>) {
        let (mut of_opener, mut of_others) = (Vec::new(), BTreeMap::<usize, Vec<HeldBatch>>::new());
        for (batch, owner) in self.rows.into_batches().into_iter().zip(self.owners) {
            match owner == opener || self.ended.contains(&owner) {
                true => of_opener.push(batch),
                false => of_others.entry(owner).or_default().push(batch),
            }
        }
        (of_opener, of_others)
    }
}

impl GateSink {
    pub(in super::super) fn new(target: Arc<WriteTarget>, next: Arc<dyn Sink>) -> Self {
        let holding = Holding::new(&target);
        Self {
            shared: Arc::new(Gate {
                target,
                next,
                state: Mutex::new(State::Holding(holding)),
                cancelled: CancellationToken::new(),
                opened: AtomicBool::new(false),
                sent: AtomicBool::new(false),
                tokens: parking_lot::Mutex::default(),
            }),
        }
    }
}

#[async_trait]
impl Sink for GateSink {
    async fn begin(&self, writers: usize) -> Result<()> {
        self.shared.target.record_attempt(writers, "single").await
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        let shared = self.shared.clone();
        Ok(Box::new(GateWriter { shared, writer, writers, rows: 0, bytes: 0, next: None, scratch: Vec::new() }))
    }

    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary> {
        let shared = &self.shared;
        let mut state = shared.state.lock().await;
        match std::mem::replace(&mut *state, State::Ended(None)) {
            State::Holding(held) if !shared.opened.load(Ordering::Relaxed) => {
                let promised: u64 = tokens.iter().map(|token| token.rows).sum();
                send_held(&shared.target, held.rows, promised, &shared.sent).await
            }
            State::Open(left) if left.is_empty() => {
                let mut known = std::mem::take(&mut *shared.tokens.lock());
                // A writer that ended before the gate opened has none: its rows went through another one.
                let of = |token: CommitToken| {
                    let nothing = CommitToken::last(token.writer, token.writers, 0, 0, String::new());
                    known.remove(&token.writer).unwrap_or(nothing)
                };
                shared.next.commit(tokens.into_iter().map(of).collect()).await
            }
            State::Holding(_) | State::Open(_) | State::Ended(_) => {
                Err(ConnectorError::internal("a write is committed that has ended"))
            }
        }
    }

    async fn abort(&self) -> Result<()> {
        let shared = &self.shared;
        shared.cancelled.cancel();
        // Whoever opens the gate stops at `cancelled`; behind this lock it is known whether the next mode has begun.
        *shared.state.lock().await = State::Ended(None);
        if shared.opened.load(Ordering::Relaxed) {
            return shared.next.abort().await;
        }
        shared.target.forget().await;
        Ok(())
    }

    fn remains(&self) -> Option<WriteSummary> {
        if self.shared.opened.load(Ordering::Relaxed) {
            return self.shared.next.remains();
        }
        let sent = self.shared.sent.load(Ordering::Relaxed);
        let labels = if sent { vec![self.shared.target.label(0, 0).to_string()] } else { Vec::new() };
        Some(WriteSummary { write_mode: "single".into(), labels, ..WriteSummary::default() })
    }
}

fn ended() -> ConnectorError {
    ConnectorError::new(ErrorCode::Cancelled, "the write has ended")
}

struct GateWriter {
    shared: Arc<Gate>,
    writer: usize,
    writers: usize,
    /// Rows that this writer was given, whoever sent them on.
    rows: u64,
    bytes: u64,
    /// The next mode's writer, once the gate is open.
    next: Option<Box<dyn Writer>>,
    scratch: Vec<u8>,
}

impl GateWriter {
    /// Holds a batch; what must be sent on if the gate is open, or opens now, else None.
    async fn hold(&mut self, batch: &RecordBatch) -> Result<Option<Vec<HeldBatch>>> {
        let shared = &self.shared;
        // Outside the lock: writers encode side by side.
        let weight = Weight::of(&shared.target, batch, &mut self.scratch)?;
        let mut state = shared.state.lock().await;
        match &mut *state {
            State::Holding(held) if held.rows.has_room_for(weight, shared.target.options().settings.load_bytes) => {
                held.rows.push(batch.clone(), weight)?;
                held.owners.push(self.writer);
                self.bytes += weight.bytes;
                Ok(None)
            }
            State::Holding(_) => {
                // Until the next mode has begun there is nothing to go back to.
                let State::Holding(held) = std::mem::replace(&mut *state, State::Ended(None)) else {
                    return Err(ended());
                };
                shared.opened.store(true, Ordering::Relaxed);
                let begun = tokio::select! {
                    () = shared.cancelled.cancelled() => return Err(ended()),
                    begun = shared.next.begin(self.writers) => begun,
                };
                if let Err(error) = begun {
                    *state = State::Ended(Some((error.code(), error.message().to_owned())));
                    return Err(error);
                }
                let (mut batches, of_others) = held.divide(self.writer);
                *state = State::Open(of_others);
                batches.push(HeldBatch::InMemory(batch.clone()));
                Ok(Some(batches))
            }
            State::Open(left) => {
                let mut batches = left.remove(&self.writer).unwrap_or_default();
                batches.push(HeldBatch::InMemory(batch.clone()));
                Ok(Some(batches))
            }
            // Whose error reaches the user is chance, so that all writers say the same.
            State::Ended(Some((code, message))) => Err(ConnectorError::new(*code, message.clone())),
            State::Ended(None) => Err(ended()),
        }
    }

    /// Opens this writer's part of the next mode with these rows.
    async fn send_on(&mut self, batches: Vec<HeldBatch>) -> Result<()> {
        let mut next = self.shared.next.open(self.writer, self.writers).await?;
        for batch in batches {
            next.write(&batch.read()?).await?;
        }
        self.next = Some(next);
        Ok(())
    }
}

#[async_trait]
impl Writer for GateWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if let Some(next) = &mut self.next {
            next.write(batch).await?;
        } else if let Some(batches) = self.hold(batch).await? {
            self.send_on(batches).await?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn bytes_written(&self) -> u64 {
        self.next.as_ref().map_or(self.bytes, |next| next.bytes_written())
    }

    async fn finish(mut self: Box<Self>) -> Result<CommitToken> {
        let mut token = CommitToken::last(self.writer, self.writers, self.rows, self.bytes, String::new());
        if self.next.is_none() {
            let mut state = self.shared.state.lock().await;
            let left = match &mut *state {
                State::Holding(held) => {
                    held.ended.insert(self.writer);
                    None
                }
                State::Open(left) => left.remove(&self.writer),
                State::Ended(_) => None,
            };
            drop(state);
            if let Some(batches) = left {
                self.send_on(batches).await?;
            }
        }
        if let Some(next) = self.next.take() {
            let theirs = next.finish().await?;
            token.bytes = theirs.bytes;
            token.label.clone_from(&theirs.label);
            self.shared.tokens.lock().insert(self.writer, theirs);
        } else if self.rows > 0 {
            token.label = self.shared.target.label(0, 0).to_string();
        }
        Ok(token)
    }
}
