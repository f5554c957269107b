//! A server for tests whose answers are bytes on the wire, so that each fault can be made.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The authority of the certificate that [`Server::start_tls`] shows, as a PEM file.
pub(crate) const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/test_tls/ca.pem");

/// A request as a server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query string, as sent.
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    /// Of a request with `Content-Length`.
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// START of `Range: bytes=START-`.
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

impl Request {
    /// END of `Range: bytes=START-END`, which is of the range.
    fn range_end(&self) -> Option<usize> {
        self.header("range")?.split_once('-')?.1.parse().ok()
    }
}

type Answer = Box<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

/// What a server does with a request: it sends bytes, then closes the connection or falls silent.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    stalls: bool,
}

impl From<Vec<u8>> for Reply {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, stalls: false }
    }
}

/// Sends bytes, then neither more nor the end.
pub(crate) fn stall(bytes: Vec<u8>) -> Reply {
    Reply { bytes, stalls: true }
}

/// TLS with a certificate for 127.0.0.1 and localhost, of the authority in [`CA_FILE`].
pub(crate) fn tls_acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("test_tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("test_tls/server_key.pem")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server whose answers are bytes on the wire: what the function returns is sent, then the connection is closed.
pub(crate) struct Server {
    pub(crate) port: u16,
    scheme: &'static str,
    requests: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// `answer` gets the request and its number from 0.
    pub(crate) async fn start<R: Into<Reply>>(answer: impl Fn(&Request, usize) -> R + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer).await
    }

    /// The same over TLS, with a certificate of an authority that nobody knows.
    pub(crate) async fn start_tls(answer: impl Fn(&Request, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start_with(Some(tls_acceptor()), answer).await
    }

    async fn start_with<R: Into<Reply>>(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Request, usize) -> R + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(Box::new(move |request, number| answer(request, number).into()));
        let mut tasks = JoinSet::new();
        let seen = Arc::clone(&requests);
        let scheme = if tls.is_some() { "https" } else { "http" };
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer, seen) = (tls.clone(), Arc::clone(&answer), Arc::clone(&seen));
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, answer, seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answer, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, scheme, requests, _tasks: tasks }
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("{}://127.0.0.1:{}{target}", self.scheme, self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Arc<Answer>, seen: Arc<Mutex<Vec<Request>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let mut request = Request {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        headers: lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: Vec::new(),
    };
    if let Some(length) = request.header("content-length") {
        request.body = vec![0; length.parse().unwrap()];
        if stream.read_exact(&mut request.body).await.is_err() {
            return;
        }
    }
    let number = {
        let mut seen = seen.lock();
        seen.push(request.clone());
        seen.len() - 1
    };
    let reply = answer(&request, number);
    let _ = stream.write_all(&reply.bytes).await;
    if reply.stalls {
        let _ = stream.flush().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let _ = stream.shutdown().await;
    // Closing with unread bytes in the socket would reset the connection under the answer.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

/// An answer with a body and its length.
pub(crate) fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    raw(status, &[headers, &[length.as_str()]].concat(), body)
}

/// An answer whose headers are these alone.
pub(crate) fn raw(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// A complete server: HEAD, ranges, ETag.
pub(crate) fn good(request: &Request, body: &[u8]) -> Vec<u8> {
    let headers = ["ETag: \"v1\"", "Accept-Ranges: bytes"];
    match (request.method.as_str(), request.range_start()) {
        ("HEAD", _) => raw("200 OK", &[&headers[..], &[&format!("Content-Length: {}", body.len())]].concat(), b""),
        (_, Some(start)) if start < body.len() => {
            let end = request.range_end().map_or(body.len(), |last| body.len().min(last + 1));
            let range = format!("Content-Range: bytes {start}-{}/{}", end - 1, body.len());
            answer("206 Partial Content", &[&headers[..], &[&range]].concat(), &body[start..end])
        }
        (_, Some(_)) => answer("416 Range Not Satisfiable", &[&format!("Content-Range: bytes */{}", body.len())], b""),
        _ => answer("200 OK", &headers, body),
    }
}
