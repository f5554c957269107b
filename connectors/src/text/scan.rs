//! The plan node that reads text files.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ScalarValue, Statistics, internal_err};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, StatisticsArgs,
};

use super::options::TextTableOptions;
use super::places::{PLACE_COLUMNS, place_schema};
use super::ranges::{Part, RangeRead, RangedFile};
use super::reader::{Progress, ReadPlan, TextReader};
use crate::batch_queue::{BatchSender, batch_queue, scan_memory, stream_of, wait_metric};
use crate::error::Result;
use crate::object_store::FileRead;
use crate::sink::RejectLog;
use crate::sink::reject::RejectLogExtension;
use crate::split_queue::{Claim, SplitQueue};

/// What is read, for EXPLAIN; no secrets.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The table's location.
    pub(super) location: String,
    /// Of a partitioned table: how many partitions of how many are read.
    pub(super) partitions: Option<(usize, usize)>,
}

/// What one task reads at a time.
#[derive(Debug, Clone)]
pub(super) struct TextSplit {
    pub(super) part: Part,
    /// The values of the partition that the file is in; empty if the table has no partitions.
    pub(super) values: Arc<Vec<ScalarValue>>,
}

/// Where a column's values come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum OutputColumn {
    /// The column of that place among those that are read from the file.
    Read(usize),
    /// The file's partition, whose value of that place they all are.
    Constant(usize),
}

/// Reads text files, large ones in ranges; partitions take files and ranges from one queue.
///
/// Metrics: `output_rows`, and `bytes_read` (as stored or sent, before decompression). Rows that cannot be read are rejects if the
/// session config has a [`RejectLogExtension`], else errors.
#[derive(Debug, Clone)]
pub struct TextExec {
    source: Source,
    plan: Arc<ReadPlan>,
    /// The schema of what is given out: columns of files and of partitions, and the places.
    schema: SchemaRef,
    /// How a row is put together; None if it is what a file holds.
    columns: Option<Arc<[OutputColumn]>>,
    queue: Arc<SplitQueue<TextSplit>>,
    /// Rows that are wanted of each partition at most.
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl TextExec {
    pub(super) fn new(
        source: Source,
        plan: Arc<ReadPlan>,
        schema: SchemaRef,
        columns: Option<Arc<[OutputColumn]>>,
        groups: Vec<Vec<TextSplit>>,
        limit: Option<usize>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        // The channel between reader and taker counts against the task's budget.
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            source,
            plan,
            schema,
            columns,
            queue: Arc::new(SplitQueue::new(groups)),
            limit,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The same scan with file and line of each row behind its columns.
    pub(super) fn with_places(&self) -> Self {
        let plan = ReadPlan {
            options: self.plan.options.clone(),
            projection: self.plan.projection.clone(),
            schema: place_schema(&self.plan.schema),
            has_places: true,
            batch_rows: self.plan.batch_rows,
        };
        let schema = place_schema(&self.schema);
        let columns = self.columns.clone();
        Self::new(self.source.clone(), Arc::new(plan), schema, columns, self.queue.groups().to_vec(), self.limit)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.queue.groups().iter().flatten().map(|split| &split.part)
    }

    /// The files that are read in ranges.
    pub(super) fn ranged_files(&self) -> impl Iterator<Item = &Arc<RangedFile>> {
        self.parts().filter_map(|part| match part {
            Part::Range(file, 0) => Some(file),
            _ => None,
        })
    }

    /// How many files there are, and of how many ranges those are that are read in ranges.
    fn counts(&self) -> (usize, usize) {
        let ranges = self.parts().filter(|part| matches!(part, Part::Range(..))).count();
        let whole = self.parts().filter(|part| matches!(part, Part::Whole(_))).count();
        (whole + self.ranged_files().count(), ranges)
    }
}

impl DisplayAs for TextExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, ranges) = self.counts();
        if kind == DisplayFormatType::TreeRender {
            writeln!(f, "location={}", self.source.location)?;
            if let Some((read, all)) = self.source.partitions {
                writeln!(f, "partitions={read}/{all}")?;
            }
            write!(f, "files={files}")?;
            return if ranges > 0 { write!(f, "\nranges={ranges}") } else { Ok(()) };
        }
        write!(f, "TextExec: location={}, ", self.source.location)?;
        if let Some((read, all)) = self.source.partitions {
            write!(f, "partitions={read}/{all}, ")?;
        }
        write!(f, "files={files}, ")?;
        if ranges > 0 {
            write!(f, "ranges={ranges}, ")?;
        }
        fmt::Display::fmt(&Format(&self.plan.options), f)?;
        let places = if self.plan.has_places { PLACE_COLUMNS } else { 0 };
        let columns = self.schema.fields().iter().take(self.schema.fields().len() - places);
        let names: Vec<_> = columns.map(|field| field.name().as_str()).collect();
        write!(f, ", columns=[{}]", names.join(", "))?;
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

/// The format as EXPLAIN shows it: what differs from the default.
struct Format<'a>(&'a TextTableOptions);

