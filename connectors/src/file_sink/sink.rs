//! The sink: begin, writers, one commit or one roll-back.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use parking_lot::Mutex;

use super::decision::{Decision, Progress};
use super::options::Mode;
use super::places;
use super::records::{self, NewFile, Pending};
use super::target::{Layout, TargetKind};
use super::write::FileWrite;
use super::writer::FileWriter;
use super::{CATALOG, write_mode};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::FileLocation;
use crate::sink::journal::AttemptRecord;
use crate::sink::{CommitToken, Sink, WriteSummary, Writer};

/// A write into files.
pub(super) struct FileSink {
    write: Arc<FileWrite>,
    decided: Mutex<Option<Decision>>,
    progress: Mutex<Progress>,
}

/// The old files of a partition, and a warning.
type Look = (Vec<FileLocation>, Option<String>);

impl FileSink {
    pub(super) fn new(write: Arc<FileWrite>) -> Self {
        Self { write, decided: Mutex::default(), progress: Mutex::default() }
    }

    /// A place of this write by its reference.
    fn locate(&self, reference: &str) -> Result<FileLocation> {
        let places = std::iter::once(&self.write.location).chain(self.write.known.iter().map(|known| &known.location));
        for place in places {
            if let FileLocation::Object { bucket, .. } = place
                && let Some(key) = reference.strip_prefix(bucket.catalog()).and_then(|rest| rest.strip_prefix(":/"))
            {
                return Ok(FileLocation::Object { bucket: Arc::clone(bucket), key: key.to_owned() });
            }
        }
        Ok(FileLocation::Local(PathBuf::from(reference)))
    }

    /// Refuses to write where there are files already, if the statement says so.
    async fn check_conflict(&self, partition: &[String]) -> Result<()> {
        if self.write.mode != Mode::NonConflict {
            return Ok(());
        }
        match self.write.old_files(partition).await?.first() {
            None => Ok(()),
            Some(file) => Err(ConnectorError::new(
                ErrorCode::Io,
                format!(
                    "{file} is there already, and \"writeMode\" is nonConflict; remove it, or write truncate or append"
                ),
            )),
        }
    }

    /// A file without rows, where readers or the statement want one though there are no rows.
    async fn empty_file(&self, files: &[NewFile]) -> Result<Option<NewFile>> {
        let write = &self.write;
        let partition = write.static_partition().unwrap_or_default();
        if !files.is_empty() || (write.is_partitioned() && partition.is_empty()) {
            return Ok(None);
        }
        let is_new = write.is_partitioned() && write.known(&partition).is_none();
        let wanted = write.empty_file.unwrap_or(match write.layout {
            Layout::SingleFile => false,
            // a folder of a bucket is there only as long as an object is in it
            _ => write.mode == Mode::Overwrite || write.kind != TargetKind::Table || is_new,
        });
        if !wanted {
            return Ok(None);
        }
        let mut file = FileWriter::new(Arc::clone(write), 0, 1).empty_file(partition).await?;
        if let (0, Pending::Upload { id, .. }) = (file.bytes, &file.pending) {
            // not every server takes an empty part
            let begun = records::Begun::Upload { file: file.file.clone(), id: id.clone() };
            places::give_up(&begun, &|reference| self.locate(reference)).await?;
            file.pending = Pending::Empty;
        }
        Ok(Some(file))
    }

    /// The files of a partition that must go, or a warning of those that stay.
    async fn look(&self, partition: &[String]) -> Result<Look> {
        let write = &self.write;
        let is_new = write.is_partitioned() && write.known(partition).is_none();
        write.check_folder(partition).await?;
        match write.mode {
            Mode::Overwrite => {
                write.check_shared(partition)?;
                Ok((write.old_files(partition).await?, None))
            }
            Mode::NonConflict => self.check_conflict(partition).await.map(|()| (Vec::new(), None)),
            Mode::Append if is_new && write.kind == TargetKind::Table => {
                let warning = write.old_files(partition).await?.first().map(|file| {
                    format!(
                        "partition {} was not known to {}, and its folder held files already, such as {file}: they are rows of it now",
                        write.partition_text(partition),
                        write.name
                    )
                });
                Ok((Vec::new(), warning))
            }
            Mode::Append => Ok((Vec::new(), None)),
        }
    }

