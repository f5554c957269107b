use super::*;
use crate::clocks::Clocks;
use crate::parameters::Parameters;
use crate::scope::FixedScope;
use crate::source::SourceFile;
use crate::split::split_in;
use crate::statement::{CreateTable, PropertyValue, StorageFormat, TableClauseKind, TableSource};
use crate::substitute::substitute;

fn scope() -> FixedScope {
    FixedScope {
        remote: vec!["starrocks".into(), "user_behavior_analysis_mysql".into(), "mysql".into()],
        other: vec!["user_behavior_analysis_httpfile".into()],
        tables: vec!["user_log".into()],
        current: None,
    }
}

fn parameters() -> Parameters {
    let clocks = Clocks::new(Some("20240807"), None, jiff::tz::TimeZone::UTC, jiff::Timestamp::UNIX_EPOCH).unwrap();
    Parameters::new(clocks)
}

fn parse_all(sql: &str, scope: &FixedScope) -> Result<Vec<Statement>, SqlError> {
    let file = SourceFile::new("a.sql", sql);
    let dialect = SqlDialect::Mysql;
    split_in(&file, dialect)?
        .iter()
        .map(|piece| parse(&substitute(piece, &parameters(), dialect)?, scope, dialect))
        .collect()
}

fn parse_one(sql: &str, scope: &FixedScope) -> Result<Statement, SqlError> {
    parse_all(sql, scope).map(|mut all| all.remove(0))
}

const TUTORIAL: &str = r#"
CREATE EXTERNAL CATALOG IF NOT EXISTS user_behavior_analysis_mysql PROPERTIES (
  "type" = "mysql", "url" = "jdbc:mysql://rm-example:3306/workshop", "user" = "workshop", "password" = "${env:WORKSHOP_PASSWORD}");
CREATE EXTERNAL CATALOG IF NOT EXISTS user_behavior_analysis_httpfile PROPERTIES (
  "type" = "http", "url" = "https://dataworks-workshop-2024.oss-cn-shanghai.aliyuncs.com");
CREATE EXTERNAL CATALOG IF NOT EXISTS starrocks PROPERTIES (
  "type" = "starrocks", "url" = "jdbc:mysql://fe:9030/ods", "load_url" = "fe:8030;fe2:8030", "user" = "root", "password" = "");

-- statements on a catalog's own tables run in that system, in its own dialect
CREATE DATABASE IF NOT EXISTS starrocks.ods;
CREATE TABLE IF NOT EXISTS starrocks.ods_raw_log_d (col STRING COMMENT 'Log', dt DATE NOT NULL COMMENT 'The time')
  DUPLICATE KEY(col) PARTITION BY(dt) PROPERTIES ("replication_num" = "1");
CREATE TABLE IF NOT EXISTS starrocks.ods_user_info_d (uid STRING COMMENT 'The user ID', gender STRING, age_range STRING,
  zodiac STRING, dt STRING NOT NULL COMMENT 'The time') DUPLICATE KEY(uid) PARTITION BY(dt) PROPERTIES ("replication_num" = "1");
ALTER TABLE starrocks.ods_raw_log_d DROP PARTITION IF EXISTS p${bizdate} FORCE;
ALTER TABLE starrocks.ods_user_info_d DROP PARTITION IF EXISTS p${bizdate} FORCE;

