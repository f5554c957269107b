//! Putting objects, in one request or in parts, and removing them.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt};
use percent_encoding::percent_decode_str;
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap};
use serde::{Deserialize, Serialize};

use super::answer::{self, InitiateAnswer};
use super::bucket::Bucket;
use super::client::Call;
use super::error::Failure;
use crate::error::{ConnectorError, ErrorCode, Result};

/// Objects that are removed at a time.
const DELETES_AT_A_TIME: usize = 16;

/// A part that the server has. Written down beside the upload's id, it lets another process complete the upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedPart {
    /// Its place, from 1.
    pub number: u32,
    /// What the server calls it.
    pub etag: String,
    /// Its length.
    pub bytes: u64,
}

/// Waits for an object whose upload is gone: a server that completes it forgets the upload first.
const COMPLETION_WAITS: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::ZERO,
];

impl Bucket {
    /// Begins an upload in parts and returns its id. Nothing is visible before it is completed. Parts are of at least 5 MiB but for the last,
    /// and at most 10,000.
    ///
    /// # Errors
    /// Code Login, Http or Connection. After a lost answer there may be an upload whose id nobody knows; it holds no part.
    pub async fn create_multipart(&self, key: &str) -> Result<String> {
        let answer = self.ask(&Call::new(Method::POST, key, &[("uploads", "")])).await?;
        let found: InitiateAnswer = answer::parse(&answer.body).map_err(|why| self.strange(key, &why))?;
        match found.upload_id.is_empty() {
            true => Err(self.strange(key, "it names no upload")),
            false => Ok(found.upload_id),
        }
    }

    /// Uploads a part; sending it again replaces it. Numbers are from 1.
    ///
    /// # Errors
    /// Code Login, Http or Connection; Unknown code never: a part that was not acknowledged is not used.
    pub async fn put_part(&self, key: &str, upload_id: &str, number: u32, bytes: Bytes) -> Result<UploadedPart> {
        let length = bytes.len() as u64;
        let number_text = number.to_string();
        let query = [("partNumber", number_text.as_str()), ("uploadId", upload_id)];
        let answer = self.ask(&Call { body: bytes, ..Call::new(Method::PUT, key, &query) }).await?;
        let etag = etag(&answer.headers).ok_or_else(|| self.strange(key, "the part has no ETag"))?;
        Ok(UploadedPart { number, etag, bytes: length })
    }

    /// Makes an upload's parts, in the order of their numbers, one object. May be called again after its answer was lost, also by another
    /// process: an upload that is gone counts as complete if the key holds an object of these parts.
    ///
    /// # Errors
    /// Code Remote when the upload is gone and the key does not hold it, else Login, Http or Connection, after which it may be complete or
    /// not.
    pub async fn complete_multipart(&self, key: &str, upload_id: &str, parts: &[UploadedPart]) -> Result<()> {
        let mut ordered: Vec<&UploadedPart> = parts.iter().collect();
        ordered.sort_by_key(|part| part.number);
        let mut body = String::from("<CompleteMultipartUpload>");
        for part in ordered {
            let etag = part.etag.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = write!(body, "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", part.number);
        }
        body.push_str("</CompleteMultipartUpload>");
        let query = [("uploadId", upload_id)];
        let call = Call { body: body.into(), ..Call::new(Method::POST, key, &query) };
        match self.ask(&call).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.code == "NoSuchUpload" => self.find_completed(key, parts, failure).await,
            Err(failure) => Err(failure.into()),
        }
    }

    /// Whether the key holds the object of these parts, or does so soon: a request that was lost may still be at work. Its ETag ends with their number (Amazon S3 and OSS alike).
    async fn find_completed(&self, key: &str, parts: &[UploadedPart], gone: Failure) -> Result<()> {
        let length: u64 = parts.iter().map(|part| part.bytes).sum();
        let suffix = format!("-{}\"", parts.len());
        for wait in COMPLETION_WAITS {
            match self.head(key).await? {
                Some((size, etag)) if size == length && etag.ends_with(&suffix) => {
                    return Ok(());
                }
                _ => tokio::time::sleep(wait).await,
            }
        }
        Err(ConnectorError::new(
            ErrorCode::Remote,
            format!("{}; the upload was ended by someone else, and its object is not there", gone.error.message()),
        ))
    }

    /// Gives up an upload and what it holds. One that is gone already, or complete, is left as it is.
    ///
    /// # Errors
    /// Code Login, Http or Connection.
    pub async fn abort_multipart(&self, key: &str, upload_id: &str) -> Result<()> {
        match self.ask(&Call::new(Method::DELETE, key, &[("uploadId", upload_id)])).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.code == "NoSuchUpload" => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Puts a small object, replacing what is there.
    ///
    /// # Errors
    /// Code Login, Http or Connection.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.ask(&Call { body: bytes, ..Call::new(Method::PUT, key, &[]) }).await?;
        Ok(())
    }

    /// Removes objects, some at a time; what is not there is no error.
    ///
    /// # Errors
    /// That of the first that could not be removed: code Login, Http or Connection. Others may be removed.
    pub async fn delete(&self, keys: &[String]) -> Result<()> {
        // boxed, so that the compiler sees that callers may be sent to another thread
        let deletes: Vec<_> = keys.iter().map(|key| self.delete_one(key).boxed()).collect();
        futures::stream::iter(deletes).buffer_unordered(DELETES_AT_A_TIME).try_collect().await
    }

    async fn delete_one(&self, key: &str) -> Result<()> {
        match self.ask(&Call::new(Method::DELETE, key, &[])).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.code == "NoSuchKey" => Ok(()),
            Err(failure) => Err(ConnectorError::from(failure)),
        }
    }

    /// Length and ETag of an object; None if there is none.
    ///
    /// # Errors
    /// Code Login, Http or Connection.
    pub async fn head(&self, key: &str) -> Result<Option<(u64, String)>> {
        let response = match self.send(&Call::new(Method::HEAD, key, &[])).await {
            Ok(response) => response,
            // An answer to HEAD has no body, so a bucket that is missing looks like this too.
            Err(failure) if failure.status.is_some_and(|status| status == 404) => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        let headers = response.headers();
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        match (length, etag(headers)) {
            (Some(length), Some(etag)) => Ok(Some((length, etag))),
            _ => Err(self.strange(key, "it names no length or no ETag")),
        }
    }

    /// An answer that is not what the protocol promises.
    pub(super) fn strange(&self, key: &str, why: &str) -> ConnectorError {
        let message = format!("{} gave an answer that is not understood: {why}", self.describe(key));
        ConnectorError::new(ErrorCode::Http, message)
    }
}

/// The ETag of an answer, with its quotes.
pub(super) fn etag(headers: &HeaderMap) -> Option<String> {
    Some(quoted(headers.get(ETAG)?.to_str().ok()?))
}

/// An ETag with its quotes, which some listings leave out.
pub(super) fn quoted(etag: &str) -> String {
    let etag = etag.trim();
    let etag = etag.strip_prefix("W/").unwrap_or(etag);
    match etag.starts_with('"') {
        true => etag.to_owned(),
        false => format!("\"{etag}\""),
    }
}

/// A key as a listing with `encoding-type=url` holds it: `+` is a space, as in forms.
pub(super) fn decoded(key: &str) -> Option<String> {
    let key = key.replace('+', "%20");
    Some(percent_decode_str(&key).decode_utf8().ok()?.into_owned())
}
