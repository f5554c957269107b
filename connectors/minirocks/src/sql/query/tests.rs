//! What queries mean: comparisons of every pair of types, names, functions, NULLs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use arrow::array::Array;

use crate::sql::{self, Addresses, Outcome, Services, Session, SqlError, display_name, push_text, writable};
use crate::storage::Warehouse;
use crate::{Faults, ServerConfig};

fn session() -> Session {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let addresses = Addresses { mysql: nowhere, http: nowhere, be: nowhere };
    let services =
        Services::new(Warehouse::in_memory(), Arc::new(ServerConfig::default()), addresses, Faults::default()).unwrap();
    Session::new(Arc::new(services), 1, "127.0.0.1".to_owned())
}

/// Rows as text, after a row of the columns' names.
async fn table(session: &mut Session, sql: &str) -> Result<Vec<Vec<String>>, SqlError> {
    let mut rows = Vec::new();
    for statement in sql::parse(sql)? {
        rows.clear();
        let Outcome::Rows(mut stream) = session.execute(statement, &[]).await? else { continue };
        rows.push(stream.schema().fields().iter().map(|field| display_name(field.name()).to_owned()).collect());
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let columns: Vec<_> = batch.columns().iter().map(|column| writable(column).unwrap()).collect();
            for row in 0..batch.num_rows() {
                let cell = |column: &Arc<dyn Array>| {
                    let mut text = String::new();
                    push_text(column, row, &mut text);
                    if column.is_null(row) { "NULL".to_owned() } else { text }
                };
                rows.push(columns.iter().map(cell).collect());
            }
        }
    }
    Ok(rows)
}

