-- mysql_to_starrocks: a DataWorks job, mysql to starrocks.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: user_behavior_analysis_mysql (mysql), Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks).

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

ALTER TABLE Doc_StarRocks_Storage_Compute_Tightly_01.ods_user_info_d_starrocks DROP PARTITION IF EXISTS p${var} FORCE;

INSERT INTO Doc_StarRocks_Storage_Compute_Tightly_01.ods_user_info_d_starrocks (
  uid, gender, age_range, zodiac, dt
)
PROPERTIES (
  "row_delimiter" = '\x02',
  "column_separator" = '\x01',
  "split_column" = 'id'
)
SELECT uid, gender, age_range, zodiac, '${var}'
FROM user_behavior_analysis_mysql.ods_user_info_d;
