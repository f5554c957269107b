//! Transactions that are committed together: rows of any number, sent by several writers at once, all or nothing in the end.
//!
//! Each writer fills one transaction after the other and prepares it: the server then keeps its rows. When all writers have ended, and the
//! rejects of all of them are within the limit, the decision to commit is recorded with all labels, and then carried out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::kept::{KeptMemory, MAX_KEPT_BYTES};
use super::super::sink::bytes_text;
use super::super::stream_load::label::Label;
use super::super::stream_load::response::LabelState;
use super::super::stream_load::roll_back::{Ended, Opened};
use super::decided::{CALLS_AT_ONCE, Outcomes, Place, commit_all, warnings_of_visibility};
use super::target::WriteTarget;
use super::transaction_size::TransactionSizes;
use super::transaction_writer::TransactionWriter;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{CommitToken, Sink, WriteSettings, WriteSummary, Writer};
use crate::spill::SpillQuota;

/// The way out of what the temporary files cannot take, beside a larger `spill_bytes`.
const MORE_ROOM: &str = "write with a smaller \"load_parallelism\", or with \"write_mode\" = 'staging_table', which keeps one load of each writer";

/// A write as transactions.
#[derive(Debug)]
pub(in super::super) struct TransactionSink {
    shared: Arc<Shared>,
}

/// What the writers of one write share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) target: Arc<WriteTarget>,
    pub(super) memory: Arc<KeptMemory>,
    pub(super) cancelled: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    writers: usize,
    /// Every label that the server may have, in the order of writers and sequences, and where it stands.
    labels: BTreeMap<(usize, u64), Labelled>,
    outcomes: Option<Outcomes>,
    warnings: Vec<String>,
    /// Whether it was said that transactions are smaller than they should be.
    is_held_back: bool,
}

#[derive(Debug)]
struct Labelled {
    label: Label,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Its begin may have reached the server.
    Open,
    Prepared(Prepared),
    /// The server says that it has ended without a commit.
    RolledBack,
}

/// A label with its writer and sequence.
type Numbered = ((usize, u64), Label);

/// What the server keeps of a prepared transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prepared {
    pub(super) loaded: u64,
    pub(super) filtered: u64,
    pub(super) unselected: u64,
    pub(super) bytes: u64,
    pub(super) at: Timestamp,
}

impl TransactionSink {
    pub(in super::super) fn new(target: Arc<WriteTarget>) -> Self {
        Self::with_memory(target, MAX_KEPT_BYTES)
    }

    /// A sink whose writers keep so many bytes in memory, so that tests need not send more than the usual bound.
    pub(super) fn with_memory(target: Arc<WriteTarget>, kept_bytes: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                target,
                memory: KeptMemory::new(kept_bytes),
                cancelled: CancellationToken::new(),
                state: Mutex::default(),
            }),
        }
    }
}

/// What the log says when there may be too few transactions for all rows, long before they have run out.
fn held_back(sizes: &TransactionSizes, settings: &WriteSettings) -> String {
    format!(
        "the transactions of this write cannot grow further, so that their temporary files stay within {} (\"spill_bytes\"); it takes about {} in all and may fail beyond that: if it is more, raise spill_bytes, {MORE_ROOM}",
        bytes_text(settings.spill_bytes),
        bytes_text(sizes.capacity())
    )
}

/// The error of a writer whose write has ended without it.
pub(super) fn ended() -> ConnectorError {
    ConnectorError::new(ErrorCode::Cancelled, "the write has ended")
}

impl Shared {
    /// Takes the next label of a writer. From here on the server may have it, and an abort asks for it.
    pub(super) fn take_label(&self, writer: usize, sequence: u64) -> Result<Label> {
        let mut state = self.state.lock();
        // Under the lock that an abort takes for its list, so that no label is missing there.
        if self.cancelled.is_cancelled() {
            return Err(ended());
        }
        let label = self.target.label(writer, sequence);
        state.labels.insert((writer, sequence), Labelled { label: label.clone(), stage: Stage::Open });
        Ok(label)
    }

