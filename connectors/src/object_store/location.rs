//! What `LOCATION` names, the files behind it, and their bytes.

use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::HeaderValue;

use super::local::{self, LocalFile, LocalRead};
use super::objects::{self, FoundObject};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::http::{HttpClient, HttpRead, HttpUrl, TABLE_OPTION};
use crate::options::Options;
use crate::oss::{Bucket, ObjectRead};
use crate::throttle::Throttles;

/// Where a table's files are. Display and Debug hold no secret.
#[derive(Debug, Clone)]
pub enum FileLocation {
    /// A file, a directory or a pattern with `*`, `?`, `[…]` on this machine.
    Local(PathBuf),
    /// One file behind an HTTP server.
    Http {
        /// Who asks: credentials, headers, timeouts.
        client: Arc<HttpClient>,
        /// The file.
        url: HttpUrl,
    },
    /// An object, a folder of objects or a pattern in a bucket of OSS or S3.
    Object {
        /// The bucket, with its catalog's keys.
        bucket: Arc<Bucket>,
        /// The key as it is, without a slash in front; empty for the bucket's root.
        key: String,
    },
}

impl FileLocation {
    /// Reads a URL (`http://`, `https://`, `file://`) or else a path, which is relative to `folder`.
    /// `catalog:/path`, `oss://` and `s3://` are the caller's to look up, with [`FileCatalog::location`](crate::FileCatalog::location).
    ///
    /// # Errors
    /// Code Option for a URL of another scheme or one that does not parse.
    pub fn parse(text: &str, folder: &Path) -> Result<Self> {
        let Some((scheme, _)) = text.split_once("://") else { return Ok(Self::Local(folder.join(text))) };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => {
                let (client, url) = HttpClient::for_url(text)?;
                Ok(Self::Http { client, url })
            }
            "file" => {
                // A path ends at ? and #, which would be another file than the one meant.
                let url = url::Url::parse(text).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
                let path = url.and_then(|url| url.to_file_path().ok());
                path.map(Self::Local).ok_or_else(|| {
                    ConnectorError::option("not a URL of a file on this machine (? and # are written %3F and %23)")
                })
            }
            "oss" | "s3" => Err(ConnectorError::option(format!("a location of scheme {scheme} needs a catalog"))),
            "hdfs" => Err(ConnectorError::new(
                ErrorCode::Unsupported,
                "files in HDFS are not read; copy them to a bucket, or serve them by HTTP (WebHDFS, HttpFS)",
            )),
            _ => Err(ConnectorError::option(format!(
                "a location of scheme \"{}\" is not known; known are oss, s3, http, https, file, and paths",
                scheme.escape_debug()
            ))),
        }
    }

    /// The same location, asked for as a table's properties `http.…` say; other properties do not count.
    ///
    /// # Errors
    /// Code Option for values that are none, and where there is no HTTP server.
    pub fn with_http_options(self, options: &Options) -> Result<Self> {
        let is_http =
            |name: &str| name.get(..TABLE_OPTION.len()).is_some_and(|it| it.eq_ignore_ascii_case(TABLE_OPTION));
        let Some((name, _)) = options.iter().find(|(name, _)| is_http(name)) else { return Ok(self) };
        match self {
            Self::Http { client, url } => Ok(Self::Http { client: client.for_table(options)?, url }),
            Self::Local(_) | Self::Object { .. } => {
                Err(ConnectorError::option(format!("property \"{name}\" is of files behind an HTTP server")))
            }
        }
    }

    /// The text by which the location is found again in another process; no secret. That of a bucket is `CATALOG:/key`.
    pub fn reference(&self) -> String {
        match self {
            Self::Object { bucket, key } => format!("{}:/{key}", bucket.catalog()),
            Self::Local(_) | Self::Http { .. } => self.to_string(),
        }
    }

    /// A file or folder below this folder; `name` is a path of relative parts.
    ///
    /// # Errors
    /// Code Unsupported where there are no folders.
    pub fn below(&self, name: &str) -> Result<Self> {
        match self {
            Self::Local(path) => Ok(Self::Local(path.join(name))),
            Self::Http { .. } => Err(ConnectorError::new(ErrorCode::Unsupported, format!("{self} is no folder"))),
            Self::Object { bucket, key } => {
                Ok(Self::Object { bucket: Arc::clone(bucket), key: format!("{}{name}", objects::folder_prefix(key)) })
            }
        }
    }

    /// The files: of a folder those whose names start with neither `_` nor `.`, by name; of an HTTP URL that one, if it is there.
    ///
    /// # Errors
    /// Code Io when a path does not exist or cannot be read, Login, Http or Connection when a server does not show it, Unsupported when there
    /// are more files than can be held.
    pub async fn list(&self) -> Result<Vec<FoundFile>> {
        match self {
            Self::Local(path) => {
                let found = local::list(path.clone()).await?;
                Ok(found.into_iter().map(|file| FoundFile::new(Found::Local(Box::new(file)))).collect())
            }
            Self::Http { client, url } => {
                let probe = client.probe(url).await?;
                let etag = probe.etag.filter(|_| probe.ranges);
                let file = HttpFile { client: Arc::clone(client), url: url.clone(), size: probe.size, etag };
                Ok(vec![FoundFile::new(Found::Http(Box::new(file)))])
            }
            Self::Object { bucket, key } => {
                let found = objects::list(bucket, key).await?;
                Ok(found.into_iter().map(|object| FoundFile::new(Found::Object(Arc::clone(bucket), object))).collect())
            }
        }
    }

    /// The names of the folders in this folder, sorted, without those that start with `_` or `.`. A bucket has no empty folders, so one that
    /// holds nothing has none.
    ///
    /// # Errors
    /// Code Io when a path does not exist or cannot be read, Unsupported where there are no folders, else as [`list`](Self::list).
    pub async fn folders(&self) -> Result<Vec<OsString>> {
        match self {
            Self::Local(path) => local::folders(path.clone()).await,
            Self::Http { .. } => Err(ConnectorError::new(ErrorCode::Unsupported, format!("{self} is no folder"))),
            Self::Object { bucket, key } => {
                Ok(objects::folders(bucket, key).await?.into_iter().map(OsString::from).collect())
            }
        }
    }
}

