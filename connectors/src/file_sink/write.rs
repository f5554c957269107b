//! What all parts of one write into files know: where files go, how they are written down, who is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::encoder::FileFormatter;
use super::options::Mode;
use super::places::{self, Names};
use super::shape::Shape;
use super::target::{KnownPartition, Layout, TargetKind};
use super::upload::Uploads;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::FileLocation;
use crate::sink::{CommitJournal, RejectLog, WriteId};
use crate::text::partition_name;

/// One write, planned.
#[derive(Debug)]
pub(super) struct FileWrite {
    /// The target, for messages.
    pub(super) name: String,
    /// The table as the request names it, for the journal.
    pub(super) database: String,
    pub(super) table: String,
    pub(super) kind: TargetKind,
    pub(super) location: FileLocation,
    pub(super) layout: Layout,
    pub(super) mode: Mode,
    pub(super) formatter: Arc<dyn FileFormatter>,
    pub(super) shape: Shape,
    pub(super) partition_columns: Vec<String>,
    /// The value of each partition column that the statement gives; None: the rows say.
    pub(super) static_values: Vec<Option<String>>,
    pub(super) known: Vec<KnownPartition>,
    /// What names of files end with, in place of the format's own ending.
    pub(super) suffix: Option<String>,
    pub(super) max_file_bytes: u64,
    pub(super) max_dynamic_partitions: usize,
    /// Whether a write without rows leaves a file without rows; None: where readers need one.
    pub(super) empty_file: Option<bool>,
    pub(super) id: WriteId,
    pub(super) journal: Arc<dyn CommitJournal>,
    pub(super) rejects: Arc<dyn RejectLog>,
    pub(super) uploads: Uploads,
    /// The partitions that got rows so far.
    pub(super) touched: Mutex<BTreeSet<Vec<String>>>,
    /// Said when the write is committed.
    pub(super) warnings: Vec<String>,
}

impl FileWrite {
    /// Whether files are in folders of partitions.
    pub(super) fn is_partitioned(&self) -> bool {
        !self.partition_columns.is_empty()
    }

    /// The partition that the statement names alone; None if rows say, or if there are none.
    pub(super) fn static_partition(&self) -> Option<Vec<String>> {
        let values: Option<Vec<String>> = self.static_values.iter().cloned().collect();
        values.filter(|values| !values.is_empty())
    }

    /// All values of a partition from those that its rows say.
    pub(super) fn partition(&self, dynamic: Vec<String>) -> Vec<String> {
        let mut dynamic = dynamic.into_iter();
        self.static_values.iter().map(|value| value.clone().or_else(|| dynamic.next()).unwrap_or_default()).collect()
    }

    /// Counts partitions that rows name.
    pub(super) fn enter_partition(&self, partition: &[String]) -> Result<()> {
        let mut touched = self.touched.lock();
        if touched.contains(partition) {
            return Ok(());
        }
        self.check_nested(partition)?;
        touched.insert(partition.to_vec());
        if touched.len() > self.max_dynamic_partitions {
            let message = format!(
                "the rows are of more than {} partitions of {}; the last was {}. Check the partition columns, which are the last of the SELECT, or set \"max_dynamic_partitions\"",
                self.max_dynamic_partitions,
                self.name,
                self.partition_text(partition)
            );
            return Err(ConnectorError::new(ErrorCode::Value, message));
        }
        Ok(())
    }

    /// `dt=2024-08-07/h=1`.
    pub(super) fn partition_text(&self, partition: &[String]) -> String {
        partition_name(self.partition_columns.iter().map(String::as_str).zip(partition.iter().map(String::as_str)))
    }

    /// A partition that the table knows.
    pub(super) fn known(&self, partition: &[String]) -> Option<&KnownPartition> {
        self.known.iter().find(|known| known.values == partition)
    }