CREATE EXTERNAL TABLE IF NOT EXISTS user_log (col STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' STORED AS TEXTFILE
  LOCATION 'user_behavior_analysis_httpfile:/user_log.txt';
INSERT INTO starrocks.ods_raw_log_d SELECT col, '$<bizdate>' FROM user_log;              -- Stream Load, CSV \x01 / \x02
INSERT INTO starrocks.ods_user_info_d BY NAME
  SELECT uid, gender, age_range, zodiac, '${bizdate}' AS dt FROM user_behavior_analysis_mysql.ods_user_info_d;

ASSERT (SELECT count(*) FROM starrocks.ods_raw_log_d WHERE dt = '${bizdate}') > 0 AS 'no log rows for ${bizdate}';
"#;

/// The kind of a statement in one line.
fn kind(statement: &Statement) -> String {
    match statement {
        Statement::Native(native) => format!("native {}: {}", native.catalog, native.text),
        Statement::Sync(insert) => format!("sync {} <- {}", insert.target, tables(&insert.query.tables)),
        Statement::CreateTable(create) => match &create.source {
            TableSource::Like(like) => format!("create {} like {like}", create.target),
            TableSource::Query(query) => format!("create {} <- {}", create.target, tables(&query.tables)),
        },
        Statement::Query(query) => format!("query {}", tables(&query.tables)),
        Statement::Session(session) => {
            let debug = format!("{session:?}");
            let end = debug.find([' ', '(', '{']).unwrap_or(debug.len());
            format!("session {}", &debug[..end])
        }
        Statement::Assert(assert) => format!("assert {}", kind(&assert.query)),
        Statement::Explain(explain) => format!("explain {}", kind(&explain.statement)),
    }
}

fn tables(names: &[crate::statement::Name]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_tutorial_script_is_understood() {
    let kinds: Vec<String> = parse_all(TUTORIAL, &scope()).unwrap().iter().map(kind).collect();
    assert_eq!(
        kinds,
        [
            "session CreateCatalog",
            "session CreateCatalog",
            "session CreateCatalog",
            "native starrocks: CREATE DATABASE IF NOT EXISTS ods",
            "native starrocks: CREATE TABLE IF NOT EXISTS ods_raw_log_d (col STRING COMMENT 'Log', dt DATE NOT NULL COMMENT 'The time')\n  DUPLICATE KEY(col) PARTITION BY(dt) PROPERTIES (\"replication_num\" = \"1\")",
            "native starrocks: CREATE TABLE IF NOT EXISTS ods_user_info_d (uid STRING COMMENT 'The user ID', gender STRING, age_range STRING,\n  zodiac STRING, dt STRING NOT NULL COMMENT 'The time') DUPLICATE KEY(uid) PARTITION BY(dt) PROPERTIES (\"replication_num\" = \"1\")",
            "native starrocks: ALTER TABLE ods_raw_log_d DROP PARTITION IF EXISTS p20240807 FORCE",
            "native starrocks: ALTER TABLE ods_user_info_d DROP PARTITION IF EXISTS p20240807 FORCE",
            "session CreateExternalTable",
            "sync starrocks.ods_raw_log_d <- user_log",
            "sync starrocks.ods_user_info_d <- user_behavior_analysis_mysql.ods_user_info_d",
            "assert native starrocks: SELECT ((SELECT count(*) FROM ods_raw_log_d WHERE dt = '20240807') > 0)",
        ]
    );
}

fn in_use(catalog: &str, database: Option<&str>) -> FixedScope {
    FixedScope {
        current: Some(crate::scope::Place { catalog: catalog.into(), database: database.map(str::to_owned) }),
        ..scope()
    }
}

fn kind_of(sql: &str, scope: &FixedScope) -> String {
    match parse_one(sql, scope) {
        Ok(statement) => kind(&statement),
        Err(error) => format!("{} {}", error.code.code(), error.message),
    }
}

#[test]
fn statements_whose_names_lead_to_one_remote_catalog_are_native() {
    for (sql, expected) in [
        ("SELECT * FROM starrocks.ods.t", "native starrocks: SELECT * FROM ods.t"),
        ("select starrocks.t.a, x.b from STARROCKS.t x", "native starrocks: select t.a, x.b from t x"),
        ("SELECT * FROM `starrocks` . `a b`.c, starrocks.d", "native starrocks: SELECT * FROM `a b`.c, d"),
        (
            "SELECT 'starrocks.t', \"starrocks.t\" /* starrocks.t */ FROM starrocks.t -- starrocks.t",
            "native starrocks: SELECT 'starrocks.t', \"starrocks.t\" /* starrocks.t */ FROM t",
        ),
        (
            "SELECT /*+ SET_VAR(x = 1) */ a->'$.starrocks.b' FROM starrocks/* c */./* d */t",
            "native starrocks: SELECT /*+ SET_VAR(x = 1) */ a->'$.starrocks.b' FROM t",
        ),
        (
            "WITH c AS (SELECT * FROM starrocks.t) SELECT * FROM c JOIN starrocks.u",
            "native starrocks: WITH c AS (SELECT * FROM t) SELECT * FROM c JOIN u",
        ),
        ("SELECT * FROM starrocks.hive.ods.t", "native starrocks: SELECT * FROM hive.ods.t"),
        ("SELECT a.starrocks.b FROM starrocks.t a", "native starrocks: SELECT a.starrocks.b FROM t a"),
        ("SELECT starrocks.a FROM starrocks.t starrocks", "native starrocks: SELECT starrocks.a FROM t starrocks"),
        ("INSERT INTO starrocks.a SELECT * FROM starrocks.b", "native starrocks: INSERT INTO a SELECT * FROM b"),
        ("INSERT INTO starrocks.a VALUES (1, 'x;')", "native starrocks: INSERT INTO a VALUES (1, 'x;')"),
        ("INSERT INTO mysql.a (x) SELECT 1", "native mysql: INSERT INTO a (x) SELECT 1"),
        ("DELETE FROM mysql.a WHERE x = 1", "native mysql: DELETE FROM a WHERE x = 1"),
        ("UPDATE mysql.db.a SET x = mysql.db.f(1)", "native mysql: UPDATE db.a SET x = db.f(1)"),
        ("TRUNCATE TABLE starrocks.ods.t", "native starrocks: TRUNCATE TABLE ods.t"),
        ("GRANT SELECT ON starrocks.ods.* TO 'x'@'%'", "native starrocks: GRANT SELECT ON ods.* TO 'x'@'%'"),
        (
            "CREATE VIEW starrocks.ods.v AS SELECT * FROM starrocks.ods.t",
            "native starrocks: CREATE VIEW ods.v AS SELECT * FROM ods.t",
        ),
        ("CREATE TABLE starrocks.a LIKE starrocks.b", "native starrocks: CREATE TABLE a LIKE b"),
        (
            "CREATE TABLE starrocks.a PROPERTIES ('x' = '1') LIKE starrocks.b",
            "native starrocks: CREATE TABLE a PROPERTIES ('x' = '1') LIKE b",
        ),
        (
            "SELECT /*+ SET_VAR(query_timeout=7, pipeline_dop = 2) */ a FROM starrocks.t",
            "native starrocks: SELECT /*+ SET_VAR(query_timeout=7, pipeline_dop = 2) */ a FROM t",
        ),
        (
            "CREATE TABLE starrocks.a AS SELECT * FROM starrocks.b",
            "native starrocks: CREATE TABLE a AS SELECT * FROM b",
        ),
        (
            "CREATE MATERIALIZED VIEW starrocks.ods.m AS SELECT a FROM starrocks.ods.t",
            "native starrocks: CREATE MATERIALIZED VIEW ods.m AS SELECT a FROM ods.t",
        ),
        (
            "CREATE EXTERNAL TABLE starrocks.ods.t (a INT) ENGINE = mysql",
            "native starrocks: CREATE EXTERNAL TABLE ods.t (a INT) ENGINE = mysql",
        ),
        ("SHOW CREATE TABLE starrocks.ods.t", "native starrocks: SHOW CREATE TABLE ods.t"),
        ("SHOW PARTITIONS FROM starrocks.ods.t", "native starrocks: SHOW PARTITIONS FROM ods.t"),
        ("SHOW FULL COLUMNS FROM mysql.db.t", "native mysql: SHOW FULL COLUMNS FROM db.t"),
        ("DESC starrocks.ods.t ALL", "native starrocks: DESC ods.t ALL"),
        ("DROP TABLE IF EXISTS starrocks.a, starrocks.b", "native starrocks: DROP TABLE IF EXISTS a, b"),
        ("DROP DATABASE starrocks.ods", "native starrocks: DROP DATABASE ods"),
        ("ALTER TABLE starrocks.t ADD COLUMN x INT", "native starrocks: ALTER TABLE t ADD COLUMN x INT"),
        ("ANALYZE TABLE starrocks.ods.t", "native starrocks: ANALYZE TABLE ods.t"),
        (
            "WITH c AS (SELECT 1) DELETE FROM mysql.t WHERE x IN (SELECT * FROM c)",
            "native mysql: WITH c AS (SELECT 1) DELETE FROM t WHERE x IN (SELECT * FROM c)",
        ),
        ("CALL remote_execute('STARROCKS', 'ADMIN SHOW ''x''')", "native starrocks: ADMIN SHOW 'x'"),
        ("EXPLAIN SELECT * FROM starrocks.t", "explain native starrocks: SELECT * FROM t"),
        ("ASSERT (SELECT count(*) FROM mysql.t) = 0", "assert native mysql: SELECT ((SELECT count(*) FROM t) = 0)"),
        // dots elsewhere mean nothing
        ("SELECT 1.5, .5, t.starrocks FROM starrocks.t", "native starrocks: SELECT 1.5, .5, t.starrocks FROM t"),
    ] {
        assert_eq!(kind_of(sql, &scope()), expected, "{sql}");
    }
}

#[test]
fn statements_that_span_systems_are_planned_here() {
    for (sql, expected) in [
        ("SELECT * FROM starrocks.a JOIN mysql.b", "query starrocks.a, mysql.b"),
        ("SELECT * FROM starrocks.a JOIN user_log", "query starrocks.a, user_log"),
        ("SELECT * FROM starrocks.a JOIN `USER_LOG`", "query starrocks.a, USER_LOG"),
        ("SELECT * FROM starrocks.a JOIN syncline.default.x", "query starrocks.a, syncline.default.x"),
        ("SELECT * FROM starrocks.a JOIN default.x", "query starrocks.a, default.x"),
        ("SELECT * FROM remote_query('starrocks', 'SELECT 1') x JOIN starrocks.t", "query starrocks.t"),
        ("SELECT 1", "query "),
        ("SELECT * FROM user_log", "query user_log"),
        ("SELECT * FROM unheard_of", "query unheard_of"),
        // a common table expression hides a session table of its name
        (
            "WITH user_log AS (SELECT 1) SELECT * FROM user_log JOIN starrocks.t",
            "native starrocks: WITH user_log AS (SELECT 1) SELECT * FROM user_log JOIN t",
        ),
        ("INSERT INTO starrocks.a SELECT * FROM mysql.b", "sync starrocks.a <- mysql.b"),
        ("INSERT INTO starrocks.a SELECT * FROM user_log", "sync starrocks.a <- user_log"),
        ("INSERT INTO starrocks.a SELECT * FROM remote_query('starrocks', 'SELECT 1')", "sync starrocks.a <- "),
        ("INSERT INTO starrocks.a SELECT * FROM TABLES('starrocks.d.t_[0-9]', 'mysql.d.t*')", "sync starrocks.a <- "),
        ("INSERT INTO starrocks.a SELECT * FROM TABLES('starrocks.d.t', where => 'a > 1')", "sync starrocks.a <- "),
        ("INSERT INTO starrocks.a SELECT 1 FROM range(0, 5)", "sync starrocks.a <- "),
        (
            "ASSERT (SELECT count(*) FROM starrocks.a) = (SELECT count(*) FROM mysql.b) AS 'x'",
            "assert query starrocks.a, mysql.b",
        ),
        ("ASSERT 1 = 1", "assert query "),
        ("EXPLAIN ANALYZE INSERT INTO starrocks.a SELECT * FROM mysql.b", "explain sync starrocks.a <- mysql.b"),
        ("CREATE VIEW v AS SELECT * FROM user_log", "session CreateView"),
        ("CREATE VIEW v AS SELECT * FROM starrocks.a", "session CreateView"),
        ("CREATE OR REPLACE TEMPORARY VIEW v AS SELECT * FROM starrocks.a JOIN mysql.b", "session CreateView"),
    ] {
        assert_eq!(kind_of(sql, &scope()), expected, "{sql}");
    }
}

#[test]
fn after_use_what_names_nothing_else_goes_there() {
    let scope = in_use("starrocks", Some("ods"));
    for (sql, expected) in [
        ("SELECT * FROM t", "native starrocks: SELECT * FROM t"),
        ("SELECT 1", "native starrocks: SELECT 1"),
        ("SELECT * FROM dwd.t", "native starrocks: SELECT * FROM dwd.t"),
        ("SHOW LOAD", "native starrocks: SHOW LOAD"),
        ("SHOW CREATE TABLE t", "native starrocks: SHOW CREATE TABLE t"),
        ("CREATE TABLE t (a INT)", "native starrocks: CREATE TABLE t (a INT)"),
        ("CREATE VIEW v AS SELECT * FROM t", "native starrocks: CREATE VIEW v AS SELECT * FROM t"),
        ("DROP TABLE t", "native starrocks: DROP TABLE t"),
        ("ALTER TABLE t DROP PARTITION p", "native starrocks: ALTER TABLE t DROP PARTITION p"),
        ("INSERT INTO t SELECT * FROM u", "native starrocks: INSERT INTO t SELECT * FROM u"),
        ("CALL f(1)", "native starrocks: CALL f(1)"),
        // the session's own come first
        ("SELECT * FROM user_log", "query user_log"),
        ("SELECT * FROM t JOIN user_log", "query t, user_log"),
        ("DROP TABLE user_log", "session DropTable"),
        ("CREATE VIEW v AS SELECT * FROM user_log", "session CreateView"),
        ("CREATE EXTERNAL TABLE f (a INT) LOCATION 'x'", "session CreateExternalTable"),
        ("CREATE OR REPLACE TEMPORARY EXTERNAL TABLE f (a INT) LOCATION 'x'", "session CreateExternalTable"),
        ("INSERT INTO t SELECT * FROM user_log", "sync t <- user_log"),
        ("INSERT INTO t SELECT * FROM mysql.u", "sync t <- mysql.u"),
        ("SELECT * FROM t JOIN mysql.u", "query t, mysql.u"),
        ("SHOW TABLES", "session ShowTables"),
        ("DESC t", "session Describe"),
        // another remote system that is named
        ("SELECT * FROM mysql.t", "native mysql: SELECT * FROM t"),
    ] {
        assert_eq!(kind_of(sql, &scope), expected, "{sql}");
    }
}

#[test]
fn a_native_statement_says_its_database_names_and_reason() {
    let native = |sql: &str, scope: &FixedScope| match parse_one(sql, scope).unwrap() {
        Statement::Native(native) => native,
        other => panic!("{other:?}"),
    };
    let named = native("SELECT *\nFROM starrocks.t JOIN starrocks.db.u", &scope());
    assert_eq!(named.why, "it names tables of catalog starrocks only");
    assert_eq!(named.database, None);
    assert!(named.is_query);
    let names: Vec<_> = named.names.iter().map(|n| (n.to_string(), n.position.line, n.position.column)).collect();
    assert_eq!(names, [("t".to_owned(), 2, 6), ("db.u".to_owned(), 2, 23)]);

    let used = in_use("starrocks", Some("dwd"));
    let unqualified = native("INSERT INTO t SELECT 1", &used);
    assert_eq!((unqualified.database.as_deref(), unqualified.is_query), (Some("dwd"), false));
    assert_eq!(unqualified.why, "catalog starrocks is in use, and it names no other");
    // the catalog's name means its default database, whatever is in use
    assert_eq!(native("SELECT * FROM starrocks.t", &used).database, None);
    assert_eq!(native("SELECT * FROM starrocks.db.t JOIN u", &used).database.as_deref(), Some("dwd"));
    // both at once cannot be said in one connection
    assert_eq!(parse_one("SELECT * FROM starrocks.t JOIN u", &used).unwrap_err().code, ErrorCode::AmbiguousName);
}

#[test]
fn what_has_a_result_is_a_query() {
    for (sql, expected) in [
        ("SELECT * FROM mysql.t", true),
        ("(SELECT * FROM mysql.t)", true),
        ("WITH c AS (SELECT 1) SELECT * FROM mysql.t", true),
        ("WITH c AS (SELECT 1) UPDATE mysql.t SET a = 1", false),
        ("SHOW CREATE TABLE mysql.t", true),
        ("CALL remote_execute('mysql', '/* x */ show tables')", true),
        ("CALL remote_execute('mysql', 'update t set a = 1')", false),
        ("DELETE FROM mysql.t", false),
    ] {
        let Statement::Native(native) = parse_one(sql, &scope()).unwrap() else { panic!("{sql}") };
        assert_eq!(native.is_query, expected, "{sql}");
    }
}

#[test]
fn what_no_system_can_run_is_an_error_with_a_way_out() {
    for (sql, expected) in [
        ("SELECT * FROM starock.t JOIN user_log", "E1006 there is no catalog or database starock"),
        ("INSERT INTO starock.t SELECT 1", "E1006 there is no catalog or database starock"),
        ("DELETE FROM ods.t", "E1006 there is no catalog or database ods"),
        ("SELECT * FROM a.b.c", "E1006 there is no catalog or database a"),
        (
            "UPDATE starrocks.a, mysql.b SET x = 1",
            "E1001 UPDATE runs inside one system, and this names starrocks and mysql",
        ),
        ("DELETE FROM user_log", "E1001 DELETE runs only inside a remote system, and this names the session"),
        ("VACUUM", "E1001 VACUUM runs only inside a remote system, and this names none"),
        ("SELCT 1", "E1001 SELCT begins no statement"),
        ("CREATE TABLE t (a INT)", "E1001 this names no system to create the table in"),
        (
            "CREATE TEMPORARY TABLE starrocks.t AS SELECT * FROM mysql.u",
            "E1008 a table that is made after one of another system is neither external nor temporary",
        ),
        (
            "CREATE VIEW starrocks.v AS SELECT * FROM mysql.u",
            "E1001 a view in a remote system can only read from that system",
        ),
        (
            "CREATE TABLE user_behavior_analysis_httpfile.t (a INT) LOCATION 'x'",
            "E1001 catalog user_behavior_analysis_httpfile holds files and cannot hold tables",
        ),
        (
            "MSCK REPAIR TABLE user_log DROP PARTITIONS",
            "E1008 MSCK REPAIR TABLE adds partitions and drops none; this is not built yet",
        ),
        ("ALTER TABLE user_log RENAME TO x", "E1008 this ALTER TABLE of an external table is not built yet"),
        (
            "ALTER TABLE user_log DROP PARTITION (dt < '20240807')",
            "E1008 partitions are named by = only; a comparison is not built yet",
        ),
        ("ALTER TABLE user_log ADD PARTITION (dt = '${env:DT}')", "E1005 ${env:DT} cannot stand here"),
        (
            "SELECT col, count(*) FROM user_log GROUP BY col WITH ROLLUP",
            "E1008 GROUP BY … WITH ROLLUP | CUBE is not built yet",
        ),
        (
            "SELECT col FROM user_log GROUP BY col GROUPING SETS ((col), ())",
            "E1008 GROUP BY a GROUPING SETS (…) is not built yet",
        ),
        ("SELECT * FROM user_log TABLESAMPLE (1 ROWS)", "E1008 TABLESAMPLE is not built yet"),
        (
            "REPLACE INTO starrocks.t SELECT * FROM mysql.u",
            "E1008 REPLACE and INSERT IGNORE run inside one remote system only",
        ),
        ("CALL remote_execute('nothing', 'x')", "E1006 there is no catalog or database nothing"),
        (
            "CALL remote_execute('user_behavior_analysis_httpfile', 'x')",
            "E1006 catalog user_behavior_analysis_httpfile runs no SQL",
        ),
        ("SHOW NOTHING", "E1001 expected CATALOGS, DATABASES, TABLES, CREATE TABLE or CREATE CATALOG, found NOTHING"),
        ("EXPLAIN", "E1001 expected a statement, found the end of the statement"),
        ("ASSERT AS 'x'", "E1001 expected a condition, found AS"),
        // a secret never becomes a part of SQL that is sent
        (
            "CREATE TABLE starrocks.t (a INT) PROPERTIES ('k' = '${env:SECRET}')",
            "E1005 ${env:SECRET} cannot stand here",
        ),
        ("SELECT f(OPTIONS ('k' = '${env:SECRET}')) FROM user_log", "E1005 ${env:SECRET} cannot stand here"),
    ] {
        assert_eq!(kind_of(sql, &scope()), expected, "{sql}");
    }
}

#[test]
fn an_unknown_catalog_suggests_the_nearest() {
    let error = parse_one("SELECT *\n  FROM starock.t JOIN user_log", &scope()).unwrap_err();
    let at = error.position.clone().unwrap();
    assert_eq!((at.line, at.column, error.hint.as_deref()), (2, 8, Some("did you mean starrocks?")));
}

fn session_of(sql: &str) -> SessionStatement {
    match parse_one(sql, &scope()) {
        Ok(Statement::Session(session)) => *session,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn catalogs_are_created_altered_and_dropped() {
    let sql = r#"CREATE OR REPLACE EXTERNAL CATALOG IF NOT EXISTS rm-example_1 COMMENT 'x' PROPERTIES (
        "type" = "mysql", 'a' = 'it\'s', session.time_zone = '+8', "n" = 5, b = true, "password" = "${env:PW}", k = '${file:a/b.txt}', l = '$${env:X}',)"#;
    let SessionStatement::CreateCatalog { name, if_not_exists, or_replace, comment, properties } = session_of(sql)
    else {
        panic!()
    };
    assert_eq!(
        (name.to_string().as_str(), if_not_exists, or_replace, comment.as_deref()),
        ("rm-example_1", true, true, Some("x"))
    );
    let text = |value: &str, raw: &str| PropertyValue::Text { value: value.to_owned(), raw: raw.to_owned() };
    let read: Vec<_> = properties.into_iter().map(|p| (p.name, p.value)).collect();
    let expected = [
        ("type", text("mysql", "mysql")),
        ("a", text("it's", r"it\'s")),
        ("session.time_zone", text("+8", "+8")),
        ("n", text("5", "5")),
        ("b", text("true", "true")),
        ("password", PropertyValue::Env("PW".to_owned())),
        ("k", PropertyValue::File("a/b.txt".to_owned())),
        ("l", text("${env:X}", "${env:X}")),
    ];
    assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value)));

    assert!(matches!(session_of("DROP CATALOG IF EXISTS a"), SessionStatement::DropCatalog { if_exists: true, .. }));
    assert!(matches!(session_of("DROP EXTERNAL CATALOG `a`"), SessionStatement::DropCatalog { if_exists: false, .. }));
    assert!(matches!(session_of("ALTER CATALOG a SET PROPERTIES ('x' = 'y')"), SessionStatement::AlterCatalog { .. }));
    assert!(matches!(session_of("SHOW CREATE EXTERNAL CATALOG a"), SessionStatement::ShowCreateCatalog(_)));
    for (sql, code) in [
        ("CREATE CATALOG a.b PROPERTIES ('type' = 'x')", ErrorCode::Syntax),
        ("CREATE CATALOG `a b` PROPERTIES ('type' = 'x')", ErrorCode::Syntax),
        ("CREATE CATALOG a", ErrorCode::Syntax),
        ("CREATE CATALOG a PROPERTIES ('x' = 'y' 'z' = '1')", ErrorCode::Syntax),
        ("CREATE CATALOG a PROPERTIES ('x' = 'y', 'X' = 'z')", ErrorCode::Option),
    ] {
        assert_eq!(parse_one(sql, &scope()).unwrap_err().code, code, "{sql}");
    }
}

