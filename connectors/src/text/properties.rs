//! TBLPROPERTIES, SERDEPROPERTIES and OPTIONS of a text table, by the names that Hive and Spark give them.

use super::datetime_pattern::DateTimePattern;
use super::delimiter::{delimiter, serde_delimiter};
use super::options::{BadValue, Compression, TextTableOptions};
use super::spark_values::zone;
use super::syntax::{CsvDialect, CsvSyntax, JsonSyntax, RowMode, RowSyntax};
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::{Options, nearest};

/// What any text table takes.
const COMMON: &[&str] = &[
    "skip.header.line.count",
    "serialization.null.format",
    "serialization.encoding",
    "encoding",
    "charset",
    "compression",
    "codec",
    "max_line_bytes",
    "bad_value",
    "lineSep",
    "line.delim",
    "textinputformat.record.delimiter",
    "timeZone",
];

/// What delimited text takes besides.
const DELIMITED: &[&str] = &["field.delim", "escape.delim", "collection.delim", "colelction.delim", "mapkey.delim"];

/// What CSV takes besides.
const CSV: &[&str] = &[
    "sep",
    "delimiter",
    "field.delim",
    "separatorChar",
    "quote",
    "quoteChar",
    "escape",
    "escapeChar",
    "escape.delim",
    "header",
    "comment",
    "multiLine",
    "nullValue",
    "emptyValue",
    "ignoreLeadingWhiteSpace",
    "ignoreTrailingWhiteSpace",
    "mode",
    "dateFormat",
    "timestampFormat",
    "dialect",
    "skipEmptyRecords",
];

/// What JSON takes besides.
const JSON: &[&str] = &["mode", "dateFormat", "timestampFormat", "ignore.malformed.json"];

/// What other engines write into a table's properties, what guides only their guesses at types, and what only their writers read: none
/// of it changes how text is read.
const WITHOUT_EFFECT: &[&str] = &[
    "external",
    "external.table.purge",
    "transient_lastddltime",
    "last_modified_by",
    "last_modified_time",
    "serialization.format",
    "comment",
    "bucketing_version",
    "numfiles",
    "numrows",
    "rawdatasize",
    "totalsize",
    "column_stats_accurate",
    "case.insensitive",
    "inferschema",
    "samplingratio",
    "prefersdecimal",
    "preferdate",
    "dropfieldifallnull",
    "enforceschema",
    "quoteall",
    "escapequotes",
    "ignorenullfields",
    "maxcolumns",
    "inputbuffersize",
    "header.for.writer",
];

/// Options of Spark and Hive that change what is read, and which this version does not have: each with the one value that it can be.
const FIXED: &[(&str, &str)] = &[
    ("allowBackslashEscapingAnyCharacter", "false"),
    ("allowComments", "false"),
    ("allowNonNumericNumbers", "true"),
    ("allowNumericLeadingZeros", "false"),
    ("allowSingleQuotes", "true"),
    ("allowUnquotedControlChars", "false"),
    ("allowUnquotedFieldNames", "false"),
    ("charToEscapeQuoteEscaping", ""),
    ("columnNameOfCorruptRecord", ""),
    ("locale", "en-US"),
    ("maxCharsPerColumn", "-1"),
    ("modifiedAfter", ""),
    ("modifiedBefore", ""),
    ("nanValue", "NaN"),
    ("negativeInf", "-Inf"),
    ("pathGlobFilter", ""),
    ("positiveInf", "Inf"),
    ("primitivesAsString", "false"),
    ("recursiveFileLookup", "false"),
    ("serialization.last.column.takes.rest", "false"),
    ("skip.footer.line.count", "0"),
    ("timestamp.formats", ""),
    ("unescapedQuoteHandling", "STOP_AT_DELIMITER"),
    ("wholetext", "false"),
];

