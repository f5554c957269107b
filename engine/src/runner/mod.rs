//! Runs scripts: reads and checks everything first, then does statement after statement, and reports what came of each.

mod check;
mod create_table;
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
mod session;
mod show;
mod step;
mod sync;
mod write;
mod write_target;

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::execution::SendableRecordBatchStream;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::sink::{RejectLog, WriteId};
use syncline_sql::Clocks;
use syncline_sql::Statement;
use syncline_sql::statement::SessionStatement;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::{Result, SynclineError};
use crate::planning::{PlanContext, session_state};
use crate::report::{RunReport, RunStatus, StatementReport, StatementStatus};
use crate::run::{Run, RunEvent, RunOptions, Script};
use crate::scope::Scope;
use crate::session::Session;
use crate::state::{JobLock, RunInputs, RunLock, RunRecord, fingerprint};
pub(crate) use check::list_parameters;
use events::Events;
use recorder::Recorder;
use rejects::StatementRejects;
use resume::{EarlierRun, Resumed};
use session::Effect;
use step::Step;

/// How often progress is sent.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

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

struct Runner {
    run_id: String,
    events: Events,
    stop: CancellationToken,
    started: Instant,
    request: Request,
}

/// Held while a run lasts.
struct Locks {
    _job: Option<JobLock>,
    run: Option<RunLock>,
}

impl Locks {
    /// Gives the locks back after a success.
    fn remove(self) {
        if let Some(run) = self.run {
            run.remove();
        }
    }
}

/// Scripts that were read.
struct Read {
    steps: Vec<Step>,
    /// The scope that each job begins with.
    scopes: Vec<Scope>,
}

impl Runner {
    async fn run(self) -> RunReport {
        let engine = self.request.session.engine().clone();
        let mut report = RunReport {
            run_id: self.run_id.clone(),
            job: self.job(),
            status: RunStatus::Failed,
            bizdate: String::new(),
            cyctime: String::new(),
            timezone: engine.timezone().to_owned(),
            seconds: 0.0,
            error: None,
            statements: Vec::new(),
            warnings: Vec::new(),
            can_resume: false,
            nothing_ran: true,
            failure: None,
        };
        if let Err(error) = self.run_checked(&engine, &mut report).await {
            report.status = if error.is_cancelled() { RunStatus::Cancelled } else { RunStatus::Failed };
            report.error = Some(error.to_report());
            report.failure = Some(error);
        }
        report.seconds = self.started.elapsed().as_secs_f64();
        report
    }

    fn job(&self) -> String {
        let of_script = || {
            let name = self.request.scripts.first().map_or("query", |script| script.name.as_str());
            let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
            file.strip_suffix(".sql").unwrap_or(file).to_owned()
        };
        self.request.options.job_name.clone().unwrap_or_else(of_script)
    }

    /// Everything up to the last statement. An error is one that ended the run before its first statement.
    async fn run_checked(&self, engine: &Engine, report: &mut RunReport) -> Result<()> {
        let options = &self.request.options;
        let state = &engine.shared.state;
        let earlier = match &options.resume {
            Some(run_id) => Some(EarlierRun::find(engine, run_id, &report.job)?),
            None => None,
        };
        let clocks = match &earlier {
            Some(earlier) => earlier.clocks(engine, options)?,
            None => {
                let zone = crate::clock::zone(engine.timezone())?;
                Clocks::new(options.bizdate.as_deref(), options.cyctime.as_deref(), zone, jiff::Timestamp::now())?
            }
        };
        report.bizdate = clocks.bizdate_text();
        report.cyctime = clocks.cyctime.strftime("%Y-%m-%d %H:%M:%S").to_string();
        // how far a run got is read once nobody else can go on with it
        let mut locks = match &earlier {
            Some(_) if !options.dry_run => Some(self.lock(engine, report)?),
            _ => None,
        };
        let mut resumed = earlier.map_or_else(|| Ok(Resumed::default()), |earlier| Resumed::load(state, earlier))?;
        let Read { mut steps, scopes } = self.read(clocks, &mut resumed, report)?;
        let record = self.record(report, &steps);
        resumed.must_be_of(&record)?;
        if resumed.has_succeeded() {
            let message = format!("run {} has succeeded before; nothing was done", self.run_id);
            self.events.warn(0, message.clone()).await;
            report.warnings.push(message);
            report.statements = steps.iter().map(|step| step.report(StatementStatus::Skipped)).collect();
            report.status = RunStatus::Succeeded;
            return Ok(());
        }
        let recorder = Recorder::new(engine.clone(), record);
        if resumed.is_resumed() && !options.dry_run {
            recorder.record()?;
            report.nothing_ran = false;
            if let Err(failed) = resumed.end_open_attempts(&recorder, &self.stop).await {
                resumed.report_failed(&steps, failed, report);
                recorder.end(report.status);
                return Ok(());
            }
        }
        if !options.allow_concurrent
            && let Err(error) = resumed.must_be_the_last(state, &steps)
        {
            let not_run = |step| resumed.report_of(step).unwrap_or_else(|| step.report(StatementStatus::NotRun));
            report.statements = steps.iter().map(not_run).collect();
            if !options.dry_run {
                recorder.end(RunStatus::Failed);
            }
            return Err(error);
        }
        self.check_names(&mut steps, &scopes, &resumed, report).await?;
        if options.dry_run {
            report.statements = steps.iter().map(|step| resumed.dry_report(step)).collect();
            report.status = RunStatus::Succeeded;
            return Ok(());
        }
        let locks = match locks.take() {
            Some(locks) => locks,
            None => self.lock(engine, report)?,
        };
        if !options.interactive {
            recorder.record()?;
        }
        if self.stop.is_cancelled() {
            return Err(cancelled());
        }
        report.nothing_ran = steps.is_empty();
        self.events
            .send(RunEvent::RunStarted {
                run_id: self.run_id.clone(),
                job: report.job.clone(),
                statements: u32::try_from(steps.len()).unwrap_or(u32::MAX),
                bizdate: report.bizdate.clone(),
                cyctime: report.cyctime.clone(),
                timezone: report.timezone.clone(),
                is_resumed: resumed.is_resumed(),
            })
            .await;
        if !options.interactive
            && !resumed.is_resumed()
            && let Some(warning) = resume::runs_left_open(state, &report.job, &self.run_id)?
        {
            self.events.warn(0, warning.clone()).await;
            report.warnings.push(warning);
        }
        self.run_steps(steps, scopes, &recorder, resumed, report).await;
        recorder.end(report.status);
        report.can_resume = state.is_persistent() && !options.interactive && resume::is_possible(report);
        if report.status == RunStatus::Succeeded {
            locks.remove();
        }
        Ok(())
    }

