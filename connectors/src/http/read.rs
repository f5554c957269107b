//! One file as a stream of its bytes, which is the whole of one version of it or an error.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};

use super::client::{Backoff, HttpClient, SILENT_RETRIES};
use super::error::is_silence;
use super::probe::{Validator, content_encoding, content_length, content_range};
use super::url::HttpUrl;
use crate::error::{ConnectorError, ErrorCode, Result};

/// A download that gets on by this much may be resumed `retries` times anew; less is a connection that does not work.
const PROGRESS_BYTES: u64 = 1 << 20;

/// A file that is being read. Dropping it closes the connection.
pub struct HttpRead {
    client: Arc<HttpClient>,
    url: HttpUrl,
    response: Response,
    /// Bytes handed on.
    position: u64,
    /// The file's length, where the server named it.
    size: Option<u64>,
    validator: Option<Validator>,
    content_encoding: Option<String>,
    backoff: Backoff,
    /// The position at which the last resumption began.
    resumed_at: u64,
    /// How often the server fell silent without having sent a byte more.
    silences: u32,
}

impl HttpClient {
    /// Starts to read a file by one GET, from its start to its end.
    ///
    /// # Errors
    /// Code Http for a status that is no success, Redirect for too many redirects, Connection when there was no answer.
    pub async fn read(self: Arc<Self>, url: &HttpUrl) -> Result<HttpRead> {
        let retries = self.settings().retries;
        let response = self.send(&Method::GET, url, &HeaderMap::new(), retries).await?;
        // 206 to a request without Range, 202, 203 and the like are not known to be the file.
        if !matches!(response.status(), StatusCode::OK | StatusCode::NO_CONTENT) {
            return Err(self.status_error(url, response.status()));
        }
        let headers = response.headers();
        Ok(HttpRead {
            url: url.clone(),
            position: 0,
            size: content_length(headers),
            validator: Validator::of(headers),
            content_encoding: content_encoding(headers),
            backoff: Backoff::new(self.settings().backoff, retries),
            resumed_at: 0,
            silences: 0,
            response,
            client: self,
        })
    }
}

impl HttpRead {
    /// The length in bytes as sent, where the server named it.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The coding that the server put on the bytes though none was asked for, such as `gzip`.
    pub fn content_encoding(&self) -> Option<&str> {
        self.content_encoding.as_deref()
    }

    /// The next bytes; None at the end of the file. A connection that is lost on the way is opened again from where it stopped
    /// if the server proves that the file is still the same.
    ///
    /// # Errors
    /// Code Connection when the download cannot go on, Http when the file has changed meanwhile.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let lost = match self.response.chunk().await {
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(bytes)) => {
                    self.position += bytes.len() as u64;
                    return match self.size {
                        Some(size) if self.position > size => Err(self.too_long(size)),
                        _ => Ok(Some(bytes)),
                    };
                }
                Ok(None) => match self.size {
                    Some(size) if self.position < size => self.too_short(size),
                    _ => return Ok(None),
                },
                // All that was promised is here; how the connection ends does not matter.
                Err(_) if self.size == Some(self.position) => return Ok(None),
                Err(error) => self.client.transport_error(&self.url, error),
            };
            self.resume(lost).await?;
        }
    }

    async fn resume(&mut self, lost: ConnectorError) -> Result<()> {
        if self.position - self.resumed_at >= PROGRESS_BYTES {
            self.backoff.reset();
        }
        if self.position > self.resumed_at {
            self.silences = 0;
        }
        self.resumed_at = self.position;
        let at = self.position;
        if is_silence(&lost) {
            self.silences += 1;
            if self.silences > SILENT_RETRIES {
                return Err(self.stopped(&lost, "the server is silent each time"));
            }
        }
        if at == 0 {
            return self.restart(lost).await;
        }
        let Some(validator) = self.validator.clone() else {
            let reason = "the server names no strong ETag and no Last-Modified, so it cannot go on safely; run again";
            return Err(self.stopped(&lost, reason));
        };
        let Some(wait) = self.backoff.next(None) else {
            return Err(self.stopped(&lost, "it was resumed too often without getting on; run again"));
        };
        tracing::warn!(url = %self.url, at, error = %lost, ?wait, "will resume the download");
        tokio::time::sleep(wait).await;

        let range = HeaderValue::from_str(&format!("bytes={at}-"))
            .map_err(|error| ConnectorError::internal("a range is no header").with_source(error))?;
        let headers = HeaderMap::from_iter([(RANGE, range), (IF_RANGE, validator.header().clone())]);
        let retries = self.client.settings().retries;
        let response = self.client.send(&Method::GET, &self.url, &headers, retries).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            // The whole file again: it has changed, or the server takes no ranges.
            StatusCode::OK if validator.matches(response.headers()) => {
                return Err(self.stopped(&lost, "the server takes no ranges, so it cannot go on; run again"));
            }
            StatusCode::OK | StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(self.changed());
            }
            status => return Err(self.client.status_error(&self.url, status)),
        }
        let range = content_range(response.headers()).filter(|range| range.start == at && range.end >= at);
        let Some(range) = range else {
            return Err(self.stopped(&lost, "the server answered with another range than asked for"));
        };
        let other_size = matches!((range.total, self.size), (Some(total), Some(size)) if total != size);
        let other_encoding = content_encoding(response.headers()) != self.content_encoding;
        if !validator.matches(response.headers()) || other_size || other_encoding {
            return Err(self.changed());
        }
        // A range may end before the file does; without a total, what the range names is all there is to go by.
        self.size = self.size.or(range.total).or(Some(range.end + 1));
        self.response = response;
        Ok(())
    }

    /// Nothing was handed on yet, so any version of the file will do.
    async fn restart(&mut self, lost: ConnectorError) -> Result<()> {
        let Some(wait) = self.backoff.next(None) else { return Err(lost) };
        tracing::warn!(url = %self.url, error = %lost, ?wait, "will start the download again");
        tokio::time::sleep(wait).await;
        let fresh = Arc::clone(&self.client).read(&self.url).await?;
        self.response = fresh.response;
        self.size = fresh.size;
        self.validator = fresh.validator;
        if fresh.content_encoding != self.content_encoding {
            return Err(self.changed());
        }
        Ok(())
    }

    fn too_short(&self, size: u64) -> ConnectorError {
        let at = self.position;
        let message = format!("{} ended after {at} of {size} bytes", self.client.describe(&self.url));
        ConnectorError::retryable(ErrorCode::Connection, message)
    }

    fn too_long(&self, size: u64) -> ConnectorError {
        let message = format!("{} sent more than the {size} bytes it named", self.client.describe(&self.url));
        ConnectorError::new(ErrorCode::Http, message)
    }

    fn stopped(&self, lost: &ConnectorError, reason: &str) -> ConnectorError {
        let message = format!("{}; the download stopped at byte {}: {reason}", lost.message(), self.position);
        ConnectorError::retryable(ErrorCode::Connection, message)
    }

    fn changed(&self) -> ConnectorError {
        let whom = self.client.describe(&self.url);
        let at = self.position;
        let message =
            format!("{whom} has changed while it was read (the download was resumed at byte {at}); run again");
        ConnectorError::retryable(ErrorCode::Http, message)
    }
}

impl fmt::Debug for HttpRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRead").field("url", &self.url).field("position", &self.position).finish_non_exhaustive()
    }
}
