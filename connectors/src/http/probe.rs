//! What a server says about a file before it is read.

use reqwest::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED, RANGE,
};
use reqwest::{Method, StatusCode};

use super::client::HttpClient;
use super::error::is_silence;
use super::url::HttpUrl;
use crate::error::Result;

/// What is known of a file without reading it. Servers that lack HEAD, Range or Content-Length leave things out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileProbe {
    /// The length in bytes, as stored.
    pub size: Option<u64>,
    /// Whether the server takes `Range`.
    pub ranges: bool,
    /// The version's strong ETag, where the server names one.
    pub etag: Option<HeaderValue>,
}

impl FileProbe {
    fn new(headers: &HeaderMap, size: Option<u64>, ranges: bool) -> Self {
        let etag = match Validator::of(headers) {
            Some(Validator::Etag(etag)) => Some(etag),
            _ => None,
        };
        // Ranges of a coded body are not ranges of the file.
        Self { size, ranges: ranges && content_encoding(headers).is_none(), etag }
    }
}

impl HttpClient {
    /// Asks for a file's length: by HEAD, else by a GET of its first byte (servers without HEAD, URLs signed for GET alone),
    /// else by a GET that is given up after its headers. A table whose file is the answer to a POST or PUT is not asked for it.
    ///
    /// # Errors
    /// That of the last try: code Http for a status that is no success, Connection when there was no answer.
    pub async fn probe(&self, url: &HttpUrl) -> Result<FileProbe> {
        // An answer to a question, not a file: nothing is known of it before it is there.
        if !self.settings().file_request.is_get() {
            return Ok(FileProbe::default());
        }
        // One try only: a server without HEAD may well drop the connection.
        let mut retries = self.settings().retries;
        match self.send(&Method::HEAD, url, &HeaderMap::new(), 0).await {
            Ok(response) if response.status() == StatusCode::OK => {
                let headers = response.headers();
                return Ok(FileProbe::new(headers, content_length(headers), takes_ranges(headers)));
            }
            // Or stay silent; one that is silent to GET as well is not waited for any longer.
            Err(error) if is_silence(&error) => retries = 0,
            _ => {}
        }
        let first_byte = HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=0-0"))]);
        let response = self.send(&Method::GET, url, &first_byte, retries).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let size = content_range(response.headers()).and_then(|range| range.total);
                return Ok(FileProbe::new(response.headers(), size, true));
            }
            StatusCode::OK => {
                return Ok(FileProbe::new(response.headers(), content_length(response.headers()), false));
            }
            // No first byte: an empty file.
            StatusCode::RANGE_NOT_SATISFIABLE if total_of_unsatisfied(response.headers()) == Some(0) => {
                return Ok(FileProbe::new(response.headers(), Some(0), true));
            }
            _ => {}
        }
        let response = self.send(&Method::GET, url, &HeaderMap::new(), retries).await?;
        match response.status().is_success() {
            true => Ok(FileProbe::new(response.headers(), content_length(response.headers()), false)),
            false => Err(self.status_error(url, response.status())),
        }
    }
}

fn takes_ranges(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT_RANGES).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"bytes"))
}

/// `Content-Length`. Read from the header, since the body of an answer to HEAD has none.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH)?.trim().parse().ok()
}

/// `Content-Range: bytes START-END/TOTAL` (RFC 9110 14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) total: Option<u64>,
}

pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    let (range, total) = text(headers, CONTENT_RANGE)?.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (start, end) = range.split_once('-')?;
    Some(ContentRange {
        start: start.trim().parse().ok()?,
        end: end.trim().parse().ok()?,
        total: total.trim().parse().ok(),
    })
}

fn total_of_unsatisfied(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_RANGE)?.trim().strip_prefix("bytes")?.trim().strip_prefix("*/")?.parse().ok()
}

/// The body's `Content-Encoding`, lower case; None for the file's own bytes.
pub(super) fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let value = text(headers, CONTENT_ENCODING)?.trim().to_ascii_lowercase();
    (!value.is_empty() && value != "identity").then_some(value)
}

/// What proves that two answers are of the same bytes, fit for `If-Range` (RFC 9110 13.1.5): a strong ETag, else a Last-Modified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Validator {
    Etag(HeaderValue),
    LastModified(HeaderValue),
}

impl Validator {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(ETAG) {
            Some(etag) if etag.as_bytes().starts_with(b"\"") => Some(Self::Etag(etag.clone())),
            _ => headers.get(LAST_MODIFIED).map(|value| Self::LastModified(value.clone())),
        }
    }

    pub(super) fn header(&self) -> &HeaderValue {
        match self {
            Self::Etag(value) | Self::LastModified(value) => value,
        }
    }

    /// Whether an answer is not of another version. A server need not repeat Last-Modified with a 206, but must repeat the ETag.
    pub(super) fn matches(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Etag(etag) => headers.get(ETAG) == Some(etag),
            Self::LastModified(date) => headers.get(LAST_MODIFIED).is_none_or(|value| value == date),
        }
    }
}

fn text(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
