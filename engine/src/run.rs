//! Starting scripts and following them: [`Script`], [`RunOptions`], [`Run`] and its [`RunEvent`]s.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};
use syncline_connectors::Secret;
use syncline_connectors::sink::Reject;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use syncline_sql::ParameterSource;

use crate::error::{Result, SynclineError};
use crate::report::{RunReport, StatementKind, StatementReport};

/// A script to run: its text, a name for messages, and the folder that relative paths in it start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The name in messages and the report: a path as given, `stdin`, or `query`.
    pub name: String,
    /// The text.
    pub text: String,
    /// Where relative paths (`SOURCE`, `LOCATION`, `${file:…}`) start; None refuses them.
    pub folder: Option<PathBuf>,
    /// What `${env:NAME}` reads in catalogs that this script defines, before the environment.
    pub secrets: Vec<(String, Secret)>,
}

impl Script {
    /// Names a text; relative paths in it are refused until [`folder`](Script::folder) is set.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), folder: None, secrets: Vec::new() }
    }

    /// Sets the folder that relative paths start from.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The name without folders and without `.sql` or `.json`: a job's name by default, and `$nodeid`.
    pub(crate) fn short_name(&self) -> &str {
        let file = self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name);
        // a job as JSON is named for what it became
        let file = file.strip_suffix(" (as SQL)").unwrap_or(file);
        file.strip_suffix(".sql").or_else(|| file.strip_suffix(".json")).unwrap_or(file)
    }

    /// Sets what `${env:NAME}` reads in catalogs that this script defines, whatever the environment holds and permits. So a password that is
    /// known to the program never stands in the script's text.
    #[must_use]
    pub fn with_secrets(mut self, secrets: impl IntoIterator<Item = (String, Secret)>) -> Self {
        self.secrets.extend(secrets);
        self
    }
}

/// A script named `query`.
impl From<&str> for Script {
    fn from(text: &str) -> Self {
        Self::new("query", text)
    }
}

/// A script named `query`.
impl From<String> for Script {
    fn from(text: String) -> Self {
        Self::new("query", text)
    }
}

/// A parameter that a script uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedParameter {
    /// What stands in `${…}`: a name, or a date expression.
    pub name: String,
    /// What is put in.
    pub value: String,
    /// Where it was defined; None for what needs no definition: a built-in name or a date expression.
    pub source: Option<ParameterSource>,
}

/// How a script is run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    pub(crate) params: Vec<(String, String)>,
    pub(crate) raw_params: Vec<(String, String)>,
    pub(crate) environment_params: Vec<(String, String)>,
    pub(crate) bizdate: Option<String>,
    pub(crate) cyctime: Option<String>,
    pub(crate) dry_run: bool,
    pub(crate) resume: Option<String>,
    pub(crate) allow_concurrent: bool,
    pub(crate) job_name: Option<String>,
    pub(crate) interactive: bool,
}

