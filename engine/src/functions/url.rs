//! `parse_url(url, part[, key])`: parts as they are written, nothing decoded (RFC 3986, appendix B, as `java.net.URI`).

use arrow::datatypes::DataType;

use super::by_row::{ByRow, Parameter, Row, RowResult, Value};

pub(super) fn parse_url() -> ByRow {
    ByRow {
        name: "parse_url",
        parameters: &[Parameter::Text, Parameter::Text, Parameter::Text],
        required: 2,
        repeats: false,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let (Some(url), Some(part)) = (row.text(0), row.text(1)) else { return Ok(None) };
            let found =
                if row.count() > 2 { row.text(2).and_then(|key| parameter(url, part, key)) } else { piece(url, part) };
            Ok(found.map(|found| Value::Text(found.to_owned())))
        },
    }
}

/// A part of a URL; None if the text is no URL or has no such part.
fn piece<'a>(url: &'a str, part: &str) -> Option<&'a str> {
    // characters that Java's URI refuses
    if url.contains(|letter: char| letter.is_ascii_control() || " \"<>\\^`{|}".contains(letter)) {
        return None;
    }
    let (rest, fragment) = split_at(url, '#');
    let (before_query, query) = split_at(rest, '?');
    let (scheme, after_scheme) = match before_query.split_once(':') {
        Some((scheme, after)) if !scheme.contains('/') => (Some(scheme), after),
        _ => (None, before_query),
    };
    // `mailto:a@b.c` is opaque
    if scheme.is_some() && !after_scheme.starts_with('/') {
        return if part == "PROTOCOL" { scheme } else { None };
    }
    let (authority, path) = match after_scheme.strip_prefix("//") {
        Some(after) => {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            (Some(authority), path)
        }
        None => (None, after_scheme),
    };
    match part {
        "PROTOCOL" => scheme,
        "AUTHORITY" => authority,
        "USERINFO" => authority?.rsplit_once('@').map(|(user, _)| user),
        "HOST" => {
            let host = authority?.rsplit_once('@').map_or(authority?, |(_, host)| host);
            let port = host.rfind(':').filter(|colon| host[colon + 1..].bytes().all(|byte| byte.is_ascii_digit()));
            Some(&host[..port.unwrap_or(host.len())])
        }
        "PATH" => Some(path),
        "QUERY" => query,
        "FILE" => {
            let from = before_query.len() - path.len();
            let end = query.map_or(before_query.len(), |query| before_query.len() + 1 + query.len());
            Some(&url[from..end])
        }
        "REF" => fragment,
        _ => None,
    }
}

fn split_at(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// The value of a key of the query.
fn parameter<'a>(url: &'a str, part: &str, key: &str) -> Option<&'a str> {
    if part != "QUERY" {
        return None;
    }
    piece(url, part)?.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}