#[test]
fn a_value_that_looks_like_a_reference_is_text() {
    let file = SourceFile::new("a.sql", "CREATE CATALOG c PROPERTIES ('type' = 'mysql', 'password' = '${given}')");
    let piece = split_in(&file, SqlDialect::Mysql).unwrap().remove(0);
    let mut parameters = parameters();
    parameters.set("given", "$${env:SECRET}", crate::ParameterSource::Run).unwrap();
    let prepared = substitute(&piece, &parameters, SqlDialect::Mysql).unwrap();
    let Statement::Session(session) = parse(&prepared, &scope(), SqlDialect::Mysql).unwrap() else { panic!() };
    let SessionStatement::CreateCatalog { properties, .. } = *session else { panic!() };
    assert!(matches!(&properties[1].value, PropertyValue::Text { value, .. } if value == "${env:SECRET}"));
}

#[test]
fn external_tables_of_hive_and_spark_parse_in_any_spacing() {
    let sql = "CREATE EXTERNAL TABLE IF NOT EXISTS ods_user_info_d_spark
(
    `uid`        STRING COMMENT 'The user ID'
    ,`gender`    STRING COMMENT 'The gender'
    ,tags ARRAY<STRING>, m MAP<STRING,ARRAY<INT>>, amount DECIMAL(10,2)
)
COMMENT 'users'
PARTITIONED BY
(
    dt           STRING
)
ROW FORMAT DELIMITED
FIELDS
TERMINATED
BY'|'
ESCAPED BY '\\\\' COLLECTION ITEMS TERMINATED BY '\\002' MAP KEYS TERMINATED BY '\\u0003' LINES TERMINATED BY '\\n' NULL DEFINED AS '\\N'
STORED AS TEXTFILE
LOCATION'oss://dw-emr-demo/ods_user_info_d/user_${bizdate}/' TBLPROPERTIES('encoding'='gbk')";
    let SessionStatement::CreateExternalTable(table) = session_of(sql) else { panic!() };
    let columns: Vec<_> =
        table.columns.iter().map(|c| (c.name.to_string(), c.data_type.to_string(), c.comment.clone())).collect();
    assert_eq!(columns[0], ("uid".to_owned(), "STRING".to_owned(), Some("The user ID".to_owned())));
    assert_eq!(columns.len(), 5);
    assert_eq!(table.partition_columns[0].name.to_string(), "dt");
    assert_eq!(table.comment.as_deref(), Some("users"));
    assert_eq!(table.format.format, StorageFormat::Text);
    assert_eq!(table.location, "oss://dw-emr-demo/ods_user_info_d/user_20240807/");
    assert_eq!(table.format.properties[0].name, "encoding");
    assert!(table.text.contains("user_20240807"));
    let format = &table.format.row_format;
    let read =
        [&format.fields, &format.escape, &format.collection_items, &format.map_keys, &format.lines, &format.null];
    assert_eq!(
        read.map(|bytes| bytes.clone().unwrap()),
        [&b"|"[..], b"\\", b"\x02", b"\x03", b"\n", b"\\N"].map(<[u8]>::to_vec)
    );
}

