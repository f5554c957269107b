//! From the bytes of one or several bodies to staged rows.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::arrow_stream::ArrowReader;
use super::columns::ColumnMapping;
use super::encoding::{Decoder, Encoding};
use super::error_log::{ErrorLogs, ErrorRows};
use super::json::JsonReader;
use super::options::{Format, LoadOptions};
use super::rows::RowLoader;
use super::{Counts, Piece};
use crate::csv::CsvReader;
use crate::error::{Error, Result};
use crate::storage::{StagedWrite, Table};

/// Reads bodies into rows. A Stream Load has one body; a transaction has one for each call of `load`, and its CSV bodies are
/// one text: a record that the end of a body cuts goes on in the next.
pub(super) struct Intake {
    options: LoadOptions,
    rows: RowLoader,
    reader: Reader,
    /// Of a whole CSV text, or of one JSON body.
    decoder: Option<Decoder>,
    bytes: u64,
}

enum Reader {
    Csv(CsvReader),
    Json(JsonReader),
    Arrow(Box<ArrowReader>),
    /// [`ServerConfig::discard`](crate::ServerConfig::discard).
    Counting(RowCounter),
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// All of it has arrived.
    Complete,
    /// The connection broke.
    Broken,
}

/// Rows that wait for their commit.
pub(super) struct Loaded {
    pub(super) staged: StagedWrite,
    pub(super) counts: Counts,
    errors: ErrorRows,
    max_filter_ratio: f64,
}

impl Intake {
    /// Checks the columns and the partitions that the headers name.
    pub(super) fn new(table: &Arc<Table>, options: LoadOptions, discard: bool) -> Result<Self> {
        let mapping = ColumnMapping::new(table.definition(), &options)?;
        let staged = table.stage(&options.partitions)?;
        let rows = RowLoader::new(table, mapping, staged, options.strict_mode);
        let reader = if discard { Reader::Counting(RowCounter::new(&options)?) } else { Reader::new(&options.format) };
        let decoder = options.encoding.decoder()?;
        Ok(Self { options, rows, reader, decoder, bytes: 0 })
    }

    /// What the headers ask for.
    pub(super) fn options(&self) -> &LoadOptions {
        &self.options
    }

    /// Bytes received so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads one body. What has arrived of a broken one counts: StarRocks has handed it on by then. Blocks.
    pub(super) fn read(&mut self, mut pieces: mpsc::Receiver<Piece>) -> Result<BodyEnd> {
        loop {
            match pieces.blocking_recv() {
                Some(Piece::Bytes(piece)) => {
                    self.bytes += piece.len() as u64;
                    self.feed(&piece)?;
                }
                Some(Piece::End) => break,
                None => return Ok(BodyEnd::Broken),
            }
        }
        if matches!(self.reader, Reader::Json(_)) {
            self.end_text()?;
        }
        Ok(BodyEnd::Complete)
    }

    /// Reads the last record, and says how many rows there are.
    pub(super) fn finish(mut self) -> (Result<()>, Loaded) {
        let ended = if matches!(self.reader, Reader::Json(_)) { Ok(()) } else { self.end_text() };
        let ended = ended.and_then(|()| self.rows.flush());
        let (staged, mut counts, errors) = self.rows.into_parts();
        if let Reader::Counting(counter) = &self.reader {
            counts.total = counter.total();
            counts.loaded = counts.total;
        }
        counts.bytes = self.bytes;
        (ended, Loaded { staged, counts, errors, max_filter_ratio: self.options.max_filter_ratio })
    }

    fn feed(&mut self, piece: &[u8]) -> Result<()> {
        let Self { options, rows, reader, decoder, .. } = self;
        match decoder {
            None => reader.feed(piece, options, rows),
            Some(decoder) => decoder.decode(piece, |decoded| reader.feed(decoded, options, rows)),
        }
    }

    /// The end of a CSV text or of a JSON body.
    fn end_text(&mut self) -> Result<()> {
        let next = self.options.encoding.decoder()?;
        let Self { options, rows, reader, decoder, .. } = self;
        if let Some(decoder) = std::mem::replace(decoder, next) {
            decoder.finish(|decoded| reader.feed(decoded, options, rows))?;
        }
        reader.end(options, rows)
    }
}

impl Loaded {
    /// Keeps the first reasons where a client can read them; the log's name, if a row was filtered.
    pub(super) fn keep_errors(&mut self, logs: &ErrorLogs) -> Option<String> {
        let errors = std::mem::take(&mut self.errors);
        (!errors.is_empty()).then(|| logs.store(errors))
    }

    /// The server's rules before a commit: not too many rows filtered, and at least one loaded. Clients match on the texts.
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts")]
    pub(super) fn check(&self) -> Result<()> {
        let Counts { total, filtered, unselected, loaded, .. } = self.counts;
        let selected = total.saturating_sub(unselected);
        if selected > 0 && filtered as f64 / selected as f64 > self.max_filter_ratio {
            return Err(Error::backend("too many filtered rows"));
        }
        if loaded == 0 {
            return Err(Error::invalid("No rows were imported from upstream"));
        }
        Ok(())
    }
}

impl Reader {
    fn new(format: &Format) -> Self {
        match format {
            Format::Csv(csv) => Self::Csv(CsvReader::new(csv.clone())),
            Format::Json(json) => Self::Json(JsonReader::new(json.clone())),
            Format::Arrow => Self::Arrow(Box::default()),
        }
    }

    fn feed(&mut self, bytes: &[u8], options: &LoadOptions, rows: &mut RowLoader) -> Result<()> {
        match self {
            Self::Csv(reader) => {
                reader.feed(bytes);
                take_records(reader, options, rows)
            }
            Self::Json(reader) => reader.feed(bytes),
            Self::Arrow(reader) => reader.feed(bytes, |batch| rows.arrow_batch(batch, &options.timezone)),
            Self::Counting(counter) => {
                counter.feed(bytes);
                Ok(())
            }
        }
    }

    fn end(&mut self, options: &LoadOptions, rows: &mut RowLoader) -> Result<()> {
        match self {
            Self::Csv(reader) => {
                reader.finish();
                take_records(reader, options, rows)
            }
            Self::Json(reader) => {
                let Format::Json(json) = &options.format else { return Ok(()) };
                std::mem::replace(reader, JsonReader::new(json.clone())).finish(rows)
            }
            Self::Arrow(reader) => reader.finish(),
            Self::Counting(_) => Ok(()),
        }
    }
}

fn take_records(reader: &mut CsvReader, options: &LoadOptions, rows: &mut RowLoader) -> Result<()> {
    while let Some(record) = reader.next_record()? {
        rows.csv_record(record, options)?;
    }
    Ok(())
}

/// Counts row delimiters instead of reading rows, for benchmarks of clients.
struct RowCounter {
    delimiter: u8,
    total: u64,
    last: u8,
}

impl RowCounter {
    fn new(options: &LoadOptions) -> Result<Self> {
        match (&options.format, options.encoding) {
            (Format::Csv(csv), Encoding::Plain) if csv.row_delimiter.len() == 1 => {
                let delimiter = csv.row_delimiter[0];
                Ok(Self { delimiter, total: 0, last: delimiter })
            }
            _ => Err(Error::unsupported("discarding anything but CSV rows that end in one byte")),
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.total += memchr::memchr_iter(self.delimiter, bytes).count() as u64;
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    fn total(&self) -> u64 {
        self.total + u64::from(self.last != self.delimiter)
    }
}
