//! Writes into folders of this machine by the binary: what one process writes, the next one reads.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Cli, Database, Files};

/// The files below a folder with their bytes, dot-files included.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, below: &str, files: &mut BTreeMap<String, Vec<u8>>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = format!("{below}{}", entry.file_name().to_string_lossy());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => walk(&entry.path(), &format!("{path}/"), files),
                Ok(_) => drop(files.insert(path, std::fs::read(entry.path()).unwrap_or_default())),
                Err(_) => {}
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, "", &mut found);
    found
}

/// The report's one value of every statement.
fn of_statements(report: &Value, name: &str) -> Vec<Value> {
    report["statements"].as_array().unwrap().iter().map(|statement| statement[name].clone()).collect()
}

#[test]
fn a_database_and_a_file_behind_http_are_written_into_a_partitioned_table_and_read_tomorrow() {
    let source = Database::create();
    source.execute(&[
        "CREATE TABLE users (uid VARCHAR(32), gender VARCHAR(16), age INT)",
        "INSERT INTO users VALUES ('u1', 'female', 20), ('u2', NULL, 30), ('u3', '', NULL)",
    ]);
    let web = Files::start();
    web.put("log.txt", "GET /\nGET /|x\n");
    let cli = Cli::new(&format!("{}[catalogs.web]\ntype = \"http\"\nurl = \"{}\"\n", source.config("src"), web.url()));
    let script =
        "CREATE EXTERNAL TABLE IF NOT EXISTS users (uid STRING, gender STRING, age INT) PARTITIONED BY (dt STRING)
          ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'users/';
        CREATE EXTERNAL TABLE IF NOT EXISTS web_log (col STRING) LOCATION 'web:/log.txt';
        INSERT OVERWRITE users PARTITION (dt = '${bizdate}') SELECT uid, gender, age FROM src.users;
        COPY web_log TO 'log_${bizdate}/log_${bizdate}.txt' OPTIONS (format text, delimiter '|');
        ASSERT (SELECT count(*) FROM users WHERE dt = '${bizdate}') = 3;";
    for day in ["20240807", "20240808", "20240808"] {
        let (code, report) = cli.report(script, &["--bizdate", day]);
        assert_eq!(code, 0, "{report:#}");
        assert_eq!(of_statements(&report, "kind")[2..4], [json!("sync"), json!("sync")]);
        assert_eq!(of_statements(&report, "rows_written")[2..4], [json!(3), json!(2)]);
        assert_eq!(of_statements(&report, "target")[2], "syncline.default.users");
        assert_eq!(of_statements(&report, "target")[3], format!("log_{day}/log_{day}.txt"));
        assert!(of_statements(&report, "write_mode")[2].is_string(), "{report:#}");
        assert_eq!(std::fs::read(cli.folder().join(format!("log_{day}/log_{day}.txt"))).unwrap(), b"GET /\nGET /|x\n");
    }
    assert_eq!(
        cli.rows("SELECT * FROM users WHERE dt = '20240808' ORDER BY uid"),
        [
            json!({"uid": "u1", "gender": "female", "age": 20, "dt": "20240808"}),
            json!({"uid": "u2", "gender": null, "age": 30, "dt": "20240808"}),
            json!({"uid": "u3", "gender": "", "age": null, "dt": "20240808"}),
        ]
    );
    assert_eq!(cli.rows("SELECT count(*) AS n FROM users"), [json!({"n": 6})]);
    // what a write leaves is its files: no part of one, no old one
    let names: Vec<String> = files(&cli.folder().join("users")).into_keys().collect();
    assert!(names.len() == 2 && names.iter().all(|name| !name.contains("/.")), "{names:?}");
}

#[test]
fn a_dry_run_touches_nothing_and_says_what_would_be_written() {
    let cli = Cli::bare();
    cli.file("in.txt", "a\n");
    let script = "CREATE EXTERNAL TABLE t (a STRING) LOCATION 'in.txt';
        COPY t TO 'out/a.csv'; INSERT OVERWRITE DIRECTORY 'out' SELECT * FROM t;";
    let (code, report) = cli.report(script, &["--dry-run"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(of_statements(&report, "status")[1..], [json!("checked"), json!("checked")]);
    assert_eq!(of_statements(&report, "target")[1..], [json!("out/a.csv"), json!("out")]);
    assert!(!cli.folder().join("out").exists());
    let (code, report) = cli.report(&script.replace("a.csv'", "a.csv' (HEADRE)"), &["--dry-run"]);
    assert!(code == 2 && report["error"]["message"].as_str().unwrap().contains("HEADRE"), "{report:#}");
}

#[test]
fn too_many_rejects_leave_the_old_files_and_name_the_rows() {
    let cli = Cli::bare();
    cli.file("in.txt", "1\nx\n3\n");
    let setup = "CREATE EXTERNAL TABLE t (a STRING) LOCATION 'in.txt'; \
        CREATE EXTERNAL TABLE numbers (n INT) LOCATION 'numbers/'; INSERT INTO numbers SELECT 0;";
    assert_eq!(cli.report(setup, &[]).0, 0);
    let before = files(&cli.folder().join("numbers"));
    let (code, report) = cli.report("INSERT OVERWRITE numbers SELECT a FROM t", &[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["status"], "rolled_back");
    assert_eq!(files(&cli.folder().join("numbers")), before);
    let rejects = std::fs::read_to_string(report["statements"][0]["rejects_file"].as_str().unwrap()).unwrap();
    assert!(rejects.contains("\"column\":\"n\"") && rejects.contains("\"value\":\"x\""), "{rejects}");
    let (code, report) = cli.report("INSERT OVERWRITE numbers PROPERTIES (error_limit = 1) SELECT a FROM t", &[]);
    assert_eq!((code, &report["statements"][0]["rows_written"]), (0, &json!(2)), "{report:#}");
    assert_eq!(cli.rows("SELECT sum(n) AS n FROM numbers"), [json!({"n": 4})]);
}

#[test]
fn tables_of_a_catalog_that_is_not_there_yet_are_a_clear_error() {
    let cli = Cli::bare();
    let ddl = "CREATE TABLE IF NOT EXISTS odps.dw.t (uid STRING) PARTITIONED BY (dt STRING) LIFECYCLE 7";
    let (code, report) = cli.report(ddl, &[]);
    let message = report["error"]["message"].as_str().unwrap();
    assert!(code == 2 && message.contains("there is no catalog or database odps"), "{report:#}");
    let ddl = "CREATE EXTERNAL CATALOG odps PROPERTIES ('type' = 'maxcompute', 'project' = 'dw')";
    let (code, report) = cli.report(ddl, &[]);
    let message = report["error"]["message"].as_str().unwrap();
    assert!(code == 2 && message.contains("maxcompute"), "{report:#}");
}
