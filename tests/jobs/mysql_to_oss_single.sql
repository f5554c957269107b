-- mysql_to_oss_single: a DataWorks job, mysql to oss.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: workshop (mysql), lake (oss or s3).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

COPY (
  SELECT uid, name, born, seen, score
  FROM workshop.users
) TO 'lake:/ods/single/users.txt.gz'
STORED AS TEXTFILE
OPTIONS (
  "writeMode" = 'nonConflict',
  "fieldDelimiter" = '|',
  "nullFormat" = 'NULL',
  "compress" = 'gzip',
  "split_column" = 'uid'
);
