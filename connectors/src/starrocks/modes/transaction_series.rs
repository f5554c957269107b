//! One writer's transactions, one after the other: begun, filled part by part, sent again when one breaks, prepared when full.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::super::kept::{Keeper, Kept};
use super::super::stream_load::body::Body;
use super::super::stream_load::response::LoadResponse;
use super::super::stream_load::transaction::{Begun, Step, Transaction, is_empty_load};
use super::target::{Encoding, WriteTarget};
use super::transaction::{Prepared, Shared, ended};
use crate::error::{ConnectorError, ErrorCode, Result};

/// Transactions that may break in the place of one before the write fails.
const MAX_BROKEN: u32 = 5;

/// Whole rows that are sent by one request.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) bytes: Bytes,
    pub(super) rows: u64,
    pub(super) encoding: Encoding,
}

/// The transactions of one writer.
pub(super) struct TransactionSeries {
    shared: Arc<Shared>,
    writer: usize,
    /// The sequence of the next transaction.
    sequence: u64,
    open: Option<Open>,
    /// What was sent of the open one.
    kept: Vec<Kept>,
    keeper: Keeper,
    /// Rows of those that are prepared, and their labels.
    rows: u64,
    labels: Vec<String>,
}

/// The transaction that is being filled.
struct Open {
    transaction: Transaction,
    sequence: u64,
    encoding: Encoding,
    rows: u64,
    bytes: u64,
    /// It is prepared when it has so many bytes; None is never, before its writer ends.
    full_at: Option<u64>,
    /// How many were broken in its place.
    broken: u32,
}

impl Open {
    fn takes(&self, part: &Part) -> bool {
        let bytes = self.bytes.saturating_add(part.bytes.len() as u64);
        self.encoding == part.encoding && self.full_at.is_none_or(|full_at| bytes <= full_at)
    }
}

impl TransactionSeries {
    pub(super) fn new(shared: Arc<Shared>, writer: usize) -> Self {
        let keeper = Keeper::new(shared.memory.clone(), &shared.spill());
        Self { shared, writer, sequence: 0, open: None, kept: Vec::new(), keeper, rows: 0, labels: Vec::new() }
    }

    fn target(&self) -> &WriteTarget {
        &self.shared.target
    }

    /// Rows that the server has of prepared transactions, and those that it was told to leave out.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The labels of the prepared transactions.
    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Sends a part, in a transaction that is begun for it if there is none that takes it; one that is full is prepared. Returns the part's buffer for
    /// the next one, unless it is kept.
    pub(super) async fn send(&mut self, part: Part) -> Result<Vec<u8>> {
        if self.open.as_ref().is_some_and(|open| !open.takes(&part)) {
            self.prepare().await?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(part.encoding, None).await?,
        };
        open.rows += part.rows;
        open.bytes += part.bytes.len() as u64;
        self.kept.push(self.keeper.keep(part.bytes.clone()).await?);
        let sent = self.unless_cancelled(send(&self.shared, &open.transaction, part.bytes.clone())).await??;
        if let Step::Broken(reason) = sent {
            open = self.send_again(open, reason).await?;
        }
        let is_full = open.full_at.is_some_and(|full_at| open.bytes >= full_at);
        self.open = Some(open);
        if is_full {
            self.prepare().await?;
        }
        let mut buffer = part.bytes.try_into_mut().map(Vec::from).unwrap_or_default();
        buffer.clear();
        Ok(buffer)
    }

    /// Begins the next transaction. `former` is one that broke, whose rows it takes over.
    async fn begin(&mut self, encoding: Encoding, former: Option<Open>) -> Result<Open> {
        let full_at = match &former {
            Some(former) => former.full_at,
            None => self.shared.transaction_bytes(),
        };
        let sequence = self.sequence;
        let label = self.shared.take_label(self.writer, sequence)?;
        let transaction = self.target().transaction(label, encoding);
        let client = self.shared.target.client();
        if let Begun::Taken(error) = self.unless_cancelled(client.begin(&transaction)).await?? {
            self.shared.disown(self.writer, sequence);
            return Err(error);
        }
        // Only now: whoever looks for this writer's labels stops at the first that the server does not know.
        self.sequence += 1;
        Ok(match former {
            Some(former) => Open { transaction, sequence, ..former },
            None => Open { transaction, sequence, encoding, rows: 0, bytes: 0, full_at, broken: 0 },
        })
    }

