-- starrocks_to_starrocks: a DataWorks job, starrocks to starrocks.
-- Converted by syncline convert.
-- Its data sources are catalogs of syncline.toml: starrocks_datasource (starrocks), starrocks_public (starrocks).
-- Ignored: steps[1].parameter.loadUrl: it is the catalog's property load_url

SET syncline.max_connections = '2';
SET syncline.error_limit = '0';

truncate table starrocks_public.didb1.table1;

INSERT INTO starrocks_public.didb1.table1 (id, name)
PROPERTIES (
  "row_delimiter" = '\x02',
  "column_separator" = '\x01',
  "load_rows" = '500000',
  "load_bytes" = '5242880',
  "split_column" = 'id'
)
SELECT id, name
FROM TABLES('starrocks_datasource.didb1.table1', where => 'id>100');
