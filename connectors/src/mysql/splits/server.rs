//! What the bisection asks of a server: how many rows a range has, which keys are at its ends, which key comes first.
//!
//! Numbers of rows are the estimates of `EXPLAIN`, for which InnoDB walks down the index to both ends of the range and reads a few pages;
//! no row is read. Many ranges are asked for in one statement, a `UNION ALL` with one branch for each.

use mysql_common::{Row, Value};

use super::key::{Key, KeyKind};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::Connection;
use crate::mysql_protocol::quote::{identifier, table_name};

/// `from <= key < to`; an end that is missing is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) from: Option<Key>,
    pub(super) to: Option<Key>,
}

/// A key at which the keys from `low` to `high` may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) low: Key,
    pub(super) high: Key,
    pub(super) cut: Key,
}

/// Who knows the keys of a table and their order.
pub(super) trait KeyServer {
    /// About how many rows each range has; 0 for a range whose end is not behind its beginning.
    async fn rows(&mut self, ranges: &[KeyRange]) -> Result<Vec<u64>>;

    /// The first and the last key in each range.
    async fn ends(&mut self, ranges: &[KeyRange]) -> Result<Vec<Option<(Key, Key)>>>;

    /// About how many rows there are from `low` to before each candidate; 0 for one that is not behind `low`, or that is behind `high`.
    async fn ranks(&mut self, candidates: &[Candidate]) -> Result<Vec<u64>>;

    /// Whether each key but the first is behind the one before it.
    async fn rising(&mut self, keys: &[Key]) -> Result<Vec<bool>>;

    /// What was asked so far.
    fn spent(&self) -> Spent;
}

/// What planning cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// Statements.
    pub(super) statements: u32,
    /// Index dives, which read no rows.
    pub(super) dives: u32,
    /// Rows of the table that were read.
    pub(super) rows_read: u32,
}

/// In the form of a table, whatever `explain_format` of MySQL 8 says.
const EXPLAIN: &str = "EXPLAIN FORMAT=TRADITIONAL";
/// Branches of one statement: each opens the table once more, of which a server keeps 2000 open (`table_open_cache`).
const BRANCHES: usize = 32;
/// Comparisons of constants in one statement; a server gives back 4096 columns.
const COMPARISONS: usize = 1000;
/// The longest statement in bytes; `max_allowed_packet` is 1 MB at least.
const LONGEST_STATEMENT: usize = 256 << 10;

/// A table's column on a server.
pub(super) struct SqlKeyServer<'a> {
    connection: &'a mut Connection,
    table: String,
    index: String,
    column: String,
    kind: &'a KeyKind,
    spent: Spent,
}

impl<'a> SqlKeyServer<'a> {
    /// Asks about a column by an index that begins with it.
    ///
    /// # Errors
    /// Name for names that no server can hold.
    pub(super) fn new(
        connection: &'a mut Connection,
        (database, table): (&str, &str),
        index: &str,
        column: &str,
        kind: &'a KeyKind,
    ) -> Result<Self> {
        Ok(Self {
            connection,
            table: table_name(database, table)?,
            index: identifier(index)?,
            column: identifier(column)?,
            kind,
            spent: Spent::default(),
        })
    }

    fn literal(&self, key: &Key) -> Result<String> {
        Ok(self.kind.constant(key)?.literal())
    }

    fn condition(&self, range: &KeyRange) -> Result<String> {
        let mut condition = format!("{} IS NOT NULL", self.column);
        if let Some(from) = &range.from {
            condition = format!("{} >= {}", self.column, self.literal(from)?);
        }
        if let Some(to) = &range.to {
            let below = format!("{} < {}", self.column, self.literal(to)?);
            condition = if range.from.is_some() { format!("{condition} AND {below}") } else { below };
        }
        Ok(condition)
    }

    fn select(&self, what: &str, condition: &str) -> String {
        format!("SELECT {what} FROM {} FORCE INDEX ({}) WHERE {condition}", self.table, self.index)
    }

    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>> {
        self.spent.statements += 1;
        self.connection.query(sql).await
    }

    /// The rows that the server estimates for each of these conditions.
    async fn estimates(&mut self, conditions: &[String]) -> Result<Vec<u64>> {
        let mut estimates = Vec::with_capacity(conditions.len());
        for some in chunks(conditions, BRANCHES) {
            let branches: Vec<String> = some.iter().map(|condition| self.select("1", condition)).collect();
            let rows = self.ask(&format!("{EXPLAIN} {}", branches.join(" UNION ALL "))).await?;
            self.spent.dives += u32::try_from(some.len()).unwrap_or(u32::MAX);
            let mut found = vec![None; some.len()];
            for row in &rows {
                // The branches have the numbers from 1; the row of the union as a whole has none.
                let branch = text(row, "id").and_then(|id| id.parse::<usize>().ok()).and_then(|id| id.checked_sub(1));
                if let Some(slot) = branch.and_then(|branch| found.get_mut(branch)) {
                    *slot = Some(estimate(row)?);
                }
            }
            estimates.extend(found.into_iter().collect::<Option<Vec<_>>>().ok_or_else(unexpected)?);
        }
        Ok(estimates)
    }
}