    /// The locks of job and run, as far as the options ask for them.
    fn lock(&self, engine: &Engine, report: &RunReport) -> Result<Locks> {
        let options = &self.request.options;
        let state = &engine.shared.state;
        let job = match options.interactive || options.allow_concurrent {
            true => None,
            false => Some(state.lock_job(&report.job, &report.bizdate, &self.run_id)?),
        };
        let run = match options.interactive {
            true => None,
            false => Some(state.lock_run(&self.run_id)?),
        };
        Ok(Locks { _job: job, run })
    }

    /// Reads all scripts. The statements read so far are in the report if it fails.
    fn read(&self, clocks: Clocks, resumed: &mut Resumed, report: &mut RunReport) -> Result<Read> {
        let options = &self.request.options;
        let mut begin = self.request.session.scope();
        begin.load_tables()?;
        begin.begin_run(clocks, options)?;
        let scopes: Vec<Scope> = self.request.scripts.iter().map(|script| begin.for_script(script)).collect();

        let mut reader = check::Reader::new(resumed);
        let mut read = Ok(());
        for (job, (script, scope)) in self.request.scripts.iter().zip(&scopes).enumerate() {
            read = reader.read_job(job, script, &mut scope.clone());
            if read.is_err() {
                break;
            }
        }
        let steps = reader.steps;
        match read {
            Ok(()) => Ok(Read { steps, scopes }),
            Err(error) => {
                report.statements = steps.iter().map(|step| step.report(StatementStatus::NotRun)).collect();
                Err(error)
            }
        }
    }