    /// Sends everything of a broken transaction once more, in another one.
    async fn send_again(&mut self, mut open: Open, mut reason: String) -> Result<Open> {
        'transactions: loop {
            open.broken += 1;
            let label = open.transaction.label.clone();
            tracing::warn!(%label, %reason, "a transaction broke; sending its rows again in another one");
            let shared = self.shared.clone();
            self.unless_cancelled(shared.give_up(self.writer, open.sequence, &label)).await?;
            if open.broken > MAX_BROKEN.min(shared.target.client().patience().attempts) {
                return Err(ConnectorError::retryable(
                    ErrorCode::Connection,
                    format!(
                        "{}: {} transactions broke one after the other, the last, {label}, with: {reason}; nothing was written",
                        self.target().shown(),
                        open.broken
                    ),
                ));
            }
            self.unless_cancelled(shared.target.client().back_off(open.broken)).await?;
            open = self.begin(open.encoding, Some(open)).await?;
            for part in &self.kept {
                let part = part.read().await?;
                let sent = self.unless_cancelled(send(&shared, &open.transaction, part)).await??;
                if let Step::Broken(why) = sent {
                    reason = why;
                    continue 'transactions;
                }
            }
            return Ok(open);
        }
    }

    /// Prepares the open transaction, if there is one, and lets its bytes go.
    pub(super) async fn prepare(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let shared = self.shared.clone();
        let response = loop {
            match self.unless_cancelled(shared.target.client().prepare(&open.transaction)).await?? {
                Step::Done(response) => break response,
                Step::Broken(reason) => open = self.send_again(open, reason).await?,
            }
        };
        self.kept.clear();
        self.keeper.rewind();
        let prepared = self.account(&open, &response)?;
        if prepared.filtered > 0 {
            let mut warnings = Vec::new();
            let (_, limit) = shared.target.report_refused_rows(&response, &mut warnings).await;
            shared.warn(warnings);
            limit?;
            let uncounted = prepared.filtered - response.filtered.unwrap_or(0);
            if uncounted > 0 {
                shared.target.rejects().reject_unnamed(uncounted)?;
            }
        }
        self.rows += prepared.loaded + prepared.unselected;
        if is_empty_load(&response) {
            shared.give_up(self.writer, open.sequence, &open.transaction.label).await;
            return Ok(());
        }
        shared.prepared(self.writer, open.sequence, prepared);
        self.labels.push(open.transaction.label.to_string());
        Ok(())
    }

    /// Every row must be accounted for: this is the last moment at which the write can still be taken back.
    fn account(&self, open: &Open, response: &LoadResponse) -> Result<Prepared> {
        let (label, shown) = (&open.transaction.label, self.target().shown());
        let refused = |why: String| {
            ConnectorError::new(
                ErrorCode::Remote,
                format!("{shown}: transaction {label} had {} rows, and {why}; nothing was written", open.rows),
            )
        };
        let filtered = response.filtered.unwrap_or(0);
        let loaded = match (response.loaded, is_empty_load(response)) {
            (Some(loaded), _) => loaded,
            (None, true) => 0,
            (None, false) => return Err(refused("StarRocks does not say how many of them it took".to_owned())),
        };
        let unselected = response.unselected.unwrap_or(0);
        // A server that refuses an empty transaction need not count: all rows were left out.
        let filtered =
            if is_empty_load(response) && loaded + filtered + unselected == 0 { open.rows } else { filtered };
        let accounted = loaded + filtered + unselected;
        if accounted != open.rows {
            return Err(refused(format!("StarRocks accounts for {accounted}")));
        }
        if unselected > 0 {
            self.shared.warn(vec![format!("{unselected} rows of transaction {label} did not meet its \"where\"")]);
        }
        Ok(Prepared { loaded, filtered, unselected, bytes: open.bytes, at: Timestamp::now() })
    }

    /// Waits for a step unless the write is aborted, which rolls back whatever the step has begun.
    async fn unless_cancelled<T>(&self, step: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            () = self.shared.cancelled.cancelled() => Err(ended()),
            done = step => Ok(done),
        }
    }
}

async fn send(shared: &Shared, transaction: &Transaction, part: Bytes) -> Result<Step<()>> {
    shared.target.client().load_part(transaction, &mut Body::of(part)).await
}
