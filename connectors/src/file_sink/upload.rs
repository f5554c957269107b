//! One file on its way: invisible, and known to the journal before its first byte goes out.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{RwLock, oneshot};
use tokio::task::JoinSet;

use super::local::{self, LocalUpload};
use super::places;
use super::records::{self, Begun, Pending};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::FileLocation;
use crate::oss::{Bucket, UploadedPart};
use crate::sink::{CommitJournal, WriteId};

/// Bytes that are gathered for a file on this machine.
const LOCAL_BYTES: usize = 1 << 20;
/// The least bytes of a part; Amazon S3 takes none below 5 MiB but the last.
const PART_BYTES: usize = 8 << 20;
/// After so many parts they grow by [`PART_BYTES`]: 10,000 parts then hold 440 GB, and no part is above 88 MB.
const PARTS_OF_A_SIZE: u32 = 1000;
/// The most parts of an upload (Amazon S3 and OSS).
const MAX_PARTS: u32 = 10_000;
/// Parts of one file on their way at a time.
const PARTS_AT_A_TIME: usize = 2;

/// The uploads of one attempt: what has begun, and whether more may begin.
#[derive(Debug)]
pub(super) struct Uploads {
    shared: Arc<Shared>,
    /// Those that are beginning. They go on when the writer that asked is dropped: between making an upload and writing it down nobody
    /// else would know of it.
    beginning: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Shared {
    journal: Arc<dyn CommitJournal>,
    id: WriteId,
    /// True once the attempt is given up. Whoever makes something holds it for reading, so that nothing begins behind the end.
    is_over: Arc<RwLock<bool>>,
    begun: Mutex<Vec<Begun>>,
}

impl Uploads {
    pub(super) fn new(journal: Arc<dyn CommitJournal>, id: WriteId) -> Self {
        let shared = Shared { journal, id, is_over: Arc::default(), begun: Mutex::default() };
        Self { shared: Arc::new(shared), beginning: Mutex::default() }
    }

    /// Begins a file.
    ///
    /// # Errors
    /// Code Cancelled when the attempt was given up, else what the place says.
    pub(super) async fn begin(&self, file: &FileLocation) -> Result<Upload> {
        let (send, receive) = oneshot::channel();
        let (shared, file) = (Arc::clone(&self.shared), file.clone());
        {
            let mut beginning = self.beginning.lock();
            while beginning.try_join_next().is_some() {}
            beginning.spawn(async move {
                // a writer that is gone needs no upload; the journal knows of it
                let _ = send.send(shared.begin(&file).await);
            });
        }
        receive.await.map_err(|_| ConnectorError::internal("a file could not be begun"))?
    }

    /// Ends everything that has begun, and lets nothing begin any more. Waits for those who are at it.
    ///
    /// # Errors
    /// What stays, by name.
    pub(super) async fn give_up(&self, locate: &places::Locate<'_>) -> Result<()> {
        *self.shared.is_over.write().await = true;
        let begun = self.shared.begun.lock().clone();
        give_up_all(&begun, locate).await
    }
}

impl Shared {
    async fn begin(&self, file: &FileLocation) -> Result<Upload> {
        let is_over = self.is_over.read().await;
        if *is_over {
            return Err(cancelled());
        }
        match file {
            FileLocation::Local(path) => {
                let temp = local::temp_path(path, &self.id.run)?;
                let folders = local::missing_folders(path);
                for folder in &folders {
                    self.record(Begun::Folder(text_of(folder)?)).await?;
                }
                self.record(Begun::Temp(text_of(&temp)?)).await?;
                local::make_folders(&folders).await?;
                Ok(Upload::Local { upload: LocalUpload::create(temp.clone()).await?, temp })
            }
            FileLocation::Object { bucket, key } => {
                let id = bucket.create_multipart(key).await?;
                let begun = Begun::Upload { file: file.reference(), id: id.clone() };
                if let Err(error) = self.record(begun).await {
                    // nobody else knows of it
                    if let Err(left) = bucket.abort_multipart(key, &id).await {
                        tracing::warn!(%file, %left, "an upload without parts stays");
                    }
                    return Err(error);
                }
                Ok(Upload::Object(Box::new(ObjectUpload {
                    bucket: Arc::clone(bucket),
                    key: key.clone(),
                    id,
                    next: 1,
                    on_their_way: JoinSet::new(),
                    parts: Vec::new(),
                    is_over: Arc::clone(&self.is_over),
                })))
            }
            FileLocation::Http { .. } => Err(ConnectorError::internal(format!("{file} cannot be written to"))),
        }
    }

