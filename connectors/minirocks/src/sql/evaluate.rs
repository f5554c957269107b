//! Expressions over the rows of one batch: the conditions of DELETE and UPDATE, the new values of UPDATE, and what a load
//! computes from its fields.

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, SelectItem, SetExpr, TableFactor};

use super::error::SqlError;
use super::parser;
use super::session::SessionView;
use super::statement::{Literal, Statement};

/// The name under which the query engine sees the rows; expressions see them under their alias.
const BATCH_ROWS: &str = "batch_rows";

/// The values of expressions for each row, in the order of the rows. A column may be written with `alias` before it.
pub(crate) async fn evaluate(
    view: &SessionView<'_>,
    alias: &str,
    batch: &RecordBatch,
    expressions: &[Expr],
    parameters: &[Literal],
) -> Result<Vec<ArrayRef>, SqlError> {
    let not_a_select = || SqlError::internal("SELECT was read as something else");
    let Statement::Query(mut query) = parser::parse_one("SELECT 1 FROM t AS t")?.statement else {
        return Err(not_a_select());
    };
    let SetExpr::Select(select) = query.body.as_mut() else { return Err(not_a_select()) };
    if let Some(TableFactor::Table { name: relation, alias: written, .. }) =
        select.from.first_mut().map(|from| &mut from.relation)
    {
        *relation = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('`', BATCH_ROWS))]);
        if let Some(written) = written {
            written.name = Ident::with_quote('`', alias);
        }
    }
    let named = |(index, expr): (usize, &Expr)| SelectItem::ExprWithAlias {
        expr: expr.clone(),
        // no column can have this name
        alias: Ident::with_quote('`', format!("\u{1}{index}")),
    };
    select.projection = expressions.iter().enumerate().map(named).collect();
    let extra = (BATCH_ROWS, batch.clone());
    let mut rows = view.services.engine.rows_with(view, &query, parameters, Some(extra)).await?;
    let mut answers = Vec::new();
    while let Some(answer) = rows.next().await {
        answers.push(answer?);
    }
    let values = concat_batches(rows.schema(), &answers).map_err(|error| SqlError::internal(error.to_string()))?;
    // an aggregate function would give one row for all
    if values.num_rows() == batch.num_rows() {
        Ok(values.columns().to_vec())
    } else {
        Err(SqlError::analysis("the expression has not one value for each row"))
    }
}

/// For each row whether a condition is true; neither false nor NULL is.
pub(crate) async fn is_true(
    view: &SessionView<'_>,
    alias: &str,
    batch: &RecordBatch,
    condition: &Expr,
    parameters: &[Literal],
) -> Result<BooleanArray, SqlError> {
    let is_true = Expr::IsTrue(Box::new(Expr::Nested(Box::new(condition.clone()))));
    let values = evaluate(view, alias, batch, &[is_true], parameters).await?;
    match values.first().and_then(|values| values.as_any().downcast_ref::<BooleanArray>()) {
        Some(truth) => Ok(truth.clone()),
        None => Err(SqlError::internal("the condition is no truth value")),
    }
}
