//! Streaming reads: splits, limits, rejects, cancellation and lost connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::common::stats::Precision;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::statistics::StatisticsContext;
use datafusion::physical_plan::{ExecutionPlan, StatisticsArgs, collect, execute_stream_partitioned};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use mysql_async::prelude::Queryable;
use parking_lot::Mutex;

use super::super::scan::{MySqlExec, ScanDescription};
use super::super::table::MySqlTable;
use super::{TestDatabase, column, driver_connection, query, rows};
use crate::catalog::{Catalog, RemoteCatalog};
use crate::error::{ConnectorError, ErrorCode};
use crate::mysql_protocol::predicate::Constant;
use crate::mysql_protocol::split::{SizedSplit, Split, pack_by_rows};
use crate::sink::reject::RejectLogExtension;
use crate::sink::{ErrorLimit, Reject, RejectLog};

/// A table `t` of so many rows: `id` from 1, `v` some text.
async fn numbers(count: u32) -> TestDatabase {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(100))",
            &format!("INSERT INTO t SELECT seq, CONCAT('value ', seq) FROM seq_1_to_{count}"),
        ])
        .await;
    database
}

async fn description(database: &TestDatabase) -> ScanDescription {
    let table = database.table("t").await;
    let table: &MySqlTable = (table.as_ref() as &dyn std::any::Any).downcast_ref().unwrap();
    table.describe(None, &[], None).unwrap()
}

fn range(from: Option<i64>, to: Option<i64>) -> Split {
    Split::Range { column: "id".into(), from: from.map(Constant::Int), to: to.map(Constant::Int), with_null: false }
}

#[tokio::test]
async fn splits_in_groups_read_every_row_once_and_again_when_executed_again() {
    let database = numbers(1000).await;
    let splits = [
        range(None, Some(100)),
        range(Some(100), Some(101)),
        range(Some(101), Some(600)),
        range(Some(600), Some(600)),
        range(Some(600), None),
    ];
    for partitions in [1, 2, 4] {
        let groups = pack_by_rows(splits.iter().cloned().map(SizedSplit::from).collect(), partitions);
        let plan: Arc<dyn ExecutionPlan> =
            Arc::new(MySqlExec::new(description(&database).await, groups, database.catalog.pool().clone()));
        assert!(plan.properties().partitioning.partition_count() >= 2);
        for _ in 0..2 {
            let batches = collect(Arc::clone(&plan), Arc::new(TaskContext::default())).await.unwrap();
            let mut ids: Vec<i64> = rows(&batches).iter().map(|row| row[0].parse().unwrap()).collect();
            ids.sort_unstable();
            assert_eq!(ids, (1..=1000).collect::<Vec<i64>>(), "{partitions} partitions");
        }
    }
}

#[tokio::test]
async fn a_scan_says_what_it_read_and_what_it_asks() {
    let database = numbers(1000).await;
    let session = database.session(&["t"]).await;
    let plan = session.sql("SELECT v FROM t WHERE id < 11").await.unwrap().create_physical_plan().await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    let sql = format!("sql=SELECT `v` FROM `{}`.`t` WHERE `id` < 11", database.name);
    assert!(text.contains("MySqlExec: catalog=shop, groups=1, splits=1") && text.contains(&sql), "{text}");
    assert!(!text.contains("FilterExec"), "an exact filter is not repeated: {text}");

    let plan: Arc<dyn ExecutionPlan> = Arc::new(MySqlExec::new(
        description(&database).await,
        vec![vec![Split::Whole.into()]],
        database.catalog.pool().clone(),
    ));
    collect(Arc::clone(&plan), Arc::new(TaskContext::default())).await.unwrap();
    let metrics = plan.metrics().unwrap();
    assert_eq!(metrics.output_rows(), Some(1000));
    assert!(metrics.sum_by_name("bytes_read").unwrap().as_usize() > 10_000);
}

