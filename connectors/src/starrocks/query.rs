//! Running a statement over the MySQL text protocol and streaming its rows.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::Count;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use mysql_common::packets::Column;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::decode::{BatchBuilder, DEFAULT_BATCH_ROWS};
use super::types::result_type;
use crate::batch_queue::{BatchReceiver, BatchSender, batch_queue};
use crate::catalog::NativeResult;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::connect::{Connection, ConnectionPool};
use crate::mysql_protocol::error::from_wire;
use crate::mysql_protocol::wire::{Answer, Step};
use crate::throttle::Throttles;

/// First words of statements that leave the session as it was, so that its connection can serve the next one.
const HARMLESS: &[&str] = &[
    "SELECT", "WITH", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER",
    "TRUNCATE",
];

/// What a scan knows of its rows.
#[derive(Debug)]
pub(crate) struct ScanOutput {
    /// The columns with their types.
    pub(crate) schema: SchemaRef,
    /// Rows of one batch at most.
    pub(crate) batch_rows: usize,
    /// Counts the bytes of the values received.
    pub(crate) bytes: Count,
    /// Limits of speed of the statement; the catalog's hold anyway.
    pub(crate) throttles: Throttles,
    /// What waiting batches are registered by, if there may be many.
    pub(crate) memory: Option<MemoryReservation>,
}

/// What the server answered first.
enum Start {
    Rows(SchemaRef),
    Done { rows_affected: u64, info: String },
}

/// Runs one statement as text. The rows' types are those of `scan`, else what the protocol says. Dropping the stream cuts the connection.
pub(crate) async fn run(
    pool: &ConnectionPool,
    database: Option<&str>,
    sql: String,
    scan: Option<ScanOutput>,
) -> Result<NativeResult> {
    let mut connection = pool.get().await?;
    match database {
        Some(database) => connection.use_database(database).await?,
        // No statement leaves a database, so that a bare name would mean a table of an earlier one. A scan has no bare names.
        None if scan.is_none() => {
            while connection.database().is_some() {
                connection.close().await;
                connection = pool.get().await?;
            }
        }
        None => {}
    }
    let (start, started) = oneshot::channel();
    let (throttles, memory) = match &scan {
        Some(scan) => (scan.throttles.and(&pool.throttles()), scan.memory.as_ref().map(MemoryReservation::new_empty)),
        None => (pool.throttles(), None),
    };
    let (batches, received) = batch_queue(throttles, memory);
    let task = SpawnedTask::spawn(async move {
        let outcome = converse(&mut connection, &sql, scan, start, &batches).await;
        match outcome {
            Ok(()) if is_harmless(&sql) => connection.release(),
            Ok(()) => connection.close().await,
            // The reader may be gone; then nobody asks.
            Err(error) => batches.fail(error.into()).await,
        }
    });
    match started.await {
        Ok(Ok(Start::Rows(schema))) => Ok(NativeResult::Rows(stream_of(schema, received, task))),
        Ok(Ok(Start::Done { rows_affected, info })) => {
            // The statement is done; what the task still does is to give the connection back.
            let _ = task.join().await;
            let is_visible = field_in(&info, "status").is_none_or(|status| status == "VISIBLE");
            Ok(NativeResult::Done { rows_affected, label: field_in(&info, "label"), is_visible })
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ConnectorError::internal("a statement ended without an answer")),
    }
}

/// Runs the statement to its end. Only errors behind the first answer are returned; those before go to `start`.
async fn converse(
    connection: &mut Connection,
    sql: &str,
    scan: Option<ScanOutput>,
    start: oneshot::Sender<Result<Start>>,
    batches: &BatchSender,
) -> Result<()> {
    let config = connection.config().clone();
    let limit = config.read_timeout;
    let silent = || {
        ConnectorError::retryable(
            ErrorCode::Connection,
            format!(
                "catalog {}: the server was silent for {} s; \"read_timeout\" sets the limit",
                config.catalog,
                limit.as_secs()
            ),
        )
    };
    let asked = async {
        let conn = connection.conn()?;
        within(limit, conn.query(sql), silent).await?.map_err(|error| from_wire(&config, error))
    };
    let answer = match asked.await {
        Ok(answer) => answer,
        Err(error) => {
            // Not the end of the conversation for the caller, but the connection is not to be used again.
            let again = ConnectorError::new(error.code(), error.message());
            let _ = start.send(Err(error));
            return Err(again);
        }
    };
    let conn = connection.conn()?;
    let columns = match answer {
        Answer::Rows(columns) => columns,
        Answer::Done { rows_affected, info, warnings: _ } => {
            let ended = within(limit, conn.finish(), silent).await;
            let ended = ended.and_then(|ended| ended.map_err(|error| from_wire(&config, error)));
            let _ = start.send(ended.map(|_| Start::Done { rows_affected, info }));
            return Ok(());
        }
    };
    let (schema, batch_rows, bytes) = match scan {
        Some(scan) => (scan.schema, scan.batch_rows, Some(scan.bytes)),
        None => {
            let field = |column: &Column| Field::new(column.name_str(), result_type(column), true);
            let fields: Vec<Field> = columns.iter().map(field).collect();
            (Arc::new(Schema::new(fields)), DEFAULT_BATCH_ROWS, None)
        }
    };
    let mut builder = match BatchBuilder::new(schema.clone(), batch_rows) {
        Ok(builder) => builder,
        Err(error) => {
            let _ = start.send(Err(error));
            return Err(ConnectorError::internal("the result cannot be read"));
        }
    };
    if start.send(Ok(Start::Rows(schema))).is_err() {
        return Err(gone());
    }
    let named = |error: ConnectorError| {
        ConnectorError::new(error.code(), format!("catalog {}: {}", config.catalog, error.message()))
    };
    loop {
        let ended = match conn.step().map_err(|error| from_wire(&config, error))? {
            Step::Row(row) => {
                builder.push(row).map_err(named)?;
                false
            }
            Step::Wait => {
                within(limit, conn.fill(), silent).await?.map_err(|error| from_wire(&config, error))?;
                continue;
            }
            Step::End => true,
        };
        if ended || builder.is_full() {
            let received = builder.bytes();
            if let Some(bytes) = &bytes {
                bytes.add(received);
            }
            if let Some(batch) = builder.finish().map_err(named)? {
                batches.send(batch, received).await.map_err(|_| gone())?;
            }
        }
        if ended {
            within(limit, conn.finish(), silent).await?.map_err(|error| from_wire(&config, error))?;
            return Ok(());
        }
    }
}

