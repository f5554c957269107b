//! Connections that are written into a job (DataX): a JDBC URL, a user, a password; as a catalog.

use syncline_connectors::CatalogKind;

use super::catalogs::CatalogValue;
use super::context::Context;
use super::notes::Notes;
use super::parameters::{Parameters, wrong};
use crate::catalogs::is_secret;
use crate::error::Result;

/// Which side of the job a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Target,
}

impl Side {
    /// The name of the catalog of a connection that has none: `mysql_source`.
    pub(super) fn catalog(self, kind: CatalogKind) -> String {
        match self {
            Self::Source => format!("{}_source", kind.name()),
            Self::Target => format!("{}_target", kind.name()),
        }
    }
}

/// Login and session variables, which stand beside `connection` and hold for all of its entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Login {
    user: Option<String>,
    password: Option<String>,
    /// `session.NAME` properties.
    session: Vec<(String, String)>,
}

impl Login {
    /// Reads `username`, `password` and `session`.
    pub(crate) fn read(parameters: &Parameters<'_>) -> Result<Self> {
        Ok(Self {
            user: parameters.text_if_any("username")?,
            password: parameters.text("password")?,
            session: session_variables(parameters)?,
        })
    }

    /// The variables of `session`, as `session.NAME` properties.
    pub(crate) fn session(&self) -> &[(String, String)] {
        &self.session
    }

    /// The login alone, where the variables are set otherwise.
    pub(crate) fn without_session(&self) -> Self {
        Self { session: Vec::new(), ..self.clone() }
    }

    /// A login beside a data source has no effect: the catalog has its own.
    pub(crate) fn ignore(&self, parameters: &Parameters<'_>, notes: &mut Notes) {
        for key in ["username", "password"] {
            parameters.ignore(key, "the data source's catalog has its own login", notes);
        }
    }

    /// The variables of `session` cannot be set on a data source that the config defines.
    pub(crate) fn refuse_session(&self, parameters: &Parameters<'_>) -> Result<()> {
        match self.session.first() {
            Some((name, value)) => Err(parameters
                .wrong("session", "sets variables of connections, which belong to the data source's catalog")
                .hint(format!("add to the catalog in syncline.toml: \"{name}\" = \"{value}\""))),
            None => Ok(()),
        }
    }
}

/// Defines a catalog of a JDBC URL and a login. `more` are further properties.
///
/// # Errors
/// A URL with a login in it that cannot be told apart.
pub(crate) fn define(
    context: &mut Context,
    side: Side,
    kind: CatalogKind,
    (url, path): (&str, &str),
    login: &Login,
    more: Vec<(String, CatalogValue)>,
) -> Result<String> {
    let url = split_url(url);
    // such as jdbc:mysql://address=(host=h)(password=p)/
    let lower = url.url.to_ascii_lowercase();
    if lower.contains("password") || lower.contains('@') {
        let what = "holds a login in a form that is not read";
        return Err(
            wrong(path, what).hint("write jdbc:mysql://host:port/database, and username and password beside it")
        );
    }
    for name in &url.dropped {
        context
            .notes
            .ignored(&format!("{path} option {name}"), "it may hold a secret, which does not stand in a script");
    }
    let mut properties = vec![("url".to_owned(), CatalogValue::Text(url.url))];
    if let Some(user) = login.user.clone().or(url.user) {
        properties.push(("user".to_owned(), CatalogValue::Text(user)));
    }
    if let Some(password) = login.password.clone().or(url.password) {
        properties.push(("password".to_owned(), CatalogValue::secret(password)));
    }
    properties.extend(login.session.iter().map(|(name, value)| (name.clone(), CatalogValue::Text(value.clone()))));
    properties.extend(more);
    Ok(context.catalogs.define(&side.catalog(kind), kind, properties))
}

/// A JDBC URL without login and secrets.
#[derive(Debug, Default, PartialEq, Eq)]
struct SplitUrl {
    url: String,
    user: Option<String>,
    password: Option<String>,
    /// Names of further options that may be secret.
    dropped: Vec<String>,
}

