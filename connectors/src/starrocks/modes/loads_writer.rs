//! One writer of parallel loads: one load after the other, each sent while it is encoded.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

use super::super::kept::Keeper;
use super::super::write_options::Format;
use super::encode::{memory_of, without};
use super::held::{LEAVE_THE_FORMAT, json_obstacle};
use super::loads::ParallelLoads;
use super::open_load::OpenLoad;
use super::target::Encoding;
use crate::error::Result;
use crate::sink::{CommitToken, Writer};

/// Batches that take more memory are encoded in two steps, and those in two again: so much is encoded at a time.
const MOST_BATCH_BYTES: usize = 4 << 20;

pub(super) struct LoadsWriter {
    shared: Arc<ParallelLoads>,
    writer: usize,
    writers: usize,
    /// The sequence of the next load.
    sequence: u64,
    keeper: Keeper,
    open: Option<OpenLoad>,
    /// The format of the last load.
    encoding: Option<Encoding>,
    rows: u64,
    bytes: u64,
    labels: Vec<String>,
}

impl LoadsWriter {
    pub(super) fn new(shared: Arc<ParallelLoads>, writer: usize, writers: usize) -> Self {
        let keeper = Keeper::new(shared.memory.clone(), shared.target.spill());
        Self {
            shared,
            writer,
            writers,
            sequence: 0,
            keeper,
            open: None,
            encoding: None,
            rows: 0,
            bytes: 0,
            labels: Vec::new(),
        }
    }

