//! The BE's HTTP interface: Stream Loads and their error logs (StarRocks: `StreamLoadAction`). Loads are always answered with
//! HTTP 200; the JSON says how they ended.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use tokio::sync::mpsc;

use super::auth::{self, Denied};
use super::body::{WAITING_PIECES, announced_length, send_body};
use super::fault::{BodyStop, closed, meet};
use super::request::{parameter, segments};
use super::{Answer, Connection, HttpState, answer_early, json, not_found, transaction_backend, with_type};
use crate::error::{Error, Result};
use crate::faults::{FaultPlace, FaultStep};
use crate::load::{LoadOptions, LoadOutcome, PreparedLoad, Published};
use crate::storage::Label;

pub(super) async fn answer(state: Arc<HttpState>, connection: Connection, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let Some(path) = segments(head.uri.path()) else {
        return answer_early(not_found(), body, &connection);
    };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (&head.method, path.as_slice()) {
        (&Method::PUT, ["api", database, table, "_stream_load"]) => {
            stream_load(state, connection, &head, body, database, table).await
        }
        (&Method::GET | &Method::HEAD, ["api", "_load_error_log"]) => {
            let struck = meet(&state, &connection, &head, FaultStep::ErrorLog, FaultPlace::Backend, "").await;
            match struck {
                Ok(struck) => struck.answer(error_log(&state, &head)).await,
                Err(answer) => answer,
            }
        }
        (&Method::GET, ["api", "health"]) => json(r#"{"status": "OK","msg": "To Be Added"}"#.to_owned()),
        (_, ["api", "transaction", operation]) => {
            transaction_backend::answer(state, connection, &head, body, operation).await
        }
        _ => answer_early(not_found(), body, &connection),
    }
}

fn error_log(state: &HttpState, head: &Parts) -> Answer {
    let log = parameter(head.uri.query(), "file").and_then(|file| state.error_logs.get(&file));
    match log {
        Some(text) => with_type(StatusCode::OK, "text/plain; charset=utf-8", text.to_string()),
        None => not_found(),
    }
}

async fn stream_load(
    state: Arc<HttpState>,
    connection: Connection,
    head: &Parts,
    mut body: Incoming,
    database: &str,
    table: &str,
) -> Answer {
    let begun = Instant::now();
    let backend = connection.local.to_string();
    let label = head.headers.get("label").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let label = label.filter(|label| !label.is_empty());
    let named = label.as_deref().unwrap_or_default();
    let struck = match meet(&state, &connection, head, FaultStep::StreamLoad, FaultPlace::Backend, named).await {
        Ok(struck) => struck,
        Err(answer) => return answer_early(answer, body, &connection),
    };
    let mut outcome = LoadOutcome::new(label.as_deref().unwrap_or(""), database, table);
    let prepared = prepare(&state, head, label.as_deref(), &mut outcome);
    // Behind the begin, as in StarRocks: the label is then known, and aborted.
    let prepared = prepared.and_then(|load| Ok((load, state.running.begin()?)));
    let (load, _running) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            outcome.fail(&error);
            outcome.timings.total = begun.elapsed();
            let answer = struck.answer(json(outcome.to_json(&backend, state.config.abilities()))).await;
            return answer_early(answer, body, &connection);
        }
    };

    let timeout = load.options().timeout;
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    let limits = load.options().clone();
    let mut read_outcome = outcome.clone();
    let logs = Arc::clone(&state);
    let publish = struck.publish();
    let reader = tokio::task::spawn_blocking(move || {
        let late = logs.transactions.late();
        let result = load.run(receiver, publish, &mut read_outcome, &logs.error_logs, late);
        (result, read_outcome)
    });
    let sent = tokio::time::timeout(timeout, send_body(&mut body, sender, &limits, struck.body())).await;
    let (result, mut outcome) = match reader.await {
        Ok(ended) => ended,
        Err(error) => (Err(Error::invalid(format!("the load was interrupted: {error}"))), outcome),
    };
    // Why the body ended too early says more than that it did.
    let result = match (sent, result) {
        (Ok(Err(BodyStop::Closed)), _) => return closed(),
        (_, Ok(published)) => Ok(published),
        (Ok(Ok(())), Err(error)) | (Ok(Err(BodyStop::Refused(error) | BodyStop::Broken(error))), Err(_)) => Err(error),
        (Err(_), Err(_)) => Err(Error::invalid(format!("load timed out after {} seconds", timeout.as_secs()))),
    };
    match result {
        Ok(Published::Visible) => {}
        Ok(Published::Committed | Published::Open) => outcome.publish_timeout(),
        Err(error) => outcome.fail(&error),
    }
    outcome.timings.total = begun.elapsed();
    tracing::debug!(label = outcome.label, table, rows = outcome.counts.loaded, "a stream load ended");
    let answer = struck.answer(json(outcome.to_json(&backend, state.config.abilities()))).await;
    answer_early(answer, body, &connection)
}

/// Everything that is known before the body.
fn prepare(state: &HttpState, head: &Parts, label: Option<&str>, outcome: &mut LoadOutcome) -> Result<PreparedLoad> {
    auth::check(&head.headers, &state.config).map_err(|denied| match denied {
        Denied::Missing => Error::invalid("no valid Basic authorization"),
        Denied::Refused { user } => Error::invalid(format!("Access denied for {user}")),
    })?;
    let label = match label {
        Some(label) => Label::parse(label)?,
        None => Label::random(""),
    };
    label.as_str().clone_into(&mut outcome.label);
    let database = state
        .warehouse
        .database(&outcome.database)
        .map_err(|_| Error::invalid(format!("unknown database, database={}", outcome.database)))?;
    let table = outcome.table.clone();
    let options = || {
        let options = LoadOptions::parse(&head.headers, state.config.abilities())?;
        options.check_body_size(announced_length(head))?;
        Ok(options)
    };
    PreparedLoad::new(&database, &table, &label, options, &state.config, outcome)
}
