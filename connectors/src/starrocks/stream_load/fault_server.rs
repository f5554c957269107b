//! An HTTP server for tests that misbehaves on demand, connection by connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::address::{Endpoint, HostPort};
use super::client::StreamLoadClient;
use super::exchange::Http;
use super::patience::Patience;
use super::redirect::{AddressMapping, AllowedHost, ClusterNodes, RedirectRules};
use crate::error::Result;
use crate::http::test_server::tls_acceptor;
use crate::options::Secret;

/// What the server saw of a request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The request line and headers.
    pub(crate) head: String,
    /// Bytes of the body that were read, chunk sizes included.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What to do with a request whose head has been read.
pub(crate) enum Act {
    /// Answer at once; the body is not read.
    Reply(String),
    /// `100 Continue`, read the whole body, answer.
    Load(String),
    /// `100 Continue`, read so many bytes, answer, and read no more.
    ReplyAfter(usize, String),
    /// `100 Continue`, read so many bytes, and close.
    CloseAfter(usize),
    /// `100 Continue`, read the whole body, and close without an answer.
    CloseAfterBody,
    /// `100 Continue`, and read no byte of the body, for ever.
    Hang,
    /// Close at once.
    Close,
}

type Acts = dyn Fn(&Seen) -> Act + Send + Sync;

/// The server; stops when dropped.
pub(crate) struct FaultServer {
    pub(crate) at: Endpoint,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl FaultServer {
    pub(crate) async fn start(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::start_with(None, act).await
    }

    /// The same over TLS, with a certificate of an authority that nobody knows.
    pub(crate) async fn start_tls(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::start_with(Some(tls_acceptor()), act).await
    }

    async fn start_with(tls: Option<TlsAcceptor>, act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (act, all): (Arc<Acts>, _) = (Arc::new(act), seen.clone());
        let is_tls = tls.is_some();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, act, all) = (tls.clone(), act.clone(), all.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, act, all).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, act, all).await;
                            }
                        }
                    }
                });
            }
        });
        Self { at: Endpoint { tls: is_tls, at: HostPort::new("127.0.0.1", port) }, seen, _tasks: tasks }
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }
}

#[derive(Debug)]
struct Nodes(Vec<HostPort>);

#[async_trait]
impl ClusterNodes for Nodes {
    async fn http_addresses(&self) -> Result<Vec<HostPort>> {
        Ok(self.0.clone())
    }
}

/// A client of these frontends in a cluster of these nodes that loses patience fast. It logs in as root with the password hunter2.
pub(crate) fn client(frontends: &[&Endpoint], nodes: &[&Endpoint]) -> StreamLoadClient {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    client_with(tls, "", frontends, nodes)
}

/// The same with this TLS and this `be_address_map`.
pub(crate) fn client_with(
    tls: rustls::ClientConfig,
    be_address_map: &str,
    frontends: &[&Endpoint],
    nodes: &[&Endpoint],
) -> StreamLoadClient {
    let frontends: Vec<Endpoint> = frontends.iter().map(|endpoint| (*endpoint).clone()).collect();
    let nodes = Arc::new(Nodes(nodes.iter().map(|endpoint| endpoint.at.clone()).collect()));
    let map = AddressMapping::parse_list(be_address_map).unwrap();
    let rules = RedirectRules::new(frontends.clone(), map, AllowedHost::parse_list("").unwrap(), nodes);
    let patience = Patience {
        attempts: 3,
        backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(20),
        unknown_for: Duration::from_millis(50),
        answer_margin: Duration::from_millis(500),
        roll_back_for: Duration::from_secs(1),
        limit_for: Duration::from_secs(2),
        limit_backoff: Duration::from_millis(20),
        commit_for: Duration::from_secs(1),
    };
    let http = Http::new(Arc::new(tls), Duration::from_secs(2));
    StreamLoadClient::new("sr", http, frontends, rules, "root", &Secret::new("hunter2"), patience)
}

/// An answer of status 200 with a JSON body.
pub(crate) fn ok(json: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}", json.len())
}

/// A redirect.
pub(crate) fn redirect(location: &str) -> String {
    format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, act: Arc<Acts>, all: Arc<Mutex<Vec<Seen>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let mut seen = Seen { head: String::from_utf8(head).unwrap(), body: Vec::new() };
    let index = {
        let mut all = all.lock();
        all.push(seen.clone());
        all.len() - 1
    };
    let action = act(&seen);
    if !matches!(action, Act::Reply(_) | Act::Close) {
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    }
    let reply = match action {
        Act::Reply(reply) => Some(reply),
        Act::Load(reply) => {
            read_whole_body(&mut stream, &mut seen, &all, index).await;
            Some(reply)
        }
        Act::ReplyAfter(bytes, reply) => {
            read_up_to(&mut stream, &mut seen, bytes).await;
            Some(reply)
        }
        Act::CloseAfter(bytes) => {
            read_up_to(&mut stream, &mut seen, bytes).await;
            None
        }
        Act::CloseAfterBody => {
            read_whole_body(&mut stream, &mut seen, &all, index).await;
            None
        }
        Act::Hang => {
            std::future::pending::<()>().await;
            None
        }
        Act::Close => None,
    };
    all.lock()[index] = seen;
    if let Some(reply) = reply {
        let _ = stream.write_all(reply.as_bytes()).await;
        let _ = stream.flush().await;
        // Gives the client time to hear the answer before the close resets the connection under unread bytes.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn read_up_to(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), seen: &mut Seen, bytes: usize) {
    let mut buffer = vec![0; bytes];
    if stream.read_exact(&mut buffer).await.is_ok() {
        seen.body = buffer;
    }
}

/// What has come of a body without a length can be seen while the rest is awaited.
async fn read_whole_body(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    seen: &mut Seen,
    all: &Mutex<Vec<Seen>>,
    index: usize,
) {
    match seen.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
        Some(length) => read_up_to(stream, seen, length).await,
        None => {
            while !seen.body.ends_with(b"0\r\n\r\n") {
                let before = seen.body.len();
                match stream.read_buf(&mut seen.body).await {
                    Ok(1..) => all.lock()[index].body.extend_from_slice(&seen.body[before..]),
                    Ok(0) | Err(_) => return,
                }
            }
        }
    }
}
