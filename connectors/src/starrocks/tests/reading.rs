//! Reading: pieces of a table, what is handed on to the server, types, time limits.

use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::displayable;

use super::scripted_server::{Answer, AnswerColumn, End, LONG, NEWDECIMAL, STRING, ScriptedServer};
use super::*;
use crate::scan_settings::SessionScanSettings;
use crate::starrocks::top_k::TopKPushdown;

impl MiniRocks {
    /// A session with `SET syncline.*` and the rule for ORDER BY … LIMIT, in which the tables of `d` stand under their own names.
    async fn session_with(&self, settings: &[(&str, &str)], tables: &[&str]) -> SessionContext {
        let settings = SessionScanSettings(Arc::new(settings.iter().copied().collect()));
        let config =
            SessionConfig::new().with_target_partitions(4).with_batch_size(100).with_extension(Arc::new(settings));
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_physical_optimizer_rule(Arc::new(TopKPushdown))
            .build();
        let context = SessionContext::new_with_state(state);
        for table in tables {
            let provider = self.catalog.table("d", table).await.unwrap().expect("the table");
            context.register_table(*table, provider).unwrap();
        }
        context
    }
}

async fn plan_of(context: &SessionContext, sql: &str) -> String {
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    displayable(plan.as_ref()).indent(false).to_string()
}

