//! A real MariaDB as the target.

use super::mariadb::world_with_maria;
use super::*;
use crate::report::StatementStatus;

/// Runs a script in a database of its own, and tells what a query finds there afterwards.
async fn written(setup: &str, script: &str, query: &str) -> (RunReport, Vec<RunEvent>, Vec<String>) {
    let (world, session, database) = world_with_maria().await;
    world.write_file("log.csv", "1|é'\\\n2|\\N\n3|x\n");
    let named = |text: &str| text.replace("maria.d.", &format!("maria.{database}."));
    let (prepared, _) = run(&session, format!("CREATE DATABASE maria.{database};\n{}", named(setup)).as_str()).await;
    assert_eq!(prepared.status, RunStatus::Succeeded, "{:?}", prepared.error);
    let (report, events) = run(&session, world.script(&named(script))).await;
    let (read, found) = run(&session, named(query).as_str()).await;
    let (dropped, _) = run(&session, format!("DROP DATABASE maria.{database}").as_str()).await;
    assert_eq!(dropped.status, RunStatus::Succeeded, "{:?}", dropped.error);
    assert_eq!(read.status, RunStatus::Succeeded, "{:?}", read.error);
    (report, events, rows_of(&found))
}

#[tokio::test]
async fn rows_of_starrocks_files_and_views_arrive_in_mysql() {
    let (report, _, rows) = written(
        "CREATE TABLE maria.d.users (uid VARCHAR(20) PRIMARY KEY, gender VARCHAR(10) DEFAULT 'unset', age INT, dt DATE)",
        "INSERT INTO maria.d.users SELECT * FROM source.workshop.users;
         CREATE EXTERNAL TABLE log (id STRING, name STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' STORED AS TEXTFILE LOCATION 'log.csv';
         INSERT INTO maria.d.users BY NAME SELECT id AS uid, name AS gender, '2024-08-07' AS dt FROM log;
         CREATE VIEW older AS SELECT uid, age + 1 AS age FROM source.workshop.users;
         SET syncline.write_mode = 'update';
         INSERT INTO maria.d.users (uid, age) SELECT * FROM older;
         ASSERT (SELECT count(*) FROM maria.d.users) = 6",
        "SELECT * FROM maria.d.users ORDER BY uid",
    )
    .await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(
        rows,
        [
            "1|é'\\|NULL|2024-08-07",
            "2|NULL|NULL|2024-08-07",
            "3|x|NULL|2024-08-07",
            "u1|女|21|2024-08-07",
            "u2|NULL|31|2024-08-07",
            "u3||41|2024-08-06"
        ]
    );
    let first = &report.statements[0];
    assert_eq!((first.rows_read, first.rows_written, first.rows_rejected), (Some(3), Some(3), Some(0)));
    assert_eq!(first.write_mode.as_deref(), Some("transaction"));
    assert!(first.bytes_written.is_some_and(|bytes| bytes > 50) && first.labels.is_empty());
}

#[tokio::test]
async fn too_many_rejects_leave_nothing_and_batches_say_what_stays() {
    let setup = "CREATE TABLE maria.d.users (uid VARCHAR(20) PRIMARY KEY);
                 INSERT INTO maria.d.users VALUES ('u3')";
    let count = "SELECT count(*) FROM maria.d.users";
    let insert = "INSERT INTO maria.d.users SELECT uid FROM source.workshop.users ORDER BY uid";
    let (report, events, rows) = written(setup, insert, count).await;
    assert_eq!((report.status, report.exit_code()), (RunStatus::RolledBack, 1), "{:?}", report.error);
    assert!(
        error_of(&report).1.contains("`uid`: \"u3\" is there already in the unique key `PRIMARY`"),
        "{:?}",
        report.error
    );
    assert!(events.iter().any(|event| matches!(event, RunEvent::Rejects { count: 1, .. })));
    assert_eq!(rows, ["1"]);

    let batches = format!("SET syncline.transaction_rows = 1; SET syncline.batch_size = 1; {insert}");
    let (report, _, rows) = written(setup, &batches, count).await;
    assert_eq!((report.status, report.exit_code()), (RunStatus::PartlyCommitted, 3), "{:?}", report.error);
    let statement = &report.statements[2];
    assert_eq!((statement.status, statement.rows_written), (StatementStatus::PartlyCommitted, Some(2)));
    assert_eq!(statement.write_mode.as_deref(), Some("batches"));
    assert!(!report.can_resume && error_of(&report).1.contains("2 rows are committed and stay"), "{:?}", report.error);
    assert_eq!(rows, ["3"]);

    let allowed = format!("SET syncline.error_limit = '50%'; {batches}");
    let (report, events, rows) = written(setup, &allowed, count).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert!(warnings_of(&events).iter().any(|warning| warning.contains("in batches of up to 1 rows")));
    assert_eq!(rows, ["3"]);
}

#[tokio::test]
async fn explain_and_dry_runs_name_mode_and_guarantee_and_do_nothing() {
    let setup = "CREATE TABLE maria.d.users (uid VARCHAR(20) PRIMARY KEY)";
    let script = "EXPLAIN INSERT INTO maria.d.users PROPERTIES (\"write_mode\" = \"replace\") SELECT uid FROM source.workshop.users";
    let (report, events, rows) = written(setup, script, "SELECT count(*) FROM maria.d.users").await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let plan = rows_of(&events).join("\n");
    assert!(plan.contains("mode=replace (one transaction up to 1000000 rows, beyond that batches)"), "{plan}");
    assert_eq!(rows, ["0"]);
    for (properties, message) in [
        ("\"write_mode\" = \"single\"", "into MySQL it is one of insert, update, replace"),
        ("\"batchSiz\" = \"1\"", "did you mean \"batch_size\"?"),
        ("\"session\" = \"drop table t\"", "has no = behind drop"),
    ] {
        let script =
            format!("INSERT INTO maria.d.users PROPERTIES ({properties}) SELECT uid FROM source.workshop.users");
        let (report, _, _) = written(setup, &script, "SELECT 1 FROM maria.d.users").await;
        assert_eq!(report.exit_code(), 2, "{properties}: {:?}", report.error);
        assert!(error_of(&report).1.contains(message), "{:?}", report.error);
    }
}

#[tokio::test]
async fn settings_of_writes_into_mysql_are_checked_when_they_are_set() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let (report, _) = run(&session, "SET syncline.write_mode = 'replace'; SET syncline.batchSize = 7").await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    for (script, message) in [
        ("SET syncline.write_mode = 'replce'", "write_mode is"),
        ("SET syncline.batch_size = 'many'", "batch_size is"),
        ("SET syncline.null_mode = 'x'", "writeNull, skipNull"),
    ] {
        let (report, _) = run(&session, script).await;
        assert_eq!(report.exit_code(), 2, "{script}");
        assert!(error_of(&report).1.contains(message), "{script}: {:?}", report.error);
    }
}
