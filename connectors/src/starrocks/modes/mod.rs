//! Write modes: how loads become one write. [`single`] is one load, all or nothing; [`plain`] is many, each visible by itself;
//! [`staging_table`] and [`temporary_partition`] load out of the readers' sight and end with one statement on the server.
//! All send rows that are [`held`] until a load is full, to one [`target`].

pub(super) mod constant_columns;
pub(super) mod held;
mod loads;
pub(super) mod partition_places;
pub(super) mod plain;
pub(super) mod single;
pub(super) mod staging_table;
mod statement;
pub(super) mod target;
pub(super) mod temporary_partition;

#[cfg(test)]
mod tests;
