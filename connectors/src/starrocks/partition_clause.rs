//! What `PARTITION (…)` means for a table: values that all rows have, partitions by name, or partition columns whose values the rows bring.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::partitions::PartitionColumn;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::convert::Converter;
use crate::sink::{ColumnMapping, ErrorLimit, PartitionItem, RejectCollector, RejectLog, TargetColumn, map_columns};

/// The clause, with columns of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PartitionClause {
    /// `dt = '20240807'`.
    pub(super) values: Vec<(TargetColumn, Option<String>)>,
    /// `p20240807`.
    pub(super) names: Vec<String>,
    /// `dt`: its values come from the rows.
    pub(super) columns: Vec<TargetColumn>,
}

/// What INSERT OVERWRITE replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Replaced {
    /// All rows of the table.
    WholeTable,
    /// The partitions that the rows touch.
    TouchedPartitions,
    /// Partitions that exist, by name.
    Names(Vec<String>),
    /// The partition of this value, which is added if there is none: each partition column with its value.
    Value(Vec<(PartitionColumn, String)>),
}

impl PartitionClause {
    /// Reads the items. A bare word is a column if the target has one of that name, else a partition.
    pub(super) fn read(items: &[PartitionItem], target: &[TargetColumn]) -> Result<Self> {
        let mut clause = Self::default();
        for item in items {
            match item {
                PartitionItem::Value { column, value } => {
                    let column = find(target, column).ok_or_else(|| {
                        name_error(format!("PARTITION ({column} = …): the target has no column {column}"))
                    })?;
                    clause.values.push((column.clone(), value.clone()));
                }
                PartitionItem::Name(name) => match find(target, name) {
                    Some(column) => clause.columns.push(column.clone()),
                    None => clause.names.push(checked_name(name)?),
                },
            }
        }
        let columns = clause.values.iter().map(|(column, _)| column).chain(&clause.columns);
        let mut names: Vec<String> = columns.map(|column| column.name.clone()).collect();
        names.extend(clause.names.iter().map(|name| name.to_lowercase()));
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(name_error(format!("PARTITION names {} twice", twice[0])));
        }
        if !clause.names.is_empty() && (!clause.values.is_empty() || !clause.columns.is_empty()) {
            return Err(name_error(format!(
                "PARTITION names the partition {} beside a column; name partitions, or columns",
                clause.names[0]
            )));
        }
        Ok(clause)
    }

    /// Checks that its columns are those that the table is partitioned by.
    pub(super) fn check(&self, by: &[PartitionColumn]) -> Result<()> {
        let columns = self.values.iter().map(|(column, _)| column).chain(&self.columns);
        for column in columns {
            if by.iter().all(|by| by.column.name != column.name) {
                return Err(name_error(format!(
                    "the table is not partitioned by {}{}",
                    column.name,
                    match by {
                        [] => "; it has no partitions".to_owned(),
                        by => format!(", but by {}", names_of(by)),
                    }
                )));
            }
        }
        if by.is_empty() && !self.names.is_empty() {
            return Err(name_error(format!("the table has no partitions, so that {} is none", self.names[0])));
        }
        Ok(())
    }

    /// What an INSERT OVERWRITE with this clause replaces.
    pub(super) fn replaced(&self, all: &[PartitionColumn]) -> Result<Replaced> {
        if !self.names.is_empty() {
            return Ok(Replaced::Names(self.names.clone()));
        }
        if !self.columns.is_empty() {
            return Ok(Replaced::TouchedPartitions);
        }
        if self.values.is_empty() {
            return Ok(Replaced::WholeTable);
        }
        let mut value = Vec::new();
        for by in all {
            let Some((_, text)) = self.values.iter().find(|(column, _)| column.name == by.column.name) else {
                return Err(name_error(format!(
                    "the table is partitioned by {}: give the value of {1} too, or name it, PARTITION (…, {1}), to replace the partitions that the rows touch",
                    names_of(all),
                    by.column.name
                )));
            };
            match text {
                // The server lists NULL and the text NULL alike.
                Some(text) if text != "NULL" || !by.column.nullable => value.push((by.clone(), text.clone())),
                _ => {
                    return Err(ConnectorError::new(
                        ErrorCode::Unsupported,
                        "a partition of NULL cannot be told from one of the text NULL; name the partition itself, such as PARTITION (pNULL)",
                    ));
                }
            }
        }
        Ok(Replaced::Value(value))
    }

    /// The columns that a statement writes: for every column of the SELECT its target, without the columns that have their value from here.
    pub(super) fn map_columns(
        &self,
        mapping: &ColumnMapping,
        source: &Schema,
        target: &[TargetColumn],
    ) -> Result<Vec<TargetColumn>> {
        let given = |name: &str| self.values.iter().find(|(column, _)| column.name.eq_ignore_ascii_case(name));
        let named: Vec<&str> = match mapping {
            ColumnMapping::Position => Vec::new(),
            ColumnMapping::List(names) => names.iter().map(String::as_str).collect(),
            ColumnMapping::ByName => source.fields().iter().map(|field| field.name().as_str()).collect(),
        };
        let is_full = *mapping == ColumnMapping::Position && source.fields().len() == target.len();
        let twice = named.into_iter().find_map(given).or_else(|| self.values.first().filter(|_| is_full));
        if let Some((column, _)) = twice {
            return Err(name_error(format!(
                "column {0} has its value from PARTITION ({0} = …); leave it out of the SELECT and of the list of columns",
                column.name
            )));
        }
        let rest: Vec<TargetColumn> = target.iter().filter(|column| given(&column.name).is_none()).cloned().collect();
        map_columns(mapping, source, &rest)
    }

    /// The values as arrays of one row, each of a type that its column takes.
    pub(super) fn arrays(&self, timezone: &str) -> Result<Vec<ArrayRef>> {
        self.values.iter().map(|(column, text)| array(column, text.as_deref(), timezone)).collect()
    }
}

