//! The files of a location in a bucket, read as folders are: a key's slashes stand for folders.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::pattern::{alternatives, is_deep, is_hidden, is_pattern, literal_folder, matches, matches_path};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::oss::{Bucket, ListEntry};

/// Files of one location. Each takes about 200 bytes here and again in the plan.
const MAX_FILES: usize = 1_000_000;

/// Requests about parts of one location that are under way at a time.
const AT_A_TIME: usize = 16;

/// A version of an object that a listing showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundObject {
    pub(super) key: Box<str>,
    /// The length in bytes.
    pub(super) size: u64,
    /// With quotes.
    pub(super) etag: Box<str>,
}

/// The objects of a key: the object itself; those of a folder by name, without those whose names start with `_` or `.`; or what matches a
/// pattern, if nothing has the pattern's own name.
pub(super) async fn list(bucket: &Arc<Bucket>, key: &str) -> Result<Vec<FoundObject>> {
    if let Some(found) = look_up(bucket, key).await? {
        return Ok(found);
    }
    let whom = bucket.describe(key);
    if let Some(keys) = alternatives(key) {
        let mut listings =
            stream::iter(keys).map(|key| async move { Box::pin(list(bucket, &key)).await }).buffered(AT_A_TIME);
        let mut found = Vec::new();
        while let Some(objects) = listings.try_next().await? {
            extend(bucket, &mut found, objects)?;
        }
        // what several of them name is one object
        found.sort_by(|left, right| left.key.cmp(&right.key));
        found.dedup_by(|left, right| left.key == right.key);
        return Ok(found);
    }
    if !is_pattern(key.as_bytes()) {
        return Err(ConnectorError::new(ErrorCode::Io, format!("{whom} does not exist; check LOCATION")));
    }
    let found = match is_deep(key.as_bytes()) {
        true => search(bucket, key).await?,
        false => expand(bucket, key).await?,
    };
    match found.is_empty() {
        true => Err(ConnectorError::new(ErrorCode::Io, format!("no object matches {whom}; check LOCATION"))),
        false => Ok(found),
    }
}

