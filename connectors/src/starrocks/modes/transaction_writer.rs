//! One writer of a write in transactions: encodes rows, sends them part by part, and keeps what it sent until the server has it for sure.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::super::stream_load::body::Body;
use super::super::stream_load::response::LoadResponse;
use super::super::stream_load::transaction::{Begun, Step, Transaction, is_empty_load};
use super::super::write_options::Format;
use super::encode::without;
use super::spill::KeptParts;
use super::target::{Encoding, WriteTarget};
use super::transaction::{Prepared, Shared, ended};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{CommitToken, Writer};

/// A part is sent when it has so many bytes: few enough to be held by each writer, many enough to be worth a request.
const PART_BYTES: usize = 8 << 20;
/// Transactions that may break in the place of one before the write fails.
const MAX_BROKEN: u32 = 5;

/// The way out for a row that needs JSON while the batch has one that JSON cannot carry.
const NOT_AS_JSON: &str = "JSON, which could carry it, is ruled out by a value that is not UTF-8 in a row beside it; allow such rows with \"error_limit\", or write them by a statement of their own";
/// The way out for a row that the user's own CSV cannot carry.
const LEAVE_THE_FORMAT: &str = "leave format, delimiters and \"columns\" to syncline, which then chooses one that carries it, or allow such rows with \"error_limit\"";
/// The way out for a row that only CSV could carry, in a writer that had to go over to JSON.
const NOT_AS_CSV: &str = "CSV, which could carry it, could not carry a row before it; allow such rows with \"error_limit\", or write them by a statement of their own";

pub(super) struct TransactionWriter {
    shared: Arc<Shared>,
    writer: usize,
    writers: usize,
    /// The sequence of the next transaction.
    sequence: u64,
    encoding: Encoding,
    /// The part that is being encoded.
    part: Vec<u8>,
    part_rows: u64,
    open: Option<Open>,
    rows: u64,
    bytes: u64,
    labels: Vec<String>,
}

/// The transaction that is being filled.
struct Open {
    transaction: Transaction,
    sequence: u64,
    kept: KeptParts,
    rows: u64,
    bytes: u64,
    /// It is prepared when it has so many bytes; None is never, before its writer ends.
    full_at: Option<u64>,
    /// How many were broken in its place.
    broken: u32,
}

impl Open {
    fn has_room_for(&self, bytes: u64) -> bool {
        self.full_at.is_none_or(|full_at| self.bytes.saturating_add(bytes) <= full_at)
    }
}

impl TransactionWriter {
    pub(super) fn new(shared: Arc<Shared>, writer: usize, writers: usize) -> Self {
        let encoding = if shared.target.format() == &Format::Json { Encoding::Json } else { Encoding::Csv };
        Self {
            shared,
            writer,
            writers,
            sequence: 0,
            encoding,
            part: Vec::new(),
            part_rows: 0,
            open: None,
            rows: 0,
            bytes: 0,
            labels: Vec::new(),
        }
    }

    fn target(&self) -> &WriteTarget {
        &self.shared.target
    }

    /// How many bytes of load_bytes or of the usual part a part has at most.
    fn part_bytes(&self) -> usize {
        let load_bytes = usize::try_from(self.target().options().settings.load_bytes).unwrap_or(usize::MAX);
        PART_BYTES.min(load_bytes)
    }

