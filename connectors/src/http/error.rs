//! What HTTP answers and broken connections mean to the user.

use std::error::Error;

use reqwest::StatusCode;

use super::url::HttpUrl;
use crate::error::{ConnectorError, ErrorCode};

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

/// `404 Not Found`; the reason phrase is that of the standard, never the server's own text.
pub(super) fn status_text(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// Whether the same request may well succeed a little later (RFC 9110 15.5.9 and 15.6, RFC 6585 4).
pub(super) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// A request that got no answer.
pub(super) fn transport(catalog: Option<&str>, url: &HttpUrl, error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    let cause = root_cause(&error);
    let address = format!("{}:{}", url.host(), url.port());
    let whom = whom(catalog, url);
    let message = if is_certificate_problem(&cause) {
        let way_out = "if its certificate is of an authority of your own, name that in the catalog's \"ca\"";
        return ConnectorError::new(
            ErrorCode::Connection,
            format!("{whom}: TLS to {address} failed: {cause}; {way_out}"),
        );
    } else if error.is_connect() && error.is_timeout() {
        format!("{whom}: no connection to {address} within \"connect_timeout\"; check host, port and firewall")
    } else if error.is_connect() {
        format!("{whom}: cannot connect to {address}: {cause}; check host, port and firewall")
    } else if error.is_timeout() {
        format!(
            "{whom}: {address} took the request and was silent for longer than \"read_timeout\"; run again later, or raise that option"
        )
    } else {
        format!("{whom}: the connection to {address} was lost: {cause}")
    };
    ConnectorError::retryable(ErrorCode::Connection, message).with_source(error)
}

/// Whether a server had the request and did not answer, or stopped in its answer, for longer than `read_timeout`.
pub(super) fn is_silence(error: &ConnectorError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<reqwest::Error>());
    source.is_some_and(|error| error.is_timeout() && !error.is_connect())
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().to_lowercase()
}

fn is_certificate_problem(cause: &str) -> bool {
    cause.contains("certificate")
}
