//! The encoders beside a slow and plain one, over random batches of all types: the bytes are the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// A value as the reference sees it.
enum Value {
    /// Text that is the same in CSV and JSON.
    Number(String),
    /// What JSON quotes and CSV does not.
    Quoted(String),
    Text(String),
    Bytes(Vec<u8>),
}

fn date(days: i32) -> String {
    jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap().to_string()
}

fn timestamp(micros: i64) -> String {
    let at = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0).checked_add(jiff::Span::new().microseconds(micros)).unwrap();
    let fraction = if at.subsec_nanosecond() == 0 { String::new() } else { at.strftime("%.6f").to_string() };
    at.strftime("%Y-%m-%d %H:%M:%S").to_string() + &fraction
}

/// A decimal's digits as the standard library and arrow print them, with the point put in.
fn decimal(digits: &str, scale: usize) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn value(array: &ArrayRef, row: usize) -> Option<Value> {
    macro_rules! number {
        ($kind:ty) => {
            Value::Number(array.as_primitive::<$kind>().value(row).to_string())
        };
    }
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => Value::Number(array.as_boolean().value(row).to_string()),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => {
            let float = array.as_primitive::<Float32Type>().value(row);
            let text = zmij::Buffer::new().format(float).to_owned();
            assert!(text.parse::<f32>().unwrap().to_bits() == float.to_bits() || float.is_nan(), "{text}");
            if float.is_finite() { Value::Number(text) } else { Value::Quoted(text) }
        }
        DataType::Float64 => {
            let float = array.as_primitive::<Float64Type>().value(row);
            let text = zmij::Buffer::new().format(float).to_owned();
            assert!(text.parse::<f64>().unwrap().to_bits() == float.to_bits() || float.is_nan(), "{text}");
            if float.is_finite() { Value::Number(text) } else { Value::Quoted(text) }
        }
        DataType::Decimal128(precision, scale) => {
            let text = decimal(&array.as_primitive::<Decimal128Type>().value(row).to_string(), *scale as usize);
            if *precision <= 15 { Value::Number(text) } else { Value::Quoted(text) }
        }
        DataType::Decimal256(_, scale) => {
            Value::Quoted(decimal(&array.as_primitive::<Decimal256Type>().value(row).to_string(), *scale as usize))
        }
        DataType::Date32 => Value::Quoted(date(array.as_primitive::<Date32Type>().value(row))),
        DataType::Timestamp(..) => {
            Value::Quoted(timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row)))
        }
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Binary => Value::Bytes(array.as_binary::<i32>().value(row).to_vec()),
        other => unreachable!("{other}"),
    })
}

fn in_csv(value: Option<Value>, format: &CsvFormat, is_enclosed: bool) -> Vec<u8> {
    match value {
        None => b"\\N".to_vec(),
        Some(Value::Number(text) | Value::Quoted(text)) => text.into_bytes(),
        Some(Value::Bytes(bytes)) if bytes.is_empty() && is_enclosed => b"\"\"".to_vec(),
        Some(Value::Bytes(bytes)) => STANDARD.encode(bytes).into_bytes(),
        Some(Value::Text(text)) => {
            let marks = [b'"', format.column_separator()[0], format.row_delimiter()[0]];
            let is_quoted = text.is_empty() || text.starts_with(' ') || text.bytes().any(|byte| marks.contains(&byte));
            match is_enclosed && is_quoted {
                true => format!("\"{}\"", text.replace('"', "\"\"")).into_bytes(),
                false => text.into_bytes(),
            }
        }
    }
}

