//! `column` of a reader of files: by index, by name, or constant; as the columns of a table and what is selected of it.

use serde_json::Value;
use syncline_connectors::text::DateTimePattern;

use super::context::Context;
use super::parameters::{Parameters, wrong};
use super::variables::is_variable;
use crate::error::Result;

/// What one item of `column` gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FileColumn {
    /// The field of this number in a line, from 0.
    Index(usize, Field),
    /// The field of this name.
    Name(String, Field),
    /// The same SQL expression in every row.
    Constant(String),
}

/// A field's type and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// The SQL type.
    pub(super) data_type: &'static str,
    /// Of dates: Java's pattern, if one is given.
    pub(super) pattern: Option<String>,
}

impl Field {
    /// A text.
    pub(super) fn string() -> Self {
        Self { data_type: "STRING", pattern: None }
    }
}

/// The items of `column`; None for `["*"]`, all fields as texts.
pub(super) fn read(
    parameters: &Parameters<'_>,
    null_text: Option<&str>,
    context: &mut Context,
) -> Result<Option<Vec<FileColumn>>> {
    let items = match parameters.value("column") {
        None => return Err(parameters.wrong("column", "is missing")),
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let is_star = |item: &Value| item.as_str().is_some_and(|text| matches!(text.trim(), "*" | "'*'"));
    match items {
        [] => return Err(parameters.wrong("column", "is empty")),
        [one] if is_star(one) => return Ok(None),
        _ => {}
    }
    let mut columns = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let path = format!("{}[{at}]", parameters.path_of("column"));
        let column = match item {
            Value::Object(object) => {
                let item = Parameters::new(&path, object);
                let column = read_item(&path, &item, null_text, context)?;
                item.finish(&mut context.notes);
                column
            }
            // a bare number or name, as some write it
            Value::Number(number) => match number.as_u64().and_then(|index| usize::try_from(index).ok()) {
                Some(index) => FileColumn::Index(index, Field::string()),
                None => return Err(wrong(&path, "an index from 0 is expected")),
            },
            Value::String(_) => {
                return Err(wrong(&path, "an object is expected, such as {\"index\": 0, \"type\": \"string\"}"));
            }
            _ => return Err(wrong(&path, "an object is expected")),
        };
        columns.push(column);
    }
    Ok(Some(columns))
}

fn read_item(path: &str, item: &Parameters<'_>, null_text: Option<&str>, context: &Context) -> Result<FileColumn> {
    let kind = item.text_if_any("type")?.unwrap_or_else(|| "string".to_owned());
    let data_type = sql_type(&kind).ok_or_else(|| {
        item.wrong("type", format!("there is no type {kind}"))
            .hint("it is string, long, double, boolean, date or bytes")
    })?;
    let pattern = item.text_if_any("format")?;
    if let Some(pattern) = &pattern {
        DateTimePattern::parse(pattern).map_err(|error| item.wrong("format", error.message()))?;
    }
    let (index, value) = (item.number("index")?, item.text("value")?);
    let name = item.text_if_any("name")?;
    let field = || Field { data_type, pattern: pattern.clone().filter(|_| data_type == "TIMESTAMP") };
    match (index, value, name) {
        (Some(_), Some(_), _) => Err(wrong(path, "has both index and value; a column is one of them")),
        (Some(index), None, _) => match usize::try_from(index).ok().filter(|index| *index < MOST_FIELDS) {
            Some(index) => Ok(FileColumn::Index(index, field())),
            None => Err(item.wrong("index", format!("a line has no more than {MOST_FIELDS} fields"))),
        },
        (None, Some(value), _) => match Some(value.as_str()) == null_text {
            true => Ok(FileColumn::Constant("NULL".to_owned())),
            false => constant(item, &value, data_type, pattern.as_deref(), context).map(FileColumn::Constant),
        },
        (None, None, Some(name)) => Ok(FileColumn::Name(name, field())),
        (None, None, None) => {
            Err(wrong(path, "has neither index nor value").hint("the first field of a line has the index 0"))
        }
    }
}

/// Fields of a line that a job can name: a table is made of all up to the last one.
const MOST_FIELDS: usize = 4096;

/// DataX's and DataWorks's name of a type in SQL.
fn sql_type(kind: &str) -> Option<&'static str> {
    Some(match kind.to_ascii_lowercase().as_str() {
        "string" | "varchar" | "text" | "char" => "STRING",
        "long" | "int" | "integer" | "bigint" => "BIGINT",
        "double" | "float" => "DOUBLE",
        "boolean" | "bool" => "BOOLEAN",
        "date" | "datetime" | "timestamp" => "TIMESTAMP",
        "bytes" | "binary" => "BINARY",
        _ => return None,
    })
}

