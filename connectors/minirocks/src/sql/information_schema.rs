//! `information_schema`: the databases described as tables, with the columns that StarRocks has, in its order.

use arrow::record_batch::RecordBatch;
use jiff::Timestamp;

use super::describe::{column_text, default_text, name_list, properties, yes_no};
use super::error::SqlError;
use super::system_table::CellType::{Int, Text};
use super::system_table::{Cell, Columns, SystemTable};
use super::{INFORMATION_SCHEMA, Services};
use crate::storage::{
    ColumnDefinition, Distribution, KeyModel, LabelState, Partition, PartitionScheme, Table, TableDefinition,
    TransactionInfo,
};
use crate::types::{ColumnType, LARGEINT_DIGITS};

const SCHEMATA: Columns = &[
    ("CATALOG_NAME", Text),
    ("SCHEMA_NAME", Text),
    ("DEFAULT_CHARACTER_SET_NAME", Text),
    ("DEFAULT_COLLATION_NAME", Text),
    ("SQL_PATH", Text),
];

const TABLES: Columns = &[
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("TABLE_TYPE", Text),
    ("ENGINE", Text),
    ("VERSION", Int),
    ("ROW_FORMAT", Text),
    ("TABLE_ROWS", Int),
    ("AVG_ROW_LENGTH", Int),
    ("DATA_LENGTH", Int),
    ("MAX_DATA_LENGTH", Int),
    ("INDEX_LENGTH", Int),
    ("DATA_FREE", Int),
    ("AUTO_INCREMENT", Int),
    ("CREATE_TIME", Text),
    ("UPDATE_TIME", Text),
    ("CHECK_TIME", Text),
    ("TABLE_COLLATION", Text),
    ("CHECKSUM", Int),
    ("CREATE_OPTIONS", Text),
    ("TABLE_COMMENT", Text),
];

const COLUMNS: Columns = &[
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("COLUMN_NAME", Text),
    ("ORDINAL_POSITION", Int),
    ("COLUMN_DEFAULT", Text),
    ("IS_NULLABLE", Text),
    ("DATA_TYPE", Text),
    ("CHARACTER_MAXIMUM_LENGTH", Int),
    ("CHARACTER_OCTET_LENGTH", Int),
    ("NUMERIC_PRECISION", Int),
    ("NUMERIC_SCALE", Int),
    ("DATETIME_PRECISION", Int),
    ("CHARACTER_SET_NAME", Text),
    ("COLLATION_NAME", Text),
    ("COLUMN_TYPE", Text),
    ("COLUMN_KEY", Text),
    ("EXTRA", Text),
    ("PRIVILEGES", Text),
    ("COLUMN_COMMENT", Text),
    ("COLUMN_SIZE", Int),
    ("DECIMAL_DIGITS", Int),
    ("GENERATION_EXPRESSION", Text),
    ("SRS_ID", Int),
];

const TABLES_CONFIG: Columns = &[
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("TABLE_ENGINE", Text),
    ("TABLE_MODEL", Text),
    ("PRIMARY_KEY", Text),
    ("PARTITION_KEY", Text),
    ("DISTRIBUTE_KEY", Text),
    ("DISTRIBUTE_TYPE", Text),
    ("DISTRIBUTE_BUCKET", Int),
    ("SORT_KEY", Text),
    ("PROPERTIES", Text),
    ("TABLE_ID", Int),
];

