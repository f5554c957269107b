//! Prepared statements: parameters are values, rows are binary.

use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Row, Value, params};

use super::{ods, rows, text};

const ALL_TYPES: &str = "CREATE TABLE all_types (k INT NOT NULL, b BOOLEAN, t TINYINT, s SMALLINT, i INT, l BIGINT, ll LARGEINT,
    f FLOAT, d DOUBLE, n DECIMAL(10,2), dt DATE, ts DATETIME, c CHAR(4), v VARCHAR(40), vb VARBINARY, j JSON) DUPLICATE KEY(k)";

#[tokio::test]
async fn values_of_every_type_go_in_as_parameters_and_come_out_in_binary_rows() {
    let (_server, mut conn) = ods().await;
    conn.query_drop(ALL_TYPES).await.unwrap();
    let insert = conn.prep(format!("INSERT INTO all_types VALUES ({})", vec!["?"; 16].join(","))).await.unwrap();
    let values = vec![
        Value::Int(1),
        Value::Int(1),
        Value::Int(-128),
        Value::Int(32767),
        Value::Int(-2_147_483_648),
        Value::Int(i64::MAX),
        Value::Bytes(b"-170141183460469231731687303715884105728".to_vec()),
        Value::Float(1.5),
        Value::Double(-0.1),
        Value::Bytes(b"12345678.90".to_vec()),
        Value::Date(2024, 8, 7, 0, 0, 0, 0),
        Value::Date(2024, 8, 7, 12, 34, 56, 789_000),
        Value::Bytes("杭".into()),
        Value::Bytes(b"'; DROP TABLE all_types; -- \\".to_vec()),
        Value::Bytes(vec![0, 0xff, 0x27]),
        Value::Bytes(b"{\"a\":[1,null]}".to_vec()),
    ];
    conn.exec_drop(&insert, Params::Positional(values)).await.unwrap();
    assert_eq!(conn.affected_rows(), 1);
    let mut nulls = vec![Value::NULL; 16];
    nulls[0] = Value::Int(2);
    conn.exec_drop(&insert, Params::Positional(nulls)).await.unwrap();

    let rows: Vec<Row> = conn.exec("SELECT * FROM all_types WHERE k = ? OR k = ? ORDER BY k", (1, "2")).await.unwrap();
    let types: Vec<ColumnType> = rows[0].columns_ref().iter().map(|column| column.column_type()).collect();
    use ColumnType::*;
    assert_eq!(
        types,
        [
            MYSQL_TYPE_LONG,
            MYSQL_TYPE_TINY,
            MYSQL_TYPE_TINY,
            MYSQL_TYPE_SHORT,
            MYSQL_TYPE_LONG,
            MYSQL_TYPE_LONGLONG,
            MYSQL_TYPE_STRING,
            MYSQL_TYPE_FLOAT,
            MYSQL_TYPE_DOUBLE,
            MYSQL_TYPE_NEWDECIMAL,
            MYSQL_TYPE_DATE,
            MYSQL_TYPE_DATETIME,
            MYSQL_TYPE_STRING,
            MYSQL_TYPE_VAR_STRING,
            MYSQL_TYPE_BLOB,
            MYSQL_TYPE_STRING,
        ]
    );
    let first = rows[0].clone().unwrap();
    assert_eq!(
        first,
        [
            Value::Int(1),
            Value::Int(1),
            Value::Int(-128),
            Value::Int(32767),
            Value::Int(-2_147_483_648),
            Value::Int(i64::MAX),
            Value::Bytes(b"-170141183460469231731687303715884105728".to_vec()),
            Value::Float(1.5),
            Value::Double(-0.1),
            Value::Bytes(b"12345678.90".to_vec()),
            Value::Date(2024, 8, 7, 0, 0, 0, 0),
            Value::Date(2024, 8, 7, 12, 34, 56, 789_000),
            Value::Bytes("杭".into()),
            Value::Bytes(b"'; DROP TABLE all_types; -- \\".to_vec()),
            Value::Bytes(vec![0, 0xff, 0x27]),
            Value::Bytes(b"{\"a\": [1, null]}".to_vec()),
        ]
    );
    let second = rows[1].clone().unwrap();
    assert_eq!(second[0], Value::Int(2));
    assert!(second[1..].iter().all(|value| *value == Value::NULL));
}

#[tokio::test]
async fn the_text_protocol_prints_what_starrocks_prints() {
    let (_server, mut conn) = ods().await;
    conn.query_drop(ALL_TYPES).await.unwrap();
    conn.query_drop(
        "INSERT INTO all_types VALUES (1, true, -128, 32767, -2147483648, 9223372036854775807, \
         170141183460469231731687303715884105727, 1.5, 1e20, 1.239, '2024-08-07', '2024-08-07 12:34:56', 'a', '杭州', x'00ff', '[1]'), \
         (2, 'false', NULL, NULL, NULL, NULL, NULL, 0.1, 100, -1, 20240807, '2024-08-07 00:00:00.5', '', '', '', 'null')",
    )
    .await
    .unwrap();
    let printed = rows(&mut conn, "SELECT b, ll, f, d, n, dt, ts, c, v, j FROM all_types ORDER BY k").await;
    assert_eq!(
        printed[0],
        [
            "1",
            "170141183460469231731687303715884105727",
            "1.5",
            "1e+20",
            "1.24",
            "2024-08-07",
            "2024-08-07 12:34:56",
            "a",
            "杭州",
            "[1]"
        ]
    );
    assert_eq!(
        printed[1],
        ["0", "NULL", "0.1", "100", "-1.00", "2024-08-07", "2024-08-07 00:00:00.500000", "", "", "null"]
    );
}

