//! The one public error of all connectors.

use std::error::Error;
use std::fmt;

use datafusion::error::DataFusionError;

/// A result whose error is a [`ConnectorError`].
pub type Result<T, E = ConnectorError> = std::result::Result<T, E>;

/// What went wrong, as the user and the exit code need it.
///
/// The number in [`code`](ErrorCode::code) is stable; scripts may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// E2001: an option of a catalog, table or statement is unknown, missing or has a bad value.
    Option,
    /// E2002: a database, table or column does not exist (or is ambiguous).
    Name,
    /// E2003: what the statement asks for is not supported (by the server, the mode or this version).
    Unsupported,
    /// E5001: the host cannot be reached, or the connection was lost.
    Connection,
    /// E5002: login or permission was refused.
    Login,
    /// E5003: an HTTP server answered with an error status, or broke its own protocol.
    Http,
    /// E5004: the remote system refused a statement or request.
    Remote,
    /// E5005: a value read from a source cannot be represented.
    Value,
    /// E5006: more rejects than `error_limit` allows.
    Rejects,
    /// E5007: the outcome of a write is not known.
    Unknown,
    /// E5008: a redirect was refused.
    Redirect,
    /// E5009: the statement was cancelled.
    Cancelled,
    /// E5010: local input or output failed.
    Io,
    /// E5011: a part of a write is visible and stays: a later load failed, or removing it failed.
    PartlyCommitted,
    /// E5999: a mistake in Syncline itself.
    Internal,
}

impl ErrorCode {
    /// The stable text of the code, such as `E5001`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Option => "E2001",
            Self::Name => "E2002",
            Self::Unsupported => "E2003",
            Self::Connection => "E5001",
            Self::Login => "E5002",
            Self::Http => "E5003",
            Self::Remote => "E5004",
            Self::Value => "E5005",
            Self::Rejects => "E5006",
            Self::Unknown => "E5007",
            Self::Redirect => "E5008",
            Self::Cancelled => "E5009",
            Self::Io => "E5010",
            Self::PartlyCommitted => "E5011",
            Self::Internal => "E5999",
        }
    }
}

/// An error of a connector: a code, whether trying again can help, and a message that names catalog, table, column and the way out.
///
/// Its text carries code and retryability, `[E5001 retryable] …`, because types do not cross process borders;
/// [`ConnectorError::from_datafusion`] reads them back.
#[derive(Debug)]
pub struct ConnectorError {
    code: ErrorCode,
    retryable: bool,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ConnectorError {
    /// An error that trying again does not cure. `message` is lowercase, without a full stop, and holds no secret.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, retryable: false, message: message.into(), source: None }
    }

    /// An error that may be gone on the next try.
    pub fn retryable(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, retryable: true, message: message.into(), source: None }
    }

    /// Keeps the cause for logs; its text must hold no secret either.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// An [`ErrorCode::Option`] error.
    pub fn option(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Option, message)
    }

    /// An [`ErrorCode::Internal`] error.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Whether trying again can help.
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The message without the code in front.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Finds the connector's error inside an error of DataFusion, or makes one of it.
    pub fn from_datafusion(error: DataFusionError) -> Self {
        fn find(error: &DataFusionError) -> Option<&ConnectorError> {
            let mut cause: &(dyn Error + 'static) = error.find_root();
            loop {
                if let Some(found) = cause.downcast_ref::<ConnectorError>() {
                    return Some(found);
                }
                cause = match cause.downcast_ref::<DataFusionError>() {
                    Some(DataFusionError::External(inner)) => inner.as_ref(),
                    _ => cause.source()?,
                };
            }
        }
        if let Some(found) = find(&error) {
            return Self { code: found.code, retryable: found.retryable, message: found.message.clone(), source: None };
        }
        match error.find_root() {
            DataFusionError::ResourcesExhausted(message) => Self::new(ErrorCode::Io, message.clone()),
            root => Self::new(ErrorCode::Value, root.strip_backtrace()),
        }
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retryable = if self.retryable { " retryable" } else { "" };
        write!(f, "[{}{retryable}] {}", self.code.code(), self.message)
    }
}

impl Error for ConnectorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<ConnectorError> for DataFusionError {
    fn from(error: ConnectorError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

impl From<DataFusionError> for ConnectorError {
    fn from(error: DataFusionError) -> Self {
        Self::from_datafusion(error)
    }
}
