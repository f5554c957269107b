//! `--resume`: goes on with a run that was cut off or failed. First what it left open is ended, forward if its commit was decided and back
//! otherwise; then its statements run again, less those that are done. Nothing is skipped because a label exists.

use std::collections::BTreeMap;
use std::time::Duration;

use syncline_connectors::ConnectorError;
use syncline_connectors::error::ErrorCode;
use syncline_connectors::file_sink;
use syncline_connectors::options::nearest;
use syncline_connectors::sink::{OpenAttempt, Recovered, WriteSummary};
use syncline_sql::Clocks;
use tokio_util::sync::CancellationToken;

use super::cancelled;
use super::partitions;
use super::recorder::Recorder;
use super::step::{NamesCheck, Step};
use crate::engine::Engine;
use crate::error::{Result, SynclineError, codes};
use crate::external_table::located;
use crate::report::{RunReport, StatementReport, StatementStatus};
use crate::run::RunOptions;
use crate::scope::{SYNCLINE, Scope};
use crate::state::{RunProgress, RunRecord, StateStore, StoredRun};

/// How long a run that left something open is worth a warning: StarRocks keeps labels for three days (`label_keep_max_second`), after which
/// what it left has ended by its own timeout.
const LABELS_ARE_KEPT: Duration = Duration::from_secs(3 * 24 * 3600);
/// How long the end of one attempt may take; the connectors bound their own waits below that.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(600);

/// A run of the state folder that is to be resumed.
pub(super) struct EarlierRun {
    run: StoredRun,
}

impl EarlierRun {
    /// Finds the run; the error says which runs there are.
    pub(super) fn find(engine: &Engine, run_id: &str, job: &str) -> Result<Self> {
        let state = &engine.shared.state;
        let Some(run) = state.run(run_id)? else {
            let error = SynclineError::new(codes::RESUME, format!("there is no run \"{run_id}\" to resume"));
            let known = state.run_ids()?;
            let near = nearest(run_id, known.iter().map(String::as_str));
            let last = state.last_run(job)?.map(|last| {
                format!(
                    "the last run of job {job} is {} ({}, started {})",
                    last.record.run_id, last.status, last.started_at
                )
            });
            let hint = match (near, last) {
                (Some(near), Some(last)) => format!("did you mean {near}? {last}"),
                (Some(near), None) => format!("did you mean {near}?"),
                (None, Some(last)) => last,
                (None, None) => format!("no run of job {job} is recorded here; --state-dir names another state folder"),
            };
            return Err(error.hint(hint));
        };
        if run.record.job != job {
            return Err(refused(&run.record, &[format!("it is one of job {}, not of job {job}", run.record.job)]));
        }
        Ok(Self { run })
    }

    /// The clock of the run. One that the options give must be the same.
    pub(super) fn clocks(&self, engine: &Engine, options: &RunOptions) -> Result<Clocks> {
        let record = &self.run.record;
        let mut differences = Vec::new();
        let timezone = &engine.shared.timezone;
        if timezone.name != record.timezone || timezone.forced != record.inputs.timezone_is_forced {
            let given = |forced: bool| if forced { "given to it" } else { "that of the config or the system" };
            differences.push(format!(
                "its time zone was {} ({}), now it is {} ({})",
                record.timezone,
                given(record.inputs.timezone_is_forced),
                timezone.name,
                given(timezone.forced)
            ));
        }
        let zone = crate::clock::zone(&record.timezone)?;
        let now = jiff::Timestamp::now();
        let given = Clocks::new(options.bizdate.as_deref(), options.cyctime.as_deref(), zone.clone(), now)?;
        if options.bizdate.is_some() && given.bizdate_text() != record.bizdate {
            differences.push(format!("its business date was {}, not {}", record.bizdate, given.bizdate_text()));
        }
        let cyctime = given.cyctime.strftime("%Y-%m-%d %H:%M:%S").to_string();
        if options.cyctime.is_some() && cyctime != record.cyctime {
            differences.push(format!("its planned time was {}, not {cyctime}", record.cyctime));
        }
        if !differences.is_empty() {
            return Err(refused(record, &differences));
        }
        Ok(Clocks::new(Some(&record.bizdate), Some(&record.cyctime), zone, now)?)
    }
}

