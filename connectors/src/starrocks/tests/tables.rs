//! Tables as queries see them: names, types, filters.

use super::*;

#[tokio::test]
async fn databases_tables_and_definitions_are_found_by_their_exact_names() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.Orders (id INT, note STRING) DUPLICATE KEY(id)").await;
    assert!(sr.catalog.databases().await.unwrap().contains(&"d".to_owned()));
    assert_eq!(sr.catalog.tables("d").await.unwrap(), ["Orders"]);
    assert_eq!(sr.catalog.tables("nowhere").await.unwrap_err().code(), ErrorCode::Name);
    assert!(sr.catalog.table("d", "nothing").await.unwrap().is_none());
    assert!(sr.catalog.table("d'; --", "x").await.unwrap().is_none());
    let definition = sr.catalog.show_create_table("d", "Orders").await.unwrap();
    assert!(definition.contains("CREATE TABLE") && definition.contains("`note`"), "{definition}");
}

#[tokio::test]
async fn every_type_is_read_with_its_extremes_and_null() {
    let sr = MiniRocks::start().await;
    sr.run(
        "CREATE TABLE d.t (id INT, b BOOLEAN, i8 TINYINT, i16 SMALLINT, i64 BIGINT, i128 LARGEINT, f FLOAT, g DOUBLE, n DECIMAL(38,10), \
         day DATE, t DATETIME, c CHAR(5), s STRING, j JSON) DUPLICATE KEY(id)",
    )
    .await;
    sr.run(
        "INSERT INTO d.t VALUES \
         (1, true, -128, -32768, -9223372036854775808, -170141183460469231731687303715884105728, -1.5, -2.25, \
          -1234567890123456789012345678.0123456789, '0001-01-01', '0001-01-01 00:00:00', 'a', '', '{\"a\": 1}'), \
         (2, false, 127, 32767, 9223372036854775807, 170141183460469231731687303715884105727, 1.5, 2.25, \
          0.0000000001, '9999-12-31', '9999-12-31 23:59:59.999999', 'bcdef', '\\\\x 😀 \\' \\n', '[]'), \
         (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    let context = sr.session(&["t"]).await;
    let rows = select(&context, "SELECT id, b, i8, i16, i64, i128, f, g, n, day, t, c, s FROM t ORDER BY id").await;
    let expected = [
        texts(&[
            "1",
            "true",
            "-128",
            "-32768",
            "-9223372036854775808",
            "-170141183460469231731687303715884105728",
            "-1.5",
            "-2.25",
            "-1234567890123456789012345678.0123456789",
            "0001-01-01",
            "0001-01-01T00:00:00",
            "a",
            "",
        ]),
        texts(&[
            "2",
            "false",
            "127",
            "32767",
            "9223372036854775807",
            "170141183460469231731687303715884105727",
            "1.5",
            "2.25",
            "0.0000000001",
            "9999-12-31",
            "9999-12-31T23:59:59.999999",
            "bcdef",
            "\\x 😀 ' \n",
        ]),
        texts(&["3", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"]),
    ];
    assert_eq!(rows, expected);
    assert_eq!(select(&context, "SELECT j FROM t WHERE id = 1").await, [texts(&["{\"a\": 1}"])]);
}

#[tokio::test]
async fn projection_limit_and_empty_tables_are_read() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, s STRING) DUPLICATE KEY(id)").await;
    sr.run("CREATE TABLE d.nothing (id INT) DUPLICATE KEY(id)").await;
    sr.run("INSERT INTO d.t VALUES (1, 'a'), (2, 'b'), (3, NULL)").await;
    let context = sr.session(&["t", "nothing"]).await;
    assert_eq!(select(&context, "SELECT s FROM t ORDER BY id").await, [texts(&["a"]), texts(&["b"]), texts(&["NULL"])]);
    assert_eq!(select(&context, "SELECT count(*) FROM t").await, [texts(&["3"])]);
    assert_eq!(select(&context, "SELECT 7 FROM t").await.len(), 3);
    assert_eq!(select(&context, "SELECT id FROM t LIMIT 2").await.len(), 2);
    assert!(select(&context, "SELECT * FROM nothing").await.is_empty());
    let plan = context.sql("SELECT s FROM t WHERE id > 1 LIMIT 1").await.unwrap().create_physical_plan().await.unwrap();
    let plan = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    assert!(plan.contains("columns=[s], filters=[`id` > 1], limit=1"), "{plan}");
}

#[tokio::test]
async fn filters_decide_as_reading_everything_would() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, s STRING, day DATE, n DECIMAL(10,2), b BOOLEAN) DUPLICATE KEY(id)").await;
    sr.run(
        "INSERT INTO d.t VALUES (1, 'a', '2024-08-07', 1.50, true), (2, 'A', '2024-08-08', -1.50, false), (3, 'a ', NULL, 0, NULL), \
         (4, '\\\\', '1970-01-01', 2.00, true), (5, '\\'', NULL, NULL, false), (6, '%', NULL, NULL, NULL), (7, '😀', NULL, 9.99, NULL), \
         (8, NULL, NULL, NULL, NULL), (9, '\\\\\\'', NULL, NULL, NULL), (10, '', NULL, NULL, NULL)",
    )
    .await;
    let context = sr.session(&["t"]).await;
    let everything = context.sql("SELECT * FROM t").await.unwrap().cache().await.unwrap();
    context.register_table("copy", everything.into_view()).unwrap();
    for filter in [
        "s = 'a'",
        "s <> 'a'",
        "s = 'A'",
        "s = '\\'",
        "s = ''''",
        "s = '\\'''",
        "s = '%'",
        "s = '😀'",
        "s = ''",
        "s IN ('a', '%', 'zz')",
        "s NOT IN ('a', '%')",
        "s IS NULL",
        "s IS NOT NULL",
        "s > 'a'",
        "s <= 'a'",
        "s LIKE 'a%'",
        "NOT (s = 'a')",
        "s = 'a' OR id = 8",
        "day = DATE '2024-08-07'",
        "day > DATE '1970-01-01'",
        "day BETWEEN DATE '1970-01-01' AND DATE '2024-08-07'",
        "n = 1.50",
        "n < 0",
        "n >= 2",
        "n <> 1.5",
        "id BETWEEN 2 AND 4",
        "id = 2 AND s = 'A'",
        "b",
        "NOT b",
        "b IS NULL",
        "id % 2 = 0",
        &format!("s = '{}'", "x".repeat(1 << 20)),
    ] {
        let ids =
            async |table: &str| select(&context, &format!("SELECT id FROM {table} WHERE {filter} ORDER BY id")).await;
        assert_eq!(ids("t").await, ids("copy").await, "{}", &filter[..filter.len().min(60)]);
    }
}

