//! What the engine holds of a running write: its state, its live progress, and its summary.

use std::fmt;
use std::future::Future;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::WriteSummary;

/// Where a write is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteState {
    /// Nothing has happened yet: planning has no effects.
    Planned,
    /// The sink is being begun.
    Beginning,
    /// Writers run.
    Writing,
    /// The commit runs; it cannot be cancelled any more.
    Committing,
    /// The attempt is being removed.
    RollingBack,
    /// Everything is visible.
    Committed,
    /// `begin` failed: nothing was written.
    Failed,
    /// The write had begun and left nothing.
    RolledBack,
    /// A part is visible.
    PartlyCommitted,
    /// The outcome is not known, or removing the attempt failed.
    Unknown,
}

impl WriteState {
    /// Whether nothing more happens to the write.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Beginning | Self::Writing | Self::Committing | Self::RollingBack)
    }
}

/// How far a write is. Both numbers only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteProgress {
    /// Rows that writers have taken.
    pub rows: u64,
    /// Bytes that writers have sent, as encoded.
    pub bytes: u64,
}

/// Tasks that must end even if the statement that started them is dropped: commits and roll-backs.
///
/// Given as an extension of the session config, one value collects the tasks of all statements, so that the engine's shutdown can wait.
#[derive(Debug, Clone, Default)]
pub struct CleanUp {
    tasks: TaskTracker,
}

impl CleanUp {
    /// Nothing to wait for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a future to its end, whatever happens to the caller. The tracker is the one place where a task may outlive its statement.
    pub(super) fn spawn<F>(&self, runtime: &Handle, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn_on(future, runtime)
    }

    /// Waits until every commit and roll-back that was started so far has ended.
    pub async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

/// The engine's view of one write; `plan_insert` returns it beside the plan.
pub struct WriteHandle {
    state: watch::Sender<WriteState>,
    progress: Mutex<Vec<WriteProgress>>,
    summary: Mutex<Option<WriteSummary>>,
    /// What a roll-back said that could not remove everything.
    not_removed: Mutex<Option<String>>,
    clean_up: CleanUp,
}

impl WriteHandle {
    pub(super) fn new(clean_up: CleanUp) -> Self {
        Self {
            state: watch::Sender::new(WriteState::Planned),
            progress: Mutex::default(),
            summary: Mutex::default(),
            not_removed: Mutex::default(),
            clean_up,
        }
    }

    /// Where the write is now.
    pub fn state(&self) -> WriteState {
        *self.state.borrow()
    }

    /// Waits until nothing more happens: after an error or a cancelled stream the roll-back may still run.
    /// Returns at once for a write that never started.
    pub async fn settled(&self) -> WriteState {
        let mut state = self.state.subscribe();
        match state.wait_for(|state| state.is_settled()).await {
            Ok(state) => *state,
            Err(_) => self.state(),
        }
    }

    /// Rows and bytes of all writers so far.
    pub fn progress(&self) -> WriteProgress {
        self.progress.lock().iter().fold(WriteProgress::default(), |sum, writer| WriteProgress {
            rows: sum.rows + writer.rows,
            bytes: sum.bytes + writer.bytes,
        })
    }

    /// What the write did, once it is committed.
    pub fn summary(&self) -> Option<WriteSummary> {
        self.summary.lock().clone()
    }

    /// What the roll-back said that could not remove everything: the one place to learn it after a cancelled stream.
    pub fn not_removed(&self) -> Option<String> {
        self.not_removed.lock().clone()
    }

    pub(super) fn set_not_removed(&self, message: &str) {
        *self.not_removed.lock() = Some(message.to_owned());
    }

    pub(super) fn clean_up(&self) -> &CleanUp {
        &self.clean_up
    }

    /// Moves to `Beginning`; false if the write has been started before.
    pub(super) fn start(&self) -> bool {
        self.state.send_if_modified(|state| {
            let is_first = *state == WriteState::Planned;
            if is_first {
                *state = WriteState::Beginning;
            }
            is_first
        })
    }

    pub(super) fn enter(&self, next: WriteState) {
        self.state.send_replace(next);
    }

    pub(super) fn committed(&self, summary: WriteSummary) {
        *self.summary.lock() = Some(summary);
        self.enter(WriteState::Committed);
    }

    pub(super) fn report(&self, writer: usize, progress: WriteProgress) {
        let mut writers = self.progress.lock();
        if writers.len() <= writer {
            writers.resize(writer + 1, WriteProgress::default());
        }
        writers[writer] = progress;
    }
}

impl fmt::Debug for WriteHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHandle")
            .field("state", &self.state())
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
