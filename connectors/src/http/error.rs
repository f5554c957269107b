//! What HTTP answers and broken connections mean to the user.

use reqwest::StatusCode;

use super::url::HttpUrl;
use crate::error::{ConnectorError, ErrorCode};
use crate::http_client::transport_error;
pub(super) use crate::http_client::{is_silence, is_transient, status_text};

/// Who is being talked to, for messages: `catalog "name"` where there is one, then the URL without its secrets.
pub(super) fn whom(catalog: Option<&str>, url: &HttpUrl) -> String {
    match catalog {
        Some(name) => format!("catalog \"{name}\": {url}"),
        None => url.to_string(),
    }
}

/// An answer that is no success.
pub(super) fn status(catalog: Option<&str>, url: &HttpUrl, status: StatusCode) -> ConnectorError {
    let way_out = match status.as_u16() {
        401 => "set the catalog's \"user\" and \"password\", or a header such as \"header.authorization\"",
        403 => "the server refuses to show this file: check credentials, and whether a signed URL has expired",
        404 | 410 => "there is no such file: check LOCATION and the catalog's \"url\"",
        408 | 429 => "the server is busy: run again later",
        500.. => "the server failed: run again later",
        _ => "check LOCATION and the catalog's \"url\"",
    };
    let message = format!("{} answered HTTP {}; {way_out}", whom(catalog, url), status_text(status));
    match is_transient(status) {
        true => ConnectorError::retryable(ErrorCode::Http, message),
        false => ConnectorError::new(ErrorCode::Http, message),
    }
}

/// A request that got no answer.
pub(super) fn transport(catalog: Option<&str>, url: &HttpUrl, error: reqwest::Error) -> ConnectorError {
    transport_error(&whom(catalog, url), &format!("{}:{}", url.host(), url.port()), error)
}
