//! Values in the places of a job that do not become text of the script: names of data sources, numbers, modes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::variables::Variables;

/// Keys of such places.
const PLACES: &[&str] = &[
    "batchByteSize",
    "batchSize",
    "byte",
    "channel",
    "compress",
    "concurrent",
    "datasource",
    "encoding",
    "fileFormat",
    "mbps",
    "maxBatchRows",
    "maxBatchSize",
    "percentage",
    "print",
    "record",
    "requestMethod",
    "skipHeader",
    "sliceRecordCount",
    "strategy",
    "throttle",
    "writeMode",
    "writeSingleObject",
];

/// Objects whose keys are the user's.
const FREE: &[&str] = &["loadProps", "requestHeaders"];

/// Puts the values in where all of a text's variables have one. The others stay, and are refused where they are read.
pub(super) fn put(job: &mut Value, variables: &Variables, values: &BTreeMap<String, String>) {
    match job {
        Value::Object(object) => {
            for (key, value) in object.iter_mut().filter(|(key, _)| !FREE.contains(&key.as_str())) {
                match value {
                    Value::String(text) if PLACES.contains(&key.as_str()) => {
                        if let Some(known) = variables.put(text, values) {
                            *text = known;
                        }
                    }
                    _ => put(value, variables, values),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put(item, variables, values)),
        _ => {}
    }
}
