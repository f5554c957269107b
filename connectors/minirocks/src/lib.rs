//! MiniRocks: a StarRocks-compatible warehouse in one process.
//!
//! It exists for demos, development and tests: a program that speaks to StarRocks over its two public protocols can be
//! tried without a cluster. It is not StarRocks: no replication, no distribution, no cost-based optimiser, and every table
//! is held in memory (with [`ServerConfig::data_dir`] each commit is also written to Parquet files and read back on start).
//!
//! A server listens on three ports, as a StarRocks cluster with one frontend (FE) and one backend (BE) does:
//!
//! | port | what | folder |
//! |---|---|---|
//! | FE HTTP | redirects loads, ends prepared transactions, answers the state of a label | `http` |
//! | BE HTTP | receives Stream Loads and the loads of transactions, serves their error logs | `http`, `load`, `csv` |
//! | MySQL | DDL, INSERT and queries | `mysql`, `sql` |
//!
//! All of them work on one [`Warehouse`](storage::Warehouse): databases, tables, partitions, labels. It shares no code with
//! clients of StarRocks; the only thing in common is the wire.
//!
//! [`ServerConfig::emulate_version`] switches off what an older version lacks ([`Abilities`]). For tests of clients a server
//! misbehaves on demand: [`Server::faults`] is the switch, [`FaultKind`] the list of what it knows.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> minirocks::Result<()> {
//! let server = minirocks::Server::start(minirocks::ServerConfig::default()).await?;
//! println!("mysql -h 127.0.0.1 -P {} -u root", server.mysql_addr().port());
//! server.stop().await;
//! # Ok(()) }
//! ```

mod abilities;
mod csv;
mod error;
mod faults;
mod http;
mod load;
pub(crate) mod mysql;
mod server;
pub(crate) mod sql;
pub mod storage;
pub mod types;

pub use abilities::{Abilities, Ability, Version};
pub use error::{Error, Result};
pub use faults::{Fault, FaultId, FaultKind, FaultPlace, FaultStep, Faults, FiredFault, Node};
pub use server::{Server, ServerConfig, TransactionLimits};
