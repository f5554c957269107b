//! ARRAY, MAP and STRUCT columns that are being filled.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, MapArray, NullBufferBuilder, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};

use super::columns::Column;
use crate::error::{ConnectorError, Result};

/// An ARRAY column: append items to [`items`](Self::items), then end the row.
pub(super) struct ListColumn {
    field: FieldRef,
    pub(super) items: Box<Column>,
    rows: Ends,
}

/// A MAP column: append as many keys as values, then end the row. Keys are never NULL.
pub(super) struct MapColumn {
    field: FieldRef,
    pub(super) keys: Box<Column>,
    pub(super) values: Box<Column>,
    rows: Ends,
}

/// A STRUCT column: append to each of [`columns`](Self::columns), then end the row.
pub(super) struct StructColumn {
    pub(super) fields: Fields,
    pub(super) columns: Vec<Column>,
    nulls: NullBufferBuilder,
}

/// Where rows end among their items, and which are NULL.
struct Ends {
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Ends {
    fn new() -> Self {
        Self { offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }

    /// Ends a row behind `items` items in all.
    fn push(&mut self, items: usize, is_valid: bool) {
        // A batch ends at a few megabytes of text, and an item takes a byte of it or more.
        self.offsets.push(i32::try_from(items).unwrap_or(i32::MAX));
        self.nulls.append(is_valid);
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Option<arrow::buffer::NullBuffer>) {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), self.nulls.finish())
    }
}

impl ListColumn {
    pub(super) fn new(name: &str, field: &FieldRef) -> Result<Self> {
        let items = Box::new(Column::new(name, field.data_type())?);
        Ok(Self { field: Arc::clone(field), items, rows: Ends::new() })
    }

    pub(super) fn end_row(&mut self, is_valid: bool) {
        self.rows.push(self.items.len(), is_valid);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.offsets.len() - 1
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (offsets, nulls) = self.rows.take();
        Arc::new(ListArray::new(Arc::clone(&self.field), offsets, self.items.finish(), nulls))
    }
}

impl MapColumn {
    pub(super) fn new(name: &str, field: &FieldRef) -> Result<Self> {
        let DataType::Struct(entries) = field.data_type() else {
            return Err(ConnectorError::internal("the entries of a map are no struct"));
        };
        let [key, value] = entries.as_ref() else {
            return Err(ConnectorError::internal("the entries of a map are no keys and values"));
        };
        let keys = Box::new(Column::new(name, key.data_type())?);
        let values = Box::new(Column::new(name, value.data_type())?);
        Ok(Self { field: Arc::clone(field), keys, values, rows: Ends::new() })
    }

    pub(super) fn end_row(&mut self, is_valid: bool) {
        self.rows.push(self.keys.len(), is_valid);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.offsets.len() - 1
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (offsets, nulls) = self.rows.take();
        let fields = match self.field.data_type() {
            DataType::Struct(fields) => fields.clone(),
            _ => Fields::empty(),
        };
        let entries = StructArray::new(fields, vec![self.keys.finish(), self.values.finish()], None);
        Arc::new(MapArray::new(Arc::clone(&self.field), offsets, entries, nulls, false))
    }
}

impl StructColumn {
    pub(super) fn new(name: &str, fields: &Fields) -> Result<Self> {
        let columns = fields.iter().map(|field| Column::new(name, field.data_type())).collect::<Result<_>>()?;
        Ok(Self { fields: fields.clone(), columns, nulls: NullBufferBuilder::new(0) })
    }

    pub(super) fn end_row(&mut self, is_valid: bool) {
        self.nulls.append(is_valid);
    }

    pub(super) fn append_null(&mut self) {
        for column in &mut self.columns {
            column.append_null();
        }
        self.nulls.append(false);
    }

    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let columns = self.columns.iter_mut().map(Column::finish).collect();
        let array = StructArray::new(self.fields.clone(), columns, self.nulls.finish());
        debug_assert!(array.fields().len() == self.columns.len());
        Arc::new(array)
    }
}
