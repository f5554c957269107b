//! File and line of every row, carried from a text scan to the writers, so that a row that a conversion rejects can be found in its file.

use std::collections::HashMap;
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

use super::ranges::RangedFile;
use super::scan::TextExec;

/// The columns that are added behind the others.
pub(crate) const PLACE_COLUMNS: usize = 2;
/// What the columns are called in EXPLAIN.
const NAMES: [&str; PLACE_COLUMNS] = ["file of the row", "line of the row"];
/// Nodes that hand on all columns of their inputs.
const PASSING: &[&str] =
    &["CoalesceBatchesExec", "CooperativeExec", "RepartitionExec", "CoalescePartitionsExec", "UnionExec"];

/// The line of a row, as its place column has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowLine {
    /// Its number in the file, from 1.
    InFile(u64),
    /// Its number in a range of a file that is read in ranges, not the first.
    InRange {
        /// The range.
        range: usize,
        /// The number, from 1.
        line: u64,
    },
}

/// The highest bit of a place says that the line is one of a range, whose number stands below it.
const IN_RANGE: u64 = 1 << 63;
/// Bits of a line's number in its range.
const LINE_BITS: u32 = 39;

impl RowLine {
    /// What is added to the number of a line in a range.
    pub(super) fn range_mark(range: usize) -> u64 {
        IN_RANGE | (range as u64) << LINE_BITS
    }

    fn of(column: u64) -> Self {
        match column & IN_RANGE {
            0 => Self::InFile(column),
            _ => Self::InRange {
                range: ((column & !IN_RANGE) >> LINE_BITS) as usize,
                line: column & ((1 << LINE_BITS) - 1),
            },
        }
    }
}

/// The files of a plan that are read in ranges, to tell the number of a line. None: two scans cut the same file in different ways.
#[derive(Debug, Default)]
pub(crate) struct RangedFiles(HashMap<String, Option<Arc<RangedFile>>>);

impl RangedFiles {
    fn add(&mut self, file: &Arc<RangedFile>) {
        let known = self.0.entry(file.file().to_string()).or_insert_with(|| Some(Arc::clone(file)));
        if known.as_ref().is_some_and(|known| !known.is_same(file)) {
            *known = None;
        }
    }

    /// The number of a row's line in its file. Lines of the file in front of it may be read for it; None where that fails: the reject
    /// matters more than its line.
    pub(crate) async fn line_in_file(&self, file: &str, line: RowLine) -> Option<u64> {
        match line {
            RowLine::InFile(line) => Some(line),
            RowLine::InRange { range, line } => {
                let before = self.0.get(file)?.as_ref()?.lines_before(range).await;
                before.ok().map(|before| before + line)
            }
        }
    }
}

/// The same plan with file and line as two more columns behind its own. None if some of its rows do not come from text files one by one.
pub(crate) fn with_places(
    plan: &Arc<dyn ExecutionPlan>,
    ranged: &mut RangedFiles,
) -> DataFusionResult<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<TextExec>() {
        scan.ranged_files().for_each(|file| ranged.add(file));
        return Ok(Some(Arc::new(scan.with_places())));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let Some(input) = with_places(projection.input(), ranged)? else { return Ok(None) };
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
        match with_places(input, ranged)? {
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
pub(crate) fn place_of(batch: &RecordBatch, columns: usize, row: usize) -> Option<(String, RowLine)> {
    if batch.num_columns() != columns + PLACE_COLUMNS {
        return None;
    }
    let files = batch.column(columns).as_dictionary_opt::<Int32Type>()?;
    let names = files.values().as_string_opt::<i32>()?;
    let line = batch.column(columns + 1).as_primitive_opt::<UInt64Type>()?.value(row);
    Some((names.value(files.key(row)?).to_owned(), RowLine::of(line)))
}
