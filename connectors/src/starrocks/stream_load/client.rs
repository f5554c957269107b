//! The Stream Load client: asks a frontend where to send, sends there, and finds out what became of it.
//!
//! A load is never sent again while its outcome is open: an answer that was lost is resolved by asking for the label's state.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::Rng;

use super::address::Endpoint;
use super::body::Body;
use super::exchange::{Answer, Broken, Http, Request};
use super::label::Label;
use super::redirect::{MAX_HOPS, RedirectRules};
use super::response::{ExistingJob, LabelState, LoadResponse, LoadStatus, RefusedRow, parse_error_log};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::Secret;
use crate::sink::convert::printable;

/// Kept of an answer: Stream Load's own is below 2 KB.
pub(super) const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Kept of an error log: at most 50 rows are in it, and of long rows a part is enough.
const MAX_ERROR_LOG_BYTES: usize = 1024 * 1024;
/// Rows that the server names at most (StarRocks: STREAM_LOAD docs); more in a log are not read.
const MAX_REFUSED_ROWS: usize = 50;
/// Characters of a server's message that an error shows.
const MAX_SHOWN_CHARS: usize = 500;
/// The way out when a frontend's address does not lead to one.
const LOAD_URL_HINT: &str =
    "check the catalog's option \"load_url\", which must name the frontends' HTTP port, usually 8030";
/// The time that short requests (redirect, state, error log) may take.
pub(super) const SHORT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long and how often the client tries.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// Tries of one load, the first included.
    pub(crate) attempts: u32,
    /// The wait before the second try; it doubles with each.
    pub(crate) backoff: Duration,
    /// The longest wait between two tries or two questions.
    pub(crate) max_backoff: Duration,
    /// How long a label may be unknown to the server before its load is taken for one that never began.
    pub(crate) unknown_for: Duration,
    /// How long beyond its `timeout` a load may take to answer: the server waits until then for the data to be visible.
    pub(crate) answer_margin: Duration,
    /// How long rolling back waits for the server to say that a broken load is gone.
    pub(crate) roll_back_for: Duration,
    /// How long a database that runs as many transactions as it may is waited for.
    pub(crate) limit_for: Duration,
    /// The wait between two tries while it does.
    pub(crate) limit_backoff: Duration,
    /// How long a commit that was decided is tried.
    pub(crate) commit_for: Duration,
}

impl Default for Patience {
    /// Six tries within about 15 s, as long as a backend takes to leave the list of those alive; a label that is unknown for 5 s, far beyond the time between begin and its first appearance; five minutes for
    /// others to end their transactions; two for a commit, in which a cluster elects a new leader.
    fn default() -> Self {
        Self {
            attempts: 6,
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(10),
            unknown_for: Duration::from_secs(5),
            answer_margin: Duration::from_secs(60),
            roll_back_for: Duration::from_secs(10),
            limit_for: Duration::from_secs(300),
            limit_backoff: Duration::from_secs(10),
            commit_for: Duration::from_secs(120),
        }
    }
}

/// One load.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) label: Label,
    /// All headers but the label.
    pub(crate) headers: Vec<(String, String)>,
    /// The `timeout` header: the server aborts a load that takes longer.
    pub(crate) timeout: Duration,
    /// How long to wait until committed data is visible.
    pub(crate) visible_timeout: Duration,
}

/// What became of a load, known for certain.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Committed.
    Committed {
        /// The server's answer, unless it was lost and only the label's state is known.
        response: Option<LoadResponse>,
        /// Whether readers see it; if not, they will.
        visible: bool,
    },
    /// Refused and rolled back, for a reason that trying again does not cure.
    Refused(LoadResponse),
}

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

/// What one try came to.
enum Tried {
    Answered {
        response: LoadResponse,
        /// Whether the server may have had all of the body when it answered: only then can a failure hide a commit.
        body_complete: bool,
    },
    /// Nothing that could be committed was sent.
    NotSent(ConnectorError),
    /// What became of it is not known.
    Lost { body_complete: bool, reason: String },
}

/// What asking for a label came to.
enum Fate {
    Committed { visible: bool },
    Aborted(String),
    NeverBegan,
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

