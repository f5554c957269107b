//! Requests to a bucket: signed, bounded in time, and tried again where that is safe.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Method, Response};

use super::bucket::Bucket;
use super::error::{Failure, of_answer};
use crate::backoff::{Backoff, SILENT_RETRIES, retry_after};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::http_client::{HttpClientSettings, build_http_client, is_silence, transport_error};

/// The longest answer that is read whole: a page of a listing has 1,000 keys of 1,024 bytes, each of which may be escaped threefold.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// The slowest upload that is not taken for one that hangs.
const SLOWEST_UPLOAD_BYTES_PER_SECOND: u64 = 32 << 10;

/// One request, as often as it has to be sent.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Empty for the bucket itself.
    pub(super) key: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, key: &'a str, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { method, key, query, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Bucket {
    /// Sends a request until an answer is a success or will not become one. The body of the answer is still to be read.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Response, Failure> {
        self.retry(call, || self.send_once(call)).await
    }

    /// Sends a request and reads the answer, both again where that may help.
    pub(super) async fn ask(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        self.retry(call, || async {
            let response = self.send_once(call).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = self.read_answer(response, call.key).await?;
            // A long request is answered 200 before its outcome is known (Amazon S3: CompleteMultipartUpload).
            match super::answer::ErrorAnswer::parse(&body) {
                Some(_) => Err(of_answer(self, call.key, status, &body)),
                None => Ok(Answer { headers, body }),
            }
        })
        .await
    }

    async fn retry<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        call: &Call<'_>,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Failure> {
        let mut backoff = Backoff::new(self.settings.backoff, self.settings.retries);
        let mut silences = 0;
        loop {
            let failure = match attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let is_silence = is_silence(&failure.error);
            if !failure.error.is_retryable() || (is_silence && silences == SILENT_RETRIES) {
                return Err(failure);
            }
            silences += u32::from(is_silence);
            let Some(wait) = backoff.next(failure.retry_after) else { return Err(failure) };
            tracing::warn!(method = %call.method, error = %failure.error, ?wait, "will ask the bucket again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<Response, Failure> {
        let url = self.url(call.key, call.query)?;
        let mut request = HttpRequest::new(HttpRequestBody::from(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() =
            url.parse().map_err(|_| ConnectorError::option(format!("{} has no URL", self.describe(call.key))))?;
        *request.headers_mut() = call.headers.clone();
        if let Some(credential) = &self.settings.credential {
            AwsAuthorizer::new(credential, "s3", &self.settings.region).authorize(&mut request, None);
        }
        let is_upload = !call.body.is_empty();
        let client = if is_upload { self.upload_client()? } else { self.client()? };
        let mut sent = client
            .request(call.method.clone(), url)
            .headers(std::mem::take(request.headers_mut()))
            // The object's own bytes are wanted: lengths and ranges count those.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if is_upload || matches!(call.method, Method::PUT | Method::POST) {
            sent = sent.body(call.body.clone());
        }
        if is_upload {
            let allowed = call.body.len() as u64 / SLOWEST_UPLOAD_BYTES_PER_SECOND;
            sent = sent.timeout(self.silence() + Duration::from_secs(allowed));
        }
        let response = sent.send().await.map_err(|error| self.transport(call.key, error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let wait = retry_after(response.headers());
        // Of an answer whose body does not come, the status says enough.
        let body = self.read_answer(response, call.key).await.unwrap_or_default();
        Err(Failure { retry_after: wait, ..of_answer(self, call.key, status, &body) })
    }

    async fn read_answer(&self, mut response: Response, key: &str) -> Result<Bytes, Failure> {
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(|error| self.transport(key, error))? {
            if body.len() + bytes.len() > MAX_ANSWER_BYTES {
                let message = format!("{} answered with more than {MAX_ANSWER_BYTES} bytes", self.describe(key));
                return Err(ConnectorError::new(ErrorCode::Http, message).into());
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body.into())
    }

    pub(super) fn transport(&self, key: &str, error: reqwest::Error) -> ConnectorError {
        transport_error(&self.describe(key), &self.address(), error)
    }

    fn silence(&self) -> Duration {
        self.settings.client.read_timeout.unwrap_or(Duration::from_secs(30))
    }

    fn client(&self) -> Result<&reqwest::Client> {
        made_once(&self.client, &self.settings.client)
    }

    fn upload_client(&self) -> Result<&reqwest::Client> {
        made_once(&self.upload_client, &HttpClientSettings { read_timeout: None, ..self.settings.client.clone() })
    }
}

fn made_once<'a>(place: &'a OnceLock<reqwest::Client>, settings: &HttpClientSettings) -> Result<&'a reqwest::Client> {
    if let Some(client) = place.get() {
        return Ok(client);
    }
    let client = build_http_client(settings)?;
    Ok(place.get_or_init(|| client))
}
