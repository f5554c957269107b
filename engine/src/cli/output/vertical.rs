//! vertical: one column a line, as mysql's `\G`.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use unicode_width::UnicodeWidthStr;

use super::{ResultWriter, cell};

/// One column a line.
#[derive(Default)]
pub(super) struct VerticalWriter {
    names: Vec<String>,
    rows: u64,
}

impl ResultWriter for VerticalWriter {
    fn begin(&mut self, schema: &SchemaRef, _: &mut dyn Write) -> io::Result<()> {
        let names: Vec<String> = cell::column_names(schema).iter().map(|name| cell::visible(name)).collect();
        let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
        self.names = names.iter().map(|name| format!("{}{name}", " ".repeat(width - name.width()))).collect();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            self.rows += 1;
            writeln!(out, "*************************** {}. row ***************************", self.rows)?;
            for (name, column) in self.names.iter().zip(batch.columns()) {
                let text = cell::text(column, row)?.map_or_else(|| "NULL".to_owned(), |text| cell::visible(&text));
                writeln!(out, "{name}: {text}")?;
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
