//! What a catalog can do, whatever its system.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::execution::SendableRecordBatchStream;

use crate::definition::{TableClauses, TableDefinition};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::{Bucket, FileLocation};
use crate::options::Options;
use crate::sink::{OpenAttempt, PlannedWrite, Recovered, WriteRequest};

/// The kinds of system that a catalog can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CatalogKind {
    /// MySQL, MariaDB and what speaks their protocol and dialect.
    Mysql,
    /// StarRocks: MySQL protocol for SQL, Stream Load for writing.
    Starrocks,
    /// Files behind an HTTP server.
    Http,
    /// A bucket of Alibaba Cloud OSS.
    Oss,
    /// A bucket of Amazon S3 or of what speaks its protocol.
    S3,
}

impl CatalogKind {
    /// The value of the `type` option.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Starrocks => "starrocks",
            Self::Http => "http",
            Self::Oss => "oss",
            Self::S3 => "s3",
        }
    }

    /// Whether the system runs SQL.
    pub fn is_remote(self) -> bool {
        matches!(self, Self::Mysql | Self::Starrocks)
    }
}

/// What every catalog is told when it is made.
#[derive(Debug, Clone)]
pub struct CatalogConfig {
    /// The catalog's name, for messages.
    pub name: String,
    /// The catalog's options without `type` and `comment`; references are resolved.
    pub options: Options,
    /// The zone of the run (an IANA name or an offset such as `+08:00`), used unless the catalog names its own.
    pub timezone: String,
    /// Whether `timezone` was given on the command line and so beats the catalog's own.
    pub timezone_is_forced: bool,
}

/// One line of what `syncline check` prints for a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckItem {
    /// What was tried, such as `login` or `stream load`.
    pub what: String,
    /// What was found (a version, a node list), or the error's text.
    pub outcome: std::result::Result<String, String>,
}

/// A named connection to one system. Making one does no I/O; connections are opened when first needed and pooled.
#[async_trait]
pub trait Catalog: fmt::Debug + Send + Sync {
    /// The name the user gave it.
    fn name(&self) -> &str;
    /// The kind of system.
    fn kind(&self) -> CatalogKind;
    /// `host:port` of each of its servers, for messages; empty where there are none to wait for.
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }
    /// Tries everything a job needs (reach, login, rights); never fails as a whole.
    async fn check(&self) -> Vec<CheckItem>;
    /// The SQL side, for systems that run SQL.
    fn remote(self: Arc<Self>) -> Option<Arc<dyn RemoteCatalog>> {
        None
    }
    /// The files, for systems that hold files.
    fn files(self: Arc<Self>) -> Option<Arc<dyn FileCatalog>> {
        None
    }
}

/// What came of a native statement.
pub enum NativeResult {
    /// A result set. The stream's schema holds the column names as the server gave them, duplicates included.
    Rows(SendableRecordBatchStream),
    /// No result set.
    Done {
        /// Rows the server says it changed.
        rows_affected: u64,
        /// The label of a server-side load, from the OK packet's info, where there is one.
        label: Option<String>,
        /// Whether readers see the rows; false for a server-side load that is committed and still to be published.
        is_visible: bool,
    },
}

/// A catalog whose system runs SQL.
#[async_trait]
pub trait RemoteCatalog: Catalog {
    /// The database in the catalog's URL.
    fn default_database(&self) -> Option<&str>;
    /// Names of all databases, as the server spells them.
    async fn databases(&self) -> Result<Vec<String>>;
    /// Names of all tables and views of a database; an error of code Name if there is no such database.
    async fn tables(&self, database: &str) -> Result<Vec<String>>;
    /// Names of the tables of a database that hold rows themselves, without views; an error of code Name if there is no such database.
    async fn base_tables(&self, database: &str) -> Result<Vec<String>>;
    /// The settings of reads that stand on the catalog.
    fn scan_settings(&self) -> &Options;
    /// A table by its exact name, or None. The provider streams, and pushes projection, filters and limit down.
    async fn table(&self, database: &str, table: &str) -> Result<Option<Arc<dyn TableProvider>>>;
    /// [`table`](Self::table), of which only the rows are there for which the system finds a condition true: SQL of its own, which stands in
    /// every statement of a scan. The caller has checked that it is one condition.
    async fn table_where(
        &self,
        database: &str,
        table: &str,
        _condition: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!("catalog {}: table {database}.{table} cannot be read under a condition", self.name()),
        ))
    }
    /// Runs one statement in the system's own dialect, as text, in `database` if one is given. Never retried after it was sent.
    async fn execute(&self, database: Option<&str>, sql: &str) -> Result<NativeResult>;
    /// Resolves the target and its columns, and checks the write's options; no effect on the target.
    async fn plan_write(&self, request: WriteRequest) -> Result<PlannedWrite>;
    /// What [`recover`](Self::recover) must know of a statement in the system's own dialect that is about to replace rows of a table: it is
    /// kept in the `details` of its attempt. Empty if nothing.
    async fn details_of_overwrite(&self, _database: &str, _table: &str) -> Result<String> {
        Ok(String::new())
    }
    /// Ends an attempt to write that a run left: forward if its commit was decided, else back. Idempotent, bounded in time. An error of code
    /// [`Unknown`](crate::error::ErrorCode::Unknown) or [`PartlyCommitted`](crate::error::ErrorCode::PartlyCommitted) says what could not be
    /// ended; calling it again goes on.
    async fn recover(&self, open: &OpenAttempt) -> Result<Recovered> {
        Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!("catalog {}: a write to it cannot be resumed (attempt {})", self.name(), open.attempt.label_prefix),
        ))
    }
    /// A table's definition as other systems can make it: types, primary key, comments; None if there is no such table.
    async fn definition(&self, database: &str, table: &str) -> Result<Option<TableDefinition>> {
        Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!("catalog {}: no table can be made after {database}.{table}", self.name()),
        ))
    }
    /// The statement that makes a table after a definition, with the user's clauses as typed. No effect.
    async fn create_table_sql(
        &self,
        database: &str,
        table: &str,
        _definition: &TableDefinition,
        _clauses: &TableClauses,
        _if_not_exists: bool,
    ) -> Result<String> {
        Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!("catalog {}: table {database}.{table} cannot be made after one of another system", self.name()),
        ))
    }
    /// Removes a table that this run has made and could not fill.
    async fn drop_table(&self, database: &str, table: &str) -> Result<()> {
        Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!("catalog {}: table {database}.{table} cannot be dropped", self.name()),
        ))
    }
    /// A table's definition (`SHOW CREATE TABLE`).
    async fn show_create_table(&self, database: &str, table: &str) -> Result<String>;
}

/// A catalog that holds files.
pub trait FileCatalog: Catalog {
    /// The path in the catalog (`LOCATION 'catalog:/path'`) as something to read, with the catalog's credentials, headers and timeouts.
    ///
    /// # Errors
    /// Code Option for a path that cannot be in the catalog.
    fn location(&self, path: &str) -> Result<FileLocation>;

    /// The bucket that the catalog is, by whose name `oss://bucket/path` and `s3://bucket/path` find it.
    fn bucket(&self) -> Option<&Arc<Bucket>> {
        None
    }
}
