//! What scripts may reach: the environment, places of files.

use std::fmt;
use std::sync::Arc;

/// Answers whether a name (of an environment variable) or a place (a URL or path as written) may be read.
#[derive(Clone)]
pub struct Permission(Rule);

#[derive(Clone)]
enum Rule {
    All,
    None,
    When(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Permission {
    /// Permits what the function answers true for.
    pub fn when(rule: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Rule::When(Arc::new(rule)))
    }

    /// Whether `what` is permitted.
    pub fn permits(&self, what: &str) -> bool {
        match &self.0 {
            Rule::All => true,
            Rule::None => false,
            Rule::When(rule) => rule(what),
        }
    }
}

/// `true` permits everything, `false` nothing.
impl From<bool> for Permission {
    fn from(all: bool) -> Self {
        Self(if all { Rule::All } else { Rule::None })
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Rule::All => "all",
            Rule::None => "none",
            Rule::When(_) => "by rule",
        })
    }
}
