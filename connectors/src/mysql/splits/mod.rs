//! Cutting a table into splits: pieces of its rows by ranges of one column, each read by a query of its own.
//!
//! Which column is chosen in [`column`]; where it is cut is found by [`bisect`], which asks the server ([`server`]) for its estimates and
//! never for rows but the ends of ranges. The first range and the last are open, neighbours share a bound that rises ([`rising`]), rows
//! without a value are a piece of their own: so every row is in exactly one split whatever is written meanwhile, and any bounds that rise
//! in the server's own order are right.

use std::fmt::Write;
use std::time::Duration;

use tokio::time::timeout;

use super::scan::ScanDescription;
use super::types::ColumnDescription;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool, LOOKUP_TIMEOUT};
use crate::mysql_protocol::split::{SizedSplit, Split};
use crate::scan_settings::ScanSettings;

use bisect::{Leaf, groups};
use column::KeyColumn;
use key::Key;
use rising::{RisingPieces, Rows};
use server::{KeyServer, Spent, SqlKeyServer};

mod bisect;
mod candidates;
mod column;
mod key;
mod rising;
mod server;

/// Splits for each connection: estimates are rough, and a connection that is done takes another split.
const SPLITS_PER_CONNECTION: usize = 8;
/// Tables of fewer rows are one split, without a question: a query reads them in the time that a few questions take.
const SMALL_TABLE: u64 = 20_000;
/// How long planning may take in all, so that a large table is read soon whatever the server is busy with. Less than what a single
/// question may take ([`LOOKUP_TIMEOUT`]): one that nobody answers ends the planning and not the read.
const PLANNING_TIME: Duration = Duration::from_secs(45);
const _: () = assert!(PLANNING_TIME.as_secs() < LOOKUP_TIMEOUT.as_secs());

/// How a table is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SplitPlan {
    /// The pieces, in the order of the keys.
    pub(super) splits: Vec<SizedSplit>,
    /// What was done and why, for EXPLAIN.
    pub(super) how: String,
}

impl SplitPlan {
    /// The whole table at once.
    pub(super) fn whole(why: impl Into<String>) -> Self {
        Self { splits: vec![Split::Whole.into()], how: why.into() }
    }
}

/// What is known of a table before anything is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableFacts<'a> {
    pub(super) columns: &'a [ColumnDescription],
    pub(super) is_view: bool,
    pub(super) row_estimate: Option<u64>,
}

/// Plans the splits of a read for so many connections. What the server refuses to tell makes one split; a lost connection is an error.
///
/// # Errors
/// Option for a split column that cannot be used; Connection.
pub(super) async fn plan(
    pool: &ConnectionPool,
    scan: &ScanDescription,
    table: TableFacts<'_>,
    settings: &ScanSettings,
    connections: usize,
) -> Result<SplitPlan> {
    let wanted = settings.split_column(&scan.catalog, &scan.database, &scan.table);
    let is_small = table.row_estimate.is_some_and(|rows| rows < SMALL_TABLE.min(settings.split_rows.saturating_mul(2)));
    if connections < 2 {
        return Ok(SplitPlan::whole("read_connections is 1"));
    }
    if scan.limit.is_some() {
        return Ok(SplitPlan::whole("a few rows are wanted"));
    }
    if table.is_view {
        return Ok(SplitPlan::whole("a view"));
    }
    if is_small && wanted.is_none() {
        return Ok(SplitPlan::whole("a small table"));
    }
    let mut connection = pool.get().await?;
    let planning = async {
        let named = (scan.database.as_str(), scan.table.as_str());
        match column::choose(&mut connection, named, table.columns, wanted).await? {
            Err(why) => Ok(SplitPlan::whole(why)),
            Ok(_) if is_small => Ok(SplitPlan::whole("a small table")),
            Ok(column) => by_column(&mut connection, scan, &column, settings, connections).await,
        }
    };
    let planned = in_time(planning_time(pool.config().read_timeout), planning).await;
    match planned {
        Ok(plan) => {
            connection.release();
            Ok(plan)
        }
        Err(error) if error.code() == ErrorCode::Option => {
            connection.release();
            let table = format!("table {}.{}.{}", scan.catalog, scan.database, scan.table);
            Err(ConnectorError::new(ErrorCode::Option, format!("{table}: {}", error.message())))
        }
        Err(error) if matches!(error.code(), ErrorCode::Connection | ErrorCode::Internal) => Err(error),
        Err(error) => {
            tracing::warn!(
                catalog = scan.catalog, database = scan.database, table = scan.table, %error,
                "cannot find out how to split the table: it is read by one query"
            );
            Ok(SplitPlan::whole(format!("cannot find out how to split it: {}", error.message())))
        }
    }
}

/// How long planning may take where an answer may take so long.
fn planning_time(read_timeout: Duration) -> Duration {
    read_timeout.min(PLANNING_TIME)
}

/// What the planning comes to, or that it took too long, which is no trouble of the connection's.
async fn in_time<T>(limit: Duration, planning: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, planning).await.unwrap_or_else(|_| {
        Err(ConnectorError::new(
            ErrorCode::Remote,
            format!("the server did not say within {} s how its rows are spread", limit.as_secs()),
        ))
    })
}

