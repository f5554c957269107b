//! A mysql catalog reads MiniRocks too: it stands in for the source database of the demo.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use minirocks::{Server, ServerConfig};

use super::super::catalog::MySqlCatalog;
use super::{column, query};
use crate::catalog::{Catalog, CatalogConfig, RemoteCatalog};

async fn start() -> (Server, Arc<MySqlCatalog>) {
    let config = ServerConfig { password: Some("hunter2".into()), ..ServerConfig::default() };
    let server = Server::start(config).await.unwrap();
    let url = format!("mysql://root:hunter2@{}/workshop", server.mysql_addr());
    let config = CatalogConfig {
        name: "source".into(),
        options: [("url", url.as_str())].into_iter().collect(),
        timezone: "Asia/Shanghai".into(),
        timezone_is_forced: false,
    };
    (server, Arc::new(MySqlCatalog::new(&config).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mysql_catalog_reads_a_table_of_minirocks() {
    let (_server, catalog) = start().await;
    for sql in [
        "CREATE DATABASE workshop",
        "CREATE TABLE ods_user_info_d (uid STRING, age INT, born DATE, at DATETIME, sum DECIMAL(20,4)) DUPLICATE KEY(uid)",
        "INSERT INTO ods_user_info_d VALUES ('a\\\\b', 1, '2024-08-07', '2024-08-07 12:34:56', 1.5), ('😀', NULL, NULL, NULL, NULL)",
    ] {
        catalog.execute(None, sql).await.map(drop).unwrap();
    }
    assert_eq!(catalog.tables("workshop").await.unwrap(), ["ods_user_info_d"]);
    let session = SessionContext::new();
    let table = catalog.table("workshop", "ods_user_info_d").await.unwrap().unwrap();
    session.register_table("t", table).unwrap();
    let rows = query(&session, "SELECT uid, age, born, at, sum FROM t ORDER BY age").await;
    assert_eq!(column(&rows), ["a\\b|1|2024-08-07|2024-08-07T12:34:56|1.5000", "😀|NULL|NULL|NULL|NULL"]);
    for (condition, expected) in [
        ("uid = 'a\\b'", "a\\b"),
        ("uid = '😀'", "😀"),
        ("age = 1", "a\\b"),
        ("age IS NULL", "😀"),
        ("born >= '2024-08-07'", "a\\b"),
        ("at < timestamp '2024-08-07 12:34:57'", "a\\b"),
        ("sum = CAST(1.5 AS DECIMAL(20,4))", "a\\b"),
    ] {
        let found = query(&session, &format!("SELECT uid FROM t WHERE {condition}")).await;
        assert_eq!(column(&found), [expected], "{condition}");
    }
    assert_eq!(column(&query(&session, "SELECT count(*) FROM t").await), ["2"]);
    assert_eq!(column(&query(&session, "SELECT count(*) FROM (SELECT 1 FROM t LIMIT 1)").await), ["1"]);
    for item in catalog.check().await {
        assert!(item.outcome.is_ok(), "{item:?}");
    }
}
