//! The client of the protocol beside mysql_async, another one: the same values from the same server.

use mysql_async::prelude::Queryable;
use mysql_common::Value;

use super::types::VALUES;
use super::{TestDatabase, driver_connection};
use crate::mysql_protocol::connect::Connection;

async fn connection(database: &TestDatabase) -> Connection {
    let mut connection = database.catalog.pool().get().await.unwrap();
    connection.use_database(&database.name).await.unwrap();
    connection
}

fn values(rows: Vec<mysql_common::Row>) -> Vec<Vec<Value>> {
    rows.into_iter().map(mysql_common::Row::unwrap).collect()
}

#[tokio::test]
async fn every_value_of_every_type_is_the_same_as_mysql_async_reads_by_both_protocols() {
    let database = TestDatabase::new().await;
    let mut ours = connection(&database).await;
    let mut theirs = driver_connection().await;
    let session = format!("SET NAMES utf8mb4, time_zone = '+08:00', sql_mode = ''; USE `{}`", database.name);
    theirs.query_drop(session).await.unwrap();
    for (index, (definition, literals)) in VALUES.iter().enumerate() {
        let table = format!("t{index}");
        theirs.query_drop(format!("CREATE TABLE {table} (id INT PRIMARY KEY, v {definition} NULL)")).await.unwrap();
        let mut literals: Vec<&str> = literals.iter().map(|(literal, _)| *literal).collect();
        literals.push("NULL");
        if definition.starts_with("date") || definition.starts_with("timestamp") {
            literals.extend(["'0000-00-00'"]);
        }
        if definition.starts_with("date") {
            literals.extend(["'2024-00-10'", "'2024-08-00'"]);
        }
        for (id, literal) in literals.iter().enumerate() {
            theirs.query_drop(format!("INSERT INTO {table} VALUES ({id}, {literal})")).await.unwrap();
        }
        let sql = format!("SELECT v, id FROM {table} WHERE id >= ? ORDER BY id");
        let expected: Vec<mysql_async::Row> = theirs.exec(&sql, (0,)).await.unwrap();
        assert_eq!(expected.len(), literals.len());
        let found = ours.query_bound(&sql, &[Value::Int(0)]).await.unwrap();
        assert_eq!(values(found), values(expected), "{definition} by the binary protocol");
        let sql = sql.replace('?', "0");
        let expected: Vec<mysql_async::Row> = theirs.query(&sql).await.unwrap();
        let found = ours.query(&sql).await.unwrap();
        assert_eq!(values(found), values(expected), "{definition} by the text protocol");
    }
    theirs.disconnect().await.unwrap();
}

#[tokio::test]
async fn bound_values_of_every_kind_arrive_as_they_are() {
    let database = TestDatabase::new().await;
    let mut ours = connection(&database).await;
    let mut bound = vec![
        Value::NULL,
        Value::Int(i64::MIN),
        Value::UInt(u64::MAX),
        Value::Double(-0.1),
        Value::Bytes("it's é😀\0\\".as_bytes().to_vec()),
        Value::Bytes(vec![b'x'; 70_000]),
        Value::Date(2024, 8, 7, 12, 34, 56, 789),
        Value::Time(true, 34, 22, 59, 59, 1),
        Value::NULL,
    ];
    // More than a byte of NULL bits.
    bound.extend(vec![Value::NULL; 9]);
    let sql = format!("SELECT {}", vec!["?"; bound.len()].join(", "));
    for _ in 0..2 {
        let rows = values(ours.query_bound(&sql, &bound).await.unwrap());
        assert_eq!(rows, [bound.clone()]);
    }
    let error = ours.query_bound("SELECT ?", &[]).await.unwrap_err();
    assert!(error.message().contains("number of values"), "{error}");
    ours.release();
}

#[tokio::test]
async fn a_login_by_each_way_of_the_server_reaches_it() {
    let database = TestDatabase::new().await;
    let mut theirs = driver_connection().await;
    let name = &database.name;
    let user = |kind: &str| format!("{}_{kind}", &name[name.len().saturating_sub(20)..]);
    for (kind, identified) in [
        ("native", "VIA mysql_native_password USING PASSWORD('hunter2')"),
        ("none", "BY ''"),
        ("long", "BY 'pässwörd ''\\\\ with 😀'"),
    ] {
        theirs.query_drop(format!("CREATE USER `{}`@`%` IDENTIFIED {identified}", user(kind))).await.unwrap();
    }
    let mut outcomes = Vec::new();
    for (kind, password, works) in [
        ("native", "hunter2", true),
        ("native", "hunter3", false),
        ("none", "", true),
        ("none", "x", false),
        ("long", "pässwörd '\\ with 😀", true),
    ] {
        for mode in ["disabled", "required"] {
            let catalog = super::catalog(&[("user", &user(kind)), ("password", password), ("ssl_mode", mode)]);
            let outcome = catalog.pool().get().await.map(|connection| connection.uses_tls());
            outcomes.push((kind, password, mode, works, outcome));
        }
    }
    for kind in ["native", "none", "long"] {
        theirs.query_drop(format!("DROP USER `{}`@`%`", user(kind))).await.unwrap();
    }
    theirs.disconnect().await.unwrap();
    for (kind, password, mode, works, outcome) in outcomes {
        match outcome {
            Ok(tls) => assert!(works && tls == (mode == "required"), "{kind} {password} {mode}"),
            Err(error) => {
                assert!(!works && error.code() == crate::error::ErrorCode::Login, "{kind} {password} {mode}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_statement_that_is_prepared_again_or_fails_leaves_the_connection_in_use() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)"]).await;
    let mut ours = connection(&database).await;
    let sql = "SELECT id FROM t WHERE id >= ? ORDER BY id";
    assert_eq!(ours.query_bound(sql, &[Value::Int(2)]).await.unwrap().len(), 2);
    database.run(&["ALTER TABLE t ADD COLUMN v INT"]).await;
    assert_eq!(ours.query_bound(sql, &[Value::Int(3)]).await.unwrap().len(), 1);
    assert!(ours.query_bound("SELECT x FROM t", &[]).await.is_err());
    assert!(ours.query("SELECT x FROM t").await.is_err());
    assert_eq!(ours.query("SELECT 1; SELECT 2").await.unwrap().len(), 1);
    assert!(ours.query("SELECT 1; SELEC 2").await.is_err());
    database.run(&["DROP TABLE t"]).await;
    assert!(ours.query_bound(sql, &[Value::Int(3)]).await.is_err());
    assert_eq!(ours.query_bound("SELECT 7", &[]).await.unwrap().len(), 1);
    ours.release();
}
