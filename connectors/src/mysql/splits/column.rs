//! Which column a table is split by.

use mysql_common::Row;

use super::super::types::ColumnDescription;
use super::key::KeyKind;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::Connection;
use crate::scan_settings::SplitColumn;

/// A column that a table is split by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) kind: KeyKind,
    /// An index that begins with the column.
    pub(super) index: String,
    /// Why this column: `primary key`.
    pub(super) reason: String,
}

impl KeyColumn {
    /// Whether rows without a value must be read too. Only a primary key never has any: another column may have been made nullable since
    /// it was looked up, or may be while it is read, and asking for rows that are not there costs next to nothing.
    pub(super) fn may_hold_null(&self) -> bool {
        self.index != PRIMARY
    }
}

/// The first column of an index that can be searched by it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LeadingColumn {
    index: String,
    column: String,
    unique: bool,
}

/// The first columns of indexes that are kept in order and hold whole values.
const INDEXES: &str = "SELECT table_schema, table_name, index_name, column_name, non_unique FROM information_schema.statistics \
    WHERE table_schema = ? AND table_name = ? AND seq_in_index = 1 AND sub_part IS NULL AND index_type = 'BTREE' \
    ORDER BY index_name";

/// Chooses the column: the one that is set, else the first of the primary key, else of a unique key without NULL. The inner error says
/// why the table cannot be split.
///
/// # Errors
/// Option for a column that is set for the table and cannot be used; as the server says.
pub(super) async fn choose(
    connection: &mut Connection,
    (database, table): (&str, &str),
    columns: &[ColumnDescription],
    wanted: Option<&SplitColumn>,
) -> Result<std::result::Result<KeyColumn, String>> {
    let zone = connection.zone().to_owned();
    let wanted = match wanted {
        Some(setting) => wanted_column(columns, setting, &zone)?,
        None => None,
    };
    let indexes: Vec<LeadingColumn> = connection
        .query_bound(INDEXES, &[database.into(), table.into()])
        .await?
        .into_iter()
        .filter_map(|row| leading_column(row, database, table))
        .collect();
    let described = |name: &str| columns.iter().find(|column| column.name == name);
    let by = |index: &LeadingColumn, column: &ColumnDescription, reason: String| {
        KeyKind::of(column, &zone).map(|kind| KeyColumn {
            name: column.name.clone(),
            kind,
            index: index.index.clone(),
            reason,
        })
    };
    if let Some(column) = wanted {
        // An index of nothing else is the smallest; the primary key comes first of all, as it holds the rows themselves.
        let of_column = || indexes.iter().filter(|index| index.column == column.name);
        let index = of_column().find(|index| index.index == PRIMARY).or_else(|| of_column().next());
        return Ok(match index {
            Some(index) => by(index, column, "split_column".to_owned()),
            None => Err(format!("no index begins with {}, so each split would read the whole table", column.name)),
        });
    }
    let mut why_not = None;
    for index in candidates(&indexes) {
        let Some(column) = described(&index.column) else { continue };
        if index.index != PRIMARY && column.nullable {
            continue;
        }
        let reason = match index.index.as_str() {
            PRIMARY => "primary key".to_owned(),
            name => format!("unique key {name}"),
        };
        match by(index, column, reason) {
            Ok(found) => return Ok(Ok(found)),
            Err(kind) => {
                why_not.get_or_insert_with(|| format!("its key {} is {kind}", column.name));
            }
        }
    }
    Ok(Err(why_not.unwrap_or_else(|| "it has no primary key and no unique key without NULL".to_owned())))
}

const PRIMARY: &str = "PRIMARY";

/// Unique indexes, the primary key first.
fn candidates(indexes: &[LeadingColumn]) -> impl Iterator<Item = &LeadingColumn> {
    let unique = || indexes.iter().filter(|index| index.unique);
    unique().filter(|index| index.index == PRIMARY).chain(unique().filter(|index| index.index != PRIMARY))
}

/// The column that a setting names; None if the setting is meant for other tables.
fn wanted_column<'a>(
    columns: &'a [ColumnDescription],
    setting: &SplitColumn,
    zone: &str,
) -> Result<Option<&'a ColumnDescription>> {
    let exact = columns.iter().find(|column| column.name == setting.column);
    // The server compares names of columns without case.
    let found = exact.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(&setting.column)));
    let refused = |what: String| {
        let names = columns.iter().map(|column| column.name.as_str());
        let near = crate::options::nearest(&setting.column, names).map(|name| format!("; did you mean {name}?"));
        let near = near.filter(|_| found.is_none()).unwrap_or_default();
        ConnectorError::new(
            ErrorCode::Option,
            format!(
                "split_column is \"{}\", {what}{near} (leave it out to split by the primary key, or set it to '' and \
                 read_connections to 1 to read by one query)",
                setting.column
            ),
        )
    };
    match found {
        Some(column) => match KeyKind::of(column, zone) {
            Ok(_) => Ok(Some(column)),
            Err(_) if setting.of_catalog && !setting.names_a_table() => Ok(None),
            Err(kind) => Err(refused(format!(
                "which is {kind}; a table is split by a column of whole numbers, decimals, dates, text or bytes"
            ))),
        },
        None if setting.names_a_table() => Err(refused("and there is no such column".to_owned())),
        None => Ok(None),
    }
}

/// None for a row of a table that only a comparison without case takes for this one, and for an index of an expression.
fn leading_column(mut row: Row, database: &str, table: &str) -> Option<LeadingColumn> {
    let text =
        |row: &mut Row, index| row.take_opt::<Option<String>, _>(index).and_then(std::result::Result::ok).flatten();
    if text(&mut row, 0)? != database || text(&mut row, 1)? != table {
        return None;
    }
    let (index, column) = (text(&mut row, 2)?, text(&mut row, 3)?);
    let non_unique: i64 = row.take_opt(4).and_then(std::result::Result::ok)?;
    Some(LeadingColumn { index, column, unique: non_unique == 0 })
}
