//! How values of a file's type become values of a table's: without a loss, or not at all.

use std::cell::Cell;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, Field, Fields, TimeUnit, TimestampMicrosecondType};
use jiff::tz::TimeZone;

use super::columns;
use crate::error::{ConnectorError, ErrorCode, Result};
use crate::wall_clock;

/// The day on which the Gregorian calendar begins, 1582-10-15, in days since 1970-01-01.
const GREGORIAN_DAYS: i32 = -141_427;
/// 1900-01-01 UTC in microseconds since 1970: Spark reads earlier moments anew if an old calendar wrote them, as zones had odd offsets.
const SURE_MICROS: i64 = -2_208_988_800_000_000;

/// What of a scan and a file decides how values are read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The zone in which moments are shown as wall-clock times.
    pub(super) zone: TimeZone,
    /// Whether the file's old dates may be those of the Julian calendar.
    pub(super) is_julian: bool,
}

/// Makes arrays of a table's type of those of a file's.
#[derive(Debug, Clone)]
pub(super) struct Conversion {
    to: DataType,
    step: Step,
    reading: Reading,
}

#[derive(Debug, Clone)]
enum Step {
    /// The array is as wanted.
    Same,
    /// Arrow's cast, which is exact for these types or fails.
    Cast,
    /// There are no values: NULLs.
    Null,
    /// Dates, which are refused if they may be those of another calendar.
    Date,
    /// Timestamps of a unit; whether they are moments.
    Timestamp(TimeUnit, bool),
    /// For each field the file's field and how to read it; None if the file lacks it.
    Struct(Vec<Option<(usize, Conversion)>>),
    List(Box<Conversion>),
    Map(Box<Conversion>, Box<Conversion>),
}

impl Conversion {
    /// How to read a column.
    ///
    /// # Errors
    /// Code Value for a type that does not hold all values of the file's, naming column and types.
    pub(super) fn plan(column: &str, from: &DataType, to: &DataType, reading: &Reading) -> Result<Self> {
        let step = match (from, to) {
            (DataType::Null, _) => Step::Null,
            (DataType::Date32, DataType::Date32) if reading.is_julian => Step::Date,
            (DataType::Timestamp(unit, zone), DataType::Timestamp(TimeUnit::Microsecond, None)) => {
                match (unit, zone, reading.is_julian) {
                    (TimeUnit::Microsecond, None, false) => Step::Same,
                    _ => Step::Timestamp(*unit, zone.is_some()),
                }
            }
            (DataType::Struct(from), DataType::Struct(to)) => Step::Struct(plan_fields(column, from, to, reading)?),
            (DataType::Map(from, _), DataType::Map(to, _)) => {
                let ((from_key, from_value), (to_key, to_value)) = (entries(from)?, entries(to)?);
                let plan = |part, from: &Field, to: &Field| {
                    let name = format!("{column}.{part}");
                    Self::plan(&name, from.data_type(), to.data_type(), reading).map(Box::new)
                };
                Step::Map(plan("key", from_key, to_key)?, plan("value", from_value, to_value)?)
            }
            (_, DataType::List(to)) if let Some(from) = element(from) => {
                let name = format!("{column}.element");
                Step::List(Box::new(Self::plan(&name, from.data_type(), to.data_type(), reading)?))
            }
            (from, to) if from == to => Step::Same,
            (from, to) if is_exact(from, to) => Step::Cast,
            _ => return Err(mismatch(column, from, to)),
        };
        Ok(Self { to: to.clone(), step, reading: reading.clone() })
    }

    /// A column that a file lacks.
    pub(super) fn missing(to: &DataType, reading: &Reading) -> Self {
        Self { to: to.clone(), step: Step::Null, reading: reading.clone() }
    }

    /// Whether arrays stay as they are.
    pub(super) fn is_same(&self) -> bool {
        matches!(self.step, Step::Same)
    }

