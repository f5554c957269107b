//! Clients that break the protocol, leave, or ask too much.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{connect, error, ods, one, server};
use crate::mysql::serve_at_most;
use crate::sql::{Addresses, Services};
use crate::storage::Warehouse;
use crate::{Faults, ServerConfig};

#[tokio::test]
async fn the_client_above_the_limit_is_told_so_and_a_free_place_is_used_again() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let addresses = Addresses { mysql: address, http: address, be: address };
    let services =
        Services::new(Warehouse::in_memory(), Arc::new(ServerConfig::default()), addresses, Faults::default()).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(serve_at_most(2, listener, Arc::new(services)));
    let open = async || Conn::new(Opts::from(client(address))).await;
    let (first, _second) = (open().await.unwrap(), open().await.unwrap());
    match open().await {
        Err(mysql_async::Error::Server(error)) => {
            assert_eq!((error.code, error.message.as_str()), (1040, "Too many connections"))
        }
        other => panic!("{other:?}"),
    }
    first.disconnect().await.unwrap();
    let mut next = open().await;
    for _ in 0..50 {
        if next.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        next = open().await;
    }
    assert_eq!(one(&mut next.unwrap(), "SELECT 1").await, "1");
}

fn client(address: SocketAddr) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(address.ip().to_string())
        .tcp_port(address.port())
        .user(Some("root"))
        .prefer_socket(false)
}

#[tokio::test]
async fn bytes_that_are_no_protocol_end_their_own_connection_only() {
    let server = server().await;
    let packets: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0, 0, 0, 1],
        &[1, 0, 0, 1, 0],
        &[0xff, 0xff, 0xff, 0xff, 0xff],
        &[4, 0, 0, 1, 0xff, 0xff, 0xff, 0xff],
        &[0xff; 100],
        &[],
    ];
    for packet in packets {
        let mut stream = TcpStream::connect(server.mysql_addr()).await.unwrap();
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).await.unwrap();
        stream.write_all(packet).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.unwrap().ok();
    }
    assert_eq!(one(&mut connect(&server).await, "SELECT 1").await, "1");
}

#[tokio::test]
async fn commands_that_are_unknown_or_malformed_are_errors() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.mysql_addr()).await.unwrap();
    read_packet(&mut stream).await;
    // protocol 4.1, secure connection; user root without a password
    let mut login = vec![0, 0x82, 0, 0];
    login.extend_from_slice(&[0; 28]);
    login.extend_from_slice(b"root\0\0");
    write_packet(&mut stream, 1, &login).await;
    assert_eq!(read_packet(&mut stream).await[0], 0, "logged in");
    let commands: [&[u8]; 9] = [
        &[],
        &[99],
        &[17, 1, 2],
        &[23],
        &[23, 1, 0, 0, 0, 0, 1, 0, 0, 0],
        &[3, 0xff, 0xfe],
        &[22, 0xff, 0xfe],
        &[3, b'x'],
        &[2, b'x'],
    ];
    for command in commands {
        write_packet(&mut stream, 0, command).await;
        assert_eq!(read_packet(&mut stream).await[0], 0xff, "{command:?}");
    }
    for ignored in [&[25, 1][..], &[24, 1], &[25, 9, 0, 0, 0]] {
        write_packet(&mut stream, 0, ignored).await;
    }
    write_packet(&mut stream, 0, &[14]).await;
    assert_eq!(read_packet(&mut stream).await[0], 0, "ping");
}

async fn write_packet(stream: &mut TcpStream, sequence: u8, payload: &[u8]) {
    let [low, middle, high, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
    stream.write_all(&[&[low, middle, high, sequence], payload].concat()).await.unwrap();
}

async fn read_packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.unwrap();
    let mut payload = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
    stream.read_exact(&mut payload).await.unwrap();
    payload
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_stopped() {
    let (_server, mut conn) = ods().await;
    conn.query_drop("CREATE TABLE t (k INT) DUPLICATE KEY(k)").await.unwrap();
    let values: Vec<String> = (0..60).map(|k| format!("({k})")).collect();
    conn.query_drop(format!("INSERT INTO t VALUES {}", values.join(","))).await.unwrap();
    conn.query_drop("SET query_timeout = 1").await.unwrap();
    let endless =
        "SELECT count(*) FROM t a, t b, t c, t d, t e, t f, t g WHERE a.k + b.k + c.k + d.k + e.k + f.k + g.k = -1";
    let stopped = tokio::time::timeout(Duration::from_secs(60), error(&mut conn, endless)).await.unwrap();
    assert_eq!(stopped.0, 1064);
    assert!(stopped.1.starts_with("Query exceeded time limit of 1 seconds"), "{}", stopped.1);
    assert_eq!(one(&mut conn, "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_result_does_not_hold_the_server() {
    let (server, mut conn) = ods().await;
    conn.query_drop("CREATE TABLE t (k INT) DUPLICATE KEY(k)").await.unwrap();
    let values: Vec<String> = (0..1000).map(|k| format!("({k})")).collect();
    conn.query_drop(format!("INSERT INTO t VALUES {}", values.join(","))).await.unwrap();
    let mut leaving = connect(&server).await;
    let mut result = leaving.query_iter("SELECT a.k FROM ods.t a, ods.t b, ods.t c").await.unwrap();
    let first: Option<mysql_async::Row> = result.next().await.unwrap();
    assert!(first.is_some());
    drop(result);
    // closes the socket without reading the thousand million rows that are left
    drop(leaving);
    assert_eq!(one(&mut conn, "SELECT count(*) FROM t").await, "1000");
    tokio::time::timeout(Duration::from_secs(10), server.stop()).await.unwrap();
}
