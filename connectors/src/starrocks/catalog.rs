//! The catalog: names, definitions, checks and native statements over the MySQL protocol, writes over Stream Load.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use mysql_common::Row;
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::abilities::Abilities;
use super::modes::{native, recovery, staging_table, temporary_partition};
use super::options::StarrocksOptions;
use super::stream_load::address::HostPort;
use super::stream_load::client::StreamLoadClient;
use super::stream_load::exchange::Http;
#[cfg(test)]
use super::stream_load::patience::Patience;
use super::stream_load::redirect::{ClusterNodes, RedirectRules};
use super::table::{self, Column, StarrocksTable};
use super::{ddl, query, sink};
use crate::catalog::{Catalog, CatalogConfig, CatalogKind, CheckItem, NativeResult, RemoteCatalog};
use crate::definition::{TableClauses, TableDefinition};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool, Dialect};
use crate::mysql_protocol::quote::{table_name, text_literal};
use crate::options::{Options, nearest};
use crate::sink::{OpenAttempt, PlannedWrite, Recovered, WriteRequest};

/// Grants that `check` prints at most.
const MAX_GRANTS: usize = 5;

/// A named connection to one StarRocks cluster.
pub struct StarrocksCatalog {
    name: String,
    options: StarrocksOptions,
    pool: ConnectionPool,
    /// Made at the first write, as it reads the certificates of `ssl_ca`.
    client: Mutex<Option<Arc<StreamLoadClient>>>,
    abilities: Abilities,
}

