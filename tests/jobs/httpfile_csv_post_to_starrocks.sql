-- httpfile_csv_post_to_starrocks: a DataWorks job, httpfile to starrocks.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: user_behavior_analysis (http), Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks).
-- Set before a run: HTTPFILE_CSV_POST_TO_STARROCKS_X_TOKEN.

SET syncline.max_connections = '1';
SET syncline.error_limit = '0';

CREATE OR REPLACE TEMPORARY EXTERNAL TABLE httpfile_csv_post_to_starrocks_source (
  id BIGINT, note STRING, price DOUBLE, day TIMESTAMP
)
STORED AS CSV
LOCATION 'user_behavior_analysis:/orders.csv.gz'
TBLPROPERTIES (
  "dialect" = "datax",
  "nullValue" = 'NULL',
  "timestampFormat.day" = "yyyy/MM/dd",
  "compression" = "gzip",
  "skip.header.line.count" = "1",
  "http.method" = "POST",
  "http.body" = "{\"day\": \"${bizdate}\"}",
  "http.header.Content-Type" = "application/json",
  "http.header.X-Token" = "${env:HTTPFILE_CSV_POST_TO_STARROCKS_X_TOKEN}",
  "http.connect_timeout" = "30s",
  "http.read_timeout" = "600s"
);

INSERT INTO Doc_StarRocks_Storage_Compute_Tightly_01.orders (id, price, note, day, dt)
SELECT id, price, note, day, '${bizdate}'
FROM httpfile_csv_post_to_starrocks_source;
