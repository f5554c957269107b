//! Writing into a MySQL table: statements of many rows, in one transaction as far as that goes.
//!
//! ```text
//! plan       a statement into a write: target (what is written to), options (session_settings), columns
//! writer     batches into statements: checks, literal (values as SQL), statement (their text)
//! load       the one connection of a write: its session, its transaction, what the server says
//! sink       begin, writers, one commit or one roll-back; recover: after a crash
//! fence      a lock that shows that a connection, and with it its transaction, has ended
//! ```
//!
//! All rows go through one connection, in the order in which they come. Its transaction is committed when the last of them is there, so
//! that a write is seen as a whole or not at all. Beyond `transaction_rows`, and in engines without transactions, it is committed in batches,
//! which the report says.

mod checks;
mod columns;
mod fence;
mod literal;
mod load;
mod options;
mod plan;
mod recover;
mod refusal;
mod session_settings;
mod statement;
mod table_sink;
mod target;
mod writer;

pub use options::{SETTINGS, check_settings, is_write_mode};
pub(super) use options::{check_catalog, split_catalog};
pub(super) use plan::plan;
pub(super) use recover::recover;
