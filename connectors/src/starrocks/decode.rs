//! The text protocol into Arrow: one builder per column, fed with the server's text.

use std::str::FromStr;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef, i256};

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::mysql_protocol::column_builder::ColumnBuilder;
use crate::mysql_protocol::wire::cell::{self, Cell};
use crate::mysql_protocol::wire::fields::Fields;

/// Rows of one batch at most where no session says another number; DataFusion's own default.
pub(crate) const DEFAULT_BATCH_ROWS: usize = 8192;
/// Bytes of one batch at most, so that wide rows do not fill memory.
const MAX_BYTES: usize = 4 << 20;

/// Collects rows into batches.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// Rows of one batch at most.
    batch_rows: usize,
    rows: usize,
    bytes: usize,
}

impl BatchBuilder {
    /// An error of code Internal if the schema has a type that the text protocol is not read as.
    pub(crate) fn new(schema: SchemaRef, batch_rows: usize) -> Result<Self> {
        let columns = schema.fields().iter().map(|field| Column::new(field.data_type())).collect::<Result<_>>()?;
        Ok(Self { schema, columns, batch_rows: batch_rows.max(1), rows: 0, bytes: 0 })
    }

    /// Adds a row, as the bytes of its packet. An error names the column and the value.
    pub(crate) fn push(&mut self, row: &[u8]) -> Result<()> {
        let mut fields = Fields(row);
        for index in 0..self.columns.len() {
            let bytes = match cell::text(&mut fields) {
                Some(Some(Cell::Bytes(bytes))) => Some(bytes),
                Some(None) => None,
                _ => return Err(self.malformed()),
            };
            if self.columns[index].push(bytes).is_none() {
                return Err(self.unreadable(index, bytes.unwrap_or_default()));
            }
        }
        if !fields.is_empty() {
            return Err(self.malformed());
        }
        self.rows += 1;
        self.bytes += row.len();
        Ok(())
    }

    /// Bytes of the values since the last batch.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the batch should be handed on before another row is added.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.batch_rows || self.bytes >= MAX_BYTES
    }

    /// The rows so far; None if there are none.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            let (array, not_text) = self.columns[index].builder.finish();
            if let Some((_, value)) = not_text.first() {
                return Err(self.unreadable(index, value));
            }
            columns.push(array);
        }
        (self.rows, self.bytes) = (0, 0);
        for (field, column) in self.schema.fields().iter().zip(&columns) {
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(ConnectorError::new(
                    ErrorCode::Value,
                    format!(
                        "column {} is NOT NULL in the table's description, and the server sent NULL; if the table was changed meanwhile, run again",
                        field.name()
                    ),
                ));
            }
        }
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map(Some)
            .map_err(|error| ConnectorError::internal("cannot build a batch of rows").with_source(error))
    }

    fn malformed(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Connection,
            format!("a row does not have the {} values that the statement names", self.columns.len()),
        )
    }

    fn unreadable(&self, index: usize, value: &[u8]) -> ConnectorError {
        let field = self.schema.field(index);
        let shown: String = String::from_utf8_lossy(value).chars().take(80).collect();
        ConnectorError::new(
            ErrorCode::Value,
            format!("column \"{}\": {shown:?} cannot be read as {}", field.name(), field.data_type()),
        )
    }
}

/// A column and the type that its text is read as.
#[derive(Debug)]
struct Column {
    data_type: DataType,
    builder: ColumnBuilder,
}

impl Column {
    fn new(data_type: &DataType) -> Result<Self> {
        let builder = ColumnBuilder::new(data_type);
        if matches!(builder, ColumnBuilder::Text(_)) && *data_type != DataType::Utf8 {
            return Err(ConnectorError::internal(format!("the text protocol is not read as {data_type}")));
        }
        Ok(Self { data_type: data_type.clone(), builder })
    }

