//! One writer of a write in transactions: encodes rows into parts. While one part is being sent, the next is encoded.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;

use super::super::write_options::Format;
use super::encode::{memory_of, without};
use super::target::{Encoding, WriteTarget};
use super::transaction::Shared;
use super::transaction_series::{Part, TransactionSeries};
use crate::error::{ConnectorError, Result};
use crate::sink::{CommitToken, Writer};

/// The parts that all writers encode at a time have so many bytes together; as many again are being sent.
const PARTS_BYTES: usize = 8 << 20;
/// A part is sent when it has so many bytes: enough to be worth a request.
const LEAST_PART_BYTES: usize = 2 << 20;
/// And with few writers so many: more make a request no cheaper.
pub(super) const MOST_PART_BYTES: usize = 4 << 20;

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
    encoding: Encoding,
    /// The part that is being encoded.
    part: Vec<u8>,
    part_rows: u64,
    /// A buffer for the part after it.
    spare: Vec<u8>,
    bytes: u64,
    sending: Sending,
}

/// Where the transactions are.
enum Sending {
    Idle(Box<TransactionSeries>),
    /// With the part that is being sent. Dropping the task stops it.
    Busy(SpawnedTask<(Box<TransactionSeries>, Result<Vec<u8>>)>),
    /// Its last part failed.
    Failed,
}

impl TransactionWriter {
    pub(super) fn new(shared: Arc<Shared>, writer: usize, writers: usize) -> Self {
        let encoding = if shared.target.format() == &Format::Json { Encoding::Json } else { Encoding::Csv };
        let sending = Sending::Idle(Box::new(TransactionSeries::new(shared.clone(), writer)));
        Self { shared, writer, writers, encoding, part: Vec::new(), part_rows: 0, spare: Vec::new(), bytes: 0, sending }
    }

    fn target(&self) -> &WriteTarget {
        &self.shared.target
    }

    /// How many bytes of load_bytes or of the usual part a part has at most.
    fn part_bytes(&self) -> usize {
        let load_bytes = usize::try_from(self.target().options().settings.load_bytes).unwrap_or(usize::MAX);
        (PARTS_BYTES / self.writers.max(1)).clamp(LEAST_PART_BYTES, MOST_PART_BYTES).min(load_bytes)
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
            let cut = match memory_of(&batch) > 2 * MOST_PART_BYTES {
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
            self.make_room();
            shared.target.csv().encode(&batch, &mut self.part)?;
            if self.part.len() > self.part_bytes() && self.part_rows > 0 {
                let next = self.part.split_off(before);
                self.send_part().await?;
                self.make_room();
                self.part.extend_from_slice(&next);
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
        Err(target.row_is_too_much_json())
    }

    /// A new part gets all its room at once, and some for the batch that fills it, so that it is not moved while it grows. Only what is written
    /// of it is real memory.
    fn make_room(&mut self) {
        let bytes = self.part_bytes();
        if self.part.capacity() == 0 && bytes >= LEAST_PART_BYTES {
            self.part.reserve_exact(bytes + bytes / 4);
        }
    }

    /// Hands the open part over to be sent, once the one before it was.
    async fn send_part(&mut self) -> Result<()> {
        if self.part_rows == 0 {
            self.part.clear();
            return Ok(());
        }
        if self.encoding == Encoding::Json {
            self.shared.target.json().close(&mut self.part);
        }
        let bytes = Bytes::from(std::mem::take(&mut self.part));
        self.bytes += bytes.len() as u64;
        let part = Part { bytes, rows: std::mem::take(&mut self.part_rows), encoding: self.encoding };
        let mut series = self.series().await?;
        // The buffer of the part before it, if that one is not kept.
        self.part = std::mem::take(&mut self.spare);
        self.sending = Sending::Busy(SpawnedTask::spawn(async move {
            let sent = series.send(part).await;
            (series, sent)
        }));
        Ok(())
    }

    /// The transactions, once the part that is under way was sent.
    async fn series(&mut self) -> Result<Box<TransactionSeries>> {
        match std::mem::replace(&mut self.sending, Sending::Failed) {
            Sending::Idle(series) => Ok(series),
            Sending::Busy(task) => match task.join().await {
                Ok((series, sent)) => {
                    self.spare = sent?;
                    Ok(series)
                }
                Err(_) => Err(ConnectorError::internal("the task that sends a part stopped")),
            },
            Sending::Failed => Err(ConnectorError::internal("a writer goes on behind its failure")),
        }
    }
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
        let mut series = self.series().await?;
        series.prepare().await?;
        Ok(CommitToken::last(self.writer, self.writers, series.rows(), self.bytes, series.labels().join("\n")))
    }
}