#[tokio::test]
async fn a_read_of_no_column_counts() {
    let database = numbers(20_000).await;
    let session = database.session(&["t"]).await;
    assert_eq!(column(&query(&session, "SELECT count(*) FROM t").await), ["20000"]);
    assert_eq!(column(&query(&session, "SELECT count(*) FROM t WHERE id > 19990").await), ["10"]);
    assert_eq!(column(&query(&session, "SELECT count(*) FROM (SELECT 1 FROM t LIMIT 7)").await), ["7"]);
    assert_eq!(column(&query(&session, "SELECT count(*) FROM (SELECT 1 FROM t WHERE id < 4 LIMIT 7)").await), ["3"]);
}

#[tokio::test]
async fn a_limit_goes_to_the_server_only_behind_exact_filters() {
    let database = numbers(1000).await;
    let session = database.session(&["t"]).await;
    let plan = |sql: &'static str| {
        let session = session.clone();
        async move {
            let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
            datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
        }
    };
    assert!(plan("SELECT id FROM t WHERE id > 3 LIMIT 5").await.contains("LIMIT 5"));
    assert!(!plan("SELECT id FROM t WHERE v = 'value 3' LIMIT 5").await.contains("'value 3' LIMIT"));
    assert_eq!(
        query(&session, "SELECT id FROM t WHERE id > 3 LIMIT 5").await.iter().map(|b| b.num_rows()).sum::<usize>(),
        5
    );
    assert_eq!(column(&query(&session, "SELECT id FROM t ORDER BY id LIMIT 2").await), ["1", "2"]);
    assert!(column(&query(&session, "SELECT id FROM t LIMIT 0").await).is_empty());
}

#[tokio::test]
async fn an_empty_table_and_a_column_of_nulls_are_read() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE e (id INT, v TEXT)",
            "CREATE TABLE n (id INT, v TEXT, d DECIMAL(40,2), b BLOB, at DATETIME)",
            "INSERT INTO n (id) SELECT NULL FROM seq_1_to_3",
        ])
        .await;
    let session = database.session(&["e", "n"]).await;
    assert!(column(&query(&session, "SELECT * FROM e").await).is_empty());
    assert_eq!(column(&query(&session, "SELECT count(*) FROM e").await), ["0"]);
    assert_eq!(column(&query(&session, "SELECT * FROM n").await), ["NULL|NULL|NULL|NULL|NULL"; 3]);
    assert_eq!(column(&query(&session, "SELECT count(*) FROM n WHERE v IS NULL").await), ["3"]);
}

#[tokio::test]
async fn names_of_any_form_are_read() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE `o``dd ? :name '\"` (`a``b` INT, `select` INT, `Case` INT, `表 ?` INT, `:p` INT)",
            "INSERT INTO `o``dd ? :name '\"` VALUES (1, 2, 3, 4, 5)",
        ])
        .await;
    let table = database.catalog.table(&database.name, "o`dd ? :name '\"").await.unwrap().unwrap();
    let session = datafusion::prelude::SessionContext::new();
    session.register_table("t", table).unwrap();
    assert_eq!(column(&query(&session, "SELECT * FROM t WHERE \"Case\" = 3 AND \":p\" = 5").await), ["1|2|3|4|5"]);
}

#[tokio::test]
async fn a_view_and_a_generated_column_are_read() {
    let database = numbers(10).await;
    database
        .run(&[
            "CREATE TABLE g (id INT NOT NULL, twice INT AS (id * 2))",
            "INSERT INTO g (id) VALUES (4)",
            "CREATE VIEW w AS SELECT t.id, g.twice FROM t LEFT JOIN g ON g.id = t.id",
        ])
        .await;
    let session = database.session(&["g", "w"]).await;
    assert_eq!(column(&query(&session, "SELECT * FROM g").await), ["4|8"]);
    assert_eq!(column(&query(&session, "SELECT * FROM w WHERE id IN (3, 4) ORDER BY id").await), ["3|NULL", "4|8"]);
}