impl RunOptions {
    /// Defines a parameter: a constant or an expression. `bizdate` and `cyctime` set the run's clock.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        match name.as_str() {
            "bizdate" => self.bizdate = Some(value),
            "cyctime" => self.cyctime = Some(value),
            _ => self.params.push((name, value)),
        }
        self
    }

    /// Defines a parameter whose value may be any SQL.
    #[must_use]
    pub fn raw(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.raw_params.push((name.into(), value.into()));
        self
    }

    /// Defines a parameter of the process's environment: [`param`](Self::param) wins over it, it wins over the config. The library itself
    /// does not read the environment.
    #[must_use]
    pub fn environment_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        let clock = match name.as_str() {
            "bizdate" => &mut self.bizdate,
            "cyctime" => &mut self.cyctime,
            _ => {
                self.environment_params.push((name, value));
                return self;
            }
        };
        clock.get_or_insert(value);
        self
    }

    /// All parameters, whose values a resumed run must have too.
    pub(crate) fn all_params(&self) -> impl Iterator<Item = &(String, String)> {
        let environment =
            self.environment_params.iter().filter(|(name, _)| self.params.iter().all(|(own, _)| own != name));
        environment.chain(&self.params).chain(&self.raw_params)
    }

    /// The business date, `YYYYMMDD` or `YYYY-MM-DD`, or an expression such as `$[yyyymmdd-1]` on the planned time.
    #[must_use]
    pub fn bizdate(mut self, bizdate: impl Into<String>) -> Self {
        self.bizdate = Some(bizdate.into());
        self
    }

    /// The planned time, `YYYY-MM-DD hh:mm:ss` or `yyyymmddhh24miss`, in the run's zone; a time of day alone, `hh:mm:ss`, is that of the day
    /// after the business date, or of today if none is given.
    #[must_use]
    pub fn cyctime(mut self, cyctime: impl Into<String>) -> Self {
        self.cyctime = Some(cyctime.into());
        self
    }

    /// Checks and plans, changes nothing.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Goes on with a run of this state folder that was cut off or failed: what it left open is ended, forward if its commit was decided and
    /// back otherwise; what it has done is skipped; the rest runs. Scripts, parameters, profile and zone must be those of the run. Its clock
    /// is used; one that is given must be the same.
    #[must_use]
    pub fn resume(mut self, run_id: impl Into<String>) -> Self {
        self.resume = Some(run_id.into());
        self
    }

    /// Lets a second run of the same job and business date start while the first is running.
    #[must_use]
    pub fn allow_concurrent(mut self, allow: bool) -> Self {
        self.allow_concurrent = allow;
        self
    }

    /// The job's name in labels, report and lock; by default the first script's file name without its suffix.
    #[must_use]
    pub fn job_name(mut self, name: impl Into<String>) -> Self {
        self.job_name = Some(name.into());
        self
    }

    /// For `query` and a shell: the run is recorded in the state folder only once it writes something, and takes no job lock.
    #[must_use]
    pub fn interactive(mut self, interactive: bool) -> Self {
        self.interactive = interactive;
        self
    }
}

/// What happens in a run, in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "few events exist at once: the channel holds eight")]
pub enum RunEvent {
    /// The scripts parse, names are resolved, the first statement is next. Not sent when the run ends before that.
    RunStarted {
        /// The run's id.
        run_id: String,
        /// The job's name.
        job: String,
        /// Statements over all scripts.
        statements: u32,
        /// The business date, `yyyymmdd`.
        bizdate: String,
        /// The planned time, `yyyy-mm-dd hh:mm:ss`.
        cyctime: String,
        /// The run's zone.
        timezone: String,
        /// Whether it goes on with a run that was cut off or failed.
        is_resumed: bool,
    },
    /// A statement begins. Not sent for statements that a resumed run skips.
    StatementStarted {
        /// From 1, over all files.
        index: u32,
        /// What kind it is.
        kind: StatementKind,
        /// The script.
        file: String,
        /// The line where it starts, from 1.
        line: usize,
        /// The text with parameters put in; secrets are references or `***`.
        text: String,
        /// `catalog.database.table` of a write, or the catalog of a native statement.
        target: Option<String>,
    },
    /// Numbers so far of the statement that runs, about twice a second.
    Progress {
        /// The statement.
        index: u32,
        /// Rows that the scans read.
        rows_read: u64,
        /// Rows that the writers took.
        rows_written: u64,
        /// Bytes that the scans received, where they count them.
        bytes_read: u64,
        /// Bytes sent, as encoded.
        bytes_written: u64,
        /// The part of the input that is read, 0 to 1, by the sources' own estimates; None where one has none.
        done: Option<f64>,
        /// Rows left out.
        rows_rejected: u64,
        /// How long writers have waited for rows, over all of them; None in a query.
        wait_reader: Option<Duration>,
        /// How long tasks that read have waited for somebody to take their rows, over all of them; None where no scan measures it.
        wait_writer: Option<Duration>,
    },
    /// A result set begins.
    ResultSchema {
        /// The statement.
        index: u32,
        /// Its columns; names may repeat.
        schema: SchemaRef,
    },
    /// A part of the result set.
    ResultBatch {
        /// The statement.
        index: u32,
        /// The rows.
        batch: RecordBatch,
    },
    /// The result set is complete.
    ResultEnd {
        /// The statement.
        index: u32,
    },
    /// Servers have been silent for some seconds: sent again and again until they answer, or the time for it is over.
    Waiting {
        /// The statement whose names are looked up.
        index: u32,
        /// The catalogs with their addresses, such as `starrocks (fe:9030, fe:8030)`.
        on: String,
    },
    /// Something worth knowing that is no error.
    Warning {
        /// The statement; 0 if it concerns the run.
        index: u32,
        /// What.
        message: String,
    },
    /// The first rejects of a statement, and how many there are in all.
    Rejects {
        /// The statement.
        index: u32,
        /// The first of them.
        first: Vec<Reject>,
        /// All of them.
        count: u64,
        /// The file that has all that were found here, if there is a state folder.
        file: Option<String>,
    },
    /// A statement has ended, whichever way.
    StatementFinished(StatementReport),
}

