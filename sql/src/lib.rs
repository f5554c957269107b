//! Syncline's SQL front end: the text of a script becomes typed statements. Pure: no I/O, no async, no knowledge of connectors.
//!
//! A script goes through three steps, each a function:
//!
//! 1. [`split`]: cut at `;` over tokens; every [`Piece`] keeps its file, line and column.
//! 2. [`substitute`]: parameters are put in by the lexical rules; positions still lead back to the file.
//! 3. [`parse`]: the statement is routed over its tokens (native, session, sync, query), then parsed by the grammar that its kind has.
//!
//! Steps 2 and 3 run statement by statement, because `SET PARAMETER`, `USE` and `CREATE … CATALOG` change what later ones mean. What they
//! must know of the session is its [`Parameters`], its [`SqlDialect`] and its [`Scope`].
//!
//! ```
//! use syncline_sql::{Clocks, FixedScope, Parameters, SourceFile, SqlDialect, Statement, parse, split, substitute};
//!
//! let script = SourceFile::new("job.sql", "
//!     ALTER TABLE starrocks.ods.logs DROP PARTITION IF EXISTS p${bizdate} FORCE;
//!     INSERT INTO starrocks.ods.logs SELECT line, '${bizdate}' FROM user_log;
//! ");
//!
//! let clocks = Clocks::new(Some("20240807"), None, jiff::tz::TimeZone::UTC, jiff::Timestamp::now())?;
//! let parameters = Parameters::new(clocks);
//! let scope = FixedScope { remote: vec!["starrocks".into()], tables: vec!["user_log".into()], ..FixedScope::default() };
//!
//! let mut statements = Vec::new();
//! for piece in split(&script)? {
//!     let prepared = substitute(&piece, &parameters, SqlDialect::Mysql)?;
//!     statements.push(parse(&prepared, &scope, SqlDialect::Mysql)?);
//! }
//!
//! // the first runs in StarRocks, as it was typed
//! let Statement::Native(native) = &statements[0] else { panic!() };
//! assert_eq!(native.catalog, "starrocks");
//! assert_eq!(native.text, "ALTER TABLE ods.logs DROP PARTITION IF EXISTS p20240807 FORCE");
//!
//! // the second reads elsewhere, so Syncline runs it
//! let Statement::Sync(insert) = &statements[1] else { panic!() };
//! assert_eq!(insert.target.to_string(), "starrocks.ods.logs");
//! assert_eq!(insert.query.tables[0].to_string(), "user_log");
//! # Ok::<(), syncline_sql::SqlError>(())
//! ```
//!
//! A mistake is a [`SqlError`]: a stable code, what is wrong, where in the file, and a way out; [`SqlError::render`] prints it with the
//! source line and a caret, safe for a terminal.
//!
//! # Where to look
//!
//! | file | idea |
//! |---|---|
//! | `token.rs`, `dialect.rs` | the one tokenizer: strings, names, comments, placeholders, with byte ranges |
//! | `split.rs` | step 1 |
//! | `clocks.rs`, `parameters.rs`, `reference.rs`, `substitute.rs` | step 2: what values mean, and where they may stand |
//! | `names.rs`, `route.rs`, `scope.rs` | which tables a statement names, where they lead, and the cut of native text |
//! | `remote_sql.rs` | what is sent must mean there what it means here |
//! | `parse.rs` | step 3: which words go where |
//! | `fragment.rs` | pieces of SQL that stand in other files |
//! | `grammar/` | our own statements, read by hand |
//! | `query.rs`, `parser_tokens.rs`, `query_dialect.rs` | queries: our tokens, sqlparser's grammar, MySQL's operators |
//! | `statement.rs` | what comes out |
//! | `render.rs`, `secrets.rs` | errors as a terminal shows them, without secrets |

pub mod error;
pub mod fragment;
pub mod source;
pub mod statement;

mod clocks;
mod date_expression;
mod delimiter;
mod dialect;
mod grammar;
mod names;
mod nearest;
mod parameters;
mod parse;
mod parser_tokens;
mod query;
mod query_dialect;
mod reference;
mod remote_sql;
mod render;
mod route;
mod scope;
mod secrets;
mod split;
mod statement_text;
mod substitute;
mod table_effects;
mod token;

#[cfg(test)]
mod soup_tests;

pub use clocks::{Clocks, parse_bizdate, parse_cyctime, parse_time_of_day};
pub use delimiter::delimiter;
pub use dialect::SqlDialect;
pub use error::{ErrorCode, SqlError};
pub use nearest::nearest;
pub use parameters::{ParameterSource, ParameterValue, Parameters, RunNames, evaluate_parameter};
pub use parse::parse;
pub use render::escape_control;
pub use scope::{FixedScope, Place, SESSION_CATALOG, Scope, ScopeCatalog, match_name};
pub use secrets::secret_ranges;
pub use source::{Piece, Position, Prepared, Replacement, SourceFile};
pub use split::{is_complete, split, split_in};
pub use statement::Statement;
pub use substitute::{LITERAL, substitute};
pub use table_effects::{AffectedTable, TableEffect, table_effects};
