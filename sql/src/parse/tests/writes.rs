//! INSERT, COPY and CREATE TABLE after another system's.

use super::*;

#[test]
fn an_insert_has_partition_columns_by_name_and_properties() {
    use crate::statement::{Insert, InsertColumns, PartitionItem};
    let insert = |sql: &str| -> Insert {
        match parse_one(sql, &scope()) {
            Ok(Statement::Sync(insert)) => *insert,
            other => panic!("{sql}: {other:?}"),
        }
    };
    let read = insert(
        "INSERT OVERWRITE TABLE starrocks.ods.t PARTITION (dt = '20240807', h = -1, x = NULL, p1) (a, `b c`) PROPERTIES ('write_mode' = 'plain') SELECT 1, 2 FROM user_log",
    );
    assert!(read.overwrite);
    assert_eq!(read.target.to_string(), "starrocks.ods.t");
    let items: Vec<_> = read
        .partition
        .iter()
        .map(|item| match item {
            PartitionItem::Value { column, value } => format!("{column}={value:?}"),
            PartitionItem::Name(name) => name.to_string(),
        })
        .collect();
    assert_eq!(items, ["dt=Some(\"20240807\")", "h=Some(\"-1\")", "x=None", "p1"]);
    assert!(
        matches!(&read.columns, InsertColumns::List(columns) if columns.len() == 2 && columns[1].to_string() == "b c")
    );
    assert_eq!(read.properties[0].name, "write_mode");
    assert_eq!(read.query.text, "SELECT 1, 2 FROM user_log");

    assert!(matches!(insert("INSERT INTO starrocks.t BY NAME SELECT * FROM user_log").columns, InsertColumns::ByName));
    assert!(matches!(insert("INSERT INTO starrocks.t (SELECT * FROM user_log)").columns, InsertColumns::All));
    assert!(matches!(
        insert("INSERT INTO starrocks.t WITH c AS (SELECT * FROM user_log) SELECT * FROM c").columns,
        InsertColumns::All
    ));
    for (sql, code) in [
        ("INSERT INTO starrocks.t WITH LABEL x SELECT * FROM user_log", ErrorCode::Option),
        ("INSERT INTO starrocks.t (a) BY NAME SELECT * FROM user_log", ErrorCode::Syntax),
        ("INSERT starrocks.t SELECT * FROM user_log", ErrorCode::Syntax),
        ("INSERT INTO starrocks.t (a b) SELECT * FROM user_log", ErrorCode::Syntax),
        ("INSERT INTO starrocks.t SELECT * FROM user_log WEHRE a = 1", ErrorCode::Syntax),
    ] {
        assert_eq!(parse_one(sql, &scope()).unwrap_err().code, code, "{sql}");
    }
}

