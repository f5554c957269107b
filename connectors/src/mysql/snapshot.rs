//! One snapshot over all connections of a read, without a lock.
//!
//! All connections are opened before the first row is read, and each begins a transaction WITH CONSISTENT SNAPSHOT. A transaction sees the
//! state at its beginning; that all see the same state is known by the position in the server's log. MariaDB tells each transaction's own
//! (`binlog_snapshot_file` and `binlog_snapshot_position`); MySQL tells where the server is (`gtid_executed`), and if that is the same before
//! the first transaction and after the last, nothing was committed in between. If positions differ all begin again. Where the server may
//! commit what its positions do not show, equal ones are no proof, and none is claimed. A read lock on the table, if the user allows it, is
//! held only while the transactions begin.

mod positions;

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use datafusion::execution::TaskContext;
use futures::future::{join_all, try_join_all};
use parking_lot::Mutex;
use rand::Rng;
use tokio::time::timeout;

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool};
use crate::mysql_protocol::quote::table_name;
use crate::scan_notes::{ScanNotes, SnapshotNote};
use crate::scan_settings::SnapshotMode;

use positions::{Place, Untraced};

/// How often transactions are begun: a server that is written to all the time may never show one state.
const ATTEMPTS: u32 = 5;
/// The pause before they are begun again, at most; each next one may be longer by as much. A random part is left out, so that a writer
/// with a rhythm is not met at the same beat.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the read lock is waited for, in seconds: whoever writes to the table meanwhile waits behind it.
const LOCK_WAIT_S: u32 = 2;
/// How long the read lock is held at most: writers stand still meanwhile, and transactions begin within milliseconds.
const LOCK_HELD: Duration = Duration::from_secs(5);
/// How long the server keeps the lock of a client that is gone without a word, in seconds.
const LOCK_IDLE_S: u32 = 30;
/// How long MySQL may take from a commit that others see to its place in `gtid_executed`: both are in one group commit.
const COMMIT_LAG: Duration = Duration::from_millis(5);
/// Storage engines that keep no earlier versions of rows, so that a transaction does not see one state (MySQL and MariaDB: "Storage Engines").
/// NDB has READ COMMITTED alone.
const WITHOUT_VERSIONS: &[&str] =
    &["MyISAM", "Aria", "MEMORY", "CSV", "ARCHIVE", "MRG_MyISAM", "FEDERATED", "CONNECT", "SEQUENCE", "ndbcluster"];

/// What is to be seen as of one moment.
#[derive(Debug, Clone, Default)]
pub struct SnapshotPlan {
    /// What the user wants.
    pub mode: SnapshotMode,
    /// The tables that are read, by database and name.
    pub tables: Vec<(String, String)>,
    /// The table's storage engine, where the server tells it.
    pub engine: Option<String>,
}

impl SnapshotPlan {
    /// The engine, if it keeps no earlier versions of rows.
    pub fn engine_without_versions(&self) -> Option<&str> {
        let engine = self.engine.as_deref()?;
        WITHOUT_VERSIONS.iter().any(|known| known.eq_ignore_ascii_case(engine)).then_some(engine)
    }

    fn table(&self) -> String {
        match self.tables.as_slice() {
            [(database, table)] => format!("{database}.{table}"),
            [(database, table), .., (_, last)] => format!("{database}.{table} to {last}"),
            [] => String::new(),
        }
    }
}

/// The snapshots of a plan's executions: partitions that are started in one execution share one.
#[derive(Debug)]
pub(super) struct Snapshots {
    plan: Arc<SnapshotPlan>,
    pool: ConnectionPool,
    partitions: usize,
    rounds: Mutex<Vec<Round>>,
}

/// One execution, until each partition is started.
#[derive(Debug)]
struct Round {
    context: Weak<TaskContext>,
    started: HashSet<usize>,
    snapshot: Arc<Snapshot>,
}