fn gone() -> ConnectorError {
    ConnectorError::new(ErrorCode::Cancelled, "nobody reads the result any more")
}

async fn within<T>(limit: Duration, answer: impl Future<Output = T>, silent: impl Fn() -> ConnectorError) -> Result<T> {
    timeout(limit, answer).await.map_err(|_| silent())
}

/// The stream owns the task: dropped, it aborts the task, which cuts the connection.
fn stream_of(schema: SchemaRef, received: BatchReceiver, task: SpawnedTask<()>) -> SendableRecordBatchStream {
    let batches = stream::try_unfold((received, Some(task)), |(mut received, task)| async move {
        match received.recv().await {
            Some(Ok(batch)) => Ok(Some((batch, (received, task)))),
            Some(Err(error)) => Err(error),
            None => match task {
                // The end of the channel is the end of the rows only if the task came to its end.
                Some(task) => match task.join().await {
                    Ok(()) => Ok(None),
                    Err(_) => Err(ConnectorError::internal("the reader of a result ended early").into()),
                },
                None => Ok(None),
            },
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

fn is_harmless(sql: &str) -> bool {
    let word: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    HARMLESS.iter().any(|known| known.eq_ignore_ascii_case(&word))
}

/// The label in the info of an OK packet, `{'label':'insert_…', 'status':'VISIBLE', 'txnId':'8'}`.
fn field_in(info: &str, field: &str) -> Option<String> {
    let name = format!("'{field}'");
    let rest = &info[info.find(&name)? + name.len()..];
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('\'')?;
    let value = &rest[..rest.find('\'')?];
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use mysql_common::constants::ColumnType;

    use super::*;
    use crate::mysql_protocol::connect::Dialect;
    use crate::mysql_protocol::wire::scripted_server::{Script, serve};

    /// The last packet of an answer, OK or end of rows, that says that another answer follows.
    const MORE_FOLLOWS: [u8; 6] = [0, 0, 8, 0, 0, 0];

    /// Runs a statement on a server that lets a session begin and answers to the statement with what a test says. It is silent then.
    async fn answered(answer: impl Fn(&mut Script) + Send + 'static) -> Result<NativeResult> {
        let (config, _) = serve(move |script| {
            script.greet("mysql_native_password");
            script.receive();
            script.ok();
            while let Some(command) = script.receive() {
                let text = String::from_utf8_lossy(&command[1..]).into_owned();
                if text.contains("@@version") {
                    script.columns(&[Column::new(ColumnType::MYSQL_TYPE_VAR_STRING)]);
                    script.send(b"\x055.1.0");
                    script.end();
                } else if text.starts_with("SET ") {
                    script.ok();
                } else {
                    answer(script);
                }
            }
        });
        let pool = ConnectionPool::new(config, Dialect::StarRocks);
        timeout(Duration::from_secs(10), run(&pool, None, "SELECT 1".to_owned(), None))
            .await
            .expect("it waits for ever")
    }

    fn assert_is_silence(error: &ConnectorError) {
        assert_eq!((error.code(), error.is_retryable()), (ErrorCode::Connection, true), "{error}");
        assert!(error.message().contains("the server was silent for 0 s"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_announces_another_answer_and_is_silent_is_given_up() {
        let done = answered(|script| script.send(&[&[0][..], &MORE_FOLLOWS].concat())).await;
        assert_is_silence(&done.err().expect("a statement that is taken as done"));

        let rows = answered(|script| {
            script.columns(&[Column::new(ColumnType::MYSQL_TYPE_LONGLONG)]);
            script.send(b"\x017");
            script.send(&[&[0xfe][..], &MORE_FOLLOWS].concat());
        });
        let NativeResult::Rows(rows) = rows.await.unwrap() else { panic!("no rows") };
        let read = timeout(Duration::from_secs(10), rows.try_collect::<Vec<_>>()).await.expect("it waits for ever");
        assert_is_silence(&ConnectorError::from_datafusion(read.unwrap_err()));
    }

    #[test]
    fn the_label_is_read_from_the_info_of_an_insert() {
        let info = "{'label':'insert_1-2', 'status':'VISIBLE', 'txnId':'1008'}";
        assert_eq!(field_in(info, "label").as_deref(), Some("insert_1-2"));
        assert_eq!(field_in(info, "status").as_deref(), Some("VISIBLE"));
        assert_eq!(field_in("{'label' : 'a'}", "label").as_deref(), Some("a"));
        for info in ["", "{}", "{'label':''}", "{'label':", "'label'"] {
            assert_eq!(field_in(info, "label"), None, "{info}");
        }
    }

    #[test]
    fn a_statement_that_may_change_the_session_ends_its_connection() {
        assert!(is_harmless(" select 1"));
        assert!(is_harmless("INSERT INTO t VALUES (1)"));
        for sql in ["SET a = 1", "use d", "/*+ x */ SELECT 1", "", "CALL x()"] {
            assert!(!is_harmless(sql), "{sql}");
        }
    }
}