    /// Whether every value has one of the table's, in the same order, so that comparisons may be made with the file's statistics.
    pub(super) fn is_widening(&self, from: &DataType) -> bool {
        matches!(self.step, Step::Cast) && widens(from, &self.to)
    }

    /// The table's values.
    ///
    /// # Errors
    /// Code Value, naming the column, for a value that the table's type does not hold.
    pub(super) fn apply(&self, column: &str, array: &ArrayRef) -> Result<ArrayRef> {
        let broken = |error: arrow::error::ArrowError| {
            ConnectorError::new(ErrorCode::Value, format!("column \"{}\": {error}", column.escape_debug()))
        };
        match &self.step {
            Step::Same => Ok(Arc::clone(array)),
            Step::Null => Ok(new_null_array(&self.to, array.len())),
            Step::Cast => {
                let options = CastOptions { safe: false, ..CastOptions::default() };
                cast_with_options(array, &self.to, &options).map_err(broken)
            }
            Step::Date => {
                let days = array.as_primitive::<Date32Type>();
                match days.iter().flatten().find(|day| *day < GREGORIAN_DAYS) {
                    Some(_) => Err(julian(column, "a date before 1582-10-15")),
                    None => Ok(Arc::clone(array)),
                }
            }
            Step::Timestamp(unit, is_moment) => self.timestamps(column, array, *unit, *is_moment),
            Step::Struct(fields) => {
                let DataType::Struct(to) = &self.to else { return Err(not_nested(column)) };
                let structs = array.as_struct_opt().ok_or_else(|| not_nested(column))?;
                let convert = |(field, to): (&Option<(usize, Self)>, &Arc<Field>)| match field {
                    Some((at, field)) => field.apply(&format!("{column}.{}", to.name()), structs.column(*at)),
                    None => Ok(new_null_array(to.data_type(), array.len())),
                };
                let columns = fields.iter().zip(to).map(convert).collect::<Result<Vec<_>>>()?;
                let nulls = structs.nulls().cloned();
                let made = StructArray::try_new_with_length(to.clone(), columns, nulls, array.len());
                Ok(Arc::new(made.map_err(broken)?))
            }
            Step::List(element) => {
                let DataType::List(to) = &self.to else { return Err(not_nested(column)) };
                let as_lists = cast_to_list(array).map_err(broken)?;
                let lists = as_lists.as_list_opt::<i32>().ok_or_else(|| not_nested(column))?;
                let values = element.apply(&format!("{column}.element"), lists.values())?;
                let made = ListArray::try_new(Arc::clone(to), lists.offsets().clone(), values, lists.nulls().cloned());
                Ok(Arc::new(made.map_err(broken)?))
            }
            Step::Map(key, value) => {
                let DataType::Map(to, sorted) = &self.to else { return Err(not_nested(column)) };
                let DataType::Struct(to_fields) = to.data_type() else { return Err(not_nested(column)) };
                let maps = array.as_map_opt().ok_or_else(|| not_nested(column))?;
                let keys = key.apply(&format!("{column}.key"), maps.keys())?;
                let values = value.apply(&format!("{column}.value"), maps.values())?;
                let entries = StructArray::try_new(to_fields.clone(), vec![keys, values], None).map_err(broken)?;
                let (offsets, nulls) = (maps.offsets().clone(), maps.nulls().cloned());
                let made = MapArray::try_new(Arc::clone(to), offsets, entries, nulls, *sorted);
                Ok(Arc::new(made.map_err(broken)?))
            }
        }
    }

