//! Requests to one origin: headers of the user's own, redirects, and retries.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};

use super::error;
use super::options::HttpSettings;
use super::request::FileRequest;
use super::url::HttpUrl;
use crate::backoff::{Backoff, SILENT_RETRIES, retry_after};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::http_client::build_http_client;
use crate::options::Options;
use crate::throttle::{Throttle, Throttles};

/// How many redirects one request follows.
const MAX_REDIRECTS: usize = 5;

/// Reads files of one HTTP server. Making one does no I/O.
#[derive(Debug)]
pub struct HttpClient {
    settings: HttpSettings,
    /// The catalog's name, for messages.
    catalog: Option<String>,
    /// The catalog's limits of speed.
    throttles: Throttles,
    client: OnceLock<reqwest::Client>,
}

impl HttpClient {
    /// A client with a catalog's settings; they hold for the origin of the first URL of a request, and not behind a redirect away from it.
    pub fn new(catalog: Option<String>, settings: HttpSettings) -> Arc<Self> {
        let throttles = Throttles::of_catalog(Throttle::new(settings.speed).as_ref());
        Arc::new(Self { settings, catalog, throttles, client: OnceLock::new() })
    }

    /// A client for a URL outside any catalog. A user and password in the URL become Basic authentication.
    ///
    /// # Errors
    /// Code Option when `text` is no http or https URL.
    pub fn for_url(text: &str) -> Result<(Arc<Self>, HttpUrl)> {
        let (url, user_info) = HttpUrl::parse(text)?;
        let mut settings = HttpSettings::default();
        if let Some(user_info) = user_info {
            settings.set_basic(&user_info)?;
        }
        Ok((Self::new(None, settings), url))
    }

    /// The same server for a table that asks for its files in its own way: properties `http.method`, `http.body`, `http.header.NAME`,
    /// `http.connect_timeout`, `http.read_timeout`. The catalog's limits of speed hold for both together.
    ///
    /// # Errors
    /// Code Option for a value that is none, and for a body that the method does not send.
    pub fn for_table(&self, options: &Options) -> Result<Arc<Self>> {
        let settings = self.settings.clone().with_table_options(options)?;
        let (catalog, throttles) = (self.catalog.clone(), self.throttles.clone());
        Ok(Arc::new(Self { settings, catalog, throttles, client: OnceLock::new() }))
    }

    /// The URL with the catalog's name in front, for messages; no secrets.
    pub fn describe(&self, url: &HttpUrl) -> String {
        error::whom(self.catalog.as_deref(), url)
    }

    /// The limits of speed that hold for all that is read from the catalog.
    pub(crate) fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// How many files or ranges are read at the same time at most.
    pub(crate) fn max_connections(&self) -> Option<usize> {
        self.settings.max_connections
    }

    pub(super) fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Sends a request, and again after a failed connection, a lost one, or an answer that says "later"; at most `retries` times more.
    /// The answer may have any status but a redirect's. A server that is silent is asked [`SILENT_RETRIES`] times more at most.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &HttpUrl,
        headers: &HeaderMap,
        retries: u32,
    ) -> Result<Response> {
        self.send_request(&Request { method, headers, body: None }, url, retries).await
    }

    /// Asks for the file itself, as the table says. A request with a body is sent again like any other: whoever reads from it means it to be
    /// safe to repeat.
    pub(super) async fn ask_for_file(&self, url: &HttpUrl) -> Result<Response> {
        let FileRequest { method, body } = &self.settings.file_request;
        let request = Request { method, headers: &HeaderMap::new(), body: body.as_ref() };
        self.send_request(&request, url, self.settings.retries).await
    }

    async fn send_request(&self, request: &Request<'_>, url: &HttpUrl, retries: u32) -> Result<Response> {
        let mut backoff = Backoff::new(self.settings.backoff, retries);
        let mut silences = 0;
        loop {
            let outcome = self.follow(request, url).await;
            let wait = match &outcome {
                Ok(response) if error::is_transient(response.status()) => backoff.next(retry_after(response.headers())),
                Err(error) if error::is_silence(error) && silences == SILENT_RETRIES => None,
                Err(error) if error.is_retryable() => {
                    silences += u32::from(error::is_silence(error));
                    backoff.next(None)
                }
                _ => None,
            };
            let Some(wait) = wait else { return outcome };
            match outcome {
                Ok(response) => {
                    tracing::warn!(url = %url, status = response.status().as_u16(), ?wait, "will ask again")
                }
                Err(error) => tracing::warn!(url = %url, %error, ?wait, "will ask again"),
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends a request and follows its redirects. Once a redirect leaves the first origin, the user's headers stay behind for good; a body
    /// never leaves it.
    async fn follow(&self, request: &Request<'_>, first: &HttpUrl) -> Result<Response> {
        let mut request = *request;
        let mut url = first.clone();
        let mut at_home = true;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_once(&request, &url, at_home).await?;
            if !is_redirect(response.status()) {
                return Ok(response);
            }
            url = self.redirect_target(first, &url, &response)?;
            at_home = at_home && url.same_origin(first);
            // RFC 9110 15.4.4: the answer to what was sent is to be had by GET
            if response.status() == StatusCode::SEE_OTHER && request.method != Method::HEAD {
                request = Request { method: &Method::GET, body: None, ..request };
            }
            if !at_home && !matches!(*request.method, Method::GET | Method::HEAD) {
                let whom = self.describe(first);
                let message = format!(
                    "{whom} redirects a {} to another server, {}, to which it is not sent; name that one in the catalog",
                    request.method,
                    url.host()
                );
                return Err(ConnectorError::new(ErrorCode::Redirect, message));
            }
        }
        let message = format!("{} redirects more than {MAX_REDIRECTS} times, last to {url}", self.describe(first));
        Err(ConnectorError::new(ErrorCode::Redirect, message))
    }

    async fn send_once(&self, request: &Request<'_>, url: &HttpUrl, at_home: bool) -> Result<Response> {
        let mut builder = self.client()?.request(request.method.clone(), url.expose().clone());
        if at_home {
            builder = builder.headers(self.settings.headers.clone());
        }
        // The file's own bytes are wanted: lengths and ranges count those.
        builder =
            builder.header(ACCEPT_ENCODING, HeaderValue::from_static("identity")).headers(request.headers.clone());
        if let Some(body) = request.body {
            builder = builder.body(body.clone());
        }
        builder.send().await.map_err(|error| error::transport(self.catalog.as_deref(), url, error))
    }

    fn redirect_target(&self, first: &HttpUrl, from: &HttpUrl, response: &Response) -> Result<HttpUrl> {
        let location = response.headers().get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        location.and_then(|location| from.join(location)).ok_or_else(|| {
            let status = error::status_text(response.status());
            let message =
                format!("{} answered HTTP {status} without a usable http or https address", self.describe(first));
            ConnectorError::new(ErrorCode::Redirect, message)
        })
    }

    fn client(&self) -> Result<&reqwest::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = build_http_client(&self.settings.client)?;
        Ok(self.client.get_or_init(|| client))
    }

    pub(super) fn status_error(&self, url: &HttpUrl, status: StatusCode) -> ConnectorError {
        error::status(self.catalog.as_deref(), url, status)
    }

    pub(super) fn transport_error(&self, url: &HttpUrl, error: reqwest::Error) -> ConnectorError {
        error::transport(self.catalog.as_deref(), url, error)
    }
}

/// What is sent, beside the catalog's own headers.
#[derive(Clone, Copy)]
struct Request<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    body: Option<&'a Bytes>,
}

/// The statuses that send a reader elsewhere; 300 and 304 do not.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