#[tokio::test]
async fn a_parameter_is_a_value_and_never_sql() {
    let (_server, mut conn) = ods().await;
    conn.query_drop("CREATE TABLE t (k INT, v STRING) DUPLICATE KEY(k)").await.unwrap();
    for (k, v) in [(1, "' OR 1=1 -- "), (2, "\\'"), (3, "`\"?$1"), (4, "x\0y"), (5, "é😀")] {
        conn.exec_drop("INSERT INTO t (k, v) VALUES (:k, :v)", params! { "k" => k, "v" => v }).await.unwrap();
        let found: Option<(i32, String)> = conn.exec_first("SELECT k, v FROM t WHERE v = ?", (v,)).await.unwrap();
        assert_eq!(found, Some((k, v.to_owned())));
    }
    let long = "x".repeat(20 << 20);
    conn.query_drop("CREATE TABLE big (k INT, v VARCHAR(1048576)) DUPLICATE KEY(k)").await.unwrap();
    let refused = conn.exec_drop("INSERT INTO big VALUES (?, ?)", (1, &long)).await.unwrap_err();
    assert!(refused.to_string().contains("is too long. The max length of 'v' is 1048576"), "{refused}");
    let megabyte = "y".repeat(1 << 20);
    conn.exec_drop("INSERT INTO big VALUES (?, ?)", (1, &megabyte)).await.unwrap();
    let back: Option<String> = conn.exec_first("SELECT v FROM big WHERE v = ?", (&megabyte,)).await.unwrap();
    assert_eq!(back.map(|text| text.len()), Some(1 << 20));
}

#[tokio::test]
async fn a_row_above_16_mb_arrives_whole() {
    let (_server, mut conn) = ods().await;
    let row: Option<String> = conn.exec_first("SELECT repeat('ab', ?)", (9 << 20,)).await.unwrap();
    assert_eq!(row.map(|text| text.len()), Some(18 << 20));
    assert_eq!(super::one(&mut conn, "SELECT 1").await, "1");
}

#[tokio::test]
async fn parameters_work_in_limits_lists_and_comparisons_of_every_pair() {
    let (_server, mut conn) = ods().await;
    conn.query_drop("CREATE TABLE t (k INT, d DATE, s STRING) DUPLICATE KEY(k)").await.unwrap();
    conn.query_drop("INSERT INTO t VALUES (1, '2024-08-07', '20240807'), (2, '2024-08-08', '20240808')").await.unwrap();
    let mut count = async |sql: &str, parameters: Vec<Value>| -> usize {
        let rows: Vec<Row> =
            conn.exec(sql, Params::Positional(parameters)).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        rows.len()
    };
    assert_eq!(count("SELECT * FROM t LIMIT ?", vec![Value::Int(1)]).await, 1);
    assert_eq!(count("SELECT * FROM t LIMIT ?, ?", vec![Value::Int(1), Value::Int(5)]).await, 1);
    assert_eq!(count("SELECT * FROM t WHERE d = ?", vec![Value::Int(20_240_807)]).await, 1);
    assert_eq!(count("SELECT * FROM t WHERE d = ?", vec![Value::Bytes(b"2024-08-07".to_vec())]).await, 1);
    assert_eq!(count("SELECT * FROM t WHERE d = ?", vec![Value::Date(2024, 8, 7, 0, 0, 0, 0)]).await, 1);
    assert_eq!(count("SELECT * FROM t WHERE s = ?", vec![Value::Int(20_240_807)]).await, 1);
    assert_eq!(count("SELECT * FROM t WHERE s IN (?, ?)", vec![Value::Int(20_240_807), Value::NULL]).await, 1);
    assert_eq!(
        count("SELECT * FROM t WHERE d BETWEEN ? AND ?", vec![Value::Int(20_240_807), Value::Int(20_240_808)]).await,
        2
    );
    assert_eq!(count("SELECT * FROM t WHERE k > ?", vec![Value::Double(1.5)]).await, 1);
}

#[tokio::test]
async fn a_statement_tells_its_parameters_and_columns_before_it_runs() {
    let (_server, mut conn) = ods().await;
    conn.query_drop("CREATE TABLE t (k INT, d DATE) DUPLICATE KEY(k)").await.unwrap();
    let statement = conn.prep("SELECT k, d AS day, count(*) FROM t WHERE k = ? GROUP BY k, d").await.unwrap();
    assert_eq!(statement.num_params(), 1);
    let names: Vec<String> = statement.columns().iter().map(|column| column.name_str().into_owned()).collect();
    assert_eq!(names, ["k", "day", "count(*)"]);
    let schema_of = conn
        .prep("select `COLUMN_NAME`,`ORDINAL_POSITION`,`COLUMN_KEY`,`DATA_TYPE`,`COLUMN_SIZE`,`DECIMAL_DIGITS` from `information_schema`.`COLUMNS` where `TABLE_SCHEMA`=? and `TABLE_NAME`=?;")
        .await
        .unwrap();
    let columns: Vec<Row> = conn.exec(&schema_of, ("ods", "t")).await.unwrap();
    let columns: Vec<Vec<String>> =
        columns.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect();
    assert_eq!(columns, [["k", "1", "DUP", "int", "10", "0"], ["d", "2", "", "date", "NULL", "NULL"]]);
}

#[tokio::test]
async fn a_wrong_number_of_parameters_is_an_error_and_the_connection_lives_on() {
    let (_server, mut conn) = ods().await;
    assert!(conn.prep("SELECT ? FROM").await.is_err());
    assert!(conn.prep("SELECT 1; SELECT 2").await.is_err());
    let answer: Option<i64> = conn.exec_first("SELECT ? + 1", (41,)).await.unwrap();
    assert_eq!(answer, Some(42));
}
