//! What became of the statement that moves the staged rows: asked for when its answer is lost, and by the process that ends what another one
//! left.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::super::catalog::StarrocksCatalog;
use super::super::super::partitions::{Partition, PartitionTuple, PartitionValues, Which};
use super::super::super::stream_load::label::{Label, LabelPrefix};
use super::super::super::stream_load::response::LabelState;
use super::super::partition_places::cancel_loads;
use super::super::statement::{let_it_arrive, pause};
use super::super::target::VISIBLE_PAUSE;
use super::MODE;
use super::server::Server;
use crate::error::{ConnectorError, Result};
use crate::sink::journal::AttemptRecord;
use crate::sink::{OpenAttempt, Recovered, WriteSummary};

/// How long recovery waits for a statement that runs; calling it again goes on.
const RECOVERY_TIME: Duration = Duration::from_secs(300);

/// What of it recovery needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Details {
    pub(super) staging: String,
    pub(super) replaces: Replaces,
    /// The ids of the partitions that the statement replaces, before it; for the touched ones all ids.
    pub(super) before: Vec<u64>,
    /// Values of a partition that the statement touches, where the partitions are lists.
    pub(super) touched: Option<PartitionTuple>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Replaces {
    Nothing,
    /// All of the partitions in `before`.
    All,
    /// Some of them.
    Touched,
}

/// What became of the statement.
pub(super) enum Fate {
    Committed {
        visible: bool,
    },
    /// For this reason; nothing of it can follow once the staging table is gone.
    NotCommitted(String),
    /// The label says no, and the partitions are others all the same: by somebody else, or by this statement if it had no rows, whose label
    /// ends without a commit. Nothing of it can follow once the staging table is gone.
    Contradicted,
    NotKnown(String),
}

/// What the journal notes of a statement that the server refused though its label is written and the partitions are others.
pub(super) const REFUSED: &str = "refused";
/// What is said of it.
pub(super) const WRITTEN_AND_REFUSED: &str = "the server refused it when its rows were written, and the partitions were replaced: by somebody else, as it seems; \
     compare them with the source";

impl Server {
    pub(super) async fn wait_until_visible(&self, label: &Label, limit: Duration) -> bool {
        let started = Instant::now();
        loop {
            match self.client.label_state(&self.database, label).await {
                Ok(LabelState::Visible) => return true,
                // An INSERT OVERWRITE of no rows ends its label without a commit.
                Ok(LabelState::Aborted(_) | LabelState::Unknown) => return true,
                _ if started.elapsed() >= limit => return false,
                _ => tokio::time::sleep(VISIBLE_PAUSE.min(limit)).await,
            }
        }
    }

    /// Whether the new partitions are in their places.
    async fn has_replaced(&self, details: &Details) -> Result<bool> {
        let now = self.partitions(&self.table, Which::Formal).await?;
        let stays = |partition: &Partition| details.before.contains(&partition.id);
        Ok(match (details.replaces, &details.touched) {
            (Replaces::Nothing, _) => false,
            (Replaces::All, _) => !now.is_empty() && !now.iter().any(stays),
            (Replaces::Touched, Some(touched)) => now.iter().any(|partition| {
                let holds = matches!(&partition.values, PartitionValues::List(tuples) if tuples.contains(touched));
                holds && !stays(partition)
            }),
            (Replaces::Touched, None) => {
                let gone = details.before.iter().any(|id| now.iter().all(|partition| partition.id != *id));
                gone || now.iter().any(|partition| !stays(partition))
            }
        })
    }

