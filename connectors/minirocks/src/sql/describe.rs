//! DESC and SHOW CREATE TABLE.

use std::fmt::Write as _;

use arrow::record_batch::RecordBatch;

use super::error::SqlError;
use super::information_schema;
use super::session::SessionView;
use super::statement::TableName;
use super::system_table::{Cell, SystemTable};
use super::{INFORMATION_SCHEMA, Services};
use crate::storage::{
    ColumnDefault, ColumnDefinition, Distribution, KeyModel, Partition, PartitionScheme, PartitionTuple, Table,
    TableDefinition,
};

/// DESC: a row for each column.
pub(super) fn describe(view: &SessionView<'_>, name: &TableName) -> Result<RecordBatch, SqlError> {
    let mut rows = SystemTable::of_text(&["Field", "Type", "Null", "Key", "Default", "Extra"]);
    if view.database_of(name.database.as_deref())?.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        for field in system_fields(view.services, name)? {
            rows.push(vec![field.0.into(), field.1.into(), "YES".into(), "".into(), Cell::Null, "".into()]);
        }
        return rows.into_batch();
    }
    let table = view.open_table(name)?;
    let definition = table.definition();
    for (index, column) in definition.columns.iter().enumerate() {
        rows.push(vec![
            column.name.as_str().into(),
            column.column_type.sql().into(),
            yes_no(column.nullable).into(),
            if definition.is_key(index) { "true" } else { "false" }.into(),
            default_text(column).into(),
            extra_text(definition, index).into(),
        ]);
    }
    rows.into_batch()
}

/// SHOW [FULL] COLUMNS.
pub(super) fn columns(view: &SessionView<'_>, name: &TableName, full: bool) -> Result<SystemTable, SqlError> {
    let mut rows = if full {
        SystemTable::of_text(&[
            "Field",
            "Type",
            "Collation",
            "Null",
            "Key",
            "Default",
            "Extra",
            "Privileges",
            "Comment",
        ])
    } else {
        SystemTable::of_text(&["Field", "Type", "Null", "Key", "Default", "Extra"])
    };
    let mut push = |field: String,
                    kind: String,
                    nullable: bool,
                    key: &str,
                    default: Option<String>,
                    extra: &str,
                    comment: String| {
        let null = yes_no(nullable);
        rows.push(if full {
            vec![
                field.into(),
                kind.into(),
                "".into(),
                null.into(),
                key.into(),
                default.into(),
                extra.into(),
                "".into(),
                comment.into(),
            ]
        } else {
            vec![field.into(), kind.into(), null.into(), key.into(), default.into(), extra.into()]
        });
    };
    if view.database_of(name.database.as_deref())?.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        for (field, kind) in system_fields(view.services, name)? {
            push(field, kind, true, "", None, "", String::new());
        }
        return Ok(rows);
    }
    let table = view.open_table(name)?;
    let definition = table.definition();
    for (index, column) in definition.columns.iter().enumerate() {
        let key = match definition.key_model {
            _ if !definition.is_key(index) => "",
            KeyModel::Duplicate => "YES",
            model => model.column_key(),
        };
        let kind = column.column_type.sql();
        let (default, extra) = (default_text(column), extra_text(definition, index));
        push(column.name.clone(), kind, column.nullable, key, default, extra, column.comment.clone());
    }
    Ok(rows)
}

fn system_fields(services: &Services, name: &TableName) -> Result<Vec<(String, String)>, SqlError> {
    let batch = information_schema::table(services, &name.table)?;
    let kind = |numeric: bool| if numeric { "bigint(20)" } else { "varchar(2048)" };
    Ok(batch
        .schema()
        .fields()
        .iter()
        .map(|field| (field.name().clone(), kind(field.data_type().is_numeric()).to_owned()))
        .collect())
}

/// How a column's values become one value, as DESC prints it behind a key.
fn extra_text(definition: &TableDefinition, index: usize) -> &'static str {
    match (definition.key_model, definition.columns[index].aggregation) {
        (KeyModel::Unique, _) if !definition.is_key(index) => "REPLACE",
        (_, Some(aggregation)) => aggregation.sql(),
        _ => "",
    }
}

/// A column's DEFAULT as DESC prints it.
pub(super) fn default_text(column: &ColumnDefinition) -> Option<String> {
    match &column.default {
        ColumnDefault::None | ColumnDefault::Null => None,
        ColumnDefault::Value(text) => Some(text.clone()),
        ColumnDefault::CurrentTimestamp => Some("CURRENT_TIMESTAMP".to_owned()),
    }
}

