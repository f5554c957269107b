//! Jobs that read and write databases: where a data source, a login, a database and a mode come from.

use super::*;

/// A DataX job of a reader and a writer.
fn job(reader: &str, read: &str, writer: &str, write: &str) -> Result<Converted> {
    let text = format!(
        r#"{{"job": {{"setting": {{"errorLimit": {{"record": 0}}}}, "content": [{{
            "reader": {{"name": "{reader}", "parameter": {{{read}}}}},
            "writer": {{"name": "{writer}", "parameter": {{{write}}}}}}}]}}}}"#
    );
    convert("a.json", &text, Variables::Braces)
}

const CONSTANT: &str = r#""sliceRecordCount": 1, "column": [{"value": "x"}]"#;
const PRINT: &str = r#""print": true"#;

fn read(reader: &str, parameters: &str) -> String {
    job(reader, parameters, "streamwriter", PRINT).unwrap().sql
}

fn written(writer: &str, parameters: &str) -> Converted {
    job("streamreader", CONSTANT, writer, parameters).unwrap()
}

#[test]
fn each_connection_of_starrocks_has_its_database() {
    let shards = r#""datasource": "sr", "selectedDatabase": "ods", "connection": [{"selectedDatabase": "d1", "table": ["t"]}, {"table": ["t"]}]"#;
    let sql = read("starrocksreader", &format!(r#"{shards}, "column": ["a"]"#));
    assert!(sql.contains("FROM TABLES('sr.d1.t', 'sr.ods.t');"), "{sql}");
    let sql = read("starrocksreader", &format!(r#"{shards}, "column": ["upper(a)"]"#));
    assert!(sql.contains("FROM `d1`.`t`") && sql.contains("FROM `ods`.`t`"), "{sql}");
    let query = r#""datasource": "sr", "connection": [{"selectedDatabase": "d1", "querySql": ["SELECT a FROM t"]}]"#;
    let sql = read("starrocksreader", query);
    assert!(sql.contains("FROM remote_query('sr', 'SELECT a FROM t', 'd1');"), "{sql}");
}

#[test]
fn a_login_beside_a_data_source_is_told_to_have_no_effect() {
    let login = r#""datasource": "m", "username": "u", "password": "hunter2", "table": "t", "column": ["a"]"#;
    for converted in [
        job("mysqlreader", login, "streamwriter", PRINT).unwrap(),
        written("mysqlwriter", login),
        written("starrockswriter", login),
    ] {
        assert!(!converted.sql.contains("hunter2"), "{}", converted.sql);
        for key in ["username", "password"] {
            let told = format!("parameter.{key} is ignored: the data source's catalog has its own login");
            assert!(converted.warnings.iter().any(|warning| warning.ends_with(&told)), "{:?}", converted.warnings);
        }
    }
}

#[test]
fn a_bucket_beside_a_data_source_is_refused() {
    for key in ["bucket", "endpoint"] {
        let parameters = format!(r#""datasource": "o", "{key}": "other", "object": "a.csv", "column": ["*"]"#);
        let error = job("ossreader", &parameters, "streamwriter", PRINT).unwrap_err().to_string();
        assert!(error.contains(&format!("parameter.{key}: is not supported: the data source's catalog")), "{error}");
    }
}

#[test]
fn a_mode_that_the_job_names_is_written_even_if_it_is_the_usual_one() {
    let of =
        |mode: &str| written("mysqlwriter", &format!(r#"{mode} "datasource": "m", "table": "t", "column": ["a"]"#)).sql;
    assert!(of(r#""writeMode": "insert","#).contains("\"write_mode\" = 'insert'"));
    assert!(!of("").contains("write_mode"));
}

#[test]
fn a_filter_of_the_server_is_no_reject_of_the_job() {
    let of = |load: &str| {
        written(
            "starrockswriter",
            &format!(r#""loadProps": {{{load}}}, "datasource": "s", "table": "t", "column": ["a"]"#),
        )
        .sql
    };
    assert!(of("").contains("SET syncline.error_limit = '0';"));
    assert!(!of(r#""max_filter_ratio": "0.2""#).contains("error_limit"));
}

#[test]
fn a_secret_with_a_variable_in_it_is_put_together_by_the_script() {
    let connection = r#""username": "u", "table": "t", "column": ["a"], "jdbcUrl": "jdbc:mysql://h/d""#;
    let converted = written("mysqlwriter", &format!(r#"{connection}, "password": "${{env}}_p'w""#));
    assert!(converted.sql.contains("\"password\" = \"${env}_p'w\""), "{}", converted.sql);
    assert!(converted.secrets.is_empty());
    let converted = written("mysqlwriter", &format!(r#"{connection}, "password": "p$w""#));
    assert!(converted.sql.contains("\"password\" = \"${env:MYSQL_TARGET_PASSWORD}\""), "{}", converted.sql);

    let web = r#""datasource": "web", "fileName": "f.csv", "column": [{"index": 0, "type": "string"}]"#;
    let headers = r#"{"Authorization": "Bearer ${token}", "X-Day": "d=${bizdate}", "Cookie": "a$b"}"#;
    let sql = read("httpfilereader", &format!(r#"{web}, "requestHeaders": {headers}"#));
    for line in [
        "\"http.header.Authorization\" = \"Bearer ${token}\"",
        "\"http.header.X-Day\" = \"d=${bizdate}\"",
        "\"http.header.Cookie\" = \"${env:A_COOKIE}\"",
    ] {
        assert!(sql.contains(line), "{line}: {sql}");
    }
    let body =
        |text: &str| read("httpfilereader", &format!(r#"{web}, "requestMethod": "POST", "requestBody": "{text}""#));
    assert!(body("token=${t}").contains("\"http.body\" = \"token=${t}\""));
    assert!(!body("token=a$b").contains("a$b"));
}

#[test]
fn comments_that_mysql_runs_are_refused_or_sent() {
    for (parameter, message) in [
        (
            r#""column": ["a"], "where": "a = 1 --1) OR (b = 2""#,
            "parameter.where: there is a -- without a blank behind it",
        ),
        (
            r#""column": ["a"], "where": "a = 1 /*!40000 OR 1 */""#,
            "parameter.where: there is a comment in it that MySQL executes",
        ),
        (r#""column": ["a /*!40000 + 1 */"]"#, "parameter.column[0]: there is a comment in it that MySQL executes"),
        (r#""column": ["a --1"]"#, "parameter.column[0]: there is a -- without a blank behind it"),
    ] {
        let error =
            job("mysqlreader", &format!(r#""datasource": "m", "table": "t", {parameter}"#), "streamwriter", PRINT);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let before = r#"["DELETE FROM t WHERE a > 5--1 AND dt='x'", "DELETE FROM t /*!40000 WHERE dt='x' */ ;", "/*!40000 SET @a = 1 */"]"#;
    let sql =
        written("mysqlwriter", &format!(r#""datasource": "m", "table": "t", "column": ["a"], "preSql": {before}"#)).sql;
    for statement in [
        "DELETE FROM m.t WHERE a > 5--1 AND dt='x'\n;",
        "DELETE FROM m.t /*!40000 WHERE dt='x' */;",
        "CALL remote_execute('m', '/*!40000 SET @a = 1 */');",
    ] {
        assert!(sql.contains(statement), "{statement}: {sql}");
    }
}

#[test]
fn a_variable_with_a_value_may_stand_where_the_script_has_no_text() {
    let text = r#"{"steps": [
        {"category": "reader", "stepType": "mysql", "parameter": {"datasource": "${env}_mysql", "table": "t_${env}", "column": ["a"]}},
        {"category": "writer", "stepType": "mysql", "parameter": {"datasource": "m", "table": "u", "column": ["a"], "writeMode": "${mode}"}}],
        "setting": {"speed": {"concurrent": "${n}"}}}"#;
    let values =
        [("env", "prod"), ("n", "2"), ("mode", "replace")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sql = convert_with("a.json", text, Variables::Braces, &values.into()).unwrap().sql;
    for part in ["FROM prod_mysql.t_${env};", "SET syncline.max_connections = '2';", "\"write_mode\" = 'replace'"] {
        assert!(sql.contains(part), "{part}: {sql}");
    }
    let mut text = text.to_owned();
    for (place, value, message) in [
        ("${n}", "2", "setting.speed.concurrent: a whole number is expected, and a variable has no value here yet"),
        ("${env}_mysql", "m", "parameter.datasource: "),
        ("${mode}", "insert", "parameter.writeMode: is one of insert, update and replace, and a variable has no value"),
    ] {
        let error = convert("a.json", &text, Variables::Braces).unwrap_err();
        assert!(error.message().contains(message), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("-p name=value")), "{error}");
        text = text.replace(place, value);
    }
    convert("a.json", &text, Variables::Braces).unwrap();
}
