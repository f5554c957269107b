//! The transaction interface of Stream Load: one transaction over several requests (StarRocks: `TransactionMgr`,
//! `TransactionStreamLoadAction`).
//!
//! The BE holds a transaction from `begin` to `prepare` or `commit`, by its label alone. A prepared one belongs to the FE, by
//! database and label, until it is committed or rolled back. Its rows are staged all the while and readable only after the
//! commit, all at once.
//!
//! Three habits of the server that a client must know:
//!
//! - The CSV bodies of one transaction are one text. A body that does not end with the row delimiter joins its last row with
//!   the first row of the next, and what arrived of a body whose connection broke is part of the text.
//! - Rows that do not fit show at `prepare` or `commit`, never at `load`.
//! - Most errors abort the transaction.
//!
//! Open and prepared transactions are held in memory. Those of a server that stops are gone, also with a data folder, and
//! their labels are free again; StarRocks keeps the prepared ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, mpsc};

use super::intake::{BodyEnd, Intake, Loaded};
use super::publish::{LateCommits, Publish, Published};
use super::transaction_reply::{Refusal, TransactionReply, TransactionStatus};
use super::{ErrorLogs, LoadOptions, Piece};
use crate::error::{Error, Result};
use crate::server::ServerConfig;
use crate::storage::{Database, Label, LabelState, Transaction};

/// What the FE's own cleaner says of a transaction that it aborts.
const MANAGER_TIMEOUT: &str = "timeout by txn manager";

/// Headers that must be the same in all loads of a transaction (StarRocks: the fields of `TStreamLoadPutRequest`).
const REQUEST_HEADERS: [&str; 23] = [
    "format",
    "columns",
    "where",
    "column_separator",
    "row_delimiter",
    "partitions",
    "temporary_partitions",
    "negative",
    "strict_mode",
    "timezone",
    "load_mem_limit",
    "jsonpaths",
    "json_root",
    "strip_outer_array",
    "partial_update",
    "partial_update_mode",
    "merge_condition",
    "transmission_compression_type",
    "load_dop",
    "content-encoding",
    "compression",
    "envelope",
    "warehouse",
];

type Reply = std::result::Result<TransactionReply, Refusal>;

/// The transactions that are open in this server.
#[derive(Default)]
pub(crate) struct TransactionLoads {
    /// Those that the BE holds, by label.
    open: Mutex<HashMap<String, Arc<OpenTransaction>>>,
    /// Those that are prepared, by database id and label.
    prepared: Mutex<HashMap<(u64, String), Prepared>>,
    late: LateCommits,
}

/// What `begin` asks for.
#[derive(Debug)]
pub(crate) struct BeginRequest<'a> {
    pub(crate) label: &'a str,
    pub(crate) table: &'a str,
    pub(crate) timeout: Duration,
    /// How long the transaction may go without a request; for ever if there is none.
    pub(crate) idle_timeout: Option<Duration>,
}

/// What `prepare` and `commit` ask for.
#[derive(Debug)]
pub(crate) struct FinishRequest<'a> {
    pub(crate) database: &'a str,
    pub(crate) label: &'a str,
    /// How long a prepared transaction waits for its commit; `None` for `commit`.
    pub(crate) prepared_timeout: Option<Duration>,
    /// How a commit becomes readable.
    pub(crate) publish: Publish,
}

impl std::fmt::Debug for TransactionLoads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (open, prepared) = (self.open.lock().len(), self.prepared.lock().len());
        f.debug_struct("TransactionLoads").field("open", &open).field("prepared", &prepared).finish_non_exhaustive()
    }
}

struct OpenTransaction {
    id: u64,
    label: String,
    database: Arc<Database>,
    table: String,
    began: Instant,
    timeout: Duration,
    idle_timeout: Option<Duration>,
    last_active: Mutex<Instant>,
    /// Held by the request that works on the transaction.
    progress: Arc<tokio::sync::Mutex<Progress>>,
}

/// What the requests of a transaction have done.
struct Progress {
    /// `None` after the end.
    transaction: Option<Transaction>,
    /// From the first load on.
    intake: Option<Intake>,
    /// Headers of the first load.
    headers: Vec<(&'static str, Vec<u8>)>,
    /// Why the rows cannot be read; shown by the next `prepare` or `commit`.
    failure: Option<Error>,
    plan: Duration,
    received: Duration,
}

/// A transaction that waits for the FE's commit.
struct Prepared {
    transaction: Transaction,
    loaded: Loaded,
    since: Instant,
    timeout: Duration,
}

impl TransactionLoads {
    /// Commits that end after their answer.
    pub(crate) fn late(&self) -> &LateCommits {
        &self.late
    }

