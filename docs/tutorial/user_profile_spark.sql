-- User profile analysis_Spark: the five nodes of the workflow as one job. Run daily: syncline run user_profile_spark.sql

-- workshop_start_spark, the zero load node: a schedule starts the job, such as cron's  30 0 * * *

-- The data sources. What stands in syncline.toml under these names wins.
CREATE EXTERNAL CATALOG IF NOT EXISTS user_behavior_analysis_httpfile PROPERTIES (
  "type" = "http", "url" = "https://dataworks-workshop-2024.oss-cn-shanghai.aliyuncs.com");
CREATE EXTERNAL CATALOG IF NOT EXISTS user_behavior_analysis_mysql PROPERTIES (
  "type" = "mysql", "url" = "jdbc:mysql://rm-example:3306/workshop", "user" = "workshop", "password" = "${env:WORKSHOP_PASSWORD}");
CREATE EXTERNAL CATALOG IF NOT EXISTS test_g PROPERTIES (
  "type" = "oss", "bucket" = "dw-emr-demo", "endpoint" = "https://oss-cn-shanghai-internal.aliyuncs.com", "region" = "cn-shanghai",
  "access_key_id" = "${env:OSS_ACCESS_KEY_ID}", "access_key_secret" = "${env:OSS_ACCESS_KEY_SECRET}");

-- ods_raw_log_d_2oss_spark: each line of the log is one value, whatever is in it
CREATE EXTERNAL TABLE IF NOT EXISTS access_log (col STRING) STORED AS TEXTFILE
  LOCATION 'user_behavior_analysis_httpfile:/user_log.txt';
COPY (SELECT col FROM access_log)
  TO 'oss://dw-emr-demo/ods_raw_log_d/log_${bizdate}/log_${bizdate}.txt' OPTIONS (format text, delimiter '|');

-- ods_user_info_d_2oss_spark
COPY (SELECT uid, gender, age_range, zodiac FROM user_behavior_analysis_mysql.ods_user_info_d)
  TO 'oss://dw-emr-demo/ods_user_info_d/user_${bizdate}/user_${bizdate}.txt' OPTIONS (format text, delimiter '|');

-- ods_raw_log_d_spark
-- Creates an external table for the website access logs synchronized to OSS.
-- The LOCATION points to the date-partitioned directory written by the batch sync task.
-- The ${bizdate} variable is replaced at runtime by the scheduling parameter.
CREATE EXTERNAL TABLE IF NOT EXISTS ods_raw_log_d_spark
(
  `col` STRING
)
PARTITIONED BY (
  dt STRING
)
LOCATION 'oss://dw-emr-demo/ods_raw_log_d/log_${bizdate}/';

ALTER TABLE ods_raw_log_d_spark ADD IF NOT EXISTS PARTITION (dt = '${bizdate}')
LOCATION 'oss://dw-emr-demo/ods_raw_log_d/log_${bizdate}/'
;

-- ods_user_info_d_spark
-- Creates an external table for the basic user information synchronized to OSS.
-- The LOCATION points to the date-partitioned directory written by the batch sync task.
-- The ${bizdate} variable is replaced at runtime by the scheduling parameter.
CREATE EXTERNAL TABLE IF NOT EXISTS ods_user_info_d_spark
(
    `uid`        STRING COMMENT 'The user ID'
    ,`gender`    STRING COMMENT 'The gender'
    ,`age_range` STRING COMMENT 'The age range'
    ,`zodiac`    STRING COMMENT 'The zodiac sign'
)
PARTITIONED BY
(
    dt           STRING
)
ROW FORMAT DELIMITED
FIELDS
TERMINATED
BY'|'
STORED AS TEXTFILE
LOCATION 'oss://dw-emr-demo/ods_user_info_d/user_${bizdate}/'
;

ALTER TABLE ods_user_info_d_spark ADD IF NOT EXISTS PARTITION (dt = '${bizdate}')
LOCATION'oss://dw-emr-demo/ods_user_info_d/user_${bizdate}/'
;

-- Verify the synchronized data
SELECT * FROM ods_raw_log_d_spark WHERE dt = '${bizdate}';
SELECT * FROM ods_user_info_d_spark WHERE dt = '${bizdate}';
