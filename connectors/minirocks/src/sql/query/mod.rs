//! SELECT through DataFusion.
//!
//! Only a parsed query reaches it: DataFusion's DDL, COPY, SET and external locations cannot be said here, plans that would do
//! such things are refused once more, and there is no object store but the registry's own that no name leads to.
//!
//! A query passes [`rewrite`] (parameters, names, functions on the syntax tree), DataFusion's planner with the operators of
//! [`operators`], and [`comparison_types`] for the comparisons that those do not see.

mod catalog;
mod comparison_types;
mod functions;
mod names;
mod operators;
mod rewrite;
#[cfg(test)]
mod tests;
mod yielding;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::Analyzer;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};
use futures::FutureExt;

use super::error::SqlError;
use super::rows::RowStream;
use super::session::SessionView;
use super::statement::Literal;
use crate::error::{Error, Result};
use crate::types::ColumnType;
pub(crate) use catalog::table_columns;
pub(crate) use names::display_name;

/// Memory that all queries together may take for sorts, joins and groups.
const MEMORY_BYTES: usize = 2 << 30;
/// Rows of one batch.
const BATCH_ROWS: usize = 8192;
/// Key in a field's metadata that keeps the column's declared type.
const TYPE_KEY: &str = "minirocks.type";

/// The declared type of a result column that comes straight from a table.
pub(crate) fn column_type_of(field: &Field) -> Option<ColumnType> {
    field.metadata().get(TYPE_KEY)?.parse().ok()
}

/// What all queries share: memory.
pub(crate) struct QueryEngine {
    runtime: Arc<RuntimeEnv>,
}

impl fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryEngine").finish_non_exhaustive()
    }
}

impl QueryEngine {
    pub(crate) fn new() -> Result<Self> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY_BYTES)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()
            .map_err(|error| Error::Config(format!("cannot start the query engine: {error}")))?;
        Ok(Self { runtime })
    }

    fn session_state(&self, view: &SessionView<'_>, extra: Option<(&'static str, RecordBatch)>) -> SessionState {
        let mut config = SessionConfig::new()
            .with_batch_size(BATCH_ROWS)
            // one partition: rows come in the order of their insertion, which StarRocks does not promise but people expect
            .with_target_partitions(1)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(super::CATALOG, view.database.unwrap_or(catalog::NO_DATABASE));
        let options = config.options_mut();
        options.sql_parser.enable_ident_normalization = false;
        options.sql_parser.parse_float_as_decimal = true;
        options.sql_parser.map_string_types_to_utf8view = false;
        // MySQL: NULL is the smallest value
        options.sql_parser.default_null_ordering = "nulls_min".to_owned();
        let mut rules: Vec<Arc<dyn datafusion::optimizer::AnalyzerRule + Send + Sync>> =
            vec![Arc::new(comparison_types::ComparisonTypes)];
        rules.extend(Analyzer::new().rules);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.runtime))
            .with_default_features()
            .with_catalog_list(Arc::new(catalog::Catalogs::new(view, extra)))
            .with_analyzer_rules(rules)
            .with_type_planner(Arc::new(operators::StarRocksTypes))
            .with_physical_optimizer_rule(Arc::new(yielding::YieldingJoins))
            .build();
        let mut planners: Vec<Arc<dyn datafusion::logical_expr::planner::ExprPlanner>> =
            vec![Arc::new(operators::StarRocksOperators)];
        planners.extend(state.expr_planners().iter().cloned());
        let mut builder = SessionStateBuilder::new_from_existing(state).with_expr_planners(planners);
        for function in functions::all() {
            builder.scalar_functions().get_or_insert_default().push(function);
        }
        builder.build()
    }

    /// Plans a query. `parameters` are put into the tree as literals.
    async fn plan(
        &self,
        view: &SessionView<'_>,
        query: &Query,
        parameters: &[Literal],
        extra: Option<(&'static str, RecordBatch)>,
    ) -> std::result::Result<(SessionState, LogicalPlan), SqlError> {
        let extra_columns = extra.as_ref().map(|(_, batch)| batch.schema());
        let query = rewrite::rewrite(query, parameters, view, extra_columns.as_ref())?;
        let state = self.session_state(view, extra);
        let statement = DfStatement::Statement(Box::new(SqlStatement::Query(Box::new(query))));
        let plan = state.statement_to_plan(statement).await?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)?;
        Ok((state, plan))
    }

    /// Runs a query.
    pub(crate) async fn rows(
        &self,
        view: &SessionView<'_>,
        query: &Query,
        parameters: &[Literal],
    ) -> std::result::Result<RowStream, SqlError> {
        self.rows_with(view, query, parameters, None).await
    }

    /// Runs a query that may name one more table.
    pub(crate) async fn rows_with(
        &self,
        view: &SessionView<'_>,
        query: &Query,
        parameters: &[Literal],
        extra: Option<(&'static str, RecordBatch)>,
    ) -> std::result::Result<RowStream, SqlError> {
        let timeout = view.variables.query_timeout();
        let run = async {
            let (state, plan) = self.plan(view, query, parameters, extra).await?;
            Ok::<_, SqlError>(DataFrame::new(state, plan).execute_stream().await?)
        };
        let stream = within(timeout, run).await?;
        Ok(RowStream::from_query(stream, timeout))
    }

    /// The columns of a query, its parameters taken as NULL. `None` if that cannot be planned.
    pub(crate) async fn schema(&self, view: &SessionView<'_>, query: &Query, parameters: usize) -> Option<SchemaRef> {
        let nulls = vec![Literal::Null; parameters];
        let run = async {
            let (state, plan) = self.plan(view, query, &nulls, None).await?;
            let analyzed = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
            Ok::<_, SqlError>(Arc::new(analyzed.schema().as_arrow().clone()))
        };
        AssertUnwindSafe(within(view.variables.query_timeout(), run)).catch_unwind().await.ok()?.ok()
    }

    /// The optimised plan as text, a line each.
    pub(crate) async fn explain(
        &self,
        view: &SessionView<'_>,
        query: &Query,
        parameters: &[Literal],
    ) -> std::result::Result<Vec<String>, SqlError> {
        let run = async {
            let (state, plan) = self.plan(view, query, parameters, None).await?;
            let plan = SessionContext::new_with_state(state).state().optimize(&plan)?;
            Ok::<_, SqlError>(plan.display_indent().to_string().lines().map(str::to_owned).collect())
        };
        within(view.variables.query_timeout(), run).await
    }
}

/// Bounds a step in time.
async fn within<T>(
    timeout: std::time::Duration,
    run: impl Future<Output = std::result::Result<T, SqlError>>,
) -> std::result::Result<T, SqlError> {
    tokio::time::timeout(timeout, run).await.unwrap_or_else(|_| Err(SqlError::query_timeout(timeout)))
}
