//! Files on this machine.

use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use bytes::{Bytes, BytesMut};
use datafusion::common::runtime::SpawnedTask;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::error::{ConnectorError, ErrorCode, Result};

/// Bytes asked of the file at a time: few system calls, little memory.
const READ_BYTES: usize = 1 << 18;

/// The files of a path with their lengths: the file itself; a directory's files by name, without those whose names start with `_` or `.`;
/// or what matches a pattern, if no file has the pattern's own name.
pub(super) async fn list(path: PathBuf) -> Result<Vec<(PathBuf, u64)>> {
    let task = SpawnedTask::spawn_blocking(move || list_blocking(&path));
    task.join().await.map_err(|error| ConnectorError::internal("listing files was cut short").with_source(error))?
}

fn list_blocking(path: &Path) -> Result<Vec<(PathBuf, u64)>> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => list_directory(path),
        Ok(found) => Ok(vec![(path.to_owned(), found.len())]),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_pattern(path) => {
            let mut files = Vec::new();
            for path in expand(path)? {
                match std::fs::metadata(&path).map_err(|error| failed("read", &path, error))? {
                    found if found.is_dir() => files.extend(list_directory(&path)?),
                    found => files.push((path, found.len())),
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

fn list_directory(directory: &Path) -> Result<Vec<(PathBuf, u64)>> {
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
            files.push((entry, found.len()));
        }
    }
    Ok(files)
}

/// The visible entries of a directory by name.
fn read_directory(directory: &Path) -> Result<Vec<PathBuf>> {
    let list =
        || -> io::Result<Vec<PathBuf>> { std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect() };
    let mut entries = list().map_err(|error| failed("list", directory, error))?;
    entries.retain(|entry| !is_hidden(entry));
    entries.sort();
    Ok(entries)
}

/// Hive and Spark leave out names that start with `_` or `.`: markers, and files that are still being written.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| matches!(name.as_encoded_bytes().first(), Some(b'_' | b'.')))
}

fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The paths that a pattern names, by name, component by component.
fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            paths.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        if !is_pattern(Path::new(name)) {
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

/// Whether a name matches a pattern of `*` (any bytes), `?` (one character) and `[a-c]` (one of a set, `!` in front of it negates).
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some((1, character_len(&name[n..]))),
            Some(b'[') => match set(&pattern[p..], name[n]) {
                Some((true, len)) => Some((len, 1)),
                Some((false, _)) => None,
                None => (name[n] == b'[').then_some((1, 1)),
            },
            Some(byte) => (*byte == name[n]).then_some((1, 1)),
            None => None,
        };
        match (step, retry) {
            (Some((of_pattern, of_name)), _) => {
                p += of_pattern;
                n += of_name;
            }
            // The last star takes one byte more.
            (None, Some((star, from))) => {
                retry = Some((star, from + 1));
                p = star + 1;
                n = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Bytes of the UTF-8 character in front; 1 for what is none.
fn character_len(name: &[u8]) -> usize {
    let len = match name[0] {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => 1,
    };
    len.min(name.len())
}

/// Whether `[…]` in front of a pattern holds a byte, and its length; None if there is no closing bracket.
fn set(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = if negated { 2 } else { 1 };
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|byte| *byte == b']')?;
    let set = &pattern[start..end];
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == b'-' {
            found |= (set[at]..=set[at + 2]).contains(&byte);
            at += 3;
        } else {
            found |= set[at] == byte;
            at += 1;
        }
    }
    Some((found != negated, end + 1))
}

fn failed(what: &str, path: &Path, error: io::Error) -> ConnectorError {
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("{} does not exist; check LOCATION", path.display()),
        kind => format!("cannot {what} {}: {kind}", path.display()),
    };
    ConnectorError::new(ErrorCode::Io, message).with_source(error)
}

/// A local file that is being read.
#[derive(Debug)]
pub(super) struct LocalRead {
    path: PathBuf,
    file: tokio::fs::File,
    /// Bytes that are left of the range that was asked for.
    left: u64,
}

impl LocalRead {
    pub(super) async fn open(path: PathBuf) -> Result<Self> {
        Self::open_range(path, 0..u64::MAX).await
    }

    pub(super) async fn open_range(path: PathBuf, range: Range<u64>) -> Result<Self> {
        let open = async {
            let mut file = tokio::fs::File::open(&path).await?;
            file.set_max_buf_size(READ_BYTES);
            if range.start > 0 {
                file.seek(io::SeekFrom::Start(range.start)).await?;
            }
            Ok(file)
        };
        match open.await {
            Ok(file) => Ok(Self { path, file, left: range.end.saturating_sub(range.start) }),
            Err(error) => Err(failed("read", &path, error)),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        match self.file.read_buf(&mut buffer).await {
            Ok(0) => Ok(None),
            Ok(read) => {
                buffer.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left = self.left.saturating_sub(read as u64);
                Ok(Some(buffer.freeze()))
            }
            Err(error) => Err(failed("read", &self.path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let files = list_blocking(path).unwrap();
        files.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn a_range_is_read_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        for (range, expected) in [(0..10, "0123456789"), (3..5, "34"), (8..99, "89"), (4..4, ""), (20..30, "")] {
            let mut read = LocalRead::open_range(path.clone(), range.clone()).await.unwrap();
            let mut found = Vec::new();
            while let Some(bytes) = read.next().await.unwrap() {
                found.extend_from_slice(&bytes);
            }
            assert_eq!(found, expected.as_bytes(), "{range:?}");
        }
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
        assert_eq!(list_blocking(folder.path()).unwrap()[2].1, 5);
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

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?.txt", "é.txt", true),
            ("?.txt", "ab.txt", false),
            ("[abc]", "b", true),
            ("[!abc]", "b", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("[a-", "[a-", true),
            ("x[0-9][0-9]", "x42", true),
            ("x[0-9][0-9]", "x4a", false),
            ("**", "ab", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
