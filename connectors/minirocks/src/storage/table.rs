//! A table: its definition, its snapshot, and the statements that change partitions.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Date32Type, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};

use super::definition::TableDefinition;
use super::files::{Manifest, TableFolder};
use super::label::{Transaction, TransactionInfo};
use super::names;
use super::partition::{Partition, PartitionTuple, TableSnapshot};
use super::write::{PartitionTarget, StagedWrite};
use crate::error::{Error, Result};
use crate::types::single;

/// Transactions that a table's manifest remembers, so that a label is known after a restart (StarRocks: `label_keep_max_num`).
const MAX_REMEMBERED: usize = 1000;
/// Most partitions of a table; bounds what a column with many values can make of an automatic partition.
const MAX_PARTITIONS: usize = 10_000;
/// A partition with this many batches, few rows in each, is packed into one batch.
const PACK_AT_BATCHES: usize = 64;
/// Batches with fewer rows on average are worth packing.
const SMALL_BATCH_ROWS: u64 = 8192;
/// More bytes than this are never packed into one batch; 32-bit offsets of Arrow text end at 2 GB.
const MAX_PACKED_BYTES: u64 = 256 << 20;

/// Source of ids, unique in the server.
#[derive(Debug)]
pub(super) struct Ids {
    object: AtomicU64,
    transaction: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Self {
        // StarRocks numbers its own objects up to 10000.
        Self { object: AtomicU64::new(10_001), transaction: AtomicU64::new(1) }
    }

    pub(super) fn object(&self) -> u64 {
        self.object.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn transaction(&self) -> u64 {
        self.transaction.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn saw_object(&self, id: u64) {
        self.object.fetch_max(id + 1, Ordering::Relaxed);
    }

    pub(super) fn saw_transaction(&self, id: u64) {
        self.transaction.fetch_max(id + 1, Ordering::Relaxed);
    }
}

/// A table. Readers take a [`snapshot`](Self::snapshot); writers [`stage`](Self::stage) rows and commit them.
#[derive(Debug)]
pub struct Table {
    pub(super) id: u64,
    pub(super) database: String,
    pub(super) definition: Arc<TableDefinition>,
    pub(super) schema: SchemaRef,
    pub(super) created_at: Timestamp,
    pub(super) snapshot: RwLock<Arc<TableSnapshot>>,
    pub(super) ids: Arc<Ids>,
    pub(super) folder: Option<TableFolder>,
    pub(super) dropped: AtomicBool,
    /// Held by the one writer that changes the snapshot; holds the transactions that the manifest remembers.
    pub(super) writer: Mutex<VecDeque<TransactionInfo>>,
}

/// What a writer makes of a snapshot, before it is stored.
pub(super) struct Change<'a> {
    table: &'a Table,
    pub(super) partitions: Vec<Arc<Partition>>,
}

impl Table {
    /// The table's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Name of its database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// What CREATE TABLE said.
    pub fn definition(&self) -> &Arc<TableDefinition> {
        &self.definition
    }

    /// The schema of its batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The state now. It stays as it is for as long as it is held.
    pub fn snapshot(&self) -> Arc<TableSnapshot> {
        Arc::clone(&self.snapshot.read())
    }

    /// Begins a write. Nothing is visible before [`StagedWrite::commit`].
    pub fn stage(self: &Arc<Self>, target: &PartitionTarget) -> Result<StagedWrite> {
        StagedWrite::new(Arc::clone(self), target)
    }

    /// `ADD [TEMPORARY] PARTITION name VALUES IN (values)`. Returns false if IF NOT EXISTS found the name.
    pub fn add_partition(
        &self,
        name: &str,
        values: Vec<PartitionTuple>,
        is_temp: bool,
        if_not_exists: bool,
    ) -> Result<bool> {
        names::check_partition_name(name)?;
        let columns = self.definition.partition_indexes();
        if columns.is_empty() {
            return Err(Error::invalid(format!("Table '{}' is not partitioned; it takes no partitions", self.name())));
        }
        if values.len() > 1 && self.definition.partitioning.is_automatic() {
            return Err(Error::invalid(
                "Automatically partitioned tables does not support multiple values in the same partition",
            ));
        }
        let values = values.into_iter().map(|tuple| self.canonical(&columns, tuple)).collect::<Result<Vec<_>>>()?;
        self.change(None, |change| {
            // StarRocks: a temporary partition cannot have the name of another one, temporary or not
            if [false, true].into_iter().any(|is_temp| change.position(name, is_temp).is_some()) {
                return if if_not_exists { Ok(false) } else { Err(Error::PartitionExists(name.to_owned())) };
            }
            for tuple in &values {
                if let Some(index) = change.position_of(tuple, is_temp) {
                    return Err(Error::invalid(format!(
                        "Duplicate partition value in partition {} and {name}",
                        change.partitions[index].name
                    )));
                }
            }
            change.add(name.to_owned(), values, is_temp)?;
            Ok(true)
        })
    }

