//! A decision to commit, and carrying it out: in the process that took it, and after a crash in another one. Every step may be done again.

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use super::places::{self, Locate};
use super::records::{self, Decided, NewFile};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::FileLocation;
use crate::sink::WriteSummary;

/// Everything that must happen, in this order: all files become visible, then old ones are removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) files: Vec<NewFile>,
    /// References of old files.
    pub(super) remove: Vec<String>,
    /// What the table does not know yet.
    pub(super) partitions: Vec<Vec<String>>,
}

/// How far a decision was carried out.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// References of files that are visible.
    pub(super) completed: BTreeSet<String>,
}

impl Decision {
    /// The decision for the journal.
    pub(super) fn lines(&self) -> Result<Vec<String>> {
        let files = self.files.iter().cloned().map(Decided::Complete);
        let remove = self.remove.iter().cloned().map(Decided::Remove);
        let partitions = self.partitions.iter().cloned().map(Decided::Partition);
        files.chain(remove).chain(partitions).map(|decided| records::line(&decided)).collect()
    }

    /// A decision from the journal.
    pub(super) fn parse(lines: &[String]) -> Result<Self> {
        let mut decision = Self::default();
        for decided in records::parse(lines.iter().flat_map(|line| line.lines()))? {
            match decided {
                Decided::Complete(file) => decision.files.push(file),
                Decided::Remove(file) => decision.remove.push(file),
                Decided::Partition(values) => decision.partitions.push(values),
            }
        }
        Ok(decision)
    }

    /// What a commit by this decision has done.
    pub(super) fn summary(&self, write_mode: &str) -> WriteSummary {
        WriteSummary {
            rows_written: self.files.iter().map(|file| file.rows).sum(),
            bytes_written: self.files.iter().map(|file| file.bytes).sum(),
            labels: self.files.iter().map(|file| file.file.clone()).collect(),
            write_mode: write_mode.to_owned(),
            new_partitions: self.partitions.clone(),
            ..WriteSummary::default()
        }
    }

    /// Makes all files visible, and then removes the old ones.
    ///
    /// # Errors
    /// Code PartlyCommitted or Unknown with what is left to do; calling it again goes on.
    pub(super) async fn carry_out(&self, locate: &Locate<'_>, progress: &parking_lot::Mutex<Progress>) -> Result<()> {
        let ends: Vec<BoxFuture<'_, Result<FileLocation>>> =
            self.files.iter().map(|file| complete(file, locate, progress).boxed()).collect();
        let outcomes: Vec<Result<FileLocation>> =
            futures::stream::iter(ends).buffer_unordered(super::AT_A_TIME).collect().await;
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        let mut failed = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(FileLocation::Local(path)) => folders.extend(path.parent().map(PathBuf::from)),
                Ok(_) => {}
                Err(error) => failed.push(error),
            }
        }
        if let Some(first) = failed.first() {
            let code = if failed.len() < self.files.len() { ErrorCode::PartlyCommitted } else { ErrorCode::Unknown };
            let message = format!(
                "{} of {} files could not be completed, and nothing old was removed: {}; --resume goes on from here",
                failed.len(),
                self.files.len(),
                first.message()
            );
            return Err(ConnectorError::new(code, message));
        }
        places::sync(folders.into_iter().collect()).await.map_err(|error| left_behind(&error))?;
        let removals: Vec<BoxFuture<'_, Result<()>>> =
            self.remove.iter().map(|file| remove(file, locate).boxed()).collect();
        let outcomes: Vec<Result<()>> =
            futures::stream::iter(removals).buffer_unordered(super::AT_A_TIME).collect().await;
        let failed: Vec<ConnectorError> = outcomes.into_iter().filter_map(Result::err).collect();
        match failed.first() {
            None => Ok(()),
            Some(first) => {
                let message = format!(
                    "all new files are visible, and {} of {} old ones as well, which could not be removed: {}; --resume goes on from here",
                    failed.len(),
                    self.remove.len(),
                    first.message()
                );
                Err(ConnectorError::new(ErrorCode::PartlyCommitted, message))
            }
        }
    }
}

async fn complete(
    file: &NewFile,
    locate: &Locate<'_>,
    progress: &parking_lot::Mutex<Progress>,
) -> Result<FileLocation> {
    let place = locate(&file.file)?;
    places::complete(&place, &file.pending, file.bytes).await?;
    progress.lock().completed.insert(file.file.clone());
    Ok(place)
}

async fn remove(file: &str, locate: &Locate<'_>) -> Result<()> {
    places::remove(&locate(file)?).await
}

fn left_behind(error: &ConnectorError) -> ConnectorError {
    let message = format!("the new files are visible but may be lost with the machine's power: {}", error.message());
    ConnectorError::new(ErrorCode::PartlyCommitted, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_sink::records::Pending;
    use crate::oss::UploadedPart;

    #[test]
    fn a_decision_survives_the_journal() {
        let file = |pending, partition: &[&str]| NewFile {
            file: "test_g:/t/dt=1/part \"0\"\n".into(),
            pending,
            rows: 3,
            bytes: 9,
            partition: partition.iter().map(|value| (*value).to_owned()).collect(),
        };
        let parts = vec![UploadedPart { number: 1, etag: "\"e\"".into(), bytes: 9 }];
        let decision = Decision {
            files: vec![
                file(Pending::Temp("/t/.part.r.tmp".into()), &[]),
                file(Pending::Upload { id: "u".into(), parts }, &["1"]),
                file(Pending::Empty, &["1"]),
            ],
            remove: vec!["/t/old".into()],
            partitions: vec![vec!["1".into()]],
        };
        let lines = decision.lines().unwrap();
        assert_eq!(Decision::parse(&lines).unwrap(), decision);
        assert_eq!(Decision::parse(&[lines.join("\n")]).unwrap(), decision);
        assert_eq!(decision.summary("append").rows_written, 9);
    }
}
