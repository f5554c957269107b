-- oss_parquet_to_starrocks: a DataWorks job, oss to starrocks.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: lake (oss or s3), Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

CREATE OR REPLACE TEMPORARY EXTERNAL TABLE oss_parquet_to_starrocks_source (
  id BIGINT, name STRING, active BOOLEAN, since TIMESTAMP
)
STORED AS PARQUET
LOCATION 'lake:/parquet/members**';

INSERT INTO Doc_StarRocks_Storage_Compute_Tightly_01.members (id, name, is_active, since, source)
SELECT id, name, active, since, 'parquet'
FROM oss_parquet_to_starrocks_source;
