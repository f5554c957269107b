//! Connections: opening them, the session they start with, giving them back, and cutting them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mysql_common::{Row, Value};
use parking_lot::Mutex;
use rand::Rng;
use tokio::time::timeout;

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::throttle::{Throttle, Throttles};

use super::error::{UNKNOWN_TIME_ZONE, from_handshake, from_wire, timed_out};
use super::options::{ConnectionConfig, MODES_AGAINST_QUOTING, MODES_THAT_CHANGE_VALUES};
use super::quote::{identifier, text_literal};
use super::wire::{WireConnection, WireError};
use super::zone;

/// How often a connection is tried: a server that restarts is back within seconds or not soon.
const ATTEMPTS: u32 = 3;
/// The first pause between attempts; each next one is four times as long, and a random half of it is left out.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Connections kept for the next statement.
const IDLE_CONNECTIONS: usize = 4;
/// How long a kept connection is trusted to live; servers and firewalls drop silent ones.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// How long a small question (a name, a definition, a variable) may take.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);
/// A target slower than the source makes the server wait; by default it cuts the connection after 60 s. One day.
const NET_WRITE_TIMEOUT_S: u32 = 86_400;
/// Between two pieces of a read a slow target leaves the session idle within its transaction; managed servers allow that for minutes. One day.
const WAIT_TIMEOUT_S: u32 = 86_400;
/// StarRocks cuts a statement after 300 s by default, and reading a large table takes longer. One day; a session variable of the catalog wins.
const QUERY_TIMEOUT_S: u32 = 86_400;

/// Which session statements a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MySQL and MariaDB.
    MySql,
    /// StarRocks.
    StarRocks,
}

/// Opens connections of one catalog and keeps a few of them. Making one does no I/O.
#[derive(Debug, Clone)]
pub struct ConnectionPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ConnectionConfig,
    /// The same for each further host.
    others: Vec<ConnectionConfig>,
    /// The host that answered last; 0 is that of `config`.
    host: AtomicUsize,
    dialect: Dialect,
    idle: Mutex<Vec<Idle>>,
    /// The catalog's limits of speed, which all its statements share.
    throttle: Option<Arc<Throttle>>,
    /// What the server took as the zone: the name, or an offset where it knows no names.
    zone: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Idle {
    conn: WireConnection,
    facts: Facts,
    since: Instant,
}

/// What is known of an open connection.
#[derive(Debug, Clone)]
struct Facts {
    version: String,
    /// Which host it leads to.
    host: usize,
    zone: String,
    database: Option<String>,
}

impl ConnectionPool {
    /// A pool without connections.
    pub fn new(config: ConnectionConfig, dialect: Dialect) -> Self {
        let at = |(host, port): &(String, u16)| ConnectionConfig { host: host.clone(), port: *port, ..config.clone() };
        let others = config.more_hosts.iter().map(at).collect();
        let shared = Shared {
            throttle: Throttle::new(config.speed),
            config,
            others,
            host: AtomicUsize::new(0),
            dialect,
            idle: Mutex::new(Vec::new()),
            zone: Mutex::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What the connections are made of.
    pub fn config(&self) -> &ConnectionConfig {
        &self.shared.config
    }

    /// The limits of speed that hold for all that is read from or written to the catalog.
    pub fn throttles(&self) -> Throttles {
        Throttles::of_catalog(self.shared.throttle.as_ref())
    }

    fn config_of(&self, host: usize) -> &ConnectionConfig {
        host.checked_sub(1).and_then(|other| self.shared.others.get(other)).unwrap_or(&self.shared.config)
    }

    /// A connection that is ready for a statement: a kept one that still answers, else a new one.
    ///
    /// # Errors
    /// Connection or Login, after a few attempts where trying again can help.
    pub async fn get(&self) -> Result<Connection> {
        while let Some(mut idle) = self.take_idle() {
            if matches!(timeout(self.config().connect_timeout, idle.conn.ping()).await, Ok(Ok(()))) {
                return Ok(Connection { conn: Some(idle.conn), facts: idle.facts, pool: self.clone() });
            }
        }
        self.open().await
    }

    fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.shared.idle.lock();
        idle.retain(|idle| idle.since.elapsed() < IDLE_TIME);
        idle.pop()
    }

    fn keep(&self, conn: WireConnection, facts: Facts) {
        let mut idle = self.shared.idle.lock();
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(Idle { conn, facts, since: Instant::now() });
        }
    }

