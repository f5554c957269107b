//! From the SELECT's Arrow types to the target's columns, losing nothing.
//!
//! A value that the target cannot hold as it is makes its row a reject: a fraction for a whole number, a number out of range, more digits than
//! the column keeps, a time of day for a DATE, a text with too many bytes, a text that is no value of the type, NULL for NOT NULL. Who wants
//! the loss writes a CAST. The rules by target:
//!
//! | target | takes |
//! |---|---|
//! | BOOLEAN | booleans; the numbers 0 and 1; the texts `true`, `false`, `0`, `1` |
//! | whole numbers | every number without a fraction and in range; booleans; such a number as text |
//! | DECIMAL | every number with so many digits at most; a float counts as its shortest text, so that 0.1 is 0.10 |
//! | FLOAT, DOUBLE | fractions as the nearest float, whole numbers only if exact; never an overflow to infinity or a loss of all digits |
//! | DATE | dates; timestamps at midnight; `2024-08-07`, `2024-8-7`, `20240807`, each also with a time of midnight |
//! | DATETIME | dates and timestamps; such a text, `20240807123456`, with as many digits of a second as the column keeps |
//! | text | every type, as CAST prints it (timestamps with a space, no `T`); bytes if they are UTF-8 |
//! | binary | bytes; text as its UTF-8 bytes |
//! | an operation (`__op`) | the numbers 0 and 1; booleans; the texts `upsert`, `delete`, `0`, `1` |
//! | JSON, others | text; lists, structs and maps as JSON |
//! | a list, map or struct of a file | such a value whose parts fit; one that does not is an error of the statement |
//!
//! Text for a typed column is checked and stays text. Timestamps with a zone become wall-clock time in the run's zone.
//! A pair that is not in the table, such as a whole number for a DATE, is an error when the write is planned.

mod grammar;
mod nested;
mod number;
pub(crate) mod parse;
mod temporal;
mod text;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{Reject, RejectLog, RowValues, TargetColumn, TargetType};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::text::places::{RowLine, place_of};
use temporal::Zone;

/// A reject's value is cut to so many bytes: enough to find it, and it fits a line.
const VALUE_BYTES: usize = 256;

/// Converts the batches of one write. One value serves all writers.
pub struct Converter {
    columns: Vec<ColumnConverter>,
    schema: SchemaRef,
    rejects: Arc<dyn RejectLog>,
}

/// One column: where it comes from, where it goes, and how.
struct ColumnConverter {
    target: TargetColumn,
    zone: Zone,
}

impl Converter {
    /// The conversions from `source` to `columns`, pair by pair. `timezone` is the run's zone. An error of code Unsupported names the first pair
    /// that has no conversion.
    pub fn new(source: &Schema, columns: &[TargetColumn], timezone: &str, rejects: Arc<dyn RejectLog>) -> Result<Self> {
        if source.fields().len() != columns.len() {
            return Err(ConnectorError::internal(format!(
                "{} columns are mapped to {} columns of the target",
                source.fields().len(),
                columns.len()
            )));
        }
        let zone = Zone::parse(timezone)?;
        for (field, target) in source.fields().iter().zip(columns) {
            check_pair(field, target)?;
        }
        let fields: Vec<FieldRef> = source
            .fields()
            .iter()
            .zip(columns)
            .map(|(field, target)| Arc::new(Field::new(&target.name, converted_type(field.data_type(), target), true)))
            .collect();
        let columns =
            columns.iter().map(|target| ColumnConverter { target: target.clone(), zone: zone.clone() }).collect();
        Ok(Self { columns, schema: Arc::new(Schema::new(fields)), rejects })
    }

    /// The schema of converted batches: the target's names, each column in its own type or as text.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows of `batch` that the target can hold. The others go to the reject log, numbered from `first_row`;
    /// the error is the log's when there are too many.
    pub fn convert(&self, batch: &RecordBatch, first_row: u64) -> Result<RecordBatch> {
        let (rows, rejected) = self.split(batch, first_row)?;
        rejected.into_iter().try_for_each(|rejected| self.reject(rejected.reject))?;
        Ok(rows)
    }

    /// Puts a row that [`split`](Self::split) left out into the reject log.
    pub(super) fn reject(&self, reject: Reject) -> Result<()> {
        self.rejects.reject(reject)
    }

