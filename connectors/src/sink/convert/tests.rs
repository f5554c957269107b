//! Every pair of the table, and number conversions against arithmetic of another kind.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::csv::CsvEncoder;
use crate::sink::{ErrorLimit, RejectCollector, TargetType as T};

fn target(kind: &T) -> TargetColumn {
    let type_name = match kind {
        T::Integer { bits, signed } => format!("{}int{bits}", if *signed { "" } else { "u" }),
        T::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        T::Text { max_bytes: Some(bytes), .. } => format!("varchar({bytes})"),
        other => format!("{other:?}").to_lowercase(),
    };
    TargetColumn { name: "c".into(), kind: kind.clone(), nullable: true, has_default: false, type_name }
}

fn convert_as(array: ArrayRef, column: &TargetColumn, zone: &str) -> Result<(RecordBatch, Vec<Reject>)> {
    let log = Arc::new(RejectCollector::default());
    log.set_limit(ErrorLimit::Rows(u64::MAX));
    let schema = Arc::new(Schema::new(vec![Field::new("s", array.data_type().clone(), true)]));
    let converter = Converter::new(&schema, std::slice::from_ref(column), zone, Arc::clone(&log) as _)?;
    let batch = RecordBatch::try_new(schema, vec![array]).unwrap();
    let converted = converter.convert(&batch, 1)?;
    Ok((converted, log.first()))
}

/// Converts values one by one; each is its CSV text (`\N` for NULL) or the reason of its reject.
fn convert_each(array: &ArrayRef, kind: &T) -> Vec<Result<String, String>> {
    (0..array.len())
        .map(|row| {
            let (batch, rejects) = convert_as(array.slice(row, 1), &target(kind), "Asia/Shanghai").unwrap();
            if let [reject] = &rejects[..] {
                assert_eq!(batch.num_rows(), 0);
                return Err(reject.reason.clone());
            }
            assert_eq!((batch.num_rows(), rejects.len()), (1, 0));
            let mut out = Vec::new();
            CsvEncoder::default().encode(&batch, &mut out).unwrap();
            assert_eq!(out.pop(), Some(2));
            Ok(String::from_utf8(out).unwrap())
        })
        .collect()
}

