//! Cutting a table into splits: pieces of its rows by ranges of one column, each read by a query of its own.
//!
//! Which column is chosen in [`column`]; where it is cut is found by [`bisect`], which asks the server ([`server`]) for its estimates and
//! never for rows but the ends of ranges. The first range and the last are open, neighbours share a bound, rows without a value are a
//! piece of their own: so every row is in exactly one split whatever is written meanwhile, and any bounds that rise in the server's own
//! order are right.

use std::fmt::Write;

use tokio::time::timeout;

use super::scan::ScanDescription;
use super::types::ColumnDescription;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool};
use crate::mysql_protocol::split::{SizedSplit, Split};
use crate::scan_settings::ScanSettings;

use bisect::{Leaf, groups};
use column::KeyColumn;
use key::Key;
use server::{KeyRange, KeyServer, Spent, SqlKeyServer};

mod bisect;
mod candidates;
mod column;
mod key;
mod server;

/// Splits for each connection: estimates are rough, and a connection that is done takes another split.
const SPLITS_PER_CONNECTION: usize = 8;
/// Tables of fewer rows are one split, without a question: a query reads them in the time that a few questions take.
const SMALL_TABLE: u64 = 20_000;

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
    let limit = pool.config().read_timeout;
    let planning = async {
        let named = (scan.database.as_str(), scan.table.as_str());
        match column::choose(&mut connection, named, table.columns, wanted).await? {
            Err(why) => Ok(SplitPlan::whole(why)),
            Ok(_) if is_small => Ok(SplitPlan::whole("a small table")),
            Ok(column) => by_column(&mut connection, scan, &column, settings, connections).await,
        }
    };
    let planned = match timeout(limit, planning).await {
        Ok(planned) => planned,
        Err(_) => Err(ConnectorError::new(
            ErrorCode::Remote,
            format!("the server did not say within {} s how its rows are spread", limit.as_secs()),
        )),
    };
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
    let pieces = join(&leaves, wanted);
    let pieces = in_order(&mut server, column, pieces).await?;
    let spent = server.spent();
    if pieces.len() < 2 {
        return Ok(SplitPlan::whole(format!("no value cuts {}", column.name)));
    }
    described(column, &pieces, rows, spent)
}

/// About how many rows the table has, and how many of them the filters leave.
async fn estimate(connection: &mut Connection, scan: &ScanDescription) -> Result<(u64, u64)> {
    let whole = ScanDescription { predicate: None, ..scan.clone() };
    let rows = server::estimate_of(connection, &whole.select(&Split::Whole, true)?.0).await?;
    let wanted = match &scan.predicate {
        Some(_) => server::estimate_of(connection, &scan.select(&Split::Whole, true)?.0).await?.min(rows),
        None => rows,
    };
    Ok((rows, wanted))
}

/// Some rows of a table that are read together.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    range: KeyRange,
    weight: f64,
    /// Whether it is one value, or cannot be cut for another reason.
    is_solid: bool,
}

/// Neighbouring leaves as pieces of about as many rows.
fn join(leaves: &[Leaf], wanted: usize) -> Vec<Piece> {
    let total: f64 = leaves.iter().map(|leaf| leaf.weight).sum();
    let piece = |places: std::ops::Range<usize>| {
        let some = &leaves[places];
        Some(Piece {
            range: KeyRange { from: some.first()?.range.from.clone(), to: some.last()?.range.to.clone() },
            weight: some.iter().map(|leaf| leaf.weight).sum(),
            is_solid: some.len() == 1 && some[0].is_solid(),
        })
    };
    groups(leaves, total / wanted as f64).into_iter().filter_map(piece).collect()
}

/// The pieces whose bounds rise in the server's order: what does not is joined with its neighbour.
async fn in_order(server: &mut impl KeyServer, column: &KeyColumn, pieces: Vec<Piece>) -> Result<Vec<Piece>> {
    let mut pieces = pieces;
    if !column.kind.is_ordered_by_server() {
        return Ok(pieces);
    }
    loop {
        let bounds: Vec<Key> = pieces.iter().skip(1).filter_map(|piece| piece.range.from.clone()).collect();
        let rising = server.rising(&bounds).await?;
        let Some(wrong) = rising.iter().position(|is_rising| !is_rising) else { return Ok(pieces) };
        // The bound behind the first is the beginning of the third piece.
        let later = pieces.remove(wrong + 2);
        let earlier = &mut pieces[wrong + 1];
        earlier.range.to = later.range.to;
        earlier.weight += later.weight;
    }
}

/// The splits, and for EXPLAIN how they were found.
fn described(column: &KeyColumn, pieces: &[Piece], rows: u64, spent: Spent) -> Result<SplitPlan> {
    let total: f64 = pieces.iter().map(|piece| piece.weight).sum();
    let rows_of = |piece: &Piece| (piece.weight / total * rows as f64).round() as u64;
    let mut splits = Vec::with_capacity(pieces.len() + 1);
    for piece in pieces {
        let constant = |key: &Option<Key>| key.as_ref().map(|key| column.kind.constant(key)).transpose();
        let (from, to) = (constant(&piece.range.from)?, constant(&piece.range.to)?);
        let split = Split::Range { column: column.name.clone(), from, to, with_null: false };
        splits.push(SizedSplit { split, rows: Some(rows_of(piece)) });
    }
    if column.nullable {
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
        pieces.iter().filter(|piece| piece.is_solid && rows_of(piece) > 2 * mean).max_by_key(|piece| rows_of(piece));
    if let Some(solid) = solid {
        // Writing to a String does not fail.
        let _ =
            write!(how, "; one value has about {} rows and cannot be cut by this column", with_commas(rows_of(solid)));
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
}
