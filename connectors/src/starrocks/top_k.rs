//! `ORDER BY … LIMIT n` handed on to the server: each query of a scan returns only its first n rows in that order.
//!
//! DataFusion's own rule for sorts offers an order without the number of rows, and a server that sorts a whole table is no gain. So this
//! rule looks for a sort that keeps n rows above a scan. The sort stays where it is: it merges what the queries of the scan return.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;

use super::scan::StarrocksExec;

/// Results with more rows are sorted here, where a sort that does not fit into memory goes to disk.
const MAX_PUSHED_ROWS: usize = 65_536;

/// The rule; it goes to the end of the physical optimizer's list, and changes nothing but scans of StarRocks.
#[derive(Debug, Default)]
pub struct TopKPushdown;

impl PhysicalOptimizerRule for TopKPushdown {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan: Arc<dyn ExecutionPlan>| {
            let Some(sort) = plan.downcast_ref::<SortExec>() else { return Ok(Transformed::no(plan)) };
            let Some(rows) = sort.fetch().filter(|rows| *rows <= MAX_PUSHED_ROWS) else {
                return Ok(Transformed::no(plan));
            };
            let order: Option<Vec<OrderTerm>> = sort.expr().iter().map(OrderTerm::of).collect();
            let Some(input) = order.map(|order| push(sort.input(), order, rows)).transpose()?.flatten() else {
                return Ok(Transformed::no(plan));
            };
            replace_children_if_necessary(plan, vec![input]).map(Transformed::yes)
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "starrocks_top_k"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// One column of an ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OrderTerm {
    /// The column's place in the node below.
    pub(super) column: usize,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

impl OrderTerm {
    /// None for anything but a bare column.
    fn of(sort: &PhysicalSortExpr) -> Option<Self> {
        let column = sort.expr.downcast_ref::<Column>()?.index();
        Some(Self { column, descending: sort.options.descending, nulls_first: sort.options.nulls_first })
    }
}

/// The plan with the order handed on, through nodes that pass every row on as it is; None where that cannot be.
fn push(plan: &Arc<dyn ExecutionPlan>, order: Vec<OrderTerm>, rows: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<StarrocksExec>() {
        return Ok(scan.with_top_k(&order, rows).map(|scan| Arc::new(scan) as _));
    }
    let order = if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let below = |term: OrderTerm| {
            let column = projection.expr().get(term.column)?.expr.downcast_ref::<Column>()?.index();
            Some(OrderTerm { column, ..term })
        };
        order.into_iter().map(below).collect()
    } else {
        let merges = plan.downcast_ref::<CoalescePartitionsExec>().is_some_and(|merge| merge.fetch().is_none());
        let passes_on = merges || plan.is::<CooperativeExec>() || plan.is::<RepartitionExec>();
        passes_on.then_some(order)
    };
    let children = plan.children();
    let (Some(order), [child]) = (order, children.as_slice()) else { return Ok(None) };
    match push(child, order, rows)? {
        Some(child) => replace_children_if_necessary(Arc::clone(plan), vec![child]).map(Some),
        None => Ok(None),
    }
}
