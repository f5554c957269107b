//! The warehouse as DataFusion sees it: one catalog, whose schemas are databases. A query reads the snapshot of each table
//! that was current when it was planned.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::TYPE_KEY;
use crate::sql::error::SqlError;
use crate::sql::session::SessionView;
use crate::sql::{CATALOG, INFORMATION_SCHEMA, Services, information_schema};
use crate::storage::Table;

/// Stands for the database of a session that has chosen none; no database can have this name.
pub(crate) const NO_DATABASE: &str = "\0";

/// The one catalog of one statement.
#[derive(Clone)]
pub(crate) struct Catalogs {
    services: Arc<Services>,
    extra: Option<(&'static str, RecordBatch)>,
}

impl fmt::Debug for Catalogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Catalogs")
    }
}

impl Catalogs {
    pub(crate) fn new(view: &SessionView<'_>, extra: Option<(&'static str, RecordBatch)>) -> Self {
        Self { services: Arc::clone(view.services), extra }
    }
}

impl CatalogProviderList for Catalogs {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(self.clone()) as Arc<dyn CatalogProvider>)
    }
}

impl CatalogProvider for Catalogs {
    fn schema_names(&self) -> Vec<String> {
        self.services.warehouse.databases().iter().map(|database| database.name().to_owned()).collect()
    }

    /// Every name has a schema here, so that the lookup of a table can say what is wrong with the name.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(DatabaseSchema { catalogs: self.clone(), database: name.to_owned() }))
    }
}

#[derive(Debug)]
struct DatabaseSchema {
    catalogs: Catalogs,
    database: String,
}

#[async_trait]
impl SchemaProvider for DatabaseSchema {
    fn table_names(&self) -> Vec<String> {
        let database = self.catalogs.services.warehouse.database(&self.database);
        database
            .map(|database| database.tables().iter().map(|table| table.name().to_owned()).collect())
            .unwrap_or_default()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some((extra, batch)) = &self.catalogs.extra
            && *extra == name
        {
            return Ok(Some(Arc::new(Rows { schema: batch.schema(), batches: vec![batch.clone()] })));
        }
        let services = &self.catalogs.services;
        if self.database == NO_DATABASE {
            return Err(SqlError::no_database().into());
        }
        if self.database == INFORMATION_SCHEMA {
            let batch = information_schema::table(services, name)?;
            return Ok(Some(Arc::new(Rows { schema: batch.schema(), batches: vec![batch] })));
        }
        let table = services.warehouse.table(&self.database, name).map_err(SqlError::from)?;
        Ok(Some(Arc::new(Rows::of_table(&table))))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.catalogs.services.warehouse.table(&self.database, name).is_ok()
    }
}

/// Batches in memory.
struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("batches", &self.batches.len()).finish_non_exhaustive()
    }
}

impl Rows {
    fn of_table(table: &Table) -> Self {
        let schema = typed_schema(table);
        let batches = table.snapshot().batches().map(|batch| RecordBatch::clone(batch)).collect();
        Self { schema, batches }
    }
}

/// The table's schema with the declared types in the fields' metadata.
fn typed_schema(table: &Table) -> SchemaRef {
    let columns = &table.definition().columns;
    let fields: Vec<_> = table
        .schema()
        .fields()
        .iter()
        .zip(columns)
        .map(|(field, column)| {
            let metadata = [(TYPE_KEY.to_owned(), column.column_type.to_string())];
            field.as_ref().clone().with_metadata(metadata.into())
        })
        .collect();
    Arc::new(Schema::new(fields))
}

#[async_trait]
impl TableProvider for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let batches: Vec<RecordBatch> = self
            .batches
            .iter()
            .map(|batch| RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec()))
            .collect::<std::result::Result<_, _>>()?;
        let plan = MemorySourceConfig::try_new_exec(&[batches], Arc::clone(&self.schema), projection.cloned())?;
        Ok(plan)
    }
}

/// Names of a table's columns, for matching them without case; `None` if there is no such table.
pub(crate) fn table_columns(view: &SessionView<'_>, database: Option<&str>, table: &str) -> Option<Vec<String>> {
    let database = database.or(view.database)?;
    if database.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        return information_schema::column_names(table);
    }
    let table = view.services.warehouse.table(database, table).ok()?;
    Some(table.definition().columns.iter().map(|column| column.name.clone()).collect())
}
