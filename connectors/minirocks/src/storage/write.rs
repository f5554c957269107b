//! Writing: rows are staged by partition and committed all at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::compute::{take, take_record_batch};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};

use super::definition::KeyModel;
use super::label::Transaction;
use super::merge::{self as merging, RowMerge};
use super::partition::PartitionTuple;
use super::partition_name::{automatic_name, unique_name};
use super::table::{Table, partition_value};
use super::upsert::{Upserted, upsert};
use crate::error::{Error, Result};

/// Most new partitions of one write (StarRocks: `max_partitions_in_one_batch`, 4096).
const MAX_NEW_PARTITIONS: usize = 4096;

/// Which partitions a write may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionTarget {
    /// Every partition; missing ones are made if the table is partitioned automatically.
    All,
    /// These and no others; none is made.
    Named(Vec<String>),
    /// These temporary partitions and no others.
    Temporary(Vec<String>),
}

/// What happens to the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// They stay: INSERT INTO and loads.
    Append,
    /// They go from every partition of the target: INSERT OVERWRITE.
    Overwrite,
    /// They go from the partitions that get rows: INSERT OVERWRITE with `dynamic_overwrite`.
    OverwriteTouched,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Id of the transaction.
    pub transaction_id: u64,
    /// Rows written, those that replaced others by key included.
    pub rows: u64,
}

/// Rows that wait for their commit, grouped by partition. Dropping it drops them.
#[derive(Debug)]
pub struct StagedWrite {
    table: Arc<Table>,
    target: PartitionTarget,
    partition_columns: Vec<usize>,
    converter: Option<RowConverter>,
    /// Partition values that may be written; `None` for all.
    allowed: Option<HashSet<PartitionTuple>>,
    /// Group of each encoded tuple of partition values.
    known: HashMap<Box<[u8]>, usize>,
    groups: Vec<Group>,
    rows: u64,
    merge: RowMerge,
}

/// Rows of one partition that wait for their commit.
#[derive(Debug)]
pub(super) struct StagedRows {
    pub(super) batch: RecordBatch,
    /// The rows that only say that their key is to be deleted; `None` for none.
    pub(super) deleted: Option<BooleanArray>,
}

#[derive(Debug)]
struct Group {
    values: PartitionTuple,
    /// False for values that have no partition and get none.
    is_allowed: bool,
    batches: Vec<StagedRows>,
}

impl StagedWrite {
    pub(super) fn new(table: Arc<Table>, target: &PartitionTarget) -> Result<Self> {
        let snapshot = table.snapshot();
        let definition = table.definition();
        let values_of = |names: &[String], is_temp: bool| -> Result<HashSet<PartitionTuple>> {
            let mut values = HashSet::new();
            for name in names {
                let partition = snapshot.partition(name, is_temp).ok_or_else(|| Error::UnknownPartition {
                    partition: name.clone(),
                    table: table.name().to_owned(),
                })?;
                values.extend(partition.values.iter().cloned());
            }
            Ok(values)
        };
        let mut allowed = match target {
            PartitionTarget::Named(names) => Some(values_of(names, false)?),
            PartitionTarget::Temporary(names) => Some(values_of(names, true)?),
            PartitionTarget::All if definition.partitioning.is_automatic() => None,
            PartitionTarget::All => Some(snapshot.visible().flat_map(|p| p.values.iter().cloned()).collect()),
        };
        let partition_columns = definition.partition_indexes();
        let mut groups = Vec::new();
        let converter = if partition_columns.is_empty() {
            allowed = None;
            groups.push(Group { values: Vec::new(), is_allowed: true, batches: Vec::new() });
            None
        } else {
            let fields = partition_columns
                .iter()
                .map(|&i| SortField::new(table.schema().field(i).data_type().clone()))
                .collect();
            Some(RowConverter::new(fields)?)
        };
        Ok(Self {
            table,
            target: target.clone(),
            partition_columns,
            converter,
            allowed,
            known: HashMap::new(),
            groups,
            rows: 0,
            merge: RowMerge::default(),
        })
    }

    /// Says how rows meet stored rows of their key, before the first are pushed. Only a primary key table knows anything but
    /// the default.
    #[must_use]
    pub fn merge_by(mut self, merge: RowMerge) -> Self {
        self.merge = merge;
        self
    }

