//! Syncline: sync data between systems with SQL.
//!
//! An [`Engine`] holds what all sessions share: catalogs, the state store, memory. A [`Session`] has its own `USE`, `SET`, parameters,
//! catalogs and views. Work enters through three calls:
//!
//! * [`Session::sql`]: one query as a DataFusion frame;
//! * [`Session::start`]: a script; the [`Run`] is a stream of [`RunEvent`]s, then a [`RunReport`](report::RunReport);
//! * [`Session::write`]: a stream of record batches into a table, all or nothing.
//!
//! ```
//! use syncline::{Engine, RunEvent, RunOptions};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::builder().timezone("Asia/Shanghai").memory_limit(1 << 30).build().await?;
//! let session = engine.session();
//!
//! let frame = session.sql("SELECT 6 * 7 AS answer").await?;
//! assert_eq!(frame.count().await?, 1);
//!
//! let script = "SET PARAMETER day = '$bizdate'; SELECT '${day}' AS day; ASSERT 1 < 2 AS 'never seen'";
//! let mut run = session.start(script, RunOptions::default().bizdate("20240807"))?;
//! let mut rows = 0;
//! while let Some(event) = run.next().await {
//!     if let RunEvent::ResultBatch { batch, .. } = event {
//!         rows += batch.num_rows();
//!     }
//! }
//! let report = run.report().await?;
//! assert_eq!((report.exit_code(), report.statements.len(), rows), (0, 3, 1));
//!
//! engine.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! What a script may reach is set by the [`EngineBuilder`]; by default neither the environment nor files nor catalogs of its own. The library
//! never prints, installs signal handlers, or reads the environment (except `${env:…}` where it is permitted) or the working directory.
//!
//! # Where to look
//!
//! | file | idea |
//! |---|---|
//! | `engine.rs`, `session.rs`, `run.rs`, `report.rs`, `error.rs`, `permission.rs` | the public API |
//! | `config.rs`, `catalogs.rs`, `reference.rs` | `syncline.toml`, catalogs by name, `${env:…}` and `${file:…}` |
//! | `scope.rs`, `sql_front.rs` | what a session knows, and what of it the parser sees |
//! | `names/` | which table a name means; respelling; dates beside numbers; `remote_query` |
//! | `functions/`, `operators.rs`, `datetime_text.rs` | functions, operators, types and casts as MySQL has them |
//! | `planning.rs` | the one function that builds a DataFusion session state |
//! | `backfill.rs` | a job once for each business day of a range |
//! | `job_json/` | jobs of DataWorks and DataX as SQL scripts |
//! | `runner/` | checks before anything runs, then statement after statement |
//! | `external_table.rs` | tables over files |
//! | `state/` | what outlives a session: external tables, runs, labels and decisions, locks |

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod error;
pub mod job_json;
pub mod report;

mod backfill;
mod bucket_location;
mod catalogs;
mod clock;
mod config;
mod datetime_text;
mod engine;
mod external_table;
mod file_format;
mod file_options;
mod file_target;
mod functions;
mod names;
mod operators;
mod partition;
mod permission;
mod planning;
mod reference;
mod run;
mod runner;
mod schema_text;
mod scope;
mod session;
mod sql_front;
mod state;

pub use backfill::{
    Backfill, BackfillEvent, BackfillOptions, BackfillReport, BusinessDays, DayReport, DaysReport, OnFailure,
};
pub use engine::{CatalogCheck, Engine, EngineBuilder};
pub use error::{Result, SynclineError};
pub use permission::Permission;
pub use run::{ListedParameter, Run, RunEvent, RunOptions, RunStopper, Script, WriteOptions};
pub use session::Session;
pub use syncline_connectors::catalog::CheckItem;
pub use syncline_connectors::sink::{FoundBy, Reject};
pub use syncline_connectors::{CatalogKind, Options, Secret};
pub use syncline_sql::ParameterSource;
