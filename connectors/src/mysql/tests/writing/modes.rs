//! What happens to rows whose key is there, and to NULL.

use super::*;

async fn table(rows: &[&str]) -> TestDatabase {
    let database = TestDatabase::new().await;
    database
        .run(&["CREATE TABLE t (id BIGINT PRIMARY KEY, a VARCHAR(20) DEFAULT 'da', b VARCHAR(20), c VARCHAR(20) NOT NULL DEFAULT 'dc')"])
        .await;
    for row in rows {
        database.run(&[&format!("INSERT INTO t VALUES ({row})")]).await;
    }
    database
}

fn people() -> SessionContext {
    source(vec![
        ("id", ints([1, 2, 3])),
        ("a", texts([Some("a1"), None, Some("a3")])),
        ("b", texts([None, Some("b2"), Some("b3")])),
        ("c", texts([Some("c1"), Some("c2"), None])),
    ])
}

async fn write(database: &TestDatabase, properties: &[(&'static str, &'static str)], source: &SessionContext) -> u64 {
    let written = TestWrite::with(properties).run(database, "t", source).await.unwrap();
    written.result.unwrap()
}

#[tokio::test]
async fn an_update_sets_the_columns_that_are_written() {
    let database = table(&["1, 'old a', 'old b', 'old c'"]).await;
    let source =
        source(vec![("id", ints([1, 4])), ("a", texts([Some("new"), Some("new")])), ("b", texts([None, None]))]);
    assert_eq!(write(&database, &[("writeMode", "update")], &source).await, 2);
    assert_eq!(sorted(&database, "SELECT * FROM t").await, ["1|new|NULL|old c", "4|new|NULL|dc"]);
}

#[tokio::test]
async fn an_update_sets_only_the_columns_that_are_named() {
    let database = table(&["1, 'old a', 'old b', 'old c'"]).await;
    let source = source(vec![
        ("id", ints([1, 4])),
        ("a", texts([Some("new"), Some("new")])),
        ("b", texts([Some("n"), Some("n")])),
    ]);
    assert_eq!(write(&database, &[("writeMode", "update"), ("updateColumn", "[\"B\"]")], &source).await, 2);
    assert_eq!(sorted(&database, "SELECT * FROM t").await, ["1|old a|n|old c", "4|new|n|dc"]);
    let error = TestWrite::with(&[("writeMode", "update"), ("updateColumn", "c")]).run(&database, "t", &source).await;
    let message = error.err().unwrap().message().to_owned();
    assert!(message.contains("\"update_column\" names `c`, which the statement does not write"), "{message}");
}

#[tokio::test]
async fn a_replacement_takes_the_place_of_the_row() {
    let database = table(&["1, 'old a', 'old b', 'old c'"]).await;
    let source = source(vec![("id", ints([1, 1, 4])), ("b", texts([Some("first"), Some("last"), None]))]);
    assert_eq!(write(&database, &[("write_mode", "REPLACE")], &source).await, 3);
    assert_eq!(sorted(&database, "SELECT * FROM t").await, ["1|da|last|dc", "4|da|NULL|dc"]);
}

#[tokio::test]
async fn without_a_unique_key_there_is_nothing_to_update() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id BIGINT)"]).await;
    let source = source(vec![("id", ints([1]))]);
    for mode in ["update", "replace"] {
        let error = TestWrite::with(&[("write_mode", mode)]).run(&database, "t", &source).await.err().unwrap();
        assert!(error.message().contains("no unique key"), "{error}");
    }
}

