//! A mysql catalog: databases, tables, native statements and the connectivity test.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::datasource::TableType;
use mysql_common::prelude::FromRow;
use mysql_common::{FromRowError, Row, Value};

use crate::catalog::{Catalog, CatalogConfig, CatalogKind, CheckItem, NativeResult, RemoteCatalog};
use crate::definition::TableDefinition;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool, Dialect};
use crate::mysql_protocol::quote::table_name;
use crate::mysql_protocol::read::{Native, run_native};
use crate::options::{Options, nearest};
use crate::sink::{OpenAttempt, PlannedWrite, Recovered, WriteRequest};

use super::definition::{self, ColumnDetails};
use super::options;
use super::sink;
use super::table::MySqlTable;
use super::types::ColumnDescription;

/// A catalog of type mysql.
#[derive(Debug)]
pub struct MySqlCatalog {
    pool: ConnectionPool,
    /// Settings of writes that stand on the catalog.
    write_settings: Options,
}

impl MySqlCatalog {
    /// Reads the options; does no I/O.
    ///
    /// # Errors
    /// [`ErrorCode::Option`] for options that are unknown, missing or have a bad value.
    pub fn new(config: &CatalogConfig) -> Result<Self> {
        let (parsed, write_settings) = options::parse(config)?;
        Ok(Self { pool: ConnectionPool::new(parsed, Dialect::MySql), write_settings })
    }

    /// Settings of writes that stand on the catalog.
    pub(super) fn write_settings(&self) -> &Options {
        &self.write_settings
    }

    /// The connections.
    pub(super) fn pool(&self) -> &ConnectionPool {
        &self.pool
    }

    fn named(&self, what: impl std::fmt::Display) -> String {
        format!("catalog {}: {what}", self.name())
    }

    /// Asks a small question that changes nothing; a connection that was lost meanwhile is replaced once.
    pub(super) async fn ask(&self, sql: &str, values: &[&str]) -> Result<Vec<Row>> {
        let values: Vec<Value> = values.iter().map(|value| Value::from(*value)).collect();
        let mut connection = self.pool.get().await?;
        let rows = match connection.query_bound(sql, &values).await {
            Err(error) if error.is_retryable() => {
                connection = self.pool.get().await?;
                connection.query_bound(sql, &values).await?
            }
            outcome => outcome?,
        };
        connection.release();
        Ok(rows)
    }

    /// Whether the server is MariaDB.
    pub(super) async fn is_mariadb(&self) -> Result<bool> {
        let connection = self.pool.get().await?;
        let is_mariadb = connection.is_mariadb();
        connection.release();
        Ok(is_mariadb)
    }

    async fn columns(&self, database: &str, table: &str) -> Result<Vec<ColumnDescription>> {
        let rows = self.ask(COLUMNS, &[database, table]).await?;
        let mut columns = Vec::with_capacity(rows.len());
        for row in rows {
            let row: ColumnRow = self.read(row)?;
            // information_schema may compare names without case or trailing spaces; we do not.
            if row.0 == database && row.1 == table {
                columns.push(ColumnDescription {
                    name: row.2,
                    data_type: row.3.to_ascii_lowercase(),
                    column_type: row.4.to_ascii_lowercase(),
                    nullable: row.5 == "YES",
                    precision: row.6,
                    scale: row.7,
                    fraction_digits: row.8,
                    collation: row.9,
                });
            }
        }
        Ok(columns)
    }

    fn read<T: FromRow>(&self, row: Row) -> Result<T> {
        T::from_row_opt(row).map_err(|FromRowError(_)| {
            ConnectorError::internal(self.named("the server's information_schema has an unexpected form"))
        })
    }
}

