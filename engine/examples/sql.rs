//! A query as a DataFusion frame. Run it with `cargo run --example sql --no-default-features`.

use minirocks::{Server, ServerConfig};
use syncline::{Engine, Options, RunOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // a small warehouse in this process; a real one is a catalog in syncline.toml
    let server = Server::start(ServerConfig::default()).await?;
    let options: Options = [
        ("type", "starrocks".to_owned()),
        ("url", format!("jdbc:mysql://{}/ods", server.mysql_addr())),
        ("load_url", server.http_addr().to_string()),
        ("user", "root".to_owned()),
    ]
    .into_iter()
    .collect();
    let engine = Engine::builder().catalog("starrocks", options).memory_limit(1 << 30).build().await?;
    let session = engine.session();

    let setup = "CREATE DATABASE starrocks.ods;
        CREATE TABLE starrocks.ods.events (id INT, name VARCHAR(20)) DUPLICATE KEY(id);
        INSERT INTO starrocks.ods.events VALUES (1, 'one'), (2, 'two');";
    let report = session.start(setup, RunOptions::default())?.report().await?;
    assert_eq!(report.exit_code(), 0, "{:?}", report.error);

    // planned here: projection, filters and limit are sent to the server, the rest runs in this process
    let frame = session.sql("SELECT count(*) AS n, max(name) AS last FROM starrocks.ods.events WHERE id > 0").await?;
    frame.show().await?;

    engine.shutdown().await;
    server.stop().await;
    Ok(())
}
