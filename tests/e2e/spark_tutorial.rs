//! The tutorial "Synchronize data" for Spark, whole: five nodes as one script, from MariaDB and an HTTP server into a bucket behind
//! virtual-host addressing, and back through the two external tables.
//! `SYNCLINE_KILLS=7` kills its uploads at more places.

use serde_json::{Value, json};

use crate::file_resume::{Step, kill_at};
use crate::resume::kills;
use crate::support::s3_server::{Fault, KEY_ID, KEY_SECRET};
use crate::support::{Cli, Database, Files, S3Server, traps};

const SCRIPT: &str = include_str!("../../docs/tutorial/user_profile_spark.sql");
/// The Spark SQL nodes as the tutorial prints them.
const NODES: [&str; 2] = [
    include_str!("../../sql/src/parse/ods_raw_log_d_spark.sql"),
    include_str!("../../sql/src/parse/ods_user_info_d_spark.sql"),
];
const BUCKET: &str = "dw-emr-demo";
const LOG: &str = "ods_raw_log_d/log_20240807/log_20240807.txt";
const USERS: &str = "ods_user_info_d/user_20240807/user_20240807.txt";

/// The tutorial's systems, with so many users.
struct Tutorial {
    source: Database,
    web: Files,
    bucket: S3Server,
    cli: Cli,
}

impl Tutorial {
    fn start(users: usize, log: &str) -> Self {
        let source = Database::create();
        source.execute(&["CREATE TABLE ods_user_info_d (id BIGINT PRIMARY KEY, uid VARCHAR(32), gender VARCHAR(16), \
             age_range VARCHAR(16), zodiac VARCHAR(400), score DECIMAL(10,2), created DATETIME)"]);
        source.insert("INSERT INTO ods_user_info_d VALUES (?,?,?,?,?,?,?)", traps::values(&text_users(users)));
        let web = Files::start();
        web.put("user_log.txt", log);
        let bucket = S3Server::start(&[BUCKET]);
        let cli = Cli::new(&format!(
            "timezone = \"Asia/Shanghai\"\n{}[catalogs.user_behavior_analysis_httpfile]\ntype = \"http\"\nurl = \"{}\"\n\
             [catalogs.test_g]\ntype = \"oss\"\nbucket = \"{BUCKET}\"\nendpoint = \"{}\"\naccess_key_id = \"{KEY_ID}\"\n\
             access_key_secret = \"{KEY_SECRET}\"\n",
            source.config("user_behavior_analysis_mysql"),
            web.url(),
            bucket.endpoint()
        ));
        cli.file("user_profile_spark.sql", SCRIPT);
        Self { source, web, bucket, cli }
    }

    fn run(&self, arguments: &[&str]) -> crate::support::cli::Ran {
        self.cli.run(&[&["run", "user_profile_spark.sql", "--bizdate", "20240807"], arguments].concat())
    }

    /// Rows as the tutorial's second query shows them, sorted.
    fn users(&self) -> Vec<Value> {
        let mut rows = self.cli.rows("SELECT * FROM ods_user_info_d_spark WHERE dt = '20240807'");
        rows.sort_by_key(|row| row["uid"].as_str().map(str::to_owned));
        rows
    }

    /// What those rows must be, from the database.
    fn users_in_source(&self) -> Vec<Value> {
        let rows = self.source.rows("SELECT uid, gender, age_range, zodiac FROM ods_user_info_d ORDER BY uid");
        let row = |fields: Vec<Option<String>>| json!({"uid": fields[0], "gender": fields[1], "age_range": fields[2], "zodiac": fields[3], "dt": "20240807"});
        rows.into_iter().map(|fields| row(traps::fields(fields))).collect()
    }

    /// The lines as the tutorial's first query shows them.
    fn log(&self) -> Vec<String> {
        let rows = self.cli.rows("SELECT * FROM ods_raw_log_d_spark WHERE dt = '20240807'");
        rows.iter().map(|row| row["col"].as_str().unwrap().to_owned()).collect()
    }

