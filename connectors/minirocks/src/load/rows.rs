//! Rows of a load on their way into batches: conversion, filtering, and the first reasons.

mod arrow_rows;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::compute::{filter, filter_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use serde_json::Value as Json;

use super::Counts;
use super::columns::{ColumnMapping, Operation, Source};
use super::computed::{Computation, FieldTexts, compute, is_deletion, null_reason, operation_reason};
use super::error_log::ErrorRows;
use super::options::{Format, LoadOptions};
use crate::abilities::Ability;
use crate::csv::Record;
use crate::error::Result;
use crate::storage::{StagedWrite, Table, TableDefinition};
use crate::types::{ColumnBuilder, Value};

/// NULL in CSV, exactly these two bytes.
const NULL: &[u8] = b"\\N";
/// Rows of a batch.
const BATCH_ROWS: usize = 65_536;
/// Bytes of text after which a batch ends; far below the 2 GB that Arrow's text offsets reach.
const BATCH_BYTES: usize = 16 << 20;

/// Converts rows and stages them.
pub(super) struct RowLoader {
    definition: Arc<TableDefinition>,
    mapping: ColumnMapping,
    /// The table's columns, all nullable: filtered rows leave NULLs until they are taken out.
    schema: SchemaRef,
    builders: Vec<ColumnBuilder>,
    /// What expressions read.
    texts: FieldTexts,
    /// Whether each row of the batch is kept.
    keep: Vec<bool>,
    /// Whether each row of the batch deletes its key; empty unless a field says so.
    deleted: Vec<bool>,
    batch_bytes: usize,
    staged: StagedWrite,
    counts: Counts,
    errors: ErrorRows,
    strict: bool,
}

impl RowLoader {
    pub(super) fn new(table: &Arc<Table>, mapping: ColumnMapping, staged: StagedWrite, strict: bool) -> Self {
        let definition = Arc::clone(table.definition());
        let fields: Vec<Field> =
            table.schema().fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        Self {
            builders: definition.columns.iter().map(|c| ColumnBuilder::new(&c.column_type)).collect(),
            schema: Arc::new(Schema::new(fields)),
            definition,
            texts: FieldTexts::new(&mapping),
            keep: Vec::new(),
            deleted: Vec::new(),
            batch_bytes: 0,
            staged: staged.merge_by(mapping.merge.clone()),
            mapping,
            counts: Counts::default(),
            errors: ErrorRows::default(),
            strict,
        }
    }

    /// Names of the fields of a row.
    pub(super) fn fields(&self) -> &[String] {
        &self.mapping.fields
    }

    /// Takes a CSV record.
    pub(super) fn csv_record(&mut self, record: Record<'_>, options: &LoadOptions) -> Result<()> {
        self.counts.total += 1;
        let expected = self.mapping.fields.len();
        if record.len() != expected {
            self.counts.filtered += 1;
            self.errors.add(|| (column_count_reason(expected, record.len(), options), lossy(record.raw)));
            return Ok(());
        }
        if std::str::from_utf8(record.raw).is_err() {
            self.counts.filtered += 1;
            self.errors.add(|| ("Invalid UTF-8 row".to_owned(), lossy(record.raw)));
            return Ok(());
        }
        let mut reason = None;
        self.texts.append(|field| {
            let text = record.field(field).filter(|text| *text != NULL)?;
            std::str::from_utf8(text).ok()
        });
        if let Operation::Field(field) = self.mapping.operation {
            let text = record.field(field).unwrap_or(NULL);
            let deletes = is_deletion(text);
            if deletes.is_none() {
                reason = Some(operation_reason(&if text == NULL { "NULL".to_owned() } else { lossy(text) }));
            }
            self.deleted.push(deletes == Some(true));
        }
        for (index, builder) in self.builders.iter_mut().enumerate() {
            let is_null = match &self.mapping.sources[index] {
                Source::Constant(value) => {
                    // Constants were converted for this column; they always fit.
                    builder.append(value).is_err() && {
                        builder.append_null();
                        true
                    } || *value == Value::Null
                }
                Source::Computed(_) => {
                    builder.append_null();
                    true
                }
                Source::Field(field) => {
                    let text = record.field(*field).unwrap_or(NULL);
                    let is_value = text != NULL
                        && match builder.append_text(text, self.strict) {
                            Ok(()) => true,
                            Err(_) => {
                                if self.strict && reason.is_none() {
                                    let column = &self.definition.columns[index];
                                    reason = Some(format!(
                                        "The field (name = {}, pos = {field}) is out of range. Type: {}, Value length: {}, Value: {}",
                                        column.name,
                                        column.column_type.backend_text(),
                                        text.len(),
                                        lossy(text),
                                    ));
                                }
                                false
                            }
                        };
                    if !is_value {
                        builder.append_null();
                    }
                    !is_value
                }
            };
            if is_null && reason.is_none() && checks_null(&self.definition, &self.mapping, index) {
                reason = Some(null_reason(&self.definition.columns[index].name));
            }
        }
        let bytes = record.raw.len();
        self.end_row(reason, bytes, || {
            let fields: Vec<String> =
                record.fields().map(|f| if f == NULL { "NULL".to_owned() } else { lossy(f) }).collect();
            format!("[{}]", fields.join(", "))
        })
    }

