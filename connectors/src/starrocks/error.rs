//! What StarRocks's refusals mean for the user.

use crate::error::{ConnectorError, ErrorCode};
use crate::sink::convert::{printable, shown_value};
use crate::sink::{FoundBy, Reject, RowValues};

use super::stream_load::response::{LoadResponse, LoadStatus, RefusedRow};

/// A row of the error log that is shown is cut to so many characters.
const SHOWN_CHARS: usize = 200;

/// The error of a load that the server refused. `first` is the first row of its error log, where there is one.
pub(super) fn refused_load(
    catalog: &str,
    target: &str,
    label: &str,
    response: &LoadResponse,
    first: Option<&RefusedRow>,
) -> ConnectorError {
    let status = match &response.status {
        LoadStatus::Failed(status) if !status.is_empty() => format!(" ({})", one_line(status)),
        _ => String::new(),
    };
    let message = if response.message.is_empty() { "without a reason".to_owned() } else { one_line(&response.message) };
    let mut text = format!("catalog {catalog}: StarRocks refused load {label} into {target}{status}: {message}");
    if let Some(first) = first {
        text.push_str(&format!("; first row: {}", one_line(&first.reason)));
        if let Some(row) = &first.row {
            text.push_str(&format!(", row {}", one_line(row)));
        }
    }
    text.push_str(hint(&response.message));
    // The rows are to blame, and the user has said how many may be.
    let code = if response.message.contains("too many filtered rows") { ErrorCode::Rejects } else { ErrorCode::Remote };
    ConnectorError::new(code, text)
}

/// What to do next, for messages that users meet often.
fn hint(message: &str) -> &'static str {
    let known: &[(&str, &str)] = &[
        ("too many filtered rows", "; allow some with \"error_limit\""),
        ("no partition", "; create the partition first, or use automatic partitions"),
        (
            "exceed limit",
            "; cut the write into smaller loads with \"write_mode\" = 'plain', or raise the server's limit",
        ),
        ("has no default value", "; name the column in the SELECT"),
    ];
    known.iter().find(|(text, _)| message.contains(text)).map_or("", |(_, hint)| hint)
}

/// A row of the server's error log as a reject. `columns` are those of the load, in order, and `separator` stands between them in a row of CSV.
pub(super) fn server_reject(row: &RefusedRow, columns: &[&str], separator: &[u8]) -> Reject {
    let cells = row.row.as_deref().and_then(|text| cells(text, columns.len(), separator));
    let values = RowValues(match cells {
        Some(cells) => columns.iter().map(|name| (*name).to_owned()).zip(cells).collect(),
        None => Vec::new(),
    });
    let column = row.column.as_deref().map(one_line);
    let named = values.0.iter().find(|(name, _)| row.column.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(name)));
    let value = match named {
        Some((_, value)) => value.clone(),
        None => row.row.as_deref().map(|text| shown_value(text.trim())),
    };
    Reject { column, value, reason: one_line(&row.reason), values, found_by: FoundBy::Server, ..Reject::default() }
}

/// The cells of a row as the server prints it: `[1, NULL]` once it was read, or the line of CSV itself. None if they are not as many as the
/// load has columns, so that they cannot be told apart.
fn cells(row: &str, columns: usize, separator: &[u8]) -> Option<Vec<Option<String>>> {
    let list = row.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let (parts, null) = match (list, std::str::from_utf8(separator)) {
        (Some(list), _) => (list.split(", ").collect::<Vec<_>>(), "NULL"),
        (None, Ok(separator)) => (row.split(separator).collect(), "\\N"),
        (None, Err(_)) => return None,
    };
    let cell = |part: &&str| (*part != null).then(|| shown_value(part.trim_matches('\'')));
    (parts.len() == columns).then(|| parts.iter().map(cell).collect())
}

/// A server's text on one line, not too long.
fn one_line(text: &str) -> String {
    printable(text.trim(), SHOWN_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: &str, message: &str) -> LoadResponse {
        LoadResponse::parse(&format!(r#"{{"Status":"{status}","Message":"{message}"}}"#)).unwrap()
    }

    #[test]
    fn a_refusal_names_catalog_table_label_and_reason() {
        let error = refused_load("sr", "d.t", "job-1", &response("FAILED", "unknown table"), None);
        assert_eq!(
            error.to_string(),
            "[E5004] catalog sr: StarRocks refused load job-1 into d.t (FAILED): unknown table"
        );
    }

    #[test]
    fn too_many_filtered_rows_are_rejects_with_the_first_row() {
        let row = RefusedRow {
            reason: "NULL value in non-nullable column 'c'".into(),
            row: Some("a\u{1}b".into()),
            column: None,
        };
        let error = refused_load("sr", "d.t", "l", &response("Fail", "too many filtered rows"), Some(&row));
        assert_eq!(error.code(), ErrorCode::Rejects);
        assert!(error.message().contains("first row: NULL value in non-nullable column 'c', row a\\u{1}b"), "{error}");
        assert!(error.message().contains("error_limit"));
    }

    #[test]
    fn what_the_server_prints_cannot_steer_a_terminal() {
        let row = RefusedRow { reason: "a\u{1b}[31m".into(), row: Some("x\ny".repeat(500)), column: Some("c".into()) };
        let reject = server_reject(&row, &["c", "d"], b"\x01");
        assert_eq!(reject.reason, "a\\u{1b}[31m");
        let value = reject.value.unwrap();
        assert!(value.starts_with("x\\nyx") && value.ends_with('…') && value.len() < 512, "{value}");
    }

    #[test]
    fn a_row_that_the_server_prints_is_read_by_column() {
        let read = |row: &str, column: Option<&str>| {
            let row = RefusedRow { reason: "r".into(), row: Some(row.into()), column: column.map(Into::into) };
            let reject = server_reject(&row, &["id", "name"], b"\x01");
            (reject.value, reject.values.0.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("[1, NULL]", Some("NAME")), (None, vec![some("1"), None]));
        assert_eq!(read("['1', 'a']", Some("id")), (some("1"), vec![some("1"), some("a")]));
        assert_eq!(read("x\u{1}\\N", Some("id")), (some("x"), vec![some("x"), None]));
        assert_eq!(read("1\u{1}2\u{1}3", None), (some("1\\u{1}2\\u{1}3"), vec![]));
        assert_eq!(read("[1, a, b]", Some("name")), (some("[1, a, b]"), vec![]));
    }
}