    /// Sends a load and stays until its outcome is known. An error of code Unknown means that it is not; after any other error
    /// nothing of the load is or will be visible.
    pub(crate) async fn load(&self, load: &Load, body: &mut Body) -> Result<Outcome> {
        // Only a label that this call has sent before can stand for these bytes.
        let mut sent_before = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let may_try_again = |body: &Body| attempt < self.patience.attempts && body.is_whole();
            let trouble = match self.try_once(load, body).await? {
                Tried::NotSent(error) => error,
                Tried::Answered { response, body_complete } => match &response.status {
                    LoadStatus::Success => return Ok(Outcome::Committed { response: Some(response), visible: true }),
                    LoadStatus::PublishTimeout => {
                        let visible = self.wait_until_visible(load).await;
                        return Ok(Outcome::Committed { response: Some(response), visible });
                    }
                    LoadStatus::LabelExists(job) if !sent_before => return Err(self.label_taken(load, *job)),
                    LoadStatus::LabelExists(_) => match self.fate(load, true).await? {
                        Fate::Committed { visible } => return Ok(Outcome::Committed { response: None, visible }),
                        Fate::Aborted(reason) => self.lost_error(load, &reason),
                        Fate::NeverBegan => return Err(self.unknown(load, "its label is taken but has no state")),
                    },
                    // A commit whose own answer was lost between the servers is reported as a failure too, in words that differ
                    // from version to version: whatever they are, the label knows.
                    LoadStatus::Failed(_) => {
                        // A load that will be sent again must have ended first.
                        if (body_complete || response.is_retryable()) && !response.is_refused_for_its_rows() {
                            sent_before = true;
                            if let Fate::Committed { visible } = self.fate(load, true).await? {
                                tracing::warn!(label = %load.label, "the server reported a failure of a load that is committed");
                                return Ok(Outcome::Committed { response: None, visible });
                            }
                        }
                        if !response.is_retryable() || !may_try_again(body) {
                            return Ok(Outcome::Refused(response));
                        }
                        self.error(ErrorCode::Remote, true, load, &tidy(&response.message))
                    }
                },
                Tried::Lost { body_complete, reason } => {
                    tracing::warn!(label = %load.label, %reason, "the answer to a load was lost; asking for its label");
                    sent_before = true;
                    match self.fate(load, body_complete).await? {
                        Fate::Committed { visible } => return Ok(Outcome::Committed { response: None, visible }),
                        Fate::NeverBegan if body_complete && !body.is_whole() => {
                            return Err(self.unknown(load, &reason));
                        }
                        Fate::NeverBegan => self.lost_error(load, &reason),
                        Fate::Aborted(why) if why.is_empty() => self.lost_error(load, &reason),
                        Fate::Aborted(why) => self.lost_error(load, &format!("{reason}; the server aborted it: {why}")),
                    }
                }
            };
            if !trouble.is_retryable() || !may_try_again(body) {
                return Err(trouble);
            }
            tracing::info!(label = %load.label, attempt, error = %trouble, "trying the load again");
            self.back_off(attempt).await;
        }
    }

    /// Sends a load once, for its answer alone; what could not be sent or was not answered is an error.
    pub(super) async fn offer(&self, load: &Load, body: &mut Body) -> Result<LoadResponse> {
        match self.try_once(load, body).await? {
            Tried::Answered { response, .. } => Ok(response),
            Tried::NotSent(error) => Err(error),
            Tried::Lost { reason, .. } => Err(self.lost_error(load, &reason)),
        }
    }

    /// One try: the redirect, then the body. Errors are those that trying again does not cure.
    async fn try_once(&self, load: &Load, body: &mut Body) -> Result<Tried> {
        let (mut at, mut target, mut hops) = match self.ask_frontends(load).await {
            Ok((at, target)) => (at, target, 1),
            Err(error) if error.is_retryable() => return Ok(Tried::NotSent(error)),
            Err(error) => return Err(error),
        };
        let mut headers = load.headers.clone();
        headers.push(("label".to_owned(), load.label.as_str().to_owned()));
        loop {
            let request = Request {
                method: "PUT",
                to: &at,
                target: &target,
                headers: &headers,
                authorization: Some(&self.authorization),
                expect_continue: true,
                max_answer_bytes: MAX_ANSWER_BYTES,
                timeout: load.timeout + self.patience.answer_margin,
            };
            let answer = match self.http.exchange(&request, body).await {
                Ok(answer) => answer,
                Err(Broken::NotSent(reason)) => {
                    return Ok(Tried::NotSent(self.error(ErrorCode::Connection, true, load, &reason)));
                }
                Err(Broken::Lost { body_complete, reason }) => return Ok(Tried::Lost { body_complete, reason }),
                Err(Broken::Abandoned) => {
                    return Err(self.error(ErrorCode::Cancelled, false, load, "it was given up before its end"));
                }
            };
            if let Some(location) = redirect_of(&answer) {
                if hops == MAX_HOPS {
                    return Err(self.too_many_hops(&at));
                }
                if !body.is_whole() {
                    let reason = format!("{at} redirected after it had taken a part of the body");
                    return Err(self.error(ErrorCode::Http, false, load, &reason));
                }
                (at, target) = self.rules.follow(&at, location).await.map_err(|error| self.named(error))?;
                hops += 1;
                continue;
            }
            return match answer.status {
                200 => Ok(match LoadResponse::parse(&answer.text()) {
                    Some(response) if !answer.request_complete && response.is_success() => {
                        return Err(self.unknown(load, &format!("{at} answered success before it had all of the body")));
                    }
                    Some(response) => Tried::Answered { response, body_complete: answer.request_complete },
                    // It may be committed all the same.
                    None => {
                        Tried::Lost { body_complete: true, reason: format!("{at} answered something that is no JSON") }
                    }
                }),
                401 | 403 => Err(self.http_error(&at, &answer)),
                // Whoever answers so, a proxy perhaps, need not know what became of the load.
                status if answer.request_complete || status >= 500 => Ok(Tried::Lost {
                    body_complete: answer.request_complete,
                    reason: format!("{at} answered status {status}"),
                }),
                _ => Err(self.http_error(&at, &answer)),
            };
        }
    }

    /// Asks the frontends, each once, where the load is to be sent. No label goes along: an address that is really a backend would
    /// take the empty body for the load.
    async fn ask_frontends(&self, load: &Load) -> Result<(Endpoint, String)> {
        let path = format!("/api/{}/{}/_stream_load", encoded(&load.database), encoded(&load.table));
        let first = self.next_frontend.fetch_add(1, Ordering::Relaxed);
        let mut troubles = Vec::new();
        for n in 0..self.frontends.len() {
            let frontend = &self.frontends[(first + n) % self.frontends.len()];
            match self.ask_frontend(frontend, &path, load).await {
                Err(error) if error.is_retryable() => troubles.push(error),
                result => return result,
            }
        }
        Err(self.none_of(troubles))
    }

    async fn ask_frontend(&self, frontend: &Endpoint, path: &str, load: &Load) -> Result<(Endpoint, String)> {
        let request = Request {
            method: "PUT",
            to: frontend,
            target: path,
            headers: &load.headers,
            authorization: Some(&self.authorization),
            expect_continue: true,
            max_answer_bytes: MAX_ANSWER_BYTES,
            timeout: SHORT_TIMEOUT,
        };
        let answer = self.http.exchange(&request, &mut Body::Empty).await.map_err(|broken| self.connection(&broken))?;
        if let Some(location) = redirect_of(&answer) {
            return self.rules.follow(frontend, location).await.map_err(|error| self.named(error));
        }
        if answer.status != 200 {
            return Err(self.http_error(frontend, &answer));
        }
        match LoadResponse::parse(&answer.text()) {
            Some(response) if response.from_backend => Err(ConnectorError::option(format!(
                "catalog {}: {frontend} in \"load_url\" is a backend (BE), not a frontend (FE); name the frontend's HTTP port, usually 8030",
                self.catalog
            ))),
            Some(response) => {
                Err(self.error(ErrorCode::Remote, response.is_retryable(), load, &tidy(&response.message)))
            }
            None => Err(self.not_starrocks(frontend)),
        }
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
        };
        let answer = self.http.exchange(&request, &mut Body::Empty).await.map_err(|broken| self.connection(&broken))?;
        match answer.status {
            200 => Ok(parse_error_log(&answer.text(), MAX_REFUSED_ROWS)),
            _ => Err(self.http_error(&at, &answer)),
        }
    }

    /// Asks for a label until its load has ended, or for as long as a commit may take if nobody answers. `may_be_committed`: whether the server may have got the whole body.
    async fn fate(&self, load: &Load, may_be_committed: bool) -> Result<Fate> {
        let started = Instant::now();
        let give_up = started + load.timeout + self.patience.answer_margin;
        let mut unknown_since: Option<Instant> = None;
        // Since when no question is answered.
        let mut silent_since: Option<Instant> = None;
        let mut questions = 0;
        loop {
            questions += 1;
            let asked = Instant::now();
            let state = self.label_state(&load.database, &load.label).await;
            if state.is_ok() {
                silent_since = None;
            }
            let trouble = match state {
                Ok(LabelState::Visible) => return Ok(Fate::Committed { visible: true }),
                Ok(LabelState::Committed) => {
                    return Ok(Fate::Committed { visible: self.wait_until_visible(load).await });
                }
                Ok(LabelState::Aborted(reason)) => return Ok(Fate::Aborted(tidy(&reason))),
                Ok(LabelState::Running | LabelState::Prepared) => {
                    unknown_since = None;
                    if !may_be_committed && questions == 1 {
                        // The server may not have noticed yet that the connection is gone.
                        let _ = self.cancel(&load.database, &load.table, &load.label).await;
                    }
                    "it still runs".to_owned()
                }
                Ok(LabelState::Unknown) => {
                    let since = *unknown_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.patience.unknown_for {
                        return Ok(Fate::NeverBegan);
                    }
                    "the server does not know it".to_owned()
                }
                Err(error) => {
                    // The body did not get there whole: nothing can have been committed, whatever the server would say.
                    if !may_be_committed && started.elapsed() >= self.patience.unknown_for {
                        return Ok(Fate::Aborted(String::new()));
                    }
                    if silent_since.get_or_insert(asked).elapsed() >= self.patience.commit_for {
                        return Err(self.unknown(load, error.message()));
                    }
                    error.message().to_owned()
                }
            };
            if Instant::now() >= give_up {
                return Err(self.unknown(load, &trouble));
            }
            self.back_off(questions).await;
        }
    }

    /// Whether a committed load becomes visible within its `visible_timeout`.
    async fn wait_until_visible(&self, load: &Load) -> bool {
        let give_up = Instant::now() + load.visible_timeout;
        let mut questions = 0;
        loop {
            questions += 1;
            if let Ok(LabelState::Visible) = self.label_state(&load.database, &load.label).await {
                return true;
            }
            if Instant::now() >= give_up {
                return false;
            }
            self.back_off(questions).await;
        }
    }

    /// Waits before try or question `n + 1`: twice as long each time, with jitter, so that writers do not return all at once.
    pub(crate) async fn back_off(&self, n: u32) {
        let wait = self.patience.backoff.saturating_mul(1 << (n - 1).min(16)).min(self.patience.max_backoff);
        let jitter = rand::rng().random_range(0.5..=1.0);
        tokio::time::sleep(wait.mul_f64(jitter)).await;
    }

    pub(super) fn named(&self, error: ConnectorError) -> ConnectorError {
        let message = format!("catalog {}: {}", self.catalog, error.message());
        if error.is_retryable() {
            ConnectorError::retryable(error.code(), message)
        } else {
            ConnectorError::new(error.code(), message)
        }
    }

    fn error(&self, code: ErrorCode, retryable: bool, load: &Load, reason: &str) -> ConnectorError {
        let message = format!(
            "catalog {}: load {} into {}.{} failed: {reason}",
            self.catalog, load.label, load.database, load.table
        );
        if retryable { ConnectorError::retryable(code, message) } else { ConnectorError::new(code, message) }
    }

    fn lost_error(&self, load: &Load, reason: &str) -> ConnectorError {
        self.error(ErrorCode::Connection, true, load, reason)
    }

    fn unknown(&self, load: &Load, reason: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Unknown,
            format!(
                "catalog {}: the outcome of load {} into {}.{} is not known ({reason}); ask for it with SHOW STREAM LOAD FROM {} WHERE LABEL = \"{}\"",
                self.catalog, load.label, load.database, load.table, load.database, load.label
            ),
        )
    }

    fn label_taken(&self, load: &Load, job: ExistingJob) -> ConnectorError {
        let state = match job {
            ExistingJob::Finished => "is finished",
            ExistingJob::Running => "still runs",
            ExistingJob::Unknown => "is there",
        };
        let reason = format!(
            "another load with this label {state}, which holds the rows of an earlier attempt and not these; run the statement again as a new attempt"
        );
        self.error(ErrorCode::Remote, false, load, &reason)
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

/// The address of a redirect.
pub(super) fn redirect_of(answer: &Answer) -> Option<&str> {
    match answer.status {
        // 303 would turn the PUT into a GET; StarRocks never sends it.
        301 | 302 | 307 | 308 => answer.location.as_deref(),
        _ => None,
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

pub(super) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