#[tokio::test]
async fn an_update_or_a_replacement_writes_a_unique_key() {
    let database = TestDatabase::new().await;
    let values = source(vec![("a", ints([1])), ("v", texts([Some("new")]))]);
    for (columns, keys, shown) in [
        ("id INT AUTO_INCREMENT PRIMARY KEY", "", "`PRIMARY` (id)"),
        ("id INT AUTO_INCREMENT PRIMARY KEY, b INT", ", UNIQUE KEY k (a, b)", "`k` (a, b), `PRIMARY` (id)"),
        ("b VARCHAR(40) DEFAULT uuid()", ", UNIQUE KEY k (a, b)", "`k` (a, b)"),
        ("b DATETIME(6) DEFAULT now(6)", ", UNIQUE KEY k (a, b)", "`k` (a, b)"),
    ] {
        database.run(&["DROP TABLE IF EXISTS t"]).await;
        database.run(&[&format!("CREATE TABLE t (a INT, v VARCHAR(9), {columns} {keys})")]).await;
        for mode in ["update", "replace"] {
            let error = TestWrite::with(&[("write_mode", mode)]).run(&database, "t", &values).await.err().unwrap();
            assert!(error.message().contains(&format!("insert all rows: {shown}; write all")), "{error}");
        }
        assert_eq!(write(&database, &[], &values).await, 1);
    }
    for (columns, key) in [
        ("b VARCHAR(40) DEFAULT 'x'", "(a, b)"),
        ("b INT NOT NULL DEFAULT -1", "(b, a)"),
        ("b INT AS (a + 1) STORED", "(b)"),
        ("id INT AUTO_INCREMENT PRIMARY KEY", "(a)"),
    ] {
        database.run(&["DROP TABLE IF EXISTS t"]).await;
        database.run(&[&format!("CREATE TABLE t (a INT, v VARCHAR(9), {columns}, UNIQUE KEY k {key})")]).await;
        for mode in ["update", "replace"] {
            assert_eq!(write(&database, &[("write_mode", mode)], &values).await, 1);
        }
        assert_eq!(sorted(&database, "SELECT a, v FROM t").await, ["1|new"]);
    }
}

#[tokio::test]
async fn a_skipped_null_of_a_numbered_column_is_the_next_number() {
    for mode in ["insert", "replace", "update"] {
        let database = TestDatabase::new().await;
        database.run(&["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9))"]).await;
        let source = source(vec![
            ("id", ints_or_null([None, Some(9), None, None])),
            ("v", texts([Some("a"), Some("b"), Some("c"), Some("d")])),
        ]);
        assert_eq!(write(&database, &[("nullMode", "skipNull"), ("write_mode", mode)], &source).await, 4, "{mode}");
        assert_eq!(sorted(&database, "SELECT v FROM t WHERE id > 0").await, ["a", "b", "c", "d"], "{mode}");
    }
}

#[tokio::test]
async fn an_update_keeps_the_number_of_the_row_that_is_there() {
    for null_mode in ["writeNull", "skipNull"] {
        let database = TestDatabase::new().await;
        database
            .run(&[
                "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, k INT UNIQUE, v VARCHAR(9))",
                "INSERT INTO t VALUES (1, 7, 'old')",
            ])
            .await;
        let source = source(vec![
            ("id", ints_or_null([None, None, Some(50)])),
            ("k", ints([7, 8, 9])),
            ("v", texts([Some("new"), Some("new"), Some("new")])),
        ]);
        assert_eq!(write(&database, &[("nullMode", null_mode), ("write_mode", "update")], &source).await, 3);
        let rows = sorted(&database, "SELECT k, v, id = 1, id = 50 FROM t").await;
        assert_eq!(rows, ["7|new|1|0", "8|new|0|0", "9|new|0|1"], "{null_mode}");
    }
}

#[tokio::test]
async fn an_update_that_leaves_out_all_columns_keeps_the_row() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (k INT NOT NULL DEFAULT 5 UNIQUE, v VARCHAR(9) NOT NULL DEFAULT 'x')"]).await;
    let source = source(vec![("k", ints_or_null([None, None])), ("v", texts([None, None]))]);
    for (before, after) in [("DELETE FROM t", "5|x"), ("UPDATE t SET v = 'old'", "5|old")] {
        database.run(&[before]).await;
        assert_eq!(write(&database, &[("nullMode", "skipNull"), ("write_mode", "update")], &source).await, 2);
        assert_eq!(sorted(&database, "SELECT * FROM t").await, [after]);
    }
}

#[tokio::test]
async fn in_an_update_a_skipped_time_is_the_servers() {
    let database = TestDatabase::new().await;
    database
        .run(&[
            "CREATE TABLE t (at TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP, too DATETIME ON UPDATE CURRENT_TIMESTAMP, \
             id INT PRIMARY KEY, v VARCHAR(9))",
            "INSERT INTO t VALUES ('2024-01-01', '2024-01-01', 1, 'old')",
        ])
        .await;
    let source =
        source(vec![("at", texts([None])), ("too", texts([None])), ("id", ints([1])), ("v", texts([Some("new")]))]);
    let rows = "SELECT v, at > '2024-01-02', too > '2024-01-02' FROM t";
    let update = [("nullMode", "skipNull"), ("write_mode", "update"), ("update_column", "at")];
    // nothing is set
    assert_eq!(write(&database, &update, &source).await, 1);
    assert_eq!(sorted(&database, rows).await, ["old|0|0"]);
    assert_eq!(write(&database, &update[..2], &source).await, 1);
    assert_eq!(sorted(&database, rows).await, ["new|1|1"]);
}

