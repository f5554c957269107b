//! Rows that wait for their load. They are held as batches, since only the whole load shows whether plain CSV can carry it.

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;

use super::super::stream_load::headers::MAX_JSON_BYTES;
use super::super::write_options::Format;
use super::target::{Encoding, WriteTarget};
use crate::csv::Uncarried;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::convert::value_text;
use crate::sink::{FoundBy, Reject};

/// Bytes handed to the socket at once: large enough to cost few calls, small enough for backpressure to be felt.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// How much memory held rows may take, as a multiple of `load_bytes`. Text takes about as much in memory as on the wire; only narrow
/// numbers in wide types take several times more.
const MEMORY_FACTOR: u64 = 4;

/// Batches with what they weigh.
#[derive(Debug, Default)]
pub(super) struct HeldRows {
    batches: Vec<RecordBatch>,
    bytes: u64,
    memory: u64,
    rows: u64,
    /// Whether plain CSV carries all rows.
    has_uncarried: bool,
}

/// What a batch weighs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    /// Bytes as encoded in the write's first format.
    pub(super) bytes: u64,
    /// Bytes in memory.
    memory: u64,
    /// Whether there is a row that plain CSV cannot carry.
    has_uncarried: bool,
}

impl Weight {
    /// Weighs a batch; `scratch` is a buffer to reuse.
    pub(super) fn of(target: &WriteTarget, batch: &RecordBatch, scratch: &mut Vec<u8>) -> Result<Self> {
        scratch.clear();
        let memory =
            batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0) as u64).sum();
        if target.format() == &Format::Json {
            // What JSON cannot carry becomes a reject when the load is encoded.
            let carried = left_out(batch, &target.json().uncarried(batch))?;
            target.json().encode(&carried, true, scratch)?;
            return Ok(Self { bytes: scratch.len() as u64 + 1, memory, has_uncarried: false });
        }
        target.csv().encode(batch, scratch)?;
        let has_uncarried = !target.csv().carries(batch).is_complete();
        Ok(Self { bytes: scratch.len() as u64, memory, has_uncarried })
    }

    /// Whether a batch is too much for one load by itself.
    pub(super) fn exceeds(self, load_bytes: u64) -> bool {
        self.bytes > load_bytes || self.memory > load_bytes.saturating_mul(MEMORY_FACTOR)
    }
}

