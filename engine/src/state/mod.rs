//! What outlives a session: external tables and their [`partitions`], [`runs`] and how far they got, the labels and decisions of writes ([`journal`]), locks of
//! jobs and runs ([`lock`]), files of rejects.
//!
//! In a folder it is SQLite (`state.db`) and files, for this user only (0700, 0600), made when first written to. For embedding the same
//! tables are kept in memory. Nothing here holds a secret: definitions hold references, parameters are kept as a fingerprint.

pub(crate) mod fingerprint;
mod journal;
mod lock;
mod partitions;
mod runs;
mod schema;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, params};

use crate::error::{Result, SynclineError, codes};
pub(crate) use journal::StateJournal;
pub(crate) use lock::{JobLock, RunLock};
pub(crate) use partitions::StoredPartition;
pub(crate) use runs::{RunInputs, RunProgress, RunRecord, StoredRun};

/// An external table as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredTable {
    pub(crate) name: String,
    /// The CREATE EXTERNAL TABLE statement; parameters are put in, references are not resolved.
    pub(crate) definition: String,
    /// Where relative paths in it start.
    pub(crate) folder: Option<PathBuf>,
}

/// The state of an engine.
pub(crate) struct StateStore {
    folder: Option<PathBuf>,
    database: Mutex<Option<Connection>>,
    /// Jobs that run in this process, when there is no folder to hold a lock file.
    running: Arc<Mutex<HashMap<(String, String), String>>>,
}

impl fmt::Debug for StateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl StateStore {
    /// A store that ends with the engine.
    pub(crate) fn in_memory() -> Self {
        Self { folder: None, database: Mutex::new(None), running: Arc::default() }
    }

    /// A store in a folder, which is made when first written to.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder: Some(folder), database: Mutex::new(None), running: Arc::default() }
    }

    /// Whether what is stored outlives the process.
    pub(crate) fn is_persistent(&self) -> bool {
        self.folder.is_some()
    }

    pub(crate) fn external_tables(&self) -> Result<Vec<StoredTable>> {
        self.read(Vec::new(), |database| {
            let mut query =
                database.prepare_cached("SELECT name, definition, folder FROM external_table ORDER BY name")?;
            let rows = query.query_map([], |row| {
                Ok(StoredTable {
                    name: row.get(0)?,
                    definition: row.get(1)?,
                    folder: row.get::<_, Option<String>>(2)?.map(PathBuf::from),
                })
            })?;
            rows.collect()
        })
    }

    pub(crate) fn put_external_table(&self, table: &StoredTable) -> Result<()> {
        let folder = table.folder.as_ref().map(|folder| folder.to_string_lossy().into_owned());
        self.write(|database| {
            database.execute(
                "INSERT OR REPLACE INTO external_table (name, definition, folder, created_at) VALUES (?, ?, ?, ?)",
                params![table.name, table.definition, folder, now()],
            )
        })?;
        Ok(())
    }

    pub(crate) fn drop_external_table(&self, name: &str) -> Result<()> {
        self.write(|database| {
            let change = database.unchecked_transaction()?;
            change.execute("DELETE FROM external_partition WHERE table_name = ?", [name])?;
            change.execute("DELETE FROM external_table WHERE name = ?", [name])?;
            change.commit()
        })
    }

    /// The file for the rejects of a statement; None in memory. Its folder is made by [`make_folder`](Self::make_folder).
    pub(crate) fn rejects_file(&self, run_id: &str, statement: u32) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join("rejects").join(run_id).join(format!("{statement}.ndjson")))
    }

    /// Reads, or answers `empty` when nothing was ever written.
    fn read<T>(&self, empty: T, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut database = self.database.lock();
        if database.is_none() {
            match &self.folder {
                Some(folder) if folder.join("state.db").exists() => *database = Some(self.open()?),
                _ => return Ok(empty),
            }
        }
        match &*database {
            Some(database) => query(database).map_err(|error| self.error(&error.to_string())),
            None => Ok(empty),
        }
    }

    fn write<T>(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut database = self.database.lock();
        let database = match &mut *database {
            Some(database) => database,
            none => none.insert(self.open()?),
        };
        change(database).map_err(|error| self.error(&error.to_string()))
    }

    fn open(&self) -> Result<Connection> {
        let wrong = |error: rusqlite::Error| self.error(&error.to_string());
        let database = match &self.folder {
            None => Connection::open_in_memory().map_err(wrong)?,
            Some(folder) => {
                make_folder(folder).map_err(|error| self.error(&error.to_string()))?;
                let path = folder.join("state.db");
                private_file(&path).map_err(|error| self.error(&error.to_string()))?;
                Connection::open(path).map_err(wrong)?
            }
        };
        // a decision to commit must be on disk before the commit is sent
        database.pragma_update(None, "synchronous", "FULL").map_err(wrong)?;
        database.busy_timeout(Duration::from_secs(10)).map_err(wrong)?;
        schema::prepare(&database).map_err(wrong)?;
        Ok(database)
    }

    fn error(&self, what: &str) -> SynclineError {
        let place = self.folder.as_ref().map_or("in memory".to_owned(), |folder| folder.display().to_string());
        SynclineError::new(codes::STATE, format!("the state ({place}) cannot be used: {what}"))
            .hint("name another folder with --state-dir, or check its owner and free space")
    }
}

/// Makes a folder and those above it that are missing, for this user only.
pub(crate) fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a file for appending, making it for this user only.
pub(crate) fn private_file(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

#[cfg(test)]
mod tests;
