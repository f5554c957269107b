//! Hosts with ports, as options, redirects and node lists name them.

use std::fmt;

use url::{Host, Url};

use crate::error::{ConnectorError, Result};

/// A host and a port. Hosts compare without case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HostPort {
    /// The host name or IP address, lower-case, IPv6 without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl HostPort {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Self { host: host.to_ascii_lowercase(), port }
    }

    /// Whether the host is this machine (`127.0.0.0/8`, `::1`, `localhost`).
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Where an HTTP request goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    /// Whether the connection is encrypted (`https`).
    pub(crate) tls: bool,
    /// The host and port.
    pub(crate) at: HostPort,
}

impl Endpoint {
    /// Reads `[http[s]://]host[:port]`; a path other than `/`, a user or a query is an error. `option` names the option in errors.
    pub(crate) fn parse(text: &str, default_port: u16, option: &str) -> Result<Self> {
        refuse_login(text, option)?;
        let refused = |why: &str| {
            ConnectorError::option(format!("option \"{option}\": \"{text}\" is not [http[s]://]host:port: {why}"))
        };
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => ("http".to_owned(), text),
        };
        let tls = match scheme.as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(refused("the scheme is neither http nor https")),
        };
        let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|error| refused(&error.to_string()))?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(refused("a path is not allowed"));
        }
        let host = host_of(&url).ok_or_else(|| refused("the host is missing"))?;
        // The `url` crate drops a port that is the scheme's own (80, 443), so a written one is told apart by `has_port`.
        let port = if has_port { url.port_or_known_default().unwrap_or(default_port) } else { default_port };
        Ok(Self { tls, at: HostPort::new(&host, port) })
    }

    /// The scheme's name.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.at)
    }
}

/// The host of a URL, IPv6 without brackets.
pub(crate) fn host_of(url: &Url) -> Option<String> {
    Some(match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    })
}

/// Refuses text with a user and a password in it. No error repeats any of it, so a list is checked as a whole before it is cut.
pub(crate) fn refuse_login(text: &str, option: &str) -> Result<()> {
    if text.contains('@') {
        return Err(ConnectorError::option(format!(
            "option \"{option}\": an address has no \"@\"; user and password are options of their own"
        )));
    }
    Ok(())
}

/// Reads `host[:port]`; no port means any port.
pub(crate) fn parse_host(text: &str, option: &str) -> Result<(String, Option<u16>)> {
    refuse_login(text, option)?;
    let refused = || ConnectorError::option(format!("option \"{option}\": \"{text}\" is not host or host:port"));
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (!host.contains(':') || host.ends_with(']')) => {
            (host, Some(port.parse::<u16>().map_err(|_| refused())?))
        }
        _ => (text, None),
    };
    let host = HostPort::new(host, 0).host;
    if host.is_empty() || host.contains(['/', ' ', '?', '#']) {
        return Err(refused());
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_port_by_default() {
        assert_eq!(Endpoint::parse("fe", 8030, "load_url").unwrap().to_string(), "http://fe:8030");
        assert_eq!(Endpoint::parse("FE:80", 8030, "load_url").unwrap().to_string(), "http://fe:80");
        assert_eq!(Endpoint::parse("https://fe:443/", 8030, "load_url").unwrap().to_string(), "https://fe:443");
        assert_eq!(Endpoint::parse("[::1]:9", 8030, "load_url").unwrap().to_string(), "http://[::1]:9");
        assert_eq!(Endpoint::parse("[::1]", 8030, "load_url").unwrap().to_string(), "http://[::1]:8030");
    }

    #[test]
    fn an_address_with_a_password_is_refused_and_not_repeated() {
        let error = Endpoint::parse("http://root:hunter2@fe:8030", 8030, "load_url").unwrap_err().to_string();
        assert!(error.contains("load_url") && !error.contains("hunter2"), "{error}");
        assert!(Endpoint::parse("ftp://fe:8030", 8030, "load_url").is_err());
        assert!(Endpoint::parse("fe:8030/api", 8030, "load_url").is_err());
    }

    #[test]
    fn a_host_may_lack_its_port() {
        assert_eq!(parse_host("BE1", "x").unwrap(), ("be1".to_owned(), None));
        assert_eq!(parse_host("be1:8040", "x").unwrap(), ("be1".to_owned(), Some(8040)));
        assert_eq!(parse_host("[::1]:8040", "x").unwrap(), ("::1".to_owned(), Some(8040)));
        assert_eq!(parse_host("[::1]", "x").unwrap(), ("::1".to_owned(), None));
        assert!(parse_host("be1:port", "x").is_err());
        assert!(parse_host("http://be1", "x").is_err());
    }

    #[test]
    fn a_host_with_a_password_is_refused_and_not_repeated() {
        for text in ["root:hunter2@be1:8040", "http://root:hunter2@be1", "root@be1:hunter2"] {
            let error = parse_host(text, "allowed_be_hosts").unwrap_err().to_string();
            assert!(error.contains("allowed_be_hosts") && !error.contains("hunter2"), "{error}");
        }
    }
}
