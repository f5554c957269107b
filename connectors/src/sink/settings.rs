//! The settings of a write, which bear one name in INSERT PROPERTIES, in `SET syncline.NAME` and on the catalog.

use std::time::Duration;

use super::ErrorLimit;
use crate::error::{ConnectorError, Result};
use crate::options::{Options, nearest};
use crate::spill::DEFAULT_SPILL_BYTES;

/// `load_bytes` unless set: what a server takes in one piece without trouble.
pub const DEFAULT_LOAD_BYTES: u64 = 64 << 20;
/// `max_line_bytes` unless set.
pub const DEFAULT_MAX_LINE_BYTES: u64 = 64 << 20;
/// `visible_timeout` unless set.
pub const DEFAULT_VISIBLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Loads at a time that may be asked for. Each is a thread of a backend, and has two parts of rows in memory here.
const MAX_LOAD_PARALLELISM: usize = 64;
/// The longest time that a load may take (StarRocks: STREAM_LOAD docs, `timeout`): three days.
const MAX_LOAD_TIMEOUT_S: u64 = 259_200;

/// How rows become visible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WriteMode {
    /// The safest mode that the write allows.
    #[default]
    Auto,
    /// One load.
    Single,
    /// Loads in transactions that are committed together.
    Transaction,
    /// Loads into a staging table, then one server-side INSERT.
    StagingTable,
    /// Loads into a temporary partition that then replaces the named one.
    TemporaryPartition,
    /// Loads that are visible one by one.
    Plain,
}

impl WriteMode {
    const ALL: [Self; 6] =
        [Self::Auto, Self::Single, Self::Transaction, Self::StagingTable, Self::TemporaryPartition, Self::Plain];

    /// The value of `write_mode`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Single => "single",
            Self::Transaction => "transaction",
            Self::StagingTable => "staging_table",
            Self::TemporaryPartition => "temporary_partition",
            Self::Plain => "plain",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let hint = match nearest(text, names) {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => format!("it is one of {}", names.join(", ")),
            };
            ConnectorError::option(format!("write_mode is \"{text}\"; {hint}"))
        })
    }
}

/// Names of settings, each with the names that DataWorks and DataX have for it. A camelCase spelling of the name is one too.
const NAMES: &[(&str, &[&str])] = &[
    ("write_mode", &[]),
    ("load_bytes", &["maxBatchSize"]),
    ("load_rows", &["maxBatchRows"]),
    ("load_parallelism", &[]),
    ("spill_bytes", &[]),
    ("error_limit", &["errorLimit.record"]),
    ("strategy_on_error", &[]),
    ("load_timeout", &[]),
    ("visible_timeout", &[]),
    ("max_line_bytes", &[]),
];

/// What a write is told, beside what the connector's own options say.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteSettings {
    /// `write_mode`.
    pub write_mode: WriteMode,
    /// `load_bytes`: encoded bytes of one load at most; also what a write holds back until it is known whether one load is enough.
    pub load_bytes: u64,
    /// `load_rows`: rows of one load at most.
    pub load_rows: Option<u64>,
    /// `load_parallelism`: how many loads the target gets at a time; None is as many as it takes.
    pub load_parallelism: Option<usize>,
    /// `spill_bytes`: what all temporary files of the process may have when this write adds to them.
    pub spill_bytes: u64,
    /// `error_limit`: rejects allowed, a count or a part such as `1%`.
    pub error_limit: ErrorLimit,
    /// `load_timeout`: how long the server may take over one load; None is the connector's own default.
    pub load_timeout: Option<Duration>,
    /// `visible_timeout`: how long a committed write is waited for until readers see it.
    pub visible_timeout: Duration,
    /// `max_line_bytes`: longer lines of text are rejects.
    pub max_line_bytes: u64,
}

impl Default for WriteSettings {
    fn default() -> Self {
        Self {
            write_mode: WriteMode::default(),
            load_bytes: DEFAULT_LOAD_BYTES,
            load_rows: None,
            load_parallelism: None,
            spill_bytes: DEFAULT_SPILL_BYTES,
            error_limit: ErrorLimit::default(),
            load_timeout: None,
            visible_timeout: DEFAULT_VISIBLE_TIMEOUT,
            max_line_bytes: DEFAULT_MAX_LINE_BYTES,
        }
    }
}

