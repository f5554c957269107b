//! Printing results: one writer per `--format`, all streaming, all over the same cell texts.

mod cell;
mod delimited;
mod json;
mod markdown;
mod table;
mod vertical;

use std::io::{self, Write};

pub(super) use self::cell::visible;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use clap::ValueEnum;

/// The formats of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table with borders
    Table,
    /// Comma-separated values with a header line
    Csv,
    /// Tab-separated values with a header line; \N is NULL
    Tsv,
    /// One JSON array of objects for each result
    Json,
    /// One JSON object a line
    Ndjson,
    /// A Markdown table
    Markdown,
    /// One column a line
    Vertical,
}

/// Prints one result: `begin`, then any number of batches, then `end`.
pub(crate) trait ResultWriter {
    /// Takes the schema; column names are as the query gave them.
    fn begin(&mut self, schema: &SchemaRef, out: &mut dyn Write) -> io::Result<()>;
    /// Prints or keeps the rows of a batch.
    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()>;
    /// Prints what is left.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// A writer for one result.
pub(crate) fn writer(format: Format) -> Box<dyn ResultWriter + Send> {
    match format {
        Format::Table => Box::new(table::TableWriter::default()),
        Format::Csv => Box::new(delimited::DelimitedWriter::csv()),
        Format::Tsv => Box::new(delimited::DelimitedWriter::tsv()),
        Format::Json => Box::new(json::JsonWriter::array()),
        Format::Ndjson => Box::new(json::JsonWriter::lines()),
        Format::Markdown => Box::new(markdown::MarkdownWriter),
        Format::Vertical => Box::new(vertical::VerticalWriter::default()),
    }
}

fn invalid(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray,
        StringArray, TimestampMicrosecondArray, UInt64Array,
    };
    use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};

    use super::*;

    fn batch() -> RecordBatch {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("u", DataType::UInt64, true),
            Field::new("f", DataType::Float64, true),
            Field::new("b", DataType::Boolean, true),
            Field::new("s", DataType::Utf8, true),
            Field::new("d", DataType::Date32, true),
            Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true),
            Field::new("z", DataType::Timestamp(TimeUnit::Microsecond, Some("Asia/Shanghai".into())), true),
            Field::new("m", DataType::Decimal128(10, 2), true),
            Field::new("x", DataType::Binary, true),
            Field::new("l", list.data_type().clone(), true),
            Field::new("s", DataType::Utf8, true),
        ]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(Int64Array::from(vec![Some(-7), None])),
                Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])),
                Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(1.5)])),
                Arc::new(BooleanArray::from(vec![Some(true), None])),
                Arc::new(StringArray::from(vec![Some("a,\"b\"\t\\\n\u{1b}[31m|"), Some("")])),
                Arc::new(Date32Array::from(vec![Some(19_942), None])),
                Arc::new(TimestampMicrosecondArray::from(vec![Some(1_723_034_096_000_000), Some(1)])),
                Arc::new(
                    TimestampMicrosecondArray::from(vec![Some(1_723_034_096_120_000), None])
                        .with_timezone("Asia/Shanghai"),
                ),
                Arc::new(Decimal128Array::from(vec![Some(-150), None]).with_precision_and_scale(10, 2).unwrap()),
                Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None])),
                Arc::new(list),
                Arc::new(StringArray::from(vec![Some("é日本"), None])),
            ],
        )
        .unwrap()
    }

    fn print(format: Format) -> String {
        let batch = batch();
        let mut out = Vec::new();
        let mut writer = writer(format);
        writer.begin(&batch.schema(), &mut out).unwrap();
        writer.batch(&batch, &mut out).unwrap();
        writer.end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_tells_null_from_empty() {
        insta::assert_snapshot!(print(Format::Csv));
    }

    #[test]
    fn tsv_escapes_what_would_break_a_line() {
        insta::assert_snapshot!(print(Format::Tsv));
    }

    #[test]
    fn json_is_one_array_with_distinct_names() {
        let text = print(Format::Json);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["s_2"], "é日本");
        assert_eq!(rows[0]["u"], u64::MAX);
        assert_eq!(rows[0]["f"], "NaN");
        assert_eq!(rows[0]["m"], "-1.50");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn ndjson_is_one_object_a_line() {
        let text = print(Format::Ndjson);
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).unwrap().is_object()));
    }

    #[test]
    fn tables_hold_no_control_characters() {
        for format in [Format::Table, Format::Markdown, Format::Vertical] {
            let text = print(format);
            assert!(!text.contains('\u{1b}'), "{text}");
            insta::assert_snapshot!(format!("{format:?}"), text);
        }
    }

    #[test]
    fn an_empty_result_still_shows_its_columns() {
        let empty = batch().slice(0, 0);
        for (format, expected) in [(Format::Json, "[]\n"), (Format::Ndjson, ""), (Format::Vertical, "")] {
            let mut out = Vec::new();
            let mut writer = writer(format);
            writer.begin(&empty.schema(), &mut out).unwrap();
            writer.end(&mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        let mut writer = writer(Format::Csv);
        writer.begin(&empty.schema(), &mut out).unwrap();
        writer.end(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "n,u,f,b,s,d,t,z,m,x,l,s_2\n");
    }
}
