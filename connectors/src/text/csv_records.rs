//! Records of CSV: one per line, or across lines where quotes are open.

use arrow::datatypes::DataType;

use super::columns::Column;
use super::csv_fields::{CsvFields, CsvSplitter, End};
use super::datax_values;
use super::datetime_pattern::DateTimePattern;
use super::options::TextTableOptions;
use super::reader::ReadPlan;
use super::records::{BadRecord, Dropped, OnBad, Outcome, RecordLine, zone_of};
use super::rows::shown;
use super::scalar::Scalar;
use super::spark_values::{SparkTexts, read_by};
use super::syntax::{CsvDialect, CsvSyntax, NO_NULL};
use super::values::{self, ValueRules};
use crate::sink::RowValues;

/// Reads the records of one file.
pub(super) struct CsvRecords {
    splitter: CsvSplitter,
    syntax: CsvSyntax,
    rules: CsvRules,
    /// All of the table, in the order of the fields.
    columns: Vec<(String, DataType)>,
    /// Which of them are wanted.
    projection: Vec<usize>,
    on_bad: OnBad,
    max_bytes: usize,
    /// What stands between the lines of a record.
    line_end: String,
    /// Whether a CR at the end of a record is part of its end.
    strips_return: bool,
    /// Whether the next record holds names.
    at_header: bool,
    open: Option<OpenRecord>,
    fields: CsvFields,
    pub(super) dropped: Dropped,
}

/// What a reader makes of a record as it is written: what a writer checks its own records by.
pub(crate) struct CsvReadBack {
    splitter: CsvSplitter,
    rules: CsvRules,
    fields: CsvFields,
}

impl CsvReadBack {
    pub(crate) fn new(options: &TextTableOptions, syntax: &CsvSyntax) -> Self {
        let delimiter = options.fields_delimiter.as_deref().unwrap_or(b",");
        Self {
            splitter: CsvSplitter::new(delimiter, syntax),
            rules: CsvRules::new(options, syntax),
            fields: CsvFields::default(),
        }
    }

    /// Cuts a record, line ends within quotes included; how many fields it has.
    pub(crate) fn cut(&mut self, record: &[u8]) -> usize {
        let _end = self.splitter.split(record, &mut self.fields);
        self.fields.len()
    }

    /// The text of a field of the record that was cut last; None for NULL.
    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        self.rules.value(&self.fields, index)
    }
}

/// A record whose quotes are open.
struct OpenRecord {
    text: String,
    /// The line in which it begins.
    line: u64,
}

/// How fields become values.
struct CsvRules {
    null_marker: Vec<u8>,
    empty_value: Vec<u8>,
    dialect: CsvDialect,
    rules: ValueRules,
    texts: SparkTexts,
    /// How the timestamps of each column are written, where that is said of the column.
    of_columns: Vec<Option<DateTimePattern>>,
}

impl CsvRecords {
    pub(super) fn new(plan: &ReadPlan, syntax: &CsvSyntax) -> Self {
        let options: &TextTableOptions = &plan.options;
        let delimiter = options.fields_delimiter.as_deref().unwrap_or(b",");
        Self {
            splitter: CsvSplitter::new(delimiter, syntax),
            rules: CsvRules::new(options, syntax),
            at_header: syntax.header,
            syntax: syntax.clone(),
            columns: options.columns.clone(),
            projection: plan.projection.clone(),
            on_bad: OnBad::of(options),
            max_bytes: options.max_line_bytes,
            line_end: String::from_utf8_lossy(options.cut_at().unwrap_or(b"\n")).into_owned(),
            strips_return: syntax.multi_line && options.line_delimiter.is_none(),
            open: None,
            fields: CsvFields::default(),
            dropped: Dropped::default(),
        }
    }