fn check(array: impl Array + 'static, kind: T, expected: &[Result<&str, &str>]) {
    let array: ArrayRef = Arc::new(array);
    let found = convert_each(&array, &kind);
    let expected = expected.iter().map(|value| value.map(str::to_owned).map_err(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(found, expected, "{} to {kind:?}", array.data_type());
}

const INT: T = T::Integer { bits: 32, signed: true };
const TINYINT: T = T::Integer { bits: 8, signed: true };
const BIGINT: T = T::Integer { bits: 64, signed: true };
const LARGEINT: T = T::Integer { bits: 128, signed: true };
const UNSIGNED: T = T::Integer { bits: 64, signed: false };
const PRICE: T = T::Decimal { precision: 10, scale: 2 };
const WIDE: T = T::Decimal { precision: 76, scale: 10 };
const DATETIME: T = T::DateTime { fraction_digits: 6 };
const SECONDS: T = T::DateTime { fraction_digits: 0 };
const STRING: T = T::Text { max_bytes: None, max_chars: None };
const VARCHAR: T = T::Text { max_bytes: Some(5), max_chars: None };

#[test]
fn whole_numbers_must_be_in_range() {
    let numbers = Int64Array::from(vec![Some(1), None, Some(-129), Some(i64::MAX)]);
    check(
        numbers.clone(),
        TINYINT,
        &[Ok("1"), Ok("\\N"), Err("is out of range for int8"), Err("is out of range for int8")],
    );
    check(numbers.clone(), LARGEINT, &[Ok("1"), Ok("\\N"), Ok("-129"), Ok("9223372036854775807")]);
    check(
        numbers.clone(),
        UNSIGNED,
        &[Ok("1"), Ok("\\N"), Err("is out of range for uint64"), Ok("9223372036854775807")],
    );
    check(numbers.clone(), PRICE, &[Ok("1.00"), Ok("\\N"), Ok("-129.00"), Err("is out of range for decimal(10,2)")]);
    check(numbers, STRING, &[Ok("1"), Ok("\\N"), Ok("-129"), Ok("9223372036854775807")]);
    check(UInt64Array::from(vec![u64::MAX]), BIGINT, &[Err("is out of range for int64")]);
    check(UInt64Array::from(vec![u64::MAX]), LARGEINT, &[Ok("18446744073709551615")]);
    check(UInt64Array::from(vec![u64::MAX]), UNSIGNED, &[Ok("18446744073709551615")]);
    check(Int8Array::from(vec![-128]), INT, &[Ok("-128")]);
}

#[test]
fn whole_numbers_become_floats_only_if_exact() {
    let edge = 1_i64 << 53;
    let numbers = Int64Array::from(vec![edge, edge + 1, edge + 2]);
    check(
        numbers,
        T::Float64,
        &[Ok("9007199254740992.0"), Err("has more digits than float64 holds"), Ok("9007199254740994.0")],
    );
    check(
        Int32Array::from(vec![1 << 24, (1 << 24) + 1]),
        T::Float32,
        &[Ok("16777216.0"), Err("has more digits than float32 holds")],
    );
    check(UInt64Array::from(vec![u64::MAX]), T::Float64, &[Err("has more digits than float64 holds")]);
}

#[test]
fn an_operation_is_0_or_1_or_its_word() {
    let lost = "is neither 0 (upsert) nor 1 (delete)";
    check(Int32Array::from(vec![0, 1, 2, -1]), T::Operation, &[Ok("0"), Ok("1"), Err(lost), Err(lost)]);
    check(BooleanArray::from(vec![true, false]), T::Operation, &[Ok("1"), Ok("0")]);
    check(Float64Array::from(vec![1.0, 0.5]), T::Operation, &[Ok("1"), Err(lost)]);
    let words = StringArray::from(vec!["upsert", "DELETE", " 1", "0", "2", ""]);
    check(words, T::Operation, &[Ok("0"), Ok("1"), Ok("1"), Ok("0"), Err(lost), Err(lost)]);
}

#[test]
fn booleans_are_numbers_and_only_0_and_1_are_booleans() {
    check(BooleanArray::from(vec![Some(true), Some(false), None]), T::Boolean, &[Ok("true"), Ok("false"), Ok("\\N")]);
    check(BooleanArray::from(vec![true]), TINYINT, &[Ok("1")]);
    check(BooleanArray::from(vec![true]), PRICE, &[Ok("1.00")]);
    check(BooleanArray::from(vec![true]), T::Float64, &[Ok("1.0")]);
    check(BooleanArray::from(vec![true]), STRING, &[Ok("true")]);
    let lost = "is neither 0 nor 1, boolean would lose it";
    check(Int32Array::from(vec![0, 1, 2, -1]), T::Boolean, &[Ok("false"), Ok("true"), Err(lost), Err(lost)]);
    check(Float64Array::from(vec![1.0, 0.5]), T::Boolean, &[Ok("true"), Err(lost)]);
    let decimals = Decimal128Array::from(vec![100, 150]).with_precision_and_scale(10, 2).unwrap();
    check(decimals, T::Boolean, &[Ok("true"), Err("has a fraction, boolean would lose it")]);
}

#[test]
fn floats_count_as_their_shortest_text() {
    let floats = Float64Array::from(vec![3.0, 3.7, 0.1, 1.239, 1e12, f64::NAN, f64::INFINITY, -0.0]);
    let (fraction, range) = ("has a fraction, int32 would lose it", "is out of range for int32");
    check(
        floats.clone(),
        INT,
        &[Ok("3"), Err(fraction), Err(fraction), Err(fraction), Err(range), Err(range), Err(range), Ok("0")],
    );
    let (fraction, range) =
        ("has more than 2 digits behind the point, decimal(10,2) would lose them", "is out of range for decimal(10,2)");
    check(
        floats.clone(),
        PRICE,
        &[Ok("3.00"), Ok("3.70"), Ok("0.10"), Err(fraction), Err(range), Err(range), Err(range), Ok("0.00")],
    );
    check(Float32Array::from(vec![0.1, 16_777_216.0]), PRICE, &[Ok("0.10"), Ok("16777216.00")]);
    check(
        Float64Array::from(vec![1e300, -1.7e38]),
        LARGEINT,
        &[Err("is out of range for int128"), Ok("-170000000000000000000000000000000000000")],
    );
}

#[test]
fn floats_keep_to_the_range_of_floats() {
    let range = "is out of range for float32";
    let floats = Float64Array::from(vec![0.1, 1e39, 1e-300, f64::NAN, f64::NEG_INFINITY, 0.0]);
    check(floats, T::Float32, &[Ok("0.1"), Err(range), Err(range), Ok("NaN"), Ok("-inf"), Ok("0.0")]);
    check(Float32Array::from(vec![0.5]), T::Float64, &[Ok("0.5")]);
}

#[test]
fn decimals_are_scaled_exactly() {
    let decimals =
        Decimal128Array::from(vec![Some(12_300), Some(12_390), None, Some(-70_000), Some(123_456_789_010_000)])
            .with_precision_and_scale(18, 4)
            .unwrap();
    let (fraction, range) =
        ("has more than 2 digits behind the point, decimal(10,2) would lose them", "is out of range for decimal(10,2)");
    check(decimals.clone(), PRICE, &[Ok("1.23"), Err(fraction), Ok("\\N"), Ok("-7.00"), Err(range)]);
    let (fraction, range) = ("has a fraction, int32 would lose it", "is out of range for int32");
    check(decimals.clone(), INT, &[Err(fraction), Err(fraction), Ok("\\N"), Ok("-7"), Err(range)]);
    check(
        decimals.clone(),
        WIDE,
        &[Ok("1.2300000000"), Ok("1.2390000000"), Ok("\\N"), Ok("-7.0000000000"), Ok("12345678901.0000000000")],
    );
    check(decimals.clone(), STRING, &[Ok("1.2300"), Ok("1.2390"), Ok("\\N"), Ok("-7.0000"), Ok("12345678901.0000")]);
    check(decimals, T::Float64, &[Ok("1.23"), Ok("1.239"), Ok("\\N"), Ok("-7.0"), Ok("12345678901.0")]);
    let wide = Decimal256Array::from(vec![i256::from_string(&"9".repeat(60)).unwrap(), i256::from_i128(1050)])
        .with_precision_and_scale(60, 3)
        .unwrap();
    check(
        wide.clone(),
        PRICE,
        &[Err("has more than 2 digits behind the point, decimal(10,2) would lose them"), Ok("1.05")],
    );
    check(wide, T::Float64, &[Ok("1e+57"), Ok("1.05")]);
    let whole = Decimal128Array::from(vec![9_007_199_254_740_993]).with_precision_and_scale(20, 0).unwrap();
    check(whole, T::Float64, &[Err("has more digits than float64 holds")]);
    let negative_scale = Decimal128Array::from(vec![12]).with_precision_and_scale(5, -3).unwrap();
    check(negative_scale, INT, &[Ok("12000")]);
}

#[test]
fn dates_and_timestamps_lose_no_time_of_day() {
    let days = Date32Array::from(vec![Some(19_942), None, Some(-719_529)]);
    let outside = |kind: &str| format!("is outside the years 0 to 9999 of {kind}");
    check(days.clone(), T::Date, &[Ok("2024-08-07"), Ok("\\N"), Err(&outside("date"))]);
    check(
        days.clone(),
        STRING,
        &[Ok("2024-08-07"), Ok("\\N"), Err(&outside("text { max_bytes: none, max_chars: none }"))],
    );
    check(days.slice(0, 2), DATETIME, &[Ok("2024-08-07 00:00:00"), Ok("\\N")]);

    let micros =
        TimestampMicrosecondArray::from(vec![1_722_988_800_000_000, 1_723_034_096_000_000, 1_723_034_096_000_001]);
    let lost = "has a time of day, date would lose it";
    check(micros.clone(), T::Date, &[Ok("2024-08-07"), Err(lost), Err(lost)]);
    check(
        micros.clone(),
        DATETIME,
        &[Ok("2024-08-07 00:00:00"), Ok("2024-08-07 12:34:56"), Ok("2024-08-07 12:34:56.000001")],
    );
    let (batch, rejects) = convert_as(Arc::new(micros.clone()), &target(&SECONDS), "UTC").unwrap();
    assert_eq!(batch.num_rows(), 2);
    assert!(rejects[0].reason.starts_with("has more than 0 digits of a second"), "{rejects:?}");
    assert_eq!((rejects[0].row, rejects[0].value.as_deref()), (Some(3), Some("2024-08-07T12:34:56.000001")));
    check(micros, STRING, &[Ok("2024-08-07 00:00:00"), Ok("2024-08-07 12:34:56"), Ok("2024-08-07 12:34:56.000001")]);
    check(TimestampSecondArray::from(vec![0]), DATETIME, &[Ok("1970-01-01 00:00:00")]);
    let nanos = TimestampNanosecondArray::from(vec![1_000, 1_001]);
    let (batch, rejects) = convert_as(Arc::new(nanos), &target(&DATETIME), "UTC").unwrap();
    assert_eq!((batch.num_rows(), rejects.len()), (1, 1));
    check(Date64Array::from(vec![86_400_000, 86_400_001]), T::Date, &[Ok("1970-01-02"), Err(lost)]);
    check(
        TimestampMillisecondArray::from(vec![i64::MAX]),
        DATETIME,
        &[Err(&outside("datetime { fraction_digits: 6 }"))],
    );
    check(Time64MicrosecondArray::from(vec![3_723_000_001]), STRING, &[Ok("01:02:03.000001")]);
    check(Time32SecondArray::from(vec![3_723]), STRING, &[Ok("01:02:03")]);
}

#[test]
fn instants_become_the_wall_clock_of_the_run() {
    let instants = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
    check(instants.clone(), DATETIME, &[Ok("1970-01-01 08:00:00")]);
    check(instants.clone(), T::Date, &[Err("has a time of day, date would lose it")]);
    for (zone, expected) in
        [("+08:00", "1970-01-01 08:00:00"), ("America/New_York", "1969-12-31 19:00:00"), ("UTC", "1970-01-01 00:00:00")]
    {
        let (batch, _) = convert_as(Arc::new(instants.clone()), &target(&STRING), zone).unwrap();
        assert_eq!(batch.column(0).as_string::<i32>().value(0), expected);
    }
    let summer = TimestampMicrosecondArray::from(vec![1_723_034_096_000_000]).with_timezone("+02:00");
    let (batch, _) = convert_as(Arc::new(summer), &target(&STRING), "Europe/Berlin").unwrap();
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "2024-08-07 14:34:56");
    let error = convert_as(Arc::new(instants), &target(&DATETIME), "Mars/Olympus").unwrap_err();
    assert_eq!(error.code(), ErrorCode::Option);
}

#[test]
fn text_for_a_typed_column_stays_as_it_is_or_is_a_reject() {
    let text = |values: &[&str]| StringArray::from(values.to_vec());
    check(
        text(&["20240807", "2024-08-07", "2024-08-07 12:34:56", "abc", "2024-08-07 00:00:00"]),
        T::Date,
        &[
            Ok("20240807"),
            Ok("2024-08-07"),
            Err("has a time of day, date would lose it"),
            Err("is no value of date"),
            Ok("2024-08-07 00:00:00"),
        ],
    );
    check(text(&["2024-08-07T12:34:56.5"]), DATETIME, &[Ok("2024-08-07T12:34:56.5")]);
    let (range, none) = ("is out of range for int8", "is no value of int8");
    check(
        text(&["127", "128", "-128", "-129", "+7", "007", "1.0", "1.5", "", " 1", "abc", "1e2", "1e3"]),
        TINYINT,
        &[
            Ok("127"),
            Err(range),
            Ok("-128"),
            Err(range),
            Ok("+7"),
            Ok("007"),
            Ok("1.0"),
            Err("has a fraction, int8 would lose it"),
            Err(none),
            Err(none),
            Err(none),
            Err(none),
            Err(none),
        ],
    );
    let max = i128::MAX.to_string();
    check(
        text(&[&max, "170141183460469231731687303715884105728", "-170141183460469231731687303715884105728"]),
        LARGEINT,
        &[Ok(&max), Err("is out of range for int128"), Ok("-170141183460469231731687303715884105728")],
    );
    check(text(&["-0", "-1"]), UNSIGNED, &[Ok("-0"), Err("is out of range for uint64")]);
    check(
        text(&["1.2300", "1.239", "99999999.99", "123456789", ".5", "5."]),
        PRICE,
        &[
            Ok("1.2300"),
            Err("has more than 2 digits behind the point, decimal(10,2) would lose them"),
            Ok("99999999.99"),
            Err("is out of range for decimal(10,2)"),
            Ok(".5"),
            Ok("5."),
        ],
    );
    check(
        text(&["0.1", "1e400", "9007199254740993", "nan", "1e-400"]),
        T::Float64,
        &[
            Ok("0.1"),
            Err("has more digits than float64 holds"),
            Err("has more digits than float64 holds"),
            Err("is no value of float64"),
            Err("has more digits than float64 holds"),
        ],
    );
    check(text(&["TRUE", "0", "yes"]), T::Boolean, &[Ok("TRUE"), Ok("0"), Err("is no value of boolean")]);
    let found = convert_each(&(Arc::new(text(&["{\"a\":1}", "{bad", "plain", "[1]"])) as ArrayRef), &T::Json);
    assert!(
        found[0].is_ok()
            && found[1].as_ref().unwrap_err().starts_with("is no JSON document")
            && found[2].is_ok()
            && found[3].is_ok()
    );
}

#[test]
fn lengths_count_bytes_and_characters() {
    let texts = StringArray::from(vec![Some("12345"), Some("ééé"), None, Some("123456")]);
    check(
        texts.clone(),
        VARCHAR,
        &[Ok("12345"), Err("has 6 bytes, varchar(5) holds 5"), Ok("\\N"), Err("has 6 bytes, varchar(5) holds 5")],
    );
    // a look at the whole column must not take the lengths of all values for one
    let (batch, rejects) = convert_as(Arc::new(texts.clone()), &target(&VARCHAR), "UTC").unwrap();
    assert_eq!((batch.num_rows(), rejects.len()), (2, 2));
    assert_eq!(rejects[0].row, Some(2));
    let chars = T::Text { max_bytes: None, max_chars: Some(5) };
    let (batch, rejects) = convert_as(Arc::new(texts), &target(&chars), "UTC").unwrap();
    assert_eq!((batch.num_rows(), rejects.len()), (3, 1));
    assert!(rejects[0].reason.starts_with("has 6 characters"), "{rejects:?}");
    check(Int64Array::from(vec![123_456]), VARCHAR, &[Err("has 6 bytes, varchar(5) holds 5")]);
}

#[test]
fn bytes_are_text_if_they_are_utf8() {
    let bytes = BinaryArray::from(vec![Some(&b"abc"[..]), Some(&b"\xff"[..]), None]);
    check(bytes.clone(), STRING, &[Ok("abc"), Err("holds bytes that are not UTF-8"), Ok("\\N")]);
    check(bytes.clone(), T::Binary { max_bytes: None }, &[Ok("YWJj"), Ok("/w=="), Ok("\\N")]);
    let short = T::Binary { max_bytes: Some(2) };
    let (batch, rejects) = convert_as(Arc::new(bytes), &target(&short), "UTC").unwrap();
    assert_eq!((batch.num_rows(), rejects.len()), (2, 1));
    check(StringArray::from(vec!["abc"]), T::Binary { max_bytes: None }, &[Ok("YWJj")]);
    check(FixedSizeBinaryArray::try_from_iter([b"ab"].iter()).unwrap(), STRING, &[Ok("ab")]);
}

#[test]
fn nested_values_are_json() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    check(lists.clone(), T::Other, &[Ok("[1,null]"), Ok("\\N"), Ok("[]")]);
    check(lists, T::Json, &[Ok("[1,null]"), Ok("\\N"), Ok("[]")]);
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a\"b"), None]));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let structs = StructArray::from(vec![
        (Arc::new(Field::new("name", DataType::Utf8, true)), names),
        (Arc::new(Field::new("id", DataType::Int64, true)), ids),
    ]);
    check(structs, T::Json, &[Ok("{\"name\":\"a\\\"b\",\"id\":1}"), Ok("{\"name\":null,\"id\":2}")]);
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["k"]));
    let values: ArrayRef = Arc::new(Int64Array::from(vec![9]));
    let entries = StructArray::from(vec![
        (Arc::new(Field::new("keys", DataType::Utf8, false)), keys),
        (Arc::new(Field::new("values", DataType::Int64, true)), values),
    ]);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let maps = MapArray::new(field, OffsetBuffer::new(vec![0, 1].into()), entries, None, false);
    check(maps, T::Json, &[Ok("{\"k\":9}")]);
}