    /// What became of the statement, asked for until it is at rest, or for as long as a commit may take if nobody answers.
    pub(super) async fn fate(&self, details: &Details, label: &Label, limit: Duration) -> Fate {
        let patience = self.client.patience();
        let started = Instant::now();
        let replaces = details.replaces != Replaces::Nothing;
        // Since when nothing moves any more.
        let mut rest: Option<Instant> = None;
        // Since when no question is answered.
        let mut silent_since: Option<Instant> = None;
        let mut questions = 0;
        loop {
            questions += 1;
            let asked = Instant::now();
            // First the label: what is in place after it was asked for is in place.
            let state = self.client.label_state(&self.database, label).await;
            let replaced = if replaces { self.has_replaced(details).await } else { Ok(false) };
            // Of the touched partitions none is known for sure, and others add partitions too: there the label must agree.
            let is_written = matches!(state, Ok(LabelState::Visible | LabelState::Committed));
            let replaced = replaced.map(|replaced| replaced && (is_written || details.replaces != Replaces::Touched));
            let is_silent = state.is_err() || replaced.is_err();
            silent_since = is_silent.then(|| silent_since.unwrap_or(asked));
            let trouble = match (state, replaced) {
                (Ok(LabelState::Visible | LabelState::Committed), Ok(true)) => {
                    return Fate::Committed { visible: true };
                }
                (Ok(LabelState::Visible), Ok(false)) if !replaces => return Fate::Committed { visible: true },
                (Ok(LabelState::Committed), Ok(false)) if !replaces => {
                    return Fate::Committed { visible: self.wait_until_visible(label, patience.answer_margin).await };
                }
                (Ok(LabelState::Running | LabelState::Prepared | LabelState::Committed), Ok(_)) => {
                    rest = None;
                    "it still runs".to_owned()
                }
                // The new rows are written; that they take the place of the old ones may follow.
                (Ok(LabelState::Visible), Ok(false)) => {
                    if rest.get_or_insert_with(Instant::now).elapsed() >= patience.answer_margin {
                        return Fate::NotKnown(
                            "its rows are written, but the old ones are still in their place".to_owned(),
                        );
                    }
                    "its rows are written".to_owned()
                }
                (Ok(state), Ok(replaced)) => {
                    if rest.get_or_insert_with(Instant::now).elapsed() >= patience.unknown_for {
                        return match state {
                            LabelState::Aborted(reason) if !replaced || details.rows > 0 => Fate::NotCommitted(reason),
                            _ if replaced => Fate::Contradicted,
                            _ => Fate::NotCommitted(String::new()),
                        };
                    }
                    "the server does not know it".to_owned()
                }
                (Err(error), _) | (_, Err(error)) => error.message().to_owned(),
            };
            if started.elapsed() >= limit || silent_since.is_some_and(|since| since.elapsed() >= patience.commit_for) {
                return Fate::NotKnown(trouble);
            }
            pause(patience, questions).await;
        }
    }
}

/// Ends an attempt that a run left. A decided one is asked for: if the statement took effect, the attempt is committed. If it did not, it is
/// rolled back and not run again, since what it would move is a state of the source that is gone by now; the statement as a whole runs again.
pub(in crate::starrocks) async fn recover(catalog: &StarrocksCatalog, open: &OpenAttempt) -> Result<Recovered> {
    let AttemptRecord { database, table, label_prefix, details, .. } = &open.attempt;
    let server = Server {
        client: catalog.stream_load()?,
        pool: catalog.pool().clone(),
        catalog: open.attempt.catalog.clone(),
        database: database.clone(),
        table: table.clone(),
    };
    let unreadable = || ConnectorError::internal(format!("the journal's entry of {label_prefix} cannot be read"));
    // Behind it is what was added since.
    let mut read = serde_json::Deserializer::from_str(details).into_iter::<Details>();
    let first = read.next().ok_or_else(unreadable)?.map_err(|error| unreadable().with_source(error))?;
    let was_refused = details.get(read.byte_offset()..).is_some_and(|added| added.lines().any(|line| line == REFUSED));
    let details = first;
    let label = LabelPrefix::recorded(label_prefix).ok_or_else(unreadable)?.statement_label();
    if open.decision.is_none() {
        cancel_loads(&server.client, &open.attempt, &details.staging).await;
        server.drop_table(&details.staging).await?;
        // The process may have died behind the statement that makes it.
        let_it_arrive(server.client.patience()).await;
        server.drop_table(&details.staging).await?;
        return Ok(Recovered::RolledBack);
    }
    let mut fate = server.fate(&details, &label, RECOVERY_TIME).await;
    if matches!(fate, Fate::NotCommitted(_) | Fate::Contradicted) {
        server.drop_table(&details.staging).await?;
        fate = server.fate(&details, &label, RECOVERY_TIME).await;
    }
    match fate {
        Fate::Committed { .. } if was_refused => Err(server.unknown(&label, WRITTEN_AND_REFUSED)),
        Fate::Committed { visible } => {
            let mut summary = WriteSummary {
                rows_written: details.rows,
                bytes_written: details.bytes,
                labels: vec![label.to_string()],
                write_mode: MODE.into(),
                ..WriteSummary::default()
            };
            if !visible {
                summary.warnings.push(not_visible_yet(&label, server.client.patience().answer_margin));
            }
            server.drop_table(&details.staging).await?;
            Ok(Recovered::Committed(summary))
        }
        Fate::NotCommitted(_) => Ok(Recovered::RolledBack),
        Fate::Contradicted => Err(server.contradicted(&label, "")),
        Fate::NotKnown(reason) => Err(server.unknown(&label, &reason)),
    }
}

pub(super) fn not_visible_yet(label: &Label, timeout: Duration) -> String {
    format!("{label} is committed but was not visible within {} s; it will be", timeout.as_secs())
}
