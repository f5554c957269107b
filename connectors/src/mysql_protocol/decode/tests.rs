//! What becomes of each value: by cases here, and of any value beside a plain reference in `property`.

mod allocations;
mod property;

use arrow::datatypes::i256;
use mysql_common::Value;
use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::proto::MySerialize;

use super::decimal::{decimal128, decimal256};
use super::values::bits;
use super::*;

/// A row of the binary protocol, in the forms that the descriptions say.
pub(super) fn binary_row(described: &[Described], values: &[Value]) -> Vec<u8> {
    let mut row = vec![0; 1 + (values.len() + 9) / 8];
    for (index, (value, column)) in values.iter().zip(described).enumerate() {
        match (value, Form::of(column)) {
            (Value::NULL, _) => row[1 + (index + 2) / 8] |= 1 << ((index + 2) % 8),
            (Value::Int(number), Form::Integer { bytes, .. }) => {
                row.extend_from_slice(&number.to_le_bytes()[..usize::from(bytes)]);
            }
            (value, _) => value.serialize(&mut row),
        }
    }
    row
}

/// A row of the text protocol.
pub(super) fn text_row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut row = Vec::new();
    for value in values {
        match value {
            None => row.push(0xfb),
            Some(bytes) => Value::Bytes(bytes.to_vec()).serialize(&mut row),
        }
    }
    row
}

fn described(value: &Value) -> Described {
    Described::new(match value {
        Value::NULL => ColumnType::MYSQL_TYPE_NULL,
        Value::Bytes(_) => ColumnType::MYSQL_TYPE_VAR_STRING,
        Value::Int(_) => ColumnType::MYSQL_TYPE_LONGLONG,
        Value::UInt(_) => {
            return Described::new(ColumnType::MYSQL_TYPE_LONGLONG).with_flags(ColumnFlags::UNSIGNED_FLAG);
        }
        Value::Float(_) => ColumnType::MYSQL_TYPE_FLOAT,
        Value::Double(_) => ColumnType::MYSQL_TYPE_DOUBLE,
        Value::Date(..) => ColumnType::MYSQL_TYPE_DATETIME,
        Value::Time(..) => ColumnType::MYSQL_TYPE_TIME,
    })
}

fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, Refused> {
    decimal128(Cell::Bytes(text.as_bytes()), Reading::Decimal { precision, scale })
}

#[test]
fn decimals_are_exact_in_every_form() {
    for (text, precision, scale, expected) in [
        ("0", 1, 0, Some(0)),
        ("-12", 2, 0, Some(-12)),
        ("1.50", 3, 2, Some(150)),
        ("-0.05", 3, 2, Some(-5)),
        ("0.05", 2, 2, Some(5)),
        (".05", 2, 2, Some(5)),
        ("1.5", 3, 2, Some(150)),
        ("7", 3, 2, Some(700)),
        ("1.500", 3, 2, Some(150)),
        ("1.505", 4, 2, None),
        ("123", 2, 0, None),
        ("12.34", 3, 2, None),
        ("99999999999999999999999999999999999999", 38, 0, Some(10_i128.pow(38) - 1)),
        ("-99999999999999999999999999999999999999", 38, 0, Some(1 - 10_i128.pow(38))),
        ("0000000000000000000000000000000000000000000000001", 38, 0, Some(1)),
        ("-999999999999999999", 18, 0, Some(1 - 10_i128.pow(18))),
        ("9999999999999999999", 19, 0, Some(10_i128.pow(19) - 1)),
        ("", 3, 0, None),
        ("-", 3, 0, None),
        (".", 3, 1, None),
        ("1e5", 10, 0, None),
        ("1.2.3", 10, 1, None),
        ("12x45", 5, 2, None),
        ("+1", 3, 0, None),
        ("--1", 3, 0, None),
        // A scale that ends within a character.
        ("1.é", 10, 1, None),
        ("é.1", 10, 1, None),
        ("-é", 10, 1, None),
        ("1.0é", 10, 1, None),
        ("٣.٣", 10, 1, None),
    ] {
        assert_eq!(decimal(text, precision, scale).ok(), expected, "{text}");
        let wide = decimal256(Cell::Bytes(text.as_bytes()), Reading::Decimal { precision, scale });
        assert_eq!(wide.ok(), expected.map(i256::from_i128), "{text}");
    }
}

#[test]
fn decimals_of_more_than_38_digits_are_exact() {
    let nines = "9".repeat(65);
    for text in [&nines[..], &format!("-{nines}"), &"0".repeat(70), "-1", "7"] {
        let reading = Reading::Decimal { precision: 65, scale: 0 };
        let number = decimal256(Cell::Bytes(text.as_bytes()), reading).unwrap();
        let expected = if text.trim_matches('0').is_empty() { "0" } else { text };
        assert_eq!(number.to_string(), expected);
    }
}

#[test]
fn a_value_out_of_range_or_of_another_form_is_refused_with_its_text() {
    let column = ReadColumn { name: "v".into(), reading: Reading::Integer { bits: 8, signed: true }, nullable: true };
    for value in [Value::Int(128), Value::UInt(u64::MAX)] {
        let mut batches = BatchBuilder::new(std::slice::from_ref(&column), "table t", ZeroDates::Reject, None, 10);
        batches.expect(&[described(&Value::Int(1))], Protocol::Binary).unwrap();
        batches.push(&binary_row(&[described(&Value::Int(1))], &[Value::Int(1)])).unwrap();
        batches.expect(&[described(&value)], Protocol::Binary).unwrap();
        batches.push(&binary_row(&[described(&value)], &[value])).unwrap();
        assert!(batches.is_full(), "nothing more is read behind an error");
        let error = batches.finish().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Value);
        assert!(error.message().starts_with("table t, column v, row 2: "), "{error}");
    }
}

