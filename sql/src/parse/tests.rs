//! Statements from text: what is asked of every kind, and the tutorial's script as a whole.

mod external_tables;
mod parameters;
mod routing;
mod session;
mod writes;

use super::*;
use crate::clocks::Clocks;
use crate::parameters::Parameters;
use crate::scope::FixedScope;
use crate::source::SourceFile;
use crate::split::split_in;
use crate::statement::{CreateTable, PropertyValue, StorageFormat, TableClauseKind, TableSource};
use crate::substitute::substitute;

fn scope() -> FixedScope {
    FixedScope {
        remote: vec!["starrocks".into(), "user_behavior_analysis_mysql".into(), "mysql".into()],
        other: vec!["user_behavior_analysis_httpfile".into()],
        tables: vec!["user_log".into()],
        current: None,
    }
}

fn parameters() -> Parameters {
    let clocks = Clocks::new(Some("20240807"), None, jiff::tz::TimeZone::UTC, jiff::Timestamp::UNIX_EPOCH).unwrap();
    Parameters::new(clocks)
}

fn parse_all(sql: &str, scope: &FixedScope) -> Result<Vec<Statement>, SqlError> {
    let file = SourceFile::new("a.sql", sql);
    let dialect = SqlDialect::Mysql;
    split_in(&file, dialect)?
        .iter()
        .map(|piece| parse(&substitute(piece, &parameters(), dialect)?, scope, dialect))
        .collect()
}

fn parse_one(sql: &str, scope: &FixedScope) -> Result<Statement, SqlError> {
    parse_all(sql, scope).map(|mut all| all.remove(0))
}

fn in_use(catalog: &str, database: Option<&str>) -> FixedScope {
    FixedScope {
        current: Some(crate::scope::Place { catalog: catalog.into(), database: database.map(str::to_owned) }),
        ..scope()
    }
}

fn kind_of(sql: &str, scope: &FixedScope) -> String {
    match parse_one(sql, scope) {
        Ok(statement) => kind(&statement),
        Err(error) => format!("{} {}", error.code.code(), error.message),
    }
}

fn session_of(sql: &str) -> SessionStatement {
    match parse_one(sql, &scope()) {
        Ok(Statement::Session(session)) => *session,
        other => panic!("{sql}: {other:?}"),
    }
}

const TUTORIAL: &str = r#"
CREATE EXTERNAL CATALOG IF NOT EXISTS user_behavior_analysis_mysql PROPERTIES (
  "type" = "mysql", "url" = "jdbc:mysql://rm-example:3306/workshop", "user" = "workshop", "password" = "${env:WORKSHOP_PASSWORD}");
CREATE EXTERNAL CATALOG IF NOT EXISTS user_behavior_analysis_httpfile PROPERTIES (
  "type" = "http", "url" = "https://dataworks-workshop-2024.oss-cn-shanghai.aliyuncs.com");
CREATE EXTERNAL CATALOG IF NOT EXISTS starrocks PROPERTIES (
  "type" = "starrocks", "url" = "jdbc:mysql://fe:9030/ods", "load_url" = "fe:8030;fe2:8030", "user" = "root", "password" = "");

-- statements on a catalog's own tables run in that system, in its own dialect
CREATE DATABASE IF NOT EXISTS starrocks.ods;
CREATE TABLE IF NOT EXISTS starrocks.ods_raw_log_d (col STRING COMMENT 'Log', dt DATE NOT NULL COMMENT 'The time')
  DUPLICATE KEY(col) PARTITION BY(dt) PROPERTIES ("replication_num" = "1");
CREATE TABLE IF NOT EXISTS starrocks.ods_user_info_d (uid STRING COMMENT 'The user ID', gender STRING, age_range STRING,
  zodiac STRING, dt STRING NOT NULL COMMENT 'The time') DUPLICATE KEY(uid) PARTITION BY(dt) PROPERTIES ("replication_num" = "1");
ALTER TABLE starrocks.ods_raw_log_d DROP PARTITION IF EXISTS p${bizdate} FORCE;
ALTER TABLE starrocks.ods_user_info_d DROP PARTITION IF EXISTS p${bizdate} FORCE;

CREATE EXTERNAL TABLE IF NOT EXISTS user_log (col STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' STORED AS TEXTFILE
  LOCATION 'user_behavior_analysis_httpfile:/user_log.txt';
INSERT INTO starrocks.ods_raw_log_d SELECT col, '$<bizdate>' FROM user_log;              -- Stream Load, CSV \x01 / \x02
INSERT INTO starrocks.ods_user_info_d BY NAME
  SELECT uid, gender, age_range, zodiac, '${bizdate}' AS dt FROM user_behavior_analysis_mysql.ods_user_info_d;

ASSERT (SELECT count(*) FROM starrocks.ods_raw_log_d WHERE dt = '${bizdate}') > 0 AS 'no log rows for ${bizdate}';
"#;

/// The kind of a statement in one line.
fn kind(statement: &Statement) -> String {
    match statement {
        Statement::Native(native) => format!("native {}: {}", native.catalog, native.text),
        Statement::Sync(insert) => format!("sync {} <- {}", insert.target, tables(&insert.query.tables)),
        Statement::CreateTable(create) => match &create.source {
            TableSource::Like(like) => format!("create {} like {like}", create.target),
            TableSource::Query(query) => format!("create {} <- {}", create.target, tables(&query.tables)),
        },
        Statement::Query(query) => format!("query {}", tables(&query.tables)),
        Statement::Session(session) => {
            let debug = format!("{session:?}");
            let end = debug.find([' ', '(', '{']).unwrap_or(debug.len());
            format!("session {}", &debug[..end])
        }
        Statement::Assert(assert) => format!("assert {}", kind(&assert.query)),
        Statement::Explain(explain) => format!("explain {}", kind(&explain.statement)),
    }
}

fn tables(names: &[crate::statement::Name]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_tutorial_script_is_understood() {
    let kinds: Vec<String> = parse_all(TUTORIAL, &scope()).unwrap().iter().map(kind).collect();
    assert_eq!(
        kinds,
        [
            "session CreateCatalog",
            "session CreateCatalog",
            "session CreateCatalog",
            "native starrocks: CREATE DATABASE IF NOT EXISTS ods",
            "native starrocks: CREATE TABLE IF NOT EXISTS ods_raw_log_d (col STRING COMMENT 'Log', dt DATE NOT NULL COMMENT 'The time')\n  DUPLICATE KEY(col) PARTITION BY(dt) PROPERTIES (\"replication_num\" = \"1\")",
            "native starrocks: CREATE TABLE IF NOT EXISTS ods_user_info_d (uid STRING COMMENT 'The user ID', gender STRING, age_range STRING,\n  zodiac STRING, dt STRING NOT NULL COMMENT 'The time') DUPLICATE KEY(uid) PARTITION BY(dt) PROPERTIES (\"replication_num\" = \"1\")",
            "native starrocks: ALTER TABLE ods_raw_log_d DROP PARTITION IF EXISTS p20240807 FORCE",
            "native starrocks: ALTER TABLE ods_user_info_d DROP PARTITION IF EXISTS p20240807 FORCE",
            "session CreateExternalTable",
            "sync starrocks.ods_raw_log_d <- user_log",
            "sync starrocks.ods_user_info_d <- user_behavior_analysis_mysql.ods_user_info_d",
            "assert native starrocks: SELECT ((SELECT count(*) FROM ods_raw_log_d WHERE dt = '20240807') > 0)",
        ]
    );
}
