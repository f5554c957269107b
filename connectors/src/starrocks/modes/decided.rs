//! Carrying out a decision to commit: in the process that took it, and after a crash in another one.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;

use super::super::stream_load::client::StreamLoadClient;
use super::super::stream_load::label::Label;
use super::super::stream_load::transaction::Committed;

/// Calls to the server at once: enough to hide their latency, few enough for one frontend.
pub(super) const CALLS_AT_ONCE: usize = 8;

/// What became of transactions whose commit was decided.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) committed: Vec<Label>,
    /// The server has rolled these back, and says why.
    pub(super) gone: Vec<(Label, String)>,
    /// Whether these are committed could not be learnt.
    pub(super) doubtful: Vec<(Label, String)>,
}

impl Outcomes {
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

/// Commits prepared transactions. Those of one writer are committed in their order, so that of two rows with one key the later one wins;
/// writers are committed side by side.
pub(super) async fn commit_all(client: &StreamLoadClient, database: &str, table: &str, labels: &[Label]) -> Outcomes {
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
        sum.committed.extend(outcomes.committed);
        sum.gone.extend(outcomes.gone);
        sum.doubtful.extend(outcomes.doubtful);
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
