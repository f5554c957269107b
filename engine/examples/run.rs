//! A script with its events and its report. Run it with `cargo run --example run --no-default-features`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use minirocks::{Server, ServerConfig};
use syncline::{Engine, RunEvent, RunOptions, Script};

const SCRIPT: &str = "
CREATE DATABASE IF NOT EXISTS starrocks.ods;
CREATE TABLE IF NOT EXISTS starrocks.ods.log_d (line STRING, dt DATE NOT NULL) DUPLICATE KEY(line) PARTITION BY(dt);
ALTER TABLE starrocks.ods.log_d DROP PARTITION IF EXISTS p${bizdate} FORCE;
CREATE EXTERNAL TABLE IF NOT EXISTS log (line STRING) STORED AS TEXTFILE LOCATION 'log.txt';
INSERT INTO starrocks.ods.log_d SELECT line, '${bizdate}' FROM log;
ASSERT (SELECT count(*) FROM starrocks.ods.log_d WHERE dt = '${bizdate}') > 0 AS 'no rows for ${bizdate}';
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(ServerConfig::default()).await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("log.txt"), "first line\nsecond line\n")?;
    std::fs::write(
        folder.path().join("syncline.toml"),
        format!(
            "[catalogs.starrocks]\ntype = \"starrocks\"\nurl = \"jdbc:mysql://{}/ods\"\nload_url = \"{}\"\nuser = \"root\"\n",
            server.mysql_addr(),
            server.http_addr()
        ),
    )?;

    let engine = Engine::builder()
        .config_file(folder.path().join("syncline.toml"))?
        .state_folder(folder.path().join(".syncline"))
        // a script reads no file that the program does not permit
        .allow_locations(true)
        .build()
        .await?;
    let session = engine.session();

    let script = Script::new("log_d.sql", SCRIPT).in_folder(folder.path());
    let mut run = session.start(script, RunOptions::default().param("bizdate", "20240807"))?;
    while let Some(event) = run.next().await {
        match event {
            RunEvent::StatementStarted { index, kind, target, .. } => println!("{index} {kind:?} {target:?}"),
            RunEvent::Progress { rows_read, rows_written, .. } => {
                println!("  {rows_read} read, {rows_written} written")
            }
            RunEvent::Warning { message, .. } => println!("  warning: {message}"),
            _ => {}
        }
    }
    let report = run.report().await?;
    println!("{:?}, exit code {}", report.status, report.exit_code());

    // a run can be stopped at any time: what it has open is rolled back
    let run = session.start("SELECT * FROM starrocks.ods.log_d", RunOptions::default().interactive(true))?;
    let stopped = run.cancel().await?;
    println!("{:?}", stopped.status);

    engine.shutdown().await;
    server.stop().await;
    Ok(())
}
