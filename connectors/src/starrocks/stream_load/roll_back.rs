//! Making sure that what nobody awaits any more does not become visible later.

use std::time::{Duration, Instant};

use super::client::StreamLoadClient;
use super::label::Label;
use super::response::LabelState;
use crate::error::{ConnectorError, ErrorCode, Result};

/// How long a label may be unknown, while rolling back, before it is taken for one that never began: a request that was given up may
/// still be on its way.
const UNKNOWN_TIME: Duration = Duration::from_secs(1);
/// Between the first two questions; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between two questions.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// How a label came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// By a load.
    ByLoad,
    /// By `begin` of a transaction.
    ByTransaction,
}

/// Where a label stands when nobody will add to it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Committed; what is committed stays.
    Committed,
    /// Rolled back: the server says so.
    Aborted,
    /// The server does not know the label.
    Unknown,
}

impl StreamLoadClient {
    /// Rolls a label of this process back and stays until the server says that it has ended. An error of code Unknown, whose message is
    /// what stands in the way, means that it may not have.
    pub(crate) async fn roll_back(&self, database: &str, table: &str, label: &Label, opened: Opened) -> Result<Ended> {
        let unknown_time = UNKNOWN_TIME.min(self.patience.unknown_for);
        self.roll_back_unless_unknown_for(unknown_time, database, table, label, opened).await
    }

    /// The same for a label of a process that was killed, perhaps a moment ago: what it sent last may be on its way for as long as a request
    /// whose answer was lost, and would begin behind a recovery that asks once.
    pub(crate) async fn roll_back_left(
        &self,
        database: &str,
        table: &str,
        label: &Label,
        opened: Opened,
    ) -> Result<Ended> {
        self.roll_back_unless_unknown_for(self.patience.unknown_for, database, table, label, opened).await
    }

    async fn roll_back_unless_unknown_for(
        &self,
        unknown_time: Duration,
        database: &str,
        table: &str,
        label: &Label,
        opened: Opened,
    ) -> Result<Ended> {
        let started = Instant::now();
        let unknown_time = unknown_time.min(self.patience.roll_back_for / 2);
        let mut unknown_since: Option<Instant> = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let trouble = match self.label_state(database, label).await {
                Ok(LabelState::Visible | LabelState::Committed) => return Ok(Ended::Committed),
                Ok(LabelState::Aborted(_)) => return Ok(Ended::Aborted),
                Ok(LabelState::Unknown) => {
                    if unknown_since.get_or_insert_with(Instant::now).elapsed() >= unknown_time {
                        return Ok(Ended::Unknown);
                    }
                    "the server does not know it".to_owned()
                }
                Ok(LabelState::Running | LabelState::Prepared) => {
                    unknown_since = None;
                    match self.ask_to_end(database, table, label, opened).await {
                        Ok(()) => "it still runs".to_owned(),
                        Err(error) => error.message().to_owned(),
                    }
                }
                Err(error) => error.message().to_owned(),
            };
            if started.elapsed() >= self.patience.roll_back_for {
                return Err(ConnectorError::new(ErrorCode::Unknown, trouble));
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE).min(unknown_time / 4);
        }
    }

    async fn ask_to_end(&self, database: &str, table: &str, label: &Label, opened: Opened) -> Result<()> {
        if opened == Opened::ByTransaction && self.roll_back_transaction(database, table, label).await.is_ok() {
            return Ok(());
        }
        // Also for a transaction whose backend is gone: a frontend ends it all the same.
        self.cancel(database, table, label).await
    }
}
