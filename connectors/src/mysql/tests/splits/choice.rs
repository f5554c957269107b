//! Which column a table is split by, whether at all, and what EXPLAIN says.

use mysql_async::prelude::Queryable;

use super::{planned, session};
use crate::error::{ConnectorError, ErrorCode};
use crate::mysql::tests::{TestDatabase, column, driver_connection, query};

/// A table `t` of these columns, with `k` and `id` filled from the number of the row.
async fn table(definition: &str, value: &str) -> TestDatabase {
    let database = TestDatabase::new().await;
    database
        .run(&[
            &format!("CREATE TABLE t ({definition})"),
            &format!("INSERT INTO t (k, id) SELECT {value}, seq FROM seq_1_to_20000"),
            "ANALYZE TABLE t",
        ])
        .await;
    database
}

const SETTINGS: (&str, &str) = ("split_rows", "1000");

async fn explained(database: &TestDatabase, settings: &[(&str, &str)], sql: &str) -> String {
    let settings: Vec<_> = std::iter::once(SETTINGS).chain(settings.iter().copied()).collect();
    planned(&session(database, "t", &settings).await, sql).await.0
}

async fn refused(database: &TestDatabase, settings: &[(&str, &str)]) -> String {
    let session = session(database, "t", settings).await;
    let error = session.sql("SELECT * FROM t").await.unwrap().create_physical_plan().await.unwrap_err();
    let error = ConnectorError::from_datafusion(error);
    assert_eq!(error.code(), ErrorCode::Option, "{error}");
    error.message().to_owned()
}

#[tokio::test]
async fn a_table_without_a_key_to_split_by_is_one_split_and_explain_says_why() {
    for (definition, value, why) in [
        ("k INT, id INT", "seq", "it has no primary key and no unique key without NULL"),
        ("k INT NULL, id INT, UNIQUE (k)", "seq", "it has no primary key and no unique key without NULL"),
        ("k VARCHAR(50) NOT NULL, id INT, UNIQUE (k(10))", "seq", "it has no primary key"),
        ("k DOUBLE PRIMARY KEY, id INT", "seq", "its key k is double"),
        (
            "k ENUM('b','a') NOT NULL, id INT, PRIMARY KEY (k, id)",
            "seq % 2 + 1",
            "its key k is enum, whose index has another order than its text",
        ),
    ] {
        let database = table(definition, value).await;
        let text = explained(&database, &[], "SELECT * FROM t").await;
        assert!(text.contains("groups=1, splits=1 (") && text.contains(why), "{definition}: {text}");
    }
}

#[tokio::test]
async fn a_unique_key_without_null_is_the_next_choice() {
    let database = table("k VARCHAR(50) NOT NULL, id DOUBLE PRIMARY KEY, UNIQUE `by name` (k)", "seq").await;
    let text = explained(&database, &[], "SELECT * FROM t").await;
    assert!(text.contains("rows by k (unique key by name)"), "{text}");
}

#[tokio::test]
async fn a_view_a_limit_and_a_small_table_are_one_split() {
    let database = table("k INT PRIMARY KEY, id INT", "seq").await;
    database
        .run(&[
            "CREATE VIEW v AS SELECT * FROM t",
            "CREATE TABLE s (k INT PRIMARY KEY)",
            "INSERT INTO s VALUES (1), (2)",
            "ANALYZE TABLE s",
        ])
        .await;
    let of = |table: &'static str, sql: &'static str, settings: &'static [(&'static str, &'static str)]| {
        let database = &database;
        async move { planned(&session(database, table, settings).await, sql).await.0 }
    };
    assert!(of("v", "SELECT * FROM t", &[SETTINGS]).await.contains("splits=1 (a view)"));
    assert!(of("t", "SELECT * FROM t LIMIT 7", &[SETTINGS]).await.contains("splits=1 (a few rows are wanted)"));
    assert!(of("s", "SELECT * FROM t", &[SETTINGS]).await.contains("splits=1 (a small table)"));
    assert!(
        of("t", "SELECT * FROM t", &[("read_connections", "1")]).await.contains("splits=1 (read_connections is 1)")
    );
    let text = of("t", "SELECT * FROM t", &[]).await;
    assert!(text.contains("splits=1 ("), "20,000 rows are less than two splits of 50,000: {text}");
}

