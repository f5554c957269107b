//! Writing files: the sink behind INSERT into an external table, INSERT OVERWRITE DIRECTORY and COPY … TO.
//!
//! Writers upload straight to the final names, which carry the run's id; nothing is visible before the commit completes all uploads
//! together. Every upload is journaled before bytes go there, so that roll-back and `--resume` can end it. An overwrite deletes the old
//! files only after all new ones are complete.
//!
//! `plan` resolves a statement into a `write`; `writer` encodes rows (`encoder`, `text`) into files on their way (`upload`); `sink` takes the
//! decision to commit, which `decision` carries out here or, after a crash, for `recover`; `places` and `local` are all that touches files.

mod decision;
mod discard;
pub mod encoder;
mod local;
mod options;
mod places;
mod plan;
mod records;
mod recover;
mod shape;
mod sink;
mod target;
#[cfg(test)]
mod tests;
mod text;
mod upload;
mod write;
mod writer;

pub use discard::{DISCARD, plan_discard};
pub use encoder::{FileEncoder, FileFormatter};
pub use options::{SETTINGS, check_settings};
pub use plan::plan_write;
pub use recover::recover;
pub use target::{FileFormat, FileTarget, KnownPartition, Layout, TargetKind};

use options::Mode;

/// What stands for a catalog in the journal of a write into files.
const CATALOG: &str = "syncline";

/// Requests of one write that are under way at a time.
const AT_A_TIME: usize = 16;

/// The mode of a write, for the report.
fn write_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Overwrite => "overwrite",
        Mode::Append | Mode::NonConflict => "append",
    }
}
