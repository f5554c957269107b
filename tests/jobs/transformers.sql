-- transformers: a DataX job, mysql to starrocks.
-- Converted by syncline convert.
-- Set before a run: MYSQL_SOURCE_PASSWORD.

CREATE EXTERNAL CATALOG IF NOT EXISTS mysql_source PROPERTIES (
  "type" = "mysql",
  "url" = "jdbc:mysql://mysql.example.com:3306/workshop",
  "user" = "jobs_reader",
  "password" = "${env:MYSQL_SOURCE_PASSWORD}"
);
CREATE EXTERNAL CATALOG IF NOT EXISTS starrocks_target PROPERTIES (
  "type" = "starrocks",
  "url" = "jdbc:mysql://fe.example.com:9030/ods",
  "user" = "root",
  "password" = "",
  "load_url" = "fe.example.com:8030"
);

SET syncline.max_connections = '1';
SET syncline.error_limit = '0';

TRUNCATE TABLE starrocks_target.transformed;

INSERT INTO starrocks_target.transformed (id, a, b, c, d, e)
SELECT id, column_1, column_2, column_3, column_4, e
FROM (
  SELECT
    id,
    CASE WHEN char_length(CAST(a AS STRING)) < 1 THEN raise_error('dx_substr: a text is shorter than 1') ELSE substr(CAST(a AS STRING), 2, 3) END AS column_1,
    lpad(coalesce(CAST(b AS STRING), ''), 6, 'xy') AS column_2,
    CASE WHEN char_length(CAST(c AS STRING)) < 3 THEN raise_error('dx_replace: a text is shorter than 3') ELSE concat(substr(CAST(c AS STRING), 1, 3), '****', substr(CAST(c AS STRING), 8)) END AS column_3,
    upper(sha1(coalesce(CAST(d AS STRING), ''))) AS column_4,
    e
  FROM mysql_source.to_transform
  WHERE (id > '6') IS NOT TRUE
) AS transformed
WHERE (CAST(column_1 AS STRING) RLIKE '^(?:z.*)$') IS NOT TRUE
  AND e = as_type_of('keep', e);