    fn timestamps(&self, column: &str, array: &ArrayRef, unit: TimeUnit, is_moment: bool) -> Result<ArrayRef> {
        let as_integers = arrow::compute::cast(array, &DataType::Int64).map_err(|error| {
            ConnectorError::internal(format!("column \"{column}\" holds no timestamps")).with_source(error)
        })?;
        let integers = as_integers.as_primitive::<arrow::datatypes::Int64Type>();
        let out_of_range =
            || ConnectorError::new(ErrorCode::Value, format!("column \"{column}\" holds a timestamp out of range"));
        let micros = |value: i64| match unit {
            TimeUnit::Second => value.checked_mul(1_000_000).ok_or_else(out_of_range),
            TimeUnit::Millisecond => value.checked_mul(1_000).ok_or_else(out_of_range),
            TimeUnit::Microsecond => Ok(value),
            TimeUnit::Nanosecond if value % 1_000 == 0 => Ok(value / 1_000),
            TimeUnit::Nanosecond => Err(ConnectorError::new(
                ErrorCode::Value,
                format!(
                    "column \"{column}\" holds a timestamp with digits below a microsecond, which TIMESTAMP would lose; define the \
                     column as BIGINT to read nanoseconds"
                ),
            )),
        };
        let offset = OffsetCache::new(&self.reading.zone);
        let wall_clock = |value: i64| {
            let value = micros(value)?;
            if self.reading.is_julian && value < SURE_MICROS {
                return Err(julian(column, "a time before 1900-01-01"));
            }
            match is_moment {
                true => offset.wall_clock(value).ok_or_else(out_of_range),
                false => Ok(value),
            }
        };
        let converted: TimestampMicrosecondArray =
            integers.try_unary::<_, TimestampMicrosecondType, ConnectorError>(wall_clock)?;
        Ok(Arc::new(converted))
    }
}

/// The offset of a zone, kept as long as times stay between two of its changes.
struct OffsetCache<'a> {
    zone: &'a TimeZone,
    /// From (included) and until (excluded) when the offset holds, in microseconds, and the offset.
    span: Cell<Option<(i64, i64, i64)>>,
}

impl<'a> OffsetCache<'a> {
    fn new(zone: &'a TimeZone) -> Self {
        Self { zone, span: Cell::new(None) }
    }

    /// The wall clock at a moment; both in microseconds since 1970. None beyond the years that there are.
    fn wall_clock(&self, micros: i64) -> Option<i64> {
        let offset = match self.span.get() {
            Some((from, until, offset)) if (from..until).contains(&micros) => offset,
            _ => {
                let moment = wall_clock::nearest(micros)?;
                let offset = i64::from(self.zone.to_offset(moment).seconds()) * 1_000_000;
                // the last change at the moment or before it
                let after = wall_clock::nearest(micros.checked_add(1)?)?;
                let change = self.zone.preceding(after).next();
                let from = change.map_or(i64::MIN, |change| change.timestamp().as_microsecond());
                let change = self.zone.following(moment).next();
                let until = change.map_or(i64::MAX, |change| change.timestamp().as_microsecond());
                self.span.set(Some((from, until, offset)));
                offset
            }
        };
        micros.checked_add(offset)
    }
}

fn plan_fields(
    column: &str,
    from: &Fields,
    to: &Fields,
    reading: &Reading,
) -> Result<Vec<Option<(usize, Conversion)>>> {
    let plan = |to: &Arc<Field>| {
        let found = columns::find(to.name(), from.iter().map(|field| field.name().as_str()))?;
        let Some(at) = found else { return Ok(None) };
        let name = format!("{column}.{}", to.name());
        Ok(Some((at, Conversion::plan(&name, from[at].data_type(), to.data_type(), reading)?)))
    };
    to.iter().map(plan).collect()
}

/// Key and value of a map.
fn entries(field: &Field) -> Result<(&Field, &Field)> {
    match field.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => Ok((&fields[0], &fields[1])),
        _ => Err(ConnectorError::internal("a map's entries are not pairs")),
    }
}

fn element(from: &DataType) -> Option<&Field> {
    match from {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => Some(field),
        _ => None,
    }
}

fn cast_to_list(array: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    match (array.data_type(), element(array.data_type())) {
        (DataType::List(_), _) | (_, None) => Ok(Arc::clone(array)),
        (_, Some(element)) => arrow::compute::cast(array, &DataType::List(Arc::new(element.clone()))),
    }
}

