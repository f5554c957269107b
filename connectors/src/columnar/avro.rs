//! Reading Avro object container files: block by block, as their bytes arrive.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::arrow_avro::reader::ReaderBuilder;
use datafusion::datasource::listing::FileRange;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::physical_plan::metrics::Count;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc::{Sender, channel};

use super::avro_blocks::{Blocks, Pieces, header_length, read_header};
use super::avro_rows::Packing;
use super::decoded::{FoundColumns, Request};
use super::ranged_file::{RangedFile, ScannedFile, refuse_coding};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::object_store::FileRead;

/// Pieces of a file that wait to be decoded.
const PIECES_AHEAD: usize = 4;
/// Batches that wait to be taken.
const BATCHES_AHEAD: usize = 2;
/// Bytes of a file's start that are asked for first: most headers fit.
const HEADER_BYTES: u64 = 64 << 10;

/// The rows of a file's blocks, or of those that begin within a range.
pub(super) async fn open(
    file: ScannedFile,
    range: Option<FileRange>,
    request: Request,
    bytes_read: Count,
) -> DataFusionResult<BoxStream<'static, DataFusionResult<RecordBatch>>> {
    let start = range.as_ref().map_or(0, |range| u64::try_from(range.start).unwrap_or(0));
    let end = range.map_or(u64::MAX, |range| u64::try_from(range.end).unwrap_or(u64::MAX));
    let mut header = None;
    let read = if start == 0 {
        file.file.open().await?
    } else {
        let ranged = file.open(bytes_read.clone()).await?;
        header = Some(header_of(&ranged).await?);
        file.file.open_range(start..ranged.size()).await?
    };
    refuse_coding(&file.file, &read)?;
    let (pieces, input) = channel::<Result<Bytes>>(PIECES_AHEAD);
    let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&request.wanted), BATCHES_AHEAD);
    builder.spawn(async move {
        feed(read, pieces, bytes_read).await;
        Ok(())
    });
    let output = builder.tx();
    builder.spawn_blocking(move || {
        let mut pieces = Pieces::new(input);
        let blocks = match header {
            Some(header) => Blocks::from(header, pieces, start, end)?,
            None => Blocks::new(read_header(&mut pieces)?, pieces, end)?,
        };
        decode(blocks, &request, &output)
    });
    Ok(builder.build().boxed())
}

/// The header of a file that is read from elsewhere.
async fn header_of(file: &RangedFile) -> Result<Bytes> {
    let mut length = HEADER_BYTES;
    loop {
        let bytes = file.range(0..length.min(file.size())).await?;
        match header_length(&bytes)? {
            Some(length) => return Ok(bytes.slice(..length)),
            None if length < file.size() => length = length.saturating_mul(4),
            None => {
                return Err(ConnectorError::new(ErrorCode::Value, "the Avro file is damaged: it ends in its header"));
            }
        }
    }
}

/// Hands on what is read, until all is or nobody decodes it any more.
async fn feed(mut read: FileRead, pieces: Sender<Result<Bytes>>, bytes_read: Count) {
    while let Some(piece) = read.next().await.transpose() {
        if let Ok(piece) = &piece {
            bytes_read.add(piece.len());
        }
        let is_last = piece.is_err();
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// Decodes until the blocks end or nobody takes rows any more.
fn decode(
    mut blocks: Blocks,
    request: &Request,
    output: &Sender<DataFusionResult<RecordBatch>>,
) -> DataFusionResult<()> {
    let header = blocks.header();
    let Described { schema, json, packing, is_julian } = describe(&header)?;
    let columns: Vec<(String, DataType)> =
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
    let found = request.find(&columns, false, is_julian)?;
    if found.is_empty() {
        return count(blocks, &found, request.batch_rows, output);
    }
    blocks.unpacked(&json, packing)?;
    let mut builder = ReaderBuilder::new().with_batch_size(request.batch_rows);
    if found.read.len() < columns.len() {
        builder = builder.with_projection(found.read.clone());
    }
    let mut rows = 0;
    let mut reader = builder.build(&mut blocks)?;
    for batch in &mut reader {
        let batch = batch.map_err(DataFusionError::from)?;
        rows += batch.num_rows() as u64;
        if output.blocking_send(found.convert(&batch)).is_err() {
            return Ok(());
        }
    }
    drop(reader);
    if let Some(error) = blocks.failed {
        return Err(error.into());
    }
    if rows != blocks.rows {
        let message = format!("the Avro file is damaged: its blocks name {} rows and hold {rows}", blocks.rows);
        return Err(ConnectorError::new(ErrorCode::Value, message).into());
    }
    Ok(())
}

/// The rows of blocks of which nothing else is wanted.
fn count(
    mut blocks: Blocks,
    found: &FoundColumns,
    batch_rows: usize,
    output: &Sender<DataFusionResult<RecordBatch>>,
) -> DataFusionResult<()> {
    while let Some((mut rows, _)) = blocks.next()? {
        while rows > 0 {
            let part = usize::try_from(rows).unwrap_or(usize::MAX).min(batch_rows.max(1));
            rows -= part as u64;
            if output.blocking_send(found.rows_alone(part)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What a header says.
struct Described {
    schema: SchemaRef,
    /// The same in Avro's words.
    json: Vec<u8>,
    packing: Packing,
    /// Whether who wrote the file may have used the hybrid calendar: Spark up to 2, later ones when told to. Other writers do not say,
    /// and are taken for ones of today.
    is_julian: bool,
}

fn describe(header: &Bytes) -> DataFusionResult<Described> {
    let reader = ReaderBuilder::new().build(std::io::Cursor::new(header))?;
    let key = |name: &str| reader.avro_header().get(name);
    let major = key("org.apache.spark.version")
        .and_then(|version| std::str::from_utf8(version).ok()?.split('.').next()?.parse::<u32>().ok());
    Ok(Described {
        schema: reader.schema(),
        json: key("avro.schema").unwrap_or_default().to_vec(),
        packing: Packing::parse(key("avro.codec"))?,
        is_julian: key("org.apache.spark.legacyDateTime").is_some() || major.is_some_and(|major| major < 3),
    })
}
