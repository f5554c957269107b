//! What the errors and warnings of a server say of the rows of a statement.

use arrow::record_batch::RecordBatch;

use super::columns::UniqueKey;
use super::target::WriteTarget;
use crate::sink::{FoundBy, Reject, RowValues};

/// Numbers (MySQL's error reference) that mean that a row cannot be written, and others can. All else fails the write.
const OF_ROWS: &[u16] = &[
    1022, // duplicate key
    1048, // NULL in a column that has none
    1062, // duplicate entry
    1118, // row too large
    1216, 1217, 1451, 1452, // foreign keys
    1264, // out of range
    1265, // data truncated
    1292, // incorrect value
    1364, // no default
    1366, // incorrect value for column
    1367, // illegal value
    1369, // WITH CHECK OPTION
    1406, // data too long
    1411, // incorrect value for function
    1416, // no geometry
    1441, // datetime overflow
    1467, // no further number of an AUTO_INCREMENT
    1525, 1526, // value out of the partitions
    1557, // duplicate in a table of a foreign key
    1569, // duplicate entry at ALTER, of partitions
    1586, // duplicate entry, with the key's name
    1644, // SIGNAL of a trigger
    1690, // value out of range
    1748, // not in the partitions named
    1761, 1762, // duplicate in a child table
    3140, 3141, 3143, 3144, 3145, 3146, 3147, 3156, 3157, // JSON
    3616, 3617, 3618, 3619, 3730, // geometries
    3819, // CHECK (MySQL)
    4025, // CHECK (MariaDB)
    4161, // a value of an unknown type (MariaDB)
];
/// Numbers of a duplicate key.
const DUPLICATE: &[u16] = &[1022, 1062, 1586];
/// The server gave up waiting for a lock.
pub(super) const LOCK_WAIT: u16 = 1205;
/// The server rolled the transaction back, to end a deadlock or a conflict of replication. Deadlocks of locks that are not of rows (`GET_LOCK`,
/// definitions of tables) leave it open: 3058 always, 1213 on MariaDB.
pub(super) const ROLLED_BACK: &[u16] = &[1213, 1614, 3101];
/// Numbers of a statement that was refused before it came to any row: rights, names, text, a server that only reads, and locks of the table.
const BEFORE_ROWS: &[u16] = &[1044, 1054, 1064, 1142, 1143, 1146, 1205, 1213, 1290, 1836];
/// Numbers of a commit that was refused and left nothing: conflicts, and a server that only reads.
pub(super) const COMMIT_REFUSED: &[u16] = &[1047, 1205, 1213, 1290, 1836, 3100, 3101];
/// Warnings that say nothing of values: a form that is old (`VALUES()`, display widths, utf8 and its collations), and a statement that replicas may
/// read in another order.
const HARMLESS: &[u16] = &[1287, 1592, 1681, 3719, 3778, 3779];

/// A row, or one of several, that the server does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    /// The server's words, without secrets and control characters.
    pub(super) message: String,
}

/// Whether an error is about rows.
pub(super) fn is_of_rows(code: u16) -> bool {
    OF_ROWS.contains(&code)
}

/// Whether an error is that of a key that is there already.
pub(super) fn is_duplicate(code: u16) -> bool {
    DUPLICATE.contains(&code)
}

/// Whether an error of a statement of one row comes before that row is stored, where no trigger runs behind that.
pub(super) fn is_before_rows(code: u16) -> bool {
    is_of_rows(code) || BEFORE_ROWS.contains(&code)
}

/// Whether a warning leaves values as they were sent.
pub(super) fn is_harmless(code: u16) -> bool {
    HARMLESS.contains(&code)
}

