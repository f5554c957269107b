//! What a text table's files look like.

use arrow::datatypes::DataType;
use encoding_rs::{Encoding, UTF_8};

use super::delimiter::delimiter;
use crate::error::{ConnectorError, Result};
use crate::options::{Options, nearest};

/// 64 MB: a line that is longer is far more often a wrong delimiter than a row.
const MAX_LINE_BYTES: usize = 64 << 20;

/// What becomes of a field that is no value of its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadValue {
    /// NULL, as in Hive; a fraction or digits that the type cannot hold are cut or rounded.
    Null,
    /// The row is a reject (in a query: an error), also when a fraction or digits would be lost.
    Error,
}

/// How files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip by the file's name (`.gz`) or first bytes, else none.
    Auto,
    /// Not at all.
    None,
    /// gzip, one member or several.
    Gzip,
}

/// What a text table's files look like. [`TextTableOptions::new`] is Hive's text with one field per line.
#[derive(Debug, Clone, PartialEq)]
pub struct TextTableOptions {
    /// Names and types of the columns, in the order of the fields. [`hive_type`](super::hive_type) reads a type.
    pub columns: Vec<(String, DataType)>,
    /// What separates fields; None: a line is one field.
    pub fields_delimiter: Option<Vec<u8>>,
    /// A byte that makes the next one data: `\n` and `\r` behind it are LF and CR. It does not protect a line's end.
    pub escape: Option<u8>,
    /// What ends a line; None: LF, CR LF or a CR alone, as in Hive, Spark and DataX.
    pub line_delimiter: Option<Vec<u8>>,
    /// A field of exactly these bytes, before escapes are read, is NULL.
    pub null_marker: Vec<u8>,
    /// Lines to leave out at the start of each file.
    pub skip_lines: u64,
    /// The files' encoding.
    pub encoding: &'static Encoding,
    /// Whether a byte order mark chooses between the byte orders of UTF-16.
    pub byte_order_mark_decides: bool,
    /// The files' compression.
    pub compression: Compression,
    /// The longest line in bytes of UTF-8; a longer one is a reject.
    pub max_line_bytes: usize,
    /// What becomes of a field that is no value of its column's type.
    pub bad_value: BadValue,
}

/// The properties that [`TextTableOptions::with_properties`] reads.
const KNOWN: &[&str] = &[
    "skip.header.line.count",
    "serialization.null.format",
    "serialization.encoding",
    "encoding",
    "compression",
    "max_line_bytes",
    "bad_value",
    "field.delim",
    "line.delim",
    "escape.delim",
];

/// What other engines write into a table's properties and what changes nothing about how text is read.
const WITHOUT_EFFECT: &[&str] =
    &["external", "transient_lastddltime", "serialization.format", "comment", "bucketing_version"];

impl TextTableOptions {
    /// Lines of UTF-8 without fields, `\N` for NULL, no header.
    pub fn new(columns: Vec<(String, DataType)>) -> Self {
        Self {
            columns,
            fields_delimiter: None,
            escape: None,
            line_delimiter: None,
            null_marker: br"\N".to_vec(),
            skip_lines: 0,
            encoding: UTF_8,
            byte_order_mark_decides: false,
            compression: Compression::Auto,
            max_line_bytes: MAX_LINE_BYTES,
            bad_value: BadValue::Null,
        }
    }

    /// [`new`](Self::new) with TBLPROPERTIES or OPTIONS put in; the second part is a warning for each name that is not known.
    ///
    /// # Errors
    /// As [`with_properties`](Self::with_properties).
    pub fn from_properties(columns: Vec<(String, DataType)>, properties: &Options) -> Result<(Self, Vec<String>)> {
        Self::new(columns).with_properties(properties)
    }

    /// Puts TBLPROPERTIES or OPTIONS in; the second part is a warning for each name that is not known.
    ///
    /// # Errors
    /// Code Option for a value that is none of its property's, naming the property.
    pub fn with_properties(mut self, properties: &Options) -> Result<(Self, Vec<String>)> {
        let mut warnings = Vec::new();
        for (name, value) in properties.iter() {
            match name.to_ascii_lowercase().as_str() {
                "skip.header.line.count" => self.skip_lines = number(name, value)?,
                "serialization.null.format" => self.null_marker = delimiter(value),
                "encoding" | "serialization.encoding" => self.set_encoding(value)?,
                "compression" => self.compression = compression(value)?,
                "max_line_bytes" => self.max_line_bytes = bytes(name, value)?,
                "bad_value" => self.bad_value = bad_value(value)?,
                "field.delim" => self.set_fields_delimiter(delimiter(value)),
                "line.delim" => self.set_line_delimiter(delimiter(value)),
                "escape.delim" => self.set_escape(&delimiter(value))?,
                lower if WITHOUT_EFFECT.contains(&lower) => {}
                _ => warnings.push(unknown(name)),
            }
        }
        Ok((self, warnings))
    }

