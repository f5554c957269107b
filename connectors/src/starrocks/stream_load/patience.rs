//! How long and how often the client tries.

use std::time::Duration;

/// How long and how often the client tries.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// Tries of one load, the first included.
    pub(crate) attempts: u32,
    /// The wait before the second try; it doubles with each.
    pub(crate) backoff: Duration,
    /// The longest wait between two tries or two questions.
    pub(crate) max_backoff: Duration,
    /// How long a label may be unknown to the server before its load is taken for one that never began.
    pub(crate) unknown_for: Duration,
    /// How long beyond its `timeout` a load may take to answer: the server waits until then for the data to be visible.
    pub(crate) answer_margin: Duration,
    /// How long rolling back waits for the server to say that a broken load is gone.
    pub(crate) roll_back_for: Duration,
    /// How long a database that runs as many transactions as it may is waited for.
    pub(crate) limit_for: Duration,
    /// The wait between two tries while it does.
    pub(crate) limit_backoff: Duration,
    /// How long a commit that was decided is tried.
    pub(crate) commit_for: Duration,
}

impl Default for Patience {
    /// Six tries within about 15 s, as long as a backend takes to leave the list of those alive; a label that is unknown for 5 s, far beyond the time between begin and its first appearance; five minutes for
    /// others to end their transactions; two for a commit, in which a cluster elects a new leader.
    fn default() -> Self {
        Self {
            attempts: 6,
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(10),
            unknown_for: Duration::from_secs(5),
            answer_margin: Duration::from_secs(60),
            roll_back_for: Duration::from_secs(10),
            limit_for: Duration::from_secs(300),
            limit_backoff: Duration::from_secs(10),
            commit_for: Duration::from_secs(120),
        }
    }
}
