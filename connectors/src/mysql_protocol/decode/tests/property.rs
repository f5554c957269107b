//! Any value that a server can send, beside a reference that is slow and plain: it parses with the crate `jiff` and with Arrow's own
//! parsers, and shares no code with the decoder.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use jiff::civil::{Date, DateTime, Time};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

/// A column's description, how it is read, and what its values may be.
#[derive(Debug, Clone)]
struct Case {
    kind: ColumnType,
    unsigned: bool,
    reading: Reading,
}

const fn case(kind: ColumnType, unsigned: bool, reading: Reading) -> Case {
    Case { kind, unsigned, reading }
}

const fn integer(bits: u8, signed: bool) -> Reading {
    Reading::Integer { bits, signed }
}

const CASES: &[Case] = &[
    case(ColumnType::MYSQL_TYPE_TINY, false, integer(8, true)),
    case(ColumnType::MYSQL_TYPE_TINY, true, integer(8, false)),
    case(ColumnType::MYSQL_TYPE_TINY, false, Reading::Boolean),
    case(ColumnType::MYSQL_TYPE_SHORT, false, integer(16, true)),
    case(ColumnType::MYSQL_TYPE_SHORT, true, integer(16, false)),
    case(ColumnType::MYSQL_TYPE_YEAR, true, integer(16, true)),
    case(ColumnType::MYSQL_TYPE_INT24, false, integer(32, true)),
    case(ColumnType::MYSQL_TYPE_LONG, false, integer(32, true)),
    case(ColumnType::MYSQL_TYPE_LONG, true, integer(32, false)),
    case(ColumnType::MYSQL_TYPE_LONGLONG, false, integer(64, true)),
    case(ColumnType::MYSQL_TYPE_LONGLONG, true, integer(64, false)),
    // A column that was made wider or narrower since it was looked up.
    case(ColumnType::MYSQL_TYPE_LONGLONG, false, integer(8, true)),
    case(ColumnType::MYSQL_TYPE_TINY, false, integer(64, false)),
    case(ColumnType::MYSQL_TYPE_FLOAT, false, Reading::Float32),
    case(ColumnType::MYSQL_TYPE_DOUBLE, false, Reading::Float64),
    case(ColumnType::MYSQL_TYPE_NEWDECIMAL, false, Reading::Decimal { precision: 10, scale: 2 }),
    case(ColumnType::MYSQL_TYPE_NEWDECIMAL, false, Reading::Decimal { precision: 38, scale: 10 }),
    case(ColumnType::MYSQL_TYPE_NEWDECIMAL, false, Reading::Decimal { precision: 18, scale: 0 }),
    case(ColumnType::MYSQL_TYPE_NEWDECIMAL, false, Reading::Decimal { precision: 65, scale: 30 }),
    case(ColumnType::MYSQL_TYPE_DATE, false, Reading::Date),
    case(ColumnType::MYSQL_TYPE_DATETIME, false, Reading::DateTime),
    case(ColumnType::MYSQL_TYPE_TIMESTAMP, false, Reading::DateTime),
    case(ColumnType::MYSQL_TYPE_VAR_STRING, false, Reading::Text),
    case(ColumnType::MYSQL_TYPE_BLOB, false, Reading::Bytes),
    case(ColumnType::MYSQL_TYPE_BIT, false, Reading::Bits),
];

