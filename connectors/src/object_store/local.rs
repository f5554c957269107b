//! Files on this machine.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use datafusion::common::runtime::SpawnedTask;

use super::pattern::{alternatives, is_deep, is_hidden, is_pattern, literal_folder, matches, matches_path};
use crate::error::{ConnectorError, ErrorCode, Result};

/// Bytes asked of the file at a time: few system calls, and what was read is still in a core's cache when it is looked at.
const READ_BYTES: usize = 1 << 19;

/// Bytes asked of a small file.
const MIN_READ_BYTES: u64 = 1 << 12;

/// Blocks that are given out before the first is expected back: one that is looked at, and one before it of which a line is left.
const BLOCKS_AROUND: usize = 2;

/// A file that was found, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalFile {
    pub(super) path: PathBuf,
    /// The length in bytes.
    pub(super) size: u64,
    /// What tells its versions apart beside the length; None for what is no regular file, such as a pipe.
    version: Option<Version>,
}

/// When a file was last written to, and which file it is, for one that was replaced by another of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    #[cfg(unix)]
    number: (u64, u64),
}

impl LocalFile {
    fn new(path: PathBuf, found: &Metadata) -> Self {
        Self { path, size: found.len(), version: Version::of(found) }
    }

    /// An error if what is there now is another version.
    fn check(&self, found: &Metadata) -> Result<()> {
        if self.version.is_none() || (self.size == found.len() && self.version == Version::of(found)) {
            return Ok(());
        }
        let message = format!("{} has changed while it was read; run again", self.path.display());
        Err(ConnectorError::retryable(ErrorCode::Io, message))
    }
}

impl Version {
    fn of(found: &Metadata) -> Option<Self> {
        found.is_file().then(|| Self {
            modified: found.modified().ok(),
            #[cfg(unix)]
            number: (std::os::unix::fs::MetadataExt::dev(found), std::os::unix::fs::MetadataExt::ino(found)),
        })
    }
}

/// Fails if a file has changed since it was found.
pub(super) async fn check(file: LocalFile) -> Result<()> {
    let look = move || {
        let found = std::fs::metadata(&file.path).map_err(|error| failed("read", &file.path, error))?;
        file.check(&found)
    };
    let task = SpawnedTask::spawn_blocking(look);
    task.join().await.map_err(|error| ConnectorError::internal("looking at a file was cut short").with_source(error))?
}

/// The files of a path: the file itself; a directory's files by name, without those whose names start with `_` or `.`;
/// or what matches a pattern, if no file has the pattern's own name.
pub(super) async fn list(path: PathBuf) -> Result<Vec<LocalFile>> {
    let task = SpawnedTask::spawn_blocking(move || list_blocking(&path));
    task.join().await.map_err(|error| ConnectorError::internal("listing files was cut short").with_source(error))?
}

/// The names of the visible folders in a folder, sorted.
pub(super) async fn folders(path: PathBuf) -> Result<Vec<OsString>> {
    let task = SpawnedTask::spawn_blocking(move || {
        let entries = read_directory(&path)?.into_iter().filter(|entry| entry.is_dir());
        Ok(entries.filter_map(|entry| entry.file_name().map(OsString::from)).collect())
    });
    task.join().await.map_err(|error| ConnectorError::internal("listing folders was cut short").with_source(error))?
}