impl Snapshots {
    pub(super) fn new(plan: SnapshotPlan, pool: ConnectionPool, partitions: usize) -> Self {
        Self { plan: Arc::new(plan), pool, partitions, rounds: Mutex::default() }
    }

    pub(super) fn plan(&self) -> &SnapshotPlan {
        &self.plan
    }

    /// The snapshot of the execution that this partition is started in. Does no I/O.
    pub(super) fn join(&self, partition: usize, context: &Arc<TaskContext>) -> Arc<Snapshot> {
        let mut rounds = self.rounds.lock();
        rounds.retain(|round| round.context.strong_count() > 0 && round.started.len() < self.partitions);
        let context = Arc::downgrade(context);
        let fits = |round: &&mut Round| Weak::ptr_eq(&round.context, &context) && !round.started.contains(&partition);
        if let Some(round) = rounds.iter_mut().find(fits) {
            round.started.insert(partition);
            return Arc::clone(&round.snapshot);
        }
        let notes = context.upgrade().and_then(|context| context.session_config().get_extension::<ScanNotes>());
        let snapshot = Arc::new(Snapshot {
            plan: Arc::clone(&self.plan),
            pool: self.pool.clone(),
            connections: self.partitions,
            notes,
            state: tokio::sync::Mutex::new(State::New),
        });
        if self.partitions > 1 {
            let (started, snapshot) = (HashSet::from([partition]), Arc::clone(&snapshot));
            rounds.push(Round { context, started, snapshot });
        }
        snapshot
    }
}

/// The connections of one execution. The first partition that needs one opens all; dropping the last partition closes what is left.
#[derive(Debug)]
pub(super) struct Snapshot {
    plan: Arc<SnapshotPlan>,
    pool: ConnectionPool,
    connections: usize,
    notes: Option<Arc<ScanNotes>>,
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug)]
enum State {
    New,
    /// Those that no partition has taken yet.
    Open(Vec<Connection>),
    /// What the partition that tried to open them was told.
    Failed(ErrorCode, String),
}

impl Snapshot {
    /// A connection that sees the snapshot. Each partition takes one.
    ///
    /// # Errors
    /// Those of opening connections, the same for all partitions; in mode `lock` also that there was no lock.
    pub(super) async fn take(&self) -> Result<Connection> {
        let mut state = self.state.lock().await;
        if let State::New = &*state {
            // cancelled in here, the next partition opens them
            match self.open().await {
                Ok((connections, note)) => {
                    if let Some(notes) = &self.notes {
                        notes.add(note);
                    }
                    *state = State::Open(connections);
                }
                Err(error) => {
                    *state = State::Failed(error.code(), error.message().to_owned());
                    return Err(error);
                }
            }
        }
        match &mut *state {
            State::Open(connections) => connections
                .pop()
                .ok_or_else(|| ConnectorError::internal("a partition asks for a second connection of a snapshot")),
            State::Failed(code, message) => Err(ConnectorError::new(*code, message.clone())),
            State::New => Err(ConnectorError::internal("a snapshot is not open")),
        }
    }

    /// Ends a partition that has read all that it was to read, with the connection that it took; its transaction ends, so that the server need
    /// not keep old rows for it.
    pub(super) async fn leave(&self, connection: Option<Connection>) {
        let connection = match connection {
            Some(connection) => connection,
            // its splits went to others, and its connection waits for nothing
            None => match &mut *self.state.lock().await {
                State::Open(connections) => match connections.pop() {
                    Some(connection) => connection,
                    None => return,
                },
                State::New | State::Failed(..) => return,
            },
        };
        end(connection).await;
    }

