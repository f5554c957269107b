//! What each `ssl_mode` lets through, against a server of the handshake alone: it speaks TLS with a certificate for `db.example`
//! from an authority of the test, reads the login, and refuses it. A refused login therefore means that TLS was accepted.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::catalog::CatalogConfig;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mysql_protocol/testdata");

/// The protocol's capability flags that the handshake needs.
const PROTOCOL_41: u32 = 0x0200;
const SSL: u32 = 0x0800;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x0008_0000;

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = (payload.len() as u32).to_le_bytes()[..3].to_vec();
    packet.push(sequence);
    packet.extend_from_slice(payload);
    packet
}

fn greeting(capabilities: u32) -> Vec<u8> {
    let mut payload = vec![10];
    payload.extend_from_slice(b"8.0.99\0");
    payload.extend_from_slice(&7_u32.to_le_bytes());
    payload.extend_from_slice(b"12345678\0");
    payload.extend_from_slice(&(capabilities as u16).to_le_bytes());
    payload.push(45);
    payload.extend_from_slice(&2_u16.to_le_bytes());
    payload.extend_from_slice(&((capabilities >> 16) as u16).to_le_bytes());
    payload.push(21);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"123456789012\0");
    payload.extend_from_slice(b"mysql_native_password\0");
    packet(0, &payload)
}

fn read_packet(stream: &mut impl Read) -> std::io::Result<u8> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    stream.read_exact(&mut vec![0; length as usize])?;
    Ok(header[3])
}

fn refuse(stream: &mut (impl Read + Write)) -> std::io::Result<()> {
    let sequence = read_packet(stream)?;
    let mut error = vec![0xff];
    error.extend_from_slice(&1045_u16.to_le_bytes());
    error.extend_from_slice(b"#28000Access denied");
    stream.write_all(&packet(sequence + 1, &error))?;
    stream.flush()
}

/// Serves connections until the test's process ends; says the port.
fn serve(offers_tls: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificate = CertificateDer::from_pem_file(format!("{DATA}/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{DATA}/server.key")).unwrap();
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let config = Arc::new(config);
    let answer = move |mut stream: TcpStream| -> std::io::Result<()> {
        let flags = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH | if offers_tls { SSL } else { 0 };
        stream.write_all(&greeting(flags))?;
        if !offers_tls {
            return refuse(&mut stream);
        }
        read_packet(&mut stream)?;
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        refuse(&mut rustls::StreamOwned::new(connection, stream))
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that refuses the certificate goes away.
            drop(answer(stream));
        }
    });
    port
}

async fn connect(port: u16, mode: &str, authority: Option<&str>) -> ConnectorError {
    let url = format!("mysql://root:secret@127.0.0.1:{port}/d");
    let mut options: crate::options::Options = [("url", url.as_str()), ("ssl_mode", mode)].into_iter().collect();
    if let Some(file) = authority {
        options.set("ssl_ca", format!("{DATA}/{file}"));
    }
    let config = CatalogConfig { name: "shop".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    let config = ConnectionConfig::parse(&config, 3306, &[]).unwrap();
    ConnectionPool::new(config, Dialect::MySql).get().await.unwrap_err()
}

#[tokio::test]
async fn each_mode_checks_what_mysql_says_it_checks() {
    let port = serve(true);
    for (mode, authority, expected) in [
        ("disabled", None, ErrorCode::Connection),
        ("preferred", None, ErrorCode::Login),
        ("required", None, ErrorCode::Login),
        ("required", Some("other.pem"), ErrorCode::Login),
        ("verify_ca", Some("ca.pem"), ErrorCode::Login),
        ("verify_ca", Some("other.pem"), ErrorCode::Connection),
        ("verify_ca", None, ErrorCode::Connection),
        ("verify_identity", Some("ca.pem"), ErrorCode::Connection),
        ("verify_identity", Some("other.pem"), ErrorCode::Connection),
    ] {
        let error = connect(port, mode, authority).await;
        assert_eq!(error.code(), expected, "{mode} {authority:?}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        if mode.starts_with("verify") && expected == ErrorCode::Connection {
            assert!(error.message().contains("TLS failed") && !error.is_retryable(), "{mode} {authority:?}: {error}");
        }
    }
}

#[tokio::test]
async fn without_tls_on_the_server_only_disabled_and_preferred_log_in() {
    let port = serve(false);
    for (mode, expected) in [
        ("disabled", ErrorCode::Login),
        ("preferred", ErrorCode::Login),
        ("required", ErrorCode::Connection),
        ("verify_ca", ErrorCode::Connection),
        ("verify_identity", ErrorCode::Connection),
    ] {
        let error = connect(port, mode, None).await;
        assert_eq!(error.code(), expected, "{mode}: {error}");
    }
}

#[tokio::test]
async fn a_certificate_file_that_cannot_be_read_is_an_error() {
    let error = connect(serve(true), "verify_ca", Some("no-such-file.pem")).await;
    assert!(error.message().contains("No such file"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://root@127.0.0.1:{}/d", listener.local_addr().unwrap().port());
    let options = [("url", url.as_str()), ("connect_timeout", "100ms")].into_iter().collect();
    let config = CatalogConfig { name: "shop".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    let config = ConnectionConfig::parse(&config, 3306, &[]).unwrap();
    let error = ConnectionPool::new(config, Dialect::MySql).get().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.is_retryable() && error.message().contains("connect_timeout"), "{error}");
}

#[tokio::test]
async fn something_that_is_no_mysql_server_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let error = connect(port, "disabled", None).await;
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains(&port.to_string()), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_tried_again_and_given_up_after_three_attempts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let attempts = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // The first two meet a server that restarts, the third one that runs, the rest one that is gone.
            if counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 2 {
                drop(stream.write_all(&greeting(PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH)));
                drop(refuse(&mut stream));
            }
        }
    });
    let attempts = || attempts.load(std::sync::atomic::Ordering::SeqCst);
    let error = connect(port, "disabled", None).await;
    assert_eq!((error.code(), attempts()), (ErrorCode::Login, 3), "{error}");
    let error = connect(port, "disabled", None).await;
    assert_eq!((error.code(), attempts()), (ErrorCode::Connection, 6), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_starrocks_session_has_no_limit_on_the_rows_of_a_select() {
    let url = std::env::var("SYNCLINE_TEST_MYSQL")
        .expect("SYNCLINE_TEST_MYSQL is not set: run the tests with tests/run, which starts a MariaDB server");
    let options = [("url", format!("{url}/"))].iter().map(|(name, url)| (*name, url.as_str())).collect();
    let config = CatalogConfig { name: "sr".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    let config = ConnectionConfig::parse(&config, 3306, &[]).unwrap();
    // The server's own default is another number, so that this one was set.
    let mut connection = ConnectionPool::new(config, Dialect::StarRocks).get().await.unwrap();
    let rows = connection.query("SELECT CAST(@@session.sql_select_limit AS CHAR)").await.unwrap();
    let limit: String = rows.into_iter().next().unwrap().take(0).unwrap();
    assert_eq!(limit, "9223372036854775807");
}