/// The number of splits that a query's plan shows; 1 if it shows none.
async fn splits_of(context: &SessionContext, sql: &str) -> usize {
    let plan = plan_of(context, sql).await;
    match plan.split_once("splits=") {
        Some((_, rest)) => rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap(),
        None => 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_read_by_a_split_column_has_every_row_once() {
    let sr = MiniRocks::start().await;
    let int_rows: Vec<(&str, Vec<Option<&str>>)> = vec![
        ("dense", ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"].map(Some).to_vec()),
        ("negative", ["-100", "-50", "-1", "0", "1", "50", "99"].map(Some).to_vec()),
        ("sparse", ["-9223372036854775808", "-3", "0", "7", "9223372036854775807"].map(Some).to_vec()),
        ("doubles", vec![Some("1"), Some("1"), Some("1"), Some("900"), Some("900")]),
        ("nulls", vec![None, Some("5"), None, Some("6"), Some("700"), None]),
        ("one", vec![Some("42"), Some("42"), None]),
        ("two", vec![Some("42"), Some("43")]),
        ("only_nulls", vec![None, None]),
        ("nothing", vec![]),
    ];
    for (name, values) in int_rows {
        for kind in ["BIGINT", "LARGEINT"] {
            let table = format!("{name}_{}", kind.to_lowercase());
            sr.run(&format!("CREATE TABLE d.{table} (n INT, uid {kind}) DUPLICATE KEY(n)")).await;
            let rows: Vec<String> =
                values.iter().enumerate().map(|(n, value)| format!("({n}, {})", value.unwrap_or("NULL"))).collect();
            if !rows.is_empty() {
                sr.run(&format!("INSERT INTO d.{table} VALUES {}", rows.join(", "))).await;
            }
            let expected: Vec<_> = values
                .iter()
                .enumerate()
                .map(|(n, value)| vec![Some(n.to_string()), value.map(str::to_owned)])
                .collect();
            for connections in ["1", "2", "4", "16"] {
                let settings = [("split_column", "uid"), ("read_connections", connections)];
                let context = sr.session_with(&settings, &[&table]).await;
                let found = select(&context, &format!("SELECT n, uid FROM {table} ORDER BY n")).await;
                assert_eq!(found, expected, "{table} over {connections} connections");
                let counted = select(&context, &format!("SELECT count(*) FROM {table}")).await;
                assert_eq!(counted, [texts(&[&expected.len().to_string()])]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_split_by_days_and_by_times() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (n INT, day DATE, at DATETIME) DUPLICATE KEY(n)").await;
    let rows: Vec<String> = (0..500)
        .map(|n| {
            format!(
                "({n}, '20{:02}-{:02}-{:02}', '2024-08-{:02} 12:34:56.{:06}')",
                n % 30,
                n % 12 + 1,
                n % 28 + 1,
                n % 28 + 1,
                n * 7
            )
        })
        .collect();
    sr.run(&format!("INSERT INTO d.t VALUES {}", rows.join(", "))).await;
    sr.run("INSERT INTO d.t VALUES (500, '0001-01-01', '9999-12-31 23:59:59.999999'), (501, NULL, NULL)").await;
    let plain = sr.session(&["t"]).await;
    for column in ["day", "at"] {
        let context = sr.session_with(&[("splitPk", column)], &["t"]).await;
        for condition in ["TRUE", "n > 250", "day >= DATE '2010-01-01'", "at IS NULL OR n % 2 = 0"] {
            let sql = format!("SELECT n, day, at FROM t WHERE {condition} ORDER BY n");
            assert_eq!(select(&context, &sql).await, select(&plain, &sql).await, "{column}: {condition}");
        }
        assert_eq!(splits_of(&context, "SELECT * FROM t").await, 17, "four for each of four connections, and NULL");
    }
}

#[tokio::test]
async fn explain_shows_the_splits_and_filters_narrow_them() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (uid BIGINT NOT NULL, s STRING) DUPLICATE KEY(uid)").await;
    let rows: Vec<String> = (1..=1000).map(|n| format!("({n}, 's{n}')")).collect();
    sr.run(&format!("INSERT INTO d.t VALUES {}", rows.join(", "))).await;
    let context = sr.session_with(&[("split_column", "uid"), ("read_connections", "2")], &["t"]).await;
    let plan = plan_of(&context, "SELECT s FROM t WHERE uid > 200").await;
    let shown = "columns=[s], filters=[`uid` > 200], groups=2, splits=8 [`uid` < 301; ";
    assert!(plan.contains(shown), "{plan}");
    assert!(!plan.contains("IS NULL"), "a column that is NOT NULL has no piece for NULL: {plan}");
    assert_eq!(select(&context, "SELECT count(s) FROM t WHERE uid > 200").await, [texts(&["800"])]);
    assert_eq!(select(&context, "SELECT count(s) FROM t WHERE uid > 2000").await, [texts(&["0"])]);
    // Nothing to gain: a few rows, a number.
    for sql in ["SELECT s FROM t LIMIT 10", "SELECT count(*) FROM t", "SELECT s FROM t WHERE uid = 7"] {
        assert_eq!(splits_of(&context, sql).await, 1, "{sql}");
    }
}

#[tokio::test]
async fn a_split_column_is_meant_for_the_tables_that_have_it() {
    let sr = MiniRocks::start().await;
    for table in ["a", "b"] {
        sr.run(&format!("CREATE TABLE d.{table} (Id INT, name STRING, f DOUBLE) DUPLICATE KEY(Id)")).await;
        sr.run(&format!("INSERT INTO d.{table} VALUES (1, 'x', 1.5), (10000, 'y', NULL)")).await;
    }
    let splits = async |setting: &str| {
        let context = sr.session_with(&[("split_column", setting)], &["a", "b"]).await;
        (splits_of(&context, "SELECT * FROM a").await, splits_of(&context, "SELECT * FROM b").await)
    };
    assert_eq!(splits("id").await, (17, 17), "names of columns are compared without case");
    assert_eq!(splits("a.id").await, (17, 1));
    assert_eq!(splits("d.a.id, nobody.b.id").await, (17, 1));
    assert_eq!(splits("other").await, (1, 1));
    assert_eq!(splits("").await, (1, 1));
    let refused = async |setting: &str| {
        let context = sr.session_with(&[("split_column", setting)], &["a"]).await;
        context.sql("SELECT * FROM a").await.unwrap().collect().await.unwrap_err().to_string()
    };
    assert!(
        refused("a.nothing").await.contains("table sr.d.a: split_column is \"nothing\", and there is no such column")
    );
    assert!(refused("name").await.contains("which is read as Utf8; a table is split by a column of whole numbers"));
    assert!(refused("a.f").await.contains("which is read as Float64"));

    // On the catalog it is a wish for all tables.
    let wish = |column| catalog(&sr.server, sr.server.mysql_addr(), &[("split_column", column)]);
    for (column, expected) in [("id", 17), ("name", 1)] {
        let context = sr.session_with(&[], &[]).await;
        context.register_table("a", wish(column).table("d", "a").await.unwrap().unwrap()).unwrap();
        assert_eq!(splits_of(&context, "SELECT * FROM a").await, expected, "{column}");
    }
}

const TYPES: &[(&str, &str)] = &[
    ("b", "BOOLEAN"),
    ("i8", "TINYINT"),
    ("i16", "SMALLINT"),
    ("i32", "INT"),
    ("i64", "BIGINT"),
    ("i128", "LARGEINT"),
    ("f", "FLOAT"),
    ("g", "DOUBLE"),
    ("n", "DECIMAL(38,10)"),
    ("day", "DATE"),
    ("at", "DATETIME"),
    ("c", "CHAR(20)"),
    ("s", "STRING"),
    ("j", "JSON"),
];

const ROWS: &[&str] = &[
    "true, -128, -32768, -2147483648, -9223372036854775808, -170141183460469231731687303715884105728, -3.4e38, -1.7e308, \
     -9999999999999999999999999999.9999999999, '0001-01-01', '0001-01-01 00:00:00', '', '', '{}'",
    "false, 127, 32767, 2147483647, 9223372036854775807, 170141183460469231731687303715884105727, 3.4e38, 1.7e308, \
     9999999999999999999999999999.9999999999, '9999-12-31', '9999-12-31 23:59:59.999999', '\u{fe0f}', '😀', '[1]'",
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    "true, 0, 0, 0, 0, 0, 0, 0, 0, '1970-01-01', '1970-01-01 00:00:00', 'a', 'a', 'null'",
    "false, 1, 1, 1, 1, 1, 0.1, 0.1, 0.0000000001, '2024-02-29', '2024-02-29 12:34:56.5', 'A', 'A', '1'",
    "true, -1, -1, -1, -1, -1, -0.1, -0.1, -0.0000000001, '1969-12-31', '1969-12-31 23:59:59.999999', 'é', 'é', '\"a\"'",
    "false, 2, 2, 2, 2, 10, 1.5, 1.5, 2, '2024-08-07', '2024-08-07 00:00:00', 'a b', 'a ', '{\"a\": 1}'",
    "false, 10, 10, 10, 10, 9, 2.5, 2.5, 10, '2024-08-08', '2024-08-07 00:00:00.000001', 'b', 'ab', '{\"a\": 2}'",
    "true, 9, 9, 9, 9, 100, 3.5, 3.5, 9, '2024-10-01', '2024-08-10 00:00:00', 'ä', '\u{ffff}', '[]'",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_with_a_limit_gives_the_same_rows_pushed_and_not() {
    let sr = MiniRocks::start().await;
    let columns: Vec<String> = TYPES.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    sr.run(&format!("CREATE TABLE d.t (id INT NOT NULL, {}) DUPLICATE KEY(id)", columns.join(", "))).await;
    let rows: Vec<String> = ROWS.iter().enumerate().map(|(id, row)| format!("({id}, {row})")).collect();
    sr.run(&format!("INSERT INTO d.t VALUES {}", rows.join(", "))).await;
    let split = [("split_column", "i16"), ("read_connections", "2")];
    for settings in [&[][..], &split] {
        let context = sr.session_with(settings, &["t"]).await;
        let everything = sr.session(&["t"]).await.sql("SELECT * FROM t").await.unwrap().collect().await.unwrap();
        let copy = datafusion::datasource::MemTable::try_new(everything[0].schema(), vec![everything]).unwrap();
        context.register_table("copy", Arc::new(copy)).unwrap();
        for (name, kind) in TYPES {
            let can_push = !["FLOAT", "DOUBLE", "JSON"].contains(kind);
            for direction in ["ASC", "DESC"] {
                for nulls in ["FIRST", "LAST"] {
                    for limit in [1, 3, 5, 100] {
                        // The number makes the order a total one.
                        let query = |table: &str| {
                            format!(
                                "SELECT id, {name} FROM {table} ORDER BY {name} {direction} NULLS {nulls}, id DESC LIMIT {limit}"
                            )
                        };
                        let sql = query("t");
                        assert_eq!(select(&context, &sql).await, select(&context, &query("copy")).await, "{sql}");
                        let plan = plan_of(&context, &sql).await;
                        let pushed =
                            format!("order=[`{name}` {direction} NULLS {nulls}, `id` DESC NULLS FIRST], limit={limit}");
                        assert_eq!(plan.contains(&pushed), can_push, "{sql}\n{plan}");
                        assert!(plan.contains("SortExec: TopK"), "the sort stays: {plan}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn an_order_with_a_limit_is_pushed_through_what_keeps_every_row_and_nothing_else() {
    let sr = MiniRocks::start().await;
    sr.run("CREATE TABLE d.t (id INT, s STRING, f DOUBLE) DUPLICATE KEY(id)").await;
    sr.run("INSERT INTO d.t VALUES (1, 'c', 1), (2, 'b', 2), (3, 'a', 3), (4, NULL, 4)").await;
    let context = sr.session_with(&[], &["t"]).await;
    for (sql, pushed, expected) in [
        ("SELECT s FROM t ORDER BY s LIMIT 2 OFFSET 1", "order=[`s` ASC NULLS LAST], limit=3", vec!["b", "c"]),
        (
            "SELECT s AS x FROM t WHERE id > 1 ORDER BY x DESC LIMIT 1",
            "order=[`s` DESC NULLS FIRST], limit=1",
            vec!["NULL"],
        ),
        (
            "SELECT s FROM (SELECT id, s FROM t) q ORDER BY id DESC LIMIT 1",
            "order=[`id` DESC NULLS FIRST], limit=1",
            vec!["NULL"],
        ),
        ("SELECT s FROM t ORDER BY id", "", vec!["c", "b", "a", "NULL"]),
        ("SELECT s FROM t ORDER BY upper(s) LIMIT 1", "", vec!["a"]),
        ("SELECT s FROM t WHERE f > 1.5 ORDER BY id LIMIT 1", "", vec!["b"]),
        ("SELECT s FROM (SELECT * FROM t LIMIT 4) q ORDER BY id LIMIT 1", "", vec!["c"]),
        ("SELECT max(s) AS m FROM t GROUP BY id ORDER BY m LIMIT 1", "", vec!["a"]),
        ("SELECT s FROM t ORDER BY id LIMIT 100000", "", vec!["c", "b", "a", "NULL"]),
    ] {
        let plan = plan_of(&context, sql).await;
        if pushed.is_empty() {
            assert!(!plan.contains("order=["), "{sql}\n{plan}");
        } else {
            assert!(plan.contains(pushed), "{sql}\n{plan}");
        }
        let expected: Vec<_> = expected.into_iter().map(|text| texts(&[text])).collect();
        assert_eq!(select(&context, sql).await, expected, "{sql}");
    }
}

fn of(server: &ScriptedServer, more: &[(&str, &str)]) -> Arc<StarrocksCatalog> {
    let url = format!("jdbc:mysql://{}/d", server.at);
    let mut options: Options = [("url", url.as_str()), ("user", "root")].into_iter().collect();
    for (name, value) in more {
        options.set(*name, *value);
    }
    let config = CatalogConfig { name: "sr".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
    Arc::new(StarrocksCatalog::new(&config).unwrap())
}

async fn native_rows(catalog: &StarrocksCatalog, sql: &str) -> datafusion::error::Result<Vec<RecordBatch>> {
    let NativeResult::Rows(rows) = catalog.execute(None, sql).await.unwrap() else { panic!("no rows: {sql}") };
    rows.try_collect().await
}

#[tokio::test]
async fn sketches_and_nested_values_are_read_as_the_server_prints_them() {
    let columns = ["b", "h", "a", "m", "s", "j", "large"];
    let types = [
        "bitmap",
        "hll",
        "array<int(11)>",
        "map<int(11),varchar(20)>",
        "struct<a int(11)>",
        "json",
        "bigint(20) unsigned",
    ];
    let row = vec![
        None,
        None,
        Some("[1,null,3]"),
        Some("{1:\"a\"}"),
        Some("{\"a\":1}"),
        Some("{\"x\": \"é\"}"),
        Some("-170141183460469231731687303715884105728"),
    ];
    let answer = Answer {
        columns: columns.map(|name| AnswerColumn { name, code: STRING, decimals: 0 }).to_vec(),
        rows: vec![row.clone(), vec![None; 7]],
        end: End::Complete,
    };
    let server = ScriptedServer::start(move |sql| sql.starts_with("SELECT `").then(|| answer.clone())).await;
    let catalog = of(&server, &[]);
    let described: Vec<Column> = columns
        .iter()
        .zip(types)
        .map(|(name, column_type)| Column {
            name: (*name).into(),
            column_type: column_type.into(),
            nullable: true,
            has_default: false,
            is_generated: false,
            comment: String::new(),
            key: None,
        })
        .collect();
    let context = SessionContext::new();
    context.register_table("t", Arc::new(catalog.table_of("d", "t", &described))).unwrap();
    let expected = vec![row.iter().map(|value| value.map(str::to_owned)).collect::<Vec<_>>(), vec![None; 7]];
    assert_eq!(select(&context, "SELECT * FROM t").await, expected);
    let batches = context.sql("SELECT large FROM t").await.unwrap();
    assert_eq!(batches.schema().field(0).data_type(), &DataType::Decimal256(39, 0));
}

#[tokio::test]
async fn a_native_decimal_keeps_its_38_digits() {
    let digits = "-9999999999999999999999999999.9999999999";
    let answer = Answer {
        columns: vec![AnswerColumn { name: "n", code: NEWDECIMAL, decimals: 10 }],
        rows: vec![vec![Some(digits)], vec![None]],
        end: End::Complete,
    };
    let server = ScriptedServer::start(move |sql| sql.starts_with("SELECT n").then(|| answer.clone())).await;
    let batches = native_rows(&of(&server, &[]), "SELECT n FROM t").await.unwrap();
    assert_eq!(as_text(&batches), [texts(&[digits]), texts(&["NULL"])]);
}

#[tokio::test]
async fn a_query_that_the_server_cuts_is_an_error_and_never_a_short_result() {
    let text = "Query reached its timeout of 300 seconds, please increase the 'query_timeout' session variable";
    let answer = Answer {
        columns: vec![AnswerColumn { name: "id", code: LONG, decimals: 0 }],
        rows: vec![vec![Some("1")]; 5000],
        end: End::Error(1064, text),
    };
    let server = ScriptedServer::start(move |sql| sql.starts_with("SELECT `id`").then(|| answer.clone())).await;
    let catalog = of(&server, &[]);
    let error = native_rows(&catalog, "SELECT `id` FROM d.t").await.unwrap_err().to_string();
    assert!(error.contains("Query reached its timeout"), "{error}");
    let column = Column {
        name: "id".into(),
        column_type: "int(11)".into(),
        nullable: true,
        has_default: false,
        is_generated: false,
        comment: String::new(),
        key: None,
    };
    let context = SessionContext::new_with_config(SessionConfig::new().with_batch_size(100));
    context.register_table("t", Arc::new(catalog.table_of("d", "t", &[column]))).unwrap();
    let error = context.sql("SELECT id FROM t").await.unwrap().collect().await.unwrap_err().to_string();
    assert!(error.contains("Query reached its timeout") && error.contains("sr"), "{error}");
}

#[tokio::test]
async fn a_session_has_time_for_long_scans_and_the_catalogs_own_limits_win() {
    let session = async |options: &[(&str, &str)]| {
        let server = ScriptedServer::start(|_| None).await;
        drop(of(&server, options).execute(None, "SELECT 1").await.unwrap());
        server.statements()
    };
    let statements = session(&[]).await;
    let has = |text: &str| statements.iter().any(|statement| statement.contains(text));
    assert!(has("SET SESSION query_timeout = 86400"), "{statements:?}");
    assert!(has("SESSION net_write_timeout = 86400"), "{statements:?}");
    assert!(!has(" wait_timeout"), "idle limits are MySQL's: {statements:?}");
    for options in [("query_timeout", "20m"), ("session.query_timeout", "1200")] {
        let statements = session(&[options, ("session.net_write_timeout", "60")]).await;
        let last = |name: &str| statements.iter().rfind(|statement| statement.contains(name)).unwrap().clone();
        assert_eq!(last("query_timeout"), "SET SESSION query_timeout = 1200");
        assert_eq!(last("net_write_timeout"), "SET SESSION net_write_timeout = 60");
    }

    // And on a server that obeys.
    let sr = MiniRocks::start().await;
    let patient = catalog(&sr.server, sr.server.mysql_addr(), &[]);
    let NativeResult::Rows(rows) = patient.execute(None, "SELECT @@query_timeout").await.unwrap() else { panic!() };
    assert_eq!(as_text(&rows.try_collect::<Vec<_>>().await.unwrap()), [texts(&["86400"])]);
}

#[tokio::test]
async fn hints_of_a_native_query_reach_the_server_as_they_are() {
    let server = ScriptedServer::start(|_| None).await;
    let catalog = of(&server, &[]);
    let sql = "SELECT /*+ SET_VAR(query_timeout=7, pipeline_dop = 2) */ `a`, '/*+ x */'\nFROM d.t -- the end";
    drop(catalog.execute(None, sql).await.unwrap());
    assert!(server.statements().iter().any(|statement| statement == sql), "{:?}", server.statements());
}