pub(super) fn yes_no(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}

/// CREATE TABLE in the form that StarRocks prints; it can be executed again.
pub(super) fn create_table_text(table: &Table) -> String {
    let definition = table.definition();
    let mut text = format!("CREATE TABLE {} (\n", quoted_name(&definition.name));
    let columns: Vec<String> = definition.columns.iter().map(|column| format!("  {}", column_text(column))).collect();
    text.push_str(&columns.join(",\n"));
    text.push_str("\n) ENGINE=OLAP ");
    // writing to a String cannot fail
    let _ = write!(text, "\n{}({})", definition.key_model.sql(), name_list(&definition.key_columns));
    if !definition.comment.is_empty() {
        let _ = write!(text, "\nCOMMENT \"{}\"", escaped(&definition.comment));
    }
    match &definition.partitioning {
        PartitionScheme::None => {}
        PartitionScheme::List { columns, automatic: true } => {
            let _ = write!(text, "\nPARTITION BY ({})", name_list(columns));
        }
        PartitionScheme::List { columns, automatic: false } => {
            let partitions: Vec<String> =
                table.snapshot().visible().map(|partition| format!("  {}", list_partition_text(partition))).collect();
            let _ = write!(text, "\nPARTITION BY LIST({})(\n{}\n)", name_list(columns), partitions.join(",\n"));
        }
    }
    let buckets = |buckets: &Option<u32>| buckets.map(|buckets| format!(" BUCKETS {buckets}")).unwrap_or_default();
    match &definition.distribution {
        Distribution::Random { buckets: count } => {
            let _ = write!(text, "\nDISTRIBUTED BY RANDOM{}", buckets(count));
        }
        Distribution::Hash { columns, buckets: count } => {
            let _ = write!(text, "\nDISTRIBUTED BY HASH({}){} ", name_list(columns), buckets(count));
        }
    }
    if !definition.order_by.is_empty() {
        let _ = write!(text, "\nORDER BY({})", name_list(&definition.order_by));
    }
    let properties: Vec<String> = properties(definition)
        .iter()
        .map(|(key, value)| format!("\"{}\" = \"{}\"", escaped(key), escaped(value)))
        .collect();
    let _ = write!(text, "\nPROPERTIES (\n{}\n);", properties.join(",\n"));
    text
}

/// `PARTITION p VALUES IN ('a', 'b')`; with several columns `(('a', '1'), …)`.
fn list_partition_text(partition: &Partition) -> String {
    let value = |value: &Option<String>| match value {
        None => "NULL".to_owned(),
        Some(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
    };
    let tuple = |tuple: &PartitionTuple| {
        let values: Vec<String> = tuple.iter().map(value).collect();
        if values.len() == 1 { values.concat() } else { format!("({})", values.join(", ")) }
    };
    let values: Vec<String> = partition.values.iter().map(tuple).collect();
    format!("PARTITION {} VALUES IN ({})", quoted_name(&partition.name), values.join(", "))
}

/// The properties that were written, and those that StarRocks always prints.
pub(super) fn properties(definition: &TableDefinition) -> Vec<(String, String)> {
    let always = [
        ("compression", "LZ4"),
        ("fast_schema_evolution", "true"),
        ("replicated_storage", "true"),
        ("replication_num", "1"),
    ];
    let mut properties: Vec<(String, String)> = always
        .iter()
        .filter(|(name, _)| definition.property(name).is_none())
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    properties.extend(definition.properties.iter().cloned());
    properties.sort();
    properties
}

/// A column as SHOW CREATE TABLE prints it.
pub(super) fn column_text(column: &ColumnDefinition) -> String {
    let null = if column.nullable { "NULL" } else { "NOT NULL" };
    let default = match &column.default {
        ColumnDefault::None | ColumnDefault::Null => String::new(),
        ColumnDefault::Value(text) => format!(" DEFAULT \"{}\"", escaped(text)),
        ColumnDefault::CurrentTimestamp => " DEFAULT CURRENT_TIMESTAMP".to_owned(),
    };
    let name = quoted_name(&column.name);
    let aggregation = column.aggregation.map(|aggregation| format!(" {}", aggregation.sql())).unwrap_or_default();
    format!("{name} {}{aggregation} {null}{default} COMMENT \"{}\"", column.column_type.sql(), escaped(&column.comment))
}

pub(super) fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub(super) fn name_list(names: &[String]) -> String {
    names.iter().map(|name| quoted_name(name)).collect::<Vec<_>>().join(", ")
}

/// A text inside double quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
