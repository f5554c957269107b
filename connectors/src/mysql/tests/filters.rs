//! Filters that go to the server keep exactly the rows that they keep here.

use std::sync::Arc;

use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use super::{TestDatabase, column, query};
use crate::conformance::TEXTS;

/// A session with the remote table as `r` and all its rows, read before, as `m`.
async fn both(database: &TestDatabase, table: &str) -> SessionContext {
    let session = SessionContext::new();
    let remote = database.table(table).await;
    session.register_table("r", Arc::clone(&remote)).unwrap();
    let all = query(&session, "SELECT * FROM r").await;
    session.register_table("m", Arc::new(MemTable::try_new(remote.schema(), vec![all]).unwrap())).unwrap();
    session
}

async fn same_rows(session: &SessionContext, condition: &str) -> usize {
    let shown: String = condition.chars().take(200).collect();
    let run = |table: &'static str| {
        let sql = format!("SELECT id FROM {table} WHERE {condition} ORDER BY id");
        async move { column(&query(session, &sql).await) }
    };
    let (remote, local) = (run("r").await, run("m").await);
    assert_eq!(remote, local, "{shown}");
    local.len()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn texts(collation: &str) -> TestDatabase {
    let database = TestDatabase::new().await;
    database
        .run(&[&format!("CREATE TABLE t (id INT, v VARCHAR(100)) CHARACTER SET utf8mb4 COLLATE {collation}")])
        .await;
    let values: Vec<String> = TEXTS
        .iter()
        .enumerate()
        .map(|(id, text)| format!("({id}, {})", crate::mysql_protocol::quote::text_literal(text)))
        .collect();
    database.run(&[&format!("INSERT INTO t VALUES {}, (1000, NULL)", values.join(", "))]).await;
    database
}

#[tokio::test]
async fn filters_on_text_keep_the_same_rows_under_every_collation() {
    // Of these only the last orders by code point and counts trailing spaces.
    for collation in ["utf8mb4_general_ci", "utf8mb4_bin", "utf8mb4_nopad_bin"] {
        let database = texts(collation).await;
        let session = both(&database, "t").await;
        for (index, text) in TEXTS.iter().enumerate() {
            let text = quoted(text);
            let found = same_rows(&session, &format!("v = {text}")).await;
            assert_eq!(found, 1, "{collation}: {text} finds itself and nothing else");
            same_rows(&session, &format!("v <> {text}")).await;
            same_rows(&session, &format!("v < {text}")).await;
            same_rows(&session, &format!("v LIKE {text}")).await;
            if index % 6 != 2 {
                continue;
            }
            for condition in [
                format!("NOT (v = {text})"),
                format!("v IN ({text}, 'a')"),
                format!("v NOT IN ({text}, 'a')"),
                format!("v BETWEEN {text} AND 'b'"),
                format!("v NOT LIKE {text}"),
                format!("v = {text} OR id = 3"),
                format!("NOT (v = {text} OR id = 3)"),
                format!("v IS NULL OR v = {text}"),
            ] {
                same_rows(&session, &condition).await;
            }
        }
        for pattern in ["a%", "%a", "%", "_", "a_b", "%\\%%", "a\\%b", "%'%", "😀", "_%"] {
            same_rows(&session, &format!("v LIKE {}", quoted(pattern))).await;
        }
        same_rows(&session, "v IS NOT NULL").await;
    }
}

#[tokio::test]
async fn a_text_of_1_mb_in_a_filter_finds_its_row() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id INT, v LONGTEXT)",
            "INSERT INTO t VALUES (1, REPEAT('é\\'', 400000)), (2, REPEAT('x', 200000)), (3, '')",
        ])
        .await;
    let session = both(&database, "t").await;
    assert_eq!(same_rows(&session, &format!("v = {}", quoted(&"é'".repeat(400_000)))).await, 1);
    assert_eq!(same_rows(&session, &format!("v = {}", quoted(&"x".repeat(200_000)))).await, 1);
}

