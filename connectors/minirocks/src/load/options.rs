//! The headers of a Stream Load (StarRocks: STREAM LOAD, "Parameters"). What this version cannot do and what would change the
//! rows is refused; what only tunes the server is checked and passed over.

use std::time::Duration;

use hyper::HeaderMap;
use jiff::tz::TimeZone;

use super::column_list::{ColumnItem, column_items};
use super::encoding::Encoding;
use super::json_path::{PathStep, json_path};
use super::{MAX_BODY, MAX_JSON_BODY};
use crate::abilities::{Abilities, Ability};
use crate::csv::{CsvOptions, delimiter};
use crate::error::{Error, Result};
use crate::storage::PartitionTarget;

/// Seconds that a load may take (StarRocks: `stream_load_default_timeout_second`).
const DEFAULT_TIMEOUT: u64 = 600;
/// Most seconds a client may ask for (StarRocks: `max_stream_load_timeout_second`).
const MAX_TIMEOUT: u64 = 259_200;
/// The zone of a load that names none (StarRocks's default) and its offset, which has not changed since 1991: a machine
/// without a time zone database can still load.
const DEFAULT_TIMEZONE: (&str, jiff::tz::Offset) = ("Asia/Shanghai", jiff::tz::offset(8));

/// What the headers of a load ask for.
#[derive(Debug, Clone)]
pub(crate) struct LoadOptions {
    /// How rows are written.
    pub(crate) format: Format,
    /// How the body is compressed.
    pub(crate) encoding: Encoding,
    /// The `columns` header, cut into items; `None` means the table's columns in order.
    pub(crate) columns: Option<Vec<ColumnItem>>,
    /// `partitions` or `temporary_partitions`.
    pub(crate) partitions: PartitionTarget,
    /// Whether a value that does not convert filters its row instead of being NULL.
    pub(crate) strict_mode: bool,
    /// Part of the rows that may be filtered.
    pub(crate) max_filter_ratio: f64,
    /// The `where` header: rows for which it is not true are not loaded.
    pub(crate) filter: Option<String>,
    /// `partial_update`: stored rows keep the values of columns that the load does not name.
    pub(crate) partial_update: bool,
    /// `merge_condition`: a row is written only if its value of this column is not smaller than the stored one.
    pub(crate) merge_condition: Option<String>,
    /// How long the load may take.
    pub(crate) timeout: Duration,
    /// Zone of `now()` and of CURRENT_TIMESTAMP defaults.
    pub(crate) timezone: TimeZone,
    /// What the emulated version can do.
    pub(crate) abilities: Abilities,
}

/// How rows are written.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    /// Delimited text.
    Csv(CsvOptions),
    /// JSON objects.
    Json(JsonOptions),
    /// An Arrow IPC stream.
    Arrow,
}

/// How JSON is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonOptions {
    /// The body is an array of rows.
    pub(crate) strip_outer_array: bool,
    /// Where the rows are in the document; the keys of `$.a.b`.
    pub(crate) root: Vec<PathStep>,
    /// Where each source column is in a row; by its name if there are none.
    pub(crate) paths: Option<Vec<Vec<PathStep>>>,
    /// Takes bodies beyond the usual limit.
    pub(crate) ignore_size: bool,
}

impl LoadOptions {
    /// Reads the headers of a Stream Load.
    pub(crate) fn parse(headers: &HeaderMap, abilities: Abilities) -> Result<Self> {
        let headers = Headers { headers, abilities };
        headers.refuse_unsupported()?;
        let (format, encoding) = headers.format()?;
        let partitions = match (headers.text("partitions")?, headers.text("temporary_partitions")?) {
            (Some(_), Some(_)) => {
                return Err(Error::argument("Can not specify both partitions and temporary partitions"));
            }
            (Some(names), None) => PartitionTarget::Named(name_list(names)),
            (None, Some(names)) => PartitionTarget::Temporary(name_list(names)),
            (None, None) => PartitionTarget::All,
        };
        let timeout = match headers.text("timeout")? {
            None => DEFAULT_TIMEOUT,
            Some(text) => match text.trim().parse::<u64>() {
                Ok(seconds) if (1..=MAX_TIMEOUT).contains(&seconds) => seconds,
                Ok(_) => {
                    return Err(Error::invalid(format!(
                        "Invalid timeout: timeout must be between 1 and {MAX_TIMEOUT}"
                    )));
                }
                Err(_) => return Err(Error::argument("Invalid timeout format")),
            },
        };
        let timezone = headers.text("timezone")?.unwrap_or(DEFAULT_TIMEZONE.0);
        Ok(Self {
            format,
            encoding,
            columns: headers.text("columns")?.map(column_items).transpose()?,
            partitions,
            strict_mode: headers.boolean("strict_mode", "Invalid strict mode format. Must be bool type")?,
            // StarRocks reads the ratio by strtod: what is no number is 0.
            max_filter_ratio: headers
                .text("max_filter_ratio")?
                .and_then(|text| text.trim().parse().ok())
                .filter(|ratio: &f64| ratio.is_finite())
                .unwrap_or(0.0),
            filter: headers.text("where")?.map(str::to_owned),
            partial_update: headers
                .boolean("partial_update", "Invalid partial update flag format. Must be bool type")?,
            merge_condition: headers.text("merge_condition")?.map(str::to_owned),
            timeout: Duration::from_secs(timeout),
            timezone: time_zone(timezone)?,
            abilities,
        })
    }

