//! What `LOCATION` names, the files behind it, and their bytes.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::local::{self, LocalRead};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::http::{HttpClient, HttpRead, HttpUrl};

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
}

impl FileLocation {
    /// Reads a URL (`http://`, `https://`, `file://`) or else a path, which is relative to `folder`.
    /// `catalog:/path` is the caller's to look up, with [`FileCatalog::location`](crate::FileCatalog::location).
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
            "oss" | "s3" | "hdfs" => {
                Err(ConnectorError::option(format!("locations of scheme {scheme} are not built yet")))
            }
            _ => Err(ConnectorError::option(format!(
                "a location of scheme \"{}\" is not known; known are http, https, file, and paths",
                scheme.escape_debug()
            ))),
        }
    }

    /// The text by which the location is found again in another process; no secret.
    pub fn reference(&self) -> String {
        self.to_string()
    }

    /// A file or folder below this folder; `name` is a path of relative parts.
    ///
    /// # Errors
    /// Code Unsupported where there are no folders.
    pub fn below(&self, name: &str) -> Result<Self> {
        match self {
            Self::Local(path) => Ok(Self::Local(path.join(name))),
            Self::Http { .. } => Err(ConnectorError::new(ErrorCode::Unsupported, format!("{self} is no folder"))),
        }
    }

    /// The files: of a directory those whose names start with neither `_` nor `.`, by name; of an HTTP URL that one, if it is there.
    ///
    /// # Errors
    /// Code Io when a path does not exist or cannot be read, Http or Connection when the server does not show the file.
    pub async fn list(&self) -> Result<Vec<FoundFile>> {
        match self {
            Self::Local(path) => {
                let found = local::list(path.clone()).await?;
                Ok(found
                    .into_iter()
                    .map(|(path, size)| FoundFile { file: Self::Local(path), size: Some(size) })
                    .collect())
            }
            Self::Http { client, url } => {
                let probe = client.probe(url).await?;
                Ok(vec![FoundFile { file: self.clone(), size: probe.size }])
            }
        }
    }
}

impl fmt::Display for FileLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Http { url, .. } => write!(f, "{url}"),
        }
    }
}

/// One file of a location.
#[derive(Debug, Clone)]
pub struct FoundFile {
    file: FileLocation,
    size: Option<u64>,
}

impl FoundFile {
    /// The length in bytes as stored, where it is known.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// What the file's name ends with says of its compression; the query string of a URL is no part of it.
    pub fn path(&self) -> &str {
        match &self.file {
            FileLocation::Local(path) => path.to_str().unwrap_or_default(),
            FileLocation::Http { url, .. } => url.path(),
        }
    }

    /// Whether [`open_range`](Self::open_range) reads any part of this file: its length is known, and whoever holds it serves ranges of
    /// one version of it.
    pub fn has_ranges(&self) -> bool {
        matches!(self.file, FileLocation::Local(_)) && self.size.is_some()
    }

    /// Starts to read the bytes of a range, which ends at the file's end at the latest.
    ///
    /// # Errors
    /// Code Io, Http or Connection, naming the file; Unsupported for a file that [has no ranges](Self::has_ranges).
    pub async fn open_range(&self, range: Range<u64>) -> Result<FileRead> {
        match &self.file {
            FileLocation::Local(path) => Ok(FileRead(Inner::Local(LocalRead::open_range(path.clone(), range).await?))),
            FileLocation::Http { .. } => {
                Err(ConnectorError::new(ErrorCode::Unsupported, format!("{self} cannot be read in parts")))
            }
        }
    }

    /// Starts to read.
    ///
    /// # Errors
    /// Code Io, Http or Connection, naming the file.
    pub async fn open(&self) -> Result<FileRead> {
        match &self.file {
            FileLocation::Local(path) => Ok(FileRead(Inner::Local(LocalRead::open(path.clone()).await?))),
            FileLocation::Http { client, url } => {
                Ok(FileRead(Inner::Http(Box::new(Arc::clone(client).read(url).await?))))
            }
        }
    }
}

impl fmt::Display for FoundFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

/// A file that is being read, from its start to its end.
#[derive(Debug)]
pub struct FileRead(Inner);

#[derive(Debug)]
enum Inner {
    Local(LocalRead),
    Http(Box<HttpRead>),
}

impl FileRead {
    /// The next bytes, never empty; None at the end.
    ///
    /// # Errors
    /// Code Io, Http or Connection, naming the file. A download is of one version of the file; a local file is read as it is.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        match &mut self.0 {
            Inner::Local(read) => read.next().await,
            Inner::Http(read) => read.next().await,
        }
    }

    /// The coding that a server put on the bytes though none was asked for, such as `gzip`.
    pub fn content_encoding(&self) -> Option<&str> {
        match &self.0 {
            Inner::Local(_) => None,
            Inner::Http(read) => read.content_encoding(),
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
        for text in ["oss://bucket/x", "gopher://h/x", "file://host/x", "file:///a?b", "file:///a#b", "http://"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn user_and_password_of_a_url_are_not_printed() {
        let location = FileLocation::parse("https://ann:hunter2@h.example/x", Path::new("/")).unwrap();
        assert!(!format!("{location} {location:?}").contains("hunter2"));
    }
}