/// A number of rows, in whatever form servers give it; None for NULL, and for none, which a server also says that has not looked yet.
fn positive(rows: &Value) -> Option<u64> {
    let rows = match rows {
        Value::UInt(rows) => Some(*rows),
        Value::Int(rows) => u64::try_from(*rows).ok(),
        Value::Bytes(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    rows.filter(|rows| *rows > 0)
}

/// Whether the server's name for a kind of table means one that holds rows itself; MariaDB keeps the history of some.
fn is_base_table(kind: &str) -> bool {
    ["BASE TABLE", "SYSTEM VERSIONED"].iter().any(|base| kind.eq_ignore_ascii_case(base))
}

/// Schema, table, name, data type, column type, nullable, precision, scale, fraction digits, collation.
type ColumnRow =
    (String, String, String, String, String, String, Option<u64>, Option<u64>, Option<u64>, Option<String>);

const COLUMNS: &str = "SELECT table_schema, table_name, column_name, data_type, column_type, is_nullable, \
    numeric_precision, numeric_scale, datetime_precision, collation_name \
    FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";
const TABLES: &str = "SELECT table_schema, table_name, table_type FROM information_schema.tables \
    WHERE table_schema = ? ORDER BY table_name";
const TABLE: &str = "SELECT table_schema, table_name, table_type, table_rows, engine FROM information_schema.tables \
    WHERE table_schema = ? AND table_name = ?";
const INSERT_GRANTS: &str = "SELECT \
    (SELECT COUNT(*) FROM information_schema.user_privileges WHERE privilege_type = 'INSERT' AND grantee = me.grantee), \
    (SELECT COUNT(*) FROM information_schema.schema_privileges \
        WHERE privilege_type = 'INSERT' AND table_schema = ? AND grantee = me.grantee), \
    (SELECT COUNT(*) FROM information_schema.table_privileges \
        WHERE privilege_type = 'INSERT' AND table_schema = ? AND grantee = me.grantee) \
    FROM (SELECT CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''') \
    AS grantee) AS me";
const DATABASES: &str = "SELECT schema_name FROM information_schema.schemata ORDER BY schema_name";

#[async_trait]
impl Catalog for MySqlCatalog {
    fn name(&self) -> &str {
        &self.pool.config().catalog
    }

    fn kind(&self) -> CatalogKind {
        CatalogKind::Mysql
    }

    fn addresses(&self) -> Vec<String> {
        self.pool.config().addresses()
    }

    async fn check(&self) -> Vec<CheckItem> {
        let config = self.pool.config();
        let item =
            |what: &str, outcome: std::result::Result<String, String>| CheckItem { what: what.to_owned(), outcome };
        let mut connection = match self.pool.get().await {
            Ok(connection) => connection,
            Err(error) => return vec![item("login", Err(error.to_string()))],
        };
        let mut items = vec![
            item(
                "login",
                Ok(format!("{} at {}:{} as {}", connection.version(), config.host, config.port, config.user)),
            ),
            item("encryption", Ok(if connection.uses_tls() { "TLS" } else { "none" }.to_owned())),
            item("time zone", Ok(connection.zone().to_owned())),
            item("character set", character_set(&mut connection).await.map_err(|error| error.to_string())),
        ];
        connection.release();
        items.push(item("read", self.check_reading().await.map_err(|error| error.to_string())));
        items.push(item("write", Ok(self.check_writing().await)));
        items
    }

    fn remote(self: Arc<Self>) -> Option<Arc<dyn RemoteCatalog>> {
        Some(self)
    }
}

async fn character_set(connection: &mut Connection) -> Result<String> {
    let rows = connection.query("SELECT @@character_set_results").await?;
    let name: Option<String> = rows.into_iter().next().and_then(|mut row| row.take_opt(0)).and_then(Result::ok);
    match name {
        Some(name) if name == "utf8mb4" => Ok(name),
        other => Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!("the server answers in {} instead of utf8mb4", other.unwrap_or_default()),
        )),
    }
}

impl MySqlCatalog {
    /// Reads nothing from one table of the default database, to learn whether the user may.
    async fn check_reading(&self) -> Result<String> {
        let Some(database) = self.default_database() else {
            return Ok(format!("{} databases are visible", self.databases().await?.len()));
        };
        let tables = self.tables(database).await?;
        let Some(first) = tables.first() else {
            return Ok(format!("database {database} has no tables that the user may see"));
        };
        self.ask(&format!("SELECT 1 FROM {} LIMIT 0", table_name(database, first)?), &[]).await?;
        Ok(format!("{} tables are visible in database {database}", tables.len()))
    }

    /// Where the user may insert, by the grants that the server shows; a catalog that is only read is none the worse.
    async fn check_writing(&self) -> String {
        let database = self.default_database().unwrap_or_default();
        let Ok(rows) = self.ask(INSERT_GRANTS, &[database, database]).await else {
            return "the server does not tell where INSERT is granted".to_owned();
        };
        match rows.into_iter().next().and_then(|row| self.read::<(i64, i64, i64)>(row).ok()) {
            Some((1.., ..)) => "INSERT is granted on all databases".to_owned(),
            Some((_, 1.., _)) => format!("INSERT is granted on database {database}"),
            Some((_, _, tables @ 1..)) => format!("INSERT is granted on {tables} tables of database {database}"),
            _ => "no grant of INSERT is shown to the user itself; roles and patterns of names are not looked at"
                .to_owned(),
        }
    }

    /// The tables and views of a database, each with the server's name for its kind.
    async fn tables_and_types(&self, database: &str) -> Result<Vec<(String, String)>> {
        let mut tables = Vec::new();
        for row in self.ask(TABLES, &[database]).await? {
            let (found, table, kind): (String, String, String) = self.read(row)?;
            if found == database {
                tables.push((table, kind));
            }
        }
        if tables.is_empty() && !self.databases().await?.iter().any(|known| known == database) {
            return Err(self.no_database(database).await);
        }
        Ok(tables)
    }

