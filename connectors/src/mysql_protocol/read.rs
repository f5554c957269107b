//! Results into batches: the loop that every read shares, and native statements.

use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::unfold;
use mysql_common::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::batch_queue::{BatchReceiver, BatchSender, batch_queue};
use crate::error::{ConnectorError, ErrorCode, Result};

use super::connect::Connection;
use super::decode::{BatchBuilder, ReadColumn, schema_of};
use super::described::read_column;
use super::error::{from_wire, timed_out};
use super::options::ConnectionConfig;
use super::wire::{Answer, Step, WireConnection, WireError};

use arrow::record_batch::RecordBatch;

/// Rows of a batch of a native statement: DataFusion's own default.
const NATIVE_BATCH_ROWS: usize = 8192;

/// How a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All rows were read.
    Complete,
    /// Nobody reads the batches any more.
    Unread,
}

/// Waits for a step of a connection, but not for ever.
///
/// # Errors
/// As the server says; Connection after the catalog's `read_timeout`.
pub async fn step<T>(config: &ConnectionConfig, step: impl Future<Output = Result<T, WireError>>) -> Result<T> {
    match timeout(config.read_timeout, step).await {
        Ok(outcome) => outcome.map_err(|error| from_wire(config, error)),
        Err(_) => Err(timed_out(config, "reading", "read_timeout", config.read_timeout)),
    }
}

impl Connection {
    /// Runs a query with bound values and sends its rows as batches; `sent` is told rows and bytes of each.
    ///
    /// # Errors
    /// As the server says; Connection, retryable, for one that is lost or silent, never a short result. As [`BatchBuilder::push`] and
    /// [`BatchBuilder::finish`] for what cannot be read.
    pub async fn read(
        &mut self,
        sql: &str,
        values: &[Value],
        batches: &mut BatchBuilder,
        sender: &BatchSender,
        sent: impl Fn(usize, usize),
    ) -> Result<Ended> {
        let config = self.config().clone();
        let conn = self.conn()?;
        step(&config, conn.prepare(sql)).await?;
        let Answer::Rows(columns) = step(&config, conn.execute(values)).await? else {
            return Err(ConnectorError::internal("a query has no result set"));
        };
        batches.expect(&columns, conn.protocol())?;
        let ended = read_rows(&config, conn, batches, sender, sent).await?;
        if ended == Ended::Complete {
            step(&config, conn.finish()).await?;
        }
        Ok(ended)
    }
}

/// Reads the rows of one answer to their end and sends them as batches; `sent` is told rows and bytes of each. There is one wait for
/// each time that the buffer is filled; the rows in it are decoded without another.
///
/// # Errors
/// A connection that is lost is a retryable error, never a short result.
pub async fn read_rows(
    config: &ConnectionConfig,
    conn: &mut WireConnection,
    batches: &mut BatchBuilder,
    sender: &BatchSender,
    sent: impl Fn(usize, usize),
) -> Result<Ended> {
    loop {
        match conn.step().map_err(|error| from_wire(config, error))? {
            Step::Row(row) => {
                batches.push(row)?;
                if batches.is_full() && send(batches, sender, &sent).await? == Ended::Unread {
                    return Ok(Ended::Unread);
                }
            }
            Step::Wait => step(config, conn.fill()).await?,
            Step::End => break,
        }
    }
    if batches.is_empty() { Ok(Ended::Complete) } else { send(batches, sender, &sent).await }
}

async fn send(batches: &mut BatchBuilder, sender: &BatchSender, sent: &impl Fn(usize, usize)) -> Result<Ended> {
    let bytes = batches.bytes();
    let batch = batches.finish()?;
    sent(batch.num_rows(), bytes);
    Ok(if sender.send(batch, bytes).await.is_ok() { Ended::Complete } else { Ended::Unread })
}

/// What came of a native statement.
pub enum Native {
    /// A result set, streaming.
    Rows(SendableRecordBatchStream),
    /// No result set.
    Done {
        /// Rows the server says it changed.
        rows_affected: u64,
        /// What the server says besides, such as StarRocks's label.
        info: String,
    },
}

enum Started {
    Rows(Vec<ReadColumn>),
    Done { rows_affected: u64, info: String },
}

/// Runs one statement on a connection of its own, which is closed afterwards: a statement may change the session.
/// It is run once and never retried. The schema comes from the server's column descriptions; names may repeat.
///
/// # Errors
/// As the server says.
pub async fn run_native(connection: Connection, database: Option<&str>, sql: &str) -> Result<Native> {
    let mut connection = connection;
    let missing = match database {
        Some(database) => match connection.use_database(database).await {
            // The statement may be the one that makes the database, or may need none.
            Err(error) if error.code() == ErrorCode::Name => Some(error),
            outcome => outcome.map(|()| None)?,
        },
        None => None,
    };

    let (sender, receiver) = batch_queue(connection.throttles(), None);
    let (started, start) = oneshot::channel();
    let sql = sql.to_owned();
    let task = SpawnedTask::spawn(async move {
        let mut started = Some(started);
        let outcome = drive(&mut connection, &sql, &mut started, &sender).await;
        if let Err(error) = outcome {
            match started.take() {
                Some(started) => drop(started.send(Err(error))),
                None => sender.fail(error.into()).await,
            }
        } else {
            connection.close().await;
        }
    });
    match start.await {
        Ok(Ok(Started::Rows(columns))) => {
            let batches = received(receiver, task);
            Ok(Native::Rows(Box::pin(RecordBatchStreamAdapter::new(schema_of(&columns), batches))))
        }
        Ok(Ok(Started::Done { rows_affected, info })) => Ok(Native::Done { rows_affected, info }),
        Ok(Err(error)) => match missing {
            Some(missing) if error.message().contains("(error 1046)") => Err(missing),
            _ => Err(error),
        },
        Err(_) => Err(ConnectorError::internal("a native statement ended without an answer")),
    }
}

