//! What is encoded is read back by decoders that share nothing with the encoders.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::sink::{TargetColumn, TargetType};

mod allocations;
mod reference;

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Reads CSV the way the server's plain reader does: records first, then fields; empty records are skipped; `\N` is NULL.
fn decode(mut bytes: &[u8], separator: &[u8], delimiter: &[u8]) -> Vec<Vec<Option<Vec<u8>>>> {
    fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
        let at = bytes.windows(mark.len()).position(|window| window == mark)?;
        Some((&bytes[..at], &bytes[at + mark.len()..]))
    }
    let mut rows = Vec::new();
    while let Some((mut record, rest)) = cut(bytes, delimiter) {
        bytes = rest;
        if record.is_empty() {
            continue;
        }
        let mut fields = Vec::new();
        while let Some((field, rest)) = cut(record, separator) {
            fields.push(field);
            record = rest;
        }
        fields.push(record);
        rows.push(fields.into_iter().map(|field| (field != b"\\N").then(|| field.to_vec())).collect());
    }
    assert!(bytes.is_empty(), "every record ends with a delimiter");
    rows
}

fn text_columns(rows: &[Vec<Option<String>>], width: usize) -> RecordBatch {
    let columns = (0..width).map(|column| {
        let values = rows.iter().map(|row| row[column].as_deref());
        (format!("c{column}"), Arc::new(values.collect::<StringArray>()) as ArrayRef)
    });
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Short texts over the signs that matter, so that traps are met often.
fn trap_text() -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(0.9, "[\\\\Nab,|^<br>\u{1}\u{2}\n\r\t\"é]{0,4}")
}

