//! The job that everything is measured by: MySQL and an HTTP file into StarRocks.

use crate::support::traps;
use crate::support::{Cli, Database, Files, Warehouse};

const SCRIPT: &str = include_str!("../../docs/tutorial/user_profile.sql");

/// The tutorial's systems, with so many rows.
struct Tutorial {
    source: Database,
    target: Warehouse,
    files: Files,
    cli: Cli,
}

impl Tutorial {
    fn start(users: usize, log: &str) -> Self {
        let source = Database::create();
        source.execute(&["CREATE TABLE ods_user_info_d (id BIGINT PRIMARY KEY, uid VARCHAR(32), gender VARCHAR(16), \
             age_range VARCHAR(16), zodiac VARCHAR(400), score DECIMAL(10,2), created DATETIME)"]);
        source.insert("INSERT INTO ods_user_info_d VALUES (?,?,?,?,?,?,?)", traps::values(&traps::users(users)));
        let target = Warehouse::start();
        let files = Files::start();
        files.put("user_log.txt", log);
        let config = format!(
            "timezone = \"Asia/Shanghai\"\n{}{}[catalogs.user_behavior_analysis_httpfile]\ntype = \"http\"\nurl = \"{}\"\n",
            source.config("user_behavior_analysis_mysql"),
            target.config("starrocks", "ods"),
            files.url()
        );
        let cli = Cli::new(&config);
        cli.file("user_profile.sql", SCRIPT);
        Self { source, target, files, cli }
    }

    fn users(&self) -> (u64, u64) {
        let rows = self.source.rows("SELECT uid, gender, age_range, zodiac FROM ods_user_info_d");
        let rows: Vec<_> = rows.into_iter().map(traps::fields).collect();
        traps::digest(rows.iter().map(Vec::as_slice))
    }

    fn users_in_target(&self, date: &str) -> (u64, u64) {
        let rows = self
            .target
            .rows(&format!("SELECT uid, gender, age_range, zodiac FROM ods.ods_user_info_d WHERE dt = '{date}'"));
        let rows: Vec<_> = rows.into_iter().map(traps::fields).collect();
        traps::digest(rows.iter().map(Vec::as_slice))
    }

    fn log_in_target(&self, date: &str) -> (u64, u64) {
        let rows = self.target.rows(&format!("SELECT col FROM ods.ods_raw_log_d WHERE dt = '{date}'"));
        let rows: Vec<_> = rows.into_iter().map(traps::fields).collect();
        traps::digest(rows.iter().map(Vec::as_slice))
    }
}

