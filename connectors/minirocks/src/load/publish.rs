//! Making staged rows readable: at once, or later as a busy server does it.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::intake::Loaded;
use crate::error::Result;
use crate::storage::{StagedWrite, Transaction, WriteMode};

/// When a commit's rows become readable. Anything but [`Now`](Self::Now) is a fault that a test has armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Publish {
    /// Before the answer.
    #[default]
    Now,
    /// The commit is decided and answered; the rows follow (StarRocks: `Publish Timeout`).
    Late {
        /// How long after the decision.
        after: Duration,
    },
    /// The transaction stays open for a while without its client, and then ends.
    Hanging {
        /// How long it stays.
        until: Duration,
        /// Whether it ends with a commit.
        commits: bool,
    },
}

/// What a commit has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// The rows are readable.
    Visible,
    /// They will be.
    Committed,
    /// Nothing is decided; the client is not answered.
    Open,
}

/// Commits that end later. Dropping it drops them: their rows are lost, as if the server had never been asked.
#[derive(Debug, Default)]
pub(crate) struct LateCommits {
    tasks: Mutex<JoinSet<()>>,
}

impl LateCommits {
    /// Commits rows, or lets it happen later. Blocks when it commits at once.
    pub(super) fn publish(&self, loaded: Loaded, mut transaction: Transaction, how: Publish) -> Result<Published> {
        match how {
            Publish::Now => {
                loaded.staged.commit(transaction, WriteMode::Append)?;
                Ok(Published::Visible)
            }
            Publish::Late { after } => {
                transaction.decide_only()?;
                self.commit_after(after, loaded.staged, transaction);
                Ok(Published::Committed)
            }
            Publish::Hanging { until, commits: true } => {
                self.commit_after(until, loaded.staged, transaction);
                Ok(Published::Open)
            }
            Publish::Hanging { until, commits: false } => {
                self.spawn(async move {
                    tokio::time::sleep(until).await;
                    transaction.abort("timeout by txn manager");
                });
                Ok(Published::Open)
            }
        }
    }

    fn commit_after(&self, pause: Duration, staged: StagedWrite, transaction: Transaction) {
        self.spawn(async move {
            tokio::time::sleep(pause).await;
            let committed = tokio::task::spawn_blocking(move || staged.commit(transaction, WriteMode::Append)).await;
            if let Ok(Err(error)) = committed {
                tracing::warn!(%error, "a late commit failed");
            }
        });
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}
