//! Encoding Avro object container files: a block for a few thousand rows.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::arrow_avro::compression::CompressionCodec;
use datafusion::arrow_avro::writer::format::AvroOcfFormat;
use datafusion::arrow_avro::writer::{AvroWriter, WriterBuilder};

use super::{Codec, Written, failed};
use crate::columnar::ColumnarFormat;
use crate::error::Result;
use crate::file_sink::FileEncoder;

/// Rows of a block: readers hold one at a time.
const BLOCK_ROWS: usize = 4096;

pub(super) struct AvroEncoder {
    writer: AvroWriter<Written>,
    written: Written,
}

impl AvroEncoder {
    pub(super) fn new(schema: SchemaRef, codec: Codec) -> Result<Self> {
        let codec = match codec {
            Codec::Snappy => Some(CompressionCodec::Snappy),
            Codec::Gzip => Some(CompressionCodec::Deflate),
            Codec::Zstd => Some(CompressionCodec::ZStandard),
            Codec::Bzip2 => Some(CompressionCodec::Bzip2),
            Codec::Xz => Some(CompressionCodec::Xz),
            Codec::None | Codec::Lz4 | Codec::Brotli => None,
        };
        let written = Written::default();
        let builder = WriterBuilder::new(schema.as_ref().clone()).with_compression(codec);
        let writer = builder.build::<_, AvroOcfFormat>(written.clone());
        Ok(Self { writer: writer.map_err(|error| failed(ColumnarFormat::Avro, error))?, written })
    }
}

impl FileEncoder for AvroEncoder {
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        for start in (0..batch.num_rows()).step_by(BLOCK_ROWS) {
            let block = batch.slice(start, BLOCK_ROWS.min(batch.num_rows() - start));
            self.writer.write(&block).map_err(|error| failed(ColumnarFormat::Avro, error))?;
            self.written.take(out);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.writer.finish().map_err(|error| failed(ColumnarFormat::Avro, error))?;
        self.written.take(out);
        Ok(())
    }
}
