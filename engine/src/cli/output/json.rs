//! json and ndjson.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value};

use super::{ResultWriter, cell, invalid};

/// Rows as JSON objects with columns in order.
pub(super) struct JsonWriter {
    as_array: bool,
    names: Vec<String>,
    rows: u64,
}

impl JsonWriter {
    /// One array for the result.
    pub(super) fn array() -> Self {
        Self { as_array: true, names: Vec::new(), rows: 0 }
    }

    /// One object a line.
    pub(super) fn lines() -> Self {
        Self { as_array: false, names: Vec::new(), rows: 0 }
    }
}

impl ResultWriter for JsonWriter {
    fn begin(&mut self, schema: &SchemaRef, out: &mut dyn Write) -> io::Result<()> {
        self.names = cell::column_names(schema);
        self.rows = 0;
        if self.as_array { out.write_all(b"[") } else { Ok(()) }
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            let mut object = Map::with_capacity(self.names.len());
            for (name, column) in self.names.iter().zip(batch.columns()) {
                object.insert(name.clone(), cell::json(column, row)?);
            }
            if self.as_array {
                out.write_all(if self.rows > 0 { b",\n " } else { b"" })?;
            }
            serde_json::to_writer(&mut *out, &Value::Object(object)).map_err(invalid)?;
            if !self.as_array {
                out.write_all(b"\n")?;
            }
            self.rows += 1;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.as_array { out.write_all(b"]\n") } else { Ok(()) }
    }
}
