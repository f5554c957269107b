//! The options of a write into files: INSERT PROPERTIES, COPY OPTIONS, and `SET syncline.NAME` for what is no property of one statement.

use crate::error::{ConnectorError, Result};
use crate::file_sink::{Layout, TargetKind};
use crate::options::{Options, nearest};
use crate::sink::WriteSettings;
use crate::sink::settings::parse_bytes;
use crate::text::DateTimePattern;

/// DataWorks's `maxFileSize` unless set: 10000 MB.
const MAX_FILE_BYTES: u64 = 10_000 << 20;
/// What parts that grow to 88 MB can hold, and less than the 5 TB that servers take for one object.
const LARGEST_FILE_BYTES: u64 = 400 << 30;
/// Hive: `hive.exec.max.dynamic.partitions`.
const MAX_DYNAMIC_PARTITIONS: usize = 1000;
/// Writers unless set. Each holds the parts of a file that are on their way, 24 MB and more of an object.
const MAX_WRITERS: usize = 8;

/// What happens to files that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// They stay.
    Append,
    /// They are removed once the new ones are there.
    Overwrite,
    /// The write is refused if there are any.
    NonConflict,
}

/// What a write is told, beside what its files look like.
#[derive(Debug, Clone)]
pub(super) struct WriterOptions {
    pub(super) mode: Option<Mode>,
    pub(super) header: Option<bool>,
    pub(super) compression: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) max_file_bytes: u64,
    pub(super) empty_file: Option<bool>,
    pub(super) date_format: Option<DateTimePattern>,
    pub(super) raw: bool,
    pub(super) max_dynamic_partitions: usize,
    pub(super) max_writers: usize,
    /// What names of files end with, in place of the format's own ending.
    pub(super) suffix: Option<String>,
}

/// Names, each with what DataWorks, Spark and Hive call the same; `_` and case do not count.
const NAMES: &[(&str, &[&str])] = &[
    ("write_mode", &[]),
    ("header", &["writeHeader"]),
    ("compression", &["compress", "codec"]),
    ("encoding", &["charset"]),
    ("max_file_size", &[]),
    ("empty_file", &["generateEmptyFile"]),
    ("date_format", &["timestampFormat"]),
    ("raw_text", &["raw"]),
    ("max_dynamic_partitions", &["hive.exec.max.dynamic.partitions"]),
    ("max_writers", &[]),
    ("suffix", &[]),
    ("write_single_object", &["single"]),
];

/// The options that may also be settings of a session, because they are not about one statement.
pub const SETTINGS: &[&str] = &["max_file_size", "empty_file", "raw_text", "max_dynamic_partitions", "max_writers"];

/// Whether the values of a session's settings are ones that a write into files takes; others than [`SETTINGS`] are left alone.
///
/// # Errors
/// Code Option for a value that is none.
pub fn check_settings(session: &Options) -> Result<()> {
    WriterOptions::read(&Options::new(), session, TargetKind::Table).map(drop)
}

/// What says how files look, which a table's definition says of its own.
const OF_DEFINITION: &[&str] = &[
    "fileFormat",
    "format",
    "fieldDelimiter",
    "field.delim",
    "delimiter",
    "sep",
    "lineDelimiter",
    "line.delim",
    "nullFormat",
    "nullValue",
    "serialization.null.format",
    "quote",
    "escape",
    "escape.delim",
];

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

impl WriterOptions {
    /// Reads the options. Of the session's settings those count that are not about one statement; what is in neither list is left for
    /// the settings of any write.
    ///
    /// # Errors
    /// Code Option for a value that is none, for two names of one option, and for what a table's definition says.
    pub(super) fn read(properties: &Options, session: &Options, kind: TargetKind) -> Result<(Self, Options, Options)> {
        let mut options = Self {
            mode: None,
            header: None,
            compression: None,
            encoding: None,
            max_file_bytes: MAX_FILE_BYTES,
            empty_file: None,
            date_format: None,
            raw: false,
            max_dynamic_partitions: MAX_DYNAMIC_PARTITIONS,
            max_writers: MAX_WRITERS,
            suffix: None,
        };
        let of_session = |name: &str| SETTINGS.contains(&name);
        let mut other_session = Options::new();
        for (name, value) in session.iter() {
            match canonical(name) {
                Some(known) if of_session(known) => options.set(known, name, value)?,
                // how StarRocks is written to, and what is said of one statement alone
                Some(_) => {}
                None => other_session.set(name, value),
            }
        }
        let mut rest = Options::new();
        let mut taken: Vec<(&str, &str)> = Vec::new();
        for (name, value) in properties.iter() {
            let Some(known) = canonical(name) else {
                rest.set(name, value);
                continue;
            };
            if let Some((_, other)) = taken.iter().find(|(taken, _)| *taken == known) {
                let message = format!("\"{other}\" and \"{name}\" are the same option; give one of them");
                return Err(ConnectorError::option(message));
            }
            taken.push((known, name));
            if kind == TargetKind::Table
                && matches!(known, "encoding" | "date_format" | "write_single_object" | "suffix")
            {
                return Err(of_definition(name));
            }
            options.set(known, name, value)?;
        }
        if kind == TargetKind::Table
            && let Some((name, _)) =
                rest.iter().find(|(name, _)| OF_DEFINITION.iter().any(|it| folded(it) == folded(name)))
        {
            return Err(of_definition(name));
        }
        Ok((options, rest, other_session))
    }

