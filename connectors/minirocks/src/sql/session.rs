//! A connection's state, and which code executes which statement.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::Query;
use futures::FutureExt;

use super::error::SqlError;
use super::parser::ParsedStatement;
use super::statement::{Literal, Statement, TableName};
use super::system_table::{Cell, SystemTable};
use super::variables::Variables;
use super::{
    CATALOG, INFORMATION_SCHEMA, OkInfo, Outcome, RowStream, Services, ddl, delete, describe, insert, show, update,
};
use crate::storage::{Database, Table};

/// One client's session.
#[derive(Debug)]
pub(crate) struct Session {
    services: Arc<Services>,
    connection_id: u32,
    client_host: String,
    database: Option<String>,
    variables: Variables,
}

/// What a statement may know of its session.
pub(crate) struct SessionView<'a> {
    pub(crate) services: &'a Arc<Services>,
    pub(crate) database: Option<&'a str>,
    pub(crate) variables: &'a Variables,
    pub(crate) connection_id: u32,
    pub(crate) client_host: &'a str,
}

impl Session {
    /// What all connections share.
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(crate) fn new(services: Arc<Services>, connection_id: u32, client_host: String) -> Self {
        let variables = initial_variables(&services);
        Self { services, connection_id, client_host, database: None, variables }
    }

    /// Forgets everything but the login (MySQL: COM_RESET_CONNECTION keeps no variables; the database stays).
    pub(crate) fn reset(&mut self) {
        self.variables = initial_variables(&self.services);
    }

    /// USE and COM_INIT_DB. The catalog may stand before the name (StarRocks: `default_catalog.db`).
    pub(crate) fn use_database(&mut self, name: &str) -> Result<(), SqlError> {
        let name = name.strip_prefix(CATALOG).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
            self.database = Some(INFORMATION_SCHEMA.to_owned());
            return Ok(());
        }
        let database = self.services.warehouse.database(name).map_err(|_| SqlError::unknown_database(name))?;
        self.database = Some(database.name().to_owned());
        Ok(())
    }

    fn view(&self) -> SessionView<'_> {
        SessionView {
            services: &self.services,
            database: self.database.as_deref(),
            variables: &self.variables,
            connection_id: self.connection_id,
            client_host: &self.client_host,
        }
    }

    /// The columns that a prepared statement will have; `None` for one without rows.
    pub(crate) async fn result_schema(&self, parsed: &ParsedStatement) -> Option<SchemaRef> {
        let view = self.view();
        match &parsed.statement {
            Statement::Query(query) => view.services.engine.schema(&view, query, parsed.parameters).await,
            Statement::Explain(_) => Some(explained(Vec::new()).ok()?.schema()),
            Statement::Show(show) => {
                let rows = show::show(&view, show).await.ok()?;
                Some(Arc::clone(rows.schema()))
            }
            Statement::Describe(table) => Some(describe::describe(&view, table).ok()?.schema()),
            _ => None,
        }
    }

    /// Executes a statement. What it borrows of the session it gives back before rows are read. A defect of MiniRocks ends the
    /// statement, not the connection.
    pub(crate) async fn execute(
        &mut self,
        parsed: ParsedStatement,
        parameters: &[Literal],
    ) -> Result<Outcome, SqlError> {
        let before = if parsed.hints.is_empty() { None } else { Some(self.variables.clone()) };
        let hinted = parsed.hints.iter().try_for_each(|hint| self.variables.set(&hint.name, &hint.value));
        let outcome = match hinted {
            Err(error) => Err(error),
            Ok(()) => {
                let run = AssertUnwindSafe(self.execute_parsed(parsed, parameters)).catch_unwind();
                run.await.unwrap_or_else(|_| Err(SqlError::internal("the statement failed")))
            }
        };
        if let Some(before) = before {
            self.variables = before;
        }
        outcome
    }

    async fn execute_parsed(&mut self, parsed: ParsedStatement, parameters: &[Literal]) -> Result<Outcome, SqlError> {
        if parameters.len() != parsed.parameters {
            return Err(SqlError::new(1210, "Incorrect arguments to EXECUTE"));
        }
        match parsed.statement {
            Statement::Empty | Statement::NoEffect => Ok(Outcome::done()),
            Statement::Use(database) => self.use_database(&database).map(|()| Outcome::done()),
            Statement::Set(assignments) => {
                for assignment in assignments {
                    let value = match &assignment.value {
                        Literal::Text(text) if text.starts_with('@') => self.variables.literal(text)?,
                        value => value.clone(),
                    };
                    self.variables.set(&assignment.name, &value)?;
                }
                Ok(Outcome::done())
            }
            Statement::DropDatabase { name, if_exists } => {
                ddl::drop_database(&self.view(), &name, if_exists)?;
                if self.database.as_deref() == Some(&name) {
                    self.database = None;
                }
                Ok(Outcome::done())
            }
            statement => execute(&self.view(), statement, parameters).await,
        }
    }
}

