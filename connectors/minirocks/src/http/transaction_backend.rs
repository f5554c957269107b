//! The BE's part of the transaction interface (StarRocks: `TransactionManagerAction`, `TransactionStreamLoadAction`). Every
//! answer is HTTP 200; the JSON says how the call ended.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use serde_json::json as json_value;
use tokio::sync::mpsc;

use super::auth::{self, Denied};
use super::body::{WAITING_PIECES, announced_length, send_body};
use super::fault::{BodyFault, BodyStop, Struck, closed, meet};
use super::transaction_frontend::{NOT_IMPLEMENTED, step_of, text};
use super::{Answer, Connection, HttpState, answer_early, json, not_found};
use crate::abilities::Ability;
use crate::error::Error;
use crate::faults::FaultPlace;
use crate::load::{
    BeginRequest, FinishRequest, Publish, Refusal, TransactionReply, TransactionStatus, pretty, reply_json,
};

/// Seconds that a transaction may take when `begin` does not say (StarRocks: `stream_load_default_timeout_second`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
/// Most seconds that it may ask for (StarRocks: `max_stream_load_timeout_second`).
const MAX_TIMEOUT: u64 = 259_200;
/// How long a prepared transaction waits (StarRocks: `prepared_transaction_default_timeout_second`).
const PREPARED_TIMEOUT: Duration = Duration::from_secs(86_400);

type Reply = Result<TransactionReply, Refusal>;

/// Answers a call.
pub(super) async fn answer(
    state: Arc<HttpState>,
    connection: Connection,
    head: &Parts,
    body: Incoming,
    operation: &str,
) -> Answer {
    if !state.config.abilities().has(Ability::TransactionInterface) {
        return answer_early(json(NOT_IMPLEMENTED.to_owned()), body, &connection);
    }
    let backend = connection.local.to_string();
    let label = text(&head.headers, "label").unwrap_or_default();
    let struck = match step_of(operation) {
        Some(step) => meet(&state, &connection, head, step, FaultPlace::Backend, &label).await,
        None => Ok(Struck::default()),
    };
    let struck = match struck {
        Ok(struck) => struck,
        Err(answer) => return answer_early(answer, body, &connection),
    };
    let answer_with = |reply: &Reply| json(reply_json(&label, &backend, reply));
    let reply = match (&head.method, operation) {
        (&Method::POST, "list") => return answer_early(list(&state), body, &connection),
        (&Method::PUT, "load") => {
            let (reply, body) = load(&state, head, body, &label, struck.body()).await;
            let answer = match reply {
                Some(reply) => struck.answer(answer_with(&reply)).await,
                None => closed(),
            };
            return answer_early(answer, body, &connection);
        }
        (&Method::POST, "begin") => check(&state, head, &label).and_then(|()| begin(&state, head, &label)),
        (&Method::POST, "prepare" | "commit") => match check(&state, head, &label) {
            Ok(()) => finish(&state, head, &label, operation == "prepare", struck.publish()).await,
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "rollback") => check(&state, head, &label)
            .and_then(|()| state.transactions.rollback(&text(&head.headers, "db").unwrap_or_default(), &label)),
        (&Method::POST, _) => argument(format!("unsupport transaction operation {operation}")),
        _ => return answer_early(not_found(), body, &connection),
    };
    let answer = struck.answer(answer_with(&reply)).await;
    answer_early(answer, body, &connection)
}

fn argument<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(TransactionStatus::InvalidArgument, message))
}

fn check(state: &HttpState, head: &Parts, label: &str) -> Result<(), Refusal> {
    if label.is_empty() {
        return argument("empty label");
    }
    if head.headers.contains_key("transaction_type") {
        return argument("Multi-statement transaction requests can only be sent to FE nodes, not BE nodes");
    }
    auth::check(&head.headers, &state.config).map_err(|denied| {
        let message = match denied {
            Denied::Missing => "no valid Basic authorization".to_owned(),
            Denied::Refused { user } => format!("Access denied for {user}"),
        };
        Refusal::new(TransactionStatus::InternalError, message)
    })
}

fn begin(state: &HttpState, head: &Parts, label: &str) -> Reply {
    let timeout = match seconds(&head.headers, "timeout")? {
        None => DEFAULT_TIMEOUT,
        Some(timeout) if (1..=MAX_TIMEOUT).contains(&timeout.as_secs()) => timeout,
        Some(timeout) => {
            let message =
                format!("Invalid timeout: {}. Timeout should between 1 and {MAX_TIMEOUT} seconds", timeout.as_secs());
            return Err(Refusal::new(TransactionStatus::AnalysisError, message));
        }
    };
    let idle_timeout = seconds(&head.headers, "idle_transaction_timeout")?;
    let database = text(&head.headers, "db").unwrap_or_default();
    let Ok(database) = state.warehouse.database(&database) else {
        let message = format!("unknown database, database={database}");
        return Err(Refusal::new(TransactionStatus::AnalysisError, message));
    };
    let table = text(&head.headers, "table").unwrap_or_default();
    let request = BeginRequest { label, table: &table, timeout, idle_timeout };
    state.transactions.begin(&database, &request, &state.config)
}

