//! Writing files: the sink behind INSERT into an external table, INSERT OVERWRITE DIRECTORY and COPY … TO.
//!
//! Writers upload straight to the final names, which carry the run's id; nothing is visible before the commit completes all uploads
//! together. Every upload is journaled before bytes go there, so that roll-back and `--resume` can end it. An overwrite deletes the old
//! files only after all new ones are complete.

pub mod encoder;
mod text;
mod target;

pub use encoder::{FileEncoder, FileFormatter};
pub use target::{FileFormat, FileTarget, KnownPartition, Layout, TargetKind};

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::FileLocation;
use crate::sink::{OpenAttempt, PlannedWrite, Recovered, WriteRequest};

/// Resolves columns and options of a write into files; no effect on the target.
///
/// # Errors
/// Code Option or Name for what does not fit, Unsupported for a location that cannot be written to.
pub async fn plan_write(target: FileTarget, _request: WriteRequest) -> Result<PlannedWrite> {
    let what = format!("writing to files is not built yet, and {} is one over files", target.name);
    Err(ConnectorError::new(ErrorCode::Unsupported, what))
}

/// Ends an attempt that a run left: forward if its commit was decided, else back. `locate` reads what
/// [`FileLocation::reference`] wrote.
///
/// # Errors
/// What could not be ended; calling it again goes on.
pub async fn recover(
    open: &OpenAttempt,
    _locate: &(dyn Fn(&str) -> Result<FileLocation> + Send + Sync),
) -> Result<Recovered> {
    let what = format!("a write to files cannot be resumed yet (attempt {})", open.attempt.label_prefix);
    Err(ConnectorError::new(ErrorCode::Unsupported, what))
}
