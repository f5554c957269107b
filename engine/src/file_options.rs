//! Options of COPY and INSERT OVERWRITE DIRECTORY, in the words of DataFusion, DuckDB, PostgreSQL, Spark and DataWorks: some say how files
//! are written down, some where rows go, and the rest are the writer's.

use std::path::Path;

use arrow::datatypes::DataType;
use syncline_connectors::file_sink::FileFormat;
use syncline_connectors::options::nearest;
use syncline_connectors::{ConnectorError, Options};
use syncline_sql::statement::{
    FilesStatement, FilesTarget, FormatClauses, Property, PropertyValue, RowFormat, StorageFormat,
};

use crate::catalogs::without_password;
use crate::error::{Result, SynclineError};
use crate::file_format::FormatOf;
use crate::reference::{OptionValue, Resolver};
use crate::schema_text;
use crate::scope::Scope;

/// What the options say.
#[derive(Debug)]
pub(crate) struct FileOptions {
    clauses: FormatClauses,
    /// `single`, DataWorks's `writeSingleObject`.
    pub(crate) single: Option<bool>,
    /// `schema`: names and types of the columns that the files hold, where they are not the query's.
    pub(crate) schema: Option<Vec<(String, DataType)>>,
    /// The options that are none of these.
    pub(crate) writer: Options,
}

/// The formats by the names that options and files have for them.
const FORMATS: &[(&str, StorageFormat)] = &[
    ("text", StorageFormat::Text),
    ("textfile", StorageFormat::Text),
    ("txt", StorageFormat::Text),
    ("log", StorageFormat::Text),
    ("tsv", StorageFormat::Text),
    ("csv", StorageFormat::Csv),
    ("json", StorageFormat::Json),
    ("jsonl", StorageFormat::Json),
    ("ndjson", StorageFormat::Json),
    ("parquet", StorageFormat::Parquet),
    ("avro", StorageFormat::Avro),
    ("orc", StorageFormat::Orc),
];

/// Endings of names that say how a file is compressed, with the word for it.
const COMPRESSIONS: &[(&str, &str)] =
    &[("gz", "gzip"), ("gzip", "gzip"), ("zst", "zstd"), ("zstd", "zstd"), ("bz2", "bzip2"), ("snappy", "snappy")];