/// A constant of a type, as SQL has it.
fn constant(
    item: &Parameters<'_>,
    value: &str,
    data_type: &str,
    pattern: Option<&str>,
    context: &Context,
) -> Result<String> {
    let trimmed = value.trim();
    let is_number = trimmed.parse::<f64>().is_ok() && !trimmed.chars().any(|c| c.is_ascii_alphabetic());
    match data_type {
        "BIGINT" | "DOUBLE" if is_number || is_variable(trimmed) => context.write.sql(trimmed),
        "BIGINT" | "DOUBLE" => Err(item.wrong("value", "a number is expected")),
        "BOOLEAN" if trimmed.eq_ignore_ascii_case("true") || trimmed.eq_ignore_ascii_case("false") => {
            Ok(trimmed.to_ascii_lowercase())
        }
        "BOOLEAN" if is_variable(trimmed) => context.write.sql(trimmed),
        "BOOLEAN" => Err(item.wrong("value", "true or false is expected")),
        "TIMESTAMP" if pattern.is_some() => Err(item
            .wrong("format", "of a constant is not read")
            .hint("write the value as yyyy-MM-dd HH:mm:ss, and leave format out")),
        // its text has a time, as that of DataX has; what a variable's value looks like is not known
        "TIMESTAMP" if !context.write.has_variable(trimmed) => {
            let is_compact = trimmed.len() == 8 && trimmed.bytes().all(|byte| byte.is_ascii_digit());
            let text = match is_compact {
                true => format!("{}-{}-{}", &trimmed[..4], &trimmed[4..6], &trimmed[6..]),
                false => trimmed.to_owned(),
            };
            Ok(format!("CAST({} AS DATETIME)", context.write.string(&text)?))
        }
        // text for a typed column is sent if it is a value of the column's type
        _ => context.write.string(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn read_text(text: &str) -> Result<Option<Vec<FileColumn>>> {
        let object: Map<String, Value> = serde_json::from_str(&format!("{{\"column\": {text}}}")).unwrap();
        read(&Parameters::new("p", &object), Some("NIL"), &mut Context::for_tests())
    }

    #[test]
    fn columns_are_fields_or_constants() {
        let columns = read_text(
            r#"[{"index": "1", "type": "LONG"}, {"type": "STRING", "value": "${var}"}, {"index": 0, "type": "date", "format": "yyyyMMdd"},
                {"value": "5", "type": "long"}, {"value": "NIL", "type": "string"}, {"name": "a", "type": "bool"}, {"value": "it's", "type": "string"},
                {"value": "2024-08-07", "type": "date"}, {"value": "20240807", "type": "date"}, {"value": "${bizdate}", "type": "date"}, {"value": "TRUE", "type": "boolean"}]"#,
        );
        let field = |data_type, pattern: Option<&str>| Field { data_type, pattern: pattern.map(str::to_owned) };
        let constant = |text: &str| FileColumn::Constant(text.to_owned());
        assert_eq!(
            columns.unwrap().unwrap(),
            [
                FileColumn::Index(1, field("BIGINT", None)),
                constant("'${var}'"),
                FileColumn::Index(0, field("TIMESTAMP", Some("yyyyMMdd"))),
                constant("5"),
                constant("NULL"),
                FileColumn::Name("a".to_owned(), field("BOOLEAN", None)),
                constant("'it''s'"),
                constant("CAST('2024-08-07' AS DATETIME)"),
                constant("CAST('2024-08-07' AS DATETIME)"),
                constant("'${bizdate}'"),
                constant("true"),
            ]
        );
        assert_eq!(read_text(r#"["*"]"#).unwrap(), None);
    }

    #[test]
    fn what_is_no_column_names_its_place() {
        for (text, why) in [
            ("[]", "p.column: is empty"),
            (r#"[{"type": "string"}]"#, "p.column[0]: has neither index nor value"),
            (r#"[{"index": 0, "value": "x", "type": "string"}]"#, "p.column[0]: has both"),
            (r#"[{"index": 0, "type": "decimal"}]"#, "p.column[0].type: there is no type decimal"),
            (r#"[{"index": 0, "type": "date", "format": "EEE"}]"#, "p.column[0].format: the pattern 'EEE'"),
            (r#"[{"value": "x", "type": "long"}]"#, "p.column[0].value: a number"),
            (r#"[{"index": 5000, "type": "long"}]"#, "p.column[0].index: a line has no more"),
            (r#"["a"]"#, "p.column[0]: an object is expected"),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.message().starts_with(why), "{text}: {}", error.message());
        }
    }
}
