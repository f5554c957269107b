//! Building a column's Arrow array value by value.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, ListArray, MapArray, NullBufferBuilder,
    StringBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, i256};

use super::value::{Value, fits_float};
use super::{ColumnType, LARGEINT_DIGITS, text};
use crate::error::{Error, Result};

/// Collects the values of one column.
#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    column_type: ColumnType,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Boolean(BooleanBuilder),
    TinyInt(Int8Builder),
    SmallInt(Int16Builder),
    Int(Int32Builder),
    BigInt(Int64Builder),
    LargeInt(Decimal256Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder),
    Date(Date32Builder),
    DateTime(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    List { lengths: Vec<usize>, nulls: NullBufferBuilder, items: Box<ColumnBuilder> },
    Map { lengths: Vec<usize>, nulls: NullBufferBuilder, keys: Box<ColumnBuilder>, values: Box<ColumnBuilder> },
    Struct { rows: usize, nulls: NullBufferBuilder, fields: Vec<ColumnBuilder> },
}

/// The text is no value of the column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Invalid;

impl ColumnBuilder {
    /// An empty column.
    pub(crate) fn new(column_type: &ColumnType) -> Self {
        let nulls = || NullBufferBuilder::new(0);
        let child = |column_type: &ColumnType| Box::new(Self::new(column_type));
        let values = match column_type {
            ColumnType::Boolean => Values::Boolean(BooleanBuilder::new()),
            ColumnType::TinyInt => Values::TinyInt(Int8Builder::new()),
            ColumnType::SmallInt => Values::SmallInt(Int16Builder::new()),
            ColumnType::Int => Values::Int(Int32Builder::new()),
            ColumnType::BigInt => Values::BigInt(Int64Builder::new()),
            ColumnType::LargeInt => {
                Values::LargeInt(Decimal256Builder::new().with_data_type(DataType::Decimal256(LARGEINT_DIGITS, 0)))
            }
            ColumnType::Float => Values::Float(Float32Builder::new()),
            ColumnType::Double => Values::Double(Float64Builder::new()),
            ColumnType::Decimal { .. } => {
                Values::Decimal(Decimal128Builder::new().with_data_type(column_type.arrow_type()))
            }
            ColumnType::Date => Values::Date(Date32Builder::new()),
            ColumnType::DateTime => Values::DateTime(TimestampMicrosecondBuilder::new()),
            ColumnType::Char(_) | ColumnType::Varchar(_) | ColumnType::Json => Values::Text(StringBuilder::new()),
            ColumnType::VarBinary => Values::Binary(BinaryBuilder::new()),
            ColumnType::Array(item) => Values::List { lengths: Vec::new(), nulls: nulls(), items: child(item) },
            ColumnType::Map(key, value) => {
                Values::Map { lengths: Vec::new(), nulls: nulls(), keys: child(key), values: child(value) }
            }
            ColumnType::Struct(fields) => Values::Struct {
                rows: 0,
                nulls: nulls(),
                fields: fields.iter().map(|f| Self::new(&f.column_type)).collect(),
            },
        };
        Self { column_type: column_type.clone(), values }
    }

    /// Appends what CSV text stands for. On an error nothing is appended. The text must be UTF-8 where the column is text.
    pub(crate) fn append_text(&mut self, bytes: &[u8], strict: bool) -> std::result::Result<(), Invalid> {
        // The common types skip the detour over `Value`, which owns its text.
        match (&mut self.values, &self.column_type) {
            (Values::Text(builder), ColumnType::Char(length) | ColumnType::Varchar(length)) => {
                if bytes.len() > *length as usize {
                    return Err(Invalid);
                }
                builder.append_value(std::str::from_utf8(bytes).map_err(|_| Invalid)?);
            }
            (Values::Double(builder), _) => builder.append_value(text::float(bytes).ok_or(Invalid)?),
            (Values::Date(builder), _) => builder.append_value(text::date(bytes).ok_or(Invalid)?),
            (Values::DateTime(builder), _) => builder.append_value(text::datetime(bytes).ok_or(Invalid)?),
            (Values::Float(builder), _) => {
                let value = text::float(bytes).filter(|v| fits_float(*v)).ok_or(Invalid)?;
                builder.append_value(narrow(value));
            }
            (_, column_type) => {
                let value = Value::from_text(column_type, bytes, strict).ok_or(Invalid)?;
                self.append(&value)?;
            }
        }
        Ok(())
    }

