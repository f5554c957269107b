//! One writer: encodes its rows into files, one for each partition at a time, and sends what is full.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

use super::encoder::FileEncoder;
use super::records::{self, NewFile};
use super::target::Layout;
use super::upload::Upload;
use super::write::FileWrite;
use crate::csv::Uncarried;
use crate::error::{ConnectorError, Result};
use crate::object_store::FileLocation;
use crate::sink::{CommitToken, Reject, RowValues, Writer};

/// Files that one writer has open at most; then the one that was longest without rows is ended.
const OPEN_FILES: usize = 64;
/// Bytes that one writer holds for several open files at most, about; then the largest is ended.
const OPEN_BYTES: usize = 64 << 20;

/// A file that is being filled.
struct OpenFile {
    encoder: Box<dyn FileEncoder>,
    buffer: Vec<u8>,
    upload: Upload,
    location: FileLocation,
    rows: u64,
    /// Sent, or on its way.
    bytes: u64,
    last_use: u64,
}

impl OpenFile {
    fn held_bytes(&self) -> usize {
        self.buffer.len() + self.encoder.buffered_bytes() + self.upload.bytes_on_their_way()
    }

    async fn send_full(&mut self) -> Result<()> {
        if self.buffer.len() >= self.upload.piece_bytes() {
            self.bytes += self.buffer.len() as u64;
            self.upload.send(&mut self.buffer).await?;
        }
        Ok(())
    }

    /// The file to its end, invisible.
    async fn end(mut self, partition: Vec<String>) -> Result<NewFile> {
        self.encoder.finish(&mut self.buffer)?;
        self.bytes += self.buffer.len() as u64;
        let pending = self.upload.end(self.buffer).await?;
        Ok(NewFile { file: self.location.reference(), pending, rows: self.rows, bytes: self.bytes, partition })
    }
}

/// One writer of a write into files.
pub(super) struct FileWriter {
    write: Arc<FileWrite>,
    writer: usize,
    writers: usize,
    /// By the values of the partition.
    open: HashMap<Vec<String>, OpenFile>,
    ended: Vec<NewFile>,
    /// Files that were begun.
    files: usize,
    /// Rows that came, rejects among them.
    rows_seen: u64,
    clock: u64,
}

impl FileWriter {
    pub(super) fn new(write: Arc<FileWrite>, writer: usize, writers: usize) -> Self {
        Self { write, writer, writers, open: HashMap::new(), ended: Vec::new(), files: 0, rows_seen: 0, clock: 0 }
    }

    /// An invisible file without rows: what a write leaves that has none.
    pub(super) async fn empty_file(mut self, partition: Vec<String>) -> Result<NewFile> {
        self.begin_file(&partition).await?.end(partition).await
    }

    async fn begin_file(&mut self, partition: &[String]) -> Result<OpenFile> {
        self.write.check_folder(partition).await?;
        let location = self.write.file(partition, self.writer, self.files)?;
        self.files += 1;
        let upload = self.write.uploads.begin(&location).await?;
        let encoder = self.write.formatter.encoder()?;
        Ok(OpenFile { encoder, buffer: Vec::new(), upload, location, rows: 0, bytes: 0, last_use: 0 })
    }

    /// Leaves out rows that files could not give back, each as a reject.
    fn carried(&self, batch: &RecordBatch, files: RecordBatch) -> Result<(RecordBatch, RecordBatch)> {
        let uncarried = self.write.formatter.uncarried(&files)?;
        if uncarried.is_empty() {
            return Ok((batch.clone(), files));
        }
        let mut kept = BooleanBufferBuilder::new(files.num_rows());
        kept.append_n(files.num_rows(), true);
        for Uncarried { row, column, reason } in uncarried {
            kept.set_bit(row, false);
            let schema = files.schema();
            let values = RowValues::of(schema.fields().iter().map(|field| field.name().as_str()), &files, row);
            let number = self.rows_seen + row as u64 + 1;
            self.write.rejects.reject(Reject { row: Some(number), ..Reject::of_row(values, column, reason.into()) })?;
        }
        let kept = kept.finish().into();
        let filter = |batch: &RecordBatch| {
            filter_record_batch(batch, &kept)
                .map_err(|error| ConnectorError::internal("cannot leave out rejected rows").with_source(error))
        };
        Ok((filter(batch)?, filter(&files)?))
    }

    async fn write_to(&mut self, partition: Vec<String>, rows: &RecordBatch) -> Result<()> {
        self.clock += 1;
        if !self.open.contains_key(&partition) {
            self.write.enter_partition(&partition)?;
            let file = self.begin_file(&partition).await?;
            self.open.insert(partition.clone(), file);
        }
        let Some(file) = self.open.get_mut(&partition) else {
            return Err(ConnectorError::internal("a file that was begun is not there"));
        };
        file.last_use = self.clock;
        file.encoder.write(rows, &mut file.buffer)?;
        file.rows += rows.num_rows() as u64;
        file.send_full().await?;
        let size = file.bytes + (file.buffer.len() + file.encoder.buffered_bytes()) as u64;
        if size >= self.write.max_file_bytes && self.write.layout != Layout::SingleFile {
            self.end_file(&partition).await?;
        }
        self.make_room().await
    }

    async fn end_file(&mut self, partition: &[String]) -> Result<()> {
        if let Some((partition, file)) = self.open.remove_entry(partition) {
            self.ended.push(file.end(partition).await?);
        }
        Ok(())
    }

    /// Keeps memory and open files within bounds, however many partitions the rows are of. What is ended is sent, and completed by the commit.
    async fn make_room(&mut self) -> Result<()> {
        while self.open.len() > 1 {
            let victim = if self.open.len() > OPEN_FILES {
                self.open.iter().min_by_key(|(_, file)| file.last_use)
            } else if self.open.values().map(OpenFile::held_bytes).sum::<usize>() > OPEN_BYTES {
                self.open.iter().max_by_key(|(_, file)| file.held_bytes())
            } else {
                return Ok(());
            };
            let Some(partition) = victim.map(|(partition, _)| partition.clone()) else { return Ok(()) };
            self.end_file(&partition).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Writer for FileWriter {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let files = self.write.shape.of_files(batch)?;
        let rows = batch.num_rows() as u64;
        let (batch, files) = self.carried(batch, files)?;
        self.rows_seen += rows;
        if files.num_rows() == 0 {
            return Ok(());
        }
        for (values, rows) in self.write.shape.by_partition(&batch, files)? {
            let partition = self.write.partition(values);
            self.write_to(partition, &rows).await?;
        }
        Ok(())
    }

    fn bytes_written(&self) -> u64 {
        let ended: u64 = self.ended.iter().map(|file| file.bytes).sum();
        ended + self.open.values().map(|file| file.bytes).sum::<u64>()
    }

    async fn finish(mut self: Box<Self>) -> Result<CommitToken> {
        let mut partitions: Vec<Vec<String>> = self.open.keys().cloned().collect();
        partitions.sort();
        for partition in partitions {
            self.end_file(&partition).await?;
        }
        let lines = self.ended.iter().map(records::line).collect::<Result<Vec<_>>>()?;
        Ok(CommitToken {
            writer: self.writer,
            writers: self.writers,
            epoch: 0,
            rows: self.ended.iter().map(|file| file.rows).sum(),
            bytes: self.ended.iter().map(|file| file.bytes).sum(),
            label: lines.join("\n"),
            last: true,
        })
    }
}
