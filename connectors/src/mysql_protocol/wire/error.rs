//! What can go wrong between this machine and a server.

use std::io;

/// Why a connection did not do what was asked. [`from_wire`](crate::mysql_protocol::error::from_wire) makes the user's error of it.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The server refused the statement or the login; the connection can go on after a statement.
    #[error("ERROR {code}: {message}")]
    Server {
        /// The server's number (MySQL: "Server Error Message Reference").
        code: u16,
        /// The server's text.
        message: String,
    },
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// TLS could not be had: certificate, names, versions.
    #[error("{0}")]
    Tls(String),
    /// The server offers no TLS and the catalog asks for it.
    #[error("the server offers no TLS")]
    NoTls,
    /// The server closed the connection between two packets, or it was given up before.
    #[error("the connection is closed")]
    Closed,
    /// The stream ended within a packet.
    #[error("the connection ended within a packet")]
    Cut,
    /// The bytes do not follow the protocol.
    #[error("{0}")]
    Malformed(&'static str),
    /// A packet is larger than `max_allowed_packet`.
    #[error("a packet is too large")]
    TooLarge,
    /// An answer that is kept as a whole is larger than any that is asked for.
    #[error("an answer is too large")]
    AnswerTooLarge,
    /// The server asks for a way to log in that is not supported.
    #[error("{0}")]
    Login(String),
    /// The server asks for a file of this machine.
    #[error("the server asks for a local file")]
    LocalFile,
}

/// What a step of the protocol yields.
pub type Result<T, E = WireError> = std::result::Result<T, E>;
