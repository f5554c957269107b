use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;

use super::*;
use crate::Error;
use crate::types::ColumnType;

fn int_and_text() -> Vec<ColumnDefinition> {
    vec![ColumnDefinition::new("id", ColumnType::Int), ColumnDefinition::new("v", ColumnType::STRING)]
}

fn create(warehouse: &Warehouse, definition: TableDefinition) -> (Arc<Database>, Arc<Table>) {
    warehouse.create_database("ods", true).unwrap();
    let database = warehouse.database("ods").unwrap();
    let name = definition.name.clone();
    database.create_table(definition, false).unwrap();
    let table = database.table(&name).unwrap();
    (database, table)
}

fn batch(table: &Table, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::clone(table.schema()), columns).unwrap()
}

fn ids_and_texts(table: &Table, rows: &[(i32, &str)]) -> RecordBatch {
    let ids: Int32Array = rows.iter().map(|r| r.0).collect::<Vec<_>>().into();
    let texts: StringArray = rows.iter().map(|r| r.1).collect::<Vec<_>>().into();
    batch(table, vec![Arc::new(ids), Arc::new(texts)])
}

fn write(database: &Database, table: &Arc<Table>, batch: &RecordBatch, mode: WriteMode) -> Commit {
    let transaction = database.begin(&Label::random("t_"), table.name()).unwrap();
    let mut staged = table.stage(&PartitionTarget::All).unwrap();
    assert!(staged.push(batch).unwrap().is_empty());
    staged.commit(transaction, mode).unwrap()
}

fn rows(table: &Table) -> Vec<(i32, String)> {
    let mut rows = Vec::new();
    for batch in table.snapshot().batches() {
        let ids = batch.column(0).as_primitive::<Int32Type>();
        let texts = batch.column(1).as_string::<i32>();
        rows.extend((0..batch.num_rows()).map(|i| (ids.value(i), texts.value(i).to_owned())));
    }
    rows.sort();
    rows
}

fn partition_names(table: &Table) -> Vec<String> {
    table.snapshot().visible().map(|p| p.name.clone()).collect()
}

fn dated() -> TableDefinition {
    let columns =
        vec![ColumnDefinition::new("id", ColumnType::Int), ColumnDefinition::new("dt", ColumnType::Date).not_null()];
    let mut definition = TableDefinition::new("logs", columns);
    definition.partitioning = PartitionScheme::List { columns: vec!["DT".to_owned()], automatic: true };
    definition
}

fn dates(table: &Table, days: &[i32]) -> RecordBatch {
    let ids: Int32Array = (0..days.len()).map(|i| i32::try_from(i).unwrap()).collect::<Vec<_>>().into();
    batch(table, vec![Arc::new(ids), Arc::new(Date32Array::from(days.to_vec()))])
}

/// 2024-08-07 as days since 1970-01-01.
const AUG_7: i32 = 19_942;

#[test]
fn a_commit_is_seen_whole_and_a_snapshot_does_not_change() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
    let before = table.snapshot();
    write(&database, &table, &ids_and_texts(&table, &[(1, "a"), (2, "b")]), WriteMode::Append);
    assert_eq!(before.rows(), 0);
    assert_eq!(table.snapshot().rows(), 2);
    assert_eq!(partition_names(&table), ["t"]);
}

#[test]
fn dropping_a_staged_write_leaves_nothing_and_frees_the_label() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
    let label = Label::parse("load-1").unwrap();
    let transaction = database.begin(&label, "t").unwrap();
    let mut staged = table.stage(&PartitionTarget::All).unwrap();
    staged.push(&ids_and_texts(&table, &[(1, "a")])).unwrap();
    assert_eq!(database.transaction("load-1").unwrap().state, LabelState::Prepare);
    drop(staged);
    drop(transaction);
    assert_eq!(database.transaction("load-1").unwrap().state, LabelState::Aborted);
    assert_eq!(table.snapshot().rows(), 0);
    assert!(database.begin(&label, "t").is_ok());
}

