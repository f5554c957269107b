use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::collect;
use datafusion::sql::sqlparser::dialect::MySqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use syncline_connectors::sink::CleanUp;
use syncline_sql::{Piece, Prepared, SourceFile};

use super::*;
use crate::Engine;
use crate::planning::{PlanContext, session_state};
use crate::scope::View;

/// A session with two views over one row each.
async fn scope() -> Scope {
    let engine = Engine::builder().build().await.unwrap();
    let mut scope = engine.session().scope();
    let day = (jiff::civil::date(2024, 8, 7) - jiff::civil::date(1970, 1, 1)).get_days();
    let noon = i64::from(day) * 86_400_000_000 + 43_200_000_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("uid", Arc::new(StringArray::from(vec!["u1"]))),
        ("Amount", Arc::new(Decimal128Array::from(vec![10]).with_precision_and_scale(10, 2).unwrap())),
        ("n", Arc::new(Int64Array::from(vec![20240807]))),
        ("dt", Arc::new(Date32Array::from(vec![day]))),
        ("sdt", Arc::new(StringArray::from(vec!["20240807"]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![noon]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    scope.views.insert("Logs".into(), Some(view(batch)));
    let other = RecordBatch::try_from_iter(vec![
        ("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
        ("ID", Arc::new(Int64Array::from(vec![2])) as ArrayRef),
        ("UID", Arc::new(StringArray::from(vec!["u1"])) as ArrayRef),
    ]);
    scope.views.insert("users".into(), Some(view(other.unwrap())));
    scope
}

fn view(batch: RecordBatch) -> View {
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    let plan = LogicalPlanBuilder::scan("rows", provider_as_source(Arc::new(table)), None).unwrap().build().unwrap();
    View { plan, text: "…".into() }
}

fn parse(sql: &str) -> Query {
    let file = SourceFile::new("a.sql", sql);
    let piece = Piece { file: Arc::clone(&file), range: 0..sql.len() };
    let mut parser = Parser::new(&MySqlDialect {}).try_with_sql(sql).unwrap();
    Query {
        ast: parser.parse_query().unwrap(),
        tables: Vec::new(),
        text: sql.to_owned(),
        position: file.position(0),
        prepared: Prepared { piece, text: sql.to_owned(), replacements: Vec::new() },
    }
}

async fn plan(sql: &str) -> Result<PlannedQuery> {
    let scope = scope().await;
    let shared = &scope.engine.shared;
    let context = PlanContext {
        runtime: Arc::clone(&shared.runtime),
        timezone: "Asia/Shanghai".into(),
        rejects: None,
        clean_up: CleanUp::new(),
        settings: scope.write_settings(),
    };
    plan_query(&scope, &parse(sql), |catalogs| session_state(&context, catalogs)).await
}

/// Rows that a query returns, each as a text.
async fn rows(sql: &str) -> Result<Vec<String>> {
    let planned = plan(sql).await?;
    let plan = planned.state.create_physical_plan(&planned.plan).await?;
    let mut rows = Vec::new();
    for batch in collect(plan, planned.state.task_ctx()).await? {
        for row in 0..batch.num_rows() {
            let values =
                batch.columns().iter().map(|column| arrow::util::display::array_value_to_string(column, row).unwrap());
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(rows)
}

async fn found(sql: &str) -> bool {
    match rows(sql).await {
        Ok(rows) => rows.len() == 1,
        Err(error) => panic!("{sql}: {error}"),
    }
}

#[tokio::test]
async fn names_match_exactly_else_without_case() {
    for sql in [
        "SELECT uid FROM Logs",
        "SELECT UID, amount FROM logs",
        "SELECT l.Uid FROM LOGS AS L WHERE l.AMOUNT > 0",
        "SELECT logs.uid FROM Logs",
        "SELECT Syncline.Default.Logs.uid FROM syncline.default.logs",
        "SELECT default.logs.* FROM default.logs",
        "SELECT X.U FROM (SELECT UID AS u FROM logs) x",
        "WITH Logs AS (SELECT * FROM logs) SELECT UID FROM LOGS",
        "WITH c(A) AS (SELECT uid FROM logs) SELECT a FROM C",
        "SELECT uid FROM logs WHERE uid IN (SELECT UID FROM users WHERE ID = 2) ORDER BY uid",
        "SELECT uid FROM logs WHERE EXISTS (SELECT 1 FROM users u WHERE u.UID = logs.uid)",
    ] {
        assert!(found(sql).await, "{sql}");
    }
}

#[tokio::test]
async fn a_missing_name_is_an_error_with_place_and_suggestion() {
    for (sql, message, column) in [
        ("SELECT uid FROM log", "there is no table \"log\" in syncline.default; did you mean \"Logs\"?", 17),
        ("SELECT uids FROM logs", "there is no column \"uids\"; did you mean \"uid\"?", 8),
        ("SELECT l.amt FROM logs l", "there is no column \"l.amt\"; columns here: uid, Amount, n, dt, sdt, ts", 10),
        (
            "SELECT count(*) FROM logs a JOIN users b USING (uId)",
            "there is no column \"uId\"; did you mean \"uid\"?",
            1,
        ),
        (
            "SELECT 1 FROM a.b.c",
            "there is no catalog \"a\"; define one with CREATE EXTERNAL CATALOG or [catalogs.NAME] in syncline.toml",
            15,
        ),
        ("SELECT 1 FROM a.b.c.d", "\"a.b.c.d\" has too many parts; write catalog.database.table", 15),
        (
            "SELECT id FROM users u, users v",
            "the column \"id\" is ambiguous; put the table's name or alias in front of it",
            8,
        ),
    ] {
        let error = rows(sql).await.unwrap_err();
        assert_eq!(error.to_string(), message, "{sql}");
        assert_eq!(error.position().unwrap().column, column, "{sql}");
    }
}

#[tokio::test]
async fn a_date_meets_its_text_in_either_form() {
    for condition in [
        "dt = '2024-08-07'",
        "dt = '20240807'",
        "'20240807' = dt",
        "dt IN ('20240807', '2024-01-01')",
        "dt BETWEEN '20240807' AND '20240808'",
        "dt >= '20240807' AND dt < '2024-08-08'",
        "dt = DATE '2024-08-07'",
        "NOT dt <> '20240807'",
        "dt < '2024-08-07 12:00:00'",
        "CASE WHEN dt = '20240807' THEN true ELSE false END",
        "sdt = '20240807'",
        "sdt = 20240807",
        "sdt IN (20240807)",
        "ts = '2024-08-07 12:00:00'",
        "ts > '2024-08-07'",
        "ts > DATE '2024-08-07'",
        "n = '20240807'",
        "Amount = 0.1",
    ] {
        assert!(found(&format!("SELECT 1 FROM logs WHERE {condition}")).await, "{condition}");
    }
}

#[tokio::test]
async fn a_date_beside_a_number_or_another_text_is_an_error_never_an_empty_result() {
    for (condition, hint) in [
        ("dt = 20240807", "= '2024-08-07'"),
        ("20240807 = dt", "= '2024-08-07'"),
        ("dt >= 5", "'2024-08-07'"),
        ("dt IN (20240807)", "dt IN ('2024-08-07')"),
        ("dt BETWEEN 20240801 AND 20240831", "dt BETWEEN '2024-08-01' AND '…'"),
        ("dt = n", "CAST"),
        ("dt IN (SELECT n FROM logs)", "CAST"),
        ("ts > 20240807", "> '2024-08-07'"),
        ("dt = '7.8.2024'", "'20240807'"),
        ("dt = ''", "'20240807'"),
        ("dt IN ('2024-13-01')", "'20240807'"),
        ("cast(20240807 AS date) = dt", "CAST('2024-08-07' AS DATE)"),
        ("cast(n AS date) = dt", "CAST(CAST(n AS CHAR) AS DATE)"),
        ("ts < 'soon'", "'2024-08-07 12:34:56'"),
    ] {
        let error = rows(&format!("SELECT 1 FROM logs WHERE {condition}")).await.unwrap_err();
        assert!(error.to_string().contains(hint), "{condition}: {error}");
        assert!(!error.to_string().contains("Int64("), "{condition}: {error}");
    }
    let error = rows("SELECT 1 FROM logs a JOIN logs b ON a.dt = b.n").await.unwrap_err();
    assert!(error.to_string().contains("is a DATE and is compared with the whole number"), "{error}");
}

#[tokio::test]
async fn only_reading_is_planned() {
    for sql in ["SELECT uid INTO x FROM logs", "WITH x AS (SELECT 1) SELECT * INTO y FROM x"] {
        assert!(rows(sql).await.is_err(), "{sql}");
    }
}

#[test]
fn several_spellings_are_listed() {
    let candidates = ["Ab".to_owned(), "aB".to_owned()];
    let error = pick("AB", &candidates, "table", "c.d").unwrap_err();
    assert_eq!(error.to_string(), "the table name \"AB\" is ambiguous in c.d; write one of Ab, aB");
    assert_eq!(pick("aB", &candidates, "table", "c.d").unwrap(), "aB");
}

#[test]
fn remote_queries_are_found_and_their_arguments_checked() {
    let sources = rewrite::collect(&parse("SELECT * FROM remote_query('c', 'SELECT 1') q, x.y").ast).unwrap();
    assert_eq!(sources.calls.len(), 1);
    assert_eq!(sources.tables.len(), 1);
    assert!(rewrite::collect(&parse("SELECT * FROM remote_query(c)").ast).is_err());
    for bad in [
        "TABLES()",
        "TABLES(c.d.t)",
        "Tables('c.d.t', 1)",
        "TABLES(where => 'a > 1')",
        "TABLES('c.d.t', where => 1)",
        "TABLES('c.d.t', having => 'a')",
        "TABLES('c.d.t', where => 'a', where => 'b')",
    ] {
        let error = rewrite::collect(&parse(&format!("SELECT * FROM {bad}")).ast).unwrap_err();
        assert_eq!(error.function, "tables", "{bad}");
    }
    let sources = rewrite::collect(&parse("SELECT _table FROM tables('c.d.t_[0-9]', 'c.d.u*')").ast).unwrap();
    let patterns = vec!["c.d.t_[0-9]".to_owned(), "c.d.u*".to_owned()];
    assert_eq!(sources.calls[0].0, rewrite::TableCall::Tables { patterns, condition: None });
    let sources = rewrite::collect(&parse("SELECT 1 FROM TABLES('c.d.t', WHERE => 'a > 1') WHERE b").ast).unwrap();
    let patterns = vec!["c.d.t".to_owned()];
    let condition = Some("a > 1".to_owned());
    assert_eq!(sources.calls[0].0, rewrite::TableCall::Tables { patterns, condition });
    let mut ast = *parse("SELECT q.A FROM remote_query('c', 'SELECT 1') q").ast;
    let call = rewrite::TableCall::RemoteQuery { catalog: "c".into(), sql: "SELECT 1".into(), database: None };
    let key = TableKey { catalog: "syncline".into(), database: "remote_query".into(), table: "q1".into() };
    rewrite::put_tables(&mut ast, &HashMap::new(), &HashMap::from([(call, key)]));
    rewrite::respell(&mut ast, &["a".to_owned()], &HashMap::new());
    assert_eq!(ast.to_string(), "SELECT q.a FROM syncline.remote_query.q1 q");
}

#[test]
fn places_follow_the_rules_of_dotted_names() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let scope = runtime.block_on(scope());
    let place = |name: &str| {
        let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
        place_of_table(&scope, &parts)
    };
    assert_eq!(place("t").unwrap(), TablePlace::Session("t".into()));
    assert_eq!(place("default.t").unwrap(), TablePlace::Session("t".into()));
    assert_eq!(place("syncline.default.t").unwrap(), TablePlace::Session("t".into()));
    assert!(place("syncline.other.t").is_err());
    assert!(place("nope.t").is_err());
}

/// The only row of a query.
async fn row(sql: &str) -> String {
    match rows(sql).await {
        Ok(rows) => rows.join("\n"),
        Err(error) => panic!("{sql}: {error}"),
    }
}

/// Names of a query's columns.
async fn column_names(sql: &str) -> Vec<String> {
    let planned = plan(sql).await.unwrap();
    planned.plan.schema().fields().iter().map(|field| field.name().clone()).collect()
}

#[tokio::test]
async fn the_clock_is_the_runs_start_in_its_zone() {
    let wall = jiff::Timestamp::now().to_zoned(crate::clock::zone("Asia/Shanghai").unwrap()).datetime();
    for sql in ["SELECT now()", "SELECT current_timestamp", "SELECT CURRENT_TIMESTAMP()", "SELECT max(now()) FROM logs"]
    {
        let told: jiff::civil::DateTime = row(sql).await.parse().unwrap();
        let late = told.duration_since(wall).as_secs();
        assert!((-60..60).contains(&late), "{sql}: {told} at {wall}");
    }
    let day: jiff::civil::Date = row("SELECT current_date").await.parse().unwrap();
    assert!(day == wall.date() || day == wall.date().tomorrow().unwrap());
    assert_eq!(row("SELECT now() = now(), curdate() = current_date, ts < now() FROM logs").await, "true|true|true");
    assert_eq!(row("SELECT unix_timestamp() > 1700000000").await, "true");
    let planned = plan("SELECT now()").await.unwrap();
    assert_eq!(planned.plan.schema().field(0).data_type().to_string(), "Timestamp(µs)");
}

#[tokio::test]
async fn a_result_may_repeat_values_and_names() {
    for (sql, found, names) in [
        ("SELECT uid, NULL, NULL FROM logs", "u1||", "uid NULL NULL"),
        ("SELECT 0, 0", "0|0", "0 0"),
        ("SELECT uid, UID FROM logs", "u1|u1", "uid uid"),
        ("SELECT uid, l.uid FROM logs l ORDER BY uid", "u1|u1", "uid uid"),
        ("SELECT 1 a, 2 a ORDER BY a", "1|2", "a a"),
        ("SELECT count(*), count(*) FROM logs ORDER BY count(*)", "1|1", "count(*) count(*)"),
        ("SELECT 1 a, 2 a UNION ALL SELECT 3, 3", "1|2\n3|3", "a a"),
        ("SELECT DISTINCT n + 1, n + 1 FROM logs ORDER BY n + 1", "20240808|20240808", "n + 1 n + 1"),
        ("SELECT n AS k, n AS k FROM logs ORDER BY k DESC LIMIT 1", "20240807|20240807", "k k"),
        ("SELECT *, u.id FROM users u", "1|2|u1|1", "id ID UID id"),
        ("SELECT n % 2 FROM logs GROUP BY n % 2 ORDER BY n % 2", "1", "n % 2"),
    ] {
        assert_eq!(row(sql).await, found, "{sql}");
        assert_eq!(column_names(sql).await.join(" "), names, "{sql}");
    }
}

#[tokio::test]
async fn a_quotient_of_whole_numbers_has_a_fraction_and_one_by_zero_is_null() {
    for (sql, found) in [
        ("SELECT 7 / 2, 7 DIV 2, -7 DIV 2, 7 % 2", "3.5|3|-3|1"),
        ("SELECT n / 2 FROM logs", "10120403.5"),
        ("SELECT CAST(n / 2 AS BIGINT) FROM logs", "10120403"),
        ("SELECT CAST(9007199254740993 / 1 AS BIGINT)", "9007199254740993"),
        ("SELECT 1 / 0, 1 % 0, 1.5 / 0, 1 / 0.0, CAST(1 / 0 AS BIGINT)", "||||"),
        ("SELECT n / (n - n), n % (n - n), Amount / (n - n), 1e0 / (n - n), 1e0 % (n - n) FROM logs", "||||"),
        ("SELECT sum(n) / count(*) FROM logs", "20240807.0"),
        ("SELECT '7' / 2", "3.5"),
        ("SELECT NULL / 2, 2 / NULL", "|"),
    ] {
        assert_eq!(row(sql).await, found, "{sql}");
    }
}

#[tokio::test]
async fn a_decimal_beside_a_double_is_a_double() {
    let ends =
        "(SELECT CAST('1e-20' AS DOUBLE) AS small, CAST('1e25' AS DOUBLE) AS large, CAST(1.5 AS DECIMAL(10,3)) AS d) t";
    for (columns, found) in [
        ("small = 0.0, small IN (0.0), small BETWEEN 0.0 AND 0.5, 0.0 < small", "false|false|true|true"),
        ("large > 0.5, large NOT IN (0.5, 1), d < large, d IN (large, 1.5)", "true|true|true|true"),
        ("coalesce(small, d), if(d > 1, large, d), CASE WHEN d > 9 THEN large ELSE d END", "1e-20|1e25|1.5"),
        ("greatest(large, d), least(small, d), nvl(d, large), ifnull(large, d)", "1e25|1e-20|1.5|1e25"),
        ("max(x) FROM (SELECT d AS x FROM t0 UNION ALL SELECT large FROM t0) u --", "1e25"),
    ] {
        let sql = format!("WITH t0 AS (SELECT * FROM {ends}) SELECT {columns} FROM {ends}");
        assert_eq!(row(&sql).await, found, "{sql}");
    }
}

#[tokio::test]
async fn a_datetime_as_text_has_a_blank() {
    for (sql, found) in [
        (
            "SELECT cast(ts AS string), concat(ts, 'x'), ts || 'x' FROM logs",
            "2024-08-07 12:00:00|2024-08-07 12:00:00x|2024-08-07 12:00:00x",
        ),
        ("SELECT CAST(CAST('2024-08-07 12:00:00.5' AS DATETIME) AS CHAR)", "2024-08-07 12:00:00.500000"),
        ("SELECT CAST(CAST('9999-12-31 23:59:59' AS DATETIME) AS CHAR)", "9999-12-31 23:59:59"),
        (
            "SELECT unix_timestamp('9999-12-31 23:59:59'), from_unixtime(unix_timestamp('9999-12-31 23:59:59'))",
            "253402271999|9999-12-31 23:59:59",
        ),
        ("SELECT CAST('5' AS SIGNED), CAST(5 AS UNSIGNED), CAST(5 AS CHAR)", "5|5|5"),
        (
            "SELECT date_format(ts, '%Y%m%d %H:%i:%s %f %W %M %p %%x%Z') FROM logs",
            "20240807 12:00:00 000000 Wednesday August PM %xZ",
        ),
    ] {
        assert_eq!(row(sql).await, found, "{sql}");
    }
}

#[tokio::test]
async fn a_datetime_meets_text_of_any_year() {
    for (sql, found) in [
        ("SELECT ts < '9999-12-31', ts = '9999-12-31 23:59:59.999999', ts > '1000-01-01' FROM logs", "true|false|true"),
        ("SELECT ts BETWEEN '1000-01-01' AND '9999-12-31', ts IN ('0001-01-01', '20240807') FROM logs", "true|false"),
        (
            "SELECT cast(CASE WHEN n = 1 THEN ts ELSE '9999-12-31 00:00:00' END AS char) FROM logs",
            "9999-12-31 00:00:00",
        ),
        ("SELECT cast(CASE WHEN n = 1 THEN '9999-12-31' ELSE ts END AS char) FROM logs", "2024-08-07 12:00:00"),
    ] {
        assert_eq!(row(sql).await, found, "{sql}");
    }
}

#[tokio::test]
async fn everyday_functions_are_mysqls() {
    for (sql, found) in [
        ("SELECT if(n > 1, 'y', 'n'), ifnull(NULL, 2), isnull(NULL), mod(7, 2), mod(7, 0) FROM logs", "y|2|true|1|"),
        ("SELECT year(dt), month(ts), day(dt), hour(ts), minute(ts), second(ts) FROM logs", "2024|8|7|12|0|0"),
        ("SELECT datediff(dt, '2024-08-01'), datediff('2024-08-01', ts) FROM logs", "6|-6"),
        (
            "SELECT date_add(dt, INTERVAL 1 DAY), date_sub(dt, INTERVAL 1 MONTH), date_add('2024-02-28', 2) FROM logs",
            "2024-08-08|2024-07-07|2024-03-01",
        ),
        ("SELECT concat('a', NULL), concat('a', 1, uid) FROM logs", "|a1u1"),
        ("SELECT length('é'), char_length('é'), ucase('a'), locate('b', 'abc')", "2|1|A|2"),
        (
            "SELECT cast(coalesce(ts, '9999-12-31') AS char), ifnull(ts, '9999-12-31') < now() FROM logs",
            "2024-08-07 12:00:00|true",
        ),
        ("SELECT now(6) = now()", "true"),
    ] {
        assert_eq!(row(sql).await, found, "{sql}");
    }
    assert_eq!(
        column_names("SELECT year(dt), concat(uid, 'x') FROM logs").await.join("; "),
        "year(dt); concat(uid, 'x')"
    );
}

#[tokio::test]
async fn exists_is_a_value() {
    for (sql, found) in [
        ("SELECT EXISTS (SELECT 1 FROM logs WHERE n = 1), NOT EXISTS (SELECT * FROM logs)", "false|false"),
        ("SELECT (NOT EXISTS (SELECT 1 FROM logs WHERE n = 1))", "true"),
        ("SELECT CASE WHEN EXISTS (SELECT uid FROM logs LIMIT 1) THEN 'y' ELSE 'n' END", "y"),
        ("SELECT EXISTS (SELECT count(*) FROM logs WHERE n = 1)", "true"),
        (
            "SELECT EXISTS (SELECT 1 FROM users u WHERE u.UID = l.uid), EXISTS (SELECT 1 FROM users u WHERE u.UID = l.sdt) FROM logs l",
            "true|false",
        ),
    ] {
        assert_eq!(row(sql).await, found, "{sql}");
    }
}

#[tokio::test]
async fn weeks_of_date_format_are_mysqls() {
    // what MariaDB answers
    for (day, weeks) in [
        ("2024-08-07", "31 32 31 32 2024 2024 7th"),
        ("2024-01-01", "00 01 53 01 2023 2024 1st"),
        ("2023-01-01", "01 00 01 52 2023 2022 1st"),
        ("2024-12-31", "52 53 52 01 2024 2025 31st"),
        ("2021-01-03", "01 00 01 53 2021 2020 3rd"),
    ] {
        assert_eq!(row(&format!("SELECT date_format('{day}', '%U %u %V %v %X %x %D')")).await, weeks, "{day}");
    }
}

#[tokio::test]
async fn a_lateral_view_explodes_an_array_beside_one_table() {
    let views = "LATERAL VIEW explode(split(uid, '')) v AS letter";
    assert_eq!(rows(&format!("SELECT V.Letter FROM logs {views} ORDER BY v.letter DESC")).await.unwrap(), ["u", "1"]);
    assert_eq!(
        rows(&format!("SELECT l.n, letter FROM logs AS l {views} ORDER BY 2")).await.unwrap(),
        ["20240807|1", "20240807|u"]
    );
    for (sql, why) in [
        (format!("SELECT 1 FROM logs, users {views}"), "several tables"),
        (format!("SELECT 1 FROM logs JOIN users ON true {views}"), "behind a join"),
        ("SELECT 1 FROM logs LATERAL VIEW OUTER explode(split(uid, '')) v AS x".to_owned(), "OUTER"),
        ("SELECT 1 FROM logs LATERAL VIEW posexplode(split(uid, '')) v AS i, x".to_owned(), "no explode"),
    ] {
        let error = rows(&sql).await.unwrap_err().to_string();
        assert!(error.contains(why), "{sql}: {error}");
    }
}

#[tokio::test]
async fn arrays_of_split_count_from_0_wherever_they_go() {
    for (sql, found) in [
        ("WITH a AS (SELECT split('x,y', ',') AS p) SELECT p[0], p[1] FROM a", "x|y"),
        ("SELECT p[0] FROM (SELECT split('x,y', ',') AS p UNION ALL SELECT split('x,z', ',')) u LIMIT 1", "x"),
        ("SELECT p[0], count(*) FROM (SELECT split(uid, ',') AS p FROM logs) u GROUP BY p[0]", "u1|1"),
        ("SELECT p[0] FROM (SELECT split(uid, ',') AS p, n FROM logs) u GROUP BY p", "u1"),
        ("SELECT a.p[0] FROM (SELECT split(uid, ',') AS p FROM logs) a JOIN logs b ON a.p[0] = b.uid", "u1"),
        ("SELECT make_array('x', 'y')[1]", "x"),
    ] {
        assert_eq!(row(sql).await, found, "{sql}");
    }
}
