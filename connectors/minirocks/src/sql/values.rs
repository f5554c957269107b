//! The constants of INSERT … VALUES: literals as they are, parameters as they are bound, expressions computed.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr};

use super::error::SqlError;
use super::insert::text_of;
use super::parser;
use super::session::SessionView;
use super::statement::{InsertValue, Literal, Statement};
use super::value_text::writable;

/// Expressions that one query computes.
const EXPRESSIONS_AT_A_TIME: usize = 500;

/// Rows of constants; `None` stands for DEFAULT.
pub(super) async fn constant_rows(
    view: &SessionView<'_>,
    rows: Vec<Vec<InsertValue>>,
    parameters: &[Literal],
) -> Result<Vec<Vec<Option<Literal>>>, SqlError> {
    let mut expressions = Vec::new();
    let mut places = Vec::new();
    let mut constants = Vec::with_capacity(rows.len());
    for (row, values) in rows.into_iter().enumerate() {
        let mut constant_row = Vec::with_capacity(values.len());
        for (column, value) in values.into_iter().enumerate() {
            constant_row.push(match value {
                InsertValue::Literal(literal) => Some(literal),
                InsertValue::Default => None,
                InsertValue::Parameter(index) => {
                    let bound = parameters.get(index).cloned();
                    Some(bound.ok_or_else(|| SqlError::new(1210, "Incorrect arguments to EXECUTE"))?)
                }
                InsertValue::Expression(expr) => {
                    expressions.push(*expr);
                    places.push((row, column));
                    Some(Literal::Null)
                }
            });
        }
        constants.push(constant_row);
    }
    let mut places = places.into_iter();
    for chunk in expressions.chunks(EXPRESSIONS_AT_A_TIME) {
        for (value, (row, column)) in evaluate(view, chunk, parameters).await?.into_iter().zip(places.by_ref()) {
            constants[row][column] = Some(value);
        }
    }
    Ok(constants)
}

/// Computes expressions that name no column.
async fn evaluate(
    view: &SessionView<'_>,
    expressions: &[Expr],
    parameters: &[Literal],
) -> Result<Vec<Literal>, SqlError> {
    let mut query = empty_select()?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(SqlError::internal("SELECT was read as something else"));
    };
    select.projection = expressions
        .iter()
        .enumerate()
        .map(|(index, expr)| SelectItem::ExprWithAlias {
            expr: expr.clone(),
            alias: Ident::new(format!("value{index}")),
        })
        .collect();
    let mut rows = view.services.engine.rows(view, &query, parameters).await?;
    let mut values = Vec::with_capacity(expressions.len());
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        for column in batch.columns() {
            let column = writable(column).map_err(|error| SqlError::internal(error.to_string()))?;
            values.push(if column.is_null(0) {
                Literal::Null
            } else {
                match column.data_type() {
                    DataType::Utf8 => Literal::Text(text_of(&column, 0)),
                    DataType::Binary => Literal::Binary(column.as_binary::<i32>().value(0).to_vec()),
                    DataType::Boolean => Literal::Boolean(column.as_boolean().value(0)),
                    DataType::Date32 => Literal::Date(text_of(&column, 0)),
                    DataType::Timestamp(..) => Literal::DateTime(text_of(&column, 0)),
                    _ => Literal::Number(text_of(&Arc::clone(&column), 0)),
                }
            });
        }
    }
    if values.len() == expressions.len() { Ok(values) } else { Err(SqlError::internal("constants were not computed")) }
}

/// `SELECT 1`, to be given other columns.
fn empty_select() -> Result<Box<Query>, SqlError> {
    match parser::parse_one("SELECT 1")?.statement {
        Statement::Query(query) => Ok(query),
        _ => Err(SqlError::internal("SELECT was read as something else")),
    }
}
