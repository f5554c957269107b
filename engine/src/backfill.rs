//! Backfill: the same job once for each business day of a range, several days at a time if asked, with one summary.
//!
//! Each day is a run of its own, with its own run id, job lock, parameters and report; `--resume` knows it by that id. All days share the
//! engine, and so its memory limit and the speed limits of its catalogs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures::StreamExt;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use syncline_connectors::error::ErrorCode;
use syncline_sql::{parse_bizdate, parse_time_of_day};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::{Result, SynclineError, codes};
use crate::report::{ErrorReport, RunReport, RunStatus, StatementReport};
use crate::run::{RunEvent, RunOptions, RunStopper, Script};
use crate::session::Session;

/// Events that may wait for the caller; few, as those of a run.
const WAITING_EVENTS: usize = 8;

/// Business days from the first to the last, both of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusinessDays {
    first: Date,
    last: Date,
}

impl BusinessDays {
    /// The longest range: ten years of days, so that a mistyped century does not start forty thousand runs.
    pub const MOST: usize = 3_660;

    /// Reads `20240801..20240807` or `2024-08-01..2024-08-07`; None for a text that is no range.
    ///
    /// # Errors
    /// A part is no date, the first day is behind the last, or there are more than [`MOST`](Self::MOST) days.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let Some((first, last)) = text.split_once("..") else { return Ok(None) };
        let (first, last) = (parse_bizdate(first.trim())?, parse_bizdate(last.trim())?);
        let usage = |message: String| SynclineError::new(codes::USAGE, message);
        if first > last {
            let (first, last) = (text_of(first), text_of(last));
            return Err(usage(format!("the business dates {first}..{last} begin behind their end"))
                .hint(format!("write {last}..{first}; --descending runs the days from the last to the first")));
        }
        let days = Self { first, last };
        if days.count() > Self::MOST {
            return Err(usage(format!("{} business dates are more than {}", days.count(), Self::MOST))
                .hint("run a shorter range at a time"));
        }
        Ok(Some(days))
    }

    /// The first day, `yyyymmdd`.
    pub fn first(&self) -> String {
        text_of(self.first)
    }

    /// The last day, `yyyymmdd`.
    pub fn last(&self) -> String {
        text_of(self.last)
    }

    /// How many days there are, at least one.
    pub fn count(&self) -> usize {
        let days = self.first.until(self.last).map_or(0, |span| span.get_days());
        usize::try_from(days).unwrap_or(0) + 1
    }

    /// The days as `yyyymmdd`, in the order in which they run.
    fn in_order(&self, descending: bool) -> Vec<String> {
        let mut days: Vec<String> = self.first.series(1.day()).take(self.count()).map(text_of).collect();
        if descending {
            days.reverse();
        }
        days
    }
}

fn text_of(day: Date) -> String {
    day.strftime("%Y%m%d").to_string()
}

/// What becomes of the other days when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Days that are running end, others are not begun.
    #[default]
    Stop,
    /// All days are run.
    Continue,
}

/// How a range of days is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillOptions {
    parallel: usize,
    descending: bool,
    on_failure: OnFailure,
}

/// One day at a time, from the first to the last, up to the first that fails.
impl Default for BackfillOptions {
    fn default() -> Self {
        Self { parallel: 1, descending: false, on_failure: OnFailure::Stop }
    }
}

impl BackfillOptions {
    /// The most days at a time.
    pub const MOST_PARALLEL: usize = 64;

    /// How many days run at a time, 1 to [`MOST_PARALLEL`](Self::MOST_PARALLEL).
    #[must_use]
    pub fn parallel(mut self, days: usize) -> Self {
        self.parallel = days;
        self
    }

    /// Runs the last day first.
    #[must_use]
    pub fn descending(mut self, descending: bool) -> Self {
        self.descending = descending;
        self
    }

    /// What becomes of the other days when one fails.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }
}

