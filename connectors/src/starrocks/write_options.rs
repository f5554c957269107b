//! What a write was told: settings of the write itself, and headers of its loads.

use std::time::Duration;

use super::stream_load::compress::Compression;
use super::stream_load::headers::{LOAD_PREFIX, USER_HEADERS, checked_value, header_of};
use super::upsert::OPERATION;
use crate::csv::CsvFormat;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::{Options, nearest};
use crate::sink::{ErrorLimit, WriteSettings};

/// The longest `timeout` that the server takes (StarRocks: STREAM_LOAD docs), in seconds.
const MAX_TIMEOUT_S: u64 = 259_200;

/// How rows are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// Plain CSV, and for loads with rows that it cannot carry the first of enclosed CSV, JSON and Arrow that the server reads and that
    /// carries them.
    CsvOrJson(CsvFormat),
    /// CSV, as the user wrote it (enclosed if [`WriteOptions::encloses`]): rows that it cannot carry are rejects.
    Csv(CsvFormat),
    /// JSON, as the user wrote it.
    Json,
    /// An Arrow IPC stream, as the user wrote it.
    Arrow,
}

/// The options of one write, parsed.
#[derive(Debug, Clone)]
pub(super) struct WriteOptions {
    /// Mode, sizes, limits.
    pub(super) settings: WriteSettings,
    pub(super) format: Format,
    /// Whether the user wrote `"enclose" = '"'`: CSV is then always enclosed, which the loads of a transaction do not read.
    pub(super) encloses: bool,
    /// How bodies are compressed.
    pub(super) compression: Option<Compression>,
    /// Whether rows say by `__op` what is done with them.
    pub(super) has_operations: bool,
    /// Whether the server reads enclosed CSV (StarRocks 3.0 and later; an older one would take the quotes for data).
    pub(super) has_enclosed_csv: bool,
    /// The `timeout` header, if the user wrote it or a `load_timeout`.
    pub(super) timeout: Option<Duration>,
    /// `max_filter_ratio`, if the user wrote it: the most that a load leaves to the server of the statement's `error_limit`, and that
    /// limit itself where none is written.
    pub(super) filter_ratio: Option<f64>,
    /// Headers that the user wrote, all but format, delimiters, timeout and `max_filter_ratio`.
    pub(super) headers: Vec<(String, String)>,
}

impl WriteOptions {
    /// Reads the statement's PROPERTIES, the session's settings and the catalog's; the first that names a setting wins.
    pub(super) fn parse(properties: &Options, session: &Options, catalog: &Options) -> Result<Self> {
        let (mut settings, others) = WriteSettings::parse(properties, session, catalog)?;
        let mut headers = Vec::new();
        for (name, value) in others.iter() {
            match header_of(name)? {
                Some(header) => headers.push((header.clone(), checked_value(&header, value)?)),
                None => return Err(unknown(name)),
            }
        }
        let encloses = take_enclose(&mut headers)?;
        let (format, compression) = take_format(&mut headers, encloses)?;
        let timeout =
            take(&mut headers, "timeout").map(|text| parse_timeout(&text)).transpose()?.or(settings.load_timeout);
        refuse_what_cannot_be_kept(&headers)?;
        let filter_ratio = take(&mut headers, "max_filter_ratio").map(|text| parse_ratio(&text)).transpose()?;
        let has_limit = [properties, session, catalog].iter().any(|scope| WriteSettings::is_set(scope, "error_limit"));
        if let Some(ratio) = filter_ratio.filter(|_| !has_limit) {
            settings.error_limit = ErrorLimit::Ratio(ratio);
        }
        Ok(Self {
            settings,
            format,
            encloses,
            compression,
            has_operations: false,
            has_enclosed_csv: true,
            timeout,
            filter_ratio,
            headers,
        })
    }

    /// Whether the rows must be loaded into the table itself: what a load does with existing rows (`__op`, partial updates, conditions of
    /// a merge) has no equal in a server-side INSERT from a staging table.
    pub(super) fn needs_direct_load(&self) -> bool {
        let names_operations = || self.header("columns").is_some_and(|columns| columns.contains(OPERATION));
        self.has_operations
            || names_operations()
            || self.is_on("partial_update")
            || self.header("merge_condition").is_some()
    }