fn list_blocking(path: &Path) -> Result<Vec<LocalFile>> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => list_directory(path),
        Ok(found) => Ok(vec![LocalFile::new(path.to_owned(), &found)]),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.to_str().and_then(alternatives).is_some() => {
            let mut files: Vec<LocalFile> = Vec::new();
            for path in path.to_str().and_then(alternatives).unwrap_or_default() {
                files.extend(list_blocking(Path::new(&path))?);
            }
            // what several of them name is one file
            files.sort_by(|left, right| left.path.cmp(&right.path));
            files.dedup_by(|left, right| left.path == right.path);
            Ok(files)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_deep(path.as_os_str().as_encoded_bytes()) => {
            let mut files = Vec::new();
            let pattern = path.as_os_str().as_encoded_bytes();
            let folder = String::from_utf8_lossy(literal_folder(pattern)).into_owned();
            search(Path::new(&folder), pattern, &mut files)?;
            match files.is_empty() {
                true => {
                    let message = format!("no file matches {}; check LOCATION", path.display());
                    Err(ConnectorError::new(ErrorCode::Io, message))
                }
                false => Ok(files),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_pattern(path.as_os_str().as_encoded_bytes()) => {
            let mut files = Vec::new();
            for path in expand(path)? {
                match std::fs::metadata(&path).map_err(|error| failed("read", &path, error))? {
                    found if found.is_dir() => files.extend(list_directory(&path)?),
                    found => files.push(LocalFile::new(path, &found)),
                }
            }
            if files.is_empty() {
                let message = format!("no file matches {}; check LOCATION", path.display());
                return Err(ConnectorError::new(ErrorCode::Io, message));
            }
            Ok(files)
        }
        Err(error) => Err(failed("read", path, error)),
    }
}

fn list_directory(directory: &Path) -> Result<Vec<LocalFile>> {
    let mut files = Vec::new();
    for entry in read_directory(directory)? {
        // Follows symbolic links, as reading will.
        let found = std::fs::metadata(&entry).map_err(|error| failed("read", &entry, error))?;
        if found.is_dir() {
            let message = format!(
                "{} holds a folder, {}; a text table's folder holds files only (or use a pattern such as */*)",
                directory.display(),
                entry.display()
            );
            return Err(ConnectorError::new(ErrorCode::Io, message));
        }
        if found.is_file() {
            files.push(LocalFile::new(entry, &found));
        }
    }
    Ok(files)
}

/// The visible entries of a directory by name.
fn read_directory(directory: &Path) -> Result<Vec<PathBuf>> {
    let list =
        || -> io::Result<Vec<PathBuf>> { std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect() };
    let mut entries = list().map_err(|error| failed("list", directory, error))?;
    entries.retain(|entry| !entry.file_name().is_some_and(|name| is_hidden(name.as_encoded_bytes())));
    entries.sort();
    Ok(entries)
}

/// The files below a folder whose whole paths match a pattern with `**`. Links to folders are not followed, which might go round.
fn search(folder: &Path, pattern: &[u8], files: &mut Vec<LocalFile>) -> Result<()> {
    for entry in read_directory(folder)? {
        let kind = std::fs::symlink_metadata(&entry).map_err(|error| failed("read", &entry, error))?;
        if kind.is_dir() {
            search(&entry, pattern, files)?;
        } else if matches_path(pattern, entry.as_os_str().as_encoded_bytes()) {
            let found = std::fs::metadata(&entry).map_err(|error| failed("read", &entry, error))?;
            if found.is_file() {
                files.push(LocalFile::new(entry, &found));
            }
        }
    }
    Ok(())
}

/// The paths that a pattern names, by name, component by component.
fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            paths.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        if !is_pattern(name.as_encoded_bytes()) {
            paths.iter_mut().for_each(|path| path.push(name));
            paths.retain(|path| path.exists());
            continue;
        }
        let mut next = Vec::new();
        for directory in paths.iter().filter(|path| path.is_dir()) {
            let entries = read_directory(directory)?;
            next.extend(entries.into_iter().filter(|entry| {
                entry.file_name().is_some_and(|found| matches(name.as_encoded_bytes(), found.as_encoded_bytes()))
            }));
        }
        paths = next;
    }
    Ok(paths)
}

fn failed(what: &str, path: &Path, error: io::Error) -> ConnectorError {
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("{} does not exist; check LOCATION", path.display()),
        kind => format!("cannot {what} {}: {kind}", path.display()),
    };
    ConnectorError::new(ErrorCode::Io, message).with_source(error)
}