/// The error of a run that cannot be resumed as asked.
fn refused(record: &RunRecord, why: &[String]) -> SynclineError {
    SynclineError::new(codes::RESUME, format!("run {} cannot go on like this: {}", record.run_id, why.join("; "))).hint(
        "resume it with what it was started with, or start a new run: what this one had not committed is not there",
    )
}

/// What an earlier process has done of this run; empty in a run that is not resumed.
#[derive(Default)]
pub(super) struct Resumed {
    earlier: Option<StoredRun>,
    progress: RunProgress,
    /// The scopes in which statements with an open attempt run: they know the catalog that was written to.
    scopes: BTreeMap<u32, Scope>,
    /// What recovery found committed.
    committed: BTreeMap<u32, Committed>,
    /// What the user should know of a statement that runs again.
    notes: BTreeMap<u32, Vec<String>>,
}

/// A write that the earlier process had committed, or decided to.
struct Committed {
    attempt: OpenAttempt,
    summary: WriteSummary,
}

/// A statement whose open attempt could not be ended.
pub(super) struct NotEnded {
    statement: u32,
    write_mode: String,
    error: SynclineError,
}

impl Resumed {
    /// How far the run got. Its lock is held, so that nobody else goes on with it.
    pub(super) fn load(state: &StateStore, earlier: EarlierRun) -> Result<Self> {
        let run_id = &earlier.run.record.run_id;
        let progress = state.run_progress(run_id)?;
        // its status as well may have changed since it was found
        let run = state.run(run_id)?.unwrap_or(earlier.run);
        let has_attempt = |statement: &u32| progress.open.iter().any(|open| open.attempt.id.statement == *statement);
        let note = "it was running when the run ended, and how far it got is not known: it runs again";
        let begun = progress.begun.iter().filter(|statement| !has_attempt(statement));
        let notes = begun.map(|statement| (*statement, vec![note.to_owned()])).collect();
        Ok(Self { earlier: Some(run), progress, notes, ..Self::default() })
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.earlier.is_some()
    }

    /// Whether there is nothing left to do.
    pub(super) fn has_succeeded(&self) -> bool {
        self.earlier.as_ref().is_some_and(|run| run.status == "succeeded")
    }

    /// Scripts, parameters and profile must be those that the run was started with; the error says what differs.
    pub(super) fn must_be_of(&self, now: &RunRecord) -> Result<()> {
        let Some(StoredRun { record: then, .. }) = &self.earlier else { return Ok(()) };
        let mut differences = Vec::new();
        let (scripts, scripts_now) = (&then.inputs.scripts, &now.inputs.scripts);
        if scripts.len() != scripts_now.len() {
            differences.push(format!("it had {} scripts, now there are {}", scripts.len(), scripts_now.len()));
        } else {
            let pairs = scripts.iter().zip(scripts_now);
            let changed = pairs.filter(|((_, then), (_, now))| then != now);
            differences.extend(changed.map(|(_, (name, _))| format!("the script {name} has changed since")));
        }
        let (parameters, parameters_now) = (&then.inputs.parameters, &now.inputs.parameters);
        for (name, value) in parameters {
            match parameters_now.get(name) {
                None => differences.push(format!("it was given a parameter {name}, which is missing")),
                Some(now) if now != value => differences.push(format!("its parameter {name} had another value")),
                Some(_) => {}
            }
        }
        let added = parameters_now.keys().filter(|name| !parameters.contains_key(*name));
        differences.extend(added.map(|name| format!("it was not given a parameter {name}")));
        if then.inputs.profile != now.inputs.profile {
            let name = |profile: &Option<String>| profile.clone().unwrap_or_else(|| "none".to_owned());
            differences.push(format!(
                "its profile was {}, not {}",
                name(&then.inputs.profile),
                name(&now.inputs.profile)
            ));
        }
        if differences.is_empty() && then.fingerprint != now.fingerprint {
            differences.push(
                "its statements read otherwise: a file of SOURCE or a parameter of the config has changed".to_owned(),
            );
        }
        if differences.is_empty() { Ok(()) } else { Err(refused(then, &differences)) }
    }

