//! `syncline run --bizdate FIRST..LAST`: a run for each business day, followed to its end, and the summary of all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{OnFailureArg, ReportFormat, RunArgs};
use super::drive::CLEAN_UP;
use super::jobs::Jobs;
use super::output::{self, Format, ResultWriter, visible};
use super::progress::{self, PLAIN_EVERY};
use super::report::{self, human_count};
use super::run::{command_again, resume_command};
use super::signals::Signals;
use super::{say, setup};
use crate::error::codes;
use crate::report::{RunReport, RunStatus};
use crate::{
    Backfill, BackfillEvent, BackfillOptions, BackfillReport, BusinessDays, DayReport, Engine, OnFailure, Result,
    RunEvent, SynclineError,
};

/// What stands in the name of `--output` for the business date.
const BIZDATE: &str = "{bizdate}";

/// The range of business dates that a command asks for; None if it asks for one.
pub(super) fn days(args: &RunArgs) -> Result<Option<BusinessDays>> {
    let bizdate = setup::run_options(&args.session).bizdate;
    let days = match &bizdate {
        Some(text) => BusinessDays::parse(text)?,
        None => None,
    };
    let given = [
        (args.parallel.is_some(), "--parallel"),
        (args.descending, "--descending"),
        (args.on_failure.is_some(), "--on-failure"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, option)) if days.is_none() => {
            Err(SynclineError::new(codes::USAGE, format!("{option} is for a range of business dates"))
                .hint("give one, such as --bizdate 20240801..20240807"))
        }
        _ => Ok(days),
    }
}

/// Runs all days and reports.
pub(super) async fn run(args: &RunArgs, job: &str, days: BusinessDays) -> u8 {
    let on_failure = match args.on_failure {
        Some(OnFailureArg::Continue) => OnFailure::Continue,
        Some(OnFailureArg::Stop) | None => OnFailure::Stop,
    };
    let options = BackfillOptions::default()
        .parallel(usize::from(args.parallel.unwrap_or(1)))
        .descending(args.descending)
        .on_failure(on_failure);
    let not_started = |error: SynclineError| BackfillReport::not_started(job.to_owned(), days, &options, error);
    let (report, signal) = match start(args, job, days, options.clone()).await {
        Ok((engine, backfill)) => match follow(args, days, &engine, backfill).await {
            (Ok(report), signal) => (report, signal),
            (Err(error), signal) => (not_started(error), signal),
        },
        Err(error) => (not_started(error), None),
    };
    print(args, &report);
    match (report.exit_code(), signal) {
        (code @ (0 | 3), _) => code,
        (code, signal) => signal.unwrap_or(code),
    }
}

async fn start(args: &RunArgs, job: &str, days: BusinessDays, backfill: BackfillOptions) -> Result<(Engine, Backfill)> {
    if let Some(path) = args.result.output.as_ref().filter(|path| !path.to_string_lossy().contains(BIZDATE)) {
        return Err(SynclineError::new(
            codes::USAGE,
            format!("the results of several days would replace each other in {}", path.display()),
        )
        .hint("put {bizdate} into the file's name, such as --output 'check_{bizdate}.csv'"));
    }
    let read = Jobs::read(&args.jobs, &args.job, &args.session)?;
    let mut options = setup::run_options(&args.session)
        .job_name(job)
        .dry_run(args.dry_run || read.is_dry_run)
        .allow_concurrent(args.allow_concurrent);
    if let Some(run_id) = &args.resume {
        options = options.resume(run_id);
    }
    let engine = setup::engine(&args.session, &read.folder).await?;
    read.check_catalogs(&engine)?;
    let backfill = engine.session().start_backfill(read.scripts, days, options, backfill)?;
    Ok((engine, backfill))
}

/// Follows all days to their end; also the exit code of the signal that stopped them.
async fn follow(
    args: &RunArgs,
    days: BusinessDays,
    engine: &Engine,
    mut backfill: Backfill,
) -> (Result<BackfillReport>, Option<u8>) {
    let signals = Signals::stop(backfill.stopper());
    let mut shown = Shown::new(days.count());
    let mut results = Results::new(args);
    while let Some(event) = backfill.next().await {
        shown.event(&event);
        match &event {
            BackfillEvent::Run { bizdate, event } => shown.suspend(|| results.event(bizdate, event)),
            BackfillEvent::DayFinished(report) => results.day_ended(&report.bizdate),
            _ => {}
        }
    }
    shown.end();
    let report = backfill.report().await;
    if tokio::time::timeout(CLEAN_UP, engine.shutdown()).await.is_err() {
        say("warning: the clean-up did not end in time; open loads end by their own timeout");
    }
    (report, signals.received())
}

/// What is shown while days run: a line for each that ends, its failure in full, and now and then how far the others are.
struct Shown {
    bar: Option<ProgressBar>,
    days: usize,
    ended: usize,
    running: BTreeMap<String, Running>,
    last_line: Instant,
}

