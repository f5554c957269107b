//! The moment that a wall clock shows in a zone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::error::{ConnectorError, Result};
use crate::wall_clock;

/// A zone.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    zone: TimeZone,
    /// The offset in microseconds, if there is only one.
    fixed: Option<i64>,
}

impl Moments {
    /// The zone of a name or an offset.
    pub(super) fn of(name: &str) -> Result<Self> {
        let zone = crate::columnar::time_zone(name)?;
        let fixed = zone.to_fixed_offset().ok().map(micros);
        Ok(Self { zone, fixed })
    }

    /// The moment of a wall clock, both in microseconds since 1970; the first of two. None where the zone skips it.
    pub(super) fn of_clock(&self, clock: i64) -> Option<i64> {
        if let Some(offset) = self.fixed {
            return clock.checked_sub(offset);
        }
        let shown = wall_clock::time_of(clock)?;
        let offset = match self.zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { .. } => return None,
        };
        clock.checked_sub(micros(offset))
    }

    /// The values in the type that is written.
    ///
    /// # Errors
    /// Code Internal for values that were to be refused before, and for types that do not fit each other.
    pub(super) fn convert(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let broken = |error: arrow::error::ArrowError| {
            ConnectorError::internal("a column cannot be written as its file's type").with_source(error)
        };
        match (array.data_type(), to) {
            (from, to) if from == to => Ok(Arc::clone(array)),
            (DataType::Timestamp(..), DataType::Timestamp(_, Some(zone))) => {
                let clocks = array.as_primitive::<TimestampMicrosecondType>();
                let skipped = || ConnectorError::internal("a time that its zone skips was to be refused before");
                let moments: TimestampMicrosecondArray = clocks
                    .try_unary::<_, TimestampMicrosecondType, _>(|clock| self.of_clock(clock).ok_or_else(skipped))?;
                Ok(Arc::new(moments.with_timezone(Arc::clone(zone))))
            }
            (DataType::Struct(_), DataType::Struct(fields)) => {
                let structs = array.as_struct();
                let convert = |(column, field): (&ArrayRef, &Arc<arrow::datatypes::Field>)| {
                    self.convert(column, field.data_type())
                };
                let columns = structs.columns().iter().zip(fields).map(convert).collect::<Result<Vec<_>>>()?;
                let made =
                    StructArray::try_new_with_length(fields.clone(), columns, structs.nulls().cloned(), array.len());
                Ok(Arc::new(made.map_err(broken)?))
            }
            (DataType::List(_), DataType::List(element)) => {
                let lists = array.as_list::<i32>();
                let values = self.convert(lists.values(), element.data_type())?;
                let made =
                    ListArray::try_new(Arc::clone(element), lists.offsets().clone(), values, lists.nulls().cloned());
                Ok(Arc::new(made.map_err(broken)?))
            }
            (DataType::Map(..), DataType::Map(entries, sorted)) => {
                let maps = array.as_map();
                let DataType::Struct(pair) = entries.data_type() else {
                    return Err(ConnectorError::internal("a map's entries are not pairs"));
                };
                let keys = self.convert(maps.keys(), pair[0].data_type())?;
                let values = self.convert(maps.values(), pair[1].data_type())?;
                let pairs = StructArray::try_new(pair.clone(), vec![keys, values], None).map_err(broken)?;
                let (offsets, nulls) = (maps.offsets().clone(), maps.nulls().cloned());
                let made = MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *sorted);
                Ok(Arc::new(made.map_err(broken)?))
            }
            _ => {
                let options = CastOptions { safe: false, ..CastOptions::default() };
                cast_with_options(array, to, &options).map_err(broken)
            }
        }
    }
}

fn micros(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * 1_000_000
}
