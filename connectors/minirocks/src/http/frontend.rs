//! The FE's HTTP interface: redirects loads to the BE, answers and cancels labels (StarRocks: `LoadAction`,
//! `GetLoadStateAction`, `CancelStreamLoad`, `RestBaseAction`).

use hyper::body::Incoming;
use hyper::header::{CONNECTION, EXPECT, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Version};
use serde_json::json;

use super::auth::{self, Denied};
use super::fault::meet;
use super::request::{parameter, segments};
use super::{Answer, Connection, HttpState, answer_early, json, not_found, transaction_frontend, with_type};
use crate::error::Error;
use crate::faults::{FaultPlace, FaultStep};
use crate::load::pretty;

/// What the FE says to a load without `Expect: 100-continue`.
pub(super) const NO_EXPECT: &str = "There is no 100-continue header";

pub(super) async fn answer(state: &HttpState, connection: Connection, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let Some(path) = segments(head.uri.path()) else {
        return answer_early(not_found(), body, &connection);
    };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if let (&Method::GET, ["api", "health"]) = (&head.method, path.as_slice()) {
        return json(
            r#"{"online_backend_num":1,"total_backend_num":1,"status":"OK","code":"0","msg":"Success","message":"OK"}"#
                .to_owned(),
        );
    }
    let is_known = matches!(
        (&head.method, path.as_slice()),
        (&Method::PUT, ["api", _, _, "_stream_load"])
            | (&Method::GET, ["api", _, "get_load_state"])
            | (&Method::POST, ["api", _, _, "_cancel"])
            | (_, ["api", "transaction", _])
    );
    if !is_known {
        return answer_early(not_found(), body, &connection);
    }
    if let Err(denied) = auth::check(&head.headers, &state.config) {
        return answer_early(unauthorized(&denied, &connection), body, &connection);
    }
    let query = head.uri.query();
    let answer = match path.as_slice() {
        ["api", "transaction", operation] => transaction_frontend::answer(state, &connection, &head, operation).await,
        [_, _, _, "_stream_load"] => {
            if lacks_expect(&head) {
                failed_with("com.starrocks.common.DdlException", NO_EXPECT)
            } else {
                let label = transaction_frontend::text(&head.headers, "label").unwrap_or_default();
                match meet(state, &connection, &head, FaultStep::StreamLoad, FaultPlace::Redirect, &label).await {
                    Ok(struck) => struck.answer(redirect(state, &connection, &head)).await,
                    Err(answer) => answer,
                }
            }
        }
        [_, database, rest @ ..] => {
            let label = parameter(query, "label");
            let is_cancel = rest.len() > 1;
            let step = if is_cancel { FaultStep::Cancel } else { FaultStep::LoadState };
            let named = label.as_deref().unwrap_or_default();
            match meet(state, &connection, &head, step, FaultPlace::Frontend, named).await {
                Ok(struck) if is_cancel => struck.answer(cancel(state, database, label.as_deref())).await,
                Ok(struck) => struck.answer(load_state(state, database, label.as_deref())).await,
                Err(answer) => answer,
            }
        }
        _ => not_found(),
    };
    answer_early(answer, body, &connection)
}

/// Whether a request with a body does not wait for `100 Continue`, which HTTP/1.0 cannot.
pub(super) fn lacks_expect(head: &Parts) -> bool {
    let expects = head.headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    head.version >= Version::HTTP_11 && !expects
}

/// Sends the client to the BE, under the host that it has reached us by.
pub(super) fn redirect(state: &HttpState, connection: &Connection, head: &Parts) -> Answer {
    let path_and_query = head.uri.path_and_query().map_or("/", |p| p.as_str());
    let host = std::net::SocketAddr::new(connection.local.ip(), state.be_port);
    redirect_to(&host.to_string(), path_and_query)
}

/// Sends the client to another address.
pub(super) fn redirect_to(host: &str, path_and_query: &str) -> Answer {
    let Ok(location) = HeaderValue::from_str(&format!("http://{host}{path_and_query}")) else {
        return not_found();
    };
    let mut answer = with_type(StatusCode::TEMPORARY_REDIRECT, "text/html", String::new());
    answer.headers_mut().insert(LOCATION, location);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn unauthorized(denied: &Denied, connection: &Connection) -> Answer {
    let message = match denied {
        Denied::Missing => "Need auth information.".to_owned(),
        Denied::Refused { user } => format!("Access denied for {user}@{}", connection.peer.ip()),
    };
    let body = json!({"status": "FAILED", "code": "1", "msg": message, "message": message});
    let mut answer = with_type(StatusCode::UNAUTHORIZED, "application/json", body.to_string());
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"\""));
    answer
}

/// How the FE's load actions say that they refuse: HTTP 200 with the class of the exception.
pub(super) fn failed_with(class: &str, message: &str) -> Answer {
    let message = format!("class {class}: {message}");
    json(pretty(&json!({"Status": "FAILED", "Message": message}), 2))
}

pub(super) fn failed(error: &Error) -> Answer {
    let message = error.to_string();
    json(json!({"status": "FAILED", "code": "1", "msg": message, "message": message}).to_string())
}

fn load_state(state: &HttpState, database: &str, label: Option<&str>) -> Answer {
    let Some(label) = label.filter(|label| !label.is_empty()) else {
        return failed(&Error::invalid("No label selected."));
    };
    let database = match state.warehouse.database(database) {
        Ok(database) => database,
        Err(error) => return failed(&error),
    };
    let known = database.transaction(label);
    let (state, reason) = known.map_or(("UNKNOWN", String::new()), |info| (info.state.as_str(), info.reason));
    json(
        json!({"state": state, "reason": reason, "status": "OK", "code": "0", "msg": "Success", "message": "OK"})
            .to_string(),
    )
}

fn cancel(state: &HttpState, database: &str, label: Option<&str>) -> Answer {
    let Some(label) = label.filter(|label| !label.is_empty()) else {
        return failed(&Error::invalid("No label selected."));
    };
    let cancelled = state
        .warehouse
        .database(database)
        .and_then(|database| database.cancel_transaction(label, "user cancelled the transaction"));
    match cancelled {
        Ok(()) => json(r#"{"status":"OK","code":"0","msg":"Success","message":"OK"}"#.to_owned()),
        Err(error) => failed(&error),
    }
}
