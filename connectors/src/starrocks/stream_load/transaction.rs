//! The transaction interface: begin, load, prepare, commit (StarRocks: "Load data using Stream Load transaction interface").
//!
//! Nothing of a transaction is visible before its commit, and the server keeps what is prepared, so that several transactions become one
//! write. An answer that was lost is resolved by the state of the label. What cannot be resolved breaks the transaction: its caller
//! rolls it back and begins another one with the same bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::Endpoint;
use super::body::Body;
use super::client::{MAX_ANSWER_BYTES, SHORT_TIMEOUT, StreamLoadClient, TOO_MANY_REQUESTS, encoded, redirect_of};
use super::errors::tidy;
use super::exchange::{Answer, Broken, Flow, Request};
use super::label::Label;
use super::redirect::MAX_HOPS;
use super::response::{LabelState, LoadResponse};
use super::slots::LoadSlots;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::throttle::Throttles;

/// How long a commit may take to answer: the server waits for the data to be visible, and whoever stops waiting asks for the state.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(120);
/// The form of the message of a database that runs as many transactions as it may (StarRocks: `max_running_txn_num_per_db`).
const LIMIT_TEXT: &str = "current running txns on db";
/// What a frontend says of a label that it does not know, or not any more.
const GONE_TEXTS: &[&str] =
    &["can't find the transaction", "no transaction found", "can not commit aborted transaction"];
/// The messages of a prepare whose rows were all left out (StarRocks: `empty_load_as_error`, in the words of its versions).
const EMPTY_TEXTS: &[&str] = &["no rows were imported", "all partitions have no load data"];

/// One transaction: all its loads go to one table, with equal headers.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) label: Label,
    /// The headers of each load, beside label, database and table.
    pub(crate) load_headers: Vec<(String, String)>,
    /// The headers of `begin`, beside label, database, table and the timeouts.
    pub(crate) begin_headers: Vec<(String, String)>,
    pub(crate) timeouts: Timeouts,
    /// The slots of its write: each of its loads takes one.
    pub(crate) slots: Arc<LoadSlots>,
    /// Limits of speed in bytes.
    pub(crate) throttles: Throttles,
}

/// When the server rolls a transaction back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// From begin to prepare (`timeout`).
    pub(crate) total: Duration,
    /// Without a load (`idle_transaction_timeout`).
    pub(crate) idle: Duration,
    /// From prepare to commit (`prepared_timeout`, StarRocks 3.5.4 and later; its own default is a day).
    pub(crate) prepared: Duration,
}

/// What became of a begin.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The transaction is ours.
    Ours,
    /// The label belongs to somebody else, who must be left alone.
    Taken(ConnectorError),
}

/// What became of a step of a transaction.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// It is done.
    Done(T),
    /// The transaction has come to its end without a commit, or cannot be trusted any more: roll it back and begin another one.
    Broken(String),
}

/// What became of a commit that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Committed {
    /// Committed; readers see it soon, if not yet.
    Yes,
    /// The server has rolled it back, and says why.
    Gone(String),
}

/// The answer to one call.
enum Said {
    Answered(Status, LoadResponse),
    /// No byte of it reached a server.
    NotSent(ConnectorError),
    /// It may have been carried out.
    Lost(String),
}

impl Said {
    /// Whether the server would rather have fewer loads at a time.
    fn is_too_busy(&self) -> bool {
        match self {
            Self::Answered(_, response) => response.is_too_busy(),
            Self::NotSent(error) => error.code() == ErrorCode::Http,
            Self::Lost(_) => false,
        }
    }
}

/// `Status` of an answer: a closed list, and whatever is not on it is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    LabelExists,
    NotExists,
    InProcessing,
    /// The server gave the transaction up, and not because of what was sent.
    Expired,
    Failed,
}

impl Status {
    fn of(text: &str) -> Self {
        match text {
            "OK" => Self::Ok,
            "LABEL_ALREADY_EXISTS" => Self::LabelExists,
            "TXN_NOT_EXISTS" => Self::NotExists,
            "TXN_IN_PROCESSING" => Self::InProcessing,
            "ABORTED" | "TIMEOUT" | "SERVICE_UNAVAILABLE" => Self::Expired,
            _ => Self::Failed,
        }
    }
}

/// One call.
struct Call<'a> {
    method: &'static str,
    name: &'static str,
    headers: &'a [(String, String)],
    expect_continue: bool,
    timeout: Duration,
    flow: Flow<'a>,
}

