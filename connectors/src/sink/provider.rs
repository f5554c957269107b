//! The door from a SELECT to the write nodes: a table provider that lives as long as one statement.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::commit_exec::CommitExec;
use super::convert::Converter;
use super::handle::{CleanUp, WriteHandle};
use super::write_exec::WriteExec;
use super::{PlannedWrite, RejectLog};
use crate::error::{ConnectorError, ErrorCode};
use crate::options::Options;
use crate::scan_settings::{ScanSettings, SessionScanSettings};
use crate::text::places::{RangedFiles, with_places};

/// The name of the target in the Dml node; messages name the real one.
const TARGET: &str = "target";

/// A write as a physical plan, and what the engine holds of it while it runs.
#[derive(Debug, Clone)]
pub struct PlannedInsert {
    /// Execute its one partition: the row it yields means committed; errors behind that row are warnings.
    pub plan: Arc<dyn ExecutionPlan>,
    /// State, live progress and summary of the write.
    pub handle: Arc<WriteHandle>,
    /// What is written with: it knows what a failed write has left ([`Sink::remains`](super::Sink::remains)).
    pub sink: Arc<dyn super::Sink>,
}

/// Plans `INSERT` of a SELECT that DataFusion planned into a target that a catalog planned. Has no effects.
///
/// `timezone` is the run's zone, an IANA name or an offset: instants are written as wall-clock time there. Rejects of conversions go to
/// `rejects`. Columns are not cast here: what would lose something is a reject, see [`convert`](super::convert).
/// The clean-up tasks go to the [`CleanUp`] among the session config's extensions, if there is one.
pub async fn plan_insert(
    state: &SessionState,
    select: LogicalPlan,
    write: PlannedWrite,
    rejects: Arc<dyn RejectLog>,
    timezone: &str,
) -> Result<PlannedInsert, ConnectorError> {
    rejects.set_limit(write.error_limit);
    let clean_up = state.config().get_extension::<CleanUp>().map(|shared| CleanUp::clone(&shared)).unwrap_or_default();
    let handle = Arc::new(WriteHandle::new(clean_up));
    let source = Arc::clone(select.schema().inner());
    let sink = Arc::clone(&write.sink);
    let target = StatementSink { source, write, timezone: timezone.into(), rejects, handle: Arc::clone(&handle) };
    let insert =
        LogicalPlanBuilder::insert_into(select, TARGET, provider_as_source(Arc::new(target)), InsertOp::Append)?
            .build()?;
    let plan = state.create_physical_plan(&insert).await?;
    Ok(PlannedInsert { plan, handle, sink })
}

/// Checks that every column of a SELECT can be converted to its target column. Reads nothing and has no effects.
pub fn check_types(
    state: &SessionState,
    select: &LogicalPlan,
    write: &PlannedWrite,
    rejects: Arc<dyn RejectLog>,
    timezone: &str,
) -> Result<(), ConnectorError> {
    // only the analyzed plan has the types that will arrive: a UNION, for one, gets its own there
    let select = state.optimize(select)?;
    Converter::new(select.schema().as_arrow(), &write.columns, timezone, rejects)?;
    Ok(())
}

/// The target of one statement. It can only be written to, once.
struct StatementSink {
    source: SchemaRef,
    write: PlannedWrite,
    timezone: String,
    rejects: Arc<dyn RejectLog>,
    handle: Arc<WriteHandle>,
}

impl fmt::Debug for StatementSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatementSink({})", self.write.description)
    }
}

#[async_trait]
impl TableProvider for StatementSink {
    /// The SELECT's own schema: what the target's columns are is the converter's business.
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.source)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::NotImplemented("the target of an INSERT cannot be read".into()))
    }

    async fn insert_into(
        &self,
        state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        _: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if input.boundedness().is_unbounded() {
            let message = format!("cannot write a source without an end to {}", self.write.description);
            return Err(ConnectorError::new(ErrorCode::Unsupported, message).into());
        }
        // the types are those of the physical input: a UNION, for one, has its final types only behind DataFusion's analyzer
        let converter =
            Converter::new(&input.schema(), &self.write.columns, &self.timezone, Arc::clone(&self.rejects))?;
        // Two columns more, which the converter drops: rejects name them.
        let mut files = RangedFiles::default();
        let input = with_places(&input, &mut files)?.unwrap_or(input);
        let session = state.config().get_extension::<SessionScanSettings>();
        let limit = match session {
            Some(settings) => ScanSettings::parse(&settings.0, &Options::new())?.max_connections,
            None => None,
        };
        let writers = WriteExec::new(
            input,
            Arc::clone(&self.write.sink),
            Arc::new(converter),
            Arc::new(files),
            self.write.max_writers.min(limit.unwrap_or(usize::MAX)),
            self.write.throttles.clone(),
            self.write.description.clone(),
        );
        Ok(Arc::new(CommitExec::new(
            Arc::new(writers),
            Arc::clone(&self.write.sink),
            Arc::clone(&self.rejects),
            Arc::clone(&self.handle),
            self.write.description.clone(),
        )))
    }
}