    async fn open(&self) -> Result<Connection> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            match self.open_any().await {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => {
                    tracing::debug!(attempt, %error, "cannot connect, trying again");
                    let jitter = rand::rng().random_range(0.5..1.0);
                    tokio::time::sleep(pause.mul_f64(jitter)).await;
                    pause *= 4;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Tries each host once, the one that answered last first.
    async fn open_any(&self) -> Result<Connection> {
        let hosts = self.shared.others.len() + 1;
        let first = self.shared.host.load(Ordering::Relaxed);
        let mut troubles: Option<ConnectorError> = None;
        for host in (0..hosts).map(|n| (first + n) % hosts) {
            let error = match self.open_once(host).await {
                Ok(connection) => {
                    self.shared.host.store(host, Ordering::Relaxed);
                    return Ok(connection);
                }
                Err(error) if !error.is_retryable() => return Err(error),
                Err(error) => error,
            };
            troubles = Some(match troubles {
                None => error,
                Some(earlier) => {
                    ConnectorError::retryable(earlier.code(), format!("{}; {}", earlier.message(), error.message()))
                }
            });
        }
        Err(troubles.unwrap_or_else(|| ConnectorError::internal("there is no host to connect to")))
    }

    async fn open_once(&self, host: usize) -> Result<Connection> {
        let config = self.config_of(host);
        let limit = config.connect_timeout;
        let opening = async {
            let conn = WireConnection::connect(config).await.map_err(|error| from_handshake(config, error))?;
            let facts = Facts { version: String::new(), host, zone: String::new(), database: None };
            let mut connection = Connection { conn: Some(conn), facts, pool: self.clone() };
            self.start_session(&mut connection).await?;
            Ok(connection)
        };
        timeout(limit, opening).await.unwrap_or_else(|_| Err(timed_out(config, "connecting", "connect_timeout", limit)))
    }

    /// Makes the session mean the same on every server: see each statement.
    async fn start_session(&self, connection: &mut Connection) -> Result<()> {
        let config = self.config_of(connection.facts.host);
        match self.shared.dialect {
            Dialect::MySql => {
                let row = connection.query("SELECT @@version, @@session.sql_mode").await?.into_iter().next();
                let mut row = row.ok_or_else(|| ConnectorError::internal("the server does not tell its version"))?;
                connection.facts.version = row.take_opt(0).and_then(Result::ok).unwrap_or_default();
                let mode: String = row.take_opt(1).and_then(Result::ok).unwrap_or_default();
                let modes = text_literal(&harmless_modes(&mode));
                // Without autocommit a statement's changes would be lost with its connection; sql_select_limit cuts results in silence.
                let session = format!(
                    "SET NAMES utf8mb4, SESSION sql_mode = {modes}, SESSION autocommit = 1, \
                     SESSION sql_select_limit = 18446744073709551615, SESSION net_write_timeout = {NET_WRITE_TIMEOUT_S}, \
                     SESSION wait_timeout = {WAIT_TIMEOUT_S}"
                );
                connection.execute(&session).await?;
                // MariaDB has limits of its own for sessions that are idle in a transaction; before 10.3 it had none.
                if connection.is_mariadb() {
                    let idle = format!(
                        "SET SESSION idle_transaction_timeout = {WAIT_TIMEOUT_S}, \
                         SESSION idle_readonly_transaction_timeout = {WAIT_TIMEOUT_S}"
                    );
                    match connection.execute(&idle).await {
                        Err(error) if error.is_retryable() => return Err(error),
                        _ => {}
                    }
                }
                // It makes IS NULL find the last inserted row. A server that has no such variable has no such quirk.
                match connection.execute("SET SESSION sql_auto_is_null = 0").await {
                    Err(error) if error.is_retryable() => return Err(error),
                    _ => {}
                }
            }
            Dialect::StarRocks => {
                let version = connection.query("SELECT @@version").await?.into_iter().next();
                connection.facts.version =
                    version.and_then(|mut row| row.take_opt(0)).and_then(Result::ok).unwrap_or_default();
                // A limit that is set for all would cut results in silence; this one, the server's own default, means none.
                let session = format!(
                    "SET SESSION sql_select_limit = 9223372036854775807, SESSION net_write_timeout = {NET_WRITE_TIMEOUT_S}"
                );
                connection.execute(&session).await?;
                // A server that refuses it cuts long reads with an error, which is loud enough.
                match connection.execute(&format!("SET SESSION query_timeout = {QUERY_TIMEOUT_S}")).await {
                    Err(error) if error.is_retryable() => return Err(error),
                    _ => {}
                }
            }
        }
        connection.facts.zone = self.set_zone(connection).await?;
        for (name, value) in &config.session {
            connection.execute(&session_variable(name, value)).await?;
        }
        Ok(())
    }

    /// Sets the session's zone by name, or by its offset where the server does not know names.
    async fn set_zone(&self, connection: &mut Connection) -> Result<String> {
        let config = self.config();
        let known = self.shared.zone.lock().clone();
        let wanted = match known {
            Some(zone) => zone,
            None => zone::normalize(&config.timezone)
                .map_err(|error| ConnectorError::option(format!("catalog {}: {}", config.catalog, error.message())))?,
        };
        let taken = match connection.set_zone(&wanted).await {
            Err(WireError::Server { code: UNKNOWN_TIME_ZONE, .. }) => {
                let offset = zone::fixed_offset(&wanted).ok_or_else(|| {
                    ConnectorError::option(format!(
                        "catalog {}: the server does not know the time zone {wanted}, and no offset stands for it because its clock \
                         changes (or this machine does not know it); load the server's time zone tables, or write \"timezone\" as \
                         an offset such as +08:00",
                        config.catalog
                    ))
                })?;
                connection.set_zone(&offset).await.map(|()| offset)
            }
            outcome => outcome.map(|()| wanted),
        }
        .map_err(|error| from_wire(config, error))?;
        *self.shared.zone.lock() = Some(taken.clone());
        Ok(taken)
    }
}

/// The server's modes without those that change values or how our quotes are read.
pub(crate) fn harmless_modes(modes: &str) -> String {
    let harmful = |mode: &&str| {
        MODES_AGAINST_QUOTING.iter().chain(MODES_THAT_CHANGE_VALUES).any(|bad| bad.eq_ignore_ascii_case(mode))
    };
    modes.split(',').map(str::trim).filter(|mode| !mode.is_empty() && !harmful(mode)).collect::<Vec<_>>().join(",")
}

/// Names were checked when the options were read. Whole numbers and switches are sent bare, as servers refuse them in quotes.
pub(crate) fn session_variable(name: &str, value: &str) -> String {
    let bare = value.parse::<i128>().is_ok()
        || ["ON", "OFF", "TRUE", "FALSE", "DEFAULT"].iter().any(|word| value.eq_ignore_ascii_case(word));
    if bare { format!("SET SESSION {name} = {value}") } else { format!("SET SESSION {name} = {}", text_literal(value)) }
}

/// An open connection. Give it back with [`release`](Self::release) when its last answer was read to the end;
/// dropped in any other state its socket is closed at once, without reading what the server still sends.
#[derive(Debug)]
pub struct Connection {
    conn: Option<WireConnection>,
    facts: Facts,
    pool: ConnectionPool,
}

impl Connection {
    /// The protocol's connection, for streaming reads.
    ///
    /// # Errors
    /// Internal after the connection was given back.
    pub fn conn(&mut self) -> Result<&mut WireConnection> {
        self.conn.as_mut().ok_or_else(|| ConnectorError::internal("a connection is used after it was given back"))
    }

    /// Whether its last answer was read to the end, so that another statement may be sent.
    pub fn is_ready(&self) -> bool {
        self.conn.as_ref().is_some_and(WireConnection::is_ready)
    }

    /// What the connection was made of.
    pub fn config(&self) -> &ConnectionConfig {
        self.pool.config_of(self.facts.host)
    }

    /// The limits of speed of its catalog.
    pub fn throttles(&self) -> Throttles {
        self.pool.throttles()
    }

    /// The server's version as it tells it; empty if it does not.
    pub fn version(&self) -> &str {
        &self.facts.version
    }

    /// Whether the server is MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.facts.version.contains("MariaDB")
    }

    /// Whether the connection is encrypted.
    pub fn uses_tls(&self) -> bool {
        self.conn.as_ref().is_some_and(WireConnection::is_tls)
    }

    /// The session's zone as the server took it: a name or an offset.
    pub fn zone(&self) -> &str {
        &self.facts.zone
    }

    /// The current database, if [`use_database`](Self::use_database) made one.
    pub fn database(&self) -> Option<&str> {
        self.facts.database.as_deref()
    }

    /// Makes a database the current one, unless it is.
    ///
    /// # Errors
    /// Name if there is none of that name; Login if the user may not use it.
    pub async fn use_database(&mut self, database: &str) -> Result<()> {
        if self.facts.database.as_deref() != Some(database) {
            self.execute(&format!("USE {}", identifier(database)?)).await?;
            self.facts.database = Some(database.to_owned());
        }
        Ok(())
    }

    /// All rows of a small question, asked as text.
    ///
    /// # Errors
    /// As the server says; Connection when it does not answer within a minute.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        let config = self.config().clone();
        let conn = self.conn()?;
        let question = async {
            let answer = conn.query(sql).await?;
            conn.rows_of(answer).await
        };
        in_time(&config, question).await
    }