async fn by_column(
    connection: &mut Connection,
    scan: &ScanDescription,
    column: &KeyColumn,
    settings: &ScanSettings,
    connections: usize,
) -> Result<SplitPlan> {
    let (rows, wanted_rows) = estimate(connection, scan).await?;
    let most = connections * SPLITS_PER_CONNECTION;
    let wanted = usize::try_from(wanted_rows / settings.split_rows.max(1)).unwrap_or(most).min(most);
    if wanted < 2 {
        return Ok(SplitPlan::whole(format!("about {} rows are wanted", with_commas(wanted_rows))));
    }
    let named = (scan.database.as_str(), scan.table.as_str());
    let mut server = SqlKeyServer::new(connection, named, &column.index, &column.name, &column.kind)?;
    let Some(leaves) = bisect::leaves(&mut server, rows, wanted).await? else {
        return Ok(SplitPlan::whole(format!("no row has a value in {}", column.name)));
    };
    let Some((first, others)) = join(&leaves, wanted) else {
        return Err(ConnectorError::internal("a table was cut into nothing"));
    };
    let pieces = RisingPieces::check(&mut server, first, others).await?;
    let spent = server.spent();
    if pieces.len() < 2 {
        return Ok(SplitPlan::whole(format!("no value cuts {}", column.name)));
    }
    described(column, &pieces, rows, spent)
}

/// About how many rows the table has, and how many of them the filters leave.
async fn estimate(connection: &mut Connection, scan: &ScanDescription) -> Result<(u64, u64)> {
    let whole = ScanDescription { predicate: None, condition: None, ..scan.clone() };
    let rows = server::estimate_of(connection, &whole.select(&Split::Whole, true)?.0).await?;
    let wanted = match scan.predicate.is_some() || scan.condition.is_some() {
        true => server::estimate_of(connection, &scan.select(&Split::Whole, true)?.0).await?.min(rows),
        false => rows,
    };
    Ok((rows, wanted))
}

/// Neighbouring leaves as pieces of about as many rows: those of the first, and where each of the others begins.
fn join(leaves: &[Leaf], wanted: usize) -> Option<(Rows, Vec<(Key, Rows)>)> {
    let total: f64 = leaves.iter().map(|leaf| leaf.weight).sum();
    let rows = |places: std::ops::Range<usize>| {
        let some = &leaves[places];
        Rows { weight: some.iter().map(|leaf| leaf.weight).sum(), is_solid: some.len() == 1 && some[0].is_solid() }
    };
    let mut groups = groups(leaves, total / wanted as f64).into_iter();
    let first = rows(groups.next()?);
    let others = groups.map(|places| Some((leaves[places.start].range.from.clone()?, rows(places))));
    Some((first, others.collect::<Option<_>>()?))
}

/// The splits, and for EXPLAIN how they were found.
fn described(column: &KeyColumn, pieces: &RisingPieces, rows: u64, spent: Spent) -> Result<SplitPlan> {
    let total: f64 = pieces.rows().map(|piece| piece.weight).sum();
    let rows_of = |piece: &Rows| (piece.weight / total * rows as f64).round() as u64;
    let mut splits = Vec::with_capacity(pieces.len() + 1);
    for (range, piece) in pieces.ranges().zip(pieces.rows()) {
        let constant = |key: &Option<Key>| key.as_ref().map(|key| column.kind.constant(key)).transpose();
        let (from, to) = (constant(&range.from)?, constant(&range.to)?);
        let split = Split::Range { column: column.name.clone(), from, to, with_null: false };
        splits.push(SizedSplit { split, rows: Some(rows_of(&piece)) });
    }
    if column.may_hold_null() {
        splits.push(SizedSplit { split: Split::Null { column: column.name.clone() }, rows: None });
    }
    let mean = rows / pieces.len().max(1) as u64;
    let mut how = format!(
        "of {} rows by {} ({}), bounds by {} index dives in {} statements, {} rows read",
        with_commas(mean),
        column.name,
        column.reason,
        spent.dives,
        spent.statements,
        spent.rows_read
    );
    let solid =
        pieces.rows().filter(|piece| piece.is_solid && rows_of(piece) > 2 * mean).max_by_key(|piece| rows_of(piece));
    if let Some(solid) = solid {
        // Writing to a String does not fail.
        let _ =
            write!(how, "; one value has about {} rows and cannot be cut by this column", with_commas(rows_of(&solid)));
    }
    Ok(SplitPlan { splits, how })
}

/// `65,000`.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_rows_are_easy_to_read() {
        let shown: Vec<String> = [0, 999, 1000, 65_000, 1_234_567].into_iter().map(with_commas).collect();
        assert_eq!(shown, ["0", "999", "1,000", "65,000", "1,234,567"]);
    }

    #[tokio::test]
    async fn a_question_that_nobody_answers_ends_the_planning_and_not_the_read() {
        // A question gives up with the code of a connection that is lost, which fails the read.
        let question = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Err::<(), _>(ConnectorError::retryable(ErrorCode::Connection, "no answer"))
        };
        let error = in_time(Duration::from_millis(10), question).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Remote, "{error}");
        for seconds in [1, 45, 60, 300, 86_400] {
            let limit = planning_time(Duration::from_secs(seconds));
            assert!(limit < LOOKUP_TIMEOUT && limit.as_secs() <= seconds, "{limit:?}");
        }
    }
}
