//! Undoes a file's compression, in pieces: what a few bytes unpack to is given out bit by bit, so that memory is bounded.

use std::io::{self, Write};

use bzip2::Status as Bzip2Status;
use flate2::write::MultiGzDecoder;
use flate2::{FlushDecompress, Status as ZlibStatus};
use zstd::stream::raw::{Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

use super::options::Compression;
use super::zip_file::ZipFile;
use crate::error::{ConnectorError, ErrorCode, Result};

/// So many first bytes tell the compressions apart.
pub(super) const MAGIC_BYTES: usize = 6;

/// Unpacked bytes given out at a time.
pub(super) const OUTPUT_BYTES: usize = 1 << 20;

const GZIP_MAGIC: &[u8] = b"\x1F\x8B";
const ZSTD_MAGIC: &[u8] = b"\x28\xB5\x2F\xFD";

/// First bytes that no text file has, of what is not read.
const OTHER_MAGICS: &[(&[u8], &str)] = &[(b"\xFD7zXZ\0", "xz"), (b"\x04\x22\x4D\x18", "lz4")];

const OTHER_SUFFIXES: &[&str] = &["xz", "lz4", "lzo", "lzo_deflate", "snappy", "br", "7z"];

/// Undoes a file's compression.
pub(super) enum Decompress {
    /// There is none.
    Plain,
    /// gzip; None before the first byte, so that an empty file is an empty table.
    Gzip(Option<Box<MultiGzDecoder<Vec<u8>>>>),
    /// Zstandard frames.
    Zstd {
        /// Made with the first bytes.
        decoder: Option<Box<ZstdDecoder<'static>>>,
        /// Whether all that came is unpacked and the last frame is whole.
        is_whole: bool,
    },
    /// bzip2 streams; None between them.
    Bzip2(Option<Box<bzip2::Decompress>>),
    /// One zlib stream, and whether it has ended; None before the first byte.
    Deflate(Option<Box<flate2::Decompress>>, bool),
    /// A ZIP archive.
    Zip(Box<ZipFile>),
}

impl Decompress {
    /// Finds out how a file is compressed: by what the user says, what the server says, the file's name, its first bytes.
    pub(super) fn detect(
        compression: Compression,
        content_encoding: Option<&str>,
        path: &str,
        first_bytes: &[u8],
    ) -> Result<Self> {
        match content_encoding {
            None => {}
            // Web servers say so of a stored .gz file as well as of a coding of their own: either way there is one layer.
            Some("gzip" | "x-gzip") => return Ok(Self::Gzip(None)),
            Some("zstd") => return Ok(Self::of(Compression::Zstd)),
            Some(other) => {
                let other = other.escape_debug();
                return Err(not_built_yet(&format!("the server sent \"Content-Encoding: {other}\" unasked, which")));
            }
        }
        if compression != Compression::Auto {
            return Ok(Self::of(compression));
        }
        let found = match first_bytes {
            bytes if bytes.starts_with(GZIP_MAGIC) => Some(Compression::Gzip),
            bytes if bytes.starts_with(ZSTD_MAGIC) => Some(Compression::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Some(Compression::Bzip2),
            bytes if ZipFile::begins(bytes) => Some(Compression::Zip),
            _ => None,
        };
        if let Some(found) = found {
            return Ok(Self::of(found));
        }
        if let Some((_, name)) = OTHER_MAGICS.iter().find(|(magic, _)| first_bytes.starts_with(magic)) {
            return Err(not_built_yet(&format!("the file is compressed with {name}, which")));
        }
        let suffix = path
            .rsplit('/')
            .next()
            .and_then(|name| name.rsplit_once('.'))
            .map(|(_, suffix)| suffix.to_ascii_lowercase());
        let named = match suffix.as_deref() {
            // its first bytes are those of no format in particular
            Some("deflate") => return Ok(Self::of(Compression::Deflate)),
            Some("gz" | "gzip") => "gzip",
            Some("zst" | "zstd") => "zstd",
            Some("bz2" | "bzip2") => "bzip2",
            Some("zip") => "zip",
            Some(suffix) if OTHER_SUFFIXES.contains(&suffix) => {
                return Err(not_built_yet(&format!(
                    "the file's name says {suffix} (if it is plain text, set \"compression\" = \"none\"); reading that"
                )));
            }
            _ => return Ok(Self::Plain),
        };
        if first_bytes.is_empty() {
            return Ok(Self::Plain);
        }
        let message = format!(
            "the file's name says {named}, but its first bytes do not; if it is plain text, set \"compression\" = \"none\""
        );
        Err(ConnectorError::new(ErrorCode::Value, message))
    }

    fn of(compression: Compression) -> Self {
        match compression {
            Compression::Auto | Compression::None => Self::Plain,
            Compression::Gzip => Self::Gzip(None),
            Compression::Zstd => Self::Zstd { decoder: None, is_whole: true },
            Compression::Bzip2 => Self::Bzip2(None),
            Compression::Deflate => Self::Deflate(None, false),
            Compression::Zip => Self::Zip(Box::default()),
        }
    }

    /// Whether bytes pass unchanged.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// Unpacks a piece of the file into `out`, which is emptied first. Returns how many of its bytes were taken: the others come again.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        out.clear();
        if piece.is_empty() {
            return Ok(0);
        }
        match self {
            Self::Plain => {
                out.extend_from_slice(piece);
                Ok(piece.len())
            }
            Self::Gzip(decoder) => {
                let decoder = decoder.get_or_insert_with(|| Box::new(MultiGzDecoder::new(Vec::new())));
                std::mem::swap(decoder.get_mut(), out);
                let outcome = decoder.write_all(piece).and_then(|()| decoder.flush());
                std::mem::swap(decoder.get_mut(), out);
                outcome.map_err(|error| damaged("gzip", error))?;
                Ok(piece.len())
            }
            Self::Zstd { decoder, is_whole } => {
                let decoder = match decoder {
                    Some(decoder) => decoder,
                    None => decoder.insert(Box::new(ZstdDecoder::new().map_err(|error| damaged("zstd", error))?)),
                };
                unpack_zstd(decoder, piece, out, is_whole)
            }
            Self::Bzip2(decoder) => {
                let mut taken = 0;
                while taken < piece.len() && out.len() < OUTPUT_BYTES {
                    let stream = decoder.get_or_insert_with(|| Box::new(bzip2::Decompress::new(false)));
                    let (before_in, before_out) = (stream.total_in(), stream.total_out());
                    let start = out.len();
                    out.resize(OUTPUT_BYTES, 0);
                    let status = stream.decompress(&piece[taken..], &mut out[start..]);
                    out.truncate(start + (stream.total_out() - before_out) as usize);
                    taken += (stream.total_in() - before_in) as usize;
                    match status.map_err(|error| damaged("bzip2", error.into()))? {
                        Bzip2Status::StreamEnd => *decoder = None,
                        _ if stream.total_in() == before_in && stream.total_out() == before_out => break,
                        _ => {}
                    }
                }
                Ok(taken)
            }
            Self::Deflate(decoder, has_ended) => {
                if *has_ended {
                    return Err(damaged("deflate", io::ErrorKind::InvalidData.into()));
                }
                let decoder = decoder.get_or_insert_with(|| Box::new(flate2::Decompress::new(true)));
                let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
                out.resize(OUTPUT_BYTES, 0);
                let status = decoder.decompress(piece, out, FlushDecompress::None);
                out.truncate((decoder.total_out() - before_out) as usize);
                *has_ended = matches!(status, Ok(ZlibStatus::StreamEnd));
                status.map_err(|error| damaged("deflate", error.into()))?;
                Ok((decoder.total_in() - before_in) as usize)
            }
            Self::Zip(archive) => archive.push(piece, out),
        }
    }

    /// Puts what was still held back into `out`, which is emptied first, and checks that the file did not end too early. Returns whether
    /// there is more.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        out.clear();
        let cut_short = |name| Err(damaged(name, io::ErrorKind::UnexpectedEof.into()));
        match self {
            Self::Plain | Self::Bzip2(None) | Self::Deflate(None, _) => Ok(false),
            Self::Gzip(decoder) => {
                if let Some(decoder) = decoder.take() {
                    *out = decoder.finish().map_err(|error| damaged("gzip", error))?;
                }
                Ok(false)
            }
            Self::Zstd { is_whole: true, .. } | Self::Zstd { decoder: None, .. } => Ok(false),
            Self::Zstd { decoder: Some(decoder), is_whole } => {
                unpack_zstd(decoder, &[], out, is_whole)?;
                match (*is_whole, out.is_empty()) {
                    (true, _) => Ok(false),
                    (false, true) => cut_short("zstd"),
                    (false, false) => Ok(true),
                }
            }
            Self::Bzip2(Some(stream)) => {
                let before = stream.total_out();
                out.resize(OUTPUT_BYTES, 0);
                let status = stream.decompress(&[], out);
                out.truncate((stream.total_out() - before) as usize);
                match status.map_err(|error| damaged("bzip2", error.into()))? {
                    Bzip2Status::StreamEnd => {
                        *self = Self::Bzip2(None);
                        Ok(false)
                    }
                    _ if out.is_empty() => cut_short("bzip2"),
                    _ => Ok(true),
                }
            }
            Self::Deflate(Some(_), true) => Ok(false),
            Self::Zip(archive) => archive.finish(),
            Self::Deflate(Some(decoder), has_ended) => {
                let before = decoder.total_out();
                out.resize(OUTPUT_BYTES, 0);
                let status = decoder.decompress(&[], out, FlushDecompress::None);
                out.truncate((decoder.total_out() - before) as usize);
                *has_ended = matches!(status, Ok(ZlibStatus::StreamEnd));
                match (*has_ended, out.is_empty()) {
                    (true, _) => Ok(false),
                    (false, true) => cut_short("deflate"),
                    (false, false) => Ok(true),
                }
            }
        }
    }
}

