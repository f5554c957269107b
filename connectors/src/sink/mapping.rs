//! Which target column each column of a SELECT goes to.

use std::collections::HashSet;

use arrow::datatypes::Schema;

use super::{ColumnMapping, TargetColumn};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::nearest;

/// For every column of the SELECT, in order, the target's column that it goes to.
///
/// `target` holds all columns of the table in its own order. Names match exactly, else without case if only one does. It is an error of
/// code Name when counts differ, a name is unknown, ambiguous or taken twice, or a NOT NULL column without a default is left out.
pub fn map_columns(mapping: &ColumnMapping, source: &Schema, target: &[TargetColumn]) -> Result<Vec<TargetColumn>> {
    let indices = match mapping {
        ColumnMapping::Position => by_position(source, target)?,
        ColumnMapping::List(names) => by_list(names, source, target)?,
        ColumnMapping::ByName => by_name(source, target)?,
    };
    let named: HashSet<usize> = indices.iter().copied().collect();
    let missing = target
        .iter()
        .enumerate()
        .filter(|(index, column)| !named.contains(index) && !column.nullable && !column.has_default)
        .map(|(_, column)| quoted(&column.name))
        .collect::<Vec<_>>();
    if !missing.is_empty() {
        return Err(name_error(format!(
            "the statement leaves out {}, which is NOT NULL and has no default; add it to the SELECT",
            missing.join(", ")
        )));
    }
    Ok(indices.into_iter().map(|index| target[index].clone()).collect())
}

fn by_position(source: &Schema, target: &[TargetColumn]) -> Result<Vec<usize>> {
    let (selected, expected) = (source.fields().len(), target.len());
    if selected != expected {
        return Err(name_error(format!(
            "the SELECT has {}, the target has {}: {}; name the columns, INSERT INTO target (a, b) or BY NAME",
            columns(selected),
            columns(expected),
            target.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
        )));
    }
    Ok((0..expected).collect())
}

fn by_list(names: &[String], source: &Schema, target: &[TargetColumn]) -> Result<Vec<usize>> {
    let selected = source.fields().len();
    if names.len() != selected {
        return Err(name_error(format!(
            "the list names {}, the SELECT has {}",
            columns(names.len()),
            columns(selected)
        )));
    }
    find_all(names.iter().map(String::as_str), target)
}

fn by_name(source: &Schema, target: &[TargetColumn]) -> Result<Vec<usize>> {
    find_all(source.fields().iter().map(|field| field.name().as_str()), target)
}

fn find_all<'a>(names: impl Iterator<Item = &'a str>, target: &[TargetColumn]) -> Result<Vec<usize>> {
    let mut taken = HashSet::new();
    names
        .map(|name| {
            let index = find(name, target)?;
            if !taken.insert(index) {
                return Err(name_error(format!("column {} is written twice", quoted(&target[index].name))));
            }
            Ok(index)
        })
        .collect()
}

fn find(name: &str, target: &[TargetColumn]) -> Result<usize> {
    if let Some(index) = target.iter().position(|column| column.name == name) {
        return Ok(index);
    }
    let lowered = name.to_lowercase();
    let matches = target
        .iter()
        .enumerate()
        .filter(|(_, column)| column.name.to_lowercase() == lowered)
        .map(|(index, _)| index)
        .collect::<Vec<_>>();
    match matches[..] {
        [index] => Ok(index),
        [] => {
            let known = || target.iter().map(|column| column.name.as_str());
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean {}?", quoted(near)),
                None => format!("its columns: {}", known().collect::<Vec<_>>().join(", ")),
            };
            Err(name_error(format!("the target has no column {}; {hint}", quoted(name))))
        }
        _ => Err(name_error(format!(
            "column {} is ambiguous without its case: {}",
            quoted(name),
            matches.iter().map(|index| quoted(&target[*index].name)).collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn columns(count: usize) -> String {
    if count == 1 { "1 column".into() } else { format!("{count} columns") }
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

fn name_error(message: String) -> ConnectorError {
    ConnectorError::new(ErrorCode::Name, message)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::sink::TargetType;

    fn target(columns: &[(&str, bool, bool)]) -> Vec<TargetColumn> {
        columns
            .iter()
            .map(|(name, nullable, has_default)| TargetColumn {
                name: (*name).into(),
                kind: TargetType::Other,
                nullable: *nullable,
                has_default: *has_default,
                type_name: "json".into(),
            })
            .collect()
    }

    fn source(names: &[&str]) -> Schema {
        Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>())
    }

    fn names(mapped: Result<Vec<TargetColumn>>) -> Result<Vec<String>, String> {
        mapped
            .map(|columns| columns.into_iter().map(|column| column.name).collect())
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn without_a_list_the_counts_must_be_equal() {
        let table = target(&[("a", true, false), ("b", true, false)]);
        let map = |columns: &[&str]| names(map_columns(&ColumnMapping::Position, &source(columns), &table));
        assert_eq!(map(&["x", "y"]).unwrap(), ["a", "b"]);
        assert_eq!(
            map(&["x", "y", "z"]).unwrap_err(),
            "the SELECT has 3 columns, the target has 2 columns: a, b; name the columns, INSERT INTO target (a, b) or BY NAME"
        );
    }

    #[test]
    fn a_list_names_the_columns_in_the_order_of_the_select() {
        let table = target(&[("a", true, false), ("b", true, false), ("c", true, false)]);
        let map = |list: &[&str], columns: &[&str]| {
            let list = ColumnMapping::List(list.iter().map(|name| (*name).to_owned()).collect());
            names(map_columns(&list, &source(columns), &table))
        };
        assert_eq!(map(&["c", "a"], &["x", "y"]).unwrap(), ["c", "a"]);
        assert_eq!(map(&["c"], &["x", "y"]).unwrap_err(), "the list names 1 column, the SELECT has 2 columns");
        assert_eq!(map(&["c", "C"], &["x", "y"]).unwrap_err(), "column `c` is written twice");
    }

    #[test]
    fn by_name_prefers_the_exact_name_and_else_ignores_case() {
        let table = target(&[("Uid", true, false), ("uid", true, false), ("Gender", true, false)]);
        let map = |columns: &[&str]| names(map_columns(&ColumnMapping::ByName, &source(columns), &table));
        assert_eq!(map(&["gender", "uid"]).unwrap(), ["Gender", "uid"]);
        assert_eq!(map(&["UID"]).unwrap_err(), "column `UID` is ambiguous without its case: `Uid`, `uid`");
        assert_eq!(map(&["gendr"]).unwrap_err(), "the target has no column `gendr`; did you mean `Gender`?");
        assert_eq!(map(&["zodiac"]).unwrap_err(), "the target has no column `zodiac`; its columns: Uid, uid, Gender");
    }

    #[test]
    fn a_not_null_column_without_a_default_cannot_be_left_out() {
        let table = target(&[("id", false, false), ("at", false, true), ("note", true, false)]);
        let map = |columns: &[&str]| names(map_columns(&ColumnMapping::ByName, &source(columns), &table));
        assert_eq!(map(&["id"]).unwrap(), ["id"]);
        assert_eq!(
            map(&["note"]).unwrap_err(),
            "the statement leaves out `id`, which is NOT NULL and has no default; add it to the SELECT"
        );
    }
}
