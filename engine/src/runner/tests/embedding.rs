//! The library's calls, and what an embedding program permits.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray};
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::*;
use crate::WriteOptions;

fn batches(ages: Vec<Option<i32>>) -> SendableRecordBatchStream {
    let uids = StringArray::from_iter_values((0..ages.len()).map(|number| format!("u{number}")));
    let columns: Vec<(&str, ArrayRef)> = vec![("uid", Arc::new(uids)), ("Age", Arc::new(Int32Array::from(ages)))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)])))
}

#[tokio::test]
async fn a_query_is_a_frame() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let frame = session.sql("SELECT count(*) AS n FROM source.workshop.users WHERE dt = '20240807'").await.unwrap();
    let batches = frame.collect().await.unwrap();
    assert_eq!(arrow::util::display::array_value_to_string(batches[0].column(0), 0).unwrap(), "2");
    for (sql, code) in [
        ("SELECT 1; SELECT 2", "E2013"),
        ("USE source", "E2013"),
        ("SELECT nope FROM source.users", "E2002"),
        ("CREATE TABLE x AS SELECT 1", ""),
        ("SELECT * FROM '/etc/passwd'", ""),
    ] {
        let error = session.sql(sql).await.unwrap_err();
        assert!(error.code().starts_with(code), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_stream_of_batches_is_written_all_or_nothing() {
    let world = World::new().await;
    let engine = world.engine().await;
    let session = engine.session();
    let report = session
        .write("target.ods.users", batches(vec![Some(1), None]), WriteOptions::default().by_name())
        .await
        .unwrap();
    assert_eq!((report.rows_read, report.rows_written), (Some(2), Some(2)));
    let columns = WriteOptions::default().columns(["uid", "age"]).job_name("my job");
    let report = session.write("target.users", batches(vec![Some(3)]), columns).await.unwrap();
    assert!(report.labels[0].starts_with("my_job"), "{:?}", report.labels);
    assert_eq!(world.rows("SELECT uid, age FROM target.ods.users").await, ["u0|1", "u0|3", "u1|NULL"]);
    let error = session.write("target.ods.nothing", batches(vec![]), WriteOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), "E2002");
    let error = session.write("target.ods.users", batches(vec![Some(1)]), WriteOptions::default()).await.unwrap_err();
    assert!(error.is_usage(), "{error}");
    engine.shutdown().await;
}

#[tokio::test]
async fn sessions_are_send_and_sync_and_run_side_by_side() {
    fn check<T: Send + Sync + Clone + 'static>(_: &T) {}
    let world = World::new().await;
    let engine = world.engine().await;
    check(&engine);
    check(&engine.session());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..4 {
        let session = engine.session();
        tasks.spawn(async move {
            let script = format!("SET PARAMETER n = '{number}'; SELECT '${{n}}', count(*) FROM source.users");
            rows_of(&run(&session, script.as_str()).await.1)
        });
    }
    let mut rows: Vec<Vec<String>> = tasks.join_all().await;
    rows.sort();
    assert_eq!(rows, [["0|3"], ["1|3"], ["2|3"], ["3|3"]]);
}

#[tokio::test]
async fn a_script_reaches_only_what_the_program_permits() {
    let world = World::new().await;
    world.write_file("a.txt", "1\n");
    let engine = Engine::builder().catalog("source", world.source_options()).read_only(true).build().await.unwrap();
    let session = engine.session();
    for sql in [
        "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'mysql', 'url' = 'mysql://h/d')",
        "INSERT INTO source.workshop.users VALUES ('x', 'y', 1, '2024-01-01')",
        "DROP TABLE source.workshop.users",
        "SOURCE 'a.sql'",
        "CREATE EXTERNAL TABLE t (a STRING) LOCATION 'a.txt'",
        "CALL remote_execute('source', 'DROP TABLE workshop.users')",
        "WITH x AS (SELECT 1) DELETE FROM source.workshop.users",
    ] {
        let (report, events) = run(&session, world.script(sql)).await;
        assert_eq!((error_of(&report).0, report.exit_code()), ("E2012", 2), "{sql}: {:?}", report.error);
        assert!(events.is_empty());
    }
    let engine =
        world.builder().allow_locations(crate::Permission::when(|place| place == "a.txt")).build().await.unwrap();
    let session = engine.session();
    let create = "CREATE EXTERNAL TABLE t (a STRING) LOCATION 'a.txt'";
    assert_eq!(run(&session, world.script(create)).await.0.exit_code(), 0);
    let (report, _) = run(&session, world.script(&create.replace(" t ", " u ").replace("a.txt", "../a.txt"))).await;
    assert_eq!(error_of(&report).0, "E2012");
    assert_eq!(world.rows("SELECT count(*) FROM source.users").await, ["3"]);
}

#[tokio::test]
async fn a_query_that_writes_nothing_makes_no_state() {
    let world = World::empty().await;
    let session = world.engine().await.session();
    let (report, _) =
        run(&session, "SELECT 1; SHOW CATALOGS; SELECT * FROM remote_query('source', 'SELECT 1 AS a')").await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert!(!world.folder.path().join(".syncline").exists());
    let (report, _) = run_with(&session, "SELECT 1", RunOptions::default()).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert!(world.folder.path().join(".syncline/state.db").exists());
}

#[tokio::test]
async fn several_jobs_are_one_run_and_do_not_share_sessions() {
    let world = World::new().await;
    let session = world.engine().await.session();
    let jobs = vec![
        Script::new("jobs/first.sql", "USE source.workshop; SELECT count(*) FROM users"),
        Script::new("second.sql", "SELECT count(*) FROM users"),
    ];
    let report = session.start_jobs(jobs, RunOptions::default()).unwrap().report().await.unwrap();
    assert_eq!(report.exit_code(), 2, "the second has no USE: {:?}", report.error);
    let jobs = vec![
        Script::new("jobs/first.sql", "USE source.workshop; SELECT count(*) FROM users"),
        Script::new("second.sql", "SELECT count(*) FROM source.users"),
    ];
    let report = session.start_jobs(jobs, RunOptions::default()).unwrap().report().await.unwrap();
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    assert_eq!(report.job, "first");
    let places: Vec<(u32, &str)> = report.statements.iter().map(|s| (s.index, s.file.as_str())).collect();
    assert_eq!(places, [(1, "jobs/first.sql"), (2, "jobs/first.sql"), (3, "second.sql")]);
    assert_eq!(session.place(), (None, None));
}

#[tokio::test]
async fn a_parameter_is_evaluated_as_on_the_command_line() {
    let session = Engine::builder().param("region", "eu").build().await.unwrap().session();
    let options = RunOptions::default().bizdate("2024-08-07").param("day", "$bizdate");
    for (value, expected) in [("bizdate", "bizdate"), ("$bizdate", "20240807"), ("${day}_${region}", "20240807_eu")] {
        assert_eq!(session.evaluate_parameter(value, &options).unwrap(), expected);
    }
    assert!(session.evaluate_parameter("${nope}", &options).is_err());
}
