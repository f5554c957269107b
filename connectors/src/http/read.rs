//! One file as a stream of its bytes, which is the whole of one version of it or an error.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};

use super::client::HttpClient;
use super::error::is_silence;
use super::probe::{Validator, content_encoding, content_length, content_range};
use super::url::HttpUrl;
use crate::backoff::{Backoff, Resumptions};
use crate::error::{ConnectorError, ErrorCode, Result};

/// A file that is being read. Dropping it closes the connection.
pub struct HttpRead {
    client: Arc<HttpClient>,
    url: HttpUrl,
    /// None for an empty part, which nobody is asked for.
    response: Option<Response>,
    /// The place in the file behind the bytes handed on.
    position: u64,
    /// Where the part that is read ends, if it is not the whole file.
    end: Option<u64>,
    /// The file's length, where the server named it.
    size: Option<u64>,
    validator: Option<Validator>,
    content_encoding: Option<String>,
    resumptions: Resumptions,
}

impl HttpClient {
    /// Starts to read a file by one request (a GET unless the table says other), from its start to its end.
    ///
    /// # Errors
    /// Code Http for a status that is no success, Redirect for too many redirects, Connection when there was no answer.
    pub async fn read(self: Arc<Self>, url: &HttpUrl) -> Result<HttpRead> {
        let retries = self.settings().retries;
        let response = self.ask_for_file(url).await?;
        // 206 to a request without Range, 202, 203 and the like are not known to be the file.
        if !matches!(response.status(), StatusCode::OK | StatusCode::NO_CONTENT) {
            return Err(self.status_error(url, response.status()));
        }
        let headers = response.headers();
        Ok(HttpRead {
            url: url.clone(),
            position: 0,
            end: None,
            size: content_length(headers),
            // two answers to one question need not be the same, whatever they say
            validator: Validator::of(headers).filter(|_| self.settings().file_request.is_get()),
            content_encoding: content_encoding(headers),
            resumptions: Resumptions::new(Backoff::new(self.settings().backoff, retries)),
            response: Some(response),
            client: self,
        })
    }