impl KeyServer for SqlKeyServer<'_> {
    async fn rows(&mut self, ranges: &[KeyRange]) -> Result<Vec<u64>> {
        let conditions = ranges.iter().map(|range| self.condition(range)).collect::<Result<Vec<_>>>()?;
        self.estimates(&conditions).await
    }

    async fn ends(&mut self, ranges: &[KeyRange]) -> Result<Vec<Option<(Key, Key)>>> {
        let mut questions = Vec::with_capacity(2 * ranges.len());
        for range in ranges {
            let select = self.select(&self.column, &self.condition(range)?);
            questions.push(format!("({select} ORDER BY {} LIMIT 1)", self.column));
            questions.push(format!("({select} ORDER BY {} DESC LIMIT 1)", self.column));
        }
        let mut ends = Vec::with_capacity(ranges.len());
        for some in chunks(&questions, BRANCHES) {
            let numbered: Vec<String> = some
                .iter()
                .enumerate()
                .map(|(number, question)| question.replacen("(SELECT ", &format!("(SELECT {number} AS question, "), 1))
                .collect();
            let rows = self.ask(&numbered.join(" UNION ALL ")).await?;
            self.spent.rows_read += u32::try_from(some.len()).unwrap_or(u32::MAX);
            let mut found: Vec<Option<Key>> = vec![None; some.len()];
            for mut row in rows {
                let number = row.take_opt::<usize, _>(0).and_then(std::result::Result::ok).ok_or_else(unexpected)?;
                let key = row.as_ref(1).and_then(|value| self.kind.parse(value)).ok_or_else(unexpected)?;
                *found.get_mut(number).ok_or_else(unexpected)? = Some(key);
            }
            let mut found = found.into_iter();
            while let (Some(first), Some(last)) = (found.next(), found.next()) {
                ends.push(first.zip(last));
            }
        }
        Ok(ends)
    }

    async fn ranks(&mut self, candidates: &[Candidate]) -> Result<Vec<u64>> {
        let mut conditions = Vec::with_capacity(candidates.len());
        for Candidate { low, high, cut } in candidates {
            let range = KeyRange { from: Some(low.clone()), to: Some(cut.clone()) };
            // Of constants only: the server sees before it looks that there are no such rows.
            let guard = format!("{} <= {}", self.literal(cut)?, self.literal(high)?);
            conditions.push(format!("{} AND {guard}", self.condition(&range)?));
        }
        self.estimates(&conditions).await
    }

    async fn rising(&mut self, keys: &[Key]) -> Result<Vec<bool>> {
        if keys.len() < 2 {
            return Ok(Vec::new());
        }
        let mut comparisons = Vec::with_capacity(keys.len());
        for pair in keys.windows(2) {
            comparisons.push(format!("{} < {}", self.literal(&pair[0])?, self.literal(&pair[1])?));
        }
        let mut answers = Vec::with_capacity(comparisons.len());
        for some in chunks(&comparisons, COMPARISONS) {
            let row = self.ask(&format!("SELECT {}", some.join(", "))).await?.into_iter().next();
            let row = row.ok_or_else(unexpected)?.unwrap();
            answers.extend(row.iter().map(|value| matches!(value, Value::Bytes(text) if text == b"1")));
        }
        Ok(answers)
    }

    fn spent(&self) -> Spent {
        self.spent
    }
}

/// How many rows the server expects to look at for a query of one table.
///
/// # Errors
/// As the server says.
pub(super) async fn estimate_of(connection: &mut Connection, select: &str) -> Result<u64> {
    let rows = connection.query(&format!("{EXPLAIN} {select}")).await?;
    let is_column = |name: &[u8]| name.eq_ignore_ascii_case(b"rows");
    if !rows.iter().any(|row| row.columns_ref().iter().any(|column| is_column(column.name_ref()))) {
        return Err(unexpected());
    }
    // Without a number the server knows that there are none.
    Ok(rows.iter().filter_map(|row| text(row, "rows")?.parse::<u64>().ok()).max().unwrap_or(0))
}

/// Parts of a statement, at most so many in each, in as many statements as its limits need. An even number in each, as some come in pairs.
fn chunks(parts: &[String], most: usize) -> Vec<&[String]> {
    let mut chunks = Vec::new();
    let mut rest = parts;
    while !rest.is_empty() {
        let longest = rest.iter().map(String::len).max().unwrap_or(1).max(1);
        let count = (LONGEST_STATEMENT / longest / 2 * 2).clamp(2, most).min(rest.len());
        let (some, others) = rest.split_at(count);
        chunks.push(some);
        rest = others;
    }
    chunks
}

/// The estimate in a row of EXPLAIN; 0 where the server knows without looking that there are none.
fn estimate(row: &Row) -> Result<u64> {
    let Some(access) = text(row, "type") else { return Ok(0) };
    if !matches!(access.as_str(), "range" | "ref" | "const" | "eq_ref" | "ref_or_null") {
        return Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!("the server would not use the column's index for a range (access {access})"),
        ));
    }
    text(row, "rows").and_then(|rows| rows.parse().ok()).ok_or_else(unexpected)
}

/// A value by its column's name; None for NULL.
fn text(row: &Row, name: &str) -> Option<String> {
    let index = row.columns_ref().iter().position(|column| column.name_str().eq_ignore_ascii_case(name))?;
    match row.as_ref(index)? {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

fn unexpected() -> ConnectorError {
    ConnectorError::new(ErrorCode::Unsupported, "the server's EXPLAIN has an unexpected form")
}