#[tokio::test]
async fn a_column_whose_type_was_changed_since_it_was_looked_up_is_an_error_and_nothing_is_cut() {
    for (before, after, value) in [
        ("DATE", "DATETIME", "'2024-08-07 12:34:56'"),
        ("TIME", "TIME(6)", "'12:34:56.789'"),
        ("DATETIME", "VARCHAR(40)", "'2024-08-07'"),
        ("DOUBLE", "DECIMAL(65,20)", "1234567890123456789.123"),
        ("INT", "VARCHAR(20)", "'7'"),
        ("BIT(8)", "VARBINARY(4)", "'abc'"),
    ] {
        let database = TestDatabase::new().await;
        database.run(&[&format!("CREATE TABLE t (id INT PRIMARY KEY, v {before})")]).await;
        let session = database.session(&["t"]).await;
        database
            .run(&[&format!("ALTER TABLE t MODIFY v {after}"), &format!("INSERT INTO t VALUES (1, {value})")])
            .await;
        let error = session.sql("SELECT v FROM t").await.unwrap().collect().await.unwrap_err();
        let error = ConnectorError::from_datafusion(error);
        assert!(error.is_retryable(), "{before} to {after}: {error}");
        assert!(error.message().contains("column v: the table was changed meanwhile"), "{before} to {after}: {error}");
        // Looked up again.
        let session = database.session(&["t"]).await;
        assert_eq!(query(&session, "SELECT v FROM t").await.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    }
}

#[tokio::test]
async fn the_columns_of_a_view_are_of_the_types_that_the_server_tells_beforehand() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (i INT, b BIGINT UNSIGNED, f FLOAT, n DECIMAL(10,2), d DATE, dt DATETIME(3), ts TIMESTAMP NULL, \
             tm TIME(2), y YEAR, x BIT(5), s VARCHAR(20), e ENUM('a','b'), r VARBINARY(9), j JSON, flag TINYINT(1))",
            "INSERT INTO t VALUES (1, 2, 1.5, 2.25, '2024-08-07', '2024-08-07 01:02:03.5', '2024-08-07 01:02:03', '12:13:14.15', \
             2024, b'101', 's', 'b', X'00ff', '[1]', 1)",
            "CREATE VIEW v AS SELECT i + 1 AS c1, b * 2 AS c2, f * 2 AS c3, n / 3 AS c4, d + INTERVAL 1 DAY AS c5, \
             d + INTERVAL 1 SECOND AS c6, DATE(dt) AS c7, TIME(dt) AS c8, SEC_TO_TIME(i) AS c9, TIMEDIFF(tm, '01:00:00') AS c10, \
             YEAR(d) AS c11, x + 0 AS c12, CONCAT(s, i) AS c13, UPPER(e) AS c14, HEX(r) AS c15, JSON_EXTRACT(j, '$[0]') AS c16, \
             i = 1 AS c17, NULL AS c18, COALESCE(dt, NOW()) AS c19, NOW() AS c20, CURDATE() AS c21, CURTIME(6) AS c22, \
             IFNULL(tm, '00:00:00') AS c23, IF(i, flag, flag) AS c24, DATE '2024-01-01' AS c25, TIMESTAMP '2024-01-01 00:00:00' AS c26, \
             1.50 AS c27, 7 AS c28, 12345678901 AS c29, 'text' AS c30, X'41' AS c31, STR_TO_DATE('2024-08-07', '%Y-%m-%d') AS c32, \
             STR_TO_DATE('10', '%H') AS c33, MAKETIME(1, 2, 3.5) AS c34, CAST(s AS BINARY) AS c35, UUID() AS c36, \
             GREATEST(d, dt) AS c37, COALESCE(i, n) AS c38, COALESCE(f, 1) AS c39, UNIX_TIMESTAMP(dt) AS c40 FROM t",
            "CREATE VIEW w AS SELECT MAX(i) AS a1, SUM(i) AS a2, AVG(i) AS a3, COUNT(*) AS a4, MIN(d) AS a5, MAX(dt) AS a6, \
             MAX(tm) AS a7, MAX(f) AS a8, SUM(f) AS a9, MAX(y) AS a10, BIT_OR(x) AS a11, MAX(x) AS a12, MIN(e) AS a13, \
             GROUP_CONCAT(s) AS a14, MAX(flag) AS a15, MAX(r) AS a16, SUM(n) AS a17, MAX(ts) AS a18 FROM t",
            "CREATE VIEW u AS SELECT i AS k, d AS d, s AS s FROM t UNION ALL SELECT b, dt, i FROM t",
        ])
        .await;
    let session = database.session(&["v", "w", "u"]).await;
    for (view, rows) in [("v", 1), ("w", 1), ("u", 2)] {
        let read = query(&session, &format!("SELECT * FROM {view}")).await;
        assert_eq!(read.iter().map(|batch| batch.num_rows()).sum::<usize>(), rows, "{view}");
    }
}