impl WriteSettings {
    /// Reads the settings from the statement's PROPERTIES, else `SET syncline.*` (by short name), else the catalog's options.
    /// Returns those PROPERTIES that are no settings, for the connector to check; in the other two, names that are not known here are left alone.
    pub fn parse(properties: &Options, session: &Options, catalog: &Options) -> Result<(Self, Options)> {
        let mut settings = Self::default();
        // `strategy_on_error` comes behind `error_limit` in the list, and gives way to it.
        for (name, _) in NAMES {
            for scope in [properties, session, catalog] {
                if let Some(value) = find(scope, name)? {
                    let value = value.trim();
                    match *name {
                        "strategy_on_error" => {
                            let has_limit =
                                [properties, session, catalog].iter().any(|it| Self::is_set(it, "error_limit"));
                            settings.set_strategy(value, has_limit)?;
                        }
                        name => settings.set(name, value)?,
                    }
                    break;
                }
            }
        }
        let rest = properties.iter().filter(|(name, _)| canonical(name).is_none()).collect();
        Ok((settings, rest))
    }

    /// The names of all settings, those of DataWorks and DataX included, for suggestions.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().flat_map(|(name, aliases)| std::iter::once(*name).chain(aliases.iter().copied()))
    }

    /// Whether a name is a spelling of this setting.
    pub fn is(name: &str, setting: &str) -> bool {
        canonical(name) == Some(setting)
    }

    /// Whether these options set the setting of this name, in any of its spellings.
    pub fn is_set(options: &Options, setting: &str) -> bool {
        options.iter().any(|(name, _)| canonical(name) == Some(setting))
    }

    /// DataWorks's `strategyOnError`: `exit` fails at the first row that cannot be written, `continue` leaves such rows out, as an
    /// `error_limit` of 100% does; DataWorks's own word for that, `batchDirtyData`, would leave out whole batches for the sake of one row.
    fn set_strategy(&mut self, value: &str, has_limit: bool) -> Result<()> {
        if value.eq_ignore_ascii_case("continue") || value.eq_ignore_ascii_case("batchDirtyData") {
            if !has_limit {
                self.error_limit = ErrorLimit::Ratio(1.0);
            }
            return Ok(());
        }
        if value.eq_ignore_ascii_case("exit") {
            return Ok(());
        }
        Err(ConnectorError::option(format!("strategy_on_error is \"{value}\"; it is one of exit, continue")))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "write_mode" => self.write_mode = WriteMode::parse(value)?,
            "load_bytes" => self.load_bytes = positive(name, parse_bytes(name, value)?)?,
            "load_rows" => self.load_rows = Some(positive(name, parse_count(name, value)?)?),
            "load_parallelism" => self.load_parallelism = parse_parallelism(value)?,
            "spill_bytes" => self.spill_bytes = parse_bytes(name, value)?,
            "error_limit" => self.error_limit = parse_error_limit(value)?,
            "load_timeout" => self.load_timeout = Some(parse_load_timeout(value)?),
            "visible_timeout" => self.visible_timeout = parse_duration(name, value)?,
            "max_line_bytes" => self.max_line_bytes = positive(name, parse_bytes(name, value)?)?,
            _ => return Err(ConnectorError::internal(format!("setting {name} is not read"))),
        }
        Ok(())
    }
}

/// The setting that a name means, whatever its spelling.
fn canonical(name: &str) -> Option<&'static str> {
    let folded = |name: &str| name.replace('_', "").to_lowercase();
    NAMES
        .iter()
        .find(|(known, aliases)| {
            folded(known) == folded(name) || aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
        })
        .map(|(known, _)| *known)
}

/// The value of a setting in one place; given there under two names, it is an error.
fn find<'a>(scope: &'a Options, setting: &str) -> Result<Option<&'a str>> {
    let mut found = scope.iter().filter(|(name, _)| canonical(name) == Some(setting));
    let first = found.next();
    match (first, found.next()) {
        (Some((first, _)), Some((second, _))) => {
            Err(ConnectorError::option(format!("\"{first}\" and \"{second}\" are the same setting; give one of them")))
        }
        (first, _) => Ok(first.map(|(_, value)| value)),
    }
}