    /// Whether the user wrote a header with the value true.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.header(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// The value of a header that the user wrote.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn unknown(name: &str) -> ConnectorError {
    let known = WriteSettings::names().chain(USER_HEADERS.iter().copied());
    let hint = match nearest(name, known) {
        Some(known) => format!("; did you mean \"{known}\"?"),
        None => format!("; a Stream Load header that syncline does not know is written as \"{LOAD_PREFIX}{name}\""),
    };
    ConnectorError::option(format!("property \"{name}\" is not known{hint}"))
}

fn take(headers: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let at = headers.iter().position(|(known, _)| known == name)?;
    Some(headers.remove(at).1)
}

/// Takes `enclose`; only the quotation mark encloses, so that there is one encoder.
fn take_enclose(headers: &mut Vec<(String, String)>) -> Result<bool> {
    match take(headers, "enclose").as_deref() {
        None | Some("") => Ok(false),
        Some("\"") => Ok(true),
        Some(_) => Err(ConnectorError::new(
            ErrorCode::Unsupported,
            "the header \"enclose\" cannot have this value: the quotation mark is the one that syncline writes, \"enclose\" = '\"'",
        )),
    }
}

fn take_format(headers: &mut Vec<(String, String)>, encloses: bool) -> Result<(Format, Option<Compression>)> {
    let format = take(headers, "format").map(|format| format.to_ascii_lowercase());
    let separator = take(headers, "column_separator");
    let delimiter = take(headers, "row_delimiter");
    let delimiters_written = separator.is_some() || delimiter.is_some();
    let csv = CsvFormat::parse(separator.as_deref(), delimiter.as_deref())?;
    if encloses && csv.row_delimiter().len() > 1 {
        return Err(ConnectorError::option("with \"enclose\" the \"row_delimiter\" must be one byte"));
    }
    // A `columns` list names the fields of CSV by position, which JSON's keys are not.
    let columns_written = headers.iter().any(|(name, _)| name == "columns");
    let compression = take_compression(headers)?;
    if compression.is_some() && format.as_deref() != Some("json") {
        return Err(ConnectorError::option(
            "\"compression\" is for JSON only (\"format\" = 'json'); for CSV the format names the codec: \"format\" = 'gzip' | 'lz4' | 'zstd'",
        ));
    }
    let refuse_csv_options = |format: &str| match delimiters_written || encloses {
        true => Err(ConnectorError::option(format!(
            "\"column_separator\", \"row_delimiter\" and \"enclose\" have no meaning with \"format\" = '{format}'"
        ))),
        false => Ok(()),
    };
    match format.as_deref() {
        None if delimiters_written || columns_written || encloses => Ok((Format::Csv(csv), None)),
        None => Ok((Format::CsvOrJson(csv), None)),
        Some("csv") => Ok((Format::Csv(csv), None)),
        Some("json") => refuse_csv_options("json").map(|()| (Format::Json, compression)),
        Some("arrow") => refuse_csv_options("arrow").map(|()| (Format::Arrow, None)),
        Some("bzip2") => Err(ConnectorError::new(
            ErrorCode::Unsupported,
            "\"format\" = 'bzip2' is not written by syncline; write 'zstd', 'lz4' or 'gzip'",
        )),
        Some(other) => match Compression::of_csv_format(other) {
            Some(codec) => Ok((Format::Csv(csv), Some(codec))),
            None => Err(ConnectorError::option(format!(
                "\"format\" = '{other}' is not known; write 'csv', 'json', 'arrow', or 'gzip' | 'lz4' | 'zstd' | 'deflate' for compressed CSV"
            ))),
        },
    }
}

/// Takes `compression`, or its other name `content-encoding`.
fn take_compression(headers: &mut Vec<(String, String)>) -> Result<Option<Compression>> {
    let names = ["compression", "content-encoding"];
    let written: Vec<String> = names.iter().filter_map(|name| take(headers, name)).collect();
    match &written[..] {
        [] => Ok(None),
        [codec] if codec.is_empty() || codec.eq_ignore_ascii_case("none") => Ok(None),
        [codec] => Compression::of_json_header(codec).map(Some).ok_or_else(|| {
            ConnectorError::new(
                ErrorCode::Unsupported,
                format!("\"compression\" = '{codec}' is not written by syncline; write 'gzip', 'lz4_frame', 'zstd' or 'deflate'"),
            )
        }),
        _ => Err(ConnectorError::option("\"compression\" and \"content-encoding\" are the same header; write one of them")),
    }
}

