//! The tables of the state store, in folders of this version and of those before it.

use rusqlite::Connection;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS external_table (
  name TEXT PRIMARY KEY, definition TEXT NOT NULL, folder TEXT, created_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS external_partition (
  table_name TEXT NOT NULL, name TEXT NOT NULL, location TEXT NOT NULL, folder TEXT, created_at TEXT NOT NULL,
  PRIMARY KEY (table_name, name));
CREATE TABLE IF NOT EXISTS run (
  run_id TEXT PRIMARY KEY, job TEXT NOT NULL, bizdate TEXT NOT NULL, cyctime TEXT NOT NULL, timezone TEXT NOT NULL,
  fingerprint TEXT NOT NULL, status TEXT NOT NULL, started_at TEXT NOT NULL, ended_at TEXT, inputs TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS statement (
  run_id TEXT NOT NULL, statement INTEGER NOT NULL, status TEXT NOT NULL, changed_at TEXT NOT NULL,
  PRIMARY KEY (run_id, statement));
CREATE TABLE IF NOT EXISTS attempt (
  run_id TEXT NOT NULL, statement INTEGER NOT NULL, attempt INTEGER NOT NULL, job TEXT NOT NULL,
  catalog TEXT NOT NULL, database TEXT NOT NULL, table_name TEXT NOT NULL,
  label_prefix TEXT NOT NULL, writers INTEGER NOT NULL, write_mode TEXT NOT NULL, details TEXT NOT NULL DEFAULT '',
  added_details TEXT NOT NULL DEFAULT '', decision TEXT, finished INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run_id, statement, attempt));
";

/// Columns that tables made by earlier versions lack: table, column, type.
const ADDED_COLUMNS: &[(&str, &str, &str)] = &[
    ("run", "inputs", "TEXT NOT NULL DEFAULT ''"),
    ("attempt", "details", "TEXT NOT NULL DEFAULT ''"),
    ("attempt", "added_details", "TEXT NOT NULL DEFAULT ''"),
];

/// Makes what is missing.
pub(super) fn prepare(database: &Connection) -> rusqlite::Result<()> {
    database.execute_batch(TABLES)?;
    for (table, column, column_type) in ADDED_COLUMNS {
        let count = "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?";
        let known: i64 = database.query_row(count, [table, column], |row| row.get(0))?;
        if known == 0 {
            database.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {column_type}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_an_earlier_version_gets_the_columns_that_it_lacks() {
        let database = Connection::open_in_memory().unwrap();
        let old = "CREATE TABLE run (run_id TEXT PRIMARY KEY, status TEXT); INSERT INTO run VALUES ('r1', 'failed');
            CREATE TABLE attempt (run_id TEXT, decision TEXT);";
        database.execute_batch(old).unwrap();
        for _ in 0..2 {
            prepare(&database).unwrap();
        }
        let inputs: String = database.query_row("SELECT inputs FROM run", [], |row| row.get(0)).unwrap();
        assert_eq!(inputs, "");
        database.execute_batch("INSERT INTO attempt (run_id, details, added_details) VALUES ('r1', 'x', 'y')").unwrap();
        let partitions = "SELECT count(*) FROM external_partition";
        assert_eq!(database.query_row(partitions, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }
}
