//! The one function that builds a DataFusion session state, for a script, a query, a shell and an embedding service alike.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::catalog::CatalogProviderList;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use syncline_connectors::Options;
use syncline_connectors::scan_notes::ScanNotes;
use syncline_connectors::scan_settings::SessionScanSettings;
use syncline_connectors::sink::CleanUp;
use syncline_connectors::sink::RejectLog;
use syncline_connectors::sink::reject::RejectLogExtension;
use syncline_connectors::starrocks::top_k::TopKPushdown;
use syncline_connectors::throttle::StatementThrottle;

use crate::datetime_text::DatetimeText;
use crate::functions::{ElementsFrom0, Substring};
use crate::operators::{Arithmetic, MysqlTypes};
use crate::scope::{DEFAULT_DATABASE, SYNCLINE};

/// Rows that a statement read from sources that DataFusion counts nothing for: a caller's batches, statements of `remote_query`.
#[derive(Debug, Default)]
pub(crate) struct StreamRows(pub(crate) AtomicU64);

impl StreamRows {
    /// Counts the rows of a stream that a plan reads.
    pub(crate) fn counting(context: &TaskContext, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let counter = context.session_config().get_extension::<Self>();
        let schema = rows.schema();
        let counted = rows.inspect_ok(move |batch| {
            if let Some(counter) = &counter {
                counter.0.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, counted))
    }
}

/// What a statement's plan runs with.
pub(crate) struct PlanContext {
    pub(crate) runtime: Arc<RuntimeEnv>,
    /// The run's zone.
    pub(crate) timezone: String,
    /// Takes the rejects of scans; None in a query, in which a row that cannot be read is an error.
    pub(crate) rejects: Option<Arc<dyn RejectLog>>,
    /// Collects commits and roll-backs that must end.
    pub(crate) clean_up: CleanUp,
    /// `SET syncline.*`, for what scans read of it.
    pub(crate) settings: Options,
}

/// A state over the tables of one statement. DataFusion's own DDL, COPY and SET are out of reach: only plans that we made run on it.
pub(crate) fn session_state(context: &PlanContext, catalogs: Arc<dyn CatalogProviderList>) -> SessionState {
    let mut options = ConfigOptions::new();
    // names are as our own pass spelled them
    options.sql_parser.enable_ident_normalization = false;
    // 0.1 is a decimal in MySQL, StarRocks and Spark
    options.sql_parser.parse_float_as_decimal = true;
    // one kind of text in plans, the kind that scans yield and writers take
    options.sql_parser.map_string_types_to_utf8view = false;
    // MySQL, StarRocks and Spark sort NULLs first
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    options.execution.time_zone = Some(context.timezone.clone());
    options.catalog.create_default_catalog_and_schema = false;
    options.catalog.information_schema = false;
    options.catalog.default_catalog = SYNCLINE.to_owned();
    options.catalog.default_schema = DEFAULT_DATABASE.to_owned();
    let cores = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    let mut config = SessionConfig::from(options)
        .with_target_partitions(cores)
        .with_extension(Arc::new(context.clean_up.clone()))
        .with_extension(Arc::new(StreamRows::default()))
        .with_extension(Arc::new(ScanNotes::default()))
        .with_extension(Arc::new(StatementThrottle::default()))
        .with_extension(Arc::new(SessionScanSettings(Arc::new(context.settings.clone()))));
    if let Some(rejects) = &context.rejects {
        config = config.with_extension(Arc::new(RejectLogExtension(Arc::clone(rejects))));
    }
    let mut builder = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_runtime_env(Arc::clone(&context.runtime))
        .with_catalog_list(catalogs)
        .with_type_planner(Arc::new(MysqlTypes))
        .with_physical_optimizer_rule(Arc::new(TopKPushdown))
        .with_analyzer_rule(Arc::new(DatetimeText));
    builder.expr_planners().get_or_insert_default().splice(
        0..0,
        [Arc::new(Arithmetic) as Arc<dyn ExprPlanner>, Arc::new(ElementsFrom0), Arc::new(Substring::default())],
    );
    // later ones take the names of earlier ones
    builder.scalar_functions().get_or_insert_default().extend(crate::functions::all(&context.timezone));
    builder.aggregate_functions().get_or_insert_default().extend(crate::functions::aggregates());
    builder.build()
}
