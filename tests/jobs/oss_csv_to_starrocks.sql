-- oss_csv_to_starrocks: a DataWorks job, oss to starrocks.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: lake (oss or s3), Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks).

SET syncline.max_connections = '2';
SET syncline.max_bytes_per_second = '8MB';
SET syncline.error_limit = '2';

CREATE OR REPLACE TEMPORARY EXTERNAL TABLE oss_csv_to_starrocks_source (
  id BIGINT, name STRING, is_active BOOLEAN, since TIMESTAMP
)
STORED AS CSV
LOCATION 'lake:/{in/${bizdate}/**.csv,in/late.csv}'
TBLPROPERTIES (
  "dialect" = "datax",
  "nullValue" = '\\N',
  "encoding" = "GBK",
  "skip.header.line.count" = "1"
);

INSERT INTO Doc_StarRocks_Storage_Compute_Tightly_01.members (id, name, is_active, since, source)
SELECT id, name, is_active, since, 'oss'
FROM oss_csv_to_starrocks_source;