    /// Refuses a known partition whose location is a file or a pattern: readers would not see what is written below it.
    pub(super) async fn check_folder(&self, partition: &[String]) -> Result<()> {
        let Some(known) = self.known(partition) else { return Ok(()) };
        let place = &known.location;
        let is_folder = matches!(place, FileLocation::Object { key, .. } if key.is_empty() || key.ends_with('/'));
        if !super::plan::is_pattern(place) && (is_folder || !places::exists(place).await?) {
            return Ok(());
        }
        let message = format!(
            "partition {} of {} is at {place}, a file or pattern; only a folder is written to",
            self.partition_text(partition),
            self.name
        );
        Err(ConnectorError::new(ErrorCode::Unsupported, message))
    }

    /// The folder of a partition, or of all files.
    pub(super) fn folder(&self, partition: &[String]) -> Result<FileLocation> {
        match self.known(partition) {
            Some(known) => Ok(known.location.clone()),
            None if partition.is_empty() => Ok(self.location.clone()),
            None => self.location.below(&self.partition_text(partition)),
        }
    }

    /// The place of a writer's n-th file.
    pub(super) fn file(&self, partition: &[String], writer: usize, number: usize) -> Result<FileLocation> {
        let WriteId { run, statement, attempt, .. } = &self.id;
        let mut name = format!("{writer:05}-{run}-{statement}-{attempt}");
        if number > 0 {
            name.push_str(&format!("-{number}"));
        }
        match (&self.suffix, self.formatter.extension()) {
            (Some(suffix), _) => name.push_str(suffix),
            (None, extension) if extension.is_empty() => {}
            (None, extension) => {
                name.push('.');
                name.push_str(&extension);
            }
        }
        match self.layout {
            Layout::SingleFile => Ok(self.location.clone()),
            Layout::Folder => self.folder(partition)?.below(&format!("part-{name}")),
            Layout::Prefix => {
                let (folder, prefix) = places::split(&self.location)?;
                folder.below(&format!("{prefix}{}{name}", Names::SEPARATOR))
            }
        }
    }

    /// The files that the write would stand beside, or replace, in one folder: those that readers see, or those of the name that is given.
    pub(super) async fn old_files(&self, partition: &[String]) -> Result<Vec<FileLocation>> {
        match self.layout {
            Layout::SingleFile => Ok(match places::exists(&self.location).await? {
                true => vec![self.location.clone()],
                false => Vec::new(),
            }),
            Layout::Folder => places::files_in(&self.folder(partition)?, Names::Visible).await,
            Layout::Prefix => {
                let (folder, prefix) = places::split(&self.location)?;
                places::files_in(&folder, Names::OfPrefix(prefix)).await
            }
        }
    }

    /// Refuses to make a partition within the folder of another one, whose readers would meet a folder there: a table whose own location is that
    /// of a day, as daily jobs define it.
    pub(super) fn check_nested(&self, partition: &[String]) -> Result<()> {
        if self.kind != TargetKind::Table || partition.is_empty() || self.known(partition).is_some() {
            return Ok(());
        }
        let place = places::identity(&self.folder(partition)?);
        let holds = |known: &&KnownPartition| place.starts_with(&format!("{}/", places::identity(&known.location)));
        let Some(other) = self.known.iter().find(holds) else { return Ok(()) };
        let text = self.partition_text(partition);
        let message = format!(
            "the new partition {text} would be the folder {place}, within that of partition {} of {}; give it one of its own first: ALTER TABLE … ADD PARTITION (…) LOCATION '…'",
            self.partition_text(&other.values),
            self.name
        );
        Err(ConnectorError::new(ErrorCode::Unsupported, message))
    }

    /// Refuses to replace a partition whose files are another one's too.
    pub(super) fn check_shared(&self, partition: &[String]) -> Result<()> {
        if partition.is_empty() {
            return Ok(());
        }
        let place = places::identity(&self.folder(partition)?);
        let other =
            self.known.iter().find(|known| known.values != partition && places::identity(&known.location) == place);
        let Some(other) = other else { return Ok(()) };
        let message = format!(
            "partitions {} and {} of {} have one location, {place}: overwriting one would change the other; use INSERT INTO, or give one of them a location of its own",
            self.partition_text(partition),
            self.partition_text(&other.values),
            self.name
        );
        Err(ConnectorError::new(ErrorCode::Unsupported, message))
    }
}