/// Remembers rejects.
#[derive(Debug, Default)]
struct Remembered(Mutex<Vec<Reject>>);

impl RejectLog for Remembered {
    fn reject(&self, reject: Reject) -> crate::error::Result<()> {
        self.0.lock().push(reject);
        Ok(())
    }
    fn reject_unnamed(&self, _: u64) -> crate::error::Result<()> {
        Ok(())
    }
    fn set_limit(&self, _: ErrorLimit) {}
    fn count(&self) -> u64 {
        self.0.lock().len() as u64
    }
    fn check(&self, _: u64) -> crate::error::Result<()> {
        Ok(())
    }
    fn warn(&self, _: &str, _: u64, _: &str) {}
}

#[tokio::test]
async fn in_a_write_a_row_that_cannot_be_read_is_a_reject_and_the_others_are_read() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id INT, d DATE NOT NULL, v TEXT)"]).await;
    let mut connection = driver_connection().await;
    let insert = format!(
        "SET SESSION sql_mode = ''; INSERT INTO `{}`.t VALUES (1, '2024-08-07', 'a'), (2, '0000-00-00', 'b'), (3, '2024-08-08', 'c')",
        database.name
    );
    connection.query_drop(insert).await.unwrap();
    connection.disconnect().await.unwrap();

    let log = Arc::new(Remembered::default());
    let config =
        SessionConfig::new().with_extension(Arc::new(RejectLogExtension(Arc::clone(&log) as Arc<dyn RejectLog>)));
    let session = datafusion::prelude::SessionContext::new_with_config(config);
    session.register_table("t", database.table("t").await).unwrap();
    assert_eq!(column(&query(&session, "SELECT * FROM t ORDER BY id").await), ["1|2024-08-07|a", "3|2024-08-08|c"]);
    let rejects = log.0.lock().clone();
    assert_eq!(rejects.len(), 1);
    assert_eq!(
        (rejects[0].column.as_deref(), rejects[0].value.as_deref(), rejects[0].row),
        (Some("d"), Some("0000-00-00"), Some(2))
    );
}

/// A query that would return hundreds of millions of rows.
const ENDLESS: &str = "CREATE VIEW t AS SELECT a.seq * 1000000 + b.seq AS id, REPEAT('x', 200) AS v \
                       FROM seq_1_to_1000000 a, seq_1_to_1000000 b";

