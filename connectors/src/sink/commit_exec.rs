//! `CommitExec`: begins the write, gathers every writer's token, commits or rolls back.

use std::fmt;
use std::sync::Arc;

use arrow::array::UInt64Array;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements, PlanProperties,
};
use futures::stream::{self, StreamExt};
use tokio::runtime::Handle;

use super::handle::{WriteHandle, WriteProgress, WriteState};
use super::{CommitToken, RejectLog, Sink, WriteSummary};
use crate::error::{ConnectorError, ErrorCode};

/// Begins the sink before its input starts, checks that every writer's token is there exactly once, and commits.
///
/// Its one row, the number of rows now visible, means that the write is committed. On an error or when its stream is dropped, the
/// attempt is removed by a task of the statement's [`CleanUp`](super::CleanUp).
pub struct CommitExec {
    input: Arc<dyn ExecutionPlan>,
    sink: Arc<dyn Sink>,
    rejects: Arc<dyn RejectLog>,
    handle: Arc<WriteHandle>,
    description: String,
    properties: Arc<PlanProperties>,
}

impl CommitExec {
    /// A commit over `input`, whose partitions yield commit tokens.
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        sink: Arc<dyn Sink>,
        rejects: Arc<dyn RejectLog>,
        handle: Arc<WriteHandle>,
        description: String,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(count_schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            input.boundedness(),
        );
        Self { input, sink, rejects, handle, description, properties: Arc::new(properties) }
    }

    /// The number of writers: that of the plan below the node that gathers their tokens.
    fn writers(&self) -> usize {
        let mut node = &self.input;
        while node.is::<CoalescePartitionsExec>() || node.name() == "CooperativeExec" {
            match node.children().first() {
                Some(child) => node = child,
                None => break,
            }
        }
        node.output_partitioning().partition_count()
    }
}

/// The schema of a Dml node's result.
fn count_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]))
}

impl fmt::Debug for CommitExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitExec: {}", self.description)
    }
}

impl DisplayAs for CommitExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitExec: {}", self.description)
    }
}

impl ExecutionPlan for CommitExec {
    fn name(&self) -> &'static str {
        "CommitExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    /// Without this the optimizer takes the gathering node away, and all tokens but those of partition 0 are lost.
    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] =
            <[_; 1]>::try_from(children).map_err(|_| DataFusionError::Internal("CommitExec has one child".into()))?;
        Ok(Arc::new(Self::new(
            input,
            Arc::clone(&self.sink),
            Arc::clone(&self.rejects),
            Arc::clone(&self.handle),
            self.description.clone(),
        )))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let inputs = self.input.output_partitioning().partition_count();
        if partition != 0 || inputs != 1 {
            return Err(ConnectorError::internal(format!(
                "the commit node runs partition {partition} over {inputs} input partitions; it needs one of each"
            ))
            .into());
        }
        let write = RunningWrite {
            input: Arc::clone(&self.input),
            writers: self.writers(),
            sink: Arc::clone(&self.sink),
            rejects: Arc::clone(&self.rejects),
            handle: Arc::clone(&self.handle),
        };
        let count = stream::once(async move {
            let summary = write.run(context).await?;
            Ok(RecordBatch::try_new(count_schema(), vec![Arc::new(UInt64Array::from(vec![summary.rows_written]))])?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(count_schema(), count)))
    }
}

struct RunningWrite {
    input: Arc<dyn ExecutionPlan>,
    writers: usize,
    sink: Arc<dyn Sink>,
    rejects: Arc<dyn RejectLog>,
    handle: Arc<WriteHandle>,
}

impl RunningWrite {
    async fn run(self, context: Arc<TaskContext>) -> Result<WriteSummary, ConnectorError> {
        if !self.handle.start() {
            return Err(ConnectorError::internal("a planned write runs only once"));
        }
        let attempt = Attempt {
            sink: Arc::clone(&self.sink),
            handle: Arc::clone(&self.handle),
            runtime: Handle::current(),
            armed: true,
        };
        if let Err(error) = self.sink.begin(self.writers).await {
            return Err(attempt.roll_back(error, WriteState::Failed).await);
        }
        self.handle.enter(WriteState::Writing);
        match self.gather_tokens(context).await {
            Ok(tokens) => attempt.commit(tokens).await,
            Err(error) => Err(attempt.roll_back(error, WriteState::RolledBack).await),
        }
    }

    /// Runs the writers to their ends. The input is executed here, and not before, so that no writer starts before `begin` has ended.
    async fn gather_tokens(&self, context: Arc<TaskContext>) -> Result<Vec<CommitToken>, ConnectorError> {
        let mut input = self.input.execute(0, context)?;
        let mut tokens = Vec::with_capacity(self.writers);
        while let Some(batch) = input.next().await {
            for token in CommitToken::from_batch(&batch?)? {
                if token.writer < self.writers {
                    self.handle.report(token.writer, WriteProgress { rows: token.rows, bytes: token.bytes });
                }
                if token.last {
                    tokens.push(token);
                }
            }
        }
        let tokens = check_tokens(tokens, self.writers)?;
        let rows: u64 = tokens.iter().map(|token| token.rows).sum();
        self.rejects.check(rows + self.rejects.count())?;
        Ok(tokens)
    }
}

