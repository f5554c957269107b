//! Records of JSON: an object per line.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow::datatypes::{DataType, Fields};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::columns::Column;
use super::json::{Kind, NoJson, Tape, Value};
use super::reader::ReadPlan;
use super::records::{BadRecord, Dropped, OnBad, Outcome, RecordLine, zone_of};
use super::rows::shown;
use super::scalar::{Scalar, in_range};
use super::spark_values::SparkTexts;
use super::syntax::JsonSyntax;
use super::values::{self, ValueRules};

/// Reads the records of one file.
pub(super) struct JsonRecords {
    tape: Tape,
    columns: JsonColumns,
    on_bad: OnBad,
    pub(super) dropped: Dropped,
}

/// The table's columns, by the keys of an object.
struct JsonColumns {
    /// All of the table.
    columns: Vec<(String, DataType)>,
    /// Which of them are wanted.
    projection: Vec<usize>,
    by_name: HashMap<String, usize>,
    by_lower_case: HashMap<String, usize>,
    rules: JsonRules,
}

/// How JSON becomes values.
struct JsonRules {
    rules: ValueRules,
    texts: SparkTexts,
}

impl JsonRecords {
    pub(super) fn new(plan: &ReadPlan, syntax: &JsonSyntax) -> Self {
        let columns = &plan.options.columns;
        let names = |name: fn(&str) -> String| {
            columns.iter().enumerate().map(|(index, (column, _))| (name(column), index)).collect::<HashMap<_, _>>()
        };
        Self {
            tape: Tape::default(),
            columns: JsonColumns {
                by_name: names(str::to_owned),
                by_lower_case: names(str::to_lowercase),
                columns: columns.clone(),
                projection: plan.projection.clone(),
                rules: JsonRules {
                    rules: plan.options.values,
                    texts: SparkTexts {
                        date: syntax.date_format.clone(),
                        timestamp: syntax.timestamp_format.clone(),
                        zone: zone_of(&plan.options),
                    },
                },
            },
            on_bad: OnBad::of(&plan.options),
            dropped: Dropped::default(),
        }
    }

    pub(super) fn read(&mut self, line: RecordLine<'_>, columns: &mut [Column]) -> Outcome {
        let bad = |reason: String| BadRecord {
            line: line.number,
            value: Some(shown(line.text.as_bytes())),
            reason,
            ..BadRecord::default()
        };
        let (value, rest) = match self.tape.read(line.text) {
            Ok(None) => return Outcome::Nothing,
            Ok(Some((value, end))) => (value, &line.text[end..]),
            Err(NoJson { at }) => {
                return match self.on_bad {
                    OnBad::Null => null_row(columns, line.number),
                    OnBad::Drop => self.dropped.add(line.number),
                    _ => Outcome::Bad(bad(format!("is no JSON from its byte {at} on"))),
                };
            }
        };
        let is_object = |value: &Value<'_>| value.kind() == Kind::Object;
        // an array of objects is as many rows
        let objects: Vec<Value<'_>> = match value.kind() {
            Kind::Array if value.items().all(|item| is_object(&item)) => value.items().collect(),
            _ => vec![value],
        };
        let strange = objects.iter().any(|value| !is_object(value) && value.kind() != Kind::Null);
        let problem = match self.on_bad {
            OnBad::Null => None,
            _ if strange => Some(bad("is JSON, but no object".to_owned())),
            OnBad::Refuse | OnBad::RefuseValues if !rest.trim().is_empty() => {
                Some(bad("has something behind its JSON".to_owned()))
            }
            _ => objects.iter().find_map(|object| {
                let (column, value, data_type) = self.columns.bad_value(*object)?;
                let reason = format!("is not exactly a value of type {data_type}");
                Some(BadRecord { column: Some(column), value: Some(value), ..bad(reason) })
            }),
        };
        match problem {
            Some(_) if self.on_bad == OnBad::Drop => return self.dropped.add(line.number),
            Some(bad) => return Outcome::Bad(bad),
            None => {}
        }
        let count = objects.len();
        for object in objects {
            self.columns.append(object, columns);
        }
        match count {
            0 => Outcome::Nothing,
            _ => Outcome::Rows { count, line: line.number, more: false },
        }
    }
}

fn null_row(columns: &mut [Column], line: u64) -> Outcome {
    for column in columns {
        column.append_null();
    }
    Outcome::Rows { count: 1, line, more: false }
}