/// A local file that is being read. While one block is looked at, the next is read on a thread for blocking calls; blocks go
/// round, so that few of them are ever allocated.
#[derive(Debug)]
pub(super) struct LocalRead {
    expected: LocalFile,
    /// The block that is being read; None at the end.
    next: Option<SpawnedTask<io::Result<Block>>>,
    /// Blocks that were given out, to be read into again when nobody looks at them any more.
    given: VecDeque<Bytes>,
    /// Bytes that are left of the range that was asked for.
    left: u64,
}

/// The file and a piece of it: the first bytes of a buffer.
#[derive(Debug)]
struct Block {
    file: File,
    buffer: BytesMut,
    read: usize,
}

impl Block {
    fn fill(mut file: File, mut buffer: BytesMut) -> io::Result<Self> {
        loop {
            match file.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome.map(|read| Self { file, buffer, read }),
            }
        }
    }
}

impl LocalRead {
    pub(super) async fn open(expected: LocalFile) -> Result<Self> {
        Self::open_range(expected, 0..u64::MAX).await
    }

    pub(super) async fn open_range(expected: LocalFile, range: Range<u64>) -> Result<Self> {
        let path = expected.path.clone();
        let start = range.start;
        let open = SpawnedTask::spawn_blocking(move || -> io::Result<(File, Metadata)> {
            let mut file = File::open(&path)?;
            let found = file.metadata()?;
            if start > 0 {
                file.seek(io::SeekFrom::Start(start))?;
            }
            Ok((file, found))
        });
        let (file, found) = joined(open).await.map_err(|error| failed("read", &expected.path, error))?;
        expected.check(&found)?;
        let left = range.end.saturating_sub(start);
        // of a small file no more than there is; what is no regular file has no length
        let likely = expected.size.saturating_sub(start).min(left).max(MIN_READ_BYTES);
        let buffer = BytesMut::zeroed(usize::try_from(likely).unwrap_or(READ_BYTES).min(READ_BYTES));
        let next = Some(SpawnedTask::spawn_blocking(move || Block::fill(file, buffer)));
        Ok(Self { expected, next, given: VecDeque::new(), left })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(task) = self.next.take() else { return Ok(None) };
        let Block { file, buffer, read } =
            joined(task).await.map_err(|error| failed("read", &self.expected.path, error))?;
        let wanted = read.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= wanted as u64;
        if wanted == 0 {
            // Bytes of two versions look like those of one, so this is the last chance to tell.
            let found = SpawnedTask::spawn_blocking(move || file.metadata());
            let found = joined(found).await.map_err(|error| failed("read", &self.expected.path, error))?;
            self.expected.check(&found)?;
            return Ok(None);
        }
        let block = buffer.freeze();
        let piece = block.slice(..wanted);
        let free = self.spare();
        self.given.push_back(block);
        self.next = Some(SpawnedTask::spawn_blocking(move || Block::fill(file, free)));
        Ok(Some(piece))
    }

    /// A block to read into.
    fn spare(&mut self) -> BytesMut {
        let spare = (self.given.len() >= BLOCKS_AROUND).then(|| self.given.pop_front()).flatten();
        match spare.map(Bytes::try_into_mut) {
            Some(Ok(block)) => block,
            // somebody still looks at it, and keeps it
            _ => BytesMut::zeroed(READ_BYTES),
        }
    }
}