/// What happens in a backfill.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "few events exist at once: the channel holds eight")]
pub enum BackfillEvent {
    /// The run of a day has started.
    DayStarted {
        /// The business date, `yyyymmdd`.
        bizdate: String,
        /// The run's id.
        run_id: String,
    },
    /// Something happened in the run of a day. Result sets of several days come one after another, never mixed.
    Run {
        /// The business date, `yyyymmdd`.
        bizdate: String,
        /// What happened.
        event: RunEvent,
    },
    /// The run of a day has ended, whichever way.
    DayFinished(Box<RunReport>),
}

/// How a backfill went: what `--report json` prints. Names and values are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct BackfillReport {
    /// The range and its days.
    pub backfill: DaysReport,
    /// The job's name.
    pub job: String,
    /// The gravest status of the days.
    pub status: RunStatus,
    /// Seconds from start to end.
    pub seconds: f64,
    /// The error that kept all days from being run; errors of days are in their reports.
    pub error: Option<ErrorReport>,
    /// The reports of the days that were run, in the order in which they were begun.
    pub runs: Vec<RunReport>,
    /// The error with its place, for rendering.
    #[serde(skip)]
    pub failure: Option<SynclineError>,
}

/// The days of a backfill.
#[derive(Debug, Clone, Serialize)]
pub struct DaysReport {
    /// The first business date of the range, `yyyymmdd`.
    pub first: String,
    /// The last business date of the range, `yyyymmdd`.
    pub last: String,
    /// How many days were to run at a time.
    pub parallel: usize,
    /// Whether the last day was to be the first.
    pub descending: bool,
    /// What was to become of the other days when one fails.
    pub on_failure: OnFailure,
    /// Every day, in the order asked for.
    pub days: Vec<DayReport>,
}

/// One day of a backfill.
#[derive(Debug, Clone, Serialize)]
pub struct DayReport {
    /// The business date, `yyyymmdd`.
    pub bizdate: String,
    /// The run's id; None if the day was not run.
    pub run_id: Option<String>,
    /// How the run ended; None, printed as `not_run`, if the day was not run.
    #[serde(serialize_with = "status_or_not_run")]
    pub status: Option<RunStatus>,
    /// Rows that were read, over all statements.
    pub rows_read: Option<u64>,
    /// Rows that were written, over all statements.
    pub rows_written: Option<u64>,
    /// Rows that were left out, over all statements.
    pub rows_rejected: Option<u64>,
    /// Seconds from the run's start to its end.
    pub seconds: Option<f64>,
}

fn status_or_not_run<S: Serializer>(status: &Option<RunStatus>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    match status {
        Some(status) => status.serialize(serializer),
        None => serializer.serialize_str("not_run"),
    }
}

impl DayReport {
    fn of(bizdate: String, run: Option<&RunReport>) -> Self {
        let sum = |field: fn(&StatementReport) -> Option<u64>| {
            run.map(|run| run.statements.iter().filter_map(field).sum::<u64>())
        };
        Self {
            bizdate,
            run_id: run.map(|run| run.run_id.clone()),
            status: run.map(|run| run.status),
            rows_read: sum(|statement| statement.rows_read),
            rows_written: sum(|statement| statement.rows_written),
            rows_rejected: sum(|statement| statement.rows_rejected),
            seconds: run.map(|run| run.seconds),
        }
    }
}

impl BackfillReport {
    /// The report of a backfill of which no day could be begun.
    pub(crate) fn not_started(
        job: String,
        days: BusinessDays,
        options: &BackfillOptions,
        error: SynclineError,
    ) -> Self {
        let order = days.in_order(options.descending);
        Self {
            backfill: DaysReport::of(days, options, order.into_iter().map(|day| DayReport::of(day, None)).collect()),
            job,
            status: RunStatus::Failed,
            seconds: 0.0,
            error: Some(error.to_report()),
            runs: Vec::new(),
            failure: Some(error),
        }
    }

    /// The process's exit code: that of the gravest day. 3 if a day is partly committed or its outcome unknown; 130 if days were cancelled
    /// (143 is the command line's to choose); 1 if one failed; 2 if all that was tried ended before its first statement with a mistake of
    /// usage, syntax, parameters or names; else 0.
    pub fn exit_code(&self) -> u8 {
        let codes: Vec<u8> = self.runs.iter().map(RunReport::exit_code).collect();
        let has = |code: u8| codes.contains(&code);
        match &self.failure {
            Some(error) if error.is_usage() => 2,
            Some(_) => 1,
            None if has(3) => 3,
            None if self.status == RunStatus::Cancelled => 130,
            None if has(1) => 1,
            None if has(2) && has(0) => 1,
            None if has(2) => 2,
            None => 0,
        }
    }
}

