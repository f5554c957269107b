//! From the columns of a SELECT to those of files, and to partitions.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray, UInt32Array, new_null_array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::{ConnectorError, Result};
use crate::sink::convert::parse::typed;
use crate::text::NULL_PARTITION;

/// Where the columns of the files, and the values of the partitions, are in the batches of the SELECT.
#[derive(Debug)]
pub(super) struct Shape {
    schema: SchemaRef,
    /// For each column of the files; None: the statement leaves it out.
    sources: Vec<Option<usize>>,
    /// The columns whose values name the partition of a row.
    dynamic: Vec<(usize, DataType)>,
}

impl Shape {
    /// `selected` has the name of the target's column for each column of the SELECT.
    pub(super) fn new(
        columns: &[(String, DataType)],
        dynamic: &[(String, DataType)],
        selected: &[String],
    ) -> Result<Self> {
        let source = |name: &str| selected.iter().position(|known| known == name);
        let fields = columns.iter().map(|(name, data_type)| Field::new(name, data_type.clone(), true));
        let of_partition = |(name, data_type): &(String, DataType)| match source(name) {
            Some(source) => Ok((source, data_type.clone())),
            None => Err(ConnectorError::new(
                crate::error::ErrorCode::Name,
                format!(
                    "the statement has no value for the partition column `{name}`; add it to the SELECT, or write PARTITION ({name} = '…')"
                ),
            )),
        };
        Ok(Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            sources: columns.iter().map(|(name, _)| source(name)).collect(),
            dynamic: dynamic.iter().map(of_partition).collect::<Result<_>>()?,
        })
    }

    /// The columns of the files, each in its own type.
    pub(super) fn of_files(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let array = |(field, source): (&Arc<Field>, &Option<usize>)| match source {
            Some(source) => typed(batch.column(*source), field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        };
        let arrays = self.schema.fields().iter().zip(&self.sources).map(array).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| ConnectorError::internal("the columns of a file do not fit together").with_source(error))
    }

    /// The rows of `files` by the partition that `batch`, row by row beside them, says; a partition's values stand for themselves, and a
    /// NULL or an empty text as Hive names it.
    pub(super) fn by_partition(
        &self,
        batch: &RecordBatch,
        files: RecordBatch,
    ) -> Result<Vec<(Vec<String>, RecordBatch)>> {
        if self.dynamic.is_empty() || files.num_rows() == 0 {
            return Ok(vec![(Vec::new(), files)]);
        }
        let texts = self.dynamic.iter().map(|(source, data_type)| {
            let values = typed(batch.column(*source), data_type)?;
            let texts = arrow::compute::cast(&values, &DataType::Utf8).map_err(not_text)?;
            Ok(texts.as_string::<i32>().clone())
        });
        let texts: Vec<StringArray> = texts.collect::<Result<_>>()?;
        let mut rows: HashMap<Vec<&str>, Vec<u32>> = HashMap::new();
        let mut order: Vec<Vec<&str>> = Vec::new();
        for row in 0..files.num_rows() {
            let key: Vec<&str> = texts.iter().map(|texts| value(texts, row)).collect();
            let number = u32::try_from(row).map_err(|_| ConnectorError::internal("a batch has too many rows"))?;
            match rows.get_mut(&key) {
                Some(rows) => rows.push(number),
                None => {
                    order.push(key.clone());
                    rows.insert(key, vec![number]);
                }
            }
        }
        let owned = |key: &[&str]| key.iter().map(|value| (*value).to_owned()).collect();
        if let [only] = order.as_slice() {
            return Ok(vec![(owned(only), files)]);
        }
        let mut parts = Vec::with_capacity(order.len());
        for key in order {
            let indices = UInt32Array::from(rows.remove(&key).unwrap_or_default());
            parts.push((owned(&key), take_record_batch(&files, &indices).map_err(not_text)?));
        }
        Ok(parts)
    }
}

fn value(texts: &StringArray, row: usize) -> &str {
    match texts.is_valid(row) {
        true if !texts.value(row).is_empty() => texts.value(row),
        _ => NULL_PARTITION,
    }
}

fn not_text(error: arrow::error::ArrowError) -> ConnectorError {
    ConnectorError::internal("rows cannot be dealt out to partitions").with_source(error)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Date32Array, Int64Array};

    use super::*;

    fn batch() -> RecordBatch {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        let day: ArrayRef =
            Arc::new(StringArray::from(vec![Some("20240807"), None, Some("2024-08-07"), Some("2024-8-8")]));
        let hour: ArrayRef = Arc::new(StringArray::from(vec!["a", "", "a", "b"]));
        RecordBatch::try_from_iter([("id", id), ("dt", day), ("h", hour)]).unwrap()
    }

    #[test]
    fn rows_go_to_the_partition_that_they_name() {
        let selected = ["id", "dt", "h"].map(str::to_owned);
        let columns = [("note".to_owned(), DataType::Utf8), ("id".to_owned(), DataType::Int64)];
        let dynamic = [("dt".to_owned(), DataType::Date32), ("h".to_owned(), DataType::Utf8)];
        let shape = Shape::new(&columns, &dynamic, &selected).unwrap();
        let files = shape.of_files(&batch()).unwrap();
        assert_eq!(files.column(0).null_count(), 4);
        let parts = shape.by_partition(&batch(), files).unwrap();
        let found: Vec<(Vec<String>, usize)> = parts.into_iter().map(|(key, rows)| (key, rows.num_rows())).collect();
        let key = |dt: &str, h: &str| vec![dt.to_owned(), h.to_owned()];
        assert_eq!(
            found,
            [(key("2024-08-07", "a"), 2), (key(NULL_PARTITION, NULL_PARTITION), 1), (key("2024-08-08", "b"), 1)]
        );
    }

    #[test]
    fn a_partition_column_needs_a_value() {
        let dynamic = [("dt".to_owned(), DataType::Date32)];
        let error = Shape::new(&[("id".to_owned(), DataType::Int64)], &dynamic, &["id".to_owned()]).unwrap_err();
        assert!(error.message().contains("partition column `dt`"), "{error}");
    }

    #[test]
    fn text_for_a_typed_column_is_that_value() {
        let selected = ["id", "dt", "h"].map(str::to_owned);
        let shape = Shape::new(&[("dt".to_owned(), DataType::Date32)], &[], &selected).unwrap();
        let files = shape.of_files(&batch()).unwrap();
        let days = files.column(0).as_any().downcast_ref::<Date32Array>().unwrap();
        assert_eq!((days.value(0), days.is_null(1), days.value(2), days.value(3)), (19942, true, 19942, 19943));
    }
}