fn names_of(by: &[PartitionColumn]) -> String {
    by.iter().map(|by| by.column.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn find<'a>(columns: &'a [TargetColumn], name: &str) -> Option<&'a TargetColumn> {
    let exact = columns.iter().find(|column| column.name == name);
    exact.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
}

/// A name that may stand in a header, where there is no way to quote it.
fn checked_name(name: &str) -> Result<String> {
    if name.is_empty() || name.contains([',', '`', '"', '\'']) || name.chars().any(char::is_control) {
        return Err(ConnectorError::option(format!("{name:?} is no name of a partition")));
    }
    Ok(name.to_owned())
}

fn name_error(message: String) -> ConnectorError {
    ConnectorError::new(ErrorCode::Name, message)
}

/// One value as its column takes it, checked as a value of the SELECT would be.
fn array(column: &TargetColumn, text: Option<&str>, timezone: &str) -> Result<ArrayRef> {
    let rejects = Arc::new(RejectCollector::default());
    rejects.set_limit(ErrorLimit::Rows(u64::MAX));
    let schema = Arc::new(Schema::new(vec![Field::new(&column.name, DataType::Utf8, true)]));
    let source: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let batch = RecordBatch::try_new(schema.clone(), vec![source])
        .map_err(|error| ConnectorError::internal("a value cannot be held").with_source(error))?;
    let converted =
        Converter::new(&schema, std::slice::from_ref(column), timezone, rejects.clone())?.convert(&batch, 1)?;
    match rejects.first().first() {
        // A mistake in the script, not one in the rows.
        Some(reject) => Err(ConnectorError::new(
            ErrorCode::Option,
            format!(
                "PARTITION ({} = {}): the value {}",
                column.name,
                text.map_or_else(
                    || "NULL".to_owned(),
                    |text| format!("'{}'", crate::sink::convert::printable(text, 100))
                ),
                reject.reason
            ),
        )),
        None => Ok(converted.column(0).clone()),
    }
}
