//! Packets over a stream, both ways.

use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::buffer::{ReadBuffer, frame};
use super::error::{Result, WireError};
use super::stream::Stream;

/// Memory of a command's packets that is kept for the next one.
const KEPT_BYTES: usize = 64 << 10;

/// A stream with its packets.
#[derive(Debug)]
pub(super) struct Channel {
    stream: Stream,
    pub(super) buffer: ReadBuffer,
    outgoing: Vec<u8>,
}

impl Channel {
    pub(super) fn new(stream: Stream, limit: usize) -> Self {
        Self { stream, buffer: ReadBuffer::new(limit), outgoing: Vec::new() }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }

    /// The same channel, encrypted from here on.
    pub(super) async fn encrypt(self, host: &str, connector: &TlsConnector) -> Result<Self> {
        // Bytes that came before were put there by whoever is between us and the server.
        if !self.buffer.is_empty() {
            return Err(WireError::Malformed("bytes before TLS began"));
        }
        Ok(Self { stream: self.stream.encrypt(host, connector).await?, ..self })
    }

    /// The payload of the next packet, as a range of the buffer.
    pub(super) async fn packet(&mut self) -> Result<Range<usize>> {
        loop {
            if let Some(range) = self.buffer.take()? {
                return Ok(range);
            }
            self.fill().await?;
        }
    }

    /// Waits for bytes and reads what has come.
    pub(super) async fn fill(&mut self) -> Result<()> {
        let read = self.stream.read(self.buffer.room()).await?;
        if read == 0 {
            return Err(if self.buffer.is_empty() { WireError::Closed } else { WireError::Cut });
        }
        self.buffer.add(read);
        Ok(())
    }

    /// Begins a command: packets are counted from 0 again.
    pub(super) fn restart(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            return Err(WireError::Malformed("an answer that nobody asked for"));
        }
        self.buffer.shrink();
        self.buffer.set_sequence(0);
        Ok(())
    }

    /// Sends a payload, in as many packets as it needs.
    pub(super) async fn send(&mut self, payload: &[u8]) -> Result<()> {
        self.outgoing.clear();
        let sequence = frame(payload, self.buffer.sequence(), &mut self.outgoing);
        self.buffer.set_sequence(sequence);
        self.stream.write_all(&self.outgoing).await?;
        self.stream.flush().await?;
        if self.outgoing.capacity() > KEPT_BYTES {
            self.outgoing = Vec::new();
        }
        Ok(())
    }

    /// Tells the other side that nothing more will come.
    pub(super) async fn shut_down(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }
}
