//! Statements that make, change and drop databases, tables and partitions.

use super::error::SqlError;
use super::session::SessionView;
use super::statement::{
    ColumnDefault as WrittenDefault, ColumnDefinition as WrittenColumn, CreateTable,
    Distribution as WrittenDistribution, Statement, TableChange, TableName,
};
use crate::storage::{
    ColumnDefault, ColumnDefinition, Distribution, KeyModel, PartitionScheme, PartitionTuple, Table, TableDefinition,
};
use crate::types::ColumnType;

/// Executes a statement that has neither rows nor a count.
pub(super) fn execute(view: &SessionView<'_>, statement: Statement) -> Result<(), SqlError> {
    let warehouse = &view.services.warehouse;
    match statement {
        Statement::CreateDatabase { name, if_not_exists } => {
            warehouse.create_database(&name, if_not_exists)?;
        }
        Statement::CreateTableLike { name, like, if_not_exists } => {
            create_table_like(view, &name, &like, if_not_exists)?;
        }
        Statement::DropTable { name, if_exists } => drop_table(view, &name, if_exists)?,
        Statement::Truncate { table, partitions } => {
            let table = view.open_table(&table)?;
            table.truncate((!partitions.is_empty()).then_some(partitions.as_slice()))?;
        }
        Statement::AlterTable { table, changes } => {
            let table = view.open_table(&table)?;
            if changes.len() > 1 && !changes.iter().all(|change| matches!(change, TableChange::SetProperties(_))) {
                return Err(SqlError::unsupported("several changes in one ALTER TABLE"));
            }
            for change in changes {
                alter_table(&table, change)?;
            }
        }
        _ => return Err(SqlError::internal("a statement came to the wrong place")),
    }
    Ok(())
}

/// CREATE TABLE … LIKE. As in StarRocks it is what SHOW CREATE TABLE of the other one would make: partitions that rows bring
/// into being are not copied, those of a table by LIST are.
fn create_table_like(
    view: &SessionView<'_>,
    name: &TableName,
    like: &TableName,
    if_not_exists: bool,
) -> Result<(), SqlError> {
    let other = view.open_table(like)?;
    let mut definition = other.definition().as_ref().clone();
    definition.name.clone_from(&name.table);
    let partitions: Vec<_> = match &definition.partitioning {
        PartitionScheme::List { automatic: false, .. } => {
            other.snapshot().visible().map(|partition| (partition.name.clone(), partition.values.clone())).collect()
        }
        _ => Vec::new(),
    };
    create_partitioned(view, name, definition, partitions, if_not_exists)?;
    Ok(())
}

/// Makes a table with its first partitions, or nothing. Returns false if IF NOT EXISTS found the name.
fn create_partitioned(
    view: &SessionView<'_>,
    name: &TableName,
    definition: TableDefinition,
    partitions: Vec<(String, Vec<PartitionTuple>)>,
    if_not_exists: bool,
) -> Result<bool, SqlError> {
    let database = view.open_database(name.database.as_deref())?;
    if !database.create_table(definition, if_not_exists)? {
        return Ok(false);
    }
    let table = database.table(&name.table)?;
    for (partition, values) in partitions {
        if let Err(error) = table.add_partition(&partition, values, false, false) {
            database.drop_table(&name.table, true)?;
            return Err(error.into());
        }
    }
    Ok(true)
}

pub(super) fn drop_database(view: &SessionView<'_>, name: &str, if_exists: bool) -> Result<(), SqlError> {
    view.services.warehouse.drop_database(name, if_exists)?;
    Ok(())
}

fn drop_table(view: &SessionView<'_>, name: &TableName, if_exists: bool) -> Result<(), SqlError> {
    let database = match view.open_database(name.database.as_deref()) {
        Err(error) if error.code == 5501 && if_exists => return Ok(()),
        other => other?,
    };
    database.drop_table(&name.table, if_exists)?;
    Ok(())
}

fn alter_table(table: &Table, change: TableChange) -> Result<(), SqlError> {
    match change {
        TableChange::AddPartition { partition, temporary } => {
            table.add_partition(&partition.name, partition.values, temporary, partition.if_not_exists)?;
        }
        TableChange::DropPartitions { names, if_exists, temporary } => {
            table.drop_partitions(&names, temporary, if_exists)?;
        }
        TableChange::ReplacePartitions { names, with, properties } => {
            let property = |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let is_true = |name: &str, default: bool| match property(name) {
                None => Ok(default),
                Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
                Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
                Some(text) => {
                    Err(SqlError::analysis(format!("Invalid value of {name}: {text}. It must be true or false")))
                }
            };
            let strict_range = is_true("strict_range", true)?;
            let keep_names = !is_true("use_temp_partition_name", false)?;
            table.replace_partitions(&names, &with, strict_range, keep_names)?;
        }
        TableChange::SetProperties(_) => {}
        TableChange::AddColumn(_) | TableChange::DropColumn(_) | TableChange::RenameColumn { .. } => {
            return Err(SqlError::unsupported("changes of columns; make a new table and INSERT … SELECT"));
        }
        TableChange::RenameTable(_) => return Err(SqlError::unsupported("ALTER TABLE … RENAME")),
    }
    Ok(())
}

