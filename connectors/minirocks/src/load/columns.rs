//! Which field of a row goes into which column: the `columns` header, defaults, and what primary key tables know beside rows
//! that are whole (StarRocks: `Load.initColumns`).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::column_list::ColumnItem;
use super::options::{Format, LoadOptions};
use crate::error::{Error, Result};
use crate::sql::{LoadEvaluator, LoadExpression};
use crate::storage::{ColumnDefault, ColumnDefinition, KeyModel, RowMerge, TableDefinition};
use crate::types::{ColumnType, Value};

/// Hidden column of primary key tables that says what to do with a row (StarRocks: `__op`, 0 or `upsert`, 1 or `delete`).
pub(super) const OP_COLUMN: &str = "__op";

/// Where each column of the table gets its value.
#[derive(Debug)]
pub(super) struct ColumnMapping {
    /// Names of the fields of a row, in order.
    pub(super) fields: Vec<String>,
    /// One entry for each column of the table.
    pub(super) sources: Vec<Source>,
    /// What becomes of a row.
    pub(super) operation: Operation,
    /// How a row meets a stored row of its key.
    pub(super) merge: RowMerge,
    /// What is computed once the fields of a batch are there; `None` if nothing is.
    pub(super) computed: Option<Computed>,
}

/// Where a column gets its value.
#[derive(Debug)]
pub(super) enum Source {
    /// The field at this position.
    Field(usize),
    /// The same value in each row.
    Constant(Value),
    /// The expression at this position of [`Computed::expressions`].
    Computed(usize),
}

/// Whether a row is written or its key deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Each row is written.
    Upsert,
    /// Each row deletes its key.
    Delete,
    /// The field at this position says it.
    Field(usize),
    /// The expression at this position says it.
    Computed(usize),
}

/// Expressions of a load.
#[derive(Debug)]
pub(super) struct Computed {
    /// The expressions behind `=`.
    pub(super) expressions: Vec<LoadExpression>,
    /// Positions of the fields that they read, as text.
    pub(super) fields: Vec<usize>,
    /// The `where` header, over the columns of the table.
    pub(super) filter: Option<LoadExpression>,
    /// Computes them.
    pub(super) evaluator: LoadEvaluator,
}

impl ColumnMapping {
    pub(super) fn new(definition: &TableDefinition, options: &LoadOptions) -> Result<Self> {
        let mut reading = Reading::new(definition, options);
        for item in options.columns.as_deref().unwrap_or_default() {
            reading.item(item)?;
        }
        reading.finish()
    }
}

/// The `columns` header while it is read.
struct Reading<'a> {
    definition: &'a TableDefinition,
    options: &'a LoadOptions,
    fields: Vec<String>,
    /// Columns of the table that have an expression.
    mapped: Vec<Option<Source>>,
    operation: Option<Operation>,
    expressions: Vec<LoadExpression>,
}

impl<'a> Reading<'a> {
    fn new(definition: &'a TableDefinition, options: &'a LoadOptions) -> Self {
        Self {
            definition,
            options,
            fields: Vec::new(),
            mapped: definition.columns.iter().map(|_| None).collect(),
            operation: None,
            expressions: Vec::new(),
        }
    }

    fn item(&mut self, item: &ColumnItem) -> Result<()> {
        let name = &item.name;
        let Some(expression) = &item.expression else {
            if self.field(name).is_some() {
                return Err(Error::invalid(format!("Duplicate column: {name}")));
            }
            self.fields.push(name.clone());
            return Ok(());
        };
        if name == OP_COLUMN {
            if self.operation.is_some() {
                return Err(Error::invalid(format!("Duplicate column mapping: {name}")));
            }
            self.operation = Some(self.operation_of(expression)?);
            return Ok(());
        }
        let Some(index) = self.definition.column_index(name) else {
            return Err(Error::invalid(format!("Mapping column is not in table. column: {name}")));
        };
        let source = match constant(&self.definition.columns[index], expression, &self.options.timezone)? {
            Some(value) => Source::Constant(value),
            None => Source::Computed(self.expression(expression)?),
        };
        if self.mapped[index].replace(source).is_some() {
            return Err(Error::invalid(format!("Duplicate column mapping: {name}")));
        }
        Ok(())
    }

