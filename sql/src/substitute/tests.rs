use super::*;
use crate::parameters::tests::parameters;
use crate::source::SourceFile;
use crate::split::split_in;

const GIVEN: &[(&str, &str)] = &[
    ("t", "orders"),
    ("n", "-5"),
    ("f", "1.5"),
    ("quoted", "'it''s'"),
    ("two", "a b"),
    ("quote", "it's"),
    ("doubled", "it''s"),
    ("backslash", "x\\"),
    ("placeholder", "$${t}"),
    ("inject", "1; DROP TABLE x"),
    ("comment", "a--"),
    ("empty", ""),
    ("tick", "a`b"),
    ("dq", "say \"hi\""),
    ("x", "x"),
    ("month", "2024-08"),
    ("env", "$${env:HOME}"),
    ("日期", "20240807"),
];

fn run_in(sql: &str, dialect: SqlDialect) -> Result<Prepared, SqlError> {
    let file = SourceFile::new("a.sql", format!("SELECT 0;\n{sql}"));
    let piece = split_in(&file, dialect).unwrap().pop().unwrap();
    let mut given = parameters(GIVEN);
    given.set_raw("filter", "a > 1 or b = 'x'", crate::ParameterSource::Run).unwrap();
    given.set_raw("open", "a = 'x", crate::ParameterSource::Run).unwrap();
    substitute(&piece, &given, dialect)
}

fn run(sql: &str) -> Result<String, SqlError> {
    run_in(sql, SqlDialect::Mysql).map(|prepared| prepared.text)
}

#[test]
fn placeholders_are_replaced_by_the_lexical_rules() {
    for (sql, expected) in [
        ("SELECT '${bizdate}'", "SELECT '20240807'"),
        ("SELECT '$<bizdate>'", "SELECT '20240807'"),
        ("SELECT $<bizdate>", "SELECT 20240807"),
        ("p${bizdate} FORCE", "p20240807 FORCE"),
        ("${t}_${bizdate}x", "orders_20240807x"),
        ("FROM a.${t}.b", "FROM a.orders.b"),
        ("FROM ${t}.${t}", "FROM orders.orders"),
        ("FROM `${t} x`", "FROM `orders x`"),
        ("\"${t}\"", "\"orders\""),
        ("WHERE a = ${n}", "WHERE a = -5"),
        ("WHERE a - ${n}", "WHERE a - -5"),
        ("WHERE a*${f}", "WHERE a*1.5"),
        ("WHERE a = ${quoted}", "WHERE a = 'it''s'"),
        ("'${two}'", "'a b'"),
        ("'${doubled}'", "'it''s'"),
        ("'${dq}'", "'say \"hi\"'"),
        ("'${日期}'", "'20240807'"),
        // these stay as typed
        ("SELECT $1, a[$[0]], $$", "SELECT $1, a[$[0]], $$"),
        ("a$b < c AND d > e", "a$b < c AND d > e"),
        ("a$<b and c>d", "a$<b and c>d"),
        ("'$[yyyymmdd]' '$bizdate' '$1'", "'$[yyyymmdd]' '$bizdate' '$1'"),
        (
            "-- ${nothing}\nx /* ${nothing} */ y /*+ ${nothing} */ z # ${nothing}\n q",
            "x /* ${nothing} */ y /*+ ${nothing} */ z # ${nothing}\n q",
        ),
        // literals
        ("'$${t} $$<t>'", "'${t} $<t>'"),
        ("$${t}", "${t}"),
        // once, never again
        ("'${placeholder}'", "'${t}'"),
        // any SQL
        ("WHERE ${filter}", "WHERE a > 1 or b = 'x'"),
    ] {
        assert_eq!(run(sql).as_deref(), Ok(expected), "{sql}");
    }
}

#[test]
fn a_value_that_would_be_more_than_one_token_is_refused_at_its_placeholder() {
    for sql in [
        "WHERE a = ${two}",
        "WHERE a = ${inject}",
        "WHERE a = ${quote}",
        "WHERE a = ${comment}",
        "WHERE a = ${empty}",
        "WHERE a = ${month}",
        "WHERE a -${n}",
        "WHERE a = 5${n}",
        "WHERE a = p${n}",
        "WHERE a = ${n}${n}",
        "WHERE a = ${quoted}'x'",
        "WHERE a = ${x}'1F'",
        "WHERE a = ${t}${quoted}",
        "FROM ${tick}",
        "FROM ${dq}",
    ] {
        let error = run(sql).unwrap_err();
        let at = error.position.unwrap();
        assert_eq!(error.code, ErrorCode::UnsafeParameter, "{sql}");
        assert_eq!((at.line, at.column), (2, sql.find("${").unwrap() + 1), "{sql}");
    }
}

