//! The writer: batches into statements, one of which is on its way while the next is filled.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::common::runtime::SpawnedTask;

use super::literal::{Literals, plain};
use super::options::Mode;
use super::statement::{Frames, Statement};
use super::target::Shared;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{CommitToken, Reject, RowValues, Writer};

/// How NULL of a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NullAs {
    /// As NULL.
    Null,
    /// As the word for the column's default.
    Default,
    /// By a statement without the column.
    LeftOut,
}

/// The one writer of a write.
pub(super) struct TableWriter {
    shared: Arc<Shared>,
    writer: usize,
    writers: usize,
    nulls: Vec<NullAs>,
    frames: Frames,
    statement: Option<Statement>,
    sending: Option<SpawnedTask<Result<u64>>>,
    /// The text of a row, and which columns it has.
    tuple: Vec<u8>,
    is_written: Vec<bool>,
    /// Rows that came, and rows that the server took.
    rows: u64,
    accepted: u64,
    bytes: u64,
}

impl TableWriter {
    pub(super) fn new(shared: Arc<Shared>, writer: usize, writers: usize) -> Self {
        let target = &shared.target;
        let options = &target.options;
        let is_skipped = |name: &str| match &options.skip_null_columns {
            _ if !options.skips_nulls => false,
            None => true,
            Some(names) => names.iter().any(|known| known == name),
        };
        let nulls = target.columns.iter().map(|column| match options.mode {
            // the row that is there would be set to the number that was made for the new one
            Mode::Update if column.is_auto_increment => NullAs::LeftOut,
            // in the session's mode NO_AUTO_VALUE_ON_ZERO the word DEFAULT is 0, and NULL the next number
            _ if column.is_auto_increment || !is_skipped(&column.target.name) => NullAs::Null,
            Mode::Update if column.changes_when_set_to_itself => NullAs::LeftOut,
            _ if column.default_is_null => NullAs::Null,
            Mode::Update => NullAs::LeftOut,
            Mode::Insert | Mode::Replace => NullAs::Default,
        });
        Self {
            nulls: nulls.collect(),
            is_written: Vec::with_capacity(target.columns.len()),
            shared,
            writer,
            writers,
            frames: Frames::default(),
            statement: None,
            sending: None,
            tuple: Vec::new(),
            rows: 0,
            accepted: 0,
            bytes: 0,
        }
    }

    /// For each row that the type of a column does not hold the column and the reason; the first of each row.
    fn failures(&self, arrays: &[ArrayRef]) -> HashMap<usize, (usize, String)> {
        let mut failures = HashMap::new();
        for (index, (column, array)) in self.shared.target.columns.iter().zip(arrays).enumerate() {
            for (row, reason) in column.check.failures(array, &column.target.type_name) {
                failures.entry(row).or_insert((index, reason));
            }
            let changed = column.padding.map_or(0, |padding| padding.changed(array));
            if changed > 0 {
                let name = &column.target.name;
                let first = match column.padding {
                    Some(super::checks::Padding::Nulls(_)) => format!(
                        "column `{name}`: values shorter than {} are filled with NUL bytes by the server",
                        column.target.type_name
                    ),
                    _ => format!("column `{name}`: {} keeps no spaces at the end of a text", column.target.type_name),
                };
                self.shared.target.rejects.warn(&format!("padding of {name}"), changed, &first);
            }
        }
        failures
    }

    /// Writes a row into `tuple`, and into `is_written` which columns it has.
    fn write_tuple(&mut self, columns: &[Literals], row: usize) {
        self.tuple.clear();
        self.is_written.clear();
        self.tuple.push(b'(');
        for (column, null_as) in columns.iter().zip(&self.nulls) {
            let is_null = column.is_null(row);
            let is_left_out = is_null && *null_as == NullAs::LeftOut;
            self.is_written.push(!is_left_out);
            if is_left_out {
                continue;
            }
            if self.tuple.len() > 1 {
                self.tuple.push(b',');
            }
            match (is_null, null_as) {
                (false, _) => column.append(&mut self.tuple, row),
                (true, NullAs::Default) => self.tuple.extend_from_slice(b"DEFAULT"),
                (true, _) => self.tuple.extend_from_slice(b"NULL"),
            }
        }
        self.tuple.push(b')');
    }

