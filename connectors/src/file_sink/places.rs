//! Where files are: the few things that a write does there, on this machine and in buckets. Each may be done again.

use std::path::PathBuf;

use bytes::Bytes;
use futures::TryStreamExt;

use super::local;
use super::records::{Begun, Pending};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::FileLocation;
use crate::oss::ListEntry;

/// Finds a location by its [`reference`](FileLocation::reference).
pub(super) type Locate<'a> = dyn Fn(&str) -> Result<FileLocation> + Send + Sync + 'a;

/// Refuses what nothing can be written to.
pub(super) fn check_writable(location: &FileLocation, name: &str) -> Result<()> {
    match location {
        FileLocation::Http { .. } => {
            let message =
                format!("{name} is behind a web server, which files are not written to; use a bucket or a folder");
            Err(ConnectorError::new(ErrorCode::Unsupported, message))
        }
        FileLocation::Local(path) if path.to_str().is_none() => {
            Err(ConnectorError::new(ErrorCode::Unsupported, format!("the path of {name} is not UTF-8")))
        }
        FileLocation::Local(_) | FileLocation::Object { .. } => Ok(()),
    }
}

fn not_writable(location: &FileLocation) -> ConnectorError {
    ConnectorError::internal(format!("{location} cannot be written to"))
}

/// The folder or file as a text that is the same for the same place.
pub(super) fn identity(location: &FileLocation) -> String {
    location.reference().trim_end_matches('/').to_owned()
}

/// Makes a file visible that was written to its end, of so many bytes.
pub(super) async fn complete(file: &FileLocation, pending: &Pending, bytes: u64) -> Result<()> {
    match (file, pending) {
        (FileLocation::Local(path), Pending::Temp(temp)) => local::complete(&PathBuf::from(temp), path, bytes).await,
        (FileLocation::Object { bucket, key }, Pending::Upload { id, parts }) => {
            bucket.complete_multipart(key, id, parts).await
        }
        (FileLocation::Object { bucket, key }, Pending::Empty) => bucket.put(key, Bytes::new()).await,
        _ => Err(not_writable(file)),
    }
}

/// Makes the names of completed files last; of a bucket they do.
pub(super) async fn sync(folders: Vec<PathBuf>) -> Result<()> {
    for folder in folders {
        local::sync_folder(&folder).await?;
    }
    Ok(())
}

/// Removes a visible file; one that is not there is gone already.
pub(super) async fn remove(file: &FileLocation) -> Result<()> {
    match file {
        FileLocation::Local(path) => local::remove(path).await,
        FileLocation::Object { bucket, key } => bucket.delete(std::slice::from_ref(key)).await,
        FileLocation::Http { .. } => Err(not_writable(file)),
    }
}

/// Which names in a folder are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Names {
    /// Those that readers see: they pass over what begins with `_` or `.`.
    Visible,
    /// This name, and those that a write to it as a prefix makes. The name itself may begin with `_` or `.`.
    OfPrefix(String),
}

impl Names {
    /// What stands between a prefix and the rest of the names that a write to it makes.
    pub(super) const SEPARATOR: &str = "__";

    /// Whether a name is meant.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Visible => !name.is_empty() && !name.starts_with(['_', '.']),
            Self::OfPrefix(prefix) => name
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(Self::SEPARATOR)),
        }
    }
}

/// The files directly in a folder whose names are meant; none that is being written.
pub(super) async fn files_in(folder: &FileLocation, names: Names) -> Result<Vec<FileLocation>> {
    match folder {
        FileLocation::Local(path) => {
            Ok(local::files_in(path, names).await?.into_iter().map(FileLocation::Local).collect())
        }
        FileLocation::Object { bucket, key } => {
            let prefix = if key.is_empty() || key.ends_with('/') { key.clone() } else { format!("{key}/") };
            let mut listing = bucket.list_folder(&prefix);
            let mut files = Vec::new();
            while let Some(entry) = listing.try_next().await? {
                let ListEntry::Object { key, .. } = entry else { continue };
                // the object of the prefix itself stands for the folder, as consoles make it
                let name = &key[prefix.len().min(key.len())..];
                if names.has(name) {
                    files.push(FileLocation::Object { bucket: bucket.clone(), key });
                }
            }
            Ok(files)
        }
        FileLocation::Http { .. } => Err(not_writable(folder)),
    }
}

/// Whether there is a file of exactly this name.
pub(super) async fn exists(file: &FileLocation) -> Result<bool> {
    match file {
        FileLocation::Local(path) => Ok(path.is_file()),
        FileLocation::Object { bucket, key } => Ok(bucket.head(key).await?.is_some()),
        FileLocation::Http { .. } => Err(not_writable(file)),
    }
}

/// The last part of a location, and the folder that it is in.
pub(super) fn split(location: &FileLocation) -> Result<(FileLocation, String)> {
    match location {
        FileLocation::Local(path) => {
            let name = path.file_name().and_then(|name| name.to_str());
            let folder =
                path.parent().map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() });
            match (folder, name) {
                (Some(folder), Some(name)) => Ok((FileLocation::Local(folder), name.to_owned())),
                _ => Err(ConnectorError::option(format!("{location} is no name of a file"))),
            }
        }
        FileLocation::Object { bucket, key } => {
            let (folder, name) = key.rsplit_once('/').map_or(("", key.as_str()), |(folder, name)| (folder, name));
            if name.is_empty() {
                return Err(ConnectorError::option(format!("{location} is no name of an object")));
            }
            let folder = FileLocation::Object { bucket: bucket.clone(), key: folder.to_owned() };
            Ok((folder, name.to_owned()))
        }
        FileLocation::Http { .. } => Err(not_writable(location)),
    }
}

/// Ends what was begun, if it still is there.
pub(super) async fn give_up(begun: &Begun, locate: &Locate<'_>) -> Result<()> {
    match begun {
        Begun::Temp(temp) => local::remove(&PathBuf::from(temp)).await,
        Begun::Folder(folder) => {
            local::remove_empty_folder(&PathBuf::from(folder)).await;
            Ok(())
        }
        Begun::Upload { file, id } => match locate(file)? {
            FileLocation::Object { bucket, key } => bucket.abort_multipart(&key, id).await,
            other => Err(not_writable(&other)),
        },
    }
}
