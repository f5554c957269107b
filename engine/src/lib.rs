//! Syncline: sync data between systems with SQL.

pub mod report;
