//! gzip, in pieces, and what other compressions look like.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use super::options::Compression;
use crate::error::{ConnectorError, ErrorCode, Result};

/// So many first bytes tell the compressions apart.
pub(super) const MAGIC_BYTES: usize = 6;

const GZIP_MAGIC: &[u8] = b"\x1F\x8B";

/// First bytes that no text file has.
const OTHER_MAGICS: &[(&[u8], &str)] =
    &[(b"\x28\xB5\x2F\xFD", "zstd"), (b"\xFD7zXZ\0", "xz"), (b"PK\x03\x04", "zip"), (b"\x04\x22\x4D\x18", "lz4")];

const OTHER_SUFFIXES: &[&str] = &["zst", "zstd", "bz2", "xz", "zip", "lz4", "lzo", "snappy", "br", "deflate", "7z"];

/// Undoes a file's compression.
pub(super) enum Decompress {
    /// There is none.
    Plain,
    /// gzip; None before the first byte, so that an empty file is an empty table.
    Gzip(Option<Box<MultiGzDecoder<Vec<u8>>>>),
}

impl Decompress {
    /// Finds out how a file is compressed: by what the user says, what the server says, the file's name, its first bytes.
    pub(super) fn detect(
        compression: Compression,
        content_encoding: Option<&str>,
        path: &str,
        first_bytes: &[u8],
    ) -> Result<Self> {
        let gzip = Ok(Self::Gzip(None));
        match content_encoding {
            None => {}
            // Web servers say so of a stored .gz file as well as of a coding of their own: either way there is one layer.
            Some("gzip" | "x-gzip") => return gzip,
            Some(other) => {
                let other = other.escape_debug();
                return Err(not_built_yet(&format!("the server sent \"Content-Encoding: {other}\" unasked, which")));
            }
        }
        match compression {
            Compression::None => return Ok(Self::Plain),
            Compression::Gzip => return gzip,
            Compression::Zstd | Compression::Bzip2 | Compression::Deflate => {
                return Err(not_built_yet("reading zstd, bzip2 and deflate"));
            }
            Compression::Auto => {}
        }
        if first_bytes.starts_with(GZIP_MAGIC) {
            return gzip;
        }
        if let Some((_, name)) = OTHER_MAGICS.iter().find(|(magic, _)| first_bytes.starts_with(magic)) {
            return Err(not_built_yet(&format!("the file is compressed with {name}, which")));
        }
        let suffix = path
            .rsplit('/')
            .next()
            .and_then(|name| name.rsplit_once('.'))
            .map(|(_, suffix)| suffix.to_ascii_lowercase());
        match suffix.as_deref() {
            Some("gz" | "gzip") if !first_bytes.is_empty() => {
                let message = "the file's name says gzip, but its first bytes do not; if it is plain text, set \"compression\" = \"none\"";
                Err(ConnectorError::new(ErrorCode::Value, message))
            }
            Some(suffix) if OTHER_SUFFIXES.contains(&suffix) => Err(not_built_yet(&format!(
                "the file's name says {suffix} (if it is plain text, set \"compression\" = \"none\"); reading that"
            ))),
            _ => Ok(Self::Plain),
        }
    }

    /// Whether bytes pass unchanged.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// The bytes of a piece of the file, for as long as the next call.
    pub(super) fn push<'a>(&mut self, piece: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let Self::Gzip(decoder) = self else { return Ok(piece) };
        scratch.clear();
        if piece.is_empty() {
            return Ok(scratch);
        }
        let decoder = decoder.get_or_insert_with(|| Box::new(MultiGzDecoder::new(Vec::new())));
        std::mem::swap(decoder.get_mut(), scratch);
        let outcome = decoder.write_all(piece).and_then(|()| decoder.flush());
        std::mem::swap(decoder.get_mut(), scratch);
        outcome.map_err(damaged)?;
        Ok(scratch)
    }

    /// Checks that the file did not end too early, and returns what was still held back.
    pub(super) fn finish(&mut self) -> Result<Vec<u8>> {
        match self {
            Self::Gzip(decoder) => match decoder.take() {
                Some(decoder) => decoder.finish().map_err(damaged),
                None => Ok(Vec::new()),
            },
            Self::Plain => Ok(Vec::new()),
        }
    }
}

