//! The connection of a write: its session, its transaction, and what the server says to each statement.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mysql_common::Row;
use tokio::time::timeout;

use super::fence::Fence;
use super::options::Mode;
use super::refusal::{COMMIT_REFUSED, LOCK_WAIT, ROLLED_BACK, Refusal, is_harmless, is_of_rows};
use super::statement::{SAVEPOINT, Statement};
use super::target::{BATCHES, Shared, TRANSACTION, WriteTarget};
use crate::backoff::Backoff;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::{Connection, harmless_modes, session_variable};
use crate::mysql_protocol::error::{from_wire, scrub};
use crate::mysql_protocol::quote::{table_name, text_literal};
use crate::mysql_protocol::wire::{Answer, WireError};
use crate::sink::convert::printable;

/// Modes that every write has. Without the strict ones a server cuts and changes values and only warns; without the last a 0 that is written
/// into an AUTO_INCREMENT column becomes another number.
const MODES: [&str; 4] =
    ["STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "NO_ENGINE_SUBSTITUTION", "NO_AUTO_VALUE_ON_ZERO"];
/// Variables that some servers have and others do not: what they say is good to have, unless the user says otherwise.
const WISHES: [(&str, &str); 1] = [
    // MariaDB ends sessions that are idle within a transaction, by a limit of its own for those that write
    ("idle_write_transaction_timeout", "86400"),
];
/// The same, whatever the user says: all warnings of a statement are looked at, and MariaDB's notes are among them.
const GUARDS: [(&str, &str); 2] = [("max_error_count", "65535"), ("note_verbosity", "'basic'")];
/// How often a statement is sent again that waited for a lock in vain (each try waits for `innodb_lock_wait_timeout`, 50 s by default), or that
/// the server took out of a deadlock.
const LOCK_RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How long a roll-back is waited for; the server ends it without us.
const ROLL_BACK_TIMEOUT: Duration = Duration::from_secs(20);
/// What a packet holds beside the text of a statement.
const PACKET_HEAD_BYTES: u64 = 64;
/// A server's words in a message.
const MOST_MESSAGE_CHARS: usize = 500;

/// The open connection of a write.
pub(super) struct TableLoad {
    connection: Connection,
    /// Rows and bytes of the open transaction.
    open_rows: u64,
    open_bytes: u64,
}

/// Why a statement failed.
enum Failure {
    /// A row of it is refused; the transaction is as it was before.
    Rows(Refusal),
    /// The write cannot go on.
    Write(ConnectorError),
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        Self::Write(error)
    }
}

/// How a commit failed.
pub(super) enum CommitFailure {
    /// Nothing of it is in.
    Refused(ConnectorError),
    /// Its answer is lost.
    InDoubt(ConnectorError),
}

impl TableLoad {
    /// Opens the connection and begins the transaction. The attempt is in the journal before anything happens in the table.
    ///
    /// # Errors
    /// As the server says.
    pub(super) async fn begin(shared: &Shared) -> Result<Self> {
        let target = &shared.target;
        let mut connection = target.pool.get().await?;
        start_session(&mut connection, target).await?;
        let packet = number(connection.query("SELECT @@max_allowed_packet").await?, 0).unwrap_or(1 << 20);
        shared.packet_bytes.store(packet.saturating_sub(PACKET_HEAD_BYTES), Ordering::Relaxed);
        let fence = Fence::take(&mut connection, &target.id).await?;
        *shared.fence.lock() = Some(fence.clone());
        shared.progress.lock().in_batches = !target.is_transactional();
        let mode = if target.is_transactional() { TRANSACTION } else { BATCHES };
        target.journal.record_attempt(target.record(&fence, mode)).await?;
        let mut load = Self { connection, open_rows: 0, open_bytes: 0 };
        if target.is_transactional() {
            load.start_transaction(target).await?;
        }
        Ok(load)
    }

    /// Begins the transaction, with what is done before the first row.
    async fn start_transaction(&mut self, target: &WriteTarget) -> Result<()> {
        self.connection.execute("START TRANSACTION").await?;
        if target.overwrite {
            let delete = format!("DELETE FROM {}", table_name(&target.database, &target.table)?);
            let answer = self.exchange(delete.as_bytes()).await;
            answer.map_err(|error| from_wire(self.connection.config(), error))?;
        }
        Ok(())
    }

    /// Whether the last answer was read to its end.
    pub(super) fn is_ready(&self) -> bool {
        self.connection.is_ready()
    }