    /// The rows of `batch` that the target can hold, without the columns for file and line that may stand behind its own, and
    /// the others, numbered from `first_row`.
    pub(super) fn split(&self, batch: &RecordBatch, first_row: u64) -> Result<(RecordBatch, Vec<RejectedRow>)> {
        let mut failures = Failures::new(batch.num_rows());
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (index, (column, source)) in self.columns.iter().zip(batch.columns()).enumerate() {
            failures.column = index;
            let array = column.convert(source, &mut failures)?;
            let expected = self.schema.field(index).data_type();
            if array.data_type() != expected {
                return Err(ConnectorError::internal(format!(
                    "column `{}` became {}, not {expected}",
                    column.target.name,
                    array.data_type()
                )));
            }
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let converted = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| ConnectorError::internal("converted columns do not fit together").with_source(error))?;
        match failures.into_kept_rows() {
            None => Ok((converted, Vec::new())),
            Some((kept, failures)) => {
                let rows = filter_record_batch(&converted, &kept)
                    .map_err(|error| ConnectorError::internal("cannot leave out rejected rows").with_source(error))?;
                Ok((rows, self.rejected(batch, failures, first_row)))
            }
        }
    }

    fn rejected(&self, batch: &RecordBatch, mut failures: Vec<Failure>, first_row: u64) -> Vec<RejectedRow> {
        failures.sort_by_key(|failure| failure.row);
        let rejected = |failure: Failure| {
            let names = self.columns.iter().map(|column| column.target.name.as_str());
            let values = RowValues::of(names, batch, failure.row);
            let (file, line) = place_of(batch, self.columns.len(), failure.row).unzip();
            let row = Some(first_row + failure.row as u64);
            let reject = Reject { row, file, ..Reject::of_row(values, failure.column, failure.reason) };
            RejectedRow { reject, line }
        };
        failures.into_iter().map(rejected).collect()
    }
}

impl fmt::Debug for Converter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.columns.iter().map(|column| &column.target)).finish()
    }
}

/// A row that the target cannot hold.
pub(super) struct RejectedRow {
    /// Without its line.
    pub(super) reject: Reject,
    /// The line that it came from, where known.
    pub(super) line: Option<RowLine>,
}

/// The rows of a batch that fail, each with the first column that makes it fail.
struct Failures {
    rows: usize,
    column: usize,
    kept: Option<BooleanBufferBuilder>,
    list: Vec<Failure>,
}

struct Failure {
    row: usize,
    column: usize,
    reason: String,
}

impl Failures {
    fn new(rows: usize) -> Self {
        Self { rows, column: 0, kept: None, list: Vec::new() }
    }

    fn add(&mut self, row: usize, reason: impl Into<String>) {
        let rows = self.rows;
        let kept = self.kept.get_or_insert_with(|| {
            let mut all = BooleanBufferBuilder::new(rows);
            all.append_n(rows, true);
            all
        });
        if kept.get_bit(row) {
            kept.set_bit(row, false);
            self.list.push(Failure { row, column: self.column, reason: reason.into() });
        }
    }

    fn into_kept_rows(self) -> Option<(BooleanArray, Vec<Failure>)> {
        let mut kept = self.kept?;
        Some((BooleanArray::new(kept.finish(), None), self.list))
    }
}

impl ColumnConverter {
    fn convert(&self, source: &ArrayRef, failures: &mut Failures) -> Result<ArrayRef> {
        let plain = plain_array(source)?;
        let converted = self.convert_plain(&plain, failures)?;
        // rows that failed are NULL here as well; they are failed already, so that they are not counted twice
        if !self.target.nullable && plain.logical_null_count() > 0 {
            let nulls = plain.logical_nulls();
            for row in (0..plain.len()).filter(|row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(*row))) {
                failures.add(row, "NULL in a NOT NULL column");
            }
        }
        Ok(converted)
    }

    fn convert_plain(&self, source: &ArrayRef, failures: &mut Failures) -> Result<ArrayRef> {
        let target = &self.target;
        match (source.data_type(), &target.kind) {
            (DataType::Null, _) => Ok(arrow::array::new_null_array(&target.kind.arrow_type(), source.len())),
            // a value inside that does not fit is an error of the statement: there is no row to leave out here
            (_, TargetType::Nested(data_type)) => exact_cast(source, data_type),
            (DataType::Utf8, _) => text::from_text(source, target, failures),
            (DataType::Binary, _) => text::from_binary(source, target, failures),
            (DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_), _) => {
                temporal::from_temporal(source, target, &self.zone, failures)
            }
            (source_type, _) if source_type.is_nested() => nested::from_nested(source, target, failures),
            _ => number::from_number(source, target, failures),
        }
    }
}

/// The type that a plain source type has behind the conversion.
fn converted_type(source: &DataType, target: &TargetColumn) -> DataType {
    match plain_type(source) {
        DataType::Utf8
            if !matches!(target.kind, TargetType::Binary { .. } | TargetType::Operation | TargetType::Nested(_)) =>
        {
            DataType::Utf8
        }
        _ => target.kind.arrow_type(),
    }
}