impl fmt::Display for FileLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Http { url, .. } => write!(f, "{url}"),
            Self::Object { bucket, key } => write!(f, "{bucket}/{key}"),
        }
    }
}

/// One version of a file of a location. It holds little, because a location may hold a million of them.
#[derive(Debug, Clone)]
pub struct FoundFile {
    found: Found,
    /// Limits of speed of the catalog and of the statement that reads.
    throttles: Throttles,
}

#[derive(Debug, Clone)]
enum Found {
    Local(Box<LocalFile>),
    Http(Box<HttpFile>),
    Object(Arc<Bucket>, FoundObject),
}

#[derive(Debug, Clone)]
struct HttpFile {
    client: Arc<HttpClient>,
    url: HttpUrl,
    size: Option<u64>,
    /// The version's strong ETag, if the server serves ranges.
    etag: Option<HeaderValue>,
}

impl FoundFile {
    fn new(found: Found) -> Self {
        let throttles = match &found {
            Found::Local(_) => Throttles::none(),
            Found::Http(file) => file.client.throttles().clone(),
            Found::Object(bucket, _) => bucket.throttles().clone(),
        };
        Self { found, throttles }
    }

    /// The same file, read no faster than a statement allows.
    #[must_use]
    pub(crate) fn with_throttles(self, throttles: &Throttles) -> Self {
        if throttles.is_none() {
            return self;
        }
        Self { throttles: self.throttles.and(throttles), ..self }
    }

    /// The limits of speed that hold for reading the file; its bytes are counted where they are read.
    pub(crate) fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// How many files or ranges of its catalog one read may read at the same time at most.
    pub(crate) fn max_connections(&self) -> Option<usize> {
        match &self.found {
            Found::Local(_) => None,
            Found::Http(file) => file.client.max_connections(),
            Found::Object(bucket, _) => bucket.max_connections(),
        }
    }

    /// The length in bytes as stored, where it is known.
    pub fn size(&self) -> Option<u64> {
        match &self.found {
            Found::Local(file) => Some(file.size),
            Found::Http(file) => file.size,
            Found::Object(_, object) => Some(object.size),
        }
    }

    /// What the file's name ends with says of its compression; the query string of a URL is no part of it.
    pub fn path(&self) -> &str {
        match &self.found {
            Found::Local(file) => file.path.to_str().unwrap_or_default(),
            Found::Http(file) => file.url.path(),
            Found::Object(_, object) => &object.key,
        }
    }

    /// Whether [`open_range`](Self::open_range) reads any part of this file: its length is known, and whoever holds it serves ranges of
    /// one version of it.
    pub fn has_ranges(&self) -> bool {
        match &self.found {
            Found::Local(_) | Found::Object(..) => true,
            Found::Http(file) => file.size.is_some() && file.etag.is_some(),
        }
    }

    /// Fails if a local file is another than the one that was found: its bytes may be of two versions. Others are read by version.
    pub(crate) async fn check(&self) -> Result<()> {
        match &self.found {
            Found::Local(file) => local::check(file.as_ref().clone()).await,
            Found::Http(_) | Found::Object(..) => Ok(()),
        }
    }

