//! MySQL, MariaDB and what speaks their protocol and dialect: reading tables in parallel, and native statements.
//!
//! A [`MySqlCatalog`](catalog::MySqlCatalog) looks a table up when a statement names it; the [`MySqlTable`](table::MySqlTable)
//! plans a [`MySqlExec`](scan::MySqlExec), which streams rows over the binary protocol straight into Arrow. Writing is in [`sink`].

use std::sync::Arc;

use crate::catalog::{Catalog, CatalogConfig};
use crate::error::Result;

pub mod catalog;
mod definition;
pub mod options;
pub mod scan;
pub mod sink;
pub mod snapshot;
mod splits;
pub mod table;
pub mod types;

#[cfg(test)]
mod tests;

/// Makes a catalog: parses its options, does no I/O.
///
/// # Errors
/// [`ErrorCode::Option`](crate::error::ErrorCode::Option) for options that are unknown, missing or have a bad value.
pub fn open(config: CatalogConfig) -> Result<Arc<dyn Catalog>> {
    Ok(Arc::new(catalog::MySqlCatalog::new(&config)?))
}
