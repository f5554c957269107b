//! Files wherever they are: one place that lists a location's files and reads one of them as a stream of bytes.
//!
//! A [`FileLocation`] names what `LOCATION` does. [`FileLocation::list`] finds its files, each of one version; [`FoundFile::open`] reads one,
//! [`FoundFile::open_range`] a part of one: bytes of that version, or an error that says that the file has changed. A [`Bucket`] also is
//! what writing to OSS and S3 needs.

mod local;
mod location;
mod objects;
mod pattern;

pub use crate::oss::{Bucket, ListEntry, Listing, UploadedPart};
pub use location::{FileLocation, FileRead, FoundFile};
