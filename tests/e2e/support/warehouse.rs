//! A MiniRocks of a test's own, read through a client that is not ours.

use minirocks::{Faults, Server, ServerConfig};
use mysql_async::prelude::Queryable;
use mysql_async::{OptsBuilder, Row};
use tokio::runtime::Runtime;

use super::Tap;

/// A running server that stops with its value.
pub(crate) struct Warehouse {
    server: Option<Server>,
    runtime: Runtime,
}

impl Warehouse {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(ServerConfig::default())).unwrap();
        Self { server: Some(server), runtime }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// The entry of a config for a database here.
    pub(crate) fn config(&self, catalog: &str, database: &str) -> String {
        format!(
            "[catalogs.{catalog}]\ntype = \"starrocks\"\nurl = \"jdbc:mysql://{}/{database}\"\nload_url = \"{}\"\n\
             user = \"root\"\npassword = \"\"\n",
            self.server().mysql_addr(),
            self.server().http_addr()
        )
    }

    /// The switch for faults.
    pub(crate) fn faults(&self) -> &Faults {
        self.server().faults()
    }

    /// A tap before this server.
    pub(crate) fn tap(&self) -> Tap {
        let server = self.server();
        Tap::start(server.mysql_addr(), server.http_addr(), server.be_addr())
    }

    pub(crate) fn mysql_address(&self) -> String {
        self.server().mysql_addr().to_string()
    }

    pub(crate) fn http_address(&self) -> String {
        self.server().http_addr().to_string()
    }

    /// Runs statements.
    pub(crate) fn execute(&self, statements: &[&str]) {
        for sql in statements {
            self.rows(sql);
        }
    }

    /// The rows of a statement, read by mysql_async.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Row> {
        let address = self.server().mysql_addr();
        let opts = OptsBuilder::default()
            .ip_or_hostname(address.ip().to_string())
            .tcp_port(address.port())
            .user(Some("root"))
            .prefer_socket(false);
        self.runtime.block_on(async {
            let mut connection = mysql_async::Conn::new(opts).await.unwrap();
            let rows = connection.query(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
            connection.disconnect().await.unwrap();
            rows
        })
    }

    /// The one number that a query gives.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql);
        mysql_async::from_value(rows[0][0].clone())
    }
}

impl Drop for Warehouse {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}
