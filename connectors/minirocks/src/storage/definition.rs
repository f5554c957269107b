//! What CREATE TABLE says, and the rules it has to keep.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::names;
use crate::error::{Error, Result};
use crate::types::ColumnType;

/// Most columns of a table (StarRocks: `max_column_number_per_table` 10000; fewer here to bound memory).
const MAX_COLUMNS: usize = 4096;
/// Bytes of the leading columns that become the key of a duplicate key table without one (StarRocks: `SHORTKEY_MAXSIZE_BYTES`).
const SHORT_KEY_BYTES: u32 = 36;
/// Columns of such a key (StarRocks: `SHORTKEY_MAX_COLUMN_COUNT`).
const SHORT_KEY_COLUMNS: usize = 3;

/// A table as CREATE TABLE defines it. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// The name, with its case.
    pub name: String,
    /// The columns in order.
    pub columns: Vec<ColumnDefinition>,
    /// What happens to rows of one key.
    pub key_model: KeyModel,
    /// Names of the key columns, which are the first columns in order. Empty for a duplicate key table takes StarRocks's choice.
    pub key_columns: Vec<String>,
    /// How rows are cut into partitions.
    pub partitioning: PartitionScheme,
    /// DISTRIBUTED BY; kept to be shown, without effect.
    pub distribution: Distribution,
    /// ORDER BY columns; kept to be shown, without effect.
    pub order_by: Vec<String>,
    /// PROPERTIES in the order they were written.
    pub properties: Vec<(String, String)>,
    /// COMMENT; empty for none.
    pub comment: String,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDefinition {
    /// The name, with its case; compared without case.
    pub name: String,
    /// The type.
    pub column_type: ColumnType,
    /// Whether NULL is a value of it.
    pub nullable: bool,
    /// What a row gets that does not name the column.
    pub default: ColumnDefault,
    /// COMMENT; empty for none.
    pub comment: String,
    /// How values of one key become one, in the columns behind the key of an aggregate key table.
    pub aggregation: Option<Aggregation>,
}

/// How the values of one key become one value (StarRocks: CREATE TABLE, `agg_type`). HLL_UNION, BITMAP_UNION and
/// PERCENTILE_UNION need types that are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Aggregation {
    /// The sum; NULL is passed over.
    Sum,
    /// The smallest; NULL is passed over.
    Min,
    /// The largest; NULL is passed over.
    Max,
    /// The last.
    Replace,
    /// The last that is not NULL.
    ReplaceIfNotNull,
}

impl Aggregation {
    /// The word of CREATE TABLE.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Sum => "SUM",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Replace => "REPLACE",
            Self::ReplaceIfNotNull => "REPLACE_IF_NOT_NULL",
        }
    }

    /// Whether values of the type can be put together in this way.
    fn takes(self, column_type: &ColumnType) -> bool {
        let is_number = matches!(
            column_type,
            ColumnType::TinyInt
                | ColumnType::SmallInt
                | ColumnType::Int
                | ColumnType::BigInt
                | ColumnType::LargeInt
                | ColumnType::Float
                | ColumnType::Double
                | ColumnType::Decimal { .. }
        );
        match self {
            Self::Sum => is_number,
            Self::Min | Self::Max => is_number || column_type.can_be_key(),
            Self::Replace | Self::ReplaceIfNotNull => true,
        }
    }
}

/// DEFAULT of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnDefault {
    /// None was given: NULL if the column is nullable, else the column must be named.
    None,
    /// `DEFAULT NULL`.
    Null,
    /// `DEFAULT "…"`: a text that is converted to the column's type.
    Value(String),
    /// `DEFAULT CURRENT_TIMESTAMP`: the time of the statement or load.
    CurrentTimestamp,
}

/// What happens to rows of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyModel {
    /// DUPLICATE KEY: all rows are kept.
    Duplicate,
    /// PRIMARY KEY: the last row of a key is kept; key columns are NOT NULL.
    Primary,
    /// UNIQUE KEY: the last row of a key is kept.
    Unique,
    /// AGGREGATE KEY: rows of one key become one, column by column.
    Aggregate,
}

