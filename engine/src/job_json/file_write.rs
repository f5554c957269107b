//! Rows of a writer of files as `COPY (SELECT …) TO`, in the terms of `fileFormat` and `writeMode`.

use super::context::Context;
use super::file_table::{delimiter, delimiter_of_lines, marker, row_format_text};
use super::model::Form;
use super::notes::Notes;
use super::parameters::Parameters;
use super::parquet_schema;
use super::plan::{Sink, Target};
use crate::error::Result;

/// Reads how files are written, and plans the write to `location`, which is not yet quoted: the beginning of names, or, if `is_single`, the one
/// file.
pub(super) fn plan(
    parameters: &Parameters<'_>,
    context: &mut Context,
    location: &str,
    is_single: bool,
) -> Result<Sink> {
    let usual = if context.form == Form::DataX { "text" } else { "csv" };
    let format = parameters.text_if_any("fileFormat")?.unwrap_or_else(|| usual.to_owned()).to_ascii_lowercase();
    let mut files = Files { location: context.write.string(location)?, ..Files::default() };
    files.write_mode(parameters, location, is_single, &mut context.notes)?;
    match format.as_str() {
        "csv" | "text" => files.lines(parameters, context, &format)?,
        "parquet" | "orc" => files.columns(parameters, context, &format)?,
        _ => {
            let error = parameters.wrong("fileFormat", format!("{format} is not written"));
            return Err(error.hint("it is csv, text, parquet or orc"));
        }
    }
    if let Some(codec) = parameters.text_if_any("compress")?.filter(|codec| !codec.eq_ignore_ascii_case("none")) {
        let known: &[&str] = match format.as_str() {
            "csv" | "text" => &["gzip", "bzip2", "zstd"],
            "parquet" => &["gzip", "snappy", "zstd", "lz4", "brotli"],
            _ => &["gzip", "zlib", "snappy", "zstd", "lz4"],
        };
        let codec = codec.to_ascii_lowercase();
        if !known.contains(&codec.as_str()) {
            let why =
                format!("is not supported: {codec} of {format} is not written; it is one of {}", known.join(", "));
            return Err(parameters.wrong("compress", why));
        }
        files.option("compress", format!("'{codec}'"));
    }
    if let Some(megabytes) = parameters.number("maxFileSize")?.filter(|_| !is_single) {
        files.option("maxFileSize", format!("'{megabytes}'"));
    }
    // a single object is never written without rows
    if let Some(flag) = parameters.flag("generateEmptyFile")?.filter(|_| !is_single) {
        files.option("generateEmptyFile", format!("'{flag}'"));
    }
    if let Some(suffix) = parameters.text_if_any("suffix")? {
        match is_single {
            true => {
                return Err(parameters.wrong("suffix", "is of several files, and one of a name of its own is written"));
            }
            false => files.option("suffix", context.write.string(&suffix)?),
        }
    }
    let notes = &mut context.notes;
    for key in ["ossBlockSize", "blockSizeInMB"] {
        parameters.ignore(key, "parts of an upload have a size that grows with the file", notes);
    }
    parameters.skip(&["envType", "guid", "byteEncoding", "column"]);
    let Files { location, clauses, options, names } = files;
    let target = Target::Files { location, clauses, options, names };
    Ok(Sink { before: Vec::new(), after: Vec::new(), target })
}

/// The parts of a COPY.
#[derive(Debug, Default)]
struct Files {
    location: String,
    clauses: Vec<String>,
    options: Vec<(String, String)>,
    names: Vec<String>,
}

impl Files {
    /// Names and values are written.
    fn option(&mut self, name: &str, value: impl Into<String>) {
        self.options.push((name.to_owned(), value.into()));
    }

    fn write_mode(
        &mut self,
        parameters: &Parameters<'_>,
        location: &str,
        is_single: bool,
        notes: &mut Notes,
    ) -> Result<()> {
        let mode = parameters.required_text("writeMode")?;
        let known = ["truncate", "append", "nonConflict"].into_iter().find(|known| known.eq_ignore_ascii_case(&mode));
        let Some(mode) = known else {
            return Err(parameters.wrong("writeMode", "is one of truncate, append and nonConflict"));
        };
        if is_single && mode == "append" {
            let error = parameters.wrong("writeMode", "is append, and a single object is replaced, never added to");
            return Err(error.hint("leave writeSingleObject out, or write truncate"));
        }
        if mode == "truncate" && location.ends_with('/') {
            notes.warn(format!(
                "{}: truncate removes the files directly in the folder; subfolders, and names that begin with _ or ., as DataX's own \
                 in a folder do, stay",
                parameters.path_of("writeMode")
            ));
        }
        self.option("writeMode", format!("'{mode}'"));
        // a folder needs no word for it
        if !is_single && !location.ends_with('/') {
            self.option("single", "'false'");
        }
        Ok(())
    }

