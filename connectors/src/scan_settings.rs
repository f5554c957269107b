//! The settings of a read, which bear one name in `SET syncline.NAME` and on the catalog; the first of these wins.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{ConnectorError, Result};
use crate::options::Options;
use crate::throttle::SpeedLimits;

/// Names of settings, each with the names that DataWorks and DataX have for it. A camelCase spelling of the name is one too.
const NAMES: &[(&str, &[&str])] = &[
    ("split_column", &["splitPk"]),
    ("read_connections", &[]),
    ("split_rows", &[]),
    ("max_connections", &["concurrent", "speed.concurrent", "speed.channel"]),
    ("max_bytes_per_second", &["speed.byte"]),
    ("max_rows_per_second", &["speed.record"]),
    ("snapshot", &[]),
];

/// `read_connections` unless set: enough to keep a network busy, few enough not to crowd out others on a shared warehouse.
pub const DEFAULT_READ_CONNECTIONS: usize = 4;
/// `split_rows` unless set: a split is a query of its own, whose start costs as much as some thousand rows.
pub const DEFAULT_SPLIT_ROWS: u64 = 50_000;
/// Connections of one read at most: StarRocks lets a user have 1024 (`max_user_connections`), and each is a query that it runs.
const MAX_READ_CONNECTIONS: usize = 64;

/// `SET syncline.*` of the statement, as a plan carries it to its scans: an extension of the session's config.
#[derive(Debug, Clone, Default)]
pub struct SessionScanSettings(pub Arc<Options>);

/// What a read by several connections does to see one state of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotMode {
    /// Opens a transaction on each, looks whether they see one state, and begins again if not. Nothing is locked.
    #[default]
    Auto,
    /// Holds a read lock on the table while the transactions are opened.
    Lock,
    /// No transactions: each query sees the table as it is then.
    Off,
}

impl SnapshotMode {
    /// The value of `snapshot`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Lock => "lock",
            Self::Off => "off",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" | "on" => Ok(Self::Auto),
            "lock" => Ok(Self::Lock),
            "off" => Ok(Self::Off),
            _ => Err(ConnectorError::option(format!("snapshot is \"{text}\"; it is one of auto, lock, off"))),
        }
    }
}

/// How tables are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanSettings {
    /// `split_column`: tables are read in pieces by ranges of these columns. A mysql table needs none: it has a key.
    pub split_columns: Vec<SplitColumn>,
    /// `read_connections`: how many pieces of one table are read at the same time; at most `max_connections`.
    pub read_connections: usize,
    /// `max_connections`: how many connections a read, and how many loads a write may have at most.
    pub max_connections: Option<usize>,
    /// `snapshot`: how several connections see one state of a table.
    pub snapshot: SnapshotMode,
    /// `split_rows`: how many rows a piece of a mysql table has at least, by the server's estimate.
    pub split_rows: u64,
}

impl Default for ScanSettings {
    fn default() -> Self {
        Self {
            split_columns: Vec::new(),
            read_connections: DEFAULT_READ_CONNECTIONS,
            split_rows: DEFAULT_SPLIT_ROWS,
            max_connections: None,
            snapshot: SnapshotMode::default(),
        }
    }
}

/// A column to read by: `column`, or `table.column` with as much of the table's name as is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitColumn {
    /// Catalog, database and table, as far as they are named; the last is the table.
    table: Vec<String>,
    /// The column.
    pub column: String,
    /// Whether the setting stands on the catalog, as a wish for all its tables.
    pub of_catalog: bool,
}

impl SplitColumn {
    /// Whether the setting names this table, or no table at all.
    fn is_of(&self, name: [&str; 3]) -> bool {
        let parts = self.table.iter().rev().zip(name.iter().rev());
        parts.into_iter().all(|(part, name)| part.eq_ignore_ascii_case(name))
    }

    /// Whether a table is named, so that the column must be in it.
    pub fn names_a_table(&self) -> bool {
        !self.table.is_empty()
    }
}

