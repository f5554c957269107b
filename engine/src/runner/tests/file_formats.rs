//! External tables over CSV, JSON and text with nested values, defined as Hive and Spark write them.

use super::*;

/// The rows of one query after a definition, in order.
async fn read(world: &World, definition: &str, query: &str) -> Vec<String> {
    let session = world.engine().await.session();
    let (report, events) = run(&session, world.script(&format!("{definition}; {query}; DROP TABLE t"))).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{definition}: {:?}", report.error);
    rows_of(&events)
}

#[tokio::test]
async fn tables_of_spark_are_read_with_their_options() {
    let world = World::new().await;
    world.write_file("f.csv", "id;name\n1;\"a;b\"\n2;\n");
    world.write_file("f.json", "{\"id\":1,\"tags\":[\"x\",\"y\"],\"at\":\"2024-08-07T04:34:56Z\"}\nbad\n");
    for definition in [
        "CREATE TABLE t (id INT, name STRING) USING csv OPTIONS (path 'f.csv', sep ';', header true)",
        "CREATE TABLE IF NOT EXISTS t (id INT, name STRING) USING CSV OPTIONS ('header'='true', \"delimiter\" \";\") LOCATION 'f.csv'",
        "CREATE EXTERNAL TABLE t (id INT, name STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY ';' STORED AS CSV LOCATION 'f.csv' TBLPROPERTIES ('skip.header.line.count'='1')",
        "USE target.ods; CREATE TABLE t (id INT, name STRING) USING csv OPTIONS (path 'f.csv', sep ';', header true)",
    ] {
        let query = "SELECT id, name FROM syncline.default.t ORDER BY id";
        let session = world.engine().await.session();
        let script = world.script(&format!("{definition}; {query}; DROP EXTERNAL TABLE syncline.default.t"));
        let (report, events) = run(&session, script).await;
        assert_eq!(report.status, RunStatus::Succeeded, "{definition}: {:?}", report.error);
        assert_eq!(rows_of(&events), ["1|a;b", "2|NULL"], "{definition}");
    }
    let json = "CREATE TABLE t (id INT, tags ARRAY<STRING>, at TIMESTAMP) USING json LOCATION 'f.json'";
    // the run's zone is Asia/Shanghai
    assert_eq!(
        read(&world, json, "SELECT id, tags, at FROM t").await,
        ["1|[x, y]|2024-08-07T12:34:56", "NULL|NULL|NULL"]
    );
    world.write_file("f.txt", "a,b\n\\N\n");
    assert_eq!(
        read(&world, "CREATE TABLE t (value STRING) USING text LOCATION 'f.txt'", "SELECT * FROM t").await,
        ["a,b", "\\N"]
    );
}

#[tokio::test]
async fn serdes_are_read_by_their_class() {
    let world = World::empty().await;
    world.write_file("f.csv", "1,'a,b'\n");
    world.write_file("f.json", "{\"ID\":\"1\",\"name\":\"x\"}\n");
    world.write_file("f.txt", "1\x01a\x022\x03b\n");
    let open_csv = "CREATE EXTERNAL TABLE t (id INT, name STRING)
        ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' WITH SERDEPROPERTIES ('separatorChar'=',', 'quoteChar'=\"'\")
        STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat' OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
        LOCATION 'f.csv'";
    assert_eq!(read(&world, open_csv, "SELECT id || '!', name FROM t").await, ["1!|a,b"]);
    let session = world.engine().await.session();
    let (_, events) = run(&session, world.script(&open_csv.replace(" t ", " warned "))).await;
    assert!(warnings_of(&events)[0].contains("STRING, as in Hive: id too"), "{:?}", warnings_of(&events));
    for class in ["org.apache.hive.hcatalog.data.JsonSerDe", "org.openx.data.jsonserde.JsonSerDe"] {
        let json =
            format!("CREATE EXTERNAL TABLE t (id INT, name STRING) ROW FORMAT SERDE '{class}' LOCATION 'f.json'");
        assert_eq!(read(&world, &json, "SELECT id + 1, name FROM t").await, ["2|x"]);
    }
    let lazy = "CREATE EXTERNAL TABLE t (id INT, m ARRAY<ARRAY<STRING>>)
        ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' WITH SERDEPROPERTIES ('serialization.format'='1')
        STORED AS TEXTFILE LOCATION 'f.txt'";
    assert_eq!(read(&world, lazy, "SELECT * FROM t").await, ["1|[[a], [2, b]]"]);
}

#[tokio::test]
async fn a_bad_value_is_an_error_where_the_session_says_so() {
    let world = World::empty().await;
    world.write_file("f.txt", "1|2024-08-07\nx|y\n");
    let define =
        "CREATE EXTERNAL TABLE t (id INT, day DATE) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'f.txt'";
    assert_eq!(read(&world, define, "SELECT id, day FROM t").await, ["1|2024-08-07", "NULL|NULL"]);
    let session = world.engine().await.session();
    let script = world.script(&format!("{define}; SET syncline.bad_value = 'error'; SELECT id FROM t"));
    let (report, _) = run(&session, script).await;
    let (_, message, _) = error_of(&report);
    assert!(message.contains("f.txt, line 2, column \"id\": \"x\" is not exactly a value of type Int32"), "{message}");
    let (report, _) = run(&session, "SET syncline.bad_value = 'what'").await;
    assert!(error_of(&report).1.contains("use 'null' or 'error'"), "{:?}", report.error);
}

#[tokio::test]
async fn options_that_are_not_known_warn_and_those_not_built_are_refused_by_name() {
    let world = World::empty().await;
    let session = world.engine().await.session();
    let (_, events) =
        run(&session, world.script("CREATE TABLE t (a INT) USING csv OPTIONS (path 'x.csv', heder true)")).await;
    assert!(warnings_of(&events)[0].contains("did you mean \"header\"?"), "{:?}", warnings_of(&events));
    for (definition, expected) in [
        ("CREATE TABLE u (a INT) USING csv OPTIONS (path 'x', recursiveFileLookup true)", "recursiveFileLookup"),
        ("CREATE TABLE u (a INT) USING json OPTIONS (path 'x', multiLine true)", "multiLine"),
        ("CREATE TABLE u (a INT) USING csv OPTIONS (path 'x', dateFormat 'dd MMM yyyy')", "MMM is not read"),
        ("CREATE TABLE u (a ARRAY<INT>) USING csv LOCATION 'x'", "CSV holds no ARRAY"),
        ("CREATE TABLE u (a INT) USING csv", "LOCATION"),
        ("CREATE TABLE u (a INT) USING delta LOCATION 'x'", "USING delta is not built yet"),
        ("CREATE TABLE u (a INT) STORED AS RCFILE LOCATION 'x'", "STORED AS RCFILE is not built yet"),
        ("CREATE TABLE u (a INT) ROW FORMAT SERDE 'my.Serde' LOCATION 'x'", "my.Serde is not known"),
        (
            "CREATE TABLE u (a INT) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' STORED AS PARQUET LOCATION 'x'",
            "does not go with STORED AS PARQUET",
        ),
        ("CREATE EXTERNAL TABLE u (a INT) LOCATION 'x' LIFECYCLE 7", "LIFECYCLE is a clause of MaxCompute"),
    ] {
        let (report, _) = run(&session, world.script(definition)).await;
        let (_, message, _) = error_of(&report);
        assert!(message.contains(expected), "{definition}: {message}");
    }
}
