//! Functions that are computed row by row: how arguments are read and results put together.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Date32Array, Float64Array, Int32Array, Int64Array, ListArray, ListBuilder,
    StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use syncline_connectors::wall_clock;

use super::regex::Patterns;
use super::spark_text;

/// What a parameter takes. Values of other types are converted; what does not convert is NULL, as in Spark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    Text,
    /// A text, or a list of texts.
    Texts,
    Binary,
    Whole,
    /// A DATE, a DATETIME, or text that reads as one.
    Moment,
    /// As a moment, but text stays text: the function reads it with a pattern.
    MomentOrText,
}

/// A result of one row.
#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    Texts(Vec<String>),
    Int(i32),
    Long(i64),
    Double(f64),
    Date(Date),
}

/// What a function returns for a row; None is NULL.
pub(super) type RowResult = Result<Option<Value>>;

/// A function: its name, what it takes, and what it does with a row.
pub(super) struct ByRow {
    pub(super) name: &'static str,
    pub(super) parameters: &'static [Parameter],
    /// How many arguments there must be.
    pub(super) required: usize,
    /// Whether the last parameter may repeat.
    pub(super) repeats: bool,
    pub(super) returns: DataType,
    pub(super) body: fn(&mut Row<'_>) -> RowResult,
}

impl ByRow {
    /// As DataFusion takes it; `timezone` is the run's zone.
    pub(super) fn into_udf(self, timezone: &str) -> ScalarUDF {
        ScalarUDF::from(self.into_udf_impl(timezone))
    }

    pub(super) fn into_udf_impl(self, timezone: &str) -> ByRowFunction {
        ByRowFunction {
            function: self,
            timezone: timezone.to_owned(),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    fn parameter(&self, position: usize) -> Option<Parameter> {
        match self.parameters.get(position) {
            Some(parameter) => Some(*parameter),
            None if self.repeats => self.parameters.last().copied(),
            None => None,
        }
    }
}

/// A [`ByRow`] with the zone it runs in.
pub(super) struct ByRowFunction {
    function: ByRow,
    timezone: String,
    signature: Signature,
}

impl std::fmt::Debug for ByRowFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByRowFunction").field("name", &self.function.name).finish_non_exhaustive()
    }
}

impl PartialEq for ByRowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && self.timezone == other.timezone
    }
}

impl Eq for ByRowFunction {}

impl Hash for ByRowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
        self.timezone.hash(state);
    }
}

impl ScalarUDFImpl for ByRowFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.function.returns.clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = Field::new(self.function.name, self.function.returns.clone(), true);
        Ok(Arc::new(match self.function.returns {
            DataType::List(_) => field.with_metadata(super::element::metadata()),
            _ => field,
        }))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.function.name;
        if types.len() < self.function.required {
            let wanted = self.function.required;
            return Err(DataFusionError::Plan(format!(
                "{name} takes at least {wanted} arguments, not {}",
                types.len()
            )));
        }
        let mut coerced = Vec::with_capacity(types.len());
        for (position, given) in types.iter().enumerate() {
            let Some(parameter) = self.function.parameter(position) else {
                let most = self.function.parameters.len();
                return Err(DataFusionError::Plan(format!(
                    "{name} takes at most {most} arguments, not {}",
                    types.len()
                )));
            };
            coerced.push(wanted_type(parameter, given));
        }
        Ok(coerced)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let mut columns = Vec::with_capacity(args.args.len());
        for (position, arg) in args.args.iter().enumerate() {
            let parameter = self.function.parameter(position).unwrap_or(Parameter::Text);
            columns.push(Column::of(parameter, &arg.to_array(rows)?)?);
        }
        let external = |error: crate::SynclineError| DataFusionError::External(Box::new(error));
        let zone = crate::clock::zone(&self.timezone).map_err(external)?;
        let mut row = Row { columns: &columns, row: 0, zone: &zone, patterns: &mut Patterns::default() };
        let mut values = Vec::with_capacity(rows);
        for number in 0..rows {
            row.row = number;
            values.push((self.function.body)(&mut row)?);
        }
        let array = array_of(values, &self.function.returns)?;
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

const MOMENT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// A list of texts.
pub(super) fn texts_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

fn wanted_type(parameter: Parameter, given: &DataType) -> DataType {
    match parameter {
        Parameter::Text => DataType::Utf8,
        Parameter::Texts if is_list(given) => texts_type(),
        Parameter::Texts => DataType::Utf8,
        Parameter::Binary if matches!(given, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
            DataType::Binary
        }
        Parameter::Binary => DataType::Utf8,
        // text is read here, because a cast of bad text would be an error
        Parameter::Whole if given.is_string() => DataType::Utf8,
        Parameter::Whole => DataType::Int64,
        Parameter::Moment | Parameter::MomentOrText => match given {
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => MOMENT,
            _ => DataType::Utf8,
        },
    }
}

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _))
}

