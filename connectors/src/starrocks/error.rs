//! What StarRocks's refusals mean for the user.

use crate::error::{ConnectorError, ErrorCode};
use crate::sink::Reject;
use crate::sink::convert::printable;
use crate::sink::reject::FoundBy;

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

/// A row of the server's error log as a reject.
pub(super) fn server_reject(row: &RefusedRow) -> Reject {
    Reject {
        column: row.column.as_deref().map(one_line),
        value: row.row.as_deref().map(one_line),
        reason: one_line(&row.reason),
        row: None,
        file: None,
        line: None,
        found_by: FoundBy::Server,
    }
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
        let reject = server_reject(&row);
        assert_eq!(reject.reason, "a\\u{1b}[31m");
        let value = reject.value.unwrap();
        assert!(
            value.starts_with("x\\nyx") && value.ends_with('…') && value.chars().count() < 2 * SHOWN_CHARS,
            "{value}"
        );
    }
}
