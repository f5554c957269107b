-- txtfile_to_oss_datax: a DataX job, txtfile to oss.
-- Converted by syncline convert.
-- Set before a run: OSS_TARGET_ACCESS_KEY_ID, OSS_TARGET_ACCESS_KEY_SECRET.

CREATE EXTERNAL CATALOG IF NOT EXISTS oss_target PROPERTIES (
  "type" = "oss",
  "bucket" = "lake",
  "endpoint" = "${endpoint}",
  "access_key_id" = "${env:OSS_TARGET_ACCESS_KEY_ID}",
  "access_key_secret" = "${env:OSS_TARGET_ACCESS_KEY_SECRET}"
);

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

CREATE OR REPLACE TEMPORARY EXTERNAL TABLE txtfile_to_oss_datax_source (
  c0 BIGINT, c1 STRING, c2 DOUBLE
)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '||'
STORED AS CSV
LOCATION 'users/**.txt'
TBLPROPERTIES (
  "dialect" = "datax",
  "multiLine" = "false",
  "nullValue" = 'null'
);

COPY (
  SELECT c0 AS uid, c1 AS name, c2 AS score
  FROM txtfile_to_oss_datax_source
) TO 'oss_target:/users/day'
STORED AS CSV
OPTIONS (
  "writeMode" = 'truncate',
  "single" = 'false',
  "nullFormat" = '\\N',
  "header" = 'true',
  "maxFileSize" = '300'
);
