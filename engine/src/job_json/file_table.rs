//! The files of a reader as a table that the script makes for itself, in the terms of `fileFormat`.

use super::context::Context;
use super::file_columns::{self, Field, FileColumn};
use super::parameters::Parameters;
use super::parquet_schema;
use super::plan::{Columns, Source};
use super::script;
use crate::error::Result;

/// Reads what files look like, and plans the table over `location`, which is not yet quoted. `more` are properties of the place, written.
pub(super) fn plan(
    parameters: &Parameters<'_>,
    context: &mut Context,
    location: &str,
    more: Vec<(String, String)>,
) -> Result<Source> {
    let format = parameters.text_if_any("fileFormat")?.unwrap_or_else(|| "csv".to_owned()).to_ascii_lowercase();
    let table = match format.as_str() {
        "csv" => lines(parameters, context, true)?,
        "text" | "txt" => lines(parameters, context, false)?,
        "json" | "jsonl" => json(parameters, context)?,
        "parquet" | "orc" => columnar(parameters, context, &format)?,
        "binary" => {
            let why = "is not supported: bytes that are no rows are copied by a tool for files, such as ossutil";
            return Err(parameters.wrong("fileFormat", why));
        }
        _ => {
            let error = parameters.wrong("fileFormat", format!("there is no format {format}"));
            return Err(error.hint("it is csv, text, jsonl, parquet or orc"));
        }
    };
    table.source(context, location, more)
}

/// A table over files, written but for its place.
#[derive(Debug, Default)]
struct FileTable {
    /// Names and types.
    columns: Vec<(String, String)>,
    /// `ROW FORMAT …` and `STORED AS …`.
    clauses: Vec<String>,
    properties: Vec<(String, String)>,
    selected: Vec<String>,
}

impl FileTable {
    fn property(&mut self, name: &str, value: impl Into<String>) {
        self.properties.push((name.to_owned(), value.into()));
    }

    fn source(self, context: &mut Context, location: &str, more: Vec<(String, String)>) -> Result<Source> {
        let name = context.write.name(&format!("{}_source", context.job))?;
        let mut columns = Vec::with_capacity(self.columns.len());
        for (column, data_type) in &self.columns {
            columns.push(format!("{} {data_type}", context.write.name(column)?));
        }
        let head = format!("CREATE OR REPLACE TEMPORARY EXTERNAL TABLE {name} ");
        let mut text = script::in_parentheses(&head, &columns);
        for clause in &self.clauses {
            text.push('\n');
            text.push_str(clause);
        }
        text.push_str(&format!("\nLOCATION {}", context.write.string(location)?));
        let properties: Vec<(String, String)> = self.properties.into_iter().chain(more).collect();
        if !properties.is_empty() {
            text.push('\n');
            text.push_str(&script::properties("TBLPROPERTIES", &properties));
        }
        Ok(Source { before: vec![text], from: name, columns: Columns::Listed(self.selected), ..Source::default() })
    }
}

/// Fields by the names that the table has for them.
type Fields = Vec<(String, Field)>;

/// The fields up to the last one that is read, and what is selected. A field that goes to a named column of the target has that name.
fn fields(columns: &[FileColumn], context: &Context) -> Result<(Fields, Vec<String>)> {
    let mut fields: Vec<Option<(Option<String>, Field)>> = Vec::new();
    let targets = context.target_columns.clone();
    let name_of = |at: usize| targets.get(at).filter(|_| targets.len() == columns.len()).cloned();
    for (at, column) in columns.iter().enumerate() {
        let FileColumn::Index(index, field) = column else { continue };
        if fields.len() <= *index {
            fields.resize(index + 1, None);
        }
        match &mut fields[*index] {
            // one field as two types: as the text that it is, which the target converts
            Some((_, known)) if known != field => *known = Field::string(),
            Some(_) => {}
            empty => *empty = Some((name_of(at), field.clone())),
        }
    }
    let mut named = Fields::with_capacity(fields.len());
    for (index, field) in fields.into_iter().enumerate() {
        let (wanted, field) = field.unwrap_or((None, Field::string()));
        let is_free = |name: &String| {
            let is_other = !named.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            // it stands in names of properties as it is
            let is_word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
            is_other && is_word && !is_numbered(name)
        };
        named.push((wanted.filter(is_free).unwrap_or_else(|| format!("c{index}")), field));
    }
    let mut selected = Vec::with_capacity(columns.len());
    for column in columns {
        selected.push(match column {
            FileColumn::Index(index, _) => context.write.name(&named[*index].0)?,
            FileColumn::Name(name, _) => context.write.name(name)?,
            FileColumn::Constant(constant) => constant.clone(),
        });
    }
    Ok((named, selected))
}