/// Headers under which the server would read something else than what was written, or that take the label away.
fn refuse_what_cannot_be_kept(headers: &[(String, String)]) -> Result<()> {
    for (name, value) in headers {
        let is_on = !value.is_empty() && value != "0" && !value.eq_ignore_ascii_case("false");
        let why = match name.as_str() {
            "escape" => {
                "a backslash in the data would need two, and older servers read them in several ways; \"enclose\" = '\"' carries the same"
            }
            "skip_header" => "loads have no header line, so that it would drop rows",
            "trim_space" => "it would change values; use trim() in the SELECT",
            "enable_merge_commit" => {
                "a merged load has no label of its own, so that a lost answer could not be resolved"
            }
            "strip_outer_array" if !is_on => {
                return Err(ConnectorError::option(
                    "\"strip_outer_array\" = 'false' cannot be used: JSON is sent as one list of rows",
                ));
            }
            "jsonpaths" | "json_root" => "JSON is sent as a list of flat rows, mapped by name",
            "envelope" => "rows are sent as they are",
            _ => continue,
        };
        if is_on {
            return Err(ConnectorError::new(
                ErrorCode::Unsupported,
                format!("the header \"{name}\" cannot be used: {why}"),
            ));
        }
    }
    Ok(())
}

fn parse_timeout(text: &str) -> Result<Duration> {
    match text.trim().parse::<u64>() {
        Ok(seconds @ 1..=MAX_TIMEOUT_S) => Ok(Duration::from_secs(seconds)),
        _ => Err(ConnectorError::option(format!("\"timeout\" must be 1 to {MAX_TIMEOUT_S} seconds"))),
    }
}

