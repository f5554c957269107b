//! Runs scripts: reads and checks everything first, then does statement after statement, and reports what came of each.

mod check;
mod context;
mod create_table;
mod emptied_tables;
mod events;
mod explain;
mod native;
mod native_names;
mod partitions;
mod progress;
mod query;
pub(crate) mod read_only;
mod recorder;
pub(crate) mod redact;
mod rejects;
mod resume;
mod run;
mod session;
mod show;
mod step;
mod sync;
mod write;
mod write_target;

use std::time::Instant;

use datafusion::execution::SendableRecordBatchStream;
use syncline_connectors::error::ErrorCode;
use tokio::sync::{mpsc, oneshot};

use crate::engine::Engine;
use crate::error::{Result, SynclineError};
use crate::report::StatementReport;
use crate::run::{Run, RunOptions, Script};
use crate::session::Session;
pub(crate) use check::list_parameters;
pub(crate) use context::Context;
use events::Events;
use run::Runner;

/// What is asked of the runner.
pub(crate) struct Request {
    pub(crate) session: Session,
    pub(crate) scripts: Vec<Script>,
    pub(crate) options: RunOptions,
    /// Whether what the one script changes in the session stays.
    pub(crate) keeps_changes: bool,
}

/// Starts a run in a task that the engine owns.
pub(crate) fn start(engine: &Engine, request: Request) -> Result<Run> {
    let runtime = tokio::runtime::Handle::try_current()
        .map_err(|_| SynclineError::new(ErrorCode::Internal.code(), "a run is started within a tokio runtime"))?;
    if engine.shared.stop.is_cancelled() {
        return Err(SynclineError::new(ErrorCode::Cancelled.code(), "the engine was shut down"));
    }
    let run_id = request.options.resume.clone().unwrap_or_else(new_run_id);
    let stop = engine.shared.stop.child_token();
    let (sender, events) = mpsc::channel(events::QUEUE);
    let (report_sender, report) = oneshot::channel();
    let runner = Runner {
        run_id: run_id.clone(),
        events: Events::new(sender, stop.clone()),
        stop: stop.clone(),
        started: Instant::now(),
        request,
    };
    let mut runs = engine.shared.runs.lock();
    while runs.try_join_next().is_some() {}
    runs.spawn_on(
        async move {
            // the caller may be gone: then nobody wants the report
            let _ = report_sender.send(runner.run().await);
        },
        &runtime,
    );
    Ok(Run::new(run_id, events, report, stop))
}

/// `yyyymmddThhmmss-xxxxxxxx`: sorts by time, and labels made of it are told apart.
fn new_run_id() -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    format!("{}-{:08x}", now.strftime("%Y%m%dT%H%M%S"), rand::random::<u32>())
}

/// The error of a statement that the user stopped.
pub(crate) fn cancelled() -> SynclineError {
    SynclineError::new(ErrorCode::Cancelled.code(), "stopped before it was done")
}

/// Writes a stream of batches: the INSERT of [`Session::write`](crate::Session::write).
pub(crate) async fn write_stream(
    session: &Session,
    target: &str,
    batches: SendableRecordBatchStream,
    options: crate::run::WriteOptions,
) -> Result<StatementReport> {
    write::run(session, target, batches, options).await
}

#[cfg(test)]
mod tests;
