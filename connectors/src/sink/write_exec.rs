//! `WriteExec`: N writers, one commit token each.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, OrderingRequirements, Partitioning, PhysicalExpr,
};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements, PlanProperties,
};
use futures::stream::{self, SelectAll, StreamExt};

use super::convert::{Converter, RejectedRow};
use super::{CommitToken, Sink, Writer};
use crate::text::places::RangedFiles;
use crate::throttle::Throttles;
use crate::wait_times::WAIT_READER;

/// How often a writer says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Converts the rows of its input to the target's columns and hands them to writers.
///
/// There are as many writers as input partitions, but at most `max_writers`; a writer then reads several partitions at once.
/// Each partition yields rows of [`CommitToken::schema`]: progress now and then, and one with `last` set at its end.
pub struct WriteExec {
    input: Arc<dyn ExecutionPlan>,
    sink: Arc<dyn Sink>,
    converter: Arc<Converter>,
    /// For the places of rows that are left out.
    files: Arc<RangedFiles>,
    max_writers: usize,
    /// Limits of speed of the target's catalog.
    throttles: Throttles,
    description: String,
    /// The order of the query, where there is one writer to keep it.
    order: Option<OrderingRequirements>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl WriteExec {
    /// Writers over `input`. `max_writers` of 1 makes the plan gather its rows in one place first.
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        sink: Arc<dyn Sink>,
        converter: Arc<Converter>,
        files: Arc<RangedFiles>,
        max_writers: usize,
        throttles: Throttles,
        description: String,
    ) -> Self {
        let max_writers = max_writers.max(1);
        let writers = input.output_partitioning().partition_count().clamp(1, max_writers);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(CommitToken::schema()),
            Partitioning::UnknownPartitioning(writers),
            EmissionType::Incremental,
            input.boundedness(),
        );
        let order = input.output_ordering().filter(|_| max_writers == 1).map(|order| order.clone().into());
        Self {
            order,
            input,
            sink,
            converter,
            files,
            max_writers,
            throttles,
            description,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn writers(&self) -> usize {
        self.properties.partitioning.partition_count()
    }
}

impl fmt::Debug for WriteExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteExec: {}, writers={}", self.description, self.writers())
    }
}

impl DisplayAs for WriteExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteExec: {}, writers={}", self.description, self.writers())
    }
}

