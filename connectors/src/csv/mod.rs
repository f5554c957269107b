//! Encoding Arrow for loads: plain CSV (no quotes, no escapes), enclosed CSV, JSON, and an Arrow IPC stream.
//!
//! Which one a load is: plain CSV if it carries every row, as the server reads it fastest; else the first of enclosed CSV, JSON and Arrow that
//! the server is known to read and that carries every row.
//!
//! Encoders take batches as the sinks' conversion leaves them: every column in its target's Arrow type
//! ([`TargetType::arrow_type`](crate::sink::TargetType::arrow_type)) or as `Utf8`.

pub mod arrow_stream;
pub mod carry;
pub(crate) mod cells;
pub(crate) mod column;
pub(crate) mod decimal;
pub(crate) mod digits;
pub mod encoder;
pub mod json;
pub mod options;
pub(crate) mod region;
pub(crate) mod rows;
pub mod temporal;
pub(crate) mod texts;

#[cfg(test)]
mod tests;

pub use arrow_stream::{ArrowEncoder, ArrowStream};
pub use carry::{Carry, Uncarried};
pub use encoder::CsvEncoder;
pub use json::JsonEncoder;
pub use options::CsvFormat;