#[test]
fn every_encoding_of_the_same_text_is_the_same() {
    check(LargeStringArray::from(vec!["abc"]), STRING, &[Ok("abc")]);
    check(
        StringViewArray::from(vec!["a text that is longer than twelve bytes"]),
        STRING,
        &[Ok("a text that is longer than twelve bytes")],
    );
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
    check(dictionary, STRING, &[Ok("a"), Ok("\\N"), Ok("a")]);
    check(NullArray::new(2), INT, &[Ok("\\N"), Ok("\\N")]);
    check(NullArray::new(1), STRING, &[Ok("\\N")]);
}

#[test]
fn null_in_a_not_null_column_is_a_reject() {
    let strict = |kind| TargetColumn { nullable: false, ..target(&kind) };
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None].into_iter().collect();
    let arrays: [(ArrayRef, T); 3] = [
        (Arc::new(Int64Array::from(vec![Some(1), None])), BIGINT),
        (Arc::new(dictionary), STRING),
        (Arc::new(StringArray::from(vec![Some("1"), None])), INT),
    ];
    for (array, kind) in arrays {
        let (batch, rejects) = convert_as(array, &strict(kind), "UTC").unwrap();
        assert_eq!(batch.num_rows(), 1);
        assert_eq!(
            (rejects[0].reason.as_str(), rejects[0].value.as_deref(), rejects[0].row),
            ("NULL in a NOT NULL column", None, Some(2))
        );
    }
    let (batch, rejects) = convert_as(Arc::new(NullArray::new(3)), &strict(INT), "UTC").unwrap();
    assert_eq!((batch.num_rows(), rejects.len()), (0, 3));
    assert_eq!(rejects[0].value, None, "there is no text to show");
}

