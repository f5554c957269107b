//! Write modes: how loads become one write. [`single`] is one load, all or nothing; [`transaction`] is any number of transactions that
//! are committed together; [`staging_table`] and [`temporary_partition`] load out of the readers' sight and end with one statement on the
//! server; [`plain`] is many loads, each visible by itself. All [`encode`] their rows and send them to one [`target`].

pub(super) mod choice;
pub(super) mod constant_columns;
mod decided;
mod encode;
pub(super) mod gate;
pub(super) mod held;
mod held_batch;
mod loads;
mod loads_writer;
pub(super) mod native;
mod open_load;
pub(super) mod partition_places;
pub(super) mod plain;
pub(super) mod recovery;
pub(super) mod single;
pub(super) mod staging_table;
mod statement;
pub(super) mod target;
pub(super) mod temporary_partition;
pub(super) mod transaction;
mod transaction_series;
mod transaction_size;
mod transaction_writer;

#[cfg(test)]
mod tests;
