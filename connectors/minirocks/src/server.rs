//! Starting and stopping a server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::abilities::{Abilities, Version};
use crate::error::{Error, Result};
use crate::faults::Faults;
use crate::http::{self, HttpState, Role, RunningLoads};
use crate::load::{ErrorLogs, TransactionLoads};
use crate::mysql;
use crate::sql::{Addresses, Services};
use crate::storage::{MAX_RUNNING, Warehouse};

/// How a server is started. The default listens on free ports of 127.0.0.1, has no password and keeps everything in memory.
#[derive(Clone)]
pub struct ServerConfig {
    /// Folder for Parquet files and manifests; `None` keeps data in memory only.
    pub data_dir: Option<PathBuf>,
    /// Address of all three ports. Without a password only a loopback address is accepted.
    pub listen: IpAddr,
    /// FE HTTP port (StarRocks: 8030); 0 takes a free one.
    pub http_port: u16,
    /// BE HTTP port (StarRocks: 8040); 0 takes a free one.
    pub be_port: u16,
    /// MySQL port (StarRocks: 9030); 0 takes a free one.
    pub mysql_port: u16,
    /// Password of user `root`, the only user; `None` or empty means none.
    pub password: Option<String>,
    /// The StarRocks version that is emulated and that `current_version()` reports, such as `3.3` or `2.5.22`; `None` for
    /// the newest known. What it lacks is switched off ([`Abilities`]).
    pub emulate_version: Option<String>,
    /// Counts the rows of CSV loads and drops them, for benchmarks of clients.
    pub discard: bool,
    /// Loads that are taken at a time, if there is a limit; more are refused for want of memory.
    pub max_loads: Option<usize>,
    /// Limits of transactions.
    pub transactions: TransactionLimits,
}

/// How many transactions there may be, and how soon those that have run out of time are aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionLimits {
    /// Transactions of one database that may be open at a time (StarRocks: `max_running_txn_num_per_db`, 1000).
    pub max_running: usize,
    /// Pause between two looks at the timeouts of transactions (StarRocks: 30 s; half a second here).
    pub clean_every: Duration,
}

impl Default for TransactionLimits {
    fn default() -> Self {
        Self { max_running: MAX_RUNNING, clean_every: Duration::from_millis(500) }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            data_dir: None,
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            http_port: 0,
            be_port: 0,
            mysql_port: 0,
            password: None,
            emulate_version: None,
            discard: false,
            max_loads: None,
            transactions: TransactionLimits::default(),
        }
    }
}

// Debug by hand, so that the password cannot reach a log.
impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig")
            .field("data_dir", &self.data_dir)
            .field("listen", &self.listen)
            .field("http_port", &self.http_port)
            .field("be_port", &self.be_port)
            .field("mysql_port", &self.mysql_port)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("emulate_version", &self.emulate_version)
            .field("discard", &self.discard)
            .field("max_loads", &self.max_loads)
            .field("transactions", &self.transactions)
            .finish()
    }
}

impl ServerConfig {
    /// The password to ask for; an empty one counts as none.
    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref().filter(|p| !p.is_empty())
    }

    /// The StarRocks version reported to clients.
    pub fn version(&self) -> &str {
        self.emulate_version.as_deref().unwrap_or(DEFAULT_VERSION)
    }

    /// What the emulated version can do. A version that cannot be read, which [`Server::start`] refuses, can do everything.
    pub fn abilities(&self) -> Abilities {
        Abilities::of(Version::parse(self.version()).unwrap_or(NEWEST))
    }

    fn check(&self) -> Result<()> {
        if Version::parse(self.version()).is_none() {
            return Err(Error::Config(format!(
                "'{}' is no version of StarRocks; write one such as 3.3 or {DEFAULT_VERSION}",
                self.version()
            )));
        }
        if self.password().is_none() && !self.listen.is_loopback() {
            return Err(Error::Config(format!(
                "refusing to listen on {} without a password; set one or listen on 127.0.0.1",
                self.listen
            )));
        }
        Ok(())
    }
}

