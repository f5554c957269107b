//! Codecs whose libraries take bytes as they come.

use std::io::{self, ErrorKind, Write as _};

use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::Operation as _;

use super::Codec;

/// Bytes of gzip that are decoded at once; deflate makes at most about a thousand times as many of them.
const GZIP_STEP: usize = 4096;
/// Room for what a step of the others decodes.
const OUTPUT_STEP: usize = 64 << 10;

/// gzip. flate2's writer tells a cut stream from one that has ended.
pub(super) struct Gzip(MultiGzDecoder<Vec<u8>>);

impl Gzip {
    pub(super) fn new() -> Self {
        Self(MultiGzDecoder::new(Vec::new()))
    }
}

impl Codec for Gzip {
    fn step(&mut self, bytes: &mut &[u8], decoded: &mut Vec<u8>) -> io::Result<bool> {
        let (now, rest) = bytes.split_at(bytes.len().min(GZIP_STEP));
        self.0.write_all(now)?;
        decoded.append(self.0.get_mut());
        *bytes = rest;
        Ok(!rest.is_empty())
    }

    fn finish(&mut self, decoded: &mut Vec<u8>) -> io::Result<()> {
        self.0.try_finish()?;
        decoded.append(self.0.get_mut());
        Ok(())
    }
}

/// A zlib stream. flate2's own writer does not tell a stream that was cut from one that has ended.
pub(super) struct Zlib {
    inflate: Decompress,
    has_ended: bool,
}

impl Zlib {
    pub(super) fn new() -> Self {
        Self { inflate: Decompress::new(true), has_ended: false }
    }
}

impl Codec for Zlib {
    fn step(&mut self, bytes: &mut &[u8], decoded: &mut Vec<u8>) -> io::Result<bool> {
        if self.has_ended {
            return if bytes.is_empty() { Ok(false) } else { Err(behind_the_end()) };
        }
        decoded.reserve(OUTPUT_STEP);
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress_vec(bytes, decoded, FlushDecompress::None)?;
        let consumed = advance(bytes, self.inflate.total_in() - read);
        self.has_ended = status == Status::StreamEnd;
        Ok(consumed > 0 || self.inflate.total_out() > written)
    }

    fn finish(&mut self, _decoded: &mut Vec<u8>) -> io::Result<()> {
        if self.has_ended { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }
}

/// bzip2, one stream after another.
pub(super) struct Bzip2 {
    inflate: bzip2::Decompress,
    /// A stream has begun and not ended.
    is_open: bool,
}

impl Bzip2 {
    pub(super) fn new() -> Self {
        Self { inflate: bzip2::Decompress::new(false), is_open: false }
    }
}

impl Codec for Bzip2 {
    fn step(&mut self, bytes: &mut &[u8], decoded: &mut Vec<u8>) -> io::Result<bool> {
        if bytes.is_empty() && !self.is_open {
            return Ok(false);
        }
        self.is_open = true;
        decoded.reserve(OUTPUT_STEP);
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress_vec(bytes, decoded).map_err(io::Error::other)?;
        let progress = advance(bytes, self.inflate.total_in() - read) > 0 || self.inflate.total_out() > written;
        if status == bzip2::Status::StreamEnd {
            *self = Self::new();
            return Ok(!bytes.is_empty());
        }
        Ok(progress)
    }

    fn finish(&mut self, _decoded: &mut Vec<u8>) -> io::Result<()> {
        if self.is_open { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// Zstandard, one frame after another.
pub(super) struct Zstd {
    inflate: zstd::stream::raw::Decoder<'static>,
    output: Vec<u8>,
    /// A frame has begun and not ended.
    is_open: bool,
}

impl Zstd {
    pub(super) fn new() -> io::Result<Self> {
        let inflate = zstd::stream::raw::Decoder::new()?;
        Ok(Self { inflate, output: vec![0; OUTPUT_STEP], is_open: false })
    }
}

impl Codec for Zstd {
    fn step(&mut self, bytes: &mut &[u8], decoded: &mut Vec<u8>) -> io::Result<bool> {
        if bytes.is_empty() && !self.is_open {
            return Ok(false);
        }
        let status = self.inflate.run_on_buffers(bytes, &mut self.output)?;
        decoded.extend_from_slice(&self.output[..status.bytes_written]);
        *bytes = &bytes[status.bytes_read..];
        // What remains is 0 at the end of a frame.
        self.is_open = status.remaining != 0;
        Ok(status.bytes_written > 0 || status.bytes_read > 0)
    }

    fn finish(&mut self, _decoded: &mut Vec<u8>) -> io::Result<()> {
        if self.is_open { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// Takes off what was read; returns how much.
fn advance(bytes: &mut &[u8], read: u64) -> usize {
    let read = usize::try_from(read).unwrap_or(bytes.len()).min(bytes.len());
    *bytes = &bytes[read..];
    read
}

fn behind_the_end() -> io::Error {
    io::Error::other("there are bytes behind the end of the stream")
}