#[test]
fn a_row_with_two_bad_columns_is_one_reject() {
    let log = Arc::new(RejectCollector::default());
    log.set_limit(ErrorLimit::Rows(10));
    let arrays: [(&str, ArrayRef); 2] = [
        ("a", Arc::new(Float64Array::from(vec![1.5, 2.0, 2.5]))),
        ("b", Arc::new(StringArray::from(vec!["x", "y", "3"]))),
    ];
    let batch = RecordBatch::try_from_iter(arrays).unwrap();
    let columns =
        [TargetColumn { name: "first".into(), ..target(&INT) }, TargetColumn { name: "second".into(), ..target(&INT) }];
    let converter = Converter::new(&batch.schema(), &columns, "UTC", Arc::clone(&log) as _).unwrap();
    assert_eq!(converter.convert(&batch, 11).unwrap().num_rows(), 0);
    let found =
        log.first().iter().map(|reject| (reject.column.clone().unwrap(), reject.row.unwrap())).collect::<Vec<_>>();
    assert_eq!(found, [("first".into(), 11), ("second".into(), 12), ("first".into(), 13)]);
}

#[test]
fn a_rejects_value_is_cut_and_has_no_control_characters() {
    let texts = StringArray::from(vec!["a\u{1b}[31m\nb".to_owned(), "x".repeat(1000)]);
    let (_, rejects) = convert_as(Arc::new(texts), &target(&INT), "UTC").unwrap();
    assert_eq!(rejects[0].value.as_deref(), Some("a\\u{1b}[31m\\nb"));
    assert_eq!(rejects[1].value.as_ref().unwrap().len(), VALUE_BYTES + '…'.len_utf8());
}

