//! The command line: what each command prints, where, and its exit code.

use serde_json::Value;

use crate::support::{Cli, Database, Warehouse};

#[test]
fn a_query_prints_its_result_in_every_format() {
    let cli = Cli::bare();
    let print = |format: &str| {
        let ran = cli.run(&["query", "SELECT 1 AS a, 'x' AS b, NULL AS c, '' AS d", "--format", format]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.stderr, "", "{format}");
        ran.stdout
    };
    assert_eq!(print("csv"), "a,b,c,d\n1,x,,\"\"\n");
    assert_eq!(print("tsv"), "a\tb\tc\td\n1\tx\t\\N\t\n");
    assert_eq!(print("json"), "[{\"a\":1,\"b\":\"x\",\"c\":null,\"d\":\"\"}]\n");
    assert_eq!(print("ndjson"), "{\"a\":1,\"b\":\"x\",\"c\":null,\"d\":\"\"}\n");
    assert!(print("table").contains("| 1 | x | NULL |"), "{}", print("table"));
    assert!(print("markdown").contains("| 1 | x | NULL |"));
    assert!(print("vertical").contains("1. row"));
}

#[test]
fn several_statements_are_run_in_order_and_a_query_leaves_no_state() {
    let cli = Cli::bare();
    let ran = cli.run(&["-c", "SELECT 1 AS a; SELECT 2 AS a", "--format", "ndjson"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "{\"a\":1}\n{\"a\":2}\n"), "{ran:?}");
    assert!(!cli.folder().join(".syncline").exists());
}

