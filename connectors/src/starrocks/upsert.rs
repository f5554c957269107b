//! What only primary key tables take: deletes by `__op`, partial updates, conditions of a merge. All of it is checked before anything is sent.

use arrow::datatypes::SchemaRef;

use super::table::{Column, TableModel};
use super::write_options::WriteOptions;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::nearest;
use crate::sink::{ColumnMapping, TargetColumn, TargetType, map_columns};

/// The column by which a row says what is done with it (StarRocks: "Change data through loading"): no column of the table, and taken by loads
/// into primary key tables only.
pub(super) const OPERATION: &str = "__op";
/// What `partial_update_mode` may be; the server ignores any other word, and the case counts.
const UPDATE_MODES: &[&str] = &["row", "auto", "column"];

/// The columns that a write may name: those that the server does not compute, and `__op` where the statement names it.
///
/// # Errors
/// Name or Option, if the table's model or its columns do not allow what the statement or its properties ask for.
pub(super) fn writable(
    table: &[Column],
    mapping: &ColumnMapping,
    source: &SchemaRef,
    options: &mut WriteOptions,
) -> Result<Vec<TargetColumn>> {
    let mut columns: Vec<TargetColumn> =
        table.iter().filter(|column| !column.is_generated).map(Column::target).collect();
    let is_column = columns.iter().any(|column| column.name.eq_ignore_ascii_case(OPERATION));
    if names_operation(mapping, source) && !is_column {
        require_primary_key(table, &format!("the column {OPERATION}"))?;
        columns.push(operation());
        options.has_operations = true;
    }
    if options.is_on("partial_update") {
        allow_partial_rows(table, options, &mut columns)?;
    } else if options.header("partial_update_mode").is_some() {
        return Err(ConnectorError::option(
            "\"partial_update_mode\" has no meaning without \"partial_update\" = 'true'",
        ));
    }
    if let Some(condition) = options.header("merge_condition").map(str::to_owned) {
        check_merge_condition(table, &columns, &condition, mapping, source, options)?;
    }
    Ok(columns)
}

fn names_operation(mapping: &ColumnMapping, source: &SchemaRef) -> bool {
    match mapping {
        ColumnMapping::Position => false,
        ColumnMapping::List(names) => names.iter().any(|name| name.eq_ignore_ascii_case(OPERATION)),
        ColumnMapping::ByName => source.fields().iter().any(|field| field.name().eq_ignore_ascii_case(OPERATION)),
    }
}

/// `__op` as a column of the target. A row that does not say is an upsert, so that it need not be named, but NULL is no answer.
fn operation() -> TargetColumn {
    TargetColumn {
        name: OPERATION.to_owned(),
        kind: TargetType::Operation,
        nullable: false,
        has_default: true,
        type_name: "0 (upsert) or 1 (delete)".to_owned(),
    }
}

/// A server that does not say a table's model is left to decide by itself.
fn require_primary_key(table: &[Column], what: &str) -> Result<()> {
    match table.iter().find_map(|column| column.key) {
        None | Some(TableModel::Primary) => Ok(()),
        Some(other) => Err(ConnectorError::new(
            ErrorCode::Name,
            format!(
                "{what} is for primary key tables only, and this is a table with {}; delete or change rows by a DELETE or an UPDATE of its own",
                other.name()
            ),
        )),
    }
}

/// In a partial update the columns that are not named keep what they hold, so that only the key must be there.
fn allow_partial_rows(table: &[Column], options: &WriteOptions, columns: &mut [TargetColumn]) -> Result<()> {
    require_primary_key(table, "\"partial_update\"")?;
    if let Some(mode) = options.header("partial_update_mode")
        && !UPDATE_MODES.contains(&mode)
    {
        return Err(ConnectorError::option(format!(
            "\"partial_update_mode\" = '{mode}' is not known; write {}",
            UPDATE_MODES.join(", ")
        )));
    }
    for column in columns {
        let is_key = table.iter().any(|known| known.name == column.name && known.key.is_some());
        column.has_default = !is_key;
    }
    Ok(())
}

