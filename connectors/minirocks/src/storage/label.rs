//! Labels and transactions: which load was committed, asked by its label.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Ended transactions that a database remembers (StarRocks: `label_keep_max_num` 1000; more here, since old labels decide
/// whether a retried load is sent again).
const MAX_ENDED: usize = 100_000;
/// Transactions of a database that may be open at a time (StarRocks: `max_running_txn_num_per_db`).
pub(crate) const MAX_RUNNING: usize = 1000;
/// Longest label.
const MAX_LABEL: usize = 128;

/// A checked label: 1 to 128 of letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label(String);

impl Label {
    /// Checks a client's label.
    pub fn parse(text: &str) -> Result<Self> {
        let usable = (1..=MAX_LABEL).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if usable {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid(format!("Label format error. regex: ^[-\\w]{{1,128}}$, label: {}", text.escape_debug())))
        }
    }

    /// A random label behind a prefix such as `insert_`; the shape of a UUID.
    pub fn random(prefix: &str) -> Self {
        let hex = format!("{:032x}", rand::random::<u128>());
        Self(format!("{prefix}{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a transaction stands (StarRocks: `TransactionStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LabelState {
    /// Open.
    Prepare,
    /// Its data is complete and its outcome open (transaction interface).
    Prepared,
    /// Decided, not yet readable.
    Committed,
    /// Readable.
    Visible,
    /// Rolled back; the label may be used again.
    Aborted,
}

impl LabelState {
    /// The word in `get_load_state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "PREPARE",
            Self::Prepared => "PREPARED",
            Self::Committed => "COMMITTED",
            Self::Visible => "VISIBLE",
            Self::Aborted => "ABORTED",
        }
    }

    /// `ExistingJobStatus` beside `Label Already Exists`.
    pub fn existing_job_status(self) -> &'static str {
        match self {
            Self::Committed | Self::Visible => "FINISHED",
            _ => "RUNNING",
        }
    }

    fn has_ended(self) -> bool {
        matches!(self, Self::Visible | Self::Aborted)
    }
}

/// What is known of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionInfo {
    /// Its id.
    pub id: u64,
    /// Its label.
    pub label: String,
    /// The table it writes.
    pub table: String,
    /// Where it stands.
    pub state: LabelState,
    /// Why it was aborted; empty otherwise.
    pub reason: String,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Rows written.
    pub rows: u64,
    /// Whether it is an INSERT, UPDATE or DELETE rather than a load over HTTP.
    #[serde(default)]
    pub is_statement: bool,
}

/// The labels of one database.
#[derive(Debug, Default)]
pub(super) struct LabelTable {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_label: HashMap<String, TransactionInfo>,
    /// Labels in the order they ended, the oldest first; forgotten from the front.
    ended: VecDeque<(String, u64)>,
    /// Ids of the transactions that are open or not readable yet.
    running: HashSet<u64>,
}

impl LabelTable {
    /// Begins a transaction, unless its label is taken or as many as `most` run in the database.
    pub(super) fn begin(
        self: &Arc<Self>,
        label: &Label,
        table: &str,
        id: u64,
        (database_id, most): (u64, usize),
    ) -> Result<Transaction> {
        let mut entries = self.entries.lock();
        if let Some(known) = entries.by_label.get(label.as_str())
            && known.state != LabelState::Aborted
        {
            return Err(Error::LabelUsed {
                label: label.as_str().to_owned(),
                existing_job_status: known.state.existing_job_status(),
            });
        }
        let running = entries.running.len();
        if running >= most {
            return Err(Error::invalid(format!(
                "current running txns on db {database_id} is {running}, larger than limit {most}"
            )));
        }
        entries.running.insert(id);
        let info = TransactionInfo {
            id,
            label: label.as_str().to_owned(),
            table: table.to_owned(),
            state: LabelState::Prepare,
            reason: String::new(),
            began_at: Timestamp::now(),
            ended_at: None,
            rows: 0,
            is_statement: false,
        };
        entries.by_label.insert(info.label.clone(), info.clone());
        Ok(Transaction { labels: Arc::clone(self), info, ended: false })
    }

    pub(super) fn get(&self, label: &str) -> Option<TransactionInfo> {
        self.entries.lock().by_label.get(label).cloned()
    }

    pub(super) fn all(&self) -> Vec<TransactionInfo> {
        let mut all: Vec<_> = self.entries.lock().by_label.values().cloned().collect();
        all.sort_by_key(|info| info.id);
        all
    }

    /// Aborts an open transaction; its commit will then fail.
    pub(super) fn cancel(&self, label: &str, reason: &str) -> Result<()> {
        let mut entries = self.entries.lock();
        let Some(info) = entries.by_label.get_mut(label) else {
            return Err(Error::invalid(format!("Transaction does not exist. label: {label}")));
        };
        match info.state {
            LabelState::Prepare | LabelState::Prepared => {
                info.state = LabelState::Aborted;
                reason.clone_into(&mut info.reason);
                info.ended_at = Some(Timestamp::now());
                let ended = (info.label.clone(), info.id);
                entries.remember(ended);
                Ok(())
            }
            state => {
                Err(Error::invalid(format!("Can not abort {} transaction {}, label: {label}", state.as_str(), info.id)))
            }
        }
    }

