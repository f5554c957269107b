//! Files wherever they are: one place that lists a location's files and reads one of them as a stream of bytes.
//!
//! A [`FileLocation`] names what `LOCATION` does. [`FileLocation::list`] finds its files, [`FoundFile::open`] reads one.

mod local;
mod location;

pub use location::{FileLocation, FileRead, FoundFile};
