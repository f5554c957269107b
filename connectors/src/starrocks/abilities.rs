//! What the server can do, found by asking it in ways that have no effect, and kept for the life of the catalog.

use tokio::sync::OnceCell;

use super::stream_load::client::StreamLoadClient;
use crate::error::Result;

/// What is known of the server so far.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    transactions: OnceCell<bool>,
}

impl Abilities {
    /// Whether it has the transaction interface (StarRocks 2.4 and later). Database and table are those of a write that is being planned.
    pub(super) async fn transactions(&self, client: &StreamLoadClient, database: &str, table: &str) -> Result<bool> {
        // An answer that was lost is no answer: it is asked for again.
        self.transactions.get_or_try_init(|| client.has_transactions(database, table)).await.copied()
    }
}