impl fmt::Debug for StarrocksCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StarrocksCatalog")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl StarrocksCatalog {
    /// The tables and views of a database, each with the server's name for its kind.
    async fn tables_and_types(&self, database: &str) -> Result<Vec<(String, String)>> {
        let mut connection = self.pool.get().await?;
        let sql = format!(
            "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.tables WHERE TABLE_SCHEMA = {} ORDER BY TABLE_NAME",
            text_literal(database)
        );
        let rows = connection.query(&sql).await?;
        connection.release();
        if rows.is_empty() {
            let known = self.databases().await?;
            if !known.iter().any(|name| name == database) {
                let hint = match nearest(database, known.iter().map(String::as_str)) {
                    Some(name) => format!("; did you mean {name}?"),
                    None => String::new(),
                };
                return Err(self.name_error(format!("there is no database {database}{hint}")));
            }
        }
        Ok(rows.iter().filter_map(|row| Some((text_at(row, 0)?, text_at(row, 1).unwrap_or_default()))).collect())
    }

    /// Parses the options; does no I/O.
    pub fn new(config: &CatalogConfig) -> Result<Self> {
        let options = StarrocksOptions::parse(config)?;
        let pool = ConnectionPool::new(options.connection.clone(), Dialect::StarRocks);
        let (name, client) = (config.name.clone(), Mutex::new(None));
        Ok(Self { name, options, pool, client, abilities: Abilities::default() })
    }

    /// The same catalog with other limits, so that tests of faults do not wait.
    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Patience) -> Self {
        Self { options: StarrocksOptions { patience, ..self.options }, ..self }
    }

    pub(super) fn options(&self) -> &StarrocksOptions {
        &self.options
    }

    pub(super) fn pool(&self) -> &ConnectionPool {
        &self.pool
    }

    /// What the server can do.
    pub(super) fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// The client for loads.
    pub(super) fn stream_load(&self) -> Result<Arc<StreamLoadClient>> {
        let mut client = self.client.lock();
        if let Some(client) = client.as_ref() {
            return Ok(client.clone());
        }
        let options = &self.options;
        let nodes = Arc::new(NodesOverMysql(self.pool.clone()));
        let rules = RedirectRules::new(
            options.frontends.clone(),
            options.be_address_map.clone(),
            options.allowed_be_hosts.clone(),
            nodes,
        );
        let made = Arc::new(StreamLoadClient::new(
            &self.name,
            // A frontend that is down is passed over after that.
            Http::new(Arc::new(self.tls()?), options.connection.connect_timeout),
            options.frontends.clone(),
            rules,
            &options.connection.user,
            &options.connection.password,
            options.patience.clone(),
        ));
        *client = Some(made.clone());
        Ok(made)
    }

    /// TLS for `https` addresses: the certificate and its name are always checked, against `ssl_ca` or the public authorities.
    pub(super) fn tls(&self) -> Result<rustls::ClientConfig> {
        let failed = |reason: String| {
            ConnectorError::option(format!("catalog {}: option \"ssl_ca\" cannot be used: {reason}", self.name))
        };
        let mut roots = rustls::RootCertStore::empty();
        match &self.options.connection.ssl_ca {
            Some(path) => {
                let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                    roots.add(certificate).map_err(|error| failed(error.to_string()))?;
                }
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
            .map_err(|error| ConnectorError::internal("TLS cannot be set up").with_source(error))
    }

    /// The columns of a table and the session's zone as the server took it; an error of code Name with a suggestion if there is
    /// no such table.
    pub(super) async fn columns(&self, database: &str, table: &str) -> Result<(Vec<Column>, String)> {
        let mut connection = self.pool.get().await?;
        let columns = table::columns(&mut connection, database, table).await?;
        let zone = connection.zone().to_owned();
        connection.release();
        if !columns.is_empty() {
            return Ok((columns, zone));
        }
        let known = self.tables(database).await?;
        let hint = match nearest(table, known.iter().map(String::as_str)) {
            Some(name) => format!("; did you mean {name}?"),
            None => String::new(),
        };
        Err(self.name_error(format!("there is no table {table} in database {database}{hint}")))
    }

    /// How the server reads the header `enclose`. A server that hides its version is taken for an old one.
    pub(super) async fn enclosed_csv(&self) -> Result<EnclosedCsv> {
        let mut connection = self.pool.get().await?;
        let Ok(rows) = connection.query("SELECT current_version()").await else { return Ok(EnclosedCsv::Unknown) };
        connection.release();
        Ok(rows.first().and_then(first_text).map_or(EnclosedCsv::Unknown, |version| EnclosedCsv::of(&version)))
    }

    /// A table of these columns.
    pub(super) fn table_of(&self, database: &str, table: &str, columns: &[Column]) -> StarrocksTable {
        StarrocksTable::new(self.pool.clone(), database, table, columns, self.options.scan_settings.clone())
    }

    fn name_error(&self, message: String) -> ConnectorError {
        ConnectorError::new(ErrorCode::Name, format!("catalog {}: {message}", self.name))
    }

    async fn check_login(&self) -> Result<String> {
        let mut connection = self.pool.get().await?;
        let version = match connection.query("SELECT current_version()").await {
            Ok(rows) => rows.first().and_then(first_text).unwrap_or_default(),
            // A server that is no StarRocks, or hides it.
            Err(_) => format!("which calls itself {}", connection.version()),
        };
        let tls = if connection.uses_tls() { "with TLS" } else { "without TLS" };
        let (user, zone) = (connection.config().user.clone(), connection.zone().to_owned());
        connection.release();
        Ok(format!("user {user} on StarRocks {version}, {tls}, time zone {zone}"))
    }

    async fn check_database(&self, database: &str) -> Result<String> {
        let tables = self.tables(database).await?;
        Ok(format!("{database} has {} tables and views", tables.len()))
    }

    async fn check_nodes(&self) -> Result<String> {
        let nodes = NodesOverMysql(self.pool.clone()).http_addresses().await?;
        let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        Ok(nodes.join(", "))
    }

    async fn check_rights(&self) -> Result<String> {
        let mut connection = self.pool.get().await?;
        let grants = connection.query("SHOW GRANTS").await;
        let rows = match grants {
            Ok(rows) => rows,
            Err(error) => return Ok(format!("the server does not tell: {}", error.message())),
        };
        connection.release();
        let mut grants: Vec<String> = rows.iter().filter_map(last_text).collect();
        let more = grants.len().saturating_sub(MAX_GRANTS);
        grants.truncate(MAX_GRANTS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Ok(format!("{}{more}", grants.join("; ")))
    }
}

#[async_trait]
impl Catalog for StarrocksCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> CatalogKind {
        CatalogKind::Starrocks
    }

    fn addresses(&self) -> Vec<String> {
        let frontends = self.options.frontends.iter().map(|frontend| frontend.at.to_string());
        self.options.connection.addresses().into_iter().chain(frontends).collect()
    }

    async fn check(&self) -> Vec<CheckItem> {
        let mut items = Vec::new();
        let mut add = |what: String, outcome: Result<String>| {
            items.push(CheckItem { what, outcome: outcome.map_err(|error| error.message().to_owned()) });
        };
        let login = self.check_login().await;
        let logged_in = login.is_ok();
        add("login".into(), login);
        if logged_in {
            if let Some(database) = self.default_database() {
                add("database".into(), self.check_database(database).await);
            }
            add("rights".into(), self.check_rights().await);
            // Without the list, redirects need "allowed_be_hosts" or "be_address_map".
            if self.options.allowed_be_hosts.is_empty() && self.options.be_address_map.is_empty() {
                add("nodes".into(), self.check_nodes().await);
            }
        }
        let database = self.default_database().unwrap_or("information_schema");
        match self.stream_load() {
            Ok(client) => {
                for frontend in client.frontends() {
                    let reached = client.reach(frontend, database).await;
                    add(format!("stream load {frontend}"), reached.map(|()| "reached, login accepted".to_owned()));
                }
            }
            Err(error) => add("stream load".into(), Err(error)),
        }
        items
    }

    fn remote(self: Arc<Self>) -> Option<Arc<dyn RemoteCatalog>> {
        Some(self)
    }
}