impl StreamLoadClient {
    /// Whether the server has the interface, found without an effect: a begin without a label is refused by one that has it
    /// (StarRocks 2.4 and later), in other words than by one that has not.
    pub(crate) async fn has_transactions(&self, database: &str, table: &str) -> Result<bool> {
        let headers = [("db".to_owned(), database.to_owned()), ("table".to_owned(), table.to_owned())];
        let call = Call {
            method: "POST",
            name: "begin",
            headers: &headers,
            expect_continue: false,
            timeout: SHORT_TIMEOUT,
            flow: Flow::default(),
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let trouble = match self.say(&call, &mut Body::Empty).await {
                Ok(Said::Answered(_, response)) => return Ok(!response.message.contains("Not implemented")),
                // 404, 405: a path that this server does not know.
                Err(error) if error.code() == ErrorCode::Http && !error.is_retryable() => return Ok(false),
                Err(error) => return Err(error),
                Ok(Said::NotSent(error)) => error,
                Ok(Said::Lost(reason)) => ConnectorError::retryable(
                    ErrorCode::Connection,
                    format!("catalog {}: asking for the transaction interface failed: {reason}", self.catalog),
                ),
            };
            if attempt >= self.patience.attempts {
                return Err(trouble);
            }
            self.back_off(attempt).await;
        }
    }

    /// Begins a transaction. What is there under its label before it was ever sent is another's; behind a lost answer it is ours.
    pub(crate) async fn begin(&self, transaction: &Transaction) -> Result<Begun> {
        let timeouts = &transaction.timeouts;
        let mut headers = transaction.identity();
        headers.extend(transaction.begin_headers.iter().cloned());
        headers.push(("timeout".to_owned(), timeouts.total.as_secs().to_string()));
        headers.push(("idle_transaction_timeout".to_owned(), timeouts.idle.as_secs().to_string()));
        headers.push(("prepared_timeout".to_owned(), timeouts.prepared.as_secs().to_string()));
        let call = Call {
            method: "POST",
            name: "begin",
            headers: &headers,
            expect_continue: false,
            timeout: SHORT_TIMEOUT,
            flow: Flow::default(),
        };
        let (mut attempt, mut sent_before) = (0, false);
        let mut limited_since: Option<Instant> = None;
        loop {
            attempt += 1;
            let trouble = match self.say(&call, &mut Body::Empty).await? {
                Said::Answered(Status::Ok, _) => return Ok(Begun::Ours),
                Said::Answered(Status::LabelExists, _) if !sent_before => {
                    return Ok(Begun::Taken(transaction.label_taken(self)));
                }
                Said::Answered(Status::Failed, response) if response.message.to_lowercase().contains(LIMIT_TEXT) => {
                    let since = *limited_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.patience.limit_for {
                        return Err(transaction.at_limit(self, &response));
                    }
                    tracing::info!(label = %transaction.label, "the database runs as many transactions as it may; waiting");
                    tokio::time::sleep(self.patience.limit_backoff.mul_f64(rand::random_range(0.5..=1.0))).await;
                    attempt -= 1;
                    continue;
                }
                // No transaction was begun: the server says why, and the same would be said again.
                Said::Answered(Status::Failed, response) if !response.is_retryable() && !sent_before => {
                    return Err(transaction.refused(self, "begin", &response));
                }
                Said::NotSent(error) => error,
                answered_or_lost => {
                    sent_before = true;
                    let reason = match answered_or_lost {
                        Said::Answered(_, response) => tidy(&response.message),
                        Said::Lost(reason) => reason,
                        Said::NotSent(error) => error.message().to_owned(),
                    };
                    tracing::warn!(label = %transaction.label, %reason, "the answer to a begin is no success; asking for its label");
                    match self.settled_state(&transaction.database, &transaction.label).await? {
                        LabelState::Running => return Ok(Begun::Ours),
                        LabelState::Unknown | LabelState::Aborted(_) => transaction.error(
                            self,
                            ErrorCode::Connection,
                            true,
                            &format!("it could not be begun: {reason}"),
                        ),
                        LabelState::Prepared | LabelState::Committed | LabelState::Visible => {
                            return Ok(Begun::Taken(transaction.label_taken(self)));
                        }
                    }
                }
            };
            if attempt >= self.patience.attempts {
                return Err(trouble);
            }
            self.back_off(attempt).await;
        }
    }

