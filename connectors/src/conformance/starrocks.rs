//! The suite against MiniRocks.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use minirocks::{Server, ServerConfig};

use super::{Cell, Column, ColumnType, SourceUnderTest, insert, run_all};
use crate::catalog::{CatalogConfig, CatalogKind, RemoteCatalog};
use crate::registry;

struct MiniRocks {
    catalog: Arc<dyn RemoteCatalog>,
    _server: Server,
}

impl MiniRocks {
    async fn start() -> Self {
        let server = Server::start(ServerConfig::default()).await.unwrap();
        server.warehouse().create_database("d", false).unwrap();
        let url = format!("jdbc:mysql://root@{}/d", server.mysql_addr());
        let load_url = server.http_addr().to_string();
        let options = [("url", url.as_str()), ("load_url", &load_url)].into_iter().collect();
        let config = CatalogConfig { name: "sr".into(), options, timezone: "UTC".into(), timezone_is_forced: false };
        let catalog = registry::open(CatalogKind::Starrocks, config).unwrap().remote().expect("it runs SQL");
        Self { catalog, _server: server }
    }

    async fn run(&self, sql: &str) {
        if let Err(error) = self.catalog.execute(Some("d"), sql).await {
            panic!("{error}\nin {}", sql.chars().take(300).collect::<String>());
        }
    }
}

#[async_trait]
impl SourceUnderTest for MiniRocks {
    fn type_name(&self, kind: ColumnType) -> Option<&'static str> {
        Some(match kind {
            ColumnType::UInt8
            | ColumnType::UInt16
            | ColumnType::UInt32
            | ColumnType::UInt64
            | ColumnType::WideDecimal => return None,
            ColumnType::Boolean => "BOOLEAN",
            ColumnType::Int8 => "TINYINT",
            ColumnType::Int16 => "SMALLINT",
            ColumnType::Int32 => "INT",
            ColumnType::Int64 => "BIGINT",
            ColumnType::Int128 => "LARGEINT",
            ColumnType::Float32 => "FLOAT",
            ColumnType::Float64 => "DOUBLE",
            ColumnType::Decimal => "DECIMAL(38,10)",
            ColumnType::Date => "DATE",
            ColumnType::DateTime => "DATETIME",
            ColumnType::Text => "VARCHAR(1048576)",
            ColumnType::Binary => "VARBINARY",
        })
    }

    async fn table(&self, name: &str, columns: &[Column], rows: &[Vec<Cell>]) -> Arc<dyn TableProvider> {
        let define = |column: &Column| format!("`{}` {} NULL", column.name, self.type_name(column.kind).unwrap());
        let definitions: Vec<String> = columns.iter().map(define).collect();
        self.run(&format!("CREATE TABLE d.`{name}` ({}) DUPLICATE KEY(id)", definitions.join(", "))).await;
        if !rows.is_empty() {
            self.run(&insert(&format!("d.`{name}`"), columns, rows)).await;
        }
        self.catalog.table("d", name).await.unwrap().expect("the table")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starrocks_passes_the_conformance_suite() {
    run_all(&MiniRocks::start().await, "t").await;
}
