//! Conversions as a whole.

use super::*;

fn sql(text: &str) -> String {
    convert("jobs/a.json", text, Variables::Braces).unwrap().sql
}

fn error(text: &str) -> String {
    convert("a.json", text, Variables::Braces).unwrap_err().to_string()
}

#[test]
fn a_job_of_data_works_becomes_an_insert() {
    let text = r#"{"type": "job", "version": "2.0", "steps": [
        {"stepType": "mysql", "name": "Reader", "category": "reader", "parameter": {
            "datasource": "user_behavior_analysis_mysql", "envType": 0, "splitPk": "uid", "where": "",
            "column": ["uid", "gender", "'${var}'"], "table": "ods_user_info_d", "encoding": "UTF-8"}},
        {"stepType": "starrocks", "name": "Writer", "category": "writer", "parameter": {
            "loadProps": {"row_delimiter": "\\x02", "column_separator": "\\x01"}, "envType": 0,
            "datasource": "Doc_StarRocks_Storage_Compute_Tightly_01", "column": ["uid", "gender", "dt"],
            "tableComment": "", "table": "ods_user_info_d_starrocks",
            "preSql": "ALTER TABLE ods_user_info_d_starrocks DROP PARTITION IF EXISTS p${var} FORCE ; "}},
        {"copies": 1, "parameter": {"nodes": [], "edges": [], "groups": [], "version": "2.0"}, "name": "Processor", "category": "processor"}],
        "setting": {"errorLimit": {"record": "0"}, "locale": "zh", "speed": {"throttle": false, "concurrent": 2}},
        "order": {"hops": [{"from": "Reader", "to": "Writer"}]}}"#;
    insta::assert_snapshot!(sql(text), @r#"
    -- a: a DataWorks job, mysql to starrocks.
    -- Converted by syncline convert.
    -- Its data sources are catalogs of syncline.toml: user_behavior_analysis_mysql (mysql), Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks).

    SET syncline.max_connections = '2';
    SET syncline.error_limit = '0';

    ALTER TABLE Doc_StarRocks_Storage_Compute_Tightly_01.ods_user_info_d_starrocks DROP PARTITION IF EXISTS p${var} FORCE;

    INSERT INTO Doc_StarRocks_Storage_Compute_Tightly_01.ods_user_info_d_starrocks (uid, gender, dt)
    PROPERTIES (
      "row_delimiter" = '\x02',
      "column_separator" = '\x01',
      "split_column" = 'uid'
    )
    SELECT uid, gender, '${var}'
    FROM user_behavior_analysis_mysql.ods_user_info_d;
    "#);
}

#[test]
fn a_mistake_names_its_place() {
    assert!(error("{\n \"steps\": [}").starts_with("a.json:2:12: this is no JSON: "), "{}", error("{\n \"steps\": [}"));
    assert!(error("{}").starts_with("a.json: there are neither \"steps\" nor \"job\" in it"));
    let secret = error("{\"password\": \"hunter2");
    assert!(!secret.contains("hunter2"), "{secret}");
}

/// The part of the script behind its head, of a job from this reader to a stream that drops the rows.
fn read_by(reader: &str, parameter: &str, more: &str) -> Result<String> {
    let text = format!(
        r#"{{"job": {{"setting": {{"errorLimit": {{"record": 0}}}}, "content": [{{
            "reader": {{"name": "{reader}", "parameter": {parameter}}}, {more}
            "writer": {{"name": "streamwriter", "parameter": {{"print": true}}}}}}]}}}}"#
    );
    let sql = convert("a.json", &text, Variables::Braces)?.sql;
    let body = sql.split_once("\n\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok(body.replace("SET syncline.error_limit = '0';\n", "").trim().to_owned())
}

fn query_of(parameter: &str) -> String {
    let parameter = format!("{{\"datasource\": \"m\", {parameter}}}");
    read_by("mysqlreader", &parameter, "").unwrap().replace('\n', " ")
}

