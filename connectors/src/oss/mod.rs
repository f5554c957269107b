//! The connector for buckets: Alibaba Cloud OSS, Amazon S3, and what speaks the S3 protocol (MinIO, Ceph, …).
//!
//! A catalog of type `oss` or `s3` names one bucket, its endpoint and its keys. [`Bucket`] is the protocol: listing, reading, uploading,
//! each request with a timeout, retries and an error that names the catalog. OSS is spoken to by its S3-compatible interface: requests to
//! the bucket's own host, signature version 4, no conditional puts, no `aws-chunked` bodies.

mod answer;
mod bucket;
mod catalog;
mod client;
mod error;
mod list;
mod options;
mod read;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
mod upload;

use std::sync::Arc;

use crate::catalog::{Catalog, CatalogConfig, CatalogKind};
use crate::error::Result;

pub use bucket::Bucket;
pub use catalog::BucketCatalog;
pub use list::{ListEntry, Listing};
pub use read::ObjectRead;
pub use upload::UploadedPart;

/// Makes a catalog of type oss or s3: parses its options, does no I/O.
///
/// # Errors
/// Code Option, naming the catalog and the option.
pub fn open(kind: CatalogKind, config: CatalogConfig) -> Result<Arc<dyn Catalog>> {
    Ok(Arc::new(BucketCatalog::try_new(kind, config)?))
}
