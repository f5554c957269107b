//! The root: databases by name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

use super::database::Database;
use super::files;
use super::names;
use super::table::{Ids, Table};
use crate::error::{Error, Result};

/// File in the data folder that keeps a second server out.
const LOCK_FILE: &str = "minirocks.lock";

/// All data of a server. It is shared by its three ports and may be used from any thread.
#[derive(Debug)]
pub struct Warehouse {
    databases: RwLock<BTreeMap<String, Arc<Database>>>,
    ids: Arc<Ids>,
    data_dir: Option<PathBuf>,
    /// Held open for its lock.
    _lock: Option<File>,
}

impl Warehouse {
    /// An empty warehouse that keeps its data in memory only.
    pub fn in_memory() -> Arc<Self> {
        Arc::new(Self { databases: RwLock::default(), ids: Arc::new(Ids::new()), data_dir: None, _lock: None })
    }

    /// Opens a data folder, making it if needed, and reads all tables into memory. Fails if another server has it open.
    pub fn open(data_dir: &Path) -> Result<Arc<Self>> {
        let context = || format!("cannot open data folder {}", data_dir.display());
        fs::create_dir_all(data_dir).map_err(|error| Error::io(context(), error))?;
        let lock = File::create(data_dir.join(LOCK_FILE)).map_err(|error| Error::io(context(), error))?;
        lock.try_lock()
            .map_err(|error| Error::storage(context(), format!("another server may be using it ({error})")))?;
        let ids = Arc::new(Ids::new());
        let mut databases = BTreeMap::new();
        for name in files::entry_names(data_dir)? {
            let folder = data_dir.join(name);
            if !folder.is_dir() {
                continue;
            }
            // A folder without a manifest may be anyone's: leave it alone.
            if let Some(database) = Database::open(folder, &ids)? {
                databases.insert(database.name().to_owned(), Arc::new(database));
            }
        }
        Ok(Arc::new(Self {
            databases: RwLock::new(databases),
            ids,
            data_dir: Some(data_dir.to_owned()),
            _lock: Some(lock),
        }))
    }

    /// The databases in the order of their names, without those of the system.
    pub fn databases(&self) -> Vec<Arc<Database>> {
        self.databases.read().values().cloned().collect()
    }

    /// A database by its exact name.
    pub fn database(&self, name: &str) -> Result<Arc<Database>> {
        self.databases.read().get(name).cloned().ok_or_else(|| Error::UnknownDatabase(name.to_owned()))
    }

    /// A table by the exact names of its database and itself.
    pub fn table(&self, database: &str, table: &str) -> Result<Arc<Table>> {
        self.database(database)?.table(table)
    }

    /// CREATE DATABASE. Returns false if IF NOT EXISTS found the name.
    pub fn create_database(&self, name: &str, if_not_exists: bool) -> Result<bool> {
        names::check_database_name(name)?;
        let mut databases = self.databases.write();
        if databases.contains_key(name) {
            return if if_not_exists { Ok(false) } else { Err(Error::DatabaseExists(name.to_owned())) };
        }
        let database = Database::create(name, Arc::clone(&self.ids), self.data_dir.as_ref())?;
        databases.insert(name.to_owned(), Arc::new(database));
        Ok(true)
    }

    /// DROP DATABASE with all its tables. Returns false if IF EXISTS found nothing.
    pub fn drop_database(&self, name: &str, if_exists: bool) -> Result<bool> {
        let mut databases = self.databases.write();
        let Some(database) = databases.get(name) else {
            return if if_exists { Ok(false) } else { Err(Error::DropMissingDatabase(name.to_owned())) };
        };
        database.drop_all()?;
        databases.remove(name);
        Ok(true)
    }
}
