//! What a text table's files look like.

use arrow::datatypes::DataType;
use encoding_rs::{Encoding, UTF_8};
use jiff::tz::TimeZone;

use super::nested::Nesting;
use super::syntax::{CsvDialect, CsvSyntax, JsonSyntax, NO_NULL, RowMode, RowSyntax, TextPreset};
use super::values::ValueRules;
use crate::error::{ConnectorError, Result};
use crate::options::nearest;

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
    /// By the file's name (`.gz`, `.zst`, `.bz2`, `.deflate`, `.zip`) or first bytes, else none.
    Auto,
    /// Not at all.
    None,
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
    /// bzip2, one stream or several.
    Bzip2,
    /// zlib, which is what Hadoop's `.deflate` files hold.
    Deflate,
    /// A ZIP archive of one file.
    Zip,
}

/// What a text table's files look like. [`TextTableOptions::new`] is Hive's text with one field per line.
#[derive(Debug, Clone, PartialEq)]
pub struct TextTableOptions {
    /// Names and types of the columns, in the order of the fields. [`hive_type`](super::hive_type) reads a type.
    pub columns: Vec<(String, DataType)>,
    /// What is in a line.
    pub syntax: RowSyntax,
    /// How fields become values.
    pub values: ValueRules,
    /// What separates fields; None: a line is one field.
    pub fields_delimiter: Option<Vec<u8>>,
    /// A byte that makes the next one data: `\n` and `\r` behind it are LF and CR. It does not protect a line's end.
    pub escape: Option<u8>,
    /// What ends a line; None: LF, CR LF or a CR alone, as in Hive, Spark and DataX.
    pub line_delimiter: Option<Vec<u8>>,
    /// Of delimited fields: what separates the items of an ARRAY or MAP and the fields of a STRUCT.
    pub collection_delimiter: Vec<u8>,
    /// Of delimited fields: what separates a key of a MAP from its value.
    pub map_key_delimiter: Vec<u8>,
    /// A field of exactly these bytes, before escapes are read, is NULL. In CSV only where it is not quoted; JSON has its own.
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
    /// What becomes of a row that is not as it should be.
    pub mode: RowMode,
    /// In CSV and JSON: the zone in whose time a timestamp that names another one is told.
    pub time_zone: TimeZone,
}

/// The delimiters of nested values below those that are given, as Hive counts them on: `\x04` to `\x08`.
pub(super) const DEEPER_DELIMITERS: [u8; 5] = [4, 5, 6, 7, 8];

impl TextTableOptions {
    /// Lines of UTF-8 without fields, `\N` for NULL, no header.
    pub fn new(columns: Vec<(String, DataType)>) -> Self {
        Self {
            columns,
            syntax: RowSyntax::Delimited,
            values: ValueRules::Hive,
            fields_delimiter: None,
            escape: None,
            line_delimiter: None,
            collection_delimiter: vec![2],
            map_key_delimiter: vec![3],
            null_marker: br"\N".to_vec(),
            skip_lines: 0,
            encoding: UTF_8,
            byte_order_mark_decides: false,
            compression: Compression::Auto,
            max_line_bytes: MAX_LINE_BYTES,
            bad_value: BadValue::Null,
            mode: RowMode::Permissive,
            time_zone: TimeZone::UTC,
        }
    }

    /// What a table of this kind is before its properties are read. The columns of [`TextPreset::OpenCsv`] become text, as in Hive.
    pub fn of(preset: TextPreset, columns: Vec<(String, DataType)>) -> Self {
        let mut options = Self::new(columns);
        let spark = |options: &mut Self| {
            options.values = ValueRules::Spark;
            options.null_marker = Vec::new();
        };
        match preset {
            // A line is never cut for a delimiter that nobody named where there is but one column.
            TextPreset::Hive => options.fields_delimiter = (options.columns.len() > 1).then(|| vec![1]),
            TextPreset::Csv => {
                options.syntax =
                    RowSyntax::Csv(CsvSyntax { escape: None, multi_line: true, ..CsvSyntax::new(CsvDialect::Rfc4180) });
                options.fields_delimiter = Some(b",".to_vec());
                options.null_marker = Vec::new();
            }
            TextPreset::OpenCsv => {
                options.syntax = RowSyntax::Csv(CsvSyntax::new(CsvDialect::OpenCsv));
                options.fields_delimiter = Some(b",".to_vec());
                options.null_marker = NO_NULL.to_vec();
                for (_, data_type) in &mut options.columns {
                    *data_type = DataType::Utf8;
                }
            }
            TextPreset::SparkCsv => {
                options.syntax = RowSyntax::Csv(CsvSyntax::new(CsvDialect::Spark));
                options.fields_delimiter = Some(b",".to_vec());
                spark(&mut options);
            }
            TextPreset::Json => {
                options.syntax = RowSyntax::Json(JsonSyntax { date_format: None, timestamp_format: None });
            }
            TextPreset::SparkJson => {
                options.syntax = RowSyntax::Json(JsonSyntax { date_format: None, timestamp_format: None });
                spark(&mut options);
            }
            TextPreset::SparkText => {
                options.values = ValueRules::Spark;
                options.null_marker = NO_NULL.to_vec();
            }
        }
        options
    }