fn initial_variables(services: &Services) -> Variables {
    Variables::new(services.config.version(), services.config.abilities())
}

async fn execute(view: &SessionView<'_>, statement: Statement, parameters: &[Literal]) -> Result<Outcome, SqlError> {
    match statement {
        Statement::Query(query) => query_rows(view, &query, parameters).await,
        Statement::Explain(query) => {
            let lines = view.services.engine.explain(view, &query, parameters).await?;
            Ok(Outcome::Rows(RowStream::from_batch(explained(lines)?)))
        }
        Statement::Insert(insert) => insert::insert(view, *insert, parameters).await.map(Outcome::Done),
        Statement::Delete { table, partitions, filter } => {
            delete::delete(view, &table, &partitions, filter.as_deref(), parameters).await.map(Outcome::Done)
        }
        Statement::Update(update) => update::update(view, &update, parameters).await.map(Outcome::Done),
        Statement::Show(show) => show::show(view, &show).await.map(Outcome::Rows),
        Statement::Describe(table) => Ok(Outcome::Rows(RowStream::from_batch(describe::describe(view, &table)?))),
        Statement::CreateTable(mut table) => {
            let query = table.query.take();
            match query {
                None => ddl::create_table(view, &table).map(|_| Outcome::done()),
                Some(query) => insert::create_table_as(view, *table, query, parameters).await.map(Outcome::Done),
            }
        }
        statement => {
            ddl::execute(view, statement)?;
            Ok(Outcome::Done(OkInfo::default()))
        }
    }
}

async fn query_rows(view: &SessionView<'_>, query: &Query, parameters: &[Literal]) -> Result<Outcome, SqlError> {
    view.services.engine.rows(view, query, parameters).await.map(Outcome::Rows)
}

fn explained(lines: Vec<String>) -> Result<arrow::record_batch::RecordBatch, SqlError> {
    let mut table = SystemTable::of_text(&["Explain String"]);
    lines.into_iter().for_each(|line| table.push(vec![Cell::Text(line)]));
    table.into_batch()
}

impl SessionView<'_> {
    /// The database that a name without one belongs to.
    pub(crate) fn database_of(&self, written: Option<&str>) -> Result<String, SqlError> {
        written.or(self.database).map(str::to_owned).ok_or_else(SqlError::no_database)
    }

    pub(crate) fn open_database(&self, written: Option<&str>) -> Result<Arc<Database>, SqlError> {
        let name = self.database_of(written)?;
        if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
            return Err(SqlError::analysis(format!("Access denied; {INFORMATION_SCHEMA} can only be read")));
        }
        self.services.warehouse.database(&name).map_err(SqlError::from)
    }

    pub(crate) fn open_table(&self, name: &TableName) -> Result<Arc<Table>, SqlError> {
        self.open_database(name.database.as_deref())?.table(&name.table).map_err(SqlError::from)
    }
}