impl JsonColumns {
    /// The value of each column in an object, if it has one. Of several the last with exactly the column's name counts; without one,
    /// the only key that is the same but for letter case.
    fn values<'a>(&self, object: Value<'a>) -> Vec<Option<Value<'a>>> {
        let mut found = vec![Found::Nothing; self.columns.len()];
        if object.kind() == Kind::Object {
            for (key, value) in object.entries() {
                if let Some(index) = self.by_name.get(key.as_ref()) {
                    found[*index].take(true, key, value);
                } else if let Some(index) = self.by_lower_case.get(&key.to_lowercase()) {
                    found[*index].take(false, key, value);
                }
            }
        }
        found.into_iter().map(Found::value).collect()
    }

    fn append(&self, object: Value<'_>, columns: &mut [Column]) {
        let values = self.values(object);
        for (column, index) in columns.iter_mut().zip(&self.projection) {
            match (values.get(*index).copied().flatten(), self.columns.get(*index)) {
                (Some(value), Some((_, data_type))) => self.rules.append(value, data_type, column),
                _ => column.append_null(),
            }
        }
    }

    /// The first column whose value is none of its type.
    fn bad_value(&self, object: Value<'_>) -> Option<(String, String, DataType)> {
        let values = self.values(object);
        self.columns.iter().zip(values).find_map(|((name, data_type), value)| {
            let value = value?;
            if self.rules.is_exact(value, data_type) {
                return None;
            }
            let mut text = String::new();
            value.write(&mut text);
            Some((name.clone(), shown(text.as_bytes()), data_type.clone()))
        })
    }
}

/// What an object has for a column.
#[derive(Debug, Clone)]
enum Found<'a> {
    Nothing,
    /// A key of exactly the name.
    Exact(Value<'a>),
    /// One spelling of the name in another letter case.
    Folded(Cow<'a, str>, Value<'a>),
    /// Several spellings.
    Ambiguous,
}

impl<'a> Found<'a> {
    fn take(&mut self, is_exact: bool, key: Cow<'a, str>, value: Value<'a>) {
        let found = std::mem::replace(self, Self::Nothing);
        *self = match found {
            _ if is_exact => Self::Exact(value),
            Self::Nothing => Self::Folded(key, value),
            Self::Folded(known, _) if known == key => Self::Folded(key, value),
            Self::Folded(..) | Self::Ambiguous => Self::Ambiguous,
            exact @ Self::Exact(_) => exact,
        };
    }

    fn value(self) -> Option<Value<'a>> {
        match self {
            Self::Exact(value) | Self::Folded(_, value) => Some(value),
            Self::Nothing | Self::Ambiguous => None,
        }
    }
}

impl JsonRules {
    fn append(&self, value: Value<'_>, data_type: &DataType, column: &mut Column) {
        match (column, data_type) {
            (column, _) if value.kind() == Kind::Null => column.append_null(),
            // Spark's are NULL as a whole if an item is no value, Hive's have a NULL in its place
            (column, _) if data_type.is_nested() && !self.fits(value, data_type) => column.append_null(),
            (Column::List(list), DataType::List(item)) => {
                for value in value.items() {
                    self.append(value, item.data_type(), &mut list.items);
                }
                list.end_row(true);
            }
            (Column::Map(map), DataType::Map(entries, _)) => {
                if let Some((key_type, value_type)) = entry_types(entries.data_type()) {
                    // of two values of one key the last counts
                    let mut order: Vec<(Scalar<'_>, Value<'_>)> = Vec::new();
                    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
                    for (key, value) in value.entries() {
                        let Some(key) = self.key(&key, key_type) else { continue };
                        match places.get(&key.identity()) {
                            Some(place) => order[*place].1 = value,
                            None => {
                                places.insert(key.identity(), order.len());
                                order.push((key, value));
                            }
                        }
                    }
                    for (key, value) in order {
                        map.keys.append_scalar(Some(key));
                        self.append(value, value_type, &mut map.values);
                    }
                }
                map.end_row(true);
            }
            (Column::Struct(structure), DataType::Struct(fields)) => {
                for (column, (value, field)) in structure.columns.iter_mut().zip(fields_of(value, fields).zip(fields)) {
                    match value {
                        Some(value) => self.append(value, field.data_type(), column),
                        None => column.append_null(),
                    }
                }
                structure.end_row(true);
            }
            (column, _) => column.append_scalar(self.scalar(value, data_type)),
        }
    }

    /// Whether a value makes an ARRAY, MAP or STRUCT, rather than NULL.
    fn fits(&self, value: Value<'_>, data_type: &DataType) -> bool {
        let is_strict = self.rules == ValueRules::Spark;
        match (data_type, value.kind()) {
            (_, Kind::Null) => true,
            (DataType::List(item), Kind::Array) => {
                !is_strict || value.items().all(|value| self.fits(value, item.data_type()))
            }
            (DataType::Map(entries, _), Kind::Object) => {
                let Some((_, value_type)) = entry_types(entries.data_type()) else { return false };
                !is_strict || value.entries().all(|(_, value)| self.fits(value, value_type))
            }
            (DataType::Struct(_), Kind::Object) => true,
            (nested, _) if nested.is_nested() => false,
            _ => self.scalar(value, data_type).is_some(),
        }
    }