impl StarrocksCatalog {
    /// A table by its exact name, or None.
    async fn look_up(&self, database: &str, table: &str) -> Result<Option<StarrocksTable>> {
        let mut connection = self.pool.get().await?;
        let mut columns = table::columns(&mut connection, database, table).await?;
        if !table::is_base_table(&mut connection, database, table).await? {
            columns.iter_mut().for_each(|column| column.nullable = true);
        }
        connection.release();
        if columns.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.table_of(database, table, &columns)))
    }
}

#[async_trait]
impl RemoteCatalog for StarrocksCatalog {
    fn default_database(&self) -> Option<&str> {
        self.options.connection.database.as_deref()
    }

    async fn databases(&self) -> Result<Vec<String>> {
        let mut connection = self.pool.get().await?;
        let rows = connection.query("SELECT SCHEMA_NAME FROM information_schema.schemata ORDER BY SCHEMA_NAME").await?;
        connection.release();
        Ok(rows.iter().filter_map(first_text).collect())
    }

    async fn tables(&self, database: &str) -> Result<Vec<String>> {
        Ok(self.tables_and_types(database).await?.into_iter().map(|(table, _)| table).collect())
    }

    async fn base_tables(&self, database: &str) -> Result<Vec<String>> {
        let tables = self.tables_and_types(database).await?.into_iter();
        Ok(tables.filter(|(_, kind)| kind == "BASE TABLE").map(|(table, _)| table).collect())
    }

    fn scan_settings(&self) -> &Options {
        &self.options.scan_settings
    }

    async fn table(&self, database: &str, table: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.look_up(database, table).await?.map(|table| Arc::new(table) as _))
    }

    async fn table_where(
        &self,
        database: &str,
        table: &str,
        condition: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let table = self.look_up(database, table).await?;
        Ok(table.map(|table| Arc::new(table.with_condition(condition)) as _))
    }

    async fn execute(&self, database: Option<&str>, sql: &str) -> Result<NativeResult> {
        query::run(&self.pool, database, sql.to_owned(), None).await
    }

    async fn plan_write(&self, request: WriteRequest) -> Result<PlannedWrite> {
        sink::plan(self, request).await
    }

    async fn definition(&self, database: &str, table: &str) -> Result<Option<TableDefinition>> {
        let mut connection = self.pool.get().await?;
        let columns = table::columns(&mut connection, database, table).await?;
        let comment = table::comment(&mut connection, database, table).await?;
        connection.release();
        Ok((!columns.is_empty()).then(|| table::definition(&columns, comment)))
    }

    async fn create_table_sql(
        &self,
        database: &str,
        table: &str,
        definition: &TableDefinition,
        clauses: &TableClauses,
        if_not_exists: bool,
    ) -> Result<String> {
        ddl::create_table(database, table, definition, clauses, if_not_exists).map_err(|error| {
            let message = format!("catalog {}, table {database}.{table}: {}", self.name, error.message());
            ConnectorError::new(error.code(), message)
        })
    }

    async fn drop_table(&self, database: &str, table: &str) -> Result<()> {
        let mut connection = self.pool.get().await?;
        // FORCE keeps the name free: without it the table stays in the recycle bin for a day.
        connection.query(&format!("DROP TABLE IF EXISTS {} FORCE", table_name(database, table)?)).await?;
        connection.release();
        Ok(())
    }

    async fn details_of_overwrite(&self, database: &str, table: &str) -> Result<String> {
        native::details_of_overwrite(self, database, table).await
    }

    async fn recover(&self, open: &OpenAttempt) -> Result<Recovered> {
        match open.attempt.write_mode.as_str() {
            "staging_table" => staging_table::recover(self, open).await,
            "temporary_partition" => temporary_partition::recover(self, open).await,
            "native" => native::recover(self, &self.name, open).await,
            _ => recovery::recover(&self.name, &*self.stream_load()?, open).await,
        }
    }

    async fn show_create_table(&self, database: &str, table: &str) -> Result<String> {
        let mut connection = self.pool.get().await?;
        let rows = connection.query(&format!("SHOW CREATE TABLE {}", table_name(database, table)?)).await?;
        connection.release();
        rows.first()
            .and_then(|row| text_at(row, 1))
            .ok_or_else(|| self.name_error(format!("there is no definition of {database}.{table}")))
    }
}