    pub(super) fn read(&mut self, line: RecordLine<'_>, columns: &mut [Column]) -> Outcome {
        if let Some(mut open) = self.open.take() {
            open.text.push_str(&self.line_end);
            open.text.push_str(line.text);
            if open.text.len() > self.max_bytes {
                let reason = format!(
                    "the quotes that open in this line are open after \"max_line_bytes\" = {}; is a quote missing?",
                    self.max_bytes
                );
                return Outcome::Bad(BadRecord { line: open.line, reason, ..BadRecord::default() });
            }
            if self.splitter.end_of(End::Open, line.text.as_bytes()) == End::Open {
                self.open = Some(open);
                return Outcome::Nothing;
            }
            return self.record(&open.text, open.line, columns);
        }
        if self.is_no_record(line.text) {
            return Outcome::Nothing;
        }
        if self.syntax.multi_line && self.splitter.end_of(End::Closed, line.text.as_bytes()) == End::Open {
            self.open = Some(OpenRecord { text: line.text.to_owned(), line: line.number });
            return Outcome::Nothing;
        }
        self.record(line.text, line.number, columns)
    }

    /// The file ends: quotes that are open end with it.
    pub(super) fn end(&mut self, columns: &mut [Column]) -> Outcome {
        match self.open.take() {
            Some(open) if matches!(self.on_bad, OnBad::Refuse | OnBad::RefuseValues) => {
                let reason = "the quotes that open in this line do not end".to_owned();
                Outcome::Bad(BadRecord { line: open.line, reason, ..BadRecord::default() })
            }
            Some(open) => self.record(&open.text, open.line, columns),
            None => Outcome::Nothing,
        }
    }

    fn is_no_record(&self, line: &str) -> bool {
        let line = self.without_return(line);
        if self.syntax.comment.is_some_and(|comment| line.as_bytes().first() == Some(&comment)) {
            return true;
        }
        match self.syntax.dialect {
            CsvDialect::Spark => line.bytes().all(|byte| byte <= b' '),
            // a column that is NULL in each row of a table of one column
            CsvDialect::Rfc4180 => line.is_empty() && self.columns.len() > 1,
            CsvDialect::OpenCsv => false,
            CsvDialect::DataX => line.is_empty() && self.syntax.skips_empty_lines,
        }
    }

    fn without_return<'a>(&self, record: &'a str) -> &'a str {
        match self.strips_return {
            true => record.strip_suffix('\r').unwrap_or(record),
            false => record,
        }
    }

    fn record(&mut self, text: &str, line: u64, columns: &mut [Column]) -> Outcome {
        let text = self.without_return(text);
        if std::mem::take(&mut self.at_header) {
            return Outcome::Nothing;
        }
        let end = self.splitter.split(text.as_bytes(), &mut self.fields);
        let is_datax = self.syntax.dialect == CsvDialect::DataX;
        // its jobs name some fields of a row, and nobody minds the others
        let more = !is_datax && self.fields.len() > self.columns.len();
        if is_datax
            && self.on_bad != OnBad::Null
            && let Some(reason) = self.dirt(end)
        {
            return match self.on_bad {
                OnBad::Drop => self.dropped.add(line),
                _ => Outcome::Bad(BadRecord { line, reason, values: self.row_values(), ..BadRecord::default() }),
            };
        }
        if self.on_bad != OnBad::Null {
            let bad = self.bad_field().or_else(|| self.bad_length());
            match (self.on_bad, bad) {
                (_, None) => {}
                (OnBad::Drop, Some(_)) => return self.dropped.add(line),
                (OnBad::RefuseValues, Some(BadField { column: None, .. })) => {}
                (_, Some(BadField { column, value, reason })) => {
                    return Outcome::Bad(BadRecord { line, column, value, reason, values: self.row_values() });
                }
            }
        }
        for (column, index) in columns.iter_mut().zip(&self.projection) {
            let value = self.rules.value(&self.fields, *index).and_then(|field| {
                let (_, data_type) = self.columns.get(*index)?;
                self.rules.scalar(*index, data_type, field)
            });
            column.append_scalar(value);
        }
        Outcome::Rows { count: 1, line, more }
    }

    /// The first field that is no value of its column.
    fn bad_field(&self) -> Option<BadField> {
        self.columns.iter().enumerate().find_map(|(index, (name, data_type))| {
            let field = self.rules.value(&self.fields, index)?;
            (!self.rules.is_exact(index, data_type, field)).then(|| BadField {
                column: Some(name.clone()),
                value: Some(shown(field.as_bytes())),
                reason: format!("is not exactly a value of type {data_type}"),
            })
        })
    }

    /// Why DataX has no such row, or would leave out some of its text.
    fn dirt(&self, end: End) -> Option<String> {
        let (fields, columns) = (self.fields.len(), self.columns.len());
        if end == End::Open {
            return Some(
                "the quotes that open in this line do not end; set \"quote\" = '' if quotes are data".to_owned(),
            );
        }
        if self.fields.has_loose_text() {
            return Some("has text behind a closing quote; set \"quote\" = '' if quotes are data".to_owned());
        }
        (fields < columns).then(|| format!("the row has {fields} fields, and {columns} are read"))
    }

    fn bad_length(&self) -> Option<BadField> {
        let (fields, columns) = (self.fields.len(), self.columns.len());
        (fields != columns).then(|| BadField {
            column: None,
            value: None,
            reason: format!("the row has {fields} fields, and the table {columns} columns"),
        })
    }

    fn row_values(&self) -> RowValues {
        let value = |index: usize| self.rules.value(&self.fields, index).map(|field| shown(field.as_bytes()));
        RowValues(self.columns.iter().enumerate().map(|(index, (name, _))| (name.clone(), value(index))).collect())
    }
}

