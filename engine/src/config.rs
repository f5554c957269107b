//! `syncline.toml`: catalogs, parameters, the zone, and profiles that replace entries of them.

use std::path::{Path, PathBuf};

use syncline_connectors::options::nearest;
use toml::{Table, Value};

use crate::catalogs::{CatalogDefinition, Origin};
use crate::error::{Result, SynclineError, codes};
use crate::reference::OptionValue;

/// What a config file holds. References are kept as references until a catalog is opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) catalogs: Vec<CatalogDefinition>,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) timezone: Option<String>,
    /// Where temporary files go.
    pub(crate) spill_dir: Option<PathBuf>,
    profiles: Vec<Profile>,
    /// The file's name for messages.
    file: String,
}

#[derive(Debug, Clone)]
struct Profile {
    name: String,
    catalogs: Vec<CatalogDefinition>,
    params: Vec<(String, String)>,
}

impl Config {
    /// Reads a config's text. `base` is the folder that `${file:…}` starts from; `file` names it in messages.
    pub(crate) fn parse(text: &str, file: &str, base: Option<&Path>) -> Result<Self> {
        // the error's Display shows the source line, which may hold a secret: only message and place are taken from it
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let place = error.span().map_or(String::new(), |span| {
                let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
                format!(" line {line}")
            });
            config_error(file, &format!("{place}: {}", error.message()))
        })?;
        let mut config = Self { file: file.to_owned(), ..Self::default() };
        let reader = Reader { file, base };
        for (key, value) in &table {
            match key.as_str() {
                "catalogs" => config.catalogs = reader.catalogs("catalogs", value)?,
                "params" => config.params = reader.params("params", value)?,
                "timezone" => config.timezone = Some(reader.text("timezone", value)?),
                "spill_dir" => {
                    let folder = PathBuf::from(reader.text("spill_dir", value)?);
                    config.spill_dir = Some(base.map_or_else(|| folder.clone(), |base| base.join(&folder)));
                }
                "profiles" => {
                    for (name, value) in reader.table("profiles", value)? {
                        config.profiles.push(reader.profile(name, value)?);
                    }
                }
                _ => return Err(reader.unknown("", key, &["catalogs", "params", "timezone", "spill_dir", "profiles"])),
            }
        }
        Ok(config)
    }

    /// Lets the entries of a profile replace those of the same name.
    pub(crate) fn apply_profile(&mut self, name: &str) -> Result<()> {
        let Some(profile) = self.profiles.iter().find(|profile| profile.name == name).cloned() else {
            let known: Vec<&str> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
            let error = SynclineError::new(codes::CONFIG, format!("there is no profile \"{name}\" in {}", self.file()));
            return Err(match nearest(name, known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                None if known.is_empty() => error.hint("add a section [profiles.NAME.catalogs.CATALOG] to it"),
                None => error.hint(format!("known profiles: {}", known.join(", "))),
            });
        };
        for catalog in profile.catalogs {
            self.catalogs.retain(|known| known.name != catalog.name);
            self.catalogs.push(catalog);
        }
        for (name, value) in profile.params {
            self.params.retain(|(known, _)| *known != name);
            self.params.push((name, value));
        }
        Ok(())
    }

    fn file(&self) -> &str {
        if self.file.is_empty() { "the config (no syncline.toml was read)" } else { &self.file }
    }
}

struct Reader<'a> {
    file: &'a str,
    base: Option<&'a Path>,
}

impl Reader<'_> {
    fn profile(&self, name: &str, value: &Value) -> Result<Profile> {
        let path = format!("profiles.{name}");
        let mut profile = Profile { name: name.to_owned(), catalogs: Vec::new(), params: Vec::new() };
        for (key, value) in self.table(&path, value)? {
            match key.as_str() {
                "catalogs" => profile.catalogs = self.catalogs(&format!("{path}.catalogs"), value)?,
                "params" => profile.params = self.params(&format!("{path}.params"), value)?,
                _ => return Err(self.unknown(&format!("{path}."), key, &["catalogs", "params"])),
            }
        }
        Ok(profile)
    }

    fn catalogs(&self, path: &str, value: &Value) -> Result<Vec<CatalogDefinition>> {
        let mut catalogs = Vec::new();
        for (name, value) in self.table(path, value)? {
            let path = format!("{path}.{name}");
            let mut options = Vec::new();
            for (key, value) in self.table(&path, value)? {
                let text = self.text(&format!("{path}.{key}"), value)?;
                let value = OptionValue::parse(&text)
                    .map_err(|error| config_error(self.file, &format!(" {path}.{key}: {error}")))?;
                options.push((key.clone(), value));
            }
            let origin = Origin::Config { base: self.base.map(PathBuf::from) };
            catalogs.push(
                CatalogDefinition::new(name, options, origin)
                    .map_err(|error| config_error(self.file, &format!(" [{path}]: {}", error.message())))?,
            );
        }
        Ok(catalogs)
    }

    fn params(&self, path: &str, value: &Value) -> Result<Vec<(String, String)>> {
        self.table(path, value)?
            .iter()
            .map(|(name, value)| Ok((name.clone(), self.text(&format!("{path}.{name}"), value)?)))
            .collect()
    }

    fn table<'v>(&self, path: &str, value: &'v Value) -> Result<&'v Table> {
        value.as_table().ok_or_else(|| config_error(self.file, &format!(" {path}: a section is expected here")))
    }

    fn text(&self, path: &str, value: &Value) -> Result<String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(number) => Ok(number.to_string()),
            Value::Float(number) => Ok(number.to_string()),
            Value::Boolean(flag) => Ok(flag.to_string()),
            _ => Err(config_error(self.file, &format!(" {path}: a text is expected here"))),
        }
    }

    fn unknown(&self, path: &str, key: &str, known: &[&str]) -> SynclineError {
        let error = config_error(self.file, &format!(": unknown key \"{path}{key}\""));
        match nearest(key, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error.hint(format!("known keys: {}", known.join(", "))),
        }
    }
}