#[test]
fn pairs_without_a_conversion_are_errors_of_the_plan() {
    for (array, kind) in [
        (DataType::Int64, T::Date),
        (DataType::Int32, DATETIME),
        (DataType::Date32, INT),
        (DataType::Timestamp(TimeUnit::Second, None), T::Float64),
        (DataType::Binary, INT),
        (DataType::Boolean, T::Binary { max_bytes: None }),
        (DataType::Interval(IntervalUnit::MonthDayNano), STRING),
        (DataType::Duration(TimeUnit::Second), STRING),
        (DataType::Time64(TimeUnit::Microsecond), DATETIME),
    ] {
        let error = convert_as(new_empty_array(&array), &target(&kind), "UTC").unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{array} {kind:?}");
    }
}

fn runner() -> TestRunner {
    let config = Config { cases: 800, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// The oracle: `value / 10^scale` as a fraction over 10^12, put into DECIMAL(precision, target_scale) by plain 128-bit arithmetic.
fn oracle(value: i64, scale: u32, precision: u32, target_scale: u32) -> Option<i128> {
    let over_twelve = i128::from(value) * 10_i128.pow(12 - scale);
    let unit = 10_i128.pow(12 - target_scale);
    (over_twelve % unit == 0 && (over_twelve / unit).abs() < 10_i128.pow(precision)).then_some(over_twelve / unit)
}

fn printed(value: i64, scale: u32) -> String {
    let unit = 10_u64.pow(scale);
    let sign = if value < 0 { "-" } else { "" };
    let magnitude = value.unsigned_abs();
    match scale {
        0 => format!("{sign}{magnitude}"),
        _ => format!("{sign}{}.{:0width$}", magnitude / unit, magnitude % unit, width = scale as usize),
    }
}

/// Numbers of every size, many with zeros at their end, so that scaling down often succeeds.
fn number() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0_u32..63, 0_u32..8).prop_map(|(bits, shift, zeros)| {
        let unit = 10_i64.pow(zeros);
        (bits >> shift) / unit * unit
    })
}

