//! The options of a write into a MySQL table: INSERT PROPERTIES, `SET syncline.NAME`, the catalog; the first of these wins.

use crate::error::{ConnectorError, Result};
use crate::options::{Options, nearest};
use crate::sink::WriteSettings;
use crate::sink::settings::parse_bytes;

use super::session_settings;

/// `batch_size` unless set: rows of one statement, as in DataX's code. More gain nothing, fewer cost a round trip each.
const BATCH_ROWS: usize = 2048;
/// `batch_size` at most.
const MOST_BATCH_ROWS: usize = 1_000_000;
/// `batch_byte_size` unless set. Two statements and a copy of one are in memory at a time; servers gain nothing from longer ones.
const BATCH_BYTES: u64 = 4 << 20;
/// `batch_byte_size` at most: the protocol's limit of a packet.
const MOST_BATCH_BYTES: u64 = 1 << 30;
/// `transaction_rows` unless set: what InnoDB rolls back within a minute, and what replicas take in one piece without trouble.
const TRANSACTION_ROWS: u64 = 1_000_000;
/// `transaction_bytes` unless set: it bounds the undo and the binary log of one transaction (MySQL: a group's message has 2 GB at most).
const TRANSACTION_BYTES: u64 = 1 << 30;

/// What happens to rows whose key is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// They are rejects.
    #[default]
    Insert,
    /// They change the row that is there: INSERT … ON DUPLICATE KEY UPDATE.
    Update,
    /// They take its place: REPLACE.
    Replace,
}

impl Mode {
    const NAMES: [(&'static str, Self); 4] =
        [("insert", Self::Insert), ("update", Self::Update), ("replace", Self::Replace), ("auto", Self::Insert)];

    /// Its name in DataX and in `write_mode`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Replace => "replace",
        }
    }

    fn parse(value: &str) -> Result<Self> {
        let known = Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.trim()));
        known.map(|(_, mode)| *mode).ok_or_else(|| {
            ConnectorError::option(format!(
                "write_mode is \"{}\"; into MySQL it is one of insert, update, replace, auto (which is insert)",
                value.escape_debug()
            ))
        })
    }
}

/// What a write is told, beside what the statement says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WriteOptions {
    pub(super) mode: Mode,
    /// The columns that an update sets; None is all that are written.
    pub(super) update_columns: Option<Vec<String>>,
    /// Whether NULL leaves its column out.
    pub(super) skips_nulls: bool,
    /// The columns of which that holds; None is all that are written.
    pub(super) skip_null_columns: Option<Vec<String>>,
    pub(super) batch_rows: usize,
    pub(super) batch_bytes: u64,
    pub(super) transaction_rows: u64,
    pub(super) transaction_bytes: u64,
    /// Session variables in order.
    pub(super) session: Vec<(String, String)>,
    /// What is said of any write.
    pub(super) settings: WriteSettings,
}

/// Names, each with what DataX calls the same; `_` and case do not count, so that `batchSize` is `batch_size`.
const NAMES: &[(&str, &[&str])] = &[
    ("write_mode", &[]),
    ("update_column", &["updateColumns"]),
    ("null_mode", &[]),
    ("skip_null_column", &["skipNullColumns"]),
    ("batch_size", &[]),
    ("batch_byte_size", &[]),
    ("transaction_rows", &[]),
    ("transaction_bytes", &[]),
    ("session", &[]),
    ("encoding", &["charset"]),
];

/// The options that may also be settings of a session and of a catalog; `write_mode` and `error_limit` are those of any system.
pub const SETTINGS: &[&str] = &[
    "update_column",
    "null_mode",
    "skip_null_column",
    "batch_size",
    "batch_byte_size",
    "transaction_rows",
    "transaction_bytes",
];

/// Settings of writes that concern loads of StarRocks: a statement that gives one to MySQL means something that does not happen.
const OF_LOADS: &[&str] = &["load_bytes", "load_rows", "load_parallelism", "load_timeout", "visible_timeout"];

/// Whether `write_mode` may have this value for a write into MySQL.
pub fn is_write_mode(value: &str) -> bool {
    Mode::parse(value).is_ok()
}

/// Whether the values of a session's settings are ones that a write into MySQL takes; others than [`SETTINGS`] are left alone.
///
/// # Errors
/// Code Option for a value that is none.
pub fn check_settings(session: &Options) -> Result<()> {
    let known = session.iter().filter(|(name, _)| canonical(name).is_some_and(|known| SETTINGS.contains(&known)));
    WriteOptions::read(&known.collect(), &Options::new(), &Options::new()).map(drop)
}

