//! The servers that runs take place on, read through a client that is not ours.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use minirocks::storage::LabelState;
use minirocks::{FaultId, Server, ServerConfig};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use syncline::{Engine, Options};

use super::rows::{DAYS, Row, rows_before, sorted};
use super::scene::{Scene, Version};
use crate::support::traps::fields;

/// A word that no report may hold.
pub(super) const PASSWORD: &str = "hunter2-of-the-suite";

/// Something that a run has left behind.
#[derive(Debug)]
pub(super) struct Left {
    what: &'static str,
    pub(super) name: String,
}

impl Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.name)
    }
}

/// A server of each version. One run at a time takes place on it.
pub(super) struct Stage {
    servers: Vec<(Version, Server)>,
    /// Where the source's files are, and where runs keep their state.
    folder: PathBuf,
}

impl Stage {
    pub(super) async fn set(folder: &Path) -> Self {
        let mut servers = Vec::new();
        for version in Version::ALL {
            let config = ServerConfig {
                emulate_version: Some(version.text().to_owned()),
                password: Some(PASSWORD.to_owned()),
                ..ServerConfig::default()
            };
            servers.push((version, Server::start(config).await.unwrap()));
        }
        Self { servers, folder: folder.to_owned() }
    }

    pub(super) fn server(&self, version: Version) -> &Server {
        &self.servers.iter().find(|(known, _)| *known == version).unwrap().1
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) async fn stop(self) {
        for (_, server) in self.servers {
            server.stop().await;
        }
    }

    async fn connect(&self, version: Version) -> Conn {
        let address = self.server(version).mysql_addr();
        let opts = OptsBuilder::default()
            .ip_or_hostname(address.ip().to_string())
            .tcp_port(address.port())
            .user(Some("root"))
            .pass(Some(PASSWORD))
            .prefer_socket(false);
        Conn::new(opts).await.unwrap()
    }

    /// Lets the scene's fault strike from now on.
    pub(super) fn arm(&self, scene: &Scene) -> Vec<FaultId> {
        let faults = self.server(scene.version).faults();
        scene.blow.armed.iter().map(|fault| faults.arm(fault.clone())).collect()
    }

    /// Takes the fault away.
    pub(super) fn heal(&self, scene: &Scene) {
        self.server(scene.version).faults().clear();
    }

    /// Whether one of these has struck.
    pub(super) fn has_struck(&self, scene: &Scene, armed: &[FaultId]) -> bool {
        self.server(scene.version).faults().fired().iter().any(|fired| armed.contains(&fired.id))
    }

    /// Makes the target, with the rows that are there before.
    pub(super) async fn prepare(&self, scene: &Scene) {
        let database = scene.database();
        let values: Vec<String> = rows_before()
            .iter()
            .map(|[id, day, name, _]| {
                format!(
                    "({}, '{}', '{}', NULL)",
                    id.as_deref().unwrap(),
                    day.as_deref().unwrap(),
                    name.as_deref().unwrap()
                )
            })
            .collect();
        let partitioning = match scene.version {
            Version::Oldest => {
                let partitions: Vec<String> =
                    DAYS.iter().map(|day| format!("PARTITION p{} VALUES IN ('{day}')", day.replace('-', ""))).collect();
                format!("PARTITION BY LIST (dt) ({})", partitions.join(", "))
            }
            Version::Newest => "PARTITION BY (dt)".to_owned(),
        };
        let mut connection = self.connect(scene.version).await;
        for sql in [
            format!("CREATE DATABASE {database}"),
            format!(
                "CREATE TABLE {database}.target (id INT NOT NULL, dt DATE NOT NULL, name VARCHAR(200), score DECIMAL(9,2)) \
                 DUPLICATE KEY(id) {partitioning} DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES (\"replication_num\" = \"1\")"
            ),
            format!("INSERT INTO {database}.target VALUES {}", values.join(", ")),
        ] {
            connection.query_drop(&sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
        }
        connection.disconnect().await.unwrap();
    }

    /// The rows that readers of the target see, sorted.
    pub(super) async fn rows(&self, scene: &Scene) -> Vec<Row> {
        let mut connection = self.connect(scene.version).await;
        let sql = format!("SELECT id, dt, name, score FROM {}.target", scene.database());
        let rows: Vec<mysql_async::Row> = connection.query(&sql).await.unwrap();
        connection.disconnect().await.unwrap();
        sorted(rows.into_iter().map(|row| fields(row).try_into().unwrap()).collect())
    }

    /// What a run has left behind beside rows: tables, temporary partitions, transactions that are not over.
    pub(super) fn left_behind(&self, scene: &Scene) -> Vec<Left> {
        let database = self.server(scene.version).warehouse().database(&scene.database()).unwrap();
        let mut left = Vec::new();
        for table in database.tables() {
            if table.name() != "target" {
                left.push(Left { what: "table", name: table.name().to_owned() });
            }
            for partition in table.snapshot().partitions.iter().filter(|partition| partition.is_temp) {
                left.push(Left { what: "temporary partition", name: partition.name.clone() });
            }
        }
        for transaction in database.transactions() {
            if !matches!(transaction.state, LabelState::Visible | LabelState::Aborted) {
                left.push(Left { what: "open transaction", name: transaction.label });
            }
        }
        left
    }

    /// Drops the target.
    pub(super) async fn clear(&self, scene: &Scene) {
        let mut connection = self.connect(scene.version).await;
        connection.query_drop(format!("DROP DATABASE {}", scene.database())).await.unwrap();
        connection.disconnect().await.unwrap();
    }

    /// An engine as a process of its own would have it, with the state that earlier ones left. It loses patience fast.
    pub(super) async fn engine(&self, scene: &Scene) -> Engine {
        let server = self.server(scene.version);
        let options: Options = [
            ("type", "starrocks".to_owned()),
            ("url", format!("jdbc:mysql://{}/{}", server.mysql_addr(), scene.database())),
            ("load_url", server.http_addr().to_string()),
            ("user", "root".to_owned()),
            ("password", PASSWORD.to_owned()),
            ("retries", "3".to_owned()),
            ("retry_backoff", "5ms".to_owned()),
            ("retry_max_backoff", "40ms".to_owned()),
            ("label_timeout", "60ms".to_owned()),
            ("answer_timeout", "1s".to_owned()),
            ("commit_timeout", "400ms".to_owned()),
            ("rollback_timeout", "400ms".to_owned()),
            ("transaction_limit_timeout", "150ms".to_owned()),
            ("visible_timeout", "300ms".to_owned()),
        ]
        .into_iter()
        .collect();
        let state = self.folder.join(format!("state-{}", scene.seed));
        Engine::builder().catalog("sr", options).state_folder(state).allow_locations(true).build().await.unwrap()
    }
}
