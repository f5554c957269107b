//! The starrocks connector.

mod stream_load;

use std::sync::Arc;

use crate::catalog::{Catalog, CatalogConfig};
use crate::error::{ConnectorError, Result};

/// Makes a catalog: parses its options, does no I/O.
pub fn open(config: CatalogConfig) -> Result<Arc<dyn Catalog>> {
    Err(ConnectorError::internal(format!("no starrocks connector for {}", config.name)))
}
