//! Every case of tests/spark/text_tables.json: a table's DDL, the bytes of its files and a query, whose rows real Spark gave
//! (tests/spark/text_tables.py), against our rows in the same zone.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Deserialize;
use serde_json::Value;

use super::run;
use crate::report::RunStatus;
use crate::{Engine, RunEvent, Script};

/// The words of which there are at least five cases each.
const WORDS: &[&str] = &[
    "delimiters",
    "escapes",
    "NULLs",
    "short and long rows",
    "bad numbers",
    "dates",
    "empty files",
    "CR LF",
    "BOM",
    "partitions elsewhere",
    "complex types",
];

#[derive(Deserialize)]
struct Table {
    spark: String,
    zone: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    word: String,
    name: String,
    ddl: Vec<String>,
    files: BTreeMap<String, Content>,
    query: String,
    spark: Answer,
    /// Our answer where it is another on purpose.
    syncline: Option<Different>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    Text(String),
    Hex(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Rows {
        rows: Rows,
    },
    /// A part of the message; of Spark's any message will do.
    Error {
        error: String,
    },
}

/// Values as texts: numbers as CAST AS STRING gives them, bytes in hexadecimal digits, nested values in JSON.
type Rows = Vec<Vec<Option<String>>>;

#[derive(Deserialize)]
struct Different {
    #[serde(flatten)]
    answer: Answer,
    /// What we do, and behind `; Spark ` what Spark does: a row of docs/spark.md.
    why: String,
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Hex(hex) => {
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
            }
        }
    }
}

impl Case {
    /// Why our answer is not the one that is wanted.
    async fn mistake(&self, zone: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in &self.files {
            let path = folder.path().join(name);
            if name.ends_with('/') {
                std::fs::create_dir_all(path).unwrap();
            } else {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content.bytes()).unwrap();
            }
        }
        let (wanted, any_message) = match &self.syncline {
            Some(different) => (&different.answer, false),
            None => (&self.spark, true),
        };
        match (wanted, self.answer(folder.path(), zone).await) {
            (Answer::Error { error: wanted }, Err(error)) => (!any_message && !error.contains(wanted))
                .then(|| format!("wanted the error {wanted}\n    ours   {error}")),
            (Answer::Error { error }, Ok((_, rows))) => {
                Some(format!("wanted the error {error}\n    ours   {}", shown(&rows)))
            }
            (Answer::Rows { rows }, Err(error)) => Some(format!("wanted {}\n    ours   error: {error}", shown(rows))),
            (Answer::Rows { rows }, Ok((types, ours))) => {
                let wanted = self.ordered(rows.iter().map(|row| comparable(row, &types)).collect());
                let ours = self.ordered(ours.iter().map(|row| comparable(row, &types)).collect());
                (wanted != ours).then(|| difference(&wanted, &ours))
            }
        }
    }

    /// Rows of a query without an order are sorted.
    fn ordered(&self, mut rows: Rows) -> Rows {
        if !self.query.contains("ORDER BY") {
            rows.sort();
        }
        rows
    }

    /// Types and rows of the query, or the message of what failed.
    async fn answer(&self, folder: &Path, zone: &str) -> Result<(Vec<DataType>, Rows), String> {
        let builder = Engine::builder().timezone(zone).allow_locations(true);
        let session = builder.build().await.unwrap().session();
        let statements: Vec<&str> = self.ddl.iter().chain([&self.query]).map(String::as_str).collect();
        let script = statements.join(";\n").replace("{folder}", folder.to_str().unwrap());
        let (report, events) = run(&session, Script::new("case.sql", script).in_folder(folder)).await;
        if report.status != RunStatus::Succeeded {
            return Err(report.error.map_or_else(|| "no message".to_owned(), |error| error.message));
        }
        let (mut types, mut rows) = (Vec::new(), Rows::new());
        for event in &events {
            let RunEvent::ResultBatch { batch, .. } = event else { continue };
            types = batch.columns().iter().map(|column| column.data_type().clone()).collect();
            let values = |row| batch.columns().iter().map(|column| text(column, row)).collect();
            rows.extend((0..batch.num_rows()).map(values));
        }
        Ok((types, rows))
    }
}

/// A value as the table has it.
fn text(column: &ArrayRef, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_) => json(column, row).to_string(),
        DataType::Binary => column.as_binary::<i32>().value(row).iter().map(|byte| format!("{byte:02X}")).collect(),
        DataType::Timestamp(..) => {
            let text = scalar(column, row);
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
        _ => scalar(column, row),
    })
}

fn scalar(column: &ArrayRef, row: usize) -> String {
    let format = FormatOptions::default().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    ArrayFormatter::try_new(column, &format).unwrap().value(row).to_string()
}

fn json(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|item| json(&items, item)).collect()
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let mut object = serde_json::Map::new();
            for entry in 0..entries.len() {
                let key = scalar(entries.column(0), entry);
                assert!(object.insert(key, json(entries.column(1), entry)).is_none(), "a key is there twice");
            }
            Value::Object(object)
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            let fields = fields.iter().zip(columns);
            Value::Object(fields.map(|(field, column)| (field.name().clone(), json(column, row))).collect())
        }
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        data_type if data_type.is_numeric() => {
            let text = scalar(column, row);
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        _ => Value::String(text(column, row).unwrap()),
    }
}