#[test]
fn a_table_with_a_location_is_external_without_the_word() {
    for sql in [
        "CREATE TABLE t (a STRING) LOCATION 'x'",
        "CREATE TABLE t (a STRING) STORED AS PARQUET LOCATION 'x'",
        "CREATE TABLE t (a STRING) USING csv OPTIONS (header 'true', path 'x')",
        "CREATE EXTERNAL TABLE ods_raw_log_d_spark\n(\n  `col` STRING\n)\nPARTITIONED BY (\n  dt STRING\n)\nLOCATION 'oss://dw-emr-demo/ods_raw_log_d/log_${bizdate}/'",
        "CREATE TABLE t (a STRING, dt STRING) PARTITIONED BY (dt) LOCATION 'x'",
    ] {
        assert!(matches!(session_of(sql), SessionStatement::CreateExternalTable(_)), "{sql}");
    }
}

#[test]
fn external_tables_that_cannot_be_built_say_so() {
    for (sql, code) in [
        ("CREATE EXTERNAL TABLE t (a STRING)", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING, A INT) LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING) LOCATION 'x' LOCATION 'y'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING) PARTITIONED BY (a STRING) LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a) LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING) ROW FORMAT SERDE 'x' LOCATION 'x'", ErrorCode::NotYet),
        ("CREATE EXTERNAL TABLE t (a STRING) STORED BY 'x' LOCATION 'x'", ErrorCode::NotYet),
        ("CREATE EXTERNAL TABLE t (a STRING) STORED AS SEQUENCEFILE LOCATION 'x'", ErrorCode::NotYet),
        (
            "CREATE EXTERNAL TABLE t (a STRING) STORED AS INPUTFORMAT 'x' OUTPUTFORMAT 'y' LOCATION 'x'",
            ErrorCode::NotYet,
        ),
        ("CREATE EXTERNAL TABLE t (a STRING) STORED AS CSV USING csv LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE TABLE t (a STRING) USING csv ROW FORMAT DELIMITED LOCATION 'x'", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t (a STRING) ROW FORMAT DELIMITED STORED AS JSON LOCATION 'x'", ErrorCode::Syntax),
        (
            "CREATE EXTERNAL TABLE t (a STRING) ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.orc.OrcSerde' STORED AS PARQUET LOCATION 'x'",
            ErrorCode::Syntax,
        ),
        ("CREATE EXTERNAL TABLE t (a STRING) LOCATION 'x' LIFECYCLE 7", ErrorCode::Syntax),
        ("CREATE EXTERNAL TABLE t LIKE other LOCATION 'x'", ErrorCode::NotYet),
        ("CREATE EXTERNAL TABLE t LOCATION 'x' AS SELECT 1", ErrorCode::NotYet),
        (
            "CREATE EXTERNAL TABLE t (a STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '' LOCATION 'x'",
            ErrorCode::Option,
        ),
        ("CREATE EXTERNAL TABLE t (a STRING) LOCATION 'x' TBLPROPERTIES ('k' = '$${env:X}')", ErrorCode::Reference),
    ] {
        assert_eq!(parse_one(sql, &scope()).unwrap_err().code, code, "{sql}");
    }
}

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

