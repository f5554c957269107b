//! `${name}` in a job, and what else of dollar signs there is.
//!
//! A job's texts become SQL, in which `${name}` is a parameter as it was in the job. Anything else that the script's lexical rules would take
//! for one is written so that it stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Result, SynclineError, codes};

/// Which names are variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Variables {
    /// DataWorks's rule: `${name}` is a parameter, `$name` is text.
    #[default]
    Braces,
    /// DataX's rule: `$name` and `${name}` of the names that are defined are parameters, those of others stay as they are.
    Defined(BTreeSet<String>),
}

impl Variables {
    /// A text of a job as it is written into a script, outside quotes or between any.
    ///
    /// # Errors
    /// A dollar sign before a variable, which no script can hold.
    pub(crate) fn in_script(&self, text: &str) -> Result<String> {
        let mut written = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            written.push_str(&rest[..at]);
            rest = &rest[at..];
            let length = match self.variable(rest) {
                Some((length, name)) => {
                    if written.ends_with('$') {
                        let message =
                            format!("a dollar sign before the variable ${{{name}}} cannot be written in a script");
                        return Err(SynclineError::new(codes::JOB, message)
                            .hint("give the variable a value that begins with the dollar sign"));
                    }
                    written.push_str("${");
                    written.push_str(name);
                    written.push('}');
                    length
                }
                None if rest.starts_with("${") || rest.starts_with("$<") => {
                    written.push('$');
                    written.push_str(&rest[..2]);
                    2
                }
                None => {
                    written.push('$');
                    1
                }
            };
            rest = &rest[length..];
        }
        written.push_str(rest);
        Ok(written)
    }

    /// Whether there is a variable in a text.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        text.match_indices('$').any(|(at, _)| self.variable(&text[at..]).is_some())
    }

    /// The text with the values of its variables; None if one has no value.
    pub(crate) fn put(&self, text: &str, values: &BTreeMap<String, String>) -> Option<String> {
        let (mut known, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(at) = rest.find('$') {
            known.push_str(&rest[..at]);
            rest = &rest[at..];
            let (length, value) = match self.variable(rest) {
                Some((length, name)) => (length, values.get(name)?.as_str()),
                None => (1, "$"),
            };
            known.push_str(value);
            rest = &rest[length..];
        }
        known.push_str(rest);
        Some(known)
    }

    /// The variable that a text begins with: how long it is, and its name.
    fn variable<'t>(&self, text: &'t str) -> Option<(usize, &'t str)> {
        let braced = text.strip_prefix("${").and_then(|rest| Some((rest.find('}')? + 3, &rest[..rest.find('}')?])));
        match self {
            Self::Braces => braced,
            Self::Defined(names) => {
                let is_defined = |(_, name): &(usize, &str)| names.contains(*name);
                braced.filter(is_defined).or_else(|| {
                    let rest = text.strip_prefix('$')?;
                    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                    Some((1 + end, &rest[..end])).filter(is_defined)
                })
            }
        }
    }
}

/// `${name}` and nothing else: a value that whoever runs the script gives.
pub(crate) fn is_variable(text: &str) -> bool {
    let name = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && !name.contains(['{', '}', '$']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_variable_stays_as_it_is() {
        let write = |text: &str| Variables::Braces.in_script(text).unwrap();
        assert_eq!(write("p${var}_$1 $name $[x] $$"), "p${var}_$1 $name $[x] $$");
        assert_eq!(write("a ${open and $<name>"), "a $${open and $$<name>");
        assert_eq!(write("^a$"), "^a$");
        assert!(Variables::Braces.in_script("$${var}").is_err());
    }

    #[test]
    fn with_the_rule_of_datax_defined_names_need_no_braces_and_others_stay() {
        let variables = Variables::Defined(["day".to_owned(), "t".to_owned()].into());
        assert_eq!(
            variables.in_script("$day ${day} $days ${other} t_$t").unwrap(),
            "${day} ${day} $days $${other} t_${t}"
        );
    }
}