    /// Resolves names. The statements are in the report if it fails.
    async fn check_names(
        &self,
        steps: &mut [Step],
        scopes: &[Scope],
        resumed: &Resumed,
        report: &mut RunReport,
    ) -> Result<()> {
        let result = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(cancelled()),
            checked = check::check_names(steps, scopes.to_vec(), resumed, &self.events) => checked,
        };
        result.inspect_err(|_| {
            report.statements = steps.iter().map(|step| step.report(StatementStatus::NotRun)).collect();
        })
    }

    fn record(&self, report: &RunReport, steps: &[Step]) -> RunRecord {
        let options = &self.request.options;
        let shared = &self.request.session.engine().shared;
        let of_parameter = |(name, value): &(String, String)| {
            (name.clone(), fingerprint::of_texts([self.run_id.as_str(), name.as_str(), value.as_str()]))
        };
        let script = |script: &Script| (script.name.clone(), fingerprint::of_texts([script.text.as_str()]));
        RunRecord {
            run_id: self.run_id.clone(),
            job: report.job.clone(),
            bizdate: report.bizdate.clone(),
            cyctime: report.cyctime.clone(),
            timezone: report.timezone.clone(),
            fingerprint: fingerprint::of_texts(steps.iter().map(|step| step.text.as_str())),
            inputs: RunInputs {
                scripts: self.request.scripts.iter().map(script).collect(),
                parameters: options.all_params().map(of_parameter).collect(),
                profile: shared.profile.clone(),
                timezone_is_forced: shared.timezone.forced,
            },
        }
    }

    /// Runs the statements in order. A failed one ends its run unless the session says to go on.
    async fn run_steps(
        &self,
        steps: Vec<Step>,
        scopes: Vec<Scope>,
        recorder: &Recorder,
        resumed: Resumed,
        report: &mut RunReport,
    ) {
        let resumed = Arc::new(resumed);
        let mut scopes = scopes.into_iter().enumerate();
        let mut context: Option<(usize, Context)> = None;
        let mut stopped = false;
        for step in &steps {
            if let Some(ended) = resumed.report_of(step) {
                self.events.send(RunEvent::StatementFinished(ended.clone())).await;
                report.statements.push(ended);
                continue;
            }
            stopped |= self.stop.is_cancelled();
            if stopped {
                report.statements.push(step.report(StatementStatus::NotRun));
                continue;
            }
            if context.as_ref().is_none_or(|(job, _)| *job != step.job) {
                let Some((_, mut scope)) = scopes.by_ref().find(|(job, _)| *job == step.job) else { break };
                // an earlier job, or what was ended before this run went on, may have made tables and partitions
                if let Err(error) = scope.load_tables() {
                    tracing::warn!(%error, "the external tables could not be read again");
                }
                let new = Context {
                    scope,
                    events: self.events.clone(),
                    stop: self.stop.clone(),
                    run_id: self.run_id.clone(),
                    job: report.job.clone(),
                    recorder: recorder.clone(),
                    resumed: Arc::clone(&resumed),
                };
                context = Some((step.job, new));
            }
            let Some((_, context)) = &mut context else { break };
            let (statement, error) = context.run_step(step).await;
            if self.request.keeps_changes && matches!(step.statement, Statement::Session(_)) {
                self.request.session.keep(&context.scope);
            }
            let goes_on = context.scope.setting("on_error").is_some_and(|on| on.eq_ignore_ascii_case("continue"));
            if let Some(error) = error {
                if report.failure.is_none() {
                    report.error = Some(error.to_report());
                    report.failure = Some(error);
                }
                stopped = !goes_on || self.stop.is_cancelled();
            }
            self.events.send(RunEvent::StatementFinished(statement.clone())).await;
            report.statements.push(statement);
        }
        report.status = run_status(&report.statements);
        let all_ran = report.statements.iter().all(|statement| statement.status != StatementStatus::NotRun);
        if report.status == RunStatus::Succeeded && !all_ran {
            let error = cancelled();
            report.status = RunStatus::Cancelled;
            report.error = Some(error.to_report());
            report.failure = Some(error);
        }
    }
}

/// The run's status: the gravest of its statements'.
fn run_status(statements: &[StatementReport]) -> RunStatus {
    let any = |status: StatementStatus| statements.iter().any(|statement| statement.status == status);
    if any(StatementStatus::Unknown) {
        RunStatus::Unknown
    } else if any(StatementStatus::PartlyCommitted) {
        RunStatus::PartlyCommitted
    } else if any(StatementStatus::Cancelled) {
        RunStatus::Cancelled
    } else if any(StatementStatus::RolledBack) {
        RunStatus::RolledBack
    } else if any(StatementStatus::Failed) {
        RunStatus::Failed
    } else {
        RunStatus::Succeeded
    }
}

/// What a statement runs with.
pub(crate) struct Context {
    scope: Scope,
    events: Events,
    stop: CancellationToken,
    run_id: String,
    job: String,
    recorder: Recorder,
    resumed: Arc<Resumed>,
}

impl Context {
    /// Runs one statement; the error is also in its report.
    async fn run_step(&mut self, step: &Step) -> (StatementReport, Option<SynclineError>) {
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
    async fn until_stopped<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(cancelled()),
            result = work => result,
        }
    }

    async fn warn(&self, report: &mut StatementReport, message: String) {
        report.warnings.push(message.clone());
        self.events.warn(report.index, message).await;
    }

    fn plan_context(&self, rejects: Option<Arc<dyn RejectLog>>) -> PlanContext {
        let shared = &self.scope.engine.shared;
        PlanContext {
            runtime: Arc::clone(&shared.runtime),
            timezone: shared.timezone.name.clone(),
            rejects,
            clean_up: shared.clean_up.clone(),
            settings: self.scope.write_settings(),
        }
    }

    fn rejects(&self, report: &StatementReport) -> StatementRejects {
        let path = self.scope.engine.shared.state.rejects_file(&self.run_id, report.index);
        if let Some(path) = path.as_ref().filter(|_| self.resumed.last_attempt(report.index) > 0) {
            // those of the attempt before; there may have been none
            let _ = std::fs::remove_file(path);
        }
        StatementRejects::new(path, report.index)
    }

    /// Before the first write.
    fn record_run(&self) -> Result<()> {
        self.recorder.record()
    }

    /// Who writes in a statement: in a resumed run the attempt after the last one.
    fn write_id(&self, statement: u32) -> WriteId {
        let attempt = self.resumed.last_attempt(statement) + 1;
        WriteId { job: self.job.clone(), run: self.run_id.clone(), statement, attempt }
    }

    /// Records the end of a statement, with the attempt that has ended. What the statement did stands, whether or not that works.
    async fn record_end(&self, report: &mut StatementReport, ended_attempt: Option<u32>) {
        if let Err(error) = self.recorder.end_statement(report.index, report.status, ended_attempt) {
            self.warn(
                report,
                format!("the end of the statement is not recorded, --resume would look at it again: {error}"),
            )
            .await;
        }
    }

    fn ticks(&self) -> Interval {
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
