-- httpfile_jsonl_to_oss: a DataWorks job, httpfile to oss.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: user_behavior_analysis (http), lake (oss or s3).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

CREATE OR REPLACE TEMPORARY EXTERNAL TABLE httpfile_jsonl_to_oss_source (
  id BIGINT, at TIMESTAMP, text STRING
)
STORED AS JSON
LOCATION 'user_behavior_analysis:/events.jsonl'
TBLPROPERTIES (
  "bad_value" = "error",
  "mode" = "FAILFAST"
);

COPY (
  SELECT id, at, text
  FROM httpfile_jsonl_to_oss_source
) TO 'lake:/events/${bizdate}/events.csv'
STORED AS CSV
OPTIONS (
  "writeMode" = 'truncate',
  "nullFormat" = '',
  "dateFormat" = 'yyyyMMdd HHmmss',
  "header" = 'true'
);