    fn set(&mut self, known: &str, name: &str, value: &str) -> Result<()> {
        match known {
            "write_mode" => self.mode = Some(mode(name, value)?),
            "header" => self.header = Some(boolean(name, value)?),
            "compression" => self.compression = Some(value.trim().to_ascii_lowercase()),
            "encoding" => self.encoding = Some(value.to_owned()),
            "max_file_size" => self.max_file_bytes = file_bytes(name, value)?,
            "empty_file" => self.empty_file = Some(boolean(name, value)?),
            "date_format" => self.date_format = Some(DateTimePattern::parse(value)?),
            "raw_text" => self.raw = boolean(name, value)?,
            "max_dynamic_partitions" => self.max_dynamic_partitions = count(name, value)?,
            "max_writers" => self.max_writers = count(name, value)?,
            "suffix" => self.suffix = Some(suffix(name, value)?),
            // whoever planned the write has made a layout of it
            "write_single_object" => {
                boolean(name, value)?;
            }
            _ => return Err(ConnectorError::internal(format!("option {known} is not read"))),
        }
        Ok(())
    }

    /// An error for the first option that nobody knows.
    pub(super) fn refuse_unknown(rest: &Options) -> Result<()> {
        let Some((name, _)) = rest.iter().next() else { return Ok(()) };
        let known = NAMES.iter().flat_map(|(name, aliases)| std::iter::once(name).chain(aliases.iter())).copied();
        let hint = match nearest(name, known.chain(WriteSettings::names())) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                format!("a write into files takes {}, error_limit", names.join(", "))
            }
        };
        Err(ConnectorError::option(format!("unknown option \"{}\"; {hint}", name.escape_debug())))
    }

    /// What happens to files that are there: INSERT says so itself, COPY by an option.
    pub(super) fn mode(&self, overwrite: bool, kind: TargetKind, layout: Layout) -> Result<Mode> {
        let refuse = |message: &str| Err(ConnectorError::option(message));
        let by_statement = if overwrite { Mode::Overwrite } else { Mode::Append };
        match (kind, self.mode) {
            (_, Some(Mode::Append)) if layout == Layout::SingleFile => {
                refuse("\"writeMode\" = 'append' adds files, and a single file was asked for; leave one of them out")
            }
            (_, None) if layout == Layout::SingleFile => Ok(Mode::Overwrite),
            (_, None) => Ok(by_statement),
            (TargetKind::Copy, Some(mode)) => Ok(mode),
            (_, Some(mode)) if mode == by_statement => Ok(mode),
            (_, Some(Mode::NonConflict)) if !overwrite => Ok(Mode::NonConflict),
            (_, Some(_)) if overwrite => refuse("INSERT OVERWRITE replaces what is there; leave \"writeMode\" out"),
            (_, Some(_)) => refuse("INSERT INTO keeps what is there; write INSERT OVERWRITE to replace it"),
        }
    }
}

fn of_definition(name: &str) -> ConnectorError {
    ConnectorError::option(format!(
        "\"{}\" is said by the table's definition, and files of another kind could not be read by it; leave it out",
        name.escape_debug()
    ))
}

fn mode(name: &str, value: &str) -> Result<Mode> {
    match value.trim().to_ascii_lowercase().as_str() {
        "truncate" | "overwrite" => Ok(Mode::Overwrite),
        "append" => Ok(Mode::Append),
        "nonconflict" => Ok(Mode::NonConflict),
        _ => Err(ConnectorError::option(format!(
            "{name} is \"{}\"; into files it is one of truncate, append, nonConflict",
            value.escape_debug()
        ))),
    }
}

/// An ending of names that leaves the file in its folder, and visible to whoever reads it by name.
fn suffix(name: &str, value: &str) -> Result<String> {
    let value = value.trim();
    match value.contains(['/', '\\', '*', '?', '[', '{']) || value.chars().any(char::is_control) {
        true => Err(ConnectorError::option(format!("{name} is the end of a file's name, such as .csv"))),
        false => Ok(value.to_owned()),
    }
}

