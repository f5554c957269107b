//! Writes into external tables, directories and files, on this machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::partitions::Place;
use super::{error_of, run, run_with};
use crate::report::{RunReport, RunStatus, StatementReport, StatementStatus};
use crate::{Engine, RunOptions, Script, Session, WriteOptions};

/// A table over a folder of days, and one over a single file to read from.
const TABLES: &str = "
CREATE EXTERNAL TABLE days (name STRING, n INT) PARTITIONED BY (dt STRING)
  ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'days';
CREATE EXTERNAL TABLE source (name STRING, n INT, dt STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 'in/';
CREATE EXTERNAL TABLE plain (name STRING, n INT) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'plain/';
";

async fn place() -> (Place, Session) {
    let place = Place::with(&[("in/a.csv", "a,1,20240807\nb,2,20240807\nc,3,20240808\n"), ("days/stray.txt", "x|0\n")]);
    let session = place.session().await;
    place.run(&session, TABLES).await;
    (place, session)
}

/// The files below a folder that are no dot-files, by their paths there.
fn files(folder: &Path) -> BTreeMap<String, String> {
    fn walk(folder: &Path, below: &str, files: &mut BTreeMap<String, String>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.map(Result::unwrap).filter(|entry| entry.file_name() != ".syncline") {
            let path = format!("{below}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => walk(&entry.path(), &format!("{path}/"), files),
                false => drop(files.insert(path, std::fs::read_to_string(entry.path()).unwrap())),
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, "", &mut found);
    found
}

/// The lines of all files of a folder, sorted.
fn lines(folder: &Path) -> Vec<String> {
    let mut lines: Vec<String> = files(folder).values().flat_map(|text| text.lines().map(str::to_owned)).collect();
    lines.sort();
    lines
}

async fn report(place: &Place, session: &Session, script: &str) -> RunReport {
    run(session, Script::new("job.sql", script).in_folder(place.path())).await.0
}

/// The report of the last statement of a script that succeeds.
async fn last(place: &Place, session: &Session, script: &str) -> StatementReport {
    let report = report(place, session, script).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{script}: {:?}", report.error);
    report.statements.last().unwrap().clone()
}

#[tokio::test]
async fn a_static_partition_is_written_registered_and_read_by_the_same_script_and_by_tomorrow_s() {
    let (place, session) = place().await;
    let script = "INSERT INTO days PARTITION (dt = '20240807') SELECT name, n FROM source WHERE dt = '20240807';
        SELECT * FROM days ORDER BY name";
    assert_eq!(place.rows(&session, script).await, ["a|1|20240807", "b|2|20240807"]);
    assert_eq!(lines(&place.path().join("days/dt=20240807")), ["a|1", "b|2"]);
    let tomorrow = place.session().await;
    assert_eq!(place.rows(&tomorrow, "SHOW PARTITIONS days").await, ["dt=20240807"]);
    assert_eq!(place.rows(&tomorrow, "SELECT sum(n) FROM days WHERE dt = '20240807'").await, ["3"]);
    // INSERT INTO adds, and other files of the folder are nobody's
    let written = last(&place, &session, "INSERT INTO days PARTITION (dt = '20240807') SELECT 'z', 26").await;
    assert_eq!(written.rows_written, Some(1));
    assert_eq!(written.target.as_deref(), Some("syncline.default.days"));
    assert_eq!(written.labels.len(), 1, "{written:?}");
    assert_eq!(place.rows(&session, "SELECT sum(n) FROM days").await, ["29"]);
    assert_eq!(files(place.path())["days/stray.txt"], "x|0\n");
}

#[tokio::test]
async fn dynamic_partitions_go_by_the_last_columns_of_the_select() {
    let (place, session) = place().await;
    for clause in ["PARTITION (dt)", ""] {
        place.run(&session, &format!("INSERT OVERWRITE TABLE days {clause} SELECT name, n, dt FROM source")).await;
        assert_eq!(
            place.rows(&session, "SELECT * FROM days ORDER BY name").await,
            ["a|1|20240807", "b|2|20240807", "c|3|20240808"],
            "{clause}"
        );
        assert_eq!(place.rows(&session, "SHOW PARTITIONS days").await, ["dt=20240807", "dt=20240808"]);
    }
    assert_eq!(lines(&place.path().join("days/dt=20240808")), ["c|3"]);
}

#[tokio::test]
async fn an_overwrite_replaces_only_the_partitions_that_it_writes() {
    let (place, session) = place().await;
    place.run(&session, "INSERT INTO days SELECT name, n, dt FROM source").await;
    place.run(&session, "INSERT OVERWRITE days PARTITION (dt = '20240807') SELECT 'new', 9").await;
    assert_eq!(place.rows(&session, "SELECT * FROM days ORDER BY n").await, ["c|3|20240808", "new|9|20240807"]);
    place.run(&session, "INSERT OVERWRITE days PARTITION (dt) SELECT 'newer', 10, '20240808'").await;
    assert_eq!(place.rows(&session, "SELECT * FROM days ORDER BY n").await, ["new|9|20240807", "newer|10|20240808"]);
    // a partition that is named and gets no row is empty afterwards; one that is not named stays
    place.run(&session, "INSERT OVERWRITE days PARTITION (dt = '20240807') SELECT name, n FROM source LIMIT 0").await;
    assert_eq!(place.rows(&session, "SELECT * FROM days").await, ["newer|10|20240808"]);
}

#[tokio::test]
async fn an_overwrite_may_read_what_it_replaces() {
    let (place, session) = place().await;
    place.run(&session, "INSERT INTO plain SELECT name, n FROM source").await;
    place.run(&session, "INSERT OVERWRITE plain SELECT name, n * 10 FROM plain WHERE n > 1").await;
    assert_eq!(place.rows(&session, "SELECT * FROM plain ORDER BY n").await, ["b|20", "c|30"]);
    place.run(&session, "INSERT INTO plain SELECT * FROM plain").await;
    assert_eq!(place.rows(&session, "SELECT count(*), sum(n) FROM plain").await, ["4|100"]);
}

#[tokio::test]
async fn a_partition_is_written_where_its_definition_says() {
    let (place, session) = place().await;
    place.run(&session, "ALTER TABLE days ADD PARTITION (dt = '20240807') LOCATION 'elsewhere/seven'").await;
    std::fs::create_dir_all(place.path().join("elsewhere/seven")).unwrap();
    place.run(&session, "INSERT OVERWRITE days SELECT name, n, dt FROM source").await;
    assert_eq!(lines(&place.path().join("elsewhere/seven")), ["a|1", "b|2"]);
    assert!(!place.path().join("days/dt=20240807").exists());
    assert_eq!(place.rows(&session, "SELECT sum(n) FROM days").await, ["6"]);
}

#[tokio::test]
async fn a_partition_at_a_file_or_a_pattern_is_not_written_to() {
    let (place, session) = place().await;
    let add = "ALTER TABLE days ADD PARTITION (dt = '1') LOCATION 'in/a.csv' PARTITION (dt = '2') LOCATION 'in/*.csv'";
    place.run(&session, add).await;
    for insert in [
        "INSERT INTO days PARTITION (dt = '1') SELECT name, n FROM source",
        "INSERT OVERWRITE days PARTITION (dt = '2') SELECT name, n FROM source",
        "INSERT INTO days SELECT name, n, '1' AS dt FROM source",
    ] {
        let (_, message) = place.error(&session, insert).await;
        assert!(message.contains("only a folder is written to"), "{insert}: {message}");
    }
    assert_eq!(files(&place.path().join("in")).len(), 1);
}

#[tokio::test]
async fn a_folder_of_other_things_is_never_overwritten() {
    let (place, session) = place().await;
    std::fs::create_dir(place.path().join("project")).unwrap();
    std::fs::write(place.path().join("project/syncline.toml"), "").unwrap();
    let before = files(place.path());
    // only explained: were it not refused, it would have no effect either
    for (explain, target) in [("EXPLAIN", "/"), ("", "."), ("", "in/.."), ("", "project")] {
        let sql = format!("{explain} INSERT OVERWRITE DIRECTORY '{target}' SELECT 1");
        let (code, message) = place.error(&session, &sql).await;
        assert!(code == "E2001" && message.contains("not written to as a folder"), "{target}: {code} {message}");
    }
    for (sql, why) in [
        ("COPY (SELECT 1 AS a) TO 'out/a*.txt'", "is a pattern"),
        ("COPY (SELECT 1 AS a, 2 AS A) TO 'out/a.parquet'", "two columns are named"),
    ] {
        let (_, message) = place.error(&session, sql).await;
        assert!(message.contains(why), "{sql}: {message}");
    }
    assert_eq!(files(place.path()), before);
}

#[tokio::test]
async fn a_file_that_may_not_be_replaced_stays() {
    let (place, session) = place().await;
    place.run(&session, "COPY (SELECT 1 AS x) TO 'out/a.csv'").await;
    place.error(&session, "COPY (SELECT 2 AS x) TO 'out/a.csv' OPTIONS (overwrite 'false')").await;
    assert_eq!(files(place.path())["out/a.csv"], "1\n");
    place.run(&session, "COPY (SELECT 2 AS x) TO 'out/a.csv' OPTIONS (overwrite 'true')").await;
    assert_eq!(files(place.path())["out/a.csv"], "2\n");
}

#[tokio::test]
async fn a_new_partition_never_lies_within_the_folder_of_another_one() {
    let (place, session) = place().await;
    let daily = "CREATE EXTERNAL TABLE daily (name STRING) PARTITIONED BY (dt STRING) LOCATION 'day7/';
        ALTER TABLE daily ADD PARTITION (dt = '20240807') LOCATION 'day7/'";
    place.run(&session, daily).await;
    place.run(&session, "INSERT OVERWRITE daily PARTITION (dt = '20240807') SELECT 'a'").await;
    for statement in
        ["INSERT INTO daily PARTITION (dt = '20240808') SELECT 'b'", "INSERT OVERWRITE daily SELECT 'b', '20240808'"]
    {
        let (_, message) = place.error(&session, statement).await;
        assert!(message.contains("within that of partition dt=20240807"), "{message}");
    }
    place.run(&session, "ALTER TABLE daily ADD PARTITION (dt = '20240808') LOCATION 'day8/'").await;
    place.run(&session, "INSERT OVERWRITE daily SELECT 'b', '20240808'").await;
    assert_eq!(place.rows(&session, "SELECT * FROM daily ORDER BY dt").await, ["a|20240807", "b|20240808"]);
}

#[tokio::test]
async fn a_partition_s_values_may_be_anything_that_a_name_can_be_made_of() {
    let (place, session) = place().await;
    let values = "SELECT 'a', 1, 'x/y' UNION ALL SELECT 'b', 2, '100% = all' UNION ALL SELECT 'c', 3, '日 本:?*[1]'";
    place.run(&session, &format!("INSERT INTO days {values}")).await;
    let rows = ["a|1|x/y", "b|2|100% = all", "c|3|日 本:?*[1]"];
    for session in [session, place.session().await] {
        assert_eq!(place.rows(&session, "SELECT * FROM days ORDER BY name").await, rows);
        assert_eq!(place.rows(&session, "SELECT name FROM days WHERE dt = 'x/y'").await, ["a"]);
    }
    // what MSCK finds is the same
    let other = place.session().await;
    place.run(&other, "ALTER TABLE days DROP PARTITION (dt = 'x/y'); MSCK REPAIR TABLE days").await;
    assert_eq!(place.rows(&other, "SELECT * FROM days ORDER BY name").await, rows);
}

#[tokio::test]
async fn copy_writes_exactly_one_file_and_again_the_same() {
    let (place, session) = place().await;
    let copy = "COPY (SELECT name, n FROM source ORDER BY n) TO 'out/log_${bizdate}/log_${bizdate}.txt'
        OPTIONS (format text, delimiter '|')";
    for _ in 0..2 {
        let options = RunOptions { bizdate: Some("20240807".to_owned()), ..RunOptions::default().interactive(true) };
        let script = Script::new("job.sql", copy).in_folder(place.path());
        let (report, _) = run_with(&session, script, options).await;
        assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
        assert_eq!(report.statements[0].target.as_deref(), Some("out/log_20240807/log_20240807.txt"));
        assert_eq!(report.statements[0].rows_written, Some(3));
        let out = files(&place.path().join("out"));
        assert_eq!(out, [("log_20240807/log_20240807.txt".to_owned(), "a|1\nb|2\nc|3\n".to_owned())].into());
    }
}

#[tokio::test]
async fn a_copy_of_one_column_writes_the_lines_as_they_are() {
    let place = Place::with(&[("log.txt", "1.2.3.4 \"GET /|x\" 200\n\\N\nback\\slash\n")]);
    let session = place.session().await;
    let script = "CREATE EXTERNAL TABLE log (col STRING) LOCATION 'log.txt';
        COPY (SELECT col FROM log) TO 'copy.txt' OPTIONS (format 'text', delimiter '|')";
    place.run(&session, script).await;
    assert_eq!(files(place.path())["copy.txt"], "1.2.3.4 \"GET /|x\" 200\n\\N\nback\\slash\n");
}

#[tokio::test]
async fn the_name_of_a_file_says_its_format() {
    let (place, session) = place().await;
    place.run(&session, "COPY source TO 'out/a.csv' (HEADER); COPY source TO 'out/c.json'").await;
    let out = files(&place.path().join("out"));
    assert_eq!(out["a.csv"].lines().next(), Some("name,n,dt"), "{out:?}");
    assert!(out["c.json"].contains("\"name\":\"a\""), "{out:?}");
    place.run(&session, "INSERT INTO plain SELECT name, n FROM source; COPY plain TO 'out/b.tsv'").await;
    assert_eq!(lines_of(&place, "out/b.tsv"), ["a\t1", "b\t2", "c\t3"]);
    let (code, message) = place.error(&session, "COPY source TO 'out/d'").await;
    assert!(code == "E2001" && message.contains("does not say its format"), "{code} {message}");
}

#[tokio::test]
async fn arrays_of_files_of_columns_are_counted_from_0_as_those_of_text() {
    let (place, session) = place().await;
    let script = "CREATE EXTERNAL TABLE tags (t ARRAY<STRING>) ROW FORMAT DELIMITED COLLECTION ITEMS TERMINATED BY ',' LOCATION 'tags/';
        CREATE EXTERNAL TABLE columns (t ARRAY<STRING>) STORED AS PARQUET LOCATION 'columns/';
        COPY (SELECT 'a,b') TO 'tags/t.txt' OPTIONS (format text);
        INSERT INTO columns SELECT t FROM tags;
        COPY (SELECT t[0] AS x, t[1] AS y FROM columns) TO 'parquet.txt' OPTIONS (format text, delimiter '|');
        COPY (SELECT t[0] AS x, t[1] AS y FROM tags) TO 'text.txt' OPTIONS (format text, delimiter '|')";
    place.run(&session, script).await;
    for file in ["parquet.txt", "text.txt"] {
        assert_eq!(std::fs::read_to_string(place.path().join(file)).unwrap(), "a|b\n", "{file}");
    }
}

fn lines_of(place: &Place, file: &str) -> Vec<String> {
    let mut lines: Vec<String> = files(place.path())[file].lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_copy_into_a_folder_adds_files_or_replaces_them_as_its_options_say() {
    let (place, session) = place().await;
    let copy =
        "COPY (SELECT dt, name, n FROM source) TO 'out/' (FORMAT text, DELIMITER '|', PARTITION_BY (dt), {mode})";
    for (mode, sums) in [("OVERWRITE", 6), ("APPEND", 12), ("writeMode 'truncate'", 6)] {
        place.run(&session, &copy.replace("{mode}", mode)).await;
        let out = files(&place.path().join("out"));
        assert!(out.keys().all(|name| name.starts_with("dt=2024080")), "{out:?}");
        let sum: i32 = lines(&place.path().join("out"))
            .iter()
            .map(|line| line.split_once('|').unwrap().1.parse::<i32>().unwrap())
            .sum();
        assert_eq!(sum, sums, "{mode}");
    }
    let refused = copy.replace("{mode}", "writeMode 'nonConflict'");
    let refused = report(&place, &session, &refused).await;
    assert!(refused.status != RunStatus::Succeeded && error_of(&refused).1.contains("is there already"), "{refused:?}");
}

#[tokio::test]
async fn a_directory_holds_what_the_last_overwrite_wrote() {
    let (place, session) = place().await;
    let write =
        "INSERT OVERWRITE DIRECTORY 'out' ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\001' STORED AS TEXTFILE SELECT";
    place.run(&session, &format!("{write} name, n FROM source")).await;
    assert_eq!(lines(&place.path().join("out")), ["a\u{1}1", "b\u{1}2", "c\u{1}3"]);
    let second = last(&place, &session, &format!("{write} name FROM source WHERE n = 1")).await;
    assert_eq!(lines(&place.path().join("out")), ["a"]);
    assert_eq!(second.target.as_deref(), Some("out"));
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_and_takes_nothing_away() {
    let (place, session) = place().await;
    place.run(&session, "INSERT OVERWRITE plain SELECT name, n FROM source").await;
    let before = files(place.path());
    for statement in [
        "INSERT OVERWRITE plain SELECT name, name FROM source",
        "INSERT INTO days PARTITION (dt = '1') SELECT name, name FROM source",
        "INSERT INTO plain SELECT 'a|b', 1",
        "COPY (SELECT name, 'x\\ny' FROM source) TO 'out.txt' OPTIONS (format text, delimiter '|')",
    ] {
        let report = report(&place, &session, statement).await;
        assert_eq!(report.statements[0].status, StatementStatus::RolledBack, "{statement}: {:?}", report.error);
        assert_eq!(files(place.path()), before, "{statement}");
    }
    assert_eq!(place.rows(&session, "SHOW PARTITIONS days").await, [""; 0]);
    // rejects within the limit are left out
    let script = "INSERT OVERWRITE plain PROPERTIES (error_limit = 1) SELECT name, CASE WHEN n = 1 THEN 'x' ELSE '7' END FROM source";
    let written = last(&place, &session, script).await;
    assert_eq!((written.rows_written, written.rows_rejected), (Some(2), Some(1)));
    assert_eq!(place.rows(&session, "SELECT * FROM plain ORDER BY name").await, ["b|7", "c|7"]);
}

#[tokio::test]
async fn mistakes_are_found_before_anything_is_written() {
    let (place, session) = place().await;
    place.run(&session, "CREATE VIEW v AS SELECT * FROM source").await;
    for (statement, code, part) in [
        ("INSERT INTO v SELECT * FROM source", "E2003", "is a view"),
        ("INSERT INTO nowhere SELECT 1", "E2002", "nowhere"),
        ("INSERT INTO plain SELECT name FROM source", "E2002", "column"),
        ("INSERT INTO days PARTITION (dtt = '1') SELECT name, n FROM source", "E2002", "dtt"),
        ("INSERT INTO plain OPTIONS (headr 'true') SELECT name, n FROM source", "E2001", "headr"),
        ("COPY source TO 'a.txt' OPTIONS (fieldDelimeter '|')", "E2001", "fieldDelimeter"),
        ("COPY source TO 'a/' OPTIONS (format text, single true)", "E2001", "single file"),
        ("COPY source TO 'a/' (FORMAT parket)", "E2001", "did you mean parquet?"),
        ("COPY source TO 'a/' (FORMAT csv, PARTITION_BY (day))", "E2002", "no column \"day\""),
        ("COPY source TO 'nothing:/a.csv'", "E1006", "nothing"),
    ] {
        let options = RunOptions::default().interactive(true).dry_run(true);
        let script = Script::new("job.sql", statement).in_folder(place.path());
        let (report, _) = run_with(&session, script, options).await;
        assert_eq!(report.status, RunStatus::Failed, "{statement}");
        let (found, message, line) = error_of(&report);
        assert!(found == code && message.contains(part) && line == Some(1), "{statement}: {found} {message}");
    }
    assert!(!place.path().join("a").exists());
}

#[tokio::test]
async fn what_scripts_may_not_read_they_may_not_write() {
    let (place, session) = place().await;
    place.run(&session, "INSERT INTO plain SELECT name, n FROM source").await;
    let folder = place.path().join(".syncline");
    let builder = Engine::builder().state_folder(&folder).allow_locations(crate::Permission::when(|at| at == "in/"));
    let strict = builder.build().await.unwrap().session();
    for statement in
        ["COPY source TO 'out.csv'", "INSERT OVERWRITE DIRECTORY 'out' SELECT 1", "INSERT INTO plain SELECT 'a', 1"]
    {
        let (code, message) = place.error(&strict, statement).await;
        assert!(code == "E2012" && message.contains("allow_locations"), "{statement}: {code} {message}");
    }
    let reader =
        Engine::builder().state_folder(&folder).allow_locations(true).read_only(true).build().await.unwrap().session();
    let (code, _) = place.error(&reader, "COPY source TO 'out.csv'").await;
    assert_eq!(code, "E2012");
}

#[tokio::test]
async fn explain_says_how_files_are_written_and_when_readers_see_them() {
    let (place, session) = place().await;
    let explain = |statement: &str| format!("EXPLAIN {statement}");
    let lines = place.rows(&session, &explain("INSERT OVERWRITE days SELECT name, n, dt FROM source")).await;
    assert!(lines[0].starts_with("kind: sync") && lines[1].starts_with("write: "), "{lines:?}");
    assert!(lines[1].contains("syncline.default.days"), "{lines:?}");
    let lines = place.rows(&session, &explain("COPY source TO 'out/a.csv'")).await;
    assert!(lines[1].contains("out/a.csv"), "{lines:?}");
    assert!(!place.path().join("out").exists());
}

#[tokio::test]
async fn a_stream_of_batches_is_written_into_an_external_table() {
    let (_place, session) = place().await;
    let column = |values: [&str; 2]| Arc::new(StringArray::from_iter_values(values)) as ArrayRef;
    let columns = [("name", column(["a", "b"])), ("n", column(["1", "2"])), ("dt", column(["20240807", "20240808"]))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let batches = Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)])));
    let report = session.write("days", batches, WriteOptions::default()).await.unwrap();
    assert_eq!((report.target.as_deref(), report.rows_written), (Some("syncline.default.days"), Some(2)));
    let frame = session.sql("SELECT count(*), max(dt) FROM days").await.unwrap();
    let rows = arrow::util::pretty::pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string();
    assert!(rows.contains("| 2        | 20240808"), "{rows}");
}

#[tokio::test]
async fn a_copy_may_name_the_columns_types_and_endings_of_its_files() {
    let (place, session) = place().await;
    let copy = "COPY (SELECT name, n * 50 FROM source) TO 'out/p' OPTIONS (format csv, single false, header, suffix '.dat', \
        schema 'who STRING, `how many` TINYINT', error_limit 1)";
    let report = last(&place, &session, copy).await;
    // 150 is no TINYINT
    assert_eq!((report.rows_written, report.rows_rejected), (Some(2), Some(1)));
    let found = files(&place.path().join("out"));
    let name = found.keys().next().unwrap();
    assert!(found.len() == 1 && name.starts_with("p__") && name.ends_with(".dat") && !name.contains(".csv"), "{name}");
    assert_eq!(lines(&place.path().join("out")), ["a,50", "b,100", "who,how many"]);
    for (options, message) in [
        ("schema 'a STRING'", "option \"schema\" has 1 columns, and the query 2"),
        ("schema 'a'", "is no name and type"),
        ("suffix '/x'", "suffix is the end of a file's name"),
    ] {
        let script =
            format!("COPY (SELECT name, n FROM source) TO 'out2/p' OPTIONS (format csv, single false, {options})");
        let report = self::report(&place, &session, &script).await;
        assert!(
            report.error.as_ref().is_some_and(|error| error.message.contains(message)),
            "{options}: {:?}",
            report.error
        );
    }
}
