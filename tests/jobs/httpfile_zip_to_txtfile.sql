-- httpfile_zip_to_txtfile: a DataWorks job, httpfile to txtfile.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: user_behavior_analysis (http).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

CREATE OR REPLACE TEMPORARY EXTERNAL TABLE httpfile_zip_to_txtfile_source (c0 STRING)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\x1b'
STORED AS CSV
LOCATION 'user_behavior_analysis:/two%20lines.zip?v=1'
TBLPROPERTIES (
  "dialect" = "datax",
  "multiLine" = "false",
  "compression" = "zip"
);

COPY (
  SELECT c0, 1
  FROM httpfile_zip_to_txtfile_source
) TO 'out/lines'
STORED AS TEXTFILE
OPTIONS (
  "writeMode" = 'truncate',
  "single" = 'false',
  "fieldDelimiter" = '\x01',
  "nullFormat" = '\\N',
  "suffix" = '.dat'
);
