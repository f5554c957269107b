//! The data folder: `NAME.ID/database.json`, `NAME.ID/NAME.ID/table.json` and Parquet files beside it.
//!
//! A manifest names every file that counts. It is replaced by an atomic rename after the files it names are on disk; files
//! that no manifest names are left over from a crash and are removed on start.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::definition::TableDefinition;
use super::label::TransactionInfo;
use super::partition::{Partition, PartitionTuple, TableSnapshot};
use crate::error::{Error, Result};

/// Rows of a batch read back from a file.
const READ_BATCH_ROWS: usize = 65_536;
/// The manifest of a database.
pub(super) const DATABASE_MANIFEST: &str = "database.json";
/// The manifest of a table.
const TABLE_MANIFEST: &str = "table.json";

/// What `database.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DatabaseManifest {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) created_at: Timestamp,
}

/// What `table.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) id: u64,
    pub(super) created_at: Timestamp,
    pub(super) version: u64,
    pub(super) definition: TableDefinition,
    pub(super) partitions: Vec<PartitionManifest>,
    pub(super) transactions: VecDeque<TransactionInfo>,
}

/// One partition in `table.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PartitionManifest {
    id: u64,
    name: String,
    values: Vec<PartitionTuple>,
    is_temp: bool,
    version: u64,
    changed_at: Timestamp,
    files: Vec<String>,
}

impl Manifest {
    pub(super) fn new(
        id: u64,
        definition: &TableDefinition,
        created_at: Timestamp,
        snapshot: &TableSnapshot,
        transactions: &VecDeque<TransactionInfo>,
    ) -> Self {
        let partitions = snapshot
            .partitions
            .iter()
            .map(|p| PartitionManifest {
                id: p.id,
                name: p.name.clone(),
                values: p.values.clone(),
                is_temp: p.is_temp,
                version: p.version,
                changed_at: p.changed_at,
                files: p.files.clone(),
            })
            .collect();
        Self {
            id,
            created_at,
            version: snapshot.version,
            definition: definition.clone(),
            partitions,
            transactions: transactions.clone(),
        }
    }

    pub(super) fn partition_ids(&self) -> impl Iterator<Item = u64> {
        self.partitions.iter().map(|p| p.id)
    }
}

/// The folder of one table.
#[derive(Debug)]
pub(super) struct TableFolder {
    path: PathBuf,
}