    /// Reads the headers of a `load` call of the transaction interface, which knows fewer of them (StarRocks:
    /// `TransactionStreamLoadAction::_parse_request`) and does not know Arrow.
    pub(crate) fn parse_transaction(headers: &HeaderMap, abilities: Abilities) -> Result<Self> {
        let mut known = headers.clone();
        for name in ["skip_header", "trim_space", "enclose", "escape", "log_rejected_record_num", "timeout"] {
            known.remove(name);
        }
        let options = Self::parse(&known, abilities)?;
        if matches!(options.format, Format::Arrow) {
            return Err(Error::backend("unknown data format, format=arrow"));
        }
        Ok(options)
    }

    /// Refuses a body that is too long; called with the announced length and again with what has arrived.
    pub(crate) fn check_body_size(&self, bytes: u64) -> Result<()> {
        if let Format::Json(json) = &self.format
            && !json.ignore_size
            && bytes > MAX_JSON_BODY
        {
            return Err(Error::backend(format!(
                "The size of this batch exceed the max size [{MAX_JSON_BODY}]  of json type data  data [ {bytes} ]. Set ignore_json_size to skip the check, although it may lead huge memory consuming."
            )));
        }
        if bytes > MAX_BODY {
            return Err(Error::backend(format!(
                "body size {bytes} exceed limit: {MAX_BODY}. You can increase the limit by setting streaming_load_max_mb in be.conf."
            )));
        }
        Ok(())
    }
}

struct Headers<'a> {
    headers: &'a HeaderMap,
    abilities: Abilities,
}