/// The server refuses a condition on a key or on a column that is not written at the end of the load only.
fn check_merge_condition(
    table: &[Column],
    columns: &[TargetColumn],
    condition: &str,
    mapping: &ColumnMapping,
    source: &SchemaRef,
    options: &WriteOptions,
) -> Result<()> {
    require_primary_key(table, "\"merge_condition\"")?;
    let found = table.iter().find(|column| column.name.eq_ignore_ascii_case(condition));
    let Some(column) = found else {
        let values = table.iter().filter(|column| column.key.is_none()).map(|column| column.name.as_str());
        let hint = nearest(condition, values).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        return Err(ConnectorError::option(format!(
            "\"merge_condition\" names {condition}, which is no column of the table{hint}"
        )));
    };
    if column.key.is_some() {
        return Err(ConnectorError::option(format!(
            "\"merge_condition\" names {}, which belongs to the primary key; name a column whose greater value wins",
            column.name
        )));
    }
    // The server knows the columns of a user's own list.
    let is_written = || -> Result<bool> {
        Ok(map_columns(mapping, source, columns)?.iter().any(|written| written.name == column.name))
    };
    if options.header("columns").is_none() && !is_written()? {
        return Err(ConnectorError::option(format!(
            "\"merge_condition\" names {}, which the statement does not write; add it to the SELECT",
            column.name
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::options::Options;

    fn table(model: Option<TableModel>) -> Vec<Column> {
        let column = |name: &str, is_key: bool| Column {
            name: name.into(),
            column_type: "int(11)".into(),
            nullable: false,
            has_default: false,
            is_generated: false,
            comment: String::new(),
            key: model.filter(|_| is_key),
        };
        vec![column("id", true), column("name", false), column("score", false)]
    }

    fn plan(model: Option<TableModel>, list: &[&str], properties: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let fields: Vec<Field> = list.iter().map(|name| Field::new(*name, DataType::Int32, true)).collect();
        let source = Arc::new(Schema::new(fields));
        let mapping = ColumnMapping::List(list.iter().map(|name| (*name).to_owned()).collect());
        let properties: Options = properties.iter().copied().collect();
        let none = Options::new();
        let mut options = WriteOptions::parse(&properties, &none, &none).map_err(|error| error.message().to_owned())?;
        writable(&table(model), &mapping, &source, &mut options)
            .and_then(|columns| map_columns(&mapping, &source, &columns))
            .map(|columns| columns.into_iter().map(|column| column.name).collect())
            .map_err(|error| error.message().to_owned())
    }

    const PRIMARY: Option<TableModel> = Some(TableModel::Primary);

    #[test]
    fn an_operation_is_a_column_of_primary_key_tables_only() {
        let all = ["id", "name", "score", "__OP"];
        assert_eq!(plan(PRIMARY, &all, &[]).unwrap(), ["id", "name", "score", "__op"]);
        assert!(plan(None, &all, &[]).is_ok(), "a server that does not say decides itself");
        for model in [TableModel::Duplicate, TableModel::Unique, TableModel::Aggregate] {
            let error = plan(Some(model), &all, &[]).unwrap_err();
            assert!(error.contains("__op is for primary key tables only") && error.contains(model.name()), "{error}");
        }
    }

    #[test]
    fn a_partial_update_needs_the_key_and_no_other_column() {
        let on = [("partial_update", "true")];
        assert_eq!(plan(PRIMARY, &["id", "score"], &on).unwrap(), ["id", "score"]);
        assert!(plan(PRIMARY, &["id", "score"], &[]).unwrap_err().contains("leaves out `name`"));
        assert!(plan(PRIMARY, &["name", "score"], &on).unwrap_err().contains("leaves out `id`"));
        assert!(plan(Some(TableModel::Duplicate), &["id"], &on).unwrap_err().contains("primary key tables only"));
        let mode = |mode| plan(PRIMARY, &["id"], &[("partial_update", "true"), ("partial_update_mode", mode)]);
        assert!(mode("column").is_ok());
        assert!(mode("ROW").unwrap_err().contains("write row, auto, column"));
        assert!(plan(PRIMARY, &["id"], &[("partial_update_mode", "row")]).is_err());
    }

    #[test]
    fn a_condition_names_a_written_column_that_is_no_key() {
        let merge = |list: &[&str], condition| plan(PRIMARY, list, &[("merge_condition", condition)]);
        let all = ["id", "name", "score"];
        assert!(merge(&all, "SCORE").is_ok());
        assert!(merge(&all, "id").unwrap_err().contains("belongs to the primary key"));
        assert!(merge(&all, "scor").unwrap_err().contains("did you mean score?"));
        let partial = [("merge_condition", "name"), ("partial_update", "true")];
        assert!(plan(PRIMARY, &["id", "score"], &partial).unwrap_err().contains("does not write"));
    }
}