/// An option by what it says; `writer` options go there under the name given.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Format,
    Single,
    Schema,
    PerThread,
    Fields,
    Lines,
    Null,
    Escape,
    /// A property of the format, by the name that tables have for it.
    Property(&'static str),
    Writer(&'static str),
    /// True stands for this value of the writer's `writeMode`.
    WriteMode(&'static str),
}

/// Names without case, `_` and the `format.` that DataFusion puts before them.
const NAMES: &[(&str, Meaning)] = &[
    ("format", Meaning::Format),
    ("fileformat", Meaning::Format),
    ("single", Meaning::Single),
    ("singlefile", Meaning::Single),
    ("singlefileoutput", Meaning::Single),
    ("writesingleobject", Meaning::Single),
    ("schema", Meaning::Schema),
    ("perthreadoutput", Meaning::PerThread),
    ("delimiter", Meaning::Fields),
    ("delim", Meaning::Fields),
    ("sep", Meaning::Fields),
    ("separator", Meaning::Fields),
    ("fielddelimiter", Meaning::Fields),
    ("field.delim", Meaning::Fields),
    ("columnseparator", Meaning::Fields),
    ("linedelimiter", Meaning::Lines),
    ("linesep", Meaning::Lines),
    ("line.delim", Meaning::Lines),
    ("terminator", Meaning::Lines),
    ("rowdelimiter", Meaning::Lines),
    ("null", Meaning::Null),
    ("nullstr", Meaning::Null),
    ("nullvalue", Meaning::Null),
    ("nullformat", Meaning::Null),
    ("serialization.null.format", Meaning::Null),
    ("escape", Meaning::Escape),
    ("escape.delim", Meaning::Escape),
    ("quote", Meaning::Property("quote")),
    ("emptyvalue", Meaning::Property("emptyValue")),
    ("header", Meaning::Writer("header")),
    ("hasheader", Meaning::Writer("header")),
    ("writeheader", Meaning::Writer("header")),
    ("compression", Meaning::Writer("compress")),
    ("codec", Meaning::Writer("compress")),
    ("overwrite", Meaning::WriteMode("truncate")),
    ("append", Meaning::WriteMode("append")),
];

fn meaning(name: &str) -> Option<Meaning> {
    let folded = name.to_ascii_lowercase().replace('_', "");
    let folded = folded.strip_prefix("format.").unwrap_or(&folded);
    NAMES.iter().find(|(known, _)| *known == folded).map(|(_, meaning)| *meaning)
}

impl FileOptions {
    /// Reads the options; the format comes from them, from STORED AS or USING, or from the file's name.
    pub(crate) fn read(
        files: &FilesTarget,
        properties: &[Property],
        folder: Option<&Path>,
        scope: &Scope,
    ) -> Result<Self> {
        let rules = &scope.engine.shared.rules;
        let resolver = Resolver {
            allow_env: &rules.env,
            allow_files: Some(&rules.locations),
            base: folder,
            environment: scope.engine.environment(),
        };
        let mut options = Self { clauses: files.format.clone(), single: None, schema: None, writer: Options::new() };
        let mut format = None;
        for property in properties {
            let at = |error: SynclineError| error.at(property.position.clone());
            let whose = format!("option \"{}\" of {}", property.name, without_password(&files.location));
            let value = resolver.resolve(&scope.with_secret(OptionValue::from(property)), &whose).map_err(at)?;
            let value = value.expose();
            match meaning(&property.name) {
                None => {
                    options.writer.set(&property.name, value);
                }
                Some(Meaning::Format) => format = Some(named_format(value).map_err(at)?),
                Some(Meaning::Single) => options.single = Some(flag(property, value)?),
                Some(Meaning::Schema) => options.schema = Some(schema_text::columns(value).map_err(at)?),
                Some(Meaning::PerThread) => options.single = Some(!flag(property, value)?),
                Some(Meaning::Fields) => options.clauses.row_format.fields = Some(bytes(property)?),
                Some(Meaning::Lines) => options.clauses.row_format.lines = Some(bytes(property)?),
                Some(Meaning::Null) => options.clauses.row_format.null = Some(marker(property)?),
                Some(Meaning::Escape) => options.clauses.row_format.escape = Some(bytes(property)?),
                Some(Meaning::Property(name)) => {
                    options.clauses.properties.push(Property { name: name.to_owned(), ..property.clone() });
                }
                Some(Meaning::Writer(name)) => {
                    options.writer.set(name, value);
                }
                Some(Meaning::WriteMode(mode)) => match (flag(property, value)?, mode) {
                    (true, _) => {
                        options.writer.set("writeMode", mode);
                    }
                    // whoever forbids that files are replaced means one file, too
                    (false, "truncate") => options.set_write_mode_if_none("nonConflict"),
                    (false, _) => {}
                },
            }
        }
        let format = format.or_else(|| files.has_format.then_some(files.format.format));
        options.take_name(files, format)?;
        options.refuse_what_the_format_has_not().map_err(|error| error.at(files.position.clone()))?;
        Ok(options)
    }

    /// What the options do not say of format and compression, the name of a file does; a directory holds text, as in Hive.
    fn take_name(&mut self, files: &FilesTarget, format: Option<StorageFormat>) -> Result<()> {
        if files.statement == FilesStatement::Directory {
            self.clauses.format = format.unwrap_or_default();
            return Ok(());
        }
        let (ending, compression) = name_parts(&files.location);
        let by_ending = ending.as_deref().and_then(|ending| named_format(ending).ok());
        if format.is_none() && ending.as_deref() == Some("tsv") {
            self.clauses.row_format.fields.get_or_insert_with(|| b"\t".to_vec());
        }
        self.clauses.format = format.or(by_ending).ok_or_else(|| {
            let message = format!("the name of {} does not say its format", without_password(&files.location));
            SynclineError::from(ConnectorError::option(message))
                .hint("write STORED AS or OPTIONS (format 'csv'), or a name that ends in .csv, .txt, .json, .parquet, .avro or .orc")
                .at(files.position.clone())
        })?;
        let is_compressed = self.writer.iter().any(|(name, _)| name.eq_ignore_ascii_case("compress"));
        if let (Some(compression), false) = (compression, is_compressed) {
            self.writer.set("compress", compression);
        }
        Ok(())
    }

    /// What only lines have is not passed over in silence where there are none, or where they hold JSON.
    fn refuse_what_the_format_has_not(&self) -> Result<()> {
        let RowFormat { fields, escape, lines, null, .. } = &self.clauses.row_format;
        let is_json = matches!(self.clauses.format, StorageFormat::Json | StorageFormat::SparkJson);
        let given = [
            ("delimiter of fields", fields.is_some()),
            ("escape", escape.is_some()),
            ("text for NULL", null.is_some()),
            ("quotes", self.clauses.properties.iter().any(|property| property.name == "quote")),
            ("delimiter of lines", lines.is_some() && !is_json),
        ];
        let found = given.into_iter().find(|(_, is_given)| *is_given && (is_json || !self.clauses.format.is_lines()));
        match found {
            Some((what, _)) => {
                let message = format!("files of format {} have no {what}", self.clauses.format.name());
                Err(ConnectorError::option(message).into())
            }
            None => Ok(()),
        }
    }

    /// What happens to files that are there, where no option says it.
    pub(crate) fn set_write_mode_if_none(&mut self, mode: &str) {
        let is_given = |name: &str| name.replace('_', "").eq_ignore_ascii_case("writemode");
        if !self.writer.iter().any(|(name, _)| is_given(name)) {
            self.writer.set("writeMode", mode);
        }
    }

    /// For files of one column: a line is the field.
    pub(crate) fn drop_delimiter(&mut self) {
        if self.clauses.format == StorageFormat::Text {
            self.clauses.row_format.fields = None;
        }
    }

    /// How the files are written down.
    pub(crate) fn format(
        &self,
        whose: &str,
        columns: Vec<(String, DataType)>,
        folder: Option<&Path>,
        scope: &Scope,
    ) -> Result<FileFormat> {
        let format = FormatOf { name: whose.to_owned(), clauses: &self.clauses, columns, folder };
        Ok(format.read(scope)?.0)
    }
}

/// What the last part of a location ends with: the ending that may name a format, in lower case, and the compression behind it.
fn name_parts(location: &str) -> (Option<String>, Option<&'static str>) {
    let path = match location.contains("://") {
        true => location.split(['?', '#']).next().unwrap_or_default(),
        false => location,
    };
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let ending = |name: &str| name.rsplit_once('.').map(|(_, ending)| ending.to_owned());
    let compression = ending(&name).and_then(|last| {
        COMPRESSIONS.iter().find(|(known, _)| *known == last).map(|(known, word)| (known.len() + 1, *word))
    });
    match compression {
        Some((length, word)) => (ending(&name[..name.len() - length]), Some(word)),
        None => (ending(&name), None),
    }
}

fn named_format(name: &str) -> Result<StorageFormat> {
    let found = FORMATS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
    found.map(|(_, format)| *format).ok_or_else(|| {
        let error = SynclineError::from(ConnectorError::option(format!(
            "the format {} is not known to writes",
            name.escape_debug()
        )));
        match nearest(name, FORMATS.iter().map(|(known, _)| *known)) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint("it is one of text, csv, json, parquet, avro, orc"),
        }
    })
}

fn flag(property: &Property, value: &str) -> Result<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => {
            let message = format!("option \"{}\" is true or false", property.name);
            Err(SynclineError::from(ConnectorError::option(message)).at(property.position.clone()))
        }
    }
}