impl<'a> Headers<'a> {
    /// A header's text; an empty one counts as none.
    fn text(&self, name: &str) -> Result<Option<&'a str>> {
        let Some(value) = self.headers.get(name) else { return Ok(None) };
        let text =
            std::str::from_utf8(value.as_bytes()).map_err(|_| Error::invalid(format!("header {name} is not UTF-8")))?;
        Ok((!text.is_empty()).then_some(text))
    }

    fn boolean(&self, name: &str, error: &str) -> Result<bool> {
        match self.text(name)?.map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::argument(error)),
        }
    }

    fn is_true(&self, name: &str) -> Result<bool> {
        Ok(self.text(name)?.is_some_and(|text| text.eq_ignore_ascii_case("true")))
    }

    fn refuse_unsupported(&self) -> Result<()> {
        for name in ["negative", "enable_merge_commit"] {
            if self.is_true(name)? {
                return Err(Error::unsupported(format!("header {name}: true")));
            }
        }
        if let Some(envelope) = self.text("envelope")?
            && !envelope.eq_ignore_ascii_case("none")
        {
            return Err(Error::unsupported(format!("header envelope: {envelope}")));
        }
        Ok(())
    }

    fn format(&self) -> Result<(Format, Encoding)> {
        let name = self.text("format")?.unwrap_or("csv");
        match name.to_ascii_lowercase().as_str() {
            "csv" => Ok((Format::Csv(self.csv()?), Encoding::Plain)),
            "gzip" => Ok((Format::Csv(self.csv()?), Encoding::Gzip)),
            "deflate" => Ok((Format::Csv(self.csv()?), Encoding::Deflate)),
            "bzip2" => Ok((Format::Csv(self.csv()?), Encoding::Bzip2)),
            "lz4" => Ok((Format::Csv(self.csv()?), Encoding::Lz4Frame)),
            "zstd" => Ok((Format::Csv(self.csv()?), Encoding::Zstd)),
            "json" => Ok((Format::Json(self.json()?), self.json_encoding()?)),
            "arrow" if self.abilities.has(Ability::ArrowFormat) => Ok((Format::Arrow, Encoding::Plain)),
            _ => Err(Error::backend(format!("unknown data format, format={name}"))),
        }
    }

    /// How a JSON body is compressed. StarRocks knows two block formats besides, `LZ4` and `SNAPPY`.
    fn json_encoding(&self) -> Result<Encoding> {
        let name = match (self.text("content-encoding")?, self.text("compression")?) {
            _ if !self.abilities.has(Ability::JsonCompression) => return Ok(Encoding::Plain),
            (Some(_), Some(_)) => {
                return Err(Error::argument("Only one of http header content-encoding and compression can be set"));
            }
            (Some(name), None) | (None, Some(name)) => name.to_ascii_uppercase(),
            (None, None) => return Ok(Encoding::Plain),
        };
        match name.as_str() {
            "NO_COMPRESSION" => Ok(Encoding::Plain),
            "GZIP" => Ok(Encoding::Gzip),
            "DEFLATE" | "ZLIB" => Ok(Encoding::Deflate),
            "BZIP2" => Ok(Encoding::Bzip2),
            "LZ4_FRAME" => Ok(Encoding::Lz4Frame),
            "ZSTD" => Ok(Encoding::Zstd),
            "LZ4" | "SNAPPY" => Err(Error::unsupported(format!("compression {name} of JSON"))),
            _ => Err(Error::argument(format!("Unsupported compression algorithm: {name}"))),
        }
    }

    fn csv(&self) -> Result<CsvOptions> {
        let mut csv = CsvOptions::default();
        // A separator may be white space, which HTTP strips from around a header; `\t` and `\x20` are how clients write it.
        if let Some(text) = self.text("column_separator")? {
            csv.column_separator = delimiter(text, "column separator", self.abilities)?;
        }
        if let Some(text) = self.text("row_delimiter")? {
            csv.row_delimiter = delimiter(text, "row delimiter", self.abilities)?;
        }
        if !self.abilities.has(Ability::EncloseEscape) {
            return Ok(csv);
        }
        if let Some(text) = self.text("skip_header")? {
            let rows: i64 = text.trim().parse().map_err(|_| Error::argument("Invalid csv load skip_header format"))?;
            csv.skip_header =
                rows.try_into().map_err(|_| Error::argument("skip_header must be equal or greater than 0"))?;
        }
        csv.trim_space = self.boolean("trim_space", "Invalid trim space format. Must be bool type")?;
        let first_byte = |text: Option<&str>| text.and_then(|t| t.bytes().next()).unwrap_or(0);
        csv.enclose = first_byte(self.text("enclose")?);
        csv.escape = first_byte(self.text("escape")?);
        Ok(csv)
    }

    fn json(&self) -> Result<JsonOptions> {
        let paths = match self.text("jsonpaths")? {
            None => None,
            Some(text) => {
                let paths: Vec<String> =
                    serde_json::from_str(text).map_err(|_| Error::invalid(format!("Invalid json path: {text}")))?;
                Some(paths.iter().map(|path| json_path(path)).collect::<Result<_>>()?)
            }
        };
        Ok(JsonOptions {
            strip_outer_array: self.is_true("strip_outer_array")?,
            root: self.text("json_root")?.map(json_path).transpose()?.unwrap_or_default(),
            paths,
            ignore_size: self.is_true("ignore_json_size")?,
        })
    }
}

fn name_list(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect()
}

/// A zone by its name, or an offset such as `+08:00`.
fn time_zone(name: &str) -> Result<TimeZone> {
    if name == DEFAULT_TIMEZONE.0 {
        return Ok(TimeZone::fixed(DEFAULT_TIMEZONE.1));
    }
    if let Ok(zone) = TimeZone::get(name) {
        return Ok(zone);
    }
    let unknown = || Error::invalid(format!("Unknown or incorrect time zone: '{name}'"));
    let (sign, rest) = match name.as_bytes() {
        [b'+', ..] => (1, &name[1..]),
        [b'-', ..] => (-1, &name[1..]),
        _ => return Err(unknown()),
    };
    let (hours, minutes) = rest.split_once(':').ok_or_else(unknown)?;
    let (hours, minutes): (i32, i32) = (hours.parse().map_err(|_| unknown())?, minutes.parse().map_err(|_| unknown())?);
    if !(0..=14).contains(&hours) || !(0..=59).contains(&minutes) {
        return Err(unknown());
    }
    jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).map(TimeZone::fixed).map_err(|_| unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_names_or_offsets() {
        for name in ["Asia/Shanghai", "UTC", "+08:00", "-03:30"] {
            assert!(time_zone(name).is_ok(), "{name}");
        }
        for name in ["Mars/Base", "+99:00", "8"] {
            assert!(time_zone(name).is_err(), "{name}");
        }
    }
}
