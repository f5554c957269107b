//! File and line of every row, carried from a text scan to the writers, so that a row that a conversion rejects can be found in its file.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, DictionaryArray, Int32Array, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, UInt64Type};
use arrow::record_batch::RecordBatch;
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::scan::TextExec;

/// The columns that are added behind the others.
pub(crate) const PLACE_COLUMNS: usize = 2;
/// What the columns are called in EXPLAIN.
const NAMES: [&str; PLACE_COLUMNS] = ["file of the row", "line of the row"];
/// Nodes that hand on all columns of their inputs.
const PASSING: &[&str] =
    &["CoalesceBatchesExec", "CooperativeExec", "RepartitionExec", "CoalescePartitionsExec", "UnionExec"];

/// The same plan with file and line as two more columns behind its own. None if some of its rows do not come from text files one by one.
pub(crate) fn with_places(plan: &Arc<dyn ExecutionPlan>) -> DataFusionResult<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<TextExec>() {
        return Ok(Some(Arc::new(scan.with_places())));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let Some(input) = with_places(projection.input())? else { return Ok(None) };
        let columns = input.schema().fields().len();
        let places = NAMES.iter().zip(columns - PLACE_COLUMNS..).map(|(name, index)| ProjectionExpr {
            expr: Arc::new(Column::new(name, index)),
            alias: (*name).to_owned(),
        });
        let exprs: Vec<ProjectionExpr> = projection.expr().iter().cloned().chain(places).collect();
        return Ok(Some(Arc::new(ProjectionExec::try_new(exprs, input)?)));
    }
    let passes = match plan.downcast_ref::<FilterExec>() {
        Some(filter) => filter.projection().is_none(),
        None => PASSING.contains(&plan.name()),
    };
    if !passes {
        return Ok(None);
    }
    let mut inputs = Vec::new();
    for input in plan.children() {
        match with_places(input)? {
            Some(input) => inputs.push(input),
            None => return Ok(None),
        }
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(plan).replace_children(inputs, options).map(Some)
}

/// A scan's schema with the two columns.
pub(super) fn place_schema(schema: &Schema) -> SchemaRef {
    let file = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let places = [Field::new(NAMES[0], file, false), Field::new(NAMES[1], DataType::UInt64, false)];
    let fields = schema.fields().iter().map(|field| field.as_ref().clone()).chain(places);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The two columns of rows of these lines of one file.
pub(super) fn place_columns(file: &str, lines: Vec<u64>) -> [ArrayRef; PLACE_COLUMNS] {
    let keys = Int32Array::from(vec![0; lines.len()]);
    let files = DictionaryArray::new(keys, Arc::new(StringArray::from(vec![file])));
    [Arc::new(files), Arc::new(UInt64Array::from(lines))]
}

/// File and line of a batch's row, if they stand behind `columns` others.
pub(crate) fn place_of(batch: &RecordBatch, columns: usize, row: usize) -> Option<(String, u64)> {
    if batch.num_columns() != columns + PLACE_COLUMNS {
        return None;
    }
    let files = batch.column(columns).as_dictionary_opt::<Int32Type>()?;
    let names = files.values().as_string_opt::<i32>()?;
    let line = batch.column(columns + 1).as_primitive_opt::<UInt64Type>()?.value(row);
    Some((names.value(files.key(row)?).to_owned(), line))
}