    /// Starts to read a part of the version of a file that has this ETag and length; the part ends at the file's end at the latest.
    ///
    /// # Errors
    /// Code Http for another version of the file or a status that is no success, Connection when there was no answer.
    pub(crate) async fn read_range(
        self: Arc<Self>,
        url: &HttpUrl,
        etag: HeaderValue,
        size: u64,
        range: Range<u64>,
    ) -> Result<HttpRead> {
        let end = range.end.min(size);
        let mut read = HttpRead {
            url: url.clone(),
            response: None,
            position: range.start.min(end),
            end: Some(end),
            size: Some(size),
            validator: None,
            content_encoding: None,
            resumptions: Resumptions::new(Backoff::new(self.settings().backoff, self.settings().retries)),
            client: self,
        };
        if read.position < end {
            let validator = Validator::Etag(etag);
            let response = read.request_rest(&validator).await?;
            read.check_rest(&validator, &response).map_err(|reason| match reason {
                Some(reason) => ConnectorError::new(
                    ErrorCode::Http,
                    format!("{} cannot be read in parts: {reason}", read.client.describe(&read.url)),
                ),
                None => read.changed(),
            })?;
            if content_encoding(response.headers()).is_some() {
                let whom = read.client.describe(&read.url);
                let message = format!("{whom} cannot be read in parts: the server sends it with a content encoding");
                return Err(ConnectorError::new(ErrorCode::Http, message));
            }
            (read.response, read.validator) = (Some(response), Some(validator));
        }
        Ok(read)
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

    /// The next bytes; None at the end of the file or of the part. A connection that is lost on the way is opened again from where it
    /// stopped if the server proves that the file is still the same.
    ///
    /// # Errors
    /// Code Connection when the download cannot go on, Http when the file has changed meanwhile.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(response) = &mut self.response else { return Ok(None) };
            let end = self.end.or(self.size);
            let lost = match response.chunk().await {
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(bytes)) => {
                    self.position += bytes.len() as u64;
                    return match end {
                        Some(end) if self.position > end => Err(self.too_long(end)),
                        _ => Ok(Some(bytes)),
                    };
                }
                Ok(None) => match end {
                    Some(end) if self.position < end => self.too_short(end),
                    _ => return Ok(None),
                },
                // All that was promised is here; how the connection ends does not matter.
                Err(_) if end == Some(self.position) => return Ok(None),
                Err(error) => self.client.transport_error(&self.url, error),
            };
            self.resume(lost).await?;
        }
    }

    async fn resume(&mut self, lost: ConnectorError) -> Result<()> {
        let at = self.position;
        let starts_again = at == 0 && self.end.is_none();
        let wait = match self.resumptions.next(at, is_silence(&lost)) {
            Ok(wait) if starts_again => return self.restart(lost, wait).await,
            Ok(wait) => wait,
            Err(_) if starts_again && !is_silence(&lost) => return Err(lost),
            Err(reason) => return Err(self.stopped(&lost, reason)),
        };
        let Some(validator) = self.validator.clone() else {
            let reason = match self.client.settings().file_request.is_get() {
                true => "the server names no strong ETag and no Last-Modified, so it cannot go on safely; run again",
                false => "the answer to a POST or PUT cannot be asked for from there on; run again",
            };
            return Err(self.stopped(&lost, reason));
        };
        tracing::warn!(url = %self.url, at, error = %lost, ?wait, "will resume the download");
        tokio::time::sleep(wait).await;
        let response = self.request_rest(&validator).await?;
        let total = self.check_rest(&validator, &response).map_err(|reason| match reason {
            Some(reason) => self.stopped(&lost, &format!("{reason}, so it cannot go on; run again")),
            None => self.changed(),
        })?;
        if content_encoding(response.headers()) != self.content_encoding {
            return Err(self.changed());
        }
        // A range may end before the file does; without a total, what the range names is all there is to go by.
        self.size = self.size.or(Some(total));
        self.response = Some(response);
        Ok(())
    }

    /// Asks for what is left of the file or of the part.
    async fn request_rest(&self, validator: &Validator) -> Result<Response> {
        let last = self.end.map_or(String::new(), |end| (end - 1).to_string());
        let range = HeaderValue::from_str(&format!("bytes={}-{last}", self.position))
            .map_err(|error| ConnectorError::internal("a range is no header").with_source(error))?;
        let headers = HeaderMap::from_iter([(RANGE, range), (IF_RANGE, validator.header().clone())]);
        let response = self.client.send(&Method::GET, &self.url, &headers, self.client.settings().retries).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT
            | StatusCode::OK
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::RANGE_NOT_SATISFIABLE => Ok(response),
            status => Err(self.client.status_error(&self.url, status)),
        }
    }

    /// The file's length as an answer to [`request_rest`](Self::request_rest) names it. The error is what the server cannot do, None for
    /// another version of the file.
    fn check_rest(&self, validator: &Validator, response: &Response) -> Result<u64, Option<&'static str>> {
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            // The whole file again: it has changed, or the server takes no ranges.
            StatusCode::OK if validator.matches(response.headers()) => return Err(Some("the server takes no ranges")),
            _ => return Err(None),
        }
        let wanted = |end: u64| self.end.map_or(end >= self.position, |wanted| end + 1 == wanted);
        let range = content_range(response.headers())
            .filter(|range| range.start == self.position && wanted(range.end))
            .ok_or(Some("the server answered with another range than asked for"))?;
        let other_size = matches!((range.total, self.size), (Some(total), Some(size)) if total != size);
        if !validator.matches(response.headers()) || other_size {
            return Err(None);
        }
        Ok(range.total.unwrap_or(range.end + 1))
    }

    /// Nothing was handed on yet, so any version of the file will do.
    async fn restart(&mut self, lost: ConnectorError, wait: Duration) -> Result<()> {
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
        let message = format!("{whom} has changed while it was read (found at byte {at}); run again");
        ConnectorError::retryable(ErrorCode::Http, message)
    }
}

impl fmt::Debug for HttpRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRead").field("url", &self.url).field("position", &self.position).finish_non_exhaustive()
    }
}