struct BadField {
    /// None: the row as a whole.
    column: Option<String>,
    value: Option<String>,
    reason: String,
}

impl CsvRules {
    fn new(options: &TextTableOptions, syntax: &CsvSyntax) -> Self {
        Self {
            null_marker: options.null_marker.clone(),
            empty_value: syntax.empty_value.clone(),
            dialect: syntax.dialect,
            rules: options.values,
            texts: SparkTexts {
                date: syntax.date_format.clone(),
                timestamp: syntax.timestamp_format.clone(),
                zone: zone_of(options),
            },
            of_columns: options.columns.iter().map(|(name, _)| column_format(syntax, name)).collect(),
        }
    }

    /// A field's text; None for NULL.
    fn value<'a>(&'a self, fields: &'a CsvFields, index: usize) -> Option<&'a str> {
        let (field, is_quoted) = fields.get(index)?;
        let is_empty = field.is_empty();
        let field = match is_empty && is_quoted {
            true => self.empty_value.as_slice(),
            false => field,
        };
        let is_null = match self.dialect {
            // quoted or not
            CsvDialect::Spark => (is_empty && !is_quoted) || field == self.null_marker,
            CsvDialect::Rfc4180 | CsvDialect::OpenCsv => !is_quoted && field == self.null_marker,
            CsvDialect::DataX => field == self.null_marker && field != NO_NULL,
        };
        if is_null { None } else { std::str::from_utf8(field).ok() }
    }

    fn scalar<'a>(&self, index: usize, data_type: &DataType, field: &'a str) -> Option<Scalar<'a>> {
        if let (DataType::Timestamp(unit, None), Some(pattern)) = (data_type, self.of_columns.get(index)?) {
            return read_by(pattern, field, *unit).map(Scalar::Timestamp);
        }
        match (self.is_sparks(data_type), self.dialect) {
            (true, _) => self.texts.value(data_type, field),
            (false, CsvDialect::DataX) => datax_values::scalar(data_type, field),
            (false, _) => Scalar::from_hive(data_type, field.as_bytes()),
        }
    }

    fn is_exact(&self, index: usize, data_type: &DataType, field: &str) -> bool {
        match (self.is_sparks(data_type), self.dialect) {
            (false, CsvDialect::Rfc4180 | CsvDialect::OpenCsv | CsvDialect::Spark) if !self.has_format(index) => {
                values::is_exact(data_type, field.as_bytes())
            }
            _ => self.scalar(index, data_type, field).is_some(),
        }
    }

    fn has_format(&self, index: usize) -> bool {
        self.of_columns.get(index).is_some_and(Option::is_some)
    }

    /// Hive has no patterns.
    fn is_sparks(&self, data_type: &DataType) -> bool {
        match data_type {
            _ if self.rules == ValueRules::Spark => true,
            DataType::Date32 => self.texts.date.is_some(),
            DataType::Timestamp(..) => self.texts.timestamp.is_some(),
            _ => false,
        }
    }
}

fn column_format(syntax: &CsvSyntax, column: &str) -> Option<DateTimePattern> {
    let found = syntax.column_formats.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(column));
    found.map(|(_, pattern)| pattern.clone())
}