/// A run in progress: a stream of [`RunEvent`]s that must be read (the run waits when nobody does), then its report.
///
/// Dropping it stops the run; what is open is rolled back by the engine's clean-up, which
/// [`Engine::shutdown`](crate::Engine::shutdown) waits for.
#[derive(Debug)]
pub struct Run {
    events: mpsc::Receiver<RunEvent>,
    report: Option<oneshot::Receiver<RunReport>>,
    stop: CancellationToken,
    run_id: String,
}

impl Run {
    pub(crate) fn new(
        run_id: String,
        events: mpsc::Receiver<RunEvent>,
        report: oneshot::Receiver<RunReport>,
        stop: CancellationToken,
    ) -> Self {
        Self { events, report: Some(report), stop, run_id }
    }

    /// The run's id, known before anything runs.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The next event; None when the run has ended.
    pub async fn next(&mut self) -> Option<RunEvent> {
        StreamExt::next(self).await
    }

    /// Waits for the end, letting go of events that were not read. The report says how it ended, errors included;
    /// an `Err` means that the engine was taken down.
    pub async fn report(mut self) -> Result<RunReport> {
        while self.events.recv().await.is_some() {}
        self.finish().await
    }

    /// Stops the run, rolls back what is open (within seconds), and returns its report.
    pub async fn cancel(self) -> Result<RunReport> {
        self.stop.cancel();
        self.report().await
    }

    /// A handle that stops this run from elsewhere, such as a signal handler.
    pub fn stopper(&self) -> RunStopper {
        RunStopper(self.stop.clone())
    }

    async fn finish(&mut self) -> Result<RunReport> {
        let gone = || SynclineError::new("E5009", "the engine was taken down before the run ended");
        self.report.take().ok_or_else(gone)?.await.map_err(|_| gone())
    }
}

impl Stream for Run {
    type Item = RunEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<RunEvent>> {
        self.events.poll_recv(context)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Stops a [`Run`] from elsewhere; the run then rolls back, and its report says cancelled.
#[derive(Debug, Clone)]
pub struct RunStopper(CancellationToken);

impl RunStopper {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self(stop)
    }

    /// Stops the run. Does nothing if it has ended.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

/// How a stream of batches is written by [`Session::write`](crate::Session::write).
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    pub(crate) overwrite: bool,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) by_name: bool,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) job_name: Option<String>,
}

impl WriteOptions {
    /// INSERT OVERWRITE rather than INSERT INTO.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// The target's columns, one for each column of the batches.
    #[must_use]
    pub fn columns<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Each column of the batches goes to the target's column of its name.
    #[must_use]
    pub fn by_name(mut self) -> Self {
        self.by_name = true;
        self
    }

    /// A property, as in INSERT … PROPERTIES (…): `write_mode`, `error_limit`, a Stream Load header.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// The job's name in labels; `write` by default.
    #[must_use]
    pub fn job_name(mut self, name: impl Into<String>) -> Self {
        self.job_name = Some(name.into());
        self
    }
}
