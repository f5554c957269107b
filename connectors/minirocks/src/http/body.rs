//! Handing a request's body on to the thread that reads it.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::http::request::Parts;
use tokio::sync::mpsc;

use super::fault::{BodyFault, BodyStop};
use crate::error::Error;
use crate::load::{LoadOptions, Piece};

/// Pieces of a body that wait for the thread that reads them; with hyper's pieces of up to half a megabyte, a few megabytes.
pub(super) const WAITING_PIECES: usize = 8;

/// The length that the client has announced; 0 if it has not.
pub(super) fn announced_length(head: &Parts) -> u64 {
    head.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// Hands the body on as it arrives; the channel holds the client back. Ends early if the reader has.
pub(super) async fn send_body(
    body: &mut Incoming,
    sender: mpsc::Sender<Piece>,
    limits: &LoadOptions,
    fault: BodyFault,
) -> Result<(), BodyStop> {
    let refused = BodyStop::Refused;
    let mut received = 0;
    let mut stop = fault.stop;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| BodyStop::Broken(Error::backend(format!("cannot read the body: {error}"))))?;
        let Ok(data) = frame.into_data() else { continue };
        received += data.len() as u64;
        limits.check_body_size(received).map_err(refused)?;
        if sender.send(Piece::Bytes(data)).await.is_err() {
            return Ok(());
        }
        if let Some((_, stop)) = stop.take_if(|(after_bytes, _)| received >= *after_bytes) {
            return Err(stop);
        }
        // Even a sleep of no length takes a timer's millisecond.
        if !fault.pause.is_zero() {
            tokio::time::sleep(fault.pause).await;
        }
    }
    if let Some((_, stop)) = stop {
        return Err(stop);
    }
    let _ = sender.send(Piece::End).await;
    Ok(())
}
