//! The grammar, as far as it is seen without executing anything.

use super::{ParsedStatement, parse, parse_one};
use crate::sql::statement::{
    ColumnDefault, InsertSource, InsertValue, ListPartition, Literal, ShowKind, Statement, TableChange,
};
use crate::storage::KeyModel;
use crate::types::ColumnType;

fn statement(text: &str) -> Statement {
    parse_one(text).unwrap_or_else(|error| panic!("{text}: {error}")).statement
}

#[test]
fn create_table_reads_every_clause() {
    let text = "CREATE TABLE IF NOT EXISTS default_catalog.`ods`.`t` (
        `k` bigint(20) NOT NULL DEFAULT '-1' COMMENT 'it''s \"k\"', m map<int, array<varchar(10)>> NULL, s struct<a int, b decimal(10, 2)>,
        ts datetime DEFAULT CURRENT_TIMESTAMP, n decimal(10,2) DEFAULT NULL
    ) ENGINE=OLAP DEFAULT CHARSET=utf8 PRIMARY KEY(`k`) COMMENT \"c\" PARTITION BY LIST (`dt`, x) () DISTRIBUTED BY HASH(`k`) BUCKETS 8
    ORDER BY (k, ts) PROPERTIES (\"replication_num\" = \"1\", 'a' = 'b');";
    let Statement::CreateTable(table) = statement(text) else { panic!("not CREATE TABLE") };
    assert!(table.if_not_exists);
    assert_eq!((table.name.database.as_deref(), table.name.table.as_str()), (Some("ods"), "t"));
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["k", "m", "s", "ts", "n"]);
    assert_eq!(table.columns[0].nullable, Some(false));
    assert_eq!(table.columns[0].default, Some(ColumnDefault::Value("-1".to_owned())));
    assert_eq!(table.columns[0].comment, "it's \"k\"");
    assert_eq!(table.columns[1].column_type.to_string(), "MAP<INT,ARRAY<VARCHAR(10)>>");
    assert_eq!(table.columns[3].default, Some(ColumnDefault::CurrentTimestamp));
    assert_eq!(table.columns[4].column_type, ColumnType::Decimal { precision: 10, scale: 2 });
    assert_eq!(table.keys, Some((KeyModel::Primary, vec!["k".to_owned()])));
    assert_eq!(table.partition_by.columns, ["dt", "x"]);
    assert!(table.partition_by.list);
    assert_eq!(table.distribution.unwrap().buckets, Some(8));
    assert_eq!(table.order_by, ["k", "ts"]);
    assert_eq!(table.properties.len(), 2);
}

#[test]
fn partition_by_needs_no_parentheses_and_random_distribution_no_columns() {
    let Statement::CreateTable(table) =
        statement("CREATE TABLE t (k INT, dt DATE) PARTITION BY dt DISTRIBUTED BY RANDOM")
    else {
        panic!("not CREATE TABLE")
    };
    assert_eq!(table.partition_by.columns, ["dt"]);
    assert!(table.distribution.unwrap().columns.is_empty());
}

#[test]
fn alter_table_changes_partitions() {
    let change = |text: &str| match statement(text) {
        Statement::AlterTable { mut changes, .. } => changes.remove(0),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        change("ALTER TABLE t DROP PARTITION IF EXISTS p20240807 FORCE"),
        TableChange::DropPartitions { names: vec!["p20240807".to_owned()], if_exists: true, temporary: false }
    );
    assert_eq!(
        change("alter table a.t drop temporary partitions (p1, `p2`)"),
        TableChange::DropPartitions {
            names: vec!["p1".to_owned(), "p2".to_owned()],
            if_exists: false,
            temporary: true
        }
    );
    assert_eq!(
        change("ALTER TABLE t ADD PARTITION IF NOT EXISTS p VALUES IN (('2024-08-07', -1), (NULL, 'x'))"),
        TableChange::AddPartition {
            partition: ListPartition {
                name: "p".to_owned(),
                if_not_exists: true,
                values: vec![
                    vec![Some("2024-08-07".to_owned()), Some("-1".to_owned())],
                    vec![None, Some("x".to_owned())]
                ],
            },
            temporary: false,
        }
    );
}

#[test]
fn insert_reads_literals_parameters_defaults_and_expressions() {
    let text = "INSERT INTO d.t PARTITION (p1, p2) WITH LABEL l_1 (a, `b`) VALUES (-1.5, 'x\\'y'), (?, DEFAULT), (NULL, TRUE), (1 + 2, now()), (x'4142', ?)";
    let ParsedStatement { statement, parameters, .. } = parse_one(text).unwrap();
    assert_eq!(parameters, 2);
    let Statement::Insert(insert) = statement else { panic!("not INSERT") };
    assert_eq!(insert.partitions, ["p1", "p2"]);
    assert_eq!(insert.label.as_deref(), Some("l_1"));
    assert_eq!(insert.columns, ["a", "b"]);
    let InsertSource::Values(rows) = insert.source else { panic!("not VALUES") };
    assert_eq!(
        rows[0],
        [
            InsertValue::Literal(Literal::Number("-1.5".to_owned())),
            InsertValue::Literal(Literal::Text("x'y".to_owned()))
        ]
    );
    assert_eq!(rows[1], [InsertValue::Parameter(0), InsertValue::Default]);
    assert_eq!(rows[2], [InsertValue::Literal(Literal::Null), InsertValue::Literal(Literal::Boolean(true))]);
    assert!(matches!(rows[3][..], [InsertValue::Expression(_), InsertValue::Expression(_)]));
    assert_eq!(rows[4], [InsertValue::Literal(Literal::Binary(b"AB".to_vec())), InsertValue::Parameter(1)]);
}

