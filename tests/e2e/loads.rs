//! What a user can ask of loads into StarRocks: formats, operations on existing rows, limits; and what rejects tell.

use serde_json::{Value, json};

use crate::support::{Cli, Files, Warehouse};

struct Systems {
    target: Warehouse,
    files: Files,
    cli: Cli,
}

impl Systems {
    fn start() -> Self {
        let target = Warehouse::start();
        target.execute(&[
            "CREATE DATABASE ods",
            "CREATE TABLE ods.people (id INT NOT NULL, name VARCHAR(20) NOT NULL, score INT) PRIMARY KEY(id) DISTRIBUTED BY HASH(id)",
            "CREATE TABLE ods.log (id INT, name VARCHAR(20)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)",
        ]);
        let files = Files::start();
        files.put("one.txt", "x\n");
        let cli = Cli::new(&format!(
            "{}[catalogs.web]\ntype = \"http\"\nurl = \"{}\"\n",
            target.config("sr", "ods"),
            files.url()
        ));
        Self { target, files, cli }
    }

    /// Runs a script that must end with this exit code, and gives the report.
    fn run(&self, script: &str, code: i32) -> Value {
        let (exit, report) = self.cli.report(script, &[]);
        assert_eq!(exit, code, "{script}: {report:#}");
        report
    }

    fn people(&self) -> Vec<(i64, String, Option<i64>)> {
        let rows = self.target.rows("SELECT id, name, score FROM ods.people ORDER BY id");
        rows.into_iter().map(mysql_async::from_row).collect()
    }
}