fn config_error(file: &str, what: &str) -> SynclineError {
    SynclineError::new(codes::CONFIG, format!("{file}{what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
timezone = "Asia/Shanghai"
[params]
region = "eu"
days = 7
[catalogs.mysql]
type = "mysql"
url = "mysql://h/d"
password = "${env:PW}"
[catalogs."生产-1"]
type = "http"
url = "https://h"
comment = "files"
[profiles.prod.catalogs.mysql]
type = "mysql"
url = "mysql://prod/d"
[profiles.prod.params]
region = "us"
"#;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, "syncline.toml", None)
    }

    #[test]
    fn catalogs_parameters_and_the_zone_are_read() {
        let config = parse(TEXT).unwrap();
        let names: Vec<&str> = config.catalogs.iter().map(|catalog| catalog.name.as_str()).collect();
        assert_eq!(names, ["mysql", "生产-1"]);
        assert!(config.catalogs[0].options.contains(&("password".to_owned(), OptionValue::Env("PW".to_owned()))));
        assert_eq!(config.catalogs[1].comment.as_deref(), Some("files"));
        assert!(
            config.params.contains(&("region".into(), "eu".into()))
                && config.params.contains(&("days".into(), "7".into()))
        );
        assert_eq!(config.timezone.as_deref(), Some("Asia/Shanghai"));
    }

    #[test]
    fn the_folder_of_temporary_files_is_relative_to_the_config() {
        let of = |text: &str, base: Option<&str>| {
            Config::parse(text, "syncline.toml", base.map(Path::new)).unwrap().spill_dir
        };
        assert_eq!(of("spill_dir = 'tmp'", Some("/jobs")), Some(PathBuf::from("/jobs/tmp")));
        assert_eq!(of("spill_dir = '/data/tmp'", Some("/jobs")), Some(PathBuf::from("/data/tmp")));
        assert_eq!(of("spill_dir = 'tmp'", None), Some(PathBuf::from("tmp")));
        assert_eq!(of("", Some("/jobs")), None);
    }

    #[test]
    fn a_profile_replaces_the_entries_of_its_names() {
        let mut config = parse(TEXT).unwrap();
        config.apply_profile("prod").unwrap();
        let mysql = config.catalogs.iter().find(|catalog| catalog.name == "mysql").unwrap();
        assert_eq!(mysql.options, [("url".to_owned(), OptionValue::parse("mysql://prod/d").unwrap())]);
        assert_eq!(config.catalogs.len(), 2);
        assert!(config.params.contains(&("region".into(), "us".into())));
        let error = config.apply_profile("prd").unwrap_err();
        assert_eq!(error.to_string(), "there is no profile \"prd\" in syncline.toml; did you mean \"prod\"?");
    }

    #[test]
    fn a_mistake_names_the_key_and_shows_no_value() {
        for (text, message) in [
            ("catalog.a.type = 'mysql'", "syncline.toml: unknown key \"catalog\"; did you mean \"catalogs\"?"),
            (
                "[profiles.p.parms]\na = 'b'",
                "syncline.toml: unknown key \"profiles.p.parms\"; did you mean \"params\"?",
            ),
            (
                "catalogs.a.url = 'x'",
                "syncline.toml [catalogs.a]: option \"type\" is missing; known types: mysql, starrocks, http, oss, s3",
            ),
            (
                "[catalogs.\"a b\"]\ntype = 'mysql'",
                "syncline.toml [catalogs.a b]: \"a b\" is no catalog name; letters, digits, _ and - make one",
            ),
            (
                "[catalogs.a]\ntype = 'mysql'\npassword = 'x${env:PW}'",
                "syncline.toml catalogs.a.password: a reference must be the whole value, such as \"${env:NAME}\"",
            ),
            ("catalogs = 'hunter2'", "syncline.toml catalogs: a section is expected here"),
            ("timezone = [1]", "syncline.toml timezone: a text is expected here"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
        let error = parse("[catalogs.a]\npassword = \"hunter2\nurl = 1").unwrap_err().to_string();
        assert!(error.starts_with("syncline.toml line 2") && !error.contains("hunter2"), "{error}");
    }
}
