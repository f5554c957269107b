//! What an armed fault does to a call over HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use hyper::StatusCode;
use hyper::http::request::Parts;

use super::frontend::{self, redirect_to};
use super::transaction_frontend::text;
use super::{Answer, Connection, HttpState, Role, json, with_type};
use crate::error::Error;
use crate::faults::{Call, FaultKind, FaultPlace, FaultStep, Node};
use crate::load::{LoadOutcome, Publish, Refusal, TransactionStatus, reply_json};

/// What the FE says that is no leader and knows none.
const NOT_LEADER: &str = "current frontend is not the leader, and the leader is not known";
/// Marks a request that a follower has sent to its leader, so that the leader does not send it on to itself.
const HOP_MARK: &str = "minirocks_hop=1";

/// Marks an answer that is not sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct Closed;

/// An answer that closes the connection without being sent.
pub(super) fn closed() -> Answer {
    let mut answer = with_type(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", String::new());
    answer.extensions_mut().insert(Closed);
    answer
}

pub(super) fn is_closed(answer: &Answer) -> bool {
    answer.extensions().get::<Closed>().is_some()
}

/// A call on its way through a node, and the fault that it meets.
#[derive(Debug, Default)]
pub(super) struct Struck {
    fault: Option<FaultKind>,
}

impl Struck {
    /// How the commit of this call becomes readable.
    pub(super) fn publish(&self) -> Publish {
        match self.fault {
            Some(FaultKind::PublishTimeout { visible_after }) => Publish::Late { after: visible_after },
            Some(FaultKind::LabelRunning { until, commits }) => Publish::Hanging { until, commits },
            _ => Publish::Now,
        }
    }

    /// What happens to the body of this call.
    pub(super) fn body(&self) -> BodyFault {
        match &self.fault {
            Some(FaultKind::SlowReading(pause)) => BodyFault { pause: *pause, ..BodyFault::default() },
            Some(FaultKind::CloseInBody { after_bytes }) => {
                BodyFault { stop: Some((*after_bytes, BodyStop::Closed)), ..BodyFault::default() }
            }
            Some(FaultKind::AnswerInBody { after_bytes, message }) => {
                let stop = BodyStop::Refused(Error::backend(message.clone()));
                BodyFault { stop: Some((*after_bytes, stop)), ..BodyFault::default() }
            }
            _ => BodyFault::default(),
        }
    }

    /// What is left of an answer.
    pub(super) async fn answer(self, answer: Answer) -> Answer {
        match self.fault {
            Some(FaultKind::AnswerLost | FaultKind::LabelRunning { .. }) => closed(),
            Some(FaultKind::HttpStatusAfter(status)) => gateway(status),
            Some(FaultKind::AnswerDelayed(pause)) => {
                tokio::time::sleep(pause).await;
                answer
            }
            _ => answer,
        }
    }
}

/// What happens to a body while it is read.
#[derive(Debug, Default)]
pub(super) struct BodyFault {
    /// Before each piece.
    pub(super) pause: Duration,
    /// After so many bytes.
    pub(super) stop: Option<(u64, BodyStop)>,
}

/// Why a body is not read to its end.
#[derive(Debug)]
pub(super) enum BodyStop {
    /// The load fails.
    Refused(Error),
    /// The client's connection broke.
    Broken(Error),
    /// The connection is closed.
    Closed,
}

/// Lets a call meet its fault, before it is done. `Err` is the answer in place of the work.
pub(super) async fn meet(
    state: &HttpState,
    connection: &Connection,
    head: &Parts,
    step: FaultStep,
    place: FaultPlace,
    label: &str,
) -> Result<Struck, Answer> {
    let Some(fault) = state.faults.strike(&Call { step, place, label, statement: "" }) else {
        return Ok(Struck { fault: None });
    };
    tracing::debug!(?step, ?place, label, ?fault, "a fault strikes");
    match &fault {
        FaultKind::RequestLost => Err(closed()),
        FaultKind::Delay(pause) => {
            tokio::time::sleep(*pause).await;
            Ok(Struck { fault: None })
        }
        FaultKind::HttpStatus(status) => Err(gateway(*status)),
        FaultKind::Refuse(message) => {
            let refusal = Refusal::new(TransactionStatus::InternalError, message.clone());
            Err(refuse(state, connection, head, step, place, refusal))
        }
        FaultKind::NotLeader => {
            let refusal = Refusal::new(TransactionStatus::InternalError, NOT_LEADER);
            Err(refuse(state, connection, head, step, place, refusal))
        }
        FaultKind::InProcessing => {
            let refusal = Refusal::new(TransactionStatus::TxnInProcessing, "Transaction is in processing");
            Err(refuse(state, connection, head, step, place, refusal))
        }
        FaultKind::TransactionLimit => {
            let (id, most) = (database_id(state, head), state.config.transactions.max_running);
            let message = format!("current running txns on db {id} is {most}, larger than limit {most}");
            let refusal = Refusal::new(TransactionStatus::AnalysisError, message);
            Err(refuse(state, connection, head, step, place, refusal))
        }
        FaultKind::RedirectToDeadHost => Err(redirect_to(&dead_address(), path(head))),
        FaultKind::RedirectTo(host) => Err(redirect_to(host, path(head))),
        FaultKind::RedirectLoop => Err(redirect_to(&connection.local.to_string(), path(head))),
        FaultKind::TwoHops if path(head).contains(HOP_MARK) => Ok(Struck { fault: None }),
        FaultKind::TwoHops => {
            let mark = if path(head).contains('?') { '&' } else { '?' };
            Err(redirect_to(&connection.local.to_string(), &format!("{}{mark}{HOP_MARK}", path(head))))
        }
        FaultKind::TransactionExpired => {
            state.transactions.expire(label);
            Ok(Struck { fault: None })
        }
        FaultKind::NodeGone { node, lasts, loses_transactions } => {
            state.faults.take_down(*node, *lasts);
            if *loses_transactions {
                state.transactions.lose_open();
            }
            let is_here = (*node == Node::Backend) == (place == FaultPlace::Backend);
            if is_here { Err(closed()) } else { Ok(Struck { fault: None }) }
        }
        _ => Ok(Struck { fault: Some(fault) }),
    }
}

/// Whether the port's node is gone.
pub(super) fn is_gone(state: &HttpState, role: Role) -> bool {
    state.faults.is_down(match role {
        Role::Frontend => Node::Frontend,
        Role::Backend => Node::Backend,
    })
}

fn path(head: &Parts) -> &str {
    head.uri.path_and_query().map_or("/", |path| path.as_str())
}

fn gateway(status: u16) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    with_type(status, "text/html", format!("<html><body><h1>{status}</h1></body></html>"))
}

