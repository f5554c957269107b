//! Filters that a scan was given but that its server does not decide.
//!
//! DataFusion asks a table once which filters it decides exactly, and leaves those to it. Later passes of its optimizer may rewrite a
//! filter that is already in the scan: `b NOT IN (TRUE)` becomes `NOT b`. If the table cannot ask its server about the new form,
//! nobody else filters. So a scan keeps what it does not send, and filters by itself.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;

/// The scan that `read` makes of a projection, behind the filters that are left. Columns that only they need are read and dropped.
///
/// # Errors
/// As `read`; a filter that is not of this table.
pub(crate) fn scan_then_filter(
    state: &dyn Session,
    table: &SchemaRef,
    projection: Option<&Vec<usize>>,
    left: Vec<Expr>,
    read: impl FnOnce(Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(predicate) = conjunction(left) else { return read(projection) };
    let wanted = projection.cloned().unwrap_or_else(|| (0..table.fields().len()).collect());
    let of_filters = predicate.column_refs().into_iter().map(|column| table.index_of(&column.name));
    let of_filters = of_filters.collect::<std::result::Result<Vec<_>, _>>()?;
    // Each column once, so that a name means one of them.
    let mut columns: Vec<usize> = Vec::new();
    for index in wanted.iter().chain(&of_filters) {
        if !columns.contains(index) {
            columns.push(*index);
        }
    }
    let scan = read(Some(&columns))?;
    let schema = DFSchema::try_from(scan.schema().as_ref().clone())?;
    let predicate = state.create_physical_expr(predicate, &schema)?;
    let output = wanted.iter().filter_map(|index| columns.iter().position(|read| read == index)).collect();
    Ok(Arc::new(FilterExecBuilder::new(predicate, scan).apply_projection(Some(output))?.build()?))
}
