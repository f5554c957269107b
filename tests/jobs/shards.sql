-- shards: a DataX job, mysql to starrocks.
-- Converted by syncline convert.
-- Set before a run: MYSQL_SOURCE_PASSWORD, MYSQL_SOURCE_2_PASSWORD.

CREATE EXTERNAL CATALOG IF NOT EXISTS mysql_source PROPERTIES (
  "type" = "mysql",
  "url" = "jdbc:mysql://mysql.example.com:3306/workshop",
  "user" = "jobs_reader",
  "password" = "${env:MYSQL_SOURCE_PASSWORD}"
);
CREATE EXTERNAL CATALOG IF NOT EXISTS mysql_source_2 PROPERTIES (
  "type" = "mysql",
  "url" = "jdbc:mysql://mysql.example.com:3306/workshop?connectTimeout=20000",
  "user" = "jobs_reader",
  "password" = "${env:MYSQL_SOURCE_2_PASSWORD}"
);
CREATE EXTERNAL CATALOG IF NOT EXISTS starrocks_target PROPERTIES (
  "type" = "starrocks",
  "url" = "jdbc:mysql://fe.example.com:9030/ods",
  "user" = "root",
  "password" = "",
  "load_url" = "fe.example.com:8030"
);

SET syncline.max_connections = '5';
SET syncline.read_connections = '5';
SET syncline.error_limit = '0';

TRUNCATE TABLE starrocks_target.ods.all_orders;

INSERT INTO starrocks_target.ods.all_orders (order_id, customer, price)
SELECT * EXCEPT (_table)
FROM TABLES('mysql_source.orders_[0-1]', 'mysql_source_2.orders_2', 'mysql_source_2.orders_03', where => 'price > 1');
