//! The URL of a catalog: `[jdbc:]mysql://[user[:password]@]host[:port][,host[:port]…][/database][?option=value&…]`.
//!
//! Users, passwords, databases and options are percent-decoded. Errors never repeat the URL: it may hold a password.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::error::{ConnectorError, Result};
use crate::options::Secret;

/// The parts of a catalog's URL, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct MySqlUrl {
    /// The user, if the URL names one.
    pub user: Option<String>,
    /// The password, if the URL holds one.
    pub password: Option<Secret>,
    /// The host name or address, an IPv6 address without its brackets.
    pub host: String,
    /// The port, the default one if the URL names none.
    pub port: u16,
    /// Further hosts with their ports, for systems whose hosts are all the same one.
    pub more_hosts: Vec<(String, u16)>,
    /// The default database.
    pub database: Option<String>,
    /// The options in order. A value may be secret.
    pub options: Vec<(String, Secret)>,
}

impl fmt::Debug for MySqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlUrl")
            .field("user", &self.user)
            .field("password", &self.password)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("more_hosts", &self.more_hosts)
            .field("database", &self.database)
            .field("options", &self.options)
            .finish()
    }
}

impl MySqlUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`ErrorCode::Option`](crate::error::ErrorCode::Option) when it does not follow the grammar.
    pub fn parse(text: &str, default_port: u16) -> Result<Self> {
        let rest = strip_scheme(text.trim())?;
        let (authority, rest) = split_at_first(rest, &['/', '?']);
        let (path, query) = match rest.strip_prefix('/') {
            Some(rest) => split_at_first(rest, &['?']),
            None => ("", rest),
        };

        let (user_info, host_port) = match authority.rsplit_once('@') {
            Some((user_info, host_port)) => (Some(user_info), host_port),
            None => (None, authority),
        };
        let (user, password) = match user_info {
            None => (None, None),
            Some(info) => match info.split_once(':') {
                Some((user, password)) => (Some(decode(user)?), Some(Secret::new(decode(password)?))),
                None => (Some(decode(info)?), None),
            },
        };
        let mut hosts = host_port.split(',').map(|host| host_and_port(host.trim(), default_port));
        let (host, port) = hosts.next().unwrap_or_else(|| Err(bad("names no host")))?;
        let more_hosts = hosts.collect::<Result<Vec<_>>>()?;

        if path.contains('/') {
            return Err(bad("has more than one / after the host: only a database name may follow"));
        }
        let database = decode(path)?;
        let mut options = Vec::new();
        for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| bad("has an option without a value: write name=value"))?;
            options.push((decode(name)?, Secret::new(decode(value)?)));
        }
        Ok(Self {
            user: user.filter(|user| !user.is_empty()),
            password,
            host,
            port,
            more_hosts,
            database: Some(database).filter(|database| !database.is_empty()),
            options,
        })
    }
}

fn bad(what: &str) -> ConnectorError {
    ConnectorError::option(format!(
        "option \"url\" {what}; its form is [jdbc:]mysql://[user[:password]@]host[:port][/database][?option=value], \
         with special characters percent-encoded"
    ))
}

fn strip_scheme(text: &str) -> Result<&str> {
    let after_jdbc = strip_prefix_ignoring_case(text, "jdbc:").unwrap_or(text);
    for scheme in ["mysql://", "mariadb://"] {
        if let Some(rest) = strip_prefix_ignoring_case(after_jdbc, scheme) {
            return Ok(rest);
        }
    }
    for several in ["mysql:replication:", "mysql:loadbalance:", "mysql+srv:", "mariadb:"] {
        if strip_prefix_ignoring_case(after_jdbc, several).is_some() {
            return Err(bad("asks for replication or balancing, which is not supported: write mysql://host:port"));
        }
    }
    Err(bad("does not begin with mysql:// or jdbc:mysql://"))
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    match text.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => Some(&text[prefix.len()..]),
        _ => None,
    }
}

/// Splits in front of the first of these characters; the second part is empty if there is none.
fn split_at_first<'a>(text: &'a str, characters: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(characters).unwrap_or(text.len()))
}

