//! `Session::write`: a stream of batches into a table, outside a script.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use parking_lot::Mutex;
use syncline_connectors::Options;
use syncline_connectors::sink::ColumnMapping;
use tokio::sync::mpsc;

use super::events::{Events, QUEUE};
use super::recorder::Recorder;
use super::sync::{Write, run_write};
use super::write_target::WriteTarget;
use super::{Context, new_run_id};
use crate::error::{Result, SynclineError, codes};
use crate::names::{self, PlannedQuery};
use crate::planning::{StreamRows, session_state};
use crate::report::{StatementKind, StatementReport, StatementStatus};
use crate::run::WriteOptions;
use crate::session::Session;
use crate::state::{RunInputs, RunRecord, fingerprint};

/// The batches of a caller as a plan's source: read once.
struct Batches {
    schema: SchemaRef,
    stream: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batches")
    }
}

impl PartitionStream for Batches {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        match self.stream.lock().take() {
            Some(stream) => StreamRows::counting(&context, stream),
            None => {
                let again =
                    datafusion::error::DataFusionError::Execution("a stream of batches is read once".to_owned());
                Box::pin(RecordBatchStreamAdapter::new(
                    Arc::clone(&self.schema),
                    futures::stream::once(async move { Err(again) }),
                ))
            }
        }
    }
}

pub(super) async fn run(
    session: &Session,
    target: &str,
    batches: SendableRecordBatchStream,
    options: WriteOptions,
) -> Result<StatementReport> {
    let started = Instant::now();
    let engine = session.engine().clone();
    if engine.shared.rules.read_only {
        return Err(SynclineError::new(codes::NOT_PERMITTED, "writing is not permitted: this engine only reads"));
    }
    let mut scope = session.scope();
    scope.load_tables()?;
    let clocks = scope.parameters.clocks();
    let job = options.job_name.unwrap_or_else(|| "write".to_owned());
    let run_id = new_run_id();
    let record = RunRecord {
        run_id: run_id.clone(),
        job: job.clone(),
        bizdate: clocks.bizdate_text(),
        cyctime: clocks.cyctime.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        timezone: engine.timezone().to_owned(),
        fingerprint: fingerprint::of_texts([target]),
        inputs: RunInputs::default(),
    };
    let recorder = Recorder::new(engine.clone(), record);
    let (sender, mut events) = mpsc::channel(QUEUE);
    let stop = engine.shared.stop.child_token();
    let context = Context {
        scope,
        events: Events::new(sender, stop.clone()),
        stop,
        run_id,
        job,
        recorder: recorder.clone(),
        resumed: Arc::default(),
    };
    let mut report = StatementReport {
        index: 1,
        file: "write".to_owned(),
        line: 1,
        kind: StatementKind::Sync,
        target: Some(target.to_owned()),
        status: StatementStatus::Succeeded,
        write_mode: None,
        load_parallelism: None,
        rows_read: None,
        rows_written: None,
        rows_rejected: None,
        bytes_read: None,
        snapshot: Vec::new(),
        bytes_written: None,
        seconds: None,
        wait_reader_seconds: None,
        wait_writer_seconds: None,
        labels: Vec::new(),
        resume_until: None,
        rejects_file: None,
        error: None,
        warnings: Vec::new(),
    };
    let columns = match (options.by_name, options.columns) {
        (true, _) => ColumnMapping::ByName,
        (false, Some(columns)) => ColumnMapping::List(columns),
        (false, None) => ColumnMapping::Position,
    };
    let properties: Options = options.properties.into_iter().collect();
    let result = {
        let work = async {
            let parts = parse_name(target)?;
            let key = names::resolve_table(&context.scope, &parts).await?.key;
            let target = WriteTarget::of_table(&context.scope, key)?;
            report.target = Some(target.to_string());
            let write =
                Write { target, overwrite: options.overwrite, partition: Vec::new(), mapping: columns, properties };
            let rejects = context.rejects(&report);
            let planned = plan(&context, batches, &rejects)?;
            run_write(&context, write, planned, &rejects, &mut report).await
        };
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => break result,
                // nobody follows the events of a plain write
                Some(_) = events.recv() => {}
            }
        }
    };
    let status = match &result {
        Ok(()) => crate::report::RunStatus::Succeeded,
        Err(_) => crate::report::RunStatus::Failed,
    };
    recorder.end(status);
    result?;
    report.seconds = Some(started.elapsed().as_secs_f64());
    Ok(report)
}

fn plan(
    context: &Context,
    batches: SendableRecordBatchStream,
    rejects: &super::rejects::StatementRejects,
) -> Result<PlannedQuery> {
    let schema = batches.schema();
    let source = Batches { schema: Arc::clone(&schema), stream: Mutex::new(Some(batches)) };
    let table = Arc::new(StreamingTable::try_new(schema, vec![Arc::new(source)])?);
    let plan = LogicalPlanBuilder::scan("batches", provider_as_source(table), None)?.build()?;
    let catalogs = Arc::new(MemoryCatalogProviderList::new());
    Ok(PlannedQuery { state: session_state(&context.plan_context(Some(rejects.scan_log())), catalogs), plan })
}

/// `a.b.c`, each part plain or in backticks.
fn parse_name(text: &str) -> Result<Vec<String>> {
    let wrong =
        || SynclineError::new("E2002", format!("\"{text}\" names no table")).hint("write catalog.database.table");
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('`') {
            Some(quoted) => {
                let end = quoted.find('`').ok_or_else(wrong)?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => rest.find('.').map_or((rest, ""), |at| rest.split_at(at)),
        };
        if part.is_empty() {
            return Err(wrong());
        }
        parts.push(part.to_owned());
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => return Err(wrong()),
        }
    }
}