    /// What must happen, by what the writers have left and what is there now.
    async fn decide(&self, files: Vec<NewFile>) -> Result<(Decision, Vec<String>)> {
        let write = &self.write;
        let mut partitions: BTreeSet<Vec<String>> = files.iter().map(|file| file.partition.clone()).collect();
        partitions.extend(write.static_partition());
        if !write.is_partitioned() {
            partitions.insert(Vec::new());
        }
        let looks: Vec<BoxFuture<'_, Result<Look>>> =
            partitions.iter().map(|partition| self.look(partition).boxed()).collect();
        let looks: Vec<Look> = futures::stream::iter(looks).buffered(super::AT_A_TIME).try_collect().await?;
        let new: BTreeSet<&str> = files.iter().map(|file| file.file.as_str()).collect();
        let (old, warnings): (Vec<Vec<FileLocation>>, Vec<Option<String>>) = looks.into_iter().unzip();
        let old = old.into_iter().flatten().map(|file| file.reference());
        let remove: BTreeSet<String> = old.filter(|file| !new.contains(file.as_str())).collect();
        let is_table = write.kind == TargetKind::Table && write.is_partitioned();
        let unknown = partitions.into_iter().filter(|partition| is_table && write.known(partition).is_none());
        let decision = Decision { partitions: unknown.collect(), files, remove: remove.into_iter().collect() };
        Ok((decision, warnings.into_iter().flatten().collect()))
    }
}

impl fmt::Debug for FileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileSink({})", self.write.name)
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn begin(&self, writers: usize) -> Result<()> {
        let write = &self.write;
        if !write.is_partitioned() || write.static_partition().is_some() {
            self.check_conflict(&write.static_partition().unwrap_or_default()).await?;
        }
        write
            .journal
            .record_attempt(AttemptRecord {
                id: write.id.clone(),
                catalog: CATALOG.to_owned(),
                database: write.database.clone(),
                table: write.table.clone(),
                label_prefix: format!("{}-{}-{}", write.id.run, write.id.statement, write.id.attempt),
                writers,
                write_mode: write_mode(write.mode).to_owned(),
                details: String::new(),
            })
            .await
    }

    async fn open(&self, writer: usize, writers: usize) -> Result<Box<dyn Writer>> {
        Ok(Box::new(FileWriter::new(Arc::clone(&self.write), writer, writers)))
    }

    async fn commit(&self, tokens: Vec<CommitToken>) -> Result<WriteSummary> {
        let write = &self.write;
        let mut files: Vec<NewFile> = records::parse(tokens.iter().flat_map(|token| token.label.lines()))?;
        files.extend(self.empty_file(&files).await?);
        let (decision, warnings) = self.decide(files).await?;
        write.journal.record_decision(&write.id, &decision.lines()?).await?;
        *self.decided.lock() = Some(decision.clone());
        decision.carry_out(&|reference| self.locate(reference), &self.progress).await?;
        let mut summary = decision.summary(write_mode(write.mode));
        summary.warnings = write.warnings.iter().cloned().chain(warnings).collect();
        if let Err(error) = write.journal.forget(&write.id).await {
            summary
                .warnings
                .push(format!("the journal could not be told that the write has ended: {}", error.message()));
        }
        Ok(summary)
    }

    async fn abort(&self) -> Result<()> {
        if self.decided.lock().is_some() {
            let message = "the commit was decided; --resume completes it";
            return Err(ConnectorError::new(ErrorCode::PartlyCommitted, message));
        }
        self.write.uploads.give_up(&|reference| self.locate(reference)).await?;
        self.write.journal.forget(&self.write.id).await
    }

    fn remains(&self) -> Option<WriteSummary> {
        let decided = self.decided.lock();
        let decision = decided.as_ref()?;
        let completed = self.progress.lock().completed.clone();
        let visible = decision.files.iter().filter(|file| completed.contains(&file.file));
        Some(WriteSummary {
            rows_written: visible.map(|file| file.rows).sum(),
            ..decision.summary(write_mode(self.write.mode))
        })
    }
}
