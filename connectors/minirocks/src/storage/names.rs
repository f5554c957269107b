//! Which names are taken, and how a name becomes a folder.

use crate::error::{Error, Result};

/// Longest name of a database (StarRocks: 256).
const MAX_DATABASE_NAME: usize = 256;
/// Longest name of a table, column or partition (StarRocks: 1024).
const MAX_NAME: usize = 1024;
/// Databases that a server has of its own.
pub(super) const SYSTEM_DATABASES: [&str; 3] = ["information_schema", "_statistics_", "sys"];
/// Bytes of a name that its folder's name repeats; the id behind it makes it unique.
const MAX_FOLDER_NAME: usize = 80;

pub(super) fn check_database_name(name: &str) -> Result<()> {
    check(name, MAX_DATABASE_NAME, "database")?;
    if SYSTEM_DATABASES.contains(&name.to_lowercase().as_str()) {
        return Err(Error::invalid(format!("Access denied; database '{name}' belongs to the system")));
    }
    Ok(())
}

pub(super) fn check_table_name(name: &str) -> Result<()> {
    check(name, MAX_NAME, "table")
}

pub(super) fn check_column_name(name: &str) -> Result<()> {
    check(name, MAX_NAME, "column")
}

pub(super) fn check_partition_name(name: &str) -> Result<()> {
    check(name, MAX_NAME, "partition")
}

fn check(name: &str, most: usize, kind: &str) -> Result<()> {
    let usable = !name.trim().is_empty() && name.len() <= most && !name.chars().any(char::is_control);
    if usable { Ok(()) } else { Err(Error::invalid(format!("Incorrect {kind} name '{}'", name.escape_debug()))) }
}

/// The folder of the object with this name and id: letters, digits, `_` and `-` stay, every other byte becomes `%xx`, so
/// that no name can leave its folder or be hidden. The id keeps names apart that differ only in case or behind the cut.
pub(super) fn folder(name: &str, id: u64) -> String {
    let mut folder = String::new();
    for byte in name.bytes() {
        if folder.len() >= MAX_FOLDER_NAME {
            break;
        }
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            folder.push(char::from(byte));
        } else {
            folder.push_str(&format!("%{byte:02x}"));
        }
    }
    format!("{folder}.{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for (name, expected) in [
            ("ods", "ods.7"),
            ("../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd.7"),
            (".hidden", "%2ehidden.7"),
            ("日志", "%e6%97%a5%e5%bf%97.7"),
            ("C:\\x", "C%3a%5cx.7"),
        ] {
            assert_eq!(folder(name, 7), expected);
        }
        assert!(folder(&"日".repeat(300), 7).len() < 100);
    }

    #[test]
    fn names_that_no_one_can_mean_are_refused() {
        for name in ["", "  ", "a\0b", "a\nb", &"x".repeat(300)] {
            assert!(check_database_name(name).is_err(), "{name:?}");
        }
        assert!(check_database_name("Information_Schema").is_err());
        for name in ["ods", "a b", "用户", "a.b/c"] {
            assert!(check_table_name(name).is_ok(), "{name:?}");
        }
    }
}
