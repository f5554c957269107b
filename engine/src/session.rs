//! A session: its own USE, SET, parameters, catalogs and views, over an engine that others share.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use parking_lot::Mutex;
use syncline_sql::{Clocks, SourceFile, Statement, evaluate_parameter, split_in, substitute};

use crate::backfill::{self, Backfill, BackfillOptions, BusinessDays};
use crate::engine::Engine;
use crate::error::{Result, SynclineError, codes};
use crate::names;
use crate::planning::{PlanContext, session_state};
use crate::report::StatementReport;
use crate::run::{ListedParameter, Run, RunOptions, Script, WriteOptions};
use crate::runner::{self, Request};
use crate::scope::Scope;
use crate::sql_front;

/// A session over an [`Engine`]. Send and Sync, cheap to clone; clones share USE, SET, parameters, catalogs and views.
#[derive(Debug, Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    scope: Mutex<Scope>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(engine: Engine) -> Self {
        let scope = Scope::new(engine.clone(), engine.shared.clocks_now());
        Self { inner: Arc::new(Inner { engine, scope: Mutex::new(scope) }) }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// A copy of what the session knows now.
    pub(crate) fn scope(&self) -> Scope {
        self.inner.scope.lock().clone()
    }

    /// Keeps what a run changed.
    pub(crate) fn keep(&self, scope: &Scope) {
        *self.inner.scope.lock() = scope.clone();
    }

    /// Plans one query, over one system, several, or files: always by DataFusion, so that frames can be combined. Reading starts when
    /// the frame is executed. `${bizdate}` and `${cyctime}` follow from the time of the call.
    ///
    /// # Errors
    /// The text is not one query, or a name in it is not known.
    pub async fn sql(&self, text: &str) -> Result<DataFrame> {
        let mut scope = self.scope();
        scope.load_tables()?;
        scope.begin_run(self.inner.engine.shared.clocks_now(), &RunOptions::default())?;
        let file = SourceFile::new("query", text);
        let pieces = split_in(&file, scope.dialect())?;
        let [piece] = pieces.as_slice() else {
            return Err(SynclineError::new(
                codes::PLAN,
                format!("one query is expected, and this is {}", pieces.len()),
            )
            .hint("Session::start runs scripts"));
        };
        let prepared = substitute(piece, &scope.parameters, scope.dialect())?;
        let Statement::Query(query) = sql_front::parse_local(&prepared, &scope)? else {
            return Err(SynclineError::new(codes::PLAN, "a query is expected")
                .hint("Session::start runs statements of all kinds")
                .at(piece.position()));
        };
        let shared = &self.inner.engine.shared;
        let context = PlanContext {
            runtime: Arc::clone(&shared.runtime),
            timezone: shared.timezone.name.clone(),
            rejects: None,
            clean_up: shared.clean_up.clone(),
            settings: scope.write_settings(),
        };
        let planned = names::plan_query(&scope, &query, |catalogs| session_state(&context, catalogs)).await?;
        Ok(DataFrame::new(planned.state, planned.plan))
    }

    /// Starts a script. What it changes in the session (USE, SET, catalogs, views) stays.
    ///
    /// Must be called within a tokio runtime. Everything that goes wrong later is in the run's report.
    ///
    /// # Errors
    /// There is no runtime, or the engine was shut down.
    pub fn start(&self, script: impl Into<Script>, options: RunOptions) -> Result<Run> {
        let scripts = vec![script.into()];
        runner::start(&self.inner.engine, Request { session: self.clone(), scripts, options, keeps_changes: true })
    }

    /// Starts several scripts as one run; each begins with this session's state and leaves it as it was.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_jobs(&self, scripts: Vec<Script>, options: RunOptions) -> Result<Run> {
        runner::start(&self.inner.engine, Request { session: self.clone(), scripts, options, keeps_changes: false })
    }

    /// Starts scripts once for each business day of a range; each day is a run as of [`start_jobs`](Self::start_jobs). `options` hold for all of
    /// them; a planned time in them is a time of day, `hh:mm:ss`.
    ///
    /// # Errors
    /// `options` resume a run or name a planned time that is not of every day, the number of days at a time is out of range, or there is no
    /// runtime.
    pub fn start_backfill(
        &self,
        scripts: Vec<Script>,
        days: BusinessDays,
        options: RunOptions,
        backfill: BackfillOptions,
    ) -> Result<Backfill> {
        backfill::start(self, scripts, days, options, backfill)
    }

    /// Writes a stream of batches to `catalog.database.table`, all or nothing. Dropping the future rolls back.
    ///
    /// # Errors
    /// The write failed; [`SynclineError::is_unknown_outcome`] tells whether it may have been committed nevertheless.
    pub async fn write(
        &self,
        target: &str,
        batches: SendableRecordBatchStream,
        options: WriteOptions,
    ) -> Result<StatementReport> {
        runner::write_stream(self, target, batches, options).await
    }

    /// What `USE` chose: catalog and database, for a prompt.
    pub fn place(&self) -> (Option<String>, Option<String>) {
        let scope = self.inner.scope.lock();
        scope.used.as_ref().map_or((None, None), |used| (Some(used.catalog.clone()), used.database.clone()))
    }

    /// Evaluates a parameter's value as `syncline param` prints it: `bizdate` is itself, `$bizdate` and `${bizdate}` are the date.
    ///
    /// # Errors
    /// The value cannot be evaluated.
    pub fn evaluate_parameter(&self, value: &str, options: &RunOptions) -> Result<String> {
        Ok(evaluate_parameter(value, &self.scope_of_run(options)?.parameters)?)
    }

    /// The parameters that a script uses, by name, each with its value and where it comes from. Reads files that the script names with SOURCE;
    /// runs nothing.
    ///
    /// # Errors
    /// The script cannot be read, or a parameter is not defined or cannot be evaluated.
    pub fn list_parameters(&self, script: &Script, options: &RunOptions) -> Result<Vec<ListedParameter>> {
        let mut scope = self.scope_of_run(options)?.for_script(script);
        scope.load_tables()?;
        runner::list_parameters(script, options.job_name.as_deref(), &mut scope)
    }

    fn scope_of_run(&self, options: &RunOptions) -> Result<Scope> {
        let mut scope = self.scope();
        let zone = crate::clock::zone(self.inner.engine.timezone())?;
        let clocks = Clocks::new(options.bizdate.as_deref(), options.cyctime.as_deref(), zone, jiff::Timestamp::now())?;
        scope.begin_run(clocks, options)?;
        Ok(scope)
    }
}
