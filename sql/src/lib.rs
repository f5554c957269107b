//! Syncline's SQL front end: the text of a script becomes typed statements. Pure: no I/O, no async, no knowledge of connectors.
//!
//! A script goes through three steps, each a function:
//!
//! 1. [`split`]: cut at `;` over tokens; every [`Piece`] keeps its file, line and column.
//! 2. [`substitute`]: parameters are put in by the lexical rules; positions still lead back to the file.
//! 3. [`parse`]: the statement is routed over its tokens (native, session, sync, query), then parsed by the grammar that its kind has.
//!
//! Steps 2 and 3 run statement by statement, because `SET PARAMETER`, `USE` and `CREATE … CATALOG` change what later ones mean.

pub mod error;
pub mod source;
pub mod statement;

mod clocks;
mod delimiter;
mod dialect;
mod grammar;
mod names;
mod nearest;
mod parameters;
mod parse;
mod query;
mod reference;
mod render;
mod route;
mod scope;
mod split;
mod statement_text;
mod substitute;
mod token;

pub use clocks::{Clocks, parse_bizdate, parse_cyctime};
pub use delimiter::delimiter;
pub use dialect::SqlDialect;
pub use error::{ErrorCode, SqlError};
pub use nearest::nearest;
pub use parameters::{ParameterValue, Parameters, evaluate_parameter};
pub use parse::parse;
pub use render::escape_control;
pub use scope::{FixedScope, Place, SESSION_CATALOG, Scope, ScopeCatalog, match_name};
pub use source::{Piece, Position, Prepared, SourceFile};
pub use split::{split, split_in};
pub use statement::Statement;
pub use substitute::{LITERAL, substitute};
