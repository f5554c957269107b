//! Faults at statements.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use super::{connect, error, ods, one};
use crate::{Fault, FaultKind};

#[tokio::test]
async fn a_statement_is_lost_before_or_after_its_execution() {
    let (server, mut conn) = ods().await;
    conn.query_drop("CREATE TABLE t (k INT)").await.unwrap();
    for (number, (kind, rows)) in [(FaultKind::RequestLost, "0"), (FaultKind::AnswerLost, "1")].into_iter().enumerate()
    {
        server.faults().arm(Fault::on_statement("insert into", kind));
        assert!(conn.query_drop("INSERT INTO ods.t VALUES (1)").await.is_err());
        conn = connect(&server).await;
        assert_eq!(one(&mut conn, "SELECT count(*) FROM ods.t").await, rows);
        assert_eq!(server.faults().fired().len(), number + 1);
    }
    server.faults().arm(Fault::on_statement("INSERT", FaultKind::AnswerLost));
    assert!(conn.exec_drop("INSERT INTO ods.t VALUES (?)", (2,)).await.is_err());
    conn = connect(&server).await;
    assert_eq!(one(&mut conn, "SELECT count(*) FROM ods.t").await, "2");
}

#[tokio::test]
async fn a_statement_is_refused_or_waits() {
    let (server, mut conn) = ods().await;
    server.faults().arm(Fault::on_statement("CREATE TABLE", FaultKind::Refuse("no backend alive".to_owned())));
    assert_eq!(error(&mut conn, "create table t (k int)").await, (1064, "no backend alive".to_owned()));
    conn.query_drop("CREATE TABLE t (k INT)").await.unwrap();
    for kind in [FaultKind::Delay, FaultKind::AnswerDelayed] {
        server.faults().arm(Fault::on_statement("DROP", kind(Duration::from_millis(200))));
        let begun = Instant::now();
        conn.query_drop("DROP TABLE IF EXISTS t").await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(200));
    }
}
