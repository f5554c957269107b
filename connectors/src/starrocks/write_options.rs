//! What a write was told: settings of the write itself, and headers of its loads.

use std::time::Duration;

use super::stream_load::headers::{LOAD_PREFIX, USER_HEADERS, checked_value, header_of};
use crate::csv::CsvFormat;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::options::{Options, nearest};
use crate::sink::ErrorLimit;

/// A load's size unless `load_bytes` says otherwise: large enough for the server's throughput, small enough to keep until its outcome is known.
const LOAD_BYTES: u64 = 64 << 20;
/// Writers unless `max_writers` says otherwise: one load is one thread of one backend (StarRocks: a load's dop is 1).
const MAX_WRITERS: usize = 4;
/// How long an INSERT waits for committed rows to be visible.
const VISIBLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest `timeout` that the server takes (StarRocks: STREAM_LOAD docs), in seconds.
const MAX_TIMEOUT_S: u64 = 259_200;

/// How a write is made visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteMode {
    /// One load if it is small enough, else an error that names the choices.
    Auto,
    /// One load of any size.
    Single,
    /// Many loads, each visible by itself.
    Plain,
}

/// How rows are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// Plain CSV, and JSON for loads with rows that it cannot carry.
    CsvOrJson(CsvFormat),
    /// Plain CSV, as the user wrote it: rows that it cannot carry are rejects.
    Csv(CsvFormat),
    /// JSON, as the user wrote it.
    Json,
}

/// The options of one write, parsed.
#[derive(Debug, Clone)]
pub(super) struct WriteOptions {
    pub(super) mode: WriteMode,
    pub(super) load_bytes: u64,
    pub(super) load_rows: Option<u64>,
    pub(super) max_writers: usize,
    pub(super) visible_timeout: Duration,
    pub(super) error_limit: ErrorLimit,
    pub(super) format: Format,
    /// The `timeout` header, if the user wrote it.
    pub(super) timeout: Option<Duration>,
    /// Headers that the user wrote, all but format, delimiters and timeout.
    pub(super) headers: Vec<(String, String)>,
}

/// A setting, its aliases (DataWorks and DataX names), and what its values are.
struct Setting {
    name: &'static str,
    aliases: &'static [&'static str],
}

const SETTINGS: &[Setting] = &[
    Setting { name: "write_mode", aliases: &["writeMode"] },
    Setting { name: "load_bytes", aliases: &["loadBytes", "maxBatchSize"] },
    Setting { name: "load_rows", aliases: &["loadRows", "maxBatchRows"] },
    Setting { name: "max_writers", aliases: &["maxWriters"] },
    Setting { name: "visible_timeout", aliases: &["visibleTimeout"] },
    Setting { name: "error_limit", aliases: &["errorLimit"] },
];

/// The names of all settings and their aliases: they may also stand on the catalog.
pub(super) fn setting_names() -> Vec<&'static str> {
    SETTINGS.iter().flat_map(|setting| std::iter::once(setting.name).chain(setting.aliases.iter().copied())).collect()
}

impl WriteOptions {
    /// Reads the statement's PROPERTIES, the session's settings and the catalog's; the first that names a setting wins.
    pub(super) fn parse(properties: &Options, session: &Options, catalog: &Options) -> Result<Self> {
        let mut headers = Vec::new();
        for (name, value) in properties.iter() {
            if is_setting(name) {
                continue;
            }
            match header_of(name)? {
                Some(header) => headers.push((header.clone(), checked_value(&header, value)?)),
                None => return Err(unknown(name)),
            }
        }
        let setting = |name: &str| {
            let names = SETTINGS.iter().find(|setting| setting.name == name);
            [properties, session, catalog].into_iter().find_map(|options| {
                let setting = names?;
                std::iter::once(setting.name).chain(setting.aliases.iter().copied()).find_map(|name| options.get(name))
            })
        };
        let mode = parse_mode(setting("write_mode").unwrap_or("auto"))?;
        let load_bytes = setting("load_bytes").map(|text| parse_bytes("load_bytes", text)).transpose()?;
        let load_rows = setting("load_rows").map(|text| parse_count("load_rows", text)).transpose()?;
        let max_writers = setting("max_writers").map(|text| parse_count("max_writers", text)).transpose()?;
        let visible_timeout =
            setting("visible_timeout").map(|text| parse_duration("visible_timeout", text)).transpose()?;
        let error_limit = setting("error_limit").map(parse_error_limit).transpose()?;
        let format = take_format(&mut headers)?;
        let timeout = take(&mut headers, "timeout").map(|text| parse_timeout(&text)).transpose()?;
        refuse_what_cannot_be_kept(&headers)?;
        // A ratio that is written for the server is the statement's limit unless there is another.
        let ratio = headers.iter().find(|(name, _)| name == "max_filter_ratio").map(|(_, value)| value.as_str());
        let error_limit = match (error_limit, ratio) {
            (None, Some(ratio)) => Some(parse_ratio(ratio)?),
            (limit, _) => limit,
        };
        Ok(Self {
            mode,
            load_bytes: load_bytes.unwrap_or(LOAD_BYTES),
            load_rows,
            max_writers: max_writers.map_or(MAX_WRITERS, |count| usize::try_from(count).unwrap_or(usize::MAX)),
            visible_timeout: visible_timeout.unwrap_or(VISIBLE_TIMEOUT),
            error_limit: error_limit.unwrap_or_default(),
            format,
            timeout,
            headers,
        })
    }