/// CREATE TABLE. Returns false if IF NOT EXISTS found the name.
pub(super) fn create_table(view: &SessionView<'_>, table: &CreateTable) -> Result<bool, SqlError> {
    let partitions = table.partition_by.partitions.iter().map(|p| (p.name.clone(), p.values.clone())).collect();
    create_partitioned(view, &table.name, definition(table)?, partitions, table.if_not_exists)
}

fn definition(table: &CreateTable) -> Result<TableDefinition, SqlError> {
    let (key_model, key_columns) = match &table.keys {
        Some(keys) => keys.clone(),
        // StarRocks: columns with an aggregation make an aggregate key table whose key are the others
        None if table.columns.iter().any(|column| column.aggregation.is_some()) => {
            let keys = table.columns.iter().filter(|column| column.aggregation.is_none());
            (KeyModel::Aggregate, keys.map(|column| column.name.clone()).collect())
        }
        None => (KeyModel::Duplicate, Vec::new()),
    };
    check_properties(&table.properties)?;
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| column_definition(column, &key_columns, key_model))
        .collect::<Result<_, _>>()?;
    let by = &table.partition_by;
    let partitioning = if by.columns.is_empty() {
        PartitionScheme::None
    } else {
        PartitionScheme::List { columns: by.columns.clone(), automatic: !by.list }
    };
    let distribution = match (&table.distribution, key_model) {
        (Some(WrittenDistribution { columns, buckets }), _) if !columns.is_empty() => {
            Distribution::Hash { columns: columns.clone(), buckets: *buckets }
        }
        (Some(WrittenDistribution { buckets, .. }), KeyModel::Duplicate) => Distribution::Random { buckets: *buckets },
        (None, KeyModel::Duplicate) => Distribution::Random { buckets: None },
        (Some(_), _) => {
            return Err(SqlError::analysis(format!("{} TABLE must use hash distribution", key_model.sql())));
        }
        // StarRocks spreads a primary key table by its key when nothing is said
        (None, _) => Distribution::Hash { columns: key_columns.clone(), buckets: None },
    };
    Ok(TableDefinition {
        name: table.name.table.clone(),
        columns,
        key_model,
        key_columns,
        partitioning,
        distribution,
        order_by: table.order_by.clone(),
        properties: table.properties.clone(),
        comment: table.comment.clone(),
    })
}

/// Values that StarRocks refuses; the properties themselves have no effect here.
fn check_properties(properties: &[(String, String)]) -> Result<(), SqlError> {
    for (name, value) in properties {
        if name.eq_ignore_ascii_case("replication_num") {
            match value.trim().parse::<u32>() {
                Ok(1) => {}
                Ok(wanted) if wanted > 1 => {
                    return Err(SqlError::analysis(format!(
                        "Table replication num should be less than or equal to the number of available BE nodes. You can \
                         change this default by setting the replication_num table properties. Current alive backend is [1]. \
                         replication_num: {wanted}"
                    )));
                }
                _ => return Err(SqlError::analysis(format!("Replication num should larger than 0. value: {value}"))),
            }
        }
    }
    Ok(())
}

fn column_definition(column: &WrittenColumn, keys: &[String], model: KeyModel) -> Result<ColumnDefinition, SqlError> {
    let primary = model == KeyModel::Primary && keys.iter().any(|key| key.eq_ignore_ascii_case(&column.name));
    let nullable = column.nullable.unwrap_or(!primary) && !primary;
    let default = match &column.default {
        None => ColumnDefault::None,
        Some(WrittenDefault::Null) if !nullable => {
            return Err(SqlError::analysis(format!("Invalid default value for '{}'", column.name)));
        }
        Some(WrittenDefault::Null) => ColumnDefault::Null,
        Some(WrittenDefault::CurrentTimestamp) if column.column_type != ColumnType::DateTime => {
            let name = &column.name;
            return Err(SqlError::analysis(format!(
                "Default function now() for type {} is not supported: '{name}'",
                column.column_type
            )));
        }
        Some(WrittenDefault::CurrentTimestamp) => ColumnDefault::CurrentTimestamp,
        Some(WrittenDefault::Value(text)) => {
            super::assign::check_text(text, &column.column_type)
                .map_err(|_| SqlError::analysis(format!("Invalid default value for '{}': '{text}'", column.name)))?;
            ColumnDefault::Value(text.clone())
        }
    };
    Ok(ColumnDefinition {
        name: column.name.clone(),
        column_type: column.column_type.clone(),
        nullable,
        default,
        comment: column.comment.clone(),
        aggregation: column.aggregation,
    })
}