    /// Starts to read the bytes of a range, which ends at the file's end at the latest.
    ///
    /// # Errors
    /// Code Io, Login, Http or Connection, naming the file, also when it is another version than was listed; Unsupported for a file that
    /// [has no ranges](Self::has_ranges).
    pub async fn open_range(&self, range: Range<u64>) -> Result<FileRead> {
        match &self.found {
            Found::Local(file) => {
                Ok(self.read(Inner::Local(Box::new(LocalRead::open_range(file.as_ref().clone(), range).await?))))
            }
            Found::Http(file) => match (file.size, &file.etag) {
                (Some(size), Some(etag)) => {
                    let client = Arc::clone(&file.client);
                    let read = client.read_range(&file.url, etag.clone(), size, range).await?;
                    Ok(self.read(Inner::Http(Box::new(read))))
                }
                _ => Err(ConnectorError::new(ErrorCode::Unsupported, format!("{self} cannot be read in parts"))),
            },
            Found::Object(bucket, object) => {
                let read = Arc::clone(bucket).read(&object.key, &object.etag, object.size, range).await?;
                Ok(self.read(Inner::Object(Box::new(read))))
            }
        }
    }

    /// Starts to read.
    ///
    /// # Errors
    /// Code Io, Login, Http or Connection, naming the file.
    pub async fn open(&self) -> Result<FileRead> {
        match &self.found {
            Found::Local(file) => Ok(self.read(Inner::Local(Box::new(LocalRead::open(file.as_ref().clone()).await?)))),
            Found::Http(file) => Ok(self.read(Inner::Http(Box::new(Arc::clone(&file.client).read(&file.url).await?)))),
            Found::Object(..) => self.open_range(0..u64::MAX).await,
        }
    }

    fn read(&self, inner: Inner) -> FileRead {
        FileRead { inner, throttles: self.throttles.clone(), waiting: Bytes::new() }
    }
}

impl fmt::Display for FoundFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::Local(file) => write!(f, "{}", file.path.display()),
            Found::Http(file) => write!(f, "{}", file.url),
            Found::Object(bucket, object) => write!(f, "{bucket}/{}", object.key),
        }
    }
}

/// A file that is being read, from its start to its end, or a part of one.
#[derive(Debug)]
pub struct FileRead {
    inner: Inner,
    throttles: Throttles,
    /// Bytes that are here before their turn.
    waiting: Bytes,
}

#[derive(Debug)]
enum Inner {
    Local(Box<LocalRead>),
    Http(Box<HttpRead>),
    Object(Box<ObjectRead>),
}

impl FileRead {
    /// The next bytes, never empty; None at the end.
    ///
    /// # Errors
    /// Code Io, Login, Http or Connection, naming the file, also when it has changed since it was listed or since its first byte was read:
    /// the bytes are of one version.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.throttles.is_none() {
            return self.receive().await;
        }
        if self.waiting.is_empty() {
            let Some(bytes) = self.receive().await? else { return Ok(None) };
            self.waiting = bytes;
        }
        let turn = self.waiting.len().min(self.throttles.bytes_at_once().max(1));
        self.throttles.take(0, turn).await;
        Ok(Some(self.waiting.split_to(turn)))
    }

    async fn receive(&mut self) -> Result<Option<Bytes>> {
        match &mut self.inner {
            Inner::Local(read) => read.next().await,
            Inner::Http(read) => read.next().await,
            Inner::Object(read) => read.next().await,
        }
    }

    /// The coding that a server put on the bytes though none was asked for, such as `gzip`.
    pub fn content_encoding(&self) -> Option<&str> {
        match &self.inner {
            Inner::Local(_) => None,
            Inner::Http(read) => read.content_encoding(),
            Inner::Object(read) => read.content_encoding(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_url_or_a_path_in_the_folder() {
        let parse = |text: &str| FileLocation::parse(text, Path::new("/jobs"));
        assert_eq!(parse("data/log.txt").unwrap().to_string(), "/jobs/data/log.txt");
        assert_eq!(parse("/data/log.txt").unwrap().to_string(), "/data/log.txt");
        assert_eq!(parse("file:///data/a%20b.txt").unwrap().to_string(), "/data/a b.txt");
        assert_eq!(parse("HTTP://h.example/log.txt?sig=1").unwrap().to_string(), "http://h.example/log.txt?sig=***");
        for text in
            ["oss://bucket/x", "hdfs://n/x", "gopher://h/x", "file://host/x", "file:///a?b", "file:///a#b", "http://"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn user_and_password_of_a_url_are_not_printed() {
        let location = FileLocation::parse("https://ann:hunter2@h.example/x", Path::new("/")).unwrap();
        assert!(!format!("{location} {location:?}").contains("hunter2"));
    }
}