#[test]
fn a_value_must_not_end_the_quotes_it_stands_in() {
    for sql in [
        "'${quote}'",
        "'${backslash}'",
        "'${backslash}' OR '1'",
        "'${backslash}', '${t}'",
        "`${tick}`",
        "\"${dq}\"",
        "'${filter}'",
    ] {
        let error = run(sql).unwrap_err();
        assert_eq!(error.code, ErrorCode::UnsafeParameter, "{sql}");
        assert_eq!(error.position.unwrap().column, sql.find("${").unwrap() + 1, "{sql}");
    }
    // a backslash is no escape in the standard's dialect
    assert!(run_in("'${backslash}'", SqlDialect::Ansi).is_ok());
    assert!(run_in("\"${dq}\"", SqlDialect::Ansi).is_err());
}

#[test]
fn a_raw_value_that_leaves_a_string_open_is_an_error() {
    assert_eq!(run("WHERE ${open}").unwrap_err().code, ErrorCode::Syntax);
    assert_eq!(run("WHERE ${open} and '${t}'").unwrap_err().code, ErrorCode::UnsafeParameter);
}

#[test]
fn references_stay_only_as_whole_property_values() {
    for sql in [
        r#"CREATE EXTERNAL CATALOG c PROPERTIES ("type" = "mysql", "password" = "${env:WORKSHOP_PASSWORD}")"#,
        "CREATE EXTERNAL TABLE t (a INT) OPTIONS ('k' = '${file:secrets/key.txt}')",
        "CREATE EXTERNAL TABLE t (a INT) TBLPROPERTIES(k='${env:X}')",
        "CREATE EXTERNAL TABLE t (a INT) OPTIONS (k '${env:X}')",
        "ALTER CATALOG c SET PROPERTIES /* x */ ( -- y\n password = '${env:X}')",
    ] {
        assert_eq!(run(sql).as_deref(), Ok(sql), "{sql}");
    }
    for sql in [
        "SELECT '${env:HOME}'",
        "SELECT ${env:HOME}",
        "SET syncline.x = '${env:X}'",
        "C PROPERTIES ('k' = 'a${env:X}')",
        "C PROPERTIES ('k' = '${env:X} ')",
        "C PROPERTIES ('k' = '${env:X}${env:Y}')",
        "C PROPERTIES ('k' = ${env:X})",
        "C PROPERTIES ('${env:X}' = 'v')",
        "C PROPERTIES ('k' = f('${env:X}'))",
        "C PROPERTIES ('k' = '${env:}')",
        "f(properties, ('${env:X}'))",
    ] {
        assert_eq!(run(sql).unwrap_err().code, ErrorCode::Reference, "{sql}");
    }
}

#[test]
fn positions_lead_back_to_the_file() {
    let prepared = run_in("SELECT '${bizdate}', $${, ${t} x\nFROM y", SqlDialect::Mysql).unwrap();
    assert_eq!(prepared.text, "SELECT '20240807', ${, orders x\nFROM y");
    for (needle, line, column) in [
        ("SELECT", 2, 1),
        ("20240807", 2, 9),
        ("0807", 2, 9),
        ("${", 2, 22),
        ("orders", 2, 27),
        (" x", 2, 31),
        ("FROM", 3, 1),
    ] {
        let at = prepared.position(prepared.text.find(needle).unwrap());
        assert_eq!((at.line, at.column), (line, column), "{needle}");
    }
}

#[test]
fn an_open_placeholder_is_an_error_outside_quotes_and_text_inside() {
    assert_eq!(run("SELECT ${a").unwrap_err().code, ErrorCode::Syntax);
    assert_eq!(run("SELECT 'a${'").unwrap(), "SELECT 'a${'");
    assert_eq!(run("SELECT '${a b}'").unwrap_err().code, ErrorCode::ParameterValue);
}

#[test]
fn date_expressions_are_put_in_by_the_same_rules() {
    for (sql, expected) in [
        ("SELECT '${yyyymmdd-1}'", "SELECT '20240806'"),
        ("DROP PARTITION p${yyyymmdd}", "DROP PARTITION p20240807"),
        ("SELECT '${yyyy-mm-dd}', `log_${yyyymm}`", "SELECT '2024-08-07', `log_202408`"),
    ] {
        assert_eq!(run(sql).unwrap(), expected, "{sql}");
    }
    // a date with separators is no word and no number
    assert_eq!(run("SELECT ${yyyy-mm-dd}").unwrap_err().code, ErrorCode::UnsafeParameter);
    let error = run("SELECT\n '${yyyymmdd-1/24}'").unwrap_err();
    assert_eq!((error.code, error.position.unwrap().line), (ErrorCode::ParameterValue, 3));
}

#[test]
fn unknown_names_are_errors_at_their_place() {
    let error = run("SELECT 1,\n  '${bizdat}'").unwrap_err();
    let at = error.position.clone().unwrap();
    assert_eq!((error.code, at.line, at.column), (ErrorCode::UndefinedParameter, 3, 4));
    assert_eq!(error.hint.as_deref(), Some("did you mean bizdate?"));
}
