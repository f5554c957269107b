//! The rejects of one statement: counted, the first few kept, all of them in a file of lines of JSON if there is a state folder.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use syncline_connectors::ConnectorError;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::sink::{ErrorLimit, FoundBy, Reject, RejectCollector, RejectLog, RowValues};

use crate::error::Result;
use crate::state::{make_folder, private_file};

/// Takes the rejects of one statement.
#[derive(Debug)]
pub(super) struct StatementRejects {
    collector: Arc<RejectCollector>,
    scanned: Arc<ScanLog>,
    file: Arc<Mutex<RejectsFile>>,
}

/// Counts what passes on its way to the statement's rejects.
#[derive(Debug)]
struct ScanLog {
    collector: Arc<RejectCollector>,
    count: AtomicU64,
}

impl RejectLog for ScanLog {
    fn reject(&self, reject: Reject) -> Result<(), ConnectorError> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.collector.reject(reject)
    }

    fn reject_unnamed(&self, rows: u64) -> Result<(), ConnectorError> {
        self.count.fetch_add(rows, Ordering::Relaxed);
        self.collector.reject_unnamed(rows)
    }

    fn set_limit(&self, limit: ErrorLimit) {
        self.collector.set_limit(limit);
    }

    fn count(&self) -> u64 {
        self.collector.count()
    }

    fn check(&self, rows_total: u64) -> Result<(), ConnectorError> {
        self.collector.check(rows_total)
    }

    fn warn(&self, key: &str, count: u64, first: &str) {
        self.collector.warn(key, count, first);
    }
}

/// Made with the first reject.
#[derive(Debug)]
struct RejectsFile {
    path: Option<PathBuf>,
    statement: u32,
    writer: Option<BufWriter<File>>,
}

/// A line of the file. Names and order are a contract.
#[derive(Serialize)]
struct Line<'a> {
    statement: u32,
    column: Option<&'a str>,
    value: Option<&'a str>,
    reason: &'a str,
    /// The row's values by column; null where they are not known.
    row: Option<Values<'a>>,
    file: Option<&'a str>,
    line: Option<u64>,
    found_by: &'a str,
}

/// A row as an object of column to text, in the order of the columns; of two columns of one name the last counts.
struct Values<'a>(&'a RowValues);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, value)| (name, value)))
    }
}

impl StatementRejects {
    /// Rejects that are counted and go nowhere else, for plans that do not run.
    pub(super) fn nowhere() -> Self {
        Self::new(None, 0)
    }

    /// Rejects of a statement; `path` is None when there is no folder.
    pub(super) fn new(path: Option<PathBuf>, statement: u32) -> Self {
        let file = Arc::new(Mutex::new(RejectsFile { path, statement, writer: None }));
        let writer = Arc::clone(&file);
        let collector = RejectCollector::with_writer(Box::new(move |reject| writer.lock().write(reject)));
        let collector = Arc::new(collector);
        let scanned = Arc::new(ScanLog { collector: Arc::clone(&collector), count: AtomicU64::new(0) });
        Self { collector, scanned, file }
    }

    pub(super) fn log(&self) -> Arc<dyn RejectLog> {
        Arc::clone(&self.collector) as _
    }

    /// For the statement's scans: rows that they reject never leave them, and are counted to be told as read.
    pub(super) fn scan_log(&self) -> Arc<dyn RejectLog> {
        Arc::clone(&self.scanned) as _
    }

    /// Rows that the scans have rejected.
    pub(super) fn scanned(&self) -> u64 {
        self.scanned.count.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) -> u64 {
        self.collector.count()
    }

    pub(super) fn first(&self) -> Vec<Reject> {
        self.collector.first()
    }

    /// What scans and conversions had to say besides rejects.
    pub(super) fn warnings(&self) -> Vec<String> {
        warnings(&self.collector)
    }

    /// Ends the file; its path if there is one.
    pub(super) fn finish(&self) -> Result<Option<String>> {
        let mut file = self.file.lock();
        let Some(mut writer) = file.writer.take() else { return Ok(None) };
        let path = file.path.clone().unwrap_or_default();
        writer.flush().map_err(|error| failed(&path, &error))?;
        Ok(Some(path.display().to_string()))
    }
}

fn warnings(collector: &RejectCollector) -> Vec<String> {
    let line = |count: u64, first: &str| match count {
        1 => first.to_owned(),
        _ => format!("{first} ({count} times)"),
    };
    collector.warnings().iter().map(|warning| line(warning.count, &warning.first)).collect()
}

/// What the scans of a query tell: a row that cannot be read is an error, other remarks are warnings.
#[derive(Debug, Default)]
pub(super) struct QueryLog(RejectCollector);

impl QueryLog {
    pub(super) fn warnings(&self) -> Vec<String> {
        warnings(&self.0)
    }
}

impl RejectLog for QueryLog {
    fn reject(&self, reject: Reject) -> Result<(), ConnectorError> {
        let file = reject.file.map(|file| format!("{file}, ")).unwrap_or_default();
        let line = reject.line.map(|line| format!("line {line}")).unwrap_or_else(|| "a row".to_owned());
        let column = reject.column.map(|column| format!(", column \"{column}\"")).unwrap_or_default();
        let value = reject.value.map(|value| format!(" \"{}\"", value.escape_debug())).unwrap_or_default();
        Err(ConnectorError::new(ErrorCode::Value, format!("{file}{line}{column}:{value} {}", reject.reason)))
    }

    fn reject_unnamed(&self, rows: u64) -> Result<(), ConnectorError> {
        Err(ConnectorError::new(ErrorCode::Value, format!("{rows} rows cannot be read")))
    }

    fn set_limit(&self, _: ErrorLimit) {}

    fn count(&self) -> u64 {
        0
    }

    fn check(&self, _: u64) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn warn(&self, key: &str, count: u64, first: &str) {
        self.0.warn(key, count, first);
    }
}

impl RejectsFile {
    fn write(&mut self, reject: &Reject) -> Result<(), ConnectorError> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = |error: std::io::Error| failed(path, &error);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                if let Some(folder) = path.parent() {
                    make_folder(folder).map_err(failed)?;
                }
                none.insert(BufWriter::new(private_file(path).map_err(failed)?))
            }
        };
        let line = Line {
            statement: self.statement,
            column: reject.column.as_deref(),
            value: reject.value.as_deref(),
            reason: &reject.reason,
            row: (!reject.values.is_empty()).then_some(Values(&reject.values)),
            file: reject.file.as_deref(),
            line: reject.line,
            found_by: match reject.found_by {
                FoundBy::Syncline => "syncline",
                FoundBy::Server => "server",
            },
        };
        serde_json::to_writer(&mut *writer, &line).map_err(|error| failed(error.into()))?;
        writer.write_all(b"\n").map_err(failed)
    }
}

fn failed(path: &Path, error: &std::io::Error) -> ConnectorError {
    ConnectorError::new(ErrorCode::Io, format!("cannot write the rejects file {}: {error}", path.display()))
}