    /// Appends a value; None if the text is no value of the type.
    fn push(&mut self, bytes: Option<&[u8]>) -> Option<()> {
        let Some(bytes) = bytes else {
            self.builder.append_null();
            return Some(());
        };
        let decimal = || match self.data_type {
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                parse_decimal(bytes, precision, scale)
            }
            _ => None,
        };
        match &mut self.builder {
            ColumnBuilder::Int8(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::Int16(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::Int32(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::Int64(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::UInt8(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::UInt16(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::UInt32(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::UInt64(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::Float32(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::Float64(builder) => builder.append_value(parse(bytes)?),
            ColumnBuilder::Boolean(builder) => builder.append_value(match bytes {
                b"1" | b"true" => true,
                b"0" | b"false" => false,
                _ => return None,
            }),
            ColumnBuilder::Decimal128(builder) => builder.append_value(decimal()?.to_i128()?),
            ColumnBuilder::Decimal256(builder) => builder.append_value(decimal()?),
            ColumnBuilder::Date(builder) => builder.append_value(days(parse_date(bytes)?)?),
            ColumnBuilder::DateTime(builder) => builder.append_value(parse_datetime(bytes)?),
            ColumnBuilder::Text(builder) => builder.append(bytes)?,
            ColumnBuilder::Bytes(builder) => builder.append_value(bytes),
        }
        Some(())
    }
}

/// Numbers as the server prints them; `inf` and `nan` are floats.
fn parse<T: FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Decimal text as an unscaled number; None if digits would be lost or there are too many.
fn parse_decimal(bytes: &[u8], precision: u8, scale: i8) -> Option<i256> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::try_from(scale).ok()?;
    // Zeros behind the scale lose nothing.
    let fraction = fraction.trim_end_matches('0');
    if (whole.is_empty() && fraction.is_empty() && !digits.contains('0')) || fraction.len() > scale {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() + scale > usize::from(precision) {
        return None;
    }
    let mut unscaled = String::with_capacity(whole.len() + scale + 1);
    unscaled.push_str(whole);
    unscaled.push_str(fraction);
    unscaled.extend(std::iter::repeat_n('0', scale - fraction.len()));
    if unscaled.is_empty() {
        unscaled.push('0');
    }
    if !unscaled.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = i256::from_string(&unscaled)?;
    Some(if negative { value.wrapping_neg() } else { value })
}

/// `2024-08-07`.
fn parse_date(bytes: &[u8]) -> Option<jiff::civil::Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else { return None };
    let year = i16::try_from(number(&[*y1, *y2, *y3, *y4])?).ok()?;
    let (month, day) = (i8::try_from(number(&[*m1, *m2])?).ok()?, i8::try_from(number(&[*d1, *d2])?).ok()?);
    jiff::civil::Date::new(year, month, day).ok()
}

/// Days since 1970-01-01.
fn days(date: jiff::civil::Date) -> Option<i32> {
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    Some(date.since((jiff::Unit::Day, epoch)).ok()?.get_days())
}

/// `2024-08-07 12:34:56[.ffffff]` as microseconds since 1970-01-01 00:00:00 on the same clock.
fn parse_datetime(bytes: &[u8]) -> Option<i64> {
    let (date, time) = bytes.split_at_checked(10)?;
    let seconds_of_date = i64::from(days(parse_date(date)?)?) * 86_400;
    let Some((b' ' | b'T', time)) = time.split_first() else {
        return time.is_empty().then_some(seconds_of_date * 1_000_000);
    };
    let (clock, fraction) = time.split_at_checked(8)?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = clock else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match fraction.split_first() {
        None => 0,
        Some((b'.', digits)) if (1..=6).contains(&digits.len()) => {
            number(digits)? * 10_i64.pow(6 - u32::try_from(digits.len()).ok()?)
        }
        Some(_) => return None,
    };
    Some((seconds_of_date + hour * 3600 + minute * 60 + second) * 1_000_000 + micros)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_lose_no_digit() {
        let text =
            |text: &str, precision, scale| parse_decimal(text.as_bytes(), precision, scale).map(|v| v.to_string());
        assert_eq!(text("1.50", 10, 2).as_deref(), Some("150"));
        assert_eq!(text("-0.05", 10, 2).as_deref(), Some("-5"));
        assert_eq!(text("1", 10, 2).as_deref(), Some("100"));
        assert_eq!(text("1.5000", 10, 2).as_deref(), Some("150"));
        assert_eq!(text("0", 2, 2).as_deref(), Some("0"));
        assert_eq!(text("0.000", 38, 0).as_deref(), Some("0"));
        assert_eq!(text("1.501", 10, 2), None);
        assert_eq!(text("123456789.00", 10, 2), None);
        for bad in ["", "-", ".", "1e5", "abc", "1.2.3", "--1"] {
            assert_eq!(text(bad, 10, 2), None, "{bad}");
        }
        let largeint = "-170141183460469231731687303715884105728";
        assert_eq!(text(largeint, 39, 0).as_deref(), Some(largeint));
    }

    #[test]
    fn dates_and_times_are_read_from_the_first_year_to_the_last() {
        assert_eq!(parse_date(b"1970-01-01").and_then(days), Some(0));
        assert_eq!(parse_date(b"0000-01-01").and_then(days), Some(-719_528));
        assert_eq!(parse_date(b"9999-12-31").and_then(days), Some(2_932_896));
        assert_eq!(parse_datetime(b"1970-01-01 00:00:01.5"), Some(1_500_000));
        assert_eq!(parse_datetime(b"1969-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(parse_datetime(b"2024-02-29 00:00:00"), Some(1_709_164_800_000_000));
        for bad in ["", "2024-13-01", "2023-02-29", "2024-1-1", "0000-00-00", "2024-01-01x"] {
            assert_eq!(parse_date(bad.as_bytes()), None, "{bad}");
        }
        for bad in ["2024-01-01 24:00:00", "2024-01-01 1:2:3", "2024-01-01 00:00:00.", "2024-01-01 00:00:00+08:00"] {
            assert_eq!(parse_datetime(bad.as_bytes()), None, "{bad}");
        }
    }
}
