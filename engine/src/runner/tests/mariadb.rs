//! A real server as the source.

use std::time::{Duration, Instant};

use super::*;
use crate::report::StatementStatus;

/// The test server, such as `mysql://root@127.0.0.1:33306`.
fn server() -> String {
    std::env::var("SYNCLINE_TEST_MYSQL")
        .expect("SYNCLINE_TEST_MYSQL names no server; run the tests with tests/run, which starts one")
}

/// A world whose session has the server as catalog `maria`, and the name of a database that nobody else makes there.
pub(super) async fn world_with_maria() -> (World, Session, String) {
    let world = World::new().await;
    let options: Options = [("type", "mysql".to_owned()), ("url", server())].into_iter().collect();
    let session = world.builder().catalog("maria", options).build().await.unwrap().session();
    (world, session, format!("engine_{:08x}", rand::random::<u32>()))
}

#[tokio::test]
async fn rows_of_a_real_server_arrive_and_a_native_statement_can_be_stopped() {
    let (world, session, database) = world_with_maria().await;
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

#[tokio::test]
async fn the_report_says_as_of_when_a_table_was_read_by_several_connections() {
    let (_world, session, database) = world_with_maria().await;
    let people: Vec<String> = (0..20_000).map(|uid| format!("({uid}, 'x', 1, '2024-08-07')")).collect();
    let people = people.join(", ");
    let script = format!(
        "CREATE DATABASE maria.{database};
         CREATE TABLE maria.{database}.people (uid BIGINT PRIMARY KEY, gender VARCHAR(10), age INT, dt DATE);
         INSERT INTO maria.{database}.people VALUES {people};
         ANALYZE TABLE maria.{database}.people;
         SET syncline.split_rows = 1000;
         SET syncline.max_rows_per_second = 20000;
         INSERT INTO target.ods.users SELECT CAST(uid AS VARCHAR), gender, age, dt FROM maria.{database}.people;
         SET syncline.max_rows_per_second = -1;
         SET syncline.snapshot = 'off';
         INSERT INTO target.ods.users PROPERTIES (\"max_connections\" = \"1\")
           SELECT CAST(uid AS VARCHAR), gender, age, dt FROM maria.{database}.people;
         SELECT count(p.age) FROM maria.{database}.people p JOIN target.ods.users u ON p.gender = u.uid"
    );
    let (report, _) = run(&session, script.as_str()).await;
    let (dropped, _) = run(&session, format!("DROP DATABASE maria.{database}").as_str()).await;
    assert_eq!(dropped.status, RunStatus::Succeeded, "{:?}", dropped.error);
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let statement = |index: usize| serde_json::to_value(&report.statements[index - 1]).unwrap();
    let read = statement(7);
    assert_eq!(read["rows_written"], 20_000, "{read}");
    assert!(read["seconds"].as_f64().unwrap() >= 0.8, "limited in speed: {read}");
    let note = &read["snapshot"][0];
    assert_eq!(note["catalog"], "maria");
    assert_eq!(note["table"], format!("{database}.people"));
    assert!(note["connections"].as_u64().unwrap() > 1, "{note}");
    assert!(note["one_snapshot"].is_boolean() && note["attempts"].as_u64().unwrap() > 0, "{note}");
    assert!(note["position"].as_str().unwrap().contains(':'), "{note}");
    let warned = read["warnings"].to_string().contains("do not see one state");
    assert_eq!(warned, note["one_snapshot"] == false, "{read}");
    // one connection has one query
    let one = statement(10);
    assert!(one["snapshot"].as_array().unwrap().is_empty(), "{one}");
    let off = &statement(11)["snapshot"][0];
    assert_eq!((&off["one_snapshot"], &off["position"]), (&false.into(), &serde_json::Value::Null), "{off}");
    assert!(statement(11)["warnings"].as_array().unwrap().is_empty(), "it was asked for");
}

#[tokio::test]
async fn settings_of_speed_and_snapshots_with_bad_values_are_found_before_anything_runs() {
    let world = World::new().await;
    let session = world.engine().await.session();
    for (script, message) in [
        ("SET syncline.max_bytes_per_second = 'fast'", "a size such as 64MB"),
        ("SET syncline.max_rows_per_second = 0", "more than 0"),
        ("SET syncline.max_connections = 'all'", "from 1 to 64"),
        ("SET syncline.snapshot = 'always'", "one of auto, lock, off"),
    ] {
        let (report, _) = run(&session, script).await;
        assert_eq!(report.exit_code(), 2, "{script}");
        assert!(error_of(&report).1.contains(message), "{script}: {:?}", report.error);
    }
}

#[tokio::test]
async fn patterns_of_tables_stand_for_no_views_and_one_table_is_read_once() {
    let (_world, session, database) = world_with_maria().await;
    let script = format!(
        "CREATE DATABASE maria.{database};
         USE maria.{database};
         CREATE TABLE maria.{database}.orders_1 (id INT);
         CREATE TABLE maria.{database}.orders_2 (id INT) WITH SYSTEM VERSIONING;
         INSERT INTO maria.{database}.orders_1 VALUES (1);
         INSERT INTO maria.{database}.orders_2 VALUES (2);
         CALL remote_execute('maria', 'CREATE VIEW {database}.orders_3 AS SELECT id FROM {database}.orders_1 UNION ALL SELECT id FROM {database}.orders_2');
         SELECT count(*) FROM TABLES('maria.{database}.orders_*');
         SELECT count(*) FROM TABLES('maria.{database}.orders_?', 'maria.{database}.orders_3');
         SELECT count(*) FROM TABLES('maria.{database}.orders_3', 'maria.{database}.orders_[1-3]');
         SELECT count(*) FROM TABLES('maria.{database}.orders_1', 'maria.{database}.Orders_1', 'maria.{database}.orders_[1-2]')"
    );
    let (report, events) = run(&session, script.as_str()).await;
    let (of_range, _) = run(&session, format!("SELECT id FROM TABLES('maria.{database}.orders_[1-3]')").as_str()).await;
    let (of_view, _) = run(&session, format!("SELECT id FROM TABLES('maria.{database}.*_3')").as_str()).await;
    let (dropped, _) = run(&session, format!("DROP DATABASE maria.{database}").as_str()).await;
    assert_eq!(dropped.status, RunStatus::Succeeded, "{:?}", dropped.error);
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(rows_of(&events), ["2", "4", "4", "2"]);
    let message = of_range.error.unwrap().message;
    assert!(message.contains(&format!("maria.{database}.orders_3 is a view, and a range of TABLES")), "{message}");
    let message = of_view.error.unwrap().message;
    assert!(message.contains("matches no table of maria"), "{message}");
}

#[tokio::test]
async fn a_remote_query_may_repeat_names_and_name_its_database() {
    let (_world, session, database) = world_with_maria().await;
    let script = format!(
        "CREATE DATABASE maria.{database};
         CREATE TABLE maria.{database}.t (a INT, b INT);
         CALL remote_execute('maria', 'INSERT INTO t VALUES (1, 2), (3, 4)', '{database}');
         SELECT * FROM remote_query('maria', 'SELECT a, b, a, 0 AS a_2, ''x'', ''x'' FROM t WHERE a > 0--2 ORDER BY a LIMIT 1', '{database}');
         SELECT a_3 FROM remote_query('maria', 'SELECT a, b, a, 0 AS a_2 FROM t UNION ALL SELECT 5, 6, 7, 8', '{database}');
         DELETE FROM maria.{database}.t WHERE a > 5--1 OR a = 3;
         ; SELECT count(*) FROM maria.{database}.t"
    );
    let (report, events) = run(&session, script.as_str()).await;
    let (dropped, _) = run(&session, format!("DROP DATABASE maria.{database}").as_str()).await;
    assert_eq!(dropped.status, RunStatus::Succeeded, "{:?}", dropped.error);
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(rows_of(&events), ["3|4|3|0|x|x", "1", "3", "7", "1"]);
}
