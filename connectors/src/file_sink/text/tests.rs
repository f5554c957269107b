//! What is written reads back equal, or is named beforehand.

use std::io::Write;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{concat_batches, filter_record_batch};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::object_store::FileLocation;
use crate::text::{TextTable, delimiter, hive_type};

/// A file of these batches, and the rows that no file would give back.
fn write(formatter: &TextFormatter, batch: &RecordBatch) -> (Vec<u8>, Vec<Uncarried>, RecordBatch) {
    let uncarried = formatter.uncarried(batch).unwrap();
    let kept: BooleanArray =
        (0..batch.num_rows()).map(|row| Some(!uncarried.iter().any(|found| found.row == row))).collect();
    let kept = filter_record_batch(batch, &kept).unwrap();
    let mut encoder = formatter.encoder().unwrap();
    let mut bytes = Vec::new();
    // in two pieces, as they come
    let half = kept.num_rows() / 2;
    for piece in [kept.slice(0, half), kept.slice(half, kept.num_rows() - half)] {
        if piece.num_rows() > 0 {
            encoder.write(&piece, &mut bytes).unwrap();
        }
    }
    encoder.finish(&mut bytes).unwrap();
    (bytes, uncarried, kept)
}

/// A file as a table of these options reads it.
fn read(options: &TextTableOptions, bytes: &[u8], extension: &str) -> RecordBatch {
    let mut file = tempfile::Builder::new().suffix(&format!(".{extension}")).tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let location = FileLocation::Local(file.path().to_owned());
    let table = TextTable::try_new(location, options.clone()).unwrap();
    let schema = table.schema();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let batches = runtime.block_on(async { SessionContext::new().read_table(table).unwrap().collect().await.unwrap() });
    concat_batches(&schema, &batches).unwrap()
}

fn options(columns: &[(&str, &str)]) -> TextTableOptions {
    let column = |(name, kind): &(&str, &str)| ((*name).to_owned(), hive_type(kind).unwrap());
    let mut options = TextTableOptions::new(columns.iter().map(column).collect());
    options.set_fields_delimiter(b"|".to_vec());
    options
}

fn formatter(options: &TextTableOptions) -> TextFormatter {
    TextFormatter::new(options, TextWriterOptions::default()).unwrap()
}

fn strings(texts: &[Option<&str>]) -> RecordBatch {
    let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let number: ArrayRef = Arc::new(Int64Array::from_iter_values(0..texts.len() as i64));
    RecordBatch::try_from_iter_with_nullable([("a", array, true), ("n", number, true)]).unwrap()
}

#[test]
fn with_an_escape_every_text_is_carried() {
    let mut options = options(&[("a", "string"), ("n", "bigint")]);
    options.set_escape(b"\\").unwrap();
    let texts = [
        Some("a|b"),
        Some("\\"),
        Some("\\N"),
        Some("N"),
        Some(""),
        None,
        Some("\n"),
        Some("\r\n"),
        Some("n|r\\n"),
        Some("é|中"),
        Some("\u{feff}mark"),
        Some("end\\"),
    ];
    let batch = strings(&texts);
    let (bytes, uncarried, _) = write(&formatter(&options), &batch);
    assert_eq!(uncarried, []);
    assert!(bytes.starts_with(b"a\\|b|0\n\\\\|1\n\\\\\\N|2\nN|3\n|4\n\\N|5\n\\n|6\n\\r\\n|7\n"));
    let read = read(&options, &bytes, "txt");
    assert_eq!(read.columns(), batch.columns());
}

#[test]
fn without_an_escape_what_would_be_cut_is_named() {
    let options = options(&[("a", "string"), ("n", "bigint")]);
    let batch = strings(&[Some("a|b"), Some("\\N"), Some("x\ny"), Some("x\r"), Some("\\"), Some("ok")]);
    let (bytes, uncarried, _) = write(&formatter(&options), &batch);
    let rows: Vec<usize> = uncarried.iter().map(|found| found.row).collect();
    assert_eq!(rows, [0, 1, 2, 3]);
    assert!(uncarried[0].reason.contains("ESCAPED BY"));
    assert_eq!(bytes, b"\\|4\nok|5\n");
}