impl KeyModel {
    /// `information_schema.tables_config.TABLE_MODEL`.
    pub fn table_model(self) -> &'static str {
        match self {
            Self::Duplicate => "DUP_KEYS",
            Self::Primary => "PRI_KEYS",
            Self::Unique => "UNQ_KEYS",
            Self::Aggregate => "AGG_KEYS",
        }
    }

    /// `information_schema.columns.COLUMN_KEY` of a key column.
    pub fn column_key(self) -> &'static str {
        match self {
            Self::Duplicate => "DUP",
            Self::Primary => "PRI",
            Self::Unique => "UNI",
            Self::Aggregate => "AGG",
        }
    }

    /// The words of CREATE TABLE, such as `DUPLICATE KEY`.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Duplicate => "DUPLICATE KEY",
            Self::Primary => "PRIMARY KEY",
            Self::Unique => "UNIQUE KEY",
            Self::Aggregate => "AGGREGATE KEY",
        }
    }

    /// Whether a key has one row at most.
    pub fn is_unique(self) -> bool {
        self != Self::Duplicate
    }
}

/// How rows are cut into partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionScheme {
    /// One partition, named as the table.
    None,
    /// List partitions by the values of these columns.
    List {
        /// Names of the partition columns.
        columns: Vec<String>,
        /// Whether a load makes missing partitions: `PARTITION BY (dt)` without `LIST`.
        automatic: bool,
    },
}

impl PartitionScheme {
    /// Names of the partition columns; none if the table is not partitioned.
    pub fn columns(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::List { columns, .. } => columns,
        }
    }

    /// Whether a load makes missing partitions.
    pub fn is_automatic(&self) -> bool {
        matches!(self, Self::List { automatic: true, .. })
    }
}

/// DISTRIBUTED BY.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// `RANDOM`, the default of duplicate key tables.
    Random {
        /// BUCKETS, if given.
        buckets: Option<u32>,
    },
    /// `HASH(…)`.
    Hash {
        /// Names of the columns.
        columns: Vec<String>,
        /// BUCKETS, if given.
        buckets: Option<u32>,
    },
}

impl ColumnDefinition {
    /// A nullable column without default, comment and aggregation.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self {
            name: name.into(),
            column_type,
            nullable: true,
            default: ColumnDefault::None,
            comment: String::new(),
            aggregation: None,
        }
    }

    /// The same column with NOT NULL.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }
}

impl TableDefinition {
    /// A duplicate key table without partitions, in the way of `CREATE TABLE name (columns)`.
    pub fn new(name: impl Into<String>, columns: Vec<ColumnDefinition>) -> Self {
        Self {
            name: name.into(),
            columns,
            key_model: KeyModel::Duplicate,
            key_columns: Vec::new(),
            partitioning: PartitionScheme::None,
            distribution: Distribution::Random { buckets: None },
            order_by: Vec::new(),
            properties: Vec::new(),
            comment: String::new(),
        }
    }