impl TableFolder {
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        create_folder(&path)?;
        Ok(Self { path })
    }

    /// Opens a table's folder; `None` if it has no manifest, as a drop or a crash leaves it.
    pub(super) fn open(path: PathBuf) -> Result<Option<(Self, Manifest)>> {
        match read_json::<Manifest>(&path.join(TABLE_MANIFEST))? {
            Some(manifest) => Ok(Some((Self { path }, manifest))),
            None => Ok(None),
        }
    }

    pub(super) fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        write_json(&self.path.join(TABLE_MANIFEST), manifest)
    }

    pub(super) fn write_rows(&self, name: &str, schema: &SchemaRef, batches: &[Arc<RecordBatch>]) -> Result<()> {
        let path = self.path.join(name);
        let context = || format!("cannot write {}", path.display());
        let file = File::create(&path).map_err(|error| Error::io(context(), error))?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))
            .map_err(|error| Error::storage(context(), error))?;
        for batch in batches {
            writer.write(batch).map_err(|error| Error::storage(context(), error))?;
        }
        let file = writer.into_inner().map_err(|error| Error::storage(context(), error))?;
        file.sync_all().map_err(|error| Error::io(context(), error))
    }

    /// Reads the partitions that a manifest names and removes files that it does not.
    pub(super) fn read_snapshot(&self, manifest: Manifest, schema: &SchemaRef) -> Result<TableSnapshot> {
        let mut partitions = Vec::with_capacity(manifest.partitions.len());
        for p in manifest.partitions {
            let mut batches = Vec::new();
            for name in &p.files {
                batches.extend(self.read_rows(name, schema)?);
            }
            partitions.push(Arc::new(Partition {
                id: p.id,
                name: p.name,
                values: p.values,
                is_temp: p.is_temp,
                version: p.version,
                changed_at: p.changed_at,
                batches,
                files: p.files,
            }));
        }
        let snapshot = TableSnapshot { version: manifest.version, partitions };
        self.remove_leftovers(&snapshot)?;
        Ok(snapshot)
    }

    fn read_rows(&self, name: &str, schema: &SchemaRef) -> Result<Vec<Arc<RecordBatch>>> {
        let path = self.path.join(name);
        let context = || format!("cannot read {}", path.display());
        if Path::new(name).components().count() != 1 {
            return Err(Error::storage(context(), "the manifest names a file outside of its folder"));
        }
        let file = File::open(&path).map_err(|error| Error::io(context(), error))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|builder| builder.with_batch_size(READ_BATCH_ROWS).build())
            .map_err(|error| Error::storage(context(), error))?;
        reader
            .map(|batch| {
                let batch = batch.map_err(|error| Error::storage(context(), error))?;
                let batch = RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())
                    .map_err(|error| Error::storage(context(), error))?;
                Ok(Arc::new(batch))
            })
            .collect()
    }

    fn remove_leftovers(&self, snapshot: &TableSnapshot) -> Result<()> {
        let named: HashSet<&str> =
            snapshot.partitions.iter().flat_map(|p| p.files.iter().map(String::as_str)).collect();
        for name in entry_names(&self.path)? {
            if name != TABLE_MANIFEST && !named.contains(name.as_str()) {
                remove_file(&self.path.join(name));
            }
        }
        Ok(())
    }

    /// Removes the files that the old snapshot names and the new one does not.
    pub(super) fn remove_files_not_in(&self, old: &TableSnapshot, new: &TableSnapshot) {
        let named: HashSet<&str> = new.partitions.iter().flat_map(|p| p.files.iter().map(String::as_str)).collect();
        for name in old.partitions.iter().flat_map(|p| &p.files) {
            if !named.contains(name.as_str()) {
                remove_file(&self.path.join(name));
            }
        }
    }

    pub(super) fn remove(&self) -> Result<()> {
        remove_folder(&self.path, TABLE_MANIFEST)
    }
}

/// A file that cannot be removed does no harm: the next start tries again.
fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove a file that is no longer used");
    }
}

/// Makes a new folder that is still there after a power loss.
pub(super) fn create_folder(path: &Path) -> Result<()> {
    let created = fs::create_dir(path).and_then(|()| sync_parent(path));
    created.map_err(|error| Error::io(format!("cannot create {}", path.display()), error))
}

/// A new or renamed entry is on disk only when its folder is.
fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Removes a folder, its manifest first: without it the rest does not count.
pub(super) fn remove_folder(path: &Path, manifest: &str) -> Result<()> {
    let context = || format!("cannot remove {}", path.display());
    let manifest = path.join(manifest);
    if manifest.exists() {
        fs::remove_file(&manifest).map_err(|error| Error::io(context(), error))?;
    }
    fs::remove_dir_all(path).map_err(|error| Error::io(context(), error))
}

/// Names of the entries of a folder; names that are not UTF-8 are none of ours.
pub(super) fn entry_names(path: &Path) -> Result<Vec<String>> {
    let context = || format!("cannot list {}", path.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| Error::io(context(), error))? {
        let entry = entry.map_err(|error| Error::io(context(), error))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Reads a manifest; `None` if there is none.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let context = || format!("cannot read {}", path.display());
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::storage(context(), error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(context(), error)),
    }
}

/// Writes a manifest beside its name and renames it over the old one.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::storage(context(), error))?;
    let temporary = path.with_extension("json.new");
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    });
    written.map_err(|error| Error::io(context(), error))
}
