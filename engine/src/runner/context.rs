//! What a statement runs with, and running one: whatever its kind, it ends in a report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use syncline_connectors::error::ErrorCode;
use syncline_connectors::sink::{RejectLog, WriteId};
use syncline_sql::Statement;
use syncline_sql::statement::SessionStatement;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::events::Events;
use super::recorder::Recorder;
use super::rejects::StatementRejects;
use super::resume::Resumed;
use super::session::{self, Effect};
use super::step::Step;
use super::{cancelled, create_table, explain, native, partitions, query, show, sync};
use crate::error::{Result, SynclineError};
use crate::planning::{PlanContext, session_state};
use crate::report::{StatementReport, StatementStatus};
use crate::run::RunEvent;
use crate::scope::Scope;

/// How often progress is sent.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// What a statement runs with.
pub(crate) struct Context {
    pub(super) scope: Scope,
    pub(super) events: Events,
    pub(super) stop: CancellationToken,
    pub(super) run_id: String,
    pub(super) job: String,
    pub(super) recorder: Recorder,
    pub(super) resumed: Arc<Resumed>,
}

impl Context {
    /// Runs one statement; the error is also in its report.
    pub(super) async fn run_step(&mut self, step: &Step) -> (StatementReport, Option<SynclineError>) {
        let started = Instant::now();
        let mut report = step.report(StatementStatus::Succeeded);
        self.events
            .send(RunEvent::StatementStarted {
                index: step.index,
                kind: step.kind(),
                file: report.file.clone(),
                line: report.line,
                text: step.text.clone(),
                target: report.target.clone(),
            })
            .await;
        for note in self.resumed.notes(step.index) {
            self.warn(&mut report, note).await;
        }
        let result = if self.stop.is_cancelled() { Err(cancelled()) } else { self.execute(step, &mut report).await };
        report.seconds = Some(started.elapsed().as_secs_f64());
        match result {
            Ok(()) => {
                if step.is_recorded_when_done() {
                    self.record_end(&mut report, None).await;
                }
                (report, None)
            }
            Err(error) => {
                let error = error.at(step.position.clone());
                report.status = match report.status {
                    // a write that was cut off says itself what it left
                    StatementStatus::RolledBack if error.is_cancelled() => StatementStatus::Cancelled,
                    StatementStatus::Succeeded | StatementStatus::Failed => status_of(&error),
                    known => known,
                };
                report.error = Some(error.to_report());
                (report, Some(error))
            }
        }
    }

    async fn execute(&mut self, step: &Step, report: &mut StatementReport) -> Result<()> {
        match &step.statement {
            Statement::Native(native) => native::run(self, native, report).await,
            Statement::Sync(insert) => {
                sync::run(self, insert, step.folder.as_deref(), report).await?;
                self.see_new_partitions(report).await;
                Ok(())
            }
            Statement::CreateTable(create) => create_table::run(self, create, report).await,
            Statement::Query(query) => self.until_stopped(query::run_query(self, query, report)).await,
            Statement::Assert(assert) => self.until_stopped(query::run_assert(self, assert)).await,
            Statement::Explain(explain) => {
                self.until_stopped(explain::run(self, explain, step.folder.as_deref(), report)).await
            }
            Statement::Session(session) => {
                if self.until_stopped(show::run(self, session, report)).await? {
                    return Ok(());
                }
                self.execute_session(session, step, report).await
            }
        }
    }

    /// What a write has made is known to the statements behind it.
    async fn see_new_partitions(&mut self, report: &mut StatementReport) {
        if let Err(error) = self.scope.load_tables() {
            self.warn(report, format!("the external tables could not be read again: {error}")).await;
        }
    }

    async fn execute_session(
        &mut self,
        statement: &SessionStatement,
        step: &Step,
        report: &mut StatementReport,
    ) -> Result<()> {
        self.scope.load_tables()?;
        if let SessionStatement::CreateView { name, query, if_not_exists, or_replace } = statement {
            let short = session::session_name(name)?;
            if *if_not_exists && !or_replace && self.scope.views.contains_key(&short) {
                return Ok(());
            }
            session::apply(statement, step.folder.as_deref(), &mut self.scope, Effect::Done)?;
            let planning = crate::names::plan_query(&self.scope, query, |catalogs| {
                session_state(&self.plan_context(None), catalogs)
            });
            let planned = self.until_stopped(planning).await?;
            self.scope.views.insert(short, Some(session::view_of(query, planned)));
            return Ok(());
        }
        let warnings = match statement {
            SessionStatement::RepairTable(table) => {
                let stop = self.stop.clone();
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Err(cancelled()),
                    found = partitions::repair(table, &mut self.scope) => found?,
                }
            }
            _ => session::apply(statement, step.folder.as_deref(), &mut self.scope, Effect::Done)?,
        };
        for warning in warnings {
            self.warn(report, warning).await;
        }
        Ok(())
    }

    /// Dropping the work is what stops it.
    pub(super) async fn until_stopped<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(cancelled()),
            result = work => result,
        }
    }

    pub(super) async fn warn(&self, report: &mut StatementReport, message: String) {
        report.warnings.push(message.clone());
        self.events.warn(report.index, message).await;
    }

    pub(super) fn plan_context(&self, rejects: Option<Arc<dyn RejectLog>>) -> PlanContext {
        let shared = &self.scope.engine.shared;
        PlanContext {
            runtime: Arc::clone(&shared.runtime),
            timezone: shared.timezone.name.clone(),
            rejects,
            clean_up: shared.clean_up.clone(),
            settings: self.scope.write_settings(),
        }
    }

    pub(super) fn rejects(&self, report: &StatementReport) -> StatementRejects {
        let path = self.scope.engine.shared.state.rejects_file(&self.run_id, report.index);
        if let Some(path) = path.as_ref().filter(|_| self.resumed.last_attempt(report.index) > 0) {
            // those of the attempt before; there may have been none
            let _ = std::fs::remove_file(path);
        }
        StatementRejects::new(path, report.index)
    }

    /// Before the first write.
    pub(super) fn record_run(&self) -> Result<()> {
        self.recorder.record()
    }

    /// Who writes in a statement: in a resumed run the attempt after the last one.
    pub(super) fn write_id(&self, statement: u32) -> WriteId {
        let attempt = self.resumed.last_attempt(statement) + 1;
        WriteId { job: self.job.clone(), run: self.run_id.clone(), statement, attempt }
    }

    /// Records the end of a statement, with the attempt that has ended. What the statement did stands, whether or not that works.
    pub(super) async fn record_end(&self, report: &mut StatementReport, ended_attempt: Option<u32>) {
        if let Err(error) = self.recorder.end_statement(report.index, report.status, ended_attempt) {
            self.warn(
                report,
                format!("the end of the statement is not recorded, --resume would look at it again: {error}"),
            )
            .await;
        }
    }

    pub(super) fn ticks(&self) -> Interval {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }
}

fn status_of(error: &SynclineError) -> StatementStatus {
    if error.is_unknown_outcome() {
        StatementStatus::Unknown
    } else if error.code() == ErrorCode::PartlyCommitted.code() {
        StatementStatus::PartlyCommitted
    } else if error.is_cancelled() {
        StatementStatus::Cancelled
    } else {
        StatementStatus::Failed
    }
}
