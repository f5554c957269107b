//! Bytes into packets (MySQL: "MySQL Packets"): a header of three bytes of length and one of sequence, then the payload. A payload of
//! 16 MB - 1 goes on in the next packet.

use std::ops::Range;

use super::error::{Result, WireError};

/// The buffer's usual size: some thousands of rows, and few enough reads of the socket that they cost nothing beside decoding.
pub(super) const BUFFER_BYTES: usize = 256 << 10;
/// The longest payload of one packet; one of that length is continued.
const LONGEST_PART: usize = 0xff_ffff;
const HEADER_BYTES: usize = 4;

/// What was read from the socket and not yet taken.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    /// Where the next header is, or will be.
    head: usize,
    /// End of what was read.
    end: usize,
    /// Where the payload begins whose first parts have been joined.
    payload: usize,
    /// Bytes of it that have been joined.
    joined: usize,
    /// The number that the next packet must have.
    sequence: u8,
    /// The largest payload that is taken.
    limit: usize,
}

impl ReadBuffer {
    /// An empty buffer; a packet whose payload is longer than `limit` is an error.
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: vec![0; BUFFER_BYTES], head: 0, end: 0, payload: 0, joined: 0, sequence: 0, limit }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The number of the next packet; what is sent takes part in the count.
    pub(super) fn sequence(&self) -> u8 {
        self.sequence
    }

    pub(super) fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// Whether nothing is left that was not taken.
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.end && self.joined == 0
    }

    /// The payload of the next packet as a range of [`bytes`](Self::bytes), or None if it is not all there. The range is good until
    /// [`room`](Self::room) is asked for.
    #[inline]
    pub(super) fn take(&mut self) -> Result<Option<Range<usize>>> {
        loop {
            let Some((header, behind)) = self.bytes[self.head..self.end].split_first_chunk::<HEADER_BYTES>() else {
                return Ok(None);
            };
            let [low, middle, high, sequence] = *header;
            if sequence != self.sequence {
                return Err(WireError::Malformed("packets out of order"));
            }
            let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
            if self.joined + length > self.limit {
                return Err(WireError::TooLarge);
            }
            if behind.len() < length {
                return Ok(None);
            }
            self.sequence = sequence.wrapping_add(1);
            let start = self.head + HEADER_BYTES;
            self.head = start + length;
            if self.joined == 0 && length < LONGEST_PART {
                return Ok(Some(start..start + length));
            }
            if let Some(range) = self.join(start, length) {
                return Ok(Some(range));
            }
        }
    }

    /// Adds a part to the payload that it continues; the payload, once it is whole.
    #[cold]
    fn join(&mut self, start: usize, length: usize) -> Option<Range<usize>> {
        if self.joined == 0 {
            self.payload = start;
        } else {
            self.bytes.copy_within(start..start + length, self.payload + self.joined);
        }
        self.joined += length;
        if length == LONGEST_PART {
            return None;
        }
        let whole = self.payload..self.payload + self.joined;
        self.joined = 0;
        Some(whole)
    }

    #[inline]
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Where the next bytes are to be read to; [`add`](Self::add) says how many came. Never empty.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let first = if self.joined > 0 { self.payload } else { self.head };
        if first == self.end {
            (self.head, self.end, self.payload) = (0, 0, 0);
        } else if self.bytes.len() - self.end < BUFFER_BYTES / 2 && first > 0 {
            self.bytes.copy_within(first..self.end, 0);
            self.head -= first;
            self.end -= first;
            self.payload = 0;
        }
        // A packet that does not fit: twice the size whenever so much has come, however long the packet says that it is.
        if self.bytes.len() - self.end < BUFFER_BYTES / 4 {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes were read into [`room`](Self::room).
    pub(super) fn add(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.bytes.len());
    }

    /// Gives memory back that a large packet needed.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() && self.bytes.len() > 4 * BUFFER_BYTES {
            *self = Self { sequence: self.sequence, ..Self::new(self.limit) };
        }
    }

    /// Bytes of memory held.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

