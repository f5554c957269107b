//! `syncline demo`: the tutorial job, complete, on embedded servers.
//!
//! The script is `docs/tutorial/user_profile.sql`, unchanged: the demo's config defines the catalogs that it names, and a catalog of
//! the config wins over CREATE EXTERNAL CATALOG IF NOT EXISTS.

mod data;
mod file_server;

use std::io::Write;

use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use minirocks::{Server, ServerConfig};

use self::file_server::FileServer;
use super::args::{ReportFormat, ResultOptions};
use super::drive::{self, Drive, Ended, Started};
use super::{report, say};
use crate::error::codes;
use crate::{Engine, Result, RunOptions, Script, SynclineError, WriteOptions};

/// The tutorial's script, as a user copies it.
const SCRIPT: &str = include_str!("../../../../docs/tutorial/user_profile.sql");
/// The business date of the demo's run.
const BIZDATE: &str = "20240807";
/// Users in the source table.
const USERS: usize = 20_000;
/// Lines in the log file.
const LOG_LINES: usize = 10_000;

/// Runs the tutorial job and its verification queries.
pub(super) async fn demo() -> u8 {
    match run_demo().await {
        Ok(code) => code,
        Err(error) => {
            say(&error.render());
            1
        }
    }
}

async fn run_demo() -> Result<u8> {
    let source = start_server().await?;
    let target = start_server().await?;
    let files = FileServer::start("/user_log.txt", data::user_log(LOG_LINES)).await.map_err(failed)?;
    say(&format!(
        "demo: source database workshop at {}, StarRocks-compatible target at {}, http://{}/user_log.txt",
        source.mysql_addr(),
        target.mysql_addr(),
        files.address()
    ));
    fill(&source).await?;

    let folder = tempdir()?;
    let config = format!(
        r#"
[catalogs.user_behavior_analysis_mysql]
type = "mysql"
url = "jdbc:mysql://{}/workshop"
user = "root"
password = ""

[catalogs.user_behavior_analysis_httpfile]
type = "http"
url = "http://{}"

[catalogs.starrocks]
type = "starrocks"
url = "jdbc:mysql://{}/ods"
load_url = "{}"
user = "root"
password = ""
"#,
        source.mysql_addr(),
        files.address(),
        target.mysql_addr(),
        target.http_addr()
    );
    let engine = Engine::builder()
        .config_text(&config, Some(folder.path()))?
        .state_folder(folder.path().join(".syncline"))
        .timezone("Asia/Shanghai")
        .allow_env(true)
        .allow_locations(true)
        .allow_catalogs_from_scripts(true)
        .build()
        .await?;

    let script = Script::new("docs/tutorial/user_profile.sql", SCRIPT).in_folder(folder.path());
    let ended = follow(&engine, script, RunOptions::default().bizdate(BIZDATE).job_name("user_profile"), true).await?;
    report::print(&ended.report, ReportFormat::Text, None);
    if ended.exit_code() != 0 {
        return Ok(ended.exit_code());
    }

    // the tutorial's verification queries, with a limit, as a screen holds no 20,000 rows
    for query in [
        format!("SELECT * FROM starrocks.ods_raw_log_d WHERE dt={BIZDATE} LIMIT 5"),
        format!("SELECT * FROM starrocks.ods_user_info_d WHERE dt={BIZDATE} LIMIT 5"),
        format!(
            "SELECT 'ods_raw_log_d' AS table_name, count(*) AS row_count FROM starrocks.ods_raw_log_d WHERE dt={BIZDATE} \
             UNION ALL SELECT 'ods_user_info_d', count(*) FROM starrocks.ods_user_info_d WHERE dt={BIZDATE}"
        ),
    ] {
        print_line(&format!("\n{query};"));
        let ended =
            follow(&engine, Script::new("query", query), RunOptions::default().interactive(true), false).await?;
        if let Some(error) = report::render_error(&ended.report) {
            say(&error);
            return Ok(ended.exit_code());
        }
    }
    say(&format!(
        "\ndemo: everything was served from memory and is gone now. The script is docs/tutorial/user_profile.sql; \
         run it on your systems with: syncline run user_profile.sql --bizdate {BIZDATE}"
    ));
    Ok(0)
}

async fn follow(engine: &Engine, script: Script, options: RunOptions, shows_progress: bool) -> Result<Ended> {
    let run = engine.session().start(script, options)?;
    let drive = Drive::new(&ResultOptions::default(), false, shows_progress).keeping_the_engine();
    Ok(drive::follow(Started { engine: engine.clone(), run }, drive).await)
}

async fn start_server() -> Result<Server> {
    Server::start(ServerConfig::default()).await.map_err(failed)
}

/// Makes and fills the source table, through the product's own way of writing.
async fn fill(source: &Server) -> Result<()> {
    let options = [
        ("type", "starrocks".to_owned()),
        ("url", format!("mysql://{}", source.mysql_addr())),
        ("load_url", source.http_addr().to_string()),
        ("user", "root".to_owned()),
        ("password", String::new()),
    ];
    let engine = Engine::builder().catalog("source", options.into_iter().collect()).build().await?;
    let session = engine.session();
    let report = session
        .start(
            "CREATE DATABASE IF NOT EXISTS source.workshop;
             CREATE TABLE source.workshop.ods_user_info_d (id BIGINT, uid VARCHAR(32), gender VARCHAR(16),
               age_range VARCHAR(16), zodiac VARCHAR(32)) DUPLICATE KEY(id)",
            RunOptions::default().interactive(true),
        )?
        .report()
        .await?;
    if let Some(error) = report.error {
        return Err(failed(error.message));
    }
    let users = data::users(USERS).map_err(failed)?;
    let stream = RecordBatchStreamAdapter::new(users.schema(), futures::stream::iter([Ok(users)]));
    let report =
        session.write("source.workshop.ods_user_info_d", Box::pin(stream), WriteOptions::default().by_name()).await?;
    match report.error {
        Some(error) => Err(failed(error.message)),
        None => Ok(()),
    }
}

fn tempdir() -> Result<TempDir> {
    let path = std::env::temp_dir().join(format!("syncline-demo-{}-{:08x}", std::process::id(), rand::random::<u32>()));
    std::fs::create_dir(&path).map_err(failed)?;
    Ok(TempDir(path))
}

/// A folder that goes away with its value.
struct TempDir(std::path::PathBuf);

impl TempDir {
    fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // what cannot be removed is left to the system's own clean-up of its temporary folder
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn failed(error: impl std::fmt::Display) -> SynclineError {
    SynclineError::new(codes::SCRIPT, format!("the demo failed: {error}"))
}

fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