    /// Takes a JSON row: one value for each field, `None` where the document has none.
    pub(super) fn json_row(&mut self, values: &[Option<&Json>], bytes: usize, row: impl Fn() -> String) -> Result<()> {
        self.counts.total += 1;
        let mut reason = None;
        let field = |field: usize| values.get(field).copied().flatten().filter(|json| !json.is_null());
        self.texts.append(|position| field(position).map(json_text));
        if let Operation::Field(position) = self.mapping.operation {
            let deletes = match field(position) {
                None => Some(false),
                Some(json) => match json_text(json).as_str() {
                    "upsert" => Some(false),
                    "delete" => Some(true),
                    text => is_deletion(text.as_bytes()),
                },
            };
            if deletes.is_none() {
                reason = Some(operation_reason(&field(position).map(json_text).unwrap_or_default()));
            }
            self.deleted.push(deletes == Some(true));
        }
        for (index, builder) in self.builders.iter_mut().enumerate() {
            let column = &self.definition.columns[index];
            let value = match &self.mapping.sources[index] {
                Source::Constant(value) => Some(value.clone()),
                Source::Computed(_) => Some(Value::Null),
                Source::Field(field) => {
                    let json = values.get(*field).copied().flatten().unwrap_or(&Json::Null);
                    let value = Value::from_json(&column.column_type, json, self.strict);
                    if value.is_none() && self.strict && reason.is_none() {
                        reason = Some(format!(
                            "Value '{}' is out of range. The type of '{}' is {}",
                            lossy(json.to_string().as_bytes()),
                            column.name,
                            column.column_type.backend_text()
                        ));
                    }
                    value
                }
            };
            let value = value.unwrap_or(Value::Null);
            if builder.append(&value).is_err() {
                builder.append_null();
            }
            if value == Value::Null && reason.is_none() && checks_null(&self.definition, &self.mapping, index) {
                reason = Some(null_reason(&column.name));
            }
        }
        self.end_row(reason, bytes, row)
    }

    /// Counts a row that could not be read at all.
    pub(super) fn filter(&mut self, reason: &str, row: impl FnOnce() -> String) {
        self.counts.total += 1;
        self.counts.filtered += 1;
        self.errors.add(|| (reason.to_owned(), row()));
    }