/// The lines of the rejects file of a report's n-th statement.
fn rejects(systems: &Systems, report: &Value, statement: usize) -> Vec<Value> {
    let file = report["statements"][statement]["rejects_file"].as_str().unwrap_or_else(|| panic!("{report:#}"));
    let text = std::fs::read_to_string(systems.cli.folder().join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const LOG: &str = "CREATE EXTERNAL TABLE IF NOT EXISTS log (id STRING, name STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' \
                   STORED AS TEXTFILE LOCATION 'web:/log.txt';";

/// A table of one row that is not the server's, so that what selects from it is sent as a load.
const ONE: &str = "CREATE EXTERNAL TABLE IF NOT EXISTS one (x STRING) LOCATION 'web:/one.txt';";

#[test]
fn a_reject_of_a_file_names_file_line_and_the_other_values() {
    let systems = Systems::start();
    systems.files.put("log.txt", "1|ann\n2.5|bob\n3|a name that is longer than twenty bytes\n4|dan\n");
    let report = systems.run(&format!("{LOG} INSERT INTO sr.log SELECT id, name FROM log WHERE id <> '4'"), 1);
    assert_eq!(systems.target.number("SELECT count(*) FROM ods.log"), 0);
    let found = rejects(&systems, &report, 1);
    assert_eq!(found[0]["line"], 2, "{found:#?}");
    let report =
        systems.run(&format!("{LOG} SET syncline.error_limit = '50%'; INSERT INTO sr.log SELECT id, name FROM log"), 0);
    let found = rejects(&systems, &report, 2);
    assert_eq!(found.len(), 2, "{found:#?}");
    for (reject, column, value, line, row) in [
        (&found[0], "id", "2.5", 2, json!({"id": "2.5", "name": "bob"})),
        (
            &found[1],
            "name",
            "a name that is longer than twenty bytes",
            3,
            json!({"id": "3", "name": "a name that is longer than twenty bytes"}),
        ),
    ] {
        assert_eq!((&reject["column"], &reject["value"]), (&json!(column), &json!(value)), "{reject:#}");
        assert_eq!((&reject["line"], &reject["row"]), (&json!(line), &row), "{reject:#}");
        assert!(reject["file"].as_str().unwrap().ends_with("/log.txt"), "{reject:#}");
        assert_eq!((&reject["found_by"], &reject["statement"]), (&json!("syncline"), &json!(3)), "{reject:#}");
    }
    assert_eq!(systems.target.number("SELECT count(*) FROM ods.log"), 2);
    assert_eq!(report["statements"][2]["rows_rejected"], 2);
}

#[test]
fn the_strategy_of_dataworks_leaves_bad_rows_out_or_stops_at_them() {
    let systems = Systems::start();
    systems.files.put("log.txt", "1|ann\nx|bob\n");
    let insert = |strategy: &str| {
        format!("{LOG} INSERT INTO sr.log PROPERTIES (\"strategyOnError\" = \"{strategy}\") SELECT id, name FROM log")
    };
    systems.run(&insert("exit"), 1);
    assert_eq!(systems.target.number("SELECT count(*) FROM ods.log"), 0);
    let report = systems.run(&insert("continue"), 0);
    assert_eq!(report["statements"][1]["rows_rejected"], 1, "{report:#}");
    assert_eq!(systems.target.number("SELECT count(*) FROM ods.log"), 1);
}

#[test]
fn rows_are_upserted_and_deleted_by_their_operation_and_updated_in_part() {
    let systems = Systems::start();
    let script = format!(
        "{ONE} INSERT INTO sr.people SELECT 1, 'ann', 10 UNION ALL SELECT 2, 'bob', 20 UNION ALL SELECT 3, 'cid', 30;
         INSERT INTO sr.people (id, name, __op) SELECT 1, '', 'delete' FROM one UNION ALL SELECT 4, 'dan', 'upsert' FROM one;
         INSERT INTO sr.people BY NAME SELECT 1 AS __op, 2 AS id, '' AS name FROM one;
         INSERT INTO sr.people (id, score) PROPERTIES (\"partial_update\" = \"true\") SELECT 3, 33 FROM one;
         INSERT INTO sr.people (id, name, score) PROPERTIES (\"merge_condition\" = \"score\") SELECT 3, 'CID', 5 FROM one;"
    );
    systems.run(&script, 0);
    assert_eq!(systems.people(), [(3, "cid".to_owned(), Some(33)), (4, "dan".to_owned(), None)]);
    let report = systems.run(&format!("{ONE} INSERT INTO sr.log (id, __op) SELECT 1, 1 FROM one"), 2);
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("primary key tables only") && message.contains("DUPLICATE KEY"), "{message}");
}

#[test]
fn an_update_and_a_delete_run_on_the_server() {
    let systems = Systems::start();
    let report = systems.run(
        "INSERT INTO sr.people SELECT 1, 'ann', 10 UNION ALL SELECT 2, 'bob', 20;
         UPDATE sr.people SET score = score + 1 WHERE id = 1;
         DELETE FROM sr.people WHERE id = 2;",
        0,
    );
    assert_eq!(
        (&report["statements"][1]["kind"], &report["statements"][2]["kind"]),
        (&json!("native"), &json!("native"))
    );
    assert_eq!(systems.people(), [(1, "ann".to_owned(), Some(11))]);
}

#[test]
fn a_format_that_is_written_is_the_one_that_is_sent() {
    let systems = Systems::start();
    for properties in [
        r#""column_separator" = "\\x01", "row_delimiter" = "\\x02", "maxBatchRows" = "500000", "maxBatchSize" = "5242880""#,
        r#""format" = "zstd", "columnSeparator" = ",", "row_delimiter" = "0x0A""#,
        r#""format" = "gzip""#,
        r#""format" = "lz4""#,
        r#""format" = "json", "compression" = "zstd""#,
        r#""enclose" = "\"", "column_separator" = ",""#,
        r#""format" = "arrow""#,
    ] {
        systems.run(
            &format!(
                "{ONE} TRUNCATE TABLE sr.log; INSERT INTO sr.log PROPERTIES ({properties})
                 SELECT 1, 'ann' FROM one UNION ALL SELECT 2, NULL FROM one UNION ALL SELECT 3, '' FROM one"
            ),
            0,
        );
        let rows: Vec<(i64, Option<String>)> = systems
            .target
            .rows("SELECT id, name FROM ods.log ORDER BY id")
            .into_iter()
            .map(mysql_async::from_row)
            .collect();
        assert_eq!(rows, [(1, Some("ann".into())), (2, None), (3, Some(String::new()))], "{properties}");
    }
    let report = systems
        .run(&format!("{ONE} INSERT INTO sr.log PROPERTIES (\"colum_separator\" = \",\") SELECT 1, 'a' FROM one"), 2);
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("did you mean \"column_separator\"?"), "{message}");
}
