//! A table's columns, and the table as DataFusion sees it.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use mysql_common::Row;

use super::scan::{ScanDescriptor, StarrocksExec};
use super::types::{arrow_type, sorts_alike, target_type};
use super::{filters, splits};
use crate::catalog::CatalogKind;
use crate::definition::{DefinedColumn, TableDefinition};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool};
use crate::mysql_protocol::quote::{in_parentheses, text_literal};
use crate::mysql_protocol::residual::scan_then_filter;
use crate::mysql_protocol::split::Split;
use crate::options::Options;
use crate::scan_settings::{ScanSettings, SessionScanSettings, SplitColumn};
use crate::sink::{TargetColumn, TargetType};
use crate::split_queue::pack;

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
    /// Whether rows are one for each value of it and the other key columns.
    fn is_unique_key(&self) -> bool {
        matches!(self.key, Some(TableModel::Primary | TableModel::Unique))
    }

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

/// The table as other systems can make it. Key columns are the first ones of a table.
pub(super) fn definition(columns: &[Column], comment: String) -> TableDefinition {
    let mut keys = 0;
    let column = |column: &Column| DefinedColumn {
        name: column.name.clone(),
        kind: target_type(&column.column_type),
        native_type: column.column_type.clone(),
        nullable: column.nullable,
        comment: column.comment.clone(),
        key_position: column.is_unique_key().then(|| {
            keys += 1;
            keys
        }),
    };
    TableDefinition { system: Some(CatalogKind::Starrocks), comment, columns: columns.iter().map(column).collect() }
}

/// A table's comment.
pub(super) async fn comment(connection: &mut Connection, database: &str, table: &str) -> Result<String> {
    let sql = format!(
        "SELECT TABLE_NAME, TABLE_COMMENT FROM information_schema.tables WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        text_literal(database),
        text_literal(table)
    );
    let rows = connection.query(&sql).await?;
    let of_table = rows.iter().find(|row| text(row, "TABLE_NAME").is_some_and(|found| found == table));
    Ok(of_table.and_then(|row| text(row, "TABLE_COMMENT")).unwrap_or_default())
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
        mysql_common::Value::NULL => None,
        mysql_common::Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        mysql_common::Value::Int(value) => Some(value.to_string()),
        mysql_common::Value::UInt(value) => Some(value.to_string()),
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
    /// For each column, whether the server sorts it as DataFusion does.
    sortable: Vec<bool>,
    /// Settings of reads that stand on the catalog.
    settings: Options,
    /// A condition of the server's own SQL on every row that is read.
    condition: Option<String>,
}

impl StarrocksTable {
    pub(super) fn new(
        pool: ConnectionPool,
        database: &str,
        table: &str,
        columns: &[Column],
        settings: Options,
    ) -> Self {
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
            sortable: columns.iter().map(|column| sorts_alike(&target_type(&column.column_type))).collect(),
            settings,
            condition: None,
        }
    }

    /// With a condition of the server's own SQL, which was checked to be one: only rows for which it is true are read.
    #[must_use]
    pub(super) fn with_condition(mut self, condition: &str) -> Self {
        self.condition = Some(in_parentheses(condition));
        self
    }

    /// What to read of the table. Rows that are thrown away here must not use the limit up, so that there is none if filters are left.
    fn describe(
        &self,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<ScanDescriptor> {
        let (schema, sortable) = match projection {
            Some(projection) => {
                let sortable = projection.iter().map(|index| self.sortable.get(*index).copied().unwrap_or(false));
                (Arc::new(self.schema.project(projection)?), sortable.collect())
            }
            None => (self.schema.clone(), self.sortable.clone()),
        };
        let sent: Vec<String> = filters.iter().filter_map(|filter| filters::to_sql(filter, &self.comparable)).collect();
        Ok(ScanDescriptor {
            database: self.database.clone(),
            table: self.table.clone(),
            schema,
            sortable,
            limit: limit.filter(|_| sent.len() == filters.len()),
            filters: self.condition.iter().cloned().chain(sent).collect(),
            order: Vec::new(),
        })
    }

    /// The pieces to read, in groups. A read of a few rows or of a number is one query.
    async fn groups(&self, state: &dyn Session, scan: &ScanDescriptor) -> Result<Vec<Vec<Split>>> {
        let session = state.config().get_extension::<SessionScanSettings>();
        let session = session.map(|settings| settings.0.clone()).unwrap_or_default();
        let settings = ScanSettings::parse(&session, &self.settings)?;
        let connections = settings.read_connections.min(state.config().target_partitions());
        let whole = vec![vec![Split::Whole]];
        if scan.limit.is_some() || scan.schema.fields().is_empty() || settings.read_connections < 2 {
            return Ok(whole);
        }
        let catalog = &self.pool.config().catalog;
        let Some(setting) = settings.split_column(catalog, &self.database, &self.table) else { return Ok(whole) };
        let Some(column) = self.split_field(setting)? else { return Ok(whole) };
        // Also for a session of one partition there are two groups.
        let connections = connections.max(2);
        Ok(pack(splits::plan(&self.pool, scan, column, connections).await?, connections))
    }

    /// The column that a setting names; None if it is meant for other tables.
    fn split_field(&self, setting: &SplitColumn) -> Result<Option<&Field>> {
        let named = |what: String| {
            let table = format!("{}.{}.{}", self.pool.config().catalog, self.database, self.table);
            ConnectorError::new(
                ErrorCode::Option,
                format!("table {table}: split_column is \"{}\", {what}", setting.column),
            )
        };
        let fields = self.schema.fields();
        let exact = fields.iter().find(|field| *field.name() == setting.column);
        // StarRocks compares names of columns without case.
        let found = exact.or_else(|| fields.iter().find(|field| field.name().eq_ignore_ascii_case(&setting.column)));
        match found {
            Some(field) if splits::can_split(field.data_type()) => Ok(Some(field)),
            Some(field) if !setting.of_catalog || setting.names_a_table() => Err(named(format!(
                "which is read as {}; a table is split by a column of whole numbers, DATE or DATETIME",
                field.data_type()
            ))),
            None if setting.names_a_table() => Err(named("and there is no such column".to_owned())),
            _ => Ok(None),
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
        // The pieces are the same whatever is projected.
        let groups = self.groups(state, &self.describe(projection, filters, limit)?).await?;
        scan_then_filter(state, &self.schema, projection, left, |projection| {
            let scan = self.describe(projection, filters, limit)?;
            Ok(Arc::new(StarrocksExec::new(self.pool.clone(), scan, groups)))
        })
    }
}
