use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;

fn table(name: &str, fields: Vec<Field>, first: i32, rows: i32) -> NamedTable {
    let schema = Arc::new(Schema::new(fields));
    let column = |field: &Arc<Field>| -> arrow::array::ArrayRef {
        match field.data_type() {
            DataType::Utf8 => Arc::new(StringArray::from_iter_values((first..first + rows).map(|n| format!("v{n}")))),
            _ => Arc::new(Int32Array::from_iter_values(first..first + rows)),
        }
    };
    let columns = schema.fields().iter().map(column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let provider = MemTable::try_new(schema, vec![vec![batch.clone()], vec![batch.slice(0, 0)]]).unwrap();
    NamedTable { name: name.to_owned(), provider: Arc::new(provider), settings: Arc::default() }
}

fn id() -> Field {
    Field::new("id", DataType::Int32, false)
}

fn v() -> Field {
    Field::new("v", DataType::Utf8, true)
}

fn shards(count: i32) -> Tables {
    let fields = |n: i32| if n % 2 == 0 { vec![id(), v()] } else { vec![v(), id()] };
    let shard = |n: i32| table(&format!("shop.db.orders_{n}"), fields(n), n * 10, 10);
    Tables::try_new((0..count).map(shard).collect()).unwrap()
}

async fn query(tables: Tables, sql: &str) -> String {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
    session.register_table("t", Arc::new(tables)).unwrap();
    let batches = session.sql(sql).await.unwrap().collect().await.unwrap();
    arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string()
}

fn cells(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| line.starts_with('|')).skip(1);
    lines
        .map(|line| line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" "))
        .collect()
}

#[tokio::test]
async fn tables_are_read_as_one_and_each_row_names_its_table() {
    let printed = query(shards(7), "SELECT count(*), count(DISTINCT id), min(v), sum(id) FROM t").await;
    assert_eq!(cells(&printed), ["70 70 v0 2415"]);
    let printed = query(shards(7), "SELECT _table, v, id FROM t WHERE id IN (5, 13) ORDER BY id").await;
    assert_eq!(cells(&printed), ["shop.db.orders_0 v5 5", "shop.db.orders_1 v13 13"], "columns are found by name");
    assert_eq!(cells(&query(shards(3), "SELECT count(*) FROM t").await), ["30"]);
    assert_eq!(
        cells(&query(shards(3), "SELECT _table, count(*) FROM t GROUP BY _table ORDER BY 1 LIMIT 1").await),
        ["shop.db.orders_0 10"]
    );
}

#[tokio::test]
async fn a_filter_on_the_name_leaves_tables_out() {
    let session = SessionContext::new();
    session.register_table("t", Arc::new(shards(7))).unwrap();
    let sql = "SELECT id FROM t WHERE _table LIKE '%_3' AND id > 33";
    let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    assert!(text.contains("TablesExec: tables=1"), "{text}");
    assert_eq!(cells(&query(shards(7), sql).await).len(), 6);
    assert!(cells(&query(shards(7), "SELECT id FROM t WHERE _table = 'x'").await).is_empty());
    assert_eq!(
        cells(&query(shards(7), "SELECT id FROM t WHERE _table = concat('shop.db.orders_', id) ORDER BY 1").await),
        ["0"]
    );
}

#[test]
fn tables_of_another_structure_are_refused_with_the_first_difference() {
    let refused = |fields: Vec<Field>| {
        let tables = vec![table("a.d.one", vec![id(), v()], 0, 1), table("a.d.two", fields, 0, 1)];
        Tables::try_new(tables).unwrap_err().message().to_owned()
    };
    assert!(refused(vec![id()]).contains("a.d.two has no column v, which a.d.one has"));
    assert!(
        refused(vec![id(), v(), Field::new("w", DataType::Int32, true)])
            .contains("a.d.one has no column w, which a.d.two has")
    );
    let other = Field::new("v", DataType::Int32, true);
    assert!(refused(vec![id(), other]).contains("column v is Int32 in a.d.two and Utf8 in a.d.one"));
    let named = vec![table("a.d.one", vec![Field::new("_table", DataType::Utf8, true)], 0, 1)];
    assert!(Tables::try_new(named).unwrap_err().message().contains("a view that renames it"));
    assert_eq!(Tables::try_new(Vec::new()).unwrap_err().code(), ErrorCode::Name);
}

#[test]
fn a_column_may_be_null_if_it_may_be_in_one_table() {
    let nullable = Field::new("id", DataType::Int32, true);
    let tables = Tables::try_new(vec![table("one", vec![id()], 0, 1), table("two", vec![nullable], 0, 1)]).unwrap();
    assert!(tables.schema().field(0).is_nullable());
}

#[test]
fn connections_are_shared_by_the_tables() {
    assert_eq!(connections(4, 100), (4, 1));
    assert_eq!(connections(4, 2), (2, 2));
    assert_eq!(connections(8, 3), (3, 2));
    assert_eq!(connections(4, 1), (1, 4));
    assert_eq!(connections(1, 9), (1, 1));
}

#[tokio::test]
async fn the_smallest_limit_of_the_tables_catalogs_holds() {
    let of = |name: &str, settings: &[(&str, &str)]| NamedTable {
        settings: Arc::new(settings.iter().copied().collect()),
        ..table(name, vec![id()], 0, 1)
    };
    let at_a_time = async |of_catalogs: [&[(&str, &str)]; 2], of_session: &[(&str, &str)], sql: &str| {
        let [first, second] = of_catalogs;
        let tables = (0..8).map(|n| of(&format!("c{}.d.t{n}", n % 2), if n % 2 == 0 { first } else { second }));
        let settings = SessionScanSettings(Arc::new(of_session.iter().copied().collect()));
        let config = SessionConfig::new().with_target_partitions(16).with_extension(Arc::new(settings));
        let session = SessionContext::new_with_config(config);
        session.register_table("t", Arc::new(Tables::try_new(tables.collect()).unwrap())).unwrap();
        let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
        let (_, behind) = text.split_once("at_a_time=").unwrap();
        behind.lines().next().unwrap().to_owned()
    };
    let all = "SELECT id FROM t";
    assert_eq!(at_a_time([&[], &[]], &[], all).await, "4");
    assert_eq!(at_a_time([&[], &[("max_connections", "2")]], &[], all).await, "2");
    assert_eq!(at_a_time([&[("max_connections", "3")], &[("max_connections", "1")]], &[], all).await, "1");
    let session = [("read_connections", "6")];
    assert_eq!(at_a_time([&[], &[]], &session, all).await, "6");
    assert_eq!(at_a_time([&[("concurrent", "3")], &[]], &session, all).await, "3");
    let of_others = "SELECT id FROM t WHERE _table LIKE 'c1.%'";
    assert_eq!(at_a_time([&[("max_connections", "1")], &[]], &[], of_others).await, "4", "its tables are not read");
}