impl ScanSettings {
    /// Reads the settings from `SET syncline.*` (by short name), else from the catalog's options; of several limits the smallest holds. Names
    /// that are not known are left alone.
    ///
    /// # Errors
    /// Option for a value that a setting cannot have.
    pub fn parse(session: &Options, catalog: &Options) -> Result<Self> {
        let mut settings = Self::default();
        for (scope, of_catalog) in [(catalog, true), (session, false)] {
            if let Some(value) = find(scope, "split_column")? {
                settings.split_columns = parse_split_columns(value, of_catalog)?;
            }
            if let Some(value) = find(scope, "read_connections")? {
                settings.read_connections = parse_connections("read_connections", value)?;
            }
            if let Some(value) = find(scope, "split_rows")? {
                settings.split_rows = parse_rows(value)?;
            }
            if let Some(value) = find(scope, "max_connections")? {
                let limit = parse_connections("max_connections", value)?;
                settings.max_connections = Some(settings.max_connections.map_or(limit, |other| other.min(limit)));
            }
            if let Some(value) = find(scope, "snapshot")? {
                settings.snapshot = SnapshotMode::parse(value)?;
            }
            // whoever keeps to them reads them for each scope; a bad one is told wherever settings are read
            SpeedLimits::parse(scope)?;
        }
        if let Some(limit) = settings.max_connections {
            settings.read_connections = settings.read_connections.min(limit);
        }
        Ok(settings)
    }

    /// The value of a setting in one scope, in any of its spellings.
    pub(crate) fn find<'a>(scope: &'a Options, setting: &str) -> Result<Option<&'a str>> {
        find(scope, setting)
    }

    /// The names of all settings.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// The setting that a name means, whatever its spelling.
    pub fn canonical(name: &str) -> Option<&'static str> {
        let folded = |name: &str| name.replace('_', "").to_lowercase();
        NAMES
            .iter()
            .find(|(known, aliases)| {
                folded(known) == folded(name) || aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
            })
            .map(|(known, _)| *known)
    }

    /// The column to read a table by: one that is set for this table wins over one for all.
    pub fn split_column(&self, catalog: &str, database: &str, table: &str) -> Option<&SplitColumn> {
        let of_table = || self.split_columns.iter().filter(|column| column.is_of([catalog, database, table]));
        of_table().find(|column| column.names_a_table()).or_else(|| of_table().next())
    }
}

/// The value of a setting in one place; given there under two names, it is an error.
fn find<'a>(scope: &'a Options, setting: &str) -> Result<Option<&'a str>> {
    let mut found = scope.iter().filter(|(name, _)| ScanSettings::canonical(name) == Some(setting));
    match (found.next(), found.next()) {
        (Some((first, _)), Some((second, _))) => {
            Err(ConnectorError::option(format!("\"{first}\" and \"{second}\" are the same setting; give one of them")))
        }
        (first, _) => Ok(first.map(|(_, value)| value)),
    }
}

/// `uid`, or `orders.id, db.users.uid`; empty for none.
fn parse_split_columns(text: &str, of_catalog: bool) -> Result<Vec<SplitColumn>> {
    let mut columns = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let mut parts: Vec<String> = item.split('.').map(|part| part.trim().trim_matches('`').to_owned()).collect();
        let column = parts.pop().unwrap_or_default();
        if column.is_empty() || parts.len() > 3 || parts.iter().any(String::is_empty) {
            return Err(ConnectorError::option(format!(
                "split_column is \"{item}\"; it is a column such as uid, or one of a table such as orders.uid"
            )));
        }
        columns.push(SplitColumn { table: parts, column, of_catalog });
    }
    Ok(columns)
}

fn parse_connections(name: &str, text: &str) -> Result<usize> {
    match text.trim().parse() {
        Ok(number @ 1..=MAX_READ_CONNECTIONS) => Ok(number),
        _ => Err(ConnectorError::option(format!(
            "{name} is \"{text}\"; it is a number from 1 to {MAX_READ_CONNECTIONS}"
        ))),
    }
}

