//! Catalogs by name: their definitions, and the connections that are made of them when first needed.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use syncline_connectors::catalog::CatalogConfig;
use syncline_connectors::options::nearest;
use syncline_connectors::{Catalog, CatalogKind, ConnectorError, Options, registry};

use crate::error::{Result, SynclineError};
use crate::reference::{OptionValue, Resolver};

/// Where a definition came from: decides what its references may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `syncline.toml`, in this folder.
    Config { base: Option<PathBuf> },
    /// `EngineBuilder::catalog`.
    Builder,
    /// A statement of a script in this folder.
    Script { folder: Option<PathBuf> },
}

/// A catalog as it was defined; references are not resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CatalogDefinition {
    pub(crate) name: String,
    pub(crate) kind: CatalogKind,
    pub(crate) comment: Option<String>,
    /// Without `type` and `comment`.
    pub(crate) options: Vec<(String, OptionValue)>,
    pub(crate) origin: Origin,
}

impl CatalogDefinition {
    /// Takes `type` and `comment` out of the options. The error says what is wrong without naming the catalog.
    pub(crate) fn new(
        name: &str,
        mut options: Vec<(String, OptionValue)>,
        origin: Origin,
    ) -> Result<Self, ConnectorError> {
        check_name(name)?;
        let mut take = |wanted: &str| {
            let at = options.iter().position(|(key, _)| key.eq_ignore_ascii_case(wanted))?;
            Some(options.remove(at).1)
        };
        let comment = match take("comment") {
            Some(OptionValue::Text(text)) => Some(text.expose().to_owned()),
            Some(_) => return Err(ConnectorError::option("\"comment\" cannot be a reference")),
            None => None,
        };
        let kind = match take("type") {
            Some(OptionValue::Text(text)) => registry::kind(text.expose())?,
            Some(_) => return Err(ConnectorError::option("\"type\" cannot be a reference")),
            None => {
                let known: Vec<_> = registry::KINDS.iter().map(|kind| kind.name()).collect();
                return Err(ConnectorError::option(format!(
                    "option \"type\" is missing; known types: {}",
                    known.join(", ")
                )));
            }
        };
        Ok(Self { name: name.to_owned(), kind, comment, options, origin })
    }

    /// The statement that makes it; secrets are references or `***`.
    pub(crate) fn show_create(&self) -> String {
        let mut lines = vec![format!("  \"type\" = \"{}\"", self.kind.name())];
        for (name, value) in &self.options {
            let shown = match value {
                OptionValue::Text(text) if name.eq_ignore_ascii_case("url") => without_password(text.expose()),
                value => value.shown(is_secret(name)),
            };
            lines.push(format!("  \"{}\" = \"{}\"", escape(name), escape(&shown)));
        }
        let comment = self.comment.as_ref().map_or(String::new(), |text| format!("COMMENT \"{}\"\n", escape(text)));
        format!("CREATE EXTERNAL CATALOG `{}`\n{comment}PROPERTIES (\n{}\n)", self.name, lines.join(",\n"))
    }

    fn resolve(&self, resolver: &Resolver<'_>) -> Result<Options> {
        let mut options = Options::new();
        for (name, value) in &self.options {
            let whose = format!("catalog {}, option \"{name}\"", self.name);
            options.set(name, resolver.resolve(value, &whose)?.expose());
        }
        Ok(options)
    }
}

/// A defined catalog and, once it was needed, what was made of it.
#[derive(Debug)]
pub(crate) struct CatalogHandle {
    pub(crate) definition: CatalogDefinition,
    opened: Mutex<Option<Arc<dyn Catalog>>>,
}

impl CatalogHandle {
    pub(crate) fn new(definition: CatalogDefinition) -> Arc<Self> {
        Arc::new(Self { definition, opened: Mutex::new(None) })
    }

    /// The catalog; the first call resolves references and parses options. No network I/O.
    pub(crate) fn open(&self, resolver: &Resolver<'_>, timezone: &Timezone) -> Result<Arc<dyn Catalog>> {
        let mut opened = self.opened.lock();
        if let Some(catalog) = &*opened {
            return Ok(Arc::clone(catalog));
        }
        let config = CatalogConfig {
            name: self.definition.name.clone(),
            options: self.definition.resolve(resolver)?,
            timezone: timezone.name.clone(),
            timezone_is_forced: timezone.forced,
        };
        let catalog = registry::open(self.definition.kind, config).map_err(|error| self.named(error))?;
        *opened = Some(Arc::clone(&catalog));
        Ok(catalog)
    }

    /// Puts the catalog's name in front of an error that does not have it.
    fn named(&self, error: ConnectorError) -> SynclineError {
        let name = &self.definition.name;
        if error.message().contains(name.as_str()) {
            return error.into();
        }
        ConnectorError::new(error.code(), format!("catalog {name}: {}", error.message())).into()
    }
}