    /// Puts the row of `tuple` into a statement that has room for it.
    async fn push(&mut self, batch: &RecordBatch, row: usize) -> Result<()> {
        let packet = self.shared.packet_bytes.load(Ordering::Relaxed);
        let options = &self.shared.target.options;
        let (most_rows, most_bytes) = (options.batch_rows, options.batch_bytes.min(packet));
        let bytes = self.tuple.len() as u64;
        let has_room = self.statement.as_ref().is_some_and(|statement| {
            statement.rows() < most_rows
                && statement.bytes() as u64 + bytes < most_bytes
                && statement.frame.is_written == self.is_written
        });
        if !has_room {
            self.flush().await?;
            let frame = self.frames.of(&self.shared.target.frame, &self.is_written)?;
            let needed = frame.bytes() as u64 + bytes;
            if needed > packet {
                return self.reject(
                    batch,
                    row,
                    None,
                    format!("needs a statement of {needed} bytes, and the server's max_allowed_packet is {packet}"),
                );
            }
            let capacity = usize::try_from(most_bytes.min(1 << 16).max(needed)).unwrap_or(0);
            self.statement = Some(Statement::new(frame, capacity));
        }
        if let Some(statement) = &mut self.statement {
            statement.push(&self.tuple, batch, row, self.rows);
        }
        Ok(())
    }

    fn reject(&self, batch: &RecordBatch, row: usize, column: Option<usize>, reason: String) -> Result<()> {
        let target = &self.shared.target;
        let names = target.columns.iter().map(|column| column.target.name.as_str());
        let values = RowValues::of(names, batch, row);
        let reject = match column {
            Some(column) => Reject::of_row(values, column, reason),
            None => Reject { reason, values, ..Reject::default() },
        };
        target.rejects.reject(Reject { row: Some(self.rows), ..reject })
    }

    /// Sends what is there, as soon as the statement before it is answered.
    async fn flush(&mut self) -> Result<()> {
        let Some(statement) = self.statement.take() else { return Ok(()) };
        self.wait().await?;
        self.bytes += statement.bytes() as u64;
        let shared = Arc::clone(&self.shared);
        self.sending = Some(SpawnedTask::spawn(async move {
            let mut load = shared.load.lock().await;
            let load = load.as_mut().ok_or_else(|| {
                ConnectorError::new(ErrorCode::Cancelled, "the write has ended before all its rows were there")
            })?;
            load.send(&shared, statement).await
        }));
        Ok(())
    }

    async fn wait(&mut self) -> Result<()> {
        if let Some(sending) = self.sending.take() {
            let sent = sending.join().await.map_err(|_| ConnectorError::internal("a statement was given up"))?;
            self.accepted += sent?;
        }
        Ok(())
    }
}

#[async_trait]
impl Writer for TableWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = self.shared.target.columns.iter().zip(batch.columns());
        let arrays = columns.map(|(column, array)| plain(array, &column.target.kind)).collect::<Result<Vec<_>>>()?;
        let mut failures = self.failures(&arrays);
        let literals = arrays.iter().map(Literals::of).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            self.rows += 1;
            if let Some((column, reason)) = failures.remove(&row) {
                self.reject(batch, row, Some(column), reason)?;
                continue;
            }
            self.write_tuple(&literals, row);
            self.push(batch, row).await?;
        }
        Ok(())
    }

    fn bytes_written(&self) -> u64 {
        self.bytes
    }

    async fn finish(mut self: Box<Self>) -> Result<CommitToken> {
        self.flush().await?;
        self.wait().await?;
        Ok(CommitToken::last(self.writer, self.writers, self.accepted, self.bytes, String::new()))
    }
}
