//! A database of a test's own in the MariaDB that `tests/run` starts.

use std::sync::atomic::{AtomicU32, Ordering};

use mysql_async::prelude::Queryable;
use mysql_async::{Opts, OptsBuilder, Row};
use tokio::runtime::Runtime;

/// A database that is dropped with its value.
pub(crate) struct Database {
    pub(crate) name: String,
    opts: Opts,
    runtime: Runtime,
}

impl Database {
    pub(crate) fn create() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("SYNCLINE_TEST_MYSQL")
            .expect("SYNCLINE_TEST_MYSQL is not set: run the tests with tests/run, which starts a MariaDB");
        let opts = Opts::from_url(&url).unwrap();
        let name = format!("e2e_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = Self { name, opts, runtime };
        database.execute_at_server(&format!("CREATE DATABASE {} CHARACTER SET utf8mb4", database.name));
        database
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.opts.ip_or_hostname(), self.opts.tcp_port())
    }

    /// The entry of a config for this database.
    pub(crate) fn config(&self, catalog: &str) -> String {
        format!(
            "[catalogs.{catalog}]\ntype = \"mysql\"\nurl = \"jdbc:mysql://{}/{}\"\nuser = \"root\"\npassword = \"\"\n",
            self.address(),
            self.name
        )
    }

    fn execute_at_server(&self, sql: &str) {
        self.runtime.block_on(async {
            let mut connection = mysql_async::Conn::new(self.opts.clone()).await.unwrap();
            connection.query_drop(sql).await.unwrap();
            connection.disconnect().await.unwrap();
        });
    }

    /// Runs statements in this database.
    pub(crate) fn execute(&self, statements: &[&str]) {
        let opts = OptsBuilder::from_opts(self.opts.clone()).db_name(Some(&self.name));
        self.runtime.block_on(async {
            let mut connection = mysql_async::Conn::new(opts).await.unwrap();
            for sql in statements {
                connection.query_drop(*sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
            }
            connection.disconnect().await.unwrap();
        });
    }

    /// Inserts rows through one prepared statement.
    pub(crate) fn insert(&self, sql: &str, rows: Vec<Vec<mysql_async::Value>>) {
        let opts = OptsBuilder::from_opts(self.opts.clone()).db_name(Some(&self.name));
        self.runtime.block_on(async {
            let mut connection = mysql_async::Conn::new(opts).await.unwrap();
            connection.query_drop("START TRANSACTION").await.unwrap();
            connection.exec_batch(sql, rows.into_iter().map(mysql_async::Params::Positional)).await.unwrap();
            connection.query_drop("COMMIT").await.unwrap();
            connection.disconnect().await.unwrap();
        });
    }

    /// The rows of a query, as text.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Row> {
        let opts = OptsBuilder::from_opts(self.opts.clone()).db_name(Some(&self.name));
        self.runtime.block_on(async {
            let mut connection = mysql_async::Conn::new(opts).await.unwrap();
            let rows = connection.query(sql).await.unwrap();
            connection.disconnect().await.unwrap();
            rows
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.execute_at_server(&format!("DROP DATABASE IF EXISTS {}", self.name));
    }
}
