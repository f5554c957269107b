//! Primary and unique key tables: the last row of a key is kept. What is not as plain is in [`merge`](super::merge).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};

use super::write::StagedRows;
use crate::error::Result;

/// What is left of a partition's rows and of the new ones.
pub(super) struct Upserted {
    /// Old batches without the rows that new ones replace; a batch that loses none stays the same.
    pub(super) kept: Vec<Arc<RecordBatch>>,
    /// New batches without the rows that later ones replace.
    pub(super) added: Vec<Arc<RecordBatch>>,
}

/// Puts new rows over old ones by their key.
pub(super) fn upsert(key: &[usize], old: &[Arc<RecordBatch>], new: &[StagedRows]) -> Result<Upserted> {
    let Some(StagedRows { batch: first, .. }) = new.first() else {
        return Ok(Upserted { kept: old.to_vec(), added: Vec::new() });
    };
    let fields = key.iter().map(|&i| SortField::new(first.column(i).data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let rows_of = |batch: &RecordBatch| -> Result<Rows> {
        let columns: Vec<_> = key.iter().map(|&i| Arc::clone(batch.column(i))).collect();
        Ok(converter.convert_columns(&columns)?)
    };

    let new_keys = new.iter().map(|rows| rows_of(&rows.batch)).collect::<Result<Vec<_>>>()?;
    let mut last: HashMap<&[u8], (usize, usize)> = HashMap::new();
    for (batch, keys) in new_keys.iter().enumerate() {
        for row in 0..keys.num_rows() {
            last.insert(keys.row(row).data(), (batch, row));
        }
    }
    let mut added = Vec::with_capacity(new.len());
    for (index, (StagedRows { batch, .. }, keys)) in new.iter().zip(&new_keys).enumerate() {
        let mask: BooleanArray =
            (0..batch.num_rows()).map(|row| Some(last.get(keys.row(row).data()) == Some(&(index, row)))).collect();
        added.push(if mask.true_count() == batch.num_rows() {
            Arc::new(batch.clone())
        } else {
            Arc::new(filter_record_batch(batch, &mask)?)
        });
    }

    let mut kept = Vec::with_capacity(old.len());
    for batch in old {
        let keys = rows_of(batch)?;
        let mask: BooleanArray =
            (0..batch.num_rows()).map(|row| Some(!last.contains_key(keys.row(row).data()))).collect();
        match mask.true_count() {
            0 => {}
            count if count == batch.num_rows() => kept.push(Arc::clone(batch)),
            _ => kept.push(Arc::new(filter_record_batch(batch, &mask)?)),
        }
    }
    Ok(Upserted { kept, added })
}
