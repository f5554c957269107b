//! Statements that the server runs by itself under a label of ours: what became of one whose answer nobody heard.
//!
//! Of an INSERT the label tells. Of an INSERT OVERWRITE it tells only that the new rows are written: that they take the place of the old
//! ones follows, by partitions with other ids. So the ids are kept before the statement is sent, and both must agree.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::super::catalog::StarrocksCatalog;
use super::super::partitions::{self, Which};
use super::super::stream_load::label::Label;
use super::super::stream_load::response::LabelState;
use super::recovery::Attempt;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::journal::AttemptRecord;
use crate::sink::{OpenAttempt, Recovered};

/// What recovery must know of an INSERT OVERWRITE.
#[derive(Debug, Serialize, Deserialize)]
struct Details {
    /// The ids of the table's partitions before the statement; None if they could not be looked up.
    before: Option<Vec<u64>>,
}

/// The details of an INSERT OVERWRITE that is about to be sent. A table whose partitions cannot be looked up is left to the statement to say
/// so.
pub(in super::super) async fn details_of_overwrite(
    catalog: &StarrocksCatalog,
    database: &str,
    table: &str,
) -> Result<String> {
    let before = match partition_ids(catalog, database, table).await {
        Ok(ids) => Some(ids),
        Err(error) => {
            tracing::warn!(database, table, %error, "the partitions that a statement replaces cannot be looked up");
            None
        }
    };
    serde_json::to_string(&Details { before })
        .map_err(|error| ConnectorError::internal("the journal's entry cannot be written").with_source(error))
}

async fn partition_ids(catalog: &StarrocksCatalog, database: &str, table: &str) -> Result<Vec<u64>> {
    let mut connection = catalog.pool().get().await?;
    let found = partitions::list(&mut connection, database, table, Which::Formal).await?;
    connection.release();
    Ok(found.into_iter().map(|partition| partition.id).collect())
}

/// Finds out what became of the statement; nothing here can end it.
pub(in super::super) async fn recover(catalog: &StarrocksCatalog, name: &str, open: &OpenAttempt) -> Result<Recovered> {
    let client = catalog.stream_load()?;
    let attempt = Attempt { catalog: name, client: &client, record: &open.attempt };
    let label = attempt.recorded(std::slice::from_ref(&open.attempt.label_prefix))?.remove(0);
    let state = state_at_rest(&attempt, &label).await?;
    let is_written = matches!(state, LabelState::Committed | LabelState::Visible);
    let is_done = match open.attempt.details.as_str() {
        "" => is_written,
        details => {
            let details: Details = serde_json::from_str(details).map_err(|error| {
                ConnectorError::internal(format!("the journal's entry of {label} cannot be read")).with_source(error)
            })?;
            has_replaced(catalog, &attempt, &details, is_written).await?
        }
    };
    if is_done { Ok(attempt.committed(vec![label]).await) } else { Ok(Recovered::RolledBack) }
}

/// The state of the label once the statement does not run any more.
async fn state_at_rest(attempt: &Attempt<'_>, label: &Label) -> Result<LabelState> {
    let started = Instant::now();
    let mut questions = 0;
    loop {
        questions += 1;
        match attempt.state(label).await? {
            LabelState::Running | LabelState::Prepared if started.elapsed() >= attempt.client.patience().commit_for => {
                let what = format!("{label} still runs in the server; --resume asks for it again");
                return Err(attempt.error(ErrorCode::Unknown, &what));
            }
            LabelState::Running | LabelState::Prepared => attempt.client.back_off(questions).await,
            at_rest => return Ok(at_rest),
        }
    }
}

/// Whether the partitions were replaced by the statement, whose label says whether its rows are written.
async fn has_replaced(
    catalog: &StarrocksCatalog,
    attempt: &Attempt<'_>,
    details: &Details,
    is_written: bool,
) -> Result<bool> {
    let AttemptRecord { database, table, label_prefix: label, .. } = attempt.record;
    let in_doubt = |what: &str| {
        let what = format!(
            "{label} {what}; SHOW PARTITIONS FROM {database}.{table} shows what is there; a new run of the statement replaces it, whatever it is"
        );
        Err(attempt.error(ErrorCode::Unknown, &what))
    };
    let Some(before) = &details.before else {
        return match is_written {
            true => in_doubt("has written its rows, but whether they took the place of the old ones is not known"),
            false => Ok(false),
        };
    };
    let patience = attempt.client.patience();
    let wait = if is_written { patience.answer_margin / 2 } else { patience.unknown_for };
    let started = Instant::now();
    let mut questions = 0;
    loop {
        questions += 1;
        let now = partition_ids(catalog, database, table).await?;
        let is_replaced = match before.as_slice() {
            [] => !now.is_empty(),
            before => before.iter().any(|id| !now.contains(id)),
        };
        let is_over = started.elapsed() >= wait;
        match (is_written, is_replaced) {
            (true, true) => return Ok(true),
            (true, false) if is_over => {
                return in_doubt("has written its rows, but the old ones are still in their place");
            }
            // One that selects no rows ends its label without a commit, and empties its partitions all the same.
            (false, true) => {
                return in_doubt(
                    "is not committed, and yet partitions were replaced: by somebody else, or by this statement if it selected no rows",
                );
            }
            (false, false) if is_over => return Ok(false),
            _ => attempt.client.back_off(questions).await,
        }
    }
}
