use datafusion_sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Value};

use crate::scope::FixedScope;
use crate::source::{Piece, Prepared, SourceFile};
use crate::statement::{Query, Statement};
use crate::{ErrorCode, SqlDialect, SqlError, parse};

fn prepared(sql: &str) -> Prepared {
    let file = SourceFile::new("a.sql", sql);
    Prepared { piece: Piece { file, range: 0..sql.len() }, text: sql.to_owned(), replacements: Vec::new() }
}

fn query_in(sql: &str, dialect: SqlDialect) -> Result<Query, SqlError> {
    match parse(&prepared(sql), &FixedScope::default(), dialect)? {
        Statement::Query(query) => Ok(*query),
        other => panic!("no query: {other:?}"),
    }
}

fn query(sql: &str) -> Result<Query, SqlError> {
    query_in(sql, SqlDialect::Mysql)
}

/// The first expression of the SELECT list.
fn first(sql: &str, dialect: SqlDialect) -> Expr {
    let query = query_in(sql, dialect).unwrap();
    let SetExpr::Select(select) = *query.ast.body else { panic!("no SELECT: {sql}") };
    match select.projection.into_iter().next() {
        Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => expr,
        other => panic!("no expression: {other:?}"),
    }
}

fn string(sql: &str, dialect: SqlDialect) -> String {
    match first(sql, dialect) {
        Expr::Value(value) => match value.value {
            Value::SingleQuotedString(text) => text,
            other => panic!("no string: {other:?}"),
        },
        other => panic!("no string: {other:?}"),
    }
}

