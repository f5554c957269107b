//! Compression of a file as it is written.

use std::io::{self, Write};

use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::text::Compression;

/// What a name ends in, so that every reader knows.
pub(super) fn suffix(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::Gzip => Some("gz"),
        Compression::Zstd => Some("zst"),
        Compression::Bzip2 => Some("bz2"),
        Compression::Auto | Compression::None | Compression::Deflate | Compression::Zip => None,
    }
}

/// Compresses the bytes of one file.
pub(super) enum Compressor {
    Plain,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Bzip2(BzEncoder<Vec<u8>>),
}

impl Compressor {
    pub(super) fn new(compression: Compression) -> Result<Self> {
        Ok(match compression {
            Compression::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            // 0 is the library's own default level
            Compression::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 0).map_err(failed)?),
            Compression::Bzip2 => Self::Bzip2(BzEncoder::new(Vec::new(), bzip2::Compression::default())),
            Compression::Auto | Compression::None | Compression::Deflate | Compression::Zip => Self::Plain,
        })
    }

    /// Takes bytes; what comes of them so far is appended.
    pub(super) fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let (written, made) = match self {
            Self::Plain => {
                out.extend_from_slice(bytes);
                return Ok(());
            }
            Self::Gzip(encoder) => (encoder.write_all(bytes), encoder.get_mut()),
            Self::Zstd(encoder) => (encoder.write_all(bytes), encoder.get_mut()),
            Self::Bzip2(encoder) => (encoder.write_all(bytes), encoder.get_mut()),
        };
        out.append(made);
        written.map_err(failed)
    }

    /// Ends the file.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let rest = match std::mem::replace(self, Self::Plain) {
            Self::Plain => return Ok(()),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Bzip2(encoder) => encoder.finish(),
        };
        out.extend(rest.map_err(failed)?);
        Ok(())
    }
}

fn failed(error: io::Error) -> ConnectorError {
    ConnectorError::new(ErrorCode::Io, "a file cannot be compressed").with_source(error)
}
