//! One value of the server into the builder of its column.

use super::super::column_builder::ColumnBuilder;
use super::super::value::{DateTimeParts, ZeroDates, write_time};
use super::super::wire::cell::{self, Cell, Form};
use super::super::wire::fields::Fields;
use super::Reading;
use super::decimal::{decimal128, decimal256};

pub(super) struct Column {
    pub(super) name: String,
    pub(super) reading: Reading,
    pub(super) builder: ColumnBuilder,
    /// How the server writes the values, in the binary protocol.
    pub(super) form: Form,
    /// Whether that is the way that the builder's type is usually written, so that nothing has to be looked at.
    pub(super) is_plain: bool,
}

/// Why a value has no place in its column.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) value: String,
    pub(super) reason: String,
}

/// Why a value was not appended.
#[derive(Debug)]
pub(super) enum Trouble {
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

/// Whether the server writes a column as its builder's type is usually written.
pub(super) fn is_plain(builder: &ColumnBuilder, reading: Reading, form: Form) -> bool {
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
pub(super) fn append_binary(
    column: &mut Column,
    fields: &mut Fields<'_>,
    zero_dates: ZeroDates,
) -> Result<(), Trouble> {
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
pub(super) fn append(
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
pub(super) fn bits(value: Cell<'_>) -> Result<u64, Refused> {
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

#[cold]
pub(super) fn unexpected(value: Cell<'_>) -> Refused {
    Refused { value: shown(value), reason: "the server sent a value that is none of the column's type".into() }
}

/// A value for a message: short, on one line.
pub(super) fn shown(value: Cell<'_>) -> String {
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