fn host_and_port(text: &str, default_port: u16) -> Result<(String, u16)> {
    if text.starts_with('(') || text.contains("address=") {
        return Err(bad("writes hosts in parentheses, which is not supported: write host:port,host:port"));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(|| bad("has a [ without a ] around the address"))?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| bad("has no IPv6 address between [ and ]"))?;
            (host, after.strip_prefix(':').or(Some(after).filter(|after| after.is_empty())))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("")),
        },
    };
    let port = match port {
        Some("") => default_port,
        Some(port) => port
            .parse::<u16>()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| bad("has a port that is no number from 1 to 65535"))?,
        None => return Err(bad("has something other than a port behind the address")),
    };
    let host = decode(host)?;
    if host.is_empty() {
        return Err(bad("names no host"));
    }
    if host.chars().any(|c| c.is_whitespace() || c.is_control() || "/\\?#@\"'<>".contains(c)) {
        return Err(bad("has a host name with a character that no host name has"));
    }
    Ok((host, port))
}

fn decode(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| bad("has a %-sequence that is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(bad("holds a NUL character"));
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> MySqlUrl {
        MySqlUrl::parse(text, 3306).unwrap()
    }

    #[test]
    fn all_parts_are_read() {
        let url = parse("jdbc:mysql://bob:s%40cr%2Ft@db.example:3307/shop?useSSL=false&serverTimezone=GMT%2B8");
        assert_eq!(url.user.as_deref(), Some("bob"));
        assert_eq!(url.password, Some(Secret::new("s@cr/t")));
        assert_eq!((url.host.as_str(), url.port), ("db.example", 3307));
        assert_eq!(url.database.as_deref(), Some("shop"));
        assert_eq!(
            url.options,
            vec![("useSSL".into(), Secret::new("false")), ("serverTimezone".into(), Secret::new("GMT+8"))]
        );
    }

    #[test]
    fn parts_may_be_missing() {
        let url = parse("MYSQL://host");
        assert_eq!((url.user, url.password, url.port, url.database), (None, None, 3306, None));
        assert_eq!(parse("mysql://host/?a=b").options.len(), 1);
        assert_eq!(parse("mysql://host?a=b").options.len(), 1);
        assert_eq!(MySqlUrl::parse("mysql://host", 9030).unwrap().port, 9030);
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        let url = parse("mysql://root@[2001:db8::1]:3310/d");
        assert_eq!((url.host.as_str(), url.port), ("2001:db8::1", 3310));
        assert_eq!(parse("mysql://[::1]/d").port, 3306);
    }

    #[test]
    fn several_hosts_are_read_in_order() {
        let url = parse("jdbc:mysql://root:a,b@fe1:9031,fe2, [::1]:9033/d");
        assert_eq!((url.host.as_str(), url.port), ("fe1", 9031));
        assert_eq!(url.more_hosts, [("fe2".into(), 3306), ("::1".into(), 9033)]);
        assert_eq!(url.database.as_deref(), Some("d"));
    }

    #[test]
    fn a_password_may_hold_an_at_sign() {
        let url = parse("mysql://root:a@b@host/d");
        assert_eq!(url.password, Some(Secret::new("a@b")));
        assert_eq!(url.host, "host");
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for text in [
            "postgres://u:hunter2@h/d",
            "mysql://u:hunter2@h:0/d",
            "mysql://u:hunter2@h:99999/d",
            "mysql://u:hunter2@/d",
            "mysql://u:hunter2@[::1/d",
            "mysql://u:hunter2@[zz]/d",
            "mysql://u:hunter2@[::1]x/d",
            "mysql://u:hunter2@h/d/e",
            "mysql://u:hunter2@h/d?flag",
            "mysql://u:hunter2@a,/d",
            "mysql://u:hunter2@a,b:0/d",
            "mysql://u:hunter2@h/%ff",
            "mysql://u:hunter2@h/a%00b",
            "jdbc:mysql:replication://u:hunter2@a,b/d",
        ] {
            let error = MySqlUrl::parse(text, 3306).unwrap_err().to_string();
            assert!(error.starts_with("[E2001] option \"url\""), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let text = format!("{:?}", parse("mysql://u:hunter2@h/d?password=hunter2"));
        assert!(!text.contains("hunter2"), "{text}");
    }
}
