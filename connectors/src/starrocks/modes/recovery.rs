//! Ending an attempt that a run left: forward if its commit was decided, else back. The labels say where it stands; each of them is asked,
//! and nothing is taken for committed or rolled back that the server does not say.

use futures::future::try_join_all;

use super::super::stream_load::client::StreamLoadClient;
use super::super::stream_load::label::{Label, LabelPrefix};
use super::super::stream_load::response::LabelState;
use super::super::stream_load::roll_back::{Ended, Opened};
use super::decided::{Outcomes, Place, commit_all, take_back, warnings_of_visibility};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::journal::AttemptRecord;
use crate::sink::settings::DEFAULT_VISIBLE_TIMEOUT;
use crate::sink::{OpenAttempt, Recovered, WriteSummary};

/// Ends an attempt of one of the modes `single`, `transaction` and `plain`.
pub(in super::super) async fn recover(
    catalog: &str,
    client: &StreamLoadClient,
    open: &OpenAttempt,
) -> Result<Recovered> {
    let attempt = Attempt { catalog, client, record: &open.attempt };
    let decision = match &open.decision {
        Some(labels) => Some(attempt.recorded(labels)?),
        None => None,
    };
    match (open.attempt.write_mode.as_str(), decision) {
        ("single", _) => attempt.single().await,
        ("transaction", Some(labels)) => attempt.forward(&labels).await,
        ("transaction", None) => attempt.back().await,
        ("plain", decision) => attempt.plain(decision.is_some()).await,
        (mode, _) => {
            Err(attempt.error(ErrorCode::Unsupported, &format!("a write in mode \"{mode}\" cannot be resumed")))
        }
    }
}

/// An attempt and the catalog that it wrote to.
pub(super) struct Attempt<'a> {
    pub(super) catalog: &'a str,
    pub(super) client: &'a StreamLoadClient,
    pub(super) record: &'a AttemptRecord,
}

