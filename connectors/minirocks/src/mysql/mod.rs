//! The MySQL protocol: login, text queries, prepared statements.
//!
//! The wire is written here rather than taken from `opensrv-mysql`, whose error packets know only MySQL's own numbers (StarRocks
//! says 5501 and 5502, and a wrong password is 1045), whose reader asserts on what a client sends, and which reads a packet
//! of any size before anyone can refuse it.
//!
//! | file | what |
//! |---|---|
//! | `packet` | cutting and joining packets, length-encoded fields |
//! | `handshake` | greeting, login, password |
//! | `connection` | the command loop |
//! | `fault` | what an armed fault does to a statement |
//! | `parameters` | values of COM_STMT_EXECUTE |
//! | `response`, `rows` | OK, errors, columns; rows in text and binary form |
//!
//! What statements mean is in [`sql`](crate::sql).

mod connection;
mod fault;
mod handshake;
mod packet;
mod parameters;
mod response;
mod rows;
#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::sql::Services;
pub(crate) use handshake::SERVER_VERSION;

/// Most connections at a time (StarRocks: `qe_max_connection` is 4096).
const MAX_CONNECTIONS: usize = 1024;
/// A pause after a failed accept, such as when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A client that is turned away has this long to take the message.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Accepts connections until the task is dropped, which closes all of them.
pub(crate) async fn serve(listener: TcpListener, services: Arc<Services>) {
    serve_at_most(MAX_CONNECTIONS, listener, services).await;
}

async fn serve_at_most(most: usize, listener: TcpListener, services: Arc<Services>) {
    let mut connections = JoinSet::new();
    let mut connection_id = 0_u32;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() >= most => {
                    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, refuse(stream)).await;
                }
                Ok((stream, peer)) => {
                    connection_id = connection_id.wrapping_add(1);
                    connections.spawn(serve_one(stream, peer, connection_id, Arc::clone(&services)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a MySQL connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a MySQL connection ended abnormally");
                }
            }
        }
    }
}

async fn serve_one(stream: TcpStream, peer: SocketAddr, connection_id: u32, services: Arc<Services>) {
    if let Err(error) = connection::serve_connection(stream, peer, connection_id, services).await {
        tracing::debug!(%peer, %error, "MySQL connection lost");
    }
}

/// Before the greeting an error has no SQL state, because no protocol is agreed upon yet (MySQL: ERR_Packet).
async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    let mut payload = vec![0xff];
    payload.extend_from_slice(&1040_u16.to_le_bytes());
    payload.extend_from_slice(b"Too many connections");
    let mut packet = vec![u8::try_from(payload.len()).unwrap_or_default(), 0, 0, 0];
    packet.extend_from_slice(&payload);
    stream.write_all(&packet).await
}