    /// Encodes a batch behind the rows before it. A batch that is larger than a part is cut in two, and those again.
    async fn add(&mut self, batch: RecordBatch) -> Result<()> {
        let load_rows = self.target().options().settings.load_rows.unwrap_or(u64::MAX);
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let room = usize::try_from(load_rows - self.part_rows.min(load_rows)).unwrap_or(usize::MAX);
            if room == 0 {
                self.send_part().await?;
                waiting.push(batch);
                continue;
            }
            let rows = batch.num_rows();
            let cut = match memory_of(&batch) > 2 * PART_BYTES {
                _ if rows > room => room,
                true if rows > 1 => rows / 2,
                _ => rows,
            };
            if cut < rows {
                waiting.push(batch.slice(cut, rows - cut));
                waiting.push(batch.slice(0, cut));
                continue;
            }
            self.encode(batch).await?;
            if self.part.len() >= self.part_bytes() {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    /// Appends the rows to the open part. The first batch that CSV cannot carry makes this and all that follow JSON, in a transaction of its own.
    async fn encode(&mut self, batch: RecordBatch) -> Result<()> {
        let shared = self.shared.clone();
        let target = &shared.target;
        if self.encoding == Encoding::Csv {
            let carries = target.csv().carries(&batch);
            let way_out = match target.format() {
                Format::CsvOrJson(_) if !carries.is_complete() && target.json().uncarried(&batch).is_empty() => {
                    self.send_part().await?;
                    self.prepare().await?;
                    self.encoding = Encoding::Json;
                    return self.encode_json(&batch).await;
                }
                Format::CsvOrJson(_) => NOT_AS_JSON,
                _ => LEAVE_THE_FORMAT,
            };
            let batch = without(target, &batch, carries.uncarried(), way_out)?;
            return self.encode_csv(batch).await;
        }
        self.encode_json(&batch).await
    }

    /// Rows that CSV carries. Those that pass the size of a part are in the next one, cut in two as often as it needs.
    async fn encode_csv(&mut self, batch: RecordBatch) -> Result<()> {
        let shared = self.shared.clone();
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let (before, rows) = (self.part.len(), batch.num_rows());
            shared.target.csv().encode(&batch, &mut self.part)?;
            if self.part.len() > self.part_bytes() && self.part_rows > 0 {
                let next = self.part.split_off(before);
                self.send_part().await?;
                self.part = next;
            }
            if self.part.len() > self.part_bytes() && rows > 1 {
                self.part.clear();
                waiting.push(batch.slice(rows / 2, rows - rows / 2));
                waiting.push(batch.slice(0, rows / 2));
                continue;
            }
            self.part_rows += rows as u64;
        }
        Ok(())
    }

    async fn encode_json(&mut self, batch: &RecordBatch) -> Result<()> {
        let shared = self.shared.clone();
        let target = &shared.target;
        let way_out = if target.format() == &Format::Json { "" } else { NOT_AS_CSV };
        let batch = without(target, batch, &target.json().uncarried(batch), way_out)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let before = self.part.len();
        if self.part_rows == 0 {
            target.json().open(&mut self.part);
        }
        target.json().encode(&batch, self.part_rows == 0, &mut self.part)?;
        // The list's closing bracket counts.
        let is_too_much = self.part.len() + 1 > self.part_bytes() && (self.part_rows > 0 || batch.num_rows() > 1);
        if !is_too_much && target.takes_json_of(self.part.len() as u64 + 1) {
            self.part_rows += batch.num_rows() as u64;
            return Ok(());
        }
        self.part.truncate(before);
        if self.part_rows > 0 {
            self.send_part().await?;
            return Box::pin(self.encode_json(&batch)).await;
        }
        if batch.num_rows() > 1 {
            let half = batch.num_rows() / 2;
            Box::pin(self.encode_json(&batch.slice(0, half))).await?;
            return Box::pin(self.encode_json(&batch.slice(half, batch.num_rows() - half))).await;
        }
        Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!(
                "{}: a row is larger than 100 MB as JSON, which is all that the server takes at once; nothing was written",
                target.shown()
            ),
        ))
    }

    /// Sends the open part, in a transaction that is begun for it if there is none; a transaction that is full is prepared.
    async fn send_part(&mut self) -> Result<()> {
        if self.part_rows == 0 {
            self.part.clear();
            return Ok(());
        }
        if self.encoding == Encoding::Json {
            self.shared.target.json().close(&mut self.part);
        }
        // Copied, so that what is kept has no room to spare.
        let part = Bytes::copy_from_slice(&self.part);
        self.part.clear();
        let rows = std::mem::take(&mut self.part_rows);
        self.bytes += part.len() as u64;
        if self.open.as_ref().is_some_and(|open| !open.has_room_for(part.len() as u64)) {
            self.prepare().await?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(None).await?,
        };
        open.rows += rows;
        open.bytes += part.len() as u64;
        open.kept.push(part.clone()).await?;
        let sent = self.unless_cancelled(send(&self.shared, &open.transaction, part)).await??;
        if let Step::Broken(reason) = sent {
            open = self.send_again(open, reason).await?;
        }
        let is_full = open.full_at.is_some_and(|full_at| open.bytes >= full_at);
        self.open = Some(open);
        if is_full {
            self.prepare().await?;
        }
        Ok(())
    }

    /// Begins the next transaction. `former` is one that broke, whose rows it takes over.
    async fn begin(&mut self, former: Option<Open>) -> Result<Open> {
        let full_at = match &former {
            Some(former) => former.full_at,
            None => self.shared.transaction_bytes(),
        };
        let sequence = self.sequence;
        let label = self.shared.take_label(self.writer, sequence)?;
        let transaction = self.target().transaction(label, self.encoding);
        let client = self.shared.target.client();
        if let Begun::Taken(error) = self.unless_cancelled(client.begin(&transaction)).await?? {
            self.shared.disown(self.writer, sequence);
            return Err(error);
        }
        // Only now: whoever looks for this writer's labels stops at the first that the server does not know.
        self.sequence += 1;
        Ok(match former {
            Some(former) => Open { transaction, sequence, ..former },
            None => Open {
                transaction,
                sequence,
                kept: KeptParts::new(self.shared.memory.clone()),
                rows: 0,
                bytes: 0,
                full_at,
                broken: 0,
            },
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
            open = self.begin(Some(open)).await?;
            for index in 0..open.kept.len() {
                let part = open.kept.part(index).await?;
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
    async fn prepare(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let shared = self.shared.clone();
        let response = loop {
            match self.unless_cancelled(shared.target.client().prepare(&open.transaction)).await?? {
                Step::Done(response) => break response,
                Step::Broken(reason) => open = self.send_again(open, reason).await?,
            }
        };
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
    shared.target.client().load_part(transaction, &mut Body::Kept(vec![part])).await
}

fn memory_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

#[async_trait]
impl Writer for TransactionWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.add(batch.clone()).await
    }

    fn bytes_written(&self) -> u64 {
        self.bytes + self.part.len() as u64
    }

    async fn finish(mut self: Box<Self>) -> Result<CommitToken> {
        self.send_part().await?;
        self.prepare().await?;
        Ok(CommitToken::last(self.writer, self.writers, self.rows, self.bytes, self.labels.join("\n")))
    }
}
