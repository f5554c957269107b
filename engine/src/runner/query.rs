//! Statements that return rows: queries planned here, and ASSERT over these and native ones.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use syncline_connectors::catalog::NativeResult;
use syncline_connectors::sink::RejectLog;
use syncline_sql::Statement;
use syncline_sql::statement::{Assert, Query};

use super::Context;
use super::native::native_database;
use super::progress::{note_snapshots, scan_numbers};
use super::rejects::QueryLog;
use crate::error::{Result, SynclineError, codes};
use crate::names;
use crate::planning::session_state;
use crate::report::StatementReport;
use crate::run::RunEvent;

/// Runs a query and sends its rows.
pub(super) async fn run_query(context: &Context, query: &Query, report: &mut StatementReport) -> Result<()> {
    let log = Arc::new(QueryLog::default());
    let (state, plan, rows) = open(context, query, Arc::clone(&log) as _).await?;
    let schema = plan.schema();
    let result = send_rows(context, report.index, schema, rows, || scan_numbers(&plan, &state).rows).await;
    let numbers = scan_numbers(&plan, &state);
    report.rows_read = Some(numbers.rows);
    report.bytes_read = numbers.bytes;
    note_snapshots(context, &state, report).await;
    for warning in log.warnings() {
        context.warn(report, warning).await;
    }
    result.map(drop)
}

async fn open(
    context: &Context,
    query: &Query,
    log: Arc<dyn RejectLog>,
) -> Result<(SessionState, Arc<dyn ExecutionPlan>, SendableRecordBatchStream)> {
    let planned =
        names::plan_query(&context.scope, query, |catalogs| session_state(&context.plan_context(Some(log)), catalogs))
            .await?;
    let plan = planned.state.create_physical_plan(&planned.plan).await?;
    let rows = execute_stream(Arc::clone(&plan), planned.state.task_ctx())?;
    Ok((planned.state, plan, rows))
}

/// Sends a result; returns its number of rows.
pub(super) async fn send_rows(
    context: &Context,
    index: u32,
    schema: SchemaRef,
    mut rows: SendableRecordBatchStream,
    rows_scanned: impl Fn() -> u64,
) -> Result<u64> {
    let events = &context.events;
    events.send(RunEvent::ResultSchema { index, schema }).await;
    let mut count = 0;
    let mut ticks = context.ticks();
    loop {
        tokio::select! {
            biased;
            () = context.stop.cancelled() => return Err(super::cancelled()),
            batch = rows.next() => match batch {
                Some(batch) => {
                    let batch = batch?;
                    count += batch.num_rows() as u64;
                    if batch.num_rows() > 0 {
                        events.send(RunEvent::ResultBatch { index, batch }).await;
                    }
                }
                None => break,
            },
            _ = ticks.tick() => {
                events.send_if_room(RunEvent::Progress {
                    index,
                    rows_read: rows_scanned(),
                    rows_written: 0,
                    bytes_read: 0,
                    bytes_written: 0,
                    done: None,
                    rows_rejected: 0,
                    wait_reader: None,
                    wait_writer: None,
                });
            }
        }
    }
    events.send(RunEvent::ResultEnd { index }).await;
    Ok(count)
}

/// Evaluates the condition; false and NULL fail with the statement's message.
pub(super) async fn run_assert(context: &Context, assert: &Assert) -> Result<()> {
    let mut rows = match &assert.query {
        Statement::Query(query) => open(context, query, Arc::new(QueryLog::default())).await?.2,
        Statement::Native(native) => {
            let remote = context.scope.remote(&native.catalog)?;
            let database = native_database(native, remote.as_ref());
            match remote.execute(database.as_deref(), &native.text).await? {
                NativeResult::Rows(rows) => rows,
                NativeResult::Done { .. } => return Err(no_value(assert)),
            }
        }
        _ => return Err(no_value(assert)),
    };
    let mut value = None;
    loop {
        tokio::select! {
            biased;
            () = context.stop.cancelled() => return Err(super::cancelled()),
            batch = rows.next() => match batch {
                Some(batch) => {
                    let batch = batch?;
                    if batch.num_rows() > 0 && value.is_none() {
                        value = Some(truth(&batch)?);
                    }
                }
                None => break,
            },
        }
    }
    match value.flatten() {
        Some(true) => Ok(()),
        found => {
            let found = if found.is_none() { "NULL" } else { "false" };
            let message = match &assert.message {
                Some(message) => format!("{message} (the condition is {found})"),
                None => format!("the condition {} is {found}", assert.condition),
            };
            Err(SynclineError::new(codes::ASSERT, message).at(assert.position.clone()))
        }
    }
}

fn no_value(assert: &Assert) -> SynclineError {
    SynclineError::new(codes::PLAN, "ASSERT takes a condition that has a value").at(assert.position.clone())
}

/// The truth of the first value: numbers are true unless 0, as in MySQL, which has no booleans.
fn truth(batch: &RecordBatch) -> Result<Option<bool>> {
    let wrong = |what: &str| SynclineError::new(codes::PLAN, format!("ASSERT takes a condition, and this is {what}"));
    if batch.num_columns() != 1 {
        return Err(wrong(&format!("{} columns", batch.num_columns())));
    }
    let column = batch.column(0);
    if column.is_null(0) || column.data_type() == &DataType::Null {
        return Ok(None);
    }
    match column.data_type() {
        DataType::Boolean => Ok(Some(column.as_boolean().value(0))),
        data_type if data_type.is_numeric() => {
            let text = ArrayFormatter::try_new(column, &FormatOptions::default())
                .map_err(|error| wrong(&error.to_string()))?
                .value(0)
                .to_string();
            Ok(Some(text.chars().any(|c| ('1'..='9').contains(&c))))
        }
        DataType::Utf8 if ["0", "1"].contains(&column.as_string::<i32>().value(0)) => {
            Ok(Some(column.as_string::<i32>().value(0) == "1"))
        }
        other => Err(wrong(&format!("a value of type {other}"))),
    }
}
