//! Native statements: the user's own text, streamed back.

use arrow::datatypes::DataType;
use futures::TryStreamExt;

use super::{TestDatabase, column};
use crate::catalog::{NativeResult, RemoteCatalog};
use crate::error::ErrorCode;
use crate::mysql_protocol::options::{MODES_AGAINST_QUOTING, MODES_THAT_CHANGE_VALUES};

async fn done(database: &TestDatabase, sql: &str) -> u64 {
    match database.catalog.execute(Some(&database.name), sql).await.unwrap() {
        NativeResult::Done { rows_affected, label: None, .. } => rows_affected,
        _ => panic!("not a statement without result: {sql}"),
    }
}

#[tokio::test]
async fn statements_tell_how_many_rows_changed() {
    let database = TestDatabase::new().await;
    assert_eq!(done(&database, "CREATE TABLE t (id INT)").await, 0);
    assert_eq!(done(&database, "INSERT INTO t VALUES (1), (2), (3)").await, 3);
    assert_eq!(done(&database, "UPDATE t SET id = 9 WHERE id > 1").await, 2);
    assert_eq!(done(&database, "DELETE FROM t").await, 3);
}

#[tokio::test]
async fn names_that_repeat_are_kept() {
    let database = TestDatabase::new().await;
    let batches = database.native("SELECT 1 AS a, 'x' AS a, NULL AS a, 2.50 AS `b c`").await;
    let schema = batches[0].schema();
    assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["a", "a", "a", "b c"]);
    assert_eq!(column(&batches), ["1|x|NULL|2.50"]);
}

#[tokio::test]
async fn a_native_query_keeps_the_servers_functions_and_collation() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (v VARCHAR(10)) COLLATE utf8mb4_general_ci", "INSERT INTO t VALUES ('A')"]).await;
    assert_eq!(column(&database.native("SELECT COUNT(*) FROM t WHERE v = 'a'").await), ["1"]);
    let batches = database.native("SELECT SUM(1), AVG(1), MD5('a'), 10 DIV 3, 1 / 3, NOW() IS NOT NULL").await;
    assert_eq!(column(&batches), ["1|1.0000|0cc175b9c0f1b6a831c399e269772661|3|0.3333|1"]);
    assert!(matches!(batches[0].schema().field(0).data_type(), DataType::Decimal128(..) | DataType::Decimal256(..)));
}

#[tokio::test]
async fn an_empty_result_has_its_schema() {
    let database = TestDatabase::new().await;
    let result = database.catalog.execute(Some(&database.name), "SELECT 1 AS a FROM DUAL WHERE FALSE").await.unwrap();
    let NativeResult::Rows(stream) = result else { panic!("no rows") };
    assert_eq!(stream.schema().field(0).name(), "a");
    assert!(column(&stream.try_collect::<Vec<_>>().await.unwrap()).is_empty());
}

#[tokio::test]
async fn show_statements_return_text() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id INT)"]).await;
    assert_eq!(column(&database.native("SHOW TABLES").await), ["t"]);
    let created = database.native("SHOW CREATE TABLE t").await;
    assert!(column(&created)[0].contains("CREATE TABLE `t`"));
    assert!(column(&database.native("SHOW COLUMNS FROM t").await)[0].starts_with("id|int"));
    assert!(!column(&database.native("EXPLAIN SELECT * FROM t").await).is_empty());
}

#[tokio::test]
async fn a_statement_leaves_no_trace_in_the_session_of_the_next() {
    let database = TestDatabase::new().await;
    database.run(&["SET @x = 5", "SET SESSION sql_mode = 'ANSI_QUOTES'"]).await;
    let after = database.native("SELECT @x, \"text\"").await;
    assert_eq!(column(&after), ["NULL|text"]);
}

#[tokio::test]
async fn a_refused_statement_names_catalog_number_and_text() {
    let database = TestDatabase::new().await;
    let error = |sql: &'static str| {
        let database = &database;
        async move { database.catalog.execute(Some(&database.name), sql).await.err().unwrap() }
    };
    let syntax = error("SELEC 1").await;
    assert_eq!(syntax.code(), ErrorCode::Remote);
    assert!(syntax.message().contains("catalog shop") && syntax.message().contains("error 1064"), "{syntax}");
    assert_eq!(error("SELECT * FROM no_such_table").await.code(), ErrorCode::Name);
    assert_eq!(error("SELECT no_such_column").await.code(), ErrorCode::Name);
    let missing = database.catalog.execute(Some("no_such_database"), "SHOW TABLES").await.err().unwrap();
    assert_eq!(missing.code(), ErrorCode::Name);
    assert!(missing.message().contains("no_such_database"), "{missing}");
}

#[tokio::test]
async fn a_database_may_be_made_by_the_statement_that_runs_in_it() {
    let database = TestDatabase::new().await;
    let made = format!("{}_made", database.name);
    for sql in [format!("CREATE DATABASE `{made}`"), format!("DROP DATABASE `{made}`")] {
        database.catalog.execute(Some(&made), &sql).await.map(drop).unwrap();
    }
}

#[tokio::test]
async fn a_local_file_is_never_sent() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (v TEXT)"]).await;
    let sql = "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t";
    let error = database.catalog.execute(Some(&database.name), sql).await.err().unwrap();
    assert!(error.message().contains("never sent"), "{error}");
    assert_eq!(column(&database.native("SELECT COUNT(*) FROM t").await), ["0"]);
}

