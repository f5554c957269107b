//! Temporary files of what waits and is too much for memory. Such a file has no name: it is gone when it is closed, also when the process is killed, and
//! nobody else can open it. All of them together stay within one limit.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::{ConnectorError, ErrorCode, Result};

/// `spill_bytes` unless set.
pub const DEFAULT_SPILL_BYTES: u64 = 16 << 30;

/// What makes most files smaller.
const SMALLER_LOADS: &str = "or write with a smaller \"load_bytes\"";

/// Where temporary files are made, and how many bytes they have: one for a process, or for an engine.
#[derive(Debug, Default)]
pub struct SpillSpace {
    /// None is the system's temporary folder.
    folder: Option<PathBuf>,
    used: AtomicU64,
}

impl SpillSpace {
    /// Files in this folder, else in the system's temporary folder.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, used: AtomicU64::new(0) }
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// The bytes of all files that are open.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes so many bytes, unless all files together would then have more than the limit.
    fn take(&self, bytes: u64, limit: u64) -> bool {
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= limit)
        });
        taken.is_ok()
    }
}

/// The files of one write: in the space that it shares with all others, up to its own `spill_bytes`.
#[derive(Debug, Clone)]
pub(crate) struct SpillQuota {
    space: Arc<SpillSpace>,
    limit: u64,
    /// What makes the files smaller, for messages.
    way_out: &'static str,
}

impl SpillQuota {
    /// Files in this space, as long as all that are in it have no more than `limit` bytes.
    pub(crate) fn new(space: Arc<SpillSpace>, limit: u64) -> Self {
        Self { space, limit, way_out: SMALLER_LOADS }
    }

    /// The same for files that something else than a smaller `load_bytes` makes smaller.
    pub(crate) fn with_way_out(self, way_out: &'static str) -> Self {
        Self { way_out, ..self }
    }

    /// A file that is made when something is put into it.
    pub(crate) fn file(&self) -> SpillFile {
        SpillFile { quota: self.clone(), open: None, end: 0 }
    }

    fn passed(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Io,
            format!(
                "rows that wait for their outcome need temporary files of more than {} bytes (\"spill_bytes\") in {}, together with what other writes of this process have there; \
                 raise it (SET syncline.spill_bytes = '64GB'), run fewer writes at a time, {}",
                self.limit,
                self.space.folder().display(),
                self.way_out
            ),
        )
    }

    fn not_written(&self, error: &io::Error) -> ConnectorError {
        let folder = self.space.folder();
        let folder = folder.display();
        let message = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
                "rows that wait for their outcome do not fit on the disk of {folder}: {error}; make room there, name a folder on another disk (spill_dir in syncline.toml), {}",
                self.way_out
            ),
            _ => format!(
                "rows that wait for their outcome cannot be kept in a temporary file in {folder}: {error}; name another folder (spill_dir in syncline.toml)"
            ),
        };
        ConnectorError::new(ErrorCode::Io, message)
    }
}

/// A temporary file.
#[derive(Debug)]
pub(crate) struct SpillFile {
    quota: SpillQuota,
    open: Option<Arc<OpenFile>>,
    /// Where what is in use of it ends.
    end: u64,
}

/// Bytes in such a file, which is there as long as they are.
#[derive(Debug, Clone)]
pub(crate) struct Spilled {
    file: Arc<OpenFile>,
    offset: u64,
    bytes: usize,
}

#[derive(Debug)]
struct OpenFile {
    file: Mutex<File>,
    space: Arc<SpillSpace>,
    /// Its length, as it was taken from the space.
    taken: AtomicU64,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.space.used.fetch_sub(self.taken.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl SpillFile {
    /// Puts bytes behind those that are there.
    ///
    /// # Errors
    /// Io when the limit is passed, or the disk is full; both name the way out.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<Spilled> {
        let space = &self.quota.space;
        let file = match &self.open {
            Some(file) => Arc::clone(file),
            None => {
                let file = unnamed_file(&space.folder()).map_err(|error| self.quota.not_written(&error))?;
                let file = OpenFile { file: Mutex::new(file), space: Arc::clone(space), taken: AtomicU64::new(0) };
                Arc::clone(self.open.insert(Arc::new(file)))
            }
        };
        let (offset, end) = (self.end, self.end + bytes.len() as u64);
        let more = end.saturating_sub(file.taken.load(Ordering::Relaxed));
        if more > 0 {
            if !space.take(more, self.quota.limit) {
                return Err(self.quota.passed());
            }
            file.taken.fetch_add(more, Ordering::Relaxed);
        }
        let mut open = file.file.lock();
        let written = open.seek(SeekFrom::Start(offset)).and_then(|_| open.write_all(bytes));
        drop(open);
        written.map_err(|error| self.quota.not_written(&error))?;
        self.end = end;
        Ok(Spilled { file, offset, bytes: bytes.len() })
    }

    /// Begins at the front again, over what is there: nobody may ask for that any more.
    pub(crate) fn rewind(&mut self) {
        self.end = 0;
    }

    /// What is in use of the file.
    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.end
    }

