//! The BE's JSON answers of the transaction interface (StarRocks: `StreamLoadContext::to_resp_json`).

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::outcome::{PUBLISH_TIMEOUT, milliseconds, pretty};
use super::{Counts, Published};
use crate::error::Error;

/// How a call ended: the names of `TStatusCode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionStatus {
    Ok,
    LabelAlreadyExists,
    TxnNotExists,
    TxnInProcessing,
    AnalysisError,
    InternalError,
    Aborted,
    InvalidArgument,
    PublishTimeout,
}

impl TransactionStatus {
    /// The word in the answer.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::LabelAlreadyExists => "LABEL_ALREADY_EXISTS",
            Self::TxnNotExists => "TXN_NOT_EXISTS",
            Self::TxnInProcessing => "TXN_IN_PROCESSING",
            Self::AnalysisError => "ANALYSIS_ERROR",
            Self::InternalError => "INTERNAL_ERROR",
            Self::Aborted => "ABORTED",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::PublishTimeout => "PUBLISH_TIMEOUT",
        }
    }
}

/// Why a call was refused or has failed.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: TransactionStatus,
    pub(crate) message: String,
    /// Beside `LABEL_ALREADY_EXISTS`; empty where the BE does not ask the FE.
    existing_job_status: &'static str,
    /// Name of the error log, if rows were filtered.
    pub(super) error_log: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: TransactionStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), existing_job_status: "", error_log: None }
    }

    /// The BE's or the FE's own words, with the status that they come with.
    pub(super) fn from_error(error: &Error) -> Self {
        let status = match error {
            Error::LabelUsed { .. } => TransactionStatus::LabelAlreadyExists,
            Error::Argument(_) => TransactionStatus::InvalidArgument,
            Error::Backend(_) | Error::Unsupported(_) | Error::Row(_) | Error::Io { .. } | Error::Storage { .. } => {
                TransactionStatus::InternalError
            }
            _ => TransactionStatus::AnalysisError,
        };
        let mut refusal = Self::new(status, error.to_string());
        if let Error::LabelUsed { existing_job_status, .. } = error {
            refusal.existing_job_status = existing_job_status;
        }
        refusal
    }
}

/// What a call that succeeded has done.
#[derive(Debug, Clone)]
pub(crate) enum TransactionReply {
    Begin {
        id: u64,
        begin: Duration,
    },
    Load {
        id: u64,
        bytes: u64,
        plan: Duration,
        received: Duration,
    },
    /// `prepare` and `commit`.
    Finish {
        id: u64,
        counts: Counts,
        load: Duration,
        plan: Duration,
        received: Duration,
        commit: Duration,
        error_log: Option<String>,
        published: Published,
    },
    Rollback,
}

/// The text of an answer. `backend` is the address under which the client knows the BE.
pub(crate) fn reply_json(label: &str, backend: &str, result: &Result<TransactionReply, Refusal>) -> String {
    let mut body = Map::new();
    let mut put = |key: &str, value: Json| body.insert(key.to_owned(), value);
    let error_log = match result {
        Err(refusal) => {
            put("Status", refusal.status.as_str().into());
            match refusal.status {
                TransactionStatus::LabelAlreadyExists => {
                    put("ExistingJobStatus", refusal.existing_job_status.into());
                }
                TransactionStatus::TxnInProcessing => {
                    put("Label", label.into());
                }
                _ => {}
            }
            put("Message", refusal.message.clone().into());
            &refusal.error_log
        }
        Ok(TransactionReply::Finish { published: Published::Committed, error_log, .. }) => {
            put("Status", TransactionStatus::PublishTimeout.as_str().into());
            put("Message", PUBLISH_TIMEOUT.into());
            error_log
        }
        Ok(reply) => {
            put("Status", TransactionStatus::Ok.as_str().into());
            put("Message", "".into());
            put("Label", label.into());
            match reply {
                TransactionReply::Rollback => &None,
                TransactionReply::Begin { id, begin } => {
                    put("TxnId", (*id).into());
                    put("BeginTxnTimeMs", milliseconds(*begin).into());
                    &None
                }
                TransactionReply::Load { id, bytes, plan, received } => {
                    put("TxnId", (*id).into());
                    put("LoadBytes", (*bytes).into());
                    put("StreamLoadPlanTimeMs", milliseconds(*plan).into());
                    put("ReceivedDataTimeMs", milliseconds(*received).into());
                    &None
                }
                TransactionReply::Finish { id, counts, load, plan, received, commit, error_log, .. } => {
                    put("TxnId", (*id).into());
                    put("NumberTotalRows", counts.total.into());
                    put("NumberLoadedRows", counts.loaded.into());
                    put("NumberFilteredRows", counts.filtered.into());
                    put("NumberUnselectedRows", counts.unselected.into());
                    put("LoadBytes", counts.bytes.into());
                    put("LoadTimeMs", milliseconds(*load).into());
                    put("StreamLoadPlanTimeMs", milliseconds(*plan).into());
                    put("ReceivedDataTimeMs", milliseconds(*received).into());
                    put("WriteDataTimeMs", milliseconds(*received).into());
                    put("CommitAndPublishTimeMs", milliseconds(*commit).into());
                    error_log
                }
            }
        }
    };
    if let Some(name) = error_log {
        put("ErrorURL", format!("http://{backend}/api/_load_error_log?file={name}").into());
    }
    pretty(&body, 4)
}
