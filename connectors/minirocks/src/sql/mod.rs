//! SQL: what a statement means. The MySQL protocol in [`mysql`](crate::mysql) brings texts and parameters and takes
//! outcomes away.
//!
//! | file | what |
//! |---|---|
//! | `lexer`, `parser`, `statement` | text to statements |
//! | `session` | the state of a connection, and which file executes which statement |
//! | `ddl`, `insert`, `delete`, `update` | changes |
//! | `evaluate`, `load_expression` | expressions over rows |
//! | `assign` | values to columns, with StarRocks's checks |
//! | `query` | SELECT through DataFusion, with StarRocks's comparisons, functions and names |
//! | `show`, `describe`, `information_schema`, `variables` | what a server says of itself |

mod assign;
mod ddl;
mod delete;
mod describe;
mod error;
mod evaluate;
mod information_schema;
mod insert;
mod lexer;
mod load_expression;
mod parser;
mod query;
mod replace_rows;
mod rows;
mod session;
mod show;
mod statement;
mod system_table;
mod temporal;
mod update;
mod value_text;
mod values;
mod variables;

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;

pub(crate) use error::SqlError;
pub(crate) use load_expression::{LoadEvaluator, LoadExpression, fitted};
pub(crate) use parser::{ParsedStatement, parse, parse_one};
pub(crate) use query::{column_type_of, display_name};
pub(crate) use rows::RowStream;
pub(crate) use session::Session;
pub(crate) use statement::Literal;
pub(crate) use value_text::{push_text, writable};

use crate::faults::Faults;
use crate::server::ServerConfig;
use crate::storage::Warehouse;

/// The only catalog.
pub(crate) const CATALOG: &str = "default_catalog";
/// The database that describes the others.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) warehouse: Arc<Warehouse>,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) addresses: Addresses,
    pub(crate) engine: query::QueryEngine,
    pub(crate) started_at: Timestamp,
    pub(crate) faults: Faults,
}

/// Where the three ports are, for SHOW BACKENDS and SHOW FRONTENDS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) mysql: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) be: SocketAddr,
}

impl Services {
    pub(crate) fn new(
        warehouse: Arc<Warehouse>,
        config: Arc<ServerConfig>,
        addresses: Addresses,
        faults: Faults,
    ) -> crate::error::Result<Self> {
        let engine = query::QueryEngine::new()?;
        Ok(Self { warehouse, config, addresses, engine, started_at: Timestamp::now(), faults })
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.config.password()
    }
}

/// The fields of an OK packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OkInfo {
    pub(crate) affected_rows: u64,
    /// What clients print behind the count, such as an INSERT's label.
    pub(crate) text: String,
}

/// What a statement has led to.
pub(crate) enum Outcome {
    Done(OkInfo),
    Rows(RowStream),
}

impl Outcome {
    pub(crate) fn done() -> Self {
        Self::Done(OkInfo::default())
    }
}