#[test]
fn a_delimiter_of_several_bytes_may_not_begin_in_a_text() {
    let mut options = options(&[("a", "string"), ("n", "bigint")]);
    options.set_fields_delimiter(b"||".to_vec());
    let batch = strings(&[Some("a|"), Some("a|b"), Some("|a"), Some("a||b")]);
    let (bytes, uncarried, kept) = write(&formatter(&options), &batch);
    assert_eq!(uncarried.iter().map(|found| found.row).collect::<Vec<_>>(), [0, 3]);
    assert_eq!(read(&options, &bytes, "txt").columns(), kept.columns());
}

#[test]
fn nested_values_are_read_back_before_they_are_written() {
    use arrow::array::{ListBuilder, MapBuilder, StringBuilder};
    let options = {
        let mut options = options(&[("l", "array<string>"), ("m", "map<string,string>")]);
        options.set_collection_delimiter(b",").unwrap();
        options.set_map_key_delimiter(b":").unwrap();
        options
    };
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    type List<'a> = Option<&'a [Option<&'a str>]>;
    type Map<'a> = &'a [(&'a str, Option<&'a str>)];
    let rows: &[(List<'_>, Map<'_>)] = &[
        (Some(&[Some("a"), None, Some("")]), &[("k", Some("v")), ("j", None)]),
        (Some(&[]), &[]),
        (None, &[("", Some("x"))]),
        (Some(&[Some("a,b")]), &[]),
        (Some(&[Some("")]), &[]),
        (Some(&[None]), &[]),
        (Some(&[Some("x")]), &[("a:b", Some("1"))]),
        (Some(&[Some("x|y")]), &[]),
        (Some(&[Some("x\ny")]), &[]),
    ];
    for (list, map) in rows {
        list.unwrap_or_default().iter().for_each(|item| lists.values().append_option(*item));
        lists.append(list.is_some());
        for (key, value) in *map {
            maps.keys().append_value(key);
            maps.values().append_option(*value);
        }
        maps.append(true).unwrap();
    }
    let cast = |array: ArrayRef, index: usize| arrow::compute::cast(&array, &options.columns[index].1).unwrap();
    let batch = |options: &TextTableOptions, lists: &ArrayRef, maps: &ArrayRef| {
        let _ = options;
        RecordBatch::try_from_iter_with_nullable([("l", lists.clone(), true), ("m", maps.clone(), true)]).unwrap()
    };
    let (lists, maps) = (cast(Arc::new(lists.finish()), 0), cast(Arc::new(maps.finish()), 1));
    let rejected = |options: &TextTableOptions| {
        let batch = batch(options, &lists, &maps);
        let (bytes, uncarried, kept) = write(&formatter(options), &batch);
        assert_eq!(read(options, &bytes, "txt").columns(), kept.columns());
        uncarried.iter().map(|found| found.row).collect::<Vec<_>>()
    };
    assert_eq!(rejected(&options), [3, 4, 5, 6, 7, 8]);
    let mut escaped = options.clone();
    escaped.set_escape(b"\\").unwrap();
    // an array of one empty text, or of one NULL, looks like none, or like NULL
    assert_eq!(rejected(&escaped), [4, 5]);
}

#[test]
fn floats_are_written_in_javas_words() {
    let options = options(&[("x", "double"), ("n", "bigint")]);
    let values: ArrayRef =
        Arc::new(Float64Array::from(vec![1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -0.0]));
    let n: ArrayRef = Arc::new(Int64Array::from(vec![1; 6]));
    let batch = RecordBatch::try_from_iter_with_nullable([("x", values, true), ("n", n, true)]).unwrap();
    let (bytes, uncarried, _) = write(&formatter(&options), &batch);
    assert_eq!(uncarried, []);
    assert!(bytes.starts_with(b"1.5|1\nNaN|1\nInfinity|1\n-Infinity|1\n"));
    let read = read(&options, &bytes, "txt");
    assert_eq!(format!("{:?}", read.column(0)), format!("{:?}", batch.column(0)));
}

#[test]
fn json_lines_hold_every_value() {
    let columns = options(&[("a", "string"), ("n", "bigint")]).columns;
    let json = TextTableOptions::of(crate::text::TextPreset::Json, columns);
    let batch = strings(&[Some("a\"b\\\n"), None, Some("中")]);
    let (bytes, uncarried, _) = write(&formatter(&json), &batch);
    assert_eq!(uncarried, []);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text, "{\"a\":\"a\\\"b\\\\\\n\",\"n\":0}\n{\"a\":null,\"n\":1}\n{\"a\":\"中\",\"n\":2}\n");
}