/// Every writer's token must be there exactly once: a lost one is lost rows, a second one is rows written twice.
fn check_tokens(mut tokens: Vec<CommitToken>, writers: usize) -> Result<Vec<CommitToken>, ConnectorError> {
    tokens.sort_by_key(|token| token.writer);
    if let Some(token) = tokens.iter().find(|token| token.writers != writers) {
        return Err(ConnectorError::internal(format!(
            "writer {} counts {} writers, the plan has {writers}",
            token.writer, token.writers
        )));
    }
    if let Some(pair) = tokens.windows(2).find(|pair| pair[0].writer == pair[1].writer) {
        return Err(ConnectorError::internal(format!("writer {} of {writers} ended twice", pair[0].writer)));
    }
    if let Some(writer) = (0..writers).find(|writer| tokens.get(*writer).is_none_or(|token| token.writer != *writer)) {
        return Err(ConnectorError::internal(format!("writer {writer} of {writers} did not report its end")));
    }
    if tokens.len() != writers {
        return Err(ConnectorError::internal(format!("{} writers ended, the plan has {writers}", tokens.len())));
    }
    Ok(tokens)
}

/// An attempt that has begun. Unless it is committed or rolled back by hand, dropping it rolls back: that is what cancelling a write does.
struct Attempt {
    sink: Arc<dyn Sink>,
    handle: Arc<WriteHandle>,
    runtime: Handle,
    armed: bool,
}

impl Attempt {
    /// Commits in a task of its own, so that dropping the stream cannot halve the commit.
    async fn commit(mut self, tokens: Vec<CommitToken>) -> Result<WriteSummary, ConnectorError> {
        self.armed = false;
        self.handle.enter(WriteState::Committing);
        let (sink, handle) = (Arc::clone(&self.sink), Arc::clone(&self.handle));
        let task = async move {
            match sink.commit(tokens).await {
                Ok(summary) => {
                    handle.committed(summary.clone());
                    Ok(summary)
                }
                Err(error) if error.code() == ErrorCode::Unknown => {
                    handle.enter(WriteState::Unknown);
                    Err(error)
                }
                Err(error) if error.code() == ErrorCode::PartlyCommitted => {
                    handle.enter(WriteState::PartlyCommitted);
                    Err(error)
                }
                Err(error) => Err(roll_back(&*sink, &handle, error, WriteState::RolledBack).await),
            }
        };
        match self.handle.clean_up().spawn(&self.runtime, task).await {
            Ok(result) => result,
            Err(_) => {
                self.handle.enter(WriteState::Unknown);
                Err(ConnectorError::new(ErrorCode::Unknown, "the commit stopped before it answered"))
            }
        }
    }

    /// Removes what was written, to the end even if the caller goes away, and returns the error that made it necessary.
    async fn roll_back(mut self, error: ConnectorError, outcome: WriteState) -> ConnectorError {
        self.armed = false;
        let (sink, handle) = (Arc::clone(&self.sink), Arc::clone(&self.handle));
        let task = async move { roll_back(&*sink, &handle, error, outcome).await };
        match self.handle.clean_up().spawn(&self.runtime, task).await {
            Ok(error) => error,
            Err(_) => {
                self.handle.enter(WriteState::Unknown);
                ConnectorError::new(ErrorCode::Unknown, "the write failed, and removing it stopped before it ended")
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.armed {
            let (sink, handle) = (Arc::clone(&self.sink), Arc::clone(&self.handle));
            self.handle.enter(WriteState::RollingBack);
            self.handle.clean_up().spawn(&self.runtime, async move {
                let cancelled = ConnectorError::new(ErrorCode::Cancelled, "the write was cancelled");
                let error = roll_back(&*sink, &handle, cancelled, WriteState::RolledBack).await;
                tracing::debug!(%error, "a dropped write was rolled back");
            });
        }
    }
}

/// Aborts the sink. `cause` stays the error; what the roll-back could not do is added to it.
async fn roll_back(
    sink: &dyn Sink,
    handle: &WriteHandle,
    cause: ConnectorError,
    outcome: WriteState,
) -> ConnectorError {
    handle.enter(WriteState::RollingBack);
    let Err(error) = sink.abort().await else {
        handle.enter(outcome);
        return cause;
    };
    let (state, code) = match error.code() {
        ErrorCode::PartlyCommitted => (WriteState::PartlyCommitted, ErrorCode::PartlyCommitted),
        _ => (WriteState::Unknown, ErrorCode::Unknown),
    };
    handle.set_not_removed(error.message());
    handle.enter(state);
    let message = format!("{}; removing what was written failed: {}", cause.message(), error.message());
    ConnectorError::new(code, message).with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(writer: usize, writers: usize) -> CommitToken {
        CommitToken { writer, writers, epoch: 0, rows: 1, bytes: 1, label: String::new(), last: true }
    }

    #[test]
    fn all_tokens_in_any_order_are_accepted() {
        let tokens = check_tokens(vec![token(2, 3), token(0, 3), token(1, 3)], 3).unwrap();
        assert_eq!(tokens.iter().map(|token| token.writer).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_lost_token_is_an_error() {
        let error = check_tokens(vec![token(0, 3), token(2, 3)], 3).unwrap_err();
        assert_eq!(error.message(), "writer 1 of 3 did not report its end");
        assert_eq!(check_tokens(vec![], 1).unwrap_err().message(), "writer 0 of 1 did not report its end");
    }

    #[test]
    fn a_doubled_token_is_an_error() {
        let error = check_tokens(vec![token(0, 2), token(1, 2), token(1, 2)], 2).unwrap_err();
        assert_eq!(error.message(), "writer 1 of 2 ended twice");
    }

    #[test]
    fn a_token_of_another_plan_is_an_error() {
        let error = check_tokens(vec![token(0, 2), token(1, 3)], 2).unwrap_err();
        assert_eq!(error.message(), "writer 1 counts 3 writers, the plan has 2");
        let error = check_tokens(vec![token(0, 2), token(1, 2), token(2, 2)], 2).unwrap_err();
        assert_eq!(error.message(), "3 writers ended, the plan has 2");
    }
}
