//! What a load computes from its fields: expressions of the `columns` header and the condition of the `where` header. They are
//! computed batch by batch; a column of a field that an expression reads is VARCHAR in it, as in StarRocks.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, StringBuilder};
use arrow::compute::filter;
use arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::columns::{ColumnMapping, OP_COLUMN, Operation, Source};
use crate::error::Result;
use crate::sql::fitted;
use crate::storage::{ColumnDefinition, TableDefinition};
use crate::types::{ColumnType, Value};

/// A column that makes sure that rows without any field that is read are still rows.
const ROW: &str = "\u{1}";

/// The texts of the fields that expressions read.
#[derive(Debug, Default)]
pub(super) struct FieldTexts {
    /// Position of the field in a row, and its texts.
    columns: Vec<(usize, StringBuilder)>,
}

/// The rows of a batch after everything is computed.
pub(super) struct ComputedRows {
    /// The columns of the table.
    pub(super) columns: Vec<ArrayRef>,
    /// For each row whether its key is deleted; `None` if the operation is no expression.
    pub(super) deleted: Option<BooleanArray>,
    /// For each row whether the `where` header selects it.
    pub(super) selected: BooleanArray,
    /// For each row why it is filtered, if it is.
    pub(super) reasons: Vec<Option<String>>,
}

impl FieldTexts {
    pub(super) fn new(mapping: &ColumnMapping) -> Self {
        let fields = mapping.computed.iter().flat_map(|computed| &computed.fields);
        Self { columns: fields.map(|field| (*field, StringBuilder::new())).collect() }
    }

    /// Adds a row; `text` gives a field's text, `None` for NULL.
    pub(super) fn append<T: AsRef<str>>(&mut self, text: impl Fn(usize) -> Option<T>) {
        for (field, texts) in &mut self.columns {
            texts.append_option(text(*field));
        }
    }

    /// The texts of the rows so far that are kept.
    fn finish(&mut self, names: &[String], keep: &BooleanArray) -> Result<RecordBatch> {
        let mut fields = vec![Field::new(ROW, DataType::Utf8, true)];
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(StringArray::new_null(keep.true_count()))];
        for (field, texts) in &mut self.columns {
            fields.push(Field::new(&names[*field], DataType::Utf8, true));
            arrays.push(filter(&texts.finish(), keep)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(keep.true_count()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
    }
}

/// What the rows of a load are computed for.
pub(super) struct Computation<'a> {
    pub(super) definition: &'a TableDefinition,
    /// The table's columns, all nullable.
    pub(super) schema: &'a SchemaRef,
    pub(super) mapping: &'a ColumnMapping,
    pub(super) strict: bool,
}

/// Computes what is to be computed of the rows that are kept so far. `columns` are those of the table, for the same rows.
pub(super) fn compute(
    load: &Computation<'_>,
    texts: &mut FieldTexts,
    keep: &BooleanArray,
    mut columns: Vec<ArrayRef>,
) -> Result<ComputedRows> {
    let Computation { definition, schema, mapping, strict } = *load;
    let Some(computed) = &mapping.computed else {
        let selected = BooleanArray::from(vec![true; keep.true_count()]);
        return Ok(ComputedRows { columns, deleted: None, selected, reasons: vec![None; keep.true_count()] });
    };
    let rows = texts.finish(&mapping.fields, keep)?;
    let mut reasons = vec![None; rows.num_rows()];
    let values = match computed.expressions.is_empty() {
        true => Vec::new(),
        false => computed.evaluator.values(&rows, &computed.expressions)?,
    };
    for (index, source) in mapping.sources.iter().enumerate() {
        let Source::Computed(expression) = source else { continue };
        let column = &definition.columns[index];
        let (fitted, refusals) = fitted(&values[*expression], column)?;
        columns[index] = fitted;
        for (reason, refusal) in reasons.iter_mut().zip(refusals) {
            // a text that is too long is refused where rows are stored, in strict mode or not
            if reason.is_none() && refusal.as_ref().is_some_and(|text| strict || text.starts_with("String '")) {
                *reason = refusal;
            }
        }
    }
    let deleted = match mapping.operation {
        Operation::Computed(expression) => Some(deletions(&values[expression], &mut reasons)?),
        _ => None,
    };
    let selected = match &computed.filter {
        None => BooleanArray::from(vec![true; reasons.len()]),
        Some(condition) => {
            let batch = RecordBatch::try_new(Arc::clone(schema), columns.clone())?;
            computed.evaluator.is_true(&batch, condition)?
        }
    };
    for (column, values) in definition.columns.iter().zip(&columns) {
        if column.nullable || values.null_count() == 0 || !is_carried(definition, mapping, column) {
            continue;
        }
        for (row, reason) in reasons.iter_mut().enumerate() {
            if reason.is_none() && values.is_null(row) {
                *reason = Some(null_reason(&column.name));
            }
        }
    }
    Ok(ComputedRows { columns, deleted, selected, reasons })
}

/// Whether rows have a value for a column, rather than leaving a stored row's value as it is.
fn is_carried(definition: &TableDefinition, mapping: &ColumnMapping, column: &ColumnDefinition) -> bool {
    let Some(partial) = &mapping.merge.partial_columns else { return true };
    definition.column_index(&column.name).is_some_and(|index| partial.contains(&index))
}

/// What `__op = expression` says of each row: 0 writes it, 1 deletes its key.
fn deletions(values: &ArrayRef, reasons: &mut [Option<String>]) -> Result<BooleanArray> {
    let column = ColumnDefinition::new(OP_COLUMN, ColumnType::TinyInt);
    let (operations, _) = fitted(values, &column)?;
    let operations = operations.as_primitive::<Int8Type>();
    let mut deleted = Vec::with_capacity(reasons.len());
    for (operation, reason) in operations.iter().zip(reasons) {
        if !matches!(operation, Some(0 | 1)) && reason.is_none() {
            *reason = Some(operation_reason(&operation.map_or_else(|| "NULL".to_owned(), |value| value.to_string())));
        }
        deleted.push(operation == Some(1));
    }
    Ok(BooleanArray::from(deleted))
}

/// Whether a CSV field or a number says that a key is deleted; `None` if it says neither that nor the opposite.
pub(super) fn is_deletion(text: &[u8]) -> Option<bool> {
    match Value::from_text(&ColumnType::TinyInt, text, true)? {
        Value::Integer(0) => Some(false),
        Value::Integer(1) => Some(true),
        _ => None,
    }
}

pub(super) fn operation_reason(value: &str) -> String {
    format!("Value '{value}' is out of range. The type of '{OP_COLUMN}' is TINYINT")
}

pub(super) fn null_reason(column: &str) -> String {
    format!("NULL value in non-nullable column '{column}'")
}