async fn rows(session: &mut Session, sql: &str) -> Vec<Vec<String>> {
    let mut rows = table(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    if !rows.is_empty() {
        rows.remove(0);
    }
    rows
}

async fn one(session: &mut Session, sql: &str) -> String {
    let rows = rows(session, sql).await;
    assert_eq!((rows.len(), rows.first().map(Vec::len)), (1, Some(1)), "{sql}");
    rows[0][0].clone()
}

async fn with_days() -> Session {
    let mut session = session();
    let made = "CREATE DATABASE ods; USE ods;
        CREATE TABLE t (k INT, d DATE, ts DATETIME, s STRING, n BIGINT, dec DECIMAL(10,2), f DOUBLE, b BOOLEAN) DUPLICATE KEY(k);
        INSERT INTO t VALUES (1, '2024-08-06', '2024-08-06 00:00:00', '20240806', 20240806, 1.10, 0.5, false),
            (2, '2024-08-07', '2024-08-07 00:00:00', '20240807', 20240807, 2.20, 1.5, true),
            (3, '2024-08-08', '2024-08-08 12:30:00', '20240808', 20240808, 3.30, 2.5, true),
            (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";
    rows(&mut session, made).await;
    session
}

/// The keys of the rows for which a condition is true.
async fn keys(session: &mut Session, condition: &str) -> String {
    let rows = rows(session, &format!("SELECT k FROM t WHERE {condition} ORDER BY k")).await;
    rows.iter().map(|row| row[0].as_str()).collect()
}

#[tokio::test]
async fn every_pair_of_types_compares_as_starrocks_compares_it() {
    let mut session = with_days().await;
    // each spelling of the middle day, for every column that holds days
    let spellings: [(&str, &[&str]); 4] = [
        (
            "d",
            &[
                "20240807",
                "'20240807'",
                "'2024-08-07'",
                "'2024-8-7'",
                "'2024-08-07 00:00:00'",
                "20240807000000",
                "DATE '2024-08-07'",
            ],
        ),
        (
            "ts",
            &["20240807", "'20240807'", "'2024-08-07'", "'2024-08-07 00:00:00'", "20240807000000", "DATE '2024-08-07'"],
        ),
        ("s", &["20240807", "'20240807'"]),
        ("n", &["20240807", "'20240807'", "20240807.0", "'20240807.0'"]),
    ];
    for (column, spellings) in spellings {
        for day in spellings {
            for (condition, expected) in [
                (format!("{column} = {day}"), "2"),
                (format!("{day} = {column}"), "2"),
                (format!("{column} <=> {day}"), "2"),
                (format!("{column} <> {day}"), "13"),
                (format!("{column} != {day}"), "13"),
                (format!("NOT ({column} = {day})"), "13"),
                (format!("{column} < {day}"), "1"),
                (format!("{column} <= {day}"), "12"),
                (format!("{column} > {day}"), "3"),
                (format!("{column} >= {day}"), "23"),
                (format!("{column} BETWEEN {day} AND {day}"), "2"),
                (format!("{column} NOT BETWEEN {day} AND {day}"), "13"),
                (format!("{column} IN ({day})"), "2"),
                (format!("{column} IN ({day}, 20240806)"), "12"),
                (format!("{column} NOT IN ({day}, '20240806')"), "3"),
            ] {
                assert_eq!(keys(&mut session, &condition).await, expected, "{condition}");
            }
        }
    }
}

#[tokio::test]
async fn columns_of_different_types_compare_with_each_other() {
    let mut session = with_days().await;
    for condition in ["d = s", "s = d", "d = n", "ts >= d", "s = n", "n = s", "ts >= s", "d <= ts", "n >= s"] {
        assert_eq!(keys(&mut session, condition).await, "123", "{condition}");
    }
    assert_eq!(keys(&mut session, "d = ts").await, "12");
    assert_eq!(rows(&mut session, "SELECT a.k, b.k FROM t a JOIN t b ON a.d = b.s ORDER BY a.k").await.len(), 3);
}

#[tokio::test]
async fn what_is_no_date_or_number_matches_nothing_and_fails_nothing() {
    let mut session = with_days().await;
    for condition in
        ["d = 'abc'", "d = 1", "d = 20240899", "d > 'abc'", "n = 'abc'", "n > 'abc'", "s = 7", "s < 5", "ts = ''"]
    {
        assert_eq!(keys(&mut session, condition).await, "", "{condition}");
    }
    for condition in [
        "n = ' 20240807 '",
        "dec = '2.2'",
        "dec = 2.2",
        "dec = '2.20'",
        "f = '1.5'",
        "f = 1.5",
        "f = 1.50",
        "dec IN ('2.2')",
    ] {
        assert_eq!(keys(&mut session, condition).await, "2", "{condition}");
    }
    for condition in ["b = 1", "b = '1'", "b = 'true'", "b = true", "b", "b <> 0", "b IN (1)"] {
        assert_eq!(keys(&mut session, condition).await, "23", "{condition}");
    }
    assert_eq!(keys(&mut session, "d <=> NULL").await, "4");
    assert_eq!(keys(&mut session, "d IS NULL OR d = 20240806").await, "14");
}

#[tokio::test]
async fn like_reads_dates_and_numbers_as_their_text() {
    let mut session = with_days().await;
    assert_eq!(keys(&mut session, "d LIKE '2024-08-0_'").await, "123");
    assert_eq!(keys(&mut session, "n LIKE '%0807'").await, "2");
    assert_eq!(keys(&mut session, "s NOT LIKE '%0807'").await, "13");
    assert_eq!(keys(&mut session, "s REGEXP '080[78]$'").await, "23");
    assert_eq!(one(&mut session, "SELECT 'a_b' LIKE 'a\\_b'").await, "1");
    assert_eq!(one(&mut session, "SELECT 'axb' LIKE 'a\\_b'").await, "0");
}

#[tokio::test]
async fn strings_names_and_limits_are_read_as_mysql_reads_them() {
    let mut session = with_days().await;
    assert_eq!(
        rows(&mut session, r#"SELECT 'it''s', "say \"x\"", 'a\\b', "it's""#).await,
        [["it's", "say \"x\"", "a\\b", "it's"]]
    );
    assert_eq!(rows(&mut session, "SELECT k FROM t ORDER BY k LIMIT 1, 2").await, [["2"], ["3"]]);
    assert_eq!(rows(&mut session, "SELECT k FROM t ORDER BY k LIMIT 2 OFFSET 1").await, [["2"], ["3"]]);
    assert_eq!(rows(&mut session, "SELECT `k` FROM `ods`.`t` AS `x` WHERE `x`.`K` = 1").await, [["1"]]);
    assert_eq!(rows(&mut session, "SELECT ods.t.k FROM ods.t WHERE default_catalog.ods.t.K = 1").await, [["1"]]);
    assert_eq!(rows(&mut session, "SELECT 1 FROM dual").await, [["1"]]);
    assert_eq!(
        rows(&mut session, "SELECT K, COUNT(*) AS C FROM t WHERE D = 20240807 GROUP BY k ORDER BY c").await,
        [["2", "1"]]
    );
    assert_eq!(table(&mut session, "SELECT * FROM T").await.unwrap_err().code, 5502, "names of tables have their case");
}

#[tokio::test]
async fn result_columns_are_named_as_they_were_written() {
    let mut session = with_days().await;
    let heads =
        table(&mut session, "SELECT k, K, t.d, `s` AS Text, count(*), sum(n) + 1, 1, 1, 'a' FROM t GROUP BY k, d, s")
            .await
            .unwrap();
    assert_eq!(heads[0], ["k", "K", "d", "Text", "count(*)", "sum(n) + 1", "1", "1", "'a'"]);
    let heads = table(&mut session, "SELECT *, k FROM t WHERE k = 1").await.unwrap();
    assert_eq!(heads[0], ["k", "d", "ts", "s", "n", "dec", "f", "b", "k"]);
    let heads = table(&mut session, "SELECT @@autocommit, DATABASE()").await.unwrap();
    assert_eq!(heads[0], ["@@autocommit", "DATABASE()"]);
}

#[tokio::test]
async fn null_is_the_smallest_value_in_an_order() {
    let mut session = with_days().await;
    assert_eq!(rows(&mut session, "SELECT k FROM t ORDER BY d").await, [["4"], ["1"], ["2"], ["3"]]);
    assert_eq!(rows(&mut session, "SELECT k FROM t ORDER BY d DESC").await, [["3"], ["2"], ["1"], ["4"]]);
}

#[tokio::test]
async fn arithmetic_follows_mysql() {
    let mut session = session();
    for (expression, expected) in [
        ("1 / 2", "0.5"),
        ("7 DIV 2", "3"),
        ("7 % 4", "3"),
        ("1 / 0", "NULL"),
        ("5 % 0", "NULL"),
        ("'3' + 4", "7"),
        ("1.10 = 1.1", "1"),
        ("2 > 1 AND 1", "1"),
        ("0 || 1", "1"),
        ("NOT 1 = 2", "1"),
        ("1e3", "1000"),
        ("0.1 + 0.2", "0.3"),
        ("-5", "-5"),
        ("1 <=> NULL", "0"),
        ("NULL <=> NULL", "1"),
    ] {
        assert_eq!(one(&mut session, &format!("SELECT {expression}")).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn functions_of_mysql_and_starrocks() {
    let mut session = session();
    for (expression, expected) in [
        ("IF(1 > 2, 'a', 'b')", "b"),
        ("IFNULL(NULL, 'x')", "x"),
        ("NULLIF(1, 1)", "NULL"),
        ("COALESCE(NULL, NULL, 3)", "3"),
        ("ISNULL(NULL)", "1"),
        ("CONCAT('a', 1, DATE '2024-08-07')", "a12024-08-07"),
        ("CONCAT('a', NULL)", "NULL"),
        ("LENGTH('杭州')", "6"),
        ("CHAR_LENGTH('杭州')", "2"),
        ("SUBSTR('hello', 2, 3)", "ell"),
        ("SUBSTRING('hello', -3)", "llo"),
        ("SUBSTRING('hello' FROM 2 FOR 2)", "el"),
        ("LEFT('hello', 2)", "he"),
        ("UPPER('abc')", "ABC"),
        ("TRIM('  a ')", "a"),
        ("REPLACE('abc', 'b', 'x')", "axc"),
        ("LOCATE('c', 'abc')", "3"),
        ("INSTR('abc', 'c')", "3"),
        ("MD5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("HEX('ab')", "6162"),
        ("HEX(255)", "FF"),
        ("DATE_FORMAT('2024-08-07 01:02:03', '%Y%m%d %H:%i:%s')", "20240807 01:02:03"),
        ("DATE_ADD('2024-08-07', INTERVAL 1 DAY)", "2024-08-08 00:00:00"),
        ("DATE_SUB(DATE '2024-08-07', INTERVAL 1 MONTH)", "2024-07-07 00:00:00"),
        ("DATEDIFF('2024-08-07', 20240801)", "6"),
        ("YEAR('2024-08-07')", "2024"),
        ("DAYOFWEEK('2024-08-07')", "4"),
        ("DATE('2024-08-07 12:00:00')", "2024-08-07"),
        ("CAST('20240807' AS DATE)", "2024-08-07"),
        ("CAST('x' AS INT)", "NULL"),
        ("CAST(3.7 AS STRING)", "3.7"),
        ("CAST('12' AS SIGNED)", "12"),
        ("CAST('2024-08-07 01:02:03' AS DATETIME)", "2024-08-07 01:02:03"),
        ("CAST(TRUE AS INT)", "1"),
        ("ROUND(2.567, 2)", "2.57"),
        ("MOD(7, 3)", "1"),
        ("GREATEST(1, 3, 2)", "3"),
    ] {
        assert_eq!(one(&mut session, &format!("SELECT {expression}")).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn queries_of_several_tables_groups_and_windows() {
    let mut session = with_days().await;
    let joined = "WITH days AS (SELECT k, d FROM t WHERE d IS NOT NULL) SELECT a.k, b.n FROM days a LEFT JOIN t b ON a.k = b.k - 1 ORDER BY 1";
    assert_eq!(rows(&mut session, joined).await, [["1", "20240807"], ["2", "20240808"], ["3", "NULL"]]);
    assert_eq!(
        rows(&mut session, "SELECT b, count(*), sum(n) FROM t GROUP BY b HAVING count(*) > 1").await,
        [["1", "2", "40481615"]]
    );
    assert_eq!(
        rows(&mut session, "SELECT k, row_number() OVER (ORDER BY k DESC) r FROM t WHERE k < 3 ORDER BY k").await,
        [["1", "2"], ["2", "1"]]
    );
    assert_eq!(one(&mut session, "SELECT count(DISTINCT b) FROM t").await, "2");
    assert_eq!(one(&mut session, "SELECT group_concat(k ORDER BY k SEPARATOR '-') FROM t").await, "1-2-3-4");
    assert_eq!(one(&mut session, "SELECT count(*) FROM (SELECT 1 UNION SELECT 1 UNION ALL SELECT 2) x").await, "2");
    assert_eq!(one(&mut session, "SELECT k FROM t WHERE n = (SELECT max(n) FROM t)").await, "3");
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM t u WHERE u.k = t.k + 1)").await,
        "3"
    );
    assert_eq!(table(&mut session, "SELECT * FROM t PARTITION (p1)").await.unwrap_err().code, 1064);
}

#[tokio::test]
async fn subqueries_cases_and_joins_compare_by_the_same_rules() {
    let mut session = with_days().await;
    for condition in [
        "d IN (SELECT s FROM t WHERE k = 2)",
        "s IN (SELECT n FROM t WHERE k = 2)",
        "d = (SELECT s FROM t WHERE k = 2)",
        "EXISTS (SELECT 1 FROM t u WHERE u.s = t.d AND u.k = 2)",
        "CASE d WHEN '20240807' THEN 1 ELSE 0 END = 1",
        "CASE s WHEN 20240807 THEN TRUE ELSE FALSE END",
        "CASE WHEN d = 20240807 THEN 1 END IS NOT NULL",
        "(d = 20240807) = 1",
        "IF(d = '20240807', 'yes', 'no') = 'yes'",
        "k IN (2) AND (d IN ('2024-08-07') OR n IN ('x'))",
    ] {
        assert_eq!(keys(&mut session, condition).await, "2", "{condition}");
    }
    assert_eq!(rows(&mut session, "SELECT count(*) FROM t JOIN t u USING (k)").await, [["4"]]);
    assert_eq!(rows(&mut session, "SELECT 1, 1 UNION ALL SELECT 2, 2 ORDER BY 1").await, [["1", "1"], ["2", "2"]]);
    assert_eq!(
        rows(&mut session, "SELECT d = 20240807, count(*) FROM t GROUP BY d = 20240807 ORDER BY 2, 1").await,
        [["NULL", "1"], ["1", "1"], ["0", "2"]]
    );
}
