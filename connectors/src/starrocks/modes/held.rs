//! Rows that wait for their load. They are held as batches, since only the whole load shows whether plain CSV can carry it. Those beyond a bound
//! are in a file ([`HeldBatches`]).

use arrow::record_batch::RecordBatch;

use super::super::kept::{Keeper, Kept, KeptMemory, MAX_KEPT_BYTES};
use super::super::stream_load::headers::MAX_JSON_BYTES;
use super::super::write_options::Format;
use super::encode::{LoadEncoder, PIECE_BYTES, left_out, memory_of};
use super::held_batch::{HeldBatch, HeldBatches};
use super::target::{Encoding, WriteTarget};
use crate::error::{ConnectorError, ErrorCode, Result};

/// How much memory held rows may take, as a multiple of `load_bytes`. Text takes about as much in memory as on the wire; only narrow
/// numbers in wide types take several times more.
const MEMORY_FACTOR: u64 = 4;

/// The way out for a row that needs JSON in a load that is too large for it.
const JSON_TOO_LARGE: &str = "JSON, which could carry it, is ruled out: the load is larger than 100 MB as JSON; allow such rows with \"error_limit\", or SET syncline.write_mode = 'plain' with smaller \"load_bytes\"";
/// The way out for a row that the user's own CSV cannot carry.
pub(super) const LEAVE_THE_FORMAT: &str = "leave format, delimiters and \"columns\" to syncline, which then chooses one that carries it, or allow such rows with \"error_limit\"";

/// Batches with what they weigh.
#[derive(Debug)]
pub(super) struct HeldRows {
    batches: HeldBatches,
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
        let memory = memory_of(batch) as u64;
        let (bytes, has_uncarried) = match target.format() {
            Format::Json => {
                // What JSON cannot carry becomes a reject when the load is encoded.
                let carried = left_out(batch, &target.json().uncarried(batch))?;
                target.json().encode(&carried, true, scratch)?;
                (scratch.len() as u64 + 1, false)
            }
            // Arrow on the wire is about what it is in memory.
            Format::Arrow => (memory, false),
            Format::Csv(_) if target.options().encloses => {
                target.enclosed().encode(batch, scratch)?;
                (scratch.len() as u64, !target.enclosed().carries(batch).is_complete())
            }
            Format::Csv(_) | Format::CsvOrJson(_) => {
                target.csv().encode(batch, scratch)?;
                (scratch.len() as u64, !target.csv().carries(batch).is_complete())
            }
        };
        Ok(Self { bytes, memory, has_uncarried })
    }

    fn exceeds(self, load_bytes: u64) -> bool {
        self.bytes > load_bytes || self.memory > load_bytes.saturating_mul(MEMORY_FACTOR)
    }
}