    /// Sends rows. They must be whole: each load of a transaction ends with the row delimiter.
    pub(crate) async fn load_part(&self, transaction: &Transaction, body: &mut Body) -> Result<Step<()>> {
        let mut headers = transaction.identity();
        headers.extend(transaction.load_headers.iter().cloned());
        let timeout = transaction.timeouts.total + self.patience.answer_margin;
        let flow = Flow { slot: None, throttles: Some(&transaction.throttles).filter(|limits| !limits.is_none()) };
        let call = Call { method: "PUT", name: "load", headers: &headers, expect_continue: true, timeout, flow };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let slot = transaction.slots.take().await;
            let said = self.say(&call, body).await?;
            if matches!(said, Said::Answered(Status::Ok, _)) {
                slot.sent(body.len().unwrap_or(0));
            }
            drop(slot);
            if said.is_too_busy() {
                transaction.slots.refused();
            }
            let trouble = match said {
                Said::Answered(Status::Ok, _) => return Ok(Step::Done(())),
                // Refused before it was read: it can be sent again as it is.
                Said::Answered(Status::InProcessing, response) => tidy(&response.message),
                Said::NotSent(error) => error.message().to_owned(),
                Said::Answered(status, response) => return transaction.broken(self, "load", status, &response),
                // How much of it the server has taken is not known, and cannot be asked.
                Said::Lost(reason) => return Ok(Step::Broken(reason)),
            };
            if attempt >= self.patience.attempts {
                return Ok(Step::Broken(trouble));
            }
            self.back_off(attempt).await;
        }
    }

    /// Prepares a transaction: the server keeps it until it is told to commit it. Says what the server made of its rows.
    pub(crate) async fn prepare(&self, transaction: &Transaction) -> Result<Step<LoadResponse>> {
        let mut headers = transaction.identity();
        headers.push(("prepared_timeout".to_owned(), transaction.timeouts.prepared.as_secs().to_string()));
        let timeout = transaction.timeouts.total + self.patience.answer_margin;
        let call = Call {
            method: "POST",
            name: "prepare",
            headers: &headers,
            expect_continue: false,
            timeout,
            flow: Flow::default(),
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let trouble = match self.say(&call, &mut Body::Empty).await? {
                Said::Answered(Status::Ok, response) => return Ok(Step::Done(response)),
                Said::Answered(Status::InProcessing, response) => tidy(&response.message),
                Said::NotSent(error) => error.message().to_owned(),
                Said::Answered(Status::Failed, response) if is_empty_load(&response) => {
                    return Ok(Step::Done(response));
                }
                Said::Answered(status, response) => return transaction.broken(self, "prepare", status, &response),
                // It may be prepared. How many of its rows the server left out was in the answer, though, and is said only once.
                Said::Lost(reason) => return Ok(Step::Broken(reason)),
            };
            if attempt >= self.patience.attempts {
                return Ok(Step::Broken(trouble));
            }
            self.back_off(attempt).await;
        }
    }

    /// Commits a prepared transaction, and stays until its state is known. An error of code Unknown means that it is not: also of a label
    /// that the server does not know, since it knew it when the commit was decided. A frontend that has just begun to lead, or a follower
    /// that has not caught up, may learn of it yet; one that has forgotten it may have committed it.
    pub(crate) async fn commit(&self, database: &str, table: &str, label: &Label) -> Result<Committed> {
        let headers = identity(database, table, label);
        let call = Call {
            method: "POST",
            name: "commit",
            headers: &headers,
            expect_continue: false,
            timeout: COMMIT_TIMEOUT,
            flow: Flow::default(),
        };
        let started = Instant::now();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let trouble = match self.say(&call, &mut Body::Empty).await {
                Ok(Said::Answered(Status::Ok, _)) => return Ok(Committed::Yes),
                Ok(Said::Answered(_, response)) => tidy(&response.message),
                Ok(Said::Lost(reason)) => reason,
                Ok(Said::NotSent(error)) | Err(error) => error.message().to_owned(),
            };
            let trouble = match self.settled_state(database, label).await {
                Ok(LabelState::Committed | LabelState::Visible) => return Ok(Committed::Yes),
                Ok(LabelState::Aborted(reason)) => return Ok(Committed::Gone(tidy(&reason))),
                Ok(LabelState::Unknown) => format!("{trouble}; the server does not know its label"),
                Ok(LabelState::Prepared | LabelState::Running) => trouble,
                Err(error) => format!("{trouble}; {}", error.message()),
            };
            if started.elapsed() >= self.patience.commit_for {
                return Err(ConnectorError::new(
                    ErrorCode::Unknown,
                    format!(
                        "catalog {}: whether transaction {label} in {database} is committed is not known ({trouble})",
                        self.catalog
                    ),
                ));
            }
            tracing::warn!(%label, attempt, %trouble, "the transaction is not committed yet; trying again");
            self.back_off(attempt).await;
        }
    }

    /// Asks the server to roll a transaction back; what is committed stays.
    pub(super) async fn roll_back_transaction(&self, database: &str, table: &str, label: &Label) -> Result<()> {
        let headers = identity(database, table, label);
        let call = Call {
            method: "POST",
            name: "rollback",
            headers: &headers,
            expect_continue: false,
            timeout: SHORT_TIMEOUT,
            flow: Flow::default(),
        };
        match self.say(&call, &mut Body::Empty).await? {
            Said::Answered(Status::Ok, _) => Ok(()),
            Said::Answered(_, response) => Err(ConnectorError::retryable(
                ErrorCode::Remote,
                format!("catalog {}: {}", self.catalog, tidy(&response.message)),
            )),
            Said::NotSent(error) => Err(error),
            Said::Lost(reason) => {
                Err(ConnectorError::retryable(ErrorCode::Connection, format!("catalog {}: {reason}", self.catalog)))
            }
        }
    }

    /// The state of a label behind a lost answer: unknown only when it stays so, as the request may still be on its way.
    pub(crate) async fn settled_state(&self, database: &str, label: &Label) -> Result<LabelState> {
        let mut unknown_since: Option<Instant> = None;
        let (mut questions, mut failures) = (0, 0);
        loop {
            questions += 1;
            match self.label_state(database, label).await {
                Ok(LabelState::Unknown) => {
                    if unknown_since.get_or_insert_with(Instant::now).elapsed() >= self.patience.unknown_for {
                        return Ok(LabelState::Unknown);
                    }
                }
                Ok(state) => return Ok(state),
                Err(error) => {
                    failures += 1;
                    if failures >= self.patience.attempts || !error.is_retryable() {
                        return Err(error);
                    }
                }
            }
            self.back_off(questions).await;
        }
    }

    /// Waits until readers see these labels, each of which is committed. Returns those that they do not see in time.
    pub(crate) async fn not_visible<'a>(
        &self,
        database: &str,
        labels: &'a [Label],
        within: Duration,
    ) -> Vec<&'a Label> {
        let give_up = Instant::now() + within;
        let mut waiting: Vec<&Label> = labels.iter().collect();
        let mut questions = 0;
        loop {
            questions += 1;
            let mut still = Vec::new();
            for label in waiting {
                if !matches!(self.label_state(database, label).await, Ok(LabelState::Visible)) {
                    still.push(label);
                }
            }
            waiting = still;
            if waiting.is_empty() || Instant::now() >= give_up {
                return waiting;
            }
            self.back_off(questions).await;
        }
    }

    /// Sends one call to the first frontend that can be reached, redirects followed. Errors are those that trying again does not cure.
    async fn say(&self, call: &Call<'_>, body: &mut Body) -> Result<Said> {
        let path = format!("/api/transaction/{}", encoded(call.name));
        let first = self.next_frontend.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut troubles = Vec::new();
        for n in 0..self.frontends.len() {
            let frontend = &self.frontends[(first + n) % self.frontends.len()];
            match self.say_to(frontend, &path, call, body).await? {
                Said::NotSent(error) => troubles.push(error),
                said => return Ok(said),
            }
        }
        Ok(Said::NotSent(self.none_of(troubles)))
    }

    async fn say_to(&self, frontend: &Endpoint, path: &str, call: &Call<'_>, body: &mut Body) -> Result<Said> {
        let (mut at, mut target, mut hops) = (frontend.clone(), path.to_owned(), 0);
        loop {
            let request = Request {
                method: call.method,
                to: &at,
                target: &target,
                headers: call.headers,
                authorization: Some(&self.authorization),
                expect_continue: call.expect_continue,
                max_answer_bytes: MAX_ANSWER_BYTES,
                timeout: call.timeout,
                flow: call.flow,
            };
            let answer = match self.http.exchange(&request, body).await {
                Ok(answer) => answer,
                Err(broken @ Broken::NotSent(_)) => return Ok(Said::NotSent(self.connection(&broken))),
                Err(broken) => return Ok(Said::Lost(broken.to_string())),
            };
            match redirect_of(&answer) {
                Some(_) if hops == MAX_HOPS => return Err(self.too_many_hops(&at)),
                Some(location) => {
                    (at, target) = self.rules.follow(&at, location).await.map_err(|error| self.named(error))?;
                    hops += 1;
                }
                None => return self.read(&at, &answer),
            }
        }
    }

    fn read(&self, at: &Endpoint, answer: &Answer) -> Result<Said> {
        match answer.status {
            200 => Ok(match LoadResponse::parse(&answer.text()) {
                Some(response) => {
                    let status = Status::of(&response.status_text);
                    if status == Status::Ok && !answer.request_complete {
                        Said::Lost(format!("{at} answered OK before it had all of the body"))
                    } else {
                        Said::Answered(status, response)
                    }
                }
                None => Said::Lost(format!("{at} answered something that is no JSON")),
            }),
            TOO_MANY_REQUESTS if !answer.request_complete => Ok(Said::NotSent(ConnectorError::retryable(
                ErrorCode::Http,
                format!("catalog {}: {at} answered status {TOO_MANY_REQUESTS}, too many requests", self.catalog),
            ))),
            // Whoever answers so, a proxy perhaps, need not know what became of the call.
            status if status >= 500 && status != 501 => Ok(Said::Lost(format!("{at} answered status {status}"))),
            _ => Err(self.http_error(at, answer)),
        }
    }
}

