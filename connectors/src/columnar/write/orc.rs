//! Encoding ORC: stripes that are closed by their bytes.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use orc_rust::ArrowWriterBuilder;
use orc_rust::arrow_writer::ArrowWriter;
use orc_rust::compression::CompressionType;

use super::{Codec, Written, failed};
use crate::columnar::ColumnarFormat;
use crate::error::{ConnectorError, Result};
use crate::file_sink::FileEncoder;

/// The bytes at which a stripe is closed, before compression.
const STRIPE_BYTES: usize = 32 << 20;

pub(super) struct OrcEncoder {
    /// None once the file has ended.
    writer: Option<ArrowWriter<Written>>,
    written: Written,
    /// Bytes of rows since a stripe was last closed; about.
    buffered: usize,
}

impl OrcEncoder {
    pub(super) fn new(schema: SchemaRef, codec: Codec) -> Result<Self> {
        let codec = match codec {
            Codec::Snappy => Some(CompressionType::Snappy),
            Codec::Gzip => Some(CompressionType::Zlib),
            Codec::Zstd => Some(CompressionType::Zstd),
            Codec::Lz4 => Some(CompressionType::Lz4),
            Codec::None | Codec::Brotli | Codec::Bzip2 | Codec::Xz => None,
        };
        let written = Written::default();
        let builder = ArrowWriterBuilder::new(written.clone(), schema).with_stripe_byte_size(STRIPE_BYTES);
        let builder = match codec {
            Some(codec) => builder.with_compression(codec),
            None => builder,
        };
        let writer = builder.try_build().map_err(|error| failed(ColumnarFormat::Orc, error))?;
        Ok(Self { writer: Some(writer), written, buffered: 0 })
    }
}

impl FileEncoder for OrcEncoder {
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Err(ended()) };
        writer.write(batch).map_err(|error| failed(ColumnarFormat::Orc, error))?;
        let before = out.len();
        self.written.take(out);
        // what came out is a stripe; the magic at the file's start is not
        self.buffered = if out.len() - before > 3 { 0 } else { self.buffered + batch.get_array_memory_size() };
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer.take().ok_or_else(ended)?;
        writer.close().map_err(|error| failed(ColumnarFormat::Orc, error))?;
        self.written.take(out);
        self.buffered = 0;
        Ok(())
    }

    fn buffered_bytes(&self) -> usize {
        self.buffered
    }
}

fn ended() -> ConnectorError {
    ConnectorError::internal("the ORC file has ended already")
}