/// The names of the visible folders in a folder.
pub(super) async fn folders(bucket: &Arc<Bucket>, key: &str) -> Result<Vec<String>> {
    let prefix = folder_prefix(key);
    let mut listing = bucket.list_folder(&prefix);
    let mut names = Vec::new();
    while let Some(entry) = listing.try_next().await? {
        if let ListEntry::Folder(folder) = entry {
            let name = name_in(&folder, &prefix);
            if !name.is_empty() && !is_hidden(name.as_bytes()) {
                names.push(name.to_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

/// What the keys in a folder begin with.
pub(super) fn folder_prefix(key: &str) -> String {
    match key.is_empty() || key.ends_with('/') {
        true => key.to_owned(),
        false => format!("{key}/"),
    }
}

/// The object of this key, or the files of the folder of this name; None if there is neither.
async fn look_up(bucket: &Arc<Bucket>, key: &str) -> Result<Option<Vec<FoundObject>>> {
    let mut refused = None;
    if !key.is_empty() && !key.ends_with('/') {
        match bucket.head(key).await {
            Ok(Some((size, etag))) => {
                return Ok(Some(vec![FoundObject { key: key.into(), size, etag: etag.into() }]));
            }
            Ok(None) => {}
            // An answer to HEAD does not say why; that to a listing does.
            Err(error) if error.code() == ErrorCode::Login => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (list_folder(bucket, &folder_prefix(key)).await?, refused) {
        (None, Some(refused)) => Err(refused),
        (found, _) => Ok(found),
    }
}

/// The visible objects right below a prefix that ends with a slash; None if no key begins with it.
async fn list_folder(bucket: &Arc<Bucket>, prefix: &str) -> Result<Option<Vec<FoundObject>>> {
    let mut listing = bucket.list_folder(prefix);
    let mut found = Found::default();
    let mut exists = prefix.is_empty();
    while let Some(entry) = listing.try_next().await? {
        exists = true;
        match entry {
            ListEntry::Folder(folder) => {
                if is_hidden(name_in(&folder, prefix).as_bytes()) {
                    continue;
                }
                let message = format!(
                    "{} holds a folder, {bucket}/{folder}; a text table's folder holds files only (or use a pattern such as */*)",
                    bucket.describe(prefix)
                );
                return Err(ConnectorError::new(ErrorCode::Io, message));
            }
            // The folder's own name is a marker that consoles and Hadoop make, no file.
            ListEntry::Object { key, .. } if key == prefix => {}
            ListEntry::Object { key, size, etag } => {
                if !is_hidden(name_in(&key, prefix).as_bytes()) {
                    found.add(bucket, key, size, etag)?;
                }
            }
        }
    }
    Ok(exists.then_some(found.finish(bucket).await?))
}

/// The name of an entry below a prefix, without the slash behind a folder.
fn name_in<'a>(key: &'a str, prefix: &str) -> &'a str {
    let name = key.strip_prefix(prefix).unwrap_or(key);
    name.strip_suffix('/').unwrap_or(name)
}

/// What a pattern with `**` names, whatever folders are between.
async fn search(bucket: &Arc<Bucket>, pattern: &str) -> Result<Vec<FoundObject>> {
    let folder = literal_folder(pattern.as_bytes()).len();
    let literal = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let mut listing = bucket.list_prefix(&pattern[..literal]);
    let mut found = Found::default();
    while let Some(entry) = listing.try_next().await? {
        let ListEntry::Object { key, size, etag } = entry else { continue };
        let is_visible = !key[folder.min(key.len())..].split('/').any(|name| is_hidden(name.as_bytes()));
        if is_visible && !key.ends_with('/') && matches_path(pattern.as_bytes(), key.as_bytes()) {
            found.add(bucket, key, size, etag)?;
        }
    }
    found.finish(bucket).await
}

/// What a pattern names, component by component.
async fn expand(bucket: &Arc<Bucket>, pattern: &str) -> Result<Vec<FoundObject>> {
    let parts: Vec<&str> = pattern.strip_suffix('/').unwrap_or(pattern).split('/').collect();
    let Some((last, parts)) = parts.split_last() else { return Ok(Vec::new()) };
    let mut prefixes = vec![String::new()];
    for part in parts {
        if is_pattern(part.as_bytes()) {
            prefixes = matching(bucket, prefixes, part, false).await?.0;
        } else {
            prefixes.iter_mut().for_each(|prefix| prefix.extend([part, "/"]));
        }
    }
    let mut found = Vec::new();
    if is_pattern(last.as_bytes()) {
        let (folders, objects) = matching(bucket, prefixes, last, true).await?;
        found = objects;
        let mut listings =
            stream::iter(folders).map(|folder| async move { list_folder(bucket, &folder).await }).buffered(AT_A_TIME);
        while let Some(objects) = listings.try_next().await? {
            extend(bucket, &mut found, objects.unwrap_or_default())?;
        }
    } else {
        let keys = prefixes.into_iter().map(|prefix| format!("{prefix}{last}"));
        let mut lookups = stream::iter(keys).map(|key| async move { look_up(bucket, &key).await }).buffered(AT_A_TIME);
        while let Some(objects) = lookups.try_next().await? {
            extend(bucket, &mut found, objects.unwrap_or_default())?;
        }
    }
    found.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(found)
}

/// The folders below some prefixes whose names match, as prefixes, and the objects if they are wanted.
async fn matching(
    bucket: &Arc<Bucket>,
    prefixes: Vec<String>,
    pattern: &str,
    wants_objects: bool,
) -> Result<(Vec<String>, Vec<FoundObject>)> {
    let literal = pattern.find(['*', '?', '[']).map_or(pattern, |at| &pattern[..at]);
    let one = |prefix: String| async move {
        let mut listing = bucket.list_folder(&format!("{prefix}{literal}"));
        let fits = |key: &str| {
            let name = name_in(key, &prefix);
            !is_hidden(name.as_bytes()) && matches(pattern.as_bytes(), name.as_bytes())
        };
        let (mut folders, mut found) = (Vec::new(), Found::default());
        while let Some(entry) = listing.try_next().await? {
            match entry {
                ListEntry::Folder(folder) if fits(&folder) => folders.push(folder),
                ListEntry::Object { key, size, etag } if wants_objects && key != prefix && fits(&key) => {
                    found.add(bucket, key, size, etag)?;
                }
                ListEntry::Folder(_) | ListEntry::Object { .. } => {}
            }
        }
        Ok::<_, ConnectorError>((folders, found.finish(bucket).await?))
    };
    let (mut folders, mut found) = (Vec::new(), Vec::new());
    let mut listings = stream::iter(prefixes).map(one).buffered(AT_A_TIME);
    while let Some((more_folders, objects)) = listings.try_next().await? {
        folders.extend(more_folders);
        extend(bucket, &mut found, objects)?;
    }
    Ok((folders, found))
}

fn extend(bucket: &Bucket, found: &mut Vec<FoundObject>, more: Vec<FoundObject>) -> Result<()> {
    found.extend(more);
    check_count(bucket, found.len())
}

fn check_count(bucket: &Bucket, count: usize) -> Result<()> {
    if count <= MAX_FILES {
        return Ok(());
    }
    let message = format!(
        "catalog \"{}\": a location in {bucket} holds more than {MAX_FILES} files; name a folder below it, or make partitions of it",
        bucket.catalog()
    );
    Err(ConnectorError::new(ErrorCode::Unsupported, message))
}

/// Objects as a listing shows them, some of which may lack an ETag.
#[derive(Default)]
struct Found {
    objects: Vec<FoundObject>,
    without_etag: Vec<usize>,
}

impl Found {
    fn add(&mut self, bucket: &Bucket, key: String, size: u64, etag: Option<String>) -> Result<()> {
        if etag.is_none() {
            self.without_etag.push(self.objects.len());
        }
        self.objects.push(FoundObject { key: key.into(), size, etag: etag.unwrap_or_default().into() });
        check_count(bucket, self.objects.len())
    }

    /// Asks for the ETags that the listing did not show: without one, two reads of an object could be of two versions.
    async fn finish(mut self, bucket: &Arc<Bucket>) -> Result<Vec<FoundObject>> {
        let asked: Vec<(usize, Box<str>)> =
            self.without_etag.iter().map(|at| (*at, self.objects[*at].key.clone())).collect();
        let heads = stream::iter(asked).map(|(at, key)| async move {
            let found = bucket.head(&key).await?;
            Ok::<_, ConnectorError>((at, found))
        });
        let mut heads = heads.buffer_unordered(AT_A_TIME);
        let mut removed = Vec::new();
        while let Some((at, found)) = heads.try_next().await? {
            match found {
                Some((size, etag)) => {
                    self.objects[at].size = size;
                    self.objects[at].etag = etag.into();
                }
                None => removed.push(at),
            }
        }
        removed.sort_unstable();
        for at in removed.into_iter().rev() {
            self.objects.remove(at);
        }
        self.objects.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(self.objects)
    }
}
