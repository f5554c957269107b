-- mysql_to_oss: a DataWorks job, mysql to oss.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: workshop (mysql), lake (oss or s3).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

COPY (
  SELECT uid, name, born, seen, score
  FROM workshop.users
) TO 'lake:/ods/users_${bizdate}/users'
STORED AS TEXTFILE
OPTIONS (
  "writeMode" = 'truncate',
  "single" = 'false',
  "fieldDelimiter" = '|',
  "nullFormat" = 'NULL',
  "maxFileSize" = '10000',
  "generateEmptyFile" = 'true',
  "split_column" = 'uid'
);
