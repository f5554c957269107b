//! Statements that change something on the server, and what is known of their end.

use std::time::Duration;

use rand::Rng;
use tokio::time::timeout;

use super::super::stream_load::patience::Patience;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool};
use crate::mysql_protocol::error::from_wire;
use crate::mysql_protocol::quote::text_literal;
use crate::mysql_protocol::wire::{Answer, WireError};
use crate::sink::WriteId;

/// How long a statement that changes definitions may take: tables of thousands of tablets are made in a minute or two.
pub(super) const DEFINITION_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest name of a table or partition that every version takes (StarRocks: 64 characters up to 2.5).
const MAX_NAME_BYTES: usize = 64;

/// How a statement ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The server did it; what its answer says beside that.
    Done { info: String },
    /// The server refused it.
    Refused(ConnectorError),
    /// It was never sent.
    NotSent(ConnectorError),
    /// It was sent, and there is no answer.
    Lost(ConnectorError),
}

/// A variable of the session that a statement runs in.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Whether the statement must not run on a server that does not know it.
    pub(super) is_required: bool,
}

/// Runs one statement in a session of its own.
pub(super) async fn run(pool: &ConnectionPool, variables: &[Variable], sql: &str, limit: Duration) -> Ended {
    let mut connection = match pool.get().await {
        Ok(connection) => connection,
        Err(error) => return Ended::NotSent(error),
    };
    for variable in variables {
        if let Err(error) = set(&mut connection, variable).await
            && (variable.is_required || error.is_retryable())
        {
            return Ended::NotSent(error);
        }
    }
    let config = connection.config().clone();
    let conn = match connection.conn() {
        Ok(conn) => conn,
        Err(error) => return Ended::NotSent(error),
    };
    let asked = async {
        let info = match conn.query(sql).await? {
            Answer::Done { info, .. } => info,
            Answer::Rows(_) => String::new(),
        };
        conn.finish().await?;
        Ok(info)
    };
    match timeout(limit, asked).await {
        Ok(Ok(info)) => {
            if variables.is_empty() {
                connection.release();
            } else {
                connection.close().await;
            }
            Ended::Done { info }
        }
        Ok(Err(error @ WireError::Server { .. })) => Ended::Refused(from_wire(&config, error)),
        Ok(Err(error)) => Ended::Lost(from_wire(&config, error)),
        Err(_) => Ended::Lost(ConnectorError::retryable(
            ErrorCode::Connection,
            format!("catalog {}: no answer within {} s", config.catalog, limit.as_secs()),
        )),
    }
}

async fn set(connection: &mut Connection, variable: &Variable) -> Result<()> {
    let value = &variable.value;
    let is_bare = value.parse::<u64>().is_ok() || value == "true" || value == "false";
    let value = if is_bare { value.clone() } else { text_literal(value) };
    connection.query(&format!("SET SESSION {} = {value}", variable.name)).await.map(|_| ())
}

/// Runs a statement that may be run again: until it is done, refused, or out of tries.
pub(super) async fn repeat(pool: &ConnectionPool, patience: &Patience, sql: &str) -> Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        match run(pool, &[], sql, DEFINITION_TIMEOUT).await {
            Ended::Done { .. } => return Ok(()),
            Ended::Refused(error) => return Err(error),
            Ended::NotSent(error) | Ended::Lost(error) if tries < patience.attempts && error.is_retryable() => {
                tracing::info!(tries, %error, "running a statement again");
                pause(patience, tries).await;
            }
            Ended::NotSent(error) | Ended::Lost(error) => return Err(error),
        }
    }
}

/// Waits as long as a statement that nobody waits for any more may be on its way to the server: one second unless told otherwise.
pub(super) async fn let_it_arrive(patience: &Patience) {
    tokio::time::sleep(patience.unknown_for / 5).await;
}

/// Waits before try or question `n + 1`: twice as long each time, with jitter.
pub(super) async fn pause(patience: &Patience, n: u32) {
    let wait = patience.backoff.saturating_mul(1 << (n - 1).min(16)).min(patience.max_backoff);
    let jitter = rand::rng().random_range(0.5..=1.0);
    tokio::time::sleep(wait.mul_f64(jitter)).await;
}

/// A name for something that lives as long as an attempt: `{kind}_{run}_{statement}_{attempt}`, at most 64 letters, digits and `_`. It is the
/// same in every process, and another one for every attempt.
pub(super) fn name_of(kind: &str, id: &WriteId) -> String {
    let tail = format!("_{}_{}", id.statement, id.attempt);
    let room = MAX_NAME_BYTES - kind.len() - 1 - tail.len();
    // Job and run together, as labels are; the run is what a reader looks for.
    let hash = format!("{:016x}", fnv1a(format!("{}\0{}", id.job, id.run).as_bytes()));
    let kept = room.saturating_sub(hash.len() + 1);
    let run: String = id
        .run
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .take(kept)
        .collect();
    format!("{kind}_{run}_{hash}{tail}")
}

/// FNV-1a of 64 bits: the same in every version of the program.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use super::*;

    #[test]
    fn names_are_safe_short_and_differ_by_attempt() {
        let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let ids = (".*", ".*", any::<u32>(), any::<u32>());
        let checked = runner.run(&ids, |(job, run, statement, attempt)| {
            let id = WriteId { job, run, statement, attempt };
            for kind in ["syncline_staging", "syncline_part"] {
                let name = name_of(kind, &id);
                prop_assert!(name.len() <= 64 && name.starts_with("syncline_"), "{}", name);
                prop_assert!(
                    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                    "{}",
                    name
                );
                let next = WriteId { attempt: attempt.wrapping_add(1), ..id.clone() };
                prop_assert_ne!(&name, &name_of(kind, &next));
                let other = WriteId { job: format!("{}x", id.job), ..id.clone() };
                prop_assert_ne!(&name, &name_of(kind, &other));
                prop_assert_eq!(&name, &name_of(kind, &id));
            }
            Ok(())
        });
        checked.unwrap();
    }
}