impl TextTableOptions {
    /// [`new`](Self::new) with TBLPROPERTIES or OPTIONS put in; the second part is a warning for each name that is not known.
    ///
    /// # Errors
    /// As [`with_properties`](Self::with_properties).
    pub fn from_properties(
        columns: Vec<(String, arrow::datatypes::DataType)>,
        properties: &Options,
    ) -> Result<(Self, Vec<String>)> {
        Self::new(columns).with_properties(properties)
    }

    /// Puts TBLPROPERTIES, SERDEPROPERTIES or OPTIONS in; the second part is a warning for each name that is not known.
    ///
    /// # Errors
    /// Code Option for a value that is none of its property's, naming the property; Unsupported for an option that is known to Hive or
    /// Spark and would change what is read.
    pub fn with_properties(mut self, properties: &Options) -> Result<(Self, Vec<String>)> {
        let mut warnings = Vec::new();
        // what other properties change
        if let Some(dialect) = properties.get("dialect") {
            self.set_dialect(dialect)?;
        }
        // LazySimpleSerDe's other name of field.delim, which wins; Spark writes its default, 1, into every definition
        let format = properties.get("serialization.format").filter(|format| *format != "1");
        if let (RowSyntax::Delimited, Some(value)) = (&self.syntax, format) {
            self.set_fields_delimiter(serde_delimiter(value));
        }
        for (name, value) in properties.iter() {
            let lower = name.to_ascii_lowercase();
            // how a file is asked for is not about what it holds
            if lower.starts_with(crate::http::TABLE_OPTION) || self.set_common(&lower, name, value)? {
                continue;
            }
            let mut syntax = self.syntax.clone();
            let is_set = match &mut syntax {
                RowSyntax::Delimited => self.set_delimited(&lower, value)?,
                RowSyntax::Csv(csv) => self.set_csv(csv, &lower, name, value)?,
                RowSyntax::Json(json) => self.set_json(json, &lower, name, value)?,
            };
            self.syntax = syntax;
            if !is_set && !WITHOUT_EFFECT.contains(&lower.as_str()) {
                warnings.extend(self.not_taken(name, value)?);
            }
        }
        Ok((self, warnings))
    }