#[test]
fn a_label_is_used_once_unless_it_was_aborted() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
    let label = Label::parse("load-1").unwrap();
    let transaction = database.begin(&label, "t").unwrap();
    let running = database.begin(&label, "t").unwrap_err();
    assert!(matches!(running, Error::LabelUsed { existing_job_status: "RUNNING", .. }));
    let mut staged = table.stage(&PartitionTarget::All).unwrap();
    staged.push(&ids_and_texts(&table, &[(1, "a")])).unwrap();
    staged.commit(transaction, WriteMode::Append).unwrap();
    let finished = database.begin(&label, "t").unwrap_err();
    assert!(matches!(finished, Error::LabelUsed { existing_job_status: "FINISHED", .. }));
    assert_eq!(finished.to_string(), "Label [load-1] has already been used.");
    assert_eq!(database.transaction("load-1").unwrap().state, LabelState::Visible);
}

#[test]
fn a_cancelled_transaction_cannot_commit() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
    let transaction = database.begin(&Label::parse("x").unwrap(), "t").unwrap();
    database.cancel_transaction("x", "by the user").unwrap();
    let mut staged = table.stage(&PartitionTarget::All).unwrap();
    staged.push(&ids_and_texts(&table, &[(1, "a")])).unwrap();
    assert!(staged.commit(transaction, WriteMode::Append).is_err());
    assert_eq!(table.snapshot().rows(), 0);
    assert_eq!(database.transaction("x").unwrap().reason, "by the user");
}

#[test]
fn labels_have_the_servers_format() {
    for text in ["a", "A-b_9", &"x".repeat(128)] {
        assert!(Label::parse(text).is_ok());
    }
    for text in ["", "a b", "é", "a/b", &"x".repeat(129)] {
        assert!(Label::parse(text).unwrap_err().to_string().starts_with("Label format error. regex: ^[-\\w]{1,128}$"));
    }
    assert!(Label::parse(Label::random("insert_").as_str()).is_ok());
}

#[test]
fn an_automatic_partition_is_made_for_each_value() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, dated());
    assert_eq!(partition_names(&table), Vec::<String>::new());
    write(&database, &table, &dates(&table, &[AUG_7, AUG_7 + 1, AUG_7]), WriteMode::Append);
    assert_eq!(partition_names(&table), ["p20240807", "p20240808"]);
    let snapshot = table.snapshot();
    assert_eq!(snapshot.partition("P20240807", false).unwrap().rows(), 2);
    assert_eq!(snapshot.partition("p20240808", false).unwrap().values, [[Some("2024-08-08".to_owned())]]);
}

#[test]
fn a_name_that_other_values_have_gets_a_suffix() {
    let warehouse = Warehouse::in_memory();
    let mut definition = TableDefinition::new("t", int_and_text());
    definition.partitioning = PartitionScheme::List { columns: vec!["v".to_owned()], automatic: true };
    let (database, table) = create(&warehouse, definition);
    write(&database, &table, &ids_and_texts(&table, &[(1, "20240101")]), WriteMode::Append);
    write(&database, &table, &ids_and_texts(&table, &[(2, "2024-01-01")]), WriteMode::Append);
    let names = partition_names(&table);
    assert_eq!(names[0], "p20240101");
    assert!(names[1].starts_with("p20240101_"), "{names:?}");
    assert_eq!(rows(&table).len(), 2);
}