    /// Keeps the scope in which a statement runs, if its attempt must be ended first.
    pub(super) fn keep_scope(&mut self, statement: u32, scope: &Scope) {
        if self.progress.open.iter().any(|open| open.attempt.id.statement == statement) {
            self.scopes.insert(statement, scope.clone());
        }
    }

    /// Whether a statement is not run again: it is done, and its effect outlives the session.
    pub(super) fn is_done(&self, step: &Step) -> bool {
        step.is_lasting() && (self.progress.finished.contains(&step.index) || self.committed.contains_key(&step.index))
    }

    /// The report of a statement that is not run again.
    pub(super) fn report_of(&self, step: &Step) -> Option<StatementReport> {
        if let Some(Committed { attempt, summary }) = self.committed.get(&step.index) {
            return Some(committed_report(step, attempt, summary));
        }
        self.is_done(step).then(|| step.report(StatementStatus::Skipped))
    }

    /// The report of a dry run.
    pub(super) fn dry_report(&self, step: &Step) -> StatementReport {
        if self.is_done(step) {
            return step.report(StatementStatus::Skipped);
        }
        let mut report = match &step.names {
            NamesCheck::Done => step.report(StatementStatus::Checked),
            NamesCheck::Deferred(why) => {
                let mut report = step.report(StatementStatus::NotChecked);
                report.warnings.push(why.clone());
                report
            }
        };
        if let Some(open) = self.progress.open.iter().find(|open| open.attempt.id.statement == step.index) {
            let AttemptState { direction, attempt } = AttemptState::of(open);
            report.warnings.push(format!("{attempt} is open: it is {direction} first"));
        }
        report.warnings.extend(self.notes(step.index));
        report
    }

    /// Fails if a later run has done what this one would do again: the rows would be there twice.
    pub(super) fn must_be_the_last(&self, state: &StateStore, steps: &[Step]) -> Result<()> {
        let is_left = steps.iter().any(|step| step.is_lasting() && !self.is_done(step));
        let Some(earlier) = self.earlier.as_ref().filter(|_| is_left) else { return Ok(()) };
        let Some(later) = state.later_success(earlier)? else { return Ok(()) };
        let message = format!(
            "run {} does not go on: run {later} of the same statements, for the same business date, has succeeded since",
            earlier.record.run_id
        );
        let hint = "only what the run left open is ended; --allow-concurrent runs the rest all the same, which writes the rows of both runs";
        Err(SynclineError::new(codes::RESUME, message).hint(hint))
    }

    /// What the user should know of a statement when it runs again.
    pub(super) fn notes(&self, statement: u32) -> Vec<String> {
        self.notes.get(&statement).cloned().unwrap_or_default()
    }

    /// The number of the last attempt of a statement; 0 if it had none.
    pub(super) fn last_attempt(&self, statement: u32) -> u32 {
        self.progress.attempts.get(&statement).copied().unwrap_or(0)
    }

    /// Whether a table that a statement makes and that is there may be the statement's own: it had begun to make it, and no end of that is
    /// recorded, or it had begun to fill it, and has not dropped it again.
    pub(super) fn may_have_made(&self, statement: u32) -> bool {
        let is_left = !self.progress.undone.contains(&statement);
        is_left && (self.progress.begun.contains(&statement) || self.last_attempt(statement) > 0)
    }

