//! `oss://bucket/path` and `s3://bucket/path`: the catalog that is that bucket.

use syncline_connectors::error::ErrorCode;
use syncline_connectors::object_store::FileLocation;
use syncline_connectors::{CatalogKind, ConnectorError, FileCatalog};

use crate::error::{Result, SynclineError};
use crate::reference::OptionValue;
use crate::scope::Scope;

/// The parts of a location in a bucket.
pub(crate) struct BucketUrl<'a> {
    kind: CatalogKind,
    /// The bucket, with its endpoint behind a dot if EMR's spelling is used: `oss://bucket.endpoint/path`.
    authority: &'a str,
    /// Without a slash in front; as it is, since nothing in it is decoded.
    key: &'a str,
}

impl<'a> BucketUrl<'a> {
    /// Takes a location apart; None if it is none in a bucket. Hadoop has three names for S3.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "oss" => CatalogKind::Oss,
            "s3" | "s3a" | "s3n" => CatalogKind::S3,
            _ => return None,
        };
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self { kind, authority, key })
    }

    /// Finds the session's catalog of this type and bucket.
    pub(crate) fn locate(&self, scope: &Scope) -> Result<FileLocation> {
        let kind = self.kind.name();
        if self.authority.contains('@') {
            let message =
                format!("a location of scheme {kind} takes no key: one in it would be stored and shown with the table");
            return Err(SynclineError::from(ConnectorError::option(message)).hint(self.way_out("…")));
        }
        if self.authority.is_empty() {
            let message = format!("a location of scheme {kind} is {kind}://BUCKET/path");
            return Err(SynclineError::from(ConnectorError::option(message)));
        }
        let mut found = Vec::new();
        for handle in scope.catalogs.iter().filter(|handle| handle.definition.kind == self.kind) {
            let options = &handle.definition.options;
            // another bucket's catalog may lack what it needs, and is not asked
            let bucket = options.iter().find(|(name, _)| name.eq_ignore_ascii_case("bucket"));
            if let Some((_, OptionValue::Text(bucket))) = bucket
                && !self.authority.starts_with(bucket.expose().trim())
            {
                continue;
            }
            let files = scope.catalog(&handle.definition.name)?.files();
            found.extend(files.filter(|files| files.bucket().is_some_and(|bucket| bucket.is_named(self.authority))));
        }
        match found.as_slice() {
            [one] => Ok(one.location(&format!("/{}", self.key))?),
            [] => {
                let message = format!("no catalog of type {kind} is the bucket \"{}\"", self.authority.escape_debug());
                let bucket = self.authority.split('.').next().unwrap_or(self.authority);
                Err(SynclineError::from(ConnectorError::new(ErrorCode::Name, message)).hint(self.way_out(bucket)))
            }
            [first, second, ..] => Err(self.ambiguous(first.as_ref(), second.as_ref())),
        }
    }

    fn ambiguous(&self, first: &dyn FileCatalog, second: &dyn FileCatalog) -> SynclineError {
        let message = format!(
            "the catalogs {} and {} are both the bucket \"{}\"",
            first.name(),
            second.name(),
            self.authority.escape_debug()
        );
        SynclineError::from(ConnectorError::new(ErrorCode::Name, message)).hint(format!(
            "name the one you mean: LOCATION '{}:/{}'",
            first.name(),
            self.key
        ))
    }

    fn way_out(&self, bucket: &str) -> String {
        let kind = self.kind.name();
        format!(
            "define a catalog: CREATE EXTERNAL CATALOG name PROPERTIES (\"type\" = \"{kind}\", \"bucket\" = \"{}\", \"endpoint\" = \"…\", \
             \"access_key_id\" = \"${{env:…}}\", \"access_key_secret\" = \"${{env:…}}\")",
            bucket.escape_debug()
        )
    }
}
