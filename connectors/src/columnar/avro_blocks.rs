//! The frame of an Avro object container file: a header, then blocks, each closed by the file's marker (Avro specification, "Object
//! Container Files"). The decoder of arrow-avro takes a file that ends within a block for one that ends, and does not look at the
//! markers; here both are errors.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::Receiver;

use super::avro_rows::{Packing, Shape};
use crate::error::{ConnectorError, ErrorCode, Result};

/// The length of the marker.
const MARKER_BYTES: usize = 16;
const MAGIC: &[u8; 4] = b"Obj\x01";
/// A header holds a schema; no more than this is read for one.
const MAX_HEADER_BYTES: usize = 16 << 20;
/// Blocks are 64 KB in most files; a length beyond this is damage.
const MAX_BLOCK_BYTES: usize = 1 << 30;

/// Bytes of a file, as they arrive from whoever reads it.
pub(super) struct Pieces {
    input: Receiver<Result<Bytes>>,
    piece: Bytes,
}

impl Pieces {
    pub(super) fn new(input: Receiver<Result<Bytes>>) -> Self {
        Self { input, piece: Bytes::new() }
    }

    /// Whether there are more bytes.
    fn fill(&mut self) -> Result<bool> {
        while self.piece.is_empty() {
            match self.input.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        Ok(self.fill()?.then(|| self.piece.get_u8()))
    }

    fn take(&mut self, length: usize) -> Result<Bytes> {
        if self.piece.len() >= length {
            return Ok(self.piece.split_to(length));
        }
        // memory follows what arrives, not what a damaged file names
        let mut bytes = BytesMut::with_capacity(length.min(1 << 20));
        while bytes.len() < length {
            if !self.fill()? {
                return Err(cut_short());
            }
            let part = self.piece.len().min(length - bytes.len());
            bytes.extend_from_slice(&self.piece.split_to(part));
        }
        Ok(bytes.freeze())
    }

    /// Skips to behind the next marker. Returns how many bytes lie in front of it, None if there is no marker any more.
    fn skip_to_marker(&mut self, marker: &[u8; MARKER_BYTES]) -> Result<Option<u64>> {
        let mut skipped = 0;
        let mut window: Vec<u8> = Vec::new();
        loop {
            if let Some(at) = memchr::memmem::find(&window, marker) {
                let rest = window.split_off(at + MARKER_BYTES);
                let mut bytes = BytesMut::from(rest.as_slice());
                bytes.extend_from_slice(&self.piece);
                self.piece = bytes.freeze();
                return Ok(Some(skipped + at as u64));
            }
            // a marker may have begun in the last bytes
            let keep = window.len().min(MARKER_BYTES - 1);
            skipped += (window.len() - keep) as u64;
            window.drain(..window.len() - keep);
            if !self.fill()? {
                return Ok(None);
            }
            let piece = std::mem::take(&mut self.piece);
            window.extend_from_slice(&piece);
        }
    }
}

/// A whole number as Avro writes it: base 128, the lowest digits first, its sign in the last bit. None at the end of the input.
fn long(mut byte: impl FnMut() -> Result<Option<u8>>) -> Result<Option<i64>> {
    let mut value: u64 = 0;
    for place in 0..10 {
        let Some(next) = byte()? else {
            return if place == 0 { Ok(None) } else { Err(cut_short()) };
        };
        value |= u64::from(next & 0x7F) << (7 * place).min(63);
        if next & 0x80 == 0 {
            return Ok(Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed()));
        }
    }
    Err(damaged("a number has too many digits"))
}

/// A number in front of bytes, which are left behind it.
///
/// # Errors
/// Code Value if there is none.
pub(super) fn long_of(bytes: &mut &[u8]) -> Result<i64> {
    let number = long(|| {
        let first = bytes.split_first();
        Ok(first.map(|(first, rest)| {
            *bytes = rest;
            *first
        }))
    });
    number?.ok_or_else(cut_short)
}

/// The bytes of a header, which the input begins with: magic, metadata, marker. None if there are not enough bytes to tell.
///
/// # Errors
/// Code Value for what is no header.
pub(super) fn header_length(input: &[u8]) -> Result<Option<usize>> {
    if !MAGIC.starts_with(&input[..input.len().min(MAGIC.len())]) {
        return Err(ConnectorError::new(ErrorCode::Value, "it is no Avro file: it does not begin with \"Obj\" and 1"));
    }
    let mut at = MAGIC.len();
    let number = |at: &mut usize| -> Result<Option<i64>> {
        let read = long(|| {
            let byte = input.get(*at).copied();
            *at += 1;
            Ok(byte)
        });
        // too few bytes are no damage yet
        if *at > input.len() { Ok(None) } else { read }
    };
    loop {
        let Some(count) = number(&mut at)? else { return Ok(None) };
        if count == 0 {
            break;
        }
        if count < 0 && number(&mut at)?.is_none() {
            return Ok(None);
        }
        for _ in 0..count.unsigned_abs().saturating_mul(2) {
            let Some(length) = number(&mut at)? else { return Ok(None) };
            let length = usize::try_from(length).map_err(|_| damaged("a length in its header is below zero"))?;
            at = at.saturating_add(length);
            if at > MAX_HEADER_BYTES {
                return Err(damaged("its header is larger than 16 MB"));
            }
            if at > input.len() {
                return Ok(None);
            }
        }
    }
    let end = at + MARKER_BYTES;
    Ok((end <= input.len()).then_some(end))
}

