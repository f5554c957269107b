-- starrocks_to_oss_parquet: a DataWorks job, starrocks to oss.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks), lake (oss or s3).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

COPY (
  SELECT id, name, is_active, since
  FROM Doc_StarRocks_Storage_Compute_Tightly_01.members
) TO 'lake:/parquet/members'
STORED AS PARQUET
OPTIONS (
  "writeMode" = 'truncate',
  "single" = 'false',
  "schema" = 'id BIGINT, name STRING, active BOOLEAN, since TIMESTAMP',
  "compress" = 'snappy'
);
