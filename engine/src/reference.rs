//! References: `${env:NAME}` and `${file:PATH}` as whole option values, kept as such until a catalog is opened.

use std::path::Path;

use syncline_connectors::Secret;
use syncline_sql::statement::{Property, PropertyValue};

use crate::error::{Result, SynclineError, codes};
use crate::permission::Permission;

/// The value of an option: a text, or a reference to one. Debug never shows a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OptionValue {
    Text(Secret),
    Env(String),
    File(String),
}

impl OptionValue {
    /// Reads a value of a config file. A reference mixed with other text is an error.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        if let Some(inner) = inner.filter(|inner| !inner.contains(['{', '}'])) {
            if let Some(name) = inner.strip_prefix("env:") {
                return Ok(Self::Env(name.trim().to_owned()));
            }
            if let Some(path) = inner.strip_prefix("file:") {
                return Ok(Self::File(path.trim().to_owned()));
            }
        }
        if text.contains("${env:") || text.contains("${file:") {
            return Err("a reference must be the whole value, such as \"${env:NAME}\"".to_owned());
        }
        Ok(Self::Text(Secret::new(text)))
    }

    /// How it is shown by SHOW CREATE CATALOG: references as they are, texts of secret options as `***`.
    pub(crate) fn shown(&self, secret: bool) -> String {
        match self {
            Self::Text(_) if secret => "***".to_owned(),
            Self::Text(text) => text.expose().to_owned(),
            Self::Env(name) => format!("${{env:{name}}}"),
            Self::File(path) => format!("${{file:{path}}}"),
        }
    }
}

impl From<&Property> for OptionValue {
    fn from(property: &Property) -> Self {
        match &property.value {
            PropertyValue::Text { value, .. } => Self::Text(Secret::new(value)),
            PropertyValue::Env(name) => Self::Env(name.clone()),
            PropertyValue::File(path) => Self::File(path.clone()),
        }
    }
}

/// Reads references, as far as the embedding program permits.
pub(crate) struct Resolver<'a> {
    /// Which environment variables may be read.
    pub(crate) allow_env: &'a Permission,
    /// Which files may be read; None permits all (a config file's own references).
    pub(crate) allow_files: Option<&'a Permission>,
    /// Where relative paths start.
    pub(crate) base: Option<&'a Path>,
    /// How a variable is read.
    pub(crate) environment: &'a (dyn Fn(&str) -> Option<String> + Send + Sync),
}

impl Resolver<'_> {
    /// The text that a value stands for. `whose` names catalog and option in errors.
    pub(crate) fn resolve(&self, value: &OptionValue, whose: &str) -> Result<Secret> {
        match value {
            OptionValue::Text(text) => Ok(text.clone()),
            OptionValue::Env(name) if !self.allow_env.permits(name) => Err(SynclineError::new(
                codes::NOT_PERMITTED,
                format!("{whose} refers to the environment variable {name}, which this program does not let it read"),
            )
            .hint("permit it with EngineBuilder::allow_env")),
            OptionValue::Env(name) => (self.environment)(name).map(Secret::new).ok_or_else(|| {
                SynclineError::new(codes::REFERENCE, format!("{whose}: the environment variable {name} is not set"))
                    .hint(format!("set it before the run: export {name}=…"))
            }),
            OptionValue::File(path) => self.read_file(path, whose),
        }
    }

    fn read_file(&self, path: &str, whose: &str) -> Result<Secret> {
        if self.allow_files.is_some_and(|permission| !permission.permits(path)) {
            return Err(SynclineError::new(
                codes::NOT_PERMITTED,
                format!("{whose} refers to the file {path}, which this program does not let it read"),
            )
            .hint("permit it with EngineBuilder::allow_locations"));
        }
        let wrong =
            |why: &str| SynclineError::new(codes::REFERENCE, format!("{whose}: cannot read the file {path}: {why}"));
        let full = match self.base {
            Some(base) => base.join(path),
            None if Path::new(path).is_absolute() => path.into(),
            None => return Err(wrong("a relative path needs a folder to start from")),
        };
        let text = std::fs::read_to_string(full).map_err(|error| wrong(&error.to_string()))?;
        let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        Ok(Secret::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(value: &str, allow: bool, base: Option<&Path>) -> Result<String> {
        let permission = Permission::from(allow);
        let resolver = Resolver {
            allow_env: &permission,
            allow_files: Some(&permission),
            base,
            environment: &|name| (name == "SET").then(|| "value".to_owned()),
        };
        Ok(resolver.resolve(&OptionValue::parse(value).unwrap(), "catalog c, option \"password\"")?.expose().to_owned())
    }

    #[test]
    fn a_reference_is_read_when_it_is_permitted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), "secret\n\n").unwrap();
        let base = Some(folder.path());
        assert_eq!(resolve("${env:SET}", true, base).unwrap(), "value");
        assert_eq!(resolve("${file:pw}", true, base).unwrap(), "secret\n", "one final newline goes");
        assert_eq!(resolve("plain", false, base).unwrap(), "plain");
        for (value, allow, base, code, word) in [
            ("${env:UNSET}", true, base, codes::REFERENCE, "UNSET is not set"),
            ("${env:SET}", false, base, codes::NOT_PERMITTED, "SET"),
            ("${file:pw}", false, base, codes::NOT_PERMITTED, "pw"),
            ("${file:none}", true, base, codes::REFERENCE, "none"),
            ("${file:pw}", true, None, codes::REFERENCE, "folder"),
        ] {
            let error = resolve(value, allow, base).unwrap_err();
            assert_eq!(error.code(), code, "{value}");
            assert!(error.message().contains(word) && error.message().contains("catalog c"), "{error}");
        }
    }

    #[test]
    fn a_reference_beside_other_text_is_refused() {
        assert!(OptionValue::parse("a${env:X}").is_err());
        assert!(OptionValue::parse("${env:X}${env:Y}").is_err());
        assert_eq!(OptionValue::parse("${env:X}").unwrap(), OptionValue::Env("X".to_owned()));
        assert_eq!(format!("{:?}", OptionValue::parse("hunter2").unwrap()), "Text(***)");
    }
}