fn log(lines: usize) -> String {
    // odd lines, and none at the end of the last
    let odd = ["", "tab\there", "back\\slash", "\\N", "quote \" and '", "日本語 😀", "one\u{1}two\u{2}three"];
    (0..lines)
        .map(|line| {
            format!("10.0.0.{} - - [12/Feb/2014:03:{:02}:00 +0800] {}", line % 256, line % 60, odd[line % odd.len()])
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn log_digest(log: &str) -> (u64, u64) {
    let lines: Vec<[Option<String>; 1]> = log.split('\n').map(|line| [Some(line.to_owned())]).collect();
    traps::digest(lines.iter().map(<[_; 1]>::as_slice))
}

#[test]
fn run_twice_with_the_same_business_date_the_target_holds_exactly_the_source() {
    let log = log(3_000);
    let tutorial = Tutorial::start(5_000, &log);
    let expected = (tutorial.users(), log_digest(&log));
    for _ in 0..2 {
        let ran = tutorial.cli.run(&["run", "user_profile.sql", "--bizdate", "20240807"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!((tutorial.users_in_target("20240807"), tutorial.log_in_target("2024-08-07")), expected);
    }
    // another day leaves this one as it is
    let ran = tutorial.cli.run(&["run", "user_profile.sql", "--bizdate", "2024-08-08"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(tutorial.users_in_target("20240807"), expected.0);
    assert_eq!(tutorial.users_in_target("20240808"), expected.0);
}

#[test]
fn the_next_day_s_file_replaces_the_day_that_is_run_again() {
    let tutorial = Tutorial::start(10, "first\nsecond\n");
    let run = || tutorial.cli.run(&["run", "user_profile.sql", "--bizdate", "20240807"]);
    assert_eq!(run().code, 0);
    assert_eq!(tutorial.target.number("SELECT count(*) FROM ods.ods_raw_log_d"), 2);
    tutorial.files.put("user_log.txt", "only one, without an end");
    assert_eq!(run().code, 0);
    assert_eq!(tutorial.target.number("SELECT count(*) FROM ods.ods_raw_log_d"), 1);
}

#[test]
fn an_empty_log_fails_the_jobs_own_assertion() {
    let tutorial = Tutorial::start(10, "");
    let ran = tutorial.cli.run(&["run", "user_profile.sql", "--bizdate", "20240807"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("no log rows for 20240807"), "{ran:?}");
}

#[test]
fn all_seven_columns_arrive_exactly_with_separators_nulls_and_escapes_in_them() {
    let tutorial = Tutorial::start(4_000, "x\n");
    let (code, report) = tutorial.cli.report(
        "CREATE DATABASE IF NOT EXISTS starrocks.ods;
         CREATE TABLE starrocks.copy (id BIGINT, uid STRING, gender STRING, age_range STRING, zodiac STRING,
           score DECIMAL(10,2), created DATETIME) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id);
         INSERT INTO starrocks.copy SELECT * FROM user_behavior_analysis_mysql.ods_user_info_d;",
        &[],
    );
    assert_eq!(code, 0, "{report:#}");
    let read = |rows: Vec<mysql_async::Row>| {
        let rows: Vec<_> = rows.into_iter().map(traps::fields).collect();
        traps::digest(rows.iter().map(Vec::as_slice))
    };
    let columns = "id, uid, gender, age_range, zodiac, score, created";
    let expected = read(tutorial.source.rows(&format!("SELECT {columns} FROM ods_user_info_d")));
    assert_eq!(expected.0, 4_000);
    assert_eq!(read(tutorial.target.rows(&format!("SELECT {columns} FROM ods.copy"))), expected);
    let write = &report["statements"][2];
    assert_eq!(write["rows_read"], 4_000);
    assert_eq!(write["rows_written"], 4_000);
    assert_eq!(write["rows_rejected"], 0);
    assert_eq!(write["write_mode"], "single");
    assert_eq!(write["kind"], "sync");
    assert_eq!(write["target"], "starrocks.ods.copy");
    assert_eq!(write["labels"].as_array().unwrap().len(), 1);
}

#[test]
fn the_verification_queries_return_the_rows_however_the_date_is_typed() {
    let tutorial = Tutorial::start(50, "a\nb\nc\n");
    assert_eq!(tutorial.cli.run(&["run", "user_profile.sql", "--bizdate", "20240807"]).code, 0);
    for date in ["20240807", "'20240807'", "'2024-08-07'", "\"2024-08-07\""] {
        let rows = tutorial.cli.rows(&format!("SELECT * FROM starrocks.ods_raw_log_d WHERE dt={date}"));
        assert_eq!(rows.len(), 3, "dt={date}");
        assert_eq!(rows[0]["dt"], "2024-08-07");
    }
    for date in ["20240807", "'20240807'"] {
        let rows = tutorial.cli.rows(&format!("select * from starrocks.ods_user_info_d where dt={date};"));
        assert_eq!(rows.len(), 50, "dt={date}");
    }
}

#[test]
fn a_query_planned_here_never_hides_rows_behind_a_date_that_is_typed_another_way() {
    let tutorial = Tutorial::start(50, "a\nb\nc\n");
    assert_eq!(tutorial.cli.run(&["run", "user_profile.sql", "--bizdate", "20240807"]).code, 0);
    // the join with another system makes the query one that is planned here
    let query = |condition: &str| {
        format!(
            "SELECT r.col FROM starrocks.ods_raw_log_d r JOIN user_behavior_analysis_mysql.ods_user_info_d u ON u.id = 1 \
             WHERE r.dt = {condition}"
        )
    };
    for date in ["'20240807'", "'2024-08-07'", "DATE '2024-08-07'"] {
        let ran = tutorial.cli.run(&["query", &query(date), "--format", "json"]);
        match ran.code {
            0 => assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&ran.stdout).unwrap().len(), 3, "{date}"),
            _ => assert!(ran.stderr.contains("DATE") || ran.stderr.contains("2024-08-07"), "{date}: {ran:?}"),
        }
    }
    let ran = tutorial.cli.run(&["query", &query("20240807")]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("'2024-08-07'"), "{ran:?}");
}

#[test]
fn the_demo_runs_without_anything_installed() {
    let ran = Cli::bare().run(&["demo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("ods_raw_log_d"), "{ran:?}");
    assert!(ran.stdout.contains("20000") || ran.stdout.contains("20,000"), "{ran:?}");
}