    /// The value of a header that the user wrote.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn is_setting(name: &str) -> bool {
    setting_names().iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> ConnectorError {
    let known = SETTINGS.iter().map(|setting| setting.name).chain(USER_HEADERS.iter().copied());
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

fn take_format(headers: &mut Vec<(String, String)>) -> Result<Format> {
    let format = take(headers, "format");
    let separator = take(headers, "column_separator");
    let delimiter = take(headers, "row_delimiter");
    let delimiters_written = separator.is_some() || delimiter.is_some();
    let csv = CsvFormat::parse(separator.as_deref(), delimiter.as_deref())?;
    // A `columns` list names the fields of CSV by position, which JSON's keys are not.
    let columns_written = headers.iter().any(|(name, _)| name == "columns");
    match format.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None if delimiters_written || columns_written => Ok(Format::Csv(csv)),
        None => Ok(Format::CsvOrJson(csv)),
        Some("csv") => Ok(Format::Csv(csv)),
        Some("json") if delimiters_written => {
            Err(ConnectorError::option("\"column_separator\" and \"row_delimiter\" have no meaning with \"format\" = 'json'"))
        }
        Some("json") => Ok(Format::Json),
        Some(known @ ("gzip" | "bzip2" | "lz4" | "deflate" | "zstd" | "arrow")) => Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!("\"format\" = '{known}' is not built yet; write 'csv' or 'json'"),
        )),
        Some(other) => Err(ConnectorError::option(format!("\"format\" = '{other}' is not known; write 'csv' or 'json'"))),
    }
}

/// Headers under which the server would read something else than what was written, or that take the label away.
fn refuse_what_cannot_be_kept(headers: &[(String, String)]) -> Result<()> {
    for (name, value) in headers {
        let is_on = !value.is_empty() && value != "0" && !value.eq_ignore_ascii_case("false");
        let why = match name.as_str() {
            "enclose" | "escape" => "rows are sent as plain CSV or as JSON, which need neither",
            "skip_header" => "loads have no header line, so that it would drop rows",
            "trim_space" => "it would change values; use trim() in the SELECT",
            "compression" | "content-encoding" => "compressed loads are not built yet",
            "enable_merge_commit" => "a merged load has no label of its own, so that a lost answer could not be resolved",
            "strip_outer_array" if !is_on => return Err(ConnectorError::option(
                "\"strip_outer_array\" = 'false' cannot be used: JSON is sent as one list of rows",
            )),
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

fn parse_mode(text: &str) -> Result<WriteMode> {
    const MODES: &[&str] = &["auto", "single", "plain", "transaction", "staging_table", "temporary_partition"];
    match text.trim().to_ascii_lowercase().as_str() {
        "auto" => Ok(WriteMode::Auto),
        "single" => Ok(WriteMode::Single),
        "plain" => Ok(WriteMode::Plain),
        later @ ("transaction" | "staging_table" | "temporary_partition") => Err(ConnectorError::new(
            ErrorCode::Unsupported,
            format!("write_mode '{later}' is not built yet; use SET syncline.write_mode = 'single' | 'plain'"),
        )),
        other => {
            let hint = match nearest(other, MODES.iter().copied()) {
                Some(known) => format!("did you mean '{known}'?"),
                None => "use 'auto', 'single' or 'plain'".to_owned(),
            };
            Err(ConnectorError::option(format!("write_mode '{other}' is not known; {hint}")))
        }
    }
}

fn parse_count(name: &str, text: &str) -> Result<u64> {
    match text.trim().parse::<u64>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(ConnectorError::option(format!("\"{name}\" must be a whole number above 0"))),
    }
}

/// `1048576`, `64MB`, `64 mb`, `1g`.
fn parse_bytes(name: &str, text: &str) -> Result<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &lower[digits.len()..] {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => 0,
    };
    match digits.trim().parse::<u64>().ok().and_then(|count| count.checked_mul(unit)) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(ConnectorError::option(format!("\"{name}\" must be a number of bytes, such as 64MB"))),
    }
}

/// `60`, `60s`, `500ms`, `2m`.
fn parse_duration(name: &str, text: &str) -> Result<Duration> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: Option<u64> = digits.trim().parse().ok();
    match (number, &lower[digits.len()..]) {
        (Some(count), "" | "s") => Ok(Duration::from_secs(count)),
        (Some(count), "ms") => Ok(Duration::from_millis(count)),
        (Some(count), "m" | "min") => Ok(Duration::from_secs(count.saturating_mul(60))),
        _ => Err(ConnectorError::option(format!("\"{name}\" must be a number of seconds, such as 60"))),
    }
}

