//! The options of a catalog of type http.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::request::FileRequest;
use super::url::{HttpUrl, UserInfo};
use crate::error::{ConnectorError, Result};
use crate::http_client::HttpClientSettings;
use crate::options::{Options, Secret, duration, nearest, retries};
use crate::scan_settings::ScanSettings;
use crate::throttle::{SpeedLimits, is_speed};

/// Every option's name; `header.` stands for `header.NAME`.
const KNOWN: &[&str] = &[
    "url",
    "user",
    "password",
    "header.",
    "connect_timeout",
    "read_timeout",
    "retries",
    "ca",
    "ssl_ca",
    "timezone",
    "max_connections",
    "max_bytes_per_second",
    "max_rows_per_second",
];

/// Headers that belong to the transfer itself: a value from the user would break ranges, lengths or encodings.
const RESERVED_HEADERS: &[HeaderName] = &[
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::UPGRADE,
    header::EXPECT,
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT_ENCODING,
];

/// How to talk to an HTTP server. Values of headers are secret: Debug hides them.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Headers of the user's own, the `authorization` made of user and password included. They go to the first URL's origin only.
    pub(super) headers: HeaderMap,
    /// Timeouts and TLS.
    pub(super) client: HttpClientSettings,
    /// How often a request is tried again, and how often a download may be resumed without getting on.
    pub(super) retries: u32,
    /// The pause before the first retry; it doubles each time.
    pub(super) backoff: Duration,
    /// Limits of speed that hold for the whole catalog.
    pub(super) speed: SpeedLimits,
    /// `max_connections`: how many files or ranges are read at the same time at most.
    pub(super) max_connections: Option<usize>,
    /// How a file is asked for.
    pub(super) file_request: FileRequest,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            client: HttpClientSettings::default(),
            retries: 4,
            backoff: Duration::from_millis(250),
            speed: SpeedLimits::default(),
            max_connections: None,
            file_request: FileRequest::default(),
        }
    }
}

impl HttpSettings {
    /// Reads a catalog's options, and the base URL out of `url`.
    ///
    /// # Errors
    /// Code Option for a name that is not known (with a suggestion), a value that does not parse, or a missing `url`.
    pub(super) fn from_options(catalog: &str, options: &Options) -> Result<(HttpUrl, Self)> {
        let of_catalog =
            |error: ConnectorError| ConnectorError::option(format!("catalog \"{catalog}\": {}", error.message()));
        Self::parse(options).map_err(of_catalog)
    }

    fn parse(options: &Options) -> Result<(HttpUrl, Self)> {
        let mut settings = Self::default();
        for (name, value) in options.iter() {
            match name.to_ascii_lowercase().as_str() {
                "url" | "user" | "password" | "timezone" => {}
                "connect_timeout" => settings.client.connect_timeout = duration(name, value)?,
                "read_timeout" => settings.client.read_timeout = Some(duration(name, value)?),
                "retries" => settings.retries = retries(value)?,
                "ca" | "ssl_ca" => settings.client.ca_file = Some(PathBuf::from(value)),
                _ if is_speed(name) => {}
                lower => match lower.strip_prefix("header.") {
                    Some(header) => settings.add_header(header, value)?,
                    None => return Err(unknown(name)),
                },
            }
        }
        settings.speed = SpeedLimits::parse(options)?;
        settings.max_connections = ScanSettings::parse(&Options::new(), options)?.max_connections;
        let (url, user_info) = HttpUrl::parse(options.require("url")?)?;
        let user_info = match (options.get("user"), options.get("password")) {
            (None, None) => user_info,
            (None, Some(_)) => return Err(ConnectorError::option("option \"password\" needs \"user\"")),
            (Some(user), password) => {
                Some(UserInfo { user: user.to_owned(), password: Secret::new(password.unwrap_or_default()) })
            }
        };
        if let Some(user_info) = user_info {
            settings.set_basic(&user_info)?;
        }
        Ok((url, settings))
    }

