//! The job that everything is measured by.

use super::*;
use crate::report::{StatementKind, StatementStatus};

const JOB: &str = "
CREATE DATABASE IF NOT EXISTS target.ods;
CREATE TABLE IF NOT EXISTS target.ods_raw_log_d (col STRING COMMENT 'Log', dt DATE NOT NULL COMMENT 'The time')
  DUPLICATE KEY(col) PARTITION BY(dt) PROPERTIES (\"replication_num\" = \"1\");
CREATE TABLE IF NOT EXISTS target.ods_user_info_d (uid STRING COMMENT 'The user ID', gender STRING, age_range STRING,
  zodiac STRING, dt STRING NOT NULL COMMENT 'The time') DUPLICATE KEY(uid) PARTITION BY(dt) PROPERTIES (\"replication_num\" = \"1\");
ALTER TABLE target.ods_raw_log_d DROP PARTITION IF EXISTS p${bizdate} FORCE;
ALTER TABLE target.ods_user_info_d DROP PARTITION IF EXISTS p${bizdate} FORCE;

CREATE EXTERNAL TABLE IF NOT EXISTS user_log (col STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' STORED AS TEXTFILE
  LOCATION 'user_log.txt';
INSERT INTO target.ods_raw_log_d SELECT col, '$<bizdate>' FROM user_log;
INSERT INTO target.ods_user_info_d BY NAME
  SELECT uid, gender, age_range, zodiac, '${bizdate}' AS dt FROM source.ods_user_info_d;
ASSERT (SELECT count(*) FROM target.ods_raw_log_d WHERE dt = '${bizdate}') > 0 AS 'no log rows for ${bizdate}';
";

async fn tutorial() -> World {
    let world = World::empty().await;
    world.write_file("user_log.txt", "first ##@@ line\n\n\\N\nits 'quote' \"and\" \\ back\nlast without newline");
    world
        .set_up(
        "CREATE DATABASE source.workshop;
         CREATE TABLE source.workshop.ods_user_info_d (uid STRING, gender STRING, age_range STRING, zodiac STRING) DUPLICATE KEY(uid);
         INSERT INTO source.workshop.ods_user_info_d VALUES ('0016359810821', '女', '30-40岁', '巨蟹座'), ('x', NULL, '', NULL);",
    )
    .await;
    world
}

#[tokio::test]
async fn the_job_leaves_the_same_rows_when_it_runs_twice() {
    let world = tutorial().await;
    for _ in 0..2 {
        let session = world.engine().await.session();
        let options = RunOptions::default().param("bizdate", "20240807");
        let (report, events) = run_with(&session, world.script(JOB), options).await;
        assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
        assert_eq!(report.exit_code(), 0);
        assert_eq!((report.job.as_str(), report.bizdate.as_str()), ("job", "20240807"));
        assert_eq!(report.cyctime, "2024-08-08 00:00:00");
        let kinds: Vec<StatementKind> = report.statements.iter().map(|statement| statement.kind).collect();
        use StatementKind::{Assert, Native, Session, Sync};
        assert_eq!(kinds, [Native, Native, Native, Native, Native, Session, Sync, Sync, Assert]);
        let log = &report.statements[6];
        assert_eq!(log.target.as_deref(), Some("target.ods.ods_raw_log_d"));
        assert_eq!((log.rows_read, log.rows_written, log.rows_rejected), (Some(5), Some(5), Some(0)));
        assert_eq!(log.write_mode.as_deref(), Some("single"));
        assert!(log.bytes_written.unwrap() > 0 && log.bytes_read.unwrap() > 0, "{log:?}");
        assert_eq!(log.labels.len(), 1);
        assert!(log.labels[0].starts_with("job-"), "{:?}", log.labels);
        assert!(matches!(events.first(), Some(RunEvent::RunStarted { statements: 9, .. })));
    }
    let logs = world.rows("SELECT col, dt FROM target.ods_raw_log_d").await;
    assert_eq!(
        logs,
        [
            "NULL|2024-08-07",
            "first ##@@ line|2024-08-07",
            "its 'quote' \"and\" \\ back|2024-08-07",
            "last without newline|2024-08-07",
            "|2024-08-07",
        ]
    );
    let users = world.rows("SELECT uid, gender, age_range, zodiac, dt FROM target.ods_user_info_d").await;
    assert_eq!(users, ["0016359810821|女|30-40岁|巨蟹座|20240807", "x|NULL||NULL|20240807"]);
    for condition in ["dt=20240807", "dt='20240807'", "dt='2024-08-07'"] {
        let sql = format!("SELECT count(*) FROM target.ods_raw_log_d WHERE {condition}");
        assert_eq!(world.rows(&sql).await, ["5"], "{condition}");
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_what_it_could_not_check() {
    let world = tutorial().await;
    let session = world.engine().await.session();
    let (report, events) =
        run_with(&session, world.script(JOB), RunOptions::default().bizdate("20240807").dry_run(true)).await;
    assert_eq!(report.exit_code(), 0, "{:?}", report.error);
    let statuses: Vec<StatementStatus> = report.statements.iter().map(|statement| statement.status).collect();
    use StatementStatus::{Checked, NotChecked};
    assert_eq!(
        statuses,
        [Checked, NotChecked, NotChecked, NotChecked, NotChecked, Checked, NotChecked, NotChecked, NotChecked]
    );
    assert!(events.is_empty());
    assert!(!world.folder.path().join(".syncline").exists());
    let (report, _) = run(&session, "SELECT * FROM target.ods_raw_log_d").await;
    assert_eq!(report.exit_code(), 2, "the table was not made: {:?}", report.error);
}

#[tokio::test]
async fn events_come_in_order_and_show_no_secret() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let script = "CREATE EXTERNAL CATALOG other PROPERTIES ('type' = 'http', 'url' = 'https://h.example', 'header.authorization' = 'hunter2');
        SELECT uid FROM source.workshop.users ORDER BY uid; SHOW CREATE CATALOG other";
    let (report, events) = run(&session, script).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let names: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::RunStarted { .. } => Some("run"),
            RunEvent::StatementStarted { .. } => Some("start"),
            RunEvent::ResultSchema { .. } => Some("schema"),
            RunEvent::ResultBatch { .. } => Some("batch"),
            RunEvent::ResultEnd { .. } => Some("end"),
            RunEvent::StatementFinished(_) => Some("finish"),
            _ => None,
        })
        .collect();
    assert_eq!(
        names,
        [
            "run", "start", "finish", "start", "schema", "batch", "end", "finish", "start", "schema", "batch", "end",
            "finish"
        ]
    );
    let all = format!("{events:?} {:?}", rows_of(&events));
    assert!(!all.contains("hunter2"), "{all}");
    assert!(all.contains("***"));
}