#[test]
fn a_partition_can_be_added_dropped_truncated_and_replaced() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, dated());
    write(&database, &table, &dates(&table, &[AUG_7, AUG_7 + 1]), WriteMode::Append);
    let missing = table.drop_partitions(&["p1".to_owned()], false, false).unwrap_err();
    assert_eq!((missing.mysql_code(), missing.to_string().as_str()), (1507, "Error in list of partitions to [p1]"));
    table.drop_partitions(&["p1".to_owned()], false, true).unwrap();

    let value = |day: &str| vec![vec![Some(day.to_owned())]];
    assert!(table.add_partition("p20240809", value("2024-08-09"), false, false).unwrap());
    assert!(!table.add_partition("p20240809", value("2030-01-01"), false, true).unwrap());
    assert!(table.add_partition("p20240809", value("2030-01-01"), false, false).is_err());
    assert!(table.add_partition("other", value("20240809"), false, false).is_err(), "the same day, spelled otherwise");
    assert!(table.add_partition("other", value("soon"), false, false).is_err());

    table.add_partition("tp", value("2024-08-07"), true, false).unwrap();
    let transaction = database.begin(&Label::random("t_"), "logs").unwrap();
    let mut staged = table.stage(&PartitionTarget::Temporary(vec!["tp".to_owned()])).unwrap();
    assert_eq!(staged.push(&dates(&table, &[AUG_7, AUG_7, AUG_7 + 1])).unwrap(), [2]);
    staged.commit(transaction, WriteMode::Append).unwrap();
    assert_eq!(table.snapshot().rows(), 2);
    table.replace_partitions(&["p20240807".to_owned()], &["tp".to_owned()], true, true).unwrap();
    assert_eq!(table.snapshot().partition("p20240807", false).unwrap().rows(), 2);
    assert!(table.snapshot().partition("tp", true).is_none());

    table.truncate(Some(&["p20240807".to_owned()])).unwrap();
    assert_eq!(table.snapshot().rows(), 1);
    table.drop_partitions(&["P20240807".to_owned(), "p20240808".to_owned()], false, false).unwrap();
    assert_eq!(partition_names(&table), ["p20240809"]);
}

#[test]
fn rows_outside_of_named_partitions_are_not_taken() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, dated());
    write(&database, &table, &dates(&table, &[AUG_7]), WriteMode::Append);
    let mut staged = table.stage(&PartitionTarget::Named(vec!["p20240807".to_owned()])).unwrap();
    assert_eq!(staged.push(&dates(&table, &[AUG_7 + 1, AUG_7])).unwrap(), [0]);
    assert_eq!(staged.rows(), 1);
    let unknown = table.stage(&PartitionTarget::Named(vec!["p1".to_owned()])).unwrap_err();
    assert_eq!(unknown.to_string(), "Unknown partition 'p1' in table 'logs'");
}

#[test]
fn overwrite_replaces_all_partitions_or_those_touched() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, dated());
    write(&database, &table, &dates(&table, &[AUG_7, AUG_7 + 1]), WriteMode::Append);
    write(&database, &table, &dates(&table, &[AUG_7, AUG_7]), WriteMode::OverwriteTouched);
    assert_eq!(table.snapshot().rows(), 3);
    write(&database, &table, &dates(&table, &[AUG_7 + 2]), WriteMode::Overwrite);
    assert_eq!(table.snapshot().rows(), 1);
}

#[test]
fn the_last_row_of_a_primary_key_wins_within_and_between_commits() {
    let warehouse = Warehouse::in_memory();
    let mut definition = TableDefinition::new("t", int_and_text());
    definition.key_model = KeyModel::Primary;
    definition.key_columns = vec!["ID".to_owned()];
    let (database, table) = create(&warehouse, definition);
    assert!(!table.definition().columns[0].nullable);
    write(&database, &table, &ids_and_texts(&table, &[(1, "a"), (2, "b"), (1, "c")]), WriteMode::Append);
    assert_eq!(rows(&table), [(1, "c".to_owned()), (2, "b".to_owned())]);
    write(&database, &table, &ids_and_texts(&table, &[(2, "d"), (3, "e")]), WriteMode::Append);
    assert_eq!(rows(&table), [(1, "c".to_owned()), (2, "d".to_owned()), (3, "e".to_owned())]);
}

#[test]
fn null_in_a_not_null_column_is_refused() {
    let warehouse = Warehouse::in_memory();
    let (_, table) = create(&warehouse, dated());
    let schema = arrow::datatypes::Schema::new(
        table.schema().fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
    );
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from(vec![1])), Arc::new(Date32Array::from(vec![None::<i32>]))];
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    let error = table.stage(&PartitionTarget::All).unwrap().push(&batch).unwrap_err();
    assert_eq!(error.to_string(), "NULL value in non-nullable column 'dt'");
}