    /// Adds rows to the open load, and begins another one where it takes no more. A batch that is larger than a load is cut in two, and those again.
    async fn add(&mut self, batch: RecordBatch) -> Result<()> {
        let shared = self.shared.clone();
        let (target, settings) = (&shared.target, &shared.target.options().settings);
        // Before the server gives it up.
        if self.open.as_ref().is_some_and(|load| load.is_sent_for(target.growing_timeout() / 2)) {
            self.end_load().await?;
        }
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let rows = batch.num_rows();
            let taken = self.open.as_ref().map_or(0, OpenLoad::rows);
            let room = settings.load_rows.map_or(u64::MAX, |load_rows| load_rows.saturating_sub(taken));
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            if room == 0 {
                self.end_load().await?;
                waiting.push(batch);
                continue;
            }
            let cut = if memory_of(&batch) > MOST_BATCH_BYTES { rows.div_ceil(2) } else { rows };
            let cut = cut.min(room);
            if cut < rows {
                waiting.extend(halves(&batch, cut));
                continue;
            }
            let (encoding, batch) = self.carried(batch).await?;
            if batch.num_rows() == 0 {
                continue;
            }
            if self.open.as_ref().is_some_and(|load| load.encoding() != encoding) {
                self.end_load().await?;
            }
            self.encoding = Some(encoding);
            let mut load = match self.open.take() {
                Some(load) => load,
                None => OpenLoad::new(target, encoding)?,
            };
            let bytes = load.encode(target, &batch)?;
            let is_too_much_json = encoding == Encoding::Json && !target.takes_json_of(bytes + 1);
            let is_too_much = bytes > settings.load_bytes || is_too_much_json;
            if is_too_much && load.rows() > 0 {
                self.open = Some(load);
                self.end_load().await?;
                waiting.push(batch);
                continue;
            }
            if is_too_much && batch.num_rows() > 1 {
                // Nothing of this load is sent: another one is begun for the first half.
                waiting.extend(halves(&batch, batch.num_rows() / 2));
                continue;
            }
            if is_too_much_json {
                return Err(target.row_is_too_much_json());
            }
            self.bytes += bytes - load.plain_bytes();
            let has_piece = load.take(&mut self.keeper).await?;
            self.open = Some(load);
            if has_piece {
                self.go_on_sending().await?;
            }
        }
        Ok(())
    }

    /// The format that carries the rows, that of the open load if it does; those that none carries become rejects.
    async fn carried(&self, batch: RecordBatch) -> Result<(Encoding, RecordBatch)> {
        let target = &self.shared.target;
        let carries = |encoding| target.uncarried(encoding, &batch).is_empty();
        let (encoding, way_out) = match target.format() {
            Format::Json => (Encoding::Json, String::new()),
            Format::Arrow => (Encoding::Arrow, String::new()),
            Format::Csv(_) if target.options().encloses => (Encoding::EnclosedCsv, LEAVE_THE_FORMAT.to_owned()),
            Format::Csv(_) => (Encoding::Csv, LEAVE_THE_FORMAT.to_owned()),
            Format::CsvOrJson(_) => {
                let last = self.encoding.unwrap_or(Encoding::Csv);
                if carries(last) {
                    return Ok((last, batch));
                }
                return self.carried_otherwise(batch).await;
            }
        };
        let batch = without(target, &batch, &target.uncarried(encoding, &batch), &way_out)?;
        Ok((encoding, batch))
    }

    /// The first format beside plain CSV that the server reads and that carries every row: enclosed CSV, JSON, Arrow. Loads stay with it, so that
    /// they are not cut again and again.
    async fn carried_otherwise(&self, batch: RecordBatch) -> Result<(Encoding, RecordBatch)> {
        let target = &self.shared.target;
        let has_enclosed = target.options().has_enclosed_csv;
        if has_enclosed && target.uncarried(Encoding::EnclosedCsv, &batch).is_empty() {
            return Ok((Encoding::EnclosedCsv, batch));
        }
        let Some(obstacle) = json_obstacle(target, &batch) else { return Ok((Encoding::Json, batch)) };
        if target.may_know_arrow() {
            match target.ask_for_arrow().await {
                Ok(true) => return Ok((Encoding::Arrow, batch)),
                Ok(false) => {}
                Err(error) => {
                    tracing::info!(target = %target.shown(), %error, "the server does not say whether it reads Arrow");
                }
            }
        }
        let encoding = if has_enclosed { Encoding::EnclosedCsv } else { Encoding::Csv };
        let batch = without(target, &batch, &target.uncarried(encoding, &batch), &obstacle)?;
        Ok((encoding, batch))
    }

    /// Begins to send the open load, if that is not done, and looks whether it goes on.
    async fn go_on_sending(&mut self) -> Result<()> {
        let Some(load) = self.open.take() else { return Ok(()) };
        if load.has_ended() {
            return self.await_outcome(load).await;
        }
        let load = if load.is_sent() || !self.shared.target.may_begin_early() { load } else { self.send(load)? };
        self.open = Some(load);
        // Encoding waits for nothing: where there is one thread, sending has its turn now.
        tokio::task::yield_now().await;
        Ok(())
    }

    fn send(&mut self, load: OpenLoad) -> Result<OpenLoad> {
        let label = self.shared.target.label(self.writer, self.sequence);
        self.sequence += 1;
        load.send(&self.shared, label)
    }

    /// Ends the open load and waits for its outcome, before the next one: of two rows with one key the later one must stay the later one.
    async fn end_load(&mut self) -> Result<()> {
        let Some(mut load) = self.open.take() else { return Ok(()) };
        if load.rows() == 0 {
            return Ok(());
        }
        load.end(&self.shared.target, &mut self.keeper).await?;
        let load = if load.is_sent() { load } else { self.send(load)? };
        self.await_outcome(load).await
    }

    async fn await_outcome(&mut self, load: OpenLoad) -> Result<()> {
        let (label, rows) = load.outcome(&self.shared).await?;
        self.labels.push(label.to_string());
        self.rows += rows;
        self.keeper.rewind();
        Ok(())
    }
}

/// The rows before and behind a cut, those before it last.
fn halves(batch: &RecordBatch, cut: usize) -> [RecordBatch; 2] {
    [batch.slice(cut, batch.num_rows() - cut), batch.slice(0, cut)]
}

#[async_trait]
impl Writer for LoadsWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.add(batch.clone()).await
    }

    fn bytes_written(&self) -> u64 {
        self.bytes
    }

    async fn finish(mut self: Box<Self>) -> Result<CommitToken> {
        self.end_load().await?;
        Ok(CommitToken::last(self.writer, self.writers, self.rows, self.bytes, self.labels.join("\n")))
    }
}
