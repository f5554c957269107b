-- user_profile.sql            run daily: syncline run user_profile.sql
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