#[test]
fn definitions_that_starrocks_refuses_are_refused() {
    let warehouse = Warehouse::in_memory();
    warehouse.create_database("ods", false).unwrap();
    let database = warehouse.database("ods").unwrap();
    let broken = |change: &dyn Fn(&mut TableDefinition)| {
        let mut definition = TableDefinition::new("t", int_and_text());
        change(&mut definition);
        database.create_table(definition, false).unwrap_err().to_string()
    };
    assert!(broken(&|d| d.columns.clear()).contains("at least one column"));
    assert!(broken(&|d| d.columns[1].name = "ID".to_owned()).contains("Duplicate column name 'ID'"));
    assert!(broken(&|d| d.key_columns = vec!["v".to_owned()]).contains("ordered prefix"));
    assert!(broken(&|d| d.key_columns = vec!["x".to_owned()]).contains("doesn't exist"));
    assert!(broken(&|d| d.key_model = KeyModel::Primary).contains("PRIMARY KEY"));
    assert!(
        broken(&|d| {
            d.columns[0].column_type = ColumnType::Double;
            d.key_columns = vec!["id".to_owned()];
        })
        .contains("Invalid data type of key column")
    );
}

#[test]
fn a_duplicate_key_table_without_a_key_gets_its_leading_columns() {
    let warehouse = Warehouse::in_memory();
    let (_, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
    assert_eq!(table.definition().key_columns, ["id", "v"]);
}

#[test]
fn replacing_rows_needs_the_version_that_was_read() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
    write(&database, &table, &ids_and_texts(&table, &[(1, "a"), (2, "b")]), WriteMode::Append);
    let read = table.snapshot();
    let id = read.partitions[0].id;
    let begin = || database.begin(&Label::random("delete_"), "t").unwrap();
    let kept = ids_and_texts(&table, &[(2, "b")]);
    table.replace_rows(read.version, vec![(id, vec![kept.clone()])], begin()).unwrap();
    assert_eq!(rows(&table), [(2, "b".to_owned())]);
    let late = table.replace_rows(read.version, vec![(id, vec![kept])], begin()).unwrap_err();
    assert!(matches!(late, Error::Conflict(_)));
}

#[test]
fn many_small_commits_are_packed() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
    for id in 0..200 {
        write(&database, &table, &ids_and_texts(&table, &[(id, "x")]), WriteMode::Append);
    }
    assert_eq!(rows(&table).len(), 200);
    assert!(table.snapshot().partitions[0].batches.len() < 100);
}

#[test]
fn a_data_folder_brings_back_tables_rows_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let label = Label::parse("kept").unwrap();
    {
        let warehouse = Warehouse::open(folder.path()).unwrap();
        assert!(Warehouse::open(folder.path()).is_err(), "a second server must not open the folder");
        let (database, table) = create(&warehouse, dated());
        write(&database, &table, &dates(&table, &[AUG_7, AUG_7 + 1]), WriteMode::Append);
        let transaction = database.begin(&label, "logs").unwrap();
        let mut staged = table.stage(&PartitionTarget::All).unwrap();
        staged.push(&dates(&table, &[AUG_7])).unwrap();
        staged.commit(transaction, WriteMode::Append).unwrap();
        database.create_table(TableDefinition::new("../evil", int_and_text()), false).unwrap();
        database.create_table(TableDefinition::new("gone", int_and_text()), false).unwrap();
        database.drop_table("gone", false).unwrap();
        table.drop_partitions(&["p20240808".to_owned()], false, false).unwrap();
    }
    let warehouse = Warehouse::open(folder.path()).unwrap();
    let database = warehouse.database("ods").unwrap();
    assert_eq!(database.tables().iter().map(|t| t.name().to_owned()).collect::<Vec<_>>(), ["../evil", "logs"]);
    let table = database.table("logs").unwrap();
    assert_eq!(table.snapshot().rows(), 2);
    assert_eq!(partition_names(&table), ["p20240807"]);
    assert_eq!(**table.definition(), **create_expected().definition());
    assert!(matches!(database.begin(&label, "logs"), Err(Error::LabelUsed { existing_job_status: "FINISHED", .. })));
    write(&database, &table, &dates(&table, &[AUG_7]), WriteMode::Append);
    assert_eq!(table.snapshot().rows(), 3);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "one database and the lock file");
}