    /// Writes down what is about to exist, or, of an upload, exists without a byte.
    async fn record(&self, begun: Begun) -> Result<()> {
        self.journal.add_detail(&self.id, &records::line(&begun)?).await?;
        self.begun.lock().push(begun);
        Ok(())
    }
}

/// Ends what was begun, innermost folders last.
///
/// # Errors
/// Code PartlyCommitted, naming what stays: none of it is visible.
pub(super) async fn give_up_all(begun: &[Begun], locate: &places::Locate<'_>) -> Result<()> {
    let (folders, uploads): (Vec<&Begun>, Vec<&Begun>) =
        begun.iter().partition(|begun| matches!(begun, Begun::Folder(_)));
    let ends: Vec<BoxFuture<'_, Result<()>>> =
        uploads.into_iter().map(|begun| places::give_up(begun, locate).boxed()).collect();
    let outcomes: Vec<Result<()>> = futures::stream::iter(ends).buffer_unordered(super::AT_A_TIME).collect().await;
    for folder in folders.into_iter().rev() {
        places::give_up(folder, locate).await?;
    }
    let failed: Vec<ConnectorError> = outcomes.into_iter().filter_map(Result::err).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let message = format!(
        "{} of its uploads could not be removed; nothing of them is visible: {}",
        failed.len(),
        first.message()
    );
    Err(ConnectorError::new(ErrorCode::Unknown, message))
}

fn cancelled() -> ConnectorError {
    ConnectorError::new(ErrorCode::Cancelled, "the write was given up")
}

fn text_of(path: &std::path::Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| ConnectorError::option(format!("{} is not UTF-8", path.display())))
}

/// A file on its way.
pub(super) enum Upload {
    /// A hidden file in the same folder.
    Local {
        /// The file.
        upload: LocalUpload,
        /// Its name.
        temp: PathBuf,
    },
    /// Parts of an object.
    Object(Box<ObjectUpload>),
}

impl Upload {
    /// How many bytes to gather before they are sent.
    pub(super) fn piece_bytes(&self) -> usize {
        match self {
            Self::Local { .. } => LOCAL_BYTES,
            Self::Object(upload) => PART_BYTES * (1 + (upload.next / PARTS_OF_A_SIZE) as usize),
        }
    }

    /// Bytes on their way, which are still in memory.
    pub(super) fn bytes_on_their_way(&self) -> usize {
        match self {
            Self::Local { .. } => 0,
            Self::Object(upload) => upload.on_their_way.len() * self.piece_bytes(),
        }
    }

    /// Sends the next bytes; `bytes` is empty afterwards.
    pub(super) async fn send(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Local { upload, .. } => {
                upload.write(bytes).await?;
                bytes.clear();
                Ok(())
            }
            Self::Object(upload) => upload.send(std::mem::take(bytes).into()).await,
        }
    }

    /// Ends the file, which stays invisible.
    pub(super) async fn end(mut self, mut bytes: Vec<u8>) -> Result<Pending> {
        let is_empty = matches!(&self, Self::Object(upload) if upload.next == 1) && bytes.is_empty();
        if is_empty || !bytes.is_empty() {
            // an upload has a part, if an empty one
            self.send(&mut bytes).await?;
        }
        match self {
            Self::Local { upload, temp } => {
                upload.end().await?;
                Ok(Pending::Temp(text_of(&temp)?))
            }
            Self::Object(upload) => upload.end().await,
        }
    }
}

/// An object whose parts are sent while more are made.
pub(super) struct ObjectUpload {
    bucket: Arc<Bucket>,
    key: String,
    id: String,
    next: u32,
    /// Ends with the writer: a task that is dropped sends no more.
    on_their_way: JoinSet<Result<UploadedPart>>,
    parts: Vec<UploadedPart>,
    is_over: Arc<RwLock<bool>>,
}

impl ObjectUpload {
    async fn send(&mut self, bytes: Bytes) -> Result<()> {
        while self.on_their_way.len() >= PARTS_AT_A_TIME {
            self.join_one().await?;
        }
        if self.next > MAX_PARTS {
            let message = format!(
                "{}/{} is larger than an object can be; set \"max_file_size\", or write several files",
                self.bucket, self.key
            );
            return Err(ConnectorError::new(ErrorCode::Unsupported, message));
        }
        let (bucket, key, id, number) = (Arc::clone(&self.bucket), self.key.clone(), self.id.clone(), self.next);
        let is_over = Arc::clone(&self.is_over);
        self.next += 1;
        self.on_their_way.spawn(async move {
            let is_over = is_over.read().await;
            if *is_over {
                return Err(cancelled());
            }
            bucket.put_part(&key, &id, number, bytes).await
        });
        Ok(())
    }

    async fn join_one(&mut self) -> Result<()> {
        match self.on_their_way.join_next().await {
            None => Ok(()),
            Some(Ok(part)) => {
                self.parts.push(part?);
                Ok(())
            }
            Some(Err(error)) => Err(ConnectorError::internal("sending a part was cut short").with_source(error)),
        }
    }

    async fn end(mut self) -> Result<Pending> {
        while !self.on_their_way.is_empty() {
            self.join_one().await?;
        }
        self.parts.sort_by_key(|part| part.number);
        Ok(Pending::Upload { id: self.id, parts: self.parts })
    }
}