    /// Sends a statement and finds the rows that the server does not take, which are rejects. Returns how many rows it took.
    ///
    /// # Errors
    /// As the server says; Rejects when there are too many.
    pub(super) async fn send(&mut self, shared: &Shared, mut statement: Statement) -> Result<u64> {
        if shared.is_stopped.load(Ordering::Acquire) {
            return Err(ConnectorError::new(ErrorCode::Cancelled, "the write is being rolled back"));
        }
        let (rows, bytes) = (statement.rows() as u64, statement.bytes() as u64);
        self.make_room(shared, rows, bytes).await?;
        let whole = statement.whole();
        let mut accepted = 0;
        // parts that are still to be written, the first last
        let mut parts: Vec<Range<usize>> = std::iter::once(0..statement.rows()).collect();
        while let Some(rows) = parts.pop() {
            let outcome = if rows.len() == statement.rows() {
                self.insert(shared, &whole, rows.len() as u64).await
            } else {
                self.insert(shared, &statement.part(&whole, &rows), rows.len() as u64).await
            };
            match outcome {
                Ok(()) => {
                    accepted += rows.len() as u64;
                    self.open_rows += rows.len() as u64;
                }
                Err(Failure::Rows(refusal)) if rows.len() == 1 => {
                    let source = statement.source(rows.start);
                    let (batch, row, number) =
                        source.ok_or_else(|| ConnectorError::internal("a row of a statement has no source"))?;
                    shared.target.rejects.reject(refusal.reject(&shared.target, batch, row, number))?;
                }
                Err(Failure::Rows(_)) => {
                    let middle = rows.start + rows.len() / 2;
                    parts.push(middle..rows.end);
                    parts.push(rows.start..middle);
                }
                Err(Failure::Write(error)) => return Err(error),
            }
        }
        self.open_bytes += bytes;
        Ok(accepted)
    }

    /// Commits what is there if the rows to come would make the transaction too large.
    async fn make_room(&mut self, shared: &Shared, rows: u64, bytes: u64) -> Result<()> {
        let target = &shared.target;
        let options = &target.options;
        let fits =
            self.open_rows + rows <= options.transaction_rows && self.open_bytes + bytes <= options.transaction_bytes;
        if fits || self.open_rows == 0 || !target.is_transactional() {
            return Ok(());
        }
        if target.overwrite {
            return Err(target.error(
                ErrorCode::Unsupported,
                &format!(
                    "INSERT OVERWRITE replaces the rows in one transaction, and there are more than transaction_rows = {} of them, or more \
                     than transaction_bytes = {}; raise the limit, or empty the table by a statement of its own and write INSERT INTO",
                    options.transaction_rows, options.transaction_bytes
                ),
            ));
        }
        let is_first = !shared.progress.lock().in_batches;
        if is_first {
            let fence = shared.fence.lock().clone();
            let fence = fence.ok_or_else(|| ConnectorError::internal("a write has begun without a fence"))?;
            target.journal.record_attempt(target.record(&fence, BATCHES)).await?;
            shared.progress.lock().in_batches = true;
        }
        let rows = self.open_rows;
        self.commit(shared).await.map_err(|failure| match failure {
            CommitFailure::Refused(error) | CommitFailure::InDoubt(error) => error,
        })?;
        target.journal.add_detail(&target.id, &format!("committed {rows}")).await?;
        self.start_transaction(target).await
    }

    /// Commits the open transaction.
    pub(super) async fn commit(&mut self, shared: &Shared) -> Result<(), CommitFailure> {
        if shared.target.is_transactional() {
            shared.progress.lock().in_doubt = self.open_rows;
            if let Err(error) = self.exchange(b"COMMIT").await {
                let is_refused = matches!(&error, WireError::Server { code, .. } if COMMIT_REFUSED.contains(code));
                let error = from_wire(self.connection.config(), error);
                if is_refused {
                    shared.progress.lock().in_doubt = 0;
                    return Err(CommitFailure::Refused(error));
                }
                return Err(CommitFailure::InDoubt(error));
            }
            let mut progress = shared.progress.lock();
            progress.in_doubt = 0;
            progress.committed += self.open_rows;
        }
        (self.open_rows, self.open_bytes) = (0, 0);
        Ok(())
    }

    /// Rows of the open transaction.
    pub(super) fn open_rows(&self) -> u64 {
        self.open_rows
    }

