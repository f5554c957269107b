//! markdown.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::{ResultWriter, cell};

/// A Markdown table; `|` in data is escaped.
pub(super) struct MarkdownWriter;

impl ResultWriter for MarkdownWriter {
    fn begin(&mut self, schema: &SchemaRef, out: &mut dyn Write) -> io::Result<()> {
        let names: Vec<String> = cell::column_names(schema).iter().map(|name| escaped(name)).collect();
        writeln!(out, "| {} |", names.join(" | "))?;
        let rules: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| if cell::is_number(field.data_type()) { "---:" } else { "---" })
            .collect();
        writeln!(out, "| {} |", rules.join(" | "))
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            let cells = batch
                .columns()
                .iter()
                .map(|column| Ok(cell::text(column, row)?.map_or_else(|| "NULL".to_owned(), |text| escaped(&text))))
                .collect::<io::Result<Vec<_>>>()?;
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

fn escaped(text: &str) -> String {
    cell::visible(text).replace('|', "\\|")
}