    /// Position of a column, found without regard to case.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        let folded = name.to_lowercase();
        self.columns.iter().position(|c| c.name.to_lowercase() == folded)
    }

    /// Positions of the key columns.
    pub fn key_indexes(&self) -> Vec<usize> {
        self.key_columns.iter().filter_map(|name| self.column_index(name)).collect()
    }

    /// Positions of the partition columns.
    pub fn partition_indexes(&self) -> Vec<usize> {
        self.partitioning.columns().iter().filter_map(|name| self.column_index(name)).collect()
    }

    /// Whether the column at this position belongs to the key.
    pub fn is_key(&self, index: usize) -> bool {
        index < self.key_columns.len()
    }

    /// Value of a property, by its name.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The schema of the table's batches: the columns in order, with their storage types.
    pub fn arrow_schema(&self) -> SchemaRef {
        let fields: Vec<_> =
            self.columns.iter().map(|c| Field::new(&c.name, c.column_type.arrow_type(), c.nullable)).collect();
        Arc::new(Schema::new(fields))
    }

    /// Checks the rules of CREATE TABLE and fills in what StarRocks fills in (the key of a duplicate key table, spelling of
    /// column names, NOT NULL of primary key columns).
    pub(super) fn checked(mut self) -> Result<Self> {
        names::check_table_name(&self.name)?;
        if self.columns.is_empty() {
            return Err(Error::invalid("Create table should contain at least one column"));
        }
        if self.columns.len() > MAX_COLUMNS {
            return Err(Error::invalid(format!("a table has at most {MAX_COLUMNS} columns")));
        }
        for (index, column) in self.columns.iter().enumerate() {
            names::check_column_name(&column.name)?;
            if self.column_index(&column.name) != Some(index) {
                return Err(Error::invalid(format!("Duplicate column name '{}'", column.name)));
            }
        }
        self.check_key()?;
        self.check_aggregation()?;
        self.check_partitioning()?;
        if let Distribution::Hash { columns, .. } = &self.distribution {
            let found = self.spelled(columns, "Distribution")?;
            if let Distribution::Hash { columns, .. } = &mut self.distribution {
                *columns = found;
            }
        }
        self.order_by = self.spelled(&self.order_by, "Sort key")?;
        Ok(self)
    }

    /// The columns with the spelling of their definition.
    fn spelled(&self, names: &[String], role: &str) -> Result<Vec<String>> {
        names
            .iter()
            .map(|name| match self.column_index(name) {
                Some(index) => Ok(self.columns[index].name.clone()),
                None => Err(Error::invalid(format!("{role} column({name}) doesn't exist."))),
            })
            .collect()
    }

    fn check_key(&mut self) -> Result<()> {
        if self.key_columns.is_empty() {
            if self.key_model.is_unique() {
                return Err(Error::invalid(format!("{} needs at least one column", self.key_model.sql())));
            }
            self.key_columns = self.default_duplicate_key();
        }
        self.key_columns = self.spelled(&self.key_columns, "Key")?;
        for (index, name) in self.key_columns.iter().enumerate() {
            if self.columns[index].name != *name {
                return Err(Error::invalid(
                    "Key columns should be a ordered prefix of the schema. KeyColumns[".to_owned()
                        + &self.key_columns.join(", ")
                        + "]",
                ));
            }
            if !self.columns[index].column_type.can_be_key() {
                return Err(Error::invalid(format!(
                    "Invalid data type of key column '{name}': '{}'",
                    self.columns[index].column_type
                )));
            }
        }
        if self.key_model == KeyModel::Primary {
            for column in &mut self.columns[..self.key_columns.len()] {
                column.nullable = false;
            }
        }
        Ok(())
    }

    fn check_aggregation(&self) -> Result<()> {
        let table = self.key_model.table_model();
        for (index, column) in self.columns.iter().enumerate() {
            let name = &column.name;
            let refusal = match (column.aggregation, self.is_key(index), self.key_model) {
                (None, false, KeyModel::Aggregate) => {
                    format!("{table} table should specify aggregate type for non-key column[{name}]")
                }
                (Some(aggregation), true, _) => {
                    format!("Cannot specify aggregate function '{}' for key column '{name}'", aggregation.sql())
                }
                (Some(aggregation), false, KeyModel::Aggregate) if !aggregation.takes(&column.column_type) => {
                    format!("Invalid aggregate function '{}' for '{name}'", aggregation.sql())
                }
                (Some(_), false, model) if model != KeyModel::Aggregate => {
                    format!("{table} table should not specify aggregate type for non-key column[{name}]")
                }
                _ => continue,
            };
            return Err(Error::invalid(refusal));
        }
        Ok(())
    }

    /// The leading columns that StarRocks takes as the key when none is written.
    fn default_duplicate_key(&self) -> Vec<String> {
        let mut key = Vec::new();
        let mut bytes = 0;
        for column in &self.columns {
            let size = match &column.column_type {
                ColumnType::Boolean | ColumnType::TinyInt => 1,
                ColumnType::SmallInt => 2,
                ColumnType::Int | ColumnType::Date => 4,
                ColumnType::BigInt | ColumnType::DateTime => 8,
                ColumnType::LargeInt | ColumnType::Decimal { .. } => 16,
                ColumnType::Char(length) => *length,
                ColumnType::Varchar(_) => 20,
                _ => break,
            };
            bytes += size;
            if key.len() == SHORT_KEY_COLUMNS || (!key.is_empty() && bytes > SHORT_KEY_BYTES) {
                break;
            }
            key.push(column.name.clone());
            if matches!(column.column_type, ColumnType::Varchar(_)) {
                break;
            }
        }
        key
    }

    fn check_partitioning(&mut self) -> Result<()> {
        let spelled = self.spelled(self.partitioning.columns(), "Partition")?;
        let PartitionScheme::List { columns, .. } = &mut self.partitioning else {
            return Ok(());
        };
        if spelled.is_empty() {
            return Err(Error::invalid("PARTITION BY needs at least one column"));
        }
        *columns = spelled;
        for name in self.partitioning.columns() {
            let Some(index) = self.column_index(name) else { continue };
            if !self.columns[index].column_type.can_be_key() {
                return Err(Error::invalid(format!(
                    "Invalid data type of partition column '{name}': '{}'",
                    self.columns[index].column_type
                )));
            }
            if self.key_model.is_unique() && !self.is_key(index) {
                return Err(Error::invalid(format!(
                    "The partition column could not be aggregated column: {name} must be a key column"
                )));
            }
        }
        Ok(())
    }
}
