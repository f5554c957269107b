//! A lock of the server that a write's connection holds until it ends (MySQL: "Locking Functions").
//!
//! A server rolls a lost connection's transaction back when it notices the loss, and gives its locks back behind that. Until then the
//! rows are locked, and who writes them again waits. So whoever ends a write asks for the lock, ends the connection that holds it, and goes on when
//! nobody does. It holds the number of a connection only for as long as that is the write's own.

use std::time::{Duration, Instant};

use mysql_common::Value;

use crate::error::{ConnectorError, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool};
use crate::sink::WriteId;

/// How long the end of a connection is waited for: the roll-back of a large transaction takes as long as its rows took.
const END_TIMEOUT: Duration = Duration::from_secs(20);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// MySQL: "Locking Functions": a lock's name has 64 characters at most.
const LOCK_NAME_CHARS: usize = 64;
/// The line of the journal that says that the server gave no lock.
const WITHOUT_LOCK: &str = "without a lock";

/// Where a write's connection is, and the name of its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    lock: String,
    /// Which server of those that may answer at the same address.
    server: String,
    pub(super) connection: u64,
    /// Whether the server gave the lock. Without it nothing tells whether the connection has ended.
    is_held: bool,
}

/// What is known of a write's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It has ended, and its transaction with it.
    Ended,
    /// It is still there, or that cannot be told.
    NotKnown,
}

fn lock_name(id: &WriteId) -> String {
    let name = format!("syncline {}-{}-{}", id.run, id.statement, id.attempt);
    let too_many = name.chars().count().saturating_sub(LOCK_NAME_CHARS);
    // what tells two writes apart stands at the end
    name.chars().skip(too_many).collect()
}

const SERVER: &str = "SELECT CONCAT_WS(':', @@hostname, @@port, @@server_id), CONNECTION_ID()";

async fn server(connection: &mut Connection) -> Result<(String, u64)> {
    let row = connection.query(SERVER).await?.into_iter().next();
    let mut row = row.ok_or_else(|| ConnectorError::internal("the server does not tell its name"))?;
    let name = row.take_opt::<String, _>(0).and_then(std::result::Result::ok);
    let number = row.take_opt::<u64, _>(1).and_then(std::result::Result::ok);
    name.zip(number).ok_or_else(|| ConnectorError::internal("the server's name has an unexpected form"))
}

/// A number or NULL.
async fn number(connection: &mut Connection, sql: &str, lock: &str) -> Result<Option<u64>> {
    let row = connection.query_bound(sql, &[Value::from(lock)]).await?.into_iter().next();
    Ok(row.and_then(|mut row| row.take_opt::<Option<u64>, _>(0)).and_then(std::result::Result::ok).flatten())
}

impl Fence {
    /// Takes the lock on a connection that is to be a write's own. A server that gives none has one the less: the write goes on.
    ///
    /// # Errors
    /// Retryable if another connection has the lock: the same attempt of the same write goes on elsewhere.
    pub(super) async fn take(connection: &mut Connection, id: &WriteId) -> Result<Self> {
        let (server, number_of_connection) = server(connection).await?;
        let mut fence = Self { lock: lock_name(id), server, connection: number_of_connection, is_held: true };
        match number(connection, "SELECT GET_LOCK(?, 0)", &fence.lock).await {
            Ok(Some(1)) => Ok(fence),
            Ok(_) => Err(ConnectorError::retryable(
                crate::error::ErrorCode::Remote,
                format!("another connection holds the lock \"{}\" of this write", fence.lock),
            )),
            Err(error) if error.is_retryable() => Err(error),
            Err(error) => {
                tracing::debug!(%error, "the server gives no lock");
                fence.is_held = false;
                Ok(fence)
            }
        }
    }

    /// What the journal keeps.
    pub(super) fn details(&self) -> String {
        let lock = if self.is_held { String::new() } else { format!("{WITHOUT_LOCK}\n") };
        format!("connection {} of {}\n{lock}", self.connection, self.server)
    }

    /// The fence of an attempt by what the journal has of it.
    pub(super) fn recorded(id: &WriteId, details: &str) -> Option<Self> {
        let line = details.lines().find_map(|line| line.strip_prefix("connection "))?;
        let (connection, server) = line.split_once(" of ")?;
        let is_held = !details.lines().any(|line| line == WITHOUT_LOCK);
        Some(Self { lock: lock_name(id), server: server.to_owned(), connection: connection.parse().ok()?, is_held })
    }

    /// Ends the write's connection if it is still there, and waits until it is gone. Nothing is known of one that has no lock: its number may be
    /// that of another connection by now.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub(super) async fn end(&self, pool: &ConnectionPool) -> Result<End> {
        if !self.is_held {
            return Ok(End::NotKnown);
        }
        let mut connection = pool.get().await?;
        if server(&mut connection).await?.0 != self.server {
            return Ok(End::NotKnown);
        }
        let began = Instant::now();
        loop {
            let holder = number(&mut connection, "SELECT IS_USED_LOCK(?)", &self.lock).await?;
            match holder {
                None => {
                    connection.release();
                    return Ok(End::Ended);
                }
                Some(holder) if holder == self.connection => {
                    // an error means that it has just ended, or that this user may not end it: the next look tells
                    if let Err(error) = connection.execute(&format!("KILL CONNECTION {holder}")).await
                        && error.is_retryable()
                    {
                        return Err(error);
                    }
                }
                Some(_) => return Ok(End::NotKnown),
            }
            if began.elapsed() > END_TIMEOUT {
                return Ok(End::NotKnown);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(run: &str) -> WriteId {
        WriteId { job: "job".into(), run: run.into(), statement: 3, attempt: 2 }
    }

    #[test]
    fn a_lock_has_a_name_that_the_server_takes() {
        assert_eq!(lock_name(&id("20240807T000000-12345678")), "syncline 20240807T000000-12345678-3-2");
        let long = lock_name(&id(&"é".repeat(100)));
        assert_eq!(long.chars().count(), 64);
        assert!(long.ends_with("-3-2"));
    }

    #[test]
    fn what_the_journal_keeps_is_read_back() {
        let fence = Fence { lock: lock_name(&id("r")), server: "db of x:3306:1".into(), connection: 17, is_held: true };
        for fence in [Fence { is_held: false, ..fence.clone() }, fence] {
            let details = format!("{}committed 5\n", fence.details());
            assert_eq!(Fence::recorded(&id("r"), &details), Some(fence));
        }
        assert_eq!(Fence::recorded(&id("r"), "committed 5\n"), None);
    }
}
