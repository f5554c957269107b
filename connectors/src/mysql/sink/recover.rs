//! Ending what another process has left.

use super::super::catalog::MySqlCatalog;
use super::fence::{End, Fence};
use super::target::{BATCHES, ROW_BY_ROW};
use crate::catalog::Catalog;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{OpenAttempt, Recovered, WriteSummary};

/// Ends an attempt that a run left. What was not committed is rolled back with its connection; a commit whose answer nobody has read can
/// have come about or not.
///
/// # Errors
/// Unknown for such a commit, PartlyCommitted for a write whose first batches are committed.
pub(in crate::mysql) async fn recover(catalog: &MySqlCatalog, open: &OpenAttempt) -> Result<Recovered> {
    let record = &open.attempt;
    let place = format!("{}.{}.{}", catalog.name(), record.database, record.table);
    let end = match Fence::recorded(&record.id, &record.details) {
        Some(fence) => fence.end(catalog.pool()).await?,
        None => End::NotKnown,
    };
    if let (Some(decision), true) = (&open.decision, record.details.lines().any(|line| line == ROW_BY_ROW)) {
        // each row was there when the server had answered it, and the decision came behind the last answer
        let rows = decision.first().and_then(|text| text.strip_suffix(" rows")?.parse().ok()).unwrap_or(0);
        let summary = WriteSummary { rows_written: rows, write_mode: BATCHES.to_owned(), ..WriteSummary::default() };
        return Ok(Recovered::Committed(summary));
    }
    let committed: u64 = record
        .details
        .lines()
        .filter_map(|line| line.strip_prefix("committed "))
        .filter_map(|rows| rows.parse::<u64>().ok())
        .sum();
    if record.write_mode == BATCHES {
        let what = match &open.decision {
            Some(_) => format!(
                "the write had sent all its rows when its run was cut off; {committed} of them are certainly in the table, the last ones may be: look at \
                 it, then start a new run"
            ),
            None => format!(
                "the write was committed in batches, and cut off: {committed} rows or more are in the table and stay; remove them, or write in the mode \
                 update or replace, then start a new run"
            ),
        };
        return Err(ConnectorError::new(ErrorCode::PartlyCommitted, format!("{place}: {what}")));
    }
    match &open.decision {
        // the commit was never sent, so that the transaction ends with its connection, whatever is known of that
        None => Ok(Recovered::RolledBack),
        Some(rows) => {
            let ended = match end {
                End::Ended => "its connection has ended, so that what is in the table now is what stays",
                End::NotKnown => "its connection may still be there",
            };
            let what = format!(
                "the run was cut off within the commit of {}, and whether they are in the table is not known: {ended}; look at it, then start a new run",
                rows.first().map_or("its rows", String::as_str)
            );
            Err(ConnectorError::new(ErrorCode::Unknown, format!("{place}: {what}")))
        }
    }
}