    async fn open(&self) -> Result<(Vec<Connection>, SnapshotNote)> {
        let mut connections = try_join_all((0..self.connections).map(|_| self.pool.get())).await?;
        let mut note = self.note();
        let whom = format!("catalog {}, table {}", note.catalog, note.table);
        let many = self.connections > 1;
        if let Some(engine) = self.plan.engine_without_versions() {
            if self.plan.mode == SnapshotMode::Lock {
                return Err(ConnectorError::new(
                    ErrorCode::Unsupported,
                    format!(
                        "{whom}: no lock makes one snapshot of it, because its engine {engine} keeps no versions of rows; \
                         SET syncline.max_connections = 1 reads it by one query, which locks it while it runs"
                    ),
                ));
            }
            note.one_snapshot = Some(false);
            note.is_warning = self.plan.mode != SnapshotMode::Off;
            note.note = Some(format!(
                "{whom}: read in pieces as of different moments, because its engine {engine} keeps no versions of rows; \
                 SET syncline.max_connections = 1 reads it by one query"
            ));
            return Ok((connections, note));
        }
        match self.plan.mode {
            SnapshotMode::Off => {
                note.one_snapshot = Some(false);
                note.note =
                    Some(format!("{whom}: snapshot is off, and each piece is read as of the moment of its query"));
            }
            SnapshotMode::Auto => {
                let seen = begin_until_equal(&mut connections).await?;
                (note.one_snapshot, note.attempts) = (seen.is_one, seen.attempts);
                note.position = seen.position();
                match (seen.is_one, &seen.trouble) {
                    (Some(true), _) => {}
                    (Some(false), _) => {
                        note.is_warning = true;
                        note.note = Some(format!(
                            "{whom}: its {} connections do not see one state of it after {} tries ({}), because the server is \
                             written to all the time; SET syncline.snapshot = 'lock' holds a read lock for the moment that it \
                             takes, SET syncline.max_connections = 1 reads by one query",
                            self.connections,
                            seen.attempts,
                            seen.places()
                        ));
                    }
                    (None, trouble) => {
                        note.is_warning = many;
                        let trouble = trouble.as_deref().unwrap_or("the server keeps no binary log and no GTIDs");
                        note.note = Some(format!(
                            "{whom}: nothing shows that its {} connections see one state of it ({trouble}); they began at \
                             about the same moment; SET syncline.snapshot = 'lock' makes sure",
                            self.connections
                        ));
                    }
                }
            }
            SnapshotMode::Lock => {
                let lock = self.lock().await?;
                let begun = timeout(LOCK_HELD, begin(&mut connections, false)).await;
                // Closing the connection would unlock too, but only when the server notices.
                let unlocked = timeout(LOCK_HELD, unlock(lock)).await;
                let late = |what: &str| {
                    let limit = LOCK_HELD.as_secs();
                    let message = format!(
                        "{whom}: {what} under the read lock took more than {limit} s, and the lock was given up; run again, \
                         or SET syncline.snapshot = 'auto', which locks nothing"
                    );
                    ConnectorError::retryable(ErrorCode::Connection, message)
                };
                let seen = begun.unwrap_or_else(|_| Err(late("beginning the transactions")))?;
                unlocked.unwrap_or_else(|_| Err(late("UNLOCK TABLES")))?;
                if let Some(trouble) = seen.refused {
                    return Err(ConnectorError::new(
                        ErrorCode::Unsupported,
                        format!("{whom}: the server begins no transaction with a snapshot: {trouble}"),
                    ));
                }
                // other tables may have been written to; this one was not
                (note.one_snapshot, note.attempts) = (Some(true), 1);
                note.position = seen.position();
            }
        }
        Ok((connections, note))
    }

    fn note(&self) -> SnapshotNote {
        SnapshotNote {
            catalog: self.pool.config().catalog.clone(),
            table: self.plan.table(),
            connections: self.connections,
            one_snapshot: None,
            position: None,
            attempts: 0,
            note: None,
            is_warning: false,
        }
    }

