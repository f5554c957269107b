//! Write modes: how loads become one write. [`single`] is one load, all or nothing; [`transaction`] is any number of transactions that
//! are committed together; [`plain`] is many loads, each visible by itself. All send rows to one [`target`].

pub(super) mod choice;
mod decided;
pub(super) mod gate;
pub(super) mod held;
pub(super) mod plain;
pub(super) mod recovery;
pub(super) mod single;
mod spill;
pub(super) mod target;
pub(super) mod transaction;
mod transaction_writer;

#[cfg(test)]
mod tests;
