//! Delimited fields, as Hive writes them: no quotes, and an escape only where the table has ESCAPED BY.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use memchr::memmem;
use memchr::{memchr2, memchr3};

use super::LineSyntax;
use super::cells::{self, DateText};
use super::tree::{Tree, range, separated};
use crate::csv::Uncarried;
use crate::csv::column::{Column, Values};
use crate::error::{ConnectorError, Result};
use crate::text::nested::{delimiters, read_back};
use crate::text::{TextTableOptions, unescaped};

/// Hive's ROW FORMAT DELIMITED.
#[derive(Debug)]
pub(super) struct DelimitedLines {
    names: Vec<String>,
    /// Empty if a line is one field.
    delimiter: Vec<u8>,
    escape: Option<u8>,
    /// None: LF, and readers drop or cut at a CR too.
    line_delimiter: Option<Vec<u8>>,
    null_marker: Vec<u8>,
    /// With an escape: the one text whose escaped form is the NULL marker, if there is one.
    null_twin: Option<Vec<u8>>,
    /// Whether text goes as it is.
    raw: bool,
    /// Whether numbers, days and the like may hold a delimiter or be the NULL marker: they are then looked at one by one.
    values_may_clash: bool,
    dates: DateText,
    /// Of nested values: the delimiter of each level, and the bytes that begin one.
    levels: Vec<Vec<u8>>,
    marks: Vec<u8>,
    /// How readers read, to check nested values by; None if there are none.
    reader: Option<Box<TextTableOptions>>,
}

const NESTED: &str =
    "is a nested value that its delimiters would not give back; add ESCAPED BY to the table, or use STORED AS JSON";
const DELIMITER: &str = "holds the fields' delimiter; add ESCAPED BY to the table, or write \"raw_text\" = 'true'";
const LINE_END: &str = "holds a line's end (LF or CR); add ESCAPED BY to the table, or write \"raw_text\" = 'true'";
const LINE_DELIMITER: &str = "holds the lines' delimiter, which no escape protects";
const NULL_TEXT: &str = "is the text that stands for NULL; choose another with NULL DEFINED AS";
const NO_NULL: &str = "is NULL, for which files of this format have no text";
const NO_ESCAPE: &str = "holds a delimiter that cannot be escaped";
const VALUE_ESCAPE: &str = "holds the delimiter or the escape, which readers undo in texts only; choose another delimiter, or CAST it to STRING";
pub(super) const LOSES_TIME: &str = "has parts of a time that the format of dates would lose; CAST it in the SELECT";

impl DelimitedLines {
    pub(super) fn new(options: &TextTableOptions, raw: bool) -> Result<Self> {
        let refuse = |message: &str| Err(ConnectorError::option(message));
        let nested = options.columns.iter().filter(|(_, data_type)| data_type.is_nested());
        for (name, data_type) in nested.clone() {
            // what a reader cannot take is refused here
            read_back(options, name, data_type, std::iter::empty())?;
        }
        let levels = delimiters(options);
        let delimiter = options.fields_delimiter.clone().unwrap_or_default();
        if delimiter.is_empty() && options.columns.len() > 1 {
            return refuse("lines of several columns need FIELDS TERMINATED BY");
        }
        let line_end = options.line_delimiter.as_deref().unwrap_or(b"\n");
        if memmem::find(&delimiter, line_end).is_some() {
            return refuse("the fields' delimiter holds the lines'");
        }
        if options.line_delimiter.is_none() && delimiter.contains(&b'\r') {
            return refuse("a fields' delimiter with a carriage return would be read as a line's end");
        }
        if options.escape.is_some_and(|escape| b"nr".contains(&escape)) {
            return refuse(
                "ESCAPED BY 'n' or 'r' cannot be written: readers take an escape in front of them for LF and CR",
            );
        }
        let mut lines = Self {
            names: options.columns.iter().map(|(name, _)| name.clone()).collect(),
            values_may_clash: values_may_clash(options, &delimiter),
            marks: levels.iter().chain([&delimiter]).filter_map(|bytes| bytes.first().copied()).collect(),
            levels,
            reader: nested.clone().next().map(|_| Box::new(options.clone())),
            delimiter,
            escape: options.escape,
            line_delimiter: options.line_delimiter.clone(),
            null_marker: options.null_marker.clone(),
            null_twin: None,
            raw,
            dates: DateText::default(),
        };
        let marker = &lines.null_marker;
        let holds_delimiter = !lines.delimiter.is_empty()
            && (memmem::find(marker, &lines.delimiter).is_some() || finds_early(marker, &lines.delimiter));
        if holds_delimiter {
            return refuse("the text for NULL holds the fields' delimiter; choose another with NULL DEFINED AS");
        }
        if let Some(escape) = lines.escape {
            let twin = unescaped(marker, escape);
            let mut escaped = Vec::new();
            lines.append_escaped(&twin, &mut escaped);
            lines.null_twin = (escaped == *marker).then_some(twin);
        }
        Ok(lines)
    }