#[tokio::test]
async fn filters_on_documents_and_sketches_stay_here() {
    let column = |name: &str, column_type: &str| Column {
        name: name.into(),
        column_type: column_type.into(),
        nullable: true,
        has_default: false,
        is_generated: false,
        comment: String::new(),
        key: None,
    };
    let sr = MiniRocks::start().await;
    let types = ["json", "array<int(11)>", "map<int(11),int(11)>", "struct<a int(11)>", "hll", "bitmap", "percentile"];
    let mut columns: Vec<Column> = types.iter().enumerate().map(|(n, text)| column(&format!("c{n}"), text)).collect();
    columns.push(column("id", "int(11)"));
    columns.push(column("s", "varchar(20)"));
    let table = sr.catalog.table_of("d", "t", &columns);
    let is_pushed = |filter: &datafusion::logical_expr::Expr| {
        let decided = table.supports_filters_pushdown(&[filter]).unwrap();
        decided[0] == datafusion::logical_expr::TableProviderFilterPushDown::Exact
    };
    for (n, kind) in types.iter().enumerate() {
        let document = || col(format!("c{n}"));
        for filter in [
            document().eq(lit("[1]")),
            document().gt(lit("a")),
            document().in_list(vec![lit("a"), lit("b")], false),
            document().between(lit("a"), lit("b")),
            document().is_null(),
            document().is_not_null(),
            col("id").eq(lit(1)).and(document().eq(lit("a"))),
        ] {
            assert!(!is_pushed(&filter), "{kind} {filter}");
        }
    }
    assert!(is_pushed(&col("id").eq(lit(1)).and(col("s").is_null())));
}

#[tokio::test]
async fn a_column_that_is_not_null_is_so_here_and_a_null_in_it_is_an_error() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT NOT NULL, s STRING) DUPLICATE KEY(id)").await;
    sr.run("INSERT INTO d.t VALUES (1, 'a'), (2, NULL)").await;
    let table = sr.catalog.table("d", "t").await.unwrap().unwrap();
    let nullable: Vec<bool> = table.schema().fields().iter().map(|field| field.is_nullable()).collect();
    assert_eq!(nullable, [false, true]);
    let context = sr.session(&["t"]).await;
    assert_eq!(select(&context, "SELECT id FROM t WHERE s IS NULL").await, [texts(&["2"])]);
    assert_eq!(select(&context, "SELECT count(*) FROM t WHERE id IS NULL").await, [texts(&["0"])]);

    let column = |name: &str, column_type: &str| Column {
        name: name.into(),
        column_type: column_type.into(),
        nullable: false,
        has_default: false,
        is_generated: false,
        comment: String::new(),
        key: None,
    };
    // A table that changed after it was looked up, and sketches, which are read as NULL.
    let promised = [column("id", "int(11)"), column("s", "varchar(20)")];
    context.register_table("promised", Arc::new(sr.catalog.table_of("d", "t", &promised))).unwrap();
    let error = context.sql("SELECT s FROM promised").await.unwrap().collect().await.unwrap_err();
    assert!(error.to_string().contains("column s is NOT NULL"), "{error}");
    let sketches = ["hll", "bitmap", "percentile", "array<int(11)>"].map(|kind| column("x", kind));
    let table = sr.catalog.table_of("d", "t", &sketches);
    assert!(table.schema().fields().iter().all(|field| field.is_nullable()));
}
