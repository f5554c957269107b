//! Dates, times of day and what becomes of dates that do not exist.

use crate::error::{ConnectorError, Result};

/// What becomes of a date that no calendar has, such as `0000-00-00` or `2024-00-10` (Connector/J's `zeroDateTimeBehavior`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZeroDates {
    /// An error in a query, a reject in a write.
    #[default]
    Reject,
    /// NULL.
    Null,
    /// The nearest date there is: a zero year is 1, a zero month or day is 1.
    Round,
}

impl ZeroDates {
    /// Reads the option's value, in the spellings of Connector/J 5 and 8.
    ///
    /// # Errors
    /// [`ErrorCode::Option`](crate::error::ErrorCode::Option) for any other text.
    pub fn parse(option: &str, value: &str) -> Result<Self> {
        match value.to_ascii_lowercase().replace('_', "").as_str() {
            "exception" => Ok(Self::Reject),
            "converttonull" => Ok(Self::Null),
            "round" => Ok(Self::Round),
            _ => Err(ConnectorError::option(format!("option \"{option}\" must be exception, convertToNull or round"))),
        }
    }
}