    /// Makes a table of CSV one that reads as another tool does: `datax`. What was set before is forgotten but for the columns and the zone.
    ///
    /// # Errors
    /// Code Option for a name that is not known, and for a table that is no CSV.
    pub(super) fn set_dialect(&mut self, name: &str) -> Result<()> {
        let RowSyntax::Csv(csv) = &mut self.syntax else {
            return Err(ConnectorError::option("property \"dialect\" is of CSV: write STORED AS CSV"));
        };
        if !name.trim().eq_ignore_ascii_case("datax") {
            return Err(ConnectorError::option("property \"dialect\" is datax, or left out"));
        }
        *csv = CsvSyntax::datax();
        self.null_marker = NO_NULL.to_vec();
        self.bad_value = BadValue::Error;
        Ok(())
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
        let escape = match escape {
            [] => None,
            [byte] if byte.is_ascii() => Some(*byte),
            _ => return Err(ConnectorError::option("ESCAPED BY takes one ASCII character")),
        };
        match &mut self.syntax {
            RowSyntax::Csv(csv) => csv.escape = escape,
            _ => self.escape = escape,
        }
        Ok(())
    }

    /// Sets COLLECTION ITEMS TERMINATED BY.
    ///
    /// # Errors
    /// Code Option when it has no bytes.
    pub fn set_collection_delimiter(&mut self, delimiter: &[u8]) -> Result<()> {
        self.collection_delimiter = not_empty("COLLECTION ITEMS TERMINATED BY", delimiter)?;
        Ok(())
    }

    /// Sets MAP KEYS TERMINATED BY.
    ///
    /// # Errors
    /// Code Option when it has no bytes.
    pub fn set_map_key_delimiter(&mut self, delimiter: &[u8]) -> Result<()> {
        self.map_key_delimiter = not_empty("MAP KEYS TERMINATED BY", delimiter)?;
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

    /// Whether the lines of a file can be found from anywhere within it: every occurrence of what ends a line does end one.
    ///
    /// It is not so of a delimiter that can overlap itself (`||` in `|||`), of UTF-16, in which a line feed's byte is part of other characters,
    /// of ISO-2022-JP, which has modes, and of delimiters that are told in UTF-8 but written in another encoding. In all other
    /// encodings the byte of LF stands for nothing else. Nor is it so of CSV whose fields may hold line ends, or whose header is
    /// known only from the file's start.
    pub fn is_splittable(&self) -> bool {
        if let RowSyntax::Csv(csv) = &self.syntax
            && (csv.multi_line || csv.header)
        {
            return false;
        }
        match &self.line_delimiter {
            None => self.encoding.is_ascii_compatible(),
            Some(delimiter) => {
                let overlaps =
                    (1..delimiter.len()).any(|len| delimiter.starts_with(&delimiter[delimiter.len() - len..]));
                self.encoding == UTF_8 && !overlaps
            }
        }
    }

    /// What the text is cut into lines at. In CSV whose line ends may be within quotes that is LF alone: a CR there is data.
    pub(super) fn cut_at(&self) -> Option<&[u8]> {
        match (&self.line_delimiter, &self.syntax) {
            (None, RowSyntax::Csv(csv)) if csv.multi_line => Some(b"\n"),
            (delimiter, _) => delimiter.as_deref(),
        }
    }

    /// Whether the parts fit together.
    pub(crate) fn check(&self) -> Result<()> {
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
        for (name, data_type) in &self.columns {
            match &self.syntax {
                RowSyntax::Delimited => Nesting::check(name, data_type)?,
                RowSyntax::Csv(_) if data_type.is_nested() => {
                    return refuse(&format!(
                        "column \"{}\": CSV holds no ARRAY, MAP or STRUCT; JSON does",
                        name.escape_debug()
                    ));
                }
                _ => {}
            }
        }
        if let RowSyntax::Csv(csv) = &self.syntax {
            if csv.dialect == CsvDialect::DataX && csv.escape.is_some() {
                return refuse("CSV of the dialect datax doubles quotes, and has no escape");
            }
            let known = |name: &str| self.columns.iter().any(|(column, _)| column.eq_ignore_ascii_case(name));
            if let Some((name, _)) = csv.column_formats.iter().find(|(name, _)| !known(name)) {
                return refuse(&format!("\"timestampFormat.{}\" names no column", name.escape_debug()));
            }
            let delimiter = self.fields_delimiter.as_deref().unwrap_or_default();
            if delimiter.is_empty() {
                return refuse("CSV needs a delimiter of fields");
            }
            let special = [csv.quote, csv.escape, csv.comment];
            if special.into_iter().flatten().any(|byte| delimiter.contains(&byte)) {
                return refuse("the delimiter of CSV cannot hold the quote, the escape or the comment character");
            }
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

fn not_empty(clause: &str, delimiter: &[u8]) -> Result<Vec<u8>> {
    match delimiter {
        [] => Err(ConnectorError::option(format!("{clause} takes at least one byte"))),
        bytes => Ok(bytes.to_vec()),
    }
}

impl CsvSyntax {
    /// Quotes with a backslash as their escape, no header.
    pub fn new(dialect: CsvDialect) -> Self {
        Self {
            quote: Some(b'"'),
            escape: Some(b'\\'),
            dialect,
            header: false,
            comment: None,
            multi_line: false,
            empty_value: Vec::new(),
            ignore_leading_white_space: false,
            ignore_trailing_white_space: false,
            date_format: None,
            timestamp_format: None,
            column_formats: Vec::new(),
            skips_empty_lines: true,
        }
    }

    /// DataX's text and CSV, as its CsvReader has them unless `csvReaderConfig` says otherwise. Line ends within quotes are data.
    fn datax() -> Self {
        Self {
            escape: None,
            multi_line: true,
            ignore_leading_white_space: true,
            ignore_trailing_white_space: true,
            ..Self::new(CsvDialect::DataX)
        }
    }
}
