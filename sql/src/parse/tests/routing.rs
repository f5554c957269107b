//! Where a statement runs.

use super::*;

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
fn what_mysql_runs_of_comments_is_sent_and_never_left_out() {
    for (sql, sent) in [
        ("delete from mysql.t where a > 5--1 and dt = 'x';", "delete from t where a > 5--1 and dt = 'x';"),
        ("delete from mysql.t /*!40000 where dt = 'x' */; ", "delete from t /*!40000 where dt = 'x' */"),
        (
            "/*M!100100 set statement a=1 for */ delete from mysql.t -- all",
            "/*M!100100 set statement a=1 for */ delete from t",
        ),
        ("explain analyze delete from mysql.t --x", "delete from t --x"),
    ] {
        let native = match parse_one(sql, &scope()).unwrap() {
            Statement::Native(native) => native,
            Statement::Explain(explain) => match explain.statement {
                Statement::Native(native) => native,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(native.text, sent, "{sql}");
    }
    for (sql, message) in [
        ("delete from mysql.t /*! where dt = '${bizdate}' */", "no parameter is put into a comment"),
        ("insert into starrocks.t select * from mysql.t /*! where a = 1 */", "this is a comment that only MySQL runs"),
        ("select 1 /*! + 1 */", "this is a comment that only MySQL runs"),
        ("/*!40101 SET NAMES utf8 */", "there is no statement here"),
    ] {
        let error = parse_one(sql, &scope()).unwrap_err();
        assert!(error.message.contains(message), "{sql}: {}", error.message);
    }
}

#[test]
fn remote_execute_runs_in_the_database_that_it_names() {
    let database = |sql: &str| match parse_one(sql, &in_use("mysql", Some("used"))).unwrap() {
        Statement::Native(native) => native.database,
        other => panic!("{other:?}"),
    };
    assert_eq!(database("CALL remote_execute('mysql', 'optimize table t', 'd')").as_deref(), Some("d"));
    assert_eq!(database("CALL remote_execute('mysql', 'optimize table t')").as_deref(), Some("used"));
    assert_eq!(database("CALL remote_execute('starrocks', 'optimize table t')"), None);
}

#[test]
fn an_unknown_catalog_suggests_the_nearest() {
    let error = parse_one("SELECT *\n  FROM starock.t JOIN user_log", &scope()).unwrap_err();
    let at = error.position.clone().unwrap();
    assert_eq!((at.line, at.column, error.hint.as_deref()), (2, 8, Some("did you mean starrocks?")));
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