    /// Writes days and times by patterns.
    pub(super) fn with_dates(mut self, dates: DateText) -> Self {
        // a pattern may hold anything
        self.values_may_clash |= dates.date.is_some() || dates.timestamp.is_some();
        self.dates = dates;
        self
    }

    fn line_end(&self) -> &[u8] {
        self.line_delimiter.as_deref().unwrap_or(b"\n")
    }

    /// Why a reader would not give a field back as it is.
    fn field_problem(&self, text: &[u8], is_last: bool) -> Option<&'static str> {
        if self.raw {
            return None;
        }
        if let Some(line_delimiter) = &self.line_delimiter {
            // what stands behind the last field is the delimiter itself; behind others it is checked with the row
            let at_end = if is_last { finds_early(text, line_delimiter) } else { false };
            if at_end || memmem::find(text, line_delimiter).is_some() {
                return Some(LINE_DELIMITER);
            }
        }
        if self.escape.is_some() {
            return self.escaped_problem(text);
        }
        if text == self.null_marker {
            return Some(NULL_TEXT);
        }
        if self.line_delimiter.is_none() && memchr2(b'\n', b'\r', text).is_some() {
            return Some(LINE_END);
        }
        let has_delimiter = !self.delimiter.is_empty()
            && (memmem::find(text, &self.delimiter).is_some() || (!is_last && finds_early(text, &self.delimiter)));
        has_delimiter.then_some(DELIMITER)
    }

    /// With an escape nearly everything can be written.
    fn escaped_problem(&self, text: &[u8]) -> Option<&'static str> {
        let first = self.delimiter.first().copied();
        if first.is_some_and(|first| b"nr".contains(&first) && text.contains(&first)) {
            // an escape in front of these letters is a line's end
            return Some(NO_ESCAPE);
        }
        if self.null_twin.as_deref() == Some(text) {
            return Some(NULL_TEXT);
        }
        None
    }

    /// A text behind whose escapes a reader finds it again.
    fn append_escaped(&self, text: &[u8], out: &mut Vec<u8>) {
        let Some(escape) = self.escape else {
            out.extend_from_slice(text);
            return;
        };
        if text == self.null_marker {
            return self.append_marker_text(text, escape, out);
        }
        // LF and CR are none of a line whose end is something else, but an escape in front of them does no harm
        let first = self.delimiter.first().copied().unwrap_or(escape);
        let mut rest = text;
        while let Some(at) = find_any(rest, [escape, first, b'\n', b'\r']) {
            out.extend_from_slice(&rest[..at]);
            match rest[at] {
                b'\n' => out.extend_from_slice(&[escape, b'n']),
                b'\r' => out.extend_from_slice(&[escape, b'r']),
                byte if byte == escape || self.may_begin_delimiter(&rest[at..]) => {
                    out.extend_from_slice(&[escape, byte]);
                }
                byte => out.push(byte),
            }
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
    }

    /// Whether a text begins with the delimiter, or with a part of it and ends there.
    fn may_begin_delimiter(&self, text: &[u8]) -> bool {
        let len = text.len().min(self.delimiter.len());
        text[..len] == self.delimiter[..len]
    }

    /// The text of the NULL marker, with an escape somewhere that makes it another field.
    fn append_marker_text(&self, text: &[u8], escape: u8, out: &mut Vec<u8>) {
        let mut has_escape = false;
        for byte in text {
            match byte {
                b'\n' => out.extend_from_slice(&[escape, b'n']),
                b'\r' => out.extend_from_slice(&[escape, b'r']),
                byte if *byte == escape => out.extend_from_slice(&[escape, *byte]),
                byte if !has_escape && !b"nr".contains(byte) => {
                    has_escape = true;
                    out.extend_from_slice(&[escape, *byte]);
                }
                byte => out.push(*byte),
            }
        }
    }

    fn append_field(&self, tree: &Tree, row: usize, out: &mut Vec<u8>) {
        if tree.is_null(row) {
            out.extend_from_slice(&self.null_marker);
            return;
        }
        let Tree::Flat(column) = tree else { return self.append_nested(tree, row, 0, out) };
        match &column.values {
            _ if self.escape.is_none() || self.raw => cells::append(column, row, &self.dates, out),
            Values::Text(texts) => self.append_escaped(texts.value(row).as_bytes(), out),
            // only texts have escapes; values that would need one are rejects
            _ => cells::append(column, row, &self.dates, out),
        }
    }

    /// A list, map or struct, or what is in one: each level has a delimiter of its own, a map takes two.
    fn append_nested(&self, tree: &Tree, row: usize, level: usize, out: &mut Vec<u8>) {
        if tree.is_null(row) {
            out.extend_from_slice(&self.null_marker);
            return;
        }
        let delimiter = |level: usize| self.levels.get(level).map_or(&[][..], Vec::as_slice);
        match tree {
            Tree::Flat(column) => {
                let mut text = Vec::new();
                cells::append(column, row, &DateText::default(), &mut text);
                self.append_part(&text, out);
            }
            Tree::List { array, items } => {
                let range = range(array.value_offsets(), row);
                separated(out, delimiter(level), range, |item, out| self.append_nested(items, item, level + 1, out));
            }
            Tree::Map { array, keys, values } => {
                let range = range(array.value_offsets(), row);
                separated(out, delimiter(level), range, |entry, out| {
                    self.append_nested(keys, entry, level + 2, out);
                    out.extend_from_slice(delimiter(level + 1));
                    self.append_nested(values, entry, level + 2, out);
                });
            }
            Tree::Struct { fields, .. } => {
                separated(out, delimiter(level), 0..fields.len(), |field, out| {
                    self.append_nested(&fields[field].1, row, level + 1, out);
                });
            }
        }
    }

    /// A text within a nested value.
    fn append_part(&self, text: &[u8], out: &mut Vec<u8>) {
        let Some(escape) = self.escape.filter(|_| !self.raw) else {
            out.extend_from_slice(text);
            return;
        };
        if text == self.null_marker {
            return self.append_marker_text(text, escape, out);
        }
        for byte in text {
            match byte {
                b'\n' => out.extend_from_slice(&[escape, b'n']),
                b'\r' => out.extend_from_slice(&[escape, b'r']),
                byte if *byte == escape || self.marks.contains(byte) => out.extend_from_slice(&[escape, *byte]),
                byte => out.push(*byte),
            }
        }
    }

    /// Nested values are written, and read back: there are too many ways in which one may become another.
    fn nested_problems(
        &self,
        array: &ArrayRef,
        column: usize,
        is_last: bool,
        found: &mut Vec<Uncarried>,
    ) -> Result<()> {
        let Some(reader) = self.reader.as_deref().filter(|_| !self.raw) else { return Ok(()) };
        let tree = Tree::new(array)?;
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for row in 0..array.len() {
            self.append_nested(&tree, row, 0, &mut bytes);
            ends.push(bytes.len());
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let fields: Vec<&[u8]> = starts.zip(&ends).map(|(start, end)| &bytes[start..*end]).collect();
        let (name, data_type) = &reader.columns[column];
        let read = read_back(reader, name, data_type, fields.iter().copied())?;
        let read = Tree::new(&read)?;
        let dates = DateText::default();
        let (mut written, mut came_back) = (Vec::new(), Vec::new());
        for (row, field) in fields.iter().enumerate() {
            written.clear();
            came_back.clear();
            tree.append_json(row, &dates, &mut written);
            read.append_json(row, &dates, &mut came_back);
            let is_cut = match self.escape {
                // readers of lines and fields look behind the escapes
                Some(_) => self.line_delimiter.as_ref().is_some_and(|line| memmem::find(field, line).is_some()),
                None => !tree.is_null(row) && self.field_problem(field, is_last).is_some(),
            };
            if written != came_back || is_cut {
                found.push(Uncarried { row, column, reason: NESTED });
            }
        }
        Ok(())
    }

    /// Whether one look at all bytes of a column's texts shows that none has a problem.
    fn all_carried(&self, bytes: &[u8], has_empty: bool) -> bool {
        // the text that would be read as NULL
        let null_text = if self.escape.is_some() { self.null_twin.as_deref() } else { Some(&*self.null_marker) };
        let may_be_null = match null_text {
            None => false,
            Some([]) => has_empty,
            Some(text) => memmem::find(bytes, text).is_some(),
        };
        let delimiter = self.delimiter.first().copied();
        let has_mark = match (&self.line_delimiter, delimiter) {
            (None, _) if self.escape.is_some() => delimiter.is_some_and(|delimiter| b"nr".contains(&delimiter)),
            (None, Some(delimiter)) => memchr3(delimiter, b'\n', b'\r', bytes).is_some(),
            (None, None) => memchr2(b'\n', b'\r', bytes).is_some(),
            (Some(line), delimiter) => memchr2(line[0], delimiter.unwrap_or(line[0]), bytes).is_some(),
        };
        !has_mark && !may_be_null
    }

    fn text_problems(&self, array: &dyn Array, column: usize, is_last: bool, found: &mut Vec<Uncarried>) {
        let texts = array.as_string::<i32>();
        let offsets = texts.value_offsets();
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return };
        let bytes = &texts.value_data()[*first as usize..*last as usize];
        let has_empty = offsets.windows(2).any(|pair| pair[0] == pair[1]);
        if self.all_carried(bytes, has_empty) {
            return;
        }
        for row in (0..texts.len()).filter(|row| texts.is_valid(*row)) {
            if let Some(reason) = self.field_problem(texts.value(row).as_bytes(), is_last) {
                found.push(Uncarried { row, column, reason });
            }
        }
    }

    fn value_problems(&self, array: &ArrayRef, column: usize, is_last: bool, found: &mut Vec<Uncarried>) -> Result<()> {
        let values = Column::new(array)?;
        if let (Values::Timestamp(micros), Some(pattern)) = (&values.values, &self.dates.timestamp) {
            for (row, micros) in micros.iter().enumerate().filter(|(row, _)| !values.is_null(*row)) {
                if !pattern.keeps(micros.rem_euclid(crate::csv::temporal::MICROS_PER_DAY)) {
                    found.push(Uncarried { row, column, reason: LOSES_TIME });
                }
            }
        }
        if !self.values_may_clash {
            return Ok(());
        }
        let (mut text, mut escaped) = (Vec::new(), Vec::new());
        for row in (0..array.len()).filter(|row| !values.is_null(*row)) {
            text.clear();
            cells::append(&values, row, &self.dates, &mut text);
            let mut reason = self.field_problem(&text, is_last);
            if reason.is_none() && self.escape.is_some() && !self.raw {
                escaped.clear();
                self.append_escaped(&text, &mut escaped);
                reason = (escaped != text).then_some(VALUE_ESCAPE);
            }
            if let Some(reason) = reason {
                found.push(Uncarried { row, column, reason });
            }
        }
        Ok(())
    }

    /// Delimiters of several bytes may also be found across the ends of fields.
    fn row_problems(&self, batch: &RecordBatch, found: &mut Vec<Uncarried>) -> Result<()> {
        let Some(line_delimiter) = self.line_delimiter.as_deref().filter(|delimiter| delimiter.len() > 1) else {
            return Ok(());
        };
        let mut line = Vec::new();
        for row in 0..batch.num_rows() {
            line.clear();
            self.rows(&batch.slice(row, 1), &mut line)?;
            if memmem::find(&line, line_delimiter) != Some(line.len() - line_delimiter.len()) {
                found.push(Uncarried {
                    row,
                    column: 0,
                    reason: "is in a row that holds the lines' delimiter across fields",
                });
            }
        }
        Ok(())
    }
}

