//! table: borders, numbers at the right.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use unicode_width::UnicodeWidthStr;

use super::{ResultWriter, cell};

/// Rows that are looked at before the widths are fixed; more rows are printed as they come, so that memory stays bounded.
const ROWS_MEASURED: usize = 1_000;

/// A table with borders.
#[derive(Default)]
pub(super) struct TableWriter {
    names: Vec<String>,
    at_right: Vec<bool>,
    rows: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl ResultWriter for TableWriter {
    fn begin(&mut self, schema: &SchemaRef, _: &mut dyn Write) -> io::Result<()> {
        self.names = cell::column_names(schema).iter().map(|name| cell::visible(name)).collect();
        self.at_right = schema.fields().iter().map(|field| cell::is_number(field.data_type())).collect();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            let cells = batch
                .columns()
                .iter()
                .map(|column| {
                    Ok(cell::text(column, row)?.map_or_else(|| "NULL".to_owned(), |text| cell::visible(&text)))
                })
                .collect::<io::Result<Vec<_>>>()?;
            match &self.widths {
                Some(widths) => self.line(&cells, widths, out)?,
                None => self.rows.push(cells),
            }
            if self.rows.len() == ROWS_MEASURED {
                self.head(out)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        if self.widths.is_none() {
            self.head(out)?;
        }
        match &self.widths {
            Some(widths) => rule(widths, out),
            None => Ok(()),
        }
    }
}

impl TableWriter {
    /// Fixes the widths and prints the head and the rows so far.
    fn head(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths: Vec<usize> = self.names.iter().map(|name| name.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        rule(&widths, out)?;
        self.line(&self.names, &widths, out)?;
        rule(&widths, out)?;
        for row in std::mem::take(&mut self.rows) {
            self.line(&row, &widths, out)?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    fn line(&self, cells: &[String], widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let mut line = String::from("|");
        for ((cell, width), at_right) in cells.iter().zip(widths).zip(&self.at_right) {
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            let (before, behind) = if *at_right { (pad.as_str(), "") } else { ("", pad.as_str()) };
            line.push_str(&format!(" {before}{cell}{behind} |"));
        }
        writeln!(out, "{line}")
    }
}

fn rule(widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
    let parts: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    writeln!(out, "+{}+", parts.join("+"))
}