fn json_string(text: &str) -> String {
    let escaped = text.chars().map(|char| match char {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\0'..' ' => format!("\\u{:04x}", char as u32),
        char => char.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

fn in_json(value: Option<Value>) -> String {
    match value {
        None => "null".to_owned(),
        Some(Value::Number(text)) => text,
        Some(Value::Quoted(text)) => format!("\"{text}\""),
        Some(Value::Text(text)) => json_string(&text),
        Some(Value::Bytes(bytes)) => json_string(std::str::from_utf8(&bytes).unwrap()),
    }
}

/// Whole numbers of all lengths, the ends of their range among them.
fn integer(random: &mut StdRng, least: i128, greatest: i128) -> i128 {
    match random.random_range(0..8) {
        0 => least,
        1 => greatest,
        2 => 0,
        _ => {
            let bits = random.random_range(0..128_u32);
            (random.random::<i128>() >> bits).clamp(least, greatest)
        }
    }
}

fn text(random: &mut StdRng) -> String {
    const SIGNS: [&str; 16] =
        ["a", "b", "0", "\\", "N", "\"", " ", ",", "\u{1}", "\u{2}", "\n", "^", "<br>", "é", "😀", "\u{b}"];
    let longest = [3, 20, 40, 300][random.random_range(0..4)];
    // texts without marks too: those take the fast ways
    let signs = if random.random() { &SIGNS[..3] } else { &SIGNS[..] };
    (0..random.random_range(0..=longest)).map(|_| signs[random.random_range(0..signs.len())]).collect()
}

/// A column of this type, some of it NULL if `has_nulls`.
fn column(data_type: &DataType, rows: usize, has_nulls: bool, random: &mut StdRng) -> ArrayRef {
    let is_null = |random: &mut StdRng| has_nulls && random.random_range(0..4) == 0;
    macro_rules! integers {
        ($array:ty, $native:ty) => {{
            let one = |random: &mut StdRng| integer(random, <$native>::MIN.into(), <$native>::MAX.into()) as $native;
            let values = (0..rows).map(|_| (!is_null(random)).then(|| one(random)));
            Arc::new(values.collect::<$array>())
        }};
    }
    match data_type {
        DataType::Null => Arc::new(NullArray::new(rows)),
        DataType::Boolean => {
            Arc::new((0..rows).map(|_| (!is_null(random)).then(|| random.random())).collect::<BooleanArray>())
        }
        DataType::Int8 => integers!(Int8Array, i8),
        DataType::Int16 => integers!(Int16Array, i16),
        DataType::Int32 => integers!(Int32Array, i32),
        DataType::Int64 => integers!(Int64Array, i64),
        DataType::UInt8 => integers!(UInt8Array, u8),
        DataType::UInt16 => integers!(UInt16Array, u16),
        DataType::UInt32 => integers!(UInt32Array, u32),
        DataType::UInt64 => integers!(UInt64Array, u64),
        DataType::Float32 => {
            let values = (0..rows).map(|_| (!is_null(random)).then(|| f32::from_bits(random.random())));
            Arc::new(values.collect::<Float32Array>())
        }
        DataType::Float64 => {
            let values = (0..rows).map(|_| (!is_null(random)).then(|| f64::from_bits(random.random())));
            Arc::new(values.collect::<Float64Array>())
        }
        DataType::Decimal128(precision, scale) => {
            let greatest = 10_i128.pow((*precision).into()) - 1;
            let values = (0..rows).map(|_| (!is_null(random)).then(|| integer(random, -greatest, greatest)));
            Arc::new(values.collect::<Decimal128Array>().with_precision_and_scale(*precision, *scale).unwrap())
        }
        DataType::Decimal256(precision, scale) => {
            let one = |random: &mut StdRng| {
                let digits = (0..random.random_range(1..=*precision)).map(|_| random.random_range('0'..='9'));
                let digits = digits.collect::<String>();
                let sign = if random.random() { "-" } else { "" };
                i256::from_string(&format!("{sign}{digits}")).unwrap()
            };
            let values = (0..rows).map(|_| (!is_null(random)).then(|| one(random)));
            Arc::new(values.collect::<Decimal256Array>().with_precision_and_scale(*precision, *scale).unwrap())
        }
        DataType::Date32 => {
            let one = |random: &mut StdRng| integer(random, -719_528, 2_932_896) as i32;
            Arc::new((0..rows).map(|_| (!is_null(random)).then(|| one(random))).collect::<Date32Array>())
        }
        DataType::Timestamp(..) => {
            let one = |random: &mut StdRng| {
                let micros = integer(random, -719_528 * 86_400_000_000, 2_932_897 * 86_400_000_000 - 1) as i64;
                if random.random() { micros - micros.rem_euclid(1_000_000) } else { micros }
            };
            Arc::new((0..rows).map(|_| (!is_null(random)).then(|| one(random))).collect::<TimestampMicrosecondArray>())
        }
        DataType::Utf8 => {
            Arc::new((0..rows).map(|_| (!is_null(random)).then(|| text(random))).collect::<StringArray>())
        }
        DataType::Binary => {
            let values = (0..rows).map(|_| (!is_null(random)).then(|| text(random).into_bytes()));
            Arc::new(values.collect::<BinaryArray>())
        }
        other => unreachable!("{other}"),
    }
}

fn data_type() -> impl Strategy<Value = DataType> {
    use DataType::*;
    let simple = [
        Null,
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float32,
        Float64,
        Date32,
        Utf8,
        Utf8,
        Utf8,
        Binary,
        Timestamp(TimeUnit::Microsecond, None),
    ];
    let narrow = (1_u8..=38).prop_flat_map(|precision| (Just(precision), 0..=precision as i8));
    let wide = (39_u8..=76).prop_flat_map(|precision| (Just(precision), 0..=precision as i8));
    prop_oneof![
        6 => prop::sample::select(simple.to_vec()),
        2 => narrow.prop_map(|(precision, scale)| Decimal128(precision, scale)),
        1 => wide.prop_map(|(precision, scale)| Decimal256(precision, scale)),
    ]
}

/// A part of a larger batch, so that its arrays have offsets.
fn batch() -> impl Strategy<Value = RecordBatch> {
    let columns = prop::collection::vec((data_type(), any::<bool>()), 1..7);
    (columns, 0..500_usize, 0..20_usize, 0..20_usize, any::<u64>()).prop_map(|(columns, rows, before, behind, seed)| {
        let mut random = StdRng::seed_from_u64(seed);
        let rows = if rows % 3 == 0 { rows } else { rows % 8 };
        let arrays = columns.iter().enumerate().map(|(index, (data_type, has_nulls))| {
            let array = column(data_type, before + rows + behind, *has_nulls, &mut random);
            (format!("c{index} \"{data_type}\""), array, true)
        });
        RecordBatch::try_from_iter_with_nullable(arrays.collect::<Vec<_>>()).unwrap().slice(before, rows)
    })
}

#[test]
fn csv_has_the_bytes_of_a_plain_encoder() {
    let formats = [("\\x01", "\\x02"), (",", "\\n"), ("^^", "<br>"), ("|^|", "\\n"), ("\\t", "0x0D0A")];
    let input = (batch(), prop::sample::select(formats.to_vec()), any::<bool>());
    runner(600)
        .run(&input, |(batch, (separator, delimiter), is_enclosed)| {
            let format = CsvFormat::parse(Some(separator), Some(delimiter)).unwrap();
            let encoder = CsvEncoder::new(format.clone());
            let encoder = if is_enclosed { encoder.enclosed() } else { encoder };
            let mut expected = b"before".to_vec();
            for row in 0..batch.num_rows() {
                for (index, array) in batch.columns().iter().enumerate() {
                    expected.extend_from_slice(if index == 0 { b"" } else { format.column_separator() });
                    expected.extend(in_csv(value(array, row), &format, is_enclosed));
                }
                expected.extend_from_slice(format.row_delimiter());
            }
            let mut out = b"before".to_vec();
            encoder.encode(&batch, &mut out).unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected));
            Ok(())
        })
        .unwrap();
}

#[test]
fn json_has_the_bytes_of_a_plain_encoder() {
    runner(400)
        .run(&(batch(), any::<bool>()), |(batch, is_first)| {
            let encoder = JsonEncoder::new(&columns_of(&batch));
            let rows = (0..batch.num_rows()).map(|row| {
                let values = batch
                    .columns()
                    .iter()
                    .zip(batch.schema_ref().fields())
                    .map(|(array, field)| format!("{}:{}", json_string(field.name()), in_json(value(array, row))));
                format!("{{{}}}", values.collect::<Vec<_>>().join(","))
            });
            let rows = rows.collect::<Vec<_>>().join(",");
            let comma = if is_first || rows.is_empty() { "" } else { "," };
            let mut out = Vec::new();
            encoder.encode(&batch, is_first, &mut out).unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&out), format!("{comma}{rows}"));
            Ok(())
        })
        .unwrap();
}