/// A failure in the form of the node and the call.
fn refuse(
    state: &HttpState,
    connection: &Connection,
    head: &Parts,
    step: FaultStep,
    place: FaultPlace,
    refusal: Refusal,
) -> Answer {
    let label = text(&head.headers, "label").unwrap_or_default();
    match (place, step) {
        (FaultPlace::Backend, FaultStep::StreamLoad) => {
            let mut names = head.uri.path().split('/').skip(2);
            let (database, table) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
            let mut outcome = LoadOutcome::new(&label, database, table);
            outcome.fail(&Error::backend(refusal.message));
            json(outcome.to_json(&connection.local.to_string(), state.config.abilities()))
        }
        (FaultPlace::Backend, _) => json(reply_json(&label, &connection.local.to_string(), &Err(refusal))),
        (_, FaultStep::LoadState | FaultStep::Cancel) => frontend::failed(&Error::invalid(refusal.message)),
        _ => frontend::failed_with(state.config.abilities().exception_class(), &refusal.message),
    }
}

/// The id of the database that a Stream Load or a transaction names; 0 if there is none.
fn database_id(state: &HttpState, head: &Parts) -> u64 {
    let name = text(&head.headers, "db").or_else(|| head.uri.path().split('/').nth(2).map(str::to_owned));
    name.and_then(|name| state.warehouse.database(&name).ok()).map_or(0, |database| database.id())
}

/// An address that refuses connections: a port that was free a moment ago.
fn dead_address() -> String {
    let free = TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).and_then(|l| l.local_addr());
    free.map_or_else(|_| "127.0.0.1:1".to_owned(), |address| address.to_string())
}
