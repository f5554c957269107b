//! The partitions of external tables. Each is a row of its own, so that jobs that add partitions of different days do not meet.

use std::path::PathBuf;

use rusqlite::params;

use super::{StateStore, now};
use crate::error::Result;

/// A partition of an external table as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredPartition {
    /// The table.
    pub(crate) table: String,
    /// Its name in Hive's form, such as `dt=20240807`, which holds its values.
    pub(crate) name: String,
    /// Its location as written.
    pub(crate) location: String,
    /// Where a relative location starts.
    pub(crate) folder: Option<PathBuf>,
}

impl StateStore {
    /// The partitions of all tables.
    pub(crate) fn partitions(&self) -> Result<Vec<StoredPartition>> {
        self.read(Vec::new(), |database| {
            let mut query = database
                .prepare_cached("SELECT table_name, name, location, folder FROM external_partition ORDER BY 1, 2")?;
            let rows = query.query_map([], |row| {
                Ok(StoredPartition {
                    table: row.get(0)?,
                    name: row.get(1)?,
                    location: row.get(2)?,
                    folder: row.get::<_, Option<String>>(3)?.map(PathBuf::from),
                })
            })?;
            rows.collect()
        })
    }

    /// Adds partitions, all or none; one that is there already (another process was faster) stays as it is.
    pub(crate) fn put_partitions(&self, partitions: &[StoredPartition]) -> Result<()> {
        self.write(|database| {
            let change = database.unchecked_transaction()?;
            for partition in partitions {
                let folder = partition.folder.as_ref().map(|folder| folder.to_string_lossy().into_owned());
                change.execute(
                    "INSERT OR IGNORE INTO external_partition (table_name, name, location, folder, created_at) VALUES (?, ?, ?, ?, ?)",
                    params![partition.table, partition.name, partition.location, folder, now()],
                )?;
            }
            change.commit()
        })
    }

    /// Removes partitions, all or none.
    pub(crate) fn drop_partitions(&self, table: &str, names: &[String]) -> Result<()> {
        self.write(|database| {
            let change = database.unchecked_transaction()?;
            for name in names {
                change.execute(
                    "DELETE FROM external_partition WHERE table_name = ? AND name = ?",
                    params![table, name],
                )?;
            }
            change.commit()
        })
    }
}