/// Whether a type holds every value of another: Arrow's cast of them is exact, or fails for a value.
fn is_exact(from: &DataType, to: &DataType) -> bool {
    let is_integer = |data_type: &DataType| data_type.is_integer();
    match (from, to) {
        (DataType::Dictionary(_, from), to) => from.as_ref() == to || is_exact(from, to),
        // a narrower integer is checked value by value: Avro has INT and BIGINT only
        (from, to) if is_integer(from) && is_integer(to) => true,
        (from, to) if widens(from, to) => true,
        (DataType::Timestamp(TimeUnit::Nanosecond, _), DataType::Int64) => true,
        (
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView,
            DataType::Utf8 | DataType::Binary,
        ) => true,
        (DataType::FixedSizeBinary(_), DataType::Binary) => true,
        _ => false,
    }
}

/// Whether all values of a number's type are values of another.
fn widens(from: &DataType, to: &DataType) -> bool {
    let digits = |data_type: &DataType| match data_type {
        DataType::Int8 | DataType::UInt8 => Some(3),
        DataType::Int16 | DataType::UInt16 => Some(5),
        DataType::Int32 | DataType::UInt32 => Some(10),
        DataType::Int64 => Some(19),
        DataType::UInt64 => Some(20),
        _ => None,
    };
    let decimal = |data_type: &DataType| match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Some((i16::from(*precision), i16::from(*scale))),
        _ => None,
    };
    if let Some((precision, scale)) = decimal(to) {
        let (digits, from_scale) = match (digits(from), decimal(from)) {
            (Some(digits), _) => (digits, 0),
            (None, Some((precision, scale))) => (precision - scale, scale),
            (None, None) => return false,
        };
        return scale >= from_scale && precision - scale >= digits;
    }
    matches!(
        (from, to),
        (DataType::Int8 | DataType::UInt8, DataType::Int16 | DataType::Int32 | DataType::Int64)
            | (DataType::Int16 | DataType::UInt16, DataType::Int32 | DataType::Int64)
            | (DataType::Int32 | DataType::UInt32, DataType::Int64)
            | (DataType::Int8 | DataType::UInt8 | DataType::Int16 | DataType::UInt16, DataType::Float32)
            | (
                DataType::Int8
                    | DataType::UInt8
                    | DataType::Int16
                    | DataType::UInt16
                    | DataType::Int32
                    | DataType::UInt32,
                DataType::Float64
            )
            | (DataType::Float16, DataType::Float32 | DataType::Float64)
            | (DataType::Float32, DataType::Float64)
    )
}

fn mismatch(column: &str, from: &DataType, to: &DataType) -> ConnectorError {
    let message = format!(
        "column \"{}\" is {from} in the file and {to} in the table, which does not hold all its values; define the column as the file \
         has it and CAST in the query",
        column.escape_debug()
    );
    ConnectorError::new(ErrorCode::Value, message)
}

fn julian(column: &str, what: &str) -> ConnectorError {
    let message = format!(
        "column \"{}\" holds {what} that a writer of the old calendar (Spark 2, Hive) may have written, so that its day is not certain; \
         write the file anew with Spark 3 (spark.sql.parquet.datetimeRebaseModeInWrite = CORRECTED)",
        column.escape_debug()
    );
    ConnectorError::new(ErrorCode::Value, message)
}