    fn field(&self, name: &str) -> Option<usize> {
        let folded = name.to_lowercase();
        self.fields.iter().position(|field| field.to_lowercase() == folded)
    }

    /// Keeps an expression; returns its position.
    fn expression(&mut self, text: &str) -> Result<usize> {
        self.expressions.push(LoadExpression::parse(text)?);
        Ok(self.expressions.len() - 1)
    }

    /// What `__op = …` says.
    fn operation_of(&mut self, expression: &str) -> Result<Operation> {
        let text = unquote(expression);
        if text.len() < expression.len() {
            return match text.to_lowercase().as_str() {
                "upsert" => Ok(Operation::Upsert),
                "delete" => Ok(Operation::Delete),
                other => Err(Error::invalid(format!("load op type string not supported: {other}"))),
            };
        }
        match text {
            "0" => Ok(Operation::Upsert),
            "1" => Ok(Operation::Delete),
            number if number.parse::<f64>().is_ok() => {
                Err(Error::invalid("const load op type column should only be upsert(0)/delete(1)"))
            }
            _ => Ok(Operation::Computed(self.expression(expression)?)),
        }
    }

    fn finish(mut self) -> Result<ColumnMapping> {
        let (definition, options) = (self.definition, self.options);
        // only expressions, or no header at all: the rows have the columns of the table
        if self.fields.is_empty() {
            self.fields = definition.columns.iter().map(|column| column.name.clone()).collect();
        }
        let is_primary = definition.key_model == KeyModel::Primary;
        let operation = match (self.operation, self.field(OP_COLUMN)) {
            (Some(_), _) | (None, Some(_)) if !is_primary => {
                return Err(Error::invalid(format!("only a primary key table has the column {OP_COLUMN}")));
            }
            (Some(operation), _) => operation,
            (None, Some(field)) => Operation::Field(field),
            // StarRocks finds the field of a JSON row by itself, unless jsonpaths say which fields there are
            (None, None) if is_primary && matches!(&options.format, Format::Json(json) if json.paths.is_none()) => {
                self.fields.push(OP_COLUMN.to_owned());
                Operation::Field(self.fields.len() - 1)
            }
            (None, None) => Operation::Upsert,
        };
        let carried = self.carried();
        let merge = merge(definition, options, &carried)?;
        let mut sources = Vec::with_capacity(definition.columns.len());
        for (index, column) in definition.columns.iter().enumerate() {
            sources.push(match (self.mapped[index].take(), self.field(&column.name)) {
                (Some(mapped), _) => mapped,
                (None, Some(field)) => Source::Field(field),
                (None, None) => Source::Constant(default(column, options)?),
            });
        }
        let computed = self.computed()?;
        Ok(ColumnMapping { fields: self.fields, sources, operation, merge, computed })
    }

    /// Positions of the columns that the rows have values for.
    fn carried(&self) -> Vec<usize> {
        let columns = self.definition.columns.iter().enumerate();
        columns
            .filter(|(index, column)| self.mapped[*index].is_some() || self.field(&column.name).is_some())
            .map(|(index, _)| index)
            .collect()
    }

    fn computed(&mut self) -> Result<Option<Computed>> {
        let filter = self.options.filter.as_deref().map(LoadExpression::parse).transpose()?;
        if self.expressions.is_empty() && filter.is_none() {
            return Ok(None);
        }
        for name in filter.iter().flat_map(LoadExpression::names) {
            if self.definition.column_index(&name).is_none() {
                return Err(Error::invalid(format!("unknown column reference in where statement, reference={name}")));
            }
        }
        let mut fields = Vec::new();
        for name in self.expressions.iter().flat_map(LoadExpression::names) {
            match self.field(&name) {
                Some(field) if !fields.contains(&field) => fields.push(field),
                Some(_) => {}
                None => return Err(Error::invalid(format!("unknown reference column, reference={name}"))),
            }
        }
        Ok(Some(Computed {
            expressions: std::mem::take(&mut self.expressions),
            fields,
            filter,
            evaluator: LoadEvaluator::new(&self.options.timezone)?,
        }))
    }
}

