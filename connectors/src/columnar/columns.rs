//! Which of a file's columns is which of the table's.

use crate::error::{ConnectorError, ErrorCode, Result};

/// The place of a column in a file: the one of its name, else the only one of its name without case. None if the file lacks it.
///
/// # Errors
/// Code Name if only case tells several apart.
pub(super) fn find<'a>(name: &str, in_file: impl IntoIterator<Item = &'a str>) -> Result<Option<usize>> {
    let mut alike = Vec::new();
    for (at, known) in in_file.into_iter().enumerate() {
        if known == name {
            return Ok(Some(at));
        }
        if known.to_lowercase() == name.to_lowercase() {
            alike.push((at, known));
        }
    }
    match alike.as_slice() {
        [] => Ok(None),
        [(at, _)] => Ok(Some(*at)),
        several => {
            let names: Vec<_> = several.iter().map(|(_, name)| name.escape_debug().to_string()).collect();
            let message = format!(
                "column \"{}\" could be any of the columns {} of the file; write its name as in the file",
                name.escape_debug(),
                names.join(", ")
            );
            Err(ConnectorError::new(ErrorCode::Name, message))
        }
    }
}

/// Whether a file's names are those that Hive gives who writes ORC without names; its columns are then meant by position.
pub(super) fn are_positions<'a>(in_file: impl IntoIterator<Item = &'a str>) -> bool {
    let mut names = in_file.into_iter().peekable();
    names.peek().is_some() && names.all(|name| name.strip_prefix("_col").is_some_and(is_number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_found_by_its_name_then_without_case() {
        assert_eq!(find("uid", ["UID", "uid"]).unwrap(), Some(1));
        assert_eq!(find("uid", ["x", "UID"]).unwrap(), Some(1));
        assert_eq!(find("uid", ["x"]).unwrap(), None);
        assert_eq!(find("Größe", ["GRÖSSE", "größe"]).unwrap(), Some(1));
        let error = find("uid", ["UID", "Uid"]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Name);
        assert!(error.message().contains("UID, Uid"), "{error}");
    }

    #[test]
    fn names_of_hive_are_positions() {
        assert!(are_positions(["_col0", "_col1"]));
        assert!(!are_positions(["_col0", "a"]));
        assert!(!are_positions(["_colour"]));
        assert!(!are_positions([]));
    }
}
