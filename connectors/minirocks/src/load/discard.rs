//! Counting the rows of a load instead of storing them, for benchmarks of clients.

use std::time::Instant;

use tokio::sync::mpsc;

use super::encoding::Encoding;
use super::options::Format;
use super::{Counts, LoadOutcome, Piece, PreparedLoad};
use crate::error::{Error, Result};
use crate::storage::WriteMode;

impl PreparedLoad {
    /// Counts row delimiters and commits nothing under the load's label.
    pub(super) fn count(self, mut pieces: mpsc::Receiver<Piece>, outcome: &mut LoadOutcome) -> Result<()> {
        let begun = Instant::now();
        let delimiter = match (&self.options.format, self.options.encoding) {
            (Format::Csv(csv), Encoding::Plain) if csv.row_delimiter.len() == 1 => csv.row_delimiter[0],
            _ => return Err(Error::unsupported("discarding anything but CSV rows that end in one byte")),
        };
        let mut counts = Counts::default();
        let mut last = delimiter;
        loop {
            match pieces.blocking_recv() {
                Some(Piece::Bytes(piece)) => {
                    counts.bytes += piece.len() as u64;
                    counts.total += memchr::memchr_iter(delimiter, &piece).count() as u64;
                    last = piece.last().copied().unwrap_or(last);
                }
                Some(Piece::End) => break,
                None => return Err(Error::invalid("the connection ended before the body was complete")),
            }
        }
        counts.total += u64::from(last != delimiter);
        counts.loaded = counts.total;
        outcome.counts = counts;
        outcome.timings.read = begun.elapsed();
        self.staged.commit(self.transaction, WriteMode::Append)?;
        Ok(())
    }
}