fn create_table(sql: &str) -> CreateTable {
    match parse_one(sql, &scope()) {
        Ok(Statement::CreateTable(create)) => *create,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn a_table_made_after_one_of_another_system_is_no_native_statement() {
    for (sql, expected) in [
        ("CREATE TABLE starrocks.a LIKE mysql.b", "create starrocks.a like mysql.b"),
        ("CREATE TABLE starrocks.a LIKE user_log", "create starrocks.a like user_log"),
        (
            "CREATE TABLE IF NOT EXISTS starrocks.d.a PARTITION BY (dt) LIKE mysql.d.b",
            "create starrocks.d.a like mysql.d.b",
        ),
        ("CREATE TABLE starrocks.a AS SELECT * FROM mysql.b", "create starrocks.a <- mysql.b"),
        ("CREATE TABLE starrocks.a SELECT * FROM user_log", "create starrocks.a <- user_log"),
        (
            "CREATE TABLE starrocks.a AS WITH c AS (SELECT 1 FROM mysql.b) SELECT * FROM c, starrocks.e",
            "create starrocks.a <- mysql.b, starrocks.e",
        ),
        ("CREATE TABLE starrocks.a AS SELECT x FROM mysql.b WHERE x LIKE 'mysql.c%'", "create starrocks.a <- mysql.b"),
        (
            "CREATE TABLE starrocks.a AS SELECT * FROM starrocks.b",
            "native starrocks: CREATE TABLE a AS SELECT * FROM b",
        ),
    ] {
        assert_eq!(kind_of(sql, &scope()), expected, "{sql}");
    }
    let in_use = in_use("starrocks", None);
    assert_eq!(kind_of("CREATE TABLE a LIKE mysql.b", &in_use), "create a like mysql.b");
    assert_eq!(kind_of("CREATE TABLE a LIKE b", &in_use), "native starrocks: CREATE TABLE a LIKE b");
}

#[test]
fn clauses_of_a_table_are_kept_as_typed() {
    let create = create_table(
        "CREATE TABLE IF NOT EXISTS starrocks.ods.t (`a b`, c) DUPLICATE KEY(`a b`, c) COMMENT 'as like ''it'''
         PARTITION BY date_trunc('day', c) /* daily */ DISTRIBUTED BY HASH(c) BUCKETS 8 ORDER BY (c)
         PROPERTIES (\"replication_num\" = \"1\") AS (SELECT 1, 2 FROM mysql.u)",
    );
    assert!(create.if_not_exists);
    assert_eq!(create.columns.iter().map(|name| name.parts.join(".")).collect::<Vec<_>>(), ["a b", "c"]);
    let clauses: Vec<_> = create.clauses.iter().map(|clause| (clause.kind, clause.text.as_str())).collect();
    assert_eq!(
        clauses,
        [
            (TableClauseKind::DuplicateKey, "DUPLICATE KEY(`a b`, c)"),
            (TableClauseKind::Comment, "COMMENT 'as like ''it'''"),
            (TableClauseKind::Partition, "PARTITION BY date_trunc('day', c)"),
            (TableClauseKind::Distribution, "DISTRIBUTED BY HASH(c) BUCKETS 8"),
            (TableClauseKind::Order, "ORDER BY (c)"),
            (TableClauseKind::Properties, "PROPERTIES (\"replication_num\" = \"1\")"),
        ]
    );
    assert_eq!(create.clauses[0].columns[0].parts, ["a b"]);
    let create = create_table(
        "CREATE TABLE starrocks.t PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2024-01-01')) LIKE mysql.u",
    );
    assert_eq!(create.clauses[0].text, "PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2024-01-01'))");
}

#[test]
fn words_of_clauses_that_are_not_built_are_names_elsewhere() {
    for sql in [
        "WITH rollup AS (SELECT col FROM user_log) SELECT col FROM rollup",
        "SELECT col FROM user_log GROUP BY GROUPING SETS ((col), ())",
        "SELECT col FROM user_log GROUP BY ROLLUP (col)",
        "SELECT tablesample, with_totals FROM user_log",
    ] {
        assert!(matches!(parse_one(sql, &scope()), Ok(Statement::Query(_))), "{sql}");
    }
}

#[test]
fn mistakes_in_making_a_table_say_what_to_write() {
    for (sql, expected) in [
        ("CREATE TABLE starrocks.a LIKE mysql.b PARTITION BY (dt)", "E1001 clauses of the new table stand before LIKE"),
        ("CREATE TABLE starrocks.a (x) LIKE mysql.b", "E1001 LIKE takes the columns of the other table"),
        ("CREATE TABLE starrocks.a (x INT) AS SELECT * FROM mysql.b", "E1001 expected , or ), found INT"),
        ("CREATE TABLE starrocks.a COMMENT 'a' COMMENT 'b' LIKE mysql.b", "E1001 this clause is given twice"),
        ("CREATE TABLE starrocks.a PRIMARY KEY(a) UNIQUE KEY(a) LIKE mysql.b", "E1001 this clause is given twice"),
        ("CREATE TABLE starrocks.a PRIMARY KEY LIKE mysql.b", "E1001 expected ( and the key's columns, found LIKE"),
        (
            "CREATE TABLE starrocks.a AS FRM mysql.b WHERE 1 IN (SELECT 1 FROM mysql.c)",
            "E1001 expected SELECT, found FRM",
        ),
        (
            "CREATE TABLE starrocks.a PROPERTIES ('k' = '${env:SECRET}') LIKE mysql.b",
            "E1005 ${env:SECRET} cannot stand here",
        ),
    ] {
        assert_eq!(kind_of(sql, &scope()), expected, "{sql}");
    }
}

fn copied(sql: &str) -> (crate::statement::Insert, crate::statement::FilesTarget) {
    match parse_one(sql, &scope()) {
        Ok(Statement::Sync(insert)) => match insert.target.clone() {
            crate::statement::InsertTarget::Files(files) => (*insert, *files),
            other => panic!("{sql}: {other}"),
        },
        other => panic!("{sql}: {other:?}"),
    }
}

fn options(insert: &crate::statement::Insert) -> Vec<(String, String)> {
    insert
        .properties
        .iter()
        .map(|property| match &property.value {
            PropertyValue::Text { raw, .. } => (property.name.clone(), raw.clone()),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn copy_writes_a_query_or_a_table_to_a_location() {
    use crate::statement::FilesStatement;
    let (insert, files) = copied(
        r"COPY (SELECT col FROM user_log) TO 'oss://dw/log_${bizdate}/log_${bizdate}.txt' OPTIONS (format text, delimiter '\x01')",
    );
    assert_eq!(files.location, "oss://dw/log_20240807/log_20240807.txt");
    assert_eq!(files.statement, FilesStatement::Copy);
    assert_eq!(tables(&insert.query.tables), "user_log");
    assert_eq!(options(&insert), [("format".into(), "text".into()), ("delimiter".into(), r"\x01".into())]);

    let (insert, files) =
        copied("COPY starrocks.ods.t TO 'a/' (FORMAT csv, HEADER, DELIMITER = '|', PARTITION_BY (a, b))");
    assert_eq!(tables(&insert.query.tables), "starrocks.ods.t");
    assert_eq!(insert.query.position.column, 6, "of the table, not of a text that is not there");
    assert_eq!(tables(&files.partition_columns), "a, b");
    let wanted = [("FORMAT", "csv"), ("HEADER", "true"), ("DELIMITER", "|")];
    assert_eq!(options(&insert), wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));

    let (_, files) = copied(
        "COPY (WITH a AS (SELECT 1) (SELECT * FROM a)) TO 'x' STORED AS Parquet PARTITIONED BY (dt) WITH OPTIONS ('format.compression' 'zstd')",
    );
    assert_eq!((files.format.format, files.partition_columns.len()), (StorageFormat::Parquet, 1));
    // what is in use runs no COPY, however much of it is named
    assert_eq!(kind_of("COPY t TO 'x.csv'", &in_use("starrocks", Some("ods"))), "sync x.csv <- t");
    assert_eq!(kind_of("EXPLAIN COPY user_log TO 'x.csv'", &scope()), "explain sync x.csv <- user_log");
}

#[test]
fn a_directory_is_written_in_the_words_of_hive_and_of_spark() {
    use crate::statement::FilesStatement;
    let (insert, files) = copied(
        r"INSERT OVERWRITE DIRECTORY 'oss://b/x' ROW FORMAT DELIMITED FIELDS TERMINATED BY '' STORED AS TEXTFILE SELECT * FROM user_log",
    );
    assert!(insert.overwrite && files.statement == FilesStatement::Directory);
    assert_eq!((files.location.as_str(), files.format.format), ("oss://b/x", StorageFormat::Text));
    assert_eq!(files.format.row_format.fields.as_deref(), Some(&[1][..]));

    let (insert, files) = copied(
        "INSERT OVERWRITE LOCAL DIRECTORY USING csv OPTIONS (path '/tmp/x', header true) SELECT * FROM starrocks.t",
    );
    assert_eq!((files.location.as_str(), files.format.format), ("/tmp/x", StorageFormat::SparkCsv));
    assert_eq!(options(&insert), [("header".to_owned(), "true".to_owned())]);
    assert_eq!(
        kind_of("INSERT OVERWRITE DIRECTORY '/x' SELECT * FROM t", &in_use("starrocks", Some("ods"))),
        "sync /x <- t"
    );
    for (sql, message) in [
        ("INSERT INTO DIRECTORY '/x' SELECT 1", "INSERT INTO does not write a directory"),
        ("INSERT OVERWRITE LOCAL DIRECTORY 'oss://b/x' SELECT 1", "a LOCAL DIRECTORY is one on this machine"),
        ("INSERT OVERWRITE DIRECTORY STORED AS ORC SELECT 1", "expected the location in quotes"),
        (
            "INSERT OVERWRITE DIRECTORY '/x' STORED AS ORC STORED AS ORC SELECT 1",
            "the format of the files is given twice",
        ),
        ("INSERT OVERWRITE DIRECTORY '/x' VALEUS (1)", "expected SELECT"),
        ("COPY t TO STDOUT", "expected the location in quotes"),
        ("COPY (SELECT 1 TO 'x'", "expected"),
        ("COPY t TO 'x' (HEADER, HEADER)", "the option HEADER is given twice"),
        ("COPY t TO '${env:X}'", "${env:X} cannot stand here"),
        ("COPY nowhere.db.t TO 'x'", "there is no catalog or database nowhere"),
    ] {
        let error = parse_one(sql, &scope()).unwrap_err();
        assert!(error.message.starts_with(message), "{sql}: {error:?}");
    }
}

#[test]
fn common_table_expressions_may_stand_before_an_insert() {
    let text = "WITH a AS (SELECT * FROM user_log), b AS (SELECT * FROM a) INSERT OVERWRITE TABLE t PARTITION (dt = '1') SELECT * FROM b";
    let Ok(Statement::Sync(insert)) = parse_one(text, &scope()) else { panic!() };
    assert_eq!((insert.target.to_string().as_str(), insert.partition.len()), ("t", 1));
    assert_eq!(tables(&insert.query.tables), "user_log");
    assert_eq!(
        insert.query.ast.to_string(),
        "WITH a AS (SELECT * FROM user_log), b AS (SELECT * FROM a) SELECT * FROM b"
    );
    for (sql, expected) in [
        ("WITH a AS (SELECT * FROM mysql.x) INSERT INTO starrocks.t SELECT * FROM a", "sync starrocks.t <- mysql.x"),
        (
            "WITH a AS (SELECT * FROM starrocks.x) INSERT INTO starrocks.t SELECT * FROM a",
            "native starrocks: WITH a AS (SELECT * FROM x) INSERT INTO t SELECT * FROM a",
        ),
        (
            "WITH a AS (SELECT * FROM starrocks.x) INSERT OVERWRITE DIRECTORY '/x' SELECT * FROM a",
            "sync /x <- starrocks.x",
        ),
        ("WITH a AS (SELECT * FROM user_log) INSERT INTO t SELEC * FROM a", "E1001 expected SELECT, found SELEC"),
    ] {
        assert_eq!(kind_of(sql, &scope()), expected);
    }
}

#[test]
fn an_insert_takes_options_as_spark_writes_them() {
    let Ok(Statement::Sync(insert)) =
        parse_one("INSERT INTO user_log OPTIONS (header true) SELECT * FROM starrocks.t", &scope())
    else {
        panic!()
    };
    assert_eq!(options(&insert), [("header".to_owned(), "true".to_owned())]);
}
