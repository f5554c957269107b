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
    insta::assert_snapshot!(sql(text), @"");
}

#[test]
fn a_mistake_names_its_place() {
    assert!(error("{\n \"steps\": [}").starts_with("a.json:2:12: this is no JSON: "), "{}", error("{\n \"steps\": [}"));
    assert!(error("{}").starts_with("a.json: there are neither \"steps\" nor \"job\" in it"));
    let secret = error("{\"password\": \"hunter2");
    assert!(!secret.contains("hunter2"), "{secret}");
}
