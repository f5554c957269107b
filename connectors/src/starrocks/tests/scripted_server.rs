//! A server that speaks as much of MySQL's protocol as a session needs and answers statements as a test says: types that MiniRocks lacks,
//! and answers that end badly. It keeps the texts that it was sent.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A column of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerColumn {
    pub(super) name: &'static str,
    /// The protocol's code of the type.
    pub(super) code: u8,
    pub(super) decimals: u8,
}

pub(super) const STRING: u8 = 254;
pub(super) const NEWDECIMAL: u8 = 246;
pub(super) const LONG: u8 = 3;
const VAR_STRING: u8 = 253;

/// How an answer ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Complete,
    /// An error of the server behind the rows.
    Error(u16, &'static str),
}

/// What a statement is answered with.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) columns: Vec<AnswerColumn>,
    pub(super) rows: Vec<Vec<Option<&'static str>>>,
    pub(super) end: End,
}

type Script = dyn Fn(&str) -> Option<Answer> + Send + Sync;

/// The server; dropped, it ends.
pub(super) struct ScriptedServer {
    pub(super) at: SocketAddr,
    statements: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl ScriptedServer {
    /// Statements for which the script has no answer are answered with OK.
    pub(super) async fn start(script: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let statements = Arc::new(Mutex::new(Vec::new()));
        let (script, kept): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&statements));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, kept) = (Arc::clone(&script), Arc::clone(&kept));
                connections.spawn(async move { drop(serve(stream, &*script, &kept).await) });
            }
        });
        Self { at, statements, _task: task }
    }

    /// The texts of the statements so far.
    pub(super) fn statements(&self) -> Vec<String> {
        self.statements.lock().clone()
    }
}

async fn serve(mut stream: TcpStream, script: &Script, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    send(&mut stream, 0, &greeting()).await?;
    let (mut sequence, _) = receive(&mut stream).await?;
    send(&mut stream, sequence + 1, OK).await?;
    loop {
        let (received, payload) = receive(&mut stream).await?;
        sequence = received + 1;
        match payload.split_first() {
            Some((1, _)) | None => return Ok(()),
            Some((3, text)) => {
                let text = String::from_utf8_lossy(text).into_owned();
                let version = text == "SELECT @@version";
                let answer = if version { Some(version_answer()) } else { script(&text) };
                kept.lock().push(text);
                match answer {
                    Some(answer) => send_rows(&mut stream, sequence, &answer).await?,
                    None => send(&mut stream, sequence, OK).await?,
                }
            }
            Some((22, _)) => send(&mut stream, sequence, &error(1064, "no prepared statements")).await?,
            Some(_) => send(&mut stream, sequence, OK).await?,
        }
    }
}

fn version_answer() -> Answer {
    let columns = vec![AnswerColumn { name: "@@version", code: VAR_STRING, decimals: 0 }];
    Answer { columns, rows: vec![vec![Some("8.0.33")]], end: End::Complete }
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const EOF: &[u8] = &[0xfe, 0, 0, 2, 0];

async fn send_rows(stream: &mut TcpStream, mut sequence: u8, answer: &Answer) -> std::io::Result<()> {
    let mut next = || {
        sequence = sequence.wrapping_add(1);
        sequence.wrapping_sub(1)
    };
    send(stream, next(), &[answer.columns.len() as u8]).await?;
    for column in &answer.columns {
        let mut payload = Vec::new();
        for text in ["def", "d", "t", "t", column.name, column.name] {
            put_text(&mut payload, text);
        }
        payload.extend_from_slice(&[0x0c, 33, 0, 0xff, 0xff, 0, 0, column.code, 0, 0, column.decimals, 0, 0]);
        send(stream, next(), &payload).await?;
    }
    send(stream, next(), EOF).await?;
    for row in &answer.rows {
        let mut payload = Vec::new();
        for value in row {
            match value {
                Some(text) => put_text(&mut payload, text),
                None => payload.push(0xfb),
            }
        }
        send(stream, next(), &payload).await?;
    }
    match answer.end {
        End::Complete => send(stream, next(), EOF).await,
        End::Error(code, text) => send(stream, next(), &error(code, text)).await,
    }
}

fn error(code: u16, text: &str) -> Vec<u8> {
    let mut payload = vec![0xff];
    payload.extend_from_slice(&code.to_le_bytes());
    payload.extend_from_slice(b"#HY000");
    payload.extend_from_slice(text.as_bytes());
    payload
}

/// A text with its length in front; all texts of the tests are short.
fn put_text(payload: &mut Vec<u8>, text: &str) {
    assert!(text.len() < 251);
    payload.push(text.len() as u8);
    payload.extend_from_slice(text.as_bytes());
}

async fn send(stream: &mut TcpStream, sequence: u8, payload: &[u8]) -> std::io::Result<()> {
    let mut packet = (payload.len() as u32).to_le_bytes()[..3].to_vec();
    packet.push(sequence);
    packet.extend_from_slice(payload);
    stream.write_all(&packet).await
}

async fn receive(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let mut payload = vec![0; u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize];
    stream.read_exact(&mut payload).await?;
    Ok((header[3], payload))
}

/// Protocol 4.1 with `mysql_native_password`, without TLS and without CLIENT_DEPRECATE_EOF, as StarRocks has it.
fn greeting() -> Vec<u8> {
    let capabilities: u32 = 0x0200 | 0x8000 | 0x0008_0000 | 0x0008 | 0x0001;
    let mut payload = vec![10];
    payload.extend_from_slice(b"8.0.33\0");
    payload.extend_from_slice(&7_u32.to_le_bytes());
    payload.extend_from_slice(b"12345678\0");
    payload.extend_from_slice(&(capabilities as u16).to_le_bytes());
    payload.push(33);
    payload.extend_from_slice(&2_u16.to_le_bytes());
    payload.extend_from_slice(&((capabilities >> 16) as u16).to_le_bytes());
    payload.push(21);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"123456789012\0");
    payload.extend_from_slice(b"mysql_native_password\0");
    payload
}
