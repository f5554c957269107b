//! A file without a name, for what waits and is too much for memory: it is gone when it is closed, also when the process is killed, and nobody else
//! can open it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{ConnectorError, ErrorCode};

/// A file that is made when something is put into it.
#[derive(Debug, Default)]
pub(super) struct SpillFile {
    file: Option<Arc<Mutex<File>>>,
    end: u64,
}

/// Bytes in such a file.
#[derive(Debug, Clone)]
pub(super) struct Spilled {
    file: Arc<Mutex<File>>,
    offset: u64,
    bytes: usize,
}

impl SpillFile {
    /// Puts bytes behind those that are there.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<Spilled> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(Mutex::new(unnamed_file()?)))),
        };
        let offset = self.end;
        let mut open = file.lock();
        open.seek(SeekFrom::Start(offset))?;
        open.write_all(bytes)?;
        drop(open);
        self.end += bytes.len() as u64;
        Ok(Spilled { file, offset, bytes: bytes.len() })
    }

    /// Begins at the front again, over what is there: nobody may ask for that any more.
    pub(super) fn rewind(&mut self) {
        self.end = 0;
    }

    /// What is in use of the file.
    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        self.end
    }

    #[cfg(test)]
    pub(super) fn metadata(&self) -> Option<std::fs::Metadata> {
        self.file.as_ref().and_then(|file| file.lock().metadata().ok())
    }
}

impl Spilled {
    /// The bytes as they were given.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.bytes];
        let mut open = self.file.lock();
        open.seek(SeekFrom::Start(self.offset))?;
        open.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// For this user alone, in the system's temporary folder.
fn unnamed_file() -> io::Result<File> {
    let file = tempfile::tempfile()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// The error of such a file.
pub(super) fn not_kept(why: &dyn std::fmt::Display) -> ConnectorError {
    ConnectorError::new(
        ErrorCode::Io,
        format!(
            "rows that wait for their outcome cannot be kept in a temporary file: {why}; make room there, or write with a smaller \"load_bytes\""
        ),
    )
}
