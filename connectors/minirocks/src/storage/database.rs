//! A database: tables by name, and the labels of its loads.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};

use super::definition::TableDefinition;
use super::files::{self, DATABASE_MANIFEST, DatabaseManifest, TableFolder};
use super::label::{Label, LabelTable, MAX_RUNNING, Transaction, TransactionInfo};
use super::names;
use super::partition::{Partition, TableSnapshot};
use super::table::{Ids, Table};
use crate::error::{Error, Result};

/// A database. Names of tables are compared with case, as StarRocks does.
#[derive(Debug)]
pub struct Database {
    id: u64,
    name: String,
    created_at: Timestamp,
    tables: RwLock<BTreeMap<String, Arc<Table>>>,
    labels: Arc<LabelTable>,
    ids: Arc<Ids>,
    folder: Option<PathBuf>,
}

impl Database {
    pub(super) fn create(name: &str, ids: Arc<Ids>, data_dir: Option<&PathBuf>) -> Result<Self> {
        let id = ids.object();
        let created_at = Timestamp::now();
        let folder = match data_dir {
            None => None,
            Some(data_dir) => {
                let folder = data_dir.join(names::folder(name, id));
                files::create_folder(&folder)?;
                let manifest = DatabaseManifest { id, name: name.to_owned(), created_at };
                files::write_json(&folder.join(DATABASE_MANIFEST), &manifest)?;
                Some(folder)
            }
        };
        Ok(Self {
            id,
            name: name.to_owned(),
            created_at,
            tables: RwLock::default(),
            labels: Arc::default(),
            ids,
            folder,
        })
    }

    /// Reads a database's folder; `None` if it has no manifest.
    pub(super) fn open(folder: PathBuf, ids: &Arc<Ids>) -> Result<Option<Self>> {
        let Some(manifest) = files::read_json::<DatabaseManifest>(&folder.join(DATABASE_MANIFEST))? else {
            return Ok(None);
        };
        ids.saw_object(manifest.id);
        let labels = Arc::new(LabelTable::default());
        let mut tables = BTreeMap::new();
        for name in files::entry_names(&folder)? {
            let path = folder.join(name);
            if !path.is_dir() {
                continue;
            }
            let Some((table_folder, table)) = TableFolder::open(path.clone())? else {
                // The rest of a table whose drop, or whose creation, was cut short.
                files::remove_folder(&path, "")?;
                continue;
            };
            ids.saw_object(table.id);
            table.partition_ids().for_each(|id| ids.saw_object(id));
            let transactions = table.transactions.clone();
            for info in &transactions {
                ids.saw_transaction(info.id);
                labels.restore(info.clone());
            }
            let (id, created_at) = (table.id, table.created_at);
            let definition = Arc::new(table.definition.clone());
            let schema = definition.arrow_schema();
            let snapshot = table_folder.read_snapshot(table, &schema)?;
            let table = Table {
                id,
                database: manifest.name.clone(),
                schema,
                created_at,
                snapshot: RwLock::new(Arc::new(snapshot)),
                ids: Arc::clone(ids),
                folder: Some(table_folder),
                dropped: AtomicBool::new(false),
                writer: Mutex::new(transactions),
                definition,
            };
            tables.insert(table.definition.name.clone(), Arc::new(table));
        }
        Ok(Some(Self {
            id: manifest.id,
            name: manifest.name,
            created_at: manifest.created_at,
            tables: RwLock::new(tables),
            labels,
            ids: Arc::clone(ids),
            folder: Some(folder),
        }))
    }

    /// The database's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Its tables in the order of their names.
    pub fn tables(&self) -> Vec<Arc<Table>> {
        self.tables.read().values().cloned().collect()
    }

    /// A table by its exact name.
    pub fn table(&self, name: &str) -> Result<Arc<Table>> {
        let table = self.tables.read().get(name).cloned();
        table.ok_or_else(|| Error::UnknownTable(format!("{}.{name}", self.name)))
    }

    /// CREATE TABLE. Returns false if IF NOT EXISTS found the name.
    pub fn create_table(&self, definition: TableDefinition, if_not_exists: bool) -> Result<bool> {
        let mut tables = self.tables.write();
        if tables.contains_key(&definition.name) {
            return if if_not_exists { Ok(false) } else { Err(Error::TableExists(definition.name)) };
        }
        let definition = definition.checked()?;
        let id = self.ids.object();
        let mut snapshot = TableSnapshot { version: 1, partitions: Vec::new() };
        if definition.partitioning.columns().is_empty() {
            // StarRocks gives a table without partitions one that bears the table's name.
            let partition = Partition::empty(self.ids.object(), definition.name.clone(), Vec::new(), false);
            snapshot.partitions.push(Arc::new(partition));
        }
        let folder = match &self.folder {
            Some(folder) => Some(TableFolder::create(folder.join(names::folder(&definition.name, id)))?),
            None => None,
        };
        let table = Table {
            id,
            database: self.name.clone(),
            schema: definition.arrow_schema(),
            created_at: Timestamp::now(),
            snapshot: RwLock::new(Arc::new(snapshot)),
            ids: Arc::clone(&self.ids),
            folder,
            dropped: AtomicBool::new(false),
            writer: Mutex::new(VecDeque::new()),
            definition: Arc::new(definition),
        };
        if let Some(folder) = &table.folder {
            folder.write_manifest(&table.manifest(&table.snapshot(), &VecDeque::new()))?;
        }
        tables.insert(table.name().to_owned(), Arc::new(table));
        Ok(true)
    }

    /// DROP TABLE. Returns false if IF EXISTS found nothing. Writes that are open fail at their commit.
    pub fn drop_table(&self, name: &str, if_exists: bool) -> Result<bool> {
        let mut tables = self.tables.write();
        let Some(table) = tables.get(name).cloned() else {
            return if if_exists { Ok(false) } else { Err(Error::UnknownTable(format!("{}.{name}", self.name))) };
        };
        let writer = table.writer.lock();
        if let Some(folder) = &table.folder {
            folder.remove()?;
        }
        table.dropped.store(true, Ordering::Release);
        drop(writer);
        tables.remove(name);
        Ok(true)
    }

    /// Begins a transaction under a label. Fails with [`Error::LabelUsed`] if the label belongs to one that is open or
    /// committed, and if a thousand transactions run in the database.
    pub fn begin(&self, label: &Label, table: &str) -> Result<Transaction> {
        self.begin_within(label, table, MAX_RUNNING)
    }

    /// As [`begin`](Self::begin), with another limit of running transactions.
    pub(crate) fn begin_within(&self, label: &Label, table: &str, most_running: usize) -> Result<Transaction> {
        self.labels.begin(label, table, self.ids.transaction(), (self.id, most_running))
    }

    /// What is known of a label.
    pub fn transaction(&self, label: &str) -> Option<TransactionInfo> {
        self.labels.get(label)
    }

    /// All transactions that are known, by id.
    pub fn transactions(&self) -> Vec<TransactionInfo> {
        self.labels.all()
    }

    /// Aborts an open transaction; its commit will fail.
    pub fn cancel_transaction(&self, label: &str, reason: &str) -> Result<()> {
        self.labels.cancel(label, reason)
    }

    /// Drops all tables, for DROP DATABASE.
    pub(super) fn drop_all(&self) -> Result<()> {
        for table in self.tables() {
            self.drop_table(table.name(), true)?;
        }
        match &self.folder {
            Some(folder) => files::remove_folder(folder, DATABASE_MANIFEST),
            None => Ok(()),
        }
    }
}