async fn joined<T>(task: SpawnedTask<io::Result<T>>) -> io::Result<T>
where
    T: Send + 'static,
{
    task.join().await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let files = list_blocking(path).unwrap();
        files.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_double_star_and_a_list_name_files_of_several_folders() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/1.csv", "a/b/2.csv", "a/b/c/3.csv", "a/b/_hidden/4.csv", "a/b/5.txt", "d/6.csv"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        assert_eq!(names(&folder.path().join("a/**.csv")), ["1.csv", "2.csv", "3.csv"]);
        assert_eq!(names(&folder.path().join("{d/6.csv,a/b/*.csv,a/**/2*}")), ["2.csv", "6.csv"]);
        for missing in ["{d/6.csv,d/7.csv}", "d/**.txt"] {
            let error = list_blocking(&folder.path().join(missing)).unwrap_err();
            assert!(error.message().contains("check LOCATION"), "{error}");
        }
        let error = list_blocking(&folder.path().join("{d/6.csv,d/7.csv}")).unwrap_err();
        assert!(error.message().contains("d/7.csv does not exist"), "{error}");
        // what is there by that name is that
        std::fs::write(folder.path().join("{d,a}"), b"x").unwrap();
        assert_eq!(names(&folder.path().join("{d,a}")), ["{d,a}"]);
    }

    #[tokio::test]
    async fn a_range_is_read_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = list_blocking(&path).unwrap().remove(0);
        for (range, expected) in [(0..10, "0123456789"), (3..5, "34"), (8..99, "89"), (4..4, ""), (20..30, "")] {
            let mut read = LocalRead::open_range(file.clone(), range.clone()).await.unwrap();
            let mut found = Vec::new();
            while let Some(bytes) = read.next().await.unwrap() {
                found.extend_from_slice(&bytes);
            }
            assert_eq!(found, expected.as_bytes(), "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_changes_before_or_during_a_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = list_blocking(&path).unwrap().remove(0);
        let mut read = LocalRead::open_range(file.clone(), 0..5).await.unwrap();
        assert_eq!(read.next().await.unwrap().unwrap(), "01234");
        let mut appended = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut appended, b"x").unwrap();
        let message = format!("{} has changed while it was read; run again", path.display());
        assert_eq!(read.next().await.unwrap_err().message(), message);
        assert_eq!(LocalRead::open(file).await.unwrap_err().message(), message);

        let file = list_blocking(&path).unwrap().remove(0);
        let replacement = folder.path().join("y");
        std::fs::write(&replacement, b"0123456789y").unwrap();
        std::fs::File::open(&replacement)
            .unwrap()
            .set_modified(std::fs::metadata(&path).unwrap().modified().unwrap())
            .unwrap();
        std::fs::rename(&replacement, &path).unwrap();
        assert_eq!(LocalRead::open(file).await.unwrap_err().message(), message);
    }

    #[test]
    fn a_path_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nothing.txt");
        let error = list_blocking(&path).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Io);
        assert_eq!(error.message(), format!("{} does not exist; check LOCATION", path.display()));
    }

    #[test]
    fn a_directory_is_its_visible_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.txt", "a.txt", "_SUCCESS", ".a.txt.crc", "10", "9"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::fs::create_dir(folder.path().join("_temporary")).unwrap();
        assert_eq!(names(folder.path()), ["10", "9", "a.txt", "b.txt"]);
        assert_eq!(list_blocking(folder.path()).unwrap()[2].size, 5);
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let error = list_blocking(folder.path()).unwrap_err();
        assert!(error.message().contains("sub"), "{error}");
    }

    #[test]
    fn a_pattern_is_expanded_unless_a_file_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for day in ["dt=1", "dt=2", "other"] {
            std::fs::create_dir(folder.path().join(day)).unwrap();
            std::fs::write(folder.path().join(day).join("x.log"), day).unwrap();
            std::fs::write(folder.path().join(day).join("x.csv"), day).unwrap();
        }
        assert_eq!(names(&folder.path().join("dt=*/*.log")), ["x.log", "x.log"]);
        assert_eq!(names(&folder.path().join("dt=*")), ["x.csv", "x.log", "x.csv", "x.log"]);
        assert_eq!(names(&folder.path().join("dt=[2-9]/x.???")), ["x.csv", "x.log"]);
        std::fs::write(folder.path().join("dt=*"), "literal").unwrap();
        assert_eq!(names(&folder.path().join("dt=*")), ["dt=*"]);
        for missing in ["nothing*", "nothing", "nothing/*.log"] {
            let error = list_blocking(&folder.path().join(missing)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Io);
            assert!(error.message().contains("nothing"), "{error}");
        }
    }
}