impl DaysReport {
    fn of(range: BusinessDays, options: &BackfillOptions, days: Vec<DayReport>) -> Self {
        Self {
            first: range.first(),
            last: range.last(),
            parallel: options.parallel,
            descending: options.descending,
            on_failure: options.on_failure,
            days,
        }
    }
}

/// A backfill in progress: events that must be read (the runs wait when nobody does), then its report. Dropping it stops all days.
#[derive(Debug)]
pub struct Backfill {
    events: mpsc::Receiver<BackfillEvent>,
    report: oneshot::Receiver<BackfillReport>,
    stop: CancellationToken,
}

impl Backfill {
    /// The next event; None when all days have ended.
    pub async fn next(&mut self) -> Option<BackfillEvent> {
        self.events.recv().await
    }

    /// Waits for the end, letting go of events that were not read.
    ///
    /// # Errors
    /// The engine was taken down.
    pub async fn report(mut self) -> Result<BackfillReport> {
        while self.events.recv().await.is_some() {}
        let gone =
            || SynclineError::new(ErrorCode::Internal.code(), "the engine was taken down before all days had run");
        (&mut self.report).await.map_err(|_| gone())
    }

    /// A handle that stops all days from elsewhere: those that run roll back, the others are not begun.
    pub fn stopper(&self) -> RunStopper {
        RunStopper::new(self.stop.clone())
    }
}

impl Drop for Backfill {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts the days in a task that the engine owns.
pub(crate) fn start(
    session: &Session,
    scripts: Vec<Script>,
    days: BusinessDays,
    options: RunOptions,
    backfill: BackfillOptions,
) -> Result<Backfill> {
    let usage = |message: String, hint: &str| Err(SynclineError::new(codes::USAGE, message).hint(hint));
    if let Some(run_id) = &options.resume {
        return usage(
            format!("run {run_id} is of one business date and cannot be resumed as a range of them"),
            "resume each run by its own id, or run the range again",
        );
    }
    if !(1..=BackfillOptions::MOST_PARALLEL).contains(&backfill.parallel) {
        return usage(
            format!("{} days at a time cannot be run", backfill.parallel),
            &format!("choose 1 to {}", BackfillOptions::MOST_PARALLEL),
        );
    }
    if let Some(cyctime) = options.cyctime.as_ref().filter(|time| parse_time_of_day(time).is_none()) {
        return usage(
            format!(
                "the planned time {} is that of one day, and a range has many",
                syncline_sql::escape_control(cyctime)
            ),
            "give the time of day at which each is planned, such as --cyctime 00:30:00",
        );
    }
    let runtime = tokio::runtime::Handle::try_current()
        .map_err(|_| SynclineError::new(ErrorCode::Internal.code(), "a backfill is started within a tokio runtime"))?;
    let shared = &session.engine().shared;
    let stop = shared.stop.child_token();
    let (sender, events) = mpsc::channel(WAITING_EVENTS);
    let (report_sender, report) = oneshot::channel();
    let driver = Driver {
        session: session.clone(),
        scripts,
        days,
        options,
        backfill,
        events: sender,
        results: Mutex::new(()),
        has_failed: AtomicBool::new(false),
        stop: stop.clone(),
    };
    shared.runs.lock().spawn_on(
        async move {
            // the caller may be gone: then nobody wants the report
            let _ = report_sender.send(driver.run().await);
        },
        &runtime,
    );
    Ok(Backfill { events, report, stop })
}

/// Runs the days and passes on what happens in them.
struct Driver {
    session: Session,
    scripts: Vec<Script>,
    days: BusinessDays,
    options: RunOptions,
    backfill: BackfillOptions,
    events: mpsc::Sender<BackfillEvent>,
    /// Held by the day whose result set is passed on.
    results: Mutex<()>,
    has_failed: AtomicBool,
    stop: CancellationToken,
}

impl Driver {
    async fn run(self) -> BackfillReport {
        let started = Instant::now();
        let order = self.days.in_order(self.backfill.descending);
        let driver = &self;
        let days = order.iter().enumerate().map(|(place, day)| async move { (place, driver.day(day).await) });
        let days: Vec<_> = days.collect();
        let mut ended: Vec<(usize, Option<RunReport>)> =
            futures::stream::iter(days).buffer_unordered(self.backfill.parallel).collect().await;
        ended.sort_by_key(|(place, _)| *place);
        let days = order.iter().zip(&ended).map(|(day, (_, run))| DayReport::of(day.clone(), run.as_ref())).collect();
        let all_ran = ended.iter().all(|(_, run)| run.is_some());
        let runs: Vec<RunReport> = ended.into_iter().filter_map(|(_, run)| run).collect();
        BackfillReport {
            backfill: DaysReport::of(self.days, &self.backfill, days),
            job: self.job(),
            status: status(&runs, self.stop.is_cancelled() && !all_ran),
            seconds: started.elapsed().as_secs_f64(),
            error: None,
            runs,
            failure: None,
        }
    }