#[tokio::test]
async fn null_is_written_unless_it_is_skipped() {
    let database = table(&[]).await;
    let written = TestWrite::with(&[("error_limit", "1")]).run(&database, "t", &people()).await.unwrap();
    assert_eq!(written.result.unwrap(), 2);
    assert_eq!(written.rejects.first()[0].reason, "NULL in a NOT NULL column");
    assert_eq!(sorted(&database, "SELECT * FROM t").await, ["1|a1|NULL|c1", "2|NULL|b2|c2"]);
}

#[tokio::test]
async fn a_skipped_null_is_the_servers_default() {
    for mode in ["insert", "replace", "update"] {
        let database = table(&[]).await;
        assert_eq!(write(&database, &[("nullMode", "skipNull"), ("writeMode", mode)], &people()).await, 3);
        assert_eq!(sorted(&database, "SELECT * FROM t").await, ["1|a1|NULL|c1", "2|da|b2|c2", "3|a3|b3|dc"], "{mode}");
    }
}

#[tokio::test]
async fn null_is_skipped_only_in_the_columns_that_are_named() {
    let database = table(&[]).await;
    let properties = [("nullMode", "skipNull"), ("skipNullColumn", "c")];
    assert_eq!(write(&database, &properties, &people()).await, 3);
    assert_eq!(sorted(&database, "SELECT * FROM t").await, ["1|a1|NULL|c1", "2|NULL|b2|c2", "3|a3|b3|dc"]);
}

#[tokio::test]
async fn in_an_update_a_skipped_null_keeps_the_old_value() {
    let database = table(&["1, 'x', 'x', 'x'", "2, 'x', 'x', 'x'", "3, 'x', 'x', 'x'"]).await;
    assert_eq!(write(&database, &[("nullMode", "skipNull"), ("writeMode", "update")], &people()).await, 3);
    assert_eq!(sorted(&database, "SELECT * FROM t").await, ["1|a1|x|c1", "2|x|b2|c2", "3|a3|b3|x"]);
}

#[tokio::test]
async fn rows_of_one_key_are_written_in_their_order_whatever_they_leave_out() {
    let database = table(&[]).await;
    let source = source(vec![
        ("id", ints([1, 1, 1, 1])),
        ("a", texts([Some("1"), None, Some("3"), None])),
        ("b", texts([Some("1"), Some("2"), None, None])),
    ]);
    assert_eq!(write(&database, &[("nullMode", "skipNull"), ("writeMode", "update")], &source).await, 4);
    assert_eq!(sorted(&database, "SELECT * FROM t").await, ["1|3|2|dc"]);
}

#[tokio::test]
async fn an_overwrite_replaces_all_rows_or_none() {
    let database = table(&["1, 'x', 'x', 'x'", "9, 'x', 'x', 'x'"]).await;
    let overwrite =
        |properties: &[(&'static str, &'static str)]| TestWrite { overwrite: true, ..TestWrite::with(properties) };
    let one = source(vec![("id", ints([5, 6])), ("b", texts([Some("n"), Some("n")]))]);
    let two = source(vec![("id", ints([7, 7])), ("b", texts([Some("n"), Some("n")]))]);
    let failed = overwrite(&[]).run(&database, "t", &two).await.unwrap();
    assert!(failed.result.unwrap_err().message().contains("1 row was rejected"));
    assert_eq!(sorted(&database, "SELECT id FROM t").await, ["1", "9"]);
    let too_many = overwrite(&[("transaction_rows", "1")]).run(&database, "t", &one).await.unwrap();
    assert!(too_many.result.unwrap_err().message().contains("in one transaction"));
    assert_eq!(sorted(&database, "SELECT id FROM t").await, ["1", "9"]);
    let done = overwrite(&[]).run(&database, "t", &one).await.unwrap();
    assert_eq!(done.result.unwrap(), 2);
    assert_eq!(sorted(&database, "SELECT id FROM t").await, ["5", "6"]);
    let error = overwrite(&[("write_mode", "update")]).run(&database, "t", &one).await.err().unwrap();
    assert!(error.message().contains("empties the table first"), "{error}");
    let none = source(vec![("id", ints([])), ("b", texts([]))]);
    assert_eq!(overwrite(&[]).run(&database, "t", &none).await.unwrap().result.unwrap(), 0);
    assert_eq!(sorted(&database, "SELECT id FROM t").await, [""; 0]);
}

