//! External tables with partitions, over folders.

use std::path::Path;

use super::{error_of, rows_of, run, run_with, warnings_of};
use crate::report::{RunReport, RunStatus};
use crate::{Engine, RunOptions, Script, Session};

/// A folder of files, and sessions over it whose state is there too.
pub(super) struct Place(tempfile::TempDir);

impl Place {
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = place.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        place
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A session of a new engine, as of another process.
    pub(super) async fn session(&self) -> Session {
        let builder = Engine::builder().state_folder(self.path().join(".syncline")).allow_locations(true);
        builder.build().await.unwrap().session()
    }

    /// Runs a script that succeeds.
    pub(super) async fn run(&self, session: &Session, script: &str) -> (Vec<String>, Vec<String>) {
        let (report, events) = run(session, Script::new("job.sql", script).in_folder(self.path())).await;
        assert_eq!(report.status, RunStatus::Succeeded, "{script}: {:?}", report.error);
        (rows_of(&events), warnings_of(&events))
    }

    pub(super) async fn rows(&self, session: &Session, query: &str) -> Vec<String> {
        self.run(session, query).await.0
    }

    /// Code and message of the error of a script.
    pub(super) async fn error(&self, session: &Session, script: &str) -> (String, String) {
        let (report, _) = run(session, Script::new("job.sql", script).in_folder(self.path())).await;
        let (code, message, _) = error_of(&report);
        (code.to_owned(), message.to_owned())
    }
}

const LOG: &str = "CREATE EXTERNAL TABLE log (col STRING, n INT) PARTITIONED BY (dt STRING)
  ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'log/';
  ALTER TABLE log ADD PARTITION (dt='20240807') LOCATION 'elsewhere/day7' PARTITION (dt='20240808')
    PARTITION (dt='20240809') LOCATION 'nowhere/';";

fn log() -> Place {
    Place::with(&[
        ("log/stray.txt", "stray|0\n"),
        ("log/dt=20240808/b.txt", "c|3\n"),
        ("elsewhere/day7/a.txt", "a|1\nb|2\n"),
    ])
}

#[tokio::test]
async fn each_partition_is_read_where_it_is_and_its_values_are_columns() {
    let place = log();
    let session = place.session().await;
    place.run(&session, LOG).await;
    let rows = place.rows(&session, "SELECT * FROM log WHERE dt < '20240809' ORDER BY col").await;
    assert_eq!(rows, ["a|1|20240807", "b|2|20240807", "c|3|20240808"]);
    let rows = place.rows(&session, "SELECT dt, n FROM log WHERE dt <> '20240809' AND n > 1 ORDER BY n").await;
    assert_eq!(rows, ["20240807|2", "20240808|3"]);
    let rows = place
        .rows(
            &session,
            "SELECT DT, count(*), sum(n) FROM log WHERE dt IN ('20240807', '20240808') GROUP BY dt ORDER BY dt",
        )
        .await;
    assert_eq!(rows, ["20240807|2|3", "20240808|1|3"]);
    assert_eq!(place.rows(&session, "SELECT count(*) FROM log WHERE dt = '20240807'").await, ["2"]);
    assert_eq!(place.rows(&session, "SELECT dt FROM log WHERE dt LIKE '%07' LIMIT 1").await, ["20240807"]);
    assert_eq!(place.rows(&session, "SELECT l.col FROM log l WHERE l.dt = concat('2024', '0808')").await, ["c"]);
    // a partition that is read and is not there is an error, never an empty result
    let (_, message) = place.error(&session, "SELECT * FROM log").await;
    assert!(message.contains("nowhere") && message.contains("does not exist"), "{message}");
}

#[tokio::test]
async fn a_filter_on_partition_columns_leaves_out_partitions_before_they_are_listed() {
    let place = log();
    let session = place.session().await;
    place.run(&session, LOG).await;
    let plan = |query: &str| format!("EXPLAIN {query}");
    let explained = place.rows(&session, &plan("SELECT col FROM log WHERE dt = '20240807'")).await.join("\n");
    assert!(explained.contains("partitions=1/3, files=1, "), "{explained}");
    assert!(explained.contains("columns=[col]") && !explained.contains("FilterExec"), "{explained}");
    let explained = place.rows(&session, &plan("SELECT col FROM log WHERE dt = '20240101'")).await.join("\n");
    assert!(explained.contains("partitions=0/3, files=0, "), "{explained}");
    assert_eq!(place.rows(&session, "SELECT count(*) FROM log WHERE dt = '20240101'").await, ["0"]);
    // a filter on both kinds of columns is left to the query
    let explained = place
        .rows(&session, &plan("SELECT col FROM log WHERE dt < '20240809' AND (dt = '20240807' OR n = 3) LIMIT 1"))
        .await;
    let explained = explained.join("\n");
    assert!(explained.contains("partitions=2/3, files=2") && explained.contains("FilterExec"), "{explained}");
    let explained = place.rows(&session, &plan("SELECT dt FROM log WHERE dt = '20240808' LIMIT 1")).await.join("\n");
    assert!(explained.contains("limit=1"), "{explained}");
}

