//! Compressed bodies.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::MAX_BODY;
use crate::error::{Error, Result};

/// Bytes of compressed body that are decoded at once; deflate makes at most about a thousand times as many of them.
const DECODE_STEP: usize = 4096;
/// Room for what a step of zlib decodes, before more is made.
const OUTPUT_STEP: usize = 32 << 10;

/// How the body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    Plain,
    /// gzip, several members too (`format: gzip`).
    Gzip,
    /// zlib (`format: deflate`).
    Deflate,
}

/// Decompresses a body piece by piece.
pub(super) struct Decoder {
    stream: Stream,
    decoded_bytes: u64,
}

enum Stream {
    Gzip(MultiGzDecoder<Vec<u8>>),
    Deflate(Zlib),
}

impl Encoding {
    /// What decodes such a body; `None` if there is nothing to do.
    pub(super) fn decoder(self) -> Option<Decoder> {
        let stream = match self {
            Self::Plain => return None,
            Self::Gzip => Stream::Gzip(MultiGzDecoder::new(Vec::new())),
            Self::Deflate => Stream::Deflate(Zlib::new()),
        };
        Some(Decoder { stream, decoded_bytes: 0 })
    }
}

impl Decoder {
    /// Decodes a piece and hands on what comes out, in steps, so that a small piece that grows large is never held whole.
    pub(super) fn decode(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for step in bytes.chunks(DECODE_STEP) {
            let written = match &mut self.stream {
                Stream::Gzip(decoder) => decoder.write_all(step),
                Stream::Deflate(zlib) => zlib.write(step),
            };
            written.map_err(|error| broken(&error))?;
            self.hand_on(&mut take)?;
        }
        Ok(())
    }

    /// Hands on the rest; a body that ends too early is an error.
    pub(super) fn finish(mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let finished = match &mut self.stream {
            Stream::Gzip(decoder) => decoder.try_finish(),
            Stream::Deflate(zlib) => zlib.finish(),
        };
        finished.map_err(|error| broken(&error))?;
        self.hand_on(&mut take)
    }

    fn hand_on(&mut self, take: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let decoded = match &mut self.stream {
            Stream::Gzip(decoder) => std::mem::take(decoder.get_mut()),
            Stream::Deflate(zlib) => std::mem::take(&mut zlib.decoded),
        };
        self.decoded_bytes += decoded.len() as u64;
        if self.decoded_bytes > MAX_BODY {
            return Err(Error::invalid(format!("the body is longer than {MAX_BODY} bytes when decompressed")));
        }
        if decoded.is_empty() { Ok(()) } else { take(&decoded) }
    }
}

/// A zlib stream. flate2's own writer does not tell a stream that was cut from one that has ended.
struct Zlib {
    inflate: Decompress,
    decoded: Vec<u8>,
    has_ended: bool,
}

impl Zlib {
    fn new() -> Self {
        Self { inflate: Decompress::new(true), decoded: Vec::new(), has_ended: false }
    }

    fn write(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !self.has_ended {
            self.decoded.reserve(OUTPUT_STEP);
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress_vec(bytes, &mut self.decoded, FlushDecompress::None)?;
            let consumed = usize::try_from(self.inflate.total_in() - read).unwrap_or(bytes.len());
            bytes = &bytes[consumed..];
            self.has_ended = status == Status::StreamEnd;
            if consumed == 0 && self.inflate.total_out() == written {
                break;
            }
        }
        if self.has_ended && !bytes.is_empty() {
            return Err(std::io::Error::other("there are bytes behind the end of the stream"));
        }
        Ok(())
    }

    fn finish(&self) -> std::io::Result<()> {
        if self.has_ended { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn broken(error: &std::io::Error) -> Error {
    Error::invalid(format!("cannot decompress the body: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: Encoding, body: &[u8]) -> Result<Vec<u8>> {
        let mut decoded = Vec::new();
        let mut decoder = encoding.decoder().unwrap();
        for piece in body.chunks(7) {
            decoder.decode(piece, |bytes| {
                decoded.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        decoder.finish(|bytes| {
            decoded.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(decoded)
    }

    #[test]
    fn a_gzip_body_that_was_cut_anywhere_is_an_error() {
        let text: Vec<u8> = (0..500_u32).flat_map(|n| format!("{n},row\n").into_bytes()).collect();
        let mut body = Vec::new();
        let mut ends = Vec::new();
        for part in text.chunks(1500) {
            let mut encoder = flate2::write::GzEncoder::new(&mut body, flate2::Compression::default());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
            ends.push(body.len());
        }
        assert_eq!(decode(Encoding::Gzip, &body).unwrap(), text);
        for cut in 1..body.len() {
            let result = decode(Encoding::Gzip, &body[..cut]);
            assert_eq!(result.is_ok(), ends.contains(&cut), "cut at {cut} of {}", body.len());
        }
    }

    #[test]
    fn a_zlib_body_that_was_cut_anywhere_is_an_error() {
        let text: Vec<u8> = (0..500_u32).flat_map(|n| format!("{n},row\n").into_bytes()).collect();
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&text).unwrap();
        let body = encoder.finish().unwrap();
        assert_eq!(decode(Encoding::Deflate, &body).unwrap(), text);
        for cut in 1..body.len() {
            assert!(decode(Encoding::Deflate, &body[..cut]).is_err(), "cut at {cut} of {}", body.len());
        }
    }
}
