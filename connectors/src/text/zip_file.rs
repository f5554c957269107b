//! A ZIP archive of one file, unpacked as its bytes come: no part of it is read twice, and its directory at the end is not needed.
//!
//! Layout by PKWARE's APPNOTE 6.3: a local header in front of each file (4.3.7), its data, where the sizes were not known a descriptor
//! (4.3.9), then the directory. Folders in it are passed over; a second file is an error.

use std::io;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::decompress::{OUTPUT_BYTES, damaged};
use crate::error::{ConnectorError, ErrorCode, Result};

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const DIRECTORY: &[u8] = b"PK\x01\x02";
const END_OF_DIRECTORY: &[u8] = b"PK\x05\x06";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";

/// A local header without name and extra field.
const LOCAL_HEADER_BYTES: usize = 30;
/// Signature, sum, and two sizes of 8 bytes: the longest descriptor.
const DESCRIPTOR_BYTES: usize = 24;

/// Flags of a file (4.4.4).
const IS_ENCRYPTED: u16 = 1;
const HAS_DESCRIPTOR: u16 = 1 << 3;
/// Methods (4.4.5).
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Unpacks an archive.
#[derive(Default)]
pub(super) struct ZipFile {
    state: State,
    /// Bytes of the header or descriptor that is being read.
    head: Vec<u8>,
    has_file: bool,
}

#[derive(Default)]
enum State {
    /// In front of a header.
    #[default]
    Header,
    Data(Box<Entry>),
    /// Behind the data of a file whose sum is told there.
    Descriptor(u32),
    /// In the directory: its last four bytes that came, and whether its end has come.
    Directory(u32, bool),
}

/// One file of the archive.
struct Entry {
    /// None: its bytes are as they are.
    inflate: Option<Decompress>,
    /// Of bytes that are as they are: how many are left.
    left: u64,
    sum: Crc,
    /// The sum that the header tells; None: the descriptor does.
    expected: Option<u32>,
}

