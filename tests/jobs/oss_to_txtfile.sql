-- oss_to_txtfile: a DataWorks job, oss to txtfile.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: lake (oss or s3).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

CREATE OR REPLACE TEMPORARY EXTERNAL TABLE oss_to_txtfile_source (c0 BIGINT, c1 STRING)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '|'
STORED AS CSV
LOCATION 'lake:/ods/users.txt'
TBLPROPERTIES (
  "dialect" = "datax",
  "multiLine" = "false",
  "nullValue" = 'NULL',
  "quote" = "",
  "ignoreLeadingWhiteSpace" = "false",
  "ignoreTrailingWhiteSpace" = "false"
);

COPY (
  SELECT c1, c0
  FROM oss_to_txtfile_source
) TO 'out/users'
STORED AS CSV
OPTIONS (
  "writeMode" = 'nonConflict',
  "single" = 'false',
  "nullFormat" = ''
);
