//! Packets of the MySQL client/server protocol: a three-byte length, a sequence number, the payload; a payload of 16 MB
//! or more is cut into several packets.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::time::timeout;

/// A packet of this length has a successor (MySQL: Sending More Than 16MB).
const MAX_CHUNK: usize = 0xff_ffff;
/// How long the rest of a payload may take once its first byte is here (MySQL: `net_read_timeout` has 30 s per read).
const PAYLOAD_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a client may leave a result unread (MySQL: `net_write_timeout`).
const WRITE_TIMEOUT: Duration = Duration::from_secs(600);
/// A batch of rows is handed to the socket when this much is waiting.
const WRITE_BUFFER: usize = 64 << 10;

/// One received payload.
#[derive(Debug)]
pub(crate) enum Payload {
    Bytes(Vec<u8>),
    /// The client sent more than allowed; the bytes were passed over and the connection is in step.
    TooLong,
    /// The client closed the connection between payloads.
    Closed,
}

/// The receiving half.
pub(crate) struct PacketReader<R> {
    stream: BufReader<R>,
    /// The sequence number of the next packet that we send in answer.
    next_sequence: u8,
}

impl<R: AsyncRead + Unpin> PacketReader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream: BufReader::new(stream), next_sequence: 0 }
    }

    /// The sequence number that follows the last received packet.
    pub(crate) fn next_sequence(&self) -> u8 {
        self.next_sequence
    }

    /// Waits up to `idle` for a payload of at most `limit` bytes. Memory grows with what arrives, not with what a length
    /// field promises.
    pub(crate) async fn read(&mut self, limit: usize, idle: Duration) -> io::Result<Payload> {
        let mut header = [0_u8; 4];
        let first = timeout(idle, self.stream.read(&mut header[..1])).await??;
        if first == 0 {
            return Ok(Payload::Closed);
        }
        timeout(PAYLOAD_TIMEOUT, async {
            self.stream.read_exact(&mut header[1..]).await?;
            let mut payload = Vec::new();
            let mut total = 0_usize;
            loop {
                let [low, middle, high, sequence] = header;
                let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
                self.next_sequence = sequence.wrapping_add(1);
                total = total.saturating_add(length);
                let mut chunk = (&mut self.stream).take(length as u64);
                let received = if total > limit {
                    payload = Vec::new();
                    tokio::io::copy(&mut chunk, &mut tokio::io::sink()).await?
                } else {
                    chunk.read_to_end(&mut payload).await? as u64
                };
                if received != length as u64 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if length < MAX_CHUNK {
                    return Ok(if total > limit { Payload::TooLong } else { Payload::Bytes(payload) });
                }
                self.stream.read_exact(&mut header).await?;
                if header[3] != self.next_sequence {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "packets out of order"));
                }
            }
        })
        .await?
    }
}

/// The sending half. A payload is built in [`payload`](Self::payload) and sent by [`end`](Self::end).
pub(crate) struct PacketWriter<W: AsyncWrite> {
    stream: BufWriter<W>,
    sequence: u8,
    payload: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> PacketWriter<W> {
    pub(crate) fn new(stream: W) -> Self {
        Self { stream: BufWriter::with_capacity(WRITE_BUFFER, stream), sequence: 0, payload: Vec::new() }
    }

    /// Begins an answer: its first packet has this sequence number.
    pub(crate) fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// The payload under construction; append to it.
    pub(crate) fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.payload
    }

    /// Sends the payload, in several packets if it is 16 MB or longer.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        let payload = std::mem::take(&mut self.payload);
        let mut rest = payload.as_slice();
        loop {
            let (chunk, after) = rest.split_at(rest.len().min(MAX_CHUNK));
            let [low, middle, high, ..] = (chunk.len() as u32).to_le_bytes();
            let header = [low, middle, high, self.sequence];
            self.sequence = self.sequence.wrapping_add(1);
            timeout(WRITE_TIMEOUT, async {
                self.stream.write_all(&header).await?;
                self.stream.write_all(chunk).await
            })
            .await??;
            rest = after;
            // a payload that fills its last packet is ended by an empty one
            if chunk.len() < MAX_CHUNK {
                break;
            }
        }
        // the buffer is used again unless one huge row has blown it up
        self.payload = payload;
        self.payload.clear();
        if self.payload.capacity() > 16 * WRITE_BUFFER {
            self.payload = Vec::new();
        }
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        timeout(WRITE_TIMEOUT, self.stream.flush()).await?
    }
}