#[test]
fn results_go_to_a_file_when_asked() {
    let cli = Cli::bare();
    let ran = cli.run(&["query", "SELECT 1 AS a", "--format", "csv", "--output", "out.csv"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert_eq!(std::fs::read_to_string(cli.folder().join("out.csv")).unwrap(), "a\n1\n");
}

#[test]
fn a_script_comes_from_standard_input() {
    let ran = Cli::bare().run_with_input(
        &["run", "-", "-p", "x=7", "--report", "json"],
        "SELECT ${x} AS x; ASSERT ${x} = 7 AS 'x is not 7'",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["job"], "stdin");
    assert_eq!(report["status"], "succeeded");
    // the result went to standard error, so that standard output holds the report alone
    assert!(ran.stderr.contains("| 7 |"), "{ran:?}");
}

#[test]
fn the_report_has_the_fields_of_the_contract_for_every_exit_code() {
    let cli = Cli::bare();
    let run = ["run_id", "job", "status", "bizdate", "cyctime", "timezone", "seconds", "error", "statements"];
    let statement = [
        "index",
        "file",
        "line",
        "kind",
        "target",
        "status",
        "write_mode",
        "load_parallelism",
        "rows_read",
        "rows_written",
        "rows_rejected",
        "bytes_read",
        "bytes_written",
        "seconds",
        "labels",
        "rejects_file",
        "error",
    ];
    for (script, code) in [("SELECT 1", 0), ("ASSERT 1 = 2", 1), ("SELEKT 1", 2), ("SELECT ${nothing}", 2)] {
        let (exit, report) = cli.report(script, &["--bizdate", "20240807", "--timezone", "Asia/Shanghai"]);
        assert_eq!(exit, code, "{script}: {report:#}");
        for field in run {
            assert!(report.get(field).is_some(), "{script}: no {field} in {report:#}");
        }
        assert_eq!(report["bizdate"], "20240807");
        assert_eq!(report["cyctime"], "2024-08-08 00:00:00");
        assert_eq!(report["timezone"], "Asia/Shanghai");
        for one in report["statements"].as_array().unwrap() {
            for field in statement {
                assert!(one.get(field).is_some(), "{script}: no {field} in {one:#}");
            }
        }
        if code != 0 {
            assert!(report["error"]["code"].as_str().unwrap().starts_with('E'), "{report:#}");
            assert_eq!(report["error"]["line"], 1, "{report:#}");
        }
    }
}

#[test]
fn a_config_that_cannot_be_read_is_a_report_too() {
    let cli = Cli::new("[katalogs.x]\ntype = \"mysql\"\n");
    let (code, report) = cli.report("SELECT 1", &[]);
    assert_eq!(code, 2);
    assert!(report["error"]["message"].as_str().unwrap().contains("catalogs"), "{report:#}");
}

#[test]
fn a_mistake_in_the_arguments_is_a_report_too() {
    let cli = Cli::bare();
    cli.file("job.sql", "SELECT 1");
    for arguments in [&["--frobnicate"][..], &["-p", "noequal"], &["--format", "foo"], &["--bizdate"]] {
        let ran = cli.run(&[&["run", "job.sql", "--report", "json"], arguments].concat());
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert_eq!(report["status"], "failed", "{report:#}");
        assert_eq!(report["error"]["code"], "E2000", "{report:#}");
    }
    assert_eq!(cli.run(&["run", "--help"]).code, 0);
}

#[test]
fn a_reader_that_has_enough_ends_a_query_quietly() {
    use std::io::{BufRead, BufReader};
    let source = Database::create();
    source.execute(&["CREATE VIEW many AS SELECT seq AS id FROM seq_1_to_3000000"]);
    let cli = Cli::new(&source.config("src"));
    let mut child = cli.start(&["query", "SELECT id FROM src.many", "--format", "csv"]);
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    // the pipe is closed here
    let ran = crate::support::cli::ran(child.wait_with_output().unwrap());
    assert_eq!((first.as_str(), ran.code, ran.stderr.as_str()), ("id\n", 0, ""), "{ran:?}");
}

#[test]
fn every_failure_is_said_when_the_job_goes_on() {
    let cli = Cli::bare();
    cli.file("job.sql", "SET syncline.on_error = 'continue'; ASSERT 1 = 2 AS 'first'; ASSERT 2 = 3 AS 'second';");
    let ran = cli.run(&["run", "job.sql"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("first") && ran.stderr.contains("second"), "{ran:?}");
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn what_a_later_version_brings_says_so() {
    let ran = Cli::bare().run(&["shell"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("not built yet"), "{ran:?}");
}

#[test]
fn a_parameter_is_evaluated_alone() {
    let cli = Cli::new("[params]\nregion = \"eu\"\n");
    let param = |value: &str, more: &[&str]| {
        let ran = cli.run(&[&["param", value, "--bizdate", "20240807"], more].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout
    };
    assert_eq!(param("bizdate", &[]), "bizdate\n");
    assert_eq!(param("$bizdate", &[]), "20240807\n");
    assert_eq!(param("${bizdate}", &[]), "20240807\n");
    assert_eq!(param("$cyctime", &[]), "20240808000000\n");
    assert_eq!(param("${region}", &[]), "eu\n");
    assert_eq!(param("${region}", &["-p", "region=us"]), "us\n");
    assert_eq!(param("log_${yyyymm-1}", &[]), "log_202407\n");
    assert_eq!(param("$[yyyy-mm-dd hh24:mi:ss-1/24]", &["--cyctime", "20240808003000"]), "2024-08-07 23:30:00\n");
    let ran = cli.run(&["param", "$bizdate", "-p", "bizdate=$[yyyymmdd-2]", "--cyctime", "20240808003000"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "20240806\n"), "{ran:?}");
    let ran = cli.run(&["param", "${yyyymmdd-1/24}"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("a fraction is not allowed here"), "{ran:?}");
}

#[test]
fn the_parameters_of_a_script_are_listed_with_where_they_come_from() {
    let cli = Cli::new("[params]\nregion = \"eu\"\nday = \"of the config\"\n")
        .env("SYNCLINE_PARAM_from_environment", "e")
        .env("SYNCLINE_PARAM_region", "us");
    cli.file("more.sql", "SELECT '${region}', '${given}';");
    cli.file(
        "job.sql",
        "SET PARAMETER day = 'of the script'; SET PARAMETER hour = '$[hh24-1/24]';
         SELECT '${day} $<hour>', '${yyyymmdd-1}', '${from_environment}', p${bizdate} FROM t_${region} /* ${comment} */; SOURCE 'more.sql';",
    );
    let list = ["param", "--list", "job.sql", "-p", "given=x\ty", "--cyctime", "2024-08-08 00:30:00"];
    let ran = cli.run(&list);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let expected = [
        "bizdate\t20240807\tbuilt in",
        "day\tof the config\tconfig",
        "from_environment\te\tenvironment",
        "given\tx\\ty\tcommand line",
        "hour\t23\tscript",
        "region\tus\tenvironment",
        "yyyymmdd-1\t20240806\tbuilt in",
    ];
    assert_eq!(lines, expected, "{ran:?}");
    cli.file("wrong.sql", "SELECT '${regoin}'");
    let ran = cli.run(&["param", "--list", "wrong.sql"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("did you mean region?"), "{ran:?}");
}

#[test]
fn a_dry_run_checks_names_and_changes_nothing() {
    let source = Database::create();
    source.execute(&["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"]);
    let target = Warehouse::start();
    let cli = Cli::new(&format!("{}{}", source.config("src"), target.config("sr", "ods")));
    let script = "CREATE DATABASE IF NOT EXISTS sr.ods;
        CREATE TABLE sr.t (id INT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id);
        INSERT INTO sr.t SELECT id FROM src.t;
        SELECT count(*) FROM src.t;";
    let (code, report) = cli.report(script, &["--dry-run"]);
    assert_eq!(code, 0, "{report:#}");
    let statuses: Vec<&str> =
        report["statements"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert!(statuses.iter().all(|status| ["checked", "not_checked"].contains(status)), "{statuses:?}");
    assert_eq!(statuses[2], "not_checked", "an earlier statement makes the target");
    assert!(target.rows("SHOW DATABASES LIKE 'ods'").is_empty());
    let (code, report) = cli.report("SELECT nothing FROM src.t", &["--dry-run"]);
    assert_eq!(code, 0, "a native statement is the server's to check: {report:#}");
    let (code, report) = cli.report("INSERT INTO sr.t SELECT id FROM src.missing", &["--dry-run"]);
    assert_eq!(code, 2, "{report:#}");
}

#[test]
fn check_tries_every_catalog_and_fails_with_one() {
    let source = Database::create();
    let target = Warehouse::start();
    target.execute(&["CREATE DATABASE ods"]);
    let good = format!("{}{}", source.config("src"), target.config("sr", "ods"));
    let ran = Cli::new(&good).run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("src (mysql)") && ran.stdout.contains("sr (starrocks)"), "{ran:?}");
    let bad = format!("{good}[catalogs.gone]\ntype = \"mysql\"\nurl = \"mysql://127.0.0.1:1/x\"\nuser = \"root\"\n");
    let ran = Cli::new(&bad).run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("FAILED"), "{ran:?}");
    let ran = Cli::new(&bad).run(&["check", "src"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = Cli::new(&bad).run(&["check", "srk"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn a_profile_moves_a_script_to_other_systems() {
    let (one, two) = (Database::create(), Database::create());
    for (database, value) in [(&one, "1"), (&two, "2")] {
        database.execute(&["CREATE TABLE t (v INT)", &format!("INSERT INTO t VALUES ({value})")]);
    }
    let profile = two.config("db").replace("[catalogs.db]", "[profiles.prod.catalogs.db]");
    let cli = Cli::new(&format!("{}{profile}", one.config("db")));
    assert_eq!(cli.rows("SELECT v FROM db.t")[0]["v"], 1);
    let ran = cli.run(&["query", "SELECT v FROM db.t", "--profile", "prod", "--format", "csv"]);
    assert_eq!(ran.stdout, "v\n2\n", "{ran:?}");
    assert_eq!(cli.run(&["query", "SELECT 1", "--profile", "prd"]).code, 2);
}

#[test]
fn minirocks_says_when_it_is_ready_and_stops_at_a_signal() {
    use std::io::{BufRead, BufReader};
    let cli = Cli::bare();
    let mut child = cli.start(&["minirocks", "--http-port", "0", "--be-port", "0", "--mysql-port", "0"]);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let addresses: Vec<&str> = line.trim_end().split(' ').collect();
    assert_eq!(addresses[0], "ready", "{line}");
    for (field, name) in addresses[1..].iter().zip(["mysql=127.0.0.1:", "http=127.0.0.1:", "be=127.0.0.1:"]) {
        assert!(field.starts_with(name), "{line}");
    }
    let mysql = addresses[1].trim_start_matches("mysql=");
    let query =
        Cli::new(&format!("[catalogs.sr]\ntype = \"starrocks\"\nurl = \"mysql://{mysql}/x\"\nuser = \"root\"\n"));
    assert_eq!(query.run(&["query", "SHOW DATABASES FROM sr"]).code, 0);
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn minirocks_without_a_password_listens_on_this_machine_only() {
    let ran = Cli::bare().run(&[
        "minirocks",
        "--listen",
        "0.0.0.0",
        "--http-port",
        "0",
        "--be-port",
        "0",
        "--mysql-port",
        "0",
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("password"), "{ran:?}");
}

/// Sends a signal to a process, by the system's own command.
pub(crate) fn signal(child: &std::process::Child, name: &str) {
    let sent = std::process::Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}