const PARTITIONS_META: Columns = &[
    ("DB_NAME", Text),
    ("TABLE_NAME", Text),
    ("PARTITION_NAME", Text),
    ("PARTITION_ID", Int),
    ("COMPACT_VERSION", Int),
    ("VISIBLE_VERSION", Int),
    ("VISIBLE_VERSION_TIME", Text),
    ("NEXT_VERSION", Int),
    ("DATA_VERSION", Int),
    ("VERSION_EPOCH", Int),
    ("VERSION_TXN_TYPE", Text),
    ("PARTITION_KEY", Text),
    ("PARTITION_VALUE", Text),
    ("DISTRIBUTION_KEY", Text),
    ("BUCKETS", Int),
    ("REPLICATION_NUM", Int),
    ("STORAGE_MEDIUM", Text),
    ("COOLDOWN_TIME", Text),
    ("LAST_CONSISTENCY_CHECK_TIME", Text),
    ("IS_IN_MEMORY", Int),
    ("IS_TEMP", Int),
    ("DATA_SIZE", Text),
    ("ROW_COUNT", Int),
    ("ENABLE_DATACACHE", Int),
    ("AVG_CS", Int),
    ("P50_CS", Int),
    ("MAX_CS", Int),
    ("STORAGE_PATH", Text),
    ("STORAGE_SIZE", Text),
    ("TABLET_BALANCED", Int),
];

const LOADS: Columns = &[
    ("JOB_ID", Int),
    ("LABEL", Text),
    ("DATABASE_NAME", Text),
    ("TABLE_NAME", Text),
    ("STATE", Text),
    ("PROGRESS", Text),
    ("TYPE", Text),
    ("SCAN_ROWS", Int),
    ("FILTERED_ROWS", Int),
    ("UNSELECTED_ROWS", Int),
    ("SINK_ROWS", Int),
    ("CREATE_TIME", Text),
    ("LOAD_FINISH_TIME", Text),
    ("ERROR_MSG", Text),
    ("TXN_ID", Int),
];

const BE_CONFIGS: Columns =
    &[("BE_ID", Int), ("NAME", Text), ("VALUE", Text), ("TYPE", Text), ("DEFAULT", Text), ("MUTABLE", Int)];

const STATISTICS: Columns = &[
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("NON_UNIQUE", Int),
    ("INDEX_SCHEMA", Text),
    ("INDEX_NAME", Text),
    ("SEQ_IN_INDEX", Int),
    ("COLUMN_NAME", Text),
    ("COLLATION", Text),
    ("CARDINALITY", Int),
    ("SUB_PART", Int),
    ("PACKED", Text),
    ("NULLABLE", Text),
    ("INDEX_TYPE", Text),
    ("COMMENT", Text),
];

const TABLE_CONSTRAINTS: Columns = &[
    ("CONSTRAINT_CATALOG", Text),
    ("CONSTRAINT_SCHEMA", Text),
    ("CONSTRAINT_NAME", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("CONSTRAINT_TYPE", Text),
];

const KEY_COLUMN_USAGE: Columns = &[
    ("CONSTRAINT_CATALOG", Text),
    ("CONSTRAINT_SCHEMA", Text),
    ("CONSTRAINT_NAME", Text),
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("COLUMN_NAME", Text),
    ("ORDINAL_POSITION", Int),
    ("POSITION_IN_UNIQUE_CONSTRAINT", Int),
    ("REFERENCED_TABLE_SCHEMA", Text),
    ("REFERENCED_TABLE_NAME", Text),
    ("REFERENCED_COLUMN_NAME", Text),
];

const VIEWS: Columns = &[
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("VIEW_DEFINITION", Text),
    ("CHECK_OPTION", Text),
    ("IS_UPDATABLE", Text),
    ("DEFINER", Text),
    ("SECURITY_TYPE", Text),
    ("CHARACTER_SET_CLIENT", Text),
    ("COLLATION_CONNECTION", Text),
];

/// Adds a table's rows.
type Fill = fn(&Services, &mut SystemTable);

/// Each table, and how it is filled; those without a function are always empty here.
const ALL: [(&str, Columns, Option<Fill>); 12] = [
    ("be_configs", BE_CONFIGS, None),
    ("columns", COLUMNS, Some(columns)),
    ("key_column_usage", KEY_COLUMN_USAGE, None),
    ("loads", LOADS, Some(loads)),
    ("partitions_meta", PARTITIONS_META, Some(partitions_meta)),
    ("schemata", SCHEMATA, Some(schemata)),
    ("statistics", STATISTICS, None),
    ("stream_loads", LOADS, Some(stream_loads)),
    ("table_constraints", TABLE_CONSTRAINTS, None),
    ("tables", TABLES, Some(tables)),
    ("tables_config", TABLES_CONFIG, Some(tables_config)),
    ("views", VIEWS, None),
];

/// The rows of a table, by its name without regard to case.
pub(super) fn table(services: &Services, name: &str) -> Result<RecordBatch, SqlError> {
    let Some((_, columns, fill)) = ALL.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)) else {
        return Err(SqlError::unknown_table(&format!("{INFORMATION_SCHEMA}.{name}")));
    };
    let mut rows = SystemTable::new(columns);
    if let Some(fill) = fill {
        fill(services, &mut rows);
    }
    rows.into_batch()
}

