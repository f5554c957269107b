//! csv and tsv.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::{ResultWriter, cell};

/// Rows of fields between separators, with a header line.
pub(super) struct DelimitedWriter {
    field: fn(Option<&str>, &mut String),
    separator: char,
}

impl DelimitedWriter {
    /// RFC 4180 with `\n`: NULL is nothing, the empty text is `""`.
    pub(super) fn csv() -> Self {
        Self { field: csv_field, separator: ',' }
    }

    /// NULL is `\N`; backslash, TAB, LF and CR are escaped.
    pub(super) fn tsv() -> Self {
        Self { field: tsv_field, separator: '\t' }
    }

    fn line<'a>(&self, fields: impl Iterator<Item = Option<&'a str>>, line: &mut String) {
        for (index, field) in fields.enumerate() {
            if index > 0 {
                line.push(self.separator);
            }
            (self.field)(field, line);
        }
        line.push('\n');
    }
}

impl ResultWriter for DelimitedWriter {
    fn begin(&mut self, schema: &SchemaRef, out: &mut dyn Write) -> io::Result<()> {
        let names = cell::column_names(schema);
        let mut line = String::new();
        self.line(names.iter().map(|name| Some(name.as_str())), &mut line);
        out.write_all(line.as_bytes())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        let mut line = String::new();
        for row in 0..batch.num_rows() {
            line.clear();
            let cells = batch.columns().iter().map(|column| cell::text(column, row)).collect::<io::Result<Vec<_>>>()?;
            self.line(cells.iter().map(Option::as_deref), &mut line);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

fn csv_field(field: Option<&str>, line: &mut String) {
    let Some(field) = field else { return };
    if field.is_empty() || field.contains([',', '"', '\n', '\r']) {
        line.push('"');
        line.push_str(&field.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(field);
    }
}

fn tsv_field(field: Option<&str>, line: &mut String) {
    let Some(field) = field else {
        line.push_str("\\N");
        return;
    };
    for character in field.chars() {
        match character {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            other => line.push(other),
        }
    }
}