/// A load's rows as bytes.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) encoding: Encoding,
    pub(super) pieces: Vec<Bytes>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl HeldRows {
    pub(super) fn push(&mut self, batch: RecordBatch, weight: Weight) {
        self.bytes += weight.bytes;
        self.memory += weight.memory;
        self.rows += batch.num_rows() as u64;
        self.has_uncarried |= weight.has_uncarried;
        self.batches.push(batch);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether a batch of this weight fits as well into one load.
    pub(super) fn has_room_for(&self, weight: Weight, load_bytes: u64) -> bool {
        let both = Weight {
            bytes: self.bytes + weight.bytes,
            memory: self.memory + weight.memory,
            has_uncarried: weight.has_uncarried,
        };
        !both.exceeds(load_bytes)
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The batches in order, for a load that is streamed.
    pub(super) fn into_batches(self) -> Vec<RecordBatch> {
        self.batches
    }

    /// Encodes the rows. Rows that the format cannot carry become rejects; the error is the reject log's when there are too many.
    pub(super) fn encode(self, target: &WriteTarget) -> Result<Encoded> {
        match target.format() {
            Format::Json => match self.encode_json(target)? {
                Some(encoded) => Ok(encoded),
                None => Err(ConnectorError::new(
                    ErrorCode::Unsupported,
                    format!(
                        "{}: a load of JSON may have {} MB at most; use \"write_mode\" = 'plain' with smaller \"load_bytes\", or leave the format to syncline",
                        target.shown(),
                        MAX_JSON_BYTES >> 20
                    ),
                )),
            },
            Format::CsvOrJson(_) if self.has_uncarried && self.json_carries_all(target) => {
                match self.encode_json(target)? {
                    Some(encoded) => Ok(encoded),
                    // Too much for JSON: the few rows that CSV cannot carry are the rejects.
                    None => self.encode_csv(target),
                }
            }
            Format::CsvOrJson(_) | Format::Csv(_) => self.encode_csv(target),
        }
    }

    /// Each batch is let go as soon as it is encoded.
    fn encode_csv(self, target: &WriteTarget) -> Result<Encoded> {
        let mut pieces = Pieces::default();
        let mut rows = 0;
        for batch in self.batches {
            let batch = csv_rows(target, &batch)?;
            rows += batch.num_rows() as u64;
            target.csv().encode(&batch, &mut pieces.open)?;
            pieces.cut();
        }
        Ok(pieces.encoded(Encoding::Csv, rows))
    }

    fn json_carries_all(&self, target: &WriteTarget) -> bool {
        self.batches.iter().all(|batch| target.json().uncarried(batch).is_empty())
    }

    /// None if it is more than the server takes as JSON.
    fn encode_json(&self, target: &WriteTarget) -> Result<Option<Encoded>> {
        let mut pieces = Pieces::default();
        let mut rows = 0;
        target.json().open(&mut pieces.open);
        for batch in &self.batches {
            let uncarried = target.json().uncarried(batch);
            let batch = without(target, batch, &uncarried)?;
            target.json().encode(&batch, rows == 0, &mut pieces.open)?;
            rows += batch.num_rows() as u64;
            pieces.cut();
            if pieces.bytes > MAX_JSON_BYTES && !target.sends_json_of_any_size() {
                return Ok(None);
            }
        }
        target.json().close(&mut pieces.open);
        let encoded = pieces.encoded(Encoding::Json, rows);
        let fits = encoded.bytes <= MAX_JSON_BYTES || target.sends_json_of_any_size();
        Ok(fits.then_some(encoded))
    }
}

/// The rows of a batch that plain CSV can carry; the others become rejects.
pub(super) fn csv_rows(target: &WriteTarget, batch: &RecordBatch) -> Result<RecordBatch> {
    without(target, batch, target.csv().carries(batch).uncarried())
}

/// The batch without these rows, which become rejects.
fn without(target: &WriteTarget, batch: &RecordBatch, uncarried: &[Uncarried]) -> Result<RecordBatch> {
    for row in uncarried {
        target.rejects().reject(Reject {
            column: Some(target.columns()[row.column].name.clone()),
            value: value_text(batch.column(row.column), row.row),
            reason: row.reason.to_owned(),
            row: None,
            file: None,
            line: None,
            found_by: FoundBy::Syncline,
        })?;
    }
    left_out(batch, uncarried)
}

/// The batch without these rows.
fn left_out(batch: &RecordBatch, uncarried: &[Uncarried]) -> Result<RecordBatch> {
    if uncarried.is_empty() {
        return Ok(batch.clone());
    }
    let mut keep = vec![true; batch.num_rows()];
    for row in uncarried {
        keep[row.row] = false;
    }
    filter_record_batch(batch, &BooleanArray::from(keep))
        .map_err(|error| ConnectorError::internal("cannot leave out rows").with_source(error))
}

/// Bytes cut into pieces. The open piece is copied when it is cut, so that what is kept has no room to spare.
#[derive(Debug, Default)]
struct Pieces {
    open: Vec<u8>,
    closed: Vec<Bytes>,
    bytes: u64,
}

impl Pieces {
    /// Closes the open piece if it is large enough.
    fn cut(&mut self) {
        if self.open.len() >= PIECE_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.bytes += self.open.len() as u64;
            self.closed.push(Bytes::copy_from_slice(&self.open));
            self.open.clear();
        }
    }

    fn encoded(mut self, encoding: Encoding, rows: u64) -> Encoded {
        self.close();
        Encoded { encoding, pieces: self.closed, rows, bytes: self.bytes }
    }
}
