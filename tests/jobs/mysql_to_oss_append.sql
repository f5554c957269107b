-- mysql_to_oss_append: a DataWorks job, mysql to oss.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: workshop (mysql), lake (oss or s3).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

COPY (
  SELECT uid, name, born, seen, score
  FROM workshop.users
) TO 'lake:/ods/appended/'
STORED AS TEXTFILE
OPTIONS (
  "writeMode" = 'append',
  "fieldDelimiter" = '|',
  "nullFormat" = 'NULL',
  "maxFileSize" = '10000',
  "generateEmptyFile" = 'true',
  "split_column" = 'uid'
);
