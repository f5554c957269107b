//! JSON paths of `jsonpaths` and `json_root`: keys and indexes, such as `$.a.b[0]`.

use crate::error::{Error, Result};

/// One step of a JSON path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathStep {
    /// A member of an object.
    Key(String),
    /// An element of an array.
    Index(usize),
}

/// `$.a.b[0]` as steps.
pub(super) fn json_path(path: &str) -> Result<Vec<PathStep>> {
    let invalid = || Error::invalid(format!("Invalid json path: {path}"));
    let mut rest = path.trim().strip_prefix('$').ok_or_else(invalid)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(key) = rest.strip_prefix('.') {
            let end = if let Some(quoted) = key.strip_prefix('"') {
                quoted.find('"').ok_or_else(invalid)? + 2
            } else {
                key.find(['.', '[']).unwrap_or(key.len())
            };
            let (name, behind) = key.split_at(end);
            let name = name.trim_matches('"');
            if name.is_empty() || name == "*" {
                return Err(invalid());
            }
            steps.push(PathStep::Key(name.to_owned()));
            rest = behind;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, behind) = index.split_once(']').ok_or_else(invalid)?;
            steps.push(PathStep::Index(index.trim().parse().map_err(|_| invalid())?));
            rest = behind;
        } else {
            return Err(invalid());
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_paths_have_keys_and_indexes() {
        let key = |name: &str| PathStep::Key(name.to_owned());
        assert_eq!(json_path("$").unwrap(), []);
        assert_eq!(json_path("$.a.\"b.c\"[0]").unwrap(), [key("a"), key("b.c"), PathStep::Index(0)]);
        for broken in ["a", "$a", "$.", "$.a[", "$.a[x]", "$.*"] {
            assert!(json_path(broken).is_err(), "{broken}");
        }
    }
}