#[tokio::test]
async fn generated_columns_are_not_written_and_numbers_are_made() {
    let database = TestDatabase::new().await;
    database
        .run(&["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, twice INT AS (a * 2) STORED, thrice INT AS (a * 3) VIRTUAL)"])
        .await;
    let named = source(vec![("a", ints([7, 8]))]);
    assert_eq!(write(&database, &[], &named).await, 2);
    let by_position = source(vec![("x", ints([0, 50])), ("y", ints([1, 2]))]);
    let written = TestWrite { mapping: ColumnMapping::Position, ..TestWrite::default() };
    assert_eq!(written.run(&database, "t", &by_position).await.unwrap().result.unwrap(), 2);
    // a 0 that is written stays a 0
    assert_eq!(sorted(&database, "SELECT * FROM t").await, ["0|1|2|3", "1|7|14|21", "2|8|16|24", "50|2|4|6"]);
    let generated = source(vec![("a", ints([7])), ("twice", ints([14]))]);
    let error = TestWrite::default().run(&database, "t", &generated).await.err().unwrap();
    assert!(error.message().contains("column `twice` is generated by the server"), "{error}");
}

#[tokio::test]
async fn rows_keep_their_order() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n BIGINT)"]).await;
    let source = source(vec![("n", ints((0..5000).rev()))]);
    assert_eq!(write(&database, &[("batch_size", "100")], &source).await, 5000);
    assert_eq!(column(&database.native("SELECT count(*) FROM t WHERE id + n = 5000").await), ["5000"]);
}

#[tokio::test]
async fn the_order_of_a_query_is_the_order_of_the_rows() {
    let database = TestDatabase::new().await;
    database.run(&["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n BIGINT)"]).await;
    let batch = |first: i64| vec![RecordBatch::try_from_iter([("n", ints((0..1000).map(|n| 4 * n + first)))]).unwrap()];
    let partitions: Vec<Vec<RecordBatch>> = (0..4).map(batch).collect();
    let source = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4).with_batch_size(100));
    let table = datafusion::datasource::MemTable::try_new(partitions[0][0].schema(), partitions).unwrap();
    source.register_table("src", Arc::new(table)).unwrap();
    let write = TestWrite { select: "SELECT n FROM src ORDER BY n DESC", ..TestWrite::default() };
    assert_eq!(write.run(&database, "t", &source).await.unwrap().result.unwrap(), 4000);
    assert_eq!(column(&database.native("SELECT count(*) FROM t WHERE id + n = 4000").await), ["4000"]);
}

#[tokio::test]
async fn names_of_any_kind_are_quoted() {
    let database = TestDatabase::new().await;
    let table = "a`; DROP TABLE x; -- '\"\\表";
    let quoted = format!("`{}`", table.replace('`', "``"));
    database
        .run(&[
            &format!("CREATE TABLE {quoted} (`i``d` BIGINT PRIMARY KEY, `select` VARCHAR(99), `a'b\\` VARCHAR(99))"),
            "CREATE TABLE x (id INT)",
        ])
        .await;
    let values = ["'); DROP TABLE x; -- ", "\\", "\\'", "a\0b\u{1a}\n\r", "''", "😀 表 é"];
    let source =
        source(vec![("i`d", ints(0..6)), ("select", texts(values.map(Some))), ("a'b\\", texts(values.map(Some)))]);
    let written = TestWrite::with(&[("write_mode", "update")]).run(&database, table, &source).await.unwrap();
    assert_eq!(written.result.unwrap(), 6);
    let rows = rows(&database.native(&format!("SELECT `select`, `a'b\\` FROM {quoted} ORDER BY `i``d`")).await);
    assert_eq!(rows, values.map(|value| vec![value.to_owned(), value.to_owned()]));
    assert_eq!(column(&database.native("SELECT count(*) FROM x").await), ["0"]);
}

#[tokio::test]
async fn a_view_and_a_partition_are_refused() {
    let database = table(&[]).await;
    database.run(&["CREATE VIEW v AS SELECT * FROM t"]).await;
    let error = TestWrite::default().run(&database, "v", &people()).await.err().unwrap();
    assert!(error.message().contains("it is a view"), "{error}");
}
