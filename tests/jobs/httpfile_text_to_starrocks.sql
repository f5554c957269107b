-- httpfile_text_to_starrocks: a DataWorks job, httpfile to starrocks.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: user_behavior_analysis (http), Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

CREATE OR REPLACE TEMPORARY EXTERNAL TABLE httpfile_text_to_starrocks_source (col STRING)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '|'
STORED AS CSV
LOCATION 'user_behavior_analysis:/user_log.txt'
TBLPROPERTIES (
  "dialect" = "datax",
  "multiLine" = "false",
  "http.connect_timeout" = "60s",
  "http.read_timeout" = "3600s"
);

ALTER TABLE Doc_StarRocks_Storage_Compute_Tightly_01.ods_raw_log_d_starrocks DROP PARTITION IF EXISTS p${var} FORCE;

INSERT INTO Doc_StarRocks_Storage_Compute_Tightly_01.ods_raw_log_d_starrocks (col, dt)
PROPERTIES (
  "row_delimiter" = '\x02',
  "column_separator" = '\x01'
)
SELECT col, '${var}'
FROM httpfile_text_to_starrocks_source;