/// A payload in packets, beginning with that number; the number behind them.
pub(super) fn frame(payload: &[u8], sequence: u8, out: &mut Vec<u8>) -> u8 {
    let mut sequence = sequence;
    let mut rest = payload;
    loop {
        let (part, behind) = rest.split_at(rest.len().min(LONGEST_PART));
        out.extend_from_slice(&(part.len() as u32).to_le_bytes()[..3]);
        out.push(sequence);
        out.extend_from_slice(part);
        sequence = sequence.wrapping_add(1);
        rest = behind;
        if part.len() < LONGEST_PART {
            return sequence;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds bytes in pieces of a size, and takes what packets there are after each.
    fn packets(bytes: &[u8], piece: usize, limit: usize) -> Result<Vec<Vec<u8>>> {
        let mut buffer = ReadBuffer::new(limit);
        let mut packets = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = buffer.room();
            let size = piece.min(rest.len()).min(room.len());
            room[..size].copy_from_slice(&rest[..size]);
            buffer.add(size);
            rest = &rest[size..];
            while let Some(range) = buffer.take()? {
                packets.push(buffer.bytes(range).to_vec());
            }
        }
        assert!(buffer.is_empty());
        Ok(packets)
    }

    fn framed(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        payloads.iter().fold(0, |sequence, payload| frame(payload, sequence, &mut bytes));
        bytes
    }

    #[test]
    fn packets_are_found_however_the_bytes_come() {
        let payloads: Vec<Vec<u8>> = (0..600_usize).map(|n| vec![n as u8; n * 7 % 900]).collect();
        let bytes = framed(&payloads);
        for piece in [1, 3, 4, 5, 1000, BUFFER_BYTES] {
            assert_eq!(packets(&bytes, piece, 1000).unwrap(), payloads, "pieces of {piece}");
        }
    }

    #[test]
    fn payloads_of_16_mb_and_more_are_joined() {
        let payloads: Vec<Vec<u8>> = [5, LONGEST_PART - 1, LONGEST_PART, LONGEST_PART + 1, 2 * LONGEST_PART, 7, 0]
            .iter()
            .enumerate()
            .map(|(n, length)| {
                let mut payload = vec![n as u8; *length];
                payload.iter_mut().step_by(4099).enumerate().for_each(|(at, byte)| *byte = at as u8);
                payload
            })
            .collect();
        let bytes = framed(&payloads);
        for piece in [65_537, 1 << 20, 40 << 20] {
            assert!(packets(&bytes, piece, 64 << 20).unwrap() == payloads, "pieces of {piece}");
        }
    }

    #[test]
    fn a_packet_beyond_the_limit_is_refused_by_its_header() {
        let mut buffer = ReadBuffer::new(1000);
        buffer.room()[..4].copy_from_slice(&[0xe9, 3, 0, 0]);
        buffer.add(4);
        assert!(matches!(buffer.take(), Err(WireError::TooLarge)));
        let parts = framed(&[vec![0; LONGEST_PART + 10]]);
        assert!(matches!(packets(&parts, 1 << 20, LONGEST_PART + 9), Err(WireError::TooLarge)));
    }

    #[test]
    fn a_number_out_of_order_is_refused() {
        let mut bytes = framed(&[vec![1]]);
        bytes.extend(framed(&[vec![2]]));
        assert!(matches!(packets(&bytes, 100, 1000), Err(WireError::Malformed(_))));
    }

    #[test]
    fn memory_follows_what_has_come_and_is_given_back() {
        let mut buffer = ReadBuffer::new(64 << 20);
        // A header that announces 16 MB.
        buffer.room()[..4].copy_from_slice(&[0xfe, 0xff, 0xff, 0]);
        buffer.add(4);
        assert!(buffer.take().unwrap().is_none());
        assert_eq!(buffer.room().len(), BUFFER_BYTES - 4);
        let mut left = 0xff_fffe;
        while left > 0 {
            let size = buffer.room().len().min(left);
            buffer.add(size);
            left -= size;
            assert!(buffer.capacity() <= 64 << 20);
        }
        assert_eq!(buffer.take().unwrap().unwrap().len(), 0xff_fffe);
        assert!(buffer.capacity() >= 16 << 20);
        buffer.shrink();
        assert_eq!((buffer.capacity(), buffer.sequence()), (BUFFER_BYTES, 1));
    }
}