fn parse_timeout(text: &str) -> Result<Duration> {
    match text.trim().parse::<u64>() {
        Ok(seconds @ 1..=MAX_TIMEOUT_S) => Ok(Duration::from_secs(seconds)),
        _ => Err(ConnectorError::option(format!("\"timeout\" must be 1 to {MAX_TIMEOUT_S} seconds"))),
    }
}

/// `10` rows, or `1%`, or `0.01` as a part.
fn parse_error_limit(text: &str) -> Result<ErrorLimit> {
    let text = text.trim();
    let ratio = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0),
        None if text.contains('.') => text.parse().ok(),
        None => None,
    };
    match (text.parse::<u64>(), ratio) {
        (Ok(rows), _) => Ok(ErrorLimit::Rows(rows)),
        (_, Some(ratio)) if (0.0..=1.0).contains(&ratio) => Ok(ErrorLimit::Ratio(ratio)),
        _ => Err(ConnectorError::option("\"error_limit\" must be a number of rows or a part of all rows, such as '1%'")),
    }
}

/// The header `max_filter_ratio`; the server would read anything else as 0.
fn parse_ratio(text: &str) -> Result<ErrorLimit> {
    match text.trim().parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ErrorLimit::Ratio(ratio)),
        _ => Err(ConnectorError::option("\"max_filter_ratio\" must be a number from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(properties: &[(&str, &str)], session: &[(&str, &str)], catalog: &[(&str, &str)]) -> Result<WriteOptions> {
        let options = |items: &[(&str, &str)]| items.iter().copied().collect::<Options>();
        WriteOptions::parse(&options(properties), &options(session), &options(catalog))
    }

    fn properties(items: &[(&str, &str)]) -> Result<WriteOptions> {
        parse(items, &[], &[])
    }

    #[test]
    fn the_statement_wins_over_the_session_and_that_over_the_catalog() {
        let options = parse(
            &[("load_bytes", "1MB")],
            &[("load_bytes", "2MB"), ("writeMode", "plain"), ("max_line_bytes", "7")],
            &[("load_bytes", "3MB"), ("write_mode", "single"), ("errorLimit", "1%")],
        )
        .unwrap();
        assert_eq!(options.load_bytes, 1 << 20);
        assert_eq!(options.mode, WriteMode::Plain);
        assert_eq!(options.error_limit, ErrorLimit::Ratio(0.01));
    }

    #[test]
    fn the_defaults_are_auto_64_mb_and_no_reject() {
        let options = properties(&[]).unwrap();
        assert_eq!((options.mode, options.load_bytes, options.load_rows), (WriteMode::Auto, 64 << 20, None));
        assert_eq!((options.error_limit, options.visible_timeout), (ErrorLimit::Rows(0), Duration::from_secs(60)));
        assert_eq!(options.format, Format::CsvOrJson(CsvFormat::default()));
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
        assert_eq!(format(&[("format", "gzip")]).unwrap_err().code(), ErrorCode::Unsupported);
        assert_eq!(format(&[("format", "xml")]).unwrap_err().code(), ErrorCode::Option);
        assert!(format(&[("format", "json"), ("row_delimiter", ";")]).is_err());
    }

    #[test]
    fn headers_that_would_change_or_drop_rows_are_refused() {
        for (name, value) in [
            ("skip_header", "1"),
            ("enclose", "\""),
            ("escape", "\\"),
            ("trim_space", "true"),
            ("enable_merge_commit", "true"),
            ("compression", "gzip"),
            ("strip_outer_array", "false"),
        ] {
            assert!(properties(&[(name, value)]).is_err(), "{name}");
        }
        assert!(properties(&[("skip_header", "0"), ("trim_space", "false"), ("strip_outer_array", "true")]).is_ok());
    }

    #[test]
    fn modes_of_a_later_version_say_so() {
        let error = properties(&[("write_mode", "transaction")]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.message().contains("SET syncline.write_mode = 'single' | 'plain'"), "{error}");
        assert!(properties(&[("write_mode", "plane")]).unwrap_err().message().contains("did you mean 'plain'?"));
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(parse_bytes("x", "64 MB").unwrap(), 64 << 20);
        assert_eq!(parse_bytes("x", "1g").unwrap(), 1 << 30);
        assert_eq!(parse_bytes("x", "100").unwrap(), 100);
        for bad in ["", "MB", "0", "-1", "1TB", "99999999999GB", "1.5MB"] {
            assert!(parse_bytes("x", bad).is_err(), "{bad}");
        }
        assert_eq!(parse_duration("x", "500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(parse_error_limit("5").unwrap(), ErrorLimit::Rows(5));
        assert_eq!(parse_error_limit("0.5").unwrap(), ErrorLimit::Ratio(0.5));
        for bad in ["-1", "101%", "x", "1.5", "NaN%"] {
            assert!(parse_error_limit(bad).is_err(), "{bad}");
        }
        assert!(properties(&[("timeout", "0")]).is_err());
        assert!(properties(&[("timeout", "259201")]).is_err());
    }
}
