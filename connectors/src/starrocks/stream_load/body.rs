//! What a load sends: bytes that are kept until their outcome is known, or a stream of any length.

use bytes::Bytes;
use tokio::sync::mpsc;

/// Pieces of a streamed body that may wait between encoder and socket: with pieces of about 1 MB, this is the memory of a streamed load.
const WAITING_PIECES: usize = 4;

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
            Self::Stream(_) => None,
        }
    }

    /// Whether all of it can be sent (again).
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Empty | Self::Kept(_) => true,
            Self::Stream(stream) => !stream.started,
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
