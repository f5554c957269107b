//! One object, or a part of it, as a stream of its bytes: of one version, or an error.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, HeaderValue, IF_MATCH, RANGE};
use reqwest::{Method, Response, StatusCode};

use super::bucket::Bucket;
use super::client::Call;
use super::upload::etag;
use crate::backoff::{Backoff, Resumptions};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::http_client::is_silence;

/// An object that is being read. Dropping it closes the connection.
pub struct ObjectRead {
    bucket: Arc<Bucket>,
    key: String,
    etag: HeaderValue,
    /// The object's length.
    size: u64,
    /// The place in the object behind the bytes handed on.
    position: u64,
    /// Where the part that is read ends.
    end: u64,
    /// None if there is nothing to read.
    response: Option<Response>,
    content_encoding: Option<String>,
    resumptions: Resumptions,
}

impl Bucket {
    /// Starts to read the bytes of a range of one version of an object: of the ETag and length that a listing showed. The range ends at the
    /// object's end at the latest.
    ///
    /// # Errors
    /// Code Http when the object has changed, Login, Io or Connection otherwise, naming catalog and key.
    pub async fn read(self: Arc<Self>, key: &str, etag: &str, size: u64, range: Range<u64>) -> Result<ObjectRead> {
        let etag = HeaderValue::from_str(etag).map_err(|_| self.strange(key, "its ETag is no header"))?;
        let end = range.end.min(size);
        let resumptions = Resumptions::new(Backoff::new(self.settings.backoff, self.settings.retries));
        let mut read = ObjectRead {
            bucket: self,
            key: key.to_owned(),
            etag,
            size,
            position: range.start.min(end),
            end,
            response: None,
            content_encoding: None,
            resumptions,
        };
        if read.position < read.end {
            let response = read.request_rest().await?;
            read.content_encoding = content_encoding(&response);
            if read.content_encoding.is_some() && !read.is_whole() {
                let whom = read.bucket.describe(key);
                let message = format!(
                    "{whom} is stored with a Content-Encoding, so it cannot be read in parts; store it without, under a name such as x.gz"
                );
                return Err(ConnectorError::new(ErrorCode::Unsupported, message));
            }
            read.response = Some(response);
        }
        Ok(read)
    }
}

impl ObjectRead {
    /// The `Content-Encoding` that the object was stored with, lower case, such as `gzip`.
    pub fn content_encoding(&self) -> Option<&str> {
        self.content_encoding.as_deref()
    }

    /// The next bytes; None at the end of the range. A connection that is lost on the way is opened again from where it stopped, for as long
    /// as the object is the same.
    ///
    /// # Errors
    /// Code Connection when the download cannot go on, Http when the object has changed meanwhile.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.position == self.end {
                return Ok(None);
            }
            let Some(response) = &mut self.response else { return Ok(None) };
            let lost = match response.chunk().await {
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(bytes)) => {
                    self.position += bytes.len() as u64;
                    if self.position > self.end {
                        return Err(self.bucket.strange(&self.key, "it holds more bytes than were asked for"));
                    }
                    return Ok(Some(bytes));
                }
                Ok(None) => {
                    let whom = self.bucket.describe(&self.key);
                    let message = format!("{whom} ended at byte {} before {}", self.position, self.end);
                    ConnectorError::retryable(ErrorCode::Connection, message)
                }
                Err(error) => self.bucket.transport(&self.key, error),
            };
            self.resume(lost).await?;
        }
    }

    async fn resume(&mut self, lost: ConnectorError) -> Result<()> {
        let at = self.position;
        let wait = self.resumptions.next(at, is_silence(&lost)).map_err(|reason| {
            let message = format!("{}; the download stopped at byte {at}: {reason}", lost.message());
            ConnectorError::retryable(ErrorCode::Connection, message)
        })?;
        tracing::warn!(at, error = %lost, ?wait, "will resume the download");
        tokio::time::sleep(wait).await;
        let response = self.request_rest().await?;
        if content_encoding(&response) != self.content_encoding {
            return Err(self.changed());
        }
        self.response = Some(response);
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.position == 0 && self.end == self.size
    }

    /// Asks for what is left, of this version alone.
    async fn request_rest(&self) -> Result<Response> {
        let mut call = Call::new(Method::GET, &self.key, &[]);
        call.headers.insert(IF_MATCH, self.etag.clone());
        if !self.is_whole() {
            let range = HeaderValue::from_str(&format!("bytes={}-{}", self.position, self.end - 1))
                .map_err(|error| ConnectorError::internal("a range is no header").with_source(error))?;
            call.headers.insert(RANGE, range);
        }
        let response = self.bucket.send(&call).await.map_err(|failure| match failure.status {
            Some(StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE) => {
                self.changed()
            }
            _ => failure.error,
        })?;
        // Not every server knows If-Match.
        if etag(response.headers()).is_none_or(|found| found.as_bytes() != self.etag.as_bytes()) {
            return Err(self.changed());
        }
        let answered = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let wanted = format!("bytes {}-{}/{}", self.position, self.end - 1, self.size);
        match (response.status(), answered) {
            (StatusCode::PARTIAL_CONTENT, Some(answered)) if answered.trim() == wanted => Ok(response),
            (StatusCode::OK, _) if self.is_whole() => Ok(response),
            _ => Err(self.bucket.strange(&self.key, "it is of another range than asked for")),
        }
    }

    fn changed(&self) -> ConnectorError {
        let whom = self.bucket.describe(&self.key);
        let message = format!("{whom} has changed while it was read (found at byte {}); run again", self.position);
        ConnectorError::retryable(ErrorCode::Http, message)
    }
}

/// `aws-chunked` names how the object was sent, not how it is stored.
fn content_encoding(response: &Response) -> Option<String> {
    let value = response.headers().get(CONTENT_ENCODING)?.to_str().ok()?.to_ascii_lowercase();
    let codings = value.split(',').map(str::trim).filter(|coding| !matches!(*coding, "" | "identity" | "aws-chunked"));
    let codings: Vec<&str> = codings.collect();
    (!codings.is_empty()).then(|| codings.join(", "))
}

impl fmt::Debug for ObjectRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ObjectRead");
        debug.field("bucket", &self.bucket).field("key", &self.key).field("position", &self.position);
        debug.finish_non_exhaustive()
    }
}