/// The header `max_filter_ratio`; the server would read anything else as 0.
fn parse_ratio(text: &str) -> Result<f64> {
    match text.trim().parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(ConnectorError::option("\"max_filter_ratio\" must be a number from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::WriteMode;

    fn parse(properties: &[(&str, &str)], session: &[(&str, &str)], catalog: &[(&str, &str)]) -> Result<WriteOptions> {
        let options = |items: &[(&str, &str)]| items.iter().copied().collect::<Options>();
        WriteOptions::parse(&options(properties), &options(session), &options(catalog))
    }

    fn properties(items: &[(&str, &str)]) -> Result<WriteOptions> {
        parse(items, &[], &[])
    }

    #[test]
    fn settings_and_headers_stand_side_by_side() {
        let options = parse(
            &[("load_bytes", "1MB"), ("merge_condition", "v")],
            &[("writeMode", "plain"), ("on_error", "continue")],
            &[("error_limit", "1%")],
        )
        .unwrap();
        assert_eq!((options.settings.load_bytes, options.settings.write_mode), (1 << 20, WriteMode::Plain));
        assert_eq!(options.settings.error_limit, ErrorLimit::Ratio(0.01));
        assert_eq!(options.header("merge_condition"), Some("v"));
        assert_eq!(properties(&[]).unwrap().format, Format::CsvOrJson(CsvFormat::default()));
    }

    #[test]
    fn a_filter_ratio_for_the_server_is_the_statements_limit() {
        assert_eq!(properties(&[("max_filter_ratio", "0.5")]).unwrap().settings.error_limit, ErrorLimit::Ratio(0.5));
        for bad in ["1.5", "x", "-1", "NaN"] {
            assert!(properties(&[("max_filter_ratio", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_limit_that_is_written_stands_beside_a_filter_ratio() {
        for scope in 0..3 {
            let mut scopes = [Vec::new(), Vec::new(), Vec::new()];
            scopes[scope].push(("error_limit", "0"));
            scopes[0].push(("max_filter_ratio", "0.5"));
            let options = parse(&scopes[0], &scopes[1], &scopes[2]).unwrap();
            assert_eq!(options.settings.error_limit, ErrorLimit::Rows(0), "scope {scope}");
        }
    }

    #[test]
    fn headers_are_taken_by_name_and_by_prefix() {
        let options = properties(&[("strict_mode", "false"), ("load.new_one", "x"), ("timeout", "77")]).unwrap();
        assert_eq!(options.header("strict_mode"), Some("false"));
        assert_eq!(options.header("new_one"), Some("x"));
        assert_eq!(options.timeout, Some(Duration::from_secs(77)));
    }

    #[test]
    fn an_unknown_property_is_an_error_with_a_suggestion() {
        let error = properties(&[("strict_mod", "true")]).unwrap_err();
        assert!(error.message().contains("did you mean \"strict_mode\"?"), "{error}");
        let error = properties(&[("zzzzzz", "1")]).unwrap_err();
        assert!(error.message().contains("\"load.zzzzzz\""), "{error}");
        for name in ["label", "authorization", "expect"] {
            assert_eq!(properties(&[(name, "x")]).unwrap_err().code(), ErrorCode::Option, "{name}");
        }
    }

    #[test]
    fn a_format_that_the_user_wrote_is_not_replaced() {
        let format = |items: &[(&str, &str)]| properties(items).map(|options| options.format);
        assert_eq!(format(&[("format", "CSV")]).unwrap(), Format::Csv(CsvFormat::default()));
        assert_eq!(format(&[("format", "json")]).unwrap(), Format::Json);
        let tab = CsvFormat::parse(Some("\\t"), None).unwrap();
        assert_eq!(format(&[("column_separator", "\\t")]).unwrap(), Format::Csv(tab));
        assert_eq!(format(&[("columns", "a,b=a")]).unwrap(), Format::Csv(CsvFormat::default()));
        assert_eq!(format(&[("format", "arrow")]).unwrap(), Format::Arrow);
        assert_eq!(format(&[("enclose", "\"")]).unwrap(), Format::Csv(CsvFormat::default()));
        assert_eq!(format(&[("format", "bzip2")]).unwrap_err().code(), ErrorCode::Unsupported);
        assert_eq!(format(&[("format", "xml")]).unwrap_err().code(), ErrorCode::Option);
        assert!(format(&[("format", "json"), ("row_delimiter", ";")]).is_err());
    }

    #[test]
    fn headers_that_would_change_or_drop_rows_are_refused() {
        for (name, value) in [
            ("skip_header", "1"),
            ("enclose", "'"),
            ("escape", "\\"),
            ("trim_space", "true"),
            ("enable_merge_commit", "true"),
            ("compression", "gzip"),
            ("strip_outer_array", "false"),
        ] {
            assert!(properties(&[(name, value)]).is_err(), "{name}");
        }
        assert!(properties(&[("enclose", "\""), ("row_delimiter", "0x0D0A")]).is_err());
        assert!(properties(&[("skip_header", "0"), ("trim_space", "false"), ("strip_outer_array", "true")]).is_ok());
    }

    #[test]
    fn the_format_names_the_codec_of_csv_and_compression_that_of_json() {
        let options = properties(&[("format", "ZSTD"), ("column_separator", ",")]).unwrap();
        assert_eq!(options.compression, Some(Compression::Zstd));
        assert_eq!(options.format, Format::Csv(CsvFormat::parse(Some(","), None).unwrap()));
        let options = properties(&[("format", "json"), ("compression", "lz4_frame")]).unwrap();
        assert_eq!((options.format, options.compression), (Format::Json, Some(Compression::Lz4)));
        for wrong in [
            &[("compression", "gzip")][..],
            &[("format", "csv"), ("compression", "gzip")],
            &[("format", "json"), ("compression", "snappy")],
            &[("format", "json"), ("compression", "gzip"), ("content-encoding", "gzip")],
            &[("format", "arrow"), ("row_delimiter", ";")],
        ] {
            assert!(properties(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_a_load_does_to_existing_rows_needs_the_table_itself() {
        assert!(!properties(&[("partial_update", "false")]).unwrap().needs_direct_load());
        assert!(properties(&[("partial_update", "true")]).unwrap().needs_direct_load());
        assert!(properties(&[("merge_condition", "v")]).unwrap().needs_direct_load());
    }

    #[test]
    fn a_timeout_is_what_the_server_takes() {
        assert!(properties(&[("timeout", "0")]).is_err());
        assert!(properties(&[("timeout", "259201")]).is_err());
    }
}
