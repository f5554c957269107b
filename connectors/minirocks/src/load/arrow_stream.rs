//! Arrow IPC streams as bodies (StarRocks: `format: arrow`, from 4.2 on).

use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};

/// Most bytes of a message that has not arrived whole, which bounds what is held of a stream.
const MAX_MESSAGE: usize = 1 << 30;

/// Reads record batches from bytes that arrive in pieces.
#[derive(Debug, Default)]
pub(super) struct ArrowReader {
    stream: StreamDecoder,
    /// Bytes since the last batch.
    waiting: usize,
    has_bytes: bool,
}

impl ArrowReader {
    /// Reads the batches that are complete with these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        self.has_bytes |= !bytes.is_empty();
        self.waiting += bytes.len();
        if self.waiting > MAX_MESSAGE {
            return Err(Error::backend(format!("a message of the Arrow stream is longer than {MAX_MESSAGE} bytes")));
        }
        let mut buffer = Buffer::from(bytes);
        while !buffer.is_empty() {
            let Some(batch) = self.stream.decode(&mut buffer).map_err(|error| broken(&error))? else { continue };
            self.waiting = buffer.len();
            take(&batch)?;
        }
        Ok(())
    }

    /// The end of the stream. An error if it has been cut.
    pub(super) fn finish(&mut self) -> Result<()> {
        if !self.has_bytes {
            return Ok(());
        }
        self.stream.finish().map_err(|error| broken(&error))
    }
}

fn broken(error: &arrow::error::ArrowError) -> Error {
    Error::backend(format!("Failed to read the Arrow stream. error: {error}"))
}
