//! What an armed fault does to a statement.

use std::io;

use crate::faults::FaultKind;
use crate::sql::SqlError;

/// Before the statement is executed. An error closes the connection; a refusal is sent in place of the outcome.
pub(super) async fn before(fault: Option<&FaultKind>) -> io::Result<Option<SqlError>> {
    match fault {
        Some(FaultKind::RequestLost) => Err(closed()),
        Some(FaultKind::Refuse(message)) => Ok(Some(SqlError::new(1064, message.clone()))),
        Some(FaultKind::Delay(pause)) => {
            tokio::time::sleep(*pause).await;
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// After the (last) statement was executed, before its outcome is sent.
pub(super) async fn after(fault: Option<FaultKind>) -> io::Result<()> {
    match fault {
        Some(FaultKind::AnswerLost) => Err(closed()),
        Some(FaultKind::AnswerDelayed(pause)) => {
            tokio::time::sleep(pause).await;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "a fault has closed the connection")
}