    /// `DROP [TEMPORARY] PARTITION`: all of these or none. IF EXISTS passes over missing ones.
    pub fn drop_partitions(&self, names: &[String], is_temp: bool, if_exists: bool) -> Result<()> {
        if self.definition.partitioning.columns().is_empty() {
            return Err(Error::invalid(format!(
                "Table '{}' is not partitioned; it has no partitions to drop",
                self.name()
            )));
        }
        self.change(None, |change| {
            for name in names {
                match change.position(name, is_temp) {
                    Some(index) => {
                        change.partitions.remove(index);
                    }
                    None if if_exists => {}
                    None => return Err(Error::PartitionNotInTable(name.clone())),
                }
            }
            Ok(())
        })
    }

    /// TRUNCATE TABLE, of all partitions (temporary ones are dropped) or of those named.
    pub fn truncate(&self, names: Option<&[String]>) -> Result<()> {
        self.change(None, |change| {
            let indexes = match names {
                None => {
                    change.partitions.retain(|p| !p.is_temp);
                    (0..change.partitions.len()).collect()
                }
                Some(names) => change.positions(names, false)?,
            };
            for index in indexes {
                change.set_rows(index, Vec::new(), Vec::new())?;
            }
            Ok(())
        })
    }

    /// REPLACE PARTITION (names) WITH TEMPORARY PARTITION (temporary): the temporary ones take the place of the others, under
    /// the old names if `keep_names` and there are as many of both (`use_temp_partition_name` = false), else under their own.
    /// With `strict_range` both must hold the same values; without, only no value of another partition.
    pub fn replace_partitions(
        &self,
        names: &[String],
        temporary: &[String],
        strict_range: bool,
        keep_names: bool,
    ) -> Result<()> {
        self.change(None, |change| {
            let find = |names: &[String], is_temp: bool, what: &str| -> Result<Vec<usize>> {
                let position = |name: &String| {
                    let missing = || Error::invalid(format!("{what}[{name}] does not exist"));
                    change.position(name, is_temp).ok_or_else(missing)
                };
                names.iter().map(position).collect()
            };
            let old = find(names, false, "Partition")?;
            let new = find(temporary, true, "Temp partition")?;
            let values = |indexes: &[usize], change: &Change<'_>| -> BTreeSet<PartitionTuple> {
                indexes.iter().flat_map(|&i| change.partitions[i].values.clone()).collect()
            };
            let (old_values, new_values) = (values(&old, change), values(&new, change));
            if strict_range && old_values != new_values {
                return Err(Error::invalid(format!(
                    "2 list partitions are not strictly matched, {} vs {}",
                    printed(&old_values),
                    printed(&new_values)
                )));
            }
            let others: Vec<usize> =
                (0..change.partitions.len()).filter(|i| !change.partitions[*i].is_temp && !old.contains(i)).collect();
            if let Some(taken) = values(&others, change).intersection(&new_values).next() {
                return Err(Error::invalid(format!(
                    "Temporary partition's value {} conflicts with the value of another partition",
                    printed(&BTreeSet::from([taken.clone()]))
                )));
            }
            let same_count = old.len() == new.len();
            let mut replaced = Vec::new();
            for (position, &index) in new.iter().enumerate() {
                let mut partition = Partition::clone(&change.partitions[index]);
                partition.is_temp = false;
                if keep_names && same_count {
                    change.partitions[old[position]].name.clone_into(&mut partition.name);
                }
                replaced.push(Arc::new(partition));
            }
            let gone: HashSet<usize> = old.into_iter().chain(new).collect();
            let mut index = 0;
            change.partitions.retain(|_| {
                index += 1;
                !gone.contains(&(index - 1))
            });
            for partition in replaced {
                if change.position(&partition.name, false).is_some() {
                    return Err(Error::PartitionExists(partition.name.clone()));
                }
                change.partitions.push(partition);
            }
            Ok(())
        })
    }