/// Whether the values of a catalog's settings are ones that a write takes.
///
/// # Errors
/// Code Option for a value that is none.
pub(in crate::mysql) fn check_catalog(settings: &Options) -> Result<()> {
    WriteOptions::read(&Options::new(), &Options::new(), settings).map(drop)
}

/// Takes the settings of writes out of a catalog's options.
pub(in crate::mysql) fn split_catalog(options: &Options) -> (Options, Options) {
    let is_setting = |name: &str| {
        canonical(name).is_some_and(|known| known == "write_mode" || SETTINGS.contains(&known))
            || ["error_limit", "strategy_on_error"].iter().any(|known| WriteSettings::is(name, known))
    };
    let (settings, others): (Vec<_>, Vec<_>) = options.iter().partition(|(name, _)| is_setting(name));
    (settings.into_iter().collect(), others.into_iter().collect())
}

fn folded(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}

fn canonical(name: &str) -> Option<&'static str> {
    let wanted = folded(name);
    let is_it = |(known, aliases): &&(&str, &[&str])| {
        folded(known) == wanted || aliases.iter().any(|alias| folded(alias) == wanted)
    };
    NAMES.iter().find(is_it).map(|(known, _)| *known)
}

impl WriteOptions {
    /// Reads the options of a statement.
    ///
    /// # Errors
    /// Code Option for a name that nobody knows, a value that is none, and two names of one option.
    pub(super) fn parse(properties: &Options, session: &Options, catalog: &Options) -> Result<Self> {
        let options = Self::read(properties, session, catalog)?;
        options.check(properties)?;
        Ok(options)
    }

    fn read(properties: &Options, session: &Options, catalog: &Options) -> Result<Self> {
        let mut options = Self {
            mode: Mode::default(),
            update_columns: None,
            skips_nulls: false,
            skip_null_columns: None,
            batch_rows: BATCH_ROWS,
            batch_bytes: BATCH_BYTES,
            transaction_rows: TRANSACTION_ROWS,
            transaction_bytes: TRANSACTION_BYTES,
            session: Vec::new(),
            settings: WriteSettings::default(),
        };
        let mut others = [Options::new(), Options::new(), Options::new()];
        for (place, scope) in [catalog, session, properties].into_iter().enumerate() {
            let is_statement = place == 2;
            let mut taken: Vec<(&str, &str)> = Vec::new();
            for (name, value) in scope.iter() {
                if let Some(variable) = variable_of(name).filter(|_| is_statement) {
                    session_settings::add(&mut options.session, variable, value)?;
                    continue;
                }
                let Some(known) = canonical(name) else {
                    others[place].set(name, value);
                    continue;
                };
                if let Some((_, other)) = taken.iter().find(|(taken, _)| *taken == known) {
                    let message = format!("\"{other}\" and \"{name}\" are the same option; give one of them");
                    return Err(ConnectorError::option(message));
                }
                taken.push((known, name));
                // what is said of one statement alone, or of a file
                if is_statement || known == "write_mode" || SETTINGS.contains(&known) {
                    options.set(known, name, value)?;
                }
            }
        }
        let [catalog, session, others] = &others;
        if let Some((name, _)) = others.iter().find(|(name, _)| OF_LOADS.iter().any(|it| WriteSettings::is(name, it))) {
            return Err(ConnectorError::option(format!(
                "\"{name}\" is a setting of StarRocks loads; a write into MySQL takes batch_size, batch_byte_size, transaction_rows, transaction_bytes"
            )));
        }
        let rest;
        (options.settings, rest) = WriteSettings::parse(others, session, catalog)?;
        refuse_unknown(&rest)?;
        Ok(options)
    }

    fn set(&mut self, known: &str, name: &str, value: &str) -> Result<()> {
        match known {
            "write_mode" => self.mode = Mode::parse(value)?,
            "update_column" => self.update_columns = names(name, value)?,
            "skip_null_column" => self.skip_null_columns = names(name, value)?,
            "null_mode" => self.skips_nulls = skips_nulls(name, value)?,
            "batch_size" => self.batch_rows = batch_rows(name, value)?,
            "batch_byte_size" => self.batch_bytes = within(name, parse_bytes(name, value)?, MOST_BATCH_BYTES)?,
            "transaction_rows" => self.transaction_rows = count(name, value)?,
            "transaction_bytes" => self.transaction_bytes = within(name, parse_bytes(name, value)?, u64::MAX)?,
            "session" => session_settings::parse(value)?
                .into_iter()
                .try_for_each(|(variable, value)| session_settings::add(&mut self.session, &variable, &value))?,
            "encoding" => check_encoding(name, value)?,
            _ => return Err(ConnectorError::internal(format!("option {known} is not read"))),
        }
        Ok(())
    }

