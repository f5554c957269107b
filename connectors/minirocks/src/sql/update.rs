//! UPDATE of primary key tables: rows that match are replaced, if the table is still the same.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{filter_record_batch, interleave};
use arrow::record_batch::RecordBatch;
use datafusion::sql::sqlparser::ast::Expr;

use super::OkInfo;
use super::assign::assign_array;
use super::error::SqlError;
use super::evaluate::{evaluate, is_true};
use super::replace_rows::replace_rows;
use super::session::SessionView;
use super::statement::{Literal, Update};
use crate::error::Error;
use crate::storage::{KeyModel, Table};

pub(super) async fn update(
    view: &SessionView<'_>,
    update: &Update,
    parameters: &[Literal],
) -> Result<OkInfo, SqlError> {
    let table = view.open_table(&update.table)?;
    let assignments = checked(&table, update)?;
    let Some(filter) = &update.filter else {
        return Err(SqlError::analysis("must specify where clause to prevent full table update"));
    };
    let snapshot = table.snapshot();
    let alias = update.alias.as_deref().unwrap_or(&update.table.table);
    let mut replaced = Vec::new();
    let mut updated = 0;
    for partition in snapshot.visible() {
        let mut rows = Vec::with_capacity(partition.batches.len());
        let mut touched = 0;
        for batch in &partition.batches {
            let matches = is_true(view, alias, batch, filter, parameters).await?;
            touched += matches.true_count() as u64;
            if matches.true_count() == 0 {
                rows.push(RecordBatch::clone(batch));
                continue;
            }
            let matching = filter_record_batch(batch, &matches).map_err(internal)?;
            let expressions: Vec<Expr> = assignments.values().map(|expr| Expr::clone(expr)).collect();
            let values = evaluate(view, alias, &matching, &expressions, parameters).await?;
            let mut new = HashMap::new();
            for (index, value) in assignments.keys().zip(&values) {
                let column = &table.definition().columns[*index];
                let value = assign_array(value, column)?;
                if !column.nullable && value.null_count() > 0 {
                    return Err(Error::Row(format!("NULL value in non-nullable column '{}'", column.name)).into());
                }
                new.insert(*index, value);
            }
            // for each row: the old batch, or the next of the rows that match
            let mut next = 0;
            let places: Vec<(usize, usize)> = (0..batch.num_rows())
                .map(|row| {
                    if !matches.value(row) {
                        return (0, row);
                    }
                    next += 1;
                    (1, next - 1)
                })
                .collect();
            let columns = batch
                .columns()
                .iter()
                .enumerate()
                .map(|(index, old)| match new.get(&index) {
                    None => Ok(Arc::clone(old)),
                    Some(new) => interleave(&[old.as_ref(), new.as_ref()], &places).map_err(internal),
                })
                .collect::<Result<Vec<ArrayRef>, SqlError>>()?;
            rows.push(RecordBatch::try_new(Arc::clone(table.schema()), columns).map_err(internal)?);
        }
        if touched > 0 {
            updated += touched;
            replaced.push((partition.id, rows));
        }
    }
    let database = view.open_database(update.table.database.as_deref())?;
    let text = replace_rows(&database, table, "update_", snapshot.version, replaced).await?;
    Ok(OkInfo { affected_rows: updated, text })
}

/// The new values by the position of their column, in the words of StarRocks's `UpdateAnalyzer` where one is refused.
fn checked<'a>(table: &Table, update: &'a Update) -> Result<HashMap<usize, &'a Expr>, SqlError> {
    let definition = table.definition();
    if definition.key_model != KeyModel::Primary {
        return Err(SqlError::analysis(format!("table {} does not support update", table.name())));
    }
    let mut assignments = HashMap::new();
    for (name, value) in &update.assignments {
        let Some(index) = definition.column_index(name) else {
            return Err(SqlError::analysis(format!("table '{}' do not existing column '{name}'", table.name())));
        };
        if assignments.insert(index, value.as_ref()).is_some() {
            return Err(SqlError::analysis(format!("Column '{name}' specified twice")));
        }
    }
    if update.filter.is_some()
        && let Some(key) = assignments.keys().find(|index| definition.is_key(**index))
    {
        let name = &definition.columns[*key].name;
        return Err(SqlError::analysis(format!("primary key column cannot be updated: {name}")));
    }
    Ok(assignments)
}

fn internal(error: arrow::error::ArrowError) -> SqlError {
    SqlError::internal(error.to_string())
}