/// What a task sends. Dropped, it aborts the task; a task that dies is an error, never a short result.
fn received(
    receiver: BatchReceiver,
    task: SpawnedTask<()>,
) -> impl futures::Stream<Item = datafusion::error::Result<RecordBatch>> + Send {
    unfold((receiver, Some(task)), |(mut receiver, mut task)| async move {
        let item = match receiver.recv().await {
            Some(item) => item,
            None => match task.take()?.join().await {
                Ok(()) => return None,
                Err(error) => Err(DataFusionError::from(
                    ConnectorError::internal("the task that reads a result ended early").with_source(error),
                )),
            },
        };
        Some((item, (receiver, task)))
    })
}

async fn drive(
    connection: &mut Connection,
    sql: &str,
    started: &mut Option<oneshot::Sender<Result<Started>>>,
    sender: &BatchSender,
) -> Result<()> {
    let config = connection.config().clone();
    let conn = connection.conn()?;
    let is_prepared = is_query(sql) && prepare(&config, conn, sql).await?;
    let answer = match is_prepared {
        true => step(&config, conn.execute(&[])).await?,
        false => step(&config, conn.query(sql)).await?,
    };
    drain(&config, conn, answer, started, sender).await
}

/// Prepares a query, whose rows then come in the binary protocol: as text a server prints a FLOAT with six digits.
/// False where the server refuses to prepare it (it cannot, or there is a mistake, which it tells once more when the text is sent) and
/// where a `?` would be taken as a parameter. Preparing runs nothing.
async fn prepare(config: &ConnectionConfig, conn: &mut WireConnection, sql: &str) -> Result<bool> {
    let prepared = async {
        match conn.prepare(sql).await {
            Ok(parameters) => Ok(parameters == 0),
            Err(WireError::Server { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    };
    step(config, prepared).await
}

/// Whether a statement begins with SELECT or WITH, behind parentheses and comments. What a server runs inside a comment (`/*!`) is
/// not looked into.
fn is_query(sql: &str) -> bool {
    let mut rest = sql.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    loop {
        let behind = if rest.starts_with('#') || rest.starts_with("--") {
            rest.split_once('\n').map(|(_, behind)| behind)
        } else if rest.starts_with("/*") && !rest.starts_with("/*!") && !rest.starts_with("/*M!") {
            rest.split_once("*/").map(|(_, behind)| behind)
        } else {
            break;
        };
        let Some(behind) = behind else { return false };
        rest = behind.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    }
    let word = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    word.eq_ignore_ascii_case("SELECT") || word.eq_ignore_ascii_case("WITH")
}

/// Tells what came of a statement and sends its rows.
async fn drain(
    config: &ConnectionConfig,
    conn: &mut WireConnection,
    first: Answer,
    started: &mut Option<oneshot::Sender<Result<Started>>>,
    sender: &BatchSender,
) -> Result<()> {
    let described = match first {
        Answer::Rows(columns) => columns,
        Answer::Done { rows_affected, info, warnings: _ } => {
            // Later statements of the same text, if the server took several: their errors count.
            step(config, conn.finish()).await?;
            answer(started, Started::Done { rows_affected, info });
            return Ok(());
        }
    };
    let columns: Vec<ReadColumn> = described.iter().map(|column| read_column(column, config.tinyint1_is_bit)).collect();
    let origin = format!("catalog {}, native statement", config.catalog);
    let mut batches = BatchBuilder::new(&columns, origin, config.zero_dates, None, NATIVE_BATCH_ROWS);
    batches.expect(&described, conn.protocol())?;
    answer(started, Started::Rows(columns));
    if read_rows(config, conn, &mut batches, sender, |_, _| ()).await? == Ended::Unread {
        return Err(ConnectorError::new(ErrorCode::Cancelled, "nobody reads the result any more"));
    }
    // CALL ends with a status behind its rows; a second result set has no place here.
    if step(config, conn.finish()).await? {
        return Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!(
                "catalog {}: the statement returned more than one result set; all ran, only the first was read",
                config.catalog
            ),
        ));
    }
    Ok(())
}

fn answer(started: &mut Option<oneshot::Sender<Result<Started>>>, what: Started) {
    if let Some(started) = started.take() {
        // Nobody waits for a statement that was cancelled.
        drop(started.send(Ok(what)));
    }
}

#[cfg(test)]
mod tests {
    use super::is_query;

    #[test]
    fn a_query_is_known_by_its_first_word() {
        for sql in [
            "SELECT 1",
            " select\n1",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "((SELECT 1))",
            "-- a comment\nSELECT 1",
            "# a\n/* b */ ( /* c */ SELECT 1)",
            "SELECT",
            "SELECT(1)",
            "SELECT*FROM t",
        ] {
            assert!(is_query(sql), "{sql}");
        }
        for sql in [
            "",
            "INSERT INTO t SELECT 1",
            "SHOW TABLES",
            "SELECTED",
            "CALL p()",
            "/*!50000 SELECT 1 */",
            "/*M! SELECT 1 */",
            "-- SELECT 1",
            "/* SELECT 1",
            "EXPLAIN SELECT 1",
        ] {
            assert!(!is_query(sql), "{sql}");
        }
    }
}
