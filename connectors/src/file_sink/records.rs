//! What a write leaves in the journal, line by line: uploads that have begun, and what was decided. JSON, and no secrets.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{ConnectorError, Result};
use crate::oss::UploadedPart;

/// Something that exists and must be ended whatever comes of the write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Begun {
    /// A file on this machine that will be renamed.
    Temp(String),
    /// An upload in parts to an object.
    Upload {
        /// The object.
        file: String,
        /// What the server calls the upload.
        id: String,
    },
    /// A folder on this machine that was not there.
    Folder(String),
}

/// How a file becomes visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pending {
    /// This file is renamed.
    Temp(String),
    /// This upload is completed.
    Upload { id: String, parts: Vec<UploadedPart> },
    /// An object without bytes is put.
    Empty,
}

/// A file that is written to its end and not visible yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NewFile {
    /// Its place ([`FileLocation::reference`](crate::object_store::FileLocation::reference)).
    pub(super) file: String,
    pub(super) pending: Pending,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// The values of its partition; none if the target has no partitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) partition: Vec<String>,
}

/// A line of a decision to commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decided {
    /// This file becomes visible.
    Complete(NewFile),
    /// This file is removed once all others are there.
    Remove(String),
    /// The table does not know this partition yet.
    Partition(Vec<String>),
}

/// One value as a line.
pub(super) fn line<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| ConnectorError::internal("a line of the journal cannot be written").with_source(error))
}

/// The values of lines; empty ones are left out.
pub(super) fn parse<'a, T: DeserializeOwned>(lines: impl IntoIterator<Item = &'a str>) -> Result<Vec<T>> {
    let read = |line: &str| {
        serde_json::from_str(line).map_err(|error| {
            ConnectorError::internal("the journal of a write into files has a line that is not understood")
                .with_source(error)
        })
    };
    lines.into_iter().filter(|line| !line.is_empty()).map(read).collect()
}