fn parse_load_timeout(text: &str) -> Result<Duration> {
    let timeout = parse_duration("load_timeout", text)?;
    match timeout.as_secs() {
        1..=MAX_LOAD_TIMEOUT_S => Ok(timeout),
        _ => Err(ConnectorError::option(format!("load_timeout must be 1 to {MAX_LOAD_TIMEOUT_S} seconds"))),
    }
}

fn positive(name: &str, value: u64) -> Result<u64> {
    if value == 0 { Err(ConnectorError::option(format!("{name} must be more than 0"))) } else { Ok(value) }
}

fn parse_count(name: &str, text: &str) -> Result<u64> {
    text.parse()
        .map_err(|_| ConnectorError::option(format!("{name} is \"{text}\"; it is a whole number such as 500000")))
}

/// `auto` is None: as many loads at a time as the target takes.
fn parse_parallelism(text: &str) -> Result<Option<usize>> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    match text.parse() {
        Ok(loads @ 1..=MAX_LOAD_PARALLELISM) => Ok(Some(loads)),
        _ => Err(ConnectorError::option(format!(
            "load_parallelism is \"{text}\"; it is a number of loads at a time from 1 to {MAX_LOAD_PARALLELISM}, or auto"
        ))),
    }
}

/// A number of bytes: `1048576`, `64MB`, `64 MiB`, `1g`; units are powers of 1024.
pub fn parse_bytes(name: &str, text: &str) -> Result<u64> {
    let (number, unit) = split_unit(text);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(0),
        "k" | "kb" | "kib" => Some(10),
        "m" | "mb" | "mib" => Some(20),
        "g" | "gb" | "gib" => Some(30),
        _ => None,
    };
    let bytes = shift.and_then(|shift| number.parse::<u64>().ok()?.checked_mul(1 << shift));
    bytes.ok_or_else(|| ConnectorError::option(format!("{name} is \"{text}\"; it is a size such as 64MB")))
}

/// A length of time: `60s`, `500ms`, `2m`, `1h`; a bare number counts seconds.
pub fn parse_duration(name: &str, text: &str) -> Result<Duration> {
    let (number, unit) = split_unit(text);
    let unit_ms = match unit.to_ascii_lowercase().as_str() {
        "ms" => Some(1),
        "" | "s" | "sec" => Some(1000),
        "m" | "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let millis = unit_ms.and_then(|unit_ms| number.parse::<u64>().ok()?.checked_mul(unit_ms));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| ConnectorError::option(format!("{name} is \"{text}\"; it is a time such as 60s")))
}

