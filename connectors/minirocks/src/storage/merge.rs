//! Rows that meet others of their key: aggregate key tables, and loads of primary key tables that delete rows, carry only some
//! columns, or write a row only under a condition. [`upsert`](super::upsert) does the plain case, where the last row wins.
//!
//! All rows of a key that is written are its versions, the stored one first. They are folded from left to right into a list of
//! cells, one for each column, which name the version that the value comes from; a SUM is added up in the end.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch, interleave};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal256Type, Float64Type, SchemaRef, i256};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};

use super::definition::{Aggregation, KeyModel, TableDefinition};
use super::upsert::Upserted;
use super::write::StagedRows;
use crate::error::{Error, Result};

/// Rows of one batch of the result; with it no column of text comes near the 2 GB that Arrow's offsets reach.
const BATCH_ROWS: usize = 65_536;
/// Digits of the type that whole numbers and decimals are added up in.
const SUM_DIGITS: u8 = 76;

/// How rows of a write meet the stored rows of their key (StarRocks: STREAM LOAD, `partial_update`, `merge_condition`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowMerge {
    /// Positions of the columns that the rows carry; a stored row keeps its values in the others, a new one gets what the
    /// rows hold there, which is the default. `None` for all columns.
    pub partial_columns: Option<Vec<usize>>,
    /// Position of a column: a row takes the place of another only if its value here is not smaller. NULL is the smallest.
    pub condition: Option<usize>,
}

/// Where a value comes from: the batch and the row in it.
type Cell = (usize, usize);

/// Merges new rows into the old ones of a partition.
pub(super) fn merge(
    definition: &TableDefinition,
    schema: &SchemaRef,
    how: &RowMerge,
    old: &[Arc<RecordBatch>],
    new: &[StagedRows],
) -> Result<Upserted> {
    let batches: Vec<&RecordBatch> = old.iter().map(AsRef::as_ref).chain(new.iter().map(|rows| &rows.batch)).collect();
    let versions = Versions::find(&definition.key_indexes(), &batches, old.len())?;
    let mut fold = Fold::new(definition, how, &batches, old.len(), new)?;
    let folded: Vec<Folded> = versions.by_key.iter().filter_map(|cells| fold.versions(cells)).collect();
    let mut added = Vec::new();
    for chunk in folded.chunks(BATCH_ROWS) {
        added.push(Arc::new(rows(definition, schema, &batches, chunk)?));
    }
    let mut kept = Vec::with_capacity(old.len());
    for (batch, mask) in old.iter().zip(versions.untouched) {
        match mask.true_count() {
            0 => {}
            count if count == batch.num_rows() => kept.push(Arc::clone(batch)),
            _ => kept.push(Arc::new(filter_record_batch(batch, &mask)?)),
        }
    }
    Ok(Upserted { kept, added })
}

/// The rows of each key that is written.
struct Versions {
    /// For each key, in the order of its first new row: the stored rows and then the new ones.
    by_key: Vec<Vec<Cell>>,
    /// For each old batch, the rows whose key is not written.
    untouched: Vec<BooleanArray>,
}

impl Versions {
    fn find(key: &[usize], batches: &[&RecordBatch], old: usize) -> Result<Self> {
        let Some(first) = batches.first() else {
            return Ok(Self { by_key: Vec::new(), untouched: Vec::new() });
        };
        let fields = key.iter().map(|&i| SortField::new(first.column(i).data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let encoded = batches
            .iter()
            .map(|batch| {
                let columns: Vec<ArrayRef> = key.iter().map(|&i| Arc::clone(batch.column(i))).collect();
                Ok(converter.convert_columns(&columns)?)
            })
            .collect::<Result<Vec<Rows>>>()?;
        let mut position: HashMap<&[u8], usize> = HashMap::new();
        for keys in &encoded[old..] {
            for row in 0..keys.num_rows() {
                let next = position.len();
                position.entry(keys.row(row).data()).or_insert(next);
            }
        }
        let mut by_key = vec![Vec::new(); position.len()];
        let mut untouched = Vec::with_capacity(old);
        for (batch, keys) in encoded.iter().enumerate() {
            let mut mask = Vec::with_capacity(keys.num_rows());
            for row in 0..keys.num_rows() {
                let found = position.get(keys.row(row).data());
                mask.push(found.is_none());
                if let Some(&key) = found {
                    by_key[key].push((batch, row));
                }
            }
            if batch < old {
                untouched.push(BooleanArray::from(mask));
            }
        }
        Ok(Self { by_key, untouched })
    }
}

/// One row of the result.
struct Folded {
    /// Where each column's value comes from.
    cells: Vec<Cell>,
    /// Every version, for the columns that add up.
    all: Vec<Cell>,
}

/// Folds the versions of one key.
struct Fold<'a> {
    definition: &'a TableDefinition,
    old: usize,
    new: &'a [StagedRows],
    batches: &'a [&'a RecordBatch],
    /// For each column, whether new rows carry it.
    carried: Vec<bool>,
    condition: Option<usize>,
    /// The columns whose values are compared, in a form that compares by bytes: by column, then by batch.
    comparable: HashMap<usize, Vec<Rows>>,
}

