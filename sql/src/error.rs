//! Errors that point into the script.

use std::fmt;

use crate::source::Position;

/// What kind of mistake it is; [`code`](ErrorCode::code) is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// E1001: the text does not parse.
    Syntax,
    /// E1002: a parameter is not defined.
    UndefinedParameter,
    /// E1003: a parameter's value would break out of the token or quotes it stands in.
    UnsafeParameter,
    /// E1004: a parameter's value is an expression that cannot be evaluated.
    ParameterValue,
    /// E1005: a `${env:…}` or `${file:…}` reference where none may stand.
    Reference,
    /// E1006: a catalog is not known.
    UnknownCatalog,
    /// E1007: a name is ambiguous.
    AmbiguousName,
    /// E1008: understood, and built by a later version only.
    NotYet,
    /// E1009: a setting or option is unknown or has a bad value.
    Option,
}

impl ErrorCode {
    /// The stable text of the code, such as `E1001`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "E1001",
            Self::UndefinedParameter => "E1002",
            Self::UnsafeParameter => "E1003",
            Self::ParameterValue => "E1004",
            Self::Reference => "E1005",
            Self::UnknownCatalog => "E1006",
            Self::AmbiguousName => "E1007",
            Self::NotYet => "E1008",
            Self::Option => "E1009",
        }
    }
}

/// A mistake in a script, with its place and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// What kind of mistake.
    pub code: ErrorCode,
    /// What is wrong; lowercase, without a full stop.
    pub message: String,
    /// What to do about it, where we know.
    pub hint: Option<String>,
    /// Where in the file.
    pub position: Option<Position>,
}

impl SqlError {
    /// An error without a place; [`at`](SqlError::at) adds one.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, position: None }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// Adds a suggestion.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One line: message, then the hint. Place, source line and caret are printed by [`Position::render`].
impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}