    /// Gives a label back that turned out to be another's.
    pub(super) fn disown(&self, writer: usize, sequence: u64) {
        self.state.lock().labels.remove(&(writer, sequence));
    }

    pub(super) fn prepared(&self, writer: usize, sequence: u64, prepared: Prepared) {
        self.enter(writer, sequence, Stage::Prepared(prepared));
    }

    pub(super) fn warn(&self, warnings: Vec<String>) {
        self.state.lock().warnings.extend(warnings);
    }

    fn enter(&self, writer: usize, sequence: u64, stage: Stage) {
        if let Some(labelled) = self.state.lock().labels.get_mut(&(writer, sequence)) {
            labelled.stage = stage;
        }
    }

    /// How many bytes the next transaction may have; None if it must take all that its writer still has.
    pub(super) fn transaction_bytes(&self) -> Option<u64> {
        let settings = &self.target.options().settings;
        let mut state = self.state.lock();
        let live = state.labels.values().filter(|labelled| !matches!(labelled.stage, Stage::RolledBack)).count();
        let sizes = TransactionSizes::new(settings, state.writers);
        if sizes.is_held_back(live) && !std::mem::replace(&mut state.is_held_back, true) {
            tracing::warn!(target = %self.target.shown(), "{}", held_back(&sizes, settings));
        }
        sizes.behind(live)
    }

    /// Where the writers keep what they send. The sizes of transactions are not the user's to choose, so that the way out is another one.
    pub(super) fn spill(&self) -> SpillQuota {
        self.target.spill().clone().with_way_out(MORE_ROOM)
    }

    /// Rolls one transaction back, for the writer that begins another one in its place. What cannot be learnt now is asked again at the end.
    pub(super) async fn give_up(&self, writer: usize, sequence: u64, label: &Label) {
        match self.roll_back(label).await {
            Ok(Ended::Aborted | Ended::Unknown) => self.enter(writer, sequence, Stage::RolledBack),
            Ok(Ended::Committed) => tracing::error!(%label, "a transaction that was not decided is committed"),
            Err(error) => tracing::warn!(%label, %error, "a broken transaction could not be rolled back yet"),
        }
    }

    async fn roll_back(&self, label: &Label) -> Result<Ended> {
        let target = &self.target;
        target.client().roll_back(target.database(), target.table(), label, Opened::ByTransaction).await
    }

    /// The prepared transactions in the order of writers and sequences, and those that are open.
    fn held(&self) -> (Vec<(Label, Prepared)>, Vec<Numbered>) {
        let state = self.state.lock();
        let mut prepared = Vec::new();
        let mut open = Vec::new();
        for (key, labelled) in &state.labels {
            match &labelled.stage {
                Stage::Prepared(what) => prepared.push((labelled.label.clone(), *what)),
                Stage::Open => open.push((*key, labelled.label.clone())),
                Stage::RolledBack => {}
            }
        }
        (prepared, open)
    }

    /// The limit of rejects, over all rows of the write.
    fn check_rejects(&self, prepared: &[(Label, Prepared)]) -> Result<()> {
        let rejects = self.target.rejects();
        let sum = |count: fn(&Prepared) -> u64| prepared.iter().map(|(_, what)| count(what)).sum::<u64>();
        let (loaded, filtered) = (sum(|what| what.loaded), sum(|what| what.filtered));
        rejects.check(loaded + sum(|what| what.unselected) + rejects.count())?;
        match self.target.options().filter_ratio {
            // The share that the user leaves to the server, as the server counts it.
            Some(ratio) if filtered as f64 > ratio * (loaded + filtered) as f64 => Err(ConnectorError::new(
                ErrorCode::Rejects,
                format!(
                    "{}: StarRocks refused {filtered} of {} rows, more than \"max_filter_ratio\" = {ratio} allows; nothing was written",
                    self.target.shown(),
                    loaded + filtered
                ),
            )),
            _ => Ok(()),
        }
    }