    /// A connection that holds a read lock on the tables. Dropped, it is cut, which ends the lock.
    async fn lock(&self) -> Result<Connection> {
        let whom = format!("catalog {}, table {}", self.pool.config().catalog, self.plan.table());
        let names = self.plan.tables.iter().map(|(database, table)| table_name(database, table));
        let locks: Vec<String> = names.map(|name| Ok(format!("{} READ", name?))).collect::<Result<_>>()?;
        let mut connection = self.pool.get().await?;
        let taken = async {
            let session =
                format!("SET SESSION lock_wait_timeout = {LOCK_WAIT_S}, SESSION wait_timeout = {LOCK_IDLE_S}");
            connection.query(&session).await?;
            connection.query(&format!("LOCK TABLES {}", locks.join(", "))).await
        };
        // the server counts its own seconds; this bounds a server that does not
        let taken = match timeout(Duration::from_secs(5 * u64::from(LOCK_WAIT_S)), taken).await {
            Ok(taken) => taken,
            Err(_) => Err(ConnectorError::new(ErrorCode::Remote, "no answer")),
        };
        match taken {
            Ok(_) => Ok(connection),
            Err(error) if error.code() == ErrorCode::Connection && !error.message().contains("(error 1205)") => {
                Err(error)
            }
            Err(error) => {
                let (what, way_out) = match error.message().contains("(error 1205)") {
                    true => (
                        format!("no read lock within {LOCK_WAIT_S} s, because somebody is writing to it"),
                        "run again when no long transaction is open",
                    ),
                    false => (format!("no read lock: {}", error.message()), "grant the user LOCK TABLES"),
                };
                Err(ConnectorError::new(
                    error.code(),
                    format!("{whom}: {what}; {way_out}, or SET syncline.snapshot = 'auto', which locks nothing"),
                ))
            }
        }
    }
}

async fn unlock(mut lock: Connection) -> Result<()> {
    lock.query("UNLOCK TABLES").await?;
    // its session has another timeout than others
    lock.close().await;
    Ok(())
}

/// Ends a transaction and gives the connection back.
async fn end(mut connection: Connection) {
    if connection.query("ROLLBACK").await.is_ok() {
        connection.release();
    }
}

/// What transactions that have begun see.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// The place of each connection, or the server's before and after all of them; empty where nothing tells.
    positions: Vec<String>,
    /// Whether all see one state.
    pub(super) is_one: Option<bool>,
    pub(super) attempts: u32,
    /// Why the server begins no such transaction.
    refused: Option<String>,
    /// Why there are no positions, or why they prove nothing.
    pub(super) trouble: Option<String>,
}

impl Seen {
    fn of(positions: Vec<Option<String>>) -> Self {
        match positions.into_iter().collect::<Option<Vec<_>>>() {
            Some(positions) if !positions.is_empty() => {
                let is_one = positions.windows(2).all(|pair| pair[0] == pair[1]);
                Self { positions, is_one: Some(is_one), ..Self::default() }
            }
            _ => Self::default(),
        }
    }

    /// Takes back a proof that is none.
    fn doubted(mut self, doubt: Option<&str>) -> Self {
        if self.is_one == Some(true)
            && let Some(doubt) = doubt
        {
            self.is_one = None;
            self.trouble = Some(doubt.to_owned());
        }
        self
    }

    pub(super) fn position(&self) -> Option<String> {
        self.positions.first().cloned()
    }

    /// Where positions lie that differ.
    fn places(&self) -> String {
        let mut places = self.positions.clone();
        places.sort();
        places.dedup();
        places.join(", ")
    }
}

/// Begins transactions until all see one state, or as often as is worth it.
pub(super) async fn begin_until_equal(connections: &mut [Connection]) -> Result<Seen> {
    let mut attempts = 1;
    loop {
        // one connection sees one state, whatever others commit meanwhile
        let is_alone = connections.len() == 1;
        let mut seen = begin(connections, !is_alone).await?;
        seen.attempts = attempts;
        if let Some(refused) = seen.refused.take() {
            seen.trouble = Some(format!("it begins no transaction with a snapshot: {refused}"));
            return Ok(seen);
        }
        if is_alone {
            seen.is_one = Some(true);
        }
        if seen.is_one != Some(false) || attempts == ATTEMPTS {
            return Ok(seen);
        }
        tracing::debug!(attempts, positions = ?seen.positions, "the connections of a read see different states, beginning again");
        let jitter = rand::rng().random_range(0.1..1.0);
        tokio::time::sleep((PAUSE * attempts).mul_f64(jitter)).await;
        attempts += 1;
    }
}