    /// `begin`.
    pub(crate) fn begin(&self, database: &Arc<Database>, request: &BeginRequest<'_>, config: &ServerConfig) -> Reply {
        let begun = Instant::now();
        let mut open = self.open.lock();
        if open.contains_key(request.label) {
            // The BE says no more than that; what the label's transaction does is asked of the FE.
            return Err(Refusal::new(TransactionStatus::LabelAlreadyExists, ""));
        }
        let begin = || {
            let label = Label::parse(request.label)?;
            let table = database
                .table(request.table)
                .map_err(|_| Error::invalid(format!("unknown table \"{}.{}\"", database.name(), request.table)))?;
            let most = config.transactions.max_running;
            Ok((database.begin_within(&label, table.name(), most)?, table.name().to_owned()))
        };
        let (transaction, table) = begin().map_err(|error: Error| Refusal::from_error(&error))?;
        let id = transaction.id();
        let progress = Progress {
            transaction: Some(transaction),
            intake: None,
            headers: Vec::new(),
            failure: None,
            plan: Duration::ZERO,
            received: Duration::ZERO,
        };
        let transaction = OpenTransaction {
            id,
            label: request.label.to_owned(),
            database: Arc::clone(database),
            table,
            began: begun,
            timeout: request.timeout,
            idle_timeout: request.idle_timeout,
            last_active: Mutex::new(begun),
            progress: Arc::new(tokio::sync::Mutex::new(progress)),
        };
        open.insert(request.label.to_owned(), Arc::new(transaction));
        Ok(TransactionReply::Begin { id, begin: begun.elapsed() })
    }

    /// `load`, up to its body: the transaction is this request's until the value is dropped.
    pub(crate) fn load(
        self: &Arc<Self>,
        database: &str,
        table: &str,
        label: &str,
        headers: &HeaderMap,
        announced: u64,
        config: &ServerConfig,
    ) -> std::result::Result<TransactionLoad, Refusal> {
        let not_there =
            || Refusal::new(TransactionStatus::TxnNotExists, format!("Transaction with label {label} not exists"));
        let transaction = self.find(label).ok_or_else(not_there)?;
        let argument = |message| Err(Refusal::new(TransactionStatus::InvalidArgument, message));
        if transaction.database.name() != database {
            let own = transaction.database.name();
            return argument(format!("Request database {database} not equal transaction database {own}"));
        }
        if transaction.table != table {
            return argument(format!("Request table {table} not equal transaction table {}", transaction.table));
        }
        let mut progress = transaction.enter()?;
        if progress.transaction.is_none() {
            return Err(not_there());
        }
        let planned = progress.plan(&transaction, headers, announced, config);
        if let Err(error) = planned {
            self.end(&transaction, &mut progress, error.to_string());
            return Err(Refusal::from_error(&error));
        }
        Ok(TransactionLoad { loads: Arc::clone(self), transaction, progress })
    }

    /// `prepare` and `commit` of a transaction that the BE holds. Blocks.
    pub(crate) fn finish(&self, request: &FinishRequest<'_>, logs: &ErrorLogs) -> Reply {
        let label = request.label;
        let transaction = self.find(label).ok_or_else(|| not_exists(label))?;
        check_database(&transaction, request.database)?;
        let mut progress = transaction.enter()?;
        let (Some(mut open), intake) = (progress.transaction.take(), progress.intake.take()) else {
            return Err(not_exists(label));
        };
        self.open.lock().remove(label);
        let begun = Instant::now();
        let refuse = |open: Transaction, error: &Error, error_log| {
            open.abort(error.to_string());
            let mut refusal = Refusal::from_error(error);
            refusal.error_log = error_log;
            Err(refusal)
        };
        let Some(intake) = intake else {
            let brief = transaction.brief();
            return refuse(open, &Error::backend(format!("transaction {brief} hasn't send any data yet")), None);
        };
        let (ended, mut loaded) = intake.finish();
        let counts = loaded.counts;
        let error_log = loaded.keep_errors(logs);
        let failure = progress.failure.take().map_or(ended, Err).and_then(|()| loaded.check());
        if let Err(error) = failure {
            return refuse(open, &error, error_log);
        }
        let published = match request.prepared_timeout {
            Some(timeout) => {
                if let Err(error) = open.prepare() {
                    return refuse(open, &error, error_log);
                }
                let key = (transaction.database.id(), label.to_owned());
                let prepared = Prepared { transaction: open, loaded, since: Instant::now(), timeout };
                self.prepared.lock().insert(key, prepared);
                Published::Visible
            }
            None => self.late.publish(loaded, open, request.publish).map_err(|error| Refusal::from_error(&error))?,
        };
        Ok(TransactionReply::Finish {
            id: transaction.id,
            counts,
            load: transaction.began.elapsed(),
            plan: progress.plan,
            received: progress.received,
            commit: begun.elapsed(),
            error_log,
            published,
        })
    }