impl ZipFile {
    /// Whether a file that begins so is an archive.
    pub(super) fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(LOCAL_HEADER) || bytes.starts_with(END_OF_DIRECTORY)
    }

    /// Unpacks a piece into `out`, which is empty. Returns how many of its bytes were taken.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        let mut taken = 0;
        while taken < piece.len() && out.len() < OUTPUT_BYTES {
            let rest = &piece[taken..];
            let before = (taken, out.len());
            match &mut self.state {
                State::Header => taken += self.read_header(rest)?,
                State::Data(entry) => {
                    let (read, has_ended) = entry.unpack(rest, out)?;
                    taken += read;
                    if has_ended {
                        self.state = match (entry.expected, entry.sum.sum()) {
                            (None, sum) => State::Descriptor(sum),
                            (Some(expected), sum) if expected == sum => State::Header,
                            (Some(_), _) => return Err(damaged("zip", io::ErrorKind::InvalidData.into())),
                        };
                        continue;
                    }
                }
                State::Descriptor(sum) => {
                    let sum = *sum;
                    taken += self.read_descriptor(rest, sum)?;
                }
                State::Directory(last, has_ended) => {
                    for byte in rest {
                        *last = *last << 8 | u32::from(*byte);
                        *has_ended |= last.to_be_bytes() == END_OF_DIRECTORY;
                    }
                    taken += rest.len();
                }
            }
            if (taken, out.len()) == before && matches!(self.state, State::Data(_)) {
                break;
            }
        }
        Ok(taken)
    }

    /// Checks that the archive was whole.
    pub(super) fn finish(&self) -> Result<bool> {
        match &self.state {
            State::Directory(_, true) if !self.has_file => {
                Err(ConnectorError::new(ErrorCode::Value, "the zip archive holds no file"))
            }
            State::Directory(_, true) => Ok(false),
            _ => Err(damaged("zip", io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Collects bytes until there are so many. Returns how many were taken.
    fn collect(&mut self, rest: &[u8], wanted: usize) -> usize {
        let taken = wanted.saturating_sub(self.head.len()).min(rest.len());
        self.head.extend_from_slice(&rest[..taken]);
        taken
    }

    fn read_header(&mut self, rest: &[u8]) -> Result<usize> {
        let mut taken = self.collect(rest, LOCAL_HEADER.len());
        if self.head.len() < LOCAL_HEADER.len() {
            return Ok(taken);
        }
        if self.head == DIRECTORY || self.head == END_OF_DIRECTORY {
            self.state = State::Directory(0, self.head == END_OF_DIRECTORY);
            self.head.clear();
            return Ok(taken);
        }
        if !self.head.starts_with(LOCAL_HEADER) {
            return Err(damaged("zip", io::ErrorKind::InvalidData.into()));
        }
        taken += self.collect(&rest[taken..], LOCAL_HEADER_BYTES);
        if self.head.len() < LOCAL_HEADER_BYTES {
            return Ok(taken);
        }
        let (name, extra) = (usize::from(self.u16_at(26)), usize::from(self.u16_at(28)));
        taken += self.collect(&rest[taken..], LOCAL_HEADER_BYTES + name + extra);
        if self.head.len() == LOCAL_HEADER_BYTES + name + extra {
            self.begin_file(name)?;
            self.head.clear();
        }
        Ok(taken)
    }

    /// The header is here: what follows is the file's data, if it is no folder.
    fn begin_file(&mut self, name: usize) -> Result<()> {
        let unsupported = |what: &str| {
            let message = format!("the zip archive {what}; unpack it, or compress the file with gzip");
            Err(ConnectorError::new(ErrorCode::Unsupported, message))
        };
        let (flags, method) = (self.u16_at(6), self.u16_at(8));
        let (expected, stored_bytes) = (self.u32_at(14), u64::from(self.u32_at(18)));
        let is_folder = self.head[LOCAL_HEADER_BYTES..][..name].ends_with(b"/");
        if is_folder && stored_bytes == 0 && flags & HAS_DESCRIPTOR == 0 {
            return Ok(());
        }
        if std::mem::replace(&mut self.has_file, true) {
            return unsupported("holds several files, and a location is read as one");
        }
        if flags & IS_ENCRYPTED != 0 {
            return unsupported("is encrypted");
        }
        let is_large = stored_bytes == u64::from(u32::MAX);
        let inflate = match method {
            DEFLATED => Some(Decompress::new(false)),
            STORED if flags & HAS_DESCRIPTOR == 0 && !is_large => None,
            STORED => return unsupported("holds a file as it is, of a length that is not told in front of it"),
            _ => return unsupported("is compressed with another method than deflate"),
        };
        let expected = (flags & HAS_DESCRIPTOR == 0).then_some(expected);
        self.state = State::Data(Box::new(Entry { inflate, left: stored_bytes, sum: Crc::new(), expected }));
        Ok(())
    }

    /// A descriptor has a signature or has none, and sizes of 4 or 8 bytes; what follows it tells which.
    fn read_descriptor(&mut self, rest: &[u8], sum: u32) -> Result<usize> {
        let follows =
            |at: usize, head: &[u8]| head.get(at..at + 4).is_some_and(|next| next == DIRECTORY || next == LOCAL_HEADER);
        let taken = self.collect(rest, DESCRIPTOR_BYTES + LOCAL_HEADER.len());
        let start = if self.head.starts_with(DESCRIPTOR) { DESCRIPTOR.len() } else { 0 };
        let found = [start + 12, start + 20].into_iter().find(|end| follows(*end, &self.head));
        let Some(end) = found else {
            return match self.head.len() == DESCRIPTOR_BYTES + LOCAL_HEADER.len() {
                true => Err(damaged("zip", io::ErrorKind::InvalidData.into())),
                false => Ok(taken),
            };
        };
        if self.u32_at(start) != sum {
            return Err(damaged("zip", io::ErrorKind::InvalidData.into()));
        }
        // what follows was collected too, and is a header's beginning
        let more = self.head.split_off(end);
        self.head.clear();
        self.state = State::Header;
        let mut at = 0;
        while at < more.len() {
            at += match &mut self.state {
                State::Header => self.read_header(&more[at..])?,
                // a header is longer than what was collected of it, and the directory's end than what is left
                _ => more.len() - at,
            };
        }
        Ok(taken)
    }

    fn u16_at(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.head[at], self.head[at + 1]])
    }

    fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.head[at], self.head[at + 1], self.head[at + 2], self.head[at + 3]])
    }
}

