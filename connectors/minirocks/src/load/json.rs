//! JSON bodies: one object, objects one after another, or an array of objects. The whole body is held, as StarRocks does.

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::json_path::PathStep;
use super::options::JsonOptions;
use super::rows::{RowLoader, lossy};
use crate::error::{Error, Result};

/// Collects a body and reads its rows in the end.
pub(super) struct JsonReader {
    options: JsonOptions,
    body: Vec<u8>,
}

impl JsonReader {
    pub(super) fn new(options: JsonOptions) -> Self {
        Self { options, body: Vec::new() }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn finish(self, rows: &mut RowLoader) -> Result<()> {
        let Self { options, body } = self;
        let mut row = RowReader { options: &options, fields: rows.fields().to_vec(), rows };
        if options.strip_outer_array && options.root.is_empty() {
            return read_array(&body, &mut row);
        }
        let mut documents = serde_json::Deserializer::from_slice(&body).into_iter::<Json>();
        loop {
            let begin = documents.byte_offset();
            let Some(document) = documents.next() else { return Ok(()) };
            let document = document.map_err(unreadable)?;
            let bytes = documents.byte_offset() - begin;
            let Some(root) = follow(&document, &options.root) else {
                row.rows.filter("No such field", || lossy(document.to_string().as_bytes()));
                continue;
            };
            match root {
                Json::Array(elements) if options.strip_outer_array => {
                    let each = bytes / elements.len().max(1);
                    for element in elements {
                        row.read(element, each)?;
                    }
                }
                Json::Array(_) => {
                    return Err(Error::invalid(
                        "The value is array type in json document stream, you can set strip_outer_array=true to parse each element of the array as individual rows",
                    ));
                }
                object => row.read(object, bytes)?,
            }
        }
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::invalid(format!("Failed to iterate document stream as object. error: {error}"))
}

/// Reads an array element by element, so that the parsed rows are never held all at once.
fn read_array(body: &[u8], row: &mut RowReader<'_>) -> Result<()> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let mut failure = None;
    let elements = Elements { row, failure: &mut failure };
    let read = elements.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match failure {
        Some(error) => Err(error),
        None => {
            read.map_err(|error| Error::invalid(format!("Failed to iterate document stream as array. error: {error}")))
        }
    }
}

struct Elements<'a, 'b> {
    row: &'a mut RowReader<'b>,
    failure: &'a mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Elements<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of rows, as strip_outer_array says")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> std::result::Result<(), A::Error> {
        while let Some(element) = elements.next_element::<Json>()? {
            let bytes = estimated_bytes(&element);
            if let Err(error) = self.row.read(&element, bytes) {
                *self.failure = Some(error);
                return Err(serde::de::Error::custom("the row could not be stored"));
            }
        }
        Ok(())
    }
}

/// About the bytes that a row takes; a batch ends by it.
fn estimated_bytes(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(estimated_bytes).sum(),
        Json::Object(members) => members.values().map(estimated_bytes).sum(),
        _ => 8,
    }
}

struct RowReader<'a> {
    options: &'a JsonOptions,
    fields: Vec<String>,
    rows: &'a mut RowLoader,
}

impl RowReader<'_> {
    fn read(&mut self, json: &Json, bytes: usize) -> Result<()> {
        let text = || lossy(json.to_string().as_bytes());
        let Json::Object(members) = json else {
            self.rows.filter("the value should be object type", text);
            return Ok(());
        };
        let values: Vec<Option<&Json>> = match &self.options.paths {
            Some(paths) => paths.iter().map(|path| follow(json, path)).collect(),
            None => self.fields.iter().map(|name| members.get(name)).collect(),
        };
        self.rows.json_row(&values, bytes, text)
    }
}

/// The value at a path.
fn follow<'a>(json: &'a Json, path: &[PathStep]) -> Option<&'a Json> {
    path.iter().try_fold(json, |json, step| match step {
        PathStep::Key(key) => json.get(key),
        PathStep::Index(index) => json.get(index),
    })
}
