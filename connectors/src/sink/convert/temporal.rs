//! Days, times of day and timestamps.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringBuilder};
use arrow::compute::{max, min};
use arrow::datatypes::{
    DataType, Date32Type, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use jiff::tz::{Offset, TimeZone};

use super::{Failures, exact_cast, text};
use crate::csv::temporal::{MICROS_PER_DAY, append_date, append_time, append_timestamp, offset_seconds};
use crate::error::{ConnectorError, Result};
use crate::sink::{TargetColumn, TargetType};
use crate::wall_clock;

/// 0000-01-01, the first day of a DATE in StarRocks, in days since 1970.
const FIRST_DAY: i32 = -719_528;
/// 9999-12-31.
const LAST_DAY: i32 = 2_932_896;
const FIRST_MICROS: i64 = FIRST_DAY as i64 * MICROS_PER_DAY;
const LAST_MICROS: i64 = (LAST_DAY as i64 + 1) * MICROS_PER_DAY - 1;

/// The zone whose wall clock instants are written in.
#[derive(Debug, Clone)]
pub(super) struct Zone(TimeZone);

impl Zone {
    /// An IANA name or an offset such as `+08:00`.
    pub(super) fn parse(name: &str) -> Result<Self> {
        if let Some(seconds) = offset_seconds(name) {
            let offset = Offset::from_seconds(seconds)
                .map_err(|error| ConnectorError::option(format!("no time zone \"{name}\": {error}")))?;
            return Ok(Self(TimeZone::fixed(offset)));
        }
        TimeZone::get(name).map(Self).map_err(|_| {
            ConnectorError::option(format!(
                "no time zone \"{name}\"; use a name such as Asia/Shanghai or an offset such as +08:00"
            ))
        })
    }

    /// The wall clock at an instant; None where the calendar ends.
    fn wall_clock(&self, micros: i64) -> Option<i64> {
        wall_clock::clock_at(&self.0, micros)
    }
}

/// Dates, times and timestamps to any target that takes them.
pub(super) fn from_temporal(
    source: &ArrayRef,
    target: &TargetColumn,
    zone: &Zone,
    failures: &mut Failures,
) -> Result<ArrayRef> {
    match source.data_type() {
        DataType::Date32 => {
            let days = check_range(source.as_primitive::<Date32Type>(), FIRST_DAY, LAST_DAY, target, failures);
            match target.kind {
                TargetType::Date => Ok(Arc::new(days)),
                TargetType::DateTime { .. } => exact_cast(&days, &DataType::Timestamp(TimeUnit::Microsecond, None)),
                _ => Ok(print(&days, target, failures, append_date)),
            }
        }
        DataType::Time64(_) => {
            let times = source.as_primitive::<Time64NanosecondType>();
            Ok(print(times, target, failures, append_time))
        }
        _ => {
            let micros = to_wall_clock(source, target, zone, failures)?;
            let micros = check_range(&micros, FIRST_MICROS, LAST_MICROS, target, failures);
            match target.kind {
                TargetType::Date => Ok(Arc::new(to_date(&micros, target, failures))),
                TargetType::DateTime { fraction_digits } => {
                    check_fraction(&micros, fraction_digits, target, failures);
                    Ok(Arc::new(micros))
                }
                _ => Ok(print(&micros, target, failures, append_timestamp)),
            }
        }
    }
}

/// Microseconds of wall-clock time.
fn to_wall_clock(
    source: &ArrayRef,
    target: &TargetColumn,
    zone: &Zone,
    failures: &mut Failures,
) -> Result<PrimitiveArray<TimestampMicrosecondType>> {
    let DataType::Timestamp(unit, source_zone) = source.data_type() else {
        return Err(ConnectorError::internal(format!("{} is no timestamp", source.data_type())));
    };
    if *unit == TimeUnit::Nanosecond {
        for (row, value) in source.as_primitive::<TimestampNanosecondType>().iter().enumerate() {
            if value.is_some_and(|nanos| nanos % 1000 != 0) {
                failures.add(row, format!("has nanoseconds, {} would lose them", target.type_name));
            }
        }
    }
    let micros = match unit {
        TimeUnit::Microsecond => Arc::clone(source),
        _ => {
            // overflow becomes NULL here: such a time is far outside every calendar
            let safe = arrow::compute::CastOptions { safe: true, ..Default::default() };
            let to = DataType::Timestamp(TimeUnit::Microsecond, source_zone.clone());
            let cast = arrow::compute::cast_with_options(source, &to, &safe)
                .map_err(|error| ConnectorError::internal("cannot cast a timestamp").with_source(error))?;
            super::number::fail_new_nulls(source, &cast, failures, || out_of_calendar(target));
            cast
        }
    };
    let micros = micros.as_primitive::<TimestampMicrosecondType>().clone();
    if source_zone.is_none() {
        return Ok(micros);
    }
    let local: PrimitiveArray<TimestampMicrosecondType> = micros.unary_opt(|value| zone.wall_clock(value));
    super::number::fail_new_nulls(&micros, &local, failures, || out_of_calendar(target));
    Ok(local)
}

fn out_of_calendar(target: &TargetColumn) -> String {
    format!("is outside the years 0 to 9999 of {}", target.type_name)
}

/// Rows outside the calendar fail and become NULL. Two passes of vector code when there are none.
fn check_range<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    first: T::Native,
    last: T::Native,
    target: &TargetColumn,
    failures: &mut Failures,
) -> PrimitiveArray<T>
where
    T::Native: PartialOrd,
{
    let is_inside = |value: T::Native| value >= first && value <= last;
    if min(values).is_none_or(is_inside) && max(values).is_none_or(is_inside) {
        return values.clone();
    }
    let kept: PrimitiveArray<T> = values.unary_opt(|value| is_inside(value).then_some(value));
    super::number::fail_new_nulls(values, &kept, failures, || out_of_calendar(target));
    kept
}

fn to_date(
    micros: &PrimitiveArray<TimestampMicrosecondType>,
    target: &TargetColumn,
    failures: &mut Failures,
) -> PrimitiveArray<Date32Type> {
    for (row, value) in micros.iter().enumerate() {
        if value.is_some_and(|value| value % MICROS_PER_DAY != 0) {
            failures.add(row, format!("has a time of day, {} would lose it", target.type_name));
        }
    }
    micros.unary(|value| i32::try_from(value.div_euclid(MICROS_PER_DAY)).unwrap_or(0))
}

fn check_fraction(
    micros: &PrimitiveArray<TimestampMicrosecondType>,
    fraction_digits: u8,
    target: &TargetColumn,
    failures: &mut Failures,
) {
    let Some(lost_digits) = 6_u8.checked_sub(fraction_digits).filter(|digits| *digits > 0) else { return };
    let unit = 10_i64.pow(u32::from(lost_digits));
    for (row, value) in micros.iter().enumerate() {
        if value.is_some_and(|value| value % unit != 0) {
            failures.add(row, text::too_many_fraction_digits(fraction_digits, target));
        }
    }
}

fn print<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    target: &TargetColumn,
    failures: &mut Failures,
    append: impl Fn(&mut Vec<u8>, T::Native),
) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(values.len(), values.len() * 20);
    let mut buffer = Vec::with_capacity(32);
    for value in values {
        buffer.clear();
        builder.append_option(value.and_then(|value| {
            append(&mut buffer, value);
            std::str::from_utf8(&buffer).ok()
        }));
    }
    let printed = builder.finish();
    text::check_length(&printed, target, failures);
    Arc::new(printed)
}