/// `c12`: a name that fields without one have.
fn is_numbered(name: &str) -> bool {
    let digits = name.strip_prefix(['c', 'C']);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Text and CSV, which DataX reads with one reader; only of CSV do quotes go on across lines.
fn lines(parameters: &Parameters<'_>, context: &mut Context, is_csv: bool) -> Result<FileTable> {
    let mut table = FileTable::default();
    let null_text = parameters.text("nullFormat")?.filter(|text| !text.is_empty());
    let columns = match file_columns::read(parameters, null_text.as_deref(), context)? {
        Some(columns) => columns,
        None => all_texts(parameters, context)?,
    };
    if let Some(FileColumn::Name(name, _)) = columns.iter().find(|column| matches!(column, FileColumn::Name(..))) {
        let error = parameters.wrong("column", format!("has \"{name}\" by its name, and lines have no names"));
        return Err(error.hint("give its index, from 0"));
    }
    let (fields, selected) = fields(&columns, context)?;
    table.selected = selected;
    let mut row_format = Vec::new();
    let delimiter = delimiter(parameters, "fieldDelimiter")?.unwrap_or_else(|| b",".to_vec());
    if delimiter != b"," {
        row_format.push(format!("FIELDS TERMINATED BY {}", row_format_text(&delimiter)));
    }
    match delimiter_of_lines(parameters)? {
        None => {}
        Some(lines) => row_format.push(format!("LINES TERMINATED BY {}", row_format_text(&lines))),
    }
    if !row_format.is_empty() {
        table.clauses.push(format!("ROW FORMAT DELIMITED {}", row_format.join(" ")));
    }
    table.clauses.push("STORED AS CSV".to_owned());
    table.property("dialect", "\"datax\"");
    if !is_csv {
        table.property("multiLine", "\"false\"");
    }
    if let Some(text) = &null_text {
        table.property("nullValue", marker(text));
    }
    for (name, field) in &fields {
        if let Some(pattern) = &field.pattern {
            table.property(&format!("timestampFormat.{name}"), context.write.quoted(pattern)?);
        }
    }
    encoding(parameters, &mut table, context)?;
    compression(parameters, &mut table)?;
    if parameters.flag("skipHeader")? == Some(true) {
        table.property("skip.header.line.count", "\"1\"");
    }
    csv_reader_config(parameters, &mut table, context)?;
    // the console's own form of the delimiter
    parameters.skip(&["fieldDelimiterOrigin", "useMultiCharDelimiter", "lineDelimiterOrigin"]);
    table.columns = match fields.is_empty() {
        // only constants are read: a row for each line
        true => vec![("c0".to_owned(), "STRING".to_owned())],
        false => fields.into_iter().map(|(name, field)| (name, field.data_type.to_owned())).collect(),
    };
    Ok(table)
}

/// `["*"]`: as many texts as the target has columns.
fn all_texts(parameters: &Parameters<'_>, context: &Context) -> Result<Vec<FileColumn>> {
    match context.target_columns.len() {
        0 => Err(parameters
            .wrong("column", "is *, and the writer does not say how many columns there are")
            .hint("list them: {\"index\": 0, \"type\": \"string\"}, …")),
        count => Ok((0..count).map(|index| FileColumn::Index(index, Field::string())).collect()),
    }
}

fn json(parameters: &Parameters<'_>, context: &mut Context) -> Result<FileTable> {
    let mut table = FileTable { clauses: vec!["STORED AS JSON".to_owned()], ..FileTable::default() };
    table.property("bad_value", "\"error\"");
    table.property("mode", "\"FAILFAST\"");
    for NamedColumn { field, written } in named(parameters, context, "JSON")? {
        if let Some((name, field)) = field {
            if let Some(pattern) = &field.pattern {
                let known = table.properties.iter().find(|(known, _)| known == "timestampFormat");
                let pattern = context.write.quoted(pattern)?;
                if known.is_some_and(|(_, known)| *known != pattern) {
                    return Err(parameters.wrong("column", "has dates of several formats, and JSON is read with one"));
                }
                if known.is_none() {
                    table.property("timestampFormat", pattern);
                }
            }
            if !table.columns.iter().any(|(known, _)| *known == name) {
                table.columns.push((name, field.data_type.to_owned()));
            }
        }
        table.selected.push(written);
    }
    encoding(parameters, &mut table, context)?;
    compression(parameters, &mut table)?;
    parameters.ignore("nullFormat", "JSON has a null of its own", &mut context.notes);
    for key in ["fieldDelimiter", "fieldDelimiterOrigin", "skipHeader", "csvReaderConfig", "lineDelimiter"] {
        parameters.ignore(key, "it is of text and CSV", &mut context.notes);
    }
    Ok(table)
}

/// A column of files that have names for theirs.
struct NamedColumn {
    /// None of a constant.
    field: Option<(String, Field)>,
    /// What is selected.
    written: String,
}

fn named(parameters: &Parameters<'_>, context: &mut Context, what: &str) -> Result<Vec<NamedColumn>> {
    let Some(columns) = file_columns::read(parameters, None, context)? else {
        return Err(parameters.wrong("column", format!("is *, and {what} is read by names; list them")));
    };
    let mut named = Vec::with_capacity(columns.len());
    for column in columns {
        named.push(match column {
            FileColumn::Name(name, field) => {
                let written = context.write.name(&name)?;
                NamedColumn { field: Some((name, field)), written }
            }
            FileColumn::Constant(constant) => NamedColumn { field: None, written: constant },
            FileColumn::Index(index, _) => {
                let error = parameters.wrong("column", format!("has an index, {index}, and {what} is read by names"));
                return Err(error.hint("give the column's name: {\"name\": \"uid\", \"type\": \"string\"}"));
            }
        });
    }
    Ok(named)
}

/// Parquet and ORC: columns are found by their names, which `parquetSchema` or the columns themselves tell.
fn columnar(parameters: &Parameters<'_>, context: &mut Context, format: &str) -> Result<FileTable> {
    let mut table =
        FileTable { clauses: vec![format!("STORED AS {}", format.to_ascii_uppercase())], ..FileTable::default() };
    let schema = match parameters.text_if_any("parquetSchema")? {
        Some(text) => Some(parquet_schema::columns(&text).map_err(|why| parameters.wrong("parquetSchema", why))?),
        None => None,
    };
    match schema {
        Some(schema) => {
            let columns = match file_columns::read(parameters, None, context)? {
                Some(columns) => columns,
                None => (0..schema.len()).map(|index| FileColumn::Index(index, Field::string())).collect(),
            };
            for column in &columns {
                table.selected.push(match column {
                    FileColumn::Constant(constant) => constant.clone(),
                    FileColumn::Name(name, _) => context.write.name(name)?,
                    FileColumn::Index(index, _) => match schema.get(*index) {
                        Some((name, _)) => context.write.name(name)?,
                        None => {
                            let why = format!("has the index {index}, and parquetSchema {} columns", schema.len());
                            return Err(parameters.wrong("column", why));
                        }
                    },
                });
            }
            table.columns = schema;
        }
        None => {
            for NamedColumn { field, written } in named(parameters, context, format)? {
                if let Some((name, field)) = field
                    && !table.columns.iter().any(|(known, _)| *known == name)
                {
                    table.columns.push((name, field.data_type.to_owned()));
                }
                table.selected.push(written);
            }
            if table.columns.is_empty() {
                return Err(parameters.wrong("column", "names no column of the files"));
            }
        }
    }
    for key in [
        "compress",
        "encoding",
        "nullFormat",
        "fieldDelimiter",
        "fieldDelimiterOrigin",
        "skipHeader",
        "csvReaderConfig",
    ] {
        parameters.ignore(key, &format!("files of {format} say it themselves, or have none"), &mut context.notes);
    }
    Ok(table)
}

fn encoding(parameters: &Parameters<'_>, table: &mut FileTable, context: &Context) -> Result<()> {
    if let Some(name) = parameters.text_if_any("encoding")?
        && !matches!(name.to_ascii_lowercase().as_str(), "utf-8" | "utf8")
    {
        table.property("encoding", context.write.quoted(&name)?);
    }
    Ok(())
}

fn compression(parameters: &Parameters<'_>, table: &mut FileTable) -> Result<()> {
    let Some(name) = parameters.text_if_any("compress")? else { return Ok(()) };
    match name.to_ascii_lowercase().as_str() {
        "none" => {}
        known @ ("gzip" | "bzip2" | "zip" | "zstd" | "deflate") => {
            table.property("compression", format!("\"{known}\""))
        }
        other => {
            let error = parameters.wrong("compress", format!("is not supported: {other} is not read"));
            return Err(error.hint("it is gzip, bzip2, zip, zstd or deflate; write the files anew with one of them"));
        }
    }
    Ok(())
}

/// `csvReaderConfig`: the properties of DataX's CsvReader.
fn csv_reader_config(parameters: &Parameters<'_>, table: &mut FileTable, context: &mut Context) -> Result<()> {
    let Some(config) = parameters.object("csvReaderConfig")? else { return Ok(()) };
    if config.flag("useTextQualifier")? == Some(false) {
        config.skip(&["textQualifier"]);
        table.property("quote", "\"\"");
    } else if let Some(quote) = config.text("textQualifier")?.filter(|quote| quote != "\"") {
        table.property("quote", marker(&quote));
    }
    if config.flag("trimWhitespace")? == Some(false) {
        table.property("ignoreLeadingWhiteSpace", "\"false\"");
        table.property("ignoreTrailingWhiteSpace", "\"false\"");
    }
    if config.flag("skipEmptyRecords")? == Some(false) {
        table.property("skipEmptyRecords", "\"false\"");
    }
    if config.flag("useComments")? == Some(true) {
        table.property("comment", marker(&config.text("comment")?.unwrap_or_else(|| "#".to_owned())));
    } else {
        config.skip(&["comment"]);
    }
    if config.number("escapeMode")?.unwrap_or(1) != 1 {
        return Err(config.wrong("escapeMode", "is not supported: only doubled quotes (1) are read"));
    }
    if config.flag("safetySwitch")? == Some(true) {
        let why = "a field may be longer than 100000 characters; what is too long is said by max_line_bytes, 64 MB";
        config.ignore("safetySwitch", why, &mut context.notes);
    }
    config.refuse("delimiter", "it is fieldDelimiter of the reader")?;
    config.refuse("recordDelimiter", "it is lineDelimiter of the reader")?;
    // names of a header, and a copy of the line, which no job can ask for
    config.skip(&["caseSensitive", "captureRawRecord"]);
    let mut unknown = super::notes::Notes::default();
    config.finish(&mut unknown);
    match unknown.warnings().first() {
        Some(unknown) => Err(parameters.wrong("csvReaderConfig", unknown.replace(" is ignored", ""))),
        None => Ok(()),
    }
}

/// A delimiter that is given and not empty, as bytes.
pub(super) fn delimiter(parameters: &Parameters<'_>, key: &str) -> Result<Option<Vec<u8>>> {
    let Some(text) = parameters.text(key)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    syncline_sql::delimiter(&text).map(Some).map_err(|error| parameters.wrong(key, error.message))
}

/// `lineDelimiter`, unless it is one that ends lines anyway.
pub(super) fn delimiter_of_lines(parameters: &Parameters<'_>) -> Result<Option<Vec<u8>>> {
    let lines = delimiter(parameters, "lineDelimiter")?;
    Ok(lines.filter(|lines| !matches!(lines.as_slice(), b"\n" | b"\r\n" | b"\r")))
}

/// A delimiter of ROW FORMAT, in which a number is a code.
pub(super) fn row_format_text(bytes: &[u8]) -> String {
    let is_number = std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<i8>().is_ok());
    match is_number {
        true => format!("'{}'", bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>()),
        false => script::delimiter(bytes),
    }
}

/// A text that options read as typed, such as the one for NULL; `\N` as people write it.
pub(super) fn marker(text: &str) -> String {
    match text {
        "\\N" => "'\\\\N'".to_owned(),
        text => script::delimiter(text.as_bytes()),
    }
}