enum Column {
    Text(StringArray),
    Texts(ListArray),
    Binary(BinaryArray),
    Whole(Int64Array),
    Moment(TimestampMicrosecondArray),
}

impl Column {
    fn of(parameter: Parameter, array: &ArrayRef) -> Result<Self> {
        let wanted = wanted_type(parameter, array.data_type());
        Ok(match (&wanted, parameter) {
            (DataType::List(_), _) => Self::Texts(cast(array, &wanted)?.as_list::<i32>().clone()),
            (DataType::Binary, _) => Self::Binary(cast(array, &wanted)?.as_binary::<i32>().clone()),
            (DataType::Timestamp(_, _), _) => Self::Moment(cast(array, &wanted)?.as_primitive().clone()),
            (_, Parameter::Whole) => {
                let options = CastOptions { safe: true, ..CastOptions::default() };
                Self::Whole(cast_with_options(array, &DataType::Int64, &options)?.as_primitive().clone())
            }
            _ => Self::Text(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()),
        })
    }
}

/// The arguments of one row.
pub(super) struct Row<'a> {
    columns: &'a [Column],
    row: usize,
    /// The run's zone.
    pub(super) zone: &'a TimeZone,
    /// Regular expressions that this call has compiled.
    pub(super) patterns: &'a mut Patterns,
}

impl<'a> Row<'a> {
    /// How many arguments there are.
    pub(super) fn count(&self) -> usize {
        self.columns.len()
    }

    /// A text; None if it is NULL or not given.
    pub(super) fn text(&self, position: usize) -> Option<&'a str> {
        match self.columns.get(position)? {
            Column::Text(column) if column.is_valid(self.row) => Some(column.value(self.row)),
            _ => None,
        }
    }

    /// A text, or the texts of a list, NULLs left out.
    pub(super) fn texts(&self, position: usize) -> Vec<String> {
        match self.columns.get(position) {
            Some(Column::Texts(column)) if column.is_valid(self.row) => {
                column.value(self.row).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
            }
            _ => self.text(position).map(str::to_owned).into_iter().collect(),
        }
    }

    /// The bytes of a binary or a text.
    pub(super) fn bytes(&self, position: usize) -> Option<&'a [u8]> {
        match self.columns.get(position)? {
            Column::Binary(column) if column.is_valid(self.row) => Some(column.value(self.row)),
            _ => self.text(position).map(str::as_bytes),
        }
    }

    pub(super) fn whole(&self, position: usize) -> Option<i64> {
        match self.columns.get(position)? {
            Column::Whole(column) if column.is_valid(self.row) => Some(column.value(self.row)),
            _ => None,
        }
    }

    /// A wall-clock moment, also from text as Spark casts it.
    pub(super) fn moment(&self, position: usize) -> Option<DateTime> {
        match self.columns.get(position)? {
            Column::Moment(column) if column.is_valid(self.row) => wall_clock::time_of(column.value(self.row)),
            _ => spark_text::moment(self.text(position)?),
        }
    }

    /// The day of a moment.
    pub(super) fn date(&self, position: usize) -> Option<Date> {
        match self.columns.get(position)? {
            Column::Moment(_) => self.moment(position).map(DateTime::date),
            _ => spark_text::date(self.text(position)?),
        }
    }
}

/// Days since 1970.
fn days(date: Date) -> i32 {
    date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| span.get_days())
}

/// A date so many days later; None if there is no such date.
pub(super) fn days_later(date: Date, days: i64) -> Option<Date> {
    date.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

/// Days from one date to another.
pub(super) fn days_between(from: Date, to: Date) -> i32 {
    days(to) - days(from)
}

fn array_of(values: Vec<Option<Value>>, data_type: &DataType) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::Int32 => Arc::new(Int32Array::from_iter(values.into_iter().map(|value| match value {
            Some(Value::Int(value)) => Some(value),
            _ => None,
        }))),
        DataType::Int64 => Arc::new(Int64Array::from_iter(values.into_iter().map(|value| match value {
            Some(Value::Long(value)) => Some(value),
            _ => None,
        }))),
        DataType::Float64 => Arc::new(Float64Array::from_iter(values.into_iter().map(|value| match value {
            Some(Value::Double(value)) => Some(value),
            _ => None,
        }))),
        DataType::Date32 => Arc::new(Date32Array::from_iter(values.into_iter().map(|value| match value {
            Some(Value::Date(value)) => Some(days(value)),
            _ => None,
        }))),
        DataType::List(_) => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for value in values {
                match value {
                    Some(Value::Texts(texts)) => {
                        for text in texts {
                            lists.values().append_value(text);
                        }
                        lists.append(true);
                    }
                    _ => lists.append(false),
                }
            }
            Arc::new(lists.finish())
        }
        _ => Arc::new(StringArray::from_iter(values.into_iter().map(|value| match value {
            Some(Value::Text(value)) => Some(value),
            _ => None,
        }))),
    })
}