    /// That the server still keeps everything, asked before the decision: afterwards there is no way back.
    async fn check_kept(&self, prepared: &[(Label, Prepared)]) -> Result<()> {
        let (client, database) = (self.target.client(), self.target.database());
        let mut questions = Vec::new();
        for (label, _) in prepared {
            questions.push(async move { (label, client.settled_state(database, label).await) });
        }
        let asked: Vec<_> = stream::iter(questions).buffered(CALLS_AT_ONCE).collect().await;
        for (label, state) in asked {
            let why = match state? {
                LabelState::Prepared => continue,
                LabelState::Aborted(reason) => {
                    format!(
                        "the server has rolled it back: {reason} (a larger \"prepared_timeout\" makes it wait longer)"
                    )
                }
                LabelState::Unknown => "the server does not know it any more".to_owned(),
                LabelState::Running => "the server says that it is not prepared".to_owned(),
                LabelState::Committed | LabelState::Visible => {
                    return Err(ConnectorError::new(
                        ErrorCode::PartlyCommitted,
                        format!("{}: transaction {label} is committed, which nobody had decided", self.target.shown()),
                    ));
                }
            };
            return Err(ConnectorError::retryable(
                ErrorCode::Remote,
                format!(
                    "{}: transaction {label} was lost before the commit: {why}; nothing was written, run it again",
                    self.target.shown()
                ),
            ));
        }
        Ok(())
    }

    /// What the user is told of a decision that was not carried out in full.
    fn not_all(&self, outcomes: &Outcomes) -> ConnectorError {
        let target = &self.target;
        let shown = target.shown();
        if outcomes.committed.is_empty() && outcomes.doubtful.is_empty() {
            return ConnectorError::retryable(
                ErrorCode::Remote,
                format!(
                    "{shown}: transactions were gone before any was committed, so that all are rolled back: {}; nothing was written",
                    Outcomes::named(&outcomes.gone)
                ),
            );
        }
        let total = outcomes.committed.len() + outcomes.gone.len() + outcomes.doubtful.len();
        let committed = format!("{} of {total} transactions are committed and stay", outcomes.committed.len());
        if outcomes.doubtful.is_empty() {
            return ConnectorError::new(
                ErrorCode::PartlyCommitted,
                format!("{shown}: {committed}, rolled back: {}", Outcomes::named(&outcomes.gone)),
            );
        }
        let gone = match outcomes.gone.is_empty() {
            true => String::new(),
            false => format!(", rolled back: {}", Outcomes::named(&outcomes.gone)),
        };
        ConnectorError::new(
            ErrorCode::Unknown,
            format!(
                "{shown}: {committed}{gone}; not known are {}; --resume finishes them",
                Outcomes::named(&outcomes.doubtful)
            ),
        )
    }
}

#[async_trait]
impl Sink for TransactionSink {
    async fn begin(&self, writers: usize) -> Result<()> {
        self.shared.state.lock().writers = writers;
        self.shared.target.record_attempt(writers, "transaction").await
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        Ok(Box::new(TransactionWriter::new(self.shared.clone(), writer, writers)))
    }

    async fn commit(&self, _: Vec<CommitToken>) -> Result<WriteSummary> {
        let shared = &self.shared;
        let target = &shared.target;
        let (prepared, open) = shared.held();
        shared.check_rejects(&prepared)?;
        // Broken ones that could not be rolled back at once. They are not part of the decision, so that nothing of them can become visible.
        for ((writer, sequence), label) in open {
            shared.give_up(writer, sequence, &label).await;
        }
        let mut summary = WriteSummary { write_mode: "transaction".into(), ..WriteSummary::default() };
        if prepared.is_empty() {
            target.forget().await;
            return Ok(summary);
        }
        shared.check_kept(&prepared).await?;
        let labels: Vec<Label> = prepared.iter().map(|(label, _)| label.clone()).collect();
        target.record_decision(&labels.iter().map(ToString::to_string).collect::<Vec<_>>()).await?;
        // Until the server has said more, all of it is in doubt.
        shared.state.lock().outcomes = Some(Outcomes {
            doubtful: labels.iter().map(|label| (label.clone(), "its commit was not answered".to_owned())).collect(),
            ..Outcomes::default()
        });
        let place = Place { client: target.client(), database: target.database(), table: target.table() };
        let outcomes = commit_all(place, &labels).await;
        if outcomes.committed.len() < labels.len() {
            let error = shared.not_all(&outcomes);
            shared.state.lock().outcomes = Some(outcomes);
            return Err(error);
        }
        for (label, what) in &prepared {
            summary.rows_written += what.loaded;
            summary.rows_rejected_by_server += what.filtered;
            summary.bytes_written += what.bytes;
            summary.labels.push(label.to_string());
        }
        summary.load_parallelism = target.load_parallelism();
        summary.warnings = std::mem::take(&mut shared.state.lock().warnings);
        let within = target.options().settings.visible_timeout;
        summary.warnings.extend(warnings_of_visibility(target.client(), target.database(), &labels, within).await);
        shared.state.lock().outcomes = Some(outcomes);
        target.forget().await;
        Ok(summary)
    }