#[tokio::test]
async fn an_error_behind_the_first_statement_of_a_text_is_reported() {
    let database = TestDatabase::new().await;
    let outcome = database.catalog.execute(Some(&database.name), "CREATE TABLE t (id INT); SELEC 1").await;
    assert_eq!(outcome.err().unwrap().code(), ErrorCode::Remote);
}

#[tokio::test]
async fn a_procedure_returns_its_rows() {
    let database = TestDatabase::new().await;
    database
        .run(&["CREATE PROCEDURE p() SELECT 7 AS seven", "CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2; END"])
        .await;
    assert_eq!(column(&database.native("CALL p()").await), ["7"]);
    let NativeResult::Rows(stream) = database.catalog.execute(Some(&database.name), "CALL two()").await.unwrap() else {
        panic!("no rows")
    };
    let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("more than one result set"), "{error}");
}

#[tokio::test]
async fn a_server_that_stays_silent_is_given_up_after_the_read_timeout() {
    let catalog = super::catalog(&[("read_timeout", "300ms")]);
    let start = std::time::Instant::now();
    let error = catalog.execute(None, "SELECT SLEEP(20)").await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.is_retryable() && error.message().contains("read_timeout"), "{error}");
    assert!(start.elapsed() < std::time::Duration::from_secs(10));
}

#[tokio::test]
async fn session_variables_are_set_and_a_wrong_one_is_named() {
    let database = TestDatabase::with_options(&[("session.wait_timeout", "1234"), ("session.sql_mode", "")]).await;
    assert_eq!(column(&database.native("SELECT @@session.wait_timeout, @@session.sql_mode").await), ["1234|"]);
    let error = super::catalog(&[("session.no_such_variable", "x'y")]).databases().await.unwrap_err();
    assert!(error.message().contains("no_such_variable") && error.message().contains("session."), "{error}");
}

#[tokio::test]
async fn the_session_is_the_same_on_every_server() {
    let database = TestDatabase::new().await;
    let sql = "SELECT @@character_set_results, @@autocommit, @@sql_auto_is_null, @@time_zone, \
               @@sql_select_limit = 18446744073709551615, @@net_write_timeout, @@wait_timeout, @@idle_transaction_timeout, \
               @@idle_readonly_transaction_timeout, DATABASE()";
    assert_eq!(
        column(&database.native(sql).await),
        [format!("utf8mb4|1|0|+08:00|1|86400|86400|86400|86400|{}", database.name)]
    );
}

/// The server's global modes, put back at the end.
struct GlobalModes(String);

impl GlobalModes {
    async fn set(modes: &str) -> Self {
        use mysql_async::prelude::Queryable;
        let mut connection = super::driver_connection().await;
        let before: Option<String> = connection.query_first("SELECT @@global.sql_mode").await.unwrap();
        connection.query_drop(format!("SET GLOBAL sql_mode = '{modes}'")).await.unwrap();
        connection.disconnect().await.unwrap();
        Self(before.unwrap())
    }

    async fn restore(self) {
        drop(Self::set(&self.0).await);
    }
}

#[tokio::test]
async fn no_mode_of_the_server_changes_what_is_read_or_how_it_is_asked() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (v CHAR(5))", "INSERT INTO t VALUES ('ab'), ('')"]).await;
    let harmful = "ANSI,ORACLE,MSSQL,DB2,MAXDB,MYSQL40,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE,\
                   EMPTY_STRING_IS_NULL,STRICT_ALL_TABLES";
    let before = GlobalModes::set(harmful).await;
    // New connections, which begin with the global modes.
    let (plain, own) = (super::catalog(&[]), super::catalog(&[("session.sql_mode", "STRICT_ALL_TABLES,IGNORE_SPACE")]));
    let mut seen = Vec::new();
    for catalog in [&plain, &own] {
        let sql = "SELECT @@global.sql_mode, @@session.sql_mode, 'a\\\\b', \"c\", NOT 1 BETWEEN -5 AND 5, v FROM t ORDER BY v";
        seen.push(match catalog.execute(Some(&database.name), sql).await {
            Ok(NativeResult::Rows(stream)) => stream.try_collect::<Vec<_>>().await.map_err(|error| error.to_string()),
            Ok(NativeResult::Done { .. }) => Err("no rows".to_owned()),
            Err(error) => Err(error.to_string()),
        });
    }
    before.restore().await;
    for seen in seen {
        let rows = super::rows(&seen.unwrap());
        assert!(rows[0][0].contains("NO_BACKSLASH_ESCAPES") && rows[0][0].contains("PAD_CHAR"), "{rows:?}");
        for mode in rows[0][1].split(',') {
            for bad in MODES_AGAINST_QUOTING.iter().chain(MODES_THAT_CHANGE_VALUES) {
                assert_ne!(mode, *bad, "{rows:?}");
            }
        }
        assert!(rows[0][1].contains("STRICT_ALL_TABLES"), "{rows:?}");
        assert_eq!(rows[0][2..], ["a\\b", "c", "0", ""]);
        assert_eq!(rows[1][5], "ab");
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_prepared_is_sent_as_text() {
    let database = TestDatabase::new().await;
    // Two statements in one text: the second result set is refused, and that both ran is told.
    let result = database.catalog.execute(Some(&database.name), "SELECT 1; SELECT 2").await.unwrap();
    let NativeResult::Rows(stream) = result else { panic!("no rows") };
    let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("more than one result set"), "{error}");
    // A parameter has no value here, and the server says what it takes the text for.
    let error = database.catalog.execute(Some(&database.name), "SELECT ?").await.err().unwrap();
    assert!(error.message().contains("error 1064"), "{error}");
    assert_eq!(column(&database.native("SELECT '?'").await), ["?"]);
}