    /// Sets what separates fields; no bytes: a line is one field.
    pub fn set_fields_delimiter(&mut self, delimiter: Vec<u8>) {
        self.fields_delimiter = Some(delimiter).filter(|delimiter| !delimiter.is_empty());
    }

    /// Sets what ends a line. LF is the default, in which CR LF and CR end one too: that is what `LINES TERMINATED BY '\n'` means in Hive.
    pub fn set_line_delimiter(&mut self, delimiter: Vec<u8>) {
        self.line_delimiter = Some(delimiter).filter(|delimiter| !matches!(delimiter.as_slice(), b"" | b"\n"));
    }

    /// Sets ESCAPED BY; no bytes: no escape.
    ///
    /// # Errors
    /// Code Option when it is not one byte of ASCII.
    pub fn set_escape(&mut self, escape: &[u8]) -> Result<()> {
        self.escape = match escape {
            [] => None,
            [byte] if byte.is_ascii() => Some(*byte),
            _ => return Err(ConnectorError::option("ESCAPED BY takes one ASCII character")),
        };
        Ok(())
    }

    /// Sets the encoding by one of the names that browsers know (encoding.spec.whatwg.org), in which `latin1` is windows-1252.
    /// `utf-16` is read in the byte order that its mark names, little-endian without one.
    ///
    /// # Errors
    /// Code Option for a name that is not known.
    pub fn set_encoding(&mut self, name: &str) -> Result<()> {
        self.encoding = Encoding::for_label_no_replacement(name.as_bytes()).ok_or_else(|| {
            let known = [
                "utf-8",
                "gbk",
                "gb18030",
                "big5",
                "utf-16",
                "utf-16le",
                "utf-16be",
                "shift_jis",
                "euc-jp",
                "euc-kr",
                "latin1",
            ];
            let hint = match nearest(name, known) {
                Some(known) => format!("; did you mean \"{known}\"?"),
                None => format!("; among the known are {}", known.join(", ")),
            };
            ConnectorError::option(format!("unknown encoding \"{}\"{hint}", name.escape_debug()))
        })?;
        self.byte_order_mark_decides = name.trim().eq_ignore_ascii_case("utf-16");
        Ok(())
    }

    /// Whether the parts fit together.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(ConnectorError::option(message));
        if self.columns.is_empty() {
            return refuse("a text table needs a column");
        }
        for (index, (name, _)) in self.columns.iter().enumerate() {
            if self.columns[..index].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return refuse(&format!("column \"{}\" is there twice", name.escape_debug()));
            }
        }
        if self.max_line_bytes == 0 {
            return refuse("\"max_line_bytes\" is above zero");
        }
        let delimiters = [&self.fields_delimiter, &self.line_delimiter];
        for delimiter in delimiters.into_iter().flatten() {
            if delimiter.is_empty() {
                return refuse("a delimiter has at least one byte");
            }
            if self.encoding != UTF_8 && std::str::from_utf8(delimiter).is_err() {
                return refuse(
                    "a delimiter that is no UTF-8 needs files in UTF-8: others are decoded before they are cut",
                );
            }
            if self.escape.is_some_and(|escape| delimiter.contains(&escape)) {
                return refuse("a delimiter cannot hold the character of ESCAPED BY");
            }
        }
        let lines = self.line_delimiter.as_deref().unwrap_or(b"\n");
        if self.fields_delimiter.as_deref() == Some(lines) {
            return refuse("fields and lines cannot end in the same delimiter");
        }
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    let hint = nearest(name, KNOWN.iter().copied()).map(|known| format!("; did you mean \"{known}\"?"));
    format!(
        "property \"{}\" is not known to text tables and has no effect{}",
        name.escape_debug(),
        hint.unwrap_or_default()
    )
}

fn number(name: &str, value: &str) -> Result<u64> {
    value.trim().parse().map_err(|_| ConnectorError::option(format!("property \"{name}\" is a whole number from 0")))
}

/// `1048576`, `64MB`, `64 m`, `1g`: powers of 1024, as load_bytes is written.
fn bytes(name: &str, value: &str) -> Result<usize> {
    let lower = value.trim().to_ascii_lowercase();
    let digits = lower.len() - lower.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = lower.split_at(digits);
    let shift = match unit.trim() {
        "" | "b" => Some(0),
        "k" | "kb" => Some(10),
        "m" | "mb" => Some(20),
        "g" | "gb" => Some(30),
        _ => None,
    };
    let bytes = shift.and_then(|shift| number.parse::<usize>().ok()?.checked_mul(1 << shift));
    bytes.filter(|bytes| (1..=1 << 30).contains(bytes)).ok_or_else(|| {
        ConnectorError::option(format!("property \"{name}\" is a number of bytes from 1 to 1 GB, such as 64MB"))
    })
}

