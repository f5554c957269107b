//! SQL behaviour as sqllogictest scripts: every file in `tests/slt` is run through the library, in a session of its own.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqllogictest::{DBOutput, DefaultColumnType};
use syncline::{Engine, RunEvent, RunOptions, Script, Session};

/// A session of the library as sqllogictest drives it.
struct Driver {
    session: Session,
    folder: PathBuf,
    _engine: Engine,
}

#[derive(Debug)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

#[async_trait]
impl sqllogictest::AsyncDB for Driver {
    type Error = Failed;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failed> {
        let failed = |error: syncline::SynclineError| Failed(error.to_string());
        let options = RunOptions::default().interactive(true).bizdate("20240807");
        let script = Script::from(sql).in_folder(&self.folder);
        let mut run = self.session.start(script, options).map_err(failed)?;
        let mut types = Vec::new();
        let mut rows: Vec<Vec<String>> = Vec::new();
        while let Some(event) = run.next().await {
            match event {
                RunEvent::ResultSchema { schema, .. } => {
                    types = vec![DefaultColumnType::Text; schema.fields().len()];
                    rows.clear();
                }
                RunEvent::ResultBatch { batch, .. } => {
                    for row in 0..batch.num_rows() {
                        let cell = |column: &datafusion::arrow::array::ArrayRef| {
                            if column.is_null(row) {
                                return "NULL".to_owned();
                            }
                            let text = datafusion::arrow::util::display::array_value_to_string(column, row).unwrap();
                            if text.is_empty() { "(empty)".to_owned() } else { text.escape_debug().to_string() }
                        };
                        rows.push(batch.columns().iter().map(cell).collect());
                    }
                }
                _ => {}
            }
        }
        let report = run.report().await.map_err(failed)?;
        match report.error {
            Some(error) => Err(Failed(format!("[{}] {}", error.code, error.message))),
            None if types.is_empty() => Ok(DBOutput::StatementComplete(0)),
            None => Ok(DBOutput::Rows { types, rows }),
        }
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "syncline"
    }
}

#[test]
fn every_script_in_the_slt_folder_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "slt"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for file in files {
        runtime.block_on(async {
            let engine = Engine::builder().timezone("Asia/Shanghai").allow_locations(true).build().await.unwrap();
            let mut runner = sqllogictest::Runner::new(|| async {
                Ok(Driver { session: engine.session(), folder: folder.clone(), _engine: engine.clone() })
            });
            runner.run_file_async(&file).await.unwrap_or_else(|error| panic!("{error}"));
            engine.shutdown().await;
        });
    }
}
