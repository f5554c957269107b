//! Partitions and INSERT OVERWRITE as a client writes them that replaces data without a moment in which readers see a hole.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::{connect, error, ods, one, rows};
use crate::{Server, ServerConfig};

const META: &str = "SELECT PARTITION_NAME, PARTITION_VALUE, IS_TEMP, ROW_COUNT FROM information_schema.partitions_meta \
     WHERE DB_NAME = 'ods' AND TABLE_NAME = 't' ORDER BY IS_TEMP, PARTITION_NAME";

async fn run(conn: &mut Conn, statements: &[&str]) {
    for sql in statements {
        conn.query_drop(*sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

fn analysis(detail: &str) -> (u16, String) {
    (1064, format!("Getting analyzing error. Detail message: {detail}."))
}

#[tokio::test]
async fn a_partition_is_rewritten_beside_the_old_one_and_replaces_it_under_its_name() {
    let (_server, mut conn) = ods().await;
    run(
        &mut conn,
        &[
            "CREATE TABLE t (k INT, dt STRING NOT NULL) DUPLICATE KEY(k) PARTITION BY (dt)",
            "INSERT INTO t VALUES (1, '2024'), (2, '2025')",
            "ALTER TABLE t ADD TEMPORARY PARTITION IF NOT EXISTS tp VALUES IN (\"2024\")",
            "ALTER TABLE t ADD TEMPORARY PARTITION IF NOT EXISTS tp VALUES IN (\"2024\")",
        ],
    )
    .await;
    assert_eq!(error(&mut conn, "ALTER TABLE t ADD TEMPORARY PARTITION tp VALUES IN ('2025')").await.0, 1517);
    assert_eq!(
        error(&mut conn, "ALTER TABLE t ADD TEMPORARY PARTITION p2025 VALUES IN ('2025')").await,
        (1517, "Duplicate partition name p2025".to_owned())
    );
    assert_eq!(
        rows(&mut conn, META).await,
        [
            ["$shadow_automatic_partition", "", "0", "0"],
            ["p2024", "[[\"2024\"]]", "0", "1"],
            ["p2025", "[[\"2025\"]]", "0", "1"],
            ["tp", "[[\"2024\"]]", "1", "0"],
        ]
    );
    let shown = rows(&mut conn, "SHOW TEMPORARY PARTITIONS FROM t").await;
    assert_eq!((shown.len(), shown[0][1].as_str(), shown[0][7].as_str()), (1, "tp", "[[\"2024\"]]"));
    let before = rows(&mut conn, "SHOW PARTITIONS FROM t WHERE PartitionName = 'p2024'").await;

    run(&mut conn, &["INSERT INTO t TEMPORARY PARTITION(tp) SELECT 10 + k, dt FROM t WHERE dt = '2024'"]).await;
    assert_eq!(rows(&mut conn, "SELECT k FROM t ORDER BY k").await, [["1"], ["2"]]);
    assert_eq!(
        error(&mut conn, "INSERT INTO t TEMPORARY PARTITION(tp) VALUES (1, '2026')").await.1,
        "Insert has filtered data in strict mode. The row does not belong to the partitions that the statement names."
    );
    run(
        &mut conn,
        &["ALTER TABLE t REPLACE PARTITION (p2024) WITH TEMPORARY PARTITION (tp) \
           PROPERTIES (\"strict_range\"=\"true\",\"use_temp_partition_name\"=\"false\")"],
    )
    .await;
    assert_eq!(rows(&mut conn, "SELECT k FROM t ORDER BY k").await, [["2"], ["11"]]);
    let after = rows(&mut conn, "SHOW PARTITIONS FROM t WHERE PartitionName = 'p2024'").await;
    assert_ne!(before[0][0], after[0][0], "the temporary partition keeps its own id");
    assert!(rows(&mut conn, "SHOW TEMPORARY PARTITIONS FROM t").await.is_empty());

    // with its own name
    run(
        &mut conn,
        &[
            "ALTER TABLE t ADD TEMPORARY PARTITION tp2 VALUES IN ('2024')",
            "ALTER TABLE t REPLACE PARTITION (p2024) WITH TEMPORARY PARTITION (tp2) PROPERTIES (\"use_temp_partition_name\"=\"true\")",
        ],
    )
    .await;
    assert_eq!(rows(&mut conn, "SELECT k FROM t ORDER BY k").await, [["2"]]);
    assert_eq!(
        rows(&mut conn, "SHOW PARTITIONS FROM t").await.iter().map(|row| row[1].clone()).collect::<Vec<_>>(),
        ["p2025", "tp2"]
    );
}

#[tokio::test]
async fn what_cannot_be_replaced_is_named_and_nothing_changes() {
    let (_server, mut conn) = ods().await;
    run(
        &mut conn,
        &[
            "CREATE TABLE t (k INT, dt STRING NOT NULL) DUPLICATE KEY(k) PARTITION BY (dt)",
            "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
            "ALTER TABLE t ADD TEMPORARY PARTITION tp VALUES IN ('b')",
        ],
    )
    .await;
    for (sql, expected) in [
        (
            "ALTER TABLE t REPLACE PARTITION (px) WITH TEMPORARY PARTITION (tp)",
            analysis("Partition[px] does not exist"),
        ),
        (
            "ALTER TABLE t REPLACE PARTITION (pa) WITH TEMPORARY PARTITION (tx)",
            analysis("Temp partition[tx] does not exist"),
        ),
        (
            "ALTER TABLE t REPLACE PARTITION (pa) WITH TEMPORARY PARTITION (tp)",
            analysis("2 list partitions are not strictly matched, [a] vs [b]"),
        ),
        ("ALTER TABLE t DROP TEMPORARY PARTITION tx", (1507, "Error in list of partitions to [tx]".to_owned())),
        ("ALTER TABLE t DROP PARTITION tp", (1507, "Error in list of partitions to [tp]".to_owned())),
        ("INSERT INTO t PARTITION(tp) VALUES (1, 'b')", analysis("Unknown partition 'tp' in table 't'")),
        ("INSERT OVERWRITE t PARTITION(px) SELECT 1, 'a'", analysis("Unknown partition 'px' in table 't'")),
    ] {
        assert_eq!(error(&mut conn, sql).await, expected, "{sql}");
    }
    // not strict: any value, as long as no other partition has it
    let replace =
        "ALTER TABLE t REPLACE PARTITION (pa) WITH TEMPORARY PARTITION (tp) PROPERTIES (\"strict_range\"=\"false\")";
    assert!(error(&mut conn, replace).await.1.contains("conflicts"), "b belongs to pb");
    run(&mut conn, &["ALTER TABLE t DROP PARTITION pb", replace]).await;
    assert_eq!(rows(&mut conn, "SELECT k FROM t").await, Vec::<Vec<String>>::new());
    run(
        &mut conn,
        &[
            "ALTER TABLE t ADD TEMPORARY PARTITION t2 VALUES IN ('c')",
            "ALTER TABLE t DROP TEMPORARY PARTITION IF EXISTS t2 FORCE",
        ],
    )
    .await;
    assert!(rows(&mut conn, "SHOW TEMPORARY PARTITIONS FROM t").await.is_empty());
}

#[tokio::test]
async fn a_partition_that_was_added_by_hand_is_used_by_rows_of_its_value_only() {
    let (_server, mut conn) = ods().await;
    run(
        &mut conn,
        &[
            "CREATE TABLE t (k INT, dt STRING NOT NULL) DUPLICATE KEY(k) PARTITION BY (dt)",
            "ALTER TABLE t ADD PARTITION IF NOT EXISTS p2024 VALUES IN ('2024')",
            "ALTER TABLE t ADD PARTITION IF NOT EXISTS p2024 VALUES IN ('2030')",
            "INSERT INTO t VALUES (1, '2024'), (2, '2030')",
        ],
    )
    .await;
    let meta = rows(&mut conn, META).await;
    assert_eq!(meta[1], ["p2024", "[[\"2024\"]]", "0", "1"]);
    assert_eq!(meta[2], ["p2030", "[[\"2030\"]]", "0", "1"]);
    assert_eq!(
        error(&mut conn, "ALTER TABLE t ADD PARTITION p VALUES IN ('x', 'y')").await,
        analysis("Automatically partitioned tables does not support multiple values in the same partition")
    );
}

#[tokio::test]
async fn a_table_by_list_takes_rows_of_its_partitions_only() {
    let (_server, mut conn) = ods().await;
    run(
        &mut conn,
        &[
            "CREATE TABLE t (k INT, city STRING, dt DATE) DUPLICATE KEY(k) PARTITION BY LIST (city, dt) (\
             PARTITION p1 VALUES IN ((\"it's\", '2024-08-07'), ('b', '20240808')), PARTITION p2 VALUES IN (('c', '2024-08-07')))",
            "INSERT INTO t VALUES (1, 'b', '2024-08-08'), (2, 'it\\'s', '2024-08-07'), (3, 'c', '2024-08-07')",
        ],
    )
    .await;
    assert_eq!(
        error(&mut conn, "INSERT INTO t VALUES (1, 'z', '2024-08-08')").await.1,
        "Insert has filtered data in strict mode. The row is out of partition ranges. Please add a new partition."
    );
    let meta = "SELECT PARTITION_NAME, PARTITION_VALUE, ROW_COUNT FROM information_schema.partitions_meta WHERE TABLE_NAME = 't'";
    assert_eq!(
        rows(&mut conn, meta).await,
        [["p1", "[[\"it's\",\"2024-08-07\"],[\"b\",\"2024-08-08\"]]", "2"], ["p2", "[[\"c\",\"2024-08-07\"]]", "1"]]
    );
    run(&mut conn, &["INSERT OVERWRITE t PARTITION(p1) VALUES (9, 'b', '2024-08-08'), (8, \"it's\", '2024-08-07')"])
        .await;
    assert_eq!(rows(&mut conn, "SELECT k FROM t ORDER BY k").await, [["3"], ["8"], ["9"]]);
    let printed = rows(&mut conn, "SHOW CREATE TABLE t").await[0][1].clone();
    assert!(printed.contains("PARTITION `p1` VALUES IN (('it\\'s', '2024-08-07'), ('b', '2024-08-08'))"), "{printed}");
    run(&mut conn, &["CREATE TABLE u LIKE t", "DROP TABLE t", &printed, "TRUNCATE TABLE u PARTITION (p1, p2)"]).await;
    for table in ["t", "u"] {
        let shown = rows(&mut conn, &format!("SHOW PARTITIONS FROM {table}")).await;
        assert_eq!(shown.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), ["p1", "p2"], "{table}");
        run(&mut conn, &[&format!("INSERT INTO {table} VALUES (1, 'b', '2024-08-08')")]).await;
    }
}

#[tokio::test]
async fn a_table_like_another_has_its_columns_keys_and_properties_and_no_rows() {
    let (_server, mut conn) = ods().await;
    run(
        &mut conn,
        &[
            "CREATE TABLE t (k INT NOT NULL COMMENT 'the key', dt DATE NOT NULL, v STRING DEFAULT 'x') PRIMARY KEY(k, dt) COMMENT 'c' \
             PARTITION BY (dt)",
            "INSERT INTO t VALUES (1, '2024-08-07', 'a')",
            "CREATE DATABASE other",
            "CREATE TABLE other.u LIKE ods.t",
            "CREATE TABLE IF NOT EXISTS other.u LIKE t",
        ],
    )
    .await;
    assert_eq!(error(&mut conn, "CREATE TABLE other.u LIKE t").await, (1050, "Table 'u' already exists".to_owned()));
    assert_eq!(error(&mut conn, "CREATE TABLE u LIKE nosuch").await.0, 5502);
    let text = async |conn: &mut Conn, name: &str| rows(conn, &format!("SHOW CREATE TABLE {name}")).await[0][1].clone();
    assert_eq!(text(&mut conn, "other.u").await.replace("`u`", "`t`"), text(&mut conn, "t").await);
    assert_eq!(one(&mut conn, "SELECT count(*) FROM other.u").await, "0");
    assert!(rows(&mut conn, "SHOW PARTITIONS FROM other.u").await.is_empty());
    run(&mut conn, &["INSERT INTO other.u SELECT * FROM t", "INSERT INTO other.u SELECT k, dt, 'b' FROM t"]).await;
    assert_eq!(rows(&mut conn, "SELECT k, v FROM other.u").await, [["1", "b"]]);
}

/// The statements of StarRocks's own test of dynamic overwrite (`test_dynamic_overwrite`).
#[tokio::test]
async fn dynamic_overwrite_replaces_only_the_partitions_that_get_rows() {
    let (_server, mut conn) = ods().await;
    run(
        &mut conn,
        &[
            "CREATE TABLE t (k INT, v INT) PARTITION BY (k)",
            "INSERT INTO t VALUES (1, 1), (2, 1)",
            "INSERT OVERWRITE t VALUES (2, 2), (3, 1)",
        ],
    )
    .await;
    assert_eq!(rows(&mut conn, "SELECT * FROM t ORDER BY k").await, [["2", "2"], ["3", "1"]]);
    run(&mut conn, &["INSERT /*+set_var(dynamic_overwrite=true)*/ OVERWRITE t VALUES (4, 1), (3, 2)"]).await;
    assert_eq!(rows(&mut conn, "SELECT * FROM t ORDER BY k").await, [["2", "2"], ["3", "2"], ["4", "1"]]);
    // the hint has ended with its statement
    run(&mut conn, &["INSERT OVERWRITE t VALUES (4, 5)"]).await;
    assert_eq!(rows(&mut conn, "SELECT * FROM t").await, [["4", "5"]]);
    run(
        &mut conn,
        &[
            "INSERT INTO t VALUES (2, 2)",
            "INSERT OVERWRITE t SELECT /*+ SET_VAR(query_timeout = 10, dynamic_overwrite = 'true') */ 4, 6",
        ],
    )
    .await;
    assert_eq!(rows(&mut conn, "SELECT * FROM t ORDER BY k").await, [["2", "2"], ["4", "6"]]);
    run(&mut conn, &["SET dynamic_overwrite = true", "INSERT OVERWRITE t SELECT k, v FROM t WHERE k > 100"]).await;
    assert_eq!(rows(&mut conn, "SELECT * FROM t ORDER BY k").await, [["2", "2"], ["4", "6"]]);
    assert_eq!(error(&mut conn, "SELECT /*+ SET_VAR(query_timeout = x) */ 1").await.0, 1231);
    assert_eq!(error(&mut conn, "SELECT /*+ SET_VAR(query_timeout 1) */ 1").await.0, 1064);
    assert_eq!(one(&mut conn, "SELECT /*+ SOMETHING(else) */ 1").await, "1");
}

#[tokio::test]
async fn a_version_before_3_4_does_not_know_dynamic_overwrite() {
    let config = ServerConfig { emulate_version: Some("3.3.9".to_owned()), ..ServerConfig::default() };
    let server = Server::start(config).await.unwrap();
    let mut conn = connect(&server).await;
    run(&mut conn, &["CREATE DATABASE ods", "USE ods", "CREATE TABLE t (k INT) PARTITION BY (k)"]).await;
    let unknown = (1193, "Unknown system variable 'dynamic_overwrite'".to_owned());
    assert_eq!(error(&mut conn, "SET dynamic_overwrite = true").await, unknown);
    assert_eq!(error(&mut conn, "INSERT /*+set_var(dynamic_overwrite=true)*/ OVERWRITE t VALUES (1)").await, unknown);
    assert!(rows(&mut conn, "SHOW VARIABLES LIKE 'dynamic_overwrite'").await.is_empty());
}

#[tokio::test]
async fn overwriting_with_no_rows_empties_what_is_named_and_nothing_that_is_not() {
    let (_server, mut conn) = ods().await;
    run(
        &mut conn,
        &[
            "CREATE TABLE t (k INT, dt STRING NOT NULL) DUPLICATE KEY(k) PARTITION BY (dt)",
            "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
            "CREATE TABLE staging LIKE t",
        ],
    )
    .await;
    run(&mut conn, &["INSERT OVERWRITE t PARTITION(pa) SELECT * FROM staging WHERE dt = 'a'"]).await;
    assert_eq!(rows(&mut conn, "SELECT k FROM t ORDER BY k").await, [["2"], ["3"]]);
    assert_eq!(rows(&mut conn, "SHOW PARTITIONS FROM t").await.len(), 3, "the empty partition stays");
    run(&mut conn, &["INSERT /*+set_var(dynamic_overwrite=true)*/ OVERWRITE t SELECT * FROM staging"]).await;
    assert_eq!(rows(&mut conn, "SELECT k FROM t ORDER BY k").await, [["2"], ["3"]]);
    // rows outside of the named partitions leave everything as it was
    run(&mut conn, &["INSERT INTO staging VALUES (7, 'b'), (8, 'z')"]).await;
    assert!(error(&mut conn, "INSERT OVERWRITE t PARTITION(pb) SELECT * FROM staging").await.1.contains("filtered"));
    assert_eq!(rows(&mut conn, "SELECT k FROM t ORDER BY k").await, [["2"], ["3"]]);
    run(&mut conn, &["INSERT OVERWRITE t PARTITION(pb, pc) (dt, k) SELECT dt, k FROM staging WHERE dt = 'b'"]).await;
    assert_eq!(rows(&mut conn, "SELECT k FROM t").await, [["7"]]);
    run(&mut conn, &["INSERT OVERWRITE t SELECT * FROM staging WHERE k > 100"]).await;
    assert_eq!(one(&mut conn, "SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_label_names_one_insert_and_tells_how_it_ended() {
    let (_server, mut conn) = ods().await;
    run(
        &mut conn,
        &[
            "CREATE TABLE t (k INT NOT NULL, dt STRING) DUPLICATE KEY(k) PARTITION BY (dt)",
            "INSERT INTO t VALUES (1, 'a')",
            "INSERT OVERWRITE t PARTITION(pa) WITH LABEL l1 SELECT k + 1, dt FROM t",
        ],
    )
    .await;
    assert!(conn.info().starts_with("{'label':'l1', 'status':'VISIBLE', 'txnId':'"), "{}", conn.info());
    assert_eq!(conn.affected_rows(), 1);
    for again in ["INSERT OVERWRITE t WITH LABEL l1 SELECT 5, 'a'", "INSERT INTO t WITH LABEL `l1` (k) VALUES (6)"] {
        assert_eq!(error(&mut conn, again).await, (1064, "Label [l1] has already been used.".to_owned()));
    }
    assert_eq!(rows(&mut conn, "SELECT k FROM t").await, [["2"]]);
    // a label whose statement failed is free again
    assert!(
        error(&mut conn, "INSERT INTO t WITH LABEL l2 SELECT NULL, 'a'").await.1.contains("NULL value in non-nullable")
    );
    let state = "SELECT STATE, TYPE, DATABASE_NAME, TABLE_NAME, SINK_ROWS, ERROR_MSG FROM information_schema.loads WHERE LABEL = 'l2'";
    assert_eq!(
        rows(&mut conn, state).await,
        [[
            "CANCELLED",
            "INSERT",
            "ods",
            "t",
            "0",
            "Insert has filtered data in strict mode. NULL value in non-nullable column 'k'"
        ]]
    );
    run(&mut conn, &["INSERT INTO t WITH LABEL l2 SELECT 3, 'a'"]).await;
    assert_eq!(rows(&mut conn, state).await[0][0], "FINISHED");
    let shown = rows(&mut conn, "SHOW LOAD WHERE LABEL = 'l2'").await;
    assert_eq!((shown.len(), shown[0][2].as_str(), shown[0][4].as_str()), (1, "FINISHED", "INSERT"));
    assert_eq!(error(&mut conn, "INSERT INTO t WITH LABEL `l 3` SELECT 3, 'a'").await.0, 1064);
}
