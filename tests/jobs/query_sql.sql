-- query_sql: a DataWorks job, mysql to starrocks.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: user_behavior_analysis_mysql (mysql), Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks).
-- Ignored: setting.jvmOption: there is no Java machine to give memory to
-- Ignored: steps[0].parameter.column: querySql is read as it stands
-- Ignored: steps[0].parameter.splitPk: querySql is read as it stands
-- strategyOnError batchDirtyData: rows that the server refuses count as rejects one by one, not the whole batch.

SET syncline.max_connections = '3';
SET syncline.max_bytes_per_second = '20MB';
SET syncline.error_limit = '0';

DELETE FROM Doc_StarRocks_Storage_Compute_Tightly_01.ods.users_by_gender WHERE users >= 0;

INSERT INTO Doc_StarRocks_Storage_Compute_Tightly_01.ods.users_by_gender (gender, users, note)
SELECT *
FROM remote_query('user_behavior_analysis_mysql', 'SELECT gender, count(*) AS users, max(''it''''s ${bizdate}'') FROM ods_user_info_d WHERE created < ''2024-08-20'' GROUP BY gender');
