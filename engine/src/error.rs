//! The one error of the library: a stable code, a message, and where we know them a place in the script and a way out.

use std::fmt;

use datafusion::error::DataFusionError;
use syncline_connectors::ConnectorError;
use syncline_connectors::error::ErrorCode as ConnectorCode;
use syncline_sql::{Position, SqlError};

use crate::report::ErrorReport;

/// A result whose error is a [`SynclineError`].
pub type Result<T, E = SynclineError> = std::result::Result<T, E>;

/// Codes of errors that the engine itself finds. `E1…` are mistakes in a script (`syncline_sql::ErrorCode`), `E2…` mistakes in names,
/// options and settings, `E3…` conditions of a run, `E5…` what goes wrong while running (`syncline_connectors::error::ErrorCode`).
pub mod codes {
    /// E2000: the arguments of a command are wrong.
    pub const USAGE: &str = "E2000";
    /// E2010: the config file does not parse or holds an unknown key.
    pub const CONFIG: &str = "E2010";
    /// E2011: a `${env:…}` or `${file:…}` reference cannot be read.
    pub const REFERENCE: &str = "E2011";
    /// E2012: the program that embeds the engine does not permit it.
    pub const NOT_PERMITTED: &str = "E2012";
    /// E2013: a query cannot be planned: types that do not fit, an unknown function, a construct that is not supported.
    pub const PLAN: &str = "E2013";
    /// E2014: a script or sourced file cannot be read.
    pub const SCRIPT: &str = "E2014";
    /// E2015: a run cannot be resumed: it is not known, or script, parameters, clock or profile are not its own.
    pub const RESUME: &str = "E2015";
    /// E2020: a job as JSON does not parse, or says something that Syncline does not do.
    pub const JOB: &str = "E2020";
    /// E3001: the condition of an ASSERT is false or NULL.
    pub const ASSERT: &str = "E3001";
    /// E3002: the same job and business date is already running.
    pub const ALREADY_RUNNING: &str = "E3002";
    /// E3003: the state folder cannot be read or written.
    pub const STATE: &str = "E3003";
}

/// What went wrong, where, and what to do about it.
#[derive(Debug, Clone)]
pub struct SynclineError {
    code: &'static str,
    message: String,
    hint: Option<String>,
    position: Option<Position>,
    retryable: bool,
}

impl SynclineError {
    /// An error of one of the [`codes`]. `message` is lowercase, without a full stop, and holds no secret.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: without_code(message.into()), hint: None, position: None, retryable: false }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do about it, unless that is known already.
    #[must_use]
    pub(crate) fn hint_if_none(mut self, hint: &str) -> Self {
        self.hint.get_or_insert_with(|| hint.to_owned());
        self
    }

    /// Adds the place, unless it is known already.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position.get_or_insert(position);
        self
    }

    /// The stable code, such as `E1001`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The message without hint and place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, where that is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The place in the script, where one is known.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Whether trying the same again may help (a lost connection, a busy server).
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// Whether it is a mistake of usage, syntax, parameters or names: exit code 2 if it is found before anything ran.
    pub fn is_usage(&self) -> bool {
        self.code.starts_with("E1") || self.code.starts_with("E2")
    }

    /// Whether the outcome of a write is not known.
    pub fn is_unknown_outcome(&self) -> bool {
        self.code == ConnectorCode::Unknown.code()
    }

    /// Whether the statement was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.code == ConnectorCode::Cancelled.code()
    }

    /// For a terminal: `error[E1001]: message`, the place with line and caret, and the hint, each on lines of its own.
    pub fn render(&self) -> String {
        let safe = |text: &str| text.lines().map(syncline_sql::escape_control).collect::<Vec<_>>().join("\n");
        let mut text = format!("error[{}]: {}", self.code, safe(&self.message));
        if let Some(position) = &self.position {
            text.push_str("\n --> ");
            text.push_str(&position.render());
        }
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(&safe(hint));
        }
        text
    }

    /// The error as a run report holds it.
    pub fn to_report(&self) -> ErrorReport {
        ErrorReport {
            code: self.code.to_owned(),
            message: self.to_string(),
            file: self.position.as_ref().map(|position| position.file.name.clone()),
            line: self.position.as_ref().map(|position| position.line),
            column: self.position.as_ref().map(|position| position.column),
        }
    }
}

/// One line: the message, then the hint.
impl fmt::Display for SynclineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SynclineError {}

impl From<SqlError> for SynclineError {
    fn from(error: SqlError) -> Self {
        Self {
            code: error.code.code(),
            message: error.message,
            hint: error.hint,
            position: error.position,
            retryable: false,
        }
    }
}

impl From<ConnectorError> for SynclineError {
    fn from(error: ConnectorError) -> Self {
        Self {
            code: error.code().code(),
            message: without_code(error.message().to_owned()),
            hint: None,
            position: None,
            retryable: error.is_retryable(),
        }
    }
}

/// Errors of planning become [`codes::PLAN`], others keep the connector's code that they carry.
impl From<DataFusionError> for SynclineError {
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::Plan(message) | DataFusionError::NotImplemented(message) => {
                Self::new(codes::PLAN, lowercase_start(message))
            }
            DataFusionError::SchemaError(schema, _) => Self::new(codes::PLAN, lowercase_start(&schema.to_string())),
            _ => ConnectorError::from_datafusion(error).into(),
        }
    }
}

/// Takes out the codes that connectors put in front of their messages, such as `[E5001 retryable] `, for where types are lost: one has a field of
/// its own, and those of causes say nothing to a reader.
fn without_code(mut message: String) -> String {
    let mut from = 0;
    while let Some(at) = message[from..].find("[E").map(|at| from + at) {
        let rest = &message[at + 2..];
        let code = rest.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        let behind = code.map(|_| rest[4..].strip_prefix(" retryable").unwrap_or(&rest[4..]));
        match behind.and_then(|rest| rest.strip_prefix("] ")) {
            Some(rest) => message.replace_range(at..message.len() - rest.len(), ""),
            None => from = at + 2,
        }
    }
    message
}

/// Error texts of libraries start with a capital; ours do not.
fn lowercase_start(message: &str) -> String {
    let mut chars = message.trim_end_matches('.').chars();
    match chars.next() {
        Some(first) if !chars.as_str().starts_with(|c: char| c.is_uppercase()) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_never_shows_the_internal_code() {
        let lost = ConnectorError::retryable(ConnectorCode::Connection, "h:1 is lost");
        let error = SynclineError::new(codes::PLAN, format!("table t: {lost}; [E12] and [Ex] stay"));
        assert_eq!(error.message(), "table t: h:1 is lost; [E12] and [Ex] stay");
    }
}