    fn end_row(&mut self, reason: Option<String>, bytes: usize, row: impl FnOnce() -> String) -> Result<()> {
        self.keep.push(reason.is_none());
        self.batch_bytes += bytes;
        if let Some(reason) = reason {
            self.counts.filtered += 1;
            self.errors.add(|| (reason, row()));
        }
        if self.keep.len() >= BATCH_ROWS || self.batch_bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Stages the rows collected so far.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.keep.is_empty() {
            return Ok(());
        }
        let keep = BooleanArray::from(std::mem::take(&mut self.keep));
        let deleted = std::mem::take(&mut self.deleted);
        self.batch_bytes = 0;
        let mut columns = self.builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<Vec<_>>>()?;
        if keep.true_count() < keep.len() {
            columns = columns.iter().map(|column| Ok(filter(column, &keep)?)).collect::<Result<_>>()?;
        }
        let mut deleted = match self.mapping.operation {
            Operation::Upsert | Operation::Computed(_) => None,
            Operation::Delete => Some(BooleanArray::from(vec![true; keep.true_count()])),
            Operation::Field(_) => Some(filter(&BooleanArray::from(deleted), &keep)?.as_boolean().clone()),
        };
        if self.mapping.computed.is_some() {
            (columns, deleted) = self.compute(columns, deleted, &keep)?;
        }
        // Builders grow by doubling; what they did not use would stay with the table.
        for column in &mut columns {
            if let Some(column) = Arc::get_mut(column) {
                column.shrink_to_fit();
            }
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        for row in self.staged.push_changes(&batch, deleted.as_ref())? {
            self.counts.filtered += 1;
            self.errors.add(|| {
                let reason = "The row is out of partition ranges. Please add a new partition.".to_owned();
                (reason, batch_row(&batch, row))
            });
        }
        Ok(())
    }

    /// Computes expressions and the `where` header for the rows that are kept, and takes out those that they leave out.
    fn compute(
        &mut self,
        columns: Vec<ArrayRef>,
        deleted: Option<BooleanArray>,
        keep: &BooleanArray,
    ) -> Result<(Vec<ArrayRef>, Option<BooleanArray>)> {
        let rows = compute(
            &Computation {
                definition: &self.definition,
                schema: &self.schema,
                mapping: &self.mapping,
                strict: self.strict,
            },
            &mut self.texts,
            keep,
            columns,
        )?;
        let deleted = rows.deleted.or(deleted);
        let mut stays = Vec::with_capacity(rows.reasons.len());
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), rows.columns)?;
        for (row, reason) in rows.reasons.into_iter().enumerate() {
            let is_selected = rows.selected.value(row);
            stays.push(is_selected && reason.is_none());
            match reason {
                _ if !is_selected => self.counts.unselected += 1,
                Some(reason) => {
                    self.counts.filtered += 1;
                    self.errors.add(|| (reason, batch_row(&batch, row)));
                }
                None => {}
            }
        }
        let stays = BooleanArray::from(stays);
        let deleted = deleted.map(|deleted| filter(&deleted, &stays)).transpose()?;
        let batch = filter_record_batch(&batch, &stays)?;
        Ok((batch.columns().to_vec(), deleted.map(|deleted| deleted.as_boolean().clone())))
    }

    /// What was staged, the counts and the first reasons. To be called after a last `flush`.
    pub(super) fn into_parts(self) -> (StagedWrite, Counts, ErrorRows) {
        let mut counts = self.counts;
        counts.loaded = self.staged.rows();
        (self.staged, counts, self.errors)
    }
}

/// Whether a NULL in a column filters its row at once. What is computed is looked at when it is known, and a column that a
/// partial update does not carry when the row meets a stored one.
fn checks_null(definition: &TableDefinition, mapping: &ColumnMapping, index: usize) -> bool {
    let is_carried = mapping.merge.partial_columns.as_ref().is_none_or(|partial| partial.contains(&index));
    !definition.columns[index].nullable && mapping.computed.is_none() && is_carried
}

/// What an expression sees of a JSON value.
fn json_text(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn column_count_reason(expected: usize, found: usize, options: &LoadOptions) -> String {
    let Format::Csv(csv) = &options.format else { return String::new() };
    if !options.abilities.has(Ability::ExpectedActualColumnCount) {
        return format!("Value count does not match column count. Expect {expected}, but got {found}");
    }
    let printed = |delimiter: &[u8]| delimiter.escape_ascii().to_string();
    let delimiters = format!(
        "Column separator: '{}', Row delimiter: '{}'",
        printed(&csv.column_separator),
        printed(&csv.row_delimiter)
    );
    if options.abilities.has(Ability::TargetColumnCount) {
        format!("Target column count: {expected} doesn't match source value column count: {found}. {delimiters}")
    } else {
        format!("Value count does not match column count: expected = {expected}, actual = {found}. {delimiters}")
    }
}

fn batch_row(batch: &RecordBatch, row: usize) -> String {
    let values: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| {
            if column.is_null(row) {
                return "NULL".to_owned();
            }
            arrow::util::display::array_value_to_string(column, row).unwrap_or_default()
        })
        .collect();
    format!("[{}]", values.join(", "))
}

/// Text for a message: cut to a length that can be read, with what is not UTF-8 replaced.
pub(super) fn lossy(bytes: &[u8]) -> String {
    const MOST: usize = 1024;
    String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]).into_owned()
}