#[test]
fn csv_quotes_what_needs_quotes() {
    let columns = options(&[("a", "string"), ("n", "bigint")]).columns;
    let csv = TextTableOptions::of(crate::text::TextPreset::Csv, columns.clone());
    let batch = strings(&[Some("a,b"), None, Some(""), Some("say \"x\""), Some("l1\nl2"), Some("plain")]);
    let (bytes, uncarried, _) = write(&formatter(&csv), &batch);
    assert_eq!(uncarried, []);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text, "\"a,b\",0\n,1\n\"\",2\n\"say \"\"x\"\"\",3\n\"l1\nl2\",4\nplain,5\n");
    let spark = TextTableOptions::of(crate::text::TextPreset::SparkCsv, columns);
    let (bytes, uncarried, _) = write(&formatter(&spark), &batch);
    // Spark reads "" as NULL unless nullValue is something else
    assert_eq!(uncarried.iter().map(|found| found.row).collect::<Vec<_>>(), [2, 4]);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text, "\"a,b\",0\n,1\n\"say \\\"x\\\"\",3\nplain,5\n");
}

/// What a table of a property test looks like.
#[derive(Debug, Clone)]
struct Case {
    delimiter: &'static str,
    line: Option<&'static str>,
    escape: bool,
    null: &'static str,
    encoding: &'static str,
    compression: Compression,
    skip_lines: u64,
    rows: Vec<Row>,
}

type Row = (Option<i64>, Option<String>, Option<String>, Option<i32>, Option<i64>, Option<i64>);

/// The columns of rows: BIGINT, STRING, DATE, TIMESTAMP, DECIMAL(10,2), STRING.
fn arrays_of(rows: &[Row]) -> [ArrayRef; 6] {
    let decimals = Decimal128Array::from_iter(rows.iter().map(|row| row.5.map(i128::from)));
    [
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1.clone()))),
        Arc::new(Date32Array::from_iter(rows.iter().map(|row| row.3))),
        Arc::new(TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.4))),
        Arc::new(decimals.with_precision_and_scale(10, 2).unwrap()),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2.clone()))),
    ]
}

fn text() -> impl Strategy<Value = Option<String>> {
    let pieces = [
        "a", "|", "||", "\\", "\\N", "n", "r", "N", "\n", "\r", "\r\n", "é", "中", "、", "", "\u{feff}", "ab", "NULL",
        "0", "-", "1", "\x01", "\x02", "😀", "¥", " ", ",", "\"",
    ];
    let text = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..5).prop_map(|parts| parts.concat());
    prop::option::weighted(0.9, text)
}

fn case() -> impl Strategy<Value = Case> {
    let row = (
        prop::option::weighted(0.9, any::<i64>()),
        text(),
        text(),
        prop::option::weighted(0.9, -700_000..2_900_000i32),
        prop::option::weighted(0.9, -1_000_000_000_000_000..200_000_000_000_000_000i64),
        prop::option::weighted(0.9, -9_999_999_999i64..9_999_999_999),
    );
    let rows = prop::collection::vec(row, 0..12);
    let delimiters = ["|", "||", "\x01", "、", "ab", "-", "n", "1", "aba", "|n"];
    let encodings = ["utf-8", "utf-8", "utf-8", "gbk", "utf-16", "utf-16be", "shift_jis", "latin1"];
    let compressions = [Compression::Auto, Compression::Auto, Compression::Gzip];
    (
        prop::sample::select(delimiters.to_vec()),
        prop::sample::select(vec![None, None, None, Some("\x02"), Some("||"), Some("a|"), Some("x")]),
        any::<bool>(),
        prop::sample::select(vec!["\\N", "\\N", "", "NULL", "0", "n", "-1"]),
        prop::sample::select(encodings.to_vec()),
        prop::sample::select(compressions.to_vec()),
        0..3u64,
        rows,
    )
        .prop_map(|(delimiter, line, escape, null, encoding, compression, skip_lines, rows)| Case {
            delimiter,
            line,
            escape,
            null,
            encoding,
            compression,
            skip_lines,
            rows,
        })
}

