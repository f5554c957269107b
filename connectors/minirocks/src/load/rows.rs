//! Rows of a load on their way into batches: conversion, filtering, and the first reasons.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use serde_json::Value as Json;

use super::Counts;
use super::columns::{ColumnMapping, Source};
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
    /// Whether each row of the batch is kept.
    keep: Vec<bool>,
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
            mapping,
            keep: Vec::new(),
            batch_bytes: 0,
            staged,
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
        for (index, builder) in self.builders.iter_mut().enumerate() {
            let is_null = match &self.mapping.sources[index] {
                Source::Constant(value) => {
                    // Constants were converted for this column; they always fit.
                    builder.append(value).is_err() && {
                        builder.append_null();
                        true
                    } || *value == Value::Null
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
            let column = &self.definition.columns[index];
            if is_null && !column.nullable && reason.is_none() {
                reason = Some(null_reason(&column.name));
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
        for (index, builder) in self.builders.iter_mut().enumerate() {
            let column = &self.definition.columns[index];
            let value = match &self.mapping.sources[index] {
                Source::Constant(value) => Some(value.clone()),
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
            if value == Value::Null && !column.nullable && reason.is_none() {
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
        self.batch_bytes = 0;
        let mut columns = self.builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<Vec<_>>>()?;
        if keep.true_count() < keep.len() {
            columns = columns.iter().map(|column| Ok(filter(column, &keep)?)).collect::<Result<_>>()?;
        }
        // Builders grow by doubling; what they did not use would stay with the table.
        for column in &mut columns {
            if let Some(column) = Arc::get_mut(column) {
                column.shrink_to_fit();
            }
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        for row in self.staged.push(&batch)? {
            self.counts.filtered += 1;
            self.errors.add(|| {
                let reason = "The row is out of partition ranges. Please add a new partition.".to_owned();
                (reason, batch_row(&batch, row))
            });
        }
        Ok(())
    }

    /// What was staged, the counts and the first reasons. To be called after a last `flush`.
    pub(super) fn into_parts(self) -> (StagedWrite, Counts, ErrorRows) {
        let mut counts = self.counts;
        counts.loaded = self.staged.rows();
        (self.staged, counts, self.errors)
    }
}

fn null_reason(column: &str) -> String {
    format!("NULL value in non-nullable column '{column}'")
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
