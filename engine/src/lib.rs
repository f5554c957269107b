//! Syncline: sync data between systems with SQL.

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod report;