/// A zone and whether it was given on the command line and so beats the catalogs' own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timezone {
    pub(crate) name: String,
    pub(crate) forced: bool,
}

/// A set of catalogs; names compare exactly, else without case if only one matches.
#[derive(Debug, Clone, Default)]
pub(crate) struct CatalogMap {
    catalogs: Vec<Arc<CatalogHandle>>,
}

impl CatalogMap {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<CatalogHandle>> {
        let exact = self.catalogs.iter().find(|handle| handle.definition.name == name);
        exact.or_else(|| {
            let lower = name.to_lowercase();
            let mut found = self.catalogs.iter().filter(|handle| handle.definition.name.to_lowercase() == lower);
            found.next().filter(|_| found.next().is_none())
        })
    }

    pub(crate) fn insert(&mut self, handle: Arc<CatalogHandle>) {
        self.remove(&handle.definition.name);
        self.catalogs.push(handle);
    }

    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.catalogs.len();
        self.catalogs.retain(|handle| handle.definition.name != name);
        self.catalogs.len() < before
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<CatalogHandle>> {
        self.catalogs.iter()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.catalogs.iter().map(|handle| handle.definition.name.clone()).collect()
    }

    /// The error for a name that no catalog has.
    pub(crate) fn unknown(&self, name: &str) -> SynclineError {
        let names = self.names();
        let error = SynclineError::new("E1006", format!("there is no catalog \"{name}\""));
        match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None if names.is_empty() => {
                error.hint("define one with CREATE EXTERNAL CATALOG or [catalogs.NAME] in syncline.toml")
            }
            None => error.hint(format!("known catalogs: {}", names.join(", "))),
        }
    }
}

/// Letters of any script, digits, `_` and `-`; `syncline` is the place of external tables.
pub(crate) fn check_name(name: &str) -> Result<(), ConnectorError> {
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
        return Err(ConnectorError::option(format!(
            "\"{}\" is no catalog name; letters, digits, _ and - make one",
            name.escape_debug()
        )));
    }
    if name.eq_ignore_ascii_case("syncline") {
        return Err(ConnectorError::option("the catalog name \"syncline\" is taken by external tables"));
    }
    Ok(())
}

/// Whether the value of a parameter must not be shown: by the parameter's name, or because the value is an address with a login in it.
pub(crate) fn is_secret_value(name: &str, value: &str) -> bool {
    !value.is_empty() && (is_secret(name) || without_password(value) != value)
}

/// Whether a literal value of this option must not be shown or stored.
pub(crate) fn is_secret(option: &str) -> bool {
    let option = option.to_ascii_lowercase();
    [
        "password",
        "passwd",
        "pwd",
        "secret",
        "token",
        "access_key",
        "accesskey",
        "access.key",
        "authorization",
        "cookie",
        "credential",
        "api_key",
        "api-key",
        "api.key",
        "apikey",
        "signature",
    ]
    .iter()
    .any(|word| option.contains(word))
        // a word of its own: not that of `design` or `signal`
        || option.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "sig")
        || option.starts_with("header.")
        || option.strip_prefix("http.header.").is_some_and(|header| !matches!(header, "accept" | "content-type"))
}

/// Whether a LOCATION holds no secret, and so may be kept in the state store.
pub(crate) fn is_storable(location: &str) -> bool {
    without_password(location) == location
}

/// A URL or LOCATION without what may be a secret in it: of a database's URL the password and the secret options, of any other URL the
/// whole login and every value of its query, because a signature can bear any name. A path of this machine and a key of a bucket stay as they
/// are: `?` is a wildcard there.
pub(crate) fn without_password(url: &str) -> String {
    let scheme = url.split_once(":/").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_database = match scheme.as_deref() {
        None | Some("file") => return url.to_owned(),
        Some(scheme) if scheme.contains('/') => return url.to_owned(),
        Some("oss" | "s3" | "s3a" | "s3n") => return without_login(url),
        Some(scheme) => scheme == "mysql" || scheme == "jdbc:mysql",
    };
    // a fragment is never sent, and may hold what the query holds
    let url = if is_database { url } else { url.split_once('#').map_or(url, |(sent, _)| sent) };
    let (head, query) = url.split_once('?').map_or((url, None), |(head, query)| (head, Some(query)));
    let mut shown = match head.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let authority = match authority.rsplit_once('@') {
                Some((login, host)) => match login.split_once(':') {
                    Some((user, _)) if is_database => format!("{user}:***@{host}"),
                    None if is_database => authority.to_owned(),
                    _ => format!("***@{host}"),
                },
                None => authority.to_owned(),
            };
            format!("{scheme}://{authority}{path}")
        }
        None => head.to_owned(),
    };
    if let Some(query) = query {
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, _)) if !is_database || is_secret(name) => format!("{name}=***"),
                None if !is_database && !pair.is_empty() => "***".to_owned(),
                _ => pair.to_owned(),
            })
            .collect();
        shown.push('?');
        shown.push_str(&pairs.join("&"));
    }
    shown
}

