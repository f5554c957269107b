-- stream_to_starrocks: a DataX job, stream to starrocks.
-- Converted by syncline convert.
-- sliceRecordCount: 100 rows of each of 3 channels.

CREATE EXTERNAL CATALOG IF NOT EXISTS starrocks_target PROPERTIES (
  "type" = "starrocks",
  "url" = "jdbc:mysql://fe.example.com:9030/ods",
  "user" = "root",
  "password" = "${starrocks_password}",
  "load_url" = "fe.example.com:8030"
);

SET syncline.max_connections = '3';
SET syncline.error_limit = '0';

TRUNCATE TABLE starrocks_target.ods.made_up;

INSERT INTO starrocks_target.ods.made_up (name, number, moment, flag, five)
PROPERTIES (
  "format" = 'json',
  "strip_outer_array" = 'true'
)
SELECT
  'Data${bizdate} $ok',
  19890604,
  CAST('1989-06-04 00:00:00' AS DATETIME),
  TRUE,
  5 + CAST(floor(random() * 1) AS BIGINT)
FROM range(0, 300);
