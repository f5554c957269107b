//! The http connector: files behind an HTTP server.
//!
//! A catalog of type `http` names a base URL, its credentials and its headers. One file is read by one GET, from
//! [`HttpClient::read`], which resumes a dropped download only while the server says that the file is unchanged.
//! Query strings (signed URLs) are sent as written and never printed: see [`HttpUrl`].

mod catalog;
mod client;
mod error;
mod options;
mod probe;
mod read;
mod request;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
mod url;

use std::sync::Arc;

use crate::catalog::{Catalog, CatalogConfig};
use crate::error::Result;

pub use catalog::HttpCatalog;
pub use client::HttpClient;
pub use options::HttpSettings;
pub use probe::FileProbe;
pub use read::HttpRead;
pub use request::TABLE_OPTION;
pub use url::HttpUrl;

/// Makes a catalog: parses its options, does no I/O.
pub fn open(config: CatalogConfig) -> Result<Arc<dyn Catalog>> {
    Ok(Arc::new(HttpCatalog::try_new(config)?))
}