/// The statement of a day that runs.
struct Running {
    title: String,
    since: Instant,
    numbers: Option<String>,
}

impl Shown {
    fn new(days: usize) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            // the template is ours and constant; a mistake in it would show the bare default
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, days, ended: 0, running: BTreeMap::new(), last_line: Instant::now() }
    }

    fn event(&mut self, event: &BackfillEvent) {
        match event {
            BackfillEvent::DayStarted { bizdate, .. } => {
                let running = Running { title: String::new(), since: Instant::now(), numbers: None };
                self.running.insert(bizdate.clone(), running);
            }
            BackfillEvent::Run { bizdate, event } => self.of_run(bizdate, event),
            BackfillEvent::DayFinished(report) => {
                self.running.remove(&report.bizdate);
                self.ended += 1;
                let lines = self.finished(report);
                self.suspend(|| say(&lines));
            }
        }
        self.show_how_far();
    }

    fn of_run(&mut self, bizdate: &str, event: &RunEvent) {
        let line = match event {
            RunEvent::StatementStarted { index, text, target, .. } => {
                if let Some(running) = self.running.get_mut(bizdate) {
                    let title = progress::title(*index, target.as_deref(), text);
                    *running = Running { title, since: Instant::now(), numbers: None };
                }
                return;
            }
            RunEvent::Progress { .. } => {
                if let Some(running) = self.running.get_mut(bizdate) {
                    running.numbers = progress::so_far(event, running.since.elapsed());
                }
                return;
            }
            RunEvent::Waiting { on, .. } => format!("waiting for {} …", visible(on)),
            RunEvent::Warning { message, .. } => format!("warning: {}", visible(message)),
            RunEvent::Rejects { first, count, file, .. } => progress::rejects(first, *count, file.as_deref()),
            _ => return,
        };
        self.suspend(|| say(&format!("{bizdate}: {line}")));
    }

    /// A live line at a terminal, elsewhere a plain one now and then.
    fn show_how_far(&mut self) {
        let is_due = self.bar.is_some() || self.last_line.elapsed() >= PLAIN_EVERY;
        if !is_due || self.running.is_empty() {
            return;
        }
        self.last_line = Instant::now();
        let of_day = |(bizdate, running): (&String, &Running)| match &running.numbers {
            Some(numbers) => format!("{bizdate} {}: {numbers}", running.title),
            None => format!("{bizdate} {}", running.title).trim_end().to_owned(),
        };
        let running: Vec<String> = self.running.iter().map(of_day).collect();
        let line = format!("{} of {} days done; {}", self.ended, self.days, running.join("; "));
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => say(&line),
        }
    }

    fn finished(&self, report: &RunReport) -> String {
        let sum = |field: fn(&crate::report::StatementReport) -> Option<u64>| {
            human_count(report.statements.iter().filter_map(field).sum())
        };
        let mut line = format!(
            "{}: {}, {} rows read, {} written, {} rejected, {:.2} s (run {}; {} of {} days)",
            report.bizdate,
            report::status(report.status),
            sum(|statement| statement.rows_read),
            sum(|statement| statement.rows_written),
            sum(|statement| statement.rows_rejected),
            report.seconds,
            visible(&report.run_id),
            self.ended,
            self.days
        );
        if let Some(error) = report::render_error(report) {
            line = format!("{error}\n{}\n{line}", report::text(report));
        }
        line
    }

    /// Prints something while the live line is out of the way.
    fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Where the results of SELECTs go: all days to standard output one after another, or each day into its own file.
struct Results {
    format: Format,
    files: Option<PathBuf>,
    to_stderr: bool,
    /// The file of each day that has results.
    open: BTreeMap<String, Box<dyn Write + Send>>,
    writer: Option<Box<dyn ResultWriter + Send>>,
    is_broken: bool,
}

impl Results {
    fn new(args: &RunArgs) -> Self {
        Self {
            format: args.result.format.unwrap_or(Format::Table),
            files: args.result.output.clone(),
            to_stderr: args.report == ReportFormat::Json,
            open: BTreeMap::new(),
            writer: None,
            is_broken: false,
        }
    }