    /// The bucket holds the day's two objects and nothing else, seen or not.
    fn assert_clean(&self, what: &str) {
        assert_eq!(self.bucket.keys(BUCKET), [LOG, USERS], "{what}");
        assert_eq!(self.bucket.open_uploads(), 0, "{what}");
    }
}

/// Users whose texts text of several columns can carry: neither the delimiter, nor a line's end, nor the text that means NULL.
fn text_users(users: usize) -> Vec<traps::UserRow> {
    let mut rows = traps::users(users);
    for text in rows.iter_mut().flatten().flatten() {
        text.retain(|c| !matches!(c, '|' | '\n' | '\r' | '\0'));
        if text == "\\N" {
            "NULL".clone_into(text);
        }
    }
    rows
}

fn log(lines: usize) -> String {
    let odd = ["", "tab\there", "back\\slash", "GET /|x", "quote \" and '", "日本語 😀", "  spaces  "];
    (0..lines)
        .map(|line| format!("10.0.0.{} - - [12/Feb/2014:03:{:02}:00 +0800] {}\n", line % 256, line % 60, odd[line % 7]))
        .collect()
}

#[test]
fn the_script_holds_the_nodes_as_they_are_printed() {
    for node in NODES {
        assert!(SCRIPT.contains(node), "{node}");
    }
}