fn damaged(error: io::Error) -> ConnectorError {
    let message = "the gzip data is damaged, cut short, or followed by something else";
    ConnectorError::new(ErrorCode::Value, message).with_source(error)
}

/// For compressions that a later version may read.
pub(super) fn not_built_yet(what: &str) -> ConnectorError {
    ConnectorError::new(ErrorCode::Unsupported, format!("{what} is not built yet; use gzip or no compression"))
}

#[cfg(test)]
mod tests {
    use flate2::write::GzEncoder;

    use super::*;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(bytes: &[u8], piece: usize) -> Result<Vec<u8>> {
        let mut decompress = Decompress::Gzip(None);
        let mut scratch = Vec::new();
        let mut all = Vec::new();
        for piece in bytes.chunks(piece) {
            all.extend_from_slice(decompress.push(piece, &mut scratch)?);
        }
        all.extend(decompress.finish()?);
        Ok(all)
    }

    #[test]
    fn several_members_follow_each_other() {
        let bytes = [member(b"one\ntw"), member(b""), member(b"o\n"), member(&[b'x'; 100_000])].concat();
        let expected = [b"one\ntwo\n".to_vec(), vec![b'x'; 100_000]].concat();
        for piece in [1, 2, 3, 7, 100, bytes.len()] {
            assert_eq!(gunzip(&bytes, piece).unwrap(), expected, "{piece}");
        }
        assert_eq!(gunzip(b"", 1).unwrap(), b"");
    }

    #[test]
    fn data_that_is_cut_short_or_damaged_is_an_error() {
        let bytes = [member(b"one\n"), member(b"two\nthree\n")].concat();
        let first = member(b"one\n").len();
        for end in (1..bytes.len()).filter(|end| *end != first) {
            assert!(gunzip(&bytes[..end], 5).is_err(), "cut at {end}");
        }
        let mut wrong_sum = bytes.clone();
        let at = wrong_sum.len() - 6;
        wrong_sum[at] ^= 1;
        assert!(gunzip(&wrong_sum, 1000).is_err());
        assert!(gunzip(&[&bytes[..], b"tail of something else"].concat(), 1000).is_err());
    }

    #[test]
    fn compression_is_found_by_name_and_first_bytes() {
        let detect = |path: &str, bytes: &[u8]| Decompress::detect(Compression::Auto, None, path, bytes);
        assert!(detect("/a.txt", b"hello").unwrap().is_plain());
        assert!(!detect("/a.txt", b"\x1F\x8B\x08").unwrap().is_plain());
        assert!(!detect("/a.GZ", b"\x1F\x8B\x08").unwrap().is_plain());
        assert!(detect("/a.gz", b"").unwrap().is_plain());
        assert_eq!(detect("/a.gz", b"hello").err().unwrap().code(), ErrorCode::Value);
        assert!(detect("/folder.zst/a", b"hello").unwrap().is_plain());
        for (path, bytes) in [("/a.bz2", &b"hello"[..]), ("/a", b"\x28\xB5\x2F\xFDx"), ("/a", b"PK\x03\x04xx")] {
            assert_eq!(detect(path, bytes).err().unwrap().code(), ErrorCode::Unsupported, "{path}");
        }
        assert!(Decompress::detect(Compression::None, None, "/a.gz", b"\x1F\x8B").unwrap().is_plain());
        assert!(!Decompress::detect(Compression::None, Some("gzip"), "/a", b"\x1F\x8B").unwrap().is_plain());
        assert!(Decompress::detect(Compression::Auto, Some("br"), "/a", b"").is_err());
    }
}
