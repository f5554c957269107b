//! The delimiters of a plain CSV, in the syntax of Stream Load's headers.

use crate::error::{ConnectorError, Result};

/// StarRocks refuses longer delimiters ("The valid bytes length for 'column separator' is [1, 50]").
const MAX_DELIMITER_BYTES: usize = 50;

/// What stands between columns and between rows.
///
/// The defaults, `\x01` and `\x02`, are bytes that text hardly ever holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFormat {
    column_separator: Vec<u8>,
    row_delimiter: Vec<u8>,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self { column_separator: vec![1], row_delimiter: vec![2] }
    }
}

impl CsvFormat {
    /// Delimiters of 1 to 50 bytes. Refused are those that a reader could find inside numbers, dates, NULL, or each other.
    pub fn new(column_separator: Vec<u8>, row_delimiter: Vec<u8>) -> Result<Self> {
        check_delimiter("column_separator", &column_separator)?;
        check_delimiter("row_delimiter", &row_delimiter)?;
        // the reader looks for row delimiters first: a separator, with whatever follows it, must not begin one
        if column_separator.contains(&row_delimiter[0]) || row_delimiter[0] == column_separator[0] {
            return Err(ConnectorError::option(
                "options \"column_separator\" and \"row_delimiter\" overlap: no byte of the separator may begin the row delimiter",
            ));
        }
        Ok(Self { column_separator, row_delimiter })
    }

    /// The delimiters that `column_separator` and `row_delimiter` name in header syntax; None is the default.
    pub fn parse(column_separator: Option<&str>, row_delimiter: Option<&str>) -> Result<Self> {
        let default = Self::default();
        let parse = |name: &str, text: Option<&str>, default: Vec<u8>| match text {
            Some(text) => parse_delimiter(name, text),
            None => Ok(default),
        };
        Self::new(
            parse("column_separator", column_separator, default.column_separator)?,
            parse("row_delimiter", row_delimiter, default.row_delimiter)?,
        )
    }

    /// The bytes between columns.
    pub fn column_separator(&self) -> &[u8] {
        &self.column_separator
    }

    /// The bytes behind each row.
    pub fn row_delimiter(&self) -> &[u8] {
        &self.row_delimiter
    }

    /// The column separator as a header value, always in hex, so that nothing about it depends on the reader's escapes.
    pub fn column_separator_header(&self) -> String {
        hex_header(&self.column_separator)
    }

    /// The row delimiter as a header value.
    pub fn row_delimiter_header(&self) -> String {
        hex_header(&self.row_delimiter)
    }
}

fn hex_header(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// The bytes that a delimiter names (StarRocks: `Delimiter.convertDelimiter`): `\x` or `0x` in any case and pairs of hex digits;
/// else the text itself, where `\t` and `\n` are a tabulator and a line feed. A backslash may be doubled, as scripts from other tools do.
pub fn parse_delimiter(name: &str, text: &str) -> Result<Vec<u8>> {
    let invalid = |reason: &str| ConnectorError::option(format!("option \"{name}\" is {text:?}: {reason}"));
    let text =
        text.strip_prefix('\\').filter(|rest| rest.starts_with("\\x") || rest.starts_with("\\X")).unwrap_or(text);
    let hex = match text.as_bytes() {
        [b'\\' | b'0', b'x' | b'X', ..] => Some(&text.as_bytes()[2..]),
        _ => None,
    };
    let Some(hex) = hex else {
        return Ok(text.replace("\\t", "\t").replace("\\n", "\n").into_bytes());
    };
    if hex.is_empty() {
        return Err(invalid("there are no hex digits behind x"));
    }
    if !hex.len().is_multiple_of(2) {
        return Err(invalid("a byte has two hex digits"));
    }
    hex.chunks(2)
        .map(|pair| {
            let digits = pair.iter().map(|digit| char::from(*digit).to_digit(16)).collect::<Option<Vec<_>>>();
            digits.and_then(|digits| u8::try_from(digits[0] * 16 + digits[1]).ok())
        })
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| invalid("these are no hex digits"))
}

fn check_delimiter(name: &str, delimiter: &[u8]) -> Result<()> {
    if delimiter.is_empty() || delimiter.len() > MAX_DELIMITER_BYTES {
        return Err(ConnectorError::option(format!(
            "option \"{name}\" has {} bytes; 1 to {MAX_DELIMITER_BYTES} are allowed",
            delimiter.len()
        )));
    }
    let first = delimiter[0];
    if first.is_ascii_alphanumeric() || b"+-.: \\".contains(&first) {
        return Err(ConnectorError::option(format!(
            "option \"{name}\" begins with {:?}, which also stands in numbers, dates or NULL; use a byte such as \\x01",
            char::from(first)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_read_as_the_server_reads_them() {
        let parse = |text| parse_delimiter("column_separator", text);
        assert_eq!(parse("\\x01").unwrap(), [1]);
        assert_eq!(parse("\\\\x01").unwrap(), [1]);
        assert_eq!(parse("0X0D0a").unwrap(), [13, 10]);
        assert_eq!(parse("\\x5e5e").unwrap(), b"^^");
        assert_eq!(parse("\\t").unwrap(), b"\t");
        assert_eq!(parse("<br>").unwrap(), b"<br>");
        assert_eq!(parse("，").unwrap(), "，".as_bytes());
        assert!(parse("\\x").unwrap_err().message().contains("no hex digits behind x"));
        assert!(parse("0x1").unwrap_err().message().contains("two hex digits"));
        assert!(parse("\\xgg").unwrap_err().message().contains("these are no hex digits"));
    }

    #[test]
    fn delimiters_that_a_reader_could_find_elsewhere_are_refused() {
        let check = |separator, delimiter| CsvFormat::parse(Some(separator), Some(delimiter));
        assert!(check("\\x01", "\\x02").is_ok());
        assert!(check(",", "\\n").is_ok());
        assert!(check("^^", "<br>").is_ok());
        for (separator, delimiter) in [
            ("-", "\\n"),
            ("1", "\\n"),
            ("\\", "\\n"),
            ("", "\\n"),
            ("|", "|"),
            ("||", "|"),
            ("|\\n", "\\n"),
            ("^|", "|^"),
        ] {
            assert!(check(separator, delimiter).is_err(), "{separator:?} {delimiter:?}");
        }
        assert!(check(&"|".repeat(51), "\\n").is_err());
    }

    #[test]
    fn headers_name_delimiters_in_hex() {
        let format = CsvFormat::parse(Some("^^"), None).unwrap();
        assert_eq!(format.column_separator_header(), "\\x5e5e");
        assert_eq!(format.row_delimiter_header(), "\\x02");
    }
}
