//! Functions of dates and moments as Spark and Hive have them; what does not read as a date is NULL.

use arrow::datatypes::DataType;
use jiff::civil::{Date, DateTime};
use syncline_connectors::wall_clock;

use super::by_row::{ByRow, Parameter, Row, RowResult, Value, days_between, days_later};
use super::java_pattern;

const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

/// `datediff(end, start)`: days.
pub(super) fn datediff() -> ByRow {
    ByRow {
        name: "datediff",
        parameters: &[Parameter::Moment, Parameter::Moment],
        required: 2,
        repeats: false,
        returns: DataType::Int32,
        body: |row: &mut Row<'_>| -> RowResult {
            let (Some(end), Some(start)) = (row.date(0), row.date(1)) else { return Ok(None) };
            Ok(Some(Value::Int(days_between(start, end))))
        },
    }
}

/// `date_add(date, days)`.
pub(super) fn date_add() -> ByRow {
    moved("date_add", |row| move_date(row, days_later))
}

/// `date_sub(date, days)`.
pub(super) fn date_sub() -> ByRow {
    moved("date_sub", |row| move_date(row, |date, days| days_later(date, days.checked_neg()?)))
}

/// `add_months(date, months)`; a day that the month lacks becomes its last.
pub(super) fn add_months() -> ByRow {
    moved("add_months", |row| {
        move_date(row, |date, months| date.checked_add(jiff::Span::new().try_months(months).ok()?).ok())
    })
}

fn moved(name: &'static str, body: fn(&mut Row<'_>) -> RowResult) -> ByRow {
    ByRow {
        name,
        parameters: &[Parameter::Moment, Parameter::Whole],
        required: 2,
        repeats: false,
        returns: DataType::Date32,
        body,
    }
}

fn move_date(row: &Row<'_>, by: impl Fn(Date, i64) -> Option<Date>) -> RowResult {
    let (Some(date), Some(number)) = (row.date(0), row.whole(1)) else { return Ok(None) };
    Ok(by(date, number).map(Value::Date))
}

/// `to_date(x[, pattern])`.
pub(super) fn to_date() -> ByRow {
    ByRow {
        name: "to_date",
        parameters: &[Parameter::MomentOrText, Parameter::Text],
        required: 1,
        repeats: false,
        returns: DataType::Date32,
        body: |row: &mut Row<'_>| -> RowResult {
            if row.count() == 1 {
                return Ok(row.date(0).map(Value::Date));
            }
            Ok(read(row)?.map(|moment| Value::Date(moment.date())))
        },
    }
}

/// `unix_timestamp(x[, pattern])`: seconds since 1970 of a wall clock in the run's zone.
pub(super) fn unix_timestamp() -> ByRow {
    ByRow {
        name: "unix_timestamp",
        parameters: &[Parameter::MomentOrText, Parameter::Text],
        required: 0,
        repeats: false,
        returns: DataType::Int64,
        body: |row: &mut Row<'_>| -> RowResult {
            let Some(moment) = read(row)? else { return Ok(None) };
            let micros = wall_clock::moment_of(row.zone, moment);
            Ok(micros.map(|micros| Value::Long(micros.div_euclid(1_000_000))))
        },
    }
}

/// The first argument, text by the pattern of the second.
fn read(row: &Row<'_>) -> datafusion::common::Result<Option<DateTime>> {
    let Some(text) = row.text(0) else { return Ok(row.moment(0)) };
    let pattern = if row.count() > 1 { row.text(1) } else { Some(DEFAULT_PATTERN) };
    pattern.map_or(Ok(None), |pattern| java_pattern::parse(text, pattern))
}

/// `from_unixtime(seconds[, pattern])`: text, in the run's zone.
pub(super) fn from_unixtime() -> ByRow {
    ByRow {
        name: "from_unixtime",
        parameters: &[Parameter::Whole, Parameter::Text],
        required: 1,
        repeats: false,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let pattern = if row.count() > 1 { row.text(1) } else { Some(DEFAULT_PATTERN) };
            let (Some(seconds), Some(pattern)) = (row.whole(0), pattern) else { return Ok(None) };
            let shown = seconds.checked_mul(1_000_000).and_then(|moment| wall_clock::clock_at(row.zone, moment));
            let Some(moment) = shown.and_then(wall_clock::time_of) else { return Ok(None) };
            super::datetime_text::formatted(moment, pattern).map(|text| Some(Value::Text(text)))
        },
    }
}

/// `date_format(x, pattern)`: Java's patterns, or MySQL's if there is a `%` in it.
pub(super) fn date_format() -> ByRow {
    ByRow {
        name: "date_format",
        parameters: &[Parameter::Moment, Parameter::Text],
        required: 2,
        repeats: false,
        returns: DataType::Utf8,
        body: |row: &mut Row<'_>| -> RowResult {
            let (Some(moment), Some(pattern)) = (row.moment(0), row.text(1)) else { return Ok(None) };
            super::datetime_text::formatted(moment, pattern).map(|text| Some(Value::Text(text)))
        },
    }
}
