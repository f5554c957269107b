//! Runs against two MiniRocks servers: one as a source of type mysql, one as a target of type starrocks.

mod embedding;
mod failures;
mod file_formats;
mod file_writes;
mod job;
mod mariadb;
mod mysql_writes;
mod partitions;
mod reading;
mod resume;
mod spark_tables;
mod statements;

use minirocks::{Server, ServerConfig};
use tempfile::TempDir;

use crate::report::{RunReport, RunStatus};
use crate::{Engine, EngineBuilder, Options, RunEvent, RunOptions, Script, Session};

/// Two servers and a folder for scripts, files and state.
struct World {
    source: Server,
    target: Server,
    folder: TempDir,
}

/// What a script sets up in both servers.
const SETUP: &str = "
CREATE DATABASE source.workshop;
CREATE TABLE source.workshop.users (uid VARCHAR(20), gender VARCHAR(10), age INT, dt DATE) DUPLICATE KEY(uid);
INSERT INTO source.workshop.users VALUES
  ('u1', '女', 20, '2024-08-07'), ('u2', NULL, 30, '2024-08-07'), ('u3', '', 40, '2024-08-06');
CREATE DATABASE target.ods;
CREATE TABLE target.ods.users (uid VARCHAR(20), gender VARCHAR(10), age INT, dt VARCHAR(20)) DUPLICATE KEY(uid);
";

impl World {
    /// Servers with the tables of [`SETUP`].
    async fn new() -> Self {
        let world = Self::empty().await;
        world.set_up(SETUP).await;
        world
    }

    /// Runs a script, and keeps nothing of it but what it does to the servers.
    async fn set_up(&self, script: &str) {
        let engine =
            Engine::builder().catalog("source", self.source_options()).catalog("target", self.target_options());
        let (report, _) = run(&engine.build().await.unwrap().session(), script).await;
        assert_eq!(report.status, RunStatus::Succeeded, "{:?}", report.error);
    }

    async fn empty() -> Self {
        let start = || async { Server::start(ServerConfig::default()).await.unwrap() };
        Self { source: start().await, target: start().await, folder: tempfile::tempdir().unwrap() }
    }

    /// A builder with both catalogs, state in the folder, and everything permitted.
    fn builder(&self) -> EngineBuilder {
        Engine::builder()
            .catalog("source", self.source_options())
            .catalog("target", self.target_options())
            .timezone("Asia/Shanghai")
            .state_folder(self.folder.path().join(".syncline"))
            .allow_locations(true)
            .allow_env(true)
            .allow_catalogs_from_scripts(true)
    }

    async fn engine(&self) -> Engine {
        self.builder().build().await.unwrap()
    }

    fn source_options(&self) -> Options {
        let url = format!("mysql://root@{}/workshop", self.source.mysql_addr());
        [("type", "mysql".to_owned()), ("url", url)].into_iter().collect()
    }

    fn target_options(&self) -> Options {
        let url = format!("jdbc:mysql://{}/ods", self.target.mysql_addr());
        let load_url = self.target.http_addr().to_string();
        [("type", "starrocks".to_owned()), ("url", url), ("load_url", load_url), ("user", "root".to_owned())]
            .into_iter()
            .collect()
    }

    fn write_file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// A script in the folder.
    fn script(&self, text: &str) -> Script {
        Script::new("job.sql", text).in_folder(self.folder.path())
    }

    /// All rows of a query, sorted, columns joined by `|`.
    async fn rows(&self, sql: &str) -> Vec<String> {
        let (report, events) = run(&self.engine().await.session(), sql).await;
        assert_eq!(report.status, RunStatus::Succeeded, "{sql}: {:?}", report.error);
        let mut rows = rows_of(&events);
        rows.sort();
        rows
    }
}

/// Runs a script without options to its end.
async fn run(session: &Session, script: impl Into<Script>) -> (RunReport, Vec<RunEvent>) {
    run_with(session, script, RunOptions::default().interactive(true)).await
}

async fn run_with(session: &Session, script: impl Into<Script>, options: RunOptions) -> (RunReport, Vec<RunEvent>) {
    let mut run = session.start(script, options).unwrap();
    let mut events = Vec::new();
    while let Some(event) = run.next().await {
        events.push(event);
    }
    (run.report().await.unwrap(), events)
}

/// The rows of all results among the events.
fn rows_of(events: &[RunEvent]) -> Vec<String> {
    let mut rows = Vec::new();
    for event in events {
        if let RunEvent::ResultBatch { batch, .. } = event {
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().map(|column| {
                    if arrow::array::Array::is_null(column, row) {
                        "NULL".to_owned()
                    } else {
                        arrow::util::display::array_value_to_string(column, row).unwrap()
                    }
                });
                rows.push(values.collect::<Vec<_>>().join("|"));
            }
        }
    }
    rows
}

fn warnings_of(events: &[RunEvent]) -> Vec<String> {
    let warning = |event: &RunEvent| match event {
        RunEvent::Warning { message, .. } => Some(message.clone()),
        _ => None,
    };
    events.iter().filter_map(warning).collect()
}

/// Code, message and line of the error that ended a run.
fn error_of(report: &RunReport) -> (&str, &str, Option<usize>) {
    let error = report.error.as_ref().unwrap();
    (error.code.as_str(), error.message.as_str(), error.line)
}
