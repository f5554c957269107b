//! The failure table: what a user gets when something goes wrong, and what it leaves.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::commands::signal;
use crate::support::{Cli, Database, Files, Warehouse};

/// A source with one table, a target with one table, and a server of files.
struct Systems {
    source: Database,
    target: Warehouse,
    files: Files,
    cli: Cli,
}

impl Systems {
    fn start() -> Self {
        let source = Database::create();
        source.execute(&[
            "CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(100), born DATETIME, height DECIMAL(8,4))",
            "INSERT INTO people VALUES (1, 'ann', '1990-01-02 00:00:00', 1.7), (2, 'bob', '1991-05-06 07:08:09', 1.8125)",
        ]);
        let target = Warehouse::start();
        target.execute(&[
            "CREATE DATABASE ods",
            "CREATE TABLE ods.people (id INT NOT NULL, name VARCHAR(100), born DATETIME, height DECIMAL(8,4)) \
             DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)",
            "CREATE TABLE ods.narrow (id INT NOT NULL, name VARCHAR(2), born DATE, height INT) \
             DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)",
        ]);
        let files = Files::start();
        let cli = Cli::new(&format!(
            "{}{}[catalogs.web]\ntype = \"http\"\nurl = \"{}\"\n",
            source.config("src"),
            target.config("sr", "ods"),
            files.url()
        ));
        Self { source, target, files, cli }
    }

    /// Runs a script that must fail with this exit code, and gives the message.
    fn fails(&self, script: &str, code: i32) -> String {
        let (exit, report) = self.cli.report(script, &[]);
        assert_eq!(exit, code, "{script}: {report:#}");
        report["error"]["message"].as_str().unwrap_or_else(|| panic!("{script}: {report:#}")).to_owned()
    }

    fn rows_in_target(&self) -> i64 {
        self.target.number("SELECT count(*) FROM ods.people")
    }
}

