//! Write modes: how loads become one write. [`single`] is one load, all or nothing; [`plain`] is many, each visible by itself.
//! Both send rows that are [`held`] until a load is full, [`encode`] them, and send them to one [`target`].

pub(super) mod encode;
pub(super) mod held;
mod loads;
pub(super) mod plain;
pub(super) mod single;
pub(super) mod target;

#[cfg(test)]
mod tests;
