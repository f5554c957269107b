//! Values of a server into Arrow columns, from the binary and the text protocol alike.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::filter;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, i256};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use mysql_async::Value;
use serde::{Deserialize, Serialize};

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{Reject, RejectLog};

use super::column_builder::ColumnBuilder;
use super::value::{DateTimeParts, ZeroDates, time_text};

/// How the values of a column are read; decides the Arrow type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// A whole number of so many bits (8, 16, 32, 64).
    Integer {
        /// Bits of the Arrow type.
        bits: u8,
        /// Whether negative numbers are values.
        signed: bool,
    },
    /// A whole number, 0 for false.
    Boolean,
    /// A 32-bit float.
    Float32,
    /// A 64-bit float.
    Float64,
    /// A decimal.
    Decimal {
        /// Digits in all, 1 to 76.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// Bits as a number, most significant byte first.
    Bits,
    /// A day.
    Date,
    /// A day and a time of day on the session's clock.
    DateTime,
    /// A time, as the text that the server's client prints.
    Time {
        /// Digits of a second, 0 to 6.
        fraction_digits: u8,
    },
    /// Text in UTF-8.
    Text,
    /// Bytes.
    Bytes,
}

impl Reading {
    /// The Arrow type of the column.
    pub fn arrow_type(self) -> DataType {
        match self {
            Self::Integer { bits: 8, signed: true } => DataType::Int8,
            Self::Integer { bits: 16, signed: true } => DataType::Int16,
            Self::Integer { bits: 32, signed: true } => DataType::Int32,
            Self::Integer { signed: true, .. } => DataType::Int64,
            Self::Integer { bits: 8, signed: false } => DataType::UInt8,
            Self::Integer { bits: 16, signed: false } => DataType::UInt16,
            Self::Integer { bits: 32, signed: false } => DataType::UInt32,
            Self::Integer { signed: false, .. } | Self::Bits => DataType::UInt64,
            Self::Boolean => DataType::Boolean,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } if precision <= 38 => DataType::Decimal128(precision, scale as i8),
            Self::Decimal { precision, scale } => DataType::Decimal256(precision, scale as i8),
            Self::Date => DataType::Date32,
            Self::DateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Time { .. } | Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
        }
    }
}

/// A column that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadColumn {
    /// The name as the server spells it.
    pub name: String,
    /// How its values are read.
    pub reading: Reading,
    /// Whether NULL may come.
    pub nullable: bool,
}

impl ReadColumn {
    /// The column as a field of a schema.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.reading.arrow_type(), self.nullable)
    }
}

/// The schema of some columns. Names may repeat.
pub fn schema_of(columns: &[ReadColumn]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(ReadColumn::field).collect::<Vec<_>>()))
}

/// A batch is given on when it holds so many bytes of values, 8 MiB: a few of them per partition fit any memory limit.
const BATCH_BYTES: usize = 8 << 20;

/// Gathers rows into batches, bounded by rows and bytes.
pub struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// What is read, for messages: `catalog shop: table d.t`.
    origin: String,
    zero_dates: ZeroDates,
    rejects: Option<Arc<dyn RejectLog>>,
    batch_rows: usize,
    rows: usize,
    bytes: usize,
    /// Rows of this batch that are left out.
    refused: Vec<usize>,
    /// Rows read before this batch.
    rows_before: u64,
}

struct Column {
    name: String,
    reading: Reading,
    builder: ColumnBuilder,
}

/// Why a value has no place in its column.
struct Refused {
    value: String,
    reason: String,
}

