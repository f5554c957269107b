//! A table as DataFusion sees it: schema, pushed filters, and the plan that reads it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::{ConnectorError, Result};
use crate::mysql_protocol::connect::ConnectionPool;
use crate::mysql_protocol::decode::{ReadColumn, Reading, schema_of};
use crate::mysql_protocol::predicate::Predicate;
use crate::mysql_protocol::pushdown::{ColumnPolicy, support, translate};
use crate::mysql_protocol::residual::scan_then_filter;
use crate::mysql_protocol::split::pack_by_rows;
use crate::mysql_protocol::value::ZeroDates;
use crate::scan_settings::{ScanSettings, SessionScanSettings, SnapshotMode};

use super::scan::{MySqlExec, ScanDescription};
use super::splits::{self, SplitPlan, TableFacts};
use super::types::ColumnDescription;

/// A table or view of a mysql catalog, as it was when it was looked up.
#[derive(Debug)]
pub struct MySqlTable {
    database: String,
    table: String,
    table_type: TableType,
    columns: Vec<ReadColumn>,
    described: Vec<ColumnDescription>,
    policies: HashMap<String, ColumnPolicy>,
    schema: SchemaRef,
    pool: ConnectionPool,
    /// About how many rows the server thinks there are.
    row_estimate: Option<u64>,
    /// The storage engine, where the server tells it.
    engine: Option<String>,
    /// A condition of the server's own SQL on every row that is read.
    condition: Option<String>,
}

impl MySqlTable {
    /// A table of these columns, read in sessions of that zone.
    ///
    /// # Errors
    /// Unsupported for a column of a type that cannot be read.
    pub fn new(
        pool: ConnectionPool,
        database: &str,
        table: &str,
        table_type: TableType,
        described: &[ColumnDescription],
        zone: &str,
    ) -> Result<Self> {
        let config = pool.config();
        let mut columns = Vec::with_capacity(described.len());
        let mut policies = HashMap::new();
        for column in described {
            let reading = column.reading(config.tinyint1_is_bit).map_err(|error| {
                let text = format!("catalog {}, table {database}.{table}: {}", config.catalog, error.message());
                ConnectorError::new(error.code(), text)
            })?;
            // A date that no calendar has may be read as NULL whatever the column says; a view's columns do not tell.
            let becomes_null =
                config.zero_dates == ZeroDates::Null && matches!(reading, Reading::Date | Reading::DateTime);
            let nullable = column.nullable || becomes_null || table_type == TableType::View;
            columns.push(ReadColumn { name: column.name.clone(), reading, nullable });
            let policy = column.policy(zone, config.zero_dates, config.tinyint1_is_bit);
            policies.insert(column.name.clone(), policy);
        }
        let schema = schema_of(&columns);
        let (database, table) = (database.to_owned(), table.to_owned());
        let described = described.to_vec();
        Ok(Self {
            database,
            table,
            table_type,
            columns,
            described,
            policies,
            schema,
            pool,
            row_estimate: None,
            engine: None,
            condition: None,
        })
    }

    /// With the server's guess of the number of rows (`TABLE_ROWS`, which InnoDB takes from a sample).
    #[must_use]
    pub fn with_row_estimate(mut self, rows: Option<u64>) -> Self {
        self.row_estimate = rows;
        self
    }

    /// With the storage engine, which decides whether several connections can see one state of the table.
    #[must_use]
    pub fn with_engine(mut self, engine: Option<String>) -> Self {
        self.engine = engine;
        self
    }

    /// With a condition of the server's own SQL, which was checked to be one: only rows for which it is true are read.
    #[must_use]
    pub fn with_condition(mut self, condition: &str) -> Self {
        self.condition = Some(condition.to_owned());
        self
    }

    fn policy(&self, column: &str) -> Option<ColumnPolicy> {
        self.policies.get(column).copied()
    }

    /// The read of some columns under some filters.
    ///
    /// # Errors
    /// Internal for a projection that is not of this table.
    pub fn describe(
        &self,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<ScanDescription> {
        let columns = match projection {
            None => self.columns.clone(),
            Some(indices) => indices
                .iter()
                .map(|index| self.columns.get(*index).cloned())
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| ConnectorError::internal("a projection names a column that the table has not"))?,
        };
        let policies = |column: &str| self.policy(column);
        let pushed: Vec<_> = filters.iter().map(|filter| translate(filter, &policies)).collect();
        // Rows that DataFusion will still throw away must not use the limit up.
        let all_exact = pushed.iter().all(|pushed| pushed.as_ref().is_some_and(|pushed| pushed.exact));
        let predicates = pushed.into_iter().flatten().map(|pushed| pushed.predicate).collect();
        Ok(ScanDescription {
            catalog: self.pool.config().catalog.clone(),
            database: self.database.clone(),
            table: self.table.clone(),
            columns,
            predicate: Predicate::join(predicates, "AND"),
            condition: self.condition.clone(),
            limit: limit.filter(|_| all_exact),
        })
    }

    /// The pieces to read, how many at the same time, and how these see one state of the table.
    async fn splits(&self, state: &dyn Session, scan: &ScanDescription) -> Result<(SplitPlan, usize, SnapshotMode)> {
        let session = state.config().get_extension::<SessionScanSettings>();
        let session = session.map(|settings| Arc::clone(&settings.0)).unwrap_or_default();
        let settings = ScanSettings::parse(&session, &self.pool.config().scan_settings)?;
        // A session of one partition reads with two connections too, unless one is asked for.
        let connections = match settings.read_connections {
            1 => 1,
            several => several.min(state.config().target_partitions()).max(2),
        };
        let facts = TableFacts {
            columns: &self.described,
            is_view: self.table_type != TableType::Base,
            row_estimate: self.row_estimate,
        };
        let plan = splits::plan(&self.pool, scan, facts, &settings, connections).await?;
        Ok((plan, connections, settings.snapshot))
    }
}

#[async_trait]
impl TableProvider for MySqlTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        self.table_type
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(support(filters, &|column| self.policy(column)))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let policies = |column: &str| self.policy(column);
        let is_exact = |filter: &&Expr| translate(filter, &policies).is_some_and(|pushed| pushed.exact);
        let left = filters.iter().filter(|filter| !is_exact(filter)).cloned().collect();
        // The pieces are the same whatever is projected.
        let (plan, connections, snapshot) = self.splits(state, &self.describe(projection, filters, limit)?).await?;
        let groups = pack_by_rows(plan.splits, connections);
        scan_then_filter(state, &self.schema, projection, left, |projection| {
            let description = self.describe(projection, filters, limit)?;
            let scan = MySqlExec::new(description, groups, self.pool.clone());
            let scan = scan.with_row_estimate(self.row_estimate).with_splitting(plan.how);
            Ok(Arc::new(scan.with_snapshot(snapshot, self.engine.clone())))
        })
    }
}
