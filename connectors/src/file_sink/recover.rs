//! Ending what another process has left.

use parking_lot::Mutex;

use super::decision::{Decision, Progress};
use super::records::{self, Begun};
use super::upload::give_up_all;
use crate::error::Result;
use crate::object_store::FileLocation;
use crate::sink::{OpenAttempt, Recovered};

/// Ends an attempt that a run left: forward if its commit was decided, else back. `locate` reads what
/// [`FileLocation::reference`] wrote.
///
/// # Errors
/// What could not be ended; calling it again goes on.
pub async fn recover(
    open: &OpenAttempt,
    locate: &(dyn Fn(&str) -> Result<FileLocation> + Send + Sync),
) -> Result<Recovered> {
    match &open.decision {
        Some(lines) => {
            let decision = Decision::parse(lines)?;
            decision.carry_out(locate, &Mutex::new(Progress::default())).await?;
            Ok(Recovered::Committed(decision.summary(&open.attempt.write_mode)))
        }
        None => {
            let begun: Vec<Begun> = records::parse(open.attempt.details.lines())?;
            give_up_all(&begun, locate).await?;
            Ok(Recovered::RolledBack)
        }
    }
}
