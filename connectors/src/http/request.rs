//! How a table's file is asked for where a plain GET does not do: its properties `http.…`.

use std::fmt;

use bytes::Bytes;
use reqwest::Method;

use super::options::HttpSettings;
use crate::error::{ConnectorError, Result};
use crate::options::{Options, duration, nearest};

/// What every such property begins with.
pub const TABLE_OPTION: &str = "http.";

/// Every property's name without that; `header.` stands for `header.NAME`.
const KNOWN: &[&str] = &["method", "body", "header.", "connect_timeout", "read_timeout"];

/// The method and body that a file is asked for with. Debug hides the body, which may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FileRequest {
    pub(super) method: Method,
    pub(super) body: Option<Bytes>,
}

impl FileRequest {
    /// Whether the file is a resource of its own: one that may be probed, read in parts, and resumed.
    pub(super) fn is_get(&self) -> bool {
        self.method == Method::GET
    }
}

impl Default for FileRequest {
    fn default() -> Self {
        Self { method: Method::GET, body: None }
    }
}

impl fmt::Debug for FileRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

impl HttpSettings {
    /// The settings with a table's properties put in. Others than `http.…` are not this module's.
    pub(super) fn with_table_options(mut self, options: &Options) -> Result<Self> {
        for (name, value) in options.iter() {
            let lower = name.to_ascii_lowercase();
            let Some(short) = lower.strip_prefix(TABLE_OPTION) else { continue };
            let of_table =
                |error: ConnectorError| ConnectorError::new(error.code(), format!("of the table: {}", error.message()));
            match short {
                "method" => self.file_request.method = method(name, value)?,
                "body" => self.file_request.body = Some(Bytes::from(value.to_owned())),
                "connect_timeout" => self.client.connect_timeout = duration(name, value)?,
                "read_timeout" => self.client.read_timeout = Some(duration(name, value)?),
                _ => match short.strip_prefix("header.") {
                    Some(header) => self.add_header(header, value).map_err(of_table)?,
                    None => return Err(unknown(name, short)),
                },
            }
        }
        if self.file_request.is_get() && self.file_request.body.is_some() {
            return Err(ConnectorError::option(
                "property \"http.body\" is sent by POST and PUT; set \"http.method\", or leave it out",
            ));
        }
        Ok(self)
    }
}

fn method(name: &str, value: &str) -> Result<Method> {
    match value.trim().to_ascii_uppercase().as_str() {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        _ => Err(ConnectorError::option(format!("property \"{name}\" is GET, POST or PUT"))),
    }
}

fn unknown(name: &str, short: &str) -> ConnectorError {
    let hint = match nearest(short, KNOWN.iter().copied().filter(|known| !known.ends_with('.'))) {
        Some(known) => format!("did you mean \"{TABLE_OPTION}{known}\"?"),
        None => {
            "known are http.method, http.body, http.header.NAME, http.connect_timeout, http.read_timeout".to_owned()
        }
    };
    ConnectorError::option(format!("unknown property \"{}\"; {hint}", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<HttpSettings> {
        HttpSettings::default().with_table_options(&entries.iter().copied().collect())
    }

    #[test]
    fn a_table_has_a_request_of_its_own() {
        let settings = read(&[
            ("http.method", "post"),
            ("http.body", "{\"day\": \"hunter2\"}"),
            ("http.header.X-Token", "hunter2"),
            ("http.read_timeout", "3600s"),
            ("skip.header.line.count", "1"),
        ])
        .unwrap();
        assert_eq!(settings.file_request.method, Method::POST);
        assert_eq!(settings.headers["x-token"], "hunter2");
        assert_eq!(settings.client.read_timeout, Some(std::time::Duration::from_secs(3600)));
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(read(&[("http.method", "PUT")]).unwrap().file_request.body.is_none());
    }

    #[test]
    fn what_is_no_request_is_refused_by_name() {
        for (entries, text) in [
            (&[("http.method", "DELETE")][..], "\"http.method\" is GET, POST or PUT"),
            (&[("http.body", "x")], "\"http.body\" is sent by POST and PUT"),
            (&[("http.methd", "POST")], "did you mean \"http.method\"?"),
            (&[("http.header.range", "bytes=0-")], "header.range"),
            (&[("http.read_timeout", "0")], "http.read_timeout"),
        ] {
            let error = read(entries).unwrap_err();
            assert!(error.message().contains(text), "{error}");
        }
    }
}
