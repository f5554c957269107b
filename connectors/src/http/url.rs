//! The address of one file, sent as written and printed without its secrets.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::error::{ConnectorError, Result};
use crate::options::Secret;

/// An `http` or `https` URL. Display and Debug hide the values of its query string; it holds no user and no password.
///
/// Path and query are sent as the user wrote them, but for what a URL cannot hold (spaces, quotes, letters beyond ASCII),
/// which is percent-encoded as browsers do.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl(Url);

/// The user and password that a URL carried in front of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// The user, percent-decoded.
    pub user: String,
    /// The password, percent-decoded.
    pub password: Secret,
}

impl HttpUrl {
    /// Reads a URL, and takes out the user and password in front of its host.
    ///
    /// # Errors
    /// Code Option when it is no URL, not of scheme http or https, or holds what a URL parser drops or changes in silence.
    /// The text is not repeated, since it may hold a secret.
    pub fn parse(text: &str) -> Result<(Self, Option<UserInfo>)> {
        let text = text.trim();
        for (what, written) in [("#", "%23"), ("\\", "%5C")] {
            if text.contains(what) {
                return Err(ConnectorError::option(format!("a URL cannot hold \"{what}\"; write {written}")));
            }
        }
        if text.contains(char::is_control) {
            return Err(ConnectorError::option("a URL cannot hold control characters; write them as % and two digits"));
        }
        let mut url = Url::parse(text).map_err(|error| ConnectorError::option(format!("not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme();
            return Err(ConnectorError::option(format!("a URL of scheme \"{scheme}\" is not an http or https URL")));
        }
        let user_info = take_user_info(&mut url)?;
        Ok((Self(url), user_info))
    }

    /// The URL itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &Url {
        &self.0
    }

    /// The host, as in messages.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port, the scheme's own where none is written.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// The path, percent-encoded.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Whether scheme, host and port are those of `other`.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// The URL that a `Location` header names, relative to this one. A user and password in it are dropped.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        let mut url = self.0.join(location).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        take_user_info(&mut url).ok()?;
        url.set_fragment(None);
        Some(Self(url))
    }
}

fn take_user_info(url: &mut Url) -> Result<Option<UserInfo>> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user_info =
        UserInfo { user: decode(url.username()), password: Secret::new(decode(url.password().unwrap_or_default())) };
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| ConnectorError::option("the URL cannot have a user"))?;
    Ok(Some(user_info))
}

impl FromStr for HttpUrl {
    type Err = ConnectorError;

    /// As [`HttpUrl::parse`], but a user and password are refused.
    fn from_str(text: &str) -> Result<Self> {
        match Self::parse(text)? {
            (url, None) => Ok(url),
            (_, Some(_)) => {
                Err(ConnectorError::option("user and password belong in the catalog's properties, not in the URL"))
            }
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.host())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())?;
        let Some(query) = self.0.query() else { return Ok(()) };
        for (index, pair) in query.split('&').enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match pair.split_once('=') {
                Some((name, _)) => write!(f, "{name}=***")?,
                // A bare word may be a token as well as a name.
                None => f.write_str("***")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_url_is_kept_and_printed_without_its_values() {
        let text = "https://bucket.example.com/a%2Fb/log.txt?Expires=1&Signature=a%2Bb%2F%3D+c&token";
        let (url, user_info) = HttpUrl::parse(text).unwrap();
        assert_eq!(url.expose().as_str(), text);
        assert_eq!(user_info, None);
        let printed = "https://bucket.example.com/a%2Fb/log.txt?Expires=***&Signature=***&***";
        assert_eq!(url.to_string(), printed);
        assert_eq!(format!("{url:?}"), format!("HttpUrl({printed})"));
    }

    #[test]
    fn user_and_password_are_taken_out_of_the_url() {
        let (url, user_info) = HttpUrl::parse("http://ann:p%40ss@example.com:8080/x").unwrap();
        assert_eq!(url.expose().as_str(), "http://example.com:8080/x");
        let user_info = user_info.unwrap();
        assert_eq!((user_info.user.as_str(), user_info.password.expose()), ("ann", "p@ss"));
        assert!(!format!("{user_info:?}").contains("p@ss"));
    }

    #[test]
    fn what_is_no_http_url_is_refused_without_repeating_it() {
        for text in
            ["ftp://example.com/secret1", "secret1", "http://", "http://h/secret1#x", "http://h/a\\b", "http://h/a\tb"]
        {
            let error = HttpUrl::parse(text).unwrap_err();
            assert!(!error.message().contains("secret1"), "{error}");
        }
        assert!("http://u:p@example.com/".parse::<HttpUrl>().is_err());
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port() {
        let url = |text: &str| text.parse::<HttpUrl>().unwrap();
        assert!(url("https://a.example/x").same_origin(&url("https://A.example:443/y?z=1")));
        for other in ["http://a.example/x", "https://b.example/x", "https://a.example:8443/x"] {
            assert!(!url("https://a.example/x").same_origin(&url(other)));
        }
    }
}
