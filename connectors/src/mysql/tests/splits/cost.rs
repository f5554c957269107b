//! What planning costs, by the server's own counters, and how even the splits of spread-out keys are.

use mysql_common::Row;

use super::{assert_even, planned, session, sizes};
use crate::mysql::tests::TestDatabase;
use crate::mysql_protocol::connect::Connection;

/// Rows of the index and of tables that the session has read, and its statements.
async fn counters(connection: &mut Connection) -> (u64, u64) {
    let number = |row: &Row| row.get::<String, _>(1).unwrap().parse::<u64>().unwrap();
    let rows = connection.query("SHOW SESSION STATUS LIKE 'Handler_read%'").await.unwrap();
    let questions = connection.query("SHOW SESSION STATUS LIKE 'Questions'").await.unwrap();
    (rows.iter().map(number).sum(), questions.iter().map(number).sum())
}

/// Plans the read of a table of so many rows with keys `value`, and says how many rows each split has.
async fn planned_sizes(definition: &str, value: &str, rows: u32, settings: &[(&str, &str)]) -> (String, Vec<u64>) {
    let database = TestDatabase::new().await;
    database
        .run(&[
            &format!("CREATE TABLE t ({definition}, pad VARCHAR(100) DEFAULT 'some more bytes in each row') CHARACTER SET utf8mb4"),
            &format!("INSERT INTO t (k, id) SELECT {value}, seq FROM seq_1_to_{rows}"),
            "ANALYZE TABLE t",
        ])
        .await;
    let session = session(&database, "t", settings).await;
    // The planner takes the connection that was given back last.
    let mut connection = database.catalog.pool().get().await.unwrap();
    let id = connection.query("SELECT CONNECTION_ID()").await.unwrap()[0].get::<u64, _>(0);
    connection.query("FLUSH STATUS").await.unwrap();
    let before = counters(&mut connection).await;
    connection.release();
    let (explained, splits) = planned(&session, "SELECT * FROM t").await;
    let mut connection = database.catalog.pool().get().await.unwrap();
    assert_eq!(connection.query("SELECT CONNECTION_ID()").await.unwrap()[0].get::<u64, _>(0), id);
    let after = counters(&mut connection).await;
    let (read, asked) = (after.0 - before.0, after.1 - before.1);
    assert!(read <= 1000, "{read} rows were read: {explained}");
    assert!(asked <= 200, "{asked} statements: {explained}");
    let estimated: u64 = splits.iter().filter_map(|split| split.rows).sum();
    assert!(estimated > u64::from(rows) / 2 && estimated < u64::from(rows) * 2, "{estimated} rows of {rows}");
    let sizes = sizes(&database, "t", &splits).await;
    assert_eq!(sizes.iter().sum::<u64>(), u64::from(rows), "{sizes:?}");
    (explained, sizes)
}

const KEY: &str = "k BIGINT PRIMARY KEY, id BIGINT";

async fn assert_splits(definition: &str, value: &str, rows: u32, settings: &[(&str, &str)], wanted: usize) {
    let (explained, sizes) = planned_sizes(definition, value, rows, settings).await;
    assert_even(&format!("{value}: {explained}"), &sizes);
    assert!(sizes.len() >= wanted / 2 && sizes.len() <= wanted * 2, "{value}: {explained}");
}

#[tokio::test]
async fn numbers_of_every_spread_make_even_splits_for_few_questions() {
    let settings = [("split_rows", "5000")];
    for value in [
        "seq",
        "IF(seq % 2, -9223372036854775808 + CAST(seq AS SIGNED), 9223372036854775807 - seq)",
        "FLOOR(POW(1.00018, seq)) + seq",
        "seq * 17 + seq DIV 5000 * 100000000",
        "CAST(CONV(LEFT(MD5(seq), 15), 16, 10) AS SIGNED)",
    ] {
        assert_splits(KEY, value, 200_000, &settings, 32).await;
    }
    assert_splits(KEY, "seq", 200_000, &[], 4).await;
}

#[tokio::test]
async fn text_makes_even_splits_for_few_questions() {
    let settings = [("split_rows", "5000")];
    let key = "k CHAR(36) NOT NULL COLLATE utf8mb4_general_ci, id BIGINT PRIMARY KEY, UNIQUE (k)";
    let by_k = [settings[0], ("split_column", "k")];
    assert_splits(key, "IF(seq % 2, MD5(seq), UPPER(MD5(seq)))", 200_000, &by_k, 32).await;
    assert_splits(
        "k VARCHAR(36) COLLATE utf8mb4_bin PRIMARY KEY, id BIGINT",
        "CONCAT('order/', seq)",
        200_000,
        &settings,
        32,
    )
    .await;
    assert_splits(
        "k VARCHAR(36), id BIGINT, PRIMARY KEY (k, id)",
        "CONCAT('shop ', seq % 500)",
        200_000,
        &settings,
        32,
    )
    .await;
}

#[tokio::test]
async fn a_composite_key_is_cut_by_its_first_column() {
    assert_splits("k INT, id BIGINT, PRIMARY KEY (k, id)", "seq % 300", 100_000, &[("split_rows", "5000")], 20).await;
}

#[tokio::test]
async fn a_value_of_half_of_the_rows_is_a_split_of_its_own_and_explain_says_so() {
    let value = "IF(seq % 2, 500, seq % 1000)";
    let key = "k INT NOT NULL, id BIGINT PRIMARY KEY, KEY (k)";
    let settings = [("split_rows", "5000"), ("split_column", "t.k")];
    let (explained, sizes) = planned_sizes(key, value, 100_000, &settings).await;
    assert!(explained.contains("rows and cannot be cut by this column"), "{explained}");
    let heavy = *sizes.iter().max().unwrap();
    assert!((50_000..60_000).contains(&heavy), "{sizes:?}");
    let others: Vec<u64> = sizes.iter().copied().filter(|size| *size != heavy).collect();
    assert!(others.len() >= 4 && others.iter().all(|size| *size <= 15_000), "{sizes:?}");
}
