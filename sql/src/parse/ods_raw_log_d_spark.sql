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