fn create_expected() -> Arc<Table> {
    create(&Warehouse::in_memory(), dated()).1
}

#[test]
fn files_that_no_manifest_names_are_removed_on_start() {
    let folder = tempfile::tempdir().unwrap();
    let table_folder = |folder: &std::path::Path| {
        let database = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap();
        std::fs::read_dir(database).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap()
    };
    {
        let warehouse = Warehouse::open(folder.path()).unwrap();
        let (database, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
        write(&database, &table, &ids_and_texts(&table, &[(1, "a")]), WriteMode::Append);
    }
    let leftover = table_folder(folder.path()).join("1-99.parquet");
    std::fs::write(&leftover, b"half a file").unwrap();
    let warehouse = Warehouse::open(folder.path()).unwrap();
    assert_eq!(warehouse.table("ods", "t").unwrap().snapshot().rows(), 1);
    assert!(!leftover.exists());
}

#[test]
fn a_commit_that_cannot_be_stored_is_not_seen_and_frees_its_label() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path()).unwrap();
    let (database, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
    write(&database, &table, &ids_and_texts(&table, &[(1, "a")]), WriteMode::Append);
    let data = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap();
    std::fs::rename(&data, folder.path().join("moved")).unwrap();
    let transaction = database.begin(&Label::parse("lost").unwrap(), "t").unwrap();
    let mut staged = table.stage(&PartitionTarget::All).unwrap();
    staged.push(&ids_and_texts(&table, &[(2, "b")])).unwrap();
    assert!(matches!(staged.commit(transaction, WriteMode::Append), Err(Error::Io { .. })));
    assert_eq!(table.snapshot().rows(), 1);
    let info = database.transaction("lost").unwrap();
    assert_eq!(info.state, LabelState::Aborted);
    assert!(info.reason.starts_with("cannot write"), "{}", info.reason);
    std::fs::rename(folder.path().join("moved"), &data).unwrap();
    write(&database, &table, &ids_and_texts(&table, &[(3, "c")]), WriteMode::Append);
    assert_eq!(rows(&table), [(1, "a".to_owned()), (3, "c".to_owned())]);
}

#[test]
fn writers_at_the_same_time_lose_no_row() {
    let warehouse = Warehouse::in_memory();
    let (database, table) = create(&warehouse, dated());
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (database, table) = (&database, &table);
            scope.spawn(move || {
                for day in 0..25 {
                    write(database, table, &dates(table, &[AUG_7 + day, AUG_7 + writer]), WriteMode::Append);
                }
            });
        }
    });
    assert_eq!(table.snapshot().rows(), 8 * 25 * 2);
    assert_eq!(partition_names(&table).len(), 25, "two writers must not make one partition twice");
}

#[test]
fn a_database_is_dropped_with_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path()).unwrap();
    let (database, table) = create(&warehouse, TableDefinition::new("t", int_and_text()));
    let transaction = database.begin(&Label::random("t_"), "t").unwrap();
    let mut staged = table.stage(&PartitionTarget::All).unwrap();
    staged.push(&ids_and_texts(&table, &[(1, "a")])).unwrap();
    assert!(warehouse.drop_database("ods", false).unwrap());
    assert!(matches!(staged.commit(transaction, WriteMode::Append), Err(Error::UnknownTable(_))));
    assert!(!warehouse.drop_database("ods", true).unwrap());
    assert_eq!(warehouse.drop_database("ods", false).unwrap_err().mysql_code(), 1008);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the lock file");
}
