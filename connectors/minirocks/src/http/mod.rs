//! The HTTP interfaces of the FE and the BE, served by hyper without a router: there are few paths, and how a body is taken
//! matters more than where it goes.
//!
//! A request is answered from its headers where that is possible. hyper sends `100 Continue` when the body is first asked
//! for, so a client that waits for it learns of an error before it sends anything. For a client that does not wait, the rest
//! of its body is read and dropped within bounds after the answer ([`drop_rest`]): closing a socket with unread bytes in it would
//! reset the connection, and the answer would be lost on its way.

mod auth;
mod backend;
mod body;
mod fault;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod format_tests;
mod frontend;
mod request;
mod running;
#[cfg(test)]
pub(crate) mod test_client;
#[cfg(test)]
mod tests;
mod transaction_backend;
mod transaction_frontend;
#[cfg(test)]
mod transaction_tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::faults::Faults;
use crate::load::{ErrorLogs, TransactionLoads};
use crate::server::ServerConfig;
use crate::storage::Warehouse;
pub(crate) use running::RunningLoads;

/// Connections of one port at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;
/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// A body is not asked for before this, so that its `100 Continue` cannot overtake the final answer.
const DRAIN_DELAY: Duration = Duration::from_millis(200);
/// A client that sends nothing for this long has noticed the answer; one that waits for `100 Continue` never sends.
const DRAIN_IDLE: Duration = Duration::from_millis(500);
/// How long the rest of a body is read and dropped.
const DRAIN_TIME: Duration = Duration::from_secs(60);
/// How much of it is.
const DRAIN_BYTES: u64 = 1 << 30;

type Answer = Response<Full<Bytes>>;

/// What requests work on.
#[derive(Debug)]
pub(crate) struct HttpState {
    pub(crate) warehouse: Arc<Warehouse>,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) error_logs: ErrorLogs,
    pub(crate) transactions: Arc<TransactionLoads>,
    pub(crate) faults: Faults,
    /// The loads that the BE has under way.
    pub(crate) running: Arc<RunningLoads>,
    /// The port of the BE, for redirects.
    pub(crate) be_port: u16,
}

/// Which of the two interfaces a port serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Frontend,
    Backend,
}

/// A request's connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// The client.
    pub(crate) peer: SocketAddr,
    /// The address the client has reached.
    pub(crate) local: SocketAddr,
    /// Takes bodies that were answered before they were read.
    unread: mpsc::UnboundedSender<Incoming>,
}

/// Serves one port until the task is dropped; its connections end with it.
pub(crate) async fn serve(listener: TcpListener, role: Role, state: Arc<HttpState>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or a connection that is gone already.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let Ok(local) = stream.local_addr() else { continue };
        if fault::is_gone(&state, role) {
            continue;
        }
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let _permit = permit;
            serve_connection(stream, role, state, peer, local).await;
        });
    }
}

async fn serve_connection(stream: TcpStream, role: Role, state: Arc<HttpState>, peer: SocketAddr, local: SocketAddr) {
    let (unread, mut bodies) = mpsc::unbounded_channel();
    let connection = Connection { peer, local, unread };
    let service = service_fn(move |request| {
        let (state, connection) = (Arc::clone(&state), connection.clone());
        async move {
            let answer = answer(role, state, connection, request).await;
            if fault::is_closed(&answer) { Err(FaultClosed) } else { Ok(answer) }
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let dropping = async {
        while let Some(body) = bodies.recv().await {
            drop_rest(body).await;
        }
    };
    let (mut served, mut dropping) = (std::pin::pin!(served), std::pin::pin!(dropping));
    let ended = tokio::select! {
        ended = &mut served => ended,
        // The service is gone, and with it the last body; what is left is the end of the answer.
        () = &mut dropping => served.await,
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an HTTP connection ended early");
    }
}

/// A fault closes the connection in place of an answer.
#[derive(Debug, thiserror::Error)]
#[error("a fault has closed the connection")]
struct FaultClosed;

async fn answer(role: Role, state: Arc<HttpState>, connection: Connection, request: Request<Incoming>) -> Answer {
    if fault::is_gone(&state, role) {
        return fault::closed();
    }
    match role {
        Role::Frontend => frontend::answer(&state, connection, request).await,
        Role::Backend => backend::answer(state, connection, request).await,
    }
}

/// Answers before the body has been read. The connection is closed behind the answer, and what the client still sends is
/// dropped until it notices.
pub(crate) fn answer_early(mut answer: Answer, body: Incoming, connection: &Connection) -> Answer {
    if !body.is_end_stream() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        // It fails only when the connection has ended, and then there is nothing to read.
        let _ = connection.unread.send(body);
    }
    answer
}

/// Reads and drops a body within bounds.
async fn drop_rest(mut body: Incoming) {
    tokio::time::sleep(DRAIN_DELAY).await;
    let read = async {
        let mut dropped = 0;
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(DRAIN_IDLE, body.frame()).await {
            dropped += frame.data_ref().map_or(0, |data| data.len() as u64);
            if dropped > DRAIN_BYTES {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}

pub(crate) fn json(text: String) -> Answer {
    with_type(StatusCode::OK, "application/json", text)
}

pub(crate) fn not_found() -> Answer {
    with_type(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "Not Found".to_owned())
}

pub(crate) fn with_type(status: StatusCode, content_type: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
