//! Record batches into a table, all or nothing. Run it with `cargo run --example write --no-default-features`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray};
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use minirocks::{Server, ServerConfig};
use syncline::{Engine, Options, RunOptions, WriteOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(ServerConfig::default()).await?;
    let options: Options = [
        ("type", "starrocks".to_owned()),
        ("url", format!("jdbc:mysql://{}/ods", server.mysql_addr())),
        ("load_url", server.http_addr().to_string()),
        ("user", "root".to_owned()),
    ]
    .into_iter()
    .collect();
    let engine = Engine::builder().catalog("starrocks", options).build().await?;
    let session = engine.session();
    let setup = "CREATE DATABASE starrocks.ods;
        CREATE TABLE starrocks.ods.events (id INT, name VARCHAR(20)) DUPLICATE KEY(id);";
    let report = session.start(setup, RunOptions::default())?.report().await?;
    assert_eq!(report.exit_code(), 0, "{:?}", report.error);

    let columns: Vec<(&str, ArrayRef)> =
        vec![("name", Arc::new(StringArray::from(vec!["one", "two"]))), ("id", Arc::new(Int32Array::from(vec![1, 2])))];
    let batch = RecordBatch::try_from_iter(columns)?;
    // any stream of batches; it is read as fast as the server takes the rows
    let batches = Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)])));
    let report = session.write("starrocks.ods.events", batches, WriteOptions::default().by_name()).await?;
    println!("{:?} rows with label {:?}", report.rows_written, report.labels);

    session.sql("SELECT id, name FROM starrocks.ods.events ORDER BY id").await?.show().await?;
    engine.shutdown().await;
    server.stop().await;
    Ok(())
}