impl BatchBuilder {
    /// A builder without rows. Without `rejects` a value that cannot be read is an error; with them its row is left out and told.
    pub fn new(
        columns: &[ReadColumn],
        origin: impl Into<String>,
        zero_dates: ZeroDates,
        rejects: Option<Arc<dyn RejectLog>>,
        batch_rows: usize,
    ) -> Self {
        let schema = schema_of(columns);
        let columns = columns
            .iter()
            .map(|column| Column {
                name: column.name.clone(),
                reading: column.reading,
                builder: ColumnBuilder::new(&column.reading.arrow_type()),
            })
            .collect();
        Self {
            schema,
            columns,
            origin: origin.into(),
            zero_dates,
            rejects,
            batch_rows: batch_rows.max(1),
            rows: 0,
            bytes: 0,
            refused: Vec::new(),
            rows_before: 0,
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Bytes of values gathered since the last batch.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the batch must be taken.
    pub fn is_full(&self) -> bool {
        self.rows >= self.batch_rows || self.bytes >= BATCH_BYTES
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Takes a row.
    ///
    /// # Errors
    /// [`ErrorCode::Value`] naming column, value and row when a value cannot be read and nobody takes rejects;
    /// [`ErrorCode::Rejects`] when they are too many.
    pub fn push(&mut self, row: Vec<Value>) -> Result<()> {
        if row.len() != self.columns.len() {
            return Err(ConnectorError::internal(format!(
                "{}: a row has {} values for {} columns",
                self.origin,
                row.len(),
                self.columns.len()
            )));
        }
        let mut refused = None;
        for (column, value) in self.columns.iter_mut().zip(row) {
            self.bytes += match &value {
                Value::Bytes(bytes) => bytes.len(),
                _ => 8,
            };
            if let Err(error) = append(&mut column.builder, column.reading, value, self.zero_dates) {
                column.builder.append_null();
                refused.get_or_insert((column.name.clone(), error));
            }
        }
        if let Some((column, Refused { value, reason })) = refused {
            let row = self.rows_before + self.rows as u64 + 1;
            match &self.rejects {
                None => {
                    return Err(ConnectorError::new(
                        ErrorCode::Value,
                        format!("{}, column {column}, row {row}: {reason}: {value}", self.origin),
                    ));
                }
                Some(rejects) => {
                    rejects.reject(Reject {
                        column: Some(column),
                        value: Some(value),
                        reason,
                        row: Some(row),
                        ..Reject::default()
                    })?;
                    self.refused.push(self.rows);
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows gathered so far as a batch, without those that were refused.
    ///
    /// # Errors
    /// Internal when Arrow refuses the columns.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = self.columns.iter_mut().map(|column| column.builder.finish()).collect();
        let mut rows = self.rows;
        let broken = |error| ConnectorError::internal("cannot build a batch").with_source(error);
        if !self.refused.is_empty() {
            let mut keep = vec![true; self.rows];
            for row in &self.refused {
                keep[*row] = false;
            }
            rows -= self.refused.len();
            let keep = BooleanArray::from(keep);
            for array in &mut arrays {
                *array = filter(array, &keep).map_err(broken)?;
            }
        }
        self.rows_before += self.rows as u64;
        self.rows = 0;
        self.bytes = 0;
        self.refused.clear();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(|error| {
            let text = format!("{}: {error}", self.origin);
            ConnectorError::internal(text).with_source(error)
        })
    }
}

/// Appends a value of the server.
fn append(builder: &mut ColumnBuilder, reading: Reading, value: Value, zero_dates: ZeroDates) -> Result<(), Refused> {
    if value == Value::NULL {
        builder.append_null();
        return Ok(());
    }
    let out_of_range =
        |value: &Value| Refused { value: shown(value), reason: "the number is out of the column's range".into() };
    macro_rules! whole {
        ($builder:expr) => {{
            let number = whole(&value)?;
            $builder.append_value(number.try_into().map_err(|_| out_of_range(&value))?)
        }};
    }
    match builder {
        ColumnBuilder::Boolean(builder) => builder.append_value(whole(&value)? != 0),
        ColumnBuilder::Int8(builder) => whole!(builder),
        ColumnBuilder::Int16(builder) => whole!(builder),
        ColumnBuilder::Int32(builder) => whole!(builder),
        ColumnBuilder::Int64(builder) => whole!(builder),
        ColumnBuilder::UInt8(builder) => whole!(builder),
        ColumnBuilder::UInt16(builder) => whole!(builder),
        ColumnBuilder::UInt32(builder) => whole!(builder),
        ColumnBuilder::UInt64(builder) if reading == Reading::Bits => builder.append_value(bits(&value)?),
        ColumnBuilder::UInt64(builder) => whole!(builder),
        ColumnBuilder::Float32(builder) => builder.append_value(match &value {
            Value::Float(number) => *number,
            other => parsed::<f32>(other)?,
        }),
        ColumnBuilder::Float64(builder) => builder.append_value(match &value {
            Value::Double(number) => *number,
            Value::Float(number) => f64::from(*number),
            other => parsed::<f64>(other)?,
        }),
        ColumnBuilder::Decimal128(builder) => builder.append_value(decimal128(&value, reading)?),
        ColumnBuilder::Decimal256(builder) => builder.append_value(decimal256(&value, reading)?),
        ColumnBuilder::Date(builder) => match parts(&value)? {
            parts if parts.days().is_some() => builder.append_option(parts.days()),
            parts => builder.append_option(zero_date(parts, false, zero_dates, |parts| parts.days())?),
        },
        ColumnBuilder::DateTime(builder) => match parts(&value)? {
            parts if parts.microseconds().is_some() => builder.append_option(parts.microseconds()),
            parts => builder.append_option(zero_date(parts, true, zero_dates, |parts| parts.microseconds())?),
        },
        ColumnBuilder::Text(builder) => match (value, reading) {
            (Value::Bytes(bytes), _) => match std::str::from_utf8(&bytes) {
                Ok(text) => builder.append_value(text),
                Err(_) => {
                    return Err(Refused { value: shown(&Value::Bytes(bytes)), reason: "the text is not UTF-8".into() });
                }
            },
            (Value::Time(negative, days, hours, minutes, seconds, fraction), Reading::Time { fraction_digits }) => {
                let hours = days * 24 + u32::from(hours);
                builder.append_value(time_text(negative, hours, minutes, seconds, fraction, fraction_digits));
            }
            (Value::Int(number), _) => builder.append_value(number.to_string()),
            (Value::UInt(number), _) => builder.append_value(number.to_string()),
            (other, _) => return Err(unexpected(&other)),
        },
        ColumnBuilder::Bytes(builder) => match value {
            Value::Bytes(bytes) => builder.append_value(bytes),
            other => return Err(unexpected(&other)),
        },
    }
    Ok(())
}

/// A whole number, of the binary protocol or as text.
fn whole(value: &Value) -> Result<i128, Refused> {
    match value {
        Value::Int(number) => Ok(i128::from(*number)),
        Value::UInt(number) => Ok(i128::from(*number)),
        other => parsed(other),
    }
}

fn parsed<T: std::str::FromStr>(value: &Value) -> Result<T, Refused> {
    match value {
        Value::Bytes(bytes) => {
            std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok()).ok_or_else(|| unexpected(value))
        }
        other => Err(unexpected(other)),
    }
}

/// BIT comes as bytes, the most significant first, in both protocols.
fn bits(value: &Value) -> Result<u64, Refused> {
    match value {
        Value::Bytes(bytes) if bytes.len() <= 8 => {
            Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        Value::Int(number) => u64::try_from(*number).map_err(|_| unexpected(value)),
        Value::UInt(number) => Ok(*number),
        other => Err(unexpected(other)),
    }
}

fn parts(value: &Value) -> Result<DateTimeParts, Refused> {
    match value {
        Value::Date(year, month, day, hour, minute, second, microsecond) => Ok(DateTimeParts {
            year: *year,
            month: *month,
            day: *day,
            hour: *hour,
            minute: *minute,
            second: *second,
            microsecond: *microsecond,
        }),
        Value::Bytes(text) => DateTimeParts::parse(text).ok_or_else(|| unexpected(value)),
        other => Err(unexpected(other)),
    }
}

fn zero_date<T>(
    parts: DateTimeParts,
    with_time: bool,
    zero_dates: ZeroDates,
    value: impl Fn(DateTimeParts) -> Option<T>,
) -> Result<Option<T>, Refused> {
    let refused = || {
        Refused {
        value: parts.text(with_time),
        reason: "no calendar has this date (zeroDateTimeBehavior=convertToNull in the URL reads it as NULL, round as the nearest date)".into(),
    }
    };
    match zero_dates {
        ZeroDates::Reject => Err(refused()),
        ZeroDates::Null => Ok(None),
        ZeroDates::Round => value(parts.rounded()).map(Some).ok_or_else(refused),
    }
}

/// The digits of a decimal without its point, with zeros up to the scale.
fn unscaled(value: &Value, reading: Reading) -> Result<(bool, String), Refused> {
    let number_text;
    let text = match value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| unexpected(value))?,
        Value::Int(number) => {
            number_text = number.to_string();
            &number_text
        }
        Value::UInt(number) => {
            number_text = number.to_string();
            &number_text
        }
        other => return Err(unexpected(other)),
    };
    let Reading::Decimal { scale, .. } = reading else { return Err(unexpected(value)) };
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(unexpected(value));
    }
    let scale = usize::from(scale);
    let beyond = fraction.get(scale..).unwrap_or("");
    if !beyond.bytes().all(|digit| digit == b'0') {
        return Err(Refused { value: shown(value), reason: "the decimal has more digits than the column".into() });
    }
    let fraction = &fraction[..fraction.len().min(scale)];
    let digits = format!("{whole}{fraction}{:0<width$}", "", width = scale - fraction.len());
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(unexpected(value));
    }
    Ok((negative, digits))
}

fn decimal128(value: &Value, reading: Reading) -> Result<i128, Refused> {
    let Reading::Decimal { precision, scale } = reading else { return Err(unexpected(value)) };
    if let Value::Bytes(text) = value
        && let Some(number) = plain_decimal(text, precision, scale)
    {
        return Ok(number);
    }
    let (negative, digits) = unscaled(value, reading)?;
    let significant = digits.trim_start_matches('0');
    if significant.len() > usize::from(precision) {
        return Err(Refused { value: shown(value), reason: "the decimal has more digits than the column".into() });
    }
    let number = if significant.is_empty() { 0 } else { significant.parse::<i128>().map_err(|_| unexpected(value))? };
    Ok(if negative { -number } else { number })
}

/// The usual case without an allocation: a sign, at most 38 digits, and exactly `scale` of them behind the point.
fn plain_decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    let point = if scale == 0 { digits.len() } else { digits.len().checked_sub(usize::from(scale) + 1)? };
    if point == 0 || digits.len() > usize::from(precision) + 1 || (scale > 0 && digits[point] != b'.') {
        return None;
    }
    let mut number: i128 = 0;
    let mut significant = 0;
    for (index, digit) in digits.iter().enumerate() {
        if index == point {
            continue;
        }
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        significant += u8::from(number != 0);
    }
    (significant <= precision).then_some(if negative { -number } else { number })
}

fn decimal256(value: &Value, reading: Reading) -> Result<i256, Refused> {
    let (negative, digits) = unscaled(value, reading)?;
    let significant = digits.trim_start_matches('0');
    let Reading::Decimal { precision, .. } = reading else { return Err(unexpected(value)) };
    if significant.len() > usize::from(precision) {
        return Err(Refused { value: shown(value), reason: "the decimal has more digits than the column".into() });
    }
    let number = if significant.is_empty() {
        i256::ZERO
    } else {
        i256::from_string(significant).ok_or_else(|| unexpected(value))?
    };
    Ok(if negative { number.wrapping_neg() } else { number })
}

fn unexpected(value: &Value) -> Refused {
    Refused { value: shown(value), reason: "the server sent a value that is none of the column's type".into() }
}

/// A value for a message: short, on one line.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Date(year, month, day, hour, minute, second, fraction) => {
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{fraction:06}")
        }
        other => other.as_sql(true),
    };
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect();
    if text.chars().nth(100).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, Refused> {
        decimal128(&Value::Bytes(text.as_bytes().to_vec()), Reading::Decimal { precision, scale })
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
            ("", 3, 0, None),
            ("-", 3, 0, None),
            (".", 3, 1, None),
            ("1e5", 10, 0, None),
            ("1.2.3", 10, 1, None),
            ("+1", 3, 0, None),
        ] {
            assert_eq!(decimal(text, precision, scale).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_value_out_of_range_or_of_another_form_is_refused_with_its_text() {
        let column =
            ReadColumn { name: "v".into(), reading: Reading::Integer { bits: 8, signed: true }, nullable: true };
        for value in [Value::Int(128), Value::UInt(u64::MAX), Value::Bytes(b"x".to_vec()), Value::Double(1.0)] {
            let mut batches = BatchBuilder::new(std::slice::from_ref(&column), "table t", ZeroDates::Reject, None, 10);
            batches.push(vec![Value::Int(1)]).unwrap();
            let error = batches.push(vec![value]).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Value);
            assert!(error.message().starts_with("table t, column v, row 2: "), "{error}");
        }
    }

    #[test]
    fn text_that_is_no_utf8_is_refused() {
        let column = ReadColumn { name: "v".into(), reading: Reading::Text, nullable: true };
        let mut batches = BatchBuilder::new(&[column], "t", ZeroDates::Reject, None, 10);
        let error = batches.push(vec![Value::Bytes(vec![b'a', 0xff])]).unwrap_err();
        assert!(error.message().contains("not UTF-8"), "{error}");
    }

    #[test]
    fn bits_are_read_from_the_most_significant_byte() {
        assert_eq!(bits(&Value::Bytes(vec![1, 0])).ok(), Some(256));
        assert_eq!(bits(&Value::Bytes(vec![0xff; 8])).ok(), Some(u64::MAX));
        assert!(bits(&Value::Bytes(vec![0; 9])).is_err());
    }
}
