//! A client of MySQL's protocol for reads: complete packets are taken from one large buffer, and rows are lent as slices of it.
//!
//! ```text
//! stream     bytes: TCP, TLS over it (tls)
//! channel    packets over a stream; buffer: bytes into packets, without copying
//! greeting   the server's first packet, our answer; login: who we are (public_key for passwords without TLS)
//! connection statements and the packets of their answers
//! reply      OK, error and end-of-rows packets; fields: the integers and strings that all packets are made of
//! cell       one value of a row
//! ```
//!
//! What a server sends is hostile until checked: every length is compared with what there is, what does not fit is
//! [`WireError::Malformed`], and memory grows with the bytes that have come, never with a number that announces them.
//!
//! The protocol is described in MySQL's source documentation, "Client/Server Protocol", and in MariaDB's, "Client/Server Protocol";
//! constants and a few packets come from the crate `mysql_common`.

mod buffer;
pub mod cell;
mod channel;
pub mod connection;
pub mod error;
pub mod fields;
mod greeting;
mod login;
mod public_key;
mod reply;
mod stream;
mod tls;

pub use connection::{Answer, Protocol, Step, WireConnection};
pub use error::WireError;

#[cfg(test)]
pub(crate) mod scripted_server;
#[cfg(test)]
mod tests;
