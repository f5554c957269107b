//! Tests against a real server, which `tests/run` starts.

mod conformance;
mod filters;
mod minirocks;
mod native;
mod reading;
mod snapshot;
mod snapshot_of_mysql;
mod speed;
mod splits;
mod types;
mod wire;
mod writing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::catalog::TableProvider;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;

use super::catalog::MySqlCatalog;
use crate::catalog::{CatalogConfig, NativeResult, RemoteCatalog};
use crate::mysql_protocol::url::MySqlUrl;
use crate::options::Options;

/// A database of one test, dropped with it.
pub(super) struct TestDatabase {
    pub(super) name: String,
    pub(super) catalog: Arc<MySqlCatalog>,
}

/// The server's URL.
pub(super) fn server() -> String {
    std::env::var("SYNCLINE_TEST_MYSQL")
        .expect("SYNCLINE_TEST_MYSQL is not set: run the tests with tests/run, which starts a MariaDB server")
}

/// A catalog of the test server with more options, without a default database.
pub(super) fn catalog(options: &[(&str, &str)]) -> Arc<MySqlCatalog> {
    let mut all: Options = [("url", server().as_str())].into_iter().collect();
    for (name, value) in options {
        all.set(*name, *value);
    }
    let config =
        CatalogConfig { name: "shop".into(), options: all, timezone: "+08:00".into(), timezone_is_forced: false };
    Arc::new(MySqlCatalog::new(&config).unwrap())
}

impl TestDatabase {
    pub(super) async fn new() -> Self {
        Self::with_options(&[]).await
    }

    pub(super) async fn with_options(options: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("syncline_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let catalog = catalog(options);
        let database = Self { name, catalog };
        database.run_outside(&format!("CREATE DATABASE `{}` CHARACTER SET utf8mb4", database.name)).await;
        database
    }

    async fn run_outside(&self, sql: &str) {
        drop(self.catalog.execute(None, sql).await.unwrap());
    }

    /// Runs statements in the database.
    pub(super) async fn run(&self, statements: &[&str]) {
        for sql in statements {
            match self.catalog.execute(Some(&self.name), sql).await {
                Ok(_) => {}
                Err(error) => panic!("{error}\nin {}", sql.chars().take(300).collect::<String>()),
            }
        }
    }

    pub(super) async fn table(&self, table: &str) -> Arc<dyn TableProvider> {
        self.catalog.table(&self.name, table).await.unwrap().unwrap()
    }

    /// A session in which tables have their own names.
    pub(super) async fn session(&self, tables: &[&str]) -> SessionContext {
        let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        for table in tables {
            session.register_table(*table, self.table(table).await).unwrap();
        }
        session
    }

    /// The rows of a native query.
    pub(super) async fn native(&self, sql: &str) -> Vec<RecordBatch> {
        match self.catalog.execute(Some(&self.name), sql).await.unwrap() {
            NativeResult::Rows(stream) => stream.try_collect().await.unwrap(),
            NativeResult::Done { .. } => panic!("no result set: {sql}"),
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS `{}`", self.name);
        // A destructor cannot wait, so the statement gets a thread and a runtime of its own.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { drop(catalog(&[]).execute(None, &sql).await) });
        });
        dropping.join().unwrap();
    }
}

/// Values as text, row by row; NULL for NULL.
pub(super) fn rows(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    batches
        .iter()
        .flat_map(|batch| {
            (0..batch.num_rows()).map(|row| {
                let value = |column: usize| {
                    let array = batch.column(column);
                    if array.is_null(row) { "NULL".to_owned() } else { array_value_to_string(array, row).unwrap() }
                };
                (0..batch.num_columns()).map(value).collect()
            })
        })
        .collect()
}

/// The single column of a result.
pub(super) fn column(batches: &[RecordBatch]) -> Vec<String> {
    rows(batches).into_iter().map(|row| row.join("|")).collect()
}

/// Rows of a query in DataFusion.
pub(super) async fn query(session: &SessionContext, sql: &str) -> Vec<RecordBatch> {
    session.sql(sql).await.unwrap().collect().await.unwrap()
}

/// A plain connection string of the driver, for tests that need a second connection.
pub(super) async fn driver_connection() -> mysql_async::Conn {
    let url = MySqlUrl::parse(&server(), 3306).unwrap();
    let opts = mysql_async::OptsBuilder::default()
        .ip_or_hostname(url.host)
        .tcp_port(url.port)
        .user(url.user)
        .pass(url.password.map(|password| password.expose().to_owned()))
        .prefer_socket(false);
    mysql_async::Conn::new(opts).await.unwrap()
}