#[test]
fn what_is_written_is_read_back_equal() {
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let written = std::cell::Cell::new(0);
    runner
        .run(&case(), |case| {
            let columns = [
                ("i", "bigint"),
                ("s", "string"),
                ("d", "date"),
                ("t", "timestamp"),
                ("m", "decimal(10,2)"),
                ("z", "string"),
            ];
            let mut options = options(&columns);
            options.set_fields_delimiter(delimiter(case.delimiter));
            if let Some(line) = case.line {
                options.set_line_delimiter(delimiter(line));
            }
            if case.escape {
                options.set_escape(b"\\").unwrap();
            }
            options.null_marker = delimiter(case.null);
            options.set_encoding(case.encoding).unwrap();
            options.compression = case.compression;
            options.skip_lines = case.skip_lines;
            // what does not fit together is refused before anything is written
            let Ok(formatter) = TextFormatter::new(&options, TextWriterOptions::default()) else { return Ok(()) };
            let rows = &case.rows;
            let arrays = arrays_of(rows);
            let names = columns.iter().map(|(name, _)| *name);
            let batch =
                RecordBatch::try_from_iter_with_nullable(names.zip(arrays).map(|(name, array)| (name, array, true)))
                    .unwrap();
            let (bytes, _, kept) = write(&formatter, &batch);
            let read = read(&options, &bytes, &formatter.extension());
            prop_assert_eq!(read.columns(), kept.columns(), "{:?}", String::from_utf8_lossy(&bytes));
            written.set(written.get() + kept.num_rows());
            Ok(())
        })
        .unwrap();
    assert!(written.get() > 500, "{} rows", written.get());
}

#[test]
fn csv_and_json_are_read_back_equal() {
    use crate::text::TextPreset;
    let presets = [TextPreset::Csv, TextPreset::SparkCsv, TextPreset::OpenCsv, TextPreset::Json, TextPreset::SparkJson];
    let row = (
        prop::option::weighted(0.9, any::<i64>()),
        text(),
        text(),
        prop::option::weighted(0.9, -700_000..2_900_000i32),
        prop::option::weighted(0.9, -1_000_000_000_000_000..200_000_000_000_000_000i64),
        prop::option::weighted(0.9, -9_999_999_999i64..9_999_999_999),
    );
    let case = (
        prop::sample::select(presets.to_vec()),
        prop::sample::select(vec![None, None, Some("|"), Some("||"), Some("-")]),
        prop::sample::select(vec![None, None, Some(""), Some("\\N"), Some("NULL"), Some("0")]),
        prop::sample::select(vec![&[][..], &[("header", "true")], &[("multiLine", "true")], &[("quote", "'")]]),
        prop::collection::vec(row, 0..10),
    );
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let written = std::cell::Cell::new(0);
    runner
        .run(&case, |(preset, separator, null, properties, rows)| {
            let columns = [
                ("i", "bigint"),
                ("s", "string"),
                ("d", "date"),
                ("t", "timestamp"),
                ("m", "decimal(10,2)"),
                ("z", "string"),
            ];
            let is_text = preset == TextPreset::OpenCsv;
            let column = |(name, kind): &(&str, &str)| {
                ((*name).to_owned(), hive_type(if is_text { "string" } else { kind }).unwrap())
            };
            let mut options = TextTableOptions::of(preset, columns.iter().map(column).collect());
            if let RowSyntax::Csv(_) = options.syntax {
                if let Some(separator) = separator {
                    options.set_fields_delimiter(delimiter(separator));
                }
                if let Some(null) = null {
                    options.null_marker = delimiter(null);
                }
                // what does not fit this table is refused, as where the table is made
                let Ok((with, _)) = options.with_properties(&properties.iter().copied().collect()) else {
                    return Ok(());
                };
                options = with;
            }
            let Ok(formatter) = TextFormatter::new(&options, TextWriterOptions::default()) else { return Ok(()) };
            let arrays = arrays_of(&rows);
            let arrays = arrays
                .map(|array| if is_text { arrow::compute::cast(&array, &DataType::Utf8).unwrap() } else { array });
            let names = columns.iter().map(|(name, _)| *name);
            let batch =
                RecordBatch::try_from_iter_with_nullable(names.zip(arrays).map(|(name, array)| (name, array, true)))
                    .unwrap();
            let (bytes, _, kept) = write(&formatter, &batch);
            let read = read(&options, &bytes, &formatter.extension());
            prop_assert_eq!(read.columns(), kept.columns(), "{:?} {}", preset, String::from_utf8_lossy(&bytes));
            written.set(written.get() + kept.num_rows());
            Ok(())
        })
        .unwrap();
    assert!(written.get() > 500, "{} rows", written.get());
}