/// The cluster's own list of nodes.
#[derive(Debug)]
struct NodesOverMysql(ConnectionPool);

#[async_trait]
impl ClusterNodes for NodesOverMysql {
    async fn http_addresses(&self) -> Result<Vec<HostPort>> {
        let mut connection = self.0.get().await?;
        let backends = nodes(&mut connection, "SHOW BACKENDS").await;
        // Only clusters with shared data have them; older servers do not know the statement.
        let compute = nodes(&mut connection, "SHOW COMPUTE NODES").await;
        let all = match (backends, compute) {
            (Ok(backends), Ok(compute)) => backends.into_iter().chain(compute).collect(),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => found,
            (Err(error), _) | (Ok(_), Err(error)) => return Err(error),
        };
        connection.release();
        Ok(all)
    }
}

async fn nodes(connection: &mut Connection, sql: &str) -> Result<Vec<HostPort>> {
    let rows = connection.query(sql).await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            // "IP" holds a host name where nodes are registered by name.
            let host = table::text(row, "IP").or_else(|| table::text(row, "Host"))?;
            let port = table::text(row, "HttpPort")?.trim().parse().ok()?;
            Some(HostPort::new(host.trim(), port))
        })
        .collect())
}

/// How a server reads CSV with quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnclosedCsv {
    /// It takes the quotes for data.
    Unknown,
    /// From 3.0 on; up to 3.2.2 a text that begins with a quotation mark is read wrongly (StarRocks: issue 38277).
    WithFault,
    /// It reads what it was sent.
    Sound,
}

impl EnclosedCsv {
    /// Of a version such as `3.5.2-4f2a` or `main-4f2a` (built from the latest source).
    fn of(version: &str) -> Self {
        let version = version.trim();
        if version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("main")) {
            return Self::Sound;
        }
        let mut numbers = version.split(['.', '-', ' ']).map_while(|part| part.parse::<u32>().ok());
        match (numbers.next(), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) {
            (Some(major), minor, patch) if (major, minor, patch) >= (3, 2, 3) => Self::Sound,
            (Some(3), ..) => Self::WithFault,
            _ => Self::Unknown,
        }
    }
}

fn first_text(row: &Row) -> Option<String> {
    text_at(row, 0)
}

fn last_text(row: &Row) -> Option<String> {
    text_at(row, row.len().checked_sub(1)?)
}

fn text_at(row: &Row, index: usize) -> Option<String> {
    match row.as_ref(index)? {
        mysql_common::Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod unit_tests {
    use super::EnclosedCsv::{self, *};

    #[test]
    fn enclosed_csv_goes_by_the_version() {
        for (version, expected) in [
            ("3.0.0-48f4d81", WithFault),
            ("3.2.2", WithFault),
            ("3.2.3", Sound),
            ("3.3", Sound),
            ("4.1.0 minirocks", Sound),
            ("main-4f2a", Sound),
            ("2.5.22-1", Unknown),
            ("", Unknown),
            ("x", Unknown),
        ] {
            assert_eq!(EnclosedCsv::of(version), expected, "{version}");
        }
    }
}