impl fmt::Display for Format<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.0;
        f.write_str("format=text")?;
        if let Some(delimiter) = &options.fields_delimiter {
            write!(f, ", fields='{}'", delimiter.escape_ascii())?;
        }
        if let Some(escape) = options.escape {
            write!(f, ", escape='{}'", escape.escape_ascii())?;
        }
        if let Some(delimiter) = &options.line_delimiter {
            write!(f, ", lines='{}'", delimiter.escape_ascii())?;
        }
        if options.skip_lines > 0 {
            write!(f, ", skip_lines={}", options.skip_lines)?;
        }
        if options.encoding != encoding_rs::UTF_8 {
            write!(f, ", encoding={}", options.encoding.name())?;
        }
        Ok(())
    }
}

impl ExecutionPlan for TextExec {
    fn name(&self) -> &'static str {
        "TextExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("a text scan has no children"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        if partition >= self.queue.groups().len() {
            return internal_err!("a text scan has no partition {partition}");
        }
        let claim = self.queue.claim(partition, &context);
        let rejects = context.session_config().get_extension::<RejectLogExtension>().map(|log| Arc::clone(&log.0));
        // their bytes are counted as they come from their file
        let throttles = self.parts().next().map(|part| part.file().throttles().clone()).unwrap_or_default();
        let (sender, receiver) = batch_queue(throttles, Some(scan_memory(&context, "TextExec", partition)));
        let queue = (sender.counting_waits(wait_metric(&self.metrics, partition)), receiver);
        let (plan, schema, columns) = (Arc::clone(&self.plan), self.schema(), self.columns.clone());
        let wanted = self.limit.unwrap_or(usize::MAX);
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let bytes_read = MetricBuilder::new(&self.metrics).counter("bytes_read", partition);
        let read = |output: BatchSender| {
            let scan = Scan { plan, schema, columns, rejects, output, wanted, metrics, bytes_read };
            scan.run(claim)
        };
        Ok(stream_of(self.schema(), queue, read))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> DataFusionResult<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        let sizes = match args.partition() {
            // partitions take each other's splits
            Some(_) => None,
            None => self.parts().map(Part::size).collect::<Option<Vec<_>>>(),
        };
        if let Some(sizes) = sizes {
            let bytes = usize::try_from(sizes.into_iter().sum::<u64>()).unwrap_or(usize::MAX);
            statistics.total_byte_size = Precision::Inexact(bytes);
        }
        Ok(Arc::new(statistics))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let queue = Arc::new(SplitQueue::new(self.queue.groups().to_vec()));
        Some(Arc::new(Self { limit, queue, metrics: ExecutionPlanMetricsSet::new(), ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }
}

/// One partition at work.
struct Scan {
    plan: Arc<ReadPlan>,
    schema: SchemaRef,
    columns: Option<Arc<[OutputColumn]>>,
    rejects: Option<Arc<dyn RejectLog>>,
    output: BatchSender,
    /// Rows still wanted.
    wanted: usize,
    metrics: BaselineMetrics,
    bytes_read: Count,
}

impl Scan {
    async fn run(mut self, claim: Claim<TextSplit>) -> DataFusionResult<()> {
        while self.wanted > 0
            && let Some(split) = claim.next()
        {
            self.read(&split).await?;
        }
        self.metrics.done();
        Ok(())
    }

    /// Reads a file or a range, or as much of it as is wanted; the rest is not downloaded.
    async fn read(&mut self, TextSplit { part, values }: &TextSplit) -> DataFusionResult<()> {
        let mut bytes = PartRead::open(part).await?;
        let file = part.file();
        let encoding = bytes.content_encoding().map(str::to_owned);
        let mut reader = TextReader::new(
            Arc::clone(&self.plan),
            self.rejects.clone(),
            file.to_string(),
            file.path().to_owned(),
            encoding,
        )?;
        let mut is_fed = false;
        while self.wanted > 0 {
            let timer = self.metrics.elapsed_compute().timer();
            let progress = reader.next()?;
            timer.done();
            match progress {
                Progress::Batch(batch) => {
                    let batch = self.with_constants(batch.slice(0, batch.num_rows().min(self.wanted)), values)?;
                    self.wanted -= batch.num_rows();
                    self.metrics.record_output(batch.num_rows());
                    // Nobody takes rows any more.
                    if self.output.send(batch, 0).await.is_err() {
                        self.wanted = 0;
                    }
                }
                Progress::NeedInput => match bytes.next().await? {
                    Some(piece) => {
                        self.bytes_read.add(piece.len());
                        if let PartRead::Range(read, range @ 1..) = &bytes
                            && !is_fed
                        {
                            reader.start_at(*range, read.start());
                        }
                        is_fed = true;
                        reader.feed(piece);
                    }
                    None => reader.end(),
                },
                Progress::NeedLinesBefore => reader.set_lines_before(part.lines_before().await?)?,
                Progress::Done => {
                    if let Part::Range(file, range) = part {
                        file.is_read(*range, reader.lines());
                    }
                    break;
                }
            }
        }
        reader.finish();
        Ok(())
    }

    /// Puts the values of the file's partition among the columns that were read from it.
    fn with_constants(&self, batch: RecordBatch, values: &[ScalarValue]) -> DataFusionResult<RecordBatch> {
        let Some(columns) = &self.columns else { return Ok(batch) };
        let rows = batch.num_rows();
        let column = |column: &OutputColumn| match column {
            OutputColumn::Read(at) => Ok(Arc::clone(batch.column(*at))),
            OutputColumn::Constant(at) => match values.get(*at) {
                Some(value) => value.to_array_of_size(rows),
                None => internal_err!("a partition lacks a value"),
            },
        };
        let mut output: Vec<ArrayRef> = columns.iter().map(column).collect::<DataFusionResult<_>>()?;
        // the places of rows stay behind all else
        output.extend(batch.columns().iter().skip(self.plan.projection.len()).cloned());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), output, &options)?)
    }
}

/// The bytes of a part of a file.
enum PartRead {
    Whole(FileRead),
    Range(Box<RangeRead>, usize),
}

impl PartRead {
    async fn open(part: &Part) -> Result<Self> {
        Ok(match part {
            Part::Whole(file) => Self::Whole(file.open().await?),
            Part::Range(file, range) => Self::Range(Box::new(file.open(*range).await?), *range),
        })
    }

    fn content_encoding(&self) -> Option<&str> {
        match self {
            Self::Whole(read) => read.content_encoding(),
            Self::Range(..) => None,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::Whole(read) => read.next().await,
            Self::Range(read, ..) => read.next().await,
        }
    }
}
