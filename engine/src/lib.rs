//! Syncline: sync data between systems with SQL.

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod error;
pub mod report;

mod catalogs;
mod clock;
mod config;
mod engine;
mod external_table;
mod names;
mod permission;
mod planning;
mod reference;
mod run;
mod runner;
mod scope;
mod session;
mod sql_front;
mod state;

pub use engine::{CatalogCheck, Engine, EngineBuilder};
pub use error::{Result, SynclineError};
pub use permission::Permission;
pub use run::{Run, RunEvent, RunOptions, RunStopper, Script, WriteOptions};
pub use session::Session;
pub use syncline_connectors::Options;
pub use syncline_connectors::catalog::CheckItem;
pub use syncline_connectors::sink::{FoundBy, Reject};
