//! Databases, tables, partitions, transactions and labels.
//!
//! A [`Table`] has an unchanging [`TableDefinition`] and a [`TableSnapshot`]: a list of [`Partition`]s whose rows are Arrow
//! record batches. A reader takes the snapshot once and sees that state for as long as it holds it. A writer stages its rows
//! ([`Table::stage`]) and commits them all at once over all partitions ([`StagedWrite::commit`]), under the label of a
//! [`Transaction`].
//!
//! With a data folder, a commit first writes Parquet files and then replaces the table's manifest by an atomic rename, so
//! that a crash leaves the state before or after the commit.

mod database;
mod definition;
mod files;
mod label;
mod merge;
mod names;
mod partition;
mod partition_name;
mod table;
#[cfg(test)]
mod tests;
mod upsert;
mod warehouse;
mod write;

pub use database::Database;
pub use definition::{
    Aggregation, ColumnDefault, ColumnDefinition, Distribution, KeyModel, PartitionScheme, TableDefinition,
};
pub(crate) use label::MAX_RUNNING;
pub use label::{Label, LabelState, Transaction, TransactionInfo};
pub use merge::RowMerge;
pub use partition::{Partition, PartitionTuple, PartitionValue, TableSnapshot};
pub use table::Table;
pub use warehouse::Warehouse;
pub use write::{Commit, PartitionTarget, StagedWrite, WriteMode};