    #[cfg(test)]
    pub(crate) fn metadata(&self) -> Option<std::fs::Metadata> {
        self.open.as_ref().and_then(|open| open.file.lock().metadata().ok())
    }
}

impl Spilled {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The bytes as they were given.
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.bytes];
        let mut open = self.file.file.lock();
        let read = open.seek(SeekFrom::Start(self.offset)).and_then(|_| open.read_exact(&mut bytes));
        drop(open);
        read.map_err(|error| {
            let folder = self.file.space.folder();
            ConnectorError::new(
                ErrorCode::Io,
                format!("a temporary file in {} cannot be read: {error}", folder.display()),
            )
        })?;
        Ok(bytes)
    }
}

/// For this user alone.
fn unnamed_file(folder: &Path) -> io::Result<File> {
    let file = tempfile::tempfile_in(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
impl SpillQuota {
    /// So many bytes in a space that nobody else has.
    pub(crate) fn alone(limit: u64) -> Self {
        Self::new(Arc::default(), limit)
    }

    pub(crate) fn space(&self) -> &SpillSpace {
        &self.space
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_together_stay_within_the_limit_and_what_is_closed_is_free_again() {
        let space = Arc::new(SpillSpace::default());
        let quota = SpillQuota::new(Arc::clone(&space), 100);
        let (mut one, mut two) = (quota.file(), quota.file());
        one.append(&[1; 60]).unwrap();
        let kept = two.append(&[2; 40]).unwrap();
        assert_eq!(space.used(), 100);
        let error = two.append(&[3]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Io);
        let folder = std::env::temp_dir().display().to_string();
        for part in ["more than 100 bytes", "\"spill_bytes\"", &folder, "SET syncline.spill_bytes = ", "\"load_bytes\""]
        {
            assert!(error.message().contains(part), "{part}: {error}");
        }
        // another write's own limit, over what all have
        let mut generous = SpillQuota::new(Arc::clone(&space), 101).file();
        generous.append(&[3]).unwrap();
        drop((one, two, generous));
        assert_eq!(space.used(), 40, "bytes that somebody may ask for keep their file");
        assert_eq!(kept.read().unwrap(), [2; 40]);
        drop(kept);
        assert_eq!(space.used(), 0);
    }

    #[test]
    fn what_is_written_over_is_taken_once() {
        let quota = SpillQuota::alone(10);
        let mut file = quota.file();
        for _ in 0..5 {
            file.append(&[0; 10]).unwrap();
            file.rewind();
        }
        assert_eq!(quota.space().used(), 10);
        assert_eq!(file.metadata().unwrap().len(), 10);
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_and_a_full_disk_are_named_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let quota = SpillQuota::new(Arc::new(SpillSpace::new(Some(gone.clone()))), 100);
        let error = quota.file().append(b"x").unwrap_err();
        assert!(
            error.message().contains(&gone.display().to_string()) && error.message().contains("spill_dir"),
            "{error}"
        );
        let full = quota.not_written(&io::Error::from(io::ErrorKind::StorageFull));
        for part in ["do not fit on the disk of", &gone.display().to_string(), "make room there", "spill_dir"] {
            assert!(full.message().contains(part), "{part}: {full}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_disk_that_is_full_is_an_error_that_says_so() {
        // writes there always fail for want of room
        let quota = SpillQuota::alone(100);
        let mut file = quota.file();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let open = OpenFile { file: Mutex::new(full), space: Arc::clone(&quota.space), taken: AtomicU64::new(0) };
        file.open = Some(Arc::new(open));
        assert!(file.append(b"x").unwrap_err().message().contains("do not fit on the disk of"));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_nobody_elses() {
        use std::os::unix::fs::MetadataExt;
        let mut file = SpillQuota::alone(100).file();
        file.append(b"x").unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.nlink()), (0o600, 0));
    }
}
