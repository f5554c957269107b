//! One snapshot over several connections of servers that are not here, such as MySQL, a replica, and one that hangs: a server that answers as
//! a test says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datafusion::execution::TaskContext;
use mysql_common::constants::ColumnType;
use mysql_common::packets::Column;
use mysql_common::proto::MySerialize;

use parking_lot::Mutex;

use super::super::snapshot::{Seen, SnapshotPlan, Snapshots, begin_until_equal};
use crate::catalog::CatalogConfig;
use crate::error::{ConnectorError, ErrorCode};
use crate::mysql_protocol::connect::{ConnectionPool, Dialect};
use crate::mysql_protocol::options::ConnectionConfig;
use crate::scan_settings::SnapshotMode;

/// What the server says to a statement.
enum Reply {
    Done,
    /// At least one.
    Rows(Vec<Vec<String>>),
    Refused(u16, &'static str),
    Silence,
}

fn row<const N: usize>(values: [&str; N]) -> Reply {
    Reply::Rows(vec![values.map(str::to_owned).to_vec()])
}

fn variables(values: &[(&str, &str)]) -> Reply {
    Reply::Rows(values.iter().map(|(name, value)| vec![(*name).to_owned(), (*value).to_owned()]).collect())
}

const DENIED: Reply = Reply::Refused(1227, "Access denied; you need some privilege");
const UNKNOWN_VARIABLE: Reply = Reply::Refused(1193, "Unknown system variable");

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
            Reply::Rows(rows) => {
                self.send(&[rows[0].len() as u8]);
                for _ in &rows[0] {
                    let mut description = Vec::new();
                    Column::new(ColumnType::MYSQL_TYPE_VAR_STRING).with_character_set(45).serialize(&mut description);
                    self.send(&description);
                }
                for values in rows {
                    let texts: Vec<u8> =
                        values.iter().flat_map(|value| [&[value.len() as u8], value.as_bytes()].concat()).collect();
                    self.send(&texts);
                }
                self.send(&[0xfe, 0, 0, 2, 0, 0, 0]);
            }
            Reply::Silence => {}
        }
    }
}

const MYSQL: &str = "8.4.0";
const MARIADB: &str = "10.11.19-MariaDB-log";

