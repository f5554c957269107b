//! Comparisons that the planner of binary operators does not see with their types: IN lists, LIKE, `<=>`, and operators
//! beside columns of an outer query.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{BinaryExpr, InList, Like};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use super::functions;
use super::operators::{Kind, comparable, compare};

/// Gives the members of IN lists types that compare as `=` would compare them.
#[derive(Debug)]
pub(super) struct ComparisonTypes;

impl AnalyzerRule for ComparisonTypes {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(|expr| typed(expr, &schema))?.update_data(|expr| name.restore(expr)))
            })
        })
        .map(|plan| plan.data)
    }

    fn name(&self) -> &str {
        "minirocks_comparison_types"
    }
}

fn typed(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::InList(list) => Ok(in_list(list, schema)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else {
                return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })));
            };
            // operands that are comparable already stay as they are
            Ok(Transformed::yes(compare(op, *left, &left_type, *right, &right_type)))
        }
        Expr::Like(like) => {
            let Like { expr: value, .. } = &like;
            match value.get_type(schema) {
                Ok(data_type) if !matches!(Kind::of(&data_type), Kind::Text) && data_type != DataType::Null => {
                    let value = functions::to_text(value.as_ref().clone());
                    Ok(Transformed::yes(Expr::Like(Like { expr: Box::new(value), ..like })))
                }
                _ => Ok(Transformed::no(Expr::Like(like))),
            }
        }
        other => Ok(Transformed::no(other)),
    }
}

/// `v IN (a, b, …)`: where the types of all members call for the same conversion of `v`, it stays a list; otherwise it
/// becomes one list for each conversion, joined by OR.
fn in_list(list: InList, schema: &DFSchema) -> Transformed<Expr> {
    let Ok(value_type) = list.expr.get_type(schema) else { return Transformed::no(Expr::InList(list)) };
    let mut groups: Vec<(Expr, Vec<Expr>)> = Vec::new();
    let mut changed = false;
    for member in &list.list {
        let Ok(member_type) = member.get_type(schema) else { return Transformed::no(Expr::InList(list)) };
        let (value, converted) =
            comparable(Operator::Eq, list.expr.as_ref().clone(), &value_type, member.clone(), &member_type);
        changed |= value != *list.expr || converted != *member;
        match groups.iter_mut().find(|(known, _)| *known == value) {
            Some((_, members)) => members.push(converted),
            None => groups.push((value, vec![converted])),
        }
    }
    if !changed {
        return Transformed::no(Expr::InList(list));
    }
    let lists = groups.into_iter().map(|(value, members)| {
        // v IN (a OR b …) negated is the negation of each, joined by AND
        Expr::InList(InList::new(Box::new(value), members, list.negated))
    });
    let joined = lists.reduce(|left, right| if list.negated { left.and(right) } else { left.or(right) });
    match joined {
        Some(expr) => Transformed::yes(expr),
        None => Transformed::no(Expr::InList(list)),
    }
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}
