//! Carrying out a decision to commit: in the process that took it, and after a crash in another one.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;

use super::super::stream_load::client::StreamLoadClient;
use super::super::stream_load::label::Label;
use super::super::stream_load::response::LabelState;
use super::super::stream_load::roll_back::{Ended, Opened};
use super::super::stream_load::transaction::Committed;

/// Calls to the server at once: enough to hide their latency, few enough for one frontend.
pub(super) const CALLS_AT_ONCE: usize = 8;

/// What became of transactions whose commit was decided.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) committed: Vec<Label>,
    /// These are rolled back: by the server, which says why, or here because others were gone before any was committed.
    pub(super) gone: Vec<(Label, String)>,
    /// Whether these are committed could not be learnt.
    pub(super) doubtful: Vec<(Label, String)>,
}

impl Outcomes {
    fn add(&mut self, more: Self) {
        self.committed.extend(more.committed);
        self.gone.extend(more.gone);
        self.doubtful.extend(more.doubtful);
    }

    fn doubt(&mut self, labels: &[Label], why: &str) {
        self.doubtful.extend(labels.iter().map(|label| (label.clone(), why.to_owned())));
    }

    /// The first few labels with their reasons, for errors.
    pub(super) fn named(items: &[(Label, String)]) -> String {
        const SHOWN: usize = 5;
        let mut shown: Vec<String> =
            items.iter().take(SHOWN).map(|(label, reason)| format!("{label} ({reason})")).collect();
        if items.len() > SHOWN {
            shown.push(format!("and {} more", items.len() - SHOWN));
        }
        shown.join(", ")
    }
}

/// The table whose transactions are ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) client: &'a StreamLoadClient,
    pub(super) database: &'a str,
    pub(super) table: &'a str,
}

/// Commits prepared transactions. Those of one writer are committed in their order, so that of two rows with one key the later one wins;
/// writers are committed side by side, behind a first commit that stands alone: as long as nothing is committed there is a way back, which is
/// taken if a transaction turns out to be gone.
pub(super) async fn commit_all(place: Place<'_>, labels: &[Label]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut waiting = labels;
    while let (true, Some((label, rest))) = (outcomes.committed.is_empty(), waiting.split_first()) {
        waiting = rest;
        match place.client.commit(place.database, place.table, label).await {
            Ok(Committed::Yes) => outcomes.committed.push(label.clone()),
            Ok(Committed::Gone(reason)) => {
                outcomes.gone.push((label.clone(), reason));
                match is_any_committed(place, rest).await {
                    Ok(true) => {}
                    Ok(false) => {
                        outcomes.add(take_back(place, rest).await);
                        return outcomes;
                    }
                    Err(why) => {
                        outcomes.doubt(rest, &why);
                        return outcomes;
                    }
                }
            }
            Err(error) => {
                outcomes.doubtful.push((label.clone(), error.message().to_owned()));
                outcomes.doubt(rest, "it waits for the others");
                return outcomes;
            }
        }
    }
    outcomes.add(commit_side_by_side(place, waiting).await);
    outcomes
}

/// Whether one of these is committed, perhaps by a process before this one; the error is why that is not known.
async fn is_any_committed(place: Place<'_>, labels: &[Label]) -> Result<bool, String> {
    let mut asked = Vec::new();
    for label in labels {
        asked.push(place.client.label_state(place.database, label));
    }
    let states: Vec<_> = stream::iter(asked).buffered(CALLS_AT_ONCE).collect().await;
    let mut is_any = false;
    for state in states {
        is_any |= matches!(state, Ok(LabelState::Committed | LabelState::Visible));
        state.map_err(|error| error.message().to_owned())?;
    }
    Ok(is_any)
}

/// Rolls back transactions whose commit was decided and of which none is known to be committed. One that the server does not know is in
/// doubt: it knew it when the decision was taken.
pub(super) async fn take_back(place: Place<'_>, labels: &[Label]) -> Outcomes {
    let Place { client, database, table } = place;
    let mut calls = Vec::new();
    for label in labels {
        calls.push(async move { (label, client.roll_back(database, table, label, Opened::ByTransaction).await) });
    }
    let ended: Vec<_> = stream::iter(calls).buffered(CALLS_AT_ONCE).collect().await;
    let mut outcomes = Outcomes::default();
    for (label, ended) in ended {
        let label = label.clone();
        match ended {
            Ok(Ended::Committed) => outcomes.committed.push(label),
            Ok(Ended::Aborted) => outcomes.gone.push((label, "rolled back, as not all could be committed".to_owned())),
            Ok(Ended::Unknown) => outcomes.doubtful.push((label, "the server does not know it".to_owned())),
            Err(error) => outcomes.doubtful.push((label, error.message().to_owned())),
        }
    }
    outcomes
}

async fn commit_side_by_side(place: Place<'_>, labels: &[Label]) -> Outcomes {
    let Place { client, database, table } = place;
    let mut writers: BTreeMap<&str, Vec<&Label>> = BTreeMap::new();
    for label in labels {
        writers.entry(label.writer()).or_default().push(label);
    }
    let mut per_writer = Vec::new();
    for labels in writers.into_values() {
        per_writer.push(async move {
            let mut outcomes = Outcomes::default();
            for label in labels {
                match client.commit(database, table, label).await {
                    Ok(Committed::Yes) => outcomes.committed.push(label.clone()),
                    Ok(Committed::Gone(reason)) => outcomes.gone.push((label.clone(), reason)),
                    Err(error) => outcomes.doubtful.push((label.clone(), error.message().to_owned())),
                }
            }
            outcomes
        });
    }
    let all: Vec<_> = stream::iter(per_writer).buffered(CALLS_AT_ONCE).collect().await;
    all.into_iter().fold(Outcomes::default(), |mut sum, outcomes| {
        sum.add(outcomes);
        sum
    })
}

/// A warning for each label that readers do not see in time, though it is committed.
pub(super) async fn warnings_of_visibility(
    client: &StreamLoadClient,
    database: &str,
    labels: &[Label],
    within: Duration,
) -> Vec<String> {
    let late = client.not_visible(database, labels, within).await;
    late.iter()
        .map(|label| format!("{label} is committed but was not visible within {} s; it will be", within.as_secs()))
        .collect()
}