    /// Refuses options of the statement that mean nothing without another one.
    fn check(&self, properties: &Options) -> Result<()> {
        let gives = |option: &str| properties.iter().any(|(name, _)| canonical(name) == Some(option));
        if self.mode != Mode::Update && self.update_columns.is_some() && gives("update_column") {
            return Err(ConnectorError::option(format!(
                "\"update_column\" is for write_mode update, and write_mode is {}",
                self.mode.name()
            )));
        }
        if !self.skips_nulls && self.skip_null_columns.is_some() && gives("skip_null_column") {
            return Err(ConnectorError::option(
                "\"skip_null_column\" is for \"null_mode\" = 'skipNull', which is not written",
            ));
        }
        Ok(())
    }
}

fn variable_of(name: &str) -> Option<&str> {
    let (prefix, variable) = name.split_at_checked("session.".len())?;
    prefix.eq_ignore_ascii_case("session.").then_some(variable)
}

fn refuse_unknown(rest: &Options) -> Result<()> {
    let Some((name, _)) = rest.iter().next() else { return Ok(()) };
    let known = NAMES.iter().flat_map(|(name, aliases)| std::iter::once(name).chain(aliases.iter())).copied();
    let hint = match nearest(name, known.chain(["error_limit", "errorLimit"])) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("a write into MySQL takes {}, session.NAME, error_limit", names.join(", "))
        }
    };
    Err(ConnectorError::option(format!("unknown option \"{}\"; {hint}", name.escape_debug())))
}

/// Names of columns: a list of JSON, or names with commas between them. None for an empty list.
fn names(name: &str, value: &str) -> Result<Option<Vec<String>>> {
    let text = value.trim();
    let names: Vec<String> = if text.starts_with('[') {
        serde_json::from_str(text)
            .map_err(|_| ConnectorError::option(format!("{name} is a list of columns: 'a, b' or '[\"a\", \"b\"]'")))?
    } else {
        text.split(',').map(|name| name.trim().trim_matches('`').to_owned()).filter(|name| !name.is_empty()).collect()
    };
    Ok(Some(names).filter(|names| !names.is_empty()))
}

fn skips_nulls(name: &str, value: &str) -> Result<bool> {
    match folded(value.trim()).as_str() {
        "writenull" => Ok(false),
        "skipnull" => Ok(true),
        _ => Err(ConnectorError::option(format!(
            "{name} is \"{}\"; it is one of writeNull, skipNull",
            value.escape_debug()
        ))),
    }
}

fn count(name: &str, value: &str) -> Result<u64> {
    value.trim().parse().ok().filter(|count| *count > 0).ok_or_else(|| {
        ConnectorError::option(format!("{name} is \"{}\"; it is a whole number such as 1000000", value.escape_debug()))
    })
}

fn batch_rows(name: &str, value: &str) -> Result<usize> {
    let rows = within(name, count(name, value)?, MOST_BATCH_ROWS as u64)?;
    usize::try_from(rows).map_err(|_| ConnectorError::option(format!("{name} is too large")))
}

fn within(name: &str, value: u64, most: u64) -> Result<u64> {
    match value {
        0 => Err(ConnectorError::option(format!("{name} must be more than 0"))),
        value if value > most => Err(ConnectorError::option(format!("{name} is {most} at most"))),
        value => Ok(value),
    }
}

