//! A real server as the source.

use std::time::{Duration, Instant};

use super::*;
use crate::report::StatementStatus;

/// The test server, such as `mysql://root@127.0.0.1:33306`.
fn server() -> String {
    std::env::var("SYNCLINE_TEST_MYSQL")
        .expect("SYNCLINE_TEST_MYSQL names no server; run the tests with tests/run, which starts one")
}

#[tokio::test]
async fn rows_of_a_real_server_arrive_and_a_native_statement_can_be_stopped() {
    let world = World::new().await;
    let database = format!("engine_{:08x}", rand::random::<u32>());
    let options: Options = [("type", "mysql".to_owned()), ("url", server())].into_iter().collect();
    let engine = world.builder().catalog("maria", options).build().await.unwrap();
    let session = engine.session();
    let script = format!(
        "CREATE DATABASE maria.{database};
         CREATE TABLE maria.{database}.people (uid VARCHAR(20), gender VARCHAR(10), age INT, dt DATE);
         INSERT INTO maria.{database}.people VALUES ('a', '\\\\', 1, '2024-08-07'), ('b😀', NULL, -2, NULL);
         INSERT INTO target.ods.users SELECT * FROM maria.{database}.people;
         ASSERT (SELECT count(*) FROM target.ods.users t JOIN maria.{database}.people p ON t.uid = p.uid WHERE p.dt = '20240807') = 1"
    );
    let (report, _) = run(&session, script.as_str()).await;
    let rows = world.rows("SELECT uid, gender, age, dt FROM target.ods.users").await;

    let mut running = session.start("USE maria; SELECT SLEEP(60)", RunOptions::default().interactive(true)).unwrap();
    while !matches!(running.next().await, Some(RunEvent::StatementStarted { index: 2, .. })) {}
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopped = Instant::now();
    let cancelled = running.cancel().await.unwrap();
    let took = stopped.elapsed();

    let (dropped, _) = run(&session, format!("DROP DATABASE maria.{database}").as_str()).await;
    assert_eq!(dropped.status, RunStatus::Succeeded, "{:?}", dropped.error);
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(rows, ["a|\\|1|2024-08-07", "b😀|NULL|-2|NULL"]);
    assert_eq!(report.statements[3].bytes_read.map(|bytes| bytes > 0), Some(true));
    assert_eq!((cancelled.status, cancelled.statements[1].status), (RunStatus::Cancelled, StatementStatus::Cancelled));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