    /// Text and CSV.
    fn lines(&mut self, parameters: &Parameters<'_>, context: &mut Context, format: &str) -> Result<()> {
        self.clauses.push(format!("STORED AS {}", if format == "csv" { "CSV" } else { "TEXTFILE" }));
        let fields = delimiter(parameters, "fieldDelimiter")?.unwrap_or_else(|| b",".to_vec());
        if format == "text" || fields != b"," {
            self.option("fieldDelimiter", row_format_text(&fields));
        }
        if let Some(lines) = delimiter_of_lines(parameters)? {
            self.option("lineDelimiter", row_format_text(&lines));
        }
        // the wizards write "" for what was left out; of text, where nothing tells it from the empty text, every one would be a reject
        let given = parameters.text("nullFormat")?.filter(|text| format != "text" || !text.is_empty());
        let null_text = given.unwrap_or_else(|| "\\N".to_owned());
        self.option("nullFormat", marker(&null_text));
        if let Some(name) = parameters.text_if_any("encoding")?
            && !matches!(name.to_ascii_lowercase().as_str(), "utf-8" | "utf8")
        {
            self.option("encoding", context.write.string(&name)?);
        }
        if let Some(pattern) = parameters.text_if_any("dateFormat")? {
            syncline_connectors::text::DateTimePattern::parse(&pattern)
                .map_err(|error| parameters.wrong("dateFormat", error.message()))?;
            self.option("dateFormat", context.write.string(&pattern)?);
        }
        self.header(parameters, context)?;
        parameters.refuse("csvWriterConfig", "fields are quoted where readers need it, with doubled quotes")?;
        parameters.skip(&["fieldDelimiterOrigin", "lineDelimiterOrigin", "useMultiCharDelimiter", "parquetSchema"]);
        Ok(())
    }

    /// `header`, a list of names or a Boolean, and `writeHeader`.
    fn header(&mut self, parameters: &Parameters<'_>, context: &Context) -> Result<()> {
        let listed = parameters.value("header").is_some_and(serde_json::Value::is_array);
        let names = if listed { parameters.texts("header")? } else { Vec::new() };
        let is_wanted = !names.is_empty()
            || parameters.flag("writeHeader")? == Some(true)
            || (!listed && parameters.flag("header")? == Some(true));
        let columns = match parameters.value("column") {
            Some(serde_json::Value::Array(items)) if items.iter().all(serde_json::Value::is_string) => {
                parameters.texts("column")?
            }
            _ => Vec::new(),
        };
        // places rather than names
        let columns = columns.into_iter().filter(|name| name.parse::<u64>().is_err());
        let names = if names.is_empty() { columns.collect() } else { names };
        if is_wanted {
            for name in names {
                self.names.push(context.write.name(&name)?);
            }
            self.option("header", "'true'");
        }
        Ok(())
    }

    /// Parquet and ORC.
    fn columns(&mut self, parameters: &Parameters<'_>, context: &mut Context, format: &str) -> Result<()> {
        self.clauses.push(format!("STORED AS {}", format.to_ascii_uppercase()));
        match parameters.text_if_any("parquetSchema")? {
            Some(text) => {
                let columns = parquet_schema::columns(&text).map_err(|why| parameters.wrong("parquetSchema", why))?;
                let mut items = Vec::with_capacity(columns.len());
                for (name, data_type) in &columns {
                    items.push(format!("{} {data_type}", context.write.name(name)?));
                }
                self.option("schema", context.write.string(&items.join(", "))?);
            }
            None if parameters.value("column").is_some_and(serde_json::Value::is_array) => {
                for name in parameters.texts("column")? {
                    self.names.push(context.write.name(&name)?);
                }
            }
            None => {}
        }
        for key in ["fieldDelimiter", "lineDelimiter", "nullFormat", "encoding", "dateFormat", "writeHeader", "header"]
        {
            parameters.ignore(key, &format!("files of {format} have none"), &mut context.notes);
        }
        parameters.skip(&["fieldDelimiterOrigin"]);
        Ok(())
    }
}
