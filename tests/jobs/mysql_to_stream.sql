-- mysql_to_stream: a DataX job, mysql to stream.
-- Converted by syncline convert.
-- Set before a run: MYSQL_SOURCE_PASSWORD.
-- Note: the job has no errorLimit, which allows any number of rejects in DataX; delete error_limit to allow none

CREATE EXTERNAL CATALOG IF NOT EXISTS mysql_source PROPERTIES (
  "type" = "mysql",
  "url" = "jdbc:mysql://mysql.example.com:3306/workshop",
  "user" = "jobs_reader",
  "password" = "${env:MYSQL_SOURCE_PASSWORD}"
);

SET syncline.max_connections = '2';
SET syncline.error_limit = '100%';

COPY (
  SELECT id, zodiac, created
  FROM mysql_source.ods_user_info_d
) TO 'discard:'
OPTIONS (
  "split_column" = 'id'
);