/// The newest release whose behaviour was read for this crate.
const DEFAULT_VERSION: &str = "4.2.0";
const NEWEST: Version = Version::new(4, 2, 0);

/// How often, and after which pause, a stopping server looks whether its data is still held.
const STOP_TRIES: usize = 300;
const STOP_PAUSE: Duration = Duration::from_millis(10);

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    warehouse: Arc<Warehouse>,
    mysql_addr: SocketAddr,
    http_addr: SocketAddr,
    be_addr: SocketAddr,
    faults: Faults,
    running: Arc<RunningLoads>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Opens the data folder, binds the three ports and starts to serve. When it returns, clients can connect.
    pub async fn start(config: ServerConfig) -> Result<Self> {
        config.check()?;
        let warehouse = match &config.data_dir {
            Some(dir) => Warehouse::open(dir)?,
            None => Warehouse::in_memory(),
        };
        let (http_listener, http_addr) = bind(config.listen, config.http_port).await?;
        let (be, be_addr) = bind(config.listen, config.be_port).await?;
        let (mysql, mysql_addr) = bind(config.listen, config.mysql_port).await?;
        let config = Arc::new(config);
        let mut tasks = JoinSet::new();
        let faults = Faults::default();
        let running = RunningLoads::new(config.max_loads.unwrap_or(usize::MAX));
        let state = Arc::new(HttpState {
            warehouse: Arc::clone(&warehouse),
            config: Arc::clone(&config),
            error_logs: ErrorLogs::default(),
            transactions: Arc::default(),
            faults: faults.clone(),
            running: Arc::clone(&running),
            be_port: be_addr.port(),
        });
        tasks.spawn(clean_transactions(Arc::clone(&state.transactions), config.transactions.clean_every));
        tasks.spawn(http::serve(http_listener, Role::Frontend, Arc::clone(&state)));
        tasks.spawn(http::serve(be, Role::Backend, state));
        let addresses = Addresses { mysql: mysql_addr, http: http_addr, be: be_addr };
        let services = Services::new(Arc::clone(&warehouse), Arc::clone(&config), addresses, faults.clone())?;
        tasks.spawn(mysql::serve(mysql, Arc::new(services)));
        Ok(Self { warehouse, mysql_addr, http_addr, be_addr, faults, running, tasks })
    }

    /// Where the MySQL protocol is spoken.
    pub fn mysql_addr(&self) -> SocketAddr {
        self.mysql_addr
    }

    /// Where the FE's HTTP interface is.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where the BE's HTTP interface is.
    pub fn be_addr(&self) -> SocketAddr {
        self.be_addr
    }

    /// The data, for tests and embedding programs.
    pub fn warehouse(&self) -> &Arc<Warehouse> {
        &self.warehouse
    }

    /// The switch for faults, for tests of clients.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The most loads that were under way at a time.
    pub fn most_loads(&self) -> usize {
        self.running.peak()
    }

    /// Closes the ports and all connections, and waits until their tasks have ended and nothing of them holds the data folder.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        // a statement on the blocking pool ends a moment after the task that waited for it; a caller's own handle is not waited for for ever
        for _ in 0..STOP_TRIES {
            if Arc::strong_count(&self.warehouse) == 1 {
                break;
            }
            tokio::time::sleep(STOP_PAUSE).await;
        }
    }
}

/// Aborts transactions that have run out of time, until the task is dropped.
async fn clean_transactions(transactions: Arc<TransactionLoads>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        transactions.clean();
    }
}

async fn bind(ip: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr)> {
    let wanted = SocketAddr::new(ip, port);
    let listener =
        TcpListener::bind(wanted).await.map_err(|error| Error::io(format!("cannot listen on {wanted}"), error))?;
    let address = listener.local_addr().map_err(|error| Error::io(format!("cannot listen on {wanted}"), error))?;
    Ok((listener, address))
}
