//! The protocol as clients that are not ours see it: mysql_async here, pymysql in `pymysql`.

mod faults;
mod hostile;
mod models;
mod overwrite;
mod prepared;
mod pymysql;
mod statements;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value};

use crate::{Server, ServerConfig};

async fn server() -> Server {
    Server::start(ServerConfig::default()).await.unwrap()
}

fn options(server: &Server) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(server.mysql_addr().ip().to_string())
        .tcp_port(server.mysql_addr().port())
        .user(Some("root"))
        .prefer_socket(false)
}

pub(crate) async fn connect(server: &Server) -> Conn {
    Conn::new(Opts::from(options(server))).await.unwrap()
}

/// A server with database `ods`, and a connection to it.
async fn ods() -> (Server, Conn) {
    let server = server().await;
    let mut conn = connect(&server).await;
    conn.query_drop("CREATE DATABASE ods").await.unwrap();
    conn.query_drop("USE ods").await.unwrap();
    (server, conn)
}

/// Rows as text, NULL as `NULL`.
pub(crate) async fn rows(conn: &mut Conn, sql: &str) -> Vec<Vec<String>> {
    let rows: Vec<Row> = conn.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect()
}

/// The only value of a result.
async fn one(conn: &mut Conn, sql: &str) -> String {
    let rows = rows(conn, sql).await;
    assert_eq!((rows.len(), rows.first().map(Vec::len)), (1, Some(1)), "{sql}");
    rows[0][0].clone()
}

fn text(value: Value) -> String {
    match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        other => other.as_sql(true).trim_matches('\'').to_owned(),
    }
}

/// Code and text of the error that a statement ends with.
async fn error(conn: &mut Conn, sql: &str) -> (u16, String) {
    match conn.query_drop(sql).await {
        Err(mysql_async::Error::Server(error)) => (error.code, error.message),
        other => panic!("{sql}: {other:?}"),
    }
}
