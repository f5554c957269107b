//! Lines into rows of the columns that are wanted.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::columns::Column;
use super::fields::FieldSplitter;
use super::nested::Nesting;
use super::options::BadValue;
use super::places::{RowLine, place_columns};
use super::reader::ReadPlan;
use super::values;
use crate::error::{ConnectorError, Result};
use crate::sink::RowValues;
use crate::sink::convert::shown_value;

/// A batch is given out when it holds about so much text, however few its rows are: about what stays in a core's cache until the
/// next operator has looked at it.
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// The rows of one batch, as they come.
pub(super) struct Rows {
    plan: Arc<ReadPlan>,
    splitter: FieldSplitter,
    /// Of columns that are nested.
    nesting: Nesting,
    /// How many fields of a line are looked for: up to the last column that is wanted, or all.
    fields_wanted: usize,
    /// The fields of the line that was split last.
    fields: Vec<Range<usize>>,
    columns: Vec<Column>,
    /// Which field is each column's, and whether an empty one is a value.
    sources: Vec<(usize, bool)>,
    /// The line of each row, where places are wanted, and what is added to its number for [`RowLine`].
    lines: Vec<u64>,
    range_mark: u64,
    rows: usize,
    bytes: usize,
    extra_fields: ExtraFields,
}

/// Lines with more fields than there are columns.
#[derive(Debug, Default)]
pub(super) struct ExtraFields {
    pub(super) lines: u64,
    /// The first of them.
    pub(super) first: u64,
}

/// A field that is no value of its column.
pub(super) struct BadField {
    pub(super) column: String,
    pub(super) value: String,
    /// Where in the line the bytes are that are no text; None if they are text, but no value.
    pub(super) not_text_at: Option<usize>,
    pub(super) data_type: DataType,
}

impl Rows {
    /// Code Unsupported for a column's type that text is not read into.
    pub(super) fn new(plan: Arc<ReadPlan>, all_fields: bool) -> Result<Self> {
        let options = &plan.options;
        let column = |index: &usize| {
            let (name, data_type) = &options.columns[*index];
            Column::new(name, data_type)
        };
        let columns = plan.projection.iter().map(column).collect::<Result<_>>()?;
        let sources = plan.projection.iter().map(|index| (*index, is_text(&options.columns[*index].1))).collect();
        let fields_wanted = match all_fields {
            true => options.columns.len(),
            false => plan.projection.iter().max().map_or(0, |last| last + 1),
        };
        Ok(Self {
            splitter: FieldSplitter::new(options.fields_delimiter.as_deref(), options.escape),
            nesting: Nesting::new(options),
            fields_wanted,
            fields: Vec::new(),
            columns,
            sources,
            lines: Vec::new(),
            range_mark: 0,
            rows: 0,
            bytes: 0,
            extra_fields: ExtraFields::default(),
            plan,
        })
    }

    /// The lines are those of a range of a file.
    pub(super) fn set_range(&mut self, range: usize) {
        self.range_mark = RowLine::range_mark(range);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= self.plan.batch_rows || self.bytes >= BATCH_BYTES
    }

    /// Rows and bytes of text that there is room for.
    pub(super) fn room(&self) -> (usize, usize) {
        (self.plan.batch_rows.saturating_sub(self.rows), BATCH_BYTES.saturating_sub(self.bytes))
    }

    /// Whether lines of this text need not be split.
    pub(super) fn are_whole(&self, text: &[u8]) -> bool {
        self.fields_wanted == 0 || self.splitter.is_whole(text) && !self.splitter.has_escape()
    }

    /// The columns, for [`records`](super::records) to append to.
    pub(super) fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// Counts the rows of a record that was appended, of so many bytes of text; `more` is whether it has fields beyond the columns.
    pub(super) fn add_record(&mut self, rows: usize, line: u64, bytes: usize, more: bool) {
        for _ in 0..rows {
            self.add(1, line);
        }
        self.bytes += bytes;
        self.count_extra_fields(more, line);
    }

    fn count_extra_fields(&mut self, more: bool, line: u64) {
        if more {
            self.extra_fields.lines += 1;
            if self.extra_fields.lines == 1 {
                self.extra_fields.first = line;
            }
        }
    }

    /// Cuts a line into fields, for [`append`](Self::append).
    pub(super) fn split(&mut self, line: &[u8]) -> bool {
        if self.fields_wanted == 0 {
            self.fields.clear();
            return false;
        }
        self.splitter.split(line, self.fields_wanted, &mut self.fields)
    }

