//! The JSON answer of a Stream Load. Keys, their order and the indentation are the server's (StarRocks:
//! `StreamLoadContext::to_json`).

use std::time::Duration;

use serde::Serialize;

use super::{Counts, Timings};
use crate::abilities::{Abilities, Ability};
use crate::error::Error;

/// What the BE says when the rows of a commit are not readable in time.
pub(super) const PUBLISH_TIMEOUT: &str = "Publish timeout. The data will be visible after a while";

/// What became of a load.
#[derive(Debug, Clone)]
pub(crate) struct LoadOutcome {
    /// The transaction, once it has begun.
    pub(crate) transaction_id: Option<u64>,
    /// The label as it was sent or made.
    pub(crate) label: String,
    /// The database of the path.
    pub(crate) database: String,
    /// The table of the path.
    pub(crate) table: String,
    /// How it ended.
    pub(crate) status: LoadStatus,
    /// `OK` or the reason.
    pub(crate) message: String,
    /// Rows.
    pub(crate) counts: Counts,
    /// Times.
    pub(crate) timings: Timings,
    /// Name of the error log, if rows were filtered.
    pub(crate) error_log: Option<String>,
}

/// How a load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadStatus {
    /// Visible.
    Success,
    /// Committed, and readable later.
    PublishTimeout,
    /// Rolled back, or never begun.
    Fail,
    /// Another load had the label; with the state of that load.
    LabelAlreadyExists(&'static str),
}

impl LoadOutcome {
    pub(crate) fn new(label: &str, database: &str, table: &str) -> Self {
        Self {
            transaction_id: None,
            label: label.to_owned(),
            database: database.to_owned(),
            table: table.to_owned(),
            status: LoadStatus::Success,
            message: "OK".to_owned(),
            counts: Counts::default(),
            timings: Timings::default(),
            error_log: None,
        }
    }

    /// Turns the outcome into a failure.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.status = match error {
            Error::LabelUsed { existing_job_status, .. } => LoadStatus::LabelAlreadyExists(existing_job_status),
            _ => LoadStatus::Fail,
        };
        self.message = error.to_string();
    }

    /// Says that the rows are committed and become readable later.
    pub(crate) fn publish_timeout(&mut self) {
        self.status = LoadStatus::PublishTimeout;
        PUBLISH_TIMEOUT.clone_into(&mut self.message);
    }

    /// The answer's text in this version's form. `backend` is the address under which the client knows the BE.
    pub(crate) fn to_json(&self, backend: &str, abilities: Abilities) -> String {
        let has_names = abilities.has(Ability::NamesInAnswer);
        let (status, existing_job_status) = match self.status {
            LoadStatus::Success => ("Success", None),
            LoadStatus::PublishTimeout => ("Publish Timeout", None),
            LoadStatus::Fail => ("Fail", None),
            LoadStatus::LabelAlreadyExists(existing) => ("Label Already Exists", Some(existing)),
        };
        let body = Body {
            txn_id: self.transaction_id.and_then(|id| i64::try_from(id).ok()).unwrap_or(-1),
            label: &self.label,
            db: has_names.then_some(&self.database),
            table: has_names.then_some(&self.table),
            status,
            existing_job_status,
            message: &self.message,
            number_total_rows: self.counts.total,
            number_loaded_rows: self.counts.loaded,
            number_filtered_rows: self.counts.filtered,
            number_unselected_rows: self.counts.unselected,
            load_bytes: self.counts.bytes,
            load_time_ms: milliseconds(self.timings.total),
            begin_txn_time_ms: milliseconds(self.timings.begin),
            stream_load_plan_time_ms: milliseconds(self.timings.plan),
            read_data_time_ms: milliseconds(self.timings.read),
            write_data_time_ms: milliseconds(self.timings.read),
            commit_and_publish_time_ms: milliseconds(self.timings.commit),
            error_url: self.error_log.as_ref().map(|name| format!("http://{backend}/api/_load_error_log?file={name}")),
        };
        pretty(&body, 4)
    }
}

/// JSON indented by this many spaces: 4 for the BE, 2 for the FE.
pub(crate) fn pretty(value: &impl Serialize, spaces: usize) -> String {
    let mut text = Vec::new();
    let indent = " ".repeat(spaces);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    if value.serialize(&mut serializer).is_err() {
        return String::from("{}");
    }
    String::from_utf8(text).unwrap_or_default()
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    txn_id: i64,
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    db: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'a str>,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_job_status: Option<&'a str>,
    message: &'a str,
    number_total_rows: u64,
    number_loaded_rows: u64,
    number_filtered_rows: u64,
    number_unselected_rows: u64,
    load_bytes: u64,
    load_time_ms: u64,
    begin_txn_time_ms: u64,
    stream_load_plan_time_ms: u64,
    read_data_time_ms: u64,
    write_data_time_ms: u64,
    commit_and_publish_time_ms: u64,
    #[serde(rename = "ErrorURL", skip_serializing_if = "Option::is_none")]
    error_url: Option<String>,
}