#[tokio::test]
async fn filters_on_numbers_dates_and_times_keep_the_same_rows() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id INT, i INT, u BIGINT UNSIGNED, d DECIMAL(20,4), w DECIMAL(50,10), f FLOAT, g DOUBLE, \
             day DATE, at DATETIME(6), ts TIMESTAMP(3) NULL, y YEAR, b BIT(8), e ENUM('a','b'), s SET('a','b'), tm TIME)",
            "INSERT INTO t VALUES \
             (1, -1, 0, -0.0001, -1.5, 0.1, 0.1, '2024-08-07', '2024-08-07 00:00:00', '2024-08-07 00:00:00', 2024, b'1', 'a', 'a', '01:00:00'), \
             (2, 0, 18446744073709551615, 0, 0, -0.0, -0.0, '1970-01-01', '1969-12-31 23:59:59.999999', '2001-01-01 00:00:00.001', 1970, b'0', 'b', 'a,b', '-01:00:00'), \
             (3, 2147483647, 9223372036854775808, 9999999999999999.9999, 1234567890123456789012345678901234567890.0123456789, 16777217, 1e300, \
              '9999-12-31', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999', 2155, b'11111111', 'a', '', '838:59:59'), \
             (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        ])
        .await;
    let session = both(&database, "t").await;
    let mut found = 0;
    for (name, constants) in [
        ("i", &["-1", "0", "2147483647", "2147483648", "0.5"][..]),
        ("u", &["0", "18446744073709551615", "9223372036854775808"]),
        ("d", &["0", "-0.0001", "9999999999999999.9999", "0.00001", "1"]),
        ("w", &["0", "-1.5", "1"]),
        ("f", &["0.1", "0", "16777217", "0.0"]),
        ("g", &["0.1", "0", "1e300", "-0.0", "0.0"]),
        ("day", &["date '2024-08-07'", "date '1970-01-01'", "date '9999-12-31'", "date '0001-01-01'", "'2024-08-07'"]),
        (
            "at",
            &[
                "timestamp '2024-08-07 00:00:00'",
                "timestamp '1969-12-31 23:59:59.999999'",
                "timestamp '2024-08-07 00:00:00.000001'",
                "date '2024-08-07'",
                "'2024-08-07 00:00:00'",
            ],
        ),
        (
            "ts",
            &["timestamp '2024-08-07 00:00:00'", "timestamp '2001-01-01 00:00:00.001'", "'2038-01-19 03:14:07.999'"],
        ),
        ("y", &["2024", "24", "0"]),
        ("b", &["1", "255", "0"]),
        ("e", &["'a'", "'A'", "'1'"]),
        ("s", &["'a'", "'a,b'", "''"]),
        ("tm", &["'01:00:00'", "'-01:00:00'", "'1:00'"]),
    ] {
        for constant in constants {
            for condition in [
                format!("{name} = {constant}"),
                format!("{name} <> {constant}"),
                format!("{name} < {constant}"),
                format!("NOT ({name} > {constant})"),
                format!("{name} NOT IN ({constant})"),
                format!("{name} BETWEEN {constant} AND {constant}"),
            ] {
                found += same_rows(&session, &condition).await;
            }
        }
        for condition in [format!("{name} IS NULL"), format!("{name} IS NOT NULL"), format!("NOT ({name} IS NULL)")] {
            found += same_rows(&session, &condition).await;
        }
    }
    assert!(found > 200, "the conditions select rows: {found}");
}

#[tokio::test]
async fn comparisons_with_integers_and_decimals_run_on_the_server() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id INT, d DECIMAL(20,4), v VARCHAR(10), day DATE)"]).await;
    let session = database.session(&["t"]).await;
    query(&session, "SET datafusion.sql_parser.parse_float_as_decimal = true").await;
    let sql = "SELECT id FROM t WHERE id = 5 AND d >= 1.5 AND v = 'a' AND day > '2024-08-07'";
    let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    for part in ["`id` = 5", "`d` >= 1.5000", "`v` = 'a'", "`day` > '2024-08-07'"] {
        assert!(text.contains(part), "{part} is not pushed: {text}");
    }
    assert_eq!(text.matches("FilterExec").count(), 1, "{text}");
}

/// As when the optimizer rewrites a filter after it was asked: the scan is given one that the server is not asked about.
#[tokio::test]
async fn a_filter_that_reaches_the_scan_is_never_lost() {
    use datafusion::logical_expr::{col, lit};
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (id INT, v VARCHAR(10), f FLOAT)",
            "INSERT INTO t VALUES (1, 'a', 0.5), (2, 'A', 1.5), (3, 'b', 2.5), (4, NULL, NULL)",
        ])
        .await;
    let session = SessionContext::new();
    let table = database.table("t").await;
    for (filters, projection, expected) in [
        (vec![col("id").not_eq(col("id"))], None, vec![]),
        (vec![col("f").gt(lit(1.0_f32))], Some(vec![0]), vec!["2", "3"]),
        (vec![col("f").gt(lit(1.0_f32)), col("id").gt(lit(2))], Some(vec![1, 0]), vec!["b|3"]),
        (vec![col("v").eq(lit("a"))], Some(vec![0]), vec!["1"]),
        (vec![col("id").gt(lit(1)), col("v").not_eq(lit("A"))], Some(vec![2, 2, 0]), vec!["2.5|2.5|3"]),
        (vec![col("f").gt(lit(1.0_f32))], Some(vec![]), vec!["", ""]),
    ] {
        let plan = table.scan(&session.state(), projection.as_ref(), &filters, Some(3)).await.unwrap();
        let batches = datafusion::physical_plan::collect(plan, session.task_ctx()).await.unwrap();
        assert_eq!(column(&batches), expected, "{filters:?} {projection:?}");
    }
}

#[tokio::test]
async fn a_zone_with_two_offsets_keeps_timestamp_filters_here() {
    use super::super::types::ColumnDescription;
    use crate::mysql_protocol::value::ZeroDates;
    let at = ColumnDescription {
        name: "at".into(),
        data_type: "timestamp".into(),
        column_type: "timestamp".into(),
        nullable: true,
        precision: None,
        scale: None,
        fraction_digits: Some(0),
        collation: None,
    };
    assert!(at.policy("+08:00", ZeroDates::Reject, false).constants.is_some());
    assert!(at.policy("America/New_York", ZeroDates::Reject, false).constants.is_none());
    assert!(at.policy("+08:00", ZeroDates::Round, false).constants.is_none());
}