/// A server of a version that answers so to what is no part of opening a session, and all that it is asked. It knows no limits of idle
/// transactions.
fn server(
    version: &'static str,
    answer: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> (ConnectionPool, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://root@127.0.0.1:{}/d", listener.local_addr().unwrap().port());
    let (answer, asked) = (Arc::new(answer), Arc::new(Mutex::new(Vec::new())));
    let all_asked = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, asked, stream) = (Arc::clone(&answer), Arc::clone(&asked), stream.unwrap());
            std::thread::spawn(move || {
                let mut client = Client { stream, sequence: 0 };
                client.greet();
                client.receive();
                client.reply(Reply::Done);
                while let Some(command) = client.receive() {
                    let text = String::from_utf8_lossy(&command[1..]).into_owned();
                    asked.lock().push(text.clone());
                    client.reply(match command[0] {
                        QUERY if text.starts_with("SELECT @@version") => row([version, ""]),
                        QUERY if text.starts_with("SET SESSION idle_transaction_timeout") => UNKNOWN_VARIABLE,
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
    (ConnectionPool::new(ConnectionConfig::parse(&config, 3306, &[]).unwrap(), Dialect::MySql), all_asked)
}

async fn begin_at(
    version: &'static str,
    answer: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> Result<Seen, ConnectorError> {
    let (pool, _) = server(version, answer);
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(pool.get().await.unwrap());
    }
    begin_until_equal(&mut connections).await
}

/// Of MySQL, whose binary log leaves nothing out.
async fn begin(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Result<Seen, ConnectorError> {
    begin_at(MYSQL, move |sql| match sql {
        VARIABLES => variables(&[("log_slave_updates", "OFF")]),
        other => answer(other),
    })
    .await
}

const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on', 'log_slave_updates', 'gtid_slave_pos', \
                         'binlog_do_db', 'binlog_ignore_db')";

#[tokio::test]
async fn gtids_that_stay_the_same_are_one_snapshot() {
    let seen = begin(|sql| match sql {
        BEGIN => Reply::Done,
        "SELECT @@GLOBAL.gtid_mode" => row(["ON"]),
        "SELECT @@GLOBAL.gtid_executed" => row(["3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,\n4e11fa47:1-7"]),
        "SHOW BINARY LOG STATUS" => row(["binlog.000007", "1234", "", "", ""]),
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
        "SHOW BINARY LOG STATUS" | "SHOW MASTER STATUS" => DENIED,
        // commits between before and after of the first two attempts
        _ => row([&format!("a:1-{}", asked.fetch_add(1, Ordering::SeqCst).min(4))]),
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
        "SHOW BINARY LOG STATUS" | "SHOW MASTER STATUS" => DENIED,
        _ => row([&format!("a:1-{}", asked.fetch_add(1, Ordering::SeqCst))]),
    });
    let seen = seen.await.unwrap();
    assert_eq!((seen.is_one, seen.attempts), (Some(false), 5));
}

#[tokio::test]
async fn without_gtids_the_end_of_the_binary_log_is_told_and_proves_nothing() {
    let binary_log = |sql: &str, may: bool| match sql {
        BEGIN => Reply::Done,
        "SELECT @@GLOBAL.gtid_mode" => row(["OFF"]),
        "SHOW BINARY LOG STATUS" if may => row(["binlog.000007", "1234", "", "", ""]),
        "SHOW BINARY LOG STATUS" => Reply::Refused(1064, "You have an error in your SQL syntax"),
        "SHOW MASTER STATUS" => DENIED,
        other => panic!("{other}"),
    };
    let seen = begin(move |sql| binary_log(sql, true)).await.unwrap();
    assert_eq!((seen.is_one, seen.attempts), (None, 1), "the log is flushed before a change is seen");
    assert_eq!(seen.position().as_deref(), Some("binlog.000007:1234"));
    assert!(seen.trouble.unwrap().contains("no GTIDs"));
    let seen = begin(move |sql| binary_log(sql, false)).await.unwrap();
    assert_eq!((seen.is_one, seen.attempts, seen.position()), (None, 1, None), "nothing tells");
}

#[tokio::test]
async fn a_server_without_such_transactions_is_read_all_the_same() {
    let seen = begin(|sql| match sql {
        BEGIN => Reply::Refused(1064, "You have an error in your SQL syntax"),
        _ => UNKNOWN_VARIABLE,
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

#[tokio::test]
async fn gtids_prove_nothing_where_changes_have_none() {
    for (wsrep, filter, why) in [("ON", "", "Galera"), ("OFF", "shop", "leaves databases out")] {
        let seen = begin_at(MYSQL, move |sql| match sql {
            BEGIN => Reply::Done,
            VARIABLES => variables(&[("wsrep_on", wsrep)]),
            "SELECT @@GLOBAL.gtid_mode" => row(["ON"]),
            "SELECT @@GLOBAL.gtid_executed" => row(["a:1-4"]),
            "SHOW BINARY LOG STATUS" => row(["binlog.000007", "1234", "", filter, ""]),
            other => panic!("{other}"),
        });
        let seen = seen.await.unwrap();
        assert_eq!((seen.is_one, seen.attempts, seen.position().as_deref()), (None, 1, Some("a:1-4")));
        assert!(seen.trouble.as_ref().unwrap().contains(why), "{seen:?}");
    }
}

/// Of a server of MariaDB at rest.
struct MariaDb {
    variables: Vec<(&'static str, &'static str)>,
    /// `Slaves_running`, unless the user may not see it.
    replica_threads: Option<&'static str>,
    /// Which databases are left out, by what only some users may see.
    ignored: Option<&'static str>,
}

impl MariaDb {
    fn new() -> Self {
        let variables = vec![("gtid_slave_pos", ""), ("log_slave_updates", "OFF"), ("wsrep_on", "OFF")];
        Self { variables, replica_threads: Some("0"), ignored: None }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value));
        self
    }

    fn answer(&self, sql: &str) -> Reply {
        match sql {
            BEGIN => Reply::Done,
            VARIABLES => variables(&self.variables),
            "SHOW GLOBAL STATUS LIKE 'Slaves_running'" => match self.replica_threads {
                Some(threads) => row(["Slaves_running", threads]),
                None => DENIED,
            },
            "SHOW MASTER STATUS" => self.ignored.map_or(DENIED, |ignored| row(["binlog.000001", "7", "", ignored])),
            "SHOW STATUS LIKE 'binlog_snapshot_%'" => {
                variables(&[("Binlog_snapshot_file", "binlog.000001"), ("Binlog_snapshot_position", "7")])
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn equal_positions_of_mariadb_prove_nothing_where_changes_are_not_in_its_log() {
    let new = MariaDb::new;
    let proof = [
        new(),
        MariaDb { ignored: Some(""), ..new() },
        MariaDb { replica_threads: Some("1"), ..new().with("log_slave_updates", "ON") },
        new().with("binlog_do_db", "").with("binlog_ignore_db", ""),
    ];
    for server in proof {
        let told = format!("{:?}", server.variables);
        let seen = begin_at(MARIADB, move |sql| server.answer(sql)).await.unwrap();
        assert_eq!((seen.is_one, seen.attempts, &seen.trouble), (Some(true), 1, &None), "{told}");
    }
    let none = [
        (MariaDb { replica_threads: Some("1"), ..new() }, "log_slave_updates = 0"),
        (MariaDb { replica_threads: None, ..new() }, "log_slave_updates = 0"),
        (new().with("wsrep_on", "ON").with("log_slave_updates", "ON"), "Galera"),
        (MariaDb { ignored: Some("shop"), ..new() }, "binlog_ignore_db"),
        (new().with("binlog_do_db", "shop").with("binlog_ignore_db", ""), "binlog_do_db"),
    ];
    for (server, why) in none {
        let seen = begin_at(MARIADB, move |sql| server.answer(sql)).await.unwrap();
        assert_eq!((seen.is_one, seen.position().as_deref()), (None, Some("binlog.000001:7")), "{why}");
        assert!(seen.trouble.as_ref().unwrap().contains(why), "{seen:?}");
    }
    let silent = begin_at(MARIADB, |sql| if sql == VARIABLES { DENIED } else { MariaDb::new().answer(sql) });
    assert_eq!(silent.await.unwrap().is_one, None);
}

#[tokio::test]
async fn replication_that_ran_only_while_transactions_began_is_noticed() {
    let asked = AtomicUsize::new(0);
    let seen = begin_at(MARIADB, move |sql| match sql {
        VARIABLES => {
            let at = ["0-1-7", "0-1-8"][asked.fetch_add(1, Ordering::SeqCst).min(1)];
            MariaDb::new().with("gtid_slave_pos", at).answer(sql)
        }
        other => MariaDb::new().answer(other),
    });
    let seen = seen.await.unwrap();
    assert_eq!(seen.is_one, None);
    assert!(seen.trouble.unwrap().contains("replication applied changes meanwhile"));
}

#[tokio::test]
async fn limits_of_idle_transactions_are_lifted_where_a_server_may_have_them() {
    for (version, asks) in [(MYSQL, false), (MARIADB, true)] {
        let (pool, asked) = server(version, |sql| panic!("{sql}"));
        // a server that does not know them is read all the same
        drop(pool.get().await.unwrap());
        let asked = asked.lock().clone();
        let has = |text: &str| asked.iter().any(|sql| sql.contains(text));
        assert!(has("SESSION wait_timeout = 86400"), "{asked:?}");
        let idle = "idle_transaction_timeout = 86400, SESSION idle_readonly_transaction_timeout = 86400";
        assert_eq!(has(idle), asks, "{asked:?}");
    }
}

#[tokio::test]
async fn a_lock_is_given_up_when_transactions_do_not_begin_within_five_seconds() {
    let (pool, asked) = server(MYSQL, |sql| match sql {
        BEGIN => Reply::Silence,
        "LOCK TABLES `d`.`t` READ" | "UNLOCK TABLES" => Reply::Done,
        _ => DENIED,
    });
    let tables = vec![("d".to_owned(), "t".to_owned())];
    let plan = SnapshotPlan { mode: SnapshotMode::Lock, tables, engine: None };
    let snapshot = Snapshots::new(plan, pool, 2).join(0, &Arc::new(TaskContext::default()));
    let began = Instant::now();
    let error = snapshot.take().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(error.is_retryable() && error.message().contains("took more than 5 s"), "{error}");
    let asked = asked.lock().clone();
    let at =
        |text: &str| asked.iter().position(|sql| sql.contains(text)).unwrap_or_else(|| panic!("{text}: {asked:?}"));
    // and a server keeps the lock of a client that is gone for half a minute at most
    assert!(at("SESSION wait_timeout = 30") < at("LOCK TABLES `d`"), "{asked:?}");
    assert!(at(BEGIN) < at("UNLOCK TABLES"), "{asked:?}");
}
