//! The frame format of LZ4 (`lz4_Frame_format.md`), cut into units that its library can read one by one: it reads from a
//! source, and takes the end of the source between two blocks for the end of the frame.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, ErrorKind};

use lz4_flex::frame::FrameDecoder;

use super::Codec;

/// First bytes of a frame.
const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Magic number, flags, block size, header checksum.
const SHORTEST_HEADER: usize = 7;
/// Largest block that a frame may have, which is 4 MB, and the 8 MB of the legacy form.
const LARGEST_BLOCK: usize = 8 << 20;

/// LZ4 frames, one after another.
pub(super) struct Lz4Frame {
    inflate: FrameDecoder<VecDeque<u8>>,
    /// What has arrived of the next unit.
    waiting: Vec<u8>,
    /// The frame that has begun and not ended.
    frame: Option<Flags>,
}

/// What the flags of a frame's header say of the units behind it.
#[derive(Clone, Copy)]
struct Flags {
    block_checksum: usize,
    content_checksum: usize,
}

impl Lz4Frame {
    pub(super) fn new() -> Self {
        Self { inflate: FrameDecoder::new(VecDeque::new()), waiting: Vec::new(), frame: None }
    }

    /// The length of the next header, block or end mark; `None` if it is not known yet.
    fn unit(&self) -> io::Result<Option<usize>> {
        let Some(flags) = self.frame else {
            if !MAGIC.starts_with(&self.waiting[..self.waiting.len().min(MAGIC.len())]) {
                return Err(io::Error::other("this is no LZ4 frame"));
            }
            // content size and dictionary id
            return Ok(self
                .flag_bits()
                .map(|bits| SHORTEST_HEADER + usize::from(bits & 0x08 != 0) * 8 + usize::from(bits & 0x01 != 0) * 4));
        };
        let Some(size) = self.waiting.first_chunk::<4>() else { return Ok(None) };
        // the highest bit says that the block is not compressed
        let size = (u32::from_le_bytes(*size) & 0x7fff_ffff) as usize;
        if size > LARGEST_BLOCK {
            return Err(io::Error::other("a block of an LZ4 frame is too big"));
        }
        Ok(Some(4 + size + if size == 0 { flags.content_checksum } else { flags.block_checksum }))
    }

    fn flag_bits(&self) -> Option<u8> {
        self.waiting.get(4).copied()
    }
}

impl Codec for Lz4Frame {
    fn step(&mut self, bytes: &mut &[u8], decoded: &mut Vec<u8>) -> io::Result<bool> {
        self.waiting.extend_from_slice(bytes);
        *bytes = &[];
        let Some(length) = self.unit()?.filter(|length| self.waiting.len() >= *length) else { return Ok(false) };
        self.frame = match (self.frame, self.flag_bits()) {
            (None, Some(bits)) => Some(Flags {
                block_checksum: usize::from(bits & 0x10 != 0) * 4,
                content_checksum: usize::from(bits & 0x04 != 0) * 4,
            }),
            (Some(_), _) if self.waiting.starts_with(&[0; 4]) => None,
            (frame, _) => frame,
        };
        self.inflate.get_mut().extend(self.waiting.drain(..length));
        let block = self.inflate.fill_buf()?;
        let length = block.len();
        decoded.extend_from_slice(block);
        self.inflate.consume(length);
        Ok(true)
    }

    fn finish(&mut self, _decoded: &mut Vec<u8>) -> io::Result<()> {
        if self.frame.is_none() && self.waiting.is_empty() { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }
}
