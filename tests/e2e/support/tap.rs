//! A tap on the wire between the binary and MiniRocks: it passes everything on, says what passes, and can hold a message back while the
//! test kills the process that sent it or waits for it. So a kill hits exactly the step that a test names.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// A message on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Message {
    /// A request reaches the frontend or backend; not yet passed on. `load` and `_stream_load` have sent their head only.
    Request { step: String, label: Option<String> },
    /// So many bytes of a load's body have passed.
    Body(String, usize),
    /// The server has answered with success; the answer is not yet passed on.
    Answer(String),
    /// A statement of the MySQL protocol; not yet passed on.
    Sql(String),
    /// The server has answered a statement; the answer is not yet passed on.
    SqlAnswer(String),
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// It is held back for ever, and its connection is closed.
    Drop,
}

/// Decides about each message, one at a time.
pub(crate) type Watch = dyn FnMut(&Message) -> Verdict + Send;

struct Wire {
    mysql: SocketAddr,
    http: SocketAddr,
    be: SocketAddr,
    watch: Mutex<Box<Watch>>,
    labels: Mutex<BTreeSet<String>>,
}

/// Three ports before those of a server.
pub(crate) struct Tap {
    mysql: SocketAddr,
    http: SocketAddr,
    be: SocketAddr,
    wire: Arc<Wire>,
    _runtime: Runtime,
}

impl Tap {
    /// A tap before a server with these addresses.
    pub(crate) fn start(mysql: SocketAddr, http: SocketAddr, be: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let wire = Arc::new(Wire {
            mysql,
            http,
            be,
            watch: Mutex::new(Box::new(|_| Verdict::Pass)),
            labels: Mutex::default(),
        });
        let listen = |serve: fn(Arc<Wire>, TcpStream) -> Conversation| {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let address = listener.local_addr().unwrap();
            let wire = Arc::clone(&wire);
            runtime.spawn(async move {
                let mut conversations = JoinSet::new();
                while let Ok((client, _)) = listener.accept().await {
                    conversations.spawn(serve(Arc::clone(&wire), client));
                    while conversations.try_join_next().is_some() {}
                }
            });
            address
        };
        let mysql = listen(|wire, client| Box::pin(serve_mysql(wire, client)));
        let http = listen(|wire, client| Box::pin(serve_http(wire.http, wire, client)));
        let be = listen(|wire, client| Box::pin(serve_http(wire.be, wire, client)));
        Self { mysql, http, be, wire, _runtime: runtime }
    }

    /// Asks this of every message from now on.
    pub(crate) fn watch(&self, watch: impl FnMut(&Message) -> Verdict + Send + 'static) {
        *self.wire.watch.lock().unwrap() = Box::new(watch);
    }

    /// Labels in requests since the last call that the server has neither finished nor rolled back, with their states.
    pub(crate) fn open_labels(&self, database: &str) -> Vec<(String, String)> {
        let labels = std::mem::take(&mut *self.wire.labels.lock().unwrap());
        let states = labels.into_iter().map(|label| {
            let state = label_state(self.wire.http, database, &label);
            (label, state)
        });
        states.filter(|(_, state)| !["VISIBLE", "ABORTED", "UNKNOWN"].contains(&state.as_str())).collect()
    }

    /// The entry of a config for a database behind the tap.
    pub(crate) fn config(&self, catalog: &str, database: &str) -> String {
        format!(
            "[catalogs.{catalog}]\ntype = \"starrocks\"\nurl = \"jdbc:mysql://{}/{database}\"\nload_url = \"{}\"\n\
             be_address_map = \"{}={}\"\nuser = \"root\"\npassword = \"\"\n",
            self.mysql, self.http, self.wire.be, self.be
        )
    }
}

