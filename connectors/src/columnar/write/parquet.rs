//! Encoding Parquet: row groups that are closed by their bytes.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Codec, Written, failed};
use crate::columnar::ColumnarFormat;
use crate::error::Result;
use crate::file_sink::FileEncoder;

/// The encoded bytes at which a row group is closed. Spark's are of 128 MB; smaller ones cost little and keep writers small.
const ROW_GROUP_BYTES: usize = 32 << 20;

pub(super) struct ParquetEncoder {
    writer: ArrowWriter<Written>,
    written: Written,
}

impl ParquetEncoder {
    pub(super) fn new(schema: SchemaRef, codec: Codec) -> Result<Self> {
        let compression = match codec {
            Codec::Snappy => Compression::SNAPPY,
            Codec::Gzip => Compression::GZIP(GzipLevel::default()),
            Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
            Codec::Lz4 => Compression::LZ4_RAW,
            Codec::Brotli => Compression::BROTLI(BrotliLevel::default()),
            Codec::None | Codec::Bzip2 | Codec::Xz => Compression::UNCOMPRESSED,
        };
        // names of elements and pairs as the format's specification has them
        let properties = WriterProperties::builder().set_compression(compression).set_coerce_types(true).build();
        // the types are said by the format itself, as Spark and Hive read them
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let written = Written::default();
        let writer = ArrowWriter::try_new_with_options(written.clone(), schema, options);
        Ok(Self { writer: writer.map_err(|error| failed(ColumnarFormat::Parquet, error))?, written })
    }
}

impl FileEncoder for ParquetEncoder {
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let failed = |error| failed(ColumnarFormat::Parquet, error);
        self.writer.write(batch).map_err(failed)?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES || self.writer.memory_size() >= 4 * ROW_GROUP_BYTES {
            self.writer.flush().map_err(failed)?;
        }
        self.written.take(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.writer.finish().map_err(|error| failed(ColumnarFormat::Parquet, error))?;
        self.written.take(out);
        Ok(())
    }

    fn buffered_bytes(&self) -> usize {
        self.writer.memory_size()
    }
}
