//! A table's columns, and the table as DataFusion sees it.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use mysql_async::Row;

use super::filters;
use super::scan::{ScanDescriptor, StarrocksExec};
use super::types::{arrow_type, target_type};
use crate::error::Result;
use crate::mysql_protocol::connect::{Connection, ConnectionPool};
use crate::mysql_protocol::quote::text_literal;
use crate::mysql_protocol::residual::scan_then_filter;
use crate::sink::{TargetColumn, TargetType};

/// A column as `information_schema.columns` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// `COLUMN_TYPE`.
    pub(super) column_type: String,
    pub(super) nullable: bool,
    pub(super) has_default: bool,
    /// Whether the server computes it, so that a write cannot name it.
    pub(super) is_generated: bool,
    pub(super) comment: String,
    /// Of a key column, the model of its table.
    pub(super) key: Option<TableModel>,
}

/// How a table keeps rows of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableModel {
    Duplicate,
    Aggregate,
    Unique,
    Primary,
}

impl TableModel {
    /// The clause of its DDL.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "DUPLICATE KEY",
            Self::Aggregate => "AGGREGATE KEY",
            Self::Unique => "UNIQUE KEY",
            Self::Primary => "PRIMARY KEY",
        }
    }

    /// What `information_schema.columns.COLUMN_KEY` of a key column says.
    fn parse(column_key: &str) -> Option<Self> {
        match column_key.trim().to_ascii_uppercase().as_str() {
            "DUP" => Some(Self::Duplicate),
            "AGG" => Some(Self::Aggregate),
            "UNI" => Some(Self::Unique),
            "PRI" => Some(Self::Primary),
            _ => None,
        }
    }
}

impl Column {
    /// The column as a write sees it.
    pub(super) fn target(&self) -> TargetColumn {
        TargetColumn {
            name: self.name.clone(),
            kind: target_type(&self.column_type),
            nullable: self.nullable,
            has_default: self.has_default,
            type_name: self.column_type.clone(),
        }
    }
}

/// The columns of a table in its own order; empty if there is no such table. Every value is read by its name, as versions of the
/// server differ in what the view holds.
pub(super) async fn columns(connection: &mut Connection, database: &str, table: &str) -> Result<Vec<Column>> {
    let sql = format!(
        "SELECT * FROM information_schema.columns WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
        text_literal(database),
        text_literal(table)
    );
    let rows = connection.query(&sql).await?;
    // The server may compare names without case; a table is meant by its exact name.
    let is_exact = |row: &&Row| text(row, "TABLE_NAME").is_none_or(|found| found == table);
    Ok(rows.iter().filter(is_exact).filter_map(column).collect())
}

/// Whether it is a table whose NOT NULL holds for what is read: what a view's outer joins make of a column, its description does not tell.
pub(super) async fn is_base_table(connection: &mut Connection, database: &str, table: &str) -> Result<bool> {
    let sql = format!(
        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.tables WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        text_literal(database),
        text_literal(table)
    );
    let rows = connection.query(&sql).await?;
    let is = |row: &Row, name: &str, value: &str| text(row, name).is_some_and(|found| found == value);
    Ok(rows.iter().any(|row| is(row, "TABLE_NAME", table) && is(row, "TABLE_TYPE", "BASE TABLE")))
}

fn column(row: &Row) -> Option<Column> {
    let extra = text(row, "EXTRA").unwrap_or_default().to_ascii_lowercase();
    let is_generated = text(row, "GENERATION_EXPRESSION").is_some_and(|text| !text.trim().is_empty());
    let column_type = text(row, "COLUMN_TYPE").or_else(|| text(row, "DATA_TYPE"))?;
    Some(Column {
        name: text(row, "COLUMN_NAME")?,
        column_type,
        nullable: text(row, "IS_NULLABLE").is_none_or(|text| !text.eq_ignore_ascii_case("NO")),
        has_default: text(row, "COLUMN_DEFAULT").is_some() || extra.contains("auto_increment") || is_generated,
        is_generated,
        comment: text(row, "COLUMN_COMMENT").unwrap_or_default(),
        key: text(row, "COLUMN_KEY").and_then(|key| TableModel::parse(&key)),
    })
}

/// A value by its column's name, whatever its case; None for NULL and for a column that is not there.
pub(super) fn text(row: &Row, name: &str) -> Option<String> {
    let index = row.columns_ref().iter().position(|column| column.name_str().eq_ignore_ascii_case(name))?;
    match row.as_ref(index)? {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        mysql_async::Value::Int(value) => Some(value.to_string()),
        mysql_async::Value::UInt(value) => Some(value.to_string()),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}

/// A table that is read over the MySQL protocol.
#[derive(Debug)]
pub struct StarrocksTable {
    pool: ConnectionPool,
    database: String,
    table: String,
    schema: SchemaRef,
    /// The columns whose filters the server decides as DataFusion does. Not those that are read as text and are something else there:
    /// documents, nested values, and sketches, which are read as NULL.
    comparable: Schema,
}

impl StarrocksTable {
    pub(super) fn new(pool: ConnectionPool, database: &str, table: &str, columns: &[Column]) -> Self {
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| {
                // HLL, BITMAP and PERCENTILE are read as NULL whatever the table says.
                let nullable = column.nullable || target_type(&column.column_type) == TargetType::Other;
                let field = Field::new(&column.name, arrow_type(&column.column_type), nullable);
                match column.comment.as_str() {
                    "" => field,
                    comment => field.with_metadata([("comment".to_owned(), comment.to_owned())].into()),
                }
            })
            .collect();
        let is_comparable =
            |column: &Column| !matches!(target_type(&column.column_type), TargetType::Json | TargetType::Other);
        let comparable: Vec<Field> = fields
            .iter()
            .zip(columns)
            .filter(|(_, column)| is_comparable(column))
            .map(|(field, _)| field.clone())
            .collect();
        Self {
            pool,
            database: database.to_owned(),
            table: table.to_owned(),
            schema: Arc::new(Schema::new(fields)),
            comparable: Schema::new(comparable),
        }
    }
}

#[async_trait]
impl TableProvider for StarrocksTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let decide = |filter: &&Expr| match filters::to_sql(filter, &self.comparable) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(decide).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let is_left = |filter: &&Expr| filters::to_sql(filter, &self.comparable).is_none();
        let left: Vec<Expr> = filters.iter().filter(is_left).cloned().collect();
        // Rows that are thrown away here must not use the limit up.
        let limit = limit.filter(|_| left.is_empty());
        scan_then_filter(state, &self.schema, projection, left, |projection| {
            let schema = match projection {
                Some(projection) => Arc::new(self.schema.project(projection)?),
                None => self.schema.clone(),
            };
            let filters = filters.iter().filter_map(|filter| filters::to_sql(filter, &self.comparable)).collect();
            let (database, table) = (self.database.clone(), self.table.clone());
            let descriptor = ScanDescriptor { database, table, schema, filters, limit };
            Ok(Arc::new(StarrocksExec::new(self.pool.clone(), descriptor)))
        })
    }
}
