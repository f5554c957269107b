//! Stream Load: from the headers and the bytes of one request to a committed transaction.
//!
//! [`PreparedLoad::new`] does what the server does before it asks for the body: label, table, options, columns, partitions.
//! [`PreparedLoad::run`] then reads the body on a blocking thread, converts it column by column, and commits. All rows of a
//! load are staged before the commit, so that it is seen whole or not at all. [`TransactionLoads`] does the same for the
//! transaction interface, where the bodies of several requests are staged together.

mod arrow_stream;
mod column_list;
mod columns;
mod computed;
mod encoding;
mod error_log;
mod intake;
mod json;
mod json_path;
mod options;
mod outcome;
mod publish;
mod rows;
#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
mod transaction;
mod transaction_reply;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

pub(crate) use error_log::ErrorLogs;
pub(crate) use options::LoadOptions;
pub(crate) use outcome::{LoadOutcome, pretty};
pub(crate) use publish::{LateCommits, Publish, Published};
#[cfg(test)]
pub(crate) use test_support::RowOutcome;
pub(crate) use transaction::{BeginRequest, FinishRequest, TransactionLoads};
pub(crate) use transaction_reply::{Refusal, TransactionReply, TransactionStatus, reply_json};

use crate::error::{Error, Result};
use crate::server::ServerConfig;
use crate::storage::{Database, Label, Transaction};
use intake::{BodyEnd, Intake};

/// Longest body in bytes (StarRocks: `streaming_load_max_mb`, 10 GB up to version 3.4).
pub(crate) const MAX_BODY: u64 = 10 << 30;
/// Longest JSON body in bytes, unless `ignore_json_size` (StarRocks: `streaming_load_max_batch_size_mb`).
pub(crate) const MAX_JSON_BODY: u64 = 100 << 20;

/// A piece of the body on its way to the thread that reads it.
pub(crate) enum Piece {
    /// Bytes in their order.
    Bytes(Bytes),
    /// The body is complete. A channel that closes without this means a broken connection.
    End,
}

/// A load whose headers are accepted. Dropping it aborts its transaction.
pub(crate) struct PreparedLoad {
    transaction: Transaction,
    intake: Intake,
}

/// How long the steps of a load took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timings {
    pub(crate) begin: Duration,
    pub(crate) plan: Duration,
    pub(crate) read: Duration,
    pub(crate) commit: Duration,
    pub(crate) total: Duration,
}

/// Rows of a load by what became of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    pub(crate) loaded: u64,
    pub(crate) filtered: u64,
    /// Rows for which the `where` header is not true.
    pub(crate) unselected: u64,
    pub(crate) bytes: u64,
}

impl PreparedLoad {
    /// Checks everything that the headers say. The transaction is open when this returns.
    pub(crate) fn new(
        database: &Database,
        table: &str,
        label: &Label,
        options: impl FnOnce() -> Result<LoadOptions>,
        config: &ServerConfig,
        outcome: &mut LoadOutcome,
    ) -> Result<Self> {
        let table = database
            .table(table)
            .map_err(|_| Error::invalid(format!("unknown table \"{}.{table}\"", database.name())))?;
        let begun = Instant::now();
        let transaction = database.begin_within(label, table.name(), config.transactions.max_running)?;
        outcome.transaction_id = Some(transaction.id());
        outcome.timings.begin = begun.elapsed();
        let begun = Instant::now();
        let intake = options().and_then(|options| Intake::new(&table, options, config.discard));
        outcome.timings.plan = begun.elapsed();
        match intake {
            Ok(intake) => Ok(Self { transaction, intake }),
            Err(error) => {
                transaction.abort(error.to_string());
                Err(error)
            }
        }
    }

    /// What the headers ask for.
    pub(crate) fn options(&self) -> &LoadOptions {
        self.intake.options()
    }

    /// Reads the body and commits. Blocks: it belongs on a blocking thread.
    pub(crate) fn run(
        self,
        pieces: mpsc::Receiver<Piece>,
        publish: Publish,
        outcome: &mut LoadOutcome,
        logs: &ErrorLogs,
        late: &LateCommits,
    ) -> Result<Published> {
        let Self { transaction, mut intake } = self;
        let begun = Instant::now();
        let read = intake.read(pieces).and_then(|end| match end {
            BodyEnd::Complete => Ok(()),
            BodyEnd::Broken => Err(Error::backend("the connection ended before the body was complete")),
        });
        let (ended, mut loaded) = intake.finish();
        outcome.timings.read = begun.elapsed();
        outcome.counts = loaded.counts;
        outcome.error_log = loaded.keep_errors(logs);
        let begun = Instant::now();
        if let Err(error) = read.and(ended).and_then(|()| loaded.check()) {
            transaction.abort(error.to_string());
            return Err(error);
        }
        let published = late.publish(loaded, transaction, publish)?;
        outcome.timings.commit = begun.elapsed();
        Ok(published)
    }
}
