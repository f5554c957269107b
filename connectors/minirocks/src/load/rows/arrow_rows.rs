//! Arrow batches as rows of a load. Columns are found by name; one that is missing is NULL (StarRocks: `arrow_scanner.cpp`,
//! `arrow_to_starrocks_converter.cpp`).

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type, TimeUnit};
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::{RowLoader, batch_row, checks_null, lossy};
use crate::error::{Error, Result};
use crate::load::columns::{Operation, Source};
use crate::load::computed::{is_deletion, null_reason, operation_reason};
use crate::types::{ColumnType, Value};

impl RowLoader {
    /// Takes the rows of a batch. Timestamps with a zone are written in `zone`.
    pub(in crate::load) fn arrow_batch(&mut self, batch: &RecordBatch, zone: &TimeZone) -> Result<()> {
        for field in batch.schema_ref().fields() {
            check_type(field.name(), field.data_type())?;
        }
        let columns: Vec<Option<&dyn Array>> =
            self.mapping.fields.iter().map(|name| column(batch, name).map(AsRef::as_ref)).collect();
        let bytes = batch.get_array_memory_size() / batch.num_rows().max(1);
        for row in 0..batch.num_rows() {
            self.arrow_row(&columns, row, zone, bytes, || batch_row(batch, row))?;
        }
        Ok(())
    }

    fn arrow_row(
        &mut self,
        columns: &[Option<&dyn Array>],
        row: usize,
        zone: &TimeZone,
        bytes: usize,
        printed: impl FnOnce() -> String,
    ) -> Result<()> {
        self.counts.total += 1;
        let mut reason = None;
        let text = |field: usize| columns.get(field).copied().flatten().and_then(|array| text(array, row, zone));
        self.texts.append(text);
        if let Operation::Field(field) = self.mapping.operation {
            let written = text(field).unwrap_or_default();
            let deletes = is_deletion(written.as_bytes());
            if deletes.is_none() {
                reason = Some(operation_reason(&written));
            }
            self.deleted.push(deletes == Some(true));
        }
        for (index, builder) in self.builders.iter_mut().enumerate() {
            let column = &self.definition.columns[index];
            let value = match &self.mapping.sources[index] {
                Source::Constant(value) => Some(value.clone()),
                Source::Computed(_) => Some(Value::Null),
                Source::Field(field) => match columns.get(*field).copied().flatten() {
                    None => Some(Value::Null),
                    Some(array) => {
                        let value = value(&column.column_type, array, row, zone, self.strict);
                        if value.is_none() && self.strict && reason.is_none() {
                            reason = Some(format!(
                                "Value '{}' is out of range. The type of '{}' is {}",
                                lossy(text(*field).unwrap_or_default().as_bytes()),
                                column.name,
                                column.column_type.backend_text()
                            ));
                        }
                        value
                    }
                },
            };
            let value = value.unwrap_or(Value::Null);
            if builder.append(&value).is_err() {
                builder.append_null();
            }
            if value == Value::Null && reason.is_none() && checks_null(&self.definition, &self.mapping, index) {
                reason = Some(null_reason(&column.name));
            }
        }
        self.end_row(reason, bytes, printed)
    }
}

/// A column by its name, whatever the case.
fn column<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a arrow::array::ArrayRef> {
    let fields = batch.schema_ref().fields();
    let found = fields.iter().position(|field| field.name().eq_ignore_ascii_case(name))?;
    Some(batch.column(found))
}

/// Refuses types that StarRocks has no converter for.
fn check_type(name: &str, data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Dictionary(..)
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..) => {
            Err(Error::backend(format!("column {name}: arrow type {data_type} is not supported, cast it first")))
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            check_type(name, item.data_type())
        }
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_type(name, field.data_type())),
        DataType::Map(entries, _) => check_type(name, entries.data_type()),
        _ => Ok(()),
    }
}

