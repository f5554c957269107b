//! Values of a server into Arrow columns, from the binary and the text protocol alike.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, i256};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use mysql_common::packets::Column as Described;
use serde::{Deserialize, Serialize};

use crate::error::{ConnectorError, ErrorCode, Result};
use crate::sink::{Reject, RejectLog};

use super::column_builder::ColumnBuilder;
use super::described::{is_read_as, read_column};
use super::value::{DateTimeParts, ZeroDates, write_time};
use super::wire::Protocol;
use super::wire::cell::{self, Cell, Form};
use super::wire::fields::Fields;

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
    /// Values of this batch that cannot be read; at most one of each row but for text, which is looked at in the end.
    refusals: Vec<Refusal>,
    /// Rows read before this batch.
    rows_before: u64,
    protocol: Protocol,
}

struct Column {
    name: String,
    reading: Reading,
    builder: ColumnBuilder,
    /// How the server writes the values, in the binary protocol.
    form: Form,
    /// Whether that is the way that the builder's type is usually written, so that nothing has to be looked at.
    is_plain: bool,
}

/// A value of a batch that has no place in its column.
struct Refusal {
    row: usize,
    column: usize,
    refused: Refused,
}

/// Why a value has no place in its column.
#[derive(Debug)]
struct Refused {
    value: String,
    reason: String,
}

/// Why a value was not appended.
#[derive(Debug)]
enum Trouble {
    /// The row ends within it, or it has a form that no server sends.
    Malformed,
    /// It is none of the column's.
    Refused(Box<Refused>),
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
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
                form: Form::Unknown,
                is_plain: false,
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
            refusals: Vec::new(),
            rows_before: 0,
            protocol: Protocol::Text,
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Bytes of rows gathered since the last batch.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the batch must be taken.
    #[inline]
    pub fn is_full(&self) -> bool {
        let has_error = self.rejects.is_none() && !self.refusals.is_empty();
        self.rows >= self.batch_rows || self.bytes >= BATCH_BYTES || has_error
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Says what the next rows are like: the server's description of their columns, once per answer.
    ///
    /// # Errors
    /// Internal if there is another number of columns; Remote, retryable, if one is of another type than it was when the table was looked
    /// up, so that its values would lose something.
    pub fn expect(&mut self, described: &[Described], protocol: Protocol) -> Result<()> {
        if described.len() != self.columns.len() {
            return Err(ConnectorError::internal(format!(
                "{}: a row has {} values for {} columns",
                self.origin,
                described.len(),
                self.columns.len()
            )));
        }
        if let Some((column, described)) =
            self.columns.iter().zip(described).find(|(column, described)| !is_read_as(described, column.reading))
        {
            return Err(ConnectorError::retryable(
                ErrorCode::Remote,
                format!(
                    "{}, column {}: the table was changed meanwhile: the column was looked up as {:?}, and the server now sends {:?}; run the statement again",
                    self.origin,
                    column.name,
                    column.reading,
                    read_column(described, false).reading
                ),
            ));
        }
        self.protocol = protocol;
        for (column, described) in self.columns.iter_mut().zip(described) {
            column.form = Form::of(described);
            column.is_plain = protocol == Protocol::Binary && is_plain(&column.builder, column.reading, column.form);
        }
        Ok(())
    }

    /// Takes a row, as the bytes of its packet. A value that cannot be read makes the batch full where nobody takes rejects.
    ///
    /// # Errors
    /// Connection for a row that does not follow the protocol.
    #[inline]
    pub fn push(&mut self, row: &[u8]) -> Result<()> {
        let read = match self.protocol {
            Protocol::Binary => self.push_binary(row),
            Protocol::Text => self.push_text(row),
        };
        self.rows += 1;
        self.bytes += row.len();
        read.ok_or_else(|| self.malformed())
    }

    #[inline]
    fn push_binary(&mut self, row: &[u8]) -> Option<()> {
        let (nulls, mut fields) = cell::split_row(row, self.columns.len())?;
        for (index, column) in self.columns.iter_mut().enumerate() {
            if cell::is_null(nulls, index) {
                column.builder.append_null();
            } else if let Err(trouble) = append_binary(column, &mut fields, self.zero_dates) {
                let Trouble::Refused(refused) = trouble else { return None };
                column.builder.append_null();
                self.refusals.push(Refusal { row: self.rows, column: index, refused: *refused });
            }
        }
        fields.is_empty().then_some(())
    }

    fn push_text(&mut self, row: &[u8]) -> Option<()> {
        let mut fields = Fields(row);
        for (index, column) in self.columns.iter_mut().enumerate() {
            let appended = match cell::text(&mut fields)? {
                None => {
                    column.builder.append_null();
                    Ok(())
                }
                Some(cell) => append(&mut column.builder, column.reading, cell, self.zero_dates),
            };
            if let Err(refused) = appended {
                column.builder.append_null();
                self.refusals.push(Refusal { row: self.rows, column: index, refused });
            }
        }
        fields.is_empty().then_some(())
    }

    #[cold]
    fn malformed(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorCode::Connection,
            format!(
                "{}, row {}: the row does not follow MySQL's protocol",
                self.origin,
                self.rows_before + self.rows as u64
            ),
        )
    }

