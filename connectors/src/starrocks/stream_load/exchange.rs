//! One HTTP/1.1 exchange on a connection of its own, written out for what Stream Load needs and stock clients do not do:
//! it waits for `100 Continue` before the body, hears an answer that comes while the body is still being sent, and knows
//! whether the body was complete when a connection broke.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::Endpoint;
use super::body::{Body, Next, Piece};
use super::server_time::ServerTime;
use super::slots::Slot;
use crate::options::Secret;
use crate::throttle::Throttles;

/// How long to wait for `100 Continue` before the body is sent all the same. The server begins its transaction and plans the load
/// before it answers, so this is not short; a proxy that swallows the answer costs this much once per load. StarRocks's own SDK waits as long.
const CONTINUE_WAIT: Duration = Duration::from_secs(30);
/// How long an answer may still come after sending broke: it is then already on its way.
const ANSWER_AFTER_BREAK: Duration = Duration::from_secs(5);
/// A server may compute for minutes before it answers; one whose machine died is noticed within about two minutes all the same
/// (nine probes, the system's default).
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);
/// Between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How long a body that has to wait for its source keeps its slot: a source that is as fast as the server makes it wait for moments.
const SLOT_KEPT_FOR: Duration = Duration::from_millis(100);
/// The longest head of an answer.
const MAX_HEAD_BYTES: u64 = 64 * 1024;

/// A request. Header names and values were checked ([`super::headers`]).
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) to: &'a Endpoint,
    /// Path and query, percent-encoded.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a [(String, String)],
    /// The value of `Authorization`, for hosts that may have it.
    pub(crate) authorization: Option<&'a Secret>,
    /// Whether to send `Expect: 100-continue`, and to wait for the answer if there is a body.
    pub(crate) expect_continue: bool,
    /// Bytes of the answer's body that are kept.
    pub(crate) max_answer_bytes: usize,
    /// The longest time from the first byte sent to the last received, without that in which the body waits for its source or its turn.
    pub(crate) timeout: Duration,
    /// How the body is sent.
    pub(crate) flow: Flow<'a>,
}

/// What a body waits for beside its source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flow<'a> {
    /// The slot that it gives back while its source makes it wait.
    pub(crate) slot: Option<&'a Slot<'a>>,
    /// Limits of speed: each byte has its turn before it is sent.
    pub(crate) throttles: Option<&'a Throttles>,
}

/// A final answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    /// The body, cut at the request's `max_answer_bytes`.
    pub(crate) body: Vec<u8>,
    /// Whether the request's body had been handed to the network in full when the answer came.
    pub(crate) request_complete: bool,
}

impl Answer {
    /// The body as text, with replacement characters for bytes that are none.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// No connection was made: the server knows nothing of the request.
    NotSent(String),
    /// The connection broke, or the time ran out, behind the first byte.
    Lost {
        /// Whether the whole body had been handed to the network: only then can the server have committed it.
        body_complete: bool,
        /// What was seen.
        reason: String,
    },
    /// The body's source went away before its end; the connection was closed without completing the request.
    Abandoned,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(reason) | Self::Lost { reason, .. } => f.write_str(reason),
            Self::Abandoned => f.write_str("the load was given up before its end"),
        }
    }
}

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Http {
    tls: Arc<rustls::ClientConfig>,
    connect_timeout: Duration,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("connect_timeout", &self.connect_timeout).finish_non_exhaustive()
    }
}

impl Http {
    pub(crate) fn new(tls: Arc<rustls::ClientConfig>, connect_timeout: Duration) -> Self {
        Self { tls, connect_timeout }
    }

    /// Sends one request on a new connection and reads its answer. Redirects are answers like any other.
    pub(crate) async fn exchange(&self, request: &Request<'_>, body: &mut Body) -> Result<Answer, Broken> {
        let at = &request.to.at;
        let connect = async {
            let stream = TcpStream::connect((at.host.as_str(), at.port)).await?;
            stream.set_nodelay(true)?;
            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
            SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
            Ok::<_, io::Error>(stream)
        };
        let not_sent =
            |reason: &dyn fmt::Display| Broken::NotSent(format!("cannot connect to {}: {reason}", request.to));
        let stream = match timeout(self.connect_timeout, connect).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(not_sent(&error)),
            Err(_) => return Err(not_sent(&format!("no answer within {} s", self.connect_timeout.as_secs()))),
        };
        if !request.to.tls {
            return converse(stream, request, body).await;
        }
        let name = ServerName::try_from(at.host.clone()).map_err(|error| not_sent(&error))?;
        match timeout(self.connect_timeout, TlsConnector::from(self.tls.clone()).connect(name, stream)).await {
            Ok(Ok(stream)) => converse(stream, request, body).await,
            Ok(Err(error)) => Err(not_sent(&error)),
            Err(_) => Err(not_sent(&"the TLS handshake did not end in time")),
        }
    }
}