#[test]
fn settings_and_parameters_are_set() {
    for (sql, name, value) in [
        ("SET syncline.load_bytes = '64 MB'", "syncline.load_bytes", "64 MB"),
        ("SET syncline.load_bytes = 64 MB", "syncline.load_bytes", "64 MB"),
        ("SET syncline.error_limit TO 5", "syncline.error_limit", "5"),
        ("SET syncline.write_mode = plain", "syncline.write_mode", "plain"),
        ("SET datafusion.execution.batch_size = 100", "datafusion.execution.batch_size", "100"),
        ("SET x = -5", "x", "-5"),
        ("SET syncline.sql_dialect = \"ansi\"", "syncline.sql_dialect", "ansi"),
        ("SET session.x = 1", "session.x", "1"),
    ] {
        assert!(
            matches!(session_of(sql), SessionStatement::Set { name: n, value: v, .. } if n == name && v == value),
            "{sql}"
        );
    }
    for (sql, name, value, raw) in [
        ("SET PARAMETER day = '$bizdate'", "day", "$bizdate", false),
        ("SET PARAMETER RAW filter = 'a = ''x'' or b'", "filter", "a = 'x' or b", true),
        ("SET PARAMETER raw = 5", "raw", "5", false),
        ("SET PARAMETER `日期` = x", "日期", "x", false),
    ] {
        assert!(
            matches!(session_of(sql), SessionStatement::SetParameter { name: n, value: v, raw: r, .. } if n == name && v == value && r == raw),
            "{sql}"
        );
    }
    assert!(matches!(session_of("SET CATALOG starrocks"), SessionStatement::Use(_)));
    for (sql, code) in [
        ("SET @@session.x = 1", ErrorCode::Option),
        ("SET GLOBAL x = 1", ErrorCode::Option),
        ("SET NAMES utf8", ErrorCode::Option),
        ("SET x", ErrorCode::Syntax),
        ("SET x =", ErrorCode::Syntax),
        ("SET x = 'a' 'b'", ErrorCode::Syntax),
    ] {
        assert_eq!(parse_one(sql, &scope()).unwrap_err().code, code, "{sql}");
    }
}

#[test]
fn places_are_used_and_shown() {
    for (sql, expected) in [
        ("USE starrocks", "Use(starrocks)"),
        ("USE starrocks.ods", "Use(starrocks.ods)"),
        ("USE 'starrocks.ods'", "Use(starrocks.ods)"),
        ("USE CATALOG my-catalog", "Use(my-catalog)"),
        ("USE DATABASE ods", "Use(ods)"),
        ("USE catalog", "Use(catalog)"),
        ("SHOW CATALOGS", "ShowCatalogs None"),
        ("SHOW CATALOGS LIKE 's%'", "ShowCatalogs Some(\"s%\")"),
        ("SHOW DATABASES", "ShowDatabases None None"),
        ("SHOW SCHEMAS IN starrocks LIKE 'o%'", "ShowDatabases Some(starrocks) Some(\"o%\")"),
        ("SHOW TABLES", "ShowTables None None"),
        ("SHOW TABLES FROM starrocks.ods LIKE 'x'", "ShowTables Some(starrocks.ods) Some(\"x\")"),
        ("SHOW CREATE TABLE user_log", "ShowCreateTable(user_log)"),
        ("DESC user_log", "Describe(user_log)"),
        ("DESCRIBE TABLE starrocks.ods.t", "Describe(starrocks.ods.t)"),
        ("DESCRIBE EXTENDED user_log", "Describe(user_log)"),
        ("SOURCE 'a b.sql'", "Source a b.sql"),
        ("SOURCE sub/a.sql", "Source sub/a.sql"),
        ("DROP VIEW IF EXISTS v", "DropView v true"),
        ("DROP EXTERNAL TABLE t", "DropTable t false"),
    ] {
        let show =
            |name: Option<crate::statement::Name>| name.map_or("None".to_owned(), |name| format!("Some({name})"));
        let read = match session_of(sql) {
            SessionStatement::Use(name) => format!("Use({name})"),
            SessionStatement::ShowCatalogs { like } => format!("ShowCatalogs {like:?}"),
            SessionStatement::ShowDatabases { catalog, like } => format!("ShowDatabases {} {like:?}", show(catalog)),
            SessionStatement::ShowTables { from, like } => format!("ShowTables {} {like:?}", show(from)),
            SessionStatement::ShowCreateTable(name) => format!("ShowCreateTable({name})"),
            SessionStatement::Describe(name) => format!("Describe({name})"),
            SessionStatement::Source { path, .. } => format!("Source {path}"),
            SessionStatement::DropView { name, if_exists } => format!("DropView {name} {if_exists}"),
            SessionStatement::DropTable { name, if_exists } => format!("DropTable {name} {if_exists}"),
            other => format!("{other:?}"),
        };
        assert_eq!(read, expected, "{sql}");
    }
}

#[test]
fn an_assertion_leads_back_to_the_script() {
    let sql = "ASSERT\n  (SELECT count(*) FROM user_log WHERE x = '${bizdate}' GRUOP BY y) > 0 AS 'none on ${bizdate}'";
    let error = parse_one(sql, &scope()).unwrap_err();
    let at = error.position.clone().unwrap();
    assert_eq!((at.line, at.column), (2, 57), "{error}");

    let Statement::Assert(assert) = parse_one("ASSERT 1 < 2 AS 'none on ${bizdate}'", &scope()).unwrap() else {
        panic!()
    };
    assert_eq!((assert.condition.as_str(), assert.message.as_deref()), ("1 < 2", Some("none on 20240807")));
}