fn split_url(text: &str) -> SplitUrl {
    let text = text.trim();
    let mut split = SplitUrl::default();
    let (head, query) = text.split_once('?').map_or((text, None), |(head, query)| (head, Some(query)));
    let (scheme, rest) = head.split_once("://").map_or(("", head), |(scheme, rest)| (scheme, rest));
    // a password may hold a slash; a host cannot hold an @
    let (login, host) = rest.rsplit_once('@').map_or((None, rest), |(login, host)| (Some(login), host));
    if let Some(login) = login {
        let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
        split.user = Some(decoded(user)).filter(|user| !user.is_empty());
        split.password = password.map(decoded);
    }
    split.url = if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") };
    let mut kept = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name.to_ascii_lowercase().as_str() {
            "user" => split.user = Some(decoded(value)),
            "password" => split.password = Some(decoded(value)),
            lower if is_secret(lower) => split.dropped.push(name.to_owned()),
            _ => kept.push(pair),
        }
    }
    if !kept.is_empty() {
        split.url.push('?');
        split.url.push_str(&kept.join("&"));
    }
    split
}

/// Percent-decoded, as the driver reads a URL.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// `["set session sql_mode = 'ANSI'"]` as `session.NAME` properties.
fn session_variables(parameters: &Parameters<'_>) -> Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    for text in parameters.texts("session")? {
        let wrong = || parameters.wrong("session", "is a list of \"set session NAME = VALUE\"");
        let text = text.trim().trim_end_matches(';');
        let rest = strip_word(text, "set").unwrap_or(text);
        let rest = strip_word(rest, "session").unwrap_or(rest);
        let rest = rest.strip_prefix("@@session.").or_else(|| rest.strip_prefix("@@")).unwrap_or(rest);
        let (name, value) = rest.split_once('=').ok_or_else(wrong)?;
        let (name, value) = (name.trim().trim_end_matches(':').trim_end(), value.trim());
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let value = match quote {
            Some(quote) => value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).ok_or_else(wrong)?,
            None => value,
        };
        if !is_name || value.contains(['\'', '"', '\\']) {
            return Err(wrong());
        }
        variables.push((format!("session.{name}"), value.to_owned()));
    }
    Ok(variables)
}

fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_cut_free_of_login_and_secrets() {
        for (text, url, user, password, dropped) in [
            ("jdbc:mysql://h:3306/d?useSSL=false", "jdbc:mysql://h:3306/d?useSSL=false", None, None, 0),
            ("jdbc:mysql://u:p%40s@h/d", "jdbc:mysql://h/d", Some("u"), Some("p@s"), 0),
            ("jdbc:mysql://u:a/b@h/d", "jdbc:mysql://h/d", Some("u"), Some("a/b"), 0),
            (
                "jdbc:mysql://h/d?user=u&password=p&trustStorePassword=x&a=b",
                "jdbc:mysql://h/d?a=b",
                Some("u"),
                Some("p"),
                1,
            ),
        ] {
            let split = split_url(text);
            assert_eq!((split.url.as_str(), split.user.as_deref(), split.password.as_deref()), (url, user, password));
            assert_eq!(split.dropped.len(), dropped);
        }
    }

    #[test]
    fn session_statements_are_properties() {
        let object = serde_json::from_str(
            r#"{"session": ["set session sql_mode='ANSI'", "SET wait_timeout = 10;", "set @@session.a=1"]}"#,
        )
        .unwrap();
        let variables = session_variables(&Parameters::new("p", &object)).unwrap();
        let expected = [("session.sql_mode", "ANSI"), ("session.wait_timeout", "10"), ("session.a", "1")];
        assert_eq!(variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let object = serde_json::from_str(r#"{"session": "drop table t"}"#).unwrap();
        assert!(session_variables(&Parameters::new("p", &object)).is_err());
    }
}