/// Connections speak utf8mb4, which the server turns into each column's own character set.
fn check_encoding(name: &str, value: &str) -> Result<()> {
    match value.trim().to_ascii_lowercase().as_str() {
        "" | "utf8" | "utf-8" | "utf8mb4" => Ok(()),
        _ => Err(ConnectorError::option(format!(
            "{name} is \"{}\"; text is sent as UTF-8, and the server turns it into the character set of each column: leave it out",
            value.escape_debug()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::ErrorLimit;

    fn options(entries: &[(&str, &str)]) -> Options {
        entries.iter().copied().collect()
    }

    fn parse(properties: &[(&str, &str)]) -> Result<WriteOptions> {
        WriteOptions::parse(&options(properties), &Options::new(), &Options::new())
    }

    fn error(properties: &[(&str, &str)]) -> String {
        parse(properties).unwrap_err().message().to_owned()
    }

    #[test]
    fn the_names_of_dataworks_are_aliases() {
        let read = parse(&[
            ("writeMode", "update"),
            ("updateColumn", "[\"a\", \"b,c\"]"),
            ("nullMode", "skipNull"),
            ("skipNullColumn", "a, `b`"),
            ("batchSize", "256"),
            ("batchByteSize", "33554432"),
            ("encoding", "UTF-8"),
            ("session", "[\"set sql_mode='STRICT_ALL_TABLES'\"]"),
            ("session.innodb_lock_wait_timeout", "5"),
            ("errorLimit", "7"),
        ])
        .unwrap();
        assert_eq!(read.mode, Mode::Update);
        assert_eq!(read.update_columns, Some(vec!["a".into(), "b,c".into()]));
        assert_eq!(read.skip_null_columns, Some(vec!["a".into(), "b".into()]));
        assert!(read.skips_nulls);
        assert_eq!((read.batch_rows, read.batch_bytes), (256, 32 << 20));
        let session = [("sql_mode", "STRICT_ALL_TABLES"), ("innodb_lock_wait_timeout", "5")];
        assert_eq!(read.session, session.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(read.settings.error_limit, ErrorLimit::Rows(7));
    }

    #[test]
    fn properties_win_over_set_and_set_over_the_catalog() {
        let catalog = options(&[("write_mode", "replace"), ("batch_size", "1"), ("transaction_rows", "10")]);
        let session =
            options(&[("batch_size", "2"), ("transaction_rows", "20"), ("load_bytes", "1MB"), ("on_error", "x")]);
        let properties = options(&[("transactionRows", "30")]);
        let read = WriteOptions::parse(&properties, &session, &catalog).unwrap();
        assert_eq!((read.mode, read.batch_rows, read.transaction_rows), (Mode::Replace, 2, 30));
    }

    #[test]
    fn a_mode_of_another_system_is_an_error_with_those_that_are_taken() {
        assert_eq!(parse(&[("write_mode", "AUTO")]).unwrap().mode, Mode::Insert);
        for other in ["single", "staging_table", "truncate", "nonConflict"] {
            assert_eq!(
                error(&[("write_mode", other)]),
                format!(
                    "write_mode is \"{other}\"; into MySQL it is one of insert, update, replace, auto (which is insert)"
                )
            );
        }
        assert!(is_write_mode("Replace") && !is_write_mode("plain"));
    }

    #[test]
    fn options_that_mean_nothing_here_are_refused_by_name() {
        assert!(error(&[("encoding", "gbk")]).contains("leave it out"));
        assert!(error(&[("load_bytes", "1MB")]).contains("StarRocks loads"));
        assert!(error(&[("updateColumn", "a")]).contains("write_mode is insert"));
        parse(&[("updateColumn", "[]")]).unwrap();
        WriteOptions::parse(&Options::new(), &options(&[("update_column", "a")]), &Options::new()).unwrap();
        assert!(error(&[("writeMode", "replace"), ("updateColumn", "a")]).contains("write_mode is replace"));
        assert!(error(&[("skipNullColumn", "a")]).contains("skipNull"));
        assert!(error(&[("batchSiz", "1")]).contains("did you mean \"batch_size\"?"));
        assert!(error(&[("zzz", "1")]).contains("takes write_mode, update_column"));
        assert!(error(&[("batchSize", "1"), ("batch_size", "2")]).contains("are the same option"));
        for (name, value) in [
            ("batch_size", "0"),
            ("batch_size", "x"),
            ("batch_byte_size", "2g"),
            ("null_mode", "no"),
            ("transaction_rows", "-1"),
        ] {
            assert!(error(&[(name, value)]).starts_with(name), "{name}");
        }
    }

    #[test]
    fn settings_of_a_catalog_are_told_from_its_options() {
        let (settings, others) = split_catalog(&options(&[
            ("url", "x"),
            ("writeMode", "replace"),
            ("batchSize", "5"),
            ("error_limit", "1"),
            ("session.a", "1"),
        ]));
        assert_eq!(settings.iter().count(), 3);
        assert_eq!(others, options(&[("url", "x"), ("session.a", "1")]));
    }

    #[test]
    fn settings_are_checked_when_they_are_set() {
        check_settings(&options(&[("batch_size", "10"), ("on_error", "stop")])).unwrap();
        assert!(check_settings(&options(&[("batch_size", "ten")])).is_err());
    }
}