#[test]
fn five_nodes_as_one_script_run_twice_with_the_same_business_date_leave_the_same_rows() {
    let lines = log(3_000);
    let tutorial = Tutorial::start(2_000, &lines);
    for time in ["first", "second"] {
        let ran = tutorial.run(&[]);
        assert_eq!(ran.code, 0, "{time}: {ran:?}");
        tutorial.assert_clean(time);
        assert_eq!(tutorial.bucket.read(BUCKET, LOG).unwrap(), lines.as_bytes(), "{time}");
        assert_eq!(tutorial.log(), lines.lines().collect::<Vec<_>>(), "{time}");
        assert_eq!(tutorial.users(), tutorial.users_in_source(), "{time}");
        // the script's own queries end in the same rows
        assert!(ran.stdout.contains("10.0.0.255 - - [12/Feb/2014"), "{time}");
    }
    let host = format!("{BUCKET}.localhost:");
    assert!(tutorial.bucket.requests().iter().all(|request| request.host.starts_with(&host)));
    // the next day lies beside it
    let ran = tutorial.cli.run(&["run", "user_profile_spark.sql", "--bizdate", "20240808"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(tutorial.users().len(), 2_000);
    assert_eq!(tutorial.cli.rows("SELECT count(*) AS n FROM ods_user_info_d_spark"), [json!({"n": 4_000})]);
    assert_eq!(
        tutorial.cli.rows("SHOW PARTITIONS ods_raw_log_d_spark"),
        [json!({"partition": "dt=20240807"}), json!({"partition": "dt=20240808"})]
    );
    // secrets stand nowhere
    for entry in std::fs::read_dir(tutorial.cli.folder().join(".syncline")).unwrap().map(Result::unwrap) {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        assert!(!bytes.windows(KEY_SECRET.len()).any(|window| window == KEY_SECRET.as_bytes()), "{entry:?}");
    }
}

#[test]
fn a_day_that_is_synchronized_again_has_the_file_and_the_table_as_they_are_then() {
    let tutorial = Tutorial::start(10, "first\nsecond\n");
    assert_eq!(tutorial.run(&[]).code, 0);
    tutorial.web.put("user_log.txt", "only one, without an end");
    tutorial.source.execute(&["DELETE FROM ods_user_info_d WHERE id > 3"]);
    assert_eq!(tutorial.run(&[]).code, 0);
    assert_eq!(tutorial.log(), ["only one, without an end"]);
    assert_eq!(tutorial.users().len(), 3);
    tutorial.assert_clean("again");
}

#[test]
fn a_text_that_holds_the_delimiter_fails_the_job_and_leaves_yesterday_s_run_as_it_was() {
    let tutorial = Tutorial::start(10, "line\n");
    assert_eq!(tutorial.run(&[]).code, 0);
    let before = tutorial.users();
    tutorial.source.execute(&["UPDATE ods_user_info_d SET zodiac = 'a|b' WHERE id = 7"]);
    let ran = tutorial.run(&[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("zodiac") && ran.stderr.contains("delimiter"), "{ran:?}");
    assert_eq!(tutorial.users(), before);
    tutorial.assert_clean("after the failure");
}

#[test]
fn a_bucket_that_refuses_the_upload_fails_the_job_and_nothing_is_left() {
    let tutorial = Tutorial::start(10, "line\n");
    tutorial.bucket.fault(usize::MAX, |seen| seen.method == "PUT", Fault::error(403, "AccessDenied"));
    let ran = tutorial.run(&[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("test_g") || ran.stderr.contains(BUCKET), "{ran:?}");
    assert!(!ran.stderr.contains(KEY_SECRET));
    assert_eq!(tutorial.bucket.keys(BUCKET), [""; 0]);
    assert_eq!(tutorial.bucket.open_uploads(), 0);
}

#[test]
fn explain_and_a_dry_run_ask_the_bucket_to_write_nothing() {
    let tutorial = Tutorial::start(1, "line\n");
    let ran = tutorial.run(&["--dry-run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let explained = tutorial.cli.rows(
        "EXPLAIN COPY (SELECT uid FROM user_behavior_analysis_mysql.ods_user_info_d) TO 'oss://dw-emr-demo/a/b.txt' OPTIONS (format text)",
    );
    let text: Vec<&str> = explained.iter().map(|line| line["explain"].as_str().unwrap()).collect();
    assert!(text[1].starts_with("write: ") && text[1].contains("oss://dw-emr-demo/a/b.txt"), "{text:?}");
    assert!(tutorial.bucket.requests().iter().all(|seen| matches!(seen.method.as_str(), "GET" | "HEAD")));
}

#[test]
fn kill_9_within_an_upload_then_resume_leaves_the_day_s_rows_and_no_open_upload() {
    // two parts
    let lines = log(200_000);
    let tutorial = Tutorial::start(200, &lines);
    let users = tutorial.users_in_source();
    let mut places = vec![
        (Step::Part, 1, false),
        (Step::Complete, 0, true),
        (Step::Complete, 0, false),
        (Step::Complete, 1, true),
        (Step::Part, 0, true),
        (Step::Begin, 0, false),
        (Step::Begin, 1, false),
    ];
    places.truncate(kills(4));
    for (time, (step, nth, is_done)) in places.into_iter().enumerate() {
        let what = format!("killed at {step:?} {nth}, which is {}done", if is_done { "" } else { "not " });
        // every other time there is a day before that the run replaces
        if time % 2 == 0 {
            for key in tutorial.bucket.keys(BUCKET) {
                tutorial.bucket.remove(BUCKET, &key);
            }
        }
        let job = ["run", "user_profile_spark.sql", "--bizdate", "20240807"];
        let killed = kill_at(&tutorial.bucket, &tutorial.cli, &job, step, nth, is_done);
        let Some(run_id) = killed else { panic!("{what}: the run was over before") };
        let ran = tutorial.run(&["--resume", &run_id]);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        tutorial.assert_clean(&what);
        assert!(tutorial.bucket.read(BUCKET, LOG).unwrap() == lines.as_bytes(), "{what}: another log");
        assert_eq!(tutorial.users(), users, "{what}");
        let count = tutorial.cli.rows("SELECT count(*) AS n FROM ods_raw_log_d_spark WHERE dt = '20240807'");
        assert_eq!(count, [json!({"n": 200_000})], "{what}");
    }
}
