//! CAST of a DATETIME to text, written or implied: Arrow would put a `T` between day and time.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, cast};
use datafusion::optimizer::AnalyzerRule;

use crate::functions::datetime_text;

/// Runs after DataFusion has put in the casts that are implied.
#[derive(Debug)]
pub(crate) struct DatetimeText;

impl AnalyzerRule for DatetimeText {
    fn name(&self) -> &'static str {
        "datetime_text"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| rewrite(expr, &schema))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(plan.data)
    }
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (inner, to) = match &expr {
        Expr::Cast(cast) => (&cast.expr, cast.field.data_type()),
        Expr::TryCast(cast) => (&cast.expr, cast.field.data_type()),
        _ => return Ok(Transformed::no(expr)),
    };
    if !to.is_string() || !matches!(inner.get_type(schema), Ok(DataType::Timestamp(_, None))) {
        return Ok(Transformed::no(expr));
    }
    let inner = cast(inner.as_ref().clone(), DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None));
    let text = datetime_text().call(vec![inner]);
    Ok(Transformed::yes(if *to == DataType::Utf8 { text } else { cast(text, to.clone()) }))
}