fn compression(value: &str) -> Result<Compression> {
    match value.trim().to_ascii_lowercase().as_str() {
        "" | "auto" => Ok(Compression::Auto),
        "none" | "uncompressed" => Ok(Compression::None),
        "gzip" | "gz" => Ok(Compression::Gzip),
        other @ ("bzip2" | "bz2" | "zstd" | "xz" | "snappy" | "lz4" | "lzo" | "deflate" | "zip" | "brotli") => {
            Err(super::decompress::not_built_yet(&format!("\"compression\" = \"{other}\"")))
        }
        _ => Err(ConnectorError::option("property \"compression\" is auto, none or gzip")),
    }
}

fn bad_value(value: &str) -> Result<BadValue> {
    match value.trim().to_ascii_lowercase().as_str() {
        "null" => Ok(BadValue::Null),
        "error" => Ok(BadValue::Error),
        _ => Err(ConnectorError::option("property \"bad_value\" is null or error")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<(TextTableOptions, Vec<String>)> {
        TextTableOptions::from_properties(vec![("col".to_owned(), DataType::Utf8)], &entries.iter().copied().collect())
    }

    #[test]
    fn properties_have_hives_names() {
        let (options, warnings) = read(&[
            ("skip.header.line.count", "2"),
            ("serialization.null.format", "NULL"),
            ("encoding", "gbk"),
            ("compression", "gzip"),
            ("MAX_LINE_BYTES", "1MB"),
            ("bad_value", "error"),
            ("field.delim", r"\x01"),
            ("line.delim", r"\r"),
            ("escape.delim", r"\\"),
            ("EXTERNAL", "TRUE"),
        ])
        .unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        let expected = TextTableOptions {
            columns: vec![("col".to_owned(), DataType::Utf8)],
            fields_delimiter: Some(vec![1]),
            escape: Some(b'\\'),
            line_delimiter: Some(b"\r".to_vec()),
            null_marker: b"NULL".to_vec(),
            skip_lines: 2,
            encoding: encoding_rs::GBK,
            byte_order_mark_decides: false,
            compression: Compression::Gzip,
            max_line_bytes: 1 << 20,
            bad_value: BadValue::Error,
        };
        assert_eq!(options, expected);
        assert!(options.check().is_ok());
    }

    #[test]
    fn an_unknown_property_is_a_warning_with_a_suggestion() {
        let (_, warnings) = read(&[("skip.header.line.cout", "1"), ("owner", "x")]).unwrap();
        assert!(warnings[0].contains("did you mean \"skip.header.line.count\"?"), "{warnings:?}");
        assert!(warnings[1].contains("\"owner\" is not known"), "{warnings:?}");
    }

    #[test]
    fn a_bad_value_is_an_error() {
        for (name, value) in [
            ("skip.header.line.count", "-1"),
            ("encoding", "utf-9"),
            ("compression", "zstd"),
            ("compression", "best"),
            ("max_line_bytes", "0"),
            ("max_line_bytes", "2g"),
            ("bad_value", "x"),
            ("escape.delim", "ab"),
        ] {
            assert!(read(&[(name, value)]).is_err(), "{name} {value}");
        }
        assert!(read(&[("encoding", "utf-9")]).unwrap_err().message().contains("did you mean \"utf-8\"?"));
        assert!(read(&[("compression", "zstd")]).unwrap_err().message().contains("not built yet"));
    }

    #[test]
    fn line_feeds_are_the_default_however_they_are_written() {
        for text in [r"\n", "\n", "0x0A", ""] {
            assert_eq!(read(&[("line.delim", text)]).unwrap().0.line_delimiter, None, "{text:?}");
        }
        assert_eq!(read(&[("line.delim", r"\r\n")]).unwrap().0.line_delimiter, Some(b"\r\n".to_vec()));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        for entries in [
            &[("field.delim", "a"), ("line.delim", "a")][..],
            &[("field.delim", "\n")],
            &[("field.delim", "a\\b"), ("escape.delim", "\\")],
            &[("field.delim", r"\xFF"), ("encoding", "gbk")],
        ] {
            assert!(read(entries).unwrap().0.check().is_err(), "{entries:?}");
        }
        assert!(TextTableOptions::new(vec![]).check().is_err());
        let twice = ["a", "b", "A"].map(|name| (name.to_owned(), DataType::Utf8)).to_vec();
        assert!(TextTableOptions::new(twice).check().unwrap_err().message().contains("\"A\" is there twice"));
    }
}
