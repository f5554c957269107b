//! What a bucket's answers mean to the user.

use std::time::Duration;

use reqwest::StatusCode;

use super::answer::ErrorAnswer;
use super::bucket::Bucket;
use crate::error::{ConnectorError, ErrorCode};
use crate::http_client::{is_transient, status_text};

/// So much of what a server says is repeated.
const MAX_MESSAGE_CHARS: usize = 300;

/// A request that did not succeed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ConnectorError,
    /// The status of the answer, if there was one.
    pub(super) status: Option<StatusCode>,
    /// The server's name for what is wrong, such as `NoSuchKey`.
    pub(super) code: String,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        Self { error, status: None, code: String::new(), retry_after: None }
    }
}

impl From<Failure> for ConnectorError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// An answer that is no success. What the server says is repeated only where it cannot hold what was signed or a key.
pub(super) fn of_answer(bucket: &Bucket, key: &str, status: StatusCode, body: &[u8]) -> Failure {
    let answer = ErrorAnswer::parse(body).unwrap_or_default();
    let code = if is_word(&answer.code) { answer.code.as_str() } else { "" };
    let what = match code {
        "" => format!("HTTP {}", status_text(status)),
        code => format!("HTTP {} ({code})", status_text(status)),
    };
    let request = match answer.request_id.as_str() {
        id if is_word(id) => format!(" (request {id})"),
        _ => String::new(),
    };
    let catalog = bucket.catalog();
    let whom = bucket.describe(key);
    let keys = "its \"access_key_id\", \"access_key_secret\"";
    let (error_code, way_out) = match (code, status.as_u16()) {
        ("ExpiredToken" | "SecurityTokenExpired" | "TokenRefreshRequired", _) => (
            ErrorCode::Login,
            format!(
                "the credentials of catalog {catalog} have expired; give it {keys} and \"security_token\" of a new session"
            ),
        ),
        ("InvalidToken" | "InvalidSecurityToken", _) => (
            ErrorCode::Login,
            format!(
                "the \"security_token\" of catalog {catalog} is not valid for its keys; all three come from one session"
            ),
        ),
        ("InvalidAccessKeyId", _) => (
            ErrorCode::Login,
            format!(
                "the \"access_key_id\" of catalog {catalog} is not known there (temporary keys also need \"security_token\")"
            ),
        ),
        ("SignatureDoesNotMatch", _) => {
            (ErrorCode::Login, format!("check the \"access_key_secret\" and the \"region\" of catalog {catalog}"))
        }
        ("RequestTimeTooSkewed" | "RequestExpired", _) => {
            (ErrorCode::Login, format!("the clock of this machine is wrong, so catalog {catalog} cannot log in"))
        }
        ("AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect", _) => (
            ErrorCode::Login,
            format!("the bucket is in another region; check \"region\" and \"endpoint\" of catalog {catalog}"),
        ),
        ("NoSuchBucket", _) => (
            ErrorCode::Name,
            format!("there is no such bucket there; check \"bucket\" and \"endpoint\" of catalog {catalog}"),
        ),
        ("SecondLevelDomainForbidden", _) => {
            (ErrorCode::Option, format!("set \"addressing\" = \"virtual-host\" on catalog {catalog}"))
        }
        ("AccessDenied" | "AllAccessDisabled" | "UserDisable", _) | ("", 401 | 403) => (
            ErrorCode::Login,
            match bucket.is_anonymous() {
                true => format!("the bucket is not public; give catalog {catalog} {keys}"),
                false => format!("the key of catalog {catalog} lacks this permission"),
            },
        ),
        ("NoSuchKey", _) | ("", 404) => (ErrorCode::Io, "it does not exist; check LOCATION".to_owned()),
        _ if is_transient(status) => (ErrorCode::Http, "the server is busy; run again later".to_owned()),
        _ => (ErrorCode::Http, bucket.redact(&answer.message).chars().take(MAX_MESSAGE_CHARS).collect()),
    };
    let message = match way_out.as_str() {
        "" => format!("{whom} answered {what}{request}"),
        way_out => format!("{whom} answered {what}; {way_out}{request}"),
    };
    let is_retryable = is_transient(status) || matches!(code, "RequestTimeout" | "SlowDown" | "InternalError");
    let error = match is_retryable {
        true => ConnectorError::retryable(error_code, message),
        false => ConnectorError::new(error_code, message),
    };
    Failure { error, status: Some(status), code: code.to_owned(), retry_after: None }
}

/// A server's name for something: what else it may send has no place in a message.
fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=');
    !text.is_empty() && text.len() <= 128 && text.bytes().all(fits)
}
