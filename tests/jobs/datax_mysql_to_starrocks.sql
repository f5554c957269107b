-- datax_mysql_to_starrocks: a DataX job, mysql to starrocks.
-- Converted by syncline convert.
-- Set before a run: MYSQL_SOURCE_PASSWORD.
-- Ignored: job.content[0].reader.parameter.fetchSize: rows are always streamed
-- Ignored: job.content[0].writer.parameter.flushInterval: a load is sent when it is full or the rows end
-- Ignored: job.content[0].writer.parameter.labelPrefix: labels are made of job, run and load

CREATE EXTERNAL CATALOG IF NOT EXISTS mysql_source PROPERTIES (
  "type" = "mysql",
  "url" = "jdbc:mysql://mysql.example.com:3306/workshop?useSSL=false&characterEncoding=utf8",
  "user" = "jobs_reader",
  "password" = "${env:MYSQL_SOURCE_PASSWORD}",
  "session.group_concat_max_len" = "4096"
);
CREATE EXTERNAL CATALOG IF NOT EXISTS starrocks_target PROPERTIES (
  "type" = "starrocks",
  "url" = "jdbc:mysql://fe.example.com:9030/",
  "user" = "root",
  "password" = "",
  "load_url" = "fe.example.com:8030"
);

SET syncline.max_connections = '2';
SET syncline.max_bytes_per_second = '100MB';
SET syncline.max_rows_per_second = '1000000';
SET syncline.error_limit = '2%';

truncate table starrocks_target.ods.male_users;

INSERT INTO starrocks_target.ods.male_users (id, uid, gender, score, created, one, nothing, yes)
PROPERTIES (
  "load_rows" = '500000',
  "load_bytes" = '104857600',
  "split_column" = 'id'
)
SELECT id, uid, gender, score, created, 1, NULL, 1
FROM TABLES('mysql_source.ods_user_info_d', where => 'gender = ''MALE'' and created >= ''${from}''');
