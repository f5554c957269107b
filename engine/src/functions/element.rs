//! `split(…)[0]`: elements of arrays that functions of Hive and Spark make are counted from 0; out of range is NULL.

use datafusion::common::{DFSchema, Result};
use datafusion::functions_nested::expr_fn::array_element;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, lit, when};

/// The key of a field's metadata that says where its elements begin.
const ELEMENTS: &str = "syncline.elements";
const FROM_0: &str = "from 0";

/// What a function whose array is counted from 0 says of its field.
pub(super) fn metadata() -> std::collections::HashMap<String, String> {
    std::collections::HashMap::from([(ELEMENTS.to_owned(), FROM_0.to_owned())])
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
        let field = access.expr.to_field(schema)?.1;
        let counts_from_0 = field.metadata().get(ELEMENTS).is_some_and(|elements| elements == FROM_0);
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