    async fn abort(&self) -> Result<()> {
        let shared = &self.shared;
        // From here on no writer takes a label.
        shared.cancelled.cancel();
        let (prepared, open) = shared.held();
        let labels: Vec<Label> =
            prepared.into_iter().map(|(label, _)| label).chain(open.into_iter().map(|(_, label)| label)).collect();
        // Each to its end: one that cannot be rolled back must not keep the others open.
        let mut calls = Vec::new();
        for label in labels {
            calls.push(async move {
                let outcome = shared.roll_back(&label).await;
                (label, outcome)
            });
        }
        let rolled_back: Vec<_> = stream::iter(calls).buffered(CALLS_AT_ONCE).collect().await;
        let mut committed = Vec::new();
        let mut left = Vec::new();
        for (label, outcome) in rolled_back {
            match outcome {
                Ok(Ended::Aborted | Ended::Unknown) => {}
                Ok(Ended::Committed) => committed.push((label, "committed".to_owned())),
                Err(error) => left.push((label, error.message().to_owned())),
            }
        }
        let shown = shared.target.shown();
        if !committed.is_empty() {
            let named = Outcomes::named(&committed);
            return Err(ConnectorError::new(
                ErrorCode::PartlyCommitted,
                format!("{shown}: transactions could not be rolled back: {named}"),
            ));
        }
        if !left.is_empty() {
            let named = Outcomes::named(&left);
            shared.state.lock().outcomes = Some(Outcomes { doubtful: left, ..Outcomes::default() });
            return Err(ConnectorError::new(
                ErrorCode::Unknown,
                format!(
                    "{shown}: nothing was committed, but transactions are still open on the server: {named}; it rolls them back by itself, --resume does it sooner"
                ),
            ));
        }
        shared.target.forget().await;
        Ok(())
    }

    fn remains(&self) -> Option<WriteSummary> {
        let state = self.shared.state.lock();
        let mut summary = WriteSummary { write_mode: "transaction".into(), ..WriteSummary::default() };
        let outcomes = state.outcomes.as_ref();
        let is_committed = |label: &Label| outcomes.is_some_and(|outcomes| outcomes.committed.contains(label));
        let is_doubtful =
            |label: &Label| outcomes.is_some_and(|outcomes| outcomes.doubtful.iter().any(|(known, _)| known == label));
        let keeps_for = self.shared.target.prepared_timeout();
        for labelled in state.labels.values() {
            let Stage::Prepared(what) = &labelled.stage else {
                if is_doubtful(&labelled.label) {
                    summary.labels.push(labelled.label.to_string());
                }
                continue;
            };
            if is_committed(&labelled.label) {
                summary.rows_written += what.loaded;
                summary.rows_rejected_by_server += what.filtered;
                summary.bytes_written += what.bytes;
            } else if is_doubtful(&labelled.label) {
                let until = kept_until(what.at, keeps_for);
                summary.resume_until = Some(summary.resume_until.map_or(until, |earliest| earliest.min(until)));
            } else {
                continue;
            }
            summary.labels.push(labelled.label.to_string());
        }
        Some(summary)
    }
}

/// When the server rolls back what was prepared at `at`.
fn kept_until(at: Timestamp, keeps_for: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(keeps_for)
        .ok()
        .and_then(|keeps_for| at.checked_add(keeps_for).ok())
        .unwrap_or(Timestamp::MAX)
}
