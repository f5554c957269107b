//! DELETE: the rows that are left replace those that were read, if the table is still the same.

use arrow::compute::{filter_record_batch, not};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::OkInfo;
use super::error::SqlError;
use super::evaluate::is_true;
use super::replace_rows::replace_rows;
use super::session::SessionView;
use super::statement::{Literal, TableName};
use crate::storage::{KeyModel, TableDefinition};

pub(super) async fn delete(
    view: &SessionView<'_>,
    name: &TableName,
    partitions: &[String],
    filter: Option<&Expr>,
    parameters: &[Literal],
) -> Result<OkInfo, SqlError> {
    let table = view.open_table(name)?;
    let Some(filter) = filter else {
        return Err(SqlError::analysis("Delete must specify where clause to prevent full table delete/truncate"));
    };
    if table.definition().key_model != KeyModel::Primary {
        check_condition(filter, table.definition())?;
    }
    let snapshot = table.snapshot();
    for partition in partitions {
        if snapshot.partition(partition, false).is_none() {
            return Err(crate::error::Error::UnknownPartition {
                partition: partition.clone(),
                table: table.name().to_owned(),
            }
            .into());
        }
    }
    let mut replaced = Vec::new();
    let mut deleted = 0;
    for partition in snapshot.visible() {
        if !partitions.is_empty() && !partitions.iter().any(|name| name.eq_ignore_ascii_case(&partition.name)) {
            continue;
        }
        let mut kept = Vec::new();
        let before = partition.rows();
        for batch in &partition.batches {
            let matches = is_true(view, &name.table, batch, filter, parameters).await?;
            let rest = not(&matches).and_then(|keep| filter_record_batch(batch, &keep));
            kept.push(rest.map_err(|error| SqlError::internal(error.to_string()))?);
        }
        let after: u64 = kept.iter().map(|batch| batch.num_rows() as u64).sum();
        if after != before {
            deleted += before - after;
            replaced.push((partition.id, kept));
        }
    }
    let database = view.open_database(name.database.as_deref())?;
    let text = replace_rows(&database, table, "delete_", snapshot.version, replaced).await?;
    Ok(OkInfo { affected_rows: deleted, text })
}

/// What StarRocks deletes by in tables that are not primary key tables: columns compared with constants, joined by AND; in
/// unique and aggregate key tables only key columns (StarRocks: DELETE, `DeleteAnalyzer`).
fn check_condition(condition: &Expr, definition: &TableDefinition) -> Result<(), SqlError> {
    let column = match condition {
        Expr::Nested(inner) => return check_condition(inner, definition),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            check_condition(left, definition)?;
            return check_condition(right, definition);
        }
        Expr::BinaryOp { op: BinaryOperator::Or | BinaryOperator::Xor, .. } => {
            return Err(SqlError::analysis("Compound predicate's op should be AND"));
        }
        Expr::BinaryOp { left, op, right } if is_comparison(op) && is_constant(right) => left.as_ref(),
        Expr::IsNull(column) | Expr::IsNotNull(column) => column.as_ref(),
        Expr::InList { expr, list, .. } if list.iter().all(is_constant) => expr.as_ref(),
        Expr::Between { expr, negated: false, low, high } if is_constant(low) && is_constant(high) => expr.as_ref(),
        _ => return Err(condition_form()),
    };
    let name = match column {
        Expr::Identifier(name) => &name.value,
        Expr::CompoundIdentifier(parts) => match parts.last() {
            Some(name) => &name.value,
            None => return Err(condition_form()),
        },
        _ => return Err(condition_form()),
    };
    // a column that is not there gets the words of the query engine
    let Some(index) = definition.column_index(name) else { return Ok(()) };
    if definition.key_model != KeyModel::Duplicate && !definition.is_key(index) {
        return Err(SqlError::analysis(format!(
            "column[{name}] is not key column or storage model is not duplicate or column type is float or double"
        )));
    }
    Ok(())
}

fn condition_form() -> SqlError {
    SqlError::analysis(
        "Where clause only supports compound predicate, binary predicate, is_null predicate and in predicate",
    )
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// A literal, a parameter or a call of a function without a column, such as `now()`.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) | Expr::Function(_) => true,
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_constant(expr),
        _ => false,
    }
}
