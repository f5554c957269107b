//! Headers of a Stream Load: the list of all that the server knows, and the check that a value can be one.

use crate::error::{ConnectorError, Result};

/// Every header of a Stream Load that a user may set by its name in `INSERT … PROPERTIES (…)` (StarRocks: STREAM_LOAD docs, and the
/// names in the server's own header list). Others go by `load.NAME`.
pub(crate) const USER_HEADERS: &[&str] = &[
    "format",
    "columns",
    "column_separator",
    "row_delimiter",
    "skip_header",
    "trim_space",
    "enclose",
    "escape",
    "where",
    "max_filter_ratio",
    "partitions",
    "temporary_partitions",
    "timeout",
    "strict_mode",
    "timezone",
    "load_mem_limit",
    "exec_mem_limit",
    "negative",
    "jsonpaths",
    "json_root",
    "strip_outer_array",
    "ignore_json_size",
    "envelope",
    "partial_update",
    "partial_update_mode",
    "merge_condition",
    "compression",
    "content-encoding",
    "transmission_compression_type",
    "load_dop",
    "log_rejected_record_num",
    "warehouse",
    "idle_transaction_timeout",
    "prepared_timeout",
    "enable_merge_commit",
    "merge_commit_interval_ms",
    "merge_commit_parallel",
    "merge_commit_async",
];

/// Headers that are ours alone: the label is how a load is recognised, the others carry the login, end or steer the request.
const REFUSED: &[(&str, &str)] = &[
    ("label", "labels are made by syncline, so that a lost answer can be resolved"),
    ("authorization", "user and password are options of the catalog"),
    ("expect", "it is always sent"),
    ("host", "it is part of the request itself"),
    ("connection", "it is part of the request itself"),
    ("content-length", "it is part of the request itself"),
    ("transfer-encoding", "it is part of the request itself"),
    ("user-agent", "it is part of the request itself"),
];

/// The largest body of JSON (StarRocks: BE `streaming_load_max_batch_size_mb`, which `ignore_json_size` lifts).
pub(crate) const MAX_JSON_BYTES: u64 = 100 << 20;

/// Prefix of options that name a header that this version does not know.
pub(crate) const LOAD_PREFIX: &str = "load.";

/// The header that an option names (`format`, `load.new_header`); None if the option is no header at all.
pub(crate) fn header_of(option: &str) -> Result<Option<String>> {
    let name = option.to_ascii_lowercase();
    let (name, by_prefix) = match name.strip_prefix(LOAD_PREFIX) {
        Some(rest) => (rest.to_owned(), true),
        None => (name, false),
    };
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| folded(refused) == folded(&name)) {
        return Err(ConnectorError::option(format!("the header \"{name}\" cannot be set: {why}")));
    }
    if !by_prefix {
        // A camelCase spelling of a name is one too.
        let known = USER_HEADERS.iter().find(|known| folded(known) == folded(&name));
        return Ok(known.map(|known| (*known).to_owned()));
    }
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err(ConnectorError::option(format!("\"{option}\" does not name a header")));
    }
    Ok(Some(name))
}

/// A name without its `_` and `-`.
fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).collect()
}

/// A value as a header carries it: no control characters, so that it ends where it should.
pub(crate) fn checked_value(name: &str, value: &str) -> Result<String> {
    if value.chars().any(|c| c.is_control()) {
        return Err(ConnectorError::option(format!(
            "the value of \"{name}\" has a control character; write delimiters as text, such as \\x01"
        )));
    }
    Ok(value.trim().to_owned())
}

/// The `columns` header: the names in backticks. A name with a backtick cannot be quoted there.
pub(crate) fn columns_value<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<String> {
    let mut value = String::new();
    for name in names {
        if name.contains('`') || name.chars().any(char::is_control) {
            return Err(ConnectorError::option(format!(
                "the column name {name:?} cannot be sent in the \"columns\" header of a load"
            )));
        }
        if !value.is_empty() {
            value.push(',');
        }
        value.push('`');
        value.push_str(name);
        value.push('`');
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_headers_go_by_name_and_others_by_prefix() {
        assert_eq!(header_of("Strict_Mode").unwrap().as_deref(), Some("strict_mode"));
        assert_eq!(header_of("load.brand_new").unwrap().as_deref(), Some("brand_new"));
        assert_eq!(header_of("brand_new").unwrap(), None);
        assert_eq!(header_of("columnSeparator").unwrap().as_deref(), Some("column_separator"));
        assert_eq!(header_of("contentEncoding").unwrap().as_deref(), Some("content-encoding"));
        assert!(header_of("contentLength").is_err());
    }

    #[test]
    fn label_authorization_and_expect_are_refused_also_by_prefix() {
        for name in ["label", "Authorization", "EXPECT", "load.label", "load.authorization", "load.Expect", "load.host"]
        {
            assert!(header_of(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_value_cannot_begin_another_header() {
        assert!(checked_value("where", "a = 1\r\nX-Evil: 1").is_err());
        assert!(checked_value("column_separator", "\x01").is_err());
        assert_eq!(checked_value("where", "名 = 1").unwrap(), "名 = 1");
        assert!(header_of("load.a\r\nb").is_err());
        assert!(header_of("load.").is_err());
    }

    #[test]
    fn column_names_are_quoted() {
        assert_eq!(columns_value(["dt", "select", "名"]).unwrap(), "`dt`,`select`,`名`");
        assert!(columns_value(["a`b"]).is_err());
    }
}