/// Whether the pair is in the table of this module.
fn check_pair(field: &Field, target: &TargetColumn) -> Result<()> {
    use TargetType as T;
    let is_text = matches!(target.kind, T::Text { .. } | T::Json | T::Other);
    let source = plain_type(field.data_type());
    let is_possible = match &source {
        DataType::Null => true,
        DataType::Utf8 => !matches!(target.kind, T::Nested(_)),
        DataType::Binary => is_text || matches!(target.kind, T::Binary { .. }),
        DataType::Date32 | DataType::Timestamp(..) => is_text || matches!(target.kind, T::Date | T::DateTime { .. }),
        DataType::Time64(_) => is_text,
        nested if nested.is_nested() => match &target.kind {
            T::Nested(data_type) => can_cast_types(nested, data_type),
            _ => is_text && nested::is_encodable(nested),
        },
        DataType::Boolean => is_text || is_number(&target.kind),
        number if number.is_numeric() => is_text || is_number(&target.kind),
        _ => false,
    };
    if is_possible {
        return Ok(());
    }
    let is_temporal = matches!(target.kind, T::Date | T::DateTime { .. });
    let way_out = match target.kind {
        T::Nested(_) => "make the value with make_array, named_struct or map",
        T::Date if source.is_integer() => {
            "write a date in quotes: '${bizdate}' or '20240807', or CAST(CAST(x AS STRING) AS DATE)"
        }
        T::DateTime { .. } if source.is_integer() => {
            "write a time in quotes, such as '2024-08-07 12:34:56'; from seconds: to_timestamp_seconds(x)"
        }
        _ if is_temporal => "CAST it to a date or a time in the SELECT",
        _ => "CAST it in the SELECT",
    };
    // the name of a column without an alias is DataFusion's word for its expression
    let name = Some(field.name()).filter(|name| !name.contains('(') && **name != target.name);
    let source_name = name.map(|name| format!(", from column `{name}`")).unwrap_or_default();
    Err(ConnectorError::new(
        ErrorCode::Unsupported,
        format!(
            "column `{}` of type {} cannot take {}{source_name}; {way_out}",
            target.name,
            target.type_name,
            type_words(&source)
        ),
    ))
}

/// A type of the SELECT in a reader's words.
fn type_words(source: &DataType) -> String {
    match source {
        DataType::Boolean => "a boolean".to_owned(),
        DataType::Date32 => "a date".to_owned(),
        DataType::Timestamp(..) => "a date with a time".to_owned(),
        DataType::Time64(_) => "a time of day".to_owned(),
        DataType::Binary => "bytes".to_owned(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "a number with a fraction".to_owned(),
        whole if whole.is_integer() => "a whole number".to_owned(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("a DECIMAL({precision},{scale})")
        }
        other => format!("a value of type {other}"),
    }
}

fn is_number(kind: &TargetType) -> bool {
    use TargetType as T;
    matches!(kind, T::Boolean | T::Operation | T::Integer { .. } | T::Float32 | T::Float64 | T::Decimal { .. })
}

/// The one type that stands for all types with the same values: `Utf8` for every kind of text, and so on.
fn plain_type(source: &DataType) -> DataType {
    match source {
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::RunEndEncoded(_, value) => plain_type(value.data_type()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Nanosecond),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        other => other.clone(),
    }
}

fn plain_array(source: &ArrayRef) -> Result<ArrayRef> {
    let plain = plain_type(source.data_type());
    if *source.data_type() == plain { Ok(Arc::clone(source)) } else { exact_cast(source, &plain) }
}

/// A cast that cannot fail for the values at hand; if it does, it is an error and not a NULL.
fn exact_cast(source: &dyn Array, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(source, to, &options).map_err(|error| {
        ConnectorError::new(ErrorCode::Value, format!("cannot convert {} to {to}: {error}", source.data_type()))
    })
}

/// The value as a reject shows it.
pub(crate) fn value_text(array: &ArrayRef, row: usize) -> Option<String> {
    // an array of nothing but NULLs, or a dictionary, has them in its logical view only
    if array.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
        return None;
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options).ok()?;
    let text = formatter.value(row).try_to_string().ok()?;
    Some(shown_value(&text))
}

/// A value from outside as a reject shows it: cut to 256 bytes between two characters, and control characters escaped.
pub(crate) fn shown_value(text: &str) -> String {
    if text.len() <= VALUE_BYTES {
        return printable(text, VALUE_BYTES);
    }
    let cut = (0..=VALUE_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", printable(&text[..cut], VALUE_BYTES))
}

/// Text from outside as messages show it: cut to so many characters, and control characters escaped, so that it cannot steer a terminal
/// or begin a line of its own.
pub(crate) fn printable(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    for (count, char) in text.chars().enumerate() {
        if count == max_chars {
            shown.push('…');
            break;
        }
        if char.is_control() { shown.extend(char.escape_default()) } else { shown.push(char) }
    }
    shown
}
