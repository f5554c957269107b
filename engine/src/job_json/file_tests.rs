//! Jobs that read and write files: what of them is honoured, and what is refused by name.

use super::*;

/// A DataWorks job of a reader and a writer.
fn job(reader: &str, read: &str, writer: &str, write: &str) -> Result<Converted> {
    let text = format!(
        r#"{{"type": "job", "version": "2.0", "steps": [
            {{"stepType": "{reader}", "category": "reader", "name": "Reader", "parameter": {{{read}}}}},
            {{"stepType": "{writer}", "category": "writer", "name": "Writer", "parameter": {{{write}}}}}]}}"#
    );
    convert("a.json", &text, Variables::Braces)
}

const COLUMN: &str = r#""column": [{"index": 0, "type": "string"}]"#;
const DISCARD: &str = r#""print": false"#;

/// The script of a reader.
fn read(reader: &str, parameters: &str) -> String {
    job(reader, parameters, "stream", DISCARD).unwrap().sql
}

fn read_error(reader: &str, parameters: &str) -> String {
    job(reader, parameters, "stream", DISCARD).unwrap_err().message().to_owned()
}

const HTTP: &str = r#""datasource": "web", "fileName": "f.csv""#;

#[test]
fn an_http_file_is_a_table_with_its_request() {
    let sql = read(
        "httpfile",
        &format!(
            r#"{HTTP}, {COLUMN}, "requestMethod": "PUT", "requestBody": "a ${{bizdate}}", "requestHeaders": "{{\"Accept\": \"text/csv\"}}", "requestParam": "x=1&y=2""#
        ),
    );
    for line in [
        "LOCATION 'web:/f.csv?x=1&y=2'",
        "\"http.method\" = \"PUT\"",
        "\"http.body\" = \"a ${bizdate}\"",
        "\"http.header.Accept\" = \"text/csv\"",
    ] {
        assert!(sql.contains(line), "{line}: {sql}");
    }
    // what is not said has no line
    assert!(!sql.contains("timeout") && !sql.contains("nullValue"), "{sql}");
    let secret =
        format!(r#"{HTTP}, {COLUMN}, "requestMethod": "POST", "requestBody": "{{\"password\": \"hunter2\"}}""#);
    let converted = job("httpfile", &secret, "stream", DISCARD).unwrap();
    assert!(converted.sql.contains("\"http.body\" = \"${env:A_REQUEST_BODY}\""), "{}", converted.sql);
    assert!(!converted.sql.contains("hunter2"));
    assert_eq!(converted.secrets[0].0, "A_REQUEST_BODY");
}

#[test]
fn what_is_sent_to_a_server_is_kept_out_of_the_script_or_told() {
    let converted = |parameters: &str| {
        job("httpfile", &format!(r#""datasource": "web", {COLUMN}, {parameters}"#), "stream", DISCARD).unwrap()
    };
    // nobody can tell what in a body is a secret
    for body in ["grant=x&k=hunter2", "hunter2 $5", r#"{\"k\": \"hunter2\"}"#] {
        let converted = converted(&format!(r#""fileName": "f", "requestMethod": "POST", "requestBody": "{body}""#));
        assert!(converted.sql.contains("\"http.body\" = \"${env:A_REQUEST_BODY}\""), "{}", converted.sql);
        assert!(!converted.sql.contains("hunter2"), "{converted:?}");
    }
    for (parameters, warning) in [
        (r#""fileName": "f?OSSAccessKeyId=a&Signature=hunter2""#, Some(r#"fileName holds "OSSAccessKeyId""#)),
        (r#""fileName": "f?Expires=1&Signature=hunter2""#, Some(r#"fileName holds "Signature""#)),
        (r#""fileName": "f?sig=${sig}&design=1""#, None),
        (r#""fileName": "f", "requestParam": "?day=token&apikey=hunter2""#, Some(r#"requestParam holds "apikey""#)),
        (r#""fileName": "f", "requestParam": "day=token""#, None),
        (
            r#""fileName": "f", "requestMethod": "POST", "requestBody": "{\"day\": \"${d}\", \"a\": [{\"access_token\": \"x\"}]}""#,
            Some(r#"requestBody holds "access_token""#),
        ),
        (
            r#""fileName": "f", "requestMethod": "POST", "requestBody": "day=${d}&api_key=x""#,
            Some(r#"holds "api_key""#),
        ),
        (r#""fileName": "f", "requestMethod": "POST", "requestBody": "{\"token\": \"${t}\"}""#, None),
    ] {
        let mut warnings = converted(parameters).warnings;
        warnings.retain(|warning| warning.contains(" holds "));
        match warning {
            Some(text) => assert!(warnings.len() == 1 && warnings[0].contains(text), "{parameters}: {warnings:?}"),
            None => assert!(warnings.is_empty(), "{parameters}: {warnings:?}"),
        }
    }
}

#[test]
fn delimiters_markers_and_quotes_are_as_people_write_them() {
    for (parameters, line) in [
        (r#""fieldDelimiter": "\u001b""#, r"FIELDS TERMINATED BY '\x1b'"),
        (r#""fieldDelimiter": "\\u001b""#, r"FIELDS TERMINATED BY '\x1b'"),
        (r#""fieldDelimiter": "1""#, r"FIELDS TERMINATED BY '\x31'"),
        (r#""fieldDelimiter": "\t""#, r"FIELDS TERMINATED BY '\t'"),
        (r#""lineDelimiter": "\\x02""#, r"LINES TERMINATED BY '\x02'"),
        (r#""nullFormat": "\\N""#, r#""nullValue" = '\\N'"#),
        (r#""compress": "bzip2""#, r#""compression" = "bzip2""#),
        (r#""csvReaderConfig": {"textQualifier": "'", "useComments": true}"#, r#""quote" = '\x27'"#),
        (r#""csvReaderConfig": "{\"useComments\": true}""#, r##""comment" = '#'"##),
        (r#""csvReaderConfig": {"skipEmptyRecords": "false"}"#, r#""skipEmptyRecords" = "false""#),
        (r#""encoding": "GBK""#, r#""encoding" = "GBK""#),
    ] {
        let sql = read("httpfile", &format!("{HTTP}, {COLUMN}, {parameters}"));
        assert!(sql.contains(line), "{parameters}: {sql}");
    }
    // ends of lines that are ends anyway
    let sql =
        read("httpfile", &format!(r#"{HTTP}, {COLUMN}, "lineDelimiter": "\r\n", "nullFormat": "", "compress": """#));
    assert!(!sql.contains("LINES") && !sql.contains("nullValue") && !sql.contains("compression"), "{sql}");
}

#[test]
fn what_a_reader_of_files_cannot_do_is_refused_by_name() {
    for (parameters, message) in [
        (r#""fileFormat": "binary""#, "steps[0].parameter.fileFormat: is not supported"),
        (r#""fileFormat": "excel""#, "steps[0].parameter.fileFormat: there is no format excel"),
        (r#""compress": "lzo""#, "steps[0].parameter.compress: is not supported: lzo"),
        (r#""requestMethod": "DELETE""#, "steps[0].parameter.requestMethod: is one of"),
        (
            r#""requestHeaders": {"a\" = \"b": "c"}"#,
            "steps[0].parameter.requestHeaders: \"a\\\" = \\\"b\" is no header's name",
        ),
        (r#""csvReaderConfig": {"escapeMode": 2}"#, "steps[0].parameter.csvReaderConfig.escapeMode: is not supported"),
        (r#""csvReaderConfig": {"trimWhitespac": true}"#, "steps[0].parameter.csvReaderConfig: unknown parameter"),
        (r#""csvReaderConfig": {"delimiter": ";"}"#, "steps[0].parameter.csvReaderConfig.delimiter: is not supported"),
        (r#""fileFormat": "json""#, "steps[0].parameter.column: has an index, 0, and JSON is read by names"),
        (r#""fileFormat": "orc""#, "steps[0].parameter.column: has an index, 0, and orc is read by names"),
        (r#""fileFormat": "parquet", "parquetSchema": "x""#, "steps[0].parameter.parquetSchema: "),
    ] {
        let error = read_error("httpfile", &format!("{HTTP}, {COLUMN}, {parameters}"));
        assert!(error.contains(message), "{parameters}: {error}");
    }
    assert!(read_error("httpfile", COLUMN).contains("steps[0].parameter.datasource: is missing"));
    let all = format!(r#"{HTTP}, "column": ["*"]"#);
    assert!(read_error("httpfile", &all).contains("the writer does not say how many columns"), "{all}");
    let missing = r#""datasource": "lake", "object": "a", "successOnNoObject": true"#;
    assert!(read_error("oss", &format!("{missing}, {COLUMN}")).contains("successOnNoObject: is not supported"));
    let several = r#""datasource": "lake", "object": ["a{1,2}", "b"]"#;
    assert!(read_error("oss", &format!("{several}, {COLUMN}")).contains("marks a list of paths"));
}

#[test]
fn all_fields_are_as_many_texts_as_the_writer_has_columns() {
    let writer = r#""datasource": "sr", "table": "t", "column": ["a", "b", "c2"]"#;
    let sql = job("txtfile", r#""path": "in/x.csv", "column": ["*"]"#, "starrocks", writer).unwrap().sql;
    assert!(sql.contains("a_source (a STRING, b STRING, c2 STRING)"), "{sql}");
    assert!(sql.contains("SELECT a, b, c2\n"), "{sql}");
    // a name that is no word stands nowhere
    let odd = r#""datasource": "sr", "table": "t", "column": ["a\" = \"b"]"#;
    let date = r#""column": [{"index": 0, "type": "date", "format": "yyyy/MM/dd"}]"#;
    let sql = job("txtfile", &format!(r#""path": "in/x.csv", {date}"#), "starrocks", odd).unwrap().sql;
    assert!(sql.contains("\"timestampFormat.c0\" = \"yyyy/MM/dd\""), "{sql}");
    // fields that are not read have names of their own, and one that is read as two types is a text
    let columns =
        r#""column": [{"index": 3, "type": "long"}, {"index": 1, "type": "string"}, {"index": 1, "type": "long"}]"#;
    let sql = job("txtfile", &format!(r#""path": "in/x.csv", {columns}"#), "starrocks", writer).unwrap().sql;
    assert!(sql.contains("(c0 STRING, b STRING, c2 STRING, a BIGINT)"), "{sql}");
    assert!(sql.contains("SELECT a, b, b\n"), "{sql}");
}

/// The script of a writer.
fn write(writer: &str, parameters: &str) -> Result<Converted> {
    let read = format!(r#""datasource": "web", "fileName": "f.csv", {COLUMN}"#);
    job("httpfile", &read, writer, parameters)
}

#[test]
fn a_writer_of_files_is_a_copy() {
    let sql = |writer: &str, parameters: &str| write(writer, parameters).unwrap().sql;
    let lake = r#""datasource": "lake", "writeMode": "truncate""#;
    for (parameters, lines) in [
        (
            r#""object": "/a/b""#,
            &["TO 'lake:/a/b'\nSTORED AS CSV", "\"single\" = 'false'", r#""nullFormat" = '\\N'"#][..],
        ),
        (r#""object": "a/""#, &["TO 'lake:/a/'"]),
        (
            r#""object": "a.txt", "writeSingleObject": "true", "fileFormat": "text", "generateEmptyFile": true"#,
            &["STORED AS TEXTFILE", "\"fieldDelimiter\" = ','"],
        ),
        (
            r#""object": "a", "header": ["x"], "maxFileSize": "300", "compress": "gzip""#,
            &["c0 AS x", "\"header\" = 'true'", "\"maxFileSize\" = '300'", "\"compress\" = 'gzip'"],
        ),
        (r#""path": "/p/", "fileName": "f", "fileFormat": "orc""#, &["TO 'lake:/p/f'\nSTORED AS ORC"]),
    ] {
        let sql = sql("oss", &format!("{lake}, {parameters}"));
        for line in lines {
            assert!(sql.contains(line), "{line}: {sql}");
        }
        let is_folder = parameters.contains("a/\"");
        assert_eq!(sql.contains("subfolders"), is_folder, "{sql}");
        let is_single = parameters.contains("writeSingleObject");
        assert_eq!(sql.contains("\"single\""), !is_single && !parameters.contains("a/\""), "{sql}");
        assert!(!sql.contains("generateEmptyFile"), "{sql}");
    }
    // "" is what the wizards write for "not set"; CSV tells it from the empty text by quotes
    for (format, line) in [("text", r#""nullFormat" = '\\N'"#), ("csv", "\"nullFormat\" = ''")] {
        let sql = sql("oss", &format!(r#"{lake}, "object": "a", "fileFormat": "{format}", "nullFormat": """#));
        assert!(sql.contains(line), "{sql}");
    }
    let sql = sql("txtfile", r#""path": "/data/", "fileName": "f", "writeMode": "append", "suffix": ".csv""#);
    assert!(sql.contains("TO '/data/f'") && sql.contains("\"suffix\" = '.csv'"), "{sql}");
}

#[test]
fn what_a_writer_of_files_cannot_do_is_refused_by_name() {
    for (parameters, message) in [
        (r#""object": "a""#, "steps[1].parameter.writeMode: is missing"),
        (r#""object": "a", "writeMode": "overwrite""#, "writeMode: is one of truncate, append and nonConflict"),
        (
            r#""object": "a", "writeMode": "append", "writeSingleObject": true"#,
            "writeMode: is append, and a single object",
        ),
        (r#""writeMode": "append""#, "object: is missing"),
        (r#""object": "a", "writeMode": "append", "fileFormat": "jsonl""#, "fileFormat: jsonl is not written"),
        (r#""object": "a", "writeMode": "append", "compress": "lzo""#, "compress: is not supported"),
        (r#""object": "a", "writeMode": "append", "dateFormat": "EEE""#, "dateFormat: the pattern"),
        (
            r#""object": "a", "writeMode": "append", "csvWriterConfig": {"forceQualifier": true}"#,
            "csvWriterConfig: is not supported",
        ),
        (
            r#""object": "a", "writeMode": "truncate", "writeSingleObject": true, "suffix": ".x""#,
            "suffix: is of several files",
        ),
    ] {
        let error = write("oss", &format!(r#""datasource": "lake", {parameters}"#)).unwrap_err();
        assert!(error.message().contains(message), "{parameters}: {}", error.message());
    }
}
