//! The one error type. Texts and MySQL error numbers are the server's own, because clients match on them; that is why some
//! begin with a capital letter.

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such database.
    #[error("Unknown database '{0}'")]
    UnknownDatabase(String),
    /// No such table; the text is `database.table`.
    #[error("Unknown table '{0}'")]
    UnknownTable(String),
    /// CREATE DATABASE of a name that is taken.
    #[error("Can't create database '{0}'; database exists")]
    DatabaseExists(String),
    /// DROP DATABASE of a name that is not there.
    #[error("Can't drop database '{0}'; database doesn't exist")]
    DropMissingDatabase(String),
    /// CREATE TABLE of a name that is taken.
    #[error("Table '{0}' already exists")]
    TableExists(String),
    /// DROP or TRUNCATE of a partition that is not there.
    #[error("Error in list of partitions to [{0}]")]
    PartitionNotInTable(String),
    /// A partition named by a load or an INSERT that the table does not have.
    #[error("Unknown partition '{partition}' in table '{table}'")]
    UnknownPartition {
        /// The partition's name as it was written.
        partition: String,
        /// The table's name.
        table: String,
    },
    /// ADD PARTITION of a name that is taken.
    #[error("Duplicate partition name {0}")]
    PartitionExists(String),
    /// The label was used before by a transaction that did not abort.
    #[error("Label [{label}] has already been used.")]
    LabelUsed {
        /// The label.
        label: String,
        /// Whether the earlier transaction is `RUNNING` or `FINISHED`.
        existing_job_status: &'static str,
    },
    /// The request breaks a rule; the text is the analyzer's.
    #[error("{0}")]
    Invalid(String),
    /// A header's value cannot be used; the text is the BE's (StarRocks: `INVALID_ARGUMENT`).
    #[error("{0}")]
    Argument(String),
    /// The BE refuses or has failed; the text is its own (StarRocks: `INTERNAL_ERROR`).
    #[error("{0}")]
    Backend(String),
    /// StarRocks can do this and this version of MiniRocks cannot.
    #[error("not supported by MiniRocks: {0}")]
    Unsupported(String),
    /// A row breaks a rule of the table; nothing of the write is kept.
    #[error("{0}")]
    Row(String),
    /// The table changed under a statement that read it first.
    #[error("table '{0}' was changed by another statement; run this one again")]
    Conflict(String),
    /// A file or socket failed.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, with the path or address.
        context: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// Reading or writing a Parquet file or a manifest failed.
    #[error("{context}: {message}")]
    Storage {
        /// What was being done, with the path.
        context: String,
        /// The library's error.
        message: String,
    },
    /// Arrow refused an operation; a defect of MiniRocks.
    #[error("internal error: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(String),
}

impl Error {
    /// A broken rule, in the analyzer's words.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// A header's value that cannot be used.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::Argument(message.into())
    }

    /// A refusal or failure of the BE.
    pub(crate) fn backend(message: impl Into<String>) -> Self {
        Self::Backend(message.into())
    }

    /// Something that StarRocks has and this version does not.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }

    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { context: context.into(), source }
    }

    pub(crate) fn storage(context: impl Into<String>, error: impl std::fmt::Display) -> Self {
        Self::Storage { context: context.into(), message: error.to_string() }
    }

    /// The error number in a MySQL error packet, as StarRocks's `ErrorCode` gives it; 1064 for everything its analyzer says.
    pub fn mysql_code(&self) -> u16 {
        match self {
            Self::UnknownDatabase(_) => 5501,
            Self::UnknownTable(_) => 5502,
            Self::DatabaseExists(_) => 1007,
            Self::DropMissingDatabase(_) => 1008,
            Self::TableExists(_) => 1050,
            Self::PartitionNotInTable(_) => 1507,
            Self::UnknownPartition { .. } => 1735,
            Self::PartitionExists(_) => 1517,
            _ => 1064,
        }
    }
}
