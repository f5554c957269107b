//! How settings of reads reach the scans of a statement.

use super::*;

async fn world_of_numbers() -> World {
    let world = World::new().await;
    let rows: Vec<String> = (0..1000).map(|n| format!("({n}, 'n{n}')")).collect();
    world
        .set_up(&format!(
            "CREATE TABLE target.ods.numbers (n INT, s VARCHAR(20)) DUPLICATE KEY(n);
             INSERT INTO target.ods.numbers VALUES {};
             CREATE TABLE target.ods.copy (n INT, s VARCHAR(20)) DUPLICATE KEY(n);",
            rows.join(", ")
        ))
        .await;
    world
}

/// A query over both systems, so that it is planned here.
const QUERY: &str = "SELECT t.n, t.s FROM target.numbers t LEFT JOIN source.users u ON t.s = u.uid";

#[tokio::test]
async fn the_split_column_is_set_in_the_session_the_statement_or_the_catalog() {
    let world = world_of_numbers().await;
    let session = world.engine().await.session();
    let plan = async |session: &Session, script: &str| {
        let (report, events) = run(session, script).await;
        assert_eq!(report.status, RunStatus::Succeeded, "{script}: {:?}", report.error);
        rows_of(&events).join("\n")
    };
    assert!(!plan(&session, &format!("EXPLAIN {QUERY}")).await.contains("splits=9"));
    let insert =
        format!("INSERT INTO target.ods.copy PROPERTIES (\"splitPk\" = \"n\", \"read_connections\" = \"2\") {QUERY}");
    assert!(plan(&session, &format!("EXPLAIN {insert}")).await.contains("splits=9 [`n` < 125; "));
    let set = "SET syncline.splitPk = 'numbers.n'; SET syncline.read_connections = 1;";
    assert!(!plan(&session, &format!("{set} EXPLAIN {QUERY}")).await.contains("splits=9"));
    let shown = plan(&session, &format!("SET syncline.read_connections = 2; EXPLAIN {QUERY}")).await;
    assert!(shown.contains("groups=2, splits=9 [`n` < 125; "), "{shown}");
    assert_eq!(plan(&session, &format!("SELECT count(*) FROM ({QUERY}) q")).await, "1000");

    let (report, _) = run(&session, format!("{insert};").as_str()).await;
    assert_eq!(report.statements.last().unwrap().rows_written, Some(1000), "{:?}", report.error);
    assert_eq!(world.rows("SELECT count(*), count(DISTINCT n) FROM target.ods.copy").await, ["1000|1000"]);

    let mut options = world.target_options();
    options.set("split_column", "n");
    options.set("read_connections", "2");
    let engine = world.builder().catalog("target", options).build().await.unwrap();
    assert!(plan(&engine.session(), &format!("EXPLAIN {QUERY}")).await.contains("splits=9"));
}

#[tokio::test]
async fn a_setting_of_reads_with_a_bad_value_is_found_before_anything_runs() {
    let world = world_of_numbers().await;
    let session = world.engine().await.session();
    for (script, message) in [
        ("SET syncline.read_connections = 'many'", "from 1 to 64"),
        ("SET syncline.split_colum = 'n'", "there is no setting"),
        ("SET syncline.split_column = 'a..b'", "a column such as uid"),
    ] {
        let (report, _) = run(&session, script).await;
        assert_eq!(report.exit_code(), 2, "{script}");
        assert!(error_of(&report).1.contains(message), "{script}: {:?}", report.error);
    }
    let insert = format!("INSERT INTO target.ods.copy PROPERTIES (\"read_connections\" = \"0\") {QUERY}");
    let (report, _) = run(&session, insert.as_str()).await;
    assert!(error_of(&report).1.contains("from 1 to 64"), "{:?}", report.error);
    let (report, _) = run(&session, format!("SET syncline.split_column = 's'; {QUERY}").as_str()).await;
    assert!(error_of(&report).1.contains("table target.ods.numbers: split_column is \"s\""), "{:?}", report.error);
}

#[tokio::test]
async fn an_order_with_a_limit_reaches_the_server() {
    let world = world_of_numbers().await;
    let session = world.engine().await.session();
    // A view is of the session, so that the query is planned here.
    let script = "CREATE VIEW v AS SELECT n, s FROM target.ods.numbers WHERE n < 500;
        SELECT s FROM v ORDER BY n DESC LIMIT 2; EXPLAIN SELECT s FROM v ORDER BY n DESC LIMIT 2";
    let (report, events) = run(&session, script).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    let rows = rows_of(&events);
    assert_eq!(&rows[..2], ["n499", "n498"]);
    assert!(rows.iter().any(|row| row.contains("order=[`n` DESC NULLS LAST], limit=2")), "{rows:?}");
    assert_eq!(report.statements[1].rows_read, Some(2), "only two rows came over the network");
}
