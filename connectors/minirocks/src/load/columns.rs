//! Which field of a row goes into which column: the `columns` header and defaults.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::column_list::ColumnItem;
use super::options::LoadOptions;
use crate::error::{Error, Result};
use crate::storage::{ColumnDefault, ColumnDefinition, TableDefinition};
use crate::types::Value;

/// Hidden column of primary key tables that says what to do with a row (StarRocks: `__op`, 0 or `upsert`, 1 or `delete`).
const OP_COLUMN: &str = "__op";

/// Where each column of the table gets its value.
#[derive(Debug)]
pub(super) struct ColumnMapping {
    /// Names of the fields of a row, in order.
    pub(super) fields: Vec<String>,
    /// One entry for each column of the table.
    pub(super) sources: Vec<Source>,
}

/// Where a column gets its value.
#[derive(Debug)]
pub(super) enum Source {
    /// The field at this position.
    Field(usize),
    /// The same value in each row.
    Constant(Value),
}

impl ColumnMapping {
    pub(super) fn new(definition: &TableDefinition, options: &LoadOptions) -> Result<Self> {
        let Some(items) = &options.columns else {
            return Ok(Self {
                fields: definition.columns.iter().map(|c| c.name.clone()).collect(),
                sources: (0..definition.columns.len()).map(Source::Field).collect(),
            });
        };
        let mut fields = Vec::new();
        let mut sources: Vec<Option<Source>> = definition.columns.iter().map(|_| None).collect();
        for item in items {
            if item.name.eq_ignore_ascii_case(OP_COLUMN) {
                check_op(item)?;
                continue;
            }
            let index = definition.column_index(&item.name);
            let source = match (&item.expression, index) {
                (None, _) => {
                    fields.push(item.name.clone());
                    Source::Field(fields.len() - 1)
                }
                (Some(expression), Some(index)) => {
                    Source::Constant(constant(&definition.columns[index], expression, &options.timezone)?)
                }
                (Some(_), None) => {
                    return Err(Error::invalid(format!("Mapping column is not in table. column: {}", item.name)));
                }
            };
            // A field that is no column of the table is read and dropped.
            let Some(index) = index else { continue };
            if sources[index].replace(source).is_some() {
                return Err(Error::invalid(format!("Duplicate column: {}", item.name)));
            }
        }
        let sources = sources
            .into_iter()
            .zip(&definition.columns)
            .map(|(source, column)| match source {
                Some(source) => Ok(source),
                None => default(column, &options.timezone).map(Source::Constant),
            })
            .collect::<Result<_>>()?;
        Ok(Self { fields, sources })
    }
}

/// A load that only writes is the same with and without `__op`; deletes are not built.
fn check_op(item: &ColumnItem) -> Result<()> {
    match item.expression.as_deref().map(unquote) {
        Some("upsert" | "0") => Ok(()),
        _ => Err(Error::unsupported("deleting rows by __op")),
    }
}

fn unquote(text: &str) -> &str {
    let quoted = |quote| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    quoted('\'').or_else(|| quoted('"')).unwrap_or(text)
}

/// The value of an expression that is a constant or the time.
fn constant(column: &ColumnDefinition, expression: &str, timezone: &TimeZone) -> Result<Value> {
    let folded: String = expression.to_ascii_lowercase().split_whitespace().collect();
    let text = match folded.as_str() {
        "null" => return Ok(Value::Null),
        "now()" | "current_timestamp()" | "current_timestamp" => now(timezone),
        "current_date()" | "curdate()" => now(timezone)[..10].to_owned(),
        _ => {
            let text = unquote(expression);
            let is_quoted = text.len() < expression.len() && !text.contains(['\\', '\'', '"']);
            if !is_quoted && expression.parse::<f64>().is_err() && !matches!(folded.as_str(), "true" | "false") {
                return Err(Error::unsupported(format!("the expression {} = {expression} in columns", column.name)));
            }
            text.to_owned()
        }
    };
    converted(column, &text)
}

fn default(column: &ColumnDefinition, timezone: &TimeZone) -> Result<Value> {
    match &column.default {
        ColumnDefault::Value(text) => converted(column, text),
        ColumnDefault::CurrentTimestamp => converted(column, &now(timezone)),
        ColumnDefault::None | ColumnDefault::Null if column.nullable => Ok(Value::Null),
        ColumnDefault::None | ColumnDefault::Null => {
            Err(Error::invalid(format!("Column has no default value. column: {}", column.name)))
        }
    }
}

fn converted(column: &ColumnDefinition, text: &str) -> Result<Value> {
    Value::from_text(&column.column_type, text.as_bytes(), true).ok_or_else(|| {
        Error::invalid(format!("Invalid value '{text}' for column '{}' of type {}", column.name, column.column_type))
    })
}

/// The time in the zone of the load, to the second.
fn now(timezone: &TimeZone) -> String {
    Timestamp::now().to_zoned(timezone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