    /// Rows staged so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes rows with the table's columns and storage types. Returns the positions of rows that belong to no partition of
    /// the target, which are not taken (StarRocks: "The row is out of partition ranges"). A NULL in a NOT NULL column is an
    /// error.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<Vec<usize>> {
        self.push_changes(batch, None)
    }

    /// [`push`](Self::push), where the rows that `deleted` marks say that the row of their key is to be deleted (StarRocks:
    /// `__op` = 1). Only for primary key tables.
    pub fn push_changes(&mut self, batch: &RecordBatch, deleted: Option<&BooleanArray>) -> Result<Vec<usize>> {
        let batch = self.checked(batch)?;
        let deleted = deleted.filter(|deleted| deleted.true_count() > 0);
        let Some(converter) = &self.converter else {
            self.rows += batch.num_rows() as u64;
            self.groups[0].batches.push(StagedRows { batch, deleted: deleted.cloned() });
            return Ok(Vec::new());
        };
        let columns: Vec<ArrayRef> = self.partition_columns.iter().map(|&i| Arc::clone(batch.column(i))).collect();
        let encoded = converter.convert_columns(&columns)?;
        let mut rows_of_group: HashMap<usize, Vec<u32>> = HashMap::new();
        let mut outside = Vec::new();
        let mut last: Option<(&[u8], usize)> = None;
        for (row, key) in encoded.iter().enumerate() {
            let key = key.data();
            // Neighbouring rows mostly share their partition.
            let group = match last {
                Some((last_key, group)) if last_key == key => group,
                _ => match self.known.get(key) {
                    Some(&group) => group,
                    None => {
                        let values: PartitionTuple = columns.iter().map(|c| partition_value(c, row)).collect();
                        let is_allowed = self.allowed.as_ref().is_none_or(|allowed| allowed.contains(&values));
                        if self.groups.len() >= MAX_NEW_PARTITIONS {
                            return Err(Error::Row(format!(
                                "Table {} automatic create partition failed. error: partitions in one batch exceed limit {MAX_NEW_PARTITIONS}",
                                self.table.name()
                            )));
                        }
                        self.groups.push(Group { values, is_allowed, batches: Vec::new() });
                        self.known.insert(key.into(), self.groups.len() - 1);
                        self.groups.len() - 1
                    }
                },
            };
            last = Some((key, group));
            if self.groups[group].is_allowed {
                rows_of_group.entry(group).or_default().push(u32::try_from(row).unwrap_or(u32::MAX));
            } else {
                outside.push(row);
            }
        }
        self.rows += (batch.num_rows() - outside.len()) as u64;
        for (group, rows) in rows_of_group {
            let part = if rows.len() == batch.num_rows() {
                StagedRows { batch: batch.clone(), deleted: deleted.cloned() }
            } else {
                let rows = UInt32Array::from(rows);
                let deleted = deleted.map(|deleted| take(deleted, &rows, None)).transpose()?;
                StagedRows {
                    batch: take_record_batch(&batch, &rows)?,
                    deleted: deleted.map(|deleted| deleted.as_boolean().clone()),
                }
            };
            self.groups[group].batches.push(part);
        }
        Ok(outside)
    }

    /// The batch with the table's own schema.
    fn checked(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = self.table.schema();
        for (index, (column, field)) in batch.columns().iter().zip(schema.fields()).enumerate() {
            // a column that the rows do not carry is looked at when it is known which of them are new
            let is_carried = self.merge.partial_columns.as_ref().is_none_or(|partial| partial.contains(&index));
            if !field.is_nullable() && is_carried && column.null_count() > 0 {
                return Err(Error::Row(format!("NULL value in non-nullable column '{}'", field.name())));
            }
        }
        if self.merge.partial_columns.is_some() {
            return Ok(batch.clone());
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())?)
    }

    /// Makes the staged rows visible, all at once over all partitions, together with the transaction's label. On an error
    /// nothing is visible and the transaction is aborted. With a data folder this writes and syncs files: call it where
    /// blocking is allowed.
    pub fn commit(self, transaction: Transaction, mode: WriteMode) -> Result<Commit> {
        let Self { table, target, groups, rows, merge, .. } = self;
        let transaction_id = transaction.id();
        let key = if table.definition().key_model.is_unique() { table.definition().key_indexes() } else { Vec::new() };
        let is_plain = merge == RowMerge::default() && table.definition().key_model != KeyModel::Aggregate;
        let is_temp = matches!(target, PartitionTarget::Temporary(_));
        let may_create = target == PartitionTarget::All && table.definition().partitioning.is_automatic();
        table.change(Some((transaction, rows)), |change| {
            if mode == WriteMode::Overwrite {
                let indexes = match &target {
                    PartitionTarget::All => {
                        (0..change.partitions.len()).filter(|&i| !change.partitions[i].is_temp).collect()
                    }
                    PartitionTarget::Named(names) | PartitionTarget::Temporary(names) => {
                        change.positions(names, is_temp)?
                    }
                };
                for index in indexes {
                    change.replace(index);
                }
            }
            let mut touched = HashSet::new();
            for group in groups {
                if group.batches.is_empty() {
                    continue;
                }
                let found = if group.values.is_empty() {
                    change.partitions.iter().position(|p| !p.is_temp)
                } else {
                    change.position_of(&group.values, is_temp)
                };
                let index = match found {
                    Some(index) => index,
                    None if may_create => {
                        let mut name = automatic_name(&group.values);
                        if change.position(&name, false).is_some() {
                            name = unique_name(&name, |candidate| change.position(candidate, false).is_some());
                        }
                        change.add(name, vec![group.values], false)?
                    }
                    None => {
                        return Err(Error::Row(
                            "The row is out of partition ranges. Please add a new partition.".to_owned(),
                        ));
                    }
                };
                let is_first = touched.insert(index);
                if mode == WriteMode::OverwriteTouched && is_first {
                    change.replace(index);
                }
                let old = change.partitions[index].batches.clone();
                let upserted = if key.is_empty() {
                    Upserted { kept: old, added: group.batches.into_iter().map(|rows| Arc::new(rows.batch)).collect() }
                } else if is_plain && group.batches.iter().all(|rows| rows.deleted.is_none()) {
                    upsert(&key, &old, &group.batches)?
                } else {
                    merging::merge(table.definition(), table.schema(), &merge, &old, &group.batches)?
                };
                change.set_rows(index, upserted.kept, upserted.added)?;
            }
            Ok(())
        })?;
        Ok(Commit { transaction_id, rows })
    }
}