/// What the frontend says of a label.
fn label_state(frontend: SocketAddr, database: &str, label: &str) -> String {
    let mut connection = std::net::TcpStream::connect(frontend).unwrap();
    // root without a password
    let request = format!(
        "GET /api/{database}/get_load_state?label={label} HTTP/1.1\r\nHost: fe\r\nAuthorization: Basic cm9vdDo=\r\n\
         Connection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}")).1;
    let json: serde_json::Value = serde_json::from_str(body.trim()).unwrap_or_else(|error| panic!("{error}: {answer}"));
    json["state"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

type Conversation = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Wire {
    fn passes(&self, message: &Message) -> bool {
        (self.watch.lock().unwrap())(message) == Verdict::Pass
    }
}

/// One request and its answer: the binary closes an HTTP connection after that.
async fn serve_http(server: SocketAddr, wire: Arc<Wire>, mut client: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let step = step_of(&text);
    let label =
        text.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("label")));
    let label = label.map(|(_, label)| label.trim().to_owned());
    wire.labels.lock().unwrap().extend(label.clone());
    if !wire.passes(&Message::Request { step: step.clone(), label }) {
        return;
    }
    let Ok(mut upstream) = TcpStream::connect(server).await else { return };
    if upstream.write_all(&head).await.is_err() {
        return;
    }
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = upstream.into_split();
    let requests = pass_body(Arc::clone(&wire), step.clone(), from_client, to_server);
    let answers = async {
        let mut answer = Vec::new();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match from_server.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
            }
            // the client waits for it before it sends the body
            if answer.starts_with(b"HTTP/1.1 100") && answer.ends_with(b"\r\n\r\n") {
                if to_client.write_all(&answer).await.is_err() {
                    return;
                }
                answer.clear();
            }
            // a server may keep a connection open on which it still expects a body
            if is_complete(&answer) {
                break;
            }
        }
        let text = String::from_utf8_lossy(&answer);
        let is_success = text.starts_with("HTTP/1.1 200") && (text.contains("\"OK\"") || text.contains("\"Success\""));
        if is_success && !wire.passes(&Message::Answer(step.clone())) {
            return;
        }
        let _ = to_client.write_all(&answer).await;
        let _ = to_client.shutdown().await;
    };
    tokio::pin!(requests);
    tokio::pin!(answers);
    // the answer ends the conversation; a body that was cut off must reach the server as one
    tokio::select! {
        () = &mut answers => {}
        is_whole = &mut requests => if is_whole { answers.await },
    }
}

/// Whether an answer is there to the end of its body, by its `Content-Length`.
fn is_complete(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}

/// Passes a body on; false if it was cut off.
async fn pass_body(
    wire: Arc<Wire>,
    step: String,
    mut from_client: OwnedReadHalf,
    mut to_server: OwnedWriteHalf,
) -> bool {
    let mut passed = 0;
    let mut buffer = vec![0; 4 * 1024];
    loop {
        match from_client.read(&mut buffer).await {
            Ok(0) => return true,
            Err(_) => return false,
            Ok(read) => {
                passed += read;
                if !wire.passes(&Message::Body(step.clone(), passed))
                    || to_server.write_all(&buffer[..read]).await.is_err()
                {
                    return false;
                }
            }
        }
    }
}

/// What a request asks for: the last part of its path (`begin`, `load`, `_stream_load`, `get_load_state`).
fn step_of(head: &str) -> String {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A connection of the MySQL protocol: statements are read, answers are passed on as they come.
async fn serve_mysql(wire: Arc<Wire>, client: TcpStream) {
    let Ok(upstream) = TcpStream::connect(wire.mysql).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let asked = Mutex::new(None);
    let statements = async {
        loop {
            let mut header = [0; 4];
            if from_client.read_exact(&mut header).await.is_err() {
                return;
            }
            let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
            let mut payload = vec![0; length];
            if from_client.read_exact(&mut payload).await.is_err() {
                return;
            }
            // COM_QUERY
            if header[3] == 0 && payload.first() == Some(&3) {
                let sql = String::from_utf8_lossy(&payload[1..]).into_owned();
                if !wire.passes(&Message::Sql(sql.clone())) {
                    return;
                }
                *asked.lock().unwrap() = Some(sql);
            }
            if to_server.write_all(&header).await.is_err() || to_server.write_all(&payload).await.is_err() {
                return;
            }
        }
    };
    let answers = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = match from_server.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
            let sql = asked.lock().unwrap().take();
            if let Some(sql) = sql
                && !wire.passes(&Message::SqlAnswer(sql))
            {
                return;
            }
            if to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = statements => {}
        () = answers => {}
    }
}