/// The reply to a `load` and what is left of its body; no reply if a fault closes the connection.
async fn load(
    state: &Arc<HttpState>,
    head: &Parts,
    mut body: Incoming,
    label: &str,
    fault: BodyFault,
) -> (Option<Reply>, Incoming) {
    if label.is_empty() {
        return (Some(argument("Invalid label ")), body);
    }
    if let Err(refusal) = check(state, head, label) {
        return (Some(Err(refusal)), body);
    }
    let _running = match state.running.begin() {
        Ok(running) => running,
        Err(error) => {
            let refusal = Refusal::new(TransactionStatus::InternalError, error.to_string());
            return (Some(Err(refusal)), body);
        }
    };
    let (database, table) = (text(&head.headers, "db"), text(&head.headers, "table"));
    let load = state.transactions.load(
        &database.unwrap_or_default(),
        &table.unwrap_or_default(),
        label,
        &head.headers,
        announced_length(head),
        &state.config,
    );
    let load = match load {
        Ok(load) => load,
        Err(refusal) => return (Some(Err(refusal)), body),
    };
    let Some(limits) = load.options().cloned() else { return (Some(argument("Invalid label ")), body) };
    let time_left = load.time_left();
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    let reader = tokio::task::spawn_blocking(move || load.run(receiver));
    let sent = tokio::time::timeout(time_left, send_body(&mut body, sender, &limits, fault)).await;
    let reply = match (sent, reader.await) {
        (Ok(Err(BodyStop::Closed)), _) => return (None, body),
        (Ok(Err(BodyStop::Refused(error))), _) => {
            // What breaks the body aborts the transaction.
            state.transactions.abort(label, &error.to_string());
            Err(Refusal::new(TransactionStatus::InternalError, error.to_string()))
        }
        // What broke the connection does not: what has arrived stays.
        (Ok(Err(BodyStop::Broken(error))), _) => Err(Refusal::new(TransactionStatus::InternalError, error.to_string())),
        (_, Ok(Ok(reply))) => Ok(reply),
        (_, Ok(Err(refusal))) => Err(refusal),
        (_, Err(error)) => {
            let error = Error::backend(format!("the load was interrupted: {error}"));
            Err(Refusal::new(TransactionStatus::InternalError, error.to_string()))
        }
    };
    (Some(reply), body)
}

async fn finish(state: &Arc<HttpState>, head: &Parts, label: &str, is_prepare: bool, publish: Publish) -> Reply {
    let mut prepared_timeout = is_prepare.then_some(PREPARED_TIMEOUT);
    if is_prepare
        && state.config.abilities().has(Ability::PreparedTimeout)
        && let Some(written) = text(&head.headers, "prepared_timeout")
    {
        match written.trim().parse::<u32>() {
            Ok(seconds) if seconds > 0 => prepared_timeout = Some(Duration::from_secs(seconds.into())),
            _ => return argument(format!("Invalid prepared_timeout: {written}")),
        }
    }
    let database = text(&head.headers, "db").unwrap_or_default();
    let (state, label) = (Arc::clone(state), label.to_owned());
    let finished = tokio::task::spawn_blocking(move || {
        let request = FinishRequest { database: &database, label: &label, prepared_timeout, publish };
        state.transactions.finish(&request, &state.error_logs)
    });
    finished.await.unwrap_or_else(|error| Err(Refusal::new(TransactionStatus::InternalError, error.to_string())))
}

/// The BE lists one object after another; an array is easier to read and says the same.
fn list(state: &HttpState) -> Answer {
    let all: Vec<_> = state
        .transactions
        .list()
        .into_iter()
        .map(|(id, label)| json_value!({"Status": "OK", "InProcessing": false, "Label": label, "TxnId": id}))
        .collect();
    json(pretty(&all, 4))
}

fn seconds(headers: &HeaderMap, name: &str) -> Result<Option<Duration>, Refusal> {
    match text(headers, name).map(|text| text.trim().parse::<u32>()) {
        None => Ok(None),
        Some(Ok(seconds)) => Ok(Some(Duration::from_secs(seconds.into()))),
        Some(Err(_)) => argument("Invalid timeout format"),
    }
}