    pub(super) fn add_header(&mut self, name: &str, value: &str) -> Result<()> {
        let bad = |what: &str| ConnectorError::option(format!("option \"header.{name}\": {what}"));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("not the name of a header"))?;
        if RESERVED_HEADERS.contains(&header) {
            return Err(bad("this header is set by the transfer itself"));
        }
        let mut value =
            HeaderValue::from_str(value).map_err(|_| bad("the value holds characters that no header can"))?;
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(())
    }

    /// Sends `user` and `password` as Basic authentication (RFC 7617) to the first URL's origin.
    pub(super) fn set_basic(&mut self, user_info: &UserInfo) -> Result<()> {
        if self.headers.contains_key(header::AUTHORIZATION) {
            return Err(ConnectorError::option("give either \"user\" and \"password\" or \"header.authorization\""));
        }
        if user_info.user.contains(':') {
            return Err(ConnectorError::option("option \"user\" cannot hold a colon"));
        }
        let pair = format!("{}:{}", user_info.user, user_info.password.expose());
        self.add_header("authorization", &format!("Basic {}", BASE64_STANDARD.encode(pair)))
    }
}

fn unknown(name: &str) -> ConnectorError {
    let hint = match nearest(name, KNOWN.iter().copied().filter(|known| !known.ends_with('.'))) {
        Some(known) => format!("; did you mean \"{known}\"?"),
        None => {
            "; known options: url, user, password, header.NAME, connect_timeout, read_timeout, retries, ca".to_owned()
        }
    };
    ConnectorError::option(format!("unknown option \"{name}\"{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entries: &[(&str, &str)]) -> Result<(HttpUrl, HttpSettings)> {
        HttpSettings::from_options("files", &entries.iter().copied().collect())
    }

    #[test]
    fn user_and_password_become_basic_authentication() {
        let (_, settings) = parse(&[("url", "http://h/"), ("user", "ann"), ("password", "pä:ss")]).unwrap();
        let value = settings.headers[header::AUTHORIZATION].to_str().unwrap();
        assert_eq!(value, format!("Basic {}", BASE64_STANDARD.encode("ann:pä:ss")));
        assert!(!format!("{settings:?}").contains(&value["Basic ".len()..]));
        let (url, from_url) = parse(&[("url", "http://ann:p%C3%A4%3Ass@h/")]).unwrap();
        assert_eq!(from_url.headers[header::AUTHORIZATION], value);
        assert_eq!(url.to_string(), "http://h/");
    }

    #[test]
    fn an_unknown_option_is_an_error_with_a_suggestion() {
        let error = parse(&[("url", "http://h/"), ("pasword", "x")]).unwrap_err();
        assert!(error.message().contains("catalog \"files\""), "{error}");
        assert!(error.message().contains("did you mean \"password\"?"), "{error}");
        assert!(parse(&[("url", "http://h/"), ("zzzzzz", "x")]).unwrap_err().message().contains("known options"));
        assert!(parse(&[("user", "x")]).unwrap_err().message().contains("\"url\" is missing"));
    }

    #[test]
    fn headers_are_checked_by_name_and_value() {
        let url = ("url", "http://h/");
        let (_, settings) = parse(&[url, ("header.X-Token", "abc")]).unwrap();
        assert_eq!(settings.headers["x-token"], "abc");
        for (name, value) in
            [("header.range", "bytes=0-"), ("header.host", "x"), ("header.a b", "x"), ("header.x", "a\r\nb: c")]
        {
            let error = parse(&[url, (name, value)]).unwrap_err();
            assert!(error.message().contains(name), "{error}");
        }
        let both = parse(&[url, ("user", "a"), ("password", "b"), ("header.Authorization", "c")]).unwrap_err();
        assert!(both.message().contains("either"), "{both}");
        assert!(parse(&[url, ("password", "b")]).unwrap_err().message().contains("needs \"user\""));
    }

    #[test]
    fn times_have_units() {
        let url = ("url", "http://h/");
        for (text, milliseconds) in [("30", 30_000), ("30s", 30_000), ("500ms", 500), ("2m", 120_000), (" 1 s", 1000)] {
            let (_, settings) = parse(&[url, ("read_timeout", text), ("connect_timeout", text)]).unwrap();
            assert_eq!(settings.client.read_timeout, Some(Duration::from_millis(milliseconds)));
            assert_eq!(settings.client.connect_timeout, Duration::from_millis(milliseconds));
        }
        for text in ["", "0", "-1", "1h", "abc", "99999999999999999999"] {
            assert!(parse(&[url, ("read_timeout", text)]).is_err(), "{text}");
        }
        assert!(parse(&[url, ("retries", "21")]).is_err());
    }
}
