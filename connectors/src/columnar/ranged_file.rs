//! A file whose bytes are asked for by ranges, wherever it is.

use std::ops::Range;
use std::sync::{Arc, Weak};

use bytes::{Bytes, BytesMut};
use datafusion::physical_plan::metrics::Count;
use tokio::sync::Mutex;

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::{FileRead, FoundFile};

/// The largest file that is kept in memory because its server serves no ranges.
const MAX_WHOLE_BYTES: usize = 256 << 20;

/// Ranges so near to each other are asked for as one: a request costs more than these bytes.
const COALESCE_BYTES: u64 = 1 << 20;

/// A file of a scan. Readers of it at the same time share one copy where it has to be read whole.
#[derive(Debug, Clone)]
pub(super) struct ScannedFile {
    pub(super) file: FoundFile,
    whole: Arc<Mutex<Weak<Bytes>>>,
}

impl ScannedFile {
    pub(super) fn new(file: FoundFile) -> Self {
        Self { file, whole: Arc::default() }
    }

    /// Makes the file ready to be read in parts, counting the bytes that are read.
    ///
    /// # Errors
    /// Those of reading; Unsupported for a file without ranges that is too large to be kept in memory.
    pub(super) async fn open(&self, bytes_read: Count) -> Result<RangedFile> {
        if let Some(size) = self.file.size().filter(|_| self.file.has_ranges()) {
            return Ok(RangedFile { file: self.file.clone(), size, whole: None, bytes_read });
        }
        let mut shared = self.whole.lock().await;
        let whole = match shared.upgrade() {
            Some(whole) => whole,
            None => {
                let whole = Arc::new(download(&self.file, &bytes_read).await?);
                *shared = Arc::downgrade(&whole);
                whole
            }
        };
        Ok(RangedFile { file: self.file.clone(), size: whole.len() as u64, whole: Some(whole), bytes_read })
    }
}

async fn download(file: &FoundFile, bytes_read: &Count) -> Result<Bytes> {
    let too_large = || {
        let limit = MAX_WHOLE_BYTES >> 20;
        let message = format!(
            "{file} is larger than {limit} MB and its server serves no ranges, which files that hold columns are read by; copy it to a \
             place that does (a folder, a bucket, another server)"
        );
        ConnectorError::new(ErrorCode::Unsupported, message)
    };
    if file.size().is_some_and(|size| size > MAX_WHOLE_BYTES as u64) {
        return Err(too_large());
    }
    let mut read = file.open().await?;
    refuse_coding(file, &read)?;
    let mut whole = BytesMut::new();
    while let Some(piece) = read.next().await? {
        if whole.len() + piece.len() > MAX_WHOLE_BYTES {
            return Err(too_large());
        }
        bytes_read.add(piece.len());
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// A coding that a server put on the bytes is of all of them together: parts cannot be undone.
///
/// # Errors
/// Code Unsupported if there is one.
pub(super) fn refuse_coding(file: &FoundFile, read: &FileRead) -> Result<()> {
    let Some(coding) = read.content_encoding() else { return Ok(()) };
    let coding = coding.escape_debug();
    let message =
        format!("{file}: the server sent \"Content-Encoding: {coding}\" unasked, which cannot be undone here");
    Err(ConnectorError::new(ErrorCode::Unsupported, message))
}

/// A file that is being read in parts.
#[derive(Debug, Clone)]
pub(super) struct RangedFile {
    file: FoundFile,
    size: u64,
    /// The whole file, if it has no ranges.
    whole: Option<Arc<Bytes>>,
    bytes_read: Count,
}

impl RangedFile {
    /// The length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a range.
    ///
    /// # Errors
    /// Those of reading; Value for a range that is not within the file, as one that is damaged asks for.
    pub(super) async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        if range.start > range.end || range.end > self.size {
            let message = format!(
                "{} is damaged: it names bytes {} to {} and has {}",
                self.file, range.start, range.end, self.size
            );
            return Err(ConnectorError::new(ErrorCode::Value, message));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let outside = |_| ConnectorError::internal("a range of a file does not fit into memory");
        let length = usize::try_from(range.end - range.start).map_err(outside)?;
        if let Some(whole) = &self.whole {
            let start = usize::try_from(range.start).map_err(outside)?;
            return Ok(whole.slice(start..start + length));
        }
        let mut read = self.file.open_range(range.clone()).await?;
        refuse_coding(&self.file, &read)?;
        let bytes = self.collect(&mut read, length).await?;
        if bytes.len() == length {
            return Ok(bytes);
        }
        let message = format!(
            "{} has changed while it was read: it ended after byte {} of {}; run again",
            self.file,
            range.start + bytes.len() as u64,
            self.size
        );
        Err(ConnectorError::retryable(ErrorCode::Io, message))
    }

    async fn collect(&self, read: &mut FileRead, length: usize) -> Result<Bytes> {
        let Some(first) = read.next().await? else { return Ok(Bytes::new()) };
        self.bytes_read.add(first.len());
        if first.len() >= length {
            return Ok(first.slice(..length));
        }
        let mut all = BytesMut::with_capacity(length);
        all.extend_from_slice(&first);
        while all.len() < length {
            let Some(piece) = read.next().await? else { break };
            self.bytes_read.add(piece.len());
            all.extend_from_slice(&piece[..piece.len().min(length - all.len())]);
        }
        Ok(all.freeze())
    }

    /// The bytes of several ranges, some of them at the same time, near ones by one request.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub(super) async fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        object_store::coalesce_ranges(ranges, |range| self.range(range), COALESCE_BYTES).await
    }
}