#[test]
fn rows_that_plain_csv_carries_are_read_back_and_the_others_are_named() {
    let formats = [("\\x01", "\\x02"), (",", "\\n"), ("^^", "<br>"), ("|^|", "\\x0D0A"), ("\\t", "0x0D0A")];
    let rows = |width: usize| prop::collection::vec(prop::collection::vec(trap_text(), width), 1..8);
    let tables = (1_usize..=3).prop_flat_map(move |width| (Just(width), rows(width)));
    let input = (tables, prop::sample::select(formats.to_vec()));
    let damaged = std::cell::Cell::new(0);
    runner(1500)
        .run(&input, |((width, rows), (separator, delimiter))| {
            let encoder = CsvEncoder::new(CsvFormat::parse(Some(separator), Some(delimiter)).unwrap());
            let batch = text_columns(&rows, width);
            let carry = encoder.carries(&batch);
            let uncarried = carry.uncarried().iter().map(|found| found.row).collect::<BTreeSet<_>>();
            let kept = rows.iter().enumerate().filter(|(row, _)| !uncarried.contains(row)).map(|(_, row)| row.clone());
            let kept = kept.collect::<Vec<_>>();
            let mut out = Vec::new();
            encoder.encode(&text_columns(&kept, width), &mut out).unwrap();
            let format = encoder.format();
            let decoded = decode(&out, format.column_separator(), format.row_delimiter());
            let expected = kept
                .iter()
                .map(|row| {
                    row.iter().map(|field| field.as_ref().map(|text| text.as_bytes().to_vec())).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>();
            prop_assert_eq!(decoded, expected);
            if carry.is_complete() {
                prop_assert!(uncarried.is_empty());
            } else {
                damaged.set(damaged.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    assert!(damaged.get() > 150, "traps are met: {}", damaged.get());
}

#[test]
fn rows_are_named_with_the_reason_that_plain_csv_cannot_carry_them() {
    let reasons = |values: Vec<Option<&str>>, width: usize| {
        let values: ArrayRef = Arc::new(StringArray::from(values));
        let columns = (0..width).map(|column| (format!("c{column}"), Arc::clone(&values)));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let carry = CsvEncoder::default().carries(&batch);
        carry.uncarried().iter().map(|found| (found.row, found.column, found.reason)).collect::<Vec<_>>()
    };
    assert_eq!(
        reasons(vec![Some("a\u{1}"), Some("ok"), Some("\\N"), None, Some("\u{2}"), Some("x\\N"), Some("")], 2),
        [
            (0, 0, "holds a byte that begins a CSV delimiter"),
            (2, 0, "is the text that stands for NULL in CSV"),
            (4, 0, "holds a byte that begins a CSV delimiter"),
        ]
    );
    assert_eq!(reasons(vec![Some(""), Some("a"), None], 1), [(0, 0, "is an empty row, which the server skips in CSV")]);
    assert!(reasons(vec![Some("a"), Some("\\n"), Some("N\\")], 1).is_empty());
}

/// One column of every type, with NULL, the least and the greatest value.
fn every_type() -> RecordBatch {
    let decimal = |values: Vec<Option<i128>>, precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap())
    };
    let wide = vec![None, i256::from_string(&"9".repeat(39)), i256::from_string(&format!("-{}", "9".repeat(39)))];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("bool", Arc::new(BooleanArray::from(vec![None, Some(true), Some(false)]))),
        ("i8", Arc::new(Int8Array::from(vec![None, Some(i8::MIN), Some(i8::MAX)]))),
        ("i16", Arc::new(Int16Array::from(vec![None, Some(i16::MIN), Some(i16::MAX)]))),
        ("i32", Arc::new(Int32Array::from(vec![None, Some(i32::MIN), Some(i32::MAX)]))),
        ("i64", Arc::new(Int64Array::from(vec![None, Some(i64::MIN), Some(i64::MAX)]))),
        ("u8", Arc::new(UInt8Array::from(vec![None, Some(0), Some(u8::MAX)]))),
        ("u16", Arc::new(UInt16Array::from(vec![None, Some(0), Some(u16::MAX)]))),
        ("u32", Arc::new(UInt32Array::from(vec![None, Some(0), Some(u32::MAX)]))),
        ("u64", Arc::new(UInt64Array::from(vec![None, Some(0), Some(u64::MAX)]))),
        ("f32", Arc::new(Float32Array::from(vec![None, Some(f32::MIN_POSITIVE), Some(0.1)]))),
        ("f64", Arc::new(Float64Array::from(vec![None, Some(-1.7976931348623157e308), Some(0.1)]))),
        ("price", decimal(vec![None, Some(-5), Some(9_999_999_999)], 10, 2)),
        ("exact", decimal(vec![None, Some(-123_456_789_012_345_678), Some(0)], 38, 18)),
        ("largeint", Arc::new(Decimal256Array::from(wide).with_precision_and_scale(39, 0).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![None, Some(-719_528), Some(2_932_896)]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![None, Some(-1), Some(1_723_034_096_000_000)]))),
        ("text", Arc::new(StringArray::from(vec![None, Some(""), Some("é😀 \"q\" \\ \u{b}\n")]))),
        ("bytes", Arc::new(BinaryArray::from(vec![None, Some(&b"abcd"[..]), Some(&b""[..])]))),
        ("null", Arc::new(NullArray::new(3))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

#[test]
fn every_type_has_its_text_in_csv() {
    let batch = every_type();
    let encoder = CsvEncoder::default();
    assert!(encoder.carries(&batch).is_complete());
    let mut out = Vec::new();
    encoder.encode(&batch, &mut out).unwrap();
    let rows = decode(&out, b"\x01", b"\x02");
    let text = |row: usize| {
        rows[row]
            .iter()
            .map(|field| field.as_ref().map(|bytes| String::from_utf8(bytes.clone()).unwrap()))
            .collect::<Vec<_>>()
    };
    assert!(text(0).iter().all(Option::is_none));
    let some = |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).chain([None]).collect::<Vec<_>>();
    let nines = "9".repeat(39);
    assert_eq!(
        text(1),
        some(&[
            "true",
            "-128",
            "-32768",
            "-2147483648",
            "-9223372036854775808",
            "0",
            "0",
            "0",
            "0",
            "1.1754944e-38",
            "-1.7976931348623157e+308",
            "-0.05",
            "-0.123456789012345678",
            &nines,
            "0000-01-01",
            "1969-12-31 23:59:59.999999",
            "",
            "YWJjZA==",
        ])
    );
    assert_eq!(
        text(2),
        some(&[
            "false",
            "127",
            "32767",
            "2147483647",
            "9223372036854775807",
            "255",
            "65535",
            "4294967295",
            "18446744073709551615",
            "0.1",
            "0.1",
            "99999999.99",
            "0.000000000000000000",
            &format!("-{nines}"),
            "9999-12-31",
            "2024-08-07 12:34:56",
            "é😀 \"q\" \\ \u{b}\n",
            "",
        ])
    );
}

#[test]
fn a_decimal_of_more_digits_than_its_type_says_is_written_whole() {
    let type_of = |values: Decimal128Array| values.with_precision_and_scale(2, 1).unwrap();
    let wide: ArrayRef = Arc::new(type_of(Decimal128Array::from(vec![i128::MAX; 3000])));
    let batch = RecordBatch::try_from_iter([("d", wide)]).unwrap();
    let mut out = Vec::new();
    CsvEncoder::default().encode(&batch, &mut out).unwrap();
    assert_eq!(out, "17014118346046923173168730371588410572.7\u{2}".repeat(3000).into_bytes());
}

#[test]
fn a_slice_of_a_batch_is_encoded_as_its_rows() {
    let batch = every_type();
    let encoder = CsvEncoder::default();
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    encoder.encode(&batch, &mut whole).unwrap();
    for row in 0..batch.num_rows() {
        encoder.encode(&batch.slice(row, 1), &mut parts).unwrap();
    }
    assert_eq!(whole, parts);
    let trap = text_columns(&[vec![Some("\u{1}".into())], vec![Some("ok".into())]], 1);
    assert!(encoder.carries(&trap.slice(1, 1)).is_complete());
    assert!(!encoder.carries(&trap.slice(0, 1)).is_complete());
}

fn columns_of(batch: &RecordBatch) -> Vec<TargetColumn> {
    batch
        .schema()
        .fields()
        .iter()
        .map(|field| TargetColumn {
            name: field.name().clone(),
            kind: TargetType::Text { max_bytes: None, max_chars: None },
            nullable: true,
            has_default: false,
            type_name: "string".into(),
        })
        .collect()
}

fn encode_json(batch: &RecordBatch, columns: &[TargetColumn]) -> String {
    let encoder = JsonEncoder::new(columns);
    let mut out = Vec::new();
    encoder.open(&mut out);
    for row in 0..batch.num_rows() {
        encoder.encode(&batch.slice(row, 1), row == 0, &mut out).unwrap();
    }
    encoder.close(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn every_type_has_its_value_in_json() {
    let batch = every_type();
    let columns = columns_of(&batch);
    let text = encode_json(&batch, &columns);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(rows[0].as_object().unwrap().values().all(serde_json::Value::is_null));
    assert_eq!(
        rows[1],
        serde_json::json!({
            "bool": true, "i8": -128, "i16": -32768, "i32": i32::MIN, "i64": i64::MIN, "u8": 0, "u16": 0, "u32": 0, "u64": 0,
            "f32": 1.1754944e-38, "f64": -1.7976931348623157e308, "price": -0.05, "exact": "-0.123456789012345678",
            "largeint": "9".repeat(39), "day": "0000-01-01", "at": "1969-12-31 23:59:59.999999", "text": "", "bytes": "abcd",
            "null": null,
        })
    );
    assert_eq!(rows[2]["u64"], serde_json::json!(u64::MAX));
    assert_eq!(rows[2]["text"], "é😀 \"q\" \\ \u{b}\n");
    assert!(text.contains("\\u000b\\n"), "{text}");
    let keys = rows[1].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys, columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>());
}

#[test]
fn any_text_is_read_back_from_json() {
    let rows = prop::collection::vec(prop::option::weighted(0.9, any::<String>()), 1..20);
    runner(300)
        .run(&rows, |values| {
            let rows = values.iter().map(|value| vec![value.clone()]).collect::<Vec<_>>();
            let batch = text_columns(&rows, 1);
            let text = encode_json(&batch, &columns_of(&batch));
            let decoded: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            let decoded = decoded.iter().map(|row| row["c0"].as_str().map(str::to_owned)).collect::<Vec<_>>();
            prop_assert_eq!(decoded, values);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_control_character_is_escaped() {
    let value: String = (0..0x20_u8).map(char::from).chain(['"', '\\', '\u{7f}']).collect();
    let batch = text_columns(&[vec![Some(value.clone())]], 1);
    let text = encode_json(&batch, &columns_of(&batch));
    assert!(text.chars().all(|char| char >= ' '));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()[0]["c0"], value);
}

#[test]
fn documents_are_sent_as_documents_and_names_are_escaped() {
    let texts = ["{\"a\":[1]}", " [1]", "plain", "{bad", "1"];
    let batch = text_columns(&texts.map(|text| vec![Some(text.to_owned())]), 1);
    let mut columns = columns_of(&batch);
    columns[0].kind = TargetType::Json;
    columns[0].name = "a \"name\"".into();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&encode_json(&batch, &columns)).unwrap();
    let values = rows.iter().map(|row| row["a \"name\""].clone()).collect::<Vec<_>>();
    assert_eq!(serde_json::Value::Array(values), serde_json::json!([{"a": [1]}, [1], "plain", "{bad", "1"]));
}

#[test]
fn what_json_cannot_carry_is_named() {
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, 1.5]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"ok"[..], &b"\xff"[..], &b"ok"[..]]));
    let batch = RecordBatch::try_from_iter([("f", floats), ("b", bytes)]).unwrap();
    let encoder = JsonEncoder::new(&columns_of(&batch));
    let found = encoder.uncarried(&batch);
    assert_eq!(found.iter().map(|found| (found.row, found.column)).collect::<Vec<_>>(), [(1, 1)]);
    let mut out = Vec::new();
    encoder.encode(&batch.slice(0, 1), true, &mut out).unwrap();
    encoder.encode(&batch.slice(2, 1), false, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"f":"NaN","b":"ok"},{"f":1.5,"b":"ok"}"#);
    assert!(encoder.encode(&batch, true, &mut Vec::new()).is_err());
}

#[test]
fn nested_values_that_csv_would_change_are_named() {
    let texts = ["[1,2]", "[\"a\"]", "[\"a\\\"b\"]", "{\"a\":1}", "plain"];
    let batch = text_columns(&texts.map(|text| vec![Some(text.to_owned()), Some("x".into())]), 2);
    let mut columns = columns_of(&batch);
    assert!(CsvEncoder::default().with_columns(&columns).carries(&batch).is_complete());
    columns[0].kind = TargetType::Other;
    let carry = CsvEncoder::default().with_columns(&columns).carries(&batch);
    assert_eq!(carry.uncarried().iter().map(|found| found.row).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn enclosed_csv_quotes_what_the_server_would_read_as_something_else() {
    let encoder = CsvEncoder::default().enclosed();
    let texts: ArrayRef = Arc::new(StringArray::from(vec![
        Some("a"),
        Some("a\u{1}b\u{2}"),
        Some("5\""),
        Some("\"\""),
        Some(" x"),
        Some("x "),
        Some(""),
        Some("\\n"),
        None,
    ]));
    let batch = RecordBatch::try_from_iter([("t", texts.clone()), ("u", texts)]).unwrap();
    assert!(encoder.carries(&batch).is_complete());
    let mut out = Vec::new();
    encoder.encode(&batch.project(&[0]).unwrap(), &mut out).unwrap();
    let expected =
        "a\u{2}\"a\u{1}b\u{2}\"\u{2}\"5\"\"\"\u{2}\"\"\"\"\"\"\u{2}\" x\"\u{2}x \u{2}\"\"\u{2}\\n\u{2}\\N\u{2}";
    assert_eq!(String::from_utf8(out).unwrap(), expected);

    let texts: ArrayRef = Arc::new(StringArray::from(vec!["\\N", "a", "\0", "x\\N"]));
    let carry = encoder.carries(&RecordBatch::try_from_iter([("t", texts)]).unwrap());
    let named: Vec<_> = carry.uncarried().iter().map(|found| (found.row, found.reason)).collect();
    assert_eq!(
        named,
        [
            (0, "is the text that stands for NULL in CSV"),
            (2, "holds a NUL byte, which the server takes for an escape in enclosed CSV"),
        ]
    );
}