    fn job(&self) -> String {
        let of_script = || self.scripts.first().map_or("query", Script::short_name).to_owned();
        self.options.job_name.clone().unwrap_or_else(of_script)
    }

    /// Runs one day; None if it is not begun.
    async fn day(&self, bizdate: &str) -> Option<RunReport> {
        let ends_early = self.backfill.on_failure == OnFailure::Stop && self.has_failed.load(Ordering::Acquire);
        if ends_early || self.stop.is_cancelled() {
            return None;
        }
        let options = self.options.clone().bizdate(bizdate);
        let mut run = match self.session.start_jobs(self.scripts.clone(), options) {
            Ok(run) => run,
            // an engine that is being shut down starts no run
            Err(_) if self.stop.is_cancelled() => return None,
            Err(error) => return Some(self.ended(self.lost(bizdate, "", &error)).await),
        };
        let stopper = run.stopper();
        let bizdate = bizdate.to_owned();
        let run_id = run.run_id().to_owned();
        self.send(BackfillEvent::DayStarted { bizdate: bizdate.clone(), run_id: run_id.clone() }).await;
        let mut is_stopped = false;
        let mut turn = None;
        loop {
            let event = tokio::select! {
                biased;
                () = self.stop.cancelled(), if !is_stopped => {
                    stopper.stop();
                    is_stopped = true;
                    continue;
                }
                event = run.next() => event,
            };
            let Some(event) = event else { break };
            if matches!(event, RunEvent::ResultSchema { .. }) && turn.is_none() {
                turn = tokio::select! {
                    biased;
                    () = self.stop.cancelled() => None,
                    turn = self.results.lock() => Some(turn),
                };
            }
            let is_of_result = matches!(
                event,
                RunEvent::ResultSchema { .. } | RunEvent::ResultBatch { .. } | RunEvent::ResultEnd { .. }
            );
            if is_of_result && turn.is_none() {
                continue;
            }
            let is_end = matches!(event, RunEvent::ResultEnd { .. });
            self.send(BackfillEvent::Run { bizdate: bizdate.clone(), event }).await;
            if is_end {
                turn = None;
            }
        }
        drop(turn);
        let report = run.report().await.unwrap_or_else(|_| {
            let message = format!("run {run_id} of {bizdate} ended without a report; what it has written is not known");
            let error = SynclineError::new(ErrorCode::Internal.code(), message);
            self.lost(&bizdate, &run_id, &error.hint("look at what is in its targets, and run the day again"))
        });
        Some(self.ended(report).await)
    }

    async fn ended(&self, report: RunReport) -> RunReport {
        if report.status != RunStatus::Succeeded {
            self.has_failed.store(true, Ordering::Release);
        }
        self.send(BackfillEvent::DayFinished(Box::new(report.clone()))).await;
        report
    }