#[test]
fn a_native_insert_says_where_its_label_goes() {
    for (sql, expected) in [
        (
            "INSERT INTO starrocks.ods.t SELECT * FROM starrocks.u",
            Some("INSERT INTO ods.t WITH LABEL l SELECT * FROM u"),
        ),
        (
            "INSERT OVERWRITE starrocks.t PARTITION (p1, p2) (a) SELECT 1",
            Some("INSERT OVERWRITE t PARTITION (p1, p2) WITH LABEL l (a) SELECT 1"),
        ),
        (
            "INSERT /*+ SET_VAR(dynamic_overwrite = true) */ OVERWRITE starrocks.t SELECT 1",
            Some("INSERT /*+ SET_VAR(dynamic_overwrite = true) */ OVERWRITE t WITH LABEL l SELECT 1"),
        ),
        ("INSERT INTO starrocks.t(a) VALUES (1)", Some("INSERT INTO t WITH LABEL l(a) VALUES (1)")),
        ("INSERT INTO starrocks.t WITH LABEL mine SELECT 1", None),
        ("DELETE FROM starrocks.t WHERE a = 1", None),
    ] {
        let Statement::Native(native) = parse_one(sql, &scope()).unwrap() else { panic!("{sql}") };
        let labelled =
            native.label_offset.map(|at| format!("{} WITH LABEL l{}", &native.text[..at], &native.text[at..]));
        assert_eq!(labelled.as_deref(), expected, "{sql}");
        assert_eq!(native.overwrites, sql.contains("OVERWRITE"), "{sql}");
    }
}

#[test]
fn a_catalog_with_a_hyphen_needs_no_quotes_before_a_dot() {
    let scope = FixedScope { remote: vec!["rm-1-x".into(), "sr".into()], ..FixedScope::default() };
    for (sql, expected) in [
        ("SELECT * FROM rm-1-x.db.t", "native rm-1-x: SELECT * FROM db.t"),
        ("SELECT * FROM `rm-1-x`.db.t", "native rm-1-x: SELECT * FROM db.t"),
        ("INSERT INTO sr.t SELECT * FROM rm-1-x.u JOIN sr.v", "sync sr.t <- rm-1-x.u, sr.v"),
        ("SELECT a-b.c FROM sr.t b", "native sr: SELECT a-b.c FROM t b"),
    ] {
        assert_eq!(kind_of(sql, &scope), expected, "{sql}");
    }
    for sql in ["USE rm-1-x.db", "USE rm-1-x"] {
        assert!(parse_one(sql, &scope).is_ok(), "{sql}");
    }
}

#[test]
fn a_catalog_name_that_two_could_bear_is_ambiguous() {
    let scope = FixedScope { remote: vec!["Sales".into(), "SALES".into()], ..FixedScope::default() };
    assert_eq!(kind_of("SELECT * FROM SALES.t", &scope), "native SALES: SELECT * FROM t");
    assert_eq!(kind_of("SELECT * FROM sales.t", &scope), "E1007 sales may be any of the catalogs Sales, SALES");
}

#[test]
fn a_raw_parameter_cannot_bring_in_a_second_statement() {
    let file = SourceFile::new("a.sql", "DELETE FROM mysql.t WHERE ${filter}");
    let piece = split_in(&file, SqlDialect::Mysql).unwrap().remove(0);
    let mut parameters = parameters();
    for (filter, is_fine) in [("a = ';'", true), ("1 = 1; DROP TABLE t", false)] {
        parameters.set_raw("filter", filter, crate::ParameterSource::Run).unwrap();
        let prepared = substitute(&piece, &parameters, SqlDialect::Mysql).unwrap();
        assert_eq!(parse(&prepared, &scope(), SqlDialect::Mysql).is_ok(), is_fine, "{filter}");
    }
}

#[test]
fn a_message_does_not_repeat_quoted_text_and_explains_typographic_signs() {
    for (sql, message, hint) in [
        ("CREATE CATALOG c PROPERTIES ('password' = 'a' 'hunter2')", "expected ,, found a quoted text", None),
        (
            "SELECT a FROM user_log WHERE b = 1 'hunter2' 'x'",
            "expected the end of the statement, found a quoted text",
            None,
        ),
        ("SELECT “a” FROM user_log", "expected an expression, found “", Some("“ is a typographic sign: type \"")),
        (
            "SELECT f（a） FROM user_log",
            "expected the end of the statement, found （",
            Some("（ is a typographic sign: type ("),
        ),
        ("USE ‘x’", "expected a catalog or a database, found ‘", Some("‘ is a typographic sign: type '")),
    ] {
        let error = parse_one(sql, &scope()).unwrap_err();
        assert_eq!((error.message.as_str(), error.hint.as_deref()), (message, hint), "{sql}");
    }
}

#[test]
fn a_native_statement_says_whether_it_must_run_in_a_database() {
    for (sql, expected) in [
        ("CREATE DATABASE IF NOT EXISTS starrocks.ods", false),
        ("DROP SCHEMA starrocks.ods", false),
        ("CALL remote_execute('starrocks', 'create database x')", false),
        ("SELECT * FROM starrocks.ods.t JOIN starrocks.dwd.u", false),
        ("CREATE TABLE starrocks.ods.t (a INT)", false),
        ("SELECT * FROM starrocks.t", true),
        ("SELECT * FROM starrocks.ods.t JOIN u", true),
        ("WITH c AS (SELECT 1) SELECT * FROM c JOIN starrocks.ods.t", true),
        ("CALL remote_execute('starrocks', 'show tables')", true),
    ] {
        let Statement::Native(native) = parse_one(sql, &scope()).unwrap() else { panic!("{sql}") };
        assert_eq!(native.needs_database, expected, "{sql}");
    }
}

fn parse_with(sql: &str, dialect: SqlDialect, given: &[(&str, &str)]) -> Result<Statement, SqlError> {
    let file = SourceFile::new("a.sql", sql);
    let piece = split_in(&file, dialect)?.remove(0);
    let mut parameters = parameters();
    for (name, value) in given {
        parameters.set(name, *value, crate::ParameterSource::Run).unwrap();
    }
    parameters.set_raw("raw", "a = 'x' or b", crate::ParameterSource::Run).unwrap();
    parse(&substitute(&piece, &parameters, dialect)?, &scope(), dialect)
}