#[test]
fn a_database_is_read_as_a_table_as_tables_or_by_a_query() {
    for (parameter, sql) in [
        (r#""table": "t", "column": ["a", "order", "`b c`"]"#, "SELECT a, `order`, `b c` FROM m.t;"),
        (r#""table": "d.t", "column": "*""#, "SELECT * FROM m.d.t;"),
        (r#""table": ["t_[0-9]"], "column": ["a"]"#, "SELECT a FROM TABLES('m.t_[0-9]');"),
        (r#""table": ["t", "u"], "column": ["*"]"#, "SELECT * EXCEPT (_table) FROM TABLES('m.t', 'm.u');"),
        (
            r#""table": "t", "column": ["a"], "where": "dt = '${bizdate}' ;""#,
            "SELECT a FROM TABLES('m.t', where => 'dt = ''${bizdate}''');",
        ),
        (
            r#""table": "t", "column": ["a", "'x'", "1", "null", "true", "'${v}'"]"#,
            "SELECT a, 'x', 1, NULL, 1, '${v}' FROM m.t;",
        ),
        (
            r#""table": "t", "column": ["a", "upper(b)"], "where": "c = 'x' -- note""#,
            "SELECT * FROM remote_query('m', 'SELECT a, upper(b) FROM `t` WHERE (c = ''x'' -- note )');",
        ),
        (
            r#""table": "t_[0-1]", "column": ["now()"]"#,
            "SELECT * FROM remote_query('m', 'SELECT now() FROM `t_0` UNION ALL SELECT now() FROM `t_1`');",
        ),
        (
            r#""querySql": ["SELECT 1;", "SELECT 2"], "column": ["a"]"#,
            "SELECT * FROM (   SELECT * FROM remote_query('m', 'SELECT 1')   UNION ALL   SELECT * FROM remote_query('m', 'SELECT 2') ) AS shards;",
        ),
        (r#""table": "t", "column": ["a"], "splitPk": "id""#, "SET syncline.split_column = 'id';  SELECT a FROM m.t;"),
    ] {
        assert_eq!(query_of(parameter), sql, "{parameter}");
    }
    for (parameter, message) in [
        (
            r#""datasource": "m", "table": "t", "column": ["a"], "where": "a = 1; drop table t""#,
            "parameter.where: there is a ; in it",
        ),
        (r#""datasource": "m", "table": "t", "column": ["a", "*"]"#, "parameter.column: has * beside other columns"),
        (r#""datasource": "m", "table": "t", "column": ["concat(a"]"#, "parameter.column[0]: a ) is missing"),
        (r#""datasource": "m", "column": ["a"]"#, "parameter.table: is missing"),
        (r#""datasource": "m", "table": "t""#, "parameter.column: is missing"),
        (r#""table": "t", "column": ["a"]"#, "parameter.datasource: is missing"),
        (r#""datasource": "a b", "table": "t", "column": ["a"]"#, "\"a b\" is no catalog name"),
        (
            r#""datasource": "m", "table": "t", "column": ["a"], "mandatoryEncoding": "gbk""#,
            "mandatoryEncoding: is not supported",
        ),
        (
            r#""datasource": "m", "table": "t", "column": ["a"], "session": ["set session a=1"]"#,
            "\"session.a\" = \"1\"",
        ),
    ] {
        let error = read_by("mysqlreader", &format!("{{{parameter}}}"), "").unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn transformers_are_expressions_and_conditions() {
    let transformed = |steps: &[(&str, usize, &[&str])]| {
        let steps: Vec<String> = steps
            .iter()
            .map(|(name, column, paras)| {
                let paras = serde_json::to_string(paras).unwrap();
                format!("{{\"name\": \"{name}\", \"parameter\": {{\"columnIndex\": {column}, \"paras\": {paras}}}}}")
            })
            .collect();
        let more = format!("\"transformer\": [{}],", steps.join(", "));
        read_by("mysqlreader", r#"{"datasource": "m", "table": "t", "column": ["a", "b"]}"#, &more)
            .map(|sql| sql.replace('\n', " "))
            .map_err(|error| error.to_string())
    };
    for (steps, sql) in [
        (&[("dx_substr", 0, &["0", "3"][..])][..], "SELECT substr(CAST(a AS STRING), 1, 3), b FROM m.t;"),
        (
            &[("dx_substr", 1, &["2", "3"])],
            "SELECT   a,   CASE WHEN char_length(CAST(b AS STRING)) < 2 THEN raise_error('dx_substr: a text is shorter than 2') \
             ELSE substr(CAST(b AS STRING), 3, 3) END FROM m.t;",
        ),
        (
            &[("dx_pad", 0, &["r", "5", "it's"])],
            "SELECT rpad(coalesce(CAST(a AS STRING), ''), 5, 'it''s'), b FROM m.t;",
        ),
        (&[("dx_replace", 0, &["0", "2", "x"])], "SELECT concat('x', substr(CAST(a AS STRING), 3)), b FROM m.t;"),
        (
            &[("dx_digest", 0, &["md5", "toUpperCase"])],
            "SELECT upper(md5(coalesce(CAST(a AS STRING), ''))), b FROM m.t;",
        ),
        (&[("dx_filter", 0, &[">", "5"])], "SELECT a, b FROM m.t WHERE (a > '5') IS NOT TRUE;"),
        (&[("dx_filter", 0, &["=", "null"])], "SELECT a, b FROM m.t WHERE a IS NOT NULL AND (a = 'null') IS NOT TRUE;"),
        (&[("dx_filter", 0, &["!=", "x"])], "SELECT a, b FROM m.t WHERE a = as_type_of('x', a);"),
        (&[("dx_filter", 0, &["<", "1.5"])], "SELECT a, b FROM m.t WHERE (a < as_type_of('1.5', a)) IS NOT TRUE;"),
        (&[("dx_filter", 0, &["=", "${v}"])], "SELECT a, b FROM m.t WHERE (a = as_type_of('${v}', a)) IS NOT TRUE;"),
        (&[("dx_filter", 0, &["not like", "x.*"])], "SELECT a, b FROM m.t WHERE CAST(a AS STRING) RLIKE '^(?:x.*)$';"),
        (
            &[
                ("dx_filter", 1, &["<", "1"]),
                ("dx_digest", 0, &["sha1", "toLowerCase"]),
                ("dx_filter", 0, &["like", "a.*"]),
            ],
            "SELECT column_0, b FROM (   SELECT sha1(coalesce(CAST(a AS STRING), '')) AS column_0, b   FROM m.t   WHERE (b < '1') IS NOT TRUE ) \
             AS transformed WHERE (CAST(column_0 AS STRING) RLIKE '^(?:a.*)$') IS NOT TRUE;",
        ),
    ] {
        assert_eq!(transformed(steps).unwrap(), sql);
    }
    for (step, message) in [
        (("dx_groovy", 0, &["x"][..]), "transformer[0].name: dx_groovy is not supported: it runs code"),
        (("dx_upper", 0, &["x"]), "there is no transformer dx_upper"),
        (("dx_substr", 2, &["0", "1"]), "columnIndex: is 2, and there are 2 columns, counted from 0"),
        (("dx_substr", 0, &["0"]), "dx_substr takes 2 of them, and there are 1"),
        (("dx_substr", 0, &["-1", "3"]), "paras[0]: is no whole number"),
        (("dx_pad", 0, &["m", "3", "x"]), "paras[0]: is l or r"),
        (("dx_pad", 0, &["l", "3", ""]), "paras[2]: is empty"),
        (("dx_filter", 0, &["~", "x"]), "is one of like"),
    ] {
        let error = transformed(&[step]).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_stream_is_constants_and_random_values() {
    let stream = |column: &str| {
        read_by("streamreader", &format!("{{\"sliceRecordCount\": \"10\", \"column\": [{column}]}}"), "")
            .map_err(|error| error.to_string())
    };
    for (column, expression) in [
        (r#"{"value": "it's $x"}"#, "'it''s $x'"),
        (r#"{"value": 7, "type": "long"}"#, "7"),
        (r#"{"value": "1.5", "type": "double"}"#, "CAST('1.5' AS DOUBLE)"),
        (r#"{"value": "2024-01-01 00:00:00", "type": "date"}"#, "CAST('2024-01-01 00:00:00' AS DATETIME)"),
        (r#"{"value": "x", "type": "bytes"}"#, "CAST('x' AS BYTEA)"),
        (r#"{"random": "1,10", "type": "long"}"#, "1 + CAST(floor(random() * 10) AS BIGINT)"),
        (
            r#"{"random": "5,40", "type": "string"}"#,
            "substr(repeat(replace(uuid(), '-', ''), 2), 1, 5 + CAST(floor(random() * 36) AS BIGINT))",
        ),
    ] {
        assert_eq!(stream(column).unwrap(), format!("SELECT {expression}\nFROM range(0, 10);"));
    }
    for (column, message) in [
        (r#"{"type": "long"}"#, "column[0].value: is missing, and there is no random"),
        (r#"{"value": 1, "random": "1,2"}"#, "column[0].random: stands beside value"),
        (r#"{"random": "10,1", "type": "long"}"#, "begins with the larger number"),
        (r#"{"value": "x", "type": "blob"}"#, "column[0].type: is one of"),
    ] {
        assert!(stream(column).unwrap_err().contains(message), "{column}");
    }
}

#[test]
fn statements_around_a_write_name_the_catalogs_table_or_go_there_as_they_stand() {
    let written = |statements: &str| {
        let text = format!(
            r#"{{"steps": [{{"category": "reader", "stepType": "stream", "parameter": {{"sliceRecordCount": 1, "column": [{{"value": "x"}}]}}}},
            {{"category": "writer", "stepType": "starrocks", "parameter": {{"datasource": "sr", "selectedDatabase": "ods", "table": "t",
            "column": ["a"], "preSql": {statements}}}}}]}}"#
        );
        let sql = sql(&text);
        let before = sql.split_once("INSERT INTO sr.ods.t").map(|(before, _)| before.to_owned()).unwrap_or_default();
        before.lines().filter(|line| !line.starts_with("--") && !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        written(r#""ALTER TABLE t DROP PARTITION IF EXISTS p${var} FORCE ; truncate table other.u;""#),
        ["ALTER TABLE sr.ods.t DROP PARTITION IF EXISTS p${var} FORCE;", "truncate table sr.other.u;"]
    );
    assert_eq!(
        written(r#"["delete from @table where dt = 'a;b'", "insert into t select * from u"]"#),
        [
            "delete from sr.ods.t where dt = 'a;b';",
            "CALL remote_execute('sr', 'insert into t select * from u', 'ods');"
        ]
    );
    assert!(written("\"\"").is_empty() && written("[]").is_empty());
}

#[test]
fn no_password_is_in_a_script() {
    let text = r#"{"job": {"content": [{
        "reader": {"name": "mysqlreader", "parameter": {"username": "u", "password": "hunter2", "column": ["a"], "connection": [
            {"table": ["t"], "jdbcUrl": ["jdbc:mysql://h/d?password=hunter2x"]},
            {"table": ["u"], "jdbcUrl": ["jdbc:mysql://h2/d"]}]}},
        "writer": {"name": "starrockswriter", "parameter": {"username": "root", "password": "${sr_password}", "table": "t", "column": ["a"],
            "jdbcUrl": "jdbc:mysql://root:hunter3@fe:9030/ods", "loadUrl": ["fe:8030", "fe2:8030"]}}}]}}"#;
    let converted = convert("a.json", text, Variables::Braces).unwrap();
    assert!(!converted.sql.contains("hunter") && !format!("{converted:?}").contains("hunter"), "{}", converted.sql);
    let names: Vec<&str> = converted.secrets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["MYSQL_SOURCE_PASSWORD", "MYSQL_SOURCE_2_PASSWORD"]);
    assert!(converted.sql.contains("\"password\" = \"${env:MYSQL_SOURCE_2_PASSWORD}\""), "{}", converted.sql);
    assert!(converted.sql.contains("\"password\" = \"${sr_password}\""), "{}", converted.sql);
    assert!(converted.sql.contains("\"load_url\" = \"fe:8030;fe2:8030\""), "{}", converted.sql);
    assert!(converted.sql.contains("FROM TABLES('mysql_source.t', 'mysql_source_2.u')"), "{}", converted.sql);
}

#[test]
fn a_login_that_cannot_be_told_apart_is_refused_without_being_shown() {
    for (url, load_url) in [
        ("jdbc:mysql://address=(host=h)(user=u)(password=hunter2)/d", "fe:8030"),
        ("jdbc:mysql://fe:9030/ods", "root:hunter2@fe:8030"),
    ] {
        let text = format!(
            r#"{{"job": {{"content": [{{"reader": {{"name": "streamreader", "parameter": {{"sliceRecordCount": 1, "column": [{{"value": "x"}}]}}}},
            "writer": {{"name": "starrockswriter", "parameter": {{"table": "t", "column": ["a"], "jdbcUrl": "{url}", "loadUrl": "{load_url}"}}}}}}]}}}}"#
        );
        let error = error(&text);
        assert!(error.contains("a login") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn plugins_and_parameters_that_are_not_known_are_told() {
    let job = |reader: &str, writer: &str| {
        format!(
            r#"{{"job": {{"content": [{{"reader": {{"name": "{reader}"}}, "writer": {{"name": "{writer}", "parameter": {{}}}}}}]}}}}"#
        )
    };
    for (reader, message) in [
        ("odpsreader", "the reader odps (MaxCompute) is not built yet"),
        ("kafkareader", "the reader kafka is not built yet"),
        ("hbasereader", "there is no reader hbase; readers that there are: "),
    ] {
        let error = error(&job(reader, "streamwriter"));
        assert!(error.starts_with(&format!("a.json: job.content[0].reader.name: {message}")), "{error}");
    }
    let text = r#"{"steps": [{"category": "reader", "stepType": "mysql", "parameter": {"datasource": "m", "table": "t", "column": ["a", "b"],
        "tabel": "x", "fetchSize": 10}}, {"category": "writer", "stepType": "stream"}], "setting": {"jvmOption": "-Xmx1g"}}"#;
    let converted = convert("a.json", text, Variables::Braces).unwrap();
    let mut warnings = converted.warnings;
    warnings.sort();
    assert_eq!(
        warnings,
        [
            "setting.jvmOption is ignored: there is no Java machine to give memory to",
            "steps[0].parameter.fetchSize is ignored: rows are always streamed",
            "unknown parameter steps[0].parameter.tabel is ignored"
        ]
    );
    let counts = r#"{"steps": [{"category": "reader", "stepType": "mysql", "parameter": {"datasource": "m", "table": "t", "column": ["a", "b"]}},
        {"category": "writer", "stepType": "starrocks", "parameter": {"datasource": "s", "table": "t", "column": ["a"]}}]}"#;
    assert_eq!(
        error(counts),
        "a.json: steps[0].parameter.column has 2 columns and steps[1].parameter.column has 1; columns are matched by position"
    );
}