/// The value in a column of this type; `None` if it is no value of the type.
fn value(column_type: &ColumnType, array: &dyn Array, row: usize, zone: &TimeZone, strict: bool) -> Option<Value> {
    if array.is_null(row) {
        return Some(Value::Null);
    }
    let member =
        |column_type: &ColumnType, array: &dyn Array, row: usize| match value(column_type, array, row, zone, strict) {
            None if !strict => Some(Value::Null),
            value => value,
        };
    let items = |item: &ColumnType, values: &dyn Array| {
        (0..values.len()).map(|row| member(item, values, row)).collect::<Option<_>>().map(Value::List)
    };
    match (column_type, array.data_type()) {
        (ColumnType::VarBinary, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
            Some(Value::Binary(bytes(array, row)?))
        }
        (ColumnType::VarBinary, DataType::FixedSizeBinary(_)) => Some(Value::Binary(bytes(array, row)?)),
        (ColumnType::VarBinary, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            Some(Value::Binary(text(array, row, zone)?.into_bytes()))
        }
        (ColumnType::Array(item), DataType::List(_)) => items(item, array.as_list::<i32>().value(row).as_ref()),
        (ColumnType::Array(item), DataType::LargeList(_)) => items(item, array.as_list::<i64>().value(row).as_ref()),
        (ColumnType::Array(item), DataType::FixedSizeList(..)) => {
            items(item, array.as_fixed_size_list().value(row).as_ref())
        }
        (ColumnType::Map(key, item), DataType::Map(..)) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            (0..entries.len())
                .map(|row| Some((member(key, keys.as_ref(), row)?, member(item, values.as_ref(), row)?)))
                .collect::<Option<_>>()
                .map(Value::Map)
        }
        (ColumnType::Struct(fields), DataType::Struct(_)) => {
            let entries = array.as_struct();
            fields
                .iter()
                .map(|field| match entries.column_by_name(&field.name) {
                    Some(values) => member(&field.column_type, values.as_ref(), row),
                    None => Some(Value::Null),
                })
                .collect::<Option<_>>()
                .map(Value::Struct)
        }
        (ColumnType::Json, data_type) if data_type.is_nested() => {
            let json: Json = serde_json::from_str(&text(array, row, zone)?).ok()?;
            Value::from_json(column_type, &json, strict)
        }
        (_, DataType::Boolean) => Value::from_json(column_type, &Json::Bool(array.as_boolean().value(row)), strict),
        (_, data_type) if data_type.is_integer() || data_type.is_floating() => number(column_type, array, row, strict),
        (_, data_type) if data_type.is_nested() && !is_text(column_type) => None,
        _ => Value::from_text(column_type, text(array, row, zone)?.as_bytes(), strict),
    }
}

fn is_text(column_type: &ColumnType) -> bool {
    matches!(column_type, ColumnType::Char(_) | ColumnType::Varchar(_))
}

/// A number keeps its value where the column can hold it; infinities and NaN are the text of them.
fn number(column_type: &ColumnType, array: &dyn Array, row: usize, strict: bool) -> Option<Value> {
    let double = match array.data_type() {
        DataType::Float16 => Some(f64::from(array.as_primitive::<Float16Type>().value(row))),
        DataType::Float32 => Some(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(row)),
        _ => None,
    };
    let printed = || arrow::util::display::array_value_to_string(array, row).ok();
    match double {
        Some(double) if matches!(column_type, ColumnType::Double) => Some(Value::Float(double)),
        Some(double) if double.is_finite() && !is_text(column_type) => {
            Value::from_json(column_type, &Json::from(double), strict)
        }
        Some(_) => Value::from_text(column_type, printed()?.as_bytes(), strict),
        None => Value::from_json(column_type, &serde_json::from_str(&printed()?).ok()?, strict),
    }
}

fn bytes(array: &dyn Array, row: usize) -> Option<Vec<u8>> {
    Some(match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().value(row).to_vec(),
        DataType::LargeBinary => array.as_binary::<i64>().value(row).to_vec(),
        DataType::BinaryView => array.as_binary_view().value(row).to_vec(),
        DataType::FixedSizeBinary(_) => array.as_fixed_size_binary().value(row).to_vec(),
        _ => return None,
    })
}

/// The text that CSV would have for a value; `None` for NULL and for bytes that are no text.
fn text(array: &dyn Array, row: usize, zone: &TimeZone) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Some(array.as_string_view().value(row).to_owned()),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            String::from_utf8(bytes(array, row)?).ok()
        }
        DataType::Timestamp(unit, own_zone) => timestamp(array, row, *unit, own_zone.is_some(), zone),
        DataType::Date64 => {
            let days = arrow::compute::cast(&array.slice(row, 1), &DataType::Date32).ok()?;
            text(days.as_ref(), 0, zone)
        }
        data_type if data_type.is_nested() => nested_text(array, row),
        _ => arrow::util::display::array_value_to_string(array, row).ok(),
    }
}

/// A timestamp with a zone is a moment and written in the load's zone; one without is what a clock has shown.
fn timestamp(array: &dyn Array, row: usize, unit: TimeUnit, is_moment: bool, zone: &TimeZone) -> Option<String> {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let plain = arrow::compute::cast(&array.slice(row, 1), &DataType::Int64).ok()?;
    let plain = arrow::compute::cast(&plain, &DataType::Timestamp(unit, None)).ok()?;
    let plain = arrow::compute::cast(&plain, &micros).ok()?;
    let micros = plain.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    let moment = Timestamp::from_microsecond((!micros.is_null(0)).then(|| micros.value(0))?).ok()?;
    let zone = if is_moment { zone.clone() } else { TimeZone::UTC };
    Some(moment.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

/// The JSON of a nested value.
fn nested_text(array: &dyn Array, row: usize) -> Option<String> {
    let field = arrow::datatypes::Field::new("v", array.data_type().clone(), true);
    let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(vec![field]));
    let one = RecordBatch::try_new(schema, vec![array.slice(row, 1)]).ok()?;
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    writer.write(&one).ok()?;
    writer.finish().ok()?;
    let rows: Json = serde_json::from_slice(&writer.into_inner()).ok()?;
    rows.get(0)?.get("v").map(Json::to_string)
}