/// Why sending stopped.
enum SendStop {
    Io(io::Error),
    Abandoned,
}

impl From<io::Error> for SendStop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

async fn converse<S>(stream: S, request: &Request<'_>, body: &mut Body) -> Result<Answer, Broken>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (read, write) = tokio::io::split(stream);
    // Asked once: the end of a body that grows may come at any time.
    let length = body.len();
    let head = head_of(request, length);
    let time = ServerTime::starts_now();
    let waits = request.expect_continue && !matches!(body, Body::Empty);
    let may_continue = Notify::new();
    let complete = AtomicBool::new(false);
    let finished = |answer: Answer| Answer { request_complete: complete.load(Ordering::Relaxed), ..answer };
    let lost = |reason: String| Broken::Lost {
        body_complete: complete.load(Ordering::Relaxed),
        reason: format!("{}: {reason}", request.to),
    };
    let conversation = async {
        let receive = read_answer(BufReader::new(read), &may_continue, request.max_answer_bytes);
        let sending = Sending { flow: request.flow, is_chunked: length.is_none(), time: &time, complete: &complete };
        let send = send_request(write, head, body, waits.then_some(&may_continue), sending);
        tokio::pin!(receive, send);
        let stopped = tokio::select! {
            // An answer in the middle of the body: what follows would not be read, so sending stops here.
            answer = &mut receive => return answer.map(finished).map_err(|error| lost(error.to_string())),
            sent = &mut send => sent,
        };
        match stopped {
            Ok(()) => receive.await.map(finished).map_err(|error| lost(error.to_string())),
            Err(SendStop::Abandoned) => Err(Broken::Abandoned),
            // A server that closes in the middle has often said why.
            Err(SendStop::Io(error)) => match timeout(ANSWER_AFTER_BREAK, receive).await {
                Ok(Ok(answer)) => Ok(finished(answer)),
                _ => Err(lost(error.to_string())),
            },
        }
    };
    tokio::select! {
        result = conversation => result,
        () = time.passes(request.timeout) => Err(lost(format!("no answer within {} s", request.timeout.as_secs()))),
    }
}