impl Refusal {
    /// The reject of a row that is refused.
    pub(super) fn reject(&self, target: &WriteTarget, batch: &RecordBatch, row: usize, number: u64) -> Reject {
        let names = target.columns.iter().map(|column| column.target.name.as_str());
        let values = RowValues::of(names, batch, row);
        let key = is_duplicate(self.code).then(|| self.key(&target.keys)).flatten();
        let columns: Vec<&str> = match key {
            Some(key) => key.columns.iter().map(String::as_str).collect(),
            None => self.column(&values).into_iter().collect(),
        };
        let value = |name: &&str| {
            let found = values.0.iter().find(|(known, _)| known == name);
            found.and_then(|(_, value)| value.clone()).unwrap_or_else(|| "NULL".to_owned())
        };
        Reject {
            column: (!columns.is_empty()).then(|| columns.join(", ")),
            value: (!columns.is_empty()).then(|| columns.iter().map(value).collect::<Vec<_>>().join(", ")),
            reason: match key {
                Some(key) => {
                    format!("is there already in the unique key `{}`; the server says: {}", key.name, self.message)
                }
                None => format!("the server says: {} (error {})", self.message, self.code),
            },
            row: Some(number),
            values,
            found_by: FoundBy::Server,
            ..Reject::default()
        }
    }

    /// The key of a duplicate, whose name ends the message: `for key 'table.name'`.
    fn key<'a>(&self, keys: &'a [UniqueKey]) -> Option<&'a UniqueKey> {
        let (_, behind) = self.message.rsplit_once("for key ")?;
        let name = behind.trim().trim_matches(['\'', '`']);
        let is_it = |key: &&UniqueKey| {
            name == key.name || name.strip_suffix(key.name.as_str()).is_some_and(|table| table.ends_with('.'))
        };
        keys.iter().find(is_it)
    }

    /// The column that the message names: ``for column `d`.`t`.`c` at row 1``, `Column 'c' cannot be null`, `Field 'c'`.
    fn column<'a>(&self, values: &'a RowValues) -> Option<&'a str> {
        let behind =
            ["olumn ", "ield "].iter().find_map(|word| self.message.rsplit_once(word)).map(|(_, behind)| behind)?;
        let is_named = |name: &str| {
            ["'", "`"].iter().any(|quote| {
                behind.starts_with(&format!("{quote}{name}{quote}"))
                    || behind.contains(&format!(".{quote}{name}{quote}"))
            })
        };
        values.0.iter().map(|(name, _)| name.as_str()).find(|name| is_named(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(message: &str) -> Refusal {
        Refusal { code: 1062, message: message.into() }
    }

    #[test]
    fn the_key_of_a_duplicate_is_found() {
        let key = |name: &str| UniqueKey { name: name.into(), columns: vec!["a".into()] };
        let keys = [key("PRIMARY"), key("it's"), key("k")];
        let found = |message: &str| refusal(message).key(&keys).map(|key| key.name.clone());
        assert_eq!(found("Duplicate entry '1' for key 'PRIMARY'").as_deref(), Some("PRIMARY"));
        assert_eq!(found("Duplicate entry '1-for key 'x'' for key 't.k'").as_deref(), Some("k"));
        assert_eq!(found("Duplicate entry '1' for key 'it's'").as_deref(), Some("it's"));
        assert_eq!(found("Duplicate entry '1' for key 'other'"), None);
    }

    #[test]
    fn the_column_of_a_refused_value_is_found() {
        let values = RowValues(["a", "b"].map(|name| (name.to_owned(), None)).to_vec());
        let found = |message: &str| refusal(message).column(&values).map(str::to_owned);
        assert_eq!(found("Incorrect string value: 'x' for column `d`.`t`.`b` at row 1").as_deref(), Some("b"));
        assert_eq!(found("Data too long for column 'a' at row 1").as_deref(), Some("a"));
        assert_eq!(found("Column 'b' cannot be null").as_deref(), Some("b"));
        assert_eq!(found("Field 'a' doesn't have a default value").as_deref(), Some("a"));
        assert_eq!(found("CONSTRAINT `c` failed for `d`.`t`"), None);
    }
}