    /// The rows gathered so far as a batch, without those that were refused.
    ///
    /// # Errors
    /// [`ErrorCode::Value`] naming column, value and row of the first value that cannot be read when nobody takes rejects;
    /// [`ErrorCode::Rejects`] when they are too many; Internal when Arrow refuses the columns.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter_mut().enumerate() {
            let (array, not_text) = column.builder.finish();
            arrays.push(array);
            for (row, value) in not_text {
                let refused = Refused { value: shown(Cell::Bytes(&value)), reason: "the text is not UTF-8".into() };
                self.refusals.push(Refusal { row, column: index, refused });
            }
        }
        let mut rows = self.rows;
        let refused = self.report_refusals()?;
        if !refused.is_empty() {
            let mut keep = vec![true; rows];
            for row in &refused {
                keep[*row] = false;
            }
            rows -= refused.len();
            let keep = BooleanArray::from(keep);
            for array in &mut arrays {
                *array = filter(array, &keep)
                    .map_err(|error| ConnectorError::internal("cannot build a batch").with_source(error))?;
            }
        }
        self.rows_before += self.rows as u64;
        self.rows = 0;
        self.bytes = 0;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(|error| {
            let text = format!("{}: {error}", self.origin);
            ConnectorError::internal(text).with_source(error)
        })
    }

    /// Tells what could not be read, one value of each row; the rows that it was in.
    fn report_refusals(&mut self) -> Result<Vec<usize>> {
        let mut refusals = std::mem::take(&mut self.refusals);
        refusals.sort_by_key(|refusal| (refusal.row, refusal.column));
        refusals.dedup_by_key(|refusal| refusal.row);
        let mut rows = Vec::with_capacity(refusals.len());
        for Refusal { row, column, refused: Refused { value, reason } } in refusals {
            let number = self.rows_before + row as u64 + 1;
            let column = self.columns[column].name.clone();
            let Some(rejects) = &self.rejects else {
                return Err(ConnectorError::new(
                    ErrorCode::Value,
                    format!("{}, column {column}, row {number}: {reason}: {value}", self.origin),
                ));
            };
            rejects.reject(Reject {
                column: Some(column),
                value: Some(value),
                reason,
                row: Some(number),
                ..Reject::default()
            })?;
            rows.push(row);
        }
        Ok(rows)
    }
}

/// Whether the server writes a column as its builder's type is usually written.
fn is_plain(builder: &ColumnBuilder, reading: Reading, form: Form) -> bool {
    let integer = |bytes, signed| form == Form::Integer { bytes, signed };
    match builder {
        ColumnBuilder::Boolean(_) => integer(1, true) || integer(1, false),
        ColumnBuilder::Int8(_) => integer(1, true),
        ColumnBuilder::Int16(_) => integer(2, true),
        ColumnBuilder::Int32(_) => integer(4, true),
        ColumnBuilder::Int64(_) => integer(8, true),
        ColumnBuilder::UInt8(_) => integer(1, false),
        ColumnBuilder::UInt16(_) => integer(2, false),
        ColumnBuilder::UInt32(_) => integer(4, false),
        ColumnBuilder::UInt64(_) => integer(8, false) && reading != Reading::Bits,
        ColumnBuilder::Float32(_) => form == Form::Float,
        ColumnBuilder::Float64(_) => form == Form::Double,
        ColumnBuilder::Decimal128(_) | ColumnBuilder::Text(_) | ColumnBuilder::Bytes(_) => form == Form::String,
        ColumnBuilder::Date(_) | ColumnBuilder::DateTime(_) => form == Form::Date,
        ColumnBuilder::Decimal256(_) => false,
    }
}

