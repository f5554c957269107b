//! Loading bytes into a table without HTTP, for tests of the CSV and JSON readers.

use arrow::array::Array;
use arrow::json::ArrayWriter;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value as Json;
use tokio::sync::mpsc;

use super::*;
use crate::storage::{ColumnDefinition, TableDefinition, Warehouse, WriteMode};

/// What a load of bytes left.
#[derive(Debug)]
pub(crate) struct RowOutcome {
    /// Rows as JSON arrays, in the form of `vectors.json`.
    pub(crate) rows: Json,
    /// Rows filtered.
    pub(crate) filtered: u64,
}

/// Loads a body into a new table of nullable columns `c0`, `c1`, … It is sent in pieces of this many bytes. The filter ratio
/// is not applied.
pub(crate) fn load_csv(
    types: &[String],
    headers: &[(String, String)],
    body: &[u8],
    piece: usize,
) -> Result<RowOutcome> {
    let columns = types
        .iter()
        .enumerate()
        .map(|(i, t)| ColumnDefinition::new(format!("c{i}"), t.parse().unwrap()))
        .collect::<Vec<_>>();
    let mut definition = TableDefinition::new("t", columns);
    // ARRAY cannot be a key, and a table needs one: an INT in front that the load leaves out.
    let needs_key = !definition.columns[0].column_type.can_be_key();
    if needs_key {
        definition.columns.insert(0, ColumnDefinition::new("k", crate::types::ColumnType::Int));
    }
    let warehouse = Warehouse::in_memory();
    warehouse.create_database("d", false)?;
    let database = warehouse.database("d")?;
    let names: Vec<_> = (0..types.len()).map(|i| format!("c{i}")).collect();
    database.create_table(definition, false)?;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    if needs_key {
        map.insert("columns", HeaderValue::from_str(&names.join(",")).unwrap());
    }
    let options = LoadOptions::parse(&map, ServerConfig::default().abilities())?;
    let table = database.table("t")?;
    let (sender, receiver) = mpsc::channel(body.len() + 1);
    for bytes in body.chunks(piece.min(body.len()).max(1)) {
        sender.try_send(Piece::Bytes(Bytes::copy_from_slice(bytes))).map_err(|_| Error::invalid("full"))?;
    }
    sender.try_send(Piece::End).map_err(|_| Error::invalid("full"))?;
    let mut intake = Intake::new(&table, options, false)?;
    intake.read(receiver)?;
    let (ended, loaded) = intake.finish();
    ended?;
    let filtered = loaded.counts.filtered;
    loaded.staged.commit(database.begin(&Label::random("t_"), "t")?, WriteMode::Append)?;
    let first = usize::from(needs_key);
    let rows = table.snapshot().batches().flat_map(|batch| json_rows(batch, first)).collect();
    Ok(RowOutcome { rows, filtered })
}

/// The rows of a batch as JSON arrays, from the column `first` on.
fn json_rows(batch: &RecordBatch, first: usize) -> Vec<Json> {
    (0..batch.num_rows())
        .map(|row| (first..batch.num_columns()).map(|column| json_value(batch, column, row)).collect())
        .collect()
}

fn json_value(batch: &RecordBatch, column: usize, row: usize) -> Json {
    use arrow::datatypes::DataType;
    let array = batch.column(column);
    if array.is_null(row) {
        return Json::Null;
    }
    if matches!(array.data_type(), DataType::Decimal128(..)) {
        return arrow::util::display::array_value_to_string(array, row).unwrap().into();
    }
    let one = batch.slice(row, 1).project(&[column]).unwrap();
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write(&one).unwrap();
    writer.finish().unwrap();
    let mut rows: Json = serde_json::from_slice(&writer.into_inner()).unwrap();
    let value = rows[0].as_object_mut().unwrap().values().next().unwrap().clone();
    match (array.data_type(), value) {
        // Arrow writes 2022-04-26T00:00:00.
        (DataType::Timestamp(..), Json::String(text)) => text.replace('T', " ").into(),
        (_, value) => value,
    }
}