/// A value of a column, in the form that the server sends it in.
fn value(case: &Case) -> BoxedStrategy<Value> {
    let number =
        |low: i64, high: i64| prop_oneof![Just(low), Just(high), Just(0), low..=high].prop_map(Value::Int).boxed();
    let bytes = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes);
    let text = prop_oneof![".{0,12}", "[a-z]{0,300}", "[é表😀]{0,20}"]
        .prop_map(|text: String| Value::Bytes(text.into_bytes()));
    let date = (
        prop_oneof![Just(0_u16), Just(1), Just(1970), Just(9999), 0..=9999_u16],
        0..=13_u8,
        0..=32_u8,
        prop_oneof![Just(0_u8), 0..=25_u8],
        prop_oneof![Just(0_u8), 0..=60_u8],
        prop_oneof![Just(0_u8), 0..=60_u8],
        prop_oneof![Just(0_u32), Just(999_999), Just(1_000_000), 0..=1_000_000_u32],
    );
    let date = date.prop_map(|(year, month, day, hour, minute, second, micro)| {
        Value::Date(year, month, day, hour, minute, second, micro)
    });
    let value = match (case.kind, case.unsigned) {
        (ColumnType::MYSQL_TYPE_TINY, false) => number(i8::MIN.into(), i8::MAX.into()),
        (ColumnType::MYSQL_TYPE_TINY, true) => number(0, u8::MAX.into()),
        (ColumnType::MYSQL_TYPE_SHORT, false) => number(i16::MIN.into(), i16::MAX.into()),
        (ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR, true) => number(0, u16::MAX.into()),
        (ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24, false) => number(i32::MIN.into(), i32::MAX.into()),
        (ColumnType::MYSQL_TYPE_LONG, true) => number(0, u32::MAX.into()),
        (ColumnType::MYSQL_TYPE_LONGLONG, false) => number(i64::MIN, i64::MAX),
        (ColumnType::MYSQL_TYPE_LONGLONG, true) => any::<u64>().prop_map(Value::UInt).boxed(),
        (ColumnType::MYSQL_TYPE_FLOAT, _) => any::<f32>().prop_map(Value::Float).boxed(),
        (ColumnType::MYSQL_TYPE_DOUBLE, _) => any::<f64>().prop_map(Value::Double).boxed(),
        (ColumnType::MYSQL_TYPE_NEWDECIMAL, _) => {
            let plain = "-?[0-9]{1,40}(\\.[0-9]{0,12})?|-?\\.[0-9]{1,3}|-?[0-9]{1,8}\\.[0-9]{2}|0{1,40}[1-9]\\.0{1,30}|x|1e5|-|";
            let odd = "[-+]{0,2}[0-9é٣]{0,3}[.,]{0,2}[0-9é٣😀]{0,4}";
            let text = prop_oneof![4 => plain, 1 => odd].prop_map(|text: String| Value::Bytes(text.into_bytes()));
            prop_oneof![9 => text, 1 => bytes].boxed()
        }
        (ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_TIMESTAMP, _) => {
            date.boxed()
        }
        (ColumnType::MYSQL_TYPE_BIT, _) => proptest::collection::vec(any::<u8>(), 0..10).prop_map(Value::Bytes).boxed(),
        (ColumnType::MYSQL_TYPE_VAR_STRING, _) => prop_oneof![4 => text, 1 => bytes].boxed(),
        _ => bytes.boxed(),
    };
    prop_oneof![6 => value, 1 => Just(Value::NULL)].boxed()
}

/// What a value is in a column: the text of it, NULL, or Err for a value that has no place there.
fn reference(case: &Case, value: &Value) -> Result<Option<String>, ()> {
    let parse = |text: &str, data_type: &DataType| -> Result<Option<String>, ()> {
        let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let array = cast_with_options(&array, data_type, &strict).map_err(drop)?;
        Ok(Some(arrow::util::display::array_value_to_string(&array, 0).unwrap()))
    };
    match (value, case.reading) {
        (Value::NULL, _) => Ok(None),
        (Value::Int(number), Reading::Boolean) => Ok(Some((*number != 0).to_string())),
        (Value::Int(number), Reading::Integer { .. }) => parse(&number.to_string(), &case.reading.arrow_type()),
        (Value::UInt(number), Reading::Integer { .. }) => parse(&number.to_string(), &case.reading.arrow_type()),
        (Value::Float(number), _) => Ok(Some(number.to_bits().to_string())),
        (Value::Double(number), _) => Ok(Some(number.to_bits().to_string())),
        (Value::Bytes(bytes), Reading::Decimal { precision, scale }) => {
            let text = std::str::from_utf8(bytes).map_err(drop)?;
            plain_digits(text, precision.into(), scale.into()).map(Some)
        }
        (Value::Bytes(bytes), Reading::Text) => String::from_utf8(bytes.clone()).map(Some).map_err(drop),
        (Value::Bytes(bytes), Reading::Bytes) => Ok(Some(format!("{bytes:?}"))),
        (Value::Bytes(bytes), Reading::Bits) if bytes.len() > 8 => Err(()),
        (Value::Bytes(bytes), Reading::Bits) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
            Ok(Some(u64::from_str_radix(&format!("0{digits}"), 2).unwrap().to_string()))
        }
        (Value::Date(year, month, day, hour, minute, second, micro), reading) => {
            let date = Date::new(*year as i16, *month as i8, *day as i8).map_err(drop)?;
            if reading == Reading::Date {
                return Ok(Some(date.to_string()));
            }
            let nanoseconds = i32::try_from(*micro).ok().and_then(|micro| micro.checked_mul(1000)).ok_or(())?;
            let time = Time::new(*hour as i8, *minute as i8, *second as i8, nanoseconds).map_err(drop)?;
            Ok(Some(DateTime::from_parts(date, time).to_string()))
        }
        other => panic!("no reference for {other:?}"),
    }
}

/// The digits of a decimal as text, moved by its scale: exact, by moving the point and nothing else.
fn plain_digits(text: &str, precision: usize, scale: usize) -> Result<String, ()> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if digits.is_empty() || digits == "." || !is_number(whole) || !is_number(fraction) {
        return Err(());
    }
    let cut = fraction.trim_end_matches('0');
    if cut.len() > scale {
        return Err(());
    }
    let all = format!("{whole}{cut:0<scale$}");
    if all.is_empty() {
        return Err(());
    }
    let all = all.trim_start_matches('0');
    match all {
        "" => Ok("0".to_owned()),
        all if all.len() > precision => Err(()),
        all => Ok(format!("{sign}{all}")),
    }
}