#[test]
fn insert_from_a_query_in_and_without_parentheses() {
    for text in [
        "INSERT INTO t SELECT 1",
        "INSERT INTO t (SELECT 1)",
        "INSERT OVERWRITE TABLE t (a) WITH x AS (SELECT 1) SELECT * FROM x",
    ] {
        let Statement::Insert(insert) = statement(text) else { panic!("not INSERT") };
        assert!(matches!(insert.source, InsertSource::Query(_)), "{text}");
    }
}

#[test]
fn show_knows_databases_full_and_filters() {
    let show = |text: &str| match statement(text) {
        Statement::Show(show) => *show,
        other => panic!("{other:?}"),
    };
    assert_eq!(show("SHOW TABLES FROM `a` LIKE 'x%'").like.as_deref(), Some("x%"));
    assert!(matches!(show("SHOW FULL TABLES").kind, ShowKind::Tables { full: true, .. }));
    assert!(show("SHOW PARTITIONS FROM t WHERE PartitionName = 'p' LIMIT 1").filter.is_some());
    assert!(
        matches!(show("show full columns from t from d").kind, ShowKind::Columns { table, full: true } if table.database.as_deref() == Some("d"))
    );
    assert!(matches!(show("SHOW GLOBAL VARIABLES LIKE 'a'").kind, ShowKind::Variables));
}

#[test]
fn statements_are_cut_at_semicolons_outside_of_strings_and_comments() {
    let statements = parse("SELECT ';'; -- ;\n/* ; */ USE a;; SELECT `;`").unwrap();
    assert_eq!(statements.len(), 3);
    assert_eq!(parse(" -- nothing\n").unwrap()[0].statement, Statement::Empty);
}

#[test]
fn parameters_are_counted_for_each_statement_by_itself() {
    let counts: Vec<_> =
        parse("SELECT ?, '?', `?` FROM t WHERE a = ? -- ?\n; SELECT ?").unwrap().iter().map(|s| s.parameters).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn errors_name_line_column_and_the_text_there() {
    for (text, place, found) in [
        ("SELEC 1", "line 1, column 1", "'SELEC'"),
        ("CREATE TABLE t\n  (k INT,\n   )", "line 3, column 4", "')'"),
        ("DROP TABLE", "line 1, column 11", "'<EOF>'"),
        ("SELECT 1 FROM t WHERE\n a = = 1", "Line: 2", "="),
        ("INSERT INTO t VALUES (1,)", "", ""),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.code, 1064, "{text}");
        assert!(error.message.contains(place) && error.message.contains(found), "{text}: {error}");
    }
}

#[test]
fn what_starrocks_has_and_minirocks_has_not_is_named() {
    for (text, named) in [
        ("CREATE TABLE t (k INT, v INT HLL_UNION) AGGREGATE KEY(k)", "HLL_UNION on column 'v'"),
        ("CREATE TABLE t (dt DATE) PARTITION BY RANGE(dt) ()", "PARTITION BY RANGE"),
        ("CREATE TABLE t (dt DATE) PARTITION BY date_trunc('day', dt)", "PARTITION BY date_trunc"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED"),
        ("UPDATE t SET a = 1 FROM u WHERE t.k = u.k", "UPDATE … FROM"),
        ("ALTER TABLE t SWAP WITH u", "ALTER TABLE … SWAP"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(
            error.message.contains("MiniRocks does not support") && error.message.contains(named),
            "{text}: {error}"
        );
    }
}

#[test]
fn no_beginning_of_a_statement_panics() {
    let statements = [
        "CREATE TABLE t (k decimal(10,2) NOT NULL DEFAULT 'x' COMMENT 'c') PRIMARY KEY(k) PARTITION BY (k) PROPERTIES ('a'='b')",
        "INSERT INTO t (a) VALUES ('é', x'41', -1, ?, f(1, (2))), (1)",
        "ALTER TABLE t ADD TEMPORARY PARTITION p VALUES IN (('a', -1))",
        "SHOW FULL COLUMNS FROM `t` FROM d WHERE a LIKE 'x\\%'",
        "SET @@session.`a` = 1, NAMES utf8",
        "SELECT @@a.b, /* c */ `x` <=> 0x41 FROM t WHERE a IN ('杭', 1.5e3) -- end",
    ];
    for statement in statements {
        for end in (0..=statement.len()).filter(|end| statement.is_char_boundary(*end)) {
            let _ = parse(&statement[..end]);
            let _ = parse(&statement[end..]);
        }
    }
}