    fn set_common(&mut self, lower: &str, name: &str, value: &str) -> Result<bool> {
        match lower {
            "skip.header.line.count" => self.skip_lines = number(name, value)?,
            "serialization.null.format" => self.null_marker = delimiter(value),
            "encoding" | "charset" | "serialization.encoding" => self.set_encoding(value)?,
            "compression" | "codec" => self.compression = compression(name, value)?,
            "max_line_bytes" => self.max_line_bytes = bytes(name, value)?,
            "bad_value" => self.bad_value = bad_value(value)?,
            "line.delim" => self.set_line_delimiter(serde_delimiter(value)),
            // exactly this, where LF of line.delim means CR LF and CR too
            "linesep" | "textinputformat.record.delimiter" => {
                self.line_delimiter = Some(delimiter(value)).filter(|delimiter| !delimiter.is_empty());
            }
            "timezone" => {
                self.time_zone = zone(value.trim()).ok_or_else(|| {
                    ConnectorError::option(format!(
                        "property \"{name}\": there is no zone \"{}\"",
                        value.escape_debug()
                    ))
                })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_delimited(&mut self, lower: &str, value: &str) -> Result<bool> {
        match lower {
            "field.delim" => self.set_fields_delimiter(serde_delimiter(value)),
            "escape.delim" => self.set_escape(&serde_delimiter(value))?,
            // Hive 1 and 2 misspelt it
            "collection.delim" | "colelction.delim" => self.set_collection_delimiter(&serde_delimiter(value))?,
            "mapkey.delim" => self.set_map_key_delimiter(&serde_delimiter(value))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_csv(&mut self, csv: &mut CsvSyntax, lower: &str, name: &str, value: &str) -> Result<bool> {
        match lower {
            "sep" | "delimiter" | "separatorchar" | "field.delim" => self.set_fields_delimiter(delimiter(value)),
            "quote" | "quotechar" => csv.quote = character(name, value)?,
            "escape" | "escapechar" | "escape.delim" => csv.escape = character(name, value)?,
            "header" => csv.header = boolean(name, value)?,
            // of a table it is what a person reads; of OPTIONS one character
            "comment" if value.is_empty() || delimiter(value).len() == 1 => csv.comment = character(name, value)?,
            "multiline" if csv.dialect == CsvDialect::OpenCsv && boolean(name, value)? => {
                return Err(ConnectorError::option(
                    "in a table of OpenCSVSerde each line is a row; STORED AS CSV has line ends within quotes",
                ));
            }
            "multiline" => csv.multi_line = boolean(name, value)?,
            "nullvalue" => self.null_marker = delimiter(value),
            "emptyvalue" => csv.empty_value = delimiter(value),
            "ignoreleadingwhitespace" => csv.ignore_leading_white_space = boolean(name, value)?,
            "ignoretrailingwhitespace" => csv.ignore_trailing_white_space = boolean(name, value)?,
            "mode" => self.mode = mode(value)?,
            // read before the others
            "dialect" => {}
            "skipemptyrecords" if csv.dialect == CsvDialect::DataX => csv.skips_empty_lines = boolean(name, value)?,
            _ if lower.starts_with("timestampformat.") => {
                let column = name.get("timestampformat.".len()..).unwrap_or_default();
                csv.column_formats.push((column.to_owned(), pattern(name, value)?));
            }
            "dateformat" => csv.date_format = Some(pattern(name, value)?),
            "timestampformat" | "timestampntzformat" => csv.timestamp_format = Some(pattern(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_json(&mut self, json: &mut JsonSyntax, lower: &str, name: &str, value: &str) -> Result<bool> {
        match lower {
            "mode" => self.mode = mode(value)?,
            "dateformat" => json.date_format = Some(pattern(name, value)?),
            "timestampformat" | "timestampntzformat" => json.timestamp_format = Some(pattern(name, value)?),
            // a bad line is NULL anyway unless bad_value or mode says otherwise
            "ignore.malformed.json" => drop(boolean(name, value)?),
            "multiline" if boolean(name, value)? => {
                let message = "\"multiLine\" of JSON is not built yet: each object stands in one line";
                return Err(ConnectorError::new(ErrorCode::Unsupported, message));
            }
            "multiline" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A warning for a name that is not known; an error for one that is, and that the table would be read otherwise with.
    fn not_taken(&self, name: &str, value: &str) -> Result<Option<String>> {
        if let Some((known, only)) = FIXED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            if value.trim().eq_ignore_ascii_case(only) {
                return Ok(None);
            }
            let hint = if only.is_empty() { String::new() } else { format!("; it is always {only}") };
            let message = format!("the option \"{known}\" is not built yet{hint}");
            return Err(ConnectorError::new(ErrorCode::Unsupported, message));
        }
        // STORED AS CSV keeps what Hive knows as a table's comment
        let own = match &self.syntax {
            RowSyntax::Delimited => DELIMITED,
            RowSyntax::Csv(_) => CSV,
            RowSyntax::Json(_) => JSON,
        };
        let known = || COMMON.iter().chain(own).copied();
        let hint = nearest(name, known()).map(|known| format!("; did you mean \"{known}\"?"));
        let kind = match &self.syntax {
            RowSyntax::Delimited => "delimited text",
            RowSyntax::Csv(CsvSyntax { dialect: CsvDialect::OpenCsv, .. }) => "OpenCSVSerde",
            RowSyntax::Csv(_) => "CSV",
            RowSyntax::Json(_) => "JSON",
        };
        Ok(Some(format!(
            "property \"{}\" is not known to tables of {kind} and has no effect{}",
            name.escape_debug(),
            hint.unwrap_or_default()
        )))
    }
}

fn number(name: &str, value: &str) -> Result<u64> {
    value.trim().parse().map_err(|_| ConnectorError::option(format!("property \"{name}\" is a whole number from 0")))
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    match value.trim() {
        value if value.eq_ignore_ascii_case("true") => Ok(true),
        value if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(ConnectorError::option(format!("property \"{name}\" is true or false"))),
    }
}

/// One character of ASCII; no text and NUL are none, as in Spark.
fn character(name: &str, value: &str) -> Result<Option<u8>> {
    match delimiter(value).as_slice() {
        [] | [0] => Ok(None),
        [byte] if byte.is_ascii() => Ok(Some(*byte)),
        _ => Err(ConnectorError::option(format!("property \"{name}\" is one ASCII character"))),
    }
}

fn pattern(name: &str, value: &str) -> Result<DateTimePattern> {
    DateTimePattern::parse(value)
        .map_err(|error| ConnectorError::new(error.code(), format!("property \"{name}\": {}", error.message())))
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

fn compression(name: &str, value: &str) -> Result<Compression> {
    match value.trim().to_ascii_lowercase().as_str() {
        "" | "auto" => Ok(Compression::Auto),
        "none" | "uncompressed" => Ok(Compression::None),
        "gzip" | "gz" => Ok(Compression::Gzip),
        "zstd" | "zst" => Ok(Compression::Zstd),
        "bzip2" | "bz2" => Ok(Compression::Bzip2),
        "deflate" => Ok(Compression::Deflate),
        "zip" => Ok(Compression::Zip),
        other @ ("xz" | "snappy" | "lz4" | "lzo" | "brotli") => {
            Err(super::decompress::not_built_yet(&format!("\"{name}\" = \"{other}\"")))
        }
        _ => {
            Err(ConnectorError::option(format!("property \"{name}\" is auto, none, gzip, zstd, bzip2, deflate or zip")))
        }
    }
}

fn bad_value(value: &str) -> Result<BadValue> {
    match value.trim().to_ascii_lowercase().as_str() {
        "null" => Ok(BadValue::Null),
        "error" => Ok(BadValue::Error),
        _ => Err(ConnectorError::option("property \"bad_value\" is null or error")),
    }
}

fn mode(value: &str) -> Result<RowMode> {
    match value.trim().to_ascii_uppercase().as_str() {
        "PERMISSIVE" => Ok(RowMode::Permissive),
        "DROPMALFORMED" => Ok(RowMode::DropMalformed),
        "FAILFAST" => Ok(RowMode::FailFast),
        _ => Err(ConnectorError::option("property \"mode\" is PERMISSIVE, DROPMALFORMED or FAILFAST")),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

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
            fields_delimiter: Some(vec![1]),
            escape: Some(b'\\'),
            line_delimiter: Some(b"\r".to_vec()),
            null_marker: b"NULL".to_vec(),
            skip_lines: 2,
            encoding: encoding_rs::GBK,
            compression: Compression::Gzip,
            max_line_bytes: 1 << 20,
            bad_value: BadValue::Error,
            ..TextTableOptions::new(vec![("col".to_owned(), DataType::Utf8)])
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
            ("compression", "lzo"),
            ("compression", "best"),
            ("max_line_bytes", "0"),
            ("max_line_bytes", "2g"),
            ("bad_value", "x"),
            ("escape.delim", "ab"),
        ] {
            assert!(read(&[(name, value)]).is_err(), "{name} {value}");
        }
        assert!(read(&[("encoding", "utf-9")]).unwrap_err().message().contains("did you mean \"utf-8\"?"));
        assert!(read(&[("compression", "lzo")]).unwrap_err().message().contains("not built yet"));
    }

    #[test]
    fn line_feeds_are_the_default_however_they_are_written() {
        for text in [r"\n", "\n", "0x0A", ""] {
            assert_eq!(read(&[("line.delim", text)]).unwrap().0.line_delimiter, None, "{text:?}");
        }
        for (name, text, bytes) in [
            ("line.delim", r"\r\n", "\r\n"),
            ("lineSep", r"\n", "\n"),
            ("textinputformat.record.delimiter", "\n", "\n"),
        ] {
            assert_eq!(read(&[(name, text)]).unwrap().0.line_delimiter, Some(bytes.as_bytes().to_vec()), "{name}");
        }
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
