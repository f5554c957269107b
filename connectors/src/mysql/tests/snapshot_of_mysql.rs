//! One snapshot over several connections of MySQL, which tells no transaction's own position: a server that answers as a test says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mysql_common::constants::ColumnType;
use mysql_common::packets::Column;
use mysql_common::proto::MySerialize;

use super::super::snapshot::{Seen, begin_until_equal};
use crate::catalog::CatalogConfig;
use crate::error::{ConnectorError, ErrorCode};
use crate::mysql_protocol::connect::{Connection, ConnectionPool, Dialect};
use crate::mysql_protocol::options::ConnectionConfig;

/// What the server says to a statement.
enum Reply {
    Done,
    Row(Vec<String>),
    Refused(u16, &'static str),
}

fn row<const N: usize>(values: [&str; N]) -> Reply {
    Reply::Row(values.map(str::to_owned).to_vec())
}

/// All flags that a server of MySQL 8 without TLS offers.
const OFFERED: u32 = 0xdfff_f7ff;
const QUERY: u8 = 3;

struct Client {
    stream: TcpStream,
    sequence: u8,
}

impl Client {
    fn send(&mut self, payload: &[u8]) {
        let length = (payload.len() as u32).to_le_bytes();
        let header = [length[0], length[1], length[2], self.sequence];
        self.sequence = self.sequence.wrapping_add(1);
        drop(self.stream.write_all(&[&header, payload].concat()));
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header).ok()?;
        let mut payload = vec![0; u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        self.sequence = header[3].wrapping_add(1);
        Some(payload)
    }

    fn greet(&mut self) {
        let mut greeting = b"\x0a8.4.0\0\x07\0\0\x0012345678\0".to_vec();
        greeting.extend_from_slice(&(OFFERED as u16).to_le_bytes());
        greeting.extend_from_slice(&[45, 2, 0]);
        greeting.extend_from_slice(&((OFFERED >> 16) as u16).to_le_bytes());
        greeting.push(21);
        greeting.extend_from_slice(&[0; 10]);
        greeting.extend_from_slice(b"abcdefghijkl\0mysql_native_password\0");
        self.send(&greeting);
    }

    fn reply(&mut self, reply: Reply) {
        match reply {
            Reply::Done => self.send(&[0, 0, 0, 2, 0, 0, 0]),
            Reply::Refused(code, message) => {
                let code = code.to_le_bytes();
                self.send(&[&[0xff, code[0], code[1]], b"#42000".as_slice(), message.as_bytes()].concat());
            }
            Reply::Row(values) => {
                self.send(&[values.len() as u8]);
                for _ in &values {
                    let mut description = Vec::new();
                    Column::new(ColumnType::MYSQL_TYPE_VAR_STRING).with_character_set(45).serialize(&mut description);
                    self.send(&description);
                }
                let texts: Vec<u8> =
                    values.iter().flat_map(|value| [&[value.len() as u8], value.as_bytes()].concat()).collect();
                self.send(&texts);
                self.send(&[0xfe, 0, 0, 2, 0, 0, 0]);
            }
        }
    }
}

/// Connections to a server that answers so to what is no part of opening a session.
async fn connections(count: usize, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Vec<Connection> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://root@127.0.0.1:{}/d", listener.local_addr().unwrap().port());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().take(count) {
            let (answer, stream) = (Arc::clone(&answer), stream.unwrap());
            std::thread::spawn(move || {
                let mut client = Client { stream, sequence: 0 };
                client.greet();
                client.receive();
                client.reply(Reply::Done);
                while let Some(command) = client.receive() {
                    let text = String::from_utf8_lossy(&command[1..]).into_owned();
                    client.reply(match command[0] {
                        QUERY if text.starts_with("SELECT @@version") => row(["8.4.0", ""]),
                        QUERY if text.starts_with("SET ") || text == "ROLLBACK" => Reply::Done,
                        QUERY => answer(&text),
                        _ => Reply::Refused(1295, "not in this test"),
                    });
                }
            });
        }
    });
    let options = [("url", url.as_str()), ("ssl_mode", "disabled")].into_iter().collect();
    let config = CatalogConfig { name: "shop".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    let pool = ConnectionPool::new(ConnectionConfig::parse(&config, 3306, &[]).unwrap(), Dialect::MySql);
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(pool.get().await.unwrap());
    }
    open
}