/// How many rejects are allowed: a count, or a part of all rows as a percentage.
pub fn parse_error_limit(text: &str) -> Result<ErrorLimit> {
    let invalid = || {
        ConnectorError::option(format!(
            "error_limit is \"{text}\"; it is a number of rows such as 100, or a part such as 1%"
        ))
    };
    match text.strip_suffix('%') {
        None => text.parse().map(ErrorLimit::Rows).map_err(|_| invalid()),
        Some(percent) => match percent.trim_end().parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(ErrorLimit::Ratio(percent / 100.0)),
            _ => Err(invalid()),
        },
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(entries: &[(&str, &str)]) -> Options {
        entries.iter().copied().collect()
    }

    #[test]
    fn properties_win_over_set_and_set_over_the_catalog() {
        let catalog = options(&[("load_bytes", "1MB"), ("write_mode", "plain"), ("error_limit", "5"), ("url", "x")]);
        let session = options(&[("load_bytes", "2MB"), ("write_mode", "single"), ("on_error", "continue")]);
        let properties = options(&[("load_bytes", "3MB"), ("strict_mode", "true"), ("column_separator", ",")]);
        let (settings, rest) = WriteSettings::parse(&properties, &session, &catalog).unwrap();
        assert_eq!(settings.load_bytes, 3 << 20);
        assert_eq!(settings.write_mode, WriteMode::Single);
        assert_eq!(settings.error_limit, ErrorLimit::Rows(5));
        assert_eq!(rest, options(&[("strict_mode", "true"), ("column_separator", ",")]));
    }

    #[test]
    fn nothing_set_means_the_defaults() {
        let none = Options::new();
        assert_eq!(WriteSettings::parse(&none, &none, &none).unwrap().0, WriteSettings::default());
    }

    #[test]
    fn the_names_of_dataworks_are_aliases() {
        let none = Options::new();
        let properties = options(&[
            ("maxBatchRows", "500000"),
            ("maxBatchSize", "5242880"),
            ("errorLimit", "7"),
            ("loadParallelism", "3"),
            ("spillBytes", "4GB"),
            ("writeMode", "plain"),
        ]);
        let (settings, rest) = WriteSettings::parse(&properties, &none, &none).unwrap();
        assert_eq!(settings.load_rows, Some(500_000));
        assert_eq!(settings.load_bytes, 5 << 20);
        assert_eq!(settings.load_parallelism, Some(3));
        assert_eq!(settings.spill_bytes, 4 << 30);
        assert_eq!(settings.error_limit, ErrorLimit::Rows(7));
        assert_eq!(settings.write_mode, WriteMode::Plain);
        assert!(rest.is_empty());
        let twice = options(&[("load_bytes", "1"), ("maxBatchSize", "2")]);
        let error = WriteSettings::parse(&twice, &none, &none).unwrap_err();
        assert_eq!(error.message(), "\"load_bytes\" and \"maxBatchSize\" are the same setting; give one of them");
    }

    #[test]
    fn the_strategy_of_dataworks_is_a_limit_unless_one_is_set() {
        let none = Options::new();
        let limit = |properties: &[(&str, &str)], session: &[(&str, &str)]| {
            WriteSettings::parse(&options(properties), &options(session), &none)
                .map(|(settings, _)| settings.error_limit)
        };
        assert_eq!(limit(&[("strategyOnError", "exit")], &[]).unwrap(), ErrorLimit::Rows(0));
        assert_eq!(limit(&[("strategyOnError", "continue")], &[]).unwrap(), ErrorLimit::Ratio(1.0));
        assert_eq!(limit(&[("strategyOnError", "batchDirtyData")], &[]).unwrap(), ErrorLimit::Ratio(1.0));
        assert_eq!(limit(&[("strategyOnError", "continue")], &[("error_limit", "3")]).unwrap(), ErrorLimit::Rows(3));
        assert!(limit(&[("strategyOnError", "ignore")], &[]).is_err());
    }

    #[test]
    fn sizes_times_and_limits_have_units() {
        assert_eq!(parse_bytes("load_bytes", "64 MiB").unwrap(), 64 << 20);
        assert_eq!(parse_bytes("load_bytes", "1g").unwrap(), 1 << 30);
        assert_eq!(parse_bytes("load_bytes", "17").unwrap(), 17);
        assert_eq!(parse_duration("visible_timeout", "500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(parse_duration("visible_timeout", "2").unwrap(), Duration::from_secs(2));
        assert_eq!(parse_error_limit("1%").unwrap(), ErrorLimit::Ratio(0.01));
        assert_eq!(parse_error_limit("0.5 %").unwrap(), ErrorLimit::Ratio(0.005));
    }

    #[test]
    fn bad_values_name_the_setting_and_a_good_one() {
        let none = Options::new();
        let parse = |name: &str, value: &str| {
            let properties = options(&[(name, value)]);
            WriteSettings::parse(&properties, &none, &none).unwrap_err().message().to_owned()
        };
        assert_eq!(parse("write_mode", "sigle"), "write_mode is \"sigle\"; did you mean \"single\"?");
        assert_eq!(parse("load_bytes", "lots"), "load_bytes is \"lots\"; it is a size such as 64MB");
        assert_eq!(parse("load_bytes", "0"), "load_bytes must be more than 0");
        assert_eq!(parse("load_bytes", "99999999999g"), "load_bytes is \"99999999999g\"; it is a size such as 64MB");
        for loads in ["0", "65", "many"] {
            assert_eq!(
                parse("load_parallelism", loads),
                format!("load_parallelism is \"{loads}\"; it is a number of loads at a time from 1 to 64, or auto")
            );
        }
        assert_eq!(parse("visible_timeout", "-1s"), "visible_timeout is \"-1s\"; it is a time such as 60s");
        for limit in ["-1", "101%", "0.01", "NaN%", ""] {
            assert!(parse("error_limit", limit).starts_with("error_limit is "), "{limit}");
        }
    }
}
