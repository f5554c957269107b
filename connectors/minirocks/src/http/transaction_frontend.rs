//! The FE's part of the transaction interface (StarRocks: `TransactionLoadAction`, `TransactionWithoutChannelHandler`): it sends
//! a client to the BE that holds the transaction, and ends what is prepared or decided itself.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::http::request::Parts;
use serde_json::{Map, Value as Json};

use super::fault::meet;
use super::frontend::{NO_EXPECT, failed_with, lacks_expect, redirect};
use super::{Answer, Connection, HttpState, json};
use crate::abilities::Ability;
use crate::error::Error;
use crate::faults::{FaultPlace, FaultStep};
use crate::load::{Publish, Published, pretty};
use crate::storage::{Database, LabelState, TransactionInfo};

/// How long a `commit` waits for its rows to be readable, unless the header `timeout` says otherwise (StarRocks:
/// `DEFAULT_TXN_TIMEOUT_MILLIS`).
const COMMIT_TIMEOUT: Duration = Duration::from_secs(20);
/// What a server says that does not have the interface.
pub(super) const NOT_IMPLEMENTED: &str = r#"{"status":"FAILED","msg":"Not implemented"}"#;

/// A refusal in the FE's form.
enum Refused {
    /// An exception of its own, with its message.
    Own(String),
    /// An exception of another class.
    Class(&'static str, String),
}

/// Answers a call. The body is not read.
pub(super) async fn answer(state: &HttpState, connection: &Connection, head: &Parts, operation: &str) -> Answer {
    if !state.config.abilities().has(Ability::TransactionInterface) {
        return json(NOT_IMPLEMENTED.to_owned());
    }
    let refuse = |refused| match refused {
        Refused::Own(message) => failed_with(state.config.abilities().exception_class(), &message),
        Refused::Class(class, message) => failed_with(class, &message),
    };
    let route = match route(state, head, operation) {
        Ok(route) => route,
        Err(refused) => return refuse(refused),
    };
    let place = if route.is_redirect { FaultPlace::Redirect } else { FaultPlace::Frontend };
    let struck = match meet(state, connection, head, route.step, place, &route.label).await {
        Ok(struck) => struck,
        Err(answer) => return answer,
    };
    let answer = if route.is_redirect {
        redirect(state, connection, head)
    } else {
        match end(state, &route, struck.publish()).await {
            Ok(done) => json(pretty(&done, 2)),
            Err(refused) => refuse(refused),
        }
    };
    struck.answer(answer).await
}

/// Who does a call.
struct Route {
    step: FaultStep,
    label: String,
    database: Arc<Database>,
    /// How long a commit waits for its rows to be readable.
    timeout: Duration,
    /// The BE does it.
    is_redirect: bool,
}

fn route(state: &HttpState, head: &Parts, operation: &str) -> Result<Route, Refused> {
    let own = |message: String| Err(Refused::Own(message));
    let header = |name| text(&head.headers, name);
    let Some(name) = header("db") else { return own("No database selected.".to_owned()) };
    let Some(label) = header("label") else { return own("Empty label.".to_owned()) };
    let Some(step) = step_of(operation) else { return own(format!("Unknown transaction operation: {operation}")) };
    let timeout = seconds(&head.headers, "timeout")?.unwrap_or(COMMIT_TIMEOUT);
    seconds(&head.headers, "prepared_timeout")?;
    for unsupported in ["transaction_type", "source_type", "channel_id", "channel_num"] {
        if header(unsupported).is_some() {
            return own(Error::unsupported(format!("header {unsupported}")).to_string());
        }
    }
    let Ok(database) = state.warehouse.database(&name) else {
        return own(format!("Database[{name}] does not exist."));
    };
    let known = database.transaction(&label);
    let is_redirect = match (step, known) {
        (FaultStep::Begin, _) => true,
        (FaultStep::Load, _) if lacks_expect(head) => {
            return Err(Refused::Class("com.starrocks.common.DdlException", NO_EXPECT.to_owned()));
        }
        (FaultStep::Load | FaultStep::Prepare, Some(_)) => true,
        (FaultStep::Load | FaultStep::Prepare, None) => {
            return own(format!(
                "Can't find the transaction with db [{name}] and label[{label}]. The possible reasons: 1. FE leader is started or switched; 2. The transaction timeouts and is cleaned."
            ));
        }
        (_, None) => return own(format!("No transaction found with db[{name}] and label[{label}]")),
        (_, Some(known)) => known.state == LabelState::Prepare,
    };
    Ok(Route { step, label, database, timeout, is_redirect })
}

/// The call that a path names.
pub(super) fn step_of(operation: &str) -> Option<FaultStep> {
    Some(match operation {
        "begin" => FaultStep::Begin,
        "load" => FaultStep::Load,
        "prepare" => FaultStep::Prepare,
        "commit" => FaultStep::Commit,
        "rollback" => FaultStep::Rollback,
        _ => return None,
    })
}

/// `commit` and `rollback` of what is prepared or has ended.
async fn end(state: &HttpState, route: &Route, publish: Publish) -> Result<Json, Refused> {
    let Some(known) = route.database.transaction(&route.label) else {
        let message = format!("No transaction found with db[{}] and label[{}]", route.database.name(), route.label);
        return Err(Refused::Own(message));
    };
    if route.step == FaultStep::Rollback {
        return rollback(state, &route.database, &known);
    }
    commit(state, route, &known, publish).await
}

async fn commit(state: &HttpState, route: &Route, known: &TransactionInfo, publish: Publish) -> Result<Json, Refused> {
    let (id, label) = (known.id, known.label.clone());
    match known.state {
        LabelState::Prepare => Err(Refused::Own(format!("transaction {id} is not prepared"))),
        LabelState::Prepared => {
            let (transactions, database) = (Arc::clone(&state.transactions), Arc::clone(&route.database));
            let committed =
                tokio::task::spawn_blocking(move || transactions.commit_prepared(&database, &label, publish));
            match committed.await.ok().flatten() {
                Some(Ok(Published::Visible)) => Ok(done(known, "")),
                Some(Ok(Published::Committed | Published::Open)) => {
                    Err(Refused::Own(format!("publish timeout: {}", route.timeout.as_millis())))
                }
                Some(Err(error)) => Err(Refused::Own(error.to_string())),
                None => Err(Refused::Own(format!("transaction {id} is committed or aborted by another request"))),
            }
        }
        LabelState::Committed | LabelState::Visible => {
            Ok(done(known, &format!("Transaction {id} has already committed, label is {label}")))
        }
        LabelState::Aborted => Err(Refused::Own(format!("Can not commit ABORTED transaction {id}, label is {label}"))),
    }
}

fn rollback(state: &HttpState, database: &Database, known: &TransactionInfo) -> Result<Json, Refused> {
    let (id, label) = (known.id, &known.label);
    match known.state {
        LabelState::Prepared if state.transactions.rollback_prepared(database, label) => Ok(done(known, "")),
        LabelState::Prepare | LabelState::Prepared => {
            Err(Refused::Own(format!("transaction {id} is committed or aborted by another request")))
        }
        LabelState::Aborted => Ok(done(known, &format!("Transaction {id} has already aborted, label is {label}"))),
        state @ (LabelState::Committed | LabelState::Visible) => {
            Err(Refused::Own(format!("Can not abort {} transaction {id}, label is {label}", state.as_str())))
        }
    }
}

/// The FE's answer to a call that it has done itself, its keys in the order of the server's map.
fn done(known: &TransactionInfo, message: &str) -> Json {
    let mut body = Map::new();
    body.insert("Label".to_owned(), known.label.clone().into());
    body.insert("Status".to_owned(), "OK".into());
    body.insert("TxnId".to_owned(), known.id.into());
    body.insert("Message".to_owned(), message.into());
    Json::Object(body)
}

/// A header's text; blank counts as none.
pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    (!text.trim().is_empty()).then_some(text)
}

fn seconds(headers: &HeaderMap, name: &str) -> Result<Option<Duration>, Refused> {
    let Some(text) = text(headers, name) else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds.try_into().unwrap_or(0)))),
        Err(_) => Err(Refused::Class("java.lang.NumberFormatException", format!("For input string: \"{text}\""))),
    }
}
