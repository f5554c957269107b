//! `get_json_object(json, path)`: paths are `$`, `.name`, `['name']`, `[0]` and `[*]`.

use arrow::datatypes::DataType;
use serde_json::Value as Json;

use super::by_row::{ByRow, Parameter, Row, RowResult, Value};

pub(super) fn get_json_object() -> ByRow {
    ByRow {
        name: "get_json_object",
        parameters: &[Parameter::Text, Parameter::Text],
        required: 2,
        repeats: false,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let (Some(json), Some(path)) = (row.text(0), row.text(1)) else { return Ok(None) };
            Ok(object(json, path).map(Value::Text))
        },
    }
}

/// NULL if the text is no JSON, the path is none, or nothing is there.
fn object(json: &str, path: &str) -> Option<String> {
    let steps = steps(path)?;
    let json: Json = serde_json::from_str(json).ok()?;
    let mut found = Vec::new();
    select(&json, &steps, &mut found);
    let has_wildcard = steps.iter().any(|step| matches!(step, Step::All));
    match found.as_slice() {
        [] => None,
        [Json::Null] if !has_wildcard => None,
        // text found by its name alone is bare; among the matches of a wildcard it keeps its quotes, as in Spark
        [Json::String(text)] if !has_wildcard => Some(text.clone()),
        [one] => Some(one.to_string()),
        many => serde_json::to_string(many).ok(),
    }
}

enum Step {
    Name(String),
    Index(usize),
    All,
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("['") {
            let (name, after) = after.split_once("']")?;
            steps.push(Step::Name(name.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            steps.push(if index == "*" { Step::All } else { Step::Index(index.parse().ok()?) });
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() {
                return None;
            }
            steps.push(Step::Name(name.to_owned()));
            rest = after;
        }
    }
    Some(steps)
}

fn select<'a>(json: &'a Json, steps: &[Step], found: &mut Vec<&'a Json>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(json);
        return;
    };
    match (step, json) {
        (Step::Name(name), Json::Object(fields)) => {
            if let Some(field) = fields.get(name).filter(|field| !field.is_null()) {
                select(field, rest, found);
            }
        }
        (Step::Index(index), Json::Array(items)) => {
            if let Some(item) = items.get(*index) {
                select(item, rest, found);
            }
        }
        // `[*]` at the end of a path gives the items as an array
        (Step::All, Json::Array(items)) => items.iter().for_each(|item| select(item, rest, found)),
        _ => {}
    }
}
