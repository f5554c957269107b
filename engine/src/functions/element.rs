//! `split(…)[0]`: elements of arrays that functions of Hive and Spark make, and of those in external tables, are counted from 0; out of range
//! is NULL.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, ExprSchema, Result};
use datafusion::functions_nested::expr_fn::array_element;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, lit, when};
use syncline_connectors::text::ELEMENTS_FROM_0;

/// What a function whose array is counted from 0 says of its field.
pub(super) fn metadata() -> HashMap<String, String> {
    let (key, value) = ELEMENTS_FROM_0;
    HashMap::from([(key.to_owned(), value.to_owned())])
}

/// Whether an array is such a function's, or comes out of a column of such a table.
fn counts_from_0(array: &Expr, schema: &DFSchema) -> Result<bool> {
    let (key, value) = ELEMENTS_FROM_0;
    let is_marked = |field: &Field| field.metadata().get(key).is_some_and(|found| found == value);
    let field = array.to_field(schema)?.1;
    if !matches!(field.data_type(), DataType::List(_) | DataType::LargeList(_)) {
        return Ok(false);
    }
    let columns = array.column_refs();
    let of_column = |column: &&Column| schema.field_from_column(column).is_ok_and(|field| is_marked(field));
    Ok(is_marked(&field) || columns.iter().any(of_column))
}

/// Plans `array[index]` of such arrays.
#[derive(Debug)]
pub(crate) struct ElementsFrom0;

impl ExprPlanner for ElementsFrom0 {
    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let counts_from_0 = counts_from_0(&access.expr, schema)?;
        let RawFieldAccessExpr { expr, field_access } = access;
        match field_access {
            GetFieldAccess::ListIndex { key } if counts_from_0 => Ok(PlannerResult::Planned(element(expr, *key)?)),
            field_access => Ok(PlannerResult::Original(RawFieldAccessExpr { expr, field_access })),
        }
    }
}

/// DataFusion counts from 1, and from the end if the index is negative.
fn element(array: Expr, index: Expr) -> Result<Expr> {
    when(index.clone().gt_eq(lit(0_i64)), array_element(array, index + lit(1_i64))).end()
}
