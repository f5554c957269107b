//! A catalog of type oss or s3: one bucket.

use std::sync::Arc;

use async_trait::async_trait;

use super::bucket::Bucket;
use super::options::BucketSettings;
use crate::catalog::{Catalog, CatalogConfig, CatalogKind, CheckItem, FileCatalog};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::http_client::addresses;
use crate::object_store::FileLocation;

/// The objects of one bucket.
#[derive(Debug)]
pub struct BucketCatalog {
    name: String,
    kind: CatalogKind,
    bucket: Arc<Bucket>,
}

impl BucketCatalog {
    /// Parses the options; no I/O.
    ///
    /// # Errors
    /// Code Option, naming the catalog and the option.
    pub fn try_new(kind: CatalogKind, config: CatalogConfig) -> Result<Self> {
        let settings = BucketSettings::from_options(kind, &config.name, &config.options)?;
        let bucket = Arc::new(Bucket::new(kind, config.name.clone(), settings));
        Ok(Self { name: config.name, kind, bucket })
    }

    async fn check_name(&self) -> std::result::Result<String, String> {
        let host = self.bucket.host();
        match addresses(host).await {
            Ok(found) if !found.is_empty() => Ok(format!("{} address(es)", found.len())),
            _ => Err(format!("catalog \"{}\": the name {host} has no address; check \"endpoint\" and DNS", self.name)),
        }
    }

    async fn check_list(&self) -> std::result::Result<String, String> {
        match self.bucket.list_page("", Some("/"), None, Some(1)).await {
            Ok((entries, _)) if entries.is_empty() => Ok("permitted; the bucket is empty".to_owned()),
            Ok(_) => Ok("permitted".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asks to give up an upload that does not exist: who may not write is refused before that is noticed. Nothing is written.
    async fn check_write(&self) -> std::result::Result<String, String> {
        if self.bucket.is_anonymous() {
            return Ok("read only: the catalog has no key".to_owned());
        }
        match self.bucket.abort_multipart(".syncline-check", "syncline-check").await {
            Err(error) if error.code() == ErrorCode::Login => Ok("read only: the key may not end uploads".to_owned()),
            Err(error) if error.is_retryable() => Err(error.to_string()),
            Ok(()) | Err(_) => Ok("not refused (nothing was written to find out)".to_owned()),
        }
    }
}

#[async_trait]
impl Catalog for BucketCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> CatalogKind {
        self.kind
    }

    async fn check(&self) -> Vec<CheckItem> {
        let item = |what: String, outcome| CheckItem { what, outcome };
        let found = self.check_name().await;
        let mut items = vec![item(format!("find {}", self.bucket.host()), found)];
        if items[0].outcome.is_ok() {
            items.push(item(format!("list {}", self.bucket), self.check_list().await));
        }
        if items.iter().all(|item| item.outcome.is_ok()) {
            items.push(item(format!("write {}", self.bucket), self.check_write().await));
        }
        items
    }

    fn files(self: Arc<Self>) -> Option<Arc<dyn FileCatalog>> {
        Some(self)
    }
}

impl FileCatalog for BucketCatalog {
    /// The path after its first slash is the key as it is: nothing in it is decoded.
    fn location(&self, path: &str) -> Result<FileLocation> {
        let Some(key) = path.strip_prefix('/') else {
            let message =
                format!("catalog \"{}\": a path in it starts with a slash, as in 'name:/folder/file.txt'", self.name);
            return Err(ConnectorError::option(message));
        };
        self.bucket.url(key, &[])?;
        Ok(FileLocation::Object { bucket: Arc::clone(&self.bucket), key: key.to_owned() })
    }

    fn bucket(&self) -> Option<&Arc<Bucket>> {
        Some(&self.bucket)
    }
}