async fn running(database: &TestDatabase) -> Vec<u64> {
    let mut connection = driver_connection().await;
    let sql = format!(
        "SELECT id FROM information_schema.processlist WHERE info LIKE '%{}%' AND id <> CONNECTION_ID()",
        database.name
    );
    let ids = connection.query(sql).await.unwrap();
    connection.disconnect().await.unwrap();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_is_cut_at_once_and_its_query_ends() {
    let database = TestDatabase::new().await;
    database.run(&[ENDLESS]).await;
    let session = database.session(&["t"]).await;
    let mut stream = session.sql("SELECT id, v FROM t").await.unwrap().execute_stream().await.unwrap();
    assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
    assert_eq!(running(&database).await.len(), 1);
    let start = Instant::now();
    drop(stream);
    assert!(start.elapsed() < Duration::from_millis(500), "dropping took {:?}", start.elapsed());
    while !running(&database).await.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(5), "the query still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_native_result_is_cut_at_once() {
    let database = TestDatabase::new().await;
    database.run(&[ENDLESS]).await;
    let result = database.catalog.execute(Some(&database.name), &format!("SELECT * FROM `{}`.t", database.name)).await;
    let crate::catalog::NativeResult::Rows(mut stream) = result.unwrap() else { panic!("no rows") };
    assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
    let start = Instant::now();
    drop(stream);
    while !running(&database).await.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(5), "the query still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_stops_the_read() {
    let database = TestDatabase::new().await;
    database.run(&[ENDLESS]).await;
    let plan: Arc<dyn ExecutionPlan> = Arc::new(MySqlExec::new(
        description(&database).await,
        vec![vec![Split::Whole.into()]],
        database.catalog.pool().clone(),
    ));
    let mut streams = execute_stream_partitioned(Arc::clone(&plan), Arc::new(TaskContext::default())).unwrap();
    streams[0].next().await.unwrap().unwrap();
    let rows = || plan.metrics().unwrap().output_rows().unwrap();
    // a busy machine fills the bounded buffers slowly; then the count must stand still
    let mut read = rows();
    let mut still = 0;
    while still < 4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        still = if rows() == read { still + 1 } else { 0 };
        read = rows();
        assert!(read <= 5 * 8192, "nobody reads, and {read} rows were read ahead");
    }
    assert!(read <= 5 * 8192, "{read} rows were read ahead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_in_mid_read_is_a_retryable_error_and_never_a_short_result() {
    let database = TestDatabase::new().await;
    database.run(&[ENDLESS]).await;
    for kill in ["KILL CONNECTION", "KILL QUERY"] {
        let session = database.session(&["t"]).await;
        let mut stream = session.sql("SELECT id, v FROM t").await.unwrap().execute_stream().await.unwrap();
        stream.next().await.unwrap().unwrap();
        let mut connection = driver_connection().await;
        for id in running(&database).await {
            connection.query_drop(format!("{kill} {id}")).await.unwrap();
        }
        connection.disconnect().await.unwrap();
        let error = loop {
            match stream.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break ConnectorError::from_datafusion(error),
                None => panic!("{kill}: the result ended as if it were complete"),
            }
        };
        assert_eq!(error.code(), ErrorCode::Connection, "{kill}: {error}");
        assert!(error.is_retryable(), "{kill}: {error}");
    }
}

#[tokio::test]
async fn rows_beyond_16_mb_are_read_and_beyond_the_limit_named() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (a LONGTEXT, b LONGTEXT)",
            "INSERT INTO t VALUES (REPEAT('a', 15000000), REPEAT('b', 15000000))",
        ])
        .await;
    let session = database.session(&["t"]).await;
    let lengths = query(&session, "SELECT char_length(a), char_length(b) FROM t").await;
    assert_eq!(column(&lengths), ["15000000|15000000"]);

    let small = super::catalog(&[("max_allowed_packet", "8MB")]);
    let session = datafusion::prelude::SessionContext::new();
    session.register_table("t", small.table(&database.name, "t").await.unwrap().unwrap()).unwrap();
    let error = session.sql("SELECT a, b FROM t").await.unwrap().collect().await.unwrap_err();
    let error = ConnectorError::from_datafusion(error);
    assert_eq!(error.code(), ErrorCode::Value, "{error}");
    assert!(error.message().contains("max_allowed_packet"), "{error}");
}

#[tokio::test]
async fn batches_are_bounded_by_bytes() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (v LONGTEXT)", "INSERT INTO t SELECT REPEAT('x', 1000000) FROM seq_1_to_30"]).await;
    let session = database.session(&["t"]).await;
    let batches = query(&session, "SELECT v FROM t").await;
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 30);
    assert!(batches.iter().all(|batch| batch.num_rows() <= 9));
}

#[tokio::test]
async fn lookups_are_lazy_exact_and_say_what_is_missing() {
    let database = numbers(1).await;
    let catalog = &database.catalog;
    assert!(catalog.databases().await.unwrap().contains(&database.name));
    assert_eq!(catalog.tables(&database.name).await.unwrap(), ["t"]);
    assert!(catalog.table(&database.name, "T").await.unwrap().is_none(), "names are exact");
    assert!(catalog.table(&database.name, "t ").await.unwrap().is_none());
    assert!(catalog.table("no_such_database", "t").await.unwrap().is_none());
    let error = catalog.tables("no_such_database").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Name);
    let near = format!("{}x", database.name);
    assert!(catalog.tables(&near).await.unwrap_err().message().contains("did you mean"));
    assert!(catalog.show_create_table(&database.name, "t").await.unwrap().starts_with("CREATE TABLE `t`"));
    assert_eq!(catalog.show_create_table(&database.name, "zz").await.unwrap_err().code(), ErrorCode::Name);
}