fn count(name: &str, value: &str) -> Result<usize> {
    let count = value.trim().parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| {
        ConnectorError::option(format!("{name} is \"{}\"; it is a whole number such as 16", value.escape_debug()))
    })
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    match value.trim() {
        value if value.eq_ignore_ascii_case("true") => Ok(true),
        value if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(ConnectorError::option(format!("{name} is \"{}\"; it is true or false", value.escape_debug()))),
    }
}

/// A bare number counts MB, as in DataWorks.
fn file_bytes(name: &str, value: &str) -> Result<u64> {
    let is_bare = value.trim().bytes().all(|byte| byte.is_ascii_digit());
    let text = if is_bare { format!("{}MB", value.trim()) } else { value.trim().to_owned() };
    let bytes = parse_bytes(name, &text)?;
    match bytes {
        1..=LARGEST_FILE_BYTES => Ok(bytes),
        _ => Err(ConnectorError::option(format!("{name} is from 1 byte to {} GB", LARGEST_FILE_BYTES >> 30))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)], kind: TargetKind) -> Result<(WriterOptions, Options)> {
        let properties = entries.iter().copied().collect();
        WriterOptions::read(&properties, &Options::new(), kind).map(|(options, rest, _)| (options, rest))
    }

    #[test]
    fn the_names_of_dataworks_are_aliases() {
        let (options, rest) = read(
            &[
                ("writeMode", "nonConflict"),
                ("writeHeader", "true"),
                ("compress", "GZIP"),
                ("maxFileSize", "300"),
                ("generateEmptyFile", "false"),
                ("dateFormat", "yyyyMMdd"),
                ("encoding", "gbk"),
                ("error_limit", "3"),
            ],
            TargetKind::Copy,
        )
        .unwrap();
        assert_eq!(options.mode, Some(Mode::NonConflict));
        assert_eq!((options.header, options.empty_file), (Some(true), Some(false)));
        assert_eq!(options.compression.as_deref(), Some("gzip"));
        assert_eq!(options.max_file_bytes, 300 << 20);
        assert_eq!(rest.iter().collect::<Vec<_>>(), [("error_limit", "3")]);
    }

    #[test]
    fn a_table_says_itself_how_its_files_look() {
        for name in ["encoding", "dateFormat", "fieldDelimiter", "nullFormat", "writeSingleObject"] {
            let error = read(&[(name, "true")], TargetKind::Table).unwrap_err();
            assert!(error.message().contains("definition"), "{error}");
        }
    }

    #[test]
    fn unknown_options_and_bad_values_have_a_way_out() {
        let unknown = |name: &str| {
            let (_, rest) = read(&[(name, "1")], TargetKind::Copy).unwrap();
            WriterOptions::refuse_unknown(&rest).unwrap_err().message().to_owned()
        };
        assert_eq!(unknown("writeHeadr"), "unknown option \"writeHeadr\"; did you mean \"writeHeader\"?");
        assert!(unknown("zzz").contains("takes write_mode, header"));
        for (name, value) in [
            ("writeMode", "x"),
            ("header", "yes"),
            ("maxFileSize", "0"),
            ("maxFileSize", "9000g"),
            ("max_dynamic_partitions", "0"),
        ] {
            let error = read(&[(name, value)], TargetKind::Copy).unwrap_err();
            assert!(error.message().starts_with(name), "{error}");
        }
        let error = read(&[("header", "true"), ("writeHeader", "true")], TargetKind::Copy).unwrap_err();
        assert_eq!(error.message(), "\"header\" and \"writeHeader\" are the same option; give one of them");
    }

    #[test]
    fn the_statement_and_the_option_agree() {
        let of = |mode: Option<&str>, overwrite, kind, layout| {
            let entries: Vec<(&str, &str)> = mode.into_iter().map(|mode| ("writeMode", mode)).collect();
            read(&entries, kind).unwrap().0.mode(overwrite, kind, layout).ok()
        };
        use Layout::{Folder, SingleFile};
        use TargetKind::{Copy, Table};
        assert_eq!(of(None, false, Table, Folder), Some(Mode::Append));
        assert_eq!(of(Some("truncate"), false, Table, Folder), None);
        assert_eq!(of(Some("append"), true, Table, Folder), None);
        assert_eq!(of(Some("nonConflict"), false, Table, Folder), Some(Mode::NonConflict));
        assert_eq!(of(Some("truncate"), false, Copy, Folder), Some(Mode::Overwrite));
        assert_eq!(of(None, false, Copy, SingleFile), Some(Mode::Overwrite));
        assert_eq!(of(Some("append"), false, Copy, SingleFile), None);
    }
}