    /// Rolls the open transaction back; false if the server did not say that it has.
    pub(super) async fn roll_back(mut self) -> bool {
        let rolled_back = matches!(timeout(ROLL_BACK_TIMEOUT, self.exchange(b"ROLLBACK")).await, Ok(Ok(_)));
        if rolled_back {
            self.close().await;
        }
        rolled_back
    }

    /// Ends the connection. It is not kept: its session is not that of other statements.
    pub(super) async fn close(self) {
        self.connection.close().await;
    }

    /// Sends a statement that inserts so many rows, again where that may help.
    async fn insert(&mut self, shared: &Shared, text: &[u8], rows: u64) -> Result<(), Failure> {
        let target = &shared.target;
        let mut backoff = Backoff::new(FIRST_PAUSE, LOCK_RETRIES);
        loop {
            if !target.is_transactional() {
                shared.progress.lock().in_doubt = rows;
            }
            let error = match self.exchange(text).await {
                Ok(answer) => {
                    self.look(target, answer, rows).await?;
                    if !target.is_transactional() {
                        let mut progress = shared.progress.lock();
                        progress.in_doubt = 0;
                        progress.committed += rows;
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            let WireError::Server { code, message } = error else {
                return Err(Failure::Write(self.explained(target, error)));
            };
            if !target.is_transactional() {
                if !target.is_untouched_by(code) {
                    return Err(Failure::Write(self.explained(target, WireError::Server { code, message })));
                }
                shared.progress.lock().in_doubt = 0;
            }
            if is_of_rows(code) {
                return Err(Failure::Rows(self.refusal(code, &message)));
            }
            let error = WireError::Server { code, message };
            let failed = Failure::Write(self.explained(target, error));
            if code == LOCK_WAIT {
                // the server rolls back the statement alone, unless it is told to roll back all of the transaction
                let Some(pause) = backoff.next(None) else { return Err(failed) };
                if !self.rewind(target).await {
                    return Err(failed);
                }
                tokio::time::sleep(pause).await;
            } else if ROLLED_BACK.contains(&code) && self.open_rows == 0 && target.is_transactional() {
                // nothing is lost but this statement
                let Some(pause) = backoff.next(None) else { return Err(failed) };
                // where the transaction is still open, the statement that begins one would commit what it has
                if let Err(error) = self.exchange(b"ROLLBACK").await {
                    return Err(Failure::Write(self.explained(target, error)));
                }
                tokio::time::sleep(pause).await;
                self.start_transaction(target).await?;
            } else {
                return Err(failed);
            }
        }
    }

    /// Rolls back to what was before the last statement; false if the transaction is gone.
    async fn rewind(&mut self, target: &WriteTarget) -> bool {
        !target.is_transactional()
            || self.exchange(format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}").as_bytes()).await.is_ok()
    }

    /// Sees to it that a statement that succeeded did what was asked for.
    async fn look(&mut self, target: &WriteTarget, answer: Done, rows: u64) -> Result<(), Failure> {
        if answer.warnings > 0
            && let Some(refusal) = self.harm().await?
        {
            if target.is_transactional() && self.rewind(target).await {
                return Err(Failure::Rows(refusal));
            }
            return Err(Failure::Write(target.error(
                ErrorCode::Remote,
                &format!("the server changed a row as it wrote it: {} (warning {})", refusal.message, refusal.code),
            )));
        }
        if target.options.mode == Mode::Insert && answer.rows_affected != rows {
            let what = format!("the server says that it inserted {} rows of {rows}", answer.rows_affected);
            return Err(Failure::Write(target.error(ErrorCode::Remote, &what)));
        }
        Ok(())
    }

    /// The first warning of the last statement, which has some, that is not known to leave values alone.
    async fn harm(&mut self) -> Result<Option<Refusal>> {
        let warnings = self.connection.query("SHOW WARNINGS").await?;
        if warnings.is_empty() {
            return Ok(Some(Refusal { code: 0, message: "the server warned, and does not show of what".to_owned() }));
        }
        for mut row in warnings {
            let code = row.take_opt::<u16, _>(1).and_then(std::result::Result::ok).unwrap_or_default();
            if !is_harmless(code) {
                let message: String = row.take_opt(2).and_then(std::result::Result::ok).unwrap_or_default();
                return Ok(Some(self.refusal(code, &message)));
            }
        }
        Ok(None)
    }

    fn refusal(&self, code: u16, message: &str) -> Refusal {
        let message = printable(&scrub(self.connection.config(), message), MOST_MESSAGE_CHARS);
        Refusal { code, message }
    }

    /// The error of a statement that ends the write, with what it means.
    fn explained(&self, target: &WriteTarget, error: WireError) -> ConnectorError {
        let is_rolled_back = matches!(&error, WireError::Server { code, .. } if ROLLED_BACK.contains(code));
        let error = from_wire(self.connection.config(), error);
        if is_rolled_back && self.open_rows > 0 {
            let message = format!(
                "{}: {}; with it the server rolled back the {} rows that the transaction had: run it again, or write smaller transactions by \
                 \"transaction_rows\"",
                target.shown(),
                error.message(),
                self.open_rows
            );
            return ConnectorError::retryable(error.code(), message);
        }
        let message = format!("{}: {}", target.shown(), error.message());
        match error.is_retryable() {
            true => ConnectorError::retryable(error.code(), message),
            false => ConnectorError::new(error.code(), message),
        }
    }

    /// Sends statements and reads all their answers; what the last of them says.
    async fn exchange(&mut self, text: &[u8]) -> Result<Done, WireError> {
        let limit = self.connection.config().read_timeout;
        let Ok(conn) = self.connection.conn() else { return Err(WireError::Closed) };
        let asked = async {
            let mut last = conn.query_bytes(text).await?;
            while let Some(next) = conn.next_answer().await? {
                last = next;
            }
            match last {
                Answer::Done { rows_affected, warnings, .. } => Ok(Done { rows_affected, warnings }),
                Answer::Rows(_) => Err(WireError::Malformed("rows in answer to an INSERT")),
            }
        };
        match timeout(limit, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(WireError::Io(std::io::Error::other(format!(
                "no answer within {} s; \"read_timeout\" sets the limit",
                limit.as_secs_f32()
            )))),
        }
    }
}

/// What a statement without rows answers.
struct Done {
    rows_affected: u64,
    warnings: u16,
}

fn number(rows: Vec<Row>, column: usize) -> Option<u64> {
    rows.into_iter().next()?.take_opt::<u64, _>(column)?.ok()
}

/// Makes a session whose server refuses what it cannot hold, and reads quotes as they are written here.
async fn start_session(connection: &mut Connection, target: &WriteTarget) -> Result<()> {
    set_where_known(connection, &WISHES).await?;
    for (name, value) in &target.options.session {
        connection.execute(&session_variable(name, value)).await?;
    }
    set_where_known(connection, &GUARDS).await?;
    // a value that is cut to the column's digits is a note
    connection.execute("SET SESSION sql_notes = 1").await?;
    let modes = sql_mode(connection).await?;
    let modes = harmless_modes(&modes);
    let missing = MODES.iter().filter(|mode| !has_mode(&modes, mode)).copied();
    let modes: Vec<&str> = modes.split(',').filter(|mode| !mode.is_empty()).chain(missing).collect();
    connection.execute(&format!("SET SESSION sql_mode = {}", text_literal(&modes.join(",")))).await?;
    // what is written relies on it, so that it is looked at
    let taken = sql_mode(connection).await?;
    let is_missing = MODES.iter().any(|mode| !has_mode(&taken, mode));
    if is_missing || harmless_modes(&taken).len() != taken.len() {
        return Err(target.error(
            ErrorCode::Unsupported,
            &format!(
                "the server's sql_mode is \"{}\", in which values could be changed in silence",
                printable(&taken, 500)
            ),
        ));
    }
    Ok(())
}

/// Sets variables that not all servers have.
async fn set_where_known(connection: &mut Connection, variables: &[(&str, &str)]) -> Result<()> {
    for (name, value) in variables {
        match connection.execute(&format!("SET SESSION {name} = {value}")).await {
            Err(error) if error.is_retryable() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn has_mode(modes: &str, mode: &str) -> bool {
    modes.split(',').any(|known| known.trim().eq_ignore_ascii_case(mode))
}

async fn sql_mode(connection: &mut Connection) -> Result<String> {
    let row = connection.query("SELECT @@session.sql_mode").await?.into_iter().next();
    let mode = row.and_then(|mut row| row.take_opt::<String, _>(0)).and_then(std::result::Result::ok);
    mode.ok_or_else(|| ConnectorError::internal("the server does not tell its sql_mode"))
}
