//! Following a run: its results are printed, its progress shown, signals stop it.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::args::ResultOptions;
use super::output::{self, Format, ResultWriter};
use super::progress::Progress;
use super::signals::Signals;
use super::{run, say};
use crate::error::codes;
use crate::report::{RunReport, RunStatus};
use crate::{Engine, Run, RunEvent, SynclineError};

/// How long the clean-up of a stopped run may take.
pub(super) const CLEAN_UP: Duration = Duration::from_secs(20);

/// A run that has started.
pub(super) struct Started {
    pub(super) engine: Engine,
    pub(super) run: Run,
}

/// A run that has ended.
pub(super) struct Ended {
    pub(super) report: RunReport,
    /// The exit code of the signal that stopped it.
    pub(super) signal: Option<u8>,
    /// Whoever read the results has enough.
    pub(super) reader_left: bool,
}

/// Where results go, and what is shown beside them.
pub(super) struct Drive {
    format: Format,
    output: Option<PathBuf>,
    results_to_stderr: bool,
    shows_progress: bool,
    keeps_engine: bool,
    /// Nothing but results is wanted (`query`), so that the command ends when nobody reads them.
    results_are_all: bool,
}

impl Drive {
    pub(super) fn new(result: &ResultOptions, results_to_stderr: bool, shows_progress: bool) -> Self {
        Self {
            format: result.format.unwrap_or(Format::Table),
            output: result.output.clone(),
            results_to_stderr,
            shows_progress,
            keeps_engine: false,
            results_are_all: !shows_progress,
        }
    }

    /// The engine is used again after the run, so it is not shut down.
    pub(super) fn keeping_the_engine(mut self) -> Self {
        self.keeps_engine = true;
        self
    }

    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match &self.output {
            Some(path) => Box::new(BufWriter::new(File::create(path)?)),
            None if self.results_to_stderr => Box::new(BufWriter::new(io::stderr())),
            None => Box::new(BufWriter::new(io::stdout())),
        })
    }
}

/// Follows a run to its end.
pub(super) async fn follow(started: Started, drive: Drive) -> Ended {
    let Started { engine, mut run } = started;
    let signals = Signals::stop(run.stopper());
    let mut out = match drive.open() {
        Ok(out) => out,
        Err(error) => {
            let error = SynclineError::new(codes::SCRIPT, format!("cannot write results: {error}"));
            return Ended::before_start(run::lost("query", &error));
        }
    };
    let mut progress = Progress::new(drive.shows_progress && io::stderr().is_terminal(), drive.shows_progress);
    let mut writer: Option<Box<dyn ResultWriter + Send>> = None;
    let mut broken: Option<io::Error> = None;
    while let Some(event) = run.next().await {
        progress.event(&event);
        if broken.is_some() {
            continue;
        }
        let printed = match &event {
            RunEvent::ResultSchema { schema, .. } => {
                let mut new = output::writer(drive.format);
                let begun = new.begin(schema, &mut out);
                writer = Some(new);
                begun
            }
            RunEvent::ResultBatch { batch, .. } => {
                writer.as_mut().map_or(Ok(()), |writer| progress.suspend(|| writer.batch(batch, &mut out)))
            }
            RunEvent::ResultEnd { .. } => progress
                .suspend(|| writer.take().map_or(Ok(()), |mut writer| writer.end(&mut out)).and_then(|()| out.flush())),
            _ => Ok(()),
        };
        if let Err(error) = printed {
            // a reader that went away (`| head`) ends a query; a job's writes go on without it
            if drive.results_are_all {
                run.stopper().stop();
            }
            broken = Some(error);
        }
    }
    progress.end();
    let report = run.report().await.unwrap_or_else(|error| run::lost("query", &error));
    // what is open is rolled back; a server that does not answer must not hold the exit for ever
    if !drive.keeps_engine && tokio::time::timeout(CLEAN_UP, engine.shutdown()).await.is_err() {
        say("warning: the clean-up did not end in time; open loads end by their own timeout");
    }
    let signal = signals.received();
    let reader_left = broken.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    if let Some(error) = broken.filter(|_| !reader_left) {
        say(&format!("error: cannot write results: {error}"));
    }
    Ended { report, signal, reader_left: reader_left && drive.results_are_all }
}

impl Ended {
    /// A run that did not start.
    pub(super) fn before_start(report: RunReport) -> Self {
        Self { report, signal: None, reader_left: false }
    }

    /// The process's exit code: that of the report, or of the signal that cancelled the run.
    pub(super) fn exit_code(&self) -> u8 {
        match (self.report.status, self.signal) {
            (RunStatus::Cancelled, None) if self.reader_left => 0,
            (RunStatus::Cancelled | RunStatus::RolledBack | RunStatus::Failed, Some(signal)) => signal,
            _ => self.report.exit_code(),
        }
    }
}