    /// All rows of a small question with bound values.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn query_bound(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let config = self.config().clone();
        let conn = self.conn()?;
        let question = async {
            let answer = conn.query_bound(sql, values).await?;
            conn.rows_of(answer).await
        };
        in_time(&config, question).await
    }

    /// Runs a short statement that has no result.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn execute(&mut self, sql: &str) -> Result<()> {
        self.query(sql).await.map(|_| ())
    }

    async fn set_zone(&mut self, zone: &str) -> Result<(), WireError> {
        let Some(conn) = self.conn.as_mut() else { return Err(WireError::Closed) };
        conn.query(&format!("SET time_zone = {}", text_literal(zone))).await.map(|_| ())
    }

    /// Gives the connection back to its pool; one whose last answer was not read to the end is closed. Its session must be as it was.
    pub fn release(mut self) {
        if let Some(conn) = self.conn.take().filter(WireConnection::is_ready) {
            self.pool.keep(conn, self.facts.clone());
        }
    }

    /// Ends the connection in good order.
    pub async fn close(mut self) {
        if let Some(conn) = self.conn.take() {
            // The server notices either way.
            let _ = timeout(Duration::from_secs(1), conn.quit()).await;
        }
    }
}

async fn in_time<T>(config: &ConnectionConfig, question: impl Future<Output = Result<T, WireError>>) -> Result<T> {
    match timeout(LOOKUP_TIMEOUT, question).await {
        Ok(answer) => answer.map_err(|error| from_wire(config, error)),
        Err(_) => Err(ConnectorError::retryable(
            ErrorCode::Connection,
            format!("catalog {}: no answer within {} s", config.catalog, LOOKUP_TIMEOUT.as_secs()),
        )),
    }
}

#[cfg(test)]
mod tests;
