//! Typed access to a JSON object of a job, which remembers what was read of it.
//!
//! The tools that write these files are loose with types: `"0"` and `0`, `"true"` and `true`, a text and a list of one text mean the same. What
//! nobody has read in the end is an unknown parameter, which is told and does no harm.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};
use syncline_connectors::options::nearest;

use super::notes::Notes;
use crate::error::{Result, SynclineError, codes};

/// The error of a place in the job, named by its JSON path.
pub(crate) fn wrong(path: &str, what: impl std::fmt::Display) -> SynclineError {
    SynclineError::new(codes::JOB, format!("{path}: {what}"))
}

/// A JSON object and its place in the job.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    path: String,
    object: Cow<'a, Map<String, Value>>,
    /// The keys that were asked for, whether or not they are there.
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Parameters<'a> {
    /// An object at a path such as `steps[0].parameter`.
    pub(crate) fn new(path: impl Into<String>, object: &'a Map<String, Value>) -> Self {
        Self { path: path.into(), object: Cow::Borrowed(object), read: RefCell::default() }
    }

    /// An object that is not there.
    pub(crate) fn empty(path: impl Into<String>) -> Self {
        Self { path: path.into(), object: Cow::Owned(Map::new()), read: RefCell::default() }
    }

    /// The JSON path of a key.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The error of a key.
    pub(crate) fn wrong(&self, key: &str, what: impl std::fmt::Display) -> SynclineError {
        wrong(&self.path_of(key), what)
    }

    /// The value of a key as it stands; null is none.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(key.to_owned());
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Whether a key is there with a value that is not null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// A text, number or Boolean as text, blanks around it kept.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>> {
        self.value(key).map(|value| text_of(value).ok_or_else(|| self.wrong(key, "a text is expected"))).transpose()
    }

    /// [`text`](Self::text), of which an empty one is none, as the wizards write what was left out.
    pub(crate) fn text_if_any(&self, key: &str) -> Result<Option<String>> {
        Ok(self.text(key)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required_text(&self, key: &str) -> Result<String> {
        self.text_if_any(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    /// One text or a list of texts; none if the key is not there. Empty texts are left out.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>> {
        let texts = match self.value(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let mut texts = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    texts.push(text_of(item).ok_or_else(|| self.wrong(&format!("{key}[{at}]"), "a text is expected"))?);
                }
                texts
            }
            Some(value) => {
                vec![text_of(value).ok_or_else(|| self.wrong(key, "a text or a list of texts is expected"))?]
            }
        };
        Ok(texts.into_iter().filter(|text| !text.trim().is_empty()).collect())
    }

    /// A Boolean.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        let Some(text) = self.text_if_any(key)? else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Some(true)),
            "false" | "0" | "no" | "off" => Ok(Some(false)),
            _ => Err(self.no_value(key, &text, "true or false is expected")),
        }
    }

    /// The error of a text that must be there while the job is converted.
    pub(crate) fn no_value(&self, key: &str, text: &str, what: &str) -> SynclineError {
        match text.contains('$') {
            true => self
                .wrong(key, format!("{what}, and a variable has no value here yet"))
                .hint("write the value, or give it by -p name=value (of convert: -D) or SYNCLINE_PARAM_name"),
            false => self.wrong(key, what),
        }
    }

    /// A whole number; a negative one is what `-1` means in DataX: no limit, none.
    pub(crate) fn number(&self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.text_if_any(key)? else { return Ok(None) };
        match text.parse::<i128>() {
            Ok(number) if number < 0 => Ok(None),
            Ok(number) => u64::try_from(number).map(Some).map_err(|_| self.wrong(key, "the number is too large")),
            Err(_) => Err(self.no_value(key, &text, "a whole number is expected")),
        }
    }

    /// An object, or a text that holds one.
    pub(crate) fn object(&self, key: &str) -> Result<Option<Parameters<'_>>> {
        let path = self.path_of(key);
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Parameters::new(path, object))),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(Value::Object(object)) => {
                    Ok(Some(Parameters { path, object: Cow::Owned(object), read: RefCell::default() }))
                }
                _ => Err(self.wrong(key, "an object is expected, and this text holds none")),
            },
            Some(_) => Err(self.wrong(key, "an object is expected")),
        }
    }

    /// An object or a list of objects; none if the key is not there.
    pub(crate) fn objects(&self, key: &str) -> Result<Vec<Parameters<'_>>> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::Object(object)) => Ok(vec![Parameters::new(self.path_of(key), object)]),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(at, item)| {
                    let path = self.path_of(&format!("{key}[{at}]"));
                    match item {
                        Value::Object(object) => Ok(Parameters::new(path, object)),
                        _ => Err(wrong(&path, "an object is expected")),
                    }
                })
                .collect(),
            Some(_) => Err(self.wrong(key, "a list of objects is expected")),
        }
    }

    /// The texts of all keys, in order, for objects whose keys are the user's (`loadProps`).
    pub(crate) fn all_texts(&self) -> Result<Vec<(String, String)>> {
        let keys: Vec<String> = self.object.keys().cloned().collect();
        let text = |key: String| Ok(self.text(&key)?.map(|text| (key, text)));
        Ok(keys.into_iter().map(text).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Refuses a parameter that is there and says something: not empty, not false.
    pub(crate) fn refuse(&self, key: &str, why: &str) -> Result<()> {
        match self.value(key) {
            Some(value) if says_something(value) => Err(self.wrong(key, format!("is not supported: {why}"))),
            _ => Ok(()),
        }
    }

    /// Notes a parameter that is there and says something, and has no effect here.
    pub(crate) fn ignore(&self, key: &str, why: &str, notes: &mut Notes) {
        if self.value(key).is_some_and(says_something) {
            notes.ignored(&self.path_of(key), why);
        }
    }

    /// Parameters that the consoles write for themselves.
    pub(crate) fn skip(&self, keys: &[&str]) {
        let mut read = self.read.borrow_mut();
        read.extend(keys.iter().map(|key| (*key).to_owned()));
    }

    /// Notes what nobody has read.
    pub(crate) fn finish(&self, notes: &mut Notes) {
        let read = self.read.borrow();
        for key in self.object.keys().filter(|key| !read.contains(*key)) {
            let hint =
                match nearest(key, read.iter().map(String::as_str).filter(|known| !self.object.contains_key(*known))) {
                    Some(known) => format!("; did you mean \"{known}\"?"),
                    None => String::new(),
                };
            notes.unknown(&self.path_of(key), &hint);
        }
    }
}

/// A JSON value that is one text.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.trim().is_empty() && !text.trim().eq_ignore_ascii_case("false"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn texts_numbers_and_booleans_are_alike() {
        let object =
            object(r#"{"a": "0", "b": 0, "c": "true", "d": true, "e": ["x", 1], "f": "x", "g": null, "h": -1}"#);
        let parameters = Parameters::new("p", &object);
        assert_eq!((parameters.number("a").unwrap(), parameters.number("b").unwrap()), (Some(0), Some(0)));
        assert_eq!((parameters.flag("c").unwrap(), parameters.flag("d").unwrap()), (Some(true), Some(true)));
        assert_eq!(parameters.texts("e").unwrap(), ["x", "1"]);
        assert_eq!(parameters.texts("f").unwrap(), ["x"]);
        assert_eq!((parameters.text("g").unwrap(), parameters.number("h").unwrap()), (None, None));
        assert_eq!(parameters.number("f").unwrap_err().message(), "p.f: a whole number is expected");
        assert_eq!(parameters.required_text("z").unwrap_err().message(), "p.z: is missing");
    }

    #[test]
    fn an_object_may_be_written_as_a_text() {
        let object = object(r#"{"a": {"x": 1}, "b": "{\"x\": \"1\"}", "c": "", "d": "x"}"#);
        let parameters = Parameters::new("p", &object);
        for key in ["a", "b"] {
            let inner = parameters.object(key).unwrap().unwrap();
            assert_eq!(inner.all_texts().unwrap(), [("x".to_owned(), "1".to_owned())]);
        }
        assert!(parameters.object("c").unwrap().is_none());
        assert!(parameters.object("d").is_err());
    }

    #[test]
    fn what_nobody_read_is_told_with_the_nearest_name() {
        let object = object(r#"{"spiltPk": "id", "table": "t", "envType": 0, "other": 1}"#);
        let parameters = Parameters::new("p", &object);
        parameters.skip(&["envType"]);
        let _ = (parameters.text("table"), parameters.text("splitPk"));
        let mut notes = Notes::default();
        parameters.finish(&mut notes);
        let mut warnings = notes.warnings().to_vec();
        warnings.sort();
        assert_eq!(
            warnings,
            [
                "unknown parameter p.other is ignored",
                "unknown parameter p.spiltPk is ignored; did you mean \"splitPk\"?"
            ]
        );
    }
}
