//! The Stream Load client: a cluster's frontends, the rules of its redirects, and the short questions that they answer.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::Rng;

use super::address::Endpoint;
use super::body::Body;
use super::exchange::{Answer, Flow, Http, Request};
use super::label::Label;
use super::patience::Patience;
use super::redirect::{MAX_HOPS, RedirectRules};
use super::response::{LabelState, RefusedRow, parse_error_log};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::Secret;

/// Kept of an answer: Stream Load's own is below 2 KB.
pub(super) const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Kept of an error log: at most 50 rows are in it, and of long rows a part is enough.
const MAX_ERROR_LOG_BYTES: usize = 1024 * 1024;
/// Rows that the server names at most (StarRocks: STREAM_LOAD docs); more in a log are not read.
const MAX_REFUSED_ROWS: usize = 50;
/// The status of a gateway that limits requests; one that says so before the body has let nothing through.
pub(super) const TOO_MANY_REQUESTS: u16 = 429;
/// The time that short requests (redirect, state, error log) may take.
pub(super) const SHORT_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends loads to one cluster.
pub(crate) struct StreamLoadClient {
    pub(super) catalog: String,
    pub(super) http: Http,
    pub(super) frontends: Vec<Endpoint>,
    pub(super) rules: RedirectRules,
    pub(super) authorization: Secret,
    pub(super) next_frontend: AtomicUsize,
    pub(super) patience: Patience,
}

impl fmt::Debug for StreamLoadClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamLoadClient").field("frontends", &self.frontends).finish_non_exhaustive()
    }
}

impl StreamLoadClient {
    pub(crate) fn new(
        catalog: &str,
        http: Http,
        frontends: Vec<Endpoint>,
        rules: RedirectRules,
        user: &str,
        password: &Secret,
        patience: Patience,
    ) -> Self {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose()));
        Self {
            catalog: catalog.to_owned(),
            http,
            frontends,
            rules,
            authorization: Secret::new(format!("Basic {login}")),
            next_frontend: AtomicUsize::new(0),
            patience,
        }
    }

    /// The frontends, in the order of the option.
    pub(crate) fn frontends(&self) -> &[Endpoint] {
        &self.frontends
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// The state of a label, from the first frontend that answers.
    pub(crate) async fn label_state(&self, database: &str, label: &Label) -> Result<LabelState> {
        let target = format!("/api/{}/get_load_state?label={label}", encoded(database));
        let first = self.next_frontend.fetch_add(1, Ordering::Relaxed);
        let mut troubles = Vec::new();
        for n in 0..self.frontends.len() {
            let frontend = &self.frontends[(first + n) % self.frontends.len()];
            match self.call("GET", frontend, &target).await {
                Ok((at, answer)) => match LabelState::parse(&answer.text()) {
                    Some(state) => return Ok(state),
                    None => troubles.push(ConnectorError::retryable(
                        ErrorCode::Http,
                        format!("{at} does not say the state of label {label}"),
                    )),
                },
                Err(error) => troubles.push(error),
            }
        }
        Err(self.none_of(troubles))
    }

    /// Asks the server to roll a load back; what is committed stays.
    pub(crate) async fn cancel(&self, database: &str, table: &str, label: &Label) -> Result<()> {
        let target = format!("/api/{}/{}/_cancel?label={label}", encoded(database), encoded(table));
        let mut troubles = Vec::new();
        for frontend in &self.frontends {
            match self.call("POST", frontend, &target).await {
                Ok(_) => return Ok(()),
                Err(error) => troubles.push(error),
            }
        }
        Err(self.none_of(troubles))
    }

    /// Whether a frontend can be reached and takes the login.
    pub(crate) async fn reach(&self, frontend: &Endpoint, database: &str) -> Result<()> {
        let target = format!("/api/{}/get_load_state?label=syncline-check", encoded(database));
        let (at, answer) = self.call("GET", frontend, &target).await?;
        match serde_json::from_slice::<serde_json::Value>(&answer.body) {
            Ok(serde_json::Value::Object(_)) => Ok(()),
            _ => Err(self.not_starrocks(&at)),
        }
    }

    /// A short request without a body, redirects followed.
    async fn call(&self, method: &'static str, frontend: &Endpoint, target: &str) -> Result<(Endpoint, Answer)> {
        let (mut at, mut target, mut hops) = (frontend.clone(), target.to_owned(), 0);
        loop {
            let request = Request {
                method,
                to: &at,
                target: &target,
                headers: &[],
                authorization: Some(&self.authorization),
                expect_continue: false,
                max_answer_bytes: MAX_ANSWER_BYTES,
                timeout: SHORT_TIMEOUT,
                flow: Flow::default(),
            };
            let answer =
                self.http.exchange(&request, &mut Body::Empty).await.map_err(|broken| self.connection(&broken))?;
            match redirect_of(&answer) {
                Some(_) if hops == MAX_HOPS => return Err(self.too_many_hops(&at)),
                Some(location) => {
                    (at, target) = self.rules.follow(&at, location).await.map_err(|error| self.named(error))?;
                    hops += 1;
                }
                None if answer.status == 200 => return Ok((at, answer)),
                None => return Err(self.http_error(&at, &answer)),
            }
        }
    }

    /// The rows that the server refused, from its error log, under the rules of redirects. No login goes along: the log asks for none.
    pub(crate) async fn refused_rows(&self, error_url: &str) -> Result<Vec<RefusedRow>> {
        let (at, target) = self.rules.follow(&self.frontends[0], error_url).await.map_err(|error| self.named(error))?;
        let request = Request {
            method: "GET",
            to: &at,
            target: &target,
            headers: &[],
            authorization: None,
            expect_continue: false,
            max_answer_bytes: MAX_ERROR_LOG_BYTES,
            timeout: SHORT_TIMEOUT,
            flow: Flow::default(),
        };
        let answer = self.http.exchange(&request, &mut Body::Empty).await.map_err(|broken| self.connection(&broken))?;
        match answer.status {
            200 => Ok(parse_error_log(&answer.text(), MAX_REFUSED_ROWS)),
            _ => Err(self.http_error(&at, &answer)),
        }
    }

    /// Waits before try or question `n + 1`: twice as long each time, with jitter, so that writers do not return all at once.
    pub(crate) async fn back_off(&self, n: u32) {
        let wait = self.patience.backoff.saturating_mul(1 << (n - 1).min(16)).min(self.patience.max_backoff);
        let jitter = rand::rng().random_range(0.5..=1.0);
        tokio::time::sleep(wait.mul_f64(jitter)).await;
    }
}

/// The address of a redirect.
pub(super) fn redirect_of(answer: &Answer) -> Option<&str> {
    match answer.status {
        // 303 would turn the PUT into a GET; StarRocks never sends it.
        301 | 302 | 307 | 308 => answer.location.as_deref(),
        _ => None,
    }
}

pub(super) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