#[test]
fn what_a_remote_system_would_read_differently_is_refused_in_the_ansi_dialect() {
    for (sql, is_fine) in [
        (r#"SELECT `a`, 'x' FROM mysql.t"#, true),
        (r#"SELECT "a" FROM mysql.t"#, false),
        (r#"SELECT * FROM mysql.t WHERE a = 'C:\temp'"#, false),
        (r#"SELECT * FROM mysql.t WHERE a = '${v}'"#, false),
        // planned here, so read as it is meant
        (r#"SELECT "a", 'C:\temp', '${v}' FROM user_log"#, true),
    ] {
        let parsed = parse_with(sql, SqlDialect::Ansi, &[("v", "x\\")]);
        assert_eq!(parsed.is_ok(), is_fine, "{sql}: {parsed:?}");
    }
}

#[test]
fn parameters_in_sql_inside_a_string_must_not_change_it() {
    for (sql, value, is_fine) in [
        ("CALL remote_execute('mysql', 'DELETE FROM t WHERE a = ''${v}''')", "x y", true),
        ("CALL remote_execute('mysql', \"DELETE FROM t WHERE a = '${v}'\")", "x; y", true),
        ("CALL remote_execute('mysql', 'DELETE FROM t_${v}')", "20240807", true),
        ("CALL remote_execute('mysql', 'DELETE FROM t WHERE a = ${v}')", "-5", true),
        ("CALL remote_execute('mysql', \"DELETE FROM t WHERE ${raw}\")", "", true),
        ("CALL remote_execute('mysql', 'DELETE FROM t WHERE ${raw}')", "", false),
        ("CALL remote_execute('mysql', 'DELETE FROM t WHERE a = ''${v}''')", "x'' OR ''1''=''1", false),
        ("CALL remote_execute('mysql', \"DELETE FROM t WHERE a = '${v}'\")", "x' OR '1'='1", false),
        ("CALL remote_execute('mysql', \"DELETE FROM t WHERE a = '${v}'\")", "x\\\\", false),
        ("CALL remote_execute('mysql', 'DELETE FROM t WHERE a = ${v}')", "1 OR 1", false),
        ("CALL remote_execute('mysql', 'DELETE FROM t WHERE a = -${v}')", "-1", false),
        ("CALL remote_execute('mysql', 'DELETE FROM t /* ${v} */')", "*/ x", false),
        ("CALL remote_execute('mysql', 'DELETE FROM t WHERE a = ''\\${v}''')", "n", false),
        ("CALL remote_execute('mysql', 'DELETE FROM t WHERE a = ${v}')", "", false),
        ("SELECT * FROM remote_query('mysql', 'SELECT ''${v}''')", "x y", true),
        ("SELECT * FROM remote_query('mysql', 'SELECT ''${v}''')", "x'' OR ''1", false),
        ("SELECT * FROM TABLES('mysql.t', where => 'a = ''${v}''')", "x y", true),
        ("SELECT * FROM TABLES('mysql.t', 'mysql.u', WHERE => 'a = ${v}') AS x", "-5", true),
        ("SELECT * FROM TABLES('mysql.t', where => 'a = ''${v}''')", "x'' OR ''1", false),
        ("SELECT * FROM TABLES('mysql.t', where => 'a = ${v}')", "1 OR 1", false),
    ] {
        let parsed = parse_with(sql, SqlDialect::Mysql, &[("v", value)]);
        assert_eq!(parsed.is_ok(), is_fine, "{sql} with {value}: {parsed:?}");
        if let Err(error) = parsed {
            assert_eq!(error.code, ErrorCode::UnsafeParameter, "{sql} with {value}");
        }
    }
}

#[test]
fn a_stored_definition_reads_the_same_whatever_dialect_it_was_typed_in() {
    let sql = r#"CREATE EXTERNAL TABLE "my `table" ("a b" STRING COMMENT 'it''s \n') ROW FORMAT DELIMITED FIELDS TERMINATED BY '\001' LOCATION 'C:\temp\'"#;
    let read = |sql: &str, dialect: SqlDialect| match parse_with(sql, dialect, &[]).unwrap() {
        Statement::Session(session) => match *session {
            SessionStatement::CreateExternalTable(table) => *table,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let typed = read(sql, SqlDialect::Ansi);
    assert_eq!(typed.location, r"C:\temp\");
    let stored = read(&typed.text, SqlDialect::Mysql);
    assert_eq!(stored.name.parts, typed.name.parts);
    assert_eq!(stored.columns[0].name.parts, typed.columns[0].name.parts);
    assert_eq!(stored.columns[0].comment, typed.columns[0].comment);
    assert_eq!(stored.format, typed.format);
    assert_eq!(stored.location, typed.location);
}

/// The nodes that define external tables in the tutorial "Synchronize data" for Spark, as printed there.
const SPARK_NODES: &str = concat!(include_str!("ods_raw_log_d_spark.sql"), include_str!("ods_user_info_d_spark.sql"));

#[test]
fn the_tutorial_s_external_tables_and_their_partitions_parse_as_printed() {
    let statements: Vec<SessionStatement> = split_in(&SourceFile::new("nodes.sql", SPARK_NODES), SqlDialect::Mysql)
        .unwrap()
        .iter()
        .map(|piece| {
            let prepared = substitute(piece, &parameters(), SqlDialect::Mysql).unwrap();
            match parse(&prepared, &scope(), SqlDialect::Mysql).unwrap() {
                Statement::Session(session) => *session,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let [
        SessionStatement::CreateExternalTable(log),
        SessionStatement::AddPartitions { table, if_not_exists: true, partitions },
        SessionStatement::CreateExternalTable(user),
        SessionStatement::AddPartitions { partitions: user_partitions, .. },
    ] = statements.as_slice()
    else {
        panic!("{statements:?}")
    };
    let names = |columns: &[crate::statement::ColumnDefinition]| -> Vec<String> {
        columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect()
    };
    assert!(log.if_not_exists && user.if_not_exists);
    assert_eq!(
        (names(&log.columns), names(&log.partition_columns)),
        (vec!["col STRING".into()], vec!["dt STRING".into()])
    );
    assert_eq!((&log.format.row_format.fields, log.format.format), (&None, StorageFormat::Text));
    assert_eq!(log.location, "oss://dw-emr-demo/ods_raw_log_d/log_20240807/");
    assert_eq!(table.to_string(), "ods_raw_log_d_spark");
    assert_eq!(shown(partitions), ["dt=20240807 at oss://dw-emr-demo/ods_raw_log_d/log_20240807/"]);
    assert_eq!(names(&user.columns), ["uid STRING", "gender STRING", "age_range STRING", "zodiac STRING"]);
    assert_eq!(user.columns[0].comment.as_deref(), Some("The user ID"));
    assert_eq!(user.format.row_format.fields.as_deref(), Some(&b"|"[..]));
    assert_eq!(shown(user_partitions), ["dt=20240807 at oss://dw-emr-demo/ods_user_info_d/user_20240807/"]);
}

/// Partitions in one line each.
fn shown(partitions: &[crate::statement::PartitionDefinition]) -> Vec<String> {
    let location = |text: &Option<String>| text.as_ref().map(|text| format!(" at {text}")).unwrap_or_default();
    partitions
        .iter()
        .map(|partition| format!("{}{}", shown_values(&partition.values), location(&partition.location)))
        .collect()
}

fn shown_values(values: &[crate::statement::PartitionValue]) -> String {
    let value = |value: &crate::statement::PartitionValue| {
        format!("{}={}", value.column, value.value.as_deref().unwrap_or("NULL"))
    };
    values.iter().map(value).collect::<Vec<_>>().join("/")
}

#[test]
fn partitions_of_external_tables_are_added_dropped_repaired_and_shown() {
    for (sql, expected) in [
        ("ALTER TABLE user_log ADD PARTITION(dt=20240807)", "add user_log false: dt=20240807"),
        (
            "alter table user_log add if not exists partition (dt = '1', h = -1) partition (dt = date '2024-08-07', h = null) location 'x/y' PARTITION (dt=a, `h`=2)",
            "add user_log true: dt=1/h=-1, dt=2024-08-07/h=NULL at x/y, dt=a/h=2",
        ),
        ("ALTER EXTERNAL TABLE t ADD PARTITION (dt='1')", "add t false: dt=1"),
        ("ALTER TABLE syncline.default.t ADD PARTITION (dt='1')", "add syncline.default.t false: dt=1"),
        ("ALTER TABLE user_log DROP PARTITION (dt = '1')", "drop user_log false: dt=1"),
        (
            "ALTER TABLE user_log DROP IF EXISTS PARTITION (dt = '1'), PARTITION (dt = '2', h = 1) PURGE",
            "drop user_log true: dt=1, dt=2/h=1",
        ),
        ("MSCK REPAIR TABLE user_log", "repair user_log"),
        ("MSCK TABLE t ADD PARTITIONS", "repair t"),
        ("SHOW PARTITIONS user_log", "show user_log: "),
        ("SHOW PARTITIONS t PARTITION (dt='1')", "show t: dt=1"),
    ] {
        let text = match session_of(sql) {
            SessionStatement::AddPartitions { table, if_not_exists, partitions } => {
                format!("add {table} {if_not_exists}: {}", shown(&partitions).join(", "))
            }
            SessionStatement::DropPartitions { table, if_exists, partitions } => {
                let values: Vec<String> = partitions.iter().map(|values| shown_values(values)).collect();
                format!("drop {table} {if_exists}: {}", values.join(", "))
            }
            SessionStatement::RepairTable(table) => format!("repair {table}"),
            SessionStatement::ShowPartitions { table, partition } => {
                format!("show {table}: {}", shown_values(&partition))
            }
            other => panic!("{sql}: {other:?}"),
        };
        assert_eq!(text, expected, "{sql}");
    }
    for sql in [
        "ALTER TABLE user_log ADD PARTITION (dt)",
        "ALTER TABLE user_log ADD PARTITION (dt='1', DT='2')",
        "ALTER TABLE user_log ADD PARTITION (dt='1'), PARTITION (dt='2')",
        "ALTER TABLE user_log DROP PARTITION ()",
        "MSCK REPAIR TABLE user_log now",
        "SHOW PARTITIONS user_log dt='1'",
    ] {
        assert_eq!(parse_one(sql, &scope()).unwrap_err().code, ErrorCode::Syntax, "{sql}");
    }
}

#[test]
fn partitions_of_a_remote_table_are_the_remote_system_s() {
    let mut in_use = scope();
    in_use.current = Some(crate::scope::Place { catalog: "starrocks".into(), database: None });
    for sql in [
        "ALTER TABLE t ADD PARTITION (dt = '1')",
        "ALTER TABLE starrocks.t DROP PARTITION (dt = '1')",
        "SHOW PARTITIONS FROM t",
        "SHOW PARTITIONS t",
        "MSCK REPAIR TABLE t",
    ] {
        assert!(matches!(parse_one(sql, &in_use), Ok(Statement::Native(_))), "{sql}");
    }
    for sql in
        ["ALTER TABLE user_log ADD PARTITION (dt = '1')", "SHOW PARTITIONS user_log", "MSCK REPAIR TABLE user_log"]
    {
        assert!(matches!(parse_one(sql, &in_use), Ok(Statement::Session(_))), "{sql}");
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

#[test]
fn complex_types_parse_as_hive_and_spark_write_them() {
    let sql = "CREATE EXTERNAL TABLE t (a ARRAY<INT>, m MAP<STRING, ARRAY<INT>>, s struct<x:int,y:string>, n STRUCT<x INT, y: ARRAY<STRUCT<p:DECIMAL(10,2), `q r`:string COMMENT 'it''s'>>>,
        z array<map<string,struct<a:bigint,b:array<double>>>>, w STRUCT<x: INT NOT NULL, `date`: DATE, timestamp: TIMESTAMP>) LOCATION 'x'";
    let SessionStatement::CreateExternalTable(table) = session_of(sql) else { panic!() };
    let types: Vec<String> = table.columns.iter().map(|column| column.data_type.to_string()).collect();
    let expected = [
        "ARRAY<INT>",
        "Map(STRING, ARRAY<INT>)",
        "STRUCT<x INT, y STRING>",
        "STRUCT<x INT, y ARRAY<STRUCT<p DECIMAL(10,2), `q r` STRING>>>",
        "ARRAY<Map(STRING, STRUCT<a BIGINT, b ARRAY<DOUBLE>>)>",
        "STRUCT<x INT, `date` DATE, timestamp TIMESTAMP>",
    ];
    assert_eq!(types, expected);
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

#[test]
fn clauses_that_a_warehouse_has_go_there_untouched() {
    let own = "(uid STRING, dt STRING) DUPLICATE KEY (uid) PARTITION BY (dt) DISTRIBUTED BY HASH (uid) LIFECYCLE 7";
    assert_eq!(
        kind_of(&format!("CREATE TABLE IF NOT EXISTS starrocks.ods.t {own}"), &scope()),
        format!("native starrocks: CREATE TABLE IF NOT EXISTS ods.t {own}")
    );
    let maxcompute = "CREATE TABLE IF NOT EXISTS odps.t (uid STRING) PARTITIONED BY (dt STRING) LIFECYCLE 7";
    assert_eq!(kind_of(maxcompute, &scope()), "E1006 there is no catalog or database odps");
    let of_session = "CREATE TABLE IF NOT EXISTS t (uid STRING) PARTITIONED BY (dt STRING) LIFECYCLE 7";
    assert_eq!(kind_of(of_session, &scope()), "E1001 this names no system to create the table in");
}

#[test]
fn the_format_of_files_is_named_by_stored_as_using_and_serde() {
    for (clauses, format) in [
        ("", StorageFormat::Text),
        ("STORED AS textfile", StorageFormat::Text),
        ("STORED AS CSV", StorageFormat::Csv),
        ("STORED AS JSONFILE", StorageFormat::Json),
        ("STORED AS json", StorageFormat::Json),
        ("STORED AS AVRO", StorageFormat::Avro),
        ("STORED AS ORC", StorageFormat::Orc),
        ("USING csv", StorageFormat::SparkCsv),
        ("USING com.databricks.spark.csv", StorageFormat::SparkCsv),
        ("USING `text`", StorageFormat::SparkText),
        ("USING JSON", StorageFormat::SparkJson),
        ("USING parquet", StorageFormat::Parquet),
        ("ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'", StorageFormat::Text),
        ("ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' STORED AS TEXTFILE", StorageFormat::OpenCsv),
        (
            "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe' WITH SERDEPROPERTIES ('a'='b')",
            StorageFormat::Json,
        ),
        (
            "ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat' OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'",
            StorageFormat::Parquet,
        ),
        ("ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.avro.AvroSerDe' STORED AS AVRO", StorageFormat::Avro),
        (
            "STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.orc.OrcInputFormat' OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat'",
            StorageFormat::Orc,
        ),
    ] {
        let sql = format!("CREATE EXTERNAL TABLE t (a STRING) {clauses} LOCATION 'x'");
        let SessionStatement::CreateExternalTable(table) = session_of(&sql) else { panic!() };
        assert_eq!(table.format.format, format, "{clauses}");
    }
}

#[test]
fn options_have_names_and_values_in_any_spelling() {
    let sql = r"CREATE TABLE t (a INT, dt STRING) USING csv OPTIONS (path 'x/y', sep ',', header true, 'quote' '\'', a.b.c = 1, escape = '\\', samplingRatio 0.5) PARTITIONED BY (dt) TBLPROPERTIES ('header' = 'true')";
    let SessionStatement::CreateExternalTable(table) = session_of(sql) else { panic!() };
    assert_eq!((table.location.as_str(), table.partition_columns.len(), table.columns.len()), ("x/y", 1, 1));
    let shown: Vec<String> = table
        .format
        .properties
        .iter()
        .map(|property| match &property.value {
            PropertyValue::Text { value, .. } => format!("{}={value}", property.name),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, ["sep=,", "header=true", "quote='", "a.b.c=1", r"escape=\", "samplingRatio=0.5"]);
    let twice = "CREATE TABLE t (a INT) USING csv OPTIONS (path 'x', header true) TBLPROPERTIES ('header' = 'false')";
    assert_eq!(parse_one(twice, &scope()).unwrap_err().code, ErrorCode::Option);
}

#[test]
fn a_table_of_a_file_format_is_ours_unless_its_name_leads_elsewhere() {
    let used = in_use("starrocks", Some("ods"));
    let ours = "CREATE TABLE t (a INT) USING csv OPTIONS (path 'x')";
    assert!(matches!(parse_one(ours, &used), Ok(Statement::Session(_))));
    for sql in [
        "CREATE TABLE t (a INT, INDEX i (a) USING BITMAP) DUPLICATE KEY (a)",
        "CREATE TABLE t (a INT) COMMENT 'stored as text' PROPERTIES ('location' = 'x')",
    ] {
        assert_eq!(kind_of(sql, &used), format!("native starrocks: {sql}"));
    }
}