fn not_nested(column: &str) -> ConnectorError {
    ConnectorError::internal(format!("column \"{column}\" is not nested as planned"))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Decimal128Array, Int8Array, Int32Array, Int64Array, LargeStringArray, StringArray, TimestampNanosecondArray,
    };
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::Int32Type;

    use super::*;

    fn reading(zone: &str) -> Reading {
        Reading { zone: TimeZone::get(zone).unwrap(), is_julian: false }
    }

    fn convert(array: ArrayRef, to: &DataType) -> Result<ArrayRef> {
        Conversion::plan("c", array.data_type(), to, &reading("UTC"))?.apply("c", &array)
    }

    fn micros(zone: Option<&str>) -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
    }

    #[test]
    fn a_wider_type_takes_the_values() {
        let integers: ArrayRef = Arc::new(Int32Array::from(vec![Some(-7), None]));
        let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(-7), None]));
        assert_eq!(&convert(Arc::clone(&integers), &DataType::Int64).unwrap(), &expected);
        let decimal = convert(integers, &DataType::Decimal128(12, 2)).unwrap();
        assert_eq!(decimal.as_primitive::<arrow::datatypes::Decimal128Type>().value(0), -700);
        let wider = Decimal128Array::from(vec![150]).with_precision_and_scale(5, 2).unwrap();
        let wider = convert(Arc::new(wider), &DataType::Decimal128(7, 3)).unwrap();
        assert_eq!(wider.as_primitive::<arrow::datatypes::Decimal128Type>().value(0), 1500);
        let text = convert(Arc::new(LargeStringArray::from(vec!["x"])), &DataType::Utf8).unwrap();
        assert_eq!(text.as_string::<i32>().value(0), "x");
    }

    #[test]
    fn a_narrower_integer_is_checked_value_by_value() {
        let narrow = |value| convert(Arc::new(Int32Array::from(vec![value])), &DataType::Int8);
        let expected: ArrayRef = Arc::new(Int8Array::from(vec![-128]));
        assert_eq!(&narrow(-128).unwrap(), &expected);
        let error = narrow(128).unwrap_err();
        assert!(error.code() == ErrorCode::Value && error.message().contains("column \"c\""), "{error}");
    }

    #[test]
    fn types_with_a_loss_are_refused_naming_both() {
        for (from, to) in [
            (DataType::Utf8, DataType::Int32),
            (DataType::Int32, DataType::Utf8),
            (DataType::Float64, DataType::Float32),
            (DataType::Float64, DataType::Int64),
            (DataType::Int64, DataType::Float64),
            (DataType::Decimal128(10, 2), DataType::Decimal128(10, 3)),
            (DataType::Decimal128(10, 2), DataType::Decimal128(9, 2)),
            (DataType::Int32, DataType::Decimal128(10, 2)),
            (DataType::Decimal128(10, 2), DataType::Float64),
            (micros(None), DataType::Date32),
            (DataType::Date32, micros(None)),
            (DataType::Boolean, DataType::Int32),
            (DataType::Time64(TimeUnit::Microsecond), DataType::Int64),
        ] {
            let error = Conversion::plan("c", &from, &to, &reading("UTC")).unwrap_err();
            for part in ["\"c\"", &from.to_string(), &to.to_string()] {
                assert!(error.message().contains(part), "{error}");
            }
        }
    }

    #[test]
    fn a_moment_is_the_wall_clock_of_the_zone() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let moments = [
            "2024-03-10T06:59:59Z",
            "2024-03-10T07:00:00Z",
            "2024-11-03T05:30:00Z",
            "2024-11-03T06:30:00Z",
            "1800-01-01T00:00:00Z",
        ];
        let array = TimestampMicrosecondArray::from(moments.map(at).to_vec()).with_timezone("UTC");
        let plan = Conversion::plan("c", array.data_type(), &micros(None), &reading("America/New_York")).unwrap();
        let array: ArrayRef = Arc::new(array);
        let clocks = plan.apply("c", &array).unwrap();
        let clocks = clocks.as_primitive::<TimestampMicrosecondType>();
        let shown: Vec<_> = (0..5).map(|row| clocks.value_as_datetime(row).unwrap().to_string()).collect();
        assert_eq!(
            shown,
            [
                "2024-03-10 01:59:59",
                "2024-03-10 03:00:00",
                "2024-11-03 01:30:00",
                "2024-11-03 01:30:00",
                "1799-12-31 19:03:58"
            ]
        );
    }

    #[test]
    fn digits_below_a_microsecond_are_not_dropped() {
        let nanos = |value| Arc::new(TimestampNanosecondArray::from(vec![value])) as ArrayRef;
        let clock = convert(nanos(1_000), &micros(None)).unwrap();
        assert_eq!(clock.as_primitive::<TimestampMicrosecondType>().value(0), 1);
        assert!(convert(nanos(1_001), &micros(None)).unwrap_err().message().contains("BIGINT"));
        assert_eq!(
            convert(nanos(1_001), &DataType::Int64).unwrap().as_primitive::<arrow::datatypes::Int64Type>().value(0),
            1_001
        );
    }

    #[test]
    fn old_dates_of_an_old_calendar_are_refused() {
        let julian = Reading { is_julian: true, ..reading("UTC") };
        let dates = |day| Arc::new(arrow::array::Date32Array::from(vec![Some(day), None])) as ArrayRef;
        let plan = Conversion::plan("c", &DataType::Date32, &DataType::Date32, &julian).unwrap();
        assert!(plan.apply("c", &dates(GREGORIAN_DAYS)).is_ok());
        assert!(plan.apply("c", &dates(GREGORIAN_DAYS - 1)).unwrap_err().message().contains("1582"));
        let plan = Conversion::plan("c", &micros(None), &micros(None), &julian).unwrap();
        let clock = |value| Arc::new(TimestampMicrosecondArray::from(vec![value])) as ArrayRef;
        assert!(plan.apply("c", &clock(SURE_MICROS)).is_ok());
        assert!(plan.apply("c", &clock(SURE_MICROS - 1)).is_err());
    }

    #[test]
    fn nested_values_are_matched_by_name_at_every_level() {
        let inner = StructArray::from(vec![
            (Arc::new(Field::new("B", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef),
            (
                Arc::new(Field::new("a", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec!["x", "y", "z"])) as ArrayRef,
            ),
        ]);
        let field = Arc::new(Field::new("array", inner.data_type().clone(), true));
        let list = ListArray::new(field, OffsetBuffer::from_lengths([2, 1]), Arc::new(inner), None);
        let wanted: Fields = vec![
            Field::new("a", DataType::Utf8, true),
            Field::new("b", DataType::Int64, true),
            Field::new("new", DataType::Date32, true),
        ]
        .into();
        let to = DataType::List(Arc::new(Field::new_list_field(DataType::Struct(wanted), true)));
        let converted = convert(Arc::new(list), &to).unwrap();
        assert_eq!(converted.data_type(), &to);
        let structs = converted.as_list::<i32>().values().as_struct();
        assert_eq!(structs.column(0).as_string::<i32>().value(2), "z");
        assert_eq!(structs.column(1).as_primitive::<arrow::datatypes::Int64Type>().values(), &[1, 2, 3]);
        assert_eq!(structs.column(2).null_count(), 3);
        let wrong = DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)));
        let error = Conversion::plan("c", converted.data_type(), &wrong, &reading("UTC")).unwrap_err();
        assert!(error.message().contains("c.element"), "{error}");
    }

    #[test]
    fn maps_take_the_table_s_field_names() {
        let mut builder = arrow::array::MapBuilder::new(
            None,
            arrow::array::StringBuilder::new(),
            arrow::array::PrimitiveBuilder::<Int32Type>::new(),
        );
        builder.keys().append_value("k");
        builder.values().append_value(5);
        builder.append(true).unwrap();
        builder.append(false).unwrap();
        let map = builder.finish();
        let pairs = vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int64, true)];
        let to = DataType::Map(Arc::new(Field::new("entries", DataType::Struct(pairs.into()), false)), false);
        let converted = convert(Arc::new(map), &to).unwrap();
        assert_eq!(converted.data_type(), &to);
        let values = converted.as_map().values();
        assert_eq!(values.as_primitive::<arrow::datatypes::Int64Type>().value(0), 5);
        assert!(converted.is_null(1));
    }
}
