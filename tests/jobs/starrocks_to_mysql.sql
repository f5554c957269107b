-- starrocks_to_mysql: a DataWorks job, starrocks to mysql.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: Doc_StarRocks_Storage_Compute_Tightly_01 (starrocks), user_behavior_analysis_mysql (mysql).
-- Ignored: steps[1].parameter.socketTimeout: it is the catalog's property read_timeout

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

delete from user_behavior_analysis_mysql.orders_copy where dt = '${bizdate}';

INSERT INTO user_behavior_analysis_mysql.orders_copy (order_id, customer, price, dt)
PROPERTIES (
  "write_mode" = 'update',
  "update_column" = 'price,dt',
  "batch_size" = '100',
  "split_column" = 'order_id'
)
SELECT order_id, customer, price, '${bizdate}'
FROM TABLES('Doc_StarRocks_Storage_Compute_Tightly_01.ods.all_orders', where => 'price > 2 and customer is not null');

update user_behavior_analysis_mysql.orders_copy set checked = 1 where dt = '${bizdate}';
