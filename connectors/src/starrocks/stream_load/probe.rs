//! Asking a server whether it knows a format, before any row is sent.

use super::body::Body;
use super::client::StreamLoadClient;
use super::load::Load;
use crate::error::Result;

/// How a server that does not know the format of a load begins its refusal (StarRocks: `stream_load.cpp`).
const UNKNOWN_FORMAT: &str = "unknown data format";

impl StreamLoadClient {
    /// Whether the backends know a format: a load without rows under a label of its own is offered in it. A server looks at the format before
    /// it begins anything, and refuses a load without rows in the end, so that nothing is ever visible.
    pub(crate) async fn knows_format(&self, probe: &Load) -> Result<bool> {
        let answer = self.offer(probe, &mut Body::Empty).await?;
        Ok(!answer.message.to_ascii_lowercase().contains(UNKNOWN_FORMAT))
    }
}
