//! Stream Load: from the headers and the bytes of one request to a committed transaction.
//!
//! [`PreparedLoad::new`] does what the server does before it asks for the body: label, table, options, columns, partitions.
//! [`PreparedLoad::run`] then reads the body on a blocking thread, converts it column by column, and commits. All rows of a
//! load are staged before the commit, so that it is seen whole or not at all.

mod column_list;
mod columns;
mod computed;
mod discard;
mod encoding;
mod error_log;
mod json;
mod json_path;
mod options;
mod outcome;
mod rows;
#[cfg(test)]
pub(crate) mod test_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

pub(crate) use error_log::ErrorLogs;
pub(crate) use options::LoadOptions;
pub(crate) use outcome::{LoadOutcome, pretty};
#[cfg(test)]
pub(crate) use test_support::RowOutcome;

use crate::csv::CsvReader;
use crate::error::{Error, Result};
use crate::storage::{Database, Label, StagedWrite, Table, Transaction, WriteMode};
use columns::ColumnMapping;
use json::JsonReader;
use options::Format;
use rows::RowLoader;

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
    options: LoadOptions,
    transaction: Transaction,
    staged: StagedWrite,
    mapping: ColumnMapping,
    table: Arc<Table>,
    /// Whether rows are counted and dropped ([`ServerConfig::discard`](crate::ServerConfig::discard)).
    discard: bool,
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
        discard: bool,
        outcome: &mut LoadOutcome,
    ) -> Result<Self> {
        let table = database
            .table(table)
            .map_err(|_| Error::invalid(format!("unknown table \"{}.{table}\"", database.name())))?;
        let begun = Instant::now();
        let transaction = database.begin(label, table.name())?;
        outcome.transaction_id = Some(transaction.id());
        outcome.timings.begin = begun.elapsed();
        let begun = Instant::now();
        let prepared = Self::plan(&table, options);
        outcome.timings.plan = begun.elapsed();
        match prepared {
            Ok((options, staged, mapping)) => Ok(Self { options, transaction, staged, mapping, table, discard }),
            Err(error) => {
                transaction.abort(error.to_string());
                Err(error)
            }
        }
    }

    fn plan(
        table: &Arc<Table>,
        options: impl FnOnce() -> Result<LoadOptions>,
    ) -> Result<(LoadOptions, StagedWrite, ColumnMapping)> {
        let options = options()?;
        let mapping = ColumnMapping::new(table.definition(), &options)?;
        let staged = table.stage(&options.partitions)?;
        Ok((options, staged, mapping))
    }

    /// How long the load may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// What the headers ask for.
    pub(crate) fn options(&self) -> &LoadOptions {
        &self.options
    }

    /// Reads the body and commits. Blocks: it belongs on a blocking thread.
    pub(crate) fn run(self, pieces: mpsc::Receiver<Piece>, outcome: &mut LoadOutcome, logs: &ErrorLogs) -> Result<()> {
        if self.discard {
            return self.count(pieces, outcome);
        }
        let Self { options, transaction, staged, mapping, table, .. } = self;
        let begun = Instant::now();
        let mut rows = RowLoader::new(&table, mapping, staged, options.strict_mode);
        let read = read_body(&options, pieces, &mut rows).and_then(|bytes| {
            rows.flush()?;
            Ok(bytes)
        });
        outcome.timings.read = begun.elapsed();
        let (staged, mut counts, errors) = rows.into_parts();
        counts.bytes = *read.as_ref().unwrap_or(&0);
        outcome.counts = counts;
        outcome.error_log = (!errors.is_empty()).then(|| logs.store(errors));
        let begun = Instant::now();
        let committed = read.and_then(|_| {
            check_filtered(&counts, options.max_filter_ratio)?;
            if counts.loaded == 0 {
                return Err(Error::invalid("No rows were imported from upstream"));
            }
            Ok(())
        });
        match committed {
            Ok(()) => {
                staged.commit(transaction, WriteMode::Append)?;
                outcome.timings.commit = begun.elapsed();
                Ok(())
            }
            Err(error) => {
                transaction.abort(error.to_string());
                Err(error)
            }
        }
    }
}

/// The server's rule: more than this part of the rows filtered fails the load. Clients match on the text.
#[expect(clippy::cast_precision_loss, reason = "a ratio of counts")]
fn check_filtered(counts: &Counts, max_filter_ratio: f64) -> Result<()> {
    let selected = counts.total.saturating_sub(counts.unselected);
    if selected > 0 && counts.filtered as f64 / selected as f64 > max_filter_ratio {
        return Err(Error::invalid("too many filtered rows"));
    }
    Ok(())
}

/// Reads all pieces into rows; returns the bytes received.
fn read_body(options: &LoadOptions, mut pieces: mpsc::Receiver<Piece>, rows: &mut RowLoader) -> Result<u64> {
    let mut reader = match &options.format {
        Format::Csv(csv) => BodyReader::Csv(CsvReader::new(csv.clone())),
        Format::Json(json) => BodyReader::Json(JsonReader::new(json.clone())),
    };
    let mut decoder = options.encoding.decoder();
    let mut bytes = 0;
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Bytes(piece)) => {
                bytes += piece.len() as u64;
                match &mut decoder {
                    None => reader.feed(&piece, options, rows)?,
                    Some(decoder) => decoder.decode(&piece, |decoded| reader.feed(decoded, options, rows))?,
                }
            }
            Some(Piece::End) => break,
            None => return Err(Error::invalid("the connection ended before the body was complete")),
        }
    }
    if let Some(decoder) = decoder {
        decoder.finish(|decoded| reader.feed(decoded, options, rows))?;
    }
    reader.finish(options, rows)?;
    Ok(bytes)
}

enum BodyReader {
    Csv(CsvReader),
    Json(JsonReader),
}

impl BodyReader {
    fn feed(&mut self, bytes: &[u8], options: &LoadOptions, rows: &mut RowLoader) -> Result<()> {
        match self {
            Self::Csv(reader) => {
                reader.feed(bytes);
                Self::take(reader, options, rows)
            }
            Self::Json(reader) => reader.feed(bytes),
        }
    }

    fn finish(self, options: &LoadOptions, rows: &mut RowLoader) -> Result<()> {
        match self {
            Self::Csv(mut reader) => {
                reader.finish();
                Self::take(&mut reader, options, rows)
            }
            Self::Json(reader) => reader.finish(rows),
        }
    }

    fn take(reader: &mut CsvReader, options: &LoadOptions, rows: &mut RowLoader) -> Result<()> {
        while let Some(record) = reader.next_record()? {
            rows.csv_record(record, options)?;
        }
        Ok(())
    }
}