#[test]
fn a_column_that_was_changed_since_it_was_looked_up_is_an_error_before_its_rows_are_read() {
    let column = ReadColumn { name: "day".into(), reading: Reading::Date, nullable: true };
    let mut batches = BatchBuilder::new(&[column], "catalog shop, table d.t", ZeroDates::Reject, None, 10);
    batches.expect(&[Described::new(ColumnType::MYSQL_TYPE_DATE)], Protocol::Binary).unwrap();
    let error = batches.expect(&[Described::new(ColumnType::MYSQL_TYPE_DATETIME)], Protocol::Binary).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (ErrorCode::Remote, true), "{error}");
    assert!(error.message().starts_with("catalog shop, table d.t, column day: the table was changed"), "{error}");
}

#[test]
fn text_that_is_no_utf8_is_refused() {
    let column = ReadColumn { name: "v".into(), reading: Reading::Text, nullable: true };
    let value = Value::Bytes(vec![b'a', 0xff]);
    let mut batches = BatchBuilder::new(&[column], "t", ZeroDates::Reject, None, 10);
    batches.expect(&[described(&value)], Protocol::Binary).unwrap();
    batches.push(&binary_row(&[described(&value)], &[value])).unwrap();
    let error = batches.finish().unwrap_err();
    assert!(error.message().contains("not UTF-8"), "{error}");
}

#[test]
fn the_first_row_that_cannot_be_read_is_named_whatever_is_wrong_with_it() {
    let column = |name: &str, reading| ReadColumn { name: name.into(), reading, nullable: true };
    let columns = [column("day", Reading::DateTime), column("v", Reading::Text)];
    let good = Value::Date(2024, 8, 7, 0, 0, 0, 0);
    let described = [described(&good), described(&Value::Bytes(Vec::new()))];
    let mut batches = BatchBuilder::new(&columns, "t", ZeroDates::Reject, None, 10);
    batches.expect(&described, Protocol::Binary).unwrap();
    batches.push(&binary_row(&described, &[good.clone(), Value::Bytes(b"a".to_vec())])).unwrap();
    // Texts are looked at when the batch is whole, dates at once.
    batches.push(&binary_row(&described, &[good, Value::Bytes(vec![0xff])])).unwrap();
    assert!(!batches.is_full());
    batches.push(&binary_row(&described, &[Value::Date(0, 0, 0, 0, 0, 0, 0), Value::Bytes(vec![0xff])])).unwrap();
    assert!(batches.is_full());
    let error = batches.finish().unwrap_err();
    assert!(error.message().starts_with("t, column v, row 2: the text is not UTF-8"), "{error}");
}

#[test]
fn bits_are_read_from_the_most_significant_byte() {
    assert_eq!(bits(Cell::Bytes(&[1, 0])).ok(), Some(256));
    assert_eq!(bits(Cell::Bytes(&[0xff; 8])).ok(), Some(u64::MAX));
    assert!(bits(Cell::Bytes(&[0; 9])).is_err());
}

#[test]
fn a_time_that_no_clock_shows_is_refused_and_none_panics() {
    let column = ReadColumn { name: "v".into(), reading: Reading::Time { fraction_digits: 6 }, nullable: true };
    let value = Value::Time(true, u32::MAX, 255, 255, 255, u32::MAX);
    let mut batches = BatchBuilder::new(&[column], "t", ZeroDates::Reject, None, 10);
    batches.expect(&[described(&value)], Protocol::Binary).unwrap();
    batches.push(&binary_row(&[described(&value)], &[value])).unwrap();
    assert_eq!(batches.finish().unwrap_err().code(), ErrorCode::Value);
}

#[test]
fn a_row_of_another_length_is_malformed() {
    let columns = [Reading::Integer { bits: 64, signed: true }, Reading::Text, Reading::DateTime];
    let columns = columns.map(|reading| ReadColumn { name: "v".into(), reading, nullable: true });
    let values = [Value::Int(7), Value::Bytes(b"abc".to_vec()), Value::Date(2024, 8, 7, 1, 2, 3, 4)];
    let described: Vec<_> = values.iter().map(described).collect();
    let row = binary_row(&described, &values);
    let push = |row: &[u8], protocol| {
        let mut batches = BatchBuilder::new(&columns, "catalog c, table t", ZeroDates::Reject, None, 10);
        batches.expect(&described, protocol).unwrap();
        batches.push(row)
    };
    push(&row, Protocol::Binary).unwrap();
    let text = text_row(&[Some(b"7"), None, Some(b"2024-08-07 01:02:03.000004")]);
    push(&text, Protocol::Text).unwrap();
    for (row, protocol) in [(row, Protocol::Binary), (text, Protocol::Text)] {
        for length in 0..row.len() {
            let error = push(&row[..length], protocol).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Connection, "{length} bytes: {error}");
            assert!(error.message().contains("catalog c, table t, row 1"), "{error}");
        }
        let error = push(&[&row[..], &[0]].concat(), protocol).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Connection, "{error}");
    }
}