#[tokio::test]
async fn a_table_without_partitions_has_no_rows_whatever_its_folder_holds() {
    let place = log();
    let session = place.session().await;
    place.run(&session, "CREATE EXTERNAL TABLE log (col STRING) PARTITIONED BY (dt STRING) LOCATION 'log/'").await;
    assert_eq!(place.rows(&session, "SELECT count(*), count(dt) FROM log").await, ["0|0"]);
    assert_eq!(place.rows(&session, "SHOW PARTITIONS log").await, [""; 0]);
}

#[tokio::test]
async fn partitions_outlive_the_process_until_they_or_the_table_are_dropped() {
    let place = log();
    place.run(&place.session().await, LOG).await;
    let tomorrow = place.session().await;
    assert_eq!(place.rows(&tomorrow, "SELECT col FROM log WHERE dt = '20240807' ORDER BY col").await, ["a", "b"]);
    assert_eq!(place.rows(&tomorrow, "SHOW PARTITIONS log").await, ["dt=20240807", "dt=20240808", "dt=20240809"]);
    place.run(&tomorrow, "ALTER TABLE LOG DROP PARTITION (DT = '20240809'), PARTITION (dt = '20240808')").await;
    let later = place.session().await;
    assert_eq!(place.rows(&later, "SELECT * FROM log ORDER BY col").await, ["a|1|20240807", "b|2|20240807"]);
    place
        .run(&later, "DROP TABLE log; CREATE EXTERNAL TABLE log (c STRING) PARTITIONED BY (dt STRING) LOCATION 'log'")
        .await;
    assert_eq!(place.rows(&place.session().await, "SHOW PARTITIONS log").await, [""; 0]);
    assert!(place.path().join("elsewhere/day7/a.txt").exists() && place.path().join("log/dt=20240808/b.txt").exists());
}

#[tokio::test]
async fn a_partition_is_added_once_and_its_place_does_not_change_in_silence() {
    let place = log();
    let session = place.session().await;
    place.run(&session, LOG).await;
    let (code, message) =
        place.error(&session, "ALTER TABLE log ADD PARTITION (dt='1') LOCATION 'x' PARTITION (dt='20240807')").await;
    assert_eq!(code, "E2002");
    assert!(message.contains("has a partition dt=20240807 already"), "{message}");
    // all or none
    assert_eq!(place.rows(&session, "SHOW PARTITIONS log").await.len(), 3);
    let again = "ALTER TABLE log ADD IF NOT EXISTS PARTITION (dt='20240807') LOCATION ";
    assert_eq!(place.run(&session, &format!("{again}'elsewhere/day7'")).await.1, [""; 0]);
    let warnings = place.run(&session, &format!("{again}'other/'")).await.1;
    assert!(warnings[0].contains("'elsewhere/day7'") && warnings[0].contains("'other/'"), "{warnings:?}");
    assert_eq!(place.rows(&session, "SELECT count(*) FROM log WHERE dt = '20240807'").await, ["2"]);
    place.run(&session, "ALTER TABLE log DROP IF EXISTS PARTITION (dt='5')").await;
    for (script, what) in [
        (
            "CREATE EXTERNAL TABLE s (c STRING) PARTITIONED BY (dt STRING) LOCATION 'http://h.example/x?Signature=hunter2'",
            "the location of table s holds a signature",
        ),
        ("ALTER TABLE log DROP PARTITION (dt='5')", "has no partition with the values 5"),
        ("ALTER TABLE log ADD PARTITION (day='5')", "no partition column \"day\""),
        ("ALTER TABLE log ADD PARTITION (dt='')", "no value of partition column dt"),
        ("ALTER TABLE nothing ADD PARTITION (dt='5')", "nothing"),
        ("CREATE EXTERNAL TABLE flat (c STRING) LOCATION 'log'; SHOW PARTITIONS flat", "has no partitions"),
        ("CREATE EXTERNAL TABLE f (c STRING) PARTITIONED BY (x DOUBLE) LOCATION 'log'", "partition column \"x\""),
    ] {
        let (_, message) = place.error(&session, script).await;
        assert!(message.contains(what), "{script}: {message}");
    }
}

