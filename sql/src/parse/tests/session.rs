//! Statements of the session.

use super::*;

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
