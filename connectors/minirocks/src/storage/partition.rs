//! The state of a table at one moment: partitions and their rows.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use jiff::Timestamp;

/// The text of one partition value as the server prints it (`2024-08-07` for a DATE); `None` is NULL.
pub type PartitionValue = Option<String>;

/// The values of all partition columns, in their order.
pub type PartitionTuple = Vec<PartitionValue>;

/// The partitions of a table at one moment.
#[derive(Debug, Clone, Default)]
pub struct TableSnapshot {
    /// Counts the commits of the table.
    pub version: u64,
    /// All partitions in the order they were made, temporary ones too.
    pub partitions: Vec<Arc<Partition>>,
}

/// One partition at one moment.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Its id, unique in the server.
    pub id: u64,
    /// Its name, with its case; compared without case.
    pub name: String,
    /// The values it holds; empty for a table without partitions.
    pub values: Vec<PartitionTuple>,
    /// Whether it was made by ADD TEMPORARY PARTITION; queries do not see it.
    pub is_temp: bool,
    /// Counts its commits; 1 is the empty partition (StarRocks: `PARTITION_INIT_VERSION`).
    pub version: u64,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Its rows.
    pub batches: Vec<Arc<RecordBatch>>,
    /// Names of the Parquet files that hold the rows, in the table's folder.
    pub(super) files: Vec<String>,
}

impl TableSnapshot {
    /// The partitions that queries see.
    pub fn visible(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions.iter().filter(|p| !p.is_temp)
    }

    /// The batches that queries see.
    pub fn batches(&self) -> impl Iterator<Item = &Arc<RecordBatch>> {
        self.visible().flat_map(|p| &p.batches)
    }

    /// The number of rows that queries see.
    pub fn rows(&self) -> u64 {
        self.visible().map(|p| p.rows()).sum()
    }

    /// A partition by name, without regard to case.
    pub fn partition(&self, name: &str, is_temp: bool) -> Option<&Arc<Partition>> {
        self.position(name, is_temp).map(|index| &self.partitions[index])
    }

    pub(super) fn position(&self, name: &str, is_temp: bool) -> Option<usize> {
        let folded = name.to_lowercase();
        self.partitions.iter().position(|p| p.is_temp == is_temp && p.name.to_lowercase() == folded)
    }
}

impl Partition {
    pub(super) fn empty(id: u64, name: String, values: Vec<PartitionTuple>, is_temp: bool) -> Self {
        Self {
            id,
            name,
            values,
            is_temp,
            version: 1,
            changed_at: Timestamp::now(),
            batches: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.batches.iter().map(|b| b.num_rows() as u64).sum()
    }

    /// Bytes of memory that the rows take.
    pub fn bytes(&self) -> u64 {
        self.batches.iter().map(|b| b.get_array_memory_size() as u64).sum()
    }
}
