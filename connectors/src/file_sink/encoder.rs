//! What turns batches into the bytes of files.
//!
//! A [`FileFormatter`] serves one write: it makes a [`FileEncoder`] for each file, and says beforehand which rows no file could give back.
//! Text, CSV and JSON are ours; Parquet, Avro and ORC are [`columnar`](crate::columnar)'s: its
//! `formatter(format, schema, options) -> Result<Arc<dyn FileFormatter>>` takes the schema of the files and the options of the statement.

use std::fmt;

use arrow::record_batch::RecordBatch;

use crate::csv::Uncarried;
use crate::error::Result;

/// How the files of one write are written down. Batches that it and its encoders see have the columns of the files, in order, each in
/// its own Arrow type: text for a typed column was read before, columns that the statement leaves out are NULL.
pub trait FileFormatter: fmt::Debug + Send + Sync {
    /// What names of files end in, such as `txt.gz` or `snappy.parquet`; empty for nothing.
    fn extension(&self) -> String;
    /// The rows that a file could not give back as they are, each once, in order: they become rejects, and encoders never see them.
    ///
    /// # Errors
    /// Code Internal for batches of other columns.
    fn uncarried(&self, _batch: &RecordBatch) -> Result<Vec<Uncarried>> {
        Ok(Vec::new())
    }
    /// An encoder for one file.
    ///
    /// # Errors
    /// What the format's library says of the columns.
    fn encoder(&self) -> Result<Box<dyn FileEncoder>>;
}

/// Encodes one file. It only appends to `out`, which its caller empties as it likes: what stands at the file's start comes with the first
/// bytes, and what is held back is told by [`buffered_bytes`](Self::buffered_bytes).
pub trait FileEncoder: Send {
    /// Takes the rows of a batch.
    ///
    /// # Errors
    /// Code Internal for what [`FileFormatter::uncarried`] should have named.
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;
    /// Ends the file; a file without rows gets here without a `write` and must be one that readers take. Called once.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;
    /// Bytes in memory that are not in `out` yet, as a row group that is being filled; about.
    fn buffered_bytes(&self) -> usize {
        0
    }
}
