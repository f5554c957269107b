//! A bucket: who is asked, and for which key.

use std::fmt;
use std::sync::OnceLock;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::options::BucketSettings;
use crate::catalog::CatalogKind;
use crate::error::{ConnectorError, Result};
use crate::throttle::{Throttle, Throttles};

/// What stays as it is in signed URLs: letters, digits and four marks (RFC 3986 2.3; Amazon S3: SigV4, UriEncode).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// A bucket of OSS, S3 or what speaks its protocol, with its keys, timeouts and retries. Making one does no I/O.
///
/// Display is `oss://bucket`; it and Debug hold no secret. Every request is bounded in time, and tried again after a lost connection, after
/// 429 and 5xx, with backoff or as long as `Retry-After` says.
pub struct Bucket {
    kind: CatalogKind,
    catalog: String,
    pub(super) settings: BucketSettings,
    /// The catalog's limits of speed.
    throttles: Throttles,
    pub(super) client: OnceLock<reqwest::Client>,
    /// A client without a timeout for silence: bytes that go out are not silence.
    pub(super) upload_client: OnceLock<reqwest::Client>,
}

impl Bucket {
    pub(super) fn new(kind: CatalogKind, catalog: String, settings: BucketSettings) -> Self {
        let throttles = Throttles::of_catalog(Throttle::new(settings.speed).as_ref());
        Self { kind, catalog, settings, throttles, client: OnceLock::new(), upload_client: OnceLock::new() }
    }

    /// The limits of speed that hold for all that is read from or written to the bucket.
    pub(crate) fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// How many objects or ranges are read, and how many writers write at the same time at most.
    pub(crate) fn max_connections(&self) -> Option<usize> {
        self.settings.max_connections
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.settings.bucket
    }

    /// The name of the catalog that defines it.
    pub fn catalog(&self) -> &str {
        &self.catalog
    }

    /// `oss` or `s3`: the scheme of the bucket's URLs.
    pub fn scheme(&self) -> &'static str {
        self.kind.name()
    }

    /// Whether `bucket`, or `bucket.endpoint` as EMR writes it, means this bucket. The internal endpoint is of the same bucket as the public one.
    pub fn is_named(&self, authority: &str) -> bool {
        let own = self.host();
        let endpoint = own.strip_prefix(&format!("{}.", self.name())).unwrap_or(own);
        let region = |host: &str| host.to_ascii_lowercase().replace("-internal.", ".");
        match authority.strip_prefix(self.name()) {
            Some("") => true,
            Some(rest) => rest.strip_prefix('.').is_some_and(|host| region(host) == region(endpoint)),
            None => false,
        }
    }

    /// The host that requests go to.
    pub(super) fn host(&self) -> &str {
        self.settings.base.host_str().unwrap_or_default()
    }

    /// Host and port, for messages.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host(), self.settings.base.port_or_known_default().unwrap_or_default())
    }

    /// The object with its catalog in front, for messages.
    pub(crate) fn describe(&self, key: &str) -> String {
        format!("catalog \"{}\": {self}/{}", self.catalog, key.escape_debug())
    }

    /// Whether requests are sent without a signature.
    pub(super) fn is_anonymous(&self) -> bool {
        self.settings.credential.is_none()
    }

    /// A text of the server's without the catalog's keys and without control characters.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Some(credential) = &self.settings.credential {
            let token = credential.token.as_deref();
            for secret in [credential.secret_key.as_str(), credential.key_id.as_str()].into_iter().chain(token) {
                text = text.replace(secret, "***");
            }
        }
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// The URL of a key with a query string, encoded as the signature wants it.
    pub(super) fn url(&self, key: &str, query: &[(&str, &str)]) -> Result<String> {
        // A URL's reader takes these for steps up and down, encoded or not: it would ask for another object.
        if key.split('/').any(|part| part == "." || part == "..") {
            let message = format!("{} has a part \".\" or \"..\", which no URL can hold", self.describe(key));
            return Err(ConnectorError::option(message));
        }
        let mut url = format!("{}{}", self.settings.base, utf8_percent_encode(key, ENCODED_IN_PATH));
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, ENCODED));
        }
        Ok(url)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.name())
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({self} of catalog {})", self.catalog)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn bucket(endpoint: &str) -> Bucket {
        let options: Options = [("bucket", "lake"), ("endpoint", endpoint)].into_iter().collect();
        let settings = BucketSettings::from_options(CatalogKind::Oss, "test_g", &options).unwrap();
        Bucket::new(CatalogKind::Oss, "test_g".to_owned(), settings)
    }

    #[test]
    fn a_bucket_is_named_alone_or_with_its_endpoint() {
        let bucket = bucket("oss-cn-hangzhou.aliyuncs.com");
        for (authority, is_named) in [
            ("lake", true),
            ("lake.oss-cn-hangzhou.aliyuncs.com", true),
            ("lake.oss-cn-hangzhou-internal.aliyuncs.com", true),
            ("lake.oss-cn-beijing.aliyuncs.com", false),
            ("lake2", false),
            ("lak", false),
            ("lake.", false),
        ] {
            assert_eq!(bucket.is_named(authority), is_named, "{authority}");
        }
    }

    #[test]
    fn a_key_is_encoded_and_never_changed() {
        let bucket = bucket("http://localhost:9000");
        let url = bucket.url("/a//b c+ü%41?#", &[("prefix", "x=/&y")]).unwrap();
        assert_eq!(url, "http://lake.localhost:9000//a//b%20c%2B%C3%BC%2541%3F%23?prefix=x%3D%2F%26y");
        assert!(bucket.url("a/%2e%2e/b", &[]).is_ok());
        assert!(bucket.url("a/../b", &[]).is_err());
    }
}