/// Values of which several texts are the same one: floating-point numbers, and numbers in JSON.
fn comparable(row: &[Option<String>], types: &[DataType]) -> Vec<Option<String>> {
    let one = |(place, value): (usize, &Option<String>)| {
        let value = value.as_deref()?;
        Some(match types.get(place) {
            Some(DataType::Float32) => value.parse::<f32>().map_or(value.to_owned(), |number| format!("{number:?}")),
            Some(DataType::Float64) => value.parse::<f64>().map_or(value.to_owned(), |number| format!("{number:?}")),
            Some(DataType::List(_) | DataType::Map(..) | DataType::Struct(_)) => {
                serde_json::from_str::<Value>(value).map_or(value.to_owned(), |value| numbers_alike(value).to_string())
            }
            _ => value.to_owned(),
        })
    };
    row.iter().enumerate().map(one).collect()
}

fn numbers_alike(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Number(number), Value::from),
        Value::Array(items) => items.into_iter().map(numbers_alike).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, numbers_alike(value))).collect())
        }
        other => other,
    }
}

fn shown(rows: &[Vec<Option<String>>]) -> String {
    let value = |value: &Option<String>| match value {
        Some(text) => text.escape_debug().to_string(),
        None => "∅".to_owned(),
    };
    let row = |row: &Vec<Option<String>>| row.iter().map(value).collect::<Vec<_>>().join("¦");
    rows.iter().map(row).collect::<Vec<_>>().join("  ")
}

/// The rows that differ, of long tables.
fn difference(wanted: &Rows, ours: &Rows) -> String {
    let only = |these: &Rows, others: &Rows| -> Rows {
        if these.len() < 5 {
            these.clone()
        } else {
            these.iter().filter(|row| !others.contains(row)).cloned().collect()
        }
    };
    format!("wanted {}\n    ours   {}", shown(&only(wanted, ours)), shown(&only(ours, wanted)))
}

#[tokio::test]
async fn text_tables_have_the_rows_that_spark_gives() {
    let table: Table = serde_json::from_str(include_str!("../../../../tests/spark/text_tables.json")).unwrap();
    assert!(table.spark.starts_with("3."), "{}", table.spark);
    assert!(table.cases.len() >= 80, "{} cases", table.cases.len());
    for word in WORDS {
        let count = table.cases.iter().filter(|case| case.word == *word).count();
        assert!(count >= 5, "{count} cases of {word}");
    }
    let page = include_str!("../../../../docs/spark.md");
    let mut mistakes = Vec::new();
    for case in &table.cases {
        if let Some(Different { why, .. }) = &case.syncline {
            let (ours, theirs) = why.split_once("; Spark ").unwrap();
            assert!(page.contains(&format!("| {ours} | {theirs} |")), "docs/spark.md lacks: {why}");
        }
        if let Some(mistake) = case.mistake(&table.zone).await {
            mistakes.push(format!("{}: {}\n    {}", case.word, case.name, mistake));
        }
    }
    assert!(mistakes.is_empty(), "{} of {} cases differ:\n{}", mistakes.len(), table.cases.len(), mistakes.join("\n"));
}

/// `SET syncline.bad_value = 'error'`: what Spark reads as NULL, or as another value, is an error that names the place.
#[tokio::test]
async fn bad_values_are_errors_with_file_and_line_if_so_set() {
    let folder = tempfile::tempdir().unwrap();
    let read = async |columns: &str, line: &str| {
        std::fs::write(folder.path().join("f.txt"), format!("\\N|first\n{line}|second\n")).unwrap();
        let engine = Engine::builder().allow_locations(true).build().await.unwrap();
        let script = format!(
            "SET syncline.bad_value = 'error';
             CREATE EXTERNAL TABLE t (a {columns}, b STRING) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 'f.txt';
             SELECT a FROM t"
        );
        let (report, events) = run(&engine.session(), Script::new("job.sql", script).in_folder(folder.path())).await;
        match report.error {
            Some(error) => Err(error.message),
            None => Ok(super::rows_of(&events)),
        }
    };
    for (data_type, good, bad) in [
        ("INT", "7", "x"),
        ("INT", "1.0", "1.9"),
        ("INT", "", "2147483648"),
        ("DOUBLE", "1e3", "1,5"),
        ("DECIMAL(5,2)", "1.230", "1.235"),
        ("BOOLEAN", "TRUE", "yes"),
        ("DATE", "2024-8-7", "2024-02-30"),
        ("DATE", "2024-02-29", "2024-02-29 00:00:00"),
        ("TIMESTAMP", "2024-08-07 23:59:59", "2024-08-07 24:00:00"),
    ] {
        let rows = read(data_type, good).await;
        assert_eq!(rows.as_ref().map(Vec::len), Ok(2), "{data_type} {good}: {rows:?}");
        let message = read(data_type, bad).await.unwrap_err();
        assert!(
            message.contains("f.txt, line 2, column \"a\"") && message.contains(bad),
            "{data_type} {bad}: {message}"
        );
    }
}
