//! The starrocks connector: SQL over the MySQL text protocol, writes over Stream Load.
//!
//! `catalog` answers for names, definitions and native statements; `table` and `scan` read, with `filters` deciding what the
//! server filters, `splits` cutting a table into pieces, `top_k` handing on `ORDER BY … LIMIT`, and `decode` turning the server's text into
//! Arrow; `types` is the table of types. `ddl` writes CREATE TABLE after tables of other systems. A write is planned in `sink` with the
//! options of `write_options` and what `upsert` allows for the table's model, runs in one of `modes`, and reaches the server through
//! `stream_load`. Bytes that a broken load would need again are `kept`.

mod abilities;
pub mod catalog;
mod ddl;
mod decode;
mod error;
mod filters;
mod kept;
mod modes;
mod options;
mod partition_clause;
mod partitions;
mod query;
pub mod scan;
mod sink;
mod splits;
mod stream_load;
pub mod table;
pub mod top_k;
pub mod types;
mod upsert;
mod write_options;

use std::sync::Arc;

use crate::catalog::{Catalog, CatalogConfig};
use crate::error::Result;
pub use catalog::StarrocksCatalog;

/// Makes a catalog: parses its options, does no I/O.
pub fn open(config: CatalogConfig) -> Result<Arc<dyn Catalog>> {
    Ok(Arc::new(StarrocksCatalog::new(&config)?))
}

#[cfg(test)]
mod tests;