/// A delimiter, read as typed between the quotes.
fn bytes(property: &Property) -> Result<Vec<u8>> {
    let raw = typed(property)?;
    syncline_sql::delimiter(raw).map_err(|error| SynclineError::from(error).at(property.position.clone()))
}

/// A text that stands for NULL; it may be empty.
fn marker(property: &Property) -> Result<Vec<u8>> {
    if typed(property)?.is_empty() { Ok(Vec::new()) } else { bytes(property) }
}

fn typed(property: &Property) -> Result<&str> {
    match &property.value {
        PropertyValue::Text { raw, .. } => Ok(raw),
        PropertyValue::Env(_) | PropertyValue::File(_) => {
            let message = format!("option \"{}\" is written where it stands, not referred to", property.name);
            Err(SynclineError::from(ConnectorError::option(message)).at(property.position.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_format_and_compression() {
        let parts = |location: &str| {
            let (ending, compression) = name_parts(location);
            (ending.unwrap_or_default(), compression.unwrap_or_default())
        };
        for (location, wanted) in [
            ("oss://b/log_20240807/log_20240807.txt", ("txt", "")),
            ("oss://b/a.csv.gz", ("csv", "gzip")),
            ("oss://b/a.CSV.ZST", ("csv", "zstd")),
            ("oss://b/v1.2/a", ("", "")),
            ("a.gz", ("", "gzip")),
            ("s3://b/a.json?versionId=3.parquet", ("json", "")),
            ("out/", ("", "")),
        ] {
            let (ending, compression) = parts(location);
            assert_eq!((ending.as_str(), compression), wanted, "{location}");
        }
    }

    #[test]
    fn every_word_of_the_other_tools_is_known() {
        for (name, wanted) in [
            ("FORMAT", "Format"),
            ("fileFormat", "Format"),
            ("writeSingleObject", "Single"),
            ("format.delimiter", "Fields"),
            ("fieldDelimiter", "Fields"),
            ("format.has_header", "Writer(\"header\")"),
            ("NULLSTR", "Null"),
            ("nullFormat", "Null"),
            ("COMPRESSION", "Writer(\"compress\")"),
        ] {
            assert_eq!(meaning(name).map(|meaning| format!("{meaning:?}")).as_deref(), Some(wanted), "{name}");
        }
        assert!(meaning("maxFileSize").is_none());
        assert!(named_format("parket").unwrap_err().to_string().contains("did you mean parquet?"));
    }
}