    /// The error of a database that does not exist, with the nearest name.
    async fn no_database(&self, database: &str) -> ConnectorError {
        let known = self.databases().await.unwrap_or_default();
        let hint = nearest(database, known.iter().map(String::as_str))
            .map(|name| format!("; did you mean {name}?"))
            .unwrap_or_default();
        ConnectorError::new(ErrorCode::Name, self.named(format!("there is no database {database}{hint}")))
    }
}

#[async_trait]
impl RemoteCatalog for MySqlCatalog {
    fn default_database(&self) -> Option<&str> {
        self.pool.config().database.as_deref()
    }

    async fn databases(&self) -> Result<Vec<String>> {
        self.ask(DATABASES, &[]).await?.into_iter().map(|row| self.read::<(String,)>(row).map(|(name,)| name)).collect()
    }

    async fn tables(&self, database: &str) -> Result<Vec<String>> {
        Ok(self.tables_and_types(database).await?.into_iter().map(|(table, _)| table).collect())
    }

    async fn base_tables(&self, database: &str) -> Result<Vec<String>> {
        let tables = self.tables_and_types(database).await?.into_iter();
        Ok(tables.filter(|(_, kind)| is_base_table(kind)).map(|(table, _)| table).collect())
    }

    fn scan_settings(&self) -> &Options {
        &self.pool.config().scan_settings
    }

    async fn table(&self, database: &str, table: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let columns = self.columns(database, table).await?;
        if columns.is_empty() {
            return Ok(None);
        }
        let kind = self.ask(TABLE, &[database, table]).await?;
        let mut table_type = TableType::View;
        let (mut row_estimate, mut engine) = (None, None);
        for row in kind {
            let (found_database, found_table, kind, rows, found_engine): (
                String,
                String,
                String,
                Value,
                Option<String>,
            ) = self.read(row)?;
            if found_database == database && found_table == table && kind == "BASE TABLE" {
                table_type = TableType::Base;
                (row_estimate, engine) = (positive(&rows), found_engine);
            }
        }
        let connection = self.pool.get().await?;
        let zone = connection.zone().to_owned();
        connection.release();
        let table = MySqlTable::new(self.pool.clone(), database, table, table_type, &columns, &zone)?;
        let table = table.with_row_estimate(row_estimate).with_engine(engine);
        Ok(Some(Arc::new(table)))
    }

    async fn definition(&self, database: &str, table: &str) -> Result<Option<TableDefinition>> {
        let columns = self.columns(database, table).await?;
        if columns.is_empty() {
            return Ok(None);
        }
        let details = self.ask(definition::DETAILS, &[database, table]).await?;
        let details: Vec<_> = details.into_iter().filter_map(|row| ColumnDetails::of(row, database, table)).collect();
        let mut comment = String::new();
        for row in self.ask(definition::COMMENT, &[database, table]).await? {
            let (found_database, found_table, text, kind): (String, String, Option<String>, String) = self.read(row)?;
            // A view's comment is the word VIEW.
            if found_database == database && found_table == table && kind == "BASE TABLE" {
                comment = text.unwrap_or_default();
            }
        }
        definition::definition(self.pool.config(), &columns, &details, comment).map(Some).map_err(|error| {
            ConnectorError::new(error.code(), self.named(format!("table {database}.{table}: {}", error.message())))
        })
    }

    async fn execute(&self, database: Option<&str>, sql: &str) -> Result<NativeResult> {
        let connection = self.pool.get().await?;
        let database = database.or(self.default_database());
        Ok(match run_native(connection, database, sql).await? {
            Native::Rows(stream) => NativeResult::Rows(stream),
            Native::Done { rows_affected, info: _ } => {
                NativeResult::Done { rows_affected, label: None, is_visible: true }
            }
        })
    }

    async fn plan_write(&self, request: WriteRequest) -> Result<PlannedWrite> {
        sink::plan(self, request).await
    }

    async fn recover(&self, open: &OpenAttempt) -> Result<Recovered> {
        sink::recover(self, open).await
    }

    async fn show_create_table(&self, database: &str, table: &str) -> Result<String> {
        let mut connection = self.pool.get().await?;
        let rows = connection.query(&format!("SHOW CREATE TABLE {}", table_name(database, table)?)).await?;
        connection.release();
        rows.into_iter()
            .next()
            .and_then(|mut row| row.take_opt::<String, _>(1))
            .and_then(Result::ok)
            .ok_or_else(|| ConnectorError::internal(self.named("SHOW CREATE TABLE has an unexpected form")))
    }
}