impl LineSyntax for DelimitedLines {
    fn header(&self, out: &mut Vec<u8>) {
        for (index, name) in self.names.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(&self.delimiter);
            }
            // a line of names is skipped by readers: what it cannot hold is left out of it
            let mut name = name.replace(['\n', '\r'], " ");
            if self.escape.is_none()
                && let Ok(delimiter) = std::str::from_utf8(&self.delimiter)
                && !delimiter.is_empty()
            {
                name = name.replace(delimiter, " ");
            }
            self.append_escaped(name.as_bytes(), out);
        }
        out.extend_from_slice(self.line_end());
    }

    fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Tree::new).collect::<Result<Vec<_>>>()?;
        let Some((last, first)) = columns.split_last() else { return Ok(()) };
        let line_end = self.line_end();
        let field_bytes = columns.iter().map(|column| column.bytes().0).sum::<usize>();
        let text_bytes = columns.iter().map(|column| column.bytes().1).sum::<usize>();
        out.reserve(
            (field_bytes + self.delimiter.len() * first.len() + line_end.len()) * batch.num_rows() + text_bytes,
        );
        for row in 0..batch.num_rows() {
            for column in first {
                self.append_field(column, row, out);
                match self.delimiter.as_slice() {
                    [byte] => out.push(*byte),
                    bytes => out.extend_from_slice(bytes),
                }
            }
            self.append_field(last, row, out);
            out.extend_from_slice(line_end);
        }
        Ok(())
    }

    fn uncarried(&self, batch: &RecordBatch, found: &mut Vec<Uncarried>) -> Result<()> {
        let null_is_line = memmem::find(&self.null_marker, self.line_end()).is_some()
            || (self.line_delimiter.is_none() && self.null_marker.contains(&b'\r'));
        if self.raw && !null_is_line {
            return Ok(());
        }
        for (column, array) in batch.columns().iter().enumerate() {
            let is_last = column + 1 == batch.num_columns();
            if null_is_line && let Some(nulls) = array.logical_nulls() {
                let rows = (0..array.len()).filter(|row| nulls.is_null(*row));
                found.extend(rows.map(|row| Uncarried { row, column, reason: NO_NULL }));
            }
            match array.data_type() {
                nested if nested.is_nested() => self.nested_problems(array, column, is_last, found)?,
                DataType::Utf8 => self.text_problems(array, column, is_last, found),
                _ => self.value_problems(array, column, is_last, found)?,
            }
        }
        self.row_problems(batch, found)?;
        Ok(())
    }
}

