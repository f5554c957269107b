//! Statements that return rows: queries planned here, native ones, and ASSERT over either.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use syncline_connectors::catalog::NativeResult;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::sink::RejectLog;
use syncline_connectors::{CatalogKind, ConnectorError, RemoteCatalog};
use syncline_sql::Statement;
use syncline_sql::statement::{Assert, Native, Query};

use super::Context;
use super::progress::scan_numbers;
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

/// Runs a native statement; its rows, if it has any, are sent.
pub(super) async fn run_native(context: &Context, native: &Native, report: &mut StatementReport) -> Result<()> {
    let remote = context.scope.remote(&native.catalog)?;
    let database = native_database(native, remote.as_ref());
    let (text, our_label) = labelled(context, native, remote.as_ref(), report.index);
    let result = remote.execute(database.as_deref(), &text).await;
    match result.map_err(|error| outcome_unknown(error, native, our_label.as_deref()))? {
        NativeResult::Rows(rows) => {
            let schema = rows.schema();
            let count = send_rows(context, report.index, schema, rows, || 0).await?;
            report.rows_read = Some(count);
        }
        NativeResult::Done { rows_affected, label } => {
            if changes_rows(&native.text) {
                report.rows_written = Some(rows_affected);
            }
            report.labels.extend(label.or(our_label));
        }
    }
    Ok(())
}

/// A connection that is lost while a statement that changes rows runs leaves its outcome unknown: the server may have done it.
fn outcome_unknown(error: ConnectorError, native: &Native, label: Option<&str>) -> ConnectorError {
    let was_lost = error.code() == ErrorCode::Connection && error.message().ends_with("the connection was lost");
    if !was_lost || !changes_rows(&native.text) {
        return error;
    }
    let ask = match label {
        Some(label) => format!("SHOW LOAD WHERE LABEL = '{label}' tells"),
        None => "look at the table before running it again".to_owned(),
    };
    ConnectorError::new(
        ErrorCode::Unknown,
        format!("{}; whether the statement was done is not known: {ask}", error.message()),
    )
}

/// The database that a native statement runs in, if it needs one: that of USE of its catalog, else the one in the catalog's URL.
pub(super) fn native_database(native: &Native, remote: &dyn RemoteCatalog) -> Option<String> {
    if !native.needs_database {
        return None;
    }
    native.database.clone().or_else(|| remote.default_database().map(str::to_owned))
}

/// An INSERT within StarRocks gets a label, by which its outcome can be asked for. Returns the text to send and the label.
fn labelled(context: &Context, native: &Native, remote: &dyn RemoteCatalog, index: u32) -> (String, Option<String>) {
    let Some(offset) = native.label_offset.filter(|_| remote.kind() == CatalogKind::Starrocks) else {
        return (native.text.clone(), None);
    };
    let (Some(before), Some(after)) = (native.text.get(..offset), native.text.get(offset..)) else {
        return (native.text.clone(), None);
    };
    let label = native_label(&context.job, &context.run_id, index);
    (format!("{before} WITH LABEL `{label}`{after}"), Some(label))
}

/// `{job}-{run}-{statement}-1`: at most 128 bytes of `[-\w]` (StarRocks: STREAM_LOAD docs). The run id tells jobs apart whose names are
/// cut to the same.
fn native_label(job: &str, run_id: &str, index: u32) -> String {
    let job: String =
        job.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
    format!("{job}-{run_id}-{index}-1")
}

/// Whether the number of rows that the server names is one of rows changed; for DDL it is always 0.
fn changes_rows(sql: &str) -> bool {
    let first = sql.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or("");
    ["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// Sends a result; returns its number of rows.
async fn send_rows(
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