    /// Appends lines that are text without a delimiter.
    pub(super) fn append_whole<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        let null_marker = self.plan.options.null_marker.as_slice();
        match (self.columns.as_mut_slice(), self.sources.as_slice()) {
            ([Column::Utf8(column)], [(0, _)]) => {
                for line in lines {
                    match line.as_bytes() == null_marker {
                        true => column.append_null(),
                        false => column.append_value(line),
                    }
                    self.bytes += line.len();
                }
            }
            ([], []) => {}
            _ => {
                for line in lines {
                    self.fields.clear();
                    self.fields.push(0..line.len());
                    self.append_fields(line.as_bytes(), Some(line));
                }
            }
        }
    }

    /// Counts rows whose fields were appended, the lines from `first` on.
    pub(super) fn add(&mut self, rows: usize, first: u64) {
        if self.plan.has_places {
            let first = self.range_mark + first;
            self.lines.extend(first..first + rows as u64);
        }
        self.rows += rows;
    }

    /// Appends the line that was split last; `text` is the line if it is known to be text, `more` whether it has fields beyond.
    pub(super) fn append(&mut self, line: &[u8], text: Option<&str>, number: u64, more: bool) {
        self.append_fields(line, text);
        self.count_extra_fields(more && self.fields_wanted == self.plan.options.columns.len(), number);
        self.add(1, number);
    }

    fn append_fields(&mut self, line: &[u8], text: Option<&str>) {
        let text = text.filter(|_| !self.splitter.has_escape());
        let null_marker = self.plan.options.null_marker.as_slice();
        for (column, (source, is_text)) in self.columns.iter_mut().zip(&self.sources) {
            let Some(range) = self.fields.get(*source) else {
                column.append_null();
                continue;
            };
            let field = &line[range.clone()];
            if let Column::List(_) | Column::Map(_) | Column::Struct(_) = column {
                self.nesting.append(field, column, &self.plan.options.columns[*source].1);
            } else if field == null_marker || (field.is_empty() && !is_text) {
                column.append_null();
            } else if let Some(field) = text.and_then(|text| text.get(range.clone())) {
                column.append_text(field);
            } else {
                column.append(&unescaped(&self.splitter, field, &self.plan.options.columns[*source].1));
            }
        }
        self.bytes += if self.columns.is_empty() { 0 } else { line.len() };
    }

    /// The first field of the line that was split last that is no value of its column.
    pub(super) fn find_bad_field(&self, line: &[u8]) -> Option<BadField> {
        let options = &self.plan.options;
        for ((name, data_type), range) in options.columns.iter().zip(&self.fields) {
            let field = &line[range.clone()];
            if field == options.null_marker {
                continue;
            }
            let bad = |field: &[u8], not_text_at| BadField {
                column: name.clone(),
                value: shown(field),
                not_text_at,
                data_type: data_type.clone(),
            };
            if is_text(data_type) && *data_type != DataType::Binary {
                if let Err(error) = std::str::from_utf8(field) {
                    return Some(bad(field, Some(range.start + error.valid_up_to())));
                }
            } else if options.bad_value == BadValue::Error && data_type.is_nested() {
                if !self.nesting.is_exact(field, data_type) {
                    return Some(bad(field, None));
                }
            } else if options.bad_value == BadValue::Error {
                let field = unescaped(&self.splitter, field, data_type);
                if !values::is_exact(data_type, &field) {
                    return Some(bad(&field, None));
                }
            }
        }
        None
    }

    /// The fields of the line that was split last, by the names of the table's columns.
    pub(super) fn row_values(&self, line: &[u8]) -> RowValues {
        let options = &self.plan.options;
        let values = options.columns.iter().zip(&self.fields).map(|((name, _), range)| {
            let field = &line[range.clone()];
            (name.clone(), (field != options.null_marker).then(|| shown(&self.splitter.unescape(field))))
        });
        RowValues(values.collect())
    }

    /// The lines so far that had fields beyond the columns.
    pub(super) fn take_extra_fields(&mut self) -> ExtraFields {
        std::mem::take(&mut self.extra_fields)
    }

    /// The rows so far; there are none afterwards.
    pub(super) fn take_batch(&mut self, file: &str) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = self.columns.iter_mut().map(Column::finish).collect();
        if self.plan.has_places {
            arrays.extend(place_columns(file, std::mem::take(&mut self.lines)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        self.bytes = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.plan.schema), arrays, &options)
            .map_err(|error| ConnectorError::internal("text columns do not make a batch").with_source(error))
    }
}

/// A field without its escapes, which only texts have: Hive takes those of other types for bytes of the value.
fn unescaped<'a>(splitter: &FieldSplitter, field: &'a [u8], data_type: &DataType) -> Cow<'a, [u8]> {
    match is_text(data_type) && *data_type != DataType::Binary {
        true => splitter.unescape(field),
        false => Cow::Borrowed(field),
    }
}

/// Whether an empty field is a value: the empty text.
fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary)
}

/// The start of a text, for messages.
pub(super) fn shown(text: &[u8]) -> String {
    // A little more than is shown, so that it is seen to be cut.
    let cut = &text[..text.len().min(1024)];
    shown_value(&String::from_utf8_lossy(cut))
}