impl Entry {
    /// Unpacks some of the data behind `out`. Returns how many bytes were taken, and whether the file has ended.
    fn unpack(&mut self, rest: &[u8], out: &mut Vec<u8>) -> Result<(usize, bool)> {
        let start = out.len();
        let (taken, has_ended) = match &mut self.inflate {
            None => {
                let taken = rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)).min(OUTPUT_BYTES - start);
                out.extend_from_slice(&rest[..taken]);
                self.left -= taken as u64;
                (taken, self.left == 0)
            }
            Some(inflate) => {
                let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                out.resize(OUTPUT_BYTES, 0);
                let status = inflate.decompress(rest, &mut out[start..], FlushDecompress::None);
                out.truncate(start + (inflate.total_out() - before_out) as usize);
                let status = status.map_err(|error| damaged("zip", error.into()))?;
                ((inflate.total_in() - before_in) as usize, status == Status::StreamEnd)
            }
        };
        self.sum.update(&out[start..]);
        Ok((taken, has_ended))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::DeflateEncoder;

    use super::*;

    /// A local header with name, then the data, then the descriptor.
    fn entry(name: &str, text: &[u8], method: u16, has_descriptor: bool) -> Vec<u8> {
        let mut sum = Crc::new();
        sum.update(text);
        let data = match method {
            DEFLATED => {
                let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            _ => text.to_vec(),
        };
        let sizes = [data.len() as u32, text.len() as u32];
        let told = if has_descriptor { [0, 0, 0] } else { [sum.sum(), sizes[0], sizes[1]] };
        let mut bytes = LOCAL_HEADER.to_vec();
        let flags = if has_descriptor { HAS_DESCRIPTOR } else { 0 };
        for word in [20, flags, method, 0, 0] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        told.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&3u16.to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b"xyz");
        bytes.extend_from_slice(&data);
        if has_descriptor {
            bytes.extend_from_slice(DESCRIPTOR);
            [sum.sum(), sizes[0], sizes[1]].iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        }
        bytes
    }

    fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = entries.concat();
        if !entries.is_empty() {
            bytes.extend_from_slice(DIRECTORY);
            bytes.extend_from_slice(&[0; 42]);
        }
        bytes.extend_from_slice(END_OF_DIRECTORY);
        bytes.extend_from_slice(&[0; 18]);
        bytes
    }

    fn unpack(bytes: &[u8], piece: usize) -> Result<Vec<u8>> {
        let (mut archive, mut all) = (ZipFile::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            let mut rest = piece;
            while !rest.is_empty() {
                let mut out = Vec::new();
                let taken = archive.push(rest, &mut out)?;
                assert!(taken > 0 || !out.is_empty(), "no progress");
                assert!(out.len() <= OUTPUT_BYTES);
                all.extend_from_slice(&out);
                rest = &rest[taken..];
            }
        }
        archive.finish()?;
        Ok(all)
    }

    #[test]
    fn the_one_file_of_an_archive_is_its_text() {
        let text: Vec<u8> = (0..50_000u32).flat_map(|row| format!("{row}|row\n").into_bytes()).collect();
        for text in [&b""[..], b"one\ntwo\n", &text] {
            for (method, has_descriptor) in [(DEFLATED, false), (DEFLATED, true), (STORED, false)] {
                let folder = entry("day/", b"", STORED, false);
                let bytes = archive(&[folder, entry("day/a.csv", text, method, has_descriptor)]);
                // each piece costs a step, so that a long text comes in few
                let pieces = [1, 3, 29, 1000, bytes.len()].into_iter().filter(|piece| bytes.len() / piece < 1000);
                for piece in pieces {
                    let found = unpack(&bytes, piece);
                    assert!(found.is_ok_and(|found| found == text), "{method} {has_descriptor} {piece}");
                }
            }
        }
    }

    #[test]
    fn an_archive_that_is_no_one_file_is_refused() {
        let one = || entry("a", b"text", DEFLATED, true);
        let several = unpack(&archive(&[one(), one()]), 7).unwrap_err();
        assert!(several.message().contains("several files"), "{several}");
        assert!(unpack(&archive(&[]), 7).unwrap_err().message().contains("holds no file"));
        assert!(unpack(&archive(&[entry("a", b"text", 12, false)]), 7).is_err());
        let mut encrypted = archive(&[entry("a", b"text", DEFLATED, false)]);
        encrypted[6] |= 1;
        assert!(unpack(&encrypted, 7).unwrap_err().message().contains("encrypted"));
    }

    #[test]
    fn an_archive_that_is_cut_short_or_damaged_is_an_error() {
        for (method, has_descriptor) in [(DEFLATED, false), (DEFLATED, true), (STORED, false)] {
            let bytes = archive(&[entry("a.csv", b"one\ntwo\nthree\n", method, has_descriptor)]);
            for end in 1..bytes.len() - 18 {
                assert!(unpack(&bytes[..end], 5).is_err(), "cut at {end}");
            }
        }
        let mut bytes = archive(&[entry("a.csv", b"one\ntwo\n", STORED, false)]);
        let at = LOCAL_HEADER_BYTES + "a.csvxyz".len();
        bytes[at] ^= 1;
        assert!(unpack(&bytes, 5).is_err());
    }

    #[test]
    fn a_bomb_is_unpacked_bit_by_bit() {
        let bytes = archive(&[entry("a", &vec![0; 30 << 20], DEFLATED, false)]);
        assert!(bytes.len() < 100_000);
        // `unpack` checks the size of each step
        assert_eq!(unpack(&bytes, bytes.len()).unwrap().len(), 30 << 20);
    }
}