/// The first of four bytes.
fn find_any(text: &[u8], bytes: [u8; 4]) -> Option<usize> {
    let [a, b, c, d] = bytes;
    let first = memchr3(a, b, c, text);
    match memchr::memchr(d, &text[..first.unwrap_or(text.len())]) {
        Some(at) => Some(at),
        None => first,
    }
}

/// Whether the delimiter is found before the end of a text that it follows: `a|` and `||` are read as `a` and `|`.
fn finds_early(text: &[u8], delimiter: &[u8]) -> bool {
    (1..delimiter.len()).any(|shift| {
        let overlap = delimiter.len() - shift;
        delimiter[shift..] == delimiter[..overlap] && text.ends_with(&delimiter[..shift])
    })
}

/// Whether a value that is no text may hold a delimiter or an escape, or be the NULL marker.
pub(super) fn values_may_clash(options: &TextTableOptions, delimiter: &[u8]) -> bool {
    let is_of_value = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.:/= ".contains(byte);
    let marks =
        [delimiter.first(), options.escape.as_ref(), options.line_delimiter.as_ref().and_then(|line| line.first())];
    let has_bytes = options.columns.iter().any(|(_, data_type)| *data_type == DataType::Binary);
    let marker = options.null_marker.as_slice();
    let marker_is_value = match marker {
        [] => has_bytes,
        b"true" | b"false" | b"NaN" | b"Infinity" => true,
        [first, ..] => first.is_ascii_digit() || *first == b'-' || (has_bytes && marker.iter().all(is_of_value)),
    };
    marks.into_iter().flatten().any(is_of_value) || marker_is_value
}