    /// The report of a day that has none of its own. It counts as failed.
    fn lost(&self, bizdate: &str, run_id: &str, error: &SynclineError) -> RunReport {
        RunReport {
            run_id: run_id.to_owned(),
            job: self.job(),
            status: RunStatus::Failed,
            bizdate: bizdate.to_owned(),
            cyctime: self.options.cyctime.clone().unwrap_or_default(),
            timezone: String::new(),
            seconds: 0.0,
            error: Some(error.to_report()),
            statements: Vec::new(),
            warnings: Vec::new(),
            can_resume: false,
            nothing_ran: run_id.is_empty(),
            failure: Some(error.clone()),
        }
    }

    /// A caller that has gone away stops the days.
    async fn send(&self, event: BackfillEvent) {
        if self.events.send(event).await.is_err() {
            self.stop.cancel();
        }
    }
}

/// The gravest status. `is_cut` says that days were not begun because all was stopped.
fn status(runs: &[RunReport], is_cut: bool) -> RunStatus {
    let any = |status: RunStatus| runs.iter().any(|run| run.status == status);
    let gravest = [RunStatus::Unknown, RunStatus::PartlyCommitted, RunStatus::Cancelled];
    let milder = [RunStatus::RolledBack, RunStatus::Failed];
    match gravest.into_iter().find(|status| any(*status)) {
        Some(status) => status,
        None if is_cut => RunStatus::Cancelled,
        None => milder.into_iter().find(|status| any(*status)).unwrap_or(RunStatus::Succeeded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_day_whose_run_is_lost_has_failed() {
        let engine = crate::Engine::builder().build().await.unwrap();
        let (events, mut received) = mpsc::channel(1);
        let driver = Driver {
            session: engine.session(),
            scripts: vec![Script::new("job.sql", "SELECT 1")],
            days: BusinessDays::parse("20240801..20240802").unwrap().unwrap(),
            options: RunOptions::default(),
            backfill: BackfillOptions::default(),
            events,
            results: Mutex::new(()),
            has_failed: AtomicBool::new(false),
            stop: CancellationToken::new(),
        };
        let lose = async {
            while let Some(event) = received.recv().await {
                // as a panic in it does
                if let BackfillEvent::DayStarted { .. } = event {
                    engine.shared.runs.lock().abort_all();
                }
            }
        };
        let (report, ()) = tokio::join!(driver.run(), lose);
        let days: Vec<_> = report.backfill.days.iter().map(|day| day.status).collect();
        assert_eq!(days, [Some(RunStatus::Failed), None]);
        assert_eq!((report.status, report.exit_code()), (RunStatus::Failed, 1));
        assert!(report.runs[0].error.as_ref().unwrap().message.contains("ended without a report"));
    }

    #[test]
    fn a_range_is_read_in_both_spellings_and_counts_both_ends() {
        for text in ["20240228..20240302", "2024-02-28..2024-03-02", "20240228..2024-03-02"] {
            let days = BusinessDays::parse(text).unwrap().unwrap();
            assert_eq!(days.count(), 4, "{text}");
            assert_eq!(days.in_order(false), ["20240228", "20240229", "20240301", "20240302"]);
            assert_eq!(days.in_order(true), ["20240302", "20240301", "20240229", "20240228"]);
        }
        assert_eq!(BusinessDays::parse("20240807..20240807").unwrap().unwrap().count(), 1);
        assert_eq!(BusinessDays::parse("20240807").unwrap(), None);
        assert_eq!(BusinessDays::parse("$[yyyymmdd-1]").unwrap(), None);
    }

    #[test]
    fn a_range_that_cannot_be_meant_is_refused_with_the_way_out() {
        for (text, message) in [
            ("20240807..20240801", "write 20240801..20240807; --descending runs the days from the last to the first"),
            ("20240801..", "bizdate '' is no valid value"),
            ("..20240801", "bizdate '' is no valid value"),
            ("20240801..20240832", "bizdate '20240832' is no valid value"),
            ("20240801..20240802..20240803", "is no valid value"),
            ("19240801..20240801", "36526 business dates are more than 3660"),
        ] {
            let error = BusinessDays::parse(text).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(message), "{text}: {error}");
        }
        assert_eq!(BusinessDays::parse("20140101..20240107").unwrap().unwrap().count(), 3_659);
    }
}