/// Takes a value off a row of the binary protocol and appends it.
#[inline]
fn append_binary(column: &mut Column, fields: &mut Fields<'_>, zero_dates: ZeroDates) -> Result<(), Trouble> {
    if !column.is_plain {
        return append_any(column, fields, zero_dates);
    }
    macro_rules! fixed {
        ($builder:expr, $number:ty) => {
            $builder.append_value(<$number>::from_le_bytes(fields.array().ok_or(Trouble::Malformed)?))
        };
    }
    match &mut column.builder {
        ColumnBuilder::Boolean(builder) => builder.append_value(fields.byte().ok_or(Trouble::Malformed)? != 0),
        ColumnBuilder::Int8(builder) => fixed!(builder, i8),
        ColumnBuilder::Int16(builder) => fixed!(builder, i16),
        ColumnBuilder::Int32(builder) => fixed!(builder, i32),
        ColumnBuilder::Int64(builder) => fixed!(builder, i64),
        ColumnBuilder::UInt8(builder) => fixed!(builder, u8),
        ColumnBuilder::UInt16(builder) => fixed!(builder, u16),
        ColumnBuilder::UInt32(builder) => fixed!(builder, u32),
        ColumnBuilder::UInt64(builder) => fixed!(builder, u64),
        ColumnBuilder::Float32(builder) => fixed!(builder, f32),
        ColumnBuilder::Float64(builder) => fixed!(builder, f64),
        ColumnBuilder::Decimal128(builder) => {
            let text = fields.string().ok_or(Trouble::Malformed)?;
            builder.append_value(decimal128(Cell::Bytes(text), column.reading)?);
        }
        ColumnBuilder::Decimal256(_) => return append_any(column, fields, zero_dates),
        ColumnBuilder::Date(builder) => {
            let parts = cell::date(fields).ok_or(Trouble::Malformed)?;
            match parts.days() {
                Some(days) => builder.append_value(days),
                None => builder.append_option(zero_date(parts, false, zero_dates, |parts| parts.days())?),
            }
        }
        ColumnBuilder::DateTime(builder) => {
            let parts = cell::date(fields).ok_or(Trouble::Malformed)?;
            match parts.microseconds() {
                Some(microseconds) => builder.append_value(microseconds),
                None => builder.append_option(zero_date(parts, true, zero_dates, |parts| parts.microseconds())?),
            }
        }
        ColumnBuilder::Text(builder) => {
            let length = fields.string_length().ok_or(Trouble::Malformed)?;
            let from_here = fields.0;
            // Behind the text first, which says that it is all there, and from where the next field is read even if this one is refused.
            fields.take(length).ok_or(Trouble::Malformed)?;
            builder.append_first(length, from_here).ok_or_else(too_much)?;
        }
        ColumnBuilder::Bytes(builder) => builder.append_value(fields.string().ok_or(Trouble::Malformed)?),
    }
    Ok(())
}

/// As [`append_binary`], for a column that is written in another way than its type usually is.
#[inline(never)]
fn append_any(column: &mut Column, fields: &mut Fields<'_>, zero_dates: ZeroDates) -> Result<(), Trouble> {
    let cell = column.form.read(fields).ok_or(Trouble::Malformed)?;
    Ok(append(&mut column.builder, column.reading, cell, zero_dates)?)
}

#[cold]
fn too_much() -> Refused {
    Refused { value: String::new(), reason: "a batch holds 2 GB of text at most".into() }
}

