//! What MySQL and StarRocks share: the URL's grammar, TLS, connections, SQL quoting, predicates, splits, decoding of values, and
//! what their errors mean.
//!
//! A connector reads its catalog's options into a [`ConnectionConfig`](options::ConnectionConfig), makes a
//! [`ConnectionPool`](connect::ConnectionPool) of it, and gets a [`Connection`](connect::Connection) for each read or statement.
//! A connection that is dropped instead of given back is cut at once. The server notices when it next sends something.

pub(crate) mod column_builder;
pub mod connect;
pub mod decode;
pub mod described;
pub mod error;
pub mod jdbc;
pub mod options;
pub mod predicate;
pub mod pushdown;
pub mod quote;
pub mod read;
pub(crate) mod residual;
pub mod split;
pub(crate) mod text_builder;
pub mod url;
pub mod value;
pub mod wire;
pub mod zone;