    /// `rollback` of a transaction that the BE holds. It waits for no other request: one that runs finds the transaction gone.
    pub(crate) fn rollback(&self, database: &str, label: &str) -> Reply {
        let transaction = self.find(label).ok_or_else(|| not_exists(label))?;
        check_database(&transaction, database)?;
        self.open.lock().remove(label);
        let cancelled = transaction.database.cancel_transaction(label, "transaction is aborted by user.");
        cancelled.map(|()| TransactionReply::Rollback).map_err(|error| Refusal::from_error(&error))
    }

    /// The FE's commit of a prepared transaction; `None` if there is none under the label. Blocks.
    pub(crate) fn commit_prepared(
        &self,
        database: &Database,
        label: &str,
        publish: Publish,
    ) -> Option<Result<Published>> {
        let prepared = self.prepared.lock().remove(&(database.id(), label.to_owned()))?;
        Some(self.late.publish(prepared.loaded, prepared.transaction, publish))
    }

    /// The FE's rollback of a prepared transaction; false if there is none under the label.
    pub(crate) fn rollback_prepared(&self, database: &Database, label: &str) -> bool {
        let Some(prepared) = self.prepared.lock().remove(&(database.id(), label.to_owned())) else { return false };
        prepared.transaction.abort("User Aborted");
        true
    }

    /// Aborts what has run out of time, and lets go of what was cancelled (StarRocks: every 30 s).
    pub(crate) fn clean(&self) {
        let open: Vec<_> = self.open.lock().values().cloned().collect();
        for transaction in open {
            let reason = transaction.expiry();
            if reason.is_none() && transaction.is_running() {
                continue;
            }
            let reason = reason.unwrap_or_default();
            match Arc::clone(&transaction.progress).try_lock_owned() {
                Ok(mut progress) => self.end(&transaction, &mut progress, reason),
                // A request works on it. The FE gives up all the same; the request finds out at its commit.
                Err(_) => {
                    let _ = transaction.database.cancel_transaction(&transaction.label, MANAGER_TIMEOUT);
                }
            }
        }
        let has_ended =
            |prepared: &Prepared| prepared.since.elapsed() > prepared.timeout || !prepared.transaction.is_open();
        let expired: Vec<_> = self.prepared.lock().extract_if(|_, prepared| has_ended(prepared)).collect();
        for (_, prepared) in expired {
            prepared.transaction.abort(MANAGER_TIMEOUT);
        }
    }

    /// Aborts what is open or prepared under a label, in every database, as a server does of its own.
    pub(crate) fn abort(&self, label: &str, reason: &str) {
        if let Some(transaction) = self.open.lock().remove(label) {
            let _ = transaction.database.cancel_transaction(label, reason);
        }
        let prepared: Vec<_> = self.prepared.lock().extract_if(|(_, own), _| own == label).collect();
        for (_, prepared) in prepared {
            prepared.transaction.abort(reason);
        }
    }

    /// Aborts a transaction, as if its time had run out.
    pub(crate) fn expire(&self, label: &str) {
        self.abort(label, MANAGER_TIMEOUT);
    }

    /// Forgets all transactions that are not prepared, as a BE does that starts again.
    pub(crate) fn lose_open(&self) {
        for (label, transaction) in self.open.lock().drain() {
            let _ = transaction.database.cancel_transaction(&label, "coordinate BE is down");
        }
    }

    /// `list`: id and label of the transactions that the BE holds.
    pub(crate) fn list(&self) -> Vec<(u64, String)> {
        let mut all: Vec<_> = self.open.lock().values().map(|t| (t.id, t.label.clone())).collect();
        all.sort();
        all
    }

    fn find(&self, label: &str) -> Option<Arc<OpenTransaction>> {
        self.open.lock().get(label).cloned()
    }

    fn end(&self, transaction: &OpenTransaction, progress: &mut Progress, reason: String) {
        if let Some(open) = progress.transaction.take() {
            open.abort(reason);
        }
        progress.intake = None;
        let mut open = self.open.lock();
        if open.get(&transaction.label).is_some_and(|found| found.id == transaction.id) {
            open.remove(&transaction.label);
        }
    }
}

fn not_exists(label: &str) -> Refusal {
    Refusal::new(TransactionStatus::TxnNotExists, format!("transaction with label {label} not exists"))
}

fn check_database(transaction: &OpenTransaction, database: &str) -> std::result::Result<(), Refusal> {
    let own = transaction.database.name();
    if own == database {
        return Ok(());
    }
    let message = format!("request db {database} transaction db {own} not match");
    Err(Refusal::new(TransactionStatus::InvalidArgument, message))
}

impl OpenTransaction {
    /// Takes the transaction for one request, unless another works on it.
    fn enter(&self) -> std::result::Result<OwnedMutexGuard<Progress>, Refusal> {
        *self.last_active.lock() = Instant::now();
        Arc::clone(&self.progress)
            .try_lock_owned()
            .map_err(|_| Refusal::new(TransactionStatus::TxnInProcessing, "Transaction is in processing"))
    }

