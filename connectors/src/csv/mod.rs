//! Encoding Arrow for loads: plain CSV (no quotes, no escapes), and JSON for rows that plain CSV cannot carry.
//!
//! Encoders take batches as the sinks' conversion leaves them: every column in its target's Arrow type
//! ([`TargetType::arrow_type`](crate::sink::TargetType::arrow_type)) or as `Utf8`.

pub mod carry;
mod column;
mod decimal;
pub mod encoder;
pub mod json;
pub mod options;
pub mod temporal;

#[cfg(test)]
mod tests;

pub use carry::{Carry, Uncarried};
pub use encoder::CsvEncoder;
pub use json::JsonEncoder;
pub use options::CsvFormat;
