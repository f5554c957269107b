//! A catalog of type http.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, StatusCode};

use super::client::HttpClient;
use super::error;
use super::options::HttpSettings;
use super::url::HttpUrl;
use crate::catalog::{Catalog, CatalogConfig, CatalogKind, CheckItem, FileCatalog};
use crate::error::{ConnectorError, Result};
use crate::object_store::FileLocation;

/// The files behind one base URL.
#[derive(Debug)]
pub struct HttpCatalog {
    name: String,
    base: HttpUrl,
    client: Arc<HttpClient>,
}

impl HttpCatalog {
    /// Parses the options; no I/O.
    ///
    /// # Errors
    /// Code Option, naming the catalog and the option.
    pub fn try_new(config: CatalogConfig) -> Result<Self> {
        let (base, settings) = HttpSettings::from_options(&config.name, &config.options)?;
        let client = HttpClient::new(Some(config.name.clone()), settings);
        Ok(Self { name: config.name, base, client })
    }

    /// The base without its final slash, then the path as written, its query string too.
    fn join(&self, path: &str) -> Result<HttpUrl> {
        let refuse = |what: &str| ConnectorError::option(format!("catalog \"{}\": {what}", self.name));
        if !path.starts_with('/') {
            return Err(refuse("a path in it starts with a slash, as in 'name:/folder/file.txt'"));
        }
        let base = self.base.expose().as_str();
        if self.base.expose().query().is_some() {
            return Err(refuse("its \"url\" has a query string, so no path can follow it"));
        }
        let joined = format!("{}{path}", base.strip_suffix('/').unwrap_or(base)).parse::<HttpUrl>()?;
        // A path cannot lead to another server; should that ever fail, the catalog's credentials must not go there.
        if !joined.same_origin(&self.base) {
            return Err(refuse("the path leads to another server"));
        }
        Ok(joined)
    }
}

#[async_trait]
impl Catalog for HttpCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> CatalogKind {
        CatalogKind::Http
    }

    async fn check(&self) -> Vec<CheckItem> {
        vec![CheckItem { what: format!("reach {}", self.base), outcome: check_base(&self.client, &self.base).await }]
    }

    fn files(self: Arc<Self>) -> Option<Arc<dyn FileCatalog>> {
        Some(self)
    }
}

/// The base itself is seldom a file, so "not found" and "forbidden" (a bucket that may not be listed) still show that the server is there.
async fn check_base(client: &HttpClient, base: &HttpUrl) -> std::result::Result<String, String> {
    let head = client.send(&Method::HEAD, base, &HeaderMap::new(), 0).await;
    let answered = match head {
        Ok(response) if response.status().is_success() => Ok(response),
        _ => {
            let first_byte = HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=0-0"))]);
            client.send(&Method::GET, base, &first_byte, 1).await
        }
    };
    let status = answered.map_err(|error| error.to_string())?.status();
    let text = error::status_text(status);
    match status {
        _ if status.is_success() => Ok(format!("HTTP {text}")),
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::RANGE_NOT_SATISFIABLE => {
            Ok(format!("the server answers (HTTP {text} for the base itself, which need not be a file)"))
        }
        _ => Err(client.status_error(base, status).to_string()),
    }
}

impl FileCatalog for HttpCatalog {
    fn location(&self, path: &str) -> Result<FileLocation> {
        Ok(FileLocation::Http { client: Arc::clone(&self.client), url: self.join(path)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(url: &str) -> HttpCatalog {
        let config = CatalogConfig {
            name: "files".to_owned(),
            options: [("url", url), ("header.x-token", "abc")].into_iter().collect(),
            timezone: "UTC".to_owned(),
            timezone_is_forced: false,
        };
        HttpCatalog::try_new(config).unwrap()
    }

    #[test]
    fn a_path_follows_the_base_as_written() {
        for (base, path, url) in [
            ("https://h.example", "/user_log.txt", "https://h.example/user_log.txt"),
            ("https://h.example/", "/user_log.txt", "https://h.example/user_log.txt"),
            (
                "https://h.example/a/b/",
                "/c.txt?Expires=1&Signature=x%2By",
                "https://h.example/a/b/c.txt?Expires=1&Signature=x%2By",
            ),
            ("https://h.example/a//", "/c", "https://h.example/a//c"),
        ] {
            assert_eq!(catalog(base).join(path).unwrap().expose().as_str(), url);
        }
    }

    #[test]
    fn a_path_cannot_lead_to_another_server() {
        let catalog = catalog("https://h.example");
        for path in ["@evil.example/x", ".evil.example/x", ":8443/x", "x"] {
            assert!(catalog.join(path).is_err(), "{path}");
        }
        assert_eq!(catalog.join("//evil.example/x").unwrap().expose().as_str(), "https://h.example//evil.example/x");
    }

    #[test]
    fn a_location_prints_without_secrets() {
        let location = catalog("https://u:pw1@h.example").location("/f?sig=pw2").unwrap();
        let printed = format!("{location} {location:?}");
        assert!(printed.contains("https://h.example/f?sig=***"), "{printed}");
        for secret in ["pw1", "pw2", "abc"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
