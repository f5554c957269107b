//! What a load sends: bytes that are kept until their outcome is known, all of them or as they come, or a stream that is sent once.

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::super::kept::Kept;

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
    Kept(Vec<Kept>),
    /// Kept bytes to which more are added while they are sent; can be sent again from the first one. One that is dropped without its end breaks the
    /// connection, so that the server rolls back.
    Growing(GrowingBody),
    /// Sent in chunks as they come; can be sent once. A stream that is dropped without [`Piece::End`] breaks the connection, too.
    Stream(StreamBody),
}

impl Body {
    /// Bytes that somebody else accounts for.
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self::Kept(vec![bytes.into()])
    }

    /// The number of bytes, if it is known before sending.
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Kept(pieces) => Some(pieces.iter().map(Kept::len).sum()),
            Self::Growing(body) => body.len(),
            Self::Stream(_) => None,
        }
    }

    /// Whether all of it can be sent (again).
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Empty | Self::Kept(_) | Self::Growing(_) => true,
            Self::Stream(stream) => !stream.started,
        }
    }
}

/// The end of a growing body that adds to it.
#[derive(Debug)]
pub(crate) struct BodyGrowth(watch::Sender<Grown>);

/// The end that is sent.
#[derive(Debug)]
pub(crate) struct GrowingBody(watch::Receiver<Grown>);

#[derive(Debug, Default)]
struct Grown {
    pieces: Vec<Kept>,
    is_whole: bool,
}

/// What there is of a growing body at some place.
#[derive(Debug)]
pub(crate) enum Next {
    /// Bytes to send.
    Piece(Kept),
    /// The body ends here.
    End,
    /// It is not known yet.
    Later,
    /// It will never be known.
    Abandoned,
}

impl BodyGrowth {
    /// Both ends of a body without bytes.
    pub(crate) fn new() -> (Self, GrowingBody) {
        let (sender, receiver) = watch::channel(Grown::default());
        (Self(sender), GrowingBody(receiver))
    }

    /// Adds a piece.
    pub(crate) fn push(&self, piece: Kept) {
        self.0.send_modify(|grown| grown.pieces.push(piece));
    }

    /// Ends the body: the server commits what it got.
    pub(crate) fn end(&self) {
        self.0.send_modify(|grown| grown.is_whole = true);
    }

    /// Whether nobody sends it any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl GrowingBody {
    fn len(&self) -> Option<u64> {
        let grown = self.0.borrow();
        grown.is_whole.then(|| grown.pieces.iter().map(Kept::len).sum())
    }

    /// What there is at this place.
    pub(crate) fn at(&self, index: usize) -> Next {
        // Before what there is is looked at: its last change comes before its end.
        let is_abandoned = self.0.has_changed().is_err();
        let grown = self.0.borrow();
        match grown.pieces.get(index) {
            Some(piece) => Next::Piece(piece.clone()),
            None if grown.is_whole => Next::End,
            None if is_abandoned => Next::Abandoned,
            None => Next::Later,
        }
    }

    /// Waits until there is something at this place.
    pub(crate) async fn wait_for(&mut self, index: usize) -> Next {
        let _ = self.0.wait_for(|grown| grown.pieces.len() > index || grown.is_whole).await;
        self.at(index)
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
    async fn a_growing_body_can_be_read_from_its_first_piece_as_often_as_needed() {
        let (growth, mut body) = BodyGrowth::new();
        assert!(matches!(body.at(0), Next::Later));
        growth.push(Bytes::from_static(b"ab").into());
        growth.push(Bytes::from_static(b"c").into());
        for _ in 0..2 {
            for (index, bytes) in ["ab", "c"].into_iter().enumerate() {
                let Next::Piece(piece) = body.wait_for(index).await else { panic!("{index}") };
                assert_eq!(piece.read().await.unwrap(), bytes);
            }
        }
        assert_eq!(body.len(), None);
        growth.end();
        assert!(matches!(body.wait_for(2).await, Next::End));
        drop(growth);
        assert!(matches!(body.wait_for(2).await, Next::End), "whole, though nobody adds to it any more");
        assert_eq!(Body::Growing(body).len(), Some(3));
    }

    #[tokio::test]
    async fn a_growing_body_that_nobody_ends_is_abandoned_behind_its_last_piece() {
        let (growth, mut body) = BodyGrowth::new();
        growth.push(Bytes::from_static(b"ab").into());
        drop(growth);
        assert!(matches!(body.wait_for(0).await, Next::Piece(_)));
        assert!(matches!(body.wait_for(1).await, Next::Abandoned));
        assert!(matches!(body.at(1), Next::Abandoned));
        let (growth, body) = BodyGrowth::new();
        drop(body);
        assert!(growth.is_closed());
    }
}