/// What was decoded, in the same words as the reference.
fn decoded(array: &ArrayRef, reading: Reading, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    let civil = |microseconds: i64| {
        let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
        epoch.checked_add(jiff::SignedDuration::from_micros(microseconds)).unwrap().to_string()
    };
    Some(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_bits().to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_bits().to_string(),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value(row).to_string(),
        DataType::Decimal256(..) => array.as_primitive::<arrow::datatypes::Decimal256Type>().value(row).to_string(),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            civil(i64::from(days) * 86_400_000_000).replace("T00:00:00", "")
        }
        DataType::Timestamp(..) => civil(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Binary => format!("{:?}", array.as_binary::<i32>().value(row)),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        other => panic!("{other} of {reading:?}"),
    })
}

/// Rejects, in order.
#[derive(Debug, Default)]
struct Rejected(parking_lot::Mutex<Vec<(u64, String)>>);

impl RejectLog for Rejected {
    fn reject(&self, reject: Reject) -> Result<()> {
        self.0.lock().push((reject.row.unwrap(), reject.column.unwrap()));
        Ok(())
    }
    fn reject_unnamed(&self, _: u64) -> Result<()> {
        Ok(())
    }
    fn set_limit(&self, _: crate::sink::ErrorLimit) {}
    fn count(&self) -> u64 {
        self.0.lock().len() as u64
    }
    fn check(&self, _: u64) -> Result<()> {
        Ok(())
    }
    fn warn(&self, _: &str, _: u64, _: &str) {}
}

#[test]
fn every_value_is_what_the_reference_says_and_every_refused_row_is_told() {
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let rows = proptest::collection::vec(0..CASES.len(), 1..12).prop_flat_map(|columns| {
        let row: Vec<_> = columns.iter().map(|column| value(&CASES[*column])).collect();
        (Just(columns), proptest::collection::vec(row, 0..40))
    });
    let checked = runner.run(&rows, |(columns, rows)| {
        let cases: Vec<&Case> = columns.iter().map(|column| &CASES[*column]).collect();
        let read: Vec<ReadColumn> = cases
            .iter()
            .enumerate()
            .map(|(index, case)| ReadColumn { name: index.to_string(), reading: case.reading, nullable: true })
            .collect();
        let described: Vec<Described> = cases
            .iter()
            .map(|case| {
                let flags = if case.unsigned { ColumnFlags::UNSIGNED_FLAG } else { ColumnFlags::empty() };
                Described::new(case.kind).with_flags(flags)
            })
            .collect();
        let log = Arc::new(Rejected::default());
        let mut batches =
            BatchBuilder::new(&read, "t", ZeroDates::Reject, Some(Arc::clone(&log) as Arc<dyn RejectLog>), 16);
        batches.expect(&described, Protocol::Binary).unwrap();
        let mut found = Vec::new();
        let mut take = |batches: &mut BatchBuilder| {
            let batch = batches.finish().unwrap();
            for row in 0..batch.num_rows() {
                let value = |column: usize| decoded(batch.column(column), cases[column].reading, row);
                found.push((0..cases.len()).map(value).collect::<Vec<_>>());
            }
        };
        for row in &rows {
            batches.push(&binary_row(&described, row)).unwrap();
            if batches.is_full() {
                take(&mut batches);
            }
        }
        take(&mut batches);

        let (mut expected, mut refused) = (Vec::new(), Vec::new());
        for (number, row) in rows.iter().enumerate() {
            let values: Vec<_> = cases.iter().zip(row).map(|(case, value)| reference(case, value)).collect();
            match values.iter().position(Result::is_err) {
                Some(column) => refused.push((number as u64 + 1, column.to_string())),
                None => expected.push(values.into_iter().map(Result::unwrap).collect::<Vec<_>>()),
            }
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(&*log.0.lock(), &refused);
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let input =
        (proptest::collection::vec(0..CASES.len(), 1..6), proptest::collection::vec(any::<u8>(), 0..80), any::<bool>());
    let checked = runner.run(&input, |(columns, mut row, is_binary)| {
        let cases: Vec<&Case> = columns.iter().map(|column| &CASES[*column]).collect();
        let read: Vec<ReadColumn> =
            cases.iter().map(|case| ReadColumn { name: "v".into(), reading: case.reading, nullable: true }).collect();
        let described: Vec<Described> = cases.iter().map(|case| Described::new(case.kind)).collect();
        let mut batches = BatchBuilder::new(&read, "t", ZeroDates::Round, None, 16);
        let protocol = if is_binary { Protocol::Binary } else { Protocol::Text };
        if let Some(first) = row.first_mut().filter(|_| is_binary) {
            *first = 0;
        }
        batches.expect(&described, protocol).unwrap();
        if batches.push(&row).is_ok() {
            drop(batches.finish());
        }
        Ok(())
    });
    checked.unwrap();
}
