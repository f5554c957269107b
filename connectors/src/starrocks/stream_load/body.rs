//! What a load sends: bytes that are kept until their outcome is known, or a stream of any length.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::super::spill_file::{SpillFile, Spilled};

/// Pieces of a streamed body that may wait between encoder and socket: with pieces of about 1 MB, this is the memory of a streamed load.
const WAITING_PIECES: usize = 4;

/// What a load that can be sent again has in memory; the rest of it waits in a file.
const MAX_KEPT_IN_MEMORY: u64 = 8 << 20;

/// One piece of a streamed body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes to send.
    Bytes(Bytes),
    /// The body is complete: the server commits what it got.
    End,
}

/// The body of one request.
#[derive(Debug)]
pub(crate) enum Body {
    /// No body: `Content-Length: 0`.
    Empty,
    /// Kept bytes, sent with their length; can be sent again.
    Kept(Vec<Bytes>),
    /// So, partly in a file.
    Spilled(KeptPieces),
    /// Sent in chunks as they come; can be sent once. A stream that is dropped without [`Piece::End`] breaks the connection,
    /// so that the server rolls back.
    Stream(StreamBody),
}

impl Body {
    /// The number of bytes, if it is known before sending.
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Kept(pieces) => Some(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Self::Spilled(pieces) => Some(pieces.bytes),
            Self::Stream(_) => None,
        }
    }

    /// Whether all of it can be sent (again).
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Empty | Self::Kept(_) | Self::Spilled(_) => true,
            Self::Stream(stream) => !stream.started,
        }
    }
}

/// Pieces of a body that is kept: in memory up to a bound, behind that in a file.
#[derive(Debug, Default)]
pub(crate) struct KeptPieces {
    in_memory: Vec<Bytes>,
    in_file: Vec<Spilled>,
    file: SpillFile,
    bytes: u64,
}

impl KeptPieces {
    /// Keeps the next piece.
    pub(crate) fn push(&mut self, piece: Bytes) -> std::io::Result<()> {
        let bytes = piece.len() as u64;
        // All of those in memory come before those in the file.
        if self.bytes + bytes <= MAX_KEPT_IN_MEMORY && self.in_file.is_empty() {
            self.in_memory.push(piece);
        } else {
            self.in_file.push(self.file.append(&piece)?);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// How many pieces there are.
    pub(crate) fn count(&self) -> usize {
        self.in_memory.len() + self.in_file.len()
    }

    /// One of them.
    pub(crate) async fn get(&self, index: usize) -> std::io::Result<Bytes> {
        if let Some(piece) = self.in_memory.get(index) {
            return Ok(piece.clone());
        }
        let spilled = self.in_file.get(index - self.in_memory.len()).cloned();
        let spilled = spilled.ok_or_else(|| std::io::Error::other("a piece that was not kept is asked for"))?;
        match tokio::task::spawn_blocking(move || spilled.read()).await {
            Ok(read) => read.map(Bytes::from),
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

/// The receiving end of a streamed body.
#[derive(Debug)]
pub(crate) struct StreamBody {
    pieces: mpsc::Receiver<Piece>,
    started: bool,
}

impl StreamBody {
    /// A stream and the sender that feeds it; the sender waits while the socket is slower than the source.
    pub(crate) fn new() -> (mpsc::Sender<Piece>, Self) {
        let (sender, pieces) = mpsc::channel(WAITING_PIECES);
        (sender, Self { pieces, started: false })
    }

    /// The next piece; None when the sender was dropped without an end.
    pub(crate) async fn next(&mut self) -> Option<Piece> {
        let piece = self.pieces.recv().await;
        self.started = true;
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_come_back_in_order_from_memory_and_from_the_file() {
        let mut kept = KeptPieces::default();
        let piece = |seed: u8| Bytes::from(vec![seed; (MAX_KEPT_IN_MEMORY / 4) as usize + 1]);
        for seed in 0..6 {
            kept.push(piece(seed)).unwrap();
        }
        kept.push(Bytes::from_static(b"small")).unwrap();
        assert_eq!((kept.in_memory.len(), kept.in_file.len(), kept.count()), (3, 4, 7));
        for seed in 0..6 {
            assert_eq!(kept.get(usize::from(seed)).await.unwrap(), piece(seed), "{seed}");
        }
        assert_eq!(kept.get(6).await.unwrap(), "small", "behind those in the file, though there is room");
        let body = Body::Spilled(kept);
        assert!(body.is_whole());
        assert_eq!(body.len(), Some(6 * (MAX_KEPT_IN_MEMORY / 4 + 1) + 5));
    }
}