/// The plain way to say which rows CSV carries: value by value.
#[test]
fn the_rows_that_csv_cannot_carry_are_those_that_a_look_at_each_value_finds() {
    let formats = [("\\x01", "\\x02"), (",", "\\n"), ("^^", "<br>"), ("=", "\\n")];
    let input = (batch(), prop::sample::select(formats.to_vec()), any::<bool>());
    runner(400)
        .run(&input, |(batch, (separator, delimiter), is_enclosed)| {
            let format = CsvFormat::parse(Some(separator), Some(delimiter)).unwrap();
            let encoder = CsvEncoder::new(format.clone());
            let encoder = if is_enclosed { encoder.enclosed() } else { encoder };
            let marks = [format.column_separator()[0], format.row_delimiter()[0]];
            let is_alone = batch.num_columns() == 1;
            let is_uncarried = |value: Option<Value>| match value {
                Some(Value::Text(text)) if is_enclosed => text == "\\N" || text.contains('\0'),
                Some(Value::Text(text)) => {
                    text == "\\N" || (is_alone && text.is_empty()) || text.bytes().any(|byte| marks.contains(&byte))
                }
                Some(Value::Bytes(_)) if is_enclosed => false,
                Some(Value::Bytes(bytes)) => {
                    (is_alone && bytes.is_empty())
                        || (!bytes.is_empty() && marks.iter().any(|mark| b"+/=".contains(mark)))
                }
                _ => false,
            };
            let expected = (0..batch.num_rows())
                .filter(|row| batch.columns().iter().any(|array| is_uncarried(value(array, *row))))
                .collect::<Vec<_>>();
            let carry = encoder.carries(&batch);
            let found = carry.uncarried().iter().map(|found| found.row).collect::<Vec<_>>();
            prop_assert_eq!(found, expected);
            Ok(())
        })
        .unwrap();
}