/// `partial_update` and `merge_condition` (StarRocks: `Load.getPartialUpateColumns`, `Load.checkMergeCondition`).
fn merge(definition: &TableDefinition, options: &LoadOptions, carried: &[usize]) -> Result<RowMerge> {
    let is_primary = definition.key_model == KeyModel::Primary;
    let mut merge = RowMerge::default();
    if options.partial_update {
        if !is_primary {
            return Err(Error::invalid("Only primary key table support partial update"));
        }
        // without the header no column counts as named
        let named = if options.columns.is_some() { carried } else { &[] };
        if let Some(key) = definition.key_indexes().iter().find(|key| !named.contains(key)) {
            let name = &definition.columns[*key].name;
            return Err(Error::invalid(format!("key column {name} not in partial update columns")));
        }
        merge.partial_columns = Some(named.to_vec());
    }
    if let Some(name) = &options.merge_condition {
        let table = &definition.name;
        if !is_primary {
            return Err(Error::invalid(format!("Conditional update only support primary key table {table}")));
        }
        let index = definition.column_index(name);
        let named = |index: &usize| merge.partial_columns.as_ref().is_none_or(|partial| partial.contains(index));
        let Some(index) = index.filter(named) else {
            return Err(Error::invalid(format!(
                "Merge condition column {name} does not exist. If you are doing partial update with condition update, please \
                 check condition column is in the given update columns. Otherwise please check condition column is in table \
                 {table}"
            )));
        };
        if definition.is_key(index) {
            return Err(Error::invalid(format!("Merge condition column {name} should not be primary key!")));
        }
        if matches!(
            definition.columns[index].column_type,
            ColumnType::Char(_)
                | ColumnType::Varchar(_)
                | ColumnType::VarBinary
                | ColumnType::Json
                | ColumnType::Array(_)
                | ColumnType::Map(..)
                | ColumnType::Struct(_)
        ) {
            return Err(Error::invalid(
                "Merge condition column has invalid type maybe bitmap/hll/percentile/json/varchar!",
            ));
        }
        merge.condition = Some(index);
    }
    Ok(merge)
}

fn unquote(text: &str) -> &str {
    let quoted = |quote| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    quoted('\'').or_else(|| quoted('"')).unwrap_or(text)
}

/// The value of an expression that is a constant or the time; `None` for any other, which is computed row by row.
fn constant(column: &ColumnDefinition, expression: &str, timezone: &TimeZone) -> Result<Option<Value>> {
    let folded: String = expression.to_ascii_lowercase().split_whitespace().collect();
    let text = match folded.as_str() {
        "null" => return Ok(Some(Value::Null)),
        "now()" | "current_timestamp()" | "current_timestamp" => now(timezone),
        "current_date()" | "curdate()" => now(timezone)[..10].to_owned(),
        _ => {
            let text = unquote(expression);
            let is_quoted = text.len() < expression.len() && !text.contains(['\\', '\'', '"']);
            if !is_quoted && expression.parse::<f64>().is_err() && !matches!(folded.as_str(), "true" | "false") {
                return Ok(None);
            }
            text.to_owned()
        }
    };
    converted(column, &text).map(Some)
}

/// What a row gets in a column that the load does not name.
fn default(column: &ColumnDefinition, options: &LoadOptions) -> Result<Value> {
    match &column.default {
        ColumnDefault::Value(text) => converted(column, text),
        ColumnDefault::CurrentTimestamp => converted(column, &now(&options.timezone)),
        // a partial update looks at it when it meets a row that is new
        ColumnDefault::None | ColumnDefault::Null if column.nullable || options.partial_update => Ok(Value::Null),
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