    /// Puts back a transaction that a manifest remembers.
    pub(super) fn restore(&self, info: TransactionInfo) {
        let mut entries = self.entries.lock();
        let ended = (info.label.clone(), info.id);
        entries.by_label.insert(info.label.clone(), info);
        entries.remember(ended);
    }

    fn update(&self, info: &TransactionInfo) {
        let mut entries = self.entries.lock();
        if info.state.has_ended() {
            entries.running.remove(&info.id);
        }
        match entries.by_label.get_mut(&info.label) {
            // The label may belong to a later transaction by now, after this one was cancelled.
            // What was cancelled stays so, with the reason that was given then.
            Some(entry) if entry.id == info.id && entry.state != LabelState::Aborted => *entry = info.clone(),
            _ => return,
        }
        if info.state.has_ended() {
            entries.remember((info.label.clone(), info.id));
        }
    }
}

impl Entries {
    fn remember(&mut self, ended: (String, u64)) {
        self.running.remove(&ended.1);
        self.ended.push_back(ended);
        while self.ended.len() > MAX_ENDED {
            let Some((label, id)) = self.ended.pop_front() else { break };
            if self.by_label.get(&label).is_some_and(|info| info.id == id) {
                self.by_label.remove(&label);
            }
        }
    }
}

/// An open transaction. Dropping it without a commit aborts it, which frees its label.
#[derive(Debug)]
pub struct Transaction {
    labels: Arc<LabelTable>,
    info: TransactionInfo,
    ended: bool,
}

impl Transaction {
    /// The transaction's id.
    pub fn id(&self) -> u64 {
        self.info.id
    }

    /// The transaction's label.
    pub fn label(&self) -> &str {
        &self.info.label
    }

    /// Says that this is an INSERT, UPDATE or DELETE, which SHOW LOAD lists.
    #[must_use]
    pub fn of_statement(mut self) -> Self {
        self.info.is_statement = true;
        self.labels.update(&self.info);
        self
    }

    /// Whether it is still open: it was not cancelled under its label.
    pub(crate) fn is_open(&self) -> bool {
        let entries = self.labels.entries.lock();
        entries
            .by_label
            .get(&self.info.label)
            .is_some_and(|entry| entry.id == self.info.id && entry.state != LabelState::Aborted)
    }

    /// Rolls back and says why; the reason is shown by `get_load_state`.
    pub fn abort(mut self, reason: impl Into<String>) {
        self.end_aborted(reason.into());
    }

    /// Says that the transaction's data is complete; only its commit or its end by a timeout is open. Fails if the
    /// transaction was cancelled.
    pub(crate) fn prepare(&mut self) -> Result<()> {
        self.advance(LabelState::Prepared)
    }

    /// Decides for the commit without making the rows readable, as a slow publication leaves it. `StagedWrite::commit` makes
    /// them readable later.
    pub(crate) fn decide_only(&mut self) -> Result<()> {
        self.advance(LabelState::Committed)
    }

    fn advance(&mut self, state: LabelState) -> Result<()> {
        let mut entries = self.labels.entries.lock();
        match entries.by_label.get_mut(&self.info.label) {
            Some(entry) if entry.id == self.info.id && entry.state != LabelState::Aborted => {
                self.info.state = state;
                *entry = self.info.clone();
                Ok(())
            }
            entry => {
                let reason = entry.map_or("", |entry| entry.reason.as_str());
                self.ended = true;
                Err(Error::invalid(format!(
                    "transaction [{}] is already aborted. abort reason: {reason}",
                    self.info.id
                )))
            }
        }
    }

    fn end_aborted(&mut self, reason: String) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.info.state = LabelState::Aborted;
        self.info.reason = reason;
        self.info.ended_at = Some(Timestamp::now());
        self.labels.update(&self.info);
    }

    /// Marks the decision, unless the transaction was cancelled. The caller publishes next and then calls `visible`, or
    /// drops the transaction, which takes the decision back.
    pub(super) fn decide(&mut self, rows: u64) -> Result<TransactionInfo> {
        let mut entries = self.labels.entries.lock();
        match entries.by_label.get_mut(&self.info.label) {
            Some(entry) if entry.id == self.info.id && entry.state != LabelState::Aborted => {
                self.info.state = LabelState::Committed;
                self.info.rows = rows;
                *entry = self.info.clone();
            }
            _ => {
                entries.running.remove(&self.info.id);
                self.ended = true;
                return Err(Error::invalid(format!(
                    "transaction {} with label {} was cancelled",
                    self.info.id, self.info.label
                )));
            }
        }
        let mut visible = self.info.clone();
        visible.state = LabelState::Visible;
        visible.ended_at = Some(Timestamp::now());
        Ok(visible)
    }

    /// Ends the transaction as readable.
    pub(super) fn visible(&mut self, info: TransactionInfo) {
        self.ended = true;
        self.info = info;
        self.labels.update(&self.info);
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.end_aborted("transaction was dropped before its commit".to_owned());
    }
}
