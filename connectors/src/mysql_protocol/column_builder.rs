//! The Arrow builders that servers' values go into, whatever protocol brings them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
    UInt8Builder, UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow::datatypes::DataType;

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
    Text(StringBuilder),
    Bytes(BinaryBuilder),
}

macro_rules! each_builder {
    ($self:expr, $builder:ident => $body:expr) => {
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
            ColumnBuilder::Text($builder) => $body,
            ColumnBuilder::Bytes($builder) => $body,
        }
    };
}

impl ColumnBuilder {
    /// A builder of a type; of any other than those above it is one of text.
    pub(crate) fn new(data_type: &DataType) -> Self {
        match data_type.clone() {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int8 => Self::Int8(Int8Builder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::UInt8 => Self::UInt8(UInt8Builder::new()),
            DataType::UInt16 => Self::UInt16(UInt16Builder::new()),
            DataType::UInt32 => Self::UInt32(UInt32Builder::new()),
            DataType::UInt64 => Self::UInt64(UInt64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            decimal @ DataType::Decimal128(..) => Self::Decimal128(Decimal128Builder::new().with_data_type(decimal)),
            decimal @ DataType::Decimal256(..) => Self::Decimal256(Decimal256Builder::new().with_data_type(decimal)),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(..) => Self::DateTime(TimestampMicrosecondBuilder::new()),
            DataType::Binary => Self::Bytes(BinaryBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Appends NULL.
    pub(crate) fn append_null(&mut self) {
        each_builder!(self, builder => builder.append_null());
    }

    /// The values so far; the next ones begin another array.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        each_builder!(self, builder => Arc::new(builder.finish()) as ArrayRef)
    }
}