#[tokio::test]
async fn a_check_tells_version_encryption_zone_and_rights() {
    let database = numbers(1).await;
    let items = database.catalog.check().await;
    let outcome = |what: &str| items.iter().find(|item| item.what == what).unwrap().outcome.clone();
    assert!(outcome("login").unwrap().contains("as root"));
    assert_eq!(outcome("character set").unwrap(), "utf8mb4");
    assert_eq!(outcome("time zone").unwrap(), "+08:00");
    assert!(outcome("encryption").is_ok() && outcome("read").is_ok());

    let refused = super::catalog(&[("user", "nobody_here"), ("password", "hunter2")]).check().await;
    let error = refused[0].outcome.clone().unwrap_err();
    assert!(error.contains("E5002") && error.contains("nobody_here") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_named_with_the_way_out() {
    let catalog = super::catalog(&[("url", "mysql://root@127.0.0.1:1/d"), ("connect_timeout", "2")]);
    let error = catalog.databases().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.is_retryable());
    assert!(error.message().contains("127.0.0.1:1") && error.message().contains("check host and port"), "{error}");
}

#[tokio::test]
async fn required_tls_on_a_server_without_it_is_an_error_and_preferred_goes_on() {
    // MiniRocks speaks the protocol and offers no TLS
    let server = minirocks::Server::start(minirocks::ServerConfig::default()).await.unwrap();
    let url = format!("mysql://root@{}", server.mysql_addr());
    let error = super::catalog(&[("url", &url), ("ssl_mode", "required")]).databases().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(!error.is_retryable() && error.message().contains("offers no TLS"), "{error}");
    assert!(super::catalog(&[("url", &url), ("ssl_mode", "preferred")]).databases().await.is_ok());
}

#[tokio::test]
async fn the_test_server_s_certificate_is_checked_as_the_mode_says() {
    let ca = std::env::var("SYNCLINE_TEST_MYSQL_CA")
        .expect("SYNCLINE_TEST_MYSQL_CA is not set: run the tests with tests/run, which starts a MariaDB with TLS");
    for (mode, works) in
        [("disabled", true), ("preferred", true), ("required", true), ("verify_ca", true), ("verify_identity", false)]
    {
        let found = super::catalog(&[("ssl_mode", mode), ("ssl_ca", &ca)]).databases().await;
        // the certificate is for localhost, the address is 127.0.0.1
        assert_eq!(found.is_ok(), works, "{mode}: {found:?}");
    }
    let cipher = super::catalog(&[("ssl_mode", "verify_ca"), ("ssl_ca", &ca)])
        .execute(None, "SHOW STATUS LIKE 'Ssl_cipher'")
        .await
        .unwrap();
    let crate::catalog::NativeResult::Rows(mut rows) = cipher else { panic!("no rows") };
    let batch = rows.next().await.unwrap().unwrap();
    let value = arrow::util::display::array_value_to_string(batch.column(1), 0).unwrap();
    assert!(!value.is_empty(), "the connection is encrypted");
}

#[tokio::test]
async fn a_whole_scan_has_the_servers_estimate_which_is_never_exact_and_never_counted_by() {
    let database = numbers(5000).await;
    database.run(&["ANALYZE TABLE t"]).await;
    let session = database.session(&["t"]).await;
    let estimate = async |sql: &str| {
        let mut plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        while !plan.children().is_empty() {
            let child = Arc::clone(plan.children()[0]);
            plan = child;
        }
        assert_eq!(plan.name(), "MySqlExec");
        StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).unwrap().num_rows
    };
    let whole = estimate("SELECT v FROM t").await;
    assert!(matches!(whole, Precision::Inexact(2500..=10_000)), "{whole:?}");
    for part in ["SELECT v FROM t WHERE id < 10", "SELECT v FROM t LIMIT 10"] {
        assert_eq!(estimate(part).await, Precision::Absent, "{part}");
    }
    // Rows that came after the estimate was made count.
    database.run(&["INSERT INTO t SELECT seq, 'x' FROM seq_5001_to_5123"]).await;
    assert_eq!(column(&query(&session, "SELECT count(*) FROM t").await), ["5123"]);
}
