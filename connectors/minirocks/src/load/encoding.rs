//! Compressed bodies.

mod blocks;
mod lz4_frame;

use std::io;

use blocks::{Bzip2, Gzip, Zlib, Zstd};
use lz4_frame::Lz4Frame;

use super::MAX_BODY;
use crate::error::{Error, Result};

/// How the body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    Plain,
    /// gzip, several members too.
    Gzip,
    /// zlib, which StarRocks calls deflate.
    Deflate,
    /// bzip2, several streams too.
    Bzip2,
    /// The frame format of LZ4, several frames too.
    Lz4Frame,
    /// Zstandard, several frames too.
    Zstd,
}

/// Decompresses a stream step by step, so that a small piece that grows large is never held whole.
trait Codec: Send {
    /// Decodes some of the bytes, takes them off, and appends what comes out. True if there may be more to come out.
    fn step(&mut self, bytes: &mut &[u8], decoded: &mut Vec<u8>) -> io::Result<bool>;

    /// The end of the stream. An error if it has been cut.
    fn finish(&mut self, decoded: &mut Vec<u8>) -> io::Result<()>;
}

/// Decompresses a body piece by piece.
pub(super) struct Decoder {
    codec: Box<dyn Codec>,
    decoded: Vec<u8>,
    decoded_bytes: u64,
}

impl Encoding {
    /// What decodes such a body; `None` if there is nothing to do.
    pub(super) fn decoder(self) -> Result<Option<Decoder>> {
        let codec: Box<dyn Codec> = match self {
            Self::Plain => return Ok(None),
            Self::Gzip => Box::new(Gzip::new()),
            Self::Deflate => Box::new(Zlib::new()),
            Self::Bzip2 => Box::new(Bzip2::new()),
            Self::Lz4Frame => Box::new(Lz4Frame::new()),
            Self::Zstd => Box::new(Zstd::new().map_err(|error| broken(&error))?),
        };
        Ok(Some(Decoder { codec, decoded: Vec::new(), decoded_bytes: 0 }))
    }
}

impl Decoder {
    /// Decodes a piece and hands on what comes out.
    pub(super) fn decode(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        loop {
            let more = self.codec.step(&mut bytes, &mut self.decoded).map_err(|error| broken(&error))?;
            self.hand_on(&mut take)?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Hands on the rest; a body that ends too early is an error.
    pub(super) fn finish(mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.codec.finish(&mut self.decoded).map_err(|error| broken(&error))?;
        self.hand_on(&mut take)
    }

    fn hand_on(&mut self, take: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.decoded_bytes += self.decoded.len() as u64;
        if self.decoded_bytes > MAX_BODY {
            return Err(Error::backend(format!("the body is longer than {MAX_BODY} bytes when decompressed")));
        }
        if self.decoded.is_empty() {
            return Ok(());
        }
        let taken = take(&self.decoded);
        self.decoded.clear();
        taken
    }
}

fn broken(error: &io::Error) -> Error {
    Error::backend(format!("cannot decompress the body: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn decode(encoding: Encoding, body: &[u8], piece: usize) -> Result<Vec<u8>> {
        let mut decoded = Vec::new();
        let mut decoder = encoding.decoder()?.unwrap();
        for piece in body.chunks(piece) {
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

    fn encode(encoding: Encoding, text: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::default();
        match encoding {
            Encoding::Plain => text.to_vec(),
            Encoding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Lz4Frame => lz4(lz4_flex::frame::FrameInfo::new(), text),
            Encoding::Zstd => zstd::encode_all(text, 3).unwrap(),
        }
    }

    fn lz4(info: lz4_flex::frame::FrameInfo, text: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn text(rows: u32) -> Vec<u8> {
        (0..rows).flat_map(|n| format!("{n},row\n").into_bytes()).collect()
    }

    #[test]
    fn a_body_that_was_cut_anywhere_is_an_error_and_several_streams_are_one_text() {
        use Encoding::{Bzip2, Deflate, Gzip, Lz4Frame, Zstd};
        for (encoding, streams) in [(Gzip, 3), (Deflate, 1), (Bzip2, 3), (Lz4Frame, 3), (Zstd, 3)] {
            let text = text(150);
            let (mut body, mut ends) = (Vec::new(), Vec::new());
            for part in text.chunks(text.len().div_ceil(streams)) {
                body.extend(encode(encoding, part));
                ends.push(body.len());
            }
            for piece in [1, 7, 4096] {
                assert_eq!(decode(encoding, &body, piece).unwrap(), text, "{encoding:?}");
            }
            for cut in 1..body.len() {
                let result = decode(encoding, &body[..cut], 7);
                assert_eq!(result.is_ok(), ends.contains(&cut), "{encoding:?} cut at {cut} of {}", body.len());
            }
            assert!(decode(encoding, b"this is no compressed text", 7).is_err(), "{encoding:?}");
        }
    }

    #[test]
    fn long_bodies_come_out_whole() {
        use Encoding::{Bzip2, Deflate, Gzip, Lz4Frame, Zstd};
        let mut long = text(200_000);
        long.extend(vec![b'x'; 10 << 20]);
        for encoding in [Gzip, Deflate, Bzip2, Lz4Frame, Zstd] {
            let body = encode(encoding, &long);
            assert!(decode(encoding, &body, 500_000).unwrap() == long, "{encoding:?}");
        }
    }

    #[test]
    fn lz4_frames_of_every_shape_are_read() {
        use lz4_flex::frame::{BlockMode, BlockSize, FrameInfo};
        let text = text(30_000);
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            for (checksums, size) in [(false, None), (true, Some(text.len() as u64))] {
                let info = FrameInfo::new()
                    .block_mode(mode)
                    .block_size(BlockSize::Max64KB)
                    .block_checksums(checksums)
                    .content_checksum(checksums)
                    .content_size(size);
                let body = lz4(info, &text);
                assert_eq!(decode(Encoding::Lz4Frame, &body, 1000).unwrap(), text);
                let mut changed = body.clone();
                changed[body.len() / 2] ^= 1;
                assert!(!checksums || decode(Encoding::Lz4Frame, &changed, 1000).is_err());
            }
        }
    }
}
