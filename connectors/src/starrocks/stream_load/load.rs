//! One load, from its first try to its known outcome.
//!
//! A load is never sent again while its outcome is open: an answer that was lost is resolved by asking for the label's state.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::address::Endpoint;
use super::body::Body;
use super::client::{MAX_ANSWER_BYTES, SHORT_TIMEOUT, StreamLoadClient, TOO_MANY_REQUESTS, encoded, redirect_of};
use super::errors::tidy;
use super::exchange::{Broken, Flow, Request};
use super::label::Label;
use super::redirect::MAX_HOPS;
use super::response::{ExistingJob, LabelState, LoadResponse, LoadStatus};
use super::slots::LoadSlots;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::throttle::Throttles;

/// One load.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) label: Label,
    /// All headers but the label. That of `timeout`, after which the server aborts the load, may allow for a source of any speed.
    pub(crate) headers: Vec<(String, String)>,
    /// How long the server may take over one, without the time in which it waits for rows: also for its end once nothing more is sent.
    pub(crate) server_timeout: Duration,
    /// How long to wait until committed data is visible.
    pub(crate) visible_timeout: Duration,
    /// The slots of its write: it takes one whenever it is sent.
    pub(crate) slots: Arc<LoadSlots>,
    /// Limits of speed in bytes.
    pub(crate) throttles: Throttles,
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
    /// Sends a load and stays until its outcome is known. An error of code Unknown means that it is not; after any other error
    /// nothing of the load is or will be visible.
    pub(crate) async fn load(&self, load: &Load, body: &mut Body) -> Result<Outcome> {
        // Only a label that this call has sent before can stand for these bytes.
        let mut sent_before = false;
        // Whether the server may have had the whole body of a try that is not known to be rolled back.
        let mut may_be_committed = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let may_try_again = |body: &Body| attempt < self.patience.attempts && body.is_whole();
            let trouble = match self.try_once(load, body).await? {
                Tried::NotSent(error) => error,
                Tried::Answered { response, body_complete } => match &response.status {
                    LoadStatus::Success => return Ok(Outcome::Committed { response: Some(response), visible: true }),
                    LoadStatus::PublishTimeout => {
                        load.slots.refused();
                        let visible = self.wait_until_visible(load).await;
                        return Ok(Outcome::Committed { response: Some(response), visible });
                    }
                    LoadStatus::LabelExists(job) if !sent_before => return Err(self.label_taken(load, *job)),
                    LoadStatus::LabelExists(_) => match self.fate(load, may_be_committed).await? {
                        Fate::Committed { visible } => return Ok(Outcome::Committed { response: None, visible }),
                        Fate::Aborted(reason) => {
                            may_be_committed = false;
                            let why = if reason.is_empty() {
                                "a try before it that broke has not ended yet"
                            } else {
                                reason.as_str()
                            };
                            self.lost_error(load, why)
                        }
                        Fate::NeverBegan => return Err(self.unknown(load, "its label is taken but has no state")),
                    },
                    // A commit whose own answer was lost between the servers is reported as a failure too, in words that differ
                    // from version to version: whatever they are, the label knows.
                    LoadStatus::Failed(_) => {
                        if response.is_too_busy() {
                            load.slots.refused();
                        }
                        // A load that will be sent again must have ended first.
                        if (body_complete || response.is_retryable()) && !response.is_refused_for_its_rows() {
                            sent_before = true;
                            may_be_committed |= body_complete;
                            match self.fate(load, true).await? {
                                Fate::Committed { visible } => {
                                    tracing::warn!(label = %load.label, "the server reported a failure of a load that is committed");
                                    return Ok(Outcome::Committed { response: None, visible });
                                }
                                Fate::Aborted(_) => may_be_committed = false,
                                Fate::NeverBegan => {}
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
                    may_be_committed |= body_complete;
                    let fate = self.fate(load, may_be_committed).await?;
                    may_be_committed &= !matches!(fate, Fate::Aborted(_));
                    match fate {
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
        let slot = load.slots.take().await;
        // A body that grows tells the slot itself how it gets on.
        let bytes = if matches!(body, Body::Kept(_)) { body.len() } else { None };
        loop {
            let request = Request {
                method: "PUT",
                to: &at,
                target: &target,
                headers: &headers,
                authorization: Some(&self.authorization),
                expect_continue: true,
                max_answer_bytes: MAX_ANSWER_BYTES,
                timeout: load.server_timeout + self.patience.answer_margin,
                flow: Flow { slot: Some(&slot), throttles: Some(&load.throttles).filter(|limits| !limits.is_none()) },
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
                    Some(response) => {
                        if let Some(bytes) = bytes.filter(|_| response.is_success()) {
                            slot.sent(bytes);
                        }
                        Tried::Answered { response, body_complete: answer.request_complete }
                    }
                    // It may be committed all the same.
                    None => {
                        Tried::Lost { body_complete: true, reason: format!("{at} answered something that is no JSON") }
                    }
                }),
                401 | 403 => Err(self.http_error(&at, &answer)),
                TOO_MANY_REQUESTS if !answer.request_complete => {
                    load.slots.refused();
                    let reason = format!("{at} answered status {TOO_MANY_REQUESTS}, too many requests");
                    Ok(Tried::NotSent(self.error(ErrorCode::Http, true, load, &reason)))
                }
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
            flow: Flow::default(),
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

    /// Asks for a label until its load has ended, or for as long as a commit may take if nobody answers. `may_be_committed`: whether the server may have got the whole body;
    /// a load of which it has not is cancelled until it has ended.
    async fn fate(&self, load: &Load, may_be_committed: bool) -> Result<Fate> {
        let started = Instant::now();
        let give_up = started + load.server_timeout + self.patience.answer_margin;
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
                    // The server may not have noticed yet that the connection is gone, nor have heard the request before.
                    match may_be_committed {
                        true => "it still runs".to_owned(),
                        false => match self.cancel(&load.database, &load.table, &load.label).await {
                            Ok(()) => "it still runs".to_owned(),
                            Err(error) => error.message().to_owned(),
                        },
                    }
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
}