    /// Prints what an event brings of a result. Results of several days are never mixed.
    fn event(&mut self, bizdate: &str, event: &RunEvent) {
        if self.is_broken {
            return;
        }
        if let Err(error) = self.print(bizdate, event) {
            self.is_broken = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                say(&format!("error: cannot write the results of {bizdate}: {error}"));
            }
        }
    }

    fn print(&mut self, bizdate: &str, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::ResultSchema { schema, .. } => {
                let mut writer = output::writer(self.format);
                writer.begin(schema, self.out(bizdate)?)?;
                self.writer = Some(writer);
            }
            RunEvent::ResultBatch { batch, .. } => {
                if let Some(mut writer) = self.writer.take() {
                    writer.batch(batch, self.out(bizdate)?)?;
                    self.writer = Some(writer);
                }
            }
            RunEvent::ResultEnd { .. } => {
                if let Some(mut writer) = self.writer.take() {
                    let out = self.out(bizdate)?;
                    writer.end(out)?;
                    out.flush()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the results of a day go. Its file is made when the first of them comes.
    fn out(&mut self, bizdate: &str) -> io::Result<&mut (dyn Write + Send)> {
        let key = if self.files.is_some() { bizdate } else { "" };
        if !self.open.contains_key(key) {
            let new: Box<dyn Write + Send> = match &self.files {
                Some(pattern) => Box::new(BufWriter::new(File::create(file_of(pattern, bizdate))?)),
                None if self.to_stderr => Box::new(BufWriter::new(io::stderr())),
                None => Box::new(BufWriter::new(io::stdout())),
            };
            self.open.insert(key.to_owned(), new);
        }
        let out = self.open.get_mut(key).ok_or_else(|| io::Error::other("the output is not open"))?;
        Ok(out.as_mut())
    }

    /// No more results of a day will come.
    fn day_ended(&mut self, bizdate: &str) {
        self.open.remove(bizdate);
    }
}

fn file_of(pattern: &Path, bizdate: &str) -> PathBuf {
    PathBuf::from(pattern.to_string_lossy().replace(BIZDATE, bizdate))
}

/// The report: the JSON object on standard output, or the summary for people; then how to go on.
fn print(args: &RunArgs, report: &BackfillReport) {
    match args.report {
        ReportFormat::Json => report::print_json(report),
        ReportFormat::Text => {
            if let Some(error) = &report.failure {
                say(&report::rendered(error));
            }
            say(&summary(report));
        }
    }
    for run in report.runs.iter().filter(|run| run.can_resume) {
        say(&format!("to go on with {}: {}", run.bizdate, resume_command(args, &run.run_id)));
    }
    if let Some(command) = command_of_the_rest(args, report).filter(|_| report.failure.is_none()) {
        say(&format!("to run the days that are left: {command}"));
    }
}

/// The command line that runs the days which were not begun. They are the last ones in the order asked for, and so one range.
fn command_of_the_rest(args: &RunArgs, report: &BackfillReport) -> Option<String> {
    let mut left: Vec<&str> = not_run(report).map(|day| day.bizdate.as_str()).collect();
    left.sort_unstable();
    let (first, last) = (left.first()?, left.last()?);
    let mut options = vec!["--bizdate".to_owned(), format!("{first}..{last}")];
    options.extend(args.session.cyctime.iter().flat_map(|time| ["--cyctime".to_owned(), time.clone()]));
    options.extend(args.parallel.iter().flat_map(|days| ["--parallel".to_owned(), days.to_string()]));
    options.extend(args.descending.then(|| "--descending".to_owned()));
    if args.on_failure == Some(OnFailureArg::Continue) {
        options.extend(["--on-failure".to_owned(), "continue".to_owned()]);
    }
    Some(command_again(args, &options))
}

fn not_run(report: &BackfillReport) -> impl Iterator<Item = &DayReport> {
    report.backfill.days.iter().filter(|day| day.status.is_none())
}

/// A line for each day, then the sums.
fn summary(report: &BackfillReport) -> String {
    let mut table =
        vec![["business date", "run", "status", "rows read", "rows written", "rejected", "seconds"].map(str::to_owned)];
    let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), human_count);
    let days = &report.backfill.days;
    table.extend(days.iter().map(|day| {
        [
            day.bizdate.clone(),
            day.run_id.as_deref().map_or_else(|| "-".to_owned(), visible),
            day.status.map_or("not run", name_of).to_owned(),
            number(day.rows_read),
            number(day.rows_written),
            number(day.rows_rejected),
            day.seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}")),
        ]
    }));
    let sum = |field: fn(&DayReport) -> Option<u64>| human_count(days.iter().filter_map(field).sum());
    let succeeded = days.iter().filter(|day| day.status == Some(RunStatus::Succeeded)).count();
    table.push([
        "all days".to_owned(),
        format!("{succeeded} of {} succeeded", days.len()),
        name_of(report.status).to_owned(),
        sum(|day| day.rows_read),
        sum(|day| day.rows_written),
        sum(|day| day.rows_rejected),
        format!("{:.2}", report.seconds),
    ]);
    let widths: [usize; 7] =
        std::array::from_fn(|column| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0..3 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    table.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A status in a word or two.
fn name_of(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::RolledBack => "rolled back",
        RunStatus::PartlyCommitted => "partly committed",
        RunStatus::Unknown => "unknown",
        RunStatus::Cancelled => "cancelled",
    }
}