    /// Ends every attempt that the earlier process left open. All are tried, so that as little as possible stays open.
    pub(super) async fn end_open_attempts(
        &mut self,
        recorder: &Recorder,
        stop: &CancellationToken,
    ) -> Result<(), Vec<NotEnded>> {
        let mut not_ended = Vec::new();
        for open in std::mem::take(&mut self.progress.open) {
            let recovered = tokio::select! {
                biased;
                () = stop.cancelled() => Err(cancelled()),
                recovered = self.recover(&open) => recovered,
            };
            let id = &open.attempt.id;
            let attempt = AttemptState::of(&open).attempt;
            let (status, recovered) = match recovered {
                Ok(recovered @ Recovered::Committed(_)) => (StatementStatus::Succeeded, recovered),
                Ok(recovered @ Recovered::RolledBack) => (StatementStatus::RolledBack, recovered),
                Err(error) => {
                    let write_mode = open.attempt.write_mode.clone();
                    not_ended.push(NotEnded { statement: id.statement, write_mode, error });
                    continue;
                }
            };
            if let Err(error) = recorder.end_statement(id.statement, status, Some(id.attempt)) {
                let write_mode = open.attempt.write_mode.clone();
                not_ended.push(NotEnded { statement: id.statement, write_mode, error });
                continue;
            }
            match recovered {
                Recovered::Committed(summary) => {
                    self.committed.insert(id.statement, Committed { attempt: open, summary });
                }
                Recovered::RolledBack => {
                    let note = format!("{attempt} left nothing: it runs again from the source as it is now");
                    self.notes.entry(id.statement).or_default().push(note);
                }
            }
        }
        if not_ended.is_empty() { Ok(()) } else { Err(not_ended) }
    }

    async fn recover(&self, open: &OpenAttempt) -> Result<Recovered> {
        let catalog = &open.attempt.catalog;
        let scope = self.scopes.get(&open.attempt.id.statement).ok_or_else(|| {
            SynclineError::new(codes::RESUME, format!("the script has no statement {}", open.attempt.id.statement))
        })?;
        let recovery = async {
            if catalog != SYNCLINE {
                let recovered = scope.remote(catalog)?.recover(open).await?;
                return if self.labels_may_be_forgotten(open, &recovered) {
                    Err(forgotten(open))
                } else {
                    Ok(recovered)
                };
            }
            let locate = |text: &str| {
                located(text, None, scope).map_err(|error| ConnectorError::new(ErrorCode::Option, error.to_string()))
            };
            let recovered = file_sink::recover(open, &locate).await?;
            if let Recovered::Committed(summary) = &recovered {
                partitions::register(&open.attempt.table, &summary.new_partitions, scope)?;
            }
            Ok(recovered)
        };
        match tokio::time::timeout(RECOVERY_TIMEOUT, recovery).await {
            Ok(recovered) => recovered,
            Err(_) => Err(SynclineError::new(
                ErrorCode::Unknown.code(),
                format!("catalog {catalog}: load {} could not be ended in time", open.attempt.label_prefix),
            )),
        }
    }

    /// Whether "nothing of it is there" may only mean that the server has forgotten the labels. A transaction that nobody decided to commit
    /// was not committed, however long ago that is.
    fn labels_may_be_forgotten(&self, open: &OpenAttempt, recovered: &Recovered) -> bool {
        let was_never_committed = open.attempt.write_mode == "transaction" && open.decision.is_none();
        let started = self.earlier.as_ref().and_then(|run| run.started_at.parse::<jiff::Timestamp>().ok());
        let is_old =
            started.is_some_and(|at| jiff::Timestamp::now().duration_since(at).unsigned_abs() > LABELS_ARE_KEPT);
        is_old && !was_never_committed && matches!(recovered, Recovered::RolledBack)
    }