/// The request line and headers.
fn head_of(request: &Request<'_>, length: Option<u64>) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target, request.to.at);
    head.push_str("User-Agent: syncline\r\nAccept: */*\r\nConnection: close\r\n");
    if let Some(authorization) = request.authorization {
        head.push_str("Authorization: ");
        head.push_str(authorization.expose());
        head.push_str("\r\n");
    }
    for (name, value) in request.headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    match length {
        Some(0) if request.method == "GET" => {}
        Some(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
        None => head.push_str("Transfer-Encoding: chunked\r\n"),
    }
    if request.expect_continue {
        head.push_str("Expect: 100-continue\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// How one body is sent.
#[derive(Clone, Copy)]
struct Sending<'a> {
    flow: Flow<'a>,
    is_chunked: bool,
    time: &'a ServerTime,
    /// Set when the server may have all of it.
    complete: &'a AtomicBool,
}

impl Sending<'_> {
    async fn piece<W: AsyncWrite + Unpin>(&self, write: &mut W, piece: &[u8]) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        if self.is_chunked {
            write.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        }
        match self.flow.throttles {
            None => write.write_all(piece).await?,
            Some(throttles) => {
                for turn in piece.chunks(throttles.bytes_at_once().max(1)) {
                    self.time.stands_still_for(throttles.take(0, turn.len())).await;
                    write.write_all(turn).await?;
                }
            }
        }
        if self.is_chunked {
            write.write_all(b"\r\n").await?;
        }
        Ok(())
    }

    /// Waits for the source, whose slot others may have meanwhile.
    async fn waits_for<T>(&self, source: impl Future<Output = T>) -> T {
        tokio::pin!(source);
        let wait = async {
            if let Ok(came) = timeout(SLOT_KEPT_FOR, &mut source).await {
                return came;
            }
            let Some(slot) = self.flow.slot else { return source.await };
            slot.give_back();
            let came = source.await;
            slot.take_again().await;
            came
        };
        self.time.stands_still_for(wait).await
    }
}

async fn send_request<W: AsyncWrite + Unpin>(
    mut write: W,
    head: Vec<u8>,
    body: &mut Body,
    may_continue: Option<&Notify>,
    sending: Sending<'_>,
) -> Result<(), SendStop> {
    write.write_all(&head).await?;
    write.flush().await?;
    drop(head);
    if let Some(may_continue) = may_continue {
        // Out of time: sent all the same, as RFC 9110 (10.1.1) asks of a client.
        let _ = timeout(CONTINUE_WAIT, may_continue.notified()).await;
    }
    match body {
        Body::Empty => {}
        Body::Kept(pieces) => {
            for piece in pieces.iter() {
                sending.piece(&mut write, &piece.read().await.map_err(io::Error::other)?).await?;
            }
        }
        Body::Growing(body) => {
            for index in 0.. {
                let next = match body.at(index) {
                    Next::Later => {
                        write.flush().await?;
                        sending.waits_for(body.wait_for(index)).await
                    }
                    next => next,
                };
                match next {
                    Next::Piece(piece) => {
                        sending.piece(&mut write, &piece.read().await.map_err(io::Error::other)?).await?;
                        if let Some(slot) = sending.flow.slot {
                            slot.sent(piece.len());
                        }
                    }
                    Next::End => break,
                    Next::Later | Next::Abandoned => return Err(SendStop::Abandoned),
                }
            }
        }
        Body::Stream(stream) => loop {
            match sending.waits_for(stream.next()).await {
                Some(Piece::Bytes(piece)) => sending.piece(&mut write, &piece).await?,
                Some(Piece::End) => break,
                None => return Err(SendStop::Abandoned),
            }
        },
    }
    // Set before the last bytes: from here on the server may have all of it.
    sending.complete.store(true, Ordering::Relaxed);
    if sending.is_chunked {
        write.write_all(b"0\r\n\r\n").await?;
    }
    write.flush().await?;
    Ok(())
}

async fn read_answer<R: AsyncRead + Unpin>(
    mut read: BufReader<R>,
    may_continue: &Notify,
    max_bytes: usize,
) -> io::Result<Answer> {
    loop {
        let head = read_head(&mut read).await?;
        match head.status {
            101 => return Err(invalid("the server changed the protocol")),
            100..=199 => may_continue.notify_one(),
            _ => {
                let body = read_body(&mut read, &head, max_bytes).await?;
                return Ok(Answer { status: head.status, location: head.location, body, request_complete: false });
            }
        }
    }
}

/// The parts of an answer's head that matter here.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    location: Option<String>,
    content_length: Option<u64>,
    chunked: bool,
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

async fn read_head<R: AsyncBufRead + Unpin>(read: &mut R) -> io::Result<Head> {
    let mut left = MAX_HEAD_BYTES;
    let status_line = read_line(read, &mut left).await?;
    if status_line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed without an answer"));
    }
    let mut head = Head { status: parse_status(&status_line)?, ..Head::default() };
    loop {
        let line = read_line(read, &mut left).await?;
        if line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed within an answer"));
        }
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return Ok(head);
        }
        let colon = memchr::memchr(b':', line).ok_or_else(|| invalid("the answer is not HTTP"))?;
        let value = String::from_utf8_lossy(line[colon + 1..].trim_ascii());
        match line[..colon].to_ascii_lowercase().as_slice() {
            b"location" => head.location = Some(value.into_owned()),
            b"content-length" => {
                head.content_length = Some(value.parse().map_err(|_| invalid("the answer's length is no number"))?);
            }
            b"transfer-encoding" => head.chunked = value.to_ascii_lowercase().ends_with("chunked"),
            _ => {}
        }
    }
}

/// A line with its end; empty at the end of the stream.
async fn read_line<R: AsyncBufRead + Unpin>(read: &mut R, left: &mut u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let read_bytes = (&mut *read).take(*left).read_until(b'\n', &mut line).await?;
    *left -= read_bytes as u64;
    if *left == 0 {
        return Err(invalid("the head of the answer is too long"));
    }
    Ok(line)
}

