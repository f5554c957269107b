//! Loads over HTTP into tables made by SQL. `vectors.json` holds what StarRocks's own tests load, and what comes of it.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::http::test_client::TestClient;
use crate::mysql::tests::{connect, rows};
use crate::{Server, ServerConfig};

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    setup: Vec<String>,
    loads: Vec<Load>,
    queries: Vec<Query>,
}

#[derive(Deserialize)]
struct Load {
    table: String,
    headers: Vec<String>,
    body: String,
    status: String,
    message: String,
    loaded: Option<u64>,
    filtered: u64,
    unselected: u64,
    /// A part of the error log.
    log: Option<String>,
}

#[derive(Deserialize)]
struct Query {
    sql: String,
    rows: Vec<Vec<String>>,
}

/// A server with database `ods`, to load into and to ask.
struct Warehouse {
    _server: Server,
    http: TestClient,
    conn: mysql_async::Conn,
}

impl Warehouse {
    async fn new(setup: &[&str]) -> Self {
        let server = Server::start(ServerConfig::default()).await.unwrap();
        let (http, mut conn) = (TestClient::new(&server), connect(&server).await);
        for sql in ["CREATE DATABASE ods", "USE ods"].iter().chain(setup) {
            run(&mut conn, sql).await;
        }
        Self { _server: server, http, conn }
    }

    /// A Stream Load; the answer, and the error log if there is one.
    async fn load(&self, table: &str, headers: &[&str], body: impl AsRef<[u8]>) -> (Json, String) {
        let mut all = vec!["Expect: 100-continue".to_owned()];
        all.extend(headers.iter().map(|header| (*header).to_owned()));
        let path = format!("/api/ods/{table}/_stream_load");
        let answer = self.http.send(reqwest::Method::PUT, &path, &all, body.as_ref()).await.unwrap();
        let answer: Json = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let log = match answer["ErrorURL"].as_str() {
            Some(url) => self.http.once(reqwest::Method::GET, url, &[], "").await.unwrap().text().await.unwrap(),
            None => String::new(),
        };
        (answer, log)
    }

    /// A load that succeeds.
    async fn loads(&self, table: &str, headers: &[&str], body: &str) -> Json {
        let (answer, log) = self.load(table, headers, body).await;
        assert_eq!(
            (answer["Status"].as_str(), answer["Message"].as_str()),
            (Some("Success"), Some("OK")),
            "{answer} {log}"
        );
        answer
    }

    /// The message of a load that fails.
    async fn fails(&self, table: &str, headers: &[&str], body: &str) -> String {
        let (answer, _) = self.load(table, headers, body).await;
        assert_eq!(answer["Status"], "Fail", "{answer}");
        answer["Message"].as_str().unwrap().to_owned()
    }

    async fn rows(&mut self, sql: &str) -> Vec<Vec<String>> {
        rows(&mut self.conn, sql).await
    }
}