    /// Reports a run that cannot go on, because what it left open could not be ended: nothing else was run.
    pub(super) fn report_failed(&self, steps: &[Step], not_ended: Vec<NotEnded>, report: &mut RunReport) {
        for step in steps {
            let mut statement = self.report_of(step).unwrap_or_else(|| step.report(StatementStatus::NotRun));
            if let Some(failed) = not_ended.iter().find(|failed| failed.statement == step.index) {
                let error = failed.error.clone().at(step.position.clone());
                statement.status = match error.code() {
                    code if code == ErrorCode::PartlyCommitted.code() => StatementStatus::PartlyCommitted,
                    _ if error.is_cancelled() => StatementStatus::Cancelled,
                    // whatever stood in the way, what the attempt left is not known
                    _ => StatementStatus::Unknown,
                };
                statement.write_mode = Some(failed.write_mode.clone());
                statement.error = Some(error.to_report());
                if report.failure.is_none() {
                    report.error = Some(error.to_report());
                    report.failure = Some(error);
                }
            }
            report.statements.push(statement);
        }
        report.status = super::run_status(&report.statements);
        report.can_resume = is_possible(report);
    }
}

/// An open attempt in words.
struct AttemptState {
    attempt: String,
    direction: &'static str,
}

impl AttemptState {
    fn of(open: &OpenAttempt) -> Self {
        let record = &open.attempt;
        Self {
            attempt: format!("attempt {} ({}, labels {}…)", record.id.attempt, record.write_mode, record.label_prefix),
            direction: if open.decision.is_some() { "finished" } else { "rolled back, unless it is committed," },
        }
    }
}

/// The report of a write that recovery found committed. Counts that it does not know are not told.
fn committed_report(step: &Step, open: &OpenAttempt, summary: &WriteSummary) -> StatementReport {
    let known = |count: u64| Some(count).filter(|count| *count > 0);
    let mut report = step.report(StatementStatus::Succeeded);
    report.rows_written = known(summary.rows_written);
    report.rows_rejected = known(summary.rows_rejected_by_server);
    report.bytes_written = known(summary.bytes_written);
    report.labels.clone_from(&summary.labels);
    let mode = Some(&summary.write_mode).filter(|mode| !mode.is_empty()).unwrap_or(&open.attempt.write_mode);
    report.write_mode = Some(mode.clone());
    report
        .warnings
        .push(format!("{} was decided before the run was cut off, and is committed", AttemptState::of(open).attempt));
    report.warnings.extend(summary.warnings.iter().cloned());
    report
}

/// Whether going on can help: a write in loads or batches that are visible one by one cannot be taken back, nor told from the rest.
pub(super) fn is_possible(report: &RunReport) -> bool {
    use crate::report::RunStatus;
    let is_lost = |statement: &StatementReport| {
        statement.status == StatementStatus::PartlyCommitted
            && matches!(statement.write_mode.as_deref(), Some("plain" | "batches"))
    };
    report.status != RunStatus::Succeeded && !report.statements.iter().any(is_lost)
}

/// The error of an attempt of which the server may know no more.
fn forgotten(open: &OpenAttempt) -> SynclineError {
    let message = format!(
        "catalog {}: whether load {} was committed cannot be known: the run started more than three days ago, and the server keeps labels no longer",
        open.attempt.catalog, open.attempt.label_prefix
    );
    SynclineError::new(ErrorCode::Unknown.code(), message).hint(format!(
        "look whether {}.{} has the rows, then start a new run",
        open.attempt.database, open.attempt.table
    ))
}

