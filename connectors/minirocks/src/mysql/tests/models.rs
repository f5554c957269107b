//! Table models: what CREATE TABLE takes and refuses, how a model is described, and UPDATE and DELETE.

use mysql_async::prelude::Queryable;

use super::{error, ods, rows};

fn analysis(detail: &str) -> (u16, String) {
    (1064, format!("Getting analyzing error. Detail message: {detail}."))
}

const TABLES: [&str; 4] = [
    "CREATE TABLE dup (k INT, v INT) DUPLICATE KEY(k)",
    "CREATE TABLE agg (k INT, v INT SUM NULL DEFAULT '0' COMMENT 'sum', w STRING REPLACE_IF_NOT_NULL) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2",
    "CREATE TABLE unq (k INT, v INT) UNIQUE KEY(k)",
    "CREATE TABLE pri (k INT NOT NULL, v INT, w VARCHAR(5) NOT NULL DEFAULT 'w') PRIMARY KEY(k)",
];

#[tokio::test]
async fn a_table_is_described_by_its_model() {
    let (_server, mut conn) = ods().await;
    for sql in TABLES {
        conn.query_drop(sql).await.unwrap();
    }
    assert_eq!(
        rows(
            &mut conn,
            "SELECT TABLE_NAME, TABLE_MODEL, PRIMARY_KEY, SORT_KEY FROM information_schema.tables_config WHERE TABLE_SCHEMA = 'ods' ORDER BY 1"
        )
        .await,
        [
            ["agg", "AGG_KEYS", "", "`k`"],
            ["dup", "DUP_KEYS", "", "`k`"],
            ["pri", "PRI_KEYS", "`k`", "`k`"],
            ["unq", "UNQ_KEYS", "`k`", "`k`"],
        ]
    );
    assert_eq!(
        rows(
            &mut conn,
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_KEY FROM information_schema.columns WHERE TABLE_SCHEMA = 'ods' AND COLUMN_NAME <> 'w' \
             ORDER BY 1, 2"
        )
        .await,
        [
            ["agg", "k", "AGG"],
            ["agg", "v", ""],
            ["dup", "k", "DUP"],
            ["dup", "v", ""],
            ["pri", "k", "PRI"],
            ["pri", "v", ""],
            ["unq", "k", "UNI"],
            ["unq", "v", ""],
        ]
    );
    let extras = async |conn: &mut mysql_async::Conn, table: &str| {
        let rows = rows(conn, &format!("DESC {table}")).await;
        rows.into_iter().map(|row| row[5].clone()).collect::<Vec<_>>()
    };
    assert_eq!(extras(&mut conn, "agg").await, ["", "SUM", "REPLACE_IF_NOT_NULL"]);
    assert_eq!(extras(&mut conn, "unq").await, ["", "REPLACE"]);
    assert_eq!(extras(&mut conn, "dup").await, ["", ""]);
    let printed = rows(&mut conn, "SHOW CREATE TABLE agg").await[0][1].clone();
    assert!(
        printed.contains("`v` int(11) SUM NULL DEFAULT \"0\" COMMENT \"sum\",\n  `w` varchar(65533) REPLACE_IF_NOT_NULL NULL COMMENT \"\""),
        "{printed}"
    );
    assert!(printed.contains("\nAGGREGATE KEY(`k`)\n"), "{printed}");
    for table in ["agg", "unq", "pri", "dup"] {
        let printed = rows(&mut conn, &format!("SHOW CREATE TABLE {table}")).await[0][1].clone();
        conn.query_drop(format!("DROP TABLE {table}")).await.unwrap();
        conn.query_drop(&printed).await.unwrap();
        assert_eq!(rows(&mut conn, &format!("SHOW CREATE TABLE {table}")).await[0][1], printed);
    }
}

#[tokio::test]
async fn what_a_model_does_not_take_is_refused() {
    let (_server, mut conn) = ods().await;
    for (columns, expected) in [
        (
            "(k INT, v INT) AGGREGATE KEY(k)",
            analysis("AGG_KEYS table should specify aggregate type for non-key column[v]"),
        ),
        (
            "(k INT, v INT SUM) DUPLICATE KEY(k)",
            analysis("DUP_KEYS table should not specify aggregate type for non-key column[v]"),
        ),
        (
            "(k INT, v INT MAX) PRIMARY KEY(k)",
            analysis("PRI_KEYS table should not specify aggregate type for non-key column[v]"),
        ),
        (
            "(k INT SUM, v INT SUM) AGGREGATE KEY(k)",
            analysis("Cannot specify aggregate function 'SUM' for key column 'k'"),
        ),
        ("(k INT, v STRING SUM) AGGREGATE KEY(k)", analysis("Invalid aggregate function 'SUM' for 'v'")),
        ("(k INT, v HLL HLL_UNION) AGGREGATE KEY(k)", analysis("not supported by MiniRocks: type HLL")),
        ("(k INT, v BITMAP BITMAP_UNION) AGGREGATE KEY(k)", analysis("not supported by MiniRocks: type BITMAP")),
        ("(k INT, v INT) UNIQUE KEY(k) DISTRIBUTED BY RANDOM", analysis("UNIQUE KEY TABLE must use hash distribution")),
        (
            "(k INT, v INT, w INT) UNIQUE KEY(k) PARTITION BY (v)",
            analysis("The partition column could not be aggregated column: v must be a key column"),
        ),
        (
            "(k INT, v DOUBLE) UNIQUE KEY(v)",
            analysis("Key columns should be a ordered prefix of the schema. KeyColumns[v]"),
        ),
    ] {
        assert_eq!(error(&mut conn, &format!("CREATE TABLE t {columns}")).await, expected, "{columns}");
    }
    // columns that are put together make the model by themselves
    conn.query_drop("CREATE TABLE t (k INT, v INT SUM)").await.unwrap();
    conn.query_drop("INSERT INTO t VALUES (1, 2), (1, 3)").await.unwrap();
    assert_eq!(rows(&mut conn, "SELECT * FROM t").await, [["1", "5"]]);
}