/// Appends a length-encoded integer (MySQL: `int<lenenc>`).
pub(crate) fn put_length(payload: &mut Vec<u8>, value: u64) {
    match value {
        0..=0xfa => payload.push(value as u8),
        0xfb..=0xffff => {
            payload.push(0xfc);
            payload.extend_from_slice(&(value as u16).to_le_bytes());
        }
        0x1_0000..=0xff_ffff => {
            payload.push(0xfd);
            payload.extend_from_slice(&(value as u32).to_le_bytes()[..3]);
        }
        _ => {
            payload.push(0xfe);
            payload.extend_from_slice(&value.to_le_bytes());
        }
    }
}

/// Appends bytes after their length (MySQL: `string<lenenc>`).
pub(crate) fn put_bytes(payload: &mut Vec<u8>, bytes: &[u8]) {
    put_length(payload, bytes.len() as u64);
    payload.extend_from_slice(bytes);
}

/// Reads the fields of a received payload; every read is checked against the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Bytes up to a NUL, which is passed; without one, all the rest.
    pub(crate) fn until_nul(&mut self) -> &'a [u8] {
        let end = memchr::memchr(0, self.rest).unwrap_or(self.rest.len());
        let text = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        text
    }

    /// A length-encoded integer.
    pub(crate) fn length(&mut self) -> Option<u64> {
        match self.byte()? {
            0xfc => self.u16().map(u64::from),
            0xfd => {
                let [low, middle, high] = self.array()?;
                Some(u64::from(u32::from_le_bytes([low, middle, high, 0])))
            }
            0xfe => self.array().map(u64::from_le_bytes),
            0xfb | 0xff => None,
            small => Some(u64::from(small)),
        }
    }

    /// Bytes after their length.
    pub(crate) fn length_bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.length()?).ok()?;
        self.bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(5);

    async fn round_trip(length: usize, limit: usize) -> (Payload, usize) {
        let mut wire = Vec::new();
        let mut writer = PacketWriter::new(&mut wire);
        writer.payload().resize(length, 7);
        writer.end().await.unwrap();
        writer.payload().push(1);
        writer.end().await.unwrap();
        writer.flush().await.unwrap();
        drop(writer);
        let mut reader = PacketReader::new(wire.as_slice());
        let first = reader.read(limit, IDLE).await.unwrap();
        let Payload::Bytes(second) = reader.read(limit, IDLE).await.unwrap() else { panic!("second payload") };
        assert_eq!(second, [1], "the reader is in step after the first payload");
        assert!(matches!(reader.read(limit, IDLE).await.unwrap(), Payload::Closed));
        (first, wire.len())
    }

    #[tokio::test]
    async fn payloads_around_16_mb_are_cut_and_joined() {
        for (length, packets) in [(0, 1), (5, 1), (MAX_CHUNK - 1, 1), (MAX_CHUNK, 2), (MAX_CHUNK + 1, 2)] {
            let (payload, wire) = round_trip(length, 64 << 20).await;
            let Payload::Bytes(payload) = payload else { panic!("payload of {length}") };
            assert_eq!(payload.len(), length);
            assert_eq!(wire, length + 4 * packets + 5, "{length}");
        }
    }

    #[tokio::test]
    async fn a_payload_over_the_limit_is_passed_over() {
        let (payload, _) = round_trip(1001, 1000).await;
        assert!(matches!(payload, Payload::TooLong));
    }

    #[tokio::test]
    async fn a_payload_that_ends_early_is_an_error() {
        let mut reader = PacketReader::new(&[200, 0, 0, 0, 1, 2][..]);
        assert_eq!(reader.read(1000, IDLE).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn fields_never_read_past_the_end() {
        let mut fields = Fields::new(&[0xfe, 1, 2]);
        assert_eq!(fields.length_bytes(), None);
        let mut fields = Fields::new(&[5, b'a']);
        assert_eq!(fields.length_bytes(), None);
        let mut fields = Fields::new(b"ab");
        assert_eq!(fields.until_nul(), b"ab");
        assert_eq!(fields.until_nul(), b"");
        assert_eq!(fields.byte(), None);
    }

    #[test]
    fn lengths_read_back_as_written() {
        for value in [0, 250, 251, 255, 65535, 65536, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut payload = Vec::new();
            put_length(&mut payload, value);
            assert_eq!(Fields::new(&payload).length(), Some(value));
        }
    }
}