#[tokio::test]
async fn values_are_of_their_column_s_type_and_null_is_hive_s() {
    let place = Place::with(&[("a", "1\n"), ("b", "2\n"), ("c", "3\n")]);
    let session = place.session().await;
    let script = "CREATE EXTERNAL TABLE t (c INT) PARTITIONED BY (y INT, d DATE) LOCATION 'data';
      ALTER TABLE t ADD PARTITION (d='2024-8-7', y='007') LOCATION 'a' PARTITION (y=10, d='2024-08-08') LOCATION 'b'
        PARTITION (y=NULL, d=NULL) LOCATION 'c';
      CREATE EXTERNAL TABLE s (c INT) PARTITIONED BY (dt STRING) LOCATION 'data';
      ALTER TABLE s ADD PARTITION (dt=NULL) LOCATION 'a' PARTITION (dt='20240807') LOCATION 'b'";
    place.run(&session, script).await;
    let shown = ["y=10/d=2024-08-08", "y=7/d=2024-08-07", "y=__HIVE_DEFAULT_PARTITION__/d=__HIVE_DEFAULT_PARTITION__"];
    assert_eq!(place.rows(&session, "SHOW PARTITIONS t").await, shown);
    assert_eq!(place.rows(&session, "SHOW PARTITIONS t PARTITION (y=7)").await, [shown[1]]);
    let rows = place.rows(&session, "SELECT * FROM t ORDER BY c").await;
    assert_eq!(rows, ["1|7|2024-08-07", "2|10|2024-08-08", "3|NULL|NULL"]);
    assert_eq!(place.rows(&session, "SELECT c FROM t WHERE y > 7 OR y IS NULL ORDER BY c").await, ["2", "3"]);
    assert_eq!(place.rows(&session, "SELECT c FROM t WHERE d = '20240807'").await, ["1"]);
    // of a text column NULL is that text, as Spark reads text tables
    assert_eq!(
        place.rows(&session, "SELECT dt FROM s WHERE c = 1 AND dt IS NOT NULL").await,
        ["__HIVE_DEFAULT_PARTITION__"]
    );
    // beside a number text is a number, as of every column; text that is none is left out, as in Spark with ANSI off
    assert_eq!(place.rows(&session, "SELECT c FROM s WHERE dt = 20240807").await, ["2"]);
    place.run(&session, "ALTER TABLE s DROP PARTITION (dt=NULL)").await;
    assert_eq!(place.rows(&session, "SELECT c FROM s WHERE dt = 20240807").await, ["2"]);
    let (_, message) = place.error(&session, "ALTER TABLE t ADD PARTITION (y='x', d='2024-08-07')").await;
    assert!(message.contains("'x' is no value of partition column y"), "{message}");
    let (_, message) = place.error(&session, "ALTER TABLE t ADD PARTITION (y=1)").await;
    assert!(message.contains("lacks the partition column d"), "{message}");
    // some of the values name every partition that has them
    place.run(&session, "ALTER TABLE t DROP PARTITION (y=7)").await;
    assert_eq!(place.rows(&session, "SELECT c FROM t ORDER BY c").await, ["2", "3"]);
}

#[tokio::test]
async fn msck_adds_the_folders_that_are_partitions_and_drops_none() {
    let place = Place::with(&[
        ("log/dt=1/h=01/a.txt", "one\n"),
        ("log/DT=2/H=02/a.txt", "two\n"),
        ("log/dt=a%2Fb/h=3/a.txt", "three\n"),
        ("log/dt=4/other/a.txt", "x\n"),
        ("log/_temporary/h=1/a.txt", "x\n"),
        ("log/stray.txt", "x\n"),
        ("elsewhere/a.txt", "far\n"),
    ]);
    let session = place.session().await;
    let script = "CREATE EXTERNAL TABLE log (c STRING) PARTITIONED BY (dt STRING, h INT) LOCATION 'log/';
      ALTER TABLE log ADD PARTITION (dt='9', h=9) LOCATION 'elsewhere' PARTITION (dt='1', h=1) LOCATION 'elsewhere';
      MSCK REPAIR TABLE log";
    let (_, warnings) = place.run(&session, script).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("other is no partition"), "{warnings:?}");
    let other = place.session().await;
    assert_eq!(place.rows(&other, "SHOW PARTITIONS log").await, ["dt=1/h=1", "dt=2/h=2", "dt=9/h=9", "dt=a%2Fb/h=3"]);
    let rows = place.rows(&other, "SELECT * FROM log ORDER BY dt").await;
    assert_eq!(rows, ["far|1|1", "two|2|2", "far|9|9", "three|a/b|3"]);
    place.run(&other, "MSCK REPAIR TABLE log").await;
    assert_eq!(place.rows(&other, "SELECT count(*) FROM log").await, ["4"]);
}