/// A warning for earlier runs of the job that left a write open and that nobody has resumed.
pub(super) fn runs_left_open(state: &StateStore, job: &str, run_id: &str) -> Result<Option<String>> {
    let since = jiff::Timestamp::now().checked_sub(LABELS_ARE_KEPT).unwrap_or(jiff::Timestamp::MIN).to_string();
    let runs = state.runs_with_open_attempts(job, &since)?;
    let mut open = runs.iter().filter(|run| run.record.run_id != run_id && !state.is_running(&run.record.run_id));
    let Some(last) = open.next() else { return Ok(None) };
    let more = match open.count() {
        0 => String::new(),
        more => format!(" (and {more} before it)"),
    };
    Ok(Some(format!(
        "run {} of this job, for bizdate {}, was cut off within a write{more}, which this run leaves alone; --resume {} ends it, and goes on with that run unless a later one of the same statements has succeeded",
        last.record.run_id, last.record.bizdate, last.record.run_id
    )))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use syncline_connectors::sink::WriteId;
    use syncline_connectors::sink::journal::AttemptRecord;

    use super::*;
    use crate::state::RunInputs;

    fn record(script: &str, parameters: &[(&str, &str)], profile: Option<&str>) -> RunRecord {
        let parameters: BTreeMap<_, _> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RunRecord {
            run_id: "r1".into(),
            job: "job".into(),
            bizdate: "20240807".into(),
            cyctime: "2024-08-08 00:00:00".into(),
            timezone: "UTC".into(),
            fingerprint: format!("{script}{parameters:?}"),
            inputs: RunInputs {
                scripts: vec![("job.sql".into(), script.into())],
                parameters,
                profile: profile.map(str::to_owned),
                timezone_is_forced: false,
            },
        }
    }

    #[test]
    fn a_label_of_more_than_three_days_ago_that_is_not_known_proves_nothing() {
        let resumed = |days: i64| {
            let started = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
            let run =
                StoredRun { record: record("a", &[], None), status: "running".into(), started_at: started.to_string() };
            Resumed { earlier: Some(run), ..Resumed::default() }
        };
        let open = |write_mode: &str, decision: Option<Vec<String>>| {
            let id = WriteId { job: "job".into(), run: "r1".into(), statement: 1, attempt: 1 };
            let attempt = AttemptRecord {
                id,
                catalog: "sr".into(),
                database: "ods".into(),
                table: "t".into(),
                label_prefix: "job-r1-1-1".into(),
                writers: 1,
                write_mode: write_mode.into(),
                details: String::new(),
            };
            OpenAttempt { attempt, decision }
        };
        let (none, decided) = (Recovered::RolledBack, Some(vec!["job-r1-1-1-0-1".to_owned()]));
        let committed = Recovered::Committed(WriteSummary::default());
        assert!(resumed(4).labels_may_be_forgotten(&open("single", None), &none));
        assert!(resumed(4).labels_may_be_forgotten(&open("transaction", decided), &none));
        assert!(!resumed(2).labels_may_be_forgotten(&open("single", None), &none));
        assert!(!resumed(4).labels_may_be_forgotten(&open("single", None), &committed));
        assert!(!resumed(4).labels_may_be_forgotten(&open("transaction", None), &none));
        assert_eq!(forgotten(&open("single", None)).code(), ErrorCode::Unknown.code());
    }

    #[test]
    fn what_differs_from_the_run_is_said() {
        let earlier = StoredRun {
            record: record("a", &[("x", "1"), ("y", "1")], Some("prod")),
            status: "running".into(),
            started_at: String::new(),
        };
        let resumed = Resumed { earlier: Some(earlier), ..Resumed::default() };
        resumed.must_be_of(&record("a", &[("y", "1"), ("x", "1")], Some("prod"))).unwrap();
        for (now, wanted) in [
            (record("b", &[("x", "1"), ("y", "1")], Some("prod")), "the script job.sql has changed"),
            (record("a", &[("x", "2"), ("y", "1")], Some("prod")), "parameter x had another value"),
            (record("a", &[("x", "1")], Some("prod")), "given a parameter y, which is missing"),
            (record("a", &[("x", "1"), ("y", "1"), ("z", "1")], Some("prod")), "not given a parameter z"),
            (record("a", &[("x", "1"), ("y", "1")], None), "its profile was prod, not none"),
        ] {
            let error = resumed.must_be_of(&now).unwrap_err();
            assert!(error.code() == codes::RESUME && error.message().contains(wanted), "{error}");
        }
        let mut sourced = record("a", &[("x", "1"), ("y", "1")], Some("prod"));
        sourced.fingerprint = "other".into();
        assert!(resumed.must_be_of(&sourced).unwrap_err().message().contains("SOURCE"));
    }
}
