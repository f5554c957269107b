//! Reading ORC files: stripe by stripe, only the columns that are asked for.

use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::datasource::listing::FileRange;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::physical_plan::metrics::Count;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use orc_rust::ArrowReaderBuilder;
use orc_rust::projection::ProjectionMask;
use orc_rust::reader::AsyncChunkReader;
use orc_rust::{ArrowSchemaOptions, TimestampPrecision};

use super::columns::are_positions;
use super::decoded::{FoundColumns, Request};
use super::ranged_file::{RangedFile, ScannedFile};
use crate::error::{ConnectorError, Result};

/// Bytes that are read ahead: the streams of a stripe lie one behind another and most are small.
const READ_AHEAD_BYTES: u64 = 1 << 20;

type Batches = BoxStream<'static, DataFusionResult<arrow::record_batch::RecordBatch>>;

/// The rows of a file's stripes, or of those that begin within a range.
pub(super) async fn open(
    file: ScannedFile,
    range: Option<FileRange>,
    request: Request,
    bytes_read: Count,
) -> DataFusionResult<Batches> {
    let opened = Chunks { file: file.open(bytes_read).await?, ahead: Window::default() };
    read(opened, range, request).await
}

async fn read(file: Chunks, range: Option<FileRange>, request: Request) -> DataFusionResult<Batches> {
    let builder = ArrowReaderBuilder::try_new_async(file).await.map_err(broken)?;
    let builder = builder.with_batch_size(request.batch_rows).with_timestamp_precision(TimestampPrecision::Microsecond);
    let root = builder.file_metadata().root_data_type();
    let options = || ArrowSchemaOptions::new().with_timestamp_precision(TimestampPrecision::Microsecond);
    let columns: Vec<(String, DataType)> = root
        .children()
        .iter()
        .map(|column| (column.name().to_owned(), column.data_type().to_arrow_data_type_with_options(options())))
        .collect();
    let by_position = are_positions(columns.iter().map(|(name, _)| name.as_str()));
    // Spark and Hive write ORC dates of before 1582 as those of the Julian calendar.
    let found = request.find(&columns, by_position, true)?;
    let range = range.map(|range| to_usize(range.start)..to_usize(range.end));
    if found.is_empty() {
        return Ok(counted(builder.file_metadata(), range, found, request.batch_rows));
    }
    let indices = found.read.iter().map(|at| root.children()[*at].data_type().column_index());
    let mask = ProjectionMask::roots(root, indices.collect::<Vec<_>>());
    let mut builder = builder.with_projection(mask);
    if let Some(range) = range {
        builder = builder.with_file_byte_range(range);
    }
    let batches = builder.build_async();
    Ok(batches.map(move |batch| found.convert(&batch.map_err(DataFusionError::from)?)).boxed())
}

/// The rows of stripes of which nothing else is wanted.
fn counted(
    metadata: &orc_rust::reader::metadata::FileMetadata,
    range: Option<std::ops::Range<usize>>,
    found: FoundColumns,
    batch_rows: usize,
) -> Batches {
    let is_wanted = |offset: u64| {
        range.as_ref().is_none_or(|range| usize::try_from(offset).is_ok_and(|offset| range.contains(&offset)))
    };
    let stripes = metadata.stripe_metadatas().iter().filter(|stripe| is_wanted(stripe.offset()));
    let mut rows: u64 = stripes.map(|stripe| stripe.number_of_rows()).sum();
    let batches = std::iter::from_fn(move || {
        let next = rows.min(batch_rows.max(1) as u64);
        rows -= next;
        (next > 0).then(|| found.rows_alone(usize::try_from(next).unwrap_or(batch_rows)))
    });
    futures::stream::iter(batches).boxed()
}

fn to_usize(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

/// An error of the crate, or of ours within it.
fn broken(error: orc_rust::error::OrcError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A file that is being read, with what was read ahead.
struct Chunks {
    file: RangedFile,
    ahead: Window,
}

#[derive(Default)]
struct Window {
    start: u64,
    bytes: Bytes,
}

impl Window {
    /// The bytes of a range, if they are here.
    fn get(&self, start: u64, length: u64) -> Option<Bytes> {
        let from = usize::try_from(start.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(usize::try_from(length).ok()?)?;
        (to <= self.bytes.len()).then(|| self.bytes.slice(from..to))
    }
}

impl Chunks {
    async fn chunk(&mut self, start: u64, length: u64) -> Result<Bytes> {
        if let Some(bytes) = self.ahead.get(start, length) {
            return Ok(bytes);
        }
        let end = start.saturating_add(length);
        if length >= READ_AHEAD_BYTES || end > self.file.size() {
            return self.file.range(start..end).await;
        }
        let ahead = start.saturating_add(READ_AHEAD_BYTES).min(self.file.size());
        self.ahead = Window { start, bytes: self.file.range(start..ahead).await? };
        self.ahead
            .get(start, length)
            .ok_or_else(|| ConnectorError::internal("a range of a file is not as long as asked"))
    }
}

impl AsyncChunkReader for Chunks {
    fn len(&mut self) -> BoxFuture<'_, std::io::Result<u64>> {
        let size = self.file.size();
        async move { Ok(size) }.boxed()
    }

    fn get_bytes(&mut self, start: u64, length: u64) -> BoxFuture<'_, std::io::Result<Bytes>> {
        async move { self.chunk(start, length).await.map_err(std::io::Error::other) }.boxed()
    }
}
