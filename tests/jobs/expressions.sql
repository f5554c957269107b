-- expressions: a DataWorks job, mysql to starrocks.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: user_behavior_analysis_mysql (mysql), Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks).
-- Ignored: steps[0].parameter.splitPk: expressions in column are evaluated by the server, in one query that is not split
-- Ignored: steps[0].parameter.unknownKey, which is not known

SET syncline.max_connections = '1';

TRUNCATE TABLE Doc_StarRocks_Storage_Compute_Tightly_01.computed;
CALL remote_execute('Doc_StarRocks_Storage_Compute_Tightly_01', 'SET @x = 1');

INSERT INTO Doc_StarRocks_Storage_Compute_Tightly_01.computed
SELECT *
FROM remote_query('user_behavior_analysis_mysql', 'SELECT id, upper(concat(gender, ''-'', age_range)), date_format(created, ''%Y%m''), ''${bizdate}'' FROM `ods_user_info_d` WHERE (id % 3 = 0)');