/// The header that the input begins with.
pub(super) fn read_header(pieces: &mut Pieces) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    loop {
        if let Some(length) = header_length(&bytes)? {
            let header = bytes.split_to(length).freeze();
            pieces.piece = bytes.freeze();
            return Ok(header);
        }
        if !pieces.fill()? {
            return Err(cut_short());
        }
        bytes.extend_from_slice(&pieces.piece);
        pieces.piece = Bytes::new();
    }
}

/// The marker at the end of a header.
fn marker_of(header: &[u8]) -> Result<[u8; MARKER_BYTES]> {
    header.last_chunk().copied().ok_or_else(cut_short)
}

/// The same header for blocks that are unpacked: what it says of their compression is not true any more.
fn unpacked_header(header: &[u8], schema: &[u8]) -> Result<Bytes> {
    const SCHEMA: &[u8] = b"avro.schema";
    let mut bytes = BytesMut::from(&MAGIC[..]);
    put_long(&mut bytes, 1);
    for part in [SCHEMA, schema] {
        put_long(&mut bytes, part.len() as u64);
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(&[0]);
    bytes.extend_from_slice(&marker_of(header)?);
    Ok(bytes.freeze())
}

fn put_long(bytes: &mut BytesMut, value: u64) {
    let mut rest = value << 1;
    while rest >= 0x80 {
        bytes.extend_from_slice(&[(rest & 0x7F) as u8 | 0x80]);
        rest >>= 7;
    }
    bytes.extend_from_slice(&[(rest & 0x7F) as u8]);
}

/// The blocks of a file, as bytes that begin with its header.
pub(super) struct Blocks {
    pieces: Pieces,
    marker: [u8; MARKER_BYTES],
    /// Where the marker in front of the next block begins in the file.
    position: u64,
    /// Blocks whose marker begins here or later are another reader's.
    end: u64,
    buffer: Bytes,
    /// How blocks are unpacked, and what their rows are made of; None as long as they are only counted.
    rows_of: Option<(Packing, Arc<Shape>)>,
    /// Rows of the blocks so far.
    pub(super) rows: u64,
    /// Why there are no more bytes.
    pub(super) failed: Option<ConnectorError>,
}

impl Blocks {
    /// The blocks behind `header`, whose bytes `pieces` are to bring next.
    pub(super) fn new(header: Bytes, pieces: Pieces, end: u64) -> Result<Self> {
        let marker = marker_of(&header)?;
        let position = (header.len() - MARKER_BYTES) as u64;
        Ok(Self { pieces, marker, position, end, buffer: header, rows_of: None, rows: 0, failed: None })
    }

    /// The blocks behind the first marker at `start` or later, where `pieces` begin.
    pub(super) fn from(header: Bytes, mut pieces: Pieces, start: u64, end: u64) -> Result<Self> {
        let marker = marker_of(&header)?;
        let position = match pieces.skip_to_marker(&marker)? {
            Some(skipped) => start + skipped,
            None => u64::MAX,
        };
        Ok(Self { pieces, marker, position, end, buffer: header, rows_of: None, rows: 0, failed: None })
    }

    /// The file's header.
    pub(super) fn header(&self) -> Bytes {
        self.buffer.clone()
    }

    /// From now on blocks are unpacked and walked before they are handed on, behind a header that says so.
    pub(super) fn unpacked(&mut self, schema: &[u8], packing: Packing) -> Result<()> {
        self.buffer = unpacked_header(&self.buffer, schema)?;
        self.rows_of = Some((packing, Shape::parse(schema)?));
        Ok(())
    }

    /// The next block: its rows and, if blocks are unpacked, its bytes from the row count to the marker.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Bytes)>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let mut frame = 0;
        let pieces = &mut self.pieces;
        let mut byte = || {
            frame += 1;
            pieces.byte()
        };
        let Some(count) = long(&mut byte)? else { return Ok(None) };
        let Some(length) = long(&mut byte)? else { return Err(cut_short()) };
        let count = u64::try_from(count).map_err(|_| damaged("a block has less than no rows"))?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BLOCK_BYTES);
        let length = length.ok_or_else(|| damaged("a block is longer than 1 GB"))?;
        if count > 0 && length == 0 {
            return Err(ConnectorError::new(ErrorCode::Unsupported, "its rows have no columns"));
        }
        let body = self.pieces.take(length)?;
        let marker = self.pieces.take(MARKER_BYTES)?;
        if *marker != self.marker {
            return Err(damaged("a block does not end in the file's marker"));
        }
        self.position += (MARKER_BYTES + frame + length) as u64;
        self.rows += count;
        let Some((packing, shape)) = &self.rows_of else { return Ok(Some((count, Bytes::new()))) };
        let body = packing.unpack(&body)?;
        shape.check(count, &body)?;
        let mut block = BytesMut::with_capacity(body.len() + 2 * MARKER_BYTES);
        put_long(&mut block, count);
        put_long(&mut block, body.len() as u64);
        block.extend_from_slice(&body);
        block.extend_from_slice(&marker);
        Ok(Some((count, block.freeze())))
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let length = from.len().min(buffer.len());
        buffer[..length].copy_from_slice(&from[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Blocks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.buffer.is_empty() && self.failed.is_none() {
            match self.next() {
                Ok(Some((0, _))) => {}
                Ok(Some((_, block))) => self.buffer = block,
                Ok(None) => break,
                // the reader above ends; `failed` says why
                Err(error) => self.failed = Some(error),
            }
        }
        Ok(&self.buffer)
    }

    fn consume(&mut self, amount: usize) {
        self.buffer.advance(amount);
    }
}

fn cut_short() -> ConnectorError {
    damaged("it ends too early")
}

pub(super) fn damaged(how: &str) -> ConnectorError {
    ConnectorError::new(ErrorCode::Value, format!("the Avro file is damaged: {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: &[u8; MARKER_BYTES] = b"0123456789abcdef";

    fn header() -> Vec<u8> {
        [&MAGIC[..], &[2, 2, b'k', 4, b'v', b'v', 0], MARKER].concat()
    }

    fn block(count: u8, body: &[u8]) -> Vec<u8> {
        [&[count * 2, u8::try_from(body.len() * 2).unwrap()][..], body, MARKER].concat()
    }

    fn pieces(bytes: &[u8], size: usize) -> Pieces {
        let (sender, input) = tokio::sync::mpsc::channel(bytes.len() + 1);
        for piece in bytes.chunks(size) {
            sender.try_send(Ok(Bytes::copy_from_slice(piece))).unwrap();
        }
        Pieces::new(input)
    }

    fn rows(mut blocks: Blocks) -> Result<u64> {
        while blocks.next()?.is_some() {}
        Ok(blocks.rows)
    }

    #[test]
    fn blocks_are_found_in_pieces_of_any_size() {
        let file = [header(), block(3, b"abc"), block(0, b""), block(2, b"de")].concat();
        for size in [1, 2, 5, 16, 100] {
            let mut pieces = pieces(&file, size);
            let header = read_header(&mut pieces).unwrap();
            assert_eq!(header, header_bytes());
            assert_eq!(rows(Blocks::new(header, pieces, u64::MAX).unwrap()).unwrap(), 5, "{size}");
        }
    }

    fn header_bytes() -> Bytes {
        header().into()
    }

    #[test]
    fn each_block_is_in_one_range_whatever_the_ranges() {
        let file = [header(), block(1, b"abc"), block(2, b"de"), block(4, &[7; 50])].concat();
        let length = file.len() as u64;
        for cut in 0..=length {
            let first = Blocks::new(header_bytes(), pieces(&file[header().len()..], 7), cut).unwrap();
            let start = usize::try_from(cut).unwrap();
            let second = Blocks::from(header_bytes(), pieces(&file[start..], 7), cut, length).unwrap();
            let first = if cut == 0 { 0 } else { rows(first).unwrap() };
            assert_eq!(first + rows(second).unwrap(), 7, "cut at {cut}");
        }
    }

    #[test]
    fn a_file_that_ends_within_a_block_is_an_error() {
        let file = [header(), block(3, b"abc")].concat();
        for end in header().len() + 1..file.len() {
            let blocks = Blocks::new(header_bytes(), pieces(&file[header().len()..end], 4), u64::MAX).unwrap();
            assert!(rows(blocks).is_err(), "{end}");
        }
        for end in 0..header().len() {
            assert!(read_header(&mut pieces(&file[..end], 3)).is_err(), "{end}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        let mut wrong_marker = block(3, b"abc");
        *wrong_marker.last_mut().unwrap() ^= 1;
        let endless = [0xFF; 12].to_vec();
        let negative = [&[1, 2][..], b"a", MARKER].concat();
        let huge = [&[2][..], &[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]].concat();
        for bytes in [wrong_marker, endless, negative, huge] {
            let blocks = Blocks::new(header_bytes(), pieces(&bytes, 5), u64::MAX).unwrap();
            assert!(rows(blocks).is_err(), "{bytes:?}");
        }
        assert!(header_length(b"PAR1").is_err());
        assert!(header_length(&[&MAGIC[..], &[2, 1]].concat()).is_err());
    }
}