impl ExecutionPlan for WriteExec {
    fn name(&self) -> &'static str {
        "WriteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let distribution =
            if self.max_writers == 1 { Distribution::SinglePartition } else { Distribution::UnspecifiedDistribution };
        InputDistributionRequirements::new(vec![distribution])
    }

    /// One writer writes rows as they come. Without this the optimizer takes away the sort of an `ORDER BY`.
    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.order.clone()]
    }

    /// Encoding costs CPU, so that a serial source is worth a round robin, as long as there are writers to feed.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![self.input.output_partitioning().partition_count() < self.max_writers]
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
            <[_; 1]>::try_from(children).map_err(|_| DataFusionError::Internal("WriteExec has one child".into()))?;
        let mut node = Self::new(
            input,
            Arc::clone(&self.sink),
            Arc::clone(&self.converter),
            Arc::clone(&self.files),
            self.max_writers,
            self.throttles.clone(),
            self.description.clone(),
        );
        node.metrics = self.metrics.clone();
        node.order = self.order.clone();
        Ok(Arc::new(node))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let writers = self.writers();
        let input = (partition..self.input.output_partitioning().partition_count())
            .step_by(writers)
            .map(|partition| self.input.execute(partition, Arc::clone(&context)))
            .collect::<Result<Vec<_>>>()?;
        let counters = Counters {
            rows_written: MetricBuilder::new(&self.metrics).counter("rows_written", partition),
            rows_rejected: MetricBuilder::new(&self.metrics).counter("rows_rejected", partition),
            bytes_written: MetricBuilder::new(&self.metrics).counter("bytes_written", partition),
            waited: MetricBuilder::new(&self.metrics).subset_time(WAIT_READER, partition),
        };
        let task = WriterTask {
            input: stream::select_all(input),
            sink: Arc::clone(&self.sink),
            converter: Arc::clone(&self.converter),
            files: Arc::clone(&self.files),
            throttles: self.throttles.clone(),
            writer: None,
            token: CommitToken {
                writer: partition,
                writers,
                epoch: 0,
                rows: 0,
                bytes: 0,
                label: String::new(),
                last: false,
            },
            rows_seen: 0,
            weighed: (0, 0),
            counters,
        };
        let tokens = stream::try_unfold(Some(task), |task| async move {
            match task {
                Some(task) => task.next_token().await.map(Some),
                None => Ok(None),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(CommitToken::schema(), tokens)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Counters {
    rows_written: Count,
    rows_rejected: Count,
    bytes_written: Count,
    /// For the next batch.
    waited: Time,
}

/// One writer at work. Dropping it drops the sink's writer, which leaves nothing visible.
struct WriterTask {
    input: SelectAll<SendableRecordBatchStream>,
    sink: Arc<dyn Sink>,
    converter: Arc<Converter>,
    files: Arc<RangedFiles>,
    throttles: Throttles,
    writer: Option<Box<dyn Writer>>,
    token: CommitToken,
    rows_seen: u64,
    /// Rows that were written, and what they were in bytes.
    weighed: (usize, u64),
    counters: Counters,
}

impl WriterTask {
    /// What rows will be in bytes, going by those before them, else by the memory that they take.
    fn likely_bytes(&self, rows: &RecordBatch) -> usize {
        match self.weighed {
            (0, _) | (_, 0) => {
                rows.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
            }
            (before, bytes) => {
                let likely = u128::from(bytes) * rows.num_rows() as u128 / before as u128;
                usize::try_from(likely).unwrap_or(usize::MAX)
            }
        }
    }

    /// Writes until there is something to tell: progress (and the task goes on) or the last token (and it ends).
    async fn next_token(mut self) -> Result<(RecordBatch, Option<Self>)> {
        let began = Instant::now();
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.sink.open(self.token.writer, self.token.writers).await?,
        };
        loop {
            let asked = Instant::now();
            let batch = self.input.next().await;
            self.counters.waited.add_duration(asked.elapsed());
            let Some(batch) = batch.transpose()? else { break };
            let (checked, rejected) = self.converter.split(&batch, self.rows_seen + 1)?;
            for RejectedRow { mut reject, line } in rejected {
                if let (Some(file), Some(line)) = (&reject.file, line) {
                    reject.line = self.files.line_in_file(file, line).await;
                }
                self.converter.reject(reject)?;
            }
            self.rows_seen += batch.num_rows() as u64;
            self.counters.rows_rejected.add(batch.num_rows() - checked.num_rows());
            if checked.num_rows() > 0 {
                for (piece, _) in self.throttles.pieces(checked.clone(), self.likely_bytes(&checked)) {
                    self.throttles.take(piece.num_rows(), 0).await;
                    let bytes_before = writer.bytes_written();
                    writer.write(&piece).await?;
                    // what rows are in bytes is known when they are encoded: their turn is waited for afterwards
                    let bytes = writer.bytes_written().saturating_sub(bytes_before);
                    self.throttles.take(0, usize::try_from(bytes).unwrap_or(usize::MAX)).await;
                    self.weighed.0 += piece.num_rows();
                    self.weighed.1 += bytes;
                }
                self.counters.rows_written.add(checked.num_rows());
                self.token.rows += checked.num_rows() as u64;
            }
            if began.elapsed() >= PROGRESS_INTERVAL {
                self.token.bytes = writer.bytes_written();
                self.writer = Some(writer);
                return Ok((self.token.to_batch()?, Some(self)));
            }
        }
        let token = writer.finish().await?;
        self.counters.bytes_written.add(usize::try_from(token.bytes).unwrap_or(usize::MAX));
        Ok((token.to_batch()?, None))
    }
}