/// A load's rows as bytes.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) encoding: Encoding,
    pub(super) pieces: Vec<Kept>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl HeldRows {
    pub(super) fn new(target: &WriteTarget) -> Self {
        let batches = HeldBatches::new(target.spill());
        Self { batches, bytes: 0, memory: 0, rows: 0, has_uncarried: false }
    }

    pub(super) fn push(&mut self, batch: RecordBatch, weight: Weight) -> Result<()> {
        self.bytes += weight.bytes;
        self.memory += weight.memory;
        self.rows += batch.num_rows() as u64;
        self.has_uncarried |= weight.has_uncarried;
        self.batches.push(batch, weight.memory)
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
    pub(super) fn into_batches(self) -> Vec<HeldBatch> {
        self.batches.into_vec()
    }

    /// Encodes the rows. Rows that the format cannot carry become rejects; the error is the reject log's when there are too many.
    pub(super) async fn encode(self, target: &WriteTarget) -> Result<Encoded> {
        match target.format() {
            Format::CsvOrJson(_) if !self.has_uncarried => self.encode_as(target, Encoding::Csv, "").await,
            Format::CsvOrJson(_) => self.encode_as_carried(target).await,
            Format::Csv(_) if target.options().encloses => {
                self.encode_as(target, Encoding::EnclosedCsv, LEAVE_THE_FORMAT).await
            }
            Format::Csv(_) => self.encode_as(target, Encoding::Csv, LEAVE_THE_FORMAT).await,
            Format::Arrow => self.encode_as(target, Encoding::Arrow, "").await,
            Format::Json => match self.encode_json(target).await? {
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
        }
    }

    /// Before [`encode`](Self::encode): asks the server whether it reads Arrow, where nothing else carries all rows.
    pub(super) async fn prepare(&self, target: &WriteTarget) {
        // A batch that cannot be read again is an error of the encoding behind this.
        if self.needs_arrow(target).unwrap_or(false)
            && let Err(error) = target.ask_for_arrow().await
        {
            tracing::info!(target = %target.shown(), %error, "the server does not say whether it reads Arrow");
        }
    }

    fn needs_arrow(&self, target: &WriteTarget) -> Result<bool> {
        Ok(matches!(target.format(), Format::CsvOrJson(_))
            && self.has_uncarried
            && target.may_know_arrow()
            && !(target.options().has_enclosed_csv && self.is_carried_by(target, Encoding::EnclosedCsv)?)
            && !(self.is_carried_by(target, Encoding::Json)? && target.takes_json_of(self.bytes.saturating_mul(2))))
    }

    /// Whether a format carries all rows.
    pub(super) fn is_carried_by(&self, target: &WriteTarget, encoding: Encoding) -> Result<bool> {
        for batch in self.batches.iter() {
            if !target.uncarried(encoding, &batch.read()?).is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The first format that the server reads and that carries every row: enclosed CSV, JSON, Arrow. Where none does, the few rows that CSV
    /// cannot carry are the rejects.
    async fn encode_as_carried(self, target: &WriteTarget) -> Result<Encoded> {
        let has_enclosed = target.options().has_enclosed_csv;
        if has_enclosed && self.is_carried_by(target, Encoding::EnclosedCsv)? {
            return self.encode_as(target, Encoding::EnclosedCsv, "").await;
        }
        let obstacle = self.json_obstacle(target)?;
        if obstacle.is_none()
            && let Some(encoded) = self.encode_json(target).await?
        {
            return Ok(encoded);
        }
        if target.knows_arrow() {
            return self.encode_as(target, Encoding::Arrow, "").await;
        }
        let way_out = obstacle.unwrap_or_else(|| JSON_TOO_LARGE.to_owned());
        self.encode_as(target, if has_enclosed { Encoding::EnclosedCsv } else { Encoding::Csv }, &way_out).await
    }

    /// Each batch is let go as soon as it is encoded.
    async fn encode_as(self, target: &WriteTarget, encoding: Encoding, way_out: &str) -> Result<Encoded> {
        let mut load = EncodedLoad::new(target, encoding)?;
        for batch in self.batches.into_vec() {
            load.encoder.push(target, &batch.read()?, way_out)?;
            load.keep().await?;
        }
        load.end(target).await
    }

    /// Why JSON cannot carry all rows; None if it can.
    fn json_obstacle(&self, target: &WriteTarget) -> Result<Option<String>> {
        for batch in self.batches.iter() {
            if let Some(obstacle) = json_obstacle(target, &batch.read()?) {
                return Ok(Some(obstacle));
            }
        }
        Ok(None)
    }

    /// None if it is more than the server takes as JSON.
    async fn encode_json(&self, target: &WriteTarget) -> Result<Option<Encoded>> {
        let mut load = EncodedLoad::new(target, Encoding::Json)?;
        for batch in self.batches.iter() {
            load.encoder.push(target, &batch.read()?, "")?;
            load.keep().await?;
            if !target.takes_json_of(load.encoder.plain_bytes() + 1) {
                return Ok(None);
            }
        }
        load.end(target).await.map(Some)
    }
}

/// Why JSON cannot carry all rows of a batch; None if it can.
pub(super) fn json_obstacle(target: &WriteTarget, batch: &RecordBatch) -> Option<String> {
    let found = target.uncarried(Encoding::Json, batch).into_iter().next()?;
    let column = &target.columns()[found.column].name;
    Some(format!(
        "JSON, which could carry it, is ruled out: column {column} {} in a row of the same load; allow such rows with \"error_limit\", or write them by a statement of their own",
        found.reason
    ))
}

/// A load's rows on their way to bytes.
struct EncodedLoad {
    encoder: LoadEncoder,
    keeper: Keeper,
    pieces: Vec<Kept>,
}

impl EncodedLoad {
    fn new(target: &WriteTarget, encoding: Encoding) -> Result<Self> {
        let keeper = Keeper::new(KeptMemory::new(MAX_KEPT_BYTES), target.spill());
        Ok(Self { encoder: LoadEncoder::new(target, encoding)?, keeper, pieces: Vec::new() })
    }

    async fn keep(&mut self) -> Result<()> {
        if let Some(piece) = self.encoder.full_piece(PIECE_BYTES) {
            self.pieces.push(self.keeper.keep(piece).await?);
        }
        Ok(())
    }

    async fn end(mut self, target: &WriteTarget) -> Result<Encoded> {
        let last = self.encoder.finish(target)?;
        if !last.is_empty() {
            self.pieces.push(self.keeper.keep(last).await?);
        }
        let (encoder, pieces) = (self.encoder, self.pieces);
        Ok(Encoded { encoding: encoder.encoding(), pieces, rows: encoder.rows(), bytes: encoder.sent_bytes() })
    }
}
