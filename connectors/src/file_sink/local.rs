//! Files on this machine: written under a hidden name, and renamed when all is there.

use std::io;
use std::path::{Path, PathBuf};

use datafusion::common::runtime::SpawnedTask;
use tokio::io::AsyncWriteExt;

use super::places::Names;
use crate::error::{ConnectorError, ErrorCode, Result};

/// Bytes that go to the file at a time.
const WRITE_BYTES: usize = 1 << 20;

/// What the names of files end with that are being written.
const TEMP_SUFFIX: &str = ".tmp";

/// The hidden name beside a file's own: readers leave out names that begin with a dot.
pub(super) fn temp_path(path: &Path, run: &str) -> Result<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| ConnectorError::option(format!("{} is no name of a file", path.display())))?;
    Ok(path.with_file_name(format!(".{name}.{run}{TEMP_SUFFIX}")))
}

/// Whether a name is one of those that [`temp_path`] gives: another run may be writing to it.
pub(super) fn is_temp(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMP_SUFFIX)
}

/// The folders above a path that are not there, outermost first.
pub(super) fn missing_folders(path: &Path) -> Vec<PathBuf> {
    let above = path.ancestors().skip(1).take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let mut missing: Vec<PathBuf> = above.map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// Makes folders; those that someone else has made meanwhile are left as they are.
pub(super) async fn make_folders(folders: &[PathBuf]) -> Result<()> {
    for folder in folders {
        match tokio::fs::create_dir(folder).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("make the folder", folder, error)),
        }
    }
    Ok(())
}

/// A hidden file that is being written.
#[derive(Debug)]
pub(super) struct LocalUpload {
    temp: PathBuf,
    file: tokio::fs::File,
}

impl LocalUpload {
    pub(super) async fn create(temp: PathBuf) -> Result<Self> {
        match tokio::fs::File::create(&temp).await {
            Ok(mut file) => {
                file.set_max_buf_size(WRITE_BYTES);
                Ok(Self { temp, file })
            }
            Err(error) => Err(failed("write", &temp, error)),
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).await.map_err(|error| failed("write", &self.temp, error))
    }

    /// Everything is on the disk when this returns.
    pub(super) async fn end(mut self) -> Result<()> {
        let end = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        end.await.map_err(|error| failed("write", &self.temp, error))?;
        // its name as well: a commit that is decided must find it after a power loss
        match self.temp.parent() {
            Some(folder) => sync_folder(folder).await,
            None => Ok(()),
        }
    }
}

/// Gives a hidden file of so many bytes its name. Done before, it is done.
pub(super) async fn complete(temp: &Path, path: &Path, bytes: u64) -> Result<()> {
    let is_done =
        || std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == bytes) && !temp.exists();
    match tokio::fs::rename(temp, path).await {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_done() => Ok(()),
        Err(error) => Err(failed("rename a file to", path, error)),
    }
}

/// Makes names in a folder last over a power loss.
pub(super) async fn sync_folder(folder: &Path) -> Result<()> {
    let sync = async { tokio::fs::File::open(folder).await?.sync_all().await };
    sync.await.map_err(|error| failed("write", folder, error))
}

/// Removes a file; one that is not there is gone already.
pub(super) async fn remove(path: &Path) -> Result<()> {
    match tokio::fs::remove_file(path).await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(failed("remove", path, error)),
    }
}

/// Removes a folder if nothing is in it.
pub(super) async fn remove_empty_folder(path: &Path) {
    if let Err(error) = tokio::fs::remove_dir(path).await {
        tracing::debug!(folder = %path.display(), %error, "a folder stays");
    }
}

/// The files directly in a folder whose names are meant, sorted, but for those that are being written; none if there is no such folder.
pub(super) async fn files_in(folder: &Path, names: Names) -> Result<Vec<PathBuf>> {
    let folder = folder.to_owned();
    let list = move || {
        let mut files = Vec::new();
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
            other => other.map_err(|error| failed("list", &folder, error))?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed("list", &folder, error))?;
            let is_meant = {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                names.has(&name) && !is_temp(&name)
            };
            // follows symbolic links, as readers do
            if is_meant && entry.path().is_file() {
                if entry.path().to_str().is_none() {
                    // the journal is text: the file could not be found again to remove it
                    let message = format!(
                        "{} has a name that is not UTF-8, and cannot be replaced; rename it",
                        entry.path().display()
                    );
                    return Err(ConnectorError::new(ErrorCode::Unsupported, message));
                }
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    };
    let task = SpawnedTask::spawn_blocking(list);
    task.join().await.map_err(|error| ConnectorError::internal("listing files was cut short").with_source(error))?
}

fn failed(what: &str, path: &Path, error: io::Error) -> ConnectorError {
    let way_out = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on the disk",
        io::ErrorKind::PermissionDenied => "; check who may write there",
        _ => "",
    };
    ConnectorError::new(ErrorCode::Io, format!("cannot {what} {}: {}{way_out}", path.display(), error.kind()))
        .with_source(error)
}
