//! One run: locks, reading, checking names, then statement after statement, and the report.

use std::sync::Arc;
use std::time::Instant;

use syncline_sql::{Clocks, RunNames, Statement};
use tokio_util::sync::CancellationToken;

use super::check::{self, Reader};
use super::context::Context;
use super::emptied_tables::{self, Warning};
use super::events::Events;
use super::recorder::Recorder;
use super::resume::{self, EarlierRun, Resumed};
use super::step::Step;
use super::{Request, cancelled};
use crate::engine::Engine;
use crate::error::Result;
use crate::report::{RunReport, RunStatus, StatementReport, StatementStatus};
use crate::run::{RunEvent, Script};
use crate::scope::Scope;
use crate::state::{JobLock, RunInputs, RunLock, RunRecord, fingerprint};

/// A run that is about to start.
pub(super) struct Runner {
    pub(super) run_id: String,
    pub(super) events: Events,
    pub(super) stop: CancellationToken,
    pub(super) started: Instant,
    pub(super) request: Request,
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
    /// Runs to the end, whichever it is.
    pub(super) async fn run(self) -> RunReport {
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
        let of_script = || self.request.scripts.first().map_or("query", Script::short_name).to_owned();
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
        if !options.interactive {
            for Warning { step, message } in emptied_tables::warnings(&steps, &scopes) {
                self.events.warn(step, message.clone()).await;
                report.warnings.push(message);
            }
        }
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
        let scope_of = |script: &Script| {
            let mut scope = begin.for_script(script);
            let (node, task) = (script.short_name().to_owned(), self.run_id.clone());
            scope.parameters.set_run(RunNames { job: report.job.clone(), node, task });
            scope
        };
        let scopes: Vec<Scope> = self.request.scripts.iter().map(scope_of).collect();

        let mut reader = Reader::new(resumed);
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
pub(super) fn run_status(statements: &[StatementReport]) -> RunStatus {
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