fn unpack_zstd(
    decoder: &mut ZstdDecoder<'static>,
    piece: &[u8],
    out: &mut Vec<u8>,
    is_whole: &mut bool,
) -> Result<usize> {
    let mut input = InBuffer::around(piece);
    out.resize(OUTPUT_BYTES, 0);
    let mut output = OutBuffer::around(out.as_mut_slice());
    let mut outcome = Ok(());
    loop {
        let before = (input.pos(), output.pos());
        match decoder.run(&mut input, &mut output) {
            Ok(wanted) => *is_whole = wanted == 0,
            Err(error) => outcome = Err(error),
        }
        let stands_still = (input.pos(), output.pos()) == before;
        let is_full = output.pos() == OUTPUT_BYTES;
        if outcome.is_err() || stands_still || is_full || input.pos() == piece.len() {
            break;
        }
    }
    let written = output.pos();
    out.truncate(written);
    outcome.map_err(|error| damaged("zstd", error))?;
    Ok(input.pos())
}

pub(super) fn damaged(name: &str, error: io::Error) -> ConnectorError {
    let message = format!("the {name} data is damaged, cut short, or followed by something else");
    ConnectorError::new(ErrorCode::Value, message).with_source(error)
}

/// For compressions that a later version may read.
pub(super) fn not_built_yet(what: &str) -> ConnectorError {
    let message = format!("{what} is not built yet; use gzip, zstd, bzip2, deflate, zip or no compression");
    ConnectorError::new(ErrorCode::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use bzip2::write::BzEncoder;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    const ALL: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::Bzip2];

    /// One member, frame or stream.
    fn pack(compression: Compression, text: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Auto | Compression::None | Compression::Zip => text.to_vec(),
        }
    }

    fn unpack(compression: Compression, bytes: &[u8], piece: usize) -> Result<Vec<u8>> {
        let mut decompress = Decompress::of(compression);
        let mut out = Vec::new();
        let mut all = Vec::new();
        for piece in bytes.chunks(piece) {
            let mut rest = piece;
            let mut idle = 0;
            while !rest.is_empty() {
                let taken = decompress.push(rest, &mut out)?;
                idle = if taken == 0 && out.is_empty() { idle + 1 } else { 0 };
                assert!(idle < 3, "no progress");
                assert!(compression == Compression::Gzip || out.len() <= OUTPUT_BYTES);
                all.extend_from_slice(&out);
                rest = &rest[taken..];
            }
        }
        loop {
            let more = decompress.finish(&mut out)?;
            all.extend_from_slice(&out);
            if !more {
                return Ok(all);
            }
        }
    }

    #[test]
    fn several_members_follow_each_other() {
        for compression in ALL {
            let parts = [&b"one\ntw"[..], b"", b"o\n", &[b'x'; 100_000]];
            let bytes: Vec<u8> = parts.iter().flat_map(|part| pack(compression, part)).collect();
            let expected = parts.concat();
            for piece in [1, 2, 3, 7, 100, bytes.len()] {
                assert_eq!(unpack(compression, &bytes, piece).unwrap(), expected, "{compression:?} {piece}");
            }
            assert_eq!(unpack(compression, b"", 1).unwrap(), b"");
        }
        let deflate = pack(Compression::Deflate, &[b'x'; 100_000]);
        for piece in [1, 7, deflate.len()] {
            assert_eq!(unpack(Compression::Deflate, &deflate, piece).unwrap(), [b'x'; 100_000]);
        }
    }

    #[test]
    fn data_that_is_cut_short_or_damaged_is_an_error() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Deflate] {
            let first = pack(compression, b"one\n");
            let bytes = match compression {
                Compression::Deflate => first.clone(),
                _ => [first.clone(), pack(compression, b"two\nthree\n")].concat(),
            };
            for end in (1..bytes.len()).filter(|end| *end != first.len()) {
                assert!(unpack(compression, &bytes[..end], 5).is_err(), "{compression:?} cut at {end}");
            }
            let mut wrong_sum = bytes.clone();
            let at = wrong_sum.len() - if compression == Compression::Zstd { 2 } else { 6 };
            wrong_sum[at] ^= 1;
            assert!(unpack(compression, &wrong_sum, 1000).is_err(), "{compression:?}");
            let tail = [&bytes[..], b"tail of something else"].concat();
            assert!(unpack(compression, &tail, 1000).is_err(), "{compression:?}");
        }
    }

    #[test]
    fn a_bomb_is_unpacked_bit_by_bit() {
        for compression in [Compression::Zstd, Compression::Bzip2, Compression::Deflate] {
            let bytes = pack(compression, &vec![0; 30 << 20]);
            assert!(bytes.len() < 100_000);
            // `unpack` checks the size of each step
            assert_eq!(unpack(compression, &bytes, bytes.len()).unwrap().len(), 30 << 20, "{compression:?}");
        }
    }

    #[test]
    fn compression_is_found_by_name_and_first_bytes() {
        let detect = |path: &str, bytes: &[u8]| Decompress::detect(Compression::Auto, None, path, bytes);
        let zstd = pack(Compression::Zstd, b"hello");
        let bzip2 = pack(Compression::Bzip2, b"hello");
        assert!(detect("/a.txt", b"hello").unwrap().is_plain());
        assert!(matches!(detect("/a.txt", b"\x1F\x8B\x08"), Ok(Decompress::Gzip(_))));
        assert!(matches!(detect("/a.GZ", b"\x1F\x8B\x08"), Ok(Decompress::Gzip(_))));
        assert!(matches!(detect("/a.zst", &zstd), Ok(Decompress::Zstd { .. })));
        assert!(matches!(detect("/a", &zstd), Ok(Decompress::Zstd { .. })));
        assert!(matches!(detect("/a.bz2", &bzip2), Ok(Decompress::Bzip2(_))));
        assert!(matches!(detect("/a", &bzip2), Ok(Decompress::Bzip2(_))));
        assert!(matches!(detect("/a.deflate", b"x"), Ok(Decompress::Deflate(..))));
        assert!(detect("/a", b"BZh9 is how some texts begin").unwrap().is_plain());
        assert!(detect("/folder.zst/a", b"hello").unwrap().is_plain());
        for path in ["/a.gz", "/a.zst", "/a.bz2"] {
            assert!(detect(path, b"").unwrap().is_plain());
            assert_eq!(detect(path, b"hello").err().unwrap().code(), ErrorCode::Value, "{path}");
        }
        for (path, bytes) in
            [("/a.snappy", &b"hello"[..]), ("/a.lz4", b"hello"), ("/a.lzo", b"hello"), ("/a", b"\xFD7zXZ\0")]
        {
            assert_eq!(detect(path, bytes).err().unwrap().code(), ErrorCode::Unsupported, "{path}");
        }
        assert!(Decompress::detect(Compression::None, None, "/a.gz", b"\x1F\x8B").unwrap().is_plain());
        assert!(!Decompress::detect(Compression::None, Some("gzip"), "/a", b"\x1F\x8B").unwrap().is_plain());
        assert!(Decompress::detect(Compression::Auto, Some("br"), "/a", b"").is_err());
    }
}