#[tokio::test]
async fn a_filter_goes_into_each_split_and_few_rows_need_no_splits() {
    let database = table("k INT PRIMARY KEY, id INT", "seq").await;
    let session = session(&database, "t", &[SETTINGS]).await;
    let (text, splits) = planned(&session, "SELECT id FROM t WHERE k > 5000").await;
    assert!(splits.len() > 4 && text.contains("WHERE `k` > 5000"), "{text}");
    assert_eq!(column(&query(&session, "SELECT count(*), sum(id) FROM t WHERE k > 5000").await), ["15000|187507500"]);
    assert_eq!(column(&query(&session, "SELECT count(*) FROM t").await), ["20000"]);
    assert_eq!(column(&query(&session, "SELECT count(*) FROM t WHERE k % 2 = 1").await), ["10000"]);
    let (text, splits) = planned(&session, "SELECT id FROM t WHERE k < 100").await;
    assert_eq!(splits.len(), 1, "{text}");
    assert!(text.contains("splits=1 (about 99 rows are wanted)"), "{text}");
}

#[tokio::test]
async fn a_split_column_that_cannot_be_used_is_an_error_with_the_way_out() {
    let database = table("k INT PRIMARY KEY, id INT, f FLOAT", "seq").await;
    let message = refused(&database, &[("split_column", "t.idd")]).await;
    assert!(message.contains("split_column is \"idd\", and there is no such column; did you mean id?"), "{message}");
    let message = refused(&database, &[("splitPk", "f")]).await;
    assert!(message.contains("which is float; a table is split by a column of whole numbers"), "{message}");
    let text = explained(&database, &[("split_column", "id")], "SELECT * FROM t").await;
    assert!(text.contains("splits=1 (no index begins with id, so each split would read the whole table)"), "{text}");
    let text = explained(&database, &[("split_column", "other.id")], "SELECT * FROM t").await;
    assert!(text.contains("rows by k (primary key)"), "{text}");
}

#[tokio::test]
async fn the_catalog_may_have_the_settings() {
    let database = TestDatabase::with_options(&[("splitPk", "id"), ("split_rows", "1000")]).await;
    database
        .run(&[
            "CREATE TABLE t (k INT PRIMARY KEY, id INT NOT NULL, KEY (id))",
            "INSERT INTO t SELECT seq, seq FROM seq_1_to_20000",
            "CREATE TABLE u (k INT PRIMARY KEY, id FLOAT)",
            "INSERT INTO u SELECT seq, seq FROM seq_1_to_20000",
            "ANALYZE TABLE t, u",
        ])
        .await;
    let (text, _) = planned(&session(&database, "t", &[]).await, "SELECT * FROM t").await;
    assert!(text.contains("rows by id (split_column)"), "{text}");
    let (text, _) = planned(&session(&database, "u", &[]).await, "SELECT * FROM t").await;
    assert!(text.contains("rows by k (primary key)"), "a wish for all tables is none of this one: {text}");
}

#[tokio::test]
async fn what_the_server_refuses_to_tell_makes_one_split() {
    let database = table("k INT, id INT, KEY by_k (k)", "seq").await;
    let mut connection = driver_connection().await;
    connection.query_drop(format!("ALTER TABLE `{}`.t ALTER INDEX by_k IGNORED", database.name)).await.unwrap();
    connection.disconnect().await.unwrap();
    let session = session(&database, "t", &[SETTINGS, ("split_column", "k")]).await;
    let (text, splits) = planned(&session, "SELECT * FROM t").await;
    assert_eq!(splits.len(), 1);
    assert!(text.contains("splits=1 (cannot find out how to split it: "), "{text}");
    assert_eq!(column(&query(&session, "SELECT count(*), sum(id) FROM t").await), ["20000|200010000"]);
}

#[tokio::test]
async fn a_server_that_does_not_say_in_time_makes_one_split() {
    let database = TestDatabase::with_options(&[("read_timeout", "1s")]).await;
    database
        .run(&[
            "CREATE TABLE t (k INT PRIMARY KEY, id INT)",
            "INSERT INTO t SELECT seq, seq FROM seq_1_to_20000",
            "ANALYZE TABLE t",
        ])
        .await;
    let session = session(&database, "t", &[SETTINGS]).await;
    let mut connection = driver_connection().await;
    connection.query_drop(format!("LOCK TABLES `{}`.t WRITE", database.name)).await.unwrap();
    let (text, splits) = planned(&session, "SELECT * FROM t").await;
    connection.disconnect().await.unwrap();
    assert_eq!(splits.len(), 1);
    assert!(text.contains("cannot find out how to split it: the server did not say within 1 s"), "{text}");
    assert_eq!(column(&query(&session, "SELECT count(*), sum(id) FROM t").await), ["20000|200010000"]);
}