#[tokio::test]
async fn update_changes_rows_of_a_primary_key_table() {
    let (_server, mut conn) = ods().await;
    for sql in TABLES {
        conn.query_drop(sql).await.unwrap();
    }
    conn.query_drop("INSERT INTO pri (k, v) VALUES (1, 10), (2, 20), (3, NULL)").await.unwrap();
    conn.query_drop("UPDATE pri SET v = v + k, w = concat('x', k) WHERE k < 3 OR v IS NULL").await.unwrap();
    assert_eq!(conn.affected_rows(), 3);
    assert!(conn.info().starts_with("{'label':'update_"), "{}", conn.info());
    let all = "SELECT k, v, w FROM pri ORDER BY k";
    assert_eq!(rows(&mut conn, all).await, [["1", "11", "x1"], ["2", "22", "x2"], ["3", "NULL", "x3"]]);
    conn.exec_drop(
        "UPDATE ods.pri AS p SET p.v = ?, w = CASE WHEN p.k = 2 THEN 'two' ELSE w END WHERE p.k IN (?, 3)",
        (5, 2),
    )
    .await
    .unwrap();
    assert_eq!(rows(&mut conn, all).await, [["1", "11", "x1"], ["2", "5", "two"], ["3", "5", "x3"]]);
    conn.query_drop("UPDATE pri SET v = 1 WHERE k = 99").await.unwrap();
    assert_eq!(conn.affected_rows(), 0);
    for (sql, expected) in [
        ("UPDATE dup SET v = 1 WHERE k = 1", analysis("table dup does not support update")),
        ("UPDATE agg SET v = 1 WHERE k = 1", analysis("table agg does not support update")),
        ("UPDATE pri SET v = 1", analysis("must specify where clause to prevent full table update")),
        ("UPDATE pri SET k = 1 WHERE v = 1", analysis("primary key column cannot be updated: k")),
        ("UPDATE pri SET x = 1 WHERE k = 1", analysis("table 'pri' do not existing column 'x'")),
        ("UPDATE pri SET v = 1, V = 2 WHERE k = 1", analysis("Column 'V' specified twice")),
        ("UPDATE pri SET v = x WHERE k = 1", analysis("Column 'x' cannot be resolved")),
        ("UPDATE pri SET w = NULL WHERE k = 1", (1064, "Insert has filtered data in strict mode. NULL value in non-nullable column 'w'".to_owned())),
        (
            "UPDATE pri SET w = 'abcdef' WHERE k = 1",
            (1064, "Insert has filtered data in strict mode. String 'abcdef'(length=6) is too long. The max length of 'w' is 5".to_owned()),
        ),
    ] {
        assert_eq!(error(&mut conn, sql).await, expected, "{sql}");
    }
    assert_eq!(rows(&mut conn, all).await, [["1", "11", "x1"], ["2", "5", "two"], ["3", "5", "x3"]]);
}

#[tokio::test]
async fn delete_takes_any_condition_on_a_primary_key_table_and_plain_ones_on_others() {
    let (_server, mut conn) = ods().await;
    for sql in TABLES {
        conn.query_drop(sql).await.unwrap();
    }
    for table in ["dup", "unq", "pri"] {
        conn.query_drop(format!("INSERT INTO {table} (k, v) VALUES (1, 10), (2, 20), (3, 30), (4, NULL)"))
            .await
            .unwrap();
    }
    conn.query_drop("DELETE FROM pri WHERE v % 20 = 10 OR k = 4").await.unwrap();
    assert_eq!(conn.affected_rows(), 3);
    assert_eq!(rows(&mut conn, "SELECT k FROM pri").await, [["2"]]);
    conn.query_drop("DELETE FROM dup WHERE v >= 20 AND (v < 30) AND k IN (1, 2)").await.unwrap();
    conn.query_drop("DELETE FROM dup PARTITION dup WHERE v IS NULL").await.unwrap();
    assert_eq!(rows(&mut conn, "SELECT k FROM dup ORDER BY k").await, [["1"], ["3"]]);
    conn.query_drop("DELETE FROM unq WHERE k BETWEEN 1 AND 3").await.unwrap();
    assert_eq!(rows(&mut conn, "SELECT k FROM unq").await, [["4"]]);
    let form =
        analysis("Where clause only supports compound predicate, binary predicate, is_null predicate and in predicate");
    for (sql, expected) in [
        ("DELETE FROM dup WHERE k = 1 OR k = 3", analysis("Compound predicate's op should be AND")),
        ("DELETE FROM dup WHERE k + 1 = 2", form.clone()),
        ("DELETE FROM dup WHERE k = v", form.clone()),
        ("DELETE FROM dup WHERE true", form.clone()),
        ("DELETE FROM dup WHERE k IN (SELECT k FROM pri)", form),
        ("DELETE FROM dup WHERE x = 1", analysis("Column 'x' cannot be resolved")),
        (
            "DELETE FROM unq WHERE v = 1",
            analysis("column[v] is not key column or storage model is not duplicate or column type is float or double"),
        ),
        ("DELETE FROM dup", analysis("Delete must specify where clause to prevent full table delete/truncate")),
        ("DELETE FROM dup PARTITION (px) WHERE k = 1", analysis("Unknown partition 'px' in table 'dup'")),
    ] {
        assert_eq!(error(&mut conn, sql).await, expected, "{sql}");
    }
    assert_eq!(rows(&mut conn, "SELECT k FROM dup ORDER BY k").await, [["1"], ["3"]]);
}
