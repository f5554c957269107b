//! One load's rows into the bytes that are sent, whatever the format and the codec.

use bytes::Bytes;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;

use super::super::stream_load::compress::Compressor;
use super::target::{Encoding, WriteTarget};
use crate::csv::{ArrowStream, Uncarried};
use crate::error::{ConnectorError, Result};
use crate::sink::Reject;
use crate::sink::reject::RowValues;

/// Bytes handed to the socket at once: large enough to cost few calls, small enough for backpressure to be felt.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// Encodes the rows of one load batch by batch.
#[derive(Debug)]
pub(super) struct LoadEncoder {
    encoding: Encoding,
    compressor: Compressor,
    /// Of an Arrow load.
    arrow: ArrowStream,
    /// The batch that was encoded last, until it is taken.
    scratch: Vec<u8>,
    encoded_rows: u64,
    rows: u64,
    plain_bytes: u64,
    sent_bytes: u64,
}

impl LoadEncoder {
    pub(super) fn new(target: &WriteTarget, encoding: Encoding) -> Result<Self> {
        let compressor = Compressor::new(target.compression_of(encoding))?;
        let arrow = target.arrow().stream();
        Ok(Self {
            encoding,
            compressor,
            arrow,
            scratch: Vec::new(),
            encoded_rows: 0,
            rows: 0,
            plain_bytes: 0,
            sent_bytes: 0,
        })
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes so far, before they were compressed.
    pub(super) fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Bytes that were taken to be sent.
    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Appends the rows of a batch that the format carries, and says how many; the others become rejects, with the way out for them.
    pub(super) fn push(&mut self, target: &WriteTarget, batch: &RecordBatch, way_out: &str) -> Result<u64> {
        let batch = without(target, batch, &target.uncarried(self.encoding, batch), way_out)?;
        self.encode(target, &batch)?;
        self.take()?;
        Ok(batch.num_rows() as u64)
    }

    /// Encodes a batch that the format carries, behind the rows that were taken; says how many bytes the load would have with it, before they are
    /// compressed. It is a part of the load once it is taken; a load that does not take it takes none after it.
    pub(super) fn encode(&mut self, target: &WriteTarget, batch: &RecordBatch) -> Result<u64> {
        let out = &mut self.scratch;
        out.clear();
        match self.encoding {
            Encoding::Csv => target.csv().encode(batch, out)?,
            Encoding::EnclosedCsv => target.enclosed().encode(batch, out)?,
            Encoding::Arrow => self.arrow.encode(batch, out)?,
            Encoding::Json => {
                if self.plain_bytes == 0 {
                    target.json().open(out);
                }
                target.json().encode(batch, self.rows == 0, out)?;
            }
        }
        self.encoded_rows = batch.num_rows() as u64;
        Ok(self.plain_bytes + out.len() as u64)
    }

    /// Takes what was encoded last.
    pub(super) fn take(&mut self) -> Result<()> {
        self.rows += std::mem::take(&mut self.encoded_rows);
        self.plain_bytes += self.scratch.len() as u64;
        self.compressor.write(&self.scratch)?;
        self.scratch.clear();
        Ok(())
    }

    /// The next piece, if there is enough for one of so many bytes.
    pub(super) fn full_piece(&mut self, least: usize) -> Option<Bytes> {
        if self.compressor.ready() < least {
            return None;
        }
        let piece = self.compressor.take();
        self.sent_bytes += piece.len() as u64;
        // A copy of its exact size, so that what is kept has no room to spare.
        Some(Bytes::copy_from_slice(&piece))
    }

    /// Ends the body; returns its last piece, which may be empty.
    pub(super) fn finish(&mut self, target: &WriteTarget) -> Result<Bytes> {
        let out = &mut self.scratch;
        out.clear();
        match self.encoding {
            Encoding::Csv | Encoding::EnclosedCsv => {}
            Encoding::Arrow => self.arrow.finish(out)?,
            Encoding::Json => {
                if self.plain_bytes == 0 {
                    target.json().open(out);
                }
                target.json().close(out);
            }
        }
        self.plain_bytes += out.len() as u64;
        self.compressor.write(out)?;
        let compressor = std::mem::replace(&mut self.compressor, Compressor::new(None)?);
        let piece = compressor.finish()?;
        self.sent_bytes += piece.len() as u64;
        Ok(Bytes::from(piece))
    }
}

/// The batch without these rows, which become rejects; their reason goes on with the way out, where there is one.
pub(super) fn without(
    target: &WriteTarget,
    batch: &RecordBatch,
    uncarried: &[Uncarried],
    way_out: &str,
) -> Result<RecordBatch> {
    for row in uncarried {
        let reason = match way_out {
            "" => row.reason.to_owned(),
            way_out => format!("{}; {way_out}", row.reason),
        };
        let names = target.columns().iter().map(|column| column.name.as_str());
        let values = RowValues::of(names, batch, row.row);
        target.rejects().reject(Reject::of_row(values, row.column, reason))?;
    }
    left_out(batch, uncarried)
}

/// The batch without these rows.
pub(super) fn left_out(batch: &RecordBatch, uncarried: &[Uncarried]) -> Result<RecordBatch> {
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

/// What a batch takes of memory.
pub(super) fn memory_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}
