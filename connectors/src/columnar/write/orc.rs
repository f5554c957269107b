//! Encoding ORC: stripes that are closed by their bytes.
//!
//! The crate's writer stays on the thread that made it, and encoders move between threads: each file has a thread of its own, which ends
//! with its encoder.

use std::sync::mpsc::{Receiver, Sender, channel};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use orc_rust::ArrowWriterBuilder;
use orc_rust::compression::CompressionType;

use super::{Codec, Written, failed};
use crate::columnar::ColumnarFormat;
use crate::error::{ConnectorError, Result};
use crate::file_sink::FileEncoder;

/// The bytes at which a stripe is closed, before compression.
const STRIPE_BYTES: usize = 32 << 20;

pub(super) struct OrcEncoder {
    /// Rows to write, or None: the file's end.
    rows: Sender<Option<RecordBatch>>,
    /// What each of these made.
    bytes: Receiver<Result<Vec<u8>>>,
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
        let (rows, input) = channel();
        let (output, bytes) = channel();
        let thread = std::thread::Builder::new().name("orc-encoder".to_owned());
        let spawned = thread.spawn(move || encode(schema, codec, &input, &output));
        spawned.map_err(|error| failed(ColumnarFormat::Orc, error))?;
        Ok(Self { rows, bytes, buffered: 0 })
    }

    /// Has the thread do something and takes what it made.
    fn ask(&mut self, rows: Option<RecordBatch>, out: &mut Vec<u8>) -> Result<usize> {
        let ended = || ConnectorError::internal("the encoder of an ORC file has ended already");
        self.rows.send(rows).map_err(|_| ended())?;
        let made = self.bytes.recv().map_err(|_| ended())??;
        out.extend_from_slice(&made);
        Ok(made.len())
    }
}

/// Writes until the file ends, something fails, or nobody asks any more.
fn encode(
    schema: SchemaRef,
    codec: Option<CompressionType>,
    input: &Receiver<Option<RecordBatch>>,
    output: &Sender<Result<Vec<u8>>>,
) {
    let failed = |error| failed(ColumnarFormat::Orc, error);
    let written = Written::default();
    let builder = ArrowWriterBuilder::new(written.clone(), schema).with_stripe_byte_size(STRIPE_BYTES);
    let builder = match codec {
        Some(codec) => builder.with_compression(codec),
        None => builder,
    };
    let mut writer = builder.try_build().map_err(failed);
    while let Ok(rows) = input.recv() {
        let is_last = rows.is_none();
        let outcome = match (writer, rows) {
            (Ok(mut open), Some(rows)) => {
                let outcome = open.write(&rows).map_err(failed);
                writer = Ok(open);
                outcome
            }
            (Ok(open), None) => {
                writer = Err(ConnectorError::internal("the ORC file has ended already"));
                open.close().map_err(failed)
            }
            (Err(error), _) => {
                writer = Err(ConnectorError::internal("the ORC file cannot be written"));
                Err(error)
            }
        };
        let mut made = Vec::new();
        written.take(&mut made);
        if output.send(outcome.map(|()| made)).is_err() || is_last {
            return;
        }
    }
}

impl FileEncoder for OrcEncoder {
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let made = self.ask(Some(batch.clone()), out)?;
        // what comes out is a stripe; the three bytes at the file's start are not
        self.buffered = if made > 3 { 0 } else { self.buffered + batch.get_array_memory_size() };
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.ask(None, out)?;
        self.buffered = 0;
        Ok(())
    }

    fn buffered_bytes(&self) -> usize {
        self.buffered
    }
}