/// Appends a value of the server.
fn append(
    builder: &mut ColumnBuilder,
    reading: Reading,
    value: Cell<'_>,
    zero_dates: ZeroDates,
) -> Result<(), Refused> {
    let out_of_range =
        |value| Refused { value: shown(value), reason: "the number is out of the column's range".into() };
    macro_rules! whole {
        ($builder:expr) => {{
            let number = whole(value)?;
            $builder.append_value(number.try_into().map_err(|_| out_of_range(value))?)
        }};
    }
    match builder {
        ColumnBuilder::Boolean(builder) => builder.append_value(whole(value)? != 0),
        ColumnBuilder::Int8(builder) => whole!(builder),
        ColumnBuilder::Int16(builder) => whole!(builder),
        ColumnBuilder::Int32(builder) => whole!(builder),
        ColumnBuilder::Int64(builder) => whole!(builder),
        ColumnBuilder::UInt8(builder) => whole!(builder),
        ColumnBuilder::UInt16(builder) => whole!(builder),
        ColumnBuilder::UInt32(builder) => whole!(builder),
        ColumnBuilder::UInt64(builder) if reading == Reading::Bits => builder.append_value(bits(value)?),
        ColumnBuilder::UInt64(builder) => whole!(builder),
        ColumnBuilder::Float32(builder) => builder.append_value(match value {
            Cell::Float(number) => number,
            other => parsed::<f32>(other)?,
        }),
        ColumnBuilder::Float64(builder) => builder.append_value(match value {
            Cell::Double(number) => number,
            Cell::Float(number) => f64::from(number),
            other => parsed::<f64>(other)?,
        }),
        ColumnBuilder::Decimal128(builder) => builder.append_value(decimal128(value, reading)?),
        ColumnBuilder::Decimal256(builder) => builder.append_value(decimal256(value, reading)?),
        ColumnBuilder::Date(builder) => match parts(value)? {
            parts if parts.days().is_some() => builder.append_option(parts.days()),
            parts => builder.append_option(zero_date(parts, false, zero_dates, |parts| parts.days())?),
        },
        ColumnBuilder::DateTime(builder) => match parts(value)? {
            parts if parts.microseconds().is_some() => builder.append_option(parts.microseconds()),
            parts => builder.append_option(zero_date(parts, true, zero_dates, |parts| parts.microseconds())?),
        },
        ColumnBuilder::Text(builder) => {
            let appended = match (value, reading) {
                (Cell::Bytes(bytes), _) => builder.append(bytes),
                (Cell::Time(time), Reading::Time { fraction_digits }) => {
                    let hours = time.days.checked_mul(24).and_then(|hours| hours.checked_add(u32::from(time.hours)));
                    let hours = hours.ok_or_else(|| unexpected(value))?;
                    let mut text = ShortText::default();
                    let rest = (time.minutes, time.seconds);
                    write_time(&mut text, time.negative, hours, rest, time.microseconds, fraction_digits)
                        .map_err(|_| unexpected(value))?;
                    builder.append(text.bytes())
                }
                (Cell::Int(number), _) => builder.append_value(&number.to_string()),
                (Cell::UInt(number), _) => builder.append_value(&number.to_string()),
                (other, _) => return Err(unexpected(other)),
            };
            appended.ok_or_else(too_much)?;
        }
        ColumnBuilder::Bytes(builder) => match value {
            Cell::Bytes(bytes) => builder.append_value(bytes),
            other => return Err(unexpected(other)),
        },
    }
    Ok(())
}

/// A whole number, of the binary protocol or as text.
fn whole(value: Cell<'_>) -> Result<i128, Refused> {
    match value {
        Cell::Int(number) => Ok(i128::from(number)),
        Cell::UInt(number) => Ok(i128::from(number)),
        other => parsed(other),
    }
}

fn parsed<T: std::str::FromStr>(value: Cell<'_>) -> Result<T, Refused> {
    match value {
        Cell::Bytes(bytes) => {
            std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok()).ok_or_else(|| unexpected(value))
        }
        other => Err(unexpected(other)),
    }
}

/// BIT comes as bytes, the most significant first, in both protocols.
fn bits(value: Cell<'_>) -> Result<u64, Refused> {
    match value {
        Cell::Bytes(bytes) if bytes.len() <= 8 => {
            Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        Cell::Int(number) => u64::try_from(number).map_err(|_| unexpected(value)),
        Cell::UInt(number) => Ok(number),
        other => Err(unexpected(other)),
    }
}

fn parts(value: Cell<'_>) -> Result<DateTimeParts, Refused> {
    match value {
        Cell::Date(parts) => Ok(parts),
        Cell::Bytes(text) => DateTimeParts::parse(text).ok_or_else(|| unexpected(value)),
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
fn unscaled(value: Cell<'_>, reading: Reading) -> Result<(bool, String), Refused> {
    let number_text;
    let text = match value {
        Cell::Bytes(bytes) => bytes,
        Cell::Int(number) => {
            number_text = number.to_string();
            number_text.as_bytes()
        }
        Cell::UInt(number) => {
            number_text = number.to_string();
            number_text.as_bytes()
        }
        other => return Err(unexpected(other)),
    };
    let Reading::Decimal { scale, .. } = reading else { return Err(unexpected(value)) };
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = memchr::memchr(b'.', text);
    let (whole, fraction) = point.map_or((text, &[][..]), |point| (&text[..point], &text[point + 1..]));
    // Looked at before anything is cut: what is no digit may be a part of a character.
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(unexpected(value));
    }
    let scale = usize::from(scale);
    let (kept, beyond) = fraction.split_at(fraction.len().min(scale));
    if beyond.iter().any(|digit| *digit != b'0') {
        return Err(Refused { value: shown(value), reason: "the decimal has more digits than the column".into() });
    }
    if whole.is_empty() && (fraction.is_empty() || scale == 0) {
        return Err(unexpected(value));
    }
    let mut digits: String = whole.iter().chain(kept).map(|digit| char::from(*digit)).collect();
    digits.extend(std::iter::repeat_n('0', scale - kept.len()));
    Ok((negative, digits))
}

#[inline]
fn decimal128(value: Cell<'_>, reading: Reading) -> Result<i128, Refused> {
    let Reading::Decimal { precision, scale } = reading else { return Err(unexpected(value)) };
    if let Cell::Bytes(text) = value
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

/// A sign and the digits before and behind the point of the usual form, in which servers send decimals: exactly `scale` digits behind the
/// point, and no more than `precision` of them in all.
#[inline]
fn plain_parts(text: &[u8], precision: u8, scale: u8) -> Option<(bool, &[u8], &[u8])> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    let (whole, fraction) = match scale {
        0 => (digits, &[][..]),
        scale => {
            let (whole, fraction) = digits.split_at_checked(digits.len().checked_sub(usize::from(scale) + 1)?)?;
            (whole, fraction.strip_prefix(b".")?)
        }
    };
    let fits = !whole.is_empty() && whole.len() + fraction.len() <= usize::from(precision);
    fits.then_some((negative, whole, fraction))
}

/// Digits that 64 bits hold, whose arithmetic is several times as fast as that of more.
const DIGITS_OF_64_BITS: usize = 18;

/// The number of at most [`DIGITS_OF_64_BITS`] digits.
#[inline]
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit <= 9).then(|| number.wrapping_mul(10).wrapping_add(u64::from(digit)))
    })
}