impl Transaction {
    fn identity(&self) -> Vec<(String, String)> {
        identity(&self.database, &self.table, &self.label)
    }

    /// A step that the server answered with a failure: broken if another transaction may do better, else an error.
    fn broken<T>(
        &self,
        client: &StreamLoadClient,
        step: &str,
        status: Status,
        response: &LoadResponse,
    ) -> Result<Step<T>> {
        let message = tidy(&response.message);
        match status {
            Status::NotExists | Status::Expired => Ok(Step::Broken(message)),
            _ if response.is_retryable() => Ok(Step::Broken(message)),
            _ if GONE_TEXTS.iter().any(|text| response.message.to_lowercase().contains(text)) => {
                Ok(Step::Broken(message))
            }
            _ => Err(self.refused(client, step, response)),
        }
    }

    fn error(&self, client: &StreamLoadClient, code: ErrorCode, retryable: bool, reason: &str) -> ConnectorError {
        let message = format!(
            "catalog {}: transaction {} into {}.{} failed: {reason}",
            client.catalog, self.label, self.database, self.table
        );
        if retryable { ConnectorError::retryable(code, message) } else { ConnectorError::new(code, message) }
    }

    fn refused(&self, client: &StreamLoadClient, step: &str, response: &LoadResponse) -> ConnectorError {
        let reason =
            format!("StarRocks refused to {step} it ({}): {}", tidy(&response.status_text), tidy(&response.message));
        self.error(client, ErrorCode::Remote, false, &reason)
    }

    fn at_limit(&self, client: &StreamLoadClient, response: &LoadResponse) -> ConnectorError {
        let reason = format!(
            "{}; run it again when other loads have ended, with a larger \"load_bytes\", or raise the server's max_running_txn_num_per_db",
            tidy(&response.message)
        );
        self.error(client, ErrorCode::Remote, true, &reason)
    }

    fn label_taken(&self, client: &StreamLoadClient) -> ConnectorError {
        let reason = "another transaction with this label is there, which holds the rows of an earlier attempt and not these; run the statement again as a new attempt";
        self.error(client, ErrorCode::Remote, false, reason)
    }
}

fn identity(database: &str, table: &str, label: &Label) -> Vec<(String, String)> {
    [("label", label.as_str()), ("db", database), ("table", table)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// Whether a prepare failed only because the server left out all rows: there is nothing to commit.
pub(crate) fn is_empty_load(response: &LoadResponse) -> bool {
    let message = response.message.to_lowercase();
    !response.is_success() && EMPTY_TEXTS.iter().any(|text| message.contains(text))
}
