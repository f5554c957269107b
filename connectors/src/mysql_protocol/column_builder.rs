//! The Arrow builders that servers' values go into, whatever protocol brings them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder,
    Float32Builder, Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, TimestampMicrosecondBuilder,
    UInt8Builder, UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow::datatypes::DataType;

use super::text_builder::{CheckedText, TextBuilder};

/// One Arrow builder, chosen once per column: of every type that a server's values are read as.
#[derive(Debug)]
pub(crate) enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt8(UInt8Builder),
    UInt16(UInt16Builder),
    UInt32(UInt32Builder),
    UInt64(UInt64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal128(Decimal128Builder),
    Decimal256(Decimal256Builder),
    Date(Date32Builder),
    DateTime(TimestampMicrosecondBuilder),
    Text(TextBuilder),
    Bytes(BinaryBuilder),
}

macro_rules! each_builder {
    ($self:expr, $builder:ident => $body:expr, $text:ident => $text_body:expr) => {
        match $self {
            ColumnBuilder::Boolean($builder) => $body,
            ColumnBuilder::Int8($builder) => $body,
            ColumnBuilder::Int16($builder) => $body,
            ColumnBuilder::Int32($builder) => $body,
            ColumnBuilder::Int64($builder) => $body,
            ColumnBuilder::UInt8($builder) => $body,
            ColumnBuilder::UInt16($builder) => $body,
            ColumnBuilder::UInt32($builder) => $body,
            ColumnBuilder::UInt64($builder) => $body,
            ColumnBuilder::Float32($builder) => $body,
            ColumnBuilder::Float64($builder) => $body,
            ColumnBuilder::Decimal128($builder) => $body,
            ColumnBuilder::Decimal256($builder) => $body,
            ColumnBuilder::Date($builder) => $body,
            ColumnBuilder::DateTime($builder) => $body,
            ColumnBuilder::Bytes($builder) => $body,
            ColumnBuilder::Text($text) => $text_body,
        }
    };
}

impl ColumnBuilder {
    /// A builder of a type; of any other than those above it is one of text.
    pub(crate) fn new(data_type: &DataType) -> Self {
        Self::with_capacity(data_type, 0, 0)
    }

    /// A builder with memory for so many values, and for so many bytes of them where they have no fixed size.
    fn with_capacity(data_type: &DataType, rows: usize, bytes: usize) -> Self {
        match data_type.clone() {
            DataType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            DataType::Int8 => Self::Int8(Int8Builder::with_capacity(rows)),
            DataType::Int16 => Self::Int16(Int16Builder::with_capacity(rows)),
            DataType::Int32 => Self::Int32(Int32Builder::with_capacity(rows)),
            DataType::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            DataType::UInt8 => Self::UInt8(UInt8Builder::with_capacity(rows)),
            DataType::UInt16 => Self::UInt16(UInt16Builder::with_capacity(rows)),
            DataType::UInt32 => Self::UInt32(UInt32Builder::with_capacity(rows)),
            DataType::UInt64 => Self::UInt64(UInt64Builder::with_capacity(rows)),
            DataType::Float32 => Self::Float32(Float32Builder::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Float64Builder::with_capacity(rows)),
            decimal @ DataType::Decimal128(..) => {
                Self::Decimal128(Decimal128Builder::with_capacity(rows).with_data_type(decimal))
            }
            decimal @ DataType::Decimal256(..) => {
                Self::Decimal256(Decimal256Builder::with_capacity(rows).with_data_type(decimal))
            }
            DataType::Date32 => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Timestamp(..) => Self::DateTime(TimestampMicrosecondBuilder::with_capacity(rows)),
            DataType::Binary => Self::Bytes(BinaryBuilder::with_capacity(rows, bytes)),
            _ => Self::Text(TextBuilder::new()),
        }
    }

    /// Appends NULL.
    pub(crate) fn append_null(&mut self) {
        each_builder!(self, builder => builder.append_null(), text => text.append_null());
    }

    /// The values so far, and which rows of a column of text are none; the next ones begin another array.
    pub(crate) fn finish(&mut self) -> CheckedText {
        let bytes = if let Self::Bytes(builder) = self { builder.values_slice().len() } else { 0 };
        let array =
            each_builder!(self, builder => Arc::new(builder.finish()) as ArrayRef, text => return text.finish());
        // The next batch is most often as large as this one.
        *self = Self::with_capacity(array.data_type(), array.len(), bytes + bytes / 8);
        (array, Vec::new())
    }
}