impl<'a> Fold<'a> {
    fn new(
        definition: &'a TableDefinition,
        how: &RowMerge,
        batches: &'a [&'a RecordBatch],
        old: usize,
        new: &'a [StagedRows],
    ) -> Result<Self> {
        let columns = definition.columns.len();
        let carried = match &how.partial_columns {
            None => vec![true; columns],
            Some(partial) => (0..columns).map(|index| partial.contains(&index)).collect(),
        };
        let mut comparable = HashMap::new();
        for (index, column) in definition.columns.iter().enumerate() {
            let by_size = matches!(column.aggregation, Some(Aggregation::Min | Aggregation::Max));
            if !by_size && how.condition != Some(index) {
                continue;
            }
            let converter = RowConverter::new(vec![SortField::new(column.column_type.arrow_type())])?;
            let rows = batches
                .iter()
                .map(|batch| Ok(converter.convert_columns(&[Arc::clone(batch.column(index))])?))
                .collect::<Result<Vec<Rows>>>()?;
            comparable.insert(index, rows);
        }
        Ok(Self { definition, old, new, batches, carried, condition: how.condition, comparable })
    }

    /// The row that is left; `None` if it is deleted.
    fn versions(&mut self, versions: &[Cell]) -> Option<Folded> {
        let mut cells: Option<Vec<Cell>> = None;
        for &version in versions {
            let (batch, row) = version;
            if let Some(deleted) = batch.checked_sub(self.old).and_then(|index| self.new[index].deleted.as_ref())
                && deleted.value(row)
            {
                cells = None;
                continue;
            }
            match &mut cells {
                None => cells = Some(vec![version; self.definition.columns.len()]),
                Some(cells) if self.definition.key_model == KeyModel::Aggregate => self.aggregate(cells, version),
                Some(cells) => self.replace(cells, version),
            }
        }
        cells.map(|cells| Folded { cells, all: versions.to_vec() })
    }

    fn replace(&self, cells: &mut [Cell], version: Cell) {
        if let Some(condition) = self.condition
            && self.is_smaller(condition, version, cells[condition])
        {
            return;
        }
        for (cell, carried) in cells.iter_mut().zip(&self.carried) {
            if *carried {
                *cell = version;
            }
        }
    }

    fn aggregate(&self, cells: &mut [Cell], version: Cell) {
        for (index, column) in self.definition.columns.iter().enumerate() {
            let is_null = self.batches[version.0].column(index).is_null(version.1);
            let had_null = self.batches[cells[index].0].column(index).is_null(cells[index].1);
            let takes = match column.aggregation {
                None | Some(Aggregation::Sum) => false,
                Some(Aggregation::Replace) => true,
                Some(Aggregation::ReplaceIfNotNull) => !is_null,
                Some(Aggregation::Min) => !is_null && (had_null || self.is_smaller(index, version, cells[index])),
                Some(Aggregation::Max) => !is_null && (had_null || self.is_smaller(index, cells[index], version)),
            };
            if takes {
                cells[index] = version;
            }
        }
    }

    fn is_smaller(&self, column: usize, left: Cell, right: Cell) -> bool {
        let Some(rows) = self.comparable.get(&column) else { return false };
        rows[left.0].row(left.1) < rows[right.0].row(right.1)
    }
}

/// The rows as one batch of the table.
fn rows(
    definition: &TableDefinition,
    schema: &SchemaRef,
    batches: &[&RecordBatch],
    folded: &[Folded],
) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(definition.columns.len());
    for (index, column) in definition.columns.iter().enumerate() {
        let arrays: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(index).as_ref()).collect();
        let array = if column.aggregation == Some(Aggregation::Sum) {
            let parts: Vec<Cell> = folded.iter().flat_map(|row| row.all.iter().copied()).collect();
            let counts: Vec<usize> = folded.iter().map(|row| row.all.len()).collect();
            sums(&interleave(&arrays, &parts)?, &counts, &column.name)?
        } else {
            let cells: Vec<Cell> = folded.iter().map(|row| row.cells[index]).collect();
            interleave(&arrays, &cells)?
        };
        if !column.nullable && array.null_count() > 0 {
            return Err(Error::Row(format!("NULL value in non-nullable column '{}'", column.name)));
        }
        columns.push(array);
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Adds up neighbouring values, as many at a time as `counts` says. NULL is passed over; a sum of nothing else is NULL. A sum
/// that its type cannot hold is an error, where StarRocks would wrap around.
fn sums(values: &ArrayRef, counts: &[usize], column: &str) -> Result<ArrayRef> {
    let wide = match values.data_type() {
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => DataType::Decimal256(SUM_DIGITS, *scale),
        _ => DataType::Decimal256(SUM_DIGITS, 0),
    };
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let widened = cast_with_options(values, &wide, &options)?;
    let overflow = || Error::Row(format!("the sum of column '{column}' is out of range"));
    let summed: ArrayRef = if wide == DataType::Float64 {
        Arc::new(added_up::<Float64Type>(&widened, counts, |a, b| Some(a + b)).ok_or_else(overflow)?)
    } else {
        let sums = added_up::<Decimal256Type>(&widened, counts, i256::checked_add).ok_or_else(overflow)?;
        Arc::new(sums.with_data_type(wide))
    };
    cast_with_options(&summed, values.data_type(), &options).map_err(|_| overflow())
}

fn added_up<T: ArrowPrimitiveType>(
    values: &ArrayRef,
    counts: &[usize],
    add: impl Fn(T::Native, T::Native) -> Option<T::Native>,
) -> Option<arrow::array::PrimitiveArray<T>> {
    let values = values.as_primitive::<T>();
    let mut sums = Vec::with_capacity(counts.len());
    let mut start = 0;
    for &count in counts {
        let mut sum: Option<T::Native> = None;
        for row in start..start + count {
            if values.is_valid(row) {
                let value = values.value(row);
                sum = Some(match sum {
                    None => value,
                    Some(sum) => add(sum, value)?,
                });
            }
        }
        sums.push(sum);
        start += count;
    }
    Some(sums.into_iter().collect())
}