pub(super) fn table_names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, ..)| *name)
}

pub(super) fn column_names(table: &str) -> Option<Vec<String>> {
    let (_, columns, _) = ALL.iter().find(|(known, ..)| known.eq_ignore_ascii_case(table))?;
    Some(columns.iter().map(|(name, _)| (*name).to_owned()).collect())
}

/// A moment as StarRocks prints it; in UTC.
pub(super) fn time_text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn all_tables(services: &Services) -> Vec<std::sync::Arc<Table>> {
    services.warehouse.databases().iter().flat_map(|database| database.tables()).collect()
}

fn schemata(services: &Services, rows: &mut SystemTable) {
    let databases = services.warehouse.databases();
    for name in databases.iter().map(|database| database.name()).chain([INFORMATION_SCHEMA]) {
        rows.push(vec!["def".into(), name.into(), "utf8".into(), "utf8_general_ci".into(), Cell::Null]);
    }
}

fn tables(services: &Services, rows: &mut SystemTable) {
    for table in all_tables(services) {
        let snapshot = table.snapshot();
        let bytes: u64 = snapshot.visible().map(|partition| partition.bytes()).sum();
        let count = snapshot.rows();
        let changed = snapshot.visible().map(|partition| partition.changed_at).max().unwrap_or(table.created_at());
        rows.push(vec![
            "def".into(),
            table.database().into(),
            table.name().into(),
            "BASE TABLE".into(),
            "StarRocks".into(),
            Cell::Null,
            "".into(),
            count.into(),
            bytes.checked_div(count).unwrap_or(0).into(),
            bytes.into(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            time_text(table.created_at()).into(),
            time_text(changed).into(),
            Cell::Null,
            "utf8_general_ci".into(),
            Cell::Null,
            "".into(),
            table.definition().comment.as_str().into(),
        ]);
    }
    for name in table_names() {
        let mut row = vec![
            Cell::from("def"),
            INFORMATION_SCHEMA.into(),
            name.into(),
            "SYSTEM VIEW".into(),
            "MEMORY".into(),
            Cell::Null,
            "".into(),
        ];
        row.resize(TABLES.len() - 1, Cell::Null);
        row.push("".into());
        rows.push(row);
    }
}

fn columns(services: &Services, rows: &mut SystemTable) {
    for table in all_tables(services) {
        let definition = table.definition();
        for (index, column) in definition.columns.iter().enumerate() {
            rows.push(column_row(table.database(), definition, index, column));
        }
    }
    for (name, columns, _) in ALL {
        for (index, (column, kind)) in columns.iter().enumerate() {
            let column_type = if *kind == Int { ColumnType::BigInt } else { ColumnType::Varchar(2048) };
            let column = ColumnDefinition::new(*column, column_type);
            let definition = TableDefinition::new(name, Vec::new());
            rows.push(column_row(INFORMATION_SCHEMA, &definition, index, &column));
        }
    }
}

fn column_row(database: &str, definition: &TableDefinition, index: usize, column: &ColumnDefinition) -> Vec<Cell> {
    let column_type = &column.column_type;
    let characters: Option<i64> = match column_type {
        ColumnType::Char(length) | ColumnType::Varchar(length) => Some(i64::from(*length)),
        _ => None,
    };
    let (size, digits) = size_and_digits(column_type);
    let numeric = !matches!(column_type, ColumnType::Char(_) | ColumnType::Varchar(_));
    let (charset, collation) =
        if characters.is_some() { (Some("utf8"), Some("utf8_general_ci")) } else { (None, None) };
    let key = if definition.is_key(index) { definition.key_model.column_key() } else { "" };
    vec![
        "def".into(),
        database.into(),
        definition.name.as_str().into(),
        column.name.as_str().into(),
        (index + 1).into(),
        default_text(column).into(),
        yes_no(column.nullable).into(),
        column_type.data_type_text().into(),
        characters.into(),
        characters.into(),
        if numeric { size.into() } else { Cell::Null },
        digits.into(),
        if *column_type == ColumnType::DateTime { Cell::Int(0) } else { Cell::Null },
        charset.into(),
        collation.into(),
        column_type.column_type_text().into(),
        key.into(),
        "".into(),
        "".into(),
        column.comment.as_str().into(),
        size.into(),
        digits.into(),
        Cell::Null,
        Cell::Null,
    ]
}

/// COLUMN_SIZE and DECIMAL_DIGITS (StarRocks: `Type.getColumnSize`, `getDecimalDigits`, which follow JDBC).
fn size_and_digits(column_type: &ColumnType) -> (Option<i64>, Option<i64>) {
    match column_type {
        ColumnType::TinyInt => (Some(3), Some(0)),
        ColumnType::SmallInt => (Some(5), Some(0)),
        ColumnType::Int => (Some(10), Some(0)),
        ColumnType::BigInt => (Some(19), Some(0)),
        ColumnType::LargeInt => (Some(i64::from(LARGEINT_DIGITS)), Some(0)),
        ColumnType::Float => (Some(7), Some(7)),
        ColumnType::Double => (Some(15), Some(15)),
        ColumnType::Decimal { precision, scale } => (Some(i64::from(*precision)), Some(i64::from(*scale))),
        ColumnType::Char(length) | ColumnType::Varchar(length) => (Some(i64::from(*length)), None),
        _ => (None, None),
    }
}

fn tables_config(services: &Services, rows: &mut SystemTable) {
    for table in all_tables(services) {
        let definition = table.definition();
        let key = name_list(&definition.key_columns);
        let primary =
            if matches!(definition.key_model, KeyModel::Primary | KeyModel::Unique) { key.as_str() } else { "" };
        let (distribution, columns, buckets) = distribution_parts(&definition.distribution);
        let sort_key = if definition.order_by.is_empty() { key.clone() } else { name_list(&definition.order_by) };
        let properties: serde_json::Map<String, serde_json::Value> =
            properties(definition).into_iter().map(|(key, value)| (key, value.into())).collect();
        rows.push(vec![
            table.database().into(),
            table.name().into(),
            "OLAP".into(),
            definition.key_model.table_model().into(),
            primary.into(),
            name_list(definition.partitioning.columns()).into(),
            columns.into(),
            distribution.into(),
            buckets.into(),
            sort_key.into(),
            serde_json::Value::Object(properties).to_string().into(),
            table.id().into(),
        ]);
    }
}

/// The kind, the columns and the number of buckets of a distribution.
pub(super) fn distribution_parts(distribution: &Distribution) -> (&'static str, String, i64) {
    match distribution {
        Distribution::Random { buckets } => ("RANDOM", String::new(), i64::from(buckets.unwrap_or(1))),
        Distribution::Hash { columns, buckets } => ("HASH", name_list(columns), i64::from(buckets.unwrap_or(1))),
    }
}

/// A partition's values as StarRocks prints them, such as `[["2024-08-07"]]`; empty without partitions.
pub(super) fn partition_value_text(partition: &Partition) -> String {
    if partition.values.is_empty() {
        return String::new();
    }
    let tuples: Vec<Vec<&str>> = partition
        .values
        .iter()
        .map(|tuple| tuple.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect())
        .collect();
    serde_json::json!(tuples).to_string()
}

fn partitions_meta(services: &Services, rows: &mut SystemTable) {
    for table in all_tables(services) {
        let definition = table.definition();
        let keys: Vec<String> =
            definition.partition_indexes().iter().map(|&index| column_text(&definition.columns[index])).collect();
        let (_, distribution, buckets) = distribution_parts(&definition.distribution);
        for partition in &table.snapshot().partitions {
            rows.push(vec![
                table.database().into(),
                table.name().into(),
                partition.name.as_str().into(),
                partition.id.into(),
                0_i64.into(),
                partition.version.into(),
                time_text(partition.changed_at).into(),
                (partition.version + 1).into(),
                partition.version.into(),
                0_i64.into(),
                "TXN_NORMAL".into(),
                keys.join(", ").into(),
                partition_value_text(partition).into(),
                distribution.as_str().into(),
                buckets.into(),
                1_i64.into(),
                "SSD".into(),
                "9999-12-31 23:59:59".into(),
                Cell::Null,
                0_i64.into(),
                i64::from(partition.is_temp).into(),
                format!("{}B", partition.bytes()).into(),
                partition.rows().into(),
                0_i64.into(),
                0_i64.into(),
                0_i64.into(),
                0_i64.into(),
                "".into(),
                format!("{}B", partition.bytes()).into(),
                1_i64.into(),
            ]);
        }
        // StarRocks keeps a partition without values beside the automatic ones
        if let PartitionScheme::List { automatic: true, .. } = definition.partitioning {
            let mut row: Vec<Cell> =
                vec![table.database().into(), table.name().into(), "$shadow_automatic_partition".into(), 0_i64.into()];
            row.resize(PARTITIONS_META.len(), Cell::Null);
            row[11] = keys.join(", ").into();
            row[12] = "".into();
            row[20] = 0_i64.into();
            row[22] = 0_i64.into();
            rows.push(row);
        }
    }
}

fn loads(services: &Services, rows: &mut SystemTable) {
    load_rows(services, rows, |_| true);
}

fn stream_loads(services: &Services, rows: &mut SystemTable) {
    load_rows(services, rows, |transaction| !transaction.is_statement);
}

fn load_rows(services: &Services, rows: &mut SystemTable, wanted: impl Fn(&TransactionInfo) -> bool) {
    for database in services.warehouse.databases() {
        for transaction in database.transactions().into_iter().filter(|transaction| wanted(transaction)) {
            let state = match transaction.state {
                LabelState::Prepare => "LOADING",
                LabelState::Prepared => "PREPARED",
                LabelState::Committed => "COMMITTED",
                LabelState::Visible => "FINISHED",
                LabelState::Aborted => "CANCELLED",
            };
            rows.push(vec![
                transaction.id.into(),
                transaction.label.as_str().into(),
                database.name().into(),
                transaction.table.as_str().into(),
                state.into(),
                if state == "FINISHED" { "100%" } else { "0%" }.into(),
                if transaction.is_statement { "INSERT" } else { "STREAM_LOAD" }.into(),
                transaction.rows.into(),
                0_i64.into(),
                0_i64.into(),
                transaction.rows.into(),
                time_text(transaction.began_at).into(),
                transaction.ended_at.map(time_text).into(),
                if transaction.reason.is_empty() { Cell::Null } else { transaction.reason.as_str().into() },
                transaction.id.into(),
            ]);
        }
    }
}