    /// Whether nothing of a value would be lost.
    fn is_exact(&self, value: Value<'_>, data_type: &DataType) -> bool {
        match (data_type, value.kind()) {
            (_, Kind::Null) => true,
            (DataType::List(item), Kind::Array) => value.items().all(|value| self.is_exact(value, item.data_type())),
            (DataType::Map(entries, _), Kind::Object) => {
                let Some((key_type, value_type)) = entry_types(entries.data_type()) else { return false };
                value
                    .entries()
                    .all(|(key, value)| self.key(&key, key_type).is_some() && self.is_exact(value, value_type))
            }
            (DataType::Struct(fields), Kind::Object) => fields_of(value, fields)
                .zip(fields)
                .all(|(value, field)| value.is_none_or(|value| self.is_exact(value, field.data_type()))),
            (nested, _) if nested.is_nested() => false,
            _ if self.scalar(value, data_type).is_none() => false,
            // a fraction that is cut
            (
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Timestamp(..) | DataType::Date32,
                _,
            ) => true,
            _ => self.rules == ValueRules::Spark || values::is_exact(data_type, value.text().as_bytes()),
        }
    }

    fn key(&self, key: &str, data_type: &DataType) -> Option<Scalar<'static>> {
        let key = match self.rules {
            ValueRules::Spark => self.texts.value(data_type, key),
            ValueRules::Hive => Scalar::from_hive(data_type, key.as_bytes()),
        };
        key.map(Scalar::into_owned)
    }

    /// A value of a simple type; None if it is none.
    fn scalar<'a>(&self, value: Value<'a>, data_type: &DataType) -> Option<Scalar<'a>> {
        let is_text = matches!(value.kind(), Kind::Text | Kind::EscapedText);
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if is_text => Some(Scalar::Text(value.text())),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let mut text = String::new();
                value.write(&mut text);
                Some(Scalar::Text(Cow::Owned(text)))
            }
            DataType::Binary if is_text => {
                let plain: Vec<u8> = value.text().bytes().filter(|byte| *byte > b' ').collect();
                BASE64_STANDARD.decode(plain).ok().map(|bytes| Scalar::Bytes(Cow::Owned(bytes)))
            }
            _ if matches!(value.kind(), Kind::Array | Kind::Object) => None,
            _ if self.rules == ValueRules::Spark => self.sparks(value, data_type, is_text),
            // numbers in quotes are numbers
            _ => self.lenient(&value.text(), data_type),
        }
    }

    /// A number is not a text in Spark, nor the other way round.
    fn sparks<'a>(&self, value: Value<'a>, data_type: &DataType, is_text: bool) -> Option<Scalar<'a>> {
        let written = value.written();
        let is_number = matches!(value.kind(), Kind::Integer | Kind::Decimal);
        match data_type {
            DataType::Boolean => match value.kind() {
                Kind::True => Some(Scalar::Boolean(true)),
                Kind::False => Some(Scalar::Boolean(false)),
                _ => None,
            },
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 if value.kind() == Kind::Integer => {
                Some(Scalar::Integer(in_range(data_type, written.parse().ok()?)?))
            }
            DataType::Float32 | DataType::Float64 if is_number => self.texts.value(data_type, written),
            DataType::Float32 => not_a_number(&value.text()).map(|number| Scalar::Float32(number as f32)),
            DataType::Float64 => not_a_number(&value.text()).map(Scalar::Float64),
            DataType::Decimal128(..) if is_number || is_text => {
                self.texts.value(data_type, &value.text()).map(Scalar::into_owned)
            }
            DataType::Timestamp(unit, None) if value.kind() == Kind::Integer => {
                self.texts.seconds_since_epoch(written.parse().ok()?, *unit).map(Scalar::Timestamp)
            }
            DataType::Date32 | DataType::Timestamp(..) if is_text => {
                self.texts.value(data_type, &value.text()).map(Scalar::into_owned)
            }
            _ => None,
        }
    }

    fn lenient<'a>(&self, text: &str, data_type: &DataType) -> Option<Scalar<'a>> {
        let has_pattern = match data_type {
            DataType::Date32 => self.texts.date.is_some(),
            DataType::Timestamp(..) => self.texts.timestamp.is_some(),
            _ => false,
        };
        let hive = if has_pattern { None } else { Scalar::from_hive(data_type, text.as_bytes()) };
        let value = match data_type {
            DataType::Date32 | DataType::Timestamp(..) => hive.or_else(|| self.texts.value(data_type, text)),
            _ => hive,
        };
        value.map(Scalar::into_owned)
    }
}

fn not_a_number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" | "INF" | "+INF" => Some(f64::INFINITY),
        "-Infinity" | "-INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn entry_types(entries: &DataType) -> Option<(&DataType, &DataType)> {
    match entries {
        DataType::Struct(fields) => match fields.as_ref() {
            [key, value] => Some((key.data_type(), value.data_type())),
            _ => None,
        },
        _ => None,
    }
}

/// The value of each field of a STRUCT, found as columns are.
fn fields_of<'a>(object: Value<'a>, fields: &Fields) -> impl Iterator<Item = Option<Value<'a>>> {
    let mut found = vec![Found::Nothing; fields.len()];
    for (key, value) in object.entries() {
        if let Some(index) = fields.iter().position(|field| *field.name() == key) {
            found[index].take(true, key, value);
        } else if let Some(index) = fields.iter().position(|field| field.name().to_lowercase() == key.to_lowercase()) {
            found[index].take(false, key, value);
        }
    }
    found.into_iter().map(Found::value)
}