    /// Appends a value of the column's type.
    pub(crate) fn append(&mut self, value: &Value) -> std::result::Result<(), Invalid> {
        match (&mut self.values, value) {
            (_, Value::Null) => self.append_null(),
            (Values::Boolean(builder), Value::Boolean(value)) => builder.append_value(*value),
            (Values::TinyInt(builder), Value::Integer(v)) => {
                builder.append_value((*v).try_into().map_err(|_| Invalid)?)
            }
            (Values::SmallInt(builder), Value::Integer(v)) => {
                builder.append_value((*v).try_into().map_err(|_| Invalid)?);
            }
            (Values::Int(builder), Value::Integer(v)) => builder.append_value((*v).try_into().map_err(|_| Invalid)?),
            (Values::BigInt(builder), Value::Integer(v)) => builder.append_value((*v).try_into().map_err(|_| Invalid)?),
            (Values::LargeInt(builder), Value::Integer(v)) => builder.append_value(i256::from_i128(*v)),
            (Values::Decimal(builder), Value::Integer(v)) => builder.append_value(*v),
            (Values::Float(builder), Value::Float(v)) => builder.append_value(narrow(*v)),
            (Values::Double(builder), Value::Float(v)) => builder.append_value(*v),
            (Values::Date(builder), Value::Date(v)) => builder.append_value(*v),
            (Values::DateTime(builder), Value::DateTime(v)) => builder.append_value(*v),
            (Values::Text(builder), Value::Text(v)) => builder.append_value(v),
            (Values::Binary(builder), Value::Binary(v)) => builder.append_value(v),
            (Values::List { lengths, nulls, items }, Value::List(values)) => {
                for value in values {
                    items.append(value)?;
                }
                lengths.push(values.len());
                nulls.append_non_null();
            }
            (Values::Map { lengths, nulls, keys, values }, Value::Map(entries)) => {
                for (key, value) in entries {
                    keys.append(key)?;
                    values.append(value)?;
                }
                lengths.push(entries.len());
                nulls.append_non_null();
            }
            (Values::Struct { rows, nulls, fields }, Value::Struct(values)) => {
                for (field, value) in fields.iter_mut().zip(values) {
                    field.append(value)?;
                }
                *rows += 1;
                nulls.append_non_null();
            }
            _ => return Err(Invalid),
        }
        Ok(())
    }

    /// Appends NULL.
    pub(crate) fn append_null(&mut self) {
        match &mut self.values {
            Values::Boolean(builder) => builder.append_null(),
            Values::TinyInt(builder) => builder.append_null(),
            Values::SmallInt(builder) => builder.append_null(),
            Values::Int(builder) => builder.append_null(),
            Values::BigInt(builder) => builder.append_null(),
            Values::LargeInt(builder) => builder.append_null(),
            Values::Float(builder) => builder.append_null(),
            Values::Double(builder) => builder.append_null(),
            Values::Decimal(builder) => builder.append_null(),
            Values::Date(builder) => builder.append_null(),
            Values::DateTime(builder) => builder.append_null(),
            Values::Text(builder) => builder.append_null(),
            Values::Binary(builder) => builder.append_null(),
            Values::List { lengths, nulls, .. } | Values::Map { lengths, nulls, .. } => {
                lengths.push(0);
                nulls.append_null();
            }
            Values::Struct { rows, nulls, fields } => {
                fields.iter_mut().for_each(Self::append_null);
                *rows += 1;
                nulls.append_null();
            }
        }
    }

    /// The array; the builder is empty again.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match &mut self.values {
            Values::Boolean(builder) => Arc::new(builder.finish()),
            Values::TinyInt(builder) => Arc::new(builder.finish()),
            Values::SmallInt(builder) => Arc::new(builder.finish()),
            Values::Int(builder) => Arc::new(builder.finish()),
            Values::BigInt(builder) => Arc::new(builder.finish()),
            Values::LargeInt(builder) => Arc::new(builder.finish()),
            Values::Float(builder) => Arc::new(builder.finish()),
            Values::Double(builder) => Arc::new(builder.finish()),
            Values::Decimal(builder) => Arc::new(builder.finish()),
            Values::Date(builder) => Arc::new(builder.finish()),
            Values::DateTime(builder) => Arc::new(builder.finish()),
            Values::Text(builder) => Arc::new(builder.finish()),
            Values::Binary(builder) => Arc::new(builder.finish()),
            Values::List { lengths, nulls, items } => {
                let DataType::List(field) = self.column_type.arrow_type() else {
                    return Err(Error::invalid("an ARRAY column is not stored as a list"));
                };
                let offsets = OffsetBuffer::from_lengths(lengths.drain(..));
                Arc::new(ListArray::try_new(field, offsets, items.finish()?, nulls.finish())?)
            }
            Values::Map { lengths, nulls, keys, values } => {
                let DataType::Map(field, ordered) = self.column_type.arrow_type() else {
                    return Err(Error::invalid("a MAP column is not stored as a map"));
                };
                let DataType::Struct(fields) = field.data_type() else {
                    return Err(Error::invalid("a map's entries are not a struct"));
                };
                let entries = StructArray::try_new(fields.clone(), vec![keys.finish()?, values.finish()?], None)?;
                let offsets = OffsetBuffer::from_lengths(lengths.drain(..));
                Arc::new(MapArray::try_new(field, offsets, entries, nulls.finish(), ordered)?)
            }
            Values::Struct { rows, nulls, fields } => {
                let DataType::Struct(arrow_fields) = self.column_type.arrow_type() else {
                    return Err(Error::invalid("a STRUCT column is not stored as a struct"));
                };
                let columns = fields.iter_mut().map(Self::finish).collect::<Result<Vec<_>>>()?;
                let length = std::mem::take(rows);
                Arc::new(StructArray::try_new_with_length(arrow_fields, columns, nulls.finish(), length)?)
            }
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a FLOAT column keeps 32 bits; the range is checked by the reader")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// The array of one text value, in storage type; `None` if it is no value of the type.
pub(crate) fn single(column_type: &ColumnType, text: &str) -> Option<ArrayRef> {
    let mut builder = ColumnBuilder::new(column_type);
    builder.append_text(text.as_bytes(), true).ok()?;
    builder.finish().ok()
}
