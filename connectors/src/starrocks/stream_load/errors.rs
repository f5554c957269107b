//! What a cluster that cannot be reached, or does not answer as StarRocks does, is told as.

use super::address::Endpoint;
use super::client::StreamLoadClient;
use super::exchange::{Answer, Broken};
use super::redirect::MAX_HOPS;
use super::response::LoadResponse;
use crate::error::{ConnectorError, ErrorCode};
use crate::sink::convert::printable;

/// Characters of a server's message that an error shows.
const MAX_SHOWN_CHARS: usize = 500;
/// The way out when a frontend's address does not lead to one.
const LOAD_URL_HINT: &str =
    "check the catalog's option \"load_url\", which must name the frontends' HTTP port, usually 8030";

impl StreamLoadClient {
    pub(super) fn named(&self, error: ConnectorError) -> ConnectorError {
        let message = format!("catalog {}: {}", self.catalog, error.message());
        if error.is_retryable() {
            ConnectorError::retryable(error.code(), message)
        } else {
            ConnectorError::new(error.code(), message)
        }
    }

    pub(super) fn connection(&self, broken: &Broken) -> ConnectorError {
        let hint = match broken {
            Broken::NotSent(_) => format!("; {LOAD_URL_HINT}"),
            _ => String::new(),
        };
        ConnectorError::retryable(ErrorCode::Connection, format!("catalog {}: {broken}{hint}", self.catalog))
    }

    pub(super) fn not_starrocks(&self, at: &Endpoint) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Http,
            format!(
                "catalog {}: {at} does not answer like StarRocks; \"load_url\" must be the frontend's HTTP port, usually 8030",
                self.catalog
            ),
        )
    }

    pub(super) fn too_many_hops(&self, at: &Endpoint) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Redirect,
            format!(
                "catalog {}: more than {MAX_HOPS} redirects, the last from {at}; check \"load_url\" and what stands in front of the frontends",
                self.catalog
            ),
        )
    }

    /// An answer with an error status.
    pub(super) fn http_error(&self, at: &Endpoint, answer: &Answer) -> ConnectorError {
        let said = LoadResponse::parse(&answer.text()).map(|response| tidy(&response.message)).unwrap_or_default();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let catalog = &self.catalog;
        let is_frontend = self.frontends.iter().any(|frontend| frontend.to_string() == at.to_string());
        let hint = if is_frontend { format!("; {LOAD_URL_HINT}") } else { String::new() };
        match answer.status {
            401 | 403 => ConnectorError::new(
                ErrorCode::Login,
                format!(
                    "catalog {catalog}: {at} refused the login (status {}){said}; check \"user\" and \"password\"",
                    answer.status
                ),
            ),
            404 => ConnectorError::new(
                ErrorCode::Http,
                format!(
                    "catalog {catalog}: {at} has no Stream Load (status 404){said}; \"load_url\" must be the frontend's HTTP port, usually 8030"
                ),
            ),
            // 501: a server that has no PUT, which no frontend and no proxy in front of one says.
            status @ 500..=599 if status != 501 => ConnectorError::retryable(
                ErrorCode::Http,
                format!("catalog {catalog}: {at} answered status {status}{said}{hint}"),
            ),
            status => ConnectorError::new(
                ErrorCode::Http,
                format!("catalog {catalog}: {at} answered status {status}{said}{hint}"),
            ),
        }
    }

    /// One error for frontends that all failed: the first that trying again does not cure, else all of them.
    pub(super) fn none_of(&self, mut troubles: Vec<ConnectorError>) -> ConnectorError {
        if let Some(at) = troubles.iter().position(|error| !error.is_retryable()) {
            return troubles.swap_remove(at);
        }
        match troubles.len() {
            0 => ConnectorError::option(format!("catalog {}: \"load_url\" names no frontend", self.catalog)),
            1 => troubles.swap_remove(0),
            _ => {
                let code = troubles[0].code();
                let all: Vec<&str> = troubles.iter().map(ConnectorError::message).collect();
                ConnectorError::retryable(code, format!("no frontend took the request: {}", all.join("; ")))
            }
        }
    }
}

/// A server's message as errors show it, without the Java class that frontends put in front.
pub(super) fn tidy(message: &str) -> String {
    let message = match message.strip_prefix("class ").and_then(|rest| rest.split_once(": ")) {
        Some((class, rest)) if !class.contains(' ') => rest,
        _ => message,
    };
    printable(message.trim(), MAX_SHOWN_CHARS)
}
