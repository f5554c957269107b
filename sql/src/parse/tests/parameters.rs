//! Parameters within statements, dialects, and messages.

use super::*;

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