async fn begin(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Result<Seen, ConnectorError> {
    begin_until_equal(&mut connections(3, answer).await).await
}

const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

#[tokio::test]
async fn gtids_that_stay_the_same_are_one_snapshot() {
    let seen = begin(|sql| match sql {
        BEGIN => Reply::Done,
        "SELECT @@GLOBAL.gtid_mode" => row(["ON"]),
        "SELECT @@GLOBAL.gtid_executed" => row(["3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,\n4e11fa47:1-7"]),
        other => panic!("{other}"),
    });
    let seen = seen.await.unwrap();
    assert_eq!((seen.is_one, seen.attempts), (Some(true), 1));
    assert_eq!(seen.position().unwrap(), "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,4e11fa47:1-7");
}

#[tokio::test]
async fn gtids_that_move_make_all_begin_again_until_they_rest() {
    let asked = AtomicUsize::new(0);
    let seen = begin(move |sql| match sql {
        BEGIN => Reply::Done,
        "SELECT @@GLOBAL.gtid_mode" => row(["ON"]),
        // commits between before and after of the first two attempts
        _ => Reply::Row(vec![format!("a:1-{}", asked.fetch_add(1, Ordering::SeqCst).min(4))]),
    });
    let seen = seen.await.unwrap();
    assert_eq!((seen.is_one, seen.attempts, seen.position().as_deref()), (Some(true), 3, Some("a:1-4")));
}

#[tokio::test]
async fn gtids_that_never_rest_end_after_five_tries() {
    let asked = AtomicUsize::new(0);
    let seen = begin(move |sql| match sql {
        BEGIN => Reply::Done,
        "SELECT @@GLOBAL.gtid_mode" => row(["ON"]),
        _ => Reply::Row(vec![format!("a:1-{}", asked.fetch_add(1, Ordering::SeqCst))]),
    });
    let seen = seen.await.unwrap();
    assert_eq!((seen.is_one, seen.attempts), (Some(false), 5));
}

#[tokio::test]
async fn without_gtids_the_end_of_the_binary_log_tells_where_the_user_may_see_it() {
    let binary_log = |sql: &str, may: bool| match sql {
        BEGIN => Reply::Done,
        "SELECT @@GLOBAL.gtid_mode" => row(["OFF"]),
        "SHOW BINARY LOG STATUS" if may => row(["binlog.000007", "1234", "", "", ""]),
        "SHOW BINARY LOG STATUS" => Reply::Refused(1064, "You have an error in your SQL syntax"),
        "SHOW MASTER STATUS" => Reply::Refused(1227, "Access denied; you need REPLICATION CLIENT"),
        other => panic!("{other}"),
    };
    let seen = begin(move |sql| binary_log(sql, true)).await.unwrap();
    assert_eq!((seen.is_one, seen.position().as_deref()), (Some(true), Some("binlog.000007:1234")));
    let seen = begin(move |sql| binary_log(sql, false)).await.unwrap();
    assert_eq!((seen.is_one, seen.attempts, seen.position()), (None, 1, None), "nothing tells");
}

#[tokio::test]
async fn a_server_without_such_transactions_is_read_all_the_same() {
    let seen = begin(|sql| match sql {
        BEGIN => Reply::Refused(1064, "You have an error in your SQL syntax"),
        _ => Reply::Refused(1193, "Unknown system variable"),
    });
    let seen = seen.await.unwrap();
    assert_eq!(seen.is_one, None);
    assert!(seen.trouble.unwrap().contains("begins no transaction with a snapshot"));
}

#[tokio::test]
async fn a_server_that_lost_its_mind_while_transactions_begin_is_an_error() {
    let error = begin(|sql| match sql {
        BEGIN => Reply::Refused(1053, "Server shutdown in progress"),
        _ => row(["ON"]),
    });
    let error = error.await.unwrap_err();
    assert!(error.is_retryable() && error.code() == ErrorCode::Connection, "{error}");
}