#[test]
fn decimals_of_every_source_agree_with_the_oracle() {
    let shapes = (number(), 0_u32..=9, 1_u32..=18, 0_u32..=9);
    let outcomes = std::cell::RefCell::new([0, 0]);
    runner()
        .run(&shapes, |(value, scale, precision, target_scale)| {
            let precision = precision.max(target_scale);
            let kind = T::Decimal { precision: precision as u8, scale: target_scale as u8 };
            let expected = oracle(value, scale, precision, target_scale);
            outcomes.borrow_mut()[usize::from(expected.is_some())] += 1;
            let text = printed(value, scale);
            let narrow =
                Decimal128Array::from(vec![i128::from(value)]).with_precision_and_scale(38, scale as i8).unwrap();
            let wide =
                Decimal256Array::from(vec![i256::from(value)]).with_precision_and_scale(70, scale as i8).unwrap();
            let mut sources: Vec<ArrayRef> =
                vec![Arc::new(narrow), Arc::new(wide), Arc::new(StringArray::from(vec![text.as_str()]))];
            if scale == 0 {
                sources.push(Arc::new(Int64Array::from(vec![value])));
            }
            // with at most 15 digits a float's shortest text is the decimal it was read from
            if value.unsigned_abs() < 1_000_000_000_000_000 {
                sources.push(Arc::new(Float64Array::from(vec![text.parse::<f64>().unwrap()])));
            }
            for source in sources {
                let source_type = source.data_type().clone();
                let (batch, rejects) = convert_as(source, &target(&kind), "UTC").unwrap();
                let found = match batch.num_rows() {
                    0 => None,
                    _ if source_type == DataType::Utf8 => expected,
                    _ => Some(batch.column(0).as_primitive::<Decimal128Type>().value(0)),
                };
                prop_assert_eq!(found, expected, "{} {} to {:?}: {:?}", source_type, &text, &kind, rejects);
            }
            Ok(())
        })
        .unwrap();
    let outcomes = outcomes.into_inner();
    assert!(outcomes.iter().all(|count| *count > 80), "both outcomes are met: {outcomes:?}");
}