async fn run(conn: &mut mysql_async::Conn, sql: &str) {
    use mysql_async::prelude::Queryable;
    conn.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_load_of_starrocks_own_tests_ends_as_it_does_there() {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors.json")).unwrap();
    for case in vectors.cases {
        let id = &case.id;
        let setup: Vec<&str> = case.setup.iter().map(String::as_str).collect();
        let mut warehouse = Warehouse::new(&setup).await;
        for load in case.loads {
            let headers: Vec<&str> = load.headers.iter().map(String::as_str).collect();
            let (answer, log) = warehouse.load(&load.table, &headers, &load.body).await;
            assert_eq!(
                (answer["Status"].as_str(), answer["Message"].as_str()),
                (Some(load.status.as_str()), Some(load.message.as_str())),
                "{id}: {answer} {log}"
            );
            if let Some(loaded) = load.loaded {
                assert_eq!(answer["NumberLoadedRows"], loaded, "{id}: {answer} {log}");
            }
            assert_eq!(answer["NumberFilteredRows"], load.filtered, "{id}: {answer} {log}");
            assert_eq!(answer["NumberUnselectedRows"], load.unselected, "{id}: {answer} {log}");
            assert!(log.contains(load.log.as_deref().unwrap_or_default()), "{id}: {log}");
        }
        for query in case.queries {
            assert_eq!(warehouse.rows(&query.sql).await, query.rows, "{id}: {}", query.sql);
        }
    }
}

/// Vector 22: five rows of five fields of the longest STRING.
#[tokio::test(flavor = "multi_thread")]
async fn records_of_300_kb_arrive_whole() {
    let mut warehouse = Warehouse::new(&["CREATE TABLE t (a STRING, b STRING, c STRING, d STRING, e STRING)"]).await;
    let field = |letter: char| letter.to_string().repeat(65_533);
    let record = ['a', 'b', 'c', 'd', 'e'].map(field).join("|");
    let answer = warehouse.loads("t", &["column_separator: |"], &[record.as_str(); 5].join("\n")).await;
    assert_eq!(answer["NumberLoadedRows"], 5);
    let same =
        format!("SELECT count(*) FROM t WHERE a = '{}' AND length(b) = 65533 AND e = '{}'", field('a'), field('e'));
    assert_eq!(warehouse.rows(&same).await, [["5"]]);
}

const USERS: &str = "CREATE TABLE t (id INT NOT NULL, name STRING, temp INT DEFAULT '7') PRIMARY KEY(id)";

#[tokio::test(flavor = "multi_thread")]
async fn the_op_column_deletes_rows_of_a_primary_key_table() {
    let mut warehouse = Warehouse::new(&[USERS, "INSERT INTO t VALUES (1,'a',1),(2,'b',2),(3,'c',3),(4,'d',4)"]).await;
    let all = "SELECT id, name, temp FROM t ORDER BY id";
    warehouse.loads("t", &["column_separator: ,", "columns: id, name, temp, __op"], "1,A,10,0\n2,,0,1\n9,,0,1\n").await;
    assert_eq!(warehouse.rows(all).await, [["1", "A", "10"], ["3", "c", "3"], ["4", "d", "4"]]);
    // the last word on a key counts, within one load too
    warehouse.loads("t", &["column_separator: ,", "columns: id, name, __op"], "1,x,1\n1,y,0\n5,z,0\n5,z,1\n").await;
    assert_eq!(warehouse.rows(all).await, [["1", "y", "7"], ["3", "c", "3"], ["4", "d", "4"]]);
    warehouse.loads("t", &["column_separator: ,", "columns: __op='delete'"], "3,whatever,0\n").await;
    warehouse
        .loads(
            "t",
            &["column_separator: ,", "columns: id, kind, __op = if(kind = 'D', 1, 0), name = kind"],
            "4,D\n6,U\n",
        )
        .await;
    assert_eq!(warehouse.rows(all).await, [["1", "y", "7"], ["6", "U", "7"]]);
    // a JSON row may bring the field without being asked to
    warehouse.loads("t", &["format: json"], "{\"id\":1,\"__op\":1}{\"id\":7,\"name\":\"j\"}{\"id\":8,\"name\":\"k\",\"__op\":\"0\"}{\"id\":6,\"__op\":\"delete\"}").await;
    assert_eq!(warehouse.rows(all).await, [["7", "j", "NULL"], ["8", "k", "NULL"]]);
    let paths = ["format: json", "jsonpaths: [\"$.id\", \"$.name\"]", "columns: id, name"];
    warehouse.loads("t", &paths, "{\"id\":7,\"name\":\"J\",\"__op\":1}").await;
    assert_eq!(warehouse.rows(all).await, [["7", "J", "7"], ["8", "k", "NULL"]]);
    // what is neither 0 nor 1 filters its row, in strict mode or not
    let (answer, log) = warehouse
        .load("t", &["column_separator: ,", "columns: id, __op", "max_filter_ratio: 0.9"], "7,2\n8,x\n8,\\N\n8,1\n")
        .await;
    assert_eq!(
        (answer["NumberLoadedRows"].as_u64(), answer["NumberFilteredRows"].as_u64()),
        (Some(1), Some(3)),
        "{answer}"
    );
    assert!(log.starts_with("Error: Value '2' is out of range. The type of '__op' is TINYINT. Row: [7, 2]"), "{log}");
    assert_eq!(warehouse.rows(all).await, [["7", "J", "7"]]);
    assert_eq!(
        warehouse.fails("t", &["columns: id, __op='drop'"], "7").await,
        "load op type string not supported: drop"
    );
    assert_eq!(
        warehouse.fails("t", &["columns: id, __op=5"], "7").await,
        "const load op type column should only be upsert(0)/delete(1)"
    );
    run(&mut warehouse.conn, "CREATE TABLE d (id INT)").await;
    assert_eq!(
        warehouse.fails("d", &["columns: id, __op"], "7\t1").await,
        "only a primary key table has the column __op"
    );
    // of another table's JSON it is a field like any other that no column takes
    warehouse.loads("d", &["format: json"], "{\"id\":7,\"__op\":1}").await;
    assert_eq!(warehouse.rows("SELECT * FROM d").await, [["7"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_reach_the_partition_of_their_row() {
    let mut warehouse = Warehouse::new(&[
        "CREATE TABLE t (id INT NOT NULL, dt DATE NOT NULL, v STRING) PRIMARY KEY(id, dt) PARTITION BY (dt)",
    ])
    .await;
    let headers = ["column_separator: ,", "columns: id, dt, v, __op"];
    warehouse.loads("t", &headers, "1,2024-08-07,a,0\n1,2024-08-08,b,0\n2,2024-08-07,c,0\n").await;
    warehouse.loads("t", &headers, "1,2024-08-07,,1\n3,2024-08-09,,1\n2,2024-08-07,d,0\n").await;
    assert_eq!(
        warehouse.rows("SELECT id, dt, v FROM t ORDER BY dt").await,
        [["2", "2024-08-07", "d"], ["1", "2024-08-08", "b"]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_update_keeps_what_the_rows_do_not_name() {
    let mut warehouse = Warehouse::new(&[
        "CREATE TABLE t (id INT NOT NULL, name STRING NOT NULL, temp INT DEFAULT '7', note STRING) PRIMARY KEY(id)",
        "INSERT INTO t VALUES (1, 'a', 1, 'n1'), (2, 'b', 2, 'n2')",
        "CREATE TABLE d (id INT, name STRING) DUPLICATE KEY(id)",
    ])
    .await;
    let all = "SELECT * FROM t ORDER BY id";
    let partial = |columns: &'static str| ["column_separator: ,", "partial_update: true", columns];
    warehouse.loads("t", &partial("columns: id, note"), "1,N1\n1,N2\n").await;
    warehouse.loads("t", &partial("columns: id, temp, name = concat('x', ifnull(temp, ''))"), "2,\\N\n3,30\n").await;
    assert_eq!(
        warehouse.rows(all).await,
        [["1", "a", "1", "N2"], ["2", "x", "NULL", "n2"], ["3", "x30", "30", "NULL"]]
    );
    // a row that is new needs what has no default
    let message = warehouse.fails("t", &partial("columns: id, note"), "1,zzz\n4,q\n").await;
    assert_eq!(message, "NULL value in non-nullable column 'name'");
    assert_eq!(warehouse.rows("SELECT note FROM t WHERE id = 1").await, [["N2"]]);
    warehouse
        .loads(
            "t",
            &["format: json", "partial_update: true", "columns: id, temp"],
            "{\"id\": 3, \"temp\": 31}{\"id\": 1, \"__op\": 1}",
        )
        .await;
    assert_eq!(warehouse.rows("SELECT id, temp FROM t ORDER BY id").await, [["2", "NULL"], ["3", "31"]]);
    for (table, headers, message) in [
        ("d", &["partial_update: true", "columns: id"][..], "Only primary key table support partial update"),
        ("d", &["merge_condition: name"], "Conditional update only support primary key table d"),
        ("t", &["partial_update: true", "columns: name"], "key column id not in partial update columns"),
        ("t", &["partial_update: true"], "key column id not in partial update columns"),
        ("t", &["partial_update: maybe"], "Invalid partial update flag format. Must be bool type"),
    ] {
        assert_eq!(warehouse.fails(table, headers, "1\n").await, message, "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_computed_from_fields_that_are_read_as_text() {
    let mut warehouse = Warehouse::new(&[
        "CREATE TABLE t (a INT NOT NULL, b STRING, c DECIMAL(10,2), d DATE, e VARCHAR(3), f DATETIME)",
    ])
    .await;
    let headers = [
        "column_separator: ,",
        "columns: x, y, a = x, b = concat(upper(y), '-', x), c = cast(x as decimal(10,2)) / 2, d = cast(y as date), e = 'k', \
         f = now()",
        "timezone: +08:00",
    ];
    warehouse.loads("t", &headers, "10,20240807\n11,abc\n").await;
    assert_eq!(
        warehouse.rows("SELECT a, b, c, d, e, f IS NOT NULL FROM t ORDER BY a").await,
        [["10", "20240807-10", "5.00", "2024-08-07", "k", "1"], ["11", "ABC-11", "5.50", "NULL", "k", "1"]]
    );
    // a computed value that does not fit is NULL, or filters its row in strict mode; one that is too long always does
    let headers = ["column_separator: ,", "columns: x, y, a = x, d = y, e = y", "max_filter_ratio: 0.9"];
    let (answer, log) = warehouse.load("t", &headers, "x,abc\n12,abc\n13,abcd\n").await;
    assert_eq!(
        (answer["NumberLoadedRows"].as_u64(), answer["NumberFilteredRows"].as_u64()),
        (Some(1), Some(2)),
        "{answer}"
    );
    assert!(
        log.contains("Error: NULL value in non-nullable column 'a'. Row: [NULL, NULL, NULL, NULL, abc, NULL]"),
        "{log}"
    );
    assert!(log.contains("Error: String 'abcd'(length=4) is too long. The max length of 'e' is 3."), "{log}");
    assert_eq!(warehouse.rows("SELECT a, d, e FROM t WHERE a = 12").await, [["12", "NULL", "abc"]]);
    let strict = [&headers[..], &["strict_mode: true"]].concat();
    let (answer, log) = warehouse.load("t", &strict, "14,2024-08-07\n15,z\n").await;
    assert_eq!(answer["Message"], "too many filtered rows", "{log}");
    assert!(log.contains("Value 'z' is out of range. The type of 'd' is DATE"), "{log}");
    // the column of the table itself, and a JSON field
    warehouse
        .loads("t", &["format: json", "columns: a, b, b = concat(b, '!'), c = a * 1.5"], "{\"a\": 20, \"b\": \"q\"}")
        .await;
    assert_eq!(warehouse.rows("SELECT b, c FROM t WHERE a = 20").await, [["q!", "30.00"]]);
    for (columns, message) in [
        ("columns: x, a = nosuch", "unknown reference column, reference=nosuch"),
        ("columns: x, a = x, a = 1", "Duplicate column mapping: a"),
        ("columns: x, X, a = 1", "Duplicate column: X"),
        ("columns: x, z = x", "Mapping column is not in table. column: z"),
        ("columns: x, b = x", "Column has no default value. column: a"),
    ] {
        assert_eq!(warehouse.fails("t", &[columns], "1\n").await, message, "{columns}");
    }
    for (expression, part) in [
        ("nosuch(x)", "Invalid function 'nosuch'"),
        ("x +", "Getting syntax error"),
        ("(SELECT count(*) FROM t)", "Unknown database"),
        ("max(x)", "the expression has not one value for each row"),
    ] {
        let columns = format!("columns: x, a = {expression}");
        let message = warehouse.fails("t", &[&columns], "1\n2\n").await;
        assert!(message.contains(part), "{expression}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_where_header_leaves_rows_out_without_filtering_them() {
    let mut warehouse = Warehouse::new(&["CREATE TABLE t (a INT, b STRING NOT NULL)"]).await;
    let headers = ["column_separator: ,", "where: a > 1 AND b <> 'x'"];
    let answer = warehouse.loads("t", &headers, "1,p\n2,q\n3,x\n\\N,r\n4,\\N\n").await;
    let counts = ["NumberTotalRows", "NumberLoadedRows", "NumberFilteredRows", "NumberUnselectedRows"];
    assert_eq!(counts.map(|name| answer[name].as_u64().unwrap()), [5, 1, 0, 4]);
    assert_eq!(warehouse.rows("SELECT * FROM t").await, [["2", "q"]]);
    assert_eq!(warehouse.fails("t", &headers, "1,p\n").await, "No rows were imported from upstream");
    // the ratio is one of the rows that are selected
    let headers = ["column_separator: ,", "where: a = 1", "max_filter_ratio: 0.4"];
    assert_eq!(warehouse.fails("t", &headers, "1,p\n1,\\N\n2,z\n2,z\n").await, "too many filtered rows");
    assert_eq!(
        warehouse.fails("t", &["where: c = 1"], "1\tp\n").await,
        "unknown column reference in where statement, reference=c"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_key_become_one_row_as_the_table_model_says() {
    let columns = "s BIGINT SUM DEFAULT '0', lo DATE MIN, hi DOUBLE MAX, r STRING REPLACE, n INT REPLACE_IF_NOT_NULL, d DECIMAL(5,2) SUM";
    let aggregate = format!("CREATE TABLE agg (k INT, dt DATE, {columns}) AGGREGATE KEY(k, dt) PARTITION BY (dt)");
    let mut warehouse = Warehouse::new(&[
        &aggregate,
        "CREATE TABLE unq (k INT, v STRING) UNIQUE KEY(k)",
        "CREATE TABLE dup (k INT, v STRING) DUPLICATE KEY(k)",
    ])
    .await;
    let csv = ["column_separator: ,"];
    let body = "1,2024-08-07,5,2024-01-02,1.5,a,1,1.10\n1,2024-08-07,6,2024-01-01,1.25,b,\\N,2.20\n2,2024-08-07,\\N,\\N,\\N,c,9,\\N\n";
    warehouse.loads("agg", &csv, body).await;
    warehouse.loads("agg", &csv, "1,2024-08-07,-1,2025-01-01,9,\\N,\\N,0.05\n2,2024-08-07,\\N,2024-05-05,0,d,\\N,\\N\n1,2024-08-08,1,\\N,1,z,1,1\n").await;
    run(&mut warehouse.conn, "INSERT INTO agg VALUES (2, '2024-08-07', 3, '2024-06-06', -1, 'e', 10, 0.5)").await;
    assert_eq!(
        warehouse.rows("SELECT k, s, lo, hi, r, n, d FROM agg ORDER BY dt, k").await,
        [
            ["1", "10", "2024-01-01", "9", "NULL", "1", "3.35"],
            ["2", "3", "2024-05-05", "0", "e", "10", "0.50"],
            ["1", "1", "NULL", "1", "z", "1", "1.00"],
        ]
    );
    assert!(
        warehouse
            .fails("agg", &csv, "1,2024-08-07,0,\\N,\\N,\\N,\\N,999.00\n")
            .await
            .contains("sum of column 'd' is out of range")
    );
    assert_eq!(warehouse.rows("SELECT d FROM agg WHERE k = 1 AND dt = '2024-08-07'").await, [["3.35"]]);
    run(&mut warehouse.conn, "INSERT OVERWRITE agg PARTITION(p20240807) VALUES (1, '2024-08-07', 1, NULL, 1, 'x', 1, 1), (1, '2024-08-07', 1, NULL, 2, 'y', 1, 1)").await;
    assert_eq!(
        warehouse.rows("SELECT k, s, hi, r FROM agg ORDER BY dt").await,
        [["1", "2", "2", "y"], ["1", "1", "1", "z"]]
    );
    for table in ["unq", "dup"] {
        warehouse.loads(table, &csv, "1,a\n1,b\n\\N,c\n").await;
        warehouse.loads(table, &csv, "\\N,d\n1,e\n").await;
    }
    assert_eq!(warehouse.rows("SELECT k, v FROM unq ORDER BY v").await, [["NULL", "d"], ["1", "e"]]);
    assert_eq!(warehouse.rows("SELECT count(*) FROM dup").await, [["5"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_label_names_one_load_or_one_insert_and_its_state_is_known_to_both_sides() {
    let mut warehouse =
        Warehouse::new(&["CREATE TABLE t (k INT NOT NULL)", "INSERT INTO t WITH LABEL by_sql VALUES (1)"]).await;
    let states = "SELECT LABEL, STATE, TYPE FROM information_schema.loads WHERE LABEL LIKE 'by%' ORDER BY LABEL";
    warehouse.loads("t", &["label: by_http"], "2\n").await;
    assert_eq!(warehouse.fails("t", &["label: by_none"], "x\n").await, "too many filtered rows");
    assert_eq!(
        warehouse.rows(states).await,
        [
            ["by_http", "FINISHED", "STREAM_LOAD"],
            ["by_none", "CANCELLED", "STREAM_LOAD"],
            ["by_sql", "FINISHED", "INSERT"]
        ]
    );
    for (label, state) in
        [("by_sql", "VISIBLE"), ("by_http", "VISIBLE"), ("by_none", "ABORTED"), ("by_nobody", "UNKNOWN")]
    {
        assert_eq!(warehouse.http.state(label).await, state, "{label}");
    }
    let (answer, _) = warehouse.load("t", &["label: by_sql"], "3\n").await;
    assert_eq!(
        (answer["Status"].as_str(), answer["ExistingJobStatus"].as_str()),
        (Some("Label Already Exists"), Some("FINISHED"))
    );
    use mysql_async::prelude::Queryable;
    let refused = warehouse.conn.query_drop("INSERT INTO t WITH LABEL by_http VALUES (4)").await.unwrap_err();
    assert!(refused.to_string().contains("Label [by_http] has already been used."), "{refused}");
    assert_eq!(warehouse.rows("SELECT k FROM t ORDER BY k").await, [["1"], ["2"]]);
    assert_eq!(warehouse.rows("SHOW LOAD").await.len(), 1);
    assert_eq!(warehouse.rows("SHOW STREAM LOAD").await.len(), 2);
}
