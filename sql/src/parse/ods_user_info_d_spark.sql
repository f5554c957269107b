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