/// The usual case without an allocation.
#[inline]
fn plain_decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, whole, fraction) = plain_parts(text, precision, scale)?;
    let magnitude = if whole.len() + fraction.len() <= DIGITS_OF_64_BITS {
        i128::from(number(whole)? * 10_u64.pow(fraction.len() as u32) + number(fraction)?)
    } else {
        let mut magnitude: i128 = 0;
        for part in whole.chunks(DIGITS_OF_64_BITS).chain(fraction.chunks(DIGITS_OF_64_BITS)) {
            magnitude = magnitude.checked_mul(10_i128.pow(part.len() as u32))?.checked_add(number(part)?.into())?;
        }
        magnitude
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// As [`plain_decimal`], for up to 76 digits.
fn plain_decimal256(text: &[u8], precision: u8, scale: u8) -> Option<i256> {
    let (negative, whole, fraction) = plain_parts(text, precision, scale)?;
    let mut magnitude = i256::ZERO;
    for part in whole.chunks(DIGITS_OF_64_BITS).chain(fraction.chunks(DIGITS_OF_64_BITS)) {
        let shift = i256::from_i128(10_i128.pow(part.len() as u32));
        magnitude = magnitude.checked_mul(shift)?.checked_add(i256::from_i128(number(part)?.into()))?;
    }
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

/// Text of a few letters, without an allocation.
#[derive(Default)]
struct ShortText {
    bytes: [u8; 32],
    length: usize,
}

impl ShortText {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl std::fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

fn decimal256(value: Cell<'_>, reading: Reading) -> Result<i256, Refused> {
    let Reading::Decimal { precision, scale } = reading else { return Err(unexpected(value)) };
    if let Cell::Bytes(text) = value
        && let Some(number) = plain_decimal256(text, precision, scale)
    {
        return Ok(number);
    }
    let (negative, digits) = unscaled(value, reading)?;
    let significant = digits.trim_start_matches('0');
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

#[cold]
fn unexpected(value: Cell<'_>) -> Refused {
    Refused { value: shown(value), reason: "the server sent a value that is none of the column's type".into() }
}

/// A value for a message: short, on one line.
fn shown(value: Cell<'_>) -> String {
    let text = match value {
        Cell::Bytes(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(1000)]).into_owned(),
        Cell::Date(parts) => DateTimeParts::text(&parts, true),
        Cell::Int(number) => number.to_string(),
        Cell::UInt(number) => number.to_string(),
        Cell::Float(number) => number.to_string(),
        Cell::Double(number) => number.to_string(),
        Cell::Time(time) => {
            let hours = u64::from(time.days) * 24 + u64::from(time.hours);
            let sign = if time.negative { "-" } else { "" };
            format!("{sign}{hours:03}:{:02}:{:02}.{:06}", time.minutes, time.seconds, time.microseconds)
        }
    };
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect();
    if text.chars().nth(100).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