    /// Why it has to end, if it has.
    fn expiry(&self) -> Option<String> {
        if self.began.elapsed() > self.timeout {
            return Some(format!("transaction is aborted by timeout {} seconds.", self.timeout.as_secs()));
        }
        let idle = self.idle_timeout?;
        (self.last_active.lock().elapsed() > idle)
            .then(|| format!("transaction is aborted by idle timeout {} seconds.", idle.as_secs()))
    }

    fn is_running(&self) -> bool {
        self.database
            .transaction(&self.label)
            .is_some_and(|info| info.id == self.id && info.state != LabelState::Aborted)
    }

    /// How the BE names a transaction in a message.
    fn brief(&self) -> String {
        format!(
            "id={:032x}, job_id=-1, txn_id: {}, label={}, db={}",
            self.id,
            self.id,
            self.label,
            self.database.name()
        )
    }
}

impl Progress {
    /// What is known before the body of a load: the first one plans, the next ones must ask for the same.
    fn plan(
        &mut self,
        transaction: &OpenTransaction,
        headers: &HeaderMap,
        announced: u64,
        config: &ServerConfig,
    ) -> Result<()> {
        if self.failure.is_some() {
            return Err(Error::backend("current transaction is aborted"));
        }
        let begun = Instant::now();
        let options = LoadOptions::parse_transaction(headers, config.abilities())?;
        let received = self.intake.as_ref().map_or(0, Intake::bytes);
        options.check_body_size(received + announced)?;
        let request = request_headers(headers);
        if self.intake.is_some() {
            return if self.headers == request { Ok(()) } else { Err(Error::backend("load request not equal last.")) };
        }
        let table = transaction.database.table(&transaction.table)?;
        self.intake = Some(Intake::new(&table, options, config.discard)?);
        self.headers = request;
        self.plan = begun.elapsed();
        Ok(())
    }
}

/// The headers that count, with `format: csv` for none.
fn request_headers(headers: &HeaderMap) -> Vec<(&'static str, Vec<u8>)> {
    REQUEST_HEADERS
        .iter()
        .filter_map(|&name| {
            let value = headers.get(name).map(|value| value.as_bytes().to_vec()).filter(|value| !value.is_empty());
            match name {
                "format" => Some((name, value.map_or_else(|| b"csv".to_vec(), |value| value.to_ascii_lowercase()))),
                _ => value.map(|value| (name, value)),
            }
        })
        .collect()
}

/// A `load` whose body is to be read.
pub(crate) struct TransactionLoad {
    loads: Arc<TransactionLoads>,
    transaction: Arc<OpenTransaction>,
    progress: OwnedMutexGuard<Progress>,
}

impl TransactionLoad {
    /// What the headers ask for, to bound the body.
    pub(crate) fn options(&self) -> Option<&LoadOptions> {
        self.progress.intake.as_ref().map(Intake::options)
    }

    /// How long the body may take: as long as the transaction may.
    pub(crate) fn time_left(&self) -> Duration {
        self.transaction.timeout.saturating_sub(self.transaction.began.elapsed())
    }

    /// Reads the body. Blocks. Rows that do not fit and text that cannot be read show at the next `prepare` or `commit`.
    pub(crate) fn run(mut self, pieces: mpsc::Receiver<Piece>) -> Reply {
        let begun = Instant::now();
        let progress = &mut *self.progress;
        let Some(intake) = &mut progress.intake else {
            return Err(not_exists(&self.transaction.label));
        };
        let before = intake.bytes();
        let end = intake.read(pieces);
        let bytes = intake.bytes() - before;
        let received = begun.elapsed();
        progress.received += received;
        let broken = match end {
            Ok(end) => end == BodyEnd::Broken,
            Err(error) => {
                progress.failure = Some(error);
                false
            }
        };
        let plan = progress.plan;
        *self.transaction.last_active.lock() = Instant::now();
        if !self.transaction.is_running() {
            let reason = "transaction is aborted by user.";
            self.loads.end(&self.transaction, &mut self.progress, reason.to_owned());
            return Err(Refusal::new(TransactionStatus::Aborted, reason));
        }
        if broken {
            return Err(Refusal::new(
                TransactionStatus::InternalError,
                "the connection ended before the body was complete",
            ));
        }
        Ok(TransactionReply::Load { id: self.transaction.id, bytes, plan, received })
    }
}