#[test]
fn strings_arrive_exactly() {
    for (sql, expected) in [
        (r"SELECT 'a\'b'", "a'b"),
        (r"SELECT 'a''b'", "a'b"),
        (r#"SELECT "say ""hi""""#, r#"say "hi""#),
        (r#"SELECT "it's \"x\"""#, r#"it's "x""#),
        (r"SELECT 'C:\\temp'", r"C:\temp"),
        (r"SELECT '\Z'", "\u{1a}"),
        (r"SELECT '\0\b\n\r\t'", "\0\u{8}\n\r\t"),
        (r"SELECT '%\_%'", r"%\_%"),
        (r"SELECT '100\%'", r"100\%"),
        ("SELECT '😀 日志'", "😀 日志"),
        ("SELECT 'a\nb -- c /* d'", "a\nb -- c /* d"),
        ("SELECT ''", ""),
        (r"SELECT '\\'", "\\"),
        (r"SELECT '\d+'", "d+"),
        ("SELECT 'a' 'b'", "ab"),
        (r"SELECT N'a\'b'", "a'b"),
    ] {
        assert_eq!(string(sql, SqlDialect::Mysql), expected, "{sql}");
    }
}

#[test]
fn in_the_ansi_dialect_double_quotes_are_names_and_backslashes_stay() {
    assert_eq!(string(r"SELECT 'C:\temp\'", SqlDialect::Ansi), r"C:\temp\");
    assert_eq!(string(r"SELECT 'a''b'", SqlDialect::Ansi), "a'b");
    assert!(
        matches!(first(r#"SELECT "a""b" FROM t"#, SqlDialect::Ansi), Expr::Identifier(name) if name.value == "a\"b")
    );
}

#[test]
fn names_keep_their_case_and_backticks_quote() {
    let name = |sql| match first(sql, SqlDialect::Mysql) {
        Expr::Identifier(name) => (name.value, name.quote_style),
        other => panic!("{other:?}"),
    };
    assert_eq!(name("SELECT MyColumn FROM t"), ("MyColumn".to_owned(), None));
    assert_eq!(name("SELECT `a b``c` FROM t"), ("a b`c".to_owned(), Some('`')));
    assert_eq!(name("SELECT `select` FROM t"), ("select".to_owned(), Some('`')));
    assert_eq!(name("SELECT 列 FROM t"), ("列".to_owned(), None));
}

#[test]
fn operators_are_those_of_mysql_in_datafusions_terms() {
    for (sql, expected) in [
        ("SELECT a DIV b + c", "CAST(a / b AS BIGINT) + c"),
        ("SELECT a + b DIV c", "a + CAST(b / c AS BIGINT)"),
        ("SELECT a && b OR c", "a AND b OR c"),
        ("SELECT a XOR b = 1", "(CAST(a AS BOOLEAN) <> CAST(b = 1 AS BOOLEAN))"),
        ("SELECT a RLIKE 'x' AND b", "a ~ 'x' AND b"),
        ("SELECT a NOT REGEXP concat(b, 'x')", "a !~ concat(b, 'x')"),
        ("SELECT a NOT LIKE 'x'", "a NOT LIKE 'x'"),
        ("SELECT !a = b", "NOT a = b"),
        ("SELECT a <=> b", "a <=> b"),
        ("SELECT a != b", "a <> b"),
        ("SELECT a::int", "a::INT"),
        ("SELECT a || b", "a || b"),
    ] {
        assert_eq!(first(sql, SqlDialect::Mysql).to_string(), expected, "{sql}");
    }
    for (sql, left) in [
        ("SELECT a = 1 XOR b = 2 OR c", "(CAST(a = 1 AS BOOLEAN) <> CAST(b = 2 AS BOOLEAN))"),
        ("SELECT a ^ b * c", "a ^ b"),
        ("SELECT a + b << c", "a + b"),
        ("SELECT a << b & c", "a << b"),
    ] {
        let Expr::BinaryOp { left: found, .. } = first(sql, SqlDialect::Mysql) else { panic!("no operator: {sql}") };
        assert_eq!(found.to_string(), left, "{sql}");
    }
    // (!a) = b, not !(a = b)
    assert!(matches!(first("SELECT !a = b", SqlDialect::Mysql), Expr::BinaryOp { .. }));
}

#[test]
fn what_users_of_hive_mysql_and_starrocks_type_parses() {
    for sql in [
        "SELECT * FROM t LIMIT 5, 10",
        "SELECT * FROM t LIMIT 5 OFFSET 10",
        "SELECT a, count(*) FROM t GROUP BY ROLLUP (a)",
        "SELECT a, sum(b) FROM t GROUP BY GROUPING SETS ((a), ())",
        "SELECT a, sum(b) FROM t GROUP BY ALL ORDER BY ALL",
        "SELECT date_add(d, INTERVAL 1 DAY), d + INTERVAL '1' DAY, DATE '2024-08-07', TIMESTAMP '2024-08-07 00:00:00'",
        "SELECT a REGEXP 'x', a RLIKE 'y', a NOT LIKE 'z%' ESCAPE '!'",
        "SELECT IF(a, b, c), CASE a WHEN 1 THEN 'x' ELSE 'y' END, COALESCE(a, b)",
        "SELECT a[1], [1, 2], ARRAY[1, 2], {'a': 1}, MAP {'a': 1}",
        "SELECT count(DISTINCT a, b), count(*) FILTER (WHERE a > 1), group_concat(a), array_agg(a ORDER BY b)",
        "SELECT CAST(a AS SIGNED), CAST(a AS DECIMAL(10, 2)), CAST(a AS CHAR), CAST(a AS STRING), CONVERT(a, CHAR), TRY_CAST(a AS INT)",
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b DESC NULLS LAST) AS rn FROM t QUALIFY rn = 1",
        "SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY b)",
        "SELECT a AS 'x', b 'y', c AS `z`, d e FROM t AS u",
        "SELECT * FROM a JOIN b USING (x) LEFT JOIN c ON a.x = c.x CROSS JOIN d, e",
        "SELECT * FROM a LEFT SEMI JOIN b ON a.x = b.x LEFT ANTI JOIN c ON a.x = c.x",
        "SELECT * FROM t LATERAL VIEW explode(split(a, ',')) v AS x",
        "SELECT * FROM t, unnest(a) AS u(x)",
        "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (x, y)",
        "SELECT * FROM remote_query('starrocks', 'SELECT 1')",
        "SELECT * EXCEPT (a) FROM t",
        "SELECT a->'x', a->>'y', NOT a, !a, ~a, a ^ b, a << 2, a & b, a XOR b",
        "SELECT EXTRACT(DAY FROM d), SUBSTRING(a FROM 1 FOR 2), TRIM(BOTH 'x' FROM a), POSITION('a' IN b)",
        "SELECT x'1F', 0x1F, 1e5, .5, 1.5e-3, 20240807",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t",
        "WITH a AS (SELECT 1), b (x) AS (SELECT * FROM a) SELECT * FROM b",
        "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 5) SELECT * FROM a",
        "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 1",
        "SELECT 1 UNION SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 4",
        "SELECT * FROM t WHERE a = ANY (SELECT b FROM u) AND EXISTS (SELECT 1) AND a IN (1, 2) AND b BETWEEN 1 AND 2",
        "SELECT * FROM t WHERE a IS NOT DISTINCT FROM b AND c IS NULL AND (a, b) = (1, 2)",
        "SELECT f(a => 1), named_struct('a', 1), STRUCT(1 AS a)",
        "SELECT a COLLATE utf8mb4_bin FROM t",
        "SELECT /*+ SET_VAR(query_timeout = 1) */ a FROM t -- end",
        "VALUES (1, 2), (3, 4)",
        "SELECT DISTINCT a, b, FROM t",
        "SELECT timestampdiff(DAY, a, b), current_date, now(), localtimestamp",
        "SELECT `db`.`t`.`a` FROM `default`.`t`",
        "SELECT $1, ?",
        "FROM t SELECT a",
    ] {
        if let Err(error) = query(sql) {
            panic!("{sql}\n{}", error.render());
        }
    }
}

#[test]
fn a_syntax_error_points_into_the_script_and_suggests() {
    for (sql, line, column, hint) in [
        ("SELECT *\nFORM t", 2, 1, Some("did you mean FROM instead of FORM?")),
        ("SELECT a\nFROM t\n WEHRE a = 1", 3, 8, Some("did you mean WHERE instead of WEHRE?")),
        ("SELECT a,, b", 1, 10, None),
        ("SELECT (1 + ", 1, 12, None),
        ("SELECT 'é', 1 +* 2", 1, 16, None),
        ("SELECT a FROM t ORDR BY b", 1, 22, Some("did you mean ORDER instead of ORDR?")),
        ("SELECT a FROM t)", 1, 16, None),
    ] {
        let error = query(sql).unwrap_err();
        let at = error.position.clone().unwrap();
        assert_eq!(
            (error.code, at.line, at.column, error.hint.as_deref()),
            (ErrorCode::Syntax, line, column, hint),
            "{sql}: {error}"
        );
    }
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    let sql = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(query(&sql).unwrap_err().code, ErrorCode::Syntax);
    let sql = format!("SELECT * FROM {}t{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(query(&sql).unwrap_err().code, ErrorCode::Syntax);
}

#[test]
fn a_query_names_its_tables_and_leads_back_to_the_script() {
    let query = query("WITH c AS (SELECT * FROM `default`.a)\nSELECT * FROM c JOIN b ON b.x = c.x JOIN b d").unwrap();
    let tables: Vec<_> = query.tables.iter().map(|t| (t.to_string(), t.position.line, t.position.column)).collect();
    assert_eq!(tables, [("default.a".to_owned(), 1, 26), ("b".to_owned(), 2, 22)]);
    // spans count from the start of the prepared text
    let SetExpr::Select(select) = *query.ast.body else { panic!("no SELECT") };
    let datafusion_sql::sqlparser::ast::TableFactor::Table { name, .. } = &select.from[0].relation else {
        panic!("no table")
    };
    let span = datafusion_sql::sqlparser::ast::Spanned::span(name);
    let offset = query.prepared.offset_of(span.start.line, span.start.column);
    assert_eq!(&query.prepared.text[offset..offset + 6], "c JOIN");
}

#[test]
fn our_tables_are_those_of_the_parsed_query() {
    use datafusion_sql::sqlparser::ast::visit_relations;
    use std::ops::ControlFlow;
    for sql in [
        "SELECT * FROM a, `default`.b JOIN (c JOIN d ON 1 = 1) WHERE x IN (SELECT y FROM e WHERE z = (SELECT max(w) FROM f))",
        "SELECT EXTRACT(DAY FROM x), (SELECT 1 FROM a LIMIT 1) FROM b x LEFT SEMI JOIN c ON x.y = c.y UNION SELECT 1 FROM d",
        "SELECT * FROM (SELECT * FROM a) x, (b), ((c JOIN d ON 1 = 1)) ORDER BY (SELECT 1 FROM e) DESC NULLS LAST",
        "SELECT a IS DISTINCT FROM b, trim(x FROM y) FROM t GROUP BY a HAVING count(*) > (SELECT 1 FROM u)",
    ] {
        let query = query(sql).unwrap();
        let mut parsed: Vec<String> = Vec::new();
        let _ = visit_relations(&*query.ast, |name| {
            parsed.push(name.to_string().replace('`', ""));
            ControlFlow::<()>::Continue(())
        });
        let mut ours: Vec<String> = query.tables.iter().map(ToString::to_string).collect();
        ours.sort();
        parsed.sort();
        assert_eq!(ours, parsed, "{sql}");
    }
}