#[tokio::test]
async fn a_location_with_a_signature_or_password_is_never_stored() {
    let place = Place::with(&[]);
    let session = place.session().await;
    let script = "CREATE EXTERNAL TABLE kept (c STRING) LOCATION 'http://h.example/kept.txt';
      CREATE EXTERNAL TABLE signed (c STRING) LOCATION 'http://h.example/x?Signature=hunter2';
      CREATE EXTERNAL TABLE login (c STRING) LOCATION 'http://ann:hunter2@h.example/x';
      CREATE EXTERNAL TABLE days (c STRING) PARTITIONED BY (dt STRING) LOCATION 'days/';
      ALTER TABLE days ADD PARTITION (dt='1') LOCATION 'http://h.example/1.txt'
        PARTITION (dt='2') LOCATION 'http://h.example/2.txt?Expires=1&Signature=hunter2';
      ALTER TABLE days ADD PARTITION (dt='3') LOCATION 'https://ann:hunter2@h.example/3.txt'";
    let (_, warnings) = place.run(&session, script).await;
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings.iter().all(|warning| warning.contains("lasts for this session only")), "{warnings:?}");
    assert!(!warnings.concat().contains("hunter2"));
    // they last as long as the session
    let all = ["days", "kept", "login", "signed"];
    assert_eq!(place.rows(&session, "SHOW TABLES").await, all);
    assert_eq!(place.rows(&session, "SHOW PARTITIONS days").await, ["dt=1", "dt=2", "dt=3"]);
    let other = place.session().await;
    assert_eq!(place.rows(&other, "SHOW TABLES").await, ["days", "kept"]);
    assert_eq!(place.rows(&other, "SHOW PARTITIONS days").await, ["dt=1"]);
    for file in std::fs::read_dir(place.path().join(".syncline")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_resumed_run_adds_again_what_was_never_stored() {
    use crate::report::StatementStatus::{Failed, NotRun, Skipped, Succeeded};
    let place = Place::with(&[("day1", "")]);
    let script = "CREATE EXTERNAL TABLE days (c STRING) PARTITIONED BY (dt STRING) LOCATION 'days/';
      ALTER TABLE days ADD IF NOT EXISTS PARTITION (dt='2') LOCATION 'http://h.example/2.txt?Signature=hunter2';
      ALTER TABLE days ADD PARTITION (dt='1') LOCATION 'day1';
      ASSERT (SELECT count(*) FROM days WHERE dt = '1') > 0;
      SHOW PARTITIONS days";
    let script = || Script::new("job.sql", script).in_folder(place.path());
    let (first, _) = run_with(&place.session().await, script(), RunOptions::default()).await;
    let statuses = |report: &RunReport| report.statements.iter().map(|step| step.status).collect::<Vec<_>>();
    assert_eq!(statuses(&first), [Succeeded, Succeeded, Succeeded, Failed, NotRun], "{:?}", first.error);
    std::fs::write(place.path().join("day1"), "x\n").unwrap();
    let options = RunOptions::default().resume(&first.run_id);
    let (again, events) = run_with(&place.session().await, script(), options).await;
    assert_eq!(statuses(&again), [Skipped, Succeeded, Skipped, Succeeded, Succeeded], "{:?}", again.error);
    assert_eq!(rows_of(&events), ["dt=1", "dt=2"]);
}

#[tokio::test]
async fn an_engine_that_only_reads_or_may_not_read_a_place_adds_no_partition_there() {
    let place = log();
    place.run(&place.session().await, LOG).await;
    let reader = Engine::builder().state_folder(place.path().join(".syncline")).allow_locations(true).read_only(true);
    let session = reader.build().await.unwrap().session();
    for script in
        ["ALTER TABLE log ADD PARTITION (dt='1')", "ALTER TABLE log DROP PARTITION (dt='1')", "MSCK REPAIR TABLE log"]
    {
        let (code, message) = place.error(&session, script).await;
        assert!(code == "E1010" || message.contains("not permitted"), "{script}: {code} {message}");
    }
    assert_eq!(place.rows(&session, "SELECT count(*) FROM log WHERE dt = '20240807'").await, ["2"]);
    let confined = Engine::builder()
        .state_folder(place.path().join(".syncline"))
        .allow_locations(crate::Permission::when(|place| !place.contains("secret")));
    let session = confined.build().await.unwrap().session();
    let (_, message) = place.error(&session, "ALTER TABLE log ADD PARTITION (dt='1') LOCATION 'secret/x'").await;
    assert!(message.contains("not one that this program lets scripts read or write"), "{message}");
    let (_, message) = place.error(&session, "CREATE EXTERNAL TABLE t (c STRING) LOCATION 'oss://secret/x'").await;
    assert!(message.contains("not one that this program lets scripts read or write"), "{message}");
}
