use super::*;
use crate::token::{TextKind, tokenize};

fn find(sql: &str) -> Names {
    let tokens = tokenize(sql, SqlDialect::Mysql, TextKind::Prepared).tokens;
    find_names(sql, &tokens, SqlDialect::Mysql)
}

fn tables(sql: &str) -> Vec<String> {
    find(sql).refs.iter().filter(|name| name.is_table).map(|name| name.parts.join(".")).collect()
}

fn others(sql: &str) -> Vec<String> {
    find(sql).refs.iter().filter(|name| !name.is_table).map(|name| name.parts.join(".")).collect()
}

#[test]
fn tables_are_found_where_tables_stand() {
    for (sql, expected) in [
        ("SELECT a, b FROM t", vec!["t"]),
        ("SELECT a FROM t, u x, `v w` AS y WHERE t.a = u.b", vec!["t", "u", "v w"]),
        ("SELECT a FROM t JOIN b.u ON t.x = u.x, v LEFT JOIN c . d . e USING (x, y)", vec!["t", "b.u", "v", "c.d.e"]),
        ("SELECT (SELECT max(x) FROM u) FROM t WHERE x IN (SELECT y FROM v, w)", vec!["u", "t", "v", "w"]),
        ("SELECT * FROM (t, u) JOIN (v JOIN w ON 1 = 1)", vec!["t", "u", "v", "w"]),
        ("SELECT * FROM (SELECT a, b FROM t) x, u", vec!["t", "u"]),
        ("SELECT EXTRACT(DAY FROM d), TRIM(a FROM b), SUBSTRING(x FROM 2) FROM t", vec!["t"]),
        ("SELECT a IS NOT DISTINCT FROM b, c FROM t", vec!["t"]),
        ("SELECT * FROM unnest(a) x, t, generate_series(1, 2)", vec!["t"]),
        ("SELECT * FROM t LATERAL VIEW explode(x) y AS z", vec!["t"]),
        ("SELECT * FROM t ORDER BY a, b", vec!["t"]),
        ("SELECT * FROM t UNION ALL SELECT * FROM u FOR UPDATE", vec!["t", "u"]),
        ("SELECT DISTINCT a FROM t LIMIT 1", vec!["t"]),
        ("INSERT INTO t (a, b) SELECT a, b FROM u", vec!["t", "u"]),
        ("INSERT OVERWRITE TABLE a.t PARTITION (p) SELECT 1", vec!["a.t"]),
        ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", vec!["t"]),
        ("CREATE TABLE IF NOT EXISTS a.b (c INT, d INT)", vec!["a.b"]),
        ("CREATE TABLE a LIKE b", vec!["a", "b"]),
        ("CREATE VIEW v AS SELECT * FROM t", vec!["v", "t"]),
        ("DROP TABLE IF EXISTS a, b.c", vec!["a", "b.c"]),
        ("ALTER TABLE t DROP PARTITION IF EXISTS p1 FORCE", vec!["t"]),
        ("UPDATE t SET a = 1 WHERE b = 2", vec!["t"]),
        ("DELETE FROM t USING u WHERE t.a = u.a", vec!["t", "u"]),
        ("TRUNCATE TABLE t", vec!["t"]),
        ("GRANT SELECT ON a.b TO c", vec!["a.b"]),
        ("DESC t", vec!["t"]),
        ("SHOW PARTITIONS FROM a.b", vec!["a.b"]),
        ("SELECT tables, a.b FROM t", vec!["t"]),
        ("TABLE t", vec!["t"]),
        ("MERGE INTO t USING u ON t.a = u.a", vec!["t", "u"]),
        ("SELECT a FROM TABLE(f(1)) x, t", vec!["t"]),
        ("SELECT 'FROM x', \"FROM y\" -- FROM z\n", vec![]),
        ("SELECT 1 INTO @x", vec![]),
    ] {
        assert_eq!(tables(sql), expected, "{sql}");
    }
}

#[test]
fn common_table_expressions_are_no_tables_where_they_hold() {
    for (sql, expected) in [
        ("WITH c AS (SELECT * FROM t) SELECT * FROM c, u", vec!["t", "u"]),
        ("WITH c (x, y) AS (SELECT 1), d AS (SELECT * FROM C) SELECT * FROM d", vec![]),
        // the expression's own name inside its body is a table, unless it is recursive
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", vec!["t"]),
        ("WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT * FROM t", vec![]),
        ("SELECT * FROM (WITH c AS (SELECT 1) SELECT * FROM c) x JOIN c", vec!["c"]),
        ("WITH c AS (SELECT 1) SELECT * FROM a.c", vec!["a.c"]),
    ] {
        assert_eq!(tables(sql), expected, "{sql}");
    }
}

#[test]
fn dotted_names_elsewhere_are_those_without_an_alias() {
    for (sql, expected) in [
        ("SELECT a.x, b.y, sr.ods.t.z FROM sr.ods.t a JOIN u AS b", vec!["sr.ods.t.z"]),
        ("SELECT sr.x FROM sr.ods.t sr", vec![]),
        ("WITH sr AS (SELECT 1 AS x) SELECT sr.x FROM sr", vec![]),
        ("SELECT t.x, u.* FROM sr.ods.t, (SELECT 1) u", vec![]),
        ("SELECT sr.ods.f(x), (s).sr.y, a[1].sr FROM sr.t", vec!["sr.ods.f"]),
        ("CREATE DATABASE IF NOT EXISTS sr.ods", vec!["sr.ods"]),
        ("GRANT ALL ON x TO y; sr.ods.*", vec!["sr.ods.*"]),
    ] {
        assert_eq!(others(sql), expected, "{sql}");
    }
}

#[test]
fn functions_in_the_place_of_a_table_are_named() {
    let names = find("SELECT * FROM remote_query('sr', 'SELECT 1') x JOIN Unnest(a)");
    assert_eq!(
        names.table_functions.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["remote_query", "unnest"]
    );
}