fn parse_rows(text: &str) -> Result<u64> {
    match text.trim().parse() {
        Ok(rows @ 1..) => Ok(rows),
        _ => Err(ConnectorError::option(format!("split_rows is \"{text}\"; it is a number of rows such as 50000"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(entries: &[(&str, &str)]) -> Options {
        entries.iter().copied().collect()
    }

    fn parse(session: &[(&str, &str)], catalog: &[(&str, &str)]) -> Result<ScanSettings> {
        ScanSettings::parse(&options(session), &options(catalog))
    }

    #[test]
    fn what_is_set_in_the_session_wins_over_the_catalog() {
        let catalog = [("split_column", "id"), ("read_connections", "8"), ("url", "x")];
        let settings = parse(&[("split_column", "uid")], &catalog).unwrap();
        assert_eq!(settings.split_column("sr", "d", "t").unwrap().column, "uid");
        assert_eq!(settings.read_connections, 8);
        assert!(parse(&[], &catalog).unwrap().split_columns[0].of_catalog);
        assert!(parse(&[("split_column", "")], &catalog).unwrap().split_columns.is_empty(), "turned off");
        assert_eq!(parse(&[], &[]).unwrap(), ScanSettings::default());
    }

    #[test]
    fn the_name_of_dataworks_is_an_alias() {
        for name in ["splitPk", "splitpk", "split_column", "splitColumn"] {
            assert_eq!(parse(&[], &[(name, "id")]).unwrap().split_columns[0].column, "id", "{name}");
        }
        let error = parse(&[], &[("splitPk", "a"), ("split_column", "b")]).unwrap_err();
        assert!(error.message().contains("are the same setting"), "{error}");
    }

    #[test]
    fn a_column_may_be_set_for_one_table() {
        let settings = parse(&[("split_column", "id, orders.oid, sr.other.`users`.uid")], &[]).unwrap();
        let column = |catalog, database, table| settings.split_column(catalog, database, table).unwrap().column.clone();
        assert_eq!(column("sr", "d", "t"), "id");
        assert_eq!(column("sr", "d", "Orders"), "oid");
        assert_eq!(column("sr", "other", "users"), "uid");
        assert_eq!(column("sr", "d", "users"), "id");
        assert_eq!(column("sr2", "other", "users"), "id");
        let one = parse(&[("split_column", "orders.oid")], &[]).unwrap();
        assert!(one.split_column("sr", "d", "t").is_none());
    }

    #[test]
    fn of_several_limits_of_connections_the_smallest_holds() {
        let connections = |session: &[(&str, &str)], catalog: &[(&str, &str)]| {
            let settings = parse(session, catalog).unwrap();
            (settings.read_connections, settings.max_connections)
        };
        assert_eq!(connections(&[("max_connections", "2")], &[]), (2, Some(2)));
        assert_eq!(connections(&[("max_connections", "8")], &[("max_connections", "3")]), (3, Some(3)));
        assert_eq!(connections(&[("read_connections", "16"), ("concurrent", "5")], &[]), (5, Some(5)));
        assert_eq!(connections(&[("max_connections", "32")], &[]), (DEFAULT_READ_CONNECTIONS, Some(32)));
    }

    #[test]
    fn a_snapshot_is_automatic_locked_or_off() {
        let snapshot = |value: &str| parse(&[("snapshot", value)], &[]).map(|settings| settings.snapshot);
        assert_eq!(snapshot("on").unwrap(), SnapshotMode::Auto);
        assert_eq!(snapshot("LOCK").unwrap(), SnapshotMode::Lock);
        assert_eq!(parse(&[], &[("snapshot", "off")]).unwrap().snapshot, SnapshotMode::Off);
        assert!(snapshot("always").unwrap_err().message().contains("one of auto, lock, off"));
    }

    #[test]
    fn bad_values_name_the_setting_and_a_good_one() {
        for value in ["a.b.c.d.e", ".a", "a.", "a..b"] {
            let error = parse(&[("split_column", value)], &[]).unwrap_err();
            assert!(error.message().contains("a column such as uid"), "{value}: {error}");
        }
        for value in ["0", "65", "-1", "many", ""] {
            let error = parse(&[("read_connections", value)], &[]).unwrap_err();
            assert!(error.message().contains("from 1 to 64"), "{value}: {error}");
        }
        for value in ["0", "-1", "1e6", "many", ""] {
            let error = parse(&[("split_rows", value)], &[]).unwrap_err();
            assert!(error.message().contains("a number of rows"), "{value}: {error}");
        }
    }
}