fn parse_status(line: &[u8]) -> io::Result<u16> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next().and_then(|status| status.parse::<u16>().ok())) {
        (Some(version), Some(status @ 100..=599)) if version.starts_with("HTTP/1.") => Ok(status),
        _ => Err(invalid(
            "the answer is not HTTP/1; this port is none of a frontend's or backend's HTTP server, usually 8030 and 8040",
        )),
    }
}

async fn read_body<R: AsyncBufRead + Unpin>(read: &mut R, head: &Head, max_bytes: usize) -> io::Result<Vec<u8>> {
    if matches!(head.status, 204 | 304) {
        return Ok(Vec::new());
    }
    let mut body = Vec::new();
    if head.chunked {
        while body.len() < max_bytes {
            let mut left = 1024;
            let line = read_line(read, &mut left).await?;
            let size = String::from_utf8_lossy(&line);
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| invalid("the answer breaks off within its body"))?;
            if size == 0 {
                return Ok(body);
            }
            read_exactly(read, size.min((max_bytes - body.len()) as u64), &mut body).await?;
            if body.len() < max_bytes {
                read_line(read, &mut left).await?;
            }
        }
        return Ok(body);
    }
    match head.content_length {
        Some(length) => read_exactly(read, length.min(max_bytes as u64), &mut body).await?,
        None => {
            read.take(max_bytes as u64).read_to_end(&mut body).await?;
        }
    }
    Ok(body)
}

async fn read_exactly<R: AsyncRead + Unpin>(read: &mut R, bytes: u64, into: &mut Vec<u8>) -> io::Result<()> {
    let read_bytes = (&mut *read).take(bytes).read_to_end(into).await?;
    if (read_bytes as u64) < bytes {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer breaks off within its body"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use parking_lot::Mutex;

    use super::super::body::BodyGrowth;
    use super::*;

    /// Notes when how many bytes were written, on the clock of a limit.
    struct Noted {
        clock: Arc<Mutex<f64>>,
        written: Vec<(f64, usize)>,
    }

    impl AsyncWrite for Noted {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let this = self.get_mut();
            let now = *this.clock.lock();
            this.written.push((now, bytes.len()));
            Poll::Ready(Ok(bytes.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What is sent of a body under a limit, second by second.
    async fn bytes_of_seconds(rate: u64, mut body: Body) -> Vec<usize> {
        let (throttles, clock) = Throttles::virtual_bytes(rate);
        let mut noted = Noted { clock: Arc::clone(&clock), written: Vec::new() };
        let (time, complete) = (ServerTime::starts_now(), AtomicBool::new(false));
        let flow = Flow { slot: None, throttles: Some(&throttles) };
        let sending = Sending { flow, is_chunked: body.len().is_none(), time: &time, complete: &complete };
        assert!(send_request(&mut noted, Vec::new(), &mut body, None, sending).await.is_ok());
        let mut seconds = vec![0; *clock.lock() as usize + 1];
        for (at, bytes) in noted.written {
            seconds[at as usize] += bytes;
        }
        seconds
    }

    #[tokio::test]
    async fn bytes_are_sent_at_the_speed_of_their_limit_however_slow_it_is() {
        const BYTES: usize = 4_200_000;
        let piece = || Bytes::from(vec![b'x'; BYTES / 4]);
        for rate in [100_000_u64, 20_000, 10_000_000] {
            let (growth, growing) = BodyGrowth::new();
            (0..4).for_each(|_| growth.push(piece().into()));
            growth.end();
            let (sender, stream) = super::super::body::StreamBody::new();
            for _ in 0..3 {
                sender.try_send(Piece::Bytes(piece())).unwrap();
            }
            sender.try_send(Piece::End).unwrap();
            let kept = Body::Kept((0..4).map(|_| piece().into()).collect());
            for (body, bytes) in [(kept, BYTES), (Body::Growing(growing), BYTES), (Body::Stream(stream), BYTES / 4 * 3)]
            {
                let seconds = bytes_of_seconds(rate, body).await;
                let all: usize = seconds.iter().sum();
                assert!((bytes..bytes + 100).contains(&all), "{all} of {bytes}");
                // the last one may not be full
                for window in seconds[..seconds.len() - 1].windows(10) {
                    let part = window.iter().sum::<usize>() as f64 / (10.0 * rate as f64);
                    assert!((0.9..=1.1).contains(&part), "{rate}/s: {part}");
                }
                let most = seconds.iter().max().unwrap();
                assert!(*most as f64 <= 1.2 * rate as f64, "{rate}/s: {most} in one second");
            }
        }
    }
}