/// A location in a bucket without a key in front of the bucket's name, which Hadoop once took.
fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((_, bucket)) => format!("{scheme}://***@{bucket}{path}"),
        // a secret with a slash in it
        None if authority.contains(':') && path.contains('@') => format!("{scheme}://***"),
        None => url.to_owned(),
    }
}

/// For a text in double quotes that MySQL's rules read back.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_a_secret_in_it() {
        for (url, shown) in [
            ("https://h/x?sig=S3CRET&sv=2024", "https://h/x?sig=***&sv=***"),
            ("https://h/x?S3CRET", "https://h/x?***"),
            ("https://h/x?X-Amz-Signature=S3CRET#part", "https://h/x?X-Amz-Signature=***"),
            ("https://S3CRET@h/x", "https://***@h/x"),
            ("https://user:S3CRET@h/x", "https://***@h/x"),
            ("https://h/x", "https://h/x"),
            (
                "jdbc:mysql://u:S3CRET@h:9030/d?useSSL=true&pwd=S3CRET",
                "jdbc:mysql://u:***@h:9030/d?useSSL=true&pwd=***",
            ),
            ("mysql://u@h/d", "mysql://u@h/d"),
            ("web:/log.txt?sig=S3CRET", "web:/log.txt?sig=***"),
            ("data/part-?.txt", "data/part-?.txt"),
            ("oss://bucket/part-?.txt#1", "oss://bucket/part-?.txt#1"),
            ("oss://id:S3CRET@bucket/x", "oss://***@bucket/x"),
            ("s3a://id:S3/CRET@bucket/x", "s3a://***"),
            ("file:///data/part-?.txt", "file:///data/part-?.txt"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn a_name_tells_a_secret() {
        for name in [
            "sr_password",
            "pwd",
            "access_key_secret",
            "accessKeyId",
            "access_token",
            "api_key",
            "X-Api-Key",
            "apikey",
            "sig",
            "x-sig",
            "X-Amz-Signature",
            "Signature",
            "aws.credential",
            "http.header.X-Sig",
            "http.header.Authorization",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "user",
            "url",
            "load_url",
            "region",
            "endpoint",
            "bucket",
            "design",
            "signal",
            "assigned_to",
            "signed",
            "key",
            "keys",
            "primary_key",
            "split_column",
            "column_separator",
            "row_delimiter",
            "partial_update",
            "merge_condition",
            "batch_size",
            "http.method",
            "http.read_timeout",
            "http.header.Accept",
            "nullFormat",
            "bizdate",
            "dt",
        ] {
            assert!(!is_secret(&name.to_ascii_lowercase()), "{name}");
        }
        assert!(is_secret_value("url", "jdbc:mysql://u:p@h/d") && !is_secret_value("url", "jdbc:mysql://u@h/d"));
        assert!(!is_secret_value("password", "") && !is_secret_value("day", "$[yyyymmdd-1]"));
    }

    #[test]
    fn a_definition_is_shown_without_secrets() {
        let text = |text: &str| OptionValue::parse(text).unwrap();
        let options = vec![
            ("type".to_owned(), text("starrocks")),
            ("url".to_owned(), text("jdbc:mysql://u:hunter2@h:9030/d?user=a&password=hunter2")),
            ("password".to_owned(), text("hunter2")),
            ("header.authorization".to_owned(), text("Bearer hunter2")),
            ("access_key_id".to_owned(), text("${env:ID}")),
            ("comment".to_owned(), text("a \"b\"")),
        ];
        let definition = CatalogDefinition::new("c", options, Origin::Builder).unwrap();
        let shown = definition.show_create();
        assert!(!shown.contains("hunter2") && !format!("{definition:?}").contains("hunter2"), "{shown}");
        assert_eq!(
            shown,
            "CREATE EXTERNAL CATALOG `c`\nCOMMENT \"a \\\"b\\\"\"\nPROPERTIES (\n  \"type\" = \"starrocks\",\n  \"url\" = \
             \"jdbc:mysql://u:***@h:9030/d?user=a&password=***\",\n  \"password\" = \"***\",\n  \"header.authorization\" = \"***\",\n  \
             \"access_key_id\" = \"${env:ID}\"\n)"
        );
    }

    #[test]
    fn names_match_exactly_else_without_case() {
        let mut map = CatalogMap::default();
        for name in ["Prod", "a", "A"] {
            let options = vec![("type".to_owned(), OptionValue::parse("http").unwrap())];
            map.insert(CatalogHandle::new(CatalogDefinition::new(name, options, Origin::Builder).unwrap()));
        }
        assert_eq!(map.get("prod").unwrap().definition.name, "Prod");
        assert_eq!(map.get("A").unwrap().definition.name, "A");
        assert!(map.get("nothing").is_none());
        assert_eq!(map.unknown("prd").to_string(), "there is no catalog \"prd\"; did you mean \"Prod\"?");
    }
}
