//! What is in a line of text: delimited fields, CSV, or JSON.

use super::datetime_pattern::DateTimePattern;

/// How a text table is defined, before its properties are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextPreset {
    /// Hive's `STORED AS TEXTFILE`: fields end in `\x01`, NULL is `\N`. A table of one column has whole lines.
    Hive,
    /// `STORED AS CSV`: RFC 4180. A comma, quotes that are doubled within quotes, line ends within quotes.
    Csv,
    /// Hive's OpenCSVSerde: a comma, quotes, a backslash; every column is text, and an empty field is no NULL.
    OpenCsv,
    /// Spark's `USING csv`.
    SparkCsv,
    /// `STORED AS JSON` and Hive's JSON SerDes: an object per line.
    Json,
    /// Spark's `USING json`.
    SparkJson,
    /// Spark's `USING text`: each line is a value, and nothing is NULL.
    SparkText,
}

/// What is in a line.
#[derive(Debug, Clone, PartialEq)]
pub enum RowSyntax {
    /// Fields between delimiters, without quoting.
    Delimited,
    /// Fields that may be quoted.
    Csv(CsvSyntax),
    /// One JSON object.
    Json(JsonSyntax),
}

/// Fields that may be quoted. What separates them is
/// [`fields_delimiter`](super::TextTableOptions::fields_delimiter), the unquoted text for NULL is
/// [`null_marker`](super::TextTableOptions::null_marker).
#[derive(Debug, Clone, PartialEq)]
pub struct CsvSyntax {
    /// What stands around fields; None: nothing does.
    pub quote: Option<u8>,
    /// A byte that makes a quote (or itself) behind it data within quotes; None: a doubled quote is one.
    pub escape: Option<u8>,
    /// Which of the readers that differ in odd places is followed.
    pub dialect: CsvDialect,
    /// Whether the first line of a file that is not blank holds names.
    pub header: bool,
    /// Lines that begin with it are left out.
    pub comment: Option<u8>,
    /// Whether a line's end within quotes is data. Such a file is read by one core.
    pub multi_line: bool,
    /// What `""` stands for.
    pub empty_value: Vec<u8>,
    /// Whether spaces in front of an unquoted field are dropped.
    pub ignore_leading_white_space: bool,
    /// Whether spaces behind an unquoted field are dropped.
    pub ignore_trailing_white_space: bool,
    /// How dates are written; None: `2024-08-07`.
    pub date_format: Option<DateTimePattern>,
    /// How timestamps are written; None: `2024-08-07 12:34:56` and ISO 8601.
    pub timestamp_format: Option<DateTimePattern>,
    /// The same for single columns, by name without case, which wins.
    pub column_formats: Vec<(String, DateTimePattern)>,
    /// Of [`CsvDialect::DataX`]: whether an empty line is no row. It is a row of one empty field else.
    pub skips_empty_lines: bool,
}

/// A text for NULL that says that nothing is NULL.
pub(super) const NO_NULL: &[u8] = b"\n";

/// Readers of CSV that differ in odd places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsvDialect {
    /// RFC 4180.
    Rfc4180,
    /// Spark's (univocity): a quote that is not at the start of a field is data, a blank line is no row.
    Spark,
    /// Hive's (opencsv): quotes anywhere in a field switch quoting on and off.
    OpenCsv,
    /// DataX's CsvReader (javacsv): spaces and tabs around fields are dropped, quotes are doubled, an empty field is the empty text, and
    /// a row that has fewer fields than columns, or a value that does not convert, is dirty.
    DataX,
}

/// One JSON object in a line.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonSyntax {
    /// How dates are written; None: `2024-08-07`.
    pub date_format: Option<DateTimePattern>,
    /// How timestamps are written; None: `2024-08-07 12:34:56` and ISO 8601.
    pub timestamp_format: Option<DateTimePattern>,
}

/// What becomes of a row that is not as it should be: not of the syntax, or with a field that is no value of its column's type.
/// Spark's `mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowMode {
    /// What cannot be read is NULL.
    Permissive,
    /// The row is left out.
    DropMalformed,
    /// An error.
    FailFast,
}