impl Attempt<'_> {
    pub(super) fn error(&self, code: ErrorCode, what: &str) -> ConnectorError {
        let AttemptRecord { database, table, .. } = self.record;
        ConnectorError::new(code, format!("{}.{database}.{table}: {what}", self.catalog))
    }

    pub(super) fn recorded(&self, labels: &[String]) -> Result<Vec<Label>> {
        let read = |label: &String| {
            Label::recorded(label).ok_or_else(|| {
                self.error(ErrorCode::Unknown, &format!("the state folder names {label:?}, which is no label"))
            })
        };
        labels.iter().map(read).collect()
    }

    fn prefix(&self) -> Result<LabelPrefix> {
        let prefix = &self.record.label_prefix;
        LabelPrefix::recorded(prefix).ok_or_else(|| {
            self.error(
                ErrorCode::Unknown,
                &format!("the state folder names {prefix:?}, which is no beginning of a label"),
            )
        })
    }

    /// Rows and bytes are not known any more; labels and mode are.
    pub(super) async fn committed(&self, labels: Vec<Label>) -> Recovered {
        let warnings =
            warnings_of_visibility(self.client, &self.record.database, &labels, DEFAULT_VISIBLE_TIMEOUT).await;
        Recovered::Committed(WriteSummary {
            labels: labels.iter().map(ToString::to_string).collect(),
            write_mode: self.record.write_mode.clone(),
            warnings,
            ..WriteSummary::default()
        })
    }

    async fn roll_back(&self, label: &Label, opened: Opened) -> Result<Ended> {
        let AttemptRecord { database, table, .. } = self.record;
        self.client.roll_back_left(database, table, label, opened).await.map_err(|error| {
            let what = format!("{label} could not be rolled back: {}; --resume tries it again", error.message());
            self.error(ErrorCode::Unknown, &what)
        })
    }

    pub(super) async fn state(&self, label: &Label) -> Result<LabelState> {
        self.client.settled_state(&self.record.database, label).await.map_err(|error| {
            let what = format!("the state of {label} cannot be asked: {}; --resume tries it again", error.message());
            self.error(ErrorCode::Unknown, &what)
        })
    }

    /// One load: what became of it is what became of the write. A load that still runs has lost its sender, and is rolled back, unless its
    /// commit comes first.
    async fn single(&self) -> Result<Recovered> {
        let label = self.prefix()?.label(0, 0);
        match self.roll_back(&label, Opened::ByLoad).await? {
            Ended::Committed => Ok(self.committed(vec![label]).await),
            Ended::Aborted | Ended::Unknown => Ok(Recovered::RolledBack),
        }
    }

    /// A decision to commit these, which were all prepared.
    async fn forward(&self, labels: &[Label]) -> Result<Recovered> {
        let states = try_join_all(labels.iter().map(|label| self.state(label))).await?;
        let is_committed = |state: &LabelState| matches!(state, LabelState::Committed | LabelState::Visible);
        let is_aborted = |state: &LabelState| matches!(state, LabelState::Aborted(_));
        let forgotten: Vec<Label> = labels
            .iter()
            .zip(&states)
            .filter(|(_, state)| **state == LabelState::Unknown)
            .map(|(label, _)| label.clone())
            .collect();
        if !forgotten.is_empty() {
            // The server knew them when the decision was taken. What it has forgotten may be visible.
            let what = format!(
                "the server does not know {} of the {} transactions whose commit was decided: {}; labels are kept for three days; compare the table with its source",
                forgotten.len(),
                labels.len(),
                joined(&forgotten)
            );
            return Err(self.error(ErrorCode::Unknown, &what));
        }
        let AttemptRecord { database, table, .. } = self.record;
        let place = Place { client: self.client, database, table };
        let outcomes = if states.iter().any(is_aborted) && !states.iter().any(is_committed) {
            // Nothing is visible yet, and a part cannot be any more: so none of it shall be. A commit that the process had sent may be on
            // its way all the same.
            take_back(place, labels).await
        } else {
            commit_all(place, labels).await
        };
        if outcomes.committed.len() == labels.len() {
            return Ok(self.committed(outcomes.committed).await);
        }
        if outcomes.committed.is_empty() && outcomes.doubtful.is_empty() {
            return Ok(Recovered::RolledBack);
        }
        let committed = format!("{} of {} transactions are committed", outcomes.committed.len(), labels.len());
        if outcomes.doubtful.is_empty() {
            let gone = Outcomes::named(&outcomes.gone);
            let what = format!(
                "{committed} and stay; rolled back: {gone}; remove the rows of the others by hand before running again"
            );
            return Err(self.error(ErrorCode::PartlyCommitted, &what));
        }
        let what =
            format!("{committed}; not known are {}; --resume tries it again", Outcomes::named(&outcomes.doubtful));
        Err(self.error(ErrorCode::Unknown, &what))
    }

    /// No decision: everything that the attempt has begun is rolled back.
    async fn back(&self) -> Result<Recovered> {
        let prefix = self.prefix()?;
        let writers = (0..self.record.writers).map(|writer| self.end_labels_of(&prefix, writer, Opened::ByTransaction));
        let committed: Vec<Label> = try_join_all(writers).await?.into_iter().flatten().collect();
        if committed.is_empty() {
            return Ok(Recovered::RolledBack);
        }
        let what = format!("transactions are committed though nobody had decided it: {}", joined(&committed));
        Err(self.error(ErrorCode::PartlyCommitted, &what))
    }

    /// Loads that are visible one by one. Only a write that had come to its end left all of it.
    async fn plain(&self, is_decided: bool) -> Result<Recovered> {
        let prefix = self.prefix()?;
        let writers = (0..self.record.writers).map(|writer| self.end_labels_of(&prefix, writer, Opened::ByLoad));
        let committed: Vec<Label> = try_join_all(writers).await?.into_iter().flatten().collect();
        if is_decided {
            return Ok(self.committed(committed).await);
        }
        if committed.is_empty() {
            return Ok(Recovered::RolledBack);
        }
        let what = format!(
            "write_mode 'plain' cannot be resumed: {} loads are visible and stay: {}; remove their rows by hand before running again",
            committed.len(),
            joined(&committed)
        );
        Err(self.error(ErrorCode::PartlyCommitted, &what))
    }

    /// Ends the labels of one writer in order, up to the first that stays unknown to the server: a writer begins the next one when the begin
    /// before it was answered. Returns those that are committed.
    async fn end_labels_of(&self, prefix: &LabelPrefix, writer: usize, opened: Opened) -> Result<Vec<Label>> {
        let mut committed = Vec::new();
        for sequence in 0.. {
            let label = prefix.label(writer, sequence);
            match self.roll_back(&label, opened).await? {
                Ended::Unknown => break,
                Ended::Aborted => {}
                Ended::Committed => committed.push(label),
            }
        }
        Ok(committed)
    }
}

/// The first few labels, for errors.
fn joined(labels: &[Label]) -> String {
    const SHOWN: usize = 10;
    let mut shown: Vec<&str> = labels.iter().take(SHOWN).map(Label::as_str).collect();
    if labels.len() > SHOWN {
        shown.push("…");
    }
    shown.join(", ")
}
