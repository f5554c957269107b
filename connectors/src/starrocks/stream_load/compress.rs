//! Compressed bodies.

use std::fmt;
use std::io::Write;

use flate2::write::{GzEncoder, ZlibEncoder};
use lz4_flex::frame::FrameEncoder;

use crate::error::{ConnectorError, Result};

/// zstd's own default: most of what higher levels save, at several hundred MB a second.
const ZSTD_LEVEL: i32 = 3;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// gzip.
    Gzip,
    /// zlib's format, which the server means by `deflate`.
    Deflate,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// The value of the header `format` that says so for CSV (StarRocks: STREAM_LOAD docs).
    pub(crate) fn csv_format(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec that a value of `format` names for CSV.
    pub(crate) fn of_csv_format(format: &str) -> Option<Self> {
        [Self::Gzip, Self::Deflate, Self::Lz4, Self::Zstd].into_iter().find(|codec| codec.csv_format() == format)
    }

    /// The value of the header `compression`, which the server reads for JSON only.
    pub(crate) fn json_header(self) -> &'static str {
        match self {
            Self::Gzip => "GZIP",
            Self::Deflate => "DEFLATE",
            Self::Lz4 => "LZ4_FRAME",
            Self::Zstd => "ZSTD",
        }
    }

    /// The codec that a value of `compression` names for JSON.
    pub(crate) fn of_json_header(value: &str) -> Option<Self> {
        let codecs = [Self::Gzip, Self::Deflate, Self::Lz4, Self::Zstd];
        codecs.into_iter().find(|codec| codec.json_header().eq_ignore_ascii_case(value))
    }
}

/// Compresses one body as it is made; without a codec it passes bytes on.
pub(crate) struct Compressor(Encoder);

enum Encoder {
    None(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("ready", &self.ready()).finish_non_exhaustive()
    }
}

impl Compressor {
    pub(crate) fn new(compression: Option<Compression>) -> Result<Self> {
        Ok(Self(match compression {
            None => Encoder::None(Vec::new()),
            Some(Compression::Gzip) => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Some(Compression::Deflate) => {
                Encoder::Deflate(ZlibEncoder::new(Vec::new(), flate2::Compression::default()))
            }
            Some(Compression::Lz4) => Encoder::Lz4(Box::new(FrameEncoder::new(Vec::new()))),
            Some(Compression::Zstd) => Encoder::Zstd(
                zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(|error| cannot_compress(&error))?,
            ),
        }))
    }

    /// Takes bytes; what is ready to be sent grows now or later.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.0 {
            Encoder::None(out) => out.write_all(bytes),
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
            Encoder::Deflate(encoder) => encoder.write_all(bytes),
            Encoder::Lz4(encoder) => encoder.write_all(bytes),
            Encoder::Zstd(encoder) => encoder.write_all(bytes),
        };
        written.map_err(|error| cannot_compress(&error))
    }

    /// How many bytes are ready to be sent.
    pub(crate) fn ready(&self) -> usize {
        match &self.0 {
            Encoder::None(out) => out.len(),
            Encoder::Gzip(encoder) => encoder.get_ref().len(),
            Encoder::Deflate(encoder) => encoder.get_ref().len(),
            Encoder::Lz4(encoder) => encoder.get_ref().len(),
            Encoder::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    /// What is ready to be sent.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let out = match &mut self.0 {
            Encoder::None(out) => out,
            Encoder::Gzip(encoder) => encoder.get_mut(),
            Encoder::Deflate(encoder) => encoder.get_mut(),
            Encoder::Lz4(encoder) => encoder.get_mut(),
            Encoder::Zstd(encoder) => encoder.get_mut(),
        };
        std::mem::take(out)
    }

    /// Ends the body; returns what is left to be sent.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        match self.0 {
            Encoder::None(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish().map_err(|error| cannot_compress(&error)),
            Encoder::Deflate(encoder) => encoder.finish().map_err(|error| cannot_compress(&error)),
            Encoder::Lz4(encoder) => encoder
                .finish()
                .map_err(|error| ConnectorError::internal(format!("a body cannot be compressed: {error}"))),
            Encoder::Zstd(encoder) => encoder.finish().map_err(|error| cannot_compress(&error)),
        }
    }
}

fn cannot_compress(error: &std::io::Error) -> ConnectorError {
    ConnectorError::internal(format!("a body cannot be compressed: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn decompress(codec: Option<Compression>, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match codec {
            None => out.extend_from_slice(bytes),
            Some(Compression::Gzip) => {
                flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out).unwrap();
            }
            Some(Compression::Deflate) => {
                flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out).unwrap();
            }
            Some(Compression::Lz4) => {
                lz4_flex::frame::FrameDecoder::new(bytes).read_to_end(&mut out).unwrap();
            }
            Some(Compression::Zstd) => out = zstd::stream::decode_all(bytes).unwrap(),
        }
        out
    }

    #[test]
    fn what_is_taken_in_pieces_is_one_body() {
        let line: Vec<u8> = (0..4000_u32).flat_map(|n| n.to_le_bytes()).collect();
        for codec in
            [None, Some(Compression::Gzip), Some(Compression::Deflate), Some(Compression::Lz4), Some(Compression::Zstd)]
        {
            let mut compressor = Compressor::new(codec).unwrap();
            let (mut body, mut whole) = (Vec::new(), Vec::new());
            for _ in 0..50 {
                compressor.write(&line).unwrap();
                whole.extend_from_slice(&line);
                if compressor.ready() > 10_000 {
                    body.append(&mut compressor.take());
                }
            }
            body.append(&mut compressor.finish().unwrap());
            assert!(decompress(codec, &body) == whole, "{codec:?}");
            assert!(codec.is_none() || body.len() < whole.len(), "{codec:?}");
        }
    }

    #[test]
    fn a_body_of_one_byte_has_a_whole_lz4_header() {
        // The server wants 15 bytes before it looks at a frame.
        let mut compressor = Compressor::new(Some(Compression::Lz4)).unwrap();
        compressor.write(b"1").unwrap();
        assert!(compressor.finish().unwrap().len() >= 15);
    }

    #[test]
    fn codecs_go_by_the_servers_names() {
        assert_eq!(Compression::of_csv_format("zstd"), Some(Compression::Zstd));
        assert_eq!(Compression::of_csv_format("bzip2"), None);
        assert_eq!(Compression::of_json_header("lz4_frame"), Some(Compression::Lz4));
        assert_eq!(Compression::of_json_header("lz4"), None);
    }
}