    /// Replaces all rows of some partitions, by id, if the table is still at `version`: what DELETE and UPDATE do after they
    /// read a snapshot. The batches have the table's schema.
    pub fn replace_rows(
        &self,
        version: u64,
        rows: Vec<(u64, Vec<RecordBatch>)>,
        transaction: Transaction,
    ) -> Result<u64> {
        let written = rows.iter().flat_map(|(_, batches)| batches).map(|b| b.num_rows() as u64).sum();
        self.change(Some((transaction, written)), |change| {
            if change.table.snapshot().version != version {
                return Err(Error::Conflict(change.table.name().to_owned()));
            }
            for (id, batches) in rows {
                let index = change.partitions.iter().position(|p| p.id == id);
                let index = index.ok_or_else(|| Error::Conflict(change.table.name().to_owned()))?;
                change.set_rows(index, Vec::new(), batches.into_iter().map(Arc::new).collect())?;
            }
            Ok(())
        })?;
        Ok(written)
    }

    /// Runs one change as the only writer: computes the new partitions, stores them, makes them visible. With a transaction
    /// it and the data become visible together.
    pub(super) fn change<T>(
        &self,
        transaction: Option<(Transaction, u64)>,
        compute: impl FnOnce(&mut Change<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut transaction = transaction;
        let result = self.try_change(&mut transaction, compute);
        if let (Err(error), Some((transaction, _))) = (&result, transaction) {
            transaction.abort(error.to_string());
        }
        result
    }

    fn try_change<T>(
        &self,
        transaction: &mut Option<(Transaction, u64)>,
        compute: impl FnOnce(&mut Change<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut remembered = self.writer.lock();
        if self.dropped.load(Ordering::Acquire) {
            return Err(Error::UnknownTable(format!("{}.{}", self.database, self.name())));
        }
        let current = self.snapshot();
        let mut change = Change { table: self, partitions: current.partitions.clone() };
        let result = compute(&mut change)?;
        let partitions = change.partitions;
        let mut next = TableSnapshot { version: current.version + 1, partitions };
        self.write_files(&current, &mut next)?;

        let mut ended = None;
        if let Some((transaction, rows)) = transaction {
            let info = transaction.decide(*rows)?;
            remembered.push_back(info.clone());
            if remembered.len() > MAX_REMEMBERED {
                remembered.pop_front();
            }
            ended = Some(info);
        }
        if let Some(folder) = &self.folder
            && let Err(error) = folder.write_manifest(&self.manifest(&next, &remembered))
        {
            if ended.is_some() {
                remembered.pop_back();
            }
            return Err(error);
        }
        let next = Arc::new(next);
        *self.snapshot.write() = Arc::clone(&next);
        if let (Some((transaction, _)), Some(info)) = (transaction, ended) {
            transaction.visible(info);
        }
        if let Some(folder) = &self.folder {
            folder.remove_files_not_in(&current, &next);
        }
        Ok(result)
    }

    pub(super) fn manifest(&self, snapshot: &TableSnapshot, remembered: &VecDeque<TransactionInfo>) -> Manifest {
        Manifest::new(self.id, &self.definition, self.created_at, snapshot, remembered)
    }

    /// Writes a Parquet file for each partition whose rows are not in a file yet.
    fn write_files(&self, current: &TableSnapshot, next: &mut TableSnapshot) -> Result<()> {
        let version = next.version;
        for partition in &mut next.partitions {
            let before = current.partitions.iter().find(|p| p.id == partition.id);
            if before.is_some_and(|before| Arc::ptr_eq(before, partition)) {
                continue;
            }
            let partition = Arc::make_mut(partition);
            let Some(folder) = &self.folder else { continue };
            // A file holds whole batches: those that the partition had before, unless they were rewritten, are in its files.
            let stored = match before {
                Some(before) if partition.batches.starts_with_same(&before.batches) => {
                    partition.files.clone_from(&before.files);
                    before.batches.len()
                }
                _ => {
                    partition.files.clear();
                    0
                }
            };
            if partition.batches.len() > stored {
                let name = format!("{}-{version}.parquet", partition.id);
                folder.write_rows(&name, &self.schema, &partition.batches[stored..])?;
                partition.files.push(name);
            }
        }
        Ok(())
    }

    /// Partition values in the server's own spelling.
    fn canonical(&self, columns: &[usize], tuple: PartitionTuple) -> Result<PartitionTuple> {
        if tuple.len() != columns.len() {
            return Err(Error::invalid(format!(
                "Partition values' number {} does not match the number {} of partition columns",
                tuple.len(),
                columns.len()
            )));
        }
        tuple
            .into_iter()
            .zip(columns)
            .map(|(value, &index)| {
                let Some(text) = value else { return Ok(None) };
                let column = &self.definition.columns[index];
                let array = single(&column.column_type, &text).ok_or_else(|| {
                    Error::invalid(format!(
                        "Invalid partition value '{text}' for column '{}' of type {}",
                        column.name, column.column_type
                    ))
                })?;
                Ok(partition_value(&array, 0))
            })
            .collect()
    }
}

impl Change<'_> {
    pub(super) fn position(&self, name: &str, is_temp: bool) -> Option<usize> {
        let folded = name.to_lowercase();
        self.partitions.iter().position(|p| p.is_temp == is_temp && p.name.to_lowercase() == folded)
    }

    pub(super) fn position_of(&self, values: &PartitionTuple, is_temp: bool) -> Option<usize> {
        self.partitions.iter().position(|p| p.is_temp == is_temp && p.values.contains(values))
    }

    pub(super) fn positions(&self, names: &[String], is_temp: bool) -> Result<Vec<usize>> {
        names
            .iter()
            .map(|name| self.position(name, is_temp).ok_or_else(|| Error::PartitionNotInTable(name.clone())))
            .collect()
    }

    pub(super) fn add(&mut self, name: String, values: Vec<PartitionTuple>, is_temp: bool) -> Result<usize> {
        if self.partitions.len() >= MAX_PARTITIONS {
            return Err(Error::invalid(format!(
                "Table '{}' would have more than {MAX_PARTITIONS} partitions",
                self.table.name()
            )));
        }
        let partition = Partition::empty(self.table.ids.object(), name, values, is_temp);
        self.partitions.push(Arc::new(partition));
        Ok(self.partitions.len() - 1)
    }

    /// Puts an empty partition in the place of another, under its name and with another id (StarRocks: what INSERT OVERWRITE does).
    pub(super) fn replace(&mut self, index: usize) {
        let old = &self.partitions[index];
        let new = Partition::empty(self.table.ids.object(), old.name.clone(), old.values.clone(), old.is_temp);
        self.partitions[index] = Arc::new(new);
    }

    /// Gives a partition these rows: `kept` are batches that it has, `added` come behind them.
    pub(super) fn set_rows(
        &mut self,
        index: usize,
        kept: Vec<Arc<RecordBatch>>,
        added: Vec<Arc<RecordBatch>>,
    ) -> Result<()> {
        let partition = Arc::make_mut(&mut self.partitions[index]);
        let mut batches = kept;
        batches.extend(added.into_iter().filter(|b| b.num_rows() > 0));
        partition.batches = batches;
        partition.version += 1;
        partition.changed_at = Timestamp::now();
        let batches = partition.batches.len();
        let rows = partition.rows();
        if batches >= PACK_AT_BATCHES
            && rows < SMALL_BATCH_ROWS * batches as u64
            && partition.bytes() < MAX_PACKED_BYTES
        {
            let packed =
                arrow::compute::concat_batches(&self.table.schema, partition.batches.iter().map(AsRef::as_ref))?;
            partition.batches = vec![Arc::new(packed)];
        }
        Ok(())
    }
}

/// Values of partitions for a message: `[a, b]`, with several columns `[[a, 1], [b, 2]]`.
fn printed(values: &BTreeSet<PartitionTuple>) -> String {
    let tuple = |tuple: &PartitionTuple| {
        let texts: Vec<&str> = tuple.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
        if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) }
    };
    format!("[{}]", values.iter().map(tuple).collect::<Vec<_>>().join(", "))
}

/// Whether a list begins with the same batches (not only equal ones) as another.
trait StartsWithSame {
    fn starts_with_same(&self, start: &[Arc<RecordBatch>]) -> bool;
}

impl StartsWithSame for Vec<Arc<RecordBatch>> {
    fn starts_with_same(&self, start: &[Arc<RecordBatch>]) -> bool {
        self.len() >= start.len() && self.iter().zip(start).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

/// The text of a partition column's value as the server prints it; `None` for NULL.
pub(super) fn partition_value(array: &dyn Array, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    let text = match array.data_type() {
        DataType::Date32 => array.as_primitive::<Date32Type>().value_as_date(row).map(|d| d.to_string()),
        DataType::Timestamp(..) => array
            .as_primitive::<TimestampMicrosecondType>()
            .value_as_datetime(row)
            .map(|d| d.format("%Y-%m-%d %H:%M:%S%.f").to_string()),
        DataType::Boolean => Some(if array.as_boolean().value(row) { "1" } else { "0" }.to_owned()),
        _ => arrow::util::display::array_value_to_string(array, row).ok(),
    };
    text.or_else(|| Some(String::new()))
}