#[test]
fn a_syntax_error_shows_place_line_and_caret_and_nothing_runs() {
    let systems = Systems::start();
    systems.cli.file("job.sql", "INSERT INTO sr.people SELECT * FROM src.people;\n\nSELECT 1 FROM WHERE;\n");
    let ran = systems.cli.run(&["run", "job.sql"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("job.sql:3:"), "{ran:?}");
    assert!(ran.stderr.contains("SELECT 1 FROM WHERE"), "{ran:?}");
    assert!(ran.stderr.contains('^'), "{ran:?}");
    assert_eq!(systems.rows_in_target(), 0);
}

#[test]
fn unknown_names_are_found_before_anything_runs_and_come_with_a_suggestion() {
    let systems = Systems::start();
    let write = "INSERT INTO sr.people SELECT * FROM src.people;\n";
    for (statement, wanted) in [
        ("INSERT INTO sr.people SELECT * FROM sorc.people", "sorc"),
        ("INSERT INTO sr.people SELECT * FROM src.peple", "people"),
        ("INSERT INTO sr.people SELECT id, nam, born, height FROM src.people", "name"),
        ("INSERT INTO sr.peeple SELECT * FROM src.people", "people"),
        ("INSERT INTO sr.people SELECT id, '${bizdat}', born, height FROM src.people", "bizdate"),
    ] {
        let message = systems.fails(&format!("{write}{statement}"), 2);
        assert!(message.contains(wanted), "{statement}: {message}");
    }
    assert_eq!(systems.rows_in_target(), 0);
}

#[test]
fn a_parameter_that_would_break_out_of_its_quotes_is_refused() {
    let systems = Systems::start();
    systems.cli.file("job.sql", "DELETE FROM sr.people WHERE name = '${who}'");
    for value in ["x' OR '1'='1", "x\\", "x'"] {
        let ran = systems.cli.run(&["run", "job.sql", "-p", &format!("who={value}")]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("who"), "{ran:?}");
    }
}

#[test]
fn a_wrong_password_names_catalog_host_and_port_and_not_the_password() {
    let systems = Systems::start();
    let address = systems.source.address();
    let cli = Cli::new(&format!(
        "[catalogs.src]\ntype = \"mysql\"\nurl = \"mysql://{address}/x\"\nuser = \"nobody\"\npassword = \"hunter2-secret\"\n"
    ));
    for arguments in [&["query", "SELECT * FROM src.t"][..], &["check"], &["query", "SHOW CREATE CATALOG src", "-vv"]] {
        let ran = cli.run(arguments);
        assert!(!format!("{ran:?}").contains("hunter2-secret"), "{ran:?}");
        if arguments.get(1) == Some(&"SELECT * FROM src.t") {
            assert_eq!(ran.code, 1, "{ran:?}");
            assert!(ran.stderr.contains("src") && ran.stderr.contains(&address), "{ran:?}");
        }
    }
}

#[test]
fn a_host_that_cannot_be_reached_fails_within_its_bound_and_says_where() {
    let cli = Cli::new("[catalogs.src]\ntype = \"mysql\"\nurl = \"mysql://127.0.0.1:1/x\"\nuser = \"root\"\n");
    let started = Instant::now();
    let (code, report) = cli.report("SELECT * FROM src.t", &[]);
    assert_eq!(code, 1, "{report:#}");
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("src") && message.contains("127.0.0.1:1"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn an_unset_variable_is_found_before_anything_runs() {
    let cli = Cli::bare();
    let script = "CREATE EXTERNAL CATALOG src PROPERTIES (\"type\" = \"mysql\", \"url\" = \"mysql://127.0.0.1:1/x\", \
                  \"user\" = \"u\", \"password\" = \"${env:SURELY_UNSET_PASSWORD}\"); SELECT * FROM src.t;";
    let (code, report) = cli.report(script, &[]);
    assert_eq!(code, 2, "{report:#}");
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("SURELY_UNSET_PASSWORD") && message.contains("src"), "{message}");
}

#[test]
fn a_reference_is_read_when_it_is_needed_and_never_shown() {
    let source = Database::create();
    source.execute(&["CREATE TABLE t (v INT)", "INSERT INTO t VALUES (7)"]);
    let cli = Cli::bare().env("TRY_USER", "root").env("TRY_UNUSED", "unused-secret");
    let script = format!(
        "CREATE EXTERNAL CATALOG src PROPERTIES (\"type\" = \"mysql\", \"url\" = \"mysql://{}/{}\", \"user\" = '${{env:TRY_USER}}');
         CREATE EXTERNAL CATALOG other PROPERTIES (\"type\" = \"mysql\", \"url\" = \"mysql://127.0.0.1:1/x\", \"password\" = \"${{env:TRY_UNUSED}}\");
         SHOW CREATE CATALOG other; SELECT v FROM src.t;",
        source.address(),
        source.name
    );
    let ran = cli.run(&["query", &script, "--format", "csv", "-vv"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.ends_with("v\n7\n"), "{ran:?}");
    assert!(ran.stdout.contains("${env:TRY_UNUSED}") && !format!("{ran:?}").contains("unused-secret"), "{ran:?}");
}

#[test]
fn a_file_that_is_not_there_names_catalog_and_status() {
    let systems = Systems::start();
    let message = systems.fails(
        "CREATE EXTERNAL TABLE log (col STRING) LOCATION 'web:/missing.txt';
         INSERT INTO sr.people (id, name) SELECT 1, col FROM log;",
        1,
    );
    assert!(message.contains("404") && message.contains("missing.txt") && message.contains("web"), "{message}");
    assert_eq!(systems.rows_in_target(), 0);
}

#[test]
fn columns_that_do_not_fit_the_target_are_named() {
    let systems = Systems::start();
    for (statement, wanted) in [
        ("INSERT INTO sr.people (id, nick) SELECT id, name FROM src.people", "nick"),
        ("INSERT INTO sr.people (name) SELECT name FROM src.people", "id"),
        ("INSERT INTO sr.people SELECT id, name, born, height, 1 FROM src.people", "5"),
        ("INSERT INTO sr.people BY NAME SELECT id, name AS nick FROM src.people", "nick"),
    ] {
        let (code, report) = systems.cli.report(statement, &[]);
        assert!(code == 1 || code == 2, "{statement}: {report:#}");
        let message = report["error"]["message"].as_str().unwrap();
        assert!(message.contains(wanted), "{statement}: {message}");
    }
    assert_eq!(systems.rows_in_target(), 0);
}

#[test]
fn values_that_a_conversion_would_change_are_rejects_with_column_and_value() {
    let systems = Systems::start();
    let (code, report) = systems.cli.report("INSERT INTO sr.narrow SELECT * FROM src.people", &[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(systems.target.number("SELECT count(*) FROM ods.narrow"), 0);
    let write = &report["statements"][0];
    assert!(write["rows_rejected"].as_u64().unwrap() >= 1, "{report:#}");
    let file = write["rejects_file"].as_str().unwrap_or_else(|| panic!("{report:#}"));
    let path = systems.cli.folder().join(file);
    let rejects: Vec<Value> =
        std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!rejects.is_empty());
    for reject in &rejects {
        for field in ["statement", "column", "value", "reason", "row", "file", "line", "found_by"] {
            assert!(reject.get(field).is_some(), "{reject:#}");
        }
        assert_eq!(reject["found_by"], "syncline");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let state = systems.cli.folder().join(".syncline");
        assert_eq!(std::fs::metadata(state).unwrap().permissions().mode() & 0o777, 0o700);
    }
    // with room for both, the write goes on without them
    let (code, report) = systems.cli.report(
        "SET syncline.error_limit = 2; INSERT INTO sr.narrow (id, name, height) SELECT id, name, height FROM src.people
         UNION ALL SELECT 3, 'ok', 2",
        &[],
    );
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["statements"][1]["rows_rejected"], 2, "{report:#}");
    assert_eq!(systems.target.number("SELECT count(*) FROM ods.narrow"), 1);
}

#[test]
fn null_into_a_column_that_has_none_is_a_reject() {
    let systems = Systems::start();
    let (code, report) =
        systems.cli.report("INSERT INTO sr.people (id, name) SELECT NULLIF(id, 2), name FROM src.people", &[]);
    assert_eq!(code, 1, "{report:#}");
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("id"), "{message}");
    assert_eq!(systems.rows_in_target(), 0);
}

#[test]
fn a_failing_statement_stops_the_job_and_the_report_says_what_is_done() {
    let systems = Systems::start();
    let script = "INSERT INTO sr.people SELECT * FROM src.people;
        ASSERT (SELECT count(*) FROM sr.people) = 0 AS 'there are rows';
        INSERT INTO sr.people SELECT * FROM src.people;";
    let (code, report) = systems.cli.report(script, &[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["status"], "failed");
    let statuses: Vec<&str> =
        report["statements"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["succeeded", "failed", "not_run"]);
    assert_eq!(systems.rows_in_target(), 2);
    let (code, report) = systems.cli.report(&format!("SET syncline.on_error = 'continue'; {script}"), &[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(systems.rows_in_target(), 6);
}

#[test]
fn a_write_beyond_the_gate_goes_on_in_transactions() {
    let systems = Systems::start();
    for (set, mode) in [
        ("", "transaction"),
        ("SET syncline.write_mode = 'transaction';", "transaction"),
        ("SET syncline.write_mode = 'single';", "single"),
        ("SET syncline.write_mode = 'plain';", "plain"),
    ] {
        let script = format!("{set} SET syncline.load_bytes = 10; INSERT INTO sr.people SELECT * FROM src.people");
        let (code, report) = systems.cli.report(&script, &[]);
        assert_eq!(code, 0, "{report:#}");
        let statements = report["statements"].as_array().unwrap();
        assert_eq!(statements.last().unwrap()["write_mode"], mode, "{report:#}");
    }
    assert_eq!(systems.rows_in_target(), 8);
}

#[test]
fn a_redirect_to_a_foreign_host_is_refused_with_the_option_that_allows_it() {
    use std::io::{Read, Write};
    let systems = Systems::start();
    // a frontend that sends loads elsewhere
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(20) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://evil.example:8040/api/ods/people/_stream_load\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    });
    let config = format!(
        "{}[catalogs.sr]\ntype = \"starrocks\"\nurl = \"mysql://{}/ods\"\nload_url = \"{address}\"\nuser = \"root\"\npassword = \"\"\n",
        systems.source.config("src"),
        systems.target.mysql_address()
    );
    let (code, report) = Cli::new(&config).report("INSERT INTO sr.people SELECT * FROM src.people", &[]);
    assert_eq!(code, 1, "{report:#}");
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("evil.example") && message.contains("allowed_be_hosts"), "{message}");
    assert_eq!(systems.rows_in_target(), 0);
}

#[test]
fn a_signal_rolls_back_within_seconds() {
    let systems = Systems::start();
    // a source that never ends in time: each row waits
    systems.source.execute(&[
        "CREATE TABLE many (id INT PRIMARY KEY)",
        "INSERT INTO many SELECT seq FROM seq_1_to_100000",
        "CREATE VIEW slow AS SELECT id, concat('x', sleep(0.01)) AS name FROM many",
    ]);
    systems.cli.file("slow.sql", "INSERT INTO sr.people (id, name) SELECT id, name FROM src.slow");
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let child = systems.cli.start(&["run", "slow.sql", "--report", "json"]);
        std::thread::sleep(Duration::from_secs(2));
        let signalled = Instant::now();
        signal(&child, name);
        let ran = crate::support::cli::ran(child.wait_with_output().unwrap());
        assert!(signalled.elapsed() < Duration::from_secs(15), "{:?}", signalled.elapsed());
        assert_eq!(ran.code, code, "{ran:?}");
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["status"], "cancelled", "{report:#}");
        assert_eq!(systems.rows_in_target(), 0);
    }
}

#[test]
fn the_same_job_and_date_does_not_run_twice_at_once() {
    let systems = Systems::start();
    systems.source.execute(&[
        "CREATE TABLE many (id INT PRIMARY KEY)",
        "INSERT INTO many SELECT seq FROM seq_1_to_1000",
        "CREATE VIEW slow AS SELECT id, concat('x', sleep(0.01)) AS name FROM many",
    ]);
    systems.cli.file("slow.sql", "INSERT INTO sr.people (id, name) SELECT id, name FROM src.slow");
    let first = systems.cli.start(&["run", "slow.sql", "--bizdate", "20240807"]);
    std::thread::sleep(Duration::from_secs(2));
    let second = systems.cli.run(&["run", "slow.sql", "--bizdate", "20240807"]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.stderr.contains("running"), "{second:?}");
    let first = crate::support::cli::ran(first.wait_with_output().unwrap());
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(systems.rows_in_target(), 1_000);
}

#[test]
fn lines_beyond_the_columns_are_named_once() {
    let systems = Systems::start();
    systems.files.put("pairs.txt", "1|ann\n2|bob|extra\n3|cy|more|still more\n");
    systems.cli.file(
        "job.sql",
        "CREATE EXTERNAL TABLE pairs (id INT, name STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'web:/pairs.txt';
         INSERT INTO sr.people (id, name) SELECT id, name FROM pairs;",
    );
    let ran = systems.cli.run(&["run", "job.sql"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(systems.rows_in_target(), 3);
    assert!(ran.stderr.contains("line 2") && ran.stderr.contains("pairs.txt"), "{ran:?}");
}