/// Begins a transaction on every connection at the same time and reads where they are, and whether that proves something if it is asked for.
async fn begin(connections: &mut [Connection], asks_for_proof: bool) -> Result<Seen> {
    // so that what follows is nothing but the beginning: the isolation of the next transaction is set outside of one
    try_join_all(connections.iter_mut().map(|connection| async move {
        connection.query("ROLLBACK").await?;
        connection.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await
    }))
    .await?;
    let Some(first) = connections.first_mut() else { return Ok(Seen::default()) };
    let is_mariadb = first.is_mariadb();
    let untraced = if asks_for_proof { Untraced::ask(first).await? } else { Untraced::default() };
    let before = if is_mariadb { None } else { positions::of_server(first).await? };
    let begun = join_all(
        connections
            .iter_mut()
            .map(|connection| connection.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")),
    );
    for begun in begun.await {
        match begun {
            Ok(_) => {}
            Err(error) if error.is_retryable() => return Err(error),
            // a server that speaks the protocol and has no such transactions
            Err(error) => return Ok(Seen { refused: Some(error.message().to_owned()), ..Seen::default() }),
        }
    }
    if is_mariadb {
        let (places, is_told_twice) = positions::of_transactions(connections).await?;
        let still_untraced = match connections.first_mut() {
            Some(first) if asks_for_proof => Untraced::ask(first).await?,
            _ => Untraced::default(),
        };
        let untold = (!is_told_twice).then_some("it tells the places of its transactions differently each time");
        return Ok(Seen::of(places).doubted(untold.or(untraced.doubt(&still_untraced))));
    }
    let (Some(before), Some(first)) = (before, connections.first_mut()) else { return Ok(Seen::default()) };
    tokio::time::sleep(COMMIT_LAG).await;
    let after = positions::of_server(first).await?;
    let of_log = "it keeps no GTIDs, and the end of its binary log is no proof, as it moves before a change is seen";
    let doubt = match &before {
        Place::Gtids(_) => untraced.doubt(&untraced),
        Place::Log(_) => Some(of_log),
    };
    let text = |place| match place {
        Place::Gtids(text) | Place::Log(text) => text,
    };
    Ok(Seen::of(vec![Some(text(before)), after.map(text)]).doubted(doubt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_that_are_equal_are_one_snapshot_and_missing_ones_no_proof() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(Seen::of(vec![some("a:1"), some("a:1")]).is_one, Some(true));
        let two = Seen::of(vec![some("a:2"), some("a:1"), some("a:2")]);
        assert_eq!((two.is_one, two.places().as_str()), (Some(false), "a:1, a:2"));
        assert_eq!(Seen::of(vec![some("a:1"), None]), Seen::default());
        assert_eq!(Seen::of(Vec::new()).is_one, None);
        let doubted = |second| Seen::of(vec![some("a:1"), some(second)]).doubted(Some("no log"));
        assert_eq!((doubted("a:1").is_one, doubted("a:1").trouble), (None, some("no log")));
        assert_eq!(doubted("a:2").is_one, Some(false), "they differ, whatever the log leaves out");
    }

    #[test]
    fn engines_without_versions_are_known_by_name() {
        let engine = |engine: &str| SnapshotPlan { engine: Some(engine.to_owned()), ..SnapshotPlan::default() };
        assert_eq!(engine("aria").engine_without_versions(), Some("aria"));
        assert_eq!(engine("InnoDB").engine_without_versions(), None);
        assert_eq!(SnapshotPlan::default().engine_without_versions(), None, "a view, or a server that does not tell");
    }
}