#[test]
fn whole_numbers_of_every_source_agree_with_the_oracle() {
    let kinds =
        [(8, true), (16, true), (32, true), (64, true), (8, false), (16, false), (32, false), (64, false), (128, true)];
    runner()
        .run(&(number(), 0_u32..=6, prop::sample::select(kinds.to_vec())), |(value, scale, (bits, signed))| {
            let kind = T::Integer { bits, signed };
            let (low, high) = match (bits, signed) {
                (128, _) => (i128::MIN, i128::MAX),
                (_, true) => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
                _ => (0, (1_i128 << bits) - 1),
            };
            let expected = oracle(value, scale, 37, 0).filter(|whole| (low..=high).contains(whole));
            let text = printed(value, scale);
            let decimal =
                Decimal128Array::from(vec![i128::from(value)]).with_precision_and_scale(38, scale as i8).unwrap();
            let mut sources: Vec<ArrayRef> = vec![Arc::new(decimal), Arc::new(StringArray::from(vec![text.as_str()]))];
            if scale == 0 {
                sources.push(Arc::new(Int64Array::from(vec![value])));
            }
            if value.unsigned_abs() < 1_000_000_000_000_000 {
                sources.push(Arc::new(Float64Array::from(vec![text.parse::<f64>().unwrap()])));
            }
            for source in sources {
                let source_type = source.data_type().clone();
                let found = &convert_each(&source, &kind)[0];
                match source_type {
                    DataType::Utf8 => prop_assert_eq!(found.is_ok(), expected.is_some(), "{} to {:?}", &text, &kind),
                    _ => prop_assert_eq!(
                        found.clone().ok(),
                        expected.map(|whole| whole.to_string()),
                        "{} {} to {:?}",
                        source_type,
                        &text,
                        &kind
                    ),
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_whole_double_that_float_cannot_hold_is_a_reject_and_a_fraction_is_rounded() {
    let digits = "has more digits than float32 holds";
    let doubles =
        vec![16_777_216.0, 16_777_217.0, -16_777_217.0, 16_777_218.0, 16_777_216.5, 0.1, 1e30, 2_f64.powi(100)];
    check(
        Float64Array::from(doubles),
        T::Float32,
        &[
            Ok("16777216.0"),
            Err(digits),
            Err(digits),
            Ok("16777218.0"),
            Ok("16777216.0"),
            Ok("0.1"),
            Err(digits),
            Ok("1.2676506e+30"),
        ],
    );
}
